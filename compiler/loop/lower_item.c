// Items as loops: their spaces, elements and places, and the loops of maps, reductions, argmax and
// running sums.
//
// Lanes run along the axis that loads walk with unit stride. A reduction with its lanes on a kept
// axis adds rows to the target in memory, four rows at a time in their order, so that its operand
// is read once and front to back.
#include "ir/scalar.h"
#include "loop/lower_internal.h"

// --- spaces and elements
// --------------------------------------------------------------------------

static const Type *map_type(const Item *item) {
  return item->part_type ? item->part_type : item->type;
}

static Space space_of_type(const Type *type) {
  Space space = {.rank = type->rank};
  for (int i = 0; i < type->rank; i++) space.extents[i] = type->shape[i];
  return space;
}

static Space dot_space(const Item *item) {
  const Attr *attr = &item->op->attr;
  const Type *left = item->op->operands[0]->type;
  Space space = space_of_type(item->type);
  int windows = attr->dot.window_count, first_window = item->type->rank - windows;
  int right_free = left->rank - attr->dot.contract_count - windows;
  for (int i = 0; i < space.rank; i++)
    space.classes[i] = i < attr->dot.batch_count ? 0
                       : i < right_free          ? 1
                       : i < first_window        ? 2
                                                 : 4;
  for (int i = 0; i < attr->dot.contract_count; i++) {
    space.classes[space.rank] = 3;
    space.extents[space.rank++] = left->shape[attr->dot.left_contract[i]];
  }
  for (int i = 0; i < windows; i++) {
    space.classes[space.rank] = 5;
    space.extents[space.rank++] = item->op->operands[1]->type->shape[attr->dot.right_window[i]];
  }
  return space;
}

Space item_space(const Item *item) {
  Space space = {0};
  switch (item->kind) {
  case ITEM_MAP:
    return space_of_type(map_type(item));
  case ITEM_REDUCE:
  case ITEM_ARGMAX:
  case ITEM_CUMSUM:
    space = space_of_type(item->op->operands[0]->type);
    for (int i = 0; i < space.rank; i++) {
      int axis = item->op->attr.scan.axis;
      if (item->kind == ITEM_REDUCE)
        space.classes[i] = item->op->attr.reduce.axes >> i & 1;
      else
        space.classes[i] = i < axis ? 0 : i == axis ? 1 : 2;
    }
    return space;
  case ITEM_DOT:
    return dot_space(item);
  case ITEM_CLEAR_ROWS:
  case ITEM_COUNT:
    return space;
  default:
    return space_of_type(item->value->type);
  }
}

int item_target_axis(const Item *item, int axis) {
  uint32_t reduced = 0;
  switch (item->kind) {
  case ITEM_MAP:
  case ITEM_CUMSUM:
    return axis;
  case ITEM_DOT:
    return axis < item->type->rank ? axis : -1;
  case ITEM_REDUCE:
    reduced = item->op->attr.reduce.axes;
    break;
  case ITEM_ARGMAX:
    reduced = 1u << item->op->attr.scan.axis;
    break;
  default:
    return -1;
  }
  if (reduced >> axis & 1) return -1;
  int kept = 0;
  for (int i = 0; i < axis; i++) kept += !(reduced >> i & 1);
  return kept;
}

Opcode item_reduction(const Item *item) {
  if (item->kind == ITEM_NOTE || item->kind == ITEM_RANGE) return OP_OR;
  if (item->kind != ITEM_REDUCE || item->op->code == OP_REDUCE_SUM) return OP_ADD;
  return item->op->code == OP_REDUCE_MAX ? OP_MAX : OP_MUL;
}

static Expr *identity_of(Nest *nest, Dtype dtype, Opcode op) {
  if (op == OP_OR) return expr_integer(nest->k, DT_BOOL, 0);
  if (op == OP_ADD) return expr_number(nest->k, dtype, 0);
  if (op == OP_MUL) return expr_number(nest->k, dtype, 1);
  if (dtype_is_float(dtype)) return expr_real(nest->k, dtype, scalar_lowest_real());
  return expr_integer(nest->k, dtype, scalar_lowest_integer(dtype));
}

