// Curvature and sign of every value by one forward walk over the ops. See curvature.h.
//
// A value that is not in the map is a constant of unknown sign: what does not depend on the sources
// needs no rule but for its sign, which decides what a product with it does.
#include "diff/curvature.h"

#include "ir/builder.h"

typedef enum Sign { SIGN_ANY, SIGN_NONNEGATIVE, SIGN_NONPOSITIVE } Sign;

typedef struct Shape {
  Curvature curvature;
  Sign sign;
} Shape;

enum { SIGNS = 3 };
static const Shape unseen = {CURVATURE_UNSEEN, SIGN_ANY};

static Shape shape_get(const Map *map, const Value *value) {
  uintptr_t code = (uintptr_t)map_get(map, value);
  return (Shape){(Curvature)(code / SIGNS), (Sign)(code % SIGNS)};
}

static void shape_put(Map *map, const Value *value, Shape shape) {
  uintptr_t code = (uintptr_t)shape.curvature * SIGNS + (uintptr_t)shape.sign;
  if (code) map_put(map, value, (void *)code);
}

Curvature curvature_get(const Map *map, const Value *value) {
  return shape_get(map, value).curvature;
}

// ---- shapes

static Shape flipped(Shape a) {
  static const Curvature other[] = {CURVATURE_CONSTANT, CURVATURE_AFFINE, CURVATURE_CONCAVE,
                                    CURVATURE_CONVEX, CURVATURE_UNSEEN};
  static const Sign opposite[] = {SIGN_ANY, SIGN_NONPOSITIVE, SIGN_NONNEGATIVE};
  return (Shape){other[a.curvature], opposite[a.sign]};
}

// Of a sum, and of entries side by side.
static Shape joined(Shape a, Shape b) {
  Shape most = a.curvature > b.curvature ? a : b, least = a.curvature > b.curvature ? b : a;
  if (most.curvature == CURVATURE_CONCAVE && least.curvature == CURVATURE_CONVEX) return unseen;
  return (Shape){most.curvature, a.sign == b.sign ? a.sign : SIGN_ANY};
}

static Sign product_sign(Sign a, Sign b) {
  if (a == SIGN_ANY || b == SIGN_ANY) return SIGN_ANY;
  return a == b ? SIGN_NONNEGATIVE : SIGN_NONPOSITIVE;
}

// `constant` times `a`, or a sum of such products.
static Shape scaled(Shape constant, Shape a) {
  Sign sign = product_sign(constant.sign, a.sign);
  if (constant.curvature != CURVATURE_CONSTANT) return unseen;
  if (a.curvature <= CURVATURE_AFFINE) return (Shape){a.curvature, sign};
  if (constant.sign == SIGN_ANY) return unseen;
  if (constant.sign == SIGN_NONPOSITIVE) a = flipped(a);
  return (Shape){a.curvature, sign};
}

static Shape product(Shape a, Shape b) {
  return a.curvature == CURVATURE_CONSTANT ? scaled(a, b) : scaled(b, a);
}

// A convex function that increases: where `even`, only with |a|.
static Shape convex_of(Shape a, Sign sign, bool even) {
  Curvature c = a.curvature;
  if (c == CURVATURE_CONSTANT) return (Shape){c, sign};
  bool rises = !even || a.sign == SIGN_NONNEGATIVE, falls = even && a.sign == SIGN_NONPOSITIVE;
  bool seen = c == CURVATURE_AFFINE || (c == CURVATURE_CONVEX && rises) ||
              (c == CURVATURE_CONCAVE && falls);
  return (Shape){seen ? CURVATURE_CONVEX : CURVATURE_UNSEEN, sign};
}

static Shape concave_of(Shape a, Sign sign) {
  if (a.curvature == CURVATURE_CONSTANT) return (Shape){CURVATURE_CONSTANT, sign};
  bool seen = a.curvature == CURVATURE_AFFINE || a.curvature == CURVATURE_CONCAVE;
  return (Shape){seen ? CURVATURE_CONCAVE : CURVATURE_UNSEEN, sign};
}

