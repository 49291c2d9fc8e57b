// The objective of a judge who cannot take tables whole: the mean over their parts.
//
// Enters: a level of a stage at a point (x, y). Leaves: the mean of its objective over the batches
// that its tables give in order, each of the size that the program says; rows left over are not
// seen. Each part draws for itself, from a key of its number, so that one point has one value. What
// is solved below on the way has parts of its own (enter() in nested.c).
#include "build/program.h"
#include "evaluate/staging.h"

typedef struct Parts {
  Context *context;
  Stage *stage;
  const Level *level;
  Staged *x, *y;
  Span span;
} Parts;

// As many as the batch with most parts has: a batch with fewer begins anew.
static bool count_parts(Context *c, const Level *level, Value **count, const Dim **bound) {
  const NodeList *clauses = level->node->kind == ITEM_STAGE ? &level->node->as.stage.items
                                                            : &level->node->as.level.clauses;
  *count = scalar_int(c, 1);
  *bound = dim_const(c->module->dims, 1);
  for (size_t i = 0; i < clauses->count; i++) {
    if (clauses->data[i]->kind != NODE_BATCH) continue;
    Value *more;
    const Dim *most;
    if (!batch_part_count(c, clauses->data[i], &more, &most)) return false;
    *count = ir_binary(&c->e->builder, OP_MAX, *count, more);
    *bound = dim_max(c->module->dims, *bound, most);
  }
  return true;
}

static Staged *add_part(Evaluator *e, Value *counter, Staged *sum, void *self) {
  const Parts *parts = self;
  Context *c = parts->context;
  Dynamic dynamic = e->dynamic;
  dynamic_step(e, key_fold(c, dynamic.step_key, counter));
  e->dynamic.part = counter;
  Staged *value = objective_value(c, parts->stage, parts->level, parts->x, parts->y, parts->span);
  e->dynamic = dynamic;
  return operate_binary(e, BIN_ADD, sum, value, parts->span);
}

Staged *objective_over_parts(Context *c, Stage *stage, const Level *level, Staged *x, Staged *y,
                             Span span) {
  Value *count;
  const Dim *bound;
  if (!count_parts(c, level, &count, &bound)) return staged_poison;
  Builder *b = &c->e->builder;
  const Type *type = type_scalar(c->module, c->e->real);
  Parts parts = {c, stage, level, x, y, span};
  Staged *sum = build_loop(c->e, staged_tensor(c->e, ir_real(b, type, 0.0)), count, bound, NULL,
                           add_part, &parts, span);
  if (staged_is_poison(sum)) return sum;
  if (sum->tensor->op && sum->tensor->op->code == OP_LOOP)
    sum->tensor->op->attr.loop.recompute = true; // a derivative keeps no part's values
  Staged *parts_taken = staged_tensor(c->e, ir_convert(b, count, c->e->real));
  return operate_binary(c->e, BIN_DIV, sum, parts_taken, span);
}
