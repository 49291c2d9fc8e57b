// What the names of a test mean, and how its values are compared.
//
// Enters: a test standing at a state of its stage (the start, or the result of run()). Leaves: IR
// for hypergradient(), central_difference(h), upper_objective(), lower_objective(), run(), the
// variables (lower ones solved at that point), and every report. All in the user's sign.
#include "build/program.h"
#include "evaluate/staging.h"

#include <string.h>

// ---- the point a test stands at

static Staged *signed_value(Context *c, Staged *value, bool maximize, Span span) {
  return maximize && !staged_is_poison(value) ? operate_negate(c->e, value, span) : value;
}

// Draws of step t of the test, as the step itself would make them.
static void stand(Context *c) {
  TestRun *test = c->test;
  c->stage = test->stage;
  c->t = test->now.t;
  c->iteration = NULL;
  c->states = test->now.level;
  c->solved = NULL;
  c->warm = NULL; // from the declared start values
  dynamic_step(c->e, step_key(c, test->stage, test->now.t));
}

static Staged *lower_start(Context *c, Staged *x, Span span) {
  const TestRun *test = c->test;
  return test->stage->cold ? start_bundle(c, test->stage, &test->stage->lower, x, span)
                           : test->now.y;
}

static Staged *solve_lower(Context *c, Staged *x, Span span) {
  State from = c->test->now;
  from.x = x;
  from.y = lower_start(c, x, span);
  return lower_solved(c, &from, span);
}

// False after a report: nothing here solves the lower problem.
static bool can_solve(Context *c, Span span) {
  const Stage *stage = c->test->stage;
  Diagnostic *d;
  if (stage->lower.constraints.count && method_moves_x(stage->method->node)) {
    d = report(build_diagnostics(c->build), E0207, span,
               "the lower problem cannot be solved here: `%s` moves x and y together",
               instance_name(stage->method));
    diagnostic_help(d, "look at the variables after `let ran = run();`, or test with a method that "
                       "solves, like kkt");
    return false;
  }
  if (stage->lower_optimizer || stage->lower.constraints.count) return true;
  d = report(build_diagnostics(c->build), E0207, span,
             "the lower problem cannot be solved here: there is no lower optimizer");
  diagnostic_help(d,
                  "write `lower = gd(step = 0.1, iters = 1000);` in the test or the solve block");
  return false;
}

// Made once, at the top of the test.
static Staged *lower_now(Context *c, Span span) {
  TestRun *test = c->test;
  if (test->ran) return test->now.y;
  if (test->solved) return test->solved;
  if (!can_solve(c, span)) return staged_poison;
  Builder builder = c->e->builder;
  Dynamic dynamic = c->e->dynamic;
  c->e->builder.block = c->entry->func->body;
  stand(c);
  test->solved = solve_lower(c, test->now.x, span);
  c->e->builder = builder;
  c->e->dynamic = dynamic;
  return test->solved;
}

// One step of the method from here. Before run() the lower variables are solved first, as all that
// a test sees: the estimate belongs to the lower solution (a method that starts cold sees the start
// values all the same).
static StepResult *step_now(Context *c, Span span) {
  TestRun *test = c->test;
  if (test->step) return test->step;
  State from = test->now;
  bool solves = test->stage->lower_optimizer && !test->stage->lower.constraints.count;
  if (!test->ran && solves && !test->stage->cold) from.y = lower_now(c, span);
  Builder builder = c->e->builder;
  Dynamic dynamic = c->e->dynamic;
  c->e->builder.block = c->entry->func->body;
  test->step = ARENA_NEW(c->build->arena, StepResult);
  if (!from.y || !staged_is_poison(from.y)) step_run(c, &from, test->step);
  c->e->builder = builder;
  c->e->dynamic = dynamic;
  return test->step;
}

// ---- functions

static bool no_arguments(const Call *call, const char *name) {
  if (!call->positional_count && !call->named_count) return true;
  mistake(call->evaluator, E0304, call->span, "`%s` takes no argument", name);
  return false;
}

