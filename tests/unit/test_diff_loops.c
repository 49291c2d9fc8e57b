// Derivatives through loops: descent, conjugate gradients, loops in loops, to third order.
//
// Values are compared with differences; sizes are compared for several trip counts: ops and loops
// must not depend on it, stacked entries must grow linearly.
#include "unit/diff_check.h"

typedef Value *ScalarFunction(Builder *b, Value *const *x, int count, void *self);

static const Type *vector(Example *e, int64_t n) {
  return shape_type(e->module, DT_F64, 1, (int64_t[]){n});
}

static Value *add(Builder *b, Value *x, Value *y) {
  return ir_binary(b, OP_ADD, x, y);
}
static Value *sub(Builder *b, Value *x, Value *y) {
  return ir_binary(b, OP_SUB, x, y);
}
static Value *mul(Builder *b, Value *x, Value *y) {
  return ir_binary(b, OP_MUL, x, y);
}
static Value *quotient(Builder *b, Value *x, Value *y) {
  return ir_binary(b, OP_DIV, x, y);
}
static Value *splat(Builder *b, Value *like, double x) {
  return ir_real(b, like->type, x);
}
static Value *spread(Builder *b, Value *x, Value *like) {
  return ir_broadcast_suffix(b, x, like->type);
}

static Value *inner_product(Builder *b, Value *x, Value *y) {
  Attr attr = {0};
  attr.dot.contract_count = 1;
  return ir_dot(b, x, y, &attr);
}

static void yield(Block *block, Value *v) {
  VEC_PUSH(block->module->arena, &block->yields, v);
}

// f at fresh parameters in a block of its own, as the evaluator does it.
static Block *closure(Builder *b, ScalarFunction *f, Value *const *x, int count, void *self,
                      Value **result) {
  Block *block = block_create(b->module, b->block);
  for (int i = 0; i < count; i++) block_add_param(block, x[i]->type, NULL);
  Builder inside = builder_at(block);
  *result = f(&inside, block->params.data, count, self);
  return block;
}

static Value *gradient(Builder *b, ScalarFunction *f, Value *const *x, int count, int by,
                       void *self) {
  Value *value, *cotangent;
  Block *block = closure(b, f, x, count, self, &value);
  Builder inside = builder_at(block);
  Value *one = ir_real(&inside, value->type, 1);
  DiffError error;
  if (!diff_vjp(block, &block->params.data[by], 1, &value, &one, 1, &cotangent, &error))
    fail_msg("%s", error.text);
  if (!cotangent) cotangent = ir_zero(&inside, x[by]->type);
  Value *result;
  ir_inline(b, block, x, &cotangent, 1, &result);
  return result;
}

typedef struct Nested {
  ScalarFunction *f;
  void *self;
  int by;
} Nested;

static Value *gradient_function(Builder *b, Value *const *x, int count, void *self) {
  const Nested *n = self;
  return gradient(b, n->f, x, count, n->by, n->self);
}

// Second derivative by parameter `by` in direction v, linearised so that what is fixed can be
// hoisted.
static Value *hessian_product(Builder *b, ScalarFunction *f, Value *const *x, int count, int by,
                              Value *v, void *self) {
  Nested nested = {f, self, by};
  Value *value, *tangent, *result;
  Block *block = closure(b, gradient_function, x, count, &nested, &value);
  DiffError error;
  if (!diff_linearise(block, &block->params.data[by], &v, 1, &value, 1, &tangent, &error))
    fail_msg("%s", error.text);
  ir_inline(b, block, x, &tangent, 1, &result);
  return result;
}

// --- losses -------------------------------------------------------------------------------------

// Smooth, not quadratic: sum(softplus(w) * s) + sum(w^2) / 2, s = exp(hyper).
static Value *plain_loss(Builder *b, Value *const *x, int count, void *self) {
  (void)count, (void)self;
  Value *w = x[0], *s = ir_unary(b, OP_EXP, x[1]);
  Value *fit = ir_sum_all(b, mul(b, ir_unary(b, OP_SOFTPLUS, w), s));
  Value *size = ir_sum_all(b, mul(b, w, w));
  return add(b, fit, mul(b, splat(b, size, 0.5), size));
}

