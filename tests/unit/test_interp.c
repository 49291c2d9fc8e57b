// The reference interpreter: each op against small hand-written results, sizes 0 and 1, limits, and
// the programs of tests/ir against closed forms and differences.
#include "unit/ir_fixture.h"

#include "common/rng.h"

enum { MAX_RESULTS = 8 };

// Runs the first function of a text on the arguments.
static bool run_text(IrFixture *f, const char *text, Tensor *const *arguments, Tensor **results) {
  Module *module = fixture_read_good(f, text);
  return fixture_run(f, module->funcs.data[0], arguments, results);
}

static Tensor *number(IrFixture *f, double value) {
  return tensor_scalar(f->arena, DT_F64, value);
}
static Tensor *integer(IrFixture *f, int64_t value) {
  return tensor_scalar(f->arena, DT_I64, (double)value);
}
static Tensor *vector(IrFixture *f, int64_t n, const double *entries) {
  return fixture_tensor(f, DT_F64, SHAPE(n), entries);
}

// One expression `op` of %x (and %y), both f64[4], with the given result type.
static Tensor *apply(IrFixture *f, const char *type, const char *op, const double *x,
                     const double *y) {
  const char *text = arena_printf(
      f->arena, "func @f(%%x: f64[4], %%y: f64[4]) { %%r: %s = %s yield %%r }", type, op);
  Tensor *results[1];
  static const double zeros[4] = {0};
  Tensor *arguments[2] = {vector(f, 4, x), vector(f, 4, y ? y : zeros)};
  assert_true(run_text(f, text, arguments, results));
  return results[0];
}

#define UNARY(op, x, ...)     ASSERT_ENTRIES(apply(f, "f64[4]", op " %x", x, NULL), __VA_ARGS__)
#define BINARY(op, x, y, ...) ASSERT_ENTRIES(apply(f, "f64[4]", op " %x, %y", x, y), __VA_ARGS__)

static void unary_ops(void **state) {
  IrFixture *f = *state;
  const double x[4] = {-2, 0, 0.5, 3};
  UNARY("neg", x, 2, 0, -0.5, -3);
  UNARY("abs", x, 2, 0, 0.5, 3);
  UNARY("sign", x, -1, 0, 1, 1);
  UNARY("floor", x, -2, 0, 0, 3);
  UNARY("exp", x, exp(-2), 1, exp(0.5), exp(3));
  UNARY("expm1", x, expm1(-2), 0, expm1(0.5), expm1(3));
  UNARY("log", x, NAN, -INFINITY, log(0.5), log(3));
  UNARY("log1p", x, NAN, 0, log(1.5), log(4));
  UNARY("sqrt", x, NAN, 0, sqrt(0.5), sqrt(3));
  UNARY("rsqrt", ENTRIES(4, 1, 0.25, 16), 0.5, 1, 2, 0.25);
  UNARY("sin", x, sin(-2), 0, sin(0.5), sin(3));
  UNARY("cos", x, cos(-2), 1, cos(0.5), cos(3));
  UNARY("tanh", x, tanh(-2), 0, tanh(0.5), tanh(3));
  UNARY("logistic", x, 1 / (1 + exp(2)), 0.5, 1 / (1 + exp(-0.5)), 1 / (1 + exp(-3)));
  UNARY("logistic", ENTRIES(-1000, 1000, 0, 0), 0, 1, 0.5, 0.5);
  UNARY("softplus", ENTRIES(-1000, 1000, 0, 1), 0, 1000, log(2), log(1 + exp(1)));
  UNARY("erf", x, erf(-2), 0, erf(0.5), erf(3));
  UNARY("stop", x, -2, 0, 0.5, 3);
  ASSERT_ENTRIES(apply(f, "bool[4]", "isfinite %x", ENTRIES(1, INFINITY, NAN, -INFINITY), NULL), 1,
                 0, 0, 0);
}

static void binary_ops(void **state) {
  IrFixture *f = *state;
  const double x[4] = {-7, 7, 2, 0}, y[4] = {2, -2, 2, 5};
  BINARY("add", x, y, -5, 5, 4, 5);
  BINARY("sub", x, y, -9, 9, 0, -5);
  BINARY("mul", x, y, -14, -14, 4, 0);
  BINARY("div", x, y, -3.5, -3.5, 1, 0);
  BINARY("pow", y, x, pow(2, -7), pow(-2, 7), 4, 1);
  BINARY("max", x, y, 2, 7, 2, 5);
  BINARY("min", x, y, -7, -2, 2, 0);
  BINARY("mod", x, y, 1, -1, 0, 0);
  BINARY("max", ENTRIES(NAN, 1, 2, 3), ENTRIES(1, NAN, 1, 4), NAN, NAN, 2, 4);
  const char *pairs[6] = {"lt", "le", "gt", "ge", "eq", "ne"};
  const double wanted[6][4] = {{1, 0, 0, 1}, {1, 0, 1, 1}, {0, 1, 0, 0},
                               {0, 1, 1, 0}, {0, 0, 1, 0}, {1, 1, 0, 1}};
  for (int i = 0; i < 6; i++)
    assert_entries(
        apply(f, "bool[4]", arena_printf(f->arena, "compare %s %%x, %%y", pairs[i]), x, y), 4,
        wanted[i]);
}

