// Solve blocks and tests: known keys, keys given twice, and values by the kind their key asks for.
//
// Enters: `key = value;` lists. Leaves: values resolved, `method = ...` among methods, `lower =
// ...` among optimizers. Keys below a method or optimizer (`upper.step`) are known to build alone.
#include "check/checker.h"

#include <string.h>

static const char *const solve_keys[] = {"method", "upper",     "lower",   "optimizer",
                                         "joint",  "iters",     "stop",    "seed",
                                         "report", "precision", "threads", "constraints"};
enum { SOLVE_KEYS = sizeof solve_keys / sizeof *solve_keys, DEEP_KEYS = 4 };

static bool is_word(Name name, const char *word) {
  return strcmp(name, word) == 0;
}

static int find_key(Name name) {
  for (int i = 0; i < SOLVE_KEYS; i++)
    if (is_word(name, solve_keys[i])) return i;
  return -1;
}

typedef struct Settings {
  Checker *c;
  View *view;
  Module *module;
  Problem *problem;
  bool test;
  NodeList list;
} Settings;

static const char *key_text(Checker *c, IdentList key) {
  TextBuffer text = text_buffer(c->arena);
  for (size_t i = 0; i < key.count; i++) text_addf(&text, "%s%s", i ? "." : "", key.data[i].name);
  return text_string(&text);
}

static Span key_span(IdentList key) {
  return span_join(key.data[0].span, key.data[key.count - 1].span);
}

static void report_unknown_key(Settings *s, IdentList key) {
  Checker *c = s->c;
  if (is_poisoned(s->view, key.data[0].name)) return;
  Diagnostic *d =
      report(c->diagnostics, E0205, key_span(key), "there is no setting `%s`", key_text(c, key));
  VEC(const char *) names = {0};
  for (int i = 0; i < SOLVE_KEYS; i++) VEC_PUSH(c->arena, &names, solve_keys[i]);
  const NameTable *tables[] = {&s->problem->levels, &s->problem->variables};
  for (int t = 0; t < (s->test ? 2 : 1); t++)
    for (size_t i = 0; i < tables[t]->names.count; i++)
      VEC_PUSH(c->arena, &names, tables[t]->names.data[i]);
  if (s->test) VEC_PUSH(c->arena, &names, "data");
  if (s->test) VEC_PUSH(c->arena, &names, "solve");
  const char *close = closest_name(key.data[0].name, names.data, names.count);
  if (close) {
    diagnostic_help(d, "did you mean `%s`?", close);
    return;
  }
  bool variable = !s->test && name_get(&s->problem->variables, key.data[0].name);
  if (variable) {
    diagnostic_help(d, "the start value of `%s` stands at its declaration", key.data[0].name);
    return;
  }
  TextBuffer list = text_buffer(c->arena);
  for (size_t i = 0; i < names.count; i++) text_addf(&list, "%s%s", i ? ", " : "", names.data[i]);
  diagnostic_help(d, "the settings are %s", text_string(&list));
}

// ---- values

static void resolve_precision(Settings *s, Node *value) {
  bool fits = value->kind == TYPE_ELEMENT && (value->as.element_type.element == EL_F32 ||
                                              value->as.element_type.element == EL_F64);
  if (fits || is_error(value)) return;
  Diagnostic *d = report(s->c->diagnostics, E0303, value->span, "`precision` is `f32` or `f64`");
  diagnostic_help(d, "write `precision = f32;`");
}

static bool refuse_type(Settings *s, IdentList key, const Node *value) {
  if (value->kind != TYPE_ELEMENT) return false;
  report(s->c->diagnostics, E0208, value->span, "a type is no value for `%s`", key_text(s->c, key));
  return true;
}

// `upper.rho = adam(...)` chooses an optimizer for a part; `upper.step = 0.1` changes an argument.
static bool is_optimizer_call(Settings *s, const Node *value) {
  const Node *callee = value->kind == EXPR_CALL ? value->as.call.callee : value;
  if (callee->kind == EXPR_NAME)
    return find_kind(s->view, callee->as.name.name, BIND_OPTIMIZER) &&
           !find_kind(s->view, callee->as.name.name, BIND_FUNCTION);
  if (callee->kind != EXPR_MEMBER || callee->as.member.base->kind != EXPR_NAME) return false;
  Binding *module = find_module(s->view, callee->as.member.base->as.name.name);
  if (!module || !module->node->as.import.file) return false;
  BindingGroup *group =
      map_get(module->node->as.import.file->as.file.scope, callee->as.member.member.name);
  return group && group->optimizer;
}

