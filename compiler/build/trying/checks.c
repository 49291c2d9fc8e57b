// Trying a solve block: everything a stage needs is evaluated once in a module that is thrown away.
//
// Enters: a stage and the name of a solve block. Leaves: diagnostics. F, f, the start values and
// the hypergradient become functions over (x leaves, y leaves, ...), which the level checks read.
#include "build/program.h"

#include "diff/curvature.h"
#include "diff/dependence.h"
#include "evaluate/staging.h"

#include <string.h>

// ---- functions over x and y

typedef struct Parameters {
  Staged *x, *y;
} Parameters;

static const Type *row_type(Context *c, const Type *type, const Dim *rows) {
  const Dim *shape[MAX_RANK + 1];
  if (!rows || type->rank + 1 > MAX_RANK) return type;
  shape[0] = rows;
  for (int i = 0; i < type->rank; i++) shape[i + 1] = type->shape[i];
  return type_get(c->module, type->dtype, type->rank + 1, shape);
}

static Staged *leaf_params(Context *c, const Level *level, const Dim *rows) {
  if (!level->like) return NULL;
  ValueList likes = {0}, leaves = {0};
  staged_leaves(c->e, level->like, &likes);
  for (size_t i = 0; i < likes.count; i++) {
    const Type *type = row_type(c, likes.data[i]->type, rows);
    VEC_PUSH(c->build->arena, &leaves, entry_input(c, level->word, type, BLO_ROLE_ARGUMENT, 0));
  }
  Value *const *next = leaves.data;
  Staged *value = staged_rebuild(c->e, level->like, &next);
  return rows ? array_of(c->e, rows, value) : value;
}

// `all_rows`: y is that of all rows of the family.
static Parameters function_create_rows(Context *c, const char *name, bool all_rows) {
  entry_create(c, name);
  Parameters p = {0};
  p.x = leaf_params(c, &c->stage->upper, NULL);
  p.y = leaf_params(c, &c->stage->lower, all_rows ? c->stage->rows : NULL);
  take_seed(c);
  c->t = entry_input(c, "t", scalar_type(c, DT_I64), BLO_ROLE_ARGUMENT, 0);
  dynamic_step(c->e, step_key(c, c->stage, c->t));
  if (c->stage->above) nested_stand(c, c->stage, p.x);
  return p;
}

static Parameters function_create(Context *c, const char *name) {
  return function_create_rows(c, name, false);
}

static Func *function_finish(Context *c, Staged *value) {
  if (!value || staged_is_poison(value)) return NULL;
  ValueList leaves = {0};
  staged_leaves(c->e, value, &leaves);
  for (size_t i = 0; i < leaves.count; i++)
    entry_output(c, "result", leaves.data[i], BLO_ROLE_ARGUMENT, (int)i);
  return c->entry->func;
}

static Func *objective_func(Context *c, const Level *level) {
  Parameters p = function_create(c, level->word);
  Span span = level->objective->span;
  if (level == &c->stage->upper)
    return function_finish(c, merit_value(c, c->stage, p.x, p.y, span));
  // The lower problem is its objective, its prox terms and its constraints.
  Staged *value = objective_value(c, c->stage, level, p.x, p.y, span);
  value = prox_value(c, c->stage, level, p.x, p.y, value);
  Staged *values = constraints_at(c, c->stage, level, p.x, p.y, span);
  if (staged_is_poison(value) || staged_is_poison(values)) return NULL;
  // What solves it may be formulas, which what is above reaches as well.
  Staged *formulas = level_update(c, level, p.x, p.y, p.y);
  if (staged_is_poison(formulas)) return NULL;
  Staged *parts[] = {value, values, formulas};
  return function_finish(c, staged_tuple(c->e, parts, level->updates.count ? 3 : 2));
}

