// Compiling solve blocks and methods for comparisons and checks. See competitor.h.
#include "drive/competitor.h"

#include "ir/bug.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The text before a `;` that no bracket encloses, without blanks around; `*rest` goes behind it.
static const char *take_part(Arena *arena, const char **rest) {
  const char *from = *rest + strspn(*rest, " \t\n"), *end = from;
  for (int depth = 0; *end && (depth > 0 || *end != ';'); end++)
    depth += (strchr("([{", *end) != NULL) - (strchr(")]}", *end) != NULL);
  *rest = *end ? end + 1 : end;
  while (end > from && strchr(" \t\n", end[-1])) end--;
  return arena_string(arena, from, (size_t)(end - from));
}

// What a competitor says itself stands before `--set`: that of the same key, or of a part of it, is
// gone.
static void drop_settings(Competitor *competitor, const char *key) {
  size_t length = strlen(key), kept = 0;
  SettingOverride *data = competitor->options.overrides.data;
  for (size_t i = 0; i < competitor->options.overrides.count; i++) {
    char next = strncmp(data[i].key, key, length) ? 'x' : data[i].key[length];
    if (next && next != '.') data[kept++] = data[i];
  }
  competitor->options.overrides.count = kept;
}

static bool add_setting(Arena *arena, Competitor *competitor, const char *part) {
  size_t length = strcspn(part, "=");
  while (length && part[length - 1] == ' ') length--;
  const char *equal = strchr(part, '=');
  if (!equal || !length || length != strcspn(part, " =([{")) {
    fprintf(stderr,
            "bloc: `%s`: after the `;` of a competitor come settings, `upper.iters = 100`\n",
            competitor->name);
    return false;
  }
  SettingOverride setting = {arena_string(arena, part, length), equal + 1};
  drop_settings(competitor, setting.key);
  VEC_PUSH(arena, &competitor->options.overrides, setting);
  return true;
}

Competitor *competitor_create(Arena *arena, const Options *options, const char *name) {
  Competitor *competitor = ARENA_NEW(arena, Competitor);
  competitor->name = name;
  competitor->options = *options;
  // a list of its own: the growth of one must not write into another
  competitor->options.overrides.data = NULL;
  competitor->options.overrides.count = competitor->options.overrides.capacity = 0;
  for (size_t i = 0; i < options->overrides.count; i++)
    VEC_PUSH(arena, &competitor->options.overrides, options->overrides.data[i]);
  const char *rest = name, *first = take_part(arena, &rest);
  if (strchr(first, '(')) { // no solve block is called so
    SettingOverride chosen = {"method", first};
    VEC_PUSH(arena, &competitor->options.overrides, chosen);
  } else {
    competitor->options.solve = first[0] ? first : NULL;
  }
  while (*rest) {
    const char *part = take_part(arena, &rest);
    if (part[0] && !add_setting(arena, competitor, part)) return NULL;
  }
  return competitor;
}

Competitor *competitor_create_judge(Arena *arena, const Options *options, const char *name) {
  Options plain = *options;
  plain.overrides.count = 0;
  return competitor_create(arena, &plain, name);
}

// "ridge.blo:14:3: error[E0420]: ..": the first error, without the warnings before it.
static const char *first_error(Arena *arena, const Diagnostics *diagnostics) {
  char *text = NULL;
  size_t length = 0;
  FILE *stream = open_memstream(&text, &length);
  REQUIRE(stream, "no memory for a message");
  diagnostics_print(diagnostics, stream, ERRORS_SHORT, false, 1);
  fclose(stream);
  const char *line = text, *error;
  while ((error = strstr(line, "error[")) && memchr(line, '\n', (size_t)(error - line)))
    line = strchr(line, '\n') + 1;
  const char *first = arena_string(arena, line, strcspn(line, "\n"));
  free(text);
  return first;
}

static int compile(Competitor *competitor, CompetitorUse use, Judging judging,
                   RuntimeOptions *run) {
  Pipeline *p = &competitor->pipeline;
  const Options *options = &competitor->options;
  if (!pipeline_front(p, run->arena, options, options->files.data[0])) return 1;
  BuildOptions build = pipeline_build_options(p);
  build.count_oracles = true;
  build.judging = judging;
  build.synthetic = use.synthetic;
  int status = pipeline_compile_for_data(p, &build, run);
  const Diagnostics *diagnostics = p->compilation ? p->compilation->diagnostics : NULL;
  bool refused = status && diagnostics && diagnostics_errors(diagnostics);
  competitor->refused = refused ? first_error(run->arena, diagnostics) : NULL;
  return status;
}

// What a program says that writes out the rows of its batches is seen when its objectives are built
// on whole tables: then it is built again for parts of them.
int competitor_compile(Competitor *competitor, CompetitorUse use, RuntimeOptions *run) {
  int status = compile(competitor, use, JUDGE_WHOLE, run);
  const Compilation *tried = competitor->pipeline.compilation;
  if (status && tried && diagnostics_errors(tried->diagnostics)) {
    pipeline_destroy(&competitor->pipeline);
    status = compile(competitor, use, JUDGE_PARTS, run);
    competitor->in_parts = !status;
  }
  if (status && use.silent) return status;
  int reported = pipeline_report(&competitor->pipeline);
  return status ? status : reported;
}

blo_competitor competitor_program(const Competitor *competitor) {
  const char *name = competitor->name[0] ? competitor->name : "(unnamed)";
  return (blo_competitor){name, competitor->refused ? NULL : competitor->pipeline.built->program,
                          competitor->refused};
}
