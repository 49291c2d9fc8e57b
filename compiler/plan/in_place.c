// In-place updates of a schedule, see in_place.h.
#include "plan/in_place.h"

typedef struct Pass {
  Schedule *schedule;
  Arena *arena;
} Pass;

// --- uses of a buffer
// -----------------------------------------------------------------------------

static bool list_uses(const StepList *steps, const Buffer *buffer);

static bool step_uses(const Step *step, const Buffer *buffer) {
  for (size_t i = 0; i < step->buffers.count; i++)
    if (step->buffers.data[i].buffer == buffer) return true;
  return step->count.buffer == buffer || step->flag.buffer == buffer ||
         step->trips.buffer == buffer || list_uses(&step->condition, buffer) ||
         list_uses(&step->body, buffer) || list_uses(&step->otherwise, buffer);
}

static bool list_uses(const StepList *steps, const Buffer *buffer) {
  for (size_t i = 0; i < steps->count; i++)
    if (step_uses(steps->data[i], buffer)) return true;
  return false;
}

static int count_uses(const StepList *steps, const Buffer *buffer) {
  int count = 0;
  for (size_t i = 0; i < steps->count; i++) {
    const Step *step = steps->data[i];
    for (size_t k = 0; k < step->buffers.count; k++)
      count += step->buffers.data[k].buffer == buffer;
    count += (step->count.buffer == buffer) + (step->flag.buffer == buffer) +
             (step->trips.buffer == buffer);
    count += count_uses(&step->condition, buffer) + count_uses(&step->body, buffer) +
             count_uses(&step->otherwise, buffer);
  }
  return count;
}

static void replace_in_list(StepList *steps, Buffer *from, Buffer *to) {
  for (size_t i = 0; i < steps->count; i++) {
    Step *step = steps->data[i];
    for (size_t k = 0; k < step->buffers.count; k++)
      if (step->buffers.data[k].buffer == from) step->buffers.data[k].buffer = to;
    if (step->count.buffer == from) step->count.buffer = to;
    if (step->flag.buffer == from) step->flag.buffer = to;
    if (step->trips.buffer == from) step->trips.buffer = to;
    replace_in_list(&step->condition, from, to);
    replace_in_list(&step->body, from, to);
    replace_in_list(&step->otherwise, from, to);
  }
}

static void remove_step(StepList *steps, size_t at) {
  for (size_t i = at + 1; i < steps->count; i++) steps->data[i - 1] = steps->data[i];
  steps->count--;
}

// --- one take-over
// --------------------------------------------------------------------------------

static int parameter_of(const Step *step, const Buffer *buffer) {
  for (size_t i = 0; i < step->buffers.count; i++)
    if (step->buffers.data[i].buffer == buffer) return (int)i;
  return -1;
}

static bool same_size(const Buffer *a, const Buffer *b) {
  return a->kind == BUFFER_WORKSPACE && b->kind == BUFFER_WORKSPACE && a->dtype == b->dtype &&
         a->entries == b->entries;
}

// The first step of a list that uses a buffer, if that is a launch that writes it; -1 else.
static int first_writer(const StepList *steps, const Buffer *buffer) {
  for (size_t i = 0; i < steps->count; i++) {
    const Step *step = steps->data[i];
    if (!step_uses(step, buffer)) continue;
    int parameter = step->kind == STEP_LAUNCH ? parameter_of(step, buffer) : -1;
    if (parameter < 0 || !step->kernel->buffers.data[parameter].writes) return -1;
    return (int)i;
  }
  return -1;
}

// `fresh` takes over `old` in launch `at`: the parameters become one, in all steps of the list.
static void take_over(StepList *steps, size_t at, Buffer *old, Buffer *fresh) {
  Step *step = steps->data[at];
  int from = parameter_of(step, fresh), to = parameter_of(step, old);
  Kernel *kernel = kernel_join_buffers(step->kernel, from, to);
  for (size_t i = (size_t)from + 1; i < step->buffers.count; i++)
    step->buffers.data[i - 1] = step->buffers.data[i];
  step->buffers.count--;
  step->kernel = kernel;
  if (!kernel) remove_step(steps, at);
  replace_in_list(steps, fresh, old);
}

