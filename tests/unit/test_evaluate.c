// The staged evaluator: expressions, functions, derivatives, comprehensions, loops against known
// numbers.
#include "evaluate_fixture.h"

static void test_arithmetic(void **state) {
  (void)state;
  expect_values("fn run() -> f64 = 1 + 2 * 3;", 7);
  expect_values("fn run() -> f64[3] = 2.0 * [1.0, 2.0, 3.0] + [1.0, 1.0, 1.0];", 3, 5, 7);
  expect_values("fn run() -> f64[2] = [3.0, 4.0]^2;", 9, 16);
  expect_values("fn run() -> f64[2] = [2.0, 4.0]^-2;", 0.25, 0.0625);
  expect_values("fn run() -> f64[2] = [4.0, 9.0]^0.5;", 2, 3);
  expect_values("fn run() -> f64[2] = -[1.0, -2.0]^2;", -1, -4);
  expect_values("dim n = 4; fn run() -> f64 = real(n) / 8.0;", 0.5);
  expect_values("dim n; fn run() -> f64 = 1.0 / real(2 * n);", 0.1);
  expect_values("fn run() -> i64 = div(-7, 2);", -4);
  expect_values("fn run() -> i64 = mod(-7, 2);", 1);
  expect_values("fn run() -> f64[2, 2] = for i < 2, j < 2 { real(i) } + [10.0, 20.0];", 10, 20, 11,
                21);
}

static void test_conditions(void **state) {
  (void)state;
  expect_values("fn run() -> f64 = if 1 < 2 then 3.0 else 4.0;", 3);
  expect_values(
      "fn run() -> f64[3] = { let x = [-1.0, 0.0, 4.0]; if x > 0.0 then sqrt(x) else 0.0 };", 0, 0,
      2);
  expect_values("fn run() -> f64[3] = { let x = [-1.0, 0.0, 4.0];\n"
                "  grad(fn u -> sum(if u > 0.0 then sqrt(u) else 0.0), x) };",
                0, 0, 0.25);
  expect_values("fn f(x: f64) -> f64 = if x > 0.0 then x else -2.0 * x;\n"
                "fn run() -> f64[2] = [f(3.0), f(-3.0)];",
                3, 6);
  expect_values("fn run() -> f64 = { let x = [1.0, 2.0]; let k = argmax(x);\n"
                "  let (a, b) = if k == 1 then (x, 2.0 * x) else (0.0 * x, x); sum(a + b) };",
                9);
  expect_values("fn run() -> bool = { let i = argmax([1.0, 5.0]); i == 1 && [2.0, 3.0][i] > 2.5 };",
                1);
  expect_values("fn run() -> bool = { let i = argmax([1.0, 5.0]); i == 0 || false };", 0);
}

static void test_functions(void **state) {
  (void)state;
  expect_values("fn add(a: f64, b: f64 = 2.0) -> f64 = a + b;\n"
                "fn run() -> f64 = add(1.0) + add(1.0, 5.0) + add(b = 1.0, a = 1.0);",
                11);
  expect_values("fn twice(f: f64 -> f64, x: f64) -> f64 = f(f(x));\n"
                "fn run() -> f64 = { let k = 3.0; twice(fn u -> k * u, 2.0) };",
                18);
  expect_values("fn scale[n](x: real[n], by: real) -> real[n] = by * x;\n"
                "fn run() -> f64[2] = { let f = fn x -> scale(x, by = 3.0); f([1.0, 2.0]) };",
                3, 6);
  expect_values("fn ones[a, b]() -> real[a, b] = for i < a, j < b { 1.0 };\n"
                "fn run() -> f64[2, 3] = ones();",
                1, 1, 1, 1, 1, 1);
  expect_values("fn part[n, k](x: f64[n]) -> f64[k] = x[0:k];\n"
                "fn run() -> f64[2] = part([1.0, 2.0, 3.0], k = 2);",
                1, 2);
  expect_values("import linear;\n"
                "fn run() -> f64[2] = { let A: f64[2, 2] = [[4.0, 1.0], [1.0, 3.0]];\n"
                "  let solve_it = linear.cg(tol = 1e-14);\n"
                "  let b = [1.0, 2.0]; let u = solve_it(fn v -> A @ v, b, 0.0 * b);\n"
                "  for i { round12(u[i]) } };\n"
                "fn round12(x: f64) -> f64 = floor(x * 1e12 + 0.5) / 1e12;",
                0.090909090909, 0.636363636364);
  expect_values("import linear;\n"
                "fn run() -> f64 = { let b = ([1.0, 2.0], 3.0);\n"
                "  let (p, q) = linear.cg(fn u -> 2.0 * u, b, 0.0 * b); sum(p) + q };",
                3);
  expect_values("import linear;\n"
                "fn run() -> f64 = { let b = ([1.0, 2.0], 3.0);\n"
                "  let (p, q) = linear.direct(fn u -> 2.0 * u, b, 0.0 * b); sum(p) + q };",
                3);
  expect_values(
      "import linear;\n"
      "fn run() -> f64 = linear.neumann(fn u -> 0.5 * u, 1.0, 0.0, terms = 3, step = 1.0);",
      1.75);
}

