// Contractions as loops.
//
// The axes of the space are those of the result (batch, left free, right free) and then the
// contracted ones. Four forms, chosen by strides alone so that the order of a sum never depends on
// extents:
//   lanes contracted   X w: for (rows by four) for (lanes k) four sums
//   columns            X W: for (rows by four) for (lanes j) for (k) four sums of lanes
//   streamed           X'r: for (k by four) for (lanes) target += four products
//   streamed columns   X'R: for (k by KBLOCK) for (rows by four) for (lanes j) for (k) target +=
//   four sums
// The streamed forms read an operand that is walked across its rows once, front to back.
//
// A conv is a dot whose left operand has for each window an index of two axes of the space: the
// result's and, contracted, the filter's. It takes the first two forms: lanes along the last window
// of the result and rows of output channels, or lanes along the summed windows where those are
// long.
#include "loop/lower_internal.h"

enum { KBLOCK = 32 }; // rows of the operands per pass of the streamed columns

typedef struct Dot {
  Nest *nest;
  const Item *item;
  Space space;
  int result_rank, left_free, right_free; // first axes; batch axes are before left_free
  int vector, block;
  int across; // contracted axis of the streamed forms, -1 in the others
  bool add;   // to a cleared target
} Dot;

// Axis of the space for each axis of an operand.
static void operand_axes(const Op *op, bool left, int *axes) {
  const Attr *attr = &op->attr;
  const Type *type = op->operands[left ? 0 : 1]->type;
  const int8_t *batch = left ? attr->dot.left_batch : attr->dot.right_batch;
  const int8_t *contract = left ? attr->dot.left_contract : attr->dot.right_contract;
  int free_axis = attr->dot.batch_count;
  if (!left)
    free_axis = op->operands[0]->type->rank - attr->dot.contract_count - attr->dot.window_count;
  for (int i = 0; i < type->rank; i++) axes[i] = -1;
  for (int i = 0; i < attr->dot.batch_count; i++) axes[batch[i]] = i;
  int result_rank = op->results[0]->type->rank, windows = attr->dot.window_count;
  for (int i = 0; i < attr->dot.contract_count; i++) axes[contract[i]] = result_rank + i;
  for (int i = 0; i < windows; i++) // of the right operand: contracted too
    axes[left ? attr->dot.left_window[i] : attr->dot.right_window[i]] =
        result_rank + attr->dot.contract_count + i;
  for (int i = 0; i < type->rank; i++)
    if (axes[i] < 0) axes[i] = free_axis++;
}

// stride * (place in the result) + dilation * (place in the window)
static const Affine *window_index(Module *module, const Op *op, const Space *space, int i) {
  const Attr *attr = &op->attr;
  int result_rank = op->results[0]->type->rank;
  const Affine *place = space->index[result_rank - attr->dot.window_count + i];
  const Affine *within = space->index[result_rank + attr->dot.contract_count + i];
  place = affine_scale(module, place, dim_const(module->dims, attr->dot.stride[i]));
  within = affine_scale(module, within, dim_const(module->dims, attr->dot.dilation[i]));
  return affine_add(module, place, within);
}

Expr *dot_operand(Nest *nest, const Op *op, const Space *space, bool left) {
  int axes[MAX_RANK];
  const Affine *index[MAX_RANK];
  Value *v = op->operands[left ? 0 : 1];
  operand_axes(op, left, axes);
  for (int i = 0; i < v->type->rank; i++) index[i] = space->index[axes[i]];
  for (int i = 0; left && i < op->attr.dot.window_count; i++)
    index[op->attr.dot.left_window[i]] = window_index(nest->module, op, space, i);
  return nest_element(nest, v, index, false);
}

// Both operands may be one value, whose loads are then recorded once: operands are measured apart.
static int operand_stride(const Dot *d, int axis, bool left) {
  Nest scratch = nest_create(d->nest->lowering, "probe", d->item->span);
  Space space = d->space;
  for (int i = 0; i < space.rank; i++) {
    if (space.gone[i]) continue;
    space.axes[i] = kernel_axis(scratch.k, "i");
    space.index[i] = affine_variable(scratch.module, expr_axis(scratch.k, space.axes[i]));
  }
  dot_operand(&scratch, d->item->op, &space, left);
  return space_stride(&scratch, &space, axis);
}

