// The program level of the build, run by the interpreter: levels, methods, optimisers, batches,
// tests.
#include "unit/program_fixture.h"

static const char ridge[] =
    "blo 1;\n"
    "dim n, m, d;\n"
    "data { Xtr: f64[n, d];  ytr: f64[n];  Xva: f64[m, d];  yva: f64[m]; }\n"
    "upper { var t: f64 = 0.0;  minimize mean((Xva @ w - yva)^2);  report penalty = exp(t); }\n"
    "lower { var w: f64[d] = 0.0;  minimize mean((Xtr @ w - ytr)^2) + exp(t) * dot(w, w); }\n"
    "solve {\n"
    "  method = implicit(linear = cg(tol = 1e-12, iters = 50));\n"
    "  lower = gd(step = 0.1, iters = 500);\n"
    "  upper = adam(step = 0.05, iters = 40);\n"
    "}\n"
    "report size = norm(w);\n";

static void test_ridge_gradient(void **state) {
  (void)state;
  char text[4096];
  snprintf(text, sizeof text, "%s%s", ridge,
           "test \"central differences\" {\n"
           "  data = synthetic(n = 20, m = 12, d = 3, seed = 1);\n"
           "  expect hypergradient() ~= central_difference(h = 1e-5) within 1e-6;\n"
           "}\n"
           "test \"closed form\" {\n"
           "  data = synthetic(n = 20, m = 12, d = 3, seed = 2);\n"
           "  t = -1.0;\n"
           "  let A = transpose(Xtr) @ Xtr / 20.0 + exp(t) * (for i < 3, j < 3 { if i == j then "
           "1.0 else 0.0 });\n"
           "  let s = solve(A, transpose(Xtr) @ ytr / 20.0);\n"
           "  expect w ~= s within 1e-10;\n"
           "  let r = Xva @ s - yva;\n"
           "  let dw = -exp(t) * solve(A, s);\n"
           "  expect hypergradient() ~= 2.0 / 12.0 * dot(r, Xva @ dw) within 1e-9;\n"
           "  expect upper_objective() ~= mean(r^2) within 1e-10;\n"
           "}\n");
  expect_tests(text);
}

// ---- stages

static Tensor *random_data(Arena *arena, int rank, const int64_t *shape, uint64_t seed) {
  Tensor *t = tensor_create(arena, DT_F64, rank, shape);
  for (int64_t i = 0; i < t->count; i++)
    t->reals[i] = (double)(hash_mix(seed, (uint64_t)i) >> 11) * 0x1p-53 * 2.0 - 1.0;
  return t;
}

static const DimValue ridge_dims[] = {{"n", 20, false}, {"m", 12, false}, {"d", 3, false}};

static void ridge_data(Fixture *f, Values *v) {
  Arena *arena = f->compilation->arena;
  const int64_t train[] = {20, 3}, valid[] = {12, 3};
  v->data[0] = random_data(arena, 2, train, 1);
  v->data[1] = random_data(arena, 1, train, 2);
  v->data[2] = random_data(arena, 2, valid, 3);
  v->data[3] = random_data(arena, 1, valid, 4);
}

static void test_ridge_steps(void **state) {
  (void)state;
  Fixture f = build_sound(ridge, (BuildOptions){.stages = true});
  f.dims = ridge_dims;
  f.dim_count = 3;
  const blo_stage *stage = &f.built->program->stages[0];
  assert_string_equal(stage->name, "main");
  assert_int_equal(stage->iterations, 40);
  assert_string_equal(stage->state[0].name, "t");
  assert_string_equal(stage->state[1].name, "w");
  assert_string_equal(stage->state[2].name, "method.v");
  assert_string_equal(stage->state[3].name, "upper_opt.m");
  assert_true(stage->state[0].result && stage->state[1].result && !stage->state[2].result);
  assert_int_equal(f.built->program->dim_count, 3);
  Values v = {.seed = 5, .reporting = true};
  ridge_data(&f, &v);
  run_entry(&f, "main.init", &v);
  run_entry(&f, "main.step", &v);
  double first = v.upper->reals[0];
  v.reporting = false;
  for (int i = 0; i < 20; i++) run_entry(&f, "main.step", &v);
  assert_true(v.upper->reals[0] == 0.0); // not asked for
  assert_true(v.norm->reals[0] > 0.0);
  assert_float_equal(v.norm->reals[0], fabs(v.hypergradient->reals[0]), 1e-15);
  v.reporting = true;
  run_entry(&f, "main.step", &v);
  assert_true(v.upper->reals[0] < first);
  assert_int_equal(v.state[stage->state_count - 1]->integers[0], 22); // steps made
  bool penalty = false;
  for (size_t i = 0; i < stage->report_count; i++) {
    if (strcmp(stage->reports[i].name, "penalty") != 0) continue;
    penalty = true;
    assert_float_equal(v.reports[i]->reals[0], exp(v.state[0]->reals[0]), 1e-14);
  }
  assert_true(penalty);
  run_entry(&f, "main.finish", &v);
  double norm = 0.0;
  for (int i = 0; i < 3; i++) norm += v.state[1]->reals[i] * v.state[1]->reals[i];
  assert_float_equal(v.reports[0]->reals[0], sqrt(norm), 1e-14);
  destroy(&f);
}

