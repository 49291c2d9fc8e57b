// The driver: data, instance, stages one after the other, and what is written at the end.
//
// Whatever ends a run, the last good state is saved: Ctrl-C, divergence, and no convergence lose
// nothing.
#include "core/instance.h"
#include "data/json_write.h"
#include "report/calls.h"
#include "report/history.h"
#include "report/interrupt.h"
#include "report/message.h"
#include "report/open.h"
#include "report/plot.h"
#include "report/progress.h"
#include "report/results.h"
#include <blo/driver.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SMALL_VECTOR = 8, OBJECTIVE_COLUMNS = 3 };

// What a variable at rest moves by, of its length.
static const double RESTING = 1e-6;

// In which steps of the present stage a warning was raised. One that a report raises judges where
// the run stands then; so what is told is the verdict of the last report.
typedef struct Raised {
  int64_t steps, first, last;
} Raised;

typedef struct Run {
  const blo_program *program;
  const blo_run_options *options;
  blo_context *context;
  blo_data_set *data;     // loaded here
  blo_data_set *all_data; // that, or the caller's
  blo_instance *instance;
  FILE *log;
  char *out;
  double start;
  // of the present stage
  size_t stage;
  Progress progress;
  History objectives, reports;
  const char **report_names; // "" for those that are no scalars
  double *report_values;
  const char *objective_names[OBJECTIVE_COLUMNS];
  Raised *raised; // of each note
  double last_checkpoint;
  OracleCalls calls;    // of the stage's steps
  OracleCalls now;      // of the last one
  blo_step_result last; // with the objectives of the last step that reported:
  int64_t objectives_step;
} Run;

static int exit_code(blo_status status) {
  switch (status) {
  case BLO_OK:
    return BLO_EXIT_OK;
  case BLO_NOT_CONVERGED:
  case BLO_STOPPED:
    return BLO_EXIT_NOT_CONVERGED;
  case BLO_DIVERGED:
    return BLO_EXIT_DIVERGED;
  default:
    return BLO_EXIT_ERROR;
  }
}

// The program's name without folders and ending: "ridge" of "examples/ridge.blo".
static void print_stem(char *stem, size_t bytes, const char *name) {
  const char *slash = strrchr(name, '/');
  snprintf(stem, bytes, "%s", slash ? slash + 1 : name);
  char *dot = strrchr(stem, '.');
  if (dot && strcmp(dot, ".blo") == 0) *dot = '\0';
  if (!stem[0]) snprintf(stem, bytes, "program");
}

static const char *shown_stage_name(const Run *run) {
  return run->program->stage_count > 1 ? run->program->stages[run->stage].name : "";
}

static void print_error(const Run *run) {
  blo_print_error_as(run->context, run->options->errors);
}

// ---- notes ----

static bool is_verdict(const blo_note *note) {
  return strcmp(note->code, "W0704") == 0;
}

static void tell(Run *run, const blo_note *note, const char *when) {
  char text[BLO_TEXT_BYTES];
  snprintf(text, sizeof text, "%s%s", note->text, when);
  blo_progress_clear(&run->progress);
  blo_print_message(run->options->errors, "warning", note->code, text, note->place, "");
}

// Warnings of the step that was made: each is told when it first appears.
static void note_warnings(Run *run, int64_t step) {
  for (size_t i = 0; i < run->program->note_count; i++) {
    const blo_note *note = &run->program->notes[i];
    Raised *raised = &run->raised[i];
    if (note->code[0] != 'W' || !blo_note_last(run->instance, i) || raised->last == step) continue;
    if (!raised->steps++) raised->first = step;
    raised->last = step;
    if (raised->steps == 1 && !is_verdict(note)) tell(run, note, "");
  }
}

// At a stage's end: verdicts of its last report, and how often what was told held.
static void sum_up_warnings(Run *run) {
  int64_t reported = blo_report_step(run->instance, run->stage);
  for (size_t i = 0; i < run->program->note_count; i++) {
    const blo_note *note = &run->program->notes[i];
    const Raised *raised = &run->raised[i];
    bool verdict = is_verdict(note);
    if (!raised->steps || (verdict && raised->last < reported)) continue;
    char when[128] = "";
    if (raised->steps > 1)
      snprintf(when, sizeof when, " (in %" PRId64 " %s, from step %" PRId64 " to step %" PRId64 ")",
               raised->steps, verdict ? "reports" : "steps", raised->first, raised->last);
    if (verdict)
      tell(run, note, when);
    else if (when[0])
      blo_print_message(run->options->errors, "note", note->code, when + 1, note->place, "");
  }
  for (size_t i = 0; i < run->program->note_count; i++) run->raised[i] = (Raised){0};
}

