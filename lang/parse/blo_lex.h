// The interface between the generated lexer and tokens.c.
#ifndef BLO_LANG_PARSE_BLO_LEX_H
#define BLO_LANG_PARSE_BLO_LEX_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/// Results of the lexer that are no tokens of the grammar.
enum {
  LEX_END = 100000,
  LEX_DOC,
  LEX_OPEN_COMMENT, // `/*` without its end
  LEX_BAD_NUMBER,
  LEX_OPEN_STRING, // ends at the end of the line
  LEX_STRAY
};

/// Where the lexer stands: [start, end) is the last token; `has_newline` is set when a line ended
/// since the caller cleared it.
typedef struct LexPlace {
  size_t start, end;
  bool has_newline;
} LexPlace;

#define YY_DECL int blo_lex_lex(LexPlace *out, yyscan_t yyscanner)

#endif
