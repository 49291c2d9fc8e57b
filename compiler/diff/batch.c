// Batching: a block evaluated for all rows of its batched parameters at once.
//
// Enters: a block, values with a leading axis for some parameters. Leaves: ops whose results have
// that axis where they depend on the row; the rest is computed once. A draw inside the block is one
// larger draw: row r uses the counters behind row r - 1's. Rows that a branch or loop leaves out
// still compute something, so places and matrices that could fail are made harmless for them.
#include "diff/batch_internal.h"
#include "ir/ir_internal.h"

bool is_row(const Batch *t, const Value *v) {
  return map_get(t->rows, v) != NULL;
}

Value *image(const Batch *t, Value *v) {
  Value *other = map_get(t->values, v);
  return other ? other : v;
}

const Type *lead_type(const Batch *t, const Type *type) {
  return type_with_leading(t->module, type, t->extent);
}

Value *lead_value(Batch *t, Value *x, bool row) {
  return row ? x : ir_broadcast_suffix(&t->b, x, lead_type(t, x->type));
}

Value *lead(Batch *t, Value *v) {
  return lead_value(t, image(t, v), is_row(t, v));
}

void bind(Batch *t, Value *v, Value *x, bool row) {
  map_put(t->values, v, x);
  map_put(t->rows, v, row ? v : NULL);
}

static void bind_row(Batch *t, Op *op, Value *x) {
  bind(t, op->results[0], x, true);
}

Value *mask_like(Batch *t, Value *mask, const Type *type) {
  const int axes[1] = {0};
  return ir_broadcast(&t->b, mask, type_with_dtype(t->module, type, DT_BOOL), axes);
}

Value *move_axis(Builder *b, Value *x, int from, int to) {
  int permutation[MAX_RANK], rank = x->type->rank, at = 0;
  for (int i = 0; i < rank; i++) {
    if (at == from) at++;
    permutation[i] = i == to ? from : at++;
  }
  return ir_transpose(b, x, permutation);
}

static Value **lead_operands(Batch *t, const Op *op) {
  Value **operands = ARENA_ARRAY(t->arena, Value *, (size_t)op->operand_count + 1);
  for (int i = 0; i < op->operand_count; i++) operands[i] = lead(t, op->operands[i]);
  return operands;
}

// All operands with the leading axis, other attributes.
static void batch_same(Batch *t, Op *op, Attr attr) {
  if (attr.type) attr.type = lead_type(t, attr.type);
  bind_row(t, op, ir_value(&t->b, op->code, lead_operands(t, op), op->operand_count, &attr));
}

static void batch_elementwise(Batch *t, Op *op) {
  GuardedProduct product;
  if (!is_guarded_product(op, &product)) {
    batch_same(t, op, op->attr);
    return;
  }
  // Made anew, so that it is recognised again when its factors are repeated differently.
  Value *r = lead(t, product.t);
  if (product.p) r = guarded_product(&t->b, r, lead(t, product.p));
  bind_row(t, op, product.negative ? ir_unary(&t->b, OP_NEG, r) : r);
}

// --- sources ------------------------------------------------------------------------------------

static void batch_never(Batch *t, Op *op) {
  (void)t;
  BUG("'%s' cannot depend on a row", op_table[op->code].text);
}

// Row r of an op with n entries draws with counters base + r n + e; a key per row needs no offset.
static void batch_RANDOM(Batch *t, Op *op) {
  Builder *b = &t->b;
  RandomKind kind = op->attr.random.kind;
  const Type *type = lead_type(t, op->attr.type);
  bool any_row = false, scalars = true;
  for (int i = 0; i < op->operand_count; i++) {
    any_row = any_row || is_row(t, op->operands[i]);
    scalars = scalars && op->operands[i]->type->rank == 0;
  }
  Value *operands[3];
  for (int i = 0; i < op->operand_count; i++)
    operands[i] = any_row || !scalars ? lead(t, op->operands[i]) : image(t, op->operands[i]);
  if (!any_row && !scalars && kind != RANDOM_FOLD) {
    Value *base = operands[1];
    Value *entries = ir_dim(b, type_entries(t->module, op->attr.type));
    Value *offset = ir_binary(b, OP_MUL, ir_iota(b, base->type, 0),
                              ir_broadcast_suffix(b, entries, base->type));
    operands[1] = ir_binary(b, OP_ADD, base, offset);
  }
  int rows = op->attr.random.rows;
  bind_row(t, op,
           ir_random_rows(b, kind, type, operands, op->operand_count, rows > 1 ? rows - 1 : rows));
}

