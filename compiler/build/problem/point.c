// Evaluating a level at a point: variables are values, lets and batches are made when somebody
// asks.
//
// Enters: values x, y of the upper and lower variables. Leaves: objectives, reports, lets.
// Everything made on demand is made in the block where the point was opened and with the draws that
// held there, so that it is good for every later use at this point, wherever the first one was.
#include "build/program.h"
#include "evaluate/staging.h"

Point *point_open(Context *c, Stage *stage, Staged *x, Staged *y) {
  Point *point = ARENA_NEW(c->build->arena, Point);
  point->outer = c->point;
  point->stage = stage;
  point->x = x;
  point->y = y;
  point->states = c->states;
  point->solved = c->solved;
  point->above = c->above;
  point->dynamic = c->e->dynamic;
  point->dynamic.loops = NULL;
  point->block = c->e->builder.block;
  point->values = map_create(c->build->arena);
  c->point = point;
  return point;
}

void point_close(Context *c, Point *point) {
  c->point = point->outer;
}

// ---- names

// A set that its own level moves is no set of one variable: projected onto where the other happens
// to be, neither would feel the other's pull.
static Staged *moves_with(Context *c, const Point *point, const Binding *binding, Span span) {
  const Node *kept = point->kept_by;
  bool prox = kept->kind == NODE_PROX;
  const char *name = prox ? kept->as.prox.name.name : kept->as.var.name.name;
  Diagnostic *d = mistake(c->e, E0207, span, "the %s of `%s` reads `%s`, which moves with it",
                          prox ? "prox term" : "set", name, binding->name);
  if (binding->node)
    diagnostic_label(d, binding->node->span, "a variable of the same level, or below");
  if (prox)
    diagnostic_help(d, "add a smooth term of both to the objective; or move `%s` to a level above",
                    binding->name);
  else
    diagnostic_help(d,
                    "keep both by a constraint: where `x in ball(r)` is meant, `subject to "
                    "sumsq(x) <= r^2;`; or move `%s` to a level above",
                    binding->name);
  return staged_poison;
}

static Staged *variable_at(Context *c, Point *point, const Binding *binding, Span span) {
  const Level *levels[] = {&point->stage->upper, &point->stage->lower};
  Staged *bundles[] = {point->x, point->y};
  size_t place;
  bool below = nested_owner(point->stage, binding, &place) != NULL;
  for (int i = 0; i < 2; i++)
    for (size_t k = 0; k < levels[i]->variables.count; k++) {
      if (levels[i]->variables.data[k].node->as.var.binding != binding) continue;
      if (bundles[i]) return level_part(levels[i], bundles[i], k);
      below = true;
    }
  if (point->starting) return variable_start(c, point->stage, binding);
  if (point->kept_by && below) return moves_with(c, point, binding, span);
  Staged *nested = nested_variable(c, point, binding, span);
  if (nested) return nested;
  return no_value(c, span, "`%s` has no value here", binding->name);
}

// A level's carried state: its present value, or its start.
static Staged *state_at(Context *c, Point *point, const Binding *binding, Span span) {
  const Stage *root = stage_root(point->stage);
  int count = level_state_count(root);
  for (int i = 0; i < count; i++) {
    const Node *node = level_state_node(root, i);
    if (node->as.state.binding != binding) continue;
    if (point->states) return point->states[i];
    c->e->dynamic.place = place_hash("state", binding->name);
    const TypeSpec *spec = evaluate_type(c->e, node->as.state.type, NULL);
    Staged *value = evaluate(c->e, node->as.state.initial, NULL, spec);
    if (!spec || staged_is_poison(value)) return staged_poison;
    const char *what =
        arena_printf(c->build->arena, "the start value of the state `%s`", binding->name);
    return coerce(c->e, value, spec, true, node->as.state.initial->span, what);
  }
  return no_value(c, span, "`%s` has no value here", binding->name);
}

static Staged *let_at(Context *c, Point *point, const Node *let, const Binding *binding) {
  c->e->dynamic.place = place_hash("let", "level"); // whoever asks, it is one value in a step
  const Environment *environment = evaluate_let(c->e, let, NULL);
  for (const Environment *at = environment; at; at = at->next)
    if (at->binding != binding) map_put(point->values, at->binding, at->value);
  Staged *value = environment_find(environment, binding);
  return value ? value : staged_poison;
}