static Func *start_func(Context *c) {
  Parameters p = function_create(c, "start");
  return function_finish(
      c, start_bundle(c, c->stage, &c->stage->lower, p.x, c->stage->lower.node->span));
}

// Everything in a state is arbitrary: what is zero at the start need not stay zero.
static void free_state(Context *c, State *state) {
  ValueList leaves = {0}, params = {0};
  state_leaves(c, state, &leaves);
  for (size_t i = 0; i < leaves.count; i++)
    VEC_PUSH(c->build->arena, &params,
             entry_input(c, "state", leaves.data[i]->type, BLO_ROLE_ARGUMENT, 0));
  State like = *state;
  state_rebuild(c, &like, params.data, state);
}

// The whole step from an arbitrary state; gives the hypergradient.
static Func *step_func(Context *c, bool *ok) {
  Parameters p = function_create(c, "step");
  Value *t = c->t;
  State state;
  state_init(c, &state);
  if (state_is_poison(c, &state)) {
    *ok = false;
    return NULL;
  }
  free_state(c, &state);
  state.x = p.x;
  if (!c->stage->single) state.y = p.y;
  state.t = t;
  StepResult step;
  *ok = step_run(c, &state, &step);
  if (!*ok) return NULL;
  step_stop(c, &step.next);
  step_ensures(c, &step);
  return step.hypergradient ? function_finish(c, step.hypergradient) : NULL;
}

// What the derivative of the lower answer is made of: f_y, the prox terms, the constraints and the
// formulas.
static Func *slopes_func(Context *c) {
  const Level *level = &c->stage->lower;
  Parameters p = function_create(c, "slopes");
  Span span = level->objective->span;
  Staged *zero = staged_tensor(c->e, ir_real(&c->e->builder, scalar_type(c, c->e->real), 0.0));
  Staged *parts[] = {derive_grad(c->e, lower_function(c, p.x), p.y, span),
                     prox_value(c, c->stage, level, p.x, p.y, zero),
                     constraints_at(c, c->stage, level, p.x, p.y, span),
                     level_update(c, level, p.x, p.y, p.y)};
  for (int i = 0; i < 4; i++)
    if (staged_is_poison(parts[i])) return NULL;
  return function_finish(c, staged_tuple(c->e, parts, level->updates.count ? 4 : 3));
}

// The hypergradient that a method gives where F's own x is held.
static Func *answer_func(Context *c) {
  bool ok;
  c->upper_held = true;
  Func *answer = step_func(c, &ok);
  c->upper_held = false;
  return ok ? answer : NULL;
}

// ---- the start of the lower problem

static bool depends_on_upper(Context *c, Func *start) {
  ValueList likes = {0};
  staged_leaves(c->e, c->stage->upper.like, &likes);
  Map *map = dependence_map(c->build->arena, start->body, start->body->params.data, likes.count);
  for (size_t i = 0; i < start->body->yields.count; i++)
    if (dependence_get(map, start->body->yields.data[i]) != DEPENDS_NOT) return true;
  return false;
}

// The rows of a batch are others at each step, so their solutions are no start for the next ones.
static bool restarts(Context *c, Stage *nested) {
  Point *point = point_open(c, stage_root(nested), NULL, NULL);
  bool result = family_restarts(c, nested);
  point_close(c, point);
  return result;
}

static void find_cold(Context *c, Stage *stage) {
  stage->cold = false;
  Stage *before = c->stage;
  c->stage = stage;
  size_t count = c->module->funcs.count;
  Func *start = start_func(c);
  stage->cold = (start && depends_on_upper(c, start)) || (stage->above && restarts(c, stage));
  c->module->funcs.count = count; // only looked at
  c->stage = before;
}

void stage_find_cold(Context *c, Stage *stage) {
  if (stage->above || !stage->single) find_cold(c, stage);
  for (size_t i = 0; i < stage->nested.count; i++) stage_find_cold(c, stage->nested.data[i]);
}

// ---- what nobody uses

