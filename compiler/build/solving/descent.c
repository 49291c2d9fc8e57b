// The lower optimiser run for its iterations.
//
// Enters: a function of the lower variables and a point to start from. Leaves: a loop over
// variables and optimiser states, or a loop over segments of it that derivatives run again, or one
// whose beginning no derivative sees.
#include "build/program.h"
#include "evaluate/staging.h"

// ---- one step of a descent

typedef struct Descent {
  Context *context;
  Instance *optimizer;
  Staged *function;
  Value *first; // steps the level has made before
  bool kept;    // the states have lived through these
  Value *base;  // steps of this descent before the loop that is being made; NULL: none
  Staged *x;    // the upper variables that prox terms see
  Span span;
} Descent;

static Staged *descent_body(Evaluator *e, Value *counter, Staged *carries, void *self) {
  const Descent *descent = self;
  Context *c = descent->context;
  int count = optimizer_state_count(descent->optimizer);
  Dynamic dynamic = e->dynamic;
  if (descent->base) counter = ir_binary(&e->builder, OP_ADD, descent->base, counter);
  dynamic_draw(e, counter);
  Value *before = c->iteration;
  Value *iteration = ir_binary(&e->builder, OP_ADD, descent->first, counter);
  c->iteration = iteration;
  Staged *z = carries->tree.children[0];
  Staged *g = derive_grad(e, descent->function, z, descent->span);
  Staged **states = ARENA_ARRAY(e->arena, Staged *, (size_t)count + 2);
  for (int i = 0; i < count; i++) states[i + 1] = carries->tree.children[i + 1];
  Moving saved = moving_enter(c, &c->stage->lower, descent->x, descent->function, NULL);
  if (staged_is_poison(g)) c->moving.applied = true;
  Staged *next = staged_is_poison(g) ? g
                                     : optimizer_update(descent->optimizer, z, g,
                                                        descent->kept ? iteration : counter,
                                                        iteration, states + 1, descent->span);
  moving_leave(c, saved, descent->optimizer);
  states[0] = project_level(c, c->stage, &c->stage->lower, descent->x, next);
  c->iteration = before;
  e->dynamic = dynamic;
  for (int i = 0; i <= count; i++)
    if (!states[i] || staged_is_poison(states[i])) return staged_poison;
  return staged_tuple(e, states, count + 1);
}

// In a sample problem: whatever comes out of one gradient.
static Staged *sample_descent(Context *c, Staged *function, Staged *start, Span span) {
  start = bundle_argument(c, start, &c->stage->lower, span, "`descend`");
  if (staged_is_poison(start)) return start;
  Staged *g = derive_grad(c->e, function, start, span);
  return staged_is_poison(g) ? g : operate_binary(c->e, BIN_SUB, start, g, span);
}

// ---- loops of a descent

static Staged *run_steps(const Descent *descent, Staged *carries, Value *base, const Dim *count) {
  Evaluator *e = descent->context->e;
  Descent part = *descent;
  part.base = base;
  int64_t steps;
  if (dim_is_const(count, &steps) && steps == 1) // shares its gradient with what stands around
    return descent_body(e, scalar_int(part.context, 0), carries, &part);
  Value *trips = ir_dim(&e->builder, count);
  return build_loop(e, carries, trips, count, NULL, descent_body, &part, descent->span);
}

typedef struct Segments {
  const Descent *descent;
  const Dim *size;
  Value *base;
} Segments;

static void run_again(Evaluator *e, const Staged *result) {
  ValueList leaves = {0};
  if (staged_is_poison(result)) return;
  staged_leaves(e, result, &leaves);
  for (size_t i = 0; i < leaves.count; i++)
    if (leaves.data[i]->op && leaves.data[i]->op->code == OP_LOOP)
      leaves.data[i]->op->attr.loop.recompute = true;
}

static Staged *segment_body(Evaluator *e, Value *counter, Staged *carries, void *self) {
  const Segments *segments = self;
  Builder *b = &e->builder;
  Value *done = ir_binary(b, OP_MUL, counter, ir_dim(b, segments->size));
  if (segments->base) done = ir_binary(b, OP_ADD, segments->base, done);
  Staged *result = run_steps(segments->descent, carries, done, segments->size);
  run_again(e, result);
  return result;
}

// About the root of the number of steps, or 16 where that is not known.
static int64_t segment_size(const Dim *count) {
  int64_t steps, size = 1;
  if (!dim_is_const(count, &steps)) return 16;
  while (size * size < steps) size++;
  return size;
}

static Value *add_steps(Builder *b, Value *base, const Dim *count) {
  Value *steps = ir_dim(b, count);
  return base ? ir_binary(b, OP_ADD, base, steps) : steps;
}

// The derivative keeps the variables and states at the beginning of each segment and runs it again.
static Staged *run_segments(const Descent *descent, Staged *carries, Value *base,
                            const Dim *count) {
  Evaluator *e = descent->context->e;
  Builder *b = &e->builder;
  DimTable *dims = e->module->dims;
  int64_t size = segment_size(count);
  const Dim *whole = dim_floordiv(dims, count, size);
  Segments segments = {descent, dim_const(dims, size), base};
  Staged *result =
      build_loop(e, carries, ir_dim(b, whole), whole, NULL, segment_body, &segments, descent->span);
  if (staged_is_poison(result)) return result;
  const Dim *done = dim_scale(dims, whole, size), *rest = dim_sub(dims, count, done);
  if (dim_is_const(rest, NULL) && rest == dim_const(dims, 0)) return result;
  return run_steps(descent, result, add_steps(b, base, done), rest);
}