static void integer_ops(void **state) {
  IrFixture *f = *state;
  static const char text[] =
      "func @f(%x: i32[4], %y: i32[4], %u: u8[2], %a: bool[4], %b: bool[4]) {"
      " %0: i32[4] = div %x, %y  %1: i32[4] = mod %x, %y"
      " %2: i32[4] = mul %x, %x  %3: u8[2] = add %u, %u"
      " %4: bool[4] = and %a, %b  %5: bool[4] = or %a, %b"
      " %6: bool[4] = not %a  %7: i32[4] = select %a, %x, %y"
      " yield %0, %1, %2, %3, %4, %5, %6, %7 }";
  Tensor *r[8];
  Tensor *arguments[5] = {fixture_tensor(f, DT_I32, SHAPE(4), ENTRIES(-7, 7, 65536, INT32_MIN)),
                          fixture_tensor(f, DT_I32, SHAPE(4), ENTRIES(2, -2, 0, -1)),
                          fixture_tensor(f, DT_U8, SHAPE(2), ENTRIES(200, 3)),
                          fixture_tensor(f, DT_BOOL, SHAPE(4), ENTRIES(0, 0, 1, 1)),
                          fixture_tensor(f, DT_BOOL, SHAPE(4), ENTRIES(0, 1, 0, 1))};
  assert_true(run_text(f, text, arguments, r));
  ASSERT_ENTRIES(r[0], -4, -4, 0, INT32_MIN);
  ASSERT_ENTRIES(r[1], 1, -1, 0, 0);
  ASSERT_ENTRIES(r[2], 49, 49, 0, 0);
  ASSERT_ENTRIES(r[3], 144, 6);
  ASSERT_ENTRIES(r[4], 0, 0, 0, 1);
  ASSERT_ENTRIES(r[5], 0, 1, 1, 1);
  ASSERT_ENTRIES(r[6], 1, 1, 0, 0);
  ASSERT_ENTRIES(r[7], 2, -2, 65536, INT32_MIN);
}

static void conversions(void **state) {
  IrFixture *f = *state;
  const double x[4] = {-2.7, 300, NAN, 1e30};
  ASSERT_ENTRIES(apply(f, "i64[4]", "convert %x", x, NULL), -2, 300, 0, (double)INT64_MAX);
  ASSERT_ENTRIES(apply(f, "i32[4]", "convert %x", x, NULL), -2, 300, 0, INT32_MAX);
  ASSERT_ENTRIES(apply(f, "u8[4]", "convert %x", x, NULL), 0, 255, 0, 255);
  ASSERT_ENTRIES(apply(f, "bool[4]", "convert %x", ENTRIES(0, 1, -0.5, 0), NULL), 0, 1, 1, 0);
  f->run.round = true;
  ASSERT_ENTRIES(apply(f, "f32[4]", "convert %x", ENTRIES(0.1, 1e300, 16777217, 1), NULL),
                 (double)0.1f, INFINITY, 16777216, 1);
  ASSERT_ENTRIES(apply(f, "f16[4]", "convert %x", ENTRIES(2049, 65520, 1e-8, 65519), NULL), 2048,
                 INFINITY, 0, 65504);
  ASSERT_ENTRIES(apply(f, "bf16[4]", "convert %x", ENTRIES(257, 1.00390625, 1e39, 3), NULL), 256, 1,
                 INFINITY, 3);
}

static void rounding_is_a_switch(void **state) {
  IrFixture *f = *state;
  static const char text[] = "func @f(%x: f32) { %y: f32 = add %x, %x  %z: f32 = mul %y, %y "
                             " yield %z }";
  Tensor *argument = tensor_scalar(f->arena, DT_F32, 0.1), *result;
  assert_true(run_text(f, text, &argument, &result));
  assert_true(result->reals[0] == (0.1 + 0.1) * (0.1 + 0.1));
  f->run.round = true;
  assert_true(run_text(f, text, &argument, &result));
  float y = 0.1f + 0.1f;
  assert_true(result->reals[0] == (double)(y * y));
  assert_true(argument->reals[0] == 0.1); // arguments are not changed
}

static void sources(void **state) {
  IrFixture *f = *state;
  fixture_bind(f, "n", 3);
  Tensor *r[5];
  assert_true(run_text(f,
                       "func @f() dims(n) { %0: i64 = dim [n*n + 1] %1: f64[n, 2] = iota axis 0 "
                       "%2: i32[2, n] = iota axis 1 %3: f64[2, 2] = const [1, 2, 3, 4] "
                       "%4: u8[n] = const 7 yield %0, %1, %2, %3, %4 }",
                       NULL, r));
  ASSERT_ENTRIES(r[0], 10);
  ASSERT_ENTRIES(r[1], 0, 0, 1, 1, 2, 2);
  ASSERT_ENTRIES(r[2], 0, 1, 2, 0, 1, 2);
  ASSERT_ENTRIES(r[3], 1, 2, 3, 4);
  ASSERT_ENTRIES(r[4], 7, 7, 7);
}

static void random_ops(void **state) {
  IrFixture *f = *state;
  static const char text[] =
      "func @f(%key: i64, %base: i64, %keys: i64[2], %n: i64) {"
      " %0: i64 = random fold %key, %base  %1: f64[2, 3] = random uniform %key, %base"
      " %2: f32[2] = random uniform %key, %base  %3: i64[2] = random bits %key, %base"
      " %4: i64[5] = random index %key, %base, %n  %5: f64[2, 3] = random uniform %keys, %base"
      " %6: f64[2] = random uniform %key, %keys  yield %0, %1, %2, %3, %4, %5, %6 }";
  Tensor *r[7];
  Tensor *arguments[4] = {integer(f, 99), integer(f, 10),
                          fixture_tensor(f, DT_I64, SHAPE(2), ENTRIES(5, 6)), integer(f, 5)};
  assert_true(run_text(f, text, arguments, r));
  assert_int_equal(r[0]->integers[0], (int64_t)blo_rng_fold(99, 10));
  for (uint64_t i = 0; i < 6; i++) {
    assert_true(r[1]->reals[i] == blo_rng_uniform(99, 10 + i));
    assert_true(r[5]->reals[i] == blo_rng_uniform(5 + i / 3, 10 + i % 3)); // batched key
  }
  for (uint64_t i = 0; i < 2; i++) {
    assert_true(r[2]->reals[i] == (double)blo_rng_uniform_f32(99, 10 + i));
    assert_int_equal(r[3]->integers[i], (int64_t)blo_rng_bits(99, 10 + i));
    assert_true(r[6]->reals[i] == blo_rng_uniform(99, 5 + i)); // batched counter
  }
  int seen = 0;
  for (int i = 0; i < 5; i++) {
    assert_int_equal(r[4]->integers[i], blo_rng_index(99, 10 + i, 5));
    seen |= 1 << r[4]->integers[i];
  }
  assert_int_equal(seen, 31); // 10 .. 14 is one epoch of five
}