// Free dims and dims that are known give the same bits.
static void test_free_dims(void **state) {
  (void)state;
  double results[2][4];
  for (int bound = 0; bound < 2; bound++) {
    BuildOptions options = {.stages = true};
    if (bound) {
      options.dims = ridge_dims;
      options.dim_count = 3;
    }
    Fixture f = build_sound(ridge, options);
    f.dims = ridge_dims;
    f.dim_count = 3;
    assert_int_equal(f.built->program->dim_values[0], bound ? 20 : -1);
    Values v = {.seed = 5, .reporting = true};
    ridge_data(&f, &v);
    run_entry(&f, "main.init", &v);
    for (int i = 0; i < 3; i++) run_entry(&f, "main.step", &v);
    results[bound][0] = v.state[0]->reals[0];
    for (int i = 0; i < 3; i++) results[bound][1 + i] = v.state[1]->reals[i];
    destroy(&f);
  }
  assert_memory_equal(results[0], results[1], sizeof results[0]);
}

// ---- batches

static const char batched[] =
    "blo 1;\n"
    "data rows[12] { x: f64 = 1.0; }\n"
    "upper { var s: f64[12] = 0.1;  batch v = sample(rows, 5);\n"
    "  minimize mean((s[v.index] - w)^2);  report seen = v.index; }\n"
    "lower { var w: f64 = 0.0;  batch b = %s;\n"
    "  minimize mean((w - s[b.index] - b.x)^2);  report rows_seen = b.index; }\n"
    "solve { method = soba(step = 0.1);  upper = gd(step = 0.5, iters = 10); }\n";

typedef struct Seen {
  int64_t lower[8][12], upper[8][12];
  int64_t lower_count;
  double s[12];
} Seen;

static Seen run_batched(const char *sampler, int64_t seed) {
  char text[1024];
  snprintf(text, sizeof text, batched, sampler);
  Fixture f = build_sound(text, (BuildOptions){.stages = true});
  Values v = {.seed = seed, .reporting = true};
  Seen seen = {0};
  run_entry(&f, "data", &v);
  run_entry(&f, "main.init", &v);
  for (int t = 0; t < 8; t++) {
    run_entry(&f, "main.step", &v);
    seen.lower_count = v.reports[1]->count;
    memcpy(seen.upper[t], v.reports[0]->integers, (size_t)v.reports[0]->count * 8);
    memcpy(seen.lower[t], v.reports[1]->integers, (size_t)v.reports[1]->count * 8);
  }
  memcpy(seen.s, v.state[0]->reals, sizeof seen.s);
  destroy(&f);
  return seen;
}

static void test_samples_replay(void **state) {
  (void)state;
  Seen a = run_batched("sample(rows, 5)", 3), b = run_batched("sample(rows, 5)", 3);
  Seen other = run_batched("sample(rows, 5)", 4);
  assert_memory_equal(&a, &b, sizeof a);
  assert_memory_not_equal(a.lower, other.lower, sizeof a.lower);
  assert_memory_not_equal(a.lower[0], a.lower[1], 5 * 8); // each step draws anew
  assert_memory_not_equal(a.lower[0], a.upper[0], 5 * 8); // each batch for itself
  for (int t = 0; t < 8; t++)
    for (int i = 0; i < 5; i++) {
      assert_in_range(a.lower[t][i], 0, 11);
      for (int k = 0; k < i; k++) assert_int_not_equal(a.lower[t][i], a.lower[t][k]);
    }
}

