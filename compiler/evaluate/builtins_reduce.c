// Reductions: sums, extremes, means, norms, truth values.
//
// Without `axis` all entries are reduced, over all leaves of a bundle where that has a meaning;
// with `axis = 0` an array of bundles is reduced leaf by leaf.
#include "evaluate/builtins.h"

static uint32_t axes_mask(int rank, int axis) {
  return axis >= 0 ? 1u << axis : rank ? (uint32_t)((1ull << rank) - 1) : 0;
}

static Value *reduce(Builder *b, Opcode code, Value *x, int axis) {
  return x->type->rank ? ir_reduce(b, code, x, axes_mask(x->type->rank, axis)) : x;
}

static bool check_number(const Call *call, const BuiltinRow *row, const Value *x) {
  if (x->type->dtype != DT_BOOL) return true;
  Evaluator *e = call->evaluator;
  Diagnostic *d = mistake(e, E0303, argument_span(call, 0), "`%s` needs numbers, this is %s",
                          row_name(row), type_phrase(e, x->type));
  diagnostic_help(d, "`count(..)` counts what is true, `real(..)` makes numbers of truth values");
  return false;
}

static bool check_real(const Call *call, const BuiltinRow *row, const Value *x) {
  if (dtype_is_float(x->type->dtype)) return true;
  Evaluator *e = call->evaluator;
  const char *text = source_excerpt(e, argument_span(call, 0));
  Diagnostic *d = mistake(e, E0302, argument_span(call, 0), "`%s` needs real numbers, this is %s",
                          row_name(row), type_phrase(e, x->type));
  diagnostic_help(d, "convert it: `real(%s)`", text ? text : "..");
  return false;
}

// The number of entries that a reduction runs over, as a real scalar of `dtype`.
static Value *entry_count(Evaluator *e, const Type *type, int axis) {
  const Dim *entries = axis >= 0 ? type->shape[axis] : type_entries(e->module, type);
  return static_value(e, staged_integer(e, entries), type->dtype);
}

// --- leaves --------------------------------------------------------------------------------------

static Value *reduce_value(const Call *call, const BuiltinRow *row, Value *x, int axis) {
  Builder *b = &call->evaluator->builder;
  if (row->builtin == BUILTIN_MIN && x->type->rank)
    return ir_unary(b, OP_NEG, reduce(b, OP_REDUCE_MAX, ir_unary(b, OP_NEG, x), axis));
  if (row->builtin == BUILTIN_SUM || row->builtin == BUILTIN_PROD) x = exact_integers(b, x);
  Value *total = reduce(b, row->code, x, axis);
  if (row->builtin != BUILTIN_MEAN || !x->type->rank) return total;
  Value *count = entry_count(call->evaluator, x->type, axis);
  return ir_binary(b, OP_DIV, total, broadcast_to(call->evaluator, count, total->type));
}

typedef struct ReduceSelf {
  const Call *call;
  const BuiltinRow *row;
  int axis;
  Value *total; // of all leaves
} ReduceSelf;

static Staged *reduce_leaf(Evaluator *e, Staged *leaf, void *self) {
  ReduceSelf *s = self;
  Value *x = leaf_value(e, leaf);
  if (!check_number(s->call, s->row, x)) return staged_poison;
  if (s->row->builtin == BUILTIN_MEAN && !check_real(s->call, s->row, x)) return staged_poison;
  return staged_tensor(e, reduce_value(s->call, s->row, x, s->axis));
}

static Staged *sum_leaf(Evaluator *e, Staged *leaf, void *self) {
  ReduceSelf *s = self;
  Value *x = leaf_value(e, leaf);
  if (!check_number(s->call, s->row, x)) return staged_poison;
  if (s->row->builtin == BUILTIN_MEAN && !check_real(s->call, s->row, x)) return staged_poison;
  x = reduce(&e->builder, OP_REDUCE_SUM, exact_integers(&e->builder, x), -1);
  if (s->total && s->total->type != x->type) {
    const Type *real = scalar_of(e, e->real);
    if (x->type != real) x = ir_convert(&e->builder, x, e->real);
    if (s->total->type != real) s->total = ir_convert(&e->builder, s->total, e->real);
  }
  s->total = s->total ? ir_binary(&e->builder, OP_ADD, s->total, x) : x;
  return leaf;
}

static const Dim *count_entries(Evaluator *e, const Staged *s) {
  if (s->kind != STAGED_TREE)
    return s->kind == STAGED_TENSOR ? type_entries(e->module, s->tensor->type)
                                    : dim_const(e->module->dims, 1);
  const Dim *total = dim_const(e->module->dims, 0);
  for (int i = 0; i < s->tree.layout->count; i++)
    total = dim_add(e->module->dims, total, count_entries(e, s->tree.children[i]));
  return total;
}

static Staged *reduce_tree(const Call *call, const BuiltinRow *row) {
  Evaluator *e = call->evaluator;
  Staged *tree = argument(call, 0);
  const Layout *layout = tree->tree.layout;
  int axis;
  bool array = layout->kind == LAYOUT_ARRAY;
  if (!axis_option(call, row, array ? 1 : 0, &axis)) return staged_poison;
  ReduceSelf self = {call, row, axis, NULL};
  if (axis == 0) return map_leaves(e, tree->tree.children[0], reduce_leaf, &self);
  if (row->builtin != BUILTIN_SUM && row->builtin != BUILTIN_MEAN)
    return wrong_argument(call, row, 0, "a tensor");
  if (staged_is_poison(map_leaves(e, tree, sum_leaf, &self))) return staged_poison;
  if (!self.total) return staged_real(e, 0.0);
  if (row->builtin == BUILTIN_SUM) return staged_tensor(e, self.total);
  Value *count =
      static_value(e, staged_integer(e, count_entries(e, tree)), self.total->type->dtype);
  return staged_tensor(e, ir_binary(&e->builder, OP_DIV, self.total, count));
}

