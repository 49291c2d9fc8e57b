// Examples of every op of the table: functions of f64 inputs on which its rules are checked.
//
// Each op has a maker of examples, by number of the variant; a test that walks the table fails for
// an op without one. Shapes include scalars, extents 0 and 1 and such as no vector's width divides.
#ifndef BLO_TESTS_OP_EXAMPLES_H
#define BLO_TESTS_OP_EXAMPLES_H

#include "unit/diff_check.h"

typedef bool Maker(Example *e, Opcode code, int variant);

static const Type *type_of(Example *e, Dtype dtype, int rank, const int64_t *shape) {
  return shape_type(e->module, dtype, rank, shape);
}

#define F64(e, ...)                                                                                \
  type_of((e), DT_F64, (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)),                  \
          (int64_t[]){__VA_ARGS__})
#define I64(e, ...)                                                                                \
  type_of((e), DT_I64, (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)),                  \
          (int64_t[]){__VA_ARGS__})

static const struct {
  int rank;
  int64_t shape[3];
} plain_shapes[] = {{0, {0}}, {1, {0}}, {1, {1}}, {1, {7}}, {1, {17}}, {2, {3, 7}}, {3, {2, 1, 3}}};
enum { PLAIN_SHAPES = sizeof plain_shapes / sizeof *plain_shapes };

static const Type *plain_type(Example *e, Dtype dtype, int variant) {
  return type_of(e, dtype, plain_shapes[variant].rank, plain_shapes[variant].shape);
}

static const Type *scalar(Example *e, Dtype dtype) {
  return type_scalar(e->module, dtype);
}

// --- sources and elementwise --------------------------------------------------------------------

static bool make_constant(Example *e, Opcode code, int variant) {
  if (variant > 0) return false;
  const Type *type = F64(e, 3);
  Value *x = example_input(e, type, -1, 1);
  Value *c = code == OP_CONST ? ir_dense_real(&e->b, type, (double[]){1, -2, 0.5})
             : code == OP_IOTA
                 ? ir_iota(&e->b, type, 0)
                 : ir_broadcast_suffix(
                       &e->b, ir_convert(&e->b, ir_dim(&e->b, type->shape[0]), DT_F64), type);
  example_yield_both(e, ir_binary(&e->b, OP_MUL, x, c));
  return true;
}

static bool make_random(Example *e, Opcode code, int variant) {
  (void)code;
  if (variant > 2) return false;
  Value *x = example_input(e, F64(e, 4), -1, 1);
  Value *key = example_input(e, scalar(e, DT_I64), 0, 1000);
  Value *base = example_input(e, scalar(e, DT_I64), 0, 1000);
  e->plain_batch = true; // see test_batched_draws
  if (variant == 0) {
    Value *u = ir_random(&e->b, RANDOM_UNIFORM, F64(e, 4), (Value *[]){key, base}, 2);
    example_yield_both(e, ir_binary(&e->b, OP_MUL, x, u));
  } else {
    Value *n = ir_integer(&e->b, scalar(e, DT_I64), 50);
    Value *i = ir_random(&e->b, RANDOM_INDEX, I64(e, 4), (Value *[]){key, base, n}, 3);
    Value *fresh = ir_random(&e->b, RANDOM_FOLD, scalar(e, DT_I64), (Value *[]){key, base}, 2);
    Value *bits = ir_random(&e->b, RANDOM_BITS, I64(e, 4), (Value *[]){fresh, base}, 2);
    example_yield(e, variant == 1 ? i : bits);
    example_yield_both(e, ir_unary(&e->b, OP_SIN, x));
  }
  return true;
}

// Where an op is smooth and not huge.
static void domain_of(Opcode code, double *lo, double *hi) {
  *lo = -1.5;
  *hi = 1.5;
  if (code == OP_LOG || code == OP_SQRT || code == OP_RSQRT || code == OP_POW) *lo = 0.3;
  if (code == OP_DIV || code == OP_LGAMMA || code == OP_ATAN2) *lo = 0.4;
  if (code == OP_ERFINV) *lo = -0.8, *hi = 0.8;
  if (code == OP_LOG1P) *lo = -0.6;
  if (code == OP_ABS || code == OP_SIGN || code == OP_FLOOR) *lo = 0.1, *hi = 0.9;
}

