// The tensor IR: builder (sharing, folding, views), inference, text, verifier.
#include "unit/ir_fixture.h"

typedef struct Parts {
  Module *module;
  Func *func;
  Builder b;
  const Dim *n, *d;
  const Type *scalar, *vector, *matrix, *index;
  Value *x, *y, *s, *v, *A, *i; // f64 s; f64[n] x, y, v; f64[n, d] A; i64 i
} Parts;

static Parts parts_of(IrFixture *f) {
  Parts p = {.module = f->module};
  p.func = func_create(p.module, intern(f->compilation->names, "f"));
  p.b = builder_at(p.func->body);
  p.n = fixture_dim(f, "n");
  p.d = fixture_dim(f, "d");
  p.scalar = type_scalar(p.module, DT_F64);
  p.index = type_scalar(p.module, DT_I64);
  p.vector = type_get(p.module, DT_F64, 1, &p.n);
  p.matrix = type_get(p.module, DT_F64, 2, (const Dim *[]){p.n, p.d});
  p.s = block_add_param(p.func->body, p.scalar, NULL);
  p.x = block_add_param(p.func->body, p.vector, NULL);
  p.y = block_add_param(p.func->body, p.vector, NULL);
  p.v = block_add_param(p.func->body, p.vector, NULL);
  p.A = block_add_param(p.func->body, p.matrix, NULL);
  p.i = block_add_param(p.func->body, p.index, NULL);
  return p;
}

static int op_count(const Block *block) {
  int count = 0;
  for (const Op *op = block->first; op; op = op->next) count++;
  return count;
}

static void assert_sound(IrFixture *f) {
  const char *message = ir_verify(f->arena, f->module);
  if (message) fail_msg("%s", message);
}

static void assert_splat(const Value *v, double wanted) {
  double value;
  assert_true(ir_is_splat(v, &value));
  assert_true(value == wanted);
}

// --- the table and types ------------------------------------------------------------------

static void table_has_every_row(void **state) {
  (void)state;
  for (int code = 0; code < OP_COUNT; code++) assert_non_null(op_table[code].text);
  assert_string_equal(op_table[OP_SELECT].text, "select");
  assert_int_equal(op_table[OP_SELECT].linear_mask, 6);
  assert_int_equal(op_table[OP_DIV].derivative, DERIVATIVE_TANGENT_LINEAR);
  assert_int_equal(op_table[OP_EXP].derivative, DERIVATIVE_PARTIALS);
  assert_int_equal(op_table[OP_ARGMAX].smoothness, SMOOTHNESS_STEPWISE);
}

static void types_are_interned(void **state) {
  IrFixture *f = *state;
  Parts p = parts_of(f);
  assert_ptr_equal(type_get(p.module, DT_F64, 1, &p.n), p.vector);
  assert_ptr_equal(type_with_leading(p.module, p.vector, p.d),
                   type_get(p.module, DT_F64, 2, (const Dim *[]){p.d, p.n}));
  assert_ptr_equal(type_with_dtype(p.module, p.vector, DT_F64), p.vector);
  assert_ptr_equal(type_entries(p.module, p.matrix), fixture_dim(f, "n*d"));
  assert_string_equal(type_text(p.module, p.matrix), "f64[n, d]");
  assert_string_equal(type_text(p.module, p.scalar), "f64");
  for (int i = 0; i < 1000; i++) { // growing the table keeps types
    const Dim *k = dim_const(p.module->dims, i);
    type_get(p.module, DT_F32, 1, &k);
  }
  assert_ptr_equal(type_get(p.module, DT_F64, 1, &p.n), p.vector);
}

// --- sharing ------------------------------------------------------------------------------

static void equal_ops_are_one(void **state) {
  IrFixture *f = *state;
  Parts p = parts_of(f);
  Value *a = ir_binary(&p.b, OP_ADD, p.x, p.y);
  assert_ptr_equal(ir_binary(&p.b, OP_ADD, p.y, p.x), a); // sorted by id
  assert_ptr_not_equal(ir_binary(&p.b, OP_SUB, p.y, p.x), ir_binary(&p.b, OP_SUB, p.x, p.y));
  assert_ptr_equal(ir_real(&p.b, p.vector, 2), ir_real(&p.b, p.vector, 2));
  assert_ptr_not_equal(ir_real(&p.b, p.vector, 0.0), ir_real(&p.b, p.vector, -0.0));
  assert_ptr_not_equal(ir_real(&p.b, p.scalar, 2), ir_real(&p.b, p.vector, 2));
  assert_ptr_equal(ir_reduce(&p.b, OP_REDUCE_SUM, p.A, 1), ir_reduce(&p.b, OP_REDUCE_SUM, p.A, 1));
  assert_ptr_not_equal(ir_reduce(&p.b, OP_REDUCE_SUM, p.A, 1),
                       ir_reduce(&p.b, OP_REDUCE_SUM, p.A, 2));
  const Dim *three = dim_const(p.module->dims, 3);
  const Type *small = type_get(p.module, DT_F64, 1, &three);
  assert_ptr_equal(ir_dense_real(&p.b, small, ENTRIES(1, 2, 3)),
                   ir_dense_real(&p.b, small, ENTRIES(1, 2, 3)));
  assert_ptr_not_equal(ir_dense_real(&p.b, small, ENTRIES(1, 2, 3)),
                       ir_dense_real(&p.b, small, ENTRIES(1, 2, 4)));
  assert_splat(ir_dense_real(&p.b, small, ENTRIES(4, 4, 4)), 4);
  assert_sound(f);
}

