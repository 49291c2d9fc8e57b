// Statistics of the random numbers: chi-square, correlations, balance of bits and avalanche, along
// counters, keys and folded keys as the compiler makes them, and of the permutations.
//
// Keys are fixed, so a test passes always or never. The bounds are those that a right generator
// with a new key would miss once in 10^6: 4.9 standard deviations, or that quantile of the
// chi-square distribution.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/rng.h"
#include <math.h>

enum { COUNT = 1 << 17, BINS = 256 };

static const double deviations = 4.9;
static const double chi_255 = 377.1, chi_81 = 156.6, chi_89 = 167.6;

typedef uint64_t (*Stream)(uint64_t i);

static uint64_t along_counters(uint64_t i) {
  return blo_rng_bits(7, i);
}
static uint64_t along_large_counters(uint64_t i) {
  return blo_rng_bits(7, 0xfffffff0u + i);
}
static uint64_t along_keys(uint64_t i) {
  return blo_rng_bits(i, 0);
}
static uint64_t along_high_keys(uint64_t i) {
  return blo_rng_bits(i << 32, 3);
}
// The key of step i, as seed, stage, step, draw and place are folded in turn.
static uint64_t along_steps(uint64_t i) {
  uint64_t stage = blo_rng_fold(3, 0x9d5c);
  return blo_rng_bits(blo_rng_fold(blo_rng_fold(blo_rng_fold(stage, i), 0), 0x51ed), 0);
}
static uint64_t along_places(uint64_t i) {
  return blo_rng_bits(blo_rng_fold(blo_rng_fold(3, 17), i), 0);
}
static uint64_t along_seeds(uint64_t i) {
  return blo_rng_bits(blo_rng_fold(blo_rng_fold(i, 17), 5), 0);
}
static uint64_t along_folds(uint64_t i) {
  return blo_rng_fold(11, i);
}

static const Stream streams[] = {along_counters, along_large_counters, along_keys,  along_high_keys,
                                 along_steps,    along_places,         along_seeds, along_folds};
enum { STREAMS = sizeof streams / sizeof *streams };

static double centred(uint64_t bits) {
  return (double)(bits >> 11) / 9007199254740992.0 - 0.5;
}

static double chi_square(const int *counts, int cells, double expected) {
  double sum = 0;
  for (int i = 0; i < cells; i++) sum += (counts[i] - expected) * (counts[i] - expected) / expected;
  return sum;
}

static void bytes_are_uniform(void **state) {
  (void)state;
  static const int shifts[] = {56, 40, 11, 0};
  for (int s = 0; s < STREAMS; s++)
    for (size_t k = 0; k < sizeof shifts / sizeof *shifts; k++) {
      int counts[BINS] = {0};
      for (uint64_t i = 0; i < COUNT; i++) counts[streams[s](i) >> shifts[k] & 255]++;
      assert_true(chi_square(counts, BINS, (double)COUNT / BINS) < chi_255);
    }
}

static void bits_are_balanced(void **state) {
  (void)state;
  for (int s = 0; s < STREAMS; s++) {
    int ones[64] = {0};
    for (uint64_t i = 0; i < COUNT; i++) {
      uint64_t bits = streams[s](i);
      for (int b = 0; b < 64; b++) ones[b] += (int)(bits >> b & 1);
    }
    for (int b = 0; b < 64; b++)
      assert_true(fabs(ones[b] - COUNT / 2.0) < (deviations + 0.9) * sqrt(COUNT / 4.0)); // of 512
  }
}

// Products of centred uniforms have variance 1/144.
static void neighbours_are_uncorrelated(void **state) {
  (void)state;
  static const uint64_t lags[] = {1, 2, 3, 4, 8, 64, 1000};
  double bound = deviations / 12 / sqrt((double)COUNT);
  for (int s = 0; s < STREAMS; s++)
    for (size_t k = 0; k < sizeof lags / sizeof *lags; k++) {
      double sum = 0;
      for (uint64_t i = 0; i < COUNT; i++)
        sum += centred(streams[s](i)) * centred(streams[s](i + lags[k]));
      assert_true(fabs(sum / COUNT) < bound);
    }
}

