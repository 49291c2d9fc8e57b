// Declarations at file level and the bodies of functions, structs, data, methods, optimizers, sets.
//
// Enters: a file whose imports are loaded. Changes: fills the file's scope first, so that order
// does not matter, then resolves every body in the view that belongs to it: functions see no data
// and no variables, methods see their fixed names.
#include "check/checker.h"

#include <string.h>

void report_later(Checker *c, Span span, const char *what) {
  Diagnostic *d = report(c->diagnostics, E0211, span, "%s", what);
  diagnostic_note(d,
                  "it is part of the language; this version of the compiler does not run it yet");
}

// ---- declaring

static Binding *declare_item(Checker *c, Module *module, BindingKind kind, Ident name, Node *item,
                             bool exported) {
  Binding *binding = binding_make(c, kind, name.name, item, module->file);
  binding->exported = exported;
  declare_top(c, &module->scope, binding);
  return binding;
}

static void declare_dims(Checker *c, Module *module, Node *item) {
  for (size_t i = 0; i < item->as.dims.dims.count; i++) {
    Node *dim = item->as.dims.dims.data[i];
    if (is_error(dim)) continue;
    dim->as.dim.binding = declare_item(c, module, BIND_DIM, dim->as.dim.name, dim, false);
  }
}

// At file level, or among the names of a stage.
static Binding *declare_array(Checker *c, Module *module, Problem *stage, BindingKind kind,
                              Ident name, Node *node) {
  if (!stage) return declare_item(c, module, kind, name, node, false);
  Binding *binding = binding_make(c, kind, name.name, node, stage->stage);
  declare_in(c, &stage->variables, binding);
  return binding;
}

void declare_data(Checker *c, Module *module, Problem *stage, Node *item) {
  bool table = item->as.data.name.name != NULL;
  if (table)
    item->as.data.binding = declare_array(c, module, stage, BIND_TABLE, item->as.data.name, item);
  NameTable columns = name_table(c->arena);
  for (size_t i = 0; i < item->as.data.fields.count; i++) {
    Node *field = item->as.data.fields.data[i];
    if (is_error(field)) continue;
    if (!table) {
      field->as.field.binding =
          declare_array(c, module, stage, BIND_FIELD, field->as.field.name, field);
      continue;
    }
    field->as.field.binding = binding_make(c, BIND_FIELD, field->as.field.name.name, field, item);
    declare_in(c, &columns, field->as.field.binding);
  }
}

static void declare_import(Checker *c, Module *module, Node *item) {
  Ident name = item->as.import.alias.name ? item->as.import.alias : item->as.import.module;
  if (item->as.import.is_path && !item->as.import.alias.name) {
    Diagnostic *d = report(c->diagnostics, E0204, item->span, "an import by path needs a name");
    diagnostic_help(d, "write `import \"%s\" as name;`", item->as.import.module.name);
    return;
  }
  declare_item(c, module, BIND_MODULE, name, item, false);
}

static void declare_one(Checker *c, Module *module, Node *item) {
  switch (item->kind) {
  case ITEM_IMPORT:
    declare_import(c, module, item);
    break;
  case ITEM_DIMS:
    declare_dims(c, module, item);
    break;
  case ITEM_CONST:
    item->as.constant.binding =
        declare_item(c, module, BIND_CONST, item->as.constant.name, item, true);
    break;
  case ITEM_STRUCT:
    item->as.structure.binding =
        declare_item(c, module, BIND_STRUCT, item->as.structure.name, item, true);
    break;
  case ITEM_DATA:
    declare_data(c, module, NULL, item);
    break;
  case ITEM_FUNCTION:
    item->as.function.binding = declare_item(c, module, BIND_FUNCTION, item->as.function.name, item,
                                             item->as.function.exported);
    break;
  case ITEM_METHOD:
    item->as.method.binding =
        declare_item(c, module, BIND_METHOD, item->as.method.name, item, item->as.method.exported);
    break;
  case ITEM_OPTIMIZER:
    item->as.optimizer.binding = declare_item(c, module, BIND_OPTIMIZER, item->as.optimizer.name,
                                              item, item->as.optimizer.exported);
    break;
  case ITEM_SET:
    item->as.set.binding =
        declare_item(c, module, BIND_SET, item->as.set.name, item, item->as.set.exported);
    break;
  case ITEM_STAGE:
    item->as.stage.binding = declare_item(c, module, BIND_STAGE, item->as.stage.name, item, false);
    break;
  default:
    break;
  }
}

