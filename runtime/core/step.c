// Running entries: where each input comes from, where each output goes, and when the new state
// counts.
//
// Enters: an open instance. An entry reads the current copies and writes the others; commit swaps
// them. Nothing here allocates.
#include "core/instance.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static blo_status enter(blo_instance *instance) {
  if (atomic_flag_test_and_set(&instance->context->busy)) return BLO_BAD_ARGUMENT;
  return BLO_OK;
}

static void leave(blo_instance *instance) {
  atomic_flag_clear(&instance->context->busy);
}

blo_status blo_find_stage(blo_instance *instance, size_t stage, StageRun **run) {
  if (stage >= instance->program->stage_count) {
    return blo_fail(instance->context, BLO_BAD_ARGUMENT, "", "%s has %zu stages, not %zu",
                    instance->program->name, instance->program->stage_count, stage + 1);
  }
  *run = &instance->stages[stage];
  return BLO_OK;
}

static char *block_now(StageRun *run, Group group) {
  return run->blocks[group][run->current[group]];
}

static char *block_next(StageRun *run, Group group) {
  return run->blocks[group][!run->current[group]];
}

static void commit(StageRun *run, Group group) {
  run->current[group] = !run->current[group];
}

// A leaf of an earlier stage, named "stage.leaf".
static const void *find_earlier_leaf(blo_instance *instance, const char *name) {
  for (size_t i = 0; i < instance->program->stage_count; i++) {
    StageRun *run = &instance->stages[i];
    size_t length = strlen(run->stage->name);
    if (strncmp(name, run->stage->name, length) != 0 || name[length] != '.') continue;
    if (!run->started) return NULL;
    for (size_t leaf = 0; leaf < run->stage->state_count; leaf++) {
      if (strcmp(run->stage->state[leaf].name, name + length + 1) == 0) {
        return block_now(run, GROUP_STATE) + run->leaves[leaf];
      }
    }
  }
  return NULL;
}

// A report of an earlier stage, named "stage.report", of the last step that reported.
static const void *find_earlier_report(blo_instance *instance, const char *name) {
  for (size_t i = 0; i < instance->program->stage_count; i++) {
    StageRun *run = &instance->stages[i];
    size_t length = strlen(run->stage->name);
    if (strncmp(name, run->stage->name, length) != 0 || name[length] != '.') continue;
    for (size_t k = 0; run->reported && k < run->stage->report_count; k++) {
      if (strcmp(run->stage->reports[k].name, name + length + 1) == 0)
        return block_now(run, GROUP_REPORT) + run->reports[k];
    }
  }
  return NULL;
}

static const void *input_pointer(blo_instance *instance, StageRun *run, const blo_value *input) {
  switch (input->role) {
  case BLO_ROLE_DATA:
    if (input->index < 0 || (size_t)input->index >= instance->program->data_count) return NULL;
    return instance->data[input->index];
  case BLO_ROLE_STATE:
    if (input->index < 0) return find_earlier_leaf(instance, input->name);
    if (!run || !run->started || (size_t)input->index >= run->stage->state_count) return NULL;
    return block_now(run, GROUP_STATE) + run->leaves[input->index];
  case BLO_ROLE_REPORT:
    return find_earlier_report(instance, input->name);
  case BLO_ROLE_SEED:
    return &instance->seed;
  case BLO_ROLE_REPORTING:
    return &instance->reporting;
  default:
    return NULL;
  }
}

static blo_status gather_inputs(blo_instance *instance, StageRun *run, const blo_entry *entry) {
  for (size_t i = 0; i < entry->input_count; i++) {
    const blo_value *input = &entry->inputs[i];
    instance->inputs[i] = input_pointer(instance, run, input);
    if (instance->inputs[i]) continue;
    if (input->role == BLO_ROLE_DATA) {
      return blo_fail(instance->context, BLO_BAD_ARGUMENT, "E0602", "no data is bound to `%s`",
                      input->name);
    }
    return blo_fail(instance->context, BLO_BAD_ARGUMENT, "",
                    "`%s` needs `%s`, which has no value yet", entry->name, input->name);
  }
  return BLO_OK;
}

