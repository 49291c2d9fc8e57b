// Single rules of differentiation and batching where differences cannot tell: singular points,
// ties, first maxima, draws, rows that do not run, rules given by the program.
#include "unit/diff_check.h"

#include "diff/dependence.h"

static const Type *type_of(Example *e, Dtype dtype, int rank, const int64_t *shape) {
  return shape_type(e->module, dtype, rank, shape);
}

#define F64(e, ...)                                                                                \
  type_of((e), DT_F64, (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)),                  \
          (int64_t[]){__VA_ARGS__})
static const Type *scalar(Example *e, Dtype dtype) {
  return type_scalar(e->module, dtype);
}

static Tensor *tensor_from(Example *e, int64_t count, const double *entries) {
  Tensor *t = tensor_create(e->arena, DT_F64, 1, &count);
  for (int64_t i = 0; i < count; i++) t->reals[i] = entries[i];
  return t;
}

static Tensor *scalar_tensor(Example *e, double x) {
  return tensor_scalar(e->arena, DT_F64, x);
}

// Derivative of the example's one scalar input and output at x: forward, reverse, second.
static void check_scalar(Example *e, double x, double first, double second) {
  Func *forward = derive_forward(e, e->func, MODE_JVP), *reverse = derive_reverse(e, e->func);
  Func *twice = derive_forward(e, reverse, MODE_JVP), *over = derive_reverse(e, reverse);
  Tensor *at = scalar_tensor(e, x), *one = scalar_tensor(e, 1), *zero = scalar_tensor(e, 0);
  double values[] = {run_optimised(e, forward, (Tensor *[]){at, one})[0]->reals[0],
                     run_optimised(e, reverse, (Tensor *[]){at, one})[0]->reals[0],
                     run_optimised(e, twice, (Tensor *[]){at, one, one, zero})[0]->reals[0],
                     run_optimised(e, over, (Tensor *[]){at, one, one})[0]->reals[0]};
  for (int i = 0; i < 4; i++) {
    double expected = i < 2 ? first : second;
    if (!(fabs(values[i] - expected) < 1e-12 * fmax(1, fabs(expected))))
      fail_msg("mode %d at %g: %.15g, expected %.15g", i, x, values[i], expected);
  }
}

typedef Value *ScalarMaker(Builder *b, Value *x);

static void check_maker(ScalarMaker *make, double x, double first, double second) {
  Example e = example_create();
  Value *input = example_input(&e, scalar(&e, DT_F64), 0, 1);
  example_yield(&e, make(&e.b, input));
  check_scalar(&e, x, first, second);
  example_destroy(&e);
}

static Value *number(Builder *b, Value *like, double x) {
  return ir_real(b, like->type, x);
}

static Value *positive(Builder *b, Value *x) {
  return ir_compare(b, COMPARE_GT, x, ir_zero(b, x->type));
}

static Value *root_or_zero(Builder *b, Value *x) {
  return ir_select(b, positive(b, x), ir_unary(b, OP_SQRT, x), number(b, x, 0));
}

static Value *log_or_zero(Builder *b, Value *x) {
  Value *inverse = ir_binary(b, OP_DIV, number(b, x, 1), x);
  Value *term = ir_binary(b, OP_MUL, x, ir_unary(b, OP_LOG, inverse));
  return ir_select(b, positive(b, x), term, number(b, x, 0));
}

static Value *power_or_zero(Builder *b, Value *x) {
  Value *power = ir_binary(b, OP_POW, x, number(b, x, 0.5));
  return ir_select(b, positive(b, x), power, number(b, x, 0));
}

static Value *guarded_exp(Builder *b, Value *x) {
  Value *large = ir_unary(b, OP_LOG1P, ir_unary(b, OP_EXP, x));
  return ir_select(b, ir_compare(b, COMPARE_GT, x, number(b, x, 100)), x, large);
}

// (sqrt(x) - 1)^2 at 1: the cotangent of the root is zero there, the second derivative is not.
static Value *root_residual(Builder *b, Value *x) {
  Value *r = ir_binary(b, OP_SUB, ir_unary(b, OP_SQRT, x), number(b, x, 1));
  return ir_binary(b, OP_MUL, r, r);
}

