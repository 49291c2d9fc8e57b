// The interpreter's reductions, contractions and data-dependent ops.
#include "ir/interp.h"
#include "ir/scalar.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// --- reductions ------------------------------------------------------------------------

static void fill(Tensor *x, double real, int64_t integer) {
  for (int64_t i = 0; i < x->count; i++) {
    if (x->reals) {
      x->reals[i] = real;
    } else {
      x->integers[i] = integer;
    }
  }
}

// Combines every entry with the result entry it belongs to, in row-major order.
static bool reduce_with(Interpreter *ip, const Op *op, Opcode code, double real, int64_t integer) {
  const Tensor *x = operand_value(ip, op, 0);
  Tensor *result = interp_result(ip, op);
  if (!result) return false;
  int64_t strides[MAX_RANK], steps[MAX_RANK] = {0}, index[MAX_RANK] = {0};
  shape_strides(result->rank, result->shape, strides);
  for (int i = 0, kept = 0; i < x->rank; i++)
    if (!(op->attr.reduce.axes >> i & 1)) steps[i] = strides[kept++];
  fill(result, real, integer);
  for (int64_t i = 0; i < x->count; i++) {
    int64_t to = 0;
    for (int k = 0; k < x->rank; k++) to += steps[k] * index[k];
    if (x->reals) {
      result->reals[to] = scalar_binary_real(code, result->reals[to], x->reals[i]);
    } else {
      result->integers[to] =
          scalar_binary_integer(code, x->dtype, result->integers[to], x->integers[i]);
    }
    index_next(x->rank, x->shape, index);
  }
  return true;
}

bool evaluate_REDUCE_SUM(Interpreter *ip, const Op *op) {
  return reduce_with(ip, op, OP_ADD, 0, 0);
}

bool evaluate_REDUCE_MAX(Interpreter *ip, const Op *op) {
  return reduce_with(ip, op, OP_MAX, scalar_lowest_real(),
                     scalar_lowest_integer(op->operands[0]->type->dtype));
}

bool evaluate_REDUCE_PROD(Interpreter *ip, const Op *op) {
  return reduce_with(ip, op, OP_MUL, 1, 1);
}

// One axis of a tensor as lines: entry k of line (o, i) is at (o * extent + k) * inner + i.
typedef struct Lines {
  int64_t outer, extent, inner;
} Lines;

static Lines lines_of(const Tensor *x, int axis) {
  Lines lines = {1, x->shape[axis], 1};
  for (int i = 0; i < axis; i++) lines.outer *= x->shape[i];
  for (int i = axis + 1; i < x->rank; i++) lines.inner *= x->shape[i];
  return lines;
}

static bool entry_greater(const Tensor *x, int64_t a, int64_t b) {
  return x->reals ? x->reals[a] > x->reals[b] : x->integers[a] > x->integers[b];
}

bool evaluate_ARGMAX(Interpreter *ip, const Op *op) {
  const Tensor *x = operand_value(ip, op, 0);
  Tensor *result = interp_result(ip, op);
  if (!result) return false;
  Lines lines = lines_of(x, op->attr.scan.axis);
  for (int64_t o = 0; o < lines.outer; o++)
    for (int64_t i = 0; i < lines.inner; i++) {
      int64_t first = o * lines.extent * lines.inner + i, best = 0;
      for (int64_t k = 1; k < lines.extent; k++)
        if (entry_greater(x, first + k * lines.inner, first + best * lines.inner)) best = k;
      result->integers[o * lines.inner + i] = best;
    }
  return true;
}

bool evaluate_CUMSUM(Interpreter *ip, const Op *op) {
  const Tensor *x = operand_value(ip, op, 0);
  Tensor *result = interp_result(ip, op);
  if (!result) return false;
  Lines lines = lines_of(x, op->attr.scan.axis);
  bool reverse = op->attr.scan.reverse, exclusive = op->attr.scan.exclusive;
  for (int64_t o = 0; o < lines.outer; o++)
    for (int64_t i = 0; i < lines.inner; i++) {
      int64_t first = o * lines.extent * lines.inner + i, before = -1;
      for (int64_t k = 0; k < lines.extent; k++) {
        int64_t at = first + (reverse ? lines.extent - 1 - k : k) * lines.inner;
        if (before >= 0) copy_entry(result, at, result, before);
        if (!exclusive) {
          add_entry(result, at, x, at);
        } else if (before >= 0) {
          add_entry(result, at, x, before);
        }
        before = at;
      }
    }
  return true;
}

