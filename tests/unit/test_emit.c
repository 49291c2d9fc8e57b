// Emission of hand-built loop IR: tails, reductions, conditionals, local arrays, notes, schedules,
// routines.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/rng.h"
#include "ir/scalar.h"
#include "unit/emit_fixture.h"

#include <math.h>
#include <string.h>

enum { MOST = 200 };

static blo_function compile_kernel(Fixture *f, KernelBuilder *k, Buffer *const *buffers,
                                   size_t count) {
  fixture_launch(f, &f->schedule->steps, kernel_finish(k), buffers, count);
  return fixture_compile(f);
}

static void fill(double *x, int count) {
  for (int i = 0; i < count; i++) x[i] = sin(1.0 + i) * (1 + i % 7);
}

// ---------------------------------------------------------------- elementwise loops

/// y[i + 1] = 2 x[i] + i for every extent around the lane counts; nothing else is touched.
static void elementwise_tails(void **unused) {
  (void)unused;
  static const int shapes[][2] = {{8, 1}, {8, 3}, {16, 2}, {2, 1}, {4, 4}};
  for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
    Fixture f = fixture_create();
    KernelBuilder *k = fixture_kernel(&f, "scale");
    int x = kernel_buffer(k, DT_F64, true, false), y = kernel_buffer(k, DT_F64, false, true);
    Axis *i = kernel_for_vector(k, "i", expr_dim(k, f.n), shapes[s][0], shapes[s][1]);
    Expr *at = expr_axis(k, i);
    Expr *doubled = expr_binary(k, OP_MUL, expr_real(k, DT_F64, 2), expr_load(k, x, at));
    kernel_store(k, y, expr_add(k, at, expr_index(k, 1)),
                 expr_binary(k, OP_ADD, doubled, expr_convert(k, at, DT_F64)));
    kernel_end(k);
    Buffer *buffers[] = {fixture_buffer(&f, BUFFER_INPUT, 0, DT_F64, f.n),
                         fixture_buffer(&f, BUFFER_OUTPUT, 0, DT_F64, f.n)};
    blo_function run = compile_kernel(&f, k, buffers, 2);
    for (int n = 0; n <= 70; n++) {
      double *in = malloc((size_t)(n + 1) * sizeof *in), out[MOST];
      fill(in, n);
      for (int j = 0; j < MOST; j++) out[j] = -7;
      const void *input = in;
      void *output = out;
      fixture_call(&f, run, n, &input, &output);
      for (int j = 0; j < MOST; j++)
        assert_true(out[j] == (j >= 1 && j <= n ? 2 * in[j - 1] + (j - 1) : -7));
      free(in);
    }
    fixture_destroy(&f);
  }
}

/// Constant extents in small programs, whose known tails are moved in pieces; five sums joined in
/// common vectors.
static void small_programs(void **unused) {
  (void)unused;
  enum { SUMS = 5 };
  for (int n = 1; n <= 35; n++) {
    Fixture f = fixture_create();
    KernelBuilder *k = fixture_kernel(&f, "small");
    int x = kernel_buffer(k, DT_F32, true, false), y = kernel_buffer(k, DT_F32, true, true);
    int sums = kernel_buffer(k, DT_F32, false, true);
    Register *sum[SUMS];
    for (int s = 0; s < SUMS; s++) sum[s] = kernel_declare(k, expr_real(k, DT_F32, s));
    Axis *i = kernel_for_vector(k, "i", expr_index(k, n), 8, 2);
    Expr *value = expr_load(k, x, expr_axis(k, i));
    for (int s = 0; s < SUMS; s++)
      kernel_accumulate(k, sum[s], OP_ADD, expr_binary(k, OP_MUL, value, expr_real(k, DT_F32, s)));
    kernel_store_add(k, y, expr_axis(k, i), expr_binary(k, OP_MUL, value, value));
    kernel_end(k);
    for (int s = 0; s < SUMS; s++)
      kernel_store(k, sums, expr_index(k, s), expr_register(k, sum[s]));
    const Dim *size = fixture_size(&f, n);
    Buffer *buffers[] = {fixture_buffer(&f, BUFFER_INPUT, 0, DT_F32, size),
                         fixture_buffer(&f, BUFFER_OUTPUT, 0, DT_F32, size),
                         fixture_buffer(&f, BUFFER_OUTPUT, 1, DT_F32, fixture_size(&f, SUMS))};
    blo_function run = compile_kernel(&f, k, buffers, 3);
    float *in = malloc((size_t)n * sizeof *in), out[MOST], totals[SUMS], total = 0;
    for (int j = 0; j < n; j++) total += in[j] = (float)(j % 5 - 1);
    for (int j = 0; j < MOST; j++) out[j] = -7;
    const void *input = in;
    void *outputs[] = {out, totals};
    fixture_call(&f, run, 0, &input, outputs);
    for (int j = 0; j < MOST; j++) assert_true(out[j] == (j < n ? in[j] * in[j] - 7 : -7));
    for (int s = 0; s < SUMS; s++) assert_true(totals[s] == (float)s + (float)s * total);
    free(in);
    fixture_destroy(&f);
  }
}