// Whether a name means a variable or value of the file itself, which no report of a method hides.
static bool is_own_value(const Module *module, Name name) {
  if (name_get(&module->problem.variables, name)) return true;
  const BindingGroup *group = name_get(&module->scope, name);
  return group && (group->function || group->other);
}

// A method's own reports may be read in `stop` and in tests.
static void add_method_reports(Checker *c, const Module *module, const Node *setting,
                               NameTable *names) {
  if (setting->kind != NODE_SETTING) return;
  const Node *value = setting->as.setting.value;
  const Node *callee = value->kind == EXPR_CALL ? value->as.call.callee : value;
  const Binding *method = callee->kind == EXPR_NAME     ? callee->as.name.binding
                          : callee->kind == EXPR_MEMBER ? callee->as.member.binding
                                                        : NULL;
  if (!method || method->kind != BIND_METHOD) return;
  NodeList steps = method->node->as.method.steps;
  for (size_t i = 0; i < steps.count; i++) {
    Binding *report_binding =
        steps.data[i]->kind == NODE_REPORT ? steps.data[i]->as.report.binding : NULL;
    if (report_binding && !is_own_value(module, report_binding->name))
      name_put(c->arena, names, report_binding->name, report_binding);
  }
}

// `stop` and conditions look at variables and reports, those of the chosen method included.
static void resolve_late(Settings *s, Node *node) {
  View view = *s->view;
  Scope reports = scope_open(s->c, view.locals);
  for (size_t i = 0; i < s->list.count; i++)
    add_method_reports(s->c, s->module, s->list.data[i], &reports.names);
  view.locals = &reports;
  view.problem = s->problem;
  view.reports = true;
  view.test = s->test;
  view.where = node->kind == NODE_ENSURE ? "a condition" : "`stop`";
  if (node->kind == NODE_ENSURE)
    resolve_ensure(s->c, &view, node);
  else
    resolve_expression(s->c, &view, node);
}

static void resolve_value(Settings *s, IdentList key, size_t from, Node *value) {
  Checker *c = s->c;
  Name word = key.data[from].name;
  bool last = from + 1 == key.count;
  if (last && is_word(word, "precision")) {
    resolve_precision(s, value);
    return;
  }
  if (refuse_type(s, key, value)) return;
  bool optimizer = is_word(word, "upper") || is_word(word, "lower") || is_word(word, "optimizer");
  if (last && is_word(word, "method"))
    resolve_item_call(c, s->view, value, BIND_METHOD);
  else if (optimizer && (last || is_optimizer_call(s, value)))
    resolve_item_call(c, s->view, value, BIND_OPTIMIZER);
  else if (last && (is_word(word, "joint") || is_word(word, "constraints")))
    resolve_item_call(c, s->view, value, BIND_FUNCTION);
  else if (last && is_word(word, "stop"))
    resolve_late(s, value);
  else
    resolve_expression(c, s->view, value);
}

// ---- keys

// A key of a solve block from part `from` on.
static void check_key(Settings *s, Node *node, size_t from) {
  IdentList key = node->as.setting.key;
  int index = find_key(key.data[from].name);
  bool deep = from + 1 < key.count;
  bool level = deep && from == 0 && name_get(&s->problem->levels, key.data[0].name);
  if (level && index < 0) {
    check_key(s, node, 1);
    return;
  }
  if (index < 0 || (deep && index >= DEEP_KEYS)) {
    report_unknown_key(s, key);
    return;
  }
  bool single = s->problem->stage && !s->problem->upper && !s->problem->lower;
  bool of_single = is_word(key.data[from].name, "optimizer");
  bool of_pair = index < 3 || is_word(key.data[from].name, "joint");
  bool unfit = single ? of_pair : of_single && (s->problem->upper || s->problem->lower);
  if (unfit) {
    Diagnostic *d = report(s->c->diagnostics, E0205, key_span(key), "`%s` has no meaning here",
                           key.data[from].name);
    diagnostic_help(d, single ? "a stage of one level has an `optimizer`"
                              : "a bilevel problem has `method`, `upper` and `lower`");
  }
  resolve_value(s, key, from, node->as.setting.value);
}

static bool same_key(IdentList a, IdentList b) {
  if (a.count != b.count) return false;
  for (size_t i = 0; i < a.count; i++)
    if (a.data[i].name != b.data[i].name) return false;
  return true;
}