static Shape square(Shape a) {
  return convex_of(a, SIGN_NONNEGATIVE, true);
}

static Shape largest(Shape a, Shape b) {
  bool positive = a.sign == SIGN_NONNEGATIVE || b.sign == SIGN_NONNEGATIVE;
  Sign sign = positive ? SIGN_NONNEGATIVE : a.sign == b.sign ? a.sign : SIGN_ANY;
  Shape both = joined(a, b);
  if (both.curvature == CURVATURE_CONSTANT) return (Shape){CURVATURE_CONSTANT, sign};
  bool seen = both.curvature == CURVATURE_AFFINE || both.curvature == CURVATURE_CONVEX;
  return (Shape){seen ? CURVATURE_CONVEX : CURVATURE_UNSEEN, sign};
}

// ---- ops

static Sign sign_of_number(double number) {
  return number >= 0.0 ? SIGN_NONNEGATIVE : number <= 0.0 ? SIGN_NONPOSITIVE : SIGN_ANY;
}

static Shape power(Shape base, const Value *exponent) {
  double p;
  if (!ir_is_splat(exponent, &p)) return unseen;
  if (p == 2.0 || p == 4.0 || p == 6.0) return square(base);
  if (base.sign != SIGN_NONNEGATIVE || p < 0.0) return unseen;
  return p >= 1.0 ? convex_of(base, SIGN_NONNEGATIVE, false) : concave_of(base, SIGN_NONNEGATIVE);
}

// u . u over all its axes: a sum of squares.
static bool is_square_sum(const Op *op) {
  if (op->code != OP_DOT || op->operands[0] != op->operands[1]) return false;
  int contracted = op->attr.dot.contract_count, batches = op->attr.dot.batch_count;
  for (int i = 0; i < contracted; i++)
    if (op->attr.dot.left_contract[i] != op->attr.dot.right_contract[i]) return false;
  for (int i = 0; i < batches; i++)
    if (op->attr.dot.left_batch[i] != op->attr.dot.right_batch[i]) return false;
  return contracted + batches == op->operands[0]->type->rank;
}

// Linear in the operands of the mask, with weights 0 and 1, where the others are constants.
static Shape gathered(const Map *map, const Op *op, int mask) {
  Shape all = {CURVATURE_CONSTANT, SIGN_ANY};
  bool first = true;
  for (int i = 0; i < op->operand_count; i++) {
    Shape a = shape_get(map, op->operands[i]);
    bool linear = mask == -1 || (i < 31 && (mask >> i & 1));
    if (!linear && a.curvature != CURVATURE_CONSTANT) return unseen;
    if (!linear) continue;
    all = first ? a : joined(all, a);
    first = false;
  }
  return all;
}

static Shape elementary(const Op *op, Shape a) {
  switch (op->code) {
  case OP_ABS:
    return square(a);
  case OP_EXP:
  case OP_SOFTPLUS:
    return convex_of(a, SIGN_NONNEGATIVE, false);
  case OP_EXPM1:
    return convex_of(a, a.sign, false);
  case OP_LOG:
    return concave_of(a, SIGN_ANY);
  case OP_LOG1P:
    return concave_of(a, a.sign);
  case OP_SQRT:
    return concave_of(a, SIGN_NONNEGATIVE);
  case OP_REDUCE_MAX:
    return largest(a, a);
  case OP_LOGISTIC:
  case OP_RSQRT:
  case OP_ERFC:
    return a.curvature == CURVATURE_CONSTANT ? (Shape){CURVATURE_CONSTANT, SIGN_NONNEGATIVE}
                                             : unseen;
  default:
    return a.curvature == CURVATURE_CONSTANT ? (Shape){CURVATURE_CONSTANT, SIGN_ANY} : unseen;
  }
}

static bool same_value(const Value *a, const Value *b) {
  double left, right;
  return a == b || (ir_is_splat(a, &left) && ir_is_splat(b, &right) && left == right);
}

