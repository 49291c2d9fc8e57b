// Tangents of loops, branches and functions with rules of their own.
//
// A loop, fused (forward mode): one loop that carries values and tangents. A loop, split: the
// primal loop stays and gains stacked outputs in place; a second loop over the recorded trips
// carries tangents only. A branch is always split: the primal `if` gains results, a second `if` has
// the tangents.
#include "diff/diff_internal.h"
#include "ir/ir_internal.h"

static const char no_bound[] = "the derivative of this loop needs its intermediate values, and "
                               "nothing bounds how many there are";
static const char no_tangent_rule[] =
    "this function gives only a transposed rule, so there is no derivative in forward mode";

static void yield_value(Block *block, Value *v) {
  VEC_PUSH(block->module->arena, &block->yields, v);
}

// --- loops, fused -------------------------------------------------------------------------------

typedef struct LoopTangent {
  Linearise *l;
  Op *op;
  Builder outer; // where the tangent loop goes
  Block *body;   // of the primal loop
  int carries;   // of the primal loop
  int *active;   // numbers of the carries that have a tangent
  int active_count;
  ValueList operands; // of the tangent loop, count excepted: tangents' start values, then stacked
} LoopTangent;

static LoopTangent loop_tangent(Linearise *l, Op *op) {
  LoopTangent t = {
      .l = l, .op = op, .outer = l->b, .body = op->regions[0], .carries = op->attr.loop.carries};
  t.active = ARENA_ARRAY(l->arena, int, (size_t)t.carries + 1);
  for (int i = 0; i < t.carries; i++)
    if (tangent_wanted(l, t.body->params.data[i + 1])) t.active[t.active_count++] = i;
  return t;
}

// Appends the tangents of the active carries to block's parameters and binds them to `primal`'s.
static void carry_tangents(LoopTangent *t, Block *block, Block *primal) {
  for (int k = 0; k < t->active_count; k++) {
    int i = t->active[k];
    Value *param = primal->params.data[i + 1];
    map_put(t->l->tangents, param, block_add_param(block, param->type, NULL));
    VEC_PUSH(t->l->arena, &t->operands, tangent_or_zero(t->l, t->op->operands[i + 1]));
  }
}

// The same for the rows of stacked inputs.
static void row_tangents(LoopTangent *t, Block *block, Block *primal) {
  for (int i = t->carries + 1; i < t->op->operand_count; i++) {
    Value *param = primal->params.data[i], *tangent = tangent_of(t->l, t->op->operands[i]);
    if (!tangent || !tangent_wanted(t->l, t->body->params.data[i])) continue;
    map_put(t->l->tangents, param, block_add_param(block, param->type, NULL));
    VEC_PUSH(t->l->arena, &t->operands, tangent);
  }
}

// Yields the tangents of the active carries and of the wanted stacked rows; `rows` lists the
// latter.
static void yield_tangents(LoopTangent *t, Block *block, Block *primal, int *rows, int *row_count) {
  Linearise *l = t->l;
  for (int k = 0; k < t->active_count; k++)
    yield_value(block, tangent_or_zero(l, primal->yields.data[t->active[k]]));
  for (int i = t->carries; i < t->op->result_count - 1; i++) {
    if (!tangent_wanted(l, t->op->results[i]) || i >= (int)primal->yields.count) continue;
    Value *tangent = tangent_of(l, primal->yields.data[i]);
    if (!tangent) continue;
    yield_value(block, tangent);
    rows[(*row_count)++] = i;
  }
}

static void give_results(LoopTangent *t, const Op *loop, int first, const int *rows, int row_count,
                         Value **results) {
  int outputs = loop->attr.loop.carries;
  for (int k = 0; k < t->active_count; k++) results[t->active[k]] = loop->results[first + k];
  for (int k = 0; k < row_count; k++) results[rows[k]] = loop->results[outputs + k];
}

// Copies ops (no notes) of a loop's region to a new block whose first parameters stand for its own.
static void copy_ops(Builder *b, const Block *source, Map *values, Arena *arena) {
  for (const Op *op = source->first; op; op = op->next) {
    if (op->code == OP_NOTE) continue;
    Value **copies = ARENA_ARRAY(arena, Value *, (size_t)op->result_count + 1);
    op_copy(b, op, values, copies);
    for (int i = 0; i < op->result_count; i++) map_put(values, op->results[i], copies[i]);
  }
}

