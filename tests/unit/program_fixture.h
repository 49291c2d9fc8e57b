// For tests of the program level: a small library, programs built from text, their entries and
// tests run by the interpreter.
#ifndef BLO_TESTS_UNIT_PROGRAM_FIXTURE_H
#define BLO_TESTS_UNIT_PROGRAM_FIXTURE_H

#include "base/map.h"
#include "build/build.h"
#include "ir/passes.h"
#include "levels/levels.h"
#include "parse/parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- a small library

static const char methods_text[] =
    "blo 1;\nimport linear;\n"
    "export method implicit(linear: solver = cg()) {\n"
    "  accepts smooth lower, unconstrained lower;\n"
    "  state v: lower = 0;\n"
    "  step {\n"
    "    set y = descend(fn u -> f(x, u), y);\n"
    "    let b = grad(fn u -> F(x, u), y);\n"
    "    set v = linear(fn u -> hvp(fn w -> f(x, w), y, u), b, v);\n"
    "    report adjoint_residual = norm(hvp(fn w -> f(x, w), y, v) - b);\n"
    "    hypergradient grad(fn s -> F(s, y), x) - grad(fn s -> dot(grad(fn w -> f(s, w), y), v), "
    "x);\n"
    "  }\n"
    "}\n"
    "export method unroll(cold: bool = false, commit: bool = true) {\n"
    "  accepts smooth lower, projected lower, stochastic lower;\n"
    "  step {\n"
    "    let path = fn s -> descend(fn u -> f(s, u), if cold then start(s) else y);\n"
    "    hypergradient grad(fn s -> F(s, path(s)), x);\n"
    "    set y = if commit then path(x) else y;\n"
    "  }\n"
    "}\n"
    "export method soba(step: real = 0.1, decay: real = 0.5) {\n"
    "  accepts smooth lower, unconstrained lower, stochastic lower;\n"
    "  state v: lower = 0;\n"
    "  step {\n"
    "    let rho = step / (t + 1)^decay;\n"
    "    let fy  = fn s -> grad(fn w -> f(s, w), y);\n"
    "    let dy  = fy(x);\n"
    "    let dv  = hvp(fn w -> f(x, w), y, v) - grad(fn w -> F(x, w), y);\n"
    "    hypergradient grad(fn s -> F(s, y), x) - grad(fn s -> dot(fy(s), v), x);\n"
    "    set y = project_y(y - rho * dy);\n"
    "    set v = v - rho * dv;\n"
    "  }\n"
    "}\n"
    "export method joint(eta: real = 0.1) {\n"
    "  accepts smooth lower, projected lower;\n"
    "  state u: lower = y;\n"
    "  step {\n"
    "    set (x, y) = (project_x(x - eta * grad(fn s -> F(s, y) + f(s, y), x)),\n"
    "                  y - eta * grad(fn w -> f(x, w), y));\n"
    "    set u = y;\n"
    "  }\n"
    "}\n"
    "export method direct() {\n"
    "  accepts projected lower;\n"
    "  step {\n"
    "    set y = descend(fn u -> f(x, u), y);\n"
    "    hypergradient grad(fn s -> F(s, y), x);\n"
    "  }\n"
    "}\n";

static const char optim_text[] =
    "blo 1;\n"
    "export optimizer gd(step: real = 0.1) { update(z, g, t) { z - step * g } }\n"
    "export optimizer sgd(step: real = 0.1, momentum: real = 0.0) {\n"
    "  state m = 0;\n"
    "  update(z, g, t) { set m = momentum * m + g;  z - step * m }\n"
    "}\n"
    "export optimizer adam(step: real = 1e-3, beta1: real = 0.9, beta2: real = 0.999, eps: real = "
    "1e-8) {\n"
    "  state m = 0;  state s = 0;\n"
    "  update(z, g, t) {\n"
    "    set m = beta1 * m + (1 - beta1) * g;\n"
    "    set s = beta2 * s + (1 - beta2) * g^2;\n"
    "    z - step * (m / (1 - beta1^(t + 1))) / ((if s > 0 then sqrt(s / (1 - beta2^(t + 1))) else "
    "0) + eps)\n"
    "  }\n"
    "}\n"
    "export optimizer clip(inner: optimizer, bound: real = 1.0) {\n"
    "  state s = inner.init(z);\n"
    "  update(z, g, t) {\n"
    "    let n = norm(g);\n"
    "    let (z1, s1) = inner.step(z, if n > bound then (bound / n) * g else g, s);\n"
    "    set s = s1;\n"
    "    z1\n"
    "  }\n"
    "}\n";

