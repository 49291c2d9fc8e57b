// The sweep: a function rebuilt op by op through the folding, sharing builder.
//
// Expects: a function whose derivatives are all made. Changes: leaves out what nothing needs,
// folds, shares equal ops, opens functions with rules, drops loop carries that never change and
// stacks of values that do not vary, and applies algebra.h. Keeps: parameters, yields and notes.
#include "ir/passes.h"
#include "opt/algebra.h"
#include "opt/opt.h"

#include "diff/diff_internal.h"
#include "ir/ir_internal.h"
#include "ir/passes.h"

typedef struct Sweep {
  Module *module;
  Arena *arena;
  Builder b;
  Marks needed;
  Map *values; // old value -> new value
  Map *uses;   // value -> number of uses, as a pointer-sized count
  Map *done;   // ops that were visited
  bool changed;
} Sweep;

static Value *image(const Sweep *s, Value *v) {
  Value *other = map_get(s->values, v);
  return other ? other : v;
}

static void set(Sweep *s, Value *v, Value *other) {
  map_put(s->values, v, other);
  if (other->op && !other->name) other->name = v->name;
}

static void yield_value(Block *block, Value *v) {
  VEC_PUSH(block->module->arena, &block->yields, v);
}

// --- use counts ---------------------------------------------------------------------------------

static void count_use(Sweep *s, Value *v) {
  uintptr_t count = (uintptr_t)map_get(s->uses, v);
  map_put(s->uses, v, (void *)(count + 1));
}

static void count_block(Sweep *s, const Block *block) {
  for (const Op *op = block->first; op; op = op->next) {
    for (int i = 0; i < op->operand_count; i++) count_use(s, op->operands[i]);
    for (int i = 0; i < op->region_count; i++) count_block(s, op->regions[i]);
  }
  for (size_t i = 0; i < block->yields.count; i++) count_use(s, block->yields.data[i]);
}

static bool used_once(const Sweep *s, const Value *v) {
  return (uintptr_t)map_get(s->uses, v) == 1;
}

// --- single ops ---------------------------------------------------------------------------------

static void sweep_ops(Sweep *s, Block *block);

static void sweep_plain(Sweep *s, Op *op) {
  bool *single = ARENA_ARRAY(s->arena, bool, (size_t)op->operand_count + 1);
  Value **operands = ARENA_ARRAY(s->arena, Value *, (size_t)op->operand_count + 1);
  for (int i = 0; i < op->operand_count; i++) {
    single[i] = used_once(s, op->operands[i]);
    operands[i] = image(s, op->operands[i]);
  }
  if (op->result_count == 1) {
    Value *other = algebra_rewrite(&s->b, op, operands, single);
    if (other) {
      set(s, op->results[0], other);
      s->changed = true;
      return;
    }
  }
  Value *result = NULL;
  op_copy(&s->b, op, s->values, &result);
  if (op->result_count) set(s, op->results[0], result);
}

// --- loops --------------------------------------------------------------------------------------

typedef struct LoopSweep {
  Op *op;
  Block *body, *condition; // new
  bool *carried;           // by old carry
  bool *stacked_in, *stacked_out;
  ValueList operands;
  int carries, inputs;
} LoopSweep;

// A stacked input that is the same in every row: the row, else NULL.
static Value *constant_row(Sweep *s, Value *stack, const Type *row) {
  double number;
  if (ir_is_splat(stack, &number)) return ir_number(&s->b, row, number);
  const Op *view = stack->op;
  if (!view || view->code != OP_VIEW) return NULL;
  const IndexMap *map = &view->attr.map;
  int columns = map->out_rank - 1;
  int64_t *matrix = ARENA_ARRAY(s->arena, int64_t, (size_t)(map->in_rank * columns) + 1);
  for (int i = 0; i < map->in_rank; i++) {
    if (map->matrix[i * map->out_rank]) return NULL;
    for (int k = 0; k < columns; k++)
      matrix[i * columns + k] = map->matrix[i * map->out_rank + k + 1];
  }
  return ir_view(&s->b, view->operands[0], row,
                 (IndexMap){map->in_rank, columns, matrix, map->offset});
}

