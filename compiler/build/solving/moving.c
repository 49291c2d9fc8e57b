// What an optimizer may ask of the level that it moves: `objective(z)`, `prox(z, step)`,
// `project(z)`.
//
// Enters: the function whose gradient the update is given, and the draws of that gradient. Leaves:
// these three as functions on what the update sees: all variables, or those of one parameter group
// while the others stay where they are. A wrapper's inner optimizer sees what the wrapper sees.
#include "build/program.h"
#include "evaluate/staging.h"

static bool takes(Context *c, const Call *call, const char *name, int count, const char *example) {
  if (call->positional_count == count && !call->named_count) {
    for (int i = 0; i < count; i++)
      if (staged_is_poison(call->positional[i])) return false;
    return true;
  }
  Diagnostic *d = mistake(c->e, E0304, call->span, "`%s` takes %s", name,
                          count == 2 ? "a point and a step" : "a point");
  diagnostic_help(d, "write `%s`", example);
  return false;
}

// The level's variables that `z` stands for; POISON after a report.
static Staged *whole_of(Context *c, Staged *z, Span span, const char *who) {
  if (c->moving.part) z = part_widen(c, c->moving.part, z);
  return bundle_argument(c, z, c->moving.level, span, who);
}

static Staged *narrowed(Context *c, Staged *whole) {
  if (!c->moving.part || staged_is_poison(whole)) return whole;
  return part_narrow(c, c->moving.part, whole);
}

// ---- objective

// (1 + |z|^2) stands for any function while a definition is checked.
static Staged *sample_function(Context *c, Staged *z, Span span) {
  return operate_binary(c->e, BIN_ADD, operate_dot(c->e, z, z, span), staged_int(c->e, 1), span);
}

static Staged *call_objective(const Call *call, void *self) {
  Context *c = self;
  Evaluator *e = c->e;
  if (!takes(c, call, "objective", 1, "objective(z)")) return staged_poison;
  if (c->stage->sample) return sample_function(c, call->positional[0], call->span);
  Staged *z = whole_of(c, call->positional[0], call->spans[0], "`objective`");
  if (staged_is_poison(z)) return z;
  Dynamic dynamic = e->dynamic;
  e->dynamic = c->moving.dynamic;
  e->dynamic.depth = dynamic.depth;
  e->dynamic.calls = dynamic.calls;
  Staged *value = apply(e, c->moving.function, &z, 1, call->span);
  e->dynamic = dynamic;
  return value;
}

Staged *descended_function(Context *c, Span span) {
  if (c->stage->sample || c->moving.function)
    return staged_native(c->e, "objective", call_objective, c);
  Diagnostic *d = mistake(c->e, E0207, span, "`objective` has no meaning here: %s",
                          c->moving.level ? c->moving.why : "it belongs to `update(z, g, t)`");
  if (c->moving.level)
    diagnostic_help(d, "choose an optimizer that needs gradients alone, with a step size that is a "
                       "number or a schedule");
  return staged_poison;
}

// ---- prox and project

static Staged *call_prox(const Call *call, void *self) {
  Context *c = self;
  c->moving.applied = true;
  if (!takes(c, call, "prox", 2, "prox(z - step * g, step)")) return staged_poison;
  const Level *level = c->moving.level;
  if (!level || c->stage->sample) return call->positional[0];
  Staged *z = whole_of(c, call->positional[0], call->spans[0], "`prox`");
  return narrowed(c, prox_level(c, c->stage, level, c->moving.x, z, call->positional[1]));
}

Staged *prox_function(Context *c) {
  return staged_native(c->e, "prox", call_prox, c);
}

static Staged *call_project(const Call *call, void *self) {
  Context *c = self;
  if (!takes(c, call, "project", 1, "project(z - step * g)")) return staged_poison;
  const Level *level = c->moving.level;
  if (!level || c->stage->sample) return call->positional[0];
  Staged *z = whole_of(c, call->positional[0], call->spans[0], "`project`");
  return narrowed(c, project_level(c, c->stage, level, c->moving.x, z));
}

Staged *project_moved_function(Context *c) {
  return staged_native(c->e, "project", call_project, c);
}

// ---- around an update

Moving moving_enter(Context *c, const Level *level, Staged *x, Staged *function, const char *why) {
  Moving saved = c->moving;
  c->moving =
      (Moving){.level = level, .x = x, .function = function, .why = why, .dynamic = c->e->dynamic};
  return saved;
}

void moving_leave(Context *c, Moving saved, const Instance *optimizer) {
  const Level *level = c->moving.level;
  bool ignored = level->proxes.count && !c->moving.applied;
  c->moving = saved;
  if (!ignored || c->stage->sample) return;
  Span anywhere = optimizer->span;
  if (diagnostics_count_code(build_diagnostics(c->build), E0420, anywhere)) return;
  Diagnostic *d = report(build_diagnostics(c->build), E0420, optimizer->span,
                         "`%s` does not apply the prox terms of the %s level",
                         instance_name(optimizer), level->word);
  diagnostic_label(d, level->proxes.data[0]->span, "a prox term");
  diagnostic_help(d, "write `lower = proximal(step = 0.1, iters = 1000);`");
}
