// Object files: the program's description comes back from a linked object field by field, and its
// entry runs.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/emit_fixture.h"

#include <dlfcn.h>
#include <string.h>
#include <unistd.h>

static const int64_t words[] = {1, 0};
static const blo_size shape[] = {{words, 2}, {NULL, 0}};
static const blo_value inputs[] = {{"x", BLO_F64, 1, BLO_ROLE_DATA, 0, shape}};
static const blo_value outputs[] = {{"y", BLO_F64, 2, BLO_ROLE_STATE, 3, shape}};
static const blo_buffer slots[] = {{{words, 2}, 4, 9}, {{NULL, 0}, 0, 0}};
static const blo_entry entries[] = {{.name = "entry",
                                     .input_count = 1,
                                     .output_count = 1,
                                     .slot_count = 2,
                                     .inputs = inputs,
                                     .outputs = outputs,
                                     .slots = slots},
                                    {.name = "entry"}};
static const blo_data data[] = {{"x", "a.blo:1:2", BLO_F64, 1, shape, "f64[n]", 7, 1}};
static const blo_leaf leaves[] = {{"w", BLO_F32, 1, shape, 1}, {"v", BLO_I64, 0, NULL, 0}};
static const blo_report reports[] = {{"loss", BLO_F64, 0, NULL, -1}};
static const blo_stage stages[] = {{.name = "main",
                                    .solve = "fast",
                                    .state = leaves,
                                    .state_count = 2,
                                    .reports = reports,
                                    .report_count = 1,
                                    .init = &entries[1],
                                    .step = &entries[0],
                                    .after = &entries[1],
                                    .iterations = 12,
                                    .report_every = 3,
                                    .seed = -4,
                                    .maximize_upper = 1,
                                    .maximize_lower = 2}};
static const blo_expect expects[] = {{"a < b", "a.blo:9:1", 1}};
static const char *const codes[] = {"E0703"};
static const blo_test tests[] = {{.name = "t",
                                  .place = "a.blo:8:1",
                                  .entry = &entries[0],
                                  .expects = expects,
                                  .expect_count = 1,
                                  .codes = codes,
                                  .code_count = 1,
                                  .data_file = "x.npz"}};
static const blo_note notes[] = {{"E0704", "out of range", "a.blo:5:5"}};
static const blo_condition conditions[] = {{{words, 2}, 2, "n even", "a.blo:2:2"}};
static const char *const dims[] = {"n"};
static const int64_t dim_values[] = {-1};
static const blo_program program = {.abi = BLO_ABI,
                                    .size = sizeof program,
                                    .name = "my-program",
                                    .dims = dims,
                                    .dim_values = dim_values,
                                    .dim_count = 1,
                                    .data = data,
                                    .data_count = 1,
                                    .data_entry = &entries[1],
                                    .stages = stages,
                                    .stage_count = 1,
                                    .tests = tests,
                                    .test_count = 1,
                                    .entries = entries,
                                    .entry_count = 2,
                                    .notes = notes,
                                    .note_count = 1,
                                    .conditions = conditions,
                                    .condition_count = 1};

static void write_object(const char *path) {
  Fixture f = fixture_create();
  KernelBuilder *k = fixture_kernel(&f, "double");
  int x = kernel_buffer(k, DT_F64, true, false), y = kernel_buffer(k, DT_F64, false, true);
  Axis *i = kernel_for_vector(k, "i", expr_dim(k, f.n), 8, 2);
  Expr *value = expr_load(k, x, expr_axis(k, i));
  kernel_store(k, y, expr_axis(k, i), expr_binary(k, OP_ADD, value, value));
  kernel_end(k);
  Buffer *buffers[] = {fixture_buffer(&f, BUFFER_INPUT, 0, DT_F64, f.n),
                       fixture_buffer(&f, BUFFER_OUTPUT, 0, DT_F64, f.n)};
  fixture_launch(&f, &f.schedule->steps, kernel_finish(k), buffers, 2);
  EmitOptions options = {.cpu = "x86-64-v3", .verify = true};
  EmitModule *module = emit_create(f.arena, &options, &f.atom, 1);
  Plan plan = {0};
  emit_schedule(module, f.schedule, &plan);
  char *message = NULL;
  assert_true(emit_object(module, &program, path, &message));
  assert_false(emit_object(module, &program, "/nowhere/at/all.o", &message));
  assert_non_null(message);
  free(message);
  emit_destroy(module);
  fixture_destroy(&f);
}

