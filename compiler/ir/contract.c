// Sums of products as dot or conv, read off the index maps of the factors.
//
// Enters: the factors of a product, which may be views, and the axes to be summed. Every axis of
// the product is a label. A row of a factor's map that has one label is a plain axis, one without
// labels a fixed place, one with a kept and a summed label a window. The one idea: a view brings
// each factor to plain axes and windows, whatever offsets, strides, fixed places and diagonals it
// has; what labels the factors share then says which axes are batch, contracted and free.
#include "ir/ir_internal.h"

typedef struct Window {
  int row, place, within; // row of the map; kept and summed label
  int64_t stride, dilation;
  bool turned; // the dilation is negative in the map
} Window;

typedef struct Factor {
  Value *value; // what the map reads
  IndexMap map; // labels -> axes of value
  int window_count;
  Window windows[MAX_WINDOWS];
  uint32_t plain; // labels with a plain row
  uint32_t labels;
  int axis[MAX_RANK]; // of each plain label, after normalise()
} Factor;

typedef struct Reading {
  Builder *b;
  const Type *type; // of the product
  uint32_t summed, turned;
  Factor factor[2];
} Reading;

static int64_t entry(const Factor *f, int row, int label) {
  return f->map.matrix[row * f->map.out_rank + label];
}

// The readers return why the product is no dot and no conv; NULL where they find nothing against
// it.
static const char *read_row(const Reading *r, Factor *f, int row) {
  int count = 0, label[2] = {-1, -1};
  for (int k = 0; k < f->map.out_rank; k++) {
    if (!entry(f, row, k)) continue;
    if (count == 2) return "an index of a factor adds three variables";
    label[count++] = k;
    f->labels |= 1u << k;
  }
  if (count == 1) f->plain |= 1u << label[0];
  if (count < 2) return NULL;
  // Whole masks: GCC 12 at -O2 compiles the comparison of two shifted bits wrongly here.
  uint32_t added = 1u << label[0] | 1u << label[1], summed = added & r->summed;
  if (summed == added) return "an index of a factor adds two variables that are both summed";
  if (!summed) return "an index of a factor adds two variables of which none is summed";
  bool first_summed = summed == 1u << label[0];
  if (f->window_count == MAX_WINDOWS) return "a factor has more windows than a convolution takes";
  int place = label[first_summed], within = label[!first_summed];
  int64_t stride = entry(f, row, place), dilation = entry(f, row, within);
  if (stride < 1) return "the window runs backwards along the variable that is kept";
  if (stride > INT32_MAX || dilation < -INT32_MAX || dilation > INT32_MAX)
    return "the steps of the window are too large";
  f->windows[f->window_count++] =
      (Window){row, place, within, stride, dilation < 0 ? -dilation : dilation, dilation < 0};
  return NULL;
}

static const char *read_factor(const Reading *r, Value *v, Factor *f) {
  Module *module = r->b->module;
  const Op *op = v->op;
  *f = (Factor){.value = v};
  if (op && op->code == OP_VIEW) {
    f->value = op->operands[0];
    f->map = op->attr.map;
    // Views made of gathers may stand on one another.
    while (f->value->op && f->value->op->code == OP_VIEW) {
      const IndexMap *inner = &f->value->op->attr.map;
      IndexMap both;
      if (!map_compose(module, inner, &f->map, &both)) break;
      f->map = both;
      f->value = f->value->op->operands[0];
    }
  } else {
    int rank = v->type->rank;
    int64_t *matrix = ARENA_ARRAY(module->arena, int64_t, (size_t)(rank * rank) + 1);
    const Dim **offset = ARENA_ARRAY(module->arena, const Dim *, (size_t)rank + 1);
    for (int i = 0; i < rank; i++) {
      matrix[i * rank + i] = 1;
      offset[i] = dim_const(module->dims, 0);
    }
    f->map = (IndexMap){rank, rank, matrix, offset};
  }
  const char *obstacle = NULL;
  for (int i = 0; !obstacle && i < f->map.in_rank; i++) obstacle = read_row(r, f, i);
  return obstacle;
}