Expr *item_identity(Nest *nest, const Item *item) {
  Dtype dtype = item->type ? item->type->dtype : DT_BOOL;
  return identity_of(nest, dtype, item_reduction(item));
}

Expr *item_element(Nest *nest, const Item *item, const Space *space) {
  switch (item->kind) {
  case ITEM_MAP:
    if (!item->value) return expr_number(nest->k, item->type->dtype, 0);
    return nest_element(nest, item->value, space->index, item->compute);
  case ITEM_DOT: {
    Expr *left = dot_operand(nest, item->op, space, true);
    return expr_binary(nest->k, OP_MUL, left, dot_operand(nest, item->op, space, false));
  }
  case ITEM_NOTE:
  case ITEM_RANGE:
    return note_condition(nest, item, space);
  default:
    return nest_element(nest, item->op->operands[0], space->index, false);
  }
}

bool item_place(Nest *nest, const Item *item, const Space *space, const Affine **place) {
  switch (item->kind) {
  case ITEM_CLEAR_ROWS:
  case ITEM_NOTE:
  case ITEM_RANGE:
    return false;
  case ITEM_UNVIEW:
  case ITEM_SCATTER:
  case ITEM_UPDATE:
    accumulate_place(nest, item, space, place);
    return true;
  default:
    break;
  }
  for (int i = 0; i < space->rank; i++) {
    int axis = item_target_axis(item, i);
    if (axis < 0) continue;
    place[axis] = space->index[i];
    if (!item->part_type || item->part_axis != axis) continue;
    const Affine *offset = affine_const(nest->module, item->part_offset);
    place[axis] = affine_add(nest->module, place[axis], offset);
  }
  return true;
}

static const Affine *target_flat(Nest *nest, const Item *item, const Space *space) {
  const Affine *index[MAX_RANK];
  item_place(nest, item, space, index);
  return nest_flat(nest, &item->target, item->type, index);
}

void item_probe(Nest *nest, const Item *item, Space *space) {
  switch (item->kind) {
  case ITEM_MAP:
  case ITEM_REDUCE:
  case ITEM_ARGMAX:
  case ITEM_CUMSUM:
  case ITEM_DOT:
    item_element(nest, item, space);
    nest_record(nest, target_flat(nest, item, space), item->type->dtype);
    break;
  case ITEM_NOTE:
  case ITEM_RANGE:
    item_element(nest, item, space);
    break;
  default:
    probe_accumulate(nest, item, space);
    break;
  }
}

static Expr *load_target(Nest *nest, const Item *item, const Affine *flat) {
  return nest_load(nest, &item->target, flat);
}

void item_store(Nest *nest, const Item *item, const Space *space, Expr *value, bool add) {
  const Affine *flat = target_flat(nest, item, space);
  Opcode op = item_reduction(item);
  if (add && op != OP_ADD) value = expr_binary(nest->k, op, load_target(nest, item, flat), value);
  nest_store(nest, &item->target, flat, value, add && op == OP_ADD);
}

void item_clear(Nest *nest, const Item *item) {
  nest_narrow(nest, item->type->dtype);
  const Affine *flat = nest_flat(nest, &item->target, type_scalar(nest->module, DT_I64), NULL);
  const Dim *entries = type_entries(nest->module, item->type);
  if (item->type->rank) {
    Axis *axis = kernel_axis(nest->k, "i");
    kernel_for_general(nest->k, axis, expr_index(nest->k, 0), expr_dim(nest->k, entries), 1,
                       FOR_VECTOR, nest->lanes, 1);
    const Affine *entry = affine_variable(nest->module, expr_axis(nest->k, axis));
    flat = affine_add(nest->module, flat, entry);
  }
  nest_store(nest, &item->target, flat, item_identity(nest, item), false);
  if (item->type->rank) kernel_end(nest->k);
}

// --- maps
// -----------------------------------------------------------------------------------------

