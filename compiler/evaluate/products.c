// Products: `@`, `^` and the inner product of bundles.
//
// `@` multiplies vectors and matrices; a mismatch names the inner dims and offers the product that
// would fit.
// `^` with a static integer becomes multiplications, otherwise pow. `dot` sums over leaves from
// left to right.
#include "evaluate/staging.h"

Value *exact_integers(Builder *b, Value *x) {
  Dtype dtype = x->type->dtype;
  return dtype == DT_I32 || dtype == DT_U8 ? ir_convert(b, x, DT_I64) : x;
}

// --- @ -------------------------------------------------------------------------------------------

// "d (the rows of Xtr)": which axis a dim of the mismatch is.
static const char *axis_phrase(Evaluator *e, const Type *type, int axis, Span span) {
  const char *text = source_excerpt(e, span);
  const char *kind = type->rank == 1 ? "the entries" : axis == 0 ? "the rows" : "the columns";
  const char *dim = dim_phrase(e, type->shape[axis]);
  if (!text) return arena_printf(e->arena, "%s (%s)", dim, kind);
  return arena_printf(e->arena, "%s (%s of `%s`)", dim, kind, text);
}

static const char *product_text(Evaluator *e, const Type *a, const Type *b) {
  const Dim *shape[2];
  int rank = 0;
  if (a->rank == 2) shape[rank++] = a->shape[0];
  if (b->rank == 2) shape[rank++] = b->shape[1];
  return type_phrase(e, type_get(e->module, a->dtype, rank, shape));
}

static bool product_fits(const Type *a, const Type *b) {
  return a->shape[a->rank - 1] == b->shape[0];
}

static const Type *transposed(Evaluator *e, const Type *a) {
  const Dim *shape[2] = {a->shape[a->rank - 1], a->shape[0]};
  return a->rank == 2 ? type_get(e->module, a->dtype, 2, shape) : a;
}

static void suggest_product(Evaluator *e, Diagnostic *d, const Type *a, const Type *b,
                            Places places) {
  const char *left = source_excerpt(e, places.left), *right = source_excerpt(e, places.right);
  if (!left || !right) left = "a", right = "b";
  const Type *at = transposed(e, a), *bt = transposed(e, b);
  if (product_fits(b, a)) {
    diagnostic_help(d, "write `%s @ %s`, which has shape %s", right, left, product_text(e, b, a));
  } else if (product_fits(at, b)) {
    diagnostic_help(d, "write `transpose(%s) @ %s`, which has shape %s", left, right,
                    product_text(e, at, b));
  } else if (product_fits(a, bt)) {
    diagnostic_help(d, "write `%s @ transpose(%s)`, which has shape %s", left, right,
                    product_text(e, a, bt));
  } else if (product_fits(bt, a)) {
    diagnostic_help(d, "write `transpose(%s) @ %s`, which has shape %s", right, left,
                    product_text(e, bt, a));
  }
}

static Staged *matmul_mismatch(Evaluator *e, const Type *a, const Type *b, Places places) {
  Diagnostic *d = mistake(e, E0301, places.left, "these shapes do not fit `@`");
  diagnostic_label(d, places.left, "%s", type_phrase(e, a));
  diagnostic_label(d, places.right, "%s", type_phrase(e, b));
  diagnostic_note(d, "the inner dims are %s and %s", axis_phrase(e, a, a->rank - 1, places.left),
                  axis_phrase(e, b, 0, places.right));
  suggest_product(e, d, a, b, places);
  return staged_poison;
}

static Staged *matmul_ranks(Evaluator *e, const Staged *a, const Staged *b, Places places) {
  Diagnostic *d = mistake(e, E0301, places.left, "`@` multiplies vectors and matrices");
  diagnostic_label(d, places.left, "%s", staged_describe(e, a));
  diagnostic_label(d, places.right, "%s", staged_describe(e, b));
  bool scalar = a->kind != STAGED_TENSOR || b->kind != STAGED_TENSOR || !a->tensor->type->rank ||
                !b->tensor->type->rank;
  const char *left = indexed_excerpt(e, places.left), *right = indexed_excerpt(e, places.right);
  if (!left || !right) left = "a", right = "b";
  if (scalar) {
    diagnostic_help(d, "numbers multiply with `*`");
  } else if (a->tensor->type->rank > 2) {
    diagnostic_help(d, "write `for i { %s[i] @ %s }`", left,
                    b->tensor->type->rank > 2 ? arena_printf(e->arena, "%s[i]", right) : right);
  } else {
    diagnostic_help(d, "write `for i { %s @ %s[i] }`", left, right);
  }
  return staged_poison;
}

