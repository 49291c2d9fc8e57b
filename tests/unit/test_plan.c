// Placement of buffers, lifetimes around loops, and in-place updates.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/place.h"
#include "ir/passes.h"
#include "loop/lower.h"
#include "plan/plan.h"
#include <string.h>

// --- placement
// ------------------------------------------------------------------------------------

enum { MAX_BUFFERS = 64 };

static int random_below(uint64_t *state, int count) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (int)((*state >> 33) % (uint64_t)count);
}

static void check_placement(const int64_t *bytes, const int64_t *first, const int64_t *last,
                            size_t count) {
  int64_t offsets[MAX_BUFFERS], total, most = 0;
  assert_true(blo_place(bytes, first, last, count, offsets, &total));
  for (size_t i = 0; i < count; i++) {
    assert_int_equal(offsets[i] % BLO_PLACE_ALIGN, 0);
    assert_true(offsets[i] >= 0 && offsets[i] + bytes[i] <= total + (first[i] < 0) * bytes[i]);
    for (size_t j = 0; j < i; j++) {
      if (first[i] < 0 || first[j] < 0 || first[i] > last[j] || first[j] > last[i]) continue;
      assert_true(offsets[i] + bytes[i] <= offsets[j] || offsets[j] + bytes[j] <= offsets[i] ||
                  !bytes[i] || !bytes[j]);
    }
  }
  for (int64_t at = 0; at < 40; at++) { // no less than what is in use at any one position
    int64_t live = 0;
    for (size_t i = 0; i < count; i++)
      if (first[i] >= 0 && first[i] <= at && at <= last[i]) live += bytes[i];
    most = live > most ? live : most;
  }
  assert_true(total >= most);
}

static void placements_never_overlap(void **state) {
  (void)state;
  uint64_t g = 5;
  for (int round = 0; round < 300; round++) {
    int64_t bytes[MAX_BUFFERS], first[MAX_BUFFERS], last[MAX_BUFFERS];
    size_t count = (size_t)random_below(&g, MAX_BUFFERS);
    for (size_t i = 0; i < count; i++) {
      bytes[i] = random_below(&g, 4) ? random_below(&g, 5000) : 64 * random_below(&g, 3);
      first[i] = random_below(&g, 30) - 1;
      last[i] = first[i] + random_below(&g, 10);
    }
    check_placement(bytes, first, last, count);
  }
}

static void placement_reuses_memory(void **state) {
  (void)state;
  const int64_t bytes[] = {1000, 1000, 1000}, first[] = {0, 2, 4}, last[] = {1, 3, 5};
  int64_t offsets[3], total;
  assert_true(blo_place(bytes, first, last, 3, offsets, &total));
  assert_int_equal(total, 1024);
}

static void placement_refuses_what_does_not_fit(void **state) {
  (void)state;
  const int64_t first[] = {0, 0}, last[] = {1, 1};
  int64_t offsets[2], total;
  assert_false(blo_place((const int64_t[]){-1, 4}, first, last, 2, offsets, &total));
  assert_false(blo_place((const int64_t[]){INT64_MAX, 4}, first, last, 2, offsets, &total));
  int64_t half = INT64_MAX / 2;
  assert_false(blo_place((const int64_t[]){half, half}, first, last, 2, offsets, &total));
  assert_true(blo_place(NULL, NULL, NULL, 0, offsets, &total));
  assert_int_equal(total, 0);
}

// --- schedules
// ------------------------------------------------------------------------------------

typedef struct Planned {
  Compilation *compilation;
  Schedule *schedule;
  Plan *plan;
} Planned;

static Planned plan_text(const char *text) {
  Planned p = {.compilation = compilation_create((SourceLoader){0})};
  uint32_t source = sources_add(p.compilation->sources, "test.ir", text, strlen(text), false);
  Module *module = ir_read(p.compilation, source);
  assert_non_null(module);
  NameList names = {0};
  func_dim_names(p.compilation->arena, module->funcs.data[0], &names);
  LowerOptions options = {.fuse = true};
  p.schedule = lower_func(module->funcs.data[0], &options);
  p.plan = plan_schedule(p.schedule, names.data, names.count);
  assert_null(schedule_verify(p.compilation->arena, p.schedule));
  return p;
}

static int count_steps(const StepList *steps, StepKind kind) {
  int count = 0;
  for (size_t i = 0; i < steps->count; i++) {
    const Step *step = steps->data[i];
    count += step->kind == kind;
    count += count_steps(&step->condition, kind) + count_steps(&step->body, kind) +
             count_steps(&step->otherwise, kind);
  }
  return count;
}

// Every buffer of a step is live at the step's position, and loops keep what crosses their edge.
static void check_lifetimes(const Schedule *schedule, const StepList *steps, int first, int last) {
  for (size_t i = 0; i < steps->count; i++) {
    const Step *step = steps->data[i];
    for (size_t k = 0; k < step->buffers.count; k++) {
      const Buffer *buffer = step->buffers.data[k].buffer;
      if (buffer->kind != BUFFER_WORKSPACE) continue;
      assert_true(buffer->slot >= 0);
      assert_true(buffer->first <= step->position && step->position <= buffer->last);
      if (first >= 0 && (buffer->first < first || buffer->last > last))
        assert_true(buffer->first <= first && buffer->last >= last);
    }
    if (step->kind == STEP_LOOP) {
      const StepList *body = &step->body;
      int end = body->count ? VEC_LAST(body)->position : step->position;
      check_lifetimes(schedule, body, step->position, end);
    } else {
      check_lifetimes(schedule, &step->body, -1, -1);
      check_lifetimes(schedule, &step->otherwise, -1, -1);
    }
  }
}

