// A small bilevel program written by hand in C, for the tests of the runtime: what the compiler
// would make of
//
//   dim n; data { y: f64[n]; }
//   upper { var t: f64 = 0.5; ... }   lower { var w: f64[n] = 0; ... }
//
// Each step moves w towards y and t down; the entries use a workspace slot, notes, reports and the
// stop flag.
#ifndef BLO_TESTS_RUNTIME_PROGRAM_H
#define BLO_TESTS_RUNTIME_PROGRAM_H

#include "common/dims.h"

#include <blo/runtime.h>
#include <math.h>
#include <string.h>

enum { LEAF_T, LEAF_W, LEAF_COUNT };

// What the step should do at a certain step; tests set it through the program's `self`.
typedef struct Script {
  int64_t diverge_at, note_at, warn_at, stop_at, finish_at;
  blo_instance *stopped; // asked to stop in step stop_at
} Script;

static const int64_t one_dim[] = {BLO_DIM_ATOM, 0};
static const int64_t slot_words[] = {BLO_DIM_ATOM, 0, BLO_DIM_CONST, 8, BLO_DIM_MUL};
static const blo_size shape_n[] = {{one_dim, 2}};

static int32_t small_init(const blo_call *call) {
  double *t = call->outputs[0], *w = call->outputs[1];
  const int64_t *seed = call->inputs[0];
  t[0] = 0.5 + 0.0001 * (double)*seed;
  for (int64_t i = 0; i < call->dims[0]; i++) w[i] = 0.0;
  return BLO_OK;
}

// inputs: y, t, w, seed, reporting. outputs: t, w, F, f, norm, report error, report mean_w, stop,
// dF/dt.
static int32_t small_step(const blo_call *call) {
  const Script *script = call->self;
  int64_t n = call->dims[0];
  const double *y = call->inputs[0], *t = call->inputs[1], *w = call->inputs[2];
  const uint8_t *reporting = call->inputs[4];
  double *residual = (double *)(void *)(call->workspace + call->offsets[0]);
  double *new_t = call->outputs[0], *new_w = call->outputs[1];
  double *upper = call->outputs[2], *lower = call->outputs[3], *norm = call->outputs[4];
  double *error = call->outputs[5], *mean = call->outputs[6];
  uint8_t *stop = call->outputs[7];
  double *slope = call->outputs[8];
  int64_t step = (int64_t)llround((0.5 - t[0]) / 0.01) + 1; // t falls by 0.01 a step
  double sum = 0.0, squares = 0.0;
  for (int64_t i = 0; i < n; i++) {
    residual[i] = y[i] - w[i];
    new_w[i] = w[i] + 0.1 * residual[i];
    sum += new_w[i];
    squares += residual[i] * residual[i];
  }
  if (script && step == script->stop_at && script->stopped) blo_request_stop(script->stopped);
  if (script && step == script->stop_at && *call->stop) return BLO_STOPPED;
  new_t[0] = t[0] - 0.01;
  *upper = squares;
  *lower = 0.5 * squares;
  *norm = fabs(t[0]);
  *slope = -t[0];
  *stop = script && step == script->finish_at;
  if (*reporting) {
    *error = sqrt(squares);
    *mean = n ? sum / (double)n : 0.0;
  }
  if (script && step == script->diverge_at) *upper = INFINITY;
  if (script && step == script->warn_at) call->notes[0]++;
  if (script && step == script->note_at) call->notes[1]++;
  return BLO_OK;
}

static int32_t small_finish(const blo_call *call) {
  const double *y = call->inputs[0], *w = call->inputs[1];
  double *best = call->outputs[0];
  *best = 0.0;
  for (int64_t i = 0; i < call->dims[0]; i++) *best = fmax(*best, fabs(y[i] - w[i]));
  return BLO_OK;
}

// double(y): the argument twice.
static int32_t small_twice(const blo_call *call) {
  const double *in = call->inputs[0];
  double *out = call->outputs[0];
  for (int64_t i = 0; i < call->dims[0]; i++) out[i] = 2.0 * in[i];
  return BLO_OK;
}

static int32_t small_test(const blo_call *call) {
  const int64_t *seed = call->inputs[0];
  *(uint8_t *)call->outputs[0] = 1;
  *(uint8_t *)call->outputs[1] = *seed == 7;
  *(double *)call->outputs[2] = 1.0;
  *(double *)call->outputs[3] = 1.5;
  *(double *)call->outputs[4] = 0.5;
  return BLO_OK;
}

static const blo_leaf small_leaves[] = {{"t", BLO_F64, 0, NULL, 1}, {"w", BLO_F64, 1, shape_n, 1}};
static const blo_report small_reports[] = {{"error", BLO_F64, 0, NULL, 1.0},
                                           {"mean_w", BLO_F64, 0, NULL, -1.0}};
static const blo_report small_finals[] = {{"largest", BLO_F64, 0, NULL, 1.0}};
static const blo_data small_data[] = {{"y", "small.blo:2:8", BLO_F64, 1, shape_n, "f64[n]", 0, 0}};

static const blo_value init_inputs[] = {{"seed", BLO_I64, 0, BLO_ROLE_SEED, 0, NULL}};
static const blo_value init_outputs[] = {{"t", BLO_F64, 0, BLO_ROLE_STATE, LEAF_T, NULL},
                                         {"w", BLO_F64, 1, BLO_ROLE_STATE, LEAF_W, shape_n}};
