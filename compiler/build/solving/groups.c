// Parameter groups: parts of a level's variables that are moved by an optimiser of their own.
//
// Enters: `lower.q.V = adam(step = 1e-3);` beside `lower = sgd(...)`. Leaves: groups of an
// `Instance`, and the optimiser of a level as one thing: states and updates of the parts in a row.
// A leaf belongs to the longest path that names it; what no path names is left to the main
// optimiser, whose `iters` count for all.
#include "build/program.h"

#include <string.h>

// ---- paths

// Is `path` the leaf `name`, or something that holds it: "net" holds "net.W", not "nets"?
static bool path_holds(const char *path, const char *name) {
  size_t length = strlen(path);
  return strncmp(path, name, length) == 0 && (name[length] == 0 || name[length] == '.');
}

static NameList level_names(Context *c, const Level *level) {
  NameList names = {0};
  level_leaf_names(c, level, level->like, &names);
  return names;
}

static bool holds_any(const char *path, const NameList *names) {
  for (size_t i = 0; i < names->count; i++)
    if (path_holds(path, names->data[i])) return true;
  return false;
}

// Every path that names a part: "net", "net.l1", "net.l1.W", ...
static void add_paths(Context *c, const NameList *names, NameList *paths) {
  Interner *interner = c->build->compilation->names;
  for (size_t i = 0; i < names->count; i++) {
    const char *name = names->data[i];
    for (const char *dot = name; dot; dot = strchr(dot + 1, '.')) {
      if (dot == name) continue;
      VEC_PUSH(c->build->arena, paths, intern_range(interner, name, (size_t)(dot - name)));
    }
    VEC_PUSH(c->build->arena, paths, names->data[i]);
  }
}

// ---- making groups

static const char *below(const char *key, const char *prefix) {
  size_t length = strlen(prefix);
  return strncmp(key, prefix, length) == 0 && key[length] == '.' ? key + length + 1 : NULL;
}

static bool refuse_iterations(Context *c, const Setting *setting, const char *prefix) {
  const Node *value = setting->value;
  for (size_t i = 0; value->kind == EXPR_CALL && i < value->as.call.arguments.count; i++) {
    const Node *argument = value->as.call.arguments.data[i];
    Name name = argument->kind == PART_ARGUMENT ? argument->as.argument.name.name : NULL;
    if (!name || strcmp(name, "iters") != 0) continue;
    Diagnostic *d = report(build_diagnostics(c->build), E0304, argument->span,
                           "a parameter group has no `iters` of its own");
    diagnostic_help(d, "all groups make the steps of `%s`", prefix);
    return true;
  }
  return false;
}

static bool add_group(Context *c, Instance *optimizer, Setting *setting, const char *path) {
  setting->read = true;
  if (refuse_iterations(c, setting, optimizer->prefix)) return false;
  Instance *member =
      instance_create(c, setting->value, setting->environment, BIND_OPTIMIZER, setting->key);
  if (!member) return false;
  VEC_PUSH(c->build->arena, &optimizer->groups, ((Group){.path = path, .optimizer = member}));
  return true;
}

static void report_not_optimizer(Context *c, const Setting *setting) {
  Diagnostic *d =
      report(build_diagnostics(c->build), E0303, setting->span,
             "`%s` is a part of the variables; an optimizer is wanted here", setting->key);
  diagnostic_help(d, "write `%s = adam(step = 1e-3);` for a parameter group", setting->key);
}

// The group, or the main optimiser, whose parameter `path` would be; `path` becomes its name.
static const Instance *owner_of(const Instance *optimizer, const char **path) {
  const Instance *owner = optimizer;
  const char *name = *path;
  for (size_t i = 0; i < optimizer->groups.count; i++) {
    const Group *group = &optimizer->groups.data[i];
    const char *rest = below(*path, group->path);
    if (!rest || rest <= name) continue;
    owner = group->optimizer;
    name = rest;
  }
  *path = name;
  return owner;
}