// ---- the log ----

static void log_start(Run *run) {
  if (!run->log) return;
  blo_json json = {run->log, false};
  blo_json_begin(&json, NULL);
  blo_json_text(&json, "event", "start");
  blo_json_text(&json, "program", run->program->name);
  blo_json_begin(&json, "dims");
  for (size_t i = 0; i < run->program->dim_count; i++) {
    blo_json_integer(&json, run->program->dims[i], run->instance->dims[i]);
  }
  blo_json_end(&json);
  blo_json_end_line(&json);
}

static void log_objectives(blo_json *json, const blo_step_result *result) {
  if (result->has_upper) blo_json_number(json, "upper_objective", result->upper_objective);
  if (result->has_lower) blo_json_number(json, "lower_objective", result->lower_objective);
  if (result->has_norm) blo_json_number(json, "hypergradient_norm", result->hypergradient_norm);
}

static void log_reports(Run *run, blo_json *json, bool finals) {
  const blo_stage *stage = &run->program->stages[run->stage];
  size_t count = finals ? stage->final_count : stage->report_count;
  blo_json_begin(json, "reports");
  for (size_t i = 0; i < count; i++) {
    blo_array view;
    const char *name = finals ? stage->finals[i].name : stage->reports[i].name;
    blo_status status = finals ? blo_view_final(run->instance, run->stage, name, &view)
                               : blo_view_report(run->instance, run->stage, name, &view);
    if (!status) blo_json_array(json, name, &view);
  }
  blo_json_end(json);
}

static void log_calls(blo_json *json, const OracleCalls *calls) {
  blo_json_begin(json, "oracle_calls");
  for (int k = 0; k < CALL_KINDS; k++) blo_json_integer(json, blo_call_keys[k], calls->count[k]);
  blo_json_end(json);
}

static void log_step(Run *run, const blo_step_result *result) {
  if (!run->log) return;
  blo_json json = {run->log, false};
  blo_json_begin(&json, NULL);
  blo_json_text(&json, "event", "step");
  blo_json_text(&json, "stage", run->program->stages[run->stage].name);
  blo_json_integer(&json, "step", result->iteration);
  blo_json_number(&json, "seconds", blo_seconds() - run->start);
  log_objectives(&json, result);
  log_reports(run, &json, false);
  log_calls(&json, &run->now);
  blo_json_end_line(&json);
}

static void log_stage_end(Run *run, blo_status status, const char *message) {
  if (!run->log) return;
  blo_json json = {run->log, false};
  blo_json_begin(&json, NULL);
  blo_json_text(&json, "event", "end");
  blo_json_text(&json, "stage", run->program->stages[run->stage].name);
  blo_json_integer(&json, "step", blo_iteration(run->instance, run->stage));
  blo_json_number(&json, "seconds", blo_seconds() - run->start);
  blo_json_text(&json, "status", blo_status_name(status));
  if (status) blo_json_text(&json, "message", message);
  log_objectives(&json, &run->last);
  bool known = run->last.has_upper || run->last.has_lower;
  if (known && run->objectives_step != run->last.iteration)
    blo_json_integer(&json, "objectives_step", run->objectives_step);
  log_reports(run, &json, true);
  log_calls(&json, &run->calls);
  blo_json_end_line(&json);
}

// ---- a stage ----

// Keeps a point of the curves; objectives and reports are known in steps that report.
static void record(Run *run, const blo_step_result *result, bool always) {
  const double nothing = (double)__builtin_nanf("");
  double values[OBJECTIVE_COLUMNS] = {result->has_upper ? result->upper_objective : nothing,
                                      result->has_lower ? result->lower_objective : nothing,
                                      result->has_norm ? result->hypergradient_norm : nothing};
  run->objective_names[0] = result->has_upper ? "upper objective" : "";
  run->objective_names[1] = result->has_lower ? "lower objective" : "";
  run->objective_names[2] = result->has_norm ? "hypergradient norm" : "";
  blo_history_add(&run->objectives, result->iteration, values, always);
  const blo_stage *stage = &run->program->stages[run->stage];
  for (size_t i = 0; i < stage->report_count; i++) {
    blo_array view;
    run->report_values[i] = nothing;
    if (!run->report_names[i][0]) continue;
    if (!blo_view_report(run->instance, run->stage, stage->reports[i].name, &view))
      run->report_values[i] = blo_array_element(&view, 0);
  }
  blo_history_add(&run->reports, result->iteration, run->report_values, always);
}

