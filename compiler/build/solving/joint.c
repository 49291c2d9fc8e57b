// Solvers that a solve block names for constraints: `joint = dykstra(..)` behind `project(x, y)`,
// `constraints = quadratic_penalty(..)` for constraints of the upper level.
//
// Enters: a function of the library with the settings given by name. Leaves: calls of it on plain
// vectors, so that such a solver is written for `real[n]` and knows nothing of levels.
#include "build/program.h"
#include "evaluate/staging.h"

// ---- the settings

static Staged *setting_function(Context *c, const char *key) {
  Setting *setting = settings_find(&c->stage->settings, key);
  if (!setting) return NULL;
  Staged *value = evaluate(c->e, setting->value, setting->environment, NULL);
  if (staged_is_poison(value) || value->kind == STAGED_FUNCTION) return value;
  report(build_diagnostics(c->build), E0303, setting->value->span, "`%s` is a function; this is %s",
         key, staged_describe(c->e, value));
  return staged_poison;
}

// ---- the sets and constraints as functions of one vector z = (x, y)

static Staged *pair_like(Context *c) {
  Staged *parts[] = {c->stage->upper.like, c->stage->lower.like};
  return staged_tuple(c->e, parts, 2);
}

static Staged *vector(Context *c, Staged *bundle) {
  return staged_is_poison(bundle) ? bundle : staged_tensor(c->e, bundle_flatten(c, bundle));
}

static Staged *project_pair(Context *c, Staged *x, Staged *y) {
  x = project_level(c, c->stage, &c->stage->upper, NULL, x);
  y = project_level(c, c->stage, &c->stage->lower, x, y);
  if (staged_is_poison(x) || staged_is_poison(y)) return staged_poison;
  Staged *parts[] = {x, y};
  return staged_tuple(c->e, parts, 2);
}

static Staged *call_sets(const Call *call, void *self) {
  Context *c = self;
  Staged *z = bundle_unflatten(c, call->positional[0]->tensor, pair_like(c));
  return vector(c, project_pair(c, z->tree.children[0], z->tree.children[1]));
}

static Staged *call_values(const Call *call, void *self) {
  Context *c = self;
  Staged *z = bundle_unflatten(c, call->positional[0]->tensor, pair_like(c));
  return vector(c, constraints_at(c, c->stage, &c->stage->lower, z->tree.children[0],
                                  z->tree.children[1], call->span));
}

static Staged *call_cut(const Call *call, void *self) {
  Context *c = self;
  Staged *m = bundle_unflatten(c, call->positional[0]->tensor, constraints_like(c, c->stage));
  return vector(c, constraints_cone(c, m));
}

// ---- project(x, y)

static Staged *missing_joint(Context *c, Span span) {
  Diagnostic *d = report(build_diagnostics(c->build), E0204, c->stage->method->span,
                         "`%s` projects x and y together, but the solve block has no `joint`",
                         instance_name(c->stage->method));
  diagnostic_label(d, span, "here it projects");
  diagnostic_help(d,
                  "write `joint = semismooth();` or `joint = dykstra(tol = 1e-8, iters = 200);`");
  return staged_poison;
}

static Staged *project_joint(Context *c, Staged *x, Staged *y, Span span) {
  Staged *pair = project_pair(c, x, y);
  if (c->stage->sample || !c->stage->lower.constraints.count) return pair;
  Staged *solver = setting_function(c, "joint");
  if (!solver) return missing_joint(c, span);
  Staged *like = constraints_like(c, c->stage);
  if (staged_is_poison(solver) || staged_is_poison(like)) return staged_poison;
  Staged *given[] = {x, y};
  Staged *arguments[] = {
      staged_native(c->e, "project", call_sets, c), staged_native(c->e, "g", call_values, c),
      staged_native(c->e, "cone", call_cut, c), vector(c, staged_tuple(c->e, given, 2)),
      vector(c, splat_like(c->e, like, 0.0))};
  Staged *moved = apply(c->e, solver, arguments, 5, span);
  if (staged_is_poison(moved)) return moved;
  if (moved->kind == STAGED_TENSOR && moved->tensor->type == arguments[3]->tensor->type)
    return bundle_unflatten(c, moved->tensor, pair);
  report(build_diagnostics(c->build), E0303, settings_find(&c->stage->settings, "joint")->span,
         "the solver of a joint projection gives %s, wanted is %s", staged_describe(c->e, moved),
         staged_describe(c->e, arguments[3]));
  return staged_poison;
}

static Staged *call_project(const Call *call, void *self) {
  Context *c = self;
  Staged *x, *y;
  if (!pair_arguments(c, call, "project", "project(x, y)", &x, &y)) return staged_poison;
  return project_joint(c, x, y, call->span);
}

Staged *project_function(Context *c) {
  return staged_native(c->e, "project", call_project, c);
}

// ---- constraints of the upper level

// 1 where a constraint is an equality.
static Staged *equality_marks(Context *c, const Level *level, Staged *values) {
  ValueList leaves = {0}, marks = {0};
  staged_leaves(c->e, values, &leaves);
  for (size_t i = 0; i < leaves.count; i++) {
    const Type *type = leaves.data[i]->type;
    double mark = constraint_is_equality(level->constraints.data[i]) ? 1.0 : 0.0;
    Value *one = ir_real(&c->e->builder, scalar_type(c, type->dtype), mark);
    VEC_PUSH(c->build->arena, &marks, ir_broadcast_suffix(&c->e->builder, one, type));
  }
  Value *const *next = marks.data;
  return vector(c, staged_rebuild(c->e, values, &next));
}

Staged *merit_value(Context *c, Stage *stage, Staged *x, Staged *y, Span span) {
  const Level *level = &stage->upper;
  Staged *value = objective_value(c, stage, level, x, y, span);
  if (stage->sample || !level->constraints.count || staged_is_poison(value)) return value;
  Stage *before = c->stage;
  c->stage = stage;
  Staged *function = setting_function(c, "constraints");
  Staged *values = constraints_at(c, stage, level, x, y, span);
  Staged *term = staged_poison;
  if (function && !staged_is_poison(function) && !staged_is_poison(values)) {
    Staged *arguments[] = {vector(c, values), equality_marks(c, level, values)};
    term =
        apply(c->e, function, arguments, 2, settings_find(&stage->settings, "constraints")->span);
  }
  c->stage = before;
  return staged_is_poison(term) ? term : operate_binary(c->e, BIN_ADD, value, term, span);
}

bool joint_check(Context *c) {
  const Level *upper = &c->stage->upper;
  bool given = settings_find(&c->stage->settings, "constraints") != NULL;
  if (!upper->constraints.count || given) return true;
  Diagnostic *d = report(build_diagnostics(c->build), E0204, c->stage->solve->span,
                         "the solve block does not say how the constraints of the upper level are "
                         "kept");
  diagnostic_label(d, upper->constraints.data[0]->span, "a constraint of the upper level");
  diagnostic_help(d, "write `constraints = quadratic_penalty(weight = 10.0);` or "
                     "`constraints = log_barrier(weight = 0.01);`");
  return false;
}
