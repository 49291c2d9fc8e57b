// Stages: the levels of a program as clauses sorted by meaning, their variables and start values.
//
// Enters: `upper { } lower { }` at file level or in a `stage`, or a stage of one level. Leaves: a
// `Stage` with typed variables and the instances its solve block asks for.
#include "build/program.h"
#include "evaluate/staging.h"

#include <string.h>

// ---- clauses

// Check has said most of it; in any case nothing more is said about this stage.
static void later(Context *c, Stage *stage, const Node *node, const char *what) {
  stage->unsupported = true;
  if (diagnostics_errors(build_diagnostics(c->build))) return;
  Diagnostic *d = report(build_diagnostics(c->build), E0211, node->span, "%s come later", what);
  diagnostic_help(d, "this edition builds programs without them");
}

static void declare_pattern(Stage *stage, const Node *pattern, const Node *let) {
  if (pattern->kind == PATTERN_NAME && pattern->as.pattern_name.binding)
    map_put(stage->names, pattern->as.pattern_name.binding, (void *)(uintptr_t)let);
  if (pattern->kind == PATTERN_TUPLE)
    for (size_t i = 0; i < pattern->as.pattern_tuple.items.count; i++)
      declare_pattern(stage, pattern->as.pattern_tuple.items.data[i], let);
}

static void declare_name(Stage *stage, const Binding *binding, const Node *clause) {
  if (binding) map_put(stage->names, binding, (void *)(uintptr_t)clause);
}

static void add_objective(Level *level, const Node *clause) {
  if (level->objective) return; // said by check
  level->objective = clause;
  level->maximize = clause->as.objective.maximize;
}

static void add_clause(Context *c, Stage *stage, Level *level, const Node *clause) {
  Arena *arena = c->build->arena;
  switch (clause->kind) {
  case NODE_VAR: {
    LevelVariable variable = {.node = clause, .name = clause->as.var.name.name};
    VEC_PUSH(arena, &level->variables, variable);
    declare_name(stage, clause->as.var.binding, clause);
    break;
  }
  case NODE_STATE:
    VEC_PUSH(arena, &level->states, (Node *)(uintptr_t)clause);
    declare_name(stage, clause->as.state.binding, clause);
    break;
  case NODE_BATCH:
    declare_name(stage, clause->as.batch.binding, clause);
    if (level == &stage->lower) map_put(stage->lower_batches, clause, (void *)(uintptr_t)clause);
    break;
  case NODE_LET:
    declare_pattern(stage, clause->as.let.pattern, clause);
    break;
  case NODE_OBJECTIVE:
    add_objective(level, clause);
    break;
  case NODE_REPORT:
    VEC_PUSH(arena, &level->reports, (Node *)(uintptr_t)clause);
    declare_name(stage, clause->as.report.binding, clause);
    break;
  case NODE_ENSURE:
    VEC_PUSH(arena, &level->ensures, (Node *)(uintptr_t)clause);
    break;
  case NODE_SUBJECT:
    VEC_PUSH(arena, &level->constraints, (Node *)(uintptr_t)clause);
    break;
  case NODE_PROX:
    VEC_PUSH(arena, &level->proxes, (Node *)(uintptr_t)clause);
    break;
  case NODE_UPDATE:
    VEC_PUSH(arena, &level->updates, (Node *)(uintptr_t)clause);
    break;
  case ITEM_LEVEL:
    if (level == &stage->lower) nested_add(c, stage, clause);
    break;
  case NODE_ERROR:
    level->broken = true;
    break;
  default:
    break;
  }
}

void level_clauses(Context *c, Stage *stage, Level *level, const Node *item) {
  if (level->node) return; // said by check
  level->node = item;
  for (size_t i = 0; i < item->as.level.clauses.count; i++)
    add_clause(c, stage, level, item->as.level.clauses.data[i]);
}

