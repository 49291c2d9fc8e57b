// What a step reports: objectives, what methods, levels and the solve block say, feasibility.
//
// Enters: a step that was made, in the block that only a reporting step runs. Leaves: named values.
// A method below other levels runs its step once more from where it began, at the solutions that
// the step found for the levels above it; of a family the extreme rows are told.
#include "build/reports.h"
#include "evaluate/staging.h"

static Value *report_value(Context *c, Name name, Staged *value, Span span) {
  if (staged_is_poison(value)) return NULL;
  if (value->kind == STAGED_TENSOR) return value->tensor;
  Dtype dtype = value->kind == STAGED_BOOL      ? DT_BOOL
                : value->kind == STAGED_INTEGER ? DT_I64
                                                : c->e->real;
  if (value->kind == STAGED_BOOL || value->kind == STAGED_INTEGER || value->kind == STAGED_REAL)
    return scalar_value(c->e, value, dtype, span, "the report");
  report(build_diagnostics(c->build), E0303, span,
         "the report `%s` is one number or one tensor; this is %s", name,
         staged_describe(c->e, value));
  return NULL;
}

static void add_report(Context *c, ReportRows *rows, Name name, Staged *value, Span span) {
  Value *tensor = report_value(c, name, value, span);
  if (!tensor) return;
  int index = 0;
  for (size_t i = 0; i < rows->list.count; i++) index += rows->list.data[i].role == BLO_ROLE_REPORT;
  ReportRow row = {name, tensor, BLO_ROLE_REPORT, index};
  VEC_PUSH(c->build->arena, &rows->list, row);
}

void reports_list(Context *c, const NodeList *nodes, const char *word, ReportRows *rows) {
  uint64_t place = c->e->dynamic.place;
  for (size_t i = 0; i < nodes->count; i++) {
    const Node *node = nodes->data[i];
    if (node->kind != NODE_REPORT) continue;
    c->e->dynamic.place = place_hash(word, node->as.report.name.name);
    Staged *value = evaluate(c->e, node->as.report.value, NULL, NULL);
    add_report(c, rows, node->as.report.name.name, value, node->as.report.value->span);
  }
  c->e->dynamic.place = place;
}

static void add_objective(Context *c, ReportRows *rows, const Level *level, const StepResult *step,
                          int role) {
  Staged *value =
      objective_value(c, c->stage, level, step->x_step, step->y_step, level->objective->span);
  value = prox_value(c, c->stage, level, step->x_step, step->y_step, value);
  if (staged_is_poison(value)) return;
  ReportRow row = {role == BLO_ROLE_UPPER_OBJECTIVE ? "upper_objective" : "lower_objective",
                   value->tensor, role, 0};
  VEC_PUSH(c->build->arena, &rows->list, row);
}

typedef struct NestedReports {
  Context *context;
  Point *point;
  ReportRows *rows;
} NestedReports;

static void list_nested_reports(Stage *nested, void *self) {
  const NestedReports *r = self;
  Context *c = r->context;
  const NodeList *nodes = &nested->lower.reports;
  uint64_t place = c->e->dynamic.place;
  for (size_t i = 0; i < nodes->count; i++) {
    const Node *node = nodes->data[i];
    c->e->dynamic.place = place_hash("report", node->as.report.name.name);
    add_report(c, r->rows, node->as.report.name.name, nested_report(c, r->point, node),
               node->as.report.value->span);
  }
  c->e->dynamic.place = place;
}

// ---- methods below other levels

// Of all rows of a family the least and the greatest number; what is no number stays row by row.
static Value *extreme_rows(Context *c, Value *value, int families) {
  Builder *b = &c->e->builder;
  if (!families || value->type->rank != families || value->type->dtype == DT_BOOL) return value;
  uint32_t axes = (1u << families) - 1;
  Value *greatest = ir_reduce(b, OP_REDUCE_MAX, value, axes);
  Value *least = ir_unary(b, OP_NEG, ir_reduce(b, OP_REDUCE_MAX, ir_unary(b, OP_NEG, value), axes));
  const Dim *one[] = {dim_const(c->module->dims, 1)};
  const Type *entry = type_get(c->module, value->type->dtype, 1, one);
  Value *ends[] = {ir_reshape(b, least, entry), ir_reshape(b, greatest, entry)};
  return ir_concat(b, ends, 2, 0);
}

