// The entry `stage.value`: what somebody who compares methods wants to know of a point.
//
// Enters: a stage with its solver. Leaves: an entry function of (x, y) that belongs to no run: F at
// the given point, F at the lower solution that the stage's own lower optimiser finds from the
// declared start, and the projected hypergradient there. Batches are whole tables, or where the
// program does not allow that, objectives are means over the parts of tables.
#include "build/program.h"
#include "evaluate/staging.h"

#include <string.h>

// Indices of the outputs, as the runtime's judge knows them.
enum {
  VALUE_OBJECTIVE,
  VALUE_AT_SOLUTION,
  VALUE_STATIONARITY,
  VALUE_RESIDUAL,
  VALUE_OWN_RESIDUAL,
  VALUE_INFEASIBILITY,
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

// The hypergradient, and |x - project(x - hypergradient)|, which is 0 just where x is stationary on
// its sets.
static void output_hypergradient(Context *c, const State *state, Span span) {
  const Level *upper = &c->stage->upper;
  StepResult step;
  if (!step_run(c, state, &step) || !step.hypergradient) return;
  Staged *moved = operate_binary(c->e, BIN_SUB, state->x, step.hypergradient, span);
  moved = project_level(c, c->stage, upper, NULL, moved);
  Staged *gap = operate_binary(c->e, BIN_SUB, state->x, moved, span);
  output_number(c, "stationarity", norm(c, gap, span), false, VALUE_STATIONARITY);
  Staged *given = step.hypergradient;
  if (upper->maximize) given = operate_negate(c->e, given, span);
  ValueList leaves = {0};
  staged_leaves(c->e, given, &leaves);
  for (size_t i = 0; i < leaves.count; i++)
    entry_output(c, arena_printf(c->build->arena, "hypergradient.%zu", i), leaves.data[i],
                 BLO_ROLE_ARGUMENT, VALUE_HYPERGRADIENT + (int)i);
}

// What is known at the lower solution.
static void output_solution(Context *c, const State *state, Staged *lower, bool constrained,
                            Span span) {
  Stage *stage = c->stage;
  const Level *upper = &stage->upper;
  Staged *value = objective_value(c, stage, upper, state->x, state->y, span);
  output_number(c, "value", value, upper->maximize, VALUE_AT_SOLUTION);
  Staged *slope = derive_grad(c->e, lower, state->y, span); // of no meaning under constraints
  if (!constrained) output_number(c, "residual", norm(c, slope, span), false, VALUE_RESIDUAL);
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
  bool smooth = !stage->single && !stage->lower.constraints.count;
  for (size_t i = 0; smooth && i < stage->lower.variables.count; i++)
    smooth = !variable_prox(&stage->lower, i);
  if (!smooth) return;
  Staged *slope = derive_grad(c->e, lower_function(c, state->x), state->y, span);
  if (staged_is_poison(slope)) return;
  Staged *moved = operate_binary(c->e, BIN_SUB, state->y, slope, span);
  moved = project_level(c, stage, &stage->lower, state->x, moved);
  Staged *gap = operate_binary(c->e, BIN_SUB, state->y, moved, span);
  output_number(c, "own_residual", norm(c, gap, span), false, VALUE_OWN_RESIDUAL);
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
  bool constrained = stage->lower.constraints.count > 0;
  if (solves_lower(stage)) {
    state.y = start_bundle(c, stage, &stage->lower, state.x, span);
    Staged *lower = lower_function(c, state.x);
    state.y = lower_solved(c, &state, span);
    if (!staged_is_poison(state.y)) output_solution(c, &state, lower, constrained, span);
  }
  c->e->full = c->in_parts = false;
  entry_finish(c);
}
