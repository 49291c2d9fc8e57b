// Values of kernel expressions. Uniform ones are scalars; the rest are one vector for each copy of
// the open vector loop. Values that read no mutable memory are kept until their scope closes, the
// others until the statement ends.
#include "emit/kernel_internal.h"

LLVMTypeRef vector_type(const KernelEmitter *k, LLVMTypeRef scalar) {
  return LLVMVectorType(scalar, (unsigned)k->vector->width);
}

LLVMValueRef entry_alloca(KernelEmitter *k, LLVMTypeRef type) {
  return LLVMBuildAlloca(k->head, type, "");
}

static int copies_of(const KernelEmitter *k, const Lanes *value) {
  return value->varying ? k->vector->copies : 1;
}

LLVMValueRef lanes_of(KernelEmitter *k, const Lanes *value, int copy) {
  return value->varying ? value->v[copy]
                        : splat_value(k->b, value->v[0], (unsigned)k->vector->width);
}

LLVMValueRef lane_numbers(const KernelEmitter *k, LLVMTypeRef element, int64_t stride,
                          int64_t first) {
  LLVMValueRef entries[64];
  for (int i = 0; i < k->vector->width; i++)
    entries[i] = LLVMConstInt(element, (unsigned long long)((first + i) * stride), 1);
  return LLVMConstVector(entries, (unsigned)k->vector->width);
}

// ---------------------------------------------------------------- scopes of cached values

size_t value_scope_open(KernelEmitter *k) {
  return k->log.count;
}

static void forget(KernelEmitter *k, const CacheEntry *entry) {
  if (entry->base)
    k->base_cache[entry->id] = NULL;
  else
    k->cache[entry->id] = NULL;
}

void value_scope_close(KernelEmitter *k, size_t mark) {
  statement_end(k);
  while (k->log.count > mark) forget(k, &k->log.data[--k->log.count]);
}

void statement_end(KernelEmitter *k) {
  while (k->passing.count > 0) forget(k, &k->passing.data[--k->passing.count]);
}

/// Does the value depend on nothing that a statement of the kernel can change?
static bool is_stable(KernelEmitter *k, const Expr *e) {
  signed char *known = &k->stable[e->id];
  if (*known) return *known > 0;
  bool stable = e->kind != EXPRESSION_LOCAL;
  if (e->kind == EXPRESSION_LOAD) stable = !k->kernel->buffers.data[e->buffer].writes;
  if (e->kind == EXPRESSION_REGISTER) stable = !k->assigned[e->reg->id];
  for (int i = 0; stable && i < e->argument_count; i++) stable = is_stable(k, e->arguments[i]);
  *known = stable ? 1 : -1;
  return stable;
}

static void remember(KernelEmitter *k, const Expr *e, bool base) {
  CacheEntry entry = {.id = e->id, .base = base};
  if (is_stable(k, e))
    VEC_PUSH(k->arena, &k->log, entry);
  else
    VEC_PUSH(k->arena, &k->passing, entry);
}

// ---------------------------------------------------------------- strides

static int64_t stride_of_op(KernelEmitter *k, const Expr *e) {
  int64_t a = lane_stride(k, e->arguments[0]), b = 0, factor, result;
  if (e->argument_count > 1) b = lane_stride(k, e->arguments[1]);
  if (a == STRIDE_NONE || b == STRIDE_NONE || e->dtype != DT_I64) return STRIDE_NONE;
  const Expr *y = e->argument_count > 1 ? e->arguments[1] : NULL;
  bool overflow = true;
  switch (e->opcode) {
  case OP_ADD:
    overflow = __builtin_add_overflow(a, b, &result);
    break;
  case OP_SUB:
    overflow = __builtin_sub_overflow(a, b, &result);
    break;
  case OP_NEG:
    overflow = __builtin_sub_overflow((int64_t)0, a, &result);
    break;
  case OP_MUL:
    if (y->kind == EXPRESSION_CONST && b == 0) {
      factor = y->integer;
      overflow = __builtin_mul_overflow(a, factor, &result);
    }
    break;
  default:
    break;
  }
  return overflow || result == STRIDE_UNKNOWN ? STRIDE_NONE : result;
}

int64_t lane_stride(KernelEmitter *k, const Expr *e) {
  if (!k->vector) return 0;
  int64_t *known = &k->strides[e->id];
  if (*known != STRIDE_UNKNOWN) return *known;
  bool uniform = true;
  for (int i = 0; i < e->argument_count; i++) uniform &= lane_stride(k, e->arguments[i]) == 0;
  int64_t stride = uniform ? 0 : STRIDE_NONE;
  if (e->kind == EXPRESSION_AXIS)
    stride = e->axis == k->vector->stmt->axis ? 1 : 0;
  else if (e->kind == EXPRESSION_REGISTER)
    stride = k->registers[e->reg->id].varying ? STRIDE_NONE : 0;
  else if (e->kind == EXPRESSION_LOCAL && e->local->lanes == k->vector->stmt->axis)
    stride = STRIDE_NONE;
  else if (e->kind == EXPRESSION_OP && !uniform)
    stride = stride_of_op(k, e);
  return *known = stride;
}

