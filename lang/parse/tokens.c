// Text to token array: the lexer run over the whole file, with its repairs.
//
// Enters: a source. Leaves: parser->tokens, ending with end of file. A malformed number is handed
// on as a number, an unterminated string as a string, `%` as an operator: each reports itself once
// and causes no second mistake. Doc comments are kept at the token they stand in front of.
#include "parse/token.h"

#include "parse/blo_lex.h"

#include "blo.tab.h"

#include "blo.lex.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

extern YY_DECL;

typedef struct Reader {
  Parser *parser;
  const Source *source;
  LexPlace place;
  TextBuffer doc; // lines of the doc comment read last
  Span doc_span;
  bool after_stray;
} Reader;

static Span place_span(const Reader *reader) {
  return (Span){reader->parser->source, (uint32_t)reader->place.start, (uint32_t)reader->place.end};
}

static const char *place_text(const Reader *reader) {
  return arena_string(reader->parser->arena, reader->source->text + reader->place.start,
                      reader->place.end - reader->place.start);
}

static Diagnostic *complain(Reader *reader, ErrorCode code, Span span, const char *text) {
  return report(reader->parser->compilation->diagnostics, code, span, "%s", text);
}

static void push_token(Reader *reader, Token token) {
  Parser *parser = reader->parser;
  token.span = place_span(reader);
  token.match = token.enclosing = NO_MATCH;
  token.line_start = reader->place.has_newline || parser->tokens.count == 0;
  token.after_stray = reader->after_stray;
  if (reader->doc_span.source) {
    token.doc = intern(parser->compilation->names, text_string(&reader->doc));
    token.doc_span = reader->doc_span;
    reader->doc = text_buffer(parser->arena);
    reader->doc_span = (Span){0};
  }
  reader->after_stray = false;
  reader->place.has_newline = false;
  VEC_PUSH(parser->token_arena, &parser->tokens, token);
}

static void read_doc(Reader *reader) {
  const char *text = place_text(reader) + 3;
  if (*text == ' ') text++;
  size_t length = strlen(text);
  while (length && (text[length - 1] == '\r' || text[length - 1] == ' ')) length--;
  if (reader->doc_span.source) text_add(&reader->doc, "\n");
  text_add_range(&reader->doc, text, length);
  reader->doc_span = span_join(reader->doc_span, place_span(reader));
}

static void read_integer(Reader *reader) {
  errno = 0;
  long long value = strtoll(place_text(reader), NULL, 10);
  if (errno == ERANGE) {
    Diagnostic *d = complain(reader, E0108, place_span(reader), "this integer is too large");
    diagnostic_help(d, "integers reach %lld; write a real number, `1e30`, for more",
                    (long long)INT64_MAX);
    value = 0;
  }
  push_token(reader, (Token){.kind = T_INT, .integer = value});
}

static void read_real(Reader *reader) {
  const char *text = place_text(reader);
  double value = strtod(text, NULL);
  if (!isfinite(value)) {
    complain(reader, E0102, place_span(reader), "this number is larger than any f64");
    value = 0.0;
  }
  push_token(reader, (Token){.kind = T_REAL, .real = value, .text = text});
}

static void read_bad_number(Reader *reader) {
  const char *text = place_text(reader);
  Diagnostic *d = complain(reader, E0102, place_span(reader), "malformed number");
  size_t digits = strspn(text, "0123456789");
  if (text[0] == '.' || (text[digits] == '.' && !strchr("0123456789", text[digits + 1])))
    diagnostic_help(d, "a number has digits on both sides of its point: `0.5`, `1.0`");
  else if (text[0] == '0' && strchr("xXbBoO", text[1]))
    diagnostic_help(d, "integers are written in decimal");
  else if (text[digits] == 'e' || text[digits] == 'E')
    diagnostic_help(d, "an exponent has digits: `1e-3`");
  else if (digits && strchr(text, '.') == NULL)
    diagnostic_help(d, "a name starts with a letter; a product is written `%.*s * %s`", (int)digits,
                    text, text + digits);
  reader->after_stray = true;
  push_token(reader, (Token){.kind = T_REAL, .real = 1.0, .text = text});
  reader->after_stray = true;
}

// The value of a string between its quotes, escapes replaced.
static void read_string(Reader *reader, bool closed) {
  const char *text = reader->source->text;
  size_t end = reader->place.end - (closed ? 1 : 0);
  TextBuffer value = text_buffer(reader->parser->arena);
  for (size_t i = reader->place.start + 1; i < end; i++) {
    if (text[i] != '\\' || i + 1 >= end) {
      text_add_range(&value, text + i, 1);
      continue;
    }
    char c = text[++i];
    if (c == 'n')
      text_add(&value, "\n");
    else if (c == 't')
      text_add(&value, "\t");
    else if (c == '\\' || c == '"')
      text_add_range(&value, &c, 1);
    else {
      Span span = {reader->parser->source, (uint32_t)(i - 1), (uint32_t)(i + 1)};
      Diagnostic *d = complain(reader, E0105, span, "unknown escape in a string");
      diagnostic_help(d, "escapes are \\\\, \\\", \\n and \\t");
    }
  }
  if (!closed) {
    Diagnostic *d = complain(reader, E0103, place_span(reader), "this string is not closed");
    diagnostic_help(d, "a string ends with `\"` on the line it starts on");
  }
  push_token(reader,
             (Token){.kind = T_STRING, .text = text_string(&value), .text_length = value.count});
  reader->after_stray = !closed;
}

