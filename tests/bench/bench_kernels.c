// Emitted kernels against the same kernels by hand, in one process, rounds interleaved: median
// ratio of CPU times hand / emitted (above 1: the emitted one is faster), and the compile time of
// fifty kernels.
//
//   bench_kernels           all measurements; fails when a median ratio is below 0.75
//   bench_kernels --check   results only: a few seconds, for ctest
//   BLO_BENCH_CPU           the target of the emitted code, else this machine
#include "bench/hand_kernels.h"
#include "unit/emit_fixture.h"

#include <math.h>
#include <string.h>
#include <time.h>

enum { LANES = 16, BLOCK = 4 };

// ---------------------------------------------------------------- kernels as loop IR

static blo_function compile_logistic(Fixture *f, int64_t d) {
  KernelBuilder *k = fixture_kernel(f, "logistic");
  int x = kernel_buffer(k, DT_F32, true, false), y = kernel_buffer(k, DT_F32, true, false);
  int w = kernel_buffer(k, DT_F32, true, false), value = kernel_buffer(k, DT_F32, false, true);
  int gradient = kernel_buffer(k, DT_F32, true, true);
  Expr *extent = expr_index(k, d), *zero = expr_real(k, DT_F32, 0), *one = expr_real(k, DT_F32, 1);
  Axis *j = kernel_for_vector(k, "j", extent, LANES, 1);
  kernel_store(k, gradient, expr_axis(k, j), zero);
  kernel_end(k);
  Local *z = kernel_local(k, DT_F32, BLOCK, NULL), *residual = kernel_local(k, DT_F32, BLOCK, NULL);
  Register *total = kernel_declare(k, zero);
  Axis *i = kernel_axis(k, "i");
  kernel_for_general(k, i, expr_index(k, 0), expr_dim(k, f->n), BLOCK, FOR_SERIAL, 0, 0);
  Axis *r = kernel_for_unroll(k, "r", BLOCK);
  kernel_local_store(k, z, expr_axis(k, r), zero);
  kernel_end(k);
  j = kernel_for_vector(k, "j", extent, LANES, 1);
  r = kernel_for_unroll(k, "r", BLOCK);
  Expr *row = expr_mul(k, expr_add(k, expr_axis(k, i), expr_axis(k, r)), extent);
  Expr *entry = expr_load(k, x, expr_add(k, row, expr_axis(k, j)));
  kernel_local_add(k, z, expr_axis(k, r),
                   expr_binary(k, OP_MUL, entry, expr_load(k, w, expr_axis(k, j))));
  kernel_end(k);
  kernel_end(k);
  r = kernel_for_vector(k, "r", expr_index(k, BLOCK), BLOCK, 1);
  Expr *score = expr_local(k, z, expr_axis(k, r));
  Expr *target = expr_load(k, y, expr_add(k, expr_axis(k, i), expr_axis(k, r)));
  Expr *e = expr_unary(k, OP_EXP, expr_unary(k, OP_NEG, expr_unary(k, OP_ABS, score)));
  Expr *shifted = expr_binary(k, OP_ADD, one, e);
  Expr *softplus =
      expr_binary(k, OP_ADD, expr_binary(k, OP_MAX, score, zero), expr_unary(k, OP_LOG, shifted));
  Expr *above = expr_select(k, expr_compare(k, COMPARE_LT, score, zero), e, one);
  kernel_accumulate(k, total, OP_ADD,
                    expr_binary(k, OP_SUB, softplus, expr_binary(k, OP_MUL, target, score)));
  kernel_local_store(k, residual, expr_axis(k, r),
                     expr_binary(k, OP_SUB, expr_binary(k, OP_DIV, above, shifted), target));
  kernel_end(k);
  j = kernel_for_vector(k, "j", extent, LANES, 1);
  Register *sum = kernel_declare(k, expr_load(k, gradient, expr_axis(k, j)));
  r = kernel_for_unroll(k, "r", BLOCK);
  row = expr_mul(k, expr_add(k, expr_axis(k, i), expr_axis(k, r)), extent);
  kernel_accumulate(k, sum, OP_ADD,
                    expr_binary(k, OP_MUL, expr_local(k, residual, expr_axis(k, r)),
                                expr_load(k, x, expr_add(k, row, expr_axis(k, j)))));
  kernel_end(k);
  kernel_store(k, gradient, expr_axis(k, j), expr_register(k, sum));
  kernel_end(k);
  kernel_end(k);
  kernel_store(k, value, expr_index(k, 0), expr_register(k, total));
  const Dim *size = fixture_size(f, d);
  Buffer *buffers[] = {
      fixture_buffer(f, BUFFER_INPUT, 0, DT_F32, dim_scale(f->module->dims, f->n, d)),
      fixture_buffer(f, BUFFER_INPUT, 1, DT_F32, f->n),
      fixture_buffer(f, BUFFER_INPUT, 2, DT_F32, size),
      fixture_buffer(f, BUFFER_OUTPUT, 0, DT_F32, fixture_size(f, 1)),
      fixture_buffer(f, BUFFER_OUTPUT, 1, DT_F32, size)};
  fixture_launch(f, &f->schedule->steps, kernel_finish(k), buffers, 5);
  return fixture_compile(f);
}

