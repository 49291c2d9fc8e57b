// What depends on what in finished IR, and how: not at all, only through steps (sign, floor,
// comparisons, conditions), or with a derivative that may differ from zero.
#ifndef BLO_DIFF_DEPENDENCE_H
#define BLO_DIFF_DEPENDENCE_H

#include "base/map.h"
#include "ir/ir.h"

typedef enum Dependence { DEPENDS_NOT, DEPENDS_STEPWISE, DEPENDS_SMOOTHLY } Dependence;

/// How every value of `body` (nested blocks included) depends on the sources; read with
/// dependence_get.
Map *dependence_map(Arena *arena, Block *body, Value *const *sources, size_t count);
Dependence dependence_get(const Map *map, const Value *value);

#endif
