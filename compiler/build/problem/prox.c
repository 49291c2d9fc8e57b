// Nonsmooth terms: `prox w: l1(lambda);` as values and proximal maps.
//
// Enters: the `prox` clauses of a level and a point. Leaves: the sum of their values, and the
// proximal map of the level: `prox(z, step)` of the term where a variable has one, the projection
// on its set where it has that. Parameters of a term may use upper variables.
#include "build/program.h"
#include "evaluate/staging.h"

#include <string.h>

// ---- the functions of a set

typedef struct Term {
  Instance *set;
  const Node *function;
  const Environment *environment;
} Term;

static bool term_open(Context *c, const Node *clause, const char *name, size_t names, Term *term) {
  const Node *written = clause->as.prox.value;
  term->set = instance_create(c, written, NULL, BIND_SET, NULL);
  if (!term->set) return false;
  term->function = set_function(term->set->node, name);
  if (!term->function || term->function->as.set_function.names.count != names) {
    Diagnostic *d =
        report(build_diagnostics(c->build), E0204, written->span,
               "`%s` is no term for `prox`: it has no `%s`", term->set->node->as.set.name.name,
               names == 1 ? "value(z)" : "prox(z, step)");
    diagnostic_help(d, "a term is a set with `value(z)` and `prox(z, step)`, like l1");
    return false;
  }
  term->environment = instance_environment(term->set);
  return true;
}

static Staged *term_call(Context *c, const Term *term, Staged *const *arguments, int count) {
  const Environment *environment = term->environment;
  for (int i = 0; i < count; i++)
    environment = environment_add(c->e, environment, term->function->as.set_function.bindings[i],
                                  arguments[i]);
  Dynamic saved;
  instance_enter(term->set, &saved);
  Staged *value = evaluate(c->e, term->function->as.set_function.body, environment, NULL);
  instance_leave(term->set, &saved);
  return value;
}

const Node *variable_prox(const Level *level, size_t index) {
  for (size_t i = 0; i < level->proxes.count; i++)
    if (level->proxes.data[i]->as.prox.target == level->variables.data[index].node->as.var.binding)
      return level->proxes.data[i];
  return NULL;
}

// ---- values

static Staged *term_value(Context *c, const Node *clause, Staged *variable, Staged *sum) {
  Term term;
  if (!term_open(c, clause, "value", 1, &term)) return staged_poison;
  ValueList leaves = {0};
  staged_leaves(c->e, variable, &leaves);
  for (size_t i = 0; i < leaves.count && !staged_is_poison(sum); i++) {
    Staged *leaf = staged_tensor(c->e, leaves.data[i]);
    Staged *value = term_call(c, &term, &leaf, 1);
    bool scalar = staged_is_number(value) || staged_is_scalar_tensor(value);
    if (!scalar && !staged_is_poison(value)) {
      report(build_diagnostics(c->build), E0303, clause->span,
             "the value of a prox term is one real number; this is %s",
             staged_describe(c->e, value));
      return staged_poison;
    }
    sum = operate_binary(c->e, BIN_ADD, sum, value, clause->span);
  }
  return sum;
}

Staged *prox_value(Context *c, Stage *stage, const Level *level, Staged *x, Staged *y,
                   Staged *objective) {
  if (!level->proxes.count || staged_is_poison(objective)) return objective;
  Staged *bundle = level == &stage->upper ? x : y, *sum = objective;
  Point *point = point_open(c, stage, x, y);
  for (size_t i = 0; i < level->variables.count && !staged_is_poison(sum); i++) {
    const Node *clause = variable_prox(level, i);
    if (clause) sum = term_value(c, clause, level_part(level, bundle, i), sum);
  }
  point_close(c, point);
  return sum;
}

// ---- the proximal map

static Staged *term_prox(Context *c, const Node *clause, Staged *variable, Staged *step) {
  Term term;
  if (!term_open(c, clause, "prox", 2, &term)) return staged_poison;
  ValueList leaves = {0}, moved = {0};
  staged_leaves(c->e, variable, &leaves);
  for (size_t i = 0; i < leaves.count; i++) {
    Staged *arguments[] = {staged_tensor(c->e, leaves.data[i]), step};
    Staged *value = term_call(c, &term, arguments, 2);
    value = fit_like(c->e, value, arguments[0], true, clause->span, "the proximal map");
    if (staged_is_poison(value)) return value;
    VEC_PUSH(c->build->arena, &moved, value->tensor);
  }
  Value *const *next = moved.data;
  return staged_rebuild(c->e, variable, &next);
}

Staged *prox_level(Context *c, Stage *stage, const Level *level, Staged *x, Staged *bundle,
                   Staged *step) {
  if (stage->sample || staged_is_poison(bundle)) return bundle;
  if (!level->proxes.count) return project_level(c, stage, level, x, bundle);
  size_t count = level->variables.count;
  Staged **values = ARENA_ARRAY(c->build->arena, Staged *, count + 1);
  Point *point = point_open(c, stage, level == &stage->upper ? NULL : x, NULL);
  bool ok = true;
  for (size_t i = 0; i < count && ok; i++) {
    const Node *clause = variable_prox(level, i);
    values[i] = level_part(level, bundle, i);
    point->kept_by = clause;
    if (clause) values[i] = term_prox(c, clause, values[i], step);
    ok = !staged_is_poison(values[i]);
  }
  point_close(c, point);
  return ok ? project_level(c, stage, level, x, level_bundle(c, level, values)) : staged_poison;
}

// ---- prox_y in methods

static Staged *call_prox_y(const Call *call, void *self) {
  Context *c = self;
  Staged *x, *y;
  if (call->positional_count != 3 || call->named_count) {
    Diagnostic *d =
        mistake(c->e, E0304, call->span, "`prox_y` takes the upper variables, a point and a step");
    diagnostic_help(d, "write `prox_y(x, y - step * grad(fn w -> f(x, w), y), step)`");
    return staged_poison;
  }
  if (!pair_bundles(c, call, "`prox_y`", &x, &y)) return staged_poison;
  return prox_level(c, c->stage, &c->stage->lower, x, y, call->positional[2]);
}

Staged *prox_y_function(Context *c) {
  return staged_native(c->e, "prox_y", call_prox_y, c);
}

// ---- clauses of a level

bool prox_check(Context *c, const Level *level) {
  bool ok = true;
  for (size_t i = 0; i < level->proxes.count; i++) {
    const Node *clause = level->proxes.data[i];
    const Node *variable = clause->as.prox.target ? clause->as.prox.target->node : NULL;
    if (!variable) return false;
    for (size_t k = 0; k < i; k++) {
      if (level->proxes.data[k]->as.prox.target != clause->as.prox.target) continue;
      Diagnostic *d = report(build_diagnostics(c->build), E0202, clause->span,
                             "`%s` has a second prox term", clause->as.prox.name.name);
      diagnostic_label(d, level->proxes.data[k]->span, "the first is here");
      diagnostic_help(d, "the proximal map of a sum is a set of its own, like elastic_net");
      ok = false;
    }
    if (!variable->as.var.set) continue;
    Diagnostic *d = report(build_diagnostics(c->build), E0207, clause->span,
                           "`%s` has a set and a prox term", clause->as.prox.name.name);
    diagnostic_label(d, variable->as.var.set->span, "the set");
    diagnostic_help(d, "the proximal map of both together is a set of its own, with `value` and "
                       "`prox`");
    ok = false;
  }
  return ok;
}
