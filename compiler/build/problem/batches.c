// Batches: rows of a table, chosen by the IR itself.
//
// Enters: `batch b = sample(train, 128);` at a point. Leaves: an object whose columns are gathers
// by `index`, made on demand. `sample` draws without replacement anew for every draw; `shuffle`
// walks through a fresh order each epoch; `sequence` walks in table order. A batch as large as its
// table, and every batch under `full(f)`, is the table itself. With `where = col` the same is done
// with the rows where col holds, whose numbers are packed first; how many they are is known only
// while running, and fewer than the batch has are a note (E0703). Where `dynamic.part` is set, a
// batch is that part of its table in order, however the program samples.
#include "build/program.h"
#include "evaluate/staging.h"

#include <string.h>

typedef struct Batch {
  Context *context;
  Point *point;
  const Node *node; // NODE_BATCH
  const Binding *table;
  const Dim *rows, *size; // of the table, of the batch
  Builtin sampler;
  bool whole;
  const Node *filter; // `where = ...`, or NULL
  Value *index;       // made on demand
  Map *columns;       // Name -> Staged
} Batch;

static Builtin sampler_of(const Node *value) {
  if (value->kind != EXPR_CALL || value->as.call.callee->kind != EXPR_NAME) return BUILTIN_NONE;
  const Binding *binding = value->as.call.callee->as.name.binding;
  if (!binding || binding->kind != BIND_BUILTIN) return BUILTIN_NONE;
  Builtin builtin = (Builtin)binding->builtin;
  bool samples =
      builtin == BUILTIN_SAMPLE || builtin == BUILTIN_SHUFFLE || builtin == BUILTIN_SEQUENCE;
  return samples ? builtin : BUILTIN_NONE;
}

// The key of a batch: its own stream of the present draw, also where two levels name theirs alike.
static Value *batch_key(Context *c, const Batch *batch, Value *key) {
  const char *level = batch->point->stage->name;
  uint64_t hash = place_hash("batch", batch->node->as.batch.name.name);
  int number = batch->node->as.batch.number;
  if (number) hash = hash_mix(hash, (uint64_t)number);
  return key_fold_hash(c, key, hash_mix(hash, place_hash("level", level)));
}

static Value *index_range(Context *c, const Dim *size) {
  const Type *type = type_get(c->module, DT_I64, 1, &size);
  return ir_iota(&c->e->builder, type, 0);
}

// Rows that may be drawn: `numbers` NULL for all of the table.
typedef struct Choice {
  Value *count, *numbers;
} Choice;

// The truth values of `where`, one per row. They belong to the data: no variable is seen.
static Value *filter_value(Context *c, const Batch *batch) {
  const Node *node = batch->filter;
  Point *point = c->point;
  c->point = NULL;
  Staged *given = evaluate(c->e, node, NULL, NULL);
  c->point = point;
  if (staged_is_poison(given)) return NULL;
  const Type *type = given->kind == STAGED_TENSOR ? given->tensor->type : NULL;
  if (type && type->dtype == DT_BOOL && type->rank == 1 && type->shape[0] == batch->rows)
    return given->tensor;
  Diagnostic *d = mistake(c->e, E0303, node->span,
                          "`where` wants a truth value for each row of `%s`; this is %s",
                          batch->table->name, staged_describe(c->e, given));
  diagnostic_help(d, "give a column of the table, `where = %s.ok`, with `ok: bool`",
                  batch->table->name);
  return NULL;
}

