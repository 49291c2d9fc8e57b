// Source files and places in them.
//
// Enters: text from a file, from the embedded library or from a test. Leaves: `Source` objects with
// line tables, and `Span`s that name a range of one of them.
#ifndef BLO_LANG_TEXT_SOURCE_H
#define BLO_LANG_TEXT_SOURCE_H

#include "base/arena.h"
#include "base/intern.h"
#include <stdbool.h>
#include <stdint.h>

/// A range of bytes [start, end) of source number `source`; `source` 0 means "no place".
typedef struct Span {
  uint32_t source, start, end;
} Span;

typedef struct Source {
  const char *path; // as shown to the user
  const char *text; // NUL-terminated
  size_t length;    // bytes, at most 2^31
  uint32_t *lines;  // byte offset of each line's first character
  size_t line_count;
  bool library; // part of the embedded standard library
} Source;

typedef struct Position {
  uint32_t line, column; // both from 1; columns count code points
} Position;

typedef struct Sources Sources;

Sources *sources_create(Arena *arena);
/// Adds a text and returns its number (1, 2, ...).  The text is copied.
uint32_t sources_add(Sources *sources, const char *path, const char *text, size_t length,
                     bool library);
const Source *source_get(const Sources *sources, uint32_t number);
Position source_position(const Source *source, uint32_t offset);
/// The smallest span that holds both.
Span span_join(Span a, Span b);

/// How modules are found: returns the text of module `name` and fills path, or NULL when there is
/// none.  `lang/` never knows whether a module comes from a folder or from the embedded library.
/// `library` enters as true where only a module of the library will do, and leaves as what it is.
typedef struct SourceLoader {
  const char *(*load)(void *self, const char *name, const char **path, size_t *length,
                      bool *library);
  void *self;
  const char *const *modules; // names of the library's modules, ends with NULL; or NULL
} SourceLoader;

#endif