static bool make_elementwise(Example *e, Opcode code, int variant) {
  if (variant >= PLAIN_SHAPES) return false;
  double lo, hi;
  domain_of(code, &lo, &hi);
  const Type *type = plain_type(e, DT_F64, variant);
  Value *x = example_input(e, type, lo, hi);
  if (op_table[code].operands == 1) {
    example_yield_both(e, ir_unary(&e->b, code, x));
    return true;
  }
  Value *y = example_input(e, type, code == OP_MOD ? 2 : lo, code == OP_MOD ? 3 : hi);
  example_yield_both(e, ir_binary(&e->b, code, x, y));
  return true;
}

// Of orders 0 to 3, left and right of 0; no derivative by the order.
static bool make_polygamma(Example *e, Opcode code, int variant) {
  if (variant >= 4) return false;
  const Type *type = F64(e, 3);
  Value *x = example_input(e, type, variant % 2 ? -1.7 : 1.2, variant % 2 ? -1.3 : 3);
  example_yield_both(e, ir_binary(&e->b, code, ir_real(&e->b, type, variant), x));
  return true;
}

static bool make_logic(Example *e, Opcode code, int variant) {
  if (variant >= PLAIN_SHAPES) return false;
  const Type *type = plain_type(e, DT_BOOL, variant);
  Value *x = example_input(e, type, 0, 2);
  Value *y = example_input(e, type, 0, 2);
  Value *z = example_input(e, plain_type(e, DT_F64, variant), -1, 1);
  example_yield(e, code == OP_NOT ? ir_unary(&e->b, code, x) : ir_binary(&e->b, code, x, y));
  example_yield_both(e, z);
  return true;
}

static bool make_convert(Example *e, Opcode code, int variant) {
  if (variant >= PLAIN_SHAPES + 1) return false;
  if (variant == PLAIN_SHAPES) {
    // Through an integer nothing comes back.
    Value *x = example_input(e, F64(e, 4), 0.1, 0.9);
    Value *i = ir_value(&e->b, code, &x, 1, &(Attr){.type = I64(e, 4)});
    example_yield(e, ir_convert(&e->b, i, DT_F64));
    return true;
  }
  const Type *type = plain_type(e, DT_F64, variant);
  Value *x = example_input(e, type, -1, 1);
  Value *i = example_input(e, type_with_dtype(e->module, type, DT_I64), -3, 3);
  Value *y = ir_convert(&e->b, ir_convert(&e->b, x, DT_F32), DT_F64);
  example_yield_both(e, ir_binary(&e->b, OP_MUL, y, ir_convert(&e->b, i, DT_F64)));
  return true;
}

static bool make_stop(Example *e, Opcode code, int variant) {
  if (variant > 0) return false;
  Value *x = example_input(e, F64(e, 3), -1, 1);
  Value *key = example_input(e, F64(e, 3), -1, 1);
  (void)code;
  // Checked in test_stop: differences do not see a stop. Here what is stopped is a constant.
  Value *stopped = ir_stop(&e->b, ir_real(&e->b, x->type, 2));
  example_yield_both(e, ir_binary(&e->b, OP_MUL, ir_binary(&e->b, OP_ADD, x, key), stopped));
  return true;
}

static bool make_isfinite(Example *e, Opcode code, int variant) {
  if (variant >= PLAIN_SHAPES) return false;
  Value *x = example_input(e, plain_type(e, DT_F64, variant), -1, 1);
  example_yield(e, ir_unary(&e->b, code, x));
  return true;
}

static bool make_compare(Example *e, Opcode code, int variant) {
  (void)code;
  if (variant > COMPARE_NE) return false;
  Value *x = example_input(e, F64(e, 2, 3), -1, 1);
  Value *y = example_input(e, F64(e, 2, 3), -1, 1);
  Value *c = ir_compare(&e->b, (Compare)variant, x, y);
  example_yield(e, c);
  example_yield_both(e, ir_select(&e->b, c, x, ir_binary(&e->b, OP_MUL, x, y)));
  return true;
}

