// The reference interpreter: plain loops over doubles and 64-bit integers; slow, and right by
// reading.
//
// Enters: a verified function, a value for each dim, one tensor per parameter. Leaves: one tensor
// per yield and the notes that fired, or an error (too large, too long, a dim without a value).
// With `round` every float is rounded to its dtype after each op; integers always wrap to theirs.
// This file has the entry, control flow and memory; the ops are in interp_*.c.
#include "ir/interp.h"

#include "ir/scalar.h"

#include <stdarg.h>
#include <string.h>

enum { DEFAULT_ENTRY_LIMIT = 1 << 27 };

// --- tensors ---------------------------------------------------------------------------

static Tensor *tensor_with(Arena *arena, Dtype dtype, int rank, const int64_t *shape,
                           int64_t count) {
  Tensor *tensor = ARENA_NEW(arena, Tensor);
  tensor->dtype = dtype;
  tensor->rank = rank;
  tensor->count = count;
  if (rank) memcpy(tensor->shape, shape, (size_t)rank * sizeof *shape);
  size_t entries = (size_t)count + (count == 0); // never NULL, also when empty
  if (dtype_is_float(dtype)) {
    tensor->reals = ARENA_ARRAY(arena, double, entries);
  } else {
    tensor->integers = ARENA_ARRAY(arena, int64_t, entries);
  }
  return tensor;
}

static bool count_entries(int rank, const int64_t *shape, int64_t *count) {
  bool overflow = false, empty = false;
  *count = 1;
  for (int i = 0; i < rank; i++) {
    if (shape[i] < 0) return false;
    empty |= shape[i] == 0;
    overflow |= __builtin_mul_overflow(*count, shape[i], count);
  }
  if (empty) *count = 0;
  return empty || !overflow;
}

Tensor *tensor_create(Arena *arena, Dtype dtype, int rank, const int64_t *shape) {
  int64_t count;
  REQUIRE(rank >= 0 && rank <= MAX_RANK && count_entries(rank, shape, &count),
          "tensor of an impossible shape");
  return tensor_with(arena, dtype, rank, shape, count);
}

Tensor *tensor_scalar(Arena *arena, Dtype dtype, double value) {
  Tensor *tensor = tensor_with(arena, dtype, 0, NULL, 1);
  if (tensor->reals) {
    tensor->reals[0] = value;
  } else {
    tensor->integers[0] = scalar_truncate(dtype, value);
  }
  return tensor;
}

static Tensor *tensor_copy(Arena *arena, const Tensor *x) {
  Tensor *copy = tensor_with(arena, x->dtype, x->rank, x->shape, x->count);
  copy_entries(copy, 0, x, 0, x->count);
  return copy;
}

void copy_entries(Tensor *y, int64_t to, const Tensor *x, int64_t from, int64_t count) {
  if (x->reals) {
    memcpy(y->reals + to, x->reals + from, (size_t)count * sizeof *x->reals);
  } else {
    memcpy(y->integers + to, x->integers + from, (size_t)count * sizeof *x->integers);
  }
}

void add_entry(Tensor *y, int64_t to, const Tensor *x, int64_t from) {
  if (x->reals) {
    y->reals[to] += x->reals[from];
  } else {
    y->integers[to] = scalar_binary_integer(OP_ADD, y->dtype, y->integers[to], x->integers[from]);
  }
}

void shape_strides(int rank, const int64_t *shape, int64_t *strides) {
  int64_t stride = 1;
  for (int i = rank - 1; i >= 0; i--) {
    strides[i] = stride;
    stride *= shape[i] ? shape[i] : 1;
  }
}

bool index_next(int rank, const int64_t *shape, int64_t *index) {
  for (int i = rank - 1; i >= 0; i--) {
    if (++index[i] < shape[i]) return true;
    index[i] = 0;
  }
  return false;
}

// --- the interpreter's state -----------------------------------------------------------

bool interp_fail(Interpreter *ip, const char *format, ...) {
  if (ip->run->error) return false;
  va_list arguments;
  va_start(arguments, format);
  ip->run->error = arena_vprintf(ip->run->arena, format, arguments);
  va_end(arguments);
  return false;
}

static void count_note(Interpreter *ip, int number, int64_t times) {
  Interpretation *run = ip->run;
  for (size_t i = 0; i < run->notes.count; i++)
    if (run->notes.data[i] == number) {
      run->note_counts.data[i] += times;
      return;
    }
  VEC_PUSH(run->arena, &run->notes, number);
  VEC_PUSH(run->arena, &run->note_counts, times);
}

void interp_note(Interpreter *ip, int number) {
  count_note(ip, number, 1);
}

