// Curves of a run: some values against steps, with as many points as a plot can show.
//
// When the table is full every second point goes and the distance between points doubles, so a run
// of any length costs the same memory and the curve stays even.
#ifndef BLO_REPORT_HISTORY_H
#define BLO_REPORT_HISTORY_H

#include "core/context.h"

enum { BLO_HISTORY_POINTS = 2048 };

typedef struct History {
  blo_context *context;
  size_t columns, count;
  int64_t stride; // steps between kept points
  double *values; // count rows of (step, columns values)
} History;

blo_status blo_history_begin(blo_context *context, size_t columns, History *history);
/// Keeps the point if its step is one of those to keep, or `always`.
void blo_history_add(History *history, int64_t step, const double *values, bool always);
const double *blo_history_row(const History *history, size_t index); // [0] is the step
void blo_history_end(History *history);

#endif