static Staged *begin_reports(Context *c, Point *point, void *self) {
  MethodReports *reports = self;
  *reports = (MethodReports){0};
  method_reports_below(c, point->x, point->y, reports);
  size_t count = reports->list.count;
  Staged **values = ARENA_ARRAY(c->build->arena, Staged *, count + 1);
  for (size_t i = 0; i < count; i++) {
    const MethodReport *report = &reports->list.data[i];
    Value *value = report_value(c, report->node->as.report.name.name, report->value,
                                report->node->as.report.value->span);
    values[i] = value ? staged_tensor(c->e, value) : staged_poison;
    if (!value) return staged_poison;
  }
  values[count] = staged_tensor(c->e, scalar_int(c, 0)); // a family without reports has rows, too
  return staged_tuple(c->e, values, (int)count + 1);
}

// A level is called by its name, else by that of its settings; a family alone needs none.
static const char *level_called(const Stage *nested) {
  const char *name = nested->lower.node->as.level.name.name;
  return name ? name : nested->key;
}

static void list_method_reports(Stage *nested, void *self) {
  const NestedReports *r = self;
  Context *c = r->context;
  if (!nested->method) return; // solved by formulas
  const char *level = level_called(nested);
  int families = 0;
  for (const Stage *at = nested; at; at = at->above) families += at->family != NULL;
  MethodReports reports;
  c->e->level = level;
  Staged *values =
      nested_begin(c, r->point, nested, begin_reports, &reports, nested->lower.node->span);
  c->e->level = NULL;
  if (staged_is_poison(values)) return;
  for (size_t i = 0; i < reports.list.count; i++) {
    const Node *node = reports.list.data[i].node;
    Name name = node->as.report.name.name;
    if (level)
      name =
          intern(c->build->compilation->names, arena_printf(c->build->arena, "%s.%s", level, name));
    Value *value = extreme_rows(c, tree_child(c->e, values, (int)i)->tensor, families);
    add_report(c, r->rows, name, staged_tensor(c->e, value), node->as.report.value->span);
  }
}

// At the point where they were solved, with what is solved there known.
static void add_method_reports(Context *c, ReportRows *rows, const StepResult *step) {
  if (!c->stage->nested.count) return;
  c->solved = step->next.nested;
  Point *point = point_open(c, c->stage, step->x_step, step->y_step);
  NestedReports nested = {c, point, rows};
  nested_each(c->stage, list_method_reports, &nested);
  point_close(c, point);
  c->solved = NULL;
}

// Feasibility is reported always, at the point where objectives are.
static void add_violation(Context *c, ReportRows *rows, const StepResult *step) {
  if (!stage_is_constrained(c->stage)) return;
  Name name = intern(c->build->compilation->names, "infeasibility");
  for (size_t i = 0; i < rows->list.count; i++)
    if (rows->list.data[i].name == name) return; // the user's own
  c->solved = step->next.nested;
  Point *point = point_open(c, c->stage, step->x_step, step->y_step);
  Value *value = stage_violation(c, point);
  point_close(c, point);
  c->solved = NULL;
  if (value) add_report(c, rows, name, staged_tensor(c->e, value), c->stage->upper.node->span);
}

void reports_collect(Context *c, const StepResult *step, ReportRows *rows) {
  Stage *stage = c->stage;
  c->solved = step->next.nested; // solved at (x, y) of the step already
  add_objective(c, rows, &stage->upper, step, BLO_ROLE_UPPER_OBJECTIVE);
  if (!stage->single) add_objective(c, rows, &stage->lower, step, BLO_ROLE_LOWER_OBJECTIVE);
  c->solved = NULL;
  for (size_t i = 0; i < step->method.reports.count; i++) {
    const Deferred *deferred = &step->method.reports.data[i];
    add_report(c, rows, deferred->name, method_report(c, deferred), deferred->value->span);
  }
  add_method_reports(c, rows, step);
  Point *point = point_at(c, &step->next);
  reports_list(c, &stage->upper.reports, "report", rows);
  reports_list(c, &stage->lower.reports, "report", rows);
  NestedReports nested = {c, point, rows};
  nested_each(stage, list_nested_reports, &nested);
  if (stage->solve) reports_list(c, &stage->solve->as.solve.settings, "report", rows);
  point_close(c, point);
  add_violation(c, rows, step);
}
