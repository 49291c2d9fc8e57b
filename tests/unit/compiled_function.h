// Runs a function of tensor IR through lowering, planning and machine code, on tensors of the
// interpreter.
//
// Enters: a function, values of its dims, arguments. Leaves: results as tensors, converted back
// from memory.
#ifndef BLO_TESTS_COMPILED_FUNCTION_H
#define BLO_TESTS_COMPILED_FUNCTION_H

#include "common/dims.h"
#include "common/place.h"
#include "emit/emit.h"
#include "ir/bug.h"
#include "ir/passes.h"
#include "loop/lower.h"
#include <stdlib.h>
#include <string.h>

typedef struct DimValue {
  const char *name;
  int64_t value;
} DimValue;

typedef struct Compiled {
  const Func *func;
  Schedule *schedule;
  Plan *plan;
  EmitCode *code;
  blo_function run;
  const DimValue *dims;
  size_t dim_count;
} Compiled;

// Lowers and plans; the code is still to be made.
static Compiled lower_function(Arena *arena, const Func *func, const DimValue *dims,
                               size_t dim_count, const LowerOptions *options, const Name *atoms) {
  Compiled c = {.func = func, .dims = dims, .dim_count = dim_count};
  c.schedule = lower_func(func, options);
  const char *message = schedule_verify(arena, c.schedule);
  REQUIRE(!message, "%s", message);
  c.plan = plan_schedule(c.schedule, atoms, dim_count);
  message = schedule_verify(arena, c.schedule);
  REQUIRE(!message, "%s", message);
  return c;
}

/// Functions of one module in one piece of code, each by its own options; `compiled` gets one row
/// each, and the first one's code is everybody's.
static void compile_functions(Arena *arena, Func *const *funcs, const LowerOptions *options,
                              size_t count, const DimValue *dims, size_t dim_count, bool plain,
                              Compiled *compiled) {
  Name *atoms = ARENA_ARRAY(arena, Name, dim_count + 1);
  for (size_t i = 0; i < dim_count; i++) atoms[i] = intern(funcs[0]->module->names, dims[i].name);
  EmitOptions emit_options = {.verify = true, .plain = plain};
  EmitModule *module = emit_create(arena, &emit_options, atoms, dim_count);
  for (size_t i = 0; i < count; i++) {
    compiled[i] = lower_function(arena, funcs[i], dims, dim_count, &options[i], atoms);
    emit_schedule(module, compiled[i].schedule, compiled[i].plan);
  }
  char *failure = NULL;
  EmitCode *code = emit_jit(module, &failure);
  REQUIRE(code, "%s", failure);
  for (size_t i = 0; i < count; i++) {
    compiled[i].code = code;
    compiled[i].run = emit_code_find(code, funcs[i]->name);
    REQUIRE(compiled[i].run, "no entry %s", funcs[i]->name);
  }
}

static inline Compiled compile_function(Arena *arena, Func *func, const DimValue *dims,
                                        size_t dim_count, const LowerOptions *options) {
  Compiled c;
  compile_functions(arena, &func, options, 1, dims, dim_count, false, &c);
  return c;
}

static int64_t dim_number(const Compiled *c, const Dim *dim, Arena *arena) {
  Name atoms[16];
  int64_t values[16], result = 0;
  for (size_t i = 0; i < c->dim_count; i++) {
    atoms[i] = intern(c->func->module->names, c->dims[i].name);
    values[i] = c->dims[i].value;
  }
  const int64_t *words;
  size_t count = dim_compile(arena, dim, atoms, c->dim_count, &words);
  REQUIRE(blo_dims_evaluate(words, count, values, c->dim_count, &result), "a dim has no value");
  return result;
}

