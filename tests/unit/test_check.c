// Names, scopes, modules: what every name of a program is bound to.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "check/check.h"
#include "parse/parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A loader over modules in memory.
typedef struct Shelf {
  const char *names[8], *texts[8];
  int count;
} Shelf;

static const char *shelf_load(void *self, const char *name, const char **path, size_t *length,
                              bool *library) {
  const Shelf *shelf = self;
  for (int i = 0; i < shelf->count; i++) {
    if (strcmp(shelf->names[i], name) != 0) continue;
    *path = name;
    *length = strlen(shelf->texts[i]);
    *library = i < 4;
    return shelf->texts[i];
  }
  return NULL;
}

static const Shelf library = {
    .names = {"implicit", "optim", "linear", "sets", "nn", "a", "b"},
    .texts =
        {
            "blo 1; import linear;\n"
            "export method implicit(linear: solver = cg()) { accepts smooth lower; state v: lower "
            "= 0;"
            " step { set v = linear(fn u -> u, v, v); report gap = norm(v); hypergradient x; } }\n"
            "export method direct() { accepts smooth lower; step { hypergradient x; } }",
            "blo 1; export optimizer gd(step: real = 0.1) { update(z, g, t) { z - step * g } }\n"
            "export optimizer clip(inner: optimizer, norm: real = 1.0) { state s = inner.init(z);"
            " update(z, g, t) { let (u, r) = inner.step(z, g, s); set s = r; u } }",
            "blo 1; fn hidden(b: vec) -> vec = b;\n"
            "export fn cg(A: vec -> vec, b: vec, u0: vec, tol: real = 1e-8) -> vec = hidden(b);\n"
            "export fn direct(A: vec -> vec, b: vec, u0: vec) -> vec = b;",
            "blo 1; export set box(lo, hi) { project(z) = clamp(z, lo, hi); }",
            "blo 1; const width = 3; struct Linear[a, b] { W: f32[a, b] = glorot(); }\n"
            "export fn glorot[a, b]() -> real[a, b] = for i < a, j < b { uniform() };\n"
            "fn own() -> real = 1.0;",
            "blo 1; import b; export fn fa() -> real = 1.0;",
            "blo 1; import a; export fn fb() -> real = 1.0;",
        },
    .count = 7,
};

typedef struct Checked {
  Compilation *compilation;
  Program *program;
} Checked;

static Checked check_with(const Shelf *shelf, const char *text) {
  Compilation *c = compilation_create(
      (SourceLoader){.load = shelf ? shelf_load : NULL, .self = (void *)(uintptr_t)shelf});
  Node *file = parse_text(c, "program.blo", text, strlen(text));
  return (Checked){c, check_program(c, file)};
}

static void expect_clean(Checked checked) {
  if (diagnostics_errors(checked.compilation->diagnostics))
    diagnostics_print(checked.compilation->diagnostics, stderr, ERRORS_HUMAN, false, 0);
  assert_int_equal(diagnostics_errors(checked.compilation->diagnostics), 0);
}

// Collects "name:kind" of every name expression in source order.
static const char *const kinds[] = {[BIND_BUILTIN] = "builtin", [BIND_FUNCTION] = "function",
                                    [BIND_STRUCT] = "struct",   [BIND_DIM] = "dim",
                                    [BIND_CONST] = "const",     [BIND_TABLE] = "table",
                                    [BIND_FIELD] = "field",     [BIND_LOCAL] = "local",
                                    [BIND_VAR] = "var",         [BIND_STATE] = "state",
                                    [BIND_BATCH] = "batch",     [BIND_CONSTRAINT] = "constraint",
                                    [BIND_REPORT] = "report",   [BIND_LEVEL] = "level",
                                    [BIND_METHOD] = "method",   [BIND_OPTIMIZER] = "optimizer",
                                    [BIND_SET] = "set",         [BIND_STAGE] = "stage",
                                    [BIND_MODULE] = "module",   [BIND_IMPLICIT] = "implicit"};

static void add_bindings(void *self, Node *node) {
  TextBuffer *out = self;
  const Binding *binding = NULL;
  const char *name = NULL;
  if (node->kind == EXPR_NAME) name = node->as.name.name, binding = node->as.name.binding;
  if (node->kind == EXPR_MEMBER && node->as.member.binding)
    name = node->as.member.member.name, binding = node->as.member.binding;
  if (node->kind == TYPE_NAME && node->as.type_name.binding)
    name = node->as.type_name.name.name, binding = node->as.type_name.binding;
  if (name)
    text_addf(out, "%s%s:%s", out->count ? " " : "", name, binding ? kinds[binding->kind] : "-");
  node_children(node, add_bindings, self);
}

