// Tangents of reductions and matrix ops that are not linear.
//
// Enters: the op, its result and the tangents of its operands. Leaves: ops linear in the tangents;
// what they need besides (masks, partial products) are ordinary ops, so the rules are closed under
// further derivatives. Cholesky and the triangular solve read the lower triangle only.
#include "diff/diff_internal.h"

static Value *mul(Builder *b, Value *x, Value *y) {
  return ir_binary(b, OP_MUL, x, y);
}

// --- small makers -------------------------------------------------------------------------------

// x' with the last two axes swapped; product of matrices over equal leading axes.
static Value *matrix_transpose(Builder *b, Value *x) {
  int permutation[MAX_RANK], rank = x->type->rank;
  for (int i = 0; i < rank; i++) permutation[i] = i;
  permutation[rank - 1] = rank - 2;
  permutation[rank - 2] = rank - 1;
  return ir_transpose(b, x, permutation);
}

static Value *matrix_product(Builder *b, Value *x, Value *y) {
  int rank = x->type->rank;
  Attr attr = {0};
  attr.dot.batch_count = rank - 2;
  for (int i = 0; i < rank - 2; i++) attr.dot.left_batch[i] = attr.dot.right_batch[i] = (int8_t)i;
  attr.dot.contract_count = 1;
  attr.dot.left_contract[0] = (int8_t)(rank - 1);
  attr.dot.right_contract[0] = (int8_t)(rank - 2);
  return ir_dot(b, x, y, &attr);
}

static Value *below_diagonal(Builder *b, const Type *type, Compare op) {
  const Type *index = type_with_dtype(b->module, type, DT_I64);
  return ir_compare(b, op, ir_iota(b, index, type->rank - 2), ir_iota(b, index, type->rank - 1));
}

// Entries on and below the diagonal; `strict`: below only.
static Value *matrix_lower(Builder *b, Value *x, bool strict) {
  Value *mask = below_diagonal(b, x->type, strict ? COMPARE_GT : COMPARE_GE);
  return ir_select(b, mask, x, ir_zero(b, x->type));
}

// --- reductions ---------------------------------------------------------------------------------

// Repeats x, whose axes are those of `type` without `axis`.
static Value *repeat_axis(Builder *b, Value *x, const Type *type, int axis) {
  int axes[MAX_RANK], count = 0;
  for (int i = 0; i < type->rank; i++)
    if (i != axis) axes[count++] = i;
  return ir_broadcast(b, x, type_with_dtype(b->module, type, x->type->dtype), axes);
}

// Axis by axis from the last: in row-major order the first index that reaches the maximum.
void tangent_REDUCE_MAX(Linearise *l, Op *op, Value *const *tangents, Value **results) {
  Builder *b = &l->b;
  Value *x = op->operands[0], *t = tangents[0];
  for (int axis = x->type->rank - 1; axis >= 0; axis--) {
    if (!(op->attr.reduce.axes >> axis & 1)) continue;
    const Type *index = type_with_dtype(b->module, x->type, DT_I64);
    Value *first = repeat_axis(b, ir_argmax(b, x, axis), index, axis);
    Value *chosen = ir_compare(b, COMPARE_EQ, ir_iota(b, index, axis), first);
    t = ir_select(b, chosen, t, ir_zero(b, t->type));
    t = ir_reduce(b, OP_REDUCE_SUM, t, 1u << axis);
    x = ir_reduce(b, OP_REDUCE_MAX, x, 1u << axis);
  }
  results[0] = t;
}

// x with the reduced axes merged into a leading one: [product of extents, kept axes..].
static Value *reduced_axes_first(Builder *b, Value *x, uint32_t axes) {
  int permutation[MAX_RANK], count = 0;
  const Dim *shape[MAX_RANK], *extent = dim_const(b->module->dims, 1);
  for (int i = 0; i < x->type->rank; i++)
    if (axes >> i & 1) {
      permutation[count++] = i;
      extent = dim_mul(b->module->dims, extent, x->type->shape[i]);
    }
  int rank = 1;
  for (int i = 0; i < x->type->rank; i++)
    if (!(axes >> i & 1)) {
      permutation[count++] = i;
      shape[rank++] = x->type->shape[i];
    }
  shape[0] = extent;
  return ir_reshape(b, ir_transpose(b, x, permutation),
                    type_get(b->module, x->type->dtype, rank, shape));
}

