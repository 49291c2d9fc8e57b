// Checks schedules and their kernels: what emission relies on. Messages name the kernel.
//
// In a kernel: axes are used inside their loops, registers after their declaration and in scope,
// lanes of a vector loop do not meet in one place. In the schedule: launches fit their kernels,
// counters are used inside their loops, counts are i64 and flags bool.
#include "loop/loop.h"

#include "base/map.h"

enum { MAX_LANES = 64, MAX_UNROLL = 16, MAX_PARTIAL_ENTRIES = 64 };

typedef struct Checker {
  Arena *arena;
  const Kernel *kernel;
  const char *wrong;  // the first mistake
  bool *open;         // by axis id
  bool *declared;     // by register id: declared and in scope
  const Stmt *vector; // the open vector loop
  bool *inside;       // by register id: declared inside the open vector loop
  bool *partial;      // by register id: accumulated across lanes of the open vector loop
  int *checked;       // by expression id: statement in which it was found sound
  int statement;
} Checker;

static void fail(Checker *c, const char *message) {
  if (!c->wrong) c->wrong = arena_printf(c->arena, "kernel %s: %s", c->kernel->name, message);
}

static void require(Checker *c, bool holds, const char *message) {
  if (!holds) fail(c, message);
}

// ---------------------------------------------------------------- expressions

static bool register_known(const Checker *c, const Register *reg) {
  return reg && reg->id >= 0 && reg->id < c->kernel->register_count;
}

static void check_leaf(Checker *c, const Expr *e) {
  const Kernel *kernel = c->kernel;
  switch (e->kind) {
  case EXPRESSION_DIM:
    require(c, e->dim != NULL, "dim expression without a dim");
    break;
  case EXPRESSION_SCALAR:
    require(c, e->number >= 0 && e->number < kernel->scalar_count, "scalar that is no parameter");
    break;
  case EXPRESSION_AXIS:
    require(c, e->axis->id < kernel->axis_count && c->open[e->axis->id],
            "axis used outside its loop");
    break;
  case EXPRESSION_LOAD:
    if (e->buffer < 0 || (size_t)e->buffer >= kernel->buffers.count)
      fail(c, "load of no buffer");
    else
      require(c,
              kernel->buffers.data[e->buffer].reads &&
                  kernel->buffers.data[e->buffer].dtype == e->dtype,
              "load of a buffer that is not read, or of another type");
    break;
  case EXPRESSION_REGISTER:
    require(c, register_known(c, e->reg) && c->declared[e->reg->id],
            "register read outside its scope");
    require(c, !c->vector || !c->partial[e->reg->id],
            "register read inside the vector loop that accumulates it");
    break;
  default:
    break;
  }
}

static void check_expr(Checker *c, const Expr *e) {
  if (!e) {
    fail(c, "statement lacks an expression");
    return;
  }
  if (e->id < 0 || e->id >= c->kernel->expr_count) {
    fail(c, "expression of another kernel");
    return;
  }
  if (c->checked[e->id] == c->statement) return;
  c->checked[e->id] = c->statement;
  check_leaf(c, e);
  bool indexed = e->kind == EXPRESSION_LOAD || e->kind == EXPRESSION_LOCAL;
  require(c, !indexed || (e->argument_count == 1 && e->arguments[0]->dtype == DT_I64),
          "access without an i64 index");
  if (e->kind == EXPRESSION_OP)
    require(c, e->argument_count == op_table[e->opcode].operands,
            "op with a wrong number of operands");
  for (int i = 0; i < e->argument_count; i++) check_expr(c, e->arguments[i]);
}

static void check_typed(Checker *c, const Expr *e, Dtype dtype) {
  check_expr(c, e);
  require(c, !e || e->dtype == dtype, "expression of a wrong type");
}

/// May the value differ between the lanes of the open vector loop?
static bool by_lane(const Checker *c, const Expr *e) {
  if (!c->vector) return false;
  if (e->kind == EXPRESSION_AXIS) return e->axis == c->vector->axis;
  if (e->kind == EXPRESSION_REGISTER && c->inside[e->reg->id]) return true;
  if (e->kind == EXPRESSION_LOCAL && e->local->lanes == c->vector->axis) return true;
  for (int i = 0; i < e->argument_count; i++)
    if (by_lane(c, e->arguments[i])) return true;
  return false;
}

// ---------------------------------------------------------------- statements

