// Builtins that move data: sorting, joining, flattening, updating, and linear systems.
#include "evaluate/builtins.h"

// --- sorting -------------------------------------------------------------------------------------

static bool check_ordered(const Call *call, const BuiltinRow *row, const Value *x) {
  if (x->type->rank && x->type->dtype != DT_BOOL) return true;
  wrong_argument(call, row, 0, "a tensor of numbers with at least one axis");
  return false;
}

static Value *sorted_places(const Call *call, const BuiltinRow *row, Value **x) {
  bool descending;
  *x = tensor_argument(call, row, 0);
  if (!*x || !check_ordered(call, row, *x) || !flag_option(call, "descending", &descending))
    return NULL;
  return ir_argsort(&call->evaluator->builder, *x, (*x)->type->rank - 1, descending);
}

Staged *builtin_argsort(const Call *call, const BuiltinRow *row) {
  Value *x, *places = sorted_places(call, row, &x);
  return places ? staged_tensor(call->evaluator, places) : staged_poison;
}

// A gather at the sorted places, so that the derivative is gather's.
Staged *builtin_sort(const Call *call, const BuiltinRow *row) {
  Evaluator *e = call->evaluator;
  Value *x, *places = sorted_places(call, row, &x);
  if (!places) return staged_poison;
  Value *indices[MAX_RANK];
  int8_t axes[MAX_RANK];
  int rank = x->type->rank;
  for (int i = 0; i < rank; i++) {
    axes[i] = (int8_t)i;
    indices[i] = i < rank - 1 ? ir_iota(&e->builder, places->type, i) : places;
  }
  return staged_tensor(e, ir_gather(&e->builder, x, rank, axes, indices));
}

// A loop over the axis, so that the derivative is a loop's: no division, zeros are right.
static Value *running_product(Builder *b, Value *x, int axis, bool reverse, bool exclusive) {
  int order[MAX_RANK], back[MAX_RANK];
  for (int i = 0; i < x->type->rank; i++) order[i] = i == 0 ? axis : i <= axis ? i - 1 : i;
  for (int i = 0; i < x->type->rank; i++) back[order[i]] = i;
  Value *rows = ir_transpose(b, x, order);
  const Dim *extent = rows->type->shape[0];
  const Type *row_type =
      type_get(b->module, x->type->dtype, rows->type->rank - 1, rows->type->shape + 1);
  Block *body = block_create(b->module, b->block);
  block_add_param(body, type_scalar(b->module, DT_I64), NULL);
  Value *product = block_add_param(body, row_type, NULL),
        *row = block_add_param(body, row_type, NULL);
  Builder inside = builder_at(body);
  Value *next = ir_binary(&inside, OP_MUL, product, row), *one = ir_number(b, row_type, 1);
  VEC_PUSH(b->module->arena, &body->yields, next);
  VEC_PUSH(b->module->arena, &body->yields, exclusive ? product : next);
  Op *loop = ir_loop(b, ir_dim(b, extent), extent, &one, 1, &rows, 1, body, NULL, reverse);
  return ir_transpose(b, loop->results[1], back);
}

Staged *builtin_running(const Call *call, const BuiltinRow *row) {
  Evaluator *e = call->evaluator;
  int axis;
  bool reverse, exclusive;
  Value *x = tensor_argument(call, row, 0);
  if (!x || !check_ordered(call, row, x) || !axis_option(call, row, x->type->rank, &axis) ||
      !flag_option(call, "reverse", &reverse) || !flag_option(call, "exclusive", &exclusive))
    return staged_poison;
  if (axis < 0) axis = x->type->rank - 1;
  x = exact_integers(&e->builder, x);
  return staged_tensor(e, row->builtin == BUILTIN_CUMPROD
                              ? running_product(&e->builder, x, axis, reverse, exclusive)
                              : ir_cumsum(&e->builder, x, axis, reverse, exclusive));
}

Staged *builtin_transpose(const Call *call, const BuiltinRow *row) {
  Evaluator *e = call->evaluator;
  Value *x = tensor_argument(call, row, 0);
  if (!x) return staged_poison;
  int rank = x->type->rank, permutation[MAX_RANK];
  if (rank < 2) return wrong_argument(call, row, 0, "a tensor with at least two axes");
  for (int i = 0; i < rank; i++) permutation[i] = i;
  permutation[rank - 1] = rank - 2;
  permutation[rank - 2] = rank - 1;
  return staged_tensor(e, ir_transpose(&e->builder, x, permutation));
}

