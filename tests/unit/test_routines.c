// Routines of compiled programs: residuals of factorisations, stable sorting, bad input.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <blo/routines.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 24, BATCH = 2 };

static uint64_t state = 88172645463325252u;

static double uniform(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (double)(state >> 11) * 0x1p-52 - 1;
}

static void fill(double *x, int64_t count) {
  for (int64_t i = 0; i < count; i++) x[i] = uniform();
}

/// a = m m' + I for random m, batched.
static void make_positive(double *a, int64_t n) {
  double m[MOST * MOST];
  for (int64_t b = 0; b < BATCH; b++, a += n * n) {
    fill(m, n * n);
    for (int64_t i = 0; i < n; i++)
      for (int64_t j = 0; j < n; j++) {
        double sum = i == j;
        for (int64_t k = 0; k < n; k++) sum += m[i * n + k] * m[j * n + k];
        a[i * n + j] = sum;
      }
  }
}

/// Largest |op(a) x - b| over a batch; a [n, n], x and b [n, k].
static double residual(const double *a, const double *x, const double *b, int64_t n, int64_t k,
                       int transposed) {
  double worst = 0;
  for (int64_t m = 0; m < BATCH; m++, a += n * n, x += n * k, b += n * k)
    for (int64_t i = 0; i < n; i++)
      for (int64_t c = 0; c < k; c++) {
        double sum = -b[i * k + c];
        for (int64_t j = 0; j < n; j++)
          sum += (transposed ? a[j * n + i] : a[i * n + j]) * x[j * k + c];
        if (!(fabs(sum) <= worst)) worst = fabs(sum);
      }
  return worst;
}

static void cholesky_and_triangular(void **unused) {
  (void)unused;
  double *a = calloc(BATCH * MOST * MOST, sizeof *a), *l = calloc(BATCH * MOST * MOST, sizeof *l);
  double *b = calloc(BATCH * MOST * 3, sizeof *b), *x = calloc(BATCH * MOST * 3, sizeof *x);
  double *z = calloc(BATCH * MOST * 3, sizeof *z);
  int64_t notes[2] = {0};
  for (int64_t n = 0; n <= MOST; n++)
    for (int64_t k = 0; k <= 3; k++) {
      make_positive(a, n);
      for (int64_t m = 0; m < BATCH; m++) // above the diagonal is not read
        for (int64_t i = 0; i < n; i++)
          for (int64_t j = i + 1; j < n; j++) l[m * n * n + i * n + j] = a[m * n * n + i * n + j];
      fill(b, BATCH * n * k);
      blo_cholesky_f64(a, l, BATCH, n, 1, notes);
      blo_trisolve_f64(l, b, x, BATCH, n, k, 0, notes);
      assert_true(residual(l, x, b, n, k, 0) < 1e-11);
      blo_trisolve_f64(l, x, z, BATCH, n, k, 1, notes);
      assert_true(residual(l, z, x, n, k, 1) < 1e-11);
      assert_true(residual(a, z, b, n, k, 0) < 1e-9);
    }
  assert_int_equal(notes[1], 0);
  double indefinite[] = {1, 2, 2, 1, 4, 0, 0, 9}, factor[8];
  blo_cholesky_f64(indefinite, factor, 2, 2, 1, notes);
  assert_int_equal(notes[1], 1);
  assert_true(isnan(factor[0]) && isnan(factor[3]) && factor[4] == 2 && factor[7] == 3);
  indefinite[0] = NAN;
  blo_cholesky_f64(indefinite, factor, 1, 2, 1, NULL);
  assert_true(isnan(factor[0]));
  free(a);
  free(l);
  free(b);
  free(x);
  free(z);
}

static void general_solve(void **unused) {
  (void)unused;
  double *a = calloc(BATCH * MOST * MOST, sizeof *a), *work = calloc(MOST * MOST, sizeof *work);
  double *b = calloc(BATCH * MOST * 3, sizeof *b), *x = calloc(BATCH * MOST * 3, sizeof *x);
  int64_t notes[1] = {0};
  for (int64_t n = 0; n <= MOST; n++)
    for (int transposed = 0; transposed < 2; transposed++) {
      fill(a, BATCH * n * n);
      for (int64_t i = 0; n > 1 && i < BATCH; i++) a[i * n * n] = 0; // needs a row exchange
      fill(b, BATCH * n * 3);
      blo_solve_f64(a, b, x, work, BATCH, n, 3, transposed, 0, notes);
      assert_true(residual(a, x, b, n, 3, transposed) < 1e-9);
    }
  assert_int_equal(notes[0], 0);
  memset(a, 0, 9 * sizeof *a);
  blo_solve_f64(a, b, x, work, 1, 3, 1, 0, 0, notes);
  assert_int_equal(notes[0], 1);
  assert_true(isnan(x[0]) && isnan(x[2]));
  float narrow[] = {2, 1, 1, 3}, right[] = {3, 5}, solution[2], space[4];
  blo_solve_f32(narrow, right, solution, space, 1, 2, 1, 0, 0, notes);
  assert_true(fabsf(solution[0] - 0.8f) < 1e-6f && fabsf(solution[1] - 1.4f) < 1e-6f);
  free(a);
  free(work);
  free(b);
  free(x);
}

/// Places sorted, NaN last, equal values in their order: checked pair by pair, with a stride.
static void sorting(void **unused) {
  (void)unused;
  enum { OUTER = 2, INNER = 3, LONG = 67 };
  static double x[OUTER * LONG * INNER];
  static int64_t order[OUTER * LONG * INNER], work[2 * LONG];
  for (int64_t n = 0; n <= LONG; n++)
    for (int descending = 0; descending < 2; descending++) {
      for (int64_t i = 0; i < OUTER * n * INNER; i++) {
        x[i] = floor(uniform() * 5);
        if (uniform() > 0.9) x[i] = uniform() > 0 ? NAN : INFINITY;
      }
      blo_argsort_f64(x, order, work, OUTER, n, INNER, descending, NULL);
      for (int64_t o = 0; o < OUTER; o++)
        for (int64_t i = 0; i < INNER; i++) {
          const double *line = x + o * n * INNER + i;
          const int64_t *places = order + o * n * INNER + i;
          int64_t sum = 0;
          for (int64_t j = 0; j < n; j++) sum += places[j * INNER];
          assert_int_equal(sum, n * (n - 1) / 2);
          for (int64_t j = 0; j + 1 < n; j++) {
            int64_t p = places[j * INNER], q = places[(j + 1) * INNER];
            double a = line[p * INNER], b = line[q * INNER];
            int before = isnan(b) ? !isnan(a) : descending ? a > b : a < b;
            int equal = a == b || (isnan(a) && isnan(b));
            assert_true(before || (equal && p < q));
          }
        }
    }
  int64_t numbers[] = {INT64_MAX, -3, INT64_MIN, -3, 7}, ranks[5], space[10];
  blo_argsort_i64(numbers, ranks, space, 1, 5, 1, 0, NULL);
  assert_memory_equal(ranks, ((int64_t[]){2, 1, 3, 4, 0}), sizeof ranks);
  float narrow[] = {1, NAN, -0.0f, 0, 2};
  blo_argsort_f32(narrow, ranks, space, 1, 5, 1, 1, NULL);
  assert_memory_equal(ranks, ((int64_t[]){4, 0, 2, 3, 1}), sizeof ranks);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(cholesky_and_triangular),
      cmocka_unit_test(general_solve),
      cmocka_unit_test(sorting),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
