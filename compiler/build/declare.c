// Declared dims and data: rows of the program's description, and values inside entries.
//
// Enters: `dim` and `data` items of the user's file. Leaves: `Field`s in file order with their
// types; in an entry a field is an input, unless the program makes it (an initialiser) and the
// entry is the one that makes it, or a test draws it.
#include "build/program.h"

#include <string.h>

// ---- what is declared

static void collect_data(Build *b, const Node *data) {
  bool in_table = data->as.data.name.name != NULL;
  for (size_t i = 0; i < data->as.data.fields.count; i++) {
    const Node *node = data->as.data.fields.data[i];
    if (node->kind != PART_FIELD) continue;
    const char *name = node->as.field.name.name;
    Field field = {.node = node,
                   .data = data,
                   .name = name,
                   .in_table = in_table,
                   .computed = node->as.field.initial != NULL,
                   .index = (int)b->fields.count};
    if (in_table) field.name = arena_printf(b->arena, "%s.%s", data->as.data.name.name, name);
    VEC_PUSH(b->arena, &b->fields, field);
  }
}

void declare_collect(Build *b) {
  const NodeList *items = &b->program->file->as.file.items;
  for (size_t i = 0; i < items->count; i++) {
    const Node *item = items->data[i];
    if (item->kind == ITEM_DATA) collect_data(b, item);
    if (item->kind != ITEM_DIMS) continue;
    for (size_t k = 0; k < item->as.dims.dims.count; k++)
      if (item->as.dims.dims.data[k]->kind == PART_DIM)
        VEC_PUSH(b->arena, &b->dims, item->as.dims.dims.data[k]);
  }
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

static const Type *declared_type(Context *c, const Field *field, const Dim *rows) {
  const Node *node = field->node->as.field.type;
  const TypeSpec *spec = evaluate_type(c->e, node, NULL);
  if (!spec) return NULL;
  bool real = spec->kind == SPEC_REAL, integer = spec->kind == SPEC_INT;
  if ((spec->kind != SPEC_TENSOR && !real && !integer) || spec->any_shape) {
    if (spec->kind != SPEC_ANY)
      report(build_diagnostics(c->build), spec->kind == SPEC_STRUCT ? E0211 : E0303, node->span,
             spec->kind == SPEC_STRUCT ? "data of a struct type comes later"
                                       : "data has an element type and dims, like `f64[n, d]`");
    return NULL;
  }
  Dtype dtype = integer ? DT_I64 : real || spec->real_dtype ? c->e->real : spec->dtype;
  const Dim *shape[MAX_RANK];
  int rank = 0, inner = real || integer ? 0 : spec->rank;
  if (field->in_table) shape[rank++] = rows;
  if (rank + inner > MAX_RANK) {
    report(build_diagnostics(c->build), E0303, node->span, "data has at most %d axes", MAX_RANK);
    return NULL;
  }
  for (int i = 0; i < inner; i++) shape[rank++] = spec->shape[i];
  return type_get(c->module, dtype, rank, shape);
}

const FieldValue *field_declared(Context *c, const Field *field) {
  if (map_has(c->made, field->node)) return map_get(c->made, field->node);
  map_put(c->made, field->node, NULL);
  const Dim *rows = field->in_table ? table_rows(c, field->data) : NULL;
  if (field->in_table && !rows) return NULL;
  const Type *type = declared_type(c, field, rows);
  const Dim *classes = declared_classes(c, field->node->as.field.set);
  if (!type) return NULL;
  if (classes && !dtype_is_integer(type->dtype)) {
    report(build_diagnostics(c->build), E0302, field->node->as.field.set->span,
           "`classes` wants integers; `%s` is %s", field->name, type_text(c->module, type));
    return NULL;
  }
  FieldValue *value = ARENA_NEW(c->build->arena, FieldValue);
  *value = (FieldValue){field, type, rows, classes};
  map_put(c->made, field->node, value);
  return value;
}

// ---- values

// The type one row of a computed column has.
static TypeSpec row_spec(const FieldValue *field) {
  int skip = field->extent ? 1 : 0;
  return (TypeSpec){.kind = SPEC_TENSOR,
                    .dtype = field->type->dtype,
                    .rank = field->type->rank - skip,
                    .shape = field->type->shape + skip,
                    .span = field->field->node->as.field.type->span};
}

typedef struct Row {
  Context *context;
  const FieldValue *field;
} Row;

static Staged *computed_value(Context *c, const FieldValue *field, const Environment *environment) {
  const Node *initial = field->field->node->as.field.initial;
  TypeSpec spec = row_spec(field);
  Staged *value = evaluate(c->e, initial, environment, &spec);
  if (staged_is_poison(value)) return value;
  const char *what = arena_printf(c->build->arena, "the data `%s`", field->field->name);
  return coerce(c->e, value, &spec, true, initial->span, what);
}

// One row: the row variable, the lets, then the field.
static Staged *computed_row(Evaluator *e, Value *counter, Staged *carries, void *self) {
  (void)carries;
  const Row *row = self;
  const Node *data = row->field->field->data;
  const Environment *environment = NULL;
  // Rows draw for themselves.
  if (e->dynamic.key) dynamic_draw(e, counter);
  if (data->as.data.row_binding)
    environment =
        environment_add(e, environment, data->as.data.row_binding, staged_tensor(e, counter));
  for (size_t i = 0; i < data->as.data.lets.count; i++)
    environment = evaluate_let(e, data->as.data.lets.data[i], environment);
  return computed_value(row->context, row->field, environment);
}

static Staged *compute_field(Context *c, const FieldValue *field, Span span) {
  // One key for all columns of a table: a draw in a `let` is the same draw in each of them.
  const Field *declared = field->field;
  const char *name = declared->in_table ? declared->data->as.data.name.name : declared->name;
  Value *key = key_fold_hash(c, c->seed, place_hash("data", name));
  dynamic_step(c->e, key);
  Row row = {c, field};
  if (field->extent) return build_map(c->e, field->extent, computed_row, &row, span);
  return computed_value(c, field, NULL);
}

static Staged *drawn_field(Context *c, const FieldValue *field) {
  uint64_t place = place_hash("synthetic", field->field->name);
  return draw_field(c, field, key_fold_hash(c, c->synthetic_seed, place));
}

static Staged *make_field(Context *c, const FieldValue *value, Span span) {
  const Field *field = value->field;
  if (field->computed && c->computed_inline) {
    take_seed(c);
    return compute_field(c, value, span);
  }
  if (c->synthetic && !field->computed) return drawn_field(c, value);
  if (c->no_data) return test_no_data(c);
  if (!c->entry) return staged_poison;
  return staged_tensor(c->e, entry_input(c, field->name, value->type, BLO_ROLE_DATA, field->index));
}

Staged *field_value(Context *c, const Field *field, Span span) {
  Staged *known = map_get(c->columns, field);
  if (known) return known;
  if (map_get(c->busy, field->node))
    return no_value(c, span, "the data `%s` is made from itself", field->name);
  const FieldValue *value = field_declared(c, field);
  if (!value) return staged_poison;
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