static void report_no_part(Context *c, const Instance *optimizer, const Setting *setting,
                           const char *path, const NameList *names) {
  Diagnostic *d = report(build_diagnostics(c->build), E0205, setting->span, "`%s` has no part `%s`",
                         optimizer->prefix, path);
  NameList paths = {0};
  add_paths(c, names, &paths);
  const char *close = closest_name(path, paths.data, paths.count);
  if (close)
    diagnostic_help(d, "did you mean `%s.%s`?", optimizer->prefix, close);
  else
    diagnostic_help(d, "a group is named by a variable, or a field of one: `%s.%s`",
                    optimizer->prefix, names->count ? names->data[0] : "w");
}

// `upper.rho.step = 0.1` where `upper.rho` has no optimizer of its own.
static void report_no_group(Context *c, const Instance *optimizer, const Setting *setting,
                            const char *path, const NameList *names) {
  size_t length = (size_t)(strrchr(path, '.') - path);
  const char *part = intern_range(c->build->compilation->names, path, length);
  if (!holds_any(part, names)) {
    report_no_part(c, optimizer, setting, part, names);
    return;
  }
  Diagnostic *d = report(build_diagnostics(c->build), E0205, setting->span,
                         "`%s.%s` has no optimizer of its own", optimizer->prefix, part);
  diagnostic_help(d, "write `%s.%s = adam(step = 1e-3);` first", optimizer->prefix, part);
}

// A setting that was not taken names a parameter or a part that does not exist. False after a
// report.
static bool check_unread(Context *c, const Instance *optimizer, Setting *setting, const char *path,
                         const NameList *names) {
  const char *name = path;
  const Instance *owner = owner_of(optimizer, &name);
  if (instance_goes_below(owner, name)) return true;
  setting->read = true;
  const char *dot = strrchr(name, '.');
  if (names_optimizer(c->build, setting->value))
    report_no_part(c, optimizer, setting, path, names);
  else if (dot)
    report_no_group(c, optimizer, setting, path, names);
  else if (holds_any(path, names))
    report_not_optimizer(c, setting);
  else
    instance_no_param(c, owner, name, setting->span);
  return false;
}

static bool find_groups(Context *c, Instance *optimizer) {
  Settings *settings = &c->stage->settings;
  NameList names = level_names(c, optimizer->level);
  bool ok = true;
  for (size_t i = 0; i < settings->list.count; i++) {
    Setting *setting = &settings->list.data[i];
    const char *path = below(setting->key, optimizer->prefix);
    if (!path || setting->read || !names_optimizer(c->build, setting->value)) continue;
    if (holds_any(path, &names)) ok &= add_group(c, optimizer, setting, path);
  }
  for (size_t i = 0; i < settings->list.count; i++) {
    Setting *setting = &settings->list.data[i];
    const char *path = below(setting->key, optimizer->prefix);
    if (path && !setting->read) ok &= check_unread(c, optimizer, setting, path, &names);
  }
  return ok;
}

Instance *level_optimizer(Context *c, const char *key, const Level *level) {
  Setting *setting = settings_find(&c->stage->settings, key);
  if (!setting) return NULL;
  bool ok;
  Instance *optimizer =
      instance_make(c, setting->value, setting->environment, BIND_OPTIMIZER, key, &ok);
  if (!optimizer) return NULL;
  optimizer->level = level;
  return find_groups(c, optimizer) && ok ? optimizer : NULL;
}

// ---- parts of a bundle

// Which group a leaf belongs to; -1: the main optimiser.
static int group_of(const Instance *optimizer, const char *leaf) {
  int found = -1;
  size_t longest = 0;
  for (size_t i = 0; i < optimizer->groups.count; i++) {
    const char *path = optimizer->groups.data[i].path;
    if (!path_holds(path, leaf) || strlen(path) < longest) continue;
    longest = strlen(path);
    found = (int)i;
  }
  return found;
}