static void *output_pointer(StageRun *run, const blo_entry *entry, size_t index) {
  const blo_value *output = &entry->outputs[index];
  bool finishing = entry == run->stage->finish;
  size_t report_count = finishing ? run->stage->final_count : run->stage->report_count;
  switch (output->role) {
  case BLO_ROLE_STATE:
    if (output->index < 0 || (size_t)output->index >= run->stage->state_count) return NULL;
    return block_next(run, GROUP_STATE) + run->leaves[output->index];
  case BLO_ROLE_REPORT:
    if (output->index < 0 || (size_t)output->index >= report_count) return NULL;
    if (finishing) return block_next(run, GROUP_FINAL) + run->finals[output->index];
    return block_next(run, GROUP_REPORT) + run->reports[output->index];
  default:
    if (entry != run->stage->step) return NULL;
    return block_next(run, GROUP_RESULT) + run->results[index];
  }
}

static blo_status gather_outputs(blo_instance *instance, StageRun *run, const blo_entry *entry) {
  for (size_t i = 0; i < entry->output_count; i++) {
    instance->outputs[i] = output_pointer(run, entry, i);
    if (instance->outputs[i]) continue;
    return blo_fail(instance->context, BLO_BAD_ARGUMENT, "",
                    "`%s` has no place for its output `%s`", entry->name, entry->outputs[i].name);
  }
  return BLO_OK;
}

// Notes with an E code are failures: what is numerical counts as diverged, the rest is the user's
// to mend.
static blo_status check_notes(blo_instance *instance) {
  const blo_program *program = instance->program;
  blo_status status = BLO_OK;
  for (size_t i = 0; i < program->note_count; i++) {
    instance->note_totals[i] += instance->notes[i];
    if (status || !instance->notes[i] || program->notes[i].code[0] != 'E') continue;
    const blo_note *note = &program->notes[i];
    bool numerical = strcmp(note->code, "E0702") == 0 || strcmp(note->code, "E0705") == 0;
    status = blo_fail(instance->context, numerical ? BLO_DIVERGED : BLO_BAD_DATA, note->code,
                      "%s: %s", note->place, note->text);
  }
  return status;
}

static blo_status run_entry(blo_instance *instance, const blo_entry *entry) {
  const EntryPlan *plan = NULL;
  for (size_t i = 0; i < instance->program->entry_count && !plan; i++) {
    const EntryPlan *candidate = &instance->entries[i];
    if (candidate->entry == entry && candidate->runs) plan = candidate;
  }
  if (!plan || !entry->run) {
    return blo_fail(instance->context, BLO_BAD_ARGUMENT, "", "`%s` cannot be run here",
                    entry->name);
  }
  if (instance->stop) {
    return blo_fail(instance->context, BLO_STOPPED, "", "stopped before `%s`", entry->name);
  }
  size_t note_bytes = instance->program->note_count * sizeof *instance->notes;
  if (note_bytes) memset(instance->notes, 0, note_bytes);
  blo_call call = {.dims = instance->dims,
                   .inputs = instance->inputs,
                   .outputs = instance->outputs,
                   .workspace = instance->workspace,
                   .offsets = plan->offsets,
                   .notes = instance->notes,
                   .stop = &instance->stop,
                   .self = entry->self};
  blo_status status = (blo_status)entry->run(&call);
  blo_status noted = check_notes(instance);
  if (noted) return noted;
  if (status == BLO_STOPPED) {
    return blo_fail(instance->context, status, "", "`%s` was stopped", entry->name);
  }
  if (status) {
    return blo_fail(instance->context, status, "", "`%s` failed: %s", entry->name,
                    blo_status_name(status));
  }
  return BLO_OK;
}

// ---- the program's own data ----

static blo_status run_data_entry(blo_instance *instance, const blo_entry *entry, int64_t seed) {
  instance->seed = seed;
  blo_status status = gather_inputs(instance, NULL, entry);
  if (status) return status;
  for (size_t i = 0; i < entry->output_count; i++) {
    int32_t index = entry->outputs[i].index;
    bool known = entry->outputs[i].role == BLO_ROLE_DATA && index >= 0 &&
                 (size_t)index < instance->program->data_count && instance->computed[index];
    if (!known) {
      return blo_fail(instance->context, BLO_BAD_ARGUMENT, "", "`%s` has no place for `%s`",
                      entry->name, entry->outputs[i].name);
    }
    instance->outputs[i] = instance->computed[index];
  }
  status = run_entry(instance, entry);
  if (status) return status;
  for (size_t i = 0; i < entry->output_count; i++) {
    instance->data[entry->outputs[i].index] = instance->computed[entry->outputs[i].index];
  }
  return BLO_OK;
}

