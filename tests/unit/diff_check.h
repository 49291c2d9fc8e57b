// Checks of derivatives and batching against plain evaluation, shared by the derivative tests.
//
// A function of the IR and arguments for it go in; derived functions are built, verified,
// interpreted and compared: tangents with central differences, cotangents with tangents, batches
// with rows.
#ifndef BLO_TESTS_DIFF_CHECK_H
#define BLO_TESTS_DIFF_CHECK_H

// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "diff/diff.h"
#include "ir/builder.h"
#include "ir/passes.h"
#include "opt/opt.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_INPUTS = 40 };

typedef enum InputKind { INPUT_PLAIN, INPUT_POSITIVE_DEFINITE, INPUT_TRIANGULAR } InputKind;

typedef struct Input {
  const Type *type;
  double lo, hi;
  InputKind kind;
} Input;

typedef struct Example {
  Arena *arena;
  Module *module;
  Func *func;
  Builder b;
  Input inputs[MAX_INPUTS];
  int count;
  uint64_t seed;
  bool plain_batch; // rows draw their own numbers: not comparable row by row
} Example;

static inline Example example_create(void) {
  Arena *arena = arena_create();
  Interner *names = interner_create(arena);
  Example e = {.arena = arena, .module = module_create(arena, names), .seed = 12345};
  e.func = func_create(e.module, intern(names, "f"));
  e.b = builder_at(e.func->body);
  return e;
}

static inline void example_destroy(Example *e) {
  arena_destroy(e->arena);
}

static inline const Type *shape_type(Module *module, Dtype dtype, int rank, const int64_t *shape) {
  const Dim *dims[MAX_RANK];
  for (int i = 0; i < rank; i++) dims[i] = dim_const(module->dims, shape[i]);
  return type_get(module, dtype, rank, dims);
}

static inline Value *example_input(Example *e, const Type *type, double lo, double hi) {
  e->inputs[e->count++] = (Input){type, lo, hi, INPUT_PLAIN};
  return block_add_param(e->func->body, type, NULL);
}

static inline void example_yield(Example *e, Value *v) {
  VEC_PUSH(e->module->arena, &e->func->body->yields, v);
}

/// Yields v and, for floats, v * v, so that linear ops have second derivatives too.
static inline void example_yield_both(Example *e, Value *v) {
  example_yield(e, v);
  if (dtype_is_float(v->type->dtype)) example_yield(e, ir_binary(&e->b, OP_MUL, v, v));
}

static inline double example_random(Example *e) {
  e->seed = e->seed * 6364136223846793005u + 1442695040888963407u;
  return (double)(e->seed >> 11) * 0x1p-53;
}

/// Value of a dim with a name: `a` is 2, `b` is 3 and so on.
static inline bool named_extent(void *self, Name name, int64_t *value) {
  (void)self;
  *value = 2 + name[0] - 'a';
  return true;
}

static inline void tensor_shape(const Type *type, int64_t *shape) {
  for (int i = 0; i < type->rank; i++)
    if (!dim_evaluate(type->shape[i], named_extent, NULL, &shape[i])) fail_msg("no extent");
}

static inline Tensor *tensor_of_type(Arena *arena, const Type *type) {
  int64_t shape[MAX_RANK];
  tensor_shape(type, shape);
  return tensor_create(arena, type->dtype, type->rank, shape);
}

static inline void fill_input(Example *e, const Input *input, double *reals, int64_t *integers,
                              int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    double x = input->lo + (input->hi - input->lo) * example_random(e);
    if (reals) {
      reals[i] = x;
    } else {
      integers[i] = (int64_t)floor(x);
    }
  }
  if (input->kind == INPUT_PLAIN) return;
  // A dominant diagonal makes any matrix with small entries invertible and its lower half definite.
  int64_t shape[MAX_RANK];
  tensor_shape(input->type, shape);
  int64_t n = shape[input->type->rank - 1];
  for (int64_t i = 0; n && i < count; i++)
    if (i % (n * n) / n == i % n) reals[i] += input->kind == INPUT_TRIANGULAR ? 2 : (double)n + 2;
}