// Which carries, rows and outputs stay; what is constant gets its value now, before the body.
static void choose_parts(Sweep *s, LoopSweep *l) {
  Op *op = l->op;
  Block *body = op->regions[0];
  int carries = op->attr.loop.carries;
  for (int i = 0; i < carries; i++) {
    Value *param = body->params.data[i + 1];
    l->carried[i] = marks_has(&s->needed, param) || marks_has(&s->needed, op->results[i]);
    if (!l->carried[i] || body->yields.data[i] != param) continue;
    l->carried[i] = false; // never changes
    set(s, param, image(s, op->operands[i + 1]));
    if (op->region_count == 2)
      set(s, op->regions[1]->params.data[i + 1], image(s, op->operands[i + 1]));
    set(s, op->results[i], image(s, op->operands[i + 1]));
    s->changed = true;
  }
  for (int i = carries + 1; i < op->operand_count; i++) {
    Value *param = body->params.data[i];
    l->stacked_in[i] = marks_has(&s->needed, param);
    if (!l->stacked_in[i]) continue;
    Value *row = constant_row(s, image(s, op->operands[i]), param->type);
    if (!row) continue;
    l->stacked_in[i] = false;
    set(s, param, row);
    s->changed = true;
  }
  for (size_t i = (size_t)carries; i < body->yields.count; i++)
    l->stacked_out[i] = marks_has(&s->needed, op->results[i]);
}

static Block *loop_block(Sweep *s, LoopSweep *l, Block *source, bool rows) {
  Op *op = l->op;
  Block *block = block_create(s->module, s->b.block);
  int carries = op->attr.loop.carries;
  Value *counter =
      block_add_param(block, source->params.data[0]->type, source->params.data[0]->name);
  map_put(s->values, source->params.data[0], counter);
  for (int i = 1; i < (rows ? op->operand_count : carries + 1); i++) {
    if (i <= carries ? !l->carried[i - 1] : !l->stacked_in[i]) continue;
    Value *param = source->params.data[i];
    map_put(s->values, param, block_add_param(block, param->type, param->name));
  }
  Builder outer = s->b;
  s->b = builder_at(block);
  sweep_ops(s, source);
  s->b = outer;
  return block;
}

static bool inside(const Block *block, const Value *v) {
  return block_encloses(block, v->block);
}

// All trips run: the trips are those of the bound, known to be enough rows.
static bool runs_fully(Sweep *s, const LoopSweep *l) {
  const Value *count = image(s, l->op->operands[0]);
  double number;
  int64_t bound;
  if (l->op->region_count == 2 || !l->op->attr.loop.bound) return false;
  if (count->op && count->op->code == OP_DIM)
    return count->op->attr.dim.dim == l->op->attr.loop.bound;
  return ir_is_splat(count, &number) && dim_is_const(l->op->attr.loop.bound, &bound) &&
         (double)bound == number;
}

// The trips of a loop without a condition: its count within 0 and the bound.
static Value *counted_trips(Sweep *s, const LoopSweep *l) {
  Value *count = image(s, l->op->operands[0]);
  if (runs_fully(s, l)) return count;
  if (l->op->attr.loop.bound)
    count = ir_binary(&s->b, OP_MIN, count, ir_dim(&s->b, l->op->attr.loop.bound));
  return ir_binary(&s->b, OP_MAX, count, ir_zero(&s->b, count->type));
}

