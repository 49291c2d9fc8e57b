// Levels and stages: who declares what, and what a level must have.
//
// Enters: the items of a file or the items of a stage. Leaves: the problem's tables, every clause
// resolved. Inside a level the variables of both levels are visible; batches and `let`s only in the
// level that has them, `let`s from where they stand on.
#include "check/checker.h"

#include <string.h>

View problem_view(Module *module, Problem *problem, Node *owner) {
  return (View){.module = module,
                .problem = problem,
                .owner = owner,
                .data = true,
                .stages = true,
                .iteration = true,
                .where = "a level"};
}

// ---- declaring

static void declare_variable(Checker *c, Problem *problem, BindingKind kind, Ident name, Node *node,
                             Node *owner, Binding **slot) {
  *slot = binding_make(c, kind, name.name, node, owner);
  declare_in(c, &problem->variables, *slot);
  const Binding *shown = name_get(&problem->reports, name.name);
  if (shown) report_redeclared(c, name.span, name.name, shown);
}

static void declare_report(Checker *c, Problem *problem, Node *node, Node *owner) {
  node->as.report.binding = binding_make(c, BIND_REPORT, node->as.report.name.name, node, owner);
  declare_in(c, &problem->reports, node->as.report.binding);
  const Binding *variable = name_get(&problem->variables, node->as.report.name.name);
  if (variable) report_redeclared(c, node->as.report.name.span, variable->name, variable);
}

// Named constraints are told apart from variables: `dual(c)` and `violation(c)` read them.
static void declare_constraint(Checker *c, Problem *problem, Node *clause, Node *owner) {
  Name name = clause->as.subject.name.name;
  if (!name) return;
  clause->as.subject.binding = binding_make(c, BIND_CONSTRAINT, name, clause, owner);
  declare_in(c, &problem->constraints, clause->as.subject.binding);
}

static void declare_level(Checker *c, Problem *problem, Node *level, int depth);

static void declare_clause(Checker *c, Problem *problem, Node *clause, Node *owner, int depth) {
  switch (clause->kind) {
  case NODE_VAR:
    declare_variable(c, problem, BIND_VAR, clause->as.var.name, clause, owner,
                     &clause->as.var.binding);
    break;
  case NODE_STATE:
    declare_variable(c, problem, BIND_STATE, clause->as.state.name, clause, owner,
                     &clause->as.state.binding);
    break;
  case NODE_REPORT:
    declare_report(c, problem, clause, owner);
    break;
  case NODE_SUBJECT:
    declare_constraint(c, problem, clause, owner);
    break;
  case ITEM_LEVEL:
    declare_level(c, problem, clause, depth + 1);
    break;
  default:
    break;
  }
}

static void report_second_level(Checker *c, const Node *level, const Node *first) {
  const char *word = level->as.level.upper ? "upper" : "lower";
  Diagnostic *d = report(c->diagnostics, E0204, level->span, "there is a second `%s` level%s", word,
                         level->as.level.upper ? "" : " without a name");
  diagnostic_label(d, first->span, "the first is here");
  if (!level->as.level.upper)
    diagnostic_help(d, "a third level stands inside the `lower` block it belongs to; lower "
                       "problems side by side have names: `lower fit { ... }`");
}

// Several lower problems side by side are told apart by their names.
static void declare_place(Checker *c, Problem *problem, Node *level, int depth) {
  Node **slot = level->as.level.upper ? &problem->upper : &problem->lower;
  bool named = level->as.level.name.name && (!*slot || (*slot)->as.level.name.name);
  if (level->as.level.upper && depth > 0) {
    Diagnostic *d =
        report(c->diagnostics, E0204, level->span, "an `upper` level inside another level");
    diagnostic_help(d, "the levels below it are `lower` blocks, one inside the other");
    return;
  }
  if (depth > 0) return;
  if (!level->as.level.upper) problem->lower_count++;
  if (*slot && (level->as.level.upper || !named)) report_second_level(c, level, *slot);
  if (!*slot) *slot = level;
}

