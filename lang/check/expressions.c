// Resolving expressions, types, patterns and blocks.
//
// Enters: a node and the view it stands in. Leaves: bindings at every name; scopes open and close
// with the construct that makes them. Members of tables, batches, structs and stages are left to
// build, which knows their types; members of modules are resolved here.
#include "check/checker.h"

#include <string.h>

bool is_error(const Node *node) {
  return node && node->kind == NODE_ERROR;
}

bool has_error(NodeList list) {
  for (size_t i = 0; i < list.count; i++)
    if (is_error(list.data[i])) return true;
  return false;
}

// ---- patterns and statements

void declare_pattern(Checker *c, View *view, Node *pattern) {
  if (is_error(pattern)) return;
  if (pattern->kind == PATTERN_TUPLE) {
    for (size_t i = 0; i < pattern->as.pattern_tuple.items.count; i++)
      declare_pattern(c, view, pattern->as.pattern_tuple.items.data[i]);
    return;
  }
  Name name = pattern->as.pattern_name.name;
  if (strcmp(name, "_") == 0) return;
  Binding *binding = binding_make(c, BIND_LOCAL, name, pattern, view->owner);
  pattern->as.pattern_name.binding = binding;
  declare_in(c, &view->locals->names, binding);
}

void resolve_let(Checker *c, View *view, Node *let) {
  if (let->as.let.type) resolve_type(c, view, let->as.let.type);
  resolve_expression(c, view, let->as.let.value);
  declare_pattern(c, view, let->as.let.pattern);
}

void resolve_ensure(Checker *c, View *view, Node *ensure) {
  resolve_expression(c, view, ensure->as.ensure.condition);
}

// ---- calls of items

static NodeList params_of(const Binding *binding) {
  if (!binding || !binding->node) return (NodeList){0};
  const Node *node = binding->node;
  switch (node->kind) {
  case ITEM_METHOD:
    return node->as.method.params;
  case ITEM_OPTIMIZER:
    return node->as.optimizer.params;
  case ITEM_SET:
    return node->as.set.params;
  case ITEM_FUNCTION:
    return node->as.function.params;
  default:
    return (NodeList){0};
  }
}

static bool wants_optimizer(NodeList params, const Node *argument, size_t position) {
  for (size_t i = 0; i < params.count; i++) {
    const Node *param = params.data[i];
    if (param->kind != PART_PARAM || !param->as.param.type) continue;
    Name name = argument->as.argument.name.name;
    if (name ? param->as.param.name.name != name : i != position) continue;
    const Node *type = param->as.param.type;
    return type->kind == TYPE_NAME && !type->as.type_name.module.name &&
           strcmp(type->as.type_name.name.name, "optimizer") == 0;
  }
  return false;
}

// The callee is unknown, so its parameters are: an optimizer is taken for what it is.
static bool is_optimizer_value(const View *view, const Node *value) {
  const Node *head = value->kind == EXPR_CALL ? value->as.call.callee : value;
  if (head->kind != EXPR_NAME) return false;
  BindingGroup *group = lookup_group(view, head->as.name.name);
  return group && group->optimizer && !group->function && !group->other;
}

static void check_argument_order(Checker *c, NodeList arguments) {
  const Node *named = NULL;
  for (size_t i = 0; i < arguments.count; i++) {
    const Node *argument = arguments.data[i];
    if (is_error(argument)) return;
    Ident name = argument->as.argument.name;
    if (!name.name && named) {
      Diagnostic *d = report(c->diagnostics, E0304, argument->span,
                             "a positional argument stands behind a named one");
      diagnostic_label(d, named->span, "the named argument");
      return;
    }
    if (!name.name) continue;
    named = argument;
    for (size_t k = 0; k < i; k++) {
      Ident earlier = arguments.data[k]->as.argument.name;
      if (earlier.name != name.name) continue;
      Diagnostic *d =
          report(c->diagnostics, E0304, name.span, "the argument `%s` is given twice", name.name);
      diagnostic_label(d, earlier.span, "first given here");
    }
  }
}