static const char linear_text[] =
    "blo 1;\n"
    "export fn cg(A: vec -> vec, b: vec, u0: vec, tol: real = 1e-8, iters: int = 100) -> vec {\n"
    "  let r0 = b - A(u0);\n"
    "  let (u, r, d, rho) = loop (u, r, d, rho) = (u0, r0, r0, dot(r0, r0))\n"
    "                       for i < iters while rho > tol^2 * dot(b, b) {\n"
    "    let Ad = A(d);\n"
    "    let a  = rho / dot(d, Ad);\n"
    "    let r1 = r - a * Ad;\n"
    "    let s  = dot(r1, r1);\n"
    "    (u + a * d, r1, r1 + (s / rho) * d, s)\n"
    "  };\n"
    "  u\n"
    "}\n";

static const char sets_text[] = "blo 1;\n"
                                "export set box(lo, hi) { project(z) = clamp(z, lo, hi); }\n"
                                "export set nonneg { project(z) = max(z, 0.0); }\n";

static inline const char *load(void *self, const char *name, const char **path, size_t *length,
                               bool *library) {
  (void)self;
  static const struct {
    const char *name, *path, *text;
  } modules[] = {{"implicit", "std/implicit.blo", methods_text},
                 {"optim", "std/optim.blo", optim_text},
                 {"linear", "std/linear.blo", linear_text},
                 {"sets", "std/sets.blo", sets_text}};
  for (size_t i = 0; i < sizeof modules / sizeof modules[0]; i++) {
    if (strcmp(modules[i].name, name) != 0) continue;
    *path = modules[i].path;
    *length = strlen(modules[i].text);
    *library = true;
    return modules[i].text;
  }
  return NULL;
}

// ---- building and running

typedef struct Fixture {
  Compilation *compilation;
  Program *program;
  Built *built;
  const DimValue *dims; // of this run
  size_t dim_count;
} Fixture;

static inline void print_diagnostics(const Fixture *f) {
  diagnostics_print(f->compilation->diagnostics, stderr, ERRORS_HUMAN, false, 0);
}

static inline Fixture build_text(const char *text, BuildOptions options) {
  Fixture f = {.compilation = compilation_create((SourceLoader){.load = load})};
  options.check_levels = levels_check;
  Node *file = parse_text(f.compilation, "test.blo", text, strlen(text));
  f.program = file ? check_program(f.compilation, file) : NULL;
  if (f.program && !diagnostics_errors(f.compilation->diagnostics))
    f.built = build_program(f.compilation, f.program, &options);
  if (f.built) ir_verify_after(f.built->module, "build");
  return f;
}

static inline Fixture build_sound(const char *text, BuildOptions options) {
  Fixture f = build_text(text, options);
  if (!f.built || diagnostics_errors(f.compilation->diagnostics)) print_diagnostics(&f);
  assert_non_null(f.built);
  assert_int_equal(diagnostics_errors(f.compilation->diagnostics), 0);
  return f;
}

static inline void destroy(Fixture *f) {
  compilation_destroy(f->compilation);
}

static inline bool dim_of(void *self, Name name, int64_t *value) {
  const Fixture *f = self;
  for (size_t i = 0; i < f->dim_count; i++)
    if (strcmp(f->dims[i].name, name) == 0) {
      *value = f->dims[i].value;
      return true;
    }
  return false;
}

static inline const blo_entry *entry_named(const Fixture *f, const char *name, Func **func) {
  for (size_t i = 0; i < f->built->program->entry_count; i++)
    if (strcmp(f->built->program->entries[i].name, name) == 0) {
      *func = f->built->funcs[i];
      return &f->built->program->entries[i];
    }
  fail_msg("no entry %s", name);
  *func = NULL;
  return NULL;
}

// Values by role and index; outputs of one entry serve as inputs of the next.
typedef struct Values {
  Tensor *state[64];
  Tensor *data[16];
  Tensor *reports[16];
  Tensor *upper, *lower, *norm, *stop, *hypergradient;
  int64_t seed;
  bool reporting;
} Values;

