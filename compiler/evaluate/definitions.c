// Checks of functions and structs where they are defined.
//
// Every `fn` is evaluated once with rigid dims, sample values for its parameters and a sample
// layout for `vec`, in a module of its own that is thrown away. What is wrong for these is wrong
// for every call, and is reported here, at its place, once: later uses are POISON. A function is
// checked before the first call of it is.
#include "evaluate/staging.h"

// --- sample values -------------------------------------------------------------------------------

static Staged *sample(Evaluator *e, Block *block, const TypeSpec *spec, Name name);

static const Dim *rigid(Evaluator *e, const char *name) {
  return dim_fresh(e->module->dims, name);
}

static Staged *sample_tensor(Evaluator *e, Block *block, Dtype dtype, int rank,
                             const Dim *const *shape, Name name) {
  return staged_tensor(e, block_add_param(block, type_get(e->module, dtype, rank, shape), name));
}

static Staged *sample_leaf(Evaluator *e, Staged *leaf, void *self) {
  return staged_tensor(e, block_add_param(self, leaf_value(e, leaf)->type, NULL));
}

// Two leaves of different rank: nothing about them can be taken for granted.
static Staged *sample_vec(Evaluator *e, Block *block) {
  const Dim *p = rigid(e, "p"), *matrix[] = {rigid(e, "q"), rigid(e, "r")};
  Staged *parts[] = {sample_tensor(e, block, e->real, 1, &p, NULL),
                     sample_tensor(e, block, e->real, 2, matrix, NULL)};
  return staged_tuple(e, parts, 2);
}

/// A parameter of function type: a value of the declared result that depends on all arguments.
typedef struct SampleFunction {
  const TypeSpec *spec;
  Name name;
} SampleFunction;

typedef struct Dependence {
  Value *nothing; // a scalar 0 made of the arguments
} Dependence;

static Staged *add_dependence(Evaluator *e, Staged *leaf, void *self) {
  Builder *b = &e->builder;
  Value *x = leaf_value(e, leaf), *nothing = ((Dependence *)self)->nothing;
  if (!nothing || !dtype_is_float(x->type->dtype)) return leaf;
  if (nothing->type->dtype != x->type->dtype) nothing = ir_convert(b, nothing, x->type->dtype);
  return staged_tensor(e, ir_binary(b, OP_ADD, x, broadcast_to(e, nothing, x->type)));
}

static void collect_dependence(Evaluator *e, const Staged *argument, Dependence *dependence) {
  ValueList leaves = {0};
  if (!staged_is_data(argument)) return;
  Builder *b = &e->builder;
  staged_leaves(e, argument, &leaves);
  for (size_t i = 0; i < leaves.count; i++) {
    Value *x = leaves.data[i];
    if (!dtype_is_float(x->type->dtype)) continue;
    Value *sum = x->type->rank ? ir_sum_all(b, x) : x;
    if (sum->type->dtype != e->real) sum = ir_convert(b, sum, e->real);
    Value *zero = ir_binary(b, OP_MUL, sum, ir_zero(b, sum->type));
    dependence->nothing =
        dependence->nothing ? ir_binary(b, OP_ADD, dependence->nothing, zero) : zero;
  }
}

static Staged *call_sample(const Call *call, void *self) {
  const SampleFunction *f = self;
  Evaluator *e = call->evaluator;
  int wanted = f->spec->count - 1;
  if (call->positional_count != wanted) {
    mistake(e, E0304, call->span, "`%s` takes %d argument%s, %d given", f->name, wanted,
            wanted == 1 ? "" : "s", call->positional_count);
    return staged_poison;
  }
  Dependence dependence = {0};
  for (int i = 0; i < wanted; i++) {
    Span span = call->spans ? call->spans[i] : call->span;
    Staged *fitted = coerce(e, call->positional[i], f->spec->items[i], false, span,
                            arena_printf(e->arena, "argument %d of `%s`", i + 1, f->name));
    if (staged_is_poison(fitted)) return fitted;
    collect_dependence(e, fitted, &dependence);
  }
  Staged *zero = zeros_of_spec(e, f->spec->items[wanted]);
  return staged_is_poison(zero) ? zero : map_leaves(e, zero, add_dependence, &dependence);
}

// Any solver: (A, b, u0) to something like b.
static Staged *call_solver(const Call *call, void *self) {
  (void)self;
  return call->positional_count >= 2 ? call->positional[1] : staged_poison;
}

static Staged *sample_struct(Evaluator *e, Block *block, const TypeSpec *spec) {
  int count = struct_field_count(spec->structure);
  Staged **children = ARENA_ARRAY(e->arena, Staged *, (size_t)count + 1);
  for (int i = 0; i < count; i++) {
    const TypeSpec *field = struct_field_spec(e, spec, i);
    Name name = struct_field(spec->structure, i)->as.field.name.name;
    children[i] = field ? sample(e, block, field, name) : staged_poison;
    if (staged_is_poison(children[i])) return staged_poison;
  }
  return struct_value(e, spec->structure, children);
}