static void expect_bindings(const char *text, const char *wanted) {
  Checked checked = check_with(&library, text);
  expect_clean(checked);
  TextBuffer out = text_buffer(checked.compilation->arena);
  add_bindings(&out, checked.program->file);
  assert_string_equal(text_string(&out), wanted);
  compilation_destroy(checked.compilation);
}

static void names_are_bound(void **state) {
  (void)state;
  expect_bindings("dim n; const c = n; fn f[k](a: f64[k, n]) -> f64 { let b = a; sum(b) + c + k }",
                  "n:dim k:local n:dim a:local sum:builtin b:local c:const k:local");
  expect_bindings("import nn; fn f(l: nn.Linear[2, 3]) -> real = nn.glorot()[0, nn.width];",
                  "Linear:struct glorot:function nn:module width:const nn:module");
  expect_bindings("import nn as layers; const c = layers.width;", "width:const layers:module");
  expect_bindings("fn f(x: real) -> real = loop s = x for i < 3 while s < i { s + i yield i };",
                  "x:local s:local i:local s:local i:local i:local");
  expect_bindings("fn f(n: int) -> real = sum(for i < n { let q = i; q });",
                  "sum:builtin n:local i:local q:local");
  expect_bindings("struct P[k] { a: f64[k] = for i < k { 0.0 }; } const p = P[3](a = 1.0);",
                  "k:local k:local P:struct");
  // A declaration hides the library's and the builtin of the same name.
  expect_bindings(
      "fn cg(x: real) -> real = x; fn exp(x: real) -> real = cg(x); const a = exp(1.0);",
      "x:local cg:function x:local exp:function");
}

static const char problem[] =
    "dim n;\n"
    "data train[n] { x: f64; }\n"
    "data { z: f64[n]; }\n"
    "upper { var t: f64 in box(0.0, 1.0) = 0.0; batch b = sample(train, 4);"
    " let a = t * w; minimize mean(b.x) * a; report gap = w; }\n"
    "lower { var w: f64 = t; state s: f64 = 0.0 then s + w; batch b = shuffle(train, 2);"
    " minimize w^2 + iteration * t + sum(z) + mean(b.x); }\n";

static void levels_see_each_other(void **state) {
  (void)state;
  char *text = malloc(4096);
  snprintf(text, 4096, "%s", problem);
  expect_bindings(text, "n:dim n:dim box:set sample:builtin train:table t:var w:var mean:builtin "
                        "b:batch a:local w:var t:var s:state w:var shuffle:builtin train:table "
                        "w:var iteration:implicit t:var sum:builtin z:field mean:builtin b:batch");
  free(text);
}

static void settings_and_tests_look_up_by_kind(void **state) {
  (void)state;
  char *text = malloc(4096);
  snprintf(text, 4096, "%s%s", problem,
           "solve { method = direct(); lower = clip(gd(step = 0.1), norm = n); upper.t = gd();"
           " upper.iters = 4; precision = f64; stop = gap < t; }\n"
           "solve other { method = implicit(linear = direct); lower = gd(); upper = gd(); }\n"
           "test \"t\" { data = synthetic(n = 3); solve = other; t = n; method = implicit();"
           " let r = run(); expect hypergradient(t) ~= gap within r; }\n");
  Checked checked = check_with(&library, text);
  expect_clean(checked);
  TextBuffer out = text_buffer(checked.compilation->arena);
  NodeList items = checked.program->file->as.file.items;
  for (size_t i = 5; i < items.count; i++) add_bindings(&out, items.data[i]);
  assert_string_equal(
      text_string(&out),
      "direct:method clip:optimizer gd:optimizer n:dim gd:optimizer gap:report t:var "
      "implicit:method direct:function gd:optimizer gd:optimizer "
      "synthetic:implicit other:- n:dim implicit:method run:implicit "
      "hypergradient:implicit t:var gap:report r:local");
  compilation_destroy(checked.compilation);
  free(text);
}

