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
  const Node *node; // PART_FIELD
  const Node *data; // ITEM_DATA
  const char *name; // "Xtr", "train.x"
  const Node *stage; // ITEM_STAGE it stands in, NULL at file level
  bool in_table;
  bool computed; // has an initialiser
  bool finding;  // while and after its moment is found
  bool misplaced; // reads what is not there yet: said already
  int moment;    // computed: how many stages have run when it is made
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
  bool broken;  // a clause did not parse: say nothing about what is missing
  Staged *like; // bundle of the variables
  Staged *constraint_like; // bundle of the constraint values, once somebody asked
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
  bool cold; // the lower start depends on x: every step starts from it
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
  bool applied;           // `prox` was called
  Staged *function;       // the function that is descended; NULL: there is none, `why` says
  const char *why;
  Dynamic dynamic;        // in which its gradient was taken: the same draws
  const GroupPart *part;  // NULL: all variables
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
  Staged *const *states; // values of the level states that points see; NULL: their starts
  Staged *const *solved; // nested solutions that points read; NULL: they are solved there
  Staged *const *warm;   // nested solutions of the step before, to start from; NULL: none
  Point *above;          // of the points of a nested problem
  const FamilyRow *rows;       // of the families around, innermost first
  Value *seed;           // of the run, i64
  Value *iteration;      // steps this level has made, i64; NULL: unknown here
  Value *t;              // outer steps made, i64; NULL outside steps
  State *method_state;   // inside a method: x, y at its beginning
  bool in_parts;         // objectives are means over the parts of their tables (parts.c)
  bool reporting;        // evaluating reports: their oracle calls are not the method's
  Block *step_block;     // of the step that is made; NULL outside steps
  const Instance *kept_of;    // the lower optimiser whose states are kept in this step, or NULL
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
/// Position of a stage among those that run; of the stage at file level for NULL.
int stage_number_of(const Build *b, const Node *stage);
int stage_number(const Context *c, const Stage *stage);

// ---------------------------------------------------------------- settings.c

void settings_collect(Build *b, Settings *settings, const NodeList *items,
                      const Environment *environment);
/// Lays the command line's `--set` over the settings of a stage; `stage.key` is for that stage
/// alone.
void settings_override(Build *b, Settings *settings, const char *stage);
void settings_replace(Build *b, Settings *settings, const Settings *extra);
Setting *settings_find(Settings *settings, const char *key);
/// Static integer or dim of a setting; `fallback` when it is not given.
const Dim *setting_dim(Context *c, Settings *settings, const char *key, const Dim *fallback);
/// False after E0303 where `dim` is a negative number.
bool dim_not_negative(Context *c, const Dim *dim, Span span, const char *what);
int64_t setting_integer(Context *c, Settings *settings, const char *key, int64_t fallback);
void settings_warn_unread(Context *c, const Settings *settings);
/// Makes `precision` the real type, where it is given; false after an error.
bool settings_precision(Context *c, Settings *settings);
const char *setting_key(Build *b, const Node *node);
/// True when a setting's value is a call of an optimizer, or its name.
bool names_optimizer(const Build *b, const Node *value);

// ---------------------------------------------------------------- stage.c

/// Fills a stage's levels from the clauses; false after errors.
bool stage_levels(Context *c, Stage *stage);
/// Types the variables once more, for another `precision`.
bool stage_retype(Context *c, Stage *stage);
/// The stages of the program in order.
bool stages_collect(Context *c);
/// Bundle of values, one per variable.
Staged *level_bundle(Context *c, const Level *level, Staged *const *values);
Staged *level_part(const Level *level, Staged *bundle, size_t index);
/// The start value of one variable, at the open point.
Staged *variable_start(Context *c, const Stage *stage, const Binding *binding);
Staged *start_bundle(Context *c, Stage *stage, const Level *level, Staged *x, Span span);
/// Start values that a test gives, by variable name.
void variables_override(Stage *stage, const Settings *starts);
/// What a level says, clause by clause; also of a level below another.
void level_clauses(Context *c, Stage *stage, Level *level, const Node *item);
bool level_complete(Context *c, const Stage *stage, const Level *level);
/// Types the variables and makes `like`.
bool level_type(Context *c, Level *level);
/// The stage a nested problem belongs to; a stage itself.
Stage *stage_root(const Stage *stage);
int level_state_count(const Stage *stage);
const Node *level_state_node(const Stage *stage, int index);