// The loss has a loop of its own: a short recurrence w -> sin(w) + s / 4.
static Value *looping_loss(Builder *b, Value *const *x, int count, void *self) {
  (void)count, (void)self;
  const Type *i64 = type_scalar(b->module, DT_I64);
  Block *body = block_create(b->module, b->block);
  block_add_param(body, i64, NULL);
  Value *c = block_add_param(body, x[0]->type, NULL);
  Builder inside = builder_at(body);
  Value *shift = mul(&inside, splat(&inside, c, 0.25), ir_unary(&inside, OP_EXP, x[1]));
  yield(body, add(&inside, ir_unary(&inside, OP_SIN, c), shift));
  Value *three = ir_integer(b, i64, 3);
  Op *loop = ir_loop(b, three, dim_const(b->module->dims, 3), &x[0], 1, NULL, 0, body, NULL, false);
  return ir_sum_all(b, mul(b, loop->results[0], loop->results[0]));
}

// T steps of descent on f(., hyper) from start; a scalar of the end point.
static Value *descend(Builder *b, ScalarFunction *f, Value *start, Value *hyper, int64_t steps,
                      bool condition) {
  Module *module = b->module;
  const Type *i64 = type_scalar(module, DT_I64);
  Block *body = block_create(module, b->block), *test = NULL;
  block_add_param(body, i64, NULL);
  Value *w = block_add_param(body, start->type, NULL);
  Builder inside = builder_at(body);
  Value *g = gradient(&inside, f, (Value *[]){w, hyper}, 2, 0, NULL);
  yield(body, sub(&inside, w, mul(&inside, splat(&inside, w, 0.2), g)));
  if (condition) {
    test = block_create(module, b->block);
    block_add_param(test, i64, NULL);
    Value *at = block_add_param(test, start->type, NULL);
    Builder in = builder_at(test);
    Value *size = ir_sum_all(&in, mul(&in, at, at));
    yield(test, ir_compare(&in, COMPARE_GT, size, splat(&in, size, 0.3)));
  }
  const Dim *bound = dim_const(module->dims, steps);
  Op *loop = ir_loop(b, ir_dim(b, bound), bound, &start, 1, NULL, 0, body, test, false);
  return ir_sum_all(b, mul(b, loop->results[0], loop->results[0]));
}

static Example descent_example(ScalarFunction *f, int64_t steps, bool condition) {
  Example e = example_create();
  Value *start = example_input(&e, vector(&e, 3), 0.5, 1);
  Value *hyper = example_input(&e, vector(&e, 3), -0.5, 0.5);
  example_yield(&e, descend(&e.b, f, start, hyper, steps, condition));
  return e;
}

static void check_third_order(Example *e, const char *what) {
  Tensor *arguments[MAX_INPUTS];
  draw_arguments(e, arguments);
  check_derivatives(e, what, arguments);
  Func *first = derive_reverse(e, e->func);
  Tensor **more = with_cotangents(e, e->func, arguments);
  Func *second = derive_reverse(e, first);
  Tensor **most = with_cotangents(e, first, more);
  check_forward(e, what, second, MODE_JVP, most, 5e-6);
  check_forward(e, what, second, MODE_LINEARISE, most, 5e-6);
  check_reverse(e, what, second, most);
}

static void test_descent(void **state) {
  (void)state;
  for (int condition = 0; condition < 2; condition++) {
    Example e = descent_example(plain_loss, 6, condition);
    check_third_order(&e, condition ? "descent while" : "descent");
    example_destroy(&e);
  }
}

static void test_descent_on_loop(void **state) {
  (void)state;
  Example e = descent_example(looping_loss, 3, false);
  check_third_order(&e, "descent on a loop");
  example_destroy(&e);
}

// --- sizes --------------------------------------------------------------------------------------

// Entries of all stacked outputs; those of inner loops count once.
static int64_t stacked_entries(Example *e, const Block *block) {
  int64_t sum = 0;
  for (const Op *op = block->first; op; op = op->next) {
    for (int i = 0; i < op->region_count; i++) sum += stacked_entries(e, op->regions[i]);
    if (op->code != OP_LOOP) continue;
    for (int i = op->attr.loop.carries; i < op->result_count - 1; i++) {
      int64_t entries = 0;
      if (!dim_is_const(type_entries(e->module, op->results[i]->type), &entries)) fail();
      sum += entries;
    }
  }
  return sum;
}

