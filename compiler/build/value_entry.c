// The entry `stage.value`: what somebody who compares methods wants to know of a point.
//
// Enters: a stage with its solver. Leaves: an entry function of (x, y) that belongs to no run: F at
// the given point, F at the lower solution that the stage's own lower optimiser finds from the
// declared start, and the projected hypergradient there. Batches are whole tables, or where the
// program does not allow that, objectives are means over the parts of tables. The states of the
// method, an adjoint among them, may settle at that point: the judge says for how many steps.
#include "build/program.h"
#include "evaluate/staging.h"

#include <math.h>
#include <string.h>

// Indices of the outputs, as the runtime's judge knows them.
enum {
  VALUE_OBJECTIVE,
  VALUE_AT_SOLUTION,
  VALUE_STATIONARITY,
  VALUE_RESIDUAL,
  VALUE_OWN_RESIDUAL,
  VALUE_INFEASIBILITY,
  VALUE_CHANGE,
  VALUE_HYPERGRADIENT // and on: one for each leaf of x
};

static Staged *argument_bundle(Context *c, const Level *level, const char *prefix, int *index) {
  ValueList likes = {0}, values = {0};
  staged_leaves(c->e, level->like, &likes);
  for (size_t i = 0; i < likes.count; i++) {
    const char *name = arena_printf(c->build->arena, "%s.%zu", prefix, i);
    Value *value = entry_input(c, name, likes.data[i]->type, BLO_ROLE_ARGUMENT, (*index)++);
    VEC_PUSH(c->build->arena, &values, value);
  }
  Value *const *leaves = values.data;
  return staged_rebuild(c->e, level->like, &leaves);
}

static void output_number(Context *c, const char *name, Staged *value, bool negate, int index) {
  Builder *b = &c->e->builder;
  if (staged_is_poison(value)) return;
  Value *number = ir_convert(b, value->tensor, DT_F64);
  if (negate) number = ir_unary(b, OP_NEG, number);
  entry_output(c, name, number, BLO_ROLE_ARGUMENT, index);
}

static Staged *norm(Context *c, Staged *bundle, Span span) {
  Staged *square = operate_dot(c->e, bundle, bundle, span);
  if (staged_is_poison(square)) return square;
  return staged_tensor(c->e, ir_unary(&c->e->builder, OP_SQRT, square->tensor));
}

// y - prox(y - f_y): what a proximal step changes, 0 just at a lower solution on its sets.
static Staged *lower_residual(Context *c, const State *state, Span span) {
  Stage *stage = c->stage;
  Staged *slope = derive_grad(c->e, lower_function(c, state->x), state->y, span);
  if (staged_is_poison(slope)) return slope;
  Staged *moved = operate_binary(c->e, BIN_SUB, state->y, slope, span);
  moved = prox_level(c, stage, &stage->lower, state->x, moved, staged_real(c->e, 1.0));
  return norm(c, operate_binary(c->e, BIN_SUB, state->y, moved, span), span);
}

// ---- what the method says

enum { ANSWER_STATE, ANSWER_GIVEN, ANSWER_CHANGE, ANSWER_RESIDUAL, ANSWER_PARTS };

typedef struct Answer {
  Context *context;
  const State *state;
  Span span;
} Answer;

static Staged *zeros_like(Context *c, Staged *bundle) {
  ValueList leaves = {0};
  staged_leaves(c->e, bundle, &leaves);
  for (size_t i = 0; i < leaves.count; i++)
    leaves.data[i] = ir_zero(&c->e->builder, leaves.data[i]->type);
  Value *const *next = leaves.data;
  return staged_rebuild(c->e, bundle, &next);
}

static Staged *real_number(Context *c, double value) {
  return staged_tensor(c->e, ir_real(&c->e->builder, scalar_type(c, c->e->real), value));
}

// That of the Lagrangian, which the method alone knows.
static Staged *reported_residual(Context *c, const StepResult *step, Span span) {
  for (size_t i = 0; i < step->method.reports.count; i++) {
    const Deferred *report = &step->method.reports.data[i];
    if (strcmp(report->name, "lower_residual") != 0) continue;
    Staged *value = method_report(c, report);
    if (staged_is_poison(value)) return value;
    return staged_tensor(c->e, scalar_value(c->e, value, c->e->real, span, "the report"));
  }
  return real_number(c, NAN);
}

