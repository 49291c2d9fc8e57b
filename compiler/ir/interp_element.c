// The interpreter's sources, elementwise ops and index maps.
#include "ir/interp.h"
#include "ir/scalar.h"

#include "common/rng.h"
#include <math.h>
#include <string.h>

// --- sources ---------------------------------------------------------------------------

bool evaluate_CONST(Interpreter *ip, const Op *op) {
  const Attr *attr = &op->attr;
  Tensor *result = interp_result(ip, op);
  if (!result) return false;
  for (int64_t i = 0; i < result->count; i++) {
    if (result->reals) {
      result->reals[i] = attr->constant.reals ? attr->constant.reals[i] : attr->constant.real;
    } else {
      result->integers[i] =
          attr->constant.integers ? attr->constant.integers[i] : attr->constant.integer;
    }
  }
  return true;
}

bool evaluate_IOTA(Interpreter *ip, const Op *op) {
  Tensor *result = interp_result(ip, op);
  if (!result) return false;
  int64_t strides[MAX_RANK];
  int axis = op->attr.iota.axis;
  shape_strides(result->rank, result->shape, strides);
  for (int64_t i = 0; i < result->count; i++) {
    int64_t index = i / strides[axis] % result->shape[axis];
    if (result->reals) {
      result->reals[i] = (double)index;
    } else {
      result->integers[i] = scalar_wrap(result->dtype, index);
    }
  }
  return true;
}

bool evaluate_DIM(Interpreter *ip, const Op *op) {
  Tensor *result = interp_result(ip, op);
  return result && interp_dim(ip, op->attr.dim.dim, &result->integers[0]);
}

// Uniform in [0, 1) with no more bits than the dtype holds, so that rounding never reaches 1.
static double uniform_of(Dtype dtype, uint64_t key, uint64_t counter) {
  if (dtype == DT_F64) return blo_rng_uniform(key, counter);
  double u = (double)blo_rng_uniform_f32(key, counter);
  double scale = dtype == DT_F16 ? 0x1p11 : dtype == DT_BF16 ? 0x1p8 : 0x1p24;
  return floor(u * scale) / scale;
}

// Operands have shapes that are leading axes of the result's; counters run over the axes that none
// of them has.
bool evaluate_RANDOM(Interpreter *ip, const Op *op) {
  Tensor *result = interp_result(ip, op);
  if (!result) return false;
  int prefix = 0;
  int64_t blocks[3] = {1, 1, 1}; // result entries per entry of the operand
  for (int k = 0; k < op->operand_count; k++) {
    const Tensor *operand = operand_value(ip, op, k);
    if (operand->rank > prefix) prefix = operand->rank;
    for (int axis = operand->rank; axis < result->rank; axis++) blocks[k] *= result->shape[axis];
  }
  int64_t run = 1;
  for (int axis = prefix; axis < result->rank; axis++) run *= result->shape[axis];
  for (int64_t i = 0; i < result->count; i++) {
    int64_t words[3] = {0};
    for (int k = 0; k < op->operand_count; k++)
      words[k] = operand_value(ip, op, k)->integers[i / blocks[k]];
    uint64_t key = (uint64_t)words[0], counter = (uint64_t)words[1] + (uint64_t)(i % run);
    switch (op->attr.random.kind) {
    case RANDOM_FOLD:
      result->integers[i] = (int64_t)blo_rng_fold(key, (uint64_t)words[1]);
      break;
    case RANDOM_UNIFORM:
      result->reals[i] = uniform_of(result->dtype, key, counter);
      break;
    case RANDOM_BITS:
      result->integers[i] = (int64_t)blo_rng_bits(key, counter);
      break;
    case RANDOM_INDEX:
      result->integers[i] = blo_rng_index(key, (int64_t)counter, words[2]);
      break;
    }
  }
  return true;
}

// --- elementwise -----------------------------------------------------------------------

bool evaluate_unary(Interpreter *ip, const Op *op) {
  const Tensor *x = operand_value(ip, op, 0);
  Tensor *result = interp_result(ip, op);
  if (!result) return false;
  if (result->reals) {
    for (int64_t i = 0; i < result->count; i++)
      result->reals[i] = scalar_unary_real(op->code, x->reals[i]);
  } else {
    for (int64_t i = 0; i < result->count; i++)
      result->integers[i] = scalar_unary_integer(op->code, x->dtype, x->integers[i]);
  }
  return true;
}

bool evaluate_binary(Interpreter *ip, const Op *op) {
  const Tensor *x = operand_value(ip, op, 0), *y = operand_value(ip, op, 1);
  Tensor *result = interp_result(ip, op);
  if (!result) return false;
  if (result->reals) {
    for (int64_t i = 0; i < result->count; i++)
      result->reals[i] = scalar_binary_real(op->code, x->reals[i], y->reals[i]);
  } else {
    for (int64_t i = 0; i < result->count; i++)
      result->integers[i] =
          scalar_binary_integer(op->code, x->dtype, x->integers[i], y->integers[i]);
  }
  return true;
}

bool evaluate_ISFINITE(Interpreter *ip, const Op *op) {
  const Tensor *x = operand_value(ip, op, 0);
  Tensor *result = interp_result(ip, op);
  if (!result) return false;
  for (int64_t i = 0; i < result->count; i++) result->integers[i] = isfinite(x->reals[i]);
  return true;
}

