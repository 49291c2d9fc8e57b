// SVG by hand: for each panel a frame, ticks at round numbers, one polyline a curve, a legend.
#include "report/plot.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PLOT = 512, LEFT = 78, TOP = 40, BOTTOM = 46, HEADER = 34, LEAST_PANEL = 300 };
enum { LEGEND_LINE = 17, LEGEND_LEAST = 170, LEGEND_MOST = 420, LETTER = 7 };

// Curves take a colour each; after the last colour they begin anew with another dash.
static const char *const colours[] = {"#1f5fa8", "#c8471b", "#2e8540", "#7b3fa0",
                                      "#b8860b", "#00808a", "#a8324a", "#5a5a5a"};
static const char *const dashes[] = {NULL, "7 3", "2 3", "9 3 2 3", "14 4"};
#define COUNT(array) (sizeof(array) / sizeof *(array))

typedef struct Axis {
  double low, high; // of the data, in the axis's own scale (log10 where logarithmic)
  bool logarithmic;
} Axis;

typedef struct Frame {
  double left, right, top, bottom;
  Axis x, y;
} Frame;

static double to_scale(const Axis *axis, double value) {
  return axis->logarithmic ? log10(value) : value;
}

static double place(double at, double low, double high, double from, double to) {
  return from + (at - low) / (high - low) * (to - from);
}

static void put_escaped(FILE *file, const char *text) {
  for (; *text; text++) {
    switch (*text) {
    case '<':
      fputs("&lt;", file);
      break;
    case '>':
      fputs("&gt;", file);
      break;
    case '&':
      fputs("&amp;", file);
      break;
    case '"':
      fputs("&quot;", file);
      break;
    default:
      if ((unsigned char)*text >= 0x20) putc(*text, file);
    }
  }
}

// Coordinates with one decimal and a point, whatever the locale.
static void put_coordinate(FILE *file, double value) {
  long tenths = lround(value * 10.0);
  fprintf(file, "%s%ld.%ld", tenths < 0 ? "-" : "", labs(tenths) / 10, labs(tenths) % 10);
}

// How a stroke looks: closed by the caller.
static void put_stroke(FILE *file, const char *colour, const char *dash) {
  fprintf(file, " stroke=\"%s\"", colour);
  if (dash) fprintf(file, " stroke-dasharray=\"%s\"", dash);
}

static void put_dashed(FILE *file, double x1, double y1, double x2, double y2, const char *colour,
                       const char *dash) {
  fputs("<path d=\"M", file);
  put_coordinate(file, x1);
  putc(' ', file);
  put_coordinate(file, y1);
  putc('L', file);
  put_coordinate(file, x2);
  putc(' ', file);
  put_coordinate(file, y2);
  fputs("\" fill=\"none\"", file);
  put_stroke(file, colour, dash);
  fputs("/>\n", file);
}

static void put_line(FILE *file, double x1, double y1, double x2, double y2, const char *colour) {
  put_dashed(file, x1, y1, x2, y2, colour, NULL);
}

static void put_text(FILE *file, double x, double y, const char *anchor, const char *text) {
  fputs("<text x=\"", file);
  put_coordinate(file, x);
  fputs("\" y=\"", file);
  put_coordinate(file, y);
  fprintf(file, "\" text-anchor=\"%s\">", anchor);
  put_escaped(file, text);
  fputs("</text>\n", file);
}

size_t blo_plot_history(const History *history, const char *const *names, PlotCurve *curves) {
  size_t count = 0;
  for (size_t c = 0; c < history->columns; c++) {
    if (!names[c] || !names[c][0]) continue;
    curves[count++] = (PlotCurve){.name = names[c],
                                  .x = history->values,
                                  .y = history->values + c + 1,
                                  .count = history->count,
                                  .stride = history->columns + 1};
  }
  return count;
}

// Where curves end at lengths that differ by more than a decade, short ones need a logarithmic axis
// to be seen. It begins at the first point after the start.
static Axis measure_x(const PlotPanel *panel) {
  double first = INFINITY, shortest = INFINITY, last = 0.0;
  for (size_t c = 0; c < panel->curve_count; c++) {
    const PlotCurve *curve = &panel->curves[c];
    double end = 0.0;
    for (size_t i = 0; i < curve->count; i++) {
      double x = curve->x[i * curve->stride];
      if (x > 0.0) first = fmin(first, x);
      end = fmax(end, x);
    }
    if (end > 0.0) shortest = fmin(shortest, end);
    last = fmax(last, end);
  }
  if (last > 10.0 * shortest && last > first) return (Axis){log10(first), log10(last), true};
  return (Axis){0.0, last > 0.0 ? last : 1.0, false};
}