static void try_pattern(Context *c, Point *point, const Node *pattern) {
  if (pattern->kind == PATTERN_TUPLE)
    for (size_t i = 0; i < pattern->as.pattern_tuple.items.count; i++)
      try_pattern(c, point, pattern->as.pattern_tuple.items.data[i]);
  const Binding *binding = pattern->kind == PATTERN_NAME ? pattern->as.pattern_name.binding : NULL;
  if (binding && !binding->used) point_value(c, point, binding, pattern->span);
}

// Names are evaluated when somebody asks; what is wrong with the others has to be said, too.
static void try_names(Context *c, const Level *level) {
  if (!level->node) return;
  Parameters p = function_create(c, "names");
  Staged *x = level == &c->stage->upper ? NULL : p.x;
  start_bundle(c, c->stage, level, x, level->node->span);
  Point *point = point_open(c, c->stage, p.x, p.y);
  bool stage = level->node->kind == ITEM_STAGE;
  NodeList clauses = stage ? level->node->as.stage.items : level->node->as.level.clauses;
  for (size_t i = 0; i < clauses.count; i++) {
    const Node *clause = clauses.data[i];
    if (clause->kind == NODE_LET) try_pattern(c, point, clause->as.let.pattern);
    if (clause->kind == NODE_BATCH && clause->as.batch.binding && !clause->as.batch.binding->used)
      point_value(c, point, clause->as.batch.binding, clause->span);
  }
  point_close(c, point);
}

// ---- constraints

// What a constraint depends on: all leaves of x and y, or those of y alone.
static Dependence constraint_depends(Context *c, const Func *func, size_t result, bool lower) {
  ValueList x = {0}, y = {0};
  staged_leaves(c->e, c->stage->upper.like, &x);
  if (c->stage->lower.like) staged_leaves(c->e, c->stage->lower.like, &y);
  size_t first = lower ? x.count : 0, count = lower ? y.count : x.count + y.count;
  Map *map = dependence_map(c->build->arena, func->body, func->body->params.data + first, count);
  return dependence_get(map, func->body->yields.data[result]);
}

static void report_idle_constraint(Context *c, const Node *clause, Dependence on_lower,
                                   Dependence on_any) {
  Diagnostics *diagnostics = build_diagnostics(c->build);
  const char *phrase = constraint_phrase(c, clause);
  Span span = clause->as.subject.value->span;
  if (on_any == DEPENDS_NOT) {
    Diagnostic *d = report(diagnostics, E0423, span, "%s depends on no variable", phrase);
    diagnostic_help(d, "a condition on data and constants is an `ensure`");
  } else if (on_any == DEPENDS_STEPWISE || on_lower == DEPENDS_STEPWISE) {
    Diagnostic *d =
        report(diagnostics, E0423, span, "%s depends on its variables only through steps", phrase);
    diagnostic_help(d, "use a smooth stand-in, like `sigmoid` for a comparison");
  } else {
    Diagnostic *d =
        report(diagnostics, E0423, span, "%s does not depend on a lower variable", phrase);
    diagnostic_help(d, "write it in `upper`, or declare the upper variable in a set");
  }
}

static void check_idle_constraints(Context *c, const Level *level) {
  if (!level->constraints.count) return;
  Parameters p = function_create(c, "constraints");
  Func *func = function_finish(c, constraints_at(c, c->stage, level, p.x, p.y, level->node->span));
  bool lower = level == &c->stage->lower;
  for (size_t i = 0; func && i < level->constraints.count; i++) {
    Dependence on_any = constraint_depends(c, func, i, false);
    Dependence on_lower = lower ? constraint_depends(c, func, i, true) : on_any;
    if (on_lower != DEPENDS_SMOOTHLY)
      report_idle_constraint(c, level->constraints.data[i], on_lower, on_any);
  }
}