typedef struct SortEntry {
  double real;
  int64_t integer, place;
  bool is_nan, descending;
} SortEntry;

// NaN comes last in both directions; equal entries keep their order.
static int compare_entries(const void *left, const void *right) {
  const SortEntry *a = left, *b = right;
  int order = a->is_nan - b->is_nan;
  if (!order && !a->is_nan) {
    order = (a->real > b->real) - (a->real < b->real);
    if (!order) order = (a->integer > b->integer) - (a->integer < b->integer);
    if (a->descending) order = -order;
  }
  return order ? order : (a->place > b->place) - (a->place < b->place);
}

bool evaluate_ARGSORT(Interpreter *ip, const Op *op) {
  const Tensor *x = operand_value(ip, op, 0);
  Tensor *result = interp_result(ip, op);
  if (!result) return false;
  if (!x->count) return true;
  Lines lines = lines_of(x, op->attr.scan.axis);
  SortEntry *line = ARENA_ARRAY(ip->arena, SortEntry, (size_t)lines.extent);
  for (int64_t o = 0; o < lines.outer; o++)
    for (int64_t i = 0; i < lines.inner; i++) {
      int64_t first = o * lines.extent * lines.inner + i;
      for (int64_t k = 0; k < lines.extent; k++) {
        int64_t at = first + k * lines.inner;
        line[k] = (SortEntry){.place = k, .descending = op->attr.scan.descending};
        if (x->reals) {
          line[k].real = x->reals[at];
          line[k].is_nan = isnan(x->reals[at]);
        } else {
          line[k].integer = x->integers[at];
        }
      }
      qsort(line, (size_t)lines.extent, sizeof *line, compare_entries);
      for (int64_t k = 0; k < lines.extent; k++)
        result->integers[first + k * lines.inner] = line[k].place;
    }
  return true;
}

// --- contractions ----------------------------------------------------------------------

typedef struct Offsets {
  int64_t *data, count;
} Offsets;

// Some axes of a tensor: extents and how far one step goes in its entries.
typedef struct Walk {
  int rank;
  int64_t extents[2 * MAX_RANK], steps[2 * MAX_RANK];
} Walk;

static void walk_axis(Walk *w, int64_t extent, int64_t step) {
  w->extents[w->rank] = extent;
  w->steps[w->rank++] = step;
}

static void walk_axes(Walk *w, const Tensor *x, const int8_t *axes, int count) {
  int64_t strides[MAX_RANK];
  shape_strides(x->rank, x->shape, strides);
  for (int i = 0; i < count; i++) walk_axis(w, x->shape[axes[i]], strides[axes[i]]);
}

// Entry offsets over all indices of the walk, row-major.
static Offsets walk_offsets(Arena *arena, const Walk *w) {
  int64_t index[2 * MAX_RANK] = {0};
  Offsets offsets = {NULL, 1};
  for (int i = 0; i < w->rank; i++) offsets.count *= w->extents[i];
  offsets.data = ARENA_ARRAY(arena, int64_t, (size_t)offsets.count + 1);
  for (int64_t n = 0; n < offsets.count; n++) {
    for (int i = 0; i < w->rank; i++) offsets.data[n] += w->steps[i] * index[i];
    index_next(w->rank, w->extents, index);
  }
  return offsets;
}

static Offsets axis_offsets(Arena *arena, const Tensor *x, const int8_t *axes, int count) {
  Walk w = {0};
  walk_axes(&w, x, axes, count);
  return walk_offsets(arena, &w);
}

// Over the axes that are not marked in `used`.
static Offsets free_offsets(Arena *arena, const Tensor *x, uint32_t used) {
  Walk w = {0};
  for (int8_t i = 0; i < x->rank; i++)
    if (!(used >> i & 1)) walk_axes(&w, x, &i, 1);
  return walk_offsets(arena, &w);
}

// One operand of a dot or conv: offsets of its batch, free and window places, and of one sum's
// terms.
typedef struct Side {
  Offsets batch, free_axes, windows, inner;
} Side;

