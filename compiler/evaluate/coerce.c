// Values of a declared type: fitted (coerce), of zeros, of a struct's initialisers, splatted.
//
// `Prefix` holds the extents of enclosing arrays `[m] T`: every leaf below has these leading axes.
#include "evaluate/staging.h"

#include <string.h>

typedef struct Prefix {
  const Dim *extents[MAX_RANK];
  int count;
} Prefix;

/// What a coercion is about, for messages and rules.
typedef struct Fit {
  Evaluator *e;
  Span span;
  const char *what;
  bool broadcast;
  const TypeSpec *whole;
} Fit;

static const Type *leaf_type(Evaluator *e, const TypeSpec *spec, const Prefix *prefix) {
  const Dim *shape[2 * MAX_RANK];
  int rank = 0;
  for (int i = 0; i < prefix->count; i++) shape[rank++] = prefix->extents[i];
  for (int i = 0; i < spec->rank; i++) shape[rank++] = spec->shape[i];
  if (rank > MAX_RANK) return NULL;
  return type_get(e->module, spec->real_dtype || spec->kind == SPEC_REAL ? e->real : spec->dtype,
                  rank, shape);
}

static bool push_prefix(Prefix *prefix, const Dim *extent) {
  if (prefix->count == MAX_RANK) return false;
  prefix->extents[prefix->count++] = extent;
  return true;
}

static Staged *misfit(const Fit *fit, ErrorCode code, const Staged *value, const char *wanted) {
  Evaluator *e = fit->e;
  Diagnostic *d = mistake(e, code, fit->span, "%s is %s, wanted is %s", fit->what,
                          staged_describe(e, value), wanted);
  if (fit->whole->span.source) diagnostic_label(d, fit->whole->span, "declared here");
  return staged_poison;
}

static Staged *misfit_help(const Fit *fit, ErrorCode code, const Staged *value, const char *wanted,
                           const char *help) {
  Evaluator *e = fit->e;
  Diagnostic *d = mistake(e, code, fit->span, "%s is %s, wanted is %s", fit->what,
                          staged_describe(e, value), wanted);
  if (fit->whole->span.source) diagnostic_label(d, fit->whole->span, "declared here");
  diagnostic_help(d, "%s", help);
  return staged_poison;
}

static bool depends_on_random(const Value *value, int depth) {
  if (!value->op || depth > 12) return false;
  if (value->op->code == OP_RANDOM) return value->op->attr.random.kind != RANDOM_FOLD;
  for (int i = 0; i < value->op->operand_count; i++)
    if (value->op->operands[i]->type->rank == 0 &&
        depends_on_random(value->op->operands[i], depth + 1))
      return true;
  return false;
}

// One number for many entries: fine for constants, rarely meant for a random draw.
static Staged *spread(const Fit *fit, Value *value, const Type *type) {
  Evaluator *e = fit->e;
  if (value->type->rank == 0 && type->rank && depends_on_random(value, 0)) {
    Diagnostic *d =
        mistake(e, W0310, fit->span, "%s gets the same random number in every entry", fit->what);
    diagnostic_help(d, "write `for i { .. }` around it to draw each entry anew");
  }
  return staged_tensor(e, broadcast_to(e, value, type));
}

static bool dtype_fits(const Staged *value, Dtype wanted) {
  switch (value->kind) {
  case STAGED_BOOL:
    return wanted == DT_BOOL;
  case STAGED_INTEGER:
    return wanted != DT_BOOL;
  case STAGED_REAL:
    return dtype_is_float(wanted);
  default:
    break;
  }
  const Type *type = value->tensor->type;
  return type->dtype == wanted ||
         (type->rank == 0 && dtype_is_integer(type->dtype) && dtype_is_float(wanted));
}

static const char *cast_help(Evaluator *e, Dtype wanted, Span span) {
  const char *text = source_excerpt(e, span);
  return arena_printf(e->arena, "convert it: `%s(%s)`", dtype_text(wanted), text ? text : "..");
}