// All data that stage `count` may read: what is made at the beginning, then what is made from the
// results of each stage before it. Its draws are those of the first stage, or of the stage whose
// results it reads.
static blo_status make_data(blo_instance *instance, size_t count, int64_t seed) {
  const blo_program *program = instance->program;
  blo_status status = BLO_OK;
  if (count && instance->stages[0].started) seed = instance->stages[0].seed;
  if (program->data_entry && !(instance->data_ready && instance->data_seed == seed)) {
    status = run_data_entry(instance, program->data_entry, seed);
    if (status) return status;
    instance->data_ready = true;
    instance->data_seed = seed;
  }
  for (size_t i = 0; i < count && i < program->stage_count; i++) {
    StageRun *run = &instance->stages[i];
    if (!run->stage->after || run->data_ready) continue;
    status = run_data_entry(instance, run->stage->after, run->seed);
    if (status) return status;
    run->data_ready = true;
  }
  return status;
}

// The results of a stage changed: so does all that was made from them.
static void forget_data(blo_instance *instance, const StageRun *run) {
  for (size_t i = 0; i < instance->program->stage_count; i++) {
    if (&instance->stages[i] >= run) instance->stages[i].data_ready = false;
  }
}

// ---- init, step, finish ----

static blo_status init_stage(blo_instance *instance, StageRun *run, int64_t seed) {
  const blo_entry *entry = run->stage->init;
  blo_status status = make_data(instance, (size_t)(run - instance->stages), seed);
  if (status) return status;
  run->started = false;
  instance->seed = seed;
  if (!(status = gather_inputs(instance, run, entry)) &&
      !(status = gather_outputs(instance, run, entry))) {
    status = run_entry(instance, entry);
  }
  if (status) return status;
  commit(run, GROUP_STATE);
  run->started = true;
  run->stepped = run->reported = run->finished = false;
  run->iteration = 0;
  run->seed = seed;
  forget_data(instance, run);
  return BLO_OK;
}

blo_status blo_init(blo_instance *instance, size_t stage, int64_t seed) {
  StageRun *run;
  if (enter(instance)) return BLO_BAD_ARGUMENT;
  blo_status status = blo_find_stage(instance, stage, &run);
  if (!status) status = init_stage(instance, run, seed);
  leave(instance);
  return status;
}

static double scalar_output(StageRun *run, size_t index) {
  const blo_value *value = &run->stage->step->outputs[index];
  blo_array view = {.dtype = value->dtype,
                    .data = block_next(run, GROUP_RESULT) + run->results[index]};
  return blo_array_element(&view, 0);
}

static blo_step_result read_results(StageRun *run, bool reporting) {
  const blo_stage *stage = run->stage;
  blo_step_result result = {0};
  for (size_t i = 0; i < stage->step->output_count; i++) {
    switch (stage->step->outputs[i].role) {
    case BLO_ROLE_UPPER_OBJECTIVE:
      if (!reporting) break;
      result.has_upper = 1;
      result.upper_objective = scalar_output(run, i) * (stage->maximize_upper ? -1.0 : 1.0);
      break;
    case BLO_ROLE_LOWER_OBJECTIVE:
      if (!reporting) break;
      result.has_lower = 1;
      result.lower_objective = scalar_output(run, i) * (stage->maximize_lower ? -1.0 : 1.0);
      break;
    case BLO_ROLE_HYPERGRADIENT_NORM:
      result.has_norm = 1;
      result.hypergradient_norm = scalar_output(run, i);
      break;
    case BLO_ROLE_STOP:
      result.stop = scalar_output(run, i) != 0.0;
      break;
    default:
      break;
    }
  }
  return result;
}

// Where the objective stands: the note E0702 for `what`, or that of the upper objective.
static const char *divergence_place(const blo_program *program, const char *stage,
                                    const char *what) {
  const char *place = program->name;
  for (int pass = 0; pass < 2; pass++) {
    char wanted[256];
    snprintf(wanted, sizeof wanted, "%s of stage %s", pass ? what : "the upper objective", stage);
    for (size_t i = 0; i < program->note_count; i++)
      if (strcmp(program->notes[i].code, "E0702") == 0 &&
          strcmp(program->notes[i].text, wanted) == 0)
        place = program->notes[i].place;
  }
  return place;
}