static Staged *make_value(Context *c, Point *point, const Binding *binding, Span span) {
  const Node *clause = map_get(point->stage->names, binding);
  if (!clause) return NULL;
  Point *home = nested_point_of(c, point, clause);
  if (home) return point_value(c, home, binding, span);
  switch (clause->kind) {
  case NODE_VAR:
    return variable_at(c, point, binding, span);
  case NODE_STATE:
    return state_at(c, point, binding, span);
  case NODE_BATCH:
    return batch_value(c, point, clause);
  case NODE_LET:
    return let_at(c, point, clause, binding);
  case NODE_REPORT:
    return nested_report(c, point, clause);
  case ITEM_LEVEL: {
    Value *row = family_row(c, clause);
    return row ? staged_tensor(c->e, row) : NULL;
  }
  default:
    return NULL;
  }
}

static bool taken_from_lets(const Binding *binding) {
  return binding->kind == BIND_LOCAL || binding->kind == BIND_BATCH;
}

// The value is asked for while it is being made: a `let`, or lower problems that read each other.
static Staged *defined_by_itself(Context *c, Point *point, const Binding *binding, Span span) {
  size_t place;
  const Stage *owner = nested_owner(stage_root(point->stage), binding, &place);
  if (!owner) return no_value(c, span, "`%s` is defined by itself", binding->name);
  Diagnostic *d = mistake(c->e, E0207, span, "these lower problems need each other's solution");
  diagnostic_label(d, owner->lower.objective->span, "`%s` is solved for here", binding->name);
  diagnostic_help(d, "write them as one level, or one below the other");
  return staged_poison;
}

Staged *point_value(Context *c, Point *point, const Binding *binding, Span span) {
  if (point->lets && taken_from_lets(binding)) return point_value(c, point->lets, binding, span);
  if (map_has(point->values, binding)) {
    Staged *known = map_get(point->values, binding);
    if (known) return known;
    return defined_by_itself(c, point, binding, span);
  }
  map_put(point->values, binding, NULL);
  Builder builder = c->e->builder;
  Dynamic dynamic = c->e->dynamic;
  Point *open = c->point;
  c->point = point;
  c->e->builder.block = point->block;
  c->e->dynamic = point->dynamic;
  c->e->dynamic.outside = c->e->variables;
  c->e->dynamic.depth = dynamic.depth;
  c->e->dynamic.calls = dynamic.calls;
  Staged *value = make_value(c, point, binding, span);
  c->e->builder = builder;
  c->e->dynamic = dynamic;
  c->point = open;
  map_put(point->values, binding, value ? value : staged_poison);
  return value;
}

// ---- objectives

static Staged *objective_scalar(Context *c, const Level *level, Staged *value) {
  const Node *node = level->objective->as.objective.value;
  if (staged_is_poison(value)) return value;
  bool number = value->kind == STAGED_INTEGER || value->kind == STAGED_REAL;
  bool scalar = value->kind == STAGED_TENSOR && value->tensor->type->rank == 0 &&
                dtype_is_float(value->tensor->type->dtype);
  if (!number && !scalar) {
    Diagnostic *d =
        report(build_diagnostics(c->build), E0303, node->span,
               "an objective is one real number; this is %s", staged_describe(c->e, value));
    if (value->kind == STAGED_TENSOR && value->tensor->type->rank > 0)
      diagnostic_help(d, "take `mean(...)` or `sum(...)` of it");
    return staged_poison;
  }
  Value *result =
      scalar ? value->tensor : scalar_value(c->e, value, c->e->real, node->span, "the objective");
  if (!result) return staged_poison;
  if (level->maximize) result = ir_unary(&c->e->builder, OP_NEG, result);
  return staged_tensor(c->e, result);
}

// What is drawn at the level's lets and batches is drawn by the objective, too: the same in both.
static void enter_objective(Context *c, const Stage *stage, const Level *level) {
  c->e->dynamic.place = place_hash("objective", level->word);
  c->e->dynamic.loops = NULL; // one objective evaluated twice in a step is one draw
  c->e->dynamic.outside = c->e->variables;
  c->iteration = level_iteration(c, stage, level);
}