static Staged *fit_leaf(const Fit *fit, Staged *value, const Type *type) {
  Evaluator *e = fit->e;
  const char *wanted = type_phrase(e, type);
  if (value->kind == STAGED_TREE || !staged_is_data(value))
    return misfit(fit, E0303, value, wanted);
  if (!dtype_fits(value, type->dtype))
    return misfit_help(fit, E0302, value, wanted, cast_help(e, type->dtype, fit->span));
  Value *leaf = leaf_as(e, value, type->dtype);
  if (leaf->type == type) return staged_tensor(e, leaf);
  if (leaf->type->rank == 0 && fit->broadcast) return spread(fit, leaf, type);
  if (leaf->type->rank == 0)
    return misfit_help(fit, E0301, value, wanted,
                       "a number fills a tensor in initializers, typed `let` and `set`, not here");
  return misfit(fit, E0301, value, wanted);
}

// --- coerce --------------------------------------------------------------------------------------

static Staged *fit_spec(const Fit *fit, Staged *value, const TypeSpec *spec, Prefix prefix);

static Staged *fit_struct(const Fit *fit, Staged *value, const TypeSpec *spec, Prefix prefix) {
  Evaluator *e = fit->e;
  int count = struct_field_count(spec->structure);
  bool fill = fit->broadcast && (staged_is_number(value) || staged_is_scalar_tensor(value));
  const Layout *layout = staged_layout(value);
  if (!fill && (!layout || layout->kind != LAYOUT_STRUCT || layout->structure != spec->structure))
    return misfit(fit, E0303, value, spec_text(e, spec));
  Staged **children = ARENA_ARRAY(e->arena, Staged *, (size_t)count + 1);
  for (int i = 0; i < count; i++) {
    const TypeSpec *field = struct_field_spec(e, spec, i);
    if (!field) return staged_poison;
    Fit inner = *fit;
    inner.what = arena_printf(e->arena, "%s's field `%s`", fit->what,
                              struct_field(spec->structure, i)->as.field.name.name);
    children[i] = fit_spec(&inner, fill ? value : value->tree.children[i], field, prefix);
    if (staged_is_poison(children[i])) return staged_poison;
  }
  return struct_value(e, spec->structure, children);
}

// A `fn` value with too few or too many parameters is wrong here already, not where it is called.
static Staged *fit_function(const Fit *fit, Staged *value, const TypeSpec *spec) {
  Evaluator *e = fit->e;
  if (value->kind != STAGED_FUNCTION) return misfit(fit, E0303, value, spec_text(e, spec));
  const Node *node = value->function->node;
  if (spec->kind != SPEC_FUNCTION || !node || node->kind != EXPR_FN) return value;
  const Node *pattern = node->as.fn.pattern;
  int count = pattern->kind == PATTERN_TUPLE ? (int)pattern->as.pattern_tuple.items.count : 1;
  int wanted = spec->count - 1;
  bool number = spec->items[0]->kind == SPEC_TENSOR || spec->items[0]->kind == SPEC_REAL;
  if (count == wanted || (wanted == 1 && !number)) return value;
  Diagnostic *d = mistake(e, E0303, fit->span, "%s has %d parameter%s, wanted is %s", fit->what,
                          count, count == 1 ? "" : "s", spec_text(e, spec));
  diagnostic_label(d, pattern->span, "its parameters");
  return staged_poison;
}

static Staged *fit_tuple(const Fit *fit, Staged *value, const TypeSpec *spec, Prefix prefix) {
  Evaluator *e = fit->e;
  if (value->kind != STAGED_TREE || value->tree.layout->kind == LAYOUT_STRUCT ||
      value->tree.layout->kind == LAYOUT_ARRAY || value->tree.layout->count != spec->count)
    return misfit(fit, E0303, value, spec_text(e, spec));
  Staged **children = ARENA_ARRAY(e->arena, Staged *, (size_t)spec->count + 1);
  for (int i = 0; i < spec->count; i++) {
    Fit inner = *fit;
    inner.what = arena_printf(e->arena, "part %d of %s", i + 1, fit->what);
    children[i] = fit_spec(&inner, value->tree.children[i], spec->items[i], prefix);
    if (staged_is_poison(children[i])) return staged_poison;
  }
  return staged_tuple(e, children, spec->count);
}