enum { ORDERS = 4 };
typedef struct Sizes {
  int ops[ORDERS], loops[ORDERS];
  int64_t stacked[ORDERS];
} Sizes;

// Reverse derivatives of orders 0 to 3, optimised as a program would be.
static Sizes measure(ScalarFunction *f, int64_t steps) {
  Sizes sizes;
  Example e = descent_example(f, steps, false);
  Func *func = e.func;
  for (int order = 0; order < ORDERS; order++) {
    Value *outputs[MAX_INPUTS];
    Func *copy = copy_func(&e, func, "measured", outputs);
    for (size_t i = 0; i < func->body->yields.count; i++)
      VEC_PUSH(e.module->arena, &copy->body->yields, outputs[i]);
    opt_func(copy);
    verify_module(&e);
    IrMeasure m = ir_measure(copy->body);
    sizes.ops[order] = m.ops;
    sizes.loops[order] = m.loops;
    sizes.stacked[order] = stacked_entries(&e, copy->body);
    func = derive_reverse(&e, func);
  }
  example_destroy(&e);
  return sizes;
}

static void check_sizes(const char *what, ScalarFunction *f, bool show) {
  Sizes small = measure(f, 10), middle = measure(f, 20), large = measure(f, 1000);
  for (int order = 0; order < ORDERS; order++) {
    if (show)
      print_message("%s, order %d: %d ops, %d loops, %g stacked entries a step\n", what, order,
                    small.ops[order], small.loops[order], (double)large.stacked[order] / 1000);
    assert_int_equal(small.ops[order], large.ops[order]);
    assert_int_equal(small.loops[order], large.loops[order]);
    int64_t step = middle.stacked[order] - small.stacked[order];
    assert_int_equal(large.stacked[order] - small.stacked[order], 99 * step);
  }
}

static void test_sizes(void **state) {
  (void)state;
  check_sizes("descent", plain_loss, true);
  check_sizes("descent on a loop", looping_loss, true);
}

// --- conjugate gradients ------------------------------------------------------------------------

// x with H x = g, H the Hessian of f by w, by a while loop of at most n steps.
static Value *conjugate_gradients(Builder *b, ScalarFunction *f, Value *w, Value *hyper, Value *g,
                                  int64_t steps) {
  Module *module = b->module;
  const Type *i64 = type_scalar(module, DT_I64), *type = g->type;
  Value *carries[4] = {ir_zero(b, type), g, g, inner_product(b, g, g)};
  Block *body = block_create(module, b->block), *test = block_create(module, b->block);
  Value *x[2][5];
  for (int r = 0; r < 2; r++) {
    x[r][0] = block_add_param(r ? test : body, i64, NULL);
    for (int i = 0; i < 4; i++)
      x[r][i + 1] = block_add_param(r ? test : body, carries[i]->type, NULL);
  }
  Builder in = builder_at(body);
  Value *p = x[0][3], *squares = x[0][4];
  Value *hp = hessian_product(&in, f, (Value *[]){w, hyper}, 2, 0, p, NULL);
  Value *alpha = quotient(&in, squares, inner_product(&in, p, hp));
  Value *residual = sub(&in, x[0][2], mul(&in, spread(&in, alpha, p), hp));
  Value *next = inner_product(&in, residual, residual);
  Value *beta = quotient(&in, next, squares);
  yield(body, add(&in, x[0][1], mul(&in, spread(&in, alpha, p), p)));
  yield(body, residual);
  yield(body, add(&in, residual, mul(&in, spread(&in, beta, p), p)));
  yield(body, next);
  in = builder_at(test);
  yield(test, ir_compare(&in, COMPARE_GT, x[1][4], splat(&in, x[1][4], 1e-12)));
  const Dim *bound = dim_const(module->dims, steps);
  Op *loop = ir_loop(b, ir_dim(b, bound), bound, carries, 4, NULL, 0, body, test, false);
  return loop->results[0];
}

// Coupled variables, so that the Hessian is not diagonal.
static Value *coupled_loss(Builder *b, Value *const *x, int count, void *self) {
  Value *sum = ir_sum_all(b, x[0]);
  return add(b, plain_loss(b, x, count, self), ir_unary(b, OP_SOFTPLUS, sum));
}