static Staged *call_objective(const Call *call, bool upper) {
  Context *c = call->evaluator->resolve_self;
  if (!no_arguments(call, upper ? "upper_objective" : "lower_objective")) return staged_poison;
  TestRun *test = c->test;
  const Level *level = upper ? &test->stage->upper : &test->stage->lower;
  if (!level->objective) {
    mistake(c->e, E0207, call->span, "there is not one lower objective here");
    return staged_poison;
  }
  Staged *y = test->stage->single ? NULL : lower_now(c, call->span);
  if (y && staged_is_poison(y)) return y;
  Dynamic dynamic = c->e->dynamic;
  stand(c);
  Staged *value = objective_value(c, test->stage, level, test->now.x, y, call->span);
  value = prox_value(c, test->stage, level, test->now.x, y, value);
  c->e->dynamic = dynamic;
  return signed_value(c, value, level->maximize, call->span);
}

static Staged *call_upper_objective(const Call *call, void *self) {
  (void)self;
  return call_objective(call, true);
}

static Staged *call_lower_objective(const Call *call, void *self) {
  (void)self;
  return call_objective(call, false);
}

// The part of a bundle that `hypergradient(t)` or `central_difference(t, h = 1e-5)` asks for.
static Staged *asked_part(Context *c, const Call *call, const char *name, Staged *bundle) {
  const Binding *binding = map_get(c->test->asked, (void *)(uintptr_t)(call->span.start + 1));
  const Level *upper = &c->test->stage->upper;
  for (size_t i = 0; binding && i < upper->variables.count; i++)
    if (upper->variables.data[i].node->as.var.binding == binding)
      return level_part(upper, bundle, i);
  Diagnostic *d =
      mistake(c->e, E0304, call->span, "`%s` takes the name of an upper variable, or none", name);
  diagnostic_help(d, "write `%s(%s%s)`", name, upper->variables.data[0].name,
                  strcmp(name, "hypergradient") == 0 ? "" : ", h = 1e-5");
  return staged_poison;
}

static Staged *call_hypergradient(const Call *call, void *self) {
  (void)self;
  Context *c = call->evaluator->resolve_self;
  StepResult *step = step_now(c, call->span);
  if (!step->hypergradient) {
    if (step->method.moves_x)
      mistake(c->e, E0207, call->span, "`%s` moves x itself: it gives no hypergradient",
              instance_name(c->test->stage->method));
    return staged_poison;
  }
  Staged *value = signed_value(c, step->hypergradient, c->test->stage->upper.maximize, call->span);
  if (call->named_count) return no_arguments(call, "hypergradient") ? value : staged_poison;
  return call->positional_count ? asked_part(c, call, "hypergradient", value) : value;
}

// ---- central differences

typedef struct Difference {
  Context *context;
  Value *flat; // x as one vector
  Value *h;
  Span span;
} Difference;

static Staged *value_at(Context *c, Value *flat, Span span) {
  TestRun *test = c->test;
  Staged *x = bundle_unflatten(c, flat, test->now.x);
  Staged *y = test->stage->single ? NULL : solve_lower(c, x, span);
  if (y && staged_is_poison(y)) return y;
  return merit_value(c, test->stage, x, y, span);
}

// (F(x + h e_i) - F(x - h e_i)) / 2h, the lower problem solved at both points.
static Staged *difference_body(Evaluator *e, Value *counter, Staged *carries, void *self) {
  (void)carries;
  const Difference *difference = self;
  Context *c = difference->context;
  Builder *b = &e->builder;
  const Type *type = difference->flat->type;
  const Type *places = type_with_dtype(c->module, type, DT_I64);
  Value *here =
      ir_compare(b, COMPARE_EQ, ir_iota(b, places, 0), ir_broadcast_suffix(b, counter, places));
  Value *shift = ir_select(b, here, ir_broadcast_suffix(b, difference->h, type), ir_zero(b, type));
  Staged *ahead = value_at(c, ir_binary(b, OP_ADD, difference->flat, shift), difference->span);
  Staged *behind = value_at(c, ir_binary(b, OP_SUB, difference->flat, shift), difference->span);
  if (staged_is_poison(ahead) || staged_is_poison(behind)) return staged_poison;
  Value *rise = ir_binary(b, OP_SUB, ahead->tensor, behind->tensor);
  Value *run = ir_binary(b, OP_ADD, difference->h, difference->h);
  if (run->type->dtype != rise->type->dtype) run = ir_convert(b, run, rise->type->dtype);
  return staged_tensor(e, ir_binary(b, OP_DIV, rise, run));
}