Staged *builtin_reduce(const Call *call, const BuiltinRow *row) {
  Evaluator *e = call->evaluator;
  Staged *s = argument(call, 0);
  int axis;
  if (s->kind == STAGED_TREE && staged_is_data(s)) return reduce_tree(call, row);
  if (staged_is_number(s)) return axis_option(call, row, 0, &axis) ? s : staged_poison;
  Value *x = tensor_argument(call, row, 0);
  if (!x || !axis_option(call, row, x->type->rank, &axis)) return staged_poison;
  if (!check_number(call, row, x)) return staged_poison;
  if (row->builtin == BUILTIN_MEAN && !check_real(call, row, x)) return staged_poison;
  return staged_tensor(e, reduce_value(call, row, x, axis));
}

Staged *builtin_mean(const Call *call, const BuiltinRow *row) {
  return builtin_reduce(call, row);
}

// --- inner products ------------------------------------------------------------------------------

Staged *builtin_dot(const Call *call, const BuiltinRow *row) {
  Evaluator *e = call->evaluator;
  Staged *a = argument(call, 0), *b = argument(call, 1);
  for (int i = 0; i < 2; i++)
    if (!staged_is_data(argument(call, i))) return wrong_argument(call, row, i, "numbers");
  return operate_dot_at(e, a, b, call_places(call));
}

Staged *builtin_sumsq(const Call *call, const BuiltinRow *row) {
  if (!staged_is_data(argument(call, 0))) return wrong_argument(call, row, 0, "numbers");
  return operate_dot(call->evaluator, argument(call, 0), argument(call, 0), argument_span(call, 0));
}

// sqrt(s) where s > 0, else 0: no infinite derivative at 0.
Staged *builtin_norm(const Call *call, const BuiltinRow *row) {
  Evaluator *e = call->evaluator;
  Builder *b = &e->builder;
  Staged *square = builtin_sumsq(call, row);
  if (staged_is_poison(square)) return square;
  Value *s = leaf_value(e, square);
  if (!dtype_is_float(s->type->dtype)) s = ir_convert(b, s, e->real);
  Value *zero = ir_zero(b, s->type), *positive = ir_compare(b, COMPARE_GT, s, zero);
  return staged_tensor(e, ir_select(b, positive, ir_unary(b, OP_SQRT, s), zero));
}

// Shifted by the largest entry, which carries no derivative of its own.
Staged *builtin_logsumexp(const Call *call, const BuiltinRow *row) {
  Evaluator *e = call->evaluator;
  Builder *b = &e->builder;
  int axis;
  Value *x = tensor_argument(call, row, 0);
  if (!x || !axis_option(call, row, x->type->rank, &axis)) return staged_poison;
  if (!check_real(call, row, x)) return staged_poison;
  if (!x->type->rank) return staged_tensor(e, x);
  Value *largest = ir_stop(b, reduce(b, OP_REDUCE_MAX, x, axis));
  // all entries -infinity: shift by 0, the logarithm of 0 is right then
  Value *finite = ir_unary(b, OP_ISFINITE, largest);
  Value *shift = ir_select(b, finite, largest, ir_zero(b, largest->type));
  int axes[MAX_RANK];
  for (int i = 0, next = 0; i < x->type->rank; i++)
    if (i != axis && axis >= 0) axes[next++] = i;
  Value *spread = ir_broadcast(b, shift, x->type, axes);
  Value *sum = reduce(b, OP_REDUCE_SUM, ir_unary(b, OP_EXP, ir_binary(b, OP_SUB, x, spread)), axis);
  return staged_tensor(e, ir_binary(b, OP_ADD, ir_unary(b, OP_LOG, sum), shift));
}

// --- places and truth values ---------------------------------------------------------------------

Staged *builtin_argmax(const Call *call, const BuiltinRow *row) {
  Evaluator *e = call->evaluator;
  int axis;
  Value *x = tensor_argument(call, row, 0);
  if (!x || !axis_option(call, row, x->type->rank, &axis)) return staged_poison;
  if (!check_number(call, row, x)) return staged_poison;
  if (axis < 0 && x->type->rank != 1) {
    Diagnostic *d = mistake(e, E0304, call->span, "`%s` of %s needs to know the axis",
                            row_name(row), type_phrase(e, x->type));
    if (x->type->rank)
      diagnostic_help(d, "write `axis = %d`, or index rows with `for i`", x->type->rank - 1);
    return staged_poison;
  }
  if (row->builtin == BUILTIN_ARGMIN) x = ir_unary(&e->builder, OP_NEG, x);
  return staged_tensor(e, ir_argmax(&e->builder, x, axis < 0 ? 0 : axis));
}

Staged *builtin_truths(const Call *call, const BuiltinRow *row) {
  Evaluator *e = call->evaluator;
  Builder *b = &e->builder;
  int axis;
  Value *x = tensor_argument(call, row, 0);
  if (!x || !axis_option(call, row, x->type->rank, &axis)) return staged_poison;
  if (x->type->dtype != DT_BOOL) return wrong_argument(call, row, 0, "truth values");
  if (row->builtin == BUILTIN_ALL) x = ir_unary(b, OP_NOT, x);
  Value *count = reduce(b, OP_REDUCE_SUM, ir_convert(b, x, DT_I64), axis);
  if (row->builtin == BUILTIN_COUNT_TRUE) return staged_tensor(e, count);
  Compare op = row->builtin == BUILTIN_ANY ? COMPARE_GT : COMPARE_EQ;
  return staged_tensor(e, ir_compare(b, op, count, ir_zero(b, count->type)));
}