// --- joining -------------------------------------------------------------------------------------

// A scalar counts as a vector of one entry where vectors are joined.
static Value *at_least_vector(Evaluator *e, Value *x) {
  if (x->type->rank) return x;
  const Dim *one = dim_const(e->module->dims, 1);
  return ir_reshape(&e->builder, x, type_get(e->module, x->type->dtype, 1, &one));
}

static bool concat_fits(const Type *a, const Type *b, int axis) {
  if (a->rank != b->rank) return false;
  for (int i = 0; i < a->rank; i++)
    if (i != axis && a->shape[i] != b->shape[i]) return false;
  return true;
}

// The element type in which all parts meet; false after a report.
static bool concat_dtype(const Call *call, Dtype *dtype) {
  Evaluator *e = call->evaluator;
  Staged *first = argument(call, 0);
  *dtype = first->kind == STAGED_TENSOR ? first->tensor->type->dtype : DT_I64;
  bool known = first->kind == STAGED_TENSOR;
  for (int i = 0; i < call->positional_count; i++) {
    Staged *part = argument(call, i);
    if (part->kind == STAGED_REAL && !known) *dtype = e->real;
    if (part->kind != STAGED_TENSOR || (known && part->tensor->type->dtype == *dtype)) continue;
    if (known) {
      Diagnostic *d = mistake(e, E0302, argument_span(call, i), "`concat` joins one element type");
      diagnostic_label(d, argument_span(call, 0), "%s", staged_describe(e, first));
      diagnostic_label(d, argument_span(call, i), "%s", staged_describe(e, part));
      return false;
    }
    *dtype = part->tensor->type->dtype;
    known = true;
  }
  return true;
}

Staged *builtin_concat(const Call *call, const BuiltinRow *row) {
  Evaluator *e = call->evaluator;
  int count = call->positional_count, axis;
  Value **parts = ARENA_ARRAY(e->arena, Value *, (size_t)count + 1);
  Dtype dtype;
  for (int i = 0; i < count; i++)
    if (argument(call, i)->kind == STAGED_TREE || !staged_is_data(argument(call, i)))
      return wrong_argument(call, row, i, "tensors");
  if (!concat_dtype(call, &dtype)) return staged_poison;
  for (int i = 0; i < count; i++) {
    Staged *part = argument(call, i);
    if (part->kind == STAGED_REAL && !dtype_is_float(dtype))
      return wrong_argument(call, row, i, dtype_text(dtype));
    parts[i] = at_least_vector(e, leaf_as(e, part, dtype));
  }
  if (!axis_option(call, row, parts[0]->type->rank, &axis)) return staged_poison;
  if (axis < 0) axis = 0;
  for (int i = 1; i < count; i++) {
    if (concat_fits(parts[0]->type, parts[i]->type, axis)) continue;
    Diagnostic *d = mistake(e, E0301, argument_span(call, i),
                            "these shapes do not fit `concat` along axis %d", axis);
    diagnostic_label(d, argument_span(call, 0), "%s", type_phrase(e, parts[0]->type));
    diagnostic_label(d, argument_span(call, i), "%s", type_phrase(e, parts[i]->type));
    return staged_poison;
  }
  return staged_tensor(e, count == 1 ? parts[0] : ir_concat(&e->builder, parts, count, axis));
}

// The element type of a list: that of its first tensor, else the expected one, else what literals
// say.
static Dtype list_dtype(Evaluator *e, Staged *const *values, size_t count, const TypeSpec *wanted) {
  bool reals = false, truths = true;
  for (size_t i = 0; i < count; i++) {
    if (values[i]->kind == STAGED_TENSOR) return values[i]->tensor->type->dtype;
    reals = reals || values[i]->kind == STAGED_REAL;
    truths = truths && values[i]->kind == STAGED_BOOL;
  }
  if (wanted) return wanted->real_dtype ? e->real : wanted->dtype;
  return truths ? DT_BOOL : reals ? e->real : DT_I64;
}

static bool entry_fits(const Staged *s, Dtype dtype) {
  switch (s->kind) {
  case STAGED_TENSOR:
    return s->tensor->type->dtype == dtype;
  case STAGED_BOOL:
    return dtype == DT_BOOL;
  case STAGED_INTEGER:
    return dtype != DT_BOOL;
  default:
    return dtype_is_float(dtype);
  }
}

