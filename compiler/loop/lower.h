// Tensor IR to loop IR: fusion, kernels, schedule.
//
// Expects: a verified function after opt_run (no `custom`). Keeps: every value bit for bit the same
// for bound and free dims. docs/internals/loops.md tells the fusion rules.
#ifndef BLO_LOOP_LOWER_H
#define BLO_LOOP_LOWER_H

#include "loop/loop.h"

typedef struct LowerOptions {
  int lanes_f32, lanes_f64; // logical vector width; 0: by the target table
  bool fuse;                // false: one kernel per op (for comparing)
} LowerOptions;

Schedule *lower_func(const Func *func, const LowerOptions *options);
/// Numbers the steps in preorder (Step.position), again after steps were removed.
void schedule_number(Schedule *schedule);

#endif
