// Linearise: tangents of a block's values, appended as further ops.
//
// Enters: a block, inputs with tangents, wanted outputs. Leaves: ops that are linear in the
// tangents and refer to the primal values. Only values that depend on an input and that an output
// needs get one; zero is NULL. The rule of each op is found through ops.def, so an op without a
// rule does not compile.
#include "diff/diff_internal.h"

void diff_fail(DiffError *error, Span span, const char *text) {
  if (error && !error->text) *error = (DiffError){span, text};
}

bool tangent_wanted(const Linearise *l, const Value *v) {
  return marks_has(&l->active, v) && marks_has(&l->useful, v);
}

Value *tangent_of(const Linearise *l, const Value *v) {
  return map_get(l->tangents, v);
}

Value *tangent_or_zero(Linearise *l, const Value *v) {
  Value *t = tangent_of(l, v);
  return t ? t : ir_zero(&l->b, v->type);
}

// --- generated rules ----------------------------------------------------------------------------

static Value *same_op(Linearise *l, const Op *op, Value *const *operands) {
  if (op->code == OP_DOT) return ir_dot(&l->b, operands[0], operands[1], &op->attr);
  if (op->code == OP_CONV) return ir_conv(&l->b, operands[0], operands[1], &op->attr);
  return ir_value(&l->b, op->code, operands, op->operand_count, &op->attr);
}

static Value *sum(Linearise *l, Value *x, Value *y) {
  return !x ? y : !y ? x : ir_binary(&l->b, OP_ADD, x, y);
}

// Linear in each operand alone: the sum over operands of the op with one tangent.
static void tangent_multilinear(Linearise *l, Op *op, Value *const *tangents, Value **results) {
  for (int k = 0; k < op->operand_count; k++) {
    if (!tangents[k]) continue;
    Value *operands[2] = {op->operands[0], op->operands[1]};
    operands[k] = tangents[k];
    results[0] = sum(l, results[0], same_op(l, op, operands));
  }
}

// d select(t == 0, 0, t p) is that of t p, each product with its own guard.
static void tangent_guarded(Linearise *l, const GuardedProduct *product, Value **results) {
  Value *dt = tangent_of(l, product->t), *r = NULL;
  Value *dp = product->p ? tangent_of(l, product->p) : NULL;
  if (dt) r = product->p ? guarded_product(&l->b, dt, product->p) : dt;
  if (dp) r = sum(l, r, guarded_product(&l->b, product->t, dp));
  results[0] = r && product->negative ? ir_unary(&l->b, OP_NEG, r) : r;
}

// Jointly linear in the masked operands: the op itself on their tangents.
static void tangent_linear(Linearise *l, Op *op, Value *const *tangents, Value **results) {
  GuardedProduct product;
  if (op->code == OP_ADD || op->code == OP_SUB) {
    Value *x = tangents[0], *y = tangents[1];
    if (x && y) {
      results[0] = ir_binary(&l->b, op->code, x, y);
    } else {
      results[0] = x ? x : op->code == OP_ADD ? y : ir_unary(&l->b, OP_NEG, y);
    }
    return;
  }
  if (is_guarded_product(op, &product)) {
    tangent_guarded(l, &product, results);
    return;
  }
  Value **operands = ARENA_ARRAY(l->arena, Value *, (size_t)op->operand_count);
  int mask = op_table[op->code].linear_mask;
  for (int k = 0; k < op->operand_count; k++) {
    Value *operand = op->operands[k];
    bool linear = mask < 0 || (k < 31 && mask >> k & 1);
    operands[k] = !linear ? operand : tangents[k] ? tangents[k] : ir_zero(&l->b, operand->type);
  }
  results[0] = same_op(l, op, operands);
}

static TangentRule *const rules[OP_COUNT] = {
#define OP_PARTIALS(CODE, ...)             [OP_##CODE] = tangent_by_partials,
#define OP_MULTILINEAR(CODE, ...)          [OP_##CODE] = tangent_multilinear,
#define OP_LINEAR(MASK, CODE, ...)         [OP_##CODE] = tangent_linear,
#define OP_TANGENT(CODE, ...)              [OP_##CODE] = tangent_##CODE,
#define OP_TANGENT_LINEAR(MASK, CODE, ...) [OP_##CODE] = tangent_##CODE,
#include "ir/ops.def"
};

// --- the walk -----------------------------------------------------------------------------------

static void linearise_op(Linearise *l, Op *op) {
  if (!rules[op->code]) return;
  Value **tangents = ARENA_ARRAY(l->arena, Value *, (size_t)op->operand_count + 1);
  bool any = op->region_count > 0;
  for (int k = 0; k < op->operand_count; k++) {
    tangents[k] = tangent_of(l, op->operands[k]);
    any = any || tangents[k];
  }
  if (!any) return;
  // Rules of control ops may give the primal op further results: look at the ones it has now.
  int count = op->result_count;
  Value **primal = arena_copy(l->arena, op->results, (size_t)count * sizeof *primal);
  Value **results = ARENA_ARRAY(l->arena, Value *, (size_t)count + 1);
  Span span = l->b.span;
  l->b.span = op->span;
  rules[op->code](l, op, tangents, results);
  l->b.span = span;
  for (int i = 0; i < count; i++)
    if (results[i] && tangent_wanted(l, primal[i]) && !map_has(l->tangents, primal[i]))
      map_put(l->tangents, primal[i], results[i]);
}

static bool any_wanted(const Linearise *l, const Op *op) {
  for (int i = 0; i < op->result_count; i++)
    if (tangent_wanted(l, op->results[i])) return true;
  return false;
}

