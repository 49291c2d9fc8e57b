// Transpose: a linear program walked backwards, cotangents instead of tangents.
//
// Enters: ops that are linear in some values, cotangents of their results. Leaves: further ops that
// add up the cotangents of the operands. Every rule adds into what an operand has so far, so gather
// and dynamic_slice update an accumulator in place of making a table of zeros and adding it.
#include "diff/diff_internal.h"
#include "ir/ir_internal.h"

static const char not_linear[] =
    "the tangent rule of this function is not linear in its tangents; give a transposed rule";

bool is_linear(const Transpose *t, const Value *v) {
  return marks_has(t->linear, v);
}

Value *cotangent_of(const Transpose *t, const Value *v) {
  return map_get(t->cotangents, v);
}

Value *cotangent_or_zero(Transpose *t, const Value *v) {
  Value *ct = cotangent_of(t, v);
  return ct ? ct : ir_zero(&t->b, v->type);
}

void cotangent_set(Transpose *t, Value *v, Value *cotangent) {
  map_put(t->cotangents, v, cotangent);
}

// --- masked cotangents --------------------------------------------------------------------------
//
// What a select did not choose has the cotangent select(c, ct, 0), zero there. Times an infinite
// factor that would be a NaN, so products go inside: select(c, ct * p, 0). This is the same value
// elsewhere and stays right under further derivatives.

typedef struct Masked {
  Value *condition, *inner;
  bool when; // the condition's value for which `inner` is chosen
} Masked;

static bool is_masked(const Value *v, Masked *m) {
  GuardedProduct product;
  double number;
  const Op *op = v->op;
  if (!op || op->code != OP_SELECT || is_guarded_product(op, &product)) return false;
  for (int k = 1; k <= 2; k++) {
    if (!ir_is_splat(op->operands[k], &number) || number != 0) continue;
    *m = (Masked){op->operands[0], op->operands[3 - k], k == 2};
    return true;
  }
  return false;
}

static Value *masked(Builder *b, const Masked *m, Value *inner) {
  Value *zero = ir_zero(b, inner->type);
  return m->when ? ir_select(b, m->condition, inner, zero)
                 : ir_select(b, m->condition, zero, inner);
}

typedef Value *Product(Builder *b, Value *ct, Value *p);

static Value *plain_product(Builder *b, Value *ct, Value *p) {
  return ir_binary(b, OP_MUL, ct, p);
}

static Value *plain_quotient(Builder *b, Value *ct, Value *p) {
  return ir_binary(b, OP_DIV, ct, p);
}

static Value *negative(Builder *b, Value *ct, Value *p) {
  (void)p;
  return ir_unary(b, OP_NEG, ct);
}

static Value *inside_mask(Builder *b, Product *product, Value *ct, Value *p) {
  Masked m;
  if (!is_masked(ct, &m)) return product(b, ct, p);
  return masked(b, &m, inside_mask(b, product, m.inner, p));
}

static Value *sum(Builder *b, Value *x, Value *y) {
  Masked m, n;
  if (is_masked(x, &m) && is_masked(y, &n) && m.condition == n.condition && m.when == n.when)
    return masked(b, &m, sum(b, m.inner, n.inner));
  return ir_binary(b, OP_ADD, x, y);
}

void cotangent_add(Transpose *t, Value *v, Value *cotangent) {
  if (!cotangent || !is_linear(t, v)) return;
  Value *present = cotangent_of(t, v);
  cotangent_set(t, v, present ? sum(&t->b, present, cotangent) : cotangent);
}

Value *coefficient(Transpose *t, Value *v) {
  Value *copy = map_get(t->copies, v);
  if (copy) return copy;
  Transpose *level = t;
  while (level && v->block != level->source) level = level->outer;
  if (!level || level->source == level->b.block) return v;
  Op *op = v->op;
  if (!op || is_linear(t, v)) {
    diff_fail(t->error, t->b.span, not_linear);
    return ir_zero(&level->b, v->type);
  }
  ValueList captures = {0};
  op_captures(t->arena, op, &captures);
  for (size_t i = 0; i < captures.count; i++) coefficient(level, captures.data[i]);
  for (int i = 0; i < op->operand_count; i++) coefficient(level, op->operands[i]);
  Value **results = ARENA_ARRAY(t->arena, Value *, (size_t)op->result_count);
  op_copy(&level->b, op, t->copies, results);
  for (int i = 0; i < op->result_count; i++) map_put(t->copies, op->results[i], results[i]);
  return map_get(t->copies, v);
}