// `central_difference(h = 1e-5)`, or of one variable: `central_difference(t, h = 1e-5)`.
static Staged *difference_step(Context *c, const Call *call, bool *part) {
  const NamedArgument *named = call_named(call, "h");
  Staged *h = named ? named->value : call->positional_count == 1 ? call->positional[0] : NULL;
  *part = named && call->positional_count == 1;
  if (!h || call->named_count + call->positional_count != (*part ? 2 : 1)) {
    Diagnostic *d = mistake(c->e, E0304, call->span, "`central_difference` takes its step h");
    diagnostic_help(d, "write `central_difference(h = 1e-5)`");
    return NULL;
  }
  int64_t number;
  bool zero = (h->kind == STAGED_REAL && !(h->real > 0.0)) ||
              (h->kind == STAGED_INTEGER && dim_is_const(h->integer, &number) && number <= 0);
  if (zero) {
    Diagnostic *d = mistake(c->e, E0303, call->span, "the step h of a difference is positive");
    diagnostic_help(d, "write `central_difference(h = 1e-5)`");
    return NULL;
  }
  return h;
}

static Staged *call_central_difference(const Call *call, void *self) {
  (void)self;
  Context *c = call->evaluator->resolve_self;
  TestRun *test = c->test;
  bool part = false;
  Staged *h = difference_step(c, call, &part);
  if (!h) return staged_poison;
  if (!test->stage->single && !can_solve(c, call->span)) return staged_poison;
  Builder builder = c->e->builder;
  Dynamic dynamic = c->e->dynamic;
  stand(c);
  Value *flat = bundle_flatten(c, test->now.x);
  Value *step = scalar_value(c->e, h, flat->type->dtype, call->span, "the step h");
  if (!step) return staged_poison;
  Difference difference = {c, flat, step, call->span};
  Staged *result = build_map(c->e, flat->type->shape[0], difference_body, &difference, call->span);
  c->e->builder = builder;
  c->e->dynamic = dynamic;
  if (staged_is_poison(result)) return result;
  Staged *bundle = bundle_unflatten(c, result->tensor, test->now.x);
  bundle = signed_value(c, bundle, test->stage->upper.maximize, call->span);
  return part ? asked_part(c, call, "central_difference", bundle) : bundle;
}

// ---- running stages

// 0 or 1: is every entry of every leaf finite?
static Value *all_finite(Context *c, Staged *bundle) {
  Builder *b = &c->e->builder;
  ValueList leaves = {0};
  staged_leaves(c->e, bundle, &leaves);
  Value *wrong = scalar_int(c, 0);
  for (size_t i = 0; i < leaves.count; i++) {
    if (!dtype_is_float(leaves.data[i]->type->dtype)) continue;
    Value *bad = ir_unary(b, OP_NOT, ir_unary(b, OP_ISFINITE, leaves.data[i]));
    wrong = ir_binary(b, OP_ADD, wrong, ir_sum_all(b, ir_convert(b, bad, DT_I64)));
  }
  return ir_compare(b, COMPARE_EQ, wrong, scalar_int(c, 0));
}

enum { RUN_STATE, RUN_STOPPED, RUN_FINITE, RUN_PARTS };

typedef struct Running {
  Context *context;
  const State *like;
  Span span;
} Running;

