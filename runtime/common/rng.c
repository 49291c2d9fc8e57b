// Philox4x32-10 and what is drawn from it; rng.h has the arithmetic.
#include "common/rng.h"

enum { USE_NUMBER = 0, USE_FOLD = 1, USE_INDEX = 2, FEISTEL_ROUNDS = 8 };

void blo_rng_philox(uint32_t counter[4], const uint32_t key[2]) {
  uint32_t k0 = key[0], k1 = key[1];
  int round;
  for (round = 0; round < 10; round++) {
    uint64_t p = (uint64_t)0xD2511F53u * counter[0];
    uint64_t q = (uint64_t)0xCD9E8D57u * counter[2];
    uint32_t c1 = counter[1], c3 = counter[3];
    counter[0] = (uint32_t)(q >> 32) ^ c1 ^ k0;
    counter[1] = (uint32_t)q;
    counter[2] = (uint32_t)(p >> 32) ^ c3 ^ k1;
    counter[3] = (uint32_t)p;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
}

static void draw_block(uint32_t block[4], uint64_t key, uint64_t word, uint32_t use) {
  uint32_t words[2];
  words[0] = (uint32_t)key;
  words[1] = (uint32_t)(key >> 32);
  block[0] = (uint32_t)word;
  block[1] = (uint32_t)(word >> 32);
  block[2] = use;
  block[3] = 0;
  blo_rng_philox(block, words);
}

uint64_t blo_rng_fold(uint64_t key, uint64_t word) {
  uint32_t block[4];
  draw_block(block, key, word, USE_FOLD);
  return (uint64_t)block[0] | (uint64_t)block[1] << 32;
}

uint64_t blo_rng_bits(uint64_t key, uint64_t counter) {
  uint32_t block[4];
  draw_block(block, key, counter, USE_NUMBER);
  return (uint64_t)block[0] | (uint64_t)block[1] << 32;
}

double blo_rng_uniform(uint64_t key, uint64_t counter) {
  return (double)(blo_rng_bits(key, counter) >> 11) * 0x1p-53;
}

float blo_rng_uniform_f32(uint64_t key, uint64_t counter) {
  return (float)(blo_rng_bits(key, counter) >> 40) * 0x1p-24f;
}

static uint32_t mix(uint32_t x) {
  x ^= x >> 16;
  x *= 0x7FEB352Du;
  x ^= x >> 15;
  x *= 0x846CA68Bu;
  return x ^ x >> 16;
}

int64_t blo_rng_index(uint64_t key, int64_t position, int64_t n) {
  uint32_t keys[4];
  uint64_t size = (uint64_t)n, p;
  uint32_t mask;
  int half = 1;
  int64_t epoch;
  if (n <= 0) return 0;
  epoch = position / n;
  if (position % n < 0) epoch--;
  p = (uint64_t)position - (uint64_t)epoch * size;
  while (half < 32 && (uint64_t)1 << 2 * half < size) half++;
  mask = half == 32 ? 0xFFFFFFFFu : ((uint32_t)1 << half) - 1;
  draw_block(keys, key, (uint64_t)epoch, USE_INDEX);
  do {
    uint32_t left = (uint32_t)(p >> half) & mask, right = (uint32_t)p & mask;
    uint32_t round;
    for (round = 0; round < FEISTEL_ROUNDS; round++) {
      uint32_t next = left ^ (mix(right + keys[round % 4] + round * 0x9E3779B9u) & mask);
      left = right;
      right = next;
    }
    p = (uint64_t)left << half | right;
  } while (p >= size);
  return (int64_t)p;
}
