// Builtin functions: the table, elementwise functions, conversions, draws, derivatives.
//
// Every builtin is a native function value; its row says the handler, the op and the named
// arguments. What is a composition (norm, logsumexp, clamp, ...) is made of ops here and in the two
// files beside this.
#include "evaluate/builtins.h"

#include "ir/scalar.h"

#include <math.h>

// --- arguments -----------------------------------------------------------------------------------

Places call_places(const Call *call) {
  int count = call->positional_count;
  return (Places){call->span, count > 0 ? argument_span(call, 0) : call->span,
                  count > 1 ? argument_span(call, 1) : call->span};
}

Staged *wrong_argument(const Call *call, const BuiltinRow *row, int i, const char *wanted) {
  Evaluator *e = call->evaluator;
  mistake(e, E0303, argument_span(call, i), "`%s` needs %s, this is %s", row_name(row), wanted,
          staged_describe(e, argument(call, i)));
  return staged_poison;
}

Value *tensor_argument(const Call *call, const BuiltinRow *row, int i) {
  Staged *s = argument(call, i);
  if (s->kind == STAGED_TREE || !staged_is_data(s)) {
    wrong_argument(call, row, i, "a tensor");
    return NULL;
  }
  return leaf_value(call->evaluator, s);
}

bool axis_option(const Call *call, const BuiltinRow *row, int rank, int *axis) {
  Evaluator *e = call->evaluator;
  const NamedArgument *option = call_named(call, "axis");
  *axis = -1;
  if (!option) return true;
  const Dim *dim;
  int64_t number;
  if (!static_dim(e, option->value, &dim, option->span, "an axis")) return false;
  if (!dim_is_const(dim, &number) || number < 0 || number >= rank) {
    Diagnostic *d = mistake(e, E0305, option->span, "`%s` has no axis %s here", row_name(row),
                            dim_phrase(e, dim));
    diagnostic_label(d, argument_span(call, 0), "%s", staged_describe(e, argument(call, 0)));
    if (rank) diagnostic_help(d, "its axes are 0 to %d", rank - 1);
    return false;
  }
  *axis = (int)number;
  return true;
}

bool flag_option(const Call *call, const char *name, bool *flag) {
  const NamedArgument *option = call_named(call, name);
  *flag = false;
  if (!option) return true;
  if (option->value->kind == STAGED_BOOL) {
    *flag = option->value->boolean;
    return true;
  }
  mistake(call->evaluator, E0309, option->span, "`%s` is `true` or `false`, this is %s", name,
          staged_describe(call->evaluator, option->value));
  return false;
}

// --- elementwise ---------------------------------------------------------------------------------

typedef struct ElementSelf {
  const Call *call;
  const BuiltinRow *row;
} ElementSelf;

static bool takes_integers(Opcode code) {
  return code == OP_ABS || code == OP_SIGN;
}

static Staged *element_static(Evaluator *e, Staged *leaf, Opcode code) {
  int64_t integer;
  if (leaf->kind == STAGED_REAL) {
    double value = scalar_unary_real(code, leaf->real);
    return isfinite(value) ? staged_real(e, value) : NULL;
  }
  if (leaf->kind != STAGED_INTEGER || !dim_is_const(leaf->integer, &integer)) return NULL;
  if (takes_integers(code))
    return staged_int(e, code == OP_SIGN                       ? (integer > 0) - (integer < 0)
                         : integer < 0 && integer != INT64_MIN ? -integer
                                                               : integer);
  double value = scalar_unary_real(code, (double)integer);
  return isfinite(value) ? staged_real(e, value) : NULL;
}

