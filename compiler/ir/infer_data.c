// Type inference of reductions, contractions, data-dependent ops and control, see infer.c.
#include "ir/infer.h"

static const char *text_of(const Inference *in, const Type *type) {
  return type_text(in->module, type);
}

// --- reductions ------------------------------------------------------------------------

const char *infer_REDUCE_SUM(const Inference *in) {
  const Type *x = in->operands[0]->type;
  uint32_t axes = in->attr->reduce.axes;
  if (axes >> x->rank) return infer_fail(in, "axes 0x%x of %s", axes, text_of(in, x));
  const Dim *shape[MAX_RANK];
  int rank = 0;
  for (int i = 0; i < x->rank; i++)
    if (!(axes >> i & 1)) shape[rank++] = x->shape[i];
  return infer_one(in, type_get(in->module, x->dtype, rank, shape));
}

static const char *check_scan_axis(const Inference *in) {
  const Type *x = in->operands[0]->type;
  int axis = in->attr->scan.axis;
  return axis >= 0 && axis < x->rank ? NULL : infer_fail(in, "axis %d of %s", axis, text_of(in, x));
}

const char *infer_ARGMAX(const Inference *in) {
  const Type *x = in->operands[0]->type;
  const char *message = check_scan_axis(in);
  if (message) return message;
  const Dim *shape[MAX_RANK];
  int rank = 0;
  for (int i = 0; i < x->rank; i++)
    if (i != in->attr->scan.axis) shape[rank++] = x->shape[i];
  return infer_one(in, type_get(in->module, DT_I64, rank, shape));
}

const char *infer_CUMSUM(const Inference *in) {
  const char *message = check_scan_axis(in);
  return message ? message : infer_one(in, in->operands[0]->type);
}

const char *infer_ARGSORT(const Inference *in) {
  const char *message = check_scan_axis(in);
  return message ? message
                 : infer_one(in, type_with_dtype(in->module, in->operands[0]->type, DT_I64));
}

// --- contractions ----------------------------------------------------------------------

// Marks the axes of one operand; NULL unless an axis is out of range or named twice.
static const char *mark_axes(const Inference *in, const Type *type, const int8_t *axes, int count,
                             uint32_t *mask) {
  for (int i = 0; i < count; i++) {
    if (axes[i] < 0 || axes[i] >= type->rank)
      return infer_fail(in, "axis %d of %s", axes[i], text_of(in, type));
    if (*mask >> axes[i] & 1)
      return infer_fail(in, "axis %d of %s is named twice", axes[i], text_of(in, type));
    *mask |= 1u << axes[i];
  }
  return NULL;
}

// Extent of a window axis of the result: the last window ends within the left operand.
static const char *window_extent(const Inference *in, int i, const Dim **extent) {
  const Attr *attr = in->attr;
  DimTable *dims = in->module->dims;
  const Dim *whole = in->operands[0]->type->shape[attr->dot.left_window[i]];
  const Dim *window = in->operands[1]->type->shape[attr->dot.right_window[i]];
  int64_t stride = attr->dot.stride[i], dilation = attr->dot.dilation[i], room;
  if (stride < 1 || dilation < 1)
    return infer_fail(in, "stride %lld and dilation %lld", (long long)stride, (long long)dilation);
  const Dim *one = dim_const(dims, 1);
  const Dim *last = dim_sub(dims, whole, one); // least place of the last window
  last = dim_sub(dims, last, dim_scale(dims, dim_sub(dims, window, one), dilation));
  *extent = dim_add(dims, dim_floordiv(dims, last, stride), one);
  if (dim_is_invalid(*extent) || (dim_is_const(*extent, &room) && room < 0))
    return infer_fail(in, "a window of %s does not fit %s", text_of(in, in->operands[1]->type),
                      text_of(in, in->operands[0]->type));
  return NULL;
}

