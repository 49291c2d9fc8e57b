// Which batch of a fixed partition an objective sees: `f.batch` of `f.batches`.
//
// Enters: a level of the stage. Leaves: the number of parts as a dim, and the number of the present
// one as an i64. Methods keep a table with a row for each part (SAGA). Only `sequence` cuts a table
// into parts that come back; a level that samples otherwise is refused with the cure, and a level
// that takes its tables whole is one part.
#include "build/program.h"
#include "evaluate/staging.h"

#include <string.h>

static Staged *refuse_sampler(Context *c, const Node *batch, const Level *level, Span span) {
  Diagnostic *d =
      mistake(c->e, E0420, span, "the batches of `%s` are no fixed partition", level->word);
  diagnostic_label(d, batch->span, "every draw is another set of rows");
  diagnostic_help(d,
                  "this method keeps a row for each batch: write `batch %s = sequence(table, B);`",
                  batch->as.batch.name.name);
  return staged_poison;
}

static Staged *refuse_two(Context *c, const Node *first, const Node *second, Span span) {
  Diagnostic *d = mistake(c->e, E0420, span,
                          "two batches of one level have different numbers of "
                          "parts");
  diagnostic_label(d, first->span, "this one");
  diagnostic_label(d, second->span, "and this one");
  diagnostic_help(d, "choose sizes that cut both tables into equally many parts");
  return staged_poison;
}

// Parts that the level's batches are cut into; NULL after a report.
static const Dim *count_parts(Context *c, const Level *level, Span span) {
  const NodeList *clauses = level->node->kind == ITEM_STAGE ? &level->node->as.stage.items
                                                            : &level->node->as.level.clauses;
  const Node *first = NULL;
  const Dim *parts = dim_const(c->module->dims, 1);
  for (size_t i = 0; i < clauses->count; i++) {
    const Node *node = clauses->data[i];
    if (node->kind != NODE_BATCH) continue;
    const Dim *count = NULL;
    bool fixed = false;
    if (!batch_parts(c, node, &count, &fixed)) return NULL;
    if (!fixed) return refuse_sampler(c, node, level, span), NULL;
    if (first && count != parts) return refuse_two(c, first, node, span), NULL;
    first = node;
    parts = count;
  }
  return parts;
}

Staged *objective_member(Evaluator *e, const Function *function, Name name, Span span) {
  bool number = strcmp(name, "batch") == 0;
  if (!number && strcmp(name, "batches") != 0) return NULL;
  Context *c;
  const Level *level = objective_level(function->self, &c);
  if (c->stage->sample) {
    if (number) return staged_tensor(e, scalar_int(c, 0));
    return staged_integer(e, dim_const(c->module->dims, 7));
  }
  const Dim *parts = count_parts(c, level, span);
  if (!parts) return staged_poison;
  if (!number) return staged_integer(e, parts);
  Value *steps = level_iteration(c, c->stage, level);
  return staged_tensor(e, ir_binary(&e->builder, OP_MOD, steps, ir_dim(&e->builder, parts)));
}
