// Calls: lambdas, `fn` items, native functions, struct constructors and objects.
//
// A function is always inlined: its body is evaluated with the parameters bound to the arguments. A
// `fn` item sees nothing of the caller; its arguments are fitted to the declared types first. A
// call without positional arguments of a function that needs some gives the function with its
// settings bound.
#include "evaluate/staging.h"

#include <string.h>

enum { DEPTH_LIMIT = 200 };

// --- depth -----------------------------------------------------------------------------

bool call_enter(Evaluator *e, Dynamic *saved, CallChain *link, const char *name, Span span) {
  *saved = e->dynamic;
  if (e->dynamic.depth >= DEPTH_LIMIT) {
    Diagnostic *d = mistake(e, E0312, span, "calls are nested deeper than %d", DEPTH_LIMIT);
    diagnostic_help(d, "functions are inlined, so a function cannot call itself: write a `loop`");
    e->failed = true;
    return false;
  }
  *link = (CallChain){.span = span, .name = name, .next = e->dynamic.calls};
  e->dynamic.calls = link;
  e->dynamic.depth++;
  return true;
}

void call_leave(Evaluator *e, const Dynamic *saved) {
  e->dynamic = *saved;
}

/// What lexical meaning of `real`, `vec` and `[..]` a body is evaluated with.
typedef struct Lexical {
  Dtype real;
  Staged *vec;
  const AnyShape *shape;
} Lexical;

static Lexical lexical_enter(Evaluator *e, Lexical meaning) {
  Lexical saved = {e->real, e->bundle_like[BUNDLE_VEC], e->shape};
  e->real = meaning.real;
  e->bundle_like[BUNDLE_VEC] = meaning.vec;
  e->shape = meaning.shape;
  return saved;
}

static void lexical_leave(Evaluator *e, Lexical saved) {
  lexical_enter(e, saved);
}

// --- arguments -----------------------------------------------------------------------------------

const NamedArgument *call_named(const Call *call, const char *name) {
  for (int i = 0; i < call->named_count; i++)
    if (!strcmp(call->named[i].name, name)) return &call->named[i];
  return NULL;
}

bool call_check_names(const Call *call, const char *function, const char *const *names) {
  for (int i = 0; i < call->named_count; i++) {
    size_t count = 0;
    bool known = false;
    for (; names[count]; count++) known = known || !strcmp(names[count], call->named[i].name);
    if (known) continue;
    Diagnostic *d = mistake(call->evaluator, E0304, call->named[i].span,
                            "`%s` has no argument `%s`", function, call->named[i].name);
    const char *close = closest_name(call->named[i].name, names, count);
    if (close) {
      diagnostic_help(d, "did you mean `%s`?", close);
    } else if (count) {
      diagnostic_help(d, "its named argument is `%s`", names[0]);
    }
    return false;
  }
  return true;
}

// --- lambdas -------------------------------------------------------------------------------------

static Staged *lambda_count(Evaluator *e, const Call *call, int wanted, const Node *node) {
  Diagnostic *d = mistake(e, E0304, call->span, "this function takes %d argument%s, %d given",
                          wanted, wanted == 1 ? "" : "s", call->positional_count);
  diagnostic_label(d, node->as.fn.pattern->span, "its parameters");
  return staged_poison;
}

