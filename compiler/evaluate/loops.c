// `loop s = s0 for t < T while c { next yield out }` to an IR loop.
//
// The state is flattened to carried leaves. Static numbers have no element type yet: they start as
// the program's real type (or i64), and where the body then shows another one the body is evaluated
// again, at most twice. Shapes and layouts never change from one iteration to the next (E0307).
#include "evaluate/staging.h"

typedef struct LoopParts {
  Staged *initial;
  Value *count;
  const Dim *bound;
  LoopBody condition, body; // condition may be NULL
  void *self;
  bool yields; // the body gives a pair (next state, row of the output)
  Span span, initial_span;
} LoopParts;

/// One evaluation of the body.
typedef struct Attempt {
  Dtype *dtypes;     // per leaf: what a static number becomes
  ValueList carries; // start values
  Staged *state;     // parameters in the layout of the state
  Block *body, *condition;
  Value *count;       // of `counted` before the next iteration; NULL: the loop counts nothing
  Staged *next, *row; // row NULL: none
  ValueList next_leaves, row_leaves;
  bool promoted; // dtypes changed: try again
} Attempt;

typedef VEC(Staged *) StagedList;

static void list_leaves(Evaluator *e, Staged *s, StagedList *leaves) {
  if (s->kind != STAGED_TREE) {
    VEC_PUSH(e->arena, leaves, s);
    return;
  }
  for (int i = 0; i < s->tree.layout->count; i++) list_leaves(e, s->tree.children[i], leaves);
}

static bool state_changes(Evaluator *e, const LoopParts *p, const Staged *before,
                          const Staged *after, const char *what) {
  Diagnostic *d = mistake(e, E0307, p->span, "%s changes from one iteration to the next", what);
  diagnostic_label(d, p->initial_span, "starts as %s", staged_describe(e, before));
  diagnostic_label(d, p->span, "goes on as %s", staged_describe(e, after));
  if (staged_is_number(before) && after->kind == STAGED_TENSOR)
    diagnostic_help(d, "start from a value of that shape: `let s: %s = 0.0`",
                    staged_describe(e, after));
  return false;
}

// Brings one leaf of the next state to the type it is carried with.
static bool carry_leaf(Evaluator *e, const LoopParts *p, Attempt *a, const Staged *start,
                       Staged *next, int i) {
  const Type *type = a->carries.data[i]->type;
  bool weak = start->kind != STAGED_TENSOR;
  if (next->kind == STAGED_TENSOR && next->tensor->type == type) {
    VEC_PUSH(e->arena, &a->next_leaves, next->tensor);
    return true;
  }
  if (next->kind != STAGED_TENSOR && type->rank == 0) {
    bool fits = next->kind == STAGED_BOOL   ? type->dtype == DT_BOOL
                : next->kind == STAGED_REAL ? dtype_is_float(type->dtype)
                                            : type->dtype != DT_BOOL;
    if (fits) {
      VEC_PUSH(e->arena, &a->next_leaves, static_value(e, next, type->dtype));
      return true;
    }
    if (!weak || next->kind != STAGED_REAL || type->dtype == DT_BOOL)
      return state_changes(e, p, start, next, "the state of the loop");
    a->dtypes[i] = e->real;
    return a->promoted = true;
  }
  if (next->kind != STAGED_TENSOR || next->tensor->type->rank != type->rank ||
      type_with_dtype(e->module, next->tensor->type, type->dtype) != type)
    return state_changes(e, p, start, next, "the shape of the loop's state");
  Dtype dtype = next->tensor->type->dtype;
  if (type->rank == 0 && dtype_is_integer(dtype) && dtype_is_float(type->dtype)) {
    VEC_PUSH(e->arena, &a->next_leaves, ir_convert(&e->builder, next->tensor, type->dtype));
    return true;
  }
  if (!weak || (type->dtype == DT_BOOL) != (dtype == DT_BOOL))
    return state_changes(e, p, start, next, "the element type of the loop's state");
  a->dtypes[i] = dtype;
  return a->promoted = true;
}