static bool no_dim_value(void *self, Name name, int64_t *value) {
  (void)self;
  (void)name;
  (void)value;
  return false;
}

bool interp_dim(Interpreter *ip, const Dim *dim, int64_t *value) {
  Interpretation *run = ip->run;
  if (dim_evaluate(dim, run->dim_value ? run->dim_value : no_dim_value, run->self, value))
    return true;
  return interp_fail(ip, "dim %s has no value", dim_text(ip->module->dims, dim));
}

// NULL after a failure
static const Shape *interp_shape(Interpreter *ip, const Type *type) {
  Shape *shape = map_get(ip->shapes, type);
  if (shape) return shape;
  shape = ARENA_NEW(ip->lasting, Shape);
  for (int i = 0; i < type->rank; i++)
    if (!interp_dim(ip, type->shape[i], &shape->extents[i])) return NULL;
  int64_t limit = ip->run->entry_limit ? ip->run->entry_limit : DEFAULT_ENTRY_LIMIT;
  if (!count_entries(type->rank, shape->extents, &shape->count) || shape->count > limit) {
    interp_fail(ip, "a value of type %s is too large or has a negative extent",
                type_text(ip->module, type));
    return NULL;
  }
  map_put(ip->shapes, type, shape);
  return shape;
}

static Tensor *new_tensor(Interpreter *ip, const Type *type) {
  const Shape *shape = interp_shape(ip, type);
  if (!shape) return NULL;
  return tensor_with(ip->arena, type->dtype, type->rank, shape->extents, shape->count);
}

Tensor *interp_result(Interpreter *ip, const Op *op) {
  Tensor *result = new_tensor(ip, op->results[0]->type);
  set_value(ip, op->results[0], result);
  return result;
}

static void round_tensor(Tensor *tensor) {
  if (!tensor->reals || tensor->dtype == DT_F64) return;
  for (int64_t i = 0; i < tensor->count; i++)
    tensor->reals[i] = scalar_round(tensor->dtype, tensor->reals[i]);
}

// --- control ---------------------------------------------------------------------------

static EvaluateFunction *const evaluate_table[OP_COUNT];

static bool count_op(Interpreter *ip) {
  ip->evaluated++;
  if (ip->run->op_limit && ip->evaluated > ip->run->op_limit)
    return interp_fail(ip, "stopped after %lld ops", (long long)ip->run->op_limit);
  return true;
}

static bool evaluate_block(Interpreter *ip, const Block *block) {
  for (const Op *op = block->first; op; op = op->next) {
    if (!count_op(ip) || !evaluate_table[op->code](ip, op)) return false;
    if (ip->run->round && !op->region_count && op->result_count)
      round_tensor(ip->values[op->results[0]->id]);
  }
  return true;
}

bool evaluate_IF(Interpreter *ip, const Op *op) {
  const Block *taken = op->regions[operand_value(ip, op, 0)->integers[0] ? 0 : 1];
  if (!evaluate_block(ip, taken)) return false;
  for (int i = 0; i < op->result_count; i++)
    set_value(ip, op->results[i], ip->values[taken->yields.data[i]->id]);
  return true;
}

bool evaluate_CUSTOM(Interpreter *ip, const Op *op) {
  const Block *body = op->regions[0];
  for (int i = 0; i < op->operand_count; i++)
    set_value(ip, body->params.data[i], operand_value(ip, op, i));
  if (!evaluate_block(ip, body)) return false;
  for (int i = 0; i < op->result_count; i++)
    set_value(ip, op->results[i], ip->values[body->yields.data[i]->id]);
  return true;
}

bool evaluate_NOTE(Interpreter *ip, const Op *op) {
  const Tensor *condition = operand_value(ip, op, 0);
  int64_t times = 1;
  if (op->attr.note.times && !interp_dim(ip, op->attr.note.times, &times)) return false;
  for (int64_t i = 0; i < condition->count; i++)
    if (condition->integers[i]) {
      count_note(ip, op->attr.note.number, times);
      break;
    }
  return true;
}

typedef struct LoopRun {
  const Op *op;
  int carries, stacked_in, stacked_out;
  Tensor **values;  // current carries
  Tensor **outputs; // stacked
  Arena *carry_arena;
} LoopRun;