static const Environment *bind_lambda(Evaluator *e, const Function *f, const Call *call) {
  const Node *pattern = f->node->as.fn.pattern;
  const Environment *environment = f->environment;
  if (call->named_count) {
    mistake(e, E0304, call->named[0].span, "a `fn` value takes its arguments by position");
    return NULL;
  }
  if (pattern->kind != PATTERN_TUPLE || call->positional_count == 1) {
    if (call->positional_count != 1) {
      lambda_count(e, call, 1, f->node);
      return NULL;
    }
    Staged *value = call->positional[0];
    if (pattern->kind == PATTERN_TUPLE &&
        (value->kind != STAGED_TREE ||
         tree_child_count(value) != (int)pattern->as.pattern_tuple.items.count)) {
      lambda_count(e, call, (int)pattern->as.pattern_tuple.items.count, f->node);
      return NULL;
    }
    Environment *frame = ARENA_NEW(e->arena, Environment); // never NULL, even for `fn _ -> e`
    static const Binding nothing;
    *frame = (Environment){.binding = &nothing, .value = staged_poison, .next = environment};
    return evaluate_pattern(e, pattern, value, frame);
  }
  const NodeList *items = &pattern->as.pattern_tuple.items;
  if (call->positional_count != (int)items->count) {
    lambda_count(e, call, (int)items->count, f->node);
    return NULL;
  }
  Environment *frame = ARENA_NEW(e->arena, Environment);
  static const Binding nothing;
  *frame = (Environment){.binding = &nothing, .value = staged_poison, .next = environment};
  environment = frame;
  for (size_t i = 0; i < items->count; i++)
    environment = evaluate_pattern(e, items->data[i], call->positional[i], environment);
  return environment;
}

static Staged *apply_lambda(Evaluator *e, const Function *f, const Call *call) {
  for (int i = 0; i < call->positional_count; i++)
    if (staged_is_poison(call->positional[i])) return staged_poison;
  const Environment *environment = bind_lambda(e, f, call);
  if (!environment) return staged_poison;
  Dynamic saved;
  CallChain link;
  if (!call_enter(e, &saved, &link, NULL, call->span)) return staged_poison;
  Lexical lexical = lexical_enter(e, (Lexical){f->real, f->vec, f->shape});
  Staged *result = evaluate(e, f->node->as.fn.body, environment, call->expected);
  lexical_leave(e, lexical);
  call_leave(e, &saved);
  return result;
}

// --- `fn` items ----------------------------------------------------------------------------------

/// The arguments of one call, sorted to their parameters.
typedef struct Arguments {
  const Signature *signature;
  Staged **values; // per parameter; NULL: not given
  Span *spans;
  Matching matching;
} Arguments;

static const char *param_name(const Signature *s, int i) {
  const Node *param = s->node->as.function.params.data[i];
  return param->kind == PART_PARAM && param->as.param.name.name ? param->as.param.name.name : "_";
}

static Matching matching_start(Evaluator *e, const Signature *s) {
  Matching m = {.e = e,
                .bindings = ARENA_ARRAY(e->arena, DimBinding, (size_t)s->dim_count + 1),
                .count = s->dim_count};
  for (int i = 0; i < s->dim_count; i++) m.bindings[i].name = s->formal_names[i];
  return m;
}

static const char *signature_text(Evaluator *e, const Signature *s) {
  TextBuffer out = text_buffer(e->arena);
  for (int i = 0; i < s->param_count; i++)
    text_addf(&out, "%s`%s`", i ? ", " : "", param_name(s, i));
  return text_string(&out);
}

static void unknown_argument(Evaluator *e, const Signature *s, const NamedArgument *argument) {
  const char *names[64];
  size_t count = 0;
  for (int i = 0; i < s->param_count && count < 64; i++) names[count++] = param_name(s, i);
  for (int i = 0; i < s->dim_count && count < 64; i++)
    names[count++] = s->node->as.function.dims.data[i].name;
  const char *function = s->node->as.function.name.name;
  Diagnostic *d =
      mistake(e, E0304, argument->span, "`%s` has no parameter `%s`", function, argument->name);
  const char *close = closest_name(argument->name, names, count);
  if (close) {
    diagnostic_help(d, "did you mean `%s`?", close);
  } else if (s->param_count) {
    diagnostic_help(d, "its parameters are %s", signature_text(e, s));
  }
}

