// Tensor IR to schedules: blocks, control, and the homes of values.
//
// Expects a verified function without `custom`. Values that need memory get a buffer when their op
// is reached; a value that is yielded is computed right where the yield wants it (entry output,
// next carry, row of a stack, result of a conditional). Carries have two buffers, swapped after
// each trip.
#include "loop/lower_internal.h"

#include <string.h>

enum { LANES_F32 = 16, LANES_F64 = 8 };

static void lower_block(Lowering *l, Block *block, const Access *targets);

static Buffer *lower_buffer(Lowering *l, BufferKind kind, Dtype dtype, const Dim *entries) {
  Buffer *buffer = ARENA_NEW(l->arena, Buffer);
  *buffer = (Buffer){.id = (int)l->schedule->buffers.count,
                     .kind = kind,
                     .dtype = dtype,
                     .entries = entries,
                     .first = -1,
                     .last = -1,
                     .slot = -1};
  VEC_PUSH(l->arena, &l->schedule->buffers, buffer);
  return buffer;
}

static Access access_of(Buffer *buffer) {
  return (Access){.buffer = buffer};
}

static Access access_row(Lowering *l, Access access, int counter, const Dim *stride) {
  RowTerm *rows = ARENA_ARRAY(l->arena, RowTerm, (size_t)access.row_count + 1);
  for (int i = 0; i < access.row_count; i++) rows[i] = access.rows[i];
  rows[access.row_count] = (RowTerm){counter, stride};
  return (Access){access.buffer, access.row_count + 1, rows};
}

static Access new_access(Lowering *l, const Type *type) {
  return access_of(lower_buffer(l, BUFFER_WORKSPACE, type->dtype, type_entries(l->module, type)));
}

static void set_home(Lowering *l, const Value *v, Access home) {
  ValueInfo *info = value_info(l, v);
  info->homed = true;
  info->home = home;
}

// The home of a value whose op is lowered now: where a yield wants it, or a new buffer.
static Access home_for(Lowering *l, const Value *v) {
  if (!value_info(l, v)->homed) set_home(l, v, new_access(l, v->type));
  return value_info(l, v)->home;
}

Item *lower_add_item(Lowering *l, ItemKind kind, Value *value, const Type *type, Access target,
                     Span span) {
  Item *item = ARENA_NEW(l->arena, Item);
  *item = (Item){
      .kind = kind, .value = value, .type = type, .target = target, .part_axis = -1, .span = span};
  VEC_PUSH(l->arena, &l->items, item);
  return item;
}

static Step *add_step(Lowering *l, StepKind kind) {
  Step *step = ARENA_NEW(l->arena, Step);
  step->kind = kind;
  step->counter = -1;
  VEC_PUSH(l->arena, l->steps, step);
  return step;
}

// --- single ops
// -----------------------------------------------------------------------------------

static void home_constant(Lowering *l, const Op *op) {
  const Value *v = op->results[0];
  Buffer *buffer =
      lower_buffer(l, BUFFER_CONSTANT, v->type->dtype, type_entries(l->module, v->type));
  buffer->reals = op->attr.constant.reals;
  buffer->integers = op->attr.constant.integers;
  set_home(l, v, access_of(buffer));
}

static void lower_concat(Lowering *l, const Op *op) {
  const Value *v = op->results[0];
  Access target = home_for(l, v);
  const Dim *offset = dim_const(l->module->dims, 0);
  int axis = op->attr.concat.axis;
  for (int i = 0; i < op->operand_count; i++) {
    Item *item = lower_add_item(l, ITEM_MAP, op->operands[i], v->type, target, op->span);
    item->part_type = op->operands[i]->type;
    item->part_axis = axis;
    item->part_offset = offset;
    offset = dim_add(l->module->dims, offset, item->part_type->shape[axis]);
  }
}

// A base (zeros or a value) that is then added to or written over in places.
static void lower_places(Lowering *l, Op *op, ItemKind kind, Value *base, Value *source) {
  const Value *v = op->results[0];
  Access target = home_for(l, v);
  lower_add_item(l, ITEM_MAP, base, v->type, target, op->span);
  lower_add_item(l, kind, source, v->type, target, op->span)->op = op;
}

static BufferUse use_of(const Access *access) {
  REQUIRE(access->row_count <= 1, "row of a row handed to a step");
  if (!access->row_count) return (BufferUse){access->buffer, -1, NULL};
  return (BufferUse){access->buffer, access->rows[0].counter, access->rows[0].stride};
}

