// Opening a program: from dims to one block of memory that holds everything.
//
// Enters: a program and its dims. Leaves: an instance. The layout is written once, as a walk that
// carves pieces off a block; walked without a block it measures, so workspace_bytes is exact by
// construction.
#include "core/instance.h"
#include "common/dims.h"
#include <string.h>

typedef struct Carver {
  char *base; // NULL: only measure
  size_t at;
  bool overflow;
} Carver;

static void *carve(Carver *carver, size_t count, size_t element_bytes) {
  size_t bytes, start, end;
  if (!blo_add_bytes(carver->at, BLO_ALIGNMENT - 1, &start) ||
      !blo_multiply_bytes(count, element_bytes, &bytes)) {
    carver->overflow = true;
    return NULL;
  }
  start -= start % BLO_ALIGNMENT;
  if (!blo_add_bytes(start, bytes, &end)) {
    carver->overflow = true;
    return NULL;
  }
  carver->at = end;
  return carver->base ? carver->base + start : NULL;
}

// What has to be known before the block can be laid out. Lives only inside blo_open.
typedef struct OpenPlan {
  const blo_program *program;
  int64_t *dims, *offsets, *scratch; // offsets: of all slots of all entries, one after the other
  bool *runs;
  size_t slot_total, slot_most, input_most, output_most, workspace_bytes;
} OpenPlan;

static bool is_test_entry(const blo_program *program, const blo_entry *entry) {
  for (size_t i = 0; i < program->test_count; i++) {
    if (program->tests[i].entry == entry) return true;
  }
  return false;
}

const blo_entry *blo_find_entry(const blo_program *program, const char *name) {
  for (size_t i = 0; i < program->entry_count; i++) {
    if (strcmp(program->entries[i].name, name) == 0) return &program->entries[i];
  }
  return NULL;
}

bool blo_tensor_bytes(const blo_size *shape, int32_t rank, int32_t dtype, const int64_t *dims,
                      size_t dim_count, size_t *bytes) {
  int64_t sizes[BLO_MAX_RANK];
  size_t count;
  if (!blo_shape_evaluate(shape, rank, dims, dim_count, sizes)) return false;
  if (!blo_shape_count(sizes, (size_t)rank, &count)) return false;
  if (!blo_multiply_bytes(count, blo_dtype_bytes(dtype), bytes)) return false;
  if (!blo_add_bytes(*bytes, BLO_ALIGNMENT - 1, bytes)) return false;
  *bytes -= *bytes % BLO_ALIGNMENT;
  return true;
}

static const blo_dim *find_dim(const blo_dim *given, size_t count, const char *name) {
  for (size_t i = 0; i < count; i++) {
    if (strcmp(given[i].name, name) == 0) return &given[i];
  }
  return NULL;
}

static bool program_has_dim(const blo_program *program, const char *name) {
  for (size_t i = 0; i < program->dim_count; i++) {
    if (strcmp(program->dims[i], name) == 0) return true;
  }
  return false;
}

// Evaluates dims: given values, then the program's own. Every one must have a value.
static blo_status blo_resolve_dims(blo_context *context, const blo_program *program,
                                   const blo_dim *given, size_t given_count, int64_t *dims) {
  for (size_t i = 0; i < given_count; i++) {
    if (!program_has_dim(program, given[i].name)) {
      return blo_fail(context, BLO_BAD_ARGUMENT, "E0605", "%s has no dim `%s`", program->name,
                      given[i].name);
    }
  }
  for (size_t i = 0; i < program->dim_count; i++) {
    const blo_dim *dim = find_dim(given, given_count, program->dims[i]);
    int64_t fixed = program->dim_values ? program->dim_values[i] : -1;
    if (dim && (dim->value < 0 || (fixed >= 0 && fixed != dim->value))) {
      blo_fail(context, BLO_BAD_ARGUMENT, "E0605", "dim `%s` cannot be %lld", dim->name,
               (long long)dim->value);
      if (fixed >= 0) {
        blo_fail_help(context, "the program was compiled for %s = %lld", dim->name,
                      (long long)fixed);
      }
      return BLO_BAD_ARGUMENT;
    }
    dims[i] = dim ? dim->value : fixed;
    if (dims[i] < 0) {
      return blo_fail(context, BLO_BAD_ARGUMENT, "E0605", "dim `%s` has no value",
                      program->dims[i]);
    }
  }
  return BLO_OK;
}

static blo_status plan_entries(blo_context *context, OpenPlan *plan) {
  const blo_program *program = plan->program;
  int64_t *offsets = plan->offsets;
  for (size_t i = 0; i < program->entry_count; i++) {
    const blo_entry *entry = &program->entries[i];
    if (plan->runs[i]) {
      size_t bytes = 0;
      blo_status status = blo_place_entry(context, entry, plan->dims, program->dim_count,
                                          plan->scratch, offsets, &bytes);
      if (status) return status;
      if (bytes > plan->workspace_bytes) plan->workspace_bytes = bytes;
    }
    offsets += entry->slot_count;
  }
  return BLO_OK;
}

