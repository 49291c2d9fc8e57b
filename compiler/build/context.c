// What names of the program level mean while ops are made.
//
// Enters: bindings that no environment holds. Leaves: values; NULL where a name means nothing here,
// which the evaluator reports.
#include "build/program.h"

#include <stdarg.h>
#include <string.h>

Standing standing_save(const Context *c) {
  return (Standing){.stage = c->stage,
                    .above = c->above,
                    .point = c->point,
                    .states = c->states,
                    .solved = c->solved,
                    .warm = c->warm,
                    .kept = c->kept,
                    .method_state = c->method_state,
                    .seed = c->seed,
                    .t = c->t,
                    .iteration = c->iteration,
                    .builder = c->e->builder,
                    .dynamic = c->e->dynamic};
}

void standing_restore(Context *c, const Standing *saved) {
  c->stage = saved->stage;
  c->above = saved->above;
  c->point = saved->point;
  c->states = saved->states;
  c->solved = saved->solved;
  c->warm = saved->warm;
  c->kept = saved->kept;
  c->method_state = saved->method_state;
  c->seed = saved->seed;
  c->t = saved->t;
  c->iteration = saved->iteration;
  c->e->builder = saved->builder;
  c->e->dynamic = saved->dynamic;
}

const Type *scalar_type(Context *c, Dtype dtype) {
  return type_scalar(c->module, dtype);
}

Value *scalar_int(Context *c, int64_t value) {
  return ir_integer(&c->e->builder, scalar_type(c, DT_I64), value);
}

Staged *no_value(Context *c, Span span, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const char *message = arena_vprintf(c->build->arena, format, arguments);
  va_end(arguments);
  report(build_diagnostics(c->build), E0207, span, "%s", message);
  return staged_poison;
}

const Node *context_file(const Context *c, Span span) {
  const NodeList *files = &c->build->program->files;
  for (size_t i = 0; i < files->count; i++)
    if (files->data[i]->span.source == span.source) return files->data[i];
  return c->build->program->file;
}

// ---- dims and constants

static bool option_dim(const Build *b, Name name, int64_t *value) {
  for (size_t i = 0; i < b->options->dim_count; i++) {
    if (strcmp(b->options->dims[i].name, name) != 0) continue;
    *value = b->options->dims[i].value;
    return true;
  }
  return false;
}

// Evaluates a constant expression outside every level, step and call.
static Staged *evaluate_outside(Context *c, const Node *node, const TypeSpec *spec) {
  Dynamic dynamic = c->e->dynamic;
  Point *point = c->point;
  c->e->dynamic = (Dynamic){.depth = dynamic.depth, .calls = dynamic.calls};
  c->point = NULL;
  Staged *value = evaluate(c->e, node, NULL, spec);
  c->point = point;
  c->e->dynamic = dynamic;
  return value;
}

static const Dim *declared_dim(Context *c, const Node *part) {
  DimTable *dims = c->module->dims;
  int64_t value;
  bool user = part->span.source == c->build->program->file->span.source;
  if (user && option_dim(c->build, part->as.dim.name.name, &value)) return dim_const(dims, value);
  if (!part->as.dim.value) return dim_name(dims, part->as.dim.name.name);
  Staged *given = evaluate_outside(c, part->as.dim.value, NULL);
  if (staged_is_poison(given)) return NULL;
  const Dim *dim = NULL;
  const char *what = arena_printf(c->build->arena, "the dim `%s`", part->as.dim.name.name);
  return static_dim(c->e, given, &dim, part->as.dim.value->span, what) ? dim : NULL;
}

const Dim *context_dim(Context *c, const Node *part, Span span) {
  if (map_has(c->dims, part)) {
    const Dim *known = map_get(c->dims, part);
    if (known) return known;
    no_value(c, span, "the dim `%s` has no value of its own", part->as.dim.name.name);
    return NULL;
  }
  map_put(c->dims, part, NULL);
  const Dim *dim = declared_dim(c, part);
  int64_t value;
  if (dim && c->closed_dims && !dim_is_const(dim, &value)) {
    if (c->no_data) {
      test_no_data(c);
    } else {
      const char *name = part->as.dim.name.name;
      Diagnostic *d = report(build_diagnostics(c->build), E0605, part->span,
                             "the dim `%s` has no value in this test", name);
      diagnostic_help(d, "write `data = synthetic(%s = 8, seed = 1);`", name);
    }
    dim = dim_const(c->module->dims, 4); // something to go on with
  }
  map_put(c->dims, part, (void *)(uintptr_t)dim);
  return dim;
}