static Staged *element_leaf(Evaluator *e, Staged *leaf, void *self) {
  const ElementSelf *s = self;
  Opcode code = s->row->code;
  Span span = argument_span(s->call, 0);
  if (code == OP_ISFINITE && staged_is_number(leaf))
    return staged_bool(e, leaf->kind == STAGED_INTEGER || isfinite(leaf->real));
  Staged *known = element_static(e, leaf, code);
  if (known) return known;
  if (leaf->kind == STAGED_BOOL || !staged_is_data(leaf))
    return wrong_argument(s->call, s->row, 0, "numbers");
  Value *x = leaf->kind == STAGED_INTEGER && !takes_integers(code) ? static_value(e, leaf, e->real)
                                                                   : leaf_value(e, leaf);
  Dtype dtype = x->type->dtype;
  bool fits = dtype_is_float(dtype) || (dtype_is_integer(dtype) && takes_integers(code));
  if (!fits && dtype_is_integer(dtype) && x->type->rank == 0) {
    x = ir_convert(&e->builder, x, e->real);
    fits = true;
  }
  if (!fits) {
    const char *text = source_excerpt(e, span);
    Diagnostic *d = mistake(e, E0302, span, "`%s` needs real numbers, this is %s", row_name(s->row),
                            type_phrase(e, x->type));
    diagnostic_help(d, "convert it: `real(%s)`", text ? text : "..");
    return staged_poison;
  }
  return staged_tensor(e, ir_unary(&e->builder, code, x));
}

static Staged *builtin_element(const Call *call, const BuiltinRow *row) {
  ElementSelf self = {call, row};
  return map_leaves(call->evaluator, argument(call, 0), element_leaf, &self);
}

static bool is_numeric_leaf(const Staged *s) {
  return staged_is_number(s) || (s->kind == STAGED_TENSOR && s->tensor->type->dtype != DT_BOOL);
}

static Staged *not_numbers(Evaluator *e, const Staged *a, const Staged *b, Places places,
                           const char *name) {
  bool left = !is_numeric_leaf(a);
  mistake(e, E0303, left ? places.left : places.right, "`%s` needs numbers, this is %s", name,
          staged_describe(e, left ? a : b));
  return staged_poison;
}

static Staged *extreme_static(Evaluator *e, const Staged *a, const Staged *b, bool largest) {
  if (a->kind == STAGED_INTEGER && b->kind == STAGED_INTEGER) {
    DimTable *dims = e->module->dims;
    if (largest) return staged_integer(e, dim_max(dims, a->integer, b->integer));
    return staged_integer(e, dim_scale(dims,
                                       dim_max(dims, dim_scale(dims, a->integer, -1),
                                               dim_scale(dims, b->integer, -1)),
                                       -1));
  }
  double x, y;
  if (!staged_known_real(a, &x) || !staged_known_real(b, &y)) return NULL;
  return staged_real(e, largest == (x > y) ? x : y);
}

static Staged *extreme_leaf(Evaluator *e, Staged *a, Staged *b, Places places, void *self) {
  const BuiltinRow *row = self;
  bool largest = row->builtin == BUILTIN_MAX;
  if (!is_numeric_leaf(a) || !is_numeric_leaf(b))
    return not_numbers(e, a, b, places, row_name(row));
  if (staged_is_number(a) && staged_is_number(b)) {
    Staged *known = extreme_static(e, a, b, largest);
    if (known) return known;
  }
  Value *x, *y;
  if (!meet(e, a, b, row_name(row), places, &x, &y)) return staged_poison;
  return staged_tensor(e, ir_binary(&e->builder, largest ? OP_MAX : OP_MIN, x, y));
}

static Staged *builtin_extreme(const Call *call, const BuiltinRow *row) {
  Evaluator *e = call->evaluator;
  if (call->positional_count == 1) return builtin_reduce(call, row);
  if (call->named_count) {
    mistake(e, E0304, call->named[0].span, "`%s` of two values has no `axis`", row_name(row));
    return staged_poison;
  }
  return zip_leaves(e, argument(call, 0), argument(call, 1), row_name(row), call_places(call),
                    extreme_leaf, (void *)row);
}

static Staged *angle_leaf(Evaluator *e, Staged *a, Staged *b, Places places, void *self) {
  (void)self;
  if (!is_numeric_leaf(a) || !is_numeric_leaf(b)) return not_numbers(e, a, b, places, "atan2");
  Value *x, *y;
  a = staged_is_number(a) ? staged_tensor(e, static_value(e, a, e->real)) : a;
  if (!meet(e, a, b, "atan2", places, &x, &y)) return staged_poison;
  if (!dtype_is_float(x->type->dtype)) {
    mistake(e, E0302, places.whole, "`atan2` needs real numbers, these are %s",
            type_phrase(e, x->type));
    return staged_poison;
  }
  return staged_tensor(e, ir_binary(&e->builder, OP_ATAN2, x, y));
}

