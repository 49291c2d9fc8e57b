// See hand_kernels.h. Row blocks of four, sixteen lanes, rows in lanes for the softmax, register
// tiles for the product.
#include "bench/hand_kernels.h"

#include <string.h>
#ifdef __AVX512F__
#include <immintrin.h>
#endif

#ifdef __AVX512F__
enum { WIDTH = 16, TILE_ROWS = 8 };
#else
enum { WIDTH = 8, TILE_ROWS = 4 };
#endif
typedef float Lanes __attribute__((vector_size(4 * WIDTH)));
typedef int32_t Bits __attribute__((vector_size(4 * WIDTH)));

static inline Lanes load(const float *p) {
  Lanes v;
  memcpy(&v, p, sizeof v);
  return v;
}

static inline void store(float *p, Lanes v) {
  memcpy(p, &v, sizeof v);
}

#ifdef __AVX512F__
static inline Lanes load_part(const float *p, int64_t count) {
  return (Lanes)_mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), p);
}

static inline void store_part(float *p, Lanes v, int64_t count) {
  _mm512_mask_storeu_ps(p, (__mmask16)((1u << count) - 1), (__m512)v);
}
#else
static inline Lanes load_part(const float *p, int64_t count) {
  Lanes v = {0};
  for (int64_t i = 0; i < count; i++) v[i] = p[i];
  return v;
}

static inline void store_part(float *p, Lanes v, int64_t count) {
  for (int64_t i = 0; i < count; i++) p[i] = v[i];
}
#endif

static inline float sum(Lanes v) {
  typedef float Four __attribute__((vector_size(16)));
  Four part[WIDTH / 4], total;
  memcpy(part, &v, sizeof part);
  total = part[0] + part[1];
  for (int i = 2; i < WIDTH / 4; i++) total += part[i];
  return (total[0] + total[2]) + (total[1] + total[3]);
}

static inline Lanes choose(Bits mask, Lanes yes, Lanes no) {
  return (Lanes)((mask & (Bits)yes) | (~mask & (Bits)no));
}

static inline Lanes exponential(Lanes x) {
  Lanes low = {0}, high = {0};
  low += -87.3f;
  high += 88.3f;
  x = choose(x < low, low, x);
  x = choose(x > high, high, x);
  Lanes shifted = x * 1.44269504f + 12582912.0f, n = shifted - 12582912.0f;
  Lanes r = x - n * 0.693359375f;
  r += n * 2.12194440e-4f;
  Lanes p = 1.9875691500e-4f * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  Bits exponent = ((Bits)shifted - 0x4B400000 + 127) << 23;
  return p * (Lanes)exponent;
}

static inline Lanes logarithm(Lanes x) {
  Bits moved = (Bits)x + (0x3F800000 - 0x3F3504F3);
  Lanes e = __builtin_convertvector((moved >> 23) - 127, Lanes);
  Lanes f = (Lanes)((moved & 0x7FFFFF) + 0x3F3504F3) - 1.0f;
  Lanes p = 7.0376836292e-2f * f - 1.1514610310e-1f;
  p = p * f + 1.1676998740e-1f;
  p = p * f - 1.2420140846e-1f;
  p = p * f + 1.4249322787e-1f;
  p = p * f - 1.6668057665e-1f;
  p = p * f + 2.0000714765e-1f;
  p = p * f - 2.4999993993e-1f;
  p = p * f + 3.3333331174e-1f;
  Lanes square = f * f;
  return e * 0.693359375f + (f + (square * f * p - e * 2.12194440e-4f - 0.5f * square));
}

