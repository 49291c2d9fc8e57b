/* Running a compiled program from its data files to its results, for `bloc run`, `bloc test` and
 * built executables.
 *
 * Enters: a program and options. Leaves: an exit code; results, log, plot and checkpoint files;
 * progress and warnings on standard error, final reports on standard output. The only part of the
 * runtime that prints and handles signals; embedding programs use <blo/runtime.h>. C99 and C++. */
#ifndef BLO_DRIVER_H
#define BLO_DRIVER_H

#include <blo/data.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { /* exit codes of every program */
       BLO_EXIT_OK = 0,
       BLO_EXIT_ERROR = 1,
       BLO_EXIT_USAGE = 2,
       BLO_EXIT_NOT_CONVERGED = 3,
       BLO_EXIT_DIVERGED = 4
};

/* Form of errors and warnings: with places and help, one line each, or JSON lines. */
typedef enum blo_error_format {
  BLO_ERRORS_HUMAN,
  BLO_ERRORS_SHORT,
  BLO_ERRORS_JSON
} blo_error_format;

typedef struct blo_run_options {
  blo_context *context;       /* NULL: one of its own */
  blo_data_set *data;         /* loaded already; NULL: load the sources */
  const char *const *sources; /* --data */
  size_t source_count;
  const blo_dim *dims; /* -D */
  size_t dim_count;
  bool has_seed; /* else the stage's own */
  int64_t seed;
  const char *out;        /* NULL: NAME.results.npz; "-": no file */
  const char *log, *plot; /* NULL: none */
  const char *checkpoint, *resume;
  double checkpoint_seconds; /* between checkpoints while running; 0: 60 */
  int64_t report_every;      /* 0: the stage's own */
  bool quiet;                /* no progress */
  int32_t errors;            /* a blo_error_format */
} blo_run_options;

/* Runs all stages of the program in order. Returns the exit code. */
int blo_run(const blo_program *program, const blo_run_options *options);
/* The `main` of built executables. */
int blo_main(const blo_program *program, int argc, char **argv);
/* Prints the context's last error with its help, in a form of blo_error_format. */
void blo_print_error_as(const blo_context *context, int32_t errors);

/* ---- comparing ---- */

/* One way to solve the problem: the program as compiled for a solve block, its entries
 * `stage.value` and its counters of oracle calls built in. */
typedef struct blo_competitor {
  const char *name;
  const blo_program *program; /* NULL: it does not compile, and has a row that says so */
  const char *refused;        /* then why, in one line */
} blo_competitor;

typedef struct blo_compare_options {
  blo_context *context;
  blo_data_set *data; /* loaded already; may be NULL */
  const blo_dim *dims;
  size_t dim_count;
  int64_t seed, seeds;          /* seeds seed, seed + 1, ... */
  int64_t points;               /* about how often a run is judged */
  double seconds;               /* limit of a run; 0: none */
  const blo_program *reference; /* judges points: F at the lower solution that it finds; NULL: F at
                                 * the method's own y */
  const char *reference_name;   /* of the reference, in what is written */
  bool parts;                   /* judged as means over parts of tables, not on whole ones */
  const char *title;
  const char *out, *plot; /* all points as CSV, or as JSON where the name ends so, and a picture;
                           * NULL: none */
  bool quiet;
  int32_t errors;
} blo_compare_options;

/* Runs every competitor with every seed, one after the other for each seed, and prints a table of
 * medians. Judging a point takes no part in a run's seconds and oracle calls. Returns the exit
 * code. */
int blo_compare(const blo_competitor *competitors, size_t count,
                const blo_compare_options *options);

/* ---- checking hypergradients ---- */

typedef struct blo_gradient_options {
  blo_context *context;
  blo_data_set *data; /* loaded already; NULL: the program draws its data */
  const blo_dim *dims;
  size_t dim_count;
  int64_t seed;
  double tolerance; /* 0: 1e-4, for f32 5e-2 */
  int32_t errors;
} blo_gradient_options;

/* Compares the hypergradient that the first method gives at the start point, the lower problem
 * solved, with central differences of F at the lower solution, and with further methods; prints a
 * table. Programs are compiled as for a comparison. All entries where there are few, else random
 * directions. Returns the exit code: BLO_EXIT_ERROR where they do not agree. */
int blo_check_gradients(const blo_competitor *methods, size_t count,
                        const blo_gradient_options *options);

/* ---- tests ---- */

typedef struct blo_test_options {
  int64_t seed;
  const volatile int *stop; /* may be NULL */
  const blo_dim *dims;      /* for dims that the test leaves open */
  size_t dim_count;
  blo_data_set *data; /* instead of the file that the test names; may be NULL */
} blo_test_options;

typedef struct blo_expect_result {
  bool ok;
  bool has_error;
  double error;          /* the largest violation of an approximate one */
  blo_array left, right; /* data NULL where the entry does not give the side */
} blo_expect_result;

typedef struct blo_test_result {
  blo_context *context;
  blo_status status;          /* BLO_OK: the entry ran; whether expectations hold is in `expects` */
  size_t failed;              /* expectations that do not hold */
  blo_expect_result *expects; /* test->expect_count */
  int64_t *notes;             /* program->note_count: how often each was raised */
  void *memory;
} blo_test_result;

/* Runs the test. When the status is not BLO_OK the context's error says why. Release the result in
 * any case. */
blo_status blo_run_test(blo_context *context, const blo_program *program, const blo_test *test,
                        const blo_test_options *options, blo_test_result *result);
void blo_test_result_release(blo_test_result *result);

#ifdef __cplusplus
}
#endif
#endif