static Value *copied(const Map *values, Value *v) {
  Value *copy = map_get(values, v);
  return copy ? copy : v;
}

static Block *copy_condition(LoopTangent *t) {
  Block *source = t->op->regions[1];
  Block *block = block_create(t->l->module, t->outer.block);
  Map *values = map_create(t->l->arena);
  for (size_t i = 0; i < source->params.count; i++) {
    Value *param = source->params.data[i];
    map_put(values, param, block_add_param(block, param->type, param->name));
  }
  for (int k = 0; k < t->active_count; k++)
    block_add_param(block, t->body->params.data[t->active[k] + 1]->type, NULL);
  Builder b = builder_at(block);
  copy_ops(&b, source, values, t->l->arena);
  yield_value(block, copied(values, source->yields.data[0]));
  return block;
}

// Gives copies the marks of what they were made from and closes the sets over the new block.
static void mark_copies(LoopTangent *t, Block *block, const Map *values) {
  Linearise *l = t->l;
  for (int i = 1; i < t->op->operand_count; i++) {
    Value *param = t->body->params.data[i], *copy = map_get(values, param);
    if (marks_has(&l->active, param)) marks_add(&l->active, copy);
    if (marks_has(&l->useful, param)) marks_add(&l->useful, copy);
  }
  marks_forward(&l->active, block, block->first);
  for (size_t i = 0; i < t->body->yields.count; i++)
    if (marks_has(&l->useful, t->body->yields.data[i]))
      marks_add(&l->useful, copied(values, t->body->yields.data[i]));
  marks_backward(&l->useful, block);
}

static void tangent_loop_fused(Linearise *l, Op *op, Value **results) {
  LoopTangent t = loop_tangent(l, op);
  Block *block = block_create(l->module, l->b.block);
  Map *values = map_create(l->arena);
  for (int i = 0; i <= t.carries; i++) {
    Value *param = t.body->params.data[i];
    map_put(values, param, block_add_param(block, param->type, param->name));
    if (i) VEC_PUSH(l->arena, &t.operands, op->operands[i]);
  }
  // Parameters must stand in order carries, tangents of carries, rows, tangents of rows.
  Block copy = {.module = l->module};
  for (int i = 0; i <= t.carries; i++) VEC_PUSH(l->arena, &copy.params, block->params.data[i]);
  carry_tangents(&t, block, &copy);
  for (int i = t.carries + 1; i < op->operand_count; i++) {
    Value *param = t.body->params.data[i];
    Value *row = block_add_param(block, param->type, param->name);
    map_put(values, param, row);
    VEC_PUSH(l->arena, &copy.params, row);
    VEC_PUSH(l->arena, &t.operands, op->operands[i]);
  }
  row_tangents(&t, block, &copy);
  Builder inside = builder_at(block);
  // Not shared with ops outside, which have had their turn: every copy gets marks of its own.
  block->parent = NULL;
  copy_ops(&inside, t.body, values, l->arena);
  block->parent = t.outer.block;
  mark_copies(&t, block, values);
  l->b = inside;
  linearise_ops(l, block);
  for (size_t i = 0; i < t.body->yields.count; i++) {
    Value *yield = copied(values, t.body->yields.data[i]);
    VEC_PUSH(l->arena, &copy.yields, yield);
    if ((int)i < t.carries) yield_value(block, yield);
  }
  int *rows = ARENA_ARRAY(l->arena, int, (size_t)op->result_count), row_count = 0;
  yield_tangents(&t, block, &copy, rows, &row_count);
  l->b = t.outer;
  if (!t.active_count && !row_count) return;
  int carries = t.carries + t.active_count;
  Block *condition = op->region_count == 2 ? copy_condition(&t) : NULL;
  Op *loop = ir_loop(&l->b, op->operands[0], op->attr.loop.bound, t.operands.data, carries,
                     t.operands.data + carries, (int)t.operands.count - carries, block, condition,
                     op->attr.loop.reverse);
  loop->attr.loop.recompute = op->attr.loop.recompute;
  give_results(&t, loop, t.carries, rows, row_count, results);
}