// Row r with col[r] goes to the place that the rows before it leave free.
static bool choose_rows(Context *c, const Batch *batch, Choice *choice) {
  Builder *b = &c->e->builder;
  *choice = (Choice){.count = ir_dim(b, batch->rows)};
  if (!batch->filter) return true;
  Value *holds = filter_value(c, batch);
  if (!holds) return false;
  Value *ones = ir_convert(b, holds, DT_I64), *rows = index_range(c, batch->rows);
  Value *place = ir_cumsum(b, ones, 0, false, true), *size = ir_dim(b, batch->size);
  int8_t axis = 0;
  choice->numbers =
      ir_scatter_add(b, ir_zero(b, rows->type), ir_binary(b, OP_MUL, ones, rows), 1, &axis, &place);
  choice->count = ir_sum_all(b, ones);
  Span span = b->span;
  b->span = batch->filter->span;
  ir_note(b, ir_compare(b, COMPARE_LT, choice->count, size), E0703,
          arena_printf(c->build->arena,
                       "the batch `%s` has %s rows, and fewer rows of `%s` satisfy its `where`",
                       batch->node->as.batch.name.name, dim_phrase(c->e, batch->size),
                       batch->table->name));
  b->span = span;
  choice->count = ir_binary(b, OP_MAX, choice->count, size);
  return true;
}

static Value *chosen_rows(Context *c, const Choice *choice, Value *index) {
  if (!choice->numbers) return index;
  int8_t axis = 0;
  return ir_gather(&c->e->builder, choice->numbers, 1, &axis, &index);
}

static Value *sampled_index(Context *c, Batch *batch, const Choice *choice, Value *key,
                            Value *start) {
  const Type *type = type_get(c->module, DT_I64, 1, &batch->size);
  Value *operands[] = {key, start, choice->count};
  Value *index = ir_random_rows(&c->e->builder, RANDOM_INDEX, type, operands, 3, 1);
  return chosen_rows(c, choice, index);
}

static const Level *batch_level(const Batch *batch) {
  const Stage *stage = batch->point->stage;
  return map_has(stage->lower_batches, batch->node) ? &stage->lower : &stage->upper;
}

// NULL after a report.
static Value *batch_index(Context *c, Batch *batch) {
  Builder *b = &c->e->builder;
  if (batch->whole) return index_range(c, batch->rows);
  Choice choice;
  if (!choose_rows(c, batch, &choice)) return NULL;
  Value *part = c->e->dynamic.part;
  if (batch->sampler == BUILTIN_SAMPLE && !part)
    return sampled_index(c, batch, &choice, batch_key(c, batch, c->e->dynamic.key),
                         scalar_int(c, 0));
  Value *size = ir_dim(b, batch->size);
  Value *per_epoch = ir_binary(b, OP_DIV, choice.count, size);
  Value *number = part ? part : level_iteration(c, batch->point->stage, batch_level(batch));
  Value *start = ir_binary(b, OP_MUL, ir_binary(b, OP_MOD, number, per_epoch), size);
  if (batch->sampler == BUILTIN_SEQUENCE || part) {
    const Type *type = type_get(c->module, DT_I64, 1, &batch->size);
    Value *index =
        ir_binary(b, OP_ADD, index_range(c, batch->size), ir_broadcast_suffix(b, start, type));
    return chosen_rows(c, &choice, index);
  }
  Value *epoch = ir_binary(b, OP_DIV, number, per_epoch);
  Value *stream = key_fold_hash(c, c->seed, place_hash("stage", batch->point->stage->name));
  return sampled_index(c, batch, &choice, key_fold(c, batch_key(c, batch, stream), epoch), start);
}

// Runs `make` at the batch's own point, so that its values are good wherever the point is.
static void enter_point(Context *c, const Batch *batch, Builder *builder, Dynamic *dynamic) {
  *builder = c->e->builder;
  *dynamic = c->e->dynamic;
  c->e->builder.block = batch->point->block;
  c->e->dynamic = batch->point->dynamic;
}

static void leave_point(Context *c, const Builder *builder, const Dynamic *dynamic) {
  c->e->builder = *builder;
  c->e->dynamic = *dynamic;
}

static Staged *batch_column(Context *c, Batch *batch, Name name, Span span) {
  const Field *field = field_of_table(c->build, batch->table->node, name);
  if (!field) return NULL;
  Staged *column = field_value(c, field, span);
  if (staged_is_poison(column) || batch->whole) return column;
  int8_t axis = 0;
  Value *indices[] = {batch->index};
  if (column->kind == STAGED_TENSOR)
    return staged_tensor(c->e, ir_gather(&c->e->builder, column->tensor, 1, &axis, indices));
  Staged *index = staged_tensor(c->e, batch->index);
  return operate_index(c->e, column, &index, 1, span);
}