static bool make_select(Example *e, Opcode code, int variant) {
  (void)code;
  if (variant >= PLAIN_SHAPES) return false;
  const Type *type = plain_type(e, DT_F64, variant);
  Value *c = example_input(e, type_with_dtype(e->module, type, DT_BOOL), 0, 2);
  Value *x = example_input(e, type, -1, 1);
  Value *y = example_input(e, type, -1, 1);
  example_yield_both(e, ir_select(&e->b, c, x, y));
  return true;
}

// --- index maps ---------------------------------------------------------------------------------

typedef struct MapCase {
  int64_t in[3];
  int in_rank;
  int64_t out[3];
  int out_rank;
  int64_t matrix[9], offset[3];
} MapCase;

static const MapCase map_cases[] = {
    {{2, 3}, 2, {3, 2}, 2, {0, 1, 1, 0}, {0, 0}},          // transpose
    {{3}, 1, {4, 3}, 2, {0, 1}, {0}},                      // broadcast
    {{7}, 1, {3}, 1, {2}, {1}},                            // stride
    {{5}, 1, {5}, 1, {-1}, {4}},                           // flip
    {{4, 4}, 2, {4}, 1, {1, 1}, {0, 0}},                   // diagonal
    {{8}, 1, {6, 3}, 2, {1, 1}, {0}},                      // window
    {{5}, 1, {3}, 1, {1}, {0}},                            // leading part
    {{2, 3}, 2, {2, 1, 3}, 3, {1, 0, 0, 0, 0, 1}, {0, 0}}, // new axis
    {{0, 3}, 2, {3, 0}, 2, {0, 1, 1, 0}, {0, 0}},          // empty
    {{0}, 0, {2, 3}, 2, {0}, {0}},                         // scalar
    {{3}, 1, {0}, 0, {0}, {1}},                            // one entry
};
enum { MAP_CASES = sizeof map_cases / sizeof *map_cases };

static IndexMap map_of(Example *e, const MapCase *c) {
  const Dim **offset = ARENA_ARRAY(e->arena, const Dim *, 3);
  for (int i = 0; i < c->in_rank; i++) offset[i] = dim_const(e->module->dims, c->offset[i]);
  return (IndexMap){c->in_rank, c->out_rank, c->matrix, offset};
}

static bool make_view(Example *e, Opcode code, int variant) {
  if (variant >= MAP_CASES) return false;
  const MapCase *c = &map_cases[variant];
  const Type *in = type_of(e, DT_F64, c->in_rank, c->in);
  const Type *out = type_of(e, DT_F64, c->out_rank, c->out);
  Value *x = example_input(e, code == OP_VIEW ? in : out, -1, 1);
  example_yield_both(e, code == OP_VIEW ? ir_view(&e->b, x, out, map_of(e, c))
                                        : ir_unview(&e->b, x, in, map_of(e, c)));
  return true;
}

static bool make_reshape(Example *e, Opcode code, int variant) {
  (void)code;
  if (variant > 2) return false;
  const Type *from[3] = {F64(e, 2, 6), F64(e, 1), F64(e, 0, 3)};
  const Type *to[3] = {F64(e, 3, 4), scalar(e, DT_F64), F64(e, 3, 0)};
  Value *x = example_input(e, from[variant], -1, 1);
  example_yield_both(e, ir_reshape(&e->b, x, to[variant]));
  return true;
}

static bool make_concat(Example *e, Opcode code, int variant) {
  (void)code;
  if (variant > 1) return false;
  Value *x = example_input(e, variant ? F64(e, 2, 3) : F64(e, 2), -1, 1);
  Value *y = example_input(e, variant ? F64(e, 2, 0) : F64(e, 1), -1, 1);
  Value *z = example_input(e, variant ? F64(e, 2, 1) : F64(e, 3), -1, 1);
  Value *constant = ir_real(&e->b, x->type, 2);
  example_yield_both(e, ir_concat(&e->b, (Value *[]){x, y, constant, z}, 4, variant));
  return true;
}

