// Lowered and compiled functions against the interpreter: random programs over several shapes, dims
// free and bound, fused and not; and what the lowering must not depend on.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/compiled_function.h"
#include "unit/program_generator.h"
#include <stdio.h>

// Programs are some twenty operations deep, each of at most a few ulp on values of order one; sums
// over at most a thousand entries add as much again. 1e-12 leaves a factor of about a hundred.
#define TOLERANCE 1e-12

static const char *const dim_names_used[GENERATOR_DIMS] = {"n", "d", "c"};

typedef struct Context {
  Compilation *compilation;
  Module *module;
  DimValue dims[GENERATOR_DIMS];
} Context;

static Context context_create(const int64_t *extents) {
  Context c = {.compilation = compilation_create((SourceLoader){0})};
  c.module = module_create(c.compilation->arena, c.compilation->names);
  for (int i = 0; i < GENERATOR_DIMS; i++) c.dims[i] = (DimValue){dim_names_used[i], extents[i]};
  return c;
}

static bool dim_value(void *self, Name name, int64_t *value) {
  const Context *c = self;
  for (int i = 0; i < GENERATOR_DIMS; i++)
    if (!strcmp(c->dims[i].name, name)) {
      *value = c->dims[i].value;
      return true;
    }
  return false;
}

static Tensor **make_arguments(Context *c, const Func *func) {
  Arena *arena = c->compilation->arena;
  Tensor **arguments = ARENA_ARRAY(arena, Tensor *, func->body->params.count + 1);
  Generator g = {.state = 77};
  for (size_t i = 0; i < func->body->params.count; i++) {
    const Type *type = func->body->params.data[i]->type;
    int64_t shape[MAX_RANK];
    for (int k = 0; k < type->rank; k++)
      assert_true(dim_evaluate(type->shape[k], dim_value, c, &shape[k]));
    arguments[i] = tensor_create(arena, type->dtype, type->rank, shape);
    for (int64_t k = 0; k < arguments[i]->count; k++) {
      double u = (double)(generator_next(&g) >> 11) * 0x1p-53 * 4 - 2;
      if (dtype_is_float(type->dtype))
        arguments[i]->reals[k] = u;
      else
        arguments[i]->integers[k] = (int64_t)(u * 2);
    }
  }
  return arguments;
}

// Largest difference of two results, relative where they are larger than one; equal NaN and inf
// count 0.
static double difference(const Tensor *a, const Tensor *b) {
  double largest = 0;
  assert_int_equal(a->count, b->count);
  for (int64_t i = 0; i < a->count; i++) {
    double x = a->reals ? a->reals[i] : (double)a->integers[i];
    double y = b->reals ? b->reals[i] : (double)b->integers[i];
    if (x == y || (isnan(x) && isnan(y))) continue;
    double d = fabs(x - y) / fmax(1, fabs(y));
    largest = isnan(d) ? INFINITY : fmax(largest, d);
  }
  return largest;
}

static bool same_bits(const Tensor *a, const Tensor *b) {
  if (a->count != b->count) return false;
  size_t size = (size_t)a->count * 8;
  return !size || !memcmp(a->reals ? (void *)a->reals : (void *)a->integers,
                          b->reals ? (void *)b->reals : (void *)b->integers, size);
}

static Tensor **run_lowered(Context *c, const Func *func, bool fuse) {
  Arena *arena = c->compilation->arena;
  LowerOptions options = {.fuse = fuse};
  Compiled compiled = compile_function(arena, func, c->dims, GENERATOR_DIMS, &options);
  Tensor **results = ARENA_ARRAY(arena, Tensor *, func->body->yields.count + 1);
  int64_t *notes = ARENA_ARRAY(arena, int64_t, c->module->notes.count + 1);
  run_compiled(&compiled, arena, make_arguments(c, func), results, notes);
  emit_code_destroy(compiled.code);
  return results;
}

