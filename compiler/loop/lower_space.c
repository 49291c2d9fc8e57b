// Iteration spaces: which loops an item needs, and how its uses run along them.
//
// Merging is decided on a scratch kernel, whose recorded uses show for every axis the stride of
// every load and store. Choices depend on dims only as polynomials, and never change the order of a
// sum.
#include "loop/lower_internal.h"

static const Dim *factor_of(const LinearUse *use, const Expr *axis, const Dim *zero) {
  const Dim *factor = affine_factor(use->flat, axis);
  return factor ? factor : zero;
}

// Whether axis a may be merged with axis b, the outermost original axis of the loop that follows.
static bool mergeable(const Nest *probe, const Space *space, const Dim *extent, Expr *const *axes,
                      int a, int b) {
  DimTable *dims = probe->module->dims;
  const Dim *zero = dim_const(dims, 0);
  if (space->classes[a] != space->classes[b]) return false;
  for (size_t i = 0; i < probe->uses.count; i++) {
    const LinearUse *use = &probe->uses.data[i];
    const Dim *inner = factor_of(use, axes[b], zero);
    if (factor_of(use, axes[a], zero) != dim_mul(dims, inner, extent)) return false;
  }
  return true;
}

static void choose_axes(Nest *probe, Space *space, const RowRange *range, Expr *const *axes) {
  DimTable *dims = probe->module->dims;
  const Dim *one = dim_const(dims, 1), *front_extent = one;
  int fixed = range ? range->axis : -1, head = -1, front = -1;
  for (int i = space->rank - 1; i >= 0; i--) {
    const Dim *extent = space->extents[i];
    space->gone[i] = i != fixed && extent == one;
    if (space->gone[i]) continue;
    if (head >= 0 && i != fixed && head != fixed &&
        mergeable(probe, space, front_extent, axes, i, front)) {
      space->gone[i] = true;
      space->extents[head] = dim_mul(dims, extent, space->extents[head]);
    } else {
      head = i;
    }
    front = i;
    front_extent = extent;
  }
}

void space_prepare(Nest *nest, Space *space, Span span, const RowRange *range, SpaceProbe probe,
                   void *self) {
  Module *module = nest->module;
  Nest scratch = nest_create(nest->lowering, "probe", span);
  Expr *axes[MAX_AXES];
  const Dim *zero = dim_const(module->dims, 0), *one = dim_const(module->dims, 1);
  for (int i = 0; i < space->rank; i++) {
    axes[i] = expr_axis(scratch.k, kernel_axis(scratch.k, "i"));
    bool unit = space->extents[i] == one && !(range && range->axis == i);
    space->index[i] = unit ? affine_const(module, zero) : affine_variable(module, axes[i]);
  }
  probe(&scratch, self, space);
  choose_axes(&scratch, space, range, axes);
  static const char *const names[] = {"i", "j", "k", "l", "m", "n", "o", "p"};
  for (int i = 0, made = 0; i < space->rank; i++) {
    space->index[i] = affine_const(module, zero);
    if (space->gone[i]) continue;
    space->axes[i] = kernel_axis(nest->k, names[made++ % 8]);
    space->index[i] = affine_variable(module, expr_axis(nest->k, space->axes[i]));
    space->low[i] = range && range->axis == i ? range->low : expr_index(nest->k, 0);
    space->high[i] = range && range->axis == i ? range->high : expr_dim(nest->k, space->extents[i]);
  }
  nest->lanes = scratch.lanes;
  nest->uses.count = 0;
  probe(nest, self, space);
}

void space_open(Nest *nest, const Space *space, int axis, ForMode mode, int unroll) {
  kernel_for_general(nest->k, space->axes[axis], space->low[axis], space->high[axis], 1, mode,
                     mode == FOR_VECTOR ? nest->lanes : 1, unroll);
}

static void probe_item(Nest *nest, void *self, Space *space) {
  item_probe(nest, self, space);
}

void space_prepare_item(Nest *nest, Space *space, const Item *item, const RowRange *range) {
  Item copy = *item;
  space_prepare(nest, space, item->span, range, probe_item, &copy);
}

int space_last(const Space *space) {
  int last = space->rank - 1;
  while (last >= 0 && space->gone[last]) last--;
  return last;
}

int space_stride(const Nest *nest, const Space *space, int axis) {
  const Dim *one = dim_const(nest->module->dims, 1);
  int stride = 0;
  for (size_t i = 0; i < nest->uses.count && !space->gone[axis]; i++) {
    const LinearUse *use = &nest->uses.data[i];
    if (!use->load) continue;
    for (int t = 0; t < use->flat->count; t++) {
      const AffineTerm *term = &use->flat->terms[t];
      if (!expr_uses_axis(term->variable, space->axes[axis])) continue;
      if (term->variable->kind != EXPRESSION_AXIS || term->factor != one) return -1;
      stride = 1;
    }
  }
  return stride;
}

void space_blocks(Nest *nest, Space *space, int axis,
                  void (*body)(void *self, const Affine *row, int rows), void *self) {
  KernelBuilder *k = nest->k;
  const Affine *saved = space->index[axis];
  Expr *low = space->low[axis], *high = space->high[axis];
  Expr *blocks = expr_binary(k, OP_DIV, expr_sub(k, high, low), expr_index(k, ROW_BLOCK));
  Expr *middle = expr_add(k, low, expr_mul(k, blocks, expr_index(k, ROW_BLOCK)));
  Axis *tail = kernel_axis(k, space->axes[axis]->name);
  kernel_for_general(k, space->axes[axis], low, middle, ROW_BLOCK, FOR_SERIAL, 1, 1);
  body(self, saved, ROW_BLOCK);
  kernel_end(k);
  kernel_for_general(k, tail, middle, high, 1, FOR_SERIAL, 1, 1);
  space->index[axis] = affine_variable(nest->module, expr_axis(k, tail));
  body(self, space->index[axis], 1);
  kernel_end(k);
  space->index[axis] = saved;
}
