// Printing diagnostics: for people (excerpt with carets), short (one line each), as JSON lines.
//
// Enters: the sorted list. Leaves: text on a stream. The excerpt shows every line of the place and
// of the labels once, carets under each, the rightmost label behind its carets and the others
// below.
#include "text/diagnostic_list.h"

#include <string.h>

enum { WINDOW = 120, DEFAULT_LIMIT = 20, MAX_MARKS = 16 };

static const char *severity_word(Severity severity) {
  return severity == SEVERITY_ERROR ? "error" : severity == SEVERITY_WARNING ? "warning" : "note";
}

typedef struct Printer {
  const Diagnostics *diagnostics;
  FILE *stream;
  bool color;
} Printer;

static const char *paint(const Printer *p, const char *code) {
  return p->color ? code : "";
}

static const char *const BLUE = "\033[1;34m", *const BOLD = "\033[1m", *const RESET = "\033[0m";

static const char *severity_color(Severity severity) {
  return severity == SEVERITY_ERROR ? "\033[1;31m" : "\033[1;33m";
}

// A place to mark in an excerpt, in columns of code points on one line.
typedef struct Mark {
  const Source *source;
  uint32_t line, column, width;
  const char *text; // NULL: carets only
  bool primary;
} Mark;

static uint32_t code_points(const char *text, uint32_t start, uint32_t end) {
  uint32_t count = 0;
  for (uint32_t i = start; i < end; i++) count += ((unsigned char)text[i] & 0xc0) != 0x80;
  return count;
}

static uint32_t line_end(const Source *source, uint32_t line) {
  uint32_t end = line < source->line_count ? source->lines[line] - 1 : (uint32_t)source->length;
  uint32_t start = source->lines[line - 1];
  if (end > start && source->text[end - 1] == '\r') end--;
  return end;
}

static Mark make_mark(const Sources *sources, Span span, const char *text, bool primary) {
  const Source *source = source_get(sources, span.source);
  Position position = source_position(source, span.start);
  uint32_t end = line_end(source, position.line);
  if (span.end < end) end = span.end;
  uint32_t width = span.start < end ? code_points(source->text, span.start, end) : 1;
  return (Mark){source, position.line, position.column, width ? width : 1, text, primary};
}

static size_t collect_marks(const Printer *p, const Diagnostic *d, Mark *marks) {
  size_t count = 0;
  const Sources *sources = p->diagnostics->sources;
  if (source_get(sources, d->span.source)) marks[count++] = make_mark(sources, d->span, NULL, true);
  for (size_t i = 0; i < d->labels.count && count < MAX_MARKS; i++) {
    DiagnosticLabel label = d->labels.data[i];
    if (!source_get(sources, label.span.source)) continue;
    bool on_primary = count && label.span.source == d->span.source &&
                      label.span.start == d->span.start && label.span.end == d->span.end;
    if (on_primary && !marks[0].text)
      marks[0].text = label.text;
    else
      marks[count++] = make_mark(sources, label.span, label.text, false);
  }
  return count;
}

// Prints `count` code points of a line from code point `first`; tabs become one blank.
static void print_line_text(const Printer *p, const Source *source, uint32_t line, uint32_t first,
                            uint32_t count) {
  uint32_t at = 0, end = line_end(source, line);
  for (uint32_t i = source->lines[line - 1]; i < end; i++) {
    unsigned char c = (unsigned char)source->text[i];
    if ((c & 0xc0) != 0x80) at++;
    if (at <= first || at > first + count) continue;
    fputc(c < 0x20 || c == 0x7f ? ' ' : c, p->stream);
  }
}

static void print_gutter(const Printer *p, int digits, uint32_t line) {
  fputs(paint(p, BLUE), p->stream);
  if (line)
    fprintf(p->stream, "%*u | ", digits, line);
  else
    fprintf(p->stream, "%*s | ", digits, "");
  fputs(paint(p, RESET), p->stream);
}

