// `bloc check`: everything short of machine code -- every solve block, every test, every
// definition.
#include "drive/pipeline.h"

#include <stdio.h>

int verb_check(Arena *arena, const Options *options) {
  Pipeline p;
  const char *path = options->files.data[0];
  bool sound = pipeline_front(&p, arena, options, path);
  if (sound) {
    BuildOptions build = pipeline_build_options(&p);
    build.stages = build.tests = build.all_solves = true;
    sound = pipeline_build(&p, &build);
  }
  int status = pipeline_report(&p);
  if (!status && sound && options->verbose && p.built) {
    pipeline_optimize(&p);
    print_comprehensions(&p);
  }
  if (!status && sound && options->errors == ERRORS_HUMAN) printf("%s: no errors\n", path);
  fflush(stdout); // before what the check of gradients says
  pipeline_destroy(&p);
  if (!status && options->gradients) status = check_gradients(arena, options);
  return status;
}
