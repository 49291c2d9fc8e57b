// Counter-based random numbers: every number is a pure function of a key and a counter.
//
// Enters: a 64-bit key and a 64-bit counter. Leaves: the same number on every machine. There is no
// state, so a draw can be repeated, split over threads or resumed at any place. C99, allocates nothing.
//
// The exact arithmetic, all modulo 2^32 or 2^64, so that generated code can repeat it inline:
//
//   philox(c[4], k[2]): Philox4x32-10 of Salmon et al. (2011). Ten rounds of
//       p = 0xD2511F53 * c[0] (64 bits)    q = 0xCD9E8D57 * c[2] (64 bits)
//       c = { high(q) ^ c[1] ^ k[0], low(q), high(p) ^ c[3] ^ k[1], low(p) }
//     and after each round but the last  k[0] += 0x9E3779B9, k[1] += 0xBB67AE85.
//   block(key, word, use) = philox({low(word), high(word), use, 0}, {low(key), high(key)})
//
//   bits(key, counter)    = b[0] | b[1] << 32       with b = block(key, counter, 0)
//   uniform(key, counter) = (bits >> 11) * 2^-53    exact in double, in [0, 1)
//   uniform_f32           = (bits >> 40) * 2^-24    exact in float, in [0, 1)
//   fold(key, word)       = b[0] | b[1] << 32       with b = block(key, word, 1)
//   index(key, position, n), n > 0: entry position mod n of permutation number position div n:
//       epoch = floor(position / n), p = position - epoch * n, r = block(key, epoch, 2)
//       h = least number >= 1 with 4^h >= n; mask = 2^h - 1
//       do { left = p >> h; right = p & mask;
//            for round i = 0 .. 7: (left, right) = (right, left ^ (mix(right + r[i mod 4] + i * 0x9E3779B9) & mask))
//            p = left << h | right } while (p >= n)
//       mix(x): x ^= x >> 16; x *= 0x7FEB352D; x ^= x >> 15; x *= 0x846CA68B; x ^= x >> 16
//     A Feistel network permutes [0, 4^h); walking its cycle until it comes back below n permutes
//     [0, n) and takes fewer than four steps on average. n <= 0 gives 0.
#ifndef BLO_COMMON_RNG_H
#define BLO_COMMON_RNG_H

#include <stdint.h>

/// Philox4x32-10: replaces the counter by its block.
void blo_rng_philox(uint32_t counter[4], const uint32_t key[2]);
/// A new key from a key and a word: independent streams for stages, steps, draws and places.
uint64_t blo_rng_fold(uint64_t key, uint64_t word);
uint64_t blo_rng_bits(uint64_t key, uint64_t counter);
double blo_rng_uniform(uint64_t key, uint64_t counter);
float blo_rng_uniform_f32(uint64_t key, uint64_t counter);
int64_t blo_rng_index(uint64_t key, int64_t position, int64_t n);

#endif
