// The solve block of a stage: which method, which optimisers, for how long.
//
// Enters: a stage with typed levels, the name of a solve block, settings that replace those of the
// block. Leaves: instances and numbers in the stage.
#include "build/program.h"

#include <string.h>

// ---- choosing the block

static const NodeList *stage_items(const Context *c, const Stage *stage) {
  return stage->node ? &stage->node->as.stage.items : &c->build->program->file->as.file.items;
}

static void add_solves(const Context *c, const Stage *stage, bool alone, TextBuffer *names) {
  const NodeList *items = stage_items(c, stage);
  for (size_t i = 0; i < items->count; i++) {
    if (items->data[i]->kind != ITEM_SOLVE || !items->data[i]->as.solve.name.name) continue;
    text_addf(names, "%s%s%s%s", *text_string(names) ? ", " : "", alone ? "" : stage->name,
              alone ? "" : ".", items->data[i]->as.solve.name.name);
  }
}

static bool has_unnamed_solve(const Context *c, const Stage *stage) {
  const NodeList *items = stage_items(c, stage);
  for (size_t i = 0; i < items->count; i++)
    if (items->data[i]->kind == ITEM_SOLVE && !items->data[i]->as.solve.name.name) return true;
  return false;
}

static void list_solves(Context *c, const Stage *stage, Diagnostic *d) {
  TextBuffer names = text_buffer(c->build->arena);
  bool alone = c->stages.count == 1;
  add_solves(c, stage, alone, &names);
  for (size_t i = 0; i < c->stages.count; i++)
    if (c->stages.data[i] != stage) add_solves(c, c->stages.data[i], alone, &names);
  bool unnamed = has_unnamed_solve(c, stage);
  if (*text_string(&names))
    diagnostic_help(d, "the named ones are %s%s", text_string(&names),
                    unnamed ? "; the unnamed one runs without `--solve`" : "");
  else if (unnamed)
    diagnostic_help(d, "there is just the unnamed one, which runs without `--solve`");
  else
    diagnostic_help(d, "write `solve { method = ...; lower = ...; upper = ...; }`");
}

static bool has_solve(const Context *c, const Stage *stage, const char *name) {
  const NodeList *items = stage_items(c, stage);
  for (size_t i = 0; i < items->count; i++) {
    if (items->data[i]->kind != ITEM_SOLVE) continue;
    const char *given = items->data[i]->as.solve.name.name;
    if (given && strcmp(given, name) == 0) return true;
  }
  return false;
}

const char *stage_solve_name(const Context *c, const Stage *stage, const char *wanted) {
  if (!wanted || !*wanted || has_solve(c, stage, wanted)) return wanted;
  bool known = false;
  for (size_t i = 0; i < c->stages.count; i++) {
    const Stage *other = c->stages.data[i];
    size_t length = strlen(other->name);
    bool named = strncmp(wanted, other->name, length) == 0 && wanted[length] == '.';
    if (named && other == stage) return wanted + length + 1;
    known |= named || has_solve(c, other, wanted);
  }
  return known ? NULL : wanted;
}

static const Node *stage_find_solve(Context *c, const Stage *stage, const char *name, Span span) {
  const NodeList *items = stage_items(c, stage);
  for (size_t i = 0; i < items->count; i++) {
    const Node *item = items->data[i];
    if (item->kind != ITEM_SOLVE) continue;
    const char *given = item->as.solve.name.name;
    if (name && *name ? given && strcmp(given, name) == 0 : !given) return item;
  }
  Diagnostic *d =
      name && *name
          ? report(build_diagnostics(c->build), E0201, span, "there is no solve block `%s`", name)
          : report(build_diagnostics(c->build), E0204, span, "there is no unnamed solve block");
  list_solves(c, stage, d);
  return NULL;
}

// ---- settings to instances

Instance *method_instance(Context *c, Settings *settings) {
  Setting *setting = settings_find(settings, "method");
  return instance_create(c, setting->value, setting->environment, BIND_METHOD, "method");
}

static bool missing(Context *c, const Stage *stage, const char *key, const char *example) {
  if (settings_find((Settings *)(uintptr_t)&stage->settings, key)) return false;
  Diagnostic *d = report(build_diagnostics(c->build), E0204, stage->solve->span,
                         "the solve block has no `%s`", key);
  diagnostic_help(d, "write `%s = %s;`", key, example);
  return true;
}

bool settings_precision(Context *c, Settings *settings) {
  Setting *setting = settings_find(settings, "precision");
  if (!setting) return true;
  const Node *value = setting->value;
  Dtype dtype = DT_COUNT;
  if (value->kind == TYPE_ELEMENT) dtype = (Dtype)value->as.element_type.element;
  if (!dtype_is_float(dtype)) {
    report(build_diagnostics(c->build), E0303, value->span, "`precision` is f64, f32, f16 or bf16");
    return false;
  }
  c->e->real = c->program_real = dtype;
  return true;
}

static bool choose_bilevel(Context *c, Stage *stage) {
  Settings *settings = &stage->settings;
  if (missing(c, stage, "method", "implicit(linear = cg())")) return false;
  stage->method = method_instance(c, settings);
  stage->lower_optimizer = level_optimizer(c, "lower", &stage->lower);
  stage->upper_optimizer = level_optimizer(c, "upper", &stage->upper);
  bool ok = stage->method != NULL;
  if (settings_find(settings, "lower")) ok &= stage->lower_optimizer != NULL;
  if (settings_find(settings, "upper")) ok &= stage->upper_optimizer != NULL;
  if (!ok) return false;
  ok = method_check_traits(c);
  ok &= joint_check(c);
  bool moves = method_moves_x(stage->method->node) || level_is_updated(&stage->upper);
  if (!moves) ok &= !missing(c, stage, "upper", "adam(step = 0.01, iters = 100)");
  return ok;
}

