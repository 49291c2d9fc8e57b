// Lifetimes of workspace buffers and the slot table.
//
// A buffer lives from its first to its last use in preorder positions. Uses inside a loop count for
// the whole loop unless all uses of the buffer are inside it: then it is written anew in every
// trip. Buffers that exchange their memory (STEP_SWAP) live as one.
#include "plan/plan.h"

#include "ir/bug.h"
#include "loop/lower.h"
#include "plan/in_place.h"

typedef struct Scope { // a loop, or the whole schedule
  struct Scope *parent;
  int depth, first, last;
} Scope;

typedef struct Lifetime {
  Buffer *root; // representative of the buffers that swap with each other
  Scope *scope; // innermost scope that holds all uses; of the first walk
  int first, last;
} Lifetime;

typedef struct Planning {
  Arena *arena;
  Schedule *schedule;
  Lifetime *lifetimes; // by buffer id
  bool extend;         // second walk: extents; first walk: scopes
} Planning;

static Buffer *root_of(Planning *p, Buffer *buffer) {
  while (buffer->alias_of) buffer = buffer->alias_of;
  while (p->lifetimes[buffer->id].root != buffer) buffer = p->lifetimes[buffer->id].root;
  return buffer;
}

static Scope *common_scope(Scope *a, Scope *b) {
  while (a != b) {
    if (a->depth >= b->depth)
      a = a->parent;
    else
      b = b->parent;
  }
  return a;
}

static void use_buffer(Planning *p, Buffer *buffer, Scope *scope, int position) {
  if (!buffer) return;
  Lifetime *life = &p->lifetimes[root_of(p, buffer)->id];
  if (!p->extend) {
    life->scope = life->scope ? common_scope(life->scope, scope) : scope;
    return;
  }
  int first = position, last = position;
  for (Scope *s = scope; s->depth > life->scope->depth; s = s->parent) {
    first = s->first;
    last = s->last;
  }
  if (life->first < 0 || first < life->first) life->first = first;
  if (last > life->last) life->last = last;
}

static int last_position(const StepList *steps, int position) {
  for (size_t i = 0; i < steps->count; i++) {
    const Step *step = steps->data[i];
    position = step->position;
    position = last_position(&step->condition, position);
    position = last_position(&step->body, position);
    position = last_position(&step->otherwise, position);
  }
  return position;
}

static void walk(Planning *p, const StepList *steps, Scope *scope);

static void walk_loop(Planning *p, const Step *step, Scope *scope) {
  Scope *inner = ARENA_NEW(p->arena, Scope);
  *inner = (Scope){scope, scope->depth + 1, step->position, step->position};
  inner->last = last_position(&step->condition, inner->last);
  inner->last = last_position(&step->body, inner->last);
  Buffer *held[] = {step->count.buffer, step->has_condition ? step->flag.buffer : NULL,
                    step->has_trips ? step->trips.buffer : NULL};
  for (int i = 0; i < 3; i++) {
    use_buffer(p, held[i], scope, inner->first);
    use_buffer(p, held[i], scope, inner->last);
  }
  walk(p, &step->condition, inner);
  walk(p, &step->body, inner);
}

static void walk(Planning *p, const StepList *steps, Scope *scope) {
  for (size_t i = 0; i < steps->count; i++) {
    const Step *step = steps->data[i];
    for (size_t k = 0; k < step->buffers.count; k++)
      use_buffer(p, step->buffers.data[k].buffer, scope, step->position);
    if (step->kind == STEP_LOOP) walk_loop(p, step, scope);
    if (step->kind != STEP_IF) continue;
    use_buffer(p, step->flag.buffer, scope, step->position);
    walk(p, &step->body, scope);
    walk(p, &step->otherwise, scope);
  }
}

static void join_swapped(Planning *p, const StepList *steps) {
  for (size_t i = 0; i < steps->count; i++) {
    const Step *step = steps->data[i];
    if (step->kind == STEP_SWAP) {
      Buffer *a = root_of(p, step->buffers.data[0].buffer);
      Buffer *b = root_of(p, step->buffers.data[1].buffer);
      REQUIRE(a->entries == b->entries && a->dtype == b->dtype, "swap of unequal buffers");
      if (a != b) p->lifetimes[b->id].root = a;
    }
    join_swapped(p, &step->condition);
    join_swapped(p, &step->body);
    join_swapped(p, &step->otherwise);
  }
}

static void compute_lifetimes(Planning *p) {
  Schedule *schedule = p->schedule;
  Scope whole = {NULL, 0, 0, last_position(&schedule->steps, 0)};
  for (size_t i = 0; i < schedule->buffers.count; i++)
    p->lifetimes[i] = (Lifetime){schedule->buffers.data[i], NULL, -1, -1};
  join_swapped(p, &schedule->steps);
  walk(p, &schedule->steps, &whole);
  p->extend = true;
  walk(p, &schedule->steps, &whole);
}

Plan *plan_schedule(Schedule *schedule, const Name *atoms, size_t atom_count) {
  Arena *arena = schedule->module->arena;
  plan_in_place(schedule);
  schedule_number(schedule);
  size_t count = schedule->buffers.count;
  Planning p = {.arena = arena, .schedule = schedule};
  p.lifetimes = ARENA_ARRAY(arena, Lifetime, count + 1);
  compute_lifetimes(&p);
  Plan *plan = ARENA_NEW(arena, Plan);
  plan->slots = ARENA_ARRAY(arena, blo_buffer, count + 1);
  for (size_t i = 0; i < count; i++) {
    Buffer *buffer = schedule->buffers.data[i];
    const Lifetime *life = &p.lifetimes[root_of(&p, buffer)->id];
    buffer->first = life->first;
    buffer->last = life->last;
    buffer->slot = -1;
    if (buffer->kind != BUFFER_WORKSPACE || life->first < 0 || buffer->alias_of) continue;
    buffer->slot = (int)plan->slot_count;
    blo_buffer *slot = &plan->slots[plan->slot_count++];
    const Dim *bytes =
        dim_scale(schedule->module->dims, buffer->entries, (int64_t)dtype_bytes(buffer->dtype));
    slot->bytes.count = dim_compile(arena, bytes, atoms, atom_count, &slot->bytes.words);
    slot->first = life->first;
    slot->last = life->last;
  }
  for (size_t i = 0; i < count; i++) {
    Buffer *buffer = schedule->buffers.data[i], *base = buffer;
    while (base->alias_of) base = base->alias_of;
    buffer->slot = base->slot;
  }
  return plan;
}
