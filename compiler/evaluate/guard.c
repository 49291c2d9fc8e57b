// Branches of an `if` that chooses entry by entry: what is not taken is not read.
//
// Enters: a branch and the truth values under which its entries count. Leaves: its value, evaluated
// in full, but with the indices of gathers that feed one entry each set to 0 where that entry is
// not taken: an index out of range there is no mistake.
#include "evaluate/staging.h"

static bool same_shape(const Type *a, const Type *b) {
  bool same = a->rank == b->rank;
  for (int i = 0; same && i < a->rank; i++) same = a->shape[i] == b->shape[i];
  return same;
}

// Which values feed the results entry by entry, and which reach something else as well.
typedef struct Flow {
  Map *aligned, *spoiled;
} Flow;

static bool is_aligned(const Flow *flow, const Value *v) {
  return map_has(flow->aligned, v) && !map_has(flow->spoiled, v);
}

static void follow(const Flow *flow, const Block *block) {
  Arena *arena = block->module->arena;
  for (const Op *op = block->last; op; op = op->previous) {
    bool passes = op_table[op->code].group == GROUP_ELEMENTWISE && op->result_count == 1 &&
                  is_aligned(flow, op->results[0]);
    ValueList uses = {0};
    op_captures(arena, op, &uses);
    for (int i = 0; i < op->operand_count; i++) VEC_PUSH(arena, &uses, op->operands[i]);
    for (size_t i = 0; i < uses.count; i++)
      map_put(passes ? flow->aligned : flow->spoiled, uses.data[i], NULL);
  }
}

static void guard_gather(Op *op, Value *condition) {
  Builder b = builder_at(op->block);
  b.span = op->span;
  for (int k = 1; k < op->operand_count; k++) {
    Value *index = op->operands[k];
    Value *guarded = ir_select(&b, condition, index, ir_zero(&b, index->type));
    Op *made = guarded->op;
    if (made && made->block == op->block && made->order > op->order) {
      Op *zero = made->operands[2]->op;
      if (zero && zero->block == op->block && zero->order > op->order) op_move_before(zero, op);
      op_move_before(made, op);
    }
    op->operands[k] = guarded;
  }
}

typedef struct Copies {
  const Type *shape;
  Flow flow;
  ValueList tensors;
  Value **results;
  size_t next;
} Copies;

static Staged *collect_leaf(Evaluator *e, Staged *leaf, void *self) {
  Copies *c = self;
  if (leaf->kind != STAGED_TENSOR) return leaf;
  VEC_PUSH(e->arena, &c->tensors, leaf->tensor);
  map_put(same_shape(leaf->tensor->type, c->shape) ? c->flow.aligned : c->flow.spoiled,
          leaf->tensor, NULL);
  return leaf;
}

static Staged *copied_leaf(Evaluator *e, Staged *leaf, void *self) {
  Copies *c = self;
  return leaf->kind == STAGED_TENSOR ? staged_tensor(e, c->results[c->next++]) : leaf;
}

Staged *evaluate_guarded(Evaluator *e, const Node *node, const Environment *environment,
                         Value *condition, bool taken) {
  Block *outer = e->builder.block;
  if (!taken) condition = ir_unary(&e->builder, OP_NOT, condition);
  Block *block = e->builder.block = block_create(e->module, outer);
  Staged *value = evaluate(e, node, environment, NULL);
  e->builder.block = outer;
  if (staged_is_poison(value) || !staged_is_data(value)) return value;
  Copies c = {.shape = condition->type, .flow = {map_create(e->arena), map_create(e->arena)}};
  map_leaves(e, value, collect_leaf, &c);
  follow(&c.flow, block);
  for (Op *op = block->first; op; op = op->next)
    if (op->code == OP_GATHER && is_aligned(&c.flow, op->results[0]) &&
        same_shape(op->operands[1]->type, condition->type))
      guard_gather(op, condition);
  c.results = ARENA_ARRAY(e->arena, Value *, c.tensors.count + 1);
  ir_inline(&e->builder, block, NULL, c.tensors.data, (int)c.tensors.count, c.results);
  return map_leaves(e, value, copied_leaf, &c);
}
