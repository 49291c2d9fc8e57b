// Name tables: declaring with E0202, looking up by kind with E0201, E0207, E0208, E0210.
//
// Enters: declarations and uses. Leaves: bindings. A use that finds nothing reports once, says what
// is close, and where the name would have been visible.
#include "check/checker.h"

#include <string.h>

NameTable name_table(Arena *arena) {
  return (NameTable){.map = map_create(arena)};
}

void *name_get(const NameTable *table, Name name) {
  return table && table->map ? map_get(table->map, name) : NULL;
}

void name_put(Arena *arena, NameTable *table, Name name, void *value) {
  if (!map_has(table->map, name)) VEC_PUSH(arena, &table->names, name);
  map_put(table->map, name, value);
}

Scope scope_open(Checker *c, Scope *outer) {
  return (Scope){.outer = outer, .names = name_table(c->arena)};
}

Binding *binding_make(Checker *c, BindingKind kind, Name name, Node *node, Node *owner) {
  Binding *binding = ARENA_NEW(c->arena, Binding);
  binding->kind = kind;
  binding->name = name;
  binding->node = node;
  binding->owner = owner;
  return binding;
}

static Span span_in(IdentList names, Name name, Span otherwise) {
  for (size_t i = 0; i < names.count; i++)
    if (names.data[i].name == name) return names.data[i].span;
  return otherwise;
}

Span binding_span(const Binding *binding) {
  const Node *n = binding->node;
  if (!n) return (Span){0};
  switch (n->kind) {
  case NODE_VAR:
    return n->as.var.name.span;
  case NODE_STATE:
    return n->as.state.name.span;
  case NODE_BATCH:
    return n->as.batch.name.span;
  case NODE_SUBJECT:
    return n->as.subject.name.span;
  case NODE_REPORT:
    return n->as.report.name.span;
  case PART_DIM:
    return n->as.dim.name.span;
  case PART_FIELD:
    return n->as.field.name.span;
  case PART_PARAM:
    return n->as.param.name.span;
  case PART_BINDER:
    return n->as.binder.name.span;
  case PART_SET_FUNCTION:
    return span_in(n->as.set_function.names, binding->name, n->span);
  case EXPR_LOOP:
    return n->as.loop.counter.span;
  case ITEM_IMPORT:
    return n->as.import.alias.name ? n->as.import.alias.span : n->as.import.module.span;
  case ITEM_CONST:
    return n->as.constant.name.span;
  case ITEM_STRUCT:
    return span_in(n->as.structure.dims, binding->name, n->as.structure.name.span);
  case ITEM_DATA:
    return binding->kind == BIND_LOCAL ? n->as.data.row.span : n->as.data.name.span;
  case ITEM_FUNCTION:
    return span_in(n->as.function.dims, binding->name, n->as.function.name.span);
  case ITEM_LEVEL:
    return binding->kind == BIND_LOCAL ? n->as.level.family.span : n->as.level.name.span;
  case ITEM_SOLVE:
    return n->as.solve.name.name ? n->as.solve.name.span : n->span;
  case ITEM_STAGE:
    return binding->kind == BIND_LOCAL ? n->as.stage.family.span : n->as.stage.name.span;
  case ITEM_METHOD:
    return n->as.method.name.span;
  case ITEM_OPTIMIZER:
    return span_in(n->as.optimizer.update_names, binding->name, n->as.optimizer.name.span);
  case ITEM_SET:
    return n->as.set.name.span;
  case ITEM_RULE:
    return span_in(n->as.rule.names, binding->name, n->as.rule.name.span);
  default:
    return n->span;
  }
}

