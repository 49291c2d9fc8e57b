// Node constructors for the actions of the grammar.
//
// Enters: parts that bison has reduced. Leaves: tree nodes with their height, doc comment and
// place. Where the grammar is looser than the language in a way that needs no names (an item part
// twice, `within abs(e)`, a data header), the shape is settled here.
#include "parse/build_tree.h"

#include "blo.tab.h"

#include <string.h>

Span rule_span(const Span *parts, int count) {
  Span span = {parts[0].source, parts[0].end, parts[0].end};
  bool found = false;
  for (int i = 1; i <= count; i++) {
    if (parts[i].start == parts[i].end) continue;
    span = found ? span_join(span, parts[i]) : parts[i];
    found = true;
  }
  return span;
}

static void measure_child(void *self, Node *child) {
  uint32_t *height = self;
  if (child->height > *height) *height = child->height;
}

Node *node_make(Parser *parser, NodeKind kind, Span span, Node fields) {
  Node *node = ARENA_NEW(parser->arena, Node);
  *node = fields;
  node->kind = kind;
  node->span = span;
  uint32_t height = 0;
  node_children(node, measure_child, &height);
  node->height = height + 1;
  if (node->height <= TREE_HEIGHT_LIMIT) return node;
  if (!parser->too_deep) {
    Diagnostic *d = report(parser->compilation->diagnostics, E0106, span,
                           "this is nested more than %d levels deep", TREE_HEIGHT_LIMIT);
    diagnostic_help(d, "name parts of it with `let`, or write a loop");
  }
  parser->too_deep = true;
  return error_make(parser, span);
}

