// `test` blocks: each becomes one IR function whose results say whether its expectations hold.
//
// Enters: settings, lets and expectations. Leaves: an entry "test.N" with ok, left, right and error
// per expectation. Data is drawn inside the function (`synthetic`) or is an input (`file`).
// Expectations of diagnostics are decided while building; those of run-time notes (E07xx) by who
// runs the test.
#include "build/program.h"
#include "evaluate/staging.h"

#include <string.h>

/// What a test says about one stage.
typedef struct StagePlan {
  const char *name;
  const Node *solve;
  Settings settings, starts;
} StagePlan;

typedef struct TestPlan {
  const Node *node, *data, *stage;
  VEC(StagePlan) stages; // the first one, without a name, is for the stage under test
  Settings fields;       // data for single fields
  const char *file;      // of data = file("...")
  bool expects_build_error;
  VEC(const char *) codes; // of notes that have to be raised while it runs
} TestPlan;

// ---- reading the block

static bool is_runtime_code(const Node *node) {
  const char *code = node->as.expect_code.code.name;
  return code && strncmp(code + 1, "07", 2) == 0;
}

static bool level_has(const NodeList *clauses, Name key) {
  for (size_t k = 0; k < clauses->count; k++) {
    const Node *clause = clauses->data[k];
    if (clause->kind == NODE_VAR && clause->as.var.name.name == key) return true;
    if (clause->kind == ITEM_LEVEL && level_has(&clause->as.level.clauses, key)) return true;
  }
  return false;
}

static const Node *find_stage(const Build *b, Name name) {
  const NodeList *items = &b->program->file->as.file.items;
  for (size_t i = 0; i < items->count; i++)
    if (items->data[i]->kind == ITEM_STAGE && items->data[i]->as.stage.name.name == name)
      return items->data[i];
  return NULL;
}

// Check has looked at the stage: here any level may have the variable.
static bool names_variable(const Build *b, Name key) {
  const NodeList *items = &b->program->file->as.file.items;
  for (size_t i = 0; i < items->count; i++) {
    const Node *item = items->data[i];
    if (item->kind == ITEM_LEVEL && level_has(&item->as.level.clauses, key)) return true;
    if (item->kind == ITEM_STAGE && level_has(&item->as.stage.items, key)) return true;
  }
  return false;
}

static bool is_level_word(Name name) {
  return strcmp(name, "upper") == 0 || strcmp(name, "lower") == 0;
}

static StagePlan *stage_plan(Build *b, TestPlan *plan, const char *name) {
  for (size_t i = 0; i < plan->stages.count; i++) {
    const char *known = plan->stages.data[i].name;
    if (known == name || (known && name && strcmp(known, name) == 0)) return &plan->stages.data[i];
  }
  StagePlan fresh = {.name = name};
  VEC_PUSH(b->arena, &plan->stages, fresh);
  return &plan->stages.data[plan->stages.count - 1];
}

static void plan_data(Build *b, TestPlan *plan, const Node *node) {
  const IdentList *key = &node->as.setting.key;
  if (key->count == 1) {
    plan->data = node;
    return;
  }
  const char *name = setting_key(b, node) + strlen("data.");
  Setting given = {.key = name, .span = node->span, .value = node->as.setting.value};
  for (size_t i = 0; i < b->fields.count; i++)
    given.read |= strcmp(b->fields.data[i].name, name) == 0;
  if (!given.read) report(build_diagnostics(b), E0201, node->span, "there is no data `%s`", name);
  VEC_PUSH(b->arena, &plan->fields.list, given);
}

// A setting without the name of the stage that it begins with.
static const Node *without_stage(Build *b, const Node *node) {
  Node *rest = ARENA_NEW(b->arena, Node);
  *rest = *node;
  rest->as.setting.key.data++;
  rest->as.setting.key.count--;
  return rest;
}

