// Elements of values as scalar expressions: where index maps and elementwise ops dissolve.
//
// Enters: a value and one affine index per axis. Leaves: an expression over loads, made once per
// value and index. Views compose their maps into the index, reshapes regroup it, gathers add a
// loaded index.
#include "loop/lower_internal.h"

typedef struct Element {
  struct Element *next;
  const Affine *const *index;
  bool compute;
  Expr *expr;
} Element;

Nest nest_create(Lowering *l, const char *name, Span span) {
  Nest nest = {.lowering = l, .module = l->module, .arena = l->arena};
  nest.k = kernel_builder_create(l->module, name, span);
  nest.memo = map_create(l->arena);
  nest.lanes = l->options.lanes_f32;
  return nest;
}

static int nest_buffer(Nest *nest, Buffer *buffer, bool reads, bool writes) {
  for (size_t i = 0; i < nest->buffers.count; i++)
    if (nest->buffers.data[i] == buffer) {
      kernel_buffer_use(nest->k, (int)i, reads, writes);
      return (int)i;
    }
  VEC_PUSH(nest->arena, &nest->buffers, buffer);
  return kernel_buffer(nest->k, buffer->dtype, reads, writes);
}

static Expr *nest_counter(Nest *nest, int counter) {
  for (size_t i = 0; i < nest->scalars.count; i++)
    if (nest->scalars.data[i] == counter) return expr_scalar(nest->k, (int)i);
  VEC_PUSH(nest->arena, &nest->scalars, counter);
  return expr_scalar(nest->k, kernel_scalar(nest->k));
}

void nest_narrow(Nest *nest, Dtype dtype) {
  int lanes = dtype == DT_F64 || dtype == DT_I64 ? nest->lowering->options.lanes_f64
                                                 : nest->lowering->options.lanes_f32;
  if (lanes < nest->lanes) nest->lanes = lanes;
}

void nest_record(Nest *nest, const Affine *flat, Dtype dtype) {
  LinearUse use = {.flat = flat};
  VEC_PUSH(nest->arena, &nest->uses, use);
  nest_narrow(nest, dtype);
}

Expr *nest_index(Nest *nest, const Affine *affine) {
  Expr *sum = expr_dim(nest->k, affine->offset);
  for (int i = 0; i < affine->count; i++) {
    Expr *term =
        expr_mul(nest->k, affine->terms[i].variable, expr_dim(nest->k, affine->terms[i].factor));
    sum = expr_add(nest->k, sum, term);
  }
  return sum;
}

const Affine *nest_flat(Nest *nest, const Access *access, const Type *type,
                        const Affine *const *index) {
  Module *module = nest->module;
  const Affine *flat = affine_const(module, dim_const(module->dims, 0));
  for (int i = 0; i < access->row_count; i++) {
    const Affine *counter = affine_variable(module, nest_counter(nest, access->rows[i].counter));
    flat = affine_add(module, flat, affine_scale(module, counter, access->rows[i].stride));
  }
  const Dim *stride = dim_const(module->dims, 1);
  for (int i = type->rank - 1; i >= 0; i--) {
    flat = affine_add(module, flat, affine_scale(module, index[i], stride));
    stride = dim_mul(module->dims, stride, type->shape[i]);
  }
  return flat;
}

// Index in the memory that the kernel sees: buffers held by rows start at a later row.
static Expr *window_index(Nest *nest, const Buffer *buffer, const Affine *flat) {
  Module *module = nest->module;
  for (size_t i = 0; i < nest->windows.count; i++) {
    const RowWindow *window = &nest->windows.data[i];
    if (window->buffer != buffer) continue;
    const Affine *back = affine_scale(module, window->shift, dim_const(module->dims, -1));
    flat = affine_add(module, flat, back);
  }
  return nest_index(nest, flat);
}

static Expr *load(Nest *nest, const Access *access, const Affine *flat, const Affine *const *index,
                  int rank) {
  Buffer *buffer = access->buffer;
  LinearUse use = {flat, true, buffer, index, rank};
  VEC_PUSH(nest->arena, &nest->uses, use);
  nest_narrow(nest, buffer->dtype);
  for (size_t i = 0; i < nest->forwards.count; i++)
    if (nest->forwards.data[i].buffer == buffer)
      return expr_register(nest->k, nest->forwards.data[i].reg);
  return expr_load(nest->k, nest_buffer(nest, buffer, true, false),
                   window_index(nest, buffer, flat));
}

Expr *nest_load(Nest *nest, const Access *access, const Affine *flat) {
  return load(nest, access, flat, NULL, 0);
}