static void methods_see_their_fixed_names(void **state) {
  (void)state;
  const char *text = "method m(step: real = 0.1) { accepts smooth lower; state v: lower = y;\n"
                     "step { let g = grad(fn x -> F(x, y), x); set (y, v) = (project_y(y), v);"
                     " ensure t > 0, \"t\"; hypergradient g * step + lower_opt.init(v); } }";
  expect_bindings(text, "y:implicit grad:builtin F:implicit x:local y:implicit x:implicit "
                        "project_y:implicit y:implicit v:state t:implicit g:local step:local "
                        "lower_opt:implicit v:state");
  Checked checked = check_with(&library, text);
  Node *method = checked.program->file->as.file.items.data[0];
  Name x = intern(checked.compilation->names, "x");
  Binding *binding = map_get(method->as.method.implicit, x);
  assert_non_null(binding);
  assert_int_equal(binding->builtin, IMPLICIT_X);
  Node *set = method->as.method.steps.data[1];
  NodeList targets = set->as.assign.pattern->as.pattern_tuple.items;
  assert_int_equal(targets.data[0]->as.pattern_name.binding->kind, BIND_IMPLICIT);
  assert_ptr_equal(targets.data[1]->as.pattern_name.binding,
                   method->as.method.states.data[0]->as.state.binding);
  compilation_destroy(checked.compilation);
}

static void declarations_carry_their_bindings(void **state) {
  (void)state;
  const char *text = "struct S[a, b] { x: f64[a]; }\n"
                     "fn f[k](p: f64[k]) -> f64 { let q = loop s = p[0] for i < 3 { s + i }; q }\n"
                     "optimizer o() { update(z, g, t) { z - g } }\n"
                     "data d[r < 4] { let h = r; y: f64 = h; }\n";
  Checked checked = check_with(&library, text);
  expect_clean(checked);
  NodeList items = checked.program->file->as.file.items;
  assert_string_equal(items.data[0]->as.structure.dim_bindings[1]->name, "b");
  const Node *function = items.data[1];
  assert_string_equal(function->as.function.dim_bindings[0]->name, "k");
  assert_non_null(function->as.function.params.data[0]->as.param.binding);
  const Node *loop = function->as.function.body->as.block.lets.data[0]->as.let.value;
  const Node *sum = loop->as.loop.body->as.block.value;
  assert_ptr_equal(sum->as.binary.right->as.name.binding, loop->as.loop.counter_binding);
  const Node *optimizer = items.data[2];
  assert_ptr_equal(optimizer->as.optimizer.value->as.binary.right->as.name.binding,
                   optimizer->as.optimizer.update_bindings[1]);
  const Node *data = items.data[3];
  assert_ptr_equal(data->as.data.lets.data[0]->as.let.value->as.name.binding,
                   data->as.data.row_binding);
  compilation_destroy(checked.compilation);
}

static size_t count_code(Checked checked, ErrorCode code) {
  return diagnostics_count_code(checked.compilation->diagnostics, code, (Span){0});
}

static void expect_codes(const Shelf *shelf, const char *text, ErrorCode code, size_t count,
                         size_t total) {
  Checked checked = check_with(shelf, text);
  size_t found = count_code(checked, code);
  size_t errors = diagnostics_errors(checked.compilation->diagnostics);
  if (found != count || errors != total)
    diagnostics_print(checked.compilation->diagnostics, stderr, ERRORS_HUMAN, false, 0);
  assert_int_equal(found, count);
  assert_int_equal(errors, total);
  compilation_destroy(checked.compilation);
}

static void modules_load_once_and_never_in_circles(void **state) {
  (void)state;
  expect_codes(&library, "import a; const c = a.fa();", E0209, 1, 1);
  expect_codes(&library, "import program;", E0209, 1, 1);
  expect_codes(&library, "import nosuch; const c = nosuch.f();", E0203, 1, 1);
  expect_codes(NULL, "import nn;", E0203, 1, 1);
  expect_codes(&library, "import nn; const c = nn.own();", E0210, 1, 1);
  expect_codes(&library, "const c = hidden(1);", E0201, 1, 1);
  expect_codes(&library, "import linear; const c = linear.hidden(1);", E0210, 1, 1);
  // Without a library the builtins are still there.
  expect_codes(NULL, "const c = exp(1.0);", ERROR_NONE, 0, 0);
  Checked checked = check_with(&library, "import nn; import nn as other; import linear;");
  expect_clean(checked);
  assert_int_equal(checked.program->files.count, 6);
  assert_ptr_equal(checked.program->files.data[5], checked.program->file);
  compilation_destroy(checked.compilation);
}

