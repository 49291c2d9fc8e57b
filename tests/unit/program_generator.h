// Random programs of tensor IR: straight lines, reductions, contractions, data-dependent places,
// loops, conditionals, bodies done for all indices at once (as comprehensions are) and draws, over
// small shapes. The same seed gives the same program whether dims are names or numbers, and whether
// bodies are batched or looped over.
//
// Values stay of order one: whatever may grow goes through a bounded function first, so that
// results of two evaluations that round differently stay close.
#ifndef BLO_TESTS_PROGRAM_GENERATOR_H
#define BLO_TESTS_PROGRAM_GENERATOR_H

#include "diff/diff.h"
#include "ir/builder.h"
#include <math.h>

enum { GENERATOR_DIMS = 3, GENERATOR_POOL = 64 };

typedef struct GeneratorOptions {
  int ops;
  bool control;       // every third op is a loop, a conditional or a batched body
  bool smooth;        // no kinks and no steps: differences are derivatives
  bool maps_as_loops; // bodies for all indices are loops with stacked results
} GeneratorOptions;

typedef struct Generator {
  uint64_t state;
  Module *module;
  const Dim *dims[GENERATOR_DIMS]; // extents of axes; distinct
  int64_t values[GENERATOR_DIMS];
  Value *pool[GENERATOR_POOL]; // f64 values made so far
  int count;
  int depth, branches;
  Value *counters[2]; // of the enclosing loops and bodies
  GeneratorOptions options;
} Generator;