static void regions_share_with_outer_ops_that_come_before(void **state) {
  IrFixture *f = *state;
  Parts p = parts_of(f);
  Value *outer = ir_unary(&p.b, OP_EXP, p.x);
  Block *yes = block_create(p.module, p.b.block), *no = block_create(p.module, p.b.block);
  Builder inner = builder_at(yes);
  assert_ptr_equal(ir_unary(&inner, OP_EXP, p.x), outer);
  VEC_PUSH(f->arena, &yes->yields, outer);
  VEC_PUSH(f->arena, &no->yields, p.x);
  Value *positive = ir_compare(&p.b, COMPARE_GT, p.s, ir_zero(&p.b, p.scalar));
  Op *choice = ir_if(&p.b, positive, yes, no);
  Value *later = ir_unary(&p.b, OP_SIN, p.x);
  Value *repeated = ir_unary(&inner, OP_SIN, p.x); // `later` does not dominate the region
  assert_ptr_not_equal(repeated, later);
  assert_ptr_equal(repeated->block, yes);
  assert_ptr_equal(choice->regions[0]->owner, choice);
  assert_sound(f);
}

// A loop that adds x `count` times to its carry, built with fresh blocks each time.
static Op *adding_loop(Parts *p, Value *x) {
  Block *body = block_create(p->module, p->b.block);
  block_add_param(body, p->index, NULL);
  Value *u = block_add_param(body, p->vector, NULL);
  Builder inner = builder_at(body);
  Value *next = ir_binary(&inner, OP_ADD, u, x);
  VEC_PUSH(p->module->arena, &body->yields, next);
  const Dim *bound = dim_const(p->module->dims, 5);
  return ir_loop(&p->b, ir_integer(&p->b, p->index, 5), bound, &p->y, 1, NULL, 0, body, NULL,
                 false);
}

static void equal_loops_are_one(void **state) {
  IrFixture *f = *state;
  Parts p = parts_of(f);
  Op *loop = adding_loop(&p, p.x);
  assert_ptr_equal(adding_loop(&p, p.x), loop);
  assert_ptr_not_equal(adding_loop(&p, p.v), loop);
  assert_sound(f);
}

static void loops_grow_outputs(void **state) {
  IrFixture *f = *state;
  Parts p = parts_of(f);
  Op *loop = adding_loop(&p, p.x);
  Value *trips = loop->results[1];
  Block *body = loop->regions[0];
  Value *stack = ir_loop_stack(loop, body->params.data[1]);
  assert_string_equal(type_text(p.module, stack->type), "f64[5, n]");
  assert_ptr_equal(ir_loop_stack(loop, body->params.data[1]), stack);
  assert_ptr_equal(loop->results[2], trips);
  assert_int_equal(trips->index, 2);
  assert_int_equal(loop->attr.loop.stacked_out, 1);
  assert_sound(f);
}

// --- folding ------------------------------------------------------------------------------