// A note that only counts: what a failed test says of the run.
static void tell(Context *c, Value *condition, const char *text, Span span) {
  Builder *b = &c->e->builder;
  Span before = b->span;
  b->span = span;
  ir_note(b, condition, ERROR_NONE, text);
  b->span = before;
}

// Names the variables of a level whose part of `bundle` is not finite, where `lost` is true.
static void tell_lost(Context *c, Value *lost, const Level *level, const char *of, Staged *bundle,
                      Span span) {
  Builder *b = &c->e->builder;
  for (size_t i = 0; bundle && i < level->variables.count; i++) {
    Value *bad = ir_unary(b, OP_NOT, all_finite(c, level_part(level, bundle, i)));
    const char *text = arena_printf(c->build->arena, RUN_LOST "%s: %s`%s`", c->stage->name, of,
                                    level->variables.data[i].name);
    tell(c, ir_binary(b, OP_AND, lost, bad), text, span);
  }
}

static Staged *run_body(Evaluator *e, Value *counter, Staged *carries, void *self) {
  (void)counter;
  const Running *running = self;
  Context *c = running->context;
  Builder *b = &e->builder;
  State state;
  state_unpack(c, running->like, carries->tree.children[RUN_STATE], &state);
  Value *before = carries->tree.children[RUN_FINITE]->tensor, *finite = before;
  tell(c, before, arena_printf(c->build->arena, RUN_STEPS "%s", c->stage->name), running->span);
  StepResult step;
  if (!step_run(c, &state, &step)) return staged_poison;
  step_ensures(c, &step);
  Value *stop = step_stop(c, &step.next);
  if (!stop) stop = ir_integer(b, scalar_type(c, DT_BOOL), 0);
  if (step.hypergradient) {
    finite = ir_binary(b, OP_AND, before, all_finite(c, step.hypergradient));
    Value *lost = ir_binary(b, OP_AND, before, ir_unary(b, OP_NOT, finite));
    tell_lost(c, lost, &c->stage->lower, "", step.next.y, running->span);
    tell_lost(c, lost, &c->stage->upper, "the hypergradient of ", step.hypergradient,
              running->span);
  }
  Staged *parts[RUN_PARTS] = {state_pack(c, &step.next), staged_tensor(e, stop),
                              staged_tensor(e, finite)};
  return staged_tuple(e, parts, RUN_PARTS);
}

static Staged *run_condition(Evaluator *e, Value *counter, Staged *carries, void *self) {
  (void)counter;
  (void)self;
  return staged_tensor(e,
                       ir_unary(&e->builder, OP_NOT, carries->tree.children[RUN_STOPPED]->tensor));
}

// The solve block of the present stage, from a state to its end. Gives whether the hypergradient
// of every step and the variables at the end are finite: a run that diverges is never taken for a
// result. NULL after errors.
static Value *run_from(Context *c, const State *from, State *end, Span span) {
  Builder *b = &c->e->builder;
  Stage *stage = c->stage;
  const Type *truth = scalar_type(c, DT_BOOL);
  Staged *parts[RUN_PARTS] = {state_pack(c, from), staged_tensor(c->e, ir_integer(b, truth, 0)),
                              staged_tensor(c->e, ir_integer(b, truth, 1))};
  const Dim *trips = stage->iterations;
  bool stops = settings_find(&stage->settings, "stop") != NULL;
  Running running = {c, from, span};
  Builder builder = c->e->builder;
  Dynamic dynamic = c->e->dynamic;
  Staged *result = build_loop(c->e, staged_tuple(c->e, parts, RUN_PARTS), ir_dim(b, trips), trips,
                              stops ? run_condition : NULL, run_body, &running, span);
  c->e->builder = builder;
  c->e->dynamic = dynamic;
  if (staged_is_poison(result)) return NULL;
  State like = *from;
  state_unpack(c, &like, result->tree.children[RUN_STATE], end);
  Value *finite = result->tree.children[RUN_FINITE]->tensor;
  tell_lost(c, finite, &stage->upper, "", end->x, span);
  tell_lost(c, finite, &stage->lower, "", end->y, span);
  finite = ir_binary(b, OP_AND, finite, all_finite(c, end->x));
  return end->y ? ir_binary(b, OP_AND, finite, all_finite(c, end->y)) : finite;
}