// --- index maps and reductions ------------------------------------------------------------------

static void batch_map(Batch *t, Op *op) {
  const IndexMap *map = &op->attr.map;
  int in = map->in_rank + 1, out = map->out_rank + 1;
  int64_t *matrix = ARENA_ARRAY(t->arena, int64_t, (size_t)(in * out));
  const Dim **offset = ARENA_ARRAY(t->arena, const Dim *, (size_t)in);
  matrix[0] = 1;
  offset[0] = dim_const(t->module->dims, 0);
  for (int i = 1; i < in; i++) {
    offset[i] = map->offset[i - 1];
    for (int k = 1; k < out; k++)
      matrix[i * out + k] = map->matrix[(i - 1) * map->out_rank + k - 1];
  }
  Attr attr = {.map = {in, out, matrix, offset}, .type = op->attr.type};
  batch_same(t, op, attr);
}

static void batch_RESHAPE(Batch *t, Op *op) {
  batch_same(t, op, op->attr);
}

static void batch_CONCAT(Batch *t, Op *op) {
  Attr attr = op->attr;
  attr.concat.axis++;
  batch_same(t, op, attr);
}

static void batch_reduce(Batch *t, Op *op) {
  Attr attr = op->attr;
  attr.reduce.axes <<= 1;
  batch_same(t, op, attr);
}

static void batch_scan(Batch *t, Op *op) {
  Attr attr = op->attr;
  attr.scan.axis++;
  batch_same(t, op, attr);
}

// --- contractions -------------------------------------------------------------------------------

static void shift(int8_t *axes, int count) {
  for (int i = 0; i < count; i++) axes[i]++;
}

// One side without rows keeps its axes; the row axis is then a free axis of the other.
static void batch_CONV(Batch *t, Op *op) {
  Value *x = op->operands[0], *y = op->operands[1];
  bool left = is_row(t, x), right = is_row(t, y);
  Attr attr = op->attr;
  int batch = attr.dot.batch_count, contract = attr.dot.contract_count;
  int windows = attr.dot.window_count, left_free = x->type->rank - batch - contract - windows;
  if (left) {
    shift(attr.dot.left_batch, batch);
    shift(attr.dot.left_contract, contract);
    shift(attr.dot.left_window, windows);
  }
  if (right) {
    shift(attr.dot.right_batch, batch);
    shift(attr.dot.right_contract, contract);
    shift(attr.dot.right_window, windows);
  }
  if (left && right) {
    for (int i = batch; i > 0; i--) {
      attr.dot.left_batch[i] = attr.dot.left_batch[i - 1];
      attr.dot.right_batch[i] = attr.dot.right_batch[i - 1];
    }
    attr.dot.left_batch[0] = attr.dot.right_batch[0] = 0;
    attr.dot.batch_count++;
  }
  Value *(*make)(Builder *, Value *, Value *, const Attr *) = op->code == OP_DOT ? ir_dot : ir_conv;
  Value *r = make(&t->b, image(t, x), image(t, y), &attr);
  if (!(left && right)) r = move_axis(&t->b, r, left ? batch : batch + left_free, 0);
  bind_row(t, op, r);
}

// Identity matrices for rows that do not run.
static Value *harmless_matrix(Batch *t, Value *matrix) {
  if (!t->mask) return matrix;
  Builder *b = &t->b;
  const Type *type = matrix->type, *index = type_with_dtype(t->module, type, DT_I64);
  Value *diagonal = ir_compare(b, COMPARE_EQ, ir_iota(b, index, type->rank - 2),
                               ir_iota(b, index, type->rank - 1));
  Value *identity = ir_convert(b, diagonal, type->dtype);
  return ir_select(b, mask_like(t, t->mask, type), matrix, identity);
}

