// Hypergradient methods: what their names mean, and one run of the step block.
//
// Enters: a `method` item with arguments, and the state of a stage. Leaves: the new x, y and method
// states, the hypergradient (or a moved x), and the reports, which are evaluated later and only
// where they are wanted. `set` shadows: the environment is persistent, so closures keep the values
// they saw.
#include "build/program.h"
#include "evaluate/staging.h"

#include <string.h>

// ---- names inside a method

static Staged *native(Context *c, const char *name, NativeFunction function) {
  return staged_native(c->e, name, function, c);
}

static bool one_argument(const Call *call, const char *name, const char *form) {
  if (call->positional_count == 1 && !call->named_count) return true;
  Diagnostic *d = mistake(call->evaluator, E0304, call->span, "`%s` takes one argument", name);
  diagnostic_help(d, "write `%s`", form);
  return false;
}

static Staged *call_project_x(const Call *call, void *self) {
  Context *c = self;
  if (!one_argument(call, "project_x", "project_x(x)")) return staged_poison;
  Staged *x =
      bundle_argument(c, call->positional[0], &c->stage->upper, call->spans[0], "`project_x`");
  return project_level(c, c->stage, &c->stage->upper, NULL, x);
}

// `project_y(y)` is onto the sets of the step's x; `project_y(s, y)` is a function of s, too.
static Staged *call_project_y(const Call *call, void *self) {
  Context *c = self;
  Staged *x = c->method_state->x, *y = NULL;
  if (call->positional_count == 2) {
    if (!pair_arguments(c, call, "project_y", "project_y(x, y)", &x, &y)) return staged_poison;
    return project_level(c, c->stage, &c->stage->lower, x, y);
  }
  if (!one_argument(call, "project_y", "project_y(y)")) return staged_poison;
  y = bundle_argument(c, call->positional[0], &c->stage->lower, call->spans[0], "`project_y`");
  return project_level(c, c->stage, &c->stage->lower, x, y);
}

static Staged *call_start(const Call *call, void *self) {
  Context *c = self;
  if (!one_argument(call, "start", "start(x)")) return staged_poison;
  Staged *x = bundle_argument(c, call->positional[0], &c->stage->upper, call->spans[0], "`start`");
  if (staged_is_poison(x)) return x;
  return start_bundle(c, c->stage, &c->stage->lower, x, call->span);
}

static bool descend_options(Context *c, const Call *call, DescendOptions *options) {
  *options = (DescendOptions){0};
  for (int i = 0; i < call->named_count; i++) {
    const NamedArgument *argument = &call->named[i];
    if (strcmp(argument->name, "checkpoint") == 0) {
      options->checkpoint = argument->value->kind == STAGED_BOOL && argument->value->boolean;
      if (argument->value->kind == STAGED_BOOL) continue;
      mistake(c->e, E0303, argument->span,
              "`checkpoint` is true or false, known when the program "
              "is built");
      return false;
    }
    if (strcmp(argument->name, "last") == 0) {
      if (!static_dim(c->e, argument->value, &options->last, argument->span,
                      "the number of last steps") ||
          !dim_not_negative(c, options->last, argument->span, "the number of last steps"))
        return false;
      continue;
    }
    if (strcmp(argument->name, "x") == 0) {
      options->x =
          bundle_argument(c, argument->value, &c->stage->upper, argument->span, "`descend`");
      if (staged_is_poison(options->x)) return false;
      continue;
    }
    Diagnostic *d =
        mistake(c->e, E0304, argument->span, "`descend` has no parameter `%s`", argument->name);
    diagnostic_help(d, "it has `checkpoint`, `last` and `x`");
    return false;
  }
  return true;
}

static Staged *call_descend(const Call *call, void *self) {
  Context *c = self;
  DescendOptions options;
  if (!descend_options(c, call, &options)) return staged_poison;
  if (call->positional_count != 2) {
    Diagnostic *d =
        mistake(c->e, E0304, call->span, "`descend` takes a function and a point to start from");
    diagnostic_help(d, "write `descend(fn u -> f(x, u), y)`");
    return staged_poison;
  }
  Staged *function = call->positional[0];
  if (staged_is_poison(function)) return function;
  if (function->kind != STAGED_FUNCTION) {
    Diagnostic *d = mistake(c->e, E0303, call->spans[0], "`descend` wants a function, not %s",
                            staged_describe(c->e, function));
    diagnostic_help(d, "write `descend(fn u -> f(x, u), y)`");
    return staged_poison;
  }
  options.x = options.x ? options.x : c->method_state->x;
  return lower_descend(c, function, call->positional[1], &options, call->span);
}