static Side side_of(Arena *arena, const Op *op, const Tensor *const *x, const Tensor *result,
                    int k) {
  const Attr *a = &op->attr;
  const int8_t *batch = k ? a->dot.right_batch : a->dot.left_batch;
  const int8_t *contract = k ? a->dot.right_contract : a->dot.left_contract;
  const int8_t *window = k ? a->dot.right_window : a->dot.left_window;
  int windows = a->dot.window_count, first = result->rank - windows;
  Walk sums = {0}, places = {0};
  uint32_t used = 0;
  walk_axes(&sums, x[k], contract, a->dot.contract_count);
  for (int i = 0; i < a->dot.batch_count; i++) used |= 1u << batch[i];
  for (int i = 0; i < a->dot.contract_count; i++) used |= 1u << contract[i];
  int64_t strides[MAX_RANK];
  shape_strides(x[k]->rank, x[k]->shape, strides);
  for (int i = 0; i < windows; i++) {
    int64_t step = strides[window[i]], extent = x[1]->shape[a->dot.right_window[i]];
    used |= 1u << window[i];
    walk_axis(&sums, extent, k ? step : step * a->dot.dilation[i]);
    walk_axis(&places, result->shape[first + i], k ? 0 : step * a->dot.stride[i]);
  }
  return (Side){axis_offsets(arena, x[k], batch, a->dot.batch_count),
                free_offsets(arena, x[k], used), walk_offsets(arena, &places),
                walk_offsets(arena, &sums)};
}

static void dot_entry(Tensor *result, int64_t at, const Tensor *x, int64_t x_at,
                      const Offsets *x_inner, const Tensor *y, int64_t y_at,
                      const Offsets *y_inner) {
  if (result->reals) {
    double sum = 0;
    for (int64_t c = 0; c < x_inner->count; c++)
      sum += x->reals[x_at + x_inner->data[c]] * y->reals[y_at + y_inner->data[c]];
    result->reals[at] = sum;
  } else {
    uint64_t sum = 0;
    for (int64_t c = 0; c < x_inner->count; c++)
      sum += (uint64_t)x->integers[x_at + x_inner->data[c]] *
             (uint64_t)y->integers[y_at + y_inner->data[c]];
    result->integers[at] = scalar_wrap(result->dtype, (int64_t)sum);
  }
}

bool evaluate_CONV(Interpreter *ip, const Op *op) {
  const Tensor *x[2] = {operand_value(ip, op, 0), operand_value(ip, op, 1)};
  Tensor *result = interp_result(ip, op);
  if (!result) return false;
  Side left = side_of(ip->arena, op, x, result, 0), right = side_of(ip->arena, op, x, result, 1);
  int64_t at = 0;
  for (int64_t b = 0; b < left.batch.count; b++)
    for (int64_t i = 0; i < left.free_axes.count; i++)
      for (int64_t k = 0; k < right.free_axes.count; k++)
        for (int64_t w = 0; w < left.windows.count; w++)
          dot_entry(result, at++, x[0],
                    left.batch.data[b] + left.free_axes.data[i] + left.windows.data[w], &left.inner,
                    x[1], right.batch.data[b] + right.free_axes.data[k], &right.inner);
  return true;
}

bool evaluate_DOT(Interpreter *ip, const Op *op) {
  return evaluate_CONV(ip, op); // a conv without windows
}

bool evaluate_CHOLESKY(Interpreter *ip, const Op *op) {
  const Tensor *a = operand_value(ip, op, 0);
  Tensor *result = interp_result(ip, op);
  if (!result) return false;
  int64_t n = a->shape[a->rank - 1];
  bool positive = true;
  for (int64_t first = 0; first < a->count; first += n * n) {
    double *l = result->reals + first;
    for (int64_t j = 0; j < n; j++)
      for (int64_t i = j; i < n; i++) { // reads the lower triangle only
        double sum = a->reals[first + i * n + j];
        for (int64_t k = 0; k < j; k++) sum -= l[i * n + k] * l[j * n + k];
        if (i == j) positive &= sum > 0;
        l[i * n + j] = i == j ? sqrt(sum) : sum / l[j * n + j];
      }
  }
  if (!positive) interp_note(ip, op_check_note(ip->module, op));
  return true;
}

// Solves L x = b (or L' x = b) in place, x of n rows and `columns` columns.
static void triangular_solve(const double *l, int64_t n, double *x, int64_t columns,
                             bool transposed) {
  for (int64_t step = 0; step < n; step++) {
    int64_t i = transposed ? n - 1 - step : step;
    for (int64_t c = 0; c < columns; c++) {
      double sum = x[i * columns + c];
      if (transposed) {
        for (int64_t k = i + 1; k < n; k++) sum -= l[k * n + i] * x[k * columns + c];
      } else {
        for (int64_t k = 0; k < i; k++) sum -= l[i * n + k] * x[k * columns + c];
      }
      x[i * columns + c] = sum / l[i * n + i];
    }
  }
}

