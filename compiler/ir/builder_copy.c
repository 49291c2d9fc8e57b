// Copying: a block's ops into another place. Also growing a loop by one output.
//
// Enters: ops and what stands for their operands. Leaves: copies made through the builder, so they
// fold and are shared with what is visible at the new place.
#include "ir/ir_internal.h"

typedef struct Copier {
  Builder *b;
  Map *values; // old value -> new value; what is absent stays as it is
} Copier;

static Value *copied(const Map *values, Value *v) {
  Value *other = map_get(values, v);
  return other ? other : v;
}

static Block *clone_into(const Block *source, Block *parent, Map *values) {
  Block *block = block_create(source->module, parent);
  Builder b = builder_at(block);
  for (size_t i = 0; i < source->params.count; i++) {
    Value *param = source->params.data[i];
    map_put(values, param, block_add_param(block, param->type, param->name));
  }
  for (const Op *op = source->first; op; op = op->next) {
    Value *few[8];
    Value **results = op->result_count <= 8
                          ? few
                          : ARENA_ARRAY(block->module->arena, Value *, (size_t)op->result_count);
    op_copy(&b, op, values, results);
    for (int i = 0; i < op->result_count; i++) map_put(values, op->results[i], results[i]);
  }
  for (size_t i = 0; i < source->yields.count; i++)
    VEC_PUSH(block->module->arena, &block->yields, copied(values, source->yields.data[i]));
  return block;
}

void op_copy(Builder *b, const Op *op, Map *values, Value **results) {
  Arena *arena = b->module->arena;
  Value *few[8];
  Value **operands =
      op->operand_count <= 8 ? few : ARENA_ARRAY(arena, Value *, (size_t)op->operand_count);
  for (int i = 0; i < op->operand_count; i++) operands[i] = copied(values, op->operands[i]);
  Span span = b->span;
  b->span = op->span;
  if (op->code == OP_DOT) {
    results[0] = ir_dot(b, operands[0], operands[1], &op->attr);
  } else if (op->code == OP_CONV) {
    results[0] = ir_conv(b, operands[0], operands[1], &op->attr);
  } else if (op->result_count == 1 && !op->region_count) {
    results[0] = ir_value(b, op->code, operands, op->operand_count, &op->attr);
  } else {
    Block *regions[3];
    for (int i = 0; i < op->region_count; i++)
      regions[i] = clone_into(op->regions[i], b->block, values);
    double value;
    bool never = op->code == OP_NOTE && ir_is_splat(operands[0], &value) && value == 0;
    if (!never) {
      Op *copy =
          ir_op(b, op->code, operands, op->operand_count, &op->attr, regions, op->region_count);
      for (int i = 0; i < op->result_count; i++) results[i] = copy->results[i];
    }
  }
  // A value's name follows it, as long as the copy is new.
  for (int i = 0; i < op->result_count; i++)
    if (!results[i]->name && results[i]->op) results[i]->name = op->results[i]->name;
  b->span = span;
}

// Marks the ops of `source` that `value` needs.
typedef struct Needs {
  Arena *arena;
  const Block *source;
  Map *needed; // op -> op
  ValueList pending;
} Needs;

static void need(Needs *needs, Value *value) {
  // A use inside a region counts for the op of `source` that holds the region.
  const Op *op = value->op;
  if (!op || op->block != needs->source || map_has(needs->needed, op)) return;
  map_put(needs->needed, op, (void *)op);
  VEC_PUSH(needs->arena, &needs->pending, value);
}

static void need_operands(Needs *needs, const Op *op) {
  for (int i = 0; i < op->operand_count; i++) need(needs, op->operands[i]);
  for (int i = 0; i < op->region_count; i++) {
    const Block *region = op->regions[i];
    for (const Op *inner = region->first; inner; inner = inner->next) need_operands(needs, inner);
    for (size_t k = 0; k < region->yields.count; k++) need(needs, region->yields.data[k]);
  }
}

void ir_inline(Builder *b, Block *source, Value *const *arguments, Value *const *wanted, int count,
               Value **results) {
  Arena *scratch = arena_create();
  Map *values = map_create(scratch);
  for (size_t i = 0; i < source->params.count; i++)
    map_put(values, source->params.data[i], arguments[i]);
  block_inline(b, source, values, wanted, count, results);
  arena_destroy(scratch);
}

void block_inline(Builder *b, Block *source, Map *values, Value *const *wanted, int count,
                  Value **results) {
  Arena *scratch = arena_create();
  Needs needs = {.arena = scratch, .source = source, .needed = map_create(scratch)};
  for (int i = 0; i < count; i++) need(&needs, wanted[i]);
  for (const Op *op = source->first; op; op = op->next)
    if (op_has_note(op) && !map_has(needs.needed, op)) {
      map_put(needs.needed, op, (void *)op);
      need_operands(&needs, op);
    }
  while (needs.pending.count) {
    const Op *op = needs.pending.data[--needs.pending.count]->op;
    need_operands(&needs, op);
  }
  // When the copies go to the block they come from, they must not be copied again.
  const Op *last = source->last;
  for (const Op *op = source->first; op; op = op == last ? NULL : op->next) {
    if (!map_has(needs.needed, op)) continue;
    Value **copies = ARENA_ARRAY(scratch, Value *, (size_t)op->result_count + 1);
    op_copy(b, op, values, copies);
    for (int i = 0; i < op->result_count; i++) map_put(values, op->results[i], copies[i]);
  }
  for (int i = 0; i < count; i++) results[i] = copied(values, wanted[i]);
  arena_destroy(scratch);
}

Value *ir_loop_stack(Op *loop, Value *row) {
  Block *body = loop->regions[0];
  Module *module = body->module;
  int carries = loop->attr.loop.carries;
  REQUIRE(loop->attr.loop.bound, "stacked output of a loop without a bound");
  REQUIRE(block_encloses(row->block, body), "the loop's body does not see this value");
  for (size_t i = (size_t)carries; i < body->yields.count; i++)
    if (body->yields.data[i] == row) return loop->results[i];
  int count = loop->result_count;
  Value **values = ARENA_ARRAY(module->arena, Value *, (size_t)count + 1);
  for (int i = 0; i < count - 1; i++) values[i] = loop->results[i];
  Value *stacked = values[count - 1] = ARENA_NEW(module->arena, Value);
  values[count] = loop->results[count - 1]; // trips
  values[count]->index = count;
  *stacked = (Value){.type = type_with_leading(module, row->type, loop->attr.loop.bound),
                     .op = loop,
                     .block = loop->block,
                     .index = count - 1,
                     .id = module->next_id++};
  VEC_PUSH(module->arena, &body->yields, row);
  loop->attr.loop.stacked_out++;
  loop->results = values;
  loop->result_count = count + 1;
  op_enter(loop);
  return stacked;
}
