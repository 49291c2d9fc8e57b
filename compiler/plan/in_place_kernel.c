// In-place updates of one kernel, see in_place.h.
#include "plan/in_place.h"

#include "base/map.h"
#include "loop/kernel_builder.h"

#include <string.h>

// --- which loads there are
// ------------------------------------------------------------------------

// Loads of a buffer, apart from those at index `allowed` (equal indices are one object).
typedef struct LoadSearch {
  int buffer;
  const Expr *allowed; // NULL: none
  uint8_t *seen;       // by expression: searched with (1) or without (2) the allowed index
} LoadSearch;

static bool expr_loads(const LoadSearch *search, const Expr *e) {
  uint8_t bit = search->allowed ? 1 : 2;
  if (!e || (search->seen[e->id] & bit)) return false;
  search->seen[e->id] |= bit;
  if (e->kind == EXPRESSION_LOAD && e->buffer == search->buffer &&
      e->arguments[0] != search->allowed)
    return true;
  for (int i = 0; i < e->argument_count; i++)
    if (expr_loads(search, e->arguments[i])) return true;
  return false;
}

static bool statement_loads(const LoadSearch *search, const Stmt *s) {
  const Expr *parts[] = {s->low, s->high, s->value, s->condition, s->index};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    if (expr_loads(search, parts[i])) return true;
  return s->kind == STATEMENT_STORE && s->accumulate && s->buffer == search->buffer;
}

// Where the value is made: the first store to a buffer, and the statements that hold it.
typedef struct Making {
  const StmtList *list;
  const Stmt *store;
} Making;

// Does a statement outside the making read the buffer?
static bool read_elsewhere(LoadSearch *search, const Making *m, const StmtList *list) {
  bool inside = list == m->list;
  for (size_t i = 0; i < list->count; i++) {
    const Stmt *s = list->data[i];
    search->allowed = inside ? m->store->index : NULL;
    if (statement_loads(search, s)) return true;
    if (read_elsewhere(search, m, &s->body) || read_elsewhere(search, m, &s->otherwise))
      return true;
    if (s == m->store) inside = false;
  }
  return false;
}

static const Stmt *find_store(const StmtList *list, int buffer, const StmtList **holder) {
  for (size_t i = 0; i < list->count; i++) {
    const Stmt *s = list->data[i];
    if (s->kind == STATEMENT_STORE && s->buffer == buffer) {
      *holder = list;
      return s;
    }
    const Stmt *found = find_store(&s->body, buffer, holder);
    if (!found) found = find_store(&s->otherwise, buffer, holder);
    if (found) return found;
  }
  return NULL;
}

bool kernel_reads_where_it_writes(const Kernel *kernel, int read, int written) {
  Making m = {0};
  m.store = find_store(&kernel->body, written, &m.list);
  if (!m.store || m.store->accumulate) return false;
  Arena *scratch = arena_create(); // asked for every pair of buffers of every launch
  LoadSearch search = {.buffer = read,
                       .seen = ARENA_ARRAY(scratch, uint8_t, (size_t)kernel->expr_count + 1)};
  bool elsewhere = read_elsewhere(&search, &m, &kernel->body);
  arena_destroy(scratch);
  return !elsewhere;
}

// --- joining
// --------------------------------------------------------------------------------------

typedef struct Join {
  Arena *arena;
  int from, to;
  Map *copies; // Expr * -> its copy
} Join;

static int renumber(const Join *j, int buffer) {
  if (buffer == j->from) buffer = j->to;
  return buffer > j->from ? buffer - 1 : buffer;
}

static Expr *copy_expr(Join *j, Expr *e) {
  if (!e) return NULL;
  Expr *copy = map_get(j->copies, e);
  if (copy) return copy;
  copy = arena_copy(j->arena, e, sizeof *e);
  for (int i = 0; i < e->argument_count; i++) copy->arguments[i] = copy_expr(j, e->arguments[i]);
  if (e->kind == EXPRESSION_LOAD) copy->buffer = renumber(j, e->buffer);
  map_put(j->copies, e, copy);
  return copy;
}

static bool copies_itself(const Stmt *s) {
  return s->kind == STATEMENT_STORE && !s->accumulate && s->value->kind == EXPRESSION_LOAD &&
         s->value->buffer == s->buffer && s->value->arguments[0] == s->index;
}

static StmtList copy_list(Join *j, const StmtList *list) {
  StmtList copies = {0};
  for (size_t i = 0; i < list->count; i++) {
    const Stmt *s = list->data[i];
    Stmt *copy = arena_copy(j->arena, s, sizeof *s);
    copy->low = copy_expr(j, s->low);
    copy->high = copy_expr(j, s->high);
    copy->value = copy_expr(j, s->value);
    copy->condition = copy_expr(j, s->condition);
    copy->index = copy_expr(j, s->index);
    if (s->kind == STATEMENT_STORE) copy->buffer = renumber(j, s->buffer);
    copy->body = copy_list(j, &s->body);
    copy->otherwise = copy_list(j, &s->otherwise);
    bool empty = (s->kind == STATEMENT_FOR || s->kind == STATEMENT_IF) && !copy->body.count &&
                 !copy->otherwise.count;
    if (!empty && !copies_itself(copy)) VEC_PUSH(j->arena, &copies, copy);
  }
  return copies;
}

Kernel *kernel_join_buffers(const Kernel *kernel, int from, int to) {
  Arena *arena = kernel->module->arena;
  Join j = {arena, from, to, map_create(arena)};
  Kernel *copy = arena_copy(arena, kernel, sizeof *kernel);
  memset(&copy->buffers, 0, sizeof copy->buffers);
  for (int i = 0; i < (int)kernel->buffers.count; i++) {
    KernelBuffer buffer = kernel->buffers.data[i];
    if (i == to) {
      buffer.reads |= kernel->buffers.data[from].reads;
      buffer.writes |= kernel->buffers.data[from].writes;
    }
    if (i != from) VEC_PUSH(arena, &copy->buffers, buffer);
  }
  copy->body = copy_list(&j, &kernel->body);
  copy->hash = kernel_hash(arena, copy);
  return copy->body.count ? copy : NULL;
}