static Staged *builtin_angle(const Call *call, const BuiltinRow *row) {
  (void)row;
  return zip_leaves(call->evaluator, argument(call, 0), argument(call, 1), "atan2",
                    call_places(call), angle_leaf, NULL);
}

typedef struct Polygamma {
  const Call *call;
  const BuiltinRow *row;
  int64_t order;
} Polygamma;

static Staged *polygamma_leaf(Evaluator *e, Staged *leaf, void *self) {
  const Polygamma *p = self;
  int at = p->row->builtin == BUILTIN_POLYGAMMA;
  if (!is_numeric_leaf(leaf)) return wrong_argument(p->call, p->row, at, "numbers");
  Value *x = staged_is_number(leaf) ? static_value(e, leaf, e->real) : leaf->tensor;
  if (!dtype_is_float(x->type->dtype)) {
    mistake(e, E0302, argument_span(p->call, at), "`%s` needs real numbers, this is %s",
            row_name(p->row), type_phrase(e, x->type));
    return staged_poison;
  }
  Value *order = ir_real(&e->builder, x->type, (double)p->order);
  return staged_tensor(e, ir_binary(&e->builder, OP_POLYGAMMA, order, x));
}

/// digamma(x), polygamma(n, x).
static Staged *builtin_polygamma(const Call *call, const BuiltinRow *row) {
  Evaluator *e = call->evaluator;
  Polygamma self = {call, row, 0};
  bool ordered = row->builtin == BUILTIN_POLYGAMMA;
  const Staged *order = argument(call, 0);
  if (ordered && (order->kind != STAGED_INTEGER || !dim_is_const(order->integer, &self.order) ||
                  self.order < 0))
    return wrong_argument(call, row, 0,
                          "an order 0, 1, 2, .. that is known when the program is built");
  return map_leaves(e, argument(call, ordered), polygamma_leaf, &self);
}

// One side of clamp: the bound where x is beyond it. At the bound the derivative is that of x.
static Staged *bound_leaf(Evaluator *e, Staged *x, Staged *bound, Places places, void *self) {
  Compare beyond = *(Compare *)self;
  if (!is_numeric_leaf(x) || !is_numeric_leaf(bound))
    return not_numbers(e, x, bound, places, "clamp");
  Value *a, *b;
  if (!meet(e, x, bound, "clamp", places, &a, &b)) return staged_poison;
  Value *out = ir_compare(&e->builder, beyond, a, b);
  return staged_tensor(e, ir_select(&e->builder, out, b, a));
}

static Staged *builtin_clamp(const Call *call, const BuiltinRow *row) {
  (void)row;
  Evaluator *e = call->evaluator;
  Compare below = COMPARE_LT, above = COMPARE_GT;
  Places low = {call->span, argument_span(call, 0), argument_span(call, 1)};
  Places high = {call->span, argument_span(call, 0), argument_span(call, 2)};
  Staged *x = zip_leaves(e, argument(call, 0), argument(call, 1), "clamp", low, bound_leaf, &below);
  if (staged_is_poison(x)) return x;
  return zip_leaves(e, x, argument(call, 2), "clamp", high, bound_leaf, &above);
}

// --- integers ------------------------------------------------------------------------------------

static int64_t floor_quotient(int64_t a, int64_t b) {
  int64_t quotient = a / b;
  return quotient - (a % b != 0 && (a < 0) != (b < 0));
}

static Staged *divide_static(Evaluator *e, const Dim *a, const Dim *b, bool quotient) {
  DimTable *dims = e->module->dims;
  int64_t x, y;
  if (!dim_is_const(b, &y) || y == 0) return NULL;
  if (dim_is_const(a, &x)) {
    if (y == -1) return quotient ? staged_integer(e, dim_scale(dims, a, -1)) : staged_int(e, 0);
    int64_t q = floor_quotient(x, y);
    return staged_int(e, quotient ? q : x - q * y);
  }
  if (y < 0) return NULL;
  const Dim *q = dim_floordiv(dims, a, y);
  return staged_integer(e, quotient ? q : dim_sub(dims, a, dim_scale(dims, q, y)));
}

