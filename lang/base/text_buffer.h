// A growing string, for printers.
#ifndef BLO_LANG_BASE_TEXT_BUFFER_H
#define BLO_LANG_BASE_TEXT_BUFFER_H

#include "base/arena.h"
#include <stdarg.h>

typedef struct TextBuffer {
  Arena *arena;
  char *data; // always NUL-terminated once something was written
  size_t count, capacity;
} TextBuffer;

TextBuffer text_buffer(Arena *arena);
void text_add(TextBuffer *buffer, const char *text);
void text_add_range(TextBuffer *buffer, const char *text, size_t length);
void text_addf(TextBuffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
/// The text so far; "" when nothing was written.
const char *text_string(const TextBuffer *buffer);

#endif
