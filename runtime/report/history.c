// Curves of bounded size; see history.h.
#include "report/history.h"
#include <string.h>

blo_status blo_history_begin(blo_context *context, size_t columns, History *history) {
  *history = (History){.context = context, .columns = columns, .stride = 1};
  history->values = blo_allocate_array(context, (columns + 1) * BLO_HISTORY_POINTS, sizeof(double));
  return history->values ? BLO_OK : BLO_NO_MEMORY;
}

static double *row_at(History *history, size_t index) {
  return history->values + index * (history->columns + 1);
}

static void thin_out(History *history) {
  size_t kept = 0, width = (history->columns + 1) * sizeof(double);
  history->stride *= 2;
  for (size_t i = 0; i < history->count; i++) {
    if ((int64_t)row_at(history, i)[0] % history->stride != 0) continue;
    if (kept != i) memcpy(row_at(history, kept), row_at(history, i), width);
    kept++;
  }
  history->count = kept;
}

void blo_history_add(History *history, int64_t step, const double *values, bool always) {
  if (!history->values) return;
  if (!always && step % history->stride != 0) return;
  if (history->count && (int64_t)row_at(history, history->count - 1)[0] == step) return;
  while (history->count == BLO_HISTORY_POINTS) thin_out(history);
  double *row = row_at(history, history->count++);
  row[0] = (double)step;
  if (history->columns) memcpy(row + 1, values, history->columns * sizeof *values);
}

const double *blo_history_row(const History *history, size_t index) {
  return history->values + index * (history->columns + 1);
}

void blo_history_end(History *history) {
  blo_release(history->context, history->values);
  history->values = NULL;
  history->count = 0;
}