static void yield_parts(Sweep *s, LoopSweep *l) {
  Block *source = l->op->regions[0];
  int carries = l->op->attr.loop.carries;
  for (int i = 0; i < (int)source->yields.count; i++) {
    Value *v = image(s, source->yields.data[i]);
    if (i < carries ? !l->carried[i] : !l->stacked_out[i]) continue;
    if (i >= carries && !inside(l->body, v) && runs_fully(s, l)) {
      int axes[MAX_RANK];
      for (int k = 0; k < v->type->rank; k++) axes[k] = k + 1;
      set(s, l->op->results[i], ir_broadcast(&s->b, v, l->op->results[i]->type, axes));
      l->stacked_out[i] = false;
      s->changed = true;
      continue;
    }
    yield_value(l->body, v);
  }
}

static void sweep_loop(Sweep *s, Op *op) {
  LoopSweep l = {.op = op};
  int carries = op->attr.loop.carries;
  size_t parts = (size_t)op->operand_count + op->regions[0]->yields.count + 1;
  l.carried = ARENA_ARRAY(s->arena, bool, parts);
  l.stacked_in = ARENA_ARRAY(s->arena, bool, parts);
  l.stacked_out = ARENA_ARRAY(s->arena, bool, parts);
  choose_parts(s, &l);
  l.body = loop_block(s, &l, op->regions[0], true);
  if (op->region_count == 2) {
    l.condition = loop_block(s, &l, op->regions[1], false);
    yield_value(l.condition, image(s, op->regions[1]->yields.data[0]));
  }
  yield_parts(s, &l);
  for (int i = 1; i < op->operand_count; i++) {
    if (i <= carries ? !l.carried[i - 1] : !l.stacked_in[i]) continue;
    VEC_PUSH(s->arena, &l.operands, image(s, op->operands[i]));
    l.carries += i <= carries;
    l.inputs += i > carries;
  }
  Value *trips = op->results[op->result_count - 1];
  if (op->region_count == 1 && marks_has(&s->needed, trips))
    map_put(s->values, trips, counted_trips(s, &l));
  bool asked = op->region_count == 2 && marks_has(&s->needed, trips);
  if (!l.body->yields.count && !asked && !op_has_note(op)) return;
  Op *loop =
      ir_loop(&s->b, image(s, op->operands[0]), op->attr.loop.bound, l.operands.data, l.carries,
              l.operands.data + l.carries, l.inputs, l.body, l.condition, op->attr.loop.reverse);
  loop->attr.loop.recompute = op->attr.loop.recompute;
  int at = 0;
  for (int i = 0; i < op->result_count - 1; i++)
    if (i < carries ? l.carried[i] : l.stacked_out[i]) set(s, op->results[i], loop->results[at++]);
  if (op->region_count == 2) map_put(s->values, trips, loop->results[loop->result_count - 1]);
}

// --- branches and functions with rules ----------------------------------------------------------

static void sweep_if(Sweep *s, Op *op) {
  Value *condition = image(s, op->operands[0]);
  double known;
  if (ir_is_splat(condition, &known)) {
    Block *taken = op->regions[known != 0 ? 0 : 1];
    sweep_ops(s, taken);
    for (int i = 0; i < op->result_count; i++)
      if (marks_has(&s->needed, op->results[i]))
        set(s, op->results[i], image(s, taken->yields.data[i]));
    s->changed = true;
    return;
  }
  bool negated = condition->op && condition->op->code == OP_NOT;
  if (negated) condition = condition->op->operands[0];
  Block *regions[2];
  Builder outer = s->b;
  for (int r = 0; r < 2; r++) {
    regions[r] = block_create(s->module, outer.block);
    s->b = builder_at(regions[r]);
    sweep_ops(s, op->regions[r]);
  }
  s->b = outer;
  bool *kept = ARENA_ARRAY(s->arena, bool, (size_t)op->result_count + 1);
  for (int i = 0; i < op->result_count; i++) {
    if (!marks_has(&s->needed, op->results[i])) continue;
    Value *yes = image(s, op->regions[0]->yields.data[i]);
    Value *no = image(s, op->regions[1]->yields.data[i]);
    double x, y;
    bool same = yes == no || (ir_is_splat(yes, &x) && ir_is_splat(no, &y) && x == y && x != 0);
    if (same && !inside(regions[0], yes)) {
      set(s, op->results[i], yes);
      s->changed = true;
      continue;
    }
    kept[i] = true;
    yield_value(regions[0], yes);
    yield_value(regions[1], no);
  }
  if (!regions[0]->yields.count && !regions[0]->first && !regions[1]->first) return;
  Op *branch = ir_if(&s->b, condition, regions[negated ? 1 : 0], regions[negated ? 0 : 1]);
  for (int i = 0, at = 0; i < op->result_count; i++)
    if (kept[i]) set(s, op->results[i], branch->results[at++]);
}

