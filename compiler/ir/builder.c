// The builder's core: inference, hash-consing and the table of each block.
//
// Enters: an op's parts. Leaves: a new op at the end of the builder's block, or an equal op that is
// visible from there. The one idea: every block has a table of its ops; a look-up walks the chain
// of enclosing blocks and takes an op only if it stands before the op that owns the region.
#include "ir/ir_internal.h"

#include <string.h>

typedef struct OpTable {
  Op **slots;
  size_t count, capacity;
} OpTable;

Builder builder_at(Block *block) {
  return (Builder){block->module, block, {0}};
}

// --- attributes ------------------------------------------------------------------------

static uint64_t bits_of(double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

static uint64_t hash_axes(uint64_t seed, const int8_t *axes, int count) {
  for (int i = 0; i < count; i++) seed = hash_mix(seed, (uint64_t)axes[i]);
  return seed;
}

static uint64_t map_hash(uint64_t seed, const IndexMap *map) {
  for (int i = 0; i < map->in_rank; i++) {
    seed = hash_mix(seed, (uint64_t)(uintptr_t)map->offset[i]);
    for (int k = 0; k < map->out_rank; k++)
      seed = hash_mix(seed, (uint64_t)map->matrix[i * map->out_rank + k]);
  }
  return seed;
}

static uint64_t attr_hash(uint64_t seed, Opcode code, const Attr *attr) {
  seed = hash_mix(seed, (uint64_t)(uintptr_t)attr->type);
  switch (code) {
  case OP_CONST:
    return hash_mix(hash_mix(seed, bits_of(attr->constant.real)), (uint64_t)attr->constant.integer);
  case OP_IOTA:
    return hash_mix(seed, (uint64_t)attr->iota.axis);
  case OP_DIM:
    return hash_mix(seed, (uint64_t)(uintptr_t)attr->dim.dim);
  case OP_RANDOM:
    return hash_mix(hash_mix(seed, (uint64_t)attr->random.kind), (uint64_t)attr->random.rows);
  case OP_COMPARE:
    return hash_mix(seed, (uint64_t)attr->compare.op);
  case OP_VIEW:
  case OP_UNVIEW:
    return map_hash(seed, &attr->map);
  case OP_CONCAT:
    return hash_mix(seed, (uint64_t)attr->concat.axis);
  case OP_REDUCE_SUM:
  case OP_REDUCE_MAX:
  case OP_REDUCE_PROD:
    return hash_mix(seed, attr->reduce.axes);
  case OP_ARGMAX:
  case OP_CUMSUM:
  case OP_ARGSORT:
    return hash_mix(seed, (uint64_t)attr->scan.axis * 8 + attr->scan.reverse * 4u +
                              attr->scan.exclusive * 2u + attr->scan.descending);
  case OP_CONV:
    seed = hash_axes(seed, attr->dot.left_window, attr->dot.window_count);
    seed = hash_axes(seed, attr->dot.right_window, attr->dot.window_count);
    for (int i = 0; i < attr->dot.window_count; i++)
      seed = hash_mix(hash_mix(seed, (uint64_t)attr->dot.stride[i]),
                      (uint64_t)attr->dot.dilation[i] * 2 + attr->dot.wide);
    // fall through
  case OP_DOT:
    seed = hash_axes(seed, attr->dot.left_batch, attr->dot.batch_count);
    seed = hash_axes(seed, attr->dot.right_batch, attr->dot.batch_count);
    seed = hash_axes(seed, attr->dot.left_contract, attr->dot.contract_count);
    return hash_axes(seed, attr->dot.right_contract, attr->dot.contract_count);
  case OP_TRISOLVE:
  case OP_SOLVE:
    return hash_mix(seed, attr->solve.transposed);
  case OP_GATHER:
  case OP_SCATTER_ADD:
    return hash_axes(seed, attr->gather.axes, attr->gather.axis_count);
  case OP_DYNAMIC_UPDATE:
    return hash_mix(seed, attr->update.accumulate);
  case OP_LOOP:
    return hash_mix(hash_mix(seed, (uint64_t)(uintptr_t)attr->loop.bound),
                    (uint64_t)attr->loop.carries * 2 + attr->loop.reverse);
  case OP_NOTE:
    return hash_mix(hash_mix(seed, (uint64_t)attr->note.number),
                    (uint64_t)(uintptr_t)attr->note.times);
  default:
    return seed;
  }
}

static bool same_axes(const int8_t *a, const int8_t *b, int count) {
  return !count || !memcmp(a, b, (size_t)count);
}

static bool map_equal(const IndexMap *a, const IndexMap *b) {
  size_t entries = (size_t)a->in_rank * (size_t)a->out_rank;
  return a->in_rank == b->in_rank && a->out_rank == b->out_rank &&
         (!a->in_rank || !memcmp(a->offset, b->offset, (size_t)a->in_rank * sizeof *a->offset)) &&
         (!entries || !memcmp(a->matrix, b->matrix, entries * sizeof *a->matrix));
}

static bool same_entries(const void *a, const void *b, size_t bytes) {
  if (!a || !b) return a == b;
  return !bytes || !memcmp(a, b, bytes);
}

static bool constant_equal(const Attr *a, const Attr *b) {
  bool dense = a->constant.reals || a->constant.integers;
  size_t bytes = dense ? type_constant_entries(a->type) * sizeof(double) : 0;
  return bits_of(a->constant.real) == bits_of(b->constant.real) &&
         a->constant.integer == b->constant.integer &&
         same_entries(a->constant.reals, b->constant.reals, bytes) &&
         same_entries(a->constant.integers, b->constant.integers, bytes);
}

static bool windows_equal(const Attr *a, const Attr *b) {
  int count = a->dot.window_count;
  if (count != b->dot.window_count || a->dot.wide != b->dot.wide) return false;
  for (int i = 0; i < count; i++)
    if (a->dot.stride[i] != b->dot.stride[i] || a->dot.dilation[i] != b->dot.dilation[i])
      return false;
  return same_axes(a->dot.left_window, b->dot.left_window, count) &&
         same_axes(a->dot.right_window, b->dot.right_window, count);
}

static bool dot_equal(const Attr *a, const Attr *b) {
  int batch = a->dot.batch_count, contract = a->dot.contract_count;
  return batch == b->dot.batch_count && contract == b->dot.contract_count &&
         same_axes(a->dot.left_batch, b->dot.left_batch, batch) &&
         same_axes(a->dot.right_batch, b->dot.right_batch, batch) &&
         same_axes(a->dot.left_contract, b->dot.left_contract, contract) &&
         same_axes(a->dot.right_contract, b->dot.right_contract, contract);
}

bool attr_equal(Opcode code, const Attr *a, const Attr *b) {
  if (a->type != b->type) return false;
  switch (code) {
  case OP_CONST:
    return constant_equal(a, b);
  case OP_IOTA:
    return a->iota.axis == b->iota.axis;
  case OP_DIM:
    return a->dim.dim == b->dim.dim;
  case OP_RANDOM:
    return a->random.kind == b->random.kind && a->random.rows == b->random.rows;
  case OP_COMPARE:
    return a->compare.op == b->compare.op;
  case OP_VIEW:
  case OP_UNVIEW:
    return map_equal(&a->map, &b->map);
  case OP_CONCAT:
    return a->concat.axis == b->concat.axis;
  case OP_REDUCE_SUM:
  case OP_REDUCE_MAX:
  case OP_REDUCE_PROD:
    return a->reduce.axes == b->reduce.axes;
  case OP_ARGMAX:
  case OP_CUMSUM:
  case OP_ARGSORT:
    return a->scan.axis == b->scan.axis && a->scan.reverse == b->scan.reverse &&
           a->scan.exclusive == b->scan.exclusive && a->scan.descending == b->scan.descending;
  case OP_DOT:
    return dot_equal(a, b);
  case OP_CONV:
    return dot_equal(a, b) && windows_equal(a, b);
  case OP_TRISOLVE:
  case OP_SOLVE:
    return a->solve.transposed == b->solve.transposed;
  case OP_GATHER:
  case OP_SCATTER_ADD:
    return a->gather.axis_count == b->gather.axis_count &&
           same_axes(a->gather.axes, b->gather.axes, a->gather.axis_count);
  case OP_DYNAMIC_UPDATE:
    return a->update.accumulate == b->update.accumulate;
  case OP_LOOP:
    return a->loop.bound == b->loop.bound && a->loop.carries == b->loop.carries &&
           a->loop.stacked_in == b->loop.stacked_in && a->loop.stacked_out == b->loop.stacked_out &&
           a->loop.reverse == b->loop.reverse;
  case OP_CUSTOM:
    return a->custom.results == b->custom.results;
  case OP_NOTE:
    return a->note.number == b->note.number && a->note.times == b->note.times;
  default:
    return true;
  }
}

// --- structural equality ---------------------------------------------------------------

// A region hashes by its shape only (codes, attributes, outer operands); equality is exact.
static uint64_t region_hash(uint64_t seed, const Block *block) {
  seed = hash_mix(seed, block->params.count);
  for (const Op *op = block->first; op; op = op->next) {
    seed = attr_hash(hash_mix(seed, (uint64_t)op->code), op->code, &op->attr);
    for (int i = 0; i < op->region_count; i++) seed = region_hash(seed, op->regions[i]);
  }
  return hash_mix(seed, block->yields.count);
}

static uint64_t op_hash(const Op *op) {
  uint64_t hash = attr_hash((uint64_t)op->code, op->code, &op->attr);
  for (int i = 0; i < op->operand_count; i++)
    hash = hash_mix(hash, (uint64_t)(uintptr_t)op->operands[i]);
  for (int i = 0; i < op->region_count; i++) hash = region_hash(hash, op->regions[i]);
  return hash;
}

static bool value_same(const Map *renamed, const Value *a, const Value *b) {
  const Value *other = renamed ? map_get(renamed, a) : NULL;
  return other ? other == b : a == b;
}

static bool region_equal(Map *renamed, const Block *a, const Block *b);

static bool op_equal(Map *renamed, const Op *a, const Op *b) {
  if (a->code != b->code || a->operand_count != b->operand_count ||
      a->region_count != b->region_count || a->result_count != b->result_count ||
      !attr_equal(a->code, &a->attr, &b->attr))
    return false;
  for (int i = 0; i < a->operand_count; i++)
    if (!value_same(renamed, a->operands[i], b->operands[i])) return false;
  for (int i = 0; i < a->region_count; i++)
    if (!region_equal(renamed, a->regions[i], b->regions[i])) return false;
  return true;
}

static bool region_equal(Map *renamed, const Block *a, const Block *b) {
  if (a->params.count != b->params.count || a->yields.count != b->yields.count) return false;
  for (size_t i = 0; i < a->params.count; i++) {
    if (a->params.data[i]->type != b->params.data[i]->type) return false;
    map_put(renamed, a->params.data[i], b->params.data[i]);
  }
  const Op *x = a->first, *y = b->first;
  for (; x && y; x = x->next, y = y->next) {
    if (!op_equal(renamed, x, y)) return false;
    for (int i = 0; i < x->result_count; i++) map_put(renamed, x->results[i], y->results[i]);
  }
  if (x || y) return false;
  for (size_t i = 0; i < a->yields.count; i++)
    if (!value_same(renamed, a->yields.data[i], b->yields.data[i])) return false;
  return true;
}

static bool same_op(const Op *a, const Op *b) {
  if (!a->region_count) return op_equal(NULL, a, b);
  Arena *scratch = arena_create();
  bool same = op_equal(map_create(scratch), a, b);
  arena_destroy(scratch);
  return same;
}

// --- tables ----------------------------------------------------------------------------

static void table_insert(OpTable *table, Op *op) {
  size_t slot = op->hash & (table->capacity - 1);
  while (table->slots[slot]) slot = (slot + 1) & (table->capacity - 1);
  table->slots[slot] = op;
  table->count++;
}

void op_enter(Op *op) {
  Arena *arena = op->block->module->arena;
  OpTable *table = op->block->table;
  op->hash = op_hash(op);
  if (!table) {
    table = op->block->table = ARENA_NEW(arena, OpTable);
    table->capacity = 16;
    table->slots = ARENA_ARRAY(arena, Op *, table->capacity);
  } else if (table->count * 4 >= table->capacity * 3) {
    OpTable old = *table;
    table->capacity *= 2;
    table->count = 0;
    table->slots = ARENA_ARRAY(arena, Op *, table->capacity);
    for (size_t i = 0; i < old.capacity; i++)
      if (old.slots[i] && old.slots[i]->block == op->block) table_insert(table, old.slots[i]);
  }
  table_insert(table, op);
}

// An op that computes the same, visible from `block`, or NULL.
static Op *op_find(Block *block, const Op *wanted) {
  const Op *owner = NULL; // of the region on the way from `block` up to where we look
  for (Block *at = block; at; owner = at->owner, at = at->parent) {
    const OpTable *table = at->table;
    if (!table) continue;
    size_t slot = wanted->hash & (table->capacity - 1);
    for (; table->slots[slot]; slot = (slot + 1) & (table->capacity - 1)) {
      Op *op = table->slots[slot];
      if (op->hash != wanted->hash || op->block != at) continue;
      if (owner && owner->block == at && op->order >= owner->order) continue;
      if (same_op(op, wanted)) return op;
    }
  }
  return NULL;
}

// --- making ops ------------------------------------------------------------------------

Op *ir_op(Builder *b, Opcode code, Value *const *operands, int operand_count, const Attr *attr,
          Block *const *regions, int region_count) {
  static const Attr no_attr = {0};
  if (!attr) attr = &no_attr;
  Value *sorted[2];
  if (opcode_commutes(code) && operand_count == 2 && operands[0]->id > operands[1]->id) {
    sorted[0] = operands[1];
    sorted[1] = operands[0];
    operands = sorted;
  }
  const Type *few[4];
  int limit = op_result_limit(code, attr, regions, region_count), count = 0;
  const Type **types =
      limit <= 4 ? few : ARENA_ARRAY(b->module->arena, const Type *, (size_t)limit);
  const char *message = ir_infer(b->module, code, operands, operand_count, attr, regions,
                                 region_count, types, &count);
  REQUIRE(!message, "%s", message);
  Op wanted = {.code = code,
               .operand_count = operand_count,
               .result_count = count,
               .region_count = region_count,
               .operands = (Value **)operands,
               .regions = (Block **)regions,
               .attr = *attr};
  wanted.hash = op_hash(&wanted);
  bool counts = code == OP_NOTE && module_note_counts(b->module, attr->note.number);
  Op *op = counts ? NULL : op_find(b->block, &wanted);
  if (op) return op;
  op = op_append(b->block, code, operands, operand_count, attr, regions, region_count, types, count,
                 b->span);
  op_enter(op);
  return op;
}

Value *ir_value(Builder *b, Opcode code, Value *const *operands, int operand_count,
                const Attr *attr) {
  static const Attr no_attr = {0};
  if (!attr) attr = &no_attr;
  Value *folded = NULL;
  if (op_table[code].group == GROUP_ELEMENTWISE) {
    REQUIRE(operand_count == op_table[code].operands, "'%s' with %d operands", op_table[code].text,
            operand_count);
    folded = fold_elementwise(b, code, operands, attr);
  } else {
    folded = fold_index(b, code, operands, operand_count, attr);
    if (!folded) folded = widen_accumulation(b, code, operands, operand_count, attr);
  }
  return folded ? folded : ir_op(b, code, operands, operand_count, attr, NULL, 0)->results[0];
}
