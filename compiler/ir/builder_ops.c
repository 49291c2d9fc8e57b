// One function per op over ir_value, and the sources: attributes filled in, nothing more.
#include "ir/ir_internal.h"
#include "ir/scalar.h"

#include <string.h>

static Module *module_of(const Builder *b) {
  return b->module;
}

// --- sources ---------------------------------------------------------------------------

Value *ir_real(Builder *b, const Type *type, double value) {
  REQUIRE(dtype_is_float(type->dtype), "float constant of type %s", type_text(b->module, type));
  Attr attr = {.constant = {.real = scalar_round(type->dtype, value)}, .type = type};
  return ir_op(b, OP_CONST, NULL, 0, &attr, NULL, 0)->results[0];
}

Value *ir_integer(Builder *b, const Type *type, int64_t value) {
  REQUIRE(!dtype_is_float(type->dtype), "integer constant of type %s", type_text(b->module, type));
  Attr attr = {.constant = {.integer = scalar_wrap(type->dtype, value)}, .type = type};
  return ir_op(b, OP_CONST, NULL, 0, &attr, NULL, 0)->results[0];
}

Value *ir_zero(Builder *b, const Type *type) {
  return ir_number(b, type, 0);
}

Value *ir_number(Builder *b, const Type *type, double value) {
  return dtype_is_float(type->dtype) ? ir_real(b, type, value)
                                     : ir_integer(b, type, scalar_truncate(type->dtype, value));
}

Value *ir_dense_real(Builder *b, const Type *type, const double *entries) {
  size_t count = type_constant_entries(type), same = 0;
  double *rounded = ARENA_ARRAY(b->module->arena, double, count + 1);
  for (size_t i = 0; i < count; i++) {
    rounded[i] = scalar_round(type->dtype, entries[i]);
    same += !memcmp(&rounded[i], &rounded[0], sizeof *rounded);
  }
  if (count && same == count) return ir_real(b, type, rounded[0]);
  Attr attr = {.constant = {.reals = rounded}, .type = type};
  return ir_op(b, OP_CONST, NULL, 0, &attr, NULL, 0)->results[0];
}

Value *ir_dense_integer(Builder *b, const Type *type, const int64_t *entries) {
  size_t count = type_constant_entries(type), same = 0;
  int64_t *wrapped = ARENA_ARRAY(b->module->arena, int64_t, count + 1);
  for (size_t i = 0; i < count; i++) {
    wrapped[i] = scalar_wrap(type->dtype, entries[i]);
    same += wrapped[i] == wrapped[0];
  }
  if (count && same == count) return ir_integer(b, type, wrapped[0]);
  Attr attr = {.constant = {.integers = wrapped}, .type = type};
  return ir_op(b, OP_CONST, NULL, 0, &attr, NULL, 0)->results[0];
}

bool ir_is_splat(const Value *v, double *value) {
  if (!value_is_splat(v)) return false;
  const Attr *attr = &v->op->attr;
  *value = dtype_is_float(v->type->dtype) ? attr->constant.real : (double)attr->constant.integer;
  return true;
}

Value *ir_iota(Builder *b, const Type *type, int axis) {
  Attr attr = {.iota = {axis}, .type = type};
  return ir_value(b, OP_IOTA, NULL, 0, &attr);
}

Value *ir_dim(Builder *b, const Dim *dim) {
  Attr attr = {.dim = {dim}};
  return ir_value(b, OP_DIM, NULL, 0, &attr);
}

Value *ir_random_rows(Builder *b, RandomKind kind, const Type *type, Value *const *operands,
                      int count, int rows) {
  Attr attr = {.random = {kind, rows}, .type = type};
  return ir_value(b, OP_RANDOM, operands, count, &attr);
}

Value *ir_random(Builder *b, RandomKind kind, const Type *type, Value *const *operands, int count) {
  return ir_random_rows(b, kind, type, operands, count, 0);
}

// --- elementwise -----------------------------------------------------------------------

Value *ir_unary(Builder *b, Opcode code, Value *x) {
  return ir_value(b, code, &x, 1, NULL);
}

Value *ir_binary(Builder *b, Opcode code, Value *x, Value *y) {
  return ir_value(b, code, (Value *[]){x, y}, 2, NULL);
}

Value *ir_compare(Builder *b, Compare op, Value *x, Value *y) {
  Attr attr = {.compare = {op}};
  return ir_value(b, OP_COMPARE, (Value *[]){x, y}, 2, &attr);
}

Value *ir_select(Builder *b, Value *condition, Value *yes, Value *no) {
  return ir_value(b, OP_SELECT, (Value *[]){condition, yes, no}, 3, NULL);
}