// `dual(c)` and `violation(c)` take the name of a constraint.
static void resolve_constraint(Checker *c, View *view, Node *value, const Binding *callee) {
  if (is_error(value)) return;
  Name name = value->kind == EXPR_NAME ? value->as.name.name : NULL;
  Binding *binding = name ? find_constraint(view->problem, name) : NULL;
  if (binding) {
    value->as.name.binding = binding;
    return;
  }
  if (name && is_poisoned(view, name)) return;
  Diagnostic *d;
  if (name)
    d = report(c->diagnostics, E0201, value->span, "there is no constraint `%s`", name);
  else
    d = report(c->diagnostics, E0208, value->span, "the name of a constraint is wanted here");
  const NameTable *known = view->problem ? &view->problem->constraints : NULL;
  VEC(const char *) names = {0};
  for (size_t i = 0; known && i < known->names.count; i++)
    VEC_PUSH(c->arena, &names, known->names.data[i]);
  const char *close = name ? closest_name(name, names.data, names.count) : NULL;
  if (close)
    diagnostic_help(d, "did you mean `%s`?", close);
  else
    diagnostic_help(d, "`%s(size)` belongs to `subject to size: a <= b;`", callee->name);
}

static void resolve_arguments(Checker *c, View *view, NodeList arguments, const Binding *callee) {
  check_argument_order(c, arguments);
  bool constraint = callee && callee->kind == BIND_BUILTIN &&
                    (callee->builtin == BUILTIN_DUAL || callee->builtin == BUILTIN_VIOLATION);
  for (size_t i = 0; constraint && i < arguments.count; i++)
    if (!is_error(arguments.data[i]))
      resolve_constraint(c, view, arguments.data[i]->as.argument.value, callee);
  if (constraint) return;
  NodeList params = params_of(callee);
  for (size_t i = 0; i < arguments.count; i++) {
    Node *argument = arguments.data[i];
    if (is_error(argument)) continue;
    bool optimizer = callee ? wants_optimizer(params, argument, i)
                            : is_optimizer_value(view, argument->as.argument.value);
    if (optimizer)
      resolve_item_call(c, view, argument->as.argument.value, BIND_OPTIMIZER);
    else
      resolve_expression(c, view, argument->as.argument.value);
  }
}

static void report_wrong_item(Checker *c, View *view, Name name, Span span, BindingKind kind) {
  if (is_poisoned(view, name)) return;
  BindingGroup *group = lookup_group(view, name);
  Binding *other = NULL;
  if (group) {
    Binding *slots[] = {group->method, group->optimizer, group->set, group->function, group->other};
    for (int i = 0; i < 5 && !other; i++) other = slots[i];
  }
  Diagnostic *d;
  if (other)
    d = report(c->diagnostics, E0208, span, "%s, not %s", binding_phrase(c, other),
               kind_word(kind));
  else
    d = report(c->diagnostics, E0201, span, "there is no %s `%s`", kind_noun(kind), name);
  suggest_kind(c, d, view, name, kind);
}

// A parameter of an optimizer that is itself an optimizer (`inner: optimizer`).
static Binding *optimizer_param(const View *view, Name name) {
  for (const Scope *scope = view->locals; scope; scope = scope->outer) {
    Binding *binding = name_get(&scope->names, name);
    if (binding) return binding;
  }
  return NULL;
}

static Binding *resolve_item_name(Checker *c, View *view, Node *callee, BindingKind kind) {
  if (callee->kind == EXPR_NAME) {
    Name name = callee->as.name.name;
    Binding *binding = find_kind(view, name, kind);
    if (!binding && kind == BIND_OPTIMIZER) binding = optimizer_param(view, name);
    if (!binding)
      report_wrong_item(c, view, name, callee->span, kind);
    else
      binding->used = true;
    return callee->as.name.binding = binding;
  }
  const Node *base = callee->as.member.base;
  Binding *module = base->kind == EXPR_NAME ? find_module(view, base->as.name.name) : NULL;
  if (module) {
    callee->as.member.base->as.name.binding = module;
    return callee->as.member.binding = module_member(c, module, callee->as.member.member, kind);
  }
  if (base->kind != EXPR_NAME || !is_poisoned(view, base->as.name.name))
    report(c->diagnostics, E0208, base->span, "a module is wanted in front of `.%s`",
           callee->as.member.member.name);
  return NULL;
}