/// Makes a value fit another's layout and leaf types: numbers become constants, scalars spread
/// where `spread` is set. POISON after a report that names `what`.
Staged *fit_like(Evaluator *e, Staged *value, const Staged *like, bool spread, Span span,
                 const char *what);

// ---------------------------------------------------------------- nested.c, families.c

/// Adds the lower problem that `item` declares below the last level of `above`.
void nested_add(Context *c, Stage *above, const Node *item);
/// Types the levels of nested problems; false after errors.
bool nested_type(Context *c, Stage *stage);
/// Calls `visit` for each nested problem, those above first.
void nested_each(Stage *stage, void (*visit)(Stage *nested, void *self), void *self);
/// The nested problem that owns a variable, and the variable's place; NULL when none does.
Stage *nested_owner(const Stage *stage, const Binding *binding, size_t *place);
/// A variable of a nested problem as it is at `point`; NULL when no nested problem has it.
Staged *nested_variable(Context *c, Point *point, const Binding *binding, Span span);
/// A clause of another level than the point's: NULL when it belongs to the point's own levels.
Point *nested_point_of(Context *c, Point *point, const Node *clause);
/// Solutions of all nested problems at the open point, or their start values: a list by index.
Staged **nested_values(Context *c, Point *point, bool starting, Span span);
/// One variable out of a nested problem's value.
Staged *nested_part(Context *c, const Stage *nested, Staged *value, size_t place);
/// Evaluates something at the level of a nested problem, row by row in a family.
typedef Staged *(*NestedFunction)(Context *c, Point *point, void *self);
Staged *nested_evaluate(Context *c, Point *point, Stage *nested, NestedFunction function,
                        void *self, Span span);
/// The value of a report clause; of a level in a family: one per row.
Staged *nested_report(Context *c, Point *point, const Node *clause);
/// `ensure` clauses of all nested levels.
void nested_ensures(Context *c, Point *point);
/// The variables above a nested problem as one bundle.
Staged *nested_upper(Context *c, const Stage *nested, Staged *x, Staged *y);
/// Opens the points above a nested problem for given values of the variables above.
void nested_stand(Context *c, Stage *nested, Staged *x);
/// The row number of a family; NULL when `level` is none that is being evaluated.
Value *family_row(const Context *c, const Node *level);
/// How many rows a family has; NULL after a report.
const Dim *family_rows(Context *c, const Stage *nested);
bool family_restarts(Context *c, const Stage *nested);
/// `body` for every row, with draws of its own.
Staged *family_map(Context *c, Stage *nested, const Dim *rows, LoopBody body, void *self,
                   Span span);
/// Row of a value that is kept for all rows of the families around.
Staged *family_kept(Context *c, const Stage *nested, Staged *value);

// ---------------------------------------------------------------- solver.c

/// The solve block that the stage runs when the user asks for `wanted`, the name of one, also with
/// its stage in front (`fit.quick`): stages without such a block run the one without a name (NULL).
const char *stage_solve_name(const Context *c, const Stage *stage, const char *wanted);
const Node *stage_find_solve(Context *c, const Stage *stage, const char *name, Span span);
/// Methods and optimisers of the nested problems of a stage; false after errors.
bool nested_solver(Context *c, Stage *stage);
/// Is it the name of a level of the program? (`length` bytes)
bool is_level_name(const Build *b, const char *text, size_t length);
/// The method of a solve block that has one; NULL after errors.
Instance *method_instance(Context *c, Settings *settings);
/// Chooses the solve block (NULL: the unnamed one), lays `extra` over its settings and makes the
/// instances; false after errors.
bool stage_solver(Context *c, Stage *stage, const char *solve, Span span, const Settings *extra);
void stage_warn_unread(Context *c, const Stage *stage);

// ---------------------------------------------------------------- point.c

Point *point_open(Context *c, Stage *stage, Staged *x, Staged *y);
void point_close(Context *c, Point *point);
Staged *point_value(Context *c, Point *point, const Binding *binding, Span span);
/// The objective at a point, as it is minimised.
Staged *objective_value(Context *c, Stage *stage, const Level *level, Staged *x, Staged *y,
                        Span span);
Staged *objective_at(Context *c, const Level *level, Point *point);
/// The mean of a level's objective over the parts of its tables; a family's tasks are the first ones.
Staged *objective_over_parts(Context *c, Stage *stage, const Level *level, Staged *x, Staged *y,
                             Span span);
