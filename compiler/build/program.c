// The build stage: from a checked program to a module of entry functions and their description.
//
// Order: definitions (each function, method, optimiser and set of the user's file by itself), then
// each solve block that is wanted as a trial in a module of its own, with the level checks; only
// when nothing was wrong the entries. So a mistake is reported once, at its most general place.
#include "build/program.h"

#include <string.h>

static Build *build_create(Compilation *compilation, const Program *program,
                           const BuildOptions *options) {
  Build *b = ARENA_NEW(compilation->arena, Build);
  b->compilation = compilation;
  b->arena = compilation->arena;
  b->program = program;
  b->options = options;
  b->module = module_create(compilation->arena, compilation->names);
  b->data_entry = -1;
  declare_collect(b);
  b->real = program_real(b);
  return b;
}

const blo_program *build_declarations(Compilation *compilation, const Program *program,
                                      const BuildOptions *options) {
  Build *b = build_create(compilation, program, options);
  Context *c = context_create(b, b->module);
  blo_program *result = ARENA_NEW(b->arena, blo_program);
  result->abi = BLO_ABI;
  result->size = sizeof(blo_program);
  const Name *atoms;
  size_t atom_count;
  declare_describe(c, result, &atoms, &atom_count);
  describe_conditions(c, result, atoms, atom_count);
  return result;
}

// ---- what is checked before anything is built

static void check_own_definitions(Build *b) {
  Context *c = context_create(b, module_create(b->arena, b->compilation->names));
  check_definitions(c->e, b->program->file);
  samples_check(b, b->program->file);
}

// Also those that nobody uses.
static void check_constants(Context *c) {
  const Build *b = c->build;
  const NodeList *items = &b->program->file->as.file.items;
  for (size_t i = 0; i < items->count; i++) {
    if (items->data[i]->kind != ITEM_CONST) continue;
    Ident name = items->data[i]->as.constant.name;
    const Binding *binding =
        program_find(b->program, b->program->file, NULL, name.name, BIND_CONST);
    if (binding && binding->node == items->data[i]) constant_value(c, binding, name.span);
  }
}

// Dims, constants and data are declared once for all stages.
static bool check_declarations(Build *b) {
  size_t errors = diagnostics_errors(build_diagnostics(b));
  Context *c = context_create(b, module_create(b->arena, b->compilation->names));
  entry_create(c, "declarations");
  for (size_t i = 0; i < b->dims.count; i++) context_dim(c, b->dims.data[i], b->dims.data[i]->span);
  check_constants(c);
  for (size_t i = 0; i < b->fields.count; i++) field_declared(c, &b->fields.data[i]);
  for (size_t i = 0; i < b->options->dim_count; i++) {
    const char *name = b->options->dims[i].name;
    bool known = false;
    for (size_t k = 0; k < b->dims.count; k++)
      known |= strcmp(b->dims.data[k]->as.dim.name.name, name) == 0;
    if (!known)
      report(build_diagnostics(b), E0901, b->program->file->span,
             "there is no dim `%s` to give a value to", name);
  }
  return diagnostics_errors(build_diagnostics(b)) == errors;
}

// Each solve block of a list of items as a trial of `stage`; `unnamed` tells whether one has no
// name.
static bool check_blocks(Build *b, const NodeList *items, const char *stage, bool *unnamed) {
  bool ok = true;
  *unnamed = false;
  for (size_t i = 0; i < items->count; i++) {
    const Node *item = items->data[i];
    if (item->kind != ITEM_SOLVE) continue;
    CheckTarget target = {.stage = stage, .solve = item->as.solve.name.name, .span = item->span};
    *unnamed |= !target.solve;
    ok &= check_stage(b, &target);
  }
  return ok;
}

// Where the solve block was chosen: on the command line, else nowhere but in the file.
static Span chosen_span(Build *b) {
  const char *solve = b->options->solve;
  if (!solve || !*solve) return b->program->file->span;
  if (!b->chosen.end) {
    uint32_t length = (uint32_t)strlen(solve);
    uint32_t source = sources_add(b->compilation->sources, "--solve", solve, length, false);
    b->chosen = (Span){source, 0, length};
  }
  return b->chosen;
}

