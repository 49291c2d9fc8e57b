// Indexing: static places by one view, run-time places by one gather.
//
// `x[i, a:b, :, rows]`: static integers and slices select by a view; run-time integers, a tensor of
// integers and slices that start at run time by a gather of everything else. In a comprehension a
// bare variable fixes its extent here.
#include "evaluate/staging.h"

typedef enum AxisKind {
  AXIS_WHOLE,
  AXIS_PLACE,  // static integer
  AXIS_RANGE,  // static slice
  AXIS_SCALAR, // run-time integer
  AXIS_ROWS,   // tensor of integers
  AXIS_WINDOW, // slice with a run-time start
} AxisKind;

typedef struct Axis {
  AxisKind kind;
  const Dim *start, *length; // PLACE: start; RANGE, WINDOW: length
  Value *value;              // SCALAR, ROWS; WINDOW: start
  Span span;
} Axis;

typedef struct Indexing {
  Evaluator *e;
  Value *base;
  Span span, base_span;
  Axis axes[MAX_RANK];
} Indexing;

static bool out_of_range(Indexing *x, Span span, const char *text, const Dim *extent) {
  Evaluator *e = x->e;
  Diagnostic *d = mistake(e, E0305, span, "%s", text);
  diagnostic_label(d, x->base_span, "%s", type_phrase(e, x->base->type));
  diagnostic_note(d, "the axis has %s entries; indices start at 0", dim_phrase(e, extent));
  return false;
}

// `value` must not be negative: an error where that is certain, a condition on the data where it is
// open.
static bool needs_nonnegative(Indexing *x, const Dim *value, Span span, const char *text,
                              const Dim *extent) {
  Evaluator *e = x->e;
  int64_t number;
  if (dim_is_const(value, &number) && number < 0) return out_of_range(x, span, text, extent);
  if (!e->checking && !dim_is_const(value, NULL))
    dim_require_nonnegative(e->module->dims, value, span);
  return true;
}

static bool static_place(Indexing *x, Axis *axis, const Dim *place, const Dim *extent) {
  DimTable *dims = x->e->module->dims;
  const Dim *room = dim_sub(dims, dim_sub(dims, extent, place), dim_const(dims, 1));
  axis->kind = AXIS_PLACE;
  axis->start = place;
  const char *text =
      arena_printf(x->e->arena, "the index %s is out of range", dim_phrase(x->e, place));
  return needs_nonnegative(x, place, axis->span, text, extent) &&
         needs_nonnegative(x, room, axis->span, text, extent);
}

static bool run_time_place(Indexing *x, Axis *axis, Value *value, const Dim *extent) {
  Evaluator *e = x->e;
  if (!dtype_is_integer(value->type->dtype)) {
    Diagnostic *d = mistake(e, E0305, axis->span, "an index is an integer, this is %s",
                            type_phrase(e, value->type));
    if (value->type->dtype == DT_BOOL)
      diagnostic_help(d, "truth values choose entries with `if .. then .. else ..`");
    return false;
  }
  Variable *variable = variable_find(e, value);
  if (variable && !variable_indexes(e, variable, extent, axis->span)) return false;
  axis->kind = value->type->rank ? AXIS_ROWS : AXIS_SCALAR;
  axis->value = value->type->dtype == DT_I64 ? value : ir_convert(&e->builder, value, DT_I64);
  return true;
}

static bool static_range(Indexing *x, Axis *axis, const Dim *low, const Dim *high,
                         const Dim *extent) {
  DimTable *dims = x->e->module->dims;
  axis->kind = AXIS_RANGE;
  axis->start = low;
  axis->length = dim_sub(dims, high, low);
  return needs_nonnegative(x, low, axis->span, "this slice starts before the first entry",
                           extent) &&
         needs_nonnegative(x, axis->length, axis->span, "this slice ends before it starts",
                           extent) &&
         needs_nonnegative(x, dim_sub(dims, extent, high), axis->span,
                           "this slice ends behind the last entry", extent);
}