static blo_status diverged(blo_instance *instance, StageRun *run, const char *what, double value) {
  blo_fail(
      instance->context, BLO_DIVERGED, "E0702", "%s: diverged in step %lld of stage %s: %s is %s",
      divergence_place(instance->program, run->stage->name, what), (long long)run->iteration + 1,
      run->stage->name, what, isnan(value) ? "not a number" : "infinite");
  blo_fail_help(instance->context,
                "take smaller steps, or `step = auto` for the lower optimizer; or a level has no "
                "minimum: is the sign of its objective right (`minimize`, `maximize`)? The state "
                "after step %lld, the last one that is finite, was kept: its numbers may be huge",
                (long long)run->iteration);
  return BLO_DIVERGED;
}

// Variables of the new state: none may hold a NaN, and none an infinity unless it held one before
// (`state best: f64 = inf`).
static blo_status check_variables(blo_instance *instance, StageRun *run) {
  for (size_t i = 0; i < run->stage->state_count; i++) {
    const blo_leaf *leaf = &run->stage->state[i];
    int64_t shape[BLO_MAX_RANK];
    size_t count = 0;
    bool sized = leaf->result &&
                 blo_shape_evaluate(leaf->shape, leaf->rank, instance->dims,
                                    instance->program->dim_count, shape) &&
                 blo_shape_count(shape, (size_t)leaf->rank, &count);
    if (!sized) continue;
    const char *before = block_now(run, GROUP_STATE) + run->leaves[i];
    blo_array view = {.dtype = leaf->dtype, .data = block_next(run, GROUP_STATE) + run->leaves[i]};
    size_t bad = blo_first_not_finite(view.data, leaf->dtype, count);
    if (bad == count) continue;
    double value = blo_array_element(&view, bad);
    if (!isnan(value) && blo_first_not_finite(before, leaf->dtype, count) < count) continue;
    char what[256];
    snprintf(what, sizeof what, "`%s`", leaf->name);
    return diverged(instance, run, what, value);
  }
  return BLO_OK;
}

static blo_status check_finite(blo_instance *instance, StageRun *run,
                               const blo_step_result *result) {
  const char *what = NULL;
  double value = 0.0;
  if (result->has_norm && !isfinite(result->hypergradient_norm)) {
    what = "the norm of the hypergradient";
    value = result->hypergradient_norm;
  }
  if (result->has_lower && !isfinite(result->lower_objective)) {
    what = "the lower objective";
    value = result->lower_objective;
  }
  if (result->has_upper && !isfinite(result->upper_objective)) {
    what = "the upper objective";
    value = result->upper_objective;
  }
  return what ? diverged(instance, run, what, value) : check_variables(instance, run);
}

// A maximised objective is reported in the user's sign.
static void turn_signs(const blo_report *report, char *data, const int64_t *dims,
                       size_t dim_count) {
  int64_t shape[BLO_MAX_RANK];
  size_t count = 0;
  if (report->sign >= 0.0 ||
      !blo_shape_evaluate(report->shape, report->rank, dims, dim_count, shape))
    return;
  blo_shape_count(shape, (size_t)report->rank, &count);
  for (size_t i = 0; i < count; i++) {
    if (report->dtype == BLO_F32) ((float *)(void *)data)[i] *= -1.0f;
    if (report->dtype == BLO_F64) ((double *)(void *)data)[i] *= -1.0;
  }
}

// Runs the step entry; the new state lies beside the present one, not yet committed.
static blo_status evaluate_step(blo_instance *instance, StageRun *run, bool reporting,
                                blo_step_result *result) {
  const blo_entry *entry = run->stage->step;
  instance->seed = run->seed;
  instance->reporting = reporting;
  blo_status status = gather_inputs(instance, run, entry);
  if (!status) status = gather_outputs(instance, run, entry);
  if (!status) status = run_entry(instance, entry);
  if (!status) *result = read_results(run, reporting);
  return status;
}