// (log(x) / x)^2 at 1, through a division.
static Value *quotient_residual(Builder *b, Value *x) {
  Value *r = ir_binary(b, OP_DIV, ir_unary(b, OP_LOG, x), x);
  return ir_binary(b, OP_MUL, r, r);
}

static Value *tie(Builder *b, Value *x) {
  Value *three = ir_binary(b, OP_MUL, number(b, x, 3), x);
  return ir_binary(b, OP_MAX, three, x); // at 0: half of 3 and half of 1
}

static Value *small_tie(Builder *b, Value *x) {
  Value *three = ir_binary(b, OP_MUL, number(b, x, 3), x);
  return ir_binary(b, OP_MIN, three, x);
}

static Value *stopped(Builder *b, Value *x) {
  return ir_binary(b, OP_MUL, x, ir_stop(b, ir_binary(b, OP_MUL, x, x)));
}

static Value *absolute(Builder *b, Value *x) {
  return ir_unary(b, OP_ABS, x);
}

static Value *cube(Builder *b, Value *x) {
  return ir_binary(b, OP_POW, x, number(b, x, 3));
}

static void test_singular_points(void **state) {
  (void)state;
  check_maker(root_or_zero, 0, 0, 0);
  check_maker(root_or_zero, 4, 0.25, -1.0 / 32);
  check_maker(log_or_zero, 0, 0, 0);
  check_maker(power_or_zero, 0, 0, 0);
  check_maker(guarded_exp, 1000, 1, 0);
  check_maker(root_residual, 1, 0, 0.5);
  check_maker(quotient_residual, 1, 0, 2);
  check_maker(cube, 0, 0, 0);
  check_maker(cube, 2, 12, 12);
}

static void test_ties_and_stops(void **state) {
  (void)state;
  check_maker(tie, 0, 2, 0);
  check_maker(tie, -1, 1, 0);
  check_maker(small_tie, 0, 2, 0);
  check_maker(small_tie, -1, 3, 0);
  check_maker(absolute, 0, 0, 0);
  check_maker(stopped, 3, 9, 0);
}

// The first of equal maxima takes all, in row-major order.
static void test_first_maximum(void **state) {
  (void)state;
  Example e = example_create();
  Value *x = example_input(&e, F64(&e, 2, 3), 0, 1);
  example_yield(&e, ir_reduce(&e.b, OP_REDUCE_MAX, x, 3));
  Func *reverse = derive_reverse(&e, e.func);
  Tensor *at = tensor_from(&e, 6, (double[]){1, 2, 0, 2, 2, 1});
  at->rank = 2;
  at->shape[0] = 2;
  at->shape[1] = 3;
  Tensor *expected = tensor_from(&e, 6, (double[]){0, 1, 0, 0, 0, 0});
  compare("first maximum", run_optimised(&e, reverse, (Tensor *[]){at, scalar_tensor(&e, 1)})[0],
          expected, 0);
  example_destroy(&e);
}

// Products with one and two zeros: first and second derivatives are products of the others.
static void test_product_with_zeros(void **state) {
  (void)state;
  const double points[3][4] = {{2, 0, 3, 5}, {0, 2, 0, 3}, {0, 0, 0, 1}};
  for (int k = 0; k < 3; k++) {
    Example e = example_create();
    Value *x = example_input(&e, F64(&e, 4), 0, 1);
    example_yield(&e, ir_reduce(&e.b, OP_REDUCE_PROD, x, 1));
    Tensor *at = tensor_from(&e, 4, points[k]);
    check_derivatives(&e, "product with zeros", &at);
    example_destroy(&e);
  }
}