// --- elementwise --------------------------------------------------------------------------------

static void transpose_NEG(Transpose *t, Op *op, Value *const *ct) {
  cotangent_add(t, op->operands[0], inside_mask(&t->b, negative, ct[0], NULL));
}

static void transpose_CONVERT(Transpose *t, Op *op, Value *const *ct) {
  Value *x = op->operands[0];
  cotangent_add(t, x, ir_convert(&t->b, ct[0], x->type->dtype));
}

static void transpose_ADD(Transpose *t, Op *op, Value *const *ct) {
  cotangent_add(t, op->operands[0], ct[0]);
  cotangent_add(t, op->operands[1], ct[0]);
}

static void transpose_SUB(Transpose *t, Op *op, Value *const *ct) {
  cotangent_add(t, op->operands[0], ct[0]);
  if (is_linear(t, op->operands[1]))
    cotangent_add(t, op->operands[1], inside_mask(&t->b, negative, ct[0], NULL));
}

static void transpose_MUL(Transpose *t, Op *op, Value *const *ct) {
  int k = is_linear(t, op->operands[0]) ? 0 : 1;
  Value *other = coefficient(t, op->operands[1 - k]);
  cotangent_add(t, op->operands[k], inside_mask(&t->b, plain_product, ct[0], other));
}

static void transpose_DIV(Transpose *t, Op *op, Value *const *ct) {
  Value *divisor = coefficient(t, op->operands[1]);
  cotangent_add(t, op->operands[0], inside_mask(&t->b, plain_quotient, ct[0], divisor));
}

static void transpose_SELECT(Transpose *t, Op *op, Value *const *ct) {
  GuardedProduct product;
  if (is_guarded_product(op, &product) && is_linear(t, product.t)) {
    Value *r = ct[0];
    if (product.p) r = inside_mask(&t->b, guarded_product, r, coefficient(t, product.p));
    if (product.negative) r = inside_mask(&t->b, negative, r, NULL);
    cotangent_add(t, product.t, r);
    return;
  }
  Value *condition = coefficient(t, op->operands[0]), *zero = ir_zero(&t->b, ct[0]->type);
  if (is_linear(t, op->operands[1]))
    cotangent_add(t, op->operands[1], ir_select(&t->b, condition, ct[0], zero));
  if (is_linear(t, op->operands[2]))
    cotangent_add(t, op->operands[2], ir_select(&t->b, condition, zero, ct[0]));
}

// --- index maps ---------------------------------------------------------------------------------

// The axes of a map that no input index depends on: along them the view repeats.
static uint32_t repeated_axes(const IndexMap *map) {
  uint32_t axes = 0;
  for (int k = 0; k < map->out_rank; k++) {
    bool used = false;
    for (int i = 0; i < map->in_rank; i++) used = used || map->matrix[i * map->out_rank + k] != 0;
    if (!used) axes |= 1u << k;
  }
  return axes;
}

// The transpose of a view: axes that repeat are summed, a permutation is a view again.
static Value *unview(Builder *b, Value *x, const Type *type, const IndexMap *map) {
  uint32_t repeated = repeated_axes(map);
  x = ir_reduce(b, OP_REDUCE_SUM, x, repeated);
  int rank = x->type->rank;
  int64_t *matrix = ARENA_ARRAY(b->module->arena, int64_t, (size_t)(rank * map->in_rank) + 1);
  for (int i = 0; i < map->in_rank; i++)
    for (int k = 0, kept = 0; k < map->out_rank; k++)
      if (!(repeated >> k & 1)) matrix[i * rank + kept++] = map->matrix[i * map->out_rank + k];
  IndexMap rest = {map->in_rank, rank, matrix, map->offset};
  int permutation[MAX_RANK], inverse[MAX_RANK];
  if (map_is_permutation(&rest, permutation)) {
    // Equal extents only: a view may read a part that starts at 0.
    bool whole = true;
    for (int k = 0; k < rank; k++) {
      inverse[permutation[k]] = k;
      whole = whole && type->shape[permutation[k]] == x->type->shape[k];
    }
    if (whole) return ir_transpose(b, x, inverse);
  }
  return ir_unview(b, x, type, rest);
}