static void test_structs(void **state) {
  (void)state;
  expect_values("import nn;\n"
                "struct Net { a: nn.Linear[2, 3]; b: f64[2] = 1.0; }\n"
                "struct P[n] { w: f64[n] = 2.0; c: f64 = 0.5; }\n"
                "fn total[n](p: P[n]) -> f64 = sum(p.w) + p.c;\n"
                "fn run() -> f64 = total(P[3]()) + total(P(w = [1.0, 2.0], c = 1.0));",
                10.5);
  expect_values("struct P { w: f64[2]; c: f64; }\n"
                "fn run() -> f64 = { let p = P(w = [1.0, 2.0], c = 3.0); let q = 2.0 * p - p;\n"
                "  dot(q, p) + sumsq(p) + norm(p)^2 };",
                42);
  expect_values("struct P { w: f64[2]; c: f64; }\n"
                "fn run() -> f64 = { let p = P(w = [1.0, 2.0], c = 3.0);\n"
                "  let g = grad(fn q -> sumsq(q) * q.c, p); g.c + sum(g.w) };",
                50);
  expect_values("struct P { w: f64[2]; c: f64; }\n"
                "fn run() -> f64[3] = flat(unflat([5.0, 6.0, 7.0], P(w = [1.0, 2.0], c = 3.0)));",
                5, 6, 7);
  expect_values("struct P { w: f64[2]; c: f64; }\n"
                "fn run() -> f64 = { let p = P(w = [1.0, 2.0], c = 3.0);\n"
                "  let t = for i < 3 { real(i) * p }; let u = put(t, 1, p);\n"
                "  u[2].c + u.c[1] + sum(u, axis = 0).w[1] };",
                15);
  expect_values("fn run() -> i64 = size(([1.0, 2.0], 3.0)) + rank([[1.0]]);", 5);
  expect_values("fn run() -> f64[2] = { let (a, b) = map(fn (x, y) -> x * y, ([1.0, 2.0], 3.0),\n"
                "  ([4.0, 5.0], 6.0)); b * a };",
                72, 180);
}