static int uses(const Factor *f, int label) {
  int count = 0;
  for (int i = 0; i < f->map.in_rank; i++) count += entry(f, i, label) != 0;
  return count;
}

// Windows only in the first factor; their labels nowhere else but, the summed one, plain in the
// second factor.
static const char *check_windows(Reading *r) {
  if (r->factor[1].window_count) {
    Factor other = r->factor[0];
    r->factor[0] = r->factor[1];
    r->factor[1] = other;
  }
  const Factor *left = &r->factor[0], *right = &r->factor[1];
  DimTable *dims = r->b->module->dims;
  if (right->window_count) return "both factors have an index that adds variables";
  for (int i = 0; i < left->window_count; i++) {
    const Window *w = &left->windows[i];
    if (uses(left, w->place) != 1 || uses(left, w->within) != 1 || uses(right, w->place))
      return "a variable of the window stands in another index, too";
    if (!(right->plain >> w->within & 1))
      return "the summed variable of the window is no index of the other factor";
    // Of no place at all the part that is read would have a negative extent.
    const Dim *last = dim_sub(dims, r->type->shape[w->place], dim_const(dims, 1));
    if (w->stride > 1 && !dim_provably_nonnegative(dims, last))
      return "it cannot be shown that the window has a place for all sizes";
    if (w->turned) r->turned |= 1u << w->within;
  }
  return NULL;
}

// Views the factor so that its axes are its plain labels and then its windows.
static void normalise(Reading *r, Factor *f) {
  Module *module = r->b->module;
  DimTable *dims = module->dims;
  const Dim *one = dim_const(dims, 1), *shape[MAX_RANK], **offset;
  int in = f->map.in_rank, rank = 0;
  for (int k = 0; k < f->map.out_rank; k++) {
    if (!(f->plain >> k & 1)) continue;
    f->axis[k] = rank;
    shape[rank++] = r->type->shape[k];
  }
  int first_window = rank;
  rank += f->window_count;
  int64_t *matrix = ARENA_ARRAY(module->arena, int64_t, (size_t)(in * rank) + 1);
  offset = ARENA_ARRAY(module->arena, const Dim *, (size_t)in + 1);
  for (int i = 0; i < in; i++) {
    offset[i] = f->map.offset[i];
    for (int k = 0; k < f->map.out_rank; k++) {
      int64_t factor = entry(f, i, k);
      if (!factor) continue;
      bool turned = r->turned >> k & 1; // runs from the last to the first
      const Dim *last = dim_sub(dims, r->type->shape[k], one);
      if (turned) offset[i] = dim_add(dims, offset[i], dim_scale(dims, last, factor));
      if (f->plain >> k & 1) matrix[i * rank + f->axis[k]] = turned ? -factor : factor;
    }
  }
  for (int i = 0; i < f->window_count; i++) {
    const Window *w = &f->windows[i];
    const Dim *places = dim_sub(dims, r->type->shape[w->place], one);
    const Dim *within = dim_sub(dims, r->type->shape[w->within], one);
    matrix[w->row * rank + first_window + i] = 1;
    shape[first_window + i] = dim_add(
        dims, one,
        dim_add(dims, dim_scale(dims, places, w->stride), dim_scale(dims, within, w->dilation)));
  }
  IndexMap map = {in, rank, matrix, offset};
  const Type *type = type_get(module, f->value->type->dtype, rank, shape);
  f->value = ir_view(r->b, f->value, type, map);
}

// Sums a factor over plain labels that only it has.
static void sum_alone(Reading *r, int k) {
  Factor *f = &r->factor[k];
  uint32_t alone = f->plain & r->summed & ~r->factor[1 - k].labels, axes = 0;
  for (int label = 0; label < r->type->rank; label++)
    if (alone >> label & 1) axes |= 1u << f->axis[label];
  if (!axes) return;
  f->value = ir_reduce(r->b, OP_REDUCE_SUM, f->value, axes);
  f->plain &= ~alone;
  for (int label = 0, axis = 0; label < r->type->rank; label++)
    if (f->plain >> label & 1) f->axis[label] = axis++;
}

