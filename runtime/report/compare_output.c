// Showing a comparison: medians over seeds as a table, all points as CSV, curves of the medians.
#include "report/compare.h"
#include "report/plot.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double nothing = (double)__builtin_nanf("");

static int order(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static const double *last_point(const CompareRun *run) {
  return run->count ? run->points + COMPARE_COLUMNS * (run->count - 1) : NULL;
}

// The median over seeds of a column at point `index` (-1: the last one); NaN where no run got
// there.
static double median(const Comparison *c, size_t competitor, int64_t index, CompareColumn column) {
  double *values = blo_allocate_array(c->context, c->seeds, sizeof *values);
  size_t count = 0;
  for (size_t s = 0; values && s < c->seeds; s++) {
    const CompareRun *run = &c->runs[competitor * c->seeds + s];
    if (run->status || index >= (int64_t)run->count || !run->count) continue;
    const double *point = index < 0 ? last_point(run) : run->points + COMPARE_COLUMNS * index;
    if (isfinite(point[column])) values[count++] = point[column];
  }
  double result = nothing;
  if (count) {
    qsort(values, count, sizeof *values, order);
    result = 0.5 * (values[(count - 1) / 2] + values[count / 2]);
  }
  blo_release(c->context, values);
  return result;
}

// The column that says how good a point is.
static CompareColumn judged_by(const Comparison *c) {
  return c->options->reference ? COMPARE_VALUE : COMPARE_OBJECTIVE;
}

// The best value of any run at any point.
static double best(const Comparison *c) {
  double found = nothing;
  for (size_t i = 0; i < c->count * c->seeds; i++)
    for (size_t k = 0; k < c->runs[i].count; k++) {
      double value = c->runs[i].points[COMPARE_COLUMNS * k + judged_by(c)];
      bool better = c->maximize ? value > found : value < found;
      if (isfinite(value) && (isnan(found) || better)) found = value;
    }
  return found;
}

// ---- the table

static void print_cell(double value, const char *format, int width) {
  char text[40] = "-";
  if (isfinite(value)) snprintf(text, sizeof text, format, value);
  printf("  %*s", width, text);
}

static size_t failures(const Comparison *c, size_t competitor, const char **message) {
  size_t failed = 0;
  for (size_t s = 0; s < c->seeds; s++) {
    const CompareRun *run = &c->runs[competitor * c->seeds + s];
    if (!run->status) continue;
    if (!failed++) *message = run->message;
  }
  return failed;
}

void blo_compare_print(const Comparison *c) {
  bool reference = c->options->reference != NULL;
  size_t width = 8;
  for (size_t i = 0; i < c->count; i++) {
    size_t length = strlen(c->competitors[i].name);
    if (length > width) width = length;
  }
  double least = best(c);
  printf("medians over %zu seed%s; best value %.10g\n", c->seeds, c->seeds == 1 ? "" : "s", least);
  printf("%-*s  %8s  %9s  %10s  %8s  %8s  %14s  %9s%s\n", (int)width, "solve", "steps", "seconds",
         "gradients", "hvps", "mixed", reference ? "value" : "F(x, y)", "gap",
         reference ? "  hypergradient" : "");
  for (size_t i = 0; i < c->count; i++) {
    double value = median(c, i, -1, judged_by(c));
    printf("%-*s", (int)width, c->competitors[i].name);
    print_cell(median(c, i, -1, COMPARE_STEP), "%.0f", 8);
    print_cell(median(c, i, -1, COMPARE_SECONDS), "%.4g", 9);
    print_cell(median(c, i, -1, COMPARE_GRADIENTS), "%.0f", 10);
    print_cell(median(c, i, -1, COMPARE_HVPS), "%.0f", 8);
    print_cell(median(c, i, -1, COMPARE_MIXED), "%.0f", 8);
    print_cell(value, "%.10g", 14);
    print_cell(fabs(value - least), "%.2g", 9);
    if (reference) print_cell(median(c, i, -1, COMPARE_HYPERGRADIENT), "%.2g", 13);
    const char *message = "";
    size_t failed = failures(c, i, &message);
    if (failed) printf("  %zu of %zu failed: %s", failed, c->seeds, message);
    putchar('\n');
  }
  fflush(stdout);
}

// ---- files

static blo_status cannot_write(const Comparison *c, const char *path) {
  char reason[128];
  if (strerror_r(errno, reason, sizeof reason) != 0) strcpy(reason, "cannot be written");
  return blo_fail(c->context, BLO_BAD_ARGUMENT, "E0902", "%s: %s", path, reason);
}

// A name may be the text of a method: quoted, with quotes doubled.
static void put_quoted(FILE *file, const char *text) {
  putc('"', file);
  for (; *text; text++) {
    if (*text == '"') putc('"', file);
    putc(*text, file);
  }
  putc('"', file);
}

blo_status blo_compare_write_table(const Comparison *c, const char *path) {
  FILE *file = fopen(path, "w");
  if (!file) return cannot_write(c, path);
  fputs("solve,seed,step,seconds,gradients,hvps,mixed,objective,value,hypergradient\n", file);
  for (size_t i = 0; i < c->count * c->seeds; i++)
    for (size_t k = 0; k < c->runs[i].count; k++) {
      put_quoted(file, c->competitors[i / c->seeds].name);
      fprintf(file, ",%lld", (long long)(c->options->seed + (int64_t)(i % c->seeds)));
      for (int column = 0; column < COMPARE_COLUMNS; column++) {
        double value = c->runs[i].points[COMPARE_COLUMNS * k + (size_t)column];
        putc(',', file);
        if (isfinite(value)) fprintf(file, "%.17g", value);
      }
      putc('\n', file);
    }
  bool good = !ferror(file);
  good = fclose(file) == 0 && good;
  return good ? BLO_OK : cannot_write(c, path);
}

// Medians as curves: gap against seconds, and against oracle calls.
static size_t longest_run(const Comparison *c, size_t competitor) {
  size_t longest = 0;
  for (size_t s = 0; s < c->seeds; s++) {
    const CompareRun *run = &c->runs[competitor * c->seeds + s];
    if (!run->status && run->count > longest) longest = run->count;
  }
  return longest;
}

static void median_curve(const Comparison *c, size_t competitor, double least, double *rows,
                         size_t count) {
  for (size_t k = 0; k < count; k++) {
    int64_t at = (int64_t)k;
    double gap = fabs(median(c, competitor, at, judged_by(c)) - least);
    rows[3 * k] = median(c, competitor, at, COMPARE_SECONDS);
    rows[3 * k + 1] = median(c, competitor, at, COMPARE_GRADIENTS) +
                      median(c, competitor, at, COMPARE_HVPS) +
                      median(c, competitor, at, COMPARE_MIXED);
    rows[3 * k + 2] = gap > 0.0 ? gap : nothing; // the best point itself has no place on the axis
  }
}

blo_status blo_compare_write_plot(const Comparison *c, const char *path) {
  double least = best(c);
  PlotCurve *curves = blo_allocate_array(c->context, 2 * c->count, sizeof *curves);
  double **rows = blo_allocate_array(c->context, c->count, sizeof *rows);
  blo_status status = curves && rows ? BLO_OK : BLO_NO_MEMORY;
  for (size_t i = 0; i < c->count && !status; i++) {
    size_t count = longest_run(c, i);
    rows[i] = blo_allocate_array(c->context, 3 * count + 1, sizeof(double));
    if (!rows[i]) {
      status = BLO_NO_MEMORY;
      break;
    }
    median_curve(c, i, least, rows[i], count);
    const char *name = c->competitors[i].name;
    curves[i] = (PlotCurve){name, rows[i], rows[i] + 2, count, 3};
    curves[c->count + i] = (PlotCurve){name, rows[i] + 1, rows[i] + 2, count, 3};
  }
  PlotPanel panels[] = {
      {"Distance from the best value", "seconds", false, curves, c->count},
      {"Distance from the best value", "oracle calls", true, curves + c->count, c->count}};
  if (!status) status = blo_plot_write(c->context, path, c->options->title, panels, 2);
  for (size_t i = 0; i < c->count && rows; i++) blo_release(c->context, rows[i]);
  blo_release(c->context, rows);
  blo_release(c->context, curves);
  return status;
}
