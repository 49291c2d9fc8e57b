// Transposes of linear loops, branches and functions with a transposed rule.
//
// A linear loop becomes a loop over the same trips in the other direction: cotangents of its
// carries are carried, cotangents of captured linear values are carried as sums, cotangents of
// stacked inputs become stacked outputs and the other way round. Residual rows are read again.
#include "diff/diff_internal.h"
#include "ir/ir_internal.h"

static const char mixed_carries[] =
    "this loop carries tangents together with other values; give a transposed rule";

static const char mixed_branch[] =
    "this tangent rule branches on its tangents, so it is not linear; give a transposed rule";

static void yield_value(Block *block, Value *v) {
  VEC_PUSH(block->module->arena, &block->yields, v);
}

static Transpose nested(Transpose *t, Block *source, Block *target) {
  Transpose inner = *t;
  inner.b = builder_at(target);
  inner.b.span = t->b.span;
  inner.source = source;
  inner.cotangents = map_create(t->arena);
  inner.outer = t;
  return inner;
}

// Linear values from outside an op's regions that its cotangents reach.
static void reached_captures(const Transpose *t, const Op *op, const Marks *reached,
                             ValueList *list) {
  ValueList captures = {0};
  op_captures(t->arena, op, &captures);
  for (size_t i = 0; i < captures.count; i++)
    if (is_linear(t, captures.data[i]) && marks_has(reached, captures.data[i]))
      VEC_PUSH(t->arena, list, captures.data[i]);
}

// --- loops --------------------------------------------------------------------------------------

typedef struct LoopTranspose {
  Transpose *t;
  Op *op;
  Block *source, *body;
  Value *const *ct;
  Marks reached;      // values of the linear body that cotangents come to
  bool *live;         // by carry
  ValueList captures; // linear ones
  ValueList starts;   // of the new loop's carries
  ValueList stacked;  // inputs of the new loop
} LoopTranspose;

// Which carries and captures get a cotangent: backwards from the results that have one.
static void reach(LoopTranspose *r) {
  int carries = r->op->attr.loop.carries;
  r->reached = marks_create(r->t->arena, false);
  r->live = ARENA_ARRAY(r->t->arena, bool, (size_t)carries + 1);
  for (size_t i = 0; i < r->source->yields.count; i++)
    if (r->ct[i]) marks_add(&r->reached, r->source->yields.data[i]);
  for (int i = 0; i < carries; i++) r->live[i] = r->ct[i] != NULL;
  for (bool again = true; again;) {
    again = false;
    marks_backward(&r->reached, r->source);
    for (int i = 0; i < carries; i++) {
      if (r->live[i] || !marks_has(&r->reached, r->source->params.data[i + 1])) continue;
      if (!is_linear(r->t, r->source->params.data[i + 1])) continue;
      r->live[i] = again = true;
      marks_add(&r->reached, r->source->yields.data[i]);
    }
  }
  reached_captures(r->t, r->op, &r->reached, &r->captures);
}

// Rows the body reads: residuals, and the cotangents of stacked outputs.
static void add_rows(LoopTranspose *r, Value **output_rows) {
  Transpose *t = r->t;
  int carries = r->op->attr.loop.carries;
  for (int i = carries + 1; i < r->op->operand_count; i++) {
    Value *param = r->source->params.data[i];
    if (is_linear(t, param)) continue;
    map_put(t->copies, param, block_add_param(r->body, param->type, NULL));
    VEC_PUSH(t->arena, &r->stacked, coefficient(t, r->op->operands[i]));
  }
  for (size_t i = (size_t)carries; i < r->source->yields.count; i++) {
    if (!r->ct[i]) continue;
    output_rows[i] = block_add_param(r->body, r->source->yields.data[i]->type, NULL);
    VEC_PUSH(t->arena, &r->stacked, r->ct[i]);
  }
}

static bool only_linear_carries(const LoopTranspose *r) {
  for (int i = 0; i < r->op->attr.loop.carries; i++)
    if (!dtype_is_float(r->source->params.data[i + 1]->type->dtype)) return false;
  return r->op->region_count == 1 && !is_linear(r->t, r->op->operands[0]);
}

static void loop_parameters(LoopTranspose *r, Transpose *inner, Value **next) {
  Transpose *t = r->t;
  block_add_param(r->body, type_scalar(t->module, DT_I64), NULL);
  map_put(t->copies, r->source->params.data[0], r->body->params.data[0]);
  for (int i = 0; i < r->op->attr.loop.carries; i++) {
    if (!r->live[i]) continue;
    const Type *type = r->source->params.data[i + 1]->type;
    next[i] = block_add_param(r->body, type, NULL);
    VEC_PUSH(t->arena, &r->starts, r->ct[i] ? r->ct[i] : ir_zero(&t->b, type));
  }
  for (size_t i = 0; i < r->captures.count; i++) {
    Value *v = r->captures.data[i];
    cotangent_set(inner, v, block_add_param(r->body, v->type, NULL));
    VEC_PUSH(t->arena, &r->starts, cotangent_or_zero(t, v));
  }
}

// Distributes the results of the new loop to start values, captures and stacked inputs.
static void loop_results(LoopTranspose *r, const Op *loop) {
  Transpose *t = r->t;
  int carries = r->op->attr.loop.carries, at = 0;
  Value **carried = ARENA_ARRAY(t->arena, Value *, (size_t)carries + 1);
  for (int i = 0; i < carries; i++)
    if (r->live[i]) carried[i] = loop->results[at++];
  for (size_t i = 0; i < r->captures.count; i++)
    cotangent_set(t, r->captures.data[i], loop->results[at++]);
  for (int i = 0; i < carries; i++)
    if (r->live[i]) cotangent_add(t, r->op->operands[i + 1], carried[i]);
  for (int i = carries + 1; i < r->op->operand_count; i++)
    if (is_linear(t, r->source->params.data[i]) &&
        marks_has(&r->reached, r->source->params.data[i]))
      cotangent_add(t, r->op->operands[i], loop->results[at++]);
}

