// Looking into an instance: views of leaves, reports, data; and binding data. Nothing is copied.
#include "core/instance.h"
#include <string.h>

static blo_status make_view(blo_instance *instance, const char *name, const blo_size *shape,
                            int32_t rank, int32_t dtype, void *data, blo_array *view) {
  *view = (blo_array){.name = name, .dtype = dtype, .rank = rank, .data = data};
  if (blo_shape_evaluate(shape, rank, instance->dims, instance->program->dim_count, view->shape))
    return BLO_OK;
  return blo_fail(instance->context, BLO_BAD_SHAPE, "E0601", "the dims give `%s` no size", name);
}

static char *block_of(StageRun *run, Group group) {
  return run->blocks[group][run->current[group]];
}

blo_status blo_view_leaf(blo_instance *instance, size_t stage, const char *name, blo_array *view) {
  StageRun *run;
  blo_status status = blo_find_stage(instance, stage, &run);
  if (status) return status;
  for (size_t i = 0; run->started && i < run->stage->state_count; i++) {
    const blo_leaf *leaf = &run->stage->state[i];
    if (strcmp(leaf->name, name) != 0) continue;
    return make_view(instance, leaf->name, leaf->shape, leaf->rank, leaf->dtype,
                     block_of(run, GROUP_STATE) + run->leaves[i], view);
  }
  return blo_fail(instance->context, BLO_BAD_ARGUMENT, "", "stage %s has %s `%s`", run->stage->name,
                  run->started ? "no variable" : "no state yet, so no", name);
}

blo_status blo_view_before(blo_instance *instance, size_t stage, const char *name,
                           blo_array *view) {
  StageRun *run;
  blo_status status = blo_view_leaf(instance, stage, name, view);
  if (!status) status = blo_find_stage(instance, stage, &run);
  if (status) return status;
  if (!run->stepped)
    return blo_fail(instance->context, BLO_BAD_ARGUMENT, "", "stage %s has made no step",
                    run->stage->name);
  const char *now = block_of(run, GROUP_STATE);
  view->data = run->blocks[GROUP_STATE][!run->current[GROUP_STATE]] + ((char *)view->data - now);
  return BLO_OK;
}

static blo_status find_report(blo_instance *instance, const blo_report *reports, size_t count,
                              const size_t *offsets, char *block, bool known, const char *name,
                              blo_array *view) {
  for (size_t i = 0; known && i < count; i++) {
    if (strcmp(reports[i].name, name) != 0) continue;
    return make_view(instance, reports[i].name, reports[i].shape, reports[i].rank, reports[i].dtype,
                     block + offsets[i], view);
  }
  return blo_fail(instance->context, BLO_BAD_ARGUMENT, "", "no report `%s`%s", name,
                  known ? "" : " was made yet");
}

blo_status blo_view_report(blo_instance *instance, size_t stage, const char *name,
                           blo_array *view) {
  StageRun *run;
  blo_status status = blo_find_stage(instance, stage, &run);
  if (status) return status;
  return find_report(instance, run->stage->reports, run->stage->report_count, run->reports,
                     block_of(run, GROUP_REPORT), run->reported, name, view);
}

blo_status blo_view_final(blo_instance *instance, size_t stage, const char *name, blo_array *view) {
  StageRun *run;
  blo_status status = blo_find_stage(instance, stage, &run);
  if (status) return status;
  return find_report(instance, run->stage->finals, run->stage->final_count, run->finals,
                     block_of(run, GROUP_FINAL), run->finished, name, view);
}