bool evaluate_CONVERT(Interpreter *ip, const Op *op) {
  const Tensor *x = operand_value(ip, op, 0);
  Tensor *result = interp_result(ip, op);
  if (!result) return false;
  for (int64_t i = 0; i < result->count; i++) {
    if (result->reals) {
      result->reals[i] = x->reals ? x->reals[i] : (double)x->integers[i];
    } else {
      result->integers[i] = x->reals ? scalar_truncate(result->dtype, x->reals[i])
                                     : scalar_wrap(result->dtype, x->integers[i]);
    }
  }
  return true;
}

bool evaluate_COMPARE(Interpreter *ip, const Op *op) {
  const Tensor *x = operand_value(ip, op, 0), *y = operand_value(ip, op, 1);
  Tensor *result = interp_result(ip, op);
  if (!result) return false;
  Compare compare = op->attr.compare.op;
  for (int64_t i = 0; i < result->count; i++)
    result->integers[i] = x->reals
                              ? scalar_compare_real(compare, x->reals[i], y->reals[i])
                              : scalar_compare_integer(compare, x->integers[i], y->integers[i]);
  return true;
}

bool evaluate_SELECT(Interpreter *ip, const Op *op) {
  const Tensor *condition = operand_value(ip, op, 0);
  Tensor *result = interp_result(ip, op);
  if (!result) return false;
  for (int64_t i = 0; i < result->count; i++)
    copy_entry(result, i, operand_value(ip, op, condition->integers[i] ? 1 : 2), i);
  return true;
}

// --- index maps ------------------------------------------------------------------------

// A map as one linear address: base + sum of step[k] * o[k] over the indexed tensor's entries.
typedef struct Address {
  int64_t base, step[MAX_RANK];
} Address;

// Fails when some index of the (non-empty) output leaves the indexed tensor.
static bool map_address(Interpreter *ip, const Op *op, const Tensor *indexed, const Tensor *output,
                        Address *address) {
  const IndexMap *map = &op->attr.map;
  int64_t strides[MAX_RANK];
  shape_strides(indexed->rank, indexed->shape, strides);
  *address = (Address){0};
  if (!output->count) return true;
  for (int i = 0; i < map->in_rank; i++) {
    int64_t offset;
    if (!interp_dim(ip, map->offset[i], &offset)) return false;
    __int128 low = offset, high = offset;
    for (int k = 0; k < map->out_rank; k++) {
      int64_t factor = map->matrix[i * map->out_rank + k];
      __int128 reach = (__int128)factor * (output->shape[k] - 1);
      *(factor < 0 ? &low : &high) += reach;
    }
    if (low < 0 || high >= indexed->shape[i])
      return interp_fail(ip, "axis %d of an index map leaves 0 .. %lld", i,
                         (long long)indexed->shape[i] - 1);
    // Everything is in bounds now, so steps that are taken fit; others are multiplied by index 0.
    address->base += strides[i] * offset;
    for (int k = 0; k < map->out_rank; k++)
      if (output->shape[k] > 1) address->step[k] += strides[i] * map->matrix[i * map->out_rank + k];
  }
  return true;
}

static int64_t address_at(const Address *address, int rank, const int64_t *index) {
  int64_t at = address->base;
  for (int k = 0; k < rank; k++) at += address->step[k] * index[k];
  return at;
}

bool evaluate_VIEW(Interpreter *ip, const Op *op) {
  const Tensor *x = operand_value(ip, op, 0);
  Tensor *result = interp_result(ip, op);
  Address address;
  if (!result || !map_address(ip, op, x, result, &address)) return false;
  int64_t index[MAX_RANK] = {0};
  for (int64_t i = 0; i < result->count; i++) {
    copy_entry(result, i, x, address_at(&address, result->rank, index));
    index_next(result->rank, result->shape, index);
  }
  return true;
}

bool evaluate_UNVIEW(Interpreter *ip, const Op *op) {
  const Tensor *x = operand_value(ip, op, 0);
  Tensor *result = interp_result(ip, op);
  Address address;
  if (!result || !map_address(ip, op, result, x, &address)) return false;
  int64_t index[MAX_RANK] = {0};
  for (int64_t i = 0; i < x->count; i++) {
    add_entry(result, address_at(&address, x->rank, index), x, i);
    index_next(x->rank, x->shape, index);
  }
  return true;
}

bool evaluate_RESHAPE(Interpreter *ip, const Op *op) {
  const Tensor *x = operand_value(ip, op, 0);
  Tensor *result = interp_result(ip, op);
  if (!result) return false;
  if (result->count != x->count) return interp_fail(ip, "a reshape changes the number of entries");
  copy_entries(result, 0, x, 0, x->count);
  return true;
}

bool evaluate_CONCAT(Interpreter *ip, const Op *op) {
  Tensor *result = interp_result(ip, op);
  if (!result) return false;
  int axis = op->attr.concat.axis;
  int64_t outer = 1, inner = 1, at = 0;
  for (int i = 0; i < axis; i++) outer *= result->shape[i];
  for (int i = axis + 1; i < result->rank; i++) inner *= result->shape[i];
  for (int k = 0; k < op->operand_count; k++) {
    const Tensor *x = operand_value(ip, op, k);
    int64_t run = x->shape[axis] * inner;
    for (int64_t o = 0; o < outer; o++)
      copy_entries(result, o * result->shape[axis] * inner + at, x, o * run, run);
    at += run;
  }
  return true;
}