/// `F` or `f` as a function value.
Staged *objective_function(Context *c, bool upper);
/// The level whose objective a function of `objective_function` is, from its `self`.
const Level *objective_level(const void *self, Context **c);
/// u -> f(x, u) for a fixed x.
Staged *lower_function(Context *c, Staged *x);
Staged *bundle_argument(Context *c, Staged *value, const Level *level, Span span, const char *who);
/// The first two arguments of a call in a method as upper and lower variables; false after a report.
bool pair_bundles(Context *c, const Call *call, const char *who, Staged **x, Staged **y);
/// The same of a call `form` that has no others.
bool pair_arguments(Context *c, const Call *call, const char *name, const char *form, Staged **x,
                    Staged **y);
/// Evaluates `ensure` clauses of both levels at the open point.
void ensures_evaluate(Context *c, const Level *level);
uint64_t place_hash(const char *kind, const char *name);

// ---------------------------------------------------------------- draws.c, batches.c

Value *key_fold(Context *c, Value *key, Value *word);
Value *key_fold_hash(Context *c, Value *key, uint64_t hash);
/// The key of a stage's step t (t NULL: of its start values).
Value *step_key(Context *c, const Stage *stage, Value *t);
Staged *draw_field(Context *c, const FieldValue *field, Value *key);
/// Steps a level has made, as `iteration` means it: outer steps times inner ones, plus the draw.
Value *level_iteration(Context *c, const Stage *stage, const Level *level);
Staged *batch_value(Context *c, Point *point, const Node *batch);
/// Rows of a batch value.
const Dim *batch_rows(const Staged *batch);
/// Into how many parts a batch cuts its table, and whether always the same ones; false after a
/// report.
bool batch_parts(Context *c, const Node *node, const Dim **parts, bool *fixed);
/// Into how many parts a judge cuts the table of a batch, however it is sampled; false after a report.
bool batch_part_count(Context *c, const Node *node, Value **count, const Dim **bound);

// ---------------------------------------------------------------- partition.c

/// `f.batch` and `f.batches`; NULL for another name.
Staged *objective_member(Evaluator *e, const Function *function, Name name, Span span);

// ---------------------------------------------------------------- instances.c

/// The item a setting's value calls (`cg(...)`, `nonneg`), looked up by kind. NULL after a report.
const Node *called_item(Context *c, const Node *value, BindingKind kind,
                        const NodeList **arguments);
/// NULL after a report.
Instance *instance_create(Context *c, const Node *value, const Environment *environment,
                          BindingKind kind, const char *prefix);
/// The same also where an argument is wrong, which `ok` tells; NULL: there is no such item.
Instance *instance_make(Context *c, const Node *value, const Environment *environment,
                        BindingKind kind, const char *prefix, bool *ok);
/// An item with its defaults, settings of `prefix` not looked at.
Instance *instance_of_item(Context *c, const Node *item, Span span);
/// The parameters' values, evaluated now.
const Environment *instance_environment(Instance *instance);
const char *instance_name(const Instance *instance);
/// Reports that it has no parameter of this name.
void instance_no_param(Context *c, const Instance *instance, const char *name, Span span);
/// True for "inner.step" where `inner` is a parameter that takes an optimizer.
bool instance_goes_below(const Instance *instance, const char *name);
/// While an instance's own code is evaluated: mistakes found there are told at the place that chose
/// it.
void instance_enter(const Instance *instance, Dynamic *saved);
void instance_leave(const Instance *instance, const Dynamic *saved);

// ---------------------------------------------------------------- sets.c

/// Projects a level's bundle on the declared sets, whose arguments see the variables `x` above.
Staged *project_level(Context *c, Stage *stage, const Level *level, Staged *x, Staged *bundle);
bool level_has_sets(const Level *level);

/// A function of a set by name; NULL when it has none.
const Node *set_function(const Node *set, const char *name);

// ---------------------------------------------------------------- constraints.c

bool constraint_is_equality(const Node *clause);
/// "the constraint `size`", for messages.
const char *constraint_phrase(Context *c, const Node *clause);
/// The bundle of a level's constraint values in the sense <= 0, one leaf per constraint; an empty
/// vector where it has none.
Staged *constraints_at(Context *c, Stage *stage, const Level *level, Staged *x, Staged *y,
                       Span span);
