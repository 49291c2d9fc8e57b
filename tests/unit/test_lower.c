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
  DimValue dims[8];
  size_t dim_count;
} Context;

static Context context_create(const int64_t *extents) {
  Context c = {.compilation = compilation_create((SourceLoader){0})};
  c.module = module_create(c.compilation->arena, c.compilation->names);
  for (int i = 0; i < GENERATOR_DIMS; i++) c.dims[i] = (DimValue){dim_names_used[i], extents[i]};
  c.dim_count = GENERATOR_DIMS;
  return c;
}

static bool dim_value(void *self, Name name, int64_t *value) {
  const Context *c = self;
  for (size_t i = 0; i < c->dim_count; i++)
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
        arguments[i]->integers[k] = (int64_t)(type->dtype == DT_U8 ? fabs(u * 2) : u * 2);
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

static Tensor **run_lowered(Context *c, Func *func, bool fuse) {
  Arena *arena = c->compilation->arena;
  LowerOptions options = {.fuse = fuse};
  Compiled compiled = compile_function(arena, func, c->dims, c->dim_count, &options);
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
                            Tensor **expected, double tolerance) {
  for (size_t i = 0; i < func->body->yields.count; i++) {
    double error = difference(found[i], expected[i]);
    if (error > tolerance) report_failure(c, func, what, error);
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
  Func *func = generate_program(c.module, seed, free_dims,
                                (GeneratorOptions){.ops = ops, .control = seed >= 8000});
  const char *message = ir_verify(c.compilation->arena, c.module);
  if (message) fail_msg("%s", message);
  Tensor **expected = interpret(&c, func), **fused = run_lowered(&c, func, true);
  compare_results(&c, func, "fused result", fused, expected, TOLERANCE);
  if (seed % 3 == 0)
    compare_results(&c, func, "unfused result", run_lowered(&c, func, false), expected, TOLERANCE);
  if (seed % 3 == 1) {
    Func *constant = generate_program(c.module, seed, bound_dims,
                                      (GeneratorOptions){.ops = ops, .control = seed >= 8000});
    Tensor **bound = run_lowered(&c, constant, true);
    for (size_t i = 0; i < func->body->yields.count; i++)
      if (!same_bits(fused[i], bound[i])) report_failure(&c, func, "bits with bound dims", 0);
  }
  compilation_destroy(c.compilation);
}

// BLO_TEST_SEED runs one program; test_random_programs runs more of them.
static void run_programs(uint64_t first, int count, const int64_t *extents, int ops) {
  const char *only = getenv("BLO_TEST_SEED");
  for (int i = 0; i < count; i++)
    if (!only || strtoull(only, NULL, 10) == first + (uint64_t)i)
      check_program(first + (uint64_t)i, extents, ops);
}

static void random_programs_of_odd_shapes(void **state) {
  (void)state;
  run_programs(1000, 12, (const int64_t[]){7, 5, 3}, 12);
  run_programs(2000, 7, (const int64_t[]){17, 3, 9}, 12);
}

static void random_programs_longer_than_lanes(void **state) {
  (void)state;
  run_programs(3000, 4, (const int64_t[]){33, 2, 19}, 10);
}

static void random_programs_of_extent_one(void **state) {
  (void)state;
  run_programs(4000, 4, (const int64_t[]){1, 4, 2}, 12);
  run_programs(4500, 4, (const int64_t[]){4, 3, 1}, 12);
}

static void random_programs_without_entries(void **state) {
  (void)state;
  run_programs(5000, 4, (const int64_t[]){0, 2, 3}, 10);
  run_programs(6000, 4, (const int64_t[]){3, 0, 2}, 10);
}

// --- written programs
// -----------------------------------------------------------------------------

// Runs the functions of a text with its dims, in order of first use, set to `extents`.
static void check_text(const char *text, const int64_t *extents, double tolerance) {
  Context c = {.compilation = compilation_create((SourceLoader){0})};
  uint32_t source = sources_add(c.compilation->sources, "test.ir", text, strlen(text), false);
  c.module = ir_read(c.compilation, source);
  assert_non_null(c.module);
  for (size_t i = 0; i < c.module->funcs.count; i++) {
    Func *func = c.module->funcs.data[i];
    NameList names = {0};
    func_dim_names(c.compilation->arena, func, &names);
    c.dim_count = names.count;
    for (size_t k = 0; k < names.count; k++) c.dims[k] = (DimValue){names.data[k], extents[k]};
    Tensor **expected = interpret(&c, func);
    compare_results(&c, func, "fused", run_lowered(&c, func, true), expected, tolerance);
    compare_results(&c, func, "unfused", run_lowered(&c, func, false), expected, tolerance);
  }
  compilation_destroy(c.compilation);
}

static const char numbers_text[] =
    "func @numbers(%x: T[n, d], %y: T[n, d], %k: i64[n]) dims(n, d) {\n"
    "  %add: T[n, d] = add %x, %y\n"
    "  %sub: T[n, d] = sub %x, %y\n"
    "  %mul: T[n, d] = mul %x, %y\n"
    "  %max: T[n, d] = max %x, %y\n"
    "  %min: T[n, d] = min %x, %y\n"
    "  %mod: T[n, d] = mod %x, %y\n"
    "  %less: bool[n, d] = compare le %x, %y\n"
    "  %pick: T[n, d] = select %less, %x, %mul\n"
    "  %sum0: T[d] = reduce_sum %x axes(0)\n"
    "  %sum1: T[n] = reduce_sum %x axes(1)\n"
    "  %all: T = reduce_sum %x axes(0, 1)\n"
    "  %max0: T[d] = reduce_max %x axes(0)\n"
    "  %max1: T[n] = reduce_max %x axes(1)\n"
    "  %at0: i64[d] = argmax %x axis 0\n"
    "  %at1: i64[n] = argmax %x axis 1\n"
    "  %run0: T[n, d] = cumsum %x axis 0\n"
    "  %run1: T[n, d] = cumsum %x axis 1 reverse exclusive\n"
    "  %dot: T[n, n] = dot %x, %y contract(1; 1)\n"
    "  %gram: T[d, d] = dot %x, %y contract(0; 0)\n"
    "  %inner: T[n] = dot %x, %y batch(0; 0) contract(1; 1)\n"
    "  %turned: T[d, n] = view %x [o1, o0]\n"
    "  %two: T[n, 2*d] = concat %x, %y axis 1\n"
    "  %wide: T[2*n + 1, d] = unview %x [2*o0 + 1, o1]\n"
    "  %summed: T[n] = unview %x [o0]\n"
    "  %rows: T[n, d] = gather %x, %k axes(0)\n"
    "  %spread: T[n, d] = scatter_add %x, %y, %k axes(0)\n"
    "  %order: i64[n, d] = argsort %x axis 1\n"
    "  %asreal: f64[n, d] = convert %x\n"
    "  %aswhole: i32[n, d] = convert %x\n"
    "  %asbyte: bool[n, d] = convert %x\n"
    "  yield %add, %sub, %mul, %max, %min, %mod, %less, %pick, %sum0, %sum1, %all, %max0, %max1,\n"
    "    %at0, %at1, %run0, %run1, %dot, %gram, %inner, %turned, %two, %wide, %summed, %rows, "
    "%spread,\n"
    "    %order, %asreal, %aswhole, %asbyte\n"
    "}\n";

// Convolutions along the last axes, padded, strided, dilated, grouped, and in the forms that their
// derivatives take.
static const char convolutions_text[] =
    "func @convolutions(%x: T[c, h, w], %f: T[o, c, 3, 2], %g: T[c, 2, 3], %b: T[n, h, c],\n"
    "    %s: T[o, c, h - 2, w - 1], %d: T[o, 3, c], %k: T[h]) dims(c, h, w, o, n) {\n"
    "  %same: T[c, h + 2, w + 1] = unview %x [o0, o1 + 1, o2 + 1]\n"
    "  %plain: T[o, h - 2, w - 1] = conv %x, %f contract(0; 1) window(1, 2; 2, 3)\n"
    "  %padded: T[o, h, w] = conv %same, %f contract(0; 1) window(1, 2; 2, 3)\n"
    "  %strided: T[o, floordiv(h - 3, 2) + 1, floordiv(w - 2, 3) + 1] =\n"
    "    conv %x, %f contract(0; 1) window(1, 2; 2, 3) stride(2, 3)\n"
    "  %dilated: T[o, h - 4, w - 3] = conv %x, %f contract(0; 1) window(1, 2; 2, 3) "
    "dilation(2, 3)\n"
    "  %depth: T[c, h - 1, w - 2] = conv %x, %g batch(0; 0) window(1, 2; 1, 2)\n"
    "  %rows: T[n, o, h - 2] = conv %b, %d contract(2; 2) window(1; 1)\n"
    "  %gradient: T[c, o, c, 3, 2] = conv %x, %s window(1, 2; 2, 3) wide\n"
    "  %self: T[1] = conv %k, %k window(0; 0)\n"
    "  yield %plain, %padded, %strided, %dilated, %depth, %rows, %gradient, %self\n"
    "}\n";

static char *with_dtype(Arena *arena, const char *text, const char *dtype) {
  TextBuffer out = text_buffer(arena);
  for (const char *c = text; *c; c++) {
    if (*c == 'T') {
      text_add(&out, dtype);
    } else {
      text_add_range(&out, c, 1);
    }
  }
  return out.data;
}

static const int64_t odd_extents[][2] = {{7, 5}, {1, 17}, {0, 3}, {33, 1}, {17, 0}};

// Sums of f16 and bf16 are held in wider registers, those of the interpreter are rounded at every
// step.
static void all_dtypes(void **state) {
  (void)state;
  static const struct {
    const char *dtype;
    double tolerance;
  } rows[] = {{"f64", 1e-13}, {"f32", 1e-5}, {"f16", 0.05}, {"bf16", 0.3},
              {"i32", 0},     {"i64", 0},    {"u8", 0}};
  Arena *arena = arena_create();
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    check_text(with_dtype(arena, numbers_text, rows[i].dtype), odd_extents[i % 5],
               rows[i].tolerance);
  for (size_t i = 1; i < 5; i++)
    check_text(with_dtype(arena, numbers_text, "f32"), odd_extents[i], 1e-5);
  static const int64_t images[][5] = {
      {2, 7, 9, 5, 3}, {3, 5, 4, 1, 1}, {1, 9, 21, 9, 2}, {4, 6, 19, 3, 0}, {0, 5, 6, 2, 1}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    check_text(with_dtype(arena, convolutions_text, rows[i].dtype), images[i % 5],
               rows[i].tolerance);
  for (size_t i = 0; i < 5; i++)
    check_text(with_dtype(arena, convolutions_text, "f64"), images[i], 1e-13);
  arena_destroy(arena);
}

static char *read_text(Arena *arena, const char *name) {
  FILE *file = fopen(arena_printf(arena, "%s/tests/ir/%s", BLO_SOURCE_DIR, name), "rb");
  assert_non_null(file);
  TextBuffer out = text_buffer(arena);
  char part[4096];
  for (size_t n; (n = fread(part, 1, sizeof part, file)) > 0;) text_add_range(&out, part, n);
  fclose(file);
  return out.data;
}

static void programs_of_the_tree(void **state) {
  (void)state;
  static const char *const names[] = {"batch_sgd.ir",
                                      "conv_window.ir",
                                      "logistic_gradient.ir",
                                      "mlp_loss.ir",
                                      "ridge_cg.ir",
                                      "softmax_cross_entropy.ir",
                                      "tape.ir",
                                      "unrolled_gradient_descent.ir",
                                      "while_root.ir"};
  static const int64_t extents[] = {9, 17, 12, 5, 6, 4, 3, 2};
  Arena *arena = arena_create();
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    check_text(read_text(arena, names[i]), extents, 1e-9);
  arena_destroy(arena);
}

static void random_programs_of_loops_and_conditionals(void **state) {
  (void)state;
  run_programs(8000, 4, (const int64_t[]){5, 3, 4}, 7);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(all_dtypes),
      cmocka_unit_test(programs_of_the_tree),
      cmocka_unit_test(random_programs_of_odd_shapes),
      cmocka_unit_test(random_programs_longer_than_lanes),
      cmocka_unit_test(random_programs_of_extent_one),
      cmocka_unit_test(random_programs_without_entries),
      cmocka_unit_test(random_programs_of_loops_and_conditionals),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