static void transpose_VIEW(Transpose *t, Op *op, Value *const *ct) {
  Value *x = op->operands[0];
  cotangent_add(t, x, unview(&t->b, ct[0], x->type, &op->attr.map));
}

static void transpose_UNVIEW(Transpose *t, Op *op, Value *const *ct) {
  Value *x = op->operands[0];
  cotangent_add(t, x, ir_view(&t->b, ct[0], x->type, op->attr.map));
}

static void transpose_RESHAPE(Transpose *t, Op *op, Value *const *ct) {
  cotangent_add(t, op->operands[0], ir_reshape(&t->b, ct[0], op->operands[0]->type));
}

static void transpose_CONCAT(Transpose *t, Op *op, Value *const *ct) {
  int axis = op->attr.concat.axis;
  const Dim *start = dim_const(t->module->dims, 0);
  for (int i = 0; i < op->operand_count; i++) {
    const Dim *length = op->operands[i]->type->shape[axis];
    if (is_linear(t, op->operands[i]))
      cotangent_add(t, op->operands[i], ir_slice(&t->b, ct[0], axis, start, length, 1));
    start = dim_add(t->module->dims, start, length);
  }
}

// --- reductions ---------------------------------------------------------------------------------

static void transpose_REDUCE_SUM(Transpose *t, Op *op, Value *const *ct) {
  Value *x = op->operands[0];
  int axes[MAX_RANK], count = 0;
  for (int i = 0; i < x->type->rank; i++)
    if (!(op->attr.reduce.axes >> i & 1)) axes[count++] = i;
  cotangent_add(t, x, ir_broadcast(&t->b, ct[0], x->type, axes));
}

static void transpose_CUMSUM(Transpose *t, Op *op, Value *const *ct) {
  cotangent_add(
      t, op->operands[0],
      ir_cumsum(&t->b, ct[0], op->attr.scan.axis, !op->attr.scan.reverse, op->attr.scan.exclusive));
}

// --- contractions -------------------------------------------------------------------------------

static bool names_axis(const int8_t *axes, int count, int axis) {
  for (int i = 0; i < count; i++)
    if (axes[i] == axis) return true;
  return false;
}

static bool is_free_axis(const Op *op, int k, int axis) {
  const Attr *a = &op->attr;
  return !names_axis(k ? a->dot.right_batch : a->dot.left_batch, a->dot.batch_count, axis) &&
         !names_axis(k ? a->dot.right_contract : a->dot.left_contract, a->dot.contract_count,
                     axis) &&
         !names_axis(k ? a->dot.right_window : a->dot.left_window, a->dot.window_count, axis);
}

static int free_axis_count(const Op *op, int k) {
  int count = 0;
  for (int i = 0; i < op->operands[k]->type->rank; i++) count += is_free_axis(op, k, i);
  return count;
}

static void swap_sides(Attr *attr) {
  Attr old = *attr;
  for (int i = 0; i < MAX_RANK; i++) {
    attr->dot.left_batch[i] = old.dot.right_batch[i];
    attr->dot.right_batch[i] = old.dot.left_batch[i];
    attr->dot.left_contract[i] = old.dot.right_contract[i];
    attr->dot.right_contract[i] = old.dot.left_contract[i];
  }
  for (int i = 0; i < MAX_WINDOWS; i++) {
    attr->dot.left_window[i] = old.dot.right_window[i];
    attr->dot.right_window[i] = old.dot.left_window[i];
  }
}