static void measure(const PlotPanel *panel, Frame *frame) {
  double low = INFINITY, high = -INFINITY;
  for (size_t c = 0; c < panel->curve_count; c++) {
    const PlotCurve *curve = &panel->curves[c];
    for (size_t i = 0; i < curve->count; i++) {
      double y = curve->y[i * curve->stride];
      if (!isfinite(y)) continue;
      low = fmin(low, y);
      high = fmax(high, y);
    }
  }
  if (low > high) low = high = 0.0;
  frame->y.logarithmic = low > 0.0 && high / low > 50.0;
  frame->y.low = to_scale(&frame->y, low);
  frame->y.high = to_scale(&frame->y, high);
  double margin = (frame->y.high - frame->y.low) * 0.05;
  if (!(margin > fmax(fabs(frame->y.low), fabs(frame->y.high)) * 1e-12))
    margin = fmax(fabs(frame->y.low) * 0.1, 0.1);
  frame->y.low -= margin;
  frame->y.high += margin;
  frame->x = measure_x(panel);
}

// 1, 2 or 5 times a power of ten, so that about `count` of them fit.
static double tick_distance(double span, int count) {
  double raw = span / count, power = pow(10.0, floor(log10(raw)));
  double digit = raw / power;
  return power * (digit <= 1.0 ? 1.0 : digit <= 2.0 ? 2.0 : digit <= 5.0 ? 5.0 : 10.0);
}

// With a point, whatever the locale.
static void print_tick(char *text, size_t bytes, double value) {
  snprintf(text, bytes, "%.6g", value);
  char *comma = strchr(text, ',');
  if (comma) *comma = '.';
}

typedef void PutTick(FILE *file, const Frame *frame, double at, double value);

static void put_y_tick(FILE *file, const Frame *frame, double at, double value) {
  char text[40];
  if (at < frame->y.low || at > frame->y.high) return;
  double y = place(at, frame->y.low, frame->y.high, frame->bottom, frame->top);
  put_line(file, frame->left, y, frame->right, y, "#e4e4e4");
  print_tick(text, sizeof text, value);
  put_text(file, frame->left - 8, y + 4, "end", text);
}

static void put_x_tick(FILE *file, const Frame *frame, double at, double value) {
  char text[40];
  if (at < frame->x.low || at > frame->x.high) return;
  double x = place(at, frame->x.low, frame->x.high, frame->left, frame->right);
  put_line(file, x, frame->bottom, x, frame->bottom + 5, "#888");
  print_tick(text, sizeof text, value);
  put_text(file, x, frame->bottom + 20, "middle", text);
}

// Values 1, 2, 5 of each decade; only the decades where there are many.
static void put_logarithmic_ticks(FILE *file, const Frame *frame, const Axis *axis, PutTick *put) {
  double span = axis->high - axis->low;
  double decades = fmax(1.0, ceil(span / 8.0));
  for (double at = ceil(axis->low) - decades; at <= axis->high; at += decades) {
    double value = pow(10.0, at);
    put(file, frame, at, value);
    if (span > 3.0) continue;
    put(file, frame, at + log10(2.0), 2.0 * value);
    put(file, frame, at + log10(5.0), 5.0 * value);
  }
}

static void put_even_ticks(FILE *file, const Frame *frame, const Axis *axis, double distance,
                           PutTick *put) {
  for (double n = ceil(axis->low / distance); n * distance <= axis->high; n++)
    put(file, frame, n * distance, n == 0.0 ? 0.0 : n * distance);
}

static void put_ticks(FILE *file, const Frame *frame, const Axis *axis, double distance,
                      PutTick *put) {
  if (axis->logarithmic)
    put_logarithmic_ticks(file, frame, axis, put);
  else
    put_even_ticks(file, frame, axis, distance, put);
}

static void put_axes(FILE *file, const Frame *frame, const PlotPanel *panel) {
  double distance = tick_distance(frame->y.high - frame->y.low, 7);
  put_ticks(file, frame, &frame->y, distance, put_y_tick);
  distance = fmax(panel->x_whole ? 1.0 : 0.0, tick_distance(frame->x.high - frame->x.low, 6));
  put_ticks(file, frame, &frame->x, distance, put_x_tick);
  put_line(file, frame->left, frame->bottom, frame->right, frame->bottom, "#888");
  put_line(file, frame->left, frame->top, frame->left, frame->bottom, "#888");
  put_text(file, (frame->left + frame->right) / 2, frame->bottom + 38, "middle", panel->x_label);
}