const char *infer_CONV(const Inference *in) {
  const Type *x = in->operands[0]->type, *y = in->operands[1]->type;
  const Attr *attr = in->attr;
  int batch = attr->dot.batch_count, contract = attr->dot.contract_count;
  int windows = attr->dot.window_count;
  uint32_t left = 0, right = 0;
  const char *message;
  if (x->dtype != y->dtype)
    return infer_fail(in, "operands are %s and %s", text_of(in, x), text_of(in, y));
  if (batch < 0 || batch > MAX_RANK || contract < 0 || contract > MAX_RANK || windows < 0 ||
      windows > MAX_WINDOWS)
    return infer_fail(in, "%d batch, %d contracted and %d window axes", batch, contract, windows);
  if ((message = mark_axes(in, x, attr->dot.left_batch, batch, &left)) ||
      (message = mark_axes(in, x, attr->dot.left_contract, contract, &left)) ||
      (message = mark_axes(in, x, attr->dot.left_window, windows, &left)) ||
      (message = mark_axes(in, y, attr->dot.right_batch, batch, &right)) ||
      (message = mark_axes(in, y, attr->dot.right_contract, contract, &right)) ||
      (message = mark_axes(in, y, attr->dot.right_window, windows, &right)))
    return message;
  const Dim *shape[2 * MAX_RANK + MAX_WINDOWS];
  int rank = 0;
  for (int i = 0; i < contract; i++)
    if (x->shape[attr->dot.left_contract[i]] != y->shape[attr->dot.right_contract[i]])
      return infer_fail(in, "contracted axes of %s and %s differ", text_of(in, x), text_of(in, y));
  for (int i = 0; i < batch; i++) {
    shape[rank++] = x->shape[attr->dot.left_batch[i]];
    if (shape[rank - 1] != y->shape[attr->dot.right_batch[i]])
      return infer_fail(in, "batch axes of %s and %s differ", text_of(in, x), text_of(in, y));
  }
  for (int i = 0; i < x->rank; i++)
    if (!(left >> i & 1)) shape[rank++] = x->shape[i];
  for (int i = 0; i < y->rank; i++)
    if (!(right >> i & 1)) shape[rank++] = y->shape[i];
  for (int i = 0; i < windows; i++)
    if ((message = window_extent(in, i, &shape[rank++]))) return message;
  if (rank > MAX_RANK) return infer_fail(in, "the result would have rank %d", rank);
  return infer_one(in, type_get(in->module, x->dtype, rank, shape));
}

// A dot is a conv without windows.
const char *infer_DOT(const Inference *in) {
  if (in->attr->dot.window_count) return infer_fail(in, "windows in a product");
  return infer_CONV(in);
}

static const char *check_square(const Inference *in) {
  const Type *a = in->operands[0]->type;
  if (a->rank < 2 || a->shape[a->rank - 1] != a->shape[a->rank - 2])
    return infer_fail(in, "%s is not square", text_of(in, a));
  return NULL;
}

const char *infer_CHOLESKY(const Inference *in) {
  const char *message = check_square(in);
  return message ? message : infer_one(in, in->operands[0]->type);
}

const char *infer_TRISOLVE(const Inference *in) {
  const Type *a = in->operands[0]->type, *b = in->operands[1]->type;
  const char *message = check_square(in);
  if (message) return message;
  bool fits = a->dtype == b->dtype && a->rank == b->rank;
  for (int i = 0; fits && i < a->rank - 1; i++) fits = a->shape[i] == b->shape[i];
  if (!fits) return infer_fail(in, "%s does not fit %s", text_of(in, b), text_of(in, a));
  return infer_one(in, b);
}

// --- data-dependent places -------------------------------------------------------------

// Checks the axes and indices of gather and scatter_add; the shape index ++ remaining axes of
// `table`.
static const char *gathered_type(const Inference *in, const Type *table, int first_index,
                                 const Type **result) {
  int count = in->attr->gather.axis_count;
  const int8_t *axes = in->attr->gather.axes;
  uint32_t mask = 0;
  if (count < 1 || count > MAX_RANK || in->operand_count != first_index + count)
    return infer_fail(in, "%d operands for %d gathered axes", in->operand_count, count);
  const char *message = mark_axes(in, table, axes, count, &mask);
  if (message) return message;
  const Type *index = in->operands[first_index]->type;
  for (int i = 0; i < count; i++) {
    if (i && axes[i] <= axes[i - 1]) return infer_fail(in, "axes are not ascending");
    const Type *type = in->operands[first_index + i]->type;
    if (!dtype_is_integer(type->dtype) || type != index)
      return infer_fail(in, "index %d is %s; indices are integers of one shape", i,
                        text_of(in, type));
  }
  const Dim *shape[2 * MAX_RANK];
  int rank = 0;
  for (int i = 0; i < index->rank; i++) shape[rank++] = index->shape[i];
  for (int i = 0; i < table->rank; i++)
    if (!(mask >> i & 1)) shape[rank++] = table->shape[i];
  if (rank > MAX_RANK) return infer_fail(in, "the result would have rank %d", rank);
  *result = type_get(in->module, table->dtype, rank, shape);
  return NULL;
}

const char *infer_GATHER(const Inference *in) {
  const Type *result;
  if (in->operand_count < 2) return infer_fail(in, "%d operands", in->operand_count);
  const char *message = gathered_type(in, in->operands[0]->type, 1, &result);
  return message ? message : infer_one(in, result);
}

const char *infer_SCATTER_ADD(const Inference *in) {
  const Type *updates;
  if (in->operand_count < 3) return infer_fail(in, "%d operands", in->operand_count);
  const Type *base = in->operands[0]->type;
  const char *message = gathered_type(in, base, 2, &updates);
  if (message) return message;
  if (in->operands[1]->type != updates)
    return infer_fail(in, "updates are %s, needed is %s", text_of(in, in->operands[1]->type),
                      text_of(in, updates));
  return infer_one(in, base);
}