static void test_derivatives(void **state) {
  (void)state;
  expect_values("fn run() -> f64[2] = grad(fn w -> sum(w^3), [1.0, 2.0]);", 3, 12);
  expect_values("fn run() -> f64 = grad(fn a -> a^2, 3);", 6);
  expect_values("fn run() -> f64[2] = hvp(fn w -> sum(w^3), [1.0, 2.0], [1.0, 10.0]);", 6, 120);
  expect_values("fn run() -> f64 = jvp(fn w -> sum(exp(w)), [0.0, 0.0], [1.0, 2.0]);", 3);
  expect_values("fn run() -> f64[2] = vjp(fn w -> w * w, [1.0, 2.0], [1.0, 2.0]);", 2, 8);
  // perturbation confusion: d/dx (x * d/dy (x + y)) = 1
  expect_values("fn run() -> f64 = grad(fn x -> x * grad(fn y -> x + y, 1.0), 1.0);", 1);
  expect_values("fn run() -> f64 = grad(fn x -> x * grad(fn y -> x * y^2, x), 2.0);", 24);
  // the point is captured too: only the parameter varies
  expect_values(
      "fn run() -> f64[2] = { let y = [1.0, 2.0]; grad(fn w -> sumsq(w) + dot(y, w), y) };", 3, 6);
  expect_values(
      "fn run() -> f64 = grad(fn a -> grad(fn b -> grad(fn c -> a * b * c^2, b), a), 2.0);", 16);
  // the mixed product of implicit differentiation
  expect_equal(
      "fn f(s: f64, w: f64[2]) -> f64 = exp(s) * dot(w, w) + sum(w^4);\n"
      "fn run() -> (f64, f64) = { let y = [0.5, -1.5]; let v = [2.0, 3.0];\n"
      "  (grad(fn s -> dot(grad(fn w -> f(s, w), y), v), 0.3), 2.0 * exp(0.3) * dot(y, v)) };",
      1e-12);
  expect_equal("fn f(w: f64[3]) -> f64 = logsumexp(w) + norm(w);\n"
               "fn run() -> (f64[3], f64[3]) = { let w = [0.1, 0.2, -0.3]; let e = exp(w);\n"
               "  (grad(f, w), e / sum(e) + w / norm(w)) };",
               1e-12);
  expect_values("fn run() -> f64[2] = grad(fn w -> norm(w), [0.0, 0.0]);", 0, 0);
  expect_values("fn run() -> f64[4] = grad(fn w -> sum(clamp(w, 0.0, 1.0)), [0.0, 1.0, 0.5, 2.0]);",
                1, 1, 1, 0);
  expect_values("fn run() -> f64[2] = grad(fn w -> sum(detach(w) * w), [3.0, 4.0]);", 3, 4);
  // through a loop, and of a gradient descent path
  expect_equal("fn path(t: f64) -> f64 = loop w = 0.0 for i < 20 { w - 0.1 * (w - t^2) };\n"
               "fn run() -> (f64, f64) = (grad(path, 1.5), 3.0 * (1.0 - 0.9^20));",
               1e-12);
  expect_equal("fn f(t: f64, w: f64[2]) -> f64 = exp(t) * sum(w^4) / 4.0 - sum(w);\n"
               "fn path(t: f64) -> f64[2] = loop w = [0.5, 0.5] for i < 5 {\n"
               "  w - 0.1 * grad(fn u -> f(t, u), w) };\n"
               "fn outer(t: f64) -> f64 = sumsq(path(t));\n"
               "fn run() -> (f64, f64) = (grad(outer, 0.2),\n"
               "  (outer(0.2 + 1e-5) - outer(0.2 - 1e-5)) / 2e-5);",
               1e-8);
}

// y solves exp(y) c + y = b, so dy/dc = -exp(y) / (c exp(y) + 1).
static const char root_text[] =
    "import linear;\n"
    "fn solved(c: f64[2], b: f64[2]) -> f64[2] =\n"
    "  loop y = 0.0 * c for i < 60 { y - (exp(y) * c + y - b) / (exp(y) * c + 1.0) };\n"
    "fn y_of(c: f64[2], b: f64[2]) -> f64[2] =\n"
    "  root(fn y -> exp(y) * c + y - b, detach(solved(c, b)), linear.direct);\n"
    "const c = [0.5, 2.0]; const b = [1.0, 3.0];\n"
    "fn loss(k: f64[2]) -> f64 = sum(y_of(k, b)^3);\n"
    "fn slope(k: f64[2]) -> f64[2] = grad(fn q -> sum(solved(q, b)^3), k);\n";

static void test_implicit_functions(void **state) {
  (void)state;
  char text[2048];
  snprintf(text, sizeof text, "%s%s", root_text,
           "fn run() -> (f64[2], f64[2], f64[2], f64[2]) = { let y = solved(c, b);\n"
           "  let d = (0.0 - exp(y)) / (c * exp(y) + 1.0);\n"
           "  (grad(loss, c), jvp(fn k -> y_of(k, b), c, [1.0, 1.0]), 3.0 * y^2 * d, d) };");
  expect_equal(text, 1e-12);
  snprintf(text, sizeof text, "%s%s", root_text,
           "fn run() -> (f64[2], f64[2]) = { let v = [1.0, 2.0];\n"
           "  (hvp(loss, c, v), (slope(c + 1e-5 * v) - slope(c - 1e-5 * v)) / 2e-5) };");
  expect_equal(text, 1e-8);
}