// The entries as rows of one type; false after a report.
static bool list_rows(Evaluator *e, const NodeList *items, Staged *const *values, Dtype dtype,
                      Value **rows) {
  const Type *type = NULL;
  for (size_t i = 0; i < items->count; i++) {
    bool fits = entry_fits(values[i], dtype);
    Value *entry = fits ? leaf_as(e, values[i], dtype) : NULL;
    if (!entry || (type && entry->type != type)) {
      Diagnostic *d = mistake(e, fits ? E0301 : E0302, items->data[i]->span,
                              "the entries of a list have one %s", fits ? "shape" : "type");
      diagnostic_label(d, items->data[0]->span, "%s", staged_describe(e, values[0]));
      diagnostic_label(d, items->data[i]->span, "%s", staged_describe(e, values[i]));
      return false;
    }
    type = entry->type;
    if (type->rank == MAX_RANK) {
      mistake(e, E0301, items->data[i]->span, "a tensor has at most %d axes", MAX_RANK);
      return false;
    }
    const Dim *one = dim_const(e->module->dims, 1);
    rows[i] = ir_reshape(&e->builder, entry, type_with_leading(e->module, type, one));
  }
  return true;
}

Staged *evaluate_list(Evaluator *e, const Node *node, const Environment *environment,
                      const TypeSpec *expected) {
  const NodeList *items = &node->as.list.items;
  TypeSpec inner = {0};
  const TypeSpec *wanted = NULL;
  if (expected && expected->kind == SPEC_TENSOR && (expected->any_shape || expected->rank)) {
    inner = *expected;
    wanted = &inner;
    if (!inner.any_shape) {
      inner.shape++;
      inner.rank--;
    }
  }
  Staged **values = ARENA_ARRAY(e->arena, Staged *, items->count + 1);
  for (size_t i = 0; i < items->count; i++) {
    values[i] = evaluate(e, items->data[i], environment, wanted);
    if (staged_is_poison(values[i])) return staged_poison;
    if (values[i]->kind != STAGED_TREE && staged_is_data(values[i])) continue;
    mistake(e, E0303, items->data[i]->span,
            "an entry of a list is a number or a tensor, this is %s",
            staged_describe(e, values[i]));
    return staged_poison;
  }
  Value **rows = ARENA_ARRAY(e->arena, Value *, items->count + 1);
  Dtype dtype = list_dtype(e, values, items->count, wanted);
  if (!list_rows(e, items, values, dtype, rows)) return staged_poison;
  int count = (int)items->count;
  return staged_tensor(e, count == 1 ? rows[0] : ir_concat(&e->builder, rows, count, 0));
}

// --- bundles -------------------------------------------------------------------------------------

static const Type *flat_type(Evaluator *e, Dtype dtype, const Dim *entries) {
  return type_get(e->module, dtype, 1, &entries);
}

Staged *builtin_flat(const Call *call, const BuiltinRow *row) {
  Evaluator *e = call->evaluator;
  if (!staged_is_data(argument(call, 0)))
    return wrong_argument(call, row, 0, "a bundle of tensors");
  ValueList leaves = {0};
  staged_leaves(e, argument(call, 0), &leaves);
  if (!leaves.count) return wrong_argument(call, row, 0, "at least one tensor");
  for (size_t i = 0; i < leaves.count; i++) {
    const Type *type = leaves.data[i]->type;
    if (type->dtype != leaves.data[0]->type->dtype) {
      mistake(e, E0302, argument_span(call, 0), "`flat` joins one element type, here are %s and %s",
              dtype_text(leaves.data[0]->type->dtype), dtype_text(type->dtype));
      return staged_poison;
    }
    leaves.data[i] = ir_reshape(&e->builder, leaves.data[i],
                                flat_type(e, type->dtype, type_entries(e->module, type)));
  }
  return staged_tensor(e, leaves.count == 1
                              ? leaves.data[0]
                              : ir_concat(&e->builder, leaves.data, (int)leaves.count, 0));
}

typedef struct Unflat {
  Value *vector;
  const Dim *next;
} Unflat;