static const struct {
  const char *phrase, *noun, *plural;
} kind_words[] = {
    [BIND_BUILTIN] = {"a builtin function", "builtin function", "builtin functions"},
    [BIND_FUNCTION] = {"a function", "function", "functions"},
    [BIND_STRUCT] = {"a struct", "struct", "structs"},
    [BIND_DIM] = {"a dim", "dim", "dims"},
    [BIND_CONST] = {"a constant", "constant", "constants"},
    [BIND_TABLE] = {"a data table", "data table", "data tables"},
    [BIND_FIELD] = {"data", "data", "data"},
    [BIND_LOCAL] = {"a local name", "local name", "local names"},
    [BIND_VAR] = {"a variable of a level", "variable", "variables"},
    [BIND_STATE] = {"a state", "state", "states"},
    [BIND_BATCH] = {"a batch", "batch", "batches"},
    [BIND_CONSTRAINT] = {"a constraint", "constraint", "constraints"},
    [BIND_REPORT] = {"a report", "report", "reports"},
    [BIND_LEVEL] = {"a level", "level", "levels"},
    [BIND_METHOD] = {"a method", "method", "methods"},
    [BIND_OPTIMIZER] = {"an optimizer", "optimizer", "optimizers"},
    [BIND_SET] = {"a set", "set", "sets"},
    [BIND_STAGE] = {"a stage", "stage", "stages"},
    [BIND_MODULE] = {"a module", "module", "modules"},
    [BIND_IMPLICIT] = {"a name with a fixed meaning", "name with a fixed meaning",
                       "names with a fixed meaning"},
};

const char *kind_word(BindingKind kind) {
  return kind_words[kind].phrase;
}

const char *kind_noun(BindingKind kind) {
  return kind_words[kind].noun;
}

// "methods"
static const char *kind_plural(BindingKind kind) {
  return kind_words[kind].plural;
}

const char *binding_phrase(Checker *c, const Binding *binding) {
  return arena_printf(c->arena, "`%s` is %s", binding->name, kind_word(binding->kind));
}

Binding **group_slot(BindingGroup *group, BindingKind kind) {
  switch (kind) {
  case BIND_BUILTIN:
  case BIND_FUNCTION:
    return &group->function;
  case BIND_METHOD:
    return &group->method;
  case BIND_OPTIMIZER:
    return &group->optimizer;
  case BIND_SET:
    return &group->set;
  default:
    return &group->other;
  }
}

void report_redeclared(Checker *c, Span span, const char *name, const Binding *earlier) {
  Diagnostic *d;
  if (earlier->kind == BIND_IMPLICIT) {
    d = report(c->diagnostics, E0202, span, "`%s` has a fixed meaning here", name);
    diagnostic_help(d, "choose another name");
    return;
  }
  d = report(c->diagnostics, E0202, span, "`%s` is declared twice", name);
  diagnostic_label(d, binding_span(earlier), "first declared here, as %s",
                   kind_word(earlier->kind));
}

void declare_top(Checker *c, NameTable *table, Binding *binding) {
  if (!binding->name) return;
  BindingGroup *group = name_get(table, binding->name);
  if (!group) {
    group = ARENA_NEW(c->arena, BindingGroup);
    name_put(c->arena, table, binding->name, group);
  }
  Binding **slot = group_slot(group, binding->kind);
  bool is_value = slot == &group->function || slot == &group->other;
  Binding *earlier = *slot;
  if (!earlier && is_value) earlier = group->function ? group->function : group->other;
  if (earlier)
    report_redeclared(c, binding_span(binding), binding->name, earlier);
  else
    *slot = binding;
}

void declare_in(Checker *c, NameTable *table, Binding *binding) {
  if (!binding->name || strcmp(binding->name, "_") == 0) return;
  Binding *earlier = name_get(table, binding->name);
  if (earlier)
    report_redeclared(c, binding_span(binding), binding->name, earlier);
  else
    name_put(c->arena, table, binding->name, binding);
}

BindingGroup *lookup_group(const View *view, Name name) {
  BindingGroup *group = name_get(&view->module->scope, name);
  return group ? group : name_get(view->module->prelude, name);
}

Binding *find_kind(const View *view, Name name, BindingKind kind) {
  const NameTable *tables[] = {&view->module->scope, view->module->prelude};
  for (int i = 0; i < 2; i++) {
    BindingGroup *group = name_get(tables[i], name);
    Binding *binding = group ? *group_slot(group, kind) : NULL;
    if (binding) return binding;
  }
  return NULL;
}

