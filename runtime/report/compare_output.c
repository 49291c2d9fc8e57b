// Showing a comparison: medians over seeds as a table, all points as CSV or JSON, curves of the
// medians.
#include "data/json_write.h"
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

const char *const blo_compare_keys[COMPARE_COLUMNS] = {
    [COMPARE_STEP] = "step",           [COMPARE_SECONDS] = "seconds",
    [COMPARE_GRADIENTS] = "gradients", [COMPARE_HVPS] = "hvps",
    [COMPARE_MIXED] = "mixed",         [COMPARE_OBJECTIVE] = "objective",
    [COMPARE_VALUE] = "value",         [COMPARE_HYPERGRADIENT] = "hypergradient",
    [COMPARE_RESIDUAL] = "residual",   [COMPARE_INFEASIBILITY] = "infeasibility"};

static bool takes_part(const CompareRun *run) {
  return run->count && (!run->status || run->status == BLO_STOPPED);
}

// The median over seeds of a column at point `index` (-1: the last one). A run that has ended
// stands where it ended; one that failed takes no part, one that was interrupted does as far as it
// got. NaN: none.
static double median(const Comparison *c, size_t competitor, int64_t index, CompareColumn column) {
  double *values = blo_allocate_array(c->context, c->seeds, sizeof *values);
  size_t count = 0;
  for (size_t s = 0; values && s < c->seeds; s++) {
    const CompareRun *run = &c->runs[competitor * c->seeds + s];
    if (!takes_part(run)) continue;
    bool ended = index < 0 || index >= (int64_t)run->count;
    const double *point = ended ? last_point(run) : run->points + COMPARE_COLUMNS * (size_t)index;
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

// The best value of any run at any point; NaN: none.
static double best(const Comparison *c) {
  double found = nothing;
  for (size_t i = 0; i < c->count * c->seeds; i++)
    for (size_t k = 0; k < c->runs[i].count; k++) {
      double value = c->runs[i].points[COMPARE_COLUMNS * k + (size_t)judged_by(c)];
      bool better = c->maximize ? value > found : value < found;
      if (isfinite(value) && (isnan(found) || better)) found = value;
    }
  return found;
}

// ---- the table

typedef struct TableColumn {
  const char *title, *format;
  int width;
  CompareColumn column;
  bool optional; // left out where no competitor has it
} TableColumn;

static const TableColumn table_columns[] = {
    {"steps", "%.0f", 8, COMPARE_STEP, false},
    {"seconds", "%.4g", 9, COMPARE_SECONDS, false},
    {"gradients", "%.0f", 10, COMPARE_GRADIENTS, false},
    {"hvps", "%.0f", 8, COMPARE_HVPS, false},
    {"mixed", "%.0f", 8, COMPARE_MIXED, false},
    {"F(x, y)", "%.10g", 15, COMPARE_OBJECTIVE, true},
    {"|f_y|", "%.2g", 9, COMPARE_RESIDUAL, true},
    {"infeasible", "%.2g", 10, COMPARE_INFEASIBILITY, true},
    {"value", "%.10g", 15, COMPARE_VALUE, true},
    {"hypergradient", "%.2g", 13, COMPARE_HYPERGRADIENT, true},
};
enum { TABLE_COLUMNS = sizeof table_columns / sizeof *table_columns };
enum { WIDEST_NAME = 56 }; // one that is longer has a line of its own

static bool column_shown(const Comparison *c, const TableColumn *column) {
  bool shown = !column->optional;
  for (size_t i = 0; i < c->count && !shown; i++)
    shown = isfinite(median(c, i, -1, column->column));
  return shown;
}

static void print_cell(double value, const char *format, int width) {
  char text[40] = "-";
  if (isfinite(value)) snprintf(text, sizeof text, format, value);
  printf("  %*s", width, text);
}

// What else there is to say of a competitor's runs, below its row.
static void print_ends(const Comparison *c, size_t competitor) {
  size_t failed = 0, missing = 0;
  const char *message = "";
  if (!c->competitors[competitor].program) {
    printf("  refused: %s\n", c->competitors[competitor].refused);
    return;
  }
  for (size_t s = 0; s < c->seeds; s++) {
    const CompareRun *run = &c->runs[competitor * c->seeds + s];
    if (run->status && run->status != BLO_STOPPED && !failed++) message = run->message;
    missing += run->status == BLO_STOPPED || (!run->status && !run->count);
  }
  if (failed) printf("  %zu of %zu failed: %s\n", failed, c->seeds, message);
  if (missing) printf("  %zu of %zu did not come to the end\n", missing, c->seeds);
}

// The gap belongs to the column by which points are judged, and stands behind it.
static void print_row(const Comparison *c, size_t competitor, const bool *shown, double least) {
  for (int k = 0; k < TABLE_COLUMNS; k++) {
    if (!shown[k]) continue;
    const TableColumn *column = &table_columns[k];
    double value = median(c, competitor, -1, column->column);
    print_cell(value, column->format, column->width);
    if (column->column == judged_by(c)) print_cell(fabs(value - least), "%.2g", 9);
  }
  putchar('\n');
  print_ends(c, competitor);
}

static void print_heading(const Comparison *c, const bool *shown, int width, double least) {
  const blo_compare_options *o = c->options;
  printf("medians over %zu seed%s; best %s %.10g", c->seeds, c->seeds == 1 ? "" : "s",
         o->reference ? "value" : "F(x, y)", least);
  if (o->parts) fputs("; objectives are means over the batches of their tables", stdout);
  if (c->stopped) fputs("; interrupted", stdout);
  if (o->reference) printf("\njudged by %s", o->reference_name);
  printf("\n%-*s", width, "solve");
  for (int k = 0; k < TABLE_COLUMNS; k++) {
    if (!shown[k]) continue;
    printf("  %*s", table_columns[k].width, table_columns[k].title);
    if (table_columns[k].column == judged_by(c)) printf("  %9s", "gap");
  }
  putchar('\n');
}

void blo_compare_print(const Comparison *c) {
  int width = 8;
  bool shown[TABLE_COLUMNS];
  for (size_t i = 0; i < c->count; i++) {
    int length = (int)strlen(c->competitors[i].name);
    if (length > width && length <= WIDEST_NAME) width = length;
  }
  for (int k = 0; k < TABLE_COLUMNS; k++) shown[k] = column_shown(c, &table_columns[k]);
  double least = best(c);
  print_heading(c, shown, width, least);
  for (size_t i = 0; i < c->count; i++) {
    bool wide = strlen(c->competitors[i].name) > WIDEST_NAME;
    printf("%s%-*s", wide ? c->competitors[i].name : "", wide ? width + 1 : width,
           wide ? "\n" : c->competitors[i].name);
    print_row(c, i, shown, least);
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
  fputs("solve,seed", file);
  for (int k = 0; k < COMPARE_COLUMNS; k++) fprintf(file, ",%s", blo_compare_keys[k]);
  putc('\n', file);
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

static void put_numbers(blo_json *json, const double *values) {
  for (int k = 0; k < COMPARE_COLUMNS; k++)
    if (isfinite(values[k])) blo_json_number(json, blo_compare_keys[k], values[k]);
}

static void put_run(const Comparison *c, blo_json *json, size_t i) {
  const CompareRun *run = &c->runs[i];
  const blo_competitor *competitor = &c->competitors[i / c->seeds];
  const char *end = !competitor->program         ? "refused"
                    : !run->status               ? (run->count ? "end" : "not run")
                    : run->status == BLO_STOPPED ? "interrupted"
                                                 : "failed";
  blo_json_begin(json, NULL);
  blo_json_text(json, "solve", competitor->name);
  blo_json_integer(json, "seed", c->options->seed + (int64_t)(i % c->seeds));
  blo_json_text(json, "end", end);
  const char *message = competitor->program ? run->message : competitor->refused;
  if (message[0]) blo_json_text(json, "message", message);
  fputs(", \"points\": [", json->file);
  for (size_t k = 0; k < run->count; k++) {
    if (k) fputs(", ", json->file);
    blo_json_begin(json, NULL);
    put_numbers(json, run->points + COMPARE_COLUMNS * k);
    blo_json_end(json);
  }
  fputs("]", json->file);
  blo_json_end(json);
}

static void put_median(const Comparison *c, blo_json *json, size_t competitor) {
  double values[COMPARE_COLUMNS];
  for (int k = 0; k < COMPARE_COLUMNS; k++) values[k] = median(c, competitor, -1, (CompareColumn)k);
  blo_json_begin(json, NULL);
  blo_json_text(json, "solve", c->competitors[competitor].name);
  put_numbers(json, values);
  blo_json_end(json);
}

blo_status blo_compare_write_json(const Comparison *c, const char *path) {
  FILE *file = fopen(path, "w");
  if (!file) return cannot_write(c, path);
  blo_json json = {file, false};
  blo_json_begin(&json, NULL);
  blo_json_text(&json, "program", c->options->title);
  blo_json_text(&json, "sense", c->maximize ? "maximize" : "minimize");
  blo_json_text(&json, "tables", c->options->parts ? "parts" : "whole");
  if (c->options->reference) blo_json_text(&json, "reference", c->options->reference_name);
  blo_json_number(&json, "best", best(c));
  fputs(",\n\"medians\": [", file);
  for (size_t i = 0; i < c->count; i++) {
    fputs(i ? ",\n" : "\n", file);
    put_median(c, &json, i);
  }
  fputs("],\n\"runs\": [", file);
  for (size_t i = 0; i < c->count * c->seeds; i++) {
    fputs(i ? ",\n" : "\n", file);
    put_run(c, &json, i);
  }
  fputs("]", file);
  blo_json_end(&json);
  putc('\n', file);
  bool good = !ferror(file);
  good = fclose(file) == 0 && good;
  return good ? BLO_OK : cannot_write(c, path);
}

// Medians as curves: gap against seconds, and against oracle calls.
static size_t longest_run(const Comparison *c, size_t competitor) {
  size_t longest = 0;
  for (size_t s = 0; s < c->seeds; s++) {
    const CompareRun *run = &c->runs[competitor * c->seeds + s];
    if (takes_part(run) && run->count > longest) longest = run->count;
  }
  return longest;
}

// The best value is a point of some run, which so has a gap of 0 there: how far it is from the best
// of the problem is known no better than by what that run still moved on its way to it, nor than by
// rounding. Gaps below are drawn at that floor.
static double gap_floor(const Comparison *c, double least) {
  double rounding = fmax(fabs(least) * 0x1p-52, 0x1p-1000);
  size_t judged = (size_t)judged_by(c);
  for (size_t i = 0; i < c->count * c->seeds; i++)
    for (size_t k = 1; k < c->runs[i].count; k++) {
      const double *point = c->runs[i].points + COMPARE_COLUMNS * k;
      double moved = fabs(point[judged] - point[judged - COMPARE_COLUMNS]);
      if (point[judged] == least && isfinite(moved)) return fmax(moved, rounding);
    }
  return rounding;
}

static void median_curve(const Comparison *c, size_t competitor, double least, double floor,
                         double *rows, size_t count) {
  for (size_t k = 0; k < count; k++) {
    int64_t at = (int64_t)k;
    double gap = fabs(median(c, competitor, at, judged_by(c)) - least);
    rows[3 * k] = median(c, competitor, at, COMPARE_SECONDS);
    rows[3 * k + 1] = median(c, competitor, at, COMPARE_GRADIENTS) +
                      median(c, competitor, at, COMPARE_HVPS) +
                      median(c, competitor, at, COMPARE_MIXED);
    rows[3 * k + 2] = isnan(gap) ? nothing : fmax(gap, floor);
  }
}

blo_status blo_compare_write_plot(const Comparison *c, const char *path) {
  double least = best(c), floor = gap_floor(c, least);
  char title[96];
  snprintf(title, sizeof title, "Distance from the best value found, down to %.1e", floor);
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
    median_curve(c, i, least, floor, rows[i], count);
    const char *name = c->competitors[i].name;
    curves[i] = (PlotCurve){name, rows[i], rows[i] + 2, count, 3};
    curves[c->count + i] = (PlotCurve){name, rows[i] + 1, rows[i] + 2, count, 3};
  }
  PlotPanel panels[] = {{title, "seconds", false, curves, c->count},
                        {title, "oracle calls", true, curves + c->count, c->count}};
  if (!status) status = blo_plot_write(c->context, path, c->options->title, panels, 2);
  for (size_t i = 0; i < c->count && rows; i++) blo_release(c->context, rows[i]);
  blo_release(c->context, rows);
  blo_release(c->context, curves);
  return status;
}
