// Measuring methods against each other on one problem.
//
// Enters: programs compiled for several solve blocks, with counters of oracle calls and entries
// that judge a point. Leaves: for every run points (step, seconds, calls, value). Runs of one seed
// follow each other, so that a machine that becomes slower does so for all. Only steps are timed
// and counted; points are judged in between.
#include "report/compare.h"
#include "core/instance.h"
#include "report/calls.h"
#include "report/interrupt.h"
#include "report/judge.h"
#include "report/message.h"
#include "report/progress.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const double nothing = (double)__builtin_nanf("");

static void add_calls(const Runner *runner, double *point) {
  OracleCalls calls = {0};
  blo_calls_add(runner->instance, &calls);
  for (int k = 0; k < CALL_KINDS; k++) point[COMPARE_GRADIENTS + k] += (double)calls.count[k];
}

// ---- points

static double *add_point(const Comparison *c, CompareRun *run) {
  if (run->count == run->capacity) {
    size_t wider = run->capacity ? 2 * run->capacity : 64, row = COMPARE_COLUMNS * sizeof(double);
    double *points = blo_grow(c->context, run->points, run->capacity * row, wider * row);
    if (!points) return NULL;
    run->points = points;
    run->capacity = wider;
  }
  return run->points + COMPARE_COLUMNS * run->count++;
}

static blo_status record(const Comparison *c, Runner *runner, Runner *reference, const double *now,
                         CompareRun *run) {
  double *point = add_point(c, run);
  if (!point) return BLO_NO_MEMORY;
  memcpy(point, now, COMPARE_COLUMNS * sizeof *point);
  double own[JUDGED_COUNT], judged[JUDGED_COUNT];
  blo_status status = blo_judge(runner, runner, own);
  if (!status && reference) status = blo_judge(reference, runner, judged);
  if (status) run->count--; // a point that is half judged is none
  if (status) return status;
  point[COMPARE_OBJECTIVE] = own[JUDGED_OBJECTIVE];
  point[COMPARE_RESIDUAL] = own[JUDGED_OWN_RESIDUAL];
  point[COMPARE_INFEASIBILITY] = own[JUDGED_INFEASIBILITY];
  if (!reference) return status;
  point[COMPARE_VALUE] = judged[JUDGED_VALUE];
  point[COMPARE_HYPERGRADIENT] = judged[JUDGED_STATIONARITY];
  return status;
}

// ---- running

// A step that fails here fails again where it is measured.
static blo_status warm_up(Runner *runner, int64_t seed) {
  blo_step_result result;
  blo_status status = blo_runner_begin(runner, seed);
  for (int i = 0; i < 2 && !status; i++)
    status = blo_step(runner->instance, runner->stage, 0, &result);
  return blo_runner_begin(runner, seed);
}

static blo_status measure(const Comparison *c, Runner *runner, Runner *reference, int64_t seed,
                          CompareRun *run) {
  const blo_compare_options *o = c->options;
  int64_t steps = runner->program->stages[runner->stage].iterations;
  int64_t every = o->points > 0 && steps > o->points ? steps / o->points : 1;
  double now[COMPARE_COLUMNS] = {0};
  for (int k = COMPARE_OBJECTIVE; k < COMPARE_COLUMNS; k++) now[k] = nothing;
  blo_status status = warm_up(runner, seed);
  if (!status) status = record(c, runner, reference, now, run);
  for (int64_t step = 1; step <= steps && !status; step++) {
    blo_step_result result;
    double start = blo_seconds();
    status = blo_step(runner->instance, runner->stage, 0, &result);
    now[COMPARE_SECONDS] += blo_seconds() - start;
    if (status) break;
    add_calls(runner, now);
    now[COMPARE_STEP] = (double)step;
    bool ends =
        result.stop || step == steps || (o->seconds > 0.0 && now[COMPARE_SECONDS] >= o->seconds);
    if (ends || step % every == 0) status = record(c, runner, reference, now, run);
    if (ends) break;
  }
  return status;
}

static void run_one(const Comparison *c, size_t competitor, size_t number, Runner *runners,
                    Runner *reference) {
  Runner *runner = &runners[competitor];
  CompareRun *run = &c->runs[competitor * c->seeds + number];
  int64_t seed = c->options->seed + (int64_t)number;
  blo_interrupt_watch(runner->instance);
  run->status = measure(c, runner, reference, seed, run);
  blo_interrupt_release();
  if (run->status)
    snprintf(run->message, sizeof run->message, "%s", blo_last_error(c->context)->text);
  if (c->options->quiet || !run->count) return;
  const double *last = run->points + COMPARE_COLUMNS * (run->count - 1);
  fprintf(stderr, "%s, seed %" PRId64 ": %.0f steps in %.3g s%s%s\n",
          c->competitors[competitor].name, seed, last[COMPARE_STEP], last[COMPARE_SECONDS],
          run->status ? "; " : "", run->message);
}

