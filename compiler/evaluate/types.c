// Types as written to `TypeSpec`s, and the fields of structs.
//
// Enters: type expressions. Leaves: specs with their dims evaluated, their texts for messages; the
// types of a struct's fields and its value from theirs. Values are fitted to a spec in coerce.c.
#include "evaluate/staging.h"

#include <string.h>

static const TypeSpec *spec_new(Evaluator *e, TypeSpec spec) {
  return arena_copy(e->arena, &spec, sizeof spec);
}

// --- evaluation ----------------------------------------------------------------------------------

static const TypeSpec *named_type(Evaluator *e, const Node *node) {
  static const struct {
    const char *name;
    SpecKind kind;
    BundleKind bundle;
  } known[] = {{"real", SPEC_REAL, 0},
               {"int", SPEC_INT, 0},
               {"vec", SPEC_BUNDLE, BUNDLE_VEC},
               {"lower", SPEC_BUNDLE, BUNDLE_LOWER},
               {"upper", SPEC_BUNDLE, BUNDLE_UPPER},
               {"constraints", SPEC_BUNDLE, BUNDLE_CONSTRAINTS},
               {"solver", SPEC_SOLVER, 0},
               {"optimizer", SPEC_OPTIMIZER, 0}};
  const Binding *binding = node->as.type_name.binding;
  if (binding && binding->kind == BIND_STRUCT) {
    if (binding->node->as.structure.dims.count) {
      Diagnostic *d = mistake(e, E0304, node->span, "`%s` needs its dims, as in `%s[..]`",
                              binding->name, binding->name);
      diagnostic_label(d, binding->node->as.structure.name.span, "declared here");
      return NULL;
    }
    return spec_new(
        e, (TypeSpec){.kind = SPEC_STRUCT, .structure = binding->node, .span = node->span});
  }
  const char *name = node->as.type_name.name.name;
  for (size_t i = 0; !binding && name && i < sizeof known / sizeof *known; i++)
    if (!strcmp(known[i].name, name))
      return spec_new(
          e, (TypeSpec){.kind = known[i].kind, .bundle = known[i].bundle, .span = node->span});
  return NULL; // unknown: reported by check
}

// Dims of a type, each a static integer that is not negative; NULL after a report.
static const Dim **type_dims(Evaluator *e, const NodeList *nodes, const Environment *environment) {
  const Dim **dims = ARENA_ARRAY(e->arena, const Dim *, nodes->count + 1);
  bool good = true;
  for (size_t i = 0; i < nodes->count; i++) {
    Span span = nodes->data[i]->span;
    Staged *value = evaluate(e, nodes->data[i], environment, NULL);
    int64_t number;
    if (!static_dim(e, value, &dims[i], span, "a size")) {
      good = false;
    } else if (dim_is_const(dims[i], &number) && number < 0) {
      mistake(e, E0309, span, "a size cannot be negative, this is %lld", (long long)number);
      good = false;
    } else if (!e->checking) {
      dim_require_nonnegative(e->module->dims, dims[i], span);
    }
  }
  return good ? dims : NULL;
}