Staged *objective_at(Context *c, const Level *level, Point *point) {
  Dynamic dynamic = c->e->dynamic;
  Value *iteration = c->iteration;
  Point *open = c->point;
  enter_objective(c, point->stage, level);
  c->point = point;
  Staged *value = evaluate(c->e, level->objective->as.objective.value, NULL, NULL);
  value = objective_scalar(c, level, value);
  c->point = open;
  c->iteration = iteration;
  c->e->dynamic = dynamic;
  return value;
}

Staged *objective_value(Context *c, Stage *stage, const Level *level, Staged *x, Staged *y,
                        Span span) {
  if (stage->sample) return sample_objective(c, x, y, span);
  if (c->in_parts && !c->e->dynamic.part && !c->e->dynamic.full)
    return objective_over_parts(c, stage, level, x, y, span);
  oracle_count(c, level == &stage->upper, x, y);
  Dynamic dynamic = c->e->dynamic;
  Value *iteration = c->iteration;
  enter_objective(c, stage, level);
  Point *point = point_open(c, stage, x, y);
  Staged *value = objective_at(c, level, point);
  point_close(c, point);
  c->iteration = iteration;
  c->e->dynamic = dynamic;
  return value;
}

void ensures_evaluate(Context *c, const Level *level) {
  for (size_t i = 0; i < level->ensures.count; i++)
    evaluate_ensure(c->e, level->ensures.data[i], NULL);
}

// ---- objectives as functions

Staged *bundle_argument(Context *c, Staged *value, const Level *level, Span span, const char *who) {
  const char *what =
      arena_printf(c->build->arena, "the %s variables given to %s", level->word, who);
  return fit_like(c->e, value, level->like, false, span, what);
}

bool pair_bundles(Context *c, const Call *call, const char *who, Staged **x, Staged **y) {
  *x = bundle_argument(c, call->positional[0], &c->stage->upper, call->spans[0], who);
  if (staged_is_poison(*x)) return false; // exchanged arguments are one mistake
  *y = bundle_argument(c, call->positional[1], &c->stage->lower, call->spans[1], who);
  return !staged_is_poison(*y);
}

bool pair_arguments(Context *c, const Call *call, const char *name, const char *form, Staged **x,
                    Staged **y) {
  if (call->positional_count == 2 && !call->named_count)
    return pair_bundles(c, call, arena_printf(c->build->arena, "`%s`", name), x, y);
  Diagnostic *d =
      mistake(c->e, E0304, call->span, "`%s` takes the upper and the lower variables", name);
  diagnostic_help(d, "write `%s`", form);
  return false;
}

typedef struct Objective {
  Context *context;
  bool upper;
  Staged *x; // fixed, or NULL
} Objective;

static Staged *stopped(Context *c, Staged *bundle) {
  ValueList leaves = {0};
  staged_leaves(c->e, bundle, &leaves);
  for (size_t i = 0; i < leaves.count; i++)
    leaves.data[i] = ir_stop(&c->e->builder, leaves.data[i]);
  Value *const *next = leaves.data;
  return staged_rebuild(c->e, bundle, &next);
}

static Staged *call_objective(const Call *call, void *self) {
  const Objective *objective = self;
  Context *c = objective->context;
  Stage *stage = c->stage;
  Staged *x, *y;
  const char *name = objective->upper ? "F" : "f";
  if (!pair_arguments(c, call, name, objective->upper ? "F(x, y)" : "f(x, y)", &x, &y))
    return staged_poison;
  if (objective->upper && c->row_slope && stage->family)
    return operate_dot(c->e, c->row_slope, y, call->span);
  if (objective->upper && c->upper_held) x = stopped(c, x);
  return objective->upper ? merit_value(c, stage, x, y, call->span)
                          : objective_value(c, stage, &stage->lower, x, y, call->span);
}

Staged *objective_function(Context *c, bool upper) {
  Objective *objective = ARENA_NEW(c->build->arena, Objective);
  *objective = (Objective){.context = c, .upper = upper};
  Staged *native = staged_native(c->e, upper ? "F" : "f", call_objective, objective);
  Function *function = ARENA_NEW(c->build->arena, Function);
  *function = *native->function;
  function->member = objective_member;
  native->function = function;
  return native;
}