static void plan_setting(Build *b, TestPlan *plan, const Node *node) {
  const IdentList *key = &node->as.setting.key;
  Name first = key->data[0].name;
  if (strcmp(first, "data") == 0) {
    plan_data(b, plan, node);
    return;
  }
  if (strcmp(first, "stage") == 0 && key->count == 1) {
    plan->stage = find_stage(b, node->as.setting.value->as.name.name);
    return;
  }
  bool of_stage = key->count > 1 && find_stage(b, first);
  StagePlan *stage = stage_plan(b, plan, of_stage ? first : NULL);
  if (of_stage) node = without_stage(b, node);
  key = &node->as.setting.key;
  first = key->data[0].name;
  if (strcmp(first, "solve") == 0 && key->count == 1) {
    stage->solve = node->as.setting.value;
    return;
  }
  Name variable = key->count == 1 ? first : NULL;
  if (key->count == 2 && is_level_word(first)) variable = key->data[1].name;
  bool group = key->count == 2 && names_optimizer(b, node->as.setting.value);
  if (variable && !group && names_variable(b, variable)) {
    Setting start = {.key = variable, .span = node->span, .value = node->as.setting.value};
    VEC_PUSH(b->arena, &stage->starts.list, start);
    return;
  }
  NodeList one = {0};
  VEC_PUSH(b->arena, &one, (Node *)(uintptr_t)node);
  settings_collect(b, &stage->settings, &one, NULL);
}

static TestPlan plan_test(Build *b, const Node *node) {
  TestPlan plan = {.node = node};
  stage_plan(b, &plan, NULL);
  for (size_t i = 0; i < node->as.test.items.count; i++) {
    const Node *item = node->as.test.items.data[i];
    if (item->kind == NODE_SETTING) plan_setting(b, &plan, item);
    if (item->kind != NODE_EXPECT_CODE) continue;
    if (is_runtime_code(item))
      VEC_PUSH(b->arena, &plan.codes, item->as.expect_code.code.name);
    else
      plan.expects_build_error = true;
  }
  return plan;
}

static const char *plan_solve(const StagePlan *plan) {
  return plan->solve && plan->solve->kind == EXPR_NAME ? plan->solve->as.name.name : NULL;
}

// ---- data of a test

static const Node *find_dim(const Build *b, Name name) {
  for (size_t i = 0; i < b->dims.count; i++)
    if (b->dims.data[i]->as.dim.name.name == name) return b->dims.data[i];
  return NULL;
}

static void take_synthetic(Context *c, const Node *argument) {
  Build *b = c->build;
  Name name = argument->as.argument.name.name;
  const Node *value = argument->as.argument.value;
  if (!name) {
    Diagnostic *d =
        report(build_diagnostics(b), E0304, argument->span, "`synthetic` takes sizes by name");
    diagnostic_help(d, "write `synthetic(n = 40, seed = 1)`");
    return;
  }
  const Dim *size = NULL;
  Staged *given = evaluate(c->e, value, NULL, NULL);
  if (staged_is_poison(given)) return;
  const char *what = arena_printf(b->arena, "`%s`", name);
  if (!static_dim(c->e, given, &size, value->span, what)) return;
  int64_t number;
  if (!dim_is_const(size, &number) || (number < 0 && strcmp(name, "seed") != 0)) {
    report(build_diagnostics(b), E0309, value->span, "`%s` wants a number that is not negative",
           name);
    return;
  }
  const Node *part = find_dim(b, name);
  if (part) {
    map_put(c->dims, part, (void *)(uintptr_t)size);
    const char *sizes = c->test->sizes;
    c->test->sizes = arena_printf(b->arena, "%s%s%s = %lld", sizes ? sizes : "", sizes ? ", " : "",
                                  name, (long long)number);
  } else if (strcmp(name, "seed") == 0)
    c->synthetic_number = number;
  else
    report(build_diagnostics(b), E0304, argument->as.argument.name.span,
           "there is no dim `%s` to draw data for", name);
}

Staged *test_no_data(Context *c) {
  Diagnostic *d =
      report(build_diagnostics(c->build), E0204, c->test->node->span, "this test has no data");
  diagnostic_help(d,
                  "write `data = synthetic(...sizes..., seed = 1);` or `data = file(\"x.npz\");`");
  return staged_poison;
}

const Setting *test_given_field(Context *c, const Field *field) {
  Settings *given = &c->test->given;
  return settings_find(given, field->name);
}

