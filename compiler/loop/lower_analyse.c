// Which values lie in memory and which are computed where they are read.
//
// Costs go forwards (operations to compute one element from values in memory, if nothing between is
// homed), uses go backwards. An elementwise value stays virtual when it is read once, or when
// computing it again is as cheap as loading it. What crosses into a loop is computed before it.
#include "loop/lower_internal.h"

enum {
  CHEAP_AGAIN = 2,       // operations worth a load
  CHEAP_SCALAR = 8,      // a scalar is computed once per loop nest
  LONG_EXPRESSION = 400, // operations in one expression
  GATHER_COST = 2,
};

ValueInfo *value_info(Lowering *l, const Value *v) {
  ValueInfo *info = map_get(l->info, v);
  if (info) return info;
  info = ARENA_NEW(l->arena, ValueInfo);
  map_put(l->info, v, info);
  return info;
}

// Ops whose elements can be computed where they are read.
static bool has_element_form(const Op *op) {
  switch (op->code) {
  case OP_CONST:
    return !op->attr.constant.reals && !op->attr.constant.integers;
  case OP_IOTA:
  case OP_DIM:
  case OP_RANDOM:
  case OP_VIEW:
  case OP_RESHAPE:
  case OP_GATHER:
  case OP_DYNAMIC_SLICE:
    return true;
  case OP_DOT: // an outer product, or a product by a scalar
    return op->attr.dot.contract_count == 0;
  default:
    return op_table[op->code].group == GROUP_ELEMENTWISE;
  }
}

static int own_cost(const Op *op) {
  switch (op->code) {
  case OP_GATHER: {
    int last = op->operands[0]->type->rank - 1, count = op->attr.gather.axis_count;
    return op->attr.gather.axes[count - 1] == last ? 2 * GATHER_COST : GATHER_COST;
  }
  case OP_DYNAMIC_SLICE:
  case OP_DOT:
    return 1;
  default:
    return op_table[op->code].flops;
  }
}

static void add_costs(Lowering *l, const Block *block) {
  for (const Op *op = block->first; op; op = op->next) {
    for (int i = 0; i < op->region_count; i++) add_costs(l, op->regions[i]);
    if (!has_element_form(op)) continue;
    int cost = own_cost(op);
    for (int i = 0; i < op->operand_count && cost < LONG_EXPRESSION; i++)
      cost += value_info(l, op->operands[i])->cost;
    value_info(l, op->results[0])->cost = cost;
  }
}

// --- uses
// -----------------------------------------------------------------------------------------

typedef struct Use {
  int count;
  bool many, captured, buffer;
} Use;

static void note_use(Lowering *l, const Value *v, Use use) {
  ValueInfo *info = value_info(l, v);
  info->uses += use.count;
  info->many |= use.many;
  info->captured |= use.captured;
  info->needs_buffer |= use.buffer;
}

// Loops between the block of a reader and that of the value.
static bool crosses_loop(const Value *v, const Block *reader) {
  for (const Block *b = reader; b && b != v->block; b = b->parent)
    if (b->owner && b->owner->code == OP_LOOP) return true;
  return false;
}

// A view that reads each element at most once.
static bool view_is_injective(const Op *op) {
  const IndexMap *map = &op->attr.map;
  const Type *type = op->results[0]->type;
  for (int j = 0; j < map->out_rank; j++) {
    int entries = 0;
    for (int i = 0; i < map->in_rank; i++) entries += map->matrix[i * map->out_rank + j] != 0;
    int64_t extent;
    if (!entries && !(dim_is_const(type->shape[j], &extent) && extent <= 1)) return false;
  }
  for (int i = 0; i < map->in_rank; i++) {
    int entries = 0;
    for (int j = 0; j < map->out_rank; j++) entries += map->matrix[i * map->out_rank + j] != 0;
    if (entries > 1) return false;
  }
  return true;
}

// Does operand i of a contraction have its elements read once for every free axis of the other?
// Of a conv for every window, or every place of it.
static bool dot_repeats(const Op *op, int operand) {
  if (op->code == OP_CONV) return true;
  const Type *other = op->operands[1 - operand]->type;
  return other->rank > op->attr.dot.batch_count + op->attr.dot.contract_count;
}

static bool operand_repeats(const Op *op, int operand) {
  switch (op->code) {
  case OP_VIEW:
    return !view_is_injective(op);
  case OP_DOT:
  case OP_CONV:
    return dot_repeats(op, operand);
  case OP_GATHER:
    return true;
  case OP_SCATTER_ADD:
    return operand >= 2;
  case OP_DYNAMIC_SLICE:
    return operand >= 1;
  case OP_DYNAMIC_UPDATE:
    return operand >= 2;
  case OP_RANDOM:
    return true;
  default:
    return false;
  }
}

static bool operand_in_memory(Lowering *l, const Op *op, int operand) {
  switch (op->code) {
  case OP_CHOLESKY:
  case OP_TRISOLVE:
  case OP_SOLVE:
  case OP_ARGSORT:
  case OP_IF:
    return true;
  case OP_LOOP:
    return operand > op->attr.loop.carries;
  case OP_RESHAPE:
    return !reshape_is_affine(l->module, op->operands[0]->type, op->results[0]->type);
  default:
    return false;
  }
}

static bool stays_virtual(const Value *v, const ValueInfo *info) {
  bool splat = v->op->code == OP_CONST || v->op->code == OP_DIM;
  if (!has_element_form(v->op)) return false;
  if (info->needs_buffer) return false;
  if (splat || info->cost == 0) return true;
  if (info->captured || info->cost >= LONG_EXPRESSION) return false;
  if (info->uses <= 1 && !info->many) return true;
  return info->cost <= (v->type->rank == 0 ? CHEAP_SCALAR : CHEAP_AGAIN);
}

static void note_operands(Lowering *l, const Op *op, const ValueInfo *reader) {
  for (int i = 0; i < op->operand_count; i++) {
    Value *v = op->operands[i];
    Use use = {.count = 1, .many = operand_repeats(op, i), .buffer = operand_in_memory(l, op, i)};
    if (reader) {
      use.count = reader->uses;
      use.many |= reader->many;
      use.captured = reader->captured;
    }
    use.captured |= crosses_loop(v, op->block);
    note_use(l, v, use);
  }
}

static void decide_block(Lowering *l, const Block *block) {
  for (size_t i = 0; i < block->yields.count; i++) {
    Value *v = block->yields.data[i];
    note_use(l, v, (Use){.count = 1, .captured = crosses_loop(v, block)});
  }
  for (const Op *op = block->last; op; op = op->previous) {
    for (int i = 0; i < op->region_count; i++) decide_block(l, op->regions[i]);
    ValueInfo *info = op->result_count ? value_info(l, op->results[0]) : NULL;
    bool is_virtual = info && has_element_form(op) && stays_virtual(op->results[0], info);
    for (int i = 0; i < op->result_count; i++)
      value_info(l, op->results[i])->materialise = !is_virtual;
    if (is_virtual && !info->uses) continue;
    note_operands(l, op, is_virtual ? info : NULL);
  }
}

void lower_analyse(Lowering *l, const Func *func) {
  add_costs(l, func->body);
  decide_block(l, func->body);
}
