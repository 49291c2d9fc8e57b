// The runtime's core on a program written by hand: memory, binding, steps, what a failed step
// leaves, and a run continued from a saved state.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <blo/runtime.h>
#include <stdbool.h>
#include <stdlib.h>

#include "runtime_program.h"

static const double target[3] = {1.0, 2.0, 4.0};
static const blo_dim three = {"n", 3};

static blo_array array_of(const char *name, const double *data, int64_t count) {
  return (blo_array){
      .name = name, .dtype = BLO_F64, .rank = 1, .shape = {count}, .data = (void *)(uintptr_t)data};
}

typedef struct Fixture {
  SmallProgram small;
  Script script;
  blo_context *context;
  blo_instance *instance;
} Fixture;

static void open_small(Fixture *f) {
  f->context = blo_context_create(NULL);
  assert_non_null(f->context);
  const blo_program *program = small_program(&f->small, &f->script, true);
  assert_int_equal(blo_open(f->context, program, &three, 1, &f->instance), BLO_OK);
  blo_array y = array_of("y", target, 3);
  assert_int_equal(blo_bind(f->instance, &y), BLO_OK);
}

static void close_small(Fixture *f) {
  blo_close(f->instance);
  blo_context_destroy(f->context);
}

static double leaf(Fixture *f, const char *name, size_t index) {
  blo_array view;
  assert_int_equal(blo_view_leaf(f->instance, 0, name, &view), BLO_OK);
  return blo_array_element(&view, index);
}

static void test_steps_move_the_state(void **state) {
  (void)state;
  Fixture f = {0};
  blo_step_result result;
  open_small(&f);
  assert_int_equal(blo_step(f.instance, 0, 1, &result), BLO_BAD_ARGUMENT); // not started
  assert_int_equal(blo_init(f.instance, 0, 0), BLO_OK);
  assert_true(leaf(&f, "t", 0) == 0.5);
  assert_int_equal(blo_step(f.instance, 0, 1, &result), BLO_OK);
  assert_int_equal(result.iteration, 1);
  assert_true(result.has_upper && result.has_lower && result.has_norm && result.reported);
  assert_true(result.upper_objective == 21.0);
  assert_true(leaf(&f, "w", 2) == 0.1 * 4.0);
  blo_array view;
  assert_int_equal(blo_view_report(f.instance, 0, "error", &view), BLO_OK);
  assert_true(blo_array_element(&view, 0) == sqrt(21.0));
  assert_int_equal(blo_view_report(f.instance, 0, "mean_w", &view), BLO_OK);
  assert_true(blo_array_element(&view, 0) < 0.0); // declared with sign -1
  assert_int_equal(blo_view_hypergradient(f.instance, 0, "t", &view), BLO_OK);
  assert_true(blo_array_element(&view, 0) == -0.5);
  assert_int_equal(blo_view_final(f.instance, 0, "largest", &view), BLO_BAD_ARGUMENT);
  assert_int_equal(blo_finish(f.instance, 0), BLO_OK);
  assert_int_equal(blo_view_final(f.instance, 0, "largest", &view), BLO_OK);
  assert_true(blo_array_element(&view, 0) == 4.0 - leaf(&f, "w", 2));
  assert_int_equal(blo_view_leaf(f.instance, 0, "nothing", &view), BLO_BAD_ARGUMENT);
  assert_string_equal(blo_last_error(f.context)->text, "stage main has no variable `nothing`");
  close_small(&f);
}

// A report keeps its last value through steps that do not report.
static void test_reports_stay(void **state) {
  (void)state;
  Fixture f = {0};
  blo_array view;
  open_small(&f);
  assert_int_equal(blo_init(f.instance, 0, 0), BLO_OK);
  assert_int_equal(blo_step(f.instance, 0, 1, NULL), BLO_OK);
  blo_step_result result;
  for (int i = 0; i < 3; i++) assert_int_equal(blo_step(f.instance, 0, 0, &result), BLO_OK);
  assert_true(!result.has_upper && result.has_norm); // objectives come with reports
  assert_int_equal(blo_view_report(f.instance, 0, "error", &view), BLO_OK);
  assert_true(blo_array_element(&view, 0) == sqrt(21.0));
  close_small(&f);
}