static void check_entry(const blo_entry *entry) {
  assert_string_equal(entry->name, "entry");
  assert_int_equal(entry->input_count, 1);
  assert_string_equal(entry->inputs[0].name, "x");
  assert_int_equal(entry->inputs[0].shape[0].count, 2);
  assert_memory_equal(entry->inputs[0].shape[0].words, words, sizeof words);
  assert_int_equal(entry->outputs[0].rank, 2);
  assert_int_equal(entry->outputs[0].role, BLO_ROLE_STATE);
  assert_int_equal(entry->outputs[0].index, 3);
  assert_null(entry->outputs[0].shape[1].words);
  assert_int_equal(entry->slots[0].first, 4);
  assert_int_equal(entry->slots[0].last, 9);
  double x[5] = {1, 2, 3, 4, 5}, y[5];
  int64_t n = 5;
  const void *in = x;
  void *out = y;
  blo_call call = {.dims = &n, .inputs = &in, .outputs = &out};
  assert_int_equal(entry->run(&call), BLO_OK);
  for (int i = 0; i < 5; i++) assert_true(y[i] == 2 * x[i]);
}

static void check_program(const blo_program *p) {
  assert_int_equal(p->abi, BLO_ABI);
  assert_int_equal(p->size, sizeof *p);
  assert_string_equal(p->name, "my-program");
  assert_string_equal(p->target, "x86-64-v3");
  assert_string_equal(p->dims[0], "n");
  assert_int_equal(p->dim_values[0], -1);
  assert_string_equal(p->data[0].place, "a.blo:1:2");
  assert_int_equal(p->data[0].classes, 7);
  assert_int_equal(p->data[0].computed, 1);
  assert_ptr_equal(p->data_entry, &p->entries[1]);
  const blo_stage *stage = &p->stages[0];
  assert_string_equal(stage->solve, "fast");
  assert_string_equal(stage->state[0].name, "w");
  assert_int_equal(stage->state[1].dtype, BLO_I64);
  assert_true(stage->reports[0].sign == -1);
  assert_ptr_equal(stage->step, &p->entries[0]);
  assert_ptr_equal(stage->init, &p->entries[1]);
  assert_ptr_equal(stage->after, &p->entries[1]);
  assert_null(stage->finish);
  assert_int_equal(stage->seed, -4);
  assert_int_equal(stage->maximize_lower, 2);
  assert_string_equal(p->tests[0].expects[0].text, "a < b");
  assert_string_equal(p->tests[0].codes[0], "E0703");
  assert_string_equal(p->tests[0].data_file, "x.npz");
  assert_string_equal(p->notes[0].text, "out of range");
  assert_int_equal(p->conditions[0].divisor, 2);
  assert_string_equal(p->conditions[0].text, "n even");
  check_entry(&p->entries[0]);
}

static void object_holds_the_program(void **unused) {
  (void)unused;
  char folder[] = "/tmp/blo-emit-XXXXXX", command[256], object[64], library[64];
  assert_non_null(mkdtemp(folder));
  snprintf(object, sizeof object, "%s/a.o", folder);
  snprintf(library, sizeof library, "%s/a.so", folder);
  write_object(object);
  snprintf(command, sizeof command, "cc -shared -o %s %s", library, object);
  assert_int_equal(system(command), 0);
  void *handle = dlopen(library, RTLD_NOW);
  assert_non_null(handle);
  const blo_program *found = dlsym(handle, "blo_program_my_program");
  assert_non_null(found);
  check_program(found);
  dlclose(handle);
  unlink(object);
  unlink(library);
  rmdir(folder);
}

int main(void) {
  const struct CMUnitTest list[] = {cmocka_unit_test(object_holds_the_program)};
  return cmocka_run_group_tests(list, NULL, NULL);
}
