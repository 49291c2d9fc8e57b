// Constructors for kernels, see kernel_builder.h. Statements and the structural hash are in
// kernel_statements.c.
#include "loop/kernel_builder_internal.h"

#include "ir/bug.h"
#include "ir/scalar.h"

#include <string.h>

KernelBuilder *kernel_builder_create(Module *module, const char *name, Span span) {
  Arena *arena = module->arena;
  KernelBuilder *k = ARENA_NEW(arena, KernelBuilder);
  k->arena = arena;
  k->module = module;
  k->kernel = ARENA_NEW(arena, Kernel);
  k->kernel->module = module;
  k->kernel->name = arena_string(arena, name, strlen(name));
  k->kernel->span = span;
  VEC_PUSH(arena, &k->open, ((OpenBody){.list = &k->kernel->body}));
  return k;
}

int kernel_buffer(KernelBuilder *k, Dtype dtype, bool reads, bool writes) {
  KernelBuffer buffer = {.dtype = dtype, .reads = reads, .writes = writes};
  VEC_PUSH(k->arena, &k->kernel->buffers, buffer);
  return (int)k->kernel->buffers.count - 1;
}

void kernel_buffer_use(KernelBuilder *k, int buffer, bool reads, bool writes) {
  KernelBuffer *b = &k->kernel->buffers.data[buffer];
  b->reads |= reads;
  b->writes |= writes;
}

int kernel_scalar(KernelBuilder *k) {
  return k->kernel->scalar_count++;
}

Axis *kernel_axis(KernelBuilder *k, const char *name) {
  Axis *axis = ARENA_NEW(k->arena, Axis);
  axis->id = k->kernel->axis_count++;
  axis->name = arena_string(k->arena, name, strlen(name));
  return axis;
}

Register *kernel_register(KernelBuilder *k, Dtype dtype) {
  Register *reg = ARENA_NEW(k->arena, Register);
  reg->id = k->kernel->register_count++;
  reg->dtype = dtype;
  return reg;
}

Local *kernel_local(KernelBuilder *k, Dtype dtype, int64_t entries, Axis *lanes) {
  REQUIRE(entries > 0, "local array of %lld entries", (long long)entries);
  Local *local = ARENA_NEW(k->arena, Local);
  local->id = (int)k->kernel->locals.count;
  local->dtype = dtype;
  local->entries = entries;
  local->lanes = lanes;
  VEC_PUSH(k->arena, &k->kernel->locals, local);
  return local;
}

// ---------------------------------------------------------------- hash-consing

static uint64_t expr_shape_hash(const Expr *e) {
  uint64_t bits;
  memcpy(&bits, &e->real, sizeof bits);
  uint64_t h = hash_mix((uint64_t)e->kind, (uint64_t)e->dtype);
  h = hash_mix(h, bits);
  h = hash_mix(h, (uint64_t)e->integer);
  h = hash_mix(h, (uint64_t)(uintptr_t)e->dim);
  h = hash_mix(h, (uint64_t)e->number);
  h = hash_mix(h, (uint64_t)(uintptr_t)e->axis);
  h = hash_mix(h, (uint64_t)e->buffer);
  h = hash_mix(h, (uint64_t)(uintptr_t)e->reg);
  h = hash_mix(h, (uint64_t)(uintptr_t)e->local);
  h = hash_mix(h, ((uint64_t)e->opcode << 16) | ((uint64_t)e->compare << 8) |
                      (uint64_t)e->random_kind);
  for (int i = 0; i < e->argument_count; i++) h = hash_mix(h, (uint64_t)(uintptr_t)e->arguments[i]);
  return h;
}

static bool expr_same(const Expr *a, const Expr *b) {
  if (a->kind != b->kind || a->dtype != b->dtype || memcmp(&a->real, &b->real, sizeof a->real) ||
      a->integer != b->integer || a->dim != b->dim || a->number != b->number ||
      a->axis != b->axis || a->buffer != b->buffer || a->reg != b->reg || a->local != b->local ||
      a->opcode != b->opcode || a->compare != b->compare || a->random_kind != b->random_kind ||
      a->argument_count != b->argument_count)
    return false;
  for (int i = 0; i < a->argument_count; i++)
    if (a->arguments[i] != b->arguments[i]) return false;
  return true;
}

