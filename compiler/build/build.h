// Tree to IR: the product of the build stage.
//
// Enters: a checked program, values for dims (from data or -D), the chosen solve block and
// overrides. Leaves: a module with one function per entry and the `blo_program` that describes
// them; entry functions' `run` are NULL until drive fills them with machine code or with the
// interpreter.
#ifndef BLO_BUILD_BUILD_H
#define BLO_BUILD_BUILD_H

#include "check/check.h"
#include "ir/ir.h"
#include "text/compilation.h"
#include <blo/program.h>

typedef struct DimValue {
  const char *name;
  int64_t value;
  bool from_data; // a data file bound it, not -D
} DimValue;
typedef struct SettingOverride {
  const char *key, *value;
} SettingOverride; // --set key=expression

/// A variable of a level: its leaves are parameters [first, first + count) of the functions below.
typedef struct ProblemVariable {
  const char *name;
  Span span;
  int first, count;
  bool updated; // moved by an `update` clause: no derivative is wanted
} ProblemVariable;

/// A bilevel problem with its method as IR, for the level checks. Parameters of all functions:
/// leaves of x, leaves of y, then whatever else they need.
typedef struct LevelProblem {
  Func *upper, *lower; // F and f: one scalar
  Func *start;         // start values of y
  Func *hypergradient; // leaves of x; NULL when the method moves x itself
  /// f_y, the constraints and the formulas, and the hypergradient without F's own x: made where a
  /// method might leave the lower answer out of it, else NULL.
  Func *slopes, *answer;
  const ProblemVariable *upper_variables, *lower_variables;
  size_t upper_count, lower_count;
  /// Variables of levels further above, of a problem below others.
  const ProblemVariable *outer_variables;
  size_t outer_count;
  Span upper_objective, lower_objective, method_span, lower_span;
  const char *method;
  const char *start_methods; // methods that differentiate the start value, for help; may be NULL
  bool checkpoints;          // the method has a parameter `checkpoint`, and it is false
  const char *step_methods;  // methods that accept a discrete upper level, for help; may be NULL
  bool takes_steps;          // the method is one of them
} LevelProblem;

/// What objectives are taken on where points are judged from outside. Programs that write out how
/// many rows a batch has, or filter them, have no value on whole tables; the mean over the parts of
/// a table, in order and of the batch's own size, is the nearest there is.
typedef enum Judging { JUDGE_NOT, JUDGE_WHOLE, JUDGE_PARTS } Judging;

/// Counting notes of `run()` in a test, with the name of its stage behind: how many steps were
/// begun with all finite before, and what was not in the step after ("main: the hypergradient of
/// `x`").
#define RUN_STEPS "steps of stage "
#define RUN_LOST  "not finite in stage "

typedef struct BuildOptions {
  const char *solve;    // NULL: the unnamed block
  const DimValue *dims; // bound dims; others stay free
  size_t dim_count;
  const SettingOverride *overrides;
  size_t override_count;
  bool stages, tests;      // which entries to build
  const char *test_filter; // NULL: all tests
  bool all_solves;         // check every solve block
  bool count_oracles;      // steps raise a counter for each oracle call they make
  Judging judging;         // entries `stage.value`: what an outside judge wants to know of a point
  bool synthetic;          // stages run on drawn data instead of files
  /// levels_check of compiler/levels, which comes after this folder; NULL: levels are not checked.
  void (*check_levels)(Compilation *compilation, const LevelProblem *problem);
} BuildOptions;

typedef struct Built {
  Module *module;
  blo_program *program; // entries[i].run is NULL
  Func **funcs;         // funcs[i] belongs to program->entries[i]
  Name *atoms;          // free dim atoms in the order of program->dims
  size_t atom_count;
} Built;

/// Declared data and dims, for reading files before anything is built. Reports mistakes in the
/// types. Fills only dims, data, conditions.
const blo_program *build_declarations(Compilation *compilation, const Program *program,
                                      const BuildOptions *options);
/// NULL when there were errors.
Built *build_program(Compilation *compilation, const Program *program, const BuildOptions *options);

#endif
