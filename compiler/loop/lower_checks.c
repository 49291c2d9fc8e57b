// Checks of data-dependent indices: kernels clamp them, a note tells that they did.
//
// An index is checked where it is made, so that a check leaves the loops in which it is used; but
// not out of a branch of a conditional, which may guard it.
#include "loop/lower_internal.h"

// Is an index known to lie in 0 .. places-1? Constants, counters of loops bounded by the places,
// draws from that many.
static bool index_in_range(Lowering *l, const Value *index, const Dim *places) {
  DimTable *dims = l->module->dims;
  if (iota_within(index, places)) return true;
  if (index->op && index->op->code == OP_CONST && !index->op->attr.constant.integers) {
    int64_t value = index->op->attr.constant.integer;
    const Dim *last = dim_sub(dims, places, dim_const(dims, value < INT64_MAX ? value + 1 : value));
    return value >= 0 && dim_provably_nonnegative(dims, last);
  }
  if (index->op && index->op->code == OP_RANDOM && index->op->attr.random.kind == RANDOM_INDEX) {
    const Op *size = index->op->operands[2]->op;
    return size && size->code == OP_DIM && size->attr.dim.dim == places;
  }
  if (index->op || !index->block->owner || index->block->owner->code != OP_LOOP) return false;
  const Dim *bound = index->block->owner->attr.loop.bound;
  return index->index == 0 && bound && dim_provably_nonnegative(dims, dim_sub(dims, places, bound));
}

static bool leaves_only_loops(const Block *from, const Block *to) {
  for (const Block *b = from; b != to; b = b->parent)
    if (!b->owner || b->owner->code != OP_LOOP) return false;
  return true;
}

// A widened index is in range when the narrow one is.
static Value *source_of_index(Value *index) {
  while (index->op && index->op->code == OP_CONVERT) {
    Dtype from = index->op->operands[0]->type->dtype;
    if (!dtype_is_integer(from) || dtype_bytes(from) > dtype_bytes(index->type->dtype)) break;
    index = index->op->operands[0];
  }
  return index;
}

static void collect(Lowering *l, Op *op, Value *index, const Dim *places) {
  index = source_of_index(index);
  if (index_in_range(l, index, places)) return;
  IndexCheck check = {places, op, leaves_only_loops(op->block, index->block)};
  ValueInfo *info = value_info(l, index);
  for (size_t i = 0; i < info->checks.count; i++) {
    const IndexCheck *other = &info->checks.data[i];
    if (other->places == places && (other->where_made || other->op->block == op->block)) return;
  }
  VEC_PUSH(l->arena, &info->checks, check);
}

static bool has_indices(const Op *op) {
  return op->code == OP_GATHER || op->code == OP_SCATTER_ADD || op->code == OP_DYNAMIC_SLICE ||
         op->code == OP_DYNAMIC_UPDATE;
}

static int first_index(const Op *op) {
  return op->code == OP_GATHER || op->code == OP_DYNAMIC_SLICE ? 1 : 2;
}

void checks_collect(Lowering *l, const Block *block) {
  DimTable *dims = l->module->dims;
  for (Op *op = block->first; op; op = op->next) {
    for (int i = 0; i < op->region_count; i++) checks_collect(l, op->regions[i]);
    if (!has_indices(op) || !value_info(l, op->results[0])->uses) continue;
    int first = first_index(op);
    const Type *whole = op->operands[0]->type;
    const Type *part = op->code == OP_DYNAMIC_SLICE ? op->results[0]->type : op->operands[1]->type;
    for (int i = 0; first + i < op->operand_count; i++) {
      const Dim *places;
      if (op->code == OP_GATHER || op->code == OP_SCATTER_ADD)
        places = whole->shape[op->attr.gather.axes[i]];
      else
        places = dim_add(dims, dim_sub(dims, whole->shape[i], part->shape[i]), dim_const(dims, 1));
      collect(l, op, op->operands[first + i], places);
    }
  }
}

static void add_check(Lowering *l, Value *index, const IndexCheck *check) {
  Item *item = lower_add_item(l, ITEM_RANGE, index, NULL, (Access){0}, check->op->span);
  item->extent = check->places;
  item->number = op_check_note(l->module, check->op);
}

void checks_of_value(Lowering *l, Value *value) {
  const ValueInfo *info = value_info(l, value);
  for (size_t i = 0; i < info->checks.count; i++)
    if (info->checks.data[i].where_made) add_check(l, value, &info->checks.data[i]);
}

void checks_of_op(Lowering *l, const Op *op) {
  for (int k = has_indices(op) ? first_index(op) : op->operand_count; k < op->operand_count; k++) {
    Value *index = source_of_index(op->operands[k]);
    const ValueInfo *info = value_info(l, index);
    for (size_t i = 0; i < info->checks.count; i++) {
      const IndexCheck *check = &info->checks.data[i];
      if (check->op == op && !check->where_made) add_check(l, index, check);
    }
  }
}
