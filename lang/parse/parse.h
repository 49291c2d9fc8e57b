// Text to tree.
//
// Enters: a source number. Leaves: a NODE_FILE; every syntax mistake is reported through the
// compilation's diagnostics and leaves a NODE_ERROR in its place. Never fails, never crashes.
#ifndef BLO_LANG_PARSE_PARSE_H
#define BLO_LANG_PARSE_PARSE_H

#include "parse/tree.h"
#include "text/compilation.h"

Node *parse_source(Compilation *compilation, uint32_t source);
/// Adds `text` as a source and parses it.
Node *parse_text(Compilation *compilation, const char *path, const char *text, size_t length);

#endif