static Staged *divide_leaf(Evaluator *e, Staged *a, Staged *b, Places places, void *self) {
  const BuiltinRow *row = self;
  bool quotient = row->builtin == BUILTIN_DIV;
  int64_t divisor;
  if (!is_numeric_leaf(a) || !is_numeric_leaf(b))
    return not_numbers(e, a, b, places, row_name(row));
  if (b->kind == STAGED_INTEGER && dim_is_const(b->integer, &divisor) && divisor == 0) {
    mistake(e, E0303, places.right, "division by zero");
    return staged_poison;
  }
  if (a->kind == STAGED_INTEGER && b->kind == STAGED_INTEGER) {
    Staged *known = divide_static(e, a->integer, b->integer, quotient);
    if (known) return known;
  }
  Value *x, *y;
  if (!meet(e, a, b, row_name(row), places, &x, &y)) return staged_poison;
  if (dtype_is_float(x->type->dtype)) {
    Diagnostic *d = mistake(e, E0303, places.whole, "`%s` divides integers", row_name(row));
    diagnostic_label(d, places.left, "%s", staged_describe(e, a));
    diagnostic_label(d, places.right, "%s", staged_describe(e, b));
    diagnostic_help(d, "real numbers divide with `/`");
    return staged_poison;
  }
  return staged_tensor(e, ir_binary(&e->builder, quotient ? OP_DIV : OP_MOD, x, y));
}

static Staged *builtin_divide(const Call *call, const BuiltinRow *row) {
  return zip_leaves(call->evaluator, argument(call, 0), argument(call, 1), row_name(row),
                    call_places(call), divide_leaf, (void *)row);
}

// --- conversions ---------------------------------------------------------------------------------

typedef struct CastSelf {
  Dtype dtype;
  Span span;
} CastSelf;

static Staged *cast_leaf(Evaluator *e, Staged *leaf, void *self) {
  const CastSelf *cast = self;
  Builder *b = &e->builder;
  if (!staged_is_data(leaf)) {
    mistake(e, E0303, cast->span, "%s cannot be converted to %s", staged_describe(e, leaf),
            dtype_text(cast->dtype));
    return staged_poison;
  }
  if (cast->dtype == DT_BOOL) {
    Value *x = leaf_value(e, leaf);
    if (x->type->dtype == DT_BOOL) return staged_tensor(e, x);
    return staged_tensor(e, ir_compare(b, COMPARE_NE, x, ir_zero(b, x->type)));
  }
  // an integer stays known at build time
  if (leaf->kind == STAGED_INTEGER && cast->dtype == DT_I64) return leaf;
  if (leaf->kind == STAGED_REAL && !dtype_is_float(cast->dtype))
    return staged_tensor(e,
                         ir_convert(b, ir_real(b, scalar_of(e, DT_F64), leaf->real), cast->dtype));
  return staged_tensor(e, leaf_as(e, leaf, cast->dtype));
}

Staged *cast_to(Evaluator *e, Staged *value, Dtype dtype, Span span) {
  if (staged_is_poison(value)) return value;
  CastSelf self = {dtype, span};
  return map_leaves(e, value, cast_leaf, &self);
}

static Staged *builtin_cast(const Call *call, const BuiltinRow *row) {
  Evaluator *e = call->evaluator;
  return cast_to(e, argument(call, 0), row->builtin == BUILTIN_REAL ? e->real : DT_I64,
                 argument_span(call, 0));
}

static Staged *stop_leaf(Evaluator *e, Staged *leaf, void *self) {
  (void)self;
  if (leaf->kind != STAGED_TENSOR) return leaf;
  return staged_tensor(e, ir_stop(&e->builder, leaf->tensor));
}

static Staged *builtin_detach(const Call *call, const BuiltinRow *row) {
  (void)row;
  return map_leaves(call->evaluator, argument(call, 0), stop_leaf, NULL);
}