static void take_data(Context *c, TestPlan *plan) {
  Build *b = c->build;
  c->makes_all = true;
  c->test->given = plan->fields;
  c->closed_dims = true;
  c->no_data = !plan->data;
  if (!plan->data) return;
  const Node *value = plan->data->as.setting.value;
  const Node *callee = value->kind == EXPR_CALL ? value->as.call.callee : NULL;
  const Binding *binding = callee && callee->kind == EXPR_NAME ? callee->as.name.binding : NULL;
  if (!binding || binding->kind != BIND_IMPLICIT) return;
  const NodeList *arguments = &value->as.call.arguments;
  if (binding->builtin == IMPLICIT_FILE) {
    const Node *path = arguments->count == 1 ? arguments->data[0]->as.argument.value : NULL;
    if (path && path->kind == EXPR_STRING)
      plan->file = path->as.string.text;
    else
      report(build_diagnostics(b), E0304, value->span, "`file` takes the path of a data file");
    c->closed_dims = false;
    return;
  }
  c->synthetic = true;
  for (size_t i = 0; i < arguments->count; i++) take_synthetic(c, arguments->data[i]);
}

// ---- expectations

static void add_expect(Build *b, const Node *node, blo_expect *expect) {
  const Source *source = source_get(b->compilation->sources, node->span.source);
  int length = (int)(node->span.end - node->span.start);
  *expect =
      (blo_expect){.text = arena_printf(b->arena, "%.*s", length, source->text + node->span.start),
                   .place = place_text(b, node->span)};
}

static void output_sides(Context *c, Staged *left, Staged *right, int index) {
  if (staged_is_data(left))
    entry_output(c, "left", test_display(c, left), BLO_ROLE_EXPECT_LEFT, index);
  if (staged_is_data(right))
    entry_output(c, "right", test_display(c, right), BLO_ROLE_EXPECT_RIGHT, index);
}

// What the other side should look like: literals take its element type.
static const TypeSpec *spec_of(Context *c, const Staged *value) {
  if (value->kind != STAGED_TENSOR) return NULL;
  const Type *type = value->tensor->type;
  TypeSpec *spec = ARENA_NEW(c->build->arena, TypeSpec);
  *spec = (TypeSpec){
      .kind = SPEC_TENSOR, .dtype = type->dtype, .rank = type->rank, .shape = type->shape};
  return spec;
}

static Value *tolerance_of(Context *c, const Node *node, const Environment *environment) {
  const Node *within = node->as.expect.within;
  if (!within) {
    Diagnostic *d = report(build_diagnostics(c->build), E0204, node->span,
                           "`~=` does not say how close the sides must be");
    diagnostic_help(d, "write `expect a ~= b within 1e-6;`, or `within abs(1e-6)`");
    return NULL;
  }
  Staged *value = evaluate(c->e, within, environment, NULL);
  if (staged_is_poison(value)) return NULL;
  return scalar_value(c->e, value, DT_F64, within->span, "the tolerance");
}

static bool expect_close(Context *c, const Node *node, const Environment *environment, int index) {
  const Node *value = node->as.expect.value;
  Staged *left = evaluate(c->e, value->as.binary.left, environment, NULL);
  Staged *right = evaluate(c->e, value->as.binary.right, environment, spec_of(c, left));
  Value *tolerance = tolerance_of(c, node, environment), *ok, *error;
  if (!tolerance) return false;
  if (!test_compare(c, left, right, tolerance, node->as.expect.absolute, value->span, &ok, &error))
    return false;
  entry_output(c, "ok", ok, BLO_ROLE_EXPECT_OK, index);
  output_sides(c, left, right, index);
  entry_output(c, "error", error, BLO_ROLE_EXPECT_ERROR, index);
  return true;
}

static bool is_comparison(const Node *value) {
  return value->kind == EXPR_BINARY && value->as.binary.op >= BIN_LT &&
         value->as.binary.op <= BIN_NE;
}

