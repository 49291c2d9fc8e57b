// Index arithmetic: gathers that are views, and differences of run-time scalars that are dims.
//
// `for i, j { A[i + 2*k, j] }` leaves a gather whose index tensors are sums of iotas after
// batching. Where every index is affine in the result's axes and its corners are provably inside
// the table, the gather is replaced by one view, which optimisation turns products and sums over
// into contractions. A sum over windows becomes a convolution at once.
#include "evaluate/staging.h"

enum { VISIT_LIMIT = 400 };

/// index[o] = sum of slope[k] * o[k] + offset.
typedef struct Affine {
  int64_t slope[MAX_RANK];
  const Dim *offset;
} Affine;

typedef struct Analysis {
  Evaluator *e;
  DimTable *dims;
  int visits;
} Analysis;

static bool affine_of(Analysis *a, const Value *v, Affine *out);

static bool exact_integer(const Value *v, double *number) {
  return ir_is_splat(v, number) && *number >= -0x1p53 && *number <= 0x1p53;
}

static bool is_uniform(const Affine *f) {
  for (int i = 0; i < MAX_RANK; i++)
    if (f->slope[i]) return false;
  return true;
}

static bool affine_sum(Analysis *a, const Op *op, int sign, Affine *out) {
  Affine x, y;
  if (!affine_of(a, op->operands[0], &x) || !affine_of(a, op->operands[1], &y)) return false;
  for (int i = 0; i < MAX_RANK; i++)
    if (sign > 0 ? __builtin_add_overflow(x.slope[i], y.slope[i], &out->slope[i])
                 : __builtin_sub_overflow(x.slope[i], y.slope[i], &out->slope[i]))
      return false;
  out->offset =
      sign > 0 ? dim_add(a->dims, x.offset, y.offset) : dim_sub(a->dims, x.offset, y.offset);
  return !dim_is_invalid(out->offset);
}

static bool affine_product(Analysis *a, const Op *op, Affine *out) {
  Affine x, y;
  int64_t factor = 0;
  if (!affine_of(a, op->operands[0], &x) || !affine_of(a, op->operands[1], &y)) return false;
  if (!is_uniform(&y)) {
    Affine swap = x;
    x = y;
    y = swap;
  }
  if (!is_uniform(&y) || (!is_uniform(&x) && !dim_is_const(y.offset, &factor))) return false;
  for (int i = 0; i < MAX_RANK; i++)
    if (__builtin_mul_overflow(x.slope[i], factor, &out->slope[i])) return false;
  out->offset = dim_mul(a->dims, x.offset, y.offset);
  return !dim_is_invalid(out->offset);
}

static bool affine_view(Analysis *a, const Op *op, Affine *out) {
  Affine x;
  if (!affine_of(a, op->operands[0], &x)) return false;
  const IndexMap *map = &op->attr.map;
  out->offset = x.offset;
  for (int i = 0; i < map->in_rank; i++) {
    if (!x.slope[i]) continue;
    out->offset = dim_add(a->dims, out->offset, dim_scale(a->dims, map->offset[i], x.slope[i]));
    for (int k = 0; k < map->out_rank; k++) {
      int64_t part;
      if (__builtin_mul_overflow(x.slope[i], map->matrix[i * map->out_rank + k], &part) ||
          __builtin_add_overflow(out->slope[k], part, &out->slope[k]))
        return false;
    }
  }
  return !dim_is_invalid(out->offset);
}

static bool affine_of(Analysis *a, const Value *v, Affine *out) {
  *out = (Affine){.offset = dim_const(a->dims, 0)};
  double number;
  const Op *op = v->op;
  if (!op || ++a->visits > VISIT_LIMIT || v->type->dtype == DT_BOOL) return false;
  if (!dtype_is_integer(v->type->dtype)) return false;
  switch (op->code) {
  case OP_CONST:
    if (!exact_integer(v, &number)) return false;
    out->offset = dim_const(a->dims, (int64_t)number);
    return true;
  case OP_DIM:
    out->offset = op->attr.dim.dim;
    return true;
  case OP_IOTA:
    out->slope[op->attr.iota.axis] = 1;
    return true;
  case OP_ADD:
    return affine_sum(a, op, 1, out);
  case OP_SUB:
    return affine_sum(a, op, -1, out);
  case OP_MUL:
    return affine_product(a, op, out);
  case OP_VIEW:
    return affine_view(a, op, out);
  case OP_STOP:
    return affine_of(a, op->operands[0], out);
  case OP_CONVERT:
    return dtype_bytes(op->operands[0]->type->dtype) <= dtype_bytes(v->type->dtype) &&
           affine_of(a, op->operands[0], out);
  case OP_NEG:
    if (!affine_of(a, op->operands[0], out)) return false;
    for (int i = 0; i < MAX_RANK; i++)
      if (__builtin_sub_overflow((int64_t)0, out->slope[i], &out->slope[i])) return false;
    out->offset = dim_scale(a->dims, out->offset, -1);
    return true;
  default:
    return false;
  }
}