static void constants_fold(void **state) {
  IrFixture *f = *state;
  Parts p = parts_of(f);
  Builder *b = &p.b;
  Value *two = ir_real(b, p.vector, 2), *three = ir_real(b, p.vector, 3);
  assert_splat(ir_binary(b, OP_ADD, two, three), 5);
  assert_splat(ir_binary(b, OP_DIV, two, three), 2.0 / 3.0);
  assert_splat(ir_unary(b, OP_NEG, two), -2);
  assert_splat(ir_unary(b, OP_SQRT, ir_real(b, p.scalar, 9)), 3);
  assert_splat(ir_unary(b, OP_EXP, ir_real(b, p.scalar, 0)), 1);
  assert_int_equal(ir_unary(b, OP_EXP, two)->op->code, OP_EXP); // libraries differ
  assert_splat(ir_compare(b, COMPARE_LT, two, three), 1);
  assert_splat(ir_convert(b, ir_real(b, p.scalar, -2.7), DT_I64), -2);
  assert_splat(ir_convert(b, ir_real(b, p.scalar, 300), DT_U8), 255);
  assert_splat(ir_convert(b, ir_real(b, p.scalar, NAN), DT_I32), 0);
  assert_splat(ir_real(b, type_scalar(p.module, DT_F32), 0.1), (double)0.1f);
  assert_splat(ir_real(b, type_scalar(p.module, DT_F16), 0.1), 0.0999755859375);
  assert_splat(ir_real(b, type_scalar(p.module, DT_BF16), 0.1), 0.10009765625);
  Value *minus = ir_integer(b, p.index, -7), *four = ir_integer(b, p.index, 4);
  assert_splat(ir_binary(b, OP_DIV, minus, four), -2);
  assert_splat(ir_binary(b, OP_MOD, minus, four), 1);
  assert_splat(ir_binary(b, OP_MIN, minus, four), -7);
  assert_splat(ir_binary(b, OP_DIV, minus, ir_integer(b, p.index, 0)), 0);
  assert_int_equal(ir_integer(b, type_scalar(p.module, DT_U8), 257)->op->attr.constant.integer, 1);
}

static void identities_fold(void **state) {
  IrFixture *f = *state;
  Parts p = parts_of(f);
  Builder *b = &p.b;
  Value *zero = ir_zero(b, p.vector), *one = ir_real(b, p.vector, 1);
  assert_ptr_equal(ir_binary(b, OP_ADD, p.x, zero), p.x);
  assert_ptr_equal(ir_binary(b, OP_ADD, zero, p.x), p.x);
  assert_ptr_equal(ir_binary(b, OP_SUB, p.x, zero), p.x);
  assert_ptr_equal(ir_binary(b, OP_MUL, one, p.x), p.x);
  assert_ptr_equal(ir_binary(b, OP_DIV, p.x, one), p.x);
  assert_int_equal(ir_binary(b, OP_MUL, zero, p.x)->op->code, OP_MUL); // x may be infinite
  Value *k = ir_convert(b, p.i, DT_I32);
  assert_splat(ir_binary(b, OP_MUL, k, ir_zero(b, k->type)), 0);
  assert_ptr_equal(ir_unary(b, OP_NEG, ir_unary(b, OP_NEG, p.x)), p.x);
  assert_ptr_equal(ir_binary(b, OP_ADD, p.x, ir_unary(b, OP_NEG, p.y)),
                   ir_binary(b, OP_SUB, p.x, p.y));
  assert_ptr_equal(ir_binary(b, OP_SUB, p.x, ir_unary(b, OP_NEG, p.y)),
                   ir_binary(b, OP_ADD, p.x, p.y));
  assert_ptr_equal(ir_convert(b, p.x, DT_F64), p.x);
  assert_ptr_equal(ir_binary(b, OP_MAX, p.x, p.x), p.x);
  Value *positive = ir_compare(b, COMPARE_GT, p.x, zero);
  assert_ptr_equal(ir_select(b, ir_integer(b, positive->type, 1), p.x, p.y), p.x);
  assert_ptr_equal(ir_select(b, ir_integer(b, positive->type, 0), p.x, p.y), p.y);
  assert_ptr_equal(ir_select(b, positive, p.x, p.x), p.x);
  assert_ptr_equal(ir_unary(b, OP_NOT, ir_unary(b, OP_NOT, positive)), positive);
  assert_ptr_equal(ir_binary(b, OP_AND, positive, ir_integer(b, positive->type, 1)), positive);
  assert_splat(ir_binary(b, OP_OR, positive, ir_integer(b, positive->type, 1)), 1);
  assert_sound(f);
}

static void integers_fold_into_dims(void **state) {
  IrFixture *f = *state;
  Parts p = parts_of(f);
  Builder *b = &p.b;
  Value *n = ir_dim(b, p.n), *d = ir_dim(b, p.d), *two = ir_integer(b, p.index, 2);
  Value *product = ir_binary(b, OP_ADD, ir_binary(b, OP_MUL, n, two), d);
  assert_int_equal(product->op->code, OP_DIM);
  assert_ptr_equal(product->op->attr.dim.dim, fixture_dim(f, "2*n + d"));
  assert_splat(ir_binary(b, OP_SUB, product, product), 0);
  assert_splat(ir_dim(b, dim_const(p.module->dims, 6)), 6);
  assert_ptr_equal(ir_binary(b, OP_DIV, ir_binary(b, OP_MUL, n, two), two), n);
  assert_ptr_equal(ir_binary(b, OP_MIN, n, ir_dim(b, fixture_dim(f, "n + 1"))), n);
  assert_int_equal(ir_binary(b, OP_MIN, n, d)->op->code, OP_MIN);
  assert_splat(ir_compare(b, COMPARE_LT, n, ir_dim(b, fixture_dim(f, "n + 1"))), 1);
  assert_int_equal(ir_compare(b, COMPARE_LT, n, d)->op->code, OP_COMPARE);
}

