// Writing JSON, one object a line: logs of runs. Floats are written so that they read back as they
// were; JSON has no NaN or infinity, so those become null.
#ifndef BLO_DATA_JSON_WRITE_H
#define BLO_DATA_JSON_WRITE_H

#include "core/context.h"
#include <stdio.h>

typedef struct blo_json {
  FILE *file;
  bool comma; // the next item needs one in front
} blo_json;

void blo_json_begin(blo_json *json, const char *key); // an object; key NULL: a line of its own
void blo_json_end(blo_json *json);
void blo_json_end_line(blo_json *json); // ends the object and flushes the line
void blo_json_number(blo_json *json, const char *key, double value);
void blo_json_integer(blo_json *json, const char *key, int64_t value);
void blo_json_text(blo_json *json, const char *key, const char *text);
/// A string in quotes, for lists.
void blo_json_string(FILE *file, const char *text);
/// A scalar as a number, a tensor as nested lists.
void blo_json_array(blo_json *json, const char *key, const blo_array *array);

#endif