static void test_failed_steps_leave_the_state(void **state) {
  (void)state;
  Fixture f = {.script = {.diverge_at = 3}};
  blo_step_result result;
  open_small(&f);
  assert_int_equal(blo_init(f.instance, 0, 0), BLO_OK);
  assert_int_equal(blo_step(f.instance, 0, 0, &result), BLO_OK);
  assert_int_equal(blo_step(f.instance, 0, 0, &result), BLO_OK);
  double w = leaf(&f, "w", 0);
  assert_int_equal(blo_step(f.instance, 0, 1, &result), BLO_DIVERGED);
  const blo_error *error = blo_last_error(f.context);
  assert_string_equal(error->code, "E0702");
  assert_string_equal(error->text, "small.blo:4:3: diverged in step 3 of stage main: the upper "
                                   "objective is infinite");
  assert_int_equal(blo_iteration(f.instance, 0), 2);
  assert_true(leaf(&f, "w", 0) == w);
  f.script = (Script){.note_at = 3};
  assert_int_equal(blo_step(f.instance, 0, 0, &result), BLO_BAD_DATA);
  assert_string_equal(blo_last_error(f.context)->code, "E0703");
  assert_string_equal(blo_last_error(f.context)->text, "small.blo:10:3: the curvature is negative");
  assert_true(leaf(&f, "w", 0) == w);
  assert_int_equal(blo_note_last(f.instance, 1), 1);
  f.script = (Script){.warn_at = 3};
  assert_int_equal(blo_step(f.instance, 0, 0, &result), BLO_OK); // a warning stops nothing
  assert_int_equal(blo_note_last(f.instance, 0), 1);
  assert_int_equal(blo_note_total(f.instance, 1), 1);
  assert_true(leaf(&f, "w", 0) != w);
  close_small(&f);
}

static void test_stop_discards_the_step(void **state) {
  (void)state;
  Fixture f = {.script = {.stop_at = 2}};
  open_small(&f);
  assert_int_equal(blo_init(f.instance, 0, 0), BLO_OK);
  assert_int_equal(blo_step(f.instance, 0, 0, NULL), BLO_OK);
  double w = leaf(&f, "w", 0);
  f.script.stopped = f.instance;
  assert_int_equal(blo_step(f.instance, 0, 0, NULL), BLO_STOPPED);
  assert_true(leaf(&f, "w", 0) == w);
  // What was asked for holds until it is cleared: no entry begins, none forgets it.
  f.script.stopped = NULL;
  assert_int_equal(blo_step(f.instance, 0, 0, NULL), BLO_STOPPED);
  assert_true(leaf(&f, "w", 0) == w);
  blo_clear_stop(f.instance);
  assert_int_equal(blo_step(f.instance, 0, 0, NULL), BLO_OK);
  assert_true(leaf(&f, "w", 0) != w);
  blo_request_stop(f.instance);
  assert_int_equal(blo_init(f.instance, 0, 0), BLO_STOPPED);
  assert_int_equal(blo_step(f.instance, 0, 0, NULL), BLO_BAD_ARGUMENT); // it has no state
  close_small(&f);
}

static int32_t stop_at_five(void *self, const blo_step_result *result) {
  int64_t *reports = self;
  *reports += result->reported;
  return result->iteration == 25;
}

static void test_solve(void **state) {
  (void)state;
  Fixture f = {.script = {.finish_at = 30}};
  int64_t reports = 0;
  open_small(&f);
  assert_int_equal(blo_init(f.instance, 0, 0), BLO_OK);
  assert_int_equal(blo_solve(f.instance, 0, 0, stop_at_five, &reports), BLO_STOPPED);
  assert_int_equal(blo_iteration(f.instance, 0), 25);
  assert_int_equal(reports, 3);
  assert_int_equal(blo_solve(f.instance, 0, 0, NULL, NULL), BLO_OK);
  assert_int_equal(blo_iteration(f.instance, 0), 30); // its stop condition held
  f.script.finish_at = 0;
  assert_int_equal(blo_solve(f.instance, 0, 0, NULL, NULL), BLO_NOT_CONVERGED);
  assert_int_equal(blo_iteration(f.instance, 0), 40);
  small_program(&f.small, &f.script, false); // no stop condition: the steps are all there is to do
  assert_int_equal(blo_init(f.instance, 0, 0), BLO_OK);
  assert_int_equal(blo_solve(f.instance, 0, 0, NULL, NULL), BLO_OK);
  close_small(&f);
}