// --- loops, split -------------------------------------------------------------------------------

static bool loop_value_is_free(void *self, const Value *v) {
  const LoopTangent *t = self;
  if (!v->op) return v->index == 0 || v->index > t->carries;
  for (size_t i = (size_t)t->carries; i < t->body->yields.count; i++)
    if (t->body->yields.data[i] == v) return true;
  return false;
}

typedef struct LoopResiduals {
  LoopTangent t; // first, for loop_value_is_free
  Block *linear;
} LoopResiduals;

// A row the primal loop reads is read again; any other value becomes a stacked output of it.
static Value *keep_stacked(void *self, Value *v) {
  LoopResiduals *r = self;
  LoopTangent *t = &r->t;
  Linearise *l = t->l;
  Value *stack;
  if (!t->op->attr.loop.bound) {
    diff_fail(l->error, t->op->span, no_bound);
    return ir_zero(&l->b, v->type);
  }
  if (!v->op && v->index > t->carries) {
    stack = t->op->operands[v->index];
  } else {
    stack = ir_loop_stack(t->op, v);
  }
  VEC_PUSH(l->arena, &t->operands, stack);
  return block_add_param(r->linear, v->type, NULL);
}

static void tangent_loop_split(Linearise *l, Op *op, Value **results) {
  LoopResiduals r = {.t = loop_tangent(l, op)};
  LoopTangent *t = &r.t;
  Block *draft = block_create(l->module, l->b.block);
  r.linear = block_create(l->module, l->b.block);
  Value *counter = block_add_param(r.linear, type_scalar(l->module, DT_I64), NULL);
  carry_tangents(t, r.linear, t->body);
  row_tangents(t, r.linear, t->body);
  l->b = builder_at(draft);
  linearise_ops(l, t->body);
  int *rows = ARENA_ARRAY(l->arena, int, (size_t)op->result_count), row_count = 0;
  yield_tangents(t, draft, t->body, rows, &row_count);
  if (!t->active_count && !row_count) {
    l->b = t->outer;
    return;
  }
  Residuals residuals = {.l = l,
                         .primal = t->body,
                         .draft = draft,
                         .target = builder_at(r.linear),
                         .values = map_create(l->arena),
                         .is_free = loop_value_is_free,
                         .keep = keep_stacked,
                         .self = &r};
  map_put(residuals.values, t->body->params.data[0], counter);
  residuals_resolve(&residuals, &r.linear->yields);
  l->b = t->outer;
  if (row_count && !op->attr.loop.bound) diff_fail(l->error, op->span, no_bound);
  if (l->error->text) return;
  Value *trips = op->region_count == 2 ? op->results[op->result_count - 1] : op->operands[0];
  Op *loop = ir_loop(&l->b, trips, op->attr.loop.bound, t->operands.data, t->active_count,
                     t->operands.data + t->active_count, (int)t->operands.count - t->active_count,
                     r.linear, NULL, op->attr.loop.reverse);
  give_results(t, loop, 0, rows, row_count, results);
}

void tangent_LOOP(Linearise *l, Op *op, Value *const *tangents, Value **results) {
  (void)tangents;
  if (l->error->text) return;
  if (l->split) {
    tangent_loop_split(l, op, results);
  } else {
    tangent_loop_fused(l, op, results);
  }
}

// --- branches -----------------------------------------------------------------------------------

static bool never_free(void *self, const Value *v) {
  (void)self, (void)v;
  return false;
}

// One more result in place: `row` of the owner's region r, zeros of the other branch.
static Value *add_result(Op *op, int region, Value *row) {
  Module *module = op->block->module;
  for (int i = 0; i < op->result_count; i++)
    if (op->regions[region]->yields.data[i] == row) return op->results[i];
  for (int r = 0; r < (op->code == OP_IF ? 2 : 1); r++) {
    Builder b = builder_at(op->regions[r]);
    yield_value(op->regions[r], r == region ? row : ir_zero(&b, row->type));
  }
  Value **values = ARENA_ARRAY(module->arena, Value *, (size_t)op->result_count + 1);
  for (int i = 0; i < op->result_count; i++) values[i] = op->results[i];
  Value *v = values[op->result_count] = ARENA_NEW(module->arena, Value);
  *v = (Value){.type = row->type,
               .op = op,
               .block = op->block,
               .index = op->result_count,
               .id = module->next_id++};
  op->results = values;
  op->result_count++;
  if (op->code == OP_CUSTOM) op->attr.custom.results++;
  op_enter(op);
  return v;
}