static bool place_named(Evaluator *e, Arguments *a, const NamedArgument *argument) {
  const Signature *s = a->signature;
  for (int i = 0; i < s->param_count; i++) {
    if (param_name(s, i) != argument->name) continue;
    if (a->values[i]) {
      mistake(e, E0304, argument->span, "`%s` is given twice", argument->name);
      return false;
    }
    a->values[i] = argument->value;
    a->spans[i] = argument->span;
    return true;
  }
  for (int i = 0; i < s->dim_count; i++) {
    if (s->node->as.function.dims.data[i].name != argument->name) continue;
    return static_dim(e, argument->value, &a->matching.bindings[i].value, argument->span,
                      "a dim given by name");
  }
  unknown_argument(e, s, argument);
  return false;
}

static bool place_arguments(Evaluator *e, Arguments *a, const Function *f, const Call *call) {
  const Signature *s = a->signature;
  for (int i = 0; i < f->bound_count; i++)
    if (!place_named(e, a, &f->bound[i])) return false;
  int next = 0;
  for (int i = 0; i < call->positional_count; i++, next++) {
    while (next < s->param_count && a->values[next]) next++;
    if (next >= s->param_count) {
      Diagnostic *d =
          mistake(e, E0304, call->span, "`%s` takes %d argument%s, %d given", f->name,
                  s->param_count, s->param_count == 1 ? "" : "s", call->positional_count);
      if (s->param_count) diagnostic_note(d, "its parameters are %s", signature_text(e, s));
      return false;
    }
    a->values[next] = call->positional[i];
    a->spans[next] = call->spans ? call->spans[i] : call->span;
  }
  for (int i = 0; i < call->named_count; i++)
    if (!place_named(e, a, &call->named[i])) return false;
  return true;
}

static const Node *param_default(const Signature *s, int i) {
  const Node *param = s->node->as.function.params.data[i];
  return param->kind == PART_PARAM ? param->as.param.initial : NULL;
}

static Staged *bind_arguments(Evaluator *e, const Function *f, const Call *call) {
  NamedArgument *bound =
      ARENA_ARRAY(e->arena, NamedArgument, (size_t)(f->bound_count + call->named_count) + 1);
  int count = 0;
  for (int i = 0; i < f->bound_count; i++) bound[count++] = f->bound[i];
  for (int i = 0; i < call->named_count; i++) bound[count++] = call->named[i];
  Function *partial = arena_copy(e->arena, f, sizeof *f);
  partial->bound = bound;
  partial->bound_count = count;
  Staged *result = ARENA_NEW(e->arena, Staged);
  result->kind = STAGED_FUNCTION;
  result->function = partial;
  return result;
}

static bool report_missing(Evaluator *e, const Arguments *a, const Function *f, const Call *call) {
  TextBuffer list = text_buffer(e->arena);
  int missing = 0;
  for (int i = 0; i < a->signature->param_count; i++)
    if (!a->values[i] && !param_default(a->signature, i))
      text_addf(&list, "%s`%s`", missing++ ? ", " : "", param_name(a->signature, i));
  if (!missing) return false;
  Diagnostic *d = mistake(e, E0304, call->span, "`%s` lacks %s", f->name, text_string(&list));
  diagnostic_label(d, f->node->as.function.name.span, "declared here");
  return true;
}

// Finds dims, `real` and `vec`: arguments first, then the expected type.
static bool match_arguments(Evaluator *e, Arguments *a, const Function *f, const Call *call) {
  const Signature *s = a->signature;
  Matching *m = &a->matching;
  for (int i = 0; i < s->param_count; i++)
    if (a->values[i]) match_value(m, s->params[i], a->values[i], 0);
  if (!m->real_known && m->vec) {
    ValueList leaves = {0};
    staged_leaves(e, m->vec, &leaves);
    for (size_t i = 0; i < leaves.count && !m->real_known; i++) {
      m->real = leaves.data[i]->type->dtype;
      m->real_known = dtype_is_float(m->real);
    }
  }
  for (int i = 0; i < s->param_count && !m->real_known; i++) {
    const Staged *value = a->values[i];
    if (!value || s->params[i]->kind != SPEC_REAL || !staged_is_scalar_tensor(value)) continue;
    m->real = value->tensor->type->dtype;
    m->real_known = dtype_is_float(m->real);
  }
  if (call->expected) match_spec(m, s->result, call->expected);
  if (!m->real_known) m->real = e->real;
  for (int i = 0; i < m->count; i++) {
    if (m->bindings[i].value) continue;
    const char *dim = s->node->as.function.dims.data[i].name;
    Diagnostic *d = mistake(e, E0310, call->span,
                            "the dim `%s` of `%s` is not determined by this call", dim, f->name);
    diagnostic_label(d, s->node->as.function.dims.data[i].span, "declared here");
    diagnostic_help(d,
                    "give it by name, `%s(.., %s = ..)`, or let a typed `let` say the result's "
                    "type",
                    f->name, dim);
    return false;
  }
  return true;
}