static blo_function compile_softmax(Fixture *f) {
  KernelBuilder *k = fixture_kernel(f, "softmax");
  int z = kernel_buffer(k, DT_F32, true, false), label = kernel_buffer(k, DT_I32, true, false);
  int loss = kernel_buffer(k, DT_F32, false, true),
      gradient = kernel_buffer(k, DT_F32, false, true);
  Register *total = kernel_declare(k, expr_real(k, DT_F32, 0));
  Axis *i = kernel_for_vector(k, "i", expr_dim(k, f->n), LANES, 1);
  Local *shifted = kernel_local(k, DT_F32, SOFTMAX_CLASSES, i);
  Expr *row = expr_mul(k, expr_axis(k, i), expr_index(k, SOFTMAX_CLASSES));
  Expr *wanted = expr_load(k, label, expr_axis(k, i));
  Register *most = kernel_declare(k, expr_real(k, DT_F32, -INFINITY));
  Axis *c = kernel_for_unroll(k, "c", SOFTMAX_CLASSES);
  kernel_accumulate(k, most, OP_MAX, expr_load(k, z, expr_add(k, row, expr_axis(k, c))));
  kernel_end(k);
  Register *sum = kernel_declare(k, expr_real(k, DT_F32, 0));
  Register *chosen = kernel_declare(k, expr_real(k, DT_F32, 0));
  c = kernel_for_unroll(k, "c", SOFTMAX_CLASSES);
  Register *difference =
      kernel_declare(k, expr_binary(k, OP_SUB, expr_load(k, z, expr_add(k, row, expr_axis(k, c))),
                                    expr_register(k, most)));
  Expr *here = expr_compare(k, COMPARE_EQ, wanted, expr_convert(k, expr_axis(k, c), DT_I32));
  kernel_assign(k, chosen,
                expr_select(k, here, expr_register(k, difference), expr_register(k, chosen)));
  kernel_local_store(k, shifted, expr_axis(k, c),
                     expr_unary(k, OP_EXP, expr_register(k, difference)));
  kernel_accumulate(k, sum, OP_ADD, expr_local(k, shifted, expr_axis(k, c)));
  kernel_end(k);
  kernel_accumulate(k, total, OP_ADD,
                    expr_binary(k, OP_SUB, expr_unary(k, OP_LOG, expr_register(k, sum)),
                                expr_register(k, chosen)));
  c = kernel_for_unroll(k, "c", SOFTMAX_CLASSES);
  here = expr_compare(k, COMPARE_EQ, wanted, expr_convert(k, expr_axis(k, c), DT_I32));
  Expr *p = expr_binary(k, OP_DIV, expr_local(k, shifted, expr_axis(k, c)), expr_register(k, sum));
  Expr *g = expr_select(k, here, expr_binary(k, OP_SUB, p, expr_real(k, DT_F32, 1)), p);
  kernel_store(k, gradient, expr_add(k, row, expr_axis(k, c)), g);
  kernel_end(k);
  kernel_end(k);
  kernel_store(k, loss, expr_index(k, 0), expr_register(k, total));
  const Dim *entries = dim_scale(f->module->dims, f->n, SOFTMAX_CLASSES);
  Buffer *buffers[] = {fixture_buffer(f, BUFFER_INPUT, 0, DT_F32, entries),
                       fixture_buffer(f, BUFFER_INPUT, 1, DT_I32, f->n),
                       fixture_buffer(f, BUFFER_OUTPUT, 0, DT_F32, fixture_size(f, 1)),
                       fixture_buffer(f, BUFFER_OUTPUT, 1, DT_F32, entries)};
  fixture_launch(f, &f->schedule->steps, kernel_finish(k), buffers, 4);
  return fixture_compile(f);
}

