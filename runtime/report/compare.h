// What a comparison measures, between the part that measures and the part that shows it.
#ifndef BLO_REPORT_COMPARE_H
#define BLO_REPORT_COMPARE_H

#include "core/context.h"
#include <blo/driver.h>

/// Columns of a point; also those of the CSV file.
typedef enum CompareColumn {
  COMPARE_STEP,
  COMPARE_SECONDS,
  COMPARE_GRADIENTS, // this and the next two in the order of CallKind
  COMPARE_HVPS,
  COMPARE_MIXED,
  COMPARE_OBJECTIVE,     // F at the method's own y, in the user's sign
  COMPARE_VALUE,         // F at the reference's lower solution; NaN without a reference
  COMPARE_HYPERGRADIENT, // norm of the reference's projected hypergradient; NaN without one
  COMPARE_RESIDUAL, // norm of y - project(y - f_y) at the method's own y; NaN under constraints
  COMPARE_INFEASIBILITY, // largest violation of a constraint at its own y; NaN without constraints
  COMPARE_COLUMNS
} CompareColumn;

/// One run: points in the order of steps.
typedef struct CompareRun {
  double *points; // count rows of COMPARE_COLUMNS
  size_t count, capacity;
  blo_status status;
  char message[160]; // why it ended early
} CompareRun;

/// All runs: competitor c with seed number s is runs[c * seeds + s].
typedef struct Comparison {
  blo_context *context;
  const blo_competitor *competitors;
  const blo_compare_options *options;
  size_t count, seeds;
  CompareRun *runs;
  bool stopped; // by an interrupt: what was measured is shown
  bool maximize;
} Comparison;

/// How the columns are called in files.
extern const char *const blo_compare_keys[COMPARE_COLUMNS];

/// The table on standard output.
void blo_compare_print(const Comparison *comparison);
blo_status blo_compare_write_table(const Comparison *comparison, const char *path); // CSV
blo_status blo_compare_write_json(const Comparison *comparison, const char *path);
blo_status blo_compare_write_plot(const Comparison *comparison, const char *path);

#endif
