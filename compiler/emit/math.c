// Exponentials and logarithms inline, for f32 and f64, scalars and vectors of any width.
//
// Each is one straight line without branches: range reduction by bit arithmetic, a polynomial
// (math_coefficients.h), selects for the special values. Errors are at most about 1 ulp for exp and
// log, 2 for what is made of them (docs/internals/emit.md has the measured ones). Denormal
// arguments and results are right.
#include "emit/math_internal.h"

#include "emit/math_coefficients.h"

#include <math.h>

V polynomial(const Maker *k, const double *coefficients, int count, V x) {
  V sum = f_const(x, coefficients[count - 1]);
  for (int i = count - 2; i >= 0; i--) sum = f_fma(k, sum, x, f_const(x, coefficients[i]));
  return sum;
}

// ---------------------------------------------------------------- exp

// The format's numbers: x + magic leaves the integer nearest to x in the low bits of the sum.
typedef struct Format {
  int mantissa, bias;
  double magic, log2_high, log2_low; // log2_high * n is exact for the n that occur
  double exp_most, exp_least;        // beyond: inf, 0
} Format;

static const Format format_f32 = {23, 127, 0x1.8p23, 0x1.63p-1, -0x1.bd0105c610ca8p-13, 90, -105};
static const Format format_f64 = {52,  1023, 0x1.8p52, 0x1.62e42feep-1, 0x1.a39ef35793c76p-33,
                                  711, -747};

static const Format *format_of(const Maker *k, V x) {
  return is_f64(k, x) ? &format_f64 : &format_f32;
}

typedef struct Reduced { // x = n log(2) + r
  V r, scale_a, scale_b; // 2^n = scale_a * scale_b
  V inverse_b;           // 1 / scale_b
} Reduced;

/// x within [exp_least, exp_most] or NaN.
static Reduced reduce_exp(const Maker *k, V x) {
  const Format *f = format_of(k, x);
  V magic = f_const(x, f->magic);
  V shifted = f_fma(k, x, f_const(x, 0x1.71547652b82fep0), magic);
  V n = f_sub(k, shifted, magic);
  Reduced result;
  result.r = f_fma(k, n, f_const(x, -f->log2_high), x);
  result.r = f_fma(k, n, f_const(x, -f->log2_low), result.r);
  // n + 2 bias is positive, so that its half needs no signed shift
  V bits = to_bits(k, shifted);
  V raised = i_add(k, i_sub(k, bits, to_bits(k, magic)), i_const(bits, 2 * f->bias));
  V a = i_shift_right(k, raised, 1), b = i_sub(k, raised, a);
  result.scale_a = from_bits(k, i_shift_left(k, a, f->mantissa), x);
  result.scale_b = from_bits(k, i_shift_left(k, b, f->mantissa), x);
  result.inverse_b =
      from_bits(k, i_shift_left(k, i_sub(k, i_const(b, 2 * f->bias), b), f->mantissa), x);
  return result;
}

static V exp_tail(const Maker *k, V r) {
  return is_f64(k, r) ? POLYNOMIAL(k, exp_f64, r) : POLYNOMIAL(k, exp_f32, r);
}

static V clamp_exp(const Maker *k, V x) {
  const Format *f = format_of(k, x);
  return f_at_least(k, f_at_most(k, x, f->exp_most), f->exp_least);
}

static V exp_of_reduced(const Maker *k, const Reduced *q) {
  V sum = f_fma(k, f_mul(k, q->r, q->r), exp_tail(k, q->r), q->r);
  V result = f_add(k, f_const(q->r, 1), sum);
  return f_mul(k, f_mul(k, result, q->scale_a), q->scale_b);
}

V exp_value(const Maker *k, V x) {
  Reduced q = reduce_exp(k, clamp_exp(k, x));
  return exp_of_reduced(k, &q);
}

V exp_of_pair(const Maker *k, V high, V low) {
  Reduced q = reduce_exp(k, clamp_exp(k, high));
  q.r = f_add(k, q.r, low);
  return exp_of_reduced(k, &q);
}