// Truth values and integers stay static where the parameter is one of them: a condition on them
// builds one branch.
static bool stays_static(const TypeSpec *spec, const Staged *value) {
  if (spec->kind != SPEC_TENSOR || spec->rank || spec->any_shape || spec->real_dtype) return false;
  if (spec->dtype == DT_BOOL) return value->kind == STAGED_BOOL;
  return dtype_is_integer(spec->dtype) && value->kind == STAGED_INTEGER;
}

// The declared types and the defaults belong to the function: their mistakes tell where it was
// called from.
static const TypeSpec *type_at_call(Evaluator *e, const Node *type, const Function *f,
                                    const Environment *environment, const Call *call) {
  Dynamic saved;
  CallChain link;
  if (!call_enter(e, &saved, &link, f->name, call->span)) return NULL;
  const TypeSpec *spec = evaluate_type(e, type, environment);
  call_leave(e, &saved);
  return spec;
}

static Staged *default_at_call(Evaluator *e, const Node *initial, const TypeSpec *spec,
                               const Function *f, const Environment *environment,
                               const Call *call) {
  Dynamic saved;
  CallChain link;
  if (!call_enter(e, &saved, &link, f->name, call->span)) return staged_poison;
  Staged *value = evaluate(e, initial, environment, spec);
  call_leave(e, &saved);
  return value;
}

static Staged *fit_argument(Evaluator *e, const Arguments *a, int i, const Function *f,
                            const Environment *environment, const Call *call) {
  const Node *param = a->signature->node->as.function.params.data[i];
  const TypeSpec *spec = type_at_call(e, param->as.param.type, f, environment, call);
  if (!spec) return staged_poison;
  const char *what =
      arena_printf(e->arena, "the argument `%s` of `%s`", param_name(a->signature, i), f->name);
  Span span = a->spans[i];
  Staged *value = a->values[i];
  if (!value) {
    value = default_at_call(e, param->as.param.initial, spec, f, environment, call);
    span = param->as.param.initial->span;
  }
  if (stays_static(spec, value)) return value;
  return coerce(e, value, spec, false, span, what);
}

static const Environment *bind_function(Evaluator *e, const Arguments *a, const Function *f,
                                        const Call *call) {
  const Signature *s = a->signature;
  const Environment *environment = matching_environment(&a->matching, s);
  bool good = environment != NULL;
  for (int i = 0; good && i < s->param_count; i++) {
    Staged *value = fit_argument(e, a, i, f, environment, call);
    good = !staged_is_poison(value) &&
           evaluate_bounds(e, s->node->as.function.params.data[i], value,
                           a->values[i] ? a->spans[i] : call->span, f->name);
    environment = environment_add(e, environment,
                                  s->node->as.function.params.data[i]->as.param.binding, value);
  }
  return good ? environment : NULL;
}

