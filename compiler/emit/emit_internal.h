// What the files of compiler/emit share: the module being emitted, typed LLVM building helpers.
//
// Values of expressions: floats of 16 bits are held as `float` rounded to their type after every
// op, bool as i1, the rest as the LLVM type of the same size.
#ifndef BLO_EMIT_INTERNAL_H
#define BLO_EMIT_INTERNAL_H

#include "base/map.h"
#include "emit/emit.h"
#include "ir/bug.h"

#include <llvm-c/Core.h>
#include <llvm-c/TargetMachine.h>

typedef struct KernelCode { // one emitted kernel
  uint64_t hash;
  LLVMValueRef function;
  size_t buffer_count;
  bool small; // inlined where it is launched
} KernelCode;

struct EmitModule {
  Arena *arena;
  LLVMContextRef context;
  LLVMModuleRef module;
  LLVMTargetMachineRef machine;
  const char *cpu;
  bool has_fma; // fused multiply-add in hardware: else products in extended precision are split
  bool verify, plain, optimized;
  const Name *atoms;
  size_t atom_count;
  VEC(KernelCode) kernels;
  VEC(LLVMValueRef) entries;
  LLVMTypeRef i1, i8, i16, i32, i64, f16, f32, f64, pointer, nothing;
  LLVMTypeRef call_type; // blo_call
};

// ---------------------------------------------------------------- target.c

/// Target machine for the options; BUG when the CPU is unknown to LLVM.
void target_open(EmitModule *module, const EmitOptions *options);
/// Runs the lean pipeline once.
void target_optimize(EmitModule *module);
/// LLVM IR to assembly or an object. NULL and *message (malloc'ed) on failure.
LLVMMemoryBufferRef target_compile(EmitModule *module, LLVMCodeGenFileType type, char **message);
/// Addresses of runtime routines, for code compiled in memory; NULL when unknown.
void *target_routine(const char *symbol);

// ---------------------------------------------------------------- types and helpers: emit.c

LLVMTypeRef value_type(const EmitModule *m, Dtype dtype);  // of expression values
LLVMTypeRef memory_type(const EmitModule *m, Dtype dtype); // of buffer entries
static inline LLVMValueRef const_i64(const EmitModule *m, int64_t value) {
  return LLVMConstInt(m->i64, (unsigned long long)value, 1);
}
static inline LLVMValueRef const_i32(const EmitModule *m, int64_t value) {
  return LLVMConstInt(m->i32, (unsigned long long)value, 1);
}
/// 1 for scalars.
unsigned type_lanes(LLVMTypeRef type);
/// `scalar` or a vector of it with as many lanes as `like`.
LLVMTypeRef type_shaped(LLVMTypeRef scalar, LLVMTypeRef like);
LLVMTypeRef type_element(LLVMTypeRef type);
/// A constant of a scalar or vector type.
LLVMValueRef splat_real(LLVMTypeRef type, double value);
LLVMValueRef splat_int(LLVMTypeRef type, int64_t value);
LLVMValueRef splat_value(LLVMBuilderRef b, LLVMValueRef scalar, unsigned lanes);
/// Calls llvm.<name> overloaded on `types`.
LLVMValueRef call_intrinsic(EmitModule *m, LLVMBuilderRef b, const char *name, LLVMTypeRef *types,
                            size_t type_count, LLVMValueRef *arguments, unsigned count);
LLVMValueRef call_unary(EmitModule *m, LLVMBuilderRef b, const char *name, LLVMValueRef x);
LLVMValueRef call_binary(EmitModule *m, LLVMBuilderRef b, const char *name, LLVMValueRef x,
                         LLVMValueRef y);
void add_attribute(EmitModule *m, LLVMValueRef function, LLVMAttributeIndex place,
                   const char *name);
void add_text_attribute(EmitModule *m, LLVMValueRef function, const char *name, const char *value);
/// Code for a dim polynomial's value; `dims` points to the values of the atoms.
LLVMValueRef emit_dim(EmitModule *m, LLVMBuilderRef b, LLVMValueRef dims, const Dim *dim);

// ---------------------------------------------------------------- elementwise.c, math*.c, random.c

typedef struct Maker { // where to build, and with what
  EmitModule *m;
  LLVMBuilderRef b;
} Maker;

/// Scalar or vector operands (of equal lanes); the value rounded to `dtype`.
LLVMValueRef elementwise(const Maker *k, const Expr *e, LLVMValueRef *arguments);
/// reg (op) value for accumulation.
LLVMValueRef elementwise_combine(const Maker *k, Opcode op, Dtype dtype, LLVMValueRef x,
                                 LLVMValueRef y);
LLVMValueRef elementwise_identity(const EmitModule *m, Opcode op, Dtype dtype);
/// Between memory and value representation.
LLVMValueRef value_from_memory(const Maker *k, Dtype dtype, LLVMValueRef x);
LLVMValueRef value_to_memory(const Maker *k, Dtype dtype, LLVMValueRef x);
/// x * y + z, fused where the target can.
LLVMValueRef multiply_add(const Maker *k, LLVMValueRef x, LLVMValueRef y, LLVMValueRef z);

/// Transcendental functions on float or double, scalar or vector.
LLVMValueRef math_unary(const Maker *k, Opcode code, LLVMValueRef x);
LLVMValueRef math_binary(const Maker *k, Opcode code, LLVMValueRef x, LLVMValueRef y);
/// arguments: i64 scalars or vectors.
LLVMValueRef random_value(const Maker *k, RandomKind kind, Dtype dtype, LLVMValueRef *arguments);

// ---------------------------------------------------------------- kernel.c, entry.c, data.c

/// The function of a kernel, emitted now if no equal one was; `small`: to be inlined. Parameters:
/// buffers, scalars, dims, notes.
LLVMValueRef kernel_function(EmitModule *m, const Kernel *kernel, bool small);
/// Constant data of a blo_program under the symbol blo_program_<name>.
void emit_program_data(EmitModule *m, const blo_program *program);
const char *emit_symbol(Arena *arena, const char *text); // letters, digits and _ only

#endif
