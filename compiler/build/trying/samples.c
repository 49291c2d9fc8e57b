// Checks of methods, optimisers and sets where they are defined.
//
// Enters: the items of the user's file. Each is run once on a sample problem: upper and lower
// variables are two tensors each, of different rank and with dims of their own, so nothing fits by
// accident. Leaves: diagnostics; what is wrong here is wrong for every program, and later uses of
// the item are silent.
#include "build/program.h"
#include "evaluate/staging.h"

#include <string.h>

// ---- a sample problem

static Staged *sample_leaf(Context *c, const char *name, int rank) {
  const Dim *shape[MAX_RANK];
  for (int i = 0; i < rank; i++) shape[i] = dim_fresh(c->module->dims, name);
  const Type *type = type_get(c->module, c->e->real, rank, shape);
  return staged_tensor(c->e, entry_input(c, name, type, BLO_ROLE_ARGUMENT, 0));
}

static void sample_level(Context *c, Level *level, const char *vector, const char *matrix) {
  Staged *leaves[] = {sample_leaf(c, vector, 1), sample_leaf(c, matrix, 2)};
  Interner *interner = c->build->compilation->names;
  Name names[] = {intern(interner, vector), intern(interner, matrix)};
  const Layout *layouts[] = {NULL, NULL};
  level->like = staged_tree(c->e, layout_level(c->e, 2, names, layouts), leaves);
}

static Stage *sample_stage(Context *c, const Node *item) {
  Arena *arena = c->build->arena;
  Stage *stage = ARENA_NEW(arena, Stage);
  stage->name = "sample";
  stage->sample = true;
  stage->names = map_create(arena);
  stage->lower_batches = map_create(arena);
  stage->upper.word = "upper";
  stage->lower.word = "lower";
  stage->upper.node = stage->lower.node = stage->solve = item;
  sample_level(c, &stage->upper, "p", "q");
  sample_level(c, &stage->lower, "r", "s");
  Staged *values[] = {sample_leaf(c, "m", 1), sample_leaf(c, "h", 2)};
  stage->lower.constraint_like = staged_tuple(c->e, values, 2);
  return stage;
}

// (1 + |x|^2)(1 + |y|^2): every first and second derivative is there.
Staged *sample_objective(Context *c, Staged *x, Staged *y, Span span) {
  Evaluator *e = c->e;
  Staged *one = staged_int(e, 1);
  Staged *a = operate_binary(e, BIN_ADD, operate_dot(e, x, x, span), one, span);
  Staged *b = operate_binary(e, BIN_ADD, operate_dot(e, y, y, span), one, span);
  return operate_binary(e, BIN_MUL, a, b, span);
}

// ---- sample arguments

static Staged *call_solver(const Call *call, void *self) {
  (void)self;
  return call->positional_count >= 2 ? call->positional[1] : staged_poison;
}

// The optimiser that stands for any: the library's first, or the user's.
static Instance *any_optimizer(Context *c) {
  const NodeList *files = &c->build->program->files;
  for (size_t i = 0; i < files->count; i++)
    for (size_t k = 0; k < files->data[i]->as.file.items.count; k++) {
      const Node *item = files->data[i]->as.file.items.data[k];
      if (item->kind != ITEM_OPTIMIZER || !item->as.optimizer.has_update) continue;
      Instance *instance = instance_of_item(c, item, item->span);
      if (instance) return instance;
    }
  return NULL;
}

// An untyped parameter of a set: a number, or shaped like the point.
static Staged *set_argument(Context *c, const char *name) {
  Staged *like = c->stage->upper.like;
  return like->kind == STAGED_TENSOR
             ? staged_tensor(c->e, entry_input(c, name, like->tensor->type, BLO_ROLE_ARGUMENT, 0))
             : sample_leaf(c, name, 0);
}

static Staged *sample_argument(Context *c, const Node *param) {
  const Node *type = param->as.param.type;
  const char *name = param->as.param.name.name;
  const TypeSpec *spec = type ? evaluate_type(c->e, type, NULL) : NULL;
  if (!type) return set_argument(c, name);
  if (!spec) return staged_poison;
  switch (spec->kind) {
  case SPEC_REAL:
    return sample_leaf(c, name, 0);
  case SPEC_INT:
    return staged_integer(c->e, dim_fresh(c->module->dims, name));
  case SPEC_SOLVER:
    return staged_native(c->e, name, call_solver, NULL);
  case SPEC_OPTIMIZER: {
    Instance *optimizer = any_optimizer(c);
    return optimizer ? optimizer_object(optimizer) : staged_poison;
  }
  default: {
    Staged *zero = zeros_of_spec(c->e, spec);
    return zero;
  }
  }
}

