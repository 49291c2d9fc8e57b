// The parser: trees, precedence, recovery (one mistake, one error, at its place), bombs, edits.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "parse/parse.h"
#include "parse/token.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *read_file(const char *path, size_t *length) {
  FILE *file = fopen(path, "rb");
  if (!file) return NULL;
  fseek(file, 0, SEEK_END);
  *length = (size_t)ftell(file);
  rewind(file);
  char *text = malloc(*length + 1);
  *length = fread(text, 1, *length, file);
  text[*length] = 0;
  fclose(file);
  return text;
}

static void parses_file(const char *path) {
  size_t length = 0;
  char *text = read_file(path, &length);
  assert_non_null(text);
  Compilation *c = compilation_create((SourceLoader){0});
  Node *file = parse_text(c, path, text, length);
  if (diagnostics_errors(c->diagnostics))
    diagnostics_print(c->diagnostics, stderr, ERRORS_HUMAN, false, 0);
  assert_int_equal(diagnostics_errors(c->diagnostics), 0);
  assert_int_equal(file->kind, NODE_FILE);
  TextBuffer out = text_buffer(c->arena);
  tree_print(&out, file);
  assert_true(out.count > 0);
  compilation_destroy(c);
  free(text);
}

static size_t parses_folder(const char *folder) {
  char path[512];
  snprintf(path, sizeof path, "%s/%s", BLO_SOURCE_DIR, folder);
  DIR *directory = opendir(path);
  if (!directory) return 0;
  size_t count = 0;
  for (struct dirent *entry; (entry = readdir(directory));) {
    size_t length = strlen(entry->d_name);
    if (length < 4 || strcmp(entry->d_name + length - 4, ".blo") != 0) continue;
    snprintf(path, sizeof path, "%s/%s/%s", BLO_SOURCE_DIR, folder, entry->d_name);
    parses_file(path);
    count++;
  }
  closedir(directory);
  return count;
}

static void good_programs_parse(void **state) {
  (void)state;
  assert_true(parses_folder("tests/golden/parse") >= 8);
  assert_true(parses_folder("stdlib") >= 4);
  assert_true(parses_folder("examples/ridge") + parses_folder("examples/cleaning") >= 2);
}

// ---- trees

static void expect_tree(const char *text, const char *wanted) {
  Compilation *c = compilation_create((SourceLoader){0});
  Node *file = parse_text(c, "t", text, strlen(text));
  TextBuffer out = text_buffer(c->arena);
  tree_print(&out, file);
  assert_int_equal(diagnostics_errors(c->diagnostics), 0);
  assert_string_equal(text_string(&out), wanted);
  compilation_destroy(c);
}

// An expression with all its parentheses.
static void add_full(TextBuffer *out, const Node *n) {
  static const char *const operators[] = {
      "||", "&&", "<", ">", "<=", ">=", "==", "!=", "~=", "+", "-", "*", "/", "@", "^"};
  switch (n->kind) {
  case EXPR_NAME:
    text_add(out, n->as.name.name);
    break;
  case EXPR_INT:
    text_addf(out, "%lld", (long long)n->as.integer.value);
    break;
  case EXPR_BINARY:
    text_add(out, "(");
    add_full(out, n->as.binary.left);
    text_addf(out, " %s ", operators[n->as.binary.op]);
    add_full(out, n->as.binary.right);
    text_add(out, ")");
    break;
  case EXPR_NEGATE:
  case EXPR_NOT:
    text_add(out, n->kind == EXPR_NOT ? "(!" : "(-");
    add_full(out, n->as.unary.operand);
    text_add(out, ")");
    break;
  case EXPR_IF:
    text_add(out, "(if ");
    add_full(out, n->as.conditional.condition);
    text_add(out, " then ");
    add_full(out, n->as.conditional.yes);
    text_add(out, " else ");
    add_full(out, n->as.conditional.no);
    text_add(out, ")");
    break;
  case EXPR_FN:
    text_addf(out, "(fn %s -> ", n->as.fn.pattern->as.pattern_name.name);
    add_full(out, n->as.fn.body);
    text_add(out, ")");
    break;
  case EXPR_MEMBER:
    add_full(out, n->as.member.base);
    text_addf(out, ".%s", n->as.member.member.name);
    break;
  case EXPR_CALL:
    add_full(out, n->as.call.callee);
    text_add(out, "()");
    break;
  default:
    text_add(out, "?");
    break;
  }
}

