// Collecting diagnostics, the table of codes, and "did you mean".
#include "text/diagnostics.h"

#include "text/diagnostic_list.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const struct {
  const char *text, *title;
  Severity severity;
} code_table[ERROR_CODE_COUNT] = {
    [ERROR_NONE] = {"count", "", SEVERITY_NOTE}, // of notes that only count,
#define ERROR(code, title)   [code] = {#code, title, SEVERITY_ERROR},
#define WARNING(code, title) [code] = {#code, title, SEVERITY_WARNING},
#include "text/errors.def"
#undef ERROR
#undef WARNING
};

const char *error_code_text(ErrorCode code) {
  return code_table[code].text;
}

const char *error_code_title(ErrorCode code) {
  return code_table[code].title;
}

ErrorCode error_code_find(const char *text) {
  for (int code = ERROR_NONE + 1; code < ERROR_CODE_COUNT; code++)
    if (strcmp(code_table[code].text, text) == 0) return (ErrorCode)code;
  return ERROR_NONE;
}

Diagnostics *diagnostics_create(Arena *arena, Sources *sources) {
  Diagnostics *diagnostics = ARENA_NEW(arena, Diagnostics);
  diagnostics->arena = arena;
  diagnostics->sources = sources;
  return diagnostics;
}

Diagnostic *report(Diagnostics *diagnostics, ErrorCode code, Span span, const char *format, ...) {
  Diagnostic *d = ARENA_NEW(diagnostics->arena, Diagnostic);
  va_list arguments;
  va_start(arguments, format);
  d->message = arena_vprintf(diagnostics->arena, format, arguments);
  va_end(arguments);
  d->arena = diagnostics->arena;
  d->code = code;
  d->severity = code_table[code].severity;
  d->span = span;
  d->order = diagnostics->list.count;
  VEC_PUSH(diagnostics->arena, &diagnostics->list, d);
  return d;
}

void diagnostic_label(Diagnostic *d, Span span, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  DiagnosticLabel label = {span, arena_vprintf(d->arena, format, arguments)};
  va_end(arguments);
  VEC_PUSH(d->arena, &d->labels, label);
}

void diagnostic_note(Diagnostic *d, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const char *text = arena_vprintf(d->arena, format, arguments);
  va_end(arguments);
  VEC_PUSH(d->arena, &d->notes, text);
}

void diagnostic_help(Diagnostic *d, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const char *text = arena_vprintf(d->arena, format, arguments);
  va_end(arguments);
  VEC_PUSH(d->arena, &d->helps, text);
}

size_t diagnostics_errors(const Diagnostics *diagnostics) {
  size_t count = 0;
  for (size_t i = 0; i < diagnostics->list.count; i++)
    count += diagnostics->list.data[i]->severity == SEVERITY_ERROR;
  return count;
}

size_t diagnostics_count_code(const Diagnostics *diagnostics, ErrorCode code, Span where) {
  size_t count = 0;
  for (size_t i = 0; i < diagnostics->list.count; i++) {
    const Diagnostic *d = diagnostics->list.data[i];
    bool inside = !where.source || (d->span.source == where.source &&
                                    d->span.start >= where.start && d->span.end <= where.end);
    count += d->code == code && inside;
  }
  return count;
}

size_t diagnostics_mark(const Diagnostics *diagnostics) {
  return diagnostics->list.count;
}

void diagnostics_rewind(Diagnostics *diagnostics, size_t mark) {
  if (mark < diagnostics->list.count) diagnostics->list.count = mark;
}

static int by_place(const void *left, const void *right) {
  const Diagnostic *a = *(Diagnostic *const *)left, *b = *(Diagnostic *const *)right;
  if (a->span.source != b->span.source) return a->span.source < b->span.source ? -1 : 1;
  if (a->span.start != b->span.start) return a->span.start < b->span.start ? -1 : 1;
  return a->order < b->order ? -1 : a->order > b->order;
}

static bool same_mistake(const Diagnostic *a, const Diagnostic *b) {
  if (a->code != b->code || a->span.source != b->span.source) return false;
  if (!a->span.source) return strcmp(a->message, b->message) == 0;
  return a->span.start == b->span.start && a->span.end == b->span.end;
}

Diagnostic **diagnostics_sorted(const Diagnostics *diagnostics, size_t *count) {
  size_t total = diagnostics->list.count, kept = 0;
  Diagnostic **list = ARENA_ARRAY(diagnostics->arena, Diagnostic *, total);
  if (total) memcpy(list, diagnostics->list.data, total * sizeof *list);
  if (total) qsort(list, total, sizeof *list, by_place);
  for (size_t i = 0; i < total; i++) {
    bool repeated = false;
    for (size_t k = kept; k-- > 0 && !repeated;) {
      if (list[k]->span.source != list[i]->span.source) break;
      if (list[k]->span.start != list[i]->span.start) break;
      repeated = same_mistake(list[k], list[i]);
    }
    if (!repeated) list[kept++] = list[i];
  }
  *count = kept;
  return list;
}

// Edits (insert, delete, replace, swap neighbours) that turn `a` into `b`; case counts half by
// being ignored.  Names longer than the table are never slips of each other.
enum { LONGEST_NAME = 63 };

static size_t edit_distance(const char *a, const char *b) {
  size_t rows = strlen(a), columns = strlen(b);
  size_t table[3][LONGEST_NAME + 1];
  if (rows > LONGEST_NAME || columns > LONGEST_NAME) return SIZE_MAX;
  size_t *older = table[0], *old = table[1], *now = table[2];
  for (size_t j = 0; j <= columns; j++) old[j] = j;
  for (size_t i = 1; i <= rows; i++) {
    now[0] = i;
    for (size_t j = 1; j <= columns; j++) {
      int x = tolower((unsigned char)a[i - 1]), y = tolower((unsigned char)b[j - 1]);
      size_t best = old[j - 1] + (x != y);
      if (old[j] + 1 < best) best = old[j] + 1;
      if (now[j - 1] + 1 < best) best = now[j - 1] + 1;
      bool swapped = i > 1 && j > 1 && x == tolower((unsigned char)b[j - 2]) &&
                     y == tolower((unsigned char)a[i - 2]);
      if (swapped && older[j - 2] + 1 < best) best = older[j - 2] + 1;
      now[j] = best;
    }
    size_t *free_row = older;
    older = old, old = now, now = free_row;
  }
  return old[columns];
}

const char *closest_name(const char *name, const char *const *candidates, size_t count) {
  size_t length = strlen(name);
  size_t limit = length < 2 ? 0 : length < 5 ? 1 : length < 9 ? 2 : 3;
  const char *best = NULL;
  size_t best_distance = limit + 1;
  for (size_t i = 0; i < count; i++) {
    if (!candidates[i] || strcmp(candidates[i], name) == 0) continue;
    size_t distance = edit_distance(name, candidates[i]);
    bool tied = best && distance == best_distance; // slips are rare at the first letter
    bool better = tied && candidates[i][0] == name[0] && best[0] != name[0];
    if (distance < best_distance || better) best = candidates[i], best_distance = distance;
  }
  return best;
}
