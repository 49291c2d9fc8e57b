// Balancing braces and matching brackets of the token array.
//
// Expects the tokens as read. Changes: puts in a `}` (marked `put_in`) where a file opens more than
// it closes, in front of a word that starts an item in column 1 or at the end; marks a `}` that
// closes nothing `taken_out`. Leaves every bracket with its partner and every token with the number
// of braces around it. Nothing is reported here, because a syntax error nearby often says it
// better; tokens_report_braces does it after parsing.
#include "parse/token.h"

#include "blo.tab.h"

typedef VEC(size_t) IndexList;

size_t token_skip(const Parser *parser, size_t index) {
  while (parser->tokens.data[index].taken_out) index++;
  return index;
}

static bool is_word_of_item(int kind) {
  switch (kind) {
  case T_IMPORT:
  case T_DIM:
  case T_CONST:
  case T_STRUCT:
  case T_EXPORT:
  case T_DATA:
  case T_UPPER:
  case T_LOWER:
  case T_REPORT:
  case T_SOLVE:
  case T_STAGE:
  case T_TEST:
  case T_METHOD:
  case T_OPTIMIZER:
  case T_SHARD:
  case T_CUSTOM:
  case T_FN:
  case T_SET:
    return true;
  default:
    return false;
  }
}

static bool is_word_of_statement(int kind) {
  switch (kind) {
  case T_LET:
  case T_SET:
  case T_VAR:
  case T_STATE:
  case T_BATCH:
  case T_MINIMIZE:
  case T_MAXIMIZE:
  case T_SUBJECT:
  case T_PROX:
  case T_UPDATE:
  case T_REPORT:
  case T_UPPER:
  case T_LOWER:
  case T_SOLVE:
  case T_DATA:
  case T_HYPERGRADIENT:
  case T_EXPECT:
  case T_ENSURE:
  case T_WARN:
  case T_ACCEPTS:
  case T_STEP:
    return true;
  default:
    return false;
  }
}

bool token_is_binary(int kind) {
  switch (kind) {
  case T_OR:
  case T_AND:
  case T_LT:
  case T_GT:
  case T_LE:
  case T_GE:
  case T_EQ:
  case T_NE:
  case T_APPROX:
  case T_PLUS:
  case T_MINUS:
  case T_STAR:
  case T_SLASH:
  case T_AT:
  case T_POWER:
    return true;
  default:
    return false;
  }
}

// A word in front of one of these is a name, a setting or part of an expression.
static bool ends_a_name(int kind) {
  // A minus may start an expression behind a word.
  if (token_is_binary(kind)) return kind != T_MINUS;
  switch (kind) {
  case T_ASSIGN:
  case T_DOT:
  case T_COMMA:
  case T_SEMICOLON:
  case T_COLON:
  case T_RIGHT_PAREN:
  case T_RIGHT_BRACKET:
  case T_RIGHT_BRACE:
  case T_YYEOF:
    return true;
  default:
    return false;
  }
}

static int kind_behind(const Parser *parser, size_t index) {
  size_t count = parser->tokens.count;
  if (index + 1 >= count) return T_YYEOF;
  size_t next = token_skip(parser, index + 1);
  return parser->tokens.data[next].kind;
}

bool token_in_column_one(const Parser *parser, const Token *token) {
  const Source *source = source_get(parser->compilation->sources, parser->source);
  return token->line_start && source_position(source, token->span.start).column == 1;
}

bool token_starts_item(const Parser *parser, size_t index) {
  const Token *token = &parser->tokens.data[index];
  if (!is_word_of_item(token->kind)) return false;
  int next = kind_behind(parser, index);
  if (ends_a_name(next)) return false;
  if (token->kind == T_DATA || token->kind == T_UPPER || token->kind == T_LOWER)
    return next != T_LEFT_PAREN;
  if (token->kind == T_SET)
    return next != T_LEFT_PAREN && kind_behind(parser, index + 1) != T_ASSIGN;
  if (token->kind == T_FN) return next != T_LEFT_PAREN && kind_behind(parser, index + 1) != T_ARROW;
  return true;
}

// `name = ...`, `name.name = ...`, `name : ...`
static bool starts_setting_or_field(const Parser *parser, size_t index) {
  const TokenList *tokens = &parser->tokens;
  if (!tokens->data[index].name || tokens->data[index].kind == T_FN) return false;
  size_t at = token_skip(parser, index + 1);
  while (tokens->data[at].kind == T_DOT && tokens->data[at + 1].name)
    at = token_skip(parser, at + 2);
  int kind = tokens->data[at].kind;
  return kind == T_ASSIGN || (kind == T_COLON && at == index + 1);
}

