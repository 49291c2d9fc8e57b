// `bloc test`: the `test` blocks of programs, each compiled and run like a program of its own.
#include "drive/pipeline.h"

#include "drive/runtime_options.h"
#include <blo/driver.h>

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct Tally {
  int passed, failed;
} Tally;

typedef VEC(const char *) PathList;

static int compare_paths(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/// Adds `path`, or every .blo below it in order of name, symbolic links not followed.
static void collect(Arena *arena, const char *path, int depth, PathList *paths) {
  struct stat status;
  if (lstat(path, &status) == 0 && S_ISDIR(status.st_mode) && depth < 32) {
    DIR *folder = opendir(path);
    PathList entries = {0};
    for (struct dirent *entry; folder && (entry = readdir(folder));)
      if (entry->d_name[0] != '.')
        VEC_PUSH(arena, &entries, arena_printf(arena, "%s/%s", path, entry->d_name));
    if (folder) closedir(folder);
    if (entries.count) qsort(entries.data, entries.count, sizeof *entries.data, compare_paths);
    for (size_t i = 0; i < entries.count; i++) collect(arena, entries.data[i], depth + 1, paths);
    return;
  }
  const char *dot = strrchr(path, '.');
  if (depth == 0 || (dot && strcmp(dot, ".blo") == 0)) VEC_PUSH(arena, paths, path);
}

enum { SHOWN = 8 }; // values of a side

static void print_value(const char *label, const blo_array *array, int digits) {
  if (!array->data) return;
  size_t count = blo_array_count(array);
  printf("    %s", label);
  for (size_t i = 0; i < count && i < SHOWN; i++) {
    double value = blo_array_element(array, i);
    if (isnan(value))
      fputs(" nan", stdout); // its sign means nothing
    else
      printf(" %.*g", digits, value);
  }
  if (count > SHOWN) printf(" ... (%zu entries)", count);
  putchar('\n');
}

/// 15 digits, or all 17 where two different values would look the same.
static int digits_of(const blo_array *left, const blo_array *right) {
  if (!left->data || !right->data) return 15;
  size_t count = blo_array_count(left), other = blo_array_count(right);
  for (size_t i = 0; i < count && i < other && i < SHOWN; i++) {
    double a = blo_array_element(left, i), b = blo_array_element(right, i);
    char a_text[40], b_text[40];
    snprintf(a_text, sizeof a_text, "%.15g", a);
    snprintf(b_text, sizeof b_text, "%.15g", b);
    if (a != b && strcmp(a_text, b_text) == 0) return 17;
  }
  return 15;
}

static void print_expectations(const blo_test *test, const blo_test_result *result) {
  for (size_t i = 0; i < test->expect_count; i++) {
    const blo_expect_result *r = &result->expects[i];
    if (r->ok) continue;
    printf("  %s: %s\n", test->expects[i].place, test->expects[i].text);
    int digits = digits_of(&r->left, &r->right);
    print_value("left ", &r->left, digits);
    print_value("right", &r->right, digits);
    if (r->has_error) printf("    largest violation %g\n", r->error);
  }
}

static bool wants_code(const blo_test *test, const char *code) {
  for (size_t i = 0; i < test->code_count; i++)
    if (strcmp(test->codes[i], code) == 0) return true;
  return false;
}

static bool was_raised(const blo_program *program, const blo_test_result *result,
                       const char *code) {
  for (size_t i = 0; i < program->note_count; i++)
    if (result->notes[i] && strcmp(program->notes[i].code, code) == 0) return true;
  return false;
}

/// Errors that were raised and not expected, and codes expected that did not occur: how many.
static int wrong_notes(const blo_program *program, const blo_test *test,
                       const blo_test_result *result) {
  int count = 0;
  for (size_t i = 0; i < program->note_count; i++) {
    const blo_note *note = &program->notes[i];
    count += result->notes[i] && note->code[0] == 'E' && !wants_code(test, note->code);
  }
  for (size_t k = 0; k < test->code_count; k++)
    count += !was_raised(program, result, test->codes[k]);
  return count;
}

/// In which step of a run a stage was first not finite: that many were begun before.
static int64_t lost_step(const blo_program *program, const blo_test_result *result,
                         const blo_note *lost, size_t length) {
  const char *stage = lost->text + strlen(RUN_LOST);
  for (size_t i = 0; i < program->note_count; i++) {
    const char *text = program->notes[i].text;
    if (strncmp(text, RUN_STEPS, strlen(RUN_STEPS)) != 0) continue;
    text += strlen(RUN_STEPS);
    if (strlen(text) == length && !strncmp(text, stage, length) &&
        !strcmp(program->notes[i].place, lost->place))
      return result->notes[i];
  }
  return 0;
}

/// What a failed test ran into: values of `run()` that were not finite, warnings, and the errors
/// that it expects, which may be why the rest of it fails.
static void print_notes(const blo_program *program, const blo_test *test,
                        const blo_test_result *result) {
  for (size_t i = 0; i < program->note_count; i++) {
    const blo_note *note = &program->notes[i];
    if (!result->notes[i]) continue;
    if (strncmp(note->text, RUN_LOST, strlen(RUN_LOST)) == 0 && note->code[0] != 'E') {
      const char *stage = note->text + strlen(RUN_LOST);
      size_t length = strcspn(stage, ":");
      printf("  %s: run() diverged in step %lld of stage %.*s%s is not finite\n", note->place,
             (long long)lost_step(program, result, note, length), (int)length, stage,
             stage + length);
    } else if (note->code[0] == 'E' || note->code[0] == 'W') {
      printf("  %s: %s[%s]: %s\n", note->place, note->code[0] == 'E' ? "error" : "warning",
             note->code, note->text);
    }
  }
  for (size_t k = 0; k < test->code_count; k++)
    if (!was_raised(program, result, test->codes[k]))
      printf("  %s was expected and did not occur\n", test->codes[k]);
}

static void run_test(const blo_program *program, const blo_test *test, RuntimeOptions *run,
                     const char *path, Tally *tally) {
  blo_test_options options = {
      .seed = run->options.seed, .dims = run->options.dims, .dim_count = run->options.dim_count};
  blo_test_result result;
  blo_status status = blo_run_test(run->options.context, program, test, &options, &result);
  bool passed = status == BLO_OK && result.failed == 0 && wrong_notes(program, test, &result) == 0;
  printf("%s %s: %s\n", passed ? "ok  " : "FAIL", path, test->name);
  if (status != BLO_OK) {
    fflush(stdout);
    blo_print_error_as(run->options.context, run->options.errors);
  } else if (!passed) {
    print_notes(program, test, &result);
    if (result.failed) print_expectations(test, &result);
  }
  blo_test_result_release(&result);
  if (passed)
    tally->passed++;
  else
    tally->failed++;
}

static bool has_tests(const Node *file) {
  for (size_t i = 0; file && i < file->as.file.items.count; i++)
    if (file->as.file.items.data[i]->kind == ITEM_TEST) return true;
  return false;
}

static bool is_chosen(const Options *options, const Node *item) {
  return item->kind == ITEM_TEST &&
         (!options->filter || strstr(item->as.test.name, options->filter));
}

static bool has_errors_in(const Diagnostics *diagnostics, Span span) {
  for (int code = ERROR_NONE + 1; code < ERROR_CODE_COUNT; code++)
    if (error_code_text((ErrorCode)code)[0] == 'E' &&
        diagnostics_count_code(diagnostics, (ErrorCode)code, span))
      return true;
  return false;
}

/// Names the tests of a file that does not compile: those with a mistake inside, or all, since the
/// mistake is in what they share. How many, or 1 for the file alone.
static int print_uncompiled(const Pipeline *p, const char *path) {
  static const NodeList none;
  const NodeList *items = p->file ? &p->file->as.file.items : &none;
  int count = 0;
  for (int pass = 0; pass < 2 && !count; pass++) {
    for (size_t i = 0; i < items->count; i++) {
      const Node *item = items->data[i];
      if (!is_chosen(p->options, item)) continue;
      if (pass == 0 && !has_errors_in(p->compilation->diagnostics, item->span)) continue;
      printf("FAIL %s: %s (does not compile)\n", path, item->as.test.name);
      count++;
    }
  }
  if (count) return count;
  printf("FAIL %s\n", path);
  return 1;
}

static void run_file(Arena *arena, const Options *options, RuntimeOptions *run, const char *path,
                     Tally *tally) {
  Pipeline p;
  bool sound = pipeline_front(&p, arena, options, path);
  if (sound && has_tests(p.file)) {
    BuildOptions build = pipeline_build_options(&p);
    build.tests = true;
    sound = pipeline_build(&p, &build);
    if (sound) {
      pipeline_optimize(&p);
      if (options->interpret) {
        pipeline_interpret(&p);
      } else {
        pipeline_emit(&p, options->target);
        pipeline_jit(&p);
      }
      pipeline_describe_notes(&p);
      const blo_program *program = p.built->program;
      for (size_t i = 0; i < program->test_count; i++)
        run_test(program, &program->tests[i], run, path, tally);
      if (options->kernels)
        printf("     %s: %d kernels, compiled in %.0f ms\n", path, p.kernels, 1e3 * p.seconds);
    }
  }
  fflush(stdout);
  pipeline_report(&p);
  if (!sound) tally->failed += print_uncompiled(&p, path);
  pipeline_destroy(&p);
}

int verb_test(Arena *arena, const Options *options) {
  RuntimeOptions run;
  int status = runtime_options_parse(arena, options, &run);
  if (status) return status;
  PathList paths = {0};
  for (size_t i = 0; i < options->files.count; i++)
    collect(arena, options->files.data[i], 0, &paths);
  Tally tally = {0};
  for (size_t i = 0; i < paths.count; i++) {
    // One arena a file: a folder may hold many programs.
    Arena *own = arena_create();
    run_file(own, options, &run, paths.data[i], &tally);
    arena_destroy(own);
  }
  if (tally.passed + tally.failed) {
    printf("%d passed, %d failed\n", tally.passed, tally.failed);
  } else {
    printf("nothing to run: no %s in %s%s\n",
           options->filter ? "test with such a name" : "`test` block", options->files.data[0],
           options->files.count > 1 ? " ..." : "");
  }
  runtime_options_destroy(&run);
  return tally.failed || !tally.passed ? 1 : 0;
}
