// The random numbers: known answers of Philox4x32-10, fixed values of what is drawn from it, and
// that random_index permutes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/rng.h"
#include <math.h>
#include <string.h>

static void check_philox(uint32_t fill, const uint32_t *counter, const uint32_t *key,
                         const uint32_t *expected) {
  uint32_t c[4] = {fill, fill, fill, fill}, k[2] = {fill, fill};
  if (counter) memcpy(c, counter, sizeof c);
  if (key) memcpy(k, key, sizeof k);
  blo_rng_philox(c, k);
  for (int i = 0; i < 4; i++) assert_int_equal(c[i], expected[i]);
}

// The published vectors of Random123 for Philox4x32 with 10 rounds.
static void philox_known_answers(void **state) {
  (void)state;
  static const uint32_t zeros[4] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
  static const uint32_t ones[4] = {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd};
  static const uint32_t counter[4] = {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344};
  static const uint32_t key[2] = {0xa4093822, 0x299f31d0};
  static const uint32_t pi[4] = {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1};
  check_philox(0, NULL, NULL, zeros);
  check_philox(0xffffffff, NULL, NULL, ones);
  check_philox(0, counter, key, pi);
}

static void draws_follow_the_arithmetic(void **state) {
  (void)state;
  assert_true(blo_rng_bits(0, 0) == 0xe169c58d6627e8d5u);
  assert_true(blo_rng_uniform(0, 0) == (double)(0xe169c58d6627e8d5u >> 11) / 9007199254740992.0);
  assert_true(blo_rng_uniform_f32(0, 0) == (float)(0xe169c5u) / 16777216.0f);
  uint32_t block[4] = {5, 7, 1, 0}, key[2] = {3, 9};
  blo_rng_philox(block, key);
  assert_true(blo_rng_fold((uint64_t)9 << 32 | 3, (uint64_t)7 << 32 | 5) ==
              ((uint64_t)block[1] << 32 | block[0]));
  assert_true(blo_rng_fold(1, 2) != blo_rng_bits(1, 2));
}

static void uniform_looks_uniform(void **state) {
  (void)state;
  enum { COUNT = 20000, BINS = 20 };
  int bins[BINS] = {0};
  double sum = 0, product = 0;
  for (int i = 0; i < COUNT; i++) {
    double u = blo_rng_uniform(42, (uint64_t)i);
    assert_true(u >= 0 && u < 1);
    sum += u;
    product += u * blo_rng_uniform(43, (uint64_t)i);
    bins[(int)(u * BINS)]++;
  }
  assert_true(fabs(sum / COUNT - 0.5) < 0.01);
  assert_true(fabs(product / COUNT - 0.25) < 0.01);
  double chi = 0;
  for (int i = 0; i < BINS; i++) chi += pow(bins[i] - COUNT / BINS, 2) / (COUNT / BINS);
  assert_true(chi < 45); // 19 degrees of freedom: 1 in 1000
}

static void index_permutes(void **state) {
  (void)state;
  static const int64_t sizes[] = {1, 2, 3, 4, 5, 16, 17, 100, 1000, 4097};
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    int64_t n = sizes[s];
    for (int64_t epoch = -1; epoch < 3; epoch++) {
      unsigned char seen[4097] = {0};
      for (int64_t i = 0; i < n; i++) {
        int64_t index = blo_rng_index(7, epoch * n + i, n);
        assert_in_range(index, 0, n - 1);
        assert_int_equal(seen[index]++, 0);
      }
    }
  }
}

static void index_depends_on_everything(void **state) {
  (void)state;
  int same_key = 0, same_epoch = 0;
  for (int i = 0; i < 1000; i++) {
    same_key += blo_rng_index(1, i, 1000) == blo_rng_index(2, i, 1000);
    same_epoch += blo_rng_index(1, i, 1000) == blo_rng_index(1, i + 1000, 1000);
  }
  assert_true(same_key < 12 && same_epoch < 12);
  int counts[6] = {0}; // the first entry of a permutation of 6
  for (int key = 0; key < 6000; key++) counts[blo_rng_index((uint64_t)key, 0, 6)]++;
  for (int i = 0; i < 6; i++) assert_in_range(counts[i], 880, 1120);
}

static void index_takes_extremes(void **state) {
  (void)state;
  assert_int_equal(blo_rng_index(1, 5, 0), 0);
  assert_int_equal(blo_rng_index(1, 5, -3), 0);
  int64_t large = blo_rng_index(1, INT64_MAX, INT64_MAX);
  assert_true(large >= 0 && large < INT64_MAX);
  large = blo_rng_index(1, INT64_MIN, INT64_MAX);
  assert_true(large >= 0 && large < INT64_MAX);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(philox_known_answers),        cmocka_unit_test(draws_follow_the_arithmetic),
      cmocka_unit_test(uniform_looks_uniform),       cmocka_unit_test(index_permutes),
      cmocka_unit_test(index_depends_on_everything), cmocka_unit_test(index_takes_extremes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
