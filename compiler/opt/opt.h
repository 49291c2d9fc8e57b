// Optimisation of tensor IR, after all differentiation.
//
// Enters: a verified module. Leaves: an equal one that computes less: every pass keeps the values
// of all yields and all notes that fire (rounding may change where sums become products). One
// function per pass; each returns true when it changed something. docs/internals/optimisation.md
// has the reasons.
#ifndef BLO_OPT_OPT_H
#define BLO_OPT_OPT_H

#include "ir/ir.h"

/// The standard pipeline, to a fixpoint.
void opt_run(Module *module);
void opt_func(Func *func);

/// Rebuilds the function through the folding, sharing builder: what nothing needs goes (loop
/// carries, stacked values and results of branches included), equal ops become one, calls of
/// functions with rules become their bodies, and the algebra of opt/algebra.h is applied.
bool opt_sweep(Func *func);
/// Loops over the same trips of which one computes all the other does become one loop.
bool opt_merge_loops(Func *func);
/// Moves ops used in one side of an `if` only into that side.
bool opt_sink(Func *func);

#endif
