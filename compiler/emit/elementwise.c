// Elementwise ops as LLVM instructions, on scalars and vectors alike, with the meaning of
// ir/scalar.c.
//
// No fast-math flags anywhere: the optimiser may not reorder what the loop IR has fixed. A product
// that is accumulated is fused (multiply_add) where the target can; nothing else contracts.
#include "emit/emit_internal.h"
#include "ir/scalar.h"

#include <math.h>

// ---------------------------------------------------------------- 16-bit floats and bool in memory

static LLVMValueRef bfloat_bits(const Maker *k, LLVMValueRef x) {
  LLVMTypeRef bits = type_shaped(k->m->i32, LLVMTypeOf(x));
  LLVMValueRef u = LLVMBuildBitCast(k->b, x, bits, "");
  LLVMValueRef odd =
      LLVMBuildAnd(k->b, LLVMBuildLShr(k->b, u, splat_int(bits, 16), ""), splat_int(bits, 1), "");
  LLVMValueRef up = LLVMBuildAdd(k->b, u, LLVMBuildAdd(k->b, odd, splat_int(bits, 0x7FFF), ""), "");
  LLVMValueRef is_nan = LLVMBuildFCmp(k->b, LLVMRealUNO, x, x, "");
  LLVMValueRef quiet = LLVMBuildOr(k->b, u, splat_int(bits, 0x400000), "");
  LLVMValueRef rounded = LLVMBuildSelect(k->b, is_nan, quiet, up, "");
  return LLVMBuildLShr(k->b, rounded, splat_int(bits, 16), "");
}

static LLVMValueRef bfloat_value(const Maker *k, LLVMValueRef bits) {
  LLVMTypeRef wide = type_shaped(k->m->i32, LLVMTypeOf(bits));
  LLVMValueRef u =
      LLVMBuildShl(k->b, LLVMBuildIntCast2(k->b, bits, wide, 0, ""), splat_int(wide, 16), "");
  return LLVMBuildBitCast(k->b, u, type_shaped(k->m->f32, wide), "");
}

// Rounds an f32 value to a 16-bit type; others as they are.
static LLVMValueRef round_value(const Maker *k, Dtype dtype, LLVMValueRef x) {
  LLVMTypeRef type = LLVMTypeOf(x);
  if (dtype == DT_F16)
    return LLVMBuildFPExt(k->b, LLVMBuildFPTrunc(k->b, x, type_shaped(k->m->f16, type), ""), type,
                          "");
  if (dtype == DT_BF16) return bfloat_value(k, bfloat_bits(k, x));
  return x;
}

LLVMValueRef value_from_memory(const Maker *k, Dtype dtype, LLVMValueRef x) {
  LLVMTypeRef type = LLVMTypeOf(x);
  if (dtype == DT_F16) return LLVMBuildFPExt(k->b, x, type_shaped(k->m->f32, type), "");
  if (dtype == DT_BF16) return bfloat_value(k, x);
  if (dtype == DT_BOOL) return LLVMBuildICmp(k->b, LLVMIntNE, x, LLVMConstNull(type), "");
  return x;
}

LLVMValueRef value_to_memory(const Maker *k, Dtype dtype, LLVMValueRef x) {
  LLVMTypeRef type = LLVMTypeOf(x);
  if (dtype == DT_F16) return LLVMBuildFPTrunc(k->b, x, type_shaped(k->m->f16, type), "");
  if (dtype == DT_BF16)
    return LLVMBuildTrunc(k->b, bfloat_bits(k, x), type_shaped(k->m->i16, type), "");
  if (dtype == DT_BOOL) return LLVMBuildZExt(k->b, x, type_shaped(k->m->i8, type), "");
  return x;
}

// ---------------------------------------------------------------- floats

LLVMValueRef multiply_add(const Maker *k, LLVMValueRef x, LLVMValueRef y, LLVMValueRef z) {
  LLVMTypeRef type = LLVMTypeOf(z);
  return call_intrinsic(k->m, k->b, "llvm.fmuladd", &type, 1, (LLVMValueRef[]){x, y, z}, 3);
}

/// x if it is a NaN or lies on the wanted side of y, else y: a NaN on either side wins.
static LLVMValueRef real_extreme(const Maker *k, LLVMRealPredicate side, LLVMValueRef x,
                                 LLVMValueRef y) {
  LLVMValueRef better = LLVMBuildSelect(k->b, LLVMBuildFCmp(k->b, side, x, y, ""), x, y, "");
  return LLVMBuildSelect(k->b, LLVMBuildFCmp(k->b, LLVMRealUNO, x, x, ""), x, better, "");
}

