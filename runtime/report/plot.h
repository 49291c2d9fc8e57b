// A picture of a run: objectives and reports against steps, as one SVG file with nothing to load.
#ifndef BLO_REPORT_PLOT_H
#define BLO_REPORT_PLOT_H

#include "report/history.h"

typedef struct PlotPanel {
  const char *title;
  const History *history;
  const char *const *names; // of the history's columns; NULL or "": not drawn
} PlotPanel;

/// Writes the panels below each other. A panel whose values are positive and span more than a
/// factor of 50 gets a logarithmic axis.
blo_status blo_plot_write(blo_context *context, const char *path, const char *title,
                          const PlotPanel *panels, size_t panel_count);

#endif