static Staged *evaluate_body(Evaluator *e, const Function *f, const Environment *environment,
                             const Call *call) {
  Dynamic saved;
  CallChain link;
  const Node *body = f->node->as.function.body;
  const Node *last = body->kind == EXPR_BLOCK ? body->as.block.value : body;
  const TypeSpec *type = type_at_call(e, f->node->as.function.result, f, environment, call);
  if (!type || !call_enter(e, &saved, &link, f->name, call->span)) return staged_poison;
  Staged *result = evaluate(e, body, environment, known_shape(e, type));
  result = coerce(e, result, type, false, last->span,
                  arena_printf(e->arena, "the result of `%s`", f->name));
  call_leave(e, &saved);
  return result;
}

// The shape must outlive the call: closures made in the body keep it.
static const AnyShape *any_shape_of(Evaluator *e, const Signature *s, const AnyShape *found) {
  bool says = s->result->any_shape;
  for (int i = 0; i < s->param_count; i++) says = says || s->params[i]->any_shape;
  return says ? arena_copy(e->arena, found, sizeof *found) : NULL;
}

static Staged *apply_item(Evaluator *e, const Function *f, const Call *call) {
  const Signature *s = signature_of(e, f->node);
  if (e->checking) check_definition(e, f->node);
  if (s->broken || map_has(e->failed_items, f->node)) return staged_poison;
  Arguments a = {.signature = s,
                 .values = ARENA_ARRAY(e->arena, Staged *, (size_t)s->param_count + 1),
                 .spans = ARENA_ARRAY(e->arena, Span, (size_t)s->param_count + 1),
                 .matching = matching_start(e, s)};
  if (!place_arguments(e, &a, f, call)) return staged_poison;
  for (int i = 0; i < s->param_count; i++)
    if (a.values[i] && staged_is_poison(a.values[i])) return staged_poison;
  for (int i = 0; i < s->param_count && !call->positional_count; i++)
    if (!a.values[i] && !param_default(s, i)) return bind_arguments(e, f, call);
  if (report_missing(e, &a, f, call) || !match_arguments(e, &a, f, call)) return staged_poison;
  a.matching.shape.function = f->name;
  Lexical lexical = lexical_enter(
      e, (Lexical){a.matching.real, a.matching.vec, any_shape_of(e, s, &a.matching.shape)});
  const Environment *environment = bind_function(e, &a, f, call);
  Staged *result = environment ? evaluate_body(e, f, environment, call) : staged_poison;
  lexical_leave(e, lexical);
  return result;
}

// --- structs -------------------------------------------------------------------------------------

typedef struct StructMaker {
  const Node *structure;
  const Dim *const *arguments; // NULL: to be found
  int count;
} StructMaker;

static int find_field(const Node *structure, Name name) {
  for (int i = 0; i < struct_field_count(structure); i++)
    if (struct_field(structure, i)->as.field.name.name == name) return i;
  return -1;
}

static bool place_fields(Evaluator *e, const StructMaker *maker, const Call *call, Staged **values,
                         Span *spans) {
  const Node *structure = maker->structure;
  const char *struct_name = structure->as.structure.name.name;
  int count = struct_field_count(structure);
  if (call->positional_count > count) {
    mistake(e, E0304, call->span, "`%s` has %d fields, %d values are given", struct_name, count,
            call->positional_count);
    return false;
  }
  for (int i = 0; i < call->positional_count; i++) {
    values[i] = call->positional[i];
    spans[i] = call->spans ? call->spans[i] : call->span;
  }
  for (int i = 0; i < call->named_count; i++) {
    const NamedArgument *named = &call->named[i];
    int field = find_field(structure, named->name);
    if (field >= 0 && !values[field]) {
      values[field] = named->value;
      spans[field] = named->span;
      continue;
    }
    Diagnostic *d = mistake(e, E0304, named->span,
                            field < 0 ? "`%s` has no field `%s`" : "`%s`: `%s` is given twice",
                            struct_name, named->name);
    diagnostic_label(d, structure->as.structure.name.span, "declared here");
    return false;
  }
  return true;
}