// One lower problem makes a pair with `upper`; several, a family, or one that formulas solve hang
// below it.
static void add_levels(Context *c, Stage *stage, const NodeList *items) {
  int lower = 0;
  for (size_t i = 0; i < items->count; i++) {
    const Node *item = items->data[i];
    if (item->kind != ITEM_LEVEL || item->as.level.upper) continue;
    lower++;
    stage->composed |= item->as.level.family_of != NULL || level_has_formulas(item);
  }
  stage->composed |= lower > 1;
  stage->single |= stage->composed;
  for (size_t i = 0; i < items->count; i++) {
    const Node *item = items->data[i];
    if (item->kind != ITEM_LEVEL) continue;
    if (item->as.level.upper)
      level_clauses(c, stage, &stage->upper, item);
    else if (stage->composed)
      nested_add(c, stage, item);
    else
      level_clauses(c, stage, &stage->lower, item);
  }
}

// ---- variables

static bool float_leaves(Context *c, const LevelVariable *variable) {
  ValueList leaves = {0};
  staged_leaves(c->e, variable->like, &leaves);
  for (size_t i = 0; i < leaves.count; i++) {
    if (dtype_is_float(leaves.data[i]->type->dtype)) continue;
    Diagnostic *d = report(build_diagnostics(c->build), E0302, variable->node->as.var.type->span,
                           "the variable `%s` has entries of type %s", variable->name,
                           dtype_text(leaves.data[i]->type->dtype));
    diagnostic_help(d, "a variable of a level is moved by gradients: make it f32 or f64; what is "
                       "carried without being optimized is a `state`");
    return false;
  }
  return true;
}

static bool type_variable(Context *c, LevelVariable *variable) {
  const Node *type = variable->node->as.var.type;
  if (!variable->node->as.var.binding) return false; // declared twice: said by check
  variable->spec = evaluate_type(c->e, type, NULL);
  if (!variable->spec) return false;
  SpecKind kind = variable->spec->kind;
  bool data = kind == SPEC_TENSOR || kind == SPEC_STRUCT || kind == SPEC_TUPLE ||
              kind == SPEC_ARRAY || kind == SPEC_REAL;
  if (!data || variable->spec->any_shape) {
    report(build_diagnostics(c->build), E0303, type->span,
           "a variable is a tensor, a struct or a tuple of them");
    return false;
  }
  variable->like = zeros_of_spec(c->e, variable->spec);
  return !staged_is_poison(variable->like) && float_leaves(c, variable);
}

bool level_type(Context *c, Level *level) {
  bool ok = true;
  size_t count = level->variables.count;
  Staged **likes = ARENA_ARRAY(c->build->arena, Staged *, count + 1);
  for (size_t i = 0; i < count; i++) {
    ok &= type_variable(c, &level->variables.data[i]);
    likes[i] = level->variables.data[i].like;
  }
  if (ok) level->like = level_bundle(c, level, likes);
  level->constraint_like = NULL;
  return ok;
}

// Check has said what is missing; this is for what it lets pass.
bool level_complete(Context *c, const Stage *stage, const Level *level) {
  if (level->node && level->variables.count && level->objective) return true;
  if (level->broken || diagnostics_errors(build_diagnostics(c->build))) return false;
  const Node *place =
      level->node ? level->node : (stage->upper.node ? stage->upper : stage->lower).node;
  const char *what = !level->node              ? "is missing"
                     : !level->variables.count ? "has no variable"
                                               : "has no objective";
  Diagnostic *d = report(build_diagnostics(c->build), E0204, place->span, "the level `%s` %s",
                         level->word, what);
  diagnostic_help(d, "a bilevel program has an `upper { ... }` and a `lower { ... }`, each with a "
                     "`var` and `minimize` or `maximize`");
  return false;
}

