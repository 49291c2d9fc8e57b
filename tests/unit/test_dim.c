// Dims: normal form, exact division, proofs, matching, evaluation, text, the postfix program.
#include "unit/ir_fixture.h"

#include "common/dims.h"

static const char *normal(IrFixture *f, const char *text) {
  return dim_text(f->module->dims, fixture_dim(f, text));
}

static void normal_form(void **state) {
  IrFixture *f = *state;
  static const char *const pairs[][2] = {
      {"n + d - n", "d"},
      {"n*d - d*n", "0"},
      {"(n + 1)*(n - 1)", "n*n - 1"},
      {"2*n*d + 1", "2*d*n + 1"},
      {"-n + 3", "-n + 3"},
      {"floordiv(3*n + 5, 3)", "n + 1"},
      {"floordiv(2*n + 3, 4)", "floordiv(n + 1, 2)"},
      {"floordiv(7, 2)", "3"},
      {"max(n, n + 2)", "n + 2"},
      {"max(n, 0)", "n"},
      {"max(d, n)", "max(d, n)"},
      {"max(n, d)", "max(d, n)"},
      {"max(3, 5)", "5"},
  };
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    assert_string_equal(normal(f, pairs[i][0]), pairs[i][1]);
    assert_ptr_equal(fixture_dim(f, pairs[i][0]), fixture_dim(f, pairs[i][1]));
  }
}

static void floor_of_negative(void **state) {
  IrFixture *f = *state;
  const Dim *half = dim_floordiv(f->module->dims, fixture_dim(f, "-n"), 2);
  fixture_bind(f, "n", 5);
  int64_t value;
  assert_true(dim_evaluate(half, fixture_dim_value, f, &value));
  assert_int_equal(value, -3);
}

static void exact_division_cancels(void **state) {
  IrFixture *f = *state;
  static const char *const pairs[][2] = {
      {"H/7*7", "H"},
      {"H - 7*(H/7)", "0"},
      {"H - H/2", "H/2"},
      {"H/2 + H/4", "3*H/4"},
      {"3*(H/6)", "H/2"},
      {"H/2/3", "H/6"},
      {"(4*H + 2*d)/2", "2*H + d"},
      {"(2*H + 4)/4", "(H + 2)/2"},
      {"(H + 2)/2", "H/2 + 1"},
      {"2*(H + d)/2", "H + d"},
      {"d*H/2*2", "d*H"},
      {"(H/2)*(H/2)*4", "H*H"},
      {"(a + b)/2 + (a + b)/2", "a + b"},
      {"a + b - (a + b)/2", "(a + b)/2"},
      {"2*H/3", "2*H/3"},
  };
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    const Dim *a = fixture_dim(f, pairs[i][0]), *b = fixture_dim(f, pairs[i][1]);
    if (a != b)
      fail_msg("%s gives %s, expected %s", pairs[i][0], dim_text(f->module->dims, a),
               dim_text(f->module->dims, b));
  }
}