static void batch_CHOLESKY(Batch *t, Op *op) {
  bind_row(t, op, ir_cholesky(&t->b, harmless_matrix(t, lead(t, op->operands[0]))));
}

static void batch_solver(Batch *t, Op *op) {
  Builder *b = &t->b;
  Value *matrix = op->operands[0], *right = op->operands[1];
  if (is_row(t, matrix)) {
    Value *operands[2] = {harmless_matrix(t, lead(t, matrix)), lead(t, right)};
    bind_row(t, op, ir_value(b, op->code, operands, 2, &op->attr));
    return;
  }
  // One matrix for all rows: their right sides are further columns, [.., n, rows * k].
  Value *x = image(t, right);
  int rank = x->type->rank;
  x = move_axis(b, x, 0, rank - 2);
  const Type *apart = x->type;
  const Dim *shape[MAX_RANK];
  for (int i = 0; i < rank - 2; i++) shape[i] = apart->shape[i];
  shape[rank - 2] = dim_mul(t->module->dims, apart->shape[rank - 2], apart->shape[rank - 1]);
  x = ir_reshape(b, x, type_get(t->module, apart->dtype, rank - 1, shape));
  Value *operands[2] = {image(t, matrix), x};
  x = ir_reshape(b, ir_value(b, op->code, operands, 2, &op->attr), apart);
  bind_row(t, op, move_axis(b, x, rank - 2, 0));
}

// --- data-dependent places ----------------------------------------------------------------------

static Value *masked_place(Batch *t, Value *place) {
  if (!t->mask) return place;
  return ir_select(&t->b, mask_like(t, t->mask, place->type), place, ir_zero(&t->b, place->type));
}

static bool any_row(const Batch *t, const Op *op, int first) {
  for (int i = first; i < op->operand_count; i++)
    if (is_row(t, op->operands[i])) return true;
  return false;
}

// The row number as an index beside others of type `type`.
static Value *row_index(Batch *t, const Type *type) {
  return ir_iota(&t->b, type, 0);
}

// Index operands from `first` on with rows; `with_row` puts the row number in front.
static int row_places(Batch *t, const Op *op, int first, bool with_row, Value **index) {
  int count = 0;
  if (with_row) index[count++] = row_index(t, lead_type(t, op->operands[first]->type));
  for (int i = first; i < op->operand_count; i++)
    index[count++] = masked_place(t, lead(t, op->operands[i]));
  return count;
}

static int shifted_axes(const Op *op, bool with_row, int8_t *axes) {
  int count = 0;
  if (with_row) axes[count++] = 0;
  for (int i = 0; i < op->attr.gather.axis_count; i++)
    axes[count++] = (int8_t)(op->attr.gather.axes[i] + 1);
  return count;
}

static void batch_GATHER(Batch *t, Op *op) {
  Builder *b = &t->b;
  Value *table = op->operands[0], *index[MAX_RANK + 1];
  int8_t axes[MAX_RANK + 1];
  bool places = any_row(t, op, 1);
  if (!is_row(t, table)) {
    row_places(t, op, 1, false, index);
    bind_row(
        t, op,
        ir_gather(b, image(t, table), op->attr.gather.axis_count, op->attr.gather.axes, index));
  } else if (places) {
    row_places(t, op, 1, true, index);
    bind_row(t, op, ir_gather(b, image(t, table), shifted_axes(op, true, axes), axes, index));
  } else {
    int count = shifted_axes(op, false, axes);
    for (int i = 0; i < count; i++) index[i] = image(t, op->operands[i + 1]);
    Value *r = ir_gather(b, image(t, table), count, axes, index);
    bind_row(t, op, move_axis(b, r, op->operands[1]->type->rank, 0));
  }
}

