// The tokens of one file, and the parser's view of them.
//
// Enters: a source text. Leaves: an array of tokens that ends with an end-of-file token, brackets
// matched and braces balanced, so that recovery can choose where to go on by looking ahead.
#ifndef BLO_LANG_PARSE_TOKEN_H
#define BLO_LANG_PARSE_TOKEN_H

#include "parse/tree.h"
#include "text/compilation.h"

enum { NO_MATCH = -1, BRACKET_DEPTH_LIMIT = 256, TREE_HEIGHT_LIMIT = 1000, ERROR_LIMIT = 40 };

typedef struct Token {
  int kind; // a token of blo.tab.h
  Span span;
  Name name;          // identifiers and words
  int64_t integer;    // int
  double real;        // real
  const char *text;   // string: its value; real: as written
  size_t text_length; // of a string's value
  Name doc;           // the `///` comment that ends in front of this token, or NULL
  Span doc_span;
  int match;     // index of the matching bracket, or NO_MATCH
  int enclosing; // index of the innermost bracket around the token, or NO_MATCH
  int depth;     // braces around the token
  bool line_start;
  bool after_stray; // it, or what stands in front of it, was reported by the lexer
  bool put_in;      // a `}` that balancing put in; not reported yet
  bool taken_out;   // a `}` that balancing took out; not reported yet
} Token;

typedef VEC(Token) TokenList;

/// Text that recovery skipped, from the offending token on.
typedef struct SkippedText {
  uint32_t start, end;
} SkippedText;

/// What lexer, stream, grammar and tree builder share while one file is parsed.
typedef struct Parser {
  Compilation *compilation;
  Arena *arena;       // of the tree: as long as the compilation
  Arena *token_arena; // of the tokens: as long as the file is parsed
  uint32_t source;
  TokenList tokens;
  // the stream
  size_t next;           // token the next call of yylex looks at
  size_t last;           // token that was handed out last
  bool failed;           // a mistake was found; the next token is a resynchronisation
  bool semicolon_missed; // the mistake is a missing `;` at a line's end
  bool close_here;       // the mistake is a missing `}` in front of the offending token
  size_t resumed;        // token where the last resynchronisation went on, plus one
  size_t mistakes;
  VEC(SkippedText) skipped;
  bool too_deep; // E0106 was reported
  Node *file;    // the result
} Parser;

/// Fills parser->tokens; reports malformed tokens.
void tokens_read(Parser *parser);
/// Puts in and takes out braces where a file is unbalanced, then matches brackets.  False when
/// brackets are nested too deeply to go on.
bool tokens_balance(Parser *parser);
/// Matches brackets again after a brace was put in or taken out.
bool tokens_match(Parser *parser);
/// Reports the `{` that the `}` at `index`, which was put in, closes.
void tokens_report_open(Parser *parser, size_t index);
/// Reports the braces that were put in or taken out and are not reported yet.
void tokens_report_braces(Parser *parser);
/// Was a mistake reported between two places of the source?
bool tokens_have_mistake(const Parser *parser, uint32_t start, uint32_t end);
/// The next token that is not taken out, at or behind `index`.
size_t token_skip(const Parser *parser, size_t index);

/// An operator between two expressions (`-` included), by token kind.
bool token_is_binary(int kind);
/// A word that starts an item, as opposed to a name or setting of the same spelling.
bool token_starts_item(const Parser *parser, size_t index);
/// A word that starts a line and a statement, clause, field or setting.
bool token_starts_statement(const Parser *parser, size_t index);

/// The same without regard to where the line starts.
bool token_may_start_statement(const Parser *parser, size_t index);
bool token_in_column_one(const Parser *parser, const Token *token);

/// The text of a token for messages: "`foo`", "end of file".
const char *token_phrase(const Parser *parser, const Token *token);

#endif