static void expect_reading(const char *expression, const char *wanted) {
  Compilation *c = compilation_create((SourceLoader){0});
  char *text = arena_printf(c->arena, "const c = %s;", expression);
  Node *file = parse_text(c, "t", text, strlen(text));
  assert_int_equal(diagnostics_errors(c->diagnostics), 0);
  TextBuffer out = text_buffer(c->arena);
  add_full(&out, file->as.file.items.data[0]->as.constant.value);
  assert_string_equal(text_string(&out), wanted);
  compilation_destroy(c);
}

static void precedence(void **state) {
  (void)state;
  expect_reading("a + b * c", "(a + (b * c))");
  expect_reading("a * X @ w", "((a * X) @ w)");
  expect_reading("a - b - c", "((a - b) - c)");
  expect_reading("a / b * c", "((a / b) * c)");
  expect_reading("a ^ b ^ c", "(a ^ (b ^ c))");
  expect_reading("-x^2", "(-(x ^ 2))");
  expect_reading("-X @ w", "((-X) @ w)");
  expect_reading("2^-x*y", "((2 ^ (-x)) * y)");
  expect_reading("!a < b", "(!(a < b))");
  expect_reading("!a && b", "((!a) && b)");
  expect_reading("a || b && c", "(a || (b && c))");
  expect_reading("a + b < c * d", "((a + b) < (c * d))");
  expect_reading("1 + if a then b else c + d", "(1 + (if a then b else (c + d)))");
  expect_reading("if a then b else if c then d else e", "(if a then b else (if c then d else e))");
  expect_reading("fn x -> x + 1", "(fn x -> (x + 1))");
  expect_reading("a * fn x -> x || y", "(a * (fn x -> (x || y)))");
  expect_reading("-a.b()^c", "(-(a.b() ^ c))");
  expect_reading("(a + b) * c", "((a + b) * c)");
  expect_reading("{a}.b", "?.b");
}

static void trees_have_the_right_shape(void **state) {
  (void)state;
  expect_tree("data t[r < n * 2] { let i = r; a: f32[p] in s = i; }", "file \"t\"\n"
                                                                      "  data t row r\n"
                                                                      "    binary *\n"
                                                                      "      name n\n"
                                                                      "      int 2\n"
                                                                      "    let\n"
                                                                      "      pattern i\n"
                                                                      "      name r\n"
                                                                      "    field a\n"
                                                                      "      type-tensor\n"
                                                                      "        type-element f32\n"
                                                                      "        name p\n"
                                                                      "      name s\n"
                                                                      "      name i\n");
  expect_tree("/// Doc\n/// of f.\nexport fn f(x: [2] vec -> real[..]) -> u8 = x[1:, :];",
              "file \"t\"\n"
              "  function export f /// \"Doc\\nof f.\"\n"
              "    param x\n"
              "      type-fn\n"
              "        type-array\n"
              "          int 2\n"
              "          type-name vec\n"
              "        type-tensor [..]\n"
              "          type-name real\n"
              "    type-element u8\n"
              "    index\n"
              "      name x\n"
              "      slice low:\n"
              "        int 1\n"
              "      slice :\n");
  expect_tree("test \"t\" { expect a ~= b within abs(1e-3); precision = f32; }",
              "file \"t\"\n"
              "  test \"t\"\n"
              "    expect absolute\n"
              "      binary ~=\n"
              "        name a\n"
              "        name b\n"
              "      real 1e-3\n"
              "    setting precision\n"
              "      type-element f32\n");
}

static void docs_attach_to_what_follows(void **state) {
  (void)state;
  const char *text = "/// of the file's dim\ndim n;\n"
                     "struct S { /// of x\n x: f64; // no doc\n y: f64; //// no doc\n z: f64; }\n"
                     "upper { /// of v\n var v: f64; minimize v; }\n/// before nothing\n";
  Compilation *c = compilation_create((SourceLoader){0});
  Node *file = parse_text(c, "t", text, strlen(text));
  NodeList items = file->as.file.items;
  assert_string_equal(items.data[0]->doc, "of the file's dim");
  NodeList fields = items.data[1]->as.structure.fields;
  assert_string_equal(fields.data[0]->doc, "of x");
  assert_null(fields.data[1]->doc);
  assert_null(fields.data[2]->doc);
  assert_string_equal(items.data[2]->as.level.clauses.data[0]->doc, "of v");
  assert_int_equal(diagnostics_count_code(c->diagnostics, W0110, (Span){0}), 1);
  assert_int_equal(diagnostics_errors(c->diagnostics), 0);
  compilation_destroy(c);
}