static Staged *dim_value(Context *c, const Binding *binding, Span span) {
  const Dim *dim = binding->node ? context_dim(c, binding->node, span) : NULL;
  return dim ? staged_integer(c->e, dim) : staged_poison;
}

static bool is_static(const Staged *s) {
  return s->kind == STAGED_INTEGER || s->kind == STAGED_REAL || s->kind == STAGED_BOOL ||
         s->kind == STAGED_STRING || s->kind == STAGED_FUNCTION || s->kind == STAGED_POISON;
}

// Static constants are kept; tensors belong to the block where they are used.
Staged *constant_value(Context *c, const Binding *binding, Span span) {
  const Node *node = binding->node;
  Staged *known = map_get(c->constants, node);
  if (known) return known;
  if (map_get(c->busy, node))
    return no_value(c, span, "the constant `%s` is defined by itself", binding->name);
  map_put(c->busy, node, (void *)(uintptr_t)node);
  const TypeSpec *spec = NULL;
  const Node *expression = node->as.constant.value;
  if (node->as.constant.type) spec = evaluate_type(c->e, node->as.constant.type, NULL);
  Staged *value = evaluate_outside(c, expression, spec);
  if (spec && !staged_is_poison(value)) {
    const char *what = arena_printf(c->build->arena, "the constant `%s`", binding->name);
    value = coerce(c->e, value, spec, true, expression->span, what);
  }
  map_put(c->busy, node, NULL);
  if (is_static(value)) map_put(c->constants, node, value);
  return value;
}

// ---- values of other stages

static const LevelVariable *variable_called(const Level *level, Name name) {
  for (size_t i = 0; i < level->variables.count; i++)
    if (level->variables.data[i].name == name) return &level->variables.data[i];
  return NULL;
}

// A variable of the stage, also of the lower problems below its levels; `home` is the problem that
// solves it.
static const LevelVariable *stage_variable(const Stage *stage, Name name, const Stage **home) {
  const LevelVariable *variable = stage->above ? NULL : variable_called(&stage->upper, name);
  if (!variable) variable = variable_called(&stage->lower, name);
  *home = stage;
  for (size_t i = 0; i < stage->nested.count && !variable; i++)
    variable = stage_variable(stage->nested.data[i], name, home);
  return variable;
}

// A result of an earlier stage is an input of the entry, leaf by leaf.
static Staged *frozen_leaves(Context *c, const Stage *stage, Name name, Staged *like) {
  Arena *arena = c->build->arena;
  NameList list = {0};
  leaf_names(arena, c->build->compilation->names, name, staged_layout(like), &list);
  ValueList likes = {0}, leaves = {0};
  staged_leaves(c->e, like, &likes);
  for (size_t i = 0; i < likes.count; i++) {
    const char *leaf = arena_printf(arena, "%s.%s", stage->name, list.data[i]);
    VEC_PUSH(arena, &leaves, entry_input(c, leaf, likes.data[i]->type, BLO_ROLE_STATE, -1));
  }
  Value *const *next = leaves.data;
  return staged_rebuild(c->e, like, &next);
}

// Stages run in the order of the file: only what lies behind is known.
static bool ran_before(Context *c, Stage *stage, Span span) {
  if (!c->stage || stage_number(c, stage) < stage_number(c, c->stage)) return true;
  if (c->stage == stage && stage->finishing) return true;
  Diagnostic *d =
      report(build_diagnostics(c->build), E0207, span,
             "the results of stage `%s` are not known in stage `%s`", stage->name, c->stage->name);
  diagnostic_help(d, "stages run in the order of the file, and read those before them");
  return false;
}

static Staged *frozen_value(Context *c, Stage *stage, const Binding *binding, Name name,
                            Staged *like, Span span) {
  // While a test is set up, functions are only looked at.
  if (c->test && c->test->results) return test_member(c, stage, binding, span);
  if (!c->entry)
    return no_value(c, span, "the results of stage `%s` are not known here", stage->name);
  Staged *known = map_get(c->columns, binding);
  if (known) return known;
  if (!ran_before(c, stage, span)) return staged_poison;
  Staged *value = staged_is_poison(like) ? like : frozen_leaves(c, stage, name, like);
  map_put(c->columns, binding, value);
  return value;
}

