// What a person sees while a program runs: on a terminal one line that is rewritten, elsewhere
// plain lines.
#ifndef BLO_REPORT_PROGRESS_H
#define BLO_REPORT_PROGRESS_H

#include "core/context.h"
#include <stdio.h>

typedef struct Progress {
  FILE *file;
  bool quiet, terminal, shown; // shown: a line is on the terminal that the next one overwrites
  bool one_level;              // no upper and lower: an objective and its gradient
  int columns;
  const char *stage; // "" where there is one stage only
  int64_t iterations, first_step;
  double start, last; // seconds
} Progress;

double blo_seconds(void); // of a clock that only goes forward
void blo_progress_begin(Progress *progress, const char *stage, int64_t iterations,
                        int64_t first_step, bool quiet);
/// Shows the step if enough time has passed since the last one, or `always`. The objectives are
/// those of the step `objectives_step`, which is named where it is an earlier one.
void blo_progress_step(Progress *progress, const blo_step_result *result, int64_t objectives_step,
                       bool always);
/// Takes the line off the terminal, for other text or at the end.
void blo_progress_clear(Progress *progress);
/// "3.2 s", "2 min 5 s", "1 h 4 min"
void blo_duration_print(char *text, size_t bytes, double seconds);

#endif