static void test_comprehensions(void **state) {
  (void)state;
  static const char data[] = "const A = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]];\n"
                             "const B = [[1.0, -1.0], [2.0, 0.5]];\n";
  char text[2048];
#define WITH_DATA(body) (snprintf(text, sizeof text, "%s%s", data, body), text)
  expect_equal(WITH_DATA("fn run() -> (f64[3, 2], f64[3, 2]) =\n"
                         "  (for i, j { sum(for k { A[i, k] * B[k, j] }) }, A @ B);"),
               1e-13);
  expect_equal(WITH_DATA("fn run() -> (f64[2], f64[2]) = { let r = [1.0, 2.0, 3.0];\n"
                         "  (for j { sum(for i { A[i, j] * r[i] }) }, transpose(A) @ r) };"),
               1e-13);
  expect_equal(
      WITH_DATA(
          "fn run() -> (f64[3, 2], f64[3, 2]) = { let r = [1.0, 2.0, 3.0]; let s = [4.0, 5.0];\n"
          "  (for i, j { r[i] * s[j] }, for i { r[i] * s }) };"),
      1e-13);
  expect_values(WITH_DATA("fn run() -> f64[2] = for i { B[i, i] };"), 1, 0.5);
  expect_values("fn conv1[n, k](x: f64[n], f: f64[k]) -> f64[n - k + 1] =\n"
                "  for y { sum(for a { x[y + a] * f[a] }) };\n"
                "fn run() -> f64[3] = conv1([1.0, 2.0, 3.0, 4.0], [1.0, 10.0]);",
                21, 32, 43);
  expect_equal(
      WITH_DATA(
          "fn run() -> (f64[3], f64[3]) = (for i { dot(A[i], A[i]) }, for i { sumsq(A[i]) });"),
      1e-13);
  expect_equal(
      WITH_DATA("fn run() -> (f64[3, 3], f64[3, 3]) =\n"
                "  (for i, j { dot(A[i], A[j]) / sqrt(2.0) }, A @ transpose(A) / sqrt(2.0));"),
      1e-13);
  expect_values("import nn; fn run() -> f64[2] = nn.cross_entropy([[0.0, 0.0], [0.0, 0.0]], [0, "
                "1]) / log(2.0);",
                1, 1);
  expect_values(
      "fn run() -> f64[3] = for i < 3 { if i + 1 < 3 then [1.0, 2.0, 3.0][i + 1] else 0.0 };", 2, 3,
      0);
  expect_values("fn run() -> f64[2, 2] = { let x = [1.0, 2.0, 3.0]; for i < 2 { x[i:i + 2] } };", 1,
                2, 2, 3);
  expect_values(
      "fn run() -> f64[2, 2] = { let o = [1, 0]; let x = [[1.0, 2.0], [3.0, 4.0]]; x[o] };", 3, 4,
      1, 2);
  expect_values(
      "fn run() -> f64[2, 2] = { let o = [1, 0]; let x = [[1.0, 2.0], [3.0, 4.0]]; x[:, o] };", 2,
      1, 4, 3);
  expect_values("fn run() -> f64[2] = { let x = [[1.0, 2.0], [3.0, 4.0]]; x[:, 1] };", 2, 4);
  expect_values(
      "fn run() -> f64[3] = for i { (for j < 2 { [1.0, 2.0, 3.0][i] * real(j + 1) })[1] };", 2, 4,
      6);
  expect_values(
      "fn run() -> f64 = { let (a, b) = for i < 3 { (real(i), 2.0 * real(i)) }; dot(a, b) };", 10);
  // dims stay free
  expect_values("dim n; fn run() -> f64 = sum(for i < n { real(i) });", 10);
  expect_values("dim n; fn run() -> f64 = { let x = for i < n { real(i) }; mean(for i < n { x[n - "
                "1 - i] }) };",
                2);
}

