// The stream between token array and parser.
#ifndef BLO_LANG_PARSE_STREAM_H
#define BLO_LANG_PARSE_STREAM_H

#include "parse/token.h"

/// What the parser wanted at a mistake; filled from bison's list of expected tokens.
typedef struct Expected {
  const int *kinds; // tokens of blo.tab.h
  int count;
} Expected;

bool expected_has(const Expected *expected, int kind);

/// Reports the mistake at the token that was handed out last and prepares the resynchronisation.
void stream_mistake(Parser *parser, const Expected *expected);

/// A token kind in words: "`let`", "a name".
const char *token_kind_name(int kind);

/// The words of a syntax error: what was found, what was expected, the cure if it is a known slip.
void syntax_message(Parser *parser, const Token *found, const Expected *expected);

#endif