static Staged *same_in_each(Evaluator *e, Value *counter, Staged *carries, void *self) {
  (void)e, (void)counter, (void)carries;
  return self;
}

// What is kept of a variable: in a family a value for each row.
static Staged *kept_like(Context *c, const Stage *home, Staged *like) {
  for (; home->above && !staged_is_poison(like); home = home->above)
    if (home->family) like = build_map(c->e, home->rows, same_in_each, like, home->family->span);
  return like;
}

static Staged *frozen_variable(Context *c, Stage *stage, const Stage *home,
                               const LevelVariable *variable, Span span) {
  Builder builder = c->e->builder;
  c->e->builder = builder_at(c->scratch);
  Staged *like = kept_like(c, home, variable->like);
  c->e->builder = builder;
  return frozen_value(c, stage, variable->node->as.var.binding, variable->name, like, span);
}

static Staged *frozen_state(Context *c, Stage *stage, const Node *node, Span span) {
  const TypeSpec *spec = evaluate_type(c->e, node->as.state.type, NULL);
  if (!spec) return staged_poison;
  Builder builder = c->e->builder;
  c->e->builder = builder_at(c->scratch);
  Staged *like = zeros_of_spec(c->e, spec);
  c->e->builder = builder;
  return frozen_value(c, stage, node->as.state.binding, node->as.state.name.name, like, span);
}

static const Node *stage_report(const Stage *stage, Name name) {
  const NodeList *lists[] = {&stage->upper.reports, &stage->lower.reports};
  for (int i = stage->above ? 1 : 0; i < 2; i++)
    for (size_t k = 0; k < lists[i]->count; k++)
      if (lists[i]->data[k]->as.report.name.name == name) return lists[i]->data[k];
  const Node *found = NULL;
  for (size_t i = 0; i < stage->nested.count && !found; i++)
    found = stage_report(stage->nested.data[i], name);
  return found;
}

// A report is an input with the role REPORT: what the stage's last step said.
static Staged *frozen_report(Context *c, Stage *stage, const Node *node, Span span) {
  const Binding *binding = node->as.report.binding;
  if (c->test) return test_member(c, stage, binding, span);
  if (!c->entry)
    return no_value(c, span, "the reports of stage `%s` are not known here", stage->name);
  Staged *known = map_get(c->columns, binding);
  if (known) return known;
  if (!ran_before(c, stage, span)) return staged_poison;
  if (!stage->report_types) { // variables get their types before any stage is built
    Diagnostic *d = report(build_diagnostics(c->build), E0207, span,
                           "no variable starts from a report of a stage");
    diagnostic_help(d, "put it into data first: `data { name: f64 = %s.%s; }`", stage->name,
                    node->as.report.name.name);
    return staged_poison;
  }
  const Type *type = map_get(stage->report_types, node->as.report.name.name);
  if (!type) return staged_poison; // said where the report stands
  const char *name = arena_printf(c->build->arena, "%s.%s", stage->name, node->as.report.name.name);
  Staged *value = staged_tensor(c->e, entry_input(c, name, type, BLO_ROLE_REPORT, -1));
  map_put(c->columns, binding, value);
  return value;
}

static Staged *stage_member(Evaluator *e, const Object *object, Name name, Span span) {
  (void)e;
  Context *c = ((void **)object->data)[0];
  Stage *stage = ((void **)object->data)[1];
  const Stage *home;
  const LevelVariable *variable = stage_variable(stage, name, &home);
  bool inside = c->point && c->point->stage == stage;
  if (variable && inside) return point_value(c, c->point, variable->node->as.var.binding, span);
  if (variable) return frozen_variable(c, stage, home, variable, span);
  for (int i = 0; i < level_state_count(stage); i++) {
    const Node *node = level_state_node(stage, i);
    if (node->as.state.name.name != name) continue;
    return inside ? point_value(c, c->point, node->as.state.binding, span)
                  : frozen_state(c, stage, node, span);
  }
  const Node *shown = stage_report(stage, name);
  if (!shown) return NULL;
  return inside ? point_value(c, c->point, shown->as.report.binding, span)
                : frozen_report(c, stage, shown, span);
}

