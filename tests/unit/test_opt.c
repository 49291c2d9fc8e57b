// The optimiser: each pass on a small function, checked by structure and by value.
#include "unit/diff_check.h"

static const Type *typed(Example *e, int rank, const int64_t *shape) {
  return shape_type(e->module, DT_F64, rank, shape);
}
#define F64(e, ...)                                                                                \
  typed((e), (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]){__VA_ARGS__})

static Value *mul(Builder *b, Value *x, Value *y) {
  return ir_binary(b, OP_MUL, x, y);
}
static Value *add(Builder *b, Value *x, Value *y) {
  return ir_binary(b, OP_ADD, x, y);
}
static void yield(Block *block, Value *v) {
  VEC_PUSH(block->module->arena, &block->yields, v);
}

// Optimises and checks that results stay what they were.
static void optimise(Example *e) {
  Tensor *arguments[MAX_INPUTS];
  draw_arguments(e, arguments);
  verify_module(e);
  run_optimised(e, e->func, arguments);
}

static int count_code(const Block *block, Opcode code) {
  int count = 0;
  for (const Op *op = block->first; op; op = op->next) {
    count += op->code == code;
    for (int i = 0; i < op->region_count; i++) count += count_code(op->regions[i], code);
  }
  return count;
}

static const Op *find_code(const Block *block, Opcode code) {
  for (const Op *op = block->first; op; op = op->next) {
    if (op->code == code) return op;
    for (int i = 0; i < op->region_count; i++) {
      const Op *found = find_code(op->regions[i], code);
      if (found) return found;
    }
  }
  return NULL;
}

static Attr contract(int left, int right) {
  Attr attr = {0};
  attr.dot.contract_count = 1;
  attr.dot.left_contract[0] = (int8_t)left;
  attr.dot.right_contract[0] = (int8_t)right;
  return attr;
}

// --- hoisting -----------------------------------------------------------------------------------

// Logistic loss with weights w on the rows of x.
static Value *logistic_loss(Builder *b, Value *w, Value *x) {
  Value *margins = ir_dot(b, x, w, &(Attr){.dot = contract(1, 0).dot});
  return ir_sum_all(b, ir_unary(b, OP_SOFTPLUS, margins));
}

// A loop of gradient steps with H p, the Hessian taken at w: the body of a conjugate gradient
// solver.
static Example solver_example(void) {
  Example e = example_create();
  Value *x = example_input(&e, F64(&e, 6, 3), -1, 1);
  Value *w = example_input(&e, F64(&e, 3), -1, 1);
  Value *start = example_input(&e, F64(&e, 3), -1, 1);
  Module *m = e.module;
  Block *body = block_create(m, e.func->body);
  block_add_param(body, type_scalar(m, DT_I64), NULL);
  Value *p = block_add_param(body, w->type, NULL);
  Builder in = builder_at(body);
  // grad by the closure's own parameter, then its derivative in direction p.
  Block *closure = block_create(m, body);
  Value *at = block_add_param(closure, w->type, NULL);
  Builder inner = builder_at(closure);
  Value *loss = logistic_loss(&inner, at, x), *one = ir_real(&inner, loss->type, 1);
  Value *gradient, *product, *result;
  DiffError error;
  assert_true(diff_vjp(closure, &at, 1, &loss, &one, 1, &gradient, &error));
  assert_true(diff_linearise(closure, &at, &p, 1, &gradient, 1, &product, &error));
  ir_inline(&in, closure, &w, &product, 1, &result);
  yield(body, add(&in, p, mul(&in, ir_real(&in, p->type, -0.1), result)));
  Value *ten = ir_integer(&e.b, type_scalar(m, DT_I64), 10);
  Op *loop = ir_loop(&e.b, ten, NULL, &start, 1, NULL, 0, body, NULL, false);
  example_yield(&e, loop->results[0]);
  return e;
}

// Is there a product of x and w among the ops of a block (not of its outer blocks)?
static bool multiplies(const Block *block, const Value *x, const Value *w) {
  for (const Op *op = block->first; op; op = op->next)
    if (op->code == OP_DOT && ((op->operands[0] == x && op->operands[1] == w) ||
                               (op->operands[0] == w && op->operands[1] == x)))
      return true;
  return false;
}