// What is known now: this step's numbers, and the objectives of an earlier one where it has none.
static void remember(blo_step_result *last, const blo_step_result *result) {
  blo_step_result before = *last;
  *last = *result;
  if (result->reported) return;
  last->has_upper = before.has_upper;
  last->has_lower = before.has_lower;
  last->upper_objective = before.upper_objective;
  last->lower_objective = before.lower_objective;
}

static int32_t after_step(void *self, const blo_step_result *result) {
  Run *run = self;
  const blo_run_options *options = run->options;
  remember(&run->last, result);
  blo_calls_add(run->instance, &run->calls);
  run->now = (OracleCalls){0};
  blo_calls_add(run->instance, &run->now);
  if (result->reported) run->objectives_step = result->iteration;
  bool ends = result->iteration == run->progress.iterations || result->stop;
  note_warnings(run, result->iteration);
  if (result->reported) {
    record(run, result, ends);
    log_step(run, result);
  }
  blo_progress_step(&run->progress, &run->last, run->objectives_step, ends);
  if (!options->checkpoint) return 0;
  double seconds = options->checkpoint_seconds > 0.0 ? options->checkpoint_seconds : 60.0;
  double now = blo_seconds();
  if (now - run->last_checkpoint < seconds) return 0;
  run->last_checkpoint = now;
  if (!blo_checkpoint_save(run->instance, options->checkpoint)) return 0;
  blo_progress_clear(&run->progress);
  print_error(run);
  return 0; // the run itself is sound, so it goes on
}

// As %.6g, but the sign of a NaN means nothing.
static void print_number(char *text, size_t bytes, double value) {
  if (isnan(value)) {
    snprintf(text, bytes, "nan");
  } else {
    snprintf(text, bytes, "%.6g", value);
  }
}

static void print_value(const blo_array *view, const char *after) {
  size_t count = blo_array_count(view);
  if (view->rank) putchar('[');
  for (size_t i = 0; i < count; i++) {
    double value = blo_array_element(view, i);
    if (i) fputs(", ", stdout);
    if (view->dtype == BLO_BOOL) {
      fputs(value != 0.0 ? "true" : "false", stdout);
    } else if (view->dtype >= BLO_I32) {
      printf("%.0f", value);
    } else {
      char number[32];
      print_number(number, sizeof number, value);
      fputs(number, stdout);
    }
  }
  printf("%s%s\n", view->rank ? "]" : "", after);
}

static void print_named(const Run *run, const blo_array *view, const char *after) {
  if (view->rank > 1 || blo_array_count(view) > SMALL_VECTOR) return;
  const char *stage = shown_stage_name(run);
  printf("%s%s%s = ", stage, stage[0] ? "." : "", view->name);
  print_value(view, after);
}

// What stands behind a report: the step that it belongs to where that is not the last one, or, for
// a number, what the run began with: "   (step 1: 0.19)".
static void print_remark(const Run *run, size_t report, char *text, size_t bytes) {
  int64_t step = blo_report_step(run->instance, run->stage);
  int64_t last = blo_iteration(run->instance, run->stage);
  text[0] = '\0';
  if (step != last) {
    snprintf(text, bytes, "   (step %" PRId64 ", run stopped in step %" PRId64 ")", step, last);
    return;
  }
  if (run->reports.count < 2 || !run->report_names[report][0]) return;
  const double *first = blo_history_row(&run->reports, 0);
  char number[32];
  print_number(number, sizeof number, first[1 + report]);
  snprintf(text, bytes, "   (step %.0f: %s)", first[0], number);
}

// How far the last step moved a variable, where that is more than its last digits: it has not come
// to rest, and lower variables are the answer to the upper ones before the move.
static void print_move(const Run *run, const blo_array *view, char *text, size_t bytes) {
  blo_array before;
  double moved = 0.0, size = 0.0;
  text[0] = '\0';
  if (blo_view_before(run->instance, run->stage, view->name, &before)) return;
  for (size_t i = 0; i < blo_array_count(view); i++) {
    double now = blo_array_element(view, i), change = now - blo_array_element(&before, i);
    moved += change * change;
    size += now * now;
  }
  if (isfinite(moved) && moved > RESTING * RESTING * size)
    snprintf(text, bytes, "   (moved by %.2g in the last step)", sqrt(moved));
}

