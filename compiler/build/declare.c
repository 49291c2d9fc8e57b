// Declared dims and data: rows of the program's description, and values inside entries.
//
// Enters: `dim` and `data` items of the user's file. Leaves: `Field`s in file order with their
// types, one row of blo_program.data per leaf; in an entry a field is an input, unless the program
// makes it (made.c) in this very entry, or a test gives or draws it.
#include "build/program.h"

#include <limits.h>
#include <string.h>

// ---- what is declared

static void collect_data(Build *b, const Node *data, const Node *stage) {
  bool in_table = data->as.data.name.name != NULL;
  for (size_t i = 0; i < data->as.data.fields.count; i++) {
    const Node *node = data->as.data.fields.data[i];
    if (node->kind != PART_FIELD) continue;
    const char *name = node->as.field.name.name;
    Field field = {.node = node,
                   .data = data,
                   .stage = stage,
                   .name = name,
                   .in_table = in_table,
                   .computed = node->as.field.initial != NULL};
    if (in_table) field.name = arena_printf(b->arena, "%s.%s", data->as.data.name.name, name);
    if (stage) field.name = arena_printf(b->arena, "%s.%s", stage->as.stage.name.name, field.name);
    VEC_PUSH(b->arena, &b->fields, field);
  }
}

void declare_collect(Build *b) {
  const NodeList *items = &b->program->file->as.file.items;
  for (size_t i = 0; i < items->count; i++) {
    const Node *item = items->data[i];
    if (item->kind == ITEM_DATA) collect_data(b, item, NULL);
    if (item->kind == ITEM_STAGE)
      for (size_t k = 0; k < item->as.stage.items.count; k++)
        if (item->as.stage.items.data[k]->kind == ITEM_DATA)
          collect_data(b, item->as.stage.items.data[k], item);
    if (item->kind != ITEM_DIMS) continue;
    for (size_t k = 0; k < item->as.dims.dims.count; k++)
      if (item->as.dims.dims.data[k]->kind == PART_DIM)
        VEC_PUSH(b->arena, &b->dims, item->as.dims.dims.data[k]);
  }
  made_find_moments(b);
}

const Field *field_of_binding(const Build *b, const Binding *binding) {
  for (size_t i = 0; i < b->fields.count; i++)
    if (b->fields.data[i].node == binding->node) return &b->fields.data[i];
  return NULL;
}

const Field *field_of_table(const Build *b, const Node *data, Name column) {
  for (size_t i = 0; i < b->fields.count; i++) {
    const Field *field = &b->fields.data[i];
    if (field->data == data && field->node->as.field.name.name == column) return field;
  }
  return NULL;
}

const char *place_text(Build *b, Span span) {
  if (!span.source) return "";
  const Source *source = source_get(b->compilation->sources, span.source);
  Position position = source_position(source, span.start);
  return arena_printf(b->arena, "%s:%u:%u", source->path, position.line, position.column);
}

// ---- types

const Dim *table_rows(Context *c, const Node *data) {
  if (map_has(c->made, data)) return map_get(c->made, data);
  map_put(c->made, data, NULL);
  const Node *extent = data->as.data.extent;
  Staged *given = evaluate(c->e, extent, NULL, NULL);
  const Dim *rows = NULL;
  if (staged_is_poison(given)) return NULL;
  const char *what =
      arena_printf(c->build->arena, "the number of rows of `%s`", data->as.data.name.name);
  if (!static_dim(c->e, given, &rows, extent->span, what)) return NULL;
  map_put(c->made, data, (void *)(uintptr_t)rows);
  return rows;
}

static const Dim *declared_classes(Context *c, const Node *set) {
  if (!set) return NULL;
  const Node *callee = set->kind == EXPR_CALL ? set->as.call.callee : NULL;
  const Binding *binding = callee && callee->kind == EXPR_NAME ? callee->as.name.binding : NULL;
  bool classes = binding && binding->kind == BIND_BUILTIN && binding->builtin == BUILTIN_CLASSES;
  if (!classes || set->as.call.arguments.count != 1) {
    if (set->kind == NODE_ERROR) return NULL;
    Diagnostic *d =
        report(build_diagnostics(c->build), E0208, set->span, "data has no set of this kind");
    diagnostic_help(d, "integers below k are declared by `in classes(k)`");
    return NULL;
  }
  const Dim *count = NULL;
  Staged *given = evaluate(c->e, set->as.call.arguments.data[0]->as.argument.value, NULL, NULL);
  if (staged_is_poison(given)) return NULL;
  return static_dim(c->e, given, &count, set->span, "the number of classes") ? count : NULL;
}