static bool choose_single(Context *c, Stage *stage) {
  if (stage->composed) {
    bool moves = level_is_updated(&stage->upper);
    if (!moves && missing(c, stage, "upper", "adam(step = 0.01, iters = 100)")) return false;
    stage->upper_optimizer = level_optimizer(c, "upper", &stage->upper);
    return (moves || stage->upper_optimizer) && joint_check(c);
  }
  if (missing(c, stage, "optimizer", "adam(step = 0.01, iters = 100)")) return false;
  stage->upper_optimizer = level_optimizer(c, "optimizer", &stage->upper);
  return stage->upper_optimizer != NULL && joint_check(c);
}

// `sound`: no setting was wrong so far; else the number may be missing because of that.
static bool choose_numbers(Context *c, Stage *stage, bool sound) {
  size_t errors = diagnostics_errors(build_diagnostics(c->build));
  Settings *settings = &stage->settings;
  const Instance *upper = stage->upper_optimizer;
  stage->iterations = setting_dim(c, settings, "iters", upper ? upper->iterations : NULL);
  stage->seed = setting_integer(c, settings, "seed", 0);
  stage->report_every = setting_integer(c, settings, "report", 0);
  Setting *every = settings_find(settings, "report");
  if (every && stage->report_every < 1 && diagnostics_errors(build_diagnostics(c->build)) == errors)
    diagnostic_help(report(build_diagnostics(c->build), E0303, every->value->span,
                           "`report` is the number of steps between reports: 1 or more"),
                    "leave it out for about ten reports in a run");
  Setting *steps = settings_find(settings, "iters");
  if (steps && stage->iterations)
    dim_not_negative(c, stage->iterations, steps->value->span, "the number of outer steps");
  if (stage->iterations) return true;
  if (!sound || diagnostics_errors(build_diagnostics(c->build)) > errors) return false;
  Diagnostic *d =
      report(build_diagnostics(c->build), E0304, upper ? upper->span : stage->solve->span,
             "nothing says how many outer steps are made");
  diagnostic_help(d, "write `iters = 100;` in the solve block%s",
                  upper ? ", or give `iters` to the upper optimizer" : "");
  return false;
}

bool stage_solver(Context *c, Stage *stage, const char *solve, Span span, const Settings *extra) {
  Stage *before = c->stage;
  c->stage = stage;
  stage->settings = (Settings){0};
  stage->method = stage->upper_optimizer = stage->lower_optimizer = NULL;
  stage->iterations = NULL;
  stage->solve = stage_find_solve(c, stage, solve, span);
  bool ok = stage->solve != NULL;
  if (ok) {
    size_t errors = diagnostics_errors(build_diagnostics(c->build));
    settings_collect(c->build, &stage->settings, &stage->solve->as.solve.settings, NULL);
    settings_override(c->build, &stage->settings, stage->name);
    if (extra) settings_replace(c->build, &stage->settings, extra);
    ok = settings_precision(c, &stage->settings);
    if (ok && settings_find(&stage->settings, "precision")) ok = stage_retype(c, stage);
    ok = ok && (stage->single ? choose_single(c, stage) : choose_bilevel(c, stage));
    ok = nested_solver(c, stage) && ok;
    bool sound = ok && diagnostics_errors(build_diagnostics(c->build)) == errors;
    ok = choose_numbers(c, stage, sound) && ok;
    ok = ok && diagnostics_errors(build_diagnostics(c->build)) == errors;
  }
  c->stage = before;
  return ok;
}

// Of an upper optimizer that moves nothing the number of steps may still count; a lower one serves
// those who judge the method.
static void warn_idle_optimizer(Context *c, const Stage *stage, const char *key,
                                const Instance *optimizer) {
  bool upper = optimizer == stage->upper_optimizer;
  const char *method = instance_name(stage->method);
  bool counts = upper && optimizer->iterations && stage->iterations == optimizer->iterations &&
                !settings_find((Settings *)(uintptr_t)&stage->settings, "iters");
  Diagnostic *d = report(build_diagnostics(c->build), W0501, optimizer->span, "`%s` %s", method,
                         counts  ? "moves x itself: of `upper` only `iters` counts"
                         : upper ? "moves x itself and never uses the `upper` optimizer"
                                 : "makes its own lower steps: a run never uses `lower`");
  int64_t steps;
  if (counts && dim_is_const(stage->iterations, &steps))
    diagnostic_help(
        d,
        "write `iters = %lld;` in the solve block instead of `upper`; the length of its "
        "steps is a setting of `%s`",
        (long long)steps, method);
  else if (counts)
    diagnostic_help(d, "write `iters = ...;` in the solve block instead of `upper`");
  else if (upper)
    diagnostic_help(d, "take it away; the length of its steps is a setting of `%s`", method);
  else
    diagnostic_help(d,
                    "%s`compare` and tests solve the lower problem with it: keep it for them, or "
                    "give it only there (`--set '%s=...'`, `%s = ...;` in a test)",
                    method_moves_x(stage->method->node) ? "" : "`bloc check --gradients`, ", key,
                    key);
}

void stage_warn_unread(Context *c, const Stage *stage) {
  settings_warn_unread(c, &stage->settings);
  for (size_t i = 0; i < stage->nested.count; i++) stage_warn_unread(c, stage->nested.data[i]);
  const struct {
    const char *key;
    const Instance *instance;
  } optimizers[] = {{"upper", stage->upper_optimizer}, {"lower", stage->lower_optimizer}};
  for (int i = 0; i < 2; i++)
    if (optimizers[i].instance && !optimizers[i].instance->used && !stage->single)
      warn_idle_optimizer(c, stage, optimizers[i].key, optimizers[i].instance);
}