static Binding *find_local(const View *view, Name name) {
  for (const Scope *scope = view->locals; scope; scope = scope->outer) {
    Binding *binding = name_get(&scope->names, name);
    if (binding) return binding;
  }
  return NULL;
}

static Binding *find_variable(const Problem *problem, Name name) {
  for (; problem; problem = problem->outer) {
    Binding *binding = name_get(&problem->variables, name);
    if (binding) return binding;
  }
  return NULL;
}

static Binding *find_report(const View *view, Name name) {
  for (const Problem *problem = view->problem; problem; problem = problem->outer) {
    Binding *binding = name_get(&problem->reports, name);
    if (binding) return binding;
  }
  return NULL;
}

Binding *find_constraint(const Problem *problem, Name name) {
  for (; problem; problem = problem->outer) {
    Binding *binding = name_get(&problem->constraints, name);
    if (binding) return binding;
  }
  return NULL;
}

Binding *find_module(const View *view, Name name) {
  if (find_local(view, name) || name_get(view->implicit, name)) return NULL;
  if (view->problem && find_variable(view->problem, name)) return NULL;
  Binding *binding = find_kind(view, name, BIND_MODULE);
  return binding && binding->kind == BIND_MODULE ? binding : NULL;
}

static Binding *builtin_binding(Checker *c, Name name) {
  for (int i = BUILTIN_NONE + 1; i < BUILTIN_COUNT; i++) {
    if (strcmp(builtin_table[i].name, name) != 0) continue;
    Binding *binding = binding_make(c, BIND_BUILTIN, name, NULL, NULL);
    binding->builtin = i;
    return binding;
  }
  return NULL;
}

static const struct {
  const char *name;
  ImplicitName implicit;
} test_names[] = {
    {"hypergradient", IMPLICIT_HYPERGRADIENT},
    {"central_difference", IMPLICIT_CENTRAL_DIFFERENCE},
    {"upper_objective", IMPLICIT_UPPER_VALUE},
    {"lower_objective", IMPLICIT_LOWER_VALUE},
    {"run", IMPLICIT_RUN},
    {"synthetic", IMPLICIT_SYNTHETIC},
    {"file", IMPLICIT_FILE},
};

static Binding *fixed_name(Checker *c, const View *view, Name name) {
  ImplicitName implicit = IMPLICIT_NONE;
  if (view->iteration && strcmp(name, "iteration") == 0) implicit = IMPLICIT_ITERATION;
  for (size_t i = 0; view->test && i < sizeof test_names / sizeof *test_names; i++)
    if (strcmp(name, test_names[i].name) == 0) implicit = test_names[i].implicit;
  if (!implicit) return NULL;
  Binding *binding = binding_make(c, BIND_IMPLICIT, name, NULL, NULL);
  binding->builtin = (int)implicit;
  return binding;
}

bool is_poisoned(const View *view, Name name) {
  return view->module->poisoned && map_has(view->module->poisoned, name);
}

// May what stands at file level be used in this view?
static bool is_visible(const View *view, const Binding *binding) {
  switch (binding->kind) {
  case BIND_TABLE:
  case BIND_FIELD:
    return view->data;
  case BIND_STAGE:
    return view->stages;
  default:
    return true;
  }
}

static Binding *visible_value(Checker *c, const View *view, Name name) {
  Binding *binding = find_local(view, name);
  if (!binding) binding = name_get(view->implicit, name);
  if (!binding && view->problem) binding = find_variable(view->problem, name);
  if (binding) return binding;
  const NameTable *tables[] = {&view->module->scope, view->module->prelude};
  for (int i = 0; i < 2 && !binding; i++) {
    BindingGroup *group = name_get(tables[i], name);
    if (!group) continue;
    binding = group->function ? group->function : group->other;
    if (binding && !is_visible(view, binding)) binding = NULL;
  }
  if (!binding && view->reports) binding = find_report(view, name);
  if (!binding) binding = find_constraint(view->problem, name);
  if (!binding) binding = fixed_name(c, view, name);
  return binding ? binding : builtin_binding(c, name);
}