static Staged *sample(Evaluator *e, Block *block, const TypeSpec *spec, Name name) {
  switch (spec->kind) {
  case SPEC_TENSOR: {
    Dtype dtype = spec->real_dtype ? e->real : spec->dtype;
    return spec->any_shape && e->shape
               ? sample_tensor(e, block, dtype, e->shape->rank, e->shape->dims, name)
               : sample_tensor(e, block, dtype, spec->rank, spec->shape, name);
  }
  case SPEC_REAL:
    return sample_tensor(e, block, e->real, 0, NULL, name);
  case SPEC_INT:
    return staged_integer(e, rigid(e, name ? name : "k"));
  case SPEC_STRUCT:
    return sample_struct(e, block, spec);
  case SPEC_TUPLE: {
    Staged **children = ARENA_ARRAY(e->arena, Staged *, (size_t)spec->count + 1);
    for (int i = 0; i < spec->count; i++) {
      children[i] = sample(e, block, spec->items[i], NULL);
      if (staged_is_poison(children[i])) return staged_poison;
    }
    return staged_tuple(e, children, spec->count);
  }
  case SPEC_ARRAY: {
    Staged *zero = zeros_of_spec(e, spec);
    return staged_is_poison(zero) ? zero : map_leaves(e, zero, sample_leaf, block);
  }
  case SPEC_BUNDLE: {
    Staged *like = e->bundle_like[spec->bundle];
    return like ? map_leaves(e, like, sample_leaf, block) : staged_poison;
  }
  case SPEC_FUNCTION: {
    SampleFunction *f = ARENA_NEW(e->arena, SampleFunction);
    *f = (SampleFunction){spec, name ? name : "f"};
    return staged_native(e, f->name, call_sample, f);
  }
  case SPEC_SOLVER:
    return staged_native(e, name, call_solver, NULL);
  case SPEC_OPTIMIZER:
  case SPEC_ANY:
    break;
  }
  return staged_poison;
}

// --- definitions ---------------------------------------------------------------------------------

static Matching rigid_matching(Evaluator *e, const Signature *s) {
  Matching m = {.e = e,
                .bindings = ARENA_ARRAY(e->arena, DimBinding, (size_t)s->dim_count + 1),
                .count = s->dim_count,
                .real_known = true,
                .real = e->real};
  for (int i = 0; i < s->dim_count; i++)
    m.bindings[i] =
        (DimBinding){s->formal_names[i], rigid(e, s->node->as.function.dims.data[i].name)};
  return m;
}

// `[..]` is checked as a vector.
static const AnyShape *rigid_shape(Evaluator *e, const Node *function) {
  const Dim **dims = ARENA_ARRAY(e->arena, const Dim *, 1);
  dims[0] = rigid(e, "n");
  AnyShape *shape = ARENA_NEW(e->arena, AnyShape);
  *shape = (AnyShape){function->as.function.name.name, true, 1, dims};
  return shape;
}

static void evaluate_function(Evaluator *e, const Signature *s) {
  const Node *node = s->node;
  e->shape = rigid_shape(e, node);
  Matching m = rigid_matching(e, s);
  const Environment *environment = matching_environment(&m, s), *dims = environment;
  for (int i = 0; i < s->param_count; i++) {
    const Node *param = node->as.function.params.data[i];
    const TypeSpec *spec = evaluate_type(e, param->as.param.type, dims);
    const char *name = param->as.param.name.name;
    if (param->as.param.initial) {
      Staged *initial = evaluate(e, param->as.param.initial, environment, spec);
      coerce(e, initial, spec, false, param->as.param.initial->span,
             arena_printf(e->arena, "the default of `%s`", name));
    }
    environment = environment_add(e, environment, param->as.param.binding,
                                  sample(e, e->builder.block, spec, name));
  }
  const Node *body = node->as.function.body;
  const TypeSpec *result = evaluate_type(e, node->as.function.result, dims);
  Staged *value = evaluate(e, body, environment, known_shape(e, result));
  const Node *last = body->kind == EXPR_BLOCK ? body->as.block.value : body;
  coerce(e, value, result, false, last->span,
         arena_printf(e->arena, "the result of `%s`", node->as.function.name.name));
}

static void evaluate_structure(Evaluator *e, const Node *node) {
  size_t count = node->as.structure.dims.count;
  const Dim **dims = ARENA_ARRAY(e->arena, const Dim *, count + 1);
  for (size_t i = 0; i < count; i++) dims[i] = rigid(e, node->as.structure.dims.data[i].name);
  TypeSpec spec = {.kind = SPEC_STRUCT,
                   .structure = node,
                   .arguments = dims,
                   .argument_count = (int)count,
                   .span = node->as.structure.name.span};
  initial_of_spec(e, &spec, NULL);
}

void check_definition(Evaluator *e, const Node *node) {
  if (map_has(e->checked_items, node)) return;
  map_put(e->checked_items, node, (void *)node);
  Evaluator saved = *e;
  Diagnostics *diagnostics = e->compilation->diagnostics;
  size_t errors = diagnostics_errors(diagnostics);
  Func *func = func_create(e->module, intern(e->compilation->names, "definition"));
  e->builder = builder_at(func->body);
  e->dynamic = (Dynamic){.key = block_add_param(func->body, scalar_of(e, DT_I64), NULL),
                         .depth = saved.dynamic.depth};
  e->dynamic.step_key = e->dynamic.key;
  e->variables = NULL;
  e->shape = NULL;
  evaluate_budget(e);
  e->bundle_like[BUNDLE_VEC] = sample_vec(e, func->body);
  if (node->kind == ITEM_FUNCTION) {
    const Signature *s = signature_of(e, node);
    if (!s->broken) evaluate_function(e, s);
  } else {
    evaluate_structure(e, node);
  }
  *e = saved;
  if (diagnostics_errors(diagnostics) > errors) map_put(e->failed_items, node, (void *)node);
}

void check_definitions(Evaluator *e, const Node *file) {
  Module *module = module_create(e->arena, e->compilation->names);
  Evaluator *own = evaluator_create(e->compilation, module, e->program, e->real);
  own->checking = true;
  own->failed_items = e->failed_items;
  for (size_t i = 0; i < file->as.file.items.count; i++) {
    const Node *node = file->as.file.items.data[i];
    if (node->kind == ITEM_FUNCTION || node->kind == ITEM_STRUCT) check_definition(own, node);
  }
}
