// Items that write to places given by maps or data, and the small ones around control.
//
// Scattered sums run in the order of the updates, so their bits do not depend on anything but the
// data. Lanes are used only along axes whose places are distinct.
#include "loop/lower_internal.h"

static void open_all(Nest *nest, const Space *space, int vector, int *opened) {
  for (int i = 0; i < space->rank; i++) {
    if (space->gone[i]) continue;
    space_open(nest, space, i, i == vector ? FOR_VECTOR : FOR_SERIAL, 1);
    ++*opened;
  }
}

static Value *source_of(const Item *item) {
  return item->value;
}

static Expr *load_scalar(Nest *nest, const Access *access) {
  return nest_load_at(nest, access, type_scalar(nest->module, DT_I64), NULL);
}

static Expr *source_element(Nest *nest, const Item *item, const Space *space) {
  return nest_element(nest, source_of(item), space->index, false);
}

// --- unview
// ---------------------------------------------------------------------------------------

// Axes of the source that do not move the place: their entries are summed first.
static bool is_summed(const Item *item, int axis) {
  const IndexMap *map = &item->op->attr.map;
  for (int i = 0; i < map->in_rank; i++)
    if (map->matrix[i * map->out_rank + axis]) return false;
  return true;
}

static void unview_place(Nest *nest, const Item *item, const Space *space, const Affine **place) {
  const IndexMap *map = &item->op->attr.map;
  Module *module = nest->module;
  for (int i = 0; i < map->in_rank; i++) {
    place[i] = affine_const(module, map->offset[i]);
    for (int j = 0; j < map->out_rank; j++) {
      const Dim *factor = dim_const(module->dims, map->matrix[i * map->out_rank + j]);
      place[i] = affine_add(module, place[i], affine_scale(module, space->index[j], factor));
    }
  }
}

// --- scatter and update
// ---------------------------------------------------------------------------

static void scatter_place(Nest *nest, const Item *item, const Space *space, const Affine **place) {
  const Op *op = item->op;
  int rest = op->operands[2]->type->rank;
  for (int i = 0; i < item->type->rank; i++) place[i] = NULL;
  for (int i = 0; i < op->attr.gather.axis_count; i++) {
    int axis = op->attr.gather.axes[i];
    place[axis] = nest_place(nest, op->operands[2 + i], space->index, item->type->shape[axis]);
  }
  for (int i = 0; i < item->type->rank; i++)
    if (!place[i]) place[i] = space->index[rest++];
}

static void update_place(Nest *nest, const Item *item, const Space *space, const Affine **place) {
  const Type *part = source_of(item)->type;
  for (int i = 0; i < item->type->rank; i++) {
    Expr *start = nest_element(nest, item->op->operands[2 + i], NULL, false);
    const Affine *first = nest_clamp(nest, start, item->type->shape[i], part->shape[i]);
    place[i] = affine_add(nest->module, first, space->index[i]);
  }
}

void accumulate_place(Nest *nest, const Item *item, const Space *space, const Affine **place) {
  if (item->kind == ITEM_UNVIEW) unview_place(nest, item, space, place);
  if (item->kind == ITEM_SCATTER) scatter_place(nest, item, space, place);
  if (item->kind == ITEM_UPDATE) update_place(nest, item, space, place);
}

static const Affine *place_flat(Nest *nest, const Item *item, const Space *space) {
  const Affine *place[MAX_RANK];
  accumulate_place(nest, item, space, place);
  return nest_flat(nest, &item->target, item->type, place);
}

// A table without entries takes no updates, wherever they point.
static int open_unless_empty(Nest *nest, const Item *item) {
  const Attr *attr = &item->op->attr;
  int opened = 0;
  for (int i = 0; i < attr->gather.axis_count; i++) {
    const Dim *extent = item->type->shape[attr->gather.axes[i]];
    int64_t value;
    if (dim_is_const(extent, &value) && value > 0) continue;
    if (iota_within(item->op->operands[2 + i], extent)) continue;
    kernel_if(nest->k,
              expr_compare(nest->k, COMPARE_GT, expr_dim(nest->k, extent), expr_index(nest->k, 0)));
    opened++;
  }
  return opened;
}

static void lower_unview(Nest *nest, const Item *item, const RowRange *range) {
  Space space = item_space(item);
  for (int i = 0; i < space.rank; i++) space.classes[i] = is_summed(item, i);
  space_prepare_item(nest, &space, item, range);
  int vector = space_last(&space), opened = 0, summed = 0;
  for (int i = 0; i < space.rank; i++) {
    if (space.gone[i] || space.classes[i]) continue;
    if (i == vector) continue;
    space_open(nest, &space, i, FOR_SERIAL, 1);
    opened++;
  }
  if (vector >= 0 && !space.classes[vector])
    space_open(nest, &space, vector, FOR_VECTOR, 1), opened++;
  Register *sum = NULL;
  for (int i = 0; i < space.rank; i++)
    if (!space.gone[i] && space.classes[i]) {
      if (!sum) sum = kernel_declare(nest->k, expr_number(nest->k, item->type->dtype, 0));
      space_open(nest, &space, i, i == vector ? FOR_VECTOR : FOR_SERIAL, 1);
      summed++;
    }
  Expr *value = source_element(nest, item, &space);
  if (sum) {
    kernel_accumulate(nest->k, sum, OP_ADD, value);
    nest_close(nest, summed);
    value = expr_register(nest->k, sum);
  }
  nest_store(nest, &item->target, place_flat(nest, item, &space), value, true);
  nest_close(nest, opened);
}

