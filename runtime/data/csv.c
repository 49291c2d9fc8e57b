// Reading CSV (RFC 4180: quoted cells, doubled quotes, CRLF or LF; a byte order mark and blank
// lines are skipped). Numbers are read in the C locale, whatever locale the embedding program has
// set.
#define _GNU_SOURCE
#include "data/csv.h"
#include "data/element.h"
#include <locale.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_NUMBER = 80 };
static const size_t NOWHERE = SIZE_MAX;

typedef struct Scanner {
  const char *text;
  size_t at, length, line;
  char separator;
} Scanner;

typedef struct Cell {
  const char *start; // without the quotes
  size_t length;
  bool quoted, last; // last: ends its row
} Cell;

// Skips the end of a line if there is one here.
static bool skip_newline(Scanner *s) {
  size_t at = s->at;
  if (at < s->length && s->text[at] == '\r') at++;
  if (at < s->length && s->text[at] == '\n') {
    s->at = at + 1;
    s->line++;
    return true;
  }
  return false;
}

static void skip_blank_lines(Scanner *s) {
  while (skip_newline(s)) {
  }
}

// Reads the cell at the scanner; false when a quote is never closed or followed by text.
static bool next_cell(Scanner *s, Cell *cell) {
  while (s->at < s->length && s->text[s->at] == ' ') s->at++;
  cell->quoted = s->at < s->length && s->text[s->at] == '"';
  if (cell->quoted) {
    cell->start = s->text + ++s->at;
    while (s->at < s->length &&
           (s->text[s->at] != '"' || (s->at + 1 < s->length && s->text[s->at + 1] == '"'))) {
      if (s->text[s->at] == '\n') s->line++;
      s->at += s->text[s->at] == '"' ? 2 : 1;
    }
    if (s->at >= s->length) return false;
    cell->length = (size_t)(s->text + s->at++ - cell->start);
    while (s->at < s->length && s->text[s->at] == ' ') s->at++;
  } else {
    cell->start = s->text + s->at;
    while (s->at < s->length && s->text[s->at] != s->separator && s->text[s->at] != '\n') s->at++;
    cell->length = (size_t)(s->text + s->at - cell->start);
    while (cell->length && strchr(" \r", cell->start[cell->length - 1])) cell->length--;
  }
  if (s->at < s->length && s->text[s->at] == s->separator) {
    s->at++;
    cell->last = false;
    return true;
  }
  cell->last = true;
  return skip_newline(s) || s->at == s->length;
}

static char *copy_name(blo_context *context, const Cell *cell) {
  char *name = blo_copy_text(context, cell->start, cell->length);
  if (!name || !cell->quoted) return name;
  size_t kept = 0;
  for (size_t i = 0; i < cell->length; i++) {
    name[kept++] = cell->start[i];
    if (cell->start[i] == '"') i++;
  }
  name[kept] = '\0';
  return name;
}

static blo_status bad_quotes(blo_context *context, const CsvTable *table, size_t line) {
  return blo_fail(context, BLO_BAD_DATA, "E0604",
                  "%s:%zu: a quoted cell does not end where it should", table->label, line);
}

static bool looks_like_number(const char *text) {
  size_t length = strlen(text);
  return strcspn(text, "0123456789") < length && strspn(text, "+-.0123456789eE") == length &&
         !strchr("eE", text[0]);
}

static blo_status read_header(blo_context *context, CsvTable *table, Scanner *s) {
  Scanner counting = *s;
  Cell cell = {0};
  size_t count = 0;
  do {
    if (!next_cell(&counting, &cell)) return bad_quotes(context, table, counting.line);
    count++;
  } while (!cell.last);
  table->names = blo_allocate_array(context, count, sizeof *table->names);
  if (!table->names) return BLO_NO_MEMORY;
  bool has_name = false;
  for (size_t i = 0; i < count; i++) {
    next_cell(s, &cell);
    table->names[i] = copy_name(context, &cell);
    if (!table->names[i]) return BLO_NO_MEMORY;
    table->column_count = i + 1;
    has_name |= !looks_like_number(table->names[i]);
  }
  if (count == 1 && !cell.quoted && strpbrk(table->names[0], ";|")) {
    blo_fail(context, BLO_BAD_DATA, "E0604", "%s:1: the columns are not separated by commas: `%s`",
             table->label, table->names[0]);
    blo_fail_help(context, "write the table anew with commas (or tabs) between the columns and "
                           "points in its numbers");
    return BLO_BAD_DATA;
  }
  if (has_name) return BLO_OK;
  blo_fail(context, BLO_BAD_DATA, "E0604", "%s:1: the first row should name the columns",
           table->label);
  blo_fail_help(context, "put a row such as `x,y` in front of the numbers");
  return BLO_BAD_DATA;
}

static blo_status count_rows(blo_context *context, CsvTable *table, Scanner *s) {
  skip_blank_lines(s);
  while (s->at < s->length) {
    size_t line = s->line, cells = 0;
    Cell cell;
    do {
      if (!next_cell(s, &cell)) return bad_quotes(context, table, line);
      cells++;
    } while (!cell.last);
    if (cells != table->column_count) {
      return blo_fail(context, BLO_BAD_DATA, "E0604",
                      "%s:%zu: the row has %zu cells, but the header names %zu columns",
                      table->label, line, cells, table->column_count);
    }
    table->row_count++;
    skip_blank_lines(s);
  }
  return BLO_OK;
}

