// The command line: one table of verbs, one table of options.
//
// Enters: argv. Leaves: an `Options`, with options that belong to the running program (data,
// output, log ...) kept apart to be handed to the runtime's driver, which also serves built
// executables.
#ifndef BLO_DRIVE_OPTIONS_H
#define BLO_DRIVE_OPTIONS_H

#include "base/vec.h"
#include "build/build.h"
#include "text/diagnostics.h"

typedef enum Verb {
  VERB_NONE,
  VERB_RUN,
  VERB_COMPARE,
  VERB_CHECK,
  VERB_TEST,
  VERB_BUILD,
  VERB_EMIT,
  VERB_EXPLAIN
} Verb;

typedef struct Options {
  Verb verb;
  VEC(const char *) files;
  ErrorFormat errors;
  const char *library;            // --std
  const char *solve;              // --solve
  const char *target;             // --target
  const char *output;             // -o
  const char *stage;              // --stage
  const char *filter;             // --filter
  VEC(const char *) with;         // --with: solve blocks, or methods as expressions
  const char *reference;          // --reference
  int64_t seeds, points;          // --seeds, --points
  double seconds, tolerance;      // --seconds, --tolerance
  VEC(DimValue) dims;             // -D
  VEC(SettingOverride) overrides; // --set
  VEC(const char *) runtime;      // options of the runtime's driver, as given
  bool interpret, unfused, object, verbose, color, kernels, gradients;
} Options;

/// 0, or the exit status after a message was printed (2: usage). `*done` is set when --help or
/// --version was answered.
int options_parse(Arena *arena, int argc, char **argv, Options *options, bool *done);

#endif