static void batch_SCATTER_ADD(Batch *t, Op *op) {
  Builder *b = &t->b;
  Value *base = lead(t, op->operands[0]), *updates = lead(t, op->operands[1]);
  Value *index[MAX_RANK + 1];
  int8_t axes[MAX_RANK + 1];
  if (any_row(t, op, 2)) {
    row_places(t, op, 2, true, index);
    bind_row(t, op, ir_scatter_add(b, base, updates, shifted_axes(op, true, axes), axes, index));
    return;
  }
  int count = shifted_axes(op, false, axes);
  for (int i = 0; i < count; i++) index[i] = image(t, op->operands[i + 2]);
  updates = move_axis(b, updates, 0, op->operands[2]->type->rank);
  bind_row(t, op, ir_scatter_add(b, base, updates, count, axes, index));
}

// Starts with a zero for the row axis.
static Value **same_starts(Batch *t, const Op *op, int first) {
  int count = op->operand_count - first;
  Value **starts = ARENA_ARRAY(t->arena, Value *, (size_t)count + 1);
  starts[0] = ir_zero(&t->b, type_scalar(t->module, DT_I64));
  for (int i = 0; i < count; i++) starts[i + 1] = image(t, op->operands[first + i]);
  return starts;
}

// Starts as the op takes them: the nearest at which the slice lies inside.
static Value *clamped_start(Batch *t, Value *start, const Dim *extent, const Dim *length) {
  Builder *b = &t->b;
  Value *last = ir_dim(b, dim_sub(t->module->dims, extent, length));
  start = ir_binary(b, OP_MIN, start, ir_broadcast_suffix(b, last, start->type));
  return ir_binary(b, OP_MAX, start, ir_zero(b, start->type));
}

// start + iota along one axis of [rows, slice..].
static Value *slice_index(Batch *t, Value *start, const Dim *extent, const Type *slice, int axis) {
  Builder *b = &t->b;
  const Type *index = type_with_dtype(t->module, lead_type(t, slice), DT_I64);
  start = clamped_start(t, start, extent, slice->shape[axis]);
  const int axes[1] = {0};
  return ir_binary(b, OP_ADD, ir_broadcast(b, start, index, axes), ir_iota(b, index, axis + 1));
}

static void batch_DYNAMIC_SLICE(Batch *t, Op *op) {
  Builder *b = &t->b;
  Value *x = op->operands[0], *index[MAX_RANK + 1];
  const Type *slice = op->attr.type;
  if (!any_row(t, op, 1)) {
    bind_row(t, op, ir_dynamic_slice(b, image(t, x), lead_type(t, slice), same_starts(t, op, 1)));
    return;
  }
  int8_t axes[MAX_RANK + 1];
  int count = 0;
  bool row = is_row(t, x);
  if (row) {
    index[0] = ir_iota(b, type_with_dtype(t->module, lead_type(t, slice), DT_I64), 0);
    axes[count++] = 0;
  }
  for (int i = 0; i < slice->rank; i++) {
    axes[count] = (int8_t)(row ? i + 1 : i);
    index[count++] = slice_index(t, lead(t, op->operands[i + 1]), x->type->shape[i], slice, i);
  }
  bind_row(t, op, ir_gather(b, image(t, x), count, axes, index));
}

// A loop over the rows, for what has no form with a leading axis.
static void batch_by_rows(Batch *t, Op *op) {
  Builder *b = &t->b;
  Block *body = block_create(t->module, b->block);
  Builder inside = builder_at(body);
  Value **stacked = ARENA_ARRAY(t->arena, Value *, (size_t)op->operand_count);
  Value **operands = ARENA_ARRAY(t->arena, Value *, (size_t)op->operand_count);
  int count = 0;
  block_add_param(body, type_scalar(t->module, DT_I64), NULL);
  for (int i = 0; i < op->operand_count; i++) {
    operands[i] = image(t, op->operands[i]);
    if (!is_row(t, op->operands[i])) continue;
    stacked[count++] = operands[i];
    operands[i] = block_add_param(body, op->operands[i]->type, NULL);
  }
  Value *r = ir_value(&inside, op->code, operands, op->operand_count, &op->attr);
  VEC_PUSH(t->module->arena, &body->yields, r);
  bind_row(t, op,
           ir_loop(b, ir_dim(b, t->extent), t->extent, NULL, 0, stacked, count, body, NULL, false)
               ->results[0]);
}