// --- random draws --------------------------------------------------------------------------------

static Value *uniform_draw(Evaluator *e, const Type *type, Value *key, int64_t stream, int rows) {
  Builder *b = &e->builder;
  const Type *i64 = scalar_of(e, DT_I64);
  Value *fold[] = {key, ir_integer(b, i64, stream)};
  Value *draw[] = {ir_random(b, RANDOM_FOLD, i64, fold, 2), ir_integer(b, i64, 0)};
  return ir_random_rows(b, RANDOM_UNIFORM, type, draw, 2, rows);
}

static Staged *builtin_random(const Call *call, const BuiltinRow *row) {
  Evaluator *e = call->evaluator;
  Builder *b = &e->builder;
  if (!e->dynamic.key) {
    Diagnostic *d = mistake(e, E0207, call->span, "`%s()` cannot draw here", row_name(row));
    diagnostic_help(d, "draws belong to start values, objectives, updates and reports of a level, "
                       "where the seed, the stage and the step decide them");
    return staged_poison;
  }
  const TypeSpec *expected = call->expected;
  Dtype dtype = e->real;
  if (expected && expected->kind == SPEC_TENSOR && !expected->real_dtype &&
      dtype_is_float(expected->dtype))
    dtype = expected->dtype;
  const Type *type = scalar_of(e, dtype), *i64 = scalar_of(e, DT_I64);
  Value *fold[] = {e->dynamic.key, ir_integer(b, i64, (int64_t)(e->dynamic.place >> 1))};
  Value *key = ir_random(b, RANDOM_FOLD, i64, fold, 2);
  for (const DrawLoop *loop = e->dynamic.loops; loop; loop = loop->outer)
    key = ir_random(b, RANDOM_FOLD, i64, (Value *[]){key, loop->counter}, 2);
  int rows = 1;
  for (const Variable *v = e->variables; v && v != e->dynamic.outside; v = v->next) rows++;
  Value *u = uniform_draw(e, type, key, 0, rows);
  if (row->builtin == BUILTIN_UNIFORM) return staged_tensor(e, u);
  // Box-Muller: u is never 1, so the logarithm is finite.
  Value *v = uniform_draw(e, type, key, 1, rows);
  Value *log = ir_unary(b, OP_LOG1P, ir_unary(b, OP_NEG, u));
  Value *radius = ir_unary(b, OP_SQRT, ir_binary(b, OP_MUL, ir_real(b, type, -2.0), log));
  Value *angle = ir_binary(b, OP_MUL, ir_real(b, type, 2.0 * M_PI), v);
  return staged_tensor(e, ir_binary(b, OP_MUL, radius, ir_unary(b, OP_COS, angle)));
}

/// draw(k, f) and full(f): f evaluated in another dynamic context.
typedef struct Redrawn {
  Staged *function;
  Value *draw; // NULL: full
} Redrawn;

static Staged *call_redrawn(const Call *call, void *self) {
  const Redrawn *redrawn = self;
  Evaluator *e = call->evaluator;
  Dynamic saved = e->dynamic;
  if (redrawn->draw) {
    dynamic_draw(e, redrawn->draw);
  } else {
    e->dynamic.full = true;
  }
  Staged *result = apply_call(e, redrawn->function, call);
  e->dynamic = saved;
  return result;
}

static Staged *builtin_redraw(const Call *call, const BuiltinRow *row) {
  Evaluator *e = call->evaluator;
  int at = row->builtin == BUILTIN_DRAW ? 1 : 0;
  Staged *function = argument(call, at);
  if (function->kind != STAGED_FUNCTION && function->kind != STAGED_OBJECT)
    return wrong_argument(call, row, at, "a function");
  Redrawn *redrawn = ARENA_NEW(e->arena, Redrawn);
  redrawn->function = function;
  if (row->builtin == BUILTIN_DRAW) {
    redrawn->draw =
        scalar_value(e, argument(call, 0), DT_I64, argument_span(call, 0), "the number of a draw");
    if (!redrawn->draw) return staged_poison;
  }
  return staged_native(e, row_name(row), call_redrawn, redrawn);
}