void resolve_item_call(Checker *c, View *view, Node *value, BindingKind kind) {
  if (is_error(value)) return;
  Node *callee = value->kind == EXPR_CALL ? value->as.call.callee : value;
  if (callee->kind != EXPR_NAME && callee->kind != EXPR_MEMBER) {
    if (is_error(callee)) return;
    Diagnostic *d = report(c->diagnostics, E0208, value->span, "%s is wanted here, this is %s",
                           kind_word(kind), node_phrase(c->arena, value));
    suggest_kind(c, d, view, "", kind);
    return;
  }
  Binding *binding = resolve_item_name(c, view, callee, kind);
  if (value->kind == EXPR_CALL) resolve_arguments(c, view, value->as.call.arguments, binding);
}

void resolve_set_call(Checker *c, View *view, Node *value) {
  if (!value || is_error(value)) return;
  Node *callee = value->kind == EXPR_CALL ? value->as.call.callee : value;
  bool classes = callee->kind == EXPR_NAME && strcmp(callee->as.name.name, "classes") == 0 &&
                 !find_kind(view, callee->as.name.name, BIND_SET);
  if (classes)
    resolve_expression(c, view, value);
  else
    resolve_item_call(c, view, value, BIND_SET);
}

// ---- types

static const struct {
  const char *name;
  bool method, function; // inside methods and optimizers, in functions
} type_words[] = {
    {"real", true, true},       {"int", true, true},          {"vec", true, true},
    {"solver", true, true},     {"optimizer", true, false},   {"lower", true, false},
    {"upper", true, false},     {"constraints", true, false}, {"lower_opt", true, false},
    {"upper_opt", true, false},
};
enum { TYPE_WORDS = sizeof type_words / sizeof *type_words };

static int find_type_word(Name name) {
  for (int i = 0; i < TYPE_WORDS; i++)
    if (strcmp(type_words[i].name, name) == 0) return i;
  return -1;
}

static void report_unknown_type(Checker *c, const View *view, Ident name) {
  if (is_poisoned(view, name.name)) return;
  Binding *other = find_kind(view, name.name, BIND_STRUCT);
  if (!other) other = find_kind(view, name.name, BIND_FUNCTION);
  if (other) {
    Diagnostic *d =
        report(c->diagnostics, E0208, name.span, "%s, not a type", binding_phrase(c, other));
    diagnostic_label(d, binding_span(other), "declared here");
    return;
  }
  VEC(const char *) names = {0};
  for (int i = 0; i < TYPE_WORDS; i++)
    if (view->in_method || view->in_optimizer || type_words[i].function)
      VEC_PUSH(c->arena, &names, type_words[i].name);
  static const char *const elements[] = {"f16", "bf16", "f32", "f64", "i32", "i64", "u8", "bool"};
  for (int i = 0; i < 8; i++) VEC_PUSH(c->arena, &names, elements[i]);
  const NameTable *scope = &view->module->scope;
  for (size_t i = 0; i < scope->names.count; i++) {
    const BindingGroup *group = name_get(scope, scope->names.data[i]);
    if (group->other && group->other->kind == BIND_STRUCT)
      VEC_PUSH(c->arena, &names, scope->names.data[i]);
  }
  Diagnostic *d = report(c->diagnostics, E0201, name.span, "there is no type `%s`", name.name);
  const char *close = closest_name(name.name, names.data, names.count);
  if (strcmp(name.name, "float") == 0 || strcmp(name.name, "double") == 0) close = "real";
  if (close) diagnostic_help(d, "did you mean `%s`?", close);
}

