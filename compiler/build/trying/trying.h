// Tests as functions of the IR, definitions on a sample problem, solve blocks tried in a module of
// their own.
//
// A part of program.h, which has the types and is what files include.
#ifndef BLO_BUILD_TRYING_H
#define BLO_BUILD_TRYING_H

#include "build/program.h"

// ---------------------------------------------------------------- tests.c, test_values.c

/// What a test runs on, and where it stands.
struct TestRun {
  const Node *node;  // ITEM_TEST
  const char *sizes; // "n = 4, d = 2" of its synthetic data; NULL
  Stage *stage;      // under test; NULL: the program has no levels
  bool unclear;      // several stages of two levels, and the test does not say which
  Settings given;    // `data.train.x = ...`, by the field's name
  State *results;    // per stage: what it left; t is NULL where it did not run yet
  bool *running;     // per stage: while its code is evaluated
  Value **finite;    // per stage: was its run finite; NULL where it did not run
  State now;         // the start, or what run() left
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
