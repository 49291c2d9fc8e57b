// Values of the staged evaluator: constructors, layouts, leaves, environments, descriptions.
//
// Enters: parts. Leaves: immutable values in the compilation's arena. Layouts are interned by a
// text key made of the pointers of their parts, so equal layouts have equal pointers.
#include "evaluate/staging.h"

#include <string.h>

static Staged poison = {.kind = STAGED_POISON};
Staged *const staged_poison = &poison;

static Staged *staged_new(Evaluator *e, StagedKind kind) {
  Staged *s = ARENA_NEW(e->arena, Staged);
  s->kind = kind;
  return s;
}

Staged *staged_integer(Evaluator *e, const Dim *dim) {
  Staged *s = staged_new(e, STAGED_INTEGER);
  s->integer = dim;
  return s;
}

Staged *staged_int(Evaluator *e, int64_t value) {
  return staged_integer(e, dim_const(e->module->dims, value));
}

Staged *staged_real(Evaluator *e, double value) {
  Staged *s = staged_new(e, STAGED_REAL);
  s->real = value;
  return s;
}

Staged *staged_bool(Evaluator *e, bool value) {
  Staged *s = staged_new(e, STAGED_BOOL);
  s->boolean = value;
  return s;
}

Staged *staged_tensor(Evaluator *e, Value *value) {
  Staged *s = staged_new(e, STAGED_TENSOR);
  s->tensor = value;
  return s;
}

Staged *staged_tree(Evaluator *e, const Layout *layout, Staged *const *children) {
  Staged *s = staged_new(e, STAGED_TREE);
  s->tree.layout = layout;
  if (layout->count)
    s->tree.children = arena_copy(e->arena, children, (size_t)layout->count * sizeof *children);
  return s;
}

Staged *staged_tuple(Evaluator *e, Staged *const *children, int count) {
  const Layout **layouts = ARENA_ARRAY(e->arena, const Layout *, (size_t)count + 1);
  for (int i = 0; i < count; i++) layouts[i] = staged_layout(children[i]);
  return staged_tree(e, layout_tuple(e, count, layouts), children);
}

Staged *staged_native(Evaluator *e, const char *name, NativeFunction native, void *self) {
  Function *function = ARENA_NEW(e->arena, Function);
  *function = (Function){.native = native, .self = self, .name = name, .real = e->real};
  Staged *s = staged_new(e, STAGED_FUNCTION);
  s->function = function;
  return s;
}

Staged *staged_object(Evaluator *e, const Object *object) {
  Staged *s = staged_new(e, STAGED_OBJECT);
  s->object = object;
  return s;
}

// --- layouts -------------------------------------------------------------------------------------

static const Layout *layout_intern(Evaluator *e, const Layout *parts) {
  TextBuffer key = text_buffer(e->arena);
  text_addf(&key, "%d %p %d %p %p", (int)parts->kind, (const void *)parts->structure, parts->count,
            (const void *)parts->extent, (const void *)parts->element);
  for (int i = 0; i < parts->count; i++)
    text_addf(&key, " %p %p", parts->names ? (const void *)parts->names[i] : NULL,
              parts->children ? (const void *)parts->children[i] : NULL);
  Name name = intern(e->compilation->names, text_string(&key));
  const Layout *found = map_get(e->layouts, name);
  if (found) return found;
  Layout *layout = arena_copy(e->arena, parts, sizeof *parts);
  size_t count = (size_t)parts->count;
  if (parts->names && count)
    layout->names = arena_copy(e->arena, parts->names, count * sizeof(Name));
  if (parts->children && count)
    layout->children = arena_copy(e->arena, parts->children, count * sizeof(Layout *));
  map_put(e->layouts, name, layout);
  return layout;
}

const Layout *layout_tuple(Evaluator *e, int count, const Layout *const *children) {
  return layout_intern(e, &(Layout){.kind = LAYOUT_TUPLE, .count = count, .children = children});
}

const Layout *layout_level(Evaluator *e, int count, const Name *names,
                           const Layout *const *children) {
  return layout_intern(
      e, &(Layout){.kind = LAYOUT_LEVEL, .count = count, .names = names, .children = children});
}

const Layout *layout_struct(Evaluator *e, const Node *structure, int count, const Name *names,
                            const Layout *const *children) {
  return layout_intern(e, &(Layout){.kind = LAYOUT_STRUCT,
                                    .structure = structure,
                                    .count = count,
                                    .names = names,
                                    .children = children});
}

