// Constraints: `subject to name: a <= b;` as values, multipliers and violations.
//
// Enters: the `subject to` clauses of a level and a point (x, y). Leaves: the bundle of constraint
// values in the sense <= 0 (= 0 for equalities), one leaf per constraint; what `g`, `cone`, `dual`
// and `violation` mean. A level without constraints has one empty vector, so that methods need no
// special case.
#include "build/program.h"
#include "evaluate/staging.h"

#include <string.h>

bool constraint_is_equality(const Node *clause) {
  return clause->as.subject.value->as.binary.op == BIN_EQ;
}

const char *constraint_phrase(Context *c, const Node *clause) {
  Name name = clause->as.subject.name.name;
  return name ? arena_printf(c->build->arena, "the constraint `%s`", name) : "this constraint";
}

// ---- values

static Staged *sample_constraints(Context *c, Staged *x, Staged *y, Span span) {
  return operate_binary(c->e, BIN_MUL, c->stage->lower.constraint_like,
                        sample_objective(c, x, y, span), span);
}

// One constraint at the open point: lhs - rhs, turned so that <= 0 is feasible.
static Staged *constraint_value(Context *c, const Node *clause) {
  Evaluator *e = c->e;
  const Node *value = clause->as.subject.value;
  Staged *left = evaluate(e, value->as.binary.left, NULL, NULL);
  Staged *right = evaluate(e, value->as.binary.right, NULL, NULL);
  if (staged_is_poison(left) || staged_is_poison(right)) return staged_poison;
  // Said of the comparison that is written, not of the difference that is taken.
  Places places = {value->span, value->as.binary.left->span, value->as.binary.right->span};
  if (left->kind == STAGED_TENSOR && right->kind == STAGED_TENSOR &&
      !meet_shape(e, left->tensor, right->tensor, binary_text(value->as.binary.op), places))
    return staged_poison;
  if (value->as.binary.op == BIN_GE) {
    Staged *first = left;
    left = right;
    right = first;
  }
  Staged *difference = operate_binary(e, BIN_SUB, left, right, value->span);
  if (staged_is_poison(difference)) return difference;
  bool number = staged_is_number(difference);
  bool real = difference->kind == STAGED_TENSOR && dtype_is_float(difference->tensor->type->dtype);
  if (number) {
    Value *scalar = scalar_value(e, difference, e->real, value->span, "the constraint");
    return scalar ? staged_tensor(e, scalar) : staged_poison;
  }
  if (real) return difference;
  Diagnostic *d = report(build_diagnostics(c->build), E0422, value->span,
                         "a constraint compares real numbers or tensors; this is %s",
                         staged_describe(e, difference));
  diagnostic_help(d, "write one constraint for each tensor");
  return staged_poison;
}

static Staged *no_constraints(Context *c) {
  const Dim *none = dim_const(c->module->dims, 0);
  const Type *type = type_get(c->module, c->e->real, 1, &none);
  return staged_tensor(c->e, ir_zero(&c->e->builder, type));
}

static Staged *constraint_bundle(Context *c, const Level *level, Staged *const *values) {
  size_t count = level->constraints.count;
  if (count == 1) return values[0];
  Arena *arena = c->build->arena;
  Name *names = ARENA_ARRAY(arena, Name, count);
  const Layout **layouts = ARENA_ARRAY(arena, const Layout *, count);
  for (size_t i = 0; i < count; i++) {
    Name name = level->constraints.data[i]->as.subject.name.name;
    names[i] =
        name ? name
             : intern(c->build->compilation->names, arena_printf(arena, "constraint%zu", i + 1));
    layouts[i] = NULL;
  }
  return staged_tree(c->e, layout_level(c->e, (int)count, names, layouts), values);
}