static const char *check_starts(const Inference *in, int first, int rank) {
  if (in->operand_count != first + rank)
    return infer_fail(in, "%d starts for rank %d", in->operand_count - first, rank);
  for (int i = 0; i < rank; i++)
    if (in->operands[first + i]->type != type_scalar(in->module, DT_I64))
      return infer_fail(in, "start %d is %s, needed is i64", i,
                        text_of(in, in->operands[first + i]->type));
  return NULL;
}

const char *infer_DYNAMIC_SLICE(const Inference *in) {
  if (in->operand_count < 1) return infer_fail(in, "no operands");
  const Type *x = in->operands[0]->type, *type = in->attr->type;
  if (!type || type->dtype != x->dtype || type->rank != x->rank)
    return infer_fail(in, "of %s cannot be %s", text_of(in, x), type ? text_of(in, type) : "?");
  const char *message = check_starts(in, 1, x->rank);
  return message ? message : infer_one(in, type);
}

const char *infer_DYNAMIC_UPDATE(const Inference *in) {
  if (in->operand_count < 2) return infer_fail(in, "%d operands", in->operand_count);
  const Type *x = in->operands[0]->type, *u = in->operands[1]->type;
  if (u->dtype != x->dtype || u->rank != x->rank)
    return infer_fail(in, "of %s by %s", text_of(in, x), text_of(in, u));
  if (in->attr->update.accumulate && x->dtype == DT_BOOL)
    return infer_fail(in, "bool cannot be added");
  const char *message = check_starts(in, 2, x->rank);
  return message ? message : infer_one(in, x);
}

// --- control ---------------------------------------------------------------------------

static const char *expect_types(const Inference *in, const char *what, const ValueList *found,
                                const Type *const *wanted, int count) {
  if ((int)found->count != count)
    return infer_fail(in, "%s: %d values, needed are %d", what, (int)found->count, count);
  for (int i = 0; i < count; i++)
    if (found->data[i]->type != wanted[i])
      return infer_fail(in, "%s: value %d is %s, needed is %s", what, i,
                        text_of(in, found->data[i]->type), text_of(in, wanted[i]));
  return NULL;
}

// The type of one row of a stacked input, or NULL when its leading extent is not `bound`.
static const Type *row_type(Module *module, const Type *type, const Dim *bound) {
  if (type->rank < 1 || type->shape[0] != bound) return NULL;
  return type_get(module, type->dtype, type->rank - 1, type->shape + 1);
}

static const char *check_loop_parts(const Inference *in) {
  int carries = in->attr->loop.carries, stacked_in = in->attr->loop.stacked_in,
      stacked_out = in->attr->loop.stacked_out;
  const Type *i64 = type_scalar(in->module, DT_I64);
  if (carries < 0 || stacked_in < 0 || stacked_out < 0 ||
      (int64_t)in->operand_count != 1 + (int64_t)carries + stacked_in)
    return infer_fail(in, "%d operands for %d carries and %d stacked inputs", in->operand_count,
                      carries, stacked_in);
  if (in->operands[0]->type != i64)
    return infer_fail(in, "the count is %s", text_of(in, in->operands[0]->type));
  if (!in->attr->loop.bound && (stacked_in || stacked_out))
    return infer_fail(in, "stacked values without a bound");
  if (in->attr->loop.bound && dim_is_invalid(in->attr->loop.bound))
    return infer_fail(in, "the bound is too large");
  if (in->attr->loop.reverse && in->region_count == 2)
    return infer_fail(in, "a reversed loop has no condition");
  if ((int64_t)in->regions[0]->yields.count != (int64_t)carries + stacked_out)
    return infer_fail(in, "the body yields %d values for %d carries and %d stacked outputs",
                      (int)in->regions[0]->yields.count, carries, stacked_out);
  return NULL;
}

