// Batching of loops, branches and functions with rules.
//
// A loop whose trips depend on the row runs while any row is active; rows that are done keep their
// values. A branch on a row's value computes both sides and selects.
#include "diff/batch_internal.h"

static void yield_value(Block *block, Value *v) {
  VEC_PUSH(block->module->arena, &block->yields, v);
}

static Value * and (Builder * b, Value *x, Value *y) {
  return !x ? y : !y ? x : ir_binary(b, OP_AND, x, y);
}

// --- loops --------------------------------------------------------------------------------------

typedef struct LoopBatch {
  Batch *t;
  Op *op;
  int carries, outputs;
  bool *row;        // by carry
  bool *output_row; // by stacked output
  bool masked;      // rows stop at different trips
  Block *body, *condition;
  Value *active, *trips; // carried parameters of the body when masked, [extent] each
} LoopBatch;

static const Type *carry_type(const LoopBatch *r, int i) {
  const Type *type = r->op->operands[i + 1]->type;
  return r->row[i] ? lead_type(r->t, type) : type;
}

// Parameters counter, carries and (masked) active, trips; binds those of `source`.
static void carry_parameters(LoopBatch *r, Block *block, Block *source, Value **active,
                             Value **trips) {
  Module *module = r->t->module;
  Value *counter = block_add_param(block, type_scalar(module, DT_I64), NULL);
  bind(r->t, source->params.data[0], counter, false);
  for (int i = 0; i < r->carries; i++) {
    Value *param = source->params.data[i + 1];
    bind(r->t, param, block_add_param(block, carry_type(r, i), param->name), r->row[i]);
  }
  if (!r->masked) return;
  *active = block_add_param(block, lead_type(r->t, type_scalar(module, DT_BOOL)), NULL);
  *trips = block_add_param(block, lead_type(r->t, type_scalar(module, DT_I64)), NULL);
}

// Which rows run this trip, as seen from the block that `counter` and the condition's carries are
// in.
static Value *rows_running(LoopBatch *r, Value *active, Value *counter, Block *condition) {
  Batch *t = r->t;
  Value *count = r->op->operands[0];
  if (is_row(t, count)) {
    Value *limit = lead(t, count);
    active =
        and(&t->b, active, ir_compare(&t->b, COMPARE_LT, lead_value(t, counter, false), limit));
  }
  if (!condition) return active;
  batch_ops(t, condition, NULL);
  return and(&t->b, active, lead(t, condition->yields.data[0]));
}

// Binds the condition's parameters to the body's and finds the rows that run.
static Value *body_mask(LoopBatch *r) {
  Batch *t = r->t;
  Block *source = r->op->regions[0],
        *condition = r->op->region_count == 2 ? r->op->regions[1] : NULL;
  for (int i = 0; condition && i <= r->carries; i++)
    bind(t, condition->params.data[i], image(t, source->params.data[i]),
         is_row(t, source->params.data[i]));
  return rows_running(r, r->active, image(t, source->params.data[0]), condition);
}

static Value *choose(LoopBatch *r, Value *mask, Value *new, Value *old) {
  return ir_select(&r->t->b, mask_like(r->t, mask, new->type), new, old);
}

// One try at the body with the present guess of which carries have rows; false when one more has.
static bool batch_body(LoopBatch *r) {
  Batch *t = r->t;
  Block *source = r->op->regions[0];
  Builder outer = t->b;
  Value *outer_mask = t->mask, *mask = NULL;
  bool settled = true;
  r->body = block_create(t->module, outer.block);
  t->b = builder_at(r->body);
  carry_parameters(r, r->body, source, &r->active, &r->trips);
  for (int i = r->carries + 1; i < r->op->operand_count; i++) {
    const Type *type = source->params.data[i]->type;
    bool row = is_row(t, r->op->operands[i]);
    bind(t, source->params.data[i], block_add_param(r->body, row ? lead_type(t, type) : type, NULL),
         row);
  }
  if (r->masked) {
    mask = body_mask(r);
    t->mask = and(&t->b, outer_mask, mask);
  }
  batch_ops(t, source, NULL);
  for (int i = 0; i < r->carries; i++) {
    Value *next = source->yields.data[i];
    if (is_row(t, next) && !r->row[i]) {
      r->row[i] = true;
      settled = false;
    }
    Value *new = r->row[i] ? lead(t, next) : image(t, next);
    yield_value(r->body,
                mask && settled ? choose(r, mask, new, image(t, source->params.data[i + 1])) : new);
  }
  if (r->masked) {
    // A row whose condition failed stays done; a count alone is looked at anew in each trip.
    yield_value(r->body, r->op->region_count == 2 ? mask : r->active);
    yield_value(r->body, ir_binary(&t->b, OP_ADD, r->trips, ir_convert(&t->b, mask, DT_I64)));
  }
  for (int i = 0; i < r->outputs; i++) {
    Value *out = source->yields.data[r->carries + i];
    r->output_row[i] = r->masked || is_row(t, out);
    Value *value = r->output_row[i] ? lead(t, out) : image(t, out);
    yield_value(r->body, mask ? choose(r, mask, value, ir_zero(&t->b, value->type)) : value);
  }
  t->b = outer;
  t->mask = outer_mask;
  return settled;
}

