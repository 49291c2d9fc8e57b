// JSON text to a file. Numbers do not depend on the locale: a decimal comma is turned into a point.
#include "data/json_write.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

void blo_json_string(FILE *file, const char *text) {
  putc('"', file);
  for (; *text; text++) {
    unsigned char c = (unsigned char)*text;
    if (c == '"' || c == '\\') {
      putc('\\', file);
      putc(c, file);
    } else if (c < 0x20) {
      fprintf(file, "\\u%04x", c);
    } else {
      putc(c, file);
    }
  }
  putc('"', file);
}

static void put_number(FILE *file, double value, int digits) {
  char text[40];
  if (!isfinite(value)) {
    fputs("null", file);
    return;
  }
  snprintf(text, sizeof text, "%.*g", digits, value);
  char *comma = strchr(text, ',');
  if (comma) *comma = '.';
  fputs(text, file);
}

static void put_key(blo_json *json, const char *key) {
  if (json->comma) putc(',', json->file);
  json->comma = true;
  blo_json_string(json->file, key);
  putc(':', json->file);
}

void blo_json_begin(blo_json *json, const char *key) {
  if (key) put_key(json, key);
  putc('{', json->file);
  json->comma = false;
}

void blo_json_end(blo_json *json) {
  putc('}', json->file);
  json->comma = true;
}

void blo_json_end_line(blo_json *json) {
  fputs("}\n", json->file);
  fflush(json->file);
  json->comma = false;
}

void blo_json_number(blo_json *json, const char *key, double value) {
  put_key(json, key);
  put_number(json->file, value, 17);
}

void blo_json_integer(blo_json *json, const char *key, int64_t value) {
  put_key(json, key);
  fprintf(json->file, "%" PRId64, value);
}

void blo_json_text(blo_json *json, const char *key, const char *text) {
  put_key(json, key);
  blo_json_string(json->file, text);
}

static void put_axis(FILE *file, const blo_array *array, int axis, size_t *element) {
  if (axis == array->rank) {
    double value = blo_array_element(array, (*element)++);
    if (array->dtype == BLO_BOOL) {
      fputs(value != 0.0 ? "true" : "false", file);
    } else if (array->dtype == BLO_I64) {
      fprintf(file, "%" PRId64, ((const int64_t *)array->data)[*element - 1]);
    } else {
      put_number(file, value, array->dtype == BLO_F64 ? 17 : 9);
    }
    return;
  }
  putc('[', file);
  for (int64_t i = 0; i < array->shape[axis]; i++) {
    if (i) putc(',', file);
    put_axis(file, array, axis + 1, element);
  }
  putc(']', file);
}

void blo_json_array(blo_json *json, const char *key, const blo_array *array) {
  size_t element = 0;
  put_key(json, key);
  put_axis(json->file, array, 0, &element);
}