static void index_maps(void **state) {
  IrFixture *f = *state;
  static const char text[] =
      "func @f(%A: f64[2, 3], %x: f64[4]) {"
      " %0: f64[3, 2] = view %A [o1, o0]  %1: f64[4] = view %x [-o0 + 3]"
      " %2: f64[2, 2] = view %x [o0 + 2*o1]  %3: f64[2] = view %A [o0, o0 + 1]"
      " %4: f64[6] = unview %x [o0 + 1]  %5: f64[1] = unview %x [0]"
      " %6: f64[4] = unview %A [o0 + o1]  %7: f64[6] = reshape %A"
      " yield %0, %1, %2, %3, %4, %5, %6, %7 }";
  Tensor *r[8];
  Tensor *arguments[2] = {fixture_tensor(f, DT_F64, SHAPE(2, 3), ENTRIES(1, 2, 3, 4, 5, 6)),
                          vector(f, 4, ENTRIES(10, 20, 30, 40))};
  assert_true(run_text(f, text, arguments, r));
  ASSERT_ENTRIES(r[0], 1, 4, 2, 5, 3, 6);
  ASSERT_ENTRIES(r[1], 40, 30, 20, 10);
  ASSERT_ENTRIES(r[2], 10, 30, 20, 40);
  ASSERT_ENTRIES(r[3], 2, 6);
  ASSERT_ENTRIES(r[4], 0, 10, 20, 30, 40, 0);
  ASSERT_ENTRIES(r[5], 100);
  ASSERT_ENTRIES(r[6], 1, 2 + 4, 3 + 5, 6);
  ASSERT_ENTRIES(r[7], 1, 2, 3, 4, 5, 6);
  Tensor *joined;
  Tensor *parts[2] = {arguments[0], fixture_tensor(f, DT_F64, SHAPE(2, 1), ENTRIES(7, 8))};
  assert_true(
      run_text(f,
               "func @f(%A: f64[2, 3], %B: f64[2, 1]) { %0: f64[2, 4] = concat %A, %B axis 1"
               " yield %0 }",
               parts, &joined));
  ASSERT_ENTRIES(joined, 1, 2, 3, 7, 4, 5, 6, 8);
}

static void reductions(void **state) {
  IrFixture *f = *state;
  static const char text[] =
      "func @f(%A: f64[2, 3], %k: i32[3]) {"
      " %0: f64[3] = reduce_sum %A axes(0)  %1: f64[2] = reduce_max %A axes(1)"
      " %2: f64 = reduce_prod %A axes(0, 1)  %3: i64[2] = argmax %A axis 1"
      " %4: f64[2, 3] = cumsum %A axis 1  %5: f64[2, 3] = cumsum %A axis 0 reverse"
      " %6: f64[2, 3] = cumsum %A axis 1 exclusive  %7: i64[2, 3] = argsort %A axis 1"
      " %8: i64[2, 3] = argsort %A axis 1 descending  %9: i32 = reduce_max %k axes(0)"
      " yield %0, %1, %2, %3, %4, %5, %6, %7, %8, %9 }";
  Tensor *r[10];
  Tensor *arguments[2] = {fixture_tensor(f, DT_F64, SHAPE(2, 3), ENTRIES(3, 1, 3, -1, NAN, 2)),
                          fixture_tensor(f, DT_I32, SHAPE(3), ENTRIES(-5, -2, -9))};
  assert_true(run_text(f, text, arguments, r));
  ASSERT_ENTRIES(r[0], 2, NAN, 5);
  ASSERT_ENTRIES(r[1], 3, NAN);
  assert_true(isnan(r[2]->reals[0]));
  ASSERT_ENTRIES(r[3], 0, 2);
  ASSERT_ENTRIES(r[4], 3, 4, 7, -1, NAN, NAN);
  ASSERT_ENTRIES(r[5], 2, NAN, 5, -1, NAN, 2);
  ASSERT_ENTRIES(r[6], 0, 3, 4, 0, -1, NAN);
  ASSERT_ENTRIES(r[7], 1, 0, 2, 0, 2, 1); // stable; NaN last
  ASSERT_ENTRIES(r[8], 0, 2, 1, 2, 0, 1);
  ASSERT_ENTRIES(r[9], -2);
}