static void lower_map(Nest *nest, const Item *item, const RowRange *range) {
  Space space = item_space(item);
  space_prepare_item(nest, &space, item, range);
  int last = space_last(&space), opened = 0;
  for (int i = 0; i <= last; i++) {
    if (space.gone[i]) continue;
    space_open(nest, &space, i, i == last ? FOR_VECTOR : FOR_SERIAL, 1);
    opened++;
  }
  item_store(nest, item, &space, item_element(nest, item, &space), false);
  nest_close(nest, opened);
}

// --- reductions
// -----------------------------------------------------------------------------------

typedef struct Reduction {
  Nest *nest;
  const Item *item;
  Space space;
  Opcode op;
  int vector; // axis with the lanes, -1: none
  int block;  // reduced axis handled in row blocks
  bool add;   // to a cleared target
} Reduction;

// The last axis of unit stride, else the last one.
static int reduction_lanes(const Nest *nest, const Space *space) {
  for (int i = space->rank - 1; i >= 0; i--)
    if (!space->gone[i] && space_stride(nest, space, i) > 0) return i;
  return space_last(space);
}

static bool is_reduced(const Reduction *r, int axis) {
  return axis >= 0 && item_target_axis(r->item, axis) < 0;
}

static Reduction prepare_reduction(Nest *nest, const Item *item, const RowRange *range) {
  Reduction r = {.nest = nest, .item = item, .block = -1, .op = item_reduction(item)};
  r.space = item_space(item);
  space_prepare_item(nest, &r.space, item, range);
  r.vector = reduction_lanes(nest, &r.space);
  r.add = range && is_reduced(&r, range->axis);
  return r;
}

static int open_axes(const Reduction *r, bool reduced) {
  int opened = 0;
  for (int i = 0; i < r->space.rank; i++) {
    if (r->space.gone[i] || i == r->vector || i == r->block) continue;
    if (is_reduced(r, i) != reduced) continue;
    space_open(r->nest, &r->space, i, FOR_SERIAL, 1);
    opened++;
  }
  return opened;
}

// One register per kept element; the lanes are joined after the innermost loop.
static void reduce_in_register(Reduction *r) {
  Nest *nest = r->nest;
  bool lanes_kept = r->vector >= 0 && !is_reduced(r, r->vector);
  int kept = open_axes(r, false);
  if (lanes_kept) space_open(nest, &r->space, r->vector, FOR_VECTOR, 1), kept++;
  Register *sum = kernel_declare(nest->k, item_identity(nest, r->item));
  int reduced = open_axes(r, true);
  if (r->vector >= 0 && !lanes_kept)
    space_open(nest, &r->space, r->vector, FOR_VECTOR, kept ? 1 : 4), reduced++;
  kernel_accumulate(nest->k, sum, r->op, item_element(nest, r->item, &r->space));
  nest_close(nest, reduced);
  item_store(nest, r->item, &r->space, expr_register(nest->k, sum), r->add);
  nest_close(nest, kept);
}

static void reduce_row_block(void *self, const Affine *row, int rows) {
  Reduction *r = self;
  Nest *nest = r->nest;
  space_open(nest, &r->space, r->vector, FOR_VECTOR, 1);
  const Affine *target = target_flat(nest, r->item, &r->space);
  Expr *sum = load_target(nest, r->item, target);
  for (int i = 0; i < rows; i++) {
    const Affine *step = affine_const(nest->module, dim_const(nest->module->dims, i));
    r->space.index[r->block] = affine_add(nest->module, row, step);
    sum = expr_binary(nest->k, r->op, sum, item_element(nest, r->item, &r->space));
  }
  r->space.index[r->block] = row;
  nest_store(nest, &r->item->target, target, sum, false);
  kernel_end(nest->k);
}

// The target in memory is the accumulator: for (rows by four) for (lanes) target += rows.
static void reduce_in_memory(Reduction *r) {
  Nest *nest = r->nest;
  int opened = open_axes(r, false);
  if (!r->add) {
    space_open(nest, &r->space, r->vector, FOR_VECTOR, 1);
    item_store(nest, r->item, &r->space, item_identity(nest, r->item), false);
    kernel_end(nest->k);
  }
  opened += open_axes(r, true);
  space_blocks(nest, &r->space, r->block, reduce_row_block, r);
  nest_close(nest, opened);
}