static blo_function compile_product(Fixture *f) {
  enum { ROWS = 8 };
  KernelBuilder *k = fixture_kernel(f, "product");
  int a = kernel_buffer(k, DT_F32, true, false), b = kernel_buffer(k, DT_F32, true, false);
  int c = kernel_buffer(k, DT_F32, false, true);
  Expr *size = expr_index(k, PRODUCT_SIZE);
  Axis *i = kernel_axis(k, "i");
  kernel_for_general(k, i, expr_index(k, 0), size, ROWS, FOR_SERIAL, 0, 0);
  Axis *j = kernel_for_vector(k, "j", size, LANES, 2);
  Local *tile = kernel_local(k, DT_F32, ROWS, j);
  Axis *r = kernel_for_unroll(k, "r", ROWS);
  kernel_local_store(k, tile, expr_axis(k, r), expr_real(k, DT_F32, 0));
  kernel_end(k);
  Axis *t = kernel_for(k, "t", size);
  r = kernel_for_unroll(k, "r", ROWS);
  Expr *left = expr_add(k, expr_mul(k, expr_add(k, expr_axis(k, i), expr_axis(k, r)), size),
                        expr_axis(k, t));
  Expr *right = expr_add(k, expr_mul(k, expr_axis(k, t), size), expr_axis(k, j));
  kernel_local_add(k, tile, expr_axis(k, r),
                   expr_binary(k, OP_MUL, expr_load(k, a, left), expr_load(k, b, right)));
  kernel_end(k);
  kernel_end(k);
  r = kernel_for_unroll(k, "r", ROWS);
  Expr *place = expr_add(k, expr_mul(k, expr_add(k, expr_axis(k, i), expr_axis(k, r)), size),
                         expr_axis(k, j));
  kernel_store(k, c, place, expr_local(k, tile, expr_axis(k, r)));
  kernel_end(k);
  kernel_end(k);
  kernel_end(k);
  const Dim *entries = fixture_size(f, PRODUCT_SIZE * PRODUCT_SIZE);
  Buffer *buffers[] = {fixture_buffer(f, BUFFER_INPUT, 0, DT_F32, entries),
                       fixture_buffer(f, BUFFER_INPUT, 1, DT_F32, entries),
                       fixture_buffer(f, BUFFER_OUTPUT, 0, DT_F32, entries)};
  fixture_launch(f, &f->schedule->steps, kernel_finish(k), buffers, 3);
  return fixture_compile(f);
}

// ---------------------------------------------------------------- contests

typedef struct Contest {
  const char *name;
  int64_t n, d;
  Fixture fixture;
  blo_function run;
  void *inputs[3];
  float *hand[2], *emitted[2]; // results
  int64_t result_counts[2];
  void (*by_hand)(struct Contest *contest);
} Contest;

static float *numbers(int64_t count, double scale) {
  float *x = aligned_alloc(64, (size_t)(count * 4 + 63) / 64 * 64);
  for (int64_t i = 0; x && i < count; i++)
    x[i] = (float)(scale * sin(0.7 * (double)i + 0.3 * (double)(i % 13)));
  return x;
}

