// The op-table walk through machine code: every op's examples, their first and second derivatives
// and their batches, in every real type, as made and optimised, one kernel per op and fused,
// against the interpreter.
#include "unit/op_examples.h"

#include "ir/read.h"
#include "ir/scalar.h"
#include "unit/compiled_function.h"

enum { ROADS = 2, FUNCTIONS = 8, TYPES = 4 };

typedef struct Precision {
  Dtype dtype;
  const char *text;
  // f64: rounding of some hundred operations. Narrow types: the interpreter rounds after each op
  // and sums in double, kernels sum in f32; second derivatives of cubes differ by tens of units.
  double tolerance;
} Precision;

static const Precision precisions[TYPES] = {
    {DT_F64, "f64", 1e-11}, {DT_F32, "f32", 2e-4}, {DT_F16, "f16", 0.3}, {DT_BF16, "bf16", 0.6}};

// --- one function on all roads
// --------------------------------------------------------------------

static bool has_custom(const Block *block) {
  for (const Op *op = block->first; op; op = op->next) {
    if (op->code == OP_CUSTOM) return true;
    for (int i = 0; i < op->region_count; i++)
      if (has_custom(op->regions[i])) return true;
  }
  return false;
}

static double difference(const Tensor *a, const Tensor *b) {
  double largest = 0, scale = 1;
  for (int64_t i = 0; b->reals && i < b->count; i++)
    if (isfinite(b->reals[i])) scale = fmax(scale, fabs(b->reals[i]));
  for (int64_t i = 0; i < a->count; i++) {
    double x = a->reals ? a->reals[i] : (double)a->integers[i];
    double y = b->reals ? b->reals[i] : (double)b->integers[i];
    if (x == y || (isnan(x) && isnan(y))) continue;
    double d = fabs(x - y) / scale;
    largest = isnan(d) ? INFINITY : fmax(largest, d);
  }
  return largest;
}

// Arguments are drawn for the example's inputs; further ones (cotangents, rows) in (-1, 1).
static Tensor **draw_all(Example *e, const Func *func) {
  Tensor **arguments = ARENA_ARRAY(e->arena, Tensor *, func->body->params.count + 1);
  for (size_t i = 0; i < func->body->params.count; i++) {
    const Type *type = func->body->params.data[i]->type;
    Input input = (int)i < e->count ? e->inputs[i] : (Input){type, -1, 1, INPUT_PLAIN};
    input.type = type;
    arguments[i] = draw_input(e, &input);
    for (int64_t k = 0; arguments[i]->reals && k < arguments[i]->count; k++)
      arguments[i]->reals[k] = scalar_round(type->dtype, arguments[i]->reals[k]);
  }
  return arguments;
}

static void check_compiled(Example *e, const char *what, Func *const *funcs, int count,
                           const Precision *precision) {
  Func *all[FUNCTIONS * ROADS];
  LowerOptions options[FUNCTIONS * ROADS];
  Compiled compiled[FUNCTIONS * ROADS];
  Tensor **arguments[FUNCTIONS], **expected[FUNCTIONS];
  for (int i = 0; i < count * ROADS; i++) {
    Func *func = funcs[i / ROADS];
    Value **outputs = ARENA_ARRAY(e->arena, Value *, func->body->yields.count + 1);
    all[i] = copy_func(e, func, "road", outputs);
    for (size_t k = 0; k < func->body->yields.count; k++)
      VEC_PUSH(e->module->arena, &all[i]->body->yields, outputs[k]);
    if (i % ROADS || has_custom(all[i]->body)) opt_func(all[i]);
    options[i] = (LowerOptions){.fuse = i % ROADS};
    if (i % ROADS) continue;
    arguments[i / ROADS] = draw_all(e, func);
    Interpretation run = {.arena = e->arena, .dim_value = named_extent, .round = true};
    expected[i / ROADS] = ARENA_ARRAY(e->arena, Tensor *, func->body->yields.count + 1);
    if (!ir_interpret(&run, func, arguments[i / ROADS], expected[i / ROADS]))
      fail_msg("%s: %s", what, run.error);
  }
  verify_module(e);
  module_register_checks(e->module);
  compile_functions(e->arena, all, options, (size_t)(count * ROADS), NULL, 0, true, compiled);
  for (int i = 0; i < count * ROADS; i++) {
    size_t results = all[i]->body->yields.count;
    Tensor **found = ARENA_ARRAY(e->arena, Tensor *, results + 1);
    int64_t *notes = ARENA_ARRAY(e->arena, int64_t, e->module->notes.count + 1);
    run_compiled(&compiled[i], e->arena, arguments[i / ROADS], found, notes);
    for (size_t k = 0; k < results; k++) {
      double error = difference(found[k], expected[i / ROADS][k]);
      if (error <= precision->tolerance) continue;
      TextBuffer text = text_buffer(e->arena);
      ir_print_func(&text, funcs[i / ROADS]);
      fail_msg("%s, %s, function %d, result %d, %s: %g\n%s", what, precision->text, i / ROADS,
               (int)k, i % ROADS ? "optimised and fused" : "as made", error, text_string(&text));
    }
  }
  emit_code_destroy(compiled[0].code);
}