bool evaluate_TRISOLVE(Interpreter *ip, const Op *op) {
  const Tensor *l = operand_value(ip, op, 0), *b = operand_value(ip, op, 1);
  Tensor *result = interp_result(ip, op);
  if (!result) return false;
  int64_t n = l->shape[l->rank - 1], columns = b->shape[b->rank - 1];
  copy_entries(result, 0, b, 0, b->count);
  if (!b->count) return true;
  for (int64_t batch = 0; batch < b->count / (n * columns); batch++)
    triangular_solve(l->reals + batch * n * n, n, result->reals + batch * n * columns, columns,
                     op->attr.solve.transposed);
  return true;
}

// Gaussian elimination with row pivoting on copies; false when a pivot is zero.
static bool eliminate(double *a, int64_t n, double *x, int64_t columns) {
  bool regular = true;
  for (int64_t j = 0; j < n; j++) {
    int64_t pivot = j;
    for (int64_t i = j + 1; i < n; i++)
      if (fabs(a[i * n + j]) > fabs(a[pivot * n + j])) pivot = i;
    for (int64_t k = 0; k < n && pivot != j; k++) {
      double swap = a[j * n + k];
      a[j * n + k] = a[pivot * n + k];
      a[pivot * n + k] = swap;
    }
    for (int64_t c = 0; c < columns && pivot != j; c++) {
      double swap = x[j * columns + c];
      x[j * columns + c] = x[pivot * columns + c];
      x[pivot * columns + c] = swap;
    }
    regular &= a[j * n + j] != 0 && isfinite(a[j * n + j]);
    for (int64_t i = j + 1; i < n; i++) {
      double factor = a[i * n + j] / a[j * n + j];
      for (int64_t k = j; k < n; k++) a[i * n + k] -= factor * a[j * n + k];
      for (int64_t c = 0; c < columns; c++) x[i * columns + c] -= factor * x[j * columns + c];
    }
  }
  for (int64_t i = n - 1; i >= 0; i--)
    for (int64_t c = 0; c < columns; c++) {
      double sum = x[i * columns + c];
      for (int64_t k = i + 1; k < n; k++) sum -= a[i * n + k] * x[k * columns + c];
      x[i * columns + c] = sum / a[i * n + i];
    }
  return regular;
}

bool evaluate_SOLVE(Interpreter *ip, const Op *op) {
  const Tensor *a = operand_value(ip, op, 0), *b = operand_value(ip, op, 1);
  Tensor *result = interp_result(ip, op);
  if (!result) return false;
  int64_t n = a->shape[a->rank - 1], columns = b->shape[b->rank - 1];
  copy_entries(result, 0, b, 0, b->count);
  if (!b->count) return true;
  bool regular = true, transposed = op->attr.solve.transposed;
  double *copy = ARENA_ARRAY(ip->arena, double, (size_t)(n * n));
  for (int64_t batch = 0; batch < b->count / (n * columns); batch++) {
    for (int64_t i = 0; i < n; i++)
      for (int64_t k = 0; k < n; k++)
        copy[i * n + k] = a->reals[batch * n * n + (transposed ? k * n + i : i * n + k)];
    regular &= eliminate(copy, n, result->reals + batch * n * columns, columns);
  }
  if (!regular) interp_note(ip, op_check_note(ip->module, op));
  return true;
}

// --- data-dependent places -------------------------------------------------------------

// How gather and scatter_add walk a table: for each entry of the index tensors, `rest` holds the
// offsets of what is taken whole.
typedef struct Places {
  const Tensor *table;
  int axis_count;
  const int8_t *axes;
  const Tensor *indices[MAX_RANK];
  int64_t strides[MAX_RANK];
  Offsets rest;
  bool clamped;
} Places;

static Places places_of(Interpreter *ip, const Op *op, const Tensor *table, int first_index) {
  Places places = {
      .table = table, .axis_count = op->attr.gather.axis_count, .axes = op->attr.gather.axes};
  shape_strides(table->rank, table->shape, places.strides);
  for (int k = 0; k < places.axis_count; k++)
    places.indices[k] = operand_value(ip, op, first_index + k);
  uint32_t used = 0;
  for (int k = 0; k < places.axis_count; k++) used |= 1u << places.axes[k];
  places.rest = free_offsets(ip->arena, table, used);
  return places;
}