LLVMValueRef eval_base(KernelEmitter *k, const Expr *e) {
  if (lane_stride(k, e) == 0) return eval_uniform(k, e);
  if (e->kind == EXPRESSION_AXIS) return k->vector->start;
  if (k->base_cache[e->id]) return k->base_cache[e->id];
  LLVMValueRef x = eval_base(k, e->arguments[0]), result;
  LLVMValueRef y = e->argument_count > 1 ? eval_base(k, e->arguments[1]) : NULL;
  switch (e->opcode) {
  case OP_ADD:
    result = LLVMBuildAdd(k->b, x, y, "");
    break;
  case OP_SUB:
    result = LLVMBuildSub(k->b, x, y, "");
    break;
  case OP_MUL:
    result = LLVMBuildMul(k->b, x, y, "");
    break;
  case OP_NEG:
    result = LLVMBuildNeg(k->b, x, "");
    break;
  default:
    BUG("affine index with '%s'", op_table[e->opcode].text);
  }
  remember(k, e, true);
  return k->base_cache[e->id] = result;
}

// ---------------------------------------------------------------- evaluation

static LLVMValueRef constant(KernelEmitter *k, const Expr *e) {
  LLVMTypeRef type = value_type(k->m, e->dtype);
  return dtype_is_float(e->dtype) ? LLVMConstReal(type, e->real)
                                  : LLVMConstInt(type, (unsigned long long)e->integer, 1);
}

static LLVMValueRef dim_value(KernelEmitter *k, const Dim *dim) {
  LLVMValueRef value = map_get(k->dim_values, dim);
  if (value) return value;
  value = emit_dim(k->m, k->head, k->dims, dim);
  map_put(k->dim_values, dim, value);
  return value;
}

static Lanes eval_register(KernelEmitter *k, const Register *reg) {
  const RegisterPlace *place = &k->registers[reg->id];
  REQUIRE(place->declared, "register r%d of kernel '%s' is read before its declaration", reg->id,
          k->kernel->name);
  if (place->bound) return *place->bound;
  Lanes result = {.varying = place->varying};
  LLVMTypeRef type = value_type(k->m, reg->dtype);
  if (place->varying) type = vector_type(k, type);
  for (int c = 0; c < copies_of(k, &result); c++)
    result.v[c] = LLVMBuildLoad2(k->b, type, place->slot[c], "");
  return result;
}

/// An affine integer as vectors: base + stride * lane.
static Lanes eval_affine(KernelEmitter *k, const Expr *e, int64_t stride) {
  Lanes result = {.varying = true};
  LLVMValueRef base = splat_value(k->b, eval_base(k, e), (unsigned)k->vector->width);
  for (int c = 0; c < k->vector->copies; c++)
    result.v[c] = LLVMBuildAdd(
        k->b, base, lane_numbers(k, k->m->i64, stride, (int64_t)c * k->vector->width), "");
  return result;
}

static Lanes eval_op(KernelEmitter *k, const Expr *e) {
  const Lanes *arguments[3];
  Lanes result = {0};
  for (int i = 0; i < e->argument_count; i++) {
    arguments[i] = eval(k, e->arguments[i]);
    result.varying |= arguments[i]->varying;
  }
  for (int c = 0; c < copies_of(k, &result); c++) {
    LLVMValueRef values[3];
    for (int i = 0; i < e->argument_count; i++)
      values[i] = result.varying ? lanes_of(k, arguments[i], c) : arguments[i]->v[0];
    result.v[c] = e->kind == EXPRESSION_RANDOM
                      ? random_value(&k->maker, e->random_kind, e->dtype, values)
                      : elementwise(&k->maker, e, values);
  }
  return result;
}

static Lanes eval_fresh(KernelEmitter *k, const Expr *e) {
  int64_t stride = lane_stride(k, e);
  if (stride != 0 && stride != STRIDE_NONE) return eval_affine(k, e, stride);
  switch (e->kind) {
  case EXPRESSION_CONST:
    return (Lanes){.v = {constant(k, e)}};
  case EXPRESSION_DIM:
    return (Lanes){.v = {dim_value(k, e->dim)}};
  case EXPRESSION_SCALAR:
    return (Lanes){
        .v = {LLVMGetParam(k->function, (unsigned)k->kernel->buffers.count + (unsigned)e->number)}};
  case EXPRESSION_AXIS:
    REQUIRE(k->axes[e->axis->id], "axis %s of kernel '%s' is used outside its loop", e->axis->name,
            k->kernel->name);
    return (Lanes){.v = {k->axes[e->axis->id]}};
  case EXPRESSION_LOAD:
    return load_place(k, LLVMGetParam(k->function, (unsigned)e->buffer), e->dtype, e->arguments[0]);
  case EXPRESSION_REGISTER:
    return eval_register(k, e->reg);
  case EXPRESSION_LOCAL:
    return load_local(k, e->local, e->arguments[0]);
  case EXPRESSION_OP:
  case EXPRESSION_RANDOM:
    return eval_op(k, e);
  }
  BUG("expression kind %d", (int)e->kind);
}

const Lanes *eval(KernelEmitter *k, const Expr *e) {
  if (k->cache[e->id]) return k->cache[e->id];
  Lanes value = eval_fresh(k, e);
  k->cache[e->id] = arena_copy(k->arena, &value, sizeof value);
  remember(k, e, false);
  return k->cache[e->id];
}

LLVMValueRef eval_uniform(KernelEmitter *k, const Expr *e) {
  const Lanes *value = eval(k, e);
  REQUIRE(!value->varying, "an expression of kernel '%s' must not differ between lanes",
          k->kernel->name);
  return value->v[0];
}
