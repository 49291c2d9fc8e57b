// Bump allocation: memory that lives exactly as long as a compilation or a pass.
//
// Enters: sizes. Leaves: zeroed, 16-byte aligned memory that is never freed one by one.
// Running out of memory ends the compiler with a message; nothing here returns NULL.
#ifndef BLO_LANG_BASE_ARENA_H
#define BLO_LANG_BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

typedef struct Arena Arena;

Arena *arena_create(void);
void arena_destroy(Arena *arena);

/// Zeroed memory of `size` bytes.
void *arena_alloc(Arena *arena, size_t size);
/// Zeroed memory for `count` objects of `size` bytes; checks that the product does not overflow.
void *arena_alloc_array(Arena *arena, size_t count, size_t size);
void *arena_copy(Arena *arena, const void *data, size_t size);
char *arena_string(Arena *arena, const char *text, size_t length);
char *arena_printf(Arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(Arena *arena, const char *format, va_list arguments);

#define ARENA_NEW(arena, T)          ((T *)arena_alloc((arena), sizeof(T)))
#define ARENA_ARRAY(arena, T, count) ((T *)arena_alloc_array((arena), (count), sizeof(T)))

#endif
