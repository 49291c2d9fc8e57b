// Running one `test` of a program: its entry computes every expectation, this collects them.
#ifndef BLO_REPORT_TEST_RUN_H
#define BLO_REPORT_TEST_RUN_H

#include "data/data_set.h"

typedef struct blo_test_options {
  int64_t seed;
  const volatile int *stop; // may be NULL
  const blo_dim *dims;      // for dims that the test leaves open
  size_t dim_count;
  blo_data_set *data; // for tests that read files; may be NULL
} blo_test_options;

typedef struct blo_expect_result {
  bool ok;
  bool has_error;
  double error;          // the largest violation of an approximate one
  blo_array left, right; // data NULL where the entry does not give the side
} blo_expect_result;

typedef struct blo_test_result {
  blo_context *context;
  blo_status status;          // BLO_OK: the entry ran; whether expectations hold is in `expects`
  size_t failed;              // expectations that do not hold
  blo_expect_result *expects; // test->expect_count
  int64_t *notes;             // program->note_count
  void *memory;
} blo_test_result;

/// Runs the test. When the status is not BLO_OK the context's error says why. Release the result in
/// any case.
blo_status blo_run_test(blo_context *context, const blo_program *program, const blo_test *test,
                        const blo_test_options *options, blo_test_result *result);
void blo_test_result_release(blo_test_result *result);

#endif
