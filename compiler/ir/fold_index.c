// Folding of index maps, reductions and the like: identity, composition, splats.
//
// Enters: an op about to be made. Leaves: an equal value, or NULL. A view of a view is one view, as
// the maps are affine: A1 (A2 o + b2) + b1.
#include "ir/builder.h"
#include "ir/ir_internal.h"

#include <string.h>

enum { LIST_LIMIT = 1 << 16 };

static bool has_constant_shape(const Type *type) {
  int64_t extent;
  for (int i = 0; i < type->rank; i++)
    if (!dim_is_const(type->shape[i], &extent) || extent < 0) return false;
  return true;
}

bool value_is_splat(const Value *v) {
  return v->op && v->op->code == OP_CONST && !v->op->attr.constant.reals &&
         !v->op->attr.constant.integers;
}

static bool map_is_identity(const IndexMap *map) {
  int permutation[MAX_RANK];
  if (!map_is_permutation(map, permutation)) return false;
  for (int i = 0; i < map->in_rank; i++)
    if (permutation[i] != i) return false;
  return true;
}

int map_axis(const IndexMap *map, int i) {
  int64_t offset;
  int axis = -1;
  if (!dim_is_const(map->offset[i], &offset) || offset) return -1;
  for (int k = 0; k < map->out_rank; k++) {
    int64_t entry = map->matrix[i * map->out_rank + k];
    if (!entry) continue;
    if (entry != 1 || axis >= 0) return -1;
    axis = k;
  }
  return axis;
}

bool map_is_permutation(const IndexMap *map, int *permutation) {
  if (map->in_rank != map->out_rank) return false;
  uint32_t seen = 0;
  for (int i = 0; i < map->in_rank; i++) {
    int axis = map_axis(map, i);
    if (axis < 0 || seen >> axis & 1) return false;
    seen |= 1u << axis;
    permutation[axis] = i;
  }
  return true;
}

bool map_compose(Module *module, const IndexMap *outer, const IndexMap *inner, IndexMap *result) {
  int rows = outer->in_rank, middle = outer->out_rank, columns = inner->out_rank;
  int64_t *matrix = ARENA_ARRAY(module->arena, int64_t, (size_t)rows * (size_t)columns + 1);
  const Dim **offset = ARENA_ARRAY(module->arena, const Dim *, (size_t)rows + 1);
  for (int i = 0; i < rows; i++) {
    offset[i] = outer->offset[i];
    for (int m = 0; m < middle; m++) {
      int64_t factor = outer->matrix[i * middle + m];
      if (!factor) continue;
      offset[i] =
          dim_add(module->dims, offset[i], dim_scale(module->dims, inner->offset[m], factor));
      for (int k = 0; k < columns; k++) {
        int64_t product, *entry = &matrix[i * columns + k];
        if (__builtin_mul_overflow(factor, inner->matrix[m * columns + k], &product) ||
            __builtin_add_overflow(*entry, product, entry))
          return false;
      }
    }
    if (dim_is_invalid(offset[i])) return false;
  }
  *result = (IndexMap){rows, columns, matrix, offset};
  return true;
}

// The same constant with another shape.
static Value *splat_again(Builder *b, const Value *x, const Type *type) {
  const Op *op = x->op;
  return dtype_is_float(type->dtype) ? ir_real(b, type, op->attr.constant.real)
                                     : ir_integer(b, type, op->attr.constant.integer);
}

static bool map_fits(const Attr *attr, int in_rank, int out_rank) {
  return attr->type && attr->map.in_rank == in_rank && attr->map.out_rank == out_rank;
}

// A view of iota whose index is one output axis is that axis's iota; a constant index is a splat.
static Value *fold_view_iota(Builder *b, const Op *iota, const Attr *attr) {
  const IndexMap *map = &attr->map;
  int row = iota->attr.iota.axis, axis = -1;
  int64_t offset;
  if (!dim_is_const(map->offset[row], &offset)) return NULL;
  for (int k = 0; k < map->out_rank; k++) {
    int64_t entry = map->matrix[row * map->out_rank + k];
    if (!entry) continue;
    if (entry != 1 || axis >= 0 || offset) return NULL;
    axis = k;
  }
  if (axis >= 0) return ir_iota(b, attr->type, axis);
  return dtype_is_float(attr->type->dtype) ? ir_real(b, attr->type, (double)offset)
                                           : ir_integer(b, attr->type, offset);
}

static Value *fold_view(Builder *b, Value *x, const Attr *attr) {
  if (!map_fits(attr, x->type->rank, attr->type ? attr->type->rank : 0) ||
      attr->type->dtype != x->type->dtype)
    return NULL;
  if (attr->type == x->type && map_is_identity(&attr->map)) return x;
  if (value_is_splat(x)) return splat_again(b, x, attr->type);
  if (x->op && x->op->code == OP_IOTA) return fold_view_iota(b, x->op, attr);
  if (x->op && x->op->code == OP_VIEW) {
    Attr composed = {.type = attr->type};
    if (map_compose(b->module, &x->op->attr.map, &attr->map, &composed.map))
      return ir_value(b, OP_VIEW, x->op->operands, 1, &composed);
  }
  return NULL;
}