static bool expect_true(Context *c, const Node *node, const Environment *environment, int index) {
  const Node *value = node->as.expect.value;
  Value *ok = test_truth(c, evaluate(c->e, value, environment, NULL), value->span);
  if (!ok) return false;
  entry_output(c, "ok", ok, BLO_ROLE_EXPECT_OK, index);
  if (!is_comparison(value)) return true;
  Staged *left = evaluate(c->e, value->as.binary.left, environment, NULL);
  Staged *right = evaluate(c->e, value->as.binary.right, environment, NULL);
  output_sides(c, left, right, index);
  return true;
}

// Codes of a running program: the test's values are kept alive so that what they say is said.
static void keep_alive(Context *c, const Environment *environment) {
  Builder *b = &c->e->builder;
  Value *sum = ir_real(b, scalar_type(c, DT_F64), 0.0);
  for (const Environment *at = environment; at; at = at->next) {
    ValueList leaves = {0};
    if (staged_is_data(at->value)) staged_leaves(c->e, at->value, &leaves);
    for (size_t i = 0; i < leaves.count; i++)
      sum = ir_binary(b, OP_ADD, sum, ir_sum_all(b, ir_convert(b, leaves.data[i], DT_F64)));
  }
  entry_output(c, "kept", sum, BLO_ROLE_ARGUMENT, -1);
}

// ---- expected diagnostics

// The stage whose building is tried: the one under test.
static const char *rejected_stage(Build *b, const TestPlan *plan) {
  if (plan->stage) return plan->stage->as.stage.name.name;
  const Node *only = NULL;
  const NodeList *items = &b->program->file->as.file.items;
  for (size_t i = 0; i < items->count; i++) {
    if (items->data[i]->kind == ITEM_LEVEL) return "main";
    if (items->data[i]->kind == ITEM_STAGE && !only) only = items->data[i];
  }
  return only ? NULL : "main"; // NULL: all of them
}

static bool code_occurs(Build *b, TestPlan *plan, const Node *node) {
  ErrorCode code = error_code_find(node->as.expect_code.code.name);
  Span anywhere = {0};
  size_t before = diagnostics_count_code(build_diagnostics(b), code, anywhere);
  size_t mark = diagnostics_mark(build_diagnostics(b));
  const StagePlan *own = &plan->stages.data[0];
  CheckTarget target = {.stage = rejected_stage(b, plan),
                        .solve = plan_solve(own),
                        .span = plan->node->span,
                        .settings = &own->settings,
                        .starts = &own->starts};
  check_stage(b, &target);
  bool occurs = diagnostics_count_code(build_diagnostics(b), code, anywhere) > before;
  diagnostics_rewind(build_diagnostics(b), mark);
  return occurs;
}

// ---- the function

// Does the test speak of the levels at all? Tests of functions need neither solver nor data.
typedef struct Levels {
  const Build *build;
  bool found;
} Levels;

static bool reads_stages(const Build *b, const Binding *binding) {
  for (size_t i = 0; i < b->fields.count; i++) {
    const Field *field = &b->fields.data[i];
    if ((field->node == binding->node || field->data == binding->node) && field->moment)
      return true;
  }
  return false;
}

static void find_levels(void *self, Node *node) {
  Levels *levels = self;
  const Binding *binding = node->kind == EXPR_NAME ? node->as.name.binding : NULL;
  if (binding)
    levels->found |=
        binding->kind == BIND_VAR || binding->kind == BIND_STAGE || binding->kind == BIND_STATE ||
        binding->kind == BIND_REPORT || binding->kind == BIND_BATCH ||
        ((binding->kind == BIND_TABLE || binding->kind == BIND_FIELD) &&
         reads_stages(levels->build, binding)) ||
        (binding->kind == BIND_IMPLICIT && binding->builtin >= IMPLICIT_HYPERGRADIENT &&
         binding->builtin <= IMPLICIT_RUN) ||
        (binding->kind == BIND_LOCAL && binding->owner && binding->owner->kind == ITEM_LEVEL);
  node_children(node, find_levels, self);
}

