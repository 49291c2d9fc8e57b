// Marks: sets of values closed under dependence, forwards or backwards, through loops and branches.
//
// Enters: a set of values. Leaves: the set closed under "an op uses". Loops are taken to a fixpoint
// over their carries; as sets only grow, a nested block is scanned at most once per new carry.
#include "diff/diff_internal.h"

Marks marks_create(Arena *arena, bool data) {
  return (Marks){.arena = arena, .set = map_create(arena), .data = data};
}

bool marks_has(const Marks *marks, const Value *v) {
  return map_has(marks->set, v);
}

bool marks_add(Marks *marks, Value *v) {
  if (!marks->data && !dtype_is_float(v->type->dtype)) return false;
  if (map_has(marks->set, v)) return false;
  map_put(marks->set, v, v);
  return true;
}

static bool has_rule(const Op *custom) {
  for (int i = 1; i < custom->region_count; i++)
    if (custom->regions[i]->yields.count || custom->regions[i]->params.count) return true;
  return false;
}

// --- forwards -----------------------------------------------------------------------------------

static bool any_marked(const Marks *m, const ValueList *list) {
  for (size_t i = 0; i < list->count; i++)
    if (marks_has(m, list->data[i])) return true;
  return false;
}

static bool any_operand(const Marks *m, const Op *op) {
  for (int i = 0; i < op->operand_count; i++)
    if (marks_has(m, op->operands[i])) return true;
  return false;
}

static void add_results(Marks *m, Op *op) {
  for (int i = 0; i < op->result_count; i++) marks_add(m, op->results[i]);
}

static void forward_loop(Marks *m, Op *op) {
  Block *body = op->regions[0];
  int carries = op->attr.loop.carries;
  bool dynamic = m->data && marks_has(m, op->operands[0]);
  for (int i = 1; i < op->operand_count; i++)
    if (marks_has(m, op->operands[i])) marks_add(m, body->params.data[i]);
  for (bool again = true; again;) {
    again = false;
    marks_forward(m, body, body->first);
    for (int i = 0; i < carries; i++)
      if (marks_has(m, body->yields.data[i]) && marks_add(m, body->params.data[i + 1]))
        again = true;
  }
  if (m->data && op->region_count == 2) {
    Block *condition = op->regions[1];
    for (int i = 0; i < carries; i++)
      if (marks_has(m, body->params.data[i + 1])) marks_add(m, condition->params.data[i + 1]);
    marks_forward(m, condition, condition->first);
    dynamic = dynamic || any_marked(m, &condition->yields);
  }
  for (size_t i = 0; i < body->yields.count; i++)
    if (marks_has(m, body->yields.data[i]) ||
        ((int)i < carries && marks_has(m, op->operands[i + 1])))
      marks_add(m, op->results[i]);
  if (dynamic) add_results(m, op);
}

static void forward_if(Marks *m, Op *op) {
  for (int r = 0; r < 2; r++) {
    marks_forward(m, op->regions[r], op->regions[r]->first);
    for (int i = 0; i < op->result_count; i++)
      if (marks_has(m, op->regions[r]->yields.data[i])) marks_add(m, op->results[i]);
  }
  if (m->data && any_operand(m, op)) add_results(m, op);
}

static void forward_custom(Marks *m, Op *op) {
  Block *body = op->regions[0];
  for (int i = 0; i < op->operand_count; i++)
    if (marks_has(m, op->operands[i])) marks_add(m, body->params.data[i]);
  marks_forward(m, body, body->first);
  for (int i = 0; i < op->result_count; i++)
    if (marks_has(m, body->yields.data[i])) marks_add(m, op->results[i]);
  if (has_rule(op) && any_operand(m, op)) add_results(m, op);
}

static bool any_capture(const Marks *m, const Op *op) {
  ValueList captures = {0};
  op_captures(m->arena, op, &captures);
  return any_marked(m, &captures);
}