// Is every place that the index can take inside [0, extent)?
static bool in_bounds(Analysis *a, const Affine *f, const Type *index, const Dim *extent) {
  const Dim *low = f->offset, *high = f->offset, *one = dim_const(a->dims, 1);
  for (int i = 0; i < index->rank; i++) {
    const Dim *reach = dim_scale(a->dims, dim_sub(a->dims, index->shape[i], one), f->slope[i]);
    if (f->slope[i] > 0) high = dim_add(a->dims, high, reach);
    if (f->slope[i] < 0) low = dim_add(a->dims, low, reach);
  }
  const Dim *room = dim_sub(a->dims, dim_sub(a->dims, extent, one), high);
  return !dim_is_invalid(low) && !dim_is_invalid(room) && dim_provably_nonnegative(a->dims, low) &&
         dim_provably_nonnegative(a->dims, room);
}

// The map of a gather as a view; false when it is none.
static const char depends_on_data[] =
    "a gather, for an index that is no sum of the variables times whole numbers";
static const char unproved[] =
    "a gather, for it cannot be shown that the index lies inside for all sizes";

static bool gather_map(Evaluator *e, const Op *op, IndexMap *map) {
  const Type *table = op->operands[0]->type, *index = op->operands[1]->type;
  const Type *result = op->results[0]->type;
  Analysis a = {e, e->module->dims, 0};
  int64_t *matrix = ARENA_ARRAY(e->arena, int64_t, (size_t)table->rank * (size_t)result->rank + 1);
  const Dim **offset = ARENA_ARRAY(e->arena, const Dim *, (size_t)table->rank + 1);
  int gathered = 0, rest = index->rank;
  for (int i = 0; i < table->rank; i++) {
    int64_t *row = matrix + (size_t)i * (size_t)result->rank;
    if (gathered < op->attr.gather.axis_count && op->attr.gather.axes[gathered] == i) {
      Affine f;
      bool affine = affine_of(&a, op->operands[1 + gathered], &f);
      if (!affine || !in_bounds(&a, &f, index, table->shape[i])) {
        module_remark(e->module, op->span, affine ? unproved : depends_on_data);
        return false;
      }
      for (int k = 0; k < index->rank; k++) row[k] = f.slope[k];
      offset[i] = f.offset;
      gathered++;
    } else {
      row[rest++] = 1;
      offset[i] = dim_const(a.dims, 0);
    }
  }
  *map = (IndexMap){table->rank, result->rank, matrix, offset};
  return true;
}

static bool comes_after(const Op *op, const Op *place) {
  for (const Op *at = place->next; at; at = at->next)
    if (at == op) return true;
  return false;
}

// Brings the op of `value` in front of `place`; its operands are there already.
static bool move_before(Value *value, Op *place) {
  Op *op = value->op;
  if (!op || op->block != place->block || !comes_after(op, place)) return true;
  for (int i = 0; i < op->operand_count; i++)
    if (op->operands[i]->op && op->operands[i]->op->block == place->block &&
        comes_after(op->operands[i]->op, place))
      return false;
  op_move_before(op, place);
  return true;
}

// Brings the ops made behind `last`, which give `value`, in front of `place`; false where one of
// them needs something that stands between.
static bool settle(Value *value, Op *place, Op *last) {
  const Block *block = place->block;
  uint64_t end = last->order;
  if (value->op && value->op->block == block && value->op->order > place->order &&
      value->op->order <= end)
    return false;
  for (const Op *op = last->next; op; op = op->next)
    for (int i = 0; i < op->operand_count; i++) {
      const Op *operand = op->operands[i]->op;
      if (operand && operand->block == block && operand->order >= place->order &&
          operand->order <= end)
        return false;
    }
  for (Op *op = last->next, *next; op; op = next) {
    next = op->next;
    op_move_before(op, place);
  }
  return true;
}

