// Sources, positions and diagnostics.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text_buffer.h"
#include "text/compilation.h"

#include <stdlib.h>
#include <string.h>

static Span span_of(const Source *source, uint32_t number, const char *part) {
  const char *at = strstr(source->text, part);
  assert_non_null(at);
  uint32_t start = (uint32_t)(at - source->text);
  return (Span){number, start, start + (uint32_t)strlen(part)};
}

static void positions_count_code_points(void **state) {
  (void)state;
  Compilation *c = compilation_create((SourceLoader){0});
  const char *text = "ab\n// \xc3\xa4\xe2\x82\xac x\n\nlast";
  uint32_t number = sources_add(c->sources, "a.blo", text, strlen(text), false);
  const Source *source = source_get(c->sources, number);
  assert_int_equal(source->line_count, 4);
  Position p = source_position(source, (uint32_t)(strchr(text, 'x') - text));
  assert_int_equal(p.line, 2);
  assert_int_equal(p.column, 7);
  p = source_position(source, (uint32_t)strlen(text));
  assert_int_equal(p.line, 4);
  assert_int_equal(p.column, 5);
  p = source_position(source, 1000);
  assert_int_equal(p.line, 4);
  assert_null(source_get(c->sources, 0));
  assert_null(source_get(c->sources, 2));
  compilation_destroy(c);
}

static void spans_join(void **state) {
  (void)state;
  Span a = {1, 5, 9}, b = {1, 2, 6}, none = {0}, other = {2, 0, 1};
  Span joined = span_join(a, b);
  assert_int_equal(joined.start, 2);
  assert_int_equal(joined.end, 9);
  assert_int_equal(span_join(none, a).start, 5);
  assert_int_equal(span_join(a, none).end, 9);
  assert_int_equal(span_join(a, other).source, 1);
}

static char *printed(const Diagnostics *diagnostics, ErrorFormat format, size_t limit) {
  char *text = NULL;
  size_t size = 0;
  FILE *stream = open_memstream(&text, &size);
  diagnostics_print(diagnostics, stream, format, false, limit);
  fclose(stream);
  return text;
}

static void expect_print(const Diagnostics *diagnostics, ErrorFormat format, const char *wanted) {
  char *text = printed(diagnostics, format, 0);
  assert_string_equal(text, wanted);
  free(text);
}

static void excerpt_has_carets_and_places(void **state) {
  (void)state;
  Compilation *c = compilation_create((SourceLoader){0});
  const char *text = "dim n, d;\nminimize mean((w @ Xtr - ytr)^2);\n";
  uint32_t number = sources_add(c->sources, "ridge.blo", text, strlen(text), false);
  const Source *source = source_get(c->sources, number);
  Diagnostic *d =
      report(c->diagnostics, E0301, span_of(source, number, "@"), "these shapes do not fit `@`");
  diagnostic_label(d, span_of(source, number, "w"), "f64[d]");
  diagnostic_label(d, span_of(source, number, "Xtr"), "f64[n, d]");
  diagnostic_label(d, span_of(source, number, "d;"), "d is declared here");
  diagnostic_note(d, "the inner dims are d and n");
  diagnostic_help(d, "write `Xtr @ w`");
  expect_print(c->diagnostics, ERRORS_HUMAN,
               "error[E0301]: these shapes do not fit `@`\n"
               " --> ridge.blo:2:18\n"
               "  |\n"
               "1 | dim n, d;\n"
               "  |        ^^ d is declared here\n"
               "2 | minimize mean((w @ Xtr - ytr)^2);\n"
               "  |                ^ ^ ^^^ f64[n, d]\n"
               "  |                f64[d]\n"
               "  = the inner dims are d and n\n"
               "  = help: write `Xtr @ w`\n"
               "\n"
               "1 error\n");
  expect_print(c->diagnostics, ERRORS_SHORT,
               "ridge.blo:2:18: error[E0301]: these shapes do not fit `@`\n1 error\n");
  char *json = printed(c->diagnostics, ERRORS_JSON, 0);
  assert_non_null(strstr(json, "\"code\":\"E0301\""));
  assert_non_null(strstr(json, "\"line\":2,\"column\":18,"));
  assert_non_null(strstr(json, "\"help\":[\"write `Xtr @ w`\"]"));
  free(json);
  compilation_destroy(c);
}

