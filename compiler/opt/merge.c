// Merging of loops that run the same trips.
//
// Expects: a swept function. Changes: where loop Y computes all that loop X computes, X goes and
// its results are Y's (which may stack further rows). This is what makes a primal loop and the loop
// of its forward derivative one loop. Keeps: values; when Y stands behind X, the order of ops is
// restored by the sweep that has to follow. The idea: copy X's body into an empty block inside Y's
// body; sharing finds every op there, or X is not part of Y.
#include "opt/opt.h"

#include "diff/diff_internal.h"
#include "ir/ir_internal.h"

typedef struct Embedding {
  Arena *arena;
  Op *x, *y;
  Map *values; // of X's body -> of Y's
  int *carry;  // of X -> of Y
  bool notes;  // X has some
} Embedding;

// The n-th carry of X with a start value goes to the n-th of Y with the same.
static bool match_carries(Embedding *m) {
  int ours = m->x->attr.loop.carries, theirs = m->y->attr.loop.carries;
  bool *taken = ARENA_ARRAY(m->arena, bool, (size_t)theirs + 1);
  for (int i = 0; i < ours; i++) {
    int k = 0;
    while (k < theirs && (taken[k] || m->y->operands[k + 1] != m->x->operands[i + 1])) k++;
    if (k == theirs) return false;
    taken[k] = true;
    m->carry[i] = k;
    map_put(m->values, m->x->regions[0]->params.data[i + 1], m->y->regions[0]->params.data[k + 1]);
  }
  return true;
}

static bool match_rows(Embedding *m) {
  for (int i = m->x->attr.loop.carries + 1; i < m->x->operand_count; i++) {
    int k = m->y->attr.loop.carries + 1;
    while (k < m->y->operand_count && m->y->operands[k] != m->x->operands[i]) k++;
    if (k == m->y->operand_count) return false;
    map_put(m->values, m->x->regions[0]->params.data[i], m->y->regions[0]->params.data[k]);
  }
  return true;
}

static Value *image(const Embedding *m, Value *v) {
  Value *other = map_get(m->values, v);
  return other ? other : v;
}

// Finds the ops of a region among Y's. What is not found may only serve notes, which Y can take
// over.
static bool match_ops(Embedding *m, Block *source, Block *target) {
  Block *probe = block_create(target->module, target);
  Builder b = builder_at(probe);
  for (Op *op = source->first; op; op = op->next) {
    if (op->code == OP_NOTE) continue;
    Value **results = ARENA_ARRAY(m->arena, Value *, (size_t)op->result_count + 1);
    op_copy(&b, op, m->values, results);
    if (probe->first) {
      if (!m->notes || op_has_note(op)) return false;
      while (probe->first) op_remove(probe->first);
      continue;
    }
    for (int i = 0; i < op->result_count; i++) map_put(m->values, op->results[i], results[i]);
  }
  return true;
}

static bool match_condition(Embedding *m) {
  if (m->x->region_count != m->y->region_count) return false;
  if (m->x->region_count == 1) return true;
  Block *ours = m->x->regions[1], *theirs = m->y->regions[1];
  map_put(m->values, ours->params.data[0], theirs->params.data[0]);
  for (int i = 0; i < m->x->attr.loop.carries; i++)
    map_put(m->values, ours->params.data[i + 1], theirs->params.data[m->carry[i] + 1]);
  return match_ops(m, ours, theirs) && image(m, ours->yields.data[0]) == theirs->yields.data[0];
}

// Can Y's body see the value?
static bool visible(const Embedding *m, const Value *v) {
  if (block_encloses(m->y->regions[0], v->block)) return true;
  if (block_encloses(m->x->regions[0], v->block)) return false; // not found in Y
  return !v->op || v->block != m->y->block || v->op->order < m->y->order;
}