static Standing enter_stage(Context *c, Stage *stage) {
  Standing before = standing_save(c);
  c->e->builder.block = c->entry->func->body;
  c->e->dynamic = (Dynamic){.depth = before.dynamic.depth, .calls = before.dynamic.calls};
  c->stage = stage;
  c->states = NULL;
  c->solved = c->warm = NULL;
  c->seed = scalar_int(c, stage->seed);
  c->t = c->iteration = NULL;
  c->point = NULL;
  return before;
}

Value *test_seed(Context *c, int moment) {
  if (!c->test->stage) return c->seed;
  return scalar_int(c, c->stages.data[moment ? moment - 1 : 0]->seed);
}

static bool run_other(Context *c, Stage *stage, int number, Span span) {
  TestRun *test = c->test;
  State start, *end = &test->results[number];
  Standing before = enter_stage(c, stage);
  test->running[number] = true;
  state_init(c, &start);
  Value *finite = state_is_poison(c, &start) ? NULL : run_from(c, &start, end, span);
  test->running[number] = false;
  standing_restore(c, &before);
  if (!finite) *end = (State){0};
  test->finite[number] = finite;
  return finite != NULL;
}

// What stage `number` left: run now if it did not run yet. NULL after a report.
static const State *test_results(Context *c, Stage *stage, Span span) {
  TestRun *test = c->test;
  int number = stage_number(c, stage), own = test->stage ? stage_number(c, test->stage) : 0;
  if (!test->stage) {
    no_value(c, span, "the results of stage `%s` are not known here", stage->name);
    return NULL;
  }
  if (stage == test->stage && test->ran) return &test->now;
  if (test->results[number].t) return &test->results[number];
  bool early = number < own;
  if (test->running[number] || (!early && !test->ran)) {
    Diagnostic *d = report(build_diagnostics(c->build), E0207, span,
                           "the results of stage `%s` are not known here", stage->name);
    if (!test->running[number])
      diagnostic_help(d,
                      "this test stands at the start of stage `%s`: write `let ran = run();` "
                      "first, or `stage = ...;` for another one",
                      test->stage->name);
    return NULL;
  }
  return run_other(c, stage, number, span) ? &test->results[number] : NULL;
}

// The stage under test from where the test stands, then those behind it. True when everything that
// ran is finite.
static Staged *call_run(const Call *call, void *self) {
  (void)self;
  Context *c = call->evaluator->resolve_self;
  TestRun *test = c->test;
  if (!no_arguments(call, "run")) return staged_poison;
  int own = stage_number(c, test->stage);
  State end;
  Standing before = enter_stage(c, test->stage);
  Value *finite = run_from(c, &test->now, &end, call->span);
  standing_restore(c, &before);
  if (!finite) return staged_poison;
  test->now = end;
  test->ran = true;
  test->solved = NULL;
  test->step = NULL;
  for (int i = 0; i < (int)c->stages.count; i++) {
    if (i > own) test->results[i] = (State){0};
    if (i > own && !run_other(c, c->stages.data[i], i, call->span)) return staged_poison;
    if (i != own && test->finite[i])
      finite = ir_binary(&c->e->builder, OP_AND, finite, test->finite[i]);
  }
  return staged_tensor(c->e, finite);
}

// ---- names

static Staged *level_now(Context *c, const Binding *binding, Span span);

static Staged *variable_now(Context *c, const Binding *binding, Span span) {
  TestRun *test = c->test;
  const Level *upper = &test->stage->upper, *lower = &test->stage->lower;
  for (size_t i = 0; i < upper->variables.count; i++)
    if (upper->variables.data[i].node->as.var.binding == binding)
      return level_part(upper, test->now.x, i);
  for (size_t i = 0; i < lower->variables.count; i++)
    if (lower->variables.data[i].node->as.var.binding == binding)
      return level_part(lower, lower_now(c, span), i);
  Staged *nested = level_now(c, binding, span);
  return nested ? nested : no_value(c, span, "`%s` has no value here", binding->name);
}

