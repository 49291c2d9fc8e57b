// What comprehensions become: the twenty kinds of texts that must not turn into large
// intermediates.
//
// Each snippet is evaluated, optimised and measured: how many ops, dots and convolutions there are
// and how many entries the largest value has that lies in memory; optimised and unoptimised agree.
#include "evaluate_fixture.h"

#include "opt/opt.h"

typedef struct Expected {
  const char *text; // body of run()
  const char *type;
  int ops, dots, convolutions; // ops at most
  int64_t entries;             // at most, of a value that is not computed where it is read
} Expected;

// Views, reshapes, sources and elementwise ops are computed where they are read; so is what only a
// reduction reads.
static bool in_memory(const Op *op) {
  switch (op_table[op->code].group) {
  case GROUP_REDUCTION:
  case GROUP_CONTRACTION:
  case GROUP_DATA:
    return true;
  case GROUP_INDEX:
    return op->code == OP_UNVIEW || op->code == OP_CONCAT;
  default:
    return false;
  }
}

static int64_t largest(Snippet *s, const Block *block) {
  int64_t most = 0;
  for (const Op *op = block->first; op; op = op->next) {
    for (int i = 0; i < op->region_count; i++) {
      int64_t inner = largest(s, op->regions[i]);
      most = inner > most ? inner : most;
    }
    int64_t entries;
    if (!in_memory(op)) continue;
    assert_true(dim_evaluate(type_entries(s->module, op->results[0]->type), free_dim, s, &entries));
    most = entries > most ? entries : most;
  }
  return most;
}

static const char inputs[] =
    "dim n;\n"
    "fn open() -> f64[2 * n] = for i { sin(real(i)) };\n"
    "fn X() -> f64[5, 7] = for i, j { sin(real(3 * i + j)) };\n"
    "fn Y() -> f64[5, 4] = for i, j { cos(real(i + 2 * j)) };\n"
    "fn W() -> f64[7, 4] = for i, j { sin(real(2 * i - j)) };\n"
    "fn v() -> f64[7] = for i { cos(real(i)) };\n"
    "fn u() -> f64[5] = for i { sin(real(2 * i)) };\n"
    "fn A() -> f64[6, 6] = for i, j { cos(real(i * j)) };\n"
    "fn line() -> f64[20] = for i { sin(real(i)) };\n"
    "fn tap() -> f64[3] = for i { cos(real(2 * i)) };\n"
    "fn image() -> f64[2, 9, 8] = for c, i, j { sin(real(5 * c + 3 * i + j)) };\n"
    "fn filter() -> f64[3, 2, 3, 2] = for o, c, k, l { cos(real(o + c + 2 * k + l)) };\n"
    "fn each() -> f64[2, 3, 2] = for c, k, l { cos(real(c + 2 * k + l)) };\n";

static void check(const Expected *expected) {
  char text[4096];
  snprintf(text, sizeof text, "%sfn run() -> %s = %s;\n", inputs, expected->type, expected->text);
  Snippet *s = snippet_run(text);
  Tensor *before[LEAF_LIMIT];
  for (size_t i = 0; i < s->leaves; i++) before[i] = s->results[i];
  opt_run(s->module);
  const char *message = ir_verify(s->compilation->arena, s->module);
  if (message) fail_msg("%s\n%s", expected->text, message);
  Interpretation run = {.arena = s->compilation->arena, .dim_value = free_dim, .self = s};
  if (!ir_interpret(&run, s->func, NULL, s->results)) fail_msg("%s", run.error);
  for (size_t i = 0; i < s->leaves; i++)
    expect_entries(expected->text, s->results[i], before[i]->reals, before[i]->count, 1e-12);
  IrMeasure m = ir_measure(s->func->body);
  int64_t entries = largest(s, s->func->body);
  if (m.ops > expected->ops || m.dots != expected->dots ||
      m.convolutions != expected->convolutions || entries > expected->entries) {
    snippet_print_ir(s);
    fail_msg("%s\n%d ops, %d dots, %d convolutions, %lld entries", expected->text, m.ops, m.dots,
             m.convolutions, (long long)entries);
  }
  snippet_close(s);
}