static bool embeds(Embedding *m) {
  const Attr *a = &m->x->attr, *b = &m->y->attr;
  if (m->x->operands[0] != m->y->operands[0] || a->loop.bound != b->loop.bound ||
      a->loop.reverse != b->loop.reverse)
    return false;
  Block *ours = m->x->regions[0], *theirs = m->y->regions[0];
  map_put(m->values, ours->params.data[0], theirs->params.data[0]);
  if (!match_carries(m) || !match_rows(m) || !match_ops(m, ours, theirs) || !match_condition(m))
    return false;
  for (int i = 0; i < a->loop.carries; i++)
    if (image(m, ours->yields.data[i]) != theirs->yields.data[m->carry[i]]) return false;
  for (size_t i = 0; i < ours->yields.count; i++)
    if (!visible(m, image(m, ours->yields.data[i]))) return false;
  return true;
}

// Copies X's notes, and what only they need, to Y's body. What X counts is no longer done apart.
static void take_notes(Embedding *m) {
  Builder b = builder_at(m->y->regions[0]);
  for (const Op *op = m->x->regions[0]->first; op; op = op->next) {
    if (op->result_count && map_has(m->values, op->results[0])) continue;
    if (op->code == OP_NOTE && module_note_counts(b.module, op->attr.note.number)) continue;
    Value **results = ARENA_ARRAY(m->arena, Value *, (size_t)op->result_count + 1);
    op_copy(&b, op, m->values, results);
    for (int i = 0; i < op->result_count; i++) map_put(m->values, op->results[i], results[i]);
  }
}

// Replaces X's results by Y's.
static void absorb(Embedding *m) {
  Block *block = m->x->block, *ours = m->x->regions[0];
  int carries = m->x->attr.loop.carries;
  if (m->notes) take_notes(m);
  for (int i = 0; i < m->x->result_count - 1; i++) {
    Value *result = i < carries ? m->y->results[m->carry[i]]
                                : ir_loop_stack(m->y, image(m, ours->yields.data[i]));
    value_replace(block, m->x->results[i], result);
  }
  value_replace(block, m->x->results[m->x->result_count - 1],
                m->y->results[m->y->result_count - 1]);
  op_remove(m->x);
}

// A loop that does nothing but count is no part of another one.
static bool only_counts(const Op *loop) {
  for (const Op *op = loop->regions[0]->first; op; op = op->next)
    if (op->code != OP_NOTE) return false;
  return true;
}

static bool try_embedding(Arena *arena, Op *x, Op *y) {
  if (only_counts(x)) return false;
  Embedding m = {arena,
                 x,
                 y,
                 map_create(arena),
                 ARENA_ARRAY(arena, int, (size_t)x->attr.loop.carries + 1),
                 op_has_note(x)};
  if (!embeds(&m)) return false;
  absorb(&m);
  return true;
}

static bool depends(Arena *arena, Op *y, Op *x) {
  Marks marks = marks_create(arena, true);
  marks.whole = true; // what counts is the order of ops
  for (int i = 0; i < x->result_count; i++) marks_add(&marks, x->results[i]);
  marks_forward(&marks, x->block, x->next);
  ValueList uses = {0};
  op_captures(arena, y, &uses);
  for (int i = 0; i < y->operand_count; i++) VEC_PUSH(arena, &uses, y->operands[i]);
  for (size_t i = 0; i < uses.count; i++)
    if (marks_has(&marks, uses.data[i])) return true;
  return false;
}

static bool merge_block(Arena *arena, Block *block) {
  bool changed = false;
  for (Op *first = block->first; first; first = first->next) {
    if (first->code != OP_LOOP) continue;
    for (Op *second = first->next, *next; second; second = next) {
      next = second->next;
      if (second->code != OP_LOOP) continue;
      if (try_embedding(arena, second, first)) {
        changed = true;
      } else if (!depends(arena, second, first) && try_embedding(arena, first, second)) {
        return true; // ops are out of order until the next sweep
      }
    }
  }
  if (changed) return true;
  for (Op *op = block->first; op; op = op->next)
    for (int i = 0; i < op->region_count; i++)
      if (merge_block(arena, op->regions[i])) return true;
  return false;
}

bool opt_merge_loops(Func *func) {
  Arena *arena = arena_create();
  bool changed = merge_block(arena, func->body);
  arena_destroy(arena);
  return changed;
}