// The entries of x where the part goes, cleared.
static Value *cleared_for_part(Batch *t, const Op *op, Value *x) {
  Builder *b = &t->b;
  const Type *part = op->operands[1]->type, *whole = op->operands[0]->type;
  const Type *index = type_with_dtype(t->module, x->type, DT_I64);
  const int axes[1] = {0};
  Value *inside = NULL;
  for (int i = 0; i < whole->rank; i++) {
    Value *start = clamped_start(t, lead(t, op->operands[i + 2]), whole->shape[i], part->shape[i]);
    Value *within =
        ir_binary(b, OP_SUB, ir_iota(b, index, i + 1), ir_broadcast(b, start, index, axes));
    Value *length = ir_broadcast_suffix(b, ir_dim(b, part->shape[i]), index);
    Value *here = ir_binary(b, OP_AND, ir_compare(b, COMPARE_GE, within, ir_zero(b, index)),
                            ir_compare(b, COMPARE_LT, within, length));
    inside = inside ? ir_binary(b, OP_AND, inside, here) : here;
  }
  return inside ? ir_select(b, inside, ir_zero(b, x->type), x) : ir_zero(b, x->type);
}

// The op checks its starts; what it becomes is told where to go, so the check stands by itself.
static void note_starts(Batch *t, const Op *op) {
  Builder *b = &t->b;
  DimTable *dims = t->module->dims;
  for (int i = 0; i + 2 < op->operand_count; i++) {
    Value *start = lead(t, op->operands[i + 2]);
    const Dim *last =
        dim_sub(dims, op->operands[0]->type->shape[i], op->operands[1]->type->shape[i]);
    const Dim *spare = dim_add(dims, dim_sub(dims, last, t->extent), dim_const(dims, 1));
    bool counts = start->op && start->op->code == OP_IOTA; // 0 .. extent - 1
    double known;
    if (counts && dim_provably_nonnegative(dims, spare)) continue;
    if (ir_is_splat(start, &known) && known == 0) continue;
    Value *above =
        ir_compare(b, COMPARE_GT, start, ir_broadcast_suffix(b, ir_dim(b, last), start->type));
    Value *wrong =
        ir_binary(b, OP_OR, above, ir_compare(b, COMPARE_LT, start, ir_zero(b, start->type)));
    if (t->mask) wrong = ir_binary(b, OP_AND, wrong, mask_like(t, t->mask, wrong->type));
    Attr attr = {.note = {op_check_note(t->module, op)}};
    ir_op(b, OP_NOTE, &wrong, 1, &attr, NULL, 0);
  }
}

// Rows of their own starts: the parts are added at their places, to x or to zeros there.
static void batch_DYNAMIC_UPDATE(Batch *t, Op *op) {
  Builder *b = &t->b;
  Value *x = lead(t, op->operands[0]), *u = lead(t, op->operands[1]);
  if (!any_row(t, op, 2)) {
    bind_row(t, op, ir_dynamic_update(b, x, u, same_starts(t, op, 2), op->attr.update.accumulate));
    return;
  }
  const Type *part = op->operands[1]->type;
  if (part->dtype == DT_BOOL) {
    batch_by_rows(t, op);
    return;
  }
  note_starts(t, op);
  Value *index[MAX_RANK + 1];
  int8_t axes[MAX_RANK + 1];
  index[0] = ir_iota(b, type_with_dtype(t->module, u->type, DT_I64), 0);
  axes[0] = 0;
  for (int i = 0; i < part->rank; i++) {
    axes[i + 1] = (int8_t)(i + 1);
    index[i + 1] =
        slice_index(t, lead(t, op->operands[i + 2]), op->operands[0]->type->shape[i], part, i);
  }
  Value *base = op->attr.update.accumulate ? x : cleared_for_part(t, op, x);
  bind_row(t, op, ir_scatter_add(b, base, u, part->rank + 1, axes, index));
}

