// Elementwise functions of emitted code against libm: ulps over wide ranges, special values.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/emit_fixture.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { COUNT = 1 << 15 };

static uint64_t state = 88172645463325252u;

static double uniform(double low, double high) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return low + (high - low) * (double)(state >> 11) * 0x1p-53;
}

static long double reference(Opcode code, long double x) {
  switch (code) {
  case OP_EXP:
    return expl(x);
  case OP_EXPM1:
    return expm1l(x);
  case OP_LOG:
    return logl(x);
  case OP_LOG1P:
    return log1pl(x);
  case OP_TANH:
    return tanhl(x);
  case OP_LOGISTIC:
    return 1 / (1 + expl(-x));
  case OP_SOFTPLUS:
    return x > 0 ? x + log1pl(expl(-x)) : log1pl(expl(x));
  case OP_SIN:
    return sinl(x);
  case OP_COS:
    return cosl(x);
  case OP_ERF:
    return erfl(x);
  case OP_ERFC:
    return erfcl(x);
  case OP_LGAMMA:
    return lgammal(x);
  case OP_SQRT:
    return sqrtl(x);
  case OP_RSQRT:
    return 1 / sqrtl(x);
  default:
    abort();
  }
}

/// Distance from the right value in units of the last place of the type.
static double error_ulps(double got, long double right, bool f32) {
  double nearest = f32 ? (double)(float)right : (double)right;
  if (isnan(got) || isnan(nearest)) return isnan(got) && isnan(nearest) ? 0 : INFINITY;
  if (got == nearest) return 0;
  if (isinf(got) || isinf(nearest)) return INFINITY;
  int exponent;
  frexp(nearest, &exponent);
  int digits = f32 ? 24 : 53, least = f32 ? -125 : -1021;
  if (exponent < least) exponent = least;
  return (double)(fabsl((long double)got - right) / ldexpl(1, exponent - digits));
}

typedef struct Range {
  Opcode code;
  double low, high;
  bool logarithmic; // sizes spread over magnitudes from low to high, both signs
  double f64_ulps, f32_ulps;
} Range;

static double draw(const Range *r) {
  if (!r->logarithmic) return uniform(r->low, r->high);
  double x = exp(uniform(log(r->low), log(r->high)));
  return uniform(0, 1) < 0.5 ? -x : x;
}

static int failures; // counted, so that one run shows all

static void check_range(const Range *r, Dtype dtype) {
  bool f32 = dtype == DT_F32;
  Fixture f = fixture_create();
  blo_function run = fixture_unary(&f, r->code, dtype, f32 ? 16 : 8, 2);
  double *x = calloc(COUNT, sizeof *x), *y = calloc(COUNT, sizeof *y);
  float *x32 = calloc(COUNT, sizeof *x32), *y32 = calloc(COUNT, sizeof *y32);
  int64_t count = COUNT - 3;
  for (int i = 0; i < COUNT; i++) {
    x[i] = draw(r);
    if (f32) x[i] = x32[i] = (float)x[i];
  }
  const void *input = f32 ? (void *)x32 : (void *)x;
  void *output = f32 ? (void *)y32 : (void *)y;
  assert_int_equal(fixture_call(&f, run, count, &input, &output), BLO_OK);
  double worst = 0, place = 0;
  for (int64_t i = 0; i < count; i++) {
    double error = error_ulps(f32 ? (double)y32[i] : y[i], reference(r->code, x[i]), f32);
    if (error > worst || isnan(error)) worst = error, place = x[i];
  }
  double limit = f32 ? r->f32_ulps : r->f64_ulps;
  if (getenv("BLO_SHOW_ULPS") || worst > limit)
    fprintf(stderr, "%s %s [%g, %g]: %.2f ulp at %a\n", op_table[r->code].text, f32 ? "f32" : "f64",
            r->low, r->high, worst, place);
  if (worst > limit) failures++;
  free(x);
  free(y);
  free(x32);
  free(y32);
  fixture_destroy(&f);
}

static void functions_are_accurate(void **unused) {
  (void)unused;
  failures = 0;
  static const Range ranges[] = {
      {OP_EXP, -760, 720, false, 1.1, 1.1},
      {OP_EXP, -1, 1, false, 1.1, 1.1},
      {OP_EXP, -104, 90, false, 1.1, 1.1},
      {OP_EXPM1, -60, 90, false, 2, 2},
      {OP_EXPM1, 1e-300, 1, true, 2, 2},
      {OP_LOG, 1e-310, 1e308, true, 1, 1},
      {OP_LOG, 0.5, 2, false, 1, 1.2},
      {OP_LOG1P, 1e-300, 0.9, true, 1.5, 1.5},
      {OP_LOG1P, -1, 10, false, 1.5, 1.5},
      {OP_LOG1P, 1, 1e300, true, 1.5, 1.5},
      {OP_TANH, 1e-300, 30, true, 2.5, 2.5},
      {OP_TANH, -3, 3, false, 2.5, 2.5},
      {OP_LOGISTIC, -100, 100, false, 2.5, 2.5},
      {OP_SOFTPLUS, -100, 100, false, 2, 2},
      {OP_SIN, -100, 100, false, 1, 1},
      {OP_SIN, 1e-300, 1e15, true, 1, 1},
      {OP_COS, -100, 100, false, 1, 1},
      {OP_COS, 1e-10, 1e8, true, 1, 1},
      {OP_ERF, -7, 7, false, 2, 1},
      {OP_ERF, 1e-300, 1, true, 2, 1},
      {OP_ERFC, -6, 26, false, 5, 1},
      {OP_LGAMMA, 3, 1e5, true, 5, 1},
      {OP_SQRT, 1e-300, 1e300, true, 0.51, 0.51},
      {OP_RSQRT, 1e-30, 1e30, true, 1.6, 1.6},
  };
  for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
    check_range(&ranges[i], DT_F64);
    check_range(&ranges[i], DT_F32);
  }
  assert_int_equal(failures, 0);
}