// The first token that starts at or behind `offset`.
static size_t token_at(const Parser *parser, uint32_t offset) {
  size_t low = 0, high = parser->tokens.count - 1;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (parser->tokens.data[middle].span.start < offset)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

Node *node_document(Parser *parser, Node *node) {
  size_t index = token_at(parser, node->span.start);
  for (; index < parser->tokens.count; index++) {
    Token *token = &parser->tokens.data[index];
    if (token->span.start != node->span.start) break;
    if (!token->doc) continue;
    node->doc = token->doc;
    token->doc = NULL;
  }
  return node;
}

// The first token of the statement around a place: what bison popped is skipped too.
static size_t statement_start(const Parser *parser, uint32_t offset) {
  size_t index = token_at(parser, offset);
  for (; index > 0; index--) {
    int kind = parser->tokens.data[index - 1].kind;
    if (kind == T_SEMICOLON || kind == T_LEFT_BRACE || kind == T_RIGHT_BRACE) break;
  }
  return index;
}

Node *error_make(Parser *parser, Span span) {
  Node *node = ARENA_NEW(parser->arena, Node);
  node->kind = NODE_ERROR;
  node->span = span;
  node->height = 1;
  for (size_t i = statement_start(parser, span.start); i < parser->tokens.count; i++) {
    const Token *token = &parser->tokens.data[i];
    if (token->span.start >= span.end) break;
    if (token->name)
      VEC_PUSH(parser->arena, &node->as.error.names, ((Ident){token->name, token->span}));
  }
  return node;
}

Part *part_make(Parser *parser, PartKind kind, Span span, Part fields) {
  Part *part = ARENA_NEW(parser->arena, Part);
  *part = fields;
  part->kind = kind;
  part->span = span;
  return part;
}

Ident token_ident(const Token *token) {
  return (Ident){token->name, token->span};
}

Ident string_ident(Parser *parser, const Token *token) {
  Name name = intern_range(parser->compilation->names, token->text, token->text_length);
  return (Ident){name, token->span};
}

Node *file_make(Parser *parser, Span span, const Token *edition, NodeList items) {
  Diagnostics *diagnostics = parser->compilation->diagnostics;
  const Source *source = source_get(parser->compilation->sources, parser->source);
  if (edition && edition->integer != 1) {
    Diagnostic *d = report(diagnostics, E0107, edition->span,
                           "this compiler knows edition 1 of the language only");
    diagnostic_help(d, "write `blo 1;`");
  }
  return node_make(parser, NODE_FILE, span,
                   (Node){.as.file = {.items = items,
                                      .path = source ? source->path : "",
                                      .library = source && source->library}});
}

// `data t[r < n]` reads as one comparison; its left side is the row variable.
static void split_row(Node *extent, Ident *row, Node **size) {
  *size = extent;
  if (!extent || extent->kind != EXPR_BINARY || extent->as.binary.op != BIN_LT) return;
  const Node *left = extent->as.binary.left;
  if (left->kind != EXPR_NAME) return;
  *row = (Ident){left->as.name.name, left->span};
  *size = extent->as.binary.right;
}

Node *data_make(Parser *parser, Span span, Ident name, Node *extent, NodeList items) {
  Node data = {.as.data = {.name = name}};
  split_row(extent, &data.as.data.row, &data.as.data.extent);
  for (size_t i = 0; i < items.count; i++) {
    Node *item = items.data[i];
    bool is_let = item->kind == NODE_LET || item->kind == NODE_ENSURE;
    if (is_let)
      VEC_PUSH(parser->arena, &data.as.data.lets, item);
    else
      VEC_PUSH(parser->arena, &data.as.data.fields, item);
  }
  bool broken = false;
  for (size_t i = 0; i < items.count; i++) broken |= items.data[i]->kind == NODE_ERROR;
  if (broken) return node_make(parser, ITEM_DATA, span, data);
  if (name.name && !extent) {
    Diagnostic *d = report(parser->compilation->diagnostics, E0101, name.span,
                           "the table `%s` has no number of rows", name.name);
    diagnostic_help(d, "write `data %s[n] { ... }`", name.name);
    return error_make(parser, span);
  }
  if (!name.name && extent) {
    Diagnostic *d = report(parser->compilation->diagnostics, E0101, extent->span,
                           "data with a number of rows needs a name");
    diagnostic_help(d, "write `data train[n] { ... }`, or leave the brackets out");
    return error_make(parser, span);
  }
  return node_make(parser, ITEM_DATA, span, data);
}

Node *expect_make(Parser *parser, Span span, Node *value, Node *within) {
  Node expect = {.as.expect = {.value = value, .within = within}};
  if (within && within->kind == EXPR_CALL) {
    const Node *callee = within->as.call.callee;
    NodeList arguments = within->as.call.arguments;
    bool is_abs = callee->kind == EXPR_NAME && strcmp(callee->as.name.name, "abs") == 0;
    if (is_abs && arguments.count == 1 && !arguments.data[0]->as.argument.name.name) {
      expect.as.expect.absolute = true;
      expect.as.expect.within = arguments.data[0]->as.argument.value;
    }
  }
  return node_make(parser, NODE_EXPECT, span, expect);
}

static void report_repeated(Parser *parser, const Part *part, Span first, const char *what,
                            const char *owner) {
  Diagnostic *d = report(parser->compilation->diagnostics, E0204, part->span,
                         "%s has one `%s`, this is a second one", owner, what);
  diagnostic_label(d, first, "the first one is here");
}

static void add_all(Parser *parser, NodeList *list, NodeList items) {
  for (size_t i = 0; i < items.count; i++) VEC_PUSH(parser->arena, list, items.data[i]);
}

Node *method_make(Parser *parser, Span span, bool exported, Ident name, NodeList params,
                  PartList parts) {
  Node method = {.as.method = {.exported = exported, .name = name, .params = params}};
  Span accepts = {0};
  for (size_t i = 0; i < parts.count; i++) {
    const Part *part = parts.data[i];
    if (part->kind == PART_ACCEPTS) {
      if (accepts.source)
        report_repeated(parser, part, accepts, "accepts", "a method");
      else
        accepts = part->span;
      add_all(parser, &method.as.method.traits, part->nodes);
    } else if (part->kind == PART_STATE) {
      VEC_PUSH(parser->arena, &method.as.method.states, part->value);
    } else if (part->kind == PART_ERROR) {
      VEC_PUSH(parser->arena, &method.as.method.steps, part->value);
    } else if (method.as.method.has_step) {
      report_repeated(parser, part, method.as.method.step_span, "step", "a method");
    } else {
      method.as.method.has_step = true;
      method.as.method.step_span = part->span;
      add_all(parser, &method.as.method.steps, part->nodes);
    }
  }
  return node_make(parser, ITEM_METHOD, span, method);
}

Node *optimizer_make(Parser *parser, Span span, bool exported, Ident name, NodeList params,
                     PartList parts) {
  Node optimizer = {.as.optimizer = {.exported = exported, .name = name, .params = params}};
  for (size_t i = 0; i < parts.count; i++) {
    const Part *part = parts.data[i];
    if (part->kind == PART_STATE) {
      VEC_PUSH(parser->arena, &optimizer.as.optimizer.states, part->value);
    } else if (part->kind == PART_ERROR) {
      VEC_PUSH(parser->arena, &optimizer.as.optimizer.moves, part->value);
    } else if (optimizer.as.optimizer.has_update) {
      report_repeated(parser, part, optimizer.as.optimizer.update_span, "update", "an optimizer");
    } else {
      optimizer.as.optimizer.has_update = true;
      optimizer.as.optimizer.update_span = part->span;
      optimizer.as.optimizer.update_names = part->names;
      optimizer.as.optimizer.value = part->value;
      add_all(parser, &optimizer.as.optimizer.moves, part->nodes);
    }
  }
  return node_make(parser, ITEM_OPTIMIZER, span, optimizer);
}

Node *type_name_make(Parser *parser, Span span, IdentList path) {
  if (path.count > 2) {
    Diagnostic *d = report(parser->compilation->diagnostics, E0101, path.data[2].span,
                           "a type name is `name` or `module.name`");
    diagnostic_help(d, "import the module itself and write `%s.%s`", path.data[path.count - 2].name,
                    path.data[path.count - 1].name);
    return error_make(parser, span);
  }
  Node type = {.as.type_name = {.name = path.data[path.count - 1]}};
  if (path.count == 2) type.as.type_name.module = path.data[0];
  return node_make(parser, TYPE_NAME, span, type);
}

Node *tuple_make(Parser *parser, Span span, NodeList items) {
  if (items.count == 1) return items.data[0];
  return node_make(parser, EXPR_TUPLE, span, (Node){.as.list = {.items = items}});
}