// The inputs are made by the program, so ops and entries count them, too.
static void test_products(void **state) {
  (void)state;
  static const Expected texts[] = {
      {"{ let a = X(); let b = W(); for i, j { sum(for k { a[i, k] * b[k, j] }) } }", "f64[5, 4]",
       17, 1, 0, 20},
      {"{ let a = X(); let r = u(); for j { sum(for i { a[i, j] * r[i] }) } }", "f64[7]", 13, 1, 0,
       7},
      {"{ let a = u(); let b = v(); for i, j { a[i] * b[j] } }", "f64[5, 7]", 11, 0, 0, 0},
      {"{ let a = A(); for i { a[i, i] } }", "f64[6]", 6, 0, 0, 0},
      {"{ let a = A(); for i { sum(for k { a[i, k] * a[k, i] }) } }", "f64[6]", 8, 0, 0, 6},
      {"{ let q = X(); let k = transpose(W()); for r, s { dot(q[r], k[s]) } }", "f64[5, 4]", 17, 1,
       0, 20},
      {"{ let p = Y(); let b = W(); for r, d { sum(for s { p[r, s] * b[d, s] }) } }", "f64[5, 7]",
       17, 1, 0, 35},
      {"{ let a = X(); for i { let z = a[i]; z / norm(z) } }", "f64[5, 7]", 15, 1, 0, 5},
      {"{ let a = X(); let b = W(); for i { sum(for k { a[i, k] * b[k, 0] }) } }", "f64[5]", 18, 1,
       0, 5},
      {"{ let a = A(); let b = W(); for i, j { sum(for k < 6 { a[k, k] * a[k, i] * b[k, j] }) } }",
       "f64[6, 4]", 18, 1, 0, 24},
      {"{ let a = X(); let b = v(); let c = u(); sum(for i, j { c[i] * a[i, j] * b[j] }) }", "f64",
       20, 0, 0, 1},
      {"{ let x = image(); for c, i, j { sum(for k { x[c, i, k] * x[c, j, k] }) } }",
       "f64[2, 9, 9]", 15, 1, 0, 162},
      {"{ let x = line(); for i < 10 { max(for k < 2 { x[2 * i + k] }) } }", "f64[10]", 5, 0, 0,
       10},
  };
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) check(&texts[i]);
}

static void test_convolutions(void **state) {
  (void)state;
  static const Expected texts[] = {
      {"{ let x = line(); let f = tap(); for i < 18 { sum(for k { x[i + k] * f[k] }) } }",
       "f64[18]", 9, 0, 1, 18},
      {"{ let x = line(); let f = tap(); for i < 9 { sum(for k { f[k] * x[2 * i + k] }) } }",
       "f64[9]", 10, 0, 1, 9},
      {"{ let x = line(); let f = tap(); for i < 13 { sum(for k { x[i + 3 * k + 1] * f[k] }) } }",
       "f64[13]", 10, 0, 1, 13},
      {"{ let x = line(); let f = tap(); for i < 18 { sum(for k { x[i + 2 - k] * f[k] }) } }",
       "f64[18]", 10, 0, 1, 18},
      // That n is at least 5 cannot be proved: places are checked while running, by a gather.
      {"{ let x = open(); let f = tap(); for i < n { sum(for k { x[i + k * 2 + 1] * f[k] }) } }",
       "f64[n]", 15, 1, 0, 15},
      {"{ let x = open(); let f = tap(); for i < 2 * n - 2 { sum(for k { x[i + k] * f[k] }) } }",
       "f64[2 * n - 2]", 9, 0, 1, 8},
      {"{ let x = image(); let f = filter();\n"
       "  for o, i < 7, j < 7 { sum(for c, k, l { x[c, i + k, j + l] * f[o, c, k, l] }) } }",
       "f64[3, 7, 7]", 29, 0, 1, 147},
      {"{ let x = image(); let f = filter();\n"
       "  for o, i < 4, j < 2 { sum(for c, k, l { x[c, 2 * i + k, 3 * j + 2 * l] * f[o, c, k, l] "
       "}) } }",
       "f64[3, 4, 2]", 30, 0, 1, 24},
      {"{ let x = image(); let f = each();\n"
       "  for c, i < 7, j < 7 { sum(for k, l { x[c, i + k, j + l] * f[c, k, l] }) } }",
       "f64[2, 7, 7]", 26, 0, 1, 98},
      {"{ let x = line(); let f = tap();\n"
       "  (grad(fn z -> sumsq(for i < 18 { sum(for k { z[i + k] * f[k] }) }), x),\n"
       "   grad(fn g -> sumsq(for i < 18 { sum(for k { x[i + k] * g[k] }) }), f)) }",
       "(f64[20], f64[3])", 14, 0, 3, 22},
  };
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) check(&texts[i]);
}