const Layout *layout_array(Evaluator *e, const Dim *extent, const Layout *element) {
  REQUIRE(element, "an array of tensors is a tensor");
  return layout_intern(e, &(Layout){.kind = LAYOUT_ARRAY,
                                    .count = 1,
                                    .children = &element,
                                    .extent = extent,
                                    .element = element});
}

const Layout *staged_layout(const Staged *s) {
  return s->kind == STAGED_TREE ? s->tree.layout : NULL;
}

// --- leaves --------------------------------------------------------------------------------------

bool staged_is_number(const Staged *s) {
  return s->kind == STAGED_INTEGER || s->kind == STAGED_REAL;
}

bool staged_known_real(const Staged *s, double *value) {
  int64_t integer;
  if (s->kind == STAGED_REAL) {
    *value = s->real;
    return true;
  }
  if (s->kind != STAGED_INTEGER || !dim_is_const(s->integer, &integer)) return false;
  *value = (double)integer;
  return true;
}

bool staged_is_scalar_tensor(const Staged *s) {
  return s->kind == STAGED_TENSOR && s->tensor->type->rank == 0;
}

bool staged_is_data(const Staged *s) {
  switch (s->kind) {
  case STAGED_INTEGER:
  case STAGED_REAL:
  case STAGED_BOOL:
  case STAGED_TENSOR:
    return true;
  case STAGED_TREE:
    for (int i = 0; i < s->tree.layout->count; i++)
      if (!staged_is_data(s->tree.children[i])) return false;
    return true;
  case STAGED_POISON:
  case STAGED_STRING:
  case STAGED_FUNCTION:
  case STAGED_OBJECT:
    break;
  }
  return false;
}

const Type *scalar_of(Evaluator *e, Dtype dtype) {
  return type_scalar(e->module, dtype);
}

Value *static_value(Evaluator *e, const Staged *s, Dtype dtype) {
  Builder *b = &e->builder;
  const Type *type = scalar_of(e, dtype);
  int64_t integer;
  switch (s->kind) {
  case STAGED_BOOL:
    return dtype_is_float(dtype) ? ir_real(b, type, s->boolean) : ir_integer(b, type, s->boolean);
  case STAGED_REAL:
    return ir_number(b, type, s->real);
  case STAGED_INTEGER:
    if (!dim_is_const(s->integer, &integer)) {
      Value *value = ir_dim(b, s->integer);
      return dtype == DT_I64 ? value : ir_convert(b, value, dtype);
    }
    return dtype_is_float(dtype) ? ir_real(b, type, (double)integer) : ir_integer(b, type, integer);
  default:
    BUG("a static number was expected");
  }
}

Value *leaf_value(Evaluator *e, const Staged *s) {
  switch (s->kind) {
  case STAGED_TENSOR:
    return s->tensor;
  case STAGED_INTEGER:
    return static_value(e, s, DT_I64);
  case STAGED_REAL:
    return static_value(e, s, e->real);
  case STAGED_BOOL:
    return static_value(e, s, DT_BOOL);
  default:
    BUG("a leaf was expected");
  }
}

void staged_leaves(Evaluator *e, const Staged *s, ValueList *leaves) {
  if (s->kind == STAGED_TREE) {
    for (int i = 0; i < s->tree.layout->count; i++) staged_leaves(e, s->tree.children[i], leaves);
  } else {
    VEC_PUSH(e->arena, leaves, leaf_value(e, s));
  }
}

Staged *staged_rebuild(Evaluator *e, const Staged *like, Value *const **leaves) {
  if (like->kind != STAGED_TREE) return staged_tensor(e, *(*leaves)++);
  int count = like->tree.layout->count;
  Staged **children = ARENA_ARRAY(e->arena, Staged *, (size_t)count + 1);
  for (int i = 0; i < count; i++) children[i] = staged_rebuild(e, like->tree.children[i], leaves);
  return staged_tree(e, like->tree.layout, children);
}

Staged *map_leaves(Evaluator *e, Staged *s, LeafFunction function, void *self) {
  if (s->kind != STAGED_TREE) return function(e, s, self);
  int count = s->tree.layout->count;
  Staged **children = ARENA_ARRAY(e->arena, Staged *, (size_t)count + 1);
  for (int i = 0; i < count; i++) {
    children[i] = map_leaves(e, s->tree.children[i], function, self);
    if (staged_is_poison(children[i])) return staged_poison;
  }
  return staged_tree(e, s->tree.layout, children);
}

