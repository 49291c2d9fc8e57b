// Memory accesses of kernels: one scalar, one contiguous vector, or a gather/scatter, by the stride
// of the index; masked where the open vector loop is.
#include "emit/kernel_internal.h"

static LLVMValueRef element_address(KernelEmitter *k, LLVMTypeRef type, LLVMValueRef base,
                                    LLVMValueRef index) {
  return LLVMBuildInBoundsGEP2(k->b, type, base, &index, 1, "");
}

static unsigned element_bytes(Dtype dtype) {
  return (unsigned)dtype_bytes(dtype);
}

// In small programs a known number of lanes that is one power of two, or the sum of two, is moved
// in one or two pieces: what a masked store wrote cannot be forwarded to a load that follows soon,
// and following soon is all that such programs do. Elsewhere one masked access is faster.

enum { MOST_PIECES = 2 };

static int64_t pieces_of(const KernelEmitter *k, int copy) {
  int64_t lanes = k->small && !k->vector->conditional ? k->vector->prefix[copy] : 0;
  return __builtin_popcountll((unsigned long long)lanes) <= MOST_PIECES ? lanes : 0;
}

/// `count` lanes of x from `first`; lanes outside x come from `other`.
static LLVMValueRef pick(KernelEmitter *k, LLVMValueRef x, LLVMValueRef other, int64_t first,
                         int64_t count) {
  LLVMValueRef order[64];
  for (int64_t i = 0; i < count; i++) order[i] = const_i32(k->m, first + i);
  return LLVMBuildShuffleVector(k->b, x, other, LLVMConstVector(order, (unsigned)count), "");
}

static LLVMValueRef load_pieces(KernelEmitter *k, LLVMTypeRef type, LLVMValueRef address,
                                Dtype dtype, int64_t lanes) {
  LLVMTypeRef element = LLVMGetElementType(type);
  LLVMValueRef result = LLVMConstNull(type);
  int64_t width = k->vector->width;
  for (int64_t at = 0, size = width; size >= 1; size /= 2) {
    if (!(lanes & size)) continue;
    LLVMTypeRef part = LLVMVectorType(element, (unsigned)size);
    LLVMValueRef place = at ? element_address(k, element, address, const_i64(k->m, at)) : address;
    LLVMValueRef load = LLVMBuildLoad2(k->b, part, place, "");
    LLVMSetAlignment(load, element_bytes(dtype));
    LLVMValueRef wide = pick(k, load, LLVMGetPoison(part), 0, size), order[64];
    if (size < width) { // more lanes, of which those of the piece count
      for (int64_t i = 0; i < width; i++) order[i] = const_i32(k->m, i < size ? i : size);
      wide = LLVMBuildShuffleVector(k->b, load, LLVMConstNull(part),
                                    LLVMConstVector(order, (unsigned)width), "");
    }
    for (int64_t i = 0; i < width; i++)
      order[i] = const_i32(k->m, i >= at && i < at + size ? width + i - at : i);
    result =
        LLVMBuildShuffleVector(k->b, result, wide, LLVMConstVector(order, (unsigned)width), "");
    at += size;
  }
  return result;
}

static void store_pieces(KernelEmitter *k, LLVMValueRef value, LLVMValueRef address, Dtype dtype,
                         int64_t lanes) {
  LLVMTypeRef element = LLVMGetElementType(LLVMTypeOf(value));
  for (int64_t at = 0, size = k->vector->width; size >= 1; size /= 2) {
    if (!(lanes & size)) continue;
    LLVMValueRef part = pick(k, value, LLVMGetPoison(LLVMTypeOf(value)), at, size);
    LLVMValueRef place = at ? element_address(k, element, address, const_i64(k->m, at)) : address;
    LLVMSetAlignment(LLVMBuildStore(k->b, part, place), element_bytes(dtype));
    at += size;
  }
}

static LLVMValueRef load_vector(KernelEmitter *k, LLVMTypeRef type, LLVMValueRef address,
                                Dtype dtype, int copy) {
  LLVMValueRef mask = k->vector->mask[copy];
  if (!mask) {
    LLVMValueRef load = LLVMBuildLoad2(k->b, type, address, "");
    LLVMSetAlignment(load, element_bytes(dtype));
    return load;
  }
  if (pieces_of(k, copy)) return load_pieces(k, type, address, dtype, pieces_of(k, copy));
  LLVMTypeRef types[] = {type, k->m->pointer};
  LLVMValueRef arguments[] = {address, const_i32(k->m, element_bytes(dtype)), mask,
                              LLVMConstNull(type)};
  return call_intrinsic(k->m, k->b, "llvm.masked.load", types, 2, arguments, 4);
}