Staged *operate_matmul(Evaluator *e, Staged *a, Staged *b, Places places) {
  if (a->kind != STAGED_TENSOR || b->kind != STAGED_TENSOR) {
    if (a->kind == STAGED_TREE || b->kind == STAGED_TREE ||
        staged_is_data(a) != staged_is_data(b)) {
      Diagnostic *d = mistake(e, E0303, places.left, "`@` multiplies vectors and matrices");
      diagnostic_label(d, places.left, "%s", staged_describe(e, a));
      diagnostic_label(d, places.right, "%s", staged_describe(e, b));
      return staged_poison;
    }
    return matmul_ranks(e, a, b, places);
  }
  Dtype dtype;
  if (!meet_dtype(e, a, b, "@", places, &dtype)) return staged_poison;
  const Type *x = a->tensor->type, *y = b->tensor->type;
  if (x->rank < 1 || x->rank > 2 || y->rank < 1 || y->rank > 2)
    return matmul_ranks(e, a, b, places);
  if (!product_fits(x, y)) return matmul_mismatch(e, x, y, places);
  if (dtype == DT_BOOL) {
    mistake(e, E0303, places.left, "`@` multiplies numbers, these are truth values");
    return staged_poison;
  }
  Builder *builder = &e->builder;
  return staged_tensor(e, ir_matmul(builder, exact_integers(builder, a->tensor),
                                    exact_integers(builder, b->tensor)));
}

// --- ^ -------------------------------------------------------------------------------------------

// x^k for k >= 1 by squaring.
static Value *power_by_squaring(Evaluator *e, Value *x, int64_t exponent) {
  Builder *b = &e->builder;
  Value *result = NULL;
  for (Value *square = x;; square = ir_binary(b, OP_MUL, square, square)) {
    if (exponent & 1) result = result ? ir_binary(b, OP_MUL, result, square) : square;
    exponent >>= 1;
    if (!exponent) return result;
  }
}

static Staged *integer_power(Evaluator *e, Value *x, int64_t exponent, Places places) {
  Builder *b = &e->builder;
  if (x->type->dtype == DT_BOOL) {
    mistake(e, E0303, places.left, "`^` needs numbers, these are truth values");
    return staged_poison;
  }
  if (exponent == 0) return staged_tensor(e, ir_number(b, x->type, 1.0));
  if (exponent > 0) return staged_tensor(e, power_by_squaring(e, x, exponent));
  if (!dtype_is_float(x->type->dtype)) {
    Diagnostic *d = mistake(e, E0303, places.whole, "an integer to a negative power");
    diagnostic_help(d, "convert the base: `real(..)^%lld`", (long long)exponent);
    return staged_poison;
  }
  if (exponent == INT64_MIN) exponent++;
  Value *one = ir_real(b, x->type, 1.0);
  return staged_tensor(e, ir_binary(b, OP_DIV, one, power_by_squaring(e, x, -exponent)));
}

static Staged *static_integer_power(Evaluator *e, const Dim *base, int64_t exponent) {
  DimTable *dims = e->module->dims;
  const Dim *result = dim_const(dims, 1);
  for (; exponent > 0 && !dim_is_invalid(result); exponent--) result = dim_mul(dims, result, base);
  return staged_integer(e, result);
}

static Staged *static_power(Evaluator *e, Staged *a, Staged *b, Places places) {
  double x, y;
  int64_t exponent, base;
  bool integer = b->kind == STAGED_INTEGER && dim_is_const(b->integer, &exponent);
  if (a->kind == STAGED_INTEGER && integer && exponent >= 0) {
    bool trivial = dim_is_const(a->integer, &base) && base >= -1 && base <= 1;
    if (trivial) return staged_int(e, exponent == 0 ? 1 : exponent & 1 ? base : base * base);
    Staged *power = exponent <= 64 ? static_integer_power(e, a->integer, exponent) : NULL;
    if (power && !dim_is_invalid(power->integer)) return power;
    mistake(e, E0310, places.whole, "the result is too large");
    return staged_poison;
  }
  if (a->kind == STAGED_INTEGER && !dim_is_const(a->integer, NULL)) return NULL;
  if (b->kind == STAGED_INTEGER && !integer) return NULL;
  if (!static_real(e, a, &x, places.left, "the base")) return staged_poison;
  if (!static_real(e, b, &y, places.right, "the exponent")) return staged_poison;
  return staged_real(e, __builtin_pow(x, y));
}