static void products(void **state) {
  IrFixture *f = *state;
  Tensor *r[7];
  Tensor *arguments[4] = {fixture_tensor(f, DT_F64, SHAPE(2, 3), ENTRIES(1, 2, 3, 4, 5, 6)),
                          fixture_tensor(f, DT_F64, SHAPE(3, 2), ENTRIES(1, 0, 2, 1, 0, 3)),
                          vector(f, 3, ENTRIES(1, -1, 2)),
                          fixture_tensor(f, DT_I32, SHAPE(3), ENTRIES(65536, 1, 2))};
  static const char text[] =
      "func @f(%A: f64[2, 3], %B: f64[3, 2], %x: f64[3], %k: i32[3]) {"
      " %0: f64[2, 2] = dot %A, %B contract(1; 0)  %1: f64[2] = dot %A, %x contract(1; 0)"
      " %2: f64[3] = dot %A, %B batch(1; 0) contract(0; 1)  %3: f64[3, 3] = dot %x, %x"
      " %4: f64 = dot %A, %B contract(0, 1; 1, 0)  %5: f64[2, 3, 3] = dot %A, %B batch(0; 1)"
      " %6: i32 = dot %k, %k contract(0; 0)  yield %0, %1, %2, %3, %4, %5, %6 }";
  assert_true(run_text(f, text, arguments, r));
  ASSERT_ENTRIES(r[0], 5, 11, 14, 23);
  ASSERT_ENTRIES(r[1], 5, 11);
  ASSERT_ENTRIES(r[2], 1, 2 * 2 + 5, 18); // sum over i of A[i, k] B[k, i]
  ASSERT_ENTRIES(r[3], 1, -1, 2, -1, 1, -2, 2, -2, 4);
  ASSERT_ENTRIES(r[4], 28);
  ASSERT_ENTRIES(r[5], 1, 2, 0, 2, 4, 0, 3, 6, 0, 0, 4, 12, 0, 5, 15, 0, 6, 18);
  ASSERT_ENTRIES(r[6], 5); // 2^32 wraps
}

static void convolutions(void **state) {
  IrFixture *f = *state;
  Tensor *r[7];
  Tensor *arguments[5] = {vector(f, 6, ENTRIES(1, 2, 4, 8, 16, 32)),
                          vector(f, 3, ENTRIES(1, 0, -1)),
                          fixture_tensor(f, DT_F64, SHAPE(2, 3), ENTRIES(1, 2, 3, 4, 5, 6)),
                          fixture_tensor(f, DT_F64, SHAPE(2, 2), ENTRIES(1, 10, 100, 0)),
                          fixture_tensor(f, DT_U8, SHAPE(3), ENTRIES(200, 1, 2))};
  static const char text[] =
      "func @f(%x: f64[6], %k: f64[3], %A: f64[2, 3], %B: f64[2, 2], %u: u8[3]) {"
      " %0: f64[4] = conv %x, %k window(0; 0)  %1: f64[2] = conv %x, %k window(0; 0) stride(2)"
      " %2: f64[2] = conv %x, %k window(0; 0) dilation(2)"
      " %3: f64[2] = conv %A, %B contract(0; 0) window(1; 1)"
      " %4: f64[2, 2] = conv %A, %B batch(0; 0) window(1; 1)"
      " %5: f64[1, 2] = conv %A, %B window(0, 1; 0, 1)  %6: u8[1] = conv %u, %u window(0; 0) wide"
      " yield %0, %1, %2, %3, %4, %5, %6 }";
  assert_true(run_text(f, text, arguments, r));
  ASSERT_ENTRIES(r[0], -3, -6, -12, -24);
  ASSERT_ENTRIES(r[1], -3, -12);
  ASSERT_ENTRIES(r[2], -15, -30);
  ASSERT_ENTRIES(r[3], 21 + 400, 32 + 500);
  ASSERT_ENTRIES(r[4], 21, 32, 400, 500);
  ASSERT_ENTRIES(r[5], 421, 532);
  ASSERT_ENTRIES(r[6], (40000 + 5) % 256);
}

static void factorisations(void **state) {
  IrFixture *f = *state;
  static const char text[] =
      "func @f(%A: f64[2, 2], %M: f64[2, 2, 2], %b: f64[2, 1], %B: f64[2, 2, 1]) {"
      " %L: f64[2, 2] = cholesky %A  %1: f64[2, 1] = trisolve %L, %b"
      " %2: f64[2, 1] = trisolve %L, %b transposed  %3: f64[2, 2, 1] = solve %M, %B"
      " %4: f64[2, 2, 1] = solve %M, %B transposed  yield %L, %1, %2, %3, %4 }";
  Tensor *r[5];
  // The upper triangle of A is not read.
  Tensor *arguments[4] = {
      fixture_tensor(f, DT_F64, SHAPE(2, 2), ENTRIES(4, 99, 2, 10)),
      fixture_tensor(f, DT_F64, SHAPE(2, 2, 2), ENTRIES(0, 1, 2, 0, 1, 2, 3, 4)),
      fixture_tensor(f, DT_F64, SHAPE(2, 1), ENTRIES(2, 7)),
      fixture_tensor(f, DT_F64, SHAPE(2, 2, 1), ENTRIES(5, 6, 5, 11))};
  assert_true(run_text(f, text, arguments, r));
  ASSERT_ENTRIES(r[0], 2, 0, 1, 3);
  ASSERT_ENTRIES(r[1], 1, 2);
  ASSERT_ENTRIES(r[2], (2 - 7.0 / 3) / 2, 7.0 / 3);
  assert_near(r[3]->reals[0], 3, 1e-14);
  assert_near(r[3]->reals[1], 5, 1e-14);
  assert_near(r[3]->reals[2], 1, 1e-14);
  assert_near(r[3]->reals[3], 2, 1e-14);
  assert_near(r[4]->reals[0], 6, 1e-14); // M0' = [0 2; 1 0]
  assert_near(r[4]->reals[1], 2.5, 1e-14);
  assert_int_equal(f->run.notes.count, 0);
  arguments[0]->reals[0] = -1;
  for (int i = 0; i < 8; i++) arguments[1]->reals[i] = 1;
  assert_true(run_text(f, text, arguments, r));
  assert_int_equal(f->run.notes.count, 2); // not positive definite, singular
}