static Staged *call_pair_constraints(const Call *call, void *self) {
  Context *c = self;
  Staged *const *pair = call->positional[0]->tree.children;
  return constraints_at(c, c->stage, &c->stage->lower, pair[0], pair[1], call->span);
}

// Affine: the directional derivative does not depend on the point. Needed where x and y are
// projected together.
static void check_affine(Context *c) {
  Level *level = &c->stage->lower;
  if (!level->constraints.count || !method_mentions(c->stage->method->node, IMPLICIT_PROJECT))
    return;
  Parameters p = function_create(c, "slopes");
  Staged *direction[] = {leaf_params(c, &c->stage->upper, NULL), leaf_params(c, level, NULL)};
  Staged *point[] = {p.x, p.y};
  Staged *slope =
      derive_jvp(c->e, staged_native(c->e, "g", call_pair_constraints, c),
                 staged_tuple(c->e, point, 2), staged_tuple(c->e, direction, 2), level->node->span);
  Func *func = function_finish(c, slope);
  for (size_t i = 0; func && i < level->constraints.count; i++) {
    if (constraint_depends(c, func, i, false) == DEPENDS_NOT) continue;
    const Node *clause = level->constraints.data[i];
    Diagnostic *d = report(build_diagnostics(c->build), E0424, clause->as.subject.value->span,
                           "%s is not affine in the variables", constraint_phrase(c, clause));
    diagnostic_label(d, c->stage->method->span, "`%s` projects x and y onto the constraints",
                     instance_name(c->stage->method));
    diagnostic_help(d, "methods that need no projection: kkt, barrier, bic_gaffa, blocc");
  }
}

// ---- convexity

static void report_convexity(Context *c, Span span, const char *what, const char *shape) {
  const Instance *method = c->stage->method;
  Diagnostic *d = report(build_diagnostics(c->build), W0410, method->span,
                         "`%s` takes the lower problem to be convex", instance_name(method));
  diagnostic_label(d, span, "%s is not seen to be %s in the lower variables", what, shape);
}

// `lower` gives f, then the values of the constraints, feasible where <= 0 or = 0.
static void check_convex(Context *c, const Func *lower) {
  const Stage *stage = c->stage;
  const Level *level = &stage->lower;
  const Node *method = stage->method ? stage->method->node : NULL;
  if (!method || !method_accepts(method, "convex", "lower") ||
      method_accepts(method, "nonconvex", "lower"))
    return;
  ValueList x = {0}, y = {0};
  staged_leaves(c->e, stage->upper.like, &x);
  staged_leaves(c->e, level->like, &y);
  Map *map =
      curvature_map(c->build->arena, lower->body, lower->body->params.data + x.count, y.count);
  Value *const *values = lower->body->yields.data;
  if (curvature_get(map, values[0]) > CURVATURE_CONVEX)
    report_convexity(c, level->objective->span, "f", "convex");
  for (size_t i = 0; i < level->constraints.count; i++) {
    const Node *clause = level->constraints.data[i];
    bool equality = constraint_is_equality(clause);
    if (curvature_get(map, values[1 + i]) > (equality ? CURVATURE_AFFINE : CURVATURE_CONVEX))
      report_convexity(c, clause->as.subject.value->span, constraint_phrase(c, clause),
                       equality ? "affine" : "convex");
  }
}

// ---- sets