static Staged *fit_array(const Fit *fit, Staged *value, const TypeSpec *spec, Prefix prefix) {
  Evaluator *e = fit->e;
  const Layout *layout = staged_layout(value);
  bool fill = fit->broadcast && (staged_is_number(value) || staged_is_scalar_tensor(value));
  bool array = layout && layout->kind == LAYOUT_ARRAY;
  // an array of bundles that are single tensors is itself a tensor
  bool plain = spec->items[0]->kind == SPEC_BUNDLE && value->kind == STAGED_TENSOR;
  if (!fill && !array && !plain) return misfit(fit, E0303, value, spec_text(e, spec));
  if (array && layout->extent != spec->extent) return misfit(fit, E0301, value, spec_text(e, spec));
  if (!push_prefix(&prefix, spec->extent)) return misfit(fit, E0301, value, spec_text(e, spec));
  Staged *element = array ? value->tree.children[0] : value;
  element = fit_spec(fit, element, spec->items[0], prefix);
  return staged_is_poison(element) ? element : array_of(e, spec->extent, element);
}

static Staged *fit_like(const Fit *fit, Staged *value, const Staged *like, const Prefix *prefix) {
  Evaluator *e = fit->e;
  bool fill = fit->broadcast && (staged_is_number(value) || staged_is_scalar_tensor(value));
  if (like->kind != STAGED_TREE) {
    const Type *type = leaf_value(e, like)->type;
    const Dim *shape[2 * MAX_RANK];
    int rank = 0;
    for (int i = 0; i < prefix->count; i++) shape[rank++] = prefix->extents[i];
    for (int i = 0; i < type->rank; i++) shape[rank++] = type->shape[i];
    if (rank > MAX_RANK) return misfit(fit, E0301, value, "of fewer axes");
    return fit_leaf(fit, value, type_get(e->module, type->dtype, rank, shape));
  }
  if (!fill && staged_layout(value) != like->tree.layout)
    return misfit(fit, E0303, value, staged_describe(e, like));
  int count = like->tree.layout->count;
  Staged **children = ARENA_ARRAY(e->arena, Staged *, (size_t)count + 1);
  for (int i = 0; i < count; i++) {
    children[i] =
        fit_like(fit, fill ? value : value->tree.children[i], like->tree.children[i], prefix);
    if (staged_is_poison(children[i])) return staged_poison;
  }
  return staged_tree(e, like->tree.layout, children);
}

static Staged *fit_int(const Fit *fit, Staged *value) {
  if (value->kind == STAGED_INTEGER) return value;
  if (staged_is_scalar_tensor(value) && dtype_is_integer(value->tensor->type->dtype))
    return staged_tensor(fit->e, leaf_as(fit->e, value, DT_I64));
  return misfit(fit, E0303, value, "int");
}

static Staged *fit_real(const Fit *fit, Staged *value) {
  Evaluator *e = fit->e;
  double known;
  if (value->kind == STAGED_REAL) return value;
  if (staged_known_real(value, &known)) return staged_real(e, known);
  if (!staged_is_number(value) && !staged_is_scalar_tensor(value))
    return misfit(fit, E0303, value, "a real number");
  return fit_leaf(fit, value, scalar_of(e, e->real));
}

const TypeSpec *known_shape(Evaluator *e, const TypeSpec *spec) {
  if (!spec->any_shape || !e->shape || !e->shape->known) return spec;
  TypeSpec *known = arena_copy(e->arena, spec, sizeof *spec);
  known->any_shape = false;
  known->rank = e->shape->rank;
  known->shape = e->shape->dims;
  return known;
}

// A number fills the shape that the function around is called with, or for.
static Staged *fill_any_shape(const Fit *fit, Staged *value, const TypeSpec *spec) {
  Evaluator *e = fit->e;
  const AnyShape *shape = e->shape;
  if (shape->known)
    return fit_leaf(
        fit, value,
        type_get(e->module, spec->real_dtype ? e->real : spec->dtype, shape->rank, shape->dims));
  Diagnostic *d =
      mistake(e, E0310, fit->span, "the shape `[..]` of `%s` is not determined by this call",
              shape->function);
  diagnostic_help(d, "let a typed `let` say the result's type: `let w: real[n, m] = %s(..);`",
                  shape->function);
  return staged_poison;
}