/// A value of the layout of the lower level's constraints; POISON after a report.
Staged *constraints_like(Context *c, Stage *stage);
/// Multipliers of inequalities cut at 0.
Staged *constraints_cone(Context *c, Staged *multipliers);
Staged *constraints_function(Context *c);
Staged *cone_function(Context *c);
/// `dual(c)`, `violation(c)`.
Staged *constraint_builtin(const Call *call, Builtin builtin, Context *c);
Staged *constraint_object(Context *c, const Binding *binding);
/// The largest violation of all constraints of the stage at a point, those of the problems below
/// included; NULL without constraints.
Value *stage_violation(Context *c, Point *point);
bool stage_is_constrained(Stage *stage);
/// All leaves as one vector, and back.
Value *bundle_flatten(Context *c, Staged *bundle);
Staged *bundle_unflatten(Context *c, Value *flat, const Staged *like);

// ---------------------------------------------------------------- joint.c

Staged *project_function(Context *c);
/// The upper objective as methods see it: with the term that keeps the constraints of its level.
Staged *merit_value(Context *c, Stage *stage, Staged *x, Staged *y, Span span);
/// The solve block says how upper constraints are kept.
bool joint_check(Context *c);

// ---------------------------------------------------------------- prox.c

const Node *variable_prox(const Level *level, size_t index);
/// `objective` plus the values of the level's prox terms.
Staged *prox_value(Context *c, Stage *stage, const Level *level, Staged *x, Staged *y,
                   Staged *objective);
/// The proximal map of a level: of its terms, then onto its sets.
Staged *prox_level(Context *c, Stage *stage, const Level *level, Staged *x, Staged *bundle,
                   Staged *step);
Staged *prox_y_function(Context *c);
bool prox_check(Context *c, const Level *level);

// ---------------------------------------------------------------- moving.c

/// Around an update of an optimizer on `level`, at the draws of now; leaving reports one that
/// ignores prox terms. `function` is what it descends; where it is NULL `why` ends the sentence
/// "`objective` has no meaning here: ...".
Moving moving_enter(Context *c, const Level *level, Staged *x, Staged *function, const char *why);
void moving_leave(Context *c, Moving saved, const Instance *optimizer);
/// `objective` in an update; POISON after a report.
Staged *descended_function(Context *c, Span span);
Staged *prox_function(Context *c);
Staged *project_moved_function(Context *c);

// ---------------------------------------------------------------- groups.c

/// The optimiser of a level with its parameter groups, from the setting `key` and those below it.
/// NULL where there is no such setting, or after errors: a path or parameter that does not exist.
Instance *level_optimizer(Context *c, const char *key, const Level *level);
/// All variables, with those of the part at `moved`; and the part of a whole.
Staged *part_widen(Context *c, const GroupPart *part, Staged *moved);
Staged *part_narrow(Context *c, const GroupPart *part, Staged *whole);
/// Does the group move some of the level's variable number `index`?
bool part_moves(Context *c, const GroupPart *part, size_t index);
/// States of an optimiser and its groups.
int optimizer_state_count(const Instance *optimizer);
/// One name per state: "upper_opt.m", of a group "upper_opt.rho.m".
void optimizer_state_names(const Instance *optimizer, const char *prefix, NameList *list);
void optimizer_start(Instance *optimizer, Staged *z, Staged **states);
/// One update; `states` are replaced. `t` counts updates since the start of the states, `iteration`
/// is what the settings see.
Staged *optimizer_update(Instance *optimizer, Staged *z, Staged *g, Value *t, Value *iteration,
                         Staged **states, Span span);

// ---------------------------------------------------------------- optimizers.c

/// The same of one optimizer without its groups.
int item_state_count(const Instance *optimizer);
void item_start(Instance *optimizer, Staged *z, Staged **states);
Staged *item_update(Instance *optimizer, Staged *z, Staged *g, Value *t, Value *iteration,
                    Staged **states);
/// The optimiser as a value with `.init(z)` and `.step(z, g, s)`.
Staged *optimizer_object(Instance *optimizer);
/// Runs a list of moves: let, set, ensure. False for another kind of statement.
bool run_move(Context *c, const Node *move, const Environment **environment);

// ---------------------------------------------------------------- descent.c

/// What derivatives of a descent keep and see.
typedef struct DescendOptions {
  bool checkpoint; // keep the beginnings of segments only, and run them again
  const Dim *last; // steps that have a derivative, from the end; NULL: all
  Staged *x;       // the upper variables that prox terms see
} DescendOptions;