// A variable or report of the levels must not hide what the file declares.
static void check_against_file(Checker *c, Module *module, const NameTable *names) {
  for (size_t i = 0; i < names->names.count; i++) {
    const Binding *binding = name_get(names, names->names.data[i]);
    BindingGroup *group = name_get(&module->scope, binding->name);
    Binding *earlier = group ? group->other ? group->other : group->function : NULL;
    if (!earlier) continue;
    bool first = binding_span(binding).start < binding_span(earlier).start;
    report_redeclared(c, binding_span(first ? earlier : binding), binding->name,
                      first ? binding : earlier);
  }
}

void declare_items(Checker *c, Module *module) {
  NodeList items = module->file->as.file.items;
  for (size_t i = 0; i < items.count; i++) declare_one(c, module, items.data[i]);
  declare_problem(c, module, &module->problem, items);
  check_against_file(c, module, &module->problem.variables);
}

// ---- functions, structs, constants, data

static View file_view(Module *module, Node *owner, const char *where) {
  return (View){.module = module, .owner = owner, .where = where};
}

static Binding **declare_names(Checker *c, View *view, IdentList names, Node *node) {
  Binding **bindings = ARENA_ARRAY(c->arena, Binding *, names.count);
  for (size_t i = 0; i < names.count; i++) {
    Binding *binding = binding_make(c, BIND_LOCAL, names.data[i].name, node, view->owner);
    bindings[i] = binding;
    Binding *earlier = name_get(&view->locals->names, binding->name);
    bool blank = strcmp(binding->name, "_") == 0;
    if (earlier)
      report_redeclared(c, names.data[i].span, binding->name, earlier);
    else if (!blank)
      name_put(c->arena, &view->locals->names, binding->name, binding);
  }
  return bindings;
}

static void check_function(Checker *c, Module *module, Node *item) {
  View view = file_view(module, item, "a function");
  view.in_function = true;
  Scope scope = scope_open(c, NULL);
  view.locals = &scope;
  item->as.function.dim_bindings = declare_names(c, &view, item->as.function.dims, item);
  resolve_params(c, &view, item->as.function.params);
  resolve_type(c, &view, item->as.function.result);
  resolve_expression(c, &view, item->as.function.body);
}

static void check_struct(Checker *c, Module *module, Node *item) {
  View view = file_view(module, item, "a struct");
  Scope scope = scope_open(c, NULL);
  view.locals = &scope;
  item->as.structure.dim_bindings = declare_names(c, &view, item->as.structure.dims, item);
  NameTable fields = name_table(c->arena);
  for (size_t i = 0; i < item->as.structure.fields.count; i++) {
    Node *field = item->as.structure.fields.data[i];
    if (is_error(field)) continue;
    field->as.field.binding = binding_make(c, BIND_FIELD, field->as.field.name.name, field, item);
    declare_in(c, &fields, field->as.field.binding);
    resolve_type(c, &view, field->as.field.type);
    resolve_set_call(c, &view, field->as.field.set);
    resolve_expression(c, &view, field->as.field.initial);
  }
  if (!item->as.structure.fields.count)
    report(c->diagnostics, E0204, item->as.structure.name.span, "the struct `%s` has no field",
           item->as.structure.name.name);
}

void check_data(Checker *c, Module *module, Problem *stage, Node *item) {
  View view = file_view(module, item, "data");
  view.problem = stage;
  view.data = view.stages = true;
  Scope scope = scope_open(c, NULL);
  view.locals = &scope;
  resolve_expression(c, &view, item->as.data.extent);
  if (item->as.data.row.name) {
    Binding *row = binding_make(c, BIND_LOCAL, item->as.data.row.name, item, item);
    item->as.data.row_binding = row;
    declare_in(c, &scope.names, row);
  }
  for (size_t i = 0; i < item->as.data.lets.count; i++) {
    Node *statement = item->as.data.lets.data[i];
    if (statement->kind == NODE_LET)
      resolve_let(c, &view, statement);
    else
      resolve_ensure(c, &view, statement);
  }
  for (size_t i = 0; i < item->as.data.fields.count; i++) {
    Node *field = item->as.data.fields.data[i];
    if (is_error(field)) continue;
    resolve_type(c, &view, field->as.field.type);
    resolve_set_call(c, &view, field->as.field.set);
    resolve_expression(c, &view, field->as.field.initial);
  }
}