static void test_shuffles_cover(void **state) {
  (void)state;
  Seen a = run_batched("shuffle(rows, 4)", 3);
  for (int epoch = 0; epoch < 2; epoch++) {
    int met[12] = {0};
    for (int t = 0; t < 3; t++)
      for (int i = 0; i < 4; i++) met[a.lower[3 * epoch + t][i]]++;
    for (int i = 0; i < 12; i++) assert_int_equal(met[i], 1);
  }
  assert_memory_not_equal(a.lower[0], a.lower[3], 4 * 8);
}

static void test_sequence_and_whole(void **state) {
  (void)state;
  Seen a = run_batched("sequence(rows, 4)", 3);
  for (int t = 0; t < 6; t++)
    for (int i = 0; i < 4; i++) assert_int_equal(a.lower[t][i], 4 * (t % 3) + i);
  Seen whole = run_batched("sample(rows, 12)", 3);
  assert_int_equal(whole.lower_count, 12);
  for (int i = 0; i < 12; i++) assert_int_equal(whole.lower[0][i], i);
}

// ---- methods and optimisers

static void test_maximize(void **state) {
  (void)state;
  expect_tests("blo 1;\n"
               "upper { var x: f64 = 0.5;  maximize -(y - 1.0)^2; }\n"
               "lower { var y: f64 = 0.0;  maximize -2.0 * y^2 + x * y; }\n"
               "solve { method = implicit();  lower = gd(step = 0.25, iters = 1);  upper = gd(step "
               "= 1.0, iters = 200); }\n"
               "test \"signs\" {\n"
               "  expect y ~= 0.125 within 1e-14;\n"
               "  expect upper_objective() ~= -0.765625 within 1e-14;\n"
               "  expect lower_objective() ~= 0.03125 within 1e-14;\n"
               "  expect hypergradient() ~= 0.4375 within 1e-12;\n"
               "  expect central_difference(h = 1e-4) ~= 0.4375 within 1e-8;\n"
               "}\n"
               "test \"climbs\" { let r = run();  expect x ~= 4.0 within 1e-8; }\n");
}

// The adjoint is zero at the start; the hypergradient is not zero by construction.
static void test_single_loop(void **state) {
  (void)state;
  Fixture f = build_sound(
      "blo 1;\n"
      "upper { var x: f64 = 2.0;  minimize 0.5 * (y - 1.0)^2; }\n"
      "lower { var y: f64 = 0.0;  minimize 2.0 * y^2 - x * y; }\n"
      "solve { method = soba(step = 0.25, decay = 0.0);  upper = gd(step = 2.0, iters = 400); }\n"
      "test \"optimum\" { let r = run();  expect x ~= 4.0 within 1e-10; }\n",
      (BuildOptions){.stages = true, .tests = true});
  assert_int_equal(run_test_entry(&f, &f.built->program->tests[0], true), 0);
  destroy(&f);
}

static void test_joint_method(void **state) {
  (void)state;
  expect_tests("blo 1;\n"
               "upper { var x: f64[2] in box(-1.0, 0.25) = 0.0;  minimize sumsq(x - y - 1.0); }\n"
               "lower { var y: f64[2] = 0.0;  minimize sumsq(y - x); }\n"
               "solve { method = joint(eta = 0.1);  iters = 300; }\n"
               "test \"stays in the set\" {\n"
               "  let r = run();\n"
               "  expect x ~= [0.25, 0.25] within 1e-12;\n"
               "  expect y ~= x within 1e-10;\n"
               "}\n");
}

static void test_wrapped_optimizer(void **state) {
  (void)state;
  expect_tests("blo 1;\n"
               "upper { var x: f64[2] = 0.0;  minimize sumsq(y - 3.0); }\n"
               "lower { var y: f64[2] = 0.0;  minimize sumsq(y - x); }\n"
               "solve {\n"
               "  method = implicit();  lower = gd(step = 0.5, iters = 1);\n"
               "  upper = clip(inner = sgd(step = 1.0, momentum = 0.0), bound = 0.1, iters = 3);\n"
               "}\n"
               "test \"clipped\" { let r = run();  expect norm(x) ~= 0.3 within 1e-12; }\n"
               "test \"schedule\" {\n"
               "  upper = gd(step = 1.0 / real(2 + iteration), iters = 2);\n"
               "  let r = run();\n"
               "  expect x ~= [3.0, 3.0] within 1e-12;\n"
               "}\n");
}

