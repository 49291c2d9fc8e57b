// One compilation: the arena everything lives in, the names, the sources, the diagnostics.
#include "text/compilation.h"

Compilation *compilation_create(SourceLoader loader) {
  Arena *arena = arena_create();
  Compilation *compilation = ARENA_NEW(arena, Compilation);
  compilation->arena = arena;
  compilation->names = interner_create(arena);
  compilation->sources = sources_create(arena);
  compilation->diagnostics = diagnostics_create(arena, compilation->sources);
  compilation->loader = loader;
  return compilation;
}

void compilation_destroy(Compilation *compilation) {
  if (compilation) arena_destroy(compilation->arena);
}