// The memory of a value for a step that takes whole buffers: its home, or a copy.
static BufferUse operand_use(Lowering *l, Value *v) {
  const ValueInfo *info = value_info(l, v);
  if (info->homed && info->home.row_count <= 1) return use_of(&info->home);
  Access copy = new_access(l, v->type);
  lower_add_item(l, ITEM_MAP, v, v->type, copy, (Span){0});
  return use_of(&copy);
}

static const Dim *product_of(Lowering *l, const Type *type, int first, int end) {
  const Dim *product = dim_const(l->module->dims, 1);
  for (int i = first; i < end; i++) product = dim_mul(l->module->dims, product, type->shape[i]);
  return product;
}

static const char *routine_name(Lowering *l, const char *name, Dtype dtype) {
  return arena_printf(l->arena, "blo_%s_%s", name, dtype_text(dtype));
}

// Routines come in f32 and f64 (argsort: also i64); other dtypes pass through a converted copy.
static Dtype routine_dtype(Dtype dtype) {
  if (dtype_is_float(dtype)) return dtype == DT_F64 ? DT_F64 : DT_F32;
  return DT_I64;
}

static void add_size(Lowering *l, Step *step, const Dim *size) {
  VEC_PUSH(l->arena, &step->sizes, size);
}

static void add_use(Lowering *l, Step *step, BufferUse use) {
  VEC_PUSH(l->arena, &step->buffers, use);
}

// --- routines
// -------------------------------------------------------------------------------------

static Value *as_dtype(Lowering *l, Op *op, Value *v, Dtype dtype) {
  if (v->type->dtype == dtype) return v;
  // An op of its own that is in no block: only its element form is wanted.
  Op *convert = ARENA_NEW(l->arena, Op);
  Value *result = ARENA_NEW(l->arena, Value);
  Value **values = ARENA_ARRAY(l->arena, Value *, 2);
  values[0] = v;
  values[1] = result;
  *result = (Value){
      .type = type_with_dtype(l->module, v->type, dtype), .op = convert, .block = op->block};
  *convert = (Op){.code = OP_CONVERT,
                  .block = op->block,
                  .operand_count = 1,
                  .result_count = 1,
                  .operands = values,
                  .results = values + 1,
                  .span = op->span};
  convert->attr.type = result->type;
  return result;
}

typedef struct Routine {
  const char *name;
  Dtype dtype, result_dtype;
  const Dim *sizes[6];
  int size_count;
  const Dim *work; // entries of scratch memory, NULL: none
  Dtype work_dtype;
} Routine;

static Routine describe_routine(Lowering *l, Op *op) {
  DimTable *dims = l->module->dims;
  const Type *x = op->operands[0]->type;
  Routine r = {.dtype = routine_dtype(x->dtype)};
  r.result_dtype = op->code == OP_ARGSORT ? DT_I64 : r.dtype;
  if (op->code == OP_ARGSORT) {
    int axis = op->attr.scan.axis;
    r.name = "argsort";
    r.sizes[r.size_count++] = product_of(l, x, 0, axis);
    r.sizes[r.size_count++] = x->shape[axis];
    r.sizes[r.size_count++] = product_of(l, x, axis + 1, x->rank);
    r.sizes[r.size_count++] = dim_const(dims, op->attr.scan.descending);
    r.work = dim_scale(dims, x->shape[axis], 2);
    r.work_dtype = DT_I64;
    return r;
  }
  const Dim *n = x->shape[x->rank - 1];
  r.name = op->code == OP_CHOLESKY ? "cholesky" : op->code == OP_SOLVE ? "solve" : "trisolve";
  r.sizes[r.size_count++] = product_of(l, x, 0, x->rank - 2);
  r.sizes[r.size_count++] = n;
  if (op->code != OP_CHOLESKY) {
    const Type *right = op->operands[1]->type;
    r.sizes[r.size_count++] = right->shape[right->rank - 1];
    r.sizes[r.size_count++] = dim_const(dims, op->attr.solve.transposed);
  }
  if (op->code == OP_SOLVE) {
    r.work = dim_mul(dims, n, n);
    r.work_dtype = r.dtype;
  }
  if (op->code != OP_TRISOLVE)
    r.sizes[r.size_count++] = dim_const(dims, op_check_note(l->module, op));
  return r;
}