static inline Tensor *draw_input(Example *e, const Input *input) {
  Tensor *t = tensor_of_type(e->arena, input->type);
  fill_input(e, input, t->reals, t->integers, t->count);
  return t;
}

static inline void draw_arguments(Example *e, Tensor **arguments) {
  for (int i = 0; i < e->count; i++) arguments[i] = draw_input(e, &e->inputs[i]);
}

static inline void verify_module(Example *e) {
  const char *message = ir_verify(e->arena, e->module);
  if (!message) return;
  TextBuffer text = text_buffer(e->arena);
  ir_print(&text, e->module);
  fputs(text_string(&text), stderr);
  fail_msg("%s", message);
}

static inline Tensor **run_func(Example *e, const Func *func, Tensor *const *arguments) {
  Interpretation in = {.arena = e->arena, .dim_value = named_extent};
  Tensor **results = ARENA_ARRAY(e->arena, Tensor *, func->body->yields.count + 1);
  if (!ir_interpret(&in, func, arguments, results)) fail_msg("interpreter: %s", in.error);
  return results;
}

// --- derived functions --------------------------------------------------------------------------

static inline Func *new_func(Example *e, const char *name) {
  return func_create(e->module,
                     intern_printf(e->module->names, "%s%d", name, (int)e->module->funcs.count));
}

/// A new function whose body is a copy of func's; yields go to `outputs`.
static inline Func *copy_func(Example *e, Func *func, const char *name, Value **outputs) {
  Func *copy = new_func(e, name);
  size_t count = func->body->params.count;
  Value **arguments = ARENA_ARRAY(e->arena, Value *, count + 1);
  for (size_t i = 0; i < count; i++)
    arguments[i] = block_add_param(copy->body, func->body->params.data[i]->type, NULL);
  Builder b = builder_at(copy->body);
  ir_inline(&b, func->body, arguments, func->body->yields.data, (int)func->body->yields.count,
            outputs);
  return copy;
}

typedef enum Mode { MODE_JVP, MODE_LINEARISE } Mode;

/// Parameters of func, then tangents of its float parameters; yields tangents of its float results.
static inline Func *derive_forward(Example *e, Func *func, Mode mode) {
  int outputs = (int)func->body->yields.count, inputs = (int)func->body->params.count;
  Value **values = ARENA_ARRAY(e->arena, Value *, (size_t)outputs + 1);
  Value **tangents = ARENA_ARRAY(e->arena, Value *, (size_t)outputs + 1);
  Value **seeds = ARENA_ARRAY(e->arena, Value *, (size_t)inputs + 1);
  Func *derived = copy_func(e, func, mode == MODE_JVP ? "jvp" : "linearise", values);
  for (int i = 0; i < inputs; i++) {
    const Type *type = derived->body->params.data[i]->type;
    if (dtype_is_float(type->dtype)) seeds[i] = block_add_param(derived->body, type, NULL);
  }
  DiffError error;
  bool good = (mode == MODE_JVP ? diff_jvp : diff_linearise)(
      derived->body, derived->body->params.data, seeds, inputs, values, outputs, tangents, &error);
  if (!good) fail_msg("forward: %s", error.text);
  Builder b = builder_at(derived->body);
  for (int i = 0; i < outputs; i++)
    if (dtype_is_float(values[i]->type->dtype))
      VEC_PUSH(e->module->arena, &derived->body->yields,
               tangents[i] ? tangents[i] : ir_zero(&b, values[i]->type));
  verify_module(e);
  return derived;
}

