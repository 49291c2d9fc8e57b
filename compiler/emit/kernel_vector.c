// Vector loops: full steps of `unroll` vectors, then the rest under a mask; partial results of
// accumulating statements are joined after the loop by a fixed tree (copies pairwise, then halves
// of the lanes), so the bits of a reduction depend on the loop IR alone. Everything of the rest
// goes to the partial results of copy 0, for constant extents too, where it is laid out without a
// loop and with fewer lanes when fewer suffice.
#include "emit/kernel_internal.h"

enum { MAX_TOGETHER = 8 }; // partial results whose lanes are joined in common vectors

// ---------------------------------------------------------------- accumulating statements

static bool declared_inside(const Stmt *s, const Register *reg) {
  if (s->kind == STATEMENT_DECLARE && s->reg == reg) return true;
  for (size_t i = 0; i < s->body.count; i++)
    if (declared_inside(s->body.data[i], reg)) return true;
  for (size_t i = 0; i < s->otherwise.count; i++)
    if (declared_inside(s->otherwise.data[i], reg)) return true;
  return false;
}

static bool differs_by_lane(const Stmt *loop, const Expr *e) {
  if (e->kind == EXPRESSION_AXIS) return e->axis == loop->axis;
  if (e->kind == EXPRESSION_REGISTER && declared_inside(loop, e->reg)) return true;
  for (int i = 0; i < e->argument_count; i++)
    if (differs_by_lane(loop, e->arguments[i])) return true;
  return false;
}

Accumulator *find_accumulator(KernelEmitter *k, const Register *reg, const Local *local) {
  for (size_t i = 0; i < k->vector->accumulators.count; i++) {
    Accumulator *a = &k->vector->accumulators.data[i];
    if ((reg && a->reg == reg) || (local && a->local == local)) return a;
  }
  return NULL;
}

static void add_accumulator(KernelEmitter *k, VectorLoop *loop, const Stmt *s) {
  Accumulator a = {.reg = s->reg, .place = s->reg_index, .op = s->op};
  if (s->kind == STATEMENT_LOCAL_STORE) {
    if (!s->accumulate || s->local->lanes == loop->stmt->axis ||
        differs_by_lane(loop->stmt, s->index) || find_accumulator(k, NULL, s->local))
      return;
    a.local = s->local;
    a.op = OP_ADD;
    a.dtype = s->local->dtype;
  } else {
    if (declared_inside(loop->stmt, s->reg) || find_accumulator(k, s->reg, NULL)) return;
    if (s->kind == STATEMENT_ARGMAX) a.op = OP_MAX;
    a.dtype = s->reg->dtype;
  }
  VEC_PUSH(k->arena, &loop->accumulators, a);
}

static void collect_accumulators(KernelEmitter *k, VectorLoop *loop, const StmtList *body) {
  for (size_t i = 0; i < body->count; i++) {
    const Stmt *s = body->data[i];
    if (s->kind == STATEMENT_ACCUMULATE || s->kind == STATEMENT_ARGMAX ||
        s->kind == STATEMENT_LOCAL_STORE)
      add_accumulator(k, loop, s);
    collect_accumulators(k, loop, &s->body);
    collect_accumulators(k, loop, &s->otherwise);
  }
}

static LLVMValueRef entry_address(KernelEmitter *k, LLVMTypeRef type, LLVMValueRef slot,
                                  int64_t i) {
  LLVMValueRef index = const_i64(k->m, i);
  return i ? LLVMBuildInBoundsGEP2(k->b, type, slot, &index, 1, "") : slot;
}