static void check_constant(Checker *c, Module *module, Node *item) {
  View view = file_view(module, item, "a constant");
  resolve_type(c, &view, item->as.constant.type);
  resolve_expression(c, &view, item->as.constant.value);
}

static void check_dims(Checker *c, Module *module, Node *item) {
  View view = file_view(module, item, "a dim");
  for (size_t i = 0; i < item->as.dims.dims.count; i++)
    if (!is_error(item->as.dims.dims.data[i]))
      resolve_expression(c, &view, item->as.dims.dims.data[i]->as.dim.value);
}

// ---- methods and optimizers

static const struct {
  const char *name;
  ImplicitName implicit;
} fixed_names[] = {
    {"x", IMPLICIT_X},
    {"y", IMPLICIT_Y},
    {"F", IMPLICIT_UPPER_OBJECTIVE},
    {"f", IMPLICIT_LOWER_OBJECTIVE},
    {"g", IMPLICIT_CONSTRAINTS},
    {"t", IMPLICIT_T},
    {"project_x", IMPLICIT_PROJECT_X},
    {"project_y", IMPLICIT_PROJECT_Y},
    {"project", IMPLICIT_PROJECT},
    {"descend", IMPLICIT_DESCEND},
    {"start", IMPLICIT_START},
    {"lower_opt", IMPLICIT_LOWER_OPT},
    {"upper_opt", IMPLICIT_UPPER_OPT},
    {"cone", IMPLICIT_CONE},
    {"prox_y", IMPLICIT_PROX_Y},
};

// The names that have a meaning of their own inside methods.
static NameTable method_names(Checker *c) {
  NameTable table = name_table(c->arena);
  for (size_t i = 0; i < sizeof fixed_names / sizeof *fixed_names; i++) {
    Name name = intern(c->compilation->names, fixed_names[i].name);
    Binding *binding = binding_make(c, BIND_IMPLICIT, name, NULL, NULL);
    binding->builtin = (int)fixed_names[i].implicit;
    name_put(c->arena, &table, name, binding);
  }
  return table;
}

static void check_states(Checker *c, View *view, NodeList states) {
  for (size_t i = 0; i < states.count; i++) {
    Node *state = states.data[i];
    if (is_error(state)) continue;
    resolve_type(c, view, state->as.state.type);
    resolve_expression(c, view, state->as.state.initial);
    Ident name = state->as.state.name;
    Binding *fixed = name_get(view->implicit, name.name);
    if (fixed) report_redeclared(c, name.span, name.name, fixed);
    state->as.state.binding = binding_make(c, BIND_STATE, name.name, state, view->owner);
    declare_in(c, &view->locals->names, state->as.state.binding);
  }
}

// The binding that `set` changes: a state, or x and y in a method.  NULL after a report.
static Binding *settable(Checker *c, const View *view, Name name, Span span) {
  for (const Scope *scope = view->locals; scope; scope = scope->outer) {
    Binding *binding = name_get(&scope->names, name);
    if (!binding) continue;
    if (binding->kind == BIND_STATE) return binding;
    Diagnostic *d = report(c->diagnostics, E0207, span, "`%s` cannot be set: it is no state", name);
    diagnostic_label(d, binding_span(binding), "declared here");
    diagnostic_help(d, "`set` changes states%s", view->in_method ? ", `x` and `y`" : "");
    return NULL;
  }
  Binding *fixed = name_get(view->implicit, name);
  bool movable = fixed && (fixed->builtin == IMPLICIT_X || fixed->builtin == IMPLICIT_Y);
  if (movable) return fixed;
  if (is_poisoned(view, name)) return NULL;
  Diagnostic *d;
  if (fixed)
    d = report(c->diagnostics, E0207, span, "`%s` cannot be set", name);
  else
    d = report(c->diagnostics, E0201, span, "there is no state `%s`", name);
  diagnostic_help(d, "`set` changes states%s", view->in_method ? ", `x` and `y`" : "");
  return NULL;
}

