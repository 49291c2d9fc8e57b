// Items without a contraction as loops: maps, reductions, argmax, running sums.
//
// Lanes run along the axis that most loads walk with unit stride. A reduction with its lanes on a
// kept axis adds rows to the target in memory, four rows at a time in their order, so that its
// operand is read once and front to back.
#include "ir/scalar.h"
#include "loop/lower_internal.h"

static const Type *map_type(const Item *item) {
  return item->part_type ? item->part_type : item->type;
}

// The index in the target of an item: that of the space, shifted for parts.
static const Affine *target_flat(Nest *nest, const Item *item, const Affine *const *index) {
  const Affine *shifted[MAX_RANK];
  for (int i = 0; i < item->type->rank; i++) {
    shifted[i] = index[i];
    if (item->part_type && item->part_axis == i)
      shifted[i] =
          affine_add(nest->module, index[i], affine_const(nest->module, item->part_offset));
  }
  return nest_flat(nest, &item->target, item->type, shifted);
}

static Expr *map_value(Nest *nest, const Item *item, const Affine *const *index) {
  if (item->value) return nest_element(nest, item->value, index, item->compute);
  return expr_number(nest->k, item->type->dtype, 0);
}

static void probe_map(Nest *nest, const Item *item, Space *space) {
  map_value(nest, item, space->index);
  nest_record(nest, target_flat(nest, item, space->index), item->type->dtype, false);
}

static void lower_map(Nest *nest, const Item *item, const RowRange *range) {
  const Type *type = map_type(item);
  Space space = {.rank = type->rank};
  for (int i = 0; i < type->rank; i++) space.extents[i] = type->shape[i];
  space_prepare(nest, &space, item, range, probe_map);
  int last = type->rank - 1, opened = 0;
  while (last >= 0 && space.gone[last]) last--;
  for (int i = 0; i <= last; i++)
    if (!space.gone[i]) {
      space_open(nest, &space, i, i == last ? FOR_VECTOR : FOR_SERIAL, 1);
      opened++;
    }
  nest_store(nest, &item->target, target_flat(nest, item, space.index),
             map_value(nest, item, space.index), false);
  while (opened--) kernel_end(nest->k);
}

// --- reductions
// -----------------------------------------------------------------------------------

typedef struct Reduction {
  Nest *nest;
  const Item *item;
  Space space;
  uint32_t axes; // reduced
  Opcode op;
  int vector; // axis with the lanes, -1: none
  int block;  // reduced axis handled in row blocks
} Reduction;

static Expr *operand_element(Nest *nest, const Item *item, const Space *space) {
  return nest_element(nest, item->op->operands[0], space->index, false);
}

static uint32_t reduced_axes(const Op *op) {
  return op->code == OP_ARGMAX ? 1u << op->attr.scan.axis : op->attr.reduce.axes;
}

static const Affine *kept_flat(Nest *nest, const Item *item, const Space *space) {
  const Affine *kept[MAX_RANK];
  uint32_t axes = reduced_axes(item->op);
  int rank = 0;
  for (int i = 0; i < space->rank; i++)
    if (!(axes >> i & 1)) kept[rank++] = space->index[i];
  return nest_flat(nest, &item->target, item->type, kept);
}

static void probe_reduction(Nest *nest, const Item *item, Space *space) {
  operand_element(nest, item, space);
  nest_record(nest, kept_flat(nest, item, space), item->type->dtype, false);
}

// The axis for the lanes: the last one of unit stride, else the last one.
static int choose_vector(const Nest *nest, const Space *space) {
  int last = -1;
  for (int i = space->rank - 1; i >= 0; i--) {
    if (space->gone[i]) continue;
    if (space_stride(nest, space, i, 0, nest->uses.count) > 0) return i;
    if (last < 0) last = i;
  }
  return last;
}

static Expr *identity_of(Nest *nest, Dtype dtype, Opcode op) {
  if (op == OP_ADD) return expr_number(nest->k, dtype, 0);
  if (op == OP_MUL) return expr_number(nest->k, dtype, 1);
  if (dtype_is_float(dtype)) return expr_real(nest->k, dtype, scalar_lowest_real());
  return expr_integer(nest->k, dtype, scalar_lowest_integer(dtype));
}

static void prepare_reduction(Reduction *r, const RowRange *range) {
  const Type *type = r->item->op->operands[0]->type;
  r->axes = reduced_axes(r->item->op);
  r->space = (Space){.rank = type->rank};
  for (int i = 0; i < type->rank; i++) {
    r->space.extents[i] = type->shape[i];
    r->space.classes[i] = r->axes >> i & 1;
  }
  space_prepare(r->nest, &r->space, r->item, range, probe_reduction);
  r->vector = choose_vector(r->nest, &r->space);
}

static int open_axes(Reduction *r, bool reduced) {
  int opened = 0;
  for (int i = 0; i < r->space.rank; i++) {
    if (r->space.gone[i] || i == r->vector || i == r->block) continue;
    if ((r->axes >> i & 1) != reduced) continue;
    space_open(r->nest, &r->space, i, FOR_SERIAL, 1);
    opened++;
  }
  return opened;
}

static void close_axes(Nest *nest, int opened) {
  while (opened--) kernel_end(nest->k);
}