static void test_no_product_of_data_and_weights_in_the_solver(void **state) {
  (void)state;
  Example e = solver_example();
  optimise(&e);
  const Op *loop = find_code(e.func->body, OP_LOOP);
  const Value *x = e.func->body->params.data[0], *w = e.func->body->params.data[1];
  assert_true(multiplies(e.func->body, x, w));
  assert_false(multiplies(loop->regions[0], x, w));
  assert_int_equal(count_code(loop->regions[0], OP_DOT), 2); // X p and X' r
  assert_int_equal(count_code(loop->regions[0], OP_LOGISTIC), 0);
  example_destroy(&e);
}

// x y' is larger than x and y: it stays in the loop unless a product or sum there reads it.
static void test_large_values_stay(void **state) {
  (void)state;
  for (int summed = 0; summed < 2; summed++) {
    Example e = example_create();
    Value *x = example_input(&e, F64(&e, 5), -1, 1), *y = example_input(&e, F64(&e, 4), -1, 1);
    Value *start = example_input(&e, summed ? F64(&e, 4) : F64(&e, 5, 4), -1, 1);
    Block *body = block_create(e.module, e.func->body);
    block_add_param(body, type_scalar(e.module, DT_I64), NULL);
    Value *c = block_add_param(body, start->type, NULL);
    Builder in = builder_at(body);
    const Type *matrix = F64(&e, 5, 4);
    Value *outer = mul(&in, ir_broadcast(&in, x, matrix, (int[]){0}),
                       ir_broadcast(&in, y, matrix, (int[]){1}));
    outer = ir_unary(&in, OP_SIN, outer);
    Value *scale = ir_unary(&in, OP_EXP, y);
    if (summed) {
      Attr attr = contract(1, 0);
      Value *along = ir_dot(&in, outer, c, &attr);
      Attr back = contract(0, 0);
      yield(body, mul(&in, ir_dot(&in, outer, along, &back), scale));
    } else {
      yield(body, add(&in, ir_unary(&in, OP_SIN, c), outer));
    }
    Value *two = ir_integer(&e.b, type_scalar(e.module, DT_I64), 2);
    Op *loop = ir_loop(&e.b, two, NULL, &start, 1, NULL, 0, body, NULL, false);
    example_yield(&e, loop->results[0]);
    optimise(&e);
    const Op *kept = find_code(e.func->body, OP_LOOP);
    assert_int_equal(count_code(kept->regions[0], OP_SIN), summed ? 0 : 2);
    assert_int_equal(count_code(kept->regions[0], OP_EXP), 0);
    example_destroy(&e);
  }
}

// --- loops --------------------------------------------------------------------------------------

static void test_unused_parts_of_loops(void **state) {
  (void)state;
  Example e = example_create();
  Value *x = example_input(&e, F64(&e, 3), -1, 1), *fixed = example_input(&e, F64(&e, 3), -1, 1);
  Value *rows = example_input(&e, F64(&e, 4, 3), -1, 1);
  Value *more = example_input(&e, F64(&e, 4, 3), -1, 1);
  Value *one = ir_broadcast_suffix(&e.b, fixed, rows->type);
  Block *body = block_create(e.module, e.func->body);
  block_add_param(body, type_scalar(e.module, DT_I64), NULL);
  Value *c[3], *row[3];
  for (int i = 0; i < 3; i++) c[i] = block_add_param(body, x->type, NULL);
  for (int i = 0; i < 3; i++) row[i] = block_add_param(body, x->type, NULL);
  Builder in = builder_at(body);
  yield(body, add(&in, c[0], mul(&in, row[0], mul(&in, c[1], row[2]))));
  yield(body, c[1]);                                   // never changes
  yield(body, add(&in, c[2], mul(&in, row[1], c[0]))); // nobody asks for it
  yield(body, mul(&in, c[2], c[2]));                   // nor for this
  yield(body, ir_unary(&in, OP_SIN, fixed));           // the same in each row
  const Dim *bound = dim_const(e.module->dims, 4);
  Op *loop = ir_loop(&e.b, ir_dim(&e.b, bound), bound, (Value *[]){x, fixed, x}, 3,
                     (Value *[]){rows, more, one}, 3, body, NULL, false);
  example_yield(&e, loop->results[0]);
  example_yield(&e, loop->results[1]);
  example_yield(&e, loop->results[4]);
  example_yield(&e, loop->results[5]);
  optimise(&e);
  const Op *kept = find_code(e.func->body, OP_LOOP);
  assert_int_equal(kept->attr.loop.carries, 1);
  assert_int_equal(kept->attr.loop.stacked_in, 1);
  assert_int_equal(kept->attr.loop.stacked_out, 0);
  assert_ptr_equal(e.func->body->yields.data[1], e.func->body->params.data[1]);
  example_destroy(&e);
}

