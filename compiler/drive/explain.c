// `bloc explain E0301`: the section of docs/errors.md about a code, which travels inside bloc.
//
// The page is written for reading as it is; here the fences of its examples are replaced by a
// margin.
#include "drive/pipeline.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const char *section_of(const char *text, const char *code) {
  size_t length = strlen(code);
  for (const char *at = strstr(text, "\n### "); at; at = strstr(at + 1, "\n### "))
    if (strncmp(at + 5, code, length) == 0 && at[5 + length] == ' ') return at + 5;
  return NULL;
}

static void print_section(const char *section) {
  bool example = false;
  for (const char *line = section; *line;) {
    const char *end = strchr(line, '\n');
    int length = end ? (int)(end - line) : (int)strlen(line);
    if (line != section && line[0] == '#' && !example) return;
    if (strncmp(line, "```", 3) == 0) {
      example = !example;
      if (strncmp(line, "```blo-error", strlen("```blo-error")) == 0) printf("Wrong:\n");
    } else
      printf("%s%.*s\n", example && length ? "    " : "", length, line);
    line += length + (end != NULL);
  }
}

static int unknown_code(Arena *arena, const char *code) {
  const char **names = ARENA_ARRAY(arena, const char *, ERROR_CODE_COUNT);
  size_t count = 0;
  for (int i = 1; i < ERROR_CODE_COUNT; i++) names[count++] = error_code_text((ErrorCode)i);
  const char *close = closest_name(code, names, count);
  fprintf(stderr, "bloc: there is no diagnostic `%s`\n", code);
  if (close)
    fprintf(stderr, "      did you mean `%s`: %s?\n", close,
            error_code_title(error_code_find(close)));
  else
    fprintf(stderr, "      codes are those of messages, like E0301 or W0403\n");
  return 2;
}

int verb_explain(Arena *arena, const Options *options) {
  char *code = arena_string(arena, options->files.data[0], strlen(options->files.data[0]));
  code[0] = (char)toupper((unsigned char)code[0]);
  const char *section = NULL;
  for (const LibraryModule *page = library_pages; page->name && !section; page++)
    section = section_of(page->text, code);
  if (!section) return unknown_code(arena, code);
  print_section(section);
  return 0;
}