// The values of one trip live in an arena of their own; what is carried on is copied out of it.
static bool loop_trip(Interpreter *ip, LoopRun *loop, int64_t i) {
  const Block *body = loop->op->regions[0];
  Arena *outer = ip->arena, *trip = ip->arena = arena_create();
  Tensor *const *inputs = &ip->values[0];
  set_value(ip, body->params.data[0], tensor_scalar(trip, DT_I64, 0));
  ip->values[body->params.data[0]->id]->integers[0] = i;
  for (int k = 0; k < loop->carries; k++) set_value(ip, body->params.data[1 + k], loop->values[k]);
  for (int k = 0; k < loop->stacked_in; k++) {
    const Tensor *stack = inputs[loop->op->operands[1 + loop->carries + k]->id];
    const Value *param = body->params.data[1 + loop->carries + k];
    int64_t entries = 1;
    for (int axis = 1; axis < stack->rank; axis++) entries *= stack->shape[axis];
    Tensor *row = tensor_with(trip, stack->dtype, stack->rank - 1, stack->shape + 1, entries);
    copy_entries(row, 0, stack, i * entries, entries);
    set_value(ip, param, row);
  }
  bool fine = evaluate_block(ip, body);
  Arena *next = arena_create();
  for (int k = 0; fine && k < loop->carries; k++)
    loop->values[k] = tensor_copy(next, ip->values[body->yields.data[k]->id]);
  for (int k = 0; fine && k < loop->stacked_out; k++) {
    const Tensor *row = ip->values[body->yields.data[loop->carries + k]->id];
    copy_entries(loop->outputs[k], i * row->count, row, 0, row->count);
  }
  ip->arena = outer;
  arena_destroy(trip);
  if (loop->carry_arena) arena_destroy(loop->carry_arena);
  loop->carry_arena = next;
  return fine;
}

// False also when the condition says stop; *failed tells the difference.
static bool loop_goes_on(Interpreter *ip, LoopRun *loop, int64_t i, bool *failed) {
  const Op *op = loop->op;
  if (op->region_count < 2) return true;
  const Block *condition = op->regions[1];
  Arena *outer = ip->arena, *trip = ip->arena = arena_create();
  Tensor *number = tensor_scalar(trip, DT_I64, 0);
  number->integers[0] = i;
  set_value(ip, condition->params.data[0], number);
  for (int k = 0; k < loop->carries; k++)
    set_value(ip, condition->params.data[1 + k], loop->values[k]);
  *failed = !evaluate_block(ip, condition);
  bool on = !*failed && ip->values[condition->yields.data[0]->id]->integers[0];
  ip->arena = outer;
  arena_destroy(trip);
  return on;
}

static bool loop_start(Interpreter *ip, LoopRun *loop, int64_t *trips) {
  const Op *op = loop->op;
  *trips = operand_value(ip, op, 0)->integers[0];
  if (*trips < 0) *trips = 0;
  int64_t bound;
  if (op->attr.loop.bound) {
    if (!interp_dim(ip, op->attr.loop.bound, &bound)) return false;
    if (*trips > bound) *trips = bound < 0 ? 0 : bound;
  }
  loop->values = ARENA_ARRAY(ip->arena, Tensor *, (size_t)loop->carries + 1);
  loop->outputs = ARENA_ARRAY(ip->arena, Tensor *, (size_t)loop->stacked_out + 1);
  for (int k = 0; k < loop->carries; k++) loop->values[k] = operand_value(ip, op, 1 + k);
  for (int k = 0; k < loop->stacked_out; k++)
    if (!(loop->outputs[k] = new_tensor(ip, op->results[loop->carries + k]->type))) return false;
  return true;
}

bool evaluate_LOOP(Interpreter *ip, const Op *op) {
  LoopRun loop = {.op = op,
                  .carries = op->attr.loop.carries,
                  .stacked_in = op->attr.loop.stacked_in,
                  .stacked_out = op->attr.loop.stacked_out};
  int64_t trips, done = 0;
  bool fine = loop_start(ip, &loop, &trips), failed = false;
  while (fine && done < trips && loop_goes_on(ip, &loop, done, &failed)) {
    fine = count_op(ip) && loop_trip(ip, &loop, op->attr.loop.reverse ? trips - 1 - done : done);
    done++;
  }
  fine = fine && !failed;
  for (int k = 0; fine && k < loop.carries; k++)
    set_value(ip, op->results[k], tensor_copy(ip->arena, loop.values[k]));
  for (int k = 0; fine && k < loop.stacked_out; k++)
    set_value(ip, op->results[loop.carries + k], loop.outputs[k]);
  if (loop.carry_arena) arena_destroy(loop.carry_arena);
  if (!fine) return false;
  Tensor *count = tensor_scalar(ip->arena, DT_I64, 0);
  count->integers[0] = done;
  set_value(ip, op->results[op->result_count - 1], count);
  return true;
}

// --- the table -------------------------------------------------------------------------

