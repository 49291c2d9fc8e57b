// Comparing values in tests, entry by entry, in f64.
#include "build/program.h"
#include "evaluate/staging.h"

static Value *flat_real(Context *c, Value *leaf) {
  Builder *b = &c->e->builder;
  const Dim *entries = type_entries(c->module, leaf->type);
  Value *real = ir_convert(b, leaf, DT_F64);
  return ir_reshape(b, real, type_get(c->module, DT_F64, 1, &entries));
}

Value *test_display(Context *c, Staged *value) {
  ValueList leaves = {0}, flat = {0};
  staged_leaves(c->e, value, &leaves);
  if (leaves.count == 1) return leaves.data[0];
  for (size_t i = 0; i < leaves.count; i++)
    VEC_PUSH(c->build->arena, &flat, flat_real(c, leaves.data[i]));
  return ir_concat(&c->e->builder, flat.data, (int)flat.count, 0);
}

Value *test_truth(Context *c, Staged *value, Span span) {
  Builder *b = &c->e->builder;
  if (staged_is_poison(value)) return NULL;
  if (value->kind == STAGED_BOOL) return ir_integer(b, scalar_type(c, DT_BOOL), value->boolean);
  ValueList leaves = {0};
  bool data = value->kind == STAGED_TENSOR || value->kind == STAGED_TREE;
  if (data) staged_leaves(c->e, value, &leaves);
  Value *wrong = scalar_int(c, 0);
  for (size_t i = 0; i < leaves.count; i++) {
    if (leaves.data[i]->type->dtype != DT_BOOL) data = false;
    if (!data) break;
    Value *no = ir_convert(b, ir_unary(b, OP_NOT, leaves.data[i]), DT_I64);
    wrong = ir_binary(b, OP_ADD, wrong, ir_sum_all(b, no));
  }
  if (data) return ir_compare(b, COMPARE_EQ, wrong, scalar_int(c, 0));
  Diagnostic *d = mistake(c->e, E0303, span, "an expectation is true or false; this is %s",
                          staged_describe(c->e, value));
  diagnostic_help(d, "compare it: `expect a ~= b within 1e-6;`");
  return NULL;
}

// Largest of |a - b| / scale; NaN counts as infinite.
static void compare_leaf(Context *c, Value *a, Value *b, Value *tolerance, bool absolute,
                         Value **wrong, Value **error) {
  Builder *ir = &c->e->builder;
  const Type *type = a->type;
  Value *size = ir_unary(ir, OP_ABS, b);
  Value *one = ir_real(ir, type, 1.0);
  Value *scale = absolute ? one : ir_binary(ir, OP_MAX, size, one);
  Value *gap = ir_unary(ir, OP_ABS, ir_binary(ir, OP_SUB, a, b));
  Value *relative = ir_binary(ir, OP_DIV, gap, scale);
  Value *limit = ir_broadcast_suffix(ir, tolerance, type);
  Value *good = ir_compare(ir, COMPARE_LE, relative, limit);
  Value *bad = ir_convert(ir, ir_unary(ir, OP_NOT, good), DT_I64);
  *wrong = ir_binary(ir, OP_ADD, *wrong, ir_sum_all(ir, bad));
  // A first entry of 0 keeps the maximum defined when there is nothing to compare.
  const Dim *single = dim_const(c->module->dims, 1);
  const Type *first = type_get(c->module, DT_F64, 1, &single);
  Value *parts[] = {ir_real(ir, first, 0.0), relative};
  Value *largest = ir_reduce(ir, OP_REDUCE_MAX, ir_concat(ir, parts, 2, 0), 1);
  *error = ir_binary(ir, OP_MAX, *error, largest);
}

static Value *spread(Context *c, Value *value, const Type *type) {
  return value->type == type ? value : ir_broadcast_suffix(&c->e->builder, value, type);
}