static void resolve_type_name(Checker *c, View *view, Node *type) {
  Ident module_name = type->as.type_name.module, name = type->as.type_name.name;
  if (module_name.name) {
    Binding *module = find_module(view, module_name.name);
    if (!module) {
      if (is_poisoned(view, module_name.name)) return;
      Diagnostic *d = report(c->diagnostics, E0203, module_name.span,
                             "there is no module `%s` here", module_name.name);
      diagnostic_help(d, "import it: `import %s;`", module_name.name);
      return;
    }
    Binding *found = module_member(c, module, name, BIND_STRUCT);
    if (found && found->kind != BIND_STRUCT) {
      report(c->diagnostics, E0208, name.span, "%s, not a type", binding_phrase(c, found));
      found = NULL;
    }
    type->as.type_name.binding = found;
    return;
  }
  Binding *found = find_kind(view, name.name, BIND_STRUCT);
  if (found && found->kind == BIND_STRUCT) {
    found->used = true;
    type->as.type_name.binding = found;
    return;
  }
  int word = find_type_word(name.name);
  if (word < 0) {
    report_unknown_type(c, view, name);
  } else if (!view->in_method && !view->in_optimizer && !type_words[word].function) {
    report(c->diagnostics, E0207, name.span, "the type `%s` has a meaning inside methods only",
           name.name);
  }
}

static void resolve_dim(Checker *c, View *view, Node *dim) {
  bool outer = view->in_type;
  view->in_type = true;
  resolve_expression(c, view, dim);
  view->in_type = outer;
}

void resolve_type(Checker *c, View *view, Node *type) {
  if (!type) return;
  switch (type->kind) {
  case TYPE_NAME:
    resolve_type_name(c, view, type);
    break;
  case TYPE_TENSOR:
    resolve_type(c, view, type->as.tensor_type.base);
    for (size_t i = 0; i < type->as.tensor_type.dims.count; i++)
      resolve_dim(c, view, type->as.tensor_type.dims.data[i]);
    break;
  case TYPE_TUPLE:
    for (size_t i = 0; i < type->as.tuple_type.items.count; i++)
      resolve_type(c, view, type->as.tuple_type.items.data[i]);
    break;
  case TYPE_FN:
    resolve_type(c, view, type->as.fn_type.from);
    resolve_type(c, view, type->as.fn_type.to);
    break;
  case TYPE_ARRAY:
    resolve_dim(c, view, type->as.array_type.extent);
    resolve_type(c, view, type->as.array_type.element);
    break;
  default:
    break;
  }
}

void resolve_params(Checker *c, View *view, NodeList params) {
  for (size_t i = 0; i < params.count; i++) {
    Node *param = params.data[i];
    if (is_error(param)) continue;
    Node *type = param->as.param.type, *initial = param->as.param.initial;
    resolve_type(c, view, type);
    bool optimizer = type && type->kind == TYPE_NAME && !type->as.type_name.module.name &&
                     strcmp(type->as.type_name.name.name, "optimizer") == 0;
    if (initial && optimizer)
      resolve_item_call(c, view, initial, BIND_OPTIMIZER);
    else if (initial)
      resolve_expression(c, view, initial);
  }
  for (size_t i = 0; i < params.count; i++) {
    Node *param = params.data[i];
    if (is_error(param)) continue;
    Name name = param->as.param.name.name;
    Binding *fixed = name_get(view->implicit, name);
    if (fixed) report_redeclared(c, param->as.param.name.span, name, fixed);
    param->as.param.binding = binding_make(c, BIND_LOCAL, name, param, view->owner);
    declare_in(c, &view->locals->names, param->as.param.binding);
  }
}

// ---- expressions

