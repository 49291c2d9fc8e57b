// Statements of the kernel builder and the structural hash, see kernel_builder.h.
#include "loop/kernel_builder_internal.h"

#include "ir/bug.h"

#include <string.h>

static Stmt *stmt_append(KernelBuilder *k, const Stmt *stmt) {
  Stmt *made = arena_copy(k->arena, stmt, sizeof *stmt);
  VEC_PUSH(k->arena, VEC_LAST(&k->open).list, made);
  return made;
}

static void body_open(KernelBuilder *k, Stmt *stmt, StmtList *list) {
  VEC_PUSH(k->arena, &k->open, ((OpenBody){.list = list, .stmt = stmt}));
}

Stmt *kernel_for_general(KernelBuilder *k, Axis *axis, Expr *low, Expr *high, int64_t step,
                         ForMode mode, int width, int unroll) {
  REQUIRE(step > 0 && (mode != FOR_VECTOR || step == 1), "loop step %lld", (long long)step);
  REQUIRE(mode != FOR_VECTOR || (width >= 1 && (width & (width - 1)) == 0 && unroll >= 1),
          "vector loop of %d lanes, unrolled %d times", width, unroll);
  Stmt *stmt = stmt_append(k, &(Stmt){.kind = STATEMENT_FOR,
                                      .axis = axis,
                                      .low = low,
                                      .high = high,
                                      .step = step,
                                      .mode = mode,
                                      .width = width,
                                      .unroll = unroll});
  body_open(k, stmt, &stmt->body);
  return stmt;
}

Axis *kernel_for(KernelBuilder *k, const char *name, Expr *high) {
  Axis *axis = kernel_axis(k, name);
  kernel_for_general(k, axis, expr_index(k, 0), high, 1, FOR_SERIAL, 0, 0);
  return axis;
}

Axis *kernel_for_vector(KernelBuilder *k, const char *name, Expr *high, int width, int unroll) {
  Axis *axis = kernel_axis(k, name);
  kernel_for_general(k, axis, expr_index(k, 0), high, 1, FOR_VECTOR, width, unroll);
  return axis;
}

Axis *kernel_for_unroll(KernelBuilder *k, const char *name, int64_t count) {
  Axis *axis = kernel_axis(k, name);
  kernel_for_general(k, axis, expr_index(k, 0), expr_index(k, count), 1, FOR_UNROLL, 0, 0);
  return axis;
}

void kernel_if(KernelBuilder *k, Expr *condition) {
  REQUIRE(condition->dtype == DT_BOOL, "condition of type %s", dtype_text(condition->dtype));
  Stmt *stmt = stmt_append(k, &(Stmt){.kind = STATEMENT_IF, .condition = condition});
  body_open(k, stmt, &stmt->body);
}

void kernel_else(KernelBuilder *k) {
  OpenBody *open = &VEC_LAST(&k->open);
  REQUIRE(open->stmt && open->stmt->kind == STATEMENT_IF && open->list == &open->stmt->body,
          "else without if");
  open->list = &open->stmt->otherwise;
}

void kernel_end(KernelBuilder *k) {
  REQUIRE(k->open.count > 1, "no open loop in kernel '%s'", k->kernel->name);
  k->open.count--;
}

static void kernel_declare_register(KernelBuilder *k, Register *reg, Expr *value) {
  REQUIRE(reg->dtype == value->dtype, "register of type %s declared with %s",
          dtype_text(reg->dtype), dtype_text(value->dtype));
  stmt_append(k, &(Stmt){.kind = STATEMENT_DECLARE, .reg = reg, .value = value});
}

Register *kernel_declare(KernelBuilder *k, Expr *value) {
  Register *reg = kernel_register(k, value->dtype);
  kernel_declare_register(k, reg, value);
  return reg;
}

void kernel_assign(KernelBuilder *k, Register *reg, Expr *value) {
  REQUIRE(reg->dtype == value->dtype, "register of type %s assigned %s", dtype_text(reg->dtype),
          dtype_text(value->dtype));
  stmt_append(k, &(Stmt){.kind = STATEMENT_ASSIGN, .reg = reg, .value = value});
}

void kernel_accumulate(KernelBuilder *k, Register *reg, Opcode op, Expr *value) {
  REQUIRE(reg->dtype == value->dtype, "register of type %s accumulates %s", dtype_text(reg->dtype),
          dtype_text(value->dtype));
  stmt_append(k, &(Stmt){.kind = STATEMENT_ACCUMULATE, .reg = reg, .op = op, .value = value});
}

void kernel_argmax(KernelBuilder *k, Register *best, Register *place, Expr *value, Expr *index) {
  REQUIRE(best->dtype == value->dtype && place->dtype == DT_I64 && index->dtype == DT_I64,
          "argmax of %s", dtype_text(value->dtype));
  stmt_append(k, &(Stmt){.kind = STATEMENT_ARGMAX,
                         .reg = best,
                         .reg_index = place,
                         .value = value,
                         .index = index});
}

static void append_store(KernelBuilder *k, int buffer, Expr *index, Expr *value, bool accumulate) {
  REQUIRE(index->dtype == DT_I64 && k->kernel->buffers.data[buffer].dtype == value->dtype,
          "store of %s to a buffer of %s", dtype_text(value->dtype),
          dtype_text(k->kernel->buffers.data[buffer].dtype));
  kernel_buffer_use(k, buffer, accumulate, true);
  stmt_append(k, &(Stmt){.kind = STATEMENT_STORE,
                         .buffer = buffer,
                         .index = index,
                         .value = value,
                         .accumulate = accumulate});
}

