// Entry functions: IR functions whose parameters and results have roles in blo_program.
//
// Enters: a stage with its levels and instances. Leaves: `init`, `step`, `finish` and `after` of
// the stage. Inputs appear when something asks for them; what turns out unused at the end is taken
// away again.
#include "build/program.h"
#include "build/reports.h"
#include "evaluate/staging.h"

// ---- inputs and outputs

Entry *entry_create(Context *c, const char *name) {
  Entry *entry = ARENA_NEW(c->build->arena, Entry);
  entry->name = name;
  entry->func = func_create(c->module, intern(c->build->compilation->names, name));
  context_enter(c, entry);
  c->build->oracles.count = 0;
  return entry;
}

Value *entry_input(Context *c, const char *name, const Type *type, int role, int index) {
  Entry *entry = c->entry;
  blo_value row = {.name = name,
                   .dtype = (int32_t)type->dtype,
                   .rank = type->rank,
                   .role = role,
                   .index = index};
  VEC_PUSH(c->build->arena, &entry->inputs, row);
  return block_add_param(entry->func->body, type, intern(c->build->compilation->names, name));
}

void entry_output(Context *c, const char *name, Value *value, int role, int index) {
  Entry *entry = c->entry;
  const Type *type = value->type;
  blo_value row = {.name = name,
                   .dtype = (int32_t)type->dtype,
                   .rank = type->rank,
                   .role = role,
                   .index = index};
  VEC_PUSH(c->build->arena, &entry->outputs, row);
  VEC_PUSH(c->module->arena, &entry->func->body->yields, value);
  VEC_PUSH(c->module->arena, &entry->func->result_names,
           intern(c->build->compilation->names, name));
}

// ---- taking away what nothing uses

static bool has_note(const Op *op) {
  if (op->code == OP_NOTE) return true;
  for (int i = 0; i < op->region_count; i++)
    for (const Op *inner = op->regions[i]->first; inner; inner = inner->next)
      if (has_note(inner)) return true;
  return false;
}

static bool is_live(const Map *live, const Op *op) {
  for (int i = 0; i < op->result_count; i++)
    if (map_has(live, op->results[i])) return true;
  return has_note(op);
}

static void sweep_block(Map *live, Block *block) {
  for (size_t i = 0; i < block->yields.count; i++) map_put(live, block->yields.data[i], block);
  for (Op *op = block->last, *previous; op; op = previous) {
    previous = op->previous;
    if (!is_live(live, op)) {
      op_remove(op);
      continue;
    }
    if (op->code == OP_NOTE) op->operand_count = 1; // what decides a count was for batches
    for (int i = 0; i < op->region_count; i++) sweep_block(live, op->regions[i]);
    for (int i = 0; i < op->operand_count; i++) map_put(live, op->operands[i], block);
  }
}

static void sweep_inputs(Context *c, Entry *entry) {
  Map *live = map_create(c->build->arena);
  Block *body = entry->func->body;
  sweep_block(live, body);
  size_t kept = 0;
  for (size_t i = 0; i < body->params.count; i++) {
    Value *param = body->params.data[i];
    if (!map_has(live, param)) continue;
    param->index = (int)kept;
    body->params.data[kept] = param;
    entry->inputs.data[kept++] = entry->inputs.data[i];
  }
  body->params.count = entry->inputs.count = kept;
}

size_t entry_finish(Context *c) {
  sweep_inputs(c, c->entry);
  VEC_PUSH(c->build->arena, &c->build->entries.list, c->entry);
  return c->build->entries.list.count - 1;
}

void take_seed(Context *c) {
  if (!c->seed) c->seed = entry_input(c, "seed", scalar_type(c, DT_I64), BLO_ROLE_SEED, 0);
}

// ---- init

static void output_state(Context *c, const State *state, const blo_leaf *leaves) {
  ValueList values = {0};
  state_leaves(c, state, &values);
  for (size_t i = 0; i < values.count; i++)
    entry_output(c, leaves[i].name, values.data[i], BLO_ROLE_STATE, (int)i);
}

static void input_state(Context *c, const State *like, const blo_leaf *leaves, State *state) {
  ValueList likes = {0}, values = {0};
  state_leaves(c, like, &likes);
  for (size_t i = 0; i < likes.count; i++)
    VEC_PUSH(c->build->arena, &values,
             entry_input(c, leaves[i].name, likes.data[i]->type, BLO_ROLE_STATE, (int)i));
  state_rebuild(c, like, values.data, state);
}