static void declare_level(Checker *c, Problem *problem, Node *level, int depth) {
  declare_place(c, problem, level, depth);
  Name name = level->as.level.name.name;
  if (name) {
    level->as.level.binding = binding_make(c, BIND_LEVEL, name, level, problem->stage);
    declare_in(c, &problem->levels, level->as.level.binding);
  }
  NodeList clauses = level->as.level.clauses;
  for (size_t i = 0; i < clauses.count; i++)
    declare_clause(c, problem, clauses.data[i], level, depth);
}

static void declare_solve(Checker *c, Problem *problem, Node *solve) {
  Name name = solve->as.solve.name.name;
  Name key = name ? name : intern(c->compilation->names, "");
  const Node *earlier = name_get(&problem->solves, key);
  if (!earlier) {
    name_put(c->arena, &problem->solves, key, solve);
    return;
  }
  Span span = name ? solve->as.solve.name.span : solve->span;
  Diagnostic *d;
  if (name)
    d = report(c->diagnostics, E0202, span, "the solve block `%s` is declared twice", name);
  else
    d = report(c->diagnostics, E0202, span, "there is a second solve block without a name");
  diagnostic_label(d, name ? earlier->as.solve.name.span : earlier->span, "the first is here");
  if (!name) diagnostic_help(d, "give it a name: `solve other { ... }`");
}

void declare_problem(Checker *c, Module *module, Problem *problem, NodeList items) {
  problem->variables = name_table(c->arena);
  problem->reports = name_table(c->arena);
  problem->constraints = name_table(c->arena);
  problem->levels = name_table(c->arena);
  problem->solves = name_table(c->arena);
  problem->broken = has_error(items);
  Node *owner = problem->stage;
  for (size_t i = 0; i < items.count; i++) {
    Node *item = items.data[i];
    if (item->kind == ITEM_LEVEL)
      declare_level(c, problem, item, 0);
    else if (item->kind == ITEM_SOLVE)
      declare_solve(c, problem, item);
    else if (item->kind == NODE_REPORT)
      declare_report(c, problem, item, owner);
    else if (item->kind == ITEM_DATA && problem->stage)
      declare_data(c, module, problem, item);
    else if (problem->stage)
      declare_clause(c, problem, item, owner, 0);
  }
}

// ---- clauses

static void check_level(Checker *c, Module *module, Problem *problem, Node *level,
                        const View *above);

// The variable of this level that a clause is about; NULL after a report.
static Binding *target_variable(Checker *c, const View *view, Ident name, const char *word) {
  Binding *target = name_get(&view->problem->variables, name.name);
  if (!target) {
    if (!is_poisoned(view, name.name))
      report(c->diagnostics, E0201, name.span, "there is no variable `%s`", name.name);
    return NULL;
  }
  if (target->kind == BIND_VAR && target->owner == view->owner) return target;
  Diagnostic *d =
      report(c->diagnostics, E0208, name.span, "`%s` is %s", name.name,
             target->kind == BIND_VAR ? "a variable of another level" : "a state, not a variable");
  diagnostic_label(d, binding_span(target), "declared here");
  diagnostic_help(d, "a clause `%s` stands in the level of its variable", word);
  return NULL;
}

static void check_update(Checker *c, View *view, Node *clause) {
  resolve_expression(c, view, clause->as.update.value);
  clause->as.update.target = target_variable(c, view, clause->as.update.name, "update");
}

static bool has_update(NodeList clauses, const Node *variable) {
  for (size_t i = 0; i < clauses.count; i++)
    if (clauses.data[i]->kind == NODE_UPDATE &&
        clauses.data[i]->as.update.name.name == variable->as.var.name.name)
      return true;
  return false;
}

bool level_has_formulas(const Node *level) {
  for (size_t i = 0; i < level->as.level.clauses.count; i++)
    if (level->as.level.clauses.data[i]->kind == NODE_UPDATE) return true;
  return false;
}

// A lower level is solved by a method or by formulas, one for each variable.
static void check_formulas(Checker *c, NodeList clauses) {
  const Node *update = NULL;
  for (size_t i = 0; i < clauses.count; i++)
    if (clauses.data[i]->kind == NODE_UPDATE) update = clauses.data[i];
  for (size_t i = 0; update && i < clauses.count; i++) {
    const Node *variable = clauses.data[i];
    if (variable->kind != NODE_VAR || has_update(clauses, variable)) continue;
    Diagnostic *d = report(c->diagnostics, E0207, variable->span, "`%s` has no `update`",
                           variable->as.var.name.name);
    diagnostic_label(d, update->span, "this level is solved by formulas");
    diagnostic_help(d,
                    "give each variable of a lower level an `update`, or none; or put the others "
                    "into a level of their own");
    return;
  }
}