static void gathers(void **state) {
  IrFixture *f = *state;
  static const char text[] =
      "func @f(%A: f64[2, 3], %i: i64[2], %j: i64[2], %u: f64[2, 2], %v: f64[2]) {"
      " %0: f64[2, 3] = gather %A, %i axes(0)  %1: f64[2, 2] = gather %A, %j axes(1)"
      " %2: f64[2] = gather %A, %i, %j axes(0, 1)"
      " %3: f64[2, 3] = scatter_add %A, %u, %j axes(1)"
      " %4: f64[2, 3] = scatter_add %A, %v, %i, %j axes(0, 1)  yield %0, %1, %2, %3, %4 }";
  Tensor *r[5];
  Tensor *arguments[5] = {fixture_tensor(f, DT_F64, SHAPE(2, 3), ENTRIES(1, 2, 3, 4, 5, 6)),
                          fixture_tensor(f, DT_I64, SHAPE(2), ENTRIES(1, 1)),
                          fixture_tensor(f, DT_I64, SHAPE(2), ENTRIES(2, 2)),
                          fixture_tensor(f, DT_F64, SHAPE(2, 2), ENTRIES(10, 20, 30, 40)),
                          vector(f, 2, ENTRIES(100, 200))};
  assert_true(run_text(f, text, arguments, r));
  ASSERT_ENTRIES(r[0], 4, 5, 6, 4, 5, 6);
  ASSERT_ENTRIES(r[1], 3, 6, 3, 6); // the index axis comes first
  ASSERT_ENTRIES(r[2], 6, 6);
  ASSERT_ENTRIES(r[3], 1, 2, 3 + 10 + 30, 4, 5, 6 + 20 + 40);
  ASSERT_ENTRIES(r[4], 1, 2, 3, 4, 5, 306);
  assert_int_equal(f->run.notes.count, 0);
  arguments[1]->integers[0] = -5; // clamped, and noted
  arguments[1]->integers[1] = 5;
  assert_true(run_text(f, text, arguments, r));
  ASSERT_ENTRIES(r[0], 1, 2, 3, 4, 5, 6);
  assert_true(f->run.notes.count > 0);
}

static void notes_have_codes(void **state) {
  IrFixture *f = *state;
  Module *module = fixture_read_good(
      f, "func @f(%x: f64[2], %i: i64, %b: bool[2]) { %0: f64 = gather %x, %i axes(0) "
         "note %b code W0703 \"watch\" yield %0 }");
  module_register_checks(module);
  assert_int_equal(module->notes.count, 2);
  Tensor *r, *arguments[3] = {vector(f, 2, ENTRIES(1, 2)), integer(f, 2),
                              fixture_tensor(f, DT_BOOL, SHAPE(2), ENTRIES(0, 0))};
  assert_true(fixture_run(f, module->funcs.data[0], arguments, &r));
  ASSERT_ENTRIES(r, 2);
  assert_int_equal(module->notes.count, 2);
  assert_int_equal(f->run.notes.count, 1);
  assert_int_equal(module->notes.data[f->run.notes.data[0]].code, E0704);
  arguments[1]->integers[0] = 1;
  arguments[2]->integers[1] = 1; // any entry
  assert_true(fixture_run(f, module->funcs.data[0], arguments, &r));
  assert_int_equal(f->run.notes.count, 1);
  assert_string_equal(module->notes.data[f->run.notes.data[0]].text, "watch");
}

static void dynamic_ops(void **state) {
  IrFixture *f = *state;
  static const char text[] =
      "func @f(%A: f64[3, 3], %u: f64[2, 1], %i: i64, %j: i64) {"
      " %0: f64[2, 2] = dynamic_slice %A, %i, %j  %1: f64[3, 3] = dynamic_update %A, %u, %i, %j"
      " %2: f64[3, 3] = dynamic_update %A, %u, %i, %j accumulate  yield %0, %1, %2 }";
  Tensor *r[3];
  Tensor *arguments[4] = {
      fixture_tensor(f, DT_F64, SHAPE(3, 3), ENTRIES(1, 2, 3, 4, 5, 6, 7, 8, 9)),
      fixture_tensor(f, DT_F64, SHAPE(2, 1), ENTRIES(10, 20)), integer(f, 1), integer(f, 0)};
  assert_true(run_text(f, text, arguments, r));
  ASSERT_ENTRIES(r[0], 4, 5, 7, 8);
  ASSERT_ENTRIES(r[1], 1, 2, 3, 10, 5, 6, 20, 8, 9);
  ASSERT_ENTRIES(r[2], 1, 2, 3, 14, 5, 6, 27, 8, 9);
  assert_int_equal(f->run.notes.count, 0);
  arguments[2]->integers[0] = 7;
  assert_true(run_text(f, text, arguments, r));
  ASSERT_ENTRIES(r[0], 4, 5, 7, 8);
  assert_true(f->run.notes.count > 0);
}

static void control_ops(void **state) {
  IrFixture *f = *state;
  static const char text[] =
      "func @f(%x: f64, %count: i64, %rows: f64[4]) {"
      " %u: f64, %path: f64[4, 2], %trips: i64 = loop %count bound [4] (%i, %a = %x) "
      "stacked(%row = %rows) {"
      "   %b: f64 = add %a, %row  %fi: f64 = convert %i  %one: f64[1] = reshape %fi"
      "   %two: f64[1] = reshape %b  %out: f64[2] = concat %one, %two axis 0  yield %b, %out }"
      " %r: f64, %order: f64[4], %trips2: i64 = loop %count bound [4] (%j, %c = %x) "
      "stacked(%row2 = %rows) reverse {"
      "   %half: f64 = const 0.5  %d: f64 = mul %c, %half  %e: f64 = add %d, %row2  yield %e, %c }"
      " %zero: f64 = const 0  %positive: bool = compare gt %x, %zero"
      " %t: f64 = if %positive { yield %x } else { %m: f64 = neg %x yield %m }"
      " %k: f64 = custom %x, %count (%p: f64, %q: i64) { %s: f64 = mul %p, %p yield %s }"
      " yield %u, %path, %trips, %r, %order, %t, %k }";
  Tensor *r[7];
  Tensor *arguments[3] = {number(f, -1), integer(f, 3), vector(f, 4, ENTRIES(1, 2, 4, 8))};
  assert_true(run_text(f, text, arguments, r));
  ASSERT_ENTRIES(r[0], 6);
  ASSERT_ENTRIES(r[1], 0, 0, 1, 2, 2, 6, 0, 0); // rows behind the trips are zero
  ASSERT_ENTRIES(r[2], 3);
  ASSERT_ENTRIES(r[3], 1 + 0.5 * (2 + 0.5 * (4 + 0.5 * -1)));
  ASSERT_ENTRIES(r[4], 2 + 0.5 * 3.5, 3.5, -1, 0);
  ASSERT_ENTRIES(r[5], 1);
  ASSERT_ENTRIES(r[6], 1);
  arguments[1]->integers[0] = 100; // the bound holds
  assert_true(run_text(f, text, arguments, r));
  ASSERT_ENTRIES(r[2], 4);
  ASSERT_ENTRIES(r[0], 14);
  arguments[1]->integers[0] = -3;
  assert_true(run_text(f, text, arguments, r));
  ASSERT_ENTRIES(r[2], 0);
  ASSERT_ENTRIES(r[0], -1);
}