static Stage *stage_of_node(const Context *c, const Node *node) {
  for (size_t i = 0; i < c->stages.count; i++)
    if (c->stages.data[i]->node == node) return c->stages.data[i];
  return NULL;
}

static Staged *stage_value(Context *c, const Binding *binding) {
  Stage *stage = stage_of_node(c, binding->node);
  if (!stage) return NULL;
  void **self = ARENA_ARRAY(c->build->arena, void *, 2);
  self[0] = c;
  self[1] = stage;
  Object *object = ARENA_NEW(c->build->arena, Object);
  *object = (Object){.kind = OBJECT_STAGE,
                     .binding = binding,
                     .data = self,
                     .member = stage_member,
                     .phrase = arena_printf(c->build->arena, "the stage `%s`", binding->name)};
  return staged_object(c->e, object);
}

// ---- names of levels

static Staged *level_name(Context *c, const Binding *binding, Span span) {
  if (c->point && map_has(c->point->stage->names, binding))
    return point_value(c, c->point, binding, span);
  if (c->test) return test_name(c, binding, span);
  for (size_t i = 0; i < c->stages.count; i++) {
    Stage *stage = c->stages.data[i];
    if (!map_has(stage->names, binding) || binding->kind != BIND_VAR) continue;
    const Stage *home;
    const LevelVariable *variable = stage_variable(stage, binding->name, &home);
    if (variable && stage != c->stage) return frozen_variable(c, stage, home, variable, span);
  }
  if (binding->kind == BIND_LOCAL) return NULL;
  return no_value(c, span, "`%s` has no value here: it belongs to a level", binding->name);
}

static Staged *implicit_name(Context *c, const Binding *binding, Span span) {
  if (binding->builtin == IMPLICIT_ITERATION) {
    Value *value = c->iteration ? c->iteration : c->t;
    if (value) return staged_tensor(c->e, value);
    return no_value(c, span, "`iteration` is known only while a level makes steps");
  }
  if (binding->builtin == IMPLICIT_PROX) return prox_function(c);
  if (binding->builtin == IMPLICIT_PROJECT_MOVED) return project_moved_function(c);
  if (binding->builtin == IMPLICIT_OBJECTIVE) return descended_function(c, span);
  Staged *value = method_name(c, binding->builtin, span);
  if (!value && c->test) value = test_name(c, binding, span);
  return value;
}

static Staged *resolve(Evaluator *e, const Binding *binding, Span span, void *self) {
  (void)e;
  Context *c = self;
  switch (binding->kind) {
  case BIND_DIM:
    return dim_value(c, binding, span);
  case BIND_CONST:
    return constant_value(c, binding, span);
  case BIND_TABLE:
    return table_value(c, binding);
  case BIND_FIELD: {
    const Field *field = field_of_binding(c->build, binding);
    return field ? field_value(c, field, span) : NULL;
  }
  case BIND_VAR:
  case BIND_STATE:
  case BIND_BATCH:
  case BIND_REPORT:
  case BIND_LOCAL:
    return level_name(c, binding, span);
  case BIND_STAGE:
    return stage_value(c, binding);
  case BIND_CONSTRAINT:
    return constraint_object(c, binding);
  case BIND_MODULE: // of a member that check did not find
    return diagnostics_errors(build_diagnostics(c->build)) ? staged_poison : NULL;
  case BIND_IMPLICIT:
    return implicit_name(c, binding, span);
  default:
    return NULL;
  }
}

static Staged *program_builtin(const Call *call, Builtin builtin, void *self) {
  Context *c = self;
  if (builtin == BUILTIN_DUAL || builtin == BUILTIN_VIOLATION)
    return constraint_builtin(call, builtin, c);
  const char *name = builtin_table[builtin].name;
  Diagnostic *d = report(build_diagnostics(c->build), E0207, call->span,
                         "`%s` cannot be used in an expression", name);
  if (builtin == BUILTIN_CLASSES)
    diagnostic_help(d, "it belongs to data: `y: i32 in classes(k);`");
  else
    diagnostic_help(d, "it makes a batch of a level: `batch b = %s(train, 128);`", name);
  return staged_poison;
}