// The value, its forward derivative and the stacked way there: one loop.
static void test_loops_merge(void **state) {
  (void)state;
  for (int stop = 0; stop < 2; stop++) {
    Example e = example_create();
    Value *x = example_input(&e, F64(&e, 3), 0.5, 1), *t = example_input(&e, F64(&e, 3), -1, 1);
    Block *body = block_create(e.module, e.func->body), *test = NULL;
    Value *i = block_add_param(body, type_scalar(e.module, DT_I64), NULL);
    Value *c = block_add_param(body, x->type, NULL);
    Builder in = builder_at(body);
    Value *turn = ir_convert(&in, i, DT_F64);
    Value *next = ir_unary(&in, OP_SIN, add(&in, c, ir_broadcast_suffix(&in, turn, c->type)));
    ir_note(&in, ir_compare(&in, COMPARE_GT, next, ir_real(&in, c->type, 2)), E0703, "large");
    yield(body, next);
    if (stop) {
      test = block_create(e.module, e.func->body);
      block_add_param(test, type_scalar(e.module, DT_I64), NULL);
      Value *seen = block_add_param(test, x->type, NULL);
      Builder at = builder_at(test);
      Value *size = ir_sum_all(&at, seen);
      yield(test, ir_compare(&at, COMPARE_GT, size, ir_real(&at, size->type, 0)));
    }
    const Dim *bound = dim_const(e.module->dims, 5);
    Op *loop = ir_loop(&e.b, ir_dim(&e.b, bound), bound, &x, 1, NULL, 0, body, test, false);
    Value *end = loop->results[0], *value = ir_sum_all(&e.b, mul(&e.b, end, end));
    Value *tangent, *cotangent, *one = ir_real(&e.b, value->type, 1);
    DiffError error;
    assert_true(diff_jvp(e.func->body, &x, &t, 1, &value, 1, &tangent, &error));
    assert_true(diff_vjp(e.func->body, &x, 1, &value, &one, 1, &cotangent, &error));
    example_yield(&e, value);
    example_yield(&e, tangent);
    example_yield(&e, cotangent);
    optimise(&e);
    assert_int_equal(ir_measure(e.func->body).loops, 2); // there and back
    assert_int_equal(count_code(e.func->body, OP_NOTE), 1);
    example_destroy(&e);
  }
}

// --- branches and rules -------------------------------------------------------------------------

static void test_work_sinks_into_the_branch(void **state) {
  (void)state;
  Example e = example_create();
  Value *x = example_input(&e, F64(&e, 3), -1, 1);
  Value *s = example_input(&e, type_scalar(e.module, DT_F64), -1, 1);
  Value *cosine = ir_unary(&e.b, OP_COS, x), *sine = ir_unary(&e.b, OP_SIN, x);
  Value *rare = ir_unary(&e.b, OP_EXP, cosine), *both = ir_unary(&e.b, OP_TANH, x);
  Block *yes = block_create(e.module, e.func->body), *no = block_create(e.module, e.func->body);
  Builder b = builder_at(yes);
  yield(yes, add(&b, rare, both));
  yield(no, both);
  Op *branch = ir_if(&e.b, ir_compare(&e.b, COMPARE_GT, s, ir_zero(&e.b, s->type)), yes, no);
  example_yield(&e, branch->results[0]);
  example_yield(&e, sine);
  optimise(&e);
  const Op *kept = find_code(e.func->body, OP_IF);
  assert_int_equal(count_code(kept->regions[0], OP_EXP), 1);
  assert_int_equal(count_code(kept->regions[0], OP_COS), 1);
  assert_int_equal(count_code(kept->regions[0], OP_TANH), 0);
  assert_int_equal(count_code(e.func->body, OP_COS), 1);
  example_destroy(&e);
}

