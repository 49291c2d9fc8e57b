// Level checks: is the bilevel problem one, and can its method see it?
//
// Enters: F, f, the start values and the hypergradient as IR functions over (x, y, ...). Leaves:
// diagnostics (E0401, E0402, E0411, E0421, W0403). Changes nothing. `build_program` calls it
// through BuildOptions.check_levels, because this folder comes after compiler/build.
#ifndef BLO_LEVELS_LEVELS_H
#define BLO_LEVELS_LEVELS_H

#include "build/build.h"

void levels_check(Compilation *compilation, const LevelProblem *problem);

#endif