// The line of carets; the text of the rightmost mark stands behind it.
static void print_carets(const Printer *p, Severity severity, Mark *const *row, size_t count,
                         uint32_t shift) {
  uint32_t column = 1;
  for (size_t i = 0; i < count; i++) {
    uint32_t start = row[i]->column > shift ? row[i]->column - shift : 1;
    if (start < column && i) continue;
    for (; column < start; column++) fputc(' ', p->stream);
    fputs(paint(p, row[i]->primary ? severity_color(severity) : BLUE), p->stream);
    uint32_t width = row[i]->width < WINDOW ? row[i]->width : WINDOW;
    for (uint32_t k = 0; k < width; k++, column++) fputc('^', p->stream);
    fputs(paint(p, RESET), p->stream);
  }
  const char *last = row[count - 1]->text;
  if (last) fprintf(p->stream, " %s", last);
  fputc('\n', p->stream);
}

static void print_marked_line(const Printer *p, Severity severity, int digits, Mark *const *row,
                              size_t count) {
  uint32_t shift = row[0]->column > WINDOW - 20 ? row[0]->column - (WINDOW - 20) / 2 : 0;
  print_gutter(p, digits, row[0]->line);
  if (shift) fputs("...", p->stream);
  print_line_text(p, row[0]->source, row[0]->line, shift ? shift + 3 : 0, WINDOW);
  fputc('\n', p->stream);
  print_gutter(p, digits, 0);
  print_carets(p, severity, row, count, shift);
  for (size_t i = count - 1; i-- > 0;) {
    if (!row[i]->text) continue;
    print_gutter(p, digits, 0);
    uint32_t column = row[i]->column > shift ? row[i]->column - shift : 1;
    fprintf(p->stream, "%*s%s\n", (int)column - 1, "", row[i]->text);
  }
}

static int number_width(uint32_t number) {
  int width = 1;
  for (; number >= 10; number /= 10) width++;
  return width;
}

// All marks of one source, line by line.
static void print_excerpt(const Printer *p, Severity severity, Mark *marks, size_t count,
                          const Source *source, int digits) {
  for (uint32_t done = 0;;) {
    uint32_t line = UINT32_MAX;
    for (size_t i = 0; i < count; i++)
      if (marks[i].source == source && marks[i].line > done && marks[i].line < line)
        line = marks[i].line;
    if (line == UINT32_MAX) return;
    Mark *row[MAX_MARKS];
    size_t row_count = 0;
    for (size_t i = 0; i < count; i++) {
      if (marks[i].source != source || marks[i].line != line) continue;
      size_t at = row_count++;
      for (; at > 0 && row[at - 1]->column > marks[i].column; at--) row[at] = row[at - 1];
      row[at] = &marks[i];
    }
    if (done && line > done + 1) fprintf(p->stream, "%*s...\n", digits, "");
    print_marked_line(p, severity, digits, row, row_count);
    done = line;
  }
}

static void print_places(const Printer *p, const Diagnostic *d) {
  Mark marks[MAX_MARKS];
  size_t count = collect_marks(p, d, marks);
  int digits = 1;
  for (size_t i = 0; i < count; i++)
    if (number_width(marks[i].line) > digits) digits = number_width(marks[i].line);
  for (size_t i = 0; i < count; i++) {
    bool shown = false;
    for (size_t k = 0; k < i; k++) shown |= marks[k].source == marks[i].source;
    if (shown) continue;
    fprintf(p->stream, "%*s%s%s%s %s:%u:%u\n", digits, "", paint(p, BLUE), i ? ":::" : "-->",
            paint(p, RESET), marks[i].source->path, marks[i].line, marks[i].column);
    fprintf(p->stream, "%*s%s |%s\n", digits, "", paint(p, BLUE), paint(p, RESET));
    print_excerpt(p, d->severity, marks, count, marks[i].source, digits);
  }
  for (size_t i = 0; i < d->notes.count; i++)
    fprintf(p->stream, "%*s %s=%s %s\n", digits, "", paint(p, BLUE), paint(p, RESET),
            d->notes.data[i]);
  for (size_t i = 0; i < d->helps.count; i++)
    fprintf(p->stream, "%*s %s=%s help: %s\n", digits, "", paint(p, BLUE), paint(p, RESET),
            d->helps.data[i]);
}

static void print_human(const Printer *p, const Diagnostic *d) {
  fprintf(p->stream, "%s%s[%s]%s%s: %s%s\n", paint(p, severity_color(d->severity)),
          severity_word(d->severity), error_code_text(d->code), paint(p, RESET), paint(p, BOLD),
          d->message, paint(p, RESET));
  print_places(p, d);
  fputc('\n', p->stream);
}

