// The five small containers of lang/base: arena, growable array, names, map, text buffer.
#include "base/arena.h"
#include "base/intern.h"
#include "base/map.h"
#include "base/text_buffer.h"
#include "base/vec.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_CHUNK = 64 * 1024, ARENA_ALIGN = 16 };

typedef struct Chunk {
  struct Chunk *next;
  size_t used, size;
} Chunk;

struct Arena {
  Chunk *chunks;
};

_Noreturn static void out_of_memory(size_t size) {
  fprintf(stderr, "bloc: out of memory (%zu bytes)\n", size);
  exit(1);
}

static void *must_allocate(size_t size) {
  void *memory = calloc(1, size);
  if (!memory) out_of_memory(size);
  return memory;
}

Arena *arena_create(void) {
  return must_allocate(sizeof(Arena));
}

void arena_destroy(Arena *arena) {
  if (!arena) return;
  for (Chunk *chunk = arena->chunks; chunk;) {
    Chunk *next = chunk->next;
    free(chunk);
    chunk = next;
  }
  free(arena);
}

void *arena_alloc(Arena *arena, size_t size) {
  const size_t header = (sizeof(Chunk) + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
  if (size > SIZE_MAX - header - ARENA_CHUNK) out_of_memory(SIZE_MAX);
  size = (size + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
  if (size == 0) size = ARENA_ALIGN;
  Chunk *chunk = arena->chunks;
  if (!chunk || chunk->size - chunk->used < size) {
    // A large block gets a chunk of its own behind the current one, which keeps its free space.
    size_t payload = size > ARENA_CHUNK / 4 ? size : ARENA_CHUNK;
    Chunk *fresh = must_allocate(header + payload);
    fresh->size = payload;
    if (chunk && payload == size && size > ARENA_CHUNK / 4) {
      fresh->next = chunk->next;
      chunk->next = fresh;
    } else {
      fresh->next = chunk;
      arena->chunks = fresh;
    }
    chunk = fresh;
  }
  void *memory = (char *)chunk + header + chunk->used;
  chunk->used += size;
  return memory;
}

void *arena_alloc_array(Arena *arena, size_t count, size_t size) {
  if (size && count > SIZE_MAX / size) out_of_memory(SIZE_MAX);
  return arena_alloc(arena, count * size);
}

void *arena_copy(Arena *arena, const void *data, size_t size) {
  void *copy = arena_alloc(arena, size);
  if (size) memcpy(copy, data, size);
  return copy;
}

char *arena_string(Arena *arena, const char *text, size_t length) {
  char *copy = arena_alloc(arena, length + 1);
  if (length) memcpy(copy, text, length);
  return copy;
}

char *arena_vprintf(Arena *arena, const char *format, va_list arguments) {
  if (!format) format = "";
  va_list again;
  va_copy(again, arguments);
  int length = vsnprintf(NULL, 0, format, arguments);
  char *text = arena_alloc(arena, (size_t)(length < 0 ? 0 : length) + 1);
  if (length > 0) vsnprintf(text, (size_t)length + 1, format, again);
  va_end(again);
  return text;
}

char *arena_printf(Arena *arena, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  char *text = arena_vprintf(arena, format, arguments);
  va_end(arguments);
  return text;
}

void *vec_grow(Arena *arena, void *data, size_t count, size_t *capacity, size_t element_size) {
  size_t wanted = *capacity ? *capacity * 2 : 8;
  void *grown = arena_alloc_array(arena, wanted, element_size);
  if (count) memcpy(grown, data, count * element_size);
  *capacity = wanted;
  return grown;
}

uint64_t hash_mix(uint64_t seed, uint64_t word) {
  uint64_t h = seed ^ (word + 0x9e3779b97f4a7c15u + (seed << 6) + (seed >> 2));
  h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9u;
  h = (h ^ (h >> 27)) * 0x94d049bb133111ebu;
  return h ^ (h >> 31);
}

uint64_t hash_bytes(uint64_t seed, const void *data, size_t size) {
  const unsigned char *bytes = data;
  uint64_t h = seed ^ 0xcbf29ce484222325u;
  for (size_t i = 0; i < size; i++) h = (h ^ bytes[i]) * 0x100000001b3u;
  return hash_mix(h, size);
}

typedef struct {
  uint64_t hash;
  char *text;
} InternEntry;

struct Interner {
  Arena *arena;
  InternEntry *entries;
  size_t count, capacity; // capacity is a power of two
};

Interner *interner_create(Arena *arena) {
  Interner *names = ARENA_NEW(arena, Interner);
  names->arena = arena;
  names->capacity = 256;
  names->entries = ARENA_ARRAY(arena, InternEntry, names->capacity);
  return names;
}

static InternEntry *intern_slot(InternEntry *entries, size_t capacity, uint64_t hash,
                                const char *text, size_t length) {
  for (size_t i = (size_t)hash & (capacity - 1);; i = (i + 1) & (capacity - 1)) {
    InternEntry *entry = &entries[i];
    if (!entry->text) return entry;
    if (entry->hash == hash && strlen(entry->text) == length &&
        memcmp(entry->text, text, length) == 0)
      return entry;
  }
}

Name intern_range(Interner *names, const char *text, size_t length) {
  uint64_t hash = hash_bytes(0, text, length);
  InternEntry *entry = intern_slot(names->entries, names->capacity, hash, text, length);
  if (entry->text) return entry->text;
  entry->hash = hash;
  entry->text = arena_string(names->arena, text, length);
  Name name = entry->text;
  if (++names->count * 2 > names->capacity) {
    size_t capacity = names->capacity * 2;
    InternEntry *entries = ARENA_ARRAY(names->arena, InternEntry, capacity);
    for (size_t i = 0; i < names->capacity; i++) {
      InternEntry *old = &names->entries[i];
      if (old->text)
        *intern_slot(entries, capacity, old->hash, old->text, strlen(old->text)) = *old;
    }
    names->entries = entries;
    names->capacity = capacity;
  }
  return name;
}

Name intern(Interner *names, const char *text) {
  return intern_range(names, text, strlen(text));
}

Name intern_printf(Interner *names, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  char *text = arena_vprintf(names->arena, format, arguments);
  va_end(arguments);
  return intern(names, text);
}

typedef struct {
  const void *key;
  void *value;
} MapEntry;

struct Map {
  Arena *arena;
  MapEntry *entries;
  size_t count, capacity;
};

Map *map_create(Arena *arena) {
  Map *map = ARENA_NEW(arena, Map);
  map->arena = arena;
  map->capacity = 16;
  map->entries = ARENA_ARRAY(arena, MapEntry, map->capacity);
  return map;
}

static MapEntry *map_slot(MapEntry *entries, size_t capacity, const void *key) {
  size_t i = (size_t)hash_mix(0, (uint64_t)(uintptr_t)key) & (capacity - 1);
  while (entries[i].key && entries[i].key != key) i = (i + 1) & (capacity - 1);
  return &entries[i];
}

void *map_get(const Map *map, const void *key) {
  return map_slot(map->entries, map->capacity, key)->value;
}

bool map_has(const Map *map, const void *key) {
  return map_slot(map->entries, map->capacity, key)->key != NULL;
}

void map_put(Map *map, const void *key, void *value) {
  MapEntry *entry = map_slot(map->entries, map->capacity, key);
  if (!entry->key) map->count++;
  entry->key = key;
  entry->value = value;
  if (map->count * 2 <= map->capacity) return;
  size_t capacity = map->capacity * 2;
  MapEntry *entries = ARENA_ARRAY(map->arena, MapEntry, capacity);
  for (size_t i = 0; i < map->capacity; i++)
    if (map->entries[i].key) *map_slot(entries, capacity, map->entries[i].key) = map->entries[i];
  map->entries = entries;
  map->capacity = capacity;
}

size_t map_count(const Map *map) {
  return map->count;
}

TextBuffer text_buffer(Arena *arena) {
  return (TextBuffer){.arena = arena};
}

void text_add_range(TextBuffer *buffer, const char *text, size_t length) {
  if (buffer->capacity - buffer->count <= length) {
    size_t capacity = buffer->capacity ? buffer->capacity : 128;
    while (capacity - buffer->count <= length) capacity *= 2;
    char *grown = arena_alloc(buffer->arena, capacity);
    if (buffer->count) memcpy(grown, buffer->data, buffer->count);
    buffer->data = grown;
    buffer->capacity = capacity;
  }
  memcpy(buffer->data + buffer->count, text, length);
  buffer->count += length;
  buffer->data[buffer->count] = 0;
}

void text_add(TextBuffer *buffer, const char *text) {
  text_add_range(buffer, text, strlen(text));
}

void text_addf(TextBuffer *buffer, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  char *text = arena_vprintf(buffer->arena, format, arguments);
  va_end(arguments);
  text_add(buffer, text);
}

const char *text_string(const TextBuffer *buffer) {
  return buffer->data ? buffer->data : "";
}