// One step at the same x and y: only the states of the method go on.
static Staged *answer_body(Evaluator *e, Value *counter, Staged *carries, void *self) {
  (void)counter;
  const Answer *answer = self;
  Context *c = answer->context;
  State state;
  state_unpack(c, answer->state, carries->tree.children[ANSWER_STATE], &state);
  StepResult step;
  if (!step_run(c, &state, &step) || !step.hypergradient) return staged_poison;
  State next = state;
  if (!c->stage->single) next.method = step.next.method;
  Staged *given = step.hypergradient;
  Staged *change =
      operate_binary(e, BIN_SUB, given, carries->tree.children[ANSWER_GIVEN], answer->span);
  Staged *parts[ANSWER_PARTS] = {state_pack(c, &next), given, norm(c, change, answer->span)};
  bool constrained = c->stage->lower.constraints.count > 0;
  parts[ANSWER_RESIDUAL] =
      constrained ? reported_residual(c, &step, answer->span) : real_number(c, NAN);
  for (int i = 0; i < ANSWER_PARTS; i++)
    if (staged_is_poison(parts[i])) return staged_poison;
  return staged_tuple(e, parts, ANSWER_PARTS);
}

// Until a step changes nothing but the last digits.
static Staged *answer_moves(Evaluator *e, Value *counter, Staged *carries, void *self) {
  (void)counter;
  const Answer *answer = self;
  Context *c = answer->context;
  Staged *size = norm(c, carries->tree.children[ANSWER_GIVEN], answer->span);
  Staged *digits = real_number(c, e->real == DT_F64 ? 1e-12 : 1e-6);
  Staged *little = operate_binary(e, BIN_MUL, digits, size, answer->span);
  return operate_binary(e, BIN_GT, carries->tree.children[ANSWER_CHANGE], little, answer->span);
}

// One step, and as many more as the judge wants where there are states to settle.
static Staged *method_answer(Context *c, const State *state, Span span) {
  Builder *b = &c->e->builder;
  Staged *parts[ANSWER_PARTS] = {state_pack(c, state), zeros_like(c, state->x),
                                 real_number(c, INFINITY), real_number(c, NAN)};
  Answer answer = {c, state, span};
  Value *trips = scalar_int(c, 1);
  if (state->method_count) {
    Value *more = entry_input(c, "settling", scalar_type(c, DT_I64), BLO_ROLE_ARGUMENT, -1);
    trips = ir_binary(b, OP_ADD, trips, more);
  }
  Staged *start = staged_tuple(c->e, parts, ANSWER_PARTS);
  if (!state->method_count) return answer_body(c->e, NULL, start, &answer);
  Builder builder = c->e->builder;
  Dynamic dynamic = c->e->dynamic;
  Staged *result = build_loop(c->e, start, trips, NULL, answer_moves, answer_body, &answer, span);
  c->e->builder = builder;
  c->e->dynamic = dynamic;
  c->t = state->t;
  return result;
}

// The hypergradient, and |x - project(x - hypergradient)|, which is 0 just where x is stationary on
// its sets.
static void output_hypergradient(Context *c, const State *state, Span span) {
  const Level *upper = &c->stage->upper;
  Staged *answer = method_answer(c, state, span);
  if (staged_is_poison(answer)) return;
  Staged *given = answer->tree.children[ANSWER_GIVEN];
  Staged *moved = operate_binary(c->e, BIN_SUB, state->x, given, span);
  moved = project_level(c, c->stage, upper, NULL, moved);
  Staged *gap = operate_binary(c->e, BIN_SUB, state->x, moved, span);
  output_number(c, "stationarity", norm(c, gap, span), false, VALUE_STATIONARITY);
  if (state->method_count)
    output_number(c, "change", answer->tree.children[ANSWER_CHANGE], false, VALUE_CHANGE);
  if (c->stage->lower.constraints.count)
    output_number(c, "residual", answer->tree.children[ANSWER_RESIDUAL], false, VALUE_RESIDUAL);
  if (upper->maximize) given = operate_negate(c->e, given, span);
  ValueList leaves = {0};
  staged_leaves(c->e, given, &leaves);
  for (size_t i = 0; i < leaves.count; i++)
    entry_output(c, arena_printf(c->build->arena, "hypergradient.%zu", i), leaves.data[i],
                 BLO_ROLE_ARGUMENT, VALUE_HYPERGRADIENT + (int)i);
}