blo_status blo_view_hypergradient(blo_instance *instance, size_t stage, const char *leaf,
                                  blo_array *view) {
  StageRun *run;
  blo_status status = blo_find_stage(instance, stage, &run);
  if (status) return status;
  const blo_stage *description = run->stage;
  for (size_t i = 0; run->stepped && i < description->step->output_count; i++) {
    const blo_value *value = &description->step->outputs[i];
    if (value->role != BLO_ROLE_HYPERGRADIENT || value->index < 0) continue;
    if ((size_t)value->index >= description->state_count) continue;
    if (strcmp(description->state[value->index].name, leaf) != 0) continue;
    return make_view(instance, leaf, value->shape, value->rank, value->dtype,
                     block_of(run, GROUP_RESULT) + run->results[i], view);
  }
  return blo_fail(instance->context, BLO_BAD_ARGUMENT, "", "no hypergradient for `%s`%s", leaf,
                  run->stepped ? "" : " before the first step");
}

blo_status blo_view_data(blo_instance *instance, const char *name, blo_array *view) {
  const blo_program *program = instance->program;
  for (size_t i = 0; i < program->data_count; i++) {
    const blo_data *data = &program->data[i];
    if (strcmp(data->name, name) != 0 || !instance->data[i]) continue;
    return make_view(instance, data->name, data->shape, data->rank, data->dtype, instance->data[i],
                     view);
  }
  return blo_fail(instance->context, BLO_BAD_ARGUMENT, "E0602", "no data is bound to `%s`", name);
}

blo_status blo_bind(blo_instance *instance, const blo_array *array) {
  const blo_program *program = instance->program;
  for (size_t i = 0; i < program->data_count; i++) {
    const blo_data *data = &program->data[i];
    if (strcmp(data->name, array->name) != 0) continue;
    blo_array declared;
    blo_status status = make_view(instance, data->name, data->shape, data->rank, data->dtype,
                                  array->data, &declared);
    if (status) return status;
    bool fits = array->rank == declared.rank && array->dtype == declared.dtype;
    for (int32_t d = 0; fits && d < declared.rank; d++) fits = array->shape[d] == declared.shape[d];
    bool aligned = (uintptr_t)array->data % blo_dtype_bytes(declared.dtype) == 0;
    if (fits && aligned && !data->computed && (array->data || blo_array_count(&declared) == 0)) {
      instance->data[i] =
          blo_array_count(array) ? array->data : instance; // empty: any memory will do
      return BLO_OK;
    }
    char found[192], wanted[192];
    int32_t rank = array->rank < 0 || array->rank > BLO_MAX_RANK ? 0 : array->rank;
    blo_shape_print(found, sizeof found, array->shape, (size_t)rank);
    blo_shape_print(wanted, sizeof wanted, declared.shape, (size_t)declared.rank);
    return blo_fail(instance->context, BLO_BAD_SHAPE, "E0601",
                    "%s is %s%s%s; %s says %s, here %s%s", array->name,
                    blo_dtype_name(array->dtype), found, aligned ? "" : " (not aligned)",
                    data->place, data->shape_text, wanted,
                    data->computed ? ", made by the program itself" : "");
  }
  return blo_fail(instance->context, BLO_BAD_ARGUMENT, "E0602", "%s declares no data `%s`",
                  program->name, array->name);
}

int64_t blo_note_last(const blo_instance *instance, size_t index) {
  return index < instance->program->note_count ? instance->notes[index] : 0;
}

int64_t blo_note_total(const blo_instance *instance, size_t index) {
  return index < instance->program->note_count ? instance->note_totals[index] : 0;
}

size_t blo_state_bytes(const blo_instance *instance, size_t stage) {
  return stage < instance->program->stage_count ? instance->stages[stage].bytes[GROUP_STATE] : 0;
}

int64_t blo_iteration(const blo_instance *instance, size_t stage) {
  return stage < instance->program->stage_count ? instance->stages[stage].iteration : 0;
}

int64_t blo_seed(const blo_instance *instance, size_t stage) {
  return stage < instance->program->stage_count ? instance->stages[stage].seed : 0;
}

int64_t blo_report_step(const blo_instance *instance, size_t stage) {
  if (stage >= instance->program->stage_count || !instance->stages[stage].reported) return 0;
  return instance->stages[stage].report_step;
}
