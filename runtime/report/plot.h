// A picture of one or several runs: curves in panels, as one SVG file with nothing to load.
#ifndef BLO_REPORT_PLOT_H
#define BLO_REPORT_PLOT_H

#include "report/history.h"

typedef struct PlotCurve {
  const char *name;
  const double *x, *y; // entry i lies at [i * stride]; what is not finite is a gap
  size_t count, stride;
} PlotCurve;

typedef struct PlotPanel {
  const char *title, *x_label;
  bool x_whole; // x counts something: no ticks between whole numbers
  const PlotCurve *curves;
  size_t curve_count;
} PlotPanel;

/// Curves of a history against its steps, for columns that have a name; gives how many.
size_t blo_plot_history(const History *history, const char *const *names, PlotCurve *curves);
/// Writes the panels below each other. A panel whose values are positive and span more than a
/// factor of 50 gets a logarithmic axis; so does x where curves end more than a factor of 10 apart.
/// Colours repeat with another dash; the legend has a line for each curve, and panels its height.
blo_status blo_plot_write(blo_context *context, const char *path, const char *title,
                          const PlotPanel *panels, size_t panel_count);

#endif