Staged *constraints_at(Context *c, Stage *stage, const Level *level, Staged *x, Staged *y,
                       Span span) {
  if (stage->sample) return sample_constraints(c, x, y, span);
  size_t count = level->constraints.count;
  if (!count) return no_constraints(c);
  Dynamic dynamic = c->e->dynamic;
  Value *iteration = c->iteration;
  c->e->dynamic.place = place_hash("constraint", level->word);
  c->e->dynamic.loops = NULL;
  c->e->dynamic.outside = c->e->variables;
  c->iteration = level_iteration(c, stage, level);
  Point *point = point_open(c, stage, x, y);
  Staged **values = ARENA_ARRAY(c->build->arena, Staged *, count);
  bool ok = true;
  for (size_t i = 0; i < count; i++) {
    values[i] = constraint_value(c, level->constraints.data[i]);
    ok &= !staged_is_poison(values[i]);
  }
  point_close(c, point);
  c->iteration = iteration;
  c->e->dynamic = dynamic;
  return ok ? constraint_bundle(c, level, values) : staged_poison;
}

// The types of the constraint values are found by evaluating them once, at any point.
Staged *constraints_like(Context *c, Stage *stage) {
  Level *level = &stage->lower;
  if (level->constraint_like || !stage->lower.like) return level->constraint_like;
  Staged *value =
      constraints_at(c, stage, level, stage->upper.like, stage->lower.like, level->node->span);
  if (!staged_is_poison(value)) level->constraint_like = value;
  return value;
}

// ---- bundles as vectors

Value *bundle_flatten(Context *c, Staged *bundle) {
  Builder *b = &c->e->builder;
  ValueList leaves = {0}, flat = {0};
  staged_leaves(c->e, bundle, &leaves);
  for (size_t i = 0; i < leaves.count; i++) {
    const Dim *entries = type_entries(c->module, leaves.data[i]->type);
    const Type *type = type_get(c->module, leaves.data[i]->type->dtype, 1, &entries);
    VEC_PUSH(c->build->arena, &flat, ir_reshape(b, leaves.data[i], type));
  }
  return flat.count == 1 ? flat.data[0] : ir_concat(b, flat.data, (int)flat.count, 0);
}

Staged *bundle_unflatten(Context *c, Value *flat, const Staged *like) {
  Builder *b = &c->e->builder;
  ValueList likes = {0}, leaves = {0};
  staged_leaves(c->e, like, &likes);
  const Dim *start = dim_const(c->module->dims, 0);
  for (size_t i = 0; i < likes.count; i++) {
    const Dim *entries = type_entries(c->module, likes.data[i]->type);
    Value *part = ir_slice(b, flat, 0, start, entries, 1);
    VEC_PUSH(c->build->arena, &leaves, ir_reshape(b, part, likes.data[i]->type));
    start = dim_add(c->module->dims, start, entries);
  }
  Value *const *next = leaves.data;
  return staged_rebuild(c->e, like, &next);
}

// ---- g and cone

static Staged *call_constraints(const Call *call, void *self) {
  Context *c = self;
  Stage *stage = c->stage;
  Staged *x, *y;
  if (!pair_arguments(c, call, "g", "g(x, y)", &x, &y)) return staged_poison;
  return constraints_at(c, stage, &stage->lower, x, y, call->span);
}

Staged *constraints_function(Context *c) {
  return staged_native(c->e, "g", call_constraints, c);
}

static Staged *leaf_cone(Context *c, Value *leaf) {
  Builder *b = &c->e->builder;
  Value *zero = ir_zero(b, leaf->type);
  return staged_tensor(c->e, ir_select(b, ir_compare(b, COMPARE_GE, leaf, zero), leaf, zero));
}

Staged *constraints_cone(Context *c, Staged *multipliers) {
  if (staged_is_poison(multipliers)) return multipliers;
  const Level *level = &c->stage->lower;
  ValueList leaves = {0}, cut = {0};
  staged_leaves(c->e, multipliers, &leaves);
  for (size_t i = 0; i < leaves.count; i++) {
    bool equality =
        i < level->constraints.count && constraint_is_equality(level->constraints.data[i]);
    VEC_PUSH(c->build->arena, &cut,
             equality ? leaves.data[i] : leaf_cone(c, leaves.data[i])->tensor);
  }
  Value *const *next = cut.data;
  return staged_rebuild(c->e, multipliers, &next);
}