bool token_starts_statement(const Parser *parser, size_t index) {
  return parser->tokens.data[index].line_start && token_may_start_statement(parser, index);
}

bool token_may_start_statement(const Parser *parser, size_t index) {
  const Token *token = &parser->tokens.data[index];
  if (token->kind == T_LET || token->kind == T_SET) return true;
  int next = kind_behind(parser, index);
  bool bare = next == T_SEMICOLON || next == T_RIGHT_BRACE;
  if (is_word_of_statement(token->kind) && (bare || !ends_a_name(next))) return true;
  // A name in front of a name or number: a statement whose word is misspelt.
  if (token->kind == T_IDENTIFIER && (next == T_IDENTIFIER || next == T_INT || next == T_REAL))
    return true;
  return token_starts_item(parser, index) || starts_setting_or_field(parser, index);
}

static Token closing_brace(const Parser *parser, size_t in_front_of) {
  const Token *token = &parser->tokens.data[in_front_of];
  Span place = {parser->source, token->span.start, token->span.start};
  return (Token){.kind = T_RIGHT_BRACE,
                 .span = place,
                 .match = NO_MATCH,
                 .enclosing = NO_MATCH,
                 .put_in = true};
}

// Does the `{` open a value (`= for i {`) and not an item's block?
static bool opens_value(const Parser *parser, size_t open) {
  int nested = 0;
  for (size_t i = open; i-- > 0;) {
    int kind = parser->tokens.data[i].kind;
    if (kind == T_SEMICOLON || kind == T_LEFT_BRACE || kind == T_RIGHT_BRACE) return false;
    nested += kind == T_RIGHT_PAREN ? 1 : kind == T_LEFT_PAREN ? -1 : 0;
    if (kind == T_ASSIGN && nested <= 0) return true;
  }
  return false;
}

// At the `}` of an item's block: is it one too many, by what follows?
static bool closes_too_early(const Parser *parser, size_t index, size_t open) {
  if (opens_value(parser, open)) return false;
  size_t next = token_skip(parser, index + 1);
  int kind = parser->tokens.data[next].kind;
  if (kind == T_YYEOF || kind == T_RIGHT_BRACE) return false;
  bool word = is_word_of_item(kind) && token_in_column_one(parser, &parser->tokens.data[next]);
  return !word && !token_starts_item(parser, next);
}

static void balance_braces(Parser *parser) {
  long open = 0, missing = 0;
  size_t outermost = 0;
  for (size_t i = 0; i < parser->tokens.count; i++) {
    int kind = parser->tokens.data[i].kind;
    missing += kind == T_LEFT_BRACE ? 1 : kind == T_RIGHT_BRACE ? -1 : 0;
  }
  TokenList balanced = {0};
  for (size_t i = 0; i < parser->tokens.count; i++) {
    Token *token = &parser->tokens.data[i];
    bool ends = token->kind == T_YYEOF;
    if (!ends && open && missing > 0 && token_in_column_one(parser, token))
      ends = token_starts_item(parser, i);
    for (; ends && open; open--, missing--)
      VEC_PUSH(parser->token_arena, &balanced, closing_brace(parser, i));
    if (token->kind == T_LEFT_BRACE && open++ == 0) outermost = i;
    if (token->kind == T_RIGHT_BRACE) {
      if (open == 0 || (open == 1 && missing < 0 && closes_too_early(parser, i, outermost))) {
        token->taken_out = true;
        missing++;
      } else {
        open--;
      }
    }
    VEC_PUSH(parser->token_arena, &balanced, *token);
  }
  parser->tokens = balanced;
}

static bool is_partner(int open, int close) {
  return (open == T_LEFT_BRACE && close == T_RIGHT_BRACE) ||
         (open == T_LEFT_PAREN && close == T_RIGHT_PAREN) ||
         (open == T_LEFT_BRACKET && close == T_RIGHT_BRACKET);
}

// Is a round or square bracket that is open at the `;` closed on the same line?
static bool closes_on_line(const Parser *parser, size_t semicolon) {
  int nested = 0;
  for (size_t i = semicolon + 1; i < parser->tokens.count; i++) {
    const Token *token = &parser->tokens.data[i];
    if (token->line_start || token->kind == T_SEMICOLON || token->kind == T_RIGHT_BRACE)
      return false;
    bool opens = token->kind == T_LEFT_PAREN || token->kind == T_LEFT_BRACKET;
    bool closes = token->kind == T_RIGHT_PAREN || token->kind == T_RIGHT_BRACKET;
    if (closes && nested-- == 0) return true;
    nested += opens;
  }
  return false;
}

