// The state of a stage: everything that one step hands to the next, as bundles and as named leaves.
//
// Order: x, y, method states, states of the upper optimiser, kept ones of the lower, level states,
// t. Random draws have no state: they follow from the seed and t.
#include "build/program.h"

#include <string.h>

// ---- start

static void start_level_states(Context *c, State *state) {
  Stage *stage = c->stage;
  state->level_count = level_state_count(stage);
  state->level = ARENA_ARRAY(c->build->arena, Staged *, (size_t)state->level_count + 1);
  Dynamic dynamic = c->e->dynamic;
  dynamic_step(c->e, step_key(c, stage, NULL));
  Point *point = point_open(c, stage, state->x, state->y);
  point->starting = true;
  point->states = NULL;
  for (int i = 0; i < state->level_count; i++) {
    const Node *node = level_state_node(stage, i);
    state->level[i] = point_value(c, point, node->as.state.binding, node->span);
  }
  point_close(c, point);
  c->e->dynamic = dynamic;
}

static void start_nested(Context *c, State *state, Span span) {
  const Stage *stage = c->stage;
  state->nested_count = stage->nested_count;
  if (!state->nested_count) return;
  Point *point = point_open(c, c->stage, state->x, state->y);
  state->nested = nested_values(c, point, true, span);
  point_close(c, point);
}

void state_init(Context *c, State *state) {
  Stage *stage = c->stage;
  Span span = stage->upper.node->span;
  *state = (State){.t = scalar_int(c, 0)};
  Dynamic dynamic = c->e->dynamic;
  Staged *const *states = c->states;
  c->states = NULL;
  state->x = start_bundle(c, stage, &stage->upper, NULL, span);
  if (!stage->single) state->y = start_bundle(c, stage, &stage->lower, state->x, span);
  start_nested(c, state, span);
  start_level_states(c, state);
  // What states draw is drawn for the start, too.
  dynamic_step(c->e, step_key(c, stage, NULL));
  if (stage->method) method_start(c, state);
  Instance *optimizer = stage->upper_optimizer;
  if (optimizer && !(stage->method && method_moves_x(stage->method->node))) {
    state->optimizer_count = optimizer_state_count(optimizer);
    state->optimizer = ARENA_ARRAY(c->build->arena, Staged *, (size_t)state->optimizer_count + 1);
    optimizer_start(optimizer, state->x, state->optimizer);
  }
  Instance *lower = stage->lower_optimizer;
  if (lower && lower->keep) {
    state->kept_count = optimizer_state_count(lower);
    state->kept = ARENA_ARRAY(c->build->arena, Staged *, (size_t)state->kept_count + 1);
    optimizer_start(lower, state->y, state->kept);
  }
  c->states = states;
  c->e->dynamic = dynamic;
}

// ---- parts

static int part_count(const State *state) {
  return 1 + (state->y != NULL) + state->method_count + state->optimizer_count + state->kept_count +
         state->level_count + state->nested_count;
}

static void state_parts(const State *state, Staged **parts) {
  int n = 0;
  parts[n++] = state->x;
  if (state->y) parts[n++] = state->y;
  for (int i = 0; i < state->method_count; i++) parts[n++] = state->method[i];
  for (int i = 0; i < state->optimizer_count; i++) parts[n++] = state->optimizer[i];
  for (int i = 0; i < state->kept_count; i++) parts[n++] = state->kept[i];
  for (int i = 0; i < state->level_count; i++) parts[n++] = state->level[i];
  for (int i = 0; i < state->nested_count; i++) parts[n++] = state->nested[i];
}

static void state_from_parts(Arena *arena, const State *like, Staged *const *parts, Value *t,
                             State *out) {
  State state = {.t = t,
                 .method_count = like->method_count,
                 .optimizer_count = like->optimizer_count,
                 .kept_count = like->kept_count,
                 .level_count = like->level_count,
                 .nested_count = like->nested_count};
  int n = 0;
  state.x = parts[n++];
  if (like->y) state.y = parts[n++];
  int counts[] = {like->method_count, like->optimizer_count, like->kept_count, like->level_count,
                  like->nested_count};
  Staged ***lists[] = {&state.method, &state.optimizer, &state.kept, &state.level, &state.nested};
  for (int k = 0; k < 5; k++) {
    *lists[k] = ARENA_ARRAY(arena, Staged *, (size_t)counts[k] + 1);
    for (int i = 0; i < counts[k]; i++) (*lists[k])[i] = parts[n++];
  }
  *out = state;
}

bool state_is_poison(const Context *c, const State *state) {
  int count = part_count(state);
  Staged **parts = ARENA_ARRAY(c->build->arena, Staged *, (size_t)count + 1);
  state_parts(state, parts);
  for (int i = 0; i < count; i++)
    if (!parts[i] || staged_is_poison(parts[i])) return true;
  return false;
}

