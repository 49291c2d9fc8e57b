// What a solve block chooses and does: settings, methods, optimisers and their groups, descents,
// the state of a stage and one step.
//
// A part of program.h, which has the types and is what files include.
#ifndef BLO_BUILD_SOLVING_H
#define BLO_BUILD_SOLVING_H

#include "build/program.h"

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

// ---------------------------------------------------------------- solver.c

/// The solve block that the stage runs when the user asks for `wanted`, the name of one, also with
/// its stage in front (`fit.quick`): stages without such a block run the one without a name (NULL).
const char *stage_solve_name(const Context *c, const Stage *stage, const char *wanted);
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

// ---------------------------------------------------------------- instances.c

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
typedef struct MethodReport {
  const Node *node; // NODE_REPORT
  Staged *value;
} MethodReport;

typedef struct MethodReports {
  VEC(MethodReport) list;
} MethodReports;

/// What the method of a problem below others reports of the solve from (x, y), and the conditions
/// that the solve itself leaves out; evaluated here.
void method_reports_below(Context *c, Staged *x, Staged *y, MethodReports *reports);
/// Some of it reads F.
bool method_judges_upper(Context *c, Stage *stage);
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
/// The level's variables with those that an `update w = e;` moves: its value at (x, y), in the
/// order of the clauses.
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

#endif
