// The staged evaluator: expressions, functions, derivatives, comprehensions, loops against known numbers.
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

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_arithmetic),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
