// `bloc emit`: every stage of a program as text.
#include "drive/manifest.h"
#include "drive/pipeline.h"
#include "ir/passes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum EmitStage {
  EMIT_TREE,
  EMIT_IR,
  EMIT_OPT,
  EMIT_LOOP,
  EMIT_C,
  EMIT_LLVM,
  EMIT_LLVM_OPT,
  EMIT_ASM,
  EMIT_MANIFEST,
  EMIT_COUNT
} EmitStage;

static const char *const stage_names[EMIT_COUNT] = {"tree", "ir",       "opt", "loop",    "c",
                                                    "llvm", "llvm-opt", "asm", "manifest"};

static bool find_stage(const char *name, EmitStage *stage) {
  for (int i = 0; name && i < EMIT_COUNT; i++)
    if (strcmp(name, stage_names[i]) == 0) return *stage = (EmitStage)i, true;
  fprintf(stderr, "bloc: %s%s%s; stages are:", name ? "there is no stage `" : "--stage is missing",
          name ? name : "", name ? "`" : "");
  for (int i = 0; i < EMIT_COUNT; i++) fprintf(stderr, " %s", stage_names[i]);
  fputc('\n', stderr);
  return false;
}

static void print_schedules(Pipeline *p, EmitStage stage, TextBuffer *out) {
  for (size_t i = 0; i < p->schedules.count; i++)
    if (stage == EMIT_LOOP)
      schedule_print(out, p->schedules.data[i]);
    else
      schedule_print_c(out, p->schedules.data[i]);
}

static void print_stage(Pipeline *p, EmitStage stage, TextBuffer *out) {
  if (stage == EMIT_IR) {
    ir_print(out, p->built->module);
    return;
  }
  pipeline_optimize(p);
  if (stage == EMIT_OPT) {
    ir_print(out, p->built->module);
    return;
  }
  pipeline_emit(p, p->options->target);
  if (stage == EMIT_LOOP || stage == EMIT_C) {
    print_schedules(p, stage, out);
  } else if (stage == EMIT_MANIFEST) {
    manifest_print(out, p->built->program);
  } else {
    char *text =
        stage == EMIT_ASM ? emit_assembly(p->module) : emit_text(p->module, stage == EMIT_LLVM_OPT);
    text_add(out, text);
    free(text);
  }
}

int verb_emit(Arena *arena, const Options *options) {
  EmitStage stage;
  if (!find_stage(options->stage, &stage)) return 2;
  Pipeline p;
  TextBuffer out = text_buffer(arena);
  bool sound = pipeline_front(&p, arena, options, options->files.data[0]);
  if (stage == EMIT_TREE) { // a tree is there whatever else is wrong
    if (p.file) tree_print(&out, p.file);
  } else if (sound) {
    BuildOptions build = pipeline_build_options(&p);
    build.stages = true;
    if (pipeline_build(&p, &build)) print_stage(&p, stage, &out);
  }
  int status = pipeline_report(&p);
  fputs(text_string(&out), stdout);
  pipeline_destroy(&p);
  return status;
}
