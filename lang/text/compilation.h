// What every pass of one compilation shares.
#ifndef BLO_LANG_TEXT_COMPILATION_H
#define BLO_LANG_TEXT_COMPILATION_H

#include "base/arena.h"
#include "base/intern.h"
#include "text/diagnostics.h"
#include "text/source.h"

typedef struct Compilation {
  Arena *arena; // lives as long as the compilation
  Interner *names;
  Sources *sources;
  Diagnostics *diagnostics;
  SourceLoader loader;
} Compilation;

Compilation *compilation_create(SourceLoader loader);
void compilation_destroy(Compilation *compilation);

#endif