/// Every dtype through memory and back, with a conversion to each other one.
static void conversions(void **unused) {
  (void)unused;
  for (int from = 0; from < DT_COUNT; from++)
    for (int to = 0; to < DT_COUNT; to++) {
      if (fixture_cpu && (from == DT_F16 || to == DT_F16)) continue; // needs F16C
      Fixture f = fixture_create();
      KernelBuilder *k = fixture_kernel(&f, "convert");
      int x = kernel_buffer(k, DT_F64, true, false), y = kernel_buffer(k, DT_F64, false, true);
      Axis *i = kernel_for_vector(k, "i", expr_dim(k, f.n), 8, 1);
      Expr *value = expr_convert(k, expr_load(k, x, expr_axis(k, i)), (Dtype)from);
      value = expr_convert(k, expr_convert(k, value, (Dtype)to), DT_F64);
      kernel_store(k, y, expr_axis(k, i), value);
      kernel_end(k);
      Buffer *buffers[] = {fixture_buffer(&f, BUFFER_INPUT, 0, DT_F64, f.n),
                           fixture_buffer(&f, BUFFER_OUTPUT, 0, DT_F64, f.n)};
      blo_function run = compile_kernel(&f, k, buffers, 2);
      const double in[] = {0, 1, -1, 2.75, -2.75, 300, -300, 1e10, -1e30, 1e30, 0.1};
      double out[11];
      const void *input = in;
      void *output = out;
      fixture_call(&f, run, 11, &input, &output);
      Dtype order[] = {(Dtype)from, (Dtype)to};
      for (int j = 0; j < 11; j++) {
        double expected = in[j];
        int64_t whole = 0;
        bool real = true;
        for (int s = 0; s < 2; s++) {
          if (dtype_is_float(order[s]))
            expected = scalar_round(order[s], real ? expected : (double)whole);
          else
            whole = real ? scalar_truncate(order[s], expected) : scalar_wrap(order[s], whole);
          real = dtype_is_float(order[s]);
        }
        if (!real) expected = (double)whole;
        if (!(out[j] == expected))
          fprintf(stderr, "%g as %s as %s: %g, not %g\n", in[j], dtype_text(order[0]),
                  dtype_text(order[1]), out[j], expected);
        assert_true(out[j] == expected);
      }
      fixture_destroy(&f);
    }
}

/// Integer ops against ir/scalar.c, traps excluded.
static void integer_ops(void **unused) {
  (void)unused;
  static const Opcode codes[] = {OP_ADD, OP_SUB, OP_MUL, OP_DIV, OP_MOD, OP_MAX, OP_MIN};
  const int64_t values[] = {0, 1, -1, 7, -7, 3, -3, INT64_MAX, INT64_MIN, 1000};
  enum { VALUES = sizeof values / sizeof *values };
  for (size_t c = 0; c < sizeof codes / sizeof *codes; c++) {
    Fixture f = fixture_create();
    KernelBuilder *k = fixture_kernel(&f, "integers");
    int x = kernel_buffer(k, DT_I64, true, false), y = kernel_buffer(k, DT_I64, true, false);
    int z = kernel_buffer(k, DT_I64, false, true);
    Axis *i = kernel_for(k, "i", expr_index(k, VALUES));
    Axis *j = kernel_for_vector(k, "j", expr_index(k, VALUES), 4, 1);
    Expr *place = expr_add(k, expr_mul(k, expr_axis(k, i), expr_index(k, VALUES)), expr_axis(k, j));
    kernel_store(k, z, place,
                 expr_binary(k, codes[c], expr_load(k, x, expr_axis(k, i)),
                             expr_load(k, y, expr_axis(k, j))));
    kernel_end(k);
    kernel_end(k);
    Buffer *in0 = fixture_buffer(&f, BUFFER_INPUT, 0, DT_I64, fixture_size(&f, VALUES));
    Buffer *in1 = fixture_buffer(&f, BUFFER_INPUT, 1, DT_I64, fixture_size(&f, VALUES));
    Buffer *out = fixture_buffer(&f, BUFFER_OUTPUT, 0, DT_I64, fixture_size(&f, VALUES * VALUES));
    blo_function run = compile_kernel(&f, k, (Buffer *[]){in0, in1, out}, 3);
    int64_t results[VALUES * VALUES];
    const void *inputs[] = {values, values};
    void *output = results;
    fixture_call(&f, run, 0, inputs, &output);
    for (int a = 0; a < VALUES; a++)
      for (int b = 0; b < VALUES; b++)
        assert_int_equal(results[a * VALUES + b],
                         scalar_binary_integer(codes[c], DT_I64, values[a], values[b]));
    fixture_destroy(&f);
  }
}

// ---------------------------------------------------------------- reductions

