// For tests of IR: reading text, naming dims, making tensors and comparing them.
#ifndef BLO_TESTS_UNIT_IR_FIXTURE_H
#define BLO_TESTS_UNIT_IR_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ir/builder.h"
#include "ir/passes.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct IrFixture {
  Compilation *compilation;
  Arena *arena;
  Module *module;           // empty, for tests that build
  const char *dim_names[8]; // dims given by name for runs
  int64_t dim_values[8];
  int dim_count;
  Interpretation run; // of the last interpretation
} IrFixture;

static inline int fixture_setup(void **state) {
  IrFixture *f = calloc(1, sizeof *f);
  f->compilation = compilation_create((SourceLoader){0});
  f->arena = f->compilation->arena;
  f->module = module_create(f->arena, f->compilation->names);
  *state = f;
  return 0;
}

static inline int fixture_teardown(void **state) {
  IrFixture *f = *state;
  compilation_destroy(f->compilation);
  free(f);
  return 0;
}

/// NULL and a diagnostic when the text is wrong.
static inline Module *fixture_read(IrFixture *f, const char *text) {
  uint32_t source = sources_add(f->compilation->sources, "test.ir", text, strlen(text), false);
  return ir_read(f->compilation, source);
}

static inline Module *fixture_read_good(IrFixture *f, const char *text) {
  Module *module = fixture_read(f, text);
  if (!module) diagnostics_print(f->compilation->diagnostics, stderr, ERRORS_HUMAN, false, 0);
  assert_non_null(module);
  return module;
}

static inline const char *fixture_file(IrFixture *f, const char *name) {
  char *path = arena_printf(f->arena, "%s/tests/ir/%s", BLO_SOURCE_DIR, name);
  FILE *stream = fopen(path, "rb");
  assert_non_null(stream);
  char *text = arena_alloc(f->arena, 1 << 16);
  text[fread(text, 1, (1 << 16) - 1, stream)] = 0;
  fclose(stream);
  return text;
}

static inline const char *fixture_print(IrFixture *f, const Module *module) {
  TextBuffer out = text_buffer(f->arena);
  ir_print(&out, module);
  return text_string(&out);
}

static inline const Dim *fixture_dim(IrFixture *f, const char *text) {
  const Dim *d = dim_parse(f->module->dims, &text);
  assert_non_null(d);
  assert_int_equal(*text, 0);
  return d;
}

static inline void fixture_bind(IrFixture *f, const char *name, int64_t value) {
  f->dim_names[f->dim_count] = name;
  f->dim_values[f->dim_count++] = value;
}

static inline bool fixture_dim_value(void *self, Name name, int64_t *value) {
  const IrFixture *f = self;
  for (int i = 0; i < f->dim_count; i++)
    if (!strcmp(f->dim_names[i], name)) {
      *value = f->dim_values[i];
      return true;
    }
  return false;
}

static inline bool fixture_run(IrFixture *f, const Func *func, Tensor *const *arguments,
                               Tensor **results) {
  Interpretation run = f->run;
  f->run = (Interpretation){.arena = f->arena,
                            .dim_value = fixture_dim_value,
                            .self = f,
                            .round = run.round,
                            .op_limit = run.op_limit,
                            .entry_limit = run.entry_limit};
  return ir_interpret(&f->run, func, arguments, results);
}

/// A tensor of constant shape given as a list ending in -1, with the listed entries.
static inline Tensor *fixture_tensor(IrFixture *f, Dtype dtype, const int64_t *shape,
                                     const double *entries) {
  int rank = 0;
  while (shape[rank] >= 0) rank++;
  Tensor *x = tensor_create(f->arena, dtype, rank, shape);
  for (int64_t i = 0; i < x->count; i++) {
    if (x->reals) {
      x->reals[i] = entries[i];
    } else {
      x->integers[i] = (int64_t)entries[i];
    }
  }
  return x;
}
#define SHAPE(...)   ((const int64_t[]){__VA_ARGS__ __VA_OPT__(, ) - 1})
#define ENTRIES(...) ((const double[]){__VA_ARGS__})

/// Deterministic entries in (-1, 1).
static inline Tensor *fixture_noise(IrFixture *f, const int64_t *shape, uint64_t seed) {
  int rank = 0;
  while (shape[rank] >= 0) rank++;
  Tensor *x = tensor_create(f->arena, DT_F64, rank, shape);
  for (int64_t i = 0; i < x->count; i++) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    x->reals[i] = (double)(int64_t)(seed >> 12) / (double)(1ll << 51) - 1;
  }
  return x;
}

static inline double tensor_at(const Tensor *x, int64_t i) {
  return x->reals ? x->reals[i] : (double)x->integers[i];
}

static inline void assert_near(double found, double wanted, double tolerance) {
  if (!(fabs(found - wanted) <= tolerance * (1 + fabs(wanted))))
    fail_msg("found %.17g, expected %.17g", found, wanted);
}

static inline void assert_entries(const Tensor *x, int64_t count, const double *wanted) {
  assert_int_equal(x->count, count);
  for (int64_t i = 0; i < count; i++) {
    double found = tensor_at(x, i);
    bool near = isfinite(wanted[i]) ? fabs(found - wanted[i]) <= 1e-14 * fabs(wanted[i])
                                    : found == wanted[i] || (isnan(found) && isnan(wanted[i]));
    if (!near) fail_msg("entry %d is %.17g, expected %.17g", (int)i, found, wanted[i]);
  }
}
#define ASSERT_ENTRIES(x, ...)                                                                     \
  assert_entries(x, (int64_t)(sizeof(ENTRIES(__VA_ARGS__)) / sizeof(double)), ENTRIES(__VA_ARGS__))

#endif
