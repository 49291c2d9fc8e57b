// From items to kernels.
#include "loop/lower_internal.h"

static const char *item_name(const Item *item) {
  switch (item->kind) {
  case ITEM_MAP:
    return item->op ? op_table[item->op->code].text : item->value ? "copy" : "clear";
  case ITEM_CLEAR_ROWS:
    return "clear_rows";
  case ITEM_COUNT:
    return "count";
  case ITEM_NOTE:
    return "note";
  case ITEM_RANGE:
    return "range";
  default:
    return op_table[item->op->code].text;
  }
}

static void launch(Lowering *l, const Nest *nest, Kernel *kernel) {
  Step *step = ARENA_NEW(l->arena, Step);
  step->kind = STEP_LAUNCH;
  step->counter = -1;
  step->kernel = kernel;
  for (size_t i = 0; i < nest->buffers.count; i++) {
    BufferUse use = {nest->buffers.data[i], -1, NULL};
    VEC_PUSH(l->arena, &step->buffers, use);
  }
  for (size_t i = 0; i < nest->scalars.count; i++)
    VEC_PUSH(l->arena, &step->scalars, nest->scalars.data[i]);
  VEC_PUSH(l->arena, l->steps, step);
  VEC_PUSH(l->arena, &l->schedule->kernels, kernel);
}

void lower_flush(Lowering *l) {
  for (size_t i = 0; i < l->items.count; i++) {
    const Item *item = l->items.data[i];
    Nest nest = nest_create(l, item_name(item), item->span);
    lower_item(&nest, item, NULL);
    launch(l, &nest, kernel_finish(nest.k));
  }
  l->items.count = 0;
}