// --- derivatives and the program level -----------------------------------------------------------

static Staged *builtin_derivative(const Call *call, const BuiltinRow *row) {
  Evaluator *e = call->evaluator;
  Staged *function = argument(call, 0), *at = argument(call, 1);
  switch (row->builtin) {
  case BUILTIN_GRAD:
    return derive_grad(e, function, at, call->span);
  case BUILTIN_JVP:
    return derive_jvp(e, function, at, argument(call, 2), call->span);
  case BUILTIN_VJP:
    return derive_vjp(e, function, at, argument(call, 2), call->span);
  default:
    return derive_hvp(e, function, at, argument(call, 2), call->span);
  }
}

static Staged *builtin_program(const Call *call, const BuiltinRow *row) {
  Evaluator *e = call->evaluator;
  Staged *result = NULL;
  if (e->program_builtin) result = e->program_builtin(call, row->builtin, e->program_builtin_self);
  if (result) return result;
  mistake(e, E0207, call->span, "`%s` cannot be used here", row_name(row));
  return staged_poison;
}

// --- the table -----------------------------------------------------------------------------------

#define ELEMENT(id, code)         [BUILTIN_##id] = {builtin_element, code, {NULL}, BUILTIN_##id}
#define ROW(id, handler, ...)     [BUILTIN_##id] = {handler, OP_ADD, {__VA_ARGS__}, BUILTIN_##id}
#define REDUCE(id, handler, code) [BUILTIN_##id] = {handler, code, {"axis"}, BUILTIN_##id}

static const BuiltinRow rows[BUILTIN_COUNT] = {
    ELEMENT(ABS, OP_ABS),
    ELEMENT(SIGN, OP_SIGN),
    ELEMENT(FLOOR, OP_FLOOR),
    ELEMENT(EXP, OP_EXP),
    ELEMENT(EXPM1, OP_EXPM1),
    ELEMENT(LOG, OP_LOG),
    ELEMENT(LOG1P, OP_LOG1P),
    ELEMENT(SQRT, OP_SQRT),
    ELEMENT(SIN, OP_SIN),
    ELEMENT(COS, OP_COS),
    ELEMENT(TANH, OP_TANH),
    ELEMENT(SIGMOID, OP_LOGISTIC),
    ELEMENT(SOFTPLUS, OP_SOFTPLUS),
    ELEMENT(ERF, OP_ERF),
    ELEMENT(ERFC, OP_ERFC),
    ELEMENT(ERFINV, OP_ERFINV),
    ELEMENT(LGAMMA, OP_LGAMMA),
    ROW(DIGAMMA, builtin_polygamma, NULL),
    ROW(POLYGAMMA, builtin_polygamma, NULL),
    ROW(ATAN2, builtin_angle, NULL),
    ELEMENT(ISFINITE, OP_ISFINITE),
    ROW(CLAMP, builtin_clamp, NULL),
    REDUCE(MIN, builtin_extreme, OP_REDUCE_MAX),
    REDUCE(MAX, builtin_extreme, OP_REDUCE_MAX),
    REDUCE(SUM, builtin_reduce, OP_REDUCE_SUM),
    REDUCE(PROD, builtin_reduce, OP_REDUCE_PROD),
    REDUCE(MEAN, builtin_mean, OP_REDUCE_SUM),
    REDUCE(LOGSUMEXP, builtin_logsumexp, OP_EXP),
    REDUCE(ARGMAX, builtin_argmax, OP_ARGMAX),
    REDUCE(ARGMIN, builtin_argmax, OP_ARGMAX),
    REDUCE(ANY, builtin_truths, OP_REDUCE_SUM),
    REDUCE(ALL, builtin_truths, OP_REDUCE_SUM),
    REDUCE(COUNT_TRUE, builtin_truths, OP_REDUCE_SUM),
    ROW(SUMSQ, builtin_sumsq, NULL),
    ROW(DOT, builtin_dot, NULL),
    ROW(NORM, builtin_norm, NULL),
    ROW(SORT, builtin_sort, "descending"),
    ROW(ARGSORT, builtin_argsort, "descending"),
    ROW(TOPK, builtin_topk, NULL),
    ROW(CUMSUM, builtin_running, "axis", "reverse", "exclusive"),
    ROW(CUMPROD, builtin_running, "axis", "reverse", "exclusive"),
    ROW(TRANSPOSE, builtin_transpose, NULL),
    ROW(CONCAT, builtin_concat, "axis"),
    ROW(CONV, builtin_conv, "stride", "pad", "dilation", "groups"),
    ROW(WINDOW, builtin_window, "stride"),
    ROW(PAD, builtin_pad, NULL),
    ROW(FLAT, builtin_flat, NULL),
    ROW(UNFLAT, builtin_unflat, NULL),
    ROW(SIZE, builtin_size, NULL),
    ROW(RANK, builtin_rank, NULL),
    ROW(MAP, builtin_map, NULL),
    ROW(PUT, builtin_put, NULL),
    ROW(ADD_AT, builtin_add_at, NULL),
    ROW(DIV, builtin_divide, NULL),
    ROW(MOD, builtin_divide, NULL),
    ROW(REAL, builtin_cast, NULL),
    ROW(INT, builtin_cast, NULL),
    ROW(UNIFORM, builtin_random, NULL),
    ROW(NORMAL, builtin_random, NULL),
    ROW(CHOLESKY, builtin_cholesky, NULL),
    ROW(TRI_SOLVE, builtin_solve, "transpose"),
    ROW(SOLVE, builtin_solve, "transpose"),
    ROW(EYE, builtin_eye, NULL),
    ROW(DETACH, builtin_detach, NULL),
    ROW(COUNTED, builtin_counted, NULL),
    ROW(COUNTING, builtin_counting, NULL),
    ROW(GRAD, builtin_derivative, NULL),
    ROW(JVP, builtin_derivative, NULL),
    ROW(VJP, builtin_derivative, NULL),
    ROW(HVP, builtin_derivative, NULL),
    ROW(DRAW, builtin_redraw, NULL),
    ROW(FULL, builtin_redraw, NULL),
    ROW(SAMPLE, builtin_program, "where"),
    ROW(SHUFFLE, builtin_program, "where"),
    ROW(SEQUENCE, builtin_program, "where"),
    ROW(DUAL, builtin_program, NULL),
    ROW(VIOLATION, builtin_program, NULL),
    ROW(CLASSES, builtin_program, NULL),
    ROW(ROOT, builtin_root, NULL),
};