static Staged *run_range(const Descent *descent, const DescendOptions *options, Staged *carries,
                         Value *base, const Dim *count) {
  return options->checkpoint ? run_segments(descent, carries, base, count)
                             : run_steps(descent, carries, base, count);
}

static Staged *detached(Evaluator *e, Staged *s) {
  ValueList leaves = {0};
  staged_leaves(e, s, &leaves);
  for (size_t i = 0; i < leaves.count; i++)
    leaves.data[i] = ir_unary(&e->builder, OP_STOP, leaves.data[i]);
  Value *const *cursor = leaves.data;
  return staged_rebuild(e, s, &cursor);
}

// The whole descent; with `last` the steps before them are constants of every derivative.
static Staged *run_descent(const Descent *descent, const DescendOptions *options, Staged *carries) {
  Evaluator *e = descent->context->e;
  DimTable *dims = e->module->dims;
  const Dim *count = descent->optimizer->iterations;
  int64_t more;
  bool all = !options->last || (dim_difference(dims, options->last, count, &more) && more >= 0);
  if (all) return run_range(descent, options, carries, NULL, count);
  dim_require_nonnegative(dims, dim_sub(dims, count, options->last), descent->span);
  const Dim *before = dim_sub(dims, count, options->last);
  const struct Derivation *derivations = e->derivations;
  e->derivations = NULL; // nothing around differentiates these steps
  Staged *middle = run_steps(descent, carries, NULL, before);
  e->derivations = derivations;
  if (staged_is_poison(middle)) return middle;
  return run_range(descent, options, detached(e, middle), ir_dim(&e->builder, before),
                   options->last);
}

// ---- descend

static bool can_descend(Context *c, Span span) {
  Instance *optimizer = c->stage->lower_optimizer;
  if (!optimizer) {
    Diagnostic *d = report(build_diagnostics(c->build), E0204, c->stage->method->span,
                           "this method descends, but the solve block has no `lower`");
    diagnostic_label(d, span, "here it descends");
    diagnostic_help(d, "write `lower = gd(step = 0.1, iters = 100);`");
    return false;
  }
  optimizer->used = true;
  if (optimizer->iterations) return true;
  Diagnostic *d = report(build_diagnostics(c->build), E0304, optimizer->span,
                         "`lower` does not say for how many iterations it runs");
  diagnostic_help(d, "write `%s(..., iters = 100)`", instance_name(optimizer));
  return false;
}

// Variables and states that a descent starts from; NULL after a report.
static Staged *descent_start(Context *c, Instance *optimizer, Staged *start) {
  int count = optimizer_state_count(optimizer);
  Staged **carries = ARENA_ARRAY(c->build->arena, Staged *, (size_t)count + 1);
  carries[0] = start;
  if (c->kept_of == optimizer)
    for (int i = 0; i < count; i++) carries[i + 1] = c->kept[i];
  else
    optimizer_start(optimizer, start, carries + 1);
  for (int i = 0; i <= count; i++)
    if (staged_is_poison(carries[i])) return NULL;
  return staged_tuple(c->e, carries, count + 1);
}

// What runs inside a derivative is a function of its own and leaves nothing behind.
static void keep_states(Context *c, const Instance *optimizer, const Staged *result) {
  if (c->kept_of != optimizer || c->e->builder.block != c->step_block) return;
  int count = result->tree.layout->count - 1;
  c->kept_next = ARENA_ARRAY(c->build->arena, Staged *, (size_t)count + 1);
  for (int i = 0; i < count; i++) c->kept_next[i] = result->tree.children[i + 1];
}

Staged *lower_descend(Context *c, Staged *function, Staged *start, const DescendOptions *options,
                      Span span) {
  if (c->stage->sample) return sample_descent(c, function, start, span);
  if (!can_descend(c, span)) return staged_poison;
  Instance *optimizer = c->stage->lower_optimizer;
  start = bundle_argument(c, start, &c->stage->lower, span, "`descend`");
  if (staged_is_poison(start)) return start;
  Staged *carries = descent_start(c, optimizer, start);
  if (!carries) return staged_poison;
  Value *steps = c->t ? c->t : scalar_int(c, 0);
  Value *first =
      ir_binary(&c->e->builder, OP_MUL, steps, ir_dim(&c->e->builder, optimizer->iterations));
  Descent descent = {
      c,   optimizer, function, first, c->kept_of == optimizer, NULL, options ? options->x : NULL,
      span};
  DescendOptions plain = {0};
  Staged *result = run_descent(&descent, options ? options : &plain, carries);
  if (staged_is_poison(result)) return result;
  keep_states(c, optimizer, result);
  return result->tree.children[0];
}

Staged *lower_solved(Context *c, const State *from, Span span) {
  if (staged_is_poison(from->y)) return from->y;
  if (!c->stage->lower.constraints.count) {
    DescendOptions options = {.x = from->x};
    return lower_descend(c, lower_function(c, from->x), from->y, &options, span);
  }
  MethodResult result = {0};
  return method_run(c, from, &result) ? result.y : staged_poison;
}