static inline Tensor *input_of(Arena *arena, const Values *v, const blo_value *row) {
  switch (row->role) {
  case BLO_ROLE_STATE:
    return v->state[row->index];
  case BLO_ROLE_DATA:
    return v->data[row->index];
  case BLO_ROLE_SEED:
    return tensor_scalar(arena, DT_I64, (double)v->seed);
  case BLO_ROLE_REPORTING:
    return tensor_scalar(arena, DT_BOOL, v->reporting);
  default:
    return NULL;
  }
}

static inline void put_output(Values *v, const blo_value *row, Tensor *value) {
  switch (row->role) {
  case BLO_ROLE_STATE:
    v->state[row->index] = value;
    break;
  case BLO_ROLE_DATA:
    v->data[row->index] = value;
    break;
  case BLO_ROLE_REPORT:
    v->reports[row->index] = value;
    break;
  case BLO_ROLE_UPPER_OBJECTIVE:
    v->upper = value;
    break;
  case BLO_ROLE_LOWER_OBJECTIVE:
    v->lower = value;
    break;
  case BLO_ROLE_HYPERGRADIENT_NORM:
    v->norm = value;
    break;
  case BLO_ROLE_STOP:
    v->stop = value;
    break;
  case BLO_ROLE_HYPERGRADIENT:
    v->hypergradient = value;
    break;
  default:
    break;
  }
}

static inline void run_entry(Fixture *f, const char *name, Values *v) {
  Func *func;
  const blo_entry *entry = entry_named(f, name, &func);
  Arena *arena = f->compilation->arena;
  Tensor **inputs = ARENA_ARRAY(arena, Tensor *, entry->input_count + 1);
  Tensor **outputs = ARENA_ARRAY(arena, Tensor *, entry->output_count + 1);
  for (size_t i = 0; i < entry->input_count; i++) {
    inputs[i] = input_of(arena, v, &entry->inputs[i]);
    if (!inputs[i]) fail_msg("%s needs %s", name, entry->inputs[i].name);
  }
  Interpretation run = {.arena = arena, .dim_value = dim_of, .self = f, .round = true};
  if (!ir_interpret(&run, func, inputs, outputs)) fail_msg("%s: %s", name, run.error);
  for (size_t i = 0; i < entry->output_count; i++) put_output(v, &entry->outputs[i], outputs[i]);
}

static inline size_t run_test_entry(Fixture *f, const blo_test *test, bool show) {
  const blo_entry *entry = test->entry;
  Arena *arena = f->compilation->arena;
  Func *func;
  entry_named(f, entry->name, &func);
  Tensor **inputs = ARENA_ARRAY(arena, Tensor *, entry->input_count + 1);
  Tensor **outputs = ARENA_ARRAY(arena, Tensor *, entry->output_count + 1);
  Values none = {0};
  for (size_t i = 0; i < entry->input_count; i++)
    inputs[i] = input_of(arena, &none, &entry->inputs[i]);
  Interpretation run = {.arena = arena, .dim_value = dim_of, .self = f, .round = true};
  if (!ir_interpret(&run, func, inputs, outputs)) fail_msg("%s: %s", test->name, run.error);
  size_t failed = 0;
  for (size_t i = 0; i < entry->output_count; i++) {
    const blo_value *row = &entry->outputs[i];
    bool wrong = row->role == BLO_ROLE_EXPECT_OK && !outputs[i]->integers[0];
    failed += wrong;
    if (!wrong || !show) continue;
    fprintf(stderr, "%s: %s\n", test->name, test->expects[row->index].text);
    for (size_t k = i + 1; k < entry->output_count && entry->outputs[k].index == row->index; k++)
      for (int64_t n = 0; n < outputs[k]->count && n < 6; n++)
        fprintf(stderr, "  %s %.15g\n", entry->outputs[k].name,
                outputs[k]->reals ? outputs[k]->reals[n] : (double)outputs[k]->integers[n]);
  }
  return failed;
}

// Every test block of a text must hold.
static inline void expect_tests(const char *text) {
  Fixture f = build_sound(text, (BuildOptions){.tests = true});
  size_t failed = 0;
  for (size_t i = 0; i < f.built->program->test_count; i++)
    failed += run_test_entry(&f, &f.built->program->tests[i], true);
  assert_int_equal(failed, 0);
  destroy(&f);
}

#endif