static void hand_of_logistic(Contest *c) {
  hand_logistic(c->inputs[0], c->inputs[1], c->inputs[2], c->hand[0], c->hand[1], c->n, c->d);
}
static void hand_of_softmax(Contest *c) {
  hand_softmax(c->inputs[0], c->inputs[1], c->hand[0], c->hand[1], c->n);
}
static void hand_of_product(Contest *c) {
  hand_product(c->inputs[0], c->inputs[1], c->hand[0]);
}

static void make_results(Contest *c, int64_t first, int64_t second) {
  c->result_counts[0] = first;
  c->result_counts[1] = second;
  for (int i = 0; i < 2; i++) {
    c->hand[i] = numbers(c->result_counts[i] + 1, 0);
    c->emitted[i] = numbers(c->result_counts[i] + 1, 0);
  }
}

static Contest logistic_contest(int64_t n, int64_t d) {
  Contest c = {
      .name = "logistic", .n = n, .d = d, .fixture = fixture_create(), .by_hand = hand_of_logistic};
  c.run = compile_logistic(&c.fixture, d);
  c.inputs[0] = numbers(n * d, 1);
  float *target = numbers(n, 1);
  for (int64_t i = 0; i < n; i++) target[i] = target[i] > 0;
  c.inputs[1] = target;
  c.inputs[2] = numbers(d, 0.3);
  make_results(&c, 1, d);
  return c;
}

static Contest softmax_contest(int64_t n) {
  Contest c = {.name = "softmax",
               .n = n,
               .d = SOFTMAX_CLASSES,
               .fixture = fixture_create(),
               .by_hand = hand_of_softmax};
  c.run = compile_softmax(&c.fixture);
  c.inputs[0] = numbers(n * SOFTMAX_CLASSES, 3);
  int32_t *labels = malloc((size_t)n * sizeof *labels);
  for (int64_t i = 0; i < n; i++) labels[i] = (int32_t)(i * 7 % SOFTMAX_CLASSES);
  c.inputs[1] = labels;
  make_results(&c, 1, n * SOFTMAX_CLASSES);
  return c;
}

static Contest product_contest(void) {
  Contest c = {.name = "product",
               .n = PRODUCT_SIZE,
               .d = PRODUCT_SIZE,
               .fixture = fixture_create(),
               .by_hand = hand_of_product};
  c.run = compile_product(&c.fixture);
  c.inputs[0] = numbers(PRODUCT_SIZE * PRODUCT_SIZE, 1);
  c.inputs[1] = numbers(PRODUCT_SIZE * PRODUCT_SIZE, 1);
  make_results(&c, PRODUCT_SIZE * PRODUCT_SIZE, 0);
  return c;
}

static void run_emitted(Contest *c) {
  void *outputs[] = {c->emitted[0], c->emitted[1]};
  fixture_call(&c->fixture, c->run, c->n, (const void *const *)c->inputs, outputs);
}

static bool results_agree(Contest *c) {
  c->by_hand(c);
  run_emitted(c);
  double worst = 0;
  for (int i = 0; i < 2; i++)
    for (int64_t j = 0; j < c->result_counts[i]; j++) {
      double a = (double)c->hand[i][j], b = (double)c->emitted[i][j];
      double error = fabs(a - b) / (1 + fabs(a));
      if (!(error <= worst)) worst = error;
    }
  bool agree = worst <= 3e-5;
  if (!agree)
    printf("%s %lld x %lld: results differ by %g\n", c->name, (long long)c->n, (long long)c->d,
           worst);
  return agree;
}

