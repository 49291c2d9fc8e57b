// Builtins on windows of tensors: conv, window, pad, and topk.
//
// A convolution is the op `conv` on a padded operand; windows are a view, so that pooling is a
// reduction of it and needs no op of its own; padding is the transpose of a view.
#include "evaluate/builtins.h"

/// Numbers given for each of the last axes: one for all of them, or a tuple.
typedef struct PerAxis {
  int count; // axes
  const Dim *values[MAX_WINDOWS];
} PerAxis;

static bool too_small(Evaluator *e, const char *what, int least, const Dim *value, Span span) {
  int64_t number;
  if (dim_is_const(value, &number) && number < least) {
    mistake(e, E0309, span, "%s is at least %d, this is %lld", what, least, (long long)number);
    return true;
  }
  if (!e->checking && !dim_is_const(value, NULL)) {
    const Dim *excess = dim_sub(e->module->dims, value, dim_const(e->module->dims, least));
    dim_require_nonnegative(e->module->dims, excess, span);
  }
  return false;
}

// `count` axes are known (then one number stands for each), or 0: as many as there are numbers.
static bool per_axis(Evaluator *e, Staged *given, Span span, const char *what, int least, int count,
                     PerAxis *out) {
  bool tuple = given->kind == STAGED_TREE && given->tree.layout->kind == LAYOUT_TUPLE;
  int numbers = tuple ? given->tree.layout->count : 1;
  out->count = count ? count : numbers;
  if (out->count > MAX_WINDOWS || (tuple && numbers != out->count)) {
    mistake(e, E0304, span, "%s takes one number or one for each of %d axes, %d given", what,
            count ? count : MAX_WINDOWS, numbers);
    return false;
  }
  for (int i = 0; i < out->count; i++) {
    Staged *number = tuple ? given->tree.children[i] : given;
    if (!static_dim(e, number, &out->values[i], span, what) ||
        too_small(e, what, least, out->values[i], span))
      return false;
  }
  return true;
}

// Argument `position`, else the named one, else `otherwise`.
static bool per_axis_option(const Call *call, int position, const char *name, int least,
                            int64_t otherwise, int count, PerAxis *out) {
  Evaluator *e = call->evaluator;
  const NamedArgument *named = call_named(call, name);
  const char *what = arena_printf(e->arena, "`%s`", name);
  if (named) return per_axis(e, named->value, named->span, what, least, count, out);
  if (call->positional_count > position)
    return per_axis(e, argument(call, position), argument_span(call, position), what, least, count,
                    out);
  *out = (PerAxis){.count = count};
  for (int i = 0; i < count; i++) out->values[i] = dim_const(e->module->dims, otherwise);
  return true;
}

// Strides and dilations are part of an index map, so they must be numbers. Where a function is
// checked by itself its integers stand for any number: each call will say which.
static bool constants(Evaluator *e, const PerAxis *given, const char *what, Span span,
                      int64_t *numbers) {
  for (int i = 0; i < given->count; i++)
    if (!dim_is_const(given->values[i], &numbers[i]) || numbers[i] > INT32_MAX) {
      if (!e->checking)
        mistake(e, E0309, span, "%s must be a number that is known now, this is %s", what,
                dim_phrase(e, given->values[i]));
      return false;
    }
  return true;
}

// x with `low` and `high` zeros around its last axes.
static Value *padded(Evaluator *e, Value *x, const PerAxis *low, const PerAxis *high) {
  DimTable *dims = e->module->dims;
  const Dim *zero = dim_const(dims, 0), *shape[MAX_RANK];
  int rank = x->type->rank, first = rank - low->count;
  int64_t *matrix = ARENA_ARRAY(e->arena, int64_t, (size_t)(rank * rank) + 1);
  const Dim **offset = ARENA_ARRAY(e->arena, const Dim *, (size_t)rank + 1);
  bool any = false;
  for (int i = 0; i < rank; i++) {
    const Dim *before = i < first ? zero : low->values[i - first];
    const Dim *behind = i < first ? zero : high->values[i - first];
    matrix[i * rank + i] = 1;
    offset[i] = before;
    shape[i] = dim_add(dims, x->type->shape[i], dim_add(dims, before, behind));
    any = any || before != zero || behind != zero;
  }
  if (!any) return x;
  IndexMap map = {rank, rank, matrix, offset};
  return ir_unview(&e->builder, x, type_get(e->module, x->type->dtype, rank, shape), map);
}