static void test_rules_are_opened_and_branches_decided(void **state) {
  (void)state;
  Example e = example_create();
  Value *x = example_input(&e, F64(&e, 3), -1, 1);
  Block *value = block_create(e.module, e.func->body);
  Builder b = builder_at(value);
  yield(value, ir_unary(&b, OP_SIN, block_add_param(value, x->type, NULL)));
  Value *custom = ir_custom(&e.b, &x, 1, value, NULL, NULL)->results[0];
  Block *yes = block_create(e.module, e.func->body), *no = block_create(e.module, e.func->body);
  b = builder_at(yes);
  yield(yes, mul(&b, custom, custom));
  b = builder_at(no);
  yield(no, ir_unary(&b, OP_EXP, custom));
  Value *sure = ir_integer(&e.b, type_scalar(e.module, DT_BOOL), 0);
  example_yield(&e, ir_if(&e.b, sure, yes, no)->results[0]);
  example_yield(&e, ir_unary(&e.b, OP_SIN, x));
  optimise(&e);
  assert_int_equal(count_code(e.func->body, OP_CUSTOM), 0);
  assert_int_equal(count_code(e.func->body, OP_IF), 0);
  assert_int_equal(count_code(e.func->body, OP_SIN), 1);
  example_destroy(&e);
}

// --- algebra ------------------------------------------------------------------------------------

static void test_sums_of_products_become_dot(void **state) {
  (void)state;
  Example e = example_create();
  Value *a = example_input(&e, F64(&e, 4, 3), -1, 1), *v = example_input(&e, F64(&e, 3), -1, 1);
  Value *c = example_input(&e, F64(&e, 3, 5), -1, 1);
  Value *spread = ir_broadcast_suffix(&e.b, v, a->type);
  example_yield(&e, ir_reduce(&e.b, OP_REDUCE_SUM, mul(&e.b, a, spread), 2));
  // sum over k of a[i, k] c[k, j], the index k in the middle
  const Type *cube = F64(&e, 4, 3, 5);
  Value *left = ir_broadcast(&e.b, a, cube, (int[]){0, 1});
  Value *right = ir_broadcast(&e.b, c, cube, (int[]){1, 2});
  example_yield(&e, ir_reduce(&e.b, OP_REDUCE_SUM, mul(&e.b, left, right), 2));
  // the same with i summed too: one factor is summed alone
  example_yield(&e,
                ir_reduce(&e.b, OP_REDUCE_SUM, mul(&e.b, left, ir_unary(&e.b, OP_SIN, right)), 3));
  optimise(&e);
  assert_int_equal(count_code(e.func->body, OP_DOT), 3);
  // The sine was taken before c was repeated.
  assert_ptr_equal(find_code(e.func->body, OP_SIN)->operands[0], c);
  example_destroy(&e);
}

static void test_views_of_dot(void **state) {
  (void)state;
  Example e = example_create();
  Value *a = example_input(&e, F64(&e, 4, 3), -1, 1), *b = example_input(&e, F64(&e, 5, 3), -1, 1);
  Value *s = example_input(&e, type_scalar(e.module, DT_F64), -1, 1);
  Value *turned = ir_transpose(&e.b, b, (int[]){1, 0});
  Attr attr = contract(1, 0), first = contract(0, 0);
  example_yield(&e, ir_dot(&e.b, a, turned, &attr));
  example_yield(&e, ir_dot(&e.b, turned, ir_transpose(&e.b, a, (int[]){1, 0}), &first));
  example_yield(&e, ir_dot(&e.b, turned, ir_real(&e.b, F64(&e, 5), 1), &attr)); // sums of rows
  example_yield(&e, ir_dot(&e.b, a, ir_broadcast_suffix(&e.b, s, F64(&e, 3)), &attr));
  optimise(&e);
  assert_int_equal(count_code(e.func->body, OP_DOT), 2);
  for (const Op *op = e.func->body->first; op; op = op->next)
    if (op->code == OP_DOT)
      for (int k = 0; k < 2; k++) assert_null(op->operands[k]->op);
  example_destroy(&e);
}