static void test_split_variables(void **state) {
  (void)state;
  static const Expected texts[] = {
      {"{ let a = X(); for r < 35 { a[div(r, 7), mod(r, 7)] } }", "f64[35]", 9, 0, 0, 0},
      {"{ let x = image(); let b = W();\n"
       "  for r < 18, j { sum(for k < 7 { x[div(r, 9), mod(r, 9), k] * b[k, j] }) } }",
       "f64[18, 4]", 26, 1, 0, 72},
      {"{ let a = X(); let w = v(); for r < 35 { a[div(r, 7), mod(r, 7)] * w[mod(r, 7)] + real(r) "
       "} }",
       "f64[35]", 20, 0, 0, 0},
      {"{ let a = A(); for r < 9, s < 4 { a[2 * div(r, 3) + div(s, 2), 2 * mod(r, 3) + mod(s, 2)] "
       "} }",
       "f64[9, 4]", 7, 0, 0, 0},
  };
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) check(&texts[i]);
  // An extent that is no multiple keeps its one variable.
  expect_values("fn run() -> i64[5] = for r < 5 { 10 * div(r, 3) + mod(r, 3) };", 0, 1, 2, 10, 11);
  expect_values("fn run() -> i64[6] = for r < 6 { 100 * div(r, 3) + 10 * mod(r, 2) + r };", 0, 11,
                2, 113, 104, 115);
  expect_values("dim n; fn run() -> i64[3 * n] = for r { 100 * div(r, n) + mod(r, n) };", 0, 1, 2,
                3, 4, 100, 101, 102, 103, 104, 200, 201, 202, 203, 204);
}

static void test_refused_windows(void **state) {
  (void)state;
  static const char makers[] = "fn x() -> f64[4, 5, 6] = for i, j, k { real(i) };\n"
                               "fn f() -> f64[2, 4, 3, 3] = for i, j, k, l { real(i) };\n"
                               "fn run() -> real[..] = ";
  static const struct {
    const char *text;
    ErrorCode code;
  } texts[] = {{"conv(x(), f()[:, 0:3, :, :]);", E0301},
               {"conv(x(), f(), groups = 2);", E0301},
               {"conv(x()[0], f());", E0301},
               {"conv(x(), f(), dilation = 3);", E0301},
               {"conv(x(), f(), stride = 0);", E0309},
               {"conv(x(), f(), stride = (1, 2, 3));", E0304},
               {"conv(x(), f(), pad = -1);", E0309},
               {"window(x(), 7);", E0301},
               {"window(x(), 0);", E0309},
               {"pad(x(), (1, 2), 3.5);", E0309},
               {"real(topk(x(), 7));", E0305},
               {"real(topk(x(), -1));", E0309}};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    char text[1024];
    snprintf(text, sizeof text, "%s%s\n", makers, texts[i].text);
    expect_error(text, texts[i].code);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_products),
      cmocka_unit_test(test_convolutions),
      cmocka_unit_test(test_split_variables),
      cmocka_unit_test(test_refused_windows),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