static const blo_value step_inputs[] = {{"y", BLO_F64, 1, BLO_ROLE_DATA, 0, shape_n},
                                        {"t", BLO_F64, 0, BLO_ROLE_STATE, LEAF_T, NULL},
                                        {"w", BLO_F64, 1, BLO_ROLE_STATE, LEAF_W, shape_n},
                                        {"seed", BLO_I64, 0, BLO_ROLE_SEED, 0, NULL},
                                        {"reporting", BLO_BOOL, 0, BLO_ROLE_REPORTING, 0, NULL}};
static const blo_value step_outputs[] = {
    {"t", BLO_F64, 0, BLO_ROLE_STATE, LEAF_T, NULL},
    {"w", BLO_F64, 1, BLO_ROLE_STATE, LEAF_W, shape_n},
    {"F", BLO_F64, 0, BLO_ROLE_UPPER_OBJECTIVE, 0, NULL},
    {"f", BLO_F64, 0, BLO_ROLE_LOWER_OBJECTIVE, 0, NULL},
    {"norm", BLO_F64, 0, BLO_ROLE_HYPERGRADIENT_NORM, 0, NULL},
    {"error", BLO_F64, 0, BLO_ROLE_REPORT, 0, NULL},
    {"mean_w", BLO_F64, 0, BLO_ROLE_REPORT, 1, NULL},
    {"stop", BLO_BOOL, 0, BLO_ROLE_STOP, 0, NULL},
    {"slope", BLO_F64, 0, BLO_ROLE_HYPERGRADIENT, LEAF_T, NULL}};
static const blo_value finish_inputs[] = {{"y", BLO_F64, 1, BLO_ROLE_DATA, 0, shape_n},
                                          {"w", BLO_F64, 1, BLO_ROLE_STATE, LEAF_W, shape_n}};
static const blo_value finish_outputs[] = {{"largest", BLO_F64, 0, BLO_ROLE_REPORT, 0, NULL}};
static const blo_value twice_inputs[] = {{"a", BLO_F64, 1, BLO_ROLE_ARGUMENT, 0, shape_n}};
static const blo_value test_outputs[] = {{"ok", BLO_BOOL, 0, BLO_ROLE_EXPECT_OK, 0, NULL},
                                         {"ok", BLO_BOOL, 0, BLO_ROLE_EXPECT_OK, 1, NULL},
                                         {"left", BLO_F64, 0, BLO_ROLE_EXPECT_LEFT, 1, NULL},
                                         {"right", BLO_F64, 0, BLO_ROLE_EXPECT_RIGHT, 1, NULL},
                                         {"error", BLO_F64, 0, BLO_ROLE_EXPECT_ERROR, 1, NULL}};
static const blo_buffer step_slots[] = {{{slot_words, 5}, 0, 1}};
static const blo_note small_notes[] = {
    {"W0703", "the multiplier is at its bound", "small.blo:9:3"},
    {"E0703", "the curvature is negative", "small.blo:10:3"},
    {"E0702", "the upper objective of stage main", "small.blo:4:3"}};
static const char *const small_dims[] = {"n"};
static const int64_t small_dim_values[] = {-1};
static const blo_expect small_expects[] = {
    {.text = "true", .place = "small.blo:20:3"},
    {.text = "a ~= b", .place = "small.blo:21:3", .approximate = 1}};

// The pieces that tests change are in one struct, so that every test has its own.
typedef struct SmallProgram {
  blo_entry entries[5];
  blo_stage stage;
  blo_test test;
  blo_program program;
} SmallProgram;

static inline const blo_program *small_program(SmallProgram *s, Script *script, bool with_stop) {
  memset(s, 0, sizeof *s);
  s->entries[0] = (blo_entry){"init", small_init, NULL, 1, 2, 0, init_inputs, init_outputs, NULL};
  s->entries[1] =
      (blo_entry){"step", small_step, script, 5, 9, 1, step_inputs, step_outputs, step_slots};
  if (!with_stop) { // the stop flag becomes one more report-like result that nobody reads
    static blo_value without_stop[9];
    memcpy(without_stop, step_outputs, sizeof without_stop);
    without_stop[7].role = BLO_ROLE_EXPECT_OK;
    s->entries[1].outputs = without_stop;
  }
  s->entries[2] =
      (blo_entry){"finish", small_finish, NULL, 2, 1, 0, finish_inputs, finish_outputs, NULL};
  s->entries[3] =
      (blo_entry){"twice", small_twice, NULL, 1, 1, 0, twice_inputs, twice_inputs, NULL};
  s->entries[4] = (blo_entry){"test 1", small_test, NULL, 1, 5, 0, init_inputs, test_outputs, NULL};
  s->stage = (blo_stage){.name = "main",
                         .solve = "",
                         .state = small_leaves,
                         .state_count = LEAF_COUNT,
                         .reports = small_reports,
                         .report_count = 2,
                         .init = &s->entries[0],
                         .step = &s->entries[1],
                         .finish = &s->entries[2],
                         .finals = small_finals,
                         .final_count = 1,
                         .iterations = 40,
                         .report_every = 10};
  s->test = (blo_test){.name = "two expectations",
                       .place = "small.blo:19:1",
                       .entry = &s->entries[4],
                       .expects = small_expects,
                       .expect_count = 2};
  s->program = (blo_program){.abi = BLO_ABI,
                             .size = sizeof(blo_program),
                             .name = "small.blo",
                             .target = "",
                             .dims = small_dims,
                             .dim_values = small_dim_values,
                             .dim_count = 1,
                             .data = small_data,
                             .data_count = 1,
                             .stages = &s->stage,
                             .stage_count = 1,
                             .tests = &s->test,
                             .test_count = 1,
                             .entries = s->entries,
                             .entry_count = 5,
                             .notes = small_notes,
                             .note_count = 3};
  return &s->program;
}

#endif