static const char *stray_help(char c, int *repair) {
  switch (c) {
  case '%':
    *repair = T_STAR;
    return "write `mod(a, b)` for the remainder";
  case '&':
    *repair = T_AND;
    return "write `&&`";
  case '|':
    *repair = T_OR;
    return "write `||`";
  case '~':
    return "approximate equality is `~=`, negation is `!`";
  case '\'':
    return "strings are written with `\"`; a transpose is `transpose(a)`";
  case '#':
    return "a comment starts with `//`";
  case '?':
    return "write `if a then b else c`";
  default:
    return NULL;
  }
}

static void read_stray(Reader *reader) {
  const char *text = place_text(reader);
  unsigned char c = (unsigned char)text[0];
  int repair = 0;
  const char *help = stray_help(text[0], &repair);
  Diagnostic *d;
  if (c < 0x20 || c == 0x7f)
    d = report(reader->parser->compilation->diagnostics, E0105, place_span(reader),
               "stray control character (code %d)", c);
  else
    d = report(reader->parser->compilation->diagnostics, E0105, place_span(reader),
               "stray character `%s`", text);
  if (c >= 0x80) help = "letters outside ASCII may stand in comments and strings";
  if (help) diagnostic_help(d, "%s", help);
  if (repair)
    push_token(reader, (Token){.kind = repair});
  else
    reader->after_stray = true;
}

// Handles one result of the lexer; false at the end.
static bool read_one(Reader *reader, int kind) {
  Parser *parser = reader->parser;
  switch (kind) {
  case LEX_END:
    return false;
  case LEX_DOC:
    read_doc(reader);
    return true;
  case LEX_BAD_NUMBER:
    read_bad_number(reader);
    return true;
  case LEX_OPEN_STRING:
    read_string(reader, false);
    return true;
  case LEX_STRAY:
    read_stray(reader);
    return true;
  case LEX_OPEN_COMMENT: {
    Diagnostic *d = complain(reader, E0103, place_span(reader), "this comment is not closed");
    diagnostic_help(d, "a comment that starts with `/*` ends with the next `*/`");
    return false;
  }
  case T_INT:
    read_integer(reader);
    return true;
  case T_REAL:
    read_real(reader);
    return true;
  case T_STRING:
    read_string(reader, true);
    return true;
  default: {
    Token token = {.kind = kind};
    char first = reader->source->text[reader->place.start];
    bool word = (first >= 'a' && first <= 'z') || (first >= 'A' && first <= 'Z') || first == '_';
    if (word)
      token.name =
          intern_range(parser->compilation->names, reader->source->text + reader->place.start,
                       reader->place.end - reader->place.start);
    push_token(reader, token);
    return true;
  }
  }
}

void tokens_read(Parser *parser) {
  Reader reader = {.parser = parser,
                   .source = source_get(parser->compilation->sources, parser->source),
                   .doc = text_buffer(parser->arena)};
  size_t start = 0, length = reader.source->length;
  const size_t limit = (size_t)1 << 28;
  if (length > limit) {
    Span span = {parser->source, 0, 0};
    complain(&reader, E0106, span, "this file is too large: at most 256 MB of text are read");
    length = 0;
  }
  if (length >= 3 && memcmp(reader.source->text, "\xef\xbb\xbf", 3) == 0) start = 3;
  reader.place.end = start;
  yyscan_t scanner;
  if (blo_lex_lex_init(&scanner) != 0) abort();
  blo_lex__scan_bytes(reader.source->text + start, (int)(length - start), scanner);
  while (read_one(&reader, blo_lex_lex(&reader.place, scanner))) continue;
  blo_lex_lex_destroy(scanner);
  reader.place.start = reader.place.end = reader.source->length;
  reader.place.has_newline = true;
  push_token(&reader, (Token){.kind = T_YYEOF});
}

const char *token_phrase(const Parser *parser, const Token *token) {
  if (token->kind == T_YYEOF) return "the end of the file";
  if (token->put_in) return "`}`";
  const Source *source = source_get(parser->compilation->sources, parser->source);
  size_t length = token->span.end - token->span.start;
  bool cut = length > 40;
  return arena_printf(parser->arena, "`%.*s%s`", (int)(cut ? 37 : length),
                      source->text + token->span.start, cut ? "..." : "");
}
