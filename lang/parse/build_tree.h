// Node constructors for the actions of the grammar.
//
// Enters: parts that bison has reduced. Leaves: tree nodes with their height, doc comment and
// place.
#ifndef BLO_LANG_PARSE_BUILD_TREE_H
#define BLO_LANG_PARSE_BUILD_TREE_H

#include "parse/token.h"

/// A piece of a method, optimiser or level header that is no node of its own.
typedef enum PartKind {
  PART_ACCEPTS,
  PART_STATE,
  PART_STEP,
  PART_UPDATE,
  PART_ERROR,
  PART_FAMILY
} PartKind;

typedef struct Part {
  PartKind kind;
  Span span;
  Ident name;
  IdentList names;
  NodeList nodes;
  Node *value;
} Part;
typedef VEC(Part *) PartList;

/// The place of a rule: from its first to its last part that is not empty.
Span rule_span(const Span *parts, int count);

/// Copies `fields` into the arena as a node; a tree that grows too high becomes a NODE_ERROR.
Node *node_make(Parser *parser, NodeKind kind, Span span, Node fields);
/// Attaches the doc comment that ends in front of the node's first token.
Node *node_document(Parser *parser, Node *node);
/// What recovery skipped, with the names that occur in it.
Node *error_make(Parser *parser, Span span);

Part *part_make(Parser *parser, PartKind kind, Span span, Part fields);
Ident token_ident(const Token *token);
Ident string_ident(Parser *parser, const Token *token);

Node *file_make(Parser *parser, Span span, const Token *edition, NodeList items);
Node *data_make(Parser *parser, Span span, Ident name, Node *extent, NodeList items);
Node *expect_make(Parser *parser, Span span, Node *value, Node *within);
Node *method_make(Parser *parser, Span span, bool exported, Ident name, NodeList params,
                  PartList parts);
Node *optimizer_make(Parser *parser, Span span, bool exported, Ident name, NodeList params,
                     PartList parts);
Node *type_name_make(Parser *parser, Span span, IdentList path);
/// Parentheses: grouping around one expression, a tuple otherwise.
Node *tuple_make(Parser *parser, Span span, NodeList items);

#endif