V expm1_value(const Maker *k, V x) {
  V clamped = f_at_least(k, f_at_most(k, x, format_of(k, x)->exp_most), is_f64(k, x) ? -50 : -25);
  Reduced q = reduce_exp(k, clamped);
  V sum = f_fma(k, f_mul(k, q.r, q.r), exp_tail(k, q.r), q.r);
  // 2^n (1 + sum) - 1, with 2^n in two factors
  V lead = f_sub(k, q.scale_a, q.inverse_b);
  V result = f_mul(k, f_fma(k, q.scale_a, sum, lead), q.scale_b);
  return f_select(k, f_equal(k, x, f_const(x, 0)), x, result); // keeps -0
}

// ---------------------------------------------------------------- log

typedef struct Split {          // x = 2^exponent * (1 + f), 1 + f within [sqrt(1/2), sqrt(2))
  V f, exponent, exponent_bits; // bits: exponent + bias
} Split;

static Split split_log(const Maker *k, V x) {
  const Format *format = format_of(k, x);
  bool wide = is_f64(k, x);
  int64_t root = wide ? 0x3FE6A09E667F3BCD : 0x3F3504F3; // bits of sqrt(1/2)
  int64_t one = wide ? 0x3FF0000000000000 : 0x3F800000;
  V bits = to_bits(k, x);
  V moved = i_add(k, bits, i_const(bits, one - root));
  Split s;
  s.exponent_bits = i_shift_right(k, moved, format->mantissa);
  V mantissa = LLVMBuildAnd(k->b, moved, i_const(bits, ((int64_t)1 << format->mantissa) - 1), "");
  V m = from_bits(k, i_add(k, mantissa, i_const(bits, root)), x);
  s.f = f_sub(k, m, f_const(x, 1));
  double magic = ldexp(1, format->mantissa);
  V shifted = LLVMBuildOr(k->b, s.exponent_bits, to_bits(k, f_const(x, magic)), "");
  s.exponent = f_sub(k, from_bits(k, shifted, x), f_const(x, magic + format->bias));
  return s;
}

/// exponent * log(2) + log(1 + f) + tail
static V log_of_split(const Maker *k, const Split *s) {
  const Format *format = format_of(k, s->f);
  V f = s->f, half_square = f_mul(k, f_mul(k, f, f_const(f, 0.5)), f);
  V low = f_mul(k, s->exponent, f_const(f, format->log2_low)), sum;
  if (is_f64(k, f)) {
    V ratio = f_div(k, f, f_add(k, f, f_const(f, 2))), z = f_mul(k, ratio, ratio);
    V rest = f_mul(k, z, POLYNOMIAL(k, log_f64, z));
    // log(1 + f) = f - (f^2/2 - ratio (f^2/2 + rest))
    sum = f_sub(k, half_square, f_fma(k, ratio, f_add(k, half_square, rest), low));
  } else {
    V cube = f_mul(k, f_mul(k, f, f), f);
    sum = f_sub(k, half_square, f_fma(k, cube, POLYNOMIAL(k, log_f32, f), low));
  }
  return f_fma(k, s->exponent, f_const(f, format->log2_high), f_sub(k, f, sum));
}

/// Puts the values at 0, below 0, inf and NaN in place, where `x` is log's argument.
static V log_special(const Maker *k, V x, V result) {
  V zero = f_const(x, 0), infinity = f_const(x, INFINITY);
  result = f_select(k, f_equal(k, x, zero), f_const(x, -INFINITY), result);
  V fine = LLVMBuildFCmp(k->b, LLVMRealOGE, x, zero, "");
  result = f_select(k, fine, result, f_const(x, NAN));
  return f_select(k, f_equal(k, x, infinity), x, result);
}

V log_value(const Maker *k, V x) {
  bool wide = is_f64(k, x);
  double scale = wide ? 0x1p54 : 0x1p25;
  V tiny = f_less(k, x, f_const(x, wide ? 0x1p-1022 : 0x1p-126));
  V normal = f_select(k, tiny, f_mul(k, x, f_const(x, scale)), x);
  Split s = split_log(k, normal);
  V shift = f_select(k, tiny, f_const(x, wide ? -54 : -25), f_const(x, 0));
  s.exponent = f_add(k, s.exponent, shift);
  return log_special(k, x, log_of_split(k, &s));
}