// An instance whose parameters without defaults have sample values.
static Instance *sample_instance(Context *c, const Node *item) {
  Instance *instance = instance_of_item(c, item, item->span);
  for (int i = 0; instance && i < instance->count; i++) {
    Argument *argument = &instance->arguments[i];
    if (argument->value || argument->param->kind != PART_PARAM) continue;
    argument->ready = sample_argument(c, argument->param);
  }
  return instance;
}

// ---- the checks

static void check_method(Context *c, const Node *item) {
  Stage *stage = c->stage;
  stage->method = sample_instance(c, item);
  stage->lower_optimizer = stage->upper_optimizer = any_optimizer(c);
  State state = {.x = stage->upper.like, .y = stage->lower.like};
  state.t = entry_input(c, "t", scalar_type(c, DT_I64), BLO_ROLE_ARGUMENT, 0);
  c->t = state.t;
  dynamic_step(c->e, step_key(c, stage, state.t));
  method_start(c, &state);
  MethodResult result = {0};
  method_run(c, &state, &result);
  for (size_t i = 0; i < result.reports.count; i++) method_report(c, &result.reports.data[i]);
}

static void check_optimizer(Context *c, const Node *item) {
  Instance *optimizer = sample_instance(c, item);
  Staged *z = c->stage->lower.like;
  Value *t = entry_input(c, "t", scalar_type(c, DT_I64), BLO_ROLE_ARGUMENT, 0);
  Staged **states =
      ARENA_ARRAY(c->build->arena, Staged *, (size_t)optimizer_state_count(optimizer) + 1);
  optimizer_start(optimizer, z, states);
  // A gradient that is not the point itself.
  Staged *g = operate_binary(c->e, BIN_MUL, staged_real(c->e, 2.0), z, item->span);
  optimizer_update(optimizer, z, g, t, t, states, item->span);
}

/// What a set may be made for: a vector or a matrix, with numbers or points as its parameters.
typedef struct SetSample {
  int rank;
  bool shaped; // the parameters are shaped like the point
} SetSample;

static void check_set(Context *c, const Node *item, SetSample sample) {
  Staged *z = sample_leaf(c, "n", sample.rank);
  if (sample.shaped) c->stage->upper.like = z;
  Instance *set = sample_instance(c, item);
  const Environment *environment = instance_environment(set);
  for (size_t i = 0; i < item->as.set.functions.count; i++) {
    const Node *function = item->as.set.functions.data[i];
    size_t names = function->kind == PART_SET_FUNCTION ? function->as.set_function.names.count : 0;
    if (names != 1 && names != 2) continue;
    const Environment *inner =
        environment_add(c->e, environment, function->as.set_function.bindings[0], z);
    if (names == 2)
      inner = environment_add(c->e, inner, function->as.set_function.bindings[1],
                              sample_leaf(c, "step", 0));
    Staged *value = evaluate(c->e, function->as.set_function.body, inner, NULL);
    if (strcmp(function->as.set_function.name.name, "value") == 0) continue;
    const char *what =
        arena_printf(c->build->arena, "the projection on `%s`", item->as.set.name.name);
    fit_like(c->e, value, z, true, function->as.set_function.body->span, what);
  }
}

// True when nothing was wrong.
static bool try_item(Build *b, const Node *item, SetSample sample) {
  size_t errors = diagnostics_errors(build_diagnostics(b));
  Context *c = context_create(b, module_create(b->arena, b->compilation->names));
  c->e->checking = true;
  entry_create(c, "sample");
  take_seed(c);
  c->stage = sample_stage(c, item);
  dynamic_step(c->e, step_key(c, c->stage, NULL));
  if (item->kind == ITEM_METHOD)
    check_method(c, item);
  else if (item->kind == ITEM_OPTIMIZER)
    check_optimizer(c, item);
  else
    check_set(c, item, sample);
  return diagnostics_errors(build_diagnostics(b)) == errors;
}

static void check_item(Build *b, const Node *item) {
  bool method = item->kind == ITEM_METHOD, optimizer = item->kind == ITEM_OPTIMIZER;
  if (!method && !optimizer && item->kind != ITEM_SET) return;
  if (method && !item->as.method.has_step) return; // said by check
  if (optimizer && !item->as.optimizer.has_update) return;
  // A set is sound if it is for one kind of point; what is said is about the first.
  static const SetSample samples[] = {{1, false}, {1, true}, {2, false}, {2, true}};
  int count = item->kind == ITEM_SET ? 4 : 1;
  for (int i = 1; i < count; i++) {
    size_t mark = diagnostics_mark(build_diagnostics(b));
    bool ok = try_item(b, item, samples[i]);
    diagnostics_rewind(build_diagnostics(b), mark);
    if (ok) return;
  }
  if (try_item(b, item, samples[0])) return;
  if (b->failed_items) map_put(b->failed_items, item, (void *)(uintptr_t)item);
}

void samples_check(Build *b, const Node *file) {
  for (size_t i = 0; i < file->as.file.items.count; i++) check_item(b, file->as.file.items.data[i]);
}