static void division(void **state) {
  IrFixture *f = *state;
  DimTable *t = f->module->dims;
  Span none = {0};
  static const char *const cases[][3] = {
      {"n*d", "d", "n"},         {"6*n", "3", "2*n"},           {"6*n*d", "2*d", "3*n"},
      {"n*d + n", "d + 1", "n"}, {"n*n - 1", "n - 1", "n + 1"}, {"2*H", "H/2", "4"},
      {"H", "H/2", "2"},         {"d*(H/2)", "d", "H/2"},       {"0", "n", "0"},
      {"n", "2", "n/2"},         {"n*d", "2*d", "n/2"},         {"-4", "2", "-2"},
      {"6", "-3", "-2"},         {"n + d", "n + d", "1"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const Dim *q = dim_divide(t, fixture_dim(f, cases[i][0]), fixture_dim(f, cases[i][1]), none);
    assert_non_null(q);
    assert_ptr_equal(q, fixture_dim(f, cases[i][2]));
  }
  assert_null(dim_divide(t, fixture_dim(f, "7"), fixture_dim(f, "2"), none));
  assert_null(dim_divide(t, fixture_dim(f, "2*n + 1"), fixture_dim(f, "2"), none));
  assert_null(dim_divide(t, fixture_dim(f, "2*n + 1"), fixture_dim(f, "4"), none));
  assert_null(dim_divide(t, fixture_dim(f, "n"), fixture_dim(f, "d"), none));
  assert_null(dim_divide(t, fixture_dim(f, "n + d"), fixture_dim(f, "d"), none));
  assert_null(dim_divide(t, fixture_dim(f, "n"), fixture_dim(f, "0"), none));
}

static void conditions_are_recorded_once(void **state) {
  IrFixture *f = *state;
  DimTable *t = f->module->dims;
  Span place = {1, 2, 3};
  const Dim *n = fixture_dim(f, "n");
  dim_divide(t, n, dim_const(t, 4), place);
  dim_divide(t, n, dim_const(t, 4), (Span){0});
  dim_divide(t, dim_scale(t, n, 8), dim_const(t, 4), place);
  assert_int_equal(dim_condition_count(t), 1);
  assert_ptr_equal(dim_conditions(t)[0].dividend, n);
  assert_int_equal(dim_conditions(t)[0].divisor, 4);
  assert_int_equal(dim_conditions(t)[0].span.start, 2);
  dim_require_nonnegative(t, n, place);
  assert_int_equal(dim_condition_count(t), 1);
  dim_require_nonnegative(t, fixture_dim(f, "n - 3"), place);
  assert_int_equal(dim_condition_count(t), 2);
  assert_int_equal(dim_conditions(t)[1].divisor, 0);
}

static void proofs(void **state) {
  IrFixture *f = *state;
  DimTable *t = f->module->dims;
  static const char *const yes[] = {"n - 1",
                                    "n*d - 1",
                                    "n*d - n",
                                    "2*n - 2",
                                    "H/2 - 1",
                                    "max(n, d) - 1",
                                    "floordiv(n + 1, 2) - 1",
                                    "0",
                                    "n*n - 2*n + 1"};
  static const char *const no[] = {"n - 2", "n - d", "-1", "floordiv(n, 2) - 1", "1 - n"};
  for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
    if (!dim_provably_nonnegative(t, fixture_dim(f, yes[i]))) fail_msg("%s", yes[i]);
  for (size_t i = 0; i < sizeof no / sizeof *no; i++)
    if (dim_provably_nonnegative(t, fixture_dim(f, no[i]))) fail_msg("%s", no[i]);
  int64_t difference;
  assert_true(dim_difference(t, fixture_dim(f, "n + 3"), fixture_dim(f, "n - 1"), &difference));
  assert_int_equal(difference, 4);
  assert_false(dim_difference(t, fixture_dim(f, "n"), fixture_dim(f, "d"), &difference));
}

static void overflow_is_the_invalid_dim(void **state) {
  IrFixture *f = *state;
  DimTable *t = f->module->dims;
  const Dim *big = dim_const(t, INT64_MAX), *n = fixture_dim(f, "n");
  const Dim *invalid = dim_add(t, big, dim_const(t, 1));
  assert_true(dim_is_invalid(invalid));
  assert_true(dim_is_invalid(dim_mul(t, dim_mul(t, big, n), big)));
  assert_true(dim_is_invalid(dim_scale(t, dim_const(t, INT64_MIN), -1)));
  assert_true(dim_is_invalid(dim_sub(t, n, invalid)));
  assert_true(dim_is_invalid(dim_max(t, n, invalid)));
  assert_null(dim_divide(t, invalid, n, (Span){0}));
  int64_t value;
  assert_false(dim_is_const(invalid, &value));
  assert_false(dim_evaluate(invalid, fixture_dim_value, f, &value));
  const Dim *power = n;
  for (int i = 0; i < 100; i++) power = dim_mul(t, power, n);
  assert_true(dim_is_invalid(power));
  fixture_bind(f, "n", INT64_MAX / 2);
  assert_false(dim_evaluate(fixture_dim(f, "3*n"), fixture_dim_value, f, &value));
}

static void fresh_dims_differ(void **state) {
  IrFixture *f = *state;
  DimTable *t = f->module->dims;
  const Dim *a = dim_fresh(t, "n"), *b = dim_fresh(t, "n");
  assert_ptr_not_equal(a, b);
  assert_ptr_not_equal(a, fixture_dim(f, "n"));
  assert_ptr_equal(fixture_dim(f, dim_text(t, a)), a);
}

static void text_is_checked(void **state) {
  IrFixture *f = *state;
  static const char *const bad[] = {"",
                                    "*",
                                    "n +",
                                    "(n",
                                    "floordiv(n, 0)",
                                    "max(n)",
                                    "7/2",
                                    "99999999999999999999",
                                    "n/0",
                                    "exact(n",
                                    "((((((((((((((((((((((((((((((((((((((((((((((((((n"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    const char *at = bad[i];
    assert_null(dim_parse(f->module->dims, &at));
    assert_ptr_equal(at, bad[i]);
  }
  const char *rest = "n*d, m]";
  assert_ptr_equal(dim_parse(f->module->dims, &rest), fixture_dim(f, "d*n"));
  assert_string_equal(rest, ", m]");
  assert_ptr_equal(fixture_dim(f, "exact(n, 3)"), fixture_dim(f, "n/3"));
}

static void programs_evaluate(void **state) {
  IrFixture *f = *state;
  Name atoms[2] = {intern(f->compilation->names, "n"), intern(f->compilation->names, "d")};
  int64_t values[2] = {12, 5}, found, expected;
  static const char *const texts[] = {"0",
                                      "7",
                                      "n",
                                      "-n + 3",
                                      "2*n*d - d",
                                      "n/4 + 1",
                                      "max(n, d)",
                                      "n*n*d",
                                      "floordiv(n - 20, 3)",
                                      "max(n - 2*d, 3) - floordiv(d, 2)"};
  fixture_bind(f, "n", 12);
  fixture_bind(f, "d", 5);
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    const Dim *d = fixture_dim(f, texts[i]);
    const int64_t *words;
    size_t count = dim_compile(f->arena, d, atoms, 2, &words);
    assert_true(dim_evaluate(d, fixture_dim_value, f, &expected));
    assert_true(blo_dims_evaluate(words, count, values, 2, &found));
    assert_int_equal(found, expected);
  }
  const int64_t *words;
  size_t count = dim_compile(f->arena, fixture_dim(f, "n/5"), atoms, 2, &words);
  assert_false(blo_dims_evaluate(words, count, values, 2, &found)); // 5 does not divide 12
  const Dim *invalid = dim_scale(f->module->dims, dim_const(f->module->dims, INT64_MIN), -1);
  count = dim_compile(f->arena, invalid, atoms, 2, &words);
  assert_false(blo_dims_evaluate(words, count, values, 2, &found));
}