Value *ir_convert(Builder *b, Value *x, Dtype dtype) {
  Attr attr = {.type = type_with_dtype(b->module, x->type, dtype)};
  return ir_value(b, OP_CONVERT, &x, 1, &attr);
}

Value *ir_stop(Builder *b, Value *x) {
  return ir_unary(b, OP_STOP, x);
}

// --- index maps ------------------------------------------------------------------------

typedef struct MapParts {
  int64_t matrix[MAX_RANK * MAX_RANK];
  const Dim *offset[MAX_RANK];
} MapParts;

// A map of zeros; the caller sets what differs.
static IndexMap map_start(const Builder *b, MapParts *parts, int in_rank, int out_rank) {
  memset(parts->matrix, 0, sizeof parts->matrix);
  for (int i = 0; i < in_rank; i++) parts->offset[i] = dim_const(module_of(b)->dims, 0);
  return (IndexMap){in_rank, out_rank, parts->matrix, parts->offset};
}

Value *ir_view(Builder *b, Value *x, const Type *type, IndexMap map) {
  Attr attr = {.map = map, .type = type};
  return ir_value(b, OP_VIEW, &x, 1, &attr);
}

Value *ir_unview(Builder *b, Value *x, const Type *type, IndexMap map) {
  Attr attr = {.map = map, .type = type};
  return ir_value(b, OP_UNVIEW, &x, 1, &attr);
}

Value *ir_transpose(Builder *b, Value *x, const int *permutation) {
  int rank = x->type->rank;
  MapParts parts;
  IndexMap map = map_start(b, &parts, rank, rank);
  const Dim *shape[MAX_RANK];
  for (int k = 0; k < rank; k++) {
    parts.matrix[permutation[k] * rank + k] = 1;
    shape[k] = x->type->shape[permutation[k]];
  }
  return ir_view(b, x, type_get(b->module, x->type->dtype, rank, shape), map);
}

Value *ir_broadcast(Builder *b, Value *x, const Type *type, const int *axes) {
  int rank = x->type->rank;
  MapParts parts;
  IndexMap map = map_start(b, &parts, rank, type->rank);
  for (int i = 0; i < rank; i++) {
    REQUIRE(axes[i] >= 0 && axes[i] < type->rank && x->type->shape[i] == type->shape[axes[i]],
            "broadcast of %s to %s", type_text(b->module, x->type), type_text(b->module, type));
    parts.matrix[i * type->rank + axes[i]] = 1;
  }
  return ir_view(b, x, type, map);
}

Value *ir_broadcast_suffix(Builder *b, Value *x, const Type *type) {
  int axes[MAX_RANK], rank = x->type->rank;
  REQUIRE(rank <= type->rank, "broadcast of %s to %s", type_text(b->module, x->type),
          type_text(b->module, type));
  for (int i = 0; i < rank; i++) axes[i] = type->rank - rank + i;
  return ir_broadcast(b, x, type, axes);
}

// The identity map of x, for slices and flips.
static IndexMap map_same(const Builder *b, MapParts *parts, const Value *x) {
  int rank = x->type->rank;
  IndexMap map = map_start(b, parts, rank, rank);
  for (int i = 0; i < rank; i++) parts->matrix[i * rank + i] = 1;
  return map;
}

Value *ir_slice(Builder *b, Value *x, int axis, const Dim *start, const Dim *length,
                int64_t stride) {
  int rank = x->type->rank;
  REQUIRE(axis >= 0 && axis < rank, "slice of axis %d", axis);
  MapParts parts;
  IndexMap map = map_same(b, &parts, x);
  parts.matrix[axis * rank + axis] = stride;
  parts.offset[axis] = start;
  const Dim *shape[MAX_RANK];
  memcpy(shape, x->type->shape, (size_t)rank * sizeof *shape);
  shape[axis] = length;
  return ir_view(b, x, type_get(b->module, x->type->dtype, rank, shape), map);
}

Value *ir_flip(Builder *b, Value *x, int axis) {
  REQUIRE(axis >= 0 && axis < x->type->rank, "flip of axis %d", axis);
  MapParts parts;
  IndexMap map = map_same(b, &parts, x);
  DimTable *dims = b->module->dims;
  parts.matrix[axis * x->type->rank + axis] = -1;
  parts.offset[axis] = dim_sub(dims, x->type->shape[axis], dim_const(dims, 1));
  return ir_view(b, x, x->type, map);
}

Value *ir_reshape(Builder *b, Value *x, const Type *type) {
  Attr attr = {.type = type};
  return ir_value(b, OP_RESHAPE, &x, 1, &attr);
}

Value *ir_concat(Builder *b, Value *const *parts, int count, int axis) {
  Attr attr = {.concat = {axis}};
  return ir_value(b, OP_CONCAT, parts, count, &attr);
}