static void list_is_sorted_and_bounded(void **state) {
  (void)state;
  Compilation *c = compilation_create((SourceLoader){0});
  uint32_t number = sources_add(c->sources, "a.blo", "abcdefgh", 8, false);
  for (uint32_t i = 8; i-- > 0;)
    report(c->diagnostics, E0101, (Span){number, i, i + 1}, "mistake %u", i);
  report(c->diagnostics, E0101, (Span){number, 3, 4}, "said again");
  report(c->diagnostics, W0201, (Span){number, 3, 4}, "a warning");
  assert_int_equal(diagnostics_errors(c->diagnostics), 9);
  char *text = printed(c->diagnostics, ERRORS_SHORT, 2);
  assert_string_equal(text, "a.blo:1:1: error[E0101]: mistake 0\n"
                            "a.blo:1:2: error[E0101]: mistake 1\n"
                            "a.blo:1:4: warning[W0201]: a warning\n"
                            "8 errors, 1 warning (6 not shown)\n");
  free(text);
  compilation_destroy(c);
}

static void marks_and_counts(void **state) {
  (void)state;
  Compilation *c = compilation_create((SourceLoader){0});
  uint32_t number = sources_add(c->sources, "a.blo", "abcdefgh", 8, false);
  report(c->diagnostics, E0101, (Span){number, 1, 2}, "one");
  size_t mark = diagnostics_mark(c->diagnostics);
  report(c->diagnostics, E0402, (Span){number, 4, 6}, "two");
  assert_int_equal(diagnostics_count_code(c->diagnostics, E0402, (Span){number, 3, 7}), 1);
  assert_int_equal(diagnostics_count_code(c->diagnostics, E0402, (Span){number, 5, 7}), 0);
  assert_int_equal(diagnostics_count_code(c->diagnostics, E0402, (Span){0}), 1);
  diagnostics_rewind(c->diagnostics, mark);
  assert_int_equal(diagnostics_errors(c->diagnostics), 1);
  compilation_destroy(c);
}

static void long_and_odd_lines(void **state) {
  (void)state;
  Compilation *c = compilation_create((SourceLoader){0});
  char text[1001];
  memset(text, 'a', 1000);
  text[1000] = 0;
  memcpy(text, "\tx\r\n", 4);
  uint32_t number = sources_add(c->sources, "a.blo", text, 1000, false);
  report(c->diagnostics, E0101, (Span){number, 900, 903}, "far right");
  report(c->diagnostics, E0101, (Span){number, 1, 2}, "behind a tab");
  report(c->diagnostics, E0101, (Span){number, 1000, 1001}, "at the end");
  report(c->diagnostics, E0101, (Span){0}, "nowhere");
  char *out = printed(c->diagnostics, ERRORS_HUMAN, 0);
  for (const char *line = out; *line;) {
    size_t length = strcspn(line, "\n");
    assert_true(length < 200);
    line += length + (line[length] != 0);
  }
  assert_non_null(strstr(out, "1 |  x\n  |  ^\n"));
  free(out);
  compilation_destroy(c);
}

static void codes_and_slips(void **state) {
  (void)state;
  assert_int_equal(error_code_find("E0402"), E0402);
  assert_int_equal(error_code_find("E9999"), ERROR_NONE);
  assert_string_equal(error_code_text(W0403), "W0403");
  assert_true(strlen(error_code_title(E0301)) > 0);
  const char *names[] = {"minimize", "maximize", "mean", "sum", "w"};
  assert_string_equal(closest_name("minimise", names, 5), "minimize");
  assert_string_equal(closest_name("maen", names, 5), "mean");
  assert_string_equal(closest_name("Sum", names, 5), "sum");
  assert_null(closest_name("v", names, 5));
  assert_null(closest_name("banana", names, 5));
  assert_null(closest_name("mean", names + 2, 1));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(positions_count_code_points),
      cmocka_unit_test(spans_join),
      cmocka_unit_test(excerpt_has_carets_and_places),
      cmocka_unit_test(list_is_sorted_and_bounded),
      cmocka_unit_test(marks_and_counts),
      cmocka_unit_test(long_and_odd_lines),
      cmocka_unit_test(codes_and_slips),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