// Row r of a batched draw is the draw with the counter moved on by r times the entries.
static void test_batched_draws(void **state) {
  (void)state;
  for (int variant = 0; variant < 3; variant++) {
    Example e = example_create();
    Value *key = example_input(&e, scalar(&e, DT_I64), 0, 1000);
    Value *base = example_input(&e, scalar(&e, DT_I64), 0, 1000);
    Value *u = ir_random(&e.b, RANDOM_UNIFORM, F64(&e, 4), (Value *[]){key, base}, 2);
    if (variant == 2) { // a draw in a nested block
      Block *body = block_create(e.module, e.func->body);
      block_add_param(body, key->type, NULL);
      Value *c = block_add_param(body, u->type, NULL);
      Builder in = builder_at(body);
      Value *more = ir_random(&in, RANDOM_UNIFORM, F64(&e, 4), (Value *[]){key, base}, 2);
      VEC_PUSH(e.module->arena, &body->yields, ir_binary(&in, OP_ADD, c, more));
      Value *start = ir_zero(&e.b, u->type);
      Value *two = ir_integer(&e.b, key->type, 2);
      u = ir_loop(&e.b, two, NULL, &start, 1, NULL, 0, body, NULL, false)->results[0];
    }
    example_yield(&e, u);
    Func *batch = derive_batch(&e, e.func, variant == 1 ? 1 : 0);
    Tensor *arguments[2], *keys = NULL;
    draw_arguments(&e, arguments);
    if (variant == 1) {
      keys = tensor_create(e.arena, DT_I64, 1, (int64_t[]){BATCH_ROWS});
      for (int i = 0; i < BATCH_ROWS; i++) keys->integers[i] = 77 * i;
    }
    Tensor *all =
        run_optimised(&e, batch, (Tensor *[]){keys ? keys : arguments[0], arguments[1]})[0];
    for (int row = 0; row < BATCH_ROWS; row++) {
      Tensor *own[2] = {tensor_create(e.arena, DT_I64, 0, NULL),
                        tensor_create(e.arena, DT_I64, 0, NULL)};
      own[0]->integers[0] = keys ? keys->integers[row] : arguments[0]->integers[0];
      own[1]->integers[0] = arguments[1]->integers[0] + (keys ? 0 : 4 * row);
      compare("draw", row_of(&e, all, row), run_func(&e, e.func, own)[0], 0);
    }
    example_destroy(&e);
  }
}

// Rows that do not take a branch neither fire its notes nor read outside a table.
static void test_masked_rows(void **state) {
  (void)state;
  Example e = example_create();
  Value *table = example_input(&e, F64(&e, 3), 0, 1);
  Value *i = example_input(&e, scalar(&e, DT_I64), 0, 3);
  Value *zero = ir_zero(&e.b, i->type);
  Block *yes = block_create(e.module, e.func->body), *no = block_create(e.module, e.func->body);
  Builder b = builder_at(yes);
  Value *before = ir_binary(&b, OP_SUB, i, ir_integer(&b, i->type, 1));
  ir_note(&b, ir_compare(&b, COMPARE_LT, before, ir_zero(&b, i->type)), E0703, "outside");
  const int8_t axes[1] = {0};
  VEC_PUSH(e.module->arena, &yes->yields, ir_gather(&b, table, 1, axes, &before));
  b = builder_at(no);
  VEC_PUSH(e.module->arena, &no->yields, ir_real(&b, scalar(&e, DT_F64), 0));
  Value *test = ir_compare(&e.b, COMPARE_GT, i, zero);
  example_yield(&e, ir_if(&e.b, test, yes, no)->results[0]);
  check_batches(&e, "stencil", e.func);
  Func *batch = derive_batch(&e, e.func, 2);
  opt_func(batch);
  Tensor *places = tensor_create(e.arena, DT_I64, 1, (int64_t[]){BATCH_ROWS});
  for (int r = 0; r < BATCH_ROWS; r++) places->integers[r] = r;
  Interpretation in = {.arena = e.arena};
  Tensor *results[1];
  assert_true(ir_interpret(&in, batch,
                           (Tensor *[]){tensor_from(&e, 3, (double[]){5, 6, 7}), places}, results));
  assert_int_equal(in.notes.count, 0);
  compare("stencil", results[0], tensor_from(&e, 3, (double[]){0, 5, 6}), 0);
  example_destroy(&e);
}

