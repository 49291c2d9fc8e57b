// Results and checkpoints, both .npz. A checkpoint holds each leaf under "STAGE/LEAF", the reports
// of a stage's last step under "STAGE/reports/NAME", and beside them the program's identity as
// text: whoever resumes compares that text line by line.
#include "report/results.h"
#include "data/npz_write.h"
#include <blo/data.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct Text {
  blo_context *context;
  char *bytes;
  size_t length, capacity;
  bool failed;
} Text;

__attribute__((format(printf, 2, 3))) static void text_add(Text *text, const char *format, ...) {
  char line[512];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  if (length < 0 || text->failed) return;
  size_t added = (size_t)length < sizeof line ? (size_t)length : sizeof line - 1;
  if (text->length + added + 1 > text->capacity) {
    size_t wanted = 2 * (text->capacity + added + 256);
    char *grown = blo_grow(text->context, text->bytes, text->length, wanted);
    text->failed = !grown;
    if (!grown) return;
    text->bytes = grown;
    text->capacity = wanted;
  }
  memcpy(text->bytes + text->length, line, added);
  text->length += added;
}

// Everything two programs must agree on for a state of one to be a state of the other.
static Text describe_program(blo_instance *instance) {
  const blo_program *program = instance->program;
  Text text = {.context = instance->context};
  text_add(&text, "program %s\n", program->name);
  for (size_t i = 0; i < program->dim_count; i++) {
    text_add(&text, "dim %s = %" PRId64 "\n", program->dims[i], instance->dims[i]);
  }
  for (size_t s = 0; s < program->stage_count; s++) {
    const blo_stage *stage = &program->stages[s];
    text_add(&text, "stage %s, solve %s\n", stage->name,
             stage->solve[0] ? stage->solve : "unnamed");
    for (size_t i = 0; i < stage->state_count; i++) {
      const blo_leaf *leaf = &stage->state[i];
      int64_t shape[BLO_MAX_RANK];
      char shape_text[192] = "";
      if (blo_shape_evaluate(leaf->shape, leaf->rank, instance->dims, program->dim_count, shape))
        blo_shape_print(shape_text, sizeof shape_text, shape, (size_t)leaf->rank);
      text_add(&text, "leaf %s: %s%s\n", leaf->name, blo_dtype_name(leaf->dtype), shape_text);
    }
  }
  return text;
}

// A checkpoint's name for leaf `name` of stage `stage`.
static void leaf_member(char *member, size_t bytes, const blo_stage *stage, const char *name) {
  snprintf(member, bytes, "%s/%s", stage->name, name);
}

// Reports of an earlier step would pass for those of the variables beside them.
static bool reports_are_current(blo_instance *instance, size_t s) {
  return instance->stages[s].reported && blo_report_step(instance, s) == blo_iteration(instance, s);
}

static void report_member(char *member, size_t bytes, const blo_stage *stage, const char *name) {
  snprintf(member, bytes, "%s/reports/%s", stage->name, name);
}

static blo_status save_reports(blo_instance *instance, size_t s, blo_npz *npz) {
  const blo_stage *stage = &instance->program->stages[s];
  blo_status status = BLO_OK;
  for (size_t i = 0; i < stage->report_count && !status; i++) {
    char member[512];
    blo_array view;
    report_member(member, sizeof member, stage, stage->reports[i].name);
    status = blo_view_report(instance, s, stage->reports[i].name, &view);
    if (!status) status = blo_npz_add(npz, member, &view);
  }
  return status;
}

static blo_status save_leaves(blo_instance *instance, blo_npz *npz) {
  blo_status status = BLO_OK;
  for (size_t s = 0; s < instance->program->stage_count; s++) {
    const blo_stage *stage = &instance->program->stages[s];
    if (!instance->stages[s].started) continue;
    for (size_t i = 0; i < stage->state_count && !status; i++) {
      char member[512];
      blo_array view;
      leaf_member(member, sizeof member, stage, stage->state[i].name);
      status = blo_view_leaf(instance, s, stage->state[i].name, &view);
      if (!status) status = blo_npz_add(npz, member, &view);
    }
    if (!status && reports_are_current(instance, s)) status = save_reports(instance, s, npz);
  }
  return status;
}