static void start_accumulators(KernelEmitter *k, int copies) {
  for (size_t i = 0; i < k->vector->accumulators.count; i++) {
    Accumulator *a = &k->vector->accumulators.data[i];
    a->type = vector_type(k, value_type(k->m, a->dtype));
    LLVMValueRef identity = elementwise_identity(k->m, a->op, a->dtype);
    int64_t entries = a->local ? a->local->entries : 1;
    for (int c = 0; c < copies; c++) {
      a->slot[c] = entry_alloca(k, a->local ? LLVMArrayType2(a->type, (uint64_t)entries) : a->type);
      for (int64_t e = 0; e < entries; e++)
        LLVMBuildStore(k->b, splat_value(k->b, identity, (unsigned)k->vector->width),
                       entry_address(k, a->type, a->slot[c], e));
      if (!a->place) continue;
      LLVMTypeRef places = vector_type(k, k->m->i64);
      a->place_slot[c] = entry_alloca(k, places);
      LLVMBuildStore(k->b, splat_int(places, INT64_MAX), a->place_slot[c]);
    }
  }
}

void argmax_combine(const Maker *b, Dtype dtype, LLVMValueRef *best, LLVMValueRef *place,
                    LLVMValueRef value, LLVMValueRef index) {
  LLVMValueRef larger, equal;
  if (dtype_is_float(dtype)) {
    larger = LLVMBuildFCmp(b->b, LLVMRealOGT, value, *best, "");
    equal = LLVMBuildFCmp(b->b, LLVMRealOEQ, value, *best, "");
  } else {
    bool is_unsigned = dtype == DT_U8 || dtype == DT_BOOL;
    larger = LLVMBuildICmp(b->b, is_unsigned ? LLVMIntUGT : LLVMIntSGT, value, *best, "");
    equal = LLVMBuildICmp(b->b, LLVMIntEQ, value, *best, "");
  }
  LLVMValueRef sooner = LLVMBuildICmp(b->b, LLVMIntSLT, index, *place, "");
  LLVMValueRef take = LLVMBuildOr(b->b, larger, LLVMBuildAnd(b->b, equal, sooner, ""), "");
  *best = LLVMBuildSelect(b->b, take, value, *best, "");
  *place = LLVMBuildSelect(b->b, take, index, *place, "");
}

/// Half of a vector: lanes first, first + 1, ..
static LLVMValueRef half(KernelEmitter *k, LLVMValueRef vector, unsigned first, unsigned count) {
  LLVMValueRef order[64];
  for (unsigned i = 0; i < count; i++) order[i] = const_i32(k->m, first + i);
  return LLVMBuildShuffleVector(k->b, vector, LLVMGetPoison(LLVMTypeOf(vector)),
                                LLVMConstVector(order, count), "");
}

static void join(KernelEmitter *k, const Accumulator *a, LLVMValueRef *value, LLVMValueRef *place,
                 LLVMValueRef other, LLVMValueRef other_place) {
  if (a->place)
    argmax_combine(&k->maker, a->dtype, value, place, other, other_place);
  else
    *value = elementwise_combine(&k->maker, a->op, a->dtype, *value, other);
}

typedef struct Partial { // one accumulator, or one entry of an array of them
  const Accumulator *accumulator;
  int64_t entry;
  LLVMValueRef vector, places; // all copies joined
} Partial;

static Partial join_copies(KernelEmitter *k, const Accumulator *a, int64_t entry, int copies) {
  LLVMValueRef v[MAX_COPIES], p[MAX_COPIES] = {0};
  for (int c = 0; c < copies; c++) {
    v[c] = LLVMBuildLoad2(k->b, a->type, entry_address(k, a->type, a->slot[c], entry), "");
    if (a->place) p[c] = LLVMBuildLoad2(k->b, vector_type(k, k->m->i64), a->place_slot[c], "");
  }
  for (int count = copies; count > 1; count = (count + 1) / 2)
    for (int c = 0; c < (count + 1) / 2; c++) {
      v[c] = v[2 * c];
      p[c] = p[2 * c];
      if (2 * c + 1 < count) join(k, a, &v[c], &p[c], v[2 * c + 1], p[2 * c + 1]);
    }
  return (Partial){.accumulator = a, .entry = entry, .vector = v[0], .places = p[0]};
}