static void spans_cover_nodes(void **state) {
  (void)state;
  const char *text = "\xef\xbb\xbf fn f(a: f64) -> f64 = g(a,\r\n  a + 1);\n";
  Compilation *c = compilation_create((SourceLoader){0});
  Node *file = parse_text(c, "t", text, strlen(text));
  const Node *body = file->as.file.items.data[0]->as.function.body;
  assert_int_equal(body->kind, EXPR_CALL);
  assert_memory_equal(text + body->span.start, "g(a,", 4);
  assert_memory_equal(text + body->span.end - 2, "1)", 2);
  const Node *sum = body->as.call.arguments.data[1];
  assert_int_equal(sum->span.end - sum->span.start, 5);
  compilation_destroy(c);
}

// ---- mistakes

typedef struct Mistake {
  const char *text;
  const char *places; // "line:column code" of each error, joined by blanks
} Mistake;

static const Mistake mistakes[] = {
    {"dim n m;", "1:7 E0101"},
    {"dim n, ;", "1:8 E0101"},
    {"dims n;", "1:1 E0101"},
    {"const a = ;", "1:11 E0101"},
    {"const a = 1 +;\nconst b = * 2;", "1:14 E0101 2:11 E0101"},
    {"const a = a < b < c;", "1:17 E0101"},
    {"const a = 1.;", "1:11 E0102"},
    {"const a = .5;", "1:11 E0102"},
    {"const a = 0x10;", "1:11 E0102"},
    {"const a = 2x;", "1:11 E0102"},
    {"const a = 1e;", "1:11 E0102"},
    {"const a = 1.5.2;", "1:11 E0102"},
    {"const a = 1e999;", "1:11 E0102"},
    {"const a = 99999999999999999999;", "1:11 E0108"},
    {"const a = 5 % 3;", "1:13 E0105"},
    {"const a = x & y | z;", "1:13 E0105 1:17 E0105"},
    {"const a = \xc3\xa4\xc3\xb6;", "1:11 E0105"},
    {"const a = 'x';", "1:11 E0105 1:13 E0105"},
    {"import \"x;\nimport y;", "1:8 E0103"},
    {"import \"a\\qb\" as x;", "1:10 E0105"},
    {"dim n; /* open\ndim m;", "1:8 E0103"},
    {"blo 2;", "1:5 E0107"},
    {"blo one;", "1:5 E0101"},
    {"fn set(x: f64) -> f64 = x;", "1:4 E0101"},
    {"fn f(x) -> f64 = x;", "1:7 E0101"},
    {"fn f(x: f64) = x;", "1:14 E0101"},
    {"fn f() -> f64 { let a = 1; return a; }", "1:35 E0101"},
    {"fn f() -> f64 { let a = 1; a; }", "1:29 E0101"},
    {"fn f() -> f64 { let a = 1; }", "1:28 E0101"},
    {"fn f() -> f64 { let a = ; let b = ; a }", "1:25 E0101 1:35 E0101"},
    {"fn f() -> f64 { let a = 1\n a }", "1:26 E0101"},
    {"fn f() -> f64 { if a then b }", "1:29 E0101"},
    {"fn f() -> f64 = for i: n { i };", "1:22 E0101"},
    {"fn f() -> f64 = loop s = 0 { s };", "1:28 E0101"},
    {"upper { var x f64; minimize x; }", "1:15 E0101"},
    {"upper { minimise x; }", "1:9 E0101"},
    {"upper { minimize x }", "1:19 E0101"},
    {"upper {\n  minimize x\n  var y: f64;\n}", "2:13 E0101"},
    {"upper { subject x; minimise y; }", "1:17 E0101 1:20 E0101"},
    {"upper {\n  var x: ;\n  minimize + ;\n  let = 3;\n}", "2:10 E0101 3:12 E0101 4:7 E0101"},
    {"upper foo bar { var x: f64; }\nlower { minimize ; }", "1:11 E0101 2:18 E0101"},
    {"upper {\n  var x: f64;\n\nlower {\n  minimize ;\n}", "1:7 E0104 5:12 E0101"},
    {"upper {\n  minimize x;\n}\n}\nlower { minimize ; }", "4:1 E0104 5:18 E0101"},
    {"upper {\n  let a = for i { x };};\n  minimize a;\n}", "2:23 E0104"},
    {"solve { method = implicit(linear = cg(); lower = gd(); }", "1:40 E0101"},
    {"solve { method = f(a; b); lower = ; }", "1:21 E0101 1:35 E0101"},
    {"solve { method: f(); }", "1:15 E0101"},
    {"data train { x: f64; }", "1:6 E0101"},
    {"data [n] { x: f64; }", "1:7 E0101"},
    {"struct S { x f64; y: ; z: f64 }", "1:14 E0101 1:22 E0101 1:30 E0101"},
    {"method m() { step { set y = ; hypergradient } }", "1:29 E0101 1:45 E0101"},
    {"method m() { accepts ; step { } step { } }", "1:22 E0101 1:33 E0204"},
    {"optimizer o() { update(z, g, t) { set m = 1; } }", "1:46 E0101"},
    {"test t { expect a; }", "1:6 E0101"},
    {"test \"t\" { expect a within ; expect ; }", "1:28 E0101 1:37 E0101"},
    {"const a = [];", "1:12 E0101"},
    {"const a = f(x = 1, );", "1:20 E0101"},
    {"const a = +1;", "1:11 E0101"},
    {"const a = x = 1;", "1:13 E0101"},
    {"fn f(x: a.b.c) -> f64 = x;", "1:13 E0101"},
    {"fn f(x: f64) -> f64 = {\n  let a = 1;\n", "1:23 E0104"},
    {"}", "1:1 E0104"},
    {"x", "1:1 E0101"},
};