static void check_repeats(Checker *c, NodeList list, size_t index) {
  IdentList key = list.data[index]->as.setting.key;
  for (size_t i = 0; i < index; i++) {
    if (list.data[i]->kind != NODE_SETTING) continue;
    IdentList earlier = list.data[i]->as.setting.key;
    if (!same_key(earlier, key)) continue;
    Diagnostic *d = report(c->diagnostics, E0206, key_span(key), "the setting `%s` is given twice",
                           key_text(c, key));
    diagnostic_label(d, key_span(earlier), "first given here");
    return;
  }
}

static bool has_key(NodeList list, const char *word) {
  for (size_t i = 0; i < list.count; i++) {
    if (is_error(list.data[i])) return true;
    if (list.data[i]->kind != NODE_SETTING) continue;
    IdentList key = list.data[i]->as.setting.key;
    if (key.count == 1 && is_word(key.data[0].name, word)) return true;
  }
  return false;
}

static void check_required(Checker *c, const Problem *problem, const Node *solve) {
  bool pair = problem->upper && problem->lower;
  bool single = problem->stage && !problem->upper && !problem->lower;
  if (problem->lower_count > 1) return;                   // build knows under which names
  if (pair && level_has_formulas(problem->lower)) return; // there is nothing to choose
  const char *wanted = pair ? "method" : single ? "optimizer" : NULL;
  if (!wanted || problem->broken || has_key(solve->as.solve.settings, wanted)) return;
  Span span = solve->span;
  if (solve->as.solve.name.name)
    span = solve->as.solve.name.span;
  else
    span.end = span.start + 5; // `solve`
  Diagnostic *d = report(c->diagnostics, E0204, span, "this solve block has no `%s`", wanted);
  diagnostic_help(d, pair ? "choose one: `method = implicit(linear = cg());`"
                          : "choose one: `optimizer = adam(step = 1e-3, iters = 1000);`");
}

static bool is_late(const Node *node) {
  if (node->kind == NODE_ENSURE) return true;
  if (node->kind != NODE_SETTING) return false;
  IdentList key = node->as.setting.key;
  return is_word(key.data[key.count - 1].name, "stop");
}

static void check_solve_item(Settings *s, size_t index) {
  Node *node = s->list.data[index];
  if (node->kind == NODE_SETTING) check_repeats(s->c, s->list, index);
  if (node->kind == NODE_SETTING && !is_late(node)) check_key(s, node, 0);
  if (node->kind != NODE_REPORT) return;
  Diagnostic *d = report(s->c->diagnostics, E0207, node->span, "a solve block reports nothing");
  diagnostic_help(d, "write the report in a level or at the end of the file; `report = 100;` "
                     "sets how often reports are evaluated");
}

static void check_late_item(Settings *s, Node *node) {
  if (!is_late(node)) return;
  if (node->kind == NODE_SETTING)
    check_key(s, node, 0);
  else
    resolve_late(s, node);
}

// `upper = gd(iters = 5); iters = 3;` says twice how many steps are made.
static void check_steps_twice(Checker *c, NodeList list) {
  const Node *plain = NULL, *given = NULL;
  for (size_t i = 0; i < list.count; i++) {
    if (list.data[i]->kind != NODE_SETTING) continue;
    IdentList key = list.data[i]->as.setting.key;
    if (key.count == 1 && is_word(key.data[0].name, "iters")) plain = list.data[i];
    bool mover = is_word(key.data[0].name, "upper") || is_word(key.data[0].name, "optimizer");
    const Node *value = list.data[i]->as.setting.value;
    if (!mover || key.count != 1 || !value || value->kind != EXPR_CALL) continue;
    for (size_t k = 0; k < value->as.call.arguments.count; k++) {
      const Node *argument = value->as.call.arguments.data[k];
      if (argument->kind == PART_ARGUMENT && argument->as.argument.name.name &&
          is_word(argument->as.argument.name.name, "iters"))
        given = argument;
    }
  }
  if (!plain || !given) return;
  Diagnostic *d = report(c->diagnostics, E0206, key_span(plain->as.setting.key),
                         "the number of outer steps is given twice");
  diagnostic_label(d, given->span, "first given here");
  diagnostic_help(d, "keep one of them");
}

