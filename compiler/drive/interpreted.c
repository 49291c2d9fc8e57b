// The interpreter behind the call convention of compiled entries. See interpreted.h.
#include "drive/interpreted.h"

#include "ir/bug.h"
#include "ir/passes.h"

#include <string.h>

typedef struct Interpreted {
  const Built *built;
  const Func *func;
} Interpreted;

typedef struct DimValues {
  const Built *built;
  const int64_t *values;
} DimValues;

void *interpreted_create(Arena *arena, const Built *built, size_t entry) {
  Interpreted *self = ARENA_NEW(arena, Interpreted);
  *self = (Interpreted){built, built->funcs[entry]};
  return self;
}

static bool dim_value(void *self, Name name, int64_t *value) {
  const DimValues *dims = self;
  for (size_t i = 0; i < dims->built->atom_count; i++)
    if (dims->built->atoms[i] == name) return *value = dims->values[i], true;
  return false;
}

// One row per dtype that a program can hold in memory.
#define EACH_DTYPE(FLOAT, INTEGER)                                                                 \
  FLOAT(DT_F32, float)                                                                             \
  FLOAT(DT_F64, double)                                                                            \
  INTEGER(DT_I32, int32_t)                                                                         \
  INTEGER(DT_I64, int64_t)                                                                         \
  INTEGER(DT_U8, uint8_t)                                                                          \
  INTEGER(DT_BOOL, uint8_t)

static void read_array(Tensor *tensor, const void *array) {
  switch (tensor->dtype) {
#define FLOAT(dtype, type)                                                                         \
  case dtype:                                                                                      \
    for (int64_t i = 0; i < tensor->count; i++)                                                    \
      tensor->reals[i] = (double)((const type *)array)[i];                                         \
    break;
#define INTEGER(dtype, type)                                                                       \
  case dtype:                                                                                      \
    for (int64_t i = 0; i < tensor->count; i++) tensor->integers[i] = ((const type *)array)[i];    \
    break;
    EACH_DTYPE(FLOAT, INTEGER)
#undef FLOAT
#undef INTEGER
  default:
    BUG("no arrays of %s at the boundary of an entry", dtype_text(tensor->dtype));
  }
}

static void write_array(const Tensor *tensor, void *array) {
  switch (tensor->dtype) {
#define FLOAT(dtype, type)                                                                         \
  case dtype:                                                                                      \
    for (int64_t i = 0; i < tensor->count; i++) ((type *)array)[i] = (type)tensor->reals[i];       \
    break;
#define INTEGER(dtype, type)                                                                       \
  case dtype:                                                                                      \
    for (int64_t i = 0; i < tensor->count; i++) ((type *)array)[i] = (type)tensor->integers[i];    \
    break;
    EACH_DTYPE(FLOAT, INTEGER)
#undef FLOAT
#undef INTEGER
  default:
    BUG("no arrays of %s at the boundary of an entry", dtype_text(tensor->dtype));
  }
}

static bool shape_of(const Type *type, DimValues *dims, int64_t *shape) {
  for (int k = 0; k < type->rank; k++)
    if (!dim_evaluate(type->shape[k], dim_value, dims, &shape[k])) return false;
  return true;
}

int32_t interpreted_run(const blo_call *call) {
  const Interpreted *self = call->self;
  const Block *body = self->func->body;
  DimValues dims = {self->built, call->dims};
  Arena *arena = arena_create();
  Interpretation run = {.arena = arena, .dim_value = dim_value, .self = &dims, .round = true};
  Tensor **arguments = ARENA_ARRAY(arena, Tensor *, body->params.count);
  Tensor **results = ARENA_ARRAY(arena, Tensor *, body->yields.count);
  int32_t status = BLO_OK;
  for (size_t i = 0; i < body->params.count && status == BLO_OK; i++) {
    const Type *type = body->params.data[i]->type;
    int64_t shape[MAX_RANK];
    if (!shape_of(type, &dims, shape)) {
      status = BLO_BAD_SHAPE;
      break;
    }
    arguments[i] = tensor_create(arena, type->dtype, type->rank, shape);
    read_array(arguments[i], call->inputs[i]);
  }
  if (status == BLO_OK && !ir_interpret(&run, self->func, arguments, results))
    status = BLO_NO_MEMORY;
  if (status == BLO_OK)
    for (size_t i = 0; i < body->yields.count; i++) write_array(results[i], call->outputs[i]);
  for (size_t i = 0; i < run.notes.count; i++) call->notes[run.notes.data[i]] += run.note_counts.data[i];
  arena_destroy(arena);
  return status;
}
