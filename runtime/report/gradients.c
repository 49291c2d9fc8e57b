// Verifying hypergradients: what methods say against differences of the value function.
//
// Enters: programs with value entries. Leaves: a table on standard output, and whether the first
// method agrees. A gap is measured against the largest difference, so that entries of different
// size are judged alike.
#include "common/rng.h"
#include "report/judge.h"
#include <blo/driver.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

// A method whose adjoint is a state makes SETTLING steps at the start point before it is judged.
enum { DIRECTIONS = 16, NAME_BYTES = 96, SETTLING = 2000 };

typedef struct Check {
  blo_context *context;
  const blo_competitor *methods;
  const blo_gradient_options *options;
  size_t count; // methods
  Runner *runners;
  size_t leaf_count, x_leaves; // leaves of the state; those of x among them
  blo_array *leaves;           // of x and y, x in memory of its own
  size_t owned;                // leaves whose memory is the check's own
  size_t entries;              // of x
  double *gradients;           // count rows of `entries`
  double residual, change;     // what the first method says of its point
  double size;                 // of its hypergradient
  bool single;                 // f32 or less
  bool *warned;                // by note: whether the first method's point meets it
} Check;

// ---- x as one vector

static blo_status copy_leaves(Check *c) {
  const Runner *runner = &c->runners[0];
  const blo_stage *stage = &runner->program->stages[runner->stage];
  c->leaf_count = stage->state_count;
  c->leaves = blo_allocate_array(c->context, c->leaf_count, sizeof *c->leaves);
  if (!c->leaves) return BLO_NO_MEMORY;
  for (size_t i = 0; i < c->leaf_count; i++) {
    blo_status status =
        blo_view_leaf(runner->instance, runner->stage, stage->state[i].name, &c->leaves[i]);
    if (status) return status;
  }
  return BLO_OK;
}

// Element `at` of an array of floats, read and written as a double.
static void set_element(const blo_array *array, size_t at, double value) {
  if (array->dtype == BLO_F64)
    ((double *)array->data)[at] = value;
  else
    ((float *)array->data)[at] = (float)value;
}

static blo_status own_x(Check *c) {
  const Runner *judge = &c->runners[0];
  while (blo_judged_hypergradient(judge, c->x_leaves)) c->x_leaves++;
  if (!c->x_leaves)
    return blo_fail(
        c->context, BLO_BAD_ARGUMENT, "",
        "there is no hypergradient to verify: the method moves x itself, or nothing says "
        "how the lower problem is solved (`lower = gd(step = 0.1, iters = 1000)`); "
        "where a method that moves x ends is judged by `bloc compare ... --reference "
        "'implicit(); lower = gd(step = 0.1, iters = 1000)'`");
  for (size_t i = 0; i < c->x_leaves; i++) {
    blo_array *leaf = &c->leaves[i];
    if (leaf->dtype != BLO_F64 && leaf->dtype != BLO_F32)
      return blo_fail(c->context, BLO_BAD_ARGUMENT, "", "`%s` is %s: differences need f64 or f32",
                      leaf->name, blo_dtype_name(leaf->dtype));
    size_t count = blo_array_count(leaf);
    void *copy = blo_allocate_array(c->context, count + 1, blo_dtype_bytes(leaf->dtype));
    if (!copy) return BLO_NO_MEMORY;
    memcpy(copy, leaf->data, count * blo_dtype_bytes(leaf->dtype));
    leaf->data = copy;
    c->owned++;
    c->entries += count;
    c->single |= leaf->dtype == BLO_F32;
  }
  return BLO_OK;
}

// ---- values

// What the first method says of the point, before differences go elsewhere.
static void keep_warnings(Check *c) {
  const Runner *first = &c->runners[0];
  const blo_program *program = first->program;
  c->warned = blo_allocate_array(c->context, program->note_count + 1, sizeof *c->warned);
  for (size_t i = 0; i < program->note_count && c->warned; i++)
    c->warned[i] = program->notes[i].code[0] == 'W' && blo_note_last(first->instance, i) > 0;
}

static blo_status take_gradients(Check *c) {
  c->gradients = blo_allocate_array(c->context, c->count * c->entries, sizeof(double));
  if (!c->gradients) return BLO_NO_MEMORY;
  for (size_t m = 0; m < c->count; m++) {
    double numbers[JUDGED_COUNT];
    c->runners[m].settling = SETTLING;
    blo_status status = blo_judge_at(&c->runners[m], c->leaves, numbers);
    c->runners[m].settling = 0;
    if (status) return status;
    if (!m) {
      c->residual = numbers[JUDGED_RESIDUAL];
      c->change = numbers[JUDGED_CHANGE];
      keep_warnings(c);
    }
    size_t entry = 0;
    for (size_t i = 0; i < c->x_leaves; i++) {
      const blo_array *part = blo_judged_hypergradient(&c->runners[m], i);
      size_t count = blo_array_count(&c->leaves[i]);
      for (size_t k = 0; k < count; k++, entry++)
        c->gradients[m * c->entries + entry] =
            part ? blo_array_element(part, k) : (double)__builtin_nanf("");
    }
  }
  return BLO_OK;
}

