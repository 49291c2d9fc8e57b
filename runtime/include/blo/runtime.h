/* Running compiled programs: the interface of the runtime, for drivers, embedding programs and
 * bindings.
 *
 *   blo_context *context = blo_context_create(NULL);
 *   blo_instance *instance;
 *   blo_open(context, &blo_program_ridge, dims, dim_count, &instance);
 *   blo_bind(instance, &Xtr); ...
 *   blo_init(instance, 0, seed);
 *   while (blo_step(instance, 0, 1, &result) == BLO_OK && !result.stop) ...
 *   blo_view_leaf(instance, 0, "w", &view);
 *
 * Rules: every function returns a status and never aborts, prints or touches globals;
 * blo_last_error has the text of the last failure. What blo_open keeps is one block of exactly
 * blo_workspace_bytes bytes; init, step, finish and entry calls allocate nothing. Bound data is
 * borrowed and only read. A context and what was opened in it serve one thread at a time (checked);
 * contexts are independent of each other. C99 and C++. */
#ifndef BLO_RUNTIME_H
#define BLO_RUNTIME_H

#include <blo/program.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { BLO_MAX_RANK = 16 };

typedef struct blo_context blo_context;
typedef struct blo_instance blo_instance; /* a program opened with values for its dims */

/* Like realloc: pointer NULL allocates, new_bytes 0 frees (and returns NULL). */
typedef struct blo_allocator {
  void *(*resize)(void *self, void *pointer, size_t old_bytes, size_t new_bytes);
  void *self;
} blo_allocator;

/* The last failure. `code` is "E0601" or "" and `help` the cure or "". */
typedef struct blo_error {
  blo_status status;
  const char *code, *text, *help;
} blo_error;

typedef struct blo_dim {
  const char *name;
  int64_t value;
} blo_dim;

/* A contiguous row-major tensor, aligned to its elements. Views returned by the runtime stay valid
 * until the next call that runs an entry of the same stage. */
typedef struct blo_array {
  const char *name;
  int32_t dtype, rank;
  int64_t shape[BLO_MAX_RANK];
  void *data;
} blo_array;

/* What a committed step gave, in the user's sign (maximised objectives are positive again).
 * Objectives cost evaluations that the method itself may not need, so only steps that report have
 * them. */
typedef struct blo_step_result {
  int64_t iteration; /* steps made so far */
  int32_t has_upper, has_lower, has_norm;
  double upper_objective, lower_objective, hypergradient_norm;
  int32_t stop;     /* the program's `stop = ...` holds */
  int32_t reported; /* reports were evaluated */
} blo_step_result;

/* ---- contexts ---- */

/* allocator NULL: malloc. NULL when there is no memory. */
blo_context *blo_context_create(const blo_allocator *allocator);
/* Instances must be closed first. NULL is allowed. */
void blo_context_destroy(blo_context *context);
const blo_error *blo_last_error(const blo_context *context);
const char *blo_status_name(blo_status status);

/* ---- types ---- */

size_t blo_dtype_bytes(int32_t dtype);                          /* 0 for an unknown type */
const char *blo_dtype_name(int32_t dtype);                      /* "f32" */
size_t blo_array_count(const blo_array *array);                 /* number of elements */
double blo_array_element(const blo_array *array, size_t index); /* element as a double */

/* ---- opening ---- */

/* Bytes that blo_open will allocate: exact. */
blo_status blo_workspace_bytes(blo_context *context, const blo_program *program,
                               const blo_dim *dims, size_t dim_count, size_t *bytes);
/* Every dim of the program that it does not fix needs a value; all conditions on dims are checked.
 */
blo_status blo_open(blo_context *context, const blo_program *program, const blo_dim *dims,
                    size_t dim_count, blo_instance **instance);
void blo_close(blo_instance *instance);
/* Values in the order of program->dims. */
const int64_t *blo_dim_values(const blo_instance *instance);
/* Binds the declared data array of this name; type and shape must be those declared. */
blo_status blo_bind(blo_instance *instance, const blo_array *array);

/* ---- running ---- */

/* Start values. Runs the program's own data first where it has any. */
blo_status blo_init(blo_instance *instance, size_t stage, int64_t seed);
/* One outer step. The state changes only when the step succeeds: a step that was stopped
 * (BLO_STOPPED), whose objectives or variables are not finite (BLO_DIVERGED) or that broke an `ensure` (BLO_BAD_DATA)
 * leaves the last good one. A step in which the program's `stop = ...` holds always reports. */
blo_status blo_step(blo_instance *instance, size_t stage, int32_t reporting,
                    blo_step_result *result);
/* The file-level reports from the present state. */
blo_status blo_finish(blo_instance *instance, size_t stage);

/* Called after every committed step; non-zero stops. */
typedef int32_t (*blo_progress)(void *self, const blo_step_result *result);
/* Steps until the stage's iterations are made, its stop holds, or `progress` asks for a stop
 * (BLO_STOPPED). BLO_NOT_CONVERGED: the program has a stop condition that never held.
 * Reports come with the first step, every report_every steps (0: the stage's own number), and the
 * last. */
blo_status blo_solve(blo_instance *instance, size_t stage, int64_t report_every,
                     blo_progress progress, void *self);

/* Makes the running entry and all later ones return BLO_STOPPED, until blo_clear_stop. May be called
 * from signal handlers and other threads. */
void blo_request_stop(blo_instance *instance);
void blo_clear_stop(blo_instance *instance);

/* Runs the entry of that name. `inputs` and `outputs` are its arguments and results in order; data,
 * state (of stage 0) and seed are supplied by the instance. */
blo_status blo_call_entry(blo_instance *instance, const char *name, const blo_array *inputs,
                          size_t input_count, blo_array *outputs, size_t output_count);

/* ---- reading ---- */

blo_status blo_view_leaf(blo_instance *instance, size_t stage, const char *name, blo_array *view);
/* The same variable before the last step, which has to have succeeded. */
blo_status blo_view_before(blo_instance *instance, size_t stage, const char *name, blo_array *view);
blo_status blo_view_report(blo_instance *instance, size_t stage, const char *name, blo_array *view);
blo_status blo_view_final(blo_instance *instance, size_t stage, const char *name, blo_array *view);
/* The step that blo_view_report shows: the last one that reported, 0 before there is one. A run that
 * was stopped or diverged may be further on. */
int64_t blo_report_step(const blo_instance *instance, size_t stage);
/* The hypergradient of the last step with respect to an upper variable. */
blo_status blo_view_hypergradient(blo_instance *instance, size_t stage, const char *leaf,
                                  blo_array *view);
/* A bound or computed data array. */
blo_status blo_view_data(blo_instance *instance, const char *name, blo_array *view);

/* How often note `index` of the program was raised in the last entry call, and since blo_open. */
int64_t blo_note_last(const blo_instance *instance, size_t index);
int64_t blo_note_total(const blo_instance *instance, size_t index);

/* ---- state as one block ---- */

size_t blo_state_bytes(const blo_instance *instance, size_t stage);
int64_t blo_iteration(const blo_instance *instance, size_t stage);
int64_t blo_seed(const blo_instance *instance, size_t stage);
/* Copies the state out, or in: a run continued from a saved block gives the same bits. Setting the
 * state also runs the program's own data where that has not happened. */
blo_status blo_state_save(blo_instance *instance, size_t stage, void *block);
blo_status blo_state_load(blo_instance *instance, size_t stage, const void *block,
                          int64_t iteration, int64_t seed);

#ifdef __cplusplus
}
#endif
#endif