void hand_logistic(const float *x, const float *y, const float *w, float *value, float *gradient,
                   int64_t n, int64_t d) {
  float total = 0;
  memset(gradient, 0, (size_t)d * sizeof *gradient);
  int64_t full = d / WIDTH * WIDTH, rest = d - full;
  for (int64_t i = 0; i < n; i += 4) {
    const float *row[4];
    Lanes dot[4] = {{0}, {0}, {0}, {0}}, z = {0}, target = {0};
    for (int r = 0; r < 4; r++) row[r] = x + (i + r) * d;
    for (int64_t j = 0; j < full; j += WIDTH) {
      Lanes v = load(w + j);
      for (int r = 0; r < 4; r++) dot[r] += load(row[r] + j) * v;
    }
    if (rest) {
      Lanes v = load_part(w + full, rest);
      for (int r = 0; r < 4; r++) dot[r] += load_part(row[r] + full, rest) * v;
    }
    for (int r = 0; r < 4; r++) z[r] = sum(dot[r]), target[r] = y[i + r];
    Lanes size = choose(z < 0.0f, -z, z), e = exponential(-size);
    Lanes softplus = choose(z > 0.0f, z, (Lanes){0}) + logarithm(1.0f + e), one = e * 0 + 1;
    Lanes residual = choose(z < 0.0f, e, one) / (1.0f + e) - target, part = softplus - target * z;
    total += (part[0] + part[2]) + (part[1] + part[3]);
    for (int64_t j = 0; j < full; j += WIDTH) {
      Lanes g = load(gradient + j);
      for (int r = 0; r < 4; r++) g += residual[r] * load(row[r] + j);
      store(gradient + j, g);
    }
    if (rest) {
      Lanes g = load_part(gradient + full, rest);
      for (int r = 0; r < 4; r++) g += residual[r] * load_part(row[r] + full, rest);
      store_part(gradient + full, g, rest);
    }
  }
  *value = total;
}

void hand_softmax(const float *z, const int32_t *label, float *loss, float *gradient, int64_t n) {
  Lanes total = {0};
  for (int64_t i = 0; i < n; i += WIDTH) { // n is a multiple of 16
    float columns[SOFTMAX_CLASSES][WIDTH];
    const float *block = z + i * SOFTMAX_CLASSES;
    for (int r = 0; r < WIDTH; r++)
      for (int c = 0; c < SOFTMAX_CLASSES; c++) columns[c][r] = block[r * SOFTMAX_CLASSES + c];
    Lanes v[SOFTMAX_CLASSES], most = load(columns[0]), sums = {0}, chosen = {0};
    for (int c = 1; c < SOFTMAX_CLASSES; c++) {
      Lanes other = load(columns[c]);
      most = choose(other > most, other, most);
    }
    Bits labels;
    memcpy(&labels, label + i, sizeof labels);
    for (int c = 0; c < SOFTMAX_CLASSES; c++) {
      Lanes shifted = load(columns[c]) - most;
      chosen = choose(labels == c, shifted, chosen);
      v[c] = exponential(shifted);
      sums += v[c];
    }
    total += logarithm(sums) - chosen;
    for (int c = 0; c < SOFTMAX_CLASSES; c++) {
      Lanes g = v[c] / sums;
      g = choose(labels == c, g - 1.0f, g);
      store(columns[c], g);
    }
    float *out = gradient + i * SOFTMAX_CLASSES;
    for (int r = 0; r < WIDTH; r++)
      for (int c = 0; c < SOFTMAX_CLASSES; c++) out[r * SOFTMAX_CLASSES + c] = columns[c][r];
  }
  *loss = sum(total);
}

void hand_product(const float *a, const float *b, float *c) {
  enum { ROWS = TILE_ROWS, COLUMNS = 2 };
  for (int64_t j = 0; j < PRODUCT_SIZE; j += COLUMNS * WIDTH)
    for (int64_t i = 0; i < PRODUCT_SIZE; i += ROWS) {
      Lanes tile[ROWS][COLUMNS] = {0};
      for (int64_t k = 0; k < PRODUCT_SIZE; k++)
        for (int r = 0; r < ROWS; r++)
          for (int v = 0; v < COLUMNS; v++)
            tile[r][v] +=
                a[(i + r) * PRODUCT_SIZE + k] * load(b + k * PRODUCT_SIZE + j + v * WIDTH);
      for (int r = 0; r < ROWS; r++)
        for (int v = 0; v < COLUMNS; v++)
          store(c + (i + r) * PRODUCT_SIZE + j + v * WIDTH, tile[r][v]);
    }
}
