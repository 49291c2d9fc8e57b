// Handing tokens to the parser, and going on after a mistake.
//
// Expects balanced tokens. After a mistake the stream, not bison, decides where parsing goes on: it
// skips tokens and answers RSEMI (behind a `;`, behind a skipped `{ }` group, or in front of a word
// that starts a statement on its own line) or REND (the `}` of the block is next). Every
// resynchronisation goes further than the one before, so parsing ends.
#include "parse/stream.h"

#include "parse/build_tree.h"

#include "blo.tab.h"

bool expected_has(const Expected *expected, int kind) {
  for (int i = 0; i < expected->count; i++)
    if (expected->kinds[i] == kind) return true;
  return false;
}

static const Token *token_before(const Parser *parser, size_t index) {
  while (index-- > 0)
    if (!parser->tokens.data[index].taken_out && !parser->tokens.data[index].put_in)
      return &parser->tokens.data[index];
  return NULL;
}

// The first `}` that balancing put in behind `index`, or 0.
static size_t find_put_in(const Parser *parser, size_t index) {
  for (size_t i = index; i < parser->tokens.count; i++)
    if (parser->tokens.data[i].put_in) return i;
  return 0;
}

// A `}` directly in front of the offending token was taken out: it is the mistake.
static bool report_taken_out(Parser *parser) {
  if (parser->last == 0) return false;
  Token *brace = &parser->tokens.data[parser->last - 1];
  if (!brace->taken_out || brace->after_stray) return false;
  report(parser->compilation->diagnostics, E0104, brace->span, "this `}` closes nothing");
  brace->after_stray = true;
  return true;
}

static size_t find_taken_out(const Parser *parser, size_t index) {
  for (size_t i = index; i < parser->tokens.count; i++)
    if (parser->tokens.data[i].taken_out && !parser->tokens.data[i].after_stray) return i;
  return 0;
}

// A value block wants its `}`, and the balance says that one is missing further on: it goes here.
static bool move_brace_here(Parser *parser, const Expected *expected) {
  const Token *found = &parser->tokens.data[parser->last];
  size_t late = find_put_in(parser, parser->last);
  bool value_block = expected_has(expected, T_RIGHT_BRACE) && expected_has(expected, T_PLUS);
  if (!late || !value_block || found->enclosing == NO_MATCH || found->put_in) return false;
  const Token *open = &parser->tokens.data[found->enclosing];
  if (open->kind != T_LEFT_BRACE) return false;
  const Token *previous = token_before(parser, parser->last);
  Diagnostic *d =
      report(parser->compilation->diagnostics, E0104, open->span, "this `{` is never closed");
  Span behind = {parser->source, previous->span.end, previous->span.end + 1};
  diagnostic_label(d, behind, "a `}` is missing here at the latest");
  parser->tokens.data[late].put_in = false;
  parser->tokens.data[late].kind = T_RIGHT_BRACE;
  // The token moves from `late` to the front of the offending one.
  Token brace = parser->tokens.data[late];
  brace.span = (Span){parser->source, found->span.start, found->span.start};
  for (size_t i = late; i > parser->last; i--) parser->tokens.data[i] = parser->tokens.data[i - 1];
  parser->tokens.data[parser->last] = brace;
  tokens_match(parser);
  return true;
}

// The offending `}` is one too many, and the balance took out one further on: this is the one.
static bool take_brace_out(Parser *parser) {
  Token *found = &parser->tokens.data[parser->last];
  size_t late = find_taken_out(parser, parser->last);
  if (!late || found->kind != T_RIGHT_BRACE || found->put_in) return false;
  report(parser->compilation->diagnostics, E0104, found->span, "this `}` closes nothing");
  parser->tokens.data[late].taken_out = false;
  for (size_t i = parser->last; i + 1 < parser->tokens.count; i++)
    parser->tokens.data[i] = parser->tokens.data[i + 1];
  parser->tokens.count--;
  tokens_match(parser);
  return true;
}

// Is the block that opens at `open` one with a value, by what stands in front of it?
static bool is_value_block(const Parser *parser, int open) {
  int depth = parser->tokens.data[open].depth;
  for (int i = open - 1; i >= 0; i--) {
    const Token *token = &parser->tokens.data[i];
    if (token->depth > depth) continue;
    if (token->kind == T_ASSIGN || token->kind == T_FN || token->kind == T_MINIMIZE ||
        token->kind == T_MAXIMIZE || token->kind == T_HYPERGRADIENT)
      return true;
    if (token->kind == T_SEMICOLON || token->kind == T_LEFT_BRACE || token->kind == T_RIGHT_BRACE)
      return false;
  }
  return false;
}