static void check_body(Checker *c, const StmtList *body);

static bool declares(const Stmt *s, const Register *reg) {
  if (s->kind == STATEMENT_DECLARE && s->reg == reg) return true;
  for (size_t i = 0; i < s->body.count; i++)
    if (declares(s->body.data[i], reg)) return true;
  for (size_t i = 0; i < s->otherwise.count; i++)
    if (declares(s->otherwise.data[i], reg)) return true;
  return false;
}

static void mark_partial(Checker *c, const Stmt *loop, const StmtList *body, bool value) {
  for (size_t i = 0; i < body->count; i++) {
    const Stmt *s = body->data[i];
    bool accumulates = s->kind == STATEMENT_ACCUMULATE || s->kind == STATEMENT_ARGMAX;
    if (accumulates && register_known(c, s->reg) && !declares(loop, s->reg)) {
      c->partial[s->reg->id] = value;
      if (s->reg_index) c->partial[s->reg_index->id] = value;
    }
    mark_partial(c, loop, &s->body, value);
    mark_partial(c, loop, &s->otherwise, value);
  }
}

static void check_vector(Checker *c, const Stmt *s) {
  require(c, s->width >= 1 && s->width <= MAX_LANES && (s->width & (s->width - 1)) == 0,
          "vector width that is no power of two up to 64");
  require(c, s->unroll >= 1 && s->unroll <= MAX_UNROLL, "vector loop unrolled too often");
  require(c, s->step == 1 && !s->reverse, "vector loop with a step");
  if (c->vector) {
    fail(c, "vector loop inside a vector loop");
    return;
  }
  c->vector = s;
  mark_partial(c, s, &s->body, true);
  check_body(c, &s->body);
  mark_partial(c, s, &s->body, false);
  c->vector = NULL;
}

static void check_for(Checker *c, const Stmt *s) {
  check_typed(c, s->low, DT_I64);
  check_typed(c, s->high, DT_I64);
  if (c->wrong) return;
  require(c, !by_lane(c, s->low) && !by_lane(c, s->high), "bounds of a loop differ by lane");
  require(c, s->step > 0, "step that is not positive");
  require(c, s->axis && s->axis->id < c->kernel->axis_count && !c->open[s->axis->id],
          "two open loops over one axis");
  if (s->mode == FOR_UNROLL)
    require(c, s->low->kind == EXPRESSION_CONST && s->high->kind == EXPRESSION_CONST,
            "unrolled loop without a constant extent");
  if (c->wrong) return;
  // A loop that never runs is not emitted; what it would store to may have no strides.
  if (s->low->kind == EXPRESSION_CONST && s->high->kind == EXPRESSION_CONST &&
      s->high->integer <= s->low->integer)
    return;
  c->open[s->axis->id] = true;
  if (s->mode == FOR_VECTOR)
    check_vector(c, s);
  else
    check_body(c, &s->body);
  c->open[s->axis->id] = false;
}

static void check_declare(Checker *c, const Stmt *s) {
  if (!register_known(c, s->reg)) {
    fail(c, "declaration of no register");
    return;
  }
  check_typed(c, s->value, s->reg->dtype);
  require(c, !c->declared[s->reg->id], "register declared twice");
  c->declared[s->reg->id] = true;
  c->inside[s->reg->id] = c->vector != NULL;
}

static void check_change(Checker *c, const Stmt *s) {
  if (!register_known(c, s->reg) || !c->declared[s->reg->id]) {
    fail(c, "register changed outside its scope");
    return;
  }
  check_typed(c, s->value, s->reg->dtype);
  bool shared = c->vector && !c->inside[s->reg->id];
  if (s->kind == STATEMENT_ASSIGN) require(c, !shared, "lanes assign one register");
  if (s->kind != STATEMENT_ARGMAX) return;
  check_typed(c, s->index, DT_I64);
  require(c,
          register_known(c, s->reg_index) && c->declared[s->reg_index->id] &&
              s->reg_index->dtype == DT_I64 && c->inside[s->reg_index->id] == c->inside[s->reg->id],
          "argmax without a register for the index");
}