// Notes of rows that do not run are silent.
static void batch_NOTE(Batch *t, Op *op) {
  Value *condition = lead(t, op->operands[0]);
  if (t->mask)
    condition = ir_binary(&t->b, OP_AND, condition, mask_like(t, t->mask, condition->type));
  if (!module_note_counts(t->module, op->attr.note.number)) {
    ir_op(&t->b, OP_NOTE, &condition, 1, &op->attr, NULL, 0);
    return;
  }
  // What is counted is counted for every row, unless all rows share it.
  if (!t->mask) {
    Attr attr = op->attr;
    DimTable *dims = t->module->dims;
    attr.note.times = attr.note.times ? dim_mul(dims, attr.note.times, t->extent) : t->extent;
    Value **operands = ARENA_ARRAY(t->arena, Value *, (size_t)op->operand_count + 1);
    for (int i = 0; i < op->operand_count; i++) operands[i] = image(t, op->operands[i]);
    ir_op(&t->b, OP_NOTE, operands, op->operand_count, &attr, NULL, 0);
    return;
  }
  Block *body = block_create(t->module, t->b.block);
  block_add_param(body, type_scalar(t->module, DT_I64), NULL);
  Value *row = block_add_param(body, type_scalar(t->module, DT_BOOL), NULL);
  Builder inside = builder_at(body);
  ir_op(&inside, OP_NOTE, &row, 1, &op->attr, NULL, 0);
  ir_loop(&t->b, ir_dim(&t->b, t->extent), t->extent, NULL, 0, &condition, 1, body, NULL, false);
}

// --- the table ----------------------------------------------------------------------------------

#define batch_CONST       batch_never
#define batch_IOTA        batch_never
#define batch_DIM         batch_never
#define batch_NEG         batch_elementwise
#define batch_ABS         batch_elementwise
#define batch_SIGN        batch_elementwise
#define batch_FLOOR       batch_elementwise
#define batch_EXP         batch_elementwise
#define batch_EXPM1       batch_elementwise
#define batch_LOG         batch_elementwise
#define batch_LOG1P       batch_elementwise
#define batch_SQRT        batch_elementwise
#define batch_RSQRT       batch_elementwise
#define batch_SIN         batch_elementwise
#define batch_COS         batch_elementwise
#define batch_TANH        batch_elementwise
#define batch_LOGISTIC    batch_elementwise
#define batch_SOFTPLUS    batch_elementwise
#define batch_ERF         batch_elementwise
#define batch_ERFC        batch_elementwise
#define batch_ERFINV      batch_elementwise
#define batch_LGAMMA      batch_elementwise
#define batch_ATAN2       batch_elementwise
#define batch_POLYGAMMA   batch_elementwise
#define batch_NOT         batch_elementwise
#define batch_ISFINITE    batch_elementwise
#define batch_CONVERT     batch_elementwise
#define batch_STOP        batch_elementwise
#define batch_ADD         batch_elementwise
#define batch_SUB         batch_elementwise
#define batch_MUL         batch_elementwise
#define batch_DIV         batch_elementwise
#define batch_POW         batch_elementwise
#define batch_MAX         batch_elementwise
#define batch_MIN         batch_elementwise
#define batch_MOD         batch_elementwise
#define batch_AND         batch_elementwise
#define batch_OR          batch_elementwise
#define batch_COMPARE     batch_elementwise
#define batch_SELECT      batch_elementwise
#define batch_VIEW        batch_map
#define batch_UNVIEW      batch_map
#define batch_REDUCE_SUM  batch_reduce
#define batch_REDUCE_MAX  batch_reduce
#define batch_REDUCE_PROD batch_reduce
#define batch_ARGMAX      batch_scan
#define batch_CUMSUM      batch_scan
#define batch_ARGSORT     batch_scan
#define batch_DOT         batch_CONV
#define batch_TRISOLVE    batch_solver
#define batch_SOLVE       batch_solver