// The leaves of group `g` as a bundle of their own; NULL when it has none.
static Staged *take_part(Context *c, const Instance *optimizer, const NameList *names,
                         Value *const *leaves, int g) {
  Arena *arena = c->build->arena;
  NameList taken = {0};
  VEC(Staged *) parts = {0};
  VEC(const Layout *) layouts = {0};
  for (size_t i = 0; i < names->count; i++) {
    if (group_of(optimizer, names->data[i]) != g) continue;
    VEC_PUSH(arena, &taken, names->data[i]);
    VEC_PUSH(arena, &parts, staged_tensor(c->e, leaves[i]));
    VEC_PUSH(arena, &layouts, NULL);
  }
  if (parts.count < 2) return parts.count ? parts.data[0] : NULL;
  int count = (int)parts.count;
  return staged_tree(c->e, layout_level(c->e, count, taken.data, layouts.data), parts.data);
}

static void put_part(Context *c, const Instance *optimizer, const NameList *names, Staged *part,
                     int g, Value **leaves) {
  ValueList values = {0};
  staged_leaves(c->e, part, &values);
  size_t next = 0;
  for (size_t i = 0; i < names->count; i++)
    if (group_of(optimizer, names->data[i]) == g) leaves[i] = values.data[next++];
}

Staged *part_narrow(Context *c, const GroupPart *part, Staged *whole) {
  NameList names = level_names(c, part->optimizer->level);
  ValueList leaves = {0};
  staged_leaves(c->e, whole, &leaves);
  return take_part(c, part->optimizer, &names, leaves.data, part->group);
}

Staged *part_widen(Context *c, const GroupPart *part, Staged *moved) {
  if (staged_is_poison(moved)) return moved;
  NameList names = level_names(c, part->optimizer->level);
  ValueList leaves = {0};
  staged_leaves(c->e, part->whole, &leaves);
  put_part(c, part->optimizer, &names, moved, part->group, leaves.data);
  Value *const *cursor = leaves.data;
  return staged_rebuild(c->e, part->whole, &cursor);
}

// Does the group move some of the level's variable number `index`?
static bool part_moves(Context *c, const GroupPart *part, size_t index) {
  const Level *level = part->optimizer->level;
  NameList names = level_names(c, level);
  for (size_t i = 0; i < names.count; i++)
    if (group_of(part->optimizer, names.data[i]) == part->group &&
        path_holds(level->variables.data[index].name, names.data[i]))
      return true;
  return false;
}

// True when z is laid out like the level; else a report.
static bool fits_level(Context *c, const Instance *optimizer, const Staged *z, Span span) {
  if (staged_is_poison(z)) return false;
  if (staged_layout(z) == staged_layout(optimizer->level->like)) return true;
  Diagnostic *d = report(build_diagnostics(c->build), E0303, span,
                         "`%s` has parameter groups, which are parts of its variables; this is %s",
                         optimizer->prefix, staged_describe(c->e, z));
  diagnostic_label(d, optimizer->span, "chosen here");
  return false;
}

// ---- the optimiser of a level

static Instance *member_of(Instance *optimizer, int g) {
  return g < 0 ? optimizer : optimizer->groups.data[g].optimizer;
}

// Groups in order, the main optimiser (-1) first.
static bool is_empty(const Instance *optimizer, const NameList *names, int g) {
  for (size_t i = 0; i < names->count; i++)
    if (group_of(optimizer, names->data[i]) == g) return false;
  return true;
}

int optimizer_state_count(const Instance *optimizer) {
  if (!optimizer->groups.count) return item_state_count(optimizer);
  NameList names = level_names(optimizer->context, optimizer->level);
  int count = 0;
  for (int g = -1; g < (int)optimizer->groups.count; g++)
    if (!is_empty(optimizer, &names, g))
      count += item_state_count(member_of((Instance *)(uintptr_t)optimizer, g));
  return count;
}

