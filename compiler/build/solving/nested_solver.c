// Methods and optimisers of the lower problems below others.
//
// Enters: the settings of a solve block, where `mid.method` and `mid.lower` solve the problem that
// `mid` holds. Leaves: an instance of each in the problem's own Stage, whose settings are those
// under its name.
#include "build/program.h"

#include <string.h>

static bool find_level(const NodeList *items, const char *text, size_t length) {
  for (size_t i = 0; i < items->count; i++) {
    const Node *item = items->data[i];
    if (item->kind == ITEM_STAGE && find_level(&item->as.stage.items, text, length)) return true;
    if (item->kind != ITEM_LEVEL) continue;
    const char *name = item->as.level.name.name;
    if (name && strlen(name) == length && strncmp(name, text, length) == 0) return true;
    if (find_level(&item->as.level.clauses, text, length)) return true;
  }
  return false;
}

bool is_level_name(const Build *b, const char *text, size_t length) {
  return find_level(&b->program->file->as.file.items, text, length);
}

// Under which name the settings of a nested problem stand: that of the level it belongs to, or its
// own where that level has several or its name is taken. A family alone below `upper` has the plain
// keys.
static bool find_key(Context *c, Stage *nested) {
  const Stage *above = nested->above;
  nested->key = NULL;
  if (!above->above && above->composed && above->nested.count == 1) return true;
  const char *owner = above->lower.node ? above->lower.node->as.level.name.name : NULL;
  bool taken = above->key && owner && strcmp(above->key, owner) == 0;
  bool own = above->nested.count > 1 || taken;
  nested->key = own ? nested->lower.node->as.level.name.name : owner;
  if (nested->key) return true;
  Diagnostic *d =
      report(build_diagnostics(c->build), E0204,
             own ? nested->lower.node->span : above->lower.node->span, "this level needs a name");
  diagnostic_label(d, c->stage->solve->span, "its settings stand here, under that name");
  diagnostic_help(d, "write `lower fit { ... }`, and `fit.method = implicit(); fit.lower = "
                     "gd(step = 0.1, iters = 100);` in the solve block");
  return false;
}

// The settings under the problem's name, without it; at the top those of the lower problem.
static void take_settings(Context *c, Stage *nested, Settings *all) {
  nested->settings = (Settings){0};
  size_t length = nested->key ? strlen(nested->key) : 0;
  for (size_t i = 0; i < all->list.count; i++) {
    Setting *setting = &all->list.data[i];
    const char *key = setting->key;
    if (nested->key && (strncmp(key, nested->key, length) != 0 || key[length] != '.')) continue;
    if (nested->key) key += length + 1;
    bool lower = strncmp(key, "lower", 5) == 0 || strncmp(key, "method", 6) == 0;
    if (!nested->key && !lower) continue;
    setting->read = true;
    Setting own = *setting;
    own.key = key;
    own.read = false;
    VEC_PUSH(c->build->arena, &nested->settings.list, own);
  }
}

static bool nested_missing(Context *c, const Stage *nested) {
  if (settings_find((Settings *)(uintptr_t)&nested->settings, "method")) return false;
  const char *key = nested->key, *dot = key ? "." : "";
  if (!key) key = "";
  Diagnostic *d = report(build_diagnostics(c->build), E0204, nested->solve->span,
                         "the solve block has no `%s%smethod`", key, dot);
  diagnostic_label(d,
                   nested->lower.node->as.level.name.name ? nested->lower.node->as.level.name.span
                                                          : nested->lower.objective->span,
                   "this lower problem has no method of its own");
  diagnostic_help(d, "write `%s%smethod = implicit(); %s%slower = gd(step = 0.1, iters = 100);`",
                  key, dot, key, dot);
  return true;
}

// A solution that is a function of what is above has no memory.
static bool keeps_states(Context *c, const Stage *nested) {
  const Instance *optimizer = nested->lower_optimizer;
  if (!optimizer || !optimizer->keep) return false;
  Diagnostic *d = report(build_diagnostics(c->build), E0207, optimizer->span,
                         "the optimizer of a level below others starts afresh in every solve");
  diagnostic_help(d, "leave `keep = true` out");
  return true;
}

static bool choose_nested(Context *c, Stage *nested, Settings *all);

static bool choose_below(Context *c, Stage *nested, Settings *all) {
  bool ok = true;
  for (size_t i = 0; i < nested->nested.count && ok; i++)
    ok = choose_nested(c, nested->nested.data[i], all);
  return ok;
}

static bool choose_nested(Context *c, Stage *nested, Settings *all) {
  nested->solve = nested->above->solve;
  nested->method = nested->lower_optimizer = NULL;
  nested->key = NULL;
  if (level_is_updated(&nested->lower)) return choose_below(c, nested, all); // nothing to choose
  if (!find_key(c, nested)) return false;
  take_settings(c, nested, all);
  Stage *before = c->stage;
  c->stage = nested;
  bool ok = !nested_missing(c, nested);
  if (ok) {
    nested->method = method_instance(c, &nested->settings);
    nested->lower_optimizer = level_optimizer(c, "lower", &nested->lower);
    ok = nested->method && !keeps_states(c, nested) &&
         (nested->lower_optimizer || !settings_find(&nested->settings, "lower"));
  }
  ok = ok && method_check_traits(c);
  c->stage = before;
  return ok && choose_below(c, nested, all);
}

bool nested_solver(Context *c, Stage *stage) {
  bool ok = true;
  for (size_t i = 0; i < stage->nested.count; i++)
    ok &= choose_nested(c, stage->nested.data[i], &stage->settings);
  return ok;
}