static void lower_routine(Lowering *l, Op *op) {
  Value *v = op->results[0];
  Routine r = describe_routine(l, op);
  BufferUse operands[2];
  for (int i = 0; i < op->operand_count; i++)
    operands[i] = operand_use(l, as_dtype(l, op, op->operands[i], r.dtype));
  bool direct = v->type->dtype == r.result_dtype;
  Access home = home_for(l, v), result = home;
  if (!direct || home.row_count > 1)
    result = new_access(l, type_with_dtype(l->module, v->type, r.result_dtype));
  BufferUse work = {.buffer = NULL};
  if (r.work) work = (BufferUse){lower_buffer(l, BUFFER_WORKSPACE, r.work_dtype, r.work), -1, NULL};
  lower_flush(l);
  Step *step = add_step(l, STEP_ROUTINE);
  step->routine = routine_name(l, r.name, r.dtype);
  for (int i = 0; i < op->operand_count; i++) add_use(l, step, operands[i]);
  add_use(l, step, use_of(&result));
  if (work.buffer) add_use(l, step, work);
  for (int i = 0; i < r.size_count; i++) add_size(l, step, r.sizes[i]);
  if (result.buffer == home.buffer) return;
  // A converted copy of the routine's result into the home of the value.
  Value *raw = ARENA_NEW(l->arena, Value);
  *raw = (Value){.type = type_with_dtype(l->module, v->type, r.result_dtype), .block = op->block};
  set_home(l, raw, result);
  lower_add_item(l, ITEM_MAP, as_dtype(l, op, raw, v->type->dtype), v->type, home, op->span);
}

// --- control
// --------------------------------------------------------------------------------------

typedef struct LoopParts {
  Op *op;
  int counter;
  Access count, trips, flag;
  Access *carries, *next, *stacks;
} LoopParts;

static void open_loop(Lowering *l, LoopParts *p) {
  Op *op = p->op;
  Module *module = l->module;
  int carries = op->attr.loop.carries, stacks = op->attr.loop.stacked_out;
  const Type *scalar = type_scalar(module, DT_I64);
  p->counter = l->schedule->counter_count++;
  p->count = new_access(l, scalar);
  p->trips = new_access(l, scalar);
  if (op->region_count == 2) p->flag = new_access(l, type_scalar(module, DT_BOOL));
  p->carries = ARENA_ARRAY(l->arena, Access, (size_t)carries + 1);
  p->next = ARENA_ARRAY(l->arena, Access, (size_t)carries + (size_t)stacks + 1);
  p->stacks = ARENA_ARRAY(l->arena, Access, (size_t)stacks + 1);
  lower_add_item(l, ITEM_COUNT, op->operands[0], scalar, p->count, op->span)->extent =
      op->attr.loop.bound;
  for (int i = 0; i < carries; i++) {
    const Type *type = op->results[i]->type;
    p->carries[i] = new_access(l, type);
    p->next[i] = new_access(l, type);
    lower_add_item(l, ITEM_MAP, op->operands[1 + i], type, p->carries[i], op->span);
  }
  for (int i = 0; i < stacks; i++) {
    const Type *type = op->results[carries + i]->type;
    p->stacks[i] = home_for(l, op->results[carries + i]);
    p->next[carries + i] =
        access_row(l, p->stacks[i], p->counter, product_of(l, type, 1, type->rank));
  }
}

static void bind_params(Lowering *l, const LoopParts *p, const Block *region) {
  const Op *op = p->op;
  value_info(l, region->params.data[0])->counter = p->counter + 1;
  for (int i = 0; i < op->attr.loop.carries; i++)
    set_home(l, region->params.data[1 + i], p->carries[i]);
  for (size_t i = 1 + (size_t)op->attr.loop.carries; i < region->params.count; i++) {
    const Type *type = op->operands[i]->type;
    const ValueInfo *stack = value_info(l, op->operands[i]);
    REQUIRE(stack->homed, "stacked input without a home");
    set_home(l, region->params.data[i],
             access_row(l, stack->home, p->counter, product_of(l, type, 1, type->rank)));
  }
}

// After the loop: cleared rows, and results at the homes that yields gave them.
static void close_loop(Lowering *l, const LoopParts *p) {
  Op *op = p->op;
  int carries = op->attr.loop.carries, stacks = op->attr.loop.stacked_out;
  for (int i = 0; i < stacks; i++) {
    Item *item = lower_add_item(l, ITEM_CLEAR_ROWS, NULL, op->results[carries + i]->type,
                                p->stacks[i], op->span);
    item->limit = p->trips;
  }
  for (int i = 0; i <= carries; i++) {
    Value *result = op->results[i < carries ? i : carries + stacks];
    if (!value_info(l, result)->uses) continue;
    Access found = i < carries ? p->carries[i] : p->trips;
    if (!value_info(l, result)->homed) {
      set_home(l, result, found);
      continue;
    }
    Value *inner = ARENA_NEW(l->arena, Value);
    *inner = (Value){.type = result->type, .block = op->block};
    set_home(l, inner, found);
    lower_add_item(l, ITEM_MAP, inner, result->type, value_info(l, result)->home, op->span);
  }
}