static bool carry_leaves(Evaluator *e, const LoopParts *p, Attempt *a) {
  if (!staged_is_data(a->next)) {
    mistake(e, E0303, p->span, "a loop cannot carry %s", staged_describe(e, a->next));
    return false;
  }
  if (staged_layout(a->next) != staged_layout(p->initial))
    return state_changes(e, p, p->initial, a->next, "the layout of the loop's state");
  StagedList start = {0}, next = {0};
  list_leaves(e, p->initial, &start);
  list_leaves(e, a->next, &next);
  for (size_t i = 0; i < start.count; i++)
    if (!carry_leaf(e, p, a, start.data[i], next.data[i], (int)i)) return false;
  return true;
}

static Block *open_block(Evaluator *e, const Attempt *a, Block *outer, Value **counter,
                         Staged **state, const Staged *like) {
  Block *block = block_create(e->module, outer);
  *counter = block_add_param(block, scalar_of(e, DT_I64), NULL);
  for (size_t i = 0; i < a->carries.count; i++)
    block_add_param(block, a->carries.data[i]->type, NULL);
  Value *const *params = block->params.data + 1;
  *state = staged_rebuild(e, like, &params);
  return block;
}

static bool attempt_condition(Evaluator *e, const LoopParts *p, Attempt *a, Block *outer) {
  Value *counter;
  Staged *state;
  a->condition = open_block(e, a, outer, &counter, &state, p->initial);
  if (a->count) block_add_param(a->condition, scalar_of(e, DT_I64), NULL);
  e->builder.block = a->condition;
  Staged *truth = p->condition(e, counter, state, p->self);
  bool good = !staged_is_poison(truth);
  bool fits = truth->kind == STAGED_BOOL ||
              (staged_is_scalar_tensor(truth) && truth->tensor->type->dtype == DT_BOOL);
  if (good && !fits)
    mistake(e, E0303, p->span, "the condition of `while` is one truth value, this is %s",
            staged_describe(e, truth));
  if (good && fits) VEC_PUSH(e->arena, &a->condition->yields, leaf_value(e, truth));
  e->builder.block = outer;
  return good && fits;
}

// The body, with the count of what it counts as one more carry, where it counts anything.
static Staged *counted_body(Evaluator *e, const LoopParts *p, Attempt *a, Value *counter) {
  Value *before = block_add_param(a->body, scalar_of(e, DT_I64), NULL);
  Tally outer = tally_open(e, a->body, before);
  Staged *result = p->body(e, counter, a->state, p->self);
  a->count = tally_close(e, outer);
  if (a->count != before) return result;
  a->body->params.count--;
  a->count = NULL;
  return result;
}

static bool attempt_body(Evaluator *e, const LoopParts *p, Attempt *a, Block *outer) {
  Value *counter;
  bool counts = tally_runs(e);
  a->body = open_block(e, a, outer, &counter, &a->state, p->initial);
  e->builder.block = a->body;
  Staged *result = counts ? counted_body(e, p, a, counter) : p->body(e, counter, a->state, p->self);
  bool good = !staged_is_poison(result);
  a->next = result;
  if (good && p->yields) {
    a->next = result->tree.children[0];
    a->row = result->tree.children[1];
    if (!staged_is_data(a->row)) {
      mistake(e, E0303, p->span, "a loop cannot yield %s", staged_describe(e, a->row));
      good = false;
    }
  }
  good = good && carry_leaves(e, p, a);
  if (good && a->row) staged_leaves(e, a->row, &a->row_leaves);
  e->builder.block = outer;
  return good;
}

static bool attempt_once(Evaluator *e, const LoopParts *p, Attempt *a) {
  Block *outer = e->builder.block;
  StagedList start = {0};
  list_leaves(e, p->initial, &start);
  a->carries = a->next_leaves = a->row_leaves = (ValueList){0};
  a->condition = NULL;
  a->count = NULL;
  a->promoted = false;
  for (size_t i = 0; i < start.count; i++) {
    const Staged *leaf = start.data[i];
    Value *value = leaf->kind == STAGED_TENSOR ? leaf->tensor : static_value(e, leaf, a->dtypes[i]);
    VEC_PUSH(e->arena, &a->carries, value);
  }
  bool good = attempt_body(e, p, a, outer);
  if (good && p->condition && !a->promoted) good = attempt_condition(e, p, a, outer);
  return good;
}

