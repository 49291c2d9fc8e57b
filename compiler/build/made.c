// Data made by the program: fields with an initialiser, and when they are made.
//
// Enters: `data` items whose fields have initialisers. Leaves: their values, evaluated once in the
// entry of their moment: 0 before the first stage, k + 1 after stage k, which is the last one that
// they read, themselves or through other data. What a table draws at random belongs to (seed,
// table, row, place), so no order of evaluation is visible.
#include "build/program.h"
#include "evaluate/staging.h"

// ---- moments

// Position of a stage among those that run; of the stage at file level for NULL.
static int stage_number_of(const Build *b, const Node *stage) {
  const NodeList *items = &b->program->file->as.file.items;
  bool unnamed = false;
  int number = 0;
  for (size_t i = 0; i < items->count; i++) {
    const Node *item = items->data[i];
    if (item->kind == ITEM_STAGE && item == stage) return number;
    bool first_level = item->kind == ITEM_LEVEL && !unnamed;
    if (first_level && !stage) return number;
    unnamed |= first_level;
    number += item->kind == ITEM_STAGE || first_level;
  }
  return -1;
}

int stage_number(const Context *c, const Stage *stage) {
  for (size_t i = 0; i < c->stages.count; i++)
    if (c->stages.data[i] == stage) return (int)i;
  return 0;
}

typedef struct Reads {
  Build *build;
  const Node *table; // looked for: a read of a computed column of this item
  bool itself;
  int moment;
} Reads;

static int moment_of(Build *b, Field *field);

static void read_data(Reads *reads, const Binding *binding) {
  for (size_t i = 0; i < reads->build->fields.count; i++) {
    Field *field = &reads->build->fields.data[i];
    bool meant =
        binding->kind == BIND_FIELD ? field->node == binding->node : field->data == binding->node;
    if (!meant) continue;
    int moment = moment_of(reads->build, field);
    if (moment > reads->moment) reads->moment = moment;
  }
}

static void find_reads(void *self, Node *node) {
  Reads *reads = self;
  const Binding *binding = node->kind == EXPR_NAME ? node->as.name.binding : NULL;
  if (binding && binding->kind == BIND_STAGE) {
    int moment = stage_number_of(reads->build, binding->node) + 1;
    if (moment > reads->moment) reads->moment = moment;
  }
  if (binding && (binding->kind == BIND_TABLE || binding->kind == BIND_FIELD))
    read_data(reads, binding);
  node_children(node, find_reads, self);
}

// Lets belong to all fields of their item.
static int moment_of(Build *b, Field *field) {
  if (!field->computed || field->finding) return field->moment;
  field->finding = true;
  Reads reads = {.build = b};
  const NodeList *lets = &field->data->as.data.lets;
  for (size_t i = 0; i < lets->count; i++) find_reads(&reads, lets->data[i]);
  find_reads(&reads, field->node->as.field.initial);
  field->moment = reads.moment;
  return field->moment;
}

static void check_moment(Build *b, Field *field) {
  if (!field->stage || field->moment <= stage_number_of(b, field->stage)) return;
  field->misplaced = true;
  Name name = field->stage->as.stage.name.name;
  Diagnostic *d = report(build_diagnostics(b), E0207, field->node->span,
                         "the data `%s` is made before stage `%s` begins, and reads results that "
                         "are not there then",
                         field->name, name);
  diagnostic_help(d, "data of a stage may read earlier stages; move it behind `%s`", name);
}

void made_find_moments(Build *b) {
  for (size_t i = 0; i < b->fields.count; i++) moment_of(b, &b->fields.data[i]);
  for (size_t i = 0; i < b->fields.count; i++) check_moment(b, &b->fields.data[i]);
}

bool made_here(const Context *c, const Field *field) {
  return c->makes_all || c->makes == field->moment;
}

// ---- tables in one piece

// Does a field read a computed column of its own table? Then columns are made one by one.
static void find_own(void *self, Node *node) {
  Reads *reads = self;
  const Node *base = node->kind == EXPR_MEMBER ? node->as.member.base : NULL;
  const Binding *binding = base && base->kind == EXPR_NAME ? base->as.name.binding : NULL;
  if (binding && binding->kind == BIND_TABLE && binding->node == reads->table) {
    const Field *field = field_of_table(reads->build, reads->table, node->as.member.member.name);
    reads->itself |= field && field->computed;
  }
  node_children(node, find_own, self);
}

static bool reads_itself(Build *b, const Node *data) {
  Reads reads = {.build = b, .table = data};
  node_children(data, find_own, &reads);
  return reads.itself;
}

// ---- values

typedef struct Row {
  Context *context;
  const Node *data;
  const FieldValue *const *fields; // what one row gives, in order
  int count;
} Row;