// x[index] as one view.
static Value *row_of(Builder *b, Value *x, const Dim *index) {
  int rank = x->type->rank;
  int64_t matrix[MAX_RANK * MAX_RANK] = {0};
  const Dim *offset[MAX_RANK] = {index};
  for (int i = 1; i < rank; i++) {
    matrix[i * (rank - 1) + i - 1] = 1;
    offset[i] = dim_const(b->module->dims, 0);
  }
  const Type *type = type_get(b->module, x->type->dtype, rank - 1, x->type->shape + 1);
  return ir_view(b, x, type, (IndexMap){rank, rank - 1, matrix, offset});
}

static void views_compose(void **state) {
  IrFixture *f = *state;
  Parts p = parts_of(f);
  Builder *b = &p.b;
  DimTable *t = p.module->dims;
  Value *transposed = ir_transpose(b, p.A, (int[]){1, 0});
  assert_string_equal(type_text(p.module, transposed->type), "f64[d, n]");
  assert_ptr_equal(ir_transpose(b, transposed, (int[]){1, 0}), p.A);
  assert_ptr_equal(ir_flip(b, ir_flip(b, p.x, 0), 0), p.x);
  // Every second row from the third, then the second of those.
  Value *rows = ir_slice(b, p.A, 0, dim_const(t, 3), fixture_dim(f, "floordiv(n, 2) - 2"), 2);
  Value *row = row_of(b, rows, dim_const(t, 1));
  assert_ptr_equal(row->op->operands[0], p.A);
  assert_ptr_equal(row->op->attr.map.offset[0], dim_const(t, 5));
  Value *splat = ir_real(b, p.scalar, 4);
  assert_splat(ir_broadcast_suffix(b, splat, p.matrix), 4);
  assert_splat(ir_flip(b, ir_real(b, p.vector, 2), 0), 2);
  Value *iota = ir_iota(b, p.vector, 0);
  Value *wide = ir_broadcast(b, iota, p.matrix, (int[]){0});
  assert_ptr_equal(wide, ir_iota(b, p.matrix, 0));
  Value *scalar = row_of(b, p.x, dim_const(t, 0));
  Value *back = ir_broadcast_suffix(b, scalar, p.vector);
  assert_ptr_equal(back->op->operands[0], p.x);
  assert_sound(f);
}

static void unviews_compose(void **state) {
  IrFixture *f = *state;
  Parts p = parts_of(f);
  Builder *b = &p.b;
  DimTable *t = p.module->dims;
  const Dim *one = dim_const(t, 1);
  IndexMap shift = {1, 1, (int64_t[]){1}, &one};
  const Dim *longer = dim_add(t, p.n, one), *longest = dim_add(t, longer, one);
  Value *padded = ir_unview(b, p.x, type_get(p.module, DT_F64, 1, &longer), shift);
  Value *twice = ir_unview(b, padded, type_get(p.module, DT_F64, 1, &longest), shift);
  assert_ptr_equal(twice->op->operands[0], p.x);
  assert_ptr_equal(twice->op->attr.map.offset[0], dim_const(t, 2));
  assert_splat(ir_unview(b, ir_zero(b, p.vector), padded->type, shift), 0);
  assert_sound(f);
}

static void reshapes_and_reductions_fold(void **state) {
  IrFixture *f = *state;
  Parts p = parts_of(f);
  Builder *b = &p.b;
  const Dim *flat = fixture_dim(f, "n*d");
  const Type *line = type_get(p.module, DT_F64, 1, &flat);
  Value *once = ir_reshape(b, p.A, line);
  assert_ptr_equal(ir_reshape(b, once, p.matrix), p.A);
  assert_splat(ir_reshape(b, ir_real(b, p.matrix, 3), line), 3);
  assert_ptr_equal(ir_reduce(b, OP_REDUCE_SUM, p.x, 0), p.x);
  assert_ptr_equal(ir_sum_all(b, p.s), p.s);
  assert_splat(ir_sum_all(b, ir_zero(b, p.matrix)), 0);
  assert_ptr_equal(ir_concat(b, &p.x, 1, 0), p.x);
  Value *both = ir_concat(b, (Value *[]){p.x, p.y}, 2, 0);
  assert_ptr_equal(both->type->shape[0], fixture_dim(f, "2*n"));
  const Dim *split[2] = {dim_const(p.module->dims, 7), fixture_dim(f, "n/7")};
  Value *blocks = ir_reshape(b, p.x, type_get(p.module, DT_F64, 2, split));
  assert_string_equal(type_text(p.module, blocks->type), "f64[7, n/7]");
  assert_sound(f);
}

