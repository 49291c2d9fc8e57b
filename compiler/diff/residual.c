// Residuals: what a linear body needs from the primal body it was split from.
//
// Enters: a draft of the linear body that names values of the primal body. Leaves: the same ops in
// a block where those values are kept (stacked by a loop, returned by a branch) or recomputed from
// kept ones. The one idea: what is expensive is kept; an elementwise chain, index map or gather is
// recomputed when the values it starts from cost no more bytes than its result, and a loop that is
// marked `recompute` is run again whatever it costs.
#include "diff/diff_internal.h"
#include "ir/ir_internal.h"

static bool is_cheap(const Op *op) {
  switch (op_table[op->code].group) {
  case GROUP_SOURCE:
  case GROUP_ELEMENTWISE:
  case GROUP_INDEX:
    return true;
  case GROUP_DATA:
    return op->code == OP_GATHER || op->code == OP_DYNAMIC_SLICE;
  case GROUP_REDUCTION:
  case GROUP_CONTRACTION:
  case GROUP_CONTROL:
    return false;
  }
  return false;
}

// --- plan ---------------------------------------------------------------------------------------

static bool visible(const Residuals *r, const Value *v) {
  return v->block != r->primal || map_has(r->values, v);
}

// Does the value depend on no parameter of the primal block? Such ops are computed again wherever
// they are: invariant code motion takes both copies out of the loop and makes them one.
static bool is_invariant(Residuals *r, Value *v) {
  if (v->block != r->primal) return true;
  if (!v->op) return false;
  if (map_has(r->varying, v)) return false;
  if (map_has(r->invariant, v)) return true;
  ValueList uses = {0};
  op_captures(r->l->arena, v->op, &uses);
  for (int i = 0; i < v->op->operand_count; i++) VEC_PUSH(r->l->arena, &uses, v->op->operands[i]);
  bool invariant = true;
  for (size_t i = 0; invariant && i < uses.count; i++) invariant = is_invariant(r, uses.data[i]);
  map_put(invariant ? r->invariant : r->varying, v, v);
  return invariant;
}

// Loops that ask for it are run again: their carries' starts are kept instead of all that they
// stack.
static bool runs_again(const Value *v) {
  return v->op && v->op->code == OP_LOOP && v->op->attr.loop.recompute;
}

static bool must_keep(Residuals *r, Value *v) {
  return !v->op || !(is_cheap(v->op) || runs_again(v) || is_invariant(r, v));
}

// Bytes that recomputing v would newly keep.
static double recompute_cost(Residuals *r, Value *v, Map *seen) {
  if (map_has(seen, v)) return 0;
  map_put(seen, v, v);
  if (visible(r, v) || map_has(r->kept, v) || r->is_free(r->self, v)) return 0;
  if (must_keep(r, v)) return nominal_bytes(v->type);
  ValueList uses = {0};
  op_captures(r->l->arena, v->op, &uses);
  double cost = 0;
  for (size_t i = 0; i < uses.count; i++) cost += recompute_cost(r, uses.data[i], seen);
  for (int i = 0; i < v->op->operand_count; i++)
    cost += recompute_cost(r, v->op->operands[i], seen);
  return cost;
}

static void keep_needs(Residuals *r, Value *v, Map *seen) {
  if (map_has(seen, v)) return;
  map_put(seen, v, v);
  if (visible(r, v) || map_has(r->kept, v)) return;
  if (r->is_free(r->self, v) || must_keep(r, v)) {
    map_put(r->kept, v, v);
    return;
  }
  ValueList uses = {0};
  op_captures(r->l->arena, v->op, &uses);
  for (size_t i = 0; i < uses.count; i++) keep_needs(r, uses.data[i], seen);
  for (int i = 0; i < v->op->operand_count; i++) keep_needs(r, v->op->operands[i], seen);
}

static void plan(Residuals *r, const ValueList *foreign) {
  Arena *arena = r->l->arena;
  for (size_t i = 0; i < foreign->count; i++) {
    Value *v = foreign->data[i];
    if (!visible(r, v) && must_keep(r, v)) map_put(r->kept, v, v);
  }
  // In order of creation, so that what later values are computed from is decided first.
  for (size_t i = 0; i < foreign->count; i++) {
    Value *v = foreign->data[i];
    if (visible(r, v) || map_has(r->kept, v)) continue;
    if (runs_again(v) || is_invariant(r, v) ||
        recompute_cost(r, v, map_create(arena)) <= nominal_bytes(v->type)) {
      keep_needs(r, v, map_create(arena));
    } else {
      map_put(r->kept, v, v);
    }
  }
}

// --- moving -------------------------------------------------------------------------------------

static Value *residuals_value(Residuals *r, Value *v) {
  Value *found = map_get(r->values, v);
  if (found) return found;
  if (v->block != r->primal) return v;
  if (map_has(r->kept, v) || !v->op) {
    found = r->keep(r->self, v);
    map_put(r->values, v, found);
    return found;
  }
  Op *op = v->op;
  ValueList uses = {0};
  op_captures(r->l->arena, op, &uses);
  for (size_t i = 0; i < uses.count; i++) residuals_value(r, uses.data[i]);
  for (int i = 0; i < op->operand_count; i++) residuals_value(r, op->operands[i]);
  Value **results = ARENA_ARRAY(r->l->arena, Value *, (size_t)op->result_count);
  op_copy(&r->target, op, r->values, results);
  for (int i = 0; i < op->result_count; i++) map_put(r->values, op->results[i], results[i]);
  return map_get(r->values, v);
}

static void sort_by_creation(ValueList *list) {
  for (size_t i = 1; i < list->count; i++) {
    Value *v = list->data[i];
    size_t k = i;
    for (; k > 0 && list->data[k - 1]->id > v->id; k--) list->data[k] = list->data[k - 1];
    list->data[k] = v;
  }
}

void residuals_resolve(Residuals *r, ValueList *yields) {
  Arena *arena = r->l->arena;
  ValueList captures = {0}, foreign = {0};
  block_captures(arena, r->draft, &captures);
  for (size_t i = 0; i < captures.count; i++)
    if (captures.data[i]->block == r->primal) VEC_PUSH(arena, &foreign, captures.data[i]);
  sort_by_creation(&foreign);
  r->kept = map_create(arena);
  r->invariant = map_create(arena);
  r->varying = map_create(arena);
  plan(r, &foreign);
  for (size_t i = 0; i < foreign.count; i++) residuals_value(r, foreign.data[i]);
  for (Op *op = r->draft->first; op; op = op->next) {
    Value **results = ARENA_ARRAY(arena, Value *, (size_t)op->result_count + 1);
    op_copy(&r->target, op, r->values, results);
    for (int i = 0; i < op->result_count; i++) map_put(r->values, op->results[i], results[i]);
  }
  for (size_t i = 0; i < r->draft->yields.count; i++)
    VEC_PUSH(r->l->module->arena, yields, residuals_value(r, r->draft->yields.data[i]));
}
