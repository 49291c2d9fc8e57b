// The levels of a program: variables and start values, evaluating at a point, problems below
// others, samples, sets, constraints and terms.
//
// A part of program.h, which has the types and is what files include.
#ifndef BLO_BUILD_LEVELS_H
#define BLO_BUILD_LEVELS_H

#include "build/program.h"

// ---------------------------------------------------------------- stage.c

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
/// The same where the problem's solve in this step starts.
Staged *nested_begin(Context *c, Point *point, Stage *nested, NestedFunction function, void *self,
                     Span span);
/// The value of a report clause; of a level in a family: one per row.
Staged *nested_report(Context *c, Point *point, const Node *clause);
/// `ensure` clauses of all nested levels.
void nested_ensures(Context *c, Point *point);
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
/// The same of a value that has one row for each of this family alone.
Staged *family_own_row(Context *c, const Stage *nested, Staged *value);

// ---------------------------------------------------------------- point.c

Point *point_open(Context *c, Stage *stage, Staged *x, Staged *y);
void point_close(Context *c, Point *point);
Staged *point_value(Context *c, Point *point, const Binding *binding, Span span);
/// The objective at a point, as it is minimised.
Staged *objective_value(Context *c, Stage *stage, const Level *level, Staged *x, Staged *y,
                        Span span);
Staged *objective_at(Context *c, const Level *level, Point *point);
/// The mean of a level's objective over the parts of its tables; a family's tasks are the first
/// ones.
Staged *objective_over_parts(Context *c, Stage *stage, const Level *level, Staged *x, Staged *y,
                             Span span);
/// `F` or `f` as a function value.
Staged *objective_function(Context *c, bool upper);
/// The level whose objective a function of `objective_function` is, from its `self`.
const Level *objective_level(const void *self, Context **c);
/// u -> f(x, u) for a fixed x.
Staged *lower_function(Context *c, Staged *x);
Staged *bundle_argument(Context *c, Staged *value, const Level *level, Span span, const char *who);
/// The first two arguments of a call in a method as upper and lower variables; false after a
/// report.
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
/// Into how many parts a judge cuts the table of a batch, however it is sampled; false after a
/// report.
bool batch_part_count(Context *c, const Node *node, Value **count, const Dim **bound);

// ---------------------------------------------------------------- partition.c

/// `f.batch` and `f.batches`; NULL for another name.
Staged *objective_member(Evaluator *e, const Function *function, Name name, Span span);

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

#endif