static void reduce_argmax(KernelEmitter *k, const Partial *part, LLVMValueRef *value,
                          LLVMValueRef *place) {
  *value = part->vector;
  *place = part->places;
  for (unsigned lanes = (unsigned)k->vector->width / 2; lanes >= 1; lanes /= 2) {
    LLVMValueRef high = half(k, *value, lanes, lanes), high_place = half(k, *place, lanes, lanes);
    *value = half(k, *value, 0, lanes);
    *place = half(k, *place, 0, lanes);
    join(k, part->accumulator, value, place, high, high_place);
  }
  LLVMValueRef zero = const_i32(k->m, 0);
  *value = LLVMBuildExtractElement(k->b, *value, zero, "");
  *place = LLVMBuildExtractElement(k->b, *place, zero, "");
}

/// The lower or upper half of each group of `lanes` lanes, of x and then y (NULL: of x alone).
static LLVMValueRef halves(KernelEmitter *k, LLVMValueRef x, LLVMValueRef y, unsigned lanes,
                           bool upper) {
  LLVMValueRef order[64];
  unsigned size = type_lanes(LLVMTypeOf(x)), count = 0;
  for (unsigned i = 0; i < (y ? 2 * size : size); i++)
    if ((i % lanes >= lanes / 2) == upper) order[count++] = const_i32(k->m, i);
  return LLVMBuildShuffleVector(k->b, x, y ? y : LLVMGetPoison(LLVMTypeOf(x)),
                                LLVMConstVector(order, count), "");
}

/// Joins the lanes of `count` partial results of one op and type, a power of two: the same tree for
/// each, but in common vectors.
static void reduce_together(KernelEmitter *k, const Partial *parts, int count,
                            LLVMValueRef *totals) {
  LLVMValueRef v[MAX_TOGETHER], none = NULL;
  for (int i = 0; i < count; i++) v[i] = parts[i].vector;
  int vectors = count;
  for (unsigned lanes = (unsigned)k->vector->width; lanes > 1; lanes /= 2) {
    int left = vectors > 1 ? vectors / 2 : 1;
    for (int i = 0; i < left; i++) {
      LLVMValueRef x = v[vectors > 1 ? 2 * i : 0], y = vectors > 1 ? v[2 * i + 1] : NULL;
      LLVMValueRef low = halves(k, x, y, lanes, false), high = halves(k, x, y, lanes, true);
      join(k, parts->accumulator, &low, &none, high, NULL);
      v[i] = low;
    }
    vectors = left;
  }
  for (int i = 0; i < count; i++) {
    // fewer lanes than partial results: several vectors are left
    LLVMValueRef from = v[i * vectors / count];
    LLVMValueRef at = const_i32(k->m, i % (count / vectors));
    totals[i] = LLVMBuildExtractElement(k->b, from, at, "");
  }
}

/// Adds a joined result to its register or array.
static void add_total(KernelEmitter *k, const Partial *part, LLVMValueRef total,
                      LLVMValueRef total_place) {
  const Accumulator *a = part->accumulator;
  LLVMTypeRef memory = a->local ? memory_type(k->m, a->dtype) : value_type(k->m, a->dtype);
  LLVMValueRef slot = a->local ? k->locals[a->local->id][0] : k->registers[a->reg->id].slot[0];
  LLVMValueRef address = entry_address(k, memory, slot, part->entry), old_place = NULL;
  LLVMValueRef old = LLVMBuildLoad2(k->b, memory, address, "");
  if (a->local) old = value_from_memory(&k->maker, a->dtype, old);
  LLVMValueRef place_slot = a->place ? k->registers[a->place->id].slot[0] : NULL;
  if (a->place) old_place = LLVMBuildLoad2(k->b, k->m->i64, place_slot, "");
  join(k, a, &old, &old_place, total, total_place);
  if (a->local) old = value_to_memory(&k->maker, a->dtype, old);
  LLVMBuildStore(k->b, old, address);
  if (a->place) LLVMBuildStore(k->b, old_place, place_slot);
}

