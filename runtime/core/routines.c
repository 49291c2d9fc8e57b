/* Sorting and dense factorisations for compiled programs, see <blo/routines.h>.
 *
 * Row-oriented algorithms over contiguous rows. Inner products and row updates run over several
 * accumulators in a fixed order, so results do not depend on the machine's load or thread count. */
#include <blo/routines.h>

#include <math.h>
#include <stddef.h>
#include <string.h>

/* ---------------------------------------------------------------- sorting */

/* Bottom-up merge sort of the indices in work[0 .. n-1] with work[n .. 2n-1] as the other half; the
 * result is in the returned half. */
#define DEFINE_ARGSORT(SUFFIX, TYPE, BEFORE)                                                       \
  static void merge_##SUFFIX(const TYPE *x, int64_t stride, const int64_t *from, int64_t *to,      \
                             int64_t low, int64_t middle, int64_t high, int descending) {          \
    int64_t i = low, j = middle;                                                                   \
    for (int64_t k = low; k < high; k++) {                                                         \
      int right = 0;                                                                               \
      if (i < middle && j < high) {                                                                \
        TYPE a = x[from[i] * stride], b = x[from[j] * stride];                                     \
        right = BEFORE(a, b);                                                                      \
      }                                                                                            \
      to[k] = i < middle && !right ? from[i++] : from[j++];                                        \
    }                                                                                              \
  }                                                                                                \
  static const int64_t *sort_##SUFFIX(const TYPE *x, int64_t stride, int64_t *work, int64_t n,     \
                                      int descending) {                                            \
    int64_t *from = work, *to = work + n;                                                          \
    for (int64_t i = 0; i < n; i++) from[i] = i;                                                   \
    for (int64_t run = 1; run < n; run *= 2) {                                                     \
      for (int64_t low = 0; low < n; low += 2 * run) {                                             \
        int64_t middle = low + run < n ? low + run : n;                                            \
        int64_t high = low + 2 * run < n ? low + 2 * run : n;                                      \
        merge_##SUFFIX(x, stride, from, to, low, middle, high, descending);                        \
      }                                                                                            \
      int64_t *other = from;                                                                       \
      from = to;                                                                                   \
      to = other;                                                                                  \
    }                                                                                              \
    return from;                                                                                   \
  }                                                                                                \
  void blo_argsort_##SUFFIX(const TYPE *x, int64_t *order, int64_t *work, int64_t outer,           \
                            int64_t n, int64_t inner, int64_t descending, int64_t *notes) {        \
    (void)notes;                                                                                   \
    for (int64_t o = 0; o < outer; o++)                                                            \
      for (int64_t i = 0; i < inner; i++) {                                                        \
        ptrdiff_t base = (ptrdiff_t)(o * n * inner + i);                                           \
        const int64_t *sorted = sort_##SUFFIX(x + base, inner, work, n, descending != 0);          \
        for (int64_t k = 0; k < n; k++) order[base + k * inner] = sorted[k];                       \
      }                                                                                            \
  }

/* Must b stand before a? */
#define BEFORE_NUMBER(a, b) (descending ? (a) < (b) : (b) < (a))
#define BEFORE_FLOAT(a, b)  (BEFORE_NUMBER(a, b) || (isnan(a) && !isnan(b)))
DEFINE_ARGSORT(f32, float, BEFORE_FLOAT)
DEFINE_ARGSORT(f64, double, BEFORE_FLOAT)
DEFINE_ARGSORT(i64, int64_t, BEFORE_NUMBER)

/* ---------------------------------------------------------------- dense linear algebra */

#define REAL        float
#define NAMED(x)    x##_f32
#define ABSOLUTE    fabsf
#define SQUARE_ROOT sqrtf
#include "core/routines_dense.h"
#undef REAL
#undef NAMED
#undef ABSOLUTE
#undef SQUARE_ROOT

#define REAL        double
#define NAMED(x)    x##_f64
#define ABSOLUTE    fabs
#define SQUARE_ROOT sqrt
#include "core/routines_dense.h"
#undef REAL
#undef NAMED
#undef ABSOLUTE
#undef SQUARE_ROOT