static void values_used_in_loops_live_through_them(void **state) {
  (void)state;
  Planned p = plan_text("func @f(%x: f64[n], %y: f64[n]) dims(n) {\n"
                        "  %s: f64[n] = exp %x\n"
                        "  %t: f64[n] = sin %s\n"
                        "  %c: i64 = const 5\n"
                        "  %a: f64[n], %trips: i64 = loop %c bound [5] (%i, %u = %y) {\n"
                        "    %v: f64[n] = mul %u, %t\n"
                        "    %w: f64 = reduce_sum %v axes(0)\n"
                        "    %q: f64 = exp %w\n"
                        "    %wb: f64[n] = view %q [] ; broadcast\n"
                        "    %z: f64[n] = add %v, %wb\n"
                        "    yield %z\n"
                        "  }\n"
                        "  %r: f64[n] = add %a, %s\n"
                        "  yield %r : r\n"
                        "}\n");
  check_lifetimes(p.schedule, &p.schedule->steps, -1, -1);
  compilation_destroy(p.compilation);
}

static void carries_read_at_their_own_place_are_updated_in_place(void **state) {
  (void)state;
  Planned p = plan_text("func @f(%x: f64[n], %g: f64[n]) dims(n) {\n"
                        "  %c: i64 = const 5\n"
                        "  %a: f64[n], %trips: i64 = loop %c bound [5] (%i, %u = %x) {\n"
                        "    %v: f64[n] = mul %u, %g\n"
                        "    %z: f64[n] = sub %u, %v\n"
                        "    yield %z\n"
                        "  }\n"
                        "  yield %a : a\n"
                        "}\n");
  assert_int_equal(count_steps(&p.schedule->steps, STEP_SWAP), 0);
  compilation_destroy(p.compilation);
}

static void carries_read_elsewhere_are_swapped(void **state) {
  (void)state;
  Planned p = plan_text("func @f(%x: f64[n]) dims(n) {\n"
                        "  %c: i64 = const 5\n"
                        "  %a: f64[n], %trips: i64 = loop %c bound [5] (%i, %u = %x) {\n"
                        "    %f: f64[n] = view %u [-o0 + n - 1] ; flip\n"
                        "    %z: f64[n] = sub %u, %f\n"
                        "    yield %z\n"
                        "  }\n"
                        "  yield %a : a\n"
                        "}\n");
  assert_int_equal(count_steps(&p.schedule->steps, STEP_SWAP), 1);
  compilation_destroy(p.compilation);
}

static void updates_of_carried_arrays_copy_nothing(void **state) {
  (void)state;
  Planned p = plan_text("func @f(%x: f64[n, d], %y: f64[d], %k: i64) dims(n, d) {\n"
                        "  %c: i64 = dim [n]\n"
                        "  %zero: i64 = const 0\n"
                        "  %a: f64[n, d], %trips: i64 = loop %c bound [n] (%i, %u = %x) {\n"
                        "    %row: f64[1, d] = reshape %y\n"
                        "    %z: f64[n, d] = dynamic_update %u, %row, %i, %zero\n"
                        "    yield %z\n"
                        "  }\n"
                        "  yield %a : a\n"
                        "}\n");
  const Step *loop = NULL;
  for (size_t i = 0; i < p.schedule->steps.count; i++)
    if (p.schedule->steps.data[i]->kind == STEP_LOOP) loop = p.schedule->steps.data[i];
  assert_non_null(loop);
  assert_int_equal(loop->body.count, 1);
  assert_int_equal(count_steps(&p.schedule->steps, STEP_SWAP), 0);
  compilation_destroy(p.compilation);
}

static void one_kernel_streams_value_and_gradient(void **state) {
  (void)state;
  Planned p = plan_text("func @f(%X: f64[n, d], %w: f64[d], %y: f64[n]) dims(n, d) {\n"
                        "  %z: f64[n] = dot %X, %w contract(1; 0)\n"
                        "  %p: f64[n] = logistic %z\n"
                        "  %r: f64[n] = sub %p, %y\n"
                        "  %s: f64 = dot %r, %r contract(0; 0)\n"
                        "  %g: f64[d] = dot %X, %r contract(0; 0)\n"
                        "  yield %s : s, %g : g\n"
                        "}\n");
  assert_int_equal(schedule_kernel_count(p.schedule), 1);
  for (size_t i = 0; i < p.schedule->buffers.count; i++) { // no value of n entries is in memory
    const Buffer *buffer = p.schedule->buffers.data[i];
    int64_t entries;
    if (buffer->kind == BUFFER_WORKSPACE && buffer->slot >= 0)
      assert_true(dim_is_const(buffer->entries, &entries));
  }
  compilation_destroy(p.compilation);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(placements_never_overlap),
      cmocka_unit_test(placement_reuses_memory),
      cmocka_unit_test(placement_refuses_what_does_not_fit),
      cmocka_unit_test(values_used_in_loops_live_through_them),
      cmocka_unit_test(carries_read_at_their_own_place_are_updated_in_place),
      cmocka_unit_test(carries_read_elsewhere_are_swapped),
      cmocka_unit_test(updates_of_carried_arrays_copy_nothing),
      cmocka_unit_test(one_kernel_streams_value_and_gradient),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