static bool run_time_range(Indexing *x, Axis *axis, Staged *low, Staged *high) {
  Evaluator *e = x->e;
  Value *start = scalar_value(e, low, DT_I64, axis->span, "the start of a slice");
  Value *end = scalar_value(e, high, DT_I64, axis->span, "the end of a slice");
  if (!start || !end) return false;
  axis->kind = AXIS_WINDOW;
  axis->value = start;
  axis->length = scalar_difference(e, end, start);
  int64_t length;
  if (axis->length && !(dim_is_const(axis->length, &length) && length < 0)) return true;
  Diagnostic *d =
      mistake(e, E0309, axis->span, "the length of a slice must be known before the program runs");
  diagnostic_help(d, "write the end as the start plus a size: `x[a:a + k]`");
  return false;
}

static bool read_part(Indexing *x, int axis_number, const IndexPart *part) {
  Evaluator *e = x->e;
  Axis *axis = &x->axes[axis_number];
  const Dim *extent = x->base->type->shape[axis_number];
  axis->span = part->span;
  if (part->slice) {
    if (!part->low && !part->high) return true;
    Staged *low = part->low ? part->low : staged_int(e, 0);
    Staged *high = part->high ? part->high : staged_integer(e, extent);
    if (staged_is_poison(low) || staged_is_poison(high)) return false;
    if (low->kind == STAGED_INTEGER && high->kind == STAGED_INTEGER)
      return static_range(x, axis, low->integer, high->integer, extent);
    return run_time_range(x, axis, low, high);
  }
  if (staged_is_poison(part->value)) return false;
  if (part->value->kind == STAGED_INTEGER)
    return static_place(x, axis, part->value->integer, extent);
  if (part->value->kind == STAGED_TENSOR)
    return run_time_place(x, axis, part->value->tensor, extent);
  mistake(e, E0305, part->span, "an index is an integer, this is %s",
          staged_describe(e, part->value));
  return false;
}

// Static places and ranges as one view; the axes that stay move to the front of x->axes.
static Value *apply_static(Indexing *x) {
  Evaluator *e = x->e;
  const Type *type = x->base->type;
  DimTable *dims = e->module->dims;
  bool any = false;
  int rank = 0;
  const Dim *shape[MAX_RANK], *offset[MAX_RANK];
  int kept[MAX_RANK];
  for (int i = 0; i < type->rank; i++) {
    Axis *axis = &x->axes[i];
    any = any || axis->kind == AXIS_PLACE || axis->kind == AXIS_RANGE;
    offset[i] = axis->start ? axis->start : dim_const(dims, 0);
    kept[i] = -1;
    if (axis->kind == AXIS_PLACE) continue;
    kept[i] = rank;
    shape[rank] = axis->kind == AXIS_RANGE ? axis->length : type->shape[i];
    x->axes[rank++] = *axis;
  }
  if (!any) return x->base;
  int64_t *matrix = ARENA_ARRAY(e->arena, int64_t, (size_t)type->rank * (size_t)rank + 1);
  for (int i = 0; i < type->rank; i++)
    if (kept[i] >= 0) matrix[i * rank + kept[i]] = 1;
  const Type *result = type_get(e->module, type->dtype, rank, shape);
  IndexMap map = {type->rank, rank, matrix,
                  arena_copy(e->arena, offset, sizeof *offset * (size_t)type->rank)};
  return ir_view(&e->builder, x->base, result, map);
}

// The places start, start + 1, ... of a window as a tensor.
static Value *window_places(Evaluator *e, const Axis *axis) {
  Builder *b = &e->builder;
  const Type *type = type_get(e->module, DT_I64, 1, &axis->length);
  return ir_binary(b, OP_ADD, ir_iota(b, type, 0), broadcast_to(e, axis->value, type));
}

