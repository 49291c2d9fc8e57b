// The program level of the build: what dims, data, levels, methods and tests are while IR is made.
//
// A `Context` is one meaning of the program's names: values for dims, where data comes from, which
// solve block, which module receives the ops. Stages have one, each test has one, and the level
// checks have one in a module that is thrown away. All of it lives in the compilation's arena.
//
//   context.c     what a name means (the evaluator's resolve callback), dims, constants
//   declare.c     declared dims and data as rows of blo_program; data values in an entry
//   made.c        data made by the program: when, and its values
//   settings.c, solver.c   solve settings, test settings, overrides; what a solve block chooses
//   precision.c   the program's real type
//   stage.c       levels, variables, bundles, start values
//   nested.c, nested_solver.c, families.c   lower problems below others, as functions
//   point.c       evaluating objectives, lets, batches and reports at a point (x, y)
//   batches.c     sampling as gathers in the IR; the order of random draws is draws.c
//   partition.c   `f.batch` of `f.batches`
//   parts.c       objectives of a judge as means over the parts of tables
//   constraints.c, joint.c, prox.c   what a level is subject to, and its nonsmooth terms
//   instances.c   calls of methods, optimisers and sets: parameters to values
//   sets.c, optimizers.c, methods.c   what those library items do; groups.c: parameter groups;
//                 descent.c: the lower optimiser run for its iterations
//   state.c, steps.c   the state of a stage, its start and one step
//   entries.c, describe.c   entry functions and their rows in blo_program
//   oracles.c, value_entry.c   counting oracle calls; the entry that judges a point
//   tests.c, test_values.c, test_compare.c   `test` blocks as IR functions
//   samples.c, checks.c   definitions on a sample problem; trying a solve block
//
// Here are the types, and the functions that entries are made with; those of the levels stand in
// levels.h, of solve blocks in solving.h, of tests and trials in trying.h, all included from here.
#ifndef BLO_BUILD_PROGRAM_H
#define BLO_BUILD_PROGRAM_H

#include "build/build.h"
#include "evaluate/evaluate.h"

typedef struct Build Build;
typedef struct Context Context;
typedef struct Stage Stage;
typedef struct Point Point;
typedef struct State State;
typedef struct TestRun TestRun;

// ---------------------------------------------------------------- declarations

typedef struct Field {
  const Node *node;  // PART_FIELD
  const Node *data;  // ITEM_DATA
  const char *name;  // "Xtr", "train.x"
  const Node *stage; // ITEM_STAGE it stands in, NULL at file level
  bool in_table;
  bool computed;  // has an initialiser
  bool finding;   // while and after its moment is found
  bool misplaced; // reads what is not there yet: said already
  int moment;     // computed: how many stages have run when it is made
} Field;

typedef struct FieldValue {
  const Field *field;
  const TypeSpec *spec, *whole; // of one row; of all rows (the same outside tables)
  Staged *like;                 // a value of its layout, made in the context's scratch block
  VEC(const Type *) types;      // of its leaves
  NameList names;
  int row;            // of the first leaf in blo_program.data
  const Dim *extent;  // rows of the table, NULL outside tables
  const Dim *classes; // `in classes(k)`, else NULL
} FieldValue;

// ---------------------------------------------------------------- entries

/// A function being built, with the meaning of its parameters and results.
typedef struct Entry {
  Func *func;
  const char *name;
  VEC(blo_value) inputs;
  VEC(blo_value) outputs;
} Entry;

typedef struct EntryList {
  VEC(Entry *) list;
} EntryList;

// ---------------------------------------------------------------- settings

typedef struct Setting {
  const char *key; // "upper.iters"
  Span span;
  const Node *value;
  const Environment *environment; // of the value: a test's lets
  bool read;
} Setting;

typedef struct Settings {
  VEC(Setting) list;
} Settings;

/// A value that is evaluated each time it is wanted: an argument may mention `iteration`.
typedef struct Argument {
  const Node *param; // PART_PARAM
  const Node *value; // expression; the parameter's default when none was given
  const Environment *environment;
  bool given;
  Staged *ready; // a sample value, when the definition is checked; else NULL
  bool checked;  // against the bounds of the parameter
} Argument;

typedef struct Instance Instance;
typedef struct Level Level;

/// A part of a level's variables with its own optimiser.
typedef struct Group {
  const char *path; // "q.V": a variable, or a field of one
  Instance *optimizer;
} Group;