static void damaged_programs_fail(void **state) {
  (void)state;
  int64_t result, atoms[1] = {3};
  static const int64_t cut[] = {BLO_DIM_CONST}, unknown[] = {BLO_DIM_CONST, 1, 99},
                       empty_stack[] = {BLO_DIM_ADD},
                       two_left[] = {BLO_DIM_CONST, 1, BLO_DIM_ATOM, 0},
                       no_atom[] = {BLO_DIM_ATOM, 1}, negative[] = {BLO_DIM_ATOM, -1},
                       zero[] = {BLO_DIM_CONST, 1, BLO_DIM_FLOORDIV, 0},
                       large[] = {BLO_DIM_CONST, INT64_MIN, BLO_DIM_CONST, -1, BLO_DIM_MUL};
#define FAILS(p) assert_false(blo_dims_evaluate(p, sizeof p / sizeof *p, atoms, 1, &result))
  FAILS(cut);
  FAILS(unknown);
  FAILS(empty_stack);
  FAILS(two_left);
  FAILS(no_atom);
  FAILS(negative);
  FAILS(zero);
  FAILS(large);
#undef FAILS
  assert_false(blo_dims_evaluate(NULL, 0, atoms, 1, &result));
  int64_t deep[2 * (BLO_DIM_STACK + 1)];
  for (size_t i = 0; i < sizeof deep / sizeof *deep; i++) deep[i] = 0; // CONST 0 again and again
  assert_false(blo_dims_evaluate(deep, sizeof deep / sizeof *deep, atoms, 1, &result));
}