/// out[0] = sum of x, out[1] = largest, out[2] = its place, by vectors.
static blo_function compile_reductions(Fixture *f, const Dim *extent, int width, int unroll) {
  KernelBuilder *k = fixture_kernel(f, "reduce");
  int x = kernel_buffer(k, DT_F64, true, false), y = kernel_buffer(k, DT_F64, false, true);
  Register *sum = kernel_declare(k, expr_real(k, DT_F64, 0));
  Register *best = kernel_declare(k, expr_real(k, DT_F64, -INFINITY));
  Register *best_of_pair = kernel_declare(k, expr_real(k, DT_F64, -INFINITY));
  Register *place = kernel_declare(k, expr_index(k, 0));
  Axis *i = kernel_for_vector(k, "i", expr_dim(k, extent), width, unroll);
  Expr *value = expr_load(k, x, expr_axis(k, i));
  kernel_accumulate(k, sum, OP_ADD, value);
  kernel_accumulate(k, best, OP_MAX, value);
  kernel_argmax(k, best_of_pair, place, value, expr_axis(k, i));
  kernel_end(k);
  kernel_store(k, y, expr_index(k, 0), expr_register(k, sum));
  kernel_store(k, y, expr_index(k, 1), expr_register(k, best));
  kernel_store(k, y, expr_index(k, 2), expr_convert(k, expr_register(k, place), DT_F64));
  Buffer *buffers[] = {fixture_buffer(f, BUFFER_INPUT, 0, DT_F64, f->n),
                       fixture_buffer(f, BUFFER_OUTPUT, 0, DT_F64, fixture_size(f, 3))};
  return compile_kernel(f, k, buffers, 2);
}

static void check_reductions(const double *x, int n, const double *out) {
  double sum = 0, best = -INFINITY;
  int place = 0;
  for (int j = 0; j < n; j++) {
    sum += x[j];
    if (x[j] > best) best = x[j], place = j;
  }
  assert_true(fabs(out[0] - sum) <= 1e-12 * (1 + fabs(sum)));
  assert_true(out[1] == best);
  assert_int_equal((int)out[2], place);
}

/// Sums, maxima and their places for every extent; bits do not depend on whether the extent is
/// known.
static void reductions(void **unused) {
  (void)unused;
  double x[MOST];
  fill(x, MOST);
  x[20] = x[41] = x[3] = 6.75; // ties and near ties
  Fixture f = fixture_create();
  blo_function run = compile_reductions(&f, f.n, 8, 4);
  for (int n = 0; n <= 100; n++) {
    double *in = malloc((size_t)(n + 1) * sizeof *in), out[3], again[3];
    memcpy(in, x, (size_t)n * sizeof *in);
    const void *input = in;
    void *output = out, *second = again;
    fixture_call(&f, run, n, &input, &output);
    check_reductions(x, n, out);
    fixture_call(&f, run, n, &input, &second);
    assert_memory_equal(out, again, sizeof out);
    if (n % 9 == 0 || n == 32 || n == 64) {
      Fixture g = fixture_create();
      blo_function constant = compile_reductions(&g, fixture_size(&g, n), 8, 4);
      fixture_call(&g, constant, n, &input, &second);
      assert_memory_equal(out, again, sizeof out);
      fixture_destroy(&g);
    }
    free(in);
  }
  fixture_destroy(&f);
}

/// Row sums of a matrix into an array of the kernel, four rows a time: partial results of an array.
static void partial_arrays(void **unused) {
  (void)unused;
  enum { ROWS = 4 };
  Fixture f = fixture_create();
  KernelBuilder *k = fixture_kernel(&f, "rows");
  int x = kernel_buffer(k, DT_F32, true, false), v = kernel_buffer(k, DT_F32, true, false);
  int y = kernel_buffer(k, DT_F32, false, true);
  Local *sums = kernel_local(k, DT_F32, ROWS, NULL);
  Axis *r = kernel_for_unroll(k, "r", ROWS);
  kernel_local_store(k, sums, expr_axis(k, r), expr_real(k, DT_F32, 0.5));
  kernel_end(k);
  Axis *i = kernel_for_vector(k, "i", expr_dim(k, f.n), 16, 2);
  r = kernel_for_unroll(k, "r", ROWS);
  Expr *at = expr_add(k, expr_mul(k, expr_axis(k, r), expr_dim(k, f.n)), expr_axis(k, i));
  kernel_local_add(k, sums, expr_axis(k, r),
                   expr_binary(k, OP_MUL, expr_load(k, x, at), expr_load(k, v, expr_axis(k, i))));
  kernel_end(k);
  kernel_end(k);
  r = kernel_for_unroll(k, "r", ROWS);
  kernel_store(k, y, expr_axis(k, r), expr_local(k, sums, expr_axis(k, r)));
  kernel_end(k);
  Buffer *buffers[] = {
      fixture_buffer(&f, BUFFER_INPUT, 0, DT_F32, dim_scale(f.module->dims, f.n, ROWS)),
      fixture_buffer(&f, BUFFER_INPUT, 1, DT_F32, f.n),
      fixture_buffer(&f, BUFFER_OUTPUT, 0, DT_F32, fixture_size(&f, ROWS))};
  blo_function run = compile_kernel(&f, k, buffers, 3);
  for (int n = 0; n < 70; n += 3) {
    float *in = malloc((size_t)(ROWS * n + 1) * sizeof *in),
          *w = malloc((size_t)(n + 1) * sizeof *w);
    for (int j = 0; j < ROWS * n; j++) in[j] = (float)sin(j);
    for (int j = 0; j < n; j++) w[j] = (float)cos(j);
    float out[ROWS];
    const void *inputs[] = {in, w};
    void *output = out;
    fixture_call(&f, run, n, inputs, &output);
    for (int row = 0; row < ROWS; row++) {
      double sum = 0.5;
      for (int j = 0; j < n; j++) sum += (double)in[row * n + j] * (double)w[j];
      assert_true(fabs((double)out[row] - sum) < 1e-5);
    }
    free(in);
    free(w);
  }
  fixture_destroy(&f);
}