static void store_vector(KernelEmitter *k, LLVMValueRef value, LLVMValueRef address, Dtype dtype,
                         int copy) {
  LLVMValueRef mask = k->vector->mask[copy];
  if (!mask) {
    LLVMSetAlignment(LLVMBuildStore(k->b, value, address), element_bytes(dtype));
    return;
  }
  if (pieces_of(k, copy)) {
    store_pieces(k, value, address, dtype, pieces_of(k, copy));
    return;
  }
  LLVMTypeRef types[] = {LLVMTypeOf(value), k->m->pointer};
  LLVMValueRef arguments[] = {value, address, const_i32(k->m, element_bytes(dtype)), mask};
  call_intrinsic(k->m, k->b, "llvm.masked.store", types, 2, arguments, 4);
}

static LLVMValueRef mask_or_all(KernelEmitter *k, int copy) {
  LLVMValueRef mask = k->vector->mask[copy];
  return mask ? mask : LLVMConstAllOnes(vector_type(k, k->m->i1));
}

static LLVMValueRef gather(KernelEmitter *k, LLVMTypeRef type, LLVMValueRef addresses, Dtype dtype,
                           int copy) {
  LLVMTypeRef types[] = {type, LLVMTypeOf(addresses)};
  LLVMValueRef arguments[] = {addresses, const_i32(k->m, element_bytes(dtype)),
                              mask_or_all(k, copy), LLVMConstNull(type)};
  return call_intrinsic(k->m, k->b, "llvm.masked.gather", types, 2, arguments, 4);
}

static void scatter(KernelEmitter *k, LLVMValueRef value, LLVMValueRef addresses, Dtype dtype,
                    int copy) {
  LLVMTypeRef types[] = {LLVMTypeOf(value), LLVMTypeOf(addresses)};
  LLVMValueRef arguments[] = {value, addresses, const_i32(k->m, element_bytes(dtype)),
                              mask_or_all(k, copy)};
  call_intrinsic(k->m, k->b, "llvm.masked.scatter", types, 2, arguments, 4);
}

/// Where copy `copy` of an access lies: an address when contiguous, else a vector of addresses.
/// Strided ones are one address plus constants, which gathers take as short offsets.
static LLVMValueRef copy_address(KernelEmitter *k, LLVMTypeRef type, LLVMValueRef base,
                                 const Expr *index, int copy) {
  int64_t stride = lane_stride(k, index);
  if (stride == STRIDE_NONE) return element_address(k, type, base, eval(k, index)->v[copy]);
  LLVMValueRef first = element_address(k, type, base, eval_base(k, index));
  int64_t lane = (int64_t)copy * k->vector->width;
  if (stride != 1) {
    // The intrinsic does nothing but keep licm from moving the constants into a vector of
    // addresses.
    first = call_unary(k->m, k->b, "llvm.strip.invariant.group", first);
    return element_address(k, type, first, lane_numbers(k, k->m->i64, stride, lane));
  }
  return lane ? element_address(k, type, first, const_i64(k->m, lane)) : first;
}

static LLVMValueRef load_copy(KernelEmitter *k, LLVMValueRef address, bool contiguous, Dtype dtype,
                              int copy) {
  LLVMTypeRef type = vector_type(k, memory_type(k->m, dtype));
  LLVMValueRef raw = contiguous ? load_vector(k, type, address, dtype, copy)
                                : gather(k, type, address, dtype, copy);
  return value_from_memory(&k->maker, dtype, raw);
}

Lanes load_place(KernelEmitter *k, LLVMValueRef base, Dtype dtype, const Expr *index) {
  LLVMTypeRef type = memory_type(k->m, dtype);
  int64_t stride = lane_stride(k, index);
  if (stride == 0) {
    LLVMValueRef address = element_address(k, type, base, eval_uniform(k, index));
    LLVMValueRef load = LLVMBuildLoad2(k->b, type, address, "");
    LLVMSetAlignment(load, element_bytes(dtype));
    return (Lanes){.v = {value_from_memory(&k->maker, dtype, load)}};
  }
  Lanes result = {.varying = true};
  for (int c = 0; c < k->vector->copies; c++)
    result.v[c] = load_copy(k, copy_address(k, type, base, index, c), stride == 1, dtype, c);
  return result;
}

static bool is_real_op(const Expr *e, Opcode code) {
  return e->kind == EXPRESSION_OP && e->opcode == code &&
         (e->dtype == DT_F32 || e->dtype == DT_F64);
}

