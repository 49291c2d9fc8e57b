// One test: evaluate sizes, lay out outputs and workspace in one block, call, read what came out.
//
// Enters: a test's entry, which is a pure function of the seed (and of data that the test names).
// Leaves: for each expectation whether it holds, its two sides and the largest violation;
// and which notes were raised, for the caller to compare with those the test wants.
#include "core/instance.h"
#include <blo/driver.h>
#include <stdio.h>
#include <string.h>

typedef struct TestRun {
  blo_context *context;
  const blo_program *program;
  const blo_test *test;
  const blo_test_options *options;
  int64_t *dims, *offsets;
  const void **inputs;
  void **outputs;
  size_t *places;   // of outputs in the block
  char *block;      // outputs, then workspace
  size_t workspace; // its offset
  blo_data_set *data, *owned;
  int64_t seed;
  uint8_t reporting;
} TestRun;

// The file that the test names, from the folder of the program that it stands in.
static blo_status load_data(TestRun *run) {
  const char *file = run->test->data_file, *slash = strrchr(run->test->place, '/');
  run->data = run->options->data;
  if (run->data || !file) return BLO_OK;
  size_t folder = slash && file[0] != '/' ? (size_t)(slash + 1 - run->test->place) : 0;
  size_t bytes = folder + strlen(file) + 1;
  char *path = blo_allocate(run->context, bytes);
  if (!path) return BLO_NO_MEMORY;
  snprintf(path, bytes, "%.*s%s", (int)folder, run->test->place, file);
  blo_status status = blo_data_load(run->context, (const char *const[]){path}, 1, &run->owned);
  blo_release(run->context, path);
  run->data = run->owned;
  return status;
}

// Dims that neither the options nor the arrays the entry reads bind stay -1; its tensors must not
// need them.
static blo_status find_dims(TestRun *run) {
  const blo_entry *entry = run->test->entry;
  blo_program read = *run->program; // with the data that the entry reads and no other
  blo_data *declared = blo_allocate_array(run->context, entry->input_count, sizeof *declared);
  if (!declared) return BLO_NO_MEMORY;
  read.data = declared;
  read.data_count = 0;
  for (size_t i = 0; i < entry->input_count; i++) {
    const blo_value *input = &entry->inputs[i];
    bool known = input->role == BLO_ROLE_DATA && input->index >= 0 &&
                 (size_t)input->index < run->program->data_count;
    if (known) declared[read.data_count++] = run->program->data[input->index];
  }
  blo_status status = blo_data_infer_dims(run->context, run->data, &read, run->options->dims,
                                          run->options->dim_count, run->dims);
  blo_release(run->context, declared);
  return status;
}

static bool shape_is_known(const TestRun *run, const blo_size *shape, int32_t rank) {
  for (int32_t i = 0; i < rank; i++) {
    size_t at = 0, dim;
    while (blo_size_next_dim(&shape[i], run->program->dim_count, &at, &dim)) {
      if (run->dims[dim] < 0) return false;
    }
  }
  return true;
}

static blo_status lay_out(TestRun *run) {
  const blo_entry *entry = run->test->entry;
  size_t total = 0, workspace = 0, dim_count = run->program->dim_count;
  for (size_t i = 0; i < entry->output_count; i++) {
    const blo_value *output = &entry->outputs[i];
    size_t bytes;
    run->places[i] = total;
    if (!shape_is_known(run, output->shape, output->rank) ||
        !blo_tensor_bytes(output->shape, output->rank, output->dtype, run->dims, dim_count,
                          &bytes) ||
        !blo_add_bytes(total, bytes, &total))
      return blo_fail(run->context, BLO_BAD_SHAPE, "E0605",
                      "%s: test \"%s\" needs a dim that it does not set", run->test->place,
                      run->test->name);
  }
  for (size_t i = 0; i < entry->slot_count; i++) {
    if (shape_is_known(run, &entry->slots[i].bytes, 1)) continue;
    return blo_fail(run->context, BLO_BAD_SHAPE, "E0605",
                    "%s: test \"%s\" needs a dim that it does not set", run->test->place,
                    run->test->name);
  }
  int64_t *scratch = blo_allocate_array(run->context, entry->slot_count, 3 * sizeof *scratch);
  if (!scratch) return BLO_NO_MEMORY;
  blo_status status =
      blo_place_entry(run->context, entry, run->dims, dim_count, scratch, run->offsets, &workspace);
  blo_release(run->context, scratch);
  if (status) return status;
  run->workspace = total;
  // Code may load the first element of an empty tensor before it drops it, so the block ends in
  // spare bytes.
  if (!blo_add_bytes(total, workspace, &total) || !blo_add_bytes(total, BLO_ALIGNMENT, &total))
    total = SIZE_MAX;
  run->block = blo_allocate(run->context, total);
  if (!run->block) return BLO_NO_MEMORY;
  for (size_t i = 0; i < entry->output_count; i++) run->outputs[i] = run->block + run->places[i];
  return BLO_OK;
}