static Staged *optimizer_name(Context *c, Instance *optimizer, const char *key, Span span) {
  if (optimizer) return optimizer_object(optimizer);
  Diagnostic *d = mistake(c->e, E0207, span, "the solve block has no `%s` optimizer", key);
  diagnostic_help(d, "write `%s = gd(step = 0.1);` there", key);
  return staged_poison;
}

Staged *method_name(Context *c, int implicit, Span span) {
  const State *state = c->method_state;
  if (!state) return NULL;
  switch (implicit) {
  case IMPLICIT_X:
    return state->x;
  case IMPLICIT_Y:
    return state->y;
  case IMPLICIT_UPPER_OBJECTIVE:
    return objective_function(c, true);
  case IMPLICIT_LOWER_OBJECTIVE:
    return objective_function(c, false);
  case IMPLICIT_T:
    return state->t ? staged_tensor(c->e, state->t) : NULL;
  case IMPLICIT_PROJECT_X:
    return native(c, "project_x", call_project_x);
  case IMPLICIT_PROJECT_Y:
    return native(c, "project_y", call_project_y);
  case IMPLICIT_DESCEND:
    return native(c, "descend", call_descend);
  case IMPLICIT_START:
    return native(c, "start", call_start);
  case IMPLICIT_LOWER_OPT:
    return optimizer_name(c, c->stage->lower_optimizer, "lower", span);
  case IMPLICIT_UPPER_OPT:
    return optimizer_name(c, c->stage->upper_optimizer, "upper", span);
  case IMPLICIT_CONSTRAINTS:
    return constraints_function(c);
  case IMPLICIT_PROJECT:
    return project_function(c);
  case IMPLICIT_CONE:
    return cone_function(c);
  case IMPLICIT_PROX_Y:
    return prox_y_function(c);
  default:
    return NULL;
  }
}

// ---- states

typedef struct Scope {
  State *state;
  Staged *bundles[3];
} Scope;

// Inside a method `lower`, `upper` and `constraints` as types mean this program's bundles.
static void enter_method(Context *c, State *state, Scope *saved) {
  saved->state = c->method_state;
  saved->bundles[0] = c->e->bundle_like[BUNDLE_LOWER];
  saved->bundles[1] = c->e->bundle_like[BUNDLE_UPPER];
  saved->bundles[2] = c->e->bundle_like[BUNDLE_CONSTRAINTS];
  c->method_state = state;
  c->e->bundle_like[BUNDLE_LOWER] = c->stage->lower.like;
  c->e->bundle_like[BUNDLE_UPPER] = c->stage->upper.like;
  c->e->bundle_like[BUNDLE_CONSTRAINTS] = constraints_like(c, c->stage);
}

static void leave_method(Context *c, const Scope *saved) {
  c->method_state = saved->state;
  c->e->bundle_like[BUNDLE_LOWER] = saved->bundles[0];
  c->e->bundle_like[BUNDLE_UPPER] = saved->bundles[1];
  c->e->bundle_like[BUNDLE_CONSTRAINTS] = saved->bundles[2];
}

static Staged *start_of_state(Context *c, const Node *node, const Environment *environment) {
  const Node *initial = node->as.state.initial;
  const char *what =
      arena_printf(c->build->arena, "the start value of the state `%s`", node->as.state.name.name);
  if (!node->as.state.type) {
    Staged *value = evaluate(c->e, initial, environment, NULL);
    if (staged_is_poison(value) || value->kind == STAGED_TREE) return value;
    bool number = value->kind == STAGED_INTEGER || value->kind == STAGED_REAL;
    Dtype dtype = value->kind == STAGED_BOOL ? DT_BOOL : c->e->real;
    if (!number && value->kind != STAGED_BOOL) return value;
    Value *scalar = scalar_value(c->e, value, dtype, initial->span, what);
    return scalar ? staged_tensor(c->e, scalar) : staged_poison;
  }
  const TypeSpec *spec = evaluate_type(c->e, node->as.state.type, environment);
  Staged *value = evaluate(c->e, initial, environment, spec);
  if (!spec || staged_is_poison(value)) return staged_poison;
  return coerce(c->e, value, spec, true, initial->span, what);
}