static bool check_solves(Build *b) {
  const NodeList *items = &b->program->file->as.file.items;
  CheckTarget target = {.solve = b->options->solve, .span = chosen_span(b)};
  if (b->options->solve || !b->options->all_solves) return check_stage(b, &target);
  bool unnamed;
  bool ok = check_blocks(b, items, "main", &unnamed);
  for (size_t i = 0; i < items->count; i++) {
    const Node *item = items->data[i];
    if (item->kind != ITEM_STAGE) continue;
    const char *name = item->as.stage.name.name;
    ok &= check_blocks(b, &item->as.stage.items, name, &unnamed);
    target = (CheckTarget){.stage = name, .span = item->span};
    if (!unnamed) ok &= check_stage(b, &target);
  }
  return ok;
}

static bool has_levels(const Build *b) {
  const NodeList *items = &b->program->file->as.file.items;
  for (size_t i = 0; i < items->count; i++)
    if (items->data[i]->kind == ITEM_LEVEL || items->data[i]->kind == ITEM_STAGE) return true;
  return false;
}

// ---- building

// What `bloc check` builds of a file whose solve blocks all have names: the first one.
static const char *solve_to_build(const Build *b) {
  const NodeList *items = &b->program->file->as.file.items;
  const char *first = NULL;
  if (b->options->solve || !b->options->all_solves) return b->options->solve;
  for (size_t i = 0; i < items->count; i++) {
    if (items->data[i]->kind != ITEM_SOLVE) continue;
    const char *name = items->data[i]->as.solve.name.name;
    if (!name) return NULL;
    if (!first) first = name;
  }
  return first;
}

static bool build_stages(Build *b, Context *c) {
  size_t errors = diagnostics_errors(build_diagnostics(b));
  b->data_entry = made_entry(c, 0, "data");
  if (diagnostics_errors(build_diagnostics(b)) > errors) return false;
  if (!has_levels(b)) return true;
  if (!stages_collect(c)) return false;
  blo_program described = {0};
  const Name *atoms;
  size_t atom_count;
  declare_describe(c, &described, &atoms, &atom_count);
  for (size_t i = 0; i < c->stages.count; i++) {
    Stage *stage = c->stages.data[i];
    const char *wanted = stage->node ? b->options->solve : solve_to_build(b);
    const char *solve = stage_solve_name(c, stage, wanted);
    if (!stage_solver(c, stage, solve, chosen_span(b), NULL)) return false;
    stage_find_cold(c, stage);
    if (!stage_entries(c, stage, atoms, atom_count)) return false;
  }
  for (size_t i = 0; i < c->stages.count; i++) stage_warn_unread(c, c->stages.data[i]);
  return true;
}

static bool wanted(const Build *b, const char *test) {
  return !b->options->test_filter || strstr(test, b->options->test_filter);
}

static bool build_tests(Build *b) {
  const NodeList *items = &b->program->file->as.file.items;
  bool ok = true;
  size_t number = 0;
  for (size_t i = 0; i < items->count; i++) {
    if (items->data[i]->kind != ITEM_TEST) continue;
    number++;
    if (wanted(b, items->data[i]->as.test.name)) ok &= test_build(b, items->data[i], number);
  }
  return ok;
}

Built *build_program(Compilation *compilation, const Program *program,
                     const BuildOptions *options) {
  size_t errors = diagnostics_errors(compilation->diagnostics);
  Build *b = build_create(compilation, program, options);
  check_own_definitions(b);
  bool ok = check_declarations(b);
  if (ok && options->stages && has_levels(b)) ok = check_solves(b);
  if (diagnostics_errors(compilation->diagnostics) != errors) return NULL;
  Context *c = context_create(b, b->module);
  c->synthetic = options->synthetic;
  if (ok && options->stages) ok = build_stages(b, c);
  if (ok && options->tests) ok = build_tests(b);
  if (!ok || diagnostics_errors(compilation->diagnostics) != errors) return NULL;
  return describe_program(c);
}