Staged *builtin_pad(const Call *call, const BuiltinRow *row) {
  Evaluator *e = call->evaluator;
  PerAxis low, high;
  Value *x = tensor_argument(call, row, 0);
  if (!x || !per_axis_option(call, 1, "lo", 0, 0, 0, &low) ||
      !per_axis_option(call, 2, "hi", 0, 0, low.count, &high))
    return staged_poison;
  if (x->type->rank < low.count || x->type->dtype == DT_BOOL)
    return wrong_argument(call, row, 0, "a tensor of numbers with these axes");
  return staged_tensor(e, padded(e, x, &low, &high));
}

// The number of windows along an axis; NULL after a report.
static const Dim *window_places(const Call *call, const Dim *extent, const Dim *size,
                                int64_t stride, int64_t dilation) {
  Evaluator *e = call->evaluator;
  DimTable *dims = e->module->dims;
  const Dim *one = dim_const(dims, 1);
  const Dim *room = dim_scale(dims, dim_sub(dims, size, one), dilation);
  int64_t number;
  room = dim_sub(dims, dim_sub(dims, extent, one), room);
  if (dim_is_const(room, &number) && number < 0) {
    Diagnostic *d =
        mistake(e, E0301, call->span, "a window of %s entries does not fit an axis of %s",
                dim_phrase(e, size), dim_phrase(e, extent));
    if (dilation > 1) diagnostic_note(d, "its entries are %lld apart", (long long)dilation);
    return NULL;
  }
  if (!e->checking && !dim_is_const(room, NULL)) dim_require_nonnegative(dims, room, call->span);
  return dim_add(dims, dim_floordiv(dims, room, stride), one);
}

// window(x, size, stride): [.., n] becomes [.., places, size] for one axis, [.., p, q, h, w] for
// two.
Staged *builtin_window(const Call *call, const BuiltinRow *row) {
  Evaluator *e = call->evaluator;
  PerAxis sizes, strides;
  int64_t steps[MAX_WINDOWS];
  Value *x = tensor_argument(call, row, 0);
  if (!x ||
      !per_axis(e, argument(call, 1), argument_span(call, 1), "the size of a window", 1, 0,
                &sizes) ||
      !per_axis_option(call, 2, "stride", 1, 1, sizes.count, &strides) ||
      !constants(e, &strides, "a stride", call->span, steps))
    return staged_poison;
  int count = sizes.count, rank = x->type->rank, first = rank - count, result = rank + count;
  if (first < 0 || result > MAX_RANK)
    return wrong_argument(call, row, 0, "a tensor with these axes");
  int64_t *matrix = ARENA_ARRAY(e->arena, int64_t, (size_t)(rank * result) + 1);
  const Dim **offset = ARENA_ARRAY(e->arena, const Dim *, (size_t)rank + 1), *shape[MAX_RANK];
  for (int i = 0; i < rank; i++) {
    offset[i] = dim_const(e->module->dims, 0);
    shape[i] = x->type->shape[i];
    matrix[i * result + i] = 1;
    if (i < first) continue;
    const Dim *size = sizes.values[i - first];
    shape[i] = window_places(call, x->type->shape[i], size, steps[i - first], 1);
    if (!shape[i]) return staged_poison;
    shape[i + count] = size;
    matrix[i * result + i] = steps[i - first];
    matrix[i * result + i + count] = 1;
  }
  IndexMap map = {rank, result, matrix, offset};
  return staged_tensor(
      e, ir_view(&e->builder, x, type_get(e->module, x->type->dtype, result, shape), map));
}

// --- convolution ---------------------------------------------------------------------------------