void check_solve(Checker *c, Module *module, Problem *problem, Node *solve) {
  View view = problem_view(module, problem, solve);
  view.problem = NULL;
  view.where = "a setting";
  NodeList list = solve->as.solve.settings;
  Settings settings = {c, &view, module, problem, false, list};
  for (size_t i = 0; i < list.count; i++) check_solve_item(&settings, i);
  check_steps_twice(c, list);
  // `stop` may read the reports of the method, which is known now.
  for (size_t i = 0; i < list.count; i++) check_late_item(&settings, list.data[i]);
  check_required(c, problem, solve);
}

// ---- tests

static void check_data_value(Settings *s, Node *node) {
  Checker *c = s->c;
  Node *value = node->as.setting.value;
  View view = *s->view;
  view.test = true;
  if (node->as.setting.key.count > 1) {
    resolve_expression(c, &view, value);
    return;
  }
  const Node *callee = value->kind == EXPR_CALL ? value->as.call.callee : NULL;
  bool fits = callee && callee->kind == EXPR_NAME &&
              (is_word(callee->as.name.name, "synthetic") || is_word(callee->as.name.name, "file"));
  if (fits) {
    resolve_expression(c, &view, value);
  } else if (!is_error(value)) {
    Diagnostic *d = report(c->diagnostics, E0208, value->span, "this is no data for a test");
    diagnostic_help(d, "write `data = synthetic(n = 40, seed = 1);` or `data = file(\"x.npz\");`");
  }
}

static void check_solve_value(Settings *s, const Node *node) {
  Checker *c = s->c;
  const Node *value = node->as.setting.value;
  if (is_error(value)) return;
  const NameTable *solves = &s->problem->solves;
  bool is_name = value->kind == EXPR_NAME;
  if (is_name && name_get(solves, value->as.name.name)) return;
  if (is_name && is_poisoned(s->view, value->as.name.name)) return;
  Diagnostic *d;
  if (is_name)
    d = report(c->diagnostics, E0201, value->span, "there is no solve block `%s`",
               value->as.name.name);
  else
    d = report(c->diagnostics, E0208, value->span, "the name of a solve block is wanted here");
  if (!is_name) return;
  VEC(const char *) names = {0};
  for (size_t i = 0; i < solves->names.count; i++)
    VEC_PUSH(c->arena, &names, solves->names.data[i]);
  const char *close = closest_name(value->as.name.name, names.data, names.count);
  if (close && *close) diagnostic_help(d, "did you mean `%s`?", close);
}

static Problem *stage_named(const Settings *s, Name name) {
  const Binding *binding = find_kind(s->view, name, BIND_STAGE);
  bool stage = binding && binding->kind == BIND_STAGE && s->module->stages;
  return stage ? map_get(s->module->stages, binding->node) : NULL;
}

// `stage = detect;` says which stage a test is about.
static void check_stage_value(Settings *s, const Node *node) {
  const Node *value = node->as.setting.value;
  if (is_error(value)) return;
  Name name = value->kind == EXPR_NAME ? value->as.name.name : NULL;
  if (name && (stage_named(s, name) || is_poisoned(s->view, name))) return;
  if (!name) {
    report(s->c->diagnostics, E0208, value->span, "the name of a stage is wanted here");
    return;
  }
  Diagnostic *d = report(s->c->diagnostics, E0201, value->span, "there is no stage `%s`", name);
  suggest_kind(s->c, d, s->view, name, BIND_STAGE);
}

// A key of a test from part `from` on; before it stands the name of a stage, or nothing.
static void check_stage_key(Settings *s, Node *node, size_t from) {
  IdentList key = node->as.setting.key;
  Name first = key.data[from].name;
  bool last = from + 1 == key.count;
  if (last && is_word(first, "solve")) {
    check_solve_value(s, node);
    return;
  }
  bool variable = last && name_get(&s->problem->variables, first) && find_key(first) < 0;
  if (!variable)
    check_key(s, node, from);
  else if (!refuse_type(s, key, node->as.setting.value))
    resolve_expression(s->c, s->view, node->as.setting.value);
}

static void check_test_setting(Settings *s, Node *node) {
  IdentList key = node->as.setting.key;
  Name first = key.data[0].name;
  if (is_word(first, "data")) {
    if (!refuse_type(s, key, node->as.setting.value)) check_data_value(s, node);
    return;
  }
  if (is_word(first, "stage") && key.count == 1) {
    check_stage_value(s, node);
    return;
  }
  Settings of_stage = *s;
  Problem *stage = key.count > 1 ? stage_named(s, first) : NULL;
  if (stage) of_stage.problem = stage;
  check_stage_key(&of_stage, node, stage ? 1 : 0);
}

