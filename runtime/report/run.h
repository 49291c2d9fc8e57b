// Running a compiled program from its data files to its results, for `bloc run` and for built
// executables.
//
// Enters: a program and options. Leaves: an exit code; results, log, plot and checkpoint files;
// progress and warnings on standard error, final reports on standard output. The only part of the
// runtime that prints and handles signals.
#ifndef BLO_REPORT_RUN_H
#define BLO_REPORT_RUN_H

#include "data/data_set.h"

enum { // exit codes of every program
  BLO_EXIT_OK = 0,
  BLO_EXIT_ERROR = 1,
  BLO_EXIT_USAGE = 2,
  BLO_EXIT_NOT_CONVERGED = 3,
  BLO_EXIT_DIVERGED = 4
};

typedef struct blo_run_options {
  blo_context *context;       // NULL: one of its own
  blo_data_set *data;         // loaded already; NULL: load the sources
  const char *const *sources; // --data
  size_t source_count;
  const blo_dim *dims; // -D
  size_t dim_count;
  bool has_seed; // else the stage's own
  int64_t seed;
  const char *out;        // NULL: NAME.results.npz; "-": no file
  const char *log, *plot; // NULL: none
  const char *checkpoint, *resume;
  double checkpoint_seconds; // between checkpoints while running; 0: 60
  int64_t report_every;      // 0: the stage's own
  bool quiet;                // no progress
} blo_run_options;

/// Runs all stages of the program in order. Returns the exit code.
int blo_run(const blo_program *program, const blo_run_options *options);
/// The `main` of built executables.
int blo_main(const blo_program *program, int argc, char **argv);
/// Prints the context's last error as `error[E0601]: text` with its help.
void blo_print_error(const blo_context *context);

#endif
