// The kernels of bench_kernels by hand: C with vector extensions, as an expert would write them for
// one machine.
#ifndef BLO_TESTS_HAND_KERNELS_H
#define BLO_TESTS_HAND_KERNELS_H

#include <stdint.h>

enum { SOFTMAX_CLASSES = 10, PRODUCT_SIZE = 64 };

/// value = sum softplus(z) - y z, gradient = X' (logistic(z) - y), z = X w; n is a multiple of 4.
void hand_logistic(const float *x, const float *y, const float *w, float *value, float *gradient,
                   int64_t n, int64_t d);
/// loss = sum over rows of log-sum-exp(z) - z[label], gradient = softmax(z) - one-hot; z [n,
/// classes].
void hand_softmax(const float *z, const int32_t *label, float *loss, float *gradient, int64_t n);
/// c = a b, 64 x 64 each.
void hand_product(const float *a, const float *b, float *c);

#endif