// Final reports, and the variables that are small enough to read. `whole`: the last step succeeded.
static void print_results(const Run *run, bool whole) {
  const blo_stage *stage = &run->program->stages[run->stage];
  blo_array view;
  char remark[96];
  for (size_t i = 0; i < stage->state_count; i++) {
    if (stage->state[i].result &&
        !blo_view_leaf(run->instance, run->stage, stage->state[i].name, &view)) {
      if (whole) print_move(run, &view, remark, sizeof remark);
      print_named(run, &view, whole ? remark : "");
    }
  }
  for (size_t i = 0; i < stage->report_count; i++) {
    print_remark(run, i, remark, sizeof remark);
    if (!blo_view_report(run->instance, run->stage, stage->reports[i].name, &view))
      print_named(run, &view, remark);
  }
  for (size_t i = 0; i < stage->final_count; i++) {
    if (!blo_view_final(run->instance, run->stage, stage->finals[i].name, &view))
      print_named(run, &view, "");
  }
  fflush(stdout);
}

static blo_status begin_stage(Run *run) {
  const blo_stage *stage = &run->program->stages[run->stage];
  blo_history_end(&run->objectives);
  blo_history_end(&run->reports);
  blo_release(run->context, run->report_names);
  blo_release(run->context, run->report_values);
  run->report_names = blo_allocate_array(run->context, stage->report_count, sizeof(char *));
  run->report_values = blo_allocate_array(run->context, stage->report_count, sizeof(double));
  run->last = (blo_step_result){0};
  run->objectives_step = 0;
  run->calls = (OracleCalls){0};
  if (!run->report_names || !run->report_values ||
      blo_history_begin(run->context, OBJECTIVE_COLUMNS, &run->objectives) ||
      blo_history_begin(run->context, stage->report_count, &run->reports))
    return BLO_NO_MEMORY;
  for (size_t i = 0; i < stage->report_count; i++) {
    run->report_names[i] = stage->reports[i].rank == 0 ? stage->reports[i].name : "";
  }
  if (run->instance->stages[run->stage].started) return BLO_OK; // resumed
  int64_t seed = run->options->has_seed ? run->options->seed : stage->seed;
  return blo_init(run->instance, run->stage, seed);
}

// Reports come at least a hundred times in a run, also where the program says nothing.
static int64_t report_distance(const Run *run) {
  const blo_stage *stage = &run->program->stages[run->stage];
  if (run->options->report_every > 0) return run->options->report_every;
  if (stage->report_every > 0) return stage->report_every;
  return stage->iterations > 100 ? stage->iterations / 100 : 1;
}

static void say_how_it_ended(const Run *run, blo_status status) {
  const char *stage = shown_stage_name(run);
  char time[48];
  int64_t steps = blo_iteration(run->instance, run->stage);
  int64_t made = steps - run->progress.first_step;
  blo_duration_print(time, sizeof time, blo_seconds() - run->progress.start);
  if (status == BLO_STOPPED) {
    fprintf(stderr, "stopped after step %" PRId64 "; what was found so far is saved\n", steps);
  } else if (status == BLO_NOT_CONVERGED) {
    fprintf(stderr, "not converged: %s\n", blo_last_error(run->context)->text);
  } else if (status) {
    print_error(run);
  }
  if (run->options->quiet) return;
  fprintf(stderr, "%s%s%" PRId64 " steps in %s\n", stage, stage[0] ? ": " : "", made, time);
  blo_calls_print(stderr, &run->calls, made);
}

static void say_nothing_is_left(const Run *run) {
  int64_t made = blo_iteration(run->instance, run->stage);
  int64_t wanted = run->program->stages[run->stage].iterations;
  if (!made || made < wanted) return;
  fprintf(stderr,
          "nothing is left to do: the checkpoint is of step %" PRId64 ", and the run has %" PRId64
          " steps (--set upper.iters=N)\n",
          made, wanted);
}