static void empty_sizes(void **state) {
  IrFixture *f = *state;
  static const char text[] =
      "func @f(%A: f64[n, d], %x: f64[n], %k: i64[n], %c: i64) dims(n, d) {"
      " %0: f64[d] = reduce_sum %A axes(0)  %1: f64[d] = reduce_max %A axes(0)"
      " %2: f64[d] = dot %A, %x contract(0; 0)  %3: i64[n, d] = argsort %A axis 0"
      " %4: f64[n, d] = cumsum %A axis 0  %5: f64[n] = view %x [-o0 + n - 1]"
      " %6: f64[n, d] = gather %A, %k axes(0)  %7: i64[d] = argmax %A axis 0"
      " %8: f64[n] = scatter_add %x, %x, %k axes(0)  %9: f64[n, n] = view %x [o1]"
      " %10: f64[n, n] = solve %9, %9  %11: f64[n, n] = cholesky %9"
      " %12: f64[2*n] = concat %x, %x axis 0  %13: f64[n] = random uniform %c, %c"
      " %14: f64[n] = iota axis 0  %15: i64 = loop %c bound [n] (%i) { yield }"
      " yield %0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15 }";
  Tensor *r[16];
  fixture_bind(f, "n", 0);
  fixture_bind(f, "d", 2);
  Tensor *arguments[4] = {fixture_noise(f, SHAPE(0, 2), 1), fixture_noise(f, SHAPE(0), 1),
                          fixture_tensor(f, DT_I64, SHAPE(0), NULL), integer(f, 5)};
  assert_true(run_text(f, text, arguments, r));
  ASSERT_ENTRIES(r[0], 0, 0);
  ASSERT_ENTRIES(r[1], -INFINITY, -INFINITY);
  ASSERT_ENTRIES(r[2], 0, 0);
  ASSERT_ENTRIES(r[7], 0, 0);
  ASSERT_ENTRIES(r[15], 0);
  assert_int_equal(r[6]->count, 0);
  f->dim_values[0] = 1;
  Tensor *single[4] = {fixture_noise(f, SHAPE(1, 2), 1), vector(f, 1, ENTRIES(3)),
                       fixture_tensor(f, DT_I64, SHAPE(1), ENTRIES(0)), integer(f, 5)};
  assert_true(run_text(f, text, single, r));
  ASSERT_ENTRIES(r[5], 3);
  ASSERT_ENTRIES(r[8], 6);
  ASSERT_ENTRIES(r[10], 1);
}

static void limits_stop_runs(void **state) {
  IrFixture *f = *state;
  Tensor *r, *count = integer(f, INT64_MAX);
  f->run.op_limit = 1000;
  assert_false(run_text(f,
                        "func @f(%c: i64) { %x: f64 = const 1 %y: f64, %t: i64 = loop %c (%i, %u = "
                        "%x) { %v: f64 = add %u, %x yield %v } yield %y }",
                        &count, &r));
  assert_non_null(strstr(f->run.error, "1000 ops"));
  assert_false(
      run_text(f, "func @f(%c: i64) { %t: i64 = loop %c (%i) { yield } yield %t }", &count, &r));
  f->run.op_limit = 0;
  fixture_bind(f, "n", (int64_t)1 << 40);
  assert_false(run_text(f, "func @f() dims(n) { %x: f64[n, n] = const 1 yield %x }", NULL, &r));
  assert_non_null(strstr(f->run.error, "too large"));
  f->dim_values[0] = 1 << 20;
  f->run.entry_limit = 1 << 10;
  assert_false(run_text(f, "func @f() dims(n) { %x: f64[n] = const 1 yield %x }", NULL, &r));
  f->dim_values[0] = 3;
  assert_false(run_text(f, "func @f() dims(n) { %x: f64[n - 5] = const 1 yield %x }", NULL, &r));
  assert_false(run_text(f, "func @f() dims(n) { %x: f64[n/2] = const 1 yield %x }", NULL, &r));
  assert_false(run_text(f, "func @f() dims(m) { %x: f64[m] = const 1 yield %x }", NULL, &r));
  assert_non_null(strstr(f->run.error, "dim m has no value"));
  Tensor *wrong = vector(f, 2, ENTRIES(1, 2));
  assert_false(run_text(f, "func @f(%x: f64[n]) dims(n) { yield %x }", &wrong, &r));
  assert_non_null(strstr(f->run.error, "argument 0"));
  Tensor *x = vector(f, 3, ENTRIES(1, 2, 3));
  fixture_bind(f, "m", 4); // an index map that only turns out wrong with these dims
  assert_false(
      run_text(f, "func @f(%x: f64[n]) dims(n, m) { %y: f64[m] = view %x [o0] yield %y }", &x, &r));
  assert_non_null(strstr(f->run.error, "index map"));
}