// The stage a test stands at: the one it names, that at file level, the only one of two levels, or
// the first.
static Stage *choose_stage(Context *c, const TestPlan *plan) {
  Stage *found = NULL;
  int pairs = 0;
  for (size_t i = 0; i < c->stages.count; i++) {
    Stage *stage = c->stages.data[i];
    if (plan->stage ? stage->node == plan->stage : !stage->node) return stage;
    if (!stage->single && !pairs++) found = stage;
  }
  c->test->unclear = pairs > 1 || (!pairs && c->stages.count > 1);
  return pairs == 1 ? found : c->stages.data[0];
}

// `seed` and `precision` without a stage are those of all.
static Settings shared_settings(Build *b, const Settings *own) {
  Settings shared = {0};
  for (size_t i = 0; i < own->list.count; i++) {
    const Setting *setting = &own->list.data[i];
    if (strcmp(setting->key, "seed") == 0 || strcmp(setting->key, "precision") == 0)
      VEC_PUSH(b->arena, &shared.list, *setting);
  }
  return shared;
}

static bool unclear_settings(Context *c, const TestPlan *plan) {
  const StagePlan *own = &plan->stages.data[0];
  Settings shared = shared_settings(c->build, &own->settings);
  bool alone = own->settings.list.count > shared.list.count || own->starts.list.count || own->solve;
  return alone && c->test->unclear;
}

static bool solve_stage(Context *c, TestPlan *plan, Stage *stage) {
  Build *b = c->build;
  StagePlan *own = &plan->stages.data[0], *named = stage_plan(b, plan, stage->name);
  own = &plan->stages.data[0]; // the list may have moved
  bool under_test = stage == c->test->stage;
  Settings settings = under_test ? own->settings : shared_settings(b, &own->settings);
  settings_replace(b, &settings, &named->settings);
  if (under_test) variables_override(stage, &own->starts);
  variables_override(stage, &named->starts);
  const char *solve = plan_solve(named);
  if (!solve && under_test) solve = plan_solve(own);
  if (!stage_solver(c, stage, solve, plan->node->span, &settings)) return false;
  stage_find_cold(c, stage);
  return true;
}

static bool test_stages(Context *c, TestPlan *plan) {
  TestRun *test = c->test;
  Levels levels = {.build = c->build};
  node_children(plan->node, find_levels, &levels);
  if (!c->stages.count || !levels.found) return true;
  test->stage = choose_stage(c, plan);
  if (unclear_settings(c, plan)) {
    Diagnostic *d = report(build_diagnostics(c->build), E0204, plan->node->span,
                           "this test has settings and does not say of which stage");
    diagnostic_help(d, "write `stage = %s;`, or `%s.` in front of each setting", test->stage->name,
                    test->stage->name);
    return false;
  }
  bool ok = true;
  for (size_t i = 0; i < c->stages.count; i++) ok = solve_stage(c, plan, c->stages.data[i]) && ok;
  test->results = ARENA_ARRAY(c->build->arena, State, c->stages.count);
  test->running = ARENA_ARRAY(c->build->arena, bool, c->stages.count);
  test->finite = ARENA_ARRAY(c->build->arena, Value *, c->stages.count);
  c->stage = test->stage;
  return ok;
}

static bool test_statements(Context *c, TestPlan *plan, blo_expect *expects, size_t *count) {
  const Environment *environment = NULL;
  bool ok = true;
  const NodeList *items = &plan->node->as.test.items;
  for (size_t i = 0; i < items->count; i++) {
    const Node *item = items->data[i];
    int index = (int)*count;
    if (item->kind == NODE_LET) environment = evaluate_let(c->e, item, environment);
    if (item->kind != NODE_EXPECT) continue;
    add_expect(c->build, item, &expects[(*count)++]);
    const Node *value = item->as.expect.value;
    bool close = value->kind == EXPR_BINARY && value->as.binary.op == BIN_APPROX;
    expects[index].approximate = close;
    ok &= close ? expect_close(c, item, environment, index)
                : expect_true(c, item, environment, index);
  }
  if (plan->codes.count) keep_alive(c, environment);
  return ok;
}