static void check_expect(Checker *c, View *view, Node *node) {
  Node *value = node->as.expect.value, *within = node->as.expect.within;
  bool approximate = value->kind == EXPR_BINARY && value->as.binary.op == BIN_APPROX;
  if (approximate) {
    resolve_expression(c, view, value->as.binary.left);
    resolve_expression(c, view, value->as.binary.right);
  } else {
    resolve_expression(c, view, value);
  }
  if (within) resolve_expression(c, view, within);
  if (within && !approximate && !is_error(value)) {
    Diagnostic *d = report(c->diagnostics, E0207, within->span, "`within` belongs to `~=`");
    diagnostic_help(d, "write `expect a ~= b within 1e-6;`");
  }
}

static void check_expect_code(Checker *c, const Node *node) {
  Ident code = node->as.expect_code.code;
  ErrorCode found = error_code_find(code.name);
  if (!found) {
    Diagnostic *d =
        report(c->diagnostics, E0201, code.span, "there is no diagnostic `%s`", code.name);
    diagnostic_help(d, "diagnostics have codes such as E0402 and W0403");
    return;
  }
  bool warning = error_code_text(found)[0] == 'W';
  if (warning == node->as.expect_code.warning) return;
  Diagnostic *d = report(c->diagnostics, E0208, code.span, "%s is %s", code.name,
                         warning ? "a warning" : "an error");
  diagnostic_help(d, "write `expect %s %s;`", warning ? "warning" : "error", code.name);
}

// The problem a test is about: of the stage it names, else the only one of two levels.
static Problem *test_problem(Module *module, const NodeList *items, NodeList settings) {
  Problem *found = &module->problem;
  int pairs = 0, stages = 0;
  for (size_t i = 0; i < items->count && module->stages; i++) {
    Problem *stage =
        items->data[i]->kind == ITEM_STAGE ? map_get(module->stages, items->data[i]) : NULL;
    if (!stage) continue;
    stages++;
    for (size_t k = 0; k < settings.count; k++) {
      const Node *node = settings.data[k];
      bool named = node->kind == NODE_SETTING && node->as.setting.key.count == 1 &&
                   is_word(node->as.setting.key.data[0].name, "stage") &&
                   node->as.setting.value->kind == EXPR_NAME &&
                   node->as.setting.value->as.name.name == items->data[i]->as.stage.name.name;
      if (named) return stage;
    }
    bool pair = stage->upper && stage->lower;
    if ((pair && !pairs) || (stages == 1 && !module->problem.upper)) found = stage;
    pairs += pair;
  }
  if (module->problem.upper) return &module->problem;
  return pairs == 1 || stages == 1 ? found : &module->problem;
}

static void add_all_method_reports(Checker *c, const Module *module, const Problem *problem,
                                   NameTable *names) {
  const NameTable *solves = &problem->solves;
  for (size_t i = 0; i < solves->names.count; i++) {
    const Node *solve = name_get(solves, solves->names.data[i]);
    for (size_t k = 0; k < solve->as.solve.settings.count; k++)
      add_method_reports(c, module, solve->as.solve.settings.data[k], names);
  }
}

void check_test(Checker *c, Module *module, Node *test) {
  NodeList items = test->as.test.items;
  Problem *problem = test_problem(module, &module->file->as.file.items, items);
  View view = problem_view(module, problem, test);
  view.where = "a test";
  view.reports = view.test = true;
  Scope reports = scope_open(c, NULL);
  add_all_method_reports(c, module, problem, &reports.names);
  Scope scope = scope_open(c, &reports);
  view.locals = &scope;
  View values = view;
  values.problem = NULL;
  values.test = false;
  values.where = "a setting";
  Settings settings = {c, &values, module, problem, true, items};
  for (size_t i = 0; i < items.count; i++) {
    Node *item = items.data[i];
    if (item->kind == NODE_SETTING) {
      check_repeats(c, items, i);
      check_test_setting(&settings, item);
      add_method_reports(c, module, item, &reports.names);
    } else if (item->kind == NODE_LET) {
      resolve_let(c, &view, item);
    } else if (item->kind == NODE_EXPECT) {
      check_expect(c, &view, item);
    } else if (item->kind == NODE_EXPECT_CODE) {
      check_expect_code(c, item);
    }
  }
}
