// Optimisers: their states and one update.
//
// Enters: an `optimizer` item with arguments. Leaves: IR for `update(z, g, t)` on whole bundles; as
// a value, an object with `.init(z)` and `.step(z, g, s)` whose state is the tuple (t, states ...).
#include "build/program.h"
#include "evaluate/staging.h"

#include <string.h>

// ---- statements shared with methods

typedef struct BindingList {
  VEC(const Binding *) list;
} BindingList;

static void collect_bindings(Arena *arena, const Node *pattern, BindingList *found) {
  if (pattern->kind == PATTERN_NAME && pattern->as.pattern_name.binding)
    VEC_PUSH(arena, &found->list, pattern->as.pattern_name.binding);
  if (pattern->kind == PATTERN_TUPLE)
    for (size_t i = 0; i < pattern->as.pattern_tuple.items.count; i++)
      collect_bindings(arena, pattern->as.pattern_tuple.items.data[i], found);
}

// `set` keeps layout and types: a number or a scalar spreads over what was there.
static void run_set(Context *c, const Node *node, const Environment **environment) {
  Evaluator *e = c->e;
  const Node *value_node = node->as.assign.value;
  Staged *value = evaluate(e, value_node, *environment, NULL);
  const Environment *bound = evaluate_pattern(e, node->as.assign.pattern, value, *environment);
  BindingList targets = {0};
  collect_bindings(e->arena, node->as.assign.pattern, &targets);
  const Environment *result = *environment;
  for (size_t i = 0; i < targets.list.count; i++) {
    const Binding *binding = targets.list.data[i];
    Staged *given = environment_find(bound, binding);
    Staged *old = environment_find(*environment, binding);
    if (!old) old = e->resolve(e, binding, node->span, e->resolve_self);
    if (!given) given = staged_poison;
    if (old) {
      const char *what = arena_printf(e->arena, "the new value of `%s`", binding->name);
      given = fit_like(e, given, old, true, value_node->span, what);
    }
    result = environment_add(e, result, binding, given);
  }
  *environment = result;
}

bool run_move(Context *c, const Node *move, const Environment **environment) {
  switch (move->kind) {
  case NODE_LET:
    *environment = evaluate_let(c->e, move, *environment);
    return true;
  case NODE_SET:
    run_set(c, move, environment);
    return true;
  case NODE_ENSURE:
    evaluate_ensure(c->e, move, *environment);
    return true;
  case NODE_ERROR:
    return true;
  default:
    return false;
  }
}

// ---- states

int item_state_count(const Instance *optimizer) {
  return (int)optimizer->node->as.optimizer.states.count;
}

void item_start(Instance *optimizer, Staged *z, Staged **states) {
  Context *c = optimizer->context;
  const Node *node = optimizer->node;
  Value *iteration = c->iteration;
  if (!c->iteration) c->iteration = scalar_int(c, 0);
  const Environment *environment = instance_environment(optimizer);
  Dynamic saved;
  instance_enter(optimizer, &saved);
  if (node->as.optimizer.update_bindings[0])
    environment = environment_add(c->e, environment, node->as.optimizer.update_bindings[0], z);
  for (size_t i = 0; i < node->as.optimizer.states.count; i++) {
    const Node *state = node->as.optimizer.states.data[i];
    if (state->kind != NODE_STATE) {
      states[i] = staged_poison;
      continue;
    }
    const Node *initial = state->as.state.initial;
    const char *what = arena_printf(c->build->arena, "the start value of the state `%s`",
                                    state->as.state.name.name);
    Staged *value = evaluate(c->e, initial, environment, NULL);
    bool number = value->kind == STAGED_INTEGER || value->kind == STAGED_REAL;
    if (state->as.state.type) {
      const TypeSpec *spec = evaluate_type(c->e, state->as.state.type, environment);
      value = spec ? coerce(c->e, value, spec, true, initial->span, what) : staged_poison;
    } else if (number) {
      value = fit_like(c->e, value, z, true, initial->span, what);
    }
    states[i] = value;
    environment = environment_add(c->e, environment, state->as.state.binding, value);
  }
  instance_leave(optimizer, &saved);
  c->iteration = iteration;
}

// ---- one update

Staged *item_update(Instance *optimizer, Staged *z, Staged *g, Value *t, Value *iteration,
                    Staged **states) {
  Context *c = optimizer->context;
  Evaluator *e = c->e;
  const Node *node = optimizer->node;
  if (!node->as.optimizer.has_update || !node->as.optimizer.value) return staged_poison;
  Value *before = c->iteration;
  c->iteration = iteration;
  const Environment *environment = instance_environment(optimizer);
  Staged *arguments[] = {z, g, staged_tensor(e, t)};
  for (int i = 0; i < 3; i++)
    if (node->as.optimizer.update_bindings[i])
      environment =
          environment_add(e, environment, node->as.optimizer.update_bindings[i], arguments[i]);
  const NodeList *list = &node->as.optimizer.states;
  for (size_t i = 0; i < list->count; i++)
    if (list->data[i]->kind == NODE_STATE)
      environment = environment_add(e, environment, list->data[i]->as.state.binding, states[i]);
  Dynamic saved;
  instance_enter(optimizer, &saved);
  for (size_t i = 0; i < node->as.optimizer.moves.count; i++) {
    const Node *move = node->as.optimizer.moves.data[i];
    if (!run_move(c, move, &environment))
      report(build_diagnostics(c->build), E0207, move->span,
             "an optimizer has no reports: a method or a level has");
  }
  Staged *value = evaluate(e, node->as.optimizer.value, environment, NULL);
  const char *what = arena_printf(e->arena, "the update of `%s`", node->as.optimizer.name.name);
  value = fit_like(e, value, z, false, node->as.optimizer.value->span, what);
  instance_leave(optimizer, &saved);
  for (size_t i = 0; i < list->count; i++)
    if (list->data[i]->kind == NODE_STATE)
      states[i] = environment_find(environment, list->data[i]->as.state.binding);
  c->iteration = before;
  return value;
}