// A condition with constants fails when the program is built, though its code is one of running.
static bool fails_early(Context *c, TestPlan *plan) {
  const NodeList *items = &plan->node->as.test.items;
  bool occurs = plan->codes.count > 0 && !plan->expects_build_error;
  for (size_t i = 0; i < items->count && occurs; i++) {
    const Node *item = items->data[i];
    occurs = item->kind != NODE_EXPECT;
    if (item->kind == NODE_EXPECT_CODE) occurs = code_occurs(c->build, plan, item);
  }
  return occurs;
}

// A test that wants the program rejected: its outcome is known now.
static bool build_rejection(Context *c, TestPlan *plan, blo_expect *expects, size_t *count) {
  const NodeList *items = &plan->node->as.test.items;
  for (size_t i = 0; i < items->count; i++) {
    const Node *item = items->data[i];
    if (item->kind == NODE_EXPECT) {
      Diagnostic *d = report(build_diagnostics(c->build), E0207, item->span,
                             "a test that wants the program rejected runs nothing");
      diagnostic_help(d, "put this expectation into a test of its own");
      return false;
    }
    if (item->kind != NODE_EXPECT_CODE) continue;
    bool occurs = code_occurs(c->build, plan, item);
    add_expect(c->build, item, &expects[*count]);
    Value *ok = ir_integer(&c->e->builder, scalar_type(c, DT_BOOL), occurs);
    entry_output(c, "ok", ok, BLO_ROLE_EXPECT_OK, (int)(*count)++);
  }
  return true;
}

// What a test without levels takes of the settings: the real type and the seed of its draws.
static bool plain_settings(Context *c, TestPlan *plan, int64_t *seed) {
  Settings *settings = &plan->stages.data[0].settings;
  if (!settings_precision(c, settings)) return false;
  *seed = setting_integer(c, settings, "seed", 0);
  settings_warn_unread(c, settings);
  return true;
}

static bool run_test(Context *c, TestPlan *plan, blo_expect *expects, size_t *count) {
  if (!stages_collect(c) || !test_stages(c, plan)) return false;
  entry_create(c, c->entry_name);
  TestRun *test = c->test;
  int64_t seed = test->stage ? test->stage->seed : 0;
  if (!test->stage && !plain_settings(c, plan, &seed)) return false;
  c->seed = scalar_int(c, seed);
  if (test->stage) {
    test_find_asked(c, plan->node);
    c->stage = test->stage;
    bool *starting = &test->running[stage_number(c, test->stage)];
    *starting = true;
    state_init(c, &test->now);
    *starting = false;
    if (state_is_poison(c, &test->now)) return false;
  }
  dynamic_step(c->e, key_fold_hash(c, c->seed, place_hash("test", plan->node->as.test.name)));
  return test_statements(c, plan, expects, count);
}

bool test_build(Build *b, const Node *node, size_t number) {
  size_t errors = diagnostics_errors(build_diagnostics(b));
  Context *c = context_create(b, b->module);
  TestPlan plan = plan_test(b, node);
  TestRun *test = ARENA_NEW(b->arena, TestRun);
  test->node = node;
  test->asked = map_create(b->arena);
  c->test = test;
  blo_expect *expects = ARENA_ARRAY(b->arena, blo_expect, node->as.test.items.count + 1);
  size_t count = 0;
  c->entry_name = arena_printf(b->arena, "test.%zu", number);
  take_data(c, &plan);
  bool ok = diagnostics_errors(build_diagnostics(b)) == errors;
  if (ok && fails_early(c, &plan)) {
    plan.expects_build_error = true;
    plan.codes.count = 0;
  }
  if (ok && plan.expects_build_error) {
    entry_create(c, c->entry_name);
    ok = build_rejection(c, &plan, expects, &count);
  } else if (ok) {
    ok = run_test(c, &plan, expects, &count);
  }
  ok = ok && diagnostics_errors(build_diagnostics(b)) == errors;
  int entry = ok ? (int)entry_finish(c) : -1;
  blo_test row = {.name = node->as.test.name,
                  .place = place_text(b, node->span),
                  .expects = expects,
                  .expect_count = count,
                  .codes = plan.codes.data,
                  .code_count = plan.codes.count,
                  .data_file = plan.file};
  VEC_PUSH(b->arena, &b->tests, row);
  VEC_PUSH(b->arena, &b->test_entries, entry);
  return ok;
}