static Value *fold_unview(Builder *b, Value *x, const Attr *attr) {
  double value;
  if (!attr->type || !map_fits(attr, attr->type->rank, x->type->rank) ||
      attr->type->dtype != x->type->dtype)
    return NULL;
  if (attr->type == x->type && map_is_identity(&attr->map)) return x;
  if (ir_is_splat(x, &value) && value == 0) return ir_zero(b, attr->type);
  if (x->op && x->op->code == OP_UNVIEW) {
    Attr composed = {.type = attr->type};
    if (map_compose(b->module, &attr->map, &x->op->attr.map, &composed.map))
      return ir_value(b, OP_UNVIEW, x->op->operands, 1, &composed);
  }
  return NULL;
}

static Value *fold_reshape(Builder *b, Value *x, const Attr *attr) {
  const Type *type = attr->type;
  if (!type || type->dtype != x->type->dtype ||
      type_entries(b->module, type) != type_entries(b->module, x->type))
    return NULL;
  if (type == x->type) return x;
  if (value_is_splat(x)) return splat_again(b, x, type);
  if (x->op && x->op->code == OP_RESHAPE) return ir_value(b, OP_RESHAPE, x->op->operands, 1, attr);
  if (x->op && x->op->code == OP_CONST && has_constant_shape(type)) {
    const Attr *constant = &x->op->attr;
    return constant->constant.reals ? ir_dense_real(b, type, constant->constant.reals)
                                    : ir_dense_integer(b, type, constant->constant.integers);
  }
  return NULL;
}

// Constants of known shapes joined along the first axis: the entries one after the other. Lists of
// the text are made so.
static Value *concat_constants(Builder *b, Value *const *parts, int count, const Type *type) {
  int64_t total, entries, at = 0;
  if (!has_constant_shape(type) || !dim_is_const(type_entries(b->module, type), &total) ||
      total > LIST_LIMIT)
    return NULL;
  bool real = dtype_is_float(type->dtype);
  double *reals = ARENA_ARRAY(b->module->arena, double, (size_t)total + 1);
  int64_t *integers = ARENA_ARRAY(b->module->arena, int64_t, (size_t)total + 1);
  for (int i = 0; i < count; i++) {
    const Op *op = parts[i]->op;
    if (!op || op->code != OP_CONST ||
        !dim_is_const(type_entries(b->module, parts[i]->type), &entries))
      return NULL;
    const double *x = op->attr.constant.reals;
    const int64_t *k = op->attr.constant.integers;
    for (int64_t j = 0; j < entries; j++, at++) {
      if (real) reals[at] = x ? x[j] : op->attr.constant.real;
      if (!real) integers[at] = k ? k[j] : op->attr.constant.integer;
    }
  }
  return real ? ir_dense_real(b, type, reals) : ir_dense_integer(b, type, integers);
}

static Value *fold_concat(Builder *b, Value *const *parts, int count, const Attr *attr) {
  int axis = attr->concat.axis;
  if (count < 1 || axis < 0 || axis >= parts[0]->type->rank) return NULL;
  if (count == 1) return parts[0];
  bool equal = true;
  for (int i = 0; i < count; i++) {
    if (!parts[i]->op || parts[i]->op->code != OP_CONST) return NULL;
    if (parts[i]->type->rank != parts[0]->type->rank) return NULL;
    Attr first = {.constant = parts[0]->op->attr.constant};
    Attr other = {.constant = parts[i]->op->attr.constant};
    equal = equal && value_is_splat(parts[i]) && attr_equal(OP_CONST, &first, &other);
  }
  const Type *type;
  int results;
  if (ir_infer(b->module, OP_CONCAT, parts, count, attr, NULL, 0, &type, &results)) return NULL;
  if (equal) return splat_again(b, parts[0], type);
  return axis == 0 ? concat_constants(b, parts, count, type) : NULL;
}

// Zeros add up to zeros; other splats would need the extent.
static Value *fold_reduce(Builder *b, Opcode code, Value *x, const Attr *attr) {
  double value;
  if (attr->reduce.axes == 0) return x;
  if (attr->reduce.axes >> x->type->rank) return NULL;
  if (code != OP_REDUCE_SUM || !ir_is_splat(x, &value) || value != 0) return NULL;
  const Type *type;
  int results;
  const char *message = ir_infer(b->module, code, &x, 1, attr, NULL, 0, &type, &results);
  return message ? NULL : ir_zero(b, type);
}

Value *fold_index(Builder *b, Opcode code, Value *const *operands, int count, const Attr *attr) {
  switch (code) {
  case OP_VIEW:
    return fold_view(b, operands[0], attr);
  case OP_UNVIEW:
    return fold_unview(b, operands[0], attr);
  case OP_RESHAPE:
    return fold_reshape(b, operands[0], attr);
  case OP_CONCAT:
    return fold_concat(b, operands, count, attr);
  case OP_REDUCE_SUM:
  case OP_REDUCE_MAX:
  case OP_REDUCE_PROD:
    return fold_reduce(b, code, operands[0], attr);
  case OP_DIM: {
    int64_t value;
    if (!attr->dim.dim || !dim_is_const(attr->dim.dim, &value)) return NULL;
    return ir_integer(b, type_scalar(b->module, DT_I64), value);
  }
  case OP_DYNAMIC_SLICE:
    // All of x: whatever the starts, they are clamped to 0.
    return operands[0]->type == attr->type ? operands[0] : NULL;
  default:
    return NULL;
  }
}
