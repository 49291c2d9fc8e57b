// `counting(f, at)` and `counted(e)`: how often something ran, as a value.
//
// Enters: calls. Leaves: an i64 beside the value. The one idea: the count so far is a value like
// any other that the evaluator hands on, through loops as one more carry and through branches as
// one more result, and only where something inside counts. Blocks that run as often as the data
// says otherwise (bodies of `for`, functions being differentiated, conditions) count nothing.
#include "evaluate/builtins.h"

Tally tally_open(Evaluator *e, Block *block, Value *count) {
  Tally outer = e->tally;
  e->tally = (Tally){count, block};
  return outer;
}

Value *tally_close(Evaluator *e, Tally outer) {
  Value *count = e->tally.count;
  e->tally = outer;
  return count;
}

bool tally_runs(const Evaluator *e) {
  return e->tally.count && e->tally.block == e->builder.block;
}

Staged *builtin_counted(const Call *call, const BuiltinRow *row) {
  (void)row;
  Evaluator *e = call->evaluator;
  if (tally_runs(e)) {
    Builder *b = &e->builder;
    Value *one = ir_integer(b, scalar_of(e, DT_I64), 1);
    e->tally.count = ir_binary(b, OP_ADD, e->tally.count, one);
  }
  return argument(call, 0);
}

Staged *builtin_counting(const Call *call, const BuiltinRow *row) {
  Evaluator *e = call->evaluator;
  if (argument(call, 0)->kind != STAGED_FUNCTION) return wrong_argument(call, row, 0, "a function");
  Value *none = ir_integer(&e->builder, scalar_of(e, DT_I64), 0);
  Tally outer = tally_open(e, e->builder.block, none);
  Staged *at = argument(call, 1);
  Staged *value = apply(e, argument(call, 0), &at, 1, call->span);
  Value *count = tally_close(e, outer);
  if (staged_is_poison(value)) return value;
  return staged_tuple(e, (Staged *[]){value, staged_tensor(e, count)}, 2);
}