static double cpu_time(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double measure(Contest *c) {
  enum { ROUNDS = 31 };
  double start = cpu_time(), hand[ROUNDS], emitted[ROUNDS], ratios[ROUNDS];
  int calls = 1;
  for (int i = 0; i < 10; i++) c->by_hand(c);
  double once = (cpu_time() - start) / 10;
  if (once < 2e-3) calls = (int)(2e-3 / (once + 1e-9)) + 1;
  for (int round = 0; round < ROUNDS; round++) {
    start = cpu_time();
    for (int i = 0; i < calls; i++) c->by_hand(c);
    double middle = cpu_time();
    for (int i = 0; i < calls; i++) run_emitted(c);
    hand[round] = (middle - start) / calls;
    emitted[round] = (cpu_time() - middle) / calls;
    ratios[round] = hand[round] / emitted[round];
  }
  qsort(hand, ROUNDS, sizeof *hand, by_size);
  qsort(emitted, ROUNDS, sizeof *emitted, by_size);
  qsort(ratios, ROUNDS, sizeof *ratios, by_size);
  printf("%-8s %5lld x %-4lld hand %9.2f us  emitted %9.2f us  ratio %.2f\n", c->name,
         (long long)c->n, (long long)c->d, 1e6 * hand[ROUNDS / 2], 1e6 * emitted[ROUNDS / 2],
         ratios[ROUNDS / 2]);
  return ratios[ROUNDS / 2];
}

static void contest_end(Contest *c) {
  for (int i = 0; i < 3; i++) free(c->inputs[i]);
  for (int i = 0; i < 2; i++) {
    free(c->hand[i]);
    free(c->emitted[i]);
  }
  fixture_destroy(&c->fixture);
}

// ---------------------------------------------------------------- compile time

/// Fifty distinct streaming kernels: a dot, an activation, an update, as the lowering makes them.
static void measure_compilation(void) {
  enum { KERNELS = 50 };
  Fixture f = fixture_create();
  Buffer *x = fixture_buffer(&f, BUFFER_INPUT, 0, DT_F32, f.n);
  Buffer *y = fixture_buffer(&f, BUFFER_OUTPUT, 0, DT_F32, f.n);
  static const Opcode codes[] = {OP_EXP, OP_LOGISTIC, OP_TANH, OP_SQRT, OP_LOG};
  for (int i = 0; i < KERNELS; i++) {
    KernelBuilder *k = fixture_kernel(&f, "synthetic");
    int in = kernel_buffer(k, DT_F32, true, false), out = kernel_buffer(k, DT_F32, true, true);
    Register *sum = kernel_declare(k, expr_real(k, DT_F32, i));
    Axis *j = kernel_for_vector(k, "j", expr_dim(k, f.n), LANES, 4);
    Expr *v = expr_load(k, in, expr_axis(k, j));
    kernel_accumulate(k, sum, OP_ADD,
                      expr_binary(k, OP_MUL, v, expr_load(k, out, expr_axis(k, j))));
    kernel_end(k);
    j = kernel_for_vector(k, "j", expr_dim(k, f.n), LANES, 1);
    v = expr_unary(k, codes[i % 5], expr_load(k, in, expr_axis(k, j)));
    Expr *scaled = expr_binary(k, OP_MUL, v, expr_register(k, sum));
    kernel_store(k, out, expr_axis(k, j),
                 expr_binary(k, OP_ADD, scaled, expr_load(k, out, expr_axis(k, j))));
    kernel_end(k);
    fixture_launch(&f, &f.schedule->steps, kernel_finish(k), (Buffer *[]){x, y}, 2);
  }
  double start = cpu_time();
  fixture_compile(&f);
  double seconds = cpu_time() - start;
  printf("%d kernels compiled in %.0f ms, %.1f ms each\n", KERNELS, 1e3 * seconds,
         1e3 * seconds / KERNELS);
  fixture_destroy(&f);
}

int main(int argc, char **argv) {
  fixture_cpu = getenv("BLO_BENCH_CPU");
  bool check_only = argc > 1 && strcmp(argv[1], "--check") == 0, sound = true;
  Contest contests[] = {logistic_contest(1000, 10), logistic_contest(1000, 61),
                        logistic_contest(1000, 784), softmax_contest(1024), product_contest()};
  for (size_t i = 0; i < sizeof contests / sizeof *contests; i++) {
    sound &= results_agree(&contests[i]);
    if (!check_only) sound &= measure(&contests[i]) >= 0.75;
    contest_end(&contests[i]);
  }
  if (!check_only) measure_compilation();
  return sound ? 0 : 1;
}