#define evaluate_NEG       evaluate_unary
#define evaluate_ABS       evaluate_unary
#define evaluate_SIGN      evaluate_unary
#define evaluate_FLOOR     evaluate_unary
#define evaluate_EXP       evaluate_unary
#define evaluate_EXPM1     evaluate_unary
#define evaluate_LOG       evaluate_unary
#define evaluate_LOG1P     evaluate_unary
#define evaluate_SQRT      evaluate_unary
#define evaluate_RSQRT     evaluate_unary
#define evaluate_SIN       evaluate_unary
#define evaluate_COS       evaluate_unary
#define evaluate_TANH      evaluate_unary
#define evaluate_LOGISTIC  evaluate_unary
#define evaluate_SOFTPLUS  evaluate_unary
#define evaluate_ERF       evaluate_unary
#define evaluate_ERFC      evaluate_unary
#define evaluate_ERFINV    evaluate_unary
#define evaluate_LGAMMA    evaluate_unary
#define evaluate_ATAN2     evaluate_binary
#define evaluate_POLYGAMMA evaluate_binary
#define evaluate_NOT       evaluate_unary
#define evaluate_STOP      evaluate_unary
#define evaluate_ADD       evaluate_binary
#define evaluate_SUB       evaluate_binary
#define evaluate_MUL       evaluate_binary
#define evaluate_DIV       evaluate_binary
#define evaluate_POW       evaluate_binary
#define evaluate_MAX       evaluate_binary
#define evaluate_MIN       evaluate_binary
#define evaluate_MOD       evaluate_binary
#define evaluate_AND       evaluate_binary
#define evaluate_OR        evaluate_binary

static EvaluateFunction *const evaluate_table[OP_COUNT] = {
#define OP_NODIFF(CODE, ...)               [OP_##CODE] = evaluate_##CODE,
#define OP_PARTIALS(CODE, ...)             [OP_##CODE] = evaluate_##CODE,
#define OP_MULTILINEAR(CODE, ...)          [OP_##CODE] = evaluate_##CODE,
#define OP_LINEAR(mask, CODE, ...)         [OP_##CODE] = evaluate_##CODE,
#define OP_TANGENT(CODE, ...)              [OP_##CODE] = evaluate_##CODE,
#define OP_TANGENT_LINEAR(mask, CODE, ...) [OP_##CODE] = evaluate_##CODE,
#include "ir/ops.def"
};

// --- entry -----------------------------------------------------------------------------

static bool bind_arguments(Interpreter *ip, const Func *func, Tensor *const *arguments) {
  for (size_t i = 0; i < func->body->params.count; i++) {
    const Value *param = func->body->params.data[i];
    const Shape *shape = interp_shape(ip, param->type);
    if (!shape) return false;
    const Tensor *given = arguments[i];
    bool fits = given->dtype == param->type->dtype && given->rank == param->type->rank;
    for (int k = 0; fits && k < given->rank; k++) fits = given->shape[k] == shape->extents[k];
    if (!fits)
      return interp_fail(ip, "argument %d is not %s", (int)i, type_text(ip->module, param->type));
    Tensor *value = arguments[i];
    if (ip->run->round && value->reals && value->dtype != DT_F64) {
      value = tensor_copy(ip->arena, value);
      round_tensor(value);
    }
    set_value(ip, param, value);
  }
  return true;
}

bool ir_interpret(Interpretation *interpretation, const Func *func, Tensor *const *arguments,
                  Tensor **results) {
  Arena *scratch = arena_create();
  Interpreter ip = {.run = interpretation,
                    .module = func->module,
                    .arena = scratch,
                    .lasting = scratch,
                    .values = ARENA_ARRAY(scratch, Tensor *, (size_t)func->module->next_id + 1),
                    .shapes = map_create(scratch)};
  interpretation->error = NULL;
  bool fine = bind_arguments(&ip, func, arguments) && evaluate_block(&ip, func->body);
  for (size_t i = 0; fine && i < func->body->yields.count; i++)
    results[i] = tensor_copy(interpretation->arena, ip.values[func->body->yields.data[i]->id]);
  arena_destroy(scratch);
  return fine;
}

IrMeasure ir_measure(const Block *block) {
  IrMeasure measure = {0};
  for (const Op *op = block->first; op; op = op->next) {
    measure.ops++;
    measure.loops += op->code == OP_LOOP;
    measure.dots += op->code == OP_DOT;
    measure.convolutions += op->code == OP_CONV;
    for (int i = 0; i < op->region_count; i++) {
      IrMeasure inner = ir_measure(op->regions[i]);
      measure.ops += inner.ops;
      measure.loops += inner.loops;
      measure.dots += inner.dots;
      measure.convolutions += inner.convolutions;
    }
  }
  return measure;
}
