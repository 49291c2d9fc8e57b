// Turns the .blo files of the standard library, and pages of the documentation that bloc prints,
// into one C array file, at build time.
//
// Usage: embed OUTPUT file ...   Each .blo file becomes a `{ "name", text, length }` row of
// `library_modules`, each .md file one of `library_pages`; both end with a NULL row and are
// declared in compiler/drive/library.h.
#include <stdio.h>
#include <string.h>

static void write_name(FILE *out, const char *path) {
  const char *slash = strrchr(path, '/');
  const char *base = slash ? slash + 1 : path;
  const char *dot = strrchr(base, '.');
  fwrite(base, 1, dot ? (size_t)(dot - base) : strlen(base), out);
}

static int write_module(FILE *out, int number, const char *path) {
  FILE *in = fopen(path, "rb");
  if (!in) {
    perror(path);
    return 1;
  }
  fprintf(out, "static const unsigned char text_%d[] = {", number);
  long length = 0;
  for (int c; (c = fgetc(in)) != EOF; length++) fprintf(out, length % 20 ? "%d," : "\n  %d,", c);
  fprintf(out, "\n  0};\nenum { length_%d = %ld };\n", number, length);
  int failed = ferror(in);
  fclose(in);
  return failed;
}

static void write_table(FILE *out, const char *table, const char *ending, int argc, char **argv) {
  fprintf(out, "\nconst LibraryModule %s[] = {\n", table);
  for (int i = 2; i < argc; i++) {
    const char *dot = strrchr(argv[i], '.');
    if (!dot || strcmp(dot, ending) != 0) continue;
    fprintf(out, "  {\"");
    write_name(out, argv[i]);
    fprintf(out, "\", (const char *)text_%d, length_%d},\n", i, i);
  }
  fprintf(out, "  {0, 0, 0}};\n");
}

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  FILE *out = fopen(argv[1], "w");
  if (!out) {
    perror(argv[1]);
    return 1;
  }
  fprintf(out,
          "// Made by compiler/drive/main/embed.c from stdlib/*.blo and docs/errors.md.\n#include "
          "\"drive/library.h\"\n\n");
  for (int i = 2; i < argc; i++)
    if (write_module(out, i, argv[i])) return 1;
  write_table(out, "library_modules", ".blo", argc, argv);
  write_table(out, "library_pages", ".md", argc, argv);
  return fclose(out) != 0;
}