// --- reductions ---------------------------------------------------------------------------------

static bool make_reduce(Example *e, Opcode code, int variant) {
  static const struct {
    int rank;
    int64_t shape[3];
    uint32_t axes;
  } cases[] = {{1, {4}, 1},       {2, {2, 3}, 1}, {2, {2, 3}, 2}, {2, {2, 3}, 3}, {3, {2, 3, 2}, 5},
               {3, {2, 3, 2}, 2}, {2, {3, 1}, 2}, {1, {1}, 1},    {2, {0, 3}, 2}, {2, {3, 0}, 2}};
  if (variant >= (int)(sizeof cases / sizeof *cases)) return false;
  if (code == OP_REDUCE_MAX && variant == 9) return true; // no entries, no maximum
  Value *x =
      example_input(e, type_of(e, DT_F64, cases[variant].rank, cases[variant].shape), -1.5, 1.5);
  example_yield_both(e, ir_reduce(&e->b, code, x, cases[variant].axes));
  return true;
}

static bool make_scan(Example *e, Opcode code, int variant) {
  if (variant >= 12) return false;
  const Type *type = variant < 4 ? F64(e, 4) : variant < 8 ? F64(e, 2, 3) : F64(e, 3, 2);
  int axis = variant >= 4 && variant < 8 ? 1 : 0;
  Value *x = example_input(e, type, -1, 1);
  switch (code) {
  case OP_ARGMAX:
    example_yield(e, ir_argmax(&e->b, x, axis));
    break;
  case OP_ARGSORT:
    example_yield(e, ir_argsort(&e->b, x, axis, variant & 1));
    break;
  default:
    example_yield_both(e, ir_cumsum(&e->b, x, axis, variant & 1, variant & 2));
    break;
  }
  return true;
}

// --- contractions -------------------------------------------------------------------------------

static bool make_dot(Example *e, Opcode code, int variant) {
  (void)code;
  Attr attr = {0};
  Value *x, *y;
  switch (variant) {
  case 0: // inner product
    x = example_input(e, F64(e, 4), -1, 1);
    y = example_input(e, F64(e, 4), -1, 1);
    attr.dot.contract_count = 1;
    break;
  case 1: // matrix and vector, first axis
    x = example_input(e, F64(e, 4, 3), -1, 1);
    y = example_input(e, F64(e, 4), -1, 1);
    attr.dot.contract_count = 1;
    break;
  case 2: // batch in the middle, two contracted axes in different orders
    x = example_input(e, F64(e, 2, 3, 4, 5), -1, 1);
    y = example_input(e, F64(e, 5, 2, 6, 3), -1, 1);
    attr.dot.batch_count = 1;
    attr.dot.left_batch[0] = 1;
    attr.dot.right_batch[0] = 3;
    attr.dot.contract_count = 2;
    attr.dot.left_contract[0] = 3;
    attr.dot.right_contract[0] = 0;
    attr.dot.left_contract[1] = 0;
    attr.dot.right_contract[1] = 1;
    break;
  case 3: // outer product
    x = example_input(e, F64(e, 2), -1, 1);
    y = example_input(e, F64(e, 3), -1, 1);
    break;
  case 4: // elementwise: batch only
    x = example_input(e, F64(e, 2, 3), -1, 1);
    y = example_input(e, F64(e, 3, 2), -1, 1);
    attr.dot.batch_count = 2;
    attr.dot.left_batch[1] = 1;
    attr.dot.right_batch[0] = 1;
    break;
  case 5: // empty contraction
    x = example_input(e, F64(e, 2, 0), -1, 1);
    y = example_input(e, F64(e, 0, 3), -1, 1);
    attr.dot.contract_count = 1;
    attr.dot.left_contract[0] = 1;
    break;
  case 6: { // the same value twice
    x = example_input(e, F64(e, 3, 2), -1, 1);
    attr.dot.contract_count = 1;
    example_yield_both(e, ir_dot(&e->b, x, x, &attr));
    return true;
  }
  default:
    return false;
  }
  example_yield_both(e, ir_dot(&e->b, x, y, &attr));
  return true;
}