// Moves the `count` leading axes of a gather's result to position `to` among the others.
static Value *place_axes(Evaluator *e, Value *value, int count, int to) {
  if (!to || !count) return value;
  int permutation[2 * MAX_RANK], rank = value->type->rank, next = 0;
  for (int i = 0; i < to; i++) permutation[next++] = count + i;
  for (int i = 0; i < count; i++) permutation[next++] = i;
  while (next < rank) {
    permutation[next] = next;
    next++;
  }
  return ir_transpose(&e->builder, value, permutation);
}

static Value *gather_window(Evaluator *e, Value *value, int axis_number, const Axis *axis) {
  Value *places = window_places(e, axis);
  int8_t axes[1] = {(int8_t)axis_number};
  return place_axes(e, ir_gather(&e->builder, value, 1, axes, &places), 1, axis_number);
}

static Value *slice_window(Evaluator *e, Value *value, int axis_number, const Axis *axis) {
  Builder *b = &e->builder;
  const Type *type = value->type;
  const Dim *shape[MAX_RANK];
  Value *starts[MAX_RANK];
  for (int i = 0; i < type->rank; i++) {
    shape[i] = i == axis_number ? axis->length : type->shape[i];
    starts[i] = i == axis_number ? axis->value : ir_integer(b, scalar_of(e, DT_I64), 0);
  }
  return ir_dynamic_slice(b, value, type_get(e->module, type->dtype, type->rank, shape), starts);
}

// All run-time integers and the tensor of integers in one gather, then the windows one by one.
static Value *apply_run_time(Indexing *x, Value *value) {
  Evaluator *e = x->e;
  int rank = value->type->rank, count = 0, rows = -1, first_window = -1;
  int8_t axes[MAX_RANK];
  for (int i = 0; i < rank; i++) {
    if (x->axes[i].kind == AXIS_ROWS) rows = i;
    if (x->axes[i].kind == AXIS_WINDOW && first_window < 0) first_window = i;
    if (x->axes[i].kind == AXIS_SCALAR || x->axes[i].kind == AXIS_ROWS) axes[count++] = (int8_t)i;
  }
  // A window beside run-time integers joins their gather.
  if (count && rows < 0 && first_window >= 0) {
    rows = first_window;
    x->axes[rows].value = window_places(e, &x->axes[rows]);
    x->axes[rows].kind = AXIS_ROWS;
    count = 0;
    for (int i = 0; i < rank; i++)
      if (x->axes[i].kind == AXIS_SCALAR || i == rows) axes[count++] = (int8_t)i;
  }
  int left[MAX_RANK], left_count = 0; // where axes that were not gathered are now
  int inserted = 0;
  if (count) {
    Value *indices[MAX_RANK];
    const Type *type = rows >= 0 ? x->axes[rows].value->type : scalar_of(e, DT_I64);
    for (int i = 0; i < count; i++) indices[i] = broadcast_to(e, x->axes[axes[i]].value, type);
    value = ir_gather(&e->builder, value, count, axes, indices);
    int before = 0;
    for (int i = 0; i < rows; i++)
      before += x->axes[i].kind == AXIS_WHOLE || x->axes[i].kind == AXIS_RANGE ||
                x->axes[i].kind == AXIS_WINDOW;
    value = place_axes(e, value, type->rank, before);
    inserted = type->rank;
  }
  for (int i = 0, at = 0; i < rank; i++) {
    if (i == rows) at += inserted;
    if (x->axes[i].kind == AXIS_SCALAR || x->axes[i].kind == AXIS_ROWS) continue;
    if (x->axes[i].kind == AXIS_WINDOW) left[left_count++] = at * MAX_RANK + i;
    at++;
  }
  for (int k = 0; k < left_count; k++) {
    int axis = left[k] / MAX_RANK;
    const Axis *window = &x->axes[left[k] % MAX_RANK];
    value =
        e->variables ? gather_window(e, value, axis, window) : slice_window(e, value, axis, window);
  }
  return value;
}