// The type of one row (or of the whole, outside of tables); NULL after a report.
static const TypeSpec *declared_spec(Context *c, const Field *field) {
  const Node *node = field->node->as.field.type;
  const TypeSpec *spec = evaluate_type(c->e, node, NULL);
  if (!spec) return NULL;
  bool scalar = spec->kind == SPEC_REAL || spec->kind == SPEC_INT;
  if (scalar || (spec->kind == SPEC_TENSOR && spec->real_dtype && !spec->any_shape)) {
    TypeSpec *plain = ARENA_NEW(c->build->arena, TypeSpec);
    *plain = (TypeSpec){.kind = SPEC_TENSOR,
                        .dtype = spec->kind == SPEC_INT ? DT_I64 : c->e->real,
                        .rank = scalar ? 0 : spec->rank,
                        .shape = spec->shape,
                        .span = spec->span};
    return plain;
  }
  bool data = spec->kind == SPEC_TENSOR || spec->kind == SPEC_STRUCT || spec->kind == SPEC_TUPLE ||
              spec->kind == SPEC_ARRAY;
  if (data && !spec->any_shape) return spec;
  if (spec->kind != SPEC_ANY)
    report(build_diagnostics(c->build), E0303, node->span,
           "data has an element type and dims, like `f64[n, d]`, or is a struct of such");
  return NULL;
}

// The whole column: in a table every leaf has the rows as a further first axis.
static const TypeSpec *column_spec(Context *c, const TypeSpec *row, const Dim *rows, Span span) {
  if (!rows) return row;
  Arena *arena = c->build->arena;
  TypeSpec *spec = ARENA_NEW(arena, TypeSpec);
  if (row->kind != SPEC_TENSOR) {
    const TypeSpec **items = ARENA_ARRAY(arena, const TypeSpec *, 1);
    items[0] = row;
    *spec = (TypeSpec){
        .kind = SPEC_ARRAY, .extent = rows, .items = items, .count = 1, .span = row->span};
    return spec;
  }
  if (row->rank + 1 > MAX_RANK) {
    report(build_diagnostics(c->build), E0303, span, "data has at most %d axes", MAX_RANK);
    return NULL;
  }
  const Dim **shape = ARENA_ARRAY(arena, const Dim *, (size_t)row->rank + 1);
  shape[0] = rows;
  for (int i = 0; i < row->rank; i++) shape[i + 1] = row->shape[i];
  *spec = *row;
  spec->rank++;
  spec->shape = shape;
  return spec;
}

// Layout and leaf types, from a value that is made where nothing uses it.
static bool declare_leaves(Context *c, FieldValue *value) {
  Builder builder = c->e->builder;
  c->e->builder = builder_at(c->scratch);
  value->like = zeros_of_spec(c->e, value->whole);
  c->e->builder = builder;
  if (staged_is_poison(value->like)) return false;
  ValueList leaves = {0};
  NameList names = {0};
  staged_leaves(c->e, value->like, &leaves);
  leaf_names(c->build->arena, c->build->compilation->names, value->field->name,
             staged_layout(value->like), &names);
  for (size_t i = 0; i < leaves.count; i++) {
    VEC_PUSH(c->build->arena, &value->types, leaves.data[i]->type);
    VEC_PUSH(c->build->arena, &value->names, names.data[i]);
  }
  return true;
}

// Rows of blo_program.data before this field's.
static int first_row(Context *c, const Field *field) {
  int row = 0;
  for (const Field *before = c->build->fields.data; before != field; before++) {
    const FieldValue *value = field_declared(c, before);
    row += value ? (int)value->types.count : 1;
  }
  return row;
}

static bool classes_fit(Context *c, const FieldValue *value) {
  if (!value->classes ||
      (value->like->kind != STAGED_TREE && dtype_is_integer(value->types.data[0]->dtype)))
    return true;
  report(build_diagnostics(c->build), E0302, value->field->node->as.field.set->span,
         "`classes` wants integers; `%s` is %s", value->field->name,
         staged_describe(c->e, value->like));
  return false;
}

const FieldValue *field_declared(Context *c, const Field *field) {
  if (map_has(c->made, field->node)) return map_get(c->made, field->node);
  map_put(c->made, field->node, NULL);
  const Dim *rows = field->in_table ? table_rows(c, field->data) : NULL;
  if (field->in_table && !rows) return NULL;
  FieldValue *value = ARENA_NEW(c->build->arena, FieldValue);
  *value = (FieldValue){.field = field, .extent = rows, .spec = declared_spec(c, field)};
  value->classes = declared_classes(c, field->node->as.field.set);
  if (!value->spec) return NULL;
  value->whole = column_spec(c, value->spec, rows, field->node->as.field.type->span);
  if (!value->whole || !declare_leaves(c, value) || !classes_fit(c, value)) return NULL;
  value->row = first_row(c, field);
  map_put(c->made, field->node, value);
  return value;
}

