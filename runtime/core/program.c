// Reading a program's description: is it one this runtime can run, do its dims satisfy what it
// needs, and how much workspace does an entry take.
#include "common/dims.h"
#include "common/place.h"
#include "core/context.h"
#include <stdio.h>
#include <string.h>

static bool ranks_fit(const blo_value *values, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (values[i].rank < 0 || values[i].rank > BLO_MAX_RANK) return false;
    if (!blo_dtype_bytes(values[i].dtype)) return false;
  }
  return true;
}

// Does this CPU have what the code was compiled for? Unknown names are taken on trust.
static bool cpu_fits(const char *target) {
#if defined(__x86_64__)
  bool v2 = __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt");
  bool v3 = v2 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
            __builtin_cpu_supports("bmi2");
  bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
            __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
  if (strcmp(target, "x86-64-v2") == 0) return v2;
  if (strcmp(target, "x86-64-v3") == 0) return v3;
  if (strcmp(target, "x86-64-v4") == 0) return v4;
#else
  (void)target;
#endif
  return true;
}

blo_status blo_check_program(blo_context *context, const blo_program *program) {
  if (!program) return blo_fail(context, BLO_BAD_ARGUMENT, "", "no program was given");
  if (program->abi != BLO_ABI || program->size < sizeof *program) {
    return blo_fail(context, BLO_BAD_ARGUMENT, "",
                    "the program was compiled for interface %d; this runtime has %d", program->abi,
                    BLO_ABI);
  }
  if (program->target && !cpu_fits(program->target)) {
    return blo_fail(context, BLO_DEVICE, "", "%s was compiled for %s, which this CPU is not",
                    program->name, program->target);
  }
  for (size_t i = 0; i < program->entry_count; i++) {
    const blo_entry *entry = &program->entries[i];
    if (!ranks_fit(entry->inputs, entry->input_count) ||
        !ranks_fit(entry->outputs, entry->output_count)) {
      return blo_fail(context, BLO_BAD_ARGUMENT, "", "entry `%s` has a tensor of rank above %d",
                      entry->name, BLO_MAX_RANK);
    }
  }
  for (size_t i = 0; i < program->data_count; i++) {
    const blo_data *data = &program->data[i];
    if (data->rank < 0 || data->rank > BLO_MAX_RANK || !blo_dtype_bytes(data->dtype)) {
      return blo_fail(context, BLO_BAD_ARGUMENT, "", "`%s` (%s) has rank above %d", data->name,
                      data->place, BLO_MAX_RANK);
    }
  }
  return BLO_OK;
}

bool blo_size_next_dim(const blo_size *size, size_t dim_count, size_t *at, size_t *dim) {
  while (*at < size->count) {
    int64_t operation = size->words[(*at)++];
    if (operation == BLO_DIM_ADD || operation == BLO_DIM_MUL || operation == BLO_DIM_MAX) continue;
    if (*at >= size->count) return false;
    int64_t operand = size->words[(*at)++];
    if (operation != BLO_DIM_ATOM || operand < 0 || (size_t)operand >= dim_count) continue;
    *dim = (size_t)operand;
    return true;
  }
  return false;
}

// "H = 30, W = 28" for the dims that occur in a size.
static void print_dims_of(char *text, size_t bytes, const blo_program *program,
                          const blo_size *size, const int64_t *dims) {
  size_t length = 0, at = 0, dim;
  text[0] = '\0';
  while (length < bytes && blo_size_next_dim(size, program->dim_count, &at, &dim)) {
    int written = snprintf(text + length, bytes - length, "%s%s = %lld", length ? ", " : "",
                           program->dims[dim], (long long)dims[dim]);
    if (written > 0) length += (size_t)written;
  }
}

blo_status blo_check_conditions(blo_context *context, const blo_program *program,
                                const int64_t *dims) {
  for (size_t i = 0; i < program->condition_count; i++) {
    const blo_condition *condition = &program->conditions[i];
    int64_t dividend = 0;
    bool known = blo_dims_evaluate(condition->dividend.words, condition->dividend.count, dims,
                                   program->dim_count, &dividend);
    bool holds = known && (condition->divisor ? dividend % condition->divisor == 0 : dividend >= 0);
    if (holds) continue;
    char values[256];
    print_dims_of(values, sizeof values, program, &condition->dividend, dims);
    return blo_fail(context, BLO_BAD_SHAPE, "E0601", "%s needs that %s, and %s", condition->place,
                    condition->text, values[0] ? values : "that does not hold");
  }
  return BLO_OK;
}

blo_status blo_place_entry(blo_context *context, const blo_entry *entry, const int64_t *dims,
                           size_t dim_count, int64_t *scratch, int64_t *offsets, size_t *total) {
  size_t count = entry->slot_count;
  int64_t *bytes = scratch, *first = scratch + count, *last = scratch + 2 * count;
  for (size_t i = 0; i < count; i++) {
    const blo_buffer *slot = &entry->slots[i];
    if (!blo_dims_evaluate(slot->bytes.words, slot->bytes.count, dims, dim_count, &bytes[i]) ||
        bytes[i] < 0 || bytes[i] > INT64_MAX - BLO_ALIGNMENT) {
      return blo_fail(context, BLO_BAD_SHAPE, "E0601",
                      "`%s` needs a tensor of a size that the dims do not give", entry->name);
    }
    first[i] = slot->first;
    last[i] = slot->last;
  }
  int64_t placed = 0;
  if (count && !blo_place(bytes, first, last, count, offsets, &placed)) {
    return blo_fail(context, BLO_NO_MEMORY, "", "`%s` needs more memory than can be addressed",
                    entry->name);
  }
  *total = (size_t)placed;
  return BLO_OK;
}