// Both sides as leaves; a single number or scalar stands for every entry of the other side.
static bool pair_leaves(Context *c, Staged *a, Staged *b, ValueList *left, ValueList *right,
                        Span span) {
  staged_leaves(c->e, a, left);
  staged_leaves(c->e, b, right);
  bool left_one = left->count == 1 && left->data[0]->type->rank == 0;
  bool right_one = right->count == 1 && right->data[0]->type->rank == 0;
  // A scalar tensor compares with one tensor as well, but not with a bundle of several variables:
  // these are the results of different questions.
  bool number = staged_is_number(a) || staged_is_number(b);
  bool spreads = number || ((left_one || right_one) && left->count == right->count);
  if (staged_layout(a) != staged_layout(b) && !spreads) {
    mistake(c->e, E0303, span, "%s cannot be compared with %s", staged_describe(c->e, a),
            staged_describe(c->e, b));
    return false;
  }
  Value *first = left->data[0], *second = right->data[0];
  while (left_one && left->count < right->count) VEC_PUSH(c->build->arena, left, first);
  while (right_one && right->count < left->count) VEC_PUSH(c->build->arena, right, second);
  for (size_t i = 0; i < left->count; i++) {
    const Type *x = left->data[i]->type, *y = right->data[i]->type;
    bool fits = x->rank == 0 || y->rank == 0 ||
                type_with_dtype(c->module, x, DT_F64) == type_with_dtype(c->module, y, DT_F64);
    if (fits) continue;
    mistake(c->e, E0301, span, "%s cannot be compared with %s", type_text(c->module, x),
            type_text(c->module, y));
    return false;
  }
  return true;
}

static bool comparable(Context *c, Staged *s, Span span) {
  if (staged_is_poison(s)) return false;
  if (staged_is_data(s)) return true;
  mistake(c->e, E0303, span, "%s cannot be compared", staged_describe(c->e, s));
  return false;
}

static const Dim *entries_compared(Context *c, const ValueList *left, const ValueList *right) {
  const Dim *sum = dim_const(c->module->dims, 0);
  for (size_t i = 0; i < left->count; i++) {
    const Type *a = left->data[i]->type, *b = right->data[i]->type;
    const Dim *entries = type_entries(c->module, a->rank >= b->rank ? a : b);
    sum = dim_add(c->module->dims, sum, entries);
  }
  return sum;
}

bool test_compare(Context *c, Staged *a, Staged *b, Value *tolerance, bool absolute, Span span,
                  Value **ok, Value **error) {
  Builder *ir = &c->e->builder;
  ValueList left = {0}, right = {0};
  if (!comparable(c, a, span) || !comparable(c, b, span)) return false;
  if (!pair_leaves(c, a, b, &left, &right, span)) return false;
  const Dim *entries = entries_compared(c, &left, &right);
  int64_t count;
  bool counted = dim_is_const(entries, &count);
  if (counted && !count) {
    Diagnostic *d = mistake(c->e, E0303, span, "nothing is compared: both sides have 0 entries");
    diagnostic_help(d, "give the test sizes of at least 1");
    return false;
  }
  Value *wrong = scalar_int(c, 0);
  *error = ir_real(ir, scalar_type(c, DT_F64), 0.0);
  for (size_t i = 0; i < left.count; i++) {
    Value *x = ir_convert(ir, left.data[i], DT_F64), *y = ir_convert(ir, right.data[i], DT_F64);
    const Type *type = x->type->rank >= y->type->rank ? x->type : y->type;
    compare_leaf(c, flat_real(c, spread(c, x, type)), flat_real(c, spread(c, y, type)), tolerance,
                 absolute, &wrong, error);
  }
  *ok = ir_compare(ir, COMPARE_EQ, wrong, scalar_int(c, 0));
  if (counted) return true;
  Value *some = ir_compare(ir, COMPARE_LT, scalar_int(c, 0), ir_dim(ir, entries));
  *ok = ir_binary(ir, OP_AND, *ok, some);
  return true;
}
