// `bloc check --gradients`: is the hypergradient what differences say?
//
// Enters: a program that was checked. Leaves: its solve block, and a second method where one fits,
// compiled for the data or for drawn data; the runtime compares.
#include "drive/competitor.h"

#include <stdio.h>
#include <string.h>

// Unrolling the lower optimiser is exact for what differences see: the same iterations.
static const char *const second_method = "unroll(cold = true)";

static int compile_second(Arena *arena, const Options *options, bool synthetic, RuntimeOptions *run,
                          Competitor **second) {
  bool asked = options->with.count > 0;
  *second = competitor_create(arena, options, asked ? options->with.data[0] : second_method);
  if (!*second) return 2;
  int status = competitor_compile(*second, (CompetitorUse){synthetic, !asked}, run);
  if (!status || asked) return status;
  pipeline_destroy(&(*second)->pipeline);
  *second = NULL;
  return 0;
}

int check_gradients(Arena *arena, const Options *options) {
  RuntimeOptions run;
  int status = runtime_options_parse(arena, options, &run);
  if (status) return status;
  bool synthetic = !run.options.source_count;
  Competitor *first = competitor_create(arena, options, options->solve ? options->solve : "");
  Competitor *second = NULL;
  status = competitor_compile(first, (CompetitorUse){.synthetic = synthetic}, &run);
  if (!status) status = compile_second(arena, options, synthetic, &run, &second);
  if (!status) {
    blo_competitor methods[2] = {competitor_program(first)};
    if (second) methods[1] = competitor_program(second);
    blo_gradient_options check = {.context = run.options.context,
                                  .data = run.options.data,
                                  .dims = run.options.dims,
                                  .dim_count = run.options.dim_count,
                                  .seed = run.options.has_seed ? run.options.seed : 0,
                                  .tolerance = options->tolerance,
                                  .errors = run.options.errors};
    status = blo_check_gradients(methods, second ? 2 : 1, &check);
  }
  runtime_options_destroy(&run);
  pipeline_destroy(&first->pipeline);
  if (second) pipeline_destroy(&second->pipeline);
  return status;
}