static void check_prox(Checker *c, View *view, Node *clause) {
  resolve_item_call(c, view, clause->as.prox.value, BIND_SET);
  clause->as.prox.target = target_variable(c, view, clause->as.prox.name, "prox");
  bool upper = view->owner->kind == ITEM_LEVEL && view->owner->as.level.upper;
  if (!upper) return;
  Diagnostic *d = report(c->diagnostics, E0207, clause->span,
                         "a `prox` term belongs to the lower level, or to a stage");
  diagnostic_help(d, "write the term in the objective");
}

// A constraint is a comparison of real numbers or tensors.
static void check_subject(Checker *c, View *view, Node *clause) {
  const Node *value = clause->as.subject.value;
  resolve_expression(c, view, clause->as.subject.value);
  if (is_error(value)) return;
  bool binary = value->kind == EXPR_BINARY;
  BinaryOp op = binary ? (BinaryOp)value->as.binary.op : BIN_ADD;
  if (op == BIN_LE || op == BIN_GE || op == BIN_EQ) return;
  Diagnostic *d = report(c->diagnostics, E0422, value->span,
                         "a constraint is a comparison by `<=`, `>=` or `==`");
  if (op == BIN_LT || op == BIN_GT)
    diagnostic_help(d, "write `%s`: a strict inequality has no solution at its boundary",
                    op == BIN_LT ? "<=" : ">=");
  else
    diagnostic_help(d, "write `subject to name: a <= b;`");
}

static void check_clause(Checker *c, View *view, Node *clause) {
  switch (clause->kind) {
  case NODE_VAR:
    resolve_type(c, view, clause->as.var.type);
    resolve_set_call(c, view, clause->as.var.set);
    resolve_expression(c, view, clause->as.var.initial);
    break;
  case NODE_STATE:
    resolve_type(c, view, clause->as.state.type);
    resolve_expression(c, view, clause->as.state.initial);
    resolve_expression(c, view, clause->as.state.then);
    break;
  case NODE_BATCH:
    resolve_expression(c, view, clause->as.batch.value);
    break;
  case NODE_LET:
    resolve_let(c, view, clause);
    break;
  case NODE_ENSURE:
    resolve_ensure(c, view, clause);
    break;
  case NODE_OBJECTIVE:
    resolve_expression(c, view, clause->as.objective.value);
    break;
  case NODE_SUBJECT:
    check_subject(c, view, clause);
    break;
  case NODE_REPORT:
    resolve_expression(c, view, clause->as.report.value);
    break;
  case NODE_PROX:
    check_prox(c, view, clause);
    break;
  case NODE_UPDATE:
    check_update(c, view, clause);
    break;
  case ITEM_LEVEL:
    if (view->owner->kind == ITEM_LEVEL) check_level(c, view->module, view->problem, clause, view);
    break;
  default:
    break;
  }
}

// Batches of a level, before its clauses are resolved.
static void declare_level_names(Checker *c, View *view, NodeList clauses) {
  for (size_t i = 0; i < clauses.count; i++) {
    Node *clause = clauses.data[i];
    Binding *binding = NULL;
    if (clause->kind == NODE_BATCH)
      binding = clause->as.batch.binding =
          binding_make(c, BIND_BATCH, clause->as.batch.name.name, clause, view->owner);
    const Binding *constraint = clause->kind == NODE_SUBJECT ? clause->as.subject.binding : NULL;
    const Binding *named = constraint ? constraint : binding;
    if (!named) continue;
    Binding *variable = name_get(&view->problem->variables, named->name);
    if (variable)
      report_redeclared(c, binding_span(named), named->name, variable);
    else if (binding)
      declare_in(c, &view->locals->names, binding);
  }
}