// ---------------------------------------------------------------- lanes

/// Softmax over few classes with rows in the lanes: local arrays and serial loops inside a vector
/// loop.
static void rows_in_lanes(void **unused) {
  (void)unused;
  enum { CLASSES = 5 };
  Fixture f = fixture_create();
  KernelBuilder *k = fixture_kernel(&f, "softmax");
  int x = kernel_buffer(k, DT_F64, true, false), y = kernel_buffer(k, DT_F64, false, true);
  Axis *i = kernel_for_vector(k, "i", expr_dim(k, f.n), 8, 2);
  Local *e = kernel_local(k, DT_F64, CLASSES, i);
  Register *most = kernel_declare(k, expr_real(k, DT_F64, -INFINITY));
  Expr *row = expr_mul(k, expr_axis(k, i), expr_index(k, CLASSES));
  Axis *c = kernel_for(k, "c", expr_index(k, CLASSES));
  kernel_accumulate(k, most, OP_MAX, expr_load(k, x, expr_add(k, row, expr_axis(k, c))));
  kernel_end(k);
  Register *sum = kernel_declare(k, expr_real(k, DT_F64, 0));
  c = kernel_for(k, "c", expr_index(k, CLASSES));
  Expr *shifted = expr_binary(k, OP_SUB, expr_load(k, x, expr_add(k, row, expr_axis(k, c))),
                              expr_register(k, most));
  kernel_local_store(k, e, expr_axis(k, c), expr_unary(k, OP_EXP, shifted));
  kernel_accumulate(k, sum, OP_ADD, expr_local(k, e, expr_axis(k, c)));
  kernel_end(k);
  c = kernel_for(k, "c", expr_index(k, CLASSES));
  kernel_store(k, y, expr_add(k, row, expr_axis(k, c)),
               expr_binary(k, OP_DIV, expr_local(k, e, expr_axis(k, c)), expr_register(k, sum)));
  kernel_end(k);
  kernel_end(k);
  const Dim *entries = dim_scale(f.module->dims, f.n, CLASSES);
  Buffer *buffers[] = {fixture_buffer(&f, BUFFER_INPUT, 0, DT_F64, entries),
                       fixture_buffer(&f, BUFFER_OUTPUT, 0, DT_F64, entries)};
  blo_function run = compile_kernel(&f, k, buffers, 2);
  for (int n = 1; n < 40; n++) {
    double in[MOST], out[MOST];
    fill(in, n * CLASSES);
    const void *input = in;
    void *output = out;
    fixture_call(&f, run, n, &input, &output);
    for (int r = 0; r < n; r++) {
      double total = 0, largest = -INFINITY;
      for (int j = 0; j < CLASSES; j++) largest = fmax(largest, in[r * CLASSES + j]);
      for (int j = 0; j < CLASSES; j++) total += exp(in[r * CLASSES + j] - largest);
      for (int j = 0; j < CLASSES; j++)
        assert_true(fabs(out[r * CLASSES + j] - exp(in[r * CLASSES + j] - largest) / total) <
                    1e-15);
    }
  }
  fixture_destroy(&f);
}

