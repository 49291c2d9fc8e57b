/* The contract between generated code and everything that runs it: run, test, executables, embedding.
 *
 * A compiled program is constant data: a `blo_program` with entry functions over tensors. An entry is a
 * pure function: inputs are read, outputs are written, all intermediate memory lies in one workspace whose
 * size follows from the dims. C99; no includes besides the standard ones. */
#ifndef BLO_PROGRAM_H
#define BLO_PROGRAM_H

#include <stddef.h>
#include <stdint.h>

#define BLO_ABI 2

typedef enum blo_dtype {
  BLO_F16, BLO_BF16, BLO_F32, BLO_F64, BLO_I32, BLO_I64, BLO_U8, BLO_BOOL
} blo_dtype;

typedef enum blo_status {
  BLO_OK = 0, BLO_BAD_ARGUMENT, BLO_BAD_SHAPE, BLO_BAD_DATA, BLO_NO_MEMORY, BLO_NOT_CONVERGED,
  BLO_DIVERGED, BLO_STOPPED, BLO_DEVICE
} blo_status;

/* A size: postfix program over the dim values (runtime/common/dims.h). */
typedef struct blo_size {
  const int64_t *words;
  size_t count;
} blo_size;

/* One call of an entry. inputs[i] and outputs[i] are contiguous row-major arrays of the declared types
 * (bool: one byte, 0 or 1). Outputs never overlap inputs. */
typedef struct blo_call {
  const int64_t *dims;
  const void *const *inputs;
  void *const *outputs;
  char *workspace;        /* 64-byte aligned */
  const int64_t *offsets; /* byte offset of each workspace slot */
  int64_t *notes;         /* one counter per note of the program */
  const volatile int *stop; /* polled in outer loops; non-zero: return BLO_STOPPED */
  void *self;             /* blo_entry.self */
} blo_call;

typedef int32_t (*blo_function)(const blo_call *call);

typedef enum blo_role {
  BLO_ROLE_DATA,       /* index: program->data */
  BLO_ROLE_STATE,      /* index: stage->state */
  BLO_ROLE_SEED,       /* i64 scalar */
  BLO_ROLE_REPORTING,  /* bool scalar: are reports wanted in this step? */
  BLO_ROLE_REPORT,     /* index: stage->reports or program->reports */
  BLO_ROLE_UPPER_OBJECTIVE, BLO_ROLE_LOWER_OBJECTIVE, BLO_ROLE_HYPERGRADIENT_NORM,
  BLO_ROLE_HYPERGRADIENT, /* index: state leaf of the upper variable */
  BLO_ROLE_STOP,       /* bool scalar: `stop = ...` holds */
  BLO_ROLE_EXPECT_OK, BLO_ROLE_EXPECT_LEFT, BLO_ROLE_EXPECT_RIGHT, BLO_ROLE_EXPECT_ERROR,
                       /* index: test->expects; bool scalar; tensors; largest violation (f64 scalar) */
  BLO_ROLE_ARGUMENT    /* argument or result of an exported function */
} blo_role;

typedef struct blo_value {
  const char *name;
  int32_t dtype, rank, role, index;
  const blo_size *shape; /* rank entries */
} blo_value;

/* A workspace slot: bytes, and the schedule positions between which it is in use. */
typedef struct blo_buffer {
  blo_size bytes;
  int64_t first, last;
} blo_buffer;

typedef struct blo_entry {
  const char *name;
  blo_function run;
  void *self;               /* handed to run in blo_call.self (interpreted entries) */
  size_t input_count, output_count, slot_count;
  const blo_value *inputs, *outputs;
  const blo_buffer *slots;
} blo_entry;

typedef struct blo_data {   /* a declared data array, "train.x" or "Xtr" */
  const char *name;
  const char *place;        /* "ridge.blo:6:3" */
  int32_t dtype, rank;
  const blo_size *shape;
  const char *shape_text;   /* "f64[n, d]" */
  int64_t classes;          /* > 0: integers 0 .. classes-1 */
  int32_t computed;         /* 1: made by `data_entry` or a stage's `after`, not read */
} blo_data;

typedef struct blo_leaf {   /* one tensor of a stage's state */
  const char *name;         /* "w", "net.W", "method.v", "upper_opt.m.t" */
  int32_t dtype, rank;
  const blo_size *shape;
  int32_t result;           /* 1: a level variable or state, saved with the results */
} blo_leaf;

typedef struct blo_report {
  const char *name;
  int32_t dtype, rank;
  const blo_size *shape;
  double sign;              /* -1 for a maximised objective */
} blo_report;

typedef struct blo_stage {
  const char *name;
  const char *solve;        /* name of the solve block, "" for the unnamed one */
  const blo_leaf *state;
  size_t state_count;
  const blo_report *reports; /* evaluated in step, when asked for */
  size_t report_count;
  const blo_entry *init;    /* data, seed -> state */
  const blo_entry *step;    /* data, state, seed, reporting -> state, objectives, reports, stop */
  const blo_entry *finish;  /* data, state -> file-level reports; NULL when there are none */
  const blo_entry *after;   /* data, results, seed -> data made from this stage's results; NULL: none */
  const blo_report *finals;
  size_t final_count;
  int64_t iterations, report_every, seed;
  int32_t maximize_upper, maximize_lower;
} blo_stage;

typedef struct blo_expect {
  const char *text, *place;
  int32_t approximate;
} blo_expect;

typedef struct blo_test {
  const char *name, *place;
  const blo_entry *entry;   /* seed -> per expect: ok, left, right, error */
  const blo_expect *expects;
  size_t expect_count;
  const char *const *codes; /* `expect error E0703;`: notes that have to be raised while it runs */
  size_t code_count;
  const char *data_file;    /* `data = file("x.npz")`: what the entry's data inputs are read from; else NULL */
} blo_test;

typedef struct blo_note {
  const char *code, *text, *place; /* "E0703", message, "ridge.blo:14:3"; code "count": no message, a
                                    * counter of what the text names */
} blo_note;

typedef struct blo_condition { /* what dims must satisfy when data is bound */
  blo_size dividend;
  int64_t divisor;          /* 0: dividend >= 0 */
  const char *text, *place;
} blo_condition;

typedef struct blo_program {
  int32_t abi;
  uint32_t size;            /* sizeof(blo_program) */
  const char *name;
  const char *target;       /* CPU the code needs */
  const char *const *dims;  /* names of dim atoms in the order of blo_call.dims */
  const int64_t *dim_values; /* -1: bound by data */
  size_t dim_count;
  const blo_data *data;
  size_t data_count;
  const blo_entry *data_entry; /* fields that the program makes before its first stage; NULL: none */
  const blo_stage *stages;
  size_t stage_count;
  const blo_test *tests;
  size_t test_count;
  const blo_entry *entries; /* all entries; the pointers above point into this array */
  size_t entry_count;
  const blo_note *notes;
  size_t note_count;
  const blo_condition *conditions;
  size_t condition_count;
} blo_program;

#endif