// Saved after 7 steps, continued elsewhere: the same bits as never having stopped.
static void test_resume_is_exact(void **state) {
  (void)state;
  Fixture f = {0}, g = {0};
  open_small(&f);
  open_small(&g);
  size_t bytes = blo_state_bytes(f.instance, 0);
  char *saved = malloc(bytes), *end = malloc(bytes), *other = malloc(bytes);
  assert_int_equal(blo_init(f.instance, 0, 3), BLO_OK);
  for (int i = 0; i < 7; i++) assert_int_equal(blo_step(f.instance, 0, 0, NULL), BLO_OK);
  assert_int_equal(blo_state_save(f.instance, 0, saved), BLO_OK);
  for (int i = 0; i < 5; i++) assert_int_equal(blo_step(f.instance, 0, 0, NULL), BLO_OK);
  assert_int_equal(blo_state_save(f.instance, 0, end), BLO_OK);
  assert_int_equal(blo_state_load(g.instance, 0, saved, 7, 3), BLO_OK);
  assert_int_equal(blo_seed(g.instance, 0), 3);
  for (int i = 0; i < 5; i++) assert_int_equal(blo_step(g.instance, 0, 0, NULL), BLO_OK);
  assert_int_equal(blo_state_save(g.instance, 0, other), BLO_OK);
  assert_memory_equal(end, other, bytes);
  assert_int_equal(blo_iteration(g.instance, 0), 12);
  free(saved);
  free(end);
  free(other);
  close_small(&f);
  close_small(&g);
}

static void test_binding(void **state) {
  (void)state;
  Fixture f = {0};
  open_small(&f);
  blo_array wrong = array_of("y", target, 2);
  assert_int_equal(blo_bind(f.instance, &wrong), BLO_BAD_SHAPE);
  assert_string_equal(blo_last_error(f.context)->text,
                      "y is f64[2]; small.blo:2:8 says f64[n], here [3]");
  blo_array unknown = array_of("z", target, 3);
  assert_int_equal(blo_bind(f.instance, &unknown), BLO_BAD_ARGUMENT);
  blo_array skewed = array_of("y", (const double *)((uintptr_t)target + 4), 3);
  assert_int_equal(blo_bind(f.instance, &skewed), BLO_BAD_SHAPE);
  blo_instance *unbound;
  assert_int_equal(blo_open(f.context, &f.small.program, &three, 1, &unbound), BLO_OK);
  assert_int_equal(blo_init(unbound, 0, 0), BLO_OK);
  assert_int_equal(blo_step(unbound, 0, 0, NULL), BLO_BAD_ARGUMENT);
  assert_string_equal(blo_last_error(f.context)->text, "no data is bound to `y`");
  blo_close(unbound);
  close_small(&f);
}

static void test_empty_dims(void **state) {
  (void)state;
  Fixture f = {.context = blo_context_create(NULL)};
  blo_dim zero = {"n", 0};
  const blo_program *program = small_program(&f.small, &f.script, true);
  assert_int_equal(blo_open(f.context, program, &zero, 1, &f.instance), BLO_OK);
  blo_array y = {.name = "y", .dtype = BLO_F64, .rank = 1, .shape = {0}};
  assert_int_equal(blo_bind(f.instance, &y), BLO_OK);
  assert_int_equal(blo_init(f.instance, 0, 0), BLO_OK);
  assert_int_equal(blo_step(f.instance, 0, 1, NULL), BLO_OK);
  close_small(&f);
}

static void test_exported_functions(void **state) {
  (void)state;
  Fixture f = {0};
  double in[3] = {1.0, 2.0, 3.0}, out[3] = {0};
  open_small(&f);
  blo_array argument = array_of("a", in, 3), result = array_of("a", out, 3);
  assert_int_equal(blo_call_entry(f.instance, "twice", &argument, 1, &result, 1), BLO_OK);
  assert_true(out[2] == 6.0);
  assert_int_equal(blo_call_entry(f.instance, "twice", NULL, 0, &result, 1), BLO_BAD_ARGUMENT);
  argument.shape[0] = 2;
  assert_int_equal(blo_call_entry(f.instance, "twice", &argument, 1, &result, 1), BLO_BAD_SHAPE);
  assert_int_equal(blo_call_entry(f.instance, "thrice", &argument, 1, &result, 1),
                   BLO_BAD_ARGUMENT);
  close_small(&f);
}