typedef struct ConvCase {
  int left_rank, right_rank;
  int64_t left[5], right[5];
  Attr attr;
} ConvCase;

// Windows along the last axes of both operands.
static bool make_conv(Example *e, Opcode code, int variant) {
  (void)code;
  static const ConvCase cases[] = {
      // one window, nothing else
      {1, 1, {7}, {3}, {.dot = {.window_count = 1, .stride = {1}, .dilation = {1}}}},
      // strided and dilated, a rest that no window reads
      {1, 1, {11}, {3}, {.dot = {.window_count = 1, .stride = {3}, .dilation = {2}}}},
      // channels: [c, h, w] and [o, c, kh, kw]
      {3,
       4,
       {2, 5, 4},
       {3, 2, 2, 3},
       {.dot = {.contract_count = 1,
                .right_contract = {1},
                .window_count = 2,
                .left_window = {1, 2},
                .right_window = {2, 3},
                .stride = {2, 1},
                .dilation = {1, 1}}}},
      // images in the middle, groups, channels: [c, b, g, w] and [g, o, k, c]
      {4,
       4,
       {2, 2, 3, 6},
       {3, 2, 2, 2},
       {.dot = {.batch_count = 1,
                .left_batch = {2},
                .contract_count = 1,
                .right_contract = {3},
                .window_count = 1,
                .left_window = {3},
                .right_window = {2},
                .stride = {2},
                .dilation = {2}}}},
      // depthwise: [c, h, w] and [c, kh, kw], one place
      {3,
       3,
       {2, 3, 2},
       {2, 3, 2},
       {.dot = {.batch_count = 1,
                .window_count = 2,
                .left_window = {1, 2},
                .right_window = {1, 2},
                .stride = {1, 2},
                .dilation = {1, 1}}}},
      // the long operand on the right
      {2,
       2,
       {2, 7},
       {2, 5},
       {.dot = {.contract_count = 1,
                .window_count = 1,
                .left_window = {1},
                .right_window = {1},
                .wide = true,
                .stride = {2},
                .dilation = {1}}}},
      // no place for a window
      {1, 1, {2}, {3}, {.dot = {.window_count = 1, .stride = {1}, .dilation = {1}}}},
  };
  int count = (int)(sizeof cases / sizeof *cases);
  if (variant > count) return false;
  if (variant == count) { // the same value twice
    Value *x = example_input(e, F64(e, 3), -1, 1);
    Attr attr = {.dot = {.window_count = 1, .stride = {1}, .dilation = {1}}};
    example_yield_both(e, ir_conv(&e->b, x, x, &attr));
    return true;
  }
  const ConvCase *c = &cases[variant];
  Value *x = example_input(e, type_of(e, DT_F64, c->left_rank, c->left), -1, 1);
  Value *f = example_input(e, type_of(e, DT_F64, c->right_rank, c->right), -1, 1);
  example_yield_both(e, ir_conv(&e->b, x, f, &c->attr));
  return true;
}

static bool make_matrix(Example *e, Opcode code, int variant) {
  if (variant >= 6) return false;
  bool batch = variant & 1, transposed = variant & 2;
  const Type *square = variant >= 4 ? F64(e, 1, 1) : batch ? F64(e, 2, 3, 3) : F64(e, 3, 3);
  const Type *right = variant >= 4 ? F64(e, 1, 2) : batch ? F64(e, 2, 3, 2) : F64(e, 3, 2);
  Value *a = example_input(e, square, -0.5, 0.5);
  e->inputs[0].kind = code == OP_TRISOLVE ? INPUT_TRIANGULAR : INPUT_POSITIVE_DEFINITE;
  if (code == OP_CHOLESKY) {
    example_yield_both(e, ir_cholesky(&e->b, a));
    return true;
  }
  Value *x = example_input(e, right, -1, 1);
  example_yield_both(e, code == OP_SOLVE ? ir_solve(&e->b, a, x, transposed)
                                         : ir_trisolve(&e->b, a, x, transposed));
  return true;
}