// What may stand alone as a value, and what only with a `.` or a call behind it.
static void check_use(Checker *c, const Node *node, const Binding *binding, bool callee,
                      bool base) {
  if (!binding) return;
  Diagnostic *d;
  switch (binding->kind) {
  case BIND_STRUCT:
    if (callee) return;
    d = report(c->diagnostics, E0208, node->span, "%s, not a value", binding_phrase(c, binding));
    diagnostic_help(d, "a value of it is made by a call: `%s(...)`", binding->name);
    break;
  case BIND_MODULE:
    d = report(c->diagnostics, E0208, node->span, "%s, not a value", binding_phrase(c, binding));
    diagnostic_help(d, "name a member of it: `%s.name`", binding->name);
    break;
  case BIND_STAGE:
    if (base) return;
    d = report(c->diagnostics, E0208, node->span, "%s, not a value", binding_phrase(c, binding));
    diagnostic_help(d, "name a variable of it: `%s.name`", binding->name);
    break;
  case BIND_CONSTRAINT:
    d = report(c->diagnostics, E0208, node->span, "%s, not a value", binding_phrase(c, binding));
    diagnostic_help(d, "`dual(%s)` is its multiplier, `violation(%s)` how far it is from holding",
                    binding->name, binding->name);
    break;
  default:
    break;
  }
}

typedef struct Place {
  bool callee; // directly in front of `( )`
  bool base;   // directly in front of `.`
} Place;

static void resolve_in_place(Checker *c, View *view, Node *node, Place place);

static void resolve_name(Checker *c, View *view, Node *node, Place place) {
  Binding *binding = lookup_value(c, view, node->as.name.name, node->span);
  check_use(c, node, binding, place.callee, place.base);
  node->as.name.binding = binding;
}

static void resolve_member(Checker *c, View *view, Node *node, Place place) {
  Node *base = node->as.member.base;
  Binding *module = base->kind == EXPR_NAME ? find_module(view, base->as.name.name) : NULL;
  if (!module) {
    resolve_in_place(c, view, base, (Place){.base = true});
    return;
  }
  base->as.name.binding = module;
  Binding *binding = module_member(c, module, node->as.member.member, BIND_FUNCTION);
  check_use(c, node, binding, place.callee, place.base);
  node->as.member.binding = binding;
}

static const Binding *callee_binding(const Node *callee) {
  if (callee->kind == EXPR_NAME) return callee->as.name.binding;
  if (callee->kind == EXPR_MEMBER) return callee->as.member.binding;
  return NULL;
}

static void resolve_list(Checker *c, View *view, NodeList list) {
  for (size_t i = 0; i < list.count; i++) resolve_expression(c, view, list.data[i]);
}

static void resolve_function_value(Checker *c, View *view, Node *node) {
  Scope scope = scope_open(c, view->locals);
  view->locals = &scope;
  declare_pattern(c, view, node->as.fn.pattern);
  resolve_expression(c, view, node->as.fn.body);
  view->locals = scope.outer;
}

static void resolve_comprehension(Checker *c, View *view, Node *node) {
  NodeList binders = node->as.comprehension.binders;
  for (size_t i = 0; i < binders.count; i++)
    if (binders.data[i]->kind == PART_BINDER && binders.data[i]->as.binder.extent)
      resolve_expression(c, view, binders.data[i]->as.binder.extent);
  Scope scope = scope_open(c, view->locals);
  view->locals = &scope;
  for (size_t i = 0; i < binders.count; i++) {
    Node *binder = binders.data[i];
    if (is_error(binder)) continue;
    binder->as.binder.binding =
        binding_make(c, BIND_LOCAL, binder->as.binder.name.name, binder, view->owner);
    declare_in(c, &scope.names, binder->as.binder.binding);
  }
  resolve_expression(c, view, node->as.comprehension.body);
  view->locals = scope.outer;
}