static void test_products_are_recognised(void **state) {
  (void)state;
  // affine indices leave views, no gathers
  static const char *const texts[] = {
      "dim n, m, k; const A: f64[n, k] = 1.0; const B: f64[k, m] = 2.0;\n"
      "fn run() -> f64[n, m] = for i, j { sum(for l { A[i, l] * B[l, j] }) };",
      "dim n, k; fn run() -> f64 = { let x: f64[n + k] = 1.0; let f: f64[k + 1] = 1.0;\n"
      "  sum(for y < n { sum(for a { x[y + a] * f[a] }) }) };",
      "dim n; fn run() -> f64[n] = { let x: f64[n, n] = 1.0; for i { x[i, i] + x[n - 1 - i, 0] } "
      "};",
  };
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    Snippet *s = snippet_run(texts[i]);
    for (const Op *op = s->func->body->first; op; op = op->next)
      if (op->code == OP_GATHER) {
        snippet_print_ir(s);
        fail_msg("a gather is left in %s", texts[i]);
      }
    snippet_close(s);
  }
}

static void test_loops(void **state) {
  (void)state;
  expect_values("fn run() -> f64 = loop s = 1.0 for i < 10 { 2.0 * s };", 1024);
  expect_values("fn run() -> i64 = loop s = 0 for i < 5 { s + i };", 10);
  expect_values("fn run() -> f64 = loop s = 0 for i < 5 { s + 0.5 };", 2.5);
  expect_values(
      "fn run() -> f64[2] = { let (a, b) = loop (a, b) = (1.0, 1.0) for i < 100 while b < 50.0 {\n"
      "  (b, a + b) }; [a, b] };",
      34, 55);
  expect_values(
      "fn run() -> f64[4] = { let (last, all) = loop s = 1.0 for i < 4 { s * 2.0 yield s };\n"
      "  all };",
      1, 2, 4, 8);
  expect_values("fn run() -> f32 = loop s = 0.0 for i < 3 { s + f32(0.5) };", 1.5);
  expect_values("dim n; fn run() -> f64 = loop s = 0.0 for i < n { s + real(i) };", 10);
  expect_values("fn run() -> f64[2] = for k < 2 { loop s = 0.0 for i < 3 { s + real(k + i) } };", 3,
                6);
}

static void test_builtins(void **state) {
  (void)state;
  expect_values(
      "fn run() -> f64[4] = [max(1.0, 2.0), min([3.0, 1.0]), mean([1.0, 3.0]), prod([2.0, 3.0])];",
      2, 1, 2, 6);
  expect_values("fn run() -> f64[2] = sum([[1.0, 2.0], [3.0, 4.0]], axis = 0);", 4, 6);
  expect_values("fn run() -> f64[2] = max([[1.0, 5.0], [3.0, 4.0]], axis = 1);", 5, 4);
  expect_values("fn run() -> f64[3] = sort([2.0, 3.0, 1.0], descending = true);", 3, 2, 1);
  expect_values("fn run() -> i64[3] = argsort([2.0, 3.0, 1.0]);", 2, 0, 1);
  expect_values("fn run() -> f64[2, 2] = sort([[2.0, 1.0], [3.0, 4.0]]);", 1, 2, 3, 4);
  expect_values("fn run() -> f64[3] = cumsum([1.0, 2.0, 3.0]);", 1, 3, 6);
  expect_values("fn run() -> f64[3] = concat([1.0], [2.0, 3.0]);", 1, 2, 3);
  expect_values(
      "fn run() -> i64[3] = { let x = [1.0, -1.0, 2.0];\n"
      "  [count(x > 0.0), if any(x < 0.0) then 1 else 0, if all(x > 0.0) then 1 else 0] };",
      2, 1, 0);
  expect_values("fn run() -> f64[2] = { let I: f64[2, 2] = eye(); solve(2.0 * I, [2.0, 4.0]) };", 1,
                2);
  expect_values("fn run() -> f64[2, 2] = cholesky([[4.0, 2.0], [2.0, 5.0]]);", 2, 0, 1, 2);
  expect_values("fn run() -> f64[2] = tri_solve([[2.0, 0.0], [1.0, 2.0]], [2.0, 5.0]);", 1, 2);
  expect_values("fn run() -> f64[3] = add_at([0.0, 0.0, 0.0], [2, 0, 2], [1.0, 2.0, 3.0]);", 2, 0,
                4);
  expect_values("fn run() -> f64[3] = put([0.0, 0.0, 0.0], argmax([1.0, 2.0]), 7.0);", 0, 7, 0);
  expect_values(
      "fn run() -> f64[2] = { let u = for i < 1000 { uniform() };\n"
      "  [if abs(mean(u) - 0.5) < 0.05 then 1.0 else 0.0, if u[0] == u[1] then 1.0 else 0.0] };",
      1, 0);
  expect_values("fn run() -> f64 = { let z = for i < 2000 { normal() };\n"
                "  if abs(mean(z)) < 0.1 && abs(mean(z^2) - 1.0) < 0.1 then 1.0 else 0.0 };",
                1);
  expect_values("import metrics; fn run() -> f64 = metrics.auroc([0.1, 0.4, 0.35, 0.8], [false, "
                "false, true, true]);",
                0.75);
  expect_values("import sets; fn run() -> f64 = logsumexp([1000.0, 1000.0]) - log(2.0);", 1000);
}