void method_start(Context *c, State *state) {
  Instance *method = c->stage->method;
  const NodeList *states = &method->node->as.method.states;
  state->method_count = (int)states->count;
  state->method = ARENA_ARRAY(c->build->arena, Staged *, states->count + 1);
  Scope saved;
  enter_method(c, state, &saved);
  const Environment *environment = instance_environment(method);
  Dynamic chosen;
  instance_enter(method, &chosen);
  for (size_t i = 0; i < states->count; i++) {
    const Node *node = states->data[i];
    state->method[i] = staged_poison;
    if (node->kind != NODE_STATE) continue;
    state->method[i] = start_of_state(c, node, environment);
    environment = environment_add(c->e, environment, node->as.state.binding, state->method[i]);
  }
  instance_leave(method, &chosen);
  leave_method(c, &saved);
}

// ---- the step block

static void run_report(Context *c, const Node *node, const Environment *environment,
                       MethodResult *result) {
  Deferred report = {.node = node,
                     .name = node->as.report.name.name,
                     .value = node->as.report.value,
                     .environment = environment,
                     .dynamic = c->e->dynamic,
                     .scope = c->method_state};
  VEC_PUSH(c->build->arena, &result->reports, report);
}

Staged *method_report(Context *c, const Deferred *report) {
  Scope saved;
  Dynamic dynamic = c->e->dynamic;
  enter_method(c, report->scope, &saved);
  c->e->dynamic = report->dynamic;
  bool in_report = c->e->in_report;
  c->e->in_report = true;
  Staged *value = evaluate(c->e, report->value, report->environment, NULL);
  c->e->in_report = in_report;
  c->e->dynamic = dynamic;
  leave_method(c, &saved);
  return value;
}

static bool pattern_sets(const Node *pattern, int implicit) {
  if (pattern->kind == PATTERN_NAME) {
    const Binding *binding = pattern->as.pattern_name.binding;
    return binding && binding->kind == BIND_IMPLICIT && binding->builtin == implicit;
  }
  if (pattern->kind != PATTERN_TUPLE) return false;
  for (size_t i = 0; i < pattern->as.pattern_tuple.items.count; i++)
    if (pattern_sets(pattern->as.pattern_tuple.items.data[i], implicit)) return true;
  return false;
}

bool method_moves_x(const Node *method) {
  for (size_t i = 0; i < method->as.method.steps.count; i++) {
    const Node *step = method->as.method.steps.data[i];
    if (step->kind == NODE_SET && pattern_sets(step->as.assign.pattern, IMPLICIT_X)) return true;
  }
  return false;
}

static void run_hypergradient(Context *c, const Node *node, const Environment *environment,
                              MethodResult *result) {
  if (result->hypergradient) {
    report(build_diagnostics(c->build), E0405, node->span, "a second hypergradient in one step");
    return;
  }
  const Node *value = node->as.hypergradient.value;
  Staged *given = evaluate(c->e, value, environment, NULL);
  // An expression may start from a plain 0 where a term is switched off.
  result->hypergradient =
      fit_like(c->e, given, c->stage->upper.like, false, value->span, "the hypergradient");
}

// The present value of an implicit name: the newest `set`, or the value at the beginning.
static Staged *present(const Environment *environment, int implicit, Staged *before, bool *set) {
  for (const Environment *at = environment; at; at = at->next) {
    if (at->binding->kind != BIND_IMPLICIT || at->binding->builtin != implicit) continue;
    if (set) *set = true;
    return at->value;
  }
  return before;
}

static bool check_moves(Context *c, const MethodResult *result) {
  const Node *node = c->stage->method->node;
  Diagnostics *diagnostics = build_diagnostics(c->build);
  const char *name = node->as.method.name.name;
  Span span = node->as.method.name.span;
  if (result->hypergradient && result->moves_x) {
    Diagnostic *d =
        report(diagnostics, E0405, span, "`%s` gives a hypergradient and sets x as well", name);
    diagnostic_help(d, "leave x to the upper optimizer, or move it here and give no hypergradient");
    return false;
  }
  if (result->hypergradient || result->moves_x) return true;
  Diagnostic *d =
      report(diagnostics, E0405, span, "`%s` gives no hypergradient and does not set x", name);
  diagnostic_help(
      d, "end the step with `hypergradient ...;`, or move the variables with `set x = ...;`");
  return false;
}