// A set that an upper variable moves has a part in the hypergradient, which not every method takes.
static void check_coupled_sets(Context *c) {
  const Stage *stage = c->stage;
  const Level *level = &stage->lower;
  bool takes = !stage->method || method_accepts(stage->method->node, "coupled", "sets");
  if (!level_has_sets(level) || takes) return;
  Parameters p = function_create(c, "sets");
  Func *func = function_finish(c, project_level(c, c->stage, level, p.x, p.y));
  if (!func) return;
  ValueList x = {0};
  staged_leaves(c->e, stage->upper.like, &x);
  Map *map = dependence_map(c->build->arena, func->body, func->body->params.data, x.count);
  size_t leaf = 0;
  for (size_t i = 0; i < level->variables.count; i++) {
    const LevelVariable *variable = &level->variables.data[i];
    ValueList leaves = {0};
    staged_leaves(c->e, variable->like, &leaves);
    bool moved = false;
    for (size_t k = 0; k < leaves.count; k++)
      moved |= dependence_get(map, func->body->yields.data[leaf++]) != DEPENDS_NOT;
    if (!moved) continue;
    const char *what = arena_printf(
        c->build->arena, "a lower set that depends on an upper variable (`%s`)", variable->name);
    method_refuse(c, what, variable->node->as.var.set->span, "it moves with what is above",
                  "coupled", "sets");
    return;
  }
}

// ---- handing the problem to the level checks

static ProblemVariable *describe_variables(Context *c, const Level *level, int first,
                                           size_t *count) {
  *count = level->variables.count;
  ProblemVariable *rows = ARENA_ARRAY(c->build->arena, ProblemVariable, *count + 1);
  for (size_t i = 0; i < *count; i++) {
    ValueList leaves = {0};
    staged_leaves(c->e, level->variables.data[i].like, &leaves);
    rows[i] = (ProblemVariable){level->variables.data[i].name,
                                level->variables.data[i].node->as.var.name.span, first,
                                (int)leaves.count, variable_is_updated(level, i)};
    first += (int)leaves.count;
  }
  return rows;
}

// `descend(.., last = k)` differentiates no start, nor does what is only reported.
static bool stops_short(const Node *node) {
  if (node->kind == NODE_REPORT) return true;
  if (node->kind != EXPR_CALL) return false;
  for (size_t i = 0; i < node->as.call.arguments.count; i++) {
    Name name = node->as.call.arguments.data[i]->as.argument.name.name;
    if (name && strcmp(name, "last") == 0) return true;
  }
  return false;
}

// Methods whose text mentions `start`, and that have a parameter `cold`: they may differentiate it.
static void find_start(void *self, Node *node) {
  bool *found = self;
  if (stops_short(node)) return;
  const Binding *binding = node->kind == EXPR_NAME ? node->as.name.binding : NULL;
  *found |= binding && binding->kind == BIND_IMPLICIT && binding->builtin == IMPLICIT_START;
  node_children(node, find_start, self);
}

static const char *start_methods(Context *c) {
  TextBuffer list = text_buffer(c->build->arena);
  const NodeList *files = &c->build->program->files;
  int count = 0;
  for (size_t i = 0; i < files->count; i++)
    for (size_t k = 0; k < files->data[i]->as.file.items.count; k++) {
      Node *item = files->data[i]->as.file.items.data[k];
      bool found = false;
      if (item->kind == ITEM_METHOD && !method_moves_x(item))
        node_children(item, find_start, &found);
      if (!found) continue;
      bool cold = false;
      for (size_t n = 0; n < item->as.method.params.count; n++)
        cold |= item->as.method.params.data[n]->kind == PART_PARAM &&
                strcmp(item->as.method.params.data[n]->as.param.name.name, "cold") == 0;
      if (cold)
        text_addf(&list, "%s%s(cold = true)", count++ ? ", " : "", item->as.method.name.name);
    }
  return count ? text_string(&list) : NULL;
}

// Whether a variable of a level further above reaches the problem counts, too.
static void describe_upper(Context *c, const Stage *stage, LevelProblem *problem) {
  const Stage *above = stage->above;
  if (!above || above->single) {
    problem->upper_variables = describe_variables(c, &stage->upper, 0, &problem->upper_count);
    return;
  }
  problem->outer_variables = describe_variables(c, &above->upper, 0, &problem->outer_count);
  const ProblemVariable *last = &problem->outer_variables[problem->outer_count - 1];
  problem->upper_variables =
      describe_variables(c, &above->lower, last->first + last->count, &problem->upper_count);
}