Staged *array_of(Evaluator *e, const Dim *extent, Staged *stacked) {
  const Layout *element = staged_layout(stacked);
  if (!element) return stacked;
  return staged_tree(e, layout_array(e, extent, element), &stacked);
}

int tree_child_count(const Staged *tree) {
  const Layout *layout = tree->tree.layout;
  while (layout && layout->kind == LAYOUT_ARRAY) layout = layout->element;
  return layout ? layout->count : 0;
}

Staged *tree_child(Evaluator *e, Staged *tree, int position) {
  const Layout *layout = tree->tree.layout;
  if (layout->kind == LAYOUT_ARRAY) {
    Staged *child = tree_child(e, tree->tree.children[0], position);
    return child ? array_of(e, layout->extent, child) : NULL;
  }
  return position < layout->count ? tree->tree.children[position] : NULL;
}

// --- environments --------------------------------------------------------------------------------

const Environment *environment_add(Evaluator *e, const Environment *environment,
                                   const Binding *binding, Staged *value) {
  Environment *frame = ARENA_NEW(e->arena, Environment);
  *frame = (Environment){.binding = binding, .value = value, .next = environment};
  return frame;
}

Staged *environment_find(const Environment *environment, const Binding *binding) {
  for (; environment; environment = environment->next)
    if (environment->binding == binding) return environment->value;
  return NULL;
}

// --- descriptions --------------------------------------------------------------------------------

const char *tidy(Evaluator *e, const char *text) {
  if (!strchr(text, '\'')) return text;
  char *out = arena_string(e->arena, text, strlen(text)), *to = out;
  for (const char *from = text; *from;) {
    if (*from == '\'' && from[1] >= '0' && from[1] <= '9') {
      from++;
      while (*from >= '0' && *from <= '9') from++;
    } else {
      *to++ = *from++;
    }
  }
  *to = 0;
  return out;
}

const char *type_phrase(Evaluator *e, const Type *type) {
  return tidy(e, type_text(e->module, type));
}

const char *dim_phrase(Evaluator *e, const Dim *dim) {
  return tidy(e, dim_text(e->module->dims, dim));
}

static void describe_tree(Evaluator *e, const Staged *s, TextBuffer *out) {
  const Layout *layout = s->tree.layout;
  if (layout->kind == LAYOUT_STRUCT) {
    text_addf(out, "struct %s", layout->structure->as.structure.name.name);
    return;
  }
  if (layout->kind == LAYOUT_ARRAY) {
    text_addf(out, "[%s] %s", dim_phrase(e, layout->extent),
              layout->element->kind == LAYOUT_STRUCT
                  ? layout->element->structure->as.structure.name.name
                  : "tuple");
    return;
  }
  text_add(out, "(");
  for (int i = 0; i < layout->count; i++) {
    if (i) text_add(out, ", ");
    if (i == 6) {
      text_add(out, "..");
      break;
    }
    if (layout->names) text_addf(out, "%s: ", layout->names[i]);
    text_add(out, staged_describe(e, s->tree.children[i]));
  }
  text_add(out, ")");
}

const char *staged_describe(Evaluator *e, const Staged *s) {
  switch (s->kind) {
  case STAGED_POISON:
    return "a mistake";
  case STAGED_INTEGER:
    return arena_printf(e->arena, "the integer %s", dim_phrase(e, s->integer));
  case STAGED_REAL:
    return arena_printf(e->arena, "the number %.15g", s->real);
  case STAGED_BOOL:
    return s->boolean ? "`true`" : "`false`";
  case STAGED_STRING:
    return "a text";
  case STAGED_TENSOR:
    return type_phrase(e, s->tensor->type);
  case STAGED_TREE: {
    TextBuffer out = text_buffer(e->arena);
    describe_tree(e, s, &out);
    return text_string(&out);
  }
  case STAGED_FUNCTION:
    return s->function->name ? arena_printf(e->arena, "the function `%s`", s->function->name)
                             : "a function";
  case STAGED_OBJECT:
    return s->object->phrase ? s->object->phrase : "an object";
  }
  return "?";
}