// ---- values

static Staged *drawn_field(Context *c, const FieldValue *field) {
  uint64_t place = place_hash("synthetic", field->field->name);
  return draw_field(c, field, key_fold_hash(c, c->synthetic_seed, place));
}

// The leaves as inputs of the entry.
static Staged *input_field(Context *c, const FieldValue *field) {
  ValueList leaves = {0};
  for (size_t i = 0; i < field->types.count; i++)
    VEC_PUSH(c->build->arena, &leaves,
             entry_input(c, field->names.data[i], field->types.data[i], BLO_ROLE_DATA,
                         field->row + (int)i));
  Value *const *next = leaves.data;
  return staged_rebuild(c->e, field->like, &next);
}

// What a test says for one field: `data.train.x = ...;`.
static Staged *given_field(Context *c, const FieldValue *field, const Setting *given) {
  Staged *value = evaluate(c->e, given->value, given->environment, field->whole);
  if (staged_is_poison(value)) return value;
  const char *what = arena_printf(c->build->arena, "the data `%s`", field->field->name);
  return coerce(c->e, value, field->whole, true, given->value->span, what);
}

static Staged *make_field(Context *c, const FieldValue *value, Span span) {
  const Field *field = value->field;
  const Setting *given = c->test ? test_given_field(c, field) : NULL;
  if (given) return given_field(c, value, given);
  if (field->computed && made_here(c, field)) return compute_field(c, value, span);
  if (c->synthetic && !field->computed) return drawn_field(c, value);
  if (c->no_data) return test_no_data(c);
  if (!c->entry) return staged_poison;
  return input_field(c, value);
}

// A stage sees what was made before it began; the reports at the end see everything.
static bool made_in_time(Context *c, const Field *field, Span span) {
  int now = c->stage ? stage_number(c, c->stage) : INT_MAX - 1;
  if (c->stage && c->stage->finishing) now++;
  if (c->test || field->moment <= now) return true;
  if (field->misplaced) return false;
  const Stage *after = c->stages.data[field->moment - 1];
  Diagnostic *d = report(build_diagnostics(c->build), E0207, span,
                         "`%s` is made from the results of stage `%s`, which are not there when "
                         "stage `%s` begins",
                         field->name, after->name, c->stage->name);
  diagnostic_label(d, field->node->span, "declared here");
  diagnostic_help(d, "stages run in the order of the file: move what uses it behind `%s`",
                  after->name);
  return false;
}

Staged *field_value(Context *c, const Field *field, Span span) {
  Staged *known = map_get(c->columns, field);
  if (known) return known;
  if (map_get(c->busy, field->node))
    return no_value(c, span, "the data `%s` is made from itself", field->name);
  const FieldValue *value = field_declared(c, field);
  if (!value || !made_in_time(c, field, span)) return staged_poison;
  // Made at the top of the entry, outside every level and call.
  Builder builder = c->e->builder;
  Dynamic dynamic = c->e->dynamic;
  Point *point = c->point;
  if (c->entry) c->e->builder.block = c->entry->func->body;
  c->point = NULL;
  c->e->dynamic = (Dynamic){.depth = dynamic.depth, .calls = dynamic.calls};
  map_put(c->busy, field->node, (void *)(uintptr_t)field);
  Staged *result = make_field(c, value, span);
  map_put(c->busy, field->node, NULL);
  c->e->builder = builder;
  c->e->dynamic = dynamic;
  c->point = point;
  map_put(c->columns, field, result);
  return result;
}

typedef struct Table {
  Context *context;
  const Binding *binding;
} Table;

static Staged *table_member(Evaluator *e, const Object *object, Name name, Span span) {
  (void)e;
  const Table *table = object->data;
  const Field *field = field_of_table(table->context->build, table->binding->node, name);
  return field ? field_value(table->context, field, span) : NULL;
}

Staged *table_value(Context *c, const Binding *binding) {
  Table *table = ARENA_NEW(c->build->arena, Table);
  *table = (Table){c, binding};
  Object *object = ARENA_NEW(c->build->arena, Object);
  *object = (Object){.kind = OBJECT_TABLE,
                     .binding = binding,
                     .data = table,
                     .member = table_member,
                     .phrase = arena_printf(c->build->arena, "the table `%s`", binding->name)};
  return staged_object(c->e, object);
}
