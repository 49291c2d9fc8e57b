// `for i < n, j { body }`: the body once for scalar variables, then for all their values at once.
//
// The body is evaluated in a block with one i64 parameter per variable; diff_batch() makes the
// batched ops, innermost variable first. A variable's extent is the one given, else that of the
// axes it indexes bare, else that of the expected type. A variable of extent p q of which only
// quotient and remainder by q matter is two variables, so that their places stay affine.
#include "evaluate/staging.h"

// --- variables -----------------------------------------------------------------------------------

Variable *variable_find(Evaluator *e, const Value *index) {
  if (index->op) return NULL;
  for (Variable *v = e->variables; v; v = v->next)
    if (v->param == index) return v;
  return NULL;
}

bool variable_indexes(Evaluator *e, Variable *variable, const Dim *axis, Span span) {
  int64_t excess;
  const char *name = variable->name ? variable->name : "_";
  if (!variable->extent) {
    variable->extent = axis;
    variable->fixed_at = span;
    return true;
  }
  if (variable->given) {
    if (!dim_difference(e->module->dims, variable->extent, axis, &excess) || excess <= 0)
      return true;
    Diagnostic *d = mistake(e, E0305, span, "`%s` takes %s values, but this axis has %s entries",
                            name, dim_phrase(e, variable->extent), dim_phrase(e, axis));
    diagnostic_label(d, variable->span, "its extent is given here");
    return false;
  }
  if (variable->extent == axis) return true;
  Diagnostic *d = mistake(e, E0306, span, "`%s` indexes axes of %s and of %s entries", name,
                          dim_phrase(e, variable->extent), dim_phrase(e, axis));
  diagnostic_label(d, variable->fixed_at, "%s entries", dim_phrase(e, variable->extent));
  diagnostic_label(d, span, "%s entries", dim_phrase(e, axis));
  diagnostic_help(d, "write `%s < %s` if the smaller one is meant", name, dim_phrase(e, axis));
  return false;
}

// --- expected types ------------------------------------------------------------------------------

// What the expected type says about variable `position` and about the body.
static const Dim *expected_extent(const TypeSpec *spec, int position) {
  for (; spec && spec->kind == SPEC_ARRAY; spec = spec->items[0])
    if (position-- == 0) return spec->extent;
  if (!spec || spec->kind != SPEC_TENSOR || spec->any_shape || position >= spec->rank) return NULL;
  return spec->shape[position];
}

static const TypeSpec *expected_body(Evaluator *e, const TypeSpec *spec, int count) {
  for (; spec && spec->kind == SPEC_ARRAY && count; spec = spec->items[0]) count--;
  if (!spec || !count) return spec;
  if (spec->kind != SPEC_TENSOR || spec->any_shape || spec->rank < count) return NULL;
  TypeSpec *body = arena_copy(e->arena, spec, sizeof *spec);
  body->shape += count;
  body->rank -= count;
  return body;
}

// --- batching ------------------------------------------------------------------------------------

/// The nest of blocks of one comprehension.
typedef struct Nest {
  Block *outer;
  Op *mark; // last op of `outer` before
  Block *blocks[MAX_RANK];
  Variable variables[MAX_RANK];
  int count;
  Variable *saved; // e->variables outside
} Nest;

static void nest_open(Evaluator *e, Nest *nest) {
  nest->outer = e->builder.block;
  nest->mark = nest->outer->last;
  nest->saved = e->variables;
}

static Value *nest_add(Evaluator *e, Nest *nest, Name name, const Dim *extent, Span span) {
  Block *parent = nest->count ? nest->blocks[nest->count - 1] : nest->outer;
  Block *block = block_create(e->module, parent);
  Variable *v = &nest->variables[nest->count];
  *v = (Variable){.param = block_add_param(block, scalar_of(e, DT_I64), name),
                  .name = name,
                  .extent = extent,
                  .given = extent != NULL,
                  .span = span,
                  .fixed_at = span,
                  .next = e->variables};
  e->variables = v;
  nest->blocks[nest->count++] = block;
  e->builder.block = block;
  return v->param;
}

static void nest_leave(Evaluator *e, Nest *nest) {
  e->variables = nest->saved;
  e->builder.block = nest->outer;
}

/// r = divisor * high + low with high < quotient and low < divisor.
typedef struct Split {
  const Dim *quotient, *divisor;
  Value *amount; // the divisor in the block
} Split;

static const Dim *static_amount(Evaluator *e, const Value *v) {
  double number;
  if (v->op && v->op->code == OP_DIM) return v->op->attr.dim.dim;
  if (!ir_is_splat(v, &number) || v->type->rank || number < 2 || number > INT32_MAX) return NULL;
  return dim_const(e->module->dims, (int64_t)number);
}

