// Sets of level variables: projection leaf by leaf.
//
// Enters: `var w: f64[d] in box(0.0, 1.0)`, whose arguments may use what stands above the level,
// and the values x of that. Leaves: the bundle with `project` of the set applied to every leaf of
// every variable that has one: a function of the bundle and of x.
#include "build/program.h"

#include <string.h>

bool level_has_sets(const Level *level) {
  for (size_t i = 0; i < level->variables.count; i++)
    if (level->variables.data[i].node->as.var.set) return true;
  return false;
}

const Node *set_function(const Node *set, const char *name) {
  for (size_t i = 0; i < set->as.set.functions.count; i++) {
    const Node *function = set->as.set.functions.data[i];
    if (function->kind == PART_SET_FUNCTION &&
        strcmp(function->as.set_function.name.name, name) == 0)
      return function;
  }
  return NULL;
}

typedef struct Projection {
  Context *context;
  Instance *set;
  const Node *function;
  const Environment *environment;
} Projection;

static Staged *project_leaf(const Projection *p, Staged *leaf, Span span) {
  Evaluator *e = p->context->e;
  const Node *function = p->function;
  const Environment *environment =
      environment_add(e, p->environment, function->as.set_function.bindings[0], leaf);
  Staged *value = evaluate(e, function->as.set_function.body, environment, NULL);
  const char *what = arena_printf(p->context->build->arena, "the projection on `%s`",
                                  p->set->node->as.set.name.name);
  return fit_like(e, value, leaf, true, span, what);
}

static Staged *project_variable(Context *c, const LevelVariable *variable, Staged *value) {
  const Node *written = variable->node->as.var.set;
  Instance *set = instance_create(c, written, NULL, BIND_SET, NULL);
  if (!set) return staged_poison;
  const Node *function = set_function(set->node, "project");
  if (!function || function->as.set_function.names.count != 1) {
    report(build_diagnostics(c->build), E0204, written->span, "the set `%s` has no `project(z)`",
           set->node->as.set.name.name);
    return staged_poison;
  }
  Projection p = {c, set, function, instance_environment(set)};
  ValueList leaves = {0}, projected = {0};
  staged_leaves(c->e, value, &leaves);
  Dynamic saved;
  instance_enter(set, &saved);
  bool ok = true;
  for (size_t i = 0; i < leaves.count && ok; i++) {
    Staged *leaf = project_leaf(&p, staged_tensor(c->e, leaves.data[i]), written->span);
    ok = !staged_is_poison(leaf);
    if (ok) VEC_PUSH(c->build->arena, &projected, leaf->tensor);
  }
  instance_leave(set, &saved);
  if (!ok) return staged_poison;
  Value *const *next = projected.data;
  return staged_rebuild(c->e, value, &next);
}

Staged *project_level(Context *c, Stage *stage, const Level *level, Staged *x, Staged *bundle) {
  if (stage->sample || staged_is_poison(bundle) || !level_has_sets(level)) return bundle;
  size_t count = level->variables.count;
  Staged **values = ARENA_ARRAY(c->build->arena, Staged *, count + 1);
  Point *point = point_open(c, stage, level == &stage->upper ? NULL : x, NULL);
  bool ok = true;
  for (size_t i = 0; i < count && ok; i++) {
    const LevelVariable *variable = &level->variables.data[i];
    values[i] = level_part(level, bundle, i);
    point->kept_by = variable->node;
    if (variable->node->as.var.set) values[i] = project_variable(c, variable, values[i]);
    ok = !staged_is_poison(values[i]);
  }
  point_close(c, point);
  return ok ? level_bundle(c, level, values) : staged_poison;
}