typedef struct Convolution {
  const Call *call;
  Value *x, *filter;
  int windows;
  bool images; // x has a leading axis of images
  const Dim *groups;
  PerAxis pad;
  int64_t strides[MAX_WINDOWS], dilations[MAX_WINDOWS];
} Convolution;

static bool conv_options(Convolution *c) {
  const Call *call = c->call;
  Evaluator *e = call->evaluator;
  PerAxis strides, dilations, groups;
  c->groups = dim_const(e->module->dims, 1);
  if (!per_axis_option(call, 2, "stride", 1, 1, c->windows, &strides) ||
      !per_axis_option(call, 3, "pad", 0, 0, c->windows, &c->pad) ||
      !per_axis_option(call, 4, "dilation", 1, 1, c->windows, &dilations) ||
      !per_axis_option(call, 5, "groups", 1, 1, 1, &groups))
    return false;
  c->groups = groups.values[0];
  return constants(e, &strides, "a stride", call->span, c->strides) &&
         constants(e, &dilations, "a dilation", call->span, c->dilations);
}

static bool conv_shapes(const Convolution *c, const BuiltinRow *row) {
  const Call *call = c->call;
  Evaluator *e = call->evaluator;
  const Type *x = c->x->type, *f = c->filter->type;
  int rest = x->rank - c->windows - 1;
  if (c->windows < 1 || c->windows > MAX_WINDOWS || rest < 0 || rest > 1 || x->dtype == DT_BOOL) {
    Diagnostic *d = mistake(e, E0301, call->span, "these shapes do not fit `%s`", row_name(row));
    diagnostic_label(d, argument_span(call, 0), "%s", type_phrase(e, x));
    diagnostic_label(d, argument_span(call, 1), "%s", type_phrase(e, f));
    diagnostic_note(d,
                    "an image x[channels, h, w] goes with a filter f[outputs, channels, kh, kw]");
    return false;
  }
  return true;
}

static bool conv_channels(const Convolution *c) {
  const Call *call = c->call;
  Evaluator *e = call->evaluator;
  const Type *x = c->x->type, *f = c->filter->type;
  const Dim *inputs = x->shape[c->images], *each = dim_mul(e->module->dims, c->groups, f->shape[1]);
  const Dim *part = dim_divide(e->module->dims, f->shape[0], c->groups, call->span);
  if (inputs == each && part) return true;
  Diagnostic *d =
      mistake(e, E0301, call->span, "the channels of the image and the filter do not fit");
  diagnostic_label(d, argument_span(call, 0), "%s: %s channels", type_phrase(e, x),
                   dim_phrase(e, inputs));
  diagnostic_label(d, argument_span(call, 1), "%s: %s group%s of %s channels", type_phrase(e, f),
                   dim_phrase(e, c->groups), c->groups == dim_const(e->module->dims, 1) ? "" : "s",
                   dim_phrase(e, f->shape[1]));
  if (!part)
    diagnostic_note(d, "%s outputs cannot be split into %s groups", dim_phrase(e, f->shape[0]),
                    dim_phrase(e, c->groups));
  return false;
}

// Splits axis `axis` into (groups, rest).
static Value *split_groups(const Convolution *c, Value *x, int axis, const Dim *rest) {
  Evaluator *e = c->call->evaluator;
  const Dim *shape[MAX_RANK + 1];
  int rank = x->type->rank;
  for (int i = 0; i < rank; i++) shape[i + (i > axis)] = x->type->shape[i];
  shape[axis] = c->groups;
  shape[axis + 1] = rest;
  return ir_reshape(&e->builder, x, type_get(e->module, x->type->dtype, rank + 1, shape));
}