static void forward_op(Marks *m, Op *op) {
  if (op->region_count) {
    if (op->code == OP_LOOP) forward_loop(m, op);
    if (op->code == OP_IF) forward_if(m, op);
    if (op->code == OP_CUSTOM) forward_custom(m, op);
    if (m->whole && (any_operand(m, op) || any_capture(m, op))) add_results(m, op);
    return;
  }
  if (!m->data && op_table[op->code].derivative == DERIVATIVE_NONE) return;
  if (any_operand(m, op)) add_results(m, op);
}

void marks_forward(Marks *marks, Block *block, Op *first) {
  (void)block;
  for (Op *op = first; op; op = op->next) forward_op(marks, op);
}

// --- backwards ----------------------------------------------------------------------------------

static bool backward_yields(Marks *m, const Block *region, Value *const *results, int count) {
  bool grown = false;
  for (int i = 0; i < count; i++)
    if (marks_has(m, results[i]) && marks_add(m, region->yields.data[i])) grown = true;
  return grown;
}

static void backward_loop(Marks *m, Op *op) {
  Block *body = op->regions[0];
  int carries = op->attr.loop.carries;
  backward_yields(m, body, op->results, (int)body->yields.count);
  for (int i = 0; i < carries; i++) // a carry that is only replaced is a carry, too
    if (marks_has(m, op->results[i])) marks_add(m, body->params.data[i + 1]);
  if (m->data && op->region_count == 2) {
    Block *condition = op->regions[1];
    marks_add(m, condition->yields.data[0]);
    marks_backward(m, condition);
    for (int i = 0; i < carries; i++)
      if (marks_has(m, condition->params.data[i + 1])) marks_add(m, body->params.data[i + 1]);
  }
  for (bool again = true; again;) {
    again = false;
    marks_backward(m, body);
    for (int i = 0; i < carries; i++)
      if (marks_has(m, body->params.data[i + 1]) && marks_add(m, body->yields.data[i]))
        again = true;
  }
  for (int i = 1; i < op->operand_count; i++)
    if (marks_has(m, body->params.data[i]) || (i <= carries && marks_has(m, op->results[i - 1])))
      marks_add(m, op->operands[i]);
  if (m->data) marks_add(m, op->operands[0]);
}

static void marks_backward_op(Marks *m, Op *op) {
  bool used = m->data && op_has_note(op);
  for (int i = 0; i < op->result_count; i++) used = used || marks_has(m, op->results[i]);
  if (!used || (!m->data && op_table[op->code].derivative == DERIVATIVE_NONE)) return;
  if (op->code == OP_LOOP) {
    backward_loop(m, op);
    return;
  }
  bool direct = op->code != OP_CUSTOM || has_rule(op);
  if (op->code == OP_IF || op->code == OP_CUSTOM) {
    for (int r = 0; r < (op->code == OP_IF ? 2 : 1); r++) {
      backward_yields(m, op->regions[r], op->results, op->result_count);
      marks_backward(m, op->regions[r]);
    }
  }
  for (int i = 0; i < op->operand_count; i++)
    if (direct || marks_has(m, op->regions[0]->params.data[i])) marks_add(m, op->operands[i]);
}

void marks_backward(Marks *marks, Block *block) {
  for (Op *op = block->last; op; op = op->previous) marks_backward_op(marks, op);
}

// --- captures -----------------------------------------------------------------------------------

typedef struct Captures {
  Arena *arena;
  const Block *block;
  Map *seen;
  ValueList *list;
} Captures;

static void capture(Captures *c, Value *v) {
  if (map_has(c->seen, v)) return;
  map_put(c->seen, v, v);
  if (!block_encloses(c->block, v->block)) VEC_PUSH(c->arena, c->list, v);
}

static void capture_uses(Captures *c, const Block *block) {
  for (const Op *op = block->first; op; op = op->next) {
    for (int i = 0; i < op->operand_count; i++) capture(c, op->operands[i]);
    for (int i = 0; i < op->region_count; i++) capture_uses(c, op->regions[i]);
  }
  for (size_t i = 0; i < block->yields.count; i++) capture(c, block->yields.data[i]);
}

void block_captures(Arena *arena, const Block *block, ValueList *captures) {
  Captures c = {arena, block, map_create(arena), captures};
  capture_uses(&c, block);
}