// The reference has to stand at a start for its data and earlier stages; its own steps do not run.
static blo_status run_all(Comparison *c, Runner *runners, Runner *reference) {
  for (size_t number = 0; number < c->seeds; number++) {
    blo_status status =
        reference ? blo_runner_begin(reference, c->options->seed + (int64_t)number) : BLO_OK;
    if (status) return status;
    for (size_t i = 0; i < c->count; i++) {
      if (!c->competitors[i].program) continue;
      run_one(c, i, number, runners, reference);
      // A signal may have come while the last point was judged, too.
      if (blo_interrupt_came()) return BLO_STOPPED;
    }
  }
  return BLO_OK;
}

static blo_status write_files(const Comparison *c) {
  const blo_compare_options *o = c->options;
  blo_status status = BLO_OK;
  size_t length = o->out ? strlen(o->out) : 0;
  bool json = length > 5 && !strcmp(o->out + length - 5, ".json");
  if (o->out) status = (json ? blo_compare_write_json : blo_compare_write_table)(c, o->out);
  if (!status && o->out && !o->quiet) fprintf(stderr, "points written to %s\n", o->out);
  if (!status && o->plot) status = blo_compare_write_plot(c, o->plot);
  if (!status && o->plot && !o->quiet) fprintf(stderr, "plot written to %s\n", o->plot);
  return status;
}

// There is one: the driver compares nothing where nothing compiles.
static size_t first_compiled(const Comparison *c) {
  size_t i = 0;
  while (i + 1 < c->count && !c->competitors[i].program) i++;
  return i;
}

static blo_status same_stage(const Comparison *c, const Runner *runners, const Runner *reference) {
  size_t chosen = first_compiled(c);
  const char *first = runners[chosen].program->stages[runners[chosen].stage].name;
  for (size_t i = chosen + 1; i <= c->count; i++) {
    const Runner *other = i < c->count ? &runners[i] : reference;
    if (!other || !other->program) continue;
    if (!strcmp(first, other->program->stages[other->stage].name)) continue;
    return blo_fail(c->context, BLO_BAD_ARGUMENT, "",
                    "%s solves the stage `%s`, %s the stage `%s`: compare one stage at a time",
                    c->competitors[chosen].name, first,
                    i < c->count ? c->competitors[i].name : c->options->reference_name,
                    other->program->stages[other->stage].name);
  }
  return BLO_OK;
}

static blo_status compare(Comparison *c, Runner *runners, Runner *reference) {
  const blo_compare_options *o = c->options;
  blo_status status = BLO_OK;
  for (size_t i = 0; i < c->count && !status; i++) {
    if (!c->competitors[i].program) continue;
    status = blo_runner_open(c->context, c->competitors[i].program, o->data, o->dims, o->dim_count,
                             &runners[i]);
  }
  bool judged = o->reference != NULL;
  if (!status && judged)
    status = blo_runner_open(c->context, o->reference, o->data, o->dims, o->dim_count, reference);
  if (status) return status;
  status = same_stage(c, runners, judged ? reference : NULL);
  if (status) return status;
  const Runner *first = &runners[first_compiled(c)];
  c->maximize = first->program->stages[first->stage].maximize_upper;
  status = run_all(c, runners, judged ? reference : NULL);
  c->stopped = status == BLO_STOPPED;
  if (status && !c->stopped) return status;
  blo_compare_print(c);
  blo_status written = write_files(c);
  return written ? written : status;
}

int blo_compare(const blo_competitor *competitors, size_t count,
                const blo_compare_options *options) {
  Comparison c = {.context = options->context,
                  .competitors = competitors,
                  .options = options,
                  .count = count,
                  .seeds = options->seeds > 0 ? (size_t)options->seeds : 1};
  Runner reference = {0};
  Runner *runners = blo_allocate_array(c.context, count, sizeof *runners);
  size_t runs; // too many to count are refused by the allocation
  if (!blo_multiply_bytes(count, c.seeds, &runs)) runs = SIZE_MAX;
  c.runs = blo_allocate_array(c.context, runs, sizeof *c.runs);
  blo_status status = runners && c.runs ? compare(&c, runners, &reference) : BLO_NO_MEMORY;
  if (status && status != BLO_STOPPED) blo_print_error_as(c.context, options->errors);
  for (size_t i = 0; i < count && runners; i++) blo_runner_close(&runners[i]);
  blo_runner_close(&reference);
  for (size_t i = 0; i < runs && c.runs; i++) blo_release(c.context, c.runs[i].points);
  blo_release(c.context, c.runs);
  blo_release(c.context, runners);
  return !status ? BLO_EXIT_OK : status == BLO_STOPPED ? BLO_EXIT_NOT_CONVERGED : BLO_EXIT_ERROR;
}