static Staged *method_report_now(Context *c, const Binding *binding, Span span) {
  StepResult *step = step_now(c, span);
  for (size_t i = 0; i < step->method.reports.count; i++)
    if (step->method.reports.data[i].node == binding->node)
      return method_report(c, &step->method.reports.data[i]);
  return no_value(c, span, "the method of this solve block does not report `%s`", binding->name);
}

Staged *test_evaluate(Context *c, NestedFunction function, void *self, Span span) {
  const TestRun *test = c->test;
  Dynamic dynamic = c->e->dynamic;
  stand(c);
  Staged *y = test->stage->single                         ? NULL
              : test->ran || test->stage->lower_optimizer ? lower_now(c, span)
                                                          : NULL;
  c->solved = test->ran ? test->now.nested : NULL;
  Point *point = point_open(c, test->stage, test->now.x, y);
  c->solved = NULL;
  if (test->ran) point->state = &test->now;
  Staged *value = function(c, point, self);
  point_close(c, point);
  c->e->dynamic = dynamic;
  return value;
}

typedef struct Wanted {
  const Binding *binding; // of the levels, or else
  const Node *expression; // of a report of the file
  Span span;
} Wanted;

static Staged *wanted_value(Context *c, Point *point, void *self) {
  const Wanted *wanted = self;
  return wanted->binding ? point_value(c, point, wanted->binding, wanted->span)
                         : evaluate(c->e, wanted->expression, NULL, NULL);
}

// Lets, batches, states and reports of the levels, at the present point.
static Staged *level_now(Context *c, const Binding *binding, Span span) {
  TestRun *test = c->test;
  bool known = map_has(test->stage->names, binding);
  if (!known && binding->kind == BIND_REPORT && binding->owner &&
      binding->owner->kind == ITEM_METHOD)
    return method_report_now(c, binding, span);
  bool file_report = binding->kind == BIND_REPORT && binding->node;
  if (!known && !file_report) return NULL;
  Wanted wanted = {known ? binding : NULL, known ? NULL : binding->node->as.report.value, span};
  return test_evaluate(c, wanted_value, &wanted, span);
}

// What another stage left, at the end of its run.
static Staged *left_value(Context *c, Stage *stage, const Binding *binding, Span span) {
  const State *state = test_results(c, stage, span);
  if (!state) return staged_poison;
  Standing before = enter_stage(c, stage);
  c->t = state->t;
  c->states = state->level;
  c->solved = state->nested;
  dynamic_step(c->e, step_key(c, stage, state->t));
  Point *point = point_open(c, stage, state->x, state->y);
  point->state = state;
  Staged *value = point_value(c, point, binding, span);
  point_close(c, point);
  standing_restore(c, &before);
  return value;
}

Staged *test_member(Context *c, Stage *stage, const Binding *binding, Span span) {
  bool here = stage == c->test->stage && !c->test->running[stage_number(c, stage)];
  if (!here) return left_value(c, stage, binding, span);
  Standing before = enter_stage(c, stage);
  Staged *value =
      binding->kind == BIND_VAR ? variable_now(c, binding, span) : level_now(c, binding, span);
  standing_restore(c, &before);
  return value;
}

// Where `dual` and `violation` look: the open point, else where the test stands.
bool standing_at(Context *c, const State **state, Staged **x, Staged **y, Span span) {
  TestRun *test = c->test;
  if (c->point) {
    *state = c->point->state;
    *x = c->point->x;
    *y = c->point->y;
    return *x && (*y || c->stage->single);
  }
  if (!test || !test->stage) {
    no_value(c, span, "a constraint has a value at a point of its levels alone");
    return false;
  }
  *x = test->now.x;
  *y = test->stage->single ? NULL : lower_now(c, span);
  *state = &test->now;
  if (!test->ran) {
    const StepResult *step = step_now(c, span);
    if (!step->next.x) return false;
    *state = &step->next;
  }
  return !*y || !staged_is_poison(*y);
}