static void sweep_custom(Sweep *s, Op *op) {
  Block *body = op->regions[0];
  for (int i = 0; i < op->operand_count; i++)
    map_put(s->values, body->params.data[i], image(s, op->operands[i]));
  sweep_ops(s, body);
  for (int i = 0; i < op->result_count; i++)
    if (marks_has(&s->needed, op->results[i]))
      map_put(s->values, op->results[i], image(s, body->yields.data[i]));
  s->changed = true;
}

// --- the walk -----------------------------------------------------------------------------------

static bool is_needed(const Sweep *s, const Op *op) {
  if (op_has_note(op)) return true;
  for (int i = 0; i < op->result_count; i++)
    if (marks_has(&s->needed, op->results[i])) return true;
  return false;
}

static void sweep_op(Sweep *s, Op *op);

// An op that stands too late for its uses, as merging leaves it, comes first.
static void sweep_before(Sweep *s, const Op *op) {
  ValueList uses = {0};
  op_captures(s->arena, op, &uses);
  for (int i = 0; i < op->operand_count; i++) VEC_PUSH(s->arena, &uses, op->operands[i]);
  for (size_t i = 0; i < uses.count; i++) {
    Op *source = uses.data[i]->op;
    if (source && source->block == op->block) sweep_op(s, source);
  }
}

static void sweep_op(Sweep *s, Op *op) {
  if (map_has(s->done, op)) return;
  map_put(s->done, op, op);
  sweep_before(s, op);
  Span span = s->b.span;
  s->b.span = op->span;
  switch (op->code) {
  case OP_LOOP:
    sweep_loop(s, op);
    break;
  case OP_IF:
    sweep_if(s, op);
    break;
  case OP_CUSTOM:
    sweep_custom(s, op);
    break;
  default:
    sweep_plain(s, op);
    break;
  }
  s->b.span = span;
}

static void sweep_ops(Sweep *s, Block *block) {
  for (Op *op = block->first; op; op = op->next)
    if (is_needed(s, op)) sweep_op(s, op);
}

bool opt_sweep(Func *func) {
  Block *body = func->body;
  Arena *arena = arena_create();
  Sweep s = {.module = func->module,
             .arena = arena,
             .b = builder_at(body),
             .needed = marks_create(arena, true),
             .values = map_create(arena),
             .uses = map_create(arena),
             .done = map_create(arena)};
  int before = ir_measure(body).ops;
  count_block(&s, body);
  for (size_t i = 0; i < body->yields.count; i++) marks_add(&s.needed, body->yields.data[i]);
  // Once more as long as it finds more: after a merge ops are not in order.
  for (size_t known = 0; known != map_count(s.needed.set);) {
    known = map_count(s.needed.set);
    marks_backward(&s.needed, body);
  }
  // The block keeps its parameters; its ops are read from a copy of the old list.
  Block old = *body;
  body->first = body->last = NULL;
  body->table = NULL;
  sweep_ops(&s, &old);
  for (size_t i = 0; i < body->yields.count; i++)
    body->yields.data[i] = image(&s, body->yields.data[i]);
  bool changed = s.changed || ir_measure(body).ops != before;
  arena_destroy(arena);
  return changed;
}