static void table_grow(KernelBuilder *k) {
  size_t capacity = k->capacity ? 2 * k->capacity : 64;
  Expr **table = ARENA_ARRAY(k->arena, Expr *, capacity);
  for (size_t i = 0; i < k->capacity; i++) {
    if (!k->table[i]) continue;
    size_t slot = expr_shape_hash(k->table[i]) & (capacity - 1);
    while (table[slot]) slot = (slot + 1) & (capacity - 1);
    table[slot] = k->table[i];
  }
  k->table = table;
  k->capacity = capacity;
}

/// The node equal to *e, made now if there is none.
static Expr *expr_intern(KernelBuilder *k, const Expr *e) {
  if (2 * (size_t)(k->kernel->expr_count + 1) > k->capacity) table_grow(k);
  size_t slot = expr_shape_hash(e) & (k->capacity - 1);
  for (; k->table[slot]; slot = (slot + 1) & (k->capacity - 1))
    if (expr_same(k->table[slot], e)) return k->table[slot];
  Expr *made = arena_copy(k->arena, e, sizeof *e);
  made->id = k->kernel->expr_count++;
  return k->table[slot] = made;
}

// ---------------------------------------------------------------- leaves

Expr *expr_real(KernelBuilder *k, Dtype dtype, double value) {
  REQUIRE(dtype_is_float(dtype), "real constant of type %s", dtype_text(dtype));
  return expr_intern(
      k, &(Expr){.kind = EXPRESSION_CONST, .dtype = dtype, .real = scalar_round(dtype, value)});
}

Expr *expr_integer(KernelBuilder *k, Dtype dtype, int64_t value) {
  REQUIRE(!dtype_is_float(dtype), "integer constant of type %s", dtype_text(dtype));
  return expr_intern(
      k, &(Expr){.kind = EXPRESSION_CONST, .dtype = dtype, .integer = scalar_wrap(dtype, value)});
}

Expr *expr_number(KernelBuilder *k, Dtype dtype, double value) {
  return dtype_is_float(dtype) ? expr_real(k, dtype, value)
                               : expr_integer(k, dtype, scalar_truncate(dtype, value));
}

Expr *expr_index(KernelBuilder *k, int64_t value) {
  return expr_integer(k, DT_I64, value);
}

Expr *expr_dim(KernelBuilder *k, const Dim *dim) {
  int64_t value;
  if (dim_is_const(dim, &value)) return expr_index(k, value);
  return expr_intern(k, &(Expr){.kind = EXPRESSION_DIM, .dtype = DT_I64, .dim = dim});
}

Expr *expr_scalar(KernelBuilder *k, int number) {
  REQUIRE(number >= 0 && number < k->kernel->scalar_count, "kernel scalar %d", number);
  return expr_intern(k, &(Expr){.kind = EXPRESSION_SCALAR, .dtype = DT_I64, .number = number});
}

Expr *expr_axis(KernelBuilder *k, Axis *axis) {
  return expr_intern(k, &(Expr){.kind = EXPRESSION_AXIS, .dtype = DT_I64, .axis = axis});
}

Expr *expr_load(KernelBuilder *k, int buffer, Expr *index) {
  REQUIRE(index->dtype == DT_I64, "load at an index of type %s", dtype_text(index->dtype));
  kernel_buffer_use(k, buffer, true, false);
  return expr_intern(k, &(Expr){.kind = EXPRESSION_LOAD,
                                .dtype = k->kernel->buffers.data[buffer].dtype,
                                .buffer = buffer,
                                .argument_count = 1,
                                .arguments = {index}});
}

Expr *expr_register(KernelBuilder *k, Register *reg) {
  return expr_intern(k, &(Expr){.kind = EXPRESSION_REGISTER, .dtype = reg->dtype, .reg = reg});
}

Expr *expr_local(KernelBuilder *k, Local *local, Expr *index) {
  REQUIRE(index->dtype == DT_I64, "local at an index of type %s", dtype_text(index->dtype));
  return expr_intern(k, &(Expr){.kind = EXPRESSION_LOCAL,
                                .dtype = local->dtype,
                                .local = local,
                                .argument_count = 1,
                                .arguments = {index}});
}

// ---------------------------------------------------------------- folding of integers

// Is it an integer constant?
static bool expr_is_integer(const Expr *e, int64_t *value) {
  if (e->kind != EXPRESSION_CONST || dtype_is_float(e->dtype)) return false;
  if (value) *value = e->integer;
  return true;
}