static const TypeSpec *tensor_type(Evaluator *e, const Node *node, const Environment *environment) {
  const Node *base = node->as.tensor_type.base;
  const NodeList *nodes = &node->as.tensor_type.dims;
  if (node->as.tensor_type.any_shape) {
    const TypeSpec *element = evaluate_type(e, base, environment);
    if (!element) return NULL;
    return spec_new(e, (TypeSpec){.kind = SPEC_TENSOR,
                                  .any_shape = true,
                                  .real_dtype = element->kind == SPEC_REAL,
                                  .dtype = element->dtype,
                                  .span = node->span});
  }
  const Binding *binding = base->kind == TYPE_NAME ? base->as.type_name.binding : NULL;
  const Dim **dims = type_dims(e, nodes, environment);
  if (!dims) return NULL;
  if (binding && binding->kind == BIND_STRUCT) {
    size_t wanted = binding->node->as.structure.dims.count;
    if (wanted != nodes->count) {
      Diagnostic *d = mistake(e, E0304, node->span, "`%s` has %d dims, %d %s given", binding->name,
                              (int)wanted, (int)nodes->count, nodes->count == 1 ? "is" : "are");
      diagnostic_label(d, binding->node->as.structure.name.span, "declared here");
      return NULL;
    }
    return spec_new(e, (TypeSpec){.kind = SPEC_STRUCT,
                                  .structure = binding->node,
                                  .arguments = dims,
                                  .argument_count = (int)nodes->count,
                                  .span = node->span});
  }
  const TypeSpec *element = evaluate_type(e, base, environment);
  if (!element) return NULL;
  bool real = element->kind == SPEC_REAL;
  if (!real && (element->kind != SPEC_TENSOR || element->rank)) {
    Diagnostic *d = mistake(e, E0303, node->span, "`%s` takes no sizes", spec_text(e, element));
    diagnostic_help(d, "several of them are written `[m] %s`", spec_text(e, element));
    return NULL;
  }
  if (nodes->count > MAX_RANK) {
    mistake(e, E0301, node->span, "a tensor has at most %d axes", MAX_RANK);
    return NULL;
  }
  return spec_new(e, (TypeSpec){.kind = SPEC_TENSOR,
                                .real_dtype = real,
                                .dtype = real ? DT_F64 : element->dtype,
                                .rank = (int)nodes->count,
                                .shape = dims,
                                .span = node->span});
}

static const TypeSpec *array_type(Evaluator *e, const Node *node, const Environment *environment) {
  NodeList extents = {0};
  VEC_PUSH(e->arena, &extents, node->as.array_type.extent);
  const Dim **extent = type_dims(e, &extents, environment);
  const TypeSpec *element = evaluate_type(e, node->as.array_type.element, environment);
  if (!extent || !element) return NULL;
  bool real = element->kind == SPEC_REAL;
  if (!real && (element->kind != SPEC_TENSOR || element->any_shape))
    return spec_new(e, (TypeSpec){.kind = SPEC_ARRAY,
                                  .extent = *extent,
                                  .count = 1,
                                  .items = arena_copy(e->arena, &element, sizeof element),
                                  .span = node->span});
  // An array of tensors is a tensor.
  const Dim **shape = ARENA_ARRAY(e->arena, const Dim *, (size_t)element->rank + 1);
  shape[0] = *extent;
  for (int i = 0; i < element->rank; i++) shape[i + 1] = element->shape[i];
  return spec_new(e, (TypeSpec){.kind = SPEC_TENSOR,
                                .real_dtype = real || element->real_dtype,
                                .dtype = element->dtype,
                                .rank = element->rank + 1,
                                .shape = shape,
                                .span = node->span});
}

static const TypeSpec *items_type(Evaluator *e, SpecKind kind, const NodeList *nodes,
                                  const Node *last, const Environment *environment, Span span) {
  size_t count = nodes->count + (last ? 1 : 0);
  const TypeSpec **items = ARENA_ARRAY(e->arena, const TypeSpec *, count + 1);
  for (size_t i = 0; i < count; i++) {
    items[i] = evaluate_type(e, i < nodes->count ? nodes->data[i] : last, environment);
    if (!items[i]) return NULL;
  }
  return spec_new(e, (TypeSpec){.kind = kind, .count = (int)count, .items = items, .span = span});
}

const TypeSpec *evaluate_type(Evaluator *e, const Node *type, const Environment *environment) {
  switch (type->kind) {
  case TYPE_ELEMENT:
    return spec_new(e, (TypeSpec){.kind = SPEC_TENSOR,
                                  .dtype = (Dtype)type->as.element_type.element,
                                  .span = type->span});
  case TYPE_NAME:
    return named_type(e, type);
  case TYPE_TENSOR:
    return tensor_type(e, type, environment);
  case TYPE_ARRAY:
    return array_type(e, type, environment);
  case TYPE_TUPLE:
    return items_type(e, SPEC_TUPLE, &type->as.tuple_type.items, NULL, environment, type->span);
  case TYPE_FN: {
    NodeList from = {0};
    if (type->as.fn_type.from->kind == TYPE_TUPLE) {
      from = type->as.fn_type.from->as.tuple_type.items;
    } else {
      VEC_PUSH(e->arena, &from, type->as.fn_type.from);
    }
    return items_type(e, SPEC_FUNCTION, &from, type->as.fn_type.to, environment, type->span);
  }
  default:
    return NULL; // NODE_ERROR
  }
}