static void products_absorb_transposes(void **state) {
  IrFixture *f = *state;
  Parts p = parts_of(f);
  Builder *b = &p.b;
  Value *transposed = ir_transpose(b, p.A, (int[]){1, 0});
  Value *g = ir_matmul(b, transposed, p.x);
  assert_ptr_equal(g->op->operands[0], p.A);
  assert_int_equal(g->op->attr.dot.left_contract[0], 0);
  Value *gram = ir_matmul(b, transposed, p.A);
  assert_ptr_equal(gram->op->operands[0], p.A);
  assert_string_equal(type_text(p.module, gram->type), "f64[d, d]");
  assert_sound(f);
}

// --- copying ------------------------------------------------------------------------------

static void slices_are_no_transposes(void **state) {
  IrFixture *f = *state;
  Parts p = parts_of(f);
  // The leading three rows have the same index map as all rows.
  const Dim *three = dim_const(p.module->dims, 3);
  Value *part = ir_slice(&p.b, p.A, 0, dim_const(p.module->dims, 0), three, 1);
  Value *weights = ir_real(&p.b, type_get(p.module, DT_F64, 1, &three), 1);
  Value *sum = ir_matmul(&p.b, ir_transpose(&p.b, part, (int[]){1, 0}), weights);
  assert_ptr_equal(sum->op->operands[0]->type->shape[0], p.d);
  assert_int_equal(sum->op->operands[0]->op->code, OP_VIEW);
  assert_sound(f);
}

static void inlining_copies_what_is_wanted(void **state) {
  IrFixture *f = *state;
  Parts p = parts_of(f);
  Block *source = block_create(p.module, p.b.block);
  Value *a = block_add_param(source, p.vector, NULL);
  Builder inner = builder_at(source);
  Value *wanted = ir_binary(&inner, OP_MUL, ir_unary(&inner, OP_EXP, a), p.y);
  ir_unary(&inner, OP_SIN, a);
  ir_note(&inner, ir_compare(&inner, COMPARE_LT, a, p.y), E0703, "too small");
  Value *results[2];
  ir_inline(&p.b, source, &p.x, (Value *[]){wanted, a}, 2, results);
  assert_ptr_equal(results[1], p.x);
  assert_int_equal(results[0]->op->code, OP_MUL);
  assert_int_equal(op_count(p.func->body), 4); // exp, mul, compare, note
  ir_inline(&p.b, source, &p.x, &wanted, 1, results);
  assert_int_equal(op_count(p.func->body), 4); // all shared
  Value *one = ir_zero(&p.b, p.vector);
  ir_inline(&p.b, source, &one, &wanted, 1, results);
  assert_ptr_equal(results[0], p.y); // exp 0 = 1 and 1 * y fold on the way
  assert_sound(f);
}

static void captures_and_moves(void **state) {
  IrFixture *f = *state;
  Parts p = parts_of(f);
  Op *loop = adding_loop(&p, p.x);
  Builder inner = builder_at(loop->regions[0]);
  Value *invariant = ir_unary(&inner, OP_EXP, p.v);
  ValueList captures = {0};
  op_captures(f->arena, loop, &captures);
  assert_int_equal(captures.count, 2);
  assert_ptr_equal(captures.data[0], p.x);
  assert_ptr_equal(captures.data[1], p.v);
  op_move_before(invariant->op, loop);
  assert_ptr_equal(invariant->block, p.func->body);
  assert_sound(f);
  assert_ptr_equal(ir_unary(&p.b, OP_EXP, p.v), invariant); // and it can be found there
  value_replace(p.func->body, p.x, p.v);
  captures.count = 0;
  op_captures(f->arena, loop, &captures);
  assert_int_equal(captures.count, 1);
  op_remove(invariant->op);
  assert_ptr_not_equal(ir_unary(&p.b, OP_EXP, p.v), invariant);
  assert_sound(f);
}

static void building_is_fast(void **state) {
  IrFixture *f = *state;
  Parts p = parts_of(f);
  Value *v = p.x;
  for (int i = 0; i < 10000; i++) v = ir_binary(&p.b, OP_ADD, ir_binary(&p.b, OP_MUL, v, p.y), p.x);
  assert_int_equal(op_count(p.func->body), 20000);
  assert_sound(f);
}

// --- inference ----------------------------------------------------------------------------

static void assert_refused(Parts *p, Opcode code, Value *const *operands, int count,
                           const Attr *attr) {
  const Type *type;
  int results;
  if (!ir_infer(p->module, code, operands, count, attr, NULL, 0, &type, &results))
    fail_msg("%s took wrong operands", op_table[code].text);
}