V log1p_value(const Maker *k, V x) {
  const Format *format = format_of(k, x);
  V one = f_const(x, 1), u = f_add(k, x, one), back = f_sub(k, u, one);
  // what the sum 1 + x lost
  V lost = f_add(k, f_sub(k, one, f_sub(k, u, back)), f_sub(k, x, back));
  Split s = split_log(k, u);
  // brought to the scale of f: lost * 2^-exponent; it is 0 or nothing where the exponent is huge
  int most = 2 * format->bias - 30;
  V above = LLVMBuildICmp(k->b, LLVMIntUGT, s.exponent_bits, i_const(s.exponent_bits, most), "");
  V bits = f_select(k, above, i_const(s.exponent_bits, most), s.exponent_bits);
  V scale = from_bits(
      k, i_shift_left(k, i_sub(k, i_const(bits, 2 * format->bias), bits), format->mantissa), x);
  s.f = f_fma(k, lost, scale, s.f);
  V result = log_special(k, u, log_of_split(k, &s));
  return f_select(k, f_equal(k, x, f_const(x, 0)), x, result); // keeps -0
}

// ---------------------------------------------------------------- log in two parts

// (high, low) stands for high + low with |low| <= ulp(high) / 2.
static void quick_sum(const Maker *k, V a, V b, V *high, V *low) { // |a| >= |b|
  *high = f_add(k, a, b);
  *low = f_sub(k, b, f_sub(k, *high, a));
}

void log_pair(const Maker *k, V x, V *high, V *low) {
  Split s = split_log(k, x);
  V f = s.f, divisor = f_add(k, f, f_const(f, 2));
  V divisor_low = f_sub(k, f, f_sub(k, divisor, f_const(f, 2)));
  // ratio = f / (2 + f) and its remainder
  V r = f_div(k, f, divisor);
  V rest = f_fma(k, f_neg(k, r), divisor, f);
  V r_low = f_div(k, f_fma(k, f_neg(k, r), divisor_low, rest), divisor);
  V z = f_mul(k, r, r), z_low = f_fma(k, r, r, f_neg(k, z));
  z_low = f_fma(k, f_mul(k, f_const(r, 2), r), r_low, z_low);
  // 2/3 r^3 = (2/3 z) r in two parts
  V third = f_const(f, 0x1.5555555555555p-1), third_low = f_const(f, 0x1.5555555555555p-55);
  V c = f_mul(k, z, third);
  V c_low = f_fma(k, z, third_low, f_fma(k, z_low, third, f_fma(k, z, third, f_neg(k, c))));
  V tail = f_mul(k, f_mul(k, z, z), POLYNOMIAL(k, log_f64_rest, z)); // times r
  V factor, factor_low;
  quick_sum(k, f_const(f, 2), c, &factor, &factor_low);
  factor_low = f_add(k, factor_low, f_add(k, c_low, tail));
  V p = f_mul(k, r, factor), p_low = f_fma(k, r, factor, f_neg(k, p));
  p_low = f_add(k, p_low, f_fma(k, r, factor_low, f_mul(k, r_low, factor)));
  // + exponent * log(2); the high product is exact
  V e_high = f_mul(k, s.exponent, f_const(f, format_f64.log2_high));
  V e_low = f_mul(k, s.exponent, f_const(f, format_f64.log2_low));
  V sum, sum_low;
  quick_sum(k, e_high, p, &sum, &sum_low);
  V no_exponent = f_equal(k, s.exponent, f_const(f, 0)); // then |e_high| < |p|
  sum = f_select(k, no_exponent, p, sum);
  sum_low = f_select(k, no_exponent, f_const(f, 0), sum_low);
  quick_sum(k, sum, f_add(k, sum_low, f_add(k, p_low, e_low)), high, low);
}
