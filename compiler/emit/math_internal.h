// Short names for building floating-point code, for math.c and math_functions.c.
#ifndef BLO_EMIT_MATH_INTERNAL_H
#define BLO_EMIT_MATH_INTERNAL_H

#include "emit/emit_internal.h"

typedef LLVMValueRef V;

static inline V f_const(V like, double x) {
  return splat_real(LLVMTypeOf(like), x);
}
static inline V f_add(const Maker *k, V x, V y) {
  return LLVMBuildFAdd(k->b, x, y, "");
}
static inline V f_sub(const Maker *k, V x, V y) {
  return LLVMBuildFSub(k->b, x, y, "");
}
static inline V f_mul(const Maker *k, V x, V y) {
  return LLVMBuildFMul(k->b, x, y, "");
}
static inline V f_div(const Maker *k, V x, V y) {
  return LLVMBuildFDiv(k->b, x, y, "");
}
static inline V f_neg(const Maker *k, V x) {
  return LLVMBuildFNeg(k->b, x, "");
}
static inline V f_abs(const Maker *k, V x) {
  return call_unary(k->m, k->b, "llvm.fabs", x);
}
static inline V f_fma(const Maker *k, V x, V y, V z) {
  return multiply_add(k, x, y, z);
}
static inline V f_less(const Maker *k, V x, V y) {
  return LLVMBuildFCmp(k->b, LLVMRealOLT, x, y, "");
}
static inline V f_equal(const Maker *k, V x, V y) {
  return LLVMBuildFCmp(k->b, LLVMRealOEQ, x, y, "");
}
static inline V f_select(const Maker *k, V c, V x, V y) {
  return LLVMBuildSelect(k->b, c, x, y, "");
}
static inline bool is_f64(const Maker *k, V x) {
  return type_element(LLVMTypeOf(x)) == k->m->f64;
}

/// min and max with a constant; a NaN stays.
static inline V f_at_most(const Maker *k, V x, double limit) {
  V bound = f_const(x, limit);
  return f_select(k, LLVMBuildFCmp(k->b, LLVMRealOGT, x, bound, ""), bound, x);
}
static inline V f_at_least(const Maker *k, V x, double limit) {
  V bound = f_const(x, limit);
  return f_select(k, f_less(k, x, bound), bound, x);
}

/// Integers of the same size as the float.
static inline LLVMTypeRef bits_type(const Maker *k, V x) {
  return type_shaped(is_f64(k, x) ? k->m->i64 : k->m->i32, LLVMTypeOf(x));
}
static inline V to_bits(const Maker *k, V x) {
  return LLVMBuildBitCast(k->b, x, bits_type(k, x), "");
}
static inline V from_bits(const Maker *k, V bits, V like) {
  return LLVMBuildBitCast(k->b, bits, LLVMTypeOf(like), "");
}
static inline V i_const(V like, int64_t x) {
  return splat_int(LLVMTypeOf(like), x);
}
static inline V i_add(const Maker *k, V x, V y) {
  return LLVMBuildAdd(k->b, x, y, "");
}
static inline V i_sub(const Maker *k, V x, V y) {
  return LLVMBuildSub(k->b, x, y, "");
}
static inline V i_shift_left(const Maker *k, V x, int by) {
  return LLVMBuildShl(k->b, x, i_const(x, by), "");
}
static inline V i_shift_right(const Maker *k, V x, int by) {
  return LLVMBuildLShr(k->b, x, i_const(x, by), "");
}

/// c[0] + c[1] x + ..
V polynomial(const Maker *k, const double *coefficients, int count, V x);
#define POLYNOMIAL(k, table, x) polynomial(k, table, (int)(sizeof(table) / sizeof *(table)), x)

V exp_value(const Maker *k, V x);
V exp_of_pair(const Maker *k, V high, V low); // exp(high + low), |low| tiny
V expm1_value(const Maker *k, V x);
V log_value(const Maker *k, V x);
V log1p_value(const Maker *k, V x);
/// log(x) = high + low for positive finite normal f64 numbers, to about 68 bits; needs fused
/// multiply-add.
void log_pair(const Maker *k, V x, V *high, V *low);

#endif
