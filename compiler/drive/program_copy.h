// A program's description apart from the compilation that made it, so that trees, IR and plans need
// no memory while the program runs.
#ifndef BLO_DRIVE_PROGRAM_COPY_H
#define BLO_DRIVE_PROGRAM_COPY_H

#include "base/arena.h"
#include <blo/program.h>

/// A copy without the tests; entries keep their code.
const blo_program *program_copy(Arena *arena, const blo_program *from);

#endif