blo_status blo_csv_open(blo_context *context, const char *label, const char *text, size_t length,
                        CsvTable *table) {
  *table = (CsvTable){.text = text, .length = length, .separator = ','};
  table->label = blo_copy_text(context, label, strlen(label));
  if (!table->label) return BLO_NO_MEMORY;
  Scanner s = {text, 0, length, 1, ','};
  if (length >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) s.at = 3;
  skip_blank_lines(&s);
  blo_status status = BLO_OK;
  if (s.at == length) {
    status = blo_fail(context, BLO_BAD_DATA, "E0604", "%s is empty", label);
  }
  const char *header_end = memchr(text + s.at, '\n', length - s.at);
  size_t header = header_end ? (size_t)(header_end - text) - s.at : length - s.at;
  if (!status && memchr(text + s.at, '\t', header) && !memchr(text + s.at, ',', header)) {
    table->separator = s.separator = '\t';
  }
  table->header_line = s.line;
  if (!status) status = read_header(context, table, &s);
  table->body = s.at;
  table->body_line = s.line;
  if (!status) status = count_rows(context, table, &s);
  if (status) blo_csv_close(context, table);
  return status;
}

void blo_csv_close(blo_context *context, CsvTable *table) {
  for (size_t i = 0; i < table->column_count; i++) blo_release(context, table->names[i]);
  blo_release(context, table->names);
  blo_release(context, table->label);
  *table = (CsvTable){0};
}

typedef enum CellResult { CELL_OK, CELL_NO_NUMBER, CELL_LOSSY } CellResult;

static bool is_word(const char *text, const char *lower) {
  for (; *lower; text++, lower++) {
    if ((*text | 32) != *lower) return false;
  }
  return *text == '\0';
}

static CellResult read_cell(const Cell *cell, locale_t locale, int32_t dtype, void *to) {
  char text[LONGEST_NUMBER];
  if (cell->length == 0 || cell->length >= sizeof text) return CELL_NO_NUMBER;
  memcpy(text, cell->start, cell->length);
  text[cell->length] = '\0';
  bool truth = is_word(text, "true");
  if (truth || is_word(text, "false")) {
    if (dtype != BLO_BOOL) return CELL_LOSSY;
    *(uint8_t *)to = truth;
    return CELL_OK;
  }
  bool plain = strspn(text, "+-0123456789") == cell->length;
  bool number = plain || strspn(text, "+-.0123456789eE") == cell->length || is_word(text, "nan") ||
                is_word(text, "inf") || is_word(text, "-inf");
  char *end = text;
  if (plain && cell->length < 19) {
    int64_t value = strtoll_l(text, &end, 10, locale);
    if (end == text || *end) return CELL_NO_NUMBER;
    if (dtype != BLO_F16 && dtype != BLO_BF16 && dtype != BLO_F32 && dtype != BLO_F64)
      return blo_store_integer(value, to, dtype) == CONVERT_OK ? CELL_OK : CELL_LOSSY;
  }
  double value = number ? strtod_l(text, &end, locale) : 0.0;
  if (!number || end == text || *end) return CELL_NO_NUMBER;
  return blo_store_double(value, to, dtype) == CONVERT_OK ? CELL_OK : CELL_LOSSY;
}

static blo_status bad_cell(blo_context *context, const CsvTable *table, const Cell *cell,
                           CellResult result, size_t line, size_t column, int32_t dtype) {
  int shown = cell->length > 40 ? 40 : (int)cell->length;
  if (result == CELL_LOSSY) {
    return blo_fail(context, BLO_BAD_DATA, "E0603", "%s:%zu: `%.*s` in column `%s` does not fit %s",
                    table->label, line, shown, cell->start, table->names[column],
                    blo_dtype_name(dtype));
  }
  return blo_fail(context, BLO_BAD_DATA, "E0604", "%s:%zu: %s%.*s%s in column `%s` is not a number",
                  table->label, line, shown ? "`" : "an empty cell", shown, cell->start,
                  shown ? "`" : "", table->names[column]);
}

// places: where in its row a column of the table goes, or NOWHERE.
static blo_status read_rows(blo_context *context, const CsvTable *table, const size_t *places,
                            size_t count, int32_t dtype, char *to, locale_t locale) {
  Scanner s = {table->text, table->body, table->length, table->body_line, table->separator};
  size_t bytes = blo_dtype_bytes(dtype);
  for (size_t row = 0; row < table->row_count; row++, to += count * bytes) {
    skip_blank_lines(&s);
    size_t line = s.line;
    for (size_t column = 0; column < table->column_count; column++) {
      Cell cell;
      next_cell(&s, &cell);
      if (places[column] == NOWHERE) continue;
      CellResult result = read_cell(&cell, locale, dtype, to + places[column] * bytes);
      if (result != CELL_OK) return bad_cell(context, table, &cell, result, line, column, dtype);
    }
  }
  return BLO_OK;
}

blo_status blo_csv_read(blo_context *context, const CsvTable *table, const size_t *columns,
                        size_t count, int32_t dtype, void *to) {
  size_t *places = blo_allocate_array(context, table->column_count, sizeof *places);
  if (!places) return BLO_NO_MEMORY;
  for (size_t i = 0; i < table->column_count; i++) places[i] = NOWHERE;
  for (size_t i = 0; i < count; i++) places[columns[i]] = i;
  locale_t locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
  blo_status status = locale ? read_rows(context, table, places, count, dtype, to, locale)
                             : blo_fail(context, BLO_NO_MEMORY, "", "no memory for a locale");
  if (locale) freelocale(locale);
  blo_release(context, places);
  return status;
}