static bool divides(const Op *op, const Value *param) {
  return (op->code == OP_DIV || op->code == OP_MOD) && op->operands[0] == param;
}

// Is the variable divided by something that its extent is a multiple of, whatever the dims are?
static bool find_split(Evaluator *e, const Block *block, const Variable *v, Split *split) {
  DimTable *dims = e->module->dims;
  for (const Op *op = block->first; op; op = op->next) {
    if (!divides(op, v->param)) continue;
    int64_t number;
    split->amount = op->operands[1];
    split->divisor = static_amount(e, split->amount);
    if (!split->divisor) continue;
    bool constant = dim_is_const(split->divisor, &number);
    split->quotient = constant ? dim_floordiv(dims, v->extent, number)
                               : dim_divide(dims, v->extent, split->divisor, v->span);
    if (split->quotient && dim_mul(dims, split->quotient, split->divisor) == v->extent) return true;
  }
  return false;
}

// Puts the two variables, new parameters of the block, in the place of the one.
static void replace_variable(Block *block, Variable *v, const Split *split, Value **values,
                             int count) {
  Value *low = block_add_param(block, v->param->type, NULL);
  Value *high = block_add_param(block, v->param->type, NULL);
  for (Op *op = block->first; op; op = op->next) {
    if (!divides(op, v->param) || op->operands[1] != split->amount) continue;
    Value *part = op->code == OP_DIV ? high : low;
    for (int i = 0; i < count; i++)
      if (values[i] == op->results[0]) values[i] = part;
    value_replace(block, op->results[0], part);
  }
  Builder b = builder_at(block);
  Op *front = block->first, *last = block->last;
  Value *whole = ir_binary(&b, OP_ADD, ir_binary(&b, OP_MUL, high, split->amount), low);
  Op *made = last->next;
  for (int i = 0; i < count; i++)
    if (values[i] == v->param) values[i] = whole;
  value_replace(block, v->param, whole);
  Op *amount = split->amount->op;
  if (amount == front) {
    front = front->next;
  } else if (amount->block == block) {
    op_move_before(amount, front);
  }
  for (Op *next; made; made = next) {
    next = made->next;
    op_move_before(made, front);
  }
}

// The body for all values of a split variable: over the low part, over the high part, then the two
// axes as one.
static void batch_split(Evaluator *e, Builder *b, Block *block, Variable *v, const Split *split,
                        Value **values, int count, Value **results) {
  Block *middle = block_create(e->module, b->block);
  Value *high = block_add_param(middle, v->param->type, NULL);
  Builder inside = builder_at(middle);
  inside.span = b->span;
  replace_variable(block, v, split, values, count);
  Value *lows = ir_iota(&inside, type_get(e->module, DT_I64, 1, &split->divisor), 0);
  Value *batched[3] = {NULL, lows, NULL}, *unbatched[3] = {high, NULL, high}, *none = NULL;
  diff_batch(&inside, block, split->divisor, batched, unbatched, values, count, results);
  Value *highs = ir_iota(b, type_get(e->module, DT_I64, 1, &split->quotient), 0);
  Value **rows = ARENA_ARRAY(e->arena, Value *, (size_t)count + 1);
  diff_batch(b, middle, split->quotient, &highs, &none, results, count, rows);
  for (int i = 0; i < count; i++) {
    const Type *type = rows[i]->type;
    const Dim *shape[MAX_RANK];
    shape[0] = v->extent;
    for (int k = 2; k < type->rank; k++) shape[k - 1] = type->shape[k];
    results[i] = ir_reshape(b, rows[i], type_get(e->module, type->dtype, type->rank - 1, shape));
  }
}

// Draws count the batches that make them, so a variable with draws stays one.
static bool has_draws(const Block *block) {
  for (const Op *op = block->first; op; op = op->next) {
    if (op->code == OP_RANDOM) return true;
    for (int i = 0; i < op->region_count; i++)
      if (has_draws(op->regions[i])) return true;
  }
  return false;
}

static bool has_room(Value *const *values, int count) {
  for (int i = 0; i < count; i++)
    if (values[i]->type->rank + 2 > MAX_RANK) return false;
  return true;
}