static void check_store(Checker *c, const Stmt *s) {
  const Kernel *kernel = c->kernel;
  if (s->buffer < 0 || (size_t)s->buffer >= kernel->buffers.count) {
    fail(c, "store to no buffer");
    return;
  }
  const KernelBuffer *buffer = &kernel->buffers.data[s->buffer];
  require(c, buffer->writes && (!s->accumulate || buffer->reads),
          "store to a buffer that is only read");
  check_typed(c, s->index, DT_I64);
  check_typed(c, s->value, buffer->dtype);
  if (c->wrong || by_lane(c, s->index)) return;
  require(c, !c->vector || (!s->accumulate && !by_lane(c, s->value)), "lanes store to one place");
}

static void check_local_store(Checker *c, const Stmt *s) {
  check_typed(c, s->index, DT_I64);
  check_typed(c, s->value, s->local->dtype);
  if (c->wrong || !c->vector || s->local->lanes == c->vector->axis || by_lane(c, s->index)) return;
  require(c, s->accumulate || !by_lane(c, s->value), "lanes store to one entry of a local array");
  require(c, !s->accumulate || s->local->entries <= MAX_PARTIAL_ENTRIES,
          "too large a local array accumulates across lanes");
}

static void check_statement(Checker *c, const Stmt *s) {
  c->statement++;
  switch (s->kind) {
  case STATEMENT_FOR:
    check_for(c, s);
    break;
  case STATEMENT_DECLARE:
    check_declare(c, s);
    break;
  case STATEMENT_ASSIGN:
  case STATEMENT_ACCUMULATE:
  case STATEMENT_ARGMAX:
    check_change(c, s);
    break;
  case STATEMENT_STORE:
    check_store(c, s);
    break;
  case STATEMENT_LOCAL_STORE:
    check_local_store(c, s);
    break;
  case STATEMENT_IF:
    check_typed(c, s->condition, DT_BOOL);
    check_body(c, &s->body);
    check_body(c, &s->otherwise);
    break;
  case STATEMENT_NOTE:
    check_typed(c, s->value, DT_BOOL);
    require(c, s->number >= 0 && (size_t)s->number < c->kernel->module->notes.count,
            "note that is no row of the module's table");
    break;
  }
}

static void check_body(Checker *c, const StmtList *body) {
  for (size_t i = 0; i < body->count && !c->wrong; i++) check_statement(c, body->data[i]);
  for (size_t i = 0; i < body->count && !c->wrong; i++) {
    const Stmt *s = body->data[i];
    if (s->kind == STATEMENT_DECLARE) c->declared[s->reg->id] = c->inside[s->reg->id] = false;
  }
}

static const char *check_kernel(Arena *arena, const Kernel *kernel) {
  Checker c = {.arena = arena, .kernel = kernel};
  size_t registers = (size_t)kernel->register_count;
  c.open = ARENA_ARRAY(arena, bool, (size_t)kernel->axis_count + 1);
  c.declared = ARENA_ARRAY(arena, bool, registers + 1);
  c.inside = ARENA_ARRAY(arena, bool, registers + 1);
  c.partial = ARENA_ARRAY(arena, bool, registers + 1);
  c.checked = ARENA_ARRAY(arena, int, (size_t)kernel->expr_count + 1);
  check_body(&c, &kernel->body);
  return c.wrong;
}

// ---------------------------------------------------------------- the schedule

typedef struct ScheduleChecker {
  Arena *arena;
  const Schedule *schedule;
  Map *kernels; // already checked
  bool *open;   // by counter
  const char *wrong;
} ScheduleChecker;

static void step_require(ScheduleChecker *c, bool holds, const char *message) {
  if (!holds && !c->wrong) c->wrong = message;
}

static void check_use(ScheduleChecker *c, const BufferUse *use, const char *what) {
  if (!use->buffer) {
    c->wrong = c->wrong ? c->wrong : arena_printf(c->arena, "%s without a buffer", what);
    return;
  }
  int id = use->buffer->id;
  step_require(c,
               id >= 0 && (size_t)id < c->schedule->buffers.count &&
                   c->schedule->buffers.data[id] == use->buffer,
               "buffer of another schedule");
  if (use->counter < 0) return;
  step_require(c, use->counter < c->schedule->counter_count && c->open[use->counter] && use->stride,
               "row selected by a counter outside its loop");
}

static void check_typed_use(ScheduleChecker *c, const BufferUse *use, Dtype dtype,
                            const char *what) {
  check_use(c, use, what);
  if (!c->wrong && use->buffer->dtype != dtype)
    c->wrong = arena_printf(c->arena, "%s of type %s", what, dtype_text(use->buffer->dtype));
}

