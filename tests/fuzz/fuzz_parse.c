// Any bytes through lexer, parser and name check: diagnostics, never a crash.
#include "driver.h"

#include "check/check.h"
#include "parse/parse.h"

const char *const fuzz_words[] = {
    "{",     "}",     "(",     ")",        ";",       "for",          "let ",
    "if ",   "then ", "loop ", "fn u -> ", "upper {", "lower {",      "solve {",
    "1e999", "\"",    "/*",    "///",      "..",      "method m() {", NULL};

static const char *no_module(void *self, const char *name, const char **path, size_t *length,
                             bool *library) {
  (void)self, (void)name, (void)path, (void)length, (void)library;
  return NULL;
}

void fuzz_one(const uint8_t *data, size_t size) {
  Compilation *compilation = compilation_create((SourceLoader){.load = no_module});
  Node *file = parse_text(compilation, "fuzz.blo", (const char *)data, size);
  if (file) check_program(compilation, file);
  compilation_destroy(compilation);
}
