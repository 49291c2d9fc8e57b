// Families: `lower adapt for j in e { ... }` is one lower problem per row of a batch or a table.
//
// Enters: what is evaluated for one row. Leaves: the same for all rows at once: the row's code is
// evaluated with the row number as a parameter, and diff_batch makes one batched program of it,
// loops with a condition per row included. So a method's scalars are those of its row.
#include "build/program.h"
#include "evaluate/staging.h"

Value *family_row(const Context *c, const Node *level) {
  for (const FamilyRow *row = c->rows; row; row = row->outer)
    if (row->stage->family == level) return row->number;
  return NULL;
}

static Staged *family_source(Context *c, const Stage *nested) {
  return evaluate(c->e, nested->family->as.level.family_of, NULL, NULL);
}

const Dim *family_rows(Context *c, const Stage *nested) {
  const Node *node = nested->family->as.level.family_of;
  Staged *source = family_source(c, nested);
  if (staged_is_poison(source)) return NULL;
  if (source->kind == STAGED_OBJECT && source->object->kind == OBJECT_BATCH)
    return batch_rows(source);
  if (source->kind == STAGED_OBJECT && source->object->kind == OBJECT_TABLE)
    return table_rows(c, source->object->binding->node);
  const Dim *rows = NULL;
  if (source->kind == STAGED_INTEGER)
    return static_dim(c->e, source, &rows, node->span, "the size of a family") &&
                   dim_not_negative(c, rows, node->span, "the size of a family")
               ? rows
               : NULL;
  Diagnostic *d = mistake(c->e, E0303, node->span,
                          "a family has one lower problem per row of a batch or table; this is %s",
                          staged_describe(c->e, source));
  diagnostic_help(d, "write `lower adapt for j in e { ... }`, with `batch e = sample(tasks, 16);` "
                     "in the level above");
  return NULL;
}

// The rows of a batch are others at each step: what was found for the old ones says nothing.
bool family_restarts(Context *c, const Stage *nested) {
  for (const Stage *at = nested; at; at = at->above) {
    if (!at->family) continue;
    Staged *source = family_source(c, at);
    if (source->kind == STAGED_OBJECT && source->object->kind == OBJECT_BATCH) return true;
  }
  return false;
}

typedef struct FamilyMap {
  Context *context;
  Stage *nested;
  LoopBody body;
  void *self;
} FamilyMap;

static Staged *family_body(Evaluator *e, Value *counter, Staged *carries, void *self) {
  const FamilyMap *map = self;
  Context *c = map->context;
  FamilyRow row = {map->nested, counter, c->rows};
  Dynamic dynamic = e->dynamic;
  c->rows = &row;
  if (e->dynamic.step_key) { // rows draw for themselves
    Value *key = key_fold_hash(c, e->dynamic.step_key, place_hash("family", "row"));
    dynamic_step(e, key_fold(c, key, counter));
    e->dynamic.full = dynamic.full;
    e->dynamic.place = dynamic.place;
  }
  Staged *value = map->body(e, counter, carries, map->self);
  c->rows = row.outer;
  e->dynamic = dynamic;
  return value;
}

Staged *family_map(Context *c, Stage *nested, const Dim *rows, LoopBody body, void *self,
                   Span span) {
  FamilyMap map = {c, nested, body, self};
  return build_map(c->e, rows, family_body, &map, span);
}

Staged *family_kept(Context *c, const Stage *nested, Staged *value) {
  if (!nested || !nested->above || staged_is_poison(value)) return value;
  return family_own_row(c, nested, family_kept(c, nested->above, value));
}

Staged *family_own_row(Context *c, const Stage *nested, Staged *value) {
  if (!nested->family || staged_is_poison(value)) return value;
  Span span = nested->family->span;
  Value *row = family_row(c, nested->family);
  if (!row) return value; // asked from above: all rows
  IndexPart part = {.value = staged_tensor(c->e, row), .span = span};
  return operate_index_parts(c->e, value, &part, 1, span, span);
}