bool method_run(Context *c, const State *state, MethodResult *result) {
  Instance *method = c->stage->method;
  const Node *node = method->node;
  State *inside = ARENA_NEW(c->build->arena, State);
  *inside = *state;
  Scope saved;
  enter_method(c, inside, &saved);
  method->used = true;
  const Environment *environment = instance_environment(method);
  const NodeList *states = &node->as.method.states;
  for (size_t i = 0; i < states->count; i++)
    if (states->data[i]->kind == NODE_STATE)
      environment =
          environment_add(c->e, environment, states->data[i]->as.state.binding, state->method[i]);
  Dynamic chosen;
  instance_enter(method, &chosen);
  for (size_t i = 0; i < node->as.method.steps.count; i++) {
    const Node *step = node->as.method.steps.data[i];
    c->e->builder.span = step->span;
    if (run_move(c, step, &environment)) continue;
    if (step->kind == NODE_REPORT) run_report(c, step, environment, result);
    if (step->kind == NODE_HYPERGRADIENT) run_hypergradient(c, step, environment, result);
  }
  instance_leave(method, &chosen);
  result->states = ARENA_ARRAY(c->build->arena, Staged *, states->count + 1);
  for (size_t i = 0; i < states->count; i++)
    result->states[i] = states->data[i]->kind == NODE_STATE
                            ? environment_find(environment, states->data[i]->as.state.binding)
                            : staged_poison;
  result->x = present(environment, IMPLICIT_X, state->x, &result->moves_x);
  result->y = present(environment, IMPLICIT_Y, state->y, NULL);
  leave_method(c, &saved);
  return check_moves(c, result);
}

// ---- the lower variables as a function of the upper ones

typedef struct Needs {
  Map *bindings; // read by what is needed
  bool implicit[IMPLICIT_FILE + 1];
} Needs;

static void find_needs(void *self, Node *node) {
  Needs *needs = self;
  const Binding *binding = node->kind == EXPR_NAME ? node->as.name.binding : NULL;
  if (binding && binding->kind == BIND_IMPLICIT) needs->implicit[binding->builtin] = true;
  if (binding) map_put(needs->bindings, binding, (void *)(uintptr_t)binding);
  node_children(node, find_needs, self);
}

static bool binds_needed(const Needs *needs, const Node *pattern) {
  if (pattern->kind == PATTERN_TUPLE) {
    for (size_t i = 0; i < pattern->as.pattern_tuple.items.count; i++)
      if (binds_needed(needs, pattern->as.pattern_tuple.items.data[i])) return true;
    return false;
  }
  const Binding *binding = pattern->kind == PATTERN_NAME ? pattern->as.pattern_name.binding : NULL;
  if (!binding) return false;
  if (binding->kind == BIND_IMPLICIT) return binding->builtin == IMPLICIT_Y;
  return map_has(needs->bindings, binding);
}

// What of a step block is evaluated.
typedef struct Part {
  const NodeList *steps;
  Needs needs;
  bool *needed; // by statement
} Part;

// A condition is kept where everything it reads is there.
static bool can_ensure(Context *c, const Part *part, size_t index) {
  Needs own = {.bindings = map_create(c->build->arena)};
  node_children(part->steps->data[index], find_needs, &own);
  if (own.implicit[IMPLICIT_UPPER_OBJECTIVE]) return false;
  for (size_t i = 0; i < index; i++)
    if (!part->needed[i] && part->steps->data[i]->kind == NODE_LET &&
        binds_needed(&own, part->steps->data[i]->as.let.pattern))
      return false;
  return true;
}

static Part part_create(Context *c) {
  const NodeList *steps = &c->stage->method->node->as.method.steps;
  return (Part){.steps = steps,
                .needs = {.bindings = map_create(c->build->arena)},
                .needed = ARENA_ARRAY(c->build->arena, bool, steps->count + 1)};
}

// Marks the statements before `end` that `y` there comes from, and what else is needed.
static void mark_needed(Part *part, size_t end) {
  for (size_t i = end; i > 0; i--) {
    const Node *step = part->steps->data[i - 1];
    part->needed[i - 1] =
        (step->kind == NODE_LET && binds_needed(&part->needs, step->as.let.pattern)) ||
        (step->kind == NODE_SET && binds_needed(&part->needs, step->as.assign.pattern));
    if (part->needed[i - 1]) find_needs(&part->needs, (Node *)(uintptr_t)step);
  }
}

