// Mistakes that the staged evaluator finds: each snippet gives exactly one error, of the right
// code, and the words a user needs.
#include "evaluate_fixture.h"

static const struct {
  ErrorCode code;
  const char *text;
} bad[] = {
    {E0301, "fn f[n, d](X: f64[n, d], w: f64[d]) -> f64[n] = w @ X;"},
    {E0301, "fn f[n, m](a: f64[n], b: f64[m]) -> f64[n] = a + b;"},
    {E0301, "fn f[n, d](X: f64[n, d], y: f64[n]) -> f64[n, d] = y * X;"},
    {E0301, "fn f[n](X: f64[n, n, n], y: f64[n]) -> f64[n, n] = X @ y;"},
    {E0301, "fn f[n](x: f64[n]) -> f64[n + 1] = x;"},
    {E0301,
     "fn f[n](x: f64[n], y: f64[n]) -> f64 = sum(x * y);\nfn run() -> f64 = f([1.0], [1.0, 2.0]);"},
    {E0301, "fn run() -> f64 = sum(concat([[1.0]], [1.0]));"},
    {E0302, "fn f[n](x: f64[n], y: f32[n]) -> f64[n] = x + y;"},
    {E0302, "fn f[n](x: f64[n], k: i32[n]) -> f64[n] = x * k;"},
    {E0302, "fn f[n](k: i32[n]) -> f64[n] = 0.5 * k;"},
    {E0302, "fn f[n](k: i64[n]) -> f64[n] = exp(k);"},
    {E0302, "fn f(i: i64, j: i32) -> bool = i == j;"},
    {E0303, "fn f(i: i64) -> i64 = i / 2;"},
    {E0303, "fn run() -> i64 = 7 / 2;"},
    {E0303, "fn run() -> f64 = if 1.0 then 2.0 else 3.0;"},
    {E0303, "fn run() -> f64 = 1.0 + true;"},
    {E0303, "fn f(x: f64) -> f64 = x(1.0);"},
    {E0303, "struct P { w: f64; }\nfn f(p: P, q: (f64, f64)) -> f64 = sumsq(p + q);"},
    {E0303, "fn f(x: f64) -> bool = (x, x) == (x, x);"},
    {E0303, "fn run() -> f64 = { let (a, b, c) = (1.0, 2.0); a };"},
    {E0304, "fn f(a: f64, b: f64) -> f64 = a + b;\nfn run() -> f64 = f(1.0);"},
    {E0304, "fn f(a: f64) -> f64 = a;\nfn run() -> f64 = f(1.0, 2.0);"},
    {E0304, "fn f(a: f64, rate: f64 = 1.0) -> f64 = a;\nfn run() -> f64 = f(1.0, rat = 2.0);"},
    {E0304, "fn run() -> f64 = exp(1.0, 2.0);"},
    {E0304, "fn run() -> f64 = sum([1.0], axes = 0);"},
    {E0304, "fn run() -> f64 = { let f = fn (a, b) -> a + b; f(1.0) };"},
    {E0304, "struct P[n] { w: f64[n]; }\nfn f(p: P) -> f64 = 1.0;"},
    {E0305, "fn f(x: f64[3]) -> f64 = x[3];"},
    {E0305, "fn f[n](x: f64[n]) -> f64 = x[-1];"},
    {E0305, "fn f(x: f64[3]) -> f64[2] = x[2:4];"},
    {E0305, "fn f[n](x: f64[n]) -> f64 = x[0, 0];"},
    {E0305, "fn f[n](x: f64[n]) -> f64 = x[1.5];"},
    {E0305, "fn run() -> f64 = sum(sum([1.0], axis = 1));"},
    {E0306, "fn f[n](x: f64[n]) -> f64 = sum(for i { x[i + 1] });"},
    {E0306, "fn f[n, m](x: f64[n], y: f64[m]) -> f64 = sum(for i { x[i] * y[i] });"},
    {E0307, "fn run() -> f64 = loop s = 0.0 for i < 3 { [s, s] };"},
    {E0307, "fn run() -> f64 = sum(loop s = [1.0] for i < 3 { concat(s, s) });"},
    {E0308, "struct P { weight: f64; }\nfn f(p: P) -> f64 = p.weigth;"},
    {E0309, "fn f[n](x: f64[n], k: i64) -> f64 = sum(x[0:k]);"},
    {E0309, "fn f(k: f64) -> f64 = sum(for i < k { 1.0 });"},
    {E0310, "fn make[n]() -> f64[n] = for i < n { 1.0 };\nfn run() -> f64 = sum(make());"},
    {E0311, "fn f[n](x: f64[n]) -> f64[n] = grad(fn u -> u * u, x);"},
    {E0311, "fn f(k: i64) -> f64 = grad(fn u -> 1.0, k);"},
    {E0312, "fn f(x: f64) -> f64 = f(x) + 1.0;"},
    {E0207, "fn f(x: f64) -> bool = x ~= 1.0;"},
};