/// Gather by an index array, with a note for places out of range; conditionals that differ by lane.
static void gather_and_conditions(void **unused) {
  (void)unused;
  enum { TABLE = 10 };
  Fixture f = fixture_create();
  KernelBuilder *k = fixture_kernel(&f, "gather");
  int table = kernel_buffer(k, DT_F32, true, false), index = kernel_buffer(k, DT_I32, true, false);
  int y = kernel_buffer(k, DT_F32, true, true), counts = kernel_buffer(k, DT_I64, false, true);
  Register *negative = kernel_declare(k, expr_index(k, 0));
  Axis *i = kernel_for_vector(k, "i", expr_dim(k, f.n), 16, 1);
  Expr *raw = expr_convert(k, expr_load(k, index, expr_axis(k, i)), DT_I64);
  Expr *below = expr_compare(k, COMPARE_LT, raw, expr_index(k, 0));
  Expr *beyond = expr_compare(k, COMPARE_GE, raw, expr_index(k, TABLE));
  kernel_note(k, 2, expr_binary(k, OP_OR, below, beyond));
  Register *value =
      kernel_declare(k, expr_load(k, table, expr_clamp(k, raw, expr_index(k, TABLE))));
  kernel_if(k, below);
  kernel_assign(k, value, expr_real(k, DT_F32, -1));
  kernel_accumulate(k, negative, OP_ADD, expr_index(k, 1));
  kernel_else(k);
  kernel_store_add(k, y, expr_axis(k, i), expr_real(k, DT_F32, 100));
  kernel_end(k);
  kernel_store_add(k, y, expr_axis(k, i), expr_register(k, value));
  kernel_end(k);
  kernel_store(k, counts, expr_index(k, 0), expr_register(k, negative));
  Buffer *buffers[] = {fixture_buffer(&f, BUFFER_INPUT, 0, DT_F32, fixture_size(&f, TABLE)),
                       fixture_buffer(&f, BUFFER_INPUT, 1, DT_I32, f.n),
                       fixture_buffer(&f, BUFFER_OUTPUT, 0, DT_F32, f.n),
                       fixture_buffer(&f, BUFFER_OUTPUT, 1, DT_I64, fixture_size(&f, 1))};
  blo_function run = compile_kernel(&f, k, buffers, 4);
  float numbers[TABLE], out[MOST];
  int32_t places[MOST];
  for (int j = 0; j < TABLE; j++) numbers[j] = (float)j + 0.5f;
  for (int n = 0; n <= 50; n++) {
    int64_t wrong = 0, less = 0, counted;
    for (int j = 0; j < n; j++) {
      places[j] = (j * 7) % 14 - 2;
      wrong += places[j] < 0 || places[j] >= TABLE;
      less += places[j] < 0;
      out[j] = 1;
    }
    f.notes[2] = 0;
    const void *inputs[] = {numbers, places};
    void *outputs[] = {out, &counted};
    fixture_call(&f, run, n, inputs, outputs);
    assert_int_equal(f.notes[2], wrong);
    assert_int_equal(counted, less);
    for (int j = 0; j < n; j++) {
      int at = places[j] < 0 ? 0 : places[j] >= TABLE ? TABLE - 1 : places[j];
      float expected = places[j] < 0 ? 1 - 1 : 1 + 100 + numbers[at];
      assert_true(out[j] == expected);
    }
  }
  fixture_destroy(&f);
}

/// out[i * 3] = x[i] by scatter, reversed serial loops, uniform conditionals.
static void strided_and_reversed(void **unused) {
  (void)unused;
  Fixture f = fixture_create();
  KernelBuilder *k = fixture_kernel(&f, "strided");
  int x = kernel_buffer(k, DT_F64, true, false), y = kernel_buffer(k, DT_F64, true, true);
  Axis *i = kernel_for_vector(k, "i", expr_dim(k, f.n), 8, 2);
  Expr *last = expr_sub(k, expr_sub(k, expr_dim(k, f.n), expr_index(k, 1)), expr_axis(k, i));
  kernel_store(k, y, expr_mul(k, expr_axis(k, i), expr_index(k, 3)), expr_load(k, x, last));
  kernel_end(k);
  // running sums from the end, at odd places
  Register *sum = kernel_declare(k, expr_real(k, DT_F64, 0));
  Axis *j = kernel_axis(k, "j");
  Stmt *loop = kernel_for_general(k, j, expr_index(k, 1), expr_dim(k, f.n), 2, FOR_SERIAL, 0, 0);
  loop->reverse = true;
  kernel_accumulate(k, sum, OP_ADD, expr_load(k, x, expr_axis(k, j)));
  kernel_if(k, expr_compare(k, COMPARE_GT, expr_register(k, sum), expr_real(k, DT_F64, 0)));
  kernel_store(k, y, expr_add(k, expr_mul(k, expr_axis(k, j), expr_index(k, 3)), expr_index(k, 1)),
               expr_register(k, sum));
  kernel_else(k);
  kernel_store(k, y, expr_add(k, expr_mul(k, expr_axis(k, j), expr_index(k, 3)), expr_index(k, 2)),
               expr_register(k, sum));
  kernel_end(k);
  kernel_end(k);
  Buffer *buffers[] = {
      fixture_buffer(&f, BUFFER_INPUT, 0, DT_F64, f.n),
      fixture_buffer(&f, BUFFER_OUTPUT, 0, DT_F64, dim_scale(f.module->dims, f.n, 3))};
  blo_function run = compile_kernel(&f, k, buffers, 2);
  for (int n = 0; n <= 60; n++) {
    double in[MOST], out[MOST] = {0}, expected[MOST] = {0}, total = 0;
    fill(in, n);
    for (int a = 0; a < n; a++) expected[a * 3] = in[n - 1 - a];
    for (int a = n % 2 ? n - 2 : n - 1; a >= 1; a -= 2) {
      total += in[a];
      expected[a * 3 + (total > 0 ? 1 : 2)] = total;
    }
    const void *input = in;
    void *output = out;
    fixture_call(&f, run, n, &input, &output);
    assert_memory_equal(out, expected, sizeof out);
  }
  fixture_destroy(&f);
}