// Random polynomials: ring laws, printing and evaluation agree.
static const Dim *random_dim(IrFixture *f, uint64_t *seed, int depth) {
  DimTable *t = f->module->dims;
  *seed = *seed * 6364136223846793005u + 1442695040888963407u;
  unsigned pick = (unsigned)(*seed >> 40) % (depth ? 9 : 3);
  static const char *const names[] = {"n", "d", "H"};
  if (pick == 0) return dim_const(t, (int64_t)(*seed >> 50) % 7 - 3);
  if (pick < 3) return fixture_dim(f, names[(*seed >> 33) % 3]);
  const Dim *a = random_dim(f, seed, depth - 1);
  if (pick == 7) return dim_floordiv(t, a, 1 + (int64_t)(*seed >> 45) % 5);
  if (pick == 8) return dim_divide(t, dim_scale(t, a, 60), dim_const(t, 12), (Span){0});
  const Dim *b = random_dim(f, seed, depth - 1);
  if (pick == 3) return dim_sub(t, a, b);
  if (pick == 4) return dim_max(t, a, b);
  return pick == 5 ? dim_mul(t, a, b) : dim_add(t, a, b);
}

static void random_polynomials(void **state) {
  IrFixture *f = *state;
  DimTable *t = f->module->dims;
  uint64_t seed = 1;
  fixture_bind(f, "n", 12);
  fixture_bind(f, "d", 60);
  fixture_bind(f, "H", 24);
  for (int i = 0; i < 2000; i++) {
    const Dim *a = random_dim(f, &seed, 4), *b = random_dim(f, &seed, 3);
    const Dim *c = random_dim(f, &seed, 2);
    if (dim_is_invalid(a) || dim_is_invalid(b) || dim_is_invalid(c)) continue;
    assert_ptr_equal(fixture_dim(f, dim_text(t, a)), a);
    assert_ptr_equal(dim_sub(t, dim_add(t, a, b), b), a);
    assert_ptr_equal(dim_mul(t, a, dim_add(t, b, c)),
                     dim_add(t, dim_mul(t, a, b), dim_mul(t, c, a)));
    int64_t x, y, sum;
    const Dim *total = dim_add(t, a, b);
    if (!dim_evaluate(a, fixture_dim_value, f, &x) || !dim_evaluate(b, fixture_dim_value, f, &y))
      continue;
    assert_true(dim_evaluate(total, fixture_dim_value, f, &sum));
    assert_int_equal(sum, x + y);
    const Dim *third = dim_divide(t, dim_scale(t, a, 3), dim_const(t, 3), (Span){0});
    assert_ptr_equal(third, a);
  }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
  const struct CMUnitTest tests[] = {
      TEST(normal_form),
      TEST(floor_of_negative),
      TEST(exact_division_cancels),
      TEST(division),
      TEST(conditions_are_recorded_once),
      TEST(proofs),
      TEST(overflow_is_the_invalid_dim),
      TEST(fresh_dims_differ),
      TEST(text_is_checked),
      TEST(programs_evaluate),
      TEST(damaged_programs_fail),
      TEST(random_polynomials),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
