// `root(residual, at, solver)`: a solution as a value whose derivative is that of the implicit
// function.
//
// The residual is evaluated once in a block; what it reads from outside becomes operands of a
// custom op whose value is `at`. With r(y, c) = 0 and A = r_y, the tangent is the solution of A dy
// = -r_c dc and the transposed rule solves A' l = (cotangent of y) and gives -r_c' l. Both rules
// are ordinary operations on the op's own operands, so they differentiate again.
#include "evaluate/builtins.h"

typedef struct Residual {
  Block *block; // parameters: y, then what is read from outside
  ValueList outputs;
  Staged *point; // layout of y
  ValueList at, captures;
  Staged *solver;
  Span span;
} Residual;

/// The residual as a function of y (captures fixed) or of the captures (y fixed).
typedef struct Partial {
  const Residual *residual;
  Value *const *y, *const *captures;
  bool of_captures;
} Partial;

/// u -> A u or u -> A' u.
typedef struct Product {
  Staged *function, *at;
  bool transposed;
} Product;

static Staged *tuple_of(Evaluator *e, Value *const *values, int count) {
  Staged **parts = ARENA_ARRAY(e->arena, Staged *, (size_t)count + 1);
  for (int i = 0; i < count; i++) parts[i] = staged_tensor(e, values[i]);
  return staged_tuple(e, parts, count);
}

static Staged *rebuild(Evaluator *e, const Staged *like, Value *const *values) {
  return staged_rebuild(e, like, &values);
}

static Staged *call_partial(const Call *call, void *self) {
  const Partial *p = self;
  const Residual *r = p->residual;
  Evaluator *e = call->evaluator;
  size_t y_count = r->at.count, count = y_count + r->captures.count;
  Value **arguments = ARENA_ARRAY(e->arena, Value *, count + 1);
  Value **results = ARENA_ARRAY(e->arena, Value *, r->outputs.count + 1);
  ValueList given = {0};
  staged_leaves(e, call->positional[0], &given);
  for (size_t i = 0; i < count; i++) {
    bool is_y = i < y_count;
    Value *const *fixed = is_y ? p->y : p->captures;
    size_t place = is_y ? i : i - y_count;
    arguments[i] = is_y != p->of_captures ? given.data[place] : fixed[place];
  }
  ir_inline(&e->builder, r->block, arguments, r->outputs.data, (int)r->outputs.count, results);
  return rebuild(e, r->point, results);
}

static Staged *partial(Evaluator *e, const Residual *r, Value *const *y, Value *const *captures,
                       bool of_captures) {
  Partial *p = ARENA_NEW(e->arena, Partial);
  *p = (Partial){r, y, captures, of_captures};
  return staged_native(e, "residual", call_partial, p);
}

static Staged *call_product(const Call *call, void *self) {
  const Product *p = self;
  Evaluator *e = call->evaluator;
  if (call->positional_count != 1) {
    mistake(e, E0304, call->span, "the operator of a linear solve takes one argument");
    return staged_poison;
  }
  Staged *u = call->positional[0];
  return p->transposed ? derive_vjp(e, p->function, p->at, u, call->span)
                       : derive_jvp(e, p->function, p->at, u, call->span);
}

// The solution of A u = b or A' u = b, from zero.
static Staged *solve_linear(Evaluator *e, const Residual *r, Staged *function, Staged *at,
                            bool transposed, Staged *b) {
  Product *product = ARENA_NEW(e->arena, Product);
  *product = (Product){function, at, transposed};
  if (staged_is_poison(b)) return b;
  Staged *arguments[] = {staged_native(e, "residual'", call_product, product), b,
                         splat_like(e, r->point, 0.0)};
  Staged *u = apply(e, r->solver, arguments, 3, r->span);
  if (staged_is_poison(u) || staged_layout(u) == staged_layout(r->point)) return u;
  mistake(e, E0303, r->span, "the solver of `root` gives %s, wanted is %s", staged_describe(e, u),
          staged_describe(e, r->point));
  return staged_poison;
}

// --- the residual
// ---------------------------------------------------------------------------------