static void lower_scatter(Nest *nest, const Item *item, const RowRange *range) {
  Space space = item_space(item);
  int index_rank = item->op->operands[2]->type->rank;
  for (int i = 0; i < space.rank; i++) space.classes[i] = i >= index_rank;
  int opened = open_unless_empty(nest, item);
  space_prepare_item(nest, &space, item, range);
  int last = space_last(&space);
  open_all(nest, &space, last >= index_rank ? last : -1, &opened);
  nest_store(nest, &item->target, place_flat(nest, item, &space),
             source_element(nest, item, &space), true);
  nest_close(nest, opened);
}

static void lower_update(Nest *nest, const Item *item, const RowRange *range) {
  Space space = item_space(item);
  int opened = 0;
  space_prepare_item(nest, &space, item, range);
  open_all(nest, &space, space_last(&space), &opened);
  nest_store(nest, &item->target, place_flat(nest, item, &space),
             source_element(nest, item, &space), item->op->attr.update.accumulate);
  nest_close(nest, opened);
}

void probe_accumulate(Nest *nest, const Item *item, Space *space) {
  if (item->kind == ITEM_COUNT) nest_element(nest, item->value, NULL, false);
  if (item->kind == ITEM_CLEAR_ROWS) load_scalar(nest, &item->limit);
  if (item->kind == ITEM_COUNT || item->kind == ITEM_CLEAR_ROWS) return;
  source_element(nest, item, space);
  nest_record(nest, place_flat(nest, item, space), item->type->dtype);
}

void lower_accumulate(Nest *nest, const Item *item, const RowRange *range) {
  switch (item->kind) {
  case ITEM_UNVIEW:
    lower_unview(nest, item, range);
    break;
  case ITEM_SCATTER:
    lower_scatter(nest, item, range);
    break;
  default:
    lower_update(nest, item, range);
    break;
  }
}

// --- around control
// -------------------------------------------------------------------------------

static void lower_clear_rows(Nest *nest, const Item *item) {
  KernelBuilder *k = nest->k;
  DimTable *dims = nest->module->dims;
  const Dim *entries = dim_const(dims, 1);
  for (int i = 1; i < item->type->rank; i++) entries = dim_mul(dims, entries, item->type->shape[i]);
  Access access = item->target;
  Axis *row = kernel_axis(k, "row"), *entry = kernel_axis(k, "i");
  nest_narrow(nest, item->type->dtype);
  kernel_for_general(k, row, load_scalar(nest, &item->limit), expr_dim(k, item->type->shape[0]), 1,
                     FOR_SERIAL, 1, 1);
  kernel_for_general(k, entry, expr_index(k, 0), expr_dim(k, entries), 1, FOR_VECTOR, nest->lanes,
                     1);
  const Affine *flat = nest_flat(nest, &access, type_scalar(nest->module, DT_I64), NULL);
  const Affine *start = affine_variable(nest->module, expr_axis(k, row));
  flat = affine_add(nest->module, flat, affine_scale(nest->module, start, entries));
  flat = affine_add(nest->module, flat, affine_variable(nest->module, expr_axis(k, entry)));
  nest_store(nest, &access, flat, expr_number(k, item->type->dtype, 0), false);
  kernel_end(k);
  kernel_end(k);
}

static void lower_count(Nest *nest, const Item *item) {
  KernelBuilder *k = nest->k;
  Expr *count = nest_element(nest, item->value, NULL, false);
  if (item->extent) count = expr_binary(k, OP_MIN, count, expr_dim(k, item->extent));
  count = expr_binary(k, OP_MAX, count, expr_index(k, 0));
  nest_store(nest, &item->target, nest_flat(nest, &item->target, item->type, NULL), count, false);
}

Expr *note_condition(Nest *nest, const Item *item, const Space *space) {
  KernelBuilder *k = nest->k;
  Expr *value = source_element(nest, item, space);
  if (item->kind == ITEM_NOTE) return value;
  value = expr_convert(k, value, DT_I64);
  Expr *below = expr_compare(k, COMPARE_LT, value, expr_index(k, 0));
  Expr *above = expr_compare(k, COMPARE_GE, value, expr_dim(k, item->extent));
  return expr_binary(k, OP_OR, below, above);
}

// One count when the condition holds anywhere.
static void lower_note(Nest *nest, const Item *item, const RowRange *range) {
  KernelBuilder *k = nest->k;
  Space space = item_space(item);
  int opened = 0;
  space_prepare_item(nest, &space, item, range);
  if (space_last(&space) < 0) {
    kernel_note(k, item->number, note_condition(nest, item, &space));
    return;
  }
  Register *any = kernel_declare(k, expr_integer(k, DT_BOOL, 0));
  open_all(nest, &space, space_last(&space), &opened);
  kernel_accumulate(k, any, OP_OR, note_condition(nest, item, &space));
  nest_close(nest, opened);
  kernel_note(k, item->number, expr_register(k, any));
}

void lower_small(Nest *nest, const Item *item, const RowRange *range) {
  switch (item->kind) {
  case ITEM_CLEAR_ROWS:
    lower_clear_rows(nest, item);
    break;
  case ITEM_COUNT:
    lower_count(nest, item);
    break;
  case ITEM_NOTE:
  case ITEM_RANGE:
    lower_note(nest, item, range);
    break;
  default:
    BUG("item %d is not lowered", (int)item->kind);
  }
}