void transpose_LOOP(Transpose *t, Op *op, Value *const *ct) {
  LoopTranspose r = {.t = t, .op = op, .source = op->regions[0], .ct = ct};
  if (!only_linear_carries(&r)) {
    diff_fail(t->error, op->span, mixed_carries);
    return;
  }
  int carries = op->attr.loop.carries;
  reach(&r);
  r.body = block_create(t->module, t->b.block);
  Transpose inner = nested(t, r.source, r.body);
  Value **next = ARENA_ARRAY(t->arena, Value *, (size_t)carries + 1);
  Value **rows = ARENA_ARRAY(t->arena, Value *, r.source->yields.count + 1);
  loop_parameters(&r, &inner, next);
  add_rows(&r, rows);
  for (int i = 0; i < carries; i++)
    if (r.live[i]) cotangent_add(&inner, r.source->yields.data[i], next[i]);
  for (size_t i = (size_t)carries; i < r.source->yields.count; i++)
    cotangent_add(&inner, r.source->yields.data[i], rows[i]);
  transpose_ops(&inner, r.source->last, NULL);
  for (int i = 0; i < carries; i++)
    if (r.live[i]) yield_value(r.body, cotangent_or_zero(&inner, r.source->params.data[i + 1]));
  for (size_t i = 0; i < r.captures.count; i++)
    yield_value(r.body, cotangent_of(&inner, r.captures.data[i]));
  for (int i = carries + 1; i < op->operand_count; i++) {
    Value *param = r.source->params.data[i];
    if (is_linear(t, param) && marks_has(&r.reached, param))
      yield_value(r.body, cotangent_or_zero(&inner, param));
  }
  Op *loop = ir_loop(&t->b, coefficient(t, op->operands[0]), op->attr.loop.bound, r.starts.data,
                     (int)r.starts.count, r.stacked.data, (int)r.stacked.count, r.body, NULL,
                     !op->attr.loop.reverse);
  loop_results(&r, loop);
}

// --- branches -----------------------------------------------------------------------------------

void transpose_IF(Transpose *t, Op *op, Value *const *ct) {
  if (is_linear(t, op->operands[0])) {
    diff_fail(t->error, op->span, mixed_branch);
    return;
  }
  Marks reached = marks_create(t->arena, false);
  for (int r = 0; r < 2; r++) {
    for (int i = 0; i < op->result_count; i++)
      if (ct[i]) marks_add(&reached, op->regions[r]->yields.data[i]);
    marks_backward(&reached, op->regions[r]);
  }
  ValueList captures = {0};
  reached_captures(t, op, &reached, &captures);
  if (!captures.count) return;
  Block *regions[2];
  for (int r = 0; r < 2; r++) {
    Block *source = op->regions[r];
    regions[r] = block_create(t->module, t->b.block);
    Transpose inner = nested(t, source, regions[r]);
    for (size_t i = 0; i < captures.count; i++)
      cotangent_set(&inner, captures.data[i], cotangent_of(t, captures.data[i]));
    for (int i = 0; i < op->result_count; i++) cotangent_add(&inner, source->yields.data[i], ct[i]);
    transpose_ops(&inner, source->last, NULL);
    for (size_t i = 0; i < captures.count; i++)
      yield_value(regions[r], cotangent_or_zero(&inner, captures.data[i]));
  }
  Op *branch = ir_if(&t->b, coefficient(t, op->operands[0]), regions[0], regions[1]);
  for (size_t i = 0; i < captures.count; i++)
    cotangent_set(t, captures.data[i], branch->results[i]);
}

// --- functions with rules -----------------------------------------------------------------------

void transpose_CUSTOM(Transpose *t, Op *op, Value *const *ct) {
  if (op->region_count < 3) {
    diff_fail(t->error, op->span, mixed_carries);
    return;
  }
  Block *rule = op->regions[2];
  ValueList arguments = {0};
  for (int i = 0; i < op->operand_count; i++) {
    Value *v = op->operands[i];
    VEC_PUSH(t->arena, &arguments, is_linear(t, v) ? ir_zero(&t->b, v->type) : coefficient(t, v));
  }
  for (int i = 0; i < op->result_count; i++)
    VEC_PUSH(t->arena, &arguments, ir_zero(&t->b, op->results[i]->type));
  for (int i = 0; i < op->result_count; i++)
    VEC_PUSH(t->arena, &arguments, ct[i] ? ct[i] : ir_zero(&t->b, op->results[i]->type));
  // What the rule captures may stand in the body of a loop that is itself being transposed.
  Map *values = map_create(t->arena);
  for (size_t i = 0; i < rule->params.count; i++)
    map_put(values, rule->params.data[i], arguments.data[i]);
  ValueList captures = {0};
  block_captures(t->arena, rule, &captures);
  for (size_t i = 0; i < captures.count; i++)
    map_put(values, captures.data[i], coefficient(t, captures.data[i]));
  int count = (int)rule->yields.count;
  Value **results = ARENA_ARRAY(t->arena, Value *, (size_t)count + 1);
  block_inline(&t->b, rule, values, rule->yields.data, count, results);
  for (int i = 0, k = 0; i < op->operand_count; i++)
    if (dtype_is_float(op->operands[i]->type->dtype))
      cotangent_add(t, op->operands[i], results[k++]);
}