// The new loop's condition; false when it depends on the row and the loop is not masked yet.
static bool batch_condition(LoopBatch *r) {
  Batch *t = r->t;
  r->condition = NULL;
  if (r->op->region_count < 2) return true;
  Block *source = r->op->regions[1];
  Builder outer = t->b;
  Value *active = NULL, *trips = NULL;
  r->condition = block_create(t->module, outer.block);
  t->b = builder_at(r->condition);
  carry_parameters(r, r->condition, source, &active, &trips);
  bool good = true;
  if (r->masked) {
    Value *rows = rows_running(r, active, image(t, source->params.data[0]), source);
    Value *any = ir_reduce(&t->b, OP_REDUCE_MAX, ir_convert(&t->b, rows, DT_I64), 1);
    yield_value(r->condition, ir_compare(&t->b, COMPARE_GT, any, ir_zero(&t->b, any->type)));
  } else {
    batch_ops(t, source, NULL);
    good = !is_row(t, source->yields.data[0]);
    yield_value(r->condition, image(t, source->yields.data[0]));
  }
  t->b = outer;
  return good;
}

static void all_masked(LoopBatch *r) {
  r->masked = true;
  for (int i = 0; i < r->carries; i++) r->row[i] = true;
}

// Until the guess of rows is settled; it only grows.
static void settle(LoopBatch *r) {
  for (;;) {
    if (!batch_body(r)) continue;
    if (batch_condition(r)) return;
    all_masked(r);
  }
}

static Value *batched_count(LoopBatch *r) {
  Batch *t = r->t;
  Value *count = r->op->operands[0];
  if (!is_row(t, count)) return image(t, count);
  Value *most = ir_reduce(&t->b, OP_REDUCE_MAX, image(t, count), 1);
  return ir_binary(&t->b, OP_MAX, most, ir_zero(&t->b, most->type));
}

void batch_LOOP(Batch *t, Op *op) {
  LoopBatch r = {.t = t, .op = op, .carries = op->attr.loop.carries};
  r.outputs = op->attr.loop.stacked_out;
  r.row = ARENA_ARRAY(t->arena, bool, (size_t)r.carries + 1);
  r.output_row = ARENA_ARRAY(t->arena, bool, (size_t)r.outputs + 1);
  for (int i = 0; i < r.carries; i++) r.row[i] = is_row(t, op->operands[i + 1]);
  if (is_row(t, op->operands[0])) all_masked(&r);
  settle(&r);
  ValueList operands = {0};
  for (int i = 0; i < r.carries; i++) {
    Value *start = op->operands[i + 1];
    VEC_PUSH(t->arena, &operands, r.row[i] ? lead(t, start) : image(t, start));
  }
  if (r.masked) {
    const Type *boolean = lead_type(t, type_scalar(t->module, DT_BOOL));
    const Type *integer = lead_type(t, type_scalar(t->module, DT_I64));
    VEC_PUSH(t->arena, &operands, ir_integer(&t->b, boolean, 1));
    VEC_PUSH(t->arena, &operands, ir_zero(&t->b, integer));
  }
  int carries = (int)operands.count;
  for (int i = r.carries + 1; i < op->operand_count; i++) {
    Value *stack = image(t, op->operands[i]);
    if (is_row(t, op->operands[i])) stack = move_axis(&t->b, stack, 1, 0);
    VEC_PUSH(t->arena, &operands, stack);
  }
  Op *loop = ir_loop(&t->b, batched_count(&r), op->attr.loop.bound, operands.data, carries,
                     operands.data + carries, (int)operands.count - carries, r.body, r.condition,
                     op->attr.loop.reverse);
  loop->attr.loop.recompute = op->attr.loop.recompute;
  for (int i = 0; i < r.carries; i++) bind(t, op->results[i], loop->results[i], r.row[i]);
  for (int i = 0; i < r.outputs; i++) {
    Value *stack = loop->results[carries + i];
    if (r.output_row[i]) stack = move_axis(&t->b, stack, 1, 0);
    bind(t, op->results[r.carries + i], stack, r.output_row[i]);
  }
  Value *trips = loop->results[r.masked ? carries - 1 : loop->result_count - 1];
  bind(t, op->results[op->result_count - 1], trips, r.masked);
}