// What `y`, and a state where one is wanted, come from at the end of the block. Reports say nothing
// of conditions that the solve itself has.
static Part solving_part(Context *c, const Binding *state) {
  Part part = part_create(c);
  if (state) map_put(part.needs.bindings, state, (void *)(uintptr_t)state);
  mark_needed(&part, part.steps->count);
  for (size_t i = 0; i < part.steps->count && !c->e->in_report; i++)
    part.needed[i] |= part.steps->data[i]->kind == NODE_ENSURE && can_ensure(c, &part, i);
  return part;
}

// What the reports come from, and the conditions that a solve leaves out.
static Part reporting_part(Context *c) {
  Part part = part_create(c), solving = solving_part(c, NULL);
  for (size_t i = 0; i < part.steps->count; i++) {
    Node *step = (Node *)(uintptr_t)part.steps->data[i];
    bool left_out = step->kind == NODE_ENSURE && !can_ensure(c, &solving, i);
    if (step->kind != NODE_REPORT && !left_out) continue;
    Part own = part_create(c);
    node_children(step, find_needs, &own.needs);
    mark_needed(&own, i);
    for (size_t k = 0; k < i; k++) part.needed[k] |= own.needed[k];
    part.needed[i] = true;
  }
  for (size_t i = 0; i < part.steps->count; i++)
    if (part.needed[i]) find_needs(&part.needs, (Node *)(uintptr_t)part.steps->data[i]);
  return part;
}

static Staged *no_solution(Context *c, const char *format) {
  const Instance *method = c->stage->method;
  Diagnostic *d =
      report(build_diagnostics(c->build), E0420, method->span, format, instance_name(method));
  diagnostic_help(d, "a level below others is solved by a method whose step ends in "
                     "`set y = ...`, like implicit or unroll");
  return staged_poison;
}

static bool same_values(Evaluator *e, const Staged *a, const Staged *b) {
  ValueList left = {0}, right = {0};
  staged_leaves(e, a, &left);
  staged_leaves(e, b, &right);
  for (size_t i = 0; i < left.count; i++)
    if (left.data[i] != right.data[i]) return false;
  return true;
}

// A step that starts at (x, y), as far as `part` goes; its last names. `reports` takes those it
// meets.
static const Environment *run_part(Context *c, const Part *part, Staged *x, Staged *y,
                                   MethodReports *reports) {
  Instance *method = c->stage->method;
  const NodeList *states = &method->node->as.method.states;
  State *inside = ARENA_NEW(c->build->arena, State);
  *inside = (State){.x = x, .y = y, .t = c->t ? c->t : scalar_int(c, 0)};
  Scope saved;
  enter_method(c, inside, &saved);
  method->used = true;
  const Environment *environment = instance_environment(method);
  for (size_t i = 0; i < states->count; i++) {
    const Node *node = states->data[i];
    if (node->kind == NODE_STATE && map_has(part->needs.bindings, node->as.state.binding))
      environment = environment_add(c->e, environment, node->as.state.binding,
                                    start_of_state(c, node, environment));
  }
  Dynamic chosen;
  instance_enter(method, &chosen);
  for (size_t i = 0; i < part->steps->count; i++) {
    const Node *step = part->steps->data[i];
    c->e->builder.span = step->span;
    if (!part->needed[i] || run_move(c, step, &environment) || step->kind != NODE_REPORT) continue;
    MethodReport report = {step, evaluate(c->e, step->as.report.value, environment, NULL)};
    VEC_PUSH(c->build->arena, &reports->list, report);
  }
  instance_leave(method, &chosen);
  leave_method(c, &saved);
  return environment;
}

// What a step leaves that starts at (x, y): the lower variables, or the state `wanted`.
static Staged *step_leaves(Context *c, Staged *x, Staged *y, const Binding *wanted) {
  Part part = solving_part(c, wanted);
  if (part.needs.implicit[IMPLICIT_UPPER_OBJECTIVE])
    return no_solution(c, "the lower variables that `%s` gives depend on the upper objective");
  const Environment *environment = run_part(c, &part, x, y, NULL);
  return wanted ? environment_find(environment, wanted) : present(environment, IMPLICIT_Y, y, NULL);
}