static bool launch_allows(const Step *step, const Buffer *old, const Buffer *fresh) {
  int read = parameter_of(step, old), written = parameter_of(step, fresh);
  if (read < 0 || written < 0 || step->buffers.data[read].counter >= 0) return false;
  if (step->kernel->buffers.data[read].writes) return false;
  return kernel_reads_where_it_writes(step->kernel, read, written);
}

static bool used_behind(const StepList *steps, size_t at, const Buffer *buffer) {
  for (size_t i = at + 1; i < steps->count; i++)
    if (steps->data[i]->kind != STEP_SWAP && step_uses(steps->data[i], buffer)) return true;
  return false;
}

// Carries: swap(old, next) at the end of a body, where next is made in the body only.
static void carry_in_place(Pass *p, StepList *body) {
  for (size_t i = 0; i < body->count; i++) {
    const Step *swap = body->data[i];
    if (swap->kind != STEP_SWAP) continue;
    Buffer *old = swap->buffers.data[0].buffer, *next = swap->buffers.data[1].buffer;
    int at = first_writer(body, next);
    if (at < 0 || !same_size(old, next) || !launch_allows(body->data[at], old, next)) continue;
    if (used_behind(body, (size_t)at, old)) continue;
    if (count_uses(&p->schedule->steps, next) != count_uses(body, next)) continue;
    remove_step(body, i);
    take_over(body, (size_t)at, old, next);
    i = (size_t)-1; // positions changed
  }
}

static bool is_swapped(const StepList *steps, const Buffer *buffer) {
  for (size_t i = 0; i < steps->count; i++) {
    const Step *step = steps->data[i];
    if (step->kind == STEP_SWAP && step_uses(step, buffer)) return true;
  }
  return false;
}

// Values of one list: `fresh` is first written where `old`, made earlier in the same list, is last
// used.
static bool value_in_place(Pass *p, StepList *steps, size_t at) {
  const Step *step = steps->data[at];
  for (size_t w = 0; w < step->buffers.count; w++) {
    Buffer *fresh = step->buffers.data[w].buffer;
    if (first_writer(steps, fresh) != (int)at) continue;
    for (size_t r = 0; r < step->buffers.count; r++) {
      Buffer *old = step->buffers.data[r].buffer;
      if (old == fresh || !same_size(old, fresh) || used_behind(steps, at, old)) continue;
      if (first_writer(steps, old) < 0 || is_swapped(steps, old)) continue;
      if (!launch_allows(step, old, fresh)) continue;
      if (count_uses(&p->schedule->steps, old) != count_uses(steps, old)) continue;
      if (count_uses(&p->schedule->steps, fresh) != count_uses(steps, fresh)) continue;
      take_over(steps, at, old, fresh);
      return true;
    }
  }
  return false;
}

static void visit(Pass *p, StepList *steps) {
  for (size_t i = 0; i < steps->count; i++) {
    Step *step = steps->data[i];
    if (step->kind == STEP_LOOP) carry_in_place(p, &step->body);
    visit(p, &step->condition);
    visit(p, &step->body);
    visit(p, &step->otherwise);
  }
  for (size_t i = 0; i < steps->count; i++)
    while (i < steps->count && steps->data[i]->kind == STEP_LAUNCH && value_in_place(p, steps, i)) {
    }
}

static void collect_kernels(Pass *p, StepList *steps) {
  for (size_t i = 0; i < steps->count; i++) {
    Step *step = steps->data[i];
    collect_kernels(p, &step->condition);
    collect_kernels(p, &step->body);
    collect_kernels(p, &step->otherwise);
    if (step->kind != STEP_LAUNCH) continue;
    size_t k = 0;
    while (k < p->schedule->kernels.count &&
           p->schedule->kernels.data[k]->hash != step->kernel->hash)
      k++;
    if (k == p->schedule->kernels.count) VEC_PUSH(p->arena, &p->schedule->kernels, step->kernel);
    step->kernel = p->schedule->kernels.data[k];
  }
}

void plan_in_place(Schedule *schedule) {
  Pass p = {schedule, schedule->module->arena};
  visit(&p, &schedule->steps);
  schedule->kernels.count = 0;
  collect_kernels(&p, &schedule->steps);
}