static void test_conjugate_gradients(void **state) {
  (void)state;
  Example e = example_create();
  Value *w = example_input(&e, vector(&e, 3), -1, 1);
  Value *hyper = example_input(&e, vector(&e, 3), -0.5, 0.5);
  Value *g = example_input(&e, vector(&e, 3), 0.5, 1);
  Value *x = conjugate_gradients(&e.b, coupled_loss, w, hyper, g, 3);
  Value *back = hessian_product(&e.b, coupled_loss, (Value *[]){w, hyper}, 2, 0, x, NULL);
  example_yield(&e, x);
  verify_module(&e);
  Tensor *arguments[MAX_INPUTS];
  draw_arguments(&e, arguments);
  Func *check = func_create(e.module, intern(e.module->names, "check"));
  Value *parameters[3];
  for (int i = 0; i < 3; i++) parameters[i] = block_add_param(check->body, g->type, NULL);
  Builder b = builder_at(check->body);
  Value *result;
  ir_inline(&b, e.func->body, parameters, &back, 1, &result);
  yield(check->body, result);
  compare("H x", run_func(&e, check, arguments)[0], arguments[2], 1e-9);
  check_third_order(&e, "conjugate gradients");
  check_batches(&e, "conjugate gradients", e.func);
  example_destroy(&e);
}

// --- branches, guards, updates in loops ---------------------------------------------------------

// Adam-like steps from a zero gradient: sqrt of zero on the way, all derivatives finite.
static Value *adam_steps(Builder *b, Value *start, Value *rate, int64_t steps) {
  Module *module = b->module;
  const Type *i64 = type_scalar(module, DT_I64);
  Block *body = block_create(module, b->block);
  block_add_param(body, i64, NULL);
  Value *carries[3] = {start, ir_zero(b, start->type), ir_zero(b, start->type)}, *c[3];
  for (int i = 0; i < 3; i++) c[i] = block_add_param(body, start->type, NULL);
  Builder in = builder_at(body);
  Value *g = mul(&in, c[0], c[0]); // gradient of w^3 / 3: zero, and flat, at zero
  Value *m = add(&in, mul(&in, splat(&in, g, 0.9), c[1]), mul(&in, splat(&in, g, 0.1), g));
  Value *v =
      add(&in, mul(&in, splat(&in, g, 0.99), c[2]), mul(&in, splat(&in, g, 0.01), mul(&in, g, g)));
  Value *root = add(&in, ir_unary(&in, OP_SQRT, v), splat(&in, v, 1e-3));
  Value *step = quotient(&in, mul(&in, spread(&in, rate, m), m), root);
  yield(body, sub(&in, c[0], step));
  yield(body, m);
  yield(body, v);
  const Dim *bound = dim_const(module->dims, steps);
  return ir_loop(b, ir_dim(b, bound), bound, carries, 3, NULL, 0, body, NULL, false)->results[0];
}

static void test_adam_from_zero(void **state) {
  (void)state;
  Example e = example_create();
  Value *start = example_input(&e, vector(&e, 2), 0, 0); // exactly zero
  Value *rate = example_input(&e, type_scalar(e.module, DT_F64), 0.1, 0.2);
  example_yield(&e, adam_steps(&e.b, start, rate, 5));
  Tensor *arguments[MAX_INPUTS];
  draw_arguments(&e, arguments);
  Func *reverse = derive_reverse(&e, e.func);
  Tensor **more = append(&e, arguments, 2, (Tensor *[]){like(&e, arguments[0], 1)}, 1);
  Tensor **results = run_optimised(&e, reverse, more);
  // The update does not move from zero: the derivative by the start is the identity, by the rate 0.
  compare("by start", results[0], more[2], 1e-12);
  assert_true(results[1]->reals[0] == 0);
  Func *forward = derive_forward(&e, e.func, MODE_JVP);
  Tensor *direction = like(&e, arguments[0], 1), *one = tensor_scalar(e.arena, DT_F64, 1);
  results = run_optimised(&e, forward, append(&e, arguments, 2, (Tensor *[]){direction, one}, 2));
  compare("forward", results[0], direction, 1e-12);
  example_destroy(&e);
}

static void test_adam(void **state) {
  (void)state;
  Example e = example_create();
  Value *start = example_input(&e, vector(&e, 2), 0.5, 1);
  Value *rate = example_input(&e, type_scalar(e.module, DT_F64), 0.1, 0.2);
  example_yield(&e, adam_steps(&e.b, start, rate, 5));
  check_third_order(&e, "adam");
  example_destroy(&e);
}