// Fills a stage's levels from the clauses; false after errors.
static bool stage_levels(Context *c, Stage *stage) {
  if (stage->unsupported) return false;
  c->e->builder = builder_at(c->scratch);
  bool ok = level_complete(c, stage, &stage->upper);
  if (!stage->single) ok &= level_complete(c, stage, &stage->lower);
  ok &= prox_check(c, &stage->upper);
  ok &= prox_check(c, &stage->lower);
  Stage *before = c->stage;
  c->stage = stage;
  ok &= level_type(c, &stage->upper);
  ok &= level_type(c, &stage->lower);
  ok = ok && nested_type(c, stage);
  c->stage = before;
  return ok;
}

bool stage_retype(Context *c, Stage *stage) {
  c->e->builder = builder_at(c->scratch);
  bool ok = level_type(c, &stage->upper);
  ok &= level_type(c, &stage->lower);
  return ok && nested_type(c, stage);
}

// ---- all stages

static Stage *stage_create(Context *c, const char *name, const Node *node) {
  Arena *arena = c->build->arena;
  Stage *stage = ARENA_NEW(arena, Stage);
  stage->name = name;
  stage->node = node;
  stage->names = map_create(arena);
  stage->lower_batches = map_create(arena);
  stage->owners = map_create(arena);
  stage->upper.word = "upper";
  stage->lower.word = "lower";
  VEC_PUSH(arena, &c->stages, stage);
  return stage;
}

static void collect_stage(Context *c, const Node *item) {
  Stage *stage = stage_create(c, item->as.stage.name.name, item);
  if (item->as.stage.family_of) later(c, stage, item, "stages for each block");
  const NodeList *items = &item->as.stage.items;
  bool levels = false;
  for (size_t i = 0; i < items->count; i++) levels |= items->data[i]->kind == ITEM_LEVEL;
  if (!levels) {
    stage->single = true;
    stage->upper.word = "stage";
    stage->upper.node = item;
  }
  if (levels) add_levels(c, stage, items);
  for (size_t i = 0; i < items->count; i++) {
    const Node *part = items->data[i];
    if (part->kind == ITEM_LEVEL) continue;
    if (part->kind == ITEM_DATA)
      continue; // declare.c has it
    else if (!levels && part->kind != ITEM_SOLVE)
      add_clause(c, stage, &stage->upper, part);
    else if (part->kind == NODE_REPORT)
      add_clause(c, stage, &stage->upper, part);
  }
}

bool stages_collect(Context *c) {
  const NodeList *items = &c->build->program->file->as.file.items;
  Stage *unnamed = NULL;
  for (size_t i = 0; i < items->count; i++) {
    const Node *item = items->data[i];
    if (item->kind == ITEM_STAGE) collect_stage(c, item);
    if (item->kind != ITEM_LEVEL || unnamed) continue;
    unnamed = stage_create(c, "main", NULL);
    add_levels(c, unnamed, items);
  }
  bool ok = true;
  int nested = 0;
  for (size_t i = 0; i < c->stages.count; i++) {
    ok &= stage_levels(c, c->stages.data[i]);
    if (c->stages.data[i]->nested_count > nested) nested = c->stages.data[i]->nested_count;
  }
  // Each level below another is solved inside the derivatives of those above it.
  c->e->op_budget *= 1 + 2 * nested;
  return ok;
}

// ---- bundles

Staged *level_bundle(Context *c, const Level *level, Staged *const *values) {
  size_t count = level->variables.count;
  if (count == 1) return values[0];
  Arena *arena = c->build->arena;
  Name *names = ARENA_ARRAY(arena, Name, count + 1);
  const Layout **layouts = ARENA_ARRAY(arena, const Layout *, count + 1);
  for (size_t i = 0; i < count; i++) {
    if (staged_is_poison(values[i])) return staged_poison;
    names[i] = level->variables.data[i].name;
    layouts[i] = staged_layout(values[i]);
  }
  return staged_tree(c->e, layout_level(c->e, (int)count, names, layouts), values);
}