// `if a > b then a else b`
static bool is_maximum(const Op *op) {
  const Op *condition = op->operands[0]->op;
  if (!condition || condition->code != OP_COMPARE) return false;
  bool greater =
      condition->attr.compare.op == COMPARE_GT || condition->attr.compare.op == COMPARE_GE;
  return greater && same_value(condition->operands[0], op->operands[1]) &&
         same_value(condition->operands[1], op->operands[2]);
}

// Differences of dims, as n - 10, may be negative.
static Shape source(const Op *op) {
  double number;
  bool positive = op->code == OP_IOTA;
  if (op->code == OP_DIM)
    positive = dim_provably_nonnegative(op->block->module->dims, op->attr.dim.dim);
  Sign sign = positive ? SIGN_NONNEGATIVE : SIGN_ANY;
  if (ir_is_splat(op->results[0], &number)) sign = sign_of_number(number);
  return (Shape){CURVATURE_CONSTANT, sign};
}

static bool reads_variable(const Map *map, const Op *op);

static bool block_reads_variable(const Map *map, const Block *block) {
  for (const Op *op = block->first; op; op = op->next)
    if (reads_variable(map, op)) return true;
  for (size_t i = 0; i < block->yields.count; i++)
    if (curvature_get(map, block->yields.data[i]) != CURVATURE_CONSTANT) return true;
  return false;
}

static bool reads_variable(const Map *map, const Op *op) {
  for (int i = 0; i < op->operand_count; i++)
    if (curvature_get(map, op->operands[i]) != CURVATURE_CONSTANT) return true;
  for (int i = 0; i < op->region_count; i++)
    if (block_reads_variable(map, op->regions[i])) return true;
  return false;
}

static Shape shape_of(const Map *map, const Op *op) {
  if (op->region_count || !op->operand_count) {
    if (reads_variable(map, op)) return unseen;
    return op->operand_count ? (Shape){CURVATURE_CONSTANT, SIGN_ANY} : source(op);
  }
  Shape a = shape_get(map, op->operands[0]);
  Shape b = op->operand_count > 1 ? shape_get(map, op->operands[1]) : a;
  switch (op->code) {
  case OP_NEG:
    return flipped(a);
  case OP_SUB:
    return joined(a, flipped(b));
  case OP_MUL:
    return op->operands[0] == op->operands[1] ? square(a) : product(a, b);
  case OP_DOT:
    return is_square_sum(op) ? square(a) : product(a, b);
  case OP_CONV:
    return product(a, b);
  case OP_DIV:
    return scaled(b, a);
  case OP_POW:
    return power(a, op->operands[1]);
  case OP_MAX:
    return largest(a, b);
  case OP_MIN:
    return flipped(largest(flipped(a), flipped(b)));
  case OP_SELECT:
    if (!is_maximum(op)) break;
    return largest(b, shape_get(map, op->operands[2]));
  case OP_STOP:
    return reads_variable(map, op) ? unseen : a;
  case OP_CONVERT:
    return dtype_is_float(op->results[0]->type->dtype) || !reads_variable(map, op) ? a : unseen;
  default:
    break;
  }
  if (op->operand_count == 1 && op_table[op->code].derivative != DERIVATIVE_LINEAR)
    return elementary(op, a);
  if (op_table[op->code].derivative == DERIVATIVE_LINEAR)
    return gathered(map, op, op_table[op->code].linear_mask);
  return reads_variable(map, op) ? unseen : (Shape){CURVATURE_CONSTANT, SIGN_ANY};
}

Map *curvature_map(Arena *arena, Block *body, Value *const *sources, size_t count) {
  Map *map = map_create(arena);
  for (size_t i = 0; i < count; i++)
    shape_put(map, sources[i], (Shape){CURVATURE_AFFINE, SIGN_ANY});
  for (const Op *op = body->first; op; op = op->next) {
    Shape shape = shape_of(map, op);
    for (int i = 0; i < op->result_count; i++) shape_put(map, op->results[i], shape);
  }
  return map;
}