static bool struct_dims(Evaluator *e, const StructMaker *maker, const Call *call,
                        Staged *const *values, const Dim **arguments, Dtype *real) {
  const Node *structure = maker->structure;
  int dims = (int)structure->as.structure.dims.count;
  Matching m = {
      .e = e, .bindings = ARENA_ARRAY(e->arena, DimBinding, (size_t)dims + 1), .count = dims};
  const Dim **formals = ARENA_ARRAY(e->arena, const Dim *, (size_t)dims + 1);
  for (int i = 0; i < dims; i++) {
    formals[i] = dim_fresh(e->module->dims, structure->as.structure.dims.data[i].name);
    NameList names = {0};
    dim_names(e->arena, formals[i], &names);
    m.bindings[i].name = names.data[0];
    if (maker->arguments) m.bindings[i].value = maker->arguments[i];
  }
  TypeSpec spec = {
      .kind = SPEC_STRUCT, .structure = structure, .arguments = formals, .argument_count = dims};
  bool checking = e->checking;
  e->checking = true;
  for (int i = 0; i < struct_field_count(structure); i++) {
    const TypeSpec *field = values[i] ? struct_field_spec(e, &spec, i) : NULL;
    if (field) match_value(&m, field, values[i], 0);
  }
  e->checking = checking;
  if (call->expected) match_spec(&m, &spec, call->expected);
  *real = m.real_known ? m.real : e->real;
  for (int i = 0; i < dims; i++) {
    arguments[i] = m.bindings[i].value;
    if (arguments[i]) continue;
    const char *name = structure->as.structure.name.name;
    Diagnostic *d = mistake(e, E0310, call->span, "the dim `%s` of `%s` is not determined here",
                            structure->as.structure.dims.data[i].name, name);
    diagnostic_help(d, "write the dims: `%s[..](..)`", name);
    return false;
  }
  return true;
}

static Staged *make_struct(const Call *call, void *self) {
  Evaluator *e = call->evaluator;
  const StructMaker *maker = self;
  const Node *structure = maker->structure;
  int count = struct_field_count(structure), dims = (int)structure->as.structure.dims.count;
  Staged **values = ARENA_ARRAY(e->arena, Staged *, (size_t)count + 1);
  Span *spans = ARENA_ARRAY(e->arena, Span, (size_t)count + 1);
  const Dim **arguments = ARENA_ARRAY(e->arena, const Dim *, (size_t)dims + 1);
  Dtype real;
  if (!place_fields(e, maker, call, values, spans)) return staged_poison;
  for (int i = 0; i < count; i++)
    if (values[i] && staged_is_poison(values[i])) return staged_poison;
  if (!struct_dims(e, maker, call, values, arguments, &real)) return staged_poison;
  Dynamic saved;
  CallChain link;
  const char *name = structure->as.structure.name.name;
  if (!call_enter(e, &saved, &link, name, call->span)) return staged_poison;
  Lexical lexical = lexical_enter(e, (Lexical){real, e->bundle_like[BUNDLE_VEC], NULL});
  TypeSpec spec = {
      .kind = SPEC_STRUCT, .structure = structure, .arguments = arguments, .argument_count = dims};
  bool all = true;
  for (int i = 0; i < count; i++) all = all && values[i];
  Staged *start = all ? NULL : initial_of_spec(e, &spec, NULL);
  Staged *result = start && staged_is_poison(start) ? staged_poison : NULL;
  Staged **children = ARENA_ARRAY(e->arena, Staged *, (size_t)count + 1);
  for (int i = 0; i < count && !result; i++) {
    const TypeSpec *field = struct_field_spec(e, &spec, i);
    const char *what = arena_printf(e->arena, "the field `%s` of `%s`",
                                    struct_field(structure, i)->as.field.name.name, name);
    children[i] = !field      ? staged_poison
                  : values[i] ? coerce(e, values[i], field, true, spans[i], what)
                              : start->tree.children[i];
    if (staged_is_poison(children[i])) result = staged_poison;
  }
  lexical_leave(e, lexical);
  call_leave(e, &saved);
  if (result) return result;
  return struct_value(e, structure, children);
}