static Staged *call_cone(const Call *call, void *self) {
  Context *c = self;
  if (call->positional_count != 1 || call->named_count) {
    Diagnostic *d = mistake(c->e, E0304, call->span, "`cone` takes multipliers");
    diagnostic_help(d, "write `cone(m)`");
    return staged_poison;
  }
  Staged *like = constraints_like(c, c->stage);
  if (!like || staged_is_poison(like)) return staged_poison;
  return constraints_cone(c, fit_like(c->e, call->positional[0], like, false, call->spans[0],
                                      "the multipliers given to `cone`"));
}

Staged *cone_function(Context *c) {
  return staged_native(c->e, "cone", call_cone, c);
}

// ---- dual and violation

static Staged *constraint_part(const Level *level, Staged *bundle, size_t index) {
  if (staged_is_poison(bundle) || level->constraints.count == 1) return bundle;
  return bundle->tree.children[index];
}

// The level and number of a constraint; NULL where this stage does not have it.
static const Level *find_level(const Stage *stage, const Binding *binding, size_t *index) {
  const Level *levels[] = {&stage->upper, &stage->lower};
  for (int i = 0; i < 2; i++)
    for (*index = 0; *index < levels[i]->constraints.count; (*index)++)
      if (levels[i]->constraints.data[*index]->as.subject.binding == binding) return levels[i];
  return NULL;
}

// Multipliers stand in the state of the method; those of a problem below others, which has none
// between steps, are what a step from its solution leaves.
static Staged *dual_of(Context *c, const State *state, const Level *level, size_t index, Staged *x,
                       Staged *y, Span span) {
  const Stage *stage = c->stage;
  const Node *method = stage->method ? stage->method->node : NULL;
  const Binding *dual = method_dual(method);
  if (level == &stage->upper)
    return no_value(c, span,
                    "a constraint of the upper level has no multiplier: the solve block "
                    "says how it is kept");
  if (dual && stage->above) return constraint_part(level, method_multipliers(c, x, y), index);
  if (!state && !stage->above) {
    Diagnostic *d = report(build_diagnostics(c->build), E0207, span,
                           "multipliers are known between the steps of a run");
    diagnostic_help(d, "use `dual` in reports, `stop`, `state .. then` and tests");
    return staged_poison;
  }
  for (int i = 0; dual && i < state->method_count; i++)
    if (method->as.method.states.data[i]->as.state.binding == dual)
      return constraint_part(level, state->method[i], index);
  Diagnostic *d = report(build_diagnostics(c->build), E0207, span, "`%s` keeps no multipliers",
                         method ? instance_name(stage->method) : "this stage");
  diagnostic_help(d, "a method that does has a `state dual: constraints`, like kkt");
  return staged_poison;
}

static Value *leaf_violation(Context *c, Value *leaf, bool equality) {
  Builder *b = &c->e->builder;
  if (equality) return ir_unary(b, OP_ABS, leaf);
  return ir_binary(b, OP_MAX, leaf, ir_zero(b, leaf->type));
}

// What is asked of a constraint.
typedef struct Asking {
  Builtin builtin;
  const Binding *binding;
  Span span;
} Asking;

static Staged *answer(Context *c, const Asking *asking, const State *state, Staged *x, Staged *y) {
  size_t index;
  const Level *level = find_level(c->stage, asking->binding, &index);
  if (asking->builtin == BUILTIN_DUAL) return dual_of(c, state, level, index, x, y, asking->span);
  Staged *bundle = constraints_at(c, c->stage, level, x, y, asking->span);
  Staged *part = constraint_part(level, bundle, index);
  if (staged_is_poison(part)) return part;
  bool equality = constraint_is_equality(level->constraints.data[index]);
  return staged_tensor(c->e, leaf_violation(c, part->tensor, equality));
}

static Staged *answer_at(Context *c, Point *point, void *self) {
  return answer(c, self, NULL, point->x, point->y);
}

static Stage *find_below(Stage *stage, const Binding *binding) {
  size_t index;
  for (size_t i = 0; i < stage->nested.count; i++) {
    Stage *nested = stage->nested.data[i];
    Stage *found = find_level(nested, binding, &index) ? nested : find_below(nested, binding);
    if (found) return found;
  }
  return NULL;
}

