// Random programs: the modes of differentiation agree, optimisation keeps values, batches are rows.
//
// BLO_SEED, BLO_COUNT and BLO_OPS choose others. Programs have kinks, so differences are not the
// reference here: forward mode, linearised mode and reverse mode are compared with each other, for
// the first derivative and for that of the reverse one.
#include "unit/diff_check.h"
#include "unit/program_generator.h"

#include <stdlib.h>

static uint64_t setting(const char *name, uint64_t otherwise) {
  const char *text = getenv(name);
  return text ? strtoull(text, NULL, 10) : otherwise;
}

static Example random_example(uint64_t seed) {
  Example e = example_create();
  const Dim *dims[GENERATOR_DIMS];
  // Every other program has free dims of the same extents.
  for (int i = 0; i < GENERATOR_DIMS; i++)
    dims[i] = seed & 1 ? dim_name(e.module->dims, intern_printf(e.module->names, "%c", 'a' + i))
                       : dim_const(e.module->dims, 2 + i);
  e.func = generate_program(e.module, seed, dims, (GeneratorOptions){.ops = (int)setting("BLO_OPS", 14)});
  e.seed = seed;
  for (size_t i = 0; i < e.func->body->params.count; i++)
    e.inputs[e.count++] = (Input){e.func->body->params.data[i]->type, -1, 1, INPUT_PLAIN};
  verify_module(&e);
  return e;
}

static bool draws(const Block *block) {
  for (const Op *op = block->first; op; op = op->next) {
    if (op->code == OP_RANDOM) return true;
    for (int i = 0; i < op->region_count; i++)
      if (draws(op->regions[i])) return true;
  }
  return false;
}

// Tangents of both forward modes, optimised.
static void check_forward_modes(Example *e, const char *what, Func *func,
                                Tensor *const *arguments) {
  int count = (int)func->body->params.count;
  Tensor *directions[MAX_INPUTS];
  int floats = draw_directions(e, arguments, count, directions);
  Tensor **all = append(e, arguments, count, directions, floats);
  Func *fused = derive_forward(e, func, MODE_JVP), *split = derive_forward(e, func, MODE_LINEARISE);
  size_t results = fused->body->yields.count;
  Tensor **a = run_optimised(e, fused, all), **b = run_optimised(e, split, all);
  for (size_t i = 0; i < results; i++) compare(what, b[i], a[i], 1e-9);
}

static void check_seed(uint64_t seed) {
  Example e = random_example(seed);
  char what[100];
  snprintf(what, sizeof what, "program %llu", (unsigned long long)seed);
  Tensor *arguments[MAX_INPUTS];
  draw_arguments(&e, arguments);
  check_forward_modes(&e, what, e.func, arguments);
  check_reverse(&e, what, e.func, arguments);
  Func *reverse = derive_reverse(&e, e.func);
  Tensor **more = with_cotangents(&e, e.func, arguments);
  check_forward_modes(&e, what, reverse, more);
  check_reverse(&e, what, reverse, more);
  if (!draws(e.func->body)) check_batches(&e, what, e.func);
  run_optimised(&e, e.func, arguments);
  example_destroy(&e);
}

static void test_random_programs(void **state) {
  (void)state;
  uint64_t first = setting("BLO_SEED", 1), seeds = setting("BLO_COUNT", 60);
  for (uint64_t seed = first; seed < first + seeds; seed++) check_seed(seed);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_random_programs),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
