// Rewriting rules, one function per kind of op.
//
// Safe for IEEE values: 0 * x stays (x may be infinite), x - x stays. What may change is the order
// of a sum and a sum of equal terms, which becomes a product.
#include "opt/algebra.h"

#include "ir/ir_internal.h"

// --- reshapes -----------------------------------------------------------------------------------

// A reshape that only adds or drops axes of extent 1 is a view, and views compose.
static Value *reshape_as_view(Builder *b, Value *x, const Type *type) {
  Module *module = b->module;
  const Type *from = x->type;
  const Dim *one = dim_const(module->dims, 1);
  int64_t matrix[MAX_RANK * MAX_RANK] = {0};
  const Dim *offset[MAX_RANK];
  int k = 0;
  for (int i = 0; i < from->rank; i++) {
    offset[i] = dim_const(module->dims, 0);
    if (from->shape[i] == one) continue;
    while (k < type->rank && type->shape[k] == one) k++;
    if (k == type->rank || type->shape[k] != from->shape[i]) return NULL;
    matrix[i * type->rank + k++] = 1;
  }
  for (; k < type->rank; k++)
    if (type->shape[k] != one) return NULL;
  return ir_view(b, x, type, (IndexMap){from->rank, type->rank, matrix, offset});
}

// --- sums ---------------------------------------------------------------------------------------

static Value *times_extent(Builder *b, Value *x, const Dim *extent) {
  Value *factor = ir_convert(b, ir_dim(b, extent), x->type->dtype);
  return ir_binary(b, OP_MUL, x, ir_broadcast_suffix(b, factor, x->type));
}

// Along which reduced axes does the view repeat its operand?
static uint32_t repeated_among(const IndexMap *map, uint32_t axes) {
  for (int i = 0; i < map->in_rank; i++)
    for (int k = 0; k < map->out_rank; k++)
      if (map->matrix[i * map->out_rank + k]) axes &= ~(1u << k);
  return axes;
}

static Value *sum_of_repeats(Builder *b, const Op *view, uint32_t axes) {
  const IndexMap *map = &view->attr.map;
  const Type *type = view->attr.type;
  uint32_t repeated = repeated_among(map, axes), rest = 0;
  if (!repeated) return NULL;
  int64_t matrix[MAX_RANK * MAX_RANK];
  const Dim *shape[MAX_RANK], *extent = dim_const(b->module->dims, 1);
  int rank = 0, columns = map->out_rank - __builtin_popcount(repeated);
  for (int k = 0; k < map->out_rank; k++) {
    if (repeated >> k & 1) {
      extent = dim_mul(b->module->dims, extent, type->shape[k]);
      continue;
    }
    for (int i = 0; i < map->in_rank; i++)
      matrix[i * columns + rank] = map->matrix[i * map->out_rank + k];
    if (axes >> k & 1) rest |= 1u << rank;
    shape[rank++] = type->shape[k];
  }
  Value *narrow = ir_view(b, view->operands[0], type_get(b->module, type->dtype, rank, shape),
                          (IndexMap){map->in_rank, rank, matrix, map->offset});
  return times_extent(b, ir_reduce(b, OP_REDUCE_SUM, narrow, rest), extent);
}

static Value *sum_of_sum(Builder *b, const Op *inner, uint32_t axes) {
  uint32_t all = inner->attr.reduce.axes;
  for (int i = 0, k = 0; i < inner->operands[0]->type->rank; i++) {
    if (inner->attr.reduce.axes >> i & 1) continue;
    if (axes >> k++ & 1) all |= 1u << i;
  }
  return ir_reduce(b, OP_REDUCE_SUM, inner->operands[0], all);
}

static Value *sum_of_splat(Builder *b, Value *x, uint32_t axes, double number) {
  const Dim *shape[MAX_RANK], *extent = dim_const(b->module->dims, 1);
  int rank = 0;
  for (int i = 0; i < x->type->rank; i++) {
    if (axes >> i & 1) {
      extent = dim_mul(b->module->dims, extent, x->type->shape[i]);
    } else {
      shape[rank++] = x->type->shape[i];
    }
  }
  const Type *type = type_get(b->module, x->type->dtype, rank, shape);
  return times_extent(b, ir_number(b, type, number), extent);
}

// A sum of products where one factor repeats along what the other keeps: matrix times vector and
// the like. Sums of products of equal shape stay as they are, they fuse with what makes the
// factors.
static Value *sum_of_product(Builder *b, const Op *product, uint32_t axes) {
  const Type *type = product->results[0]->type;
  Contraction c = {.factor = {product->operands[0], product->operands[1]}, .labels = type->rank};
  for (int i = 0; i < type->rank; i++) {
    c.label[0][i] = c.label[1][i] = (int8_t)i;
    c.extent[i] = type->shape[i];
    if (!(axes >> i & 1)) c.out[c.out_rank++] = (int8_t)i;
  }
  // Windows, slices, fixed places and diagonals are read from the maps.
  Value *x = product->operands[0], *y = product->operands[1];
  Value *convolution = ir_sum_of_product(b, x, y, axes, true);
  if (convolution) return convolution;
  if (!contraction_strip_views(&c)) return ir_sum_of_product(b, x, y, axes, false);
  bool contracts = false, free_axis = false;
  for (int label = 0; label < c.labels; label++) {
    int found = 0;
    for (int f = 0; f < 2; f++)
      for (int i = 0; i < c.factor[f]->type->rank; i++) found += c.label[f][i] == label;
    contracts = contracts || (found == 2 && axes >> label & 1);
    free_axis = free_axis || (found == 1 && !(axes >> label & 1));
  }
  return contracts && free_axis ? contraction_build(b, &c)
                                : ir_sum_of_product(b, x, y, axes, false);
}

