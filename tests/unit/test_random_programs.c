// Random programs, by the thousand: all roads to a value give the same value.
//
//   test_random_programs                      what the test suite runs
//   test_random_programs COUNT [FIRST [EVERY]]  COUNT programs from seed FIRST on; every EVERY-th
//                                             group of eight is compiled (default 32, 0: none)
//
// The interpreter on the program as it is made is the reference. Against it: bodies looped over
// instead of batched; the optimised program; machine code for the program as it is and optimised,
// one kernel per op and fused, through LLVM's passes and without any; forward and reverse
// derivatives against each other and, where the program is smooth, against differences.
#include "unit/diff_check.h"

#include "unit/compiled_function.h"
#include "unit/program_generator.h"

#include <stdlib.h>
#include <time.h>

enum { GROUP = 8, ROADS = 4, EXTENTS = 6 };

// A few operations on values of order one, sums of at most some hundred entries: 1e-11 is a
// thousand times what rounding makes of them.
#define TOLERANCE 1e-11
// Central differences with step 1e-5: 1e-10 of truncation, 1e-11 of cancellation; the functions'
// third derivatives may be some hundreds.
#define DIFFERENCE 2e-6

static uint64_t count = 2000, first = 1, compile_every;
static bool compile_all = true; // every program by one road, every 32nd group by all

static uint64_t programs, compiled_functions, differences, skipped;

// Extents of at least 2 may be names: diff_check.h knows 'a' as 2, 'b' as 3, ...
static const int64_t extents[EXTENTS][GENERATOR_DIMS] = {{7, 5, 3}, {2, 3, 4},  {5, 3, 4},
                                                         {1, 4, 2}, {17, 3, 9}, {3, 0, 2}};

typedef struct Case {
  uint64_t seed;
  Func *func, *optimised;
  Tensor **arguments, **expected;
} Case;

static GeneratorOptions options_of(uint64_t seed) {
  return (GeneratorOptions){
      .ops = 1 + (int)(seed % 5), .control = seed % 3 == 0, .smooth = seed % 2};
}

static Func *make_program(Example *e, uint64_t seed, bool maps_as_loops) {
  const int64_t *shape = extents[seed / GROUP % EXTENTS];
  const Dim *dims[GENERATOR_DIMS];
  bool named = seed / GROUP / EXTENTS % 2;
  for (int i = 0; i < GENERATOR_DIMS; i++) {
    Name name = intern_printf(e->module->names, "%c", (char)('a' + shape[i] - 2));
    dims[i] = named && shape[i] >= 2 ? dim_name(e->module->dims, name)
                                     : dim_const(e->module->dims, shape[i]);
  }
  GeneratorOptions options = options_of(seed);
  options.maps_as_loops = maps_as_loops;
  return generate_program(e->module, seed, dims, options);
}

static void fail_program(Case *c, const char *what, double found, double expected) {
  Arena *arena = arena_create();
  TextBuffer text = text_buffer(arena);
  ir_print_func(&text, c->func);
  fputs(text_string(&text), stderr);
  fail_msg("program %llu: %s: %.15g instead of %.15g", (unsigned long long)c->seed, what, found,
           expected);
}

// Relative to the largest entry; equal infinities and NaNs count as equal.
static void compare_all(Case *c, const char *what, Tensor *const *found, Tensor *const *expected,
                        size_t results, double tolerance) {
  for (size_t i = 0; i < results; i++) {
    assert_int_equal(found[i]->count, expected[i]->count);
    for (int64_t k = 0; k < found[i]->count; k++) {
      double a = found[i]->reals[k], b = expected[i]->reals[k];
      if (a == b || (isnan(a) && isnan(b))) continue;
      if (!(fabs(a - b) <= tolerance * fmax(1, fabs(b)))) fail_program(c, what, a, b);
    }
  }
}

static bool all_finite(Tensor *const *values, size_t results) {
  for (size_t i = 0; i < results; i++)
    for (int64_t k = 0; k < values[i]->count; k++)
      if (!isfinite(values[i]->reals[k])) return false;
  return true;
}

static Tensor **interpret_program(Example *e, Case *c, Func *func) {
  Interpretation run = {.arena = e->arena, .dim_value = named_extent};
  Tensor **results = ARENA_ARRAY(e->arena, Tensor *, func->body->yields.count + 1);
  if (!ir_interpret(&run, func, c->arguments, results))
    fail_msg("program %llu: %s", (unsigned long long)c->seed, run.error);
  return results;
}

static Func *copy_of(Example *e, Func *func) {
  size_t results = func->body->yields.count;
  Value **outputs = ARENA_ARRAY(e->arena, Value *, results + 1);
  Func *copy = copy_func(e, func, "copy", outputs);
  for (size_t i = 0; i < results; i++) {
    VEC_PUSH(e->module->arena, &copy->body->yields, outputs[i]);
    VEC_PUSH(e->module->arena, &copy->result_names, NULL);
  }
  return copy;
}