static void lower_steps_into(Lowering *l, StepList *steps, Block *block, const Access *targets) {
  StepList *outer = l->steps;
  l->steps = steps;
  lower_block(l, block, targets);
  lower_flush(l);
  l->steps = outer;
}

static void lower_loop(Lowering *l, Op *op) {
  LoopParts p = {.op = op};
  open_loop(l, &p);
  lower_flush(l);
  Step *step = add_step(l, STEP_LOOP);
  step->counter = p.counter;
  step->count = use_of(&p.count);
  step->trips = use_of(&p.trips);
  step->has_trips =
      op->attr.loop.stacked_out > 0 || value_info(l, op->results[op->result_count - 1])->uses > 0;
  step->reverse = op->attr.loop.reverse;
  step->has_condition = op->region_count == 2;
  bind_params(l, &p, op->regions[0]);
  if (step->has_condition) {
    step->flag = use_of(&p.flag);
    bind_params(l, &p, op->regions[1]);
    lower_steps_into(l, &step->condition, op->regions[1], &p.flag);
  }
  lower_steps_into(l, &step->body, op->regions[0], p.next);
  StepList *outer = l->steps;
  l->steps = &step->body;
  for (int i = 0; i < op->attr.loop.carries; i++) {
    Step *swap = add_step(l, STEP_SWAP);
    add_use(l, swap, use_of(&p.carries[i]));
    add_use(l, swap, use_of(&p.next[i]));
  }
  l->steps = outer;
  close_loop(l, &p);
}

static void lower_if(Lowering *l, Op *op) {
  BufferUse condition = operand_use(l, op->operands[0]);
  Access *targets = ARENA_ARRAY(l->arena, Access, (size_t)op->result_count + 1);
  for (int i = 0; i < op->result_count; i++) targets[i] = home_for(l, op->results[i]);
  lower_flush(l);
  Step *step = add_step(l, STEP_IF);
  step->flag = condition;
  lower_steps_into(l, &step->body, op->regions[0], targets);
  lower_steps_into(l, &step->otherwise, op->regions[1], targets);
}

// --- blocks
// ---------------------------------------------------------------------------------------

static void lower_item_of(Lowering *l, Op *op, ItemKind kind) {
  Value *v = op->results[0];
  Item *item = lower_add_item(l, kind, v, v->type, home_for(l, v), op->span);
  item->op = op;
  item->compute = kind == ITEM_MAP;
}

// Fills the home of an op's value.
static void lower_value(Lowering *l, Op *op) {
  switch (op->code) {
  case OP_REDUCE_SUM:
  case OP_REDUCE_MAX:
  case OP_REDUCE_PROD:
    lower_item_of(l, op, ITEM_REDUCE);
    break;
  case OP_ARGMAX:
    lower_item_of(l, op, ITEM_ARGMAX);
    break;
  case OP_CUMSUM:
    lower_item_of(l, op, ITEM_CUMSUM);
    break;
  case OP_DOT:
  case OP_CONV:
    lower_item_of(l, op, op->code == OP_CONV || op->attr.dot.contract_count ? ITEM_DOT : ITEM_MAP);
    break;
  case OP_CONCAT:
    lower_concat(l, op);
    break;
  case OP_UNVIEW:
    lower_places(l, op, ITEM_UNVIEW, NULL, op->operands[0]);
    break;
  case OP_SCATTER_ADD:
    lower_places(l, op, ITEM_SCATTER, op->operands[0], op->operands[1]);
    break;
  case OP_DYNAMIC_UPDATE:
    lower_places(l, op, ITEM_UPDATE, op->operands[0], op->operands[1]);
    break;
  case OP_CHOLESKY:
  case OP_TRISOLVE:
  case OP_SOLVE:
  case OP_ARGSORT:
    lower_routine(l, op);
    break;
  default:
    if (op->code == OP_CONST && (op->attr.constant.reals || op->attr.constant.integers))
      home_constant(l, op);
    else
      lower_item_of(l, op, ITEM_MAP);
  }
}