static void special_values(void **unused) {
  (void)unused;
  failures = 0;
  static const Opcode codes[] = {OP_EXP, OP_EXPM1,    OP_LOG, OP_LOG1P, OP_TANH,
                                 OP_SIN, OP_LOGISTIC, OP_COS, OP_ERF,   OP_SQRT};
  const double values[] = {0,        -0.0,    INFINITY, -INFINITY, NAN, DBL_TRUE_MIN, -DBL_TRUE_MIN,
                           DBL_MIN,  DBL_MAX, -DBL_MAX, 1,         -1,  0x1p-1022,    0x1.8p1023,
                           -0x1p-60, 709.8};
  enum { VALUES = sizeof values / sizeof *values };
  for (size_t c = 0; c < sizeof codes / sizeof *codes; c++) {
    Fixture f = fixture_create();
    blo_function run = fixture_unary(&f, codes[c], DT_F64, 8, 1);
    double results[VALUES];
    const void *input = values;
    void *output = results;
    fixture_call(&f, run, VALUES, &input, &output);
    for (int i = 0; i < VALUES; i++) {
      double error = error_ulps(results[i], reference(codes[c], values[i]), false);
      if (!(error <= 2.5))
        fprintf(stderr, "%s(%a) = %a\n", op_table[codes[c]].text, values[i], results[i]);
      failures += !(error <= 2.5);
    }
    fixture_destroy(&f);
  }
  assert_int_equal(failures, 0);
}

static blo_function compile_pow(Fixture *f, Dtype dtype) {
  KernelBuilder *k = fixture_kernel(f, "pow");
  int x = kernel_buffer(k, dtype, true, false), y = kernel_buffer(k, dtype, true, false);
  int z = kernel_buffer(k, dtype, false, true);
  Axis *i = kernel_for_vector(k, "i", expr_dim(k, f->n), 8, 1);
  Expr *at = expr_axis(k, i);
  kernel_store(k, z, at, expr_binary(k, OP_POW, expr_load(k, x, at), expr_load(k, y, at)));
  kernel_end(k);
  Buffer *buffers[] = {fixture_buffer(f, BUFFER_INPUT, 0, dtype, f->n),
                       fixture_buffer(f, BUFFER_INPUT, 1, dtype, f->n),
                       fixture_buffer(f, BUFFER_OUTPUT, 0, dtype, f->n)};
  fixture_launch(f, &f->schedule->steps, kernel_finish(k), buffers, 3);
  return fixture_compile(f);
}

static void pow_is_accurate(void **unused) {
  (void)unused;
  failures = 0;
  Fixture f = fixture_create();
  blo_function run = compile_pow(&f, DT_F64);
  double *x = calloc(COUNT, sizeof *x), *y = calloc(COUNT, sizeof *y),
         *z = calloc(COUNT, sizeof *z);
  const double specials[] = {0,  -0.0,     1,         -1,  2,      -2,   0.5,
                             -3, INFINITY, -INFINITY, NAN, 1e-310, 1e300};
  enum { SPECIALS = sizeof specials / sizeof *specials };
  for (int i = 0; i < COUNT; i++) {
    x[i] = i % 2 ? uniform(0.5, 2) : exp(uniform(-600, 600));
    y[i] = i % 4 < 2 ? uniform(-20, 20) : uniform(-900, 900) / log(x[i]);
    if (i >= SPECIALS * SPECIALS) continue;
    x[i] = specials[i / SPECIALS];
    y[i] = specials[i % SPECIALS];
  }
  const void *inputs[] = {x, y};
  void *output = z;
  fixture_call(&f, run, COUNT, inputs, &output);
  double worst = 0;
  for (int i = 0; i < COUNT; i++) {
    double error = error_ulps(z[i], powl(x[i], y[i]), false);
    if (i < SPECIALS * SPECIALS) error = error_ulps(z[i], pow(x[i], y[i]), false);
    if (error > 1.5)
      fprintf(stderr, "pow(%a, %a) = %a, not %a\n", x[i], y[i], z[i], pow(x[i], y[i]));
    if (error > worst) worst = error;
    failures += !(error <= 1.5);
  }
  if (getenv("BLO_SHOW_ULPS")) fprintf(stderr, "pow f64: %.2f ulp\n", worst);
  assert_int_equal(failures, 0);
  free(x);
  free(y);
  free(z);
  fixture_destroy(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(functions_are_accurate),
      cmocka_unit_test(special_values),
      cmocka_unit_test(pow_is_accurate),
  };
  int failed = cmocka_run_group_tests_name("this machine", tests, NULL, NULL);
  fixture_cpu = "x86-64-v2"; // no masked accesses, no fused multiply-add
  return failed + cmocka_run_group_tests_name("x86-64-v2", tests, NULL, NULL);
}