/// A method, optimiser or set with its arguments.
struct Instance {
  Context *context;
  const Node *node;    // ITEM_METHOD, ITEM_OPTIMIZER, ITEM_SET
  Span span;           // of the call
  const char *prefix;  // "upper": settings `upper.step` replace arguments; NULL: none
  uint64_t place;      // of its draws: what it is chosen for, however it is written
  Argument *arguments; // one per parameter
  int count;
  const Dim *iterations; // optimisers: `iters`; NULL: not given
  Span iterations_span;
  bool keep; // the lower optimiser: its states go on from step to step
  bool used;
  const Level *level; // optimisers of a level: what `groups` are parts of
  VEC(Group) groups;
};

// ---------------------------------------------------------------- levels and stages

typedef struct LevelVariable {
  const Node *node; // NODE_VAR
  Name name;
  const TypeSpec *spec;
  Staged *like;         // a value of its layout, made in the context's scratch block
  const Setting *start; // a test's start value, else NULL
} LevelVariable;

struct Level {
  const Node *node; // ITEM_LEVEL, or ITEM_STAGE for a stage of one level
  const char *word; // "upper", "lower", "stage"
  bool maximize;
  const Node *objective; // NODE_OBJECTIVE
  VEC(LevelVariable) variables;
  NodeList states, reports, ensures, constraints;
  NodeList proxes, updates; // NODE_PROX, NODE_UPDATE
  bool broken;              // a clause did not parse: say nothing about what is missing
  Staged *like;             // bundle of the variables
  Staged *constraint_like;  // bundle of the constraint values, once somebody asked
};

struct Stage {
  const char *name;
  const Node *node; // ITEM_STAGE, or NULL for the unnamed stage
  bool unsupported; // has a clause that comes later: said already
  bool sample;      // stands for any problem, while a definition is checked
  bool single;      // one level moved by its gradient: held in `upper`
  bool composed;    // single, with lower problems side by side, in families or by formulas below it
  Level upper, lower;
  Map *names;         // Binding -> clause: every name the levels declare
  Map *lower_batches; // NODE_BATCH of the lower level -> itself
  const Node *solve;  // ITEM_SOLVE
  Settings settings;
  Instance *method, *upper_optimizer, *lower_optimizer;
  const Dim *iterations;
  int64_t seed, report_every;
  bool finishing; // its last entry is made: the reports of the file
  bool cold;      // the lower start depends on x: every step starts from it
  // Lower problems below the last level (`upper` of a single stage, else `lower`). Each is a Stage
  // of its own: its `upper` holds the variables of all levels above it.
  VEC(Stage *) nested;
  Stage *above;       // of a nested problem; NULL at the top
  Map *owners;        // clause of a nested level -> its Stage; one map for the whole stage
  const char *key;    // nested: its settings stand under this name
  int index;          // nested: its place in State.nested
  int nested_count;   // at the top: all nested problems
  const Node *family; // nested: the level, when it is `for j in e`
  const Dim *rows;    // of the family
  bool solving;       // its solution is being evaluated
  Map *report_types;  // name of a report -> Type; NULL before the stage's entries are made
};

/// The state of a stage between steps.
struct State {
  Staged *x, *y;      // y NULL in a stage of one level
  Staged **method;    // of method states, in order
  Staged **optimizer; // of the upper optimiser's states
  Staged **kept;      // of the lower optimiser's, with `keep = true`
  Staged **level;     // upper's then lower's `state` clauses
  Staged **nested;    // solutions of nested problems, families with their rows
  int method_count, optimizer_count, kept_count, level_count, nested_count;
  Value *t; // steps made, i64
};

/// Where expressions of the levels are evaluated: the variables' values and what was computed from
/// them.
struct Point {
  Point *outer;
  Stage *stage;
  Staged *x, *y;         // NULL: start values when `starting`, else unknown
  Staged *const *states; // level states, or NULL
  const State *state;    // the state the point stands at, or NULL
  bool starting;
  Dynamic dynamic;
  Block *block; // values that are made on demand are made here
  const Node
      *kept_by; // NODE_VAR, NODE_PROX: its set or term, which sees what stands above; or NULL
  Map *values;  // Binding -> Staged; NULL while it is being made
  Point *lets;  // lets and batches come from this point; NULL: this one
  Point *above; // nested problems: where the level above stands
  Staged *const *solved; // nested solutions that are known; NULL: solved when asked for
};