/// How many of the first parts can be reduced together: a power of two.
static int alike(const Partial *parts, int count) {
  const Accumulator *first = parts->accumulator;
  int same = 1, power = 1;
  while (same < count && same < MAX_TOGETHER && parts[same].accumulator->op == first->op &&
         parts[same].accumulator->dtype == first->dtype && !parts[same].accumulator->place)
    same++;
  while (2 * power <= same) power *= 2;
  return power;
}

static void finish_accumulators(KernelEmitter *k, int copies) {
  VEC(Partial) parts = {0};
  for (size_t i = 0; i < k->vector->accumulators.count; i++) {
    const Accumulator *a = &k->vector->accumulators.data[i];
    for (int64_t e = 0; e < (a->local ? a->local->entries : 1); e++)
      VEC_PUSH(k->arena, &parts, join_copies(k, a, e, copies));
  }
  for (size_t i = 0; i < parts.count;) {
    const Partial *part = &parts.data[i];
    LLVMValueRef totals[MAX_TOGETHER], place = NULL;
    int together = 1;
    if (part->accumulator->place) {
      reduce_argmax(k, part, totals, &place);
    } else {
      together = alike(part, (int)(parts.count - i));
      reduce_together(k, part, together, totals);
    }
    for (int t = 0; t < together; t++) add_total(k, &part[t], totals[t], place);
    i += (size_t)together;
  }
}

// ---------------------------------------------------------------- the loop

/// One array per lane and copy for locals of this loop.
static void make_lane_arrays(KernelEmitter *k, int copies) {
  for (size_t i = 0; i < k->kernel->locals.count; i++) {
    const Local *local = k->kernel->locals.data[i];
    if (local->lanes != k->vector->stmt->axis) continue;
    LLVMTypeRef vector = vector_type(k, memory_type(k->m, local->dtype));
    for (int c = 0; c < copies; c++)
      k->locals[i][c] = entry_alloca(k, LLVMArrayType2(vector, (uint64_t)local->entries));
  }
}

/// The body for `copies` vectors starting at `start`.
static void emit_part(KernelEmitter *k, LLVMValueRef start, int copies, bool rest) {
  VectorLoop *loop = k->vector;
  loop->start = start;
  loop->copies = copies;
  loop->rest = rest;
  for (int i = 0; i < k->kernel->expr_count; i++) k->strides[i] = STRIDE_UNKNOWN;
  size_t mark = value_scope_open(k);
  emit_body(k, &loop->stmt->body);
  value_scope_close(k, mark);
  for (int c = 0; c < MAX_COPIES; c++) loop->mask[c] = NULL, loop->prefix[c] = 0;
}

/// Lanes below `count` (an i64 that is less than 2^31).
static LLVMValueRef lanes_below(KernelEmitter *k, LLVMValueRef count) {
  LLVMValueRef limit = LLVMBuildTrunc(k->b, count, k->m->i32, "");
  return LLVMBuildICmp(k->b, LLVMIntSLT, lane_numbers(k, k->m->i32, 1, 0),
                       splat_value(k->b, limit, (unsigned)k->vector->width), "");
}

/// for (start = from; start < to; start += step) body; guarded, tested at the end.
static void emit_counted(KernelEmitter *k, LLVMValueRef from, LLVMValueRef to, int copies,
                         bool rest) {
  LLVMBasicBlockRef loop = new_block(k, "vector"), after = new_block(k, "after");
  LLVMBasicBlockRef before = LLVMGetInsertBlock(k->b);
  LLVMBuildCondBr(k->b, LLVMBuildICmp(k->b, LLVMIntSLT, from, to, ""), loop, after);
  LLVMPositionBuilderAtEnd(k->b, loop);
  LLVMValueRef start = LLVMBuildPhi(k->b, k->m->i64, "");
  if (rest) k->vector->mask[0] = lanes_below(k, LLVMBuildSub(k->b, to, start, ""));
  emit_part(k, start, copies, rest);
  LLVMValueRef next = LLVMBuildNSWAdd(k->b, start, const_i64(k->m, copies * k->vector->width), "");
  LLVMBasicBlockRef last = LLVMGetInsertBlock(k->b);
  LLVMBuildCondBr(k->b, LLVMBuildICmp(k->b, LLVMIntSLT, next, to, ""), loop, after);
  LLVMAddIncoming(start, (LLVMValueRef[]){from, next}, (LLVMBasicBlockRef[]){before, last}, 2);
  LLVMPositionBuilderAtEnd(k->b, after);
}