static Staged *answer_below(Context *c, Point *point, void *self) {
  const Asking *asking = self;
  Stage *owner = find_below(point->stage, asking->binding);
  return nested_evaluate(c, point, owner, answer_at, self, asking->span);
}

// `dual(margin)` and `violation(margin)`: check has bound the name to a constraint.
Staged *constraint_builtin(const Call *call, Builtin builtin, Context *c) {
  const Object *object =
      call->positional[0]->kind == STAGED_OBJECT ? call->positional[0]->object : NULL;
  if (!object || object->kind != OBJECT_CONSTRAINT) return staged_poison;
  Asking asking = {builtin, object->binding, call->span};
  size_t index;
  if (c->stage && find_level(c->stage, object->binding, &index)) {
    const State *state;
    Staged *x, *y;
    if (!standing_at(c, &state, &x, &y, call->span)) return staged_poison;
    return answer(c, &asking, state, x, y);
  }
  if (!c->stage || !find_below(c->stage, object->binding))
    return no_value(c, call->span, "`%s` is a constraint of another stage or of a level above",
                    object->binding->name);
  if (c->point) return answer_below(c, c->point, &asking);
  return test_evaluate(c, answer_below, &asking, call->span);
}

// The name itself is no value: only the two functions take it.
Staged *constraint_object(Context *c, const Binding *binding) {
  Object *object = ARENA_NEW(c->build->arena, Object);
  *object = (Object){.kind = OBJECT_CONSTRAINT,
                     .binding = binding,
                     .phrase = arena_printf(c->build->arena, "the constraint `%s`", binding->name)};
  return staged_object(c->e, object);
}

// ---- the largest violation of all

static Value *larger(Context *c, Value *most, Value *value) {
  Builder *b = &c->e->builder;
  if (value->type->rank) {
    const Dim *entries = type_entries(c->module, value->type);
    const Type *flat = type_get(c->module, value->type->dtype, 1, &entries);
    value = ir_reduce(b, OP_REDUCE_MAX, ir_reshape(b, value, flat), 1u);
  }
  return most ? ir_binary(b, OP_MAX, most, value) : value;
}

static Value *level_violation(Context *c, const Level *level, Staged *x, Staged *y, Value *most) {
  if (!level->constraints.count) return most;
  Staged *bundle = constraints_at(c, c->stage, level, x, y, level->node->span);
  if (staged_is_poison(bundle)) return most;
  ValueList leaves = {0};
  staged_leaves(c->e, bundle, &leaves);
  for (size_t i = 0; i < level->constraints.count; i++) {
    bool equality = constraint_is_equality(level->constraints.data[i]);
    most = larger(c, most, leaf_violation(c, leaves.data[i], equality));
  }
  return most;
}

static Staged *violation_at(Context *c, Point *point, void *self) {
  (void)self;
  Value *most = level_violation(c, &c->stage->lower, point->x, point->y, NULL);
  return most ? staged_tensor(c->e, most) : staged_poison;
}

typedef struct Violations {
  Context *context;
  Point *point;
  Value *most;
} Violations;

// One for each row of the families around, if there are any.
static void add_nested_violation(Stage *nested, void *self) {
  Violations *v = self;
  Context *c = v->context;
  if (!nested->lower.constraints.count) return;
  Staged *value =
      nested_evaluate(c, v->point, nested, violation_at, NULL, nested->lower.node->span);
  if (!staged_is_poison(value)) v->most = larger(c, v->most, value->tensor);
}

Value *stage_violation(Context *c, Point *point) {
  Value *most = level_violation(c, &c->stage->upper, point->x, point->y, NULL);
  if (!c->stage->single) most = level_violation(c, &c->stage->lower, point->x, point->y, most);
  Violations violations = {c, point, most};
  nested_each(c->stage, add_nested_violation, &violations);
  return violations.most;
}

static void find_constrained(Stage *nested, void *self) {
  *(bool *)self |= nested->lower.constraints.count > 0;
}

bool stage_is_constrained(Stage *stage) {
  bool found = stage->upper.constraints.count || stage->lower.constraints.count;
  nested_each(stage, find_constrained, &found);
  return found;
}