static void lower_reduce(Nest *nest, const Item *item, const RowRange *range) {
  Reduction r = prepare_reduction(nest, item, range);
  bool lanes_kept = r.vector >= 0 && !is_reduced(&r, r.vector);
  for (int i = 0; i < r.space.rank && lanes_kept; i++)
    if (!r.space.gone[i] && is_reduced(&r, i)) r.block = i;
  if (r.block >= 0)
    reduce_in_memory(&r);
  else
    reduce_in_register(&r);
}

static void lower_argmax(Nest *nest, const Item *item, const RowRange *range) {
  Reduction r = prepare_reduction(nest, item, range);
  KernelBuilder *k = nest->k;
  int axis = item->op->attr.scan.axis;
  Dtype dtype = item->op->operands[0]->type->dtype;
  bool lanes_kept = r.vector >= 0 && !is_reduced(&r, r.vector);
  int kept = open_axes(&r, false), reduced = 0;
  if (lanes_kept) space_open(nest, &r.space, r.vector, FOR_VECTOR, 1), kept++;
  Register *best = kernel_declare(k, identity_of(nest, dtype, OP_MAX));
  Register *place = kernel_declare(k, expr_index(k, 0));
  if (!r.space.gone[axis]) {
    space_open(nest, &r.space, axis, r.vector == axis ? FOR_VECTOR : FOR_SERIAL, 1);
    reduced = 1;
  }
  kernel_argmax(k, best, place, item_element(nest, item, &r.space),
                nest_index(nest, r.space.index[axis]));
  nest_close(nest, reduced);
  item_store(nest, item, &r.space, expr_register(k, place), false);
  nest_close(nest, kept);
}

// --- running sums
// ---------------------------------------------------------------------------------

static void lower_cumsum(Nest *nest, const Item *item, const RowRange *range) {
  KernelBuilder *k = nest->k;
  int axis = item->op->attr.scan.axis, opened = 0;
  Space space = item_space(item);
  space_prepare_item(nest, &space, item, range);
  int last = space_last(&space);
  for (int i = 0; i < space.rank; i++) {
    if (i == axis || space.gone[i]) continue;
    space_open(nest, &space, i, i == last ? FOR_VECTOR : FOR_SERIAL, 1);
    opened++;
  }
  Register *sum = kernel_declare(k, expr_number(k, item->type->dtype, 0));
  Stmt *loop = NULL;
  if (!space.gone[axis])
    loop = kernel_for_general(k, space.axes[axis], space.low[axis], space.high[axis], 1, FOR_SERIAL,
                              1, 1);
  if (loop) loop->reverse = item->op->attr.scan.reverse;
  Expr *before = expr_register(k, sum);
  Expr *after = expr_binary(k, OP_ADD, before, item_element(nest, item, &space));
  bool exclusive = item->op->attr.scan.exclusive;
  if (exclusive) item_store(nest, item, &space, before, false);
  kernel_assign(k, sum, after);
  if (!exclusive) item_store(nest, item, &space, before, false);
  if (loop) kernel_end(k);
  nest_close(nest, opened);
}

void lower_item(Nest *nest, const Item *item, const RowRange *range) {
  switch (item->kind) {
  case ITEM_MAP:
    lower_map(nest, item, range);
    break;
  case ITEM_REDUCE:
    lower_reduce(nest, item, range);
    break;
  case ITEM_ARGMAX:
    lower_argmax(nest, item, range);
    break;
  case ITEM_CUMSUM:
    lower_cumsum(nest, item, range);
    break;
  case ITEM_DOT:
    lower_dot(nest, item, range);
    break;
  case ITEM_UNVIEW:
  case ITEM_SCATTER:
  case ITEM_UPDATE:
    lower_accumulate(nest, item, range);
    break;
  default:
    lower_small(nest, item, range);
    break;
  }
}