static Staged *computed_value(Context *c, const FieldValue *field, const Environment *environment) {
  const Node *initial = field->field->node->as.field.initial;
  Staged *value = evaluate(c->e, initial, environment, field->spec);
  if (staged_is_poison(value)) return value;
  const char *what = arena_printf(c->build->arena, "the data `%s`", field->field->name);
  return coerce(c->e, value, field->spec, true, initial->span, what);
}

// One row: the row variable, lets and conditions, then the fields.
static Staged *computed_row(Evaluator *e, Value *counter, Staged *carries, void *self) {
  (void)carries;
  const Row *row = self;
  const Environment *environment = NULL;
  // Rows draw for themselves.
  if (counter && e->dynamic.key) dynamic_draw(e, counter);
  if (counter && row->data->as.data.row_binding)
    environment =
        environment_add(e, environment, row->data->as.data.row_binding, staged_tensor(e, counter));
  environment = evaluate_statements(e, &row->data->as.data.lets, environment);
  Staged **values = ARENA_ARRAY(e->arena, Staged *, (size_t)row->count + 1);
  for (int i = 0; i < row->count; i++) {
    values[i] = computed_value(row->context, row->fields[i], environment);
    if (staged_is_poison(values[i])) return staged_poison;
  }
  return row->count == 1 ? values[0] : staged_tuple(e, values, row->count);
}

static Staged *make_rows(Context *c, const Row *row, const Dim *extent, Span span) {
  // One key for all columns: a draw in a `let` is the same draw in each of them.
  const Field *first = row->fields[0]->field;
  const char *name = first->in_table ? first->data->as.data.name.name : first->name;
  if (c->test)
    c->seed = test_seed(c, first->moment);
  else
    take_seed(c);
  dynamic_step(c->e, key_fold_hash(c, c->seed, place_hash("data", name)));
  Row copy = *row;
  if (!extent) return computed_row(c->e, NULL, NULL, &copy);
  return build_map(c->e, extent, computed_row, &copy, span);
}

// All computed columns of a table at once, so that what its lets do is done once.
static Staged *compute_table(Context *c, const FieldValue *wanted, Span span) {
  Build *b = c->build;
  const Node *data = wanted->field->data;
  const FieldValue **fields = ARENA_ARRAY(b->arena, const FieldValue *, b->fields.count + 1);
  int count = 0, position = 0;
  for (size_t i = 0; i < b->fields.count; i++) {
    const Field *field = &b->fields.data[i];
    if (field->data != data || !field->computed) continue;
    if (field == wanted->field) position = count;
    fields[count] = field_declared(c, field);
    if (!fields[count++]) return staged_poison;
  }
  Row row = {c, data, fields, count};
  Staged *made = map_get(c->columns, data);
  if (!made) made = make_rows(c, &row, wanted->extent, span);
  map_put(c->columns, data, made);
  if (staged_is_poison(made) || count == 1) return made;
  return tree_child(c->e, made, position);
}

Staged *compute_field(Context *c, const FieldValue *field, Span span) {
  Value *seed = c->seed;
  Stage *stage = c->stage;
  Value *t = c->t, *iteration = c->iteration;
  c->t = c->iteration = NULL;
  const FieldValue *one[] = {field};
  Row row = {c, field->field->data, one, 1};
  bool alone = !field->extent || reads_itself(c->build, field->field->data);
  Staged *value = alone ? make_rows(c, &row, field->extent, span) : compute_table(c, field, span);
  c->t = t;
  c->iteration = iteration;
  c->stage = stage;
  if (c->test) c->seed = seed;
  return value;
}

// ---- entries

int made_entry(Context *c, int moment, const char *name) {
  Build *b = c->build;
  bool any = false;
  for (size_t i = 0; i < b->fields.count; i++)
    any |= b->fields.data[i].computed && b->fields.data[i].moment == moment;
  if (!any) return -1;
  Stage *stage = c->stage;
  c->stage = NULL;
  entry_create(c, name);
  take_seed(c);
  c->makes = moment;
  for (size_t i = 0; i < b->fields.count; i++) {
    const Field *field = &b->fields.data[i];
    if (!field->computed || field->moment != moment) continue;
    const FieldValue *declared = field_declared(c, field);
    Staged *value = field_value(c, field, field->node->span);
    if (!declared || staged_is_poison(value)) continue;
    ValueList leaves = {0};
    staged_leaves(c->e, value, &leaves);
    for (size_t k = 0; k < leaves.count; k++)
      entry_output(c, declared->names.data[k], leaves.data[k], BLO_ROLE_DATA,
                   declared->row + (int)k);
  }
  c->makes = -1;
  c->stage = stage;
  return (int)entry_finish(c);
}