void kernel_store(KernelBuilder *k, int buffer, Expr *index, Expr *value) {
  append_store(k, buffer, index, value, false);
}

void kernel_store_add(KernelBuilder *k, int buffer, Expr *index, Expr *value) {
  append_store(k, buffer, index, value, true);
}

static void append_local_store(KernelBuilder *k, Local *local, Expr *index, Expr *value,
                               bool accumulate) {
  REQUIRE(index->dtype == DT_I64 && local->dtype == value->dtype, "store of %s to a local of %s",
          dtype_text(value->dtype), dtype_text(local->dtype));
  stmt_append(k, &(Stmt){.kind = STATEMENT_LOCAL_STORE,
                         .local = local,
                         .index = index,
                         .value = value,
                         .accumulate = accumulate});
}

void kernel_local_store(KernelBuilder *k, Local *local, Expr *index, Expr *value) {
  append_local_store(k, local, index, value, false);
}

void kernel_local_add(KernelBuilder *k, Local *local, Expr *index, Expr *value) {
  append_local_store(k, local, index, value, true);
}

void kernel_note(KernelBuilder *k, int number, Expr *condition) {
  REQUIRE(condition->dtype == DT_BOOL, "note on %s", dtype_text(condition->dtype));
  stmt_append(k, &(Stmt){.kind = STATEMENT_NOTE, .number = number, .value = condition});
}

Kernel *kernel_finish(KernelBuilder *k) {
  REQUIRE(k->open.count == 1, "kernel '%s' has open loops", k->kernel->name);
  k->kernel->hash = kernel_hash(k->arena, k->kernel);
  return k->kernel;
}

// ---------------------------------------------------------------- structural hash

// Things are numbered in the order in which a walk over the statements meets them, so two kernels
// built in different order but with the same statements agree.
typedef struct Hasher {
  Map *numbers; // thing -> number + 1
  size_t count;
  uint64_t hash;
} Hasher;

static void hash_word(Hasher *h, uint64_t word) {
  h->hash = hash_mix(h->hash, word);
}

/// Adds the number of a thing; true when it was met for the first time.
static bool hash_thing(Hasher *h, const void *thing) {
  if (!thing) return hash_word(h, 0), false;
  size_t number = (size_t)(uintptr_t)map_get(h->numbers, thing);
  bool fresh = number == 0;
  if (fresh) {
    number = ++h->count;
    map_put(h->numbers, thing, (void *)(uintptr_t)number);
  }
  hash_word(h, number);
  return fresh;
}

static void hash_local(Hasher *h, const Local *local) {
  if (!hash_thing(h, local) || !local) return;
  hash_word(h, (uint64_t)local->dtype);
  hash_word(h, (uint64_t)local->entries);
  hash_thing(h, local->lanes);
}

static void hash_expr(Hasher *h, const Expr *e) {
  if (!hash_thing(h, e) || !e) return;
  uint64_t bits;
  memcpy(&bits, &e->real, sizeof bits);
  hash_word(h,
            ((uint64_t)e->kind << 32) | ((uint64_t)e->dtype << 16) | (uint64_t)e->argument_count);
  hash_word(h, bits);
  hash_word(h, (uint64_t)e->integer);
  hash_word(h, (uint64_t)(uintptr_t)e->dim); // interned
  hash_word(h, ((uint64_t)e->number << 32) | (uint64_t)e->buffer);
  hash_word(h,
            ((uint64_t)e->opcode << 32) | ((uint64_t)e->compare << 16) | (uint64_t)e->random_kind);
  hash_thing(h, e->axis);
  hash_thing(h, e->reg);
  hash_local(h, e->local);
  for (int i = 0; i < e->argument_count; i++) hash_expr(h, e->arguments[i]);
}

static void hash_body(Hasher *h, const StmtList *body) {
  hash_word(h, body->count);
  for (size_t i = 0; i < body->count; i++) {
    const Stmt *s = body->data[i];
    hash_word(h, ((uint64_t)s->kind << 32) | ((uint64_t)s->mode << 16) | (uint64_t)s->reverse);
    hash_word(h, ((uint64_t)s->width << 32) | (uint64_t)s->unroll);
    hash_word(h, (uint64_t)s->step);
    hash_word(h, ((uint64_t)s->op << 32) | ((uint64_t)s->buffer << 1) | (uint64_t)s->accumulate);
    hash_word(h, (uint64_t)s->number);
    hash_thing(h, s->axis);
    hash_thing(h, s->reg);
    if (s->reg) hash_word(h, (uint64_t)s->reg->dtype);
    hash_thing(h, s->reg_index);
    hash_local(h, s->local);
    hash_expr(h, s->low);
    hash_expr(h, s->high);
    hash_expr(h, s->value);
    hash_expr(h, s->condition);
    hash_expr(h, s->index);
    hash_body(h, &s->body);
    hash_body(h, &s->otherwise);
  }
}

uint64_t kernel_hash(Arena *arena, const Kernel *kernel) {
  Hasher h = {.numbers = map_create(arena), .hash = hash_mix(7, kernel->buffers.count)};
  for (size_t i = 0; i < kernel->buffers.count; i++) {
    const KernelBuffer *b = &kernel->buffers.data[i];
    hash_word(&h, ((uint64_t)b->dtype << 2) | ((uint64_t)b->reads << 1) | (uint64_t)b->writes);
  }
  hash_word(&h, (uint64_t)kernel->scalar_count);
  hash_body(&h, &kernel->body);
  return h.hash;
}