static Value *rewrite_sum(Builder *b, const Op *op, Value *x, bool single) {
  double number;
  uint32_t axes = op->attr.reduce.axes;
  if (!axes) return x;
  if (ir_is_splat(x, &number)) return sum_of_splat(b, x, axes, number);
  if (!x->op) return NULL;
  switch (x->op->code) {
  case OP_VIEW:
    return sum_of_repeats(b, x->op, axes);
  case OP_REDUCE_SUM:
    return sum_of_sum(b, x->op, axes);
  case OP_MUL:
    return single ? sum_of_product(b, x->op, axes) : NULL;
  default:
    return NULL;
  }
}

// --- contractions -------------------------------------------------------------------------------

// A factor of equal entries: the other one is summed and scaled.
static Value *dot_with_splat(Builder *b, const Op *op, Value *const *operands) {
  for (int f = 0; f < 2; f++) {
    double number;
    if (!ir_is_splat(operands[f], &number)) continue;
    const Type *scalar = type_scalar(b->module, operands[f]->type->dtype);
    Contraction c = contraction_of_dot(operands[0], operands[1], &op->attr);
    // A scalar factor: labels of the splat that are in the result become repeats.
    Contraction rest = c;
    rest.factor[f] = ir_number(b, scalar, number);
    return contraction_build(b, &rest);
  }
  return NULL;
}

static Value *rewrite_dot(Builder *b, const Op *op, Value *const *operands) {
  Value *splat = dot_with_splat(b, op, operands);
  if (splat) return splat;
  Contraction c = contraction_of_dot(operands[0], operands[1], &op->attr);
  bool scalar = operands[0]->type->rank == 0 || operands[1]->type->rank == 0;
  return contraction_strip_views(&c) || scalar ? contraction_build(b, &c) : NULL;
}

// A product in another order of axes is the product of the factors in the other order.
static Value *view_of_dot(Builder *b, const Op *op, Value *x) {
  int axis_of[MAX_RANK];
  const Op *dot = x->op;
  if (!dot || dot->code != OP_DOT || op->attr.map.in_rank != op->attr.map.out_rank) return NULL;
  Op view = *op; // as it is after rebuilding its operand
  view.operands = &x;
  if (!view_reorders(&view, axis_of)) return NULL;
  Contraction c = contraction_of_dot(dot->operands[0], dot->operands[1], &dot->attr);
  Contraction turned = c;
  for (int i = 0; i < c.out_rank; i++) turned.out[axis_of[i]] = c.out[i];
  return contraction_is_direct(&turned) ? contraction_build(b, &turned) : NULL;
}

// --- elementwise --------------------------------------------------------------------------------

// Do two views read values of one shape by one map?
static bool read_alike(const Op *a, const Op *b) {
  const Type *x = a->operands[0]->type, *y = b->operands[0]->type;
  Attr maps[2] = {{.map = a->attr.map}, {.map = b->attr.map}};
  if (x->rank != y->rank || !attr_equal(OP_VIEW, &maps[0], &maps[1])) return false;
  for (int i = 0; i < x->rank; i++)
    if (x->shape[i] != y->shape[i]) return false;
  return true;
}

static Value *same_splat(Builder *b, const Value *v, const Type *shape) {
  const Attr *attr = &v->op->attr;
  const Type *type = type_with_dtype(b->module, shape, v->type->dtype);
  return dtype_is_float(type->dtype) ? ir_real(b, type, attr->constant.real)
                                     : ir_integer(b, type, attr->constant.integer);
}

// An op on values that all repeat in the same way is done once, before they are repeated.
static Value *repeat_later(Builder *b, const Op *op, Value *const *operands) {
  const Op *view = NULL;
  for (int i = 0; i < op->operand_count; i++) {
    const Op *own = operands[i]->op;
    if (value_is_splat(operands[i])) continue;
    if (!own || own->code != OP_VIEW || (view && !read_alike(view, own))) return NULL;
    view = own;
  }
  int axis_of[MAX_RANK];
  if (!view || !view_reorders(view, axis_of) || view->attr.map.in_rank == view->attr.map.out_rank)
    return NULL;
  const Type *narrow = view->operands[0]->type;
  Value *inner[3];
  for (int i = 0; i < op->operand_count; i++)
    inner[i] = value_is_splat(operands[i]) ? same_splat(b, operands[i], narrow)
                                           : operands[i]->op->operands[0];
  Attr attr = op->attr;
  if (attr.type) attr.type = type_with_dtype(b->module, narrow, attr.type->dtype);
  Value *r = ir_value(b, op->code, inner, op->operand_count, &attr);
  return ir_view(b, r, op->results[0]->type, view->attr.map);
}

Value *algebra_rewrite(Builder *b, const Op *op, Value *const *operands, const bool *single) {
  if (op->code == OP_STOP) return operands[0]; // nothing is differentiated any more
  if (op->code == OP_RESHAPE) return reshape_as_view(b, operands[0], op->attr.type);
  if (op->code == OP_REDUCE_SUM) return rewrite_sum(b, op, operands[0], single[0]);
  if (op->code == OP_DOT) return rewrite_dot(b, op, operands);
  if (op->code == OP_VIEW && single[0]) return view_of_dot(b, op, operands[0]);
  return op_table[op->code].group == GROUP_ELEMENTWISE ? repeat_later(b, op, operands) : NULL;
}