static void resolve_set_pattern(Checker *c, View *view, Node *pattern, NameTable *seen) {
  if (is_error(pattern)) return;
  if (pattern->kind == PATTERN_TUPLE) {
    for (size_t i = 0; i < pattern->as.pattern_tuple.items.count; i++)
      resolve_set_pattern(c, view, pattern->as.pattern_tuple.items.data[i], seen);
    return;
  }
  Name name = pattern->as.pattern_name.name;
  if (strcmp(name, "_") == 0) return;
  Binding *binding = settable(c, view, name, pattern->span);
  pattern->as.pattern_name.binding = binding;
  const Node *earlier = name_get(seen, name);
  if (earlier) {
    Diagnostic *d = report(c->diagnostics, E0202, pattern->span, "`%s` is set twice", name);
    diagnostic_label(d, earlier->span, "first set here");
  }
  name_put(c->arena, seen, name, pattern);
}

// `let m = ...` beside `state m` would leave the state as it was.
static void refuse_hidden_state(Checker *c, const View *view, const Node *pattern) {
  if (pattern->kind == PATTERN_TUPLE)
    for (size_t i = 0; i < pattern->as.pattern_tuple.items.count; i++)
      refuse_hidden_state(c, view, pattern->as.pattern_tuple.items.data[i]);
  if (pattern->kind != PATTERN_NAME || !pattern->as.pattern_name.name) return;
  Name name = pattern->as.pattern_name.name;
  for (const Scope *scope = view->locals; scope; scope = scope->outer) {
    const Binding *binding = name_get(&scope->names, name);
    if (!binding || binding->kind != BIND_STATE) continue;
    Diagnostic *d =
        report(c->diagnostics, E0202, pattern->span, "this `let` hides the state `%s`", name);
    diagnostic_label(d, binding_span(binding), "the state is declared here");
    diagnostic_help(d, "write `set %s = ...;` to change it, or choose another name", name);
    return;
  }
}

static void check_move(Checker *c, View *view, Node *move, NameTable *reports) {
  switch (move->kind) {
  case NODE_LET:
    refuse_hidden_state(c, view, move->as.let.pattern);
    resolve_let(c, view, move);
    break;
  case NODE_ENSURE:
    resolve_ensure(c, view, move);
    break;
  case NODE_SET: {
    resolve_expression(c, view, move->as.assign.value);
    NameTable seen = name_table(c->arena);
    resolve_set_pattern(c, view, move->as.assign.pattern, &seen);
    break;
  }
  case NODE_REPORT:
    resolve_expression(c, view, move->as.report.value);
    if (!reports) {
      Diagnostic *d = report(c->diagnostics, E0207, move->span, "an optimizer reports nothing");
      diagnostic_help(d, "reports belong to levels, methods and the file");
      break;
    }
    move->as.report.binding =
        binding_make(c, BIND_REPORT, move->as.report.name.name, move, view->owner);
    declare_in(c, reports, move->as.report.binding);
    break;
  case NODE_HYPERGRADIENT:
    resolve_expression(c, view, move->as.hypergradient.value);
    break;
  default:
    break;
  }
}

static const char *const lower_traits[] = {"smooth",     "nonsmooth", "convex",       "nonconvex",
                                           "stochastic", "projected", "unconstrained"};
static const char *const other_traits[][2] = {{"coupled", "constraints"},
                                              {"coupled", "sets"},
                                              {"equality", "constraints"},
                                              {"discrete", "upper"},
                                              {"levels", NULL}};

static bool is_trait(Name first, Name second) {
  for (size_t i = 0; i < sizeof lower_traits / sizeof *lower_traits; i++)
    if (second && strcmp(first, lower_traits[i]) == 0) return strcmp(second, "lower") == 0;
  for (size_t i = 0; i < sizeof other_traits / sizeof *other_traits; i++) {
    if (strcmp(first, other_traits[i][0]) != 0) continue;
    const char *wanted = other_traits[i][1];
    if (wanted ? second && strcmp(second, wanted) == 0 : !second) return true;
  }
  return false;
}