// A start that depends on x: every step starts from it, and unroll differentiates it.
static void test_cold_start(void **state) {
  (void)state;
  expect_tests(
      "blo 1;\n"
      "data { a: f64[3] = [1.0, -1.0, 2.0]; }\n"
      "upper { var init: f64[3] = [0.3, 0.2, -0.1];  minimize sum((w - a)^2 * (1.0 + w^2)); }\n"
      "lower { var w: f64[3] = 2.0 * init;  minimize sum(sin(w) + w^2); }\n"
      "solve { method = unroll(cold = true);  lower = gd(step = 0.1, iters = 4);  upper = gd(step "
      "= 0.01, iters = 5); }\n"
      "test \"start\" {\n"
      "  expect hypergradient() ~= central_difference(h = 1e-5) within 1e-7;\n"
      "  expect norm(hypergradient()) > 0.1;\n"
      "}\n"
      "test \"ignored\" { method = implicit();  expect error E0411; }\n");
}

static void test_bundles(void **state) {
  (void)state;
  expect_tests("blo 1;\n"
               "dim n, d = 3;\n"
               "data { X: f64[n, d];  y: f64[n]; }\n"
               "struct Lin[a] { W: f64[a] = 0.5;  bias: f64 = 0.0; }\n"
               "upper { var t: f64 = -1.0;  var shift: f64[d] = 0.1;\n"
               "  minimize mean((X @ (net.W + shift) + net.bias + c - y)^2) + 0.1 * t^2; }\n"
               "lower { var net: Lin[d];  var c: f64 = 0.0;\n"
               "  minimize mean((X @ net.W + net.bias - y + dot(shift, net.W))^2) + exp(t) * "
               "(sumsq(net) + 2.0 * c^2) - 0.1 * c; }\n"
               "solve { method = implicit(linear = cg(tol = 1e-13));  lower = gd(step = 0.1, iters "
               "= 1500);\n"
               "  upper = adam(step = 0.05, iters = 5); }\n"
               "test \"trees\" {\n"
               "  data = synthetic(n = 15, seed = 4);\n"
               "  expect hypergradient() ~= central_difference(h = 1e-5) within 1e-6;\n"
               "  expect hypergradient(shift) ~= hypergradient().shift within abs(0.0);\n"
               "  expect size(net) == 4;\n"
               "}\n");
}

static void test_level_state(void **state) {
  (void)state;
  expect_tests("blo 1;\n"
               "upper { var x: f64 = 1.0;  minimize (y - 2.0)^2 + 0.0 * slow; }\n"
               "lower { var y: f64 = 0.0;  state slow: f64 = y then 0.5 * slow + 0.5 * y;  "
               "minimize (y - x)^2; }\n"
               "solve { method = implicit();  lower = gd(step = 0.5, iters = 1);  upper = gd(step "
               "= 0.25, iters = 2); }\n"
               "test \"follows\" {\n"
               "  let r = run();\n"
               "  expect x ~= 1.75 within 1e-12;\n"
               "  expect y ~= 1.5 within 1e-12;\n"
               "  expect slow ~= 1.0 within 1e-12;\n" // 0.5 * (0.5 * 0 + 0.5 * 1) + 0.5 * 1.5
               "}\n");
}

static void test_program_data(void **state) {
  (void)state;
  expect_tests("blo 1;\n"
               "dim k = 4;\n"
               "const scale = 2.0;\n"
               "data rows[r < 3 * k] { let a = real(r) * scale;  x: f64 = a + 1.0;  y: i32 = "
               "i32(mod(r, 3)); }\n"
               "data { total: f64 = sum(rows.x); }\n"
               "test \"made\" {\n"
               "  expect total ~= 144.0 within 1e-14;\n"
               "  expect rows.y[4] == 1;\n"
               "  expect sum(rows.x) ~= total within abs(0.0);\n"
               "}\n");
}

// ---- settings