// A branch on a carry in each trip, a table read and written at places that depend on the trip.
static void test_branch_and_table(void **state) {
  (void)state;
  Example e = example_create();
  Module *m = e.module;
  const Type *i64 = type_scalar(m, DT_I64), *f64 = type_scalar(m, DT_F64);
  Value *table = example_input(&e, shape_type(m, DT_F64, 2, (int64_t[]){4, 2}), 0.2, 1);
  Value *start = example_input(&e, f64, 0.2, 0.8);
  Block *body = block_create(m, e.func->body);
  Value *i = block_add_param(body, i64, NULL), *s = block_add_param(body, f64, NULL);
  Value *kept = block_add_param(body, table->type, NULL);
  Builder in = builder_at(body);
  Value *place =
      ir_binary(&in, OP_MOD, mul(&in, i, ir_integer(&in, i64, 3)), ir_integer(&in, i64, 4));
  const int8_t axes[1] = {0};
  Value *row = ir_gather(&in, table, 1, axes, &place);
  Value *mine = ir_gather(&in, kept, 1, axes, &place);
  Block *yes = block_create(m, body), *no = block_create(m, body);
  Builder side = builder_at(yes);
  yield(yes, ir_unary(&side, OP_SQRT, add(&side, s, ir_sum_all(&side, mul(&side, row, mine)))));
  side = builder_at(no);
  yield(no, mul(&side, s, ir_unary(&side, OP_SIN, ir_sum_all(&side, row))));
  Op *branch = ir_if(&in, ir_compare(&in, COMPARE_LT, s, splat(&in, s, 0.7)), yes, no);
  Value *update = mul(&in, row, ir_broadcast_suffix(&in, branch->results[0], row->type));
  yield(body, branch->results[0]);
  yield(body, ir_scatter_add(&in, kept, update, 1, axes, &place));
  const Dim *bound = dim_const(m->dims, 7);
  Op *loop =
      ir_loop(&e.b, ir_dim(&e.b, bound), bound, (Value *[]){start, ir_unary(&e.b, OP_SIN, table)},
              2, NULL, 0, body, NULL, false);
  example_yield(&e, loop->results[0]);
  example_yield(&e, loop->results[1]);
  check_third_order(&e, "branch and table");
  check_batches(&e, "branch and table", e.func);
  example_destroy(&e);
}

// Without a bound there is no tape; forward mode needs none.
static void test_no_bound(void **state) {
  (void)state;
  Example e = example_create();
  Value *x = example_input(&e, type_scalar(e.module, DT_F64), 0.5, 1);
  Block *body = block_create(e.module, e.func->body);
  block_add_param(body, type_scalar(e.module, DT_I64), NULL);
  Value *c = block_add_param(body, x->type, NULL);
  Builder in = builder_at(body);
  yield(body, ir_unary(&in, OP_SIN, c));
  Value *count = ir_integer(&e.b, type_scalar(e.module, DT_I64), 3);
  Op *loop = ir_loop(&e.b, count, NULL, &x, 1, NULL, 0, body, NULL, false);
  example_yield(&e, loop->results[0]);
  Tensor *arguments[MAX_INPUTS];
  draw_arguments(&e, arguments);
  check_forward(&e, "no bound", e.func, MODE_JVP, arguments, 1e-6);
  Value *outputs[1], *cotangent = NULL;
  Func *copy = copy_func(&e, e.func, "copy", outputs);
  Builder b = builder_at(copy->body);
  Value *one = ir_real(&b, x->type, 1);
  DiffError error;
  assert_false(
      diff_vjp(copy->body, copy->body->params.data, 1, outputs, &one, 1, &cotangent, &error));
  assert_non_null(error.text);
  yield(copy->body, outputs[0]);
  verify_module(&e);
  example_destroy(&e);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_descent),
      cmocka_unit_test(test_descent_on_loop),
      cmocka_unit_test(test_sizes),
      cmocka_unit_test(test_conjugate_gradients),
      cmocka_unit_test(test_adam_from_zero),
      cmocka_unit_test(test_adam),
      cmocka_unit_test(test_branch_and_table),
      cmocka_unit_test(test_no_bound),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
