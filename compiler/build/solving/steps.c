// One step of a stage: the method's block, the upper optimiser, projections, level states.
//
// Enters: a state, with t and the keys that follow from it. Leaves: the next state, the
// hypergradient and what reports need. Objectives and level reports belong to the point (x before
// the upper move, y after the method) and to the new point.
#include "build/program.h"
#include "evaluate/staging.h"

Point *point_at(Context *c, const State *state) {
  c->states = state->level;
  Staged *const *solved = c->solved;
  c->solved = state->nested;
  Point *point = point_open(c, c->stage, state->x, state->y);
  c->solved = solved;
  point->state = state;
  return point;
}

static Staged *gradient_of_stage(const Call *call, void *self) {
  Context *c = self;
  return merit_value(c, c->stage, call->positional[0], NULL, call->span);
}

// A stage of one level: the gradient of its objective.
static bool run_single(Context *c, const State *state, MethodResult *result) {
  Staged *objective = staged_native(c->e, "the objective", gradient_of_stage, c);
  result->x = state->x;
  result->hypergradient = derive_grad(c->e, objective, state->x, c->stage->upper.objective->span);
  return !staged_is_poison(result->hypergradient);
}

// A start that depends on x restarts the lower problem at every step.
static State begin_step(Context *c, const State *state) {
  State begun = *state;
  if (!c->stage->cold) return begun;
  begun.y = start_bundle(c, c->stage, &c->stage->lower, state->x, c->stage->lower.node->span);
  return begun;
}

// The `then` of level states: variables after the step, lets and batches of the step itself.
static void advance_level_states(Context *c, const State *state, State *next) {
  if (!state->level_count) return;
  next->level = ARENA_ARRAY(c->build->arena, Staged *, (size_t)state->level_count);
  Point *before = point_at(c, state);
  Staged *const *solved = c->solved;
  uint64_t place = c->e->dynamic.place;
  c->solved = next->nested;
  Point *after = point_open(c, c->stage, next->x, next->y);
  c->solved = solved;
  after->lets = before;
  for (int i = 0; i < state->level_count; i++) {
    const Node *node = level_state_node(c->stage, i);
    next->level[i] = state->level[i];
    if (!node->as.state.then) continue;
    const Node *then = node->as.state.then;
    c->e->dynamic.place = place_hash("then", node->as.state.name.name);
    Staged *value = evaluate(c->e, then, NULL, NULL);
    const char *what =
        arena_printf(c->build->arena, "the new value of the state `%s`", node->as.state.name.name);
    next->level[i] = fit_like(c->e, value, state->level[i], true, then->span, what);
  }
  c->e->dynamic.place = place;
  point_close(c, after);
  point_close(c, before);
}

// The solutions below at (x, y) of the step: what names mean from now on, and the next warm start.
static void solve_nested(Context *c, StepResult *result) {
  if (!c->stage->nested_count) return;
  Point *point = point_open(c, c->stage, result->x_step, result->y_step);
  result->next.nested = nested_values(c, point, false, c->stage->upper.node->span);
  point_close(c, point);
}

bool variable_is_updated(const Level *level, size_t index) {
  for (size_t i = 0; i < level->updates.count; i++)
    if (level->updates.data[i]->as.update.target ==
        level->variables.data[index].node->as.var.binding)
      return true;
  return false;
}

bool level_is_updated(const Level *level) {
  for (size_t i = 0; i < level->variables.count; i++)
    if (!variable_is_updated(level, i)) return false;
  return level->updates.count > 0;
}

Staged *level_update(Context *c, const Level *level, Staged *x, Staged *y, Staged *bundle) {
  size_t count = level->variables.count;
  if (!level->updates.count || staged_is_poison(bundle)) return bundle;
  Staged **values = ARENA_ARRAY(c->build->arena, Staged *, count + 1);
  for (size_t i = 0; i < count; i++) values[i] = level_part(level, bundle, i);
  Point *point = point_open(c, c->stage, x, y);
  uint64_t place = c->e->dynamic.place;
  bool ok = true;
  for (size_t k = 0; k < level->updates.count; k++) {
    const Node *clause = level->updates.data[k], *value = clause->as.update.value;
    c->e->dynamic.place = place_hash("update", clause->as.update.name.name);
    Staged *moved = evaluate(c->e, value, NULL, NULL);
    for (size_t i = 0; i < count; i++) {
      if (level->variables.data[i].node->as.var.binding != clause->as.update.target) continue;
      const char *what =
          arena_printf(c->build->arena, "the new value of `%s`", clause->as.update.name.name);
      values[i] = fit_like(c->e, moved, values[i], true, value->span, what);
      ok &= !staged_is_poison(values[i]);
    }
  }
  c->e->dynamic.place = place;
  point_close(c, point);
  return ok ? project_level(c, c->stage, level, x, level_bundle(c, level, values)) : staged_poison;
}