// The first variable whose entries are not of the program's real type.
static const LevelVariable *unlike_real(Context *c, Dtype *dtype) {
  const Level *levels[] = {&c->stage->upper, &c->stage->lower};
  for (int i = 0; i < 2; i++)
    for (size_t k = 0; k < levels[i]->variables.count; k++) {
      const LevelVariable *variable = &levels[i]->variables.data[k];
      ValueList leaves = {0};
      if (!variable->like || staged_is_poison(variable->like)) continue;
      staged_leaves(c->e, variable->like, &leaves);
      for (size_t n = 0; n < leaves.count; n++) {
        *dtype = leaves.data[n]->type->dtype;
        if (*dtype != c->program_real) return variable;
      }
    }
  return NULL;
}

// The first data field that is declared with a real type of its own, which is not the program's.
static const Field *fixed_unlike_real(const Context *c, Dtype *dtype) {
  for (size_t i = 0; i < c->build->fields.count; i++) {
    const Field *field = &c->build->fields.data[i];
    const Node *type = field->node->as.field.type;
    while (type && (type->kind == TYPE_ARRAY || type->kind == TYPE_TENSOR))
      type = type->kind == TYPE_ARRAY ? type->as.array_type.element : type->as.tensor_type.base;
    if (!type || type->kind != TYPE_ELEMENT) continue;
    *dtype = (Dtype)type->as.element_type.element;
    if (dtype_is_float(*dtype) && *dtype != c->program_real) return field;
  }
  return NULL;
}

static void explain(Evaluator *e, Diagnostic *d, ErrorCode code, bool in_library) {
  Context *c = e->resolve_self;
  Dtype dtype;
  const Field *field = code == E0302 && !in_library ? fixed_unlike_real(c, &dtype) : NULL;
  if (field)
    diagnostic_note(d,
                    "the program's real type is %s, and `%s` is declared %s; declared `real`, it "
                    "follows `precision`",
                    dtype_text(c->program_real), field->name, dtype_text(dtype));
  const LevelVariable *variable =
      code == E0302 && in_library && c->stage && !c->stage->sample ? unlike_real(c, &dtype) : NULL;
  if (variable) {
    diagnostic_label(d, variable->node->as.var.type->span, "`%s` has entries of type %s",
                     variable->name, dtype_text(dtype));
    diagnostic_note(d, "the program's real type is %s, and element types never mix",
                    dtype_text(c->program_real));
    diagnostic_help(d, "declare the variables as `real`, or set `precision = %s;`",
                    dtype_text(dtype));
  }
  // Sizes in the message are those of the test, not of the program.
  bool shapes = code == E0301 || code == E0305 || code == E0306;
  if (shapes && c->test && c->test->sizes)
    diagnostic_note(d, "in the test \"%s\", with %s", c->test->node->as.test.name, c->test->sizes);
}

Context *context_create(Build *build, Module *module) {
  Arena *arena = build->arena;
  Context *c = ARENA_NEW(arena, Context);
  c->build = build;
  c->module = module;
  c->e = evaluator_create(build->compilation, module, build->program, build->real);
  c->e->resolve = resolve;
  c->e->resolve_self = c;
  c->e->explain = explain;
  c->program_real = build->real;
  c->e->program_builtin = program_builtin;
  c->e->program_builtin_self = c;
  if (!build->failed_items) build->failed_items = c->e->failed_items;
  c->e->failed_items = build->failed_items;
  c->scratch = block_create(module, NULL);
  c->makes = -1;
  c->e->builder = builder_at(c->scratch);
  c->dims = map_create(arena);
  c->made = map_create(arena);
  c->constants = map_create(arena);
  c->busy = map_create(arena);
  c->columns = map_create(arena);
  return c;
}

void context_enter(Context *c, Entry *entry) {
  c->entry = entry;
  c->columns = map_create(c->build->arena);
  c->seed = NULL;
  c->t = c->iteration = NULL;
  c->point = c->above = NULL;
  c->solved = c->warm = NULL;
  c->rows = NULL;
  c->method_state = NULL;
  c->e->dynamic = (Dynamic){0};
  evaluate_budget(c->e); // each entry has the whole budget
  c->e->builder = builder_at(entry->func->body);
  // Data that is drawn is the same whatever the run's seed is.
  c->synthetic_seed = c->synthetic ? scalar_int(c, c->synthetic_number) : NULL;
}