static Staged *fit_spec(const Fit *fit, Staged *value, const TypeSpec *spec, Prefix prefix) {
  Evaluator *e = fit->e;
  if (staged_is_poison(value)) return value;
  switch (spec->kind) {
  case SPEC_TENSOR:
    if (spec->any_shape && fit->broadcast && e->shape &&
        (staged_is_number(value) || staged_is_scalar_tensor(value)))
      return fill_any_shape(fit, value, spec);
    if (spec->any_shape) {
      Dtype wanted = spec->real_dtype ? e->real : spec->dtype;
      if (value->kind == STAGED_TENSOR && value->tensor->type->dtype == wanted) return value;
      return fit_leaf(fit, value,
                      value->kind == STAGED_TENSOR
                          ? type_with_dtype(e->module, value->tensor->type, wanted)
                          : scalar_of(e, wanted));
    }
    {
      const Type *type = leaf_type(e, spec, &prefix);
      return type ? fit_leaf(fit, value, type) : misfit(fit, E0301, value, "of fewer axes");
    }
  case SPEC_STRUCT:
    return fit_struct(fit, value, spec, prefix);
  case SPEC_TUPLE:
    return fit_tuple(fit, value, spec, prefix);
  case SPEC_ARRAY:
    return fit_array(fit, value, spec, prefix);
  case SPEC_FUNCTION:
  case SPEC_SOLVER:
    return fit_function(fit, value, spec);
  case SPEC_OPTIMIZER:
    return value->kind == STAGED_OBJECT && value->object->kind == OBJECT_OPTIMIZER
               ? value
               : misfit(fit, E0303, value, "an optimizer");
  case SPEC_BUNDLE:
    if (!e->bundle_like[spec->bundle])
      return staged_is_data(value) ? value : misfit(fit, E0303, value, spec_text(e, spec));
    return fit_like(fit, value, e->bundle_like[spec->bundle], &prefix);
  case SPEC_INT:
    return prefix.count ? fit_leaf(fit, value, leaf_type(e, &(TypeSpec){.dtype = DT_I64}, &prefix))
                        : fit_int(fit, value);
  case SPEC_REAL:
    return prefix.count ? fit_leaf(fit, value, leaf_type(e, spec, &prefix)) : fit_real(fit, value);
  case SPEC_ANY:
    return value;
  }
  return staged_poison;
}

Staged *coerce(Evaluator *e, Staged *value, const TypeSpec *spec, bool broadcast, Span span,
               const char *what) {
  Fit fit = {.e = e, .span = span, .what = what, .broadcast = broadcast, .whole = spec};
  return fit_spec(&fit, value, spec, (Prefix){0});
}

// --- values made from types ----------------------------------------------------------------------

static Staged *zero_leaf(Evaluator *e, const Type *type) {
  return staged_tensor(e, ir_zero(&e->builder, type));
}

static Staged *zeros(Evaluator *e, const TypeSpec *spec, Prefix prefix);

static Staged *zeros_like(Evaluator *e, const Staged *like, const Prefix *prefix) {
  Fit fit = {.e = e, .what = "a bundle", .broadcast = true, .whole = &(TypeSpec){0}};
  return fit_like(&fit, staged_int(e, 0), like, prefix);
}

static Staged *zeros_struct(Evaluator *e, const TypeSpec *spec, Prefix prefix) {
  int count = struct_field_count(spec->structure);
  Staged **children = ARENA_ARRAY(e->arena, Staged *, (size_t)count + 1);
  for (int i = 0; i < count; i++) {
    const TypeSpec *field = struct_field_spec(e, spec, i);
    children[i] = field ? zeros(e, field, prefix) : staged_poison;
    if (staged_is_poison(children[i])) return staged_poison;
  }
  return struct_value(e, spec->structure, children);
}

