// tanh, logistic, softplus inline; sin, cos, erf, pow and the functions that only the C library or
// the runtime has (erfc, lgamma, ...) as functions of the module, one per vector type.
//
// sin, cos and pow have a fast path for usual arguments; when a lane has an unusual one (huge
// angles, bases that are not positive and normal), all lanes take libm's scalar function. Targets
// without fused multiply-add, whose extended precision would need other code, always do. Their f32
// forms and erf's compute in f64.
#include "emit/math_internal.h"

#include "emit/math_coefficients.h"

#include <math.h>
#include <string.h>

static V tanh_value(const Maker *k, V x) {
  V size = f_at_most(k, f_abs(k, x), is_f64(k, x) ? 22 : 12);
  V t = expm1_value(k, f_add(k, size, size));
  V result = f_div(k, t, f_add(k, t, f_const(x, 2)));
  return call_binary(k->m, k->b, "llvm.copysign", result, x);
}

static V logistic_value(const Maker *k, V x) {
  V one = f_const(x, 1), e = exp_value(k, f_neg(k, f_abs(k, x)));
  V above = f_select(k, f_less(k, x, f_const(x, 0)), e, one);
  return f_div(k, above, f_add(k, one, e));
}

static V softplus_value(const Maker *k, V x) {
  V e = exp_value(k, f_neg(k, f_abs(k, x)));
  return f_add(k, f_at_least(k, x, 0), log1p_value(k, e));
}

// ---------------------------------------------------------------- functions of the module

typedef struct Shared { // a function being built: arguments and where it goes on
  Maker maker;
  V function, x, y;
} Shared;