static void test_overrides(void **state) {
  (void)state;
  const SettingOverride overrides[] = {{"upper.iters", "7"},
                                       {"lower", "gd(step = 0.2, iters = 3)"},
                                       {"method", "unroll()"},
                                       {"seed", "11"}};
  Fixture f = build_sound(
      ridge, (BuildOptions){.stages = true, .overrides = overrides, .override_count = 4});
  const blo_stage *stage = &f.built->program->stages[0];
  assert_int_equal(stage->iterations, 7);
  assert_int_equal(stage->seed, 11);
  assert_int_equal(stage->state_count, 5); // t, w, the two of adam, steps: no adjoint
  destroy(&f);
}

static void test_stop(void **state) {
  (void)state;
  expect_tests("blo 1;\n"
               "upper { var x: f64 = 0.0;  minimize (y - 2.0)^2; }\n"
               "lower { var y: f64 = 0.0;  minimize (y - x)^2; }\n"
               "solve { method = implicit();  lower = gd(step = 0.5, iters = 1);  upper = gd(step "
               "= 0.25, iters = 100);\n"
               "  stop = x > 1.7; }\n"
               "test \"stops\" { let r = run();  expect x ~= 1.75 within 1e-12; }\n");
}

static void test_declarations(void **state) {
  (void)state;
  static const char text[] = "blo 1;\ndim n, p = 3, k = 2;\n"
                             "data train[n] { x: f32[p];  y: i32 in classes(k);  z: f32 = 1.0; }\n"
                             "data { a: f64[2 * n]; }\n";
  Compilation *c = compilation_create((SourceLoader){.load = load});
  Program *program = check_program(c, parse_text(c, "test.blo", text, strlen(text)));
  const blo_program *described = build_declarations(c, program, &(BuildOptions){0});
  assert_int_equal(diagnostics_errors(c->diagnostics), 0);
  assert_int_equal(described->data_count, 4);
  assert_string_equal(described->data[0].name, "train.x");
  assert_string_equal(described->data[0].shape_text, "f32[n, p]");
  assert_string_equal(described->data[1].shape_text, "i32[n]");
  assert_int_equal(described->data[1].classes, 2);
  assert_int_equal(described->data[2].computed, 1);
  assert_string_equal(described->data[3].place, "test.blo:4:8");
  assert_int_equal(described->dim_count, 3);
  assert_int_equal(described->dim_values[0], -1);
  assert_int_equal(described->dim_values[1], 3);
  compilation_destroy(c);
}

// ---- wrong programs

typedef struct Wrong {
  const char *code;   // all diagnostics, in order of place
  const char *levels; // text of upper and lower
  const char *solve;  // and of what follows
} Wrong;

#define UPPER "upper { var t: f64 = 0.0;  minimize mean((Xva @ w - yva)^2); }\n"
#define LOWER                                                                                      \
  "lower { var w: f64[d] = 0.0;  minimize mean((Xtr @ w - ytr)^2) + exp(t) * dot(w, w); }\n"
#define SOLVE "solve { method = implicit(); lower = gd(iters = 10); upper = gd(iters = 10); }\n"

