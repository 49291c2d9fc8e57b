// Text to tree: the order of the steps.
//
// Enters: a source number. Leaves: a NODE_FILE, if need be one that holds nothing but a NODE_ERROR.
#include "parse/parse.h"

#include "parse/build_tree.h"
#include "parse/token.h"

#include "blo.tab.h"

// A doc comment that no declaration took.
static void warn_stray_docs(const Parser *parser) {
  for (size_t i = 0; i < parser->tokens.count; i++) {
    const Token *token = &parser->tokens.data[i];
    if (!token->doc) continue;
    Diagnostic *d = report(parser->compilation->diagnostics, W0110, token->doc_span,
                           "this doc comment stands in front of no declaration");
    diagnostic_help(d, "a plain comment starts with `//`");
  }
}

static Node *error_file(Parser *parser) {
  const Source *source = source_get(parser->compilation->sources, parser->source);
  NodeList items = {0};
  Span all = {parser->source, 0, (uint32_t)source->length};
  VEC_PUSH(parser->arena, &items, error_make(parser, all));
  return file_make(parser, all, NULL, items);
}

// Recovery keeps quiet about what follows from an earlier report; if there was none, it was wrong.
static void report_first_mistake(const Parser *parser) {
  SkippedText first = parser->skipped.count ? parser->skipped.data[0] : (SkippedText){0, 0};
  Span span = {parser->source, first.start, first.end};
  report(parser->compilation->diagnostics, E0101, span, "this text fits nowhere in the grammar");
}

static Node *parse_tokens(Parser *parser) {
  size_t before = diagnostics_errors(parser->compilation->diagnostics);
  tokens_read(parser);
  bool sound = tokens_balance(parser);
  if (sound) {
    blo_yyparse(parser);
    if (parser->mistakes < ERROR_LIMIT) tokens_report_braces(parser);
    if (parser->mistakes && diagnostics_errors(parser->compilation->diagnostics) == before)
      report_first_mistake(parser);
  }
  if (!parser->file || parser->too_deep) return error_file(parser);
  if (parser->mistakes == 0) warn_stray_docs(parser);
  return parser->file;
}

// The tree keeps texts and names of tokens but no token: the list of them, several times as large
// as the text, goes when the tree stands.
Node *parse_source(Compilation *compilation, uint32_t source) {
  Parser parser = {.compilation = compilation,
                   .arena = compilation->arena,
                   .token_arena = arena_create(),
                   .source = source};
  Node *file = parse_tokens(&parser);
  arena_destroy(parser.token_arena);
  return file;
}

Node *parse_text(Compilation *compilation, const char *path, const char *text, size_t length) {
  return parse_source(compilation, sources_add(compilation->sources, path, text, length, false));
}
