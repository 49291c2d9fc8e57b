// The machine that code is made for, the pass pipeline, and the addresses of runtime routines.
//
// The pipeline is short on purpose: kernels carry explicit vectors, so no vectoriser, no unrolling
// and no inlining by cost. `instcombine` needs no-verify-fixpoint: LLVM 19 otherwise stops the
// process when one iteration is not enough.
#include "emit/emit_internal.h"

#include "common/rng.h"
#include "common/special.h"

#include <blo/routines.h>
#include <llvm-c/Analysis.h>
#include <llvm-c/Error.h>
#include <llvm-c/Target.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <stdlib.h>
#include <string.h>

static const char pipeline[] =
    "always-inline,"
    "function(sroa,early-cse<memssa>,simplifycfg,instcombine<no-verify-fixpoint>,"
    "loop-mssa(loop-rotate,licm),gvn,instcombine<no-verify-fixpoint>,simplifycfg),"
    "globaldce";

/// Does the machine multiply and add in one instruction? Asks its code generator.
static bool probe_fma(LLVMTargetMachineRef machine) {
  LLVMContextRef context = LLVMContextCreate();
  LLVMModuleRef module = LLVMModuleCreateWithNameInContext("probe", context);
  LLVMTypeRef f64 = LLVMDoubleTypeInContext(context), types[] = {f64, f64, f64};
  LLVMValueRef f = LLVMAddFunction(module, "probe", LLVMFunctionType(f64, types, 3, 0));
  LLVMBuilderRef b = LLVMCreateBuilderInContext(context);
  LLVMPositionBuilderAtEnd(b, LLVMAppendBasicBlockInContext(context, f, ""));
  unsigned id = LLVMLookupIntrinsicID("llvm.fma", 8);
  LLVMValueRef arguments[] = {LLVMGetParam(f, 0), LLVMGetParam(f, 1), LLVMGetParam(f, 2)};
  LLVMBuildRet(b,
               LLVMBuildCall2(b, LLVMIntrinsicGetType(context, id, &f64, 1),
                              LLVMGetIntrinsicDeclaration(module, id, &f64, 1), arguments, 3, ""));
  LLVMDisposeBuilder(b);
  LLVMMemoryBufferRef text = NULL;
  char *message = NULL;
  bool failed =
      LLVMTargetMachineEmitToMemoryBuffer(machine, module, LLVMAssemblyFile, &message, &text);
  bool fused = !failed && strstr(LLVMGetBufferStart(text), "vfmadd");
  if (failed)
    LLVMDisposeMessage(message);
  else
    LLVMDisposeMemoryBuffer(text);
  LLVMDisposeModule(module);
  LLVMContextDispose(context);
  return fused;
}

void target_open(EmitModule *m, const EmitOptions *options) {
  LLVMInitializeX86TargetInfo();
  LLVMInitializeX86Target();
  LLVMInitializeX86TargetMC();
  LLVMInitializeX86AsmPrinter();
  char *triple = LLVMGetDefaultTargetTriple(), *message = NULL;
  LLVMTargetRef target;
  if (LLVMGetTargetFromTriple(triple, &target, &message)) BUG("target %s: %s", triple, message);
  bool native = !options->cpu || strcmp(options->cpu, "native") == 0;
  char *cpu = native ? LLVMGetHostCPUName() : NULL;
  char *features = native && !options->features ? LLVMGetHostCPUFeatures() : NULL;
  m->cpu = arena_printf(m->arena, "%s", native ? cpu : options->cpu);
  LLVMTargetMachineOptionsRef settings = LLVMCreateTargetMachineOptions();
  LLVMTargetMachineOptionsSetCPU(settings, m->cpu);
  if (features || options->features)
    LLVMTargetMachineOptionsSetFeatures(settings, features ? features : options->features);
  LLVMTargetMachineOptionsSetCodeGenOptLevel(settings, options->plain ? LLVMCodeGenLevelNone
                                                                      : LLVMCodeGenLevelDefault);
  LLVMTargetMachineOptionsSetRelocMode(settings, LLVMRelocPIC);
  m->machine = LLVMCreateTargetMachineWithOptions(target, triple, settings);
  REQUIRE(m->machine, "no code generator for %s", m->cpu);
  LLVMSetTarget(m->module, triple);
  LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(m->machine);
  LLVMSetModuleDataLayout(m->module, layout);
  LLVMDisposeTargetData(layout);
  LLVMDisposeTargetMachineOptions(settings);
  LLVMDisposeMessage(triple);
  if (cpu) LLVMDisposeMessage(cpu);
  if (features) LLVMDisposeMessage(features);
  m->has_fma = probe_fma(m->machine);
}

void target_optimize(EmitModule *m) {
  if (m->optimized) return;
  m->optimized = true;
  char *message = NULL;
  if (m->verify && LLVMVerifyModule(m->module, LLVMReturnStatusAction, &message))
    BUG("emitted LLVM IR is not sound: %s", message);
  if (message) LLVMDisposeMessage(message);
  LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
  LLVMErrorRef error =
      LLVMRunPasses(m->module, m->plain ? "always-inline" : pipeline, m->machine, options);
  LLVMDisposePassBuilderOptions(options);
  if (error) BUG("LLVM passes: %s", LLVMGetErrorMessage(error));
}

LLVMMemoryBufferRef target_compile(EmitModule *m, LLVMCodeGenFileType type, char **message) {
  LLVMMemoryBufferRef buffer = NULL;
  char *text = NULL;
  if (!LLVMTargetMachineEmitToMemoryBuffer(m->machine, m->module, type, &text, &buffer))
    return buffer;
  *message = strdup(text);
  LLVMDisposeMessage(text);
  return NULL;
}

typedef void (*AnyRoutine)(void);

static const struct {
  const char *name;
  AnyRoutine address;
} routines[] = {
#define ROUTINE(name)                                                                              \
  { #name, (AnyRoutine)name }
    ROUTINE(blo_argsort_f32),  ROUTINE(blo_argsort_f64),  ROUTINE(blo_argsort_i64),
    ROUTINE(blo_cholesky_f32), ROUTINE(blo_cholesky_f64), ROUTINE(blo_trisolve_f32),
    ROUTINE(blo_trisolve_f64), ROUTINE(blo_rng_index),    ROUTINE(blo_solve_f32),
    ROUTINE(blo_solve_f64),    ROUTINE(blo_lgamma),       ROUTINE(blo_polygamma),
    ROUTINE(blo_erfinv),
#undef ROUTINE
};

void *target_routine(const char *symbol) {
  for (size_t i = 0; i < sizeof routines / sizeof *routines; i++) {
    if (strcmp(routines[i].name, symbol) != 0) continue;
    void *address;
    memcpy(&address, &routines[i].address, sizeof address);
    return address;
  }
  return NULL;
}