static bool is_contracted(const Dot *d, int axis) {
  return axis >= d->result_rank;
}
static bool is_left(const Dot *d, int axis) {
  return axis >= d->left_free && axis < d->right_free;
}

// How good an axis is for the lanes; larger is better.
static int lane_score(const Dot *d, int axis, bool last) {
  int left = operand_stride(d, axis, true), right = operand_stride(d, axis, false);
  if (is_contracted(d, axis)) return left > 0 && right > 0 ? 4 : left > 0 || right > 0 ? 2 : 0;
  bool unit = left >= 0 && right >= 0;
  return unit ? (last ? 5 : 3) : 1;
}

// Lanes of a conv never run along what is expected to be short: a filter, or where only one operand
// has them in a row.
static bool conv_lanes(const Dot *d, int axis, int score) {
  const Attr *attr = &d->item->op->attr;
  int windows = attr->dot.window_count;
  bool filter = axis >= d->result_rank + attr->dot.contract_count;
  bool place = axis < d->result_rank && axis >= d->result_rank - windows;
  if (attr->dot.wide) return !place;
  return !filter && (axis < d->result_rank || score == 4);
}

static int last_axis(const Dot *d, int low, int high) {
  for (int i = high - 1; i >= low; i--)
    if (!d->space.gone[i] && i != d->vector) return i;
  return -1;
}

// Rows of a conv: output channels, which share what is loaded from the left operand.
static int conv_rows(const Dot *d) {
  int windows = d->result_rank - d->item->op->attr.dot.window_count;
  int row = last_axis(d, d->right_free, windows);
  if (row < 0) row = last_axis(d, d->left_free, d->right_free);
  return row >= 0 ? row : last_axis(d, windows, d->result_rank);
}

// Rows: the innermost free axis, of the operand without the lanes if it has one.
static int choose_rows(const Dot *d) {
  bool lanes_left = d->vector >= 0 && is_left(d, d->vector);
  int same = -1, other = -1;
  for (int i = d->left_free; i < d->result_rank; i++) {
    if (d->space.gone[i] || i == d->vector) continue;
    if (is_left(d, i) == lanes_left)
      same = i;
    else
      other = i;
  }
  return other >= 0 ? other : same;
}

static void choose_form(Dot *d) {
  bool conv = d->item->op->code == OP_CONV;
  int best = -1, last = d->result_rank - 1;
  while (last >= 0 && d->space.gone[last]) last--;
  d->vector = d->block = d->across = -1;
  for (int i = d->space.rank - 1; i >= 0; i--) {
    if (d->space.gone[i] || (i < d->left_free && i != last)) continue;
    int score = lane_score(d, i, i == last);
    if (conv && !conv_lanes(d, i, score)) continue;
    if (score > best) best = score, d->vector = i;
  }
  if (conv) {
    d->block = conv_rows(d);
    return;
  }
  int other = choose_rows(d), contracted = -1;
  for (int i = d->result_rank; i < d->space.rank; i++)
    if (!d->space.gone[i] && i != d->vector) contracted = i;
  d->block = other;
  if (d->vector < 0 || is_contracted(d, d->vector)) return;
  if (other < 0 || operand_stride(d, other, is_left(d, other)) > 0) d->across = contracted;
}

// Opens serial loops over the remaining axes of the result or the contracted ones.
static int open_axes(const Dot *d, bool contracted) {
  int opened = 0;
  for (int i = 0; i < d->space.rank; i++) {
    if (d->space.gone[i] || i == d->vector || i == d->block) continue;
    if (is_contracted(d, i) != contracted) continue;
    space_open(d->nest, &d->space, i, FOR_SERIAL, 1);
    opened++;
  }
  return opened;
}

static void open_lanes(const Dot *d, int unroll) {
  space_open(d->nest, &d->space, d->vector, FOR_VECTOR, unroll);
}

static Expr *product(const Dot *d) {
  return item_element(d->nest, d->item, &d->space);
}

static void set_row(Dot *d, const Affine *row, int offset) {
  Module *module = d->nest->module;
  if (!row) return;
  const Affine *step = affine_const(module, dim_const(module->dims, offset));
  d->space.index[d->block] = affine_add(module, row, step);
}

