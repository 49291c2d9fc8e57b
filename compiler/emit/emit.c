// The emitted module: creation, text, code in memory, object files; helpers over the C API. See
// emit.h.
#include "emit/emit_internal.h"

#include "common/dims.h"

#include <ctype.h>
#include <llvm-c/Analysis.h>
#include <llvm-c/Error.h>
#include <llvm-c/LLJIT.h>
#include <stdlib.h>
#include <string.h>

// ---------------------------------------------------------------- the module

static void make_types(EmitModule *m) {
  LLVMContextRef c = m->context;
  m->i1 = LLVMInt1TypeInContext(c);
  m->i8 = LLVMInt8TypeInContext(c);
  m->i16 = LLVMInt16TypeInContext(c);
  m->i32 = LLVMInt32TypeInContext(c);
  m->i64 = LLVMInt64TypeInContext(c);
  m->f16 = LLVMHalfTypeInContext(c);
  m->f32 = LLVMFloatTypeInContext(c);
  m->f64 = LLVMDoubleTypeInContext(c);
  m->pointer = LLVMPointerTypeInContext(c, 0);
  m->nothing = LLVMVoidTypeInContext(c);
  LLVMTypeRef fields[8];
  for (int i = 0; i < 8; i++) fields[i] = m->pointer;
  m->call_type = LLVMStructTypeInContext(c, fields, 8, 0);
}

EmitModule *emit_create(Arena *arena, const EmitOptions *options, const Name *atoms,
                        size_t atom_count) {
  EmitModule *m = ARENA_NEW(arena, EmitModule);
  m->arena = arena;
  m->context = LLVMContextCreate();
  m->module = LLVMModuleCreateWithNameInContext("blo", m->context);
  m->verify = options->verify;
  m->plain = options->plain;
  m->atoms = atoms;
  m->atom_count = atom_count;
  make_types(m);
  target_open(m, options);
  return m;
}

void emit_destroy(EmitModule *m) {
  if (m->module) LLVMDisposeModule(m->module);
  if (m->machine) LLVMDisposeTargetMachine(m->machine);
  if (m->context) LLVMContextDispose(m->context);
  m->module = NULL;
  m->machine = NULL;
  m->context = NULL;
}

char *emit_text(EmitModule *m, bool optimized) {
  if (optimized) target_optimize(m);
  char *text = LLVMPrintModuleToString(m->module);
  char *copy = strdup(text);
  LLVMDisposeMessage(text);
  return copy;
}

char *emit_assembly(EmitModule *m) {
  char *message = NULL;
  target_optimize(m);
  LLVMMemoryBufferRef buffer = target_compile(m, LLVMAssemblyFile, &message);
  if (!buffer) BUG("no assembly: %s", message);
  char *copy = strndup(LLVMGetBufferStart(buffer), LLVMGetBufferSize(buffer));
  LLVMDisposeMemoryBuffer(buffer);
  return copy;
}

bool emit_object(EmitModule *m, const blo_program *program, const char *path, char **message) {
  emit_program_data(m, program);
  // The description points at the entries; nothing else of an object may meet other objects' names.
  for (size_t i = 0; i < m->entries.count; i++)
    LLVMSetLinkage(m->entries.data[i], LLVMInternalLinkage);
  target_optimize(m);
  LLVMMemoryBufferRef buffer = target_compile(m, LLVMObjectFile, message);
  if (!buffer) return false;
  FILE *file = fopen(path, "wb");
  size_t size = LLVMGetBufferSize(buffer);
  bool written = file && fwrite(LLVMGetBufferStart(buffer), 1, size, file) == size;
  if (file) written &= fclose(file) == 0;
  LLVMDisposeMemoryBuffer(buffer);
  if (!written) *message = strdup("the file cannot be written");
  return written;
}

// ---------------------------------------------------------------- code in memory

struct EmitCode {
  LLVMOrcLLJITRef jit;
};

static bool take_error(LLVMErrorRef error, char **message) {
  if (!error) return false;
  char *text = LLVMGetErrorMessage(error);
  *message = strdup(text);
  LLVMDisposeErrorMessage(text);
  return true;
}

/// Tells the JIT where the runtime's routines are that the module calls, and to look for the rest
/// (libm) in this process.
static LLVMErrorRef define_symbols(EmitModule *m, LLVMOrcLLJITRef jit) {
  LLVMOrcJITDylibRef library = LLVMOrcLLJITGetMainJITDylib(jit);
  for (LLVMValueRef f = LLVMGetFirstFunction(m->module); f; f = LLVMGetNextFunction(f)) {
    size_t length;
    const char *name = LLVMGetValueName2(f, &length);
    void *address = LLVMIsDeclaration(f) ? target_routine(name) : NULL;
    if (!address) continue;
    LLVMOrcCSymbolMapPair pair = {
        .Name = LLVMOrcLLJITMangleAndIntern(jit, name),
        .Sym = {.Address = (LLVMOrcExecutorAddress)(uintptr_t)address,
                .Flags = {.GenericFlags = LLVMJITSymbolGenericFlagsExported |
                                          LLVMJITSymbolGenericFlagsCallable}}};
    LLVMErrorRef error = LLVMOrcJITDylibDefine(library, LLVMOrcAbsoluteSymbols(&pair, 1));
    if (error) return error;
  }
  LLVMOrcDefinitionGeneratorRef process;
  LLVMErrorRef error = LLVMOrcCreateDynamicLibrarySearchGeneratorForProcess(
      &process, LLVMOrcLLJITGetGlobalPrefix(jit), NULL, NULL);
  if (error) return error;
  LLVMOrcJITDylibAddGenerator(library, process);
  return NULL;
}

