// One compilation from path to machine code. See pipeline.h.
#include "drive/pipeline.h"

#include "drive/interpreted.h"
#include "drive/program_copy.h"
#include "ir/bug.h"
#include "ir/passes.h"
#include "levels/levels.h"
#include "loop/lower.h"
#include "opt/opt.h"
#include "parse/parse.h"

#include <ctype.h>
#include <errno.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <stdio.h>
#include <string.h>
#include <time.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); // of all its threads: other programs do not count
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static const char *folder_of(Arena *arena, const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? arena_string(arena, path, (size_t)(slash - path)) : ".";
}

/// The file's name without folder and ending, as a C identifier: name of the program and of its
/// symbol.
static const char *stem_of(Arena *arena, const char *path) {
  const char *slash = strrchr(path, '/');
  const char *base = slash ? slash + 1 : path;
  const char *dot = strrchr(base, '.');
  char *stem = arena_string(arena, base, dot ? (size_t)(dot - base) : strlen(base));
  for (char *c = stem; *c; c++)
    if (!isalnum((unsigned char)*c)) *c = '_';
  return stem;
}

/// Unknown names are poisoned, so that evaluation may go on and find the other mistakes of the
/// file; a file whose structure is wrong would only be misread.
static bool only_unknown_names(const Diagnostics *diagnostics) {
  Span anywhere = {0};
  return diagnostics_errors(diagnostics) == diagnostics_count_code(diagnostics, E0201, anywhere);
}

bool pipeline_front(Pipeline *p, Arena *arena, const Options *options, const char *path) {
  double start = now();
  *p = (Pipeline){.arena = arena, .options = options, .name = stem_of(arena, path)};
  size_t length = 0;
  char *text = file_read(arena, path, &length);
  if (!text) {
    fprintf(stderr, "error[%s]: cannot read %s: %s\n", error_code_text(E0902), path,
            strerror(errno));
    return false;
  }
  p->library = (Library){arena, options->library, folder_of(arena, path)};
  p->compilation = compilation_create(library_loader(&p->library));
  p->file = parse_text(p->compilation, path, text, length);
  p->program = p->file ? check_program(p->compilation, p->file) : NULL;
  p->seconds += now() - start;
  return p->program && only_unknown_names(p->compilation->diagnostics);
}

BuildOptions pipeline_build_options(const Pipeline *p) {
  const Options *o = p->options;
  return (BuildOptions){.solve = o->solve,
                        .dims = o->dims.data,
                        .dim_count = o->dims.count,
                        .overrides = o->overrides.data,
                        .override_count = o->overrides.count,
                        .test_filter = o->filter,
                        .check_levels = levels_check};
}

bool pipeline_build(Pipeline *p, const BuildOptions *build) {
  double start = now();
  p->built = build_program(p->compilation, p->program, build);
  if (p->built) {
    ir_verify_after(p->built->module, "build");
    p->built->program->name = p->name;
  }
  bool sound = p->built && diagnostics_errors(p->compilation->diagnostics) == 0;
  if (sound) check_warnings(p->compilation, p->program);
  p->seconds += now() - start;
  return sound;
}

void pipeline_optimize(Pipeline *p) {
  double start = now();
  opt_run(p->built->module);
  ir_verify_after(p->built->module, "opt");
  module_register_checks(p->built->module);
  p->seconds += now() - start;
}

void pipeline_emit(Pipeline *p, const char *cpu) {
  double start = now();
  Built *built = p->built;
  EmitOptions emit = {.cpu = cpu, .verify = p->options->verbose};
  p->module = emit_create(p->compilation->arena, &emit, built->atoms, built->atom_count);
  LowerOptions lower = {.fuse = !p->options->unfused};
  // The descriptor is const for its readers; here it is still being made.
  blo_entry *entries = (blo_entry *)(uintptr_t)built->program->entries;
  for (size_t i = 0; i < built->program->entry_count; i++) {
    Schedule *schedule = lower_func(built->funcs[i], &lower);
    const char *wrong = schedule_verify(p->compilation->arena, schedule);
    REQUIRE(!wrong, "schedule of %s: %s", entries[i].name, wrong);
    Plan *plan = plan_schedule(schedule, built->atoms, built->atom_count);
    emit_schedule(p->module, schedule, plan);
    entries[i].slots = plan->slots;
    entries[i].slot_count = plan->slot_count;
    p->kernels += schedule_kernel_count(schedule);
    VEC_PUSH(p->arena, &p->schedules, schedule);
  }
  p->seconds += now() - start;
}

bool pipeline_jit(Pipeline *p) {
  double start = now();
  char *message = NULL;
  p->code = emit_jit(p->module, &message);
  p->module = NULL; // consumed
  REQUIRE(p->code, "in-memory compilation failed: %s", message ? message : "no reason given");
  blo_entry *entries = (blo_entry *)(uintptr_t)p->built->program->entries;
  for (size_t i = 0; i < p->built->program->entry_count; i++) {
    entries[i].run = emit_code_find(p->code, p->built->funcs[i]->name);
    REQUIRE(entries[i].run, "no code for entry %s", entries[i].name);
  }
  p->seconds += now() - start;
  return true;
}

void pipeline_interpret(Pipeline *p) {
  blo_entry *entries = (blo_entry *)(uintptr_t)p->built->program->entries;
  for (size_t i = 0; i < p->built->program->entry_count; i++) {
    entries[i].run = interpreted_run;
    entries[i].self = interpreted_create(p->compilation->arena, p->built, i);
  }
}

static const char *place_text(Compilation *compilation, Span span) {
  const Source *source = source_get(compilation->sources, span.source);
  if (!source) return "";
  Position position = source_position(source, span.start);
  return arena_printf(compilation->arena, "%s:%u:%u", source->path, position.line, position.column);
}

void pipeline_describe_notes(Pipeline *p) {
  Module *module = p->built->module;
  blo_note *notes = ARENA_ARRAY(p->compilation->arena, blo_note, module->notes.count);
  for (size_t i = 0; i < module->notes.count; i++) {
    const ModuleNote *note = &module->notes.data[i];
    notes[i] = (blo_note){error_code_text((ErrorCode)note->code), note->text,
                          place_text(p->compilation, note->span)};
  }
  p->built->program->notes = notes;
  p->built->program->note_count = module->notes.count;
}

const blo_program *pipeline_keep_program(Pipeline *p) {
  const blo_program *program = p->built->program;
  if (p->options->interpret) return program;
  program = program_copy(p->arena, program);
  compilation_destroy(p->compilation);
  p->compilation = NULL;
  p->built = NULL;
#ifdef __GLIBC__
  malloc_trim(0); // what was freed would stay beside the program's data
#endif
  return program;
}

int pipeline_report(Pipeline *p) {
  if (!p->compilation) return 1;
  Diagnostics *diagnostics = p->compilation->diagnostics;
  diagnostics_print(diagnostics, stderr, p->options->errors, p->options->color, 0);
  return diagnostics_errors(diagnostics) ? 1 : 0;
}

void pipeline_destroy(Pipeline *p) {
  if (p->code) emit_code_destroy(p->code);
  if (p->module) emit_destroy(p->module);
  if (p->compilation) compilation_destroy(p->compilation);
  p->code = NULL;
  p->module = NULL;
  p->compilation = NULL;
}