typedef struct Candidates {
  VEC(const char *) names;
} Candidates;

static void add_table(Checker *c, Candidates *list, const NameTable *table) {
  for (size_t i = 0; table && i < table->names.count; i++)
    VEC_PUSH(c->arena, &list->names, table->names.data[i]);
}

// Names of a table of groups that hold a value.
static void add_values(Checker *c, Candidates *list, const View *view, const NameTable *table) {
  for (size_t i = 0; table && i < table->names.count; i++) {
    const BindingGroup *group = name_get(table, table->names.data[i]);
    const Binding *binding = group->function ? group->function : group->other;
    if (binding && is_visible(view, binding))
      VEC_PUSH(c->arena, &list->names, table->names.data[i]);
  }
}

// Is it a module that is not imported yet, or a function of one?
static bool suggest_import(Checker *c, Diagnostic *d, Name name) {
  SourceLoader *loader = &c->compilation->loader;
  const char *const *modules = loader->modules;
  const char *starts[] = {arena_printf(c->arena, "export fn %s(", name),
                          arena_printf(c->arena, "export fn %s[", name)};
  for (size_t i = 0; modules && modules[i] && loader->load; i++) {
    if (is_prelude_name(modules[i])) continue;
    const char *path;
    size_t length;
    bool library = true;
    bool itself = strcmp(modules[i], name) == 0;
    const char *text = loader->load(loader->self, intern(c->compilation->names, modules[i]), &path,
                                    &length, &library);
    if (!text) continue;
    if (itself) {
      diagnostic_help(d, "import it: `import %s;`", name);
      return true;
    }
    if (!strstr(text, starts[0]) && !strstr(text, starts[1])) continue; // texts end in NUL
    diagnostic_help(d, "write `import %s;` and `%s.%s(...)`", modules[i], modules[i], name);
    return true;
  }
  return false;
}

static void suggest_value(Checker *c, Diagnostic *d, const View *view, Name name) {
  Candidates list = {0};
  for (const Scope *scope = view->locals; scope; scope = scope->outer)
    add_table(c, &list, &scope->names);
  add_table(c, &list, view->implicit);
  for (const Problem *p = view->problem; p; p = p->outer) {
    add_table(c, &list, &p->variables);
    if (view->reports) add_table(c, &list, &p->reports);
  }
  add_values(c, &list, view, &view->module->scope);
  add_values(c, &list, view, view->module->prelude);
  for (int i = BUILTIN_NONE + 1; i < BUILTIN_COUNT; i++)
    VEC_PUSH(c->arena, &list.names, builtin_table[i].name);
  for (size_t i = 0; view->test && i < sizeof test_names / sizeof *test_names; i++)
    VEC_PUSH(c->arena, &list.names, test_names[i].name);
  const char *close = closest_name(name, list.names.data, list.names.count);
  if (!close) return;
  diagnostic_help(d, "did you mean `%s`?", close);
  Binding *binding = visible_value(c, view, intern(c->compilation->names, close));
  if (binding && binding_span(binding).source)
    diagnostic_label(d, binding_span(binding), "`%s` is declared here", close);
}

// A name that exists in the file but may not be used where the view stands.
static const Binding *hidden_value(const View *view, Name name) {
  const Binding *binding = find_kind(view, name, BIND_TABLE);
  if (!binding) binding = find_variable(&view->module->problem, name);
  if (!binding && view->problem) binding = name_get(&view->problem->reports, name);
  return binding;
}

static void report_hidden(Checker *c, const View *view, Span span, const Binding *binding) {
  Diagnostic *d = report(c->diagnostics, E0207, span, "%s; it cannot be used in %s",
                         binding_phrase(c, binding), view->where);
  if (binding_span(binding).source) diagnostic_label(d, binding_span(binding), "declared here");
  if (view->in_function)
    diagnostic_help(d,
                    "a function sees its parameters, constants, dims and functions: give it "
                    "`%s` as a parameter",
                    binding->name);
  else if (binding->kind == BIND_VAR || binding->kind == BIND_STATE)
    diagnostic_help(d, "variables belong to the levels and to tests");
}