static blo_status step_stage(blo_instance *instance, StageRun *run, bool reporting,
                             blo_step_result *result) {
  const blo_stage *stage = run->stage;
  if (!run->started) {
    return blo_fail(instance->context, BLO_BAD_ARGUMENT, "",
                    "stage %s has no state yet: call blo_init first", stage->name);
  }
  blo_status status = make_data(instance, (size_t)(run - instance->stages), run->seed);
  if (!status) status = evaluate_step(instance, run, reporting, result);
  if (!status && result->stop && !reporting) {
    // The last step has to report: once more, from the same state, so to the same numbers.
    for (size_t i = 0; i < instance->program->note_count; i++)
      instance->note_totals[i] -= instance->notes[i];
    reporting = true;
    status = evaluate_step(instance, run, reporting, result);
  }
  if (!status) status = check_finite(instance, run, result);
  if (status) return status;
  commit(run, GROUP_STATE);
  commit(run, GROUP_RESULT);
  run->stepped = true;
  run->finished = false;
  forget_data(instance, run);
  result->iteration = ++run->iteration;
  if (!reporting) return BLO_OK;
  commit(run, GROUP_REPORT);
  run->reported = true;
  run->report_step = run->iteration;
  result->reported = 1;
  for (size_t i = 0; i < stage->report_count; i++) {
    turn_signs(&stage->reports[i], block_now(run, GROUP_REPORT) + run->reports[i], instance->dims,
               instance->program->dim_count);
  }
  return BLO_OK;
}

blo_status blo_step(blo_instance *instance, size_t stage, int32_t reporting,
                    blo_step_result *result) {
  StageRun *run;
  blo_step_result ignored;
  if (enter(instance)) return BLO_BAD_ARGUMENT;
  blo_status status = blo_find_stage(instance, stage, &run);
  if (!status) status = step_stage(instance, run, reporting != 0, result ? result : &ignored);
  leave(instance);
  return status;
}

static blo_status finish_stage(blo_instance *instance, StageRun *run) {
  const blo_entry *entry = run->stage->finish;
  if (!entry) return BLO_OK;
  blo_status status = make_data(instance, (size_t)(run - instance->stages) + 1, run->seed);
  if (status) return status;
  instance->seed = run->seed;
  instance->reporting = 1;
  status = gather_inputs(instance, run, entry);
  if (!status) status = gather_outputs(instance, run, entry);
  if (!status) status = run_entry(instance, entry);
  if (status) return status;
  commit(run, GROUP_FINAL);
  run->finished = true;
  for (size_t i = 0; i < run->stage->final_count; i++) {
    turn_signs(&run->stage->finals[i], block_now(run, GROUP_FINAL) + run->finals[i], instance->dims,
               instance->program->dim_count);
  }
  return BLO_OK;
}

blo_status blo_finish(blo_instance *instance, size_t stage) {
  StageRun *run;
  if (enter(instance)) return BLO_BAD_ARGUMENT;
  blo_status status = blo_find_stage(instance, stage, &run);
  if (!status) status = finish_stage(instance, run);
  leave(instance);
  return status;
}

blo_status blo_solve(blo_instance *instance, size_t stage, int64_t report_every,
                     blo_progress progress, void *self) {
  StageRun *run;
  blo_status status = blo_find_stage(instance, stage, &run);
  if (status) return status;
  int64_t every = report_every > 0 ? report_every : run->stage->report_every;
  bool can_stop = false;
  for (size_t i = 0; i < run->stage->step->output_count; i++) {
    can_stop |= run->stage->step->outputs[i].role == BLO_ROLE_STOP;
  }
  while (run->iteration < run->stage->iterations) {
    int64_t next = run->iteration + 1;
    bool reporting =
        next == 1 || next == run->stage->iterations || (every > 0 && next % every == 0);
    blo_step_result result;
    status = blo_step(instance, stage, reporting, &result);
    if (status) return status;
    int32_t asked = progress ? progress(self, &result) : 0;
    if (result.stop) return BLO_OK;
    if (asked || instance->stop) {
      return blo_fail(instance->context, BLO_STOPPED, "", "stopped after step %lld",
                      (long long)result.iteration);
    }
  }
  if (!can_stop) return BLO_OK;
  return blo_fail(instance->context, BLO_NOT_CONVERGED, "",
                  "stage %s made all its %lld steps and its stop condition never held",
                  run->stage->name, (long long)run->stage->iterations);
}

void blo_request_stop(blo_instance *instance) {
  instance->stop = 1;
}
void blo_clear_stop(blo_instance *instance) {
  instance->stop = 0;
}