// --- other precisions
// -----------------------------------------------------------------------------

// The same functions with f64 replaced in their text.
static bool read_again(Example *e, Compilation *compilation, Func *const *funcs, int count,
                       const char *dtype, Func **again) {
  TextBuffer text = text_buffer(compilation->arena), out = text_buffer(compilation->arena);
  for (int i = 0; i < count; i++) ir_print_func(&text, funcs[i]);
  for (const char *c = text_string(&text); *c; c++) {
    bool found = !strncmp(c, "f64", 3);
    if (found)
      text_add(&out, dtype), c += 2;
    else
      text_add_range(&out, c, 1);
  }
  const char *all = text_string(&out);
  uint32_t source = sources_add(compilation->sources, "again.ir", all, strlen(all), false);
  Module *module = ir_read(compilation, source);
  if (!module) return false; // an op that has only f64
  for (int i = 0; i < count; i++) again[i] = module->funcs.data[i];
  e->module = module;
  e->arena = compilation->arena;
  return true;
}

// Conversions between the types of the text say something else when one is replaced.
static bool is_convertible(Opcode code) {
  return code != OP_CONVERT && code != OP_RANDOM;
}

static int variants, narrow_variants;

static void check_variant(Opcode code, int variant, Example *e) {
  char what[100];
  snprintf(what, sizeof what, "%s, variant %d", op_table[code].text, variant);
  Func *funcs[FUNCTIONS];
  int count = 0;
  funcs[count++] = e->func;
  funcs[count++] = derive_reverse(e, e->func);
  funcs[count++] = derive_forward(e, funcs[1], MODE_LINEARISE);
  if (!e->plain_batch && op_table[code].group != GROUP_ELEMENTWISE) {
    funcs[count++] = derive_batch(e, e->func, (1u << e->count) - 1);
    funcs[count++] = derive_batch(e, e->func, 1);
  }
  for (int t = 1; t < TYPES && is_convertible(code); t++) {
    Example other = *e;
    Compilation *compilation = compilation_create((SourceLoader){0});
    Func *again[FUNCTIONS];
    // Second derivatives in 16 bits are mostly rounding.
    int kept = t == 1 ? count : 2;
    if (read_again(&other, compilation, funcs, kept, precisions[t].text, again))
      check_compiled(&other, what, again, kept, &precisions[t]), narrow_variants++;
    compilation_destroy(compilation);
  }
  check_compiled(e, what, funcs, count, &precisions[0]);
}

static void test_every_op_compiled(void **state) {
  (void)state;
  for (int code = 0; code < OP_COUNT; code++) {
    if (!makers[code]) fail_msg("no examples for the op '%s'", op_table[code].text);
    for (int variant = 0;; variant++) {
      Example e = example_create();
      bool made = makers[code](&e, (Opcode)code, variant);
      if (made && e.count) check_variant((Opcode)code, variant, &e), variants++;
      example_destroy(&e);
      if (!made) break;
    }
  }
  printf("%d examples, and %d times in a narrower type\n", variants, narrow_variants);
  assert_true(narrow_variants > 3 * variants / 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_op_compiled)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