/// A row of a family that is being evaluated.
typedef struct FamilyRow {
  const Stage *stage;
  Value *number;
  const struct FamilyRow *outer;
} FamilyRow;

/// A problem below others whose solution is given, not solved for: so the objective above is a
/// function of it.
typedef struct GivenSolution {
  const Stage *nested;
  Staged *value; // all rows of a family
} GivenSolution;

/// The leaves of a level's variables that one parameter group moves.
typedef struct GroupPart {
  const Instance *optimizer;
  int group;     // -1: what no group has
  Staged *whole; // all variables, where the others stand
} GroupPart;

/// What `prox`, `project` and `objective` mean in an optimizer: the level that is moved, at these
/// upper variables.
typedef struct Moving {
  const Level *level; // NULL: outside of an update
  Staged *x;
  bool applied;     // `prox` was called
  Staged *function; // the function that is descended; NULL: there is none, `why` says
  const char *why;
  Dynamic dynamic;       // in which its gradient was taken: the same draws
  const GroupPart *part; // NULL: all variables
} Moving;

struct Context {
  Build *build;
  Evaluator *e;
  Module *module;
  Block *scratch;           // for values whose layout alone is wanted
  Dtype program_real;       // e->real outside of functions
  Map *dims;                // Binding -> Dim, from a test's synthetic(...)
  bool closed_dims;         // dims without a value are errors (tests)
  Map *made;                // Field -> FieldValue
  Map *constants, *busy;    // ITEM_CONST -> Staged; what is being made
  Map *columns;             // Field -> Staged in the present entry; NULL while it is being made
  bool makes_all;           // tests: all data is made in the entry itself
  int makes;                // the present entry makes the data of this moment; -1: none
  bool no_data;             // a test that says nothing about data
  bool synthetic;           // data fields are drawn
  int64_t synthetic_number; // seed of the drawn data
  Value *synthetic_seed;    // the same in the present entry
  const char *entry_name;   // tests: "test.3"
  Entry *entry;             // takes the inputs
  Stage *stage;
  VEC(Stage *) stages; // all of the context, `stage` among them
  Point *point;
  Staged *const *states;      // values of the level states that points see; NULL: their starts
  Staged *const *solved;      // nested solutions that points read; NULL: they are solved there
  Staged *const *warm;        // nested solutions of the step before, to start from; NULL: none
  Point *above;               // of the points of a nested problem
  const FamilyRow *rows;      // of the families around, innermost first
  const GivenSolution *given; // NULL: every solution is solved for
  Staged *row_slope;          // F_y of the family row whose method reports; or NULL
  Value *seed;                // of the run, i64
  Value *iteration;           // steps this level has made, i64; NULL: unknown here
  Value *t;                   // outer steps made, i64; NULL outside steps
  State *method_state;        // inside a method: x, y at its beginning
  bool in_parts;              // objectives are means over the parts of their tables (parts.c)
  bool upper_held;         // F's own x is a constant: a hypergradient is that of the lower answer
  Block *step_block;       // of the step that is made; NULL outside steps
  const Instance *kept_of; // the lower optimiser whose states are kept in this step, or NULL
  Staged **kept, **kept_next; // its states: at the step's beginning, at its end
  Moving moving;
  TestRun *test;
};

/// What of a context belongs to the stage whose code is evaluated.
typedef struct Standing {
  Stage *stage;
  Point *above, *point;
  Staged *const *states;
  Staged *const *solved, *const *warm;
  Staged **kept;
  State *method_state;
  Value *seed, *t, *iteration;
  Builder builder;
  Dynamic dynamic;
} Standing;

/// A point at which an objective was counted: F_x and F_y there are one gradient.
typedef struct OraclePoint {
  const char *text;
  const Block *block;
  VEC(const Value *) leaves;
} OraclePoint;

struct Build {
  Compilation *compilation;
  Arena *arena;
  const Program *program;
  const BuildOptions *options;
  Module *module;
  Dtype real; // the program's real type
  VEC(Field) fields;
  VEC(const Node *) dims; // PART_DIM of the user's file
  Map *overrides;         // SettingOverride -> its text as a file, read once
  Span chosen;            // the text of --solve, once something was said about it
  Map *failed_items;      // definitions that were found wrong
  EntryList entries;
  VEC(OraclePoint) oracles; // of the present entry
  VEC(blo_stage) stages;
  VEC(blo_test) tests;
  VEC(int) stage_entries; // per stage: init, step, finish, after (-1: none)
  VEC(int) test_entries;
  int data_entry;
};

