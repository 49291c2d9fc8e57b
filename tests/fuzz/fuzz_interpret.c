// Any text that reads as IR through the interpreter, with dims of 0, 1 and 3, and through the
// builder: a copy made by ir_inline, which folds and shares, must verify and give the same values.
#include "driver.h"

#include "ir/builder.h"
#include "ir/passes.h"
#include <stdio.h>
#include <stdlib.h>

const char *const fuzz_words[] = {
    "%x",   "f64", "[n]",     "n/2",     "-1",   "0",    "1",    "9223372036854775807",
    "bool", "i64", "reverse", "axes(0)", "[o0]", "2*o0", "-o0 ", NULL};

enum { ENTRY_LIMIT = 4096, OP_LIMIT = 2000 };

static bool small_dim(void *self, Name name, int64_t *value) {
  (void)self;
  *value = name[0] == 'n' ? 0 : name[0] == 'd' ? 1 : 3;
  return true;
}

static Tensor *argument(Arena *arena, const Type *type) {
  int64_t shape[MAX_RANK], count = 1;
  for (int i = 0; i < type->rank; i++) {
    if (!dim_evaluate(type->shape[i], small_dim, NULL, &shape[i])) return NULL;
    if (shape[i] < 0 || shape[i] > ENTRY_LIMIT || (count *= shape[i]) > ENTRY_LIMIT) return NULL;
  }
  Tensor *x = tensor_create(arena, type->dtype, type->rank, shape);
  for (int64_t i = 0; i < x->count; i++) {
    if (x->reals) {
      x->reals[i] = 0.5 + (double)i;
    } else {
      x->integers[i] = type->dtype == DT_BOOL ? i & 1 : i;
    }
  }
  return x;
}

static Func *copy_of(Arena *arena, Interner *names, const Func *func) {
  size_t params = func->body->params.count, yields = func->body->yields.count;
  Func *copy = func_create(func->module, intern(names, "the copy"));
  Value **arguments = ARENA_ARRAY(arena, Value *, params + 1);
  Value **results = ARENA_ARRAY(arena, Value *, yields + 1);
  for (size_t i = 0; i < params; i++)
    arguments[i] = block_add_param(copy->body, func->body->params.data[i]->type, NULL);
  Builder b = builder_at(copy->body);
  ir_inline(&b, func->body, arguments, func->body->yields.data, (int)yields, results);
  for (size_t i = 0; i < yields; i++) VEC_PUSH(arena, &copy->body->yields, results[i]);
  return copy;
}

static bool same_entry(const Tensor *a, const Tensor *b, int64_t i) {
  if (!a->reals) return a->integers[i] == b->integers[i];
  bool both_nan = a->reals[i] != a->reals[i] && b->reals[i] != b->reals[i];
  return both_nan || a->reals[i] == b->reals[i];
}

static void stop(Arena *arena, const Module *module, const char *what) {
  TextBuffer out = text_buffer(arena);
  ir_print(&out, module);
  fprintf(stderr, "%s\n%s\n", text_string(&out), what);
  abort();
}

static void try_func(Arena *arena, Interner *names, Func *func, bool round) {
  size_t params = func->body->params.count, yields = func->body->yields.count;
  Tensor **arguments = ARENA_ARRAY(arena, Tensor *, params + 1);
  Tensor **first = ARENA_ARRAY(arena, Tensor *, yields + 1);
  Tensor **second = ARENA_ARRAY(arena, Tensor *, yields + 1);
  Func *copy = copy_of(arena, names, func);
  const char *message = ir_verify(arena, func->module);
  if (message) stop(arena, func->module, message);
  for (size_t i = 0; i < params; i++)
    if (!(arguments[i] = argument(arena, func->body->params.data[i]->type))) return;
  Interpretation run = {.arena = arena,
                        .dim_value = small_dim,
                        .round = round,
                        .op_limit = OP_LIMIT,
                        .entry_limit = ENTRY_LIMIT};
  Interpretation again = run;
  again.op_limit = 0; // it does less, never more; but both may stop only where the first did
  if (!ir_interpret(&run, func, arguments, first)) return;
  if (!ir_interpret(&again, copy, arguments, second)) stop(arena, func->module, again.error);
  for (size_t i = 0; i < yields; i++)
    for (int64_t k = 0; k < first[i]->count; k++)
      if (!same_entry(first[i], second[i], k)) stop(arena, func->module, "the copy differs");
}

void fuzz_one(const uint8_t *data, size_t size) {
  Compilation *compilation = compilation_create((SourceLoader){0});
  uint32_t source = sources_add(compilation->sources, "fuzz.ir", (const char *)data, size, false);
  Module *module = ir_read(compilation, source);
  if (module && module->funcs.count)
    try_func(compilation->arena, compilation->names, module->funcs.data[0], size % 2);
  compilation_destroy(compilation);
}