// --- data-dependent places ----------------------------------------------------------------------

static bool make_gather(Example *e, Opcode code, int variant) {
  static const struct {
    int table_rank;
    int64_t table[3];
    int index_rank;
    int64_t index[2];
    int axis_count;
    int8_t axes[3];
  } cases[] = {{1, {5}, 1, {4}, 1, {0}},       {2, {5, 3}, 1, {4}, 1, {0}},
               {2, {3, 5}, 2, {2, 3}, 1, {1}}, {3, {3, 2, 4}, 1, {3}, 2, {0, 2}},
               {2, {3, 4}, 0, {0}, 2, {0, 1}}, {2, {5, 3}, 0, {0}, 1, {0}},
               {2, {5, 3}, 1, {0}, 1, {0}}};
  if (variant >= (int)(sizeof cases / sizeof *cases)) return false;
  Value *table =
      example_input(e, type_of(e, DT_F64, cases[variant].table_rank, cases[variant].table), -1, 1);
  const Type *index_type = type_of(e, DT_I64, cases[variant].index_rank, cases[variant].index);
  Value *index[3];
  for (int i = 0; i < cases[variant].axis_count; i++)
    index[i] =
        example_input(e, index_type, 0, (double)cases[variant].table[cases[variant].axes[i]]);
  int count = cases[variant].axis_count;
  Value *r = ir_gather(&e->b, table, count, cases[variant].axes, index);
  if (code == OP_GATHER) {
    example_yield_both(e, r);
    return true;
  }
  Value *updates = example_input(e, r->type, -1, 1);
  example_yield_both(e, ir_scatter_add(&e->b, table, updates, count, cases[variant].axes, index));
  return true;
}

static bool make_slice(Example *e, Opcode code, int variant) {
  if (variant > 3) return false;
  const Type *types[4] = {F64(e, 5), F64(e, 4, 3), F64(e, 4, 3), F64(e, 3)};
  const Type *parts[4] = {F64(e, 2), F64(e, 2, 2), F64(e, 1, 3), F64(e, 3)};
  Value *x = example_input(e, types[variant], -1, 1), *starts[2];
  Value *u = code == OP_DYNAMIC_UPDATE ? example_input(e, parts[variant], -1, 1) : NULL;
  for (int i = 0; i < x->type->rank; i++)
    starts[i] = example_input(e, scalar(e, DT_I64), 0, 3); // beyond the end: clamped
  if (!u) {
    example_yield_both(e, ir_dynamic_slice(&e->b, x, parts[variant], starts));
  } else {
    example_yield_both(e, ir_dynamic_update(&e->b, x, u, starts, false));
    example_yield_both(e, ir_dynamic_update(&e->b, x, u, starts, true));
  }
  return true;
}

// --- control ------------------------------------------------------------------------------------

// carry' = sin(carry * row) + w, row out = carry * w; variants: forward, reversed, while, two
// counts, a carry that is only replaced, more trips asked for than there are rows.
static bool make_loop(Example *e, Opcode code, int variant) {
  (void)code;
  if (variant > 6) return false;
  Module *m = e->module;
  const Type *type = F64(e, 3), *i64 = scalar(e, DT_I64);
  Value *start = example_input(e, type, -1, 1);
  Value *rows = example_input(e, F64(e, 4, 3), -1, 1);
  Value *w = example_input(e, type, -1, 1);
  Value *count = variant == 3   ? example_input(e, i64, 0, 5)
                 : variant == 4 ? ir_zero(&e->b, i64)
                                : ir_integer(&e->b, i64, variant == 6 ? 9 : 4);
  Block *body = block_create(m, e->func->body), *condition = NULL;
  block_add_param(body, i64, NULL);
  Value *c = block_add_param(body, type, NULL), *row = block_add_param(body, type, NULL);
  Builder b = builder_at(body);
  Value *product = ir_binary(&b, OP_MUL, variant == 5 ? w : c, row);
  Value *next = ir_binary(&b, OP_ADD, ir_unary(&b, OP_SIN, product), w);
  VEC_PUSH(m->arena, &body->yields, next);
  VEC_PUSH(m->arena, &body->yields, ir_binary(&b, OP_MUL, variant == 5 ? row : c, w));
  if (variant == 2) {
    condition = block_create(m, e->func->body);
    block_add_param(condition, i64, NULL);
    Value *seen = block_add_param(condition, type, NULL);
    Builder in = builder_at(condition);
    Value *size = ir_sum_all(&in, ir_binary(&in, OP_MUL, seen, seen));
    VEC_PUSH(m->arena, &condition->yields,
             ir_compare(&in, COMPARE_LT, size, ir_real(&in, size->type, 2.5)));
  }
  Op *loop = ir_loop(&e->b, count, dim_const(m->dims, 4), &start, 1, &rows, 1, body, condition,
                     variant == 1);
  for (int i = 0; i < 2; i++) example_yield_both(e, loop->results[i]);
  example_yield(e, loop->results[2]);
  return true;
}