typedef struct BranchResiduals {
  Op *op;
  int region;
} BranchResiduals;

static Value *keep_result(void *self, Value *v) {
  BranchResiduals *r = self;
  return add_result(r->op, r->region, v);
}

// Tangents of region r's yields as a draft; wanted[k] numbers the yields.
static Block *draft_region(Linearise *l, Op *op, int region, const int *wanted, int count) {
  Builder outer = l->b;
  Block *draft = block_create(l->module, outer.block);
  l->b = builder_at(draft);
  linearise_ops(l, op->regions[region]);
  for (int k = 0; k < count; k++)
    yield_value(draft, tangent_or_zero(l, op->regions[region]->yields.data[wanted[k]]));
  l->b = outer;
  return draft;
}

static void resolve_region(Linearise *l, Op *op, int region, Block *draft, Block *target) {
  BranchResiduals branch = {op, region};
  Residuals residuals = {.l = l,
                         .primal = op->regions[region],
                         .draft = draft,
                         .target = builder_at(target),
                         .values = map_create(l->arena),
                         .is_free = never_free,
                         .keep = keep_result,
                         .self = &branch};
  residuals_resolve(&residuals, &target->yields);
}

static int wanted_results(Linearise *l, const Op *op, int *wanted) {
  int count = 0;
  for (int i = 0; i < op->result_count; i++)
    if (tangent_wanted(l, op->results[i])) wanted[count++] = i;
  return count;
}

void tangent_IF(Linearise *l, Op *op, Value *const *tangents, Value **results) {
  (void)tangents;
  int *wanted = ARENA_ARRAY(l->arena, int, (size_t)op->result_count);
  int count = wanted_results(l, op, wanted);
  Block *drafts[2], *regions[2];
  for (int r = 0; r < 2; r++) drafts[r] = draft_region(l, op, r, wanted, count);
  if (l->error->text) return;
  for (int r = 0; r < 2; r++) {
    regions[r] = block_create(l->module, l->b.block);
    resolve_region(l, op, r, drafts[r], regions[r]);
  }
  Op *branch = ir_if(&l->b, op->operands[0], regions[0], regions[1]);
  for (int k = 0; k < count; k++) results[wanted[k]] = branch->results[k];
}

// --- functions with rules -----------------------------------------------------------------------

static bool region_given(const Op *op, int region) {
  return op->region_count > region &&
         (op->regions[region]->params.count || op->regions[region]->yields.count);
}

// Without rules: through region 0, which may have to return further values.
static void tangent_custom_inside(Linearise *l, Op *op, Value *const *tangents, Value **results) {
  Block *body = op->regions[0];
  int *wanted = ARENA_ARRAY(l->arena, int, (size_t)op->result_count);
  int count = wanted_results(l, op, wanted);
  Builder outer = l->b;
  for (int i = 0; i < op->operand_count; i++)
    if (tangents[i] && tangent_wanted(l, body->params.data[i]))
      map_put(l->tangents, body->params.data[i], tangents[i]);
  Block *draft = draft_region(l, op, 0, wanted, count);
  if (l->error->text) return;
  // No op owns the draft: its ops go straight to where it stands.
  ValueList yields = {0};
  BranchResiduals branch = {op, 0};
  Residuals residuals = {.l = l,
                         .primal = body,
                         .draft = draft,
                         .target = outer,
                         .values = map_create(l->arena),
                         .is_free = never_free,
                         .keep = keep_result,
                         .self = &branch};
  for (int i = 0; i < op->operand_count; i++)
    map_put(residuals.values, body->params.data[i], op->operands[i]);
  residuals_resolve(&residuals, &yields);
  for (int k = 0; k < count; k++) results[wanted[k]] = yields.data[k];
}