static Staged *nest_close(Evaluator *e, Nest *nest, Staged *body, ValueList *leaves) {
  int count = (int)leaves->count;
  Value **values = leaves->data;
  for (int i = nest->count - 1; i >= 0; i--) {
    const Dim *extent = nest->variables[i].extent;
    Builder b = builder_at(i ? nest->blocks[i - 1] : nest->outer);
    b.span = e->builder.span;
    Split split;
    Value **results = ARENA_ARRAY(e->arena, Value *, (size_t)count + 1);
    if (has_room(values, count) && !has_draws(nest->blocks[i]) &&
        find_split(e, nest->blocks[i], &nest->variables[i], &split)) {
      batch_split(e, &b, nest->blocks[i], &nest->variables[i], &split, values, count, results);
    } else {
      Value *places = ir_iota(&b, type_get(e->module, DT_I64, 1, &extent), 0), *none = NULL;
      diff_batch(&b, nest->blocks[i], extent, &places, &none, values, count, results);
    }
    values = results;
  }
  affine_gathers(e, nest->outer, nest->mark, values, count);
  Value *const *next = values;
  Staged *result = staged_rebuild(e, body, &next);
  for (int i = nest->count - 1; i >= 0; i--)
    result = array_of(e, nest->variables[i].extent, result);
  return result;
}

static bool check_body(Evaluator *e, const Nest *nest, Staged *body, ValueList *leaves, Span span) {
  if (staged_is_poison(body)) return false;
  if (!staged_is_data(body)) {
    mistake(e, E0303, span, "the body of `for` gives %s, which cannot be an entry",
            staged_describe(e, body));
    return false;
  }
  staged_leaves(e, body, leaves);
  for (size_t i = 0; i < leaves->count; i++) {
    if (leaves->data[i]->type->rank + nest->count <= MAX_RANK) continue;
    mistake(e, E0301, span, "the result would have more than %d axes", MAX_RANK);
    return false;
  }
  return true;
}

static bool find_extents(Evaluator *e, Nest *nest, const TypeSpec *expected) {
  bool good = true;
  for (int i = 0; i < nest->count; i++) {
    Variable *v = &nest->variables[i];
    if (!v->extent) v->extent = expected_extent(expected, i);
    if (v->extent) continue;
    const char *name = v->name ? v->name : "_";
    Diagnostic *d = mistake(e, E0306, v->span, "how far `%s` runs is not said", name);
    diagnostic_note(d, "no axis is indexed by just `%s`, and no type is expected here", name);
    diagnostic_help(d, "write `%s < n`", name);
    good = false;
  }
  return good;
}

// The extent of a binder, in the environment outside; false after a report.
static bool given_extent(Evaluator *e, const Node *binder, const Environment *environment,
                         const Dim **extent) {
  const Node *node = binder->as.binder.extent;
  *extent = NULL;
  if (!node) return true;
  int64_t number;
  if (!static_dim(e, evaluate(e, node, environment, NULL), extent, node->span,
                  "the extent of a `for`"))
    return false;
  if (dim_is_const(*extent, &number) && number < 0) {
    mistake(e, E0309, node->span, "an extent cannot be negative, this is %lld", (long long)number);
    return false;
  }
  if (!e->checking) dim_require_nonnegative(e->module->dims, *extent, node->span);
  return true;
}

Staged *evaluate_comprehension(Evaluator *e, const Node *node, const Environment *environment,
                               const TypeSpec *expected) {
  const NodeList *binders = &node->as.comprehension.binders;
  if (binders->count > MAX_RANK) {
    mistake(e, E0301, node->span, "a `for` has at most %d variables", MAX_RANK);
    return staged_poison;
  }
  const Dim *extents[MAX_RANK];
  bool good = true;
  for (size_t i = 0; i < binders->count; i++)
    good = binders->data[i]->kind == PART_BINDER &&
           given_extent(e, binders->data[i], environment, &extents[i]) && good;
  if (!good) return staged_poison;
  Nest nest = {0};
  nest_open(e, &nest);
  for (size_t i = 0; i < binders->count; i++) {
    const Node *binder = binders->data[i];
    Value *param = nest_add(e, &nest, binder->as.binder.name.name, extents[i], binder->span);
    environment =
        environment_add(e, environment, binder->as.binder.binding, staged_tensor(e, param));
  }
  const Node *body_node = node->as.comprehension.body;
  Staged *body = evaluate(e, body_node, environment, expected_body(e, expected, nest.count));
  ValueList leaves = {0};
  good = check_body(e, &nest, body, &leaves, body_node->span);
  nest_leave(e, &nest);
  if (!good || !find_extents(e, &nest, expected)) return staged_poison;
  return nest_close(e, &nest, body, &leaves);
}

Staged *build_map(Evaluator *e, const Dim *count, LoopBody body, void *self, Span span) {
  Nest nest = {0};
  nest_open(e, &nest);
  Value *param = nest_add(e, &nest, NULL, count, span);
  Staged *value = body(e, param, NULL, self);
  ValueList leaves = {0};
  bool good = check_body(e, &nest, value, &leaves, span);
  nest_leave(e, &nest);
  return good ? nest_close(e, &nest, value, &leaves) : staged_poison;
}