// ---------------------------------------------------------------- random numbers

static void random_bits(void **unused) {
  (void)unused;
  enum { N = 37 };
  Fixture f = fixture_create();
  KernelBuilder *k = fixture_kernel(&f, "random");
  int bits = kernel_buffer(k, DT_I64, false, true), u64 = kernel_buffer(k, DT_F64, false, true);
  int u32 = kernel_buffer(k, DT_F32, false, true), place = kernel_buffer(k, DT_I64, false, true);
  const int64_t key_value = 0x123456789ABCDEF0;
  Expr *key = expr_random(k, RANDOM_FOLD, DT_I64,
                          (Expr *[]){expr_index(k, key_value), expr_index(k, -5)}, 2);
  Axis *i = kernel_for_vector(k, "i", expr_dim(k, f.n), 8, 2);
  Expr *at = expr_axis(k, i), *counter = expr_add(k, at, expr_index(k, (int64_t)1 << 33));
  Expr *pair[] = {key, counter};
  kernel_store(k, bits, at, expr_random(k, RANDOM_BITS, DT_I64, pair, 2));
  kernel_store(k, u64, at, expr_random(k, RANDOM_UNIFORM, DT_F64, pair, 2));
  kernel_store(k, u32, at, expr_random(k, RANDOM_UNIFORM, DT_F32, pair, 2));
  kernel_store(k, place, at,
               expr_random(k, RANDOM_INDEX, DT_I64, (Expr *[]){key, at, expr_index(k, 10)}, 3));
  kernel_end(k);
  Buffer *buffers[4];
  static const Dtype dtypes[] = {DT_I64, DT_F64, DT_F32, DT_I64};
  for (int b = 0; b < 4; b++) buffers[b] = fixture_buffer(&f, BUFFER_OUTPUT, b, dtypes[b], f.n);
  blo_function run = compile_kernel(&f, k, buffers, 4);
  int64_t out_bits[N], out_place[N];
  double out64[N];
  float out32[N];
  void *outputs[] = {out_bits, out64, out32, out_place};
  fixture_call(&f, run, N, NULL, outputs);
  uint64_t folded = blo_rng_fold((uint64_t)key_value, (uint64_t)-5);
  for (int j = 0; j < N; j++) {
    uint64_t c = ((uint64_t)1 << 33) + (uint64_t)j;
    assert_true((uint64_t)out_bits[j] == blo_rng_bits(folded, c));
    assert_true(out64[j] == blo_rng_uniform(folded, c));
    assert_true(out32[j] == blo_rng_uniform_f32(folded, c));
    assert_true(out_place[j] == blo_rng_index(folded, j, 10));
  }
  fixture_destroy(&f);
}

// ---------------------------------------------------------------- schedules

static Kernel *constant_kernel(Fixture *f, Dtype dtype, double value) {
  KernelBuilder *k = fixture_kernel(f, "constant");
  int y = kernel_buffer(k, dtype, false, true);
  kernel_store(k, y, expr_index(k, 0), expr_number(k, dtype, value));
  return kernel_finish(k);
}