static Staged *batch_member(Evaluator *e, const Object *object, Name name, Span span) {
  Batch *batch = object->data;
  Context *c = batch->context;
  Staged *known = map_get(batch->columns, name);
  if (known) return known;
  Builder builder;
  Dynamic dynamic;
  enter_point(c, batch, &builder, &dynamic);
  bool needs_key = !batch->whole && batch->sampler == BUILTIN_SAMPLE && !e->dynamic.part;
  Staged *value = NULL;
  if (needs_key && !e->dynamic.key) {
    value = no_value(c, span, "no batch is drawn here: there is no step");
  } else {
    if (!batch->index) batch->index = batch_index(c, batch);
    if (!batch->index) {
      leave_point(c, &builder, &dynamic);
      return staged_poison;
    }
    Name index = intern(c->build->compilation->names, "index");
    value = name == index && !field_of_table(c->build, batch->table->node, name)
                ? staged_tensor(e, batch->index)
                : batch_column(c, batch, name, span);
  }
  leave_point(c, &builder, &dynamic);
  if (value) map_put(batch->columns, name, value);
  return value;
}

// `sample(table, B, where = col)`: gives the table, fills the filter. NULL after a report.
static const Node *table_argument(Context *c, const Node *node, const Node *call,
                                  const Node **filter) {
  const NodeList *arguments = &call->as.call.arguments;
  size_t positional = 0;
  for (size_t i = 0; i < arguments->count; i++) {
    const Node *argument = arguments->data[i];
    Name name = argument->as.argument.name.name;
    positional += !name;
    if (!name) continue;
    if (strcmp(name, "where") != 0) {
      Diagnostic *d = report(build_diagnostics(c->build), E0304, argument->span,
                             "a batch has no argument `%s`", name);
      diagnostic_help(d, "`where = table.col` draws among the rows where col holds");
      return NULL;
    }
    *filter = argument->as.argument.value;
  }
  const Node *table = positional == 2 ? arguments->data[0]->as.argument.value : NULL;
  const Binding *binding = table && table->kind == EXPR_NAME ? table->as.name.binding : NULL;
  if (binding && binding->kind == BIND_TABLE) return table;
  Diagnostic *d = report(build_diagnostics(c->build), E0303, table ? table->span : node->span,
                         "a batch is drawn from a table");
  diagnostic_help(d, "declare the data as a table, `data train[n] { ... }`, and write "
                     "`sample(train, 128)`");
  return NULL;
}

static bool batch_too_large(Context *c, const Batch *batch, Span span) {
  Diagnostic *d =
      mistake(c->e, E0305, span, "the batch has %s rows, but `%s` has %s",
              dim_phrase(c->e, batch->size), batch->table->name, dim_phrase(c->e, batch->rows));
  diagnostic_help(d, "draw fewer rows, or use `%s` itself for all of them", batch->table->name);
  return false;
}

// How many rows: decides between a part and the whole of the table.
static bool batch_size(Context *c, Batch *batch, const Node *value) {
  const Node *size = value->as.call.arguments.data[1]->as.argument.value;
  Staged *given = evaluate(c->e, size, NULL, NULL);
  if (staged_is_poison(given)) return false;
  if (!static_dim(c->e, given, &batch->size, size->span, "the size of a batch")) return false;
  int64_t constant, difference;
  if (dim_is_const(batch->size, &constant) && constant < 1) {
    report(build_diagnostics(c->build), E0303, size->span, "a batch has at least one row");
    return false;
  }
  DimTable *dims = c->module->dims;
  if (c->e->dynamic.full && batch->filter) {
    Diagnostic *d = report(build_diagnostics(c->build), E0207, batch->filter->span,
                           "`full` of an objective needs whole tables, and the batch `%s` takes a "
                           "part whose size is known only while running",
                           batch->node->as.batch.name.name);
    diagnostic_help(d,
                    "weigh the rows by `f64(%s.ok)` instead, or choose a method that draws "
                    "batches only",
                    batch->table->name);
    return false;
  }
  if (c->e->dynamic.full || (batch->rows == batch->size && !batch->filter))
    batch->whole = true;
  else if (batch->rows == batch->size)
    return true;
  else if (dim_difference(dims, batch->rows, batch->size, &difference) && difference < 0)
    return batch_too_large(c, batch, size->span);
  else if (!dim_difference(dims, batch->rows, batch->size, &difference))
    dim_require_nonnegative(dims, dim_sub(dims, batch->rows, batch->size), size->span);
  return true;
}

