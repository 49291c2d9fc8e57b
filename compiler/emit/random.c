// Random numbers of runtime/common/rng.h as code: Philox4x32-10 inline, lane by lane the same bits.
#include "emit/emit_internal.h"

#include <math.h>

static LLVMValueRef low_word(const Maker *k, LLVMValueRef x) {
  return LLVMBuildTrunc(k->b, x, type_shaped(k->m->i32, LLVMTypeOf(x)), "");
}

static LLVMValueRef high_word(const Maker *k, LLVMValueRef x) {
  return low_word(k, LLVMBuildLShr(k->b, x, splat_int(LLVMTypeOf(x), 32), ""));
}

static LLVMValueRef exclusive(const Maker *k, LLVMValueRef x, LLVMValueRef y, LLVMValueRef z) {
  return LLVMBuildXor(k->b, LLVMBuildXor(k->b, x, y, ""), z, "");
}

/// The first two words of block(key, word, use) as one i64.
static LLVMValueRef philox(const Maker *k, LLVMValueRef key, LLVMValueRef word, int use) {
  LLVMTypeRef wide = LLVMTypeOf(key), narrow = type_shaped(k->m->i32, wide);
  LLVMValueRef c[] = {low_word(k, word), high_word(k, word), splat_int(narrow, use),
                      LLVMConstNull(narrow)};
  LLVMValueRef keys[] = {low_word(k, key), high_word(k, key)};
  for (int round = 0; round < 10; round++) {
    LLVMValueRef p =
        LLVMBuildMul(k->b, LLVMBuildZExt(k->b, c[0], wide, ""), splat_int(wide, 0xD2511F53), "");
    LLVMValueRef q =
        LLVMBuildMul(k->b, LLVMBuildZExt(k->b, c[2], wide, ""), splat_int(wide, 0xCD9E8D57), "");
    LLVMValueRef next0 = exclusive(k, high_word(k, q), c[1], keys[0]);
    LLVMValueRef next2 = exclusive(k, high_word(k, p), c[3], keys[1]);
    c[0] = next0;
    c[1] = low_word(k, q);
    c[2] = next2;
    c[3] = low_word(k, p);
    keys[0] = LLVMBuildAdd(k->b, keys[0], splat_int(narrow, 0x9E3779B9), "");
    keys[1] = LLVMBuildAdd(k->b, keys[1], splat_int(narrow, 0xBB67AE85), "");
  }
  LLVMValueRef high =
      LLVMBuildShl(k->b, LLVMBuildZExt(k->b, c[1], wide, ""), splat_int(wide, 32), "");
  return LLVMBuildOr(k->b, LLVMBuildZExt(k->b, c[0], wide, ""), high, "");
}

/// bits above the lowest `drop`, times 2^(drop - 64): exact.
static LLVMValueRef uniform(const Maker *k, LLVMTypeRef scalar, LLVMValueRef bits, int drop,
                            double unit) {
  LLVMTypeRef type = type_shaped(scalar, LLVMTypeOf(bits));
  LLVMValueRef kept = LLVMBuildLShr(k->b, bits, splat_int(LLVMTypeOf(bits), drop), "");
  if (drop > 32) // signed 32-bit integers convert fast
    kept = LLVMBuildTrunc(k->b, kept, type_shaped(k->m->i32, LLVMTypeOf(bits)), "");
  return LLVMBuildFMul(k->b, LLVMBuildSIToFP(k->b, kept, type, ""), splat_real(type, unit), "");
}

/// A permutation's entry: a loop of data dependent length, so a call of the runtime for each lane.
static LLVMValueRef permuted_index(const Maker *k, LLVMValueRef *arguments) {
  LLVMTypeRef i64 = k->m->i64, types[] = {i64, i64, i64};
  LLVMTypeRef type = LLVMFunctionType(i64, types, 3, 0), shape = LLVMTypeOf(arguments[0]);
  LLVMValueRef callee = LLVMGetNamedFunction(k->m->module, "blo_rng_index");
  if (!callee) {
    callee = LLVMAddFunction(k->m->module, "blo_rng_index", type);
    add_attribute(k->m, callee, LLVMAttributeFunctionIndex, "nounwind");
    add_attribute(k->m, callee, LLVMAttributeFunctionIndex, "memory");
    add_attribute(k->m, callee, LLVMAttributeFunctionIndex, "willreturn");
  }
  if (LLVMGetTypeKind(shape) != LLVMVectorTypeKind)
    return LLVMBuildCall2(k->b, type, callee, arguments, 3, "");
  LLVMValueRef result = LLVMGetPoison(shape);
  for (unsigned i = 0; i < type_lanes(shape); i++) {
    LLVMValueRef at = const_i32(k->m, i), lane[3];
    for (int a = 0; a < 3; a++) lane[a] = LLVMBuildExtractElement(k->b, arguments[a], at, "");
    LLVMValueRef one = LLVMBuildCall2(k->b, type, callee, lane, 3, "");
    result = LLVMBuildInsertElement(k->b, result, one, at, "");
  }
  return result;
}

LLVMValueRef random_value(const Maker *k, RandomKind kind, Dtype dtype, LLVMValueRef *arguments) {
  switch (kind) {
  case RANDOM_FOLD:
    return philox(k, arguments[0], arguments[1], 1);
  case RANDOM_BITS:
    return philox(k, arguments[0], arguments[1], 0);
  case RANDOM_UNIFORM: {
    LLVMValueRef bits = philox(k, arguments[0], arguments[1], 0);
    if (dtype == DT_F64) return uniform(k, k->m->f64, bits, 11, 0x1p-53);
    int digits = dtype == DT_F16    ? 11
                 : dtype == DT_BF16 ? 8
                                    : 24; // so that rounding never reaches 1
    return uniform(k, k->m->f32, bits, 64 - digits, ldexp(1, -digits));
  }
  case RANDOM_INDEX:
    return permuted_index(k, arguments);
  }
  BUG("random kind %d", (int)kind);
}