/// The lower optimiser run from `start` on `function`; `options` may be NULL.
Staged *lower_descend(Context *c, Staged *function, Staged *start, const DescendOptions *options,
                      Span span);
/// The lower variables solved at a state's x from its y: by the lower optimiser, or by the method
/// itself where there are constraints, since only it knows multipliers.
Staged *lower_solved(Context *c, const State *from, Span span);

// ---------------------------------------------------------------- methods.c

typedef struct Deferred { // a report, evaluated when it is known to be wanted
  const Node *node;       // NODE_REPORT
  Name name;
  const Node *value;
  const Environment *environment;
  Dynamic dynamic;
  State *scope; // what `x`, `y`, `t` mean where no `set` came before
} Deferred;

typedef struct MethodResult {
  Staged *x, *y; // at the end of the step block
  Staged **states;
  Staged *hypergradient; // NULL: the method moves x itself
  bool moves_x;
  VEC(Deferred) reports;
} MethodResult;

/// What `x`, `F`, `descend`, ... mean inside the method; NULL: not one of them.
Staged *method_name(Context *c, int implicit, Span span);
void method_start(Context *c, State *state);
/// The lower variables that the step leaves, as a function of x: what only the hypergradient, the
/// states and the reports need is left out.
Staged *method_solution(Context *c, Staged *x, Staged *y);
/// The state `dual` of a method, where multipliers are; NULL where it has none.
const Binding *method_dual(const Node *method);
/// The multipliers that a step leaves which starts at a lower solution; NULL without that state.
Staged *method_multipliers(Context *c, Staged *x, Staged *y);
/// Runs the step block on a state. False after errors.
bool method_run(Context *c, const State *state, MethodResult *result);
Staged *method_report(Context *c, const Deferred *report);
/// The step block has a `set x = ...`.
bool method_moves_x(const Node *method);
/// The method's text mentions a fixed name.
bool method_mentions(const Node *method, int implicit);
/// The method runs the lower optimiser: only then has a step of the stage several of the level.
bool method_descends(const Stage *stage);
bool method_accepts(const Node *method, const char *first, const char *second);
/// Names of the methods of every file that accept a trait, for help; NULL: none.
const char *methods_that_accept(Context *c, const char *first, const char *second);
/// E0420: the method of the stage does not accept `what`, which stands at `span`.
void method_refuse(Context *c, const char *what, Span span, const char *label, const char *first,
                   const char *second);
/// Reports E0420 / E0405 mistakes that need no evaluation.
bool method_check_traits(Context *c);

// ---------------------------------------------------------------- state.c, steps.c

typedef struct StepResult {
  State next;
  Staged *hypergradient; // as minimised; NULL: none
  Staged *y_step;        // y after the method, before the upper move
  Staged *x_step;
  MethodResult method;
} StepResult;

void state_init(Context *c, State *state);
Staged *state_pack(Context *c, const State *state);
void state_unpack(Context *c, const State *like, Staged *packed, State *out);
bool state_is_poison(const Context *c, const State *state);
void state_leaves(Context *c, const State *state, ValueList *leaves);
void state_rebuild(Context *c, const State *like, Value *const *leaves, State *out);
/// Names of a level's leaves: "net.W", "t".
void level_leaf_names(Context *c, const Level *level, Staged *bundle, NameList *names);
/// "net.W", ... of a value called `prefix`.
void leaf_names(Arena *arena, Interner *names, const char *prefix, const Layout *layout,
                NameList *list);
/// Names and roles of the leaves, in the order of state_leaves.
void state_describe(Context *c, const State *state, blo_leaf *leaves, const Name *atoms,
                    size_t atom_count);
/// One step of the stage: method, upper optimiser, projection, level states.
bool step_run(Context *c, const State *state, StepResult *result);
/// The level's variables with those that an `update w = e;` moves: its value at (x, y), in the order
/// of the clauses.
Staged *level_update(Context *c, const Level *level, Staged *x, Staged *y, Staged *bundle);
/// Every variable of the level is moved by an `update` clause.
bool level_is_updated(const Level *level);
bool variable_is_updated(const Level *level, size_t index);
/// `ensure` and `warn` of the levels and the solve block at the state a step leads to.
void step_ensures(Context *c, const StepResult *step);
/// The `stop` setting at the new point, or NULL.
Value *step_stop(Context *c, const State *next);
/// Opens a point at a state, with its level states.
Point *point_at(Context *c, const State *state);

// ---------------------------------------------------------------- oracles.c

