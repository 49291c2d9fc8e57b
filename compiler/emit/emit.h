// Loop IR to machine code through LLVM. The only folder that includes llvm-c.
//
// Enters: schedules with plans. Leaves: code in memory (run, test) or an object file (build).
#ifndef BLO_EMIT_EMIT_H
#define BLO_EMIT_EMIT_H

#include "loop/loop.h"
#include "plan/plan.h"
#include "text/compilation.h"
#include <blo/program.h>

typedef struct EmitOptions {
  const char *cpu;      // "native", "x86-64-v3", ...; NULL: native
  const char *features; // NULL: those of cpu
  bool verify;          // run the LLVM verifier
  bool plain;           // no passes, the fastest code generator: to tell whose mistake it is
} EmitOptions;

typedef struct EmitModule EmitModule;

/// Dim atoms in the order in which blo_call.dims holds them.
EmitModule *emit_create(Arena *arena, const EmitOptions *options, const Name *atoms,
                        size_t atom_count);
/// Adds an entry function `name` with the signature blo_function.
void emit_schedule(EmitModule *module, const Schedule *schedule, const Plan *plan);
/// LLVM IR before or after optimisation, or assembly, as text.
char *emit_text(EmitModule *module, bool optimized);
char *emit_assembly(EmitModule *module);

typedef struct EmitCode EmitCode; // owns executable memory
/// Optimises and compiles in memory. Consumes the module. NULL and *message on failure.
EmitCode *emit_jit(EmitModule *module, char **message);
blo_function emit_code_find(EmitCode *code, const char *name);
void emit_code_destroy(EmitCode *code);
/// Writes an object file holding the entries and `program` as constant data under the symbol
/// `blo_program_<name>`; entries' `run` point to the functions. False and *message on failure.
bool emit_object(EmitModule *module, const blo_program *program, const char *path, char **message);
void emit_destroy(EmitModule *module);

#endif