// How the cotangent of operand k of a dot or conv comes from the result's cotangent (left) and the
// other operand (right): contracted over that one's free axes, window against window.
static Attr cotangent_attr(const Op *op, int k) {
  const Attr *a = &op->attr;
  const int8_t *other_batch = k ? a->dot.left_batch : a->dot.right_batch;
  int batch = a->dot.batch_count, windows = a->dot.window_count;
  int first_other = k ? batch : batch + free_axis_count(op, 0);
  int first_window = op->results[0]->type->rank - windows;
  Attr attr = {0};
  attr.dot.batch_count = batch;
  for (int i = 0; i < batch; i++) {
    attr.dot.left_batch[i] = (int8_t)i;
    attr.dot.right_batch[i] = other_batch[i];
  }
  for (int axis = 0; axis < op->operands[1 - k]->type->rank; axis++) {
    if (!is_free_axis(op, 1 - k, axis)) continue;
    attr.dot.left_contract[attr.dot.contract_count] =
        (int8_t)(first_other + attr.dot.contract_count);
    attr.dot.right_contract[attr.dot.contract_count++] = (int8_t)axis;
  }
  attr.dot.window_count = windows;
  for (int i = 0; i < windows; i++) {
    attr.dot.left_window[i] = (int8_t)(first_window + i);
    attr.dot.right_window[i] = k ? a->dot.left_window[i] : a->dot.right_window[i];
    attr.dot.stride[i] = attr.dot.dilation[i] = 1;
  }
  return attr;
}

// From the axes of such a product to those of operand k. `own_first`: its free axes come before
// what was contracted in op.
static Value *cotangent_order(Builder *b, const Op *op, int k, Value *product, bool own_first) {
  const Attr *a = &op->attr;
  const int8_t *batch = k ? a->dot.right_batch : a->dot.left_batch;
  const int8_t *contract = k ? a->dot.right_contract : a->dot.left_contract;
  const int8_t *other_contract = k ? a->dot.left_contract : a->dot.right_contract;
  const int8_t *window = k ? a->dot.right_window : a->dot.left_window;
  int permutation[MAX_RANK], at = 0, rank = op->operands[k]->type->rank;
  for (int i = 0; i < a->dot.batch_count; i++) permutation[batch[i]] = at++;
  int own = own_first ? at : at + a->dot.contract_count;
  int contracted = own_first ? at + free_axis_count(op, k) : at;
  for (int axis = 0; axis < rank; axis++)
    if (is_free_axis(op, k, axis)) permutation[axis] = own++;
  for (int axis = 0; axis < op->operands[1 - k]->type->rank; axis++)
    for (int i = 0; i < a->dot.contract_count; i++)
      if (other_contract[i] == axis) permutation[contract[i]] = contracted++;
  for (int i = 0; i < a->dot.window_count; i++)
    permutation[window[i]] = rank - a->dot.window_count + i;
  return ir_transpose(b, product, permutation);
}

static void transpose_DOT(Transpose *t, Op *op, Value *const *ct) {
  int k = is_linear(t, op->operands[0]) ? 0 : 1;
  Value *other = coefficient(t, op->operands[1 - k]);
  Attr attr = cotangent_attr(op, k);
  Value *product = ir_dot(&t->b, ct[0], other, &attr);
  cotangent_add(t, op->operands[k], cotangent_order(&t->b, op, k, product, true));
}

// --- convolutions -------------------------------------------------------------------------------
//
// y[o] = sum of x[s o + d k] f[k] along every pair of window axes. With s and d exchanged this is
// the gradient by f as it stands: f'[k] = sum of x[d k + s o] y'[o]. The gradient by x is
// x'[i] = sum of y'[o] f[k] over s o + d k = i: one of the two is spread out with zeros (unview)
// and surrounded by them, the other one is turned round and slides over it. The shorter one slides.

static int64_t *zero_matrix(Builder *b, int rank) {
  return ARENA_ARRAY(b->module->arena, int64_t, (size_t)(rank * rank) + 1);
}

// Entry e of window axis i goes to before + step e of an axis long enough that windows of `slide`
// places, `dilation` apart, have the extent `wanted` of places to be at.
static Value *spread_windows(Builder *b, Value *x, const int8_t *axes, const int64_t *steps,
                             const int64_t *dilations, const Dim *const *slides,
                             const Dim *const *wanted, int count) {
  DimTable *dims = b->module->dims;
  int rank = x->type->rank;
  int64_t *matrix = zero_matrix(b, rank);
  const Dim **offset = ARENA_ARRAY(b->module->arena, const Dim *, (size_t)rank + 1);
  const Dim *shape[MAX_RANK], *one = dim_const(dims, 1);
  for (int i = 0; i < rank; i++) {
    matrix[i * rank + i] = 1;
    offset[i] = dim_const(dims, 0);
    shape[i] = x->type->shape[i];
  }
  for (int i = 0; i < count; i++) {
    int axis = axes[i];
    matrix[axis * rank + axis] = steps[i];
    offset[axis] = dim_scale(dims, dim_sub(dims, slides[i], one), dilations[i]);
    shape[axis] = dim_add(dims, wanted[i], offset[axis]);
  }
  IndexMap map = {rank, rank, matrix, offset};
  return ir_unview(b, x, type_get(b->module, x->type->dtype, rank, shape), map);
}