// A counter needs no kernel.
static bool always_counts(const Lowering *l, const Op *op) {
  double value;
  return module_note_counts(l->module, op->attr.note.number) && op->operands[0]->type->rank == 0 &&
         ir_is_splat(op->operands[0], &value) && value != 0.0;
}

static void lower_op(Lowering *l, Op *op) {
  switch (op->code) {
  case OP_LOOP:
    lower_loop(l, op);
    return;
  case OP_IF:
    lower_if(l, op);
    return;
  case OP_NOTE:
    if (always_counts(l, op)) {
      Step *step = add_step(l, STEP_COUNT);
      step->note = op->attr.note.number;
      if (op->attr.note.times) VEC_PUSH(l->arena, &step->sizes, op->attr.note.times);
      return;
    }
    lower_add_item(l, ITEM_NOTE, op->operands[0], NULL, (Access){0}, op->span)->number =
        op->attr.note.number;
    return;
  case OP_CUSTOM:
    BUG("custom op in lowering");
  default:
    break;
  }
  const ValueInfo *info = value_info(l, op->results[0]);
  if (info->materialise && info->uses) lower_value(l, op);
}

// May the op of this value write it to a place of our choice?
static bool writes_anywhere(const Value *v) {
  if (v->op->code == OP_CONST) return !v->op->attr.constant.reals && !v->op->attr.constant.integers;
  return true;
}

static void lower_block(Lowering *l, Block *block, const Access *targets) {
  bool *done = ARENA_ARRAY(l->arena, bool, block->yields.count + 1);
  for (size_t i = 0; i < block->yields.count; i++) {
    Value *v = block->yields.data[i];
    if (!v->op || v->op->block != block || value_info(l, v)->homed || !writes_anywhere(v)) continue;
    set_home(l, v, targets[i]);
    value_info(l, v)->materialise = true;
    done[i] = true;
  }
  for (size_t i = 0; i < block->params.count; i++) checks_of_value(l, block->params.data[i]);
  for (Op *op = block->first; op; op = op->next) {
    lower_op(l, op);
    checks_of_op(l, op);
    for (int i = 0; i < op->result_count; i++) checks_of_value(l, op->results[i]);
  }
  for (size_t i = 0; i < block->yields.count; i++)
    if (!done[i])
      lower_add_item(l, ITEM_MAP, block->yields.data[i], block->yields.data[i]->type, targets[i],
                     (Span){0});
}

static int number_steps(StepList *steps, int position) {
  for (size_t i = 0; i < steps->count; i++) {
    Step *step = steps->data[i];
    step->position = position++;
    position = number_steps(&step->condition, position);
    position = number_steps(&step->body, position);
    position = number_steps(&step->otherwise, position);
  }
  return position;
}

void schedule_number(Schedule *schedule) {
  number_steps(&schedule->steps, 0);
}

Schedule *lower_func(const Func *func, const LowerOptions *options) {
  Module *module = func->module;
  Lowering l = {.module = module, .arena = module->arena, .options = *options};
  if (!l.options.lanes_f32) l.options.lanes_f32 = LANES_F32;
  if (!l.options.lanes_f64) l.options.lanes_f64 = LANES_F64;
  l.info = map_create(l.arena);
  l.schedule = ARENA_NEW(l.arena, Schedule);
  l.schedule->module = module;
  l.schedule->func = func;
  l.schedule->name = func->name;
  l.steps = &l.schedule->steps;
  lower_analyse(&l, func);
  checks_collect(&l, func->body);
  const Block *body = func->body;
  for (size_t i = 0; i < body->params.count; i++) {
    const Type *type = body->params.data[i]->type;
    Buffer *buffer = lower_buffer(&l, BUFFER_INPUT, type->dtype, type_entries(module, type));
    buffer->number = (int)i;
    set_home(&l, body->params.data[i], access_of(buffer));
  }
  Access *targets = ARENA_ARRAY(l.arena, Access, body->yields.count + 1);
  for (size_t i = 0; i < body->yields.count; i++) {
    const Type *type = body->yields.data[i]->type;
    Buffer *buffer = lower_buffer(&l, BUFFER_OUTPUT, type->dtype, type_entries(module, type));
    buffer->number = (int)i;
    targets[i] = access_of(buffer);
  }
  lower_block(&l, func->body, targets);
  lower_flush(&l);
  fuse_emit(&l);
  schedule_number(l.schedule);
  return l.schedule;
}