Expr *nest_load_at(Nest *nest, const Access *access, const Type *type, const Affine *const *index) {
  const Affine **kept = ARENA_ARRAY(nest->arena, const Affine *, (size_t)type->rank + 1);
  for (int i = 0; i < type->rank; i++) kept[i] = index[i];
  return load(nest, access, nest_flat(nest, access, type, index), kept, type->rank);
}

void nest_store(Nest *nest, const Access *access, const Affine *flat, Expr *value,
                bool accumulate) {
  int buffer = nest_buffer(nest, access->buffer, accumulate, true);
  Expr *index = window_index(nest, access->buffer, flat);
  if (accumulate)
    kernel_store_add(nest->k, buffer, index, value);
  else
    kernel_store(nest->k, buffer, index, value);
}

void nest_restart(Nest *nest) {
  nest->memo = map_create(nest->arena);
  nest->forwards.count = 0;
  nest->uses.count = 0;
}

void nest_close(Nest *nest, int count) {
  while (count--) kernel_end(nest->k);
}

const Affine *nest_clamp(Nest *nest, Expr *index, const Dim *extent, const Dim *size) {
  DimTable *dims = nest->module->dims;
  const Dim *places = dim_add(dims, dim_sub(dims, extent, size), dim_const(dims, 1));
  Expr *wide = expr_convert(nest->k, index, DT_I64);
  return affine_variable(nest->module, expr_clamp(nest->k, wide, expr_dim(nest->k, places)));
}

// --- index maps
// -----------------------------------------------------------------------------------

static Expr *view_element(Nest *nest, const Op *op, const Affine *const *index) {
  const IndexMap *map = &op->attr.map;
  Module *module = nest->module;
  const Affine *inner[MAX_RANK];
  for (int i = 0; i < map->in_rank; i++) {
    inner[i] = affine_const(module, map->offset[i]);
    for (int j = 0; j < map->out_rank; j++) {
      const Dim *factor = dim_const(module->dims, map->matrix[i * map->out_rank + j]);
      inner[i] = affine_add(module, inner[i], affine_scale(module, index[j], factor));
    }
  }
  return nest_element(nest, op->operands[0], inner, false);
}

/// One step of matching two shapes of equal size: axes [from, from_end) of one hold the same
/// entries as axes [to, to_end) of the other.
typedef struct ShapeGroup {
  int from, from_end, to, to_end;
} ShapeGroup;

// Splits both shapes into the finest groups of equal products, from the left. False: all done.
static bool next_group(const Module *module, const Type *from, const Type *to, ShapeGroup *group) {
  DimTable *dims = module->dims;
  int a = group->from_end, b = group->to_end;
  *group = (ShapeGroup){a, a, b, b};
  if (a == from->rank && b == to->rank) return false;
  const Dim *one = dim_const(dims, 1), *left = one, *right = one;
  // Products of polynomials cannot be ordered, so the longest run on the right is tried for each on
  // the left.
  for (int i = a; i < from->rank; i++) {
    left = dim_mul(dims, left, from->shape[i]);
    right = one;
    for (int j = b; j < to->rank; j++) {
      right = dim_mul(dims, right, to->shape[j]);
      if (left != right) continue;
      *group = (ShapeGroup){a, i + 1, b, j + 1};
      return true;
    }
  }
  *group = (ShapeGroup){a, from->rank, b, to->rank};
  return true;
}

static int wide_axes(const Module *module, const Type *type, int first, int end) {
  int count = 0;
  for (int i = first; i < end; i++) count += type->shape[i] != dim_const(module->dims, 1);
  return count;
}

bool reshape_is_affine(const Module *module, const Type *from, const Type *to) {
  ShapeGroup group = {0};
  while (next_group(module, from, to, &group))
    if (wide_axes(module, from, group.from, group.from_end) > 1) return false;
  return true;
}

static const Affine *flat_of_axes(Nest *nest, const Type *type, int first, int end,
                                  const Affine *const *index) {
  Module *module = nest->module;
  const Affine *flat = affine_const(module, dim_const(module->dims, 0));
  const Dim *stride = dim_const(module->dims, 1);
  for (int i = end - 1; i >= first; i--) {
    flat = affine_add(module, flat, affine_scale(module, index[i], stride));
    stride = dim_mul(module->dims, stride, type->shape[i]);
  }
  return flat;
}