static Tensor **interpret(Context *c, const Func *func) {
  Arena *arena = c->compilation->arena;
  Interpretation run = {.arena = arena, .dim_value = dim_value, .self = c, .round = true};
  Tensor **results = ARENA_ARRAY(arena, Tensor *, func->body->yields.count + 1);
  bool fine = ir_interpret(&run, func, make_arguments(c, func), results);
  if (!fine) fail_msg("interpreter: %s", run.error);
  return results;
}

static void report_failure(Context *c, const Func *func, const char *what, double error) {
  TextBuffer text = text_buffer(c->compilation->arena);
  ir_print_func(&text, func);
  fail_msg("%s of %s: %g\n%s", what, func->name, error, text_string(&text));
}

static void compare_results(Context *c, const Func *func, const char *what, Tensor **found,
                            Tensor **expected) {
  for (size_t i = 0; i < func->body->yields.count; i++) {
    double error = difference(found[i], expected[i]);
    if (error > TOLERANCE) report_failure(c, func, what, error);
  }
}

// One random program: the interpreter against fused kernels; every third also against one kernel
// per op, every third also with the dims as numbers, where the bits must be those with free dims.
static void check_program(uint64_t seed, const int64_t *extents, int ops) {
  Context c = context_create(extents);
  const Dim *free_dims[GENERATOR_DIMS], *bound_dims[GENERATOR_DIMS];
  for (int i = 0; i < GENERATOR_DIMS; i++) {
    free_dims[i] = dim_name(c.module->dims, intern(c.module->names, dim_names_used[i]));
    bound_dims[i] = dim_const(c.module->dims, extents[i]);
  }
  Func *func = generate_program(c.module, seed, free_dims, ops);
  const char *message = ir_verify(c.compilation->arena, c.module);
  if (message) fail_msg("%s", message);
  Tensor **expected = interpret(&c, func), **fused = run_lowered(&c, func, true);
  compare_results(&c, func, "fused result", fused, expected);
  if (seed % 3 == 0)
    compare_results(&c, func, "unfused result", run_lowered(&c, func, false), expected);
  if (seed % 3 == 1) {
    Func *constant = generate_program(c.module, seed, bound_dims, ops);
    Tensor **bound = run_lowered(&c, constant, true);
    for (size_t i = 0; i < func->body->yields.count; i++)
      if (!same_bits(fused[i], bound[i])) report_failure(&c, func, "bits with bound dims", 0);
  }
  compilation_destroy(c.compilation);
}

// BLO_TEST_SEED runs one program, BLO_TEST_FACTOR more of them.
static void run_programs(uint64_t first, int count, const int64_t *extents, int ops) {
  const char *only = getenv("BLO_TEST_SEED"), *factor = getenv("BLO_TEST_FACTOR");
  if (factor) count *= atoi(factor);
  for (int i = 0; i < count; i++)
    if (!only || strtoull(only, NULL, 10) == first + (uint64_t)i)
      check_program(first + (uint64_t)i, extents, ops);
}

static void random_programs_of_odd_shapes(void **state) {
  (void)state;
  run_programs(1000, 30, (const int64_t[]){7, 5, 3}, 12);
  run_programs(2000, 20, (const int64_t[]){17, 3, 9}, 12);
}

static void random_programs_longer_than_lanes(void **state) {
  (void)state;
  run_programs(3000, 12, (const int64_t[]){33, 2, 19}, 10);
}

static void random_programs_of_extent_one(void **state) {
  (void)state;
  run_programs(4000, 10, (const int64_t[]){1, 4, 2}, 12);
  run_programs(4500, 10, (const int64_t[]){4, 3, 1}, 12);
}

static void random_programs_without_entries(void **state) {
  (void)state;
  run_programs(5000, 10, (const int64_t[]){0, 2, 3}, 10);
  run_programs(6000, 10, (const int64_t[]){3, 0, 2}, 10);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(random_programs_of_odd_shapes),
      cmocka_unit_test(random_programs_longer_than_lanes),
      cmocka_unit_test(random_programs_of_extent_one),
      cmocka_unit_test(random_programs_without_entries),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