static const Wrong wrong_programs[] = {
    {"E0401", UPPER "lower { var w: f64[d] = 0.0;  minimize exp(t); }\n", SOLVE},
    {"E0402", UPPER "lower { var w: f64[d] = 0.0;  minimize mean((Xtr @ w - ytr)^2); }\n", SOLVE},
    {"E0402",
     "upper { var t: f64 = 0.0;  minimize mean((Xva @ w - yva)^2) + t^2; }\n"
     "lower { var w: f64[d] = 0.0;  minimize mean((Xtr @ w - ytr)^2) + detach(t) * 0.0; }\n",
     SOLVE},
    {"E0411",
     "upper { var s: f64[d] = 0.0;  minimize mean((Xva @ w - yva)^2); }\n"
     "lower { var w: f64[d] = s;  minimize mean((Xtr @ w - ytr)^2); }\n",
     SOLVE},
    {"E0411", UPPER LOWER,
     "solve { method = direct(); lower = gd(iters = 10); upper = gd(iters = 10); }\n"},
    {"E0420",
     UPPER "lower { var w: f64[d] in nonneg = 0.0;  minimize mean((Xtr @ w - ytr)^2) + exp(t) * "
           "dot(w, w); }\n",
     SOLVE},
    {"E0420",
     UPPER "lower { var w: f64[d] = 0.0;  minimize mean((Xtr @ w - ytr)^2) + exp(t) * dot(w, w);\n"
           "  subject to size: w <= 1.0; }\n",
     SOLVE},
    {"E0421", UPPER "lower { var w: f64[d] = 0.0;  minimize sum(sign(w)) * t; }\n", SOLVE},
    {"E0421",
     UPPER
     "lower { var w: f64[d] = 0.0;  minimize mean((Xtr @ w - ytr)^2) + floor(t) * dot(w, w); }\n",
     SOLVE},
    {"W0403", "upper { var t: f64 = 0.0;  minimize t^2; }\n" LOWER, SOLVE},
    {"E0303", UPPER "lower { var w: f64[d] = 0.0;  minimize Xtr @ w - ytr + t; }\n", SOLVE},
    {"E0302", UPPER "lower { var w: i32[d] = 0;  minimize exp(t) * f64(sum(w)); }\n", SOLVE},
    {"E0301",
     UPPER
     "lower { var w: f64[d] = ytr;  minimize mean((Xtr @ w - ytr)^2) + exp(t) * dot(w, w); }\n",
     SOLVE},
    {"E0208", UPPER LOWER,
     "solve { method = gd(); lower = gd(iters = 10); upper = gd(iters = 10); }\n"},
    {"E0201", UPPER LOWER,
     "solve { method = implicit(); lower = gdd(iters = 10); upper = gd(iters = 10); }\n"},
    {"E0304", UPPER LOWER,
     "solve { method = implicit(); lower = gd(iter = 10); upper = gd(iters = 10); }\n"},
    {"E0304", UPPER LOWER,
     "solve { method = implicit(); lower = gd(); upper = gd(iters = 10); }\n"},
    {"E0304", UPPER LOWER,
     "solve { method = implicit(); lower = gd(iters = 10); upper = gd(); }\n"},
    {"E0303", UPPER LOWER,
     "solve { method = implicit(linear = 3); lower = gd(iters = 10); upper = gd(iters = 10); }\n"},
    {"E0309", UPPER LOWER,
     "solve { method = implicit(); lower = gd(iters = 1.5); upper = gd(iters = 10); }\n"},
    {"E0204", UPPER LOWER, "solve { method = implicit(); lower = gd(iters = 10); }\n"},
    {"E0204", UPPER LOWER,
     "solve other { method = implicit(); lower = gd(iters = 10); upper = gd(iters = 10); }\n"},
    {"E0204", UPPER LOWER, "solve { method = implicit(); upper = gd(iters = 10); }\n"},
    {"W0501", UPPER LOWER,
     "solve { method = soba(); lower = gd(iters = 10); upper = gd(iters = 10); }\n"},
    {"W0501", UPPER LOWER,
     "solve { method = implicit(); lower = gd(iters = 10); upper = gd(iters = 10); threads = 4; "
     "}\n"},
    {"E0304", UPPER LOWER,
     "solve { method = implicit(); lower = gd(iters = 10); upper = gd(iters = 10); upper.stepp = "
     "1.0; }\n"},
    {"E0303", UPPER LOWER,
     "solve { method = implicit(); lower = gd(iters = 10); upper = gd(iters = 10); stop = t; }\n"},
    {"E0405", UPPER LOWER,
     "method idle() { accepts smooth lower;  step { set y = descend(fn u -> f(x, u), y); } }\n"
     "solve { method = idle(); lower = gd(iters = 10); upper = gd(iters = 10); }\n"},
    {"E0303", UPPER LOWER,
     "method swapped() { accepts smooth lower;\n"
     "  step { hypergradient grad(fn s -> F(y, s), x); } }\n" SOLVE},
    {"E0303", UPPER LOWER,
     "optimizer flat(step: real = 0.1) { update(z, g, t) { dot(z, g) } }\n" SOLVE},
    {"E0303",
     UPPER "lower { var w: f64[d] = 0.0;  batch b = 3;  minimize mean((Xtr @ w - ytr)^2) + exp(t) "
           "* dot(w, w) + f64(b.index[0]); }\n",
     SOLVE},
    {"E0208",
     UPPER "lower { var w: f64[d] = 0.0;  minimize mean((Xtr @ w - ytr)^2) + exp(t) * dot(w, w);  "
           "prox w: 0.1 * sum(abs(w)); }\n",
     SOLVE},
    {"E0303", UPPER LOWER, "report both = (t, w);\n" SOLVE},
    {"E0204", UPPER LOWER, SOLVE "test \"no data\" { expect t == 0.0; }\n"},
    {"E0605", UPPER LOWER,
     SOLVE "test \"dim\" { data = synthetic(n = 4, m = 3); expect t == 0.0; }\n"},
    {"E0304", UPPER LOWER,
     SOLVE "test \"dim\" { data = synthetic(n = 4, m = 3, d = 2, q = 1); expect t == 0.0; }\n"},
    {"E0301", UPPER LOWER,
     SOLVE
     "test \"sides\" { data = synthetic(n = 4, m = 3, d = 2); expect w ~= ytr within 1.0; }\n"},
    {"E0204", UPPER LOWER,
     SOLVE "test \"close\" { data = synthetic(n = 4, m = 3, d = 2); expect w ~= 0.0; }\n"},
    {"E0303", UPPER LOWER,
     SOLVE "test \"truth\" { data = synthetic(n = 4, m = 3, d = 2); expect t; }\n"},
};