/// Parameters of func, then cotangents of its float results; yields cotangents of its float
/// parameters.
static inline Func *derive_reverse(Example *e, Func *func) {
  int outputs = (int)func->body->yields.count, inputs = (int)func->body->params.count;
  Value **values = ARENA_ARRAY(e->arena, Value *, (size_t)outputs + 1);
  Value **seeds = ARENA_ARRAY(e->arena, Value *, (size_t)outputs + 1);
  Value **cotangents = ARENA_ARRAY(e->arena, Value *, (size_t)inputs + 1);
  Func *derived = copy_func(e, func, "vjp", values);
  for (int i = 0; i < outputs; i++)
    if (dtype_is_float(values[i]->type->dtype))
      seeds[i] = block_add_param(derived->body, values[i]->type, NULL);
  DiffError error;
  if (!diff_vjp(derived->body, derived->body->params.data, inputs, values, seeds, outputs,
                cotangents, &error))
    fail_msg("reverse: %s", error.text);
  Builder b = builder_at(derived->body);
  for (int i = 0; i < inputs; i++) {
    const Type *type = derived->body->params.data[i]->type;
    if (dtype_is_float(type->dtype))
      VEC_PUSH(e->module->arena, &derived->body->yields,
               cotangents[i] ? cotangents[i] : ir_zero(&b, type));
  }
  verify_module(e);
  return derived;
}

// --- comparisons --------------------------------------------------------------------------------

static inline Tensor *like(Example *e, const Tensor *t, double range) {
  Tensor *other = tensor_create(e->arena, t->dtype, t->rank, t->shape);
  for (int64_t i = 0; i < t->count; i++) other->reals[i] = range * (2 * example_random(e) - 1);
  return other;
}

static inline Tensor *moved(Example *e, const Tensor *t, const Tensor *direction, double step) {
  Tensor *other = tensor_create(e->arena, t->dtype, t->rank, t->shape);
  for (int64_t i = 0; i < t->count; i++) other->reals[i] = t->reals[i] + step * direction->reals[i];
  return other;
}

static inline double scale_of(const Tensor *a, const Tensor *b) {
  double scale = 1;
  for (int64_t i = 0; i < a->count; i++)
    scale = fmax(scale, fmax(fabs(a->reals[i]), fabs(b->reals[i])));
  return scale;
}

static inline void compare(const char *what, const Tensor *a, const Tensor *b, double tolerance) {
  if (a->count != b->count)
    fail_msg("%s: %d entries against %d", what, (int)a->count, (int)b->count);
  double scale = a->reals ? scale_of(a, b) : 1;
  for (int64_t i = 0; i < a->count; i++) {
    bool same = a->reals
                    ? fabs(a->reals[i] - b->reals[i]) <= tolerance * scale ||
                          (isnan(a->reals[i]) && isnan(b->reals[i])) || a->reals[i] == b->reals[i]
                    : a->integers[i] == b->integers[i];
    if (!same && a->reals)
      fail_msg("%s: entry %d is %.10g, expected %.10g", what, (int)i, a->reals[i], b->reals[i]);
    if (!same)
      fail_msg("%s: entry %d is %lld, expected %lld", what, (int)i, (long long)a->integers[i],
               (long long)b->integers[i]);
  }
}

/// Runs a function that is not needed any more, before and after optimisation.
static inline Tensor **run_optimised(Example *e, Func *func, Tensor *const *arguments) {
  Tensor **plain = run_func(e, func, arguments);
  opt_func(func);
  verify_module(e);
  int ops = ir_measure(func->body).ops;
  opt_func(func);
  verify_module(e);
  assert_int_equal(ir_measure(func->body).ops, ops);
  Tensor **optimised = run_func(e, func, arguments);
  for (size_t i = 0; i < func->body->yields.count; i++)
    compare("optimised", optimised[i], plain[i], 1e-9);
  return optimised;
}

/// Random directions for the float arguments.
static inline int draw_directions(Example *e, Tensor *const *arguments, int count,
                                  Tensor **directions) {
  int floats = 0;
  for (int i = 0; i < count; i++)
    if (arguments[i]->reals) directions[floats++] = like(e, arguments[i], 1);
  return floats;
}

static inline Tensor **append(Example *e, Tensor *const *a, int count, Tensor *const *b, int more) {
  Tensor **all = ARENA_ARRAY(e->arena, Tensor *, (size_t)(count + more) + 1);
  for (int i = 0; i < count; i++) all[i] = a[i];
  for (int i = 0; i < more; i++) all[count + i] = b[i];
  return all;
}