Staged *level_part(const Level *level, Staged *bundle, size_t index) {
  if (!bundle || staged_is_poison(bundle)) return bundle;
  return level->variables.count == 1 ? bundle : bundle->tree.children[index];
}

// ---- start values

static Staged *start_value(Context *c, const LevelVariable *variable) {
  Evaluator *e = c->e;
  const Node *initial = variable->start ? variable->start->value : variable->node->as.var.initial;
  const Environment *environment = variable->start ? variable->start->environment : NULL;
  e->dynamic.place = place_hash("start", variable->name);
  const char *what = arena_printf(c->build->arena, "the start value of `%s`", variable->name);
  if (!initial) return initial_of_spec(e, variable->spec, NULL);
  Staged *value = evaluate(e, initial, environment, variable->spec);
  if (staged_is_poison(value)) return value;
  return coerce(e, value, variable->spec, true, initial->span, what);
}

Staged *variable_start(Context *c, const Stage *stage, const Binding *binding) {
  const Level *levels[] = {&stage->upper, &stage->lower};
  for (int i = 0; i < 2; i++)
    for (size_t k = 0; k < levels[i]->variables.count; k++)
      if (levels[i]->variables.data[k].node->as.var.binding == binding)
        return start_value(c, &levels[i]->variables.data[k]);
  size_t place;
  const Stage *nested = nested_owner(stage, binding, &place);
  return nested ? start_value(c, &nested->lower.variables.data[place]) : staged_poison;
}

Staged *start_bundle(Context *c, Stage *stage, const Level *level, Staged *x, Span span) {
  if (stage->sample) return level->like;
  Dynamic dynamic = c->e->dynamic;
  dynamic_step(c->e, step_key(c, stage, NULL));
  Point *point = point_open(c, stage, x, NULL);
  point->starting = true;
  size_t count = level->variables.count;
  Staged **values = ARENA_ARRAY(c->build->arena, Staged *, count + 1);
  for (size_t i = 0; i < count; i++)
    values[i] = point_value(c, point, level->variables.data[i].node->as.var.binding, span);
  Staged *bundle = project_level(c, stage, level, x, level_bundle(c, level, values));
  point_close(c, point);
  c->e->dynamic = dynamic;
  return bundle;
}

static void override_level(Level *level, const Settings *starts) {
  for (size_t s = 0; s < starts->list.count; s++)
    for (size_t k = 0; k < level->variables.count; k++)
      if (strcmp(level->variables.data[k].name, starts->list.data[s].key) == 0)
        level->variables.data[k].start = &starts->list.data[s];
}

static void override_nested(Stage *nested, void *self) {
  override_level(&nested->lower, self);
}

void variables_override(Stage *stage, const Settings *starts) {
  if (!starts) return;
  override_level(&stage->upper, starts);
  override_level(&stage->lower, starts);
  nested_each(stage, override_nested, (void *)(uintptr_t)starts);
}

// ---- states of the levels: of upper, of lower, of what is below

static void count_states(Stage *nested, void *self) {
  *(size_t *)self += nested->lower.states.count;
}

int level_state_count(const Stage *stage) {
  size_t count = stage->upper.states.count + stage->lower.states.count;
  nested_each((Stage *)(uintptr_t)stage, count_states, &count);
  return (int)count;
}

typedef struct StateSearch {
  size_t left; // states to pass over
  const Node *found;
} StateSearch;

static void find_state(const NodeList *states, StateSearch *search) {
  if (search->found) return;
  if (search->left < states->count)
    search->found = states->data[search->left];
  else
    search->left -= states->count;
}

static void find_nested_state(Stage *nested, void *self) {
  find_state(&nested->lower.states, self);
}

const Node *level_state_node(const Stage *stage, int index) {
  StateSearch search = {.left = (size_t)index};
  find_state(&stage->upper.states, &search);
  find_state(&stage->lower.states, &search);
  nested_each((Stage *)(uintptr_t)stage, find_nested_state, &search);
  return search.found;
}