static void report_missing_semicolon(Parser *parser, const Token *previous) {
  Span behind = {parser->source, previous->span.end, previous->span.end + 1};
  Diagnostic *d = report(parser->compilation->diagnostics, E0101, behind,
                         "a `;` is missing behind %s", token_phrase(parser, previous));
  const char *text = source_get(parser->compilation->sources, parser->source)->text;
  uint32_t at = previous->span.end;
  while (text[at] == ' ') at++;
  bool comment = text[at] == '/' && text[at + 1] == '/';
  if (comment && (previous->name || previous->kind == T_INT || previous->kind == T_RIGHT_PAREN))
    diagnostic_note(d, "`//` starts a comment; the integer quotient is `div(a, b)`");
}

// `x = 1 };` has its `;` one token late: it is not a second mistake.
static void drop_late_semicolon(Parser *parser) {
  Token *found = &parser->tokens.data[parser->last];
  if (found->kind != T_RIGHT_BRACE || found->put_in || found->line_start) return;
  Token *late = &parser->tokens.data[token_skip(parser, parser->last + 1)];
  if (late->kind == T_SEMICOLON) late->taken_out = late->after_stray = true;
}

// A block that is read as a value but holds clauses: each clause fails behind its first word.
static bool is_clause_of_value(const Parser *parser, const Expected *expected) {
  const TokenList *tokens = &parser->tokens;
  const Token *found = &tokens->data[parser->last];
  if (parser->last == 0 || found->enclosing == NO_MATCH) return false;
  if (!expected_has(expected, T_PLUS) || !expected_has(expected, T_RIGHT_BRACE)) return false;
  return token_may_start_statement(parser, parser->last - 1) &&
         tokens_have_mistake(parser, tokens->data[found->enclosing].span.start, found->span.start);
}

// A mistake right where the last one was left, on the same line, is the same mistake.
static bool is_same_mistake(const Parser *parser, const Expected *expected) {
  const TokenList *tokens = &parser->tokens;
  const Token *found = &tokens->data[parser->last];
  if (found->after_stray || is_clause_of_value(parser, expected)) return true;
  if (found->put_in && found->match != NO_MATCH &&
      tokens_have_mistake(parser, tokens->data[found->match].span.start, found->span.start))
    return true;
  if (!parser->resumed) return false;
  size_t left = parser->resumed - 1;
  if (parser->last == left && found->kind == T_IDENTIFIER) return false; // a misspelt word
  bool brace = tokens->data[left].kind == T_RIGHT_BRACE;
  size_t next = brace ? token_skip(parser, left + 1) : left;
  return parser->last <= next && (!found->line_start || tokens->data[left].put_in);
}

void stream_mistake(Parser *parser, const Expected *expected) {
  parser->failed = true;
  parser->semicolon_missed = parser->close_here = false;
  if (parser->mistakes++ >= ERROR_LIMIT || parser->too_deep) return;
  if (is_same_mistake(parser, expected) || report_taken_out(parser) || take_brace_out(parser))
    return;
  if (move_brace_here(parser, expected)) {
    parser->close_here = true;
    return;
  }
  const Token *found = &parser->tokens.data[parser->last];
  if (found->put_in && found->match != NO_MATCH) {
    tokens_report_open(parser, parser->last);
    return;
  }
  const Token *previous = token_before(parser, parser->last);
  bool ends = found->line_start || found->kind == T_RIGHT_BRACE;
  if (previous && ends && expected_has(expected, T_SEMICOLON)) {
    parser->semicolon_missed = true;
    report_missing_semicolon(parser, previous);
    drop_late_semicolon(parser);
    return;
  }
  syntax_message(parser, found, expected);
}

// Behind a skipped group: does the statement go on?
static bool continues(int kind) {
  if (token_is_binary(kind)) return true;
  switch (kind) {
  case T_COMMA:
  case T_DOT:
  case T_COLON:
  case T_ASSIGN:
  case T_LEFT_PAREN:
  case T_LEFT_BRACKET:
  case T_RIGHT_PAREN:
  case T_RIGHT_BRACKET:
  case T_THEN:
  case T_ELSE:
  case T_FOR:
  case T_WHILE:
  case T_WITHIN:
  case T_SEMICOLON:
  case T_YIELD:
    return true;
  default:
    return false;
  }
}