static Value *turn_windows(Builder *b, Value *x, const int8_t *axes, int count) {
  for (int i = 0; i < count; i++) x = ir_flip(b, x, axes[i]);
  return x;
}

static Value *conv_cotangent_left(Builder *b, const Op *op, Value *ct, Value *filter) {
  const Attr *a = &op->attr;
  int windows = a->dot.window_count;
  Attr attr = cotangent_attr(op, 0);
  const Dim *wanted[MAX_WINDOWS], *slides[MAX_WINDOWS];
  bool filter_slides = !a->dot.wide;
  Value *fixed = filter_slides ? ct : filter, *moving = filter_slides ? filter : ct;
  if (!filter_slides) swap_sides(&attr);
  // The strides of the one that is spread, the dilations of the one that slides.
  const int64_t *steps = filter_slides ? a->dot.stride : a->dot.dilation;
  const int64_t *dilations = filter_slides ? a->dot.dilation : a->dot.stride;
  for (int i = 0; i < windows; i++) {
    wanted[i] = op->operands[0]->type->shape[a->dot.left_window[i]];
    slides[i] = moving->type->shape[attr.dot.right_window[i]];
    attr.dot.dilation[i] = dilations[i];
  }
  fixed = spread_windows(b, fixed, attr.dot.left_window, steps, dilations, slides, wanted, windows);
  moving = turn_windows(b, moving, attr.dot.right_window, windows);
  return cotangent_order(b, op, 0, ir_conv(b, fixed, moving, &attr), filter_slides);
}

static Value *conv_cotangent_right(Builder *b, const Op *op, Value *ct, Value *x) {
  const Attr *a = &op->attr;
  DimTable *dims = b->module->dims;
  const Dim *one = dim_const(dims, 1), *zero = dim_const(dims, 0);
  int first = op->results[0]->type->rank - a->dot.window_count;
  Attr attr = cotangent_attr(op, 1);
  swap_sides(&attr);
  for (int i = 0; i < a->dot.window_count; i++) {
    int64_t stride = a->dot.stride[i], dilation = a->dot.dilation[i];
    const Dim *places = op->results[0]->type->shape[first + i];
    const Dim *window = op->operands[1]->type->shape[a->dot.right_window[i]];
    // Only what some window reads, so that exactly `window` places result.
    const Dim *length = dim_add(dims, dim_scale(dims, dim_sub(dims, places, one), stride),
                                dim_scale(dims, dim_sub(dims, window, one), dilation));
    x = ir_slice(b, x, a->dot.left_window[i], zero, dim_add(dims, length, one), 1);
    attr.dot.stride[i] = dilation;
    attr.dot.dilation[i] = stride;
  }
  attr.dot.wide = !a->dot.wide;
  return cotangent_order(b, op, 1, ir_conv(b, x, ct, &attr), false);
}

static void transpose_CONV(Transpose *t, Op *op, Value *const *ct) {
  int k = is_linear(t, op->operands[0]) ? 0 : 1;
  Value *other = coefficient(t, op->operands[1 - k]);
  cotangent_add(t, op->operands[k],
                k ? conv_cotangent_right(&t->b, op, ct[0], other)
                  : conv_cotangent_left(&t->b, op, ct[0], other));
}

static void transpose_TRISOLVE(Transpose *t, Op *op, Value *const *ct) {
  Value *matrix = coefficient(t, op->operands[0]);
  cotangent_add(t, op->operands[1], ir_trisolve(&t->b, matrix, ct[0], !op->attr.solve.transposed));
}

static void transpose_SOLVE(Transpose *t, Op *op, Value *const *ct) {
  Value *matrix = coefficient(t, op->operands[0]);
  cotangent_add(t, op->operands[1], ir_solve(&t->b, matrix, ct[0], !op->attr.solve.transposed));
}

// --- data-dependent places ----------------------------------------------------------------------

