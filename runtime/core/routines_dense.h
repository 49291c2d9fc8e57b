/* Cholesky, triangular and LU solves for one real type; included by routines.c once for each, with
 * REAL, NAMED, ABSOLUTE and SQUARE_ROOT defined. No include guard. */

/* sum of x[i] * y[i] over 8 accumulators, joined pairwise */
static REAL NAMED(inner_product)(const REAL *x, const REAL *y, int64_t n) {
  REAL sum[8] = {0};
  int64_t i = 0;
  for (; i + 8 <= n; i += 8)
    for (int k = 0; k < 8; k++) sum[k] += x[i + k] * y[i + k];
  for (int k = 0; i < n; i++, k++) sum[k] += x[i] * y[i];
  return ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
}

/* y -= factor * x */
static void NAMED(subtract_multiple)(REAL *restrict y, const REAL *restrict x, REAL factor,
                                     int64_t n) {
  for (int64_t i = 0; i < n; i++) y[i] -= factor * x[i];
}

static void NAMED(fill)(REAL *x, REAL value, int64_t n) {
  for (int64_t i = 0; i < n; i++) x[i] = value;
}

/* 1 when a is positive definite and l holds its factor */
static int NAMED(factor_cholesky)(const REAL *a, REAL *l, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    REAL *row = l + i * n;
    for (int64_t j = 0; j < i; j++)
      row[j] = (a[i * n + j] - NAMED(inner_product)(row, l + j * n, j)) / l[j * n + j];
    REAL pivot = a[i * n + i] - NAMED(inner_product)(row, row, i);
    if (!(pivot > 0) || isinf(pivot)) return 0;
    row[i] = SQUARE_ROOT(pivot);
    NAMED(fill)(row + i + 1, 0, n - i - 1);
  }
  return 1;
}

void NAMED(blo_cholesky)(const REAL *a, REAL *l, int64_t batch, int64_t n, int64_t note,
                         int64_t *notes) {
  for (int64_t m = 0; m < batch; m++, a += n * n, l += n * n) {
    if (NAMED(factor_cholesky)(a, l, n)) continue;
    NAMED(fill)(l, (REAL)NAN, n * n);
    if (notes) notes[note]++;
  }
}

/* One right-hand side: along the rows of l, so that memory is read front to back. */
static void NAMED(substitute_vector)(const REAL *l, REAL *x, int64_t n, int transposed) {
  for (int64_t step = 0; step < n; step++) {
    int64_t i = transposed ? n - 1 - step : step;
    const REAL *row = l + i * n;
    if (!transposed) x[i] -= NAMED(inner_product)(row, x, i);
    x[i] /= row[i];
    if (transposed) NAMED(subtract_multiple)(x, row, x[i], i);
  }
}

static void NAMED(substitute)(const REAL *l, REAL *x, int64_t n, int64_t k, int transposed) {
  for (int64_t step = 0; step < n; step++) {
    int64_t i = transposed ? n - 1 - step : step;
    REAL *row = x + i * k;
    for (int64_t c = 0; c < k; c++) row[c] /= l[i * n + i];
    for (int64_t j = transposed ? 0 : i + 1; j < (transposed ? i : n); j++)
      NAMED(subtract_multiple)(x + j * k, row, l[transposed ? i * n + j : j * n + i], k);
  }
}

void NAMED(blo_trisolve)(const REAL *l, const REAL *b, REAL *x, int64_t batch, int64_t n, int64_t k,
                         int64_t transposed, int64_t *notes) {
  (void)notes;
  for (int64_t m = 0; m < batch; m++, l += n * n, b += n * k, x += n * k) {
    if (n * k > 0) memcpy(x, b, (size_t)(n * k) * sizeof(REAL));
    if (k == 1)
      NAMED(substitute_vector)(l, x, n, transposed != 0);
    else
      NAMED(substitute)(l, x, n, k, transposed != 0);
  }
}

static void NAMED(swap_rows)(REAL *x, REAL *y, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    REAL t = x[i];
    x[i] = y[i];
    y[i] = t;
  }
}

/* Eliminates below the diagonal of w, doing the same to x's rows. 0 when w is singular. */
static int NAMED(eliminate)(REAL *w, REAL *x, int64_t n, int64_t k) {
  for (int64_t c = 0; c < n; c++) {
    int64_t pivot = c;
    for (int64_t i = c + 1; i < n; i++)
      if (ABSOLUTE(w[i * n + c]) > ABSOLUTE(w[pivot * n + c])) pivot = i;
    if (!(ABSOLUTE(w[pivot * n + c]) > 0) || isinf(w[pivot * n + c])) return 0;
    if (pivot != c) {
      NAMED(swap_rows)(w + c * n, w + pivot * n, n);
      NAMED(swap_rows)(x + c * k, x + pivot * k, k);
    }
    for (int64_t i = c + 1; i < n; i++) {
      REAL factor = w[i * n + c] / w[c * n + c];
      NAMED(subtract_multiple)(w + i * n + c + 1, w + c * n + c + 1, factor, n - c - 1);
      NAMED(subtract_multiple)(x + i * k, x + c * k, factor, k);
    }
  }
  return 1;
}

void NAMED(blo_solve)(const REAL *a, const REAL *b, REAL *x, REAL *work, int64_t batch, int64_t n,
                      int64_t k, int64_t transposed, int64_t note, int64_t *notes) {
  for (int64_t m = 0; m < batch; m++, a += n * n, b += n * k, x += n * k) {
    if (n * k > 0) memcpy(x, b, (size_t)(n * k) * sizeof(REAL));
    for (int64_t i = 0; i < n; i++)
      for (int64_t j = 0; j < n; j++) work[i * n + j] = transposed ? a[j * n + i] : a[i * n + j];
    if (!NAMED(eliminate)(work, x, n, k)) {
      NAMED(fill)(x, (REAL)NAN, n * k);
      if (notes) notes[note]++;
      continue;
    }
    for (int64_t i = n - 1; i >= 0; i--) {
      REAL *row = x + i * k;
      for (int64_t j = i + 1; j < n; j++)
        NAMED(subtract_multiple)(row, x + j * k, work[i * n + j], k);
      for (int64_t c = 0; c < k; c++) row[c] /= work[i * n + i];
    }
  }
}