// A library file sees of the prelude what it imports.
static void library_files_see_what_they_import(void **state) {
  (void)state;
  Shelf shelf = library;
  shelf.texts[1] = "blo 1; export fn late(b: vec) -> vec = cg(b, b, b);";
  expect_codes(&shelf, "dim n;", E0201, 1, 1);
  shelf.texts[1] = "blo 1; import linear; export fn late(b: vec) -> vec = cg(b, b, b);";
  expect_codes(&shelf, "dim n;", ERROR_NONE, 0, 0);
}

static void programs_are_searched_by_kind(void **state) {
  (void)state;
  Checked checked =
      check_with(&library, "import nn as l; fn direct(x: real) -> real = x; dim n; method gd() {"
                           " accepts smooth lower; step { hypergradient x; } }");
  expect_clean(checked);
  Interner *names = checked.compilation->names;
  const Program *p = checked.program;
  Name direct = intern(names, "direct"), gd = intern(names, "gd"), n = intern(names, "n");
  assert_ptr_equal(program_find(p, NULL, NULL, direct, BIND_FUNCTION)->owner, p->file);
  assert_int_equal(program_find(p, NULL, NULL, direct, BIND_METHOD)->kind, BIND_METHOD);
  assert_int_equal(program_find(p, p->file, NULL, gd, BIND_METHOD)->kind, BIND_METHOD);
  assert_int_equal(program_find(p, p->file, NULL, gd, BIND_OPTIMIZER)->kind, BIND_OPTIMIZER);
  assert_null(program_find(p, NULL, NULL, gd, BIND_SET));
  assert_non_null(program_find(p, NULL, NULL, n, BIND_DIM));
  assert_null(program_find(p, NULL, NULL, n, BIND_CONST));
  Name module = intern(names, "l"), glorot = intern(names, "glorot");
  assert_non_null(program_find(p, NULL, module, glorot, BIND_FUNCTION));
  assert_null(program_find(p, NULL, n, glorot, BIND_FUNCTION));
  assert_null(program_find(p, NULL, NULL, glorot, BIND_FUNCTION));
  compilation_destroy(checked.compilation);
}

static void structure_is_checked(void **state) {
  (void)state;
  expect_codes(&library, "upper { var t: f64; minimize t; }", E0204, 1, 1);
  expect_codes(&library, "upper { var t: f64; } lower { var w: f64; minimize w; }", E0404, 1, 1);
  expect_codes(&library, "stage one { var t: f64; minimize t; solve { optimizer = gd(); } }",
               ERROR_NONE, 0, 0);
  expect_codes(&library, "stage one { var t: f64; minimize t; solve { } }", E0204, 1, 1);
  expect_codes(&library,
               "stage s { upper { var t: f64; minimize w; } lower { var w: f64; minimize w * t; } "
               "solve { method = direct(); upper = gd(); lower = gd(); } } report r = s.t;",
               ERROR_NONE, 0, 0);
  expect_codes(&library, "method m() { accepts smooth lower; }", E0204, 1, 1);
  expect_codes(&library, "set s { }", E0204, 1, 1);
  expect_codes(&library, "test \"t\" { expect a ~= 1.0; expect 1.0 > 0.0 within 2.0; }", E0207, 1,
               2);
}

// A part that could not be read is not missed, and the names in it are not unknown.
static void skipped_text_causes_no_second_error(void **state) {
  (void)state;
  expect_codes(&library, "upper { var t f64; minimize t; } lower { var w: f64; minimize t * w; }",
               E0101, 1, 1);
  expect_codes(&library, "upper { var t: f64; minimize ; } lower { var w: f64; minimize t * w; }",
               E0101, 1, 1);
  expect_codes(&library, "method m( { accepts smooth lower; } solve { method = m(); }", E0101, 1,
               1);
  expect_codes(&library, "fn f(x real) -> real = x; const c = f(1.0);", E0101, 1, 1);
  expect_codes(&library, "method m() { accepts smooth lower; step hypergradient x; }", E0101, 1, 1);
  expect_codes(&library, "data { x f64; } const c = 1 + ; fn g() -> real = c;", E0101, 2, 2);
}