static float bits_to_float(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static void store_element(void *memory, Dtype dtype, int64_t i, const Tensor *t) {
  switch (dtype) {
  case DT_F64:
    ((double *)memory)[i] = t->reals[i];
    break;
  case DT_F32:
    ((float *)memory)[i] = (float)t->reals[i];
    break;
  case DT_F16:
    ((_Float16 *)memory)[i] = (_Float16)t->reals[i];
    break;
  case DT_BF16: {
    float value = (float)t->reals[i];
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    ((uint16_t *)memory)[i] = (uint16_t)(bits >> 16);
    break;
  }
  case DT_I32:
    ((int32_t *)memory)[i] = (int32_t)t->integers[i];
    break;
  case DT_I64:
    ((int64_t *)memory)[i] = t->integers[i];
    break;
  default:
    ((uint8_t *)memory)[i] = (uint8_t)t->integers[i];
    break;
  }
}

static void load_element(const void *memory, Dtype dtype, int64_t i, Tensor *t) {
  switch (dtype) {
  case DT_F64:
    t->reals[i] = ((const double *)memory)[i];
    break;
  case DT_F32:
    t->reals[i] = (double)((const float *)memory)[i];
    break;
  case DT_F16:
    t->reals[i] = (double)((const _Float16 *)memory)[i];
    break;
  case DT_BF16:
    t->reals[i] = (double)bits_to_float((uint32_t)((const uint16_t *)memory)[i] << 16);
    break;
  case DT_I32:
    t->integers[i] = ((const int32_t *)memory)[i];
    break;
  case DT_I64:
    t->integers[i] = ((const int64_t *)memory)[i];
    break;
  default:
    t->integers[i] = ((const uint8_t *)memory)[i];
    break;
  }
}

/// Runs the compiled entry; `notes` has room for all notes of the module. The workspace is filled
/// with a pattern first, so that reading what was not written shows.
static void run_compiled(const Compiled *c, Arena *arena, Tensor *const *arguments,
                         Tensor **results, int64_t *notes) {
  const Block *body = c->func->body;
  size_t slots = c->plan->slot_count;
  int64_t *bytes = ARENA_ARRAY(arena, int64_t, 4 * slots + 4), *first = bytes + slots,
          *last = first + slots, *offsets = last + slots, total = 0, dims[16];
  for (size_t i = 0; i < c->dim_count; i++) dims[i] = c->dims[i].value;
  for (size_t i = 0; i < slots; i++) {
    const blo_buffer *slot = &c->plan->slots[i];
    REQUIRE(blo_dims_evaluate(slot->bytes.words, slot->bytes.count, dims, c->dim_count, &bytes[i]),
            "a slot has no size");
    first[i] = slot->first;
    last[i] = slot->last;
  }
  REQUIRE(blo_place(bytes, first, last, slots, offsets, &total), "placement failed");
  char *workspace = aligned_alloc(64, (size_t)total + 64);
  memset(workspace, 0xfb, (size_t)total + 64);
  const void **inputs = ARENA_ARRAY(arena, const void *, body->params.count + 1);
  void **outputs = ARENA_ARRAY(arena, void *, body->yields.count + 1);
  for (size_t i = 0; i < body->params.count; i++) {
    const Tensor *t = arguments[i];
    void *memory = malloc((size_t)t->count * dtype_bytes(t->dtype) + 1);
    for (int64_t k = 0; k < t->count; k++) store_element(memory, t->dtype, k, t);
    inputs[i] = memory;
  }
  for (size_t i = 0; i < body->yields.count; i++) {
    const Type *type = body->yields.data[i]->type;
    int64_t shape[MAX_RANK];
    for (int k = 0; k < type->rank; k++) shape[k] = dim_number(c, type->shape[k], arena);
    results[i] = tensor_create(arena, type->dtype, type->rank, shape);
    size_t size = ((size_t)results[i]->count * dtype_bytes(type->dtype) + 64) / 64 * 64;
    outputs[i] = aligned_alloc(64, size);
    memset(outputs[i], 0xfb, size);
  }
  int stop = 0;
  blo_call call = {.dims = dims,
                   .inputs = inputs,
                   .outputs = outputs,
                   .workspace = workspace,
                   .offsets = offsets,
                   .notes = notes,
                   .stop = &stop};
  int32_t status = c->run(&call);
  REQUIRE(status == BLO_OK, "the entry returned %d", status);
  for (size_t i = 0; i < body->yields.count; i++) {
    for (int64_t k = 0; k < results[i]->count; k++)
      load_element(outputs[i], results[i]->dtype, k, results[i]);
    free(outputs[i]);
  }
  for (size_t i = 0; i < body->params.count; i++) free((void *)(uintptr_t)inputs[i]);
  free(workspace);
}

#endif