static const Node *find_in_pattern(const Node *pattern, Name name) {
  if (pattern->kind == PATTERN_NAME) return pattern->as.pattern_name.name == name ? pattern : NULL;
  if (pattern->kind != PATTERN_TUPLE) return NULL;
  for (size_t i = 0; i < pattern->as.pattern_tuple.items.count; i++) {
    const Node *found = find_in_pattern(pattern->as.pattern_tuple.items.data[i], name);
    if (found) return found;
  }
  return NULL;
}

// A `let` of the same or an outer block that stands behind the use.
static const Node *find_further_down(const View *view, Name name) {
  for (const Block *block = view->blocks; block; block = block->outer)
    for (size_t i = 0; i < block->statements.count; i++) {
      const Node *statement = block->statements.data[i];
      const Node *found =
          statement->kind == NODE_LET ? find_in_pattern(statement->as.let.pattern, name) : NULL;
      if (found) return found;
    }
  return NULL;
}

// What other languages call what exists here under another name.
static const char *name_elsewhere(Name name) {
  static const struct {
    const char *name, *help;
  } rows[] = {
      {"True", "write `true`"},
      {"False", "write `false`"},
      {"len", "the length of an axis is its dim; `size(x)` counts all entries"},
      {"pow", "write `x^2.0`"},
      {"pi", "write `const pi = 3.141592653589793;`"},
      {"np", "functions need no module in front: `sum(x)`, `exp(x)`"},
      {"torch", "functions need no module in front: `sum(x)`, `exp(x)`"},
      {"jnp", "functions need no module in front: `sum(x)`, `exp(x)`"},
      {"where", "write `if c then a else b`; it works entry by entry"},
      {"inv", "write `solve(A, b)`"},
      {"randn", "write `for i < n { normal() }`"},
      {"rand", "write `for i < n { uniform() }`"},
      {"zeros", "write `let z: f64[n] = 0.0;`"},
      {"ones", "write `let z: f64[n] = 1.0;`"},
      {"range", "write `for i < n { .. }`"},
      {"i", "an index comes from a loop around its use: `for i { x[i] }`"},
      {"j", "an index comes from a loop around its use: `for j { x[j] }`"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (strcmp(rows[i].name, name) == 0) return rows[i].help;
  return NULL;
}

static void report_unknown(Checker *c, const View *view, Name name, Span span) {
  BindingGroup *group = lookup_group(view, name);
  Binding *other = group ? group->method      ? group->method
                           : group->optimizer ? group->optimizer
                                              : group->set
                         : NULL;
  if (other) {
    Diagnostic *d =
        report(c->diagnostics, E0208, span, "%s, not a value", binding_phrase(c, other));
    if (other->kind == BIND_METHOD)
      diagnostic_help(d, "a method is chosen by `method = %s(...);`", name);
    if (other->kind == BIND_OPTIMIZER)
      diagnostic_help(d, "an optimizer is chosen by `upper = %s(...);` or `lower = %s(...);`", name,
                      name);
    if (other->kind == BIND_SET)
      diagnostic_help(d, "a variable lies in a set by `var w: ... in %s`", name);
    return;
  }
  const Node *later = find_further_down(view, name);
  if (later) {
    Diagnostic *d = report(c->diagnostics, E0201, span, "`%s` is declared further down", name);
    diagnostic_label(d, later->span, "here");
    diagnostic_help(d, "move its `let` in front of the use");
    return;
  }
  Diagnostic *d = report(c->diagnostics, E0201, span, "there is no `%s` here", name);
  const char *elsewhere = name_elsewhere(name);
  if (elsewhere)
    diagnostic_help(d, "%s", elsewhere);
  else if (!suggest_import(c, d, name))
    suggest_value(c, d, view, name);
  if (view->in_type && view->in_function && view->owner->kind == ITEM_FUNCTION)
    diagnostic_help(
        d, "a dim of the function is declared in front of its parameters: `fn %s[%s](...)`",
        view->owner->as.function.name.name, name);
}

Binding *lookup_value(Checker *c, const View *view, Name name, Span span) {
  if (strcmp(name, "_") == 0) {
    Diagnostic *d = report(c->diagnostics, E0201, span, "`_` has no value");
    diagnostic_help(d, "give the part of the pattern a name if it is used");
    return NULL;
  }
  Binding *binding = visible_value(c, view, name);
  if (binding) {
    binding->used = true;
    return binding;
  }
  if (is_poisoned(view, name)) return NULL;
  // Where a declaration may have been skipped, a name is missed once and not at each use.
  if (map_count(view->module->poisoned)) map_put(view->module->poisoned, name, view->owner);
  const Binding *hidden = hidden_value(view, name);
  if (hidden)
    report_hidden(c, view, span, hidden);
  else
    report_unknown(c, view, name, span);
  return NULL;
}

static bool is_open(const Binding *binding) {
  return binding->exported || binding->kind == BIND_STRUCT || binding->kind == BIND_CONST;
}

Binding *module_member(Checker *c, Binding *module, Ident member, BindingKind want) {
  module->used = true;
  const Node *file = module->node->as.import.file;
  if (!file) return NULL;
  BindingGroup *group = map_get(file->as.file.scope, member.name);
  Binding *binding = group ? *group_slot(group, want) : NULL;
  if (!binding && group && want == BIND_FUNCTION) binding = group->other;
  if (binding && binding->kind == BIND_MODULE) binding = NULL;
  if (binding && is_open(binding)) {
    binding->used = true;
    return binding;
  }
  if (has_error(file->as.file.items)) return NULL;
  Name name = module->name;
  if (binding) {
    Diagnostic *d = report(c->diagnostics, E0210, member.span,
                           "`%s` of the module `%s` is not exported", member.name, name);
    diagnostic_label(d, binding_span(binding), "declared here without `export`");
    return NULL;
  }
  Diagnostic *d = report(c->diagnostics, E0201, member.span, "the module `%s` has no %s `%s`", name,
                         want == BIND_FUNCTION ? "member" : kind_noun(want), member.name);
  const Module *loaded = NULL;
  for (size_t i = 0; i < c->modules.names.count; i++) {
    const Module *known = name_get(&c->modules, c->modules.names.data[i]);
    if (known->file == file) loaded = known;
  }
  Candidates list = {0};
  for (size_t i = 0; loaded && i < loaded->scope.names.count; i++) {
    const BindingGroup *candidate = name_get(&loaded->scope, loaded->scope.names.data[i]);
    const Binding *found = want == BIND_FUNCTION
                               ? candidate->function ? candidate->function : candidate->other
                               : *group_slot((BindingGroup *)candidate, want);
    if (found && is_open(found)) VEC_PUSH(c->arena, &list.names, found->name);
  }
  const char *close = closest_name(member.name, list.names.data, list.names.count);
  if (close) diagnostic_help(d, "did you mean `%s.%s`?", name, close);
  return NULL;
}

void suggest_kind(Checker *c, Diagnostic *d, const View *view, Name name, BindingKind kind) {
  const NameTable *tables[] = {&view->module->scope, view->module->prelude};
  Candidates list = {0};
  for (int i = 0; i < 2; i++)
    for (size_t k = 0; tables[i] && k < tables[i]->names.count; k++) {
      Binding *found = find_kind(view, tables[i]->names.data[k], kind);
      if (found && found->kind == kind) VEC_PUSH(c->arena, &list.names, found->name);
    }
  const char *close = closest_name(name, list.names.data, list.names.count);
  if (close) {
    diagnostic_help(d, "did you mean `%s`?", close);
    return;
  }
  if (!list.names.count || list.names.count > 24) return;
  TextBuffer text = text_buffer(c->arena);
  for (size_t i = 0; i < list.names.count; i++)
    text_addf(&text, "%s`%s`", i ? ", " : "", list.names.data[i]);
  diagnostic_help(d, "the %s are %s", kind_plural(kind), text_string(&text));
}