/// Constant extent: full steps, then the rest as one straight part whose last vector is masked.
static void emit_constant(KernelEmitter *k, LLVMValueRef low, int64_t extent) {
  int width = k->vector->width, step = width * k->vector->stmt->unroll;
  int64_t full = extent / step * step, rest = extent - full;
  if (full > step)
    emit_counted(k, low, LLVMBuildAdd(k->b, low, const_i64(k->m, full), ""),
                 k->vector->stmt->unroll, false);
  else if (full)
    emit_part(k, low, k->vector->stmt->unroll, false);
  if (!rest) return;
  int copies = (int)((rest + width - 1) / width);
  int64_t lanes = rest - (int64_t)(copies - 1) * width;
  if (lanes < width) {
    k->vector->mask[copies - 1] = lanes_below(k, const_i64(k->m, lanes));
    k->vector->prefix[copies - 1] = lanes;
  }
  emit_part(k, LLVMBuildAdd(k->b, low, const_i64(k->m, full), ""), copies, true);
}

static void emit_variable(KernelEmitter *k, LLVMValueRef low, LLVMValueRef high) {
  int unroll = k->vector->stmt->unroll, step = k->vector->width * unroll;
  LLVMValueRef extent = LLVMBuildSub(k->b, high, low, "");
  LLVMValueRef steps = LLVMBuildSDiv(k->b, extent, const_i64(k->m, step), "");
  LLVMValueRef full =
      LLVMBuildAdd(k->b, low, LLVMBuildMul(k->b, steps, const_i64(k->m, step), ""), "");
  emit_counted(k, low, full, unroll, false);
  // `full` may lie below `low` only when the loop is empty; then `high` does too.
  emit_counted(k, full, high, 1, true);
}

static bool const_value(LLVMValueRef v, int64_t *value) {
  if (!LLVMIsAConstantInt(v)) return false;
  *value = LLVMConstIntGetSExtValue(v);
  return true;
}

void emit_vector_loop(KernelEmitter *k, const Stmt *s) {
  REQUIRE(!k->vector, "vector loop inside a vector loop in kernel '%s'", k->kernel->name);
  REQUIRE(s->unroll <= MAX_COPIES && s->width <= 64, "vector loop of %d x %d lanes", s->unroll,
          s->width);
  LLVMValueRef low = eval_uniform(k, s->low), high = eval_uniform(k, s->high);
  int64_t extent = 0, high_value = 0;
  bool constant = const_value(low, &extent) && const_value(high, &high_value);
  extent = high_value - extent;
  if (constant && extent <= 0) return;
  VectorLoop loop = {.stmt = s, .width = s->width};
  while (constant && loop.width > 2 && extent <= loop.width / 2) loop.width /= 2;
  int copies = constant && extent < (int64_t)loop.width * s->unroll
                   ? (int)((extent + loop.width - 1) / loop.width)
                   : s->unroll;
  k->vector = &loop;
  collect_accumulators(k, &loop, &s->body);
  int partial = constant && extent < (int64_t)loop.width * s->unroll ? 1 : s->unroll;
  start_accumulators(k, partial);
  make_lane_arrays(k, copies);
  if (constant)
    emit_constant(k, low, extent);
  else
    emit_variable(k, low, high);
  finish_accumulators(k, partial);
  k->vector = NULL;
}
