// Signatures of `fn` items, and how a call finds their dims, `real` and `vec`.
//
// Each dim of a function becomes a formal: an atom of its own. Matching is one-way: a formal that
// stands alone in an axis is bound by the first argument that shows it; everything else is compared
// by coerce() after substitution. Nothing is solved.
#include "evaluate/staging.h"

#include <string.h>

static bool find_name(const Dim *dim, Arena *arena, Name *name) {
  NameList names = {0};
  dim_names(arena, dim, &names);
  if (names.count != 1) return false;
  *name = names.data[0];
  return true;
}

static const Dim *make_formal(Evaluator *e, Name written, Name *name) {
  const Dim *formal = dim_fresh(e->module->dims, written ? written : "_");
  REQUIRE(find_name(formal, e->arena, name), "a fresh dim has one name");
  return formal;
}

const Signature *signature_of(Evaluator *e, const Node *function) {
  Signature *s = map_get(e->signatures, function);
  if (s) return s;
  s = ARENA_NEW(e->arena, Signature);
  map_put(e->signatures, function, s);
  size_t dims = function->as.function.dims.count, params = function->as.function.params.count;
  *s = (Signature){.node = function,
                   .dim_count = (int)dims,
                   .formals = ARENA_ARRAY(e->arena, const Dim *, dims + 1),
                   .formal_names = ARENA_ARRAY(e->arena, Name, dims + 1),
                   .params = ARENA_ARRAY(e->arena, const TypeSpec *, params + 1)};
  for (size_t i = 0; i < dims; i++) {
    s->formals[i] = make_formal(e, function->as.function.dims.data[i].name, &s->formal_names[i]);
    if (function->as.function.dim_bindings)
      s->environment = environment_add(e, s->environment, function->as.function.dim_bindings[i],
                                       staged_integer(e, s->formals[i]));
  }
  bool checking = e->checking;
  e->checking = true; // formals promise nothing
  for (size_t i = 0; i < params; i++) {
    const Node *param = function->as.function.params.data[i];
    if (param->kind == PART_PARAM)
      s->params[s->param_count] = evaluate_type(e, param->as.param.type, s->environment);
    s->broken = s->broken || !s->params[s->param_count];
    s->param_count++;
  }
  s->result = evaluate_type(e, function->as.function.result, s->environment);
  s->broken = s->broken || !s->result;
  e->checking = checking;
  return s;
}

// --- matching ------------------------------------------------------------------------------------

static void bind_dim(Matching *m, const Dim *formal, const Dim *actual) {
  Name name;
  int64_t ignored;
  if (dim_is_const(formal, &ignored) || !find_name(formal, m->e->arena, &name)) return;
  if (formal != dim_name(m->e->module->dims, name)) return; // compared later
  for (int i = 0; i < m->count; i++)
    if (m->bindings[i].name == name && !m->bindings[i].value) m->bindings[i].value = actual;
}

static void bind_real(Matching *m, Dtype dtype) {
  if (m->real_known || !dtype_is_float(dtype)) return;
  m->real_known = true;
  m->real = dtype;
}

static void bind_shape(Matching *m, int rank, const Dim *const *dims) {
  if (!m->shape.known) m->shape = (AnyShape){.known = true, .rank = rank, .dims = dims};
}

static void match_struct(Matching *m, const TypeSpec *spec, Staged *value, int leading) {
  Evaluator *e = m->e;
  const Layout *layout = staged_layout(value);
  if (!layout || layout->kind != LAYOUT_STRUCT || layout->structure != spec->structure) return;
  bool checking = e->checking;
  e->checking = true;
  for (int i = 0; i < layout->count; i++) {
    const TypeSpec *field = struct_field_spec(e, spec, i);
    if (field) match_value(m, field, value->tree.children[i], leading);
  }
  e->checking = checking;
}

void match_value(Matching *m, const TypeSpec *spec, Staged *value, int leading) {
  const Layout *layout = staged_layout(value);
  switch (spec->kind) {
  case SPEC_TENSOR: {
    if (spec->any_shape && staged_is_number(value)) bind_shape(m, 0, NULL);
    if (value->kind != STAGED_TENSOR) return;
    const Type *type = value->tensor->type;
    if (spec->real_dtype) bind_real(m, type->dtype);
    if (spec->any_shape && leading <= type->rank)
      bind_shape(m, type->rank - leading, type->shape + leading);
    if (spec->any_shape || spec->rank + leading != type->rank) return;
    for (int i = 0; i < spec->rank; i++) bind_dim(m, spec->shape[i], type->shape[leading + i]);
    return;
  }
  case SPEC_STRUCT:
    match_struct(m, spec, value, leading);
    return;
  case SPEC_TUPLE:
    for (int i = 0;
         layout && layout->kind == LAYOUT_TUPLE && layout->count == spec->count && i < spec->count;
         i++)
      match_value(m, spec->items[i], value->tree.children[i], leading);
    return;
  case SPEC_ARRAY:
    if (layout && layout->kind == LAYOUT_ARRAY) {
      bind_dim(m, spec->extent, layout->extent);
      match_value(m, spec->items[0], value->tree.children[0], leading + 1);
    } else if (value->kind == STAGED_TENSOR && value->tensor->type->rank > leading) {
      bind_dim(m, spec->extent, value->tensor->type->shape[leading]);
    }
    return;
  case SPEC_BUNDLE:
    if (spec->bundle == BUNDLE_VEC && !leading && !m->vec && staged_is_data(value)) m->vec = value;
    return;
  default:
    return;
  }
}

void match_spec(Matching *m, const TypeSpec *formal, const TypeSpec *actual) {
  if (formal->kind != actual->kind) {
    if (formal->kind == SPEC_REAL && actual->kind == SPEC_TENSOR && !actual->rank)
      bind_real(m, actual->real_dtype ? m->e->real : actual->dtype);
    if (formal->any_shape && actual->kind == SPEC_REAL) bind_shape(m, 0, NULL);
    return;
  }
  switch (formal->kind) {
  case SPEC_TENSOR:
    if (formal->real_dtype) bind_real(m, actual->real_dtype ? m->e->real : actual->dtype);
    if (formal->any_shape && !actual->any_shape) bind_shape(m, actual->rank, actual->shape);
    for (int i = 0; formal->rank == actual->rank && i < formal->rank; i++)
      bind_dim(m, formal->shape[i], actual->shape[i]);
    return;
  case SPEC_STRUCT:
    for (int i = 0; formal->structure == actual->structure && i < formal->argument_count; i++)
      bind_dim(m, formal->arguments[i], actual->arguments[i]);
    return;
  case SPEC_TUPLE:
    for (int i = 0; formal->count == actual->count && i < formal->count; i++)
      match_spec(m, formal->items[i], actual->items[i]);
    return;
  case SPEC_ARRAY:
    bind_dim(m, formal->extent, actual->extent);
    match_spec(m, formal->items[0], actual->items[0]);
    return;
  default:
    return;
  }
}

// --- types at a call -----------------------------------------------------------------------------

const Environment *matching_environment(const Matching *m, const Signature *s) {
  static const Binding nothing;
  const Environment *environment = environment_add(m->e, NULL, &nothing, staged_poison);
  for (int i = 0; i < s->dim_count; i++) {
    if (!m->bindings[i].value) return NULL;
    if (s->node->as.function.dim_bindings)
      environment = environment_add(m->e, environment, s->node->as.function.dim_bindings[i],
                                    staged_integer(m->e, m->bindings[i].value));
  }
  return environment;
}