static LLVMValueRef real_sign(const Maker *k, LLVMValueRef x) {
  LLVMTypeRef type = LLVMTypeOf(x);
  LLVMValueRef zero = LLVMConstNull(type);
  LLVMValueRef below = LLVMBuildSelect(k->b, LLVMBuildFCmp(k->b, LLVMRealOLT, x, zero, ""),
                                       splat_real(type, -1), x, "");
  return LLVMBuildSelect(k->b, LLVMBuildFCmp(k->b, LLVMRealOGT, x, zero, ""), splat_real(type, 1),
                         below, "");
}

static LLVMValueRef real_remainder(const Maker *k, LLVMValueRef x, LLVMValueRef y) {
  LLVMValueRef zero = LLVMConstNull(LLVMTypeOf(x));
  LLVMValueRef r = LLVMBuildFRem(k->b, x, y, "");
  LLVMValueRef other_sign = LLVMBuildXor(k->b, LLVMBuildFCmp(k->b, LLVMRealOLT, r, zero, ""),
                                         LLVMBuildFCmp(k->b, LLVMRealOLT, y, zero, ""), "");
  LLVMValueRef adjust =
      LLVMBuildAnd(k->b, other_sign, LLVMBuildFCmp(k->b, LLVMRealUNE, r, zero, ""), "");
  return LLVMBuildSelect(k->b, adjust, LLVMBuildFAdd(k->b, r, y, ""), r, "");
}

static LLVMValueRef real_unary(const Maker *k, Opcode code, LLVMValueRef x) {
  LLVMTypeRef type = LLVMTypeOf(x);
  switch (code) {
  case OP_NEG:
    return LLVMBuildFNeg(k->b, x, "");
  case OP_ABS:
    return call_unary(k->m, k->b, "llvm.fabs", x);
  case OP_SIGN:
    return real_sign(k, x);
  case OP_FLOOR:
    return call_unary(k->m, k->b, "llvm.floor", x);
  case OP_SQRT:
    return call_unary(k->m, k->b, "llvm.sqrt", x);
  case OP_RSQRT:
    return LLVMBuildFDiv(k->b, splat_real(type, 1), call_unary(k->m, k->b, "llvm.sqrt", x), "");
  case OP_ISFINITE:
    return LLVMBuildFCmp(k->b, LLVMRealOLT, call_unary(k->m, k->b, "llvm.fabs", x),
                         splat_real(type, INFINITY), "");
  default:
    return math_unary(k, code, x);
  }
}

static LLVMValueRef real_binary(const Maker *k, Opcode code, LLVMValueRef x, LLVMValueRef y) {
  switch (code) {
  case OP_ADD:
    return LLVMBuildFAdd(k->b, x, y, "");
  case OP_SUB:
    return LLVMBuildFSub(k->b, x, y, "");
  case OP_MUL:
    return LLVMBuildFMul(k->b, x, y, "");
  case OP_DIV:
    return LLVMBuildFDiv(k->b, x, y, "");
  case OP_POW:
  case OP_ATAN2:
  case OP_POLYGAMMA:
    return math_binary(k, code, x, y);
  case OP_MAX:
    return real_extreme(k, LLVMRealOGT, x, y);
  case OP_MIN:
    return real_extreme(k, LLVMRealOLT, x, y);
  case OP_MOD:
    return real_remainder(k, x, y);
  default:
    BUG("'%s' is not a binary op on floats", op_table[code].text);
  }
}

// ---------------------------------------------------------------- integers and bool

static LLVMValueRef integer_unary(const Maker *k, Opcode code, bool is_unsigned, LLVMValueRef x) {
  LLVMTypeRef type = LLVMTypeOf(x);
  LLVMValueRef zero = LLVMConstNull(type);
  switch (code) {
  case OP_NEG:
    return LLVMBuildNeg(k->b, x, "");
  case OP_NOT:
    return LLVMBuildNot(k->b, x, "");
  case OP_ABS:
    if (is_unsigned) return x;
    return LLVMBuildSelect(k->b, LLVMBuildICmp(k->b, LLVMIntSLT, x, zero, ""),
                           LLVMBuildNeg(k->b, x, ""), x, "");
  case OP_SIGN: {
    LLVMValueRef above = LLVMBuildICmp(k->b, is_unsigned ? LLVMIntUGT : LLVMIntSGT, x, zero, "");
    LLVMValueRef sign = LLVMBuildZExt(k->b, above, type, "");
    if (is_unsigned) return sign;
    LLVMValueRef below = LLVMBuildICmp(k->b, LLVMIntSLT, x, zero, "");
    return LLVMBuildSub(k->b, sign, LLVMBuildZExt(k->b, below, type, ""), "");
  }
  default:
    BUG("'%s' is not a unary op on integers", op_table[code].text);
  }
}