const char *infer_LOOP(const Inference *in) {
  if (in->operand_count < 1) return infer_fail(in, "no count");
  const char *message = check_loop_parts(in);
  if (message) return message;
  const Dim *bound = in->attr->loop.bound;
  const Type *i64 = type_scalar(in->module, DT_I64);
  int carries = in->attr->loop.carries, params = in->operand_count;
  const ValueList *yields = &in->regions[0]->yields;
  const Type **types = ARENA_ARRAY(in->module->arena, const Type *, (size_t)params);
  types[0] = i64;
  for (int i = 1; i < params; i++) {
    const Type *type = in->operands[i]->type;
    types[i] = i <= carries ? type : row_type(in->module, type, bound);
    if (!types[i])
      return infer_fail(in, "stacked input %s has no leading axis %s", text_of(in, type),
                        dim_text(in->module->dims, bound));
  }
  message = expect_types(in, "body parameters", &in->regions[0]->params, types, params);
  if (message) return message;
  for (int i = 0; i < carries; i++) {
    if (yields->data[i]->type != types[i + 1])
      return infer_fail(in, "carry %d enters as %s and leaves as %s", i, text_of(in, types[i + 1]),
                        text_of(in, yields->data[i]->type));
    in->types[i] = types[i + 1];
  }
  for (int i = carries; i < (int)yields->count; i++) {
    if (yields->data[i]->type->rank >= MAX_RANK)
      return infer_fail(in, "stacked output %d would have rank %d", i - carries, MAX_RANK + 1);
    in->types[i] = type_with_leading(in->module, yields->data[i]->type, bound);
  }
  in->types[yields->count] = i64;
  *in->count = (int)yields->count + 1;
  if (in->region_count == 1) return NULL;
  const Type *boolean = type_scalar(in->module, DT_BOOL);
  message = expect_types(in, "condition parameters", &in->regions[1]->params, types, carries + 1);
  return message ? message : expect_types(in, "condition", &in->regions[1]->yields, &boolean, 1);
}

static const Type **list_types(const Inference *in, const ValueList *values) {
  const Type **types = ARENA_ARRAY(in->module->arena, const Type *, values->count + 1);
  for (size_t i = 0; i < values->count; i++) types[i] = values->data[i]->type;
  return types;
}

const char *infer_IF(const Inference *in) {
  if (in->operand_count != 1 || in->operands[0]->type != type_scalar(in->module, DT_BOOL))
    return infer_fail(in, "needs one bool");
  const ValueList *yields = &in->regions[0]->yields;
  for (int i = 0; i < 2; i++)
    if (in->regions[i]->params.count) return infer_fail(in, "branches take no parameters");
  const Type **types = list_types(in, yields);
  const char *message =
      expect_types(in, "else branch", &in->regions[1]->yields, types, (int)yields->count);
  if (message) return message;
  for (size_t i = 0; i < yields->count; i++) in->types[i] = types[i];
  *in->count = (int)yields->count;
  return NULL;
}

static void push_types(const Inference *in, const Type **types, int *count, const Type *const *from,
                       int from_count, bool floats_only) {
  (void)in;
  for (int i = 0; i < from_count; i++)
    if (!floats_only || dtype_is_float(from[i]->dtype)) types[(*count)++] = from[i];
}

// Regions 1 and 2 see operands, results and the tangents (cotangents) of those that are floats.
const char *infer_CUSTOM(const Inference *in) {
  int operands = in->operand_count, results = (int)in->regions[0]->yields.count;
  const Type **types =
      ARENA_ARRAY(in->module->arena, const Type *, 2 * (size_t)(operands + results) + 1);
  const Type **outputs = list_types(in, &in->regions[0]->yields);
  const Type **inputs = ARENA_ARRAY(in->module->arena, const Type *, (size_t)operands + 1);
  for (int i = 0; i < operands; i++) inputs[i] = in->operands[i]->type;
  if (in->attr->custom.results != results)
    return infer_fail(in, "%d results, the region yields %d", in->attr->custom.results, results);
  const char *message = expect_types(in, "parameters", &in->regions[0]->params, inputs, operands);
  for (int region = 1; !message && region < in->region_count; region++) {
    const char *what = region == 1 ? "tangent region" : "transposed region";
    if (!in->regions[region]->params.count && !in->regions[region]->yields.count) continue;
    const Type **given = region == 1 ? inputs : outputs, **wanted = region == 1 ? outputs : inputs;
    int given_count = region == 1 ? operands : results, count = 0;
    int wanted_count = region == 1 ? results : operands;
    push_types(in, types, &count, inputs, operands, false);
    push_types(in, types, &count, outputs, results, false);
    push_types(in, types, &count, given, given_count, true);
    message = expect_types(in, what, &in->regions[region]->params, types, count);
    count = 0;
    push_types(in, types, &count, wanted, wanted_count, true);
    if (!message) message = expect_types(in, what, &in->regions[region]->yields, types, count);
  }
  if (message) return message;
  for (int i = 0; i < results; i++) in->types[i] = outputs[i];
  *in->count = results;
  return NULL;
}

// A condition, and in a note that counts what the counted value depends on.
const char *infer_NOTE(const Inference *in) {
  if (in->operand_count < 1) return infer_fail(in, "no operands");
  if (in->attr->note.number < 0 || (size_t)in->attr->note.number >= in->module->notes.count)
    return infer_fail(in, "no row %d in the table of notes", in->attr->note.number);
  *in->count = 0;
  return NULL;
}
