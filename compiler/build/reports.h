// What a step reports.
#ifndef BLO_BUILD_REPORTS_H
#define BLO_BUILD_REPORTS_H

#include "build/program.h"

typedef struct ReportRow {
  Name name;
  Value *value;
  int role, index;
} ReportRow;

typedef struct ReportRows {
  VEC(ReportRow) list;
} ReportRows;

/// Evaluates all that a step shows: objectives, reports of methods, levels and the solve block,
/// feasibility.
void reports_collect(Context *c, const StepResult *step, ReportRows *rows);
/// Evaluates the report clauses among `nodes` at the open point; `word` begins their places.
void reports_list(Context *c, const NodeList *nodes, const char *word, ReportRows *rows);

#endif