static NativeFunction implicit_function(int implicit, const char **name) {
  switch (implicit) {
  case IMPLICIT_HYPERGRADIENT:
    *name = "hypergradient";
    return call_hypergradient;
  case IMPLICIT_CENTRAL_DIFFERENCE:
    *name = "central_difference";
    return call_central_difference;
  case IMPLICIT_UPPER_VALUE:
    *name = "upper_objective";
    return call_upper_objective;
  case IMPLICIT_LOWER_VALUE:
    *name = "lower_objective";
    return call_lower_objective;
  case IMPLICIT_RUN:
    *name = "run";
    return call_run;
  default:
    return NULL;
  }
}

Staged *test_name(Context *c, const Binding *binding, Span span) {
  const TestRun *test = c->test;
  const char *name = NULL;
  NativeFunction function =
      binding->kind == BIND_IMPLICIT ? implicit_function(binding->builtin, &name) : NULL;
  if (binding->kind == BIND_IMPLICIT && !function) return NULL;
  if (!test->stage) {
    if (binding->kind == BIND_LOCAL) return NULL;
    return no_value(c, span, "`%s` needs a program with levels", binding->name);
  }
  if (function && test->unclear && binding->builtin != IMPLICIT_RUN) {
    Diagnostic *d =
        report(build_diagnostics(c->build), E0204, span,
               "`%s()` belongs to one stage, and the test does not say which", binding->name);
    diagnostic_help(d, "write `stage = %s;`", test->stage->name);
    return staged_poison;
  }
  if (function) return staged_native(c->e, name, function, NULL);
  for (size_t i = 0; i < c->stages.count; i++)
    if (c->stages.data[i] != test->stage && map_has(c->stages.data[i]->names, binding))
      return test_member(c, c->stages.data[i], binding, span);
  return binding->kind == BIND_VAR ? variable_now(c, binding, span) : level_now(c, binding, span);
}

typedef struct Asked {
  Context *context;
} Asked;

// `detect.s` of the stage under test.
static const Binding *asked_member(Context *c, const Node *value) {
  const Node *base = value->kind == EXPR_MEMBER ? value->as.member.base : NULL;
  const Binding *stage = base && base->kind == EXPR_NAME ? base->as.name.binding : NULL;
  const Level *upper = &c->test->stage->upper;
  if (!stage || stage->kind != BIND_STAGE || stage->node != c->test->stage->node) return NULL;
  for (size_t i = 0; i < upper->variables.count; i++)
    if (upper->variables.data[i].name == value->as.member.member.name)
      return upper->variables.data[i].node->as.var.binding;
  return NULL;
}

static void find_asked(void *self, Node *node) {
  const Asked *asked = self;
  const Node *callee = node->kind == EXPR_CALL ? node->as.call.callee : NULL;
  const Binding *binding = callee && callee->kind == EXPR_NAME ? callee->as.name.binding : NULL;
  bool asks = binding && binding->kind == BIND_IMPLICIT &&
              (binding->builtin == IMPLICIT_HYPERGRADIENT ||
               binding->builtin == IMPLICIT_CENTRAL_DIFFERENCE);
  if (asks && node->as.call.arguments.count) {
    const Node *value = node->as.call.arguments.data[0]->as.argument.value;
    const Binding *variable =
        value->kind == EXPR_NAME ? value->as.name.binding : asked_member(asked->context, value);
    if (variable)
      map_put(asked->context->test->asked, (void *)(uintptr_t)(node->span.start + 1),
              (void *)(uintptr_t)variable);
  }
  node_children(node, find_asked, self);
}

void test_find_asked(Context *c, const Node *node) {
  Asked asked = {c};
  node_children(node, find_asked, &asked);
}
