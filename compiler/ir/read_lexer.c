// Reading IR text: the small things (words, numbers, names, types). See read.h.
#include "ir/read.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

bool read_fail(Reader *r, ErrorCode code, const char *start, const char *format, ...) {
  if (r->failed) return false;
  r->failed = true;
  va_list arguments;
  va_start(arguments, format);
  const char *message = arena_vprintf(r->scratch, format, arguments);
  va_end(arguments);
  Span span = {r->source, (uint32_t)(start - r->text), (uint32_t)(r->at - r->text)};
  if (span.end <= span.start) span.end = span.start + (start < r->end);
  report(r->compilation->diagnostics, code, span, "%s", message);
  return false;
}

static bool is_name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
static bool is_name_part(char c) {
  return is_name_start(c) || is_digit(c) || c == '.' || c == '\'';
}

static bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

// A comment starts at a `;` after a blank; the one inside `contract(1; 0)` follows a number.
void read_skip(Reader *r) {
  for (;;) {
    char c = *r->at;
    if (is_blank(c)) {
      r->at++;
    } else if (c == ';' && (r->at == r->text || is_blank(r->at[-1]))) {
      while (*r->at && *r->at != '\n') r->at++;
    } else if (c == '!' && is_digit(r->at[1])) {
      r->at++;
      while (is_digit(*r->at)) r->at++;
    } else {
      return;
    }
  }
}

bool read_accept(Reader *r, const char *text) {
  read_skip(r);
  size_t length = strlen(text);
  if (strncmp(r->at, text, length)) return false;
  if (is_name_start(*text) && is_name_part(r->at[length])) return false;
  r->at += length;
  return true;
}

bool read_expect(Reader *r, const char *text) {
  if (r->failed) return false;
  if (read_accept(r, text)) return true;
  return read_fail(r, E0101, r->at, "expected `%s`", text);
}

bool read_integer(Reader *r, int64_t *value) {
  if (r->failed) return false;
  read_skip(r);
  const char *start = r->at;
  bool negative = *r->at == '-';
  if (negative) r->at++;
  if (!is_digit(*r->at)) return read_fail(r, E0102, start, "expected an integer");
  *value = 0;
  bool overflow = false;
  for (; is_digit(*r->at); r->at++) {
    int digit = *r->at - '0';
    overflow |= __builtin_mul_overflow(*value, 10, value) ||
                __builtin_add_overflow(*value, negative ? -digit : digit, value);
  }
  return !overflow || read_fail(r, E0108, start, "this integer does not fit in 64 bits");
}

bool read_small(Reader *r, int limit, int *value) {
  int64_t wide;
  if (r->failed) return false;
  read_skip(r);
  const char *start = r->at;
  if (!read_integer(r, &wide)) return false;
  if (wide < 0 || wide > limit)
    return read_fail(r, E0305, start, "expected a number from 0 to %d", limit);
  *value = (int)wide;
  return true;
}

bool read_real(Reader *r, double *value) {
  if (r->failed) return false;
  read_skip(r);
  const char *start = r->at;
  bool negative = *r->at == '-';
  if (negative) r->at++;
  if (read_accept(r, "inf") || read_accept(r, "nan")) {
    *value = r->at[-1] == 'f' ? (negative ? -INFINITY : INFINITY) : (double)NAN;
    return true;
  }
  if (!is_digit(*r->at)) return read_fail(r, E0102, start, "expected a number");
  char *stop;
  *value = strtod(start, &stop);
  r->at = stop;
  return true;
}

bool read_string(Reader *r, const char **text) {
  if (!read_expect(r, "\"")) return false;
  const char *start = r->at;
  TextBuffer out = text_buffer(r->scratch);
  for (; *r->at != '"'; r->at++) {
    char c = *r->at;
    if (!c || c == '\n') return read_fail(r, E0103, start, "this text has no end");
    if (c == '\\') {
      c = *++r->at;
      if (c == 'x') {
        char digits[3] = {r->at[1], r->at[1] ? r->at[2] : 0, 0};
        char *stop;
        long code = strtol(digits, &stop, 16);
        if (stop != digits + 2 || code <= 0 || digits[0] == '-' || digits[0] == '+')
          return read_fail(r, E0105, r->at, "`\\x` needs two hexadecimal digits");
        c = (char)code;
        r->at += 2;
      } else if (c != '"' && c != '\\') {
        return read_fail(r, E0105, r->at, "unknown escape in a text");
      }
    }
    text_add_range(&out, &c, 1);
  }
  r->at++;
  *text = text_string(&out);
  return true;
}

Name read_name(Reader *r, const char *what) {
  if (r->failed) return NULL;
  read_skip(r);
  const char *start = r->at;
  if (*r->at == '"') {
    const char *text;
    return read_string(r, &text) ? intern(r->module->names, text) : NULL;
  }
  if (!is_name_start(*r->at)) {
    read_fail(r, E0101, start, "expected %s", what);
    return NULL;
  }
  while (is_name_part(*r->at)) r->at++;
  return intern_range(r->module->names, start, (size_t)(r->at - start));
}

Name read_label(Reader *r) {
  if (!read_expect(r, "%")) return NULL;
  const char *start = r->at;
  if (is_digit(*r->at)) {
    while (is_digit(*r->at)) r->at++;
  } else if (is_name_start(*r->at)) {
    while (is_name_part(*r->at)) r->at++;
  } else {
    read_fail(r, E0101, start, "expected the name or number of a value");
    return NULL;
  }
  return intern_range(r->module->names, start, (size_t)(r->at - start));
}

Value *read_operand(Reader *r, const Block *block) {
  read_skip(r);
  const char *start = r->at;
  Name name = read_label(r);
  if (!name) return NULL;
  Value *value = map_get(r->values, name);
  if (value && block_encloses(value->block, block)) return value;
  read_fail(r, E0201, start,
            value ? "%%%s is made inside a region that has ended"
                  : "no value %%%s is made before this line",
            name);
  return NULL;
}

bool read_dim(Reader *r, const Dim **dim) {
  if (r->failed) return false;
  read_skip(r);
  const char *start = r->at;
  *dim = dim_parse(r->module->dims, &r->at);
  if (!*dim) return read_fail(r, E0306, start, "this is no dim");
  NameList used = {0};
  dim_names(r->scratch, *dim, &used);
  for (size_t i = 0; i < used.count; i++) {
    size_t k = 0;
    while (k < r->dims.count && r->dims.data[k] != used.data[i]) k++;
    if (k == r->dims.count)
      return read_fail(r, E0201, start, "dim %s is not declared in `dims(..)`", used.data[i]);
  }
  return true;
}

bool read_type(Reader *r, const Type **type) {
  if (r->failed) return false;
  read_skip(r);
  const char *start = r->at;
  int dtype = 0, rank = 0;
  while (dtype < DT_COUNT && !read_accept(r, dtype_text((Dtype)dtype))) dtype++;
  if (dtype == DT_COUNT) return read_fail(r, E0101, start, "expected a type");
  const Dim *shape[MAX_RANK];
  if (*r->at == '[') {
    r->at++;
    do {
      if (rank == MAX_RANK) return read_fail(r, E0303, start, "more than %d axes", MAX_RANK);
      if (!read_dim(r, &shape[rank++])) return false;
    } while (read_accept(r, ","));
    if (!read_expect(r, "]")) return false;
  }
  *type = type_get(r->module, (Dtype)dtype, rank, shape);
  return true;
}
