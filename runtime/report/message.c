// Errors and warnings of a run on standard error. See message.h.
#include "report/message.h"
#include "data/json_write.h"
#include <stdio.h>
#include <stdlib.h>

// Takes "ridge.blo:6:3" apart.
static void print_place(blo_json *json, const char *place) {
  char path[1024];
  long long line = 0, column = 0;
  size_t colons[2] = {0, 0};
  for (size_t i = 0; place[i]; i++) {
    if (place[i] != ':') continue;
    colons[0] = colons[1];
    colons[1] = i;
  }
  if (!colons[0]) {
    fputs(",\"path\":null", stderr);
    return;
  }
  line = strtoll(place + colons[0] + 1, NULL, 10);
  column = strtoll(place + colons[1] + 1, NULL, 10);
  snprintf(path, sizeof path, "%.*s", (int)colons[0], place);
  blo_json_text(json, "path", path);
  blo_json_integer(json, "line", line);
  blo_json_integer(json, "column", column);
}

static void print_json(const char *severity, const char *code, const char *text, const char *place,
                       const char *help) {
  blo_json json = {stderr, false};
  blo_json_begin(&json, NULL);
  blo_json_text(&json, "severity", severity);
  blo_json_text(&json, "code", code);
  blo_json_text(&json, "message", text);
  print_place(&json, place);
  fputs(",\"labels\":[],\"notes\":[],\"help\":[", stderr);
  if (help[0]) blo_json_string(stderr, help);
  fputc(']', stderr);
  blo_json_end_line(&json);
}

void blo_print_message(int32_t errors, const char *severity, const char *code, const char *text,
                       const char *place, const char *help) {
  const char *open = code[0] ? "[" : "", *close = code[0] ? "]" : "";
  switch (errors) {
  case BLO_ERRORS_JSON:
    print_json(severity, code, text, place, help);
    return;
  case BLO_ERRORS_SHORT:
    fprintf(stderr, "%s%s%s%s%s%s: %s\n", place, place[0] ? ": " : "", severity, open, code, close,
            text);
    return;
  default:
    fprintf(stderr, "%s%s%s%s: %s\n", severity, open, code, close, text);
    if (place[0]) fprintf(stderr, "  --> %s\n", place);
    if (help[0]) fprintf(stderr, "   = help: %s\n", help);
  }
}

void blo_print_error_as(const blo_context *context, int32_t errors) {
  const blo_error *error = blo_last_error(context);
  blo_print_message(errors, "error", error->code, error->text, "", error->help);
}