blo_status blo_checkpoint_save(blo_instance *instance, const char *path) {
  blo_context *context = instance->context;
  size_t count = instance->program->stage_count;
  blo_npz npz;
  Text text = describe_program(instance);
  int64_t *progress = blo_allocate_array(context, count, 2 * sizeof *progress);
  if (text.failed || !progress) {
    blo_release(context, text.bytes);
    blo_release(context, progress);
    return BLO_NO_MEMORY;
  }
  for (size_t s = 0; s < count; s++) {
    progress[2 * s] = instance->stages[s].started ? instance->stages[s].iteration : -1;
    progress[2 * s + 1] = instance->stages[s].seed;
  }
  blo_array identity = {
      .dtype = BLO_U8, .rank = 1, .shape = {(int64_t)text.length}, .data = text.bytes};
  blo_array made = {.dtype = BLO_I64, .rank = 2, .shape = {(int64_t)count, 2}, .data = progress};
  blo_status status = blo_npz_begin(context, path, false, &npz);
  if (!status) status = blo_npz_add(&npz, "blo/program", &identity);
  if (!status) status = blo_npz_add(&npz, "blo/steps_and_seeds", &made);
  if (!status) status = save_leaves(instance, &npz);
  if (!status) status = blo_npz_end(&npz);
  if (status) blo_npz_abandon(&npz);
  blo_release(context, progress);
  blo_release(context, text.bytes);
  return status;
}

// Refuses with the first line in which the two programs differ.
static blo_status compare_programs(blo_instance *instance, const char *path,
                                   const blo_array *saved) {
  Text text = describe_program(instance);
  if (text.failed) return BLO_NO_MEMORY;
  const char *there = saved->data, *here = text.bytes;
  size_t there_length = blo_array_count(saved), line = 0, at = 0;
  while (at < there_length && at < text.length && there[at] == here[at]) {
    if (here[at++] == '\n') line = at;
  }
  blo_status status = BLO_OK;
  if (at < there_length || at < text.length) {
    int there_line = 0, here_line = 0;
    while (line + (size_t)there_line < there_length && there[line + (size_t)there_line] != '\n')
      there_line++;
    while (line + (size_t)here_line < text.length && here[line + (size_t)here_line] != '\n')
      here_line++;
    status = blo_fail(instance->context, BLO_BAD_DATA, "E0903",
                      "%s is a checkpoint of another program: it says `%.*s`, this one `%.*s`",
                      path, there_line > 200 ? 200 : there_line, there + line,
                      here_line > 200 ? 200 : here_line, here + line);
  }
  blo_release(instance->context, text.bytes);
  return status;
}

static blo_status load_stage(blo_instance *instance, size_t s, blo_data_set *set, int64_t iteration,
                             int64_t seed) {
  StageRun *run = &instance->stages[s];
  const blo_stage *stage = run->stage;
  char *block = blo_allocate(instance->context, run->bytes[GROUP_STATE]);
  blo_status status = block ? BLO_OK : BLO_NO_MEMORY;
  for (size_t i = 0; i < stage->state_count && !status; i++) {
    const blo_leaf *leaf = &stage->state[i];
    char member[512];
    blo_array saved;
    size_t bytes = 0, declared = 0;
    leaf_member(member, sizeof member, stage, leaf->name);
    status = blo_data_get(set, member, leaf->dtype, &saved);
    if (status) break;
    bytes = blo_array_count(&saved) * blo_dtype_bytes(leaf->dtype);
    bool fits = blo_tensor_bytes(leaf->shape, leaf->rank, leaf->dtype, instance->dims,
                                 instance->program->dim_count, &declared) &&
                bytes <= declared && declared - bytes < BLO_ALIGNMENT;
    if (!fits) {
      status = blo_fail(instance->context, BLO_BAD_DATA, "E0604",
                        "the checkpoint is damaged: `%s` has another size", member);
    } else if (bytes) {
      memcpy(block + run->leaves[i], saved.data, bytes);
    }
  }
  if (!status) status = blo_state_load(instance, s, block, iteration, seed);
  blo_release(instance->context, block);
  return status;
}