static void move_upper(Context *c, const State *state, StepResult *result) {
  State *next = &result->next;
  Instance *optimizer = c->stage->upper_optimizer;
  next->x = result->method.x;
  if (!result->hypergradient || level_is_updated(&c->stage->upper)) {
    next->x = level_update(c, &c->stage->upper, result->x_step, result->y_step, next->x);
    return;
  }
  if (!optimizer) {
    next->x = staged_poison;
    return;
  }
  optimizer->used = true;
  Arena *arena = c->build->arena;
  Staged **states = ARENA_ARRAY(arena, Staged *, (size_t)state->optimizer_count + 1);
  for (int i = 0; i < state->optimizer_count; i++) states[i] = state->optimizer[i];
  next->optimizer = states;
  bool descends = c->stage->single && !c->stage->composed;
  Staged *function = descends ? staged_native(c->e, "the objective", gradient_of_stage, c) : NULL;
  Moving saved = moving_enter(c, &c->stage->upper, NULL, function,
                              "the upper objective at another point needs the lower problem "
                              "solved there");
  Staged *moved = optimizer_update(optimizer, state->x, result->hypergradient, state->t, state->t,
                                   states, optimizer->span);
  moving_leave(c, saved, optimizer);
  moved = project_level(c, c->stage, &c->stage->upper, NULL, moved);
  next->x = level_update(c, &c->stage->upper, result->x_step, result->y_step, moved);
}

// The method's block, with the lower optimiser's states that are kept.
static bool run_method(Context *c, const State *state, MethodResult *result, Staged ***kept) {
  c->step_block = c->e->builder.block;
  c->kept_of = c->stage->lower_optimizer && c->stage->lower_optimizer->keep
                   ? c->stage->lower_optimizer
                   : NULL;
  c->kept = state->kept;
  c->kept_next = state->kept;
  bool ok = method_run(c, state, result);
  *kept = c->kept_next;
  c->step_block = NULL;
  c->kept_of = NULL;
  return ok;
}

bool step_run(Context *c, const State *given, StepResult *result) {
  Stage *stage = c->stage;
  c->t = given->t;
  c->iteration = NULL;
  c->states = given->level;
  c->solved = NULL;
  c->warm = given->nested;
  dynamic_step(c->e, step_key(c, stage, given->t));
  State state = begin_step(c, given);
  *result = (StepResult){0};
  bool ok = stage->single ? run_single(c, &state, &result->method)
                          : run_method(c, &state, &result->method, &state.kept);
  if (!ok) return false;
  result->hypergradient = result->method.hypergradient;
  if (result->hypergradient && staged_is_poison(result->hypergradient)) return false;
  result->x_step = state.x;
  result->y_step = result->method.y;
  result->next = *given;
  result->next.y = result->method.y;
  result->next.kept = state.kept;
  if (!stage->single) result->next.method = result->method.states;
  solve_nested(c, result);
  move_upper(c, &state, result);
  advance_level_states(c, &state, &result->next);
  result->next.t = ir_binary(&c->e->builder, OP_ADD, given->t, scalar_int(c, 1));
  return !state_is_poison(c, &result->next);
}

Value *step_stop(Context *c, const State *next) {
  Setting *setting = settings_find(&c->stage->settings, "stop");
  if (!setting) return NULL;
  Point *point = point_at(c, next);
  Value *before = c->iteration;
  c->iteration = next->t;
  Staged *value = evaluate(c->e, setting->value, setting->environment, NULL);
  c->iteration = before;
  point_close(c, point);
  if (staged_is_poison(value)) return NULL;
  bool truth = value->kind == STAGED_BOOL ||
               (value->kind == STAGED_TENSOR && value->tensor->type->dtype == DT_BOOL &&
                value->tensor->type->rank == 0);
  if (truth) return scalar_value(c->e, value, DT_BOOL, setting->value->span, "`stop`");
  report(build_diagnostics(c->build), E0303, setting->value->span,
         "`stop` is a condition; this is %s", staged_describe(c->e, value));
  return NULL;
}

void step_ensures(Context *c, const StepResult *step) {
  const Stage *stage = c->stage;
  const NodeList *settings = &stage->solve->as.solve.settings;
  Point *point = point_at(c, &step->next);
  Value *before = c->iteration;
  c->iteration = step->next.t;
  for (size_t i = 0; i < settings->count; i++)
    if (settings->data[i]->kind == NODE_ENSURE) evaluate_ensure(c->e, settings->data[i], NULL);
  c->iteration = before;
  ensures_evaluate(c, &stage->upper);
  ensures_evaluate(c, &stage->lower);
  nested_ensures(c, point);
  point_close(c, point);
}