/// The dim an i64 constant or dim expression stands for, else NULL.
static const Dim *expr_as_dim(KernelBuilder *k, const Expr *e) {
  int64_t value;
  if (e->kind == EXPRESSION_DIM) return e->dim;
  if (expr_is_integer(e, &value) && e->dtype == DT_I64) return dim_const(k->module->dims, value);
  return NULL;
}

static Expr *fold_dims(KernelBuilder *k, Opcode code, const Expr *x, const Expr *y) {
  const Dim *a = expr_as_dim(k, x), *b = expr_as_dim(k, y), *result = NULL;
  if (!a || !b) return NULL;
  DimTable *dims = k->module->dims;
  int64_t divisor;
  if (code == OP_ADD)
    result = dim_add(dims, a, b);
  else if (code == OP_SUB)
    result = dim_sub(dims, a, b);
  else if (code == OP_MUL)
    result = dim_mul(dims, a, b);
  else if (code == OP_MAX)
    result = dim_max(dims, a, b);
  else if (code == OP_DIV && dim_is_const(b, &divisor) && divisor > 0)
    result = dim_floordiv(dims, a, divisor);
  return result && !dim_is_invalid(result) ? expr_dim(k, result) : NULL;
}

static bool is_sum_with_constant(const Expr *e, int64_t *value) {
  return e->kind == EXPRESSION_OP && e->opcode == OP_ADD && e->dtype == DT_I64 &&
         expr_is_integer(e->arguments[1], value);
}

/// Simpler expression equal to x (code) y for integers, or NULL. Constants stand to the right.
static Expr *fold_integer(KernelBuilder *k, Opcode code, Expr *x, Expr *y) {
  int64_t a, b, c;
  if (expr_is_integer(x, &a) && expr_is_integer(y, &b))
    return expr_integer(k, x->dtype, scalar_binary_integer(code, x->dtype, a, b));
  if (x->dtype == DT_I64) {
    Expr *folded = fold_dims(k, code, x, y);
    if (folded) return folded;
    if (code == OP_ADD && expr_as_dim(k, x) && !expr_as_dim(k, y)) return expr_add(k, y, x);
    if (code == OP_MUL && expr_as_dim(k, x) && !expr_as_dim(k, y)) return expr_mul(k, y, x);
    if (code == OP_SUB && expr_is_integer(y, &b) && b != INT64_MIN)
      return expr_add(k, x, expr_index(k, -b));
    if (code == OP_ADD && is_sum_with_constant(x, &c) && expr_is_integer(y, &b))
      return expr_add(k, x->arguments[0],
                      expr_index(k, scalar_binary_integer(OP_ADD, DT_I64, c, b)));
    if (code == OP_ADD && is_sum_with_constant(x, &c))
      return expr_add(k, expr_add(k, x->arguments[0], y), expr_index(k, c));
  }
  if (!expr_is_integer(y, &b))
    return code == OP_SUB && x == y ? expr_integer(k, x->dtype, 0) : NULL;
  if (b == 0 && (code == OP_ADD || code == OP_SUB)) return x;
  if (b == 0 && code == OP_MUL) return y;
  if (b == 1 && (code == OP_MUL || code == OP_DIV)) return x;
  if (b == 1 && code == OP_MOD) return expr_integer(k, x->dtype, 0);
  return NULL;
}

static Expr *fold_boolean(Opcode code, Expr *x, Expr *y) {
  int64_t value;
  if (expr_is_integer(x, &value)) {
    Expr *other = y;
    y = x;
    x = other;
  }
  if (!expr_is_integer(y, &value)) return x == y ? x : NULL;
  if (code == OP_AND) return value ? x : y;
  return value ? y : x;
}

// ---------------------------------------------------------------- ops

static Expr *expr_op(KernelBuilder *k, Opcode code, Dtype dtype, Expr *const *arguments,
                     int count) {
  Expr e = {.kind = EXPRESSION_OP, .dtype = dtype, .opcode = code, .argument_count = count};
  for (int i = 0; i < count; i++) e.arguments[i] = arguments[i];
  return expr_intern(k, &e);
}