// Where parsing goes on when a mistake at file level is skipped: the next item.
static size_t next_item(const Parser *parser, size_t at, bool moved) {
  const TokenList *tokens = &parser->tokens;
  bool fresh = false; // behind a `;` or `}`
  for (;; moved = true) {
    at = token_skip(parser, at);
    const Token *token = &tokens->data[at];
    if (token->kind == T_YYEOF) return at;
    bool placed =
        token->line_start ? token_in_column_one(parser, token) : fresh && token->kind != T_REPORT;
    if (moved && placed && token_starts_item(parser, at)) return at;
    bool group = token->kind == T_LEFT_BRACE && token->match != NO_MATCH;
    fresh = group || token->kind == T_SEMICOLON || token->kind == T_RIGHT_BRACE;
    at = group ? (size_t)token->match + 1 : at + 1;
  }
}

static bool is_block_end(int kind) {
  return kind == T_RIGHT_BRACE || kind == T_YYEOF;
}

// Where parsing goes on inside a block: its next statement, or its `}`.
static size_t next_statement(const Parser *parser, size_t at, bool moved) {
  const TokenList *tokens = &parser->tokens;
  int block = tokens->data[at].enclosing;
  while (block != NO_MATCH && tokens->data[block].kind != T_LEFT_BRACE)
    block = tokens->data[block].enclosing;
  bool value_block = block != NO_MATCH && is_value_block(parser, block);
  for (;; moved = true) {
    at = token_skip(parser, at);
    const Token *token = &tokens->data[at];
    if (is_block_end(token->kind)) return at;
    const Token *around = token->enclosing == NO_MATCH ? NULL : &tokens->data[token->enclosing];
    bool in_parentheses = around && around->kind != T_LEFT_BRACE;
    if (in_parentheses && around->match != NO_MATCH) {
      at = (size_t)around->match + 1;
      continue;
    }
    if (moved && token_starts_statement(parser, at)) return at;
    if (token->kind == T_SEMICOLON) {
      at = token_skip(parser, at + 1);
      // A `;` in the middle of a statement: what follows is its rest.
      if (value_block || tokens->data[at].line_start || is_block_end(tokens->data[at].kind) ||
          token_may_start_statement(parser, at))
        return at;
      continue;
    }
    bool group = token->match != NO_MATCH && token->match > (int)at;
    at = group ? (size_t)token->match + 1 : at + 1;
    at = token_skip(parser, at);
    if (group && token->kind == T_LEFT_BRACE && !continues(tokens->data[at].kind)) return at;
  }
}

// Chooses where to go on and how to say so.
static int resynchronise(Parser *parser, Span *place) {
  parser->failed = false;
  size_t from = parser->last, at = from;
  const Token *found = &parser->tokens.data[from];
  *place = (Span){parser->source, found->span.start, found->span.start};
  if (parser->mistakes >= ERROR_LIMIT || parser->too_deep) return T_YYEOF;
  bool stuck = parser->resumed == from + 1;
  bool at_file_level = !parser->close_here && found->depth == 0;
  if (parser->close_here)
    at = from;
  else if (at_file_level)
    at = next_item(parser, from, !stuck);
  else if (!parser->semicolon_missed || stuck || !is_value_block(parser, found->enclosing))
    at = next_statement(parser, from, !stuck);
  parser->next = at;
  parser->resumed = at + 1;
  if (at > from) place->end = parser->tokens.data[at - 1].span.end;
  VEC_PUSH(parser->arena, &parser->skipped, ((SkippedText){place->start, place->end}));
  int kind = parser->tokens.data[at].kind;
  return !at_file_level && (kind == T_RIGHT_BRACE || kind == T_YYEOF) ? T_REND : T_RSEMI;
}

int blo_yylex(BLO_YYSTYPE *value, BLO_YYLTYPE *place, Parser *parser);

int blo_yylex(BLO_YYSTYPE *value, BLO_YYLTYPE *place, Parser *parser) {
  if (parser->failed) return resynchronise(parser, place);
  size_t index = token_skip(parser, parser->next);
  const Token *token = &parser->tokens.data[index];
  parser->last = index;
  parser->next = token->kind == T_YYEOF ? index : index + 1;
  value->token = token;
  *place = token->span;
  return token->kind;
}