static void check_traits(Checker *c, NodeList traits) {
  for (size_t i = 0; i < traits.count; i++) {
    const Node *trait = traits.data[i];
    if (is_error(trait)) continue;
    Name first = trait->as.trait.first.name, second = trait->as.trait.second.name;
    if (is_trait(first, second)) continue;
    Diagnostic *d = report(c->diagnostics, E0201, trait->span, "there is no trait `%s%s%s`", first,
                           second ? " " : "", second ? second : "");
    diagnostic_help(d, "traits are smooth, nonsmooth, convex, nonconvex, stochastic, projected and "
                       "unconstrained `lower`; coupled and equality `constraints`; "
                       "discrete `upper`; levels");
  }
}

static void check_hypergradients(Checker *c, NodeList steps) {
  const Node *first = NULL;
  for (size_t i = 0; i < steps.count; i++) {
    const Node *step = steps.data[i];
    if (step->kind != NODE_HYPERGRADIENT) continue;
    if (first) {
      Diagnostic *d =
          report(c->diagnostics, E0204, step->span, "a method gives one `hypergradient`");
      diagnostic_label(d, first->span, "the first one is here");
    }
    first = first ? first : step;
  }
}

static void check_method(Checker *c, Module *module, Node *item) {
  NameTable fixed = method_names(c);
  item->as.method.implicit = fixed.map;
  View view = file_view(module, item, "a method");
  Scope outer = scope_open(c, NULL);
  view.implicit = &fixed;
  view.locals = &outer;
  view.in_method = true;
  view.iteration = true;
  resolve_params(c, &view, item->as.method.params);
  check_traits(c, item->as.method.traits);
  check_states(c, &view, item->as.method.states);
  Scope scope = scope_open(c, &outer);
  view.locals = &scope;
  NameTable reports = name_table(c->arena);
  NodeList steps = item->as.method.steps;
  Block statements = {NULL, steps};
  view.blocks = &statements;
  for (size_t i = 0; i < steps.count; i++) check_move(c, &view, steps.data[i], &reports);
  check_hypergradients(c, steps);
  if (!item->as.method.has_step && !has_error(steps)) {
    Diagnostic *d = report(c->diagnostics, E0204, item->as.method.name.span,
                           "the method `%s` has no `step`", item->as.method.name.name);
    diagnostic_help(d, "write `step { ... hypergradient ...; }`");
  }
}

static void declare_update_names(Checker *c, View *view, Node *item) {
  IdentList names = item->as.optimizer.update_names;
  Binding **bindings = declare_names(c, view, names, item);
  for (size_t i = 0; i < names.count && i < 3; i++)
    item->as.optimizer.update_bindings[i] = bindings[i];
  if (names.count == 3) return;
  Diagnostic *d = report(c->diagnostics, E0204, item->as.optimizer.update_span,
                         "`update` has three names, here are %zu", names.count);
  diagnostic_help(d, "write `update(z, g, t) { ... }`: variables, gradient, step count");
}

// What an optimizer may ask of the level that it moves: `prox(z, step)`, `project(z)`,
// `objective(z)`.
static NameTable optimizer_names(Checker *c) {
  static const struct {
    const char *name;
    ImplicitName implicit;
  } known[] = {{"prox", IMPLICIT_PROX},
               {"project", IMPLICIT_PROJECT_MOVED},
               {"objective", IMPLICIT_OBJECTIVE}};
  NameTable table = name_table(c->arena);
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    Name name = intern(c->compilation->names, known[i].name);
    Binding *binding = binding_make(c, BIND_IMPLICIT, name, NULL, NULL);
    binding->builtin = (int)known[i].implicit;
    name_put(c->arena, &table, name, binding);
  }
  return table;
}

static void check_optimizer(Checker *c, Module *module, Node *item) {
  NameTable fixed = optimizer_names(c);
  View view = file_view(module, item, "an optimizer");
  view.implicit = &fixed;
  Scope outer = scope_open(c, NULL);
  view.locals = &outer;
  view.in_optimizer = true;
  view.iteration = true;
  resolve_params(c, &view, item->as.optimizer.params);
  // State initialisers may use the update's names: `state s = inner.init(z);`.
  Scope scope = scope_open(c, &outer);
  view.locals = &scope;
  if (item->as.optimizer.has_update) declare_update_names(c, &view, item);
  check_states(c, &view, item->as.optimizer.states);
  Scope body = scope_open(c, &scope);
  view.locals = &body;
  NodeList moves = item->as.optimizer.moves;
  Block statements = {NULL, moves};
  view.blocks = &statements;
  for (size_t i = 0; i < moves.count; i++) check_move(c, &view, moves.data[i], NULL);
  resolve_expression(c, &view, item->as.optimizer.value);
  if (!item->as.optimizer.has_update && !has_error(moves)) {
    Diagnostic *d = report(c->diagnostics, E0204, item->as.optimizer.name.span,
                           "the optimizer `%s` has no `update`", item->as.optimizer.name.name);
    diagnostic_help(d, "write `update(z, g, t) { z - step * g }`");
  }
}