// Element types of the static leaves for a first attempt, or with the other float type.
static bool choose_dtypes(Evaluator *e, const LoopParts *p, Attempt *a, bool other) {
  StagedList start = {0};
  list_leaves(e, p->initial, &start);
  a->dtypes = ARENA_ARRAY(e->arena, Dtype, start.count + 1);
  Dtype dtype = e->real;
  if (other) dtype = e->real == DT_F64 ? DT_F32 : DT_F64;
  for (size_t i = 0; i < start.count && other; i++)
    if (start.data[i]->kind == STAGED_TENSOR && start.data[i]->tensor->type->dtype != e->real &&
        dtype_is_float(start.data[i]->tensor->type->dtype))
      dtype = start.data[i]->tensor->type->dtype;
  bool weak = false;
  for (size_t i = 0; i < start.count; i++) {
    StagedKind kind = start.data[i]->kind;
    a->dtypes[i] = kind == STAGED_REAL ? dtype : kind == STAGED_BOOL ? DT_BOOL : DT_I64;
    weak = weak || kind == STAGED_REAL;
  }
  return weak;
}

static bool attempt_promoting(Evaluator *e, const LoopParts *p, Attempt *a) {
  for (int round = 0; round < 3; round++) {
    if (!attempt_once(e, p, a)) return false;
    if (!a->promoted) return true;
  }
  mistake(e, E0307, p->span, "the element type of the loop's state does not settle");
  return false;
}

static bool attempt_loop(Evaluator *e, const LoopParts *p, Attempt *a) {
  Diagnostics *diagnostics = e->compilation->diagnostics;
  size_t mark = diagnostics_mark(diagnostics), errors = diagnostics_errors(diagnostics);
  bool weak = choose_dtypes(e, p, a, false);
  bool good = attempt_promoting(e, p, a);
  if (good || !weak || e->failed || diagnostics_errors(diagnostics) == errors) return good;
  // What the first attempt said stays until the second one is good: a mistake is said once, and the
  // second may be silent.
  size_t said = diagnostics_mark(diagnostics);
  choose_dtypes(e, p, a, true);
  good = attempt_promoting(e, p, a);
  diagnostics_rewind(diagnostics, good ? mark : said);
  return good;
}

static Staged *finish_loop(Evaluator *e, const LoopParts *p, Attempt *a) {
  if (a->count) {
    VEC_PUSH(e->arena, &a->carries, e->tally.count);
    VEC_PUSH(e->arena, &a->next_leaves, a->count);
  }
  int carries = (int)a->carries.count, rows = (int)a->row_leaves.count;
  for (int i = 0; i < carries; i++) VEC_PUSH(e->arena, &a->body->yields, a->next_leaves.data[i]);
  for (int i = 0; i < rows; i++) VEC_PUSH(e->arena, &a->body->yields, a->row_leaves.data[i]);
  e->builder.span = p->span;
  Op *op = ir_loop(&e->builder, p->count, p->bound, a->carries.data, carries, NULL, 0, a->body,
                   a->condition, false);
  Value *const *results = op->results;
  Staged *final = staged_rebuild(e, p->initial, &results);
  if (a->count) e->tally.count = *results++;
  if (!a->row) return final;
  Staged *stacked = array_of(e, p->bound, staged_rebuild(e, a->row, &results));
  return staged_tuple(e, (Staged *[]){final, stacked}, 2);
}

static Staged *make_loop(Evaluator *e, const LoopParts *p) {
  if (staged_is_poison(p->initial)) return staged_poison;
  if (!staged_is_data(p->initial)) {
    mistake(e, E0303, p->initial_span, "a loop cannot carry %s", staged_describe(e, p->initial));
    return staged_poison;
  }
  Attempt attempt = {0};
  return attempt_loop(e, p, &attempt) ? finish_loop(e, p, &attempt) : staged_poison;
}

Staged *build_loop(Evaluator *e, Staged *initial, Value *count, const Dim *bound,
                   LoopBody condition, LoopBody body, void *self, Span span) {
  LoopParts parts = {.initial = initial,
                     .count = count,
                     .bound = bound,
                     .condition = condition,
                     .body = body,
                     .self = self,
                     .span = span,
                     .initial_span = span};
  return make_loop(e, &parts);
}

// --- loop expressions ----------------------------------------------------------------------------

