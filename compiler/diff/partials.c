// Partial derivatives of the elementwise ops, one line each, and their tangents.
//
// Enters: an elementwise op and the tangents of its operands. Leaves: the sum of partial * tangent.
// A partial that can be infinite or NaN is multiplied so that a zero tangent gives zero: what a
// select did not choose then stays out of the derivative. The product is written with ordinary ops
// (select(t == 0, 0, t * p)) and recognised again by is_guarded_product, because its derivative is
// that of t * p, not that of a select: at t = 0 the derivative by t is p.
#include "diff/diff_internal.h"

#include <math.h>

typedef enum PartialKind {
  PARTIAL_REGULAR,  // finite where the op is
  PARTIAL_SINGULAR, // may be infinite or NaN: a zero tangent wins
  PARTIAL_MASK,     // 0, 1/2 or 1: a zero partial wins
} PartialKind;

/// x: operands, r: result.
typedef Value *PartialFunction(Builder *b, Value *const *x, Value *r);

typedef struct Partials {
  PartialKind kind;
  PartialFunction *by[2];
} Partials;

static Value *real(Builder *b, const Value *like, double value) {
  return ir_real(b, like->type, value);
}
static Value *add(Builder *b, Value *x, Value *y) {
  return ir_binary(b, OP_ADD, x, y);
}
static Value *sub(Builder *b, Value *x, Value *y) {
  return ir_binary(b, OP_SUB, x, y);
}
static Value *mul(Builder *b, Value *x, Value *y) {
  return ir_binary(b, OP_MUL, x, y);
}
static Value *ratio(Builder *b, Value *x, Value *y) {
  return ir_binary(b, OP_DIV, x, y);
}
static Value *neg(Builder *b, Value *x) {
  return ir_unary(b, OP_NEG, x);
}
static Value *scaled(Builder *b, double factor, Value *x) {
  return mul(b, real(b, x, factor), x);
}

static Value *is_zero(Builder *b, Value *x) {
  return ir_compare(b, COMPARE_EQ, x, ir_zero(b, x->type));
}

// 1 where x is larger, 1/2 on ties.
static Value *share(Builder *b, Value *x, Value *y) {
  return ir_select(b, ir_compare(b, COMPARE_GT, x, y), real(b, x, 1),
                   ir_select(b, ir_compare(b, COMPARE_EQ, x, y), real(b, x, 0.5), real(b, x, 0)));
}

// y x^(y-1), 0 for y = 0 also at x = 0.
static Value *power_by_base(Builder *b, Value *x, Value *y) {
  Value *power = ir_binary(b, OP_POW, x, sub(b, y, real(b, y, 1)));
  double exponent;
  if (ir_is_splat(y, &exponent) && exponent != 0) return mul(b, y, power);
  return ir_select(b, is_zero(b, y), real(b, y, 0), mul(b, y, power));
}

// x^y log x, 0 at x = 0.
static Value *power_by_exponent(Builder *b, Value *x, Value *r) {
  Value *none = is_zero(b, x);
  Value *log = ir_unary(b, OP_LOG, ir_select(b, none, real(b, x, 1), x));
  return ir_select(b, none, real(b, x, 0), mul(b, r, log));
}

static Value *square_sum(Builder *b, Value *const *x) {
  return add(b, mul(b, x[0], x[0]), mul(b, x[1], x[1]));
}

#define PARTIAL(CODE, K, EXPRESSION)                                                               \
  static Value *partial_##CODE##_##K(Builder *b, Value *const *x, Value *r) {                      \
    (void)b, (void)x, (void)r;                                                                     \
    return EXPRESSION;                                                                             \
  }
#define UNARY(CODE, KIND, EXPRESSION)                                                              \
  PARTIAL(CODE, 0, EXPRESSION)                                                                     \
  static const Partials partials_##CODE = {PARTIAL_##KIND, {partial_##CODE##_0, NULL}};