// `rows` sums side by side, over all contracted axes; lanes contracted or on a free axis.
static void sum_rows(void *self, const Affine *row, int rows) {
  Dot *d = self;
  Nest *nest = d->nest;
  Register *sums[ROW_BLOCK];
  bool lanes_contracted = d->vector >= 0 && is_contracted(d, d->vector);
  bool lanes_free = d->vector >= 0 && !lanes_contracted;
  if (lanes_free) open_lanes(d, 1);
  for (int i = 0; i < rows; i++)
    sums[i] = kernel_declare(nest->k, expr_number(nest->k, d->item->type->dtype, 0));
  int opened = open_axes(d, true);
  if (lanes_contracted) open_lanes(d, d->block < 0 ? 4 : 1), opened++;
  for (int i = 0; i < rows; i++) {
    set_row(d, row, i);
    kernel_accumulate(nest->k, sums[i], OP_ADD, product(d));
  }
  nest_close(nest, opened);
  for (int i = 0; i < rows; i++) {
    set_row(d, row, i);
    item_store(nest, d->item, &d->space, expr_register(nest->k, sums[i]), d->add);
  }
  set_row(d, row, 0);
  if (lanes_free) kernel_end(nest->k);
}

static void dot_in_registers(Dot *d) {
  int opened = open_axes(d, false);
  if (d->block >= 0)
    space_blocks(d->nest, &d->space, d->block, sum_rows, d);
  else
    sum_rows(d, NULL, 1);
  nest_close(d->nest, opened);
}

static void stream_rows(void *self, const Affine *row, int rows) {
  Dot *d = self;
  Nest *nest = d->nest;
  open_lanes(d, 1);
  set_row(d, row, 0);
  Expr *sum = product(d);
  for (int i = 1; i < rows; i++) {
    set_row(d, row, i);
    sum = expr_binary(nest->k, OP_ADD, sum, product(d));
  }
  set_row(d, row, 0);
  item_store(nest, d->item, &d->space, sum, true);
  kernel_end(nest->k);
}

static void clear_result(const Dot *d) {
  int opened = 0;
  for (int i = 0; i < d->result_rank; i++) {
    if (d->space.gone[i] || i == d->vector) continue;
    space_open(d->nest, &d->space, i, FOR_SERIAL, 1);
    opened++;
  }
  open_lanes(d, 1);
  item_store(d->nest, d->item, &d->space, item_identity(d->nest, d->item), false);
  nest_close(d->nest, opened + 1);
}

// No free axis besides the lanes.
static void dot_streamed(Dot *d) {
  if (!d->add) clear_result(d);
  d->block = d->across;
  int opened = open_axes(d, false);
  opened += open_axes(d, true);
  space_blocks(d->nest, &d->space, d->block, stream_rows, d);
  nest_close(d->nest, opened);
}

static void dot_streamed_columns(Dot *d) {
  KernelBuilder *k = d->nest->k;
  if (!d->add) clear_result(d);
  d->add = true;
  Axis *axis = kernel_axis(k, "block");
  Expr *low = expr_axis(k, axis), *high = d->space.high[d->across];
  kernel_for_general(k, axis, d->space.low[d->across], high, KBLOCK, FOR_SERIAL, 1, 1);
  d->space.low[d->across] = low;
  d->space.high[d->across] = expr_binary(k, OP_MIN, expr_add(k, low, expr_index(k, KBLOCK)), high);
  dot_in_registers(d);
  kernel_end(k);
}

void lower_dot(Nest *nest, const Item *item, const RowRange *range) {
  const Attr *attr = &item->op->attr;
  Dot d = {.nest = nest, .item = item, .result_rank = item->type->rank};
  d.left_free = attr->dot.batch_count;
  d.right_free =
      item->op->operands[0]->type->rank - attr->dot.contract_count - attr->dot.window_count;
  d.add = range && is_contracted(&d, range->axis);
  d.space = item_space(item);
  space_prepare_item(nest, &d.space, item, range);
  choose_form(&d);
  bool rows_bounded = range && range->axis == d.across;
  if (d.across >= 0 && d.block < 0)
    dot_streamed(&d);
  else if (d.across >= 0 && !rows_bounded)
    dot_streamed_columns(&d);
  else
    dot_in_registers(&d);
}