static Staged *power_leaf(Evaluator *e, Staged *a, Staged *b, Places places, void *self) {
  (void)self;
  bool numbers = staged_is_number(a) && staged_is_number(b);
  if (numbers) {
    Staged *known = static_power(e, a, b, places);
    if (known) return known;
  }
  int64_t exponent;
  if (b->kind == STAGED_INTEGER && dim_is_const(b->integer, &exponent))
    return integer_power(e, leaf_value(e, a), exponent, places);
  Value *x, *y;
  if (!meet(e, a, b, "^", places, &x, &y)) return staged_poison;
  if (!dtype_is_float(x->type->dtype)) {
    Diagnostic *d = mistake(e, E0303, places.whole, "a power of integers with a run-time exponent");
    diagnostic_help(d, "convert the base: `real(..)^..`");
    return staged_poison;
  }
  return staged_tensor(e, ir_binary(&e->builder, OP_POW, x, y));
}

static bool check_power_operand(Evaluator *e, const Staged *s, Span span) {
  if (s->kind == STAGED_TREE || s->kind == STAGED_TENSOR || staged_is_number(s)) return true;
  mistake(e, E0303, span, "`^` cannot take %s", staged_describe(e, s));
  return false;
}

Staged *operate_power(Evaluator *e, Staged *a, Staged *b, Places places) {
  if (!check_power_operand(e, a, places.left) || !check_power_operand(e, b, places.right))
    return staged_poison;
  return zip_leaves(e, a, b, "^", places, power_leaf, NULL);
}

// --- dot -----------------------------------------------------------------------------------------

typedef struct DotSum {
  Value *total; // leaves of several real types: of the program's
} DotSum;

static Value *leaf_dot(Evaluator *e, Value *x, Value *y) {
  Builder *b = &e->builder;
  if (x->type->rank == 0) return ir_binary(b, OP_MUL, x, y);
  Attr attr = {0};
  attr.dot.contract_count = x->type->rank;
  for (int i = 0; i < x->type->rank; i++)
    attr.dot.left_contract[i] = attr.dot.right_contract[i] = (int8_t)i;
  return ir_dot(b, x, y, &attr);
}

static Staged *dot_leaf(Evaluator *e, Staged *a, Staged *b, Places places, void *self) {
  DotSum *sum = self;
  Value *x, *y;
  bool shaped = a->kind == STAGED_TENSOR && b->kind == STAGED_TENSOR;
  if (!meet(e, a, b, "dot", places, &x, &y)) return staged_poison;
  if (shaped && a->tensor->type->rank != b->tensor->type->rank) {
    Diagnostic *d = mistake(e, E0301, places.whole, "`dot` needs two values of one shape");
    diagnostic_label(d, places.left, "%s", staged_describe(e, a));
    diagnostic_label(d, places.right, "%s", staged_describe(e, b));
    return staged_poison;
  }
  if (x->type->dtype == DT_BOOL) {
    mistake(e, E0303, places.whole, "`dot` needs numbers, these are truth values");
    return staged_poison;
  }
  Value *part = leaf_dot(e, exact_integers(&e->builder, x), exact_integers(&e->builder, y));
  if (sum->total && sum->total->type->dtype != part->type->dtype) {
    if (sum->total->type->dtype != e->real)
      sum->total = ir_convert(&e->builder, sum->total, e->real);
    if (part->type->dtype != e->real) part = ir_convert(&e->builder, part, e->real);
  }
  sum->total = sum->total ? ir_binary(&e->builder, OP_ADD, sum->total, part) : part;
  return a;
}

Staged *operate_dot(Evaluator *e, Staged *a, Staged *b, Span span) {
  return operate_dot_at(e, a, b, (Places){span, span, span});
}

Staged *operate_dot_at(Evaluator *e, Staged *a, Staged *b, Places places) {
  if (staged_is_poison(a) || staged_is_poison(b)) return staged_poison;
  if (!staged_is_data(a) || !staged_is_data(b)) {
    bool left = !staged_is_data(a);
    mistake(e, E0303, left ? places.left : places.right, "`dot` cannot take %s",
            staged_describe(e, left ? a : b));
    return staged_poison;
  }
  DotSum sum = {0};
  if (staged_is_poison(zip_leaves(e, a, b, "dot", places, dot_leaf, &sum))) return staged_poison;
  return sum.total ? staged_tensor(e, sum.total) : staged_real(e, 0.0);
}