static bool check_rows(Indexing *x) {
  Evaluator *e = x->e;
  const Axis *first = NULL;
  int rank = x->base->type->rank;
  for (int i = 0; i < x->base->type->rank; i++) {
    const Axis *axis = &x->axes[i];
    if (axis->kind != AXIS_ROWS) continue;
    rank += axis->value->type->rank - 1;
    if (!first) {
      first = axis;
      continue;
    }
    Diagnostic *d = mistake(e, E0305, axis->span, "two tensors of indices in one index");
    diagnostic_label(d, first->span, "the other one");
    diagnostic_help(d,
                    "write `for i { x[a[i], b[i]] }` for pairs, `for i, j { x[a[i], b[j]] }` for "
                    "all combinations");
    return false;
  }
  if (rank <= MAX_RANK) return true;
  mistake(e, E0301, x->span, "the result would have more than %d axes", MAX_RANK);
  return false;
}

static Staged *index_tensor(Evaluator *e, Value *base, const IndexPart *parts, int count, Span span,
                            Span base_span) {
  Indexing x = {.e = e, .base = base, .span = span, .base_span = base_span};
  if (count > base->type->rank) {
    Diagnostic *d = mistake(e, E0305, span, "%d %s, but the tensor has %d ax%s", count,
                            count == 1 ? "index" : "indices", base->type->rank,
                            base->type->rank == 1 ? "is" : "es");
    diagnostic_label(d, base_span, "%s", type_phrase(e, base->type));
    return staged_poison;
  }
  bool good = true;
  for (int i = 0; i < count; i++) good = read_part(&x, i, &parts[i]) && good;
  if (!good || !check_rows(&x)) return staged_poison;
  return staged_tensor(e, apply_run_time(&x, apply_static(&x)));
}

// --- arrays of trees -----------------------------------------------------------------------------

typedef struct ArrayIndex {
  const IndexPart *part;
  Span span, base_span;
} ArrayIndex;

static Staged *index_leaf(Evaluator *e, Staged *leaf, void *self) {
  const ArrayIndex *index = self;
  return index_tensor(e, leaf_value(e, leaf), index->part, 1, index->span, index->base_span);
}

static const Dim *first_extent(Evaluator *e, const Staged *s) {
  while (s->kind == STAGED_TREE && s->tree.layout->count) s = s->tree.children[0];
  return s->kind == STAGED_TENSOR && s->tensor->type->rank ? s->tensor->type->shape[0]
                                                           : dim_const(e->module->dims, 0);
}

static Staged *index_array(Evaluator *e, Staged *base, const IndexPart *parts, int count, Span span,
                           Span base_span) {
  const IndexPart *part = &parts[0];
  bool whole = part->slice && !part->low && !part->high;
  bool many =
      part->slice || (part->value->kind == STAGED_TENSOR && part->value->tensor->type->rank > 0);
  if (many && count > 1 && !whole) {
    mistake(e, E0305, parts[1].span, "behind several rows of an array there is no further index");
    return staged_poison;
  }
  ArrayIndex index = {part, span, base_span};
  Staged *element = map_leaves(e, base->tree.children[0], index_leaf, &index);
  if (staged_is_poison(element)) return element;
  if (many) {
    if (part->value && part->value->tensor->type->rank > 1) {
      mistake(e, E0305, part->span, "an array of bundles takes one axis of indices");
      return staged_poison;
    }
    return array_of(e, first_extent(e, element), element);
  }
  return count > 1 ? operate_index_parts(e, element, parts + 1, count - 1, span, base_span)
                   : element;
}