EmitCode *emit_jit(EmitModule *m, char **message) {
  target_optimize(m);
  LLVMMemoryBufferRef object = target_compile(m, LLVMObjectFile, message);
  LLVMOrcLLJITRef jit = NULL;
  if (object && take_error(LLVMOrcCreateLLJIT(&jit, NULL), message)) {
    LLVMDisposeMemoryBuffer(object);
    object = NULL;
  }
  if (!object) {
    emit_destroy(m);
    return NULL;
  }
  LLVMErrorRef error = define_symbols(m, jit);
  if (error)
    LLVMDisposeMemoryBuffer(object);
  else
    error = LLVMOrcLLJITAddObjectFile(jit, LLVMOrcLLJITGetMainJITDylib(jit), object);
  emit_destroy(m);
  if (take_error(error, message)) {
    LLVMConsumeError(LLVMOrcDisposeLLJIT(jit));
    return NULL;
  }
  EmitCode *code = malloc(sizeof *code);
  if (!code) abort();
  code->jit = jit;
  return code;
}

blo_function emit_code_find(EmitCode *code, const char *name) {
  LLVMOrcExecutorAddress address = 0;
  LLVMErrorRef error = LLVMOrcLLJITLookup(code->jit, &address, name);
  if (error) {
    char *text = LLVMGetErrorMessage(error);
    BUG("compiled entry '%s' is not there: %s", name, text);
  }
  blo_function function;
  memcpy(&function, &address, sizeof function);
  return function;
}

void emit_code_destroy(EmitCode *code) {
  LLVMConsumeError(LLVMOrcDisposeLLJIT(code->jit));
  free(code);
}

// ---------------------------------------------------------------- types

LLVMTypeRef value_type(const EmitModule *m, Dtype dtype) {
  switch (dtype) {
  case DT_F16:
  case DT_BF16:
  case DT_F32:
    return m->f32;
  case DT_F64:
    return m->f64;
  case DT_I32:
    return m->i32;
  case DT_I64:
    return m->i64;
  case DT_U8:
    return m->i8;
  case DT_BOOL:
    return m->i1;
  default:
    BUG("dtype %d", (int)dtype);
  }
}

LLVMTypeRef memory_type(const EmitModule *m, Dtype dtype) {
  if (dtype == DT_F16) return m->f16;
  if (dtype == DT_BF16) return m->i16;
  return dtype == DT_BOOL ? m->i8 : value_type(m, dtype);
}

unsigned type_lanes(LLVMTypeRef type) {
  return LLVMGetTypeKind(type) == LLVMVectorTypeKind ? LLVMGetVectorSize(type) : 1;
}

LLVMTypeRef type_element(LLVMTypeRef type) {
  return LLVMGetTypeKind(type) == LLVMVectorTypeKind ? LLVMGetElementType(type) : type;
}

LLVMTypeRef type_shaped(LLVMTypeRef scalar, LLVMTypeRef like) {
  return LLVMGetTypeKind(like) == LLVMVectorTypeKind
             ? LLVMVectorType(scalar, LLVMGetVectorSize(like))
             : scalar;
}

static LLVMValueRef splat_const(LLVMTypeRef type, LLVMValueRef scalar) {
  if (LLVMGetTypeKind(type) != LLVMVectorTypeKind) return scalar;
  LLVMValueRef entries[64];
  unsigned lanes = LLVMGetVectorSize(type);
  REQUIRE(lanes <= 64, "%u lanes", lanes);
  for (unsigned i = 0; i < lanes; i++) entries[i] = scalar;
  return LLVMConstVector(entries, lanes);
}

LLVMValueRef splat_real(LLVMTypeRef type, double value) {
  return splat_const(type, LLVMConstReal(type_element(type), value));
}

LLVMValueRef splat_int(LLVMTypeRef type, int64_t value) {
  return splat_const(type, LLVMConstInt(type_element(type), (unsigned long long)value, 1));
}

LLVMValueRef splat_value(LLVMBuilderRef b, LLVMValueRef scalar, unsigned lanes) {
  LLVMTypeRef type = LLVMVectorType(LLVMTypeOf(scalar), lanes);
  if (LLVMIsConstant(scalar)) return splat_const(type, scalar);
  LLVMContextRef context = LLVMGetTypeContext(type);
  LLVMTypeRef i32 = LLVMInt32TypeInContext(context);
  LLVMValueRef one =
      LLVMBuildInsertElement(b, LLVMGetPoison(type), scalar, LLVMConstInt(i32, 0, 0), "");
  return LLVMBuildShuffleVector(b, one, LLVMGetPoison(type),
                                LLVMConstNull(LLVMVectorType(i32, lanes)), "");
}