static Staged *zeros(Evaluator *e, const TypeSpec *spec, Prefix prefix) {
  switch (spec->kind) {
  case SPEC_TENSOR:
  case SPEC_REAL: {
    const Type *type = leaf_type(e, spec, &prefix);
    if (type) return zero_leaf(e, type);
    break;
  }
  case SPEC_INT: {
    const Type *type = leaf_type(e, &(TypeSpec){.dtype = DT_I64}, &prefix);
    if (type) return zero_leaf(e, type);
    break;
  }
  case SPEC_STRUCT:
    return zeros_struct(e, spec, prefix);
  case SPEC_TUPLE: {
    Staged **children = ARENA_ARRAY(e->arena, Staged *, (size_t)spec->count + 1);
    for (int i = 0; i < spec->count; i++) {
      children[i] = zeros(e, spec->items[i], prefix);
      if (staged_is_poison(children[i])) return staged_poison;
    }
    return staged_tuple(e, children, spec->count);
  }
  case SPEC_ARRAY: {
    if (!push_prefix(&prefix, spec->extent)) break;
    Staged *element = zeros(e, spec->items[0], prefix);
    return staged_is_poison(element) ? element : array_of(e, spec->extent, element);
  }
  case SPEC_BUNDLE:
    if (e->bundle_like[spec->bundle]) return zeros_like(e, e->bundle_like[spec->bundle], &prefix);
    break;
  default:
    break;
  }
  mistake(e, E0303, spec->span, "there is no zero of type %s", spec_text(e, spec));
  return staged_poison;
}

Staged *zeros_of_spec(Evaluator *e, const TypeSpec *spec) {
  return zeros(e, spec, (Prefix){0});
}

typedef struct ElementStart {
  const TypeSpec *spec;
  const Environment *environment;
} ElementStart;

static Staged *element_start(Evaluator *e, Value *counter, Staged *carries, void *self) {
  (void)counter;
  (void)carries;
  const ElementStart *start = self;
  return initial_of_spec(e, start->spec, start->environment);
}

static Staged *initial_struct(Evaluator *e, const TypeSpec *spec) {
  if (map_has(e->failed_items, spec->structure)) return staged_poison;
  const Environment *environment =
      struct_environment(e, spec->structure, spec->arguments, spec->argument_count);
  int count = struct_field_count(spec->structure);
  Staged **children = ARENA_ARRAY(e->arena, Staged *, (size_t)count + 1);
  uint64_t place = e->dynamic.place;
  bool good = true;
  for (int i = 0; i < count; i++) {
    const Node *node = struct_field(spec->structure, i);
    const Node *initial = node->as.field.initial;
    const TypeSpec *field = evaluate_type(e, node->as.field.type, environment);
    Name name = node->as.field.name.name;
    if (!field) return staged_poison;
    // fields draw independently
    e->dynamic.place = hash_bytes(place, name, strlen(name));
    if (initial) {
      children[i] = coerce(e, evaluate(e, initial, environment, field), field, true, initial->span,
                           arena_printf(e->arena, "the start value of `%s`", name));
    } else {
      children[i] = initial_of_spec(e, field, environment);
    }
    good = good && !staged_is_poison(children[i]);
  }
  e->dynamic.place = place;
  if (!good) return staged_poison;
  return struct_value(e, spec->structure, children);
}

Staged *initial_of_spec(Evaluator *e, const TypeSpec *spec, const Environment *environment) {
  if (spec->kind == SPEC_STRUCT) return initial_struct(e, spec);
  if (spec->kind == SPEC_ARRAY && spec->items[0]->kind != SPEC_BUNDLE) {
    ElementStart start = {spec->items[0], environment};
    return build_map(e, spec->extent, element_start, &start, spec->span);
  }
  return zeros_of_spec(e, spec);
}

typedef struct Splat {
  double number;
} Splat;

static Staged *splat_leaf(Evaluator *e, Staged *leaf, void *self) {
  return staged_tensor(e,
                       ir_number(&e->builder, leaf_value(e, leaf)->type, ((Splat *)self)->number));
}

Staged *splat_like(Evaluator *e, const Staged *like, double number) {
  Splat splat = {number};
  return map_leaves(e, (Staged *)like, splat_leaf, &splat);
}