static blo_status gather_inputs(TestRun *run) {
  const blo_entry *entry = run->test->entry;
  run->seed = run->options->seed;
  run->reporting = 1;
  for (size_t i = 0; i < entry->input_count; i++) {
    const blo_value *input = &entry->inputs[i];
    blo_array array = {0};
    blo_status status = BLO_OK;
    switch (input->role) {
    case BLO_ROLE_SEED:
      run->inputs[i] = &run->seed;
      break;
    case BLO_ROLE_REPORTING:
      run->inputs[i] = &run->reporting;
      break;
    case BLO_ROLE_DATA:
      if (!run->data || input->index < 0) {
        return blo_fail(run->context, BLO_BAD_DATA, "E0602", "%s: test \"%s\" needs data for `%s`",
                        run->test->place, run->test->name, input->name);
      }
      status = blo_data_read(run->data, run->program, (size_t)input->index, run->dims, &array);
      run->inputs[i] = blo_array_count(&array) ? array.data : run->block;
      break;
    default:
      status = blo_fail(run->context, BLO_BAD_ARGUMENT, "", "test \"%s\" has an input `%s`",
                        run->test->name, input->name);
    }
    if (status) return status;
  }
  return BLO_OK;
}

static void collect(TestRun *run, blo_test_result *result) {
  const blo_entry *entry = run->test->entry;
  for (size_t i = 0; i < entry->output_count; i++) {
    const blo_value *output = &entry->outputs[i];
    if (output->index < 0 || (size_t)output->index >= run->test->expect_count) continue;
    blo_expect_result *expect = &result->expects[output->index];
    blo_array view = {.name = output->name,
                      .dtype = output->dtype,
                      .rank = output->rank,
                      .data = run->outputs[i]};
    blo_shape_evaluate(output->shape, output->rank, run->dims, run->program->dim_count, view.shape);
    switch (output->role) {
    case BLO_ROLE_EXPECT_OK:
      expect->ok = blo_array_element(&view, 0) != 0.0;
      break;
    case BLO_ROLE_EXPECT_LEFT:
      expect->left = view;
      break;
    case BLO_ROLE_EXPECT_RIGHT:
      expect->right = view;
      break;
    case BLO_ROLE_EXPECT_ERROR:
      expect->has_error = true;
      expect->error = blo_array_element(&view, 0);
      break;
    default:
      break;
    }
  }
  for (size_t i = 0; i < run->test->expect_count; i++) result->failed += !result->expects[i].ok;
}

static blo_status call(TestRun *run, blo_test_result *result) {
  static const volatile int never;
  const blo_entry *entry = run->test->entry;
  blo_call arguments = {.dims = run->dims,
                        .inputs = run->inputs,
                        .outputs = run->outputs,
                        .workspace = run->block + run->workspace,
                        .offsets = run->offsets,
                        .notes = result->notes,
                        .stop = run->options->stop ? run->options->stop : &never,
                        .self = entry->self};
  blo_status status = (blo_status)entry->run(&arguments);
  if (!status) return BLO_OK;
  return blo_fail(run->context, status, "", "%s: test \"%s\" %s", run->test->place, run->test->name,
                  blo_status_name(status));
}

static blo_status run_test(TestRun *run, blo_test_result *result) {
  const blo_entry *entry = run->test->entry;
  blo_context *context = run->context;
  run->dims = blo_allocate_array(context, run->program->dim_count, sizeof *run->dims);
  run->offsets = blo_allocate_array(context, entry->slot_count, sizeof *run->offsets);
  run->inputs = blo_allocate_array(context, entry->input_count, sizeof *run->inputs);
  run->outputs = blo_allocate_array(context, entry->output_count, sizeof *run->outputs);
  run->places = blo_allocate_array(context, entry->output_count, sizeof *run->places);
  result->expects = blo_allocate_array(context, run->test->expect_count, sizeof *result->expects);
  result->notes = blo_allocate_array(context, run->program->note_count, sizeof *result->notes);
  if (!run->dims || !run->offsets || !run->inputs || !run->outputs || !run->places ||
      !result->expects || !result->notes)
    return BLO_NO_MEMORY;
  blo_status status = load_data(run);
  if (!status) status = find_dims(run);
  if (!status) status = lay_out(run);
  result->memory = run->block;
  if (!status) status = gather_inputs(run);
  if (!status) status = call(run, result);
  if (!status) collect(run, result);
  return status;
}

blo_status blo_run_test(blo_context *context, const blo_program *program, const blo_test *test,
                        const blo_test_options *options, blo_test_result *result) {
  TestRun run = {.context = context, .program = program, .test = test, .options = options};
  *result = (blo_test_result){.context = context};
  result->status = blo_check_program(context, program);
  if (!result->status && (!test->entry || !test->entry->run))
    result->status =
        blo_fail(context, BLO_BAD_ARGUMENT, "", "test \"%s\" was not compiled", test->name);
  if (!result->status) result->status = run_test(&run, result);
  blo_release(context, run.dims);
  blo_release(context, run.offsets);
  blo_release(context, run.inputs);
  blo_release(context, run.outputs);
  blo_release(context, run.places);
  blo_data_free(run.owned);
  return result->status;
}

void blo_test_result_release(blo_test_result *result) {
  blo_release(result->context, result->expects);
  blo_release(result->context, result->notes);
  blo_release(result->context, result->memory);
  *result = (blo_test_result){.context = result->context};
}