static void mistakes_are_found_where_they_are(void **state) {
  (void)state;
  size_t wrong = 0;
  for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
    Compilation *c = compilation_create((SourceLoader){0});
    assert_non_null(parse_text(c, "t", mistakes[i].text, strlen(mistakes[i].text)));
    char *shown = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&shown, &size);
    diagnostics_print(c->diagnostics, stream, ERRORS_SHORT, false, 0);
    fclose(stream);
    TextBuffer found = text_buffer(c->arena);
    for (char *line = shown; (line = strstr(line, "t:")) && (line == shown || line[-1] == '\n');) {
      unsigned row = 0, column = 0;
      char code[8] = "";
      if (sscanf(line, "t:%u:%u: error[%5s", &row, &column, code) == 3)
        text_addf(&found, "%s%u:%u %s", found.count ? " " : "", row, column, code);
      line = strchr(line, '\n');
      if (!line++) break;
    }
    if (strcmp(text_string(&found), mistakes[i].places) != 0) {
      print_error("%s\n  wanted %s\n  found  %s\n%s", mistakes[i].text, mistakes[i].places,
                  text_string(&found), shown);
      wrong++;
    }
    free(shown);
    compilation_destroy(c);
  }
  assert_int_equal(wrong, 0);
}

static void skipped_text_leaves_its_names(void **state) {
  (void)state;
  const char *text = "upper { var weight f64; minimize weight; }";
  Compilation *c = compilation_create((SourceLoader){0});
  Node *file = parse_text(c, "t", text, strlen(text));
  const Node *error = file->as.file.items.data[0]->as.level.clauses.data[0];
  assert_int_equal(error->kind, NODE_ERROR);
  bool found = false;
  for (size_t i = 0; i < error->as.error.names.count; i++)
    found |= strcmp(error->as.error.names.data[i].name, "weight") == 0;
  assert_true(found);
  compilation_destroy(c);
}

// ---- bombs

static size_t errors_of(const char *text, size_t length, ErrorCode *first) {
  Compilation *c = compilation_create((SourceLoader){0});
  assert_non_null(parse_text(c, "t", text, length));
  size_t errors = diagnostics_errors(c->diagnostics);
  if (first) *first = diagnostics_count_code(c->diagnostics, E0106, (Span){0}) ? E0106 : ERROR_NONE;
  compilation_destroy(c);
  return errors;
}

static void bombs_give_one_error(void **state) {
  (void)state;
  static const struct {
    const char *head, *piece, *tail;
    size_t times;
  } bombs[] = {
      {"const a = ", "(", ";", 30000},
      {"const a = ", "[", "1;", 30000},
      {"", "{", "", 30000},
      {"const a = ", "-", "1;", 50000},
      {"const a = ", "!", "1;", 150000},
      {"const a = ", "1 + ", "1;", 50000},
      {"const a = ", "2^", "1;", 30000},
      {"const a = ", "x.", "x;", 30000},
      {"const a = ", "f(", ";", 30000},
      {"const a = ", "fn x -> ", "1;", 60000},
      {"const a = ", "if a then b else ", "c;", 60000},
      {"const a = ", "{ let b = ", "1;", 5000},
      {"fn f() -> ", "f64 -> ", "f64 = 1;", 30000},
      {"fn f(x: ", "[n] ", "f64) -> f64 = 1;", 30000},
      {"fn f() -> f64 { let ", "(", "a = 1; 1 }", 3000},
  };
  for (size_t i = 0; i < sizeof bombs / sizeof *bombs; i++) {
    size_t head = strlen(bombs[i].head), piece = strlen(bombs[i].piece);
    size_t tail = strlen(bombs[i].tail), length = head + piece * bombs[i].times + tail;
    char *text = malloc(length + 1);
    memcpy(text, bombs[i].head, head);
    for (size_t k = 0; k < bombs[i].times; k++)
      memcpy(text + head + k * piece, bombs[i].piece, piece);
    memcpy(text + length - tail, bombs[i].tail, tail + 1);
    ErrorCode code;
    assert_int_equal(errors_of(text, length, &code), 1);
    assert_int_equal(code, E0106);
    free(text);
  }
  char zeros[64] = {0};
  assert_true(errors_of(zeros, sizeof zeros, NULL) > 0);
  assert_int_equal(errors_of("", 0, NULL), 0);
}