static void resolve_block(Checker *c, View *view, Node *block, bool of_loop) {
  if (block->kind != EXPR_BLOCK) {
    resolve_expression(c, view, block);
    return;
  }
  Scope scope = scope_open(c, view->locals);
  Block statements = {view->blocks, block->as.block.lets};
  view->locals = &scope;
  view->blocks = &statements;
  for (size_t i = 0; i < block->as.block.lets.count; i++) {
    Node *statement = block->as.block.lets.data[i];
    if (statement->kind == NODE_LET) resolve_let(c, view, statement);
    if (statement->kind == NODE_ENSURE) resolve_ensure(c, view, statement);
  }
  resolve_expression(c, view, block->as.block.value);
  Node *yield = block->as.block.yield;
  if (yield) resolve_expression(c, view, yield);
  if (yield && !of_loop) {
    Diagnostic *d = report(c->diagnostics, E0207, yield->span, "`yield` outside a loop");
    diagnostic_help(d, "`loop s = s0 for t < T { next yield out }` collects `out` of every turn");
  }
  view->locals = scope.outer;
  view->blocks = statements.outer;
}

static void resolve_loop(Checker *c, View *view, Node *node) {
  resolve_expression(c, view, node->as.loop.initial);
  resolve_expression(c, view, node->as.loop.bound);
  Scope scope = scope_open(c, view->locals);
  view->locals = &scope;
  Binding *counter = binding_make(c, BIND_LOCAL, node->as.loop.counter.name, node, view->owner);
  node->as.loop.counter_binding = counter;
  declare_in(c, &scope.names, counter);
  declare_pattern(c, view, node->as.loop.pattern);
  if (node->as.loop.condition) resolve_expression(c, view, node->as.loop.condition);
  resolve_block(c, view, node->as.loop.body, true);
  view->locals = scope.outer;
}

static void resolve_binary(Checker *c, View *view, Node *node) {
  if (node->as.binary.op == BIN_APPROX) {
    Diagnostic *d = report(c->diagnostics, E0207, node->as.binary.op_span,
                           "`~=` compares the two sides of an `expect`");
    diagnostic_help(d, "write `expect a ~= b within 1e-6;`, or compare with `<`");
  }
  resolve_expression(c, view, node->as.binary.left);
  resolve_expression(c, view, node->as.binary.right);
}

static void resolve_in_place(Checker *c, View *view, Node *node, Place place) {
  switch (node->kind) {
  case EXPR_NAME:
    resolve_name(c, view, node, place);
    break;
  case EXPR_MEMBER:
    resolve_member(c, view, node, place);
    break;
  case EXPR_BINARY:
    resolve_binary(c, view, node);
    break;
  case EXPR_NEGATE:
  case EXPR_NOT:
    resolve_expression(c, view, node->as.unary.operand);
    break;
  case EXPR_IF:
    resolve_expression(c, view, node->as.conditional.condition);
    resolve_expression(c, view, node->as.conditional.yes);
    resolve_expression(c, view, node->as.conditional.no);
    break;
  case EXPR_FN:
    resolve_function_value(c, view, node);
    break;
  case EXPR_INDEX:
    resolve_in_place(c, view, node->as.index.base, (Place){.callee = place.callee});
    resolve_list(c, view, node->as.index.indices);
    break;
  case EXPR_SLICE:
    if (node->as.slice.low) resolve_expression(c, view, node->as.slice.low);
    if (node->as.slice.high) resolve_expression(c, view, node->as.slice.high);
    break;
  case EXPR_CALL:
    resolve_in_place(c, view, node->as.call.callee, (Place){.callee = true});
    resolve_arguments(c, view, node->as.call.arguments, callee_binding(node->as.call.callee));
    break;
  case EXPR_TUPLE:
  case EXPR_LIST:
    resolve_list(c, view, node->as.list.items);
    break;
  case EXPR_CAST:
    resolve_expression(c, view, node->as.cast.operand);
    break;
  case EXPR_FOR:
    resolve_comprehension(c, view, node);
    break;
  case EXPR_LOOP:
    resolve_loop(c, view, node);
    break;
  case EXPR_BLOCK:
    resolve_block(c, view, node, false);
    break;
  default:
    break;
  }
}

void resolve_expression(Checker *c, View *view, Node *node) {
  if (node) resolve_in_place(c, view, node, (Place){0});
}