bool method_judges_upper(Context *c, Stage *stage) {
  Stage *before = c->stage;
  c->stage = stage;
  Part part = reporting_part(c);
  c->stage = before;
  return part.needs.implicit[IMPLICIT_UPPER_OBJECTIVE];
}

void method_reports_below(Context *c, Staged *x, Staged *y, MethodReports *reports) {
  Part part = reporting_part(c);
  run_part(c, &part, x, y, reports);
}

Staged *method_solution(Context *c, Staged *x, Staged *y) {
  Staged *solved = step_leaves(c, x, y, NULL);
  if (staged_is_poison(solved) || !same_values(c->e, solved, y)) return solved;
  return no_solution(c, "a step of `%s` leaves the lower variables where they are");
}

const Binding *method_dual(const Node *method) {
  for (size_t i = 0; method && i < method->as.method.states.count; i++) {
    const Node *node = method->as.method.states.data[i];
    if (node->kind == NODE_STATE && strcmp(node->as.state.name.name, "dual") == 0)
      return node->as.state.binding;
  }
  return NULL;
}

Staged *method_multipliers(Context *c, Staged *x, Staged *y) {
  const Binding *dual = method_dual(c->stage->method->node);
  return dual ? step_leaves(c, x, y, dual) : NULL;
}

// ---- what a method mentions

typedef struct Mention {
  int name;
  bool found;
} Mention;

static void find_mention(void *self, Node *node) {
  Mention *mention = self;
  const Binding *binding = node->kind == EXPR_NAME ? node->as.name.binding : NULL;
  mention->found |= binding && binding->kind == BIND_IMPLICIT && binding->builtin == mention->name;
  node_children(node, find_mention, self);
}

bool method_mentions(const Node *method, int implicit) {
  Mention mention = {.name = implicit};
  node_children((Node *)(uintptr_t)method, find_mention, &mention);
  return mention.found;
}

bool method_descends(const Stage *stage) {
  const Node *method = stage->method ? stage->method->node : NULL;
  return !method || method_mentions(method, IMPLICIT_DESCEND) ||
         method_mentions(method, IMPLICIT_LOWER_OPT);
}

// ---- what a method accepts

static bool word_is(const Ident *ident, const char *word) {
  return (!ident->name && !word) || (ident->name && word && strcmp(ident->name, word) == 0);
}

bool method_accepts(const Node *method, const char *first, const char *second) {
  for (size_t i = 0; i < method->as.method.traits.count; i++) {
    const Node *trait = method->as.method.traits.data[i];
    if (trait->kind != PART_TRAIT) continue;
    if (word_is(&trait->as.trait.first, first) && word_is(&trait->as.trait.second, second))
      return true;
  }
  return false;
}

enum { NAMED_METHODS = 3, SAME_FAMILY = 2 };

// Whether nothing that the stage declares rules the method out.
static bool method_takes(const Stage *stage, const Node *method) {
  const Level *lower = &stage->lower;
  for (size_t i = 0; i < lower->constraints.count; i++) {
    bool equality = constraint_is_equality(lower->constraints.data[i]);
    if (!method_accepts(method, equality ? "equality" : "coupled", "constraints")) return false;
  }
  if (lower->proxes.count && !method_accepts(method, "nonsmooth", "lower")) return false;
  if (level_has_sets(lower) && !method_accepts(method, "projected", "lower")) return false;
  if (stage->upper.updates.count && !method_accepts(method, "discrete", "upper")) return false;
  return !stage->above || method_accepts(method, "levels", NULL);
}

// How near a method is to the one that was asked for: what both accept; one that stands in the same
// file is of its family.
static int method_nearness(const Node *method, const Node *wanted) {
  int near = 0;
  if (!wanted) return near;
  for (size_t i = 0; i < method->as.method.traits.count; i++) {
    const Node *trait = method->as.method.traits.data[i];
    if (trait->kind == PART_TRAIT)
      near += method_accepts(wanted, trait->as.trait.first.name, trait->as.trait.second.name);
  }
  return near + (method->span.source == wanted->span.source ? SAME_FAMILY : 0);
}