// The reports beside the state. A program may have got other reports since the checkpoint was
// written: then there are none until the next step that reports.
static blo_status load_reports(blo_instance *instance, size_t s, blo_data_set *set) {
  StageRun *run = &instance->stages[s];
  const blo_stage *stage = run->stage;
  char *block = run->blocks[GROUP_REPORT][run->current[GROUP_REPORT]];
  bool all = stage->report_count > 0;
  for (size_t i = 0; i < stage->report_count && all; i++) {
    const blo_report *report = &stage->reports[i];
    char member[512];
    blo_array saved;
    size_t declared = 0;
    report_member(member, sizeof member, stage, report->name);
    all = blo_data_has(set, member);
    if (!all) break;
    blo_status status = blo_data_get(set, member, report->dtype, &saved);
    if (status) return status;
    size_t bytes = blo_array_count(&saved) * blo_dtype_bytes(report->dtype);
    all = blo_tensor_bytes(report->shape, report->rank, report->dtype, instance->dims,
                           instance->program->dim_count, &declared) &&
          bytes <= declared && declared - bytes < BLO_ALIGNMENT;
    if (all && bytes) memcpy(block + run->reports[i], saved.data, bytes);
  }
  run->reported = all;
  run->report_step = run->iteration;
  return BLO_OK;
}

static blo_status load_all(blo_instance *instance, const char *path, blo_data_set *set) {
  blo_array identity, made;
  size_t count = instance->program->stage_count;
  blo_status status = blo_data_get(set, "blo/program", BLO_U8, &identity);
  if (!status) status = blo_data_get(set, "blo/steps_and_seeds", BLO_I64, &made);
  if (status == BLO_BAD_DATA)
    return blo_fail(instance->context, status, "E0903", "%s is no checkpoint", path);
  if (!status) status = compare_programs(instance, path, &identity);
  if (status) return status;
  if (blo_array_count(&made) != 2 * count)
    return blo_fail(instance->context, BLO_BAD_DATA, "E0604", "%s is damaged", path);
  const int64_t *progress = made.data;
  for (size_t s = 0; s < count && !status; s++) {
    if (progress[2 * s] < 0) continue;
    status = load_stage(instance, s, set, progress[2 * s], progress[2 * s + 1]);
    if (!status) status = load_reports(instance, s, set);
  }
  return status;
}

blo_status blo_checkpoint_load(blo_instance *instance, const char *path) {
  blo_data_set *set;
  if (access(path, R_OK) != 0) {
    char reason[128];
    if (strerror_r(errno, reason, sizeof reason) != 0) strcpy(reason, "it cannot be read");
    return blo_fail(instance->context, BLO_BAD_ARGUMENT, "E0902", "%s: %s", path, reason);
  }
  blo_status status = blo_data_load_file(instance->context, path, &set);
  if (status) return status;
  status = load_all(instance, path, set);
  blo_data_free(set);
  return status;
}

// ---- results ----

static blo_status add_result(blo_npz *npz, const blo_program *program, const blo_stage *stage,
                             const char *kind, const blo_array *view) {
  char member[512];
  if (program->stage_count > 1) {
    snprintf(member, sizeof member, "%s.%s%s", stage->name, kind, view->name);
  } else {
    snprintf(member, sizeof member, "%s%s", kind, view->name);
  }
  return blo_npz_add(npz, member, view);
}

static blo_status save_stage_results(blo_instance *instance, size_t s, blo_npz *npz) {
  const blo_program *program = instance->program;
  const blo_stage *stage = &program->stages[s];
  blo_array view;
  blo_status status = BLO_OK;
  for (size_t i = 0; i < stage->state_count && !status; i++) {
    if (!stage->state[i].result) continue;
    status = blo_view_leaf(instance, s, stage->state[i].name, &view);
    if (!status) status = add_result(npz, program, stage, "", &view);
  }
  bool current = reports_are_current(instance, s);
  for (size_t i = 0; i < stage->report_count && !status && current; i++) {
    status = blo_view_report(instance, s, stage->reports[i].name, &view);
    if (!status) status = add_result(npz, program, stage, "report.", &view);
  }
  for (size_t i = 0; i < stage->final_count && !status && instance->stages[s].finished; i++) {
    status = blo_view_final(instance, s, stage->finals[i].name, &view);
    if (!status) status = add_result(npz, program, stage, "report.", &view);
  }
  return status;
}

blo_status blo_results_save(blo_instance *instance, const char *path) {
  blo_npz npz;
  blo_status status = blo_npz_begin(instance->context, path, true, &npz);
  for (size_t s = 0; s < instance->program->stage_count && !status; s++) {
    if (instance->stages[s].started) status = save_stage_results(instance, s, &npz);
  }
  if (!status) status = blo_npz_end(&npz);
  if (status) blo_npz_abandon(&npz);
  return status;
}