// What is known at the lower solution.
static void output_solution(Context *c, const State *state, Span span) {
  Stage *stage = c->stage;
  const Level *upper = &stage->upper;
  Staged *value = objective_value(c, stage, upper, state->x, state->y, span);
  output_number(c, "value", value, upper->maximize, VALUE_AT_SOLUTION);
  if (!stage->lower.constraints.count)
    output_number(c, "residual", lower_residual(c, state, span), false, VALUE_RESIDUAL);
  if (!method_moves_x(stage->method->node)) output_hypergradient(c, state, span);
}

// How far the given y is from solving the lower problem, and from what is allowed.
static void output_own(Context *c, const State *state, Span span) {
  Stage *stage = c->stage;
  Point *point = point_open(c, stage, state->x, state->y);
  Value *infeasibility = stage_is_constrained(stage) ? stage_violation(c, point) : NULL;
  point_close(c, point);
  if (infeasibility)
    output_number(c, "infeasibility", staged_tensor(c->e, infeasibility), false,
                  VALUE_INFEASIBILITY);
  if (!stage->single && !stage->lower.constraints.count)
    output_number(c, "own_residual", lower_residual(c, state, span), false, VALUE_OWN_RESIDUAL);
}

static bool has_two_levels(const Stage *stage) {
  return !stage->single || stage->composed;
}

bool stage_is_judged(const Context *c, const Stage *stage) {
  if (c->build->options->judging == JUDGE_NOT) return false;
  const Stage *chosen = NULL;
  const char *wanted = c->build->options->solve;
  for (size_t i = 0; i < c->stages.count; i++) {
    const Stage *other = c->stages.data[i];
    size_t length = strlen(other->name);
    if (wanted && !strncmp(wanted, other->name, length) && wanted[length] == '.')
      return other == stage;
    if (!chosen || has_two_levels(other) || !has_two_levels(chosen)) chosen = other;
  }
  return chosen == stage;
}

// Whether the solve block says how the lower problem is solved from its start.
static bool solves_lower(const Stage *stage) {
  if (stage->lower.constraints.count) return !method_moves_x(stage->method->node);
  return stage->lower_optimizer && stage->lower_optimizer->iterations;
}

void value_entry(Context *c, Stage *stage) {
  const Level *upper = &stage->upper;
  Span span = upper->objective->span;
  entry_create(c, arena_printf(c->build->arena, "%s.value", stage->name));
  take_seed(c);
  c->in_parts = c->build->options->judging == JUDGE_PARTS;
  c->e->full = !c->in_parts;
  int index = 0;
  State state;
  state_init(c, &state);
  state.x = argument_bundle(c, upper, "x", &index);
  if (!stage->single) state.y = argument_bundle(c, &stage->lower, "y", &index);
  c->t = state.t;
  c->iteration = NULL;
  c->states = state.level;
  dynamic_step(c->e, step_key(c, stage, state.t));
  Staged *given = objective_value(c, stage, upper, state.x, state.y, span);
  output_number(c, "objective", given, upper->maximize, VALUE_OBJECTIVE);
  output_own(c, &state, span);
  if (stage->composed) { // the levels below are solved on the way to F
    output_number(c, "value", given, upper->maximize, VALUE_AT_SOLUTION);
    output_hypergradient(c, &state, span);
  }
  if (solves_lower(stage)) {
    state.y = start_bundle(c, stage, &stage->lower, state.x, span);
    state.y = lower_solved(c, &state, span);
    if (!staged_is_poison(state.y)) output_solution(c, &state, span);
  }
  c->e->full = c->in_parts = false;
  entry_finish(c);
}