// ---- reports

// Everything that only a reporting step needs is computed under `if reporting`; otherwise it is
// zero.
static void output_reports(Context *c, const StepResult *step, ReportRows *rows) {
  Builder *b = &c->e->builder;
  Block *outer = b->block;
  Value *wanted = entry_input(c, "reporting", scalar_type(c, DT_BOOL), BLO_ROLE_REPORTING, 0);
  Block *yes = block_create(c->module, outer), *no = block_create(c->module, outer);
  b->block = yes;
  c->e->in_report = true;
  reports_collect(c, step, rows);
  c->e->in_report = false;
  for (size_t i = 0; i < rows->list.count; i++)
    VEC_PUSH(c->module->arena, &yes->yields, rows->list.data[i].value);
  b->block = no;
  for (size_t i = 0; i < rows->list.count; i++)
    VEC_PUSH(c->module->arena, &no->yields, ir_zero(b, rows->list.data[i].value->type));
  b->block = outer;
  if (!rows->list.count) return;
  Op *op = ir_if(b, wanted, yes, no);
  for (size_t i = 0; i < rows->list.count; i++) {
    ReportRow *row = &rows->list.data[i];
    row->value = op->results[i];
    entry_output(c, row->name, row->value, row->role, row->index);
  }
}

// Leaves of x come first in the state, so leaf i of the hypergradient belongs to state leaf i. It
// is given in the user's sign.
static void output_hypergradient(Context *c, Staged *hypergradient, const blo_leaf *leaves,
                                 Span span) {
  ValueList values = {0};
  if (c->stage->upper.maximize) hypergradient = operate_negate(c->e, hypergradient, span);
  staged_leaves(c->e, hypergradient, &values);
  for (size_t i = 0; i < values.count; i++)
    entry_output(c, leaves[i].name, values.data[i], BLO_ROLE_HYPERGRADIENT, (int)i);
}

static void output_norm(Context *c, Staged *hypergradient, Span span) {
  Staged *square = operate_dot(c->e, hypergradient, hypergradient, span);
  if (staged_is_poison(square)) return;
  Value *norm = ir_unary(&c->e->builder, OP_SQRT, square->tensor);
  entry_output(c, "hypergradient_norm", norm, BLO_ROLE_HYPERGRADIENT_NORM, 0);
}

// ---- step and finish

static bool step_entry(Context *c, const char *name, const State *like, const blo_leaf *leaves,
                       ReportRows *rows, size_t *entry) {
  entry_create(c, name);
  take_seed(c);
  State state;
  input_state(c, like, leaves, &state);
  StepResult step;
  if (!step_run(c, &state, &step)) return false;
  step_ensures(c, &step);
  Value *stop = step_stop(c, &step.next);
  output_state(c, &step.next, leaves);
  if (step.hypergradient) {
    output_norm(c, step.hypergradient, c->stage->upper.node->span);
    output_hypergradient(c, step.hypergradient, leaves, c->stage->upper.node->span);
  }
  output_reports(c, &step, rows);
  if (stop) entry_output(c, "stop", stop, BLO_ROLE_STOP, 0);
  *entry = entry_finish(c);
  return true;
}

// File-level reports belong to the last stage.
static bool finish_entry(Context *c, const char *name, const State *like, const blo_leaf *leaves,
                         ReportRows *rows, size_t *entry) {
  const NodeList *items = &c->build->program->file->as.file.items;
  bool any = false;
  for (size_t i = 0; i < items->count; i++) any |= items->data[i]->kind == NODE_REPORT;
  if (!any || c->stages.data[c->stages.count - 1] != c->stage) return false;
  entry_create(c, name);
  take_seed(c);
  State state;
  input_state(c, like, leaves, &state);
  c->t = state.t;
  dynamic_step(c->e, step_key(c, c->stage, state.t));
  Point *point = point_at(c, &state);
  c->stage->finishing = true;
  reports_list(c, items, "final", rows);
  c->stage->finishing = false;
  point_close(c, point);
  for (size_t i = 0; i < rows->list.count; i++) {
    const ReportRow *row = &rows->list.data[i];
    entry_output(c, row->name, row->value, BLO_ROLE_REPORT, row->index);
  }
  *entry = entry_finish(c);
  return true;
}

// ---- description