// --- text ----------------------------------------------------------------------------------------

static void spec_dims(Evaluator *e, TextBuffer *out, const Dim *const *dims, int count) {
  if (!count) return;
  text_add(out, "[");
  for (int i = 0; i < count; i++) text_addf(out, "%s%s", i ? ", " : "", dim_phrase(e, dims[i]));
  text_add(out, "]");
}

static void spec_items(Evaluator *e, TextBuffer *out, const TypeSpec *spec, int count) {
  text_add(out, "(");
  for (int i = 0; i < count; i++)
    text_addf(out, "%s%s", i ? ", " : "", spec_text(e, spec->items[i]));
  text_add(out, ")");
}

const char *spec_text(Evaluator *e, const TypeSpec *spec) {
  static const char *const bundles[] = {"vec", "lower", "upper", "constraints"};
  TextBuffer out = text_buffer(e->arena);
  switch (spec->kind) {
  case SPEC_TENSOR:
    text_add(&out, spec->real_dtype ? "real" : dtype_text(spec->dtype));
    if (spec->any_shape) text_add(&out, "[..]");
    spec_dims(e, &out, spec->shape, spec->rank);
    break;
  case SPEC_STRUCT:
    text_add(&out, spec->structure->as.structure.name.name);
    spec_dims(e, &out, spec->arguments, spec->argument_count);
    break;
  case SPEC_TUPLE:
    spec_items(e, &out, spec, spec->count);
    break;
  case SPEC_FUNCTION:
    if (spec->count == 2) {
      text_add(&out, spec_text(e, spec->items[0]));
    } else {
      spec_items(e, &out, spec, spec->count - 1);
    }
    text_addf(&out, " -> %s", spec_text(e, spec->items[spec->count - 1]));
    break;
  case SPEC_ARRAY:
    text_addf(&out, "[%s] %s", dim_phrase(e, spec->extent), spec_text(e, spec->items[0]));
    break;
  case SPEC_BUNDLE:
    return bundles[spec->bundle];
  case SPEC_INT:
    return "int";
  case SPEC_REAL:
    return "real";
  case SPEC_SOLVER:
    return "solver";
  case SPEC_OPTIMIZER:
    return "optimizer";
  case SPEC_ANY:
    return "any value";
  }
  return text_string(&out);
}

// --- structs -------------------------------------------------------------------------------------

int struct_field_count(const Node *structure) {
  int count = 0;
  for (size_t i = 0; i < structure->as.structure.fields.count; i++)
    count += structure->as.structure.fields.data[i]->kind == PART_FIELD;
  return count;
}

const Node *struct_field(const Node *structure, int field) {
  for (size_t i = 0; i < structure->as.structure.fields.count; i++)
    if (structure->as.structure.fields.data[i]->kind == PART_FIELD && field-- == 0)
      return structure->as.structure.fields.data[i];
  return NULL;
}

const Environment *struct_environment(Evaluator *e, const Node *structure,
                                      const Dim *const *arguments, int count) {
  const Environment *environment = NULL;
  for (int i = 0; i < count && structure->as.structure.dim_bindings; i++)
    environment = environment_add(e, environment, structure->as.structure.dim_bindings[i],
                                  staged_integer(e, arguments[i]));
  return environment;
}

const TypeSpec *struct_field_spec(Evaluator *e, const TypeSpec *spec, int field) {
  return evaluate_type(
      e, struct_field(spec->structure, field)->as.field.type,
      struct_environment(e, spec->structure, spec->arguments, spec->argument_count));
}

Staged *struct_value(Evaluator *e, const Node *structure, Staged *const *fields) {
  int count = struct_field_count(structure);
  const Layout **layouts = ARENA_ARRAY(e->arena, const Layout *, (size_t)count + 1);
  Name *names = ARENA_ARRAY(e->arena, Name, (size_t)count + 1);
  for (int i = 0; i < count; i++) {
    names[i] = struct_field(structure, i)->as.field.name.name;
    layouts[i] = staged_layout(fields[i]);
  }
  return staged_tree(e, layout_struct(e, structure, count, names, layouts), fields);
}