static Case make_case(Example *e, uint64_t seed) {
  Case c = {.seed = seed, .func = make_program(e, seed, false)};
  e->func = c.func;
  e->count = 0;
  e->seed = seed;
  for (size_t i = 0; i < c.func->body->params.count; i++)
    e->inputs[e->count++] = (Input){c.func->body->params.data[i]->type, -1, 1, INPUT_PLAIN};
  c.arguments = ARENA_ARRAY(e->arena, Tensor *, MAX_INPUTS);
  draw_arguments(e, c.arguments);
  verify_module(e);
  c.expected = interpret_program(e, &c, c.func);
  return c;
}

static void check_interpreted(Example *e, Case *c) {
  size_t results = c->func->body->yields.count;
  compare_all(c, "bodies looped over", interpret_program(e, c, make_program(e, c->seed, true)),
              c->expected, results, TOLERANCE);
  c->optimised = copy_of(e, c->func);
  opt_func(c->optimised);
  verify_module(e);
  compare_all(c, "optimised", interpret_program(e, c, c->optimised), c->expected, results,
              TOLERANCE);
}

// Derivatives may be large where the function is nearly singular; then differences say nothing.
static bool moderate(Tensor *const *values, size_t results) {
  for (size_t i = 0; i < results; i++)
    for (int64_t k = 0; k < values[i]->count; k++)
      if (!(fabs(values[i]->reals[k]) < 1e3)) return false;
  return true;
}

static Tensor **difference_quotients(Example *e, Case *c, Tensor *const *directions, double step) {
  size_t results = c->func->body->yields.count;
  Case plus = *c, minus = *c;
  plus.arguments = ARENA_ARRAY(e->arena, Tensor *, MAX_INPUTS);
  minus.arguments = ARENA_ARRAY(e->arena, Tensor *, MAX_INPUTS);
  for (int i = 0; i < e->count; i++) {
    plus.arguments[i] = moved(e, c->arguments[i], directions[i], step);
    minus.arguments[i] = moved(e, c->arguments[i], directions[i], -step);
  }
  Tensor **above = interpret_program(e, &plus, c->func);
  Tensor **below = interpret_program(e, &minus, c->func);
  Tensor **quotients = ARENA_ARRAY(e->arena, Tensor *, results + 1);
  for (size_t i = 0; i < results; i++) {
    quotients[i] = moved(e, above[i], below[i], -1);
    for (int64_t k = 0; k < quotients[i]->count; k++) quotients[i]->reals[k] /= 2 * step;
  }
  return quotients;
}

// Where the quotients of two steps differ, the function bends: that much is allowed on top.
static void check_differences(Example *e, Case *c, Tensor *const *directions,
                              Tensor *const *tangents) {
  size_t results = c->func->body->yields.count;
  Tensor **fine = difference_quotients(e, c, directions, 1e-5);
  Tensor **coarse = difference_quotients(e, c, directions, 2e-5);
  for (size_t i = 0; i < results; i++)
    for (int64_t k = 0; k < fine[i]->count; k++) {
      double d = fine[i]->reals[k], bend = fabs(d - coarse[i]->reals[k]), t = tangents[i]->reals[k];
      if (!(fabs(t - d) <= DIFFERENCE * fmax(1, fabs(d)) + bend))
        fail_program(c, "tangent against difference", t, d);
    }
  differences++;
}

static void check_derived(Example *e, Case *c) {
  if (!all_finite(c->expected, c->func->body->yields.count)) {
    skipped++;
    return;
  }
  Tensor *directions[MAX_INPUTS], *cotangents[MAX_INPUTS];
  size_t results = c->func->body->yields.count;
  int floats = draw_directions(e, c->arguments, e->count, directions);
  Func *forward = derive_forward(e, c->func, c->seed / 2 % 2 ? MODE_JVP : MODE_LINEARISE);
  Func *reverse = derive_reverse(e, c->func);
  Case derived = *c;
  derived.arguments = append(e, c->arguments, e->count, directions, floats);
  Tensor **tangents = interpret_program(e, &derived, forward);
  for (size_t i = 0; i < results; i++) cotangents[i] = like(e, tangents[i], 1);
  opt_func(reverse);
  derived.arguments = append(e, c->arguments, e->count, cotangents, (int)results);
  Tensor **gradients = interpret_program(e, &derived, reverse);
  if (!moderate(tangents, results) || !moderate(gradients, (size_t)floats)) {
    skipped++;
    return;
  }
  double left = inner(cotangents, tangents, results);
  double right = inner(gradients, directions, (size_t)floats);
  if (!(fabs(left - right) <= 1e-9 * fmax(1, fmax(fabs(left), fabs(right)))))
    fail_program(c, "reverse against forward", right, left);
  if (options_of(c->seed).smooth) check_differences(e, c, directions, tangents);
}