Expr *expr_unary(KernelBuilder *k, Opcode code, Expr *x) {
  int64_t value;
  REQUIRE(op_table[code].group == GROUP_ELEMENTWISE && op_table[code].operands == 1 &&
              code != OP_CONVERT,
          "'%s' is not a unary elementwise op", op_table[code].text);
  if (code == OP_STOP) return x;
  if (code == OP_NOT && expr_is_integer(x, &value)) return expr_integer(k, DT_BOOL, !value);
  if (dtype_is_integer(x->dtype) && expr_is_integer(x, &value))
    return expr_integer(k, x->dtype, scalar_unary_integer(code, x->dtype, value));
  return expr_op(k, code, code == OP_ISFINITE ? DT_BOOL : x->dtype, &x, 1);
}

Expr *expr_binary(KernelBuilder *k, Opcode code, Expr *x, Expr *y) {
  REQUIRE(op_table[code].group == GROUP_ELEMENTWISE && op_table[code].operands == 2 &&
              code != OP_COMPARE,
          "'%s' is not a binary elementwise op", op_table[code].text);
  REQUIRE(x->dtype == y->dtype, "'%s' of %s and %s", op_table[code].text, dtype_text(x->dtype),
          dtype_text(y->dtype));
  Expr *folded = NULL;
  if (x->dtype == DT_BOOL && (code == OP_AND || code == OP_OR))
    folded = fold_boolean(code, x, y);
  else if (dtype_is_integer(x->dtype))
    folded = fold_integer(k, code, x, y);
  return folded ? folded : expr_op(k, code, x->dtype, (Expr *[]){x, y}, 2);
}

Expr *expr_compare(KernelBuilder *k, Compare compare, Expr *x, Expr *y) {
  REQUIRE(x->dtype == y->dtype, "comparison of %s and %s", dtype_text(x->dtype),
          dtype_text(y->dtype));
  int64_t a, b;
  if (expr_is_integer(x, &a) && expr_is_integer(y, &b))
    return expr_integer(k, DT_BOOL, scalar_compare_integer(compare, a, b));
  return expr_intern(k, &(Expr){.kind = EXPRESSION_OP,
                                .dtype = DT_BOOL,
                                .opcode = OP_COMPARE,
                                .compare = compare,
                                .argument_count = 2,
                                .arguments = {x, y}});
}

Expr *expr_select(KernelBuilder *k, Expr *condition, Expr *yes, Expr *no) {
  REQUIRE(condition->dtype == DT_BOOL && yes->dtype == no->dtype, "select of %s and %s by %s",
          dtype_text(yes->dtype), dtype_text(no->dtype), dtype_text(condition->dtype));
  int64_t value;
  if (expr_is_integer(condition, &value)) return value ? yes : no;
  if (yes == no) return yes;
  return expr_op(k, OP_SELECT, yes->dtype, (Expr *[]){condition, yes, no}, 3);
}

Expr *expr_convert(KernelBuilder *k, Expr *x, Dtype dtype) {
  if (x->dtype == dtype) return x;
  if (x->kind == EXPRESSION_CONST) {
    if (dtype_is_float(dtype))
      return expr_real(k, dtype, dtype_is_float(x->dtype) ? x->real : (double)x->integer);
    return expr_integer(k, dtype,
                        dtype_is_float(x->dtype) ? scalar_truncate(dtype, x->real) : x->integer);
  }
  return expr_op(k, OP_CONVERT, dtype, &x, 1);
}

Expr *expr_random(KernelBuilder *k, RandomKind kind, Dtype dtype, Expr *const *arguments,
                  int count) {
  REQUIRE(count == (kind == RANDOM_INDEX ? 3 : 2), "random of %d arguments", count);
  Expr e = {
      .kind = EXPRESSION_RANDOM, .dtype = dtype, .random_kind = kind, .argument_count = count};
  for (int i = 0; i < count; i++) {
    REQUIRE(arguments[i]->dtype == DT_I64, "random argument of type %s",
            dtype_text(arguments[i]->dtype));
    e.arguments[i] = arguments[i];
  }
  return expr_intern(k, &e);
}

Expr *expr_clamp(KernelBuilder *k, Expr *index, Expr *extent) {
  Expr *last = expr_sub(k, extent, expr_index(k, 1));
  return expr_binary(k, OP_MIN, expr_binary(k, OP_MAX, index, expr_index(k, 0)), last);
}

// ---------------------------------------------------------------- questions

bool expr_uses_axis(const Expr *e, const Axis *axis) {
  if (e->kind == EXPRESSION_AXIS) return e->axis == axis;
  for (int i = 0; i < e->argument_count; i++)
    if (expr_uses_axis(e->arguments[i], axis)) return true;
  return false;
}