// Wherever a word is cut out of a program, checking ends without a crash.
static void edited_programs_do_not_crash(void **state) {
  (void)state;
  size_t length = sizeof problem - 1;
  char *text = malloc(length + 1);
  for (size_t start = 0; start < length; start += 3) {
    size_t size = 1 + start % 5, rest = start + size < length ? length - start - size : 0;
    memcpy(text, problem, start);
    memcpy(text + start, problem + start + size, rest);
    text[start + rest] = 0;
    Checked checked = check_with(&library, text);
    assert_non_null(checked.program);
    compilation_destroy(checked.compilation);
  }
  free(text);
}

typedef struct Places {
  uint64_t of[64];
  size_t count;
} Places;

static void add_place(void *self, Node *node) {
  Places *places = self;
  if (node->kind == EXPR_CALL) {
    assert_true(places->count < 64);
    places->of[places->count++] = node->as.call.place;
  }
  node_children(node, add_place, self);
}

// Of the calls of all files, the user's first.
static Places places_of(const Shelf *shelf, const char *text) {
  Places places = {0};
  Checked checked = check_with(shelf, text);
  expect_clean(checked);
  add_place(&places, checked.program->file);
  for (size_t i = 0; i < checked.program->files.count; i++)
    if (checked.program->files.data[i] != checked.program->file)
      add_place(&places, checked.program->files.data[i]);
  compilation_destroy(checked.compilation);
  for (size_t i = 0; i < places.count; i++)
    for (size_t k = 0; k < i; k++) assert_true(places.of[i] != places.of[k]);
  return places;
}

static void expect_places(const Places *a, size_t from_a, const Places *b, size_t from_b,
                          size_t count) {
  assert_true(from_a + count <= a->count && from_b + count <= b->count);
  for (size_t i = 0; i < count; i++) assert_true(a->of[from_a + i] == b->of[from_b + i]);
}

// What a draw is keyed by does not know where in the text it stands.
static void calls_have_places(void **state) {
  (void)state;
  const Places bare = places_of(NULL, "fn f() -> real = normal() + normal();\n"
                                      "fn g() -> real { let a = f();  let b = f();  a - b + f() }");
  assert_int_equal(bare.count, 5);
  const Places spread = places_of(NULL, "// a comment, normal()\nfn f() -> real\n  = normal()\n"
                                        "  + normal();\n\nfn g() -> real {\n let a = f();\n"
                                        "  let b = f(); a - b\n + f() }");
  expect_places(&bare, 0, &spread, 0, 5);
  // other items, other `let`s, other names
  const Places between = places_of(NULL, "fn h() -> real = uniform() * normal();\n"
                                         "fn f() -> real = normal() + normal() + exp(1.0);\n"
                                         "fn g() -> real { let b = f();  let c = f() + h();"
                                         " let a = f();  a - b + c + f() }");
  expect_places(&bare, 0, &between, 2, 2);
  expect_places(&bare, 3, &between, 5, 1);
  expect_places(&bare, 2, &between, 8, 1);
  expect_places(&bare, 4, &between, 9, 1);
  // the second `f` of two files is another one, and unnamed things of one kind are counted
  Shelf twice = library;
  twice.names[7] = "own", twice.texts[7] = "blo 1; export fn f() -> real = normal();";
  twice.count = 8;
  const Places files =
      places_of(&twice, "import own;\ndata { a: f64 = normal(); }\n"
                        "data { b: f64 = normal(); }\ndata t[3] { a: f64 = normal(); }\n"
                        "fn f() -> real = normal() + own.f();");
  assert_true(files.of[3] == bare.of[0]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(names_are_bound),
      cmocka_unit_test(levels_see_each_other),
      cmocka_unit_test(settings_and_tests_look_up_by_kind),
      cmocka_unit_test(methods_see_their_fixed_names),
      cmocka_unit_test(declarations_carry_their_bindings),
      cmocka_unit_test(modules_load_once_and_never_in_circles),
      cmocka_unit_test(library_files_see_what_they_import),
      cmocka_unit_test(programs_are_searched_by_kind),
      cmocka_unit_test(structure_is_checked),
      cmocka_unit_test(skipped_text_causes_no_second_error),
      cmocka_unit_test(edited_programs_do_not_crash),
      cmocka_unit_test(calls_have_places),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