/// Copy `copy` of a value, as a vector if `vector`.
static LLVMValueRef copy_of(KernelEmitter *k, const Expr *e, int copy, bool vector) {
  const Lanes *value = eval(k, e);
  REQUIRE(vector || !value->varying, "lanes of kernel '%s' accumulate into one place",
          k->kernel->name);
  return vector ? lanes_of(k, value, copy) : value->v[0];
}

/// sum + e where e is a product: fused.
static LLVMValueRef add_product(KernelEmitter *k, const Expr *e, LLVMValueRef sum, int copy,
                                bool vector) {
  return multiply_add(&k->maker, copy_of(k, e->arguments[0], copy, vector),
                      copy_of(k, e->arguments[1], copy, vector), sum);
}

/// A sum of products that is about to be accumulated: the order of the sum is kept, its products
/// are fused.
static LLVMValueRef sum_of_products(KernelEmitter *k, const Expr *e, int copy, bool vector,
                                    int depth) {
  if (!is_real_op(e, OP_ADD) || depth == 0) return copy_of(k, e, copy, vector);
  const Expr *x = e->arguments[0], *y = e->arguments[1];
  if (is_real_op(y, OP_MUL))
    return add_product(k, y, sum_of_products(k, x, copy, vector, depth - 1), copy, vector);
  LLVMValueRef right = sum_of_products(k, y, copy, vector, depth - 1);
  if (is_real_op(x, OP_MUL)) return add_product(k, x, right, copy, vector);
  return LLVMBuildFAdd(k->b, sum_of_products(k, x, copy, vector, depth - 1), right, "");
}

LLVMValueRef combine_copy(KernelEmitter *k, LLVMValueRef old, Opcode op, Dtype dtype,
                          const Expr *value, int copy) {
  enum { DEEPEST = 8 };
  bool vector = LLVMGetTypeKind(LLVMTypeOf(old)) == LLVMVectorTypeKind;
  if (op == OP_ADD && is_real_op(value, OP_MUL)) return add_product(k, value, old, copy, vector);
  LLVMValueRef added = op == OP_ADD ? sum_of_products(k, value, copy, vector, DEEPEST)
                                    : copy_of(k, value, copy, vector);
  return elementwise_combine(&k->maker, op, dtype, old, added);
}

static void store_uniform(KernelEmitter *k, LLVMValueRef base, Dtype dtype, const Expr *index,
                          const Expr *value, bool accumulate) {
  LLVMTypeRef type = memory_type(k->m, dtype);
  REQUIRE(!accumulate || !k->vector, "lanes of kernel '%s' add to one place", k->kernel->name);
  LLVMValueRef stored =
      accumulate ? combine_copy(k, load_place(k, base, dtype, index).v[0], OP_ADD, dtype, value, 0)
                 : eval_uniform(k, value);
  LLVMValueRef address = element_address(k, type, base, eval_uniform(k, index));
  LLVMValueRef store = LLVMBuildStore(k->b, value_to_memory(&k->maker, dtype, stored), address);
  LLVMSetAlignment(store, element_bytes(dtype));
}

void store_place(KernelEmitter *k, LLVMValueRef base, Dtype dtype, const Expr *index,
                 const Expr *value, bool accumulate) {
  int64_t stride = lane_stride(k, index);
  if (stride == 0) {
    store_uniform(k, base, dtype, index, value, accumulate);
    return;
  }
  LLVMTypeRef type = memory_type(k->m, dtype);
  const Lanes *plain = accumulate ? NULL : eval(k, value);
  LLVMValueRef addresses[MAX_COPIES], stored[MAX_COPIES];
  for (int c = 0; c < k->vector->copies; c++) {
    addresses[c] = copy_address(k, type, base, index, c);
    stored[c] = plain ? lanes_of(k, plain, c)
                      : combine_copy(k, load_copy(k, addresses[c], stride == 1, dtype, c), OP_ADD,
                                     dtype, value, c);
  }
  for (int c = 0; c < k->vector->copies; c++) {
    LLVMValueRef bits = value_to_memory(&k->maker, dtype, stored[c]);
    if (stride == 1)
      store_vector(k, bits, addresses[c], dtype, c);
    else
      scatter(k, bits, addresses[c], dtype, c);
  }
}

// ---------------------------------------------------------------- local arrays

/// Is there one array per lane of the open vector loop?
static bool is_lane_array(const KernelEmitter *k, const Local *local) {
  return k->vector && local->lanes && local->lanes == k->vector->stmt->axis;
}