// ---- edits

typedef struct Tally {
  size_t edits, several, most;
} Tally;

static void count_edit(Tally *tally, const char *text, size_t length) {
  size_t errors = errors_of(text, length, NULL);
  tally->edits++;
  tally->several += errors > 1;
  if (errors > tally->most) tally->most = errors;
}

static void edit_file(const char *path, size_t stride, Tally *tally) {
  static const char *const words[] = {";", "}", "{", ")",   "(",        "x",   "=",
                                      ",", "3", "]", "let", "minimize", "for", ":"};
  size_t length = 0;
  char *text = read_file(path, &length);
  assert_non_null(text);
  Compilation *c = compilation_create((SourceLoader){0});
  Parser parser = {.compilation = c, .arena = c->arena, .token_arena = c->arena};
  parser.source = sources_add(c->sources, path, text, length, false);
  tokens_read(&parser);
  char *edited = malloc(2 * length + 32);
  size_t word = 0;
  for (size_t i = 0; i + 1 < parser.tokens.count; i += stride) {
    Span s = parser.tokens.data[i].span;
    size_t rest = length - s.end;
    // deleted
    memcpy(edited, text, s.start);
    memcpy(edited + s.start, text + s.end, rest);
    count_edit(tally, edited, s.start + rest);
    // replaced, inserted, and doubled
    for (int kind = 0; kind < 3; kind++) {
      const char *by = words[word++ % (sizeof words / sizeof *words)];
      size_t size = strlen(by);
      uint32_t from = kind == 0 ? s.end : s.start;
      if (kind == 2) by = text + s.start, size = s.end - s.start;
      memcpy(edited, text, s.start);
      edited[s.start] = ' ';
      memcpy(edited + s.start + 1, by, size);
      edited[s.start + 1 + size] = ' ';
      memcpy(edited + s.start + 2 + size, text + from, length - from);
      count_edit(tally, edited, s.start + 2 + size + length - from);
    }
  }
  free(edited);
  free(text);
  compilation_destroy(c);
}

static void one_edit_gives_about_one_error(void **state) {
  (void)state;
  Tally tally = {0};
  edit_file(BLO_SOURCE_DIR "/tests/golden/parse/everything.blo", 4, &tally);
  edit_file(BLO_SOURCE_DIR "/tests/golden/parse/cleaning.blo", 4, &tally);
  edit_file(BLO_SOURCE_DIR "/tests/golden/parse/methods.blo", 6, &tally);
  print_message("%zu edits, %zu with more than one error, at most %zu\n", tally.edits,
                tally.several, tally.most);
  assert_true(tally.several * 100 <= tally.edits * 3);
  assert_true(tally.most <= 8);
}

// Text cut off anywhere, and bytes of any kind, must not crash the parser.
static void damaged_text_is_refused(void **state) {
  (void)state;
  size_t length = 0;
  char *text = read_file(BLO_SOURCE_DIR "/tests/golden/parse/everything.blo", &length);
  for (size_t cut = 1; cut < length; cut += 7) errors_of(text, cut, NULL);
  uint32_t random = 1;
  for (int round = 0; round < 300; round++) {
    char *copy = malloc(length);
    memcpy(copy, text, length);
    for (int k = 0; k < 4; k++) {
      random = random * 1664525u + 1013904223u;
      copy[(random >> 8) % length] = (char)(random >> 3);
    }
    errors_of(copy, length, NULL);
    free(copy);
  }
  free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(good_programs_parse),
      cmocka_unit_test(precedence),
      cmocka_unit_test(trees_have_the_right_shape),
      cmocka_unit_test(docs_attach_to_what_follows),
      cmocka_unit_test(spans_cover_nodes),
      cmocka_unit_test(mistakes_are_found_where_they_are),
      cmocka_unit_test(skipped_text_leaves_its_names),
      cmocka_unit_test(bombs_give_one_error),
      cmocka_unit_test(one_edit_gives_about_one_error),
      cmocka_unit_test(damaged_text_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