/// x <- x / 2 into the other buffer, swapped each trip, while x >= 1; at most n trips. Rows of a
/// stacked output record x before each trip.
static void loops_and_swaps(void **unused) {
  (void)unused;
  Fixture f = fixture_create();
  StepList *steps = &f.schedule->steps;
  f.schedule->counter_count = 1;
  const Dim *one = fixture_size(&f, 1);
  Buffer *start = fixture_buffer(&f, BUFFER_INPUT, 0, DT_F64, one);
  Buffer *limit = fixture_buffer(&f, BUFFER_INPUT, 1, DT_I64, one);
  Buffer *result = fixture_buffer(&f, BUFFER_OUTPUT, 0, DT_F64, one);
  Buffer *trips = fixture_buffer(&f, BUFFER_OUTPUT, 1, DT_I64, one);
  Buffer *rows = fixture_buffer(&f, BUFFER_OUTPUT, 2, DT_F64, f.n);
  Buffer *current = fixture_buffer(&f, BUFFER_WORKSPACE, 0, DT_F64, one);
  Buffer *next = fixture_buffer(&f, BUFFER_WORKSPACE, 1, DT_F64, one);
  Buffer *flag = fixture_buffer(&f, BUFFER_WORKSPACE, 2, DT_BOOL, one);

  KernelBuilder *k = fixture_kernel(&f, "copy");
  int from = kernel_buffer(k, DT_F64, true, false), to = kernel_buffer(k, DT_F64, false, true);
  kernel_store(k, to, expr_index(k, 0), expr_load(k, from, expr_index(k, 0)));
  Kernel *copy = kernel_finish(k);
  k = fixture_kernel(&f, "halve");
  from = kernel_buffer(k, DT_F64, true, false), to = kernel_buffer(k, DT_F64, false, true);
  kernel_store(
      k, to, expr_index(k, 0),
      expr_binary(k, OP_MUL, expr_load(k, from, expr_index(k, 0)), expr_real(k, DT_F64, 0.5)));
  Kernel *halve = kernel_finish(k);
  k = fixture_kernel(&f, "above");
  from = kernel_buffer(k, DT_F64, true, false), to = kernel_buffer(k, DT_BOOL, false, true);
  kernel_store(
      k, to, expr_index(k, 0),
      expr_compare(k, COMPARE_GE, expr_load(k, from, expr_index(k, 0)), expr_real(k, DT_F64, 1)));
  Kernel *above = kernel_finish(k);

  fixture_launch(&f, steps, copy, (Buffer *[]){start, current}, 2);
  Step *loop = fixture_step(&f, steps, STEP_LOOP);
  loop->count = (BufferUse){.buffer = limit, .counter = -1};
  loop->flag = (BufferUse){.buffer = flag, .counter = -1};
  loop->trips = (BufferUse){.buffer = trips, .counter = -1};
  loop->has_condition = loop->has_trips = true;
  fixture_launch(&f, &loop->condition, above, (Buffer *[]){current, flag}, 2);
  Step *record = fixture_launch(&f, &loop->body, copy, (Buffer *[]){current, rows}, 2);
  record->buffers.data[1] = (BufferUse){.buffer = rows, .counter = 0, .stride = one};
  fixture_launch(&f, &loop->body, halve, (Buffer *[]){current, next}, 2);
  Step *swap = fixture_step(&f, &loop->body, STEP_SWAP);
  fixture_use(&f, swap, current);
  fixture_use(&f, swap, next);
  fixture_launch(&f, steps, copy, (Buffer *[]){current, result}, 2);
  blo_function run = fixture_compile(&f);

  for (int64_t most = 0; most < 12; most++) {
    double x = 100, end = -1, recorded[16] = {0};
    int64_t made = -1;
    const void *inputs[] = {&x, &most};
    void *outputs[] = {&end, &made, recorded};
    assert_int_equal(fixture_call(&f, run, 16, inputs, outputs), BLO_OK);
    int64_t expected = most < 7 ? most : 7;
    assert_int_equal(made, expected);
    assert_true(end == ldexp(100, (int)-expected));
    for (int64_t j = 0; j < expected; j++) assert_true(recorded[j] == ldexp(100, (int)-j));
    assert_true(recorded[expected] == 0);
  }
  fixture_destroy(&f);
}

static void conditionals_and_stop(void **unused) {
  (void)unused;
  Fixture f = fixture_create();
  StepList *steps = &f.schedule->steps;
  f.schedule->counter_count = 1;
  const Dim *one = fixture_size(&f, 1);
  Buffer *flag = fixture_buffer(&f, BUFFER_INPUT, 0, DT_BOOL, one);
  Buffer *limit = fixture_buffer(&f, BUFFER_INPUT, 1, DT_I64, one);
  Buffer *result = fixture_buffer(&f, BUFFER_OUTPUT, 0, DT_F32, one);
  Step *conditional = fixture_step(&f, steps, STEP_IF);
  conditional->flag = (BufferUse){.buffer = flag, .counter = -1};
  fixture_launch(&f, &conditional->body, constant_kernel(&f, DT_F32, 1), &result, 1);
  fixture_launch(&f, &conditional->otherwise, constant_kernel(&f, DT_F32, 2), &result, 1);
  Step *loop = fixture_step(&f, steps, STEP_LOOP);
  loop->count = (BufferUse){.buffer = limit, .counter = -1};
  loop->reverse = true;
  // result += 10^counter in the order of the trips: result = result * 10 + counter
  KernelBuilder *k = fixture_kernel(&f, "digit");
  int y = kernel_buffer(k, DT_F32, true, true), s = kernel_scalar(k);
  Expr *tenfold =
      expr_binary(k, OP_MUL, expr_load(k, y, expr_index(k, 0)), expr_real(k, DT_F32, 10));
  kernel_store(k, y, expr_index(k, 0),
               expr_binary(k, OP_ADD, tenfold, expr_convert(k, expr_scalar(k, s), DT_F32)));
  Step *digit = fixture_launch(&f, &loop->body, kernel_finish(k), &result, 1);
  VEC_PUSH(f.arena, &digit->scalars, 0);
  blo_function run = fixture_compile(&f);
  float out = 0;
  uint8_t yes = 1, no = 0;
  int64_t count = 4;
  const void *inputs[] = {&yes, &count};
  void *output = &out;
  assert_int_equal(fixture_call(&f, run, 1, inputs, &output), BLO_OK);
  assert_true(out == 13210);
  inputs[0] = &no;
  assert_int_equal(fixture_call(&f, run, 1, inputs, &output), BLO_OK);
  assert_true(out == 23210);
  volatile int stop = 1;
  int64_t n = 1;
  blo_call call = {
      .dims = &n, .inputs = inputs, .outputs = &output, .notes = f.notes, .stop = &stop};
  assert_int_equal(run(&call), BLO_STOPPED);
  fixture_destroy(&f);
}

