// The standard library and how modules are found.
//
// Enters: the embedded modules (made from stdlib/*.blo at build time) and, when given, a folder
// that overrides them. Leaves: a SourceLoader for lang/.
#ifndef BLO_DRIVE_LIBRARY_H
#define BLO_DRIVE_LIBRARY_H

#include "text/source.h"

typedef struct LibraryModule {
  const char *name, *text;
  long length;
} LibraryModule;

extern const LibraryModule library_modules[]; // ends with a NULL name
extern const LibraryModule library_pages[];   // of docs/, the same way

typedef struct Library {
  Arena *arena;
  const char *override_folder; // --std DIR, or NULL
  const char *program_folder;  // folder of the user's program: his own modules, or NULL
} Library;

/// A module is looked for beside the program, then in the override folder, then among the embedded
/// ones.
SourceLoader library_loader(Library *library);

/// The whole of a file in an arena, NUL-terminated; NULL with errno set when it cannot be read or
/// is larger than 64 MiB.
char *file_read(Arena *arena, const char *path, size_t *length);

#endif