// --- reductions ------------------------------------------------------------------------

Value *ir_reduce(Builder *b, Opcode code, Value *x, uint32_t axes) {
  Attr attr = {.reduce = {axes}};
  return ir_value(b, code, &x, 1, &attr);
}

Value *ir_sum_all(Builder *b, Value *x) {
  return ir_reduce(b, OP_REDUCE_SUM, x, (1u << x->type->rank) - 1);
}

Value *ir_argmax(Builder *b, Value *x, int axis) {
  Attr attr = {.scan = {.axis = axis}};
  return ir_value(b, OP_ARGMAX, &x, 1, &attr);
}

Value *ir_cumsum(Builder *b, Value *x, int axis, bool reverse, bool exclusive) {
  Attr attr = {.scan = {.axis = axis, .reverse = reverse, .exclusive = exclusive}};
  return ir_value(b, OP_CUMSUM, &x, 1, &attr);
}

Value *ir_argsort(Builder *b, Value *x, int axis, bool descending) {
  Attr attr = {.scan = {.axis = axis, .descending = descending}};
  return ir_value(b, OP_ARGSORT, &x, 1, &attr);
}

// --- contractions ----------------------------------------------------------------------

// Reads through a transpose of one dot operand when its free axes keep their order; false: not
// possible.
static bool absorb_transpose(Value **x, int8_t *batch, int batch_count, int8_t *contract,
                             int contract_count, int8_t *window, int window_count) {
  const Op *op = (*x)->op;
  int permutation[MAX_RANK];
  if (!op || op->code != OP_VIEW || !map_is_permutation(&op->attr.map, permutation)) return false;
  uint32_t used = 0;
  for (int i = 0; i < batch_count; i++) used |= 1u << batch[i];
  for (int i = 0; i < contract_count; i++) used |= 1u << contract[i];
  for (int i = 0; i < window_count; i++) used |= 1u << window[i];
  int previous = -1;
  for (int k = 0; k < (*x)->type->rank; k++) {
    // A leading part of an axis has the map of a transpose, but not its shape.
    if ((*x)->type->shape[k] != op->operands[0]->type->shape[permutation[k]]) return false;
    if (used >> k & 1) continue;
    if (permutation[k] < previous) return false;
    previous = permutation[k];
  }
  for (int i = 0; i < batch_count; i++) batch[i] = (int8_t)permutation[batch[i]];
  for (int i = 0; i < contract_count; i++) contract[i] = (int8_t)permutation[contract[i]];
  for (int i = 0; i < window_count; i++) window[i] = (int8_t)permutation[window[i]];
  *x = op->operands[0];
  return true;
}

static Value *contraction(Builder *b, Opcode code, Value *x, Value *y, const Attr *given) {
  const Type *type;
  int count;
  const char *message =
      ir_infer(b->module, code, (Value *[]){x, y}, 2, given, NULL, 0, &type, &count);
  REQUIRE(!message, "%s", message);
  Attr attr = *given;
  int contract = attr.dot.contract_count, windows = attr.dot.window_count;
  absorb_transpose(&x, attr.dot.left_batch, attr.dot.batch_count, attr.dot.left_contract, contract,
                   attr.dot.left_window, windows);
  absorb_transpose(&y, attr.dot.right_batch, attr.dot.batch_count, attr.dot.right_contract,
                   contract, attr.dot.right_window, windows);
  // The order of the contracted pairs means nothing: ascending on the left.
  for (int i = 1; i < contract; i++)
    for (int k = i; k > 0 && attr.dot.left_contract[k - 1] > attr.dot.left_contract[k]; k--) {
      int8_t left = attr.dot.left_contract[k], right = attr.dot.right_contract[k];
      attr.dot.left_contract[k] = attr.dot.left_contract[k - 1];
      attr.dot.right_contract[k] = attr.dot.right_contract[k - 1];
      attr.dot.left_contract[k - 1] = left;
      attr.dot.right_contract[k - 1] = right;
    }
  return ir_value(b, code, (Value *[]){x, y}, 2, &attr);
}

Value *ir_dot(Builder *b, Value *x, Value *y, const Attr *attr) {
  return contraction(b, OP_DOT, x, y, attr);
}

Value *ir_conv(Builder *b, Value *x, Value *y, const Attr *attr) {
  return contraction(b, OP_CONV, x, y, attr);
}

Value *ir_matmul(Builder *b, Value *x, Value *y) {
  REQUIRE(x->type->rank && y->type->rank, "product of %s and %s", type_text(b->module, x->type),
          type_text(b->module, y->type));
  Attr attr = {.dot = {.contract_count = 1, .left_contract = {(int8_t)(x->type->rank - 1)}}};
  return ir_dot(b, x, y, &attr);
}