static void push(Linearise *l, ValueList *list, Value *const *values, int count, bool floats) {
  for (int i = 0; i < count; i++)
    if (!floats || dtype_is_float(values[i]->type->dtype)) VEC_PUSH(l->arena, list, values[i]);
}

// Operands, results, tangents of float operands.
static ValueList rule_arguments(Linearise *l, const Op *op, Value *const *tangents) {
  ValueList list = {0};
  push(l, &list, op->operands, op->operand_count, false);
  push(l, &list, op->results, op->result_count, false);
  for (int i = 0; i < op->operand_count; i++) {
    const Type *type = op->operands[i]->type;
    if (!dtype_is_float(type->dtype)) continue;
    VEC_PUSH(l->arena, &list, tangents[i] ? tangents[i] : ir_zero(&l->b, type));
  }
  return list;
}

// The region of the transposed rule for an op with operands (operands.., results.., tangents..):
// zeros for the first two groups, the given rule's cotangents for the last.
static Block *transposed_region(Linearise *l, const Op *op, const ValueList *arguments) {
  Block *block = block_create(l->module, l->b.block), *given = op->regions[2];
  ValueList inner = {0};
  int plain = op->operand_count + op->result_count;
  for (size_t i = 0; i < arguments->count; i++) {
    Value *param = block_add_param(block, arguments->data[i]->type, NULL);
    if ((int)i < plain) VEC_PUSH(l->arena, &inner, param);
  }
  for (int twice = 0; twice < 2; twice++) // results of the new op, then their cotangents
    for (int i = 0; i < op->result_count; i++) {
      if (!dtype_is_float(op->results[i]->type->dtype)) continue;
      Value *param = block_add_param(block, op->results[i]->type, NULL);
      if (twice) VEC_PUSH(l->arena, &inner, param);
    }
  Builder b = builder_at(block);
  Value **yields = ARENA_ARRAY(l->arena, Value *, given->yields.count + 1);
  ir_inline(&b, given, inner.data, given->yields.data, (int)given->yields.count, yields);
  for (int i = 0; i < plain; i++)
    if (dtype_is_float(arguments->data[i]->type->dtype))
      yield_value(block, ir_zero(&b, arguments->data[i]->type));
  for (size_t i = 0; i < given->yields.count; i++) yield_value(block, yields[i]);
  return block;
}

// A function of the tangents alone that lives until it is transposed: its value is never computed.
static Op *linear_custom(Linearise *l, const Op *op, const ValueList *arguments) {
  Block *value = block_create(l->module, l->b.block);
  for (size_t i = 0; i < arguments->count; i++)
    block_add_param(value, arguments->data[i]->type, NULL);
  Builder b = builder_at(value);
  for (int i = 0; i < op->result_count; i++)
    if (dtype_is_float(op->results[i]->type->dtype))
      yield_value(value, ir_zero(&b, op->results[i]->type));
  return ir_custom(&l->b, arguments->data, (int)arguments->count, value, NULL,
                   transposed_region(l, op, arguments));
}

void tangent_CUSTOM(Linearise *l, Op *op, Value *const *tangents, Value **results) {
  bool has_tangent = region_given(op, 1), has_transposed = region_given(op, 2);
  if (!has_tangent && !has_transposed) {
    tangent_custom_inside(l, op, tangents, results);
    return;
  }
  if (!has_tangent && !l->transient) {
    diff_fail(l->error, op->span, no_tangent_rule);
    return;
  }
  bool any = false;
  for (int i = 0; i < op->operand_count; i++) any = any || tangents[i];
  if (!any) return;
  ValueList arguments = rule_arguments(l, op, tangents);
  Value **given = ARENA_ARRAY(l->arena, Value *, (size_t)op->result_count + 1);
  if (l->transient && has_transposed) {
    const Op *linear = linear_custom(l, op, &arguments);
    for (int i = 0; i < linear->result_count; i++) given[i] = linear->results[i];
  } else {
    Block *rule = op->regions[1];
    ir_inline(&l->b, rule, arguments.data, rule->yields.data, (int)rule->yields.count, given);
  }
  int k = 0;
  for (int i = 0; i < op->result_count; i++)
    if (dtype_is_float(op->results[i]->type->dtype)) results[i] = given[k++];
}