static void inference_refuses(void **state) {
  IrFixture *f = *state;
  Parts p = parts_of(f);
  Value *mask = ir_compare(&p.b, COMPARE_LT, p.x, p.y);
  Attr none = {0}, axis9 = {.scan = {.axis = 9}}, minus = {.scan = {.axis = -1}};
  assert_refused(&p, OP_ADD, (Value *[]){p.x, p.s}, 2, &none);
  assert_refused(&p, OP_ADD, (Value *[]){p.x}, 1, &none);
  assert_refused(&p, OP_ADD, (Value *[]){mask, mask}, 2, &none);
  assert_refused(&p, OP_EXP, &p.i, 1, &none);
  assert_refused(&p, OP_NOT, &p.x, 1, &none);
  assert_refused(&p, OP_SELECT, (Value *[]){p.x, p.x, p.x}, 3, &none);
  assert_refused(&p, OP_SELECT, (Value *[]){mask, p.s, p.s}, 3, &none);
  assert_refused(&p, OP_CONST, NULL, 0, &none);
  assert_refused(&p, OP_IOTA, NULL, 0, &(Attr){.type = p.scalar});
  assert_refused(&p, OP_DIM, NULL, 0, &none);
  assert_refused(&p, OP_CONVERT, &p.x, 1, &(Attr){.type = p.index});
  assert_refused(&p, OP_VIEW, &p.x, 1, &(Attr){.type = p.vector});
  assert_refused(&p, OP_VIEW, &p.x, 1, &(Attr){.map = {1, 1, NULL, NULL}, .type = p.vector});
  assert_refused(&p, OP_RESHAPE, &p.x, 1, &(Attr){.type = p.matrix});
  assert_refused(&p, OP_CONCAT, (Value *[]){p.x, p.A}, 2, &none);
  assert_refused(&p, OP_CONCAT, NULL, 0, &none);
  assert_refused(&p, OP_REDUCE_SUM, &p.x, 1, &(Attr){.reduce = {6}});
  assert_refused(&p, OP_ARGMAX, &p.x, 1, &axis9);
  assert_refused(&p, OP_CUMSUM, &p.x, 1, &minus);
  assert_refused(&p, OP_DOT, (Value *[]){p.A, p.x}, 2,
                 &(Attr){.dot = {.contract_count = 1, .left_contract = {1}}});
  assert_refused(&p, OP_DOT, (Value *[]){p.A, p.x}, 2, &(Attr){.dot = {.contract_count = 99}});
  assert_refused(&p, OP_DOT, (Value *[]){p.A, p.A}, 2,
                 &(Attr){.dot = {.contract_count = 2, .left_contract = {0, 0}}});
  assert_refused(&p, OP_CHOLESKY, &p.A, 1, &none);
  assert_refused(&p, OP_SOLVE, (Value *[]){p.A, p.x}, 2, &none);
  assert_refused(&p, OP_GATHER, (Value *[]){p.A, p.x}, 2, &(Attr){.gather = {1, {0}}});
  assert_refused(&p, OP_GATHER, (Value *[]){p.A, p.i, p.i}, 3, &(Attr){.gather = {2, {1, 0}}});
  assert_refused(&p, OP_SCATTER_ADD, (Value *[]){p.A, p.x, p.i}, 3, &(Attr){.gather = {1, {0}}});
  assert_refused(&p, OP_DYNAMIC_SLICE, (Value *[]){p.x, p.s}, 2, &(Attr){.type = p.vector});
  assert_refused(&p, OP_DYNAMIC_UPDATE, (Value *[]){p.x, p.s, p.i}, 3, &none);
  assert_refused(&p, OP_NOTE, &mask, 1, &(Attr){.note = {3}});
  assert_refused(&p, OP_LOOP, &p.i, 1, &none);
  assert_refused(&p, (Opcode)1000, NULL, 0, &none);
}

// --- text ---------------------------------------------------------------------------------

static void files_survive_printing(void **state) {
  IrFixture *f = *state;
  static const char *const files[] = {"ridge_cg.ir",
                                      "logistic_gradient.ir",
                                      "softmax_cross_entropy.ir",
                                      "mlp_loss.ir",
                                      "unrolled_gradient_descent.ir",
                                      "while_root.ir",
                                      "batch_sgd.ir",
                                      "conv_window.ir",
                                      "tape.ir"};
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    Module *module = fixture_read_good(f, fixture_file(f, files[i]));
    assert_null(ir_verify(f->arena, module));
    const char *text = fixture_print(f, module);
    assert_string_equal(fixture_print(f, fixture_read_good(f, text)), text);
  }
}

static void every_op_survives_printing(void **state) {
  IrFixture *f = *state;
  const char *file = fixture_file(f, "every_op.ir");
  Module *module = fixture_read_good(f, file);
  const char *text = fixture_print(f, module);
  // The file is as the printer writes it, but for the comment above and the order of the dims.
  assert_string_equal(strchr(text, '{'), strchr(file, '{'));
  assert_string_equal(fixture_print(f, fixture_read_good(f, text)), text);
}