/// Tangents of `func` at the arguments against central differences.
static inline void check_forward(Example *e, const char *what, Func *func, Mode mode,
                                 Tensor *const *arguments, double tolerance) {
  int count = (int)func->body->params.count;
  Tensor *directions[MAX_INPUTS], *plus[MAX_INPUTS], *minus[MAX_INPUTS];
  int floats = draw_directions(e, arguments, count, directions);
  const double step = 1e-5;
  for (int i = 0, k = 0; i < count; i++) {
    plus[i] = minus[i] = arguments[i];
    if (!arguments[i]->reals) continue;
    plus[i] = moved(e, arguments[i], directions[k], step);
    minus[i] = moved(e, arguments[i], directions[k++], -step);
  }
  Func *derived = derive_forward(e, func, mode);
  Tensor **tangents = run_optimised(e, derived, append(e, arguments, count, directions, floats));
  Tensor **above = run_func(e, func, plus), **below = run_func(e, func, minus);
  for (size_t i = 0, k = 0; i < func->body->yields.count; i++) {
    if (!above[i]->reals) continue;
    Tensor *difference = moved(e, above[i], below[i], -1);
    for (int64_t j = 0; j < difference->count; j++) difference->reals[j] /= 2 * step;
    compare(what, tangents[k++], difference, tolerance);
  }
}

static inline double inner(Tensor *const *a, Tensor *const *b, size_t count) {
  double sum = 0;
  for (size_t i = 0; i < count; i++)
    for (int64_t j = 0; j < a[i]->count; j++) sum += a[i]->reals[j] * b[i]->reals[j];
  return sum;
}

/// <cotangent, J direction> = <J' cotangent, direction>.
static inline void check_reverse(Example *e, const char *what, Func *func,
                                 Tensor *const *arguments) {
  int count = (int)func->body->params.count;
  Tensor *directions[MAX_INPUTS], *cotangents[MAX_INPUTS];
  int floats = draw_directions(e, arguments, count, directions);
  Func *forward = derive_forward(e, func, MODE_JVP), *reverse = derive_reverse(e, func);
  Tensor **tangents = run_optimised(e, forward, append(e, arguments, count, directions, floats));
  size_t outputs = forward->body->yields.count;
  for (size_t i = 0; i < outputs; i++) cotangents[i] = like(e, tangents[i], 1);
  Tensor **gradients =
      run_optimised(e, reverse, append(e, arguments, count, cotangents, (int)outputs));
  double left = inner(cotangents, tangents, outputs);
  double right = inner(gradients, directions, (size_t)floats);
  double scale = fmax(1, fmax(fabs(left), fabs(right)));
  if (!(fabs(left - right) <= 1e-9 * scale))
    fail_msg("%s: <c, J t> = %.12g, <J' c, t> = %.12g", what, left, right);
}

/// Arguments of the reverse derivative: those of func and random cotangents.
static inline Tensor **with_cotangents(Example *e, Func *func, Tensor *const *arguments) {
  Tensor **values = run_func(e, func, arguments), *cotangents[MAX_INPUTS];
  int more = 0;
  for (size_t i = 0; i < func->body->yields.count; i++)
    if (values[i]->reals) cotangents[more++] = like(e, values[i], 1);
  return append(e, arguments, (int)func->body->params.count, cotangents, more);
}

/// First and second derivatives in all modes.
static inline void check_derivatives(Example *e, const char *what, Tensor *const *arguments) {
  char text[200];
  snprintf(text, sizeof text, "%s, tangent", what);
  check_forward(e, text, e->func, MODE_JVP, arguments, 2e-6);
  snprintf(text, sizeof text, "%s, linearised", what);
  check_forward(e, text, e->func, MODE_LINEARISE, arguments, 2e-6);
  snprintf(text, sizeof text, "%s, transposed", what);
  check_reverse(e, text, e->func, arguments);
  Func *reverse = derive_reverse(e, e->func);
  Tensor **more = with_cotangents(e, e->func, arguments);
  snprintf(text, sizeof text, "%s, forward over reverse", what);
  check_forward(e, text, reverse, MODE_JVP, more, 2e-6);
  snprintf(text, sizeof text, "%s, linearised reverse", what);
  check_forward(e, text, reverse, MODE_LINEARISE, more, 2e-6);
  snprintf(text, sizeof text, "%s, reverse over reverse", what);
  check_reverse(e, text, reverse, more);
}