static void plan_release(blo_context *context, OpenPlan *plan) {
  blo_release(context, plan->dims);
  blo_release(context, plan->offsets);
  blo_release(context, plan->scratch);
  blo_release(context, plan->runs);
}

static blo_status plan_create(blo_context *context, const blo_program *program,
                              const blo_dim *given, size_t given_count, OpenPlan *plan) {
  memset(plan, 0, sizeof *plan);
  blo_status status = blo_check_program(context, program);
  if (status) return status;
  plan->program = program;
  plan->runs = blo_allocate_array(context, program->entry_count, sizeof(bool));
  plan->dims = blo_allocate_array(context, program->dim_count, sizeof(int64_t));
  if (!plan->runs || !plan->dims) return BLO_NO_MEMORY;
  for (size_t i = 0; i < program->entry_count; i++) {
    const blo_entry *entry = &program->entries[i];
    plan->runs[i] = !is_test_entry(program, entry);
    plan->slot_total += entry->slot_count;
    if (entry->slot_count > plan->slot_most) plan->slot_most = entry->slot_count;
    if (entry->input_count > plan->input_most) plan->input_most = entry->input_count;
    if (entry->output_count > plan->output_most) plan->output_most = entry->output_count;
  }
  plan->offsets = blo_allocate_array(context, plan->slot_total, sizeof(int64_t));
  plan->scratch = blo_allocate_array(context, plan->slot_most, 3 * sizeof(int64_t));
  if (!plan->offsets || !plan->scratch) return BLO_NO_MEMORY;
  status = blo_resolve_dims(context, program, given, given_count, plan->dims);
  if (!status) status = blo_check_conditions(context, program, plan->dims);
  if (!status) status = plan_entries(context, plan);
  return status;
}

// Places one tensor at the end of a group; offsets NULL while measuring.
static bool group_add(StageRun *run, Group group, const blo_size *shape, int32_t rank,
                      int32_t dtype, const OpenPlan *plan, size_t *offset) {
  size_t bytes;
  if (!blo_tensor_bytes(shape, rank, dtype, plan->dims, plan->program->dim_count, &bytes))
    return false;
  if (offset) *offset = run->bytes[group];
  return blo_add_bytes(run->bytes[group], bytes, &run->bytes[group]);
}

static bool is_plain_result(int32_t role) {
  return role != BLO_ROLE_STATE && role != BLO_ROLE_REPORT;
}

static bool lay_out_stage(Carver *carver, const OpenPlan *plan, const blo_stage *stage,
                          StageRun *target) {
  StageRun run = {.stage = stage};
  size_t output_count = stage->step ? stage->step->output_count : 0;
  run.leaves = carve(carver, stage->state_count, sizeof(size_t));
  run.results = carve(carver, output_count, sizeof(size_t));
  run.reports = carve(carver, stage->report_count, sizeof(size_t));
  run.finals = carve(carver, stage->final_count, sizeof(size_t));
  bool fits = true;
  for (size_t i = 0; i < stage->state_count; i++) {
    const blo_leaf *leaf = &stage->state[i];
    fits &= group_add(&run, GROUP_STATE, leaf->shape, leaf->rank, leaf->dtype, plan,
                      run.leaves ? &run.leaves[i] : NULL);
  }
  for (size_t i = 0; i < output_count; i++) {
    const blo_value *value = &stage->step->outputs[i];
    if (!is_plain_result(value->role)) continue;
    fits &= group_add(&run, GROUP_RESULT, value->shape, value->rank, value->dtype, plan,
                      run.results ? &run.results[i] : NULL);
  }
  for (size_t i = 0; i < stage->report_count; i++) {
    const blo_report *report = &stage->reports[i];
    fits &= group_add(&run, GROUP_REPORT, report->shape, report->rank, report->dtype, plan,
                      run.reports ? &run.reports[i] : NULL);
  }
  for (size_t i = 0; i < stage->final_count; i++) {
    const blo_report *report = &stage->finals[i];
    fits &= group_add(&run, GROUP_FINAL, report->shape, report->rank, report->dtype, plan,
                      run.finals ? &run.finals[i] : NULL);
  }
  for (int group = 0; group < GROUP_COUNT; group++) {
    for (int copy = 0; copy < 2; copy++) {
      run.blocks[group][copy] = carve(carver, run.bytes[group], 1);
    }
  }
  if (target) *target = run;
  return fits;
}