// ---- sets, rules

static void check_set_function(Checker *c, View *view, Node *function) {
  Name name = function->as.set_function.name.name;
  IdentList names = function->as.set_function.names;
  bool prox = strcmp(name, "prox") == 0;
  size_t wanted = prox ? 2 : 1;
  if (!prox && strcmp(name, "project") != 0 && strcmp(name, "value") != 0) {
    Diagnostic *d = report(c->diagnostics, E0201, function->as.set_function.name.span,
                           "a set has no map `%s`", name);
    diagnostic_help(d, "the map of a set is `project(z)`, the nearest point; a term for `prox` has "
                       "`value(z)` and `prox(z, step)`");
  } else if (names.count != wanted) {
    report(c->diagnostics, E0204, function->as.set_function.name.span, "`%s` has %s, here are %zu",
           name, prox ? "two arguments" : "one argument", names.count);
  }
  Scope scope = scope_open(c, view->locals);
  view->locals = &scope;
  function->as.set_function.bindings = declare_names(c, view, names, function);
  resolve_expression(c, view, function->as.set_function.body);
  view->locals = scope.outer;
}

static void check_set(Checker *c, Module *module, Node *item) {
  View view = file_view(module, item, "a set");
  Scope scope = scope_open(c, NULL);
  view.locals = &scope;
  resolve_params(c, &view, item->as.set.params);
  NodeList functions = item->as.set.functions;
  const Node *project = NULL;
  bool term = false;
  for (size_t i = 0; i < functions.count; i++) {
    Node *function = functions.data[i];
    if (is_error(function)) continue;
    term |= strcmp(function->as.set_function.name.name, "prox") == 0;
    bool is_project = strcmp(function->as.set_function.name.name, "project") == 0;
    if (is_project && project) {
      Diagnostic *d = report(c->diagnostics, E0204, function->as.set_function.name.span,
                             "a set has one `project`");
      diagnostic_label(d, project->as.set_function.name.span, "the first one is here");
    }
    if (is_project && !project) project = function;
    check_set_function(c, &view, function);
  }
  if (project || term || has_error(functions)) return;
  Diagnostic *d = report(c->diagnostics, E0204, item->as.set.name.span,
                         "the set `%s` has no `project`", item->as.set.name.name);
  diagnostic_help(
      d, "write `project(z) = ...;`, the point of the set nearest to z; a term for `prox` has "
         "`value(z)` and `prox(z, step)` instead");
}

static void check_item(Checker *c, Module *module, Node *item) {
  switch (item->kind) {
  case ITEM_DIMS:
    check_dims(c, module, item);
    break;
  case ITEM_CONST:
    check_constant(c, module, item);
    break;
  case ITEM_STRUCT:
    check_struct(c, module, item);
    break;
  case ITEM_DATA:
    check_data(c, module, NULL, item);
    break;
  case ITEM_FUNCTION:
    check_function(c, module, item);
    break;
  case ITEM_METHOD:
    check_method(c, module, item);
    break;
  case ITEM_OPTIMIZER:
    check_optimizer(c, module, item);
    break;
  case ITEM_SET:
    check_set(c, module, item);
    break;
  case ITEM_SHARD:
    report_later(c, item->span, "`shard` comes later");
    break;
  case ITEM_RULE:
    report_later(c, item->span, "a custom rule comes later");
    break;
  default:
    break;
  }
}

void check_items(Checker *c, Module *module) {
  NodeList items = module->file->as.file.items;
  for (size_t i = 0; i < items.count; i++) check_item(c, module, items.data[i]);
  check_problem(c, module, &module->problem, items);
  for (size_t i = 0; i < items.count; i++)
    if (items.data[i]->kind == ITEM_TEST) check_test(c, module, items.data[i]);
}
