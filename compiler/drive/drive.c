// bloc's main: reads the command line and runs one verb.
#include "drive/pipeline.h"

int drive_main(int argc, char **argv) {
  static int (*const verbs[])(Arena *, const Options *) = {
      [VERB_RUN] = verb_run,         [VERB_COMPARE] = verb_compare, [VERB_CHECK] = verb_check,
      [VERB_TEST] = verb_test,       [VERB_BUILD] = verb_build,     [VERB_EMIT] = verb_emit,
      [VERB_EXPLAIN] = verb_explain,
  };
  Arena *arena = arena_create();
  Options options;
  bool done = false;
  int status = options_parse(arena, argc, argv, &options, &done);
  if (!status && !done) status = verbs[options.verb](arena, &options);
  arena_destroy(arena);
  return status;
}
