// Tree to IR: the product of the build stage.
//
// Enters: a checked program, values for dims (from data or -D), the chosen solve block and overrides.
// Leaves: a module with one function per entry and the `blo_program` that describes them; entry functions'
// `run` are NULL until drive fills them with machine code or with the interpreter.
#ifndef BLO_BUILD_BUILD_H
#define BLO_BUILD_BUILD_H

#include "check/check.h"
#include "ir/ir.h"
#include "text/compilation.h"
#include <blo/program.h>

typedef struct DimValue { const char *name; int64_t value; } DimValue;
typedef struct SettingOverride { const char *key, *value; } SettingOverride; // --set key=expression

typedef struct BuildOptions {
  const char *solve;            // NULL: the unnamed block
  const DimValue *dims;         // bound dims; others stay free
  size_t dim_count;
  const SettingOverride *overrides;
  size_t override_count;
  bool stages, tests;           // which entries to build
  const char *test_filter;      // NULL: all tests
  bool all_solves;              // check every solve block
} BuildOptions;

typedef struct Built {
  Module *module;
  blo_program *program;         // entries[i].run is NULL
  Func **funcs;                 // funcs[i] belongs to program->entries[i]
  Name *atoms;                  // free dim atoms in the order of program->dims
  size_t atom_count;
} Built;

/// Declared data and dims, for reading files before anything is built. Reports mistakes in the types.
/// Fills only dims, data, conditions.
const blo_program *build_declarations(Compilation *compilation, const Program *program,
                                      const BuildOptions *options);
/// NULL when there were errors.
Built *build_program(Compilation *compilation, const Program *program, const BuildOptions *options);

#endif