static int64_t clamp(int64_t x, int64_t last, bool *clamped) {
  if (x >= 0 && x <= last) return x;
  *clamped = true;
  return x < 0 || last < 0 ? 0 : last;
}

// The table offset that entry n of the indices names; -1 when the table has no entry at all.
static int64_t place_at(Places *places, int64_t n) {
  int64_t at = 0;
  for (int k = 0; k < places->axis_count; k++) {
    int64_t extent = places->table->shape[places->axes[k]];
    if (!extent) {
      places->clamped = true;
      return -1;
    }
    at += places->strides[places->axes[k]] *
          clamp(places->indices[k]->integers[n], extent - 1, &places->clamped);
  }
  return at;
}

bool evaluate_GATHER(Interpreter *ip, const Op *op) {
  Tensor *result = interp_result(ip, op);
  if (!result) return false;
  Places places = places_of(ip, op, operand_value(ip, op, 0), 1);
  for (int64_t n = 0; n < places.indices[0]->count; n++) {
    int64_t at = place_at(&places, n);
    for (int64_t k = 0; at >= 0 && k < places.rest.count; k++)
      copy_entry(result, n * places.rest.count + k, places.table, at + places.rest.data[k]);
  }
  if (places.clamped) interp_note(ip, op_check_note(ip->module, op));
  return true;
}

bool evaluate_SCATTER_ADD(Interpreter *ip, const Op *op) {
  const Tensor *updates = operand_value(ip, op, 1);
  Tensor *result = interp_result(ip, op);
  if (!result) return false;
  copy_entries(result, 0, operand_value(ip, op, 0), 0, result->count);
  Places places = places_of(ip, op, result, 2);
  for (int64_t n = 0; n < places.indices[0]->count; n++) {
    int64_t at = place_at(&places, n);
    for (int64_t k = 0; at >= 0 && k < places.rest.count; k++)
      add_entry(result, at + places.rest.data[k], updates, n * places.rest.count + k);
  }
  if (places.clamped) interp_note(ip, op_check_note(ip->module, op));
  return true;
}

// Clamps the starts so that the part fits; fails when it is larger than the whole.
static bool slice_starts(Interpreter *ip, const Op *op, int first, const Tensor *whole,
                         const Tensor *part, int64_t *starts) {
  bool clamped = false;
  for (int i = 0; i < whole->rank; i++) {
    int64_t last = whole->shape[i] - part->shape[i];
    if (last < 0) return interp_fail(ip, "a slice is larger than what it is taken from");
    starts[i] = clamp(operand_value(ip, op, first + i)->integers[0], last, &clamped);
  }
  if (clamped) interp_note(ip, op_check_note(ip->module, op));
  return true;
}

static int64_t slice_offset(const Tensor *whole, const int64_t *starts, const int64_t *index) {
  int64_t strides[MAX_RANK], at = 0;
  shape_strides(whole->rank, whole->shape, strides);
  for (int i = 0; i < whole->rank; i++) at += strides[i] * (starts[i] + index[i]);
  return at;
}

bool evaluate_DYNAMIC_SLICE(Interpreter *ip, const Op *op) {
  const Tensor *x = operand_value(ip, op, 0);
  Tensor *result = interp_result(ip, op);
  int64_t starts[MAX_RANK], index[MAX_RANK] = {0};
  if (!result || !slice_starts(ip, op, 1, x, result, starts)) return false;
  for (int64_t i = 0; i < result->count; i++) {
    copy_entry(result, i, x, slice_offset(x, starts, index));
    index_next(result->rank, result->shape, index);
  }
  return true;
}

bool evaluate_DYNAMIC_UPDATE(Interpreter *ip, const Op *op) {
  const Tensor *u = operand_value(ip, op, 1);
  Tensor *result = interp_result(ip, op);
  int64_t starts[MAX_RANK], index[MAX_RANK] = {0};
  if (!result || !slice_starts(ip, op, 2, result, u, starts)) return false;
  copy_entries(result, 0, operand_value(ip, op, 0), 0, result->count);
  for (int64_t i = 0; i < u->count; i++) {
    int64_t at = slice_offset(result, starts, index);
    if (op->attr.update.accumulate) {
      add_entry(result, at, u, i);
    } else {
      copy_entry(result, at, u, i);
    }
    index_next(u->rank, u->shape, index);
  }
  return true;
}