static bool may_checkpoint(const Instance *method) {
  for (int i = 0; i < method->count; i++) {
    const Argument *argument = &method->arguments[i];
    if (argument->param->kind != PART_PARAM ||
        strcmp(argument->param->as.param.name.name, "checkpoint") != 0)
      continue;
    return argument->value->kind == EXPR_BOOL && !argument->value->as.boolean.value;
  }
  return false;
}

static Dependence variable_depends(Context *c, const Func *func, const ProblemVariable *variable) {
  Value *const *sources = func->body->params.data + variable->first;
  Map *map = dependence_map(c->build->arena, func->body, sources, (size_t)variable->count);
  Dependence most = DEPENDS_NOT;
  for (size_t i = 0; i < func->body->yields.count; i++) {
    Dependence kind = dependence_get(map, func->body->yields.data[i]);
    if (kind > most) most = kind;
  }
  return most;
}

// Where f_y knows of a variable by steps only, or not at all, the method may leave the answer out.
static void describe_answer(Context *c, LevelProblem *problem) {
  if (problem->takes_steps || !problem->hypergradient || c->stage->above) return;
  problem->slopes = slopes_func(c);
  bool wanted = false;
  for (size_t i = 0; problem->slopes && i < problem->upper_count; i++) {
    const ProblemVariable *variable = &problem->upper_variables[i];
    Dependence slopes = variable_depends(c, problem->slopes, variable);
    wanted |=
        !variable->updated &&
        (slopes == DEPENDS_STEPWISE ||
         (slopes == DEPENDS_NOT && variable_depends(c, problem->start, variable) != DEPENDS_NOT));
  }
  if (wanted) problem->answer = answer_func(c);
}

static void check_levels(Context *c, Func *upper, Func *lower, Func *start, Func *step) {
  const Stage *stage = c->stage;
  const Instance *method = stage->method; // NULL: formulas
  const Node *formula = method ? NULL : stage->lower.updates.data[0];
  LevelProblem problem = {.upper = upper,
                          .lower = lower,
                          .start = start,
                          .hypergradient = step,
                          .upper_objective = stage->upper.objective->span,
                          .lower_objective = stage->lower.objective->span,
                          .method_span = method ? method->span : formula->span,
                          .lower_span = stage->lower.node->span,
                          .method = method ? instance_name(method) : "update",
                          .start_methods = start_methods(c),
                          .step_methods = methods_that_accept(c, "discrete", "upper"),
                          .takes_steps =
                              !method || method_accepts(method->node, "discrete", "upper"),
                          .checkpoints = method && may_checkpoint(method)};
  describe_upper(c, stage, &problem);
  const ProblemVariable *last = &problem.upper_variables[problem.upper_count - 1];
  problem.lower_variables =
      describe_variables(c, &stage->lower, last->first + last->count, &problem.lower_count);
  describe_answer(c, &problem);
  c->build->options->check_levels(c->build->compilation, &problem);
}

// ---- problems below others

// The objectives that read a nested problem's variables: of the level above it, and of those
// further above as far as one solution is one.
static Func *objectives_above(Context *c, Stage *nested) {
  Parameters p = function_create_rows(c, "upper", nested->family != NULL);
  if (nested->family) c->rows = c->rows->outer;
  map_put(c->above->values, nested, p.y);
  const Stage *at = nested;
  for (Point *point = c->above; point; point = point->above) {
    Staged *value = objective_at(c, &at->upper, point);
    if (staged_is_poison(value)) return NULL;
    entry_output(c, "result", value->tensor, BLO_ROLE_ARGUMENT, 0);
    at = at->above;
    if (at->family) break;
  }
  return c->entry->func;
}

static Staged *call_above(const Call *call, void *self) {
  Context *c = call->evaluator->resolve_self;
  Stage *nested = self;
  nested_stand(c, nested, call->positional[0]);
  if (nested->family) c->rows = c->rows->outer;
  return objective_at(c, &nested->upper, c->above);
}

