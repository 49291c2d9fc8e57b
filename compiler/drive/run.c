// `bloc run`: data first, then code made for its sizes, then the runtime's driver.
#include "drive/pipeline.h"

#include "drive/runtime_options.h"

#include <stdio.h>
#include <string.h>

/// Binds the dims from the data files. The result lives in the compilation's arena; 0, or the exit
/// status after a message.
static int bind_dims(Pipeline *p, const BuildOptions *build, RuntimeOptions *run, DimValue **dims,
                     size_t *count) {
  const blo_program *declared = build_declarations(p->compilation, p->program, build);
  if (!declared || diagnostics_errors(p->compilation->diagnostics)) return 1;
  Arena *arena = p->compilation->arena;
  int64_t *values = ARENA_ARRAY(arena, int64_t, declared->dim_count);
  blo_context *context = run->options.context;
  if (run->options.source_count && !run->options.data &&
      blo_data_load(context, run->options.sources, run->options.source_count, &run->options.data) !=
          BLO_OK)
    return blo_print_error_as(context, run->options.errors), 1;
  if (blo_data_bind_dims(context, run->options.data, declared, run->options.dims,
                         run->options.dim_count, values) != BLO_OK)
    return blo_print_error_as(context, run->options.errors), 1;
  *dims = ARENA_ARRAY(arena, DimValue, declared->dim_count);
  *count = declared->dim_count;
  for (size_t i = 0; i < declared->dim_count; i++) {
    (*dims)[i] = (DimValue){.name = declared->dims[i], .value = values[i], .from_data = true};
    for (size_t k = 0; k < run->options.dim_count; k++)
      if (strcmp(run->options.dims[k].name, declared->dims[i]) == 0) (*dims)[i].from_data = false;
  }
  return 0;
}

int pipeline_compile_for_data(Pipeline *p, BuildOptions *build, RuntimeOptions *run) {
  DimValue *dims = NULL;
  size_t dim_count = 0;
  int status = bind_dims(p, build, run, &dims, &dim_count);
  if (status) return status;
  build->dims = dims;
  build->dim_count = dim_count;
  build->stages = true;
  if (!pipeline_build(p, build)) return 1;
  pipeline_optimize(p);
  if (p->options->interpret) {
    pipeline_interpret(p);
  } else {
    pipeline_emit(p, p->options->target);
    pipeline_jit(p);
  }
  pipeline_describe_notes(p);
  return 0;
}

static int compile(Pipeline *p, RuntimeOptions *run) {
  BuildOptions build = pipeline_build_options(p);
  build.count_oracles = true;
  int status = pipeline_compile_for_data(p, &build, run);
  if (!status && p->options->kernels)
    fprintf(stderr, "%d kernels, compiled in %.0f ms\n", p->kernels, 1e3 * p->seconds);
  return status;
}

int verb_run(Arena *arena, const Options *options) {
  RuntimeOptions run;
  int status = runtime_options_parse(arena, options, &run);
  if (status) return status;
  Pipeline p;
  bool sound = pipeline_front(&p, arena, options, options->files.data[0]);
  status = sound ? compile(&p, &run) : 1;
  int reported = pipeline_report(&p);
  if (!status) status = reported;
  if (!status) status = blo_run(pipeline_keep_program(&p), &run.options);
  runtime_options_destroy(&run);
  pipeline_destroy(&p);
  return status;
}