// Moves x along `direction` and judges it there.
static blo_status value_at(Check *c, const double *direction, double *const *start, double h,
                           double *value) {
  double numbers[JUDGED_COUNT];
  size_t entry = 0;
  for (size_t i = 0; i < c->x_leaves; i++)
    for (size_t k = 0; k < blo_array_count(&c->leaves[i]); k++, entry++)
      set_element(&c->leaves[i], k, start[i][k] + h * direction[entry]);
  blo_status status = blo_judge_at(&c->runners[0], c->leaves, numbers);
  *value = numbers[JUDGED_VALUE];
  return status;
}

// Entry `number` where all are looked at, else a random direction of length 1.
static void fill_direction(const Check *c, size_t number, double *direction) {
  if (c->entries <= DIRECTIONS) {
    for (size_t k = 0; k < c->entries; k++) direction[k] = k == number ? 1.0 : 0.0;
    return;
  }
  double square = 0.0;
  for (size_t k = 0; k < c->entries; k++) {
    uint64_t bits = blo_rng_fold(blo_rng_fold(UINT64_C(0x67726164), number), k);
    direction[k] = (bits >> 33) & 1 ? 1.0 : -1.0;
    square += 1.0;
  }
  for (size_t k = 0; k < c->entries; k++) direction[k] /= sqrt(square);
}

static void name_direction(const Check *c, size_t number, char *name) {
  if (c->entries > DIRECTIONS) {
    snprintf(name, NAME_BYTES, "direction %zu", number + 1);
    return;
  }
  const blo_array *leaf = c->leaves;
  for (; number >= blo_array_count(leaf); leaf++) number -= blo_array_count(leaf);
  if (leaf->rank)
    snprintf(name, NAME_BYTES, "%s[%zu]", leaf->name, number);
  else
    snprintf(name, NAME_BYTES, "%s", leaf->name);
}

// ---- the table

static double along(const Check *c, size_t method, const double *direction) {
  double sum = 0.0;
  for (size_t k = 0; k < c->entries; k++)
    sum += c->gradients[method * c->entries + k] * direction[k];
  return sum;
}

static blo_status difference(Check *c, const double *direction, double *const *start,
                             double *slope) {
  double ahead, behind, h = c->single ? 1e-2 : 1e-5;
  blo_status status = value_at(c, direction, start, h, &ahead);
  if (!status) status = value_at(c, direction, start, -h, &behind);
  if (!status) *slope = (ahead - behind) / (2.0 * h);
  return status;
}

// Methods are named in full.
static int column_width(const Check *c, size_t method) {
  int length = (int)strlen(c->methods[method].name);
  return length > 16 ? length : 16;
}

static void print_rows(const Check *c, const double *directions, const double *slopes, size_t rows,
                       double scale, double *worst) {
  printf("%-24s", "");
  for (size_t m = 0; m < c->count; m++) printf("  %*s", column_width(c, m), c->methods[m].name);
  printf("  %16s  %8s\n", "differences", "gap");
  for (size_t r = 0; r < rows; r++) {
    char name[NAME_BYTES];
    const double *direction = directions + r * c->entries;
    name_direction(c, r, name);
    printf("%-24s", name);
    for (size_t m = 0; m < c->count; m++)
      printf("  %*.9g", column_width(c, m), along(c, m, direction));
    double gap = fabs(along(c, 0, direction) - slopes[r]) / scale;
    printf("  %16.9g  %8.1e\n", slopes[r], gap);
    *worst = gap > *worst || isnan(gap) ? gap : *worst;
  }
}

// Whether there was something to tell.
static bool tell_warnings(const Check *c) {
  const blo_program *program = c->runners[0].program;
  bool any = false;
  for (size_t i = 0; i < program->note_count && c->warned; i++) {
    if (!c->warned[i]) continue;
    any = true;
    printf("%s: warning[%s]: %s\n", program->notes[i].place, program->notes[i].code,
           program->notes[i].text);
  }
  return any;
}

// Where a gap may come from: the lower solve, states that have not settled, or the method itself.
static void tell_cause(const Check *c, double tolerance) {
  double small = c->single ? 1e-3 : 1e-6;
  if (c->residual > small)
    printf("  a method that is exact at a solution needs it small: more `lower.iters`, or another "
           "step\n");
  else if (c->change > tolerance * c->size)
    printf(
        "  the states of the method have not settled: after %d steps at this x the hypergradient "
        "still changes by %.1e a step; try another `method.step`\n",
        SETTLING, c->change);
  else if (isfinite(c->residual))
    printf(
        "  the lower problem is solved, so the gap is the method's own: a bias (one_step, "
        "truncated, a series cut at `terms`, a penalty), a random estimate that is right only in "
        "the mean (bsa, ttsa, zo), or an adjoint that is not solved (the report "
        "adjoint_residual)\n");
}