static blo_status run_stage(Run *run) {
  const blo_stage *stage = &run->program->stages[run->stage];
  blo_status status = begin_stage(run);
  if (status == BLO_STOPPED) {
    const char *name = shown_stage_name(run);
    fprintf(stderr, "stopped before the first step%s%s\n", name[0] ? " of stage " : "", name);
    return status;
  }
  if (status) {
    print_error(run);
    return status;
  }
  blo_progress_begin(&run->progress, shown_stage_name(run), stage->iterations,
                     blo_iteration(run->instance, run->stage), run->options->quiet);
  run->progress.one_level = true;
  for (size_t i = 0; i < stage->step->output_count; i++)
    if (stage->step->outputs[i].role == BLO_ROLE_LOWER_OBJECTIVE) run->progress.one_level = false;
  run->last_checkpoint = run->progress.start;
  say_nothing_is_left(run);
  status = blo_solve(run->instance, run->stage, report_distance(run), after_step, run);
  blo_progress_clear(&run->progress);
  bool failed = status && status != BLO_NOT_CONVERGED && status != BLO_STOPPED;
  if (failed) note_warnings(run, blo_iteration(run->instance, run->stage) + 1);
  char message[BLO_TEXT_BYTES];
  snprintf(message, sizeof message, "%s", blo_last_error(run->context)->text);
  sum_up_warnings(run);
  say_how_it_ended(run, status);
  blo_clear_stop(run->instance); // the last reports are made all the same
  blo_status finished = blo_finish(run->instance, run->stage);
  if (blo_interrupt_came()) blo_request_stop(run->instance); // no further stage
  if (finished) print_error(run);
  if (!status) status = finished;
  log_stage_end(run, status, message);
  print_results(run, !failed);
  return status;
}

// ---- the whole ----

static blo_status write_plot(Run *run) {
  const blo_stage *stage = &run->program->stages[run->stage];
  char title[256];
  const char *norm[OBJECTIVE_COLUMNS] = {"", "", run->objective_names[2]};
  const char *objectives[OBJECTIVE_COLUMNS] = {run->objective_names[0], run->objective_names[1],
                                               ""};
  bool has_reports = false;
  for (size_t i = 0; i < stage->report_count; i++) has_reports |= run->report_names[i][0] != '\0';
  char stem[200];
  print_stem(stem, sizeof stem, run->program->name);
  snprintf(title, sizeof title, "%s%s%s", stem, stage->solve[0] ? ", solve " : "", stage->solve);
  size_t columns = OBJECTIVE_COLUMNS + stage->report_count;
  PlotCurve *curves = blo_allocate_array(run->context, columns, sizeof *curves);
  if (!curves) return BLO_NO_MEMORY;
  size_t first = blo_plot_history(&run->objectives, objectives, curves);
  size_t second = has_reports ? blo_plot_history(&run->reports, run->report_names, curves + first)
                              : blo_plot_history(&run->objectives, norm, curves + first);
  PlotPanel panels[] = {
      {"Objectives", "step", true, curves, first},
      {has_reports ? "Reports" : "Hypergradient", "step", true, curves + first, second}};
  blo_status status = blo_plot_write(run->context, run->options->plot, title, panels, 2);
  blo_release(run->context, curves);
  return status;
}

// Says where a file was written, or why not; a failed write is a failed run.
static blo_status report_file(Run *run, const char *what, const char *path, blo_status status) {
  if (status) {
    print_error(run);
  } else if (!run->options->quiet) {
    fprintf(stderr, "%s written to %s\n", what, path);
  }
  return status;
}

static blo_status write_files(Run *run) {
  const blo_run_options *options = run->options;
  blo_status worst = BLO_OK, status;
  if (strcmp(run->out, "-") != 0) {
    status = report_file(run, "results", run->out, blo_results_save(run->instance, run->out));
    if (status) worst = status;
  }
  if (options->checkpoint) {
    status = report_file(run, "checkpoint", options->checkpoint,
                         blo_checkpoint_save(run->instance, options->checkpoint));
    if (status) worst = status;
  }
  if (options->plot && run->objectives.count) {
    status = report_file(run, "plot", options->plot, write_plot(run));
    if (status) worst = status;
  }
  return worst;
}

static blo_status open_data(Run *run) {
  const blo_run_options *options = run->options;
  blo_status status = BLO_OK;
  if (!options->data && options->source_count)
    status = blo_data_load(run->context, options->sources, options->source_count, &run->data);
  if (options->data) run->all_data = options->data;
  if (run->data) run->all_data = run->data;
  return status;
}