void linearise_ops(Linearise *l, Block *primal) {
  const Op *last = primal->last;
  for (Op *op = primal->first; op; op = op == last ? NULL : op->next)
    if (any_wanted(l, op)) linearise_op(l, op);
}

// --- entries ------------------------------------------------------------------------------------

static Linearise linearise_create(Block *block, Arena *arena, bool split, DiffError *error) {
  return (Linearise){.module = block->module,
                     .arena = arena,
                     .b = builder_at(block),
                     .tangents = map_create(arena),
                     .active = marks_create(arena, false),
                     .useful = marks_create(arena, false),
                     .split = split,
                     .error = error};
}

static bool linearise(Linearise *l, Block *block, Value *const *inputs, Value *const *seeds,
                      int input_count, Value *const *outputs, int output_count, Value **results) {
  for (int i = 0; i < input_count; i++) {
    if (!seeds[i] || !dtype_is_float(inputs[i]->type->dtype)) continue;
    map_put(l->tangents, inputs[i], seeds[i]);
    marks_add(&l->active, inputs[i]);
  }
  for (int i = 0; i < output_count; i++) marks_add(&l->useful, outputs[i]);
  if (l->split) hoist_invariants(block);
  marks_forward(&l->active, block, block->first);
  marks_backward(&l->useful, block);
  linearise_ops(l, block);
  for (int i = 0; i < output_count; i++) results[i] = tangent_of(l, outputs[i]);
  return !l->error->text;
}

static bool forward(Block *block, Value *const *inputs, Value *const *seeds, int input_count,
                    Value *const *outputs, int output_count, Value **results, bool split,
                    DiffError *error) {
  DiffError own = {0};
  Arena *arena = arena_create();
  Linearise l = linearise_create(block, arena, split, &own);
  bool good = linearise(&l, block, inputs, seeds, input_count, outputs, output_count, results);
  arena_destroy(arena);
  if (error) *error = own;
  return good;
}

bool diff_jvp(Block *block, Value *const *inputs, Value *const *seeds, int input_count,
              Value *const *outputs, int output_count, Value **results, DiffError *error) {
  return forward(block, inputs, seeds, input_count, outputs, output_count, results, false, error);
}

bool diff_linearise(Block *block, Value *const *inputs, Value *const *seeds, int input_count,
                    Value *const *outputs, int output_count, Value **results, DiffError *error) {
  return forward(block, inputs, seeds, input_count, outputs, output_count, results, true, error);
}

// --- reverse mode -------------------------------------------------------------------------------

// Stands for a tangent until the linear program that depends on it has been transposed and removed.
static Value *placeholder(Linearise *l, Block *block, const Value *input) {
  Value *v = ARENA_NEW(l->module->arena, Value);
  *v = (Value){.type = input->type, .block = block, .id = l->module->next_id++};
  return v;
}

static void remove_linear(const Marks *linear, Block *block, const Op *stop) {
  for (Op *op = block->last; op && op != stop;) {
    Op *previous = op->previous;
    bool gone = false;
    for (int i = 0; i < op->result_count; i++) gone = gone || marks_has(linear, op->results[i]);
    if (gone) op_remove(op);
    op = previous;
  }
}

bool diff_vjp(Block *block, Value *const *inputs, int input_count, Value *const *outputs,
              Value *const *cotangents, int output_count, Value **results, DiffError *error) {
  DiffError own = {0};
  Arena *arena = arena_create();
  Linearise l = linearise_create(block, arena, true, &own);
  l.transient = true;
  Marks linear = marks_create(arena, true);
  linear.whole =
      true; // linear ops go as wholes in the end; results that are constant zeros go along
  Transpose t = {.module = block->module,
                 .arena = arena,
                 .b = builder_at(block),
                 .source = block,
                 .linear = &linear,
                 .copies = map_create(arena),
                 .cotangents = map_create(arena),
                 .error = &own};
  Value **seeds = ARENA_ARRAY(arena, Value *, (size_t)input_count + 1);
  Map *seen = map_create(arena);
  for (int i = 0; i < input_count; i++) {
    if (!dtype_is_float(inputs[i]->type->dtype) || map_has(seen, inputs[i])) continue;
    map_put(seen, inputs[i], inputs[i]);
    seeds[i] = placeholder(&l, block, inputs[i]);
    marks_add(&linear, seeds[i]);
  }
  // Only outputs with a cotangent need a tangent.
  Value **wanted = ARENA_ARRAY(arena, Value *, (size_t)output_count + 1);
  Value **given = ARENA_ARRAY(arena, Value *, (size_t)output_count + 1);
  Value **tangents = ARENA_ARRAY(arena, Value *, (size_t)output_count + 1);
  int count = 0;
  for (int i = 0; i < output_count; i++) {
    if (!cotangents[i] || !dtype_is_float(outputs[i]->type->dtype)) continue;
    given[count] = cotangents[i];
    wanted[count++] = outputs[i];
  }
  const Op *stop = block->last;
  if (linearise(&l, block, inputs, seeds, input_count, wanted, count, tangents)) {
    marks_forward(&linear, block, stop ? stop->next : block->first);
    for (int i = 0; i < count; i++)
      if (tangents[i]) cotangent_add(&t, tangents[i], given[i]);
    transpose_ops(&t, block->last, stop);
  }
  for (int i = 0; i < input_count; i++) results[i] = seeds[i] ? cotangent_of(&t, seeds[i]) : NULL;
  remove_linear(&linear, block, stop);
  arena_destroy(arena);
  if (error) *error = own;
  return !own.text;
}
