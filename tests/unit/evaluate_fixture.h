// Snippets of the language, evaluated: text to values by the front end, the staged evaluator and
// the interpreter.
//
// A snippet is a file of `fn`s; `run` without parameters is evaluated and its leaves are computed.
#ifndef BLO_TESTS_EVALUATE_FIXTURE_H
#define BLO_TESTS_EVALUATE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "evaluate/staging.h"
#include "ir/passes.h"
#include "parse/parse.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LEAF_LIMIT = 16 };

typedef struct Snippet {
  Compilation *compilation;
  Program *program;
  Module *module;
  Evaluator *e;
  Func *func;
  Staged *value;
  size_t leaves;
  Tensor *results[LEAF_LIMIT];
  size_t notes; // that fired
  int64_t dims; // value of every free dim
} Snippet;

static inline const char *load_module(void *self, const char *name, const char **path,
                                      size_t *length, bool *library) {
  (void)self;
  static char text[1 << 16], where[512];
  snprintf(where, sizeof where, "%s/stdlib/%s.blo", BLO_SOURCE_DIR, name);
  FILE *file = fopen(where, "rb");
  if (!file) return NULL;
  *length = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[*length] = 0;
  *path = where;
  *library = true;
  return text;
}

static inline bool free_dim(void *self, Name name, int64_t *value) {
  (void)name;
  *value = ((Snippet *)self)->dims;
  return true;
}

/// Parses and checks; evaluates `run` if there is one and no mistake was found.
static inline Snippet *snippet_open(const char *text) {
  SourceLoader loader = {.load = load_module};
  Compilation *compilation = compilation_create(loader);
  Snippet *s = ARENA_NEW(compilation->arena, Snippet);
  s->compilation = compilation;
  s->dims = 5;
  Node *file = parse_text(compilation, "snippet.blo", text, strlen(text));
  s->program = check_program(compilation, file);
  s->module = module_create(compilation->arena, compilation->names);
  s->e = evaluator_create(compilation, s->module, s->program, DT_F64);
  if (!s->program || diagnostics_errors(compilation->diagnostics)) return s;
  check_definitions(s->e, file);
  if (diagnostics_errors(compilation->diagnostics)) return s;
  Binding *binding =
      program_find(s->program, file, NULL, intern(compilation->names, "run"), BIND_FUNCTION);
  if (!binding) return s;
  Evaluator *e = s->e;
  s->func = func_create(s->module, intern(compilation->names, "run"));
  e->builder = builder_at(s->func->body);
  e->dynamic.key = ir_integer(&e->builder, type_scalar(s->module, DT_I64), 12345);
  e->dynamic.step_key = e->dynamic.key;
  Function function = {.node = binding->node, .name = "run", .real = DT_F64};
  Staged callee = {.kind = STAGED_FUNCTION};
  callee.function = &function;
  s->value = apply(e, &callee, NULL, 0, (Span){0});
  if (staged_is_poison(s->value)) return s;
  staged_leaves(e, s->value, &s->func->body->yields);
  s->leaves = s->func->body->yields.count;
  for (size_t i = 0; i < s->leaves; i++) VEC_PUSH(s->module->arena, &s->func->result_names, NULL);
  return s;
}

static inline void snippet_close(Snippet *s) {
  compilation_destroy(s->compilation);
}

static inline void snippet_print(Snippet *s) {
  diagnostics_print(s->compilation->diagnostics, stderr, ERRORS_HUMAN, false, 0);
}

static inline void snippet_print_ir(Snippet *s) {
  TextBuffer out = text_buffer(s->compilation->arena);
  ir_print_func(&out, s->func);
  fprintf(stderr, "%s\n", text_string(&out));
}

/// Opens, verifies and interprets; the test fails with the diagnostics when something is wrong.
static inline Snippet *snippet_run(const char *text) {
  Snippet *s = snippet_open(text);
  if (diagnostics_errors(s->compilation->diagnostics) || !s->leaves) {
    snippet_print(s);
    fail_msg("the snippet does not evaluate");
  }
  const char *message = ir_verify(s->compilation->arena, s->module);
  if (message) {
    snippet_print_ir(s);
    fail_msg("%s", message);
  }
  Interpretation run = {.arena = s->compilation->arena, .dim_value = free_dim, .self = s};
  assert_true(s->leaves <= LEAF_LIMIT);
  if (!ir_interpret(&run, s->func, NULL, s->results)) fail_msg("%s", run.error);
  s->notes = run.notes.count;
  return s;
}

static inline double tensor_entry(const Tensor *t, int64_t i) {
  return t->reals ? t->reals[i] : (double)t->integers[i];
}

static inline void expect_entries(const char *text, const Tensor *t, const double *expected,
                                  int64_t count, double tolerance) {
  if (t->count != count) fail_msg("%s\n%lld entries", text, (long long)t->count);
  for (int64_t i = 0; i < count; i++) {
    double found = tensor_entry(t, i), wanted = expected[i];
    if (!(fabs(found - wanted) <= tolerance * fmax(1.0, fabs(wanted))))
      fail_msg("%s\nentry %lld is %.17g, wanted is %.17g", text, (long long)i, found, wanted);
  }
}

/// `run` of the snippet gives one tensor with these entries.
#define expect_values(text, ...)                                                                   \
  do {                                                                                             \
    static const double expected_[] = {__VA_ARGS__};                                               \
    Snippet *s_ = snippet_run(text);                                                               \
    assert_int_equal(s_->leaves, 1);                                                               \
    assert_int_equal(s_->notes, 0);                                                                \
    expect_entries(text, s_->results[0], expected_, sizeof expected_ / sizeof *expected_, 1e-12);  \
    snippet_close(s_);                                                                             \
  } while (0)

/// `run` is a pair of two values that agree.
static inline void expect_equal(const char *text, double tolerance) {
  Snippet *s = snippet_run(text);
  assert_true(s->leaves > 0 && s->leaves % 2 == 0);
  size_t half = s->leaves / 2;
  for (size_t i = 0; i < half; i++) {
    const Tensor *a = s->results[i], *b = s->results[half + i];
    assert_int_equal(a->count, b->count);
    for (int64_t k = 0; k < a->count; k++)
      if (!(fabs(tensor_entry(a, k) - tensor_entry(b, k)) <=
            tolerance * fmax(1.0, fabs(tensor_entry(b, k)))))
        fail_msg("%s\nentry %lld: %.17g and %.17g", text, (long long)k, tensor_entry(a, k),
                 tensor_entry(b, k));
  }
  snippet_close(s);
}

/// The snippet is refused with exactly one error, of this code.
static inline void expect_error(const char *text, ErrorCode code) {
  Snippet *s = snippet_open(text);
  Diagnostics *d = s->compilation->diagnostics;
  if (diagnostics_count_code(d, code, (Span){0}) != 1 || diagnostics_errors(d) != 1) {
    snippet_print(s);
    fail_msg("wanted is one %s from\n%s", error_code_text(code), text);
  }
  snippet_close(s);
}

#endif