// Only a transposed rule: reverse mode uses it, forward mode says that there is none.
static void test_transposed_rule_alone(void **state) {
  (void)state;
  Example e = example_create();
  const Type *type = F64(&e, 3);
  Value *x = example_input(&e, type, -1, 1);
  Block *value = block_create(e.module, e.func->body), *rule = block_create(e.module, e.func->body);
  Builder b = builder_at(value);
  VEC_PUSH(e.module->arena, &value->yields,
           ir_unary(&b, OP_SIN, block_add_param(value, type, NULL)));
  for (int i = 0; i < 3; i++) block_add_param(rule, type, NULL);
  b = builder_at(rule);
  Value *seven = ir_real(&b, type, 7); // not the derivative, to see which one is used
  VEC_PUSH(e.module->arena, &rule->yields, ir_binary(&b, OP_MUL, seven, rule->params.data[2]));
  Op *custom = ir_custom(&e.b, &x, 1, value, NULL, rule);
  example_yield(&e, custom->results[0]);
  verify_module(&e);
  Func *reverse = derive_reverse(&e, e.func);
  Tensor *arguments[2], *expected;
  draw_arguments(&e, arguments);
  arguments[1] = like(&e, arguments[0], 1);
  expected = moved(&e, arguments[1], arguments[1], 6);
  compare("rule", run_optimised(&e, reverse, arguments)[0], expected, 1e-12);
  Value *outputs[1], *tangent = NULL;
  Func *copy = copy_func(&e, e.func, "copy", outputs);
  b = builder_at(copy->body);
  Value *one = ir_real(&b, type, 1);
  DiffError error;
  assert_false(
      diff_jvp(copy->body, copy->body->params.data, &one, 1, outputs, 1, &tangent, &error));
  assert_non_null(strstr(error.text, "forward mode"));
  example_destroy(&e);
}

// A tangent rule that is not linear cannot be transposed; nothing but a message happens.
static void test_rule_that_is_not_linear(void **state) {
  (void)state;
  Example e = example_create();
  const Type *type = F64(&e, 3);
  Value *x = example_input(&e, type, -1, 1);
  Block *value = block_create(e.module, e.func->body), *rule = block_create(e.module, e.func->body);
  Builder b = builder_at(value);
  VEC_PUSH(e.module->arena, &value->yields,
           ir_unary(&b, OP_SIN, block_add_param(value, type, NULL)));
  for (int i = 0; i < 3; i++) block_add_param(rule, type, NULL);
  b = builder_at(rule);
  VEC_PUSH(e.module->arena, &rule->yields, ir_unary(&b, OP_TANH, rule->params.data[2]));
  example_yield(&e, ir_custom(&e.b, &x, 1, value, rule, NULL)->results[0]);
  Value *outputs[1], *cotangent = NULL;
  Func *copy = copy_func(&e, e.func, "copy", outputs);
  b = builder_at(copy->body);
  Value *one = ir_real(&b, type, 1);
  DiffError error;
  assert_false(
      diff_vjp(copy->body, copy->body->params.data, 1, outputs, &one, 1, &cotangent, &error));
  assert_non_null(strstr(error.text, "not linear"));
  VEC_PUSH(e.module->arena, &copy->body->yields, outputs[0]);
  verify_module(&e);
  example_destroy(&e);
}

static void test_dependence(void **state) {
  (void)state;
  Example e = example_create();
  Value *x = example_input(&e, F64(&e, 3), -1, 1), *y = example_input(&e, F64(&e, 3), -1, 1);
  Value *stop = ir_stop(&e.b, y), *floor = ir_unary(&e.b, OP_FLOOR, y);
  Value *z = ir_binary(&e.b, OP_MUL, ir_binary(&e.b, OP_ADD, x, stop), floor);
  Value *sum = ir_binary(&e.b, OP_ADD, z, y);
  Map *on_x = dependence_map(e.module->arena, e.func->body, &x, 1);
  Map *on_y = dependence_map(e.module->arena, e.func->body, &y, 1);
  assert_int_equal(dependence_get(on_x, z), DEPENDS_SMOOTHLY);
  assert_int_equal(dependence_get(on_x, floor), DEPENDS_NOT);
  assert_int_equal(dependence_get(on_y, floor), DEPENDS_STEPWISE);
  assert_int_equal(dependence_get(on_y, stop), DEPENDS_NOT);
  assert_int_equal(dependence_get(on_y, z), DEPENDS_STEPWISE);
  assert_int_equal(dependence_get(on_y, sum), DEPENDS_SMOOTHLY);
  example_destroy(&e);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_singular_points),
      cmocka_unit_test(test_ties_and_stops),
      cmocka_unit_test(test_first_maximum),
      cmocka_unit_test(test_product_with_zeros),
      cmocka_unit_test(test_batched_draws),
      cmocka_unit_test(test_masked_rows),
      cmocka_unit_test(test_transposed_rule_alone),
      cmocka_unit_test(test_rule_that_is_not_linear),
      cmocka_unit_test(test_dependence),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