static Staged *unflat_leaf(Evaluator *e, Staged *leaf, void *self) {
  Unflat *u = self;
  const Type *type = leaf_value(e, leaf)->type;
  const Dim *entries = type_entries(e->module, type);
  Value *part = ir_slice(&e->builder, u->vector, 0, u->next, entries, 1);
  u->next = dim_add(e->module->dims, u->next, entries);
  return staged_tensor(
      e, ir_reshape(&e->builder, part, type_with_dtype(e->module, type, part->type->dtype)));
}

static const Dim *count_entries(Evaluator *e, Staged *s) {
  const Dim *total = dim_const(e->module->dims, 0);
  ValueList leaves = {0};
  staged_leaves(e, s, &leaves);
  for (size_t i = 0; i < leaves.count; i++)
    total = dim_add(e->module->dims, total, type_entries(e->module, leaves.data[i]->type));
  return total;
}

Staged *builtin_unflat(const Call *call, const BuiltinRow *row) {
  Evaluator *e = call->evaluator;
  Value *vector = tensor_argument(call, row, 0);
  if (!vector) return staged_poison;
  if (!staged_is_data(argument(call, 1)))
    return wrong_argument(call, row, 1, "a bundle of tensors");
  const Dim *entries = count_entries(e, argument(call, 1));
  if (vector->type->rank != 1 || vector->type->shape[0] != entries) {
    Diagnostic *d = mistake(e, E0301, call->span, "`unflat` needs a vector of %s entries",
                            dim_phrase(e, entries));
    diagnostic_label(d, argument_span(call, 0), "%s", type_phrase(e, vector->type));
    diagnostic_label(d, argument_span(call, 1), "%s", staged_describe(e, argument(call, 1)));
    return staged_poison;
  }
  Unflat self = {vector, dim_const(e->module->dims, 0)};
  return map_leaves(e, argument(call, 1), unflat_leaf, &self);
}

Staged *builtin_size(const Call *call, const BuiltinRow *row) {
  if (!staged_is_data(argument(call, 0))) return wrong_argument(call, row, 0, "tensors");
  return staged_integer(call->evaluator, count_entries(call->evaluator, argument(call, 0)));
}

Staged *builtin_rank(const Call *call, const BuiltinRow *row) {
  Value *x = tensor_argument(call, row, 0);
  return x ? staged_int(call->evaluator, x->type->rank) : staged_poison;
}

// Position by position through trees of one layout.
static Staged *map_together(const Call *call, Staged *const *values, int count) {
  Evaluator *e = call->evaluator;
  const Layout *layout = staged_layout(values[0]);
  for (int i = 1; i < count; i++) {
    if (staged_layout(values[i]) == layout) continue;
    Diagnostic *d =
        mistake(e, E0303, argument_span(call, i + 1), "`map` needs bundles of one layout");
    diagnostic_label(d, argument_span(call, 1), "%s", staged_describe(e, argument(call, 1)));
    diagnostic_label(d, argument_span(call, i + 1), "%s",
                     staged_describe(e, argument(call, i + 1)));
    return staged_poison;
  }
  if (!layout) return apply(e, argument(call, 0), values, count, call->span);
  Staged **children = ARENA_ARRAY(e->arena, Staged *, (size_t)layout->count + 1);
  Staged **parts = ARENA_ARRAY(e->arena, Staged *, (size_t)count + 1);
  for (int i = 0; i < layout->count; i++) {
    for (int k = 0; k < count; k++) parts[k] = values[k]->tree.children[i];
    uint64_t place = e->dynamic.place;
    e->dynamic.place = hash_mix(place, (uint64_t)i); // leaves draw independently
    children[i] = map_together(call, parts, count);
    e->dynamic.place = place;
    if (staged_is_poison(children[i])) return staged_poison;
    if (children[i]->kind == STAGED_TREE ? !staged_layout(parts[0])
                                         : !staged_is_data(children[i])) {
      mistake(e, E0303, argument_span(call, 0),
              "the function of `map` gives %s, wanted is a tensor",
              staged_describe(e, children[i]));
      return staged_poison;
    }
  }
  return staged_tree(e, layout, children);
}

Staged *builtin_map(const Call *call, const BuiltinRow *row) {
  int count = call->positional_count - 1;
  if (argument(call, 0)->kind != STAGED_FUNCTION) return wrong_argument(call, row, 0, "a function");
  for (int i = 0; i < count; i++)
    if (!staged_is_data(argument(call, i + 1))) return wrong_argument(call, row, i + 1, "tensors");
  return map_together(call, call->positional + 1, count);
}