// A `let` of a level must not hide a variable: both would be read by the same name.
static void check_let_names(Checker *c, const View *view, const Node *pattern) {
  if (pattern->kind == PATTERN_TUPLE)
    for (size_t i = 0; i < pattern->as.pattern_tuple.items.count; i++)
      check_let_names(c, view, pattern->as.pattern_tuple.items.data[i]);
  if (pattern->kind != PATTERN_NAME) return;
  Binding *variable = name_get(&view->problem->variables, pattern->as.pattern_name.name);
  if (variable) report_redeclared(c, pattern->span, pattern->as.pattern_name.name, variable);
}

static void check_objective(Checker *c, NodeList clauses, Span span, const char *word) {
  const Node *first = NULL;
  for (size_t i = 0; i < clauses.count; i++) {
    const Node *clause = clauses.data[i];
    if (clause->kind != NODE_OBJECTIVE) continue;
    if (first) {
      Diagnostic *d =
          report(c->diagnostics, E0404, clause->span, "%s has a second objective", word);
      diagnostic_label(d, first->span, "the first is here");
      diagnostic_help(d, "add the terms up in one objective");
    }
    first = first ? first : clause;
  }
  if (first || has_error(clauses)) return;
  Diagnostic *d = report(c->diagnostics, E0404, span, "%s has no objective", word);
  diagnostic_help(d, "write `minimize ...;` or `maximize ...;`");
}

static void check_variables(Checker *c, NodeList clauses, Span span, const char *word) {
  for (size_t i = 0; i < clauses.count; i++)
    if (clauses.data[i]->kind == NODE_VAR || is_error(clauses.data[i])) return;
  Diagnostic *d = report(c->diagnostics, E0204, span, "%s has no variable", word);
  diagnostic_help(d, "declare one: `var w: f64[d] = 0.0;`");
}

// The first line of a block, for messages about the whole of it.
static Span head_span(const Node *level) {
  Span span = level->span;
  if (level->as.level.name.name)
    span.end = level->as.level.name.span.end;
  else
    span.end = span.start + 5; // `upper`, `lower`
  return span;
}

static void check_clauses(Checker *c, View *view, NodeList clauses) {
  Scope scope = scope_open(c, view->locals);
  Block statements = {view->blocks, clauses};
  view->locals = &scope;
  view->blocks = &statements;
  declare_level_names(c, view, clauses);
  for (size_t i = 0; i < clauses.count; i++) {
    Node *clause = clauses.data[i];
    if (clause->kind == NODE_LET) check_let_names(c, view, clause->as.let.pattern);
    check_clause(c, view, clause);
  }
  view->locals = scope.outer;
  view->blocks = statements.outer;
}

// The batches of the levels above are visible in the header of a family, and in its clauses.
static void add_batches(Checker *c, const Node *level, Scope *scope) {
  for (size_t i = 0; i < level->as.level.clauses.count; i++) {
    const Node *clause = level->as.level.clauses.data[i];
    if (clause->kind != NODE_BATCH || !clause->as.batch.binding) continue;
    if (!name_get(&scope->names, clause->as.batch.name.name))
      name_put(c->arena, &scope->names, clause->as.batch.name.name, clause->as.batch.binding);
  }
}

static void check_family(Checker *c, View *view, Node *level, const View *above, Scope *scope) {
  *scope = scope_open(c, above ? above->family : NULL);
  for (const View *v = above; v; v = v->above)
    if (v->owner && v->owner->kind == ITEM_LEVEL) add_batches(c, v->owner, scope);
  if (view->problem->upper) add_batches(c, view->problem->upper, scope);
  view->locals = scope;
  resolve_expression(c, view, level->as.level.family_of);
  Binding *binding = binding_make(c, BIND_LOCAL, level->as.level.family.name, level, level);
  level->as.level.family_binding = binding;
  if (name_get(&view->problem->variables, binding->name))
    report_redeclared(c, level->as.level.family.span, binding->name,
                      name_get(&view->problem->variables, binding->name));
  name_put(c->arena, &scope->names, binding->name, binding);
}

// `above`: the level this one stands in; NULL at the top.
static void check_level(Checker *c, Module *module, Problem *problem, Node *level,
                        const View *above) {
  View view = problem_view(module, problem, level);
  view.above = above;
  Scope family;
  view.locals = above ? above->family : NULL;
  if (level->as.level.family_of) check_family(c, &view, level, above, &family);
  view.family = view.locals;
  NodeList clauses = level->as.level.clauses;
  check_clauses(c, &view, clauses);
  if (!level->as.level.upper) check_formulas(c, clauses);
  const char *word = level->as.level.upper ? "`upper`" : "`lower`";
  check_variables(c, clauses, head_span(level), word);
  check_objective(c, clauses, head_span(level), word);
}

