// Any bytes through the IR reader and verifier.
#include "driver.h"

#include "ir/passes.h"

const char *const fuzz_words[] = {"%1",    "f64",     "[n]",  "loop ", "yield", "{",
                                  "}",     "dims(n)", "dot ", "%x",    "func",  "!14",
                                  "view ", "1e999",   "nan",  NULL};

static const char *no_module(void *self, const char *name, const char **path, size_t *length,
                             bool *library) {
  (void)self, (void)name, (void)path, (void)length, (void)library;
  return NULL;
}

void fuzz_one(const uint8_t *data, size_t size) {
  Compilation *compilation = compilation_create((SourceLoader){.load = no_module});
  uint32_t source = sources_add(compilation->sources, "fuzz.ir", (const char *)data, size, false);
  Module *module = ir_read(compilation, source);
  if (module) ir_verify(compilation->arena, module);
  compilation_destroy(compilation);
}
