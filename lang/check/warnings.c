// What is right and probably not meant: W0201 names that nobody uses, W0320 `!` in front of a
// comparison without parentheses.
//
// Enters: the user's file after resolving. Leaves: warnings. Asked for last: after an error a name
// may be unused only because its use was not understood.
#include "check/check.h"

typedef struct Warner {
  Diagnostics *diagnostics;
  const char *text; // of the file
} Warner;

static void warn_unused(const Warner *w, Span span, Name name, const char *kind) {
  Diagnostic *d = report(w->diagnostics, W0201, span, "the %s `%s` is never used", kind, name);
  diagnostic_help(d, "take it away%s",
                  kind[0] == 'n' ? ", or write `_` for a part of a pattern" : "");
}

static void warn_pattern(const Warner *w, const Node *pattern) {
  if (pattern->kind == PATTERN_TUPLE) {
    for (size_t i = 0; i < pattern->as.pattern_tuple.items.count; i++)
      warn_pattern(w, pattern->as.pattern_tuple.items.data[i]);
    return;
  }
  const Binding *binding = pattern->kind == PATTERN_NAME ? pattern->as.pattern_name.binding : NULL;
  if (binding && !binding->used) warn_unused(w, pattern->span, binding->name, "name");
}

// `!a == b` reads like `(!a) == b` to who comes from C. Grouping leaves no node: the text between
// `!` and the operator tells whether the comparison stands in parentheses.
static void warn_not(const Warner *w, const Node *node) {
  const Node *operand = node->as.unary.operand;
  if (operand->kind != EXPR_BINARY || operand->as.binary.op < BIN_LT ||
      operand->as.binary.op > BIN_NE)
    return;
  int depth = 0;
  for (uint32_t i = node->span.start; i < operand->as.binary.op_span.start; i++)
    depth += (w->text[i] == '(') - (w->text[i] == ')');
  if (depth > 0) return;
  Diagnostic *d = report(w->diagnostics, W0320, node->span, "`!` negates the whole comparison");
  diagnostic_help(d, "write `!(a == b)` if that is meant, `(!a) == b` if not");
}

static void warn(void *self, Node *node) {
  const Warner *w = self;
  if (node->kind == ITEM_TEST) return; // what a test only computes may be what it wants to fail
  if (node->kind == NODE_LET) warn_pattern(w, node->as.let.pattern);
  if (node->kind == NODE_BATCH && node->as.batch.binding && !node->as.batch.binding->used)
    warn_unused(w, node->as.batch.name.span, node->as.batch.name.name, "batch");
  if (node->kind == EXPR_NOT) warn_not(w, node);
  node_children(node, warn, self);
}

void check_warnings(Compilation *compilation, const Program *program) {
  const Source *source = source_get(compilation->sources, program->file->span.source);
  Warner w = {compilation->diagnostics, source ? source->text : ""};
  if (source) node_children(program->file, warn, &w);
}