static void test_codes(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) expect_error(bad[i].text, bad[i].code);
}

// Functions that call the one before them twice: a million additions in a few lines.
static void test_budget(void **state) {
  (void)state;
  static char text[4096];
  size_t used = (size_t)snprintf(text, sizeof text, "fn g0(x: f64) -> f64 = x + 1.0;\n");
  for (int i = 1; i < 22; i++)
    used += (size_t)snprintf(text + used, sizeof text - used,
                             "fn g%d(x: f64) -> f64 = g%d(x) * g%d(x + 1.0);\n", i, i - 1, i - 1);
  expect_error(text, E0313);
}

// Every mistake of a file is found in one run, each once, and calls of what is wrong stay silent.
static void test_several(void **state) {
  (void)state;
  Snippet *s = snippet_open(
      "fn a[n](x: f64[n], y: f64[n + 1]) -> f64[n] = x + y;\n"
      "fn b[n](x: f64[n]) -> f64 = sum(a(x, x)) + x.left;\n"
      "fn c(x: f64) -> f64 = { let u = [1.0, 2.0] @ [1.0]; let v = exp(true); u + v };\n"
      "fn run() -> f64 = c(1.0) + c(2.0);");
  Diagnostics *d = s->compilation->diagnostics;
  Span anywhere = {0};
  assert_int_equal(diagnostics_errors(d), 4);
  assert_int_equal(diagnostics_count_code(d, E0301, anywhere), 2);
  assert_int_equal(diagnostics_count_code(d, E0308, anywhere), 1);
  assert_int_equal(diagnostics_count_code(d, E0303, anywhere), 1);
  snippet_close(s);
}

static char *printed(Snippet *s) {
  static char text[8192];
  FILE *file = tmpfile();
  diagnostics_print(s->compilation->diagnostics, file, ERRORS_HUMAN, false, 0);
  rewind(file);
  text[fread(text, 1, sizeof text - 1, file)] = 0;
  fclose(file);
  return text;
}

static void test_layout_of_a_mismatch(void **state) {
  (void)state;
  Snippet *s = snippet_open("fn f[n, d](X: f64[n, d], w: f64[d]) -> f64[n] = 2.0 * (w @ X);");
  assert_string_equal(printed(s),
                      "error[E0301]: these shapes do not fit `@`\n"
                      " --> snippet.blo:1:56\n"
                      "  |\n"
                      "1 | fn f[n, d](X: f64[n, d], w: f64[d]) -> f64[n] = 2.0 * (w @ X);\n"
                      "  |                                                        ^   ^ f64[n, d]\n"
                      "  |                                                        f64[d]\n"
                      "  = the inner dims are d (the entries of `w`) and n (the rows of `X`)\n"
                      "  = help: write `X @ w`, which has shape f64[n]\n"
                      "\n"
                      "1 error\n");
  snippet_close(s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_codes),
      cmocka_unit_test(test_budget),
      cmocka_unit_test(test_several),
      cmocka_unit_test(test_layout_of_a_mismatch),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
