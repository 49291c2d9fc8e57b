// The words of a syntax error.
//
// Enters: the token that did not fit and bison's list of tokens that would have. Leaves: one
// diagnostic. Single tokens are shown in classes ("an expression", "a type"); binary operators and
// contextual words are dropped where something more telling is expected.
#include "parse/stream.h"

#include "blo.tab.h"

#include <string.h>

enum { MAX_WORDS = 48, MAX_SHOWN = 6 };

typedef struct Words {
  const char *texts[MAX_WORDS];
  int count;
} Words;

static void add_word(Words *words, const char *text) {
  if (words->count < MAX_WORDS) words->texts[words->count++] = text;
}

static bool is_element_type(int kind) {
  return kind >= T_F16 && kind <= T_BOOL;
}

static bool is_contextual(int kind) {
  return kind >= T_BLO && kind <= T_JVP;
}

static bool is_operator(int kind) {
  return token_is_binary(kind) || kind == T_DOT || kind == T_LEFT_PAREN || kind == T_LEFT_BRACKET;
}

static bool starts_expression(int kind) {
  switch (kind) {
  case T_IDENTIFIER:
  case T_INT:
  case T_REAL:
  case T_STRING:
  case T_TRUE:
  case T_FALSE:
  case T_IF:
  case T_FN:
  case T_FOR:
  case T_LOOP:
  case T_LEFT_PAREN:
  case T_LEFT_BRACKET:
  case T_LEFT_BRACE:
  case T_MINUS:
  case T_NOT:
    return true;
  default:
    return is_element_type(kind) || is_contextual(kind);
  }
}

// The classes that cover most of the list, then the tokens that no class covers.
static void collect_words(const Expected *expected, Words *words) {
  bool expression = expected_has(expected, T_INT) && expected_has(expected, T_IF);
  bool type = !expression && expected_has(expected, T_F64);
  bool name = !expression && !type && expected_has(expected, T_IDENTIFIER);
  bool item = expected_has(expected, T_STRUCT) && expected_has(expected, T_OPTIMIZER) && !name &&
              !expression && !type;
  bool clause = expected_has(expected, T_MINIMIZE) && !name && !expression && !type;
  bool behind_value = expected_has(expected, T_PLUS) && !expression;
  if (expression) add_word(words, "an expression");
  if (type) add_word(words, "a type");
  if (name) add_word(words, "a name");
  if (item) add_word(words, "an item such as `data`, `fn`, `upper` or `solve`");
  if (clause) add_word(words, "a clause such as `var`, `let` or `minimize`");
  for (int i = 0; i < expected->count; i++) {
    int kind = expected->kinds[i];
    if (kind == T_RSEMI || kind == T_REND) continue;
    if (expression && starts_expression(kind)) continue;
    if (type && (is_element_type(kind) || is_contextual(kind) || kind == T_IDENTIFIER ||
                 kind == T_LEFT_PAREN || kind == T_LEFT_BRACKET))
      continue;
    if (name && (is_contextual(kind) || kind == T_IDENTIFIER)) continue;
    if (item && (is_contextual(kind) || kind == T_FN || kind == T_SET)) continue;
    if (clause && (is_contextual(kind) || kind == T_LET)) continue;
    if (behind_value && is_operator(kind)) continue;
    if (kind == T_YIELD) continue;
    add_word(words, kind == T_YYEOF ? "the end of the file" : token_kind_name(kind));
  }
}

static const char *join_words(Parser *parser, const Words *words) {
  TextBuffer text = text_buffer(parser->arena);
  int shown = words->count < MAX_SHOWN ? words->count : MAX_SHOWN;
  for (int i = 0; i < shown; i++) {
    if (i) text_add(&text, i == shown - 1 ? " or " : ", ");
    text_add(&text, words->texts[i]);
  }
  return text_string(&text);
}

static bool is_reserved(int kind) {
  return (kind >= T_FN && kind <= T_FALSE) || is_element_type(kind);
}

static bool is_comparison(int kind) {
  return kind == T_LT || kind == T_GT || kind == T_LE || kind == T_GE || kind == T_EQ ||
         kind == T_NE || kind == T_APPROX;
}

// A name where a word of the grammar is wanted: a slip of the pen?
static bool suggest_word(Diagnostic *d, const Token *found, const Expected *expected) {
  static const char *const foreign[][2] = {
      {"def", "fn"},           {"function", "fn"},       {"param", "var"},
      {"dims", "dim"},         {"minimise", "minimize"}, {"maximise", "maximize"},
      {"minimum", "minimize"}, {"maximum", "maximize"},  {"constraint", "subject to"},
      {"st", "subject to"},    {"s", "subject to"},      {"constraints", "subject to"},
      {"use", "import"},       {"include", "import"},    {"return", NULL},
      {"assert", "ensure"}};
  const char *words[MAX_WORDS + 32];
  char storage[MAX_WORDS + 32][24];
  size_t count = 0;
  for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
    if (strcmp(found->name, foreign[i][0]) != 0) continue;
    if (foreign[i][1])
      diagnostic_help(d, "write `%s`", foreign[i][1]);
    else
      diagnostic_help(d, "a block ends with its value: leave `return` and the last `;` out");
    return true;
  }
  for (int i = 0; i < expected->count && count < MAX_WORDS + 32; i++) {
    int kind = expected->kinds[i];
    if (!is_contextual(kind) && !is_reserved(kind)) continue;
    const char *quoted = token_kind_name(kind);
    size_t length = strlen(quoted);
    if (length < 3 || length - 2 >= sizeof storage[0]) continue;
    memcpy(storage[count], quoted + 1, length - 2);
    storage[count][length - 2] = 0;
    words[count] = storage[count];
    count++;
  }
  const char *close = closest_name(found->name, words, count);
  if (close) diagnostic_help(d, "did you mean `%s`?", close);
  return close != NULL;
}