// ---------------------------------------------------------------- calls and attributes

LLVMValueRef call_intrinsic(EmitModule *m, LLVMBuilderRef b, const char *name, LLVMTypeRef *types,
                            size_t type_count, LLVMValueRef *arguments, unsigned count) {
  unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
  REQUIRE(id, "LLVM has no intrinsic '%s'", name);
  LLVMValueRef function = LLVMGetIntrinsicDeclaration(m->module, id, types, type_count);
  LLVMTypeRef type = LLVMIntrinsicGetType(m->context, id, types, type_count);
  return LLVMBuildCall2(b, type, function, arguments, count, "");
}

LLVMValueRef call_unary(EmitModule *m, LLVMBuilderRef b, const char *name, LLVMValueRef x) {
  LLVMTypeRef type = LLVMTypeOf(x);
  return call_intrinsic(m, b, name, &type, 1, &x, 1);
}

LLVMValueRef call_binary(EmitModule *m, LLVMBuilderRef b, const char *name, LLVMValueRef x,
                         LLVMValueRef y) {
  LLVMTypeRef type = LLVMTypeOf(x);
  return call_intrinsic(m, b, name, &type, 1, (LLVMValueRef[]){x, y}, 2);
}

void add_attribute(EmitModule *m, LLVMValueRef function, LLVMAttributeIndex place,
                   const char *name) {
  unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
  REQUIRE(kind, "LLVM has no attribute '%s'", name);
  LLVMAddAttributeAtIndex(function, place, LLVMCreateEnumAttribute(m->context, kind, 0));
}

void add_text_attribute(EmitModule *m, LLVMValueRef function, const char *name, const char *value) {
  LLVMAddAttributeAtIndex(function, LLVMAttributeFunctionIndex,
                          LLVMCreateStringAttribute(m->context, name, (unsigned)strlen(name), value,
                                                    (unsigned)strlen(value)));
}

const char *emit_symbol(Arena *arena, const char *text) {
  char *symbol = arena_string(arena, text, strlen(text));
  for (char *c = symbol; *c; c++)
    if (!isalnum((unsigned char)*c)) *c = '_';
  return symbol;
}

// ---------------------------------------------------------------- dims

static LLVMValueRef floor_quotient(EmitModule *m, LLVMBuilderRef b, LLVMValueRef x,
                                   LLVMValueRef divisor) {
  LLVMValueRef quotient = LLVMBuildSDiv(b, x, divisor, "");
  LLVMValueRef rest = LLVMBuildSRem(b, x, divisor, "");
  LLVMValueRef negative = LLVMBuildICmp(b, LLVMIntSLT, rest, const_i64(m, 0), "");
  return LLVMBuildSub(b, quotient, LLVMBuildZExt(b, negative, m->i64, ""), "");
}

LLVMValueRef emit_dim(EmitModule *m, LLVMBuilderRef b, LLVMValueRef dims, const Dim *dim) {
  int64_t value;
  if (dim_is_const(dim, &value)) return const_i64(m, value);
  const int64_t *words;
  size_t count = dim_compile(m->arena, dim, m->atoms, m->atom_count, &words);
  LLVMValueRef stack[BLO_DIM_STACK];
  size_t depth = 0;
  for (size_t i = 0; i < count;) {
    BloDimOperation operation = (BloDimOperation)words[i++];
    LLVMValueRef y = NULL;
    if (operation == BLO_DIM_ADD || operation == BLO_DIM_MUL || operation == BLO_DIM_MAX)
      y = stack[--depth];
    LLVMValueRef *top = depth ? &stack[depth - 1] : NULL;
    switch (operation) {
    case BLO_DIM_CONST:
      stack[depth++] = const_i64(m, words[i++]);
      break;
    case BLO_DIM_ATOM: {
      LLVMValueRef at = const_i64(m, words[i++]);
      LLVMValueRef place = LLVMBuildInBoundsGEP2(b, m->i64, dims, &at, 1, "");
      stack[depth++] = LLVMBuildLoad2(b, m->i64, place, "");
      break;
    }
    case BLO_DIM_ADD:
      *top = LLVMBuildAdd(b, *top, y, "");
      break;
    case BLO_DIM_MUL:
      *top = LLVMBuildMul(b, *top, y, "");
      break;
    case BLO_DIM_MAX:
      *top = call_binary(m, b, "llvm.smax", *top, y);
      break;
    case BLO_DIM_FLOORDIV:
      *top = floor_quotient(m, b, *top, const_i64(m, words[i++]));
      break;
    case BLO_DIM_EXACT:
      *top = LLVMBuildExactSDiv(b, *top, const_i64(m, words[i++]), "");
      break;
    }
    REQUIRE(depth > 0 && depth < BLO_DIM_STACK, "dim program of depth %zu", depth);
  }
  return stack[0];
}