// ---- exported functions ----

static blo_status take_argument(blo_instance *instance, const blo_entry *entry,
                                const blo_value *declared, const blo_array *given, size_t number) {
  int64_t shape[BLO_MAX_RANK];
  bool fits = blo_shape_evaluate(declared->shape, declared->rank, instance->dims,
                                 instance->program->dim_count, shape) &&
              given->rank == declared->rank && given->dtype == declared->dtype && given->data;
  for (int32_t i = 0; fits && i < declared->rank; i++) fits = given->shape[i] == shape[i];
  if (fits) return BLO_OK;
  return blo_fail(instance->context, BLO_BAD_SHAPE, "E0601",
                  "argument %zu of `%s` does not have the type declared for `%s`", number + 1,
                  entry->name, declared->name);
}

static blo_status call_entry(blo_instance *instance, const blo_entry *entry,
                             const blo_array *inputs, size_t input_count, blo_array *outputs,
                             size_t output_count) {
  StageRun *run = instance->program->stage_count ? &instance->stages[0] : NULL;
  size_t taken = 0;
  for (size_t i = 0; i < entry->input_count; i++) {
    const blo_value *declared = &entry->inputs[i];
    if (declared->role != BLO_ROLE_ARGUMENT) {
      instance->inputs[i] = input_pointer(instance, run, declared);
      if (instance->inputs[i]) continue;
      return blo_fail(instance->context, BLO_BAD_ARGUMENT, "",
                      "`%s` needs `%s`, which has no value", entry->name, declared->name);
    }
    if (taken == input_count) break;
    blo_status status = take_argument(instance, entry, declared, &inputs[taken], taken);
    if (status) return status;
    instance->inputs[i] = inputs[taken++].data;
  }
  size_t wanted = 0;
  for (size_t i = 0; i < entry->input_count; i++) {
    wanted += entry->inputs[i].role == BLO_ROLE_ARGUMENT;
  }
  if (wanted != input_count || entry->output_count != output_count) {
    return blo_fail(instance->context, BLO_BAD_ARGUMENT, "",
                    "`%s` takes %zu arguments and gives %zu results", entry->name, wanted,
                    entry->output_count);
  }
  for (size_t i = 0; i < output_count; i++) {
    blo_status status = take_argument(instance, entry, &entry->outputs[i], &outputs[i], i);
    if (status) return status;
    instance->outputs[i] = outputs[i].data;
  }
  return run_entry(instance, entry);
}

blo_status blo_call_entry(blo_instance *instance, const char *name, const blo_array *inputs,
                          size_t input_count, blo_array *outputs, size_t output_count) {
  const blo_entry *entry = blo_find_entry(instance->program, name);
  if (!entry) {
    return blo_fail(instance->context, BLO_BAD_ARGUMENT, "", "%s has no entry `%s`",
                    instance->program->name, name);
  }
  if (enter(instance)) return BLO_BAD_ARGUMENT;
  blo_status status = call_entry(instance, entry, inputs, input_count, outputs, output_count);
  leave(instance);
  return status;
}

// ---- the state block ----

blo_status blo_state_save(blo_instance *instance, size_t stage, void *block) {
  StageRun *run;
  blo_status status = blo_find_stage(instance, stage, &run);
  if (status) return status;
  if (!run->started) {
    return blo_fail(instance->context, BLO_BAD_ARGUMENT, "", "stage %s has no state yet",
                    run->stage->name);
  }
  memcpy(block, block_now(run, GROUP_STATE), run->bytes[GROUP_STATE]);
  return BLO_OK;
}

blo_status blo_state_load(blo_instance *instance, size_t stage, const void *block,
                          int64_t iteration, int64_t seed) {
  StageRun *run;
  if (enter(instance)) return BLO_BAD_ARGUMENT;
  blo_status status = blo_find_stage(instance, stage, &run);
  if (!status) status = make_data(instance, stage, seed);
  if (!status) {
    memcpy(block_next(run, GROUP_STATE), block, run->bytes[GROUP_STATE]);
    commit(run, GROUP_STATE);
    run->started = true;
    run->stepped = run->reported = run->finished = false;
    run->iteration = iteration;
    run->seed = seed;
    forget_data(instance, run);
  }
  leave(instance);
  return status;
}