// Distributes a flat index over axes [first, end): without division when at most one is wide.
static void split_flat(Nest *nest, const Type *type, int first, int end, const Affine *flat,
                       const Affine **inner) {
  Module *module = nest->module;
  const Dim *one = dim_const(module->dims, 1);
  int wide = wide_axes(module, type, first, end);
  Expr *rest = wide > 1 ? nest_index(nest, flat) : NULL;
  if (wide > 1) nest_record(nest, flat, DT_I64);
  for (int i = end - 1; i >= first; i--) {
    if (type->shape[i] == one) {
      inner[i] = affine_const(module, dim_const(module->dims, 0));
    } else if (wide == 1) {
      inner[i] = flat;
    } else {
      Expr *extent = expr_dim(nest->k, type->shape[i]);
      inner[i] = affine_variable(module, expr_binary(nest->k, OP_MOD, rest, extent));
      rest = expr_binary(nest->k, OP_DIV, rest, extent);
    }
  }
}

static Expr *reshape_element(Nest *nest, const Op *op, const Affine *const *index) {
  const Type *from = op->operands[0]->type, *to = op->results[0]->type;
  const ValueInfo *info = value_info(nest->lowering, op->operands[0]);
  if (info->homed) // row-major memory has the same order in both shapes
    return nest_load(nest, &info->home, nest_flat(nest, &info->home, to, index));
  const Affine *inner[MAX_RANK];
  ShapeGroup group = {0};
  while (next_group(nest->module, from, to, &group)) {
    const Affine *flat = flat_of_axes(nest, to, group.to, group.to_end, index);
    split_flat(nest, from, group.from, group.from_end, flat, inner);
  }
  return nest_element(nest, op->operands[0], inner, false);
}

bool iota_within(const Value *value, const Dim *extent) {
  return value->op && value->op->code == OP_IOTA &&
         value->type->shape[value->op->attr.iota.axis] == extent;
}

const Affine *nest_place(Nest *nest, Value *value, const Affine *const *index, const Dim *extent) {
  if (iota_within(value, extent)) return index[value->op->attr.iota.axis];
  Expr *place = nest_element(nest, value, index, false);
  return nest_clamp(nest, place, extent, dim_const(nest->module->dims, 1));
}

// `element`, or 0 where the axis it was picked from turns out to be empty: there is nothing to clamp to, so
// what was loaded is whatever lies in memory (the check of the index reports it).
static Expr *unless_empty(Nest *nest, Expr *element, const Dim *extent) {
  int64_t known;
  if (dim_is_const(extent, &known) && known > 0) return element;
  Expr *some = expr_compare(nest->k, COMPARE_GT, expr_dim(nest->k, extent), expr_index(nest->k, 0));
  return expr_select(nest->k, some, element, expr_number(nest->k, element->dtype, 0));
}

static Expr *gather_element(Nest *nest, const Op *op, const Affine *const *index) {
  const Type *table = op->operands[0]->type;
  int index_rank = op->operands[1]->type->rank, count = op->attr.gather.axis_count,
      rest = index_rank;
  const Affine *inner[MAX_RANK] = {0};
  for (int i = 0; i < count; i++) {
    int axis = op->attr.gather.axes[i];
    inner[axis] = nest_place(nest, op->operands[1 + i], index, table->shape[axis]);
  }
  for (int i = 0; i < table->rank; i++)
    if (!inner[i]) inner[i] = index[rest++];
  Expr *element = nest_element(nest, op->operands[0], inner, false);
  for (int i = 0; i < count; i++)
    if (!iota_within(op->operands[1 + i], table->shape[op->attr.gather.axes[i]]))
      element = unless_empty(nest, element, table->shape[op->attr.gather.axes[i]]);
  return element;
}

static Expr *slice_element(Nest *nest, const Op *op, const Affine *const *index) {
  const Type *from = op->operands[0]->type, *to = op->results[0]->type;
  const Affine *inner[MAX_RANK];
  for (int i = 0; i < from->rank; i++) {
    Expr *start = nest_element(nest, op->operands[1 + i], NULL, false);
    const Affine *first = nest_clamp(nest, start, from->shape[i], to->shape[i]);
    inner[i] = affine_add(nest->module, first, index[i]);
  }
  return nest_element(nest, op->operands[0], inner, false);
}

// --- sources
// --------------------------------------------------------------------------------------

static Expr *const_element(Nest *nest, const Op *op) {
  Dtype dtype = op->results[0]->type->dtype;
  REQUIRE(!op->attr.constant.reals && !op->attr.constant.integers, "dense constant without a home");
  return dtype_is_float(dtype) ? expr_real(nest->k, dtype, op->attr.constant.real)
                               : expr_integer(nest->k, dtype, op->attr.constant.integer);
}