Value *ir_cholesky(Builder *b, Value *a) {
  return ir_unary(b, OP_CHOLESKY, a);
}

Value *ir_trisolve(Builder *b, Value *l, Value *rhs, bool transposed) {
  Attr attr = {.solve = {transposed}};
  return ir_value(b, OP_TRISOLVE, (Value *[]){l, rhs}, 2, &attr);
}

Value *ir_solve(Builder *b, Value *a, Value *rhs, bool transposed) {
  Attr attr = {.solve = {transposed}};
  return ir_value(b, OP_SOLVE, (Value *[]){a, rhs}, 2, &attr);
}

// --- data-dependent places -------------------------------------------------------------

static void set_axes(Attr *attr, int axis_count, const int8_t *axes) {
  REQUIRE(axis_count > 0 && axis_count <= MAX_RANK, "%d gathered axes", axis_count);
  attr->gather.axis_count = axis_count;
  memcpy(attr->gather.axes, axes, (size_t)axis_count);
}

Value *ir_gather(Builder *b, Value *table, int axis_count, const int8_t *axes,
                 Value *const *indices) {
  Attr attr = {0};
  Value *operands[1 + MAX_RANK] = {table};
  set_axes(&attr, axis_count, axes);
  memcpy(operands + 1, indices, (size_t)axis_count * sizeof *operands);
  return ir_value(b, OP_GATHER, operands, 1 + axis_count, &attr);
}

Value *ir_scatter_add(Builder *b, Value *base, Value *updates, int axis_count, const int8_t *axes,
                      Value *const *indices) {
  Attr attr = {0};
  Value *operands[2 + MAX_RANK] = {base, updates};
  set_axes(&attr, axis_count, axes);
  memcpy(operands + 2, indices, (size_t)axis_count * sizeof *operands);
  return ir_value(b, OP_SCATTER_ADD, operands, 2 + axis_count, &attr);
}

Value *ir_dynamic_slice(Builder *b, Value *x, const Type *type, Value *const *starts) {
  Attr attr = {.type = type};
  Value *operands[1 + MAX_RANK] = {x};
  int rank = x->type->rank;
  if (rank) memcpy(operands + 1, starts, (size_t)rank * sizeof *operands);
  return ir_value(b, OP_DYNAMIC_SLICE, operands, 1 + rank, &attr);
}

Value *ir_dynamic_update(Builder *b, Value *x, Value *u, Value *const *starts, bool accumulate) {
  Attr attr = {.update = {accumulate}};
  Value *operands[2 + MAX_RANK] = {x, u};
  int rank = x->type->rank;
  if (rank) memcpy(operands + 2, starts, (size_t)rank * sizeof *operands);
  return ir_value(b, OP_DYNAMIC_UPDATE, operands, 2 + rank, &attr);
}

// --- control ---------------------------------------------------------------------------

void ir_note(Builder *b, Value *condition, int code, const char *text) {
  double value;
  if (ir_is_splat(condition, &value) && value == 0) return;
  Attr attr = {.note = {.number = module_note(b->module, code, text, b->span)}};
  ir_op(b, OP_NOTE, &condition, 1, &attr, NULL, 0);
}

Op *ir_loop(Builder *b, Value *count, const Dim *bound, Value *const *carries, int carry_count,
            Value *const *stacked, int stacked_count, Block *body, Block *condition, bool reverse) {
  int operand_count = 1 + carry_count + stacked_count;
  Value **operands = ARENA_ARRAY(b->module->arena, Value *, (size_t)operand_count);
  operands[0] = count;
  for (int i = 0; i < carry_count; i++) operands[1 + i] = carries[i];
  for (int i = 0; i < stacked_count; i++) operands[1 + carry_count + i] = stacked[i];
  Attr attr = {.loop = {.bound = bound,
                        .carries = carry_count,
                        .stacked_in = stacked_count,
                        .stacked_out = (int)body->yields.count - carry_count,
                        .reverse = reverse}};
  return ir_op(b, OP_LOOP, operands, operand_count, &attr, (Block *[]){body, condition},
               condition ? 2 : 1);
}

Op *ir_if(Builder *b, Value *condition, Block *yes, Block *no) {
  return ir_op(b, OP_IF, &condition, 1, NULL, (Block *[]){yes, no}, 2);
}

Op *ir_custom(Builder *b, Value *const *operands, int count, Block *value, Block *tangent,
              Block *transposed) {
  Attr attr = {.custom = {(int)value->yields.count}};
  if (transposed && !tangent) tangent = block_create(b->module, b->block);
  return ir_op(b, OP_CUSTOM, operands, count, &attr, (Block *[]){value, tangent, transposed},
               transposed ? 3
               : tangent  ? 2
                          : 1);
}