static void check_wrong(const Wrong *wrong) {
  char text[4096];
  snprintf(text, sizeof text, "%s%s%s",
           "blo 1;\ndim n, m, d;\n"
           "data { Xtr: f64[n, d];  ytr: f64[n];  Xva: f64[m, d];  yva: f64[m]; }\n",
           wrong->levels, wrong->solve);
  Fixture f = build_text(text, (BuildOptions){.stages = true, .tests = true});
  Diagnostics *diagnostics = f.compilation->diagnostics;
  bool warning = wrong->code[0] == 'W';
  size_t found = diagnostics_count_code(diagnostics, error_code_find(wrong->code), (Span){0});
  size_t errors = diagnostics_errors(diagnostics);
  if (!found || (warning ? errors : !errors) || (errors && f.built)) {
    fprintf(stderr, "wanted %s for\n%s", wrong->code, text);
    print_diagnostics(&f);
  }
  assert_true(found);
  assert_true(warning ? errors == 0 : errors > 0);
  assert_true(warning == (f.built != NULL));
  destroy(&f);
}

static void test_wrong_programs(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof wrong_programs / sizeof wrong_programs[0]; i++)
    check_wrong(&wrong_programs[i]);
}

// Unrolled steps keep their values: said when it is much and the dims are known.
static void test_tape_warning(void **state) {
  (void)state;
  const Wrong large = {
      "W0430",
      "dim k = 100000;\n"
      "upper { var t: f64 = 0.0;  minimize sumsq(w - 1.0); }\n"
      "lower { var w: f64[k] = 0.0;  minimize sum(exp(t) * w^4 + w^2); }\n",
      "solve { method = unroll(); lower = gd(iters = 500); upper = gd(iters = 10); }\n"};
  check_wrong(&large);
}

static void test_expected_errors(void **state) {
  (void)state;
  expect_tests(
      "blo 1;\ndim n, m, d;\n"
      "data { Xtr: f64[n, d];  ytr: f64[n];  Xva: f64[m, d];  yva: f64[m]; }\n" UPPER LOWER SOLVE
      "test \"direct\" { method = direct();  expect error E0411; }\n"
      "test \"unread\" { method = soba();  upper.stepp = 1.0;  expect error E0304; }\n");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_ridge_gradient), cmocka_unit_test(test_ridge_steps),
      cmocka_unit_test(test_free_dims),      cmocka_unit_test(test_samples_replay),
      cmocka_unit_test(test_shuffles_cover), cmocka_unit_test(test_sequence_and_whole),
      cmocka_unit_test(test_maximize),       cmocka_unit_test(test_single_loop),
      cmocka_unit_test(test_joint_method),   cmocka_unit_test(test_wrapped_optimizer),
      cmocka_unit_test(test_cold_start),     cmocka_unit_test(test_bundles),
      cmocka_unit_test(test_level_state),    cmocka_unit_test(test_program_data),
      cmocka_unit_test(test_overrides),      cmocka_unit_test(test_stop),
      cmocka_unit_test(test_declarations),   cmocka_unit_test(test_wrong_programs),
      cmocka_unit_test(test_tape_warning),   cmocka_unit_test(test_expected_errors),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
