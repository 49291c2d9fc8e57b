// Whether finished IR is seen to be convex or concave in some of its parameters, by the rules of
// disciplined convex programs: a sum of convex terms, an increasing convex function of one, a
// square of something affine. What is not seen may be convex all the same.
#ifndef BLO_DIFF_CURVATURE_H
#define BLO_DIFF_CURVATURE_H

#include "base/map.h"
#include "ir/ir.h"

typedef enum Curvature {
  CURVATURE_CONSTANT,
  CURVATURE_AFFINE,
  CURVATURE_CONVEX,
  CURVATURE_CONCAVE,
  CURVATURE_UNSEEN
} Curvature;

/// The curvature of every value of `body` (of its blocks inside, only whether they are constant) in
/// the sources; read with curvature_get.
Map *curvature_map(Arena *arena, Block *body, Value *const *sources, size_t count);
Curvature curvature_get(const Map *map, const Value *value);

#endif
