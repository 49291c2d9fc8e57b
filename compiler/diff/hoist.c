// Loop-invariant code motion, in place.
//
// Expects: a block. Changes: ops in loop bodies (and loop conditions) whose operands all come from
// outside move before the loop, inner loops first; nothing leaves an `if`. Keeps: values and notes.
// An op whose result is larger than what it is made from (outer product, draw, padding) stays where
// it is unless a contraction or reduction reads it: recomputing it is cheaper than keeping it in
// memory.
#include "diff/diff_internal.h"

enum { NOMINAL_EXTENT = 64 }; // stands for an extent that is not known

static bool nominal_extent(void *self, Name name, int64_t *value) {
  (void)self, (void)name;
  *value = NOMINAL_EXTENT;
  return true;
}

double nominal_bytes(const Type *type) {
  double bytes = (double)dtype_bytes(type->dtype);
  for (int i = 0; i < type->rank; i++) {
    int64_t extent = NOMINAL_EXTENT;
    if (!dim_evaluate(type->shape[i], nominal_extent, NULL, &extent)) extent = NOMINAL_EXTENT;
    bytes *= (double)extent;
  }
  return bytes;
}

// Bytes behind a value once views and constants are looked through.
static double root_bytes(const Value *v) {
  double number;
  if (ir_is_splat(v, &number)) return 0;
  if (v->op && (v->op->code == OP_VIEW || v->op->code == OP_RESHAPE)) {
    double inner = root_bytes(v->op->operands[0]), own = nominal_bytes(v->type);
    return inner < own ? inner : own;
  }
  return nominal_bytes(v->type);
}

static bool is_free_op(const Op *op) {
  switch (op->code) {
  case OP_CONST:
  case OP_IOTA:
  case OP_DIM:
  case OP_VIEW:
  case OP_RESHAPE:
    return true;
  default:
    return false;
  }
}

static bool grows(const Op *op) {
  OpGroup group = op_table[op->code].group;
  if (is_free_op(op) || group == GROUP_REDUCTION || group == GROUP_CONTRACTION ||
      group == GROUP_CONTROL)
    return false;
  double roots = 0;
  for (int i = 0; i < op->operand_count; i++) roots += root_bytes(op->operands[i]);
  return op->result_count && nominal_bytes(op->results[0]->type) > roots &&
         op->results[0]->type->rank > 0;
}

static bool varies(const Block *body, const Value *v) {
  return block_encloses(body, v->block);
}

// The ops of a loop body that depend on nothing that changes.
static Map *invariant_ops(Arena *arena, const Block *body) {
  Map *invariant = map_create(arena);
  for (const Op *op = body->first; op; op = op->next) {
    ValueList uses = {0};
    op_captures(arena, op, &uses);
    for (int i = 0; i < op->operand_count; i++) VEC_PUSH(arena, &uses, op->operands[i]);
    bool good = !op_has_note(op);
    for (size_t i = 0; good && i < uses.count; i++)
      good =
          !varies(body, uses.data[i]) || (uses.data[i]->op && map_has(invariant, uses.data[i]->op));
    if (good) map_put(invariant, op, (void *)op);
  }
  return invariant;
}

// Does a contraction or reduction read the value, perhaps after invariant elementwise ops?
static bool read_by_sum(const Block *block, const Map *invariant, const Value *v) {
  for (const Op *op = block->first; op; op = op->next) {
    OpGroup group = op_table[op->code].group;
    for (int i = 0; i < op->operand_count; i++) {
      if (op->operands[i] != v) continue;
      if (group == GROUP_CONTRACTION || group == GROUP_REDUCTION) return true;
      bool through = is_free_op(op) || (group == GROUP_ELEMENTWISE && map_has(invariant, op));
      if (through && read_by_sum(block, invariant, op->results[0])) return true;
    }
    for (int i = 0; i < op->region_count; i++)
      if (read_by_sum(op->regions[i], invariant, v)) return true;
  }
  return false;
}

static bool hoist_region(Arena *arena, Op *loop, Block *body) {
  const Map *invariant = invariant_ops(arena, body);
  Map *staying = map_create(arena);
  bool changed = false;
  for (Op *op = body->first, *next; op; op = next) {
    next = op->next;
    if (!map_has(invariant, op)) continue;
    ValueList uses = {0};
    op_captures(arena, op, &uses);
    for (int i = 0; i < op->operand_count; i++) VEC_PUSH(arena, &uses, op->operands[i]);
    bool stays = grows(op) && !read_by_sum(body, invariant, op->results[0]);
    for (size_t i = 0; !stays && i < uses.count; i++)
      stays = uses.data[i]->op && map_has(staying, uses.data[i]->op);
    if (stays) {
      map_put(staying, op, op);
    } else {
      op_move_before(op, loop);
      changed = true;
    }
  }
  return changed;
}

static bool hoist_below(Arena *arena, Block *block) {
  bool changed = false;
  for (Op *op = block->first; op; op = op->next) {
    for (int i = 0; i < op->region_count; i++)
      changed = hoist_below(arena, op->regions[i]) || changed;
    for (int i = 0; op->code == OP_LOOP && i < op->region_count; i++)
      changed = hoist_region(arena, op, op->regions[i]) || changed;
  }
  return changed;
}

bool hoist_invariants(Block *block) {
  Arena *arena = arena_create();
  bool changed = hoist_below(arena, block);
  arena_destroy(arena);
  return changed;
}