static BatchRule *const rules[OP_COUNT] = {
#define OP_NODIFF(CODE, ...)               [OP_##CODE] = batch_##CODE,
#define OP_PARTIALS(CODE, ...)             [OP_##CODE] = batch_##CODE,
#define OP_MULTILINEAR(CODE, ...)          [OP_##CODE] = batch_##CODE,
#define OP_LINEAR(MASK, CODE, ...)         [OP_##CODE] = batch_##CODE,
#define OP_TANGENT(CODE, ...)              [OP_##CODE] = batch_##CODE,
#define OP_TANGENT_LINEAR(MASK, CODE, ...) [OP_##CODE] = batch_##CODE,
#include "ir/ops.def"
};

// --- the walk -----------------------------------------------------------------------------------

static bool draws(const Op *op) {
  if (op->code == OP_RANDOM)
    return op->attr.random.kind != RANDOM_FOLD && op->attr.random.rows != 1;
  for (int i = 0; i < op->region_count; i++)
    for (const Op *inner = op->regions[i]->first; inner; inner = inner->next)
      if (draws(inner)) return true;
  return false;
}

// What is counted is counted for every row, unless the note says what decides it.
static bool counts(const Batch *t, const Op *op) {
  if (op->code == OP_NOTE)
    return op->operand_count == 1 && module_note_counts(t->module, op->attr.note.number);
  for (int i = 0; i < op->region_count; i++)
    for (const Op *inner = op->regions[i]->first; inner; inner = inner->next)
      if (counts(t, inner)) return true;
  return false;
}

static bool depends_on_row(const Batch *t, const Op *op) {
  if (any_row(t, op, 0) || draws(op) || counts(t, op) || (t->mask && op_has_note(op))) return true;
  ValueList captures = {0};
  op_captures(t->arena, op, &captures);
  for (size_t i = 0; i < captures.count; i++)
    if (is_row(t, captures.data[i])) return true;
  return false;
}

static void batch_op(Batch *t, Op *op) {
  Span span = t->b.span;
  t->b.span = op->span;
  if (depends_on_row(t, op)) {
    rules[op->code](t, op);
  } else {
    Value **results = ARENA_ARRAY(t->arena, Value *, (size_t)op->result_count + 1);
    op_copy(&t->b, op, t->values, results);
    for (int i = 0; i < op->result_count; i++) bind(t, op->results[i], results[i], false);
  }
  t->b.span = span;
}

void batch_ops(Batch *t, Block *block, const Map *needed) {
  const Op *last = block->last;
  for (Op *op = block->first; op; op = op == last ? NULL : op->next)
    if (!needed || map_has(needed, op)) batch_op(t, op);
}

// Ops of the block that the outputs or a note need, as wholes.
static Map *needed_ops(Arena *arena, Block *block, Value *const *outputs, int count) {
  Map *ops = map_create(arena), *values = map_create(arena);
  for (int i = 0; i < count; i++) map_put(values, outputs[i], outputs[i]);
  for (Op *op = block->last; op; op = op->previous) {
    bool needed = op_has_note(op);
    for (int i = 0; i < op->result_count; i++) needed = needed || map_has(values, op->results[i]);
    if (!needed) continue;
    map_put(ops, op, op);
    ValueList uses = {0};
    op_captures(arena, op, &uses);
    for (int i = 0; i < op->operand_count; i++) VEC_PUSH(arena, &uses, op->operands[i]);
    for (size_t i = 0; i < uses.count; i++) map_put(values, uses.data[i], uses.data[i]);
  }
  return ops;
}

void diff_batch(Builder *b, Block *block, const Dim *extent, Value *const *batched,
                Value *const *unbatched, Value *const *outputs, int output_count, Value **results) {
  Arena *arena = arena_create();
  Batch t = {.module = b->module,
             .arena = arena,
             .b = *b,
             .extent = extent,
             .values = map_create(arena),
             .rows = map_create(arena)};
  for (size_t i = 0; i < block->params.count; i++)
    bind(&t, block->params.data[i], batched[i] ? batched[i] : unbatched[i], batched[i] != NULL);
  batch_ops(&t, block, needed_ops(arena, block, outputs, output_count));
  for (int i = 0; i < output_count; i++) results[i] = lead(&t, outputs[i]);
  arena_destroy(arena);
}
