// Dependence by one forward walk over the ops; loops to a fixpoint. See dependence.h.
#include "diff/dependence.h"

static Dependence more(Dependence a, Dependence b) {
  return a > b ? a : b;
}

static Dependence at_most(Dependence a, Dependence limit) {
  return a < limit ? a : limit;
}

Dependence dependence_get(const Map *map, const Value *value) {
  return (Dependence)(uintptr_t)map_get(map, value);
}

static bool put(Map *map, const Value *value, Dependence kind) {
  if (!dtype_is_float(value->type->dtype)) kind = at_most(kind, DEPENDS_STEPWISE);
  Dependence old = dependence_get(map, value);
  if (kind <= old) return false;
  map_put(map, value, (void *)(uintptr_t)kind);
  return true;
}

static void walk(Map *map, Block *block);

static Dependence operand(const Map *map, const Op *op, int index) {
  return dependence_get(map, op->operands[index]);
}

static void walk_if(Map *map, const Op *op) {
  Dependence condition = at_most(operand(map, op, 0), DEPENDS_STEPWISE);
  for (int r = 0; r < op->region_count; r++) walk(map, op->regions[r]);
  for (int i = 0; i < op->result_count; i++) {
    Dependence kind = condition;
    for (int r = 0; r < op->region_count; r++)
      kind = more(kind, dependence_get(map, op->regions[r]->yields.data[i]));
    put(map, op->results[i], kind);
  }
}

// Operands: count, carries, stacked inputs. Body parameters: i, carries, rows.
static void walk_loop(Map *map, const Op *op) {
  Block *body = op->regions[0];
  int carries = op->attr.loop.carries, inputs = op->attr.loop.stacked_in;
  for (int i = 0; i < carries + inputs; i++)
    put(map, body->params.data[1 + i], operand(map, op, 1 + i));
  Dependence trips = at_most(operand(map, op, 0), DEPENDS_STEPWISE);
  for (bool changed = true; changed;) {
    changed = false;
    walk(map, body);
    for (int i = 0; i < carries; i++)
      changed |= put(map, body->params.data[1 + i], dependence_get(map, body->yields.data[i]));
    if (op->region_count < 2) continue;
    Block *condition = op->regions[1];
    for (int i = 0; i < carries; i++)
      changed |=
          put(map, condition->params.data[1 + i], dependence_get(map, body->params.data[1 + i]));
    walk(map, condition);
    trips = more(trips, at_most(dependence_get(map, condition->yields.data[0]), DEPENDS_STEPWISE));
  }
  for (int i = 0; i < op->result_count; i++) {
    Dependence kind = trips;
    if (i < (int)body->yields.count) kind = more(kind, dependence_get(map, body->yields.data[i]));
    if (i < carries) kind = more(kind, operand(map, op, 1 + i));
    put(map, op->results[i], kind);
  }
}

static Dependence through(const Map *map, const Op *op) {
  Dependence kind = DEPENDS_NOT;
  for (int i = 0; i < op->operand_count; i++) kind = more(kind, operand(map, op, i));
  if (op->code == OP_SELECT)
    return more(at_most(operand(map, op, 0), DEPENDS_STEPWISE),
                more(operand(map, op, 1), operand(map, op, 2)));
  if (op->code == OP_STOP) return DEPENDS_NOT;
  if (op_table[op->code].smoothness == SMOOTHNESS_STEPWISE) return at_most(kind, DEPENDS_STEPWISE);
  return kind;
}

static void walk(Map *map, Block *block) {
  for (Op *op = block->first; op; op = op->next) {
    if (op->code == OP_IF)
      walk_if(map, op);
    else if (op->code == OP_LOOP)
      walk_loop(map, op);
    else {
      Dependence kind = through(map, op);
      for (int i = 0; i < op->result_count; i++) put(map, op->results[i], kind);
    }
  }
}

Map *dependence_map(Arena *arena, Block *body, Value *const *sources, size_t count) {
  Map *map = map_create(arena);
  for (size_t i = 0; i < count; i++) put(map, sources[i], DEPENDS_SMOOTHLY);
  walk(map, body);
  return map;
}