static void put_curve(FILE *file, const Frame *frame, const PlotCurve *curve, const char *colour,
                      const char *dash) {
  bool open = false, any = false;
  fputs("<path fill=\"none\" stroke-width=\"1.6\"", file);
  put_stroke(file, colour, dash);
  fputs(" d=\"", file);
  for (size_t i = 0; i < curve->count; i++) {
    double x = curve->x[i * curve->stride], y = curve->y[i * curve->stride];
    if (frame->x.logarithmic && x <= 0.0) continue; // the start
    if (!isfinite(y)) {
      open = false; // a gap
      continue;
    }
    putc(open ? 'L' : 'M', file);
    put_coordinate(file, place(to_scale(&frame->x, x), frame->x.low, frame->x.high, frame->left,
                               frame->right));
    putc(' ', file);
    put_coordinate(file, place(to_scale(&frame->y, y), frame->y.low, frame->y.high, frame->bottom,
                               frame->top));
    open = any = true;
  }
  fputs(any ? "\"/>\n" : "M0 0\"/>\n", file);
}

// ---- panels

// High enough for a line of the legend for each curve.
static int panel_height(const PlotPanel *panel) {
  int legend = TOP + BOTTOM + LEGEND_LINE * (int)panel->curve_count;
  return legend > LEAST_PANEL ? legend : LEAST_PANEL;
}

// Wide enough for the longest name, up to a bound.
static int legend_width(const PlotPanel *panels, size_t panel_count) {
  int width = LEGEND_LEAST;
  for (size_t p = 0; p < panel_count; p++)
    for (size_t c = 0; c < panels[p].curve_count; c++) {
      size_t length = strlen(panels[p].curves[c].name);
      if (length * LETTER + 50 > LEGEND_MOST) return LEGEND_MOST;
      if ((int)length * LETTER + 50 > width) width = (int)length * LETTER + 50;
    }
  return width;
}

static void put_panel(FILE *file, const PlotPanel *panel, double top) {
  Frame frame = {.left = LEFT,
                 .right = LEFT + PLOT,
                 .top = top + TOP,
                 .bottom = top + panel_height(panel) - BOTTOM};
  measure(panel, &frame);
  fputs("<g font-weight=\"bold\">", file);
  put_text(file, frame.left, frame.top - 12, "start", panel->title);
  fputs("</g>\n", file);
  put_axes(file, &frame, panel);
  for (size_t c = 0; c < panel->curve_count; c++) {
    const char *colour = colours[c % COUNT(colours)];
    const char *dash = dashes[c / COUNT(colours) % COUNT(dashes)];
    double y = frame.top + 10.0 + LEGEND_LINE * (double)c;
    put_curve(file, &frame, &panel->curves[c], colour, dash);
    fputs("<g stroke-width=\"2.5\">", file);
    put_dashed(file, frame.right + 12, y - 4, frame.right + 36, y - 4, colour, dash);
    fputs("</g>", file);
    put_text(file, frame.right + 42, y, "start", panel->curves[c].name);
  }
}

blo_status blo_plot_write(blo_context *context, const char *path, const char *title,
                          const PlotPanel *panels, size_t panel_count) {
  FILE *file = fopen(path, "w");
  bool good = file != NULL;
  if (file) {
    int width = LEFT + PLOT + legend_width(panels, panel_count), height = HEADER, top = HEADER;
    for (size_t i = 0; i < panel_count; i++) height += panel_height(&panels[i]);
    fprintf(file,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d "
            "%d\" font-family=\"sans-serif\" font-size=\"12\" fill=\"#222\">\n"
            "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
            width, height, width, height);
    fputs("<g font-size=\"16\">", file);
    put_text(file, LEFT, 26, "start", title);
    fputs("</g>\n", file);
    for (size_t i = 0; i < panel_count; i++) {
      put_panel(file, &panels[i], top);
      top += panel_height(&panels[i]);
    }
    fputs("</svg>\n", file);
    good = !ferror(file);
    good = fclose(file) == 0 && good;
  }
  if (good) return BLO_OK;
  char reason[128];
  if (strerror_r(errno, reason, sizeof reason) != 0) strcpy(reason, "cannot be written");
  return blo_fail(context, BLO_BAD_ARGUMENT, "E0902", "%s: %s", path, reason);
}