#define BINARY(CODE, KIND, BY_LEFT, BY_RIGHT)                                                      \
  PARTIAL(CODE, 0, BY_LEFT)                                                                        \
  PARTIAL(CODE, 1, BY_RIGHT)                                                                       \
  static const Partials partials_##CODE = {PARTIAL_##KIND,                                         \
                                           {partial_##CODE##_0, partial_##CODE##_1}};

UNARY(ABS, REGULAR, ir_unary(b, OP_SIGN, x[0])) // 0 at 0
UNARY(EXP, SINGULAR, r)                         // overflows
UNARY(EXPM1, SINGULAR, add(b, r, real(b, r, 1)))
UNARY(LOG, SINGULAR, ratio(b, real(b, r, 1), x[0]))
UNARY(LOG1P, SINGULAR, ratio(b, real(b, r, 1), add(b, x[0], real(b, r, 1))))
UNARY(SQRT, SINGULAR, ratio(b, real(b, r, 0.5), r))
UNARY(RSQRT, SINGULAR, mul(b, scaled(b, -0.5, r), mul(b, r, r)))
UNARY(SIN, REGULAR, ir_unary(b, OP_COS, x[0]))
UNARY(COS, REGULAR, neg(b, ir_unary(b, OP_SIN, x[0])))
UNARY(TANH, REGULAR, sub(b, real(b, r, 1), mul(b, r, r)))
UNARY(LOGISTIC, REGULAR, mul(b, r, sub(b, real(b, r, 1), r)))
UNARY(SOFTPLUS, REGULAR, ir_unary(b, OP_LOGISTIC, x[0]))
UNARY(ERF, REGULAR, scaled(b, M_2_SQRTPI, ir_unary(b, OP_EXP, neg(b, mul(b, x[0], x[0])))))
UNARY(ERFC, REGULAR, scaled(b, -M_2_SQRTPI, ir_unary(b, OP_EXP, neg(b, mul(b, x[0], x[0])))))
UNARY(ERFINV, SINGULAR, scaled(b, 1 / M_2_SQRTPI, ir_unary(b, OP_EXP, mul(b, r, r))))
UNARY(LGAMMA, SINGULAR, ir_binary(b, OP_POLYGAMMA, real(b, r, 0), x[0]))
BINARY(ATAN2, SINGULAR, ratio(b, x[1], square_sum(b, x)), neg(b, ratio(b, x[0], square_sum(b, x))))
BINARY(POLYGAMMA, SINGULAR, real(b, r, 0),
       ir_binary(b, OP_POLYGAMMA, add(b, x[0], real(b, r, 1)), x[1]))
BINARY(POW, SINGULAR, power_by_base(b, x[0], x[1]), power_by_exponent(b, x[0], r))
BINARY(MAX, MASK, share(b, x[0], x[1]), share(b, x[1], x[0]))
BINARY(MIN, MASK, share(b, x[1], x[0]), share(b, x[0], x[1]))
BINARY(MOD, SINGULAR, real(b, r, 1), neg(b, ir_unary(b, OP_FLOOR, ratio(b, x[0], x[1]))))

static const Partials *const partials_table[OP_COUNT] = {
#define OP_PARTIALS(CODE, ...) [OP_##CODE] = &partials_##CODE,
#include "ir/ops.def"
};

// --- products that zero wins --------------------------------------------------------------------

static Value *without_sign(Value *v, bool *negative) {
  if (!v->op || v->op->code != OP_NEG) return v;
  *negative = !*negative;
  return v->op->operands[0];
}

Value *guarded_product(Builder *b, Value *t, Value *p) {
  double number;
  if (ir_is_splat(p, &number) && isfinite(number)) return mul(b, t, p);
  // Signs outside, so that folding of the product cannot separate it from the comparison.
  bool negative = false;
  t = without_sign(t, &negative);
  p = without_sign(p, &negative);
  Value *product = ir_select(b, is_zero(b, t), ir_zero(b, t->type), mul(b, t, p));
  return negative ? neg(b, product) : product;
}

bool is_guarded_product(const Op *op, GuardedProduct *product) {
  double zero;
  if (op->code != OP_SELECT || !dtype_is_float(op->results[0]->type->dtype)) return false;
  const Op *test = op->operands[0]->op;
  if (!test || test->code != OP_COMPARE || test->attr.compare.op != COMPARE_EQ) return false;
  if (!ir_is_splat(test->operands[1], &zero) || zero != 0) return false;
  if (!ir_is_splat(op->operands[1], &zero) || zero != 0) return false;
  bool negative = false, ignored = false;
  Value *t = without_sign(test->operands[0], &ignored);
  Value *body = without_sign(op->operands[2], &negative);
  if (body == t) {
    *product = (GuardedProduct){t, NULL, negative};
    return true;
  }
  if (!body->op || body->op->code != OP_MUL) return false;
  for (int k = 0; k < 2; k++) {
    bool flipped = negative;
    if (without_sign(body->op->operands[k], &flipped) != t) continue;
    *product = (GuardedProduct){t, body->op->operands[1 - k], flipped};
    return true;
  }
  return false;
}

// --- signs by form ------------------------------------------------------------------------------

enum { SIGN_DEPTH = 6 };

static bool at_least_zero(const Value *v, int depth);

// v > 0 (or a NaN) for all operands, by its form.
static bool above_zero(const Value *v, int depth) {
  double number;
  const Op *op = v->op;
  if (ir_is_splat(v, &number)) return number > 0;
  if (!op || depth == 0) return false;
  switch (op->code) {
  case OP_DIM:
    return true; // extents; dividing by an empty one is a NaN in the function itself
  case OP_CONVERT:
    return dtype_is_float(v->type->dtype) && above_zero(op->operands[0], depth - 1);
  case OP_VIEW:
  case OP_RESHAPE:
  case OP_STOP:
    return above_zero(op->operands[0], depth - 1);
  case OP_ADD:
    for (int k = 0; k < 2; k++)
      if (above_zero(op->operands[k], depth - 1) && at_least_zero(op->operands[1 - k], depth - 1))
        return true;
    return false;
  case OP_MAX:
    return above_zero(op->operands[0], depth - 1) || above_zero(op->operands[1], depth - 1);
  default:
    return false;
  }
}

static bool at_least_zero(const Value *v, int depth) {
  double number;
  const Op *op = v->op;
  if (ir_is_splat(v, &number)) return number >= 0;
  if (!op || depth == 0) return false;
  switch (op->code) {
  case OP_EXP:
  case OP_SQRT:
  case OP_ABS:
  case OP_LOGISTIC:
  case OP_SOFTPLUS:
    return true;
  case OP_MUL:
    return op->operands[0] == op->operands[1];
  case OP_VIEW:
  case OP_RESHAPE:
  case OP_STOP:
  case OP_REDUCE_SUM:
    return at_least_zero(op->operands[0], depth - 1);
  case OP_ADD:
    return at_least_zero(op->operands[0], depth - 1) && at_least_zero(op->operands[1], depth - 1);
  default:
    return above_zero(v, depth);
  }
}

// True when v cannot be zero, by its form.
static bool value_nonzero(const Value *v) {
  double number;
  if (ir_is_splat(v, &number)) return number != 0;
  if (v->op && v->op->code == OP_NEG) return value_nonzero(v->op->operands[0]);
  return above_zero(v, SIGN_DEPTH);
}

// --- tangents -----------------------------------------------------------------------------------

static Value *sum(Builder *b, Value *x, Value *y) {
  return !x ? y : !y ? x : add(b, x, y);
}

static Value *partial_product(Builder *b, PartialKind kind, Value *t, Value *p) {
  switch (kind) {
  case PARTIAL_SINGULAR:
    return guarded_product(b, t, p);
  case PARTIAL_MASK:
    return ir_select(b, is_zero(b, p), ir_zero(b, t->type), mul(b, t, p));
  case PARTIAL_REGULAR:
    break;
  }
  return mul(b, t, p);
}

void tangent_by_partials(Linearise *l, Op *op, Value *const *tangents, Value **results) {
  const Partials *partials = partials_table[op->code];
  for (int k = 0; k < op->operand_count; k++) {
    if (!tangents[k]) continue;
    Value *p = partials->by[k](&l->b, op->operands, op->results[0]);
    results[0] = sum(&l->b, results[0], partial_product(&l->b, partials->kind, tangents[k], p));
  }
}

// x / y: by x 1/y, by y -(x/y)/y. Where y cannot be zero the first stays a division.
void tangent_DIV(Linearise *l, Op *op, Value *const *tangents, Value **results) {
  Builder *b = &l->b;
  Value *y = op->operands[1], *quotient = op->results[0];
  bool regular = value_nonzero(y);
  if (regular && !tangents[1]) {
    results[0] = ratio(b, tangents[0], y);
    return;
  }
  PartialKind kind = regular ? PARTIAL_REGULAR : PARTIAL_SINGULAR;
  Value *inverse = ratio(b, real(b, y, 1), y);
  if (tangents[0]) results[0] = partial_product(b, kind, tangents[0], inverse);
  if (!tangents[1]) return;
  Value *by_divisor = partial_product(b, kind, tangents[1], mul(b, quotient, inverse));
  results[0] = results[0] ? sub(b, results[0], by_divisor) : neg(b, by_divisor);
}