// One register per kept element; the lanes are joined after the innermost loop.
static void reduce_in_register(Reduction *r) {
  Nest *nest = r->nest;
  Dtype dtype = r->item->type->dtype;
  bool lanes_kept = r->vector >= 0 && !(r->axes >> r->vector & 1);
  int kept = open_axes(r, false);
  if (lanes_kept) space_open(nest, &r->space, r->vector, FOR_VECTOR, 1), kept++;
  Register *sum = kernel_declare(nest->k, identity_of(nest, dtype, r->op));
  int reduced = open_axes(r, true);
  if (r->vector >= 0 && !lanes_kept)
    space_open(nest, &r->space, r->vector, FOR_VECTOR, kept ? 1 : 4), reduced++;
  kernel_accumulate(nest->k, sum, r->op, operand_element(nest, r->item, &r->space));
  close_axes(nest, reduced);
  nest_store(nest, &r->item->target, kept_flat(nest, r->item, &r->space),
             expr_register(nest->k, sum), false);
  close_axes(nest, kept);
}

static void reduce_row_block(void *self, const Affine *row, int rows) {
  Reduction *r = self;
  Nest *nest = r->nest;
  space_open(nest, &r->space, r->vector, FOR_VECTOR, 1);
  const Affine *target = kept_flat(nest, r->item, &r->space);
  Expr *sum = nest_load(nest, &r->item->target, target);
  for (int i = 0; i < rows; i++) {
    const Affine *step = affine_const(nest->module, dim_const(nest->module->dims, i));
    r->space.index[r->block] = affine_add(nest->module, row, step);
    sum = expr_binary(nest->k, r->op, sum, operand_element(nest, r->item, &r->space));
  }
  r->space.index[r->block] = row;
  nest_store(nest, &r->item->target, target, sum, false);
  kernel_end(nest->k);
}

// The target in memory is the accumulator: for (rows by four) for (lanes) target += rows.
static void reduce_in_memory(Reduction *r) {
  Nest *nest = r->nest;
  int kept = open_axes(r, false);
  space_open(nest, &r->space, r->vector, FOR_VECTOR, 1);
  nest_store(nest, &r->item->target, kept_flat(nest, r->item, &r->space),
             identity_of(nest, r->item->type->dtype, r->op), false);
  kernel_end(nest->k);
  int reduced = open_axes(r, true);
  space_blocks(nest, &r->space, r->block, reduce_row_block, r);
  close_axes(nest, reduced + kept);
}

void lower_reduce(Nest *nest, const Item *item, const RowRange *range) {
  Opcode code = item->op->code;
  Reduction r = {.nest = nest, .item = item, .block = -1};
  r.op = code == OP_REDUCE_SUM ? OP_ADD : code == OP_REDUCE_MAX ? OP_MAX : OP_MUL;
  prepare_reduction(&r, range);
  bool lanes_kept = r.vector >= 0 && !(r.axes >> r.vector & 1);
  for (int i = 0; i < r.space.rank && lanes_kept; i++)
    if (!r.space.gone[i] && (r.axes >> i & 1)) r.block = i;
  if (r.block >= 0)
    reduce_in_memory(&r);
  else
    reduce_in_register(&r);
}

void lower_argmax(Nest *nest, const Item *item, const RowRange *range) {
  Reduction r = {.nest = nest, .item = item, .block = -1};
  prepare_reduction(&r, range);
  KernelBuilder *k = nest->k;
  int axis = item->op->attr.scan.axis;
  Dtype dtype = item->op->operands[0]->type->dtype;
  bool lanes_kept = r.vector >= 0 && !(r.axes >> r.vector & 1);
  int kept = open_axes(&r, false), reduced = 0;
  if (lanes_kept) space_open(nest, &r.space, r.vector, FOR_VECTOR, 1), kept++;
  Register *best = kernel_declare(k, identity_of(nest, dtype, OP_MAX));
  Register *place = kernel_declare(k, expr_index(k, 0));
  if (!r.space.gone[axis]) {
    space_open(nest, &r.space, axis, r.vector == axis ? FOR_VECTOR : FOR_SERIAL, 1);
    reduced = 1;
  }
  kernel_argmax(k, best, place, operand_element(nest, item, &r.space),
                nest_index(nest, r.space.index[axis]));
  close_axes(nest, reduced);
  nest_store(nest, &item->target, kept_flat(nest, item, &r.space), expr_register(k, place), false);
  close_axes(nest, kept);
}

// --- running sums
// ---------------------------------------------------------------------------------

static void probe_cumsum(Nest *nest, const Item *item, Space *space) {
  operand_element(nest, item, space);
  nest_record(nest, nest_flat(nest, &item->target, item->type, space->index), item->type->dtype,
              false);
}

void lower_cumsum(Nest *nest, const Item *item, const RowRange *range) {
  KernelBuilder *k = nest->k;
  int axis = item->op->attr.scan.axis, rank = item->type->rank, opened = 0, last = rank - 1;
  Space space = {.rank = rank};
  for (int i = 0; i < rank; i++) {
    space.extents[i] = item->type->shape[i];
    space.classes[i] = i < axis ? 0 : i == axis ? 1 : 2;
  }
  space_prepare(nest, &space, item, range, probe_cumsum);
  while (last >= 0 && space.gone[last]) last--;
  for (int i = 0; i < rank; i++) {
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
  const Affine *flat = nest_flat(nest, &item->target, item->type, space.index);
  Expr *before = expr_register(k, sum);
  Expr *after = expr_binary(k, OP_ADD, before, operand_element(nest, item, &space));
  bool exclusive = item->op->attr.scan.exclusive;
  if (exclusive) nest_store(nest, &item->target, flat, before, false);
  kernel_assign(k, sum, after);
  if (!exclusive) nest_store(nest, &item->target, flat, before, false);
  if (loop) kernel_end(k);
  while (opened--) kernel_end(k);
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
    lower_accumulate(nest, item);
    break;
  default:
    lower_small(nest, item);
    break;
  }
}