static Staged *builtin_call(const Call *call, void *self) {
  const BuiltinRow *row = self;
  Evaluator *e = call->evaluator;
  const BuiltinInfo *info = &builtin_table[row->builtin];
  int count = call->positional_count;
  if (count < info->minimum || (info->maximum >= 0 && count > info->maximum)) {
    Diagnostic *d;
    if (info->minimum == info->maximum) {
      d = mistake(e, E0304, call->span, "`%s` takes %d argument%s, %d given", info->name,
                  info->minimum, info->minimum == 1 ? "" : "s", count);
    } else if (info->maximum < 0) {
      d = mistake(e, E0304, call->span, "`%s` takes at least %d arguments, %d given", info->name,
                  info->minimum, count);
    } else {
      d = mistake(e, E0304, call->span, "`%s` takes %d to %d arguments, %d given", info->name,
                  info->minimum, info->maximum, count);
    }
    diagnostic_note(d, "%s", info->doc);
    return staged_poison;
  }
  const char *names[5] = {row->options[0], row->options[1], row->options[2], row->options[3], NULL};
  if (!call_check_names(call, info->name, names)) return staged_poison;
  return row->handler(call, row);
}

Staged *builtin_value(Evaluator *e, Builtin builtin) {
  static const Object choice = {.kind = OBJECT_CHOICE, .phrase = "`auto`, which is no number"};
  if (builtin == BUILTIN_AUTO) return staged_object(e, (Object *)(uintptr_t)&choice);
  const BuiltinRow *row = &rows[builtin];
  REQUIRE(row->handler, "the builtin `%s` has no meaning", builtin_table[builtin].name);
  return staged_native(e, row_name(row), builtin_call, (void *)row);
}