// The attributes, and the label of each axis of the result.
static int contraction_layout(const Reading *r, Attr *attr, int *labels) {
  const Factor *left = &r->factor[0], *right = &r->factor[1];
  uint32_t within = 0;
  int rank = 0;
  for (int i = 0; i < left->window_count; i++) within |= 1u << left->windows[i].within;
  uint32_t both = left->plain & right->plain;
  for (int k = 0; k < r->type->rank; k++) {
    if (!(both >> k & 1)) continue;
    int at = r->summed >> k & 1 ? attr->dot.contract_count++ : attr->dot.batch_count++;
    if (r->summed >> k & 1) {
      attr->dot.left_contract[at] = (int8_t)left->axis[k];
      attr->dot.right_contract[at] = (int8_t)right->axis[k];
    } else {
      attr->dot.left_batch[at] = (int8_t)left->axis[k];
      attr->dot.right_batch[at] = (int8_t)right->axis[k];
      labels[rank++] = k;
    }
  }
  for (int f = 0; f < 2; f++)
    for (int k = 0; k < r->type->rank; k++)
      if (r->factor[f].plain >> k & 1 && !((both | within) >> k & 1)) labels[rank++] = k;
  int first_window = left->value->type->rank - left->window_count;
  attr->dot.window_count = left->window_count;
  for (int i = 0; i < left->window_count; i++) {
    const Window *w = &left->windows[i];
    attr->dot.left_window[i] = (int8_t)(first_window + i);
    attr->dot.right_window[i] = (int8_t)right->axis[w->within];
    attr->dot.stride[i] = w->stride;
    attr->dot.dilation[i] = w->dilation;
    labels[rank++] = w->place;
  }
  return rank;
}

static Value *arrange(const Reading *r, Value *product, const int *labels, int count) {
  const Dim *shape[MAX_RANK];
  int position[MAX_RANK], axes[MAX_RANK], rank = 0;
  for (int k = 0; k < r->type->rank; k++) {
    position[k] = rank;
    if (!(r->summed >> k & 1)) shape[rank++] = r->type->shape[k];
  }
  for (int i = 0; i < count; i++) axes[i] = position[labels[i]];
  return ir_broadcast(r->b, product, type_get(r->b->module, r->type->dtype, rank, shape), axes);
}

static const char *read_product(Reading *r, Value *x, Value *y) {
  const char *obstacle = read_factor(r, x, &r->factor[0]);
  if (!obstacle) obstacle = read_factor(r, y, &r->factor[1]);
  if (!obstacle) obstacle = check_windows(r);
  if (obstacle) return obstacle;
  uint32_t left = r->factor[0].labels, right = r->factor[1].labels;
  if (r->summed & ~(left | right)) return "a summed variable stands in no factor";
  if (r->factor[0].window_count) return NULL;
  if (!(left & right & r->summed)) return "no summed variable stands in both factors";
  if (!((left ^ right) & ~r->summed))
    return "no variable that is kept stands in one factor only: entries are multiplied in pairs";
  return NULL;
}

Value *ir_sum_of_product(Builder *b, Value *x, Value *y, uint32_t axes, bool windows_only) {
  Reading r = {.b = b, .type = x->type, .summed = axes};
  if (read_product(&r, x, y)) return NULL;
  bool windows = r.factor[0].window_count > 0;
  if (!windows && windows_only) return NULL;
  for (int f = 0; f < 2; f++) {
    normalise(&r, &r.factor[f]);
    sum_alone(&r, f);
  }
  Attr attr = {0};
  int labels[2 * MAX_RANK];
  int rank = contraction_layout(&r, &attr, labels);
  Value *result = windows ? ir_conv(b, r.factor[0].value, r.factor[1].value, &attr)
                          : ir_dot(b, r.factor[0].value, r.factor[1].value, &attr);
  return arrange(&r, result, labels, rank);
}

const char *ir_product_obstacle(Module *module, Value *x, Value *y, uint32_t axes) {
  Builder b = {.module = module};
  Reading r = {.b = &b, .type = x->type, .summed = axes};
  return read_product(&r, x, y);
}