/// a x = b by LU, an argsort of x, and the note of a singular matrix.
static void routines(void **unused) {
  (void)unused;
  Fixture f = fixture_create();
  StepList *steps = &f.schedule->steps;
  Buffer *a = fixture_buffer(&f, BUFFER_INPUT, 0, DT_F64, fixture_size(&f, 9));
  Buffer *b = fixture_buffer(&f, BUFFER_INPUT, 1, DT_F64, fixture_size(&f, 3));
  Buffer *x = fixture_buffer(&f, BUFFER_OUTPUT, 0, DT_F64, fixture_size(&f, 3));
  Buffer *order = fixture_buffer(&f, BUFFER_OUTPUT, 1, DT_I64, fixture_size(&f, 3));
  Buffer *work = fixture_buffer(&f, BUFFER_WORKSPACE, 0, DT_F64, fixture_size(&f, 9));
  Buffer *places = fixture_buffer(&f, BUFFER_WORKSPACE, 1, DT_I64, fixture_size(&f, 6));
  Step *solve = fixture_step(&f, steps, STEP_ROUTINE);
  solve->routine = "blo_solve_f64";
  Buffer *const solve_buffers[] = {a, b, x, work};
  for (int i = 0; i < 4; i++) fixture_use(&f, solve, solve_buffers[i]);
  const int64_t solve_sizes[] = {1, 3, 1, 0, 3};
  for (int i = 0; i < 5; i++) VEC_PUSH(f.arena, &solve->sizes, fixture_size(&f, solve_sizes[i]));
  Step *sort = fixture_step(&f, steps, STEP_ROUTINE);
  sort->routine = "blo_argsort_f64";
  Buffer *const sort_buffers[] = {x, order, places};
  for (int i = 0; i < 3; i++) fixture_use(&f, sort, sort_buffers[i]);
  const int64_t sort_sizes[] = {1, 3, 1, 1};
  for (int i = 0; i < 4; i++) VEC_PUSH(f.arena, &sort->sizes, fixture_size(&f, sort_sizes[i]));
  blo_function run = fixture_compile(&f);
  double matrix[9] = {0, 2, 1, 1, 1, 0, 4, 0, 1}, right[3], solution[3];
  const double wanted[] = {1.5, -2, 3};
  for (int i = 0; i < 3; i++)
    right[i] =
        matrix[3 * i] * wanted[0] + matrix[3 * i + 1] * wanted[1] + matrix[3 * i + 2] * wanted[2];
  int64_t ranks[3];
  const void *inputs[] = {matrix, right};
  void *outputs[] = {solution, ranks};
  fixture_call(&f, run, 1, inputs, outputs);
  for (int i = 0; i < 3; i++) assert_true(fabs(solution[i] - wanted[i]) < 1e-14);
  assert_true(ranks[0] == 2 && ranks[1] == 0 && ranks[2] == 1);
  assert_int_equal(f.notes[3], 0);
  matrix[1] = matrix[2] = 0;
  fixture_call(&f, run, 1, inputs, outputs);
  assert_int_equal(f.notes[3], 1);
  assert_true(isnan(solution[0]));
  fixture_destroy(&f);
}

/// Equal kernels are emitted once; text and assembly can be had.
static void kernels_are_shared(void **unused) {
  (void)unused;
  Fixture f = fixture_create();
  Buffer *y = fixture_buffer(&f, BUFFER_OUTPUT, 0, DT_F64, f.n);
  for (int i = 0; i < 3; i++)
    fixture_launch(&f, &f.schedule->steps, constant_kernel(&f, DT_F64, i == 2 ? 5 : 4), &y, 1);
  EmitOptions options = {.cpu = "x86-64-v3", .verify = true};
  EmitModule *module = emit_create(f.arena, &options, &f.atom, 1);
  Plan plan = {0};
  emit_schedule(module, f.schedule, &plan);
  char *text = emit_text(module, false), *assembly = emit_assembly(module);
  int kernels = 0;
  for (const char *c = text; (c = strstr(c, "define internal")); c++) kernels++;
  assert_int_equal(kernels, 2);
  assert_non_null(strstr(assembly, "entry:"));
  free(text);
  free(assembly);
  emit_destroy(module);
  fixture_destroy(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(elementwise_tails),
      cmocka_unit_test(small_programs),
      cmocka_unit_test(conversions),
      cmocka_unit_test(integer_ops),
      cmocka_unit_test(reductions),
      cmocka_unit_test(partial_arrays),
      cmocka_unit_test(rows_in_lanes),
      cmocka_unit_test(gather_and_conditions),
      cmocka_unit_test(strided_and_reversed),
      cmocka_unit_test(random_bits),
      cmocka_unit_test(loops_and_swaps),
      cmocka_unit_test(conditionals_and_stop),
      cmocka_unit_test(routines),
      cmocka_unit_test(kernels_are_shared),
  };
  int failed = cmocka_run_group_tests_name("this machine", tests, NULL, NULL);
  fixture_cpu = "x86-64-v2"; // no masked accesses, no fused multiply-add
  return failed + cmocka_run_group_tests_name("x86-64-v2", tests, NULL, NULL);
}