static void check_pair(Checker *c, const Problem *problem) {
  const Node *alone = problem->upper ? problem->upper : problem->lower;
  if (!alone || (problem->upper && problem->lower) || problem->broken) return;
  Diagnostic *d =
      report(c->diagnostics, E0204, head_span(alone), "there is %s level",
             problem->upper ? "an `upper`, but no `lower`" : "a `lower`, but no `upper`");
  diagnostic_help(d, "a problem of one level stands in a `stage`, without `upper` and `lower`");
}

// ---- stages

static bool is_stage_clause(const Node *item) {
  switch (item->kind) {
  case NODE_VAR:
  case NODE_STATE:
  case NODE_BATCH:
  case NODE_OBJECTIVE:
  case NODE_SUBJECT:
  case NODE_PROX:
  case NODE_UPDATE:
  case NODE_LET:
  case NODE_ENSURE:
    return true;
  default:
    return false;
  }
}

static void check_single(Checker *c, Module *module, Problem *problem) {
  Node *stage = problem->stage;
  View view = problem_view(module, problem, stage);
  check_clauses(c, &view, stage->as.stage.items);
  check_variables(c, stage->as.stage.items, stage->as.stage.name.span, "the stage");
  check_objective(c, stage->as.stage.items, stage->as.stage.name.span, "the stage");
}

// A stage of two levels holds nothing else but solve blocks and reports.
static void check_mixed(Checker *c, const Problem *problem) {
  NodeList items = problem->stage->as.stage.items;
  const Node *level = problem->upper ? problem->upper : problem->lower;
  for (size_t i = 0; i < items.count; i++) {
    if (!is_stage_clause(items.data[i])) continue;
    Diagnostic *d = report(c->diagnostics, E0204, items.data[i]->span,
                           "a stage with levels has its clauses inside them");
    diagnostic_label(d, head_span(level), "the level");
    return;
  }
}

static void check_stage(Checker *c, Module *module, Node *item, Problem *main) {
  Problem *problem = ARENA_NEW(c->arena, Problem);
  problem->outer = main;
  problem->stage = item;
  if (!module->stages) module->stages = map_create(c->arena);
  map_put(module->stages, item, problem);
  NodeList items = item->as.stage.items;
  declare_problem(c, module, problem, items);
  if (item->as.stage.family.name)
    report_later(c, item->as.stage.family.span, "a stage for each of several values comes later");
  if (problem->upper || problem->lower) {
    check_mixed(c, problem);
    check_problem(c, module, problem, items);
    return;
  }
  check_single(c, module, problem);
  for (size_t i = 0; i < items.count; i++) {
    if (items.data[i]->kind == ITEM_SOLVE) check_solve(c, module, problem, items.data[i]);
    if (items.data[i]->kind == ITEM_DATA) check_data(c, module, problem, items.data[i]);
  }
}

static void check_problem_item(Checker *c, Module *module, Problem *problem, Node *item) {
  View view = problem_view(module, problem, problem->stage);
  view.where = "a report";
  switch (item->kind) {
  case ITEM_LEVEL:
    if (item != problem->upper) check_level(c, module, problem, item, NULL);
    break;
  case ITEM_SOLVE:
    check_solve(c, module, problem, item);
    break;
  case NODE_REPORT:
    resolve_expression(c, &view, item->as.report.value);
    break;
  case ITEM_STAGE:
    check_stage(c, module, item, problem);
    break;
  case ITEM_DATA:
    if (problem->stage) check_data(c, module, problem, item);
    break;
  default:
    break;
  }
}

void check_problem(Checker *c, Module *module, Problem *problem, NodeList items) {
  check_pair(c, problem);
  // First the upper level: its batches are what families run over.
  if (problem->upper) check_level(c, module, problem, problem->upper, NULL);
  for (size_t i = 0; i < items.count; i++) check_problem_item(c, module, problem, items.data[i]);
}