const Dim *batch_rows(const Staged *value) {
  const Batch *batch = value->object->data;
  return batch->whole ? batch->rows : batch->size;
}

Staged *batch_value(Context *c, Point *point, const Node *node) {
  const Node *value = node->as.batch.value;
  Builtin sampler = sampler_of(value);
  if (!sampler) {
    if (value->kind == NODE_ERROR) return staged_poison;
    Diagnostic *d = report(build_diagnostics(c->build), E0303, value->span, "`%s` is no batch",
                           node->as.batch.name.name);
    diagnostic_help(d, "batches are made by `sample(table, B)`, `shuffle(table, B)` or "
                       "`sequence(table, B)`");
    return staged_poison;
  }
  const Node *filter = NULL, *table = table_argument(c, node, value, &filter);
  if (!table) return staged_poison;
  Batch *batch = ARENA_NEW(c->build->arena, Batch);
  *batch = (Batch){.context = c,
                   .point = point,
                   .node = node,
                   .filter = filter,
                   .sampler = sampler,
                   .table = table->as.name.binding,
                   .columns = map_create(c->build->arena)};
  batch->rows = table_rows(c, batch->table->node);
  if (!batch->rows || !batch_size(c, batch, value)) return staged_poison;
  Object *object = ARENA_NEW(c->build->arena, Object);
  *object =
      (Object){.kind = OBJECT_BATCH,
               .data = batch,
               .member = batch_member,
               .binding = node->as.batch.binding,
               .phrase = arena_printf(c->build->arena, "the batch `%s`", node->as.batch.name.name)};
  return staged_object(c->e, object);
}

bool batch_parts(Context *c, const Node *node, const Dim **parts, bool *fixed) {
  Staged *made = batch_value(c, NULL, node);
  if (made->kind != STAGED_OBJECT) return false;
  const Batch *batch = made->object->data;
  *fixed = batch->whole || batch->sampler == BUILTIN_SEQUENCE;
  *parts = dim_const(c->module->dims, 1);
  if (!*fixed || batch->whole) return true;
  *parts = dim_divide(c->module->dims, batch->rows, batch->size, node->span);
  if (*parts) return true;
  Diagnostic *d = mistake(c->e, E0305, node->span,
                          "a fixed partition needs batches of equal size: "
                          "%s rows are no multiple of %s",
                          dim_phrase(c->e, batch->rows), dim_phrase(c->e, batch->size));
  diagnostic_help(d, "choose a batch size that divides the rows of `%s`", batch->table->name);
  return false;
}

bool batch_part_count(Context *c, const Node *node, Value **count, const Dim **bound) {
  Staged *made = batch_value(c, NULL, node);
  if (made->kind != STAGED_OBJECT) return false;
  const Batch *batch = made->object->data;
  Choice choice;
  *count = scalar_int(c, 1);
  *bound = dim_const(c->module->dims, 1);
  if (batch->whole) return true;
  if (!choose_rows(c, batch, &choice)) return false;
  int64_t size;
  *count = ir_binary(&c->e->builder, OP_DIV, choice.count, ir_dim(&c->e->builder, batch->size));
  *bound = dim_is_const(batch->size, &size) ? dim_floordiv(c->module->dims, batch->rows, size)
                                            : batch->rows;
  return true;
}