static bool lay_out_data(Carver *carver, const OpenPlan *plan, blo_instance *instance) {
  const blo_program *program = plan->program;
  bool fits = true;
  for (size_t i = 0; i < program->data_count; i++) {
    const blo_data *data = &program->data[i];
    if (!data->computed) continue;
    size_t bytes = 0;
    fits &= blo_tensor_bytes(data->shape, data->rank, data->dtype, plan->dims, program->dim_count,
                             &bytes);
    char *memory = carve(carver, bytes, 1);
    if (instance) instance->computed[i] = memory;
  }
  return fits;
}

static void lay_out_entries(Carver *carver, const OpenPlan *plan, blo_instance *instance) {
  const blo_program *program = plan->program;
  const int64_t *offsets = plan->offsets;
  for (size_t i = 0; i < program->entry_count; i++) {
    const blo_entry *entry = &program->entries[i];
    size_t count = plan->runs[i] ? entry->slot_count : 0;
    int64_t *kept = carve(carver, count, sizeof(int64_t));
    if (instance) {
      instance->entries[i] = (EntryPlan){entry, kept, plan->runs[i]};
      if (count) memcpy(kept, offsets, count * sizeof *kept);
    }
    offsets += entry->slot_count;
  }
}

// The walk. With carver->base NULL it only measures and returns NULL.
static blo_instance *lay_out(Carver *carver, const OpenPlan *plan, bool *fits) {
  const blo_program *program = plan->program;
  blo_instance *instance = carve(carver, 1, sizeof *instance);
  int64_t *dims = carve(carver, program->dim_count, sizeof(int64_t));
  void *data = carve(carver, program->data_count, sizeof(void *));
  void *computed = carve(carver, program->data_count, sizeof(char *));
  void *stages = carve(carver, program->stage_count, sizeof(StageRun));
  void *entries = carve(carver, program->entry_count, sizeof(EntryPlan));
  void *inputs = carve(carver, plan->input_most, sizeof(void *));
  void *outputs = carve(carver, plan->output_most, sizeof(void *));
  int64_t *notes = carve(carver, program->note_count, sizeof(int64_t));
  int64_t *totals = carve(carver, program->note_count, sizeof(int64_t));
  if (instance) {
    instance->program = program;
    instance->dims = dims;
    instance->data = data;
    instance->computed = computed;
    instance->stages = stages;
    instance->entries = entries;
    instance->inputs = inputs;
    instance->outputs = outputs;
    instance->notes = notes;
    instance->note_totals = totals;
    if (program->dim_count) memcpy(dims, plan->dims, program->dim_count * sizeof *dims);
  }
  *fits = lay_out_data(carver, plan, instance);
  for (size_t i = 0; i < program->stage_count; i++) {
    StageRun *target = instance ? &instance->stages[i] : NULL;
    *fits &= lay_out_stage(carver, plan, &program->stages[i], target);
  }
  lay_out_entries(carver, plan, instance);
  char *workspace = carve(carver, plan->workspace_bytes, 1);
  // code may load the first element of an empty tensor before it drops it
  carve(carver, BLO_ALIGNMENT, 1);
  if (instance) instance->workspace = workspace;
  *fits &= !carver->overflow;
  return instance;
}

static blo_status measure(blo_context *context, const OpenPlan *plan, size_t *bytes) {
  Carver carver = {0};
  bool fits = true;
  lay_out(&carver, plan, &fits);
  if (!fits) {
    return blo_fail(context, BLO_BAD_SHAPE, "E0601",
                    "%s needs a tensor of a size that its dims do not give", plan->program->name);
  }
  *bytes = carver.at;
  return BLO_OK;
}

blo_status blo_workspace_bytes(blo_context *context, const blo_program *program,
                               const blo_dim *dims, size_t dim_count, size_t *bytes) {
  OpenPlan plan;
  blo_status status = plan_create(context, program, dims, dim_count, &plan);
  if (!status) status = measure(context, &plan, bytes);
  plan_release(context, &plan);
  return status;
}

blo_status blo_open(blo_context *context, const blo_program *program, const blo_dim *dims,
                    size_t dim_count, blo_instance **instance) {
  OpenPlan plan;
  size_t bytes = 0;
  *instance = NULL;
  blo_status status = plan_create(context, program, dims, dim_count, &plan);
  if (!status) status = measure(context, &plan, &bytes);
  if (!status) {
    Carver carver = {.base = blo_allocate(context, bytes)};
    bool fits;
    if (carver.base) {
      *instance = lay_out(&carver, &plan, &fits);
      (*instance)->context = context;
    } else {
      status = BLO_NO_MEMORY;
    }
  }
  plan_release(context, &plan);
  return status;
}

void blo_close(blo_instance *instance) {
  if (instance) blo_release(instance->context, instance);
}

const int64_t *blo_dim_values(const blo_instance *instance) {
  return instance->dims;
}