typedef struct LoopText {
  const Node *node;
  const Environment *environment;
} LoopText;

static const Environment *loop_scope(Evaluator *e, const LoopText *text, Value *counter,
                                     Staged *state) {
  const Node *node = text->node;
  const Environment *environment = text->environment;
  if (node->as.loop.counter_binding)
    environment =
        environment_add(e, environment, node->as.loop.counter_binding, staged_tensor(e, counter));
  return evaluate_pattern(e, node->as.loop.pattern, state, environment);
}

// Each iteration draws anew.
static const DrawLoop *enter_draws(Evaluator *e, Value *counter) {
  const DrawLoop *outer = e->dynamic.loops;
  DrawLoop *loop = ARENA_NEW(e->arena, DrawLoop);
  *loop = (DrawLoop){counter, outer};
  e->dynamic.loops = loop;
  return outer;
}

static Staged *text_condition(Evaluator *e, Value *counter, Staged *state, void *self) {
  const LoopText *text = self;
  const DrawLoop *outer = enter_draws(e, counter);
  const Environment *environment = loop_scope(e, text, counter, state);
  Staged *condition = evaluate(e, text->node->as.loop.condition, environment, NULL);
  e->dynamic.loops = outer;
  return condition;
}

static Staged *iterate(Evaluator *e, const LoopText *text, Value *counter, Staged *state) {
  const Node *body = text->node->as.loop.body;
  const Environment *environment = loop_scope(e, text, counter, state);
  if (body->kind != EXPR_BLOCK) return evaluate(e, body, environment, NULL);
  environment = evaluate_statements(e, &body->as.block.lets, environment);
  Staged *next = evaluate(e, body->as.block.value, environment, NULL);
  if (!body->as.block.yield) return next;
  Staged *row = evaluate(e, body->as.block.yield, environment, NULL);
  if (staged_is_poison(next) || staged_is_poison(row)) return staged_poison;
  return staged_tuple(e, (Staged *[]){next, row}, 2);
}

static Staged *text_body(Evaluator *e, Value *counter, Staged *state, void *self) {
  const DrawLoop *outer = enter_draws(e, counter);
  Staged *next = iterate(e, self, counter, state);
  e->dynamic.loops = outer;
  return next;
}

// How often: a dim where it is static, else an i64 scalar without a bound.
static bool loop_count(Evaluator *e, const Node *node, const Environment *environment,
                       LoopParts *parts) {
  Span span = node->as.loop.bound->span;
  Staged *bound = evaluate(e, node->as.loop.bound, environment, NULL);
  if (staged_is_poison(bound)) return false;
  int64_t number;
  if (bound->kind == STAGED_INTEGER) {
    parts->bound = bound->integer;
    if (dim_is_const(parts->bound, &number) && number < 0) {
      mistake(e, E0303, span, "the bound of a loop is negative: %lld", (long long)number);
      return false;
    }
    if (!e->checking) dim_require_nonnegative(e->module->dims, parts->bound, span);
    parts->count = ir_dim(&e->builder, parts->bound);
    return true;
  }
  parts->count = scalar_value(e, bound, DT_I64, span, "the bound of a loop");
  if (!parts->count) return false;
  if (!parts->yields) return true;
  Diagnostic *d =
      mistake(e, E0501, span, "a loop that yields needs a bound known before the program runs");
  diagnostic_label(d, node->as.loop.body->as.block.yield->span, "one row per iteration is kept");
  diagnostic_help(d, "use a dim or an integer as the bound");
  return false;
}

Staged *evaluate_loop(Evaluator *e, const Node *node, const Environment *environment) {
  const Node *body = node->as.loop.body;
  LoopText text = {node, environment};
  LoopParts parts = {.condition = node->as.loop.condition ? text_condition : NULL,
                     .body = text_body,
                     .self = &text,
                     .yields = body->kind == EXPR_BLOCK && body->as.block.yield,
                     .span = body->kind == EXPR_BLOCK ? body->as.block.value->span : body->span,
                     .initial_span = node->as.loop.initial->span};
  parts.initial = evaluate(e, node->as.loop.initial, environment, NULL);
  if (!loop_count(e, node, environment, &parts)) return staged_poison;
  return make_loop(e, &parts);
}