// A turned product is the product of the factors in the other order.
static void test_turned_dot(void **state) {
  (void)state;
  Example e = example_create();
  Value *x = example_input(&e, F64(&e, 4, 3), -1, 1), *r = example_input(&e, F64(&e, 4, 5), -1, 1);
  Attr attr = contract(0, 0);
  Value *product = ir_dot(&e.b, r, x, &attr);
  example_yield(&e, ir_transpose(&e.b, product, (int[]){1, 0}));
  Value *p = example_input(&e, F64(&e, 2, 4, 3), -1, 1);
  Value *q = example_input(&e, F64(&e, 4, 2, 5), -1, 1);
  attr = (Attr){0};
  attr.dot.batch_count = 2; // batch axes (4, 2), wanted (2, 4)
  attr.dot.left_batch[0] = 1;
  attr.dot.right_batch[1] = 1;
  Value *batched = ir_dot(&e.b, p, q, &attr);
  example_yield(&e, ir_transpose(&e.b, batched, (int[]){1, 0, 2, 3}));
  optimise(&e);
  assert_int_equal(count_code(e.func->body, OP_VIEW), 0);
  example_destroy(&e);
}

static void test_sums_of_repeats(void **state) {
  (void)state;
  Example e = example_create();
  Value *v = example_input(&e, F64(&e, 3), -1, 1);
  Value *wide = ir_broadcast(&e.b, v, F64(&e, 4, 3, 2), (int[]){1});
  example_yield(&e, ir_reduce(&e.b, OP_REDUCE_SUM, wide, 1));
  example_yield(&e, ir_reduce(&e.b, OP_REDUCE_SUM, wide, 7));
  example_yield(&e, ir_reduce(&e.b, OP_REDUCE_SUM, ir_real(&e.b, F64(&e, 4, 3), 2), 1));
  Value *twice = ir_reduce(&e.b, OP_REDUCE_SUM, mul(&e.b, wide, wide), 2);
  example_yield(&e, ir_reduce(&e.b, OP_REDUCE_SUM, twice, 1));
  optimise(&e);
  // What is left are the sum over v itself and one sum over two axes.
  assert_int_equal(count_code(e.func->body, OP_REDUCE_SUM), 2);
  example_destroy(&e);
}

static void test_reshapes_become_views(void **state) {
  (void)state;
  Example e = example_create();
  Value *v = example_input(&e, F64(&e, 3, 1, 2), -1, 1);
  Value *flat = ir_reshape(&e.b, v, F64(&e, 1, 3, 2));
  example_yield(&e, ir_reshape(&e.b, ir_flip(&e.b, flat, 1), F64(&e, 3, 2)));
  example_yield(&e, ir_stop(&e.b, ir_reshape(&e.b, v, F64(&e, 6))));
  optimise(&e);
  assert_int_equal(count_code(e.func->body, OP_VIEW), 1);
  assert_int_equal(count_code(e.func->body, OP_RESHAPE), 1);
  assert_int_equal(count_code(e.func->body, OP_STOP), 0);
  example_destroy(&e);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_no_product_of_data_and_weights_in_the_solver),
      cmocka_unit_test(test_large_values_stay),
      cmocka_unit_test(test_unused_parts_of_loops),
      cmocka_unit_test(test_loops_merge),
      cmocka_unit_test(test_work_sinks_into_the_branch),
      cmocka_unit_test(test_rules_are_opened_and_branches_decided),
      cmocka_unit_test(test_sums_of_products_become_dot),
      cmocka_unit_test(test_views_of_dot),
      cmocka_unit_test(test_turned_dot),
      cmocka_unit_test(test_sums_of_repeats),
      cmocka_unit_test(test_reshapes_become_views),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