/// What counters of oracle calls are named by: `ORACLE_HVP " of f"`.
#define ORACLE_VALUE    "values"
#define ORACLE_GRADIENT "gradients"
#define ORACLE_HVP      "Hessian-vector products"
#define ORACLE_MIXED    "mixed products"
/// Counts a call of F (`upper`) or f at (x, y), if the build's options want that.
void oracle_count(Context *c, bool upper, Staged *x, Staged *y);

// ---------------------------------------------------------------- value_entry.c

/// Whether this is the stage that a judge looks at: the one whose solve block was asked for by name, else
/// the last one of two levels, else the last one.
bool stage_is_judged(const Context *c, const Stage *stage);
/// The entry `stage.value`: leaves of x and y in; out come `objective`, F(x, y) on whole tables or over
/// their parts, `own_residual`, the norm of y - project(y - f_y), and `infeasibility`; where the stage has
/// a lower optimiser that solves `value`, F at the lower solution it finds from the declared
/// start, `residual`, the norm of f_y there, and where the method gives one the hypergradient, leaf by
/// leaf, with `stationarity`, the norm of x - project(x - hypergradient).
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

// ---------------------------------------------------------------- tests.c, test_values.c

/// What a test runs on, and where it stands.
struct TestRun {
  const Node *node; // ITEM_TEST
  const char *sizes; // "n = 4, d = 2" of its synthetic data; NULL
  Stage *stage;     // under test; NULL: the program has no levels
  bool unclear;     // several stages of two levels, and the test does not say which
  Settings given;   // `data.train.x = ...`, by the field's name
  State *results;   // per stage: what it left; t is NULL where it did not run yet
  bool *running;    // per stage: while its code is evaluated
  Value **finite;   // per stage: was its run finite; NULL where it did not run
  State now;        // the start, or what run() left
  bool ran;
  Staged *solved;   // the lower variables solved at now.x; NULL: not yet
  StepResult *step; // one step from `now`; NULL: not yet
  Map *asked;       // call of hypergradient(t) -> the variable's binding
};

bool test_build(Build *b, const Node *test, size_t number);
/// What the test says for a field, or NULL.
const Setting *test_given_field(Context *c, const Field *field);
/// The seed of what is made when `moment` stages have run.
Value *test_seed(Context *c, int moment);
/// Reports that the test needs data.
Staged *test_no_data(Context *c);
/// What stage `number` left: run now if it did not run yet. NULL after a report.
const State *test_results(Context *c, Stage *stage, Span span);
/// A name of a stage, from outside of it: a variable, state or report.
Staged *test_member(Context *c, Stage *stage, const Binding *binding, Span span);
/// What names of a test mean (level variables, reports, hypergradient, ...).
Staged *test_name(Context *c, const Binding *binding, Span span);
/// Evaluates something at the point of the stage where the test stands.
Staged *test_evaluate(Context *c, NestedFunction function, void *self, Span span);
/// The point that `dual` and `violation` speak of; false after a report. `*state` may be NULL.
bool standing_at(Context *c, const State **state, Staged **x, Staged **y, Span span);
/// Notes which variable each `hypergradient(t)` below `node` asks for.
void test_find_asked(Context *c, const Node *node);
/// Whether |a - b| is small enough: fills ok (bool scalar) and error (f64 scalar). False after a
/// report.
bool test_compare(Context *c, Staged *a, Staged *b, Value *tolerance, bool absolute, Span span,
                  Value **ok, Value **error);
/// A value as one tensor for display.
Value *test_display(Context *c, Staged *value);
/// True where every entry of a truth value is; NULL after a report.
Value *test_truth(Context *c, Staged *value, Span span);

// ---------------------------------------------------------------- samples.c

/// Checks methods, optimisers and sets of a file at their definitions.
void samples_check(Build *b, const Node *file);
Staged *sample_objective(Context *c, Staged *x, Staged *y, Span span);

// ---------------------------------------------------------------- checks.c

/// What is tried: a stage (NULL: all) with a solve block, settings and start values laid over it.
typedef struct CheckTarget {
  const char *stage, *solve;
  Span span;                         // where the solve block was asked for
  const Settings *settings, *starts; // may be NULL
} CheckTarget;

/// Evaluates F, f, start and a step in a module of their own and hands them to the level checks.
bool check_stage(Build *b, const CheckTarget *target);
/// Finds out whether the lower start depends on x.
void stage_find_cold(Context *c, Stage *stage);

#endif