static inline Diagnostics *build_diagnostics(const Build *b) {
  return b->compilation->diagnostics;
}

// ---------------------------------------------------------------- context.c

Context *context_create(Build *build, Module *module);
/// The program's real type: `precision` of the chosen solve block, else the widest float type of
/// the variables, else of the file.
Dtype program_real(Build *build);
/// Makes `entry` the receiver of ops and inputs; columns are made anew.
void context_enter(Context *c, Entry *entry);
/// The dim a declaration stands for in this context; NULL after a report.
const Dim *context_dim(Context *c, const Node *part, Span span);
/// The file a node belongs to.
const Node *context_file(const Context *c, Span span);
/// Around code of another stage, or of a problem below: what it may change is as before afterwards.
Standing standing_save(const Context *c);
void standing_restore(Context *c, const Standing *saved);
const Type *scalar_type(Context *c, Dtype dtype);
Value *scalar_int(Context *c, int64_t value);
Staged *no_value(Context *c, Span span, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// ---------------------------------------------------------------- declare.c

void declare_collect(Build *b);
/// Dims, data and conditions of the program's description.
void declare_describe(Context *c, blo_program *program, const Name **atoms, size_t *atom_count);
void describe_conditions(Context *c, blo_program *program, const Name *atoms, size_t atom_count);
const FieldValue *field_declared(Context *c, const Field *field);
const Field *field_of_binding(const Build *b, const Binding *binding);
const Field *field_of_table(const Build *b, const Node *data, Name column);
Staged *field_value(Context *c, const Field *field, Span span);
Staged *table_value(Context *c, const Binding *binding);
/// Rows of a table; NULL after a report.
const Dim *table_rows(Context *c, const Node *data);
const char *place_text(Build *b, Span span);

// ---------------------------------------------------------------- made.c

/// Finds for each computed field after how many stages it can be made.
void made_find_moments(Build *b);
/// Is the field made in the present entry?
bool made_here(const Context *c, const Field *field);
/// The value of a field that the program makes.
Staged *compute_field(Context *c, const FieldValue *field, Span span);
/// The entry that makes the data of a moment: its number, -1 where there is none.
int made_entry(Context *c, int moment, const char *name);
int stage_number(const Context *c, const Stage *stage);

// ---------------------------------------------------------------- oracles.c

/// What counters of oracle calls are named by: `ORACLE_HVP " of f"`.
#define ORACLE_VALUE    "values"
#define ORACLE_GRADIENT "gradients"
#define ORACLE_HVP      "Hessian-vector products"
#define ORACLE_MIXED    "mixed products"
/// Counts a call of F (`upper`) or f at (x, y), if the build's options want that.
void oracle_count(Context *c, bool upper, Staged *x, Staged *y);

// ---------------------------------------------------------------- value_entry.c

/// Whether this is the stage that a judge looks at: the one whose solve block was asked for by
/// name, else the last one of two levels, else the last one.
bool stage_is_judged(const Context *c, const Stage *stage);
/// The entry `stage.value`: leaves of x and y in; out come `objective`, F(x, y) on whole tables or
/// over their parts, `own_residual`, the norm of y - project(y - f_y), and `infeasibility`; where
/// the stage has a lower optimiser that solves `value`, F at the lower solution it finds from the
/// declared start, `residual`, the norm of f_y there, and where the method gives one the
/// hypergradient, leaf by leaf, with `stationarity`, the norm of x - project(x - hypergradient).
void value_entry(Context *c, Stage *stage);

// ---------------------------------------------------------------- entries.c, describe.c

Entry *entry_create(Context *c, const char *name);
/// The value of a constant of the file, evaluated in the current block.
Staged *constant_value(Context *c, const Binding *binding, Span span);
Value *entry_input(Context *c, const char *name, const Type *type, int role, int index);
void entry_output(Context *c, const char *name, Value *value, int role, int index);
/// Takes away unused inputs and gives the entry its number.
size_t entry_finish(Context *c);
/// The run's seed becomes an input, unless it is known already.
void take_seed(Context *c);
/// Entries and description of one stage; false after errors.
bool stage_entries(Context *c, Stage *stage, const Name *atoms, size_t atom_count);
blo_size *describe_shape(Build *b, const Type *type, const Name *atoms, size_t atom_count);
Built *describe_program(Context *c);

#include "build/problem/levels.h"
#include "build/solving/solving.h"
#include "build/trying/trying.h"

#endif