// Functions as libraries have them: normalisation, convolution, attention, sampling, routing,
// MINRES.
static const char library_text[] =
    "blo 1;\n"
    "fn softmax1(z: real[..]) -> real[..] { let e = exp(z - max(z)); e / sum(e) }\n"
    "fn standardize[B, d](z: f32[B, d]) -> f32[B, d] {\n"
    "  let mu = for j { mean(for i { z[i, j] }) };\n"
    "  let va = for j { mean(for i { (z[i, j] - mu[j])^2 }) };\n"
    "  (z - mu) / sqrt(va + 1e-5)\n"
    "}\n"
    "fn layer_norm[d](z: f32[d], s: f32[d], b: f32[d]) -> f32[d] {\n"
    "  let c = z - mean(z);\n"
    "  c / sqrt(mean(c^2) + 1e-6) * s + b\n"
    "}\n"
    "struct Stats[c] { mean: real[c] = 0.0; vari: real[c] = 1.0; }\n"
    "struct Norm[c] { scale: real[c] = 1.0; shift: real[c] = 0.0; }\n"
    "fn batch_norm[B, c, h, w](p: Norm[c], run: Stats[c], x: real[B, c, h, w], train: bool) -> "
    "(real[B, c, h, w], Stats[c]) {\n"
    "  let mu = if train then for j { mean(x[:, j]) } else run.mean;\n"
    "  let va = if train then for j { mean((x[:, j] - mu[j])^2) } else run.vari;\n"
    "  let y  = for i, j { (x[i, j] - mu[j]) / sqrt(va[j] + 1e-5) * p.scale[j] + p.shift[j] };\n"
    "  (y, Stats(mean = mu, vari = va))\n"
    "}\n"
    "fn conv1[ci, co, h, w, k](x: f32[ci, h, w], f: f32[co, ci, k, k]) -> f32[co, h - k + 1, w - k "
    "+ 1]\n"
    "  = for o, y, z { sum(for c, a, b { x[c, y + a, z + b] * f[o, c, a, b] }) };\n"
    "fn attention[T, d](q: f32[T, d], k: f32[T, d], v: f32[T, d]) -> f32[T, d] {\n"
    "  for i {\n"
    "    let s = for j { dot(q[i], k[j]) / sqrt(f32(d)) };\n"
    "    let e = exp(s - max(s));\n"
    "    (e / sum(e)) @ v\n"
    "  }\n"
    "}\n"
    "fn categorical[k](p: f32[k]) -> i64 {\n"
    "  let u = uniform();\n"
    "  let c = cumsum(p);\n"
    "  min(count(for i { c[i] <= f32(u) }), k - 1)\n"
    "}\n"
    "fn top_p[k](z: f32[k], temperature: f32, mass: f32) -> i64 {\n"
    "  let p  = exp(z / temperature - logsumexp(z / temperature));\n"
    "  let o  = argsort(-p);\n"
    "  let ps = p[o];\n"
    "  let c  = cumsum(ps) - ps;\n"
    "  let q  = for i { if c[i] < mass then ps[i] else 0.0 };\n"
    "  o[categorical(q / sum(q))]\n"
    "}\n"
    "fn beta4() -> f64 = sort(for i < 7 { uniform() })[3];\n"
    "fn permutation[n]() -> i64[n] = argsort(for i < n { uniform() });\n"
    "struct Cell[c] { k: f32[4 * c, 1 + c, 5, 5]; b: f32[4 * c] = 0.0; }\n"
    "fn routing[H, Wd, C, grid, heads](q: real[H, Wd, C]) -> real[grid * grid, (H / grid) * (Wd / "
    "grid), C] {\n"
    "  for r < grid * grid, a < (H / grid) * (Wd / grid), c < C {\n"
    "    q[div(r, grid) * (H / grid) + div(a, Wd / grid), mod(r, grid) * (Wd / grid) + mod(a, Wd / "
    "grid), c]\n"
    "  }\n"
    "}\n"
    "fn minres(A: vec -> vec, b: vec, u0: vec, tol: real = 1e-10, iters: int = 200) -> vec {\n"
    "  let r0 = b - A(u0);\n"
    "  let b0 = norm(r0);\n"
    "  let zero = 0.0 * b;\n"
    "  let v0 = (1.0 / max(b0, 1e-300)) * r0;\n"
    "  let (u, v1, v, d1, d2, beta, eta, c0, c1, s0, s1) =\n"
    "    loop (u, v1, v, d1, d2, beta, eta, c0, c1, s0, s1) = (u0, zero, v0, zero, zero, 0.0, b0, "
    "1.0, 1.0, 0.0, 0.0)\n"
    "    for i < iters while abs(eta) > tol * b0 {\n"
    "      let p  = A(v) - beta * v1;\n"
    "      let al = dot(p, v);\n"
    "      let r  = p - al * v;\n"
    "      let bn = norm(r);\n"
    "      let delta = c1 * al - c0 * s1 * beta;\n"
    "      let r1 = sqrt(delta^2 + bn^2);\n"
    "      let r2 = s1 * al + c0 * c1 * beta;\n"
    "      let r3 = s0 * beta;\n"
    "      let c  = delta / r1;\n"
    "      let s  = bn / r1;\n"
    "      let w  = (1.0 / r1) * (v - r3 * d1 - r2 * d2);\n"
    "      (u + (c * eta) * w, v, (1.0 / max(bn, 1e-300)) * r, d2, w, bn, -s * eta, c1, c, s1, s)\n"
    "    };\n"
    "  u\n"
    "}\n"
    "fn run() -> f64[2] = {\n"
    "  let z: f32[2, 3] = [[1.0, 2.0, 3.0], [0.5, 0.1, 0.2]];\n"
    "  let q = routing(for i < 4, j < 4, c < 2 { real(100 * i + 10 * j + c) }, grid = 2, heads = "
    "2);\n"
    "  let x: f32[2, 5, 5] = 1.0; let f: f32[3, 2, 3, 3] = 0.5;\n"
    "  let a = attention(z, 2.0 * z, z);\n"
    "  let m = minres(fn u -> [[2.0, 1.0], [1.0, -3.0]] @ u, [3.0, -2.0], [0.0, 0.0]);\n"
    "  [q[1, 2, 1], f64(sum(conv1(x, f))) + f64(sum(a)) * 0.0 + m[0] + m[1] + real(top_p([0.1, "
    "0.2, 0.3], 1.0, 0.5)) * 0.0]\n"
    "};\n";

static void test_library_functions(void **state) {
  (void)state;
  expect_values(library_text, 121, 245);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_arithmetic),
      cmocka_unit_test(test_conditions),
      cmocka_unit_test(test_functions),
      cmocka_unit_test(test_structs),
      cmocka_unit_test(test_derivatives),
      cmocka_unit_test(test_implicit_functions),
      cmocka_unit_test(test_comprehensions),
      cmocka_unit_test(test_products_are_recognised),
      cmocka_unit_test(test_loops),
      cmocka_unit_test(test_builtins),
      cmocka_unit_test(test_library_functions),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
