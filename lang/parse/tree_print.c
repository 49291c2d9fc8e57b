// Trees as indented text, one node a line: `bloc emit --stage=tree`.
//
// Enters: a tree. Leaves: for every node its kind, the names and values it holds itself, and its
// children two columns further in.
#include "base/text_buffer.h"
#include "parse/tree.h"

#include <string.h>

static const char *const kind_names[] = {
    [NODE_ERROR] = "error",
    [EXPR_NAME] = "name",
    [EXPR_INT] = "int",
    [EXPR_REAL] = "real",
    [EXPR_STRING] = "string",
    [EXPR_BOOL] = "bool",
    [EXPR_BINARY] = "binary",
    [EXPR_NEGATE] = "negate",
    [EXPR_NOT] = "not",
    [EXPR_IF] = "if",
    [EXPR_FN] = "fn",
    [EXPR_MEMBER] = "member",
    [EXPR_INDEX] = "index",
    [EXPR_CALL] = "call",
    [EXPR_TUPLE] = "tuple",
    [EXPR_LIST] = "list",
    [EXPR_CAST] = "cast",
    [EXPR_FOR] = "for",
    [EXPR_LOOP] = "loop",
    [EXPR_BLOCK] = "block",
    [EXPR_SLICE] = "slice",
    [TYPE_ELEMENT] = "type-element",
    [TYPE_NAME] = "type-name",
    [TYPE_TENSOR] = "type-tensor",
    [TYPE_TUPLE] = "type-tuple",
    [TYPE_FN] = "type-fn",
    [TYPE_ARRAY] = "type-array",
    [PATTERN_NAME] = "pattern",
    [PATTERN_TUPLE] = "pattern-tuple",
    [NODE_LET] = "let",
    [NODE_SET] = "set",
    [NODE_HYPERGRADIENT] = "hypergradient",
    [NODE_REPORT] = "report",
    [NODE_ENSURE] = "ensure",
    [NODE_VAR] = "var",
    [NODE_STATE] = "state",
    [NODE_BATCH] = "batch",
    [NODE_OBJECTIVE] = "objective",
    [NODE_SUBJECT] = "subject-to",
    [NODE_PROX] = "prox",
    [NODE_UPDATE] = "update",
    [NODE_SETTING] = "setting",
    [NODE_EXPECT] = "expect",
    [NODE_EXPECT_CODE] = "expect-code",
    [ITEM_IMPORT] = "import",
    [ITEM_DIMS] = "dims",
    [ITEM_CONST] = "const",
    [ITEM_STRUCT] = "struct",
    [ITEM_DATA] = "data",
    [ITEM_FUNCTION] = "function",
    [ITEM_LEVEL] = "level",
    [ITEM_SOLVE] = "solve",
    [ITEM_STAGE] = "stage",
    [ITEM_TEST] = "test",
    [ITEM_METHOD] = "method",
    [ITEM_OPTIMIZER] = "optimizer",
    [ITEM_SET] = "set-definition",
    [ITEM_SHARD] = "shard",
    [ITEM_RULE] = "custom-rule",
    [PART_DIM] = "dim",
    [PART_FIELD] = "field",
    [PART_PARAM] = "param",
    [PART_BOUND] = "bound",
    [PART_TRAIT] = "trait",
    [PART_SET_FUNCTION] = "set-function",
    [PART_BINDER] = "binder",
    [PART_ARGUMENT] = "argument",
    [NODE_FILE] = "file",
};

static const char *const element_names[] = {"f16", "bf16", "f32", "f64",
                                            "i32", "i64",  "u8",  "bool"};
static const char *const operator_names[] = {
    "||", "&&", "<", ">", "<=", ">=", "==", "!=", "~=", "+", "-", "*", "/", "@", "^"};

static void add_name(TextBuffer *out, Name name) {
  if (name) text_addf(out, " %s", name);
}

static void add_names(TextBuffer *out, IdentList names) {
  if (!names.count) return;
  text_add(out, " [");
  for (size_t i = 0; i < names.count; i++)
    text_addf(out, "%s%s", i ? ", " : "", names.data[i].name);
  text_add(out, "]");
}

static void add_quoted(TextBuffer *out, const char *text) {
  text_add(out, " \"");
  for (; *text; text++) {
    if (*text == '\n')
      text_add(out, "\\n");
    else if (*text == '\t')
      text_add(out, "\\t");
    else if (*text == '"' || *text == '\\')
      text_addf(out, "\\%c", *text);
    else
      text_add_range(out, text, 1);
  }
  text_add(out, "\"");
}

