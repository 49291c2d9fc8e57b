// Which draws random values are: the key that places are folded into.
//
// Enters: the key of a step of the program, and the number of a draw in it. Leaves: both in
// e->dynamic, from where random values take them. Everything evaluated under one key sees the same
// values; the program level says what a step is.
#include "evaluate/evaluate.h"
#include "ir/builder.h"

void dynamic_step(Evaluator *e, Value *step_key) {
  e->dynamic.step_key = step_key;
  e->dynamic.full = e->full;
  e->dynamic.place = 0;
  dynamic_draw(e, ir_integer(&e->builder, type_scalar(e->module, DT_I64), 0));
}

void dynamic_draw(Evaluator *e, Value *draw) {
  e->dynamic.draw = draw;
  if (!e->dynamic.step_key) return;
  Value *operands[] = {e->dynamic.step_key, draw};
  e->dynamic.key = ir_random(&e->builder, RANDOM_FOLD, type_scalar(e->module, DT_I64), operands, 2);
}