static void labels_stay_unique(void **state) {
  IrFixture *f = *state;
  Parts p = parts_of(f);
  Name same = intern(f->compilation->names, "same"), odd = intern(f->compilation->names, "a b");
  p.x->name = p.y->name = same;
  p.v->name = odd;
  VEC_PUSH(f->arena, &p.func->body->yields, ir_binary(&p.b, OP_ADD, p.x, p.y));
  const char *text = fixture_print(f, p.module);
  assert_non_null(strstr(text, "%same: f64[n], %same.2: f64[n], %1: f64[n]"));
  assert_string_equal(fixture_print(f, fixture_read_good(f, text)), text);
}

static void lines_are_marked(void **state) {
  IrFixture *f = *state;
  uint32_t source = sources_add(f->compilation->sources, "a.blo", "one\ntwo\nthree\n", 14, false);
  Parts p = parts_of(f);
  p.b.span = (Span){source, 5, 6};
  VEC_PUSH(f->arena, &p.func->body->yields, ir_unary(&p.b, OP_EXP, p.x));
  TextBuffer out = text_buffer(f->arena);
  ir_print_lines(&out, p.module, f->compilation->sources);
  assert_non_null(strstr(text_string(&out), "exp %1   !2\n"));
  fixture_read_good(f, text_string(&out));
}