// --- the programs of tests/ir -------------------------------------------------------------

static const Func *program(IrFixture *f, const char *name) {
  return fixture_read_good(f, fixture_file(f, name))->funcs.data[0];
}

// Central difference of result `value` in entry i of argument k.
static double difference(IrFixture *f, const Func *func, Tensor **arguments, int k, int64_t i,
                         int value) {
  Tensor *r[MAX_RESULTS];
  double step = 1e-5, start = arguments[k]->reals[i];
  arguments[k]->reals[i] = start + step;
  assert_true(fixture_run(f, func, arguments, r));
  double up = r[value]->reals[0];
  arguments[k]->reals[i] = start - step;
  assert_true(fixture_run(f, func, arguments, r));
  arguments[k]->reals[i] = start;
  return (up - r[value]->reals[0]) / (2 * step);
}

static void ridge_step_has_the_right_hypergradient(void **state) {
  IrFixture *f = *state;
  const Func *func = program(f, "ridge_cg.ir");
  fixture_bind(f, "n", 12);
  fixture_bind(f, "m", 7);
  fixture_bind(f, "d", 4);
  Tensor *r[MAX_RESULTS];
  Tensor *arguments[6] = {number(f, 0.3),
                          fixture_noise(f, SHAPE(4), 1),
                          fixture_noise(f, SHAPE(12, 4), 2),
                          fixture_noise(f, SHAPE(12), 3),
                          fixture_noise(f, SHAPE(7, 4), 4),
                          fixture_noise(f, SHAPE(7), 5)};
  assert_true(fixture_run(f, func, arguments, r));
  assert_in_range(r[3]->integers[0], 4, 8);
  double hypergradient = r[2]->reals[0];
  assert_near(hypergradient, difference(f, func, arguments, 0, 0, 1), 1e-8);
  for (int64_t i = 0; i < 4; i++) // the solution does not depend on the start
    assert_near(difference(f, func, arguments, 1, i, 1), 0, 1e-8);
}

static void logistic_gradient_is_right(void **state) {
  IrFixture *f = *state;
  const Func *func = program(f, "logistic_gradient.ir");
  fixture_bind(f, "n", 9);
  fixture_bind(f, "d", 3);
  Tensor *r[MAX_RESULTS];
  Tensor *arguments[4] = {fixture_noise(f, SHAPE(3), 1), number(f, 0.1),
                          fixture_noise(f, SHAPE(9, 3), 2), fixture_noise(f, SHAPE(9), 3)};
  for (int i = 0; i < 9; i++) arguments[3]->reals[i] = arguments[3]->reals[i] > 0 ? 1 : -1;
  assert_true(fixture_run(f, func, arguments, r));
  for (int64_t i = 0; i < 3; i++)
    assert_near(r[1]->reals[i], difference(f, func, arguments, 0, i, 0), 1e-8);
}

static void softmax_gradient_is_right(void **state) {
  IrFixture *f = *state;
  const Func *func = program(f, "softmax_cross_entropy.ir");
  fixture_bind(f, "n", 6);
  fixture_bind(f, "d", 3);
  fixture_bind(f, "c", 4);
  Tensor *r[MAX_RESULTS];
  Tensor *arguments[3] = {fixture_noise(f, SHAPE(3, 4), 1), fixture_noise(f, SHAPE(6, 3), 2),
                          fixture_tensor(f, DT_I64, SHAPE(6), ENTRIES(0, 1, 2, 3, 0, 2))};
  assert_true(fixture_run(f, func, arguments, r));
  for (int64_t i = 0; i < 12; i++)
    assert_near(r[1]->reals[i], difference(f, func, arguments, 0, i, 0), 1e-8);
}

static void two_layers_give_the_loss(void **state) {
  IrFixture *f = *state;
  const Func *func = program(f, "mlp_loss.ir");
  fixture_bind(f, "n", 5);
  fixture_bind(f, "d", 2);
  fixture_bind(f, "h", 3);
  Tensor *r[MAX_RESULTS];
  Tensor *arguments[6] = {fixture_noise(f, SHAPE(2, 3), 1), fixture_noise(f, SHAPE(3), 2),
                          fixture_noise(f, SHAPE(3), 3),    number(f, 0.2),
                          fixture_noise(f, SHAPE(5, 2), 4), fixture_noise(f, SHAPE(5), 5)};
  assert_true(fixture_run(f, func, arguments, r));
  const double *A = arguments[0]->reals, *a = arguments[1]->reals, *B = arguments[2]->reals,
               *X = arguments[4]->reals, *y = arguments[5]->reals;
  double loss = 0;
  for (int i = 0; i < 5; i++) {
    double out = 0.2;
    for (int k = 0; k < 3; k++)
      out += B[k] * tanh(X[2 * i] * A[k] + X[2 * i + 1] * A[3 + k] + a[k]);
    loss += 0.5 * (out - y[i]) * (out - y[i]);
  }
  assert_near(r[0]->reals[0], loss, 1e-14);
}

static void descent_stacks_its_path(void **state) {
  IrFixture *f = *state;
  const Func *func = program(f, "unrolled_gradient_descent.ir");
  fixture_bind(f, "n", 8);
  fixture_bind(f, "d", 3);
  fixture_bind(f, "T", 400);
  Tensor *r[MAX_RESULTS];
  Tensor *arguments[5] = {number(f, 0.5), fixture_noise(f, SHAPE(3), 1),
                          fixture_noise(f, SHAPE(8, 3), 2), fixture_noise(f, SHAPE(8), 3),
                          number(f, 0.1)};
  assert_true(fixture_run(f, func, arguments, r));
  assert_int_equal(r[2]->integers[0], 400);
  const double *X = arguments[2]->reals, *y = arguments[3]->reals, *w = r[0]->reals;
  for (int k = 0; k < 3; k++) { // stationary: X'(Xw - y) + e w = 0
    double g = 0.5 * w[k];
    for (int i = 0; i < 8; i++)
      g += X[3 * i + k] * (X[3 * i] * w[0] + X[3 * i + 1] * w[1] + X[3 * i + 2] * w[2] - y[i]);
    assert_near(g, 0, 1e-10);
    assert_true(r[1]->reals[k] == arguments[1]->reals[k]); // the path starts at the start
  }
}