/// Division rounding down and its remainder; never traps: x / 0 = 0, x mod 0 = 0.
static LLVMValueRef integer_divide(const Maker *k, bool is_unsigned, bool remainder, LLVMValueRef x,
                                   LLVMValueRef y) {
  LLVMTypeRef type = LLVMTypeOf(x);
  LLVMValueRef zero = LLVMConstNull(type), one = splat_int(type, 1);
  LLVMValueRef y_zero = LLVMBuildICmp(k->b, LLVMIntEQ, y, zero, "");
  if (is_unsigned) {
    LLVMValueRef safe = LLVMBuildSelect(k->b, y_zero, one, y, "");
    LLVMValueRef result =
        remainder ? LLVMBuildURem(k->b, x, safe, "") : LLVMBuildUDiv(k->b, x, safe, "");
    return LLVMBuildSelect(k->b, y_zero, zero, result, "");
  }
  LLVMValueRef y_minus = LLVMBuildICmp(k->b, LLVMIntEQ, y, splat_int(type, -1), "");
  LLVMValueRef special = LLVMBuildOr(k->b, y_zero, y_minus, "");
  LLVMValueRef safe = LLVMBuildSelect(k->b, special, one, y, "");
  LLVMValueRef quotient = LLVMBuildSDiv(k->b, x, safe, "");
  LLVMValueRef rest = LLVMBuildSub(k->b, x, LLVMBuildMul(k->b, quotient, safe, ""), "");
  LLVMValueRef other_sign =
      LLVMBuildICmp(k->b, LLVMIntSLT, LLVMBuildXor(k->b, rest, safe, ""), zero, "");
  LLVMValueRef adjust =
      LLVMBuildAnd(k->b, other_sign, LLVMBuildICmp(k->b, LLVMIntNE, rest, zero, ""), "");
  if (remainder) // 0 for divisors 0 and -1, which became 1
    return LLVMBuildSelect(k->b, adjust, LLVMBuildAdd(k->b, rest, safe, ""), rest, "");
  quotient = LLVMBuildSub(k->b, quotient, LLVMBuildZExt(k->b, adjust, type, ""), "");
  quotient = LLVMBuildSelect(k->b, y_minus, LLVMBuildNeg(k->b, x, ""), quotient, "");
  return LLVMBuildSelect(k->b, y_zero, zero, quotient, "");
}

static LLVMValueRef integer_binary(const Maker *k, Opcode code, bool is_unsigned, LLVMValueRef x,
                                   LLVMValueRef y) {
  switch (code) {
  case OP_ADD:
    return LLVMBuildAdd(k->b, x, y, "");
  case OP_SUB:
    return LLVMBuildSub(k->b, x, y, "");
  case OP_MUL:
    return LLVMBuildMul(k->b, x, y, "");
  case OP_DIV:
    return integer_divide(k, is_unsigned, false, x, y);
  case OP_MOD:
    return integer_divide(k, is_unsigned, true, x, y);
  case OP_MAX:
    return call_binary(k->m, k->b, is_unsigned ? "llvm.umax" : "llvm.smax", x, y);
  case OP_MIN:
    return call_binary(k->m, k->b, is_unsigned ? "llvm.umin" : "llvm.smin", x, y);
  case OP_AND:
    return LLVMBuildAnd(k->b, x, y, "");
  case OP_OR:
    return LLVMBuildOr(k->b, x, y, "");
  default:
    BUG("'%s' is not a binary op on integers", op_table[code].text);
  }
}

// ---------------------------------------------------------------- comparison and conversion

static LLVMValueRef compare(const Maker *k, Compare op, Dtype dtype, LLVMValueRef x,
                            LLVMValueRef y) {
  static const LLVMRealPredicate reals[] = {LLVMRealOLT, LLVMRealOLE, LLVMRealOGT,
                                            LLVMRealOGE, LLVMRealOEQ, LLVMRealUNE};
  static const LLVMIntPredicate signs[] = {LLVMIntSLT, LLVMIntSLE, LLVMIntSGT,
                                           LLVMIntSGE, LLVMIntEQ,  LLVMIntNE};
  static const LLVMIntPredicate unsigns[] = {LLVMIntULT, LLVMIntULE, LLVMIntUGT,
                                             LLVMIntUGE, LLVMIntEQ,  LLVMIntNE};
  if (dtype_is_float(dtype)) return LLVMBuildFCmp(k->b, reals[op], x, y, "");
  bool is_unsigned = dtype == DT_U8 || dtype == DT_BOOL;
  return LLVMBuildICmp(k->b, is_unsigned ? unsigns[op] : signs[op], x, y, "");
}