// Files that were left out, and columns that nothing reads.
static void warn_of_data(const Run *run) {
  for (size_t i = 0; run->all_data && i < blo_data_warning_count(run->all_data); i++)
    blo_print_message(run->options->errors, "warning", "W0601", blo_data_warning(run->all_data, i),
                      "", "");
}

static blo_status open_instance(Run *run) {
  return blo_open_with_data(run->context, run->program, run->all_data, run->options->dims,
                            run->options->dim_count, &run->instance);
}

// Programs may loop over no rows at all, so an empty array is no error; a mean over it is no
// number.
static void warn_of_empty_data(const Run *run) {
  for (size_t i = 0; i < run->program->data_count; i++) {
    const blo_data *declared = &run->program->data[i];
    blo_array view;
    if (declared->computed || blo_view_data(run->instance, declared->name, &view)) continue;
    if (blo_array_count(&view)) continue;
    char shape[160], text[512];
    blo_shape_print(shape, sizeof shape, view.shape, (size_t)view.rank);
    snprintf(text, sizeof text, "the data for `%s` is empty: it has shape %s", declared->name,
             shape);
    blo_print_message(run->options->errors, "warning", "W0601", text, declared->place,
                      "means over no elements are not numbers");
  }
}

// ---- what will be written: refused before the run where that cannot work ----

// The folder of `path` in `folder`: "." where it names none.
static void print_folder(char *folder, size_t bytes, const char *path) {
  const char *slash = strrchr(path, '/');
  int length = slash == path ? 1 : (int)(slash ? slash - path : 0);
  snprintf(folder, bytes, "%.*s", slash ? length : 1, slash ? path : ".");
}

static blo_status check_written(Run *run, const char *option, const char *path) {
  char folder[4096], reason[128] = "";
  struct stat status;
  bool exists = stat(path, &status) == 0;
  if (exists && S_ISDIR(status.st_mode)) {
    strcpy(reason, "it is a folder");
  } else if (exists && !S_ISREG(status.st_mode)) {
    strcpy(reason, "it is no regular file");
  } else {
    print_folder(folder, sizeof folder, path);
    bool writable = access(folder, W_OK | X_OK) == 0 && (!exists || access(path, W_OK) == 0);
    if (!writable && strerror_r(errno, reason, sizeof reason) != 0)
      strcpy(reason, "it cannot be written");
  }
  if (reason[0])
    return blo_fail(run->context, BLO_BAD_ARGUMENT, "E0902", "%s %s: %s", option, path, reason);
  if (!run->all_data || !blo_data_uses_file(run->all_data, path)) return BLO_OK;
  blo_fail(run->context, BLO_BAD_ARGUMENT, "E0902", "%s %s would overwrite a data file", option,
           path);
  blo_fail_help(run->context, "give another name");
  return BLO_BAD_ARGUMENT;
}

// Results are one .npz: a name that says another format would be believed later.
static blo_status check_out(Run *run) {
  static const char *const others[] = {".csv", ".tsv", ".json", ".jsonl", ".npy", ".txt"};
  const char *dot = strrchr(run->out, '.');
  for (size_t i = 0; dot && i < sizeof others / sizeof *others; i++) {
    if (strcmp(dot, others[i]) != 0) continue;
    blo_fail(run->context, BLO_BAD_ARGUMENT, "E0902",
             "--out %s: results are written as .npz, not %s", run->out, dot);
    blo_fail_help(run->context, "name it %.*s.npz; --log FILE.jsonl writes numbers as text",
                  (int)(dot - run->out), run->out);
    return BLO_BAD_ARGUMENT;
  }
  return check_written(run, "--out", run->out);
}

static blo_status check_files(Run *run) {
  const blo_run_options *options = run->options;
  blo_status status = BLO_OK;
  if (strcmp(run->out, "-") != 0) status = check_out(run);
  if (!status && options->plot) status = check_written(run, "--plot", options->plot);
  if (!status && options->checkpoint)
    status = check_written(run, "--checkpoint", options->checkpoint);
  if (status || !options->log) return status;
  struct stat log; // may be a pipe or terminal, so only a plain file is checked
  bool plain = stat(options->log, &log) == 0 && S_ISREG(log.st_mode);
  return plain ? check_written(run, "--log", options->log) : BLO_OK;
}