// ---- as a value

static Staged *pack_states(Context *c, Value *t, Staged **states, int count) {
  Staged **parts = ARENA_ARRAY(c->build->arena, Staged *, (size_t)count + 1);
  parts[0] = staged_tensor(c->e, t);
  for (int i = 0; i < count; i++) {
    if (staged_is_poison(states[i])) return staged_poison;
    parts[i + 1] = states[i];
  }
  return staged_tuple(c->e, parts, count + 1);
}

static Staged *call_init(const Call *call, void *self) {
  Instance *optimizer = self;
  Context *c = optimizer->context;
  if (call->positional_count != 1 || call->named_count) {
    mistake(c->e, E0304, call->span, "`init` takes the variables: `init(z)`");
    return staged_poison;
  }
  if (staged_is_poison(call->positional[0])) return staged_poison;
  int count = optimizer_state_count(optimizer);
  Staged **states = ARENA_ARRAY(c->build->arena, Staged *, (size_t)count + 1);
  optimizer_start(optimizer, call->positional[0], states);
  return pack_states(c, scalar_int(c, 0), states, count);
}

static bool fits_states(const Staged *s, int count) {
  return s->kind == STAGED_TREE && s->tree.layout->kind == LAYOUT_TUPLE &&
         s->tree.layout->count == count + 1 && s->tree.children[0]->kind == STAGED_TENSOR;
}

static Staged *call_step(const Call *call, void *self) {
  Instance *optimizer = self;
  Context *c = optimizer->context;
  Builder *b = &c->e->builder;
  if (call->positional_count != 3 || call->named_count) {
    mistake(c->e, E0304, call->span, "`step` takes variables, gradient and state: `step(z, g, s)`");
    return staged_poison;
  }
  for (int i = 0; i < 3; i++)
    if (staged_is_poison(call->positional[i])) return staged_poison;
  int count = optimizer_state_count(optimizer);
  Staged *packed = call->positional[2];
  if (!fits_states(packed, count)) {
    mistake(c->e, E0303, call->spans[2], "the state of `%s` comes from its `init`",
            instance_name(optimizer));
    return staged_poison;
  }
  Staged **states = ARENA_ARRAY(c->build->arena, Staged *, (size_t)count + 1);
  for (int i = 0; i < count; i++) states[i] = packed->tree.children[i + 1];
  Value *t = packed->tree.children[0]->tensor;
  bool lower = optimizer == c->stage->lower_optimizer;
  bool inner = c->moving.level != NULL; // a wrapper's own: it moves what the wrapper moves
  Staged *x = c->method_state ? c->method_state->x : NULL;
  Moving saved = c->moving;
  if (!inner)
    saved = moving_enter(c, lower ? &c->stage->lower : &c->stage->upper, x, NULL,
                         "`.step(z, g, s)` is given a gradient and no function");
  Staged *z = optimizer_update(optimizer, call->positional[0], call->positional[1], t, t, states,
                               call->span);
  if (!inner) moving_leave(c, saved, optimizer);
  Staged *next = pack_states(c, ir_binary(b, OP_ADD, t, scalar_int(c, 1)), states, count);
  if (staged_is_poison(z) || staged_is_poison(next)) return staged_poison;
  Staged *pair[] = {z, next};
  return staged_tuple(c->e, pair, 2);
}

// `lower_opt.iters`: for methods that make the steps themselves.
static Staged *member_iterations(Evaluator *e, const Instance *optimizer, Span span) {
  if (optimizer->context->stage->sample) return staged_int(e, 5);
  if (optimizer->iterations) return staged_integer(e, optimizer->iterations);
  Diagnostic *d = mistake(e, E0304, span, "`%s` does not say for how many iterations it runs",
                          instance_name(optimizer));
  diagnostic_label(d, optimizer->span, "write `%s(..., iters = 100)`", instance_name(optimizer));
  return staged_poison;
}

static Staged *optimizer_member(Evaluator *e, const Object *object, Name name, Span span) {
  if (strcmp(name, "iters") == 0) return member_iterations(e, object->data, span);
  if (strcmp(name, "init") == 0) return staged_native(e, "init", call_init, object->data);
  if (strcmp(name, "step") == 0) return staged_native(e, "step", call_step, object->data);
  return NULL;
}

Staged *optimizer_object(Instance *optimizer) {
  Context *c = optimizer->context;
  optimizer->used = true;
  Object *object = ARENA_NEW(c->build->arena, Object);
  *object = (Object){
      .kind = OBJECT_OPTIMIZER,
      .data = optimizer,
      .member = optimizer_member,
      .phrase = arena_printf(c->build->arena, "the optimizer `%s`", instance_name(optimizer))};
  return staged_object(c->e, object);
}