Staged *struct_maker(Evaluator *e, const Node *structure, const Dim *const *arguments, int count) {
  StructMaker *maker = ARENA_NEW(e->arena, StructMaker);
  *maker = (StructMaker){structure, arguments, count};
  return staged_native(e, structure->as.structure.name.name, make_struct, maker);
}

const Node *struct_of_maker(const Staged *s) {
  if (s->kind != STAGED_FUNCTION || s->function->native != make_struct) return NULL;
  const StructMaker *maker = s->function->self;
  return maker->arguments ? NULL : maker->structure;
}

// --- apply ---------------------------------------------------------------------------------------

Staged *apply_call(Evaluator *e, Staged *function, const Call *call) {
  if (staged_is_poison(function) || e->failed) return staged_poison;
  if (function->kind == STAGED_OBJECT && function->object->call)
    return function->object->call(call, (void *)function->object);
  if (function->kind != STAGED_FUNCTION) {
    mistake(e, E0303, call->span, "%s cannot be called", staged_describe(e, function));
    return staged_poison;
  }
  const Function *f = function->function;
  Span saved = e->builder.span;
  e->builder.span = call->span;
  Staged *result;
  if (f->native) {
    for (int i = 0; i < call->positional_count; i++)
      if (staged_is_poison(call->positional[i])) return staged_poison;
    for (int i = 0; i < call->named_count; i++)
      if (staged_is_poison(call->named[i].value)) return staged_poison;
    result = f->native(call, f->self);
  } else if (f->node->kind == EXPR_FN) {
    result = apply_lambda(e, f, call);
  } else {
    result = apply_item(e, f, call);
  }
  e->builder.span = saved;
  return result;
}

Staged *apply(Evaluator *e, Staged *function, Staged *const *arguments, int count, Span span) {
  Span *spans = ARENA_ARRAY(e->arena, Span, (size_t)count + 1);
  for (int i = 0; i < count; i++) spans[i] = span;
  Call call = {.evaluator = e,
               .span = span,
               .positional = arguments,
               .spans = spans,
               .positional_count = count};
  return apply_call(e, function, &call);
}

// --- call expressions ----------------------------------------------------------------------------

/// Finds the expected type of each argument from those before it, for extents and result-only dims;
/// that of a struct's field from the dims that are written or those of the type that the place
/// wants.
typedef struct Guide {
  Evaluator *e;
  const Signature *signature;
  const StructMaker *maker;
  Matching matching;
} Guide;

// The constructor with all its dims, written or wanted; NULL where they are not known yet.
static const StructMaker *known_maker(Evaluator *e, const StructMaker *maker,
                                      const TypeSpec *expected) {
  if (maker->arguments) return maker;
  if (!expected || expected->kind != SPEC_STRUCT || expected->structure != maker->structure)
    return NULL;
  StructMaker *known = ARENA_NEW(e->arena, StructMaker);
  *known = (StructMaker){maker->structure, expected->arguments, expected->argument_count};
  return known;
}

static Guide guide_start(Evaluator *e, const Staged *callee, const TypeSpec *expected) {
  Guide guide = {.e = e};
  if (callee->kind != STAGED_FUNCTION) return guide;
  const Function *f = callee->function;
  if (f->native == make_struct) guide.maker = known_maker(e, f->self, expected);
  if (f->native || f->node->kind != ITEM_FUNCTION || f->bound_count) return guide;
  const Signature *s = signature_of(e, f->node);
  if (s->broken) return guide;
  guide.signature = s;
  guide.matching = matching_start(e, s);
  return guide;
}

static int guide_param(const Guide *guide, int position, Name name) {
  const Signature *s = guide->signature;
  if (!name) return position < s->param_count ? position : -1;
  for (int i = 0; i < s->param_count; i++)
    if (param_name(s, i) == name) return i;
  return -1;
}