static uint64_t generator_next(Generator *g) {
  g->state += 0x9e3779b97f4a7c15u;
  uint64_t z = g->state;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static int generator_pick(Generator *g, int count) {
  return (int)(generator_next(g) % (uint64_t)count);
}

static Value *generator_value(Generator *g) {
  return g->pool[generator_pick(g, g->count)];
}

static const Type *generator_type(Generator *g, int rank) {
  const Dim *shape[MAX_RANK] = {0};
  for (int i = 0; i < rank; i++) shape[i] = g->dims[generator_pick(g, GENERATOR_DIMS)];
  return type_get(g->module, DT_F64, rank, shape);
}

static void generator_push(Generator *g, Value *v) {
  if (g->count < GENERATOR_POOL)
    g->pool[g->count++] = v;
  else
    g->pool[generator_pick(g, GENERATOR_POOL)] = v;
}

// A value of the given type: one of the pool, or something broadcast to it.
static Value *generator_of_type(Generator *g, Builder *b, const Type *type) {
  for (int i = 0; i < 6; i++) {
    Value *v = generator_value(g);
    if (v->type == type) return v;
  }
  for (int i = 0; i < 6; i++) { // leading axes equal: repeat along the rest
    Value *v = generator_value(g);
    bool prefix = v->type->rank <= type->rank;
    for (int k = 0; prefix && k < v->type->rank; k++) prefix = v->type->shape[k] == type->shape[k];
    static const int axes[MAX_RANK] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    if (prefix) return ir_broadcast(b, v, type, axes);
  }
  Value *index = type->rank ? ir_iota(b, type_with_dtype(g->module, type, DT_I64),
                                      generator_pick(g, type->rank))
                            : ir_integer(b, type_scalar(g->module, DT_I64), 3);
  Value *angle = ir_convert(b, index, DT_F64);
  double shift = (double)generator_pick(g, 10) / 7;
  return ir_unary(b, OP_SIN, ir_binary(b, OP_ADD, angle, ir_real(b, type, shift)));
}

static Value *bounded(Builder *b, Value *v) {
  return ir_unary(b, OP_TANH, v);
}

static Value *generate_unary(Generator *g, Builder *b) {
  static const Opcode codes[] = {OP_NEG, OP_SIN,   OP_COS,   OP_TANH, OP_LOGISTIC, OP_SOFTPLUS,
                                 OP_ERF, OP_EXPM1, OP_FLOOR, OP_SIGN, OP_ABS};
  enum { KINKS = 3 }; // at the end
  Value *x = generator_value(g);
  int count = (int)(sizeof codes / sizeof *codes) - (g->options.smooth ? KINKS : 0);
  Opcode code = codes[generator_pick(g, count)];
  if (code == OP_EXPM1) x = bounded(b, x);
  return ir_unary(b, code, x);
}

static Value *generate_positive(Generator *g, Builder *b) {
  static const Opcode codes[] = {OP_LOG, OP_LOG1P, OP_SQRT, OP_RSQRT};
  Value *x = generator_value(g);
  Value *square = ir_binary(b, OP_MUL, x, x);
  Value *positive = ir_binary(b, OP_ADD, square, ir_real(b, x->type, 0.5));
  return ir_unary(b, codes[generator_pick(g, 4)], positive);
}

static Value *generate_binary(Generator *g, Builder *b) {
  static const Opcode codes[] = {OP_ADD, OP_SUB, OP_MUL, OP_DIV, OP_POW, OP_MAX, OP_MIN};
  enum { KINKS = 2 }; // at the end
  Value *x = generator_value(g);
  Value *y = generator_of_type(g, b, x->type);
  int count = (int)(sizeof codes / sizeof *codes) - (g->options.smooth ? KINKS : 0);
  Opcode code = codes[generator_pick(g, count)];
  if (code == OP_POW) x = ir_unary(b, OP_LOGISTIC, x), y = bounded(b, y);
  if (code == OP_DIV) y = ir_binary(b, OP_ADD, ir_binary(b, OP_MUL, y, y), ir_real(b, y->type, 1));
  return bounded(b, ir_binary(b, code, x, y));
}

// Which entries, by their places: nothing that a derivative sees.
static Value *generator_mask(Generator *g, Builder *b, const Type *type) {
  const Type *whole = type_with_dtype(g->module, type, DT_I64);
  Value *place = type->rank ? ir_iota(b, whole, generator_pick(g, type->rank)) : ir_zero(b, whole);
  if (g->depth)
    place = ir_binary(b, OP_ADD, place, ir_broadcast_suffix(b, g->counters[g->depth - 1], whole));
  return ir_compare(b, (Compare)generator_pick(g, 6), place,
                    ir_integer(b, whole, generator_pick(g, 3)));
}

static Value *generate_select(Generator *g, Builder *b) {
  Value *x = generator_value(g);
  Value *y = generator_of_type(g, b, x->type), *z = generator_of_type(g, b, x->type);
  if (g->options.smooth || generator_pick(g, 2))
    return ir_select(b, generator_mask(g, b, x->type), y, x);
  return ir_select(b, ir_compare(b, (Compare)generator_pick(g, 4), x, z), y, x);
}

static Value *generate_view(Generator *g, Builder *b) {
  Value *x = generator_value(g);
  int rank = x->type->rank;
  if (!rank) return ir_broadcast_suffix(b, x, generator_type(g, 1 + generator_pick(g, 2)));
  int axis = generator_pick(g, rank);
  switch (generator_pick(g, 4)) {
  case 0:
    return ir_flip(b, x, axis);
  case 1: {
    int permutation[MAX_RANK];
    for (int i = 0; i < rank; i++) permutation[i] = rank - 1 - i;
    return ir_transpose(b, x, permutation);
  }
  case 2: { // repeated along a new last or first axis
    if (rank > 2) return ir_flip(b, x, axis);
    const Dim *shape[MAX_RANK];
    int axes[MAX_RANK], first = generator_pick(g, 2);
    for (int i = 0; i < rank; i++) shape[i + first] = x->type->shape[i], axes[i] = i + first;
    shape[first ? 0 : rank] = g->dims[generator_pick(g, GENERATOR_DIMS)];
    return ir_broadcast(b, x, type_get(g->module, DT_F64, rank + 1, shape), axes);
  }
  default: { // shifted by one: two slices joined
    DimTable *dims = g->module->dims;
    const Dim *extent = x->type->shape[axis], *zero = dim_const(dims, 0);
    const Dim *half = dim_floordiv(dims, extent, 2);
    Value *parts[2] = {ir_slice(b, x, axis, half, dim_sub(dims, extent, half), 1),
                       ir_slice(b, x, axis, zero, half, 1)};
    return ir_concat(b, parts, 2, axis);
  }
  }
}

static Value *generate_unview(Generator *g, Builder *b) {
  Value *x = generator_value(g);
  int rank = x->type->rank;
  if (!rank) return ir_unary(b, OP_NEG, x);
  int64_t matrix[MAX_RANK * MAX_RANK] = {0};
  const Dim *offset[MAX_RANK], *shape[MAX_RANK];
  int axis = generator_pick(g, rank), kind = generator_pick(g, 3), in_rank = 0;
  DimTable *dims = g->module->dims;
  for (int i = 0; i < rank; i++) {
    if (i == axis && kind == 0 && rank > 1) continue; // summed away
    matrix[in_rank * rank + i] = i == axis && kind == 1 ? 2 : 1;
    offset[in_rank] = dim_const(dims, i == axis && kind == 2);
    const Dim *twice = dim_add(dims, dim_scale(dims, x->type->shape[i], 2), dim_const(dims, 1));
    shape[in_rank++] = i == axis ? twice : x->type->shape[i];
  }
  IndexMap map = {in_rank, rank, matrix, offset};
  Value *wide = ir_unview(b, x, type_get(g->module, DT_F64, in_rank, shape), map);
  if (kind == 0 && rank > 1) return bounded(b, wide);
  const Dim *from = dim_const(dims, kind == 2);
  return ir_slice(b, wide, axis, from, x->type->shape[axis], 1);
}

static Value *generate_reshape(Generator *g, Builder *b) {
  Value *x = generator_value(g);
  int rank = x->type->rank;
  if (rank < 2) return ir_unary(b, OP_COS, x);
  const Dim *shape[MAX_RANK];
  for (int i = 0; i < rank; i++) shape[i] = x->type->shape[i];
  shape[rank - 2] = dim_mul(g->module->dims, shape[rank - 2], shape[rank - 1]);
  Value *flat = ir_reshape(b, x, type_get(g->module, DT_F64, rank - 1, shape));
  if (generator_pick(g, 2)) flat = ir_unary(b, OP_SIN, ir_flip(b, flat, rank - 2));
  // Back with the two axes exchanged.
  for (int i = 0; i < rank; i++) shape[i] = x->type->shape[i];
  shape[rank - 2] = x->type->shape[rank - 1];
  shape[rank - 1] = x->type->shape[rank - 2];
  return ir_reshape(b, flat, type_get(g->module, DT_F64, rank, shape));
}

static Value *generate_reduction(Generator *g, Builder *b) {
  Value *x = generator_value(g);
  int rank = x->type->rank;
  if (!rank) return ir_unary(b, OP_SIN, x);
  uint32_t axes = (uint32_t)(1 + generator_pick(g, (1 << rank) - 1));
  int axis = generator_pick(g, rank);
  switch (generator_pick(g, g->options.smooth ? 4 : 6)) {
  case 0:
    return bounded(b, ir_reduce(b, OP_REDUCE_PROD, bounded(b, x), axes));
  case 1:
    return bounded(b, ir_cumsum(b, x, axis, generator_pick(g, 2), generator_pick(g, 2)));
  case 4:
    return bounded(b, ir_reduce(b, OP_REDUCE_MAX, x, axes));
  case 5: {
    Value *place = ir_argmax(b, x, axis);
    return ir_unary(b, OP_SIN, ir_convert(b, place, DT_F64));
  }
  default:
    return bounded(b, ir_reduce(b, OP_REDUCE_SUM, x, axes));
  }
}

static Value *generate_dot(Generator *g, Builder *b) {
  Value *x = generator_value(g), *y = generator_value(g);
  for (int i = 0; i < 8 && !y->type->rank; i++) y = generator_value(g);
  Attr attr = {0};
  uint32_t used = 0;
  int8_t *left[2] = {attr.dot.left_batch, attr.dot.left_contract};
  int8_t *right[2] = {attr.dot.right_batch, attr.dot.right_contract};
  int *counts[2] = {&attr.dot.batch_count, &attr.dot.contract_count};
  for (int i = 0; i < x->type->rank; i++) {
    int kind = generator_pick(g, 4) > 0;
    for (int k = 0; k < y->type->rank; k++) {
      if (used >> k & 1 || x->type->shape[i] != y->type->shape[k]) continue;
      left[kind][*counts[kind]] = (int8_t)i;
      right[kind][(*counts[kind])++] = (int8_t)k;
      used |= 1u << k;
      break;
    }
  }
  int rank = x->type->rank + y->type->rank - attr.dot.batch_count - 2 * attr.dot.contract_count;
  if (rank > 4) return ir_sum_all(b, x);
  return bounded(b, ir_dot(b, x, y, &attr));
}

// Indices 0 .. extent-1 from any values of a shape: |k| mod extent.
static Value *generator_index(Generator *g, Builder *b, int rank, const Dim *extent) {
  const Type *type = generator_type(g, rank);
  Value *k;
  if (g->options.smooth || generator_pick(g, 2)) { // some places
    k = rank ? ir_iota(b, type_with_dtype(g->module, type, DT_I64), rank - 1)
             : ir_integer(b, type_scalar(g->module, DT_I64), generator_pick(g, 9));
    if (g->depth)
      k = ir_binary(b, OP_ADD, k, ir_broadcast_suffix(b, g->counters[g->depth - 1], k->type));
    k = ir_binary(b, OP_MUL, k, ir_integer(b, k->type, 1 + generator_pick(g, 3)));
  } else { // places that depend on data
    Value *x = generator_of_type(g, b, type);
    k = ir_convert(b, ir_binary(b, OP_MUL, x, ir_real(b, x->type, 9)), DT_I64);
  }
  Value *size = ir_dim(b, dim_max(g->module->dims, extent, dim_const(g->module->dims, 1)));
  return ir_binary(b, OP_MOD, k, ir_broadcast_suffix(b, size, k->type));
}

static Value *generate_gather(Generator *g, Builder *b) {
  Value *x = generator_value(g);
  int rank = x->type->rank;
  if (!rank) return ir_unary(b, OP_COS, x);
  int8_t axis = (int8_t)generator_pick(g, rank);
  Value *index = generator_index(g, b, 1 + generator_pick(g, 2), x->type->shape[axis]);
  Value *rows = ir_gather(b, x, 1, &axis, &index);
  if (generator_pick(g, 2)) return rows;
  return bounded(b, ir_scatter_add(b, x, ir_unary(b, OP_SIN, rows), 1, &axis, &index));
}

static Value *generate_dynamic(Generator *g, Builder *b) {
  Value *x = generator_value(g), *starts[MAX_RANK];
  int rank = x->type->rank;
  if (!rank) return ir_unary(b, OP_SIN, x);
  DimTable *dims = g->module->dims;
  const Dim *shape[MAX_RANK] = {0};
  for (int i = 0; i < rank; i++) {
    shape[i] = dim_floordiv(dims, dim_add(dims, x->type->shape[i], dim_const(dims, 1)), 2);
    starts[i] = ir_integer(b, type_scalar(g->module, DT_I64), generator_pick(g, 5) - 1);
  }
  const Type *type = type_get(g->module, DT_F64, rank, shape);
  Value *part = ir_dynamic_slice(b, x, type, starts);
  part = ir_unary(b, OP_COS, part);
  for (int i = 0; i < rank; i++)
    starts[i] = ir_integer(b, type_scalar(g->module, DT_I64), generator_pick(g, 4));
  return ir_dynamic_update(b, x, part, starts, generator_pick(g, 2));
}

static Value *generate_random(Generator *g, Builder *b) {
  const Type *scalar = type_scalar(g->module, DT_I64),
             *type = generator_type(g, generator_pick(g, 3));
  Value *fold[2] = {ir_integer(b, scalar, generator_pick(g, 1000)),
                    ir_integer(b, scalar, generator_pick(g, 1000))};
  Value *key = ir_random(b, RANDOM_FOLD, scalar, fold, 2);
  for (int i = 0; i < g->depth; i++) // a draw of its own in each trip
    key = ir_random(b, RANDOM_FOLD, scalar, (Value *[]){key, g->counters[i]}, 2);
  if (generator_pick(g, 2)) {
    Value *operands[2] = {key, ir_integer(b, scalar, generator_pick(g, 50))};
    return ir_random_rows(b, RANDOM_UNIFORM, type, operands, 2, 1);
  }
  Value *operands[3] = {key, ir_integer(b, scalar, 0), ir_integer(b, scalar, 1000)};
  Value *index =
      ir_random_rows(b, RANDOM_INDEX, type_with_dtype(g->module, type, DT_I64), operands, 3, 1);
  return ir_unary(b, OP_SIN, ir_convert(b, index, DT_F64));
}

static Value *generate_matrix(Generator *g, Builder *b) {
  const Dim *n = g->dims[1 + generator_pick(g, 2)];
  const Dim *shape[2] = {n, n};
  const Type *type = type_get(g->module, DT_F64, 2, shape);
  Value *a = generator_of_type(g, b, type), *right = generator_of_type(g, b, type);
  int permutation[2] = {1, 0};
  Value *row = ir_iota(b, type_with_dtype(g->module, type, DT_I64), 0);
  Value *column = ir_iota(b, type_with_dtype(g->module, type, DT_I64), 1);
  Value *scale = ir_binary(b, OP_MUL, ir_real(b, type, 0.1), bounded(b, a));
  Value *eye = ir_convert(b, ir_compare(b, COMPARE_EQ, row, column), DT_F64);
  if (generator_pick(g, 2)) {
    Value *near = ir_binary(b, OP_ADD, scale, ir_binary(b, OP_MUL, eye, ir_real(b, type, 3)));
    return bounded(b, ir_solve(b, near, right, generator_pick(g, 2)));
  }
  Value *gram = ir_matmul(b, scale, ir_transpose(b, scale, permutation));
  Value *l = ir_cholesky(b, ir_binary(b, OP_ADD, gram, eye));
  return bounded(b, ir_trisolve(b, l, right, generator_pick(g, 2)));
}

static Value *generate_sorted(Generator *g, Builder *b) {
  Value *x = generator_value(g);
  int rank = x->type->rank;
  if (!rank) return ir_unary(b, OP_COS, x);
  int axis = generator_pick(g, rank);
  Value *order = ir_argsort(b, x, axis, generator_pick(g, 2));
  return ir_unary(b, OP_SIN, ir_convert(b, order, DT_F64));
}

static Value *generate_op(Generator *g, Builder *b);

static void generate_ops(Generator *g, Builder *b, int count) {
  for (int i = 0; i < count; i++) generator_push(g, generate_op(g, b));
}

// for i < count { a, c = ..., stack row } over the pool of values outside.
static Value *generate_loop(Generator *g, Builder *b) {
  Module *module = g->module;
  const Type *i64 = type_scalar(module, DT_I64);
  const Dim *bound = g->dims[generator_pick(g, GENERATOR_DIMS)];
  Value *carries[2] = {generator_value(g), generator_value(g)}, *stacked[1] = {NULL};
  int stacked_count = 0;
  for (int i = 0; i < 8 && !stacked_count; i++) {
    Value *v = generator_value(g);
    if (v->type->rank && v->type->shape[0] == bound) stacked[stacked_count++] = v;
  }
  Block *body = block_create(module, b->block);
  Value *counter = block_add_param(body, i64, NULL);
  Generator inner = *g;
  inner.counters[inner.depth++] = counter;
  for (int i = 0; i < 2; i++) generator_push(&inner, block_add_param(body, carries[i]->type, NULL));
  if (stacked_count) {
    const Type *type = stacked[0]->type;
    generator_push(
        &inner,
        block_add_param(body, type_get(module, DT_F64, type->rank - 1, type->shape + 1), NULL));
  }
  Builder inside = builder_at(body);
  generator_push(&inner, ir_unary(&inside, OP_SIN, ir_convert(&inside, counter, DT_F64)));
  generate_ops(&inner, &inside, 2 + generator_pick(&inner, 4));
  Value *next[3];
  for (int i = 0; i < 2; i++) next[i] = generator_of_type(&inner, &inside, carries[i]->type);
  next[2] = generator_value(&inner);
  if (generator_pick(&inner, 3) == 0) next[0] = body->params.data[1];
  if (next[2]->type->rank > 3) next[2] = ir_sum_all(&inside, next[2]);
  for (int i = 0; i < 3; i++) VEC_PUSH(module->arena, &body->yields, next[i]);
  bool reverse = generator_pick(&inner, 2);
  Block *condition = NULL;
  if (!reverse && generator_pick(&inner, 2)) {
    condition = block_create(module, b->block);
    Value *at = block_add_param(condition, i64, NULL);
    for (int i = 0; i < 2; i++) block_add_param(condition, carries[i]->type, NULL);
    Builder test = builder_at(condition);
    Value *go = ir_compare(&test, COMPARE_LT, at, ir_integer(&test, i64, 2));
    if (!g->options.smooth && generator_pick(&inner, 2)) { // trips that depend on data
      Value *carried = ir_sum_all(&test, bounded(&test, condition->params.data[1]));
      go = ir_compare(&test, COMPARE_LT, carried, ir_real(&test, carried->type, 0.3));
    }
    VEC_PUSH(module->arena, &condition->yields, go);
  }
  g->state = inner.state;
  Value *count = generator_pick(g, 2) ? ir_dim(b, bound) : ir_integer(b, i64, 2);
  Op *loop = ir_loop(b, count, bound, carries, 2, stacked, stacked_count, body, condition, reverse);
  generator_push(g, bounded(b, loop->results[0]));
  generator_push(g, loop->results[1]);
  generator_push(g, ir_convert(b, loop->results[3], DT_F64));
  return loop->results[2];
}

static Value *generate_if(Generator *g, Builder *b) {
  Value *x = generator_value(g), *limit = ir_sum_all(b, bounded(b, generator_value(g)));
  Value *condition = ir_compare(b, COMPARE_LT, limit, ir_real(b, limit->type, 0.1));
  if (g->options.smooth) condition = generator_mask(g, b, type_scalar(g->module, DT_F64));
  Block *branches[2];
  for (int i = 0; i < 2; i++) {
    branches[i] = block_create(g->module, b->block);
    Generator inner = *g;
    Builder inside = builder_at(branches[i]);
    inner.branches++;
    generate_ops(&inner, &inside, 1 + generator_pick(&inner, 3));
    Value *v = generator_of_type(&inner, &inside, x->type);
    VEC_PUSH(g->module->arena, &branches[i]->yields, v);
    VEC_PUSH(g->module->arena, &branches[i]->yields, generator_pick(&inner, 2) ? v : x);
    g->state = inner.state;
  }
  Op *op = ir_if(b, condition, branches[0], branches[1]);
  generator_push(g, op->results[1]);
  return op->results[0];
}

// A body with an index i, for all i below an extent: what a comprehension is. Rows of values
// outside are read at affine functions of i, so that gathers can become views.
static Value *generate_map(Generator *g, Builder *b) {
  Module *module = g->module;
  const Dim *extent = g->dims[generator_pick(g, GENERATOR_DIMS)];
  Block *body = block_create(module, b->block);
  Value *counter = block_add_param(body, type_scalar(module, DT_I64), NULL);
  Generator inner = *g;
  inner.counters[inner.depth++] = counter;
  Builder inside = builder_at(body);
  for (int i = 0; i < 2; i++) {
    Value *x = generator_value(&inner);
    if (!x->type->rank) continue;
    int8_t axis = (int8_t)generator_pick(&inner, x->type->rank);
    Value *row = counter;
    if (x->type->shape[axis] != extent || generator_pick(&inner, 3) == 0)
      row = generator_index(&inner, &inside, 0, x->type->shape[axis]);
    generator_push(&inner, ir_gather(&inside, x, 1, &axis, &row));
  }
  generator_push(&inner, ir_unary(&inside, OP_SIN, ir_convert(&inside, counter, DT_F64)));
  generate_ops(&inner, &inside, 2 + generator_pick(&inner, 4));
  Value *value = inner.pool[inner.count - 1], *result;
  if (value->type->rank > 2) value = ir_sum_all(&inside, value);
  g->state = inner.state;
  if (g->options.maps_as_loops) {
    VEC_PUSH(module->arena, &body->yields, value);
    result = ir_loop(b, ir_dim(b, extent), extent, NULL, 0, NULL, 0, body, NULL, false)->results[0];
  } else {
    Value *places = ir_iota(b, type_get(module, DT_I64, 1, &extent), 0), *none = NULL;
    diff_batch(b, body, extent, &places, &none, &value, 1, &result);
  }
  return result->type->rank > 2 ? bounded(b, ir_reduce(b, OP_REDUCE_SUM, result, 4)) : result;
}

static Value *generate_op(Generator *g, Builder *b) {
  int kind = generator_pick(g, 21);
  bool shallow = g->depth < 2 && g->branches < 2;
  if (g->options.control && shallow && generator_pick(g, 3) == 0) kind = 18 + generator_pick(g, 3);
  switch (kind) {
  case 0:
  case 1:
    return generate_unary(g, b);
  case 2:
    return generate_positive(g, b);
  case 3:
  case 4:
  case 5:
    return generate_binary(g, b);
  case 6:
    return generate_select(g, b);
  case 7:
  case 8:
    return generate_view(g, b);
  case 9:
    return generate_unview(g, b);
  case 10:
    return generate_reshape(g, b);
  case 11:
    return generate_reduction(g, b);
  case 12:
  case 13:
    return generate_dot(g, b);
  case 14:
    return generate_gather(g, b);
  case 15:
    return generate_dynamic(g, b);
  case 16:
    return generate_random(g, b);
  case 17:
    return g->options.smooth || generator_pick(g, 2) ? generate_matrix(g, b)
                                                     : generate_sorted(g, b);
  case 18:
    return shallow ? generate_loop(g, b) : generate_binary(g, b);
  case 19:
    return shallow ? generate_if(g, b) : generate_dot(g, b);
  default:
    return shallow ? generate_map(g, b) : generate_reduction(g, b);
  }
}

/// A function of three f64 tensors that yields four of the values it computes, one of them a
/// parameter.
static Func *generate_program(Module *module, uint64_t seed, const Dim *const *dims,
                              GeneratorOptions options) {
  Generator g = {.state = seed, .module = module, .options = options};
  for (int i = 0; i < GENERATOR_DIMS; i++) g.dims[i] = dims[i];
  Func *func =
      func_create(module, intern_printf(module->names, "p%llu_%d", (unsigned long long)seed,
                                        (int)module->funcs.count));
  for (int i = 0; i < 3; i++) {
    const Dim *shape[2] = {dims[0], dims[i]};
    const Type *type = type_get(module, DT_F64, i == 2 ? 1 : 2, i == 2 ? dims + 1 : shape);
    generator_push(&g, block_add_param(func->body, type, NULL));
  }
  Builder b = builder_at(func->body);
  generate_ops(&g, &b, options.ops);
  for (int i = 0; i < 4; i++) {
    Value *v = i < 2 ? g.pool[g.count - 1 - i] : generator_value(&g);
    VEC_PUSH(module->arena, &func->body->yields, v);
    VEC_PUSH(module->arena, &func->result_names, NULL);
  }
  return func;
}

#endif