static bool refuse_depth(Parser *parser, const Token *token) {
  if (!parser->too_deep) {
    Diagnostic *d = report(parser->compilation->diagnostics, E0106, token->span,
                           "brackets are nested more than %d deep", BRACKET_DEPTH_LIMIT);
    diagnostic_help(d, "name parts of the expression with `let`");
  }
  parser->too_deep = true;
  return false;
}

bool tokens_match(Parser *parser) {
  IndexList open = {0};
  int depth = 0;
  Token *tokens = parser->tokens.data;
  for (size_t i = 0; i < parser->tokens.count; i++) {
    Token *token = &tokens[i];
    token->match = NO_MATCH;
    if (token->taken_out) continue;
    if (token->kind == T_RIGHT_BRACE)
      while (open.count && tokens[VEC_LAST(&open)].kind != T_LEFT_BRACE) open.count--;
    if (token->kind == T_SEMICOLON && !closes_on_line(parser, i))
      while (open.count && tokens[VEC_LAST(&open)].kind != T_LEFT_BRACE) open.count--;
    token->enclosing = open.count ? (int)VEC_LAST(&open) : NO_MATCH;
    token->depth = depth;
    if (open.count && is_partner(tokens[VEC_LAST(&open)].kind, token->kind)) {
      token->match = (int)VEC_LAST(&open);
      tokens[VEC_LAST(&open)].match = (int)i;
      depth -= token->kind == T_RIGHT_BRACE;
      open.count--;
    }
    if (token->kind == T_LEFT_BRACE || token->kind == T_LEFT_PAREN ||
        token->kind == T_LEFT_BRACKET) {
      depth += token->kind == T_LEFT_BRACE;
      VEC_PUSH(parser->token_arena, &open, i);
      if (open.count > BRACKET_DEPTH_LIMIT) return refuse_depth(parser, token);
    }
  }
  return true;
}

bool tokens_balance(Parser *parser) {
  balance_braces(parser);
  return tokens_match(parser);
}

void tokens_report_open(Parser *parser, size_t index) {
  const Token *token = &parser->tokens.data[index];
  const Token *open = &parser->tokens.data[token->match];
  size_t next = index;
  while (parser->tokens.data[next].put_in) next++;
  const Token *behind = &parser->tokens.data[next];
  Diagnostics *diagnostics = parser->compilation->diagnostics;
  if (behind->kind == T_YYEOF) {
    report(diagnostics, E0104, open->span, "this `{` is never closed");
    return;
  }
  const Source *source = source_get(parser->compilation->sources, parser->source);
  Diagnostic *d =
      report(diagnostics, E0104, open->span,
             "this `{` is never closed (line %u starts a new item with %s)",
             source_position(source, behind->span.start).line, token_phrase(parser, behind));
  diagnostic_label(d, behind->span, "the new item");
}

// Was a mistake reported between two places?  Then it says what an unbalanced brace there would.
bool tokens_have_mistake(const Parser *parser, uint32_t start, uint32_t end) {
  for (size_t i = 0; i < parser->skipped.count; i++) {
    uint32_t at = parser->skipped.data[i].start;
    if (at >= start && at <= end) return true;
  }
  return false;
}

static bool is_skipped(const Parser *parser, uint32_t offset) {
  for (size_t i = 0; i < parser->skipped.count; i++)
    if (offset >= parser->skipped.data[i].start && offset <= parser->skipped.data[i].end)
      return true;
  return false;
}

static uint32_t statement_end(const Parser *parser, size_t index) {
  int kind;
  do kind = parser->tokens.data[++index].kind;
  while (kind != T_SEMICOLON && kind != T_YYEOF && !parser->tokens.data[index].line_start);
  return parser->tokens.data[index].span.start;
}

void tokens_report_braces(Parser *parser) {
  size_t reported = 0;
  for (size_t i = 0; i < parser->tokens.count && reported < ERROR_LIMIT; i++) {
    const Token *token = &parser->tokens.data[i];
    if (!token->put_in && !token->taken_out) continue;
    reported++;
    if (token->put_in && token->match != NO_MATCH) {
      uint32_t open = parser->tokens.data[token->match].span.start;
      if (!tokens_have_mistake(parser, open, token->span.start)) tokens_report_open(parser, i);
    }
    bool known = token->after_stray || is_skipped(parser, token->span.start) ||
                 tokens_have_mistake(parser, token->span.start, statement_end(parser, i));
    if (token->taken_out && !known)
      report(parser->compilation->diagnostics, E0104, token->span, "this `}` closes nothing");
  }
}
