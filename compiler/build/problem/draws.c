// Keys of random draws, and values of synthetic data.
//
// A draw is a pure function of (seed, stage, step, draw number, place): the key of a stage's step
// is folded from the seed here, the evaluator folds the draw number in, and places (clauses, call
// paths) are folded by whoever draws. Everything evaluated in one step therefore sees the same
// values, and a run replays from (seed, t) alone.
#include "build/program.h"

#include <string.h>

// Words that tell the uses of one key apart.
static const uint64_t start_word = 0x73746172; // start values of a stage

Value *key_fold(Context *c, Value *key, Value *word) {
  Value *operands[] = {key, word};
  return ir_random(&c->e->builder, RANDOM_FOLD, scalar_type(c, DT_I64), operands, 2);
}

Value *key_fold_hash(Context *c, Value *key, uint64_t hash) {
  return key_fold(c, key, scalar_int(c, (int64_t)(hash >> 1)));
}

uint64_t place_hash(const char *kind, const char *name) {
  uint64_t hash = hash_bytes(0x626c6f, kind, strlen(kind));
  return hash_bytes(hash, name, strlen(name));
}

Value *step_key(Context *c, const Stage *stage, Value *t) {
  Value *key = key_fold_hash(c, c->seed, place_hash("stage", stage->name));
  return t ? key_fold(c, key, t) : key_fold_hash(c, key, start_word);
}

static Value *uniform_values(Context *c, const Type *type, Value *key, int64_t stream) {
  Value *operands[] = {key_fold(c, key, scalar_int(c, stream)), scalar_int(c, 0)};
  return ir_random(&c->e->builder, RANDOM_UNIFORM, type, operands, 2);
}

// Box-Muller: u in [0, 1), so 1 - u is never 0.
static Value *normal_values(Context *c, const Type *type, Value *key) {
  Builder *b = &c->e->builder;
  Value *u = uniform_values(c, type, key, 0), *v = uniform_values(c, type, key, 1);
  Value *log = ir_unary(b, OP_LOG, ir_binary(b, OP_SUB, ir_real(b, type, 1.0), u));
  Value *radius = ir_unary(b, OP_SQRT, ir_binary(b, OP_MUL, ir_real(b, type, -2.0), log));
  Value *angle = ir_binary(b, OP_MUL, ir_real(b, type, 6.283185307179586), v);
  return ir_binary(b, OP_MUL, radius, ir_unary(b, OP_COS, angle));
}

// Integers uniform in 0 .. count-1.
static Value *integer_values(Context *c, const Type *type, Value *key, const Dim *count) {
  Builder *b = &c->e->builder;
  const Type *real = type_with_dtype(c->module, type, DT_F64);
  const Type *wide = type_with_dtype(c->module, type, DT_I64);
  Value *u = uniform_values(c, real, key, 0);
  Value *n = ir_broadcast_suffix(b, ir_dim(b, count), wide);
  Value *scaled = ir_binary(b, OP_MUL, u, ir_convert(b, n, DT_F64));
  Value *whole = ir_convert(b, ir_unary(b, OP_FLOOR, scaled), DT_I64);
  Value *last = ir_binary(b, OP_SUB, n, ir_integer(b, wide, 1));
  return ir_convert(b, ir_binary(b, OP_MIN, whole, last), type->dtype);
}

static Value *draw_leaf(Context *c, const FieldValue *field, const Type *type, Value *key) {
  Builder *b = &c->e->builder;
  if (type->dtype == DT_BOOL) {
    const Type *real = type_with_dtype(c->module, type, DT_F64);
    return ir_compare(b, COMPARE_LT, uniform_values(c, real, key, 0), ir_real(b, real, 0.5));
  }
  if (dtype_is_integer(type->dtype)) {
    const Dim *ten = dim_const(c->module->dims, 10);
    return integer_values(c, type, key, field->classes ? field->classes : ten);
  }
  if (type->dtype == DT_F64 || type->dtype == DT_F32) return normal_values(c, type, key);
  Value *wide = normal_values(c, type_with_dtype(c->module, type, DT_F32), key);
  return ir_convert(b, wide, type->dtype);
}

// Leaves behind the first have streams of their own.
Staged *draw_field(Context *c, const FieldValue *field, Value *key) {
  ValueList leaves = {0};
  for (size_t i = 0; i < field->types.count; i++) {
    Value *own = i ? key_fold(c, key, scalar_int(c, (int64_t)i)) : key;
    VEC_PUSH(c->build->arena, &leaves, draw_leaf(c, field, field->types.data[i], own));
  }
  Value *const *next = leaves.data;
  return staged_rebuild(c->e, field->like, &next);
}

Value *level_iteration(Context *c, const Stage *stage, const Level *level) {
  Builder *b = &c->e->builder;
  Value *number = c->t ? c->t : scalar_int(c, 0);
  const Instance *inner = level == &stage->lower ? stage->lower_optimizer : NULL;
  if (inner && inner->iterations && method_descends(stage))
    number = ir_binary(b, OP_MUL, number, ir_dim(b, inner->iterations));
  Value *draw = c->e->dynamic.draw;
  return draw ? ir_binary(b, OP_ADD, number, draw) : number;
}