static LLVMValueRef convert_real(const Maker *k, Dtype to, LLVMValueRef x) {
  LLVMTypeRef from = LLVMTypeOf(x), type = type_shaped(value_type(k->m, to), from);
  if (dtype_is_float(to)) return round_value(k, to, LLVMBuildFPCast(k->b, x, type, ""));
  if (to == DT_BOOL) return LLVMBuildFCmp(k->b, LLVMRealUNE, x, LLVMConstNull(from), "");
  const char *name = to == DT_U8 ? "llvm.fptoui.sat" : "llvm.fptosi.sat"; // NaN: 0
  return call_intrinsic(k->m, k->b, name, (LLVMTypeRef[]){type, from}, 2, &x, 1);
}

static LLVMValueRef convert(const Maker *k, Dtype from, Dtype to, LLVMValueRef x) {
  if (dtype_is_float(from)) return convert_real(k, to, x);
  LLVMTypeRef type = type_shaped(value_type(k->m, to), LLVMTypeOf(x));
  bool is_unsigned = from == DT_U8 || from == DT_BOOL;
  if (dtype_is_float(to))
    return round_value(k, to,
                       is_unsigned ? LLVMBuildUIToFP(k->b, x, type, "")
                                   : LLVMBuildSIToFP(k->b, x, type, ""));
  if (to == DT_BOOL) return LLVMBuildICmp(k->b, LLVMIntNE, x, LLVMConstNull(LLVMTypeOf(x)), "");
  return LLVMBuildIntCast2(k->b, x, type, !is_unsigned, "");
}

// ---------------------------------------------------------------- entry points

static LLVMValueRef binary(const Maker *k, Opcode code, Dtype dtype, LLVMValueRef x,
                           LLVMValueRef y) {
  if (dtype == DT_I64 && LLVMIsAConstantInt(x) &&
      LLVMIsAConstantInt(y)) // so that loops know their extents
    return const_i64(k->m, scalar_binary_integer(code, dtype, LLVMConstIntGetSExtValue(x),
                                                 LLVMConstIntGetSExtValue(y)));
  if (dtype_is_float(dtype)) return round_value(k, dtype, real_binary(k, code, x, y));
  return integer_binary(k, code, dtype == DT_U8 || dtype == DT_BOOL, x, y);
}

LLVMValueRef elementwise(const Maker *k, const Expr *e, LLVMValueRef *arguments) {
  Dtype dtype = e->arguments[0]->dtype;
  switch (e->opcode) {
  case OP_CONVERT:
    return convert(k, dtype, e->dtype, arguments[0]);
  case OP_COMPARE:
    return compare(k, e->compare, dtype, arguments[0], arguments[1]);
  case OP_SELECT:
    return LLVMBuildSelect(k->b, arguments[0], arguments[1], arguments[2], "");
  case OP_STOP:
    return arguments[0];
  default:
    break;
  }
  if (e->argument_count == 2) return binary(k, e->opcode, dtype, arguments[0], arguments[1]);
  if (!dtype_is_float(dtype))
    return integer_unary(k, e->opcode, dtype == DT_U8 || dtype == DT_BOOL, arguments[0]);
  LLVMValueRef result = real_unary(k, e->opcode, arguments[0]);
  return e->opcode == OP_ISFINITE ? result : round_value(k, dtype, result);
}

LLVMValueRef elementwise_combine(const Maker *k, Opcode op, Dtype dtype, LLVMValueRef x,
                                 LLVMValueRef y) {
  return binary(k, op, dtype, x, y);
}

LLVMValueRef elementwise_identity(const EmitModule *m, Opcode op, Dtype dtype) {
  LLVMTypeRef type = value_type(m, dtype);
  bool real = dtype_is_float(dtype);
  switch (op) {
  case OP_ADD:
    return real ? LLVMConstReal(type, -0.0) : LLVMConstInt(type, 0, 0); // x + -0 = x for x = -0 too
  case OP_MUL:
    return real ? LLVMConstReal(type, 1) : LLVMConstInt(type, 1, 0);
  case OP_MAX:
    return real ? LLVMConstReal(type, scalar_lowest_real())
                : LLVMConstInt(type, (unsigned long long)scalar_lowest_integer(dtype), 1);
  case OP_MIN: {
    int64_t largest = dtype == DT_U8 ? 255 : dtype == DT_I32 ? INT32_MAX : INT64_MAX;
    return real ? LLVMConstReal(type, INFINITY)
                : LLVMConstInt(type, (unsigned long long)largest, 1);
  }
  case OP_AND:
    return LLVMConstAllOnes(type);
  case OP_OR:
    return LLVMConstNull(type);
  default:
    BUG("'%s' does not accumulate", op_table[op].text);
  }
}