// Punctuation between the parts of a program; false when it says nothing.
static bool suggest_punctuation(Parser *parser, Diagnostic *d, const Token *found,
                                const Expected *expected) {
  bool ends = expected_has(expected, T_SEMICOLON), arrow = expected_has(expected, T_ARROW);
  if (found->kind == T_COLON && expected_has(expected, T_LEFT_BRACE) &&
      expected_has(expected, T_LEFT_BRACKET))
    diagnostic_help(d, "arrays stand in braces, `data { x: f64[n]; }`, and so do the columns of a "
                       "table, `data train[n] { x: f64; }`");
  else if (found->kind == T_IDENTIFIER && arrow && expected_has(expected, T_IN))
    diagnostic_help(d, "a set stands behind `in`: `in %s`", found->name);
  else if (found->kind == T_COMMA && ends)
    diagnostic_help(d, "each part ends with a `;`");
  else if (found->kind == T_ASSIGN && expected_has(expected, T_RIGHT_BRACKET))
    diagnostic_help(d, "a `]` is missing");
  else if ((found->kind == T_MINIMIZE || found->kind == T_MAXIMIZE || found->kind == T_VAR ||
            found->kind == T_LET || found->kind == T_REPORT || found->kind == T_SUBJECT) &&
           ends)
    diagnostic_help(d, "a `;` is missing in front of %s", token_phrase(parser, found));
  else
    return false;
  return true;
}

static void add_cure(Parser *parser, Diagnostic *d, const Token *found, const Expected *expected) {
  bool wants_name = expected_has(expected, T_IDENTIFIER);
  bool behind_value = expected_has(expected, T_PLUS) && !expected_has(expected, T_INT);
  if (found->kind == T_IDENTIFIER && suggest_word(d, found, expected)) return;
  if (suggest_punctuation(parser, d, found, expected)) return;
  if (found->kind == T_IN && behind_value && expected_has(expected, T_RIGHT_PAREN)) {
    diagnostic_help(d, "a sum over an index is written `sum(for i < n { x[i] })`");
  } else if (behind_value && found->kind == T_IF) {
    diagnostic_help(d, "a choice is written `if c then a else b`");
  } else if (behind_value && found->kind == T_FOR) {
    diagnostic_help(d, "a tensor of all is written `for i < n { x[i] }`");
  } else if (behind_value && (found->kind == T_IDENTIFIER || found->kind == T_INT ||
                              found->kind == T_REAL || found->kind == T_LEFT_PAREN)) {
    diagnostic_help(d, "an operator is missing, as `*` in a product");
  } else if (found->kind == T_IN && expected_has(expected, T_LT) && !behind_value) {
    diagnostic_help(d, "a range is written `for i < n { .. }`, over 0 .. n - 1");
  } else if (found->kind == T_ASSIGN && expected_has(expected, T_COLON) && expected->count == 1) {
    diagnostic_help(d, "the type comes first: `name: f64[n] = ..`");
  } else if (is_reserved(found->kind) && wants_name) {
    diagnostic_help(d, "%s is a reserved word and cannot be a name", token_phrase(parser, found));
  } else if (is_comparison(found->kind) && expected_has(expected, T_AND)) {
    diagnostic_help(d, "comparisons do not chain: write `a < b && b < c`");
  } else if (found->kind == T_ASSIGN && expected_has(expected, T_EQ)) {
    diagnostic_help(d, "equality is written `==`; a state is changed by `set m = ...;`, a name is "
                       "given by `let m = ...;`");
  } else if (found->kind == T_PLUS && expected_has(expected, T_MINUS)) {
    diagnostic_help(d, "there is no unary `+`: leave it out");
  } else if (found->kind == T_SEMICOLON && expected_has(expected, T_RIGHT_BRACE)) {
    diagnostic_help(d, "the value at the end of a block has no `;`");
  } else if (found->kind == T_STAR && expected_has(expected, T_INT)) {
    diagnostic_help(d, "powers are written `a^b`");
  } else if (found->kind == T_RIGHT_BRACE && expected_has(expected, T_INT)) {
    diagnostic_help(d, "a block ends with its value");
  }
}

void syntax_message(Parser *parser, const Token *found, const Expected *expected) {
  Words words = {0};
  collect_words(expected, &words);
  Diagnostics *diagnostics = parser->compilation->diagnostics;
  const char *what = token_phrase(parser, found);
  Diagnostic *d;
  if (words.count)
    d = report(diagnostics, E0101, found->span, "unexpected %s, expected %s", what,
               join_words(parser, &words));
  else
    d = report(diagnostics, E0101, found->span, "unexpected %s", what);
  add_cure(parser, d, found, expected);
}