static void root_stops_when_it_may(void **state) {
  IrFixture *f = *state;
  const Func *func = program(f, "while_root.ir");
  fixture_bind(f, "n", 3);
  Tensor *r[MAX_RESULTS];
  Tensor *arguments[2] = {vector(f, 3, ENTRIES(2, 0.25, 100)), number(f, 1e-10)};
  assert_true(fixture_run(f, func, arguments, r));
  assert_near(r[0]->reals[0], sqrt(2), 1e-10);
  assert_near(r[0]->reals[1], 0.5, 1e-10);
  assert_near(r[0]->reals[2], 10, 1e-10);
  assert_in_range(r[1]->integers[0], 5, 12);
}

static void batches_are_drawn_without_replacement(void **state) {
  IrFixture *f = *state;
  const Func *func = program(f, "batch_sgd.ir");
  fixture_bind(f, "n", 12);
  fixture_bind(f, "d", 2);
  fixture_bind(f, "B", 4);
  fixture_bind(f, "T", 3); // one epoch
  Tensor *r[MAX_RESULTS];
  Tensor *arguments[5] = {integer(f, 77), fixture_noise(f, SHAPE(2), 1),
                          fixture_noise(f, SHAPE(12, 2), 2), fixture_noise(f, SHAPE(12), 3),
                          number(f, 0.05)};
  assert_true(fixture_run(f, func, arguments, r));
  int seen = 0;
  for (int i = 0; i < 12; i++) seen |= 1 << r[2]->integers[i];
  assert_int_equal(seen, (1 << 12) - 1);
  double w[2] = {arguments[1]->reals[0], arguments[1]->reals[1]};
  const double *X = arguments[2]->reals, *y = arguments[3]->reals;
  for (int t = 0; t < 3; t++) {
    double g[2] = {0};
    for (int k = 0; k < 4; k++) {
      int64_t row = blo_rng_index(77, 4 * t + k, 12);
      double residual = X[2 * row] * w[0] + X[2 * row + 1] * w[1] - y[row];
      assert_near(r[1]->reals[row], residual, 1e-13);
      g[0] += X[2 * row] * residual;
      g[1] += X[2 * row + 1] * residual;
    }
    w[0] -= 0.05 * g[0];
    w[1] -= 0.05 * g[1];
  }
  assert_near(r[0]->reals[0], w[0], 1e-13);
  assert_near(r[0]->reals[1], w[1], 1e-13);
}

static void windows_convolve(void **state) {
  IrFixture *f = *state;
  const Func *func = program(f, "conv_window.ir");
  fixture_bind(f, "n", 3);
  fixture_bind(f, "k", 2);
  Tensor *r[MAX_RESULTS];
  Tensor *arguments[2] = {vector(f, 8, ENTRIES(1, 2, 3, 4, 5, 6, 7, 8)),
                          vector(f, 2, ENTRIES(10, 1))};
  assert_true(fixture_run(f, func, arguments, r));
  ASSERT_ENTRIES(r[0], 12, 34, 56);
  ASSERT_ENTRIES(r[1], 120, 12, 340, 34, 560, 56, 0, 0);
}

static void reversed_loops_read_the_tape(void **state) {
  IrFixture *f = *state;
  const Func *func = program(f, "tape.ir");
  fixture_bind(f, "d", 2);
  fixture_bind(f, "T", 5);
  Tensor *r[MAX_RESULTS];
  Tensor *arguments[2] = {vector(f, 2, ENTRIES(1.1, 0.8)), vector(f, 2, ENTRIES(2, 3))};
  assert_true(fixture_run(f, func, arguments, r));
  for (int i = 0; i < 2; i++) {
    double a = arguments[0]->reals[i], u = arguments[1]->reals[i];
    assert_near(r[1]->reals[i], pow(a, 5), 1e-13);
    assert_near(r[2]->reals[i], 5 * u * pow(a, 4), 1e-13);
  }
}

static void measures_count(void **state) {
  IrFixture *f = *state;
  IrMeasure measure = ir_measure(program(f, "ridge_cg.ir")->body);
  assert_int_equal(measure.loops, 2);
  assert_int_equal(measure.dots, 17);
  assert_int_equal(ir_measure(program(f, "mlp_loss.ir")->body).ops, 11);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
  const struct CMUnitTest tests[] = {
      TEST(unary_ops),
      TEST(binary_ops),
      TEST(integer_ops),
      TEST(conversions),
      TEST(rounding_is_a_switch),
      TEST(sources),
      TEST(random_ops),
      TEST(index_maps),
      TEST(reductions),
      TEST(products),
      TEST(convolutions),
      TEST(factorisations),
      TEST(gathers),
      TEST(notes_have_codes),
      TEST(dynamic_ops),
      TEST(control_ops),
      TEST(empty_sizes),
      TEST(limits_stop_runs),
      TEST(ridge_step_has_the_right_hypergradient),
      TEST(logistic_gradient_is_right),
      TEST(softmax_gradient_is_right),
      TEST(two_layers_give_the_loss),
      TEST(descent_stacks_its_path),
      TEST(root_stops_when_it_may),
      TEST(batches_are_drawn_without_replacement),
      TEST(windows_convolve),
      TEST(reversed_loops_read_the_tape),
      TEST(measures_count),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