Staged *state_pack(Context *c, const State *state) {
  int count = part_count(state);
  Staged **parts = ARENA_ARRAY(c->build->arena, Staged *, (size_t)count + 1);
  state_parts(state, parts);
  parts[count] = staged_tensor(c->e, state->t);
  return staged_tuple(c->e, parts, count + 1);
}

void state_unpack(Context *c, const State *like, Staged *packed, State *out) {
  Staged *const *parts = packed->tree.children;
  state_from_parts(c->build->arena, like, parts, parts[part_count(like)]->tensor, out);
}

void state_leaves(Context *c, const State *state, ValueList *leaves) {
  staged_leaves(c->e, state_pack(c, state), leaves);
}

void state_rebuild(Context *c, const State *like, Value *const *leaves, State *out) {
  Staged *packed = staged_rebuild(c->e, state_pack(c, like), &leaves);
  state_unpack(c, like, packed, out);
}

// ---- names

void leaf_names(Arena *arena, Interner *names, const char *prefix, const Layout *layout,
                NameList *list) {
  if (!layout) {
    VEC_PUSH(arena, list, intern(names, prefix));
    return;
  }
  if (layout->kind == LAYOUT_ARRAY) {
    leaf_names(arena, names, prefix, layout->element, list);
    return;
  }
  for (int i = 0; i < layout->count; i++) {
    const char *dot = *prefix ? "." : "";
    const char *name = layout->names ? arena_printf(arena, "%s%s%s", prefix, dot, layout->names[i])
                                     : arena_printf(arena, "%s%s%d", prefix, dot, i);
    leaf_names(arena, names, name, layout->children[i], list);
  }
}

void level_leaf_names(Context *c, const Level *level, Staged *bundle, NameList *names) {
  for (size_t i = 0; i < level->variables.count; i++)
    leaf_names(c->build->arena, c->build->compilation->names, level->variables.data[i].name,
               staged_layout(level_part(level, bundle, i)), names);
}

typedef struct NestedNames {
  Context *context;
  const State *state;
  NameList *names;
} NestedNames;

static void name_nested(Stage *nested, void *self) {
  const NestedNames *n = self;
  Context *c = n->context;
  Staged *value = n->state->nested[nested->index];
  for (size_t i = 0; i < nested->lower.variables.count; i++)
    leaf_names(c->build->arena, c->build->compilation->names, nested->lower.variables.data[i].name,
               staged_layout(nested_part(c, nested, value, i)), n->names);
}

static void name_states(Context *c, const char *prefix, const NodeList *nodes, Staged **states,
                        int count, NameList *names) {
  for (int i = 0; i < count; i++) {
    const char *name = nodes->data[i]->as.state.name.name;
    leaf_names(c->build->arena, c->build->compilation->names,
               arena_printf(c->build->arena, "%s.%s", prefix, name), staged_layout(states[i]),
               names);
  }
}

static void name_optimizer(Context *c, const Instance *optimizer, const char *prefix,
                           Staged **states, int count, NameList *names) {
  if (!count) return;
  NameList prefixes = {0};
  optimizer_state_names(optimizer, prefix, &prefixes);
  for (int i = 0; i < count; i++)
    leaf_names(c->build->arena, c->build->compilation->names, prefixes.data[i],
               staged_layout(states[i]), names);
}

void state_describe(Context *c, const State *state, blo_leaf *rows, const Name *atoms,
                    size_t atom_count) {
  const Stage *stage = c->stage;
  Arena *arena = c->build->arena;
  NameList names = {0};
  level_leaf_names(c, &stage->upper, state->x, &names);
  if (state->y) level_leaf_names(c, &stage->lower, state->y, &names);
  size_t results = names.count;
  if (stage->method)
    name_states(c, "method", &stage->method->node->as.method.states, state->method,
                state->method_count, &names);
  name_optimizer(c, stage->upper_optimizer, "upper_opt", state->optimizer, state->optimizer_count,
                 &names);
  name_optimizer(c, stage->lower_optimizer, "lower_opt", state->kept, state->kept_count, &names);
  size_t level_first = names.count;
  for (int i = 0; i < state->level_count; i++)
    leaf_names(arena, c->build->compilation->names, level_state_node(stage, i)->as.state.name.name,
               staged_layout(state->level[i]), &names);
  NestedNames nested = {c, state, &names};
  nested_each(c->stage, name_nested, &nested);
  size_t level_last = names.count;
  // No variable can be called like this.
  VEC_PUSH(arena, &names, intern(c->build->compilation->names, ".steps"));
  ValueList leaves = {0};
  state_leaves(c, state, &leaves);
  for (size_t i = 0; i < leaves.count; i++) {
    const Type *type = leaves.data[i]->type;
    rows[i] = (blo_leaf){.name = names.data[i],
                         .dtype = (int32_t)type->dtype,
                         .rank = type->rank,
                         .shape = describe_shape(c->build, type, atoms, atom_count),
                         .result = i < results || (i >= level_first && i < level_last)};
  }
}
