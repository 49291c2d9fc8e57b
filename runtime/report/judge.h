// Judging points of a problem from outside of a run: what F is at the lower solution, and how far
// from stationary the point is. Uses the entries `stage.value` that comparisons and checks have
// built.
#ifndef BLO_REPORT_JUDGE_H
#define BLO_REPORT_JUDGE_H

#include "core/context.h"
#include <blo/data.h>

/// What a value entry tells, in the order of its outputs' indices.
typedef enum Judged {
  JUDGED_OBJECTIVE,     // F(x, y) at the given point
  JUDGED_VALUE,         // F at the lower solution that is found from the declared start
  JUDGED_STATIONARITY,  // norm of x - project(x - hypergradient) there
  JUDGED_RESIDUAL,      // norm of y - prox(y - f_y) there; under constraints of the Lagrangian
  JUDGED_OWN_RESIDUAL,  // norm of y - prox(y - f_y) at the given point; NaN under constraints
  JUDGED_INFEASIBILITY, // largest violation of a constraint there; NaN without constraints
  JUDGED_CHANGE,        // of the hypergradient in its last step; NaN where the method has no states
  JUDGED_COUNT
} Judged;

/// A program opened for running one of its stages, and for judging points of it.
typedef struct Runner {
  const blo_program *program;
  blo_instance *instance;
  size_t stage;
  char entry[128];    // "main.value"
  void *buffers;      // of the entry's arrays
  blo_array *outputs; // one per output of the entry
  double numbers[JUDGED_COUNT];
  int64_t settling; // steps that the method's states make at each point, at most, before they are
                    // judged
} Runner;

/// Opens with data. The stage is the last one of two levels, or the last one where there is none.
blo_status blo_runner_open(blo_context *context, const blo_program *program, blo_data_set *data,
                           const blo_dim *dims, size_t dim_count, Runner *runner);
void blo_runner_close(Runner *runner);
/// Runs earlier stages to their end; the chosen one stands at its start.
blo_status blo_runner_begin(Runner *runner, int64_t seed);
/// Judges the present point of `runner` by `judge`, which may be another program of the same
/// problem. What the judge cannot tell is NaN. Hypergradients stay in the judge's outputs.
blo_status blo_judge(Runner *judge, const Runner *runner, double *numbers);
/// The same for variables given as arrays, one for each state leaf of x and y in order.
blo_status blo_judge_at(Runner *judge, const blo_array *leaves, double *numbers);
/// The hypergradient with respect to leaf `leaf` of x that was judged last; NULL when the method
/// gives none.
const blo_array *blo_judged_hypergradient(const Runner *judge, size_t leaf);

#endif