// A scalar test; both sides use x, one through an op that has no value on the other side.
static bool make_if(Example *e, Opcode code, int variant) {
  (void)code;
  if (variant > 1) return false;
  Module *m = e->module;
  Value *x = example_input(e, F64(e, 3), 0.5, 1);
  Value *s = example_input(e, scalar(e, DT_F64), variant ? -1 : 0.1, variant ? -0.1 : 1);
  Value *test = ir_compare(&e->b, COMPARE_GT, s, ir_zero(&e->b, s->type));
  Block *yes = block_create(m, e->func->body), *no = block_create(m, e->func->body);
  Builder b = builder_at(yes);
  Value *root = ir_unary(&b, OP_SQRT, ir_unary(&b, OP_SIN, x));
  VEC_PUSH(m->arena, &yes->yields,
           ir_binary(&b, OP_MUL, root, ir_broadcast_suffix(&b, ir_unary(&b, OP_LOG, s), x->type)));
  VEC_PUSH(m->arena, &yes->yields, ir_sum_all(&b, root));
  b = builder_at(no);
  VEC_PUSH(m->arena, &no->yields, ir_binary(&b, OP_MUL, x, x));
  VEC_PUSH(m->arena, &no->yields, ir_unary(&b, OP_EXP, s));
  Op *branch = ir_if(&e->b, test, yes, no);
  for (int i = 0; i < 2; i++) example_yield_both(e, branch->results[i]);
  return true;
}

// r = x^3 y by hand: variants without rules, with both, with a tangent rule only.
static bool make_custom(Example *e, Opcode code, int variant) {
  (void)code;
  if (variant > 2) return false;
  Module *m = e->module;
  const Type *type = F64(e, 3);
  Value *x = example_input(e, type, -1, 1);
  Value *y = example_input(e, type, -1, 1);
  Value *k = example_input(e, type_with_dtype(m, type, DT_I64), 1, 3);
  Block *regions[3];
  for (int r = 0; r < 3; r++) {
    Block *block = regions[r] = block_create(m, e->func->body);
    Builder b = builder_at(block);
    Value *p = block_add_param(block, type, NULL), *q = block_add_param(block, type, NULL);
    Value *factor = ir_convert(&b, block_add_param(block, k->type, NULL), DT_F64);
    if (r) block_add_param(block, type, NULL); // result
    Value *square = ir_binary(&b, OP_MUL, factor, ir_binary(&b, OP_MUL, p, p));
    Value *cube = ir_binary(&b, OP_MUL, square, p);
    Value *by_p = ir_binary(&b, OP_MUL, ir_real(&b, type, 3), ir_binary(&b, OP_MUL, square, q));
    if (r == 0) VEC_PUSH(m->arena, &block->yields, ir_binary(&b, OP_MUL, cube, q));
    Value *t = r ? block_add_param(block, type, NULL) : NULL;
    if (r == 1) {
      Value *u = block_add_param(block, type, NULL);
      VEC_PUSH(
          m->arena, &block->yields,
          ir_binary(&b, OP_ADD, ir_binary(&b, OP_MUL, by_p, t), ir_binary(&b, OP_MUL, cube, u)));
    }
    if (r == 2) {
      VEC_PUSH(m->arena, &block->yields, ir_binary(&b, OP_MUL, by_p, t));
      VEC_PUSH(m->arena, &block->yields, ir_binary(&b, OP_MUL, cube, t));
    }
  }
  Value *s = ir_unary(&e->b, OP_SIN, x);
  Op *custom = ir_custom(&e->b, (Value *[]){s, y, k}, 3, regions[0], variant ? regions[1] : NULL,
                         variant == 1 ? regions[2] : NULL);
  example_yield_both(e, custom->results[0]);
  return true;
}