// --- machine code -------------------------------------------------------------------------------

static void collect_dims(Example *e, Case *cases, int number, DimValue *dims, size_t *dim_count) {
  NameList names = {0};
  for (int i = 0; i < number; i++) func_dim_names(e->arena, cases[i].func, &names);
  for (size_t i = 0; i < names.count; i++) {
    size_t k = 0;
    while (k < *dim_count && strcmp(dims[k].name, names.data[i]) != 0) k++;
    if (k < *dim_count) continue;
    dims[*dim_count] = (DimValue){.name = names.data[i]};
    named_extent(NULL, names.data[i], &dims[(*dim_count)++].value);
  }
}

typedef struct Road { // to machine code
  const char *text;
  bool optimised, fuse;
} Road;

static const Road roads[ROADS] = {{"compiled as made, a kernel each", false, false},
                                  {"compiled as made, fused", false, true},
                                  {"compiled, optimised, a kernel each", true, false},
                                  {"compiled, optimised, fused", true, true}};

// Every program by `each` roads, the first of them by turns; `plain`: without LLVM's passes.
static void check_compiled(Example *e, Case *cases, int number, int each, bool plain) {
  Func *funcs[GROUP * ROADS];
  LowerOptions options[GROUP * ROADS];
  Compiled compiled[GROUP * ROADS];
  const Road *taken[GROUP * ROADS];
  DimValue dims[2 * GENERATOR_DIMS];
  size_t dim_count = 0;
  collect_dims(e, cases, number, dims, &dim_count);
  for (int i = 0; i < number * each; i++) {
    Case *c = &cases[i / each];
    taken[i] = &roads[(c->seed + (uint64_t)(i % each)) % ROADS];
    funcs[i] = copy_of(e, taken[i]->optimised ? c->optimised : c->func);
    options[i] = (LowerOptions){.fuse = taken[i]->fuse};
  }
  compile_functions(e->arena, funcs, options, (size_t)(number * each), dims, dim_count, plain,
                    compiled);
  for (int i = 0; i < number * each; i++) {
    Case *c = &cases[i / each];
    size_t results = c->func->body->yields.count;
    Tensor **found = ARENA_ARRAY(e->arena, Tensor *, results + 1);
    int64_t *notes = ARENA_ARRAY(e->arena, int64_t, e->module->notes.count + 1);
    run_compiled(&compiled[i], e->arena, c->arguments, found, notes);
    compare_all(c, taken[i]->text, found, c->expected, results, TOLERANCE);
  }
  emit_code_destroy(compiled[0].code);
  compiled_functions += (uint64_t)(number * each);
}

// The programs of one group have the same dims and share a module.
static void check_group(uint64_t group) {
  Example e = example_create();
  Case cases[GROUP];
  int number = 0;
  for (uint64_t seed = group * GROUP; seed < (group + 1) * GROUP; seed++) {
    if (seed < first || seed >= first + count) continue;
    Case *c = &cases[number++];
    *c = make_case(&e, seed);
    check_interpreted(&e, c);
    check_derived(&e, c);
    programs++;
  }
  bool thorough = compile_all ? group % 32 == 0 : compile_every && group % compile_every == 0;
  if (compile_all && !thorough) check_compiled(&e, cases, number, 1, group % 8 != 0);
  for (int plain = 0; thorough && plain < 2; plain++)
    check_compiled(&e, cases, number, ROADS, plain);
  example_destroy(&e);
}

static void random_programs(void **state) {
  (void)state;
  time_t last = time(NULL);
  for (uint64_t group = first / GROUP; group * GROUP < first + count; group++) {
    check_group(group);
    if (time(NULL) - last < 60) continue;
    last = time(NULL);
    fprintf(stderr, "%llu programs\n", (unsigned long long)programs);
  }
  printf("%llu programs, %llu functions compiled, %llu derivatives compared with differences, %llu "
         "too large to differentiate\n",
         (unsigned long long)programs, (unsigned long long)compiled_functions,
         (unsigned long long)differences, (unsigned long long)skipped);
}

int main(int argument_count, char **arguments) {
  const char *fewer = getenv("BLO_TEST_PROGRAMS");
  if (fewer) count = strtoull(fewer, NULL, 10);
  if (argument_count > 1) {
    count = strtoull(arguments[1], NULL, 10);
    compile_all = false;
    compile_every = 32;
  }
  if (argument_count > 2) first = strtoull(arguments[2], NULL, 10);
  if (argument_count > 3) compile_every = strtoull(arguments[3], NULL, 10);
  const struct CMUnitTest tests[] = {cmocka_unit_test(random_programs)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
