// The evaluator under one-token edits: whatever a file says, it ends in values or in diagnostics.
//
// Words of good snippets are exchanged, dropped and doubled by a fixed random sequence; what the front end
// still accepts is evaluated, verified and interpreted. Nothing here may crash or fail a verifier.
#include "evaluate_fixture.h"

#include <ctype.h>
#include <stdlib.h>

static const char *const seeds[] = {
    "struct P[n] { w: f64[n] = 2.0; c: f64 = 0.5; }\n"
    "fn total[n](p: P[n], x: real[n]) -> f64 = sum(p.w * x) + p.c;\n"
    "fn run() -> f64 = total(P[3](), [1.0, 2.0, 3.0]) + grad(fn a -> a^2 * 3.0, 2.0);",
    "dim n, d; const A: f64[n, d] = 1.0;\n"
    "fn f(s: f64, w: f64[d]) -> f64 = exp(s) * dot(w, w) + mean((A @ w)^2);\n"
    "fn run() -> f64 = { let y: f64[d] = 0.5; let v: f64[d] = 2.0;\n"
    "  let g = grad(fn s -> dot(grad(fn w -> f(s, w), y), v), 0.3); g + sum(hvp(fn w -> f(0.1, w), y, v)) };",
    "fn run() -> f64[3] = { let x = [1.0, 2.0, 3.0, 4.0]; let f = [1.0, 10.0];\n"
    "  for y < 3 { sum(for a { x[y + a] * f[a] }) + (if y == 1 then x[y + 1] else 0.0) } };",
    "fn run() -> (f64, f64[4]) = { let k = argmax([1.0, 3.0, 2.0]);\n"
    "  loop s = 1.0 for i < 4 while s < 100.0 { let q = if k == 1 then s * 2.0 else s; q yield q + real(i) } };",
    "import linear; import nn;\n"
    "fn run() -> f64 = { let b = ([1.0, 2.0], 3.0); let (p, q) = linear.cg(fn u -> 2.0 * u, b, 0.0 * b);\n"
    "  let t = for i < 2 { put(p, i, q) }; sum(t[:, 1]) + sum(nn.softmax(p)) + sort(p, descending = true)[0] };",
    "fn g[n, k](x: f64[n], rows: i64[k]) -> f64[k] = x[rows];\n"
    "fn run() -> f64 = { let (a, b) = map(fn (x, y) -> x - y, ([1.0, 2.0], 3.0), ([4.0, 5.0], 6.0));\n"
    "  let h = fn (u, v) -> clamp(u, -1.0, v); norm(g(a, [1, 0])) + h(b, 2.0) + uniform() + logsumexp(a) };",
};

static uint64_t random_state = 88172645463325252u;
static uint32_t next_random(uint32_t below) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (uint32_t)(random_state >> 33) % below;
}

typedef struct Word {
  const char *start;
  size_t length;
} Word;

static size_t split(const char *text, Word *words, size_t limit) {
  size_t count = 0;
  while (*text && count < limit) {
    const char *start = text;
    if (isalnum((unsigned char)*text) || *text == '_') {
      while (isalnum((unsigned char)*text) || *text == '_' || *text == '.') text++;
    } else {
      text++;
    }
    words[count++] = (Word){start, (size_t)(text - start)};
  }
  return count;
}

static void mutate(char *out, size_t room, const char *text) {
  static Word words[1024], others[1024];
  size_t count = split(text, words, 1024);
  size_t other_count = split(seeds[next_random(sizeof seeds / sizeof *seeds)], others, 1024);
  size_t place = next_random((uint32_t)count), used = 0;
  uint32_t kind = next_random(4);
  Word other = next_random(2) ? others[next_random((uint32_t)other_count)]
                              : words[next_random((uint32_t)count)];
  for (size_t i = 0; i < count; i++) {
    Word parts[2] = {words[i], {NULL, 0}};
    if (i == place && kind == 0) parts[0].length = 0;
    if (i == place && kind == 1) parts[1] = words[i];
    if (i == place && kind >= 2) parts[0] = other;
    for (int k = 0; k < 2; k++) {
      if (used + parts[k].length + 1 >= room) continue;
      memcpy(out + used, parts[k].start ? parts[k].start : "", parts[k].length);
      used += parts[k].length;
    }
  }
  out[used] = 0;
}

static void try_text(const char *text) {
  Snippet *s = snippet_open(text);
  if (s->leaves && !diagnostics_errors(s->compilation->diagnostics)) {
    const char *message = ir_verify(s->compilation->arena, s->module);
    if (message) {
      snippet_print_ir(s);
      fail_msg("%s\n%s", text, message);
    }
    Interpretation run = {.arena = s->compilation->arena,
                          .dim_value = free_dim,
                          .self = s,
                          .op_limit = 200000};
    if (s->leaves <= LEAF_LIMIT) ir_interpret(&run, s->func, NULL, s->results);
  }
  snippet_close(s);
}

static void test_mutations(void **state) {
  (void)state;
  const char *wish = getenv("BLO_MUTATIONS");
  int rounds = wish ? atoi(wish) : 300;
  static char once[8192], twice[8192];
  for (int i = 0; i < rounds; i++) {
    mutate(once, sizeof once, seeds[next_random(sizeof seeds / sizeof *seeds)]);
    mutate(twice, sizeof twice, once);
    if (wish && getenv("BLO_SHOW")) {
      FILE *file = fopen(getenv("BLO_SHOW"), "w");
      fputs(i % 2 ? twice : once, file);
      fclose(file);
    }
    try_text(i % 2 ? twice : once);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_mutations),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