static void print_short(const Printer *p, const Diagnostic *d) {
  const Source *source = source_get(p->diagnostics->sources, d->span.source);
  if (source) {
    Position position = source_position(source, d->span.start);
    fprintf(p->stream, "%s:%u:%u: ", source->path, position.line, position.column);
  }
  fprintf(p->stream, "%s[%s]: %s\n", severity_word(d->severity), error_code_text(d->code),
          d->message);
}

static void json_string(FILE *stream, const char *text) {
  fputc('"', stream);
  for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
    if (*c == '"' || *c == '\\')
      fprintf(stream, "\\%c", *c);
    else if (*c < 0x20)
      fprintf(stream, "\\u%04x", *c);
    else
      fputc(*c, stream);
  }
  fputc('"', stream);
}

static void json_place(const Printer *p, Span span) {
  const Source *source = source_get(p->diagnostics->sources, span.source);
  if (!source) {
    fputs("\"path\":null", p->stream);
    return;
  }
  Position start = source_position(source, span.start), end = source_position(source, span.end);
  fputs("\"path\":", p->stream);
  json_string(p->stream, source->path);
  fprintf(p->stream,
          ",\"line\":%u,\"column\":%u,\"end_line\":%u,\"end_column\":%u,\"start\":%u,\"end\":%u",
          start.line, start.column, end.line, end.column, span.start, span.end);
}

static void json_texts(const Printer *p, const char *key, const char *const *texts, size_t count) {
  fprintf(p->stream, ",\"%s\":[", key);
  for (size_t i = 0; i < count; i++) {
    if (i) fputc(',', p->stream);
    json_string(p->stream, texts[i]);
  }
  fputc(']', p->stream);
}

static void print_json(const Printer *p, const Diagnostic *d) {
  fprintf(p->stream,
          "{\"severity\":\"%s\",\"code\":\"%s\",\"message\":", severity_word(d->severity),
          error_code_text(d->code));
  json_string(p->stream, d->message);
  fputc(',', p->stream);
  json_place(p, d->span);
  fputs(",\"labels\":[", p->stream);
  for (size_t i = 0; i < d->labels.count; i++) {
    fputs(i ? ",{\"text\":" : "{\"text\":", p->stream);
    json_string(p->stream, d->labels.data[i].text);
    fputc(',', p->stream);
    json_place(p, d->labels.data[i].span);
    fputc('}', p->stream);
  }
  fputc(']', p->stream);
  json_texts(p, "notes", d->notes.data, d->notes.count);
  json_texts(p, "help", d->helps.data, d->helps.count);
  fputs("}\n", p->stream);
}

static void print_counts(const Printer *p, size_t errors, size_t warnings, size_t hidden) {
  const char *separator = "";
  if (errors) {
    fprintf(p->stream, "%zu error%s", errors, errors == 1 ? "" : "s");
    separator = ", ";
  }
  if (warnings)
    fprintf(p->stream, "%s%zu warning%s", separator, warnings, warnings == 1 ? "" : "s");
  if (hidden) fprintf(p->stream, " (%zu not shown)", hidden);
  if (errors || warnings) fputc('\n', p->stream);
}

void diagnostics_print(const Diagnostics *diagnostics, FILE *stream, ErrorFormat format, bool color,
                       size_t limit) {
  Printer printer = {diagnostics, stream, color};
  size_t count = 0, errors = 0, warnings = 0, hidden = 0;
  Diagnostic **list = diagnostics_sorted(diagnostics, &count);
  if (!limit) limit = DEFAULT_LIMIT;
  for (size_t i = 0; i < count; i++) {
    bool is_error = list[i]->severity == SEVERITY_ERROR;
    errors += is_error;
    warnings += list[i]->severity == SEVERITY_WARNING;
    if (is_error && errors > limit) {
      hidden++;
      continue;
    }
    if (format == ERRORS_JSON)
      print_json(&printer, list[i]);
    else if (format == ERRORS_SHORT)
      print_short(&printer, list[i]);
    else
      print_human(&printer, list[i]);
  }
  if (format != ERRORS_JSON) print_counts(&printer, errors, warnings, hidden);
}