static void capture(Evaluator *e, Residual *r, Value *value) {
  bool constant = value->op && (value->op->code == OP_CONST || value->op->code == OP_IOTA);
  if (block_encloses(r->block, value->block) || constant) return;
  if (!dtype_is_float(value->type->dtype)) return; // no derivative: the rules see it where it is
  for (size_t i = 0; i < r->captures.count; i++)
    if (r->captures.data[i] == value) return;
  VEC_PUSH(e->arena, &r->captures, value);
}

static void capture_block(Evaluator *e, Residual *r, const Block *block) {
  for (const Op *op = block->first; op; op = op->next) {
    for (int i = 0; i < op->operand_count; i++) capture(e, r, op->operands[i]);
    for (int i = 0; i < op->region_count; i++) capture_block(e, r, op->regions[i]);
  }
  for (size_t i = 0; i < block->yields.count; i++) capture(e, r, block->yields.data[i]);
}

// Evaluates the residual on parameters and closes its block over what it reads.
static bool residual_open(Evaluator *e, Residual *r, const Call *call, const BuiltinRow *row) {
  Block *outer = e->builder.block;
  r->block = block_create(e->module, outer);
  for (size_t i = 0; i < r->at.count; i++) block_add_param(r->block, r->at.data[i]->type, NULL);
  e->builder.block = r->block;
  Staged *inside = rebuild(e, r->point, r->block->params.data);
  Staged *value = apply(e, argument(call, 0), &inside, 1, call->span);
  bool good = !staged_is_poison(value), fits = good && staged_is_data(value);
  fits = fits && staged_layout(value) == staged_layout(r->point);
  if (fits) staged_leaves(e, value, &r->outputs);
  e->builder.block = outer;
  for (size_t i = 0; fits && i < r->at.count; i++)
    fits = r->outputs.data[i]->type == r->at.data[i]->type;
  if (good && !fits) {
    Diagnostic *d = mistake(e, E0301, argument_span(call, 0),
                            "the residual of `%s` has the shape of the unknowns", row_name(row));
    diagnostic_label(d, argument_span(call, 0), "gives %s", staged_describe(e, value));
    diagnostic_label(d, argument_span(call, 1), "%s", staged_describe(e, r->point));
  }
  if (!fits) return false;
  for (size_t i = 0; i < r->outputs.count; i++)
    VEC_PUSH(e->module->arena, &r->block->yields, r->outputs.data[i]);
  capture_block(e, r, r->block);
  for (size_t i = 0; i < r->captures.count; i++) {
    Value *param = block_add_param(r->block, r->captures.data[i]->type, NULL);
    value_replace(r->block, r->captures.data[i], param);
  }
  for (size_t i = 0; i < r->outputs.count; i++) r->outputs.data[i] = r->block->yields.data[i];
  return true;
}

// --- the rules
// ------------------------------------------------------------------------------------

/// A region of the custom op: operands (captures, at), results, then tangents or cotangents.
typedef struct Rule {
  Block *block;
  Value *const *captures, *const *results, *const *changes;
} Rule;

static void add_params(Block *block, const ValueList *like) {
  for (size_t i = 0; i < like->count; i++) block_add_param(block, like->data[i]->type, NULL);
}

static Rule rule_open(Evaluator *e, const Residual *r, bool transposed) {
  Rule rule = {.block = block_create(e->module, e->builder.block)};
  add_params(rule.block, &r->captures);
  add_params(rule.block, &r->at);
  add_params(rule.block, &r->at); // results
  if (!transposed) add_params(rule.block, &r->captures);
  add_params(rule.block, &r->at);
  Value *const *params = rule.block->params.data;
  rule.captures = params;
  rule.results = params + r->captures.count + r->at.count;
  rule.changes = rule.results + r->at.count;
  return rule;
}

static bool rule_yield(Evaluator *e, const Rule *rule, Staged *value) {
  if (staged_is_poison(value)) return false;
  staged_leaves(e, value, &rule->block->yields);
  return true;
}