static LLVMValueRef local_slot(KernelEmitter *k, const Local *local, int copy) {
  LLVMValueRef slot = k->locals[local->id][copy];
  REQUIRE(slot, "local array %d of kernel '%s' is used outside its loop", local->id,
          k->kernel->name);
  return slot;
}

/// Address of entry `index` of a lane array (a vector), or of each lane's own entry.
static LLVMValueRef lane_array_address(KernelEmitter *k, const Local *local, const Expr *index,
                                       int copy) {
  LLVMTypeRef type = memory_type(k->m, local->dtype);
  LLVMValueRef slot = local_slot(k, local, copy);
  if (lane_stride(k, index) == 0)
    return element_address(k, vector_type(k, type), slot, eval_uniform(k, index));
  LLVMValueRef entry = lanes_of(k, eval(k, index), copy);
  LLVMValueRef width = splat_int(LLVMTypeOf(entry), k->vector->width);
  LLVMValueRef offset = LLVMBuildAdd(k->b, LLVMBuildMul(k->b, entry, width, ""),
                                     lane_numbers(k, k->m->i64, 1, 0), "");
  return element_address(k, type, slot, offset);
}

static LLVMValueRef load_lane_entry(KernelEmitter *k, const Local *local, const Expr *index,
                                    LLVMValueRef address, int copy) {
  LLVMTypeRef type = vector_type(k, memory_type(k->m, local->dtype));
  LLVMValueRef raw = lane_stride(k, index) == 0 ? LLVMBuildLoad2(k->b, type, address, "")
                                                : gather(k, type, address, local->dtype, copy);
  return value_from_memory(&k->maker, local->dtype, raw);
}

Lanes load_local(KernelEmitter *k, const Local *local, const Expr *index) {
  if (!is_lane_array(k, local)) return load_place(k, local_slot(k, local, 0), local->dtype, index);
  Lanes result = {.varying = true};
  for (int c = 0; c < k->vector->copies; c++)
    result.v[c] = load_lane_entry(k, local, index, lane_array_address(k, local, index, c), c);
  return result;
}

static void store_lane_array(KernelEmitter *k, const Stmt *s) {
  const Local *local = s->local;
  bool uniform = lane_stride(k, s->index) == 0;
  for (int c = 0; c < k->vector->copies; c++) {
    LLVMValueRef address = lane_array_address(k, local, s->index, c);
    LLVMValueRef stored = s->accumulate
                              ? combine_copy(k, load_lane_entry(k, local, s->index, address, c),
                                             OP_ADD, local->dtype, s->value, c)
                              : lanes_of(k, eval(k, s->value), c);
    LLVMValueRef bits = value_to_memory(&k->maker, local->dtype, stored);
    if (!uniform) {
      scatter(k, bits, address, local->dtype, c);
      continue;
    }
    if (k->vector->conditional) { // lanes beyond the end have memory of their own and need no mask
      LLVMValueRef kept = LLVMBuildLoad2(k->b, LLVMTypeOf(bits), address, "");
      bits = LLVMBuildSelect(k->b, k->vector->mask[c], bits, kept, "");
    }
    LLVMBuildStore(k->b, bits, address);
  }
}

/// Adds to one entry from all lanes: into the loop's partial results.
static void add_to_partial(KernelEmitter *k, const Accumulator *a, const Stmt *s) {
  LLVMTypeRef vector = vector_type(k, value_type(k->m, a->dtype));
  LLVMValueRef index = eval_uniform(k, s->index);
  for (int c = 0; c < k->vector->copies; c++) {
    LLVMValueRef slot = a->slot[k->vector->rest ? 0 : c], mask = k->vector->mask[c];
    LLVMValueRef address = element_address(k, vector, slot, index);
    LLVMValueRef old = LLVMBuildLoad2(k->b, vector, address, "");
    LLVMValueRef sum = combine_copy(k, old, OP_ADD, a->dtype, s->value, c);
    if (mask) sum = LLVMBuildSelect(k->b, mask, sum, old, "");
    LLVMBuildStore(k->b, sum, address);
  }
}

void store_local(KernelEmitter *k, const Stmt *s) {
  const Accumulator *a = s->accumulate && k->vector ? find_accumulator(k, NULL, s->local) : NULL;
  if (is_lane_array(k, s->local))
    store_lane_array(k, s);
  else if (a)
    add_to_partial(k, a, s);
  else
    store_place(k, local_slot(k, s->local, 0), s->local->dtype, s->index, s->value, s->accumulate);
}
