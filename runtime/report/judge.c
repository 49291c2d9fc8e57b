// Judging points from outside. See judge.h.
#include "report/judge.h"
#include "core/instance.h"
#include "report/open.h"
#include <stdio.h>
#include <string.h>

static const double nothing = (double)__builtin_nanf("");

// ---- opening

static bool judges(const blo_program *program, size_t stage, char *name, size_t bytes) {
  snprintf(name, bytes, "%s.value", program->stages[stage].name);
  return blo_find_entry(program, name) != NULL;
}

static bool has_lower(const blo_stage *stage) {
  for (size_t i = 0; i < stage->step->output_count; i++)
    if (stage->step->outputs[i].role == BLO_ROLE_LOWER_OBJECTIVE) return true;
  return false;
}

static blo_status choose_stage(blo_context *context, Runner *runner) {
  const blo_program *program = runner->program;
  bool found = false;
  for (size_t s = 0; s < program->stage_count; s++) {
    char name[sizeof runner->entry];
    if (!judges(program, s, name, sizeof name)) continue;
    if (found && has_lower(&program->stages[runner->stage]) && !has_lower(&program->stages[s]))
      continue;
    found = true;
    runner->stage = s;
    memcpy(runner->entry, name, sizeof name);
  }
  if (found) return BLO_OK;
  return blo_fail(context, BLO_BAD_ARGUMENT, "", "%s has no levels to run", program->name);
}

// Where the entry's outputs go: numbers by their index, hypergradients to arrays.
static blo_status place_outputs(blo_context *context, Runner *runner) {
  const blo_entry *entry = blo_find_entry(runner->program, runner->entry);
  const int64_t *dims = runner->instance->dims;
  size_t dim_count = runner->program->dim_count, bytes = 0;
  runner->outputs = blo_allocate_array(context, entry->output_count, sizeof *runner->outputs);
  size_t *offsets = blo_allocate_array(context, entry->output_count, sizeof *offsets);
  bool good = runner->outputs && offsets;
  for (size_t i = 0; i < entry->output_count && good; i++) {
    const blo_value *value = &entry->outputs[i];
    size_t size = 0;
    runner->outputs[i] = (blo_array){value->name, value->dtype, value->rank, {0}, NULL};
    good =
        blo_shape_evaluate(value->shape, value->rank, dims, dim_count, runner->outputs[i].shape) &&
        blo_tensor_bytes(value->shape, value->rank, value->dtype, dims, dim_count, &size);
    offsets[i] = bytes;
    good = good && blo_add_bytes(bytes, size, &bytes);
  }
  if (good) runner->buffers = blo_allocate(context, bytes + 1);
  good = good && runner->buffers;
  for (size_t i = 0; i < entry->output_count && good; i++) {
    int32_t index = entry->outputs[i].index;
    bool number = index >= 0 && index < JUDGED_COUNT;
    runner->outputs[i].data =
        number ? (void *)&runner->numbers[index] : (char *)runner->buffers + offsets[i];
  }
  blo_release(context, offsets);
  return good ? BLO_OK : BLO_NO_MEMORY;
}

blo_status blo_runner_open(blo_context *context, const blo_program *program, blo_data_set *data,
                           const blo_dim *dims, size_t dim_count, Runner *runner) {
  *runner = (Runner){.program = program};
  blo_status status = choose_stage(context, runner);
  if (!status)
    status = blo_open_with_data(context, program, data, dims, dim_count, &runner->instance);
  return status ? status : place_outputs(context, runner);
}

void blo_runner_close(Runner *runner) {
  if (!runner->instance) return;
  blo_context *context = runner->instance->context;
  blo_release(context, runner->buffers);
  blo_release(context, runner->outputs);
  blo_close(runner->instance);
}

blo_status blo_runner_begin(Runner *runner, int64_t seed) {
  blo_status status = BLO_OK;
  for (size_t s = 0; s <= runner->stage && !status; s++) {
    status = blo_init(runner->instance, s, seed);
    if (status || s == runner->stage) break;
    status = blo_solve(runner->instance, s, 0, NULL, NULL);
    if (status == BLO_NOT_CONVERGED) status = BLO_OK;
  }
  return status;
}

// ---- judging

blo_status blo_judge_at(Runner *judge, const blo_array *leaves, double *numbers) {
  const blo_entry *entry = blo_find_entry(judge->program, judge->entry);
  blo_context *context = judge->instance->context;
  blo_array *inputs = blo_allocate_array(context, entry->input_count, sizeof *inputs);
  if (!inputs) return BLO_NO_MEMORY;
  size_t count = 0;
  for (size_t i = 0; i < entry->input_count; i++)
    if (entry->inputs[i].role == BLO_ROLE_ARGUMENT)
      inputs[count++] = entry->inputs[i].index < 0
                            ? (blo_array){.dtype = BLO_I64, .data = &judge->settling}
                            : leaves[entry->inputs[i].index];
  for (int i = 0; i < JUDGED_COUNT; i++) judge->numbers[i] = nothing;
  blo_status status = blo_call_entry(judge->instance, judge->entry, inputs, count, judge->outputs,
                                     entry->output_count);
  memcpy(numbers, judge->numbers, sizeof judge->numbers);
  blo_release(context, inputs);
  return status;
}

blo_status blo_judge(Runner *judge, const Runner *runner, double *numbers) {
  const blo_stage *stage = &runner->program->stages[runner->stage];
  blo_context *context = runner->instance->context;
  blo_array *leaves = blo_allocate_array(context, stage->state_count, sizeof *leaves);
  if (!leaves) return BLO_NO_MEMORY;
  blo_status status = BLO_OK;
  for (size_t i = 0; i < stage->state_count && !status; i++)
    status = blo_view_leaf(runner->instance, runner->stage, stage->state[i].name, &leaves[i]);
  if (!status) status = blo_judge_at(judge, leaves, numbers);
  blo_release(context, leaves);
  return status;
}

const blo_array *blo_judged_hypergradient(const Runner *judge, size_t leaf) {
  const blo_entry *entry = blo_find_entry(judge->program, judge->entry);
  for (size_t i = 0; i < entry->output_count; i++)
    if (entry->outputs[i].index == JUDGED_COUNT + (int32_t)leaf) return &judge->outputs[i];
  return NULL;
}