static Block *tangent_rule(Evaluator *e, const Residual *r) {
  Rule rule = rule_open(e, r, false);
  int count = (int)r->captures.count;
  Block *outer = e->builder.block;
  e->builder.block = rule.block;
  Staged *y = rebuild(e, r->point, rule.results), *dy = splat_like(e, r->point, 0.0);
  if (count) {
    Staged *of_captures = partial(e, r, rule.results, rule.captures, true);
    Staged *change = derive_jvp(e, of_captures, tuple_of(e, rule.captures, count),
                                tuple_of(e, rule.changes, count), r->span);
    Staged *of_y = partial(e, r, rule.results, rule.captures, false);
    dy = solve_linear(e, r, of_y, y, false, operate_negate(e, change, r->span));
  }
  bool good = rule_yield(e, &rule, dy);
  e->builder.block = outer;
  return good ? rule.block : NULL;
}

static Block *transposed_rule(Evaluator *e, const Residual *r) {
  Rule rule = rule_open(e, r, true);
  int count = (int)r->captures.count;
  Block *outer = e->builder.block;
  e->builder.block = rule.block;
  Staged *y = rebuild(e, r->point, rule.results);
  bool good = true;
  if (count) {
    Staged *of_y = partial(e, r, rule.results, rule.captures, false);
    Staged *l = solve_linear(e, r, of_y, y, true, rebuild(e, r->point, rule.changes));
    Staged *of_captures = partial(e, r, rule.results, rule.captures, true);
    good = !staged_is_poison(l) &&
           rule_yield(e, &rule,
                      derive_vjp(e, of_captures, tuple_of(e, rule.captures, count),
                                 operate_negate(e, l, r->span), r->span));
  }
  good = good && rule_yield(e, &rule, splat_like(e, r->point, 0.0)); // `at` itself
  e->builder.block = outer;
  return good ? rule.block : NULL;
}

static Block *value_region(Evaluator *e, const Residual *r) {
  Block *block = block_create(e->module, e->builder.block);
  add_params(block, &r->captures);
  add_params(block, &r->at);
  for (size_t i = 0; i < r->at.count; i++)
    VEC_PUSH(e->module->arena, &block->yields, block->params.data[r->captures.count + i]);
  return block;
}

static Staged *real_leaf(Evaluator *e, Staged *leaf, void *self) {
  (void)self;
  return staged_tensor(e, staged_is_number(leaf) ? static_value(e, leaf, e->real)
                                                 : leaf_value(e, leaf));
}

Staged *builtin_root(const Call *call, const BuiltinRow *row) {
  Evaluator *e = call->evaluator;
  if (argument(call, 0)->kind != STAGED_FUNCTION) return wrong_argument(call, row, 0, "a function");
  if (!staged_is_data(argument(call, 1))) return wrong_argument(call, row, 1, "real numbers");
  if (argument(call, 2)->kind != STAGED_FUNCTION) return wrong_argument(call, row, 2, "a solver");
  Residual *r = ARENA_NEW(e->arena, Residual);
  r->span = call->span;
  r->solver = argument(call, 2);
  r->point = map_leaves(e, argument(call, 1), real_leaf, NULL);
  staged_leaves(e, r->point, &r->at);
  for (size_t i = 0; i < r->at.count; i++)
    if (!dtype_is_float(r->at.data[i]->type->dtype))
      return wrong_argument(call, row, 1, "real numbers");
  if (!residual_open(e, r, call, row)) return staged_poison;
  Block *tangent = tangent_rule(e, r), *transposed = tangent ? transposed_rule(e, r) : NULL;
  if (!tangent || !transposed) return staged_poison;
  ValueList operands = {0};
  for (size_t i = 0; i < r->captures.count; i++) VEC_PUSH(e->arena, &operands, r->captures.data[i]);
  // The way to the solution has no derivative: nothing is to be built for it.
  for (size_t i = 0; i < r->at.count; i++)
    VEC_PUSH(e->arena, &operands, ir_unary(&e->builder, OP_STOP, r->at.data[i]));
  Op *op = ir_custom(&e->builder, operands.data, (int)operands.count, value_region(e, r), tangent,
                     transposed);
  return rebuild(e, r->point, op->results);
}