static void mistakes_are_diagnostics(void **state) {
  IrFixture *f = *state;
  static const struct {
    ErrorCode code;
    const char *text;
  } cases[] = {
      {E0101, "garbage"},
      {E0101, "func @f( {"},
      {E0101, "func @f() { yield"},
      {E0101, "func @f() { %x: f64 = nothing yield }"},
      {E0101, "func @f(%x: f65) { yield }"},
      {E0201, "func @f() { yield %x }"},
      {E0201, "func @f(%x: f64[n]) { yield }"},
      {E0202, "func @f(%x: f64, %x: f64) { yield }"},
      {E0202, "func @f() { yield } func @f() { yield }"},
      {E0306, "func @f(%x: f64[7/2]) { yield }"},
      {E0306, "func @f(%x: f64[]) { yield }"},
      {E0301, "func @f(%x: f64) { %y: f32 = neg %x yield }"},
      {E0303, "func @f(%x: f64) { %y: f64 = add %x yield }"},
      {E0303, "func @f(%x: f64) { %y: f64, %z: f64 = neg %x yield }"},
      {E0301, "func @f() { %y: f64[2] = const [1] yield }"},
      {E0301, "func @f() dims(n) { %y: f64[n] = const [1] yield }"},
      {E0102, "func @f() { %y: f64 = const x yield }"},
      {E0108, "func @f() { %y: i64 = const 99999999999999999999 yield }"},
      {E0103, "func @f(%b: bool) { note %b code E0703 \"open"},
      {E0201, "func @f(%b: bool) { note %b code E9999 \"x\" yield }"},
      {E0201, "func @f(%b: bool) { if %b { %x: f64 = const 1 yield } else { yield } yield %x }"},
      {E0305, "func @f(%x: f64[2]) { %y: f64[2] = view %x [o1] yield }"},
      {E0303, "func @f(%x: f64[2]) { %y: f64[3] = view %x [o0] yield }"}, // out of bounds
      {E0303, "func @f(%x: f64[2]) { %y: f64[2] = view %x [o0 - 1] yield }"},
      {E0303, "func @f(%c: i64, %x: f64) { %1: i64 = loop %c (%i, %u = %x) { yield } yield }"},
      {E0301, "func @f(%c: i64, %x: f64[3]) { %1: i64 = loop %c bound [2] (%i) stacked(%r = %x) { "
              "yield } yield }"},
      {E0305, "func @f(%x: f64) { %y: f64 = reduce_sum %x axes(77) yield }"},
      {E0303, "func @f(%x: f64) { %y: f64 = reduce_sum %x axes(3) yield }"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    size_t mark = diagnostics_mark(f->compilation->diagnostics);
    if (fixture_read(f, cases[i].text)) fail_msg("read: %s", cases[i].text);
    size_t found = diagnostics_count_code(f->compilation->diagnostics, cases[i].code, (Span){0});
    if (found != 1) {
      diagnostics_print(f->compilation->diagnostics, stderr, ERRORS_SHORT, false, 0);
      fail_msg("%s: expected %s", cases[i].text, error_code_text(cases[i].code));
    }
    diagnostics_rewind(f->compilation->diagnostics, mark);
  }
}

static void deep_nesting_is_refused(void **state) {
  IrFixture *f = *state;
  TextBuffer out = text_buffer(f->arena);
  text_add(&out, "func @f(%b: bool) { ");
  for (int i = 0; i < 100000; i++) text_add(&out, "if %b { ");
  assert_null(fixture_read(f, text_string(&out)));
}

// Cuts and changes a good text everywhere; nothing may crash and what is read must be sound.
static void damaged_texts_do_no_harm(void **state) {
  IrFixture *f = *state;
  const char *good = fixture_file(f, "every_op.ir");
  size_t length = strlen(good);
  uint64_t seed = 7;
  static const char bytes[] = "%@[](){}=,;:-*/ \n09anx'\"";
  for (int i = 0; i < 3000; i++) {
    char *text = arena_string(f->arena, good, length);
    size_t end = length;
    for (int k = 0; k < 1 + i % 3; k++) {
      seed = seed * 6364136223846793005u + 1442695040888963407u;
      size_t at = (size_t)(seed >> 33) % length;
      if (i % 5 == 0) {
        end = at;
      } else {
        text[at] = bytes[(seed >> 20) % (sizeof bytes - 1)];
      }
    }
    text[end] = 0;
    size_t mark = diagnostics_mark(f->compilation->diagnostics);
    Module *module = fixture_read(f, text);
    if (module) fixture_print(f, module);
    diagnostics_rewind(f->compilation->diagnostics, mark);
  }
}

// --- verifier -----------------------------------------------------------------------------

static const char *verdict(IrFixture *f, const Module *module) {
  const char *message = ir_verify(f->arena, module);
  assert_non_null(message);
  return message;
}

static void verifier_rejects(void **state) {
  IrFixture *f = *state;
  Parts p = parts_of(f);
  Value *e = ir_unary(&p.b, OP_EXP, p.x), *s = ir_unary(&p.b, OP_SIN, e);
  VEC_PUSH(f->arena, &p.func->body->yields, s);
  assert_sound(f);

  Op *first = e->op, *second = s->op; // use before definition
  first->operands[0] = s;
  assert_non_null(strstr(verdict(f, f->module), "before it is made"));
  first->operands[0] = p.x;

  second->results[0]->type = p.scalar; // a type that is not inferred
  assert_non_null(strstr(verdict(f, f->module), "inferred is f64[n]"));
  second->results[0]->type = p.vector;

  second->previous = NULL; // a broken list
  assert_non_null(strstr(verdict(f, f->module), "list of ops"));
  second->previous = first;

  second->results[0]->index = 3;
  assert_non_null(strstr(verdict(f, f->module), "not linked"));
  second->results[0]->index = 0;

  Name name = intern(f->compilation->names, "extra"); // names that do not fit the yields
  VEC_PUSH(f->arena, &p.func->result_names, name);
  VEC_PUSH(f->arena, &p.func->result_names, name);
  assert_non_null(strstr(verdict(f, f->module), "names"));
  p.func->result_names.count = 0;
  assert_sound(f);

  Op *loop = adding_loop(&p, p.x); // a value that leaves its region
  VEC_PUSH(f->arena, &p.func->body->yields, loop->regions[0]->yields.data[0]);
  assert_non_null(strstr(verdict(f, f->module), "outside the region"));
  p.func->body->yields.count--;

  loop->regions[0]->owner = first;
  assert_non_null(strstr(verdict(f, f->module), "region 0"));
  loop->regions[0]->owner = loop;

  loop->attr.loop.carries = 2;
  assert_non_null(ir_verify(f->arena, f->module));
  loop->attr.loop.carries = 1;
  assert_sound(f);

  op_remove(first); // still used
  assert_non_null(strstr(verdict(f, f->module), "removed"));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
  const struct CMUnitTest tests[] = {
      TEST(table_has_every_row),
      TEST(types_are_interned),
      TEST(equal_ops_are_one),
      TEST(regions_share_with_outer_ops_that_come_before),
      TEST(equal_loops_are_one),
      TEST(loops_grow_outputs),
      TEST(constants_fold),
      TEST(identities_fold),
      TEST(integers_fold_into_dims),
      TEST(views_compose),
      TEST(unviews_compose),
      TEST(reshapes_and_reductions_fold),
      TEST(products_absorb_transposes),
      TEST(slices_are_no_transposes),
      TEST(inlining_copies_what_is_wanted),
      TEST(captures_and_moves),
      TEST(building_is_fast),
      TEST(inference_refuses),
      TEST(files_survive_printing),
      TEST(every_op_survives_printing),
      TEST(labels_stay_unique),
      TEST(lines_are_marked),
      TEST(mistakes_are_diagnostics),
      TEST(deep_nesting_is_refused),
      TEST(damaged_texts_do_no_harm),
      TEST(verifier_rejects),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
