// Interned names: equal text has an equal pointer, so names compare with `==`.
#ifndef BLO_LANG_BASE_INTERN_H
#define BLO_LANG_BASE_INTERN_H

#include "base/arena.h"

/// An interned, NUL-terminated string.  Two names are the same name iff the pointers are equal.
typedef const char *Name;

typedef struct Interner Interner;

Interner *interner_create(Arena *arena);
Name intern(Interner *names, const char *text);
Name intern_range(Interner *names, const char *text, size_t length);
Name intern_printf(Interner *names, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