// The nearest first; of equally near ones in the order of the library.
static void insert_method(const Node **best, int *nearness, const Node *method, int near) {
  int at = NAMED_METHODS;
  while (at > 0 && (!best[at - 1] || nearness[at - 1] < near)) at--;
  for (int i = NAMED_METHODS - 1; i > at; i--) {
    best[i] = best[i - 1];
    nearness[i] = nearness[i - 1];
  }
  if (at == NAMED_METHODS) return;
  best[at] = method;
  nearness[at] = near;
}

const char *methods_that_accept(Context *c, const char *first, const char *second) {
  const NodeList *files = &c->build->program->files;
  const Node *wanted = c->stage && c->stage->method ? c->stage->method->node : NULL;
  const Node *best[NAMED_METHODS] = {NULL};
  int nearness[NAMED_METHODS], count = 0;
  for (size_t i = 0; i < files->count; i++)
    for (size_t k = 0; k < files->data[i]->as.file.items.count; k++) {
      const Node *item = files->data[i]->as.file.items.data[k];
      if (item->kind != ITEM_METHOD || !method_accepts(item, first, second)) continue;
      if (c->stage && !method_takes(c->stage, item)) continue;
      insert_method(best, nearness, item, method_nearness(item, wanted));
      count++;
    }
  TextBuffer list = text_buffer(c->build->arena);
  for (int i = 0; i < NAMED_METHODS && best[i]; i++)
    text_addf(&list, "%s%s", i ? ", " : "", best[i]->as.method.name.name);
  if (count > NAMED_METHODS) text_add(&list, " and others");
  return count ? text_string(&list) : NULL;
}

void method_refuse(Context *c, const char *what, Span span, const char *label, const char *first,
                   const char *second) {
  const Instance *method = c->stage->method;
  Diagnostic *d = report(build_diagnostics(c->build), E0420, method->span,
                         "`%s` does not accept %s", instance_name(method), what);
  diagnostic_label(d, span, "%s", label);
  const char *others = methods_that_accept(c, first, second);
  if (others)
    diagnostic_help(d, "methods that do: %s", others);
  else
    diagnostic_help(d, "no method of the library accepts all that this problem has");
}

// Inequalities and equalities are asked for one by one.
static bool check_constraints(Context *c) {
  const Level *level = &c->stage->lower;
  const Node *method = c->stage->method->node;
  for (size_t i = 0; i < level->constraints.count; i++) {
    const Node *clause = level->constraints.data[i];
    bool equality = constraint_is_equality(clause);
    const char *word = equality ? "equality" : "coupled";
    if (method_accepts(method, word, "constraints")) continue;
    method_refuse(c, equality ? "equality constraints of the lower level" : "lower constraints",
                  clause->span, "a constraint of the lower level", word, "constraints");
    return false;
  }
  return true;
}

static bool check_clauses(Context *c) {
  Stage *stage = c->stage;
  const Node *method = stage->method->node;
  bool ok = check_constraints(c);
  if (stage->lower.proxes.count && !method_accepts(method, "nonsmooth", "lower")) {
    method_refuse(c, "a prox term of the lower level", stage->lower.proxes.data[0]->span,
                  "it has no derivative", "nonsmooth", "lower");
    ok = false;
  }
  if (stage->upper.updates.count && !method_accepts(method, "discrete", "upper")) {
    method_refuse(c, "an upper variable that is moved by a formula",
                  stage->upper.updates.data[0]->span, "it moves the variable", "discrete", "upper");
    ok = false;
  }
  return ok;
}

bool method_check_traits(Context *c) {
  Stage *stage = c->stage;
  const Node *method = stage->method->node;
  bool ok = check_clauses(c);
  if (stage->above && !method_accepts(method, "levels", NULL)) {
    bool family = stage->family != NULL;
    method_refuse(c, family ? "families" : "more than one lower level", stage->lower.node->span,
                  family ? "one lower problem per row: its solution is a function of what is above"
                         : "its solution is a function of what is above",
                  "levels", NULL);
    ok = false;
  }
  if (level_has_sets(&stage->lower) && !method_accepts(method, "projected", "lower")) {
    const LevelVariable *variable = stage->lower.variables.data;
    while (!variable->node->as.var.set) variable++;
    const char *what =
        arena_printf(c->build->arena, "a lower variable in a set (`%s`)", variable->name);
    method_refuse(c, what, variable->node->as.var.set->span, "it may not leave this set",
                  "projected", "lower");
    ok = false;
  }
  return ok;
}
