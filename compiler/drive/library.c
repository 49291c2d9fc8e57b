// Finding modules: beside the program, in an override folder, or inside bloc. See library.h.
#include "drive/library.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

char *file_read(Arena *arena, const char *path, size_t *length) {
  enum { LARGEST = 64 * 1024 * 1024 };
  FILE *file = fopen(path, "rb");
  if (!file) return NULL;
  size_t capacity = 4096, count = 0;
  char *text = arena_alloc(arena, capacity);
  for (;;) {
    size_t got = fread(text + count, 1, capacity - count - 1, file);
    count += got;
    if (got == 0) break;
    if (count + 1 < capacity) continue;
    if (capacity >= LARGEST) {
      fclose(file);
      errno = EFBIG;
      return NULL;
    }
    char *grown = arena_alloc(arena, capacity * 2);
    memcpy(grown, text, count);
    text = grown;
    capacity *= 2;
  }
  int failed = ferror(file) ? EIO : 0;
  fclose(file);
  if (failed) {
    errno = failed;
    return NULL;
  }
  text[count] = 0;
  *length = count;
  return text;
}

static char *read_module(Arena *arena, const char *folder, const char *name, const char **path,
                         size_t *length) {
  if (!folder) return NULL;
  char *candidate = arena_printf(arena, "%s/%s.blo", folder, name);
  char *text = file_read(arena, candidate, length);
  if (text) *path = candidate;
  return text;
}

static const char *load_module(void *self, const char *name, const char **path, size_t *length,
                               bool *library) {
  Library *l = self;
  bool only_library = *library;
  *library = false;
  size_t stem = strlen(name) > 4 ? strlen(name) - 4 : 0;
  if (stem && strcmp(name + stem, ".blo") == 0) { // a path from the program's folder
    char *path_name = arena_printf(l->arena, "%.*s", (int)stem, name);
    return read_module(l->arena, l->program_folder, path_name, path, length);
  }
  if (strchr(name, '/')) return NULL; // a module name, never a path
  const char *text = NULL;
  if (!only_library) text = read_module(l->arena, l->program_folder, name, path, length);
  if (text) return text;
  *library = true;
  text = read_module(l->arena, l->override_folder, name, path, length);
  if (text) return text;
  for (const LibraryModule *module = library_modules; module->name; module++)
    if (strcmp(module->name, name) == 0) {
      *path = arena_printf(l->arena, "stdlib/%s.blo", name);
      *length = (size_t)module->length;
      return module->text;
    }
  return NULL;
}

SourceLoader library_loader(Library *library) {
  size_t count = 0;
  while (library_modules[count].name) count++;
  const char **names = ARENA_ARRAY(library->arena, const char *, count + 1);
  for (size_t i = 0; i <= count; i++) names[i] = library_modules[i].name;
  return (SourceLoader){.load = load_module, .self = library, .modules = names};
}