// What the levels above see of the solution: the derivative of the objective above.
static Func *derivative_above(Context *c, Stage *nested) {
  Parameters p = function_create(c, "hypergradient");
  c->rows = NULL;
  Staged *objective = staged_native(c->e, "the objective above", call_above, nested);
  return function_finish(c, derive_grad(c->e, objective, p.x, nested->upper.objective->span));
}

static bool check_nested(Context *c, Stage *nested, bool solvable) {
  size_t errors = diagnostics_errors(build_diagnostics(c->build));
  c->stage = nested;
  try_names(c, &nested->lower);
  Func *lower = objective_func(c, &nested->lower), *start = start_func(c);
  Func *upper = lower && start && solvable ? objectives_above(c, nested) : NULL;
  if (upper) check_convex(c, lower);
  if (upper) check_coupled_sets(c);
  Func *derivative = upper ? derivative_above(c, nested) : NULL;
  if (lower) check_idle_constraints(c, &nested->lower);
  bool ok = derivative && diagnostics_errors(build_diagnostics(c->build)) == errors;
  if (ok && c->build->options->check_levels) check_levels(c, upper, lower, start, derivative);
  ok = ok && diagnostics_errors(build_diagnostics(c->build)) == errors;
  for (size_t i = 0; i < nested->nested.count && ok; i++)
    ok = check_nested(c, nested->nested.data[i], solvable);
  c->stage = stage_root(nested);
  return ok;
}

static bool check_single(Context *c, bool solvable) {
  bool ok = solvable;
  if (solvable)
    step_func(c, &ok);
  else
    objective_func(c, &c->stage->upper);
  return ok;
}

// The levels are tried even where the solve block is wrong: both have something to say.
static bool check_one(Context *c, Stage *stage, bool solvable) {
  size_t errors = diagnostics_errors(build_diagnostics(c->build));
  c->stage = stage;
  if (solvable) stage_find_cold(c, stage);
  try_names(c, &stage->upper);
  bool ok = true;
  for (size_t i = 0; i < stage->nested.count; i++)
    ok &= check_nested(c, stage->nested.data[i], solvable);
  if (!ok) return false;
  check_idle_constraints(c, &stage->upper);
  if (!stage->single) check_idle_constraints(c, &stage->lower);
  if (stage->single) return check_single(c, solvable);
  try_names(c, &stage->lower);
  Func *upper = objective_func(c, &stage->upper), *lower = objective_func(c, &stage->lower);
  Func *start = start_func(c);
  stage->cold = start && depends_on_upper(c, start);
  if (!upper || !lower || !start || !solvable) return false;
  check_affine(c);
  check_convex(c, lower);
  check_coupled_sets(c);
  if (diagnostics_errors(build_diagnostics(c->build)) != errors) return false;
  Func *step = step_func(c, &ok);
  if (diagnostics_errors(build_diagnostics(c->build)) != errors || !ok) return false;
  if (c->build->options->check_levels) check_levels(c, upper, lower, start, step);
  return diagnostics_errors(build_diagnostics(c->build)) == errors;
}

bool check_stage(Build *b, const CheckTarget *target) {
  Context *c = context_create(b, module_create(b->arena, b->compilation->names));
  if (!stages_collect(c)) return false;
  bool ok = true;
  for (size_t i = 0; i < c->stages.count; i++) {
    Stage *stage = c->stages.data[i];
    if (target->stage && strcmp(target->stage, stage->name) != 0) continue;
    variables_override(stage, target->starts);
    const char *solve = target->stage ? target->solve : stage_solve_name(c, stage, target->solve);
    bool solvable = stage_solver(c, stage, solve, target->span, target->settings);
    ok &= check_one(c, stage, solvable);
  }
  return ok;
}
