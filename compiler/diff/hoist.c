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

// Is the value, or a view of it, read by a contraction or reduction of the block?
static bool read_by_sum(const Block *block, const Value *v) {
  for (const Op *op = block->first; op; op = op->next) {
    for (int i = 0; i < op->operand_count; i++) {
      if (op->operands[i] != v) continue;
      OpGroup group = op_table[op->code].group;
      if (group == GROUP_CONTRACTION || group == GROUP_REDUCTION) return true;
      if (is_free_op(op) && read_by_sum(block, op->results[0])) return true;
    }
    for (int i = 0; i < op->region_count; i++)
      if (read_by_sum(op->regions[i], v)) return true;
  }
  return false;
}

static bool varies(const Block *body, const Value *v) {
  return block_encloses(body, v->block);
}

static bool is_invariant(Arena *arena, const Block *body, const Op *op) {
  for (int i = 0; i < op->operand_count; i++)
    if (varies(body, op->operands[i])) return false;
  if (!op->region_count) return true;
  ValueList captures = {0};
  op_captures(arena, op, &captures);
  for (size_t i = 0; i < captures.count; i++)
    if (varies(body, captures.data[i])) return false;
  return true;
}

static bool hoist_region(Arena *arena, Op *loop, Block *body) {
  bool changed = false;
  for (Op *op = body->first; op;) {
    Op *next = op->next;
    if (!op_has_note(op) && is_invariant(arena, body, op) &&
        !(grows(op) && !read_by_sum(body, op->results[0]))) {
      op_move_before(op, loop);
      changed = true;
    }
    op = next;
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
