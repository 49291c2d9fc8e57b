// `for i < n, j { body }`: the body once for scalar variables, then for all their values at once.
//
// The body is evaluated in a block with one i64 parameter per variable; diff_batch() makes the
// batched ops, innermost variable first. A variable's extent is the one given, else that of the
// axes it indexes bare, else that of the expected type.
#include "build/staging.h"

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

static Staged *nest_close(Evaluator *e, Nest *nest, Staged *body, ValueList *leaves) {
  int count = (int)leaves->count;
  Value **values = leaves->data;
  for (int i = nest->count - 1; i >= 0; i--) {
    const Dim *extent = nest->variables[i].extent;
    Builder b = builder_at(i ? nest->blocks[i - 1] : nest->outer);
    b.span = e->builder.span;
    Value *places = ir_iota(&b, type_get(e->module, DT_I64, 1, &extent), 0), *none = NULL;
    Value **results = ARENA_ARRAY(e->arena, Value *, (size_t)count + 1);
    diff_batch(&b, nest->blocks[i], extent, &places, &none, values, count, results);
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