// Groups become a batch axis: [images,] groups, outputs of a group, places.
static Value *grouped(const Convolution *c, Value *x, Attr *attr) {
  Evaluator *e = c->call->evaluator;
  DimTable *dims = e->module->dims;
  const Type *f = c->filter->type;
  const Dim *outputs = dim_divide(dims, f->shape[0], c->groups, c->call->span);
  x = split_groups(c, x, c->images, f->shape[1]);
  Value *filter = split_groups(c, c->filter, 0, outputs);
  attr->dot.batch_count = 1;
  attr->dot.left_batch[0] = c->images;
  attr->dot.left_contract[0]++;
  attr->dot.right_contract[0]++;
  for (int i = 0; i < c->windows; i++) attr->dot.left_window[i]++, attr->dot.right_window[i]++;
  Value *r = ir_conv(&e->builder, x, filter, attr);
  int permutation[MAX_RANK], rank = r->type->rank;
  for (int i = 0; i < rank; i++) permutation[i] = i;
  if (c->images) permutation[0] = 1, permutation[1] = 0;
  r = ir_transpose(&e->builder, r, permutation);
  const Dim *shape[MAX_RANK];
  for (int i = 0; i < rank - 1; i++) shape[i] = r->type->shape[i + (i > c->images)];
  shape[c->images] = f->shape[0];
  return ir_reshape(&e->builder, r, type_get(e->module, r->type->dtype, rank - 1, shape));
}

Staged *builtin_conv(const Call *call, const BuiltinRow *row) {
  Evaluator *e = call->evaluator;
  Dtype dtype;
  Convolution c = {
      .call = call, .x = tensor_argument(call, row, 0), .filter = tensor_argument(call, row, 1)};
  if (!c.x || !c.filter ||
      !meet_dtype(e, argument(call, 0), argument(call, 1), row_name(row), call_places(call),
                  &dtype))
    return staged_poison;
  c.windows = c.filter->type->rank - 2;
  c.images = c.x->type->rank == c.filter->type->rank;
  if (!conv_shapes(&c, row) || !conv_options(&c) || !conv_channels(&c)) return staged_poison;
  Value *x = padded(e, c.x, &c.pad, &c.pad);
  Attr attr = {.dot = {.contract_count = 1, .window_count = c.windows}};
  attr.dot.left_contract[0] = c.images;
  attr.dot.right_contract[0] = 1;
  for (int i = 0; i < c.windows; i++) {
    attr.dot.left_window[i] = (int8_t)(1 + c.images + i);
    attr.dot.right_window[i] = (int8_t)(2 + i);
    attr.dot.stride[i] = c.strides[i];
    attr.dot.dilation[i] = c.dilations[i];
    if (!window_places(call, x->type->shape[1 + c.images + i], c.filter->type->shape[2 + i],
                       c.strides[i], c.dilations[i]))
      return staged_poison;
  }
  bool one_group = c.groups == dim_const(e->module->dims, 1);
  return staged_tensor(e, one_group ? ir_conv(&e->builder, x, c.filter, &attr)
                                    : grouped(&c, x, &attr));
}

// --- the largest ---------------------------------------------------------------------------------

Staged *builtin_topk(const Call *call, const BuiltinRow *row) {
  Evaluator *e = call->evaluator;
  DimTable *dims = e->module->dims;
  const Dim *count;
  int64_t excess;
  Value *x = tensor_argument(call, row, 0);
  if (!x || !static_dim(e, argument(call, 1), &count, argument_span(call, 1), "`k` of `topk`") ||
      too_small(e, "`k` of `topk`", 0, count, argument_span(call, 1)))
    return staged_poison;
  if (!x->type->rank || x->type->dtype == DT_BOOL)
    return wrong_argument(call, row, 0, "a tensor of numbers with at least one axis");
  int axis = x->type->rank - 1;
  const Dim *room = dim_sub(dims, x->type->shape[axis], count);
  if (dim_is_const(room, &excess) && excess < 0) {
    mistake(e, E0305, argument_span(call, 1), "the %s largest of %s entries", dim_phrase(e, count),
            dim_phrase(e, x->type->shape[axis]));
    return staged_poison;
  }
  if (!e->checking && !dim_is_const(room, NULL)) dim_require_nonnegative(dims, room, call->span);
  Value *places = ir_argsort(&e->builder, x, axis, true);
  return staged_tensor(e, ir_slice(&e->builder, places, axis, dim_const(dims, 0), count, 1));
}