static void streams_are_uncorrelated(void **state) {
  (void)state;
  double bound = deviations / 12 / sqrt((double)COUNT);
  for (int s = 0; s < STREAMS; s++)
    for (int t = 0; t < s; t++) {
      double sum = 0;
      for (uint64_t i = 0; i < COUNT; i++)
        sum += centred(streams[s](i + 1)) * centred(streams[t](i + 1));
      assert_true(fabs(sum / COUNT) < bound);
    }
  for (uint64_t word = 1; word < 4; word++) { // one key and the next, along their counters
    double keys = 0, folds = 0, rows = 0;
    uint64_t a = blo_rng_fold(5, word), b = blo_rng_fold(5, word + 1);
    for (uint64_t i = 0; i < COUNT; i++) {
      keys += centred(blo_rng_bits(word, i)) * centred(blo_rng_bits(word + 1, i));
      folds += centred(blo_rng_bits(a, i)) * centred(blo_rng_bits(b, i));
      rows += centred(blo_rng_bits(a, i)) * centred(blo_rng_bits(a, i + COUNT * word));
    }
    assert_true(fabs(keys / COUNT) < bound && fabs(folds / COUNT) < bound);
    assert_true(fabs(rows / COUNT) < bound);
  }
}

// One bit of a key, counter or word changes each bit of the result half of the time.
static void every_bit_matters(void **state) {
  (void)state;
  enum { TRIALS = 2000 };
  for (int bit = 0; bit < 64; bit++) {
    int flips[3][64] = {{0}};
    for (uint64_t i = 0; i < TRIALS; i++) {
      uint64_t one = (uint64_t)1 << bit;
      uint64_t key = blo_rng_fold(1, i), word = blo_rng_fold(2, i);
      uint64_t changed[3] = {blo_rng_bits(key, word) ^ blo_rng_bits(key ^ one, word),
                             blo_rng_bits(key, word) ^ blo_rng_bits(key, word ^ one),
                             blo_rng_fold(key, word) ^ blo_rng_fold(key, word ^ one)};
      for (int k = 0; k < 3; k++)
        for (int b = 0; b < 64; b++) flips[k][b] += (int)(changed[k] >> b & 1);
    }
    for (int k = 0; k < 3; k++)
      for (int b = 0; b < 64; b++) // of 12288
        assert_true(fabs(flips[k][b] - TRIALS / 2.0) < (deviations + 1.5) * sqrt(TRIALS / 4.0));
  }
}

// Where each of 10 entries lands, over many keys: 81 degrees of freedom, (n - 1) / n of the plain
// statistic.
static void permutations_have_no_favourite_places(void **state) {
  (void)state;
  enum { N = 10, ORDERS = 40000 };
  int places[N * N] = {0}, epochs[N * N] = {0}, pairs[N * N] = {0};
  for (int k = 0; k < ORDERS; k++) {
    uint64_t key = blo_rng_fold(9, (uint64_t)k);
    for (int p = 0; p < N; p++) {
      places[N * p + blo_rng_index(key, p, N)]++;
      epochs[N * p + blo_rng_index(123, (int64_t)k * N + p, N)]++;
    }
    pairs[N * blo_rng_index(key, 0, N) + blo_rng_index(key, 1, N)]++;
  }
  double expected = (double)ORDERS / N;
  assert_true(chi_square(places, N * N, expected) * (N - 1) / N < chi_81);
  assert_true(chi_square(epochs, N * N, expected) * (N - 1) / N < chi_81);
  double sum = 0, each = (double)ORDERS / (N * (N - 1)); // first and second entry: 90 ordered pairs
  for (int a = 0; a < N; a++)
    for (int b = 0; b < N; b++)
      if (a != b) sum += (pairs[N * a + b] - each) * (pairs[N * a + b] - each) / each;
  assert_true(sum < chi_89);
}

// Entries of large permutations: the first 64 of 100000, over keys, are uniform and uncorrelated in
// turn.
static void large_permutations_look_random(void **state) {
  (void)state;
  enum { N = 100000, KEYS = 2048, TAKEN = 64 };
  int counts[BINS] = {0};
  double sum = 0, across = 0;
  for (int k = 0; k < KEYS; k++) {
    uint64_t key = blo_rng_fold(21, (uint64_t)k), next = blo_rng_fold(21, (uint64_t)k + 1);
    double before = 0;
    for (int p = 0; p < TAKEN; p++) {
      int64_t index = blo_rng_index(key, p, N);
      double here = ((double)index + 0.5) / N - 0.5;
      counts[index * BINS / N]++;
      if (p) sum += here * before;
      across += here * (((double)blo_rng_index(next, p, N) + 0.5) / N - 0.5);
      before = here;
    }
  }
  double total = (double)KEYS * TAKEN;
  assert_true(chi_square(counts, BINS, total / BINS) < chi_255);
  assert_true(fabs(sum) < deviations / 12 * sqrt(total));
  assert_true(fabs(across) < deviations / 12 * sqrt(total));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(bytes_are_uniform),
      cmocka_unit_test(bits_are_balanced),
      cmocka_unit_test(neighbours_are_uncorrelated),
      cmocka_unit_test(streams_are_uncorrelated),
      cmocka_unit_test(every_bit_matters),
      cmocka_unit_test(permutations_have_no_favourite_places),
      cmocka_unit_test(large_permutations_look_random),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