static void test_dims_are_checked(void **state) {
  (void)state;
  SmallProgram small;
  Script script = {0};
  blo_program program = *small_program(&small, &script, true);
  blo_context *context = blo_context_create(NULL);
  blo_instance *instance;
  size_t bytes;
  assert_int_equal(blo_open(context, &program, NULL, 0, &instance), BLO_BAD_ARGUMENT);
  assert_string_equal(blo_last_error(context)->text, "dim `n` has no value");
  assert_null(instance);
  blo_dim wrong[] = {{"n", -2}}, unknown[] = {{"n", 3}, {"q", 1}}, huge[] = {{"n", INT64_MAX / 4}};
  assert_int_equal(blo_open(context, &program, wrong, 1, &instance), BLO_BAD_ARGUMENT);
  assert_int_equal(blo_open(context, &program, unknown, 2, &instance), BLO_BAD_ARGUMENT);
  assert_int_equal(blo_workspace_bytes(context, &program, huge, 1, &bytes), BLO_BAD_SHAPE);
  program.abi = BLO_ABI + 1;
  assert_int_equal(blo_open(context, &program, &three, 1, &instance), BLO_BAD_ARGUMENT);
  blo_context_destroy(context);
}

// ---- memory ----

typedef struct Memory {
  size_t live, calls, most_kept, fail_at;
} Memory;

static void *memory_resize(void *self, void *pointer, size_t old_bytes, size_t new_bytes) {
  Memory *memory = self;
  if (new_bytes == 0) {
    memory->live -= pointer ? old_bytes : 0;
    free(pointer);
    return NULL;
  }
  if (++memory->calls == memory->fail_at) return NULL;
  memory->live += new_bytes - (pointer ? old_bytes : 0);
  return realloc(pointer, new_bytes);
}

// What blo_open keeps is what workspace_bytes promised, and running allocates nothing.
static void test_memory_is_as_promised(void **state) {
  (void)state;
  Fixture f = {0};
  Memory memory = {0};
  size_t bytes;
  f.context = blo_context_create(&(blo_allocator){memory_resize, &memory});
  const blo_program *program = small_program(&f.small, &f.script, true);
  blo_dim many = {"n", 1000};
  assert_int_equal(blo_workspace_bytes(f.context, program, &many, 1, &bytes), BLO_OK);
  size_t before = memory.live;
  assert_int_equal(blo_open(f.context, program, &many, 1, &f.instance), BLO_OK);
  assert_true(memory.live - before >= bytes && memory.live - before <= bytes + 128);
  assert_true(bytes >= 3 * 8000 && bytes < 3 * 8000 + 8192);
  static double y[1000];
  blo_array array = array_of("y", y, 1000);
  assert_int_equal(blo_bind(f.instance, &array), BLO_OK);
  size_t calls = memory.calls;
  assert_int_equal(blo_init(f.instance, 0, 0), BLO_OK);
  for (int i = 0; i < 5; i++) assert_int_equal(blo_step(f.instance, 0, 1, NULL), BLO_OK);
  assert_int_equal(blo_finish(f.instance, 0), BLO_OK);
  assert_int_equal(memory.calls, calls);
  close_small(&f);
  assert_int_equal(memory.live, 0);
}

static void test_no_memory_anywhere(void **state) {
  (void)state;
  SmallProgram small;
  Script script = {0};
  const blo_program *program = small_program(&small, &script, true);
  blo_status status = BLO_NO_MEMORY;
  size_t tries = 0;
  for (size_t fail_at = 2; status == BLO_NO_MEMORY; fail_at++, tries++) {
    Memory memory = {.fail_at = fail_at};
    blo_instance *instance;
    blo_context *context = blo_context_create(&(blo_allocator){memory_resize, &memory});
    status = blo_open(context, program, &three, 1, &instance);
    blo_close(instance);
    blo_context_destroy(context);
    assert_int_equal(memory.live, 0);
  }
  assert_int_equal(status, BLO_OK);
  assert_true(tries > 3);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_steps_move_the_state),
      cmocka_unit_test(test_reports_stay),
      cmocka_unit_test(test_failed_steps_leave_the_state),
      cmocka_unit_test(test_stop_discards_the_step),
      cmocka_unit_test(test_solve),
      cmocka_unit_test(test_resume_is_exact),
      cmocka_unit_test(test_binding),
      cmocka_unit_test(test_empty_dims),
      cmocka_unit_test(test_exported_functions),
      cmocka_unit_test(test_dims_are_checked),
      cmocka_unit_test(test_memory_is_as_promised),
      cmocka_unit_test(test_no_memory_anywhere),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
