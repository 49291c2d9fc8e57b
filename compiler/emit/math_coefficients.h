/* Written by math_coefficients.py: lowest degree first. */
#ifndef BLO_EMIT_MATH_COEFFICIENTS_H
#define BLO_EMIT_MATH_COEFFICIENTS_H

/* (exp(r) - 1 - r) / r^2, |r| <= log(2)/2; error 1.2e-16 */
static const double exp_f64[] = {
    0x1.0000000000001p-1,  0x1.5555555555556p-3,  0x1.5555555553d05p-5,  0x1.1111111110996p-7,
    0x1.6c16c178b0646p-10, 0x1.a01a01a7da98dp-13, 0x1.a019b87f7a6e9p-16, 0x1.71de0d573888bp-19,
    0x1.28922d8c8d4fbp-22, 0x1.af39789bfd689p-26};

/* the same for f32; error 6.5e-08 */
static const double exp_f32[] = {0x1.0000000000000p-1, 0x1.5554dc0d7e642p-3, 0x1.555518b7e980bp-5,
                                 0x1.120c626e39d7fp-7, 0x1.6d11fd3bbba6cp-10};

/* (log((1+s)/(1-s)) - 2s) / s^3 in z = s^2; error 3.2e-16 */
static const double log_f64[] = {0x1.5555555555558p-1, 0x1.9999999995273p-2, 0x1.2492492dfd86cp-2,
                                 0x1.c71c62d5e53e0p-3, 0x1.7462b91b8df65p-3, 0x1.39fdcceb4bb45p-3,
                                 0x1.2b5f68a50d903p-3};

/* (log((1+s)/(1-s)) - 2s - 2/3 s^3) / s^5 in z = s^2; error 2.6e-17 */
static const double log_f64_rest[] = {
    0x1.999999999999ap-2, 0x1.2492492492522p-2, 0x1.c71c71c6ea5acp-3, 0x1.745d177ad436ap-3,
    0x1.3b1395b82701ep-3, 0x1.1118cd67251c5p-3, 0x1.df7ba1f4809c3p-4, 0x1.e03a7acf07f85p-4};

/* (log(1+f) - f + f^2/2) / f^3; error 2.9e-08 */
static const double log_f32[] = {
    0x1.555553e3660dap-2,  -0x1.fffffbeac287ap-3, 0x1.999d5a430bf46p-3,
    -0x1.555b4994ad12bp-3, 0x1.23d2196ef7977p-3,  -0x1.fcf4c673064efp-4,
    0x1.dea28241d30a8p-4,  -0x1.d635bbe618494p-4, 0x1.1d8ea50b3f8a0p-4};

/* (sin(r) - r) / r^3 in z = r^2; error 3.2e-17 */
static const double sin_f64[] = {-0x1.5555555555555p-3,  0x1.1111111110ba5p-7,
                                 -0x1.a01a019e80693p-13, 0x1.71de379252004p-19,
                                 -0x1.ae60069e53ef1p-26, 0x1.5e098556d302ep-33};

/* (cos(r) - 1 + z/2) / z^2 in z = r^2; error 2.3e-18 */
static const double cos_f64[] = {0x1.5555555555555p-5,  -0x1.6c16c16c16960p-10,
                                 0x1.a01a019f4d0edp-16, -0x1.27e4fa15bd814p-22,
                                 0x1.1eeb66b683028p-29, -0x1.907c0e63adbb6p-37};

/* (erf(x) / x - 2/sqrt(pi)) / z in z = x^2, |x| <= 1; error 1.3e-17 */
static const double erf_small[] = {
    -0x1.812746b0379e7p-2,  0x1.ce2f21a042be2p-4,  -0x1.b82ce31288b50p-6,  0x1.565bcd0e6a4d7p-8,
    -0x1.c02db4003dfffp-11, 0x1.f9a326f909fcap-14, -0x1.f4d25c21a7ae1p-17, 0x1.b9e6c6b93df0ep-20,
    -0x1.5f73f0d025fe0p-23, 0x1.fcbeb1bfbdc46p-27, -0x1.5194ba2baa2c6p-30, 0x1.9ae3b3eb19e99p-34,
    -0x1.b860b63a1e77bp-38, 0x1.460f780e4729dp-42};

/* exp(x^2) erfc(x) in t = (x - 2) / (x + 2), 1 <= x <= 6; error 5.2e-17 */
static const double erf_large[] = {
    0x1.058671b52c775p-2,   -0x1.b57034efd3f74p-2, 0x1.eeea7dc8a7bb2p-3,   -0x1.437f0b68c0663p-4,
    0x1.e9471591b7446p-9,   0x1.ca95ed532b303p-8,  -0x1.bc25a010847bep-11, -0x1.016b5e511a3f0p-10,
    0x1.6d589c869e092p-15,  0x1.6dab5fdd60b62p-13, 0x1.ce62d05252d06p-16,  -0x1.cfbc05a3f041ap-16,
    -0x1.db57ed0f1c283p-17, 0x1.f322e0892648ep-20, 0x1.1640edd9e223dp-18,  -0x1.de7cb807e82e6p-23};

#endif