void optimizer_state_names(const Instance *optimizer, const char *prefix, NameList *list) {
  Context *c = optimizer->context;
  Interner *interner = c->build->compilation->names;
  NameList names = {0};
  if (optimizer->groups.count) names = level_names(c, optimizer->level);
  for (int g = -1; g < (int)optimizer->groups.count; g++) {
    if (optimizer->groups.count && is_empty(optimizer, &names, g)) continue;
    const Instance *member = g < 0 ? optimizer : optimizer->groups.data[g].optimizer;
    const NodeList *states = &member->node->as.optimizer.states;
    for (size_t i = 0; i < states->count; i++) {
      const char *state = states->data[i]->as.state.name.name;
      const char *name = g < 0 ? arena_printf(c->build->arena, "%s.%s", prefix, state)
                               : arena_printf(c->build->arena, "%s.%s.%s", prefix,
                                              optimizer->groups.data[g].path, state);
      VEC_PUSH(c->build->arena, list, intern(interner, name));
    }
  }
}

void optimizer_start(Instance *optimizer, Staged *z, Staged **states) {
  Context *c = optimizer->context;
  if (!optimizer->groups.count) {
    item_start(optimizer, z, states);
    return;
  }
  NameList names = level_names(c, optimizer->level);
  bool fits = fits_level(c, optimizer, z, optimizer->span);
  ValueList leaves = {0};
  if (fits) staged_leaves(c->e, z, &leaves);
  int next = 0;
  for (int g = -1; g < (int)optimizer->groups.count; g++) {
    Instance *member = member_of(optimizer, g);
    if (is_empty(optimizer, &names, g)) continue;
    for (int i = 0; !fits && i < item_state_count(member); i++) states[next + i] = staged_poison;
    if (fits) item_start(member, take_part(c, optimizer, &names, leaves.data, g), states + next);
    next += item_state_count(member);
  }
}

// One group's update; a prox term of its variables that it leaves out is told when the move ends.
static Staged *update_part(Context *c, const GroupPart *part, Staged *z, Staged *g, Value *t,
                           Value *iteration, Staged **states) {
  const Level *level = c->moving.level;
  bool before = c->moving.applied, terms = false;
  for (size_t i = 0; level && i < level->variables.count; i++)
    terms |= variable_prox(level, i) && part_moves(c, part, i);
  c->moving.part = part;
  c->moving.applied = !terms;
  Instance *member = member_of((Instance *)(uintptr_t)part->optimizer, part->group);
  Staged *moved = item_update(member, z, g, t, iteration, states);
  c->moving.part = NULL;
  c->moving.applied &= before;
  return moved;
}

Staged *optimizer_update(Instance *optimizer, Staged *z, Staged *g, Value *t, Value *iteration,
                         Staged **states, Span span) {
  Context *c = optimizer->context;
  optimizer->used = true;
  if (!optimizer->groups.count) return item_update(optimizer, z, g, t, iteration, states);
  if (!fits_level(c, optimizer, z, span) || !fits_level(c, optimizer, g, span))
    return staged_poison;
  NameList names = level_names(c, optimizer->level);
  ValueList at = {0}, gradient = {0};
  staged_leaves(c->e, z, &at);
  staged_leaves(c->e, g, &gradient);
  Value **moved = ARENA_ARRAY(c->build->arena, Value *, names.count + 1);
  c->moving.applied = true;
  int next = 0;
  for (int k = -1; k < (int)optimizer->groups.count; k++) {
    Instance *member = member_of(optimizer, k);
    Staged *part = take_part(c, optimizer, &names, at.data, k);
    if (!part) continue;
    GroupPart group = {optimizer, k, z};
    part = update_part(c, &group, part, take_part(c, optimizer, &names, gradient.data, k), t,
                       iteration, states + next);
    if (staged_is_poison(part)) return part;
    put_part(c, optimizer, &names, part, k, moved);
    next += item_state_count(member);
  }
  Value *const *cursor = moved;
  return staged_rebuild(c->e, z, &cursor);
}