static blo_status tell(Check *c, const double *directions, const double *slopes, size_t rows) {
  double scale = 0.0, worst = 0.0;
  double tolerance = c->options->tolerance;
  if (!(tolerance > 0.0)) tolerance = c->single ? 5e-2 : 1e-4;
  for (size_t r = 0; r < rows; r++) scale = fmax(scale, fabs(slopes[r]));
  print_rows(c, directions, slopes, rows, scale > 0.0 ? scale : 1.0, &worst);
  bool good = worst <= tolerance;
  for (size_t k = 0; k < c->entries; k++) c->size = fmax(c->size, fabs(c->gradients[k]));
  if (good && scale == 0.0 && c->size == 0.0)
    printf("%s and differences are 0 everywhere: they agree, but nothing was verified; begin where "
           "F changes with the upper variables\n",
           c->methods[0].name);
  else
    printf("%s %s with differences: the largest gap is %.1e, the tolerance %.1e\n",
           c->methods[0].name, good ? "agrees" : "does NOT agree", worst, tolerance);
  if (isfinite(c->residual)) // families of lower problems have one for each row, and tell none
    printf("lower_residual at the lower solution is %.1e\n", c->residual);
  if (!tell_warnings(c) && !good) tell_cause(c, tolerance);
  fflush(stdout);
  return good ? BLO_OK : BLO_NOT_CONVERGED;
}

static blo_status compare_directions(Check *c, double **start) {
  size_t rows = c->entries < DIRECTIONS ? c->entries : DIRECTIONS;
  double *directions = blo_allocate_array(c->context, rows * c->entries + 1, sizeof(double));
  double *slopes = blo_allocate_array(c->context, rows + 1, sizeof(double));
  blo_status status = directions && slopes ? BLO_OK : BLO_NO_MEMORY;
  for (size_t r = 0; r < rows && !status; r++) {
    fill_direction(c, r, directions + r * c->entries);
    status = difference(c, directions + r * c->entries, start, &slopes[r]);
  }
  if (!status) status = tell(c, directions, slopes, rows);
  blo_release(c->context, directions);
  blo_release(c->context, slopes);
  return status;
}

static blo_status differences(Check *c) {
  double **start = blo_allocate_array(c->context, c->x_leaves, sizeof *start);
  blo_status status = start ? BLO_OK : BLO_NO_MEMORY;
  for (size_t i = 0; i < c->x_leaves && !status; i++) {
    size_t count = blo_array_count(&c->leaves[i]);
    start[i] = blo_allocate_array(c->context, count + 1, sizeof(double));
    if (!start[i]) status = BLO_NO_MEMORY;
    for (size_t k = 0; k < count && !status; k++) start[i][k] = blo_array_element(&c->leaves[i], k);
  }
  if (!status) status = compare_directions(c, start);
  for (size_t i = 0; i < c->x_leaves && start; i++) blo_release(c->context, start[i]);
  blo_release(c->context, start);
  return status;
}

static blo_status check(Check *c) {
  const blo_gradient_options *o = c->options;
  blo_status status = BLO_OK;
  for (size_t m = 0; m < c->count && !status; m++) {
    status = blo_runner_open(c->context, c->methods[m].program, o->data, o->dims, o->dim_count,
                             &c->runners[m]);
    if (!status) status = blo_runner_begin(&c->runners[m], o->seed);
  }
  if (!status) status = copy_leaves(c);
  if (!status) status = own_x(c);
  if (!status) status = take_gradients(c);
  return status ? status : differences(c);
}

int blo_check_gradients(const blo_competitor *methods, size_t count,
                        const blo_gradient_options *options) {
  Check c = {.context = options->context, .methods = methods, .options = options, .count = count};
  c.runners = blo_allocate_array(c.context, count, sizeof *c.runners);
  blo_status status = c.runners ? check(&c) : BLO_NO_MEMORY;
  if (status && status != BLO_NOT_CONVERGED) blo_print_error_as(c.context, options->errors);
  for (size_t i = 0; i < c.owned; i++) blo_release(c.context, c.leaves[i].data);
  blo_release(c.context, c.leaves);
  blo_release(c.context, c.gradients);
  blo_release(c.context, c.warned);
  for (size_t m = 0; m < count && c.runners; m++) blo_runner_close(&c.runners[m]);
  blo_release(c.context, c.runners);
  return status ? BLO_EXIT_ERROR : BLO_EXIT_OK;
}