// A sum over windows becomes a convolution here, before it is differentiated: the derivatives of a
// convolution are convolutions, those of windows are scattered sums.
static bool find_convolution(Builder *b, Op *op, Value **found) {
  if (op->code != OP_REDUCE_SUM) return false;
  const Op *product = op->operands[0]->op;
  Op *last = op->block->last;
  if (!product || product->code != OP_MUL) return false;
  *found =
      ir_sum_of_product(b, product->operands[0], product->operands[1], op->attr.reduce.axes, true);
  return *found && settle(*found, op, last);
}

void affine_gathers(Evaluator *e, Block *block, Op *before, Value **results, int count) {
  Op *next;
  for (Op *op = before ? before->next : block->first; op; op = next) {
    next = op->next;
    for (int i = 0; i < op->region_count; i++) affine_gathers(e, op->regions[i], NULL, results, 0);
    IndexMap map;
    Builder b = builder_at(block);
    b.span = op->span;
    Value *old = op->result_count ? op->results[0] : NULL, *view = NULL;
    if (op->code == OP_GATHER && gather_map(e, op, &map)) {
      view = ir_view(&b, op->operands[0], old->type, map);
      if (view == old || !move_before(view, op)) continue;
    } else if (!find_convolution(&b, op, &view)) {
      continue;
    }
    value_replace(block, old, view);
    for (int i = 0; i < count; i++)
      if (results[i] == old) results[i] = view;
    next = op->next;
    op_remove(op);
  }
}

// --- differences of scalars ----------------------------------------------------------------------

enum { TERM_LIMIT = 12 };

/// A run-time integer as a sum of opaque values times dims.
typedef struct Linear {
  const Value *values[TERM_LIMIT];
  const Dim *factors[TERM_LIMIT];
  int count;
  const Dim *rest;
} Linear;

static bool linear_add(Analysis *a, Linear *sum, const Linear *part, const Dim *factor) {
  for (int i = 0; i < part->count; i++) {
    const Dim *scaled = dim_mul(a->dims, part->factors[i], factor);
    int k = 0;
    while (k < sum->count && sum->values[k] != part->values[i]) k++;
    if (k == TERM_LIMIT) return false;
    if (k == sum->count) {
      sum->values[sum->count] = part->values[i];
      sum->factors[sum->count++] = scaled;
    } else {
      sum->factors[k] = dim_add(a->dims, sum->factors[k], scaled);
    }
  }
  sum->rest = dim_add(a->dims, sum->rest, dim_mul(a->dims, part->rest, factor));
  return !dim_is_invalid(sum->rest);
}

static bool linear_of(Analysis *a, const Value *v, Linear *out) {
  DimTable *dims = a->dims;
  *out = (Linear){.rest = dim_const(dims, 0)};
  const Op *op = v->op;
  double number;
  if (++a->visits > VISIT_LIMIT) return false;
  Linear x, y;
  if (op && op->code == OP_CONST && exact_integer(v, &number)) {
    out->rest = dim_const(dims, (int64_t)number);
    return true;
  }
  if (op && op->code == OP_DIM) {
    out->rest = op->attr.dim.dim;
    return true;
  }
  if (op && (op->code == OP_ADD || op->code == OP_SUB)) {
    const Dim *sign = dim_const(dims, op->code == OP_ADD ? 1 : -1);
    return linear_of(a, op->operands[0], &x) && linear_of(a, op->operands[1], &y) &&
           linear_add(a, out, &x, dim_const(dims, 1)) && linear_add(a, out, &y, sign);
  }
  if (op && op->code == OP_MUL) {
    if (!linear_of(a, op->operands[0], &x) || !linear_of(a, op->operands[1], &y)) return false;
    if (!y.count) return linear_add(a, out, &x, y.rest);
    if (!x.count) return linear_add(a, out, &y, x.rest);
  }
  out->values[0] = v;
  out->factors[0] = dim_const(dims, 1);
  out->count = 1;
  return true;
}

const Dim *scalar_difference(Evaluator *e, Value *a, Value *b) {
  Analysis analysis = {e, e->module->dims, 0};
  Linear x, y, sum = {.rest = dim_const(analysis.dims, 0)};
  if (!linear_of(&analysis, a, &x) || !linear_of(&analysis, b, &y)) return NULL;
  if (!linear_add(&analysis, &sum, &x, dim_const(analysis.dims, 1)) ||
      !linear_add(&analysis, &sum, &y, dim_const(analysis.dims, -1)))
    return NULL;
  for (int i = 0; i < sum.count; i++)
    if (sum.factors[i] != dim_const(analysis.dims, 0)) return NULL;
  return sum.rest;
}