static blo_status open_log(Run *run) {
  const blo_run_options *options = run->options;
  if (!options->log) return BLO_OK;
  run->log = fopen(options->log, options->resume ? "a" : "w");
  if (run->log) {
    setvbuf(run->log, NULL, _IOLBF, 0); // each line is there for whoever follows the run
    return BLO_OK;
  }
  char reason[128];
  if (strerror_r(errno, reason, sizeof reason) != 0) strcpy(reason, "cannot be written");
  return blo_fail(run->context, BLO_BAD_ARGUMENT, "E0902", "%s: %s", options->log, reason);
}

// Goes on from the checkpoint. Its seed stays: the state was drawn from it.
static blo_status resume(Run *run) {
  const blo_run_options *options = run->options;
  if (!options->resume) return BLO_OK;
  blo_status status = blo_checkpoint_load(run->instance, options->resume);
  for (size_t i = 0; i < run->program->stage_count && !status && options->has_seed; i++) {
    const StageRun *stage = &run->instance->stages[i];
    if (!stage->started || stage->seed == options->seed) continue;
    status = blo_fail(run->context, BLO_BAD_ARGUMENT, "E0903",
                      "--seed %" PRId64 ": the run in %s began with seed %" PRId64, options->seed,
                      options->resume, stage->seed);
    blo_fail_help(run->context, "leave --seed out, or begin anew without --resume");
  }
  return status;
}

static blo_status open_all(Run *run) {
  char stem[200], path[256];
  print_stem(stem, sizeof stem, run->program->name);
  snprintf(path, sizeof path, "%s.results.npz", stem);
  const char *out = run->options->out ? run->options->out : path;
  run->out = blo_copy_text(run->context, out, strlen(out));
  blo_status status = run->out ? open_data(run) : BLO_NO_MEMORY;
  if (!status) status = open_instance(run);
  warn_of_data(run);
  if (!status) {
    run->raised = blo_allocate_array(run->context, run->program->note_count, sizeof *run->raised);
    status = run->raised ? check_files(run) : BLO_NO_MEMORY;
  }
  if (!status) warn_of_empty_data(run);
  if (!status) status = resume(run);
  return status ? status : open_log(run);
}

static void close_all(Run *run) {
  if (run->log) fclose(run->log);
  blo_history_end(&run->objectives);
  blo_history_end(&run->reports);
  blo_release(run->context, run->report_names);
  blo_release(run->context, run->report_values);
  blo_release(run->context, run->raised);
  blo_close(run->instance);
  blo_data_free(run->data);
  blo_release(run->context, run->out);
}

// A stage that a checkpoint has behind it is not run again: a later one has begun.
static bool already_done(const Run *run) {
  for (size_t later = run->stage + 1; later < run->program->stage_count; later++) {
    if (run->instance->stages[later].started) return true;
  }
  return false;
}

static int run_program(Run *run) {
  blo_status status = BLO_OK;
  if (!run->program->stage_count) {
    status =
        blo_fail(run->context, BLO_BAD_ARGUMENT, "", "%s has nothing to run", run->program->name);
    blo_fail_help(run->context, "a program has an `upper`, a `lower` and a `solve` block");
  }
  if (!status) status = open_all(run);
  if (status) {
    print_error(run);
    return exit_code(status);
  }
  run->start = blo_seconds();
  log_start(run);
  blo_interrupt_watch(run->instance);
  for (run->stage = 0; run->stage < run->program->stage_count; run->stage++) {
    if (already_done(run)) continue;
    status = run_stage(run);
    bool goes_on = !status || status == BLO_NOT_CONVERGED;
    if (!goes_on || run->stage + 1 == run->program->stage_count) break;
  }
  blo_interrupt_release();
  bool anything = run->program->stage_count && run->instance->stages[0].started;
  blo_status written = anything ? write_files(run) : BLO_OK;
  return exit_code(status ? status : written);
}

int blo_run(const blo_program *program, const blo_run_options *options) {
  Run run = {.program = program, .options = options};
  run.context = options->context ? options->context : blo_context_create(NULL);
  if (!run.context) {
    fputs("error: no memory\n", stderr);
    return BLO_EXIT_ERROR;
  }
  run.objectives.context = run.reports.context = run.context;
  int code = run_program(&run);
  close_all(&run);
  if (!options->context) blo_context_destroy(run.context);
  return code;
}
