// Sinking: work that only one side of an `if` reads moves into that side.
//
// Expects: shared, hoisted ops. Changes: places of ops. Keeps: values; notes are not moved. Ops
// move only from the block the `if` stands in, so nothing enters a loop that was taken out of it.
#include "opt/opt.h"

#include "base/map.h"
#include "ir/ir_internal.h"

enum { FIRST_SIDE, SECOND_SIDE, ELSEWHERE, PLACES };

typedef struct Uses {
  int count[PLACES];
} Uses;

// How often the values of a block are read where, seen from one `if`.
typedef struct Reads {
  Arena *arena;
  const Op *branch;
  Map *uses; // value -> Uses
} Reads;

static Uses *uses_of(Reads *r, const Value *v) {
  Uses *uses = map_get(r->uses, v);
  if (!uses) map_put(r->uses, v, uses = ARENA_NEW(r->arena, Uses));
  return uses;
}

static void count_block(Reads *r, const Block *block, int place, int step);

static void count_op(Reads *r, const Op *op, int place, int step) {
  for (int i = 0; i < op->operand_count; i++) uses_of(r, op->operands[i])->count[place] += step;
  for (int i = 0; i < op->region_count; i++)
    count_block(r, op->regions[i], op == r->branch ? i : place, step);
}

static void count_block(Reads *r, const Block *block, int place, int step) {
  for (const Op *op = block->first; op; op = op->next) count_op(r, op, place, step);
  for (size_t i = 0; i < block->yields.count; i++)
    uses_of(r, block->yields.data[i])->count[place] += step;
}

// The one side that reads the op's results, or ELSEWHERE.
static int only_reader(Reads *r, const Op *op) {
  Uses sum = {0};
  for (int i = 0; i < op->result_count; i++)
    for (int place = 0; place < PLACES; place++)
      sum.count[place] += uses_of(r, op->results[i])->count[place];
  if (sum.count[ELSEWHERE] || !sum.count[FIRST_SIDE] == !sum.count[SECOND_SIDE]) return ELSEWHERE;
  return sum.count[FIRST_SIDE] ? FIRST_SIDE : SECOND_SIDE;
}

// Something to put ops before, in a side that may have no ops: a constant nothing reads.
static Op *place_in(Block *side) {
  if (side->first) return side->first;
  Module *module = side->module;
  const Type *type = type_scalar(module, DT_BOOL);
  Attr attr = {.type = type};
  return op_append(side, OP_CONST, NULL, 0, &attr, NULL, 0, &type, 1, (Span){0});
}

static bool sink_into(Arena *arena, Op *branch) {
  Reads reads = {arena, branch, map_create(arena)};
  count_block(&reads, branch->block, ELSEWHERE, 1);
  bool changed = false;
  for (Op *op = branch->previous, *previous; op; op = previous) {
    previous = op->previous;
    if (op->code == OP_CONST || op->code == OP_DIM || op->code == OP_IOTA || op_has_note(op))
      continue;
    int side = only_reader(&reads, op);
    if (side == ELSEWHERE) continue;
    count_op(&reads, op, ELSEWHERE, -1);
    count_op(&reads, op, side, 1);
    op_move_before(op, place_in(branch->regions[side]));
    changed = true;
  }
  return changed;
}

static bool sink_block(Arena *arena, Block *block) {
  bool changed = false;
  for (Op *op = block->last; op; op = op->previous)
    if (op->code == OP_IF) changed = sink_into(arena, op) || changed;
  for (Op *op = block->first; op; op = op->next)
    for (int i = 0; i < op->region_count; i++)
      changed = sink_block(arena, op->regions[i]) || changed;
  return changed;
}

bool opt_sink(Func *func) {
  Arena *arena = arena_create();
  bool changed = sink_block(arena, func->body);
  arena_destroy(arena);
  return changed;
}