// --- batches ------------------------------------------------------------------------------------

enum { BATCH_ROWS = 3 };

static inline Tensor *row_of(Example *e, const Tensor *t, int64_t row) {
  Tensor *r = tensor_create(e->arena, t->dtype, t->rank - 1, t->shape + 1);
  for (int64_t i = 0; i < r->count; i++) {
    if (t->reals) r->reals[i] = t->reals[row * r->count + i];
    if (t->integers) r->integers[i] = t->integers[row * r->count + i];
  }
  return r;
}

/// func for BATCH_ROWS rows of the parameters in `mask`, the others shared.
static inline Func *derive_batch(Example *e, Func *func, uint32_t mask) {
  const Dim *extent = dim_const(e->module->dims, BATCH_ROWS);
  size_t inputs = func->body->params.count, outputs = func->body->yields.count;
  Func *derived = new_func(e, "batch");
  Value **batched = ARENA_ARRAY(e->arena, Value *, inputs + 1);
  Value **single = ARENA_ARRAY(e->arena, Value *, inputs + 1);
  for (size_t i = 0; i < inputs; i++) {
    const Type *type = func->body->params.data[i]->type;
    if (mask >> i & 1) {
      batched[i] = block_add_param(derived->body, type_with_leading(e->module, type, extent), NULL);
    } else {
      single[i] = block_add_param(derived->body, type, NULL);
    }
  }
  Builder b = builder_at(derived->body);
  Value **results = ARENA_ARRAY(e->arena, Value *, outputs + 1);
  diff_batch(&b, func->body, extent, batched, single, func->body->yields.data, (int)outputs,
             results);
  for (size_t i = 0; i < outputs; i++)
    VEC_PUSH(e->module->arena, &derived->body->yields, results[i]);
  verify_module(e);
  return derived;
}

static inline void check_batch(Example *e, const char *what, Func *func, uint32_t mask) {
  Tensor *arguments[MAX_INPUTS], *single[MAX_INPUTS];
  char text[200];
  snprintf(text, sizeof text, "%s, batch 0x%x", what, mask);
  for (int i = 0; i < e->count; i++) {
    Input input = e->inputs[i];
    if (mask >> i & 1)
      input.type = type_with_leading(e->module, input.type, dim_const(e->module->dims, BATCH_ROWS));
    arguments[i] = draw_input(e, &input);
  }
  Func *batch = derive_batch(e, func, mask);
  Tensor **all = run_optimised(e, batch, arguments);
  for (int64_t row = 0; row < BATCH_ROWS; row++) {
    for (int i = 0; i < e->count; i++)
      single[i] = mask >> i & 1 ? row_of(e, arguments[i], row) : arguments[i];
    Tensor **one = run_func(e, func, single);
    for (size_t i = 0; i < func->body->yields.count; i++)
      compare(text, row_of(e, all[i], row), one[i], 1e-12);
  }
}

/// Batches over all parameters, over each alone, and over all but each.
static inline void check_batches(Example *e, const char *what, Func *func) {
  uint32_t all = (1u << e->count) - 1;
  check_batch(e, what, func, all);
  for (int i = 0; i < e->count && e->count > 1; i++) {
    check_batch(e, what, func, 1u << i);
    if (e->count > 2) check_batch(e, what, func, all & ~(1u << i));
  }
}

static inline void check_example(Example *e, const char *what) {
  Tensor *arguments[MAX_INPUTS];
  draw_arguments(e, arguments);
  verify_module(e);
  check_derivatives(e, what, arguments);
  if (!e->plain_batch) check_batches(e, what, e->func);
}

#endif
