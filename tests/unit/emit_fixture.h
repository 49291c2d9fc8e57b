// Kernels and schedules built by hand, compiled and called: for the tests and benches of emission.
//
//   Fixture f = fixture_create();
//   KernelBuilder *k = fixture_kernel(&f, "double");  .. build ..
//   Buffer *x = fixture_buffer(&f, BUFFER_INPUT, 0, DT_F64, n); ..
//   fixture_launch(&f, &f.schedule->steps, kernel_finish(k), (Buffer *[]){x, y}, 2);
//   blo_function run = fixture_compile(&f);
#ifndef BLO_TESTS_EMIT_FIXTURE_H
#define BLO_TESTS_EMIT_FIXTURE_H

#include "emit/emit.h"
#include "ir/bug.h"
#include "loop/kernel_builder.h"
#include "text/compilation.h"
#include <stdio.h>
#include <stdlib.h>

enum { FIXTURE_NOTES = 4 };

static const char *fixture_cpu; // NULL: this machine's

typedef struct Fixture {
  Compilation *compilation;
  Arena *arena;
  Module *module;
  Schedule *schedule;
  Name atom; // the one dim name, "n"
  const Dim *n;
  EmitCode *code;
  int64_t notes[FIXTURE_NOTES];
} Fixture;

static inline Fixture fixture_create(void) {
  Fixture f = {.compilation = compilation_create((SourceLoader){0})};
  f.arena = f.compilation->arena;
  f.module = module_create(f.arena, f.compilation->names);
  f.atom = intern(f.module->names, "n");
  f.n = dim_name(f.module->dims, f.atom);
  f.schedule = ARENA_NEW(f.arena, Schedule);
  f.schedule->module = f.module;
  f.schedule->name = intern(f.module->names, "entry");
  for (int i = 0; i < FIXTURE_NOTES; i++) module_note(f.module, i, "a note", (Span){0});
  return f;
}

static inline void fixture_destroy(Fixture *f) {
  if (f->code) emit_code_destroy(f->code);
  compilation_destroy(f->compilation);
}

static inline KernelBuilder *fixture_kernel(Fixture *f, const char *name) {
  return kernel_builder_create(f->module, name, (Span){0});
}

static inline const Dim *fixture_size(Fixture *f, int64_t value) {
  return dim_const(f->module->dims, value);
}

/// `number`: of the input or output; of a workspace buffer, its slot.
static inline Buffer *fixture_buffer(Fixture *f, BufferKind kind, int number, Dtype dtype,
                                     const Dim *entries) {
  Buffer *b = ARENA_NEW(f->arena, Buffer);
  b->id = (int)f->schedule->buffers.count;
  b->kind = kind;
  b->number = number;
  b->dtype = dtype;
  b->entries = entries;
  b->slot = kind == BUFFER_WORKSPACE ? number : -1;
  VEC_PUSH(f->arena, &f->schedule->buffers, b);
  return b;
}

static inline Step *fixture_step(Fixture *f, StepList *list, StepKind kind) {
  Step *step = ARENA_NEW(f->arena, Step);
  step->kind = kind;
  VEC_PUSH(f->arena, list, step);
  return step;
}

static inline void fixture_use(Fixture *f, Step *step, Buffer *buffer) {
  VEC_PUSH(f->arena, &step->buffers, ((BufferUse){.buffer = buffer, .counter = -1}));
}

static inline Step *fixture_launch(Fixture *f, StepList *list, Kernel *kernel,
                                   Buffer *const *buffers, size_t count) {
  Step *step = fixture_step(f, list, STEP_LAUNCH);
  step->kernel = kernel;
  for (size_t i = 0; i < count; i++) fixture_use(f, step, buffers[i]);
  return step;
}

static inline blo_function fixture_compile(Fixture *f) {
  const char *wrong = schedule_verify(f->arena, f->schedule);
  REQUIRE(!wrong, "%s", wrong);
  EmitOptions options = {.cpu = fixture_cpu, .verify = true};
  EmitModule *module = emit_create(f->arena, &options, &f->atom, 1);
  Plan plan = {0};
  emit_schedule(module, f->schedule, &plan);
  if (getenv("BLO_SHOW_LLVM")) {
    char *text = emit_text(module, true);
    fputs(text, stderr);
    free(text);
  }
  char *message = NULL;
  f->code = emit_jit(module, &message);
  REQUIRE(f->code, "%s", message);
  return emit_code_find(f->code, "entry");
}

static inline int32_t fixture_call(Fixture *f, blo_function run, int64_t n,
                                   const void *const *inputs, void *const *outputs) {
  static _Alignas(64) char workspace[1 << 16];
  static const int64_t offsets[] = {0, 8192, 16384, 24576, 32768, 40960, 49152};
  blo_call call = {.dims = &n,
                   .inputs = inputs,
                   .outputs = outputs,
                   .workspace = workspace,
                   .offsets = offsets,
                   .notes = f->notes};
  return run(&call);
}

/// One kernel over one buffer each, y[i] = op(x[i]) for i < n, in vectors.
static inline blo_function fixture_unary(Fixture *f, Opcode code, Dtype dtype, int width,
                                         int unroll) {
  KernelBuilder *k = fixture_kernel(f, op_table[code].text);
  int x = kernel_buffer(k, dtype, true, false), y = kernel_buffer(k, dtype, false, true);
  Axis *i = kernel_for_vector(k, "i", expr_dim(k, f->n), width, unroll);
  kernel_store(k, y, expr_axis(k, i), expr_unary(k, code, expr_load(k, x, expr_axis(k, i))));
  kernel_end(k);
  Buffer *buffers[] = {fixture_buffer(f, BUFFER_INPUT, 0, dtype, f->n),
                       fixture_buffer(f, BUFFER_OUTPUT, 0, dtype, f->n)};
  fixture_launch(f, &f->schedule->steps, kernel_finish(k), buffers, 2);
  return fixture_compile(f);
}

#endif