// Before the dims are known at least the element type is.
static const TypeSpec *element_guide(const Guide *guide, const TypeSpec *spec) {
  if (spec->kind != SPEC_TENSOR || (spec->real_dtype && !guide->matching.real_known)) return NULL;
  TypeSpec *known = ARENA_NEW(guide->e->arena, TypeSpec);
  *known = (TypeSpec){.kind = SPEC_TENSOR,
                      .any_shape = true,
                      .dtype = spec->real_dtype ? guide->matching.real : spec->dtype,
                      .span = spec->span};
  return known;
}

static const TypeSpec *guide_expected(Guide *guide, int position, Name name) {
  if (guide->maker) {
    const StructMaker *m = guide->maker;
    int field = name ? find_field(m->structure, name) : position;
    if (field < 0 || field >= struct_field_count(m->structure)) return NULL;
    TypeSpec spec = {.kind = SPEC_STRUCT,
                     .structure = m->structure,
                     .arguments = m->arguments,
                     .argument_count = m->count};
    return struct_field_spec(guide->e, &spec, field);
  }
  if (!guide->signature) return NULL;
  int param = guide_param(guide, position, name);
  if (param < 0) return NULL;
  const TypeSpec *spec = guide->signature->params[param];
  if (spec->kind == SPEC_BUNDLE || spec->kind == SPEC_FUNCTION) return NULL;
  Evaluator *e = guide->e;
  const Environment *environment = matching_environment(&guide->matching, guide->signature);
  if (!environment) return element_guide(guide, spec);
  bool checking = e->checking;
  e->checking = true;
  spec = evaluate_type(e, guide->signature->node->as.function.params.data[param]->as.param.type,
                       environment);
  e->checking = checking;
  if (!spec || spec->kind != SPEC_TENSOR || !spec->real_dtype) return spec;
  // `real` of the callee is not this place's: only a known one guides
  if (!guide->matching.real_known) return NULL;
  TypeSpec *known = arena_copy(e->arena, spec, sizeof *spec);
  known->real_dtype = false;
  known->dtype = guide->matching.real;
  return known;
}

static void guide_add(Guide *guide, int position, Name name, Staged *value) {
  if (!guide->signature || staged_is_poison(value)) return;
  int param = guide_param(guide, position, name);
  if (param >= 0) match_value(&guide->matching, guide->signature->params[param], value, 0);
}

Staged *evaluate_call(Evaluator *e, const Node *node, const Environment *environment,
                      const TypeSpec *expected) {
  Staged *callee = evaluate(e, node->as.call.callee, environment, NULL);
  const NodeList *nodes = &node->as.call.arguments;
  Staged **positional = ARENA_ARRAY(e->arena, Staged *, nodes->count + 1);
  Span *spans = ARENA_ARRAY(e->arena, Span, nodes->count + 1);
  NamedArgument *named = ARENA_ARRAY(e->arena, NamedArgument, nodes->count + 1);
  int positional_count = 0, named_count = 0;
  Guide guide = guide_start(e, callee, expected);
  for (size_t i = 0; i < nodes->count; i++) {
    const Node *argument = nodes->data[i];
    if (argument->kind != PART_ARGUMENT) return staged_poison;
    Name name = argument->as.argument.name.name;
    const TypeSpec *wanted = guide_expected(&guide, positional_count, name);
    Staged *value = evaluate(e, argument->as.argument.value, environment, wanted);
    guide_add(&guide, positional_count, name, value);
    if (name) {
      named[named_count++] = (NamedArgument){name, value, argument->as.argument.value->span};
    } else {
      spans[positional_count] = argument->as.argument.value->span;
      positional[positional_count++] = value;
    }
  }
  Call call = {.evaluator = e,
               .span = node->span,
               .positional = positional,
               .spans = spans,
               .positional_count = positional_count,
               .named = named,
               .named_count = named_count,
               .expected = expected};
  uint64_t place = e->dynamic.place;
  e->dynamic.place = hash_mix(place, node->as.call.place);
  Staged *result = apply_call(e, callee, &call);
  e->dynamic.place = place;
  return result;
}
