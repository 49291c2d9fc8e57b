// The standard pipeline of the optimiser.
#include "opt/opt.h"

#include "diff/diff_internal.h"

enum { MAX_ROUNDS = 64 }; // a bound for safety; programs settle in a few

// Moves ops that do not depend on a loop's trips out of the loop.
static bool opt_hoist(Func *func) {
  return hoist_invariants(func->body);
}

void opt_func(Func *func) {
  opt_sweep(func);
  for (int round = 0; round < MAX_ROUNDS; round++) {
    bool changed = opt_merge_loops(func);
    // A merge leaves ops out of order, which only the sweep bears.
    if (!changed) changed = opt_hoist(func);
    changed = opt_sweep(func) || changed;
    if (!changed) break;
  }
  if (opt_sink(func)) opt_sweep(func);
}

void opt_run(Module *module) {
  for (size_t i = 0; i < module->funcs.count; i++) opt_func(module->funcs.data[i]);
}