static Staged *index_tuple(Evaluator *e, Staged *base, const IndexPart *parts, int count,
                           Span span) {
  int64_t position;
  if (parts[0].slice || parts[0].value->kind != STAGED_INTEGER ||
      !dim_is_const(parts[0].value->integer, &position) || position < 0 ||
      position >= base->tree.layout->count) {
    mistake(e, E0305, parts[0].span, "a tuple of %d values is indexed by an integer from 0 to %d",
            base->tree.layout->count, base->tree.layout->count - 1);
    return staged_poison;
  }
  Staged *child = base->tree.children[position];
  return count > 1 ? operate_index_parts(e, child, parts + 1, count - 1, span, span) : child;
}

Staged *operate_index_parts(Evaluator *e, Staged *base, const IndexPart *parts, int count,
                            Span span, Span base_span) {
  if (staged_is_poison(base)) return staged_poison;
  for (int i = 0; i < count; i++)
    if (!parts[i].slice && staged_is_poison(parts[i].value)) return staged_poison;
  if (base->kind == STAGED_TENSOR)
    return index_tensor(e, base->tensor, parts, count, span, base_span);
  if (base->kind == STAGED_TREE && base->tree.layout->kind == LAYOUT_ARRAY)
    return index_array(e, base, parts, count, span, base_span);
  if (base->kind == STAGED_TREE && base->tree.layout->kind == LAYOUT_TUPLE)
    return index_tuple(e, base, parts, count, span);
  Diagnostic *d = mistake(e, E0303, base_span, "%s cannot be indexed", staged_describe(e, base));
  if (base->kind == STAGED_TREE) diagnostic_help(d, "its parts are fields: write `.name`");
  return staged_poison;
}

Staged *operate_index(Evaluator *e, Staged *base, Staged *const *indices, int count, Span span) {
  IndexPart *parts = ARENA_ARRAY(e->arena, IndexPart, (size_t)count + 1);
  for (int i = 0; i < count; i++) parts[i] = (IndexPart){.value = indices[i], .span = span};
  return operate_index_parts(e, base, parts, count, span, span);
}

// --- expressions ---------------------------------------------------------------------------------

static Staged *index_struct(Evaluator *e, const Node *structure, const IndexPart *parts, int count,
                            Span span) {
  int wanted = (int)structure->as.structure.dims.count;
  const Dim **dims = ARENA_ARRAY(e->arena, const Dim *, (size_t)count + 1);
  if (count != wanted) {
    Diagnostic *d =
        mistake(e, E0304, span, "`%s` has %d dims, %d %s given", structure->as.structure.name.name,
                wanted, count, count == 1 ? "is" : "are");
    diagnostic_label(d, structure->as.structure.name.span, "declared here");
    return staged_poison;
  }
  for (int i = 0; i < count; i++) {
    if (parts[i].slice) {
      mistake(e, E0304, parts[i].span, "a dim is an integer, not a slice");
      return staged_poison;
    }
    if (!static_dim(e, parts[i].value, &dims[i], parts[i].span, "a size")) return staged_poison;
  }
  return struct_maker(e, structure, dims, count);
}

Staged *evaluate_index(Evaluator *e, const Node *node, const Environment *environment) {
  Staged *base = evaluate(e, node->as.index.base, environment, NULL);
  const NodeList *nodes = &node->as.index.indices;
  IndexPart *parts = ARENA_ARRAY(e->arena, IndexPart, nodes->count + 1);
  for (size_t i = 0; i < nodes->count; i++) {
    const Node *index = nodes->data[i];
    parts[i].span = index->span;
    parts[i].slice = index->kind == EXPR_SLICE;
    if (!parts[i].slice) {
      parts[i].value = evaluate(e, index, environment, NULL);
      continue;
    }
    if (index->as.slice.low) parts[i].low = evaluate(e, index->as.slice.low, environment, NULL);
    if (index->as.slice.high) parts[i].high = evaluate(e, index->as.slice.high, environment, NULL);
  }
  const Node *structure = struct_of_maker(base);
  if (structure) return index_struct(e, structure, parts, (int)nodes->count, node->span);
  return operate_index_parts(e, base, parts, (int)nodes->count, node->span,
                             node->as.index.base->span);
}