blo_size *describe_shape(Build *b, const Type *type, const Name *atoms, size_t atom_count) {
  blo_size *shape = ARENA_ARRAY(b->arena, blo_size, (size_t)type->rank + 1);
  for (int i = 0; i < type->rank; i++)
    shape[i].count = dim_compile(b->arena, type->shape[i], atoms, atom_count, &shape[i].words);
  return shape;
}

static const blo_report *describe_reports(Context *c, const ReportRows *rows, const Name *atoms,
                                          size_t atom_count, size_t *count) {
  blo_report *list = ARENA_ARRAY(c->build->arena, blo_report, rows->list.count + 1);
  *count = 0;
  for (size_t i = 0; i < rows->list.count; i++) {
    const ReportRow *row = &rows->list.data[i];
    if (row->role != BLO_ROLE_REPORT) continue;
    const Type *type = row->value->type;
    list[(*count)++] = (blo_report){.name = row->name,
                                    .dtype = (int32_t)type->dtype,
                                    .rank = type->rank,
                                    .sign = 1.0,
                                    .shape = describe_shape(c->build, type, atoms, atom_count)};
  }
  return list;
}

static int64_t constant_iterations(Context *c) {
  int64_t value = 0;
  const Stage *stage = c->stage;
  if (!stage->iterations) return 0;
  if (!dim_is_const(stage->iterations, &value))
    report(build_diagnostics(c->build), E0309, stage->solve->span,
           "the number of outer steps is known when the program is built");
  return value;
}

// The runtime finds by these where an objective stands that is no longer finite.
static void note_objectives(Context *c, const Stage *stage) {
  const struct {
    const Level *level;
    const char *name;
  } levels[] = {{&stage->upper, "upper"}, {&stage->lower, "lower"}};
  for (int i = 0; i < 2; i++)
    if (levels[i].level->objective)
      module_note(c->module, E0702,
                  arena_printf(c->build->arena, "the %s objective of stage %s", levels[i].name,
                               stage->name),
                  levels[i].level->objective->span);
}

bool stage_entries(Context *c, Stage *stage, const Name *atoms, size_t atom_count) {
  Arena *arena = c->build->arena;
  c->stage = stage;
  note_objectives(c, stage);
  entry_create(c, arena_printf(arena, "%s.init", stage->name));
  take_seed(c);
  State start;
  state_init(c, &start);
  if (state_is_poison(c, &start)) return false;
  ValueList values = {0};
  state_leaves(c, &start, &values);
  blo_leaf *leaves = ARENA_ARRAY(arena, blo_leaf, values.count + 1);
  state_describe(c, &start, leaves, atoms, atom_count);
  output_state(c, &start, leaves);
  size_t init = entry_finish(c), step = 0, finish = 0;
  ReportRows reports = {0}, finals = {0};
  if (!step_entry(c, arena_printf(arena, "%s.step", stage->name), &start, leaves, &reports, &step))
    return false;
  stage->report_types = map_create(arena);
  for (size_t i = 0; i < reports.list.count; i++)
    map_put(stage->report_types, reports.list.data[i].name,
            (void *)(uintptr_t)reports.list.data[i].value->type);
  bool finishes = finish_entry(c, arena_printf(arena, "%s.finish", stage->name), &start, leaves,
                               &finals, &finish);
  blo_stage row = {.name = stage->name,
                   .solve =
                       stage->solve->as.solve.name.name ? stage->solve->as.solve.name.name : "",
                   .state = leaves,
                   .state_count = values.count,
                   .iterations = constant_iterations(c),
                   .report_every = stage->report_every,
                   .seed = stage->seed,
                   .maximize_upper = stage->upper.maximize,
                   .maximize_lower = stage->lower.maximize};
  row.reports = describe_reports(c, &reports, atoms, atom_count, &row.report_count);
  row.finals = describe_reports(c, &finals, atoms, atom_count, &row.final_count);
  VEC_PUSH(arena, &c->build->stages, row);
  VEC_PUSH(arena, &c->build->stage_entries, (int)init);
  VEC_PUSH(arena, &c->build->stage_entries, (int)step);
  VEC_PUSH(arena, &c->build->stage_entries, finishes ? (int)finish : -1);
  if (stage_is_judged(c, stage)) value_entry(c, stage);
  int after =
      made_entry(c, stage_number(c, stage) + 1, arena_printf(arena, "%s.after", stage->name));
  VEC_PUSH(arena, &c->build->stage_entries, after);
  return true;
}
