/* Routines that compiled programs call: sorting and dense factorisations.
 *
 * Convention of every routine (a STEP_ROUTINE of the compiler's schedule): first the buffers in the
 * order shown, then the i64 sizes in the order shown, last the note counters of the call
 * (blo_call.notes; may be NULL). Nothing is allocated: `work` comes from the caller's workspace.
 * Arrays are dense and row-major. Outputs overlap no other argument. All routines accept sizes of 0
 * and any value, NaN included. */
#ifndef BLO_ROUTINES_H
#define BLO_ROUTINES_H

#include <stdint.h>

/* order[o, :, i] = the stable permutation that sorts x[o, :, i]; x and order are [outer, n, inner].
 * `descending` 0 or 1; equal entries keep their order either way. NaN comes last either way.
 * work: 2 * n entries. */
void blo_argsort_f32(const float *x, int64_t *order, int64_t *work, int64_t outer, int64_t n,
                     int64_t inner, int64_t descending, int64_t *notes);
void blo_argsort_f64(const double *x, int64_t *order, int64_t *work, int64_t outer, int64_t n,
                     int64_t inner, int64_t descending, int64_t *notes);
void blo_argsort_i64(const int64_t *x, int64_t *order, int64_t *work, int64_t outer, int64_t n,
                     int64_t inner, int64_t descending, int64_t *notes);

/* l = lower Cholesky factor of a, [batch, n, n]; reads only a's lower triangle, writes zeros above
 * the diagonal. A matrix with a pivot that is not positive gives a factor full of NaN and counts
 * one to notes[note]. */
void blo_cholesky_f32(const float *a, float *l, int64_t batch, int64_t n, int64_t note,
                      int64_t *notes);
void blo_cholesky_f64(const double *a, double *l, int64_t batch, int64_t n, int64_t note,
                      int64_t *notes);

/* l x = b, or l' x = b when `transposed`; l [batch, n, n] lower (what stands above is not read), b
 * and x [batch, n, k]. A zero on the diagonal gives inf or NaN. */
void blo_trisolve_f32(const float *l, const float *b, float *x, int64_t batch, int64_t n, int64_t k,
                      int64_t transposed, int64_t *notes);
void blo_trisolve_f64(const double *l, const double *b, double *x, int64_t batch, int64_t n,
                      int64_t k, int64_t transposed, int64_t *notes);

/* a x = b, or a' x = b when `transposed`, by LU with row pivoting; a [batch, n, n], b and x [batch,
 * n, k]. A singular matrix gives a solution full of NaN and counts one to notes[note]. work: n * n
 * entries. */
void blo_solve_f32(const float *a, const float *b, float *x, float *work, int64_t batch, int64_t n,
                   int64_t k, int64_t transposed, int64_t note, int64_t *notes);
void blo_solve_f64(const double *a, const double *b, double *x, double *work, int64_t batch,
                   int64_t n, int64_t k, int64_t transposed, int64_t note, int64_t *notes);

#endif