// --- updates -------------------------------------------------------------------------------------

typedef struct UpdateSelf {
  const Call *call;
  const BuiltinRow *row;
  Value *place; // i64, scalar or (add_at) a tensor
} UpdateSelf;

static bool check_place(const Call *call, const Type *table) {
  Evaluator *e = call->evaluator;
  int64_t excess;
  Staged *place = argument(call, 1);
  if (place->kind != STAGED_INTEGER) return true;
  const Dim *last = dim_sub(e->module->dims, table->shape[0], dim_const(e->module->dims, 1));
  bool low = dim_is_const(place->integer, &excess) && excess < 0;
  if (!low && (!dim_difference(e->module->dims, place->integer, last, &excess) || excess <= 0))
    return true;
  Diagnostic *d = mistake(e, E0305, argument_span(call, 1), "the index %s is out of range",
                          dim_phrase(e, place->integer));
  diagnostic_note(d, "the axis has %s entries; indices start at 0", dim_phrase(e, table->shape[0]));
  return false;
}

static Staged *update_leaf(Evaluator *e, Staged *a, Staged *v, Places places, void *self) {
  const UpdateSelf *s = self;
  Builder *b = &e->builder;
  if (a->kind != STAGED_TENSOR || !a->tensor->type->rank || !staged_is_data(v)) {
    mistake(e, E0303, places.left, "`%s` needs a tensor with rows, this is %s", row_name(s->row),
            staged_describe(e, a));
    return staged_poison;
  }
  const Type *table = a->tensor->type, *index = s->place->type;
  if (!check_place(s->call, table)) return staged_poison;
  const Dim *shape[2 * MAX_RANK];
  int rank = 0;
  for (int i = 0; i < index->rank; i++) shape[rank++] = index->shape[i];
  for (int i = 1; i < table->rank; i++) shape[rank++] = table->shape[i];
  const Type *wanted = rank <= MAX_RANK ? type_get(e->module, table->dtype, rank, shape) : NULL;
  Value *update = v->kind == STAGED_TENSOR && v->tensor->type->dtype != table->dtype
                      ? v->tensor
                      : leaf_as(e, v, table->dtype);
  if (update->type != wanted) {
    Diagnostic *d = mistake(e, E0301, places.right, "the rows given to `%s` are %s, wanted is %s",
                            row_name(s->row), type_phrase(e, update->type),
                            wanted ? type_phrase(e, wanted) : "of fewer axes");
    diagnostic_label(d, places.left, "%s", type_phrase(e, table));
    return staged_poison;
  }
  if (s->row->builtin == BUILTIN_ADD_AT) {
    int8_t axes[] = {0};
    return staged_tensor(e, ir_scatter_add(b, a->tensor, update, 1, axes, &s->place));
  }
  Value *starts[MAX_RANK];
  for (int i = 0; i < table->rank; i++)
    starts[i] = i ? ir_integer(b, scalar_of(e, DT_I64), 0) : s->place;
  shape[0] = dim_const(e->module->dims, 1);
  for (int i = 1; i < table->rank; i++) shape[i] = table->shape[i];
  Value *row = ir_reshape(b, update, type_get(e->module, table->dtype, table->rank, shape));
  return staged_tensor(e, ir_dynamic_update(b, a->tensor, row, starts, false));
}

// Arrays of trees against rows of their element.
static Staged *update_tree(Evaluator *e, Staged *a, Staged *v, Places places, UpdateSelf *self) {
  if (a->kind != STAGED_TREE) return update_leaf(e, a, v, places, self);
  const Layout *layout = a->tree.layout, *row = staged_layout(v);
  bool many = self->place->type->rank > 0;
  if (layout->kind != LAYOUT_ARRAY ||
      (many ? !row || row->kind != LAYOUT_ARRAY || row->element != layout->element
            : row != layout->element)) {
    Diagnostic *d = mistake(e, E0303, places.right, "these rows do not fit");
    diagnostic_label(d, places.left, "%s", staged_describe(e, a));
    diagnostic_label(d, places.right, "%s", staged_describe(e, v));
    return staged_poison;
  }
  Staged *updated = zip_leaves(e, a->tree.children[0], many ? v->tree.children[0] : v, "put",
                               places, update_leaf, self);
  return staged_is_poison(updated) ? updated : array_of(e, layout->extent, updated);
}