static void check_launch(ScheduleChecker *c, const Step *step) {
  const Kernel *kernel = step->kernel;
  step_require(c,
               kernel && step->buffers.count == kernel->buffers.count &&
                   step->scalars.count == (size_t)kernel->scalar_count,
               "launch that does not fit its kernel");
  if (c->wrong) return;
  for (size_t i = 0; i < step->buffers.count; i++) {
    check_typed_use(c, &step->buffers.data[i], kernel->buffers.data[i].dtype, "kernel buffer");
    BufferKind kind = step->buffers.data[i].buffer ? step->buffers.data[i].buffer->kind : 0;
    step_require(
        c, !kernel->buffers.data[i].writes || kind == BUFFER_OUTPUT || kind == BUFFER_WORKSPACE,
        "kernel that writes an input or a constant");
  }
  for (size_t i = 0; i < step->scalars.count; i++) {
    int counter = step->scalars.data[i];
    step_require(c, counter >= 0 && counter < c->schedule->counter_count && c->open[counter],
                 "counter passed outside its loop");
  }
  if (c->wrong || map_has(c->kernels, kernel)) return;
  map_put(c->kernels, kernel, NULL);
  c->wrong = check_kernel(c->arena, kernel);
}

static void check_steps(ScheduleChecker *c, const StepList *steps);

static void check_loop(ScheduleChecker *c, const Step *step) {
  check_typed_use(c, &step->count, DT_I64, "loop count");
  if (step->has_trips) check_typed_use(c, &step->trips, DT_I64, "number of trips");
  step_require(c,
               step->counter >= 0 && step->counter < c->schedule->counter_count &&
                   !c->open[step->counter],
               "loop without a counter of its own");
  step_require(c, !step->reverse || !step->has_condition, "reversed loop with a condition");
  if (c->wrong) return;
  c->open[step->counter] = true;
  if (step->has_condition) {
    check_steps(c, &step->condition);
    check_typed_use(c, &step->flag, DT_BOOL, "loop condition");
  }
  check_steps(c, &step->body);
  c->open[step->counter] = false;
}

static void check_swap(ScheduleChecker *c, const Step *step) {
  if (step->buffers.count != 2) {
    step_require(c, false, "swap of other than two buffers");
    return;
  }
  const BufferUse *a = &step->buffers.data[0], *b = &step->buffers.data[1];
  check_use(c, a, "swap");
  check_use(c, b, "swap");
  step_require(c,
               c->wrong ||
                   (a->buffer->kind == BUFFER_WORKSPACE && b->buffer->kind == BUFFER_WORKSPACE &&
                    a->buffer->dtype == b->buffer->dtype &&
                    a->buffer->entries == b->buffer->entries),
               "swap of buffers that are not alike");
}

static void check_step(ScheduleChecker *c, const Step *step) {
  switch (step->kind) {
  case STEP_LAUNCH:
    check_launch(c, step);
    break;
  case STEP_ROUTINE:
    step_require(c, step->routine != NULL, "routine without a name");
    for (size_t i = 0; i < step->buffers.count; i++)
      check_use(c, &step->buffers.data[i], "routine buffer");
    break;
  case STEP_LOOP:
    check_loop(c, step);
    break;
  case STEP_IF:
    check_typed_use(c, &step->flag, DT_BOOL, "condition");
    check_steps(c, &step->body);
    check_steps(c, &step->otherwise);
    break;
  case STEP_SWAP:
    check_swap(c, step);
    break;
  case STEP_COUNT:
    step_require(c, step->note >= 0 && (size_t)step->note < c->schedule->module->notes.count,
                 "count of an unknown note");
    break;
  }
}

static void check_steps(ScheduleChecker *c, const StepList *steps) {
  for (size_t i = 0; i < steps->count && !c->wrong; i++) check_step(c, steps->data[i]);
}

const char *schedule_verify(Arena *arena, const Schedule *schedule) {
  ScheduleChecker c = {.arena = arena, .schedule = schedule, .kernels = map_create(arena)};
  c.open = ARENA_ARRAY(arena, bool, (size_t)schedule->counter_count + 1);
  for (size_t i = 0; i < schedule->buffers.count && !c.wrong; i++)
    step_require(&c, schedule->buffers.data[i]->id == (int)i, "buffer with a wrong id");
  check_steps(&c, &schedule->steps);
  return c.wrong;
}