// Row i: the product of the rows before i (reverse: behind i).
static Value *exclusive_products(Builder *b, Value *rows, bool reverse) {
  const Dim *extent = rows->type->shape[0];
  Block *body = block_create(b->module, b->block);
  const Type *row =
      type_get(b->module, rows->type->dtype, rows->type->rank - 1, rows->type->shape + 1);
  block_add_param(body, type_scalar(b->module, DT_I64), NULL);
  Value *product = block_add_param(body, row, NULL);
  Value *factor = block_add_param(body, row, NULL);
  Builder inside = builder_at(body);
  VEC_PUSH(b->module->arena, &body->yields, mul(&inside, product, factor));
  VEC_PUSH(b->module->arena, &body->yields, product);
  Value *one = ir_real(b, row, 1);
  return ir_loop(b, ir_dim(b, extent), extent, &one, 1, &rows, 1, body, NULL, reverse)->results[1];
}

// Entry i has the product of all others as its partial, by products from both ends: no division, so
// zeros are right, for all further derivatives too.
void tangent_REDUCE_PROD(Linearise *l, Op *op, Value *const *tangents, Value **results) {
  Builder *b = &l->b;
  uint32_t axes = op->attr.reduce.axes;
  Value *rows = reduced_axes_first(b, op->operands[0], axes);
  Value *t = reduced_axes_first(b, tangents[0], axes);
  Value *others = mul(b, exclusive_products(b, rows, false), exclusive_products(b, rows, true));
  results[0] = ir_reduce(b, OP_REDUCE_SUM, mul(b, others, t), 1);
}

// --- matrices -----------------------------------------------------------------------------------

// L' = L lower(L^-1 A' L^-T), the diagonal halved.
void tangent_CHOLESKY(Linearise *l, Op *op, Value *const *tangents, Value **results) {
  Builder *b = &l->b;
  Value *factor = op->results[0];
  Value *t = matrix_lower(b, tangents[0], false);
  t = ir_binary(b, OP_ADD, t, matrix_transpose(b, matrix_lower(b, tangents[0], true)));
  t = ir_trisolve(b, factor, t, false);
  t = ir_trisolve(b, factor, matrix_transpose(b, t), false);
  Value *half = ir_select(b, below_diagonal(b, t->type, COMPARE_EQ), ir_real(b, t->type, 0.5),
                          ir_real(b, t->type, 1));
  t = mul(b, matrix_lower(b, t, false), half);
  results[0] = matrix_product(b, factor, t);
}

// A X = B: A X' = B' - A' X, with A transposed or not.
static Value *right_side(Builder *b, Value *t_matrix, Value *t_right, Value *x, bool transposed) {
  if (!t_matrix) return t_right;
  if (transposed) t_matrix = matrix_transpose(b, t_matrix);
  Value *moved = matrix_product(b, t_matrix, x);
  return t_right ? ir_binary(b, OP_SUB, t_right, moved) : ir_unary(b, OP_NEG, moved);
}

void tangent_TRISOLVE(Linearise *l, Op *op, Value *const *tangents, Value **results) {
  Builder *b = &l->b;
  bool transposed = op->attr.solve.transposed;
  Value *t_matrix = tangents[0] ? matrix_lower(b, tangents[0], false) : NULL;
  Value *right = right_side(b, t_matrix, tangents[1], op->results[0], transposed);
  results[0] = ir_trisolve(b, op->operands[0], right, transposed);
}

void tangent_SOLVE(Linearise *l, Op *op, Value *const *tangents, Value **results) {
  Builder *b = &l->b;
  bool transposed = op->attr.solve.transposed;
  Value *right = right_side(b, tangents[0], tangents[1], op->results[0], transposed);
  results[0] = ir_solve(b, op->operands[0], right, transposed);
}