static void add_function_attributes(EmitModule *m, V function) {
  static const char *const names[] = {"nounwind", "willreturn", "memory", "noinline"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    add_attribute(m, function, LLVMAttributeFunctionIndex, names[i]); // memory 0: none
  add_text_attribute(m, function, "prefer-vector-width", "512");
}

/// libm's function on every lane.
static V call_lanes(const Maker *k, const char *name, V x, V y) {
  LLVMTypeRef f64 = k->m->f64, arguments[] = {f64, f64};
  LLVMTypeRef type = LLVMFunctionType(f64, arguments, y ? 2 : 1, 0);
  V callee = LLVMGetNamedFunction(k->m->module, name);
  if (!callee) {
    callee = LLVMAddFunction(k->m->module, name, type);
    add_attribute(k->m, callee, LLVMAttributeFunctionIndex, "nounwind");
    add_attribute(k->m, callee, LLVMAttributeFunctionIndex, "memory");
    add_attribute(k->m, callee, LLVMAttributeFunctionIndex, "willreturn");
  }
  unsigned lanes = type_lanes(LLVMTypeOf(x));
  if (LLVMGetTypeKind(LLVMTypeOf(x)) != LLVMVectorTypeKind)
    return LLVMBuildCall2(k->b, type, callee, (V[]){x, y}, y ? 2 : 1, "");
  V result = LLVMGetPoison(LLVMTypeOf(x));
  for (unsigned i = 0; i < lanes; i++) {
    V at = const_i32(k->m, i);
    V a = LLVMBuildExtractElement(k->b, x, at, "");
    V b = y ? LLVMBuildExtractElement(k->b, y, at, "") : NULL;
    V one = LLVMBuildCall2(k->b, type, callee, (V[]){a, b}, y ? 2 : 1, "");
    result = LLVMBuildInsertElement(k->b, result, one, at, "");
  }
  return result;
}

static V all_lanes(const Maker *k, V flags) {
  LLVMTypeRef type = LLVMTypeOf(flags);
  if (LLVMGetTypeKind(type) != LLVMVectorTypeKind) return flags;
  return call_intrinsic(k->m, k->b, "llvm.vector.reduce.and", &type, 1, &flags, 1);
}

/// Ends the block: libm where a lane is not `usual`; goes on in the usual case.
static void leave_to_libm(Shared *s, const char *name, V usual) {
  const Maker *k = &s->maker;
  LLVMBasicBlockRef fast = LLVMAppendBasicBlockInContext(k->m->context, s->function, "usual");
  LLVMBasicBlockRef slow = LLVMAppendBasicBlockInContext(k->m->context, s->function, "unusual");
  LLVMBuildCondBr(k->b, all_lanes(k, usual), fast, slow);
  LLVMPositionBuilderAtEnd(k->b, slow);
  LLVMBuildRet(k->b, call_lanes(k, name, s->x, s->y));
  LLVMPositionBuilderAtEnd(k->b, fast);
}

// sin and cos: x = n pi/2 + r + r_low, |r| <= pi/4; n in the low bits of *quadrant
static V reduce_angle(const Maker *k, V x, V *r_low, V *quadrant) {
  V magic = f_const(x, 0x1.8p52);
  V shifted = f_fma(k, x, f_const(x, 0x1.45f306dc9c883p-1), magic);
  V n = f_neg(k, f_sub(k, shifted, magic));
  V part1 = f_const(x, 0x1.921fb54442d18p0), part2 = f_const(x, 0x1.1a62633145c07p-54);
  V part3 = f_const(x, -0x1.f1976b7ed8fbcp-110);
  V first = f_fma(k, n, part1, x); // exact
  V r = f_fma(k, n, part2, first);
  V lost = f_fma(k, n, part2, f_sub(k, first, r));
  *r_low = f_fma(k, n, part3, lost);
  *quadrant = to_bits(k, shifted);
  return r;
}

static void build_circular(Shared *s, bool cosine) {
  const Maker *k = &s->maker;
  leave_to_libm(s, cosine ? "cos" : "sin",
                LLVMBuildFCmp(k->b, LLVMRealOLE, f_abs(k, s->x), f_const(s->x, 0x1p29), ""));
  V r_low, quadrant, r = reduce_angle(k, s->x, &r_low, &quadrant);
  V z = f_mul(k, r, r);
  // sin(r + low) = r + (r^3 S + low (1 - z/2)); cos(r + low) = 1 - z/2 + (z^2 C - r low)
  V half = f_mul(k, z, f_const(z, 0.5)), one = f_const(z, 1);
  V cubic = f_fma(k, f_mul(k, f_mul(k, z, r), POLYNOMIAL(k, sin_f64, z)), one,
                  f_fma(k, r_low, f_neg(k, half), r_low));
  V sine = f_add(k, r, cubic);
  V lead = f_sub(k, one, half), lost = f_sub(k, f_sub(k, one, lead), half);
  V tail = f_fma(k, f_mul(k, z, z), POLYNOMIAL(k, cos_f64, z), f_fma(k, f_neg(k, r), r_low, lost));
  V cosined = f_add(k, lead, tail);
  if (cosine) quadrant = i_add(k, quadrant, i_const(quadrant, 1));
  V odd = LLVMBuildICmp(k->b, LLVMIntNE, LLVMBuildAnd(k->b, quadrant, i_const(quadrant, 1), ""),
                        i_const(quadrant, 0), "");
  V sign = i_shift_left(k, LLVMBuildAnd(k->b, quadrant, i_const(quadrant, 2), ""), 62);
  V value = f_select(k, odd, cosined, sine);
  V result = from_bits(k, LLVMBuildXor(k->b, to_bits(k, value), sign, ""), value);
  if (!cosine) result = f_select(k, f_equal(k, s->x, f_const(s->x, 0)), s->x, result);
  LLVMBuildRet(k->b, result);
}

static void build_pow(Shared *s) {
  const Maker *k = &s->maker;
  V x = s->x, y = s->y;
  V usual = LLVMBuildAnd(k->b, LLVMBuildFCmp(k->b, LLVMRealOGE, x, f_const(x, 0x1p-1022), ""),
                         f_less(k, x, f_const(x, INFINITY)), "");
  usual = LLVMBuildAnd(k->b, usual, f_less(k, f_abs(k, y), f_const(y, 0x1p900)), "");
  leave_to_libm(s, "pow", usual);
  V high, low;
  log_pair(k, x, &high, &low);
  V product = f_mul(k, y, high);
  V rest = f_fma(k, y, low, f_fma(k, y, high, f_neg(k, product)));
  V bounded = f_less(k, f_abs(k, product), f_const(x, 1000));
  LLVMBuildRet(k->b, exp_of_pair(k, product, f_select(k, bounded, rest, f_const(x, 0))));
}

static void build_erf(Shared *s) {
  const Maker *k = &s->maker;
  V x = s->x, z = f_mul(k, x, x), size = f_at_most(k, f_abs(k, x), 6);
  V lead = f_const(x, 0x1.20dd750429b6dp0); // 2 / sqrt(pi)
  V near = f_mul(k, x, f_fma(k, z, POLYNOMIAL(k, erf_small, z), lead));
  V t = f_div(k, f_sub(k, size, f_const(x, 2)), f_add(k, size, f_const(x, 2)));
  V decay = exp_value(k, f_neg(k, f_mul(k, size, size)));
  V far = f_sub(k, f_const(x, 1), f_mul(k, decay, POLYNOMIAL(k, erf_large, t)));
  far = call_binary(k->m, k->b, "llvm.copysign", far, x);
  V is_near = f_less(k, f_abs(k, x), f_const(x, 1));
  V result = f_select(k, is_near, near, far);
  LLVMBuildRet(k->b, f_select(k, LLVMBuildFCmp(k->b, LLVMRealUNO, x, x, ""), x, result));
}

/// Where a function is never computed here: the name of the scalar one.
static const char *library_function(Opcode code) {
  switch (code) {
  case OP_ERFC:
    return "erfc";
  case OP_ERFINV:
    return "blo_erfinv";
  case OP_LGAMMA:
    return "blo_lgamma";
  case OP_ATAN2:
    return "atan2";
  case OP_POLYGAMMA:
    return "blo_polygamma";
  default:
    return NULL;
  }
}

static V shared_function(EmitModule *m, Opcode code, LLVMTypeRef type) {
  char name[32];
  snprintf(name, sizeof name, "blo.%s.%u", op_table[code].text,
           LLVMGetTypeKind(type) == LLVMVectorTypeKind ? type_lanes(type) : 0);
  V function = LLVMGetNamedFunction(m->module, name);
  if (function) return function;
  LLVMTypeRef types[] = {type, type};
  function = LLVMAddFunction(m->module, name,
                             LLVMFunctionType(type, types, (unsigned)op_table[code].operands, 0));
  LLVMSetLinkage(function, LLVMInternalLinkage);
  add_function_attributes(m, function);
  LLVMBuilderRef b = LLVMCreateBuilderInContext(m->context);
  LLVMPositionBuilderAtEnd(b, LLVMAppendBasicBlockInContext(m->context, function, "entry"));
  Shared s = {.maker = {.m = m, .b = b}, .function = function, .x = LLVMGetParam(function, 0)};
  s.y = op_table[code].operands == 2 ? LLVMGetParam(function, 1) : NULL;
  if (library_function(code))
    LLVMBuildRet(b, call_lanes(&s.maker, library_function(code), s.x, s.y));
  else if (code == OP_ERF)
    build_erf(&s);
  else if (!m->has_fma)
    LLVMBuildRet(b, call_lanes(&s.maker, op_table[code].text, s.x, s.y));
  else if (code == OP_POW)
    build_pow(&s);
  else
    build_circular(&s, code == OP_COS);
  LLVMDisposeBuilder(b);
  return function;
}

static V call_shared(const Maker *k, Opcode code, V x, V y) {
  LLVMTypeRef type = LLVMTypeOf(x), wide = type_shaped(k->m->f64, type);
  bool narrow = !is_f64(k, x);
  V arguments[] = {narrow ? LLVMBuildFPExt(k->b, x, wide, "") : x,
                   y && narrow ? LLVMBuildFPExt(k->b, y, wide, "") : y};
  V function = shared_function(k->m, code, wide);
  V result =
      LLVMBuildCall2(k->b, LLVMGlobalGetValueType(function), function, arguments, y ? 2 : 1, "");
  return narrow ? LLVMBuildFPTrunc(k->b, result, type, "") : result;
}

LLVMValueRef math_unary(const Maker *k, Opcode code, LLVMValueRef x) {
  switch (code) {
  case OP_EXP:
    return exp_value(k, x);
  case OP_EXPM1:
    return expm1_value(k, x);
  case OP_LOG:
    return log_value(k, x);
  case OP_LOG1P:
    return log1p_value(k, x);
  case OP_TANH:
    return tanh_value(k, x);
  case OP_LOGISTIC:
    return logistic_value(k, x);
  case OP_SOFTPLUS:
    return softplus_value(k, x);
  case OP_SIN:
  case OP_COS:
  case OP_ERF:
  case OP_ERFC:
  case OP_ERFINV:
  case OP_LGAMMA:
    return call_shared(k, code, x, NULL);
  default:
    BUG("'%s' is not a unary op on floats", op_table[code].text);
  }
}

LLVMValueRef math_binary(const Maker *k, Opcode code, LLVMValueRef x, LLVMValueRef y) {
  return call_shared(k, code, x, y);
}