static bool make_note(Example *e, Opcode code, int variant) {
  (void)code;
  if (variant > 0) return false;
  Value *x = example_input(e, F64(e, 3), -1, 1);
  ir_note(&e->b, ir_compare(&e->b, COMPARE_GT, x, ir_real(&e->b, x->type, 5)), E0703, "large");
  example_yield_both(e, x);
  return true;
}

// --- the walk -----------------------------------------------------------------------------------

static Maker *const makers[OP_COUNT] = {
    [OP_CONST] = make_constant,
    [OP_IOTA] = make_constant,
    [OP_DIM] = make_constant,
    [OP_RANDOM] = make_random,
    [OP_NEG] = make_elementwise,
    [OP_ABS] = make_elementwise,
    [OP_SIGN] = make_elementwise,
    [OP_FLOOR] = make_elementwise,
    [OP_EXP] = make_elementwise,
    [OP_EXPM1] = make_elementwise,
    [OP_LOG] = make_elementwise,
    [OP_LOG1P] = make_elementwise,
    [OP_SQRT] = make_elementwise,
    [OP_RSQRT] = make_elementwise,
    [OP_SIN] = make_elementwise,
    [OP_COS] = make_elementwise,
    [OP_TANH] = make_elementwise,
    [OP_LOGISTIC] = make_elementwise,
    [OP_SOFTPLUS] = make_elementwise,
    [OP_ERF] = make_elementwise,
    [OP_ERFC] = make_elementwise,
    [OP_ERFINV] = make_elementwise,
    [OP_LGAMMA] = make_elementwise,
    [OP_ATAN2] = make_elementwise,
    [OP_POLYGAMMA] = make_polygamma,
    [OP_NOT] = make_logic,
    [OP_ISFINITE] = make_isfinite,
    [OP_CONVERT] = make_convert,
    [OP_STOP] = make_stop,
    [OP_ADD] = make_elementwise,
    [OP_SUB] = make_elementwise,
    [OP_MUL] = make_elementwise,
    [OP_DIV] = make_elementwise,
    [OP_POW] = make_elementwise,
    [OP_MAX] = make_elementwise,
    [OP_MIN] = make_elementwise,
    [OP_MOD] = make_elementwise,
    [OP_AND] = make_logic,
    [OP_OR] = make_logic,
    [OP_COMPARE] = make_compare,
    [OP_SELECT] = make_select,
    [OP_VIEW] = make_view,
    [OP_UNVIEW] = make_view,
    [OP_RESHAPE] = make_reshape,
    [OP_CONCAT] = make_concat,
    [OP_REDUCE_SUM] = make_reduce,
    [OP_REDUCE_MAX] = make_reduce,
    [OP_REDUCE_PROD] = make_reduce,
    [OP_ARGMAX] = make_scan,
    [OP_CUMSUM] = make_scan,
    [OP_ARGSORT] = make_scan,
    [OP_DOT] = make_dot,
    [OP_CONV] = make_conv,
    [OP_CHOLESKY] = make_matrix,
    [OP_TRISOLVE] = make_matrix,
    [OP_SOLVE] = make_matrix,
    [OP_GATHER] = make_gather,
    [OP_SCATTER_ADD] = make_gather,
    [OP_DYNAMIC_SLICE] = make_slice,
    [OP_DYNAMIC_UPDATE] = make_slice,
    [OP_LOOP] = make_loop,
    [OP_IF] = make_if,
    [OP_CUSTOM] = make_custom,
    [OP_NOTE] = make_note,
};

#endif