// --- branches -----------------------------------------------------------------------------------

// Both sides, then a choice per row.
static void batch_choice(Batch *t, Op *op) {
  Value *mask = t->mask, *condition = lead(t, op->operands[0]);
  for (int side = 0; side < 2; side++) {
    Value *own = side ? ir_unary(&t->b, OP_NOT, condition) : condition;
    t->mask = and(&t->b, mask, own);
    batch_ops(t, op->regions[side], NULL);
  }
  t->mask = mask;
  for (int i = 0; i < op->result_count; i++) {
    Value *yes = lead(t, op->regions[0]->yields.data[i]);
    Value *no = lead(t, op->regions[1]->yields.data[i]);
    bind(t, op->results[i], ir_select(&t->b, mask_like(t, condition, yes->type), yes, no), true);
  }
}

void batch_IF(Batch *t, Op *op) {
  if (is_row(t, op->operands[0])) {
    batch_choice(t, op);
    return;
  }
  Builder outer = t->b, inside[2];
  Block *regions[2];
  for (int side = 0; side < 2; side++) {
    regions[side] = block_create(t->module, outer.block);
    t->b = builder_at(regions[side]);
    batch_ops(t, op->regions[side], NULL);
    inside[side] = t->b;
  }
  bool *rows = ARENA_ARRAY(t->arena, bool, (size_t)op->result_count + 1);
  for (int i = 0; i < op->result_count; i++) {
    Value *yields[2] = {op->regions[0]->yields.data[i], op->regions[1]->yields.data[i]};
    rows[i] = is_row(t, yields[0]) || is_row(t, yields[1]);
    for (int side = 0; side < 2; side++) {
      t->b = inside[side];
      yield_value(regions[side], rows[i] ? lead(t, yields[side]) : image(t, yields[side]));
    }
  }
  t->b = outer;
  Op *branch = ir_if(&t->b, image(t, op->operands[0]), regions[0], regions[1]);
  for (int i = 0; i < op->result_count; i++) bind(t, op->results[i], branch->results[i], rows[i]);
}

// --- functions with rules -----------------------------------------------------------------------

// Floats always get rows, so that the cotangents of the rules have the right shape.
static Block *batch_region(Batch *t, const Op *op, int region) {
  Block *source = op->regions[region];
  Builder outer = t->b;
  Block *block = block_create(t->module, outer.block);
  t->b = builder_at(block);
  for (size_t i = 0; i < source->params.count; i++) {
    Value *param = source->params.data[i];
    bool plain = (int)i < op->operand_count && !dtype_is_float(param->type->dtype) &&
                 !is_row(t, op->operands[i]);
    const Type *type = plain ? param->type : lead_type(t, param->type);
    bind(t, param, block_add_param(block, type, param->name), !plain);
  }
  batch_ops(t, source, NULL);
  for (size_t i = 0; i < source->yields.count; i++)
    yield_value(block, lead(t, source->yields.data[i]));
  t->b = outer;
  return block;
}

void batch_CUSTOM(Batch *t, Op *op) {
  Block *regions[3] = {0};
  for (int i = 0; i < op->region_count; i++) regions[i] = batch_region(t, op, i);
  Value **operands = ARENA_ARRAY(t->arena, Value *, (size_t)op->operand_count + 1);
  for (int i = 0; i < op->operand_count; i++) {
    Value *v = op->operands[i];
    operands[i] = dtype_is_float(v->type->dtype) ? lead(t, v) : image(t, v);
  }
  Op *custom = ir_custom(&t->b, operands, op->operand_count, regions[0], regions[1], regions[2]);
  for (int i = 0; i < op->result_count; i++) bind(t, op->results[i], custom->results[i], true);
}