// Entry e of a random tensor uses counter + e, where e counts the axes its key and counter do not
// have.
static Expr *random_element(Nest *nest, const Op *op, const Affine *const *index) {
  const Type *type = op->results[0]->type;
  RandomKind kind = op->attr.random.kind;
  Expr *arguments[3];
  int first = 0;
  for (int i = 0; i < op->operand_count; i++) {
    if (op->operands[i]->type->rank > first) first = op->operands[i]->type->rank;
    arguments[i] = nest_element(nest, op->operands[i], index, false);
  }
  if (kind != RANDOM_FOLD) {
    const Affine *entry = flat_of_axes(nest, type, first, type->rank, index);
    nest_record(nest, entry, DT_I64);
    arguments[1] = expr_add(nest->k, arguments[1], nest_index(nest, entry));
  }
  return expr_random(nest->k, kind, type->dtype, arguments, op->operand_count);
}

static Expr *outer_product(Nest *nest, const Op *op, const Affine *const *index) {
  Space space = {.rank = op->results[0]->type->rank};
  for (int i = 0; i < space.rank; i++) space.index[i] = index[i];
  Expr *left = dot_operand(nest, op, &space, true);
  return expr_binary(nest->k, OP_MUL, left, dot_operand(nest, op, &space, false));
}

static Expr *elementwise(Nest *nest, const Op *op, const Affine *const *index) {
  Expr *x[3] = {0};
  REQUIRE(op->operand_count <= 3, "elementwise op with %d operands", op->operand_count);
  for (int i = 0; i < op->operand_count; i++)
    x[i] = nest_element(nest, op->operands[i], index, false);
  switch (op->code) {
  case OP_STOP:
    return x[0];
  case OP_CONVERT:
    return expr_convert(nest->k, x[0], op->results[0]->type->dtype);
  case OP_COMPARE:
    return expr_compare(nest->k, op->attr.compare.op, x[0], x[1]);
  case OP_SELECT:
    return expr_select(nest->k, x[0], x[1], x[2]);
  default:
    return op->operand_count == 1 ? expr_unary(nest->k, op->code, x[0])
                                  : expr_binary(nest->k, op->code, x[0], x[1]);
  }
}

static Expr *compute_element(Nest *nest, const Op *op, const Affine *const *index) {
  switch (op->code) {
  case OP_CONST:
    return const_element(nest, op);
  case OP_IOTA: {
    const Affine *place = index[op->attr.iota.axis];
    nest_record(nest, place, op->results[0]->type->dtype);
    return expr_convert(nest->k, nest_index(nest, place), op->results[0]->type->dtype);
  }
  case OP_DIM:
    return expr_dim(nest->k, op->attr.dim.dim);
  case OP_RANDOM:
    return random_element(nest, op, index);
  case OP_VIEW:
    return view_element(nest, op, index);
  case OP_RESHAPE:
    return reshape_element(nest, op, index);
  case OP_GATHER:
    return gather_element(nest, op, index);
  case OP_DYNAMIC_SLICE:
    return slice_element(nest, op, index);
  case OP_DOT:
    return outer_product(nest, op, index);
  default:
    break;
  }
  REQUIRE(op_table[op->code].group == GROUP_ELEMENTWISE, "'%s' has no element form",
          op_table[op->code].text);
  return elementwise(nest, op, index);
}

static bool same_index(const Affine *const *a, const Affine *const *b, int rank) {
  for (int i = 0; i < rank; i++)
    if (!affine_equal(a[i], b[i])) return false;
  return true;
}

Expr *nest_element(Nest *nest, Value *v, const Affine *const *index, bool compute) {
  const ValueInfo *info = value_info(nest->lowering, v);
  if (info->counter) return nest_counter(nest, info->counter - 1);
  if (info->homed && !compute) return nest_load_at(nest, &info->home, v->type, index);
  REQUIRE(v->op, "parameter without a home");
  Element *made = map_get(nest->memo, v);
  for (Element *e = made; e; e = e->next)
    if (same_index(e->index, index, v->type->rank)) return e->expr;
  nest_narrow(nest, v->type->dtype);
  Element *element = ARENA_NEW(nest->arena, Element);
  if (v->type->rank)
    element->index = arena_copy(nest->arena, index, (size_t)v->type->rank * sizeof *index);
  element->expr = compute_element(nest, v->op, index);
  element->next = map_get(nest->memo, v);
  map_put(nest->memo, v, element);
  return element->expr;
}