static void add_expression_words(TextBuffer *out, const Node *n) {
  switch (n->kind) {
  case EXPR_NAME:
    add_name(out, n->as.name.name);
    break;
  case EXPR_INT:
    text_addf(out, " %lld", (long long)n->as.integer.value);
    break;
  case EXPR_REAL:
    add_name(out, n->as.real.text);
    break;
  case EXPR_STRING:
    add_quoted(out, n->as.string.text);
    break;
  case EXPR_BOOL:
    text_add(out, n->as.boolean.value ? " true" : " false");
    break;
  case EXPR_BINARY:
    add_name(out, operator_names[n->as.binary.op]);
    break;
  case EXPR_MEMBER:
    text_addf(out, " .%s", n->as.member.member.name);
    break;
  case EXPR_CAST:
    add_name(out, element_names[n->as.cast.element]);
    break;
  case EXPR_LOOP:
    add_name(out, n->as.loop.counter.name);
    break;
  case EXPR_SLICE:
    text_addf(out, " %s:%s", n->as.slice.low ? "low" : "", n->as.slice.high ? "high" : "");
    break;
  case TYPE_ELEMENT:
    add_name(out, element_names[n->as.element_type.element]);
    break;
  case TYPE_NAME:
    if (n->as.type_name.module.name)
      text_addf(out, " %s.%s", n->as.type_name.module.name, n->as.type_name.name.name);
    else
      add_name(out, n->as.type_name.name.name);
    break;
  case TYPE_TENSOR:
    if (n->as.tensor_type.any_shape) text_add(out, " [..]");
    break;
  case PATTERN_NAME:
    add_name(out, n->as.pattern_name.name);
    break;
  default:
    break;
  }
}

static void add_words_before(TextBuffer *out, const Node *n) {
  switch (n->kind) {
  case ITEM_FUNCTION:
    if (n->as.function.exported) text_add(out, " export");
    break;
  case ITEM_METHOD:
    if (n->as.method.exported) text_add(out, " export");
    break;
  case ITEM_OPTIMIZER:
    if (n->as.optimizer.exported) text_add(out, " export");
    break;
  case ITEM_SET:
    if (n->as.set.exported) text_add(out, " export");
    break;
  case ITEM_LEVEL:
    text_add(out, n->as.level.upper ? " upper" : " lower");
    break;
  case ITEM_RULE:
    text_add(out, n->as.rule.vjp ? " vjp" : " jvp");
    break;
  default:
    break;
  }
}

static void add_statement_words(TextBuffer *out, const Node *n) {
  switch (n->kind) {
  case NODE_ENSURE:
    if (n->as.ensure.warning) text_add(out, " warn");
    add_quoted(out, n->as.ensure.text);
    break;
  case NODE_OBJECTIVE:
    text_add(out, n->as.objective.maximize ? " maximize" : " minimize");
    break;
  case NODE_SETTING:
    for (size_t i = 0; i < n->as.setting.key.count; i++)
      text_addf(out, "%c%s", i ? '.' : ' ', n->as.setting.key.data[i].name);
    break;
  case NODE_EXPECT:
    if (n->as.expect.absolute) text_add(out, " absolute");
    break;
  case NODE_EXPECT_CODE:
    text_addf(out, " %s %s", n->as.expect_code.warning ? "warning" : "error",
              n->as.expect_code.code.name);
    break;
  case PART_BOUND:
    add_name(out, operator_names[n->as.bound.op]);
    break;
  case PART_TRAIT:
    add_name(out, n->as.trait.first.name);
    add_name(out, n->as.trait.second.name);
    break;
  case PART_SET_FUNCTION:
    add_names(out, n->as.set_function.names);
    break;
  case PART_ARGUMENT:
    if (n->as.argument.name.name) text_addf(out, " %s =", n->as.argument.name.name);
    break;
  default:
    break;
  }
}

static void add_item_words(TextBuffer *out, const Node *n) {
  switch (n->kind) {
  case ITEM_IMPORT:
    add_name(out, n->as.import.module.name);
    if (n->as.import.alias.name) text_addf(out, " as %s", n->as.import.alias.name);
    break;
  case ITEM_STRUCT:
    add_names(out, n->as.structure.dims);
    break;
  case ITEM_DATA:
    if (n->as.data.row.name) text_addf(out, " row %s", n->as.data.row.name);
    break;
  case ITEM_FUNCTION:
    add_names(out, n->as.function.dims);
    break;
  case ITEM_LEVEL:
    if (n->as.level.family.name) text_addf(out, " for %s", n->as.level.family.name);
    break;
  case ITEM_STAGE:
    if (n->as.stage.family.name) text_addf(out, " for %s", n->as.stage.family.name);
    break;
  case ITEM_TEST:
    add_quoted(out, n->as.test.name);
    break;
  case ITEM_OPTIMIZER:
    add_names(out, n->as.optimizer.update_names);
    break;
  case ITEM_SHARD:
    add_names(out, n->as.shard.names);
    break;
  case ITEM_RULE:
    add_names(out, n->as.rule.names);
    break;
  case NODE_FILE:
    add_quoted(out, n->as.file.path);
    break;
  default:
    break;
  }
}

typedef struct Printer {
  TextBuffer *out;
  int indent;
} Printer;

static void print_node(void *self, Node *node) {
  Printer *printer = self;
  TextBuffer *out = printer->out;
  text_addf(out, "%*s%s", printer->indent, "", kind_names[node->kind]);
  add_expression_words(out, node);
  add_words_before(out, node);
  add_name(out, node_name(node));
  add_statement_words(out, node);
  add_item_words(out, node);
  if (node->doc) {
    text_add(out, " ///");
    add_quoted(out, node->doc);
  }
  text_add(out, "\n");
  Printer inner = {out, printer->indent + 2};
  node_children(node, print_node, &inner);
}

void tree_print(TextBuffer *out, const Node *node) {
  Printer printer = {out, 0};
  print_node(&printer, (Node *)node);
}