const Level *objective_level(const void *self, Context **c) {
  const Objective *objective = self;
  *c = objective->context;
  return objective->upper ? &(*c)->stage->upper : &(*c)->stage->lower;
}

static Staged *call_lower(const Call *call, void *self) {
  const Objective *objective = self;
  Context *c = objective->context;
  return objective_value(c, c->stage, &c->stage->lower, objective->x, call->positional[0],
                         call->span);
}

Staged *lower_function(Context *c, Staged *x) {
  Objective *objective = ARENA_NEW(c->build->arena, Objective);
  *objective = (Objective){.context = c, .x = x};
  return staged_native(c->e, "f", call_lower, objective);
}

// ---- fitting values to layouts

static Value *fit_leaf(Evaluator *e, Staged *value, const Type *type, bool spread, Span span,
                       const char *what) {
  if (staged_is_poison(value)) return NULL;
  bool number =
      value->kind == STAGED_INTEGER || value->kind == STAGED_REAL || value->kind == STAGED_BOOL;
  if (!number && value->kind != STAGED_TENSOR) {
    mistake(e, E0303, span, "%s must be %s, but this is %s", what, type_text(e->module, type),
            staged_describe(e, value));
    return NULL;
  }
  Dtype dtype = number ? type->dtype : value->tensor->type->dtype;
  bool integer = !number && dtype == DT_I64 && value->tensor->type->rank == 0;
  if (dtype != type->dtype && !(integer && dtype_is_float(type->dtype))) {
    mistake(e, E0302, span, "%s must have entries of type %s, but this is %s", what,
            dtype_text(type->dtype), staged_describe(e, value));
    return NULL;
  }
  Value *leaf = number ? scalar_value(e, value, type->dtype, span, what) : value->tensor;
  if (!leaf) return NULL;
  if (leaf->type->dtype != type->dtype) leaf = ir_convert(&e->builder, leaf, type->dtype);
  if (leaf->type == type) return leaf;
  if (leaf->type->rank == 0 && spread) return ir_broadcast_suffix(&e->builder, leaf, type);
  mistake(e, E0301, span, "%s must be %s, but this is %s", what, type_text(e->module, type),
          staged_describe(e, value));
  return NULL;
}

static bool is_leaf(const Staged *s) {
  return s->kind != STAGED_TREE;
}

// In a sample problem bundles have made-up parts: say whose they are instead.
static const char *bundle_phrase(Evaluator *e, const Staged *s) {
  const Context *c = e->resolve_self;
  const Layout *layout = staged_layout(s);
  if (!layout || !c->stage || !c->stage->sample) return staged_describe(e, s);
  if (c->stage->solve && c->stage->solve->kind == ITEM_OPTIMIZER &&
      layout == staged_layout(c->stage->lower.like))
    return "laid out like the variables that are moved";
  if (layout == staged_layout(c->stage->upper.like)) return "laid out like the upper variables";
  if (layout == staged_layout(c->stage->lower.like)) return "laid out like the lower variables";
  return staged_describe(e, s);
}

Staged *fit_like(Evaluator *e, Staged *value, const Staged *like, bool spread, Span span,
                 const char *what) {
  if (staged_is_poison(value) || staged_is_poison(like)) return staged_poison;
  bool one = is_leaf(value);
  if (!(one && spread) && staged_layout(value) != staged_layout(like)) {
    mistake(e, E0303, span, "%s must be %s, but this is %s", what, bundle_phrase(e, like),
            bundle_phrase(e, value));
    return staged_poison;
  }
  ValueList likes = {0}, given = {0}, fitted = {0};
  staged_leaves(e, like, &likes);
  if (!one) staged_leaves(e, value, &given);
  for (size_t i = 0; i < likes.count; i++) {
    Staged *leaf = one ? value : staged_tensor(e, given.data[i]);
    Value *fit = fit_leaf(e, leaf, likes.data[i]->type, spread, span, what);
    if (!fit) return staged_poison;
    VEC_PUSH(e->arena, &fitted, fit);
  }
  Value *const *next = fitted.data;
  return staged_rebuild(e, like, &next);
}
