// Source texts with line tables.
//
// Enters: bytes. Leaves: `Source` objects whose offsets become lines and columns on demand. Line
// starts are found once, when the text is added; a column is counted when somebody asks.
#include "text/source.h"

#include "base/vec.h"

#include <string.h>

struct Sources {
  Arena *arena;
  VEC(Source *) list;
};

Sources *sources_create(Arena *arena) {
  Sources *sources = ARENA_NEW(arena, Sources);
  sources->arena = arena;
  return sources;
}

static void find_lines(Arena *arena, Source *source) {
  size_t count = 1;
  for (size_t i = 0; i < source->length; i++) count += source->text[i] == '\n';
  source->lines = ARENA_ARRAY(arena, uint32_t, count);
  source->line_count = 1;
  for (size_t i = 0; i < source->length; i++)
    if (source->text[i] == '\n') source->lines[source->line_count++] = (uint32_t)(i + 1);
}

uint32_t sources_add(Sources *sources, const char *path, const char *text, size_t length,
                     bool library) {
  const size_t limit = (size_t)1 << 31;
  Source *source = ARENA_NEW(sources->arena, Source);
  source->path = arena_string(sources->arena, path, strlen(path));
  source->length = length < limit ? length : limit;
  source->text = arena_string(sources->arena, text, source->length);
  source->library = library;
  find_lines(sources->arena, source);
  VEC_PUSH(sources->arena, &sources->list, source);
  return (uint32_t)sources->list.count;
}

const Source *source_get(const Sources *sources, uint32_t number) {
  if (number == 0 || number > sources->list.count) return NULL;
  return sources->list.data[number - 1];
}

Position source_position(const Source *source, uint32_t offset) {
  if (offset > source->length) offset = (uint32_t)source->length;
  size_t low = 0, high = source->line_count;
  while (high - low > 1) {
    size_t middle = low + (high - low) / 2;
    if (source->lines[middle] <= offset)
      low = middle;
    else
      high = middle;
  }
  uint32_t column = 1;
  for (uint32_t i = source->lines[low]; i < offset; i++)
    if (((unsigned char)source->text[i] & 0xc0) != 0x80) column++;
  return (Position){.line = (uint32_t)(low + 1), .column = column};
}

Span span_join(Span a, Span b) {
  if (!a.source) return b;
  if (!b.source || a.source != b.source) return a;
  if (b.start < a.start) a.start = b.start;
  if (b.end > a.end) a.end = b.end;
  return a;
}