static Staged *update_rows(const Call *call, const BuiltinRow *row, Value *place) {
  UpdateSelf self = {call, row, place};
  Places places = {call->span, argument_span(call, 0), argument_span(call, 2)};
  return update_tree(call->evaluator, argument(call, 0), argument(call, 2), places, &self);
}

Staged *builtin_put(const Call *call, const BuiltinRow *row) {
  Value *place = scalar_value(call->evaluator, argument(call, 1), DT_I64, argument_span(call, 1),
                              "the index of `put`");
  return place ? update_rows(call, row, place) : staged_poison;
}

Staged *builtin_add_at(const Call *call, const BuiltinRow *row) {
  Evaluator *e = call->evaluator;
  Value *place = tensor_argument(call, row, 1);
  if (!place) return staged_poison;
  if (!dtype_is_integer(place->type->dtype)) return wrong_argument(call, row, 1, "integers");
  return update_rows(call, row, leaf_as(e, staged_tensor(e, place), DT_I64));
}

// --- linear systems ------------------------------------------------------------------------------

static Value *square_argument(const Call *call, const BuiltinRow *row) {
  Value *a = tensor_argument(call, row, 0);
  if (!a) return NULL;
  if (a->type->rank == 2 && a->type->shape[0] == a->type->shape[1] &&
      dtype_is_float(a->type->dtype))
    return a;
  mistake(call->evaluator, E0301, argument_span(call, 0),
          "`%s` needs a square matrix of reals, this is %s", row_name(row),
          type_phrase(call->evaluator, a->type));
  return NULL;
}

Staged *builtin_cholesky(const Call *call, const BuiltinRow *row) {
  Value *a = square_argument(call, row);
  if (!a) return staged_poison;
  return staged_tensor(call->evaluator, ir_cholesky(&call->evaluator->builder, a));
}

Staged *builtin_solve(const Call *call, const BuiltinRow *row) {
  Evaluator *e = call->evaluator;
  Builder *b = &e->builder;
  bool transposed;
  Value *a = square_argument(call, row), *rhs = tensor_argument(call, row, 1);
  if (!a || !rhs || !flag_option(call, "transpose", &transposed)) return staged_poison;
  const Type *type = rhs->type;
  if (type->rank < 1 || type->rank > 2 || type->shape[0] != a->type->shape[0]) {
    Diagnostic *d = mistake(e, E0301, call->span, "these shapes do not fit `%s`", row_name(row));
    diagnostic_label(d, argument_span(call, 0), "%s", type_phrase(e, a->type));
    diagnostic_label(d, argument_span(call, 1), "%s", type_phrase(e, type));
    return staged_poison;
  }
  Dtype dtype;
  if (!meet_dtype(e, staged_tensor(e, a), staged_tensor(e, rhs), row_name(row), call_places(call),
                  &dtype))
    return staged_poison;
  const Dim *shape[2] = {type->shape[0], dim_const(e->module->dims, 1)};
  if (type->rank == 1) rhs = ir_reshape(b, rhs, type_get(e->module, dtype, 2, shape));
  Value *u = row->builtin == BUILTIN_TRI_SOLVE ? ir_trisolve(b, a, rhs, transposed)
                                               : ir_solve(b, a, rhs, transposed);
  return staged_tensor(e, type->rank == 1 ? ir_reshape(b, u, type) : u);
}

Staged *builtin_eye(const Call *call, const BuiltinRow *row) {
  (void)row;
  Evaluator *e = call->evaluator;
  Builder *b = &e->builder;
  const TypeSpec *spec = call->expected;
  if (!spec || spec->kind != SPEC_TENSOR || spec->any_shape || spec->rank != 2) {
    Diagnostic *d = mistake(e, E0306, call->span, "the size of `eye()` is not said");
    diagnostic_help(d, "give it a type: `let I: f64[n, n] = eye();`");
    return staged_poison;
  }
  const Type *places = type_get(e->module, DT_I64, 2, spec->shape);
  Value *diagonal = ir_compare(b, COMPARE_EQ, ir_iota(b, places, 0), ir_iota(b, places, 1));
  Dtype dtype = spec->real_dtype ? e->real : spec->dtype;
  return staged_tensor(e, ir_convert(b, diagonal, dtype));
}