static Value **places(Transpose *t, const Op *op, int first) {
  int count = op->operand_count - first;
  Value **values = ARENA_ARRAY(t->arena, Value *, (size_t)count + 1);
  for (int i = 0; i < count; i++) values[i] = coefficient(t, op->operands[first + i]);
  return values;
}

static void transpose_GATHER(Transpose *t, Op *op, Value *const *ct) {
  Value *table = op->operands[0], **index = places(t, op, 1);
  Value *sum = cotangent_or_zero(t, table);
  cotangent_set(
      t, table,
      ir_scatter_add(&t->b, sum, ct[0], op->attr.gather.axis_count, op->attr.gather.axes, index));
}

static void transpose_SCATTER_ADD(Transpose *t, Op *op, Value *const *ct) {
  Value *updates = op->operands[1];
  cotangent_add(t, op->operands[0], ct[0]);
  if (!is_linear(t, updates)) return;
  cotangent_add(
      t, updates,
      ir_gather(&t->b, ct[0], op->attr.gather.axis_count, op->attr.gather.axes, places(t, op, 2)));
}

static void transpose_DYNAMIC_SLICE(Transpose *t, Op *op, Value *const *ct) {
  Value *x = op->operands[0], **starts = places(t, op, 1);
  Value *sum = cotangent_or_zero(t, x);
  cotangent_set(t, x, ir_dynamic_update(&t->b, sum, ct[0], starts, true));
}

static void transpose_DYNAMIC_UPDATE(Transpose *t, Op *op, Value *const *ct) {
  Value *x = op->operands[0], *u = op->operands[1], **starts = places(t, op, 2);
  if (is_linear(t, u)) cotangent_add(t, u, ir_dynamic_slice(&t->b, ct[0], u->type, starts));
  if (!is_linear(t, x)) return;
  Value *kept = ct[0];
  if (!op->attr.update.accumulate)
    kept = ir_dynamic_update(&t->b, kept, ir_zero(&t->b, u->type), starts, false);
  cotangent_add(t, x, kept);
}

// --- the walk -----------------------------------------------------------------------------------

static TransposeRule *const rules[OP_COUNT] = {
#define OP_MULTILINEAR(CODE, ...)          [OP_##CODE] = transpose_##CODE,
#define OP_LINEAR(MASK, CODE, ...)         [OP_##CODE] = transpose_##CODE,
#define OP_TANGENT_LINEAR(MASK, CODE, ...) [OP_##CODE] = transpose_##CODE,
#include "ir/ops.def"
};

// More linear operands than the op is jointly linear in: a product of tangents, or a nonlinear op.
static bool linear_as_given(const Transpose *t, const Op *op) {
  const OpInfo *info = &op_table[op->code];
  int linear = 0;
  for (int i = 0; i < op->operand_count; i++) {
    if (!is_linear(t, op->operands[i])) continue;
    linear++;
    bool allowed = info->linear_mask < 0 || (i < 31 && info->linear_mask >> i & 1);
    if (info->derivative != DERIVATIVE_MULTILINEAR && !allowed) return false;
  }
  return info->derivative != DERIVATIVE_MULTILINEAR || linear == 1;
}

static bool check_linear(Transpose *t, const Op *op) {
  GuardedProduct product;
  if (is_guarded_product(op, &product) && is_linear(t, product.t)) return true;
  if (rules[op->code] && linear_as_given(t, op)) return true;
  diff_fail(t->error, op->span, not_linear);
  return false;
}

static void transpose_op(Transpose *t, Op *op) {
  Value **ct = ARENA_ARRAY(t->arena, Value *, (size_t)op->result_count + 1);
  bool any = false, linear = false;
  for (int i = 0; i < op->result_count; i++) {
    linear = linear || is_linear(t, op->results[i]);
    ct[i] = is_linear(t, op->results[i]) ? cotangent_of(t, op->results[i]) : NULL;
    any = any || ct[i];
  }
  if (!linear || !any || !check_linear(t, op)) return;
  Span span = t->b.span;
  t->b.span = op->span;
  rules[op->code](t, op, ct);
  t->b.span = span;
}

void transpose_ops(Transpose *t, Op *last, const Op *stop) {
  for (Op *op = last; op && op != stop; op = op->previous) transpose_op(t, op);
}
