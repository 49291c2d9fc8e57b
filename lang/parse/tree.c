// Walking trees: the children of a node in source order, and short phrases for messages.
#include "parse/tree.h"

typedef struct Visit {
  void (*visit)(void *self, Node *child);
  void *self;
} Visit;

static void one(const Visit *v, Node *child) {
  if (child) v->visit(v->self, child);
}

static void all(const Visit *v, NodeList children) {
  for (size_t i = 0; i < children.count; i++) one(v, children.data[i]);
}

static void expression_children(const Visit *v, const Node *n) {
  switch (n->kind) {
  case EXPR_BINARY:
    one(v, n->as.binary.left), one(v, n->as.binary.right);
    break;
  case EXPR_NEGATE:
  case EXPR_NOT:
    one(v, n->as.unary.operand);
    break;
  case EXPR_IF:
    one(v, n->as.conditional.condition);
    one(v, n->as.conditional.yes);
    one(v, n->as.conditional.no);
    break;
  case EXPR_FN:
    one(v, n->as.fn.pattern), one(v, n->as.fn.body);
    break;
  case EXPR_MEMBER:
    one(v, n->as.member.base);
    break;
  case EXPR_INDEX:
    one(v, n->as.index.base), all(v, n->as.index.indices);
    break;
  case EXPR_CALL:
    one(v, n->as.call.callee), all(v, n->as.call.arguments);
    break;
  case EXPR_TUPLE:
  case EXPR_LIST:
    all(v, n->as.list.items);
    break;
  case EXPR_CAST:
    one(v, n->as.cast.operand);
    break;
  case EXPR_FOR:
    all(v, n->as.comprehension.binders), one(v, n->as.comprehension.body);
    break;
  case EXPR_LOOP:
    one(v, n->as.loop.pattern), one(v, n->as.loop.initial), one(v, n->as.loop.bound);
    one(v, n->as.loop.condition), one(v, n->as.loop.body);
    break;
  case EXPR_BLOCK:
    all(v, n->as.block.lets), one(v, n->as.block.value), one(v, n->as.block.yield);
    break;
  case EXPR_SLICE:
    one(v, n->as.slice.low), one(v, n->as.slice.high);
    break;
  default:
    break;
  }
}

static void type_children(const Visit *v, const Node *n) {
  switch (n->kind) {
  case TYPE_TENSOR:
    one(v, n->as.tensor_type.base), all(v, n->as.tensor_type.dims);
    break;
  case TYPE_TUPLE:
    all(v, n->as.tuple_type.items);
    break;
  case TYPE_FN:
    one(v, n->as.fn_type.from), one(v, n->as.fn_type.to);
    break;
  case TYPE_ARRAY:
    one(v, n->as.array_type.extent), one(v, n->as.array_type.element);
    break;
  case PATTERN_TUPLE:
    all(v, n->as.pattern_tuple.items);
    break;
  default:
    break;
  }
}

static void statement_children(const Visit *v, const Node *n) {
  switch (n->kind) {
  case NODE_LET:
    one(v, n->as.let.pattern), one(v, n->as.let.type), one(v, n->as.let.value);
    break;
  case NODE_SET:
    one(v, n->as.assign.pattern), one(v, n->as.assign.value);
    break;
  case NODE_HYPERGRADIENT:
    one(v, n->as.hypergradient.value);
    break;
  case NODE_REPORT:
    one(v, n->as.report.value);
    break;
  case NODE_ENSURE:
    one(v, n->as.ensure.condition);
    break;
  case NODE_VAR:
    one(v, n->as.var.type), one(v, n->as.var.set), one(v, n->as.var.initial);
    break;
  case NODE_STATE:
    one(v, n->as.state.type), one(v, n->as.state.initial), one(v, n->as.state.then);
    break;
  case NODE_BATCH:
    one(v, n->as.batch.value);
    break;
  case NODE_OBJECTIVE:
    one(v, n->as.objective.value);
    break;
  case NODE_SUBJECT:
    one(v, n->as.subject.value);
    break;
  case NODE_PROX:
    one(v, n->as.prox.value);
    break;
  case NODE_UPDATE:
    one(v, n->as.update.value);
    break;
  case NODE_SETTING:
    one(v, n->as.setting.value);
    break;
  case NODE_EXPECT:
    one(v, n->as.expect.value), one(v, n->as.expect.within);
    break;
  default:
    break;
  }
}

static void part_children(const Visit *v, const Node *n) {
  switch (n->kind) {
  case PART_DIM:
    one(v, n->as.dim.value);
    break;
  case PART_FIELD:
    one(v, n->as.field.type), one(v, n->as.field.set), one(v, n->as.field.initial);
    break;
  case PART_PARAM:
    one(v, n->as.param.type), all(v, n->as.param.bounds), one(v, n->as.param.initial);
    break;
  case PART_BOUND:
    one(v, n->as.bound.number);
    break;
  case PART_SET_FUNCTION:
    one(v, n->as.set_function.body);
    break;
  case PART_BINDER:
    one(v, n->as.binder.extent);
    break;
  case PART_ARGUMENT:
    one(v, n->as.argument.value);
    break;
  default:
    break;
  }
}

static void item_children(const Visit *v, const Node *n) {
  switch (n->kind) {
  case ITEM_DIMS:
    all(v, n->as.dims.dims);
    break;
  case ITEM_CONST:
    one(v, n->as.constant.type), one(v, n->as.constant.value);
    break;
  case ITEM_STRUCT:
    all(v, n->as.structure.fields);
    break;
  case ITEM_DATA:
    one(v, n->as.data.extent), all(v, n->as.data.lets), all(v, n->as.data.fields);
    break;
  case ITEM_FUNCTION:
    all(v, n->as.function.params), one(v, n->as.function.result), one(v, n->as.function.body);
    break;
  case ITEM_LEVEL:
    one(v, n->as.level.family_of), all(v, n->as.level.clauses);
    break;
  case ITEM_SOLVE:
    all(v, n->as.solve.settings);
    break;
  case ITEM_STAGE:
    one(v, n->as.stage.family_of), all(v, n->as.stage.items);
    break;
  case ITEM_TEST:
    all(v, n->as.test.items);
    break;
  case ITEM_METHOD:
    all(v, n->as.method.params), all(v, n->as.method.traits);
    all(v, n->as.method.states), all(v, n->as.method.steps);
    break;
  case ITEM_OPTIMIZER:
    all(v, n->as.optimizer.params), all(v, n->as.optimizer.states);
    all(v, n->as.optimizer.moves), one(v, n->as.optimizer.value);
    break;
  case ITEM_SET:
    all(v, n->as.set.params), all(v, n->as.set.functions);
    break;
  case ITEM_RULE:
    one(v, n->as.rule.body);
    break;
  case NODE_FILE:
    all(v, n->as.file.items);
    break;
  default:
    break;
  }
}

void node_children(const Node *node, void (*visit)(void *self, Node *child), void *self) {
  Visit v = {visit, self};
  if (node->kind <= EXPR_SLICE)
    expression_children(&v, node);
  else if (node->kind <= PATTERN_TUPLE)
    type_children(&v, node);
  else if (node->kind < ITEM_IMPORT)
    statement_children(&v, node);
  else if (node->kind < PART_DIM || node->kind == NODE_FILE)
    item_children(&v, node);
  else
    part_children(&v, node);
}

Name node_name(const Node *node) {
  switch (node->kind) {
  case NODE_REPORT:
    return node->as.report.name.name;
  case NODE_VAR:
    return node->as.var.name.name;
  case NODE_STATE:
    return node->as.state.name.name;
  case NODE_BATCH:
    return node->as.batch.name.name;
  case NODE_SUBJECT:
    return node->as.subject.name.name;
  case NODE_PROX:
    return node->as.prox.name.name;
  case NODE_UPDATE:
    return node->as.update.name.name;
  case ITEM_CONST:
    return node->as.constant.name.name;
  case ITEM_STRUCT:
    return node->as.structure.name.name;
  case ITEM_DATA:
    return node->as.data.name.name;
  case ITEM_FUNCTION:
    return node->as.function.name.name;
  case ITEM_LEVEL:
    return node->as.level.name.name;
  case ITEM_SOLVE:
    return node->as.solve.name.name;
  case ITEM_STAGE:
    return node->as.stage.name.name;
  case ITEM_METHOD:
    return node->as.method.name.name;
  case ITEM_OPTIMIZER:
    return node->as.optimizer.name.name;
  case ITEM_SET:
    return node->as.set.name.name;
  case ITEM_RULE:
    return node->as.rule.name.name;
  case PART_DIM:
    return node->as.dim.name.name;
  case PART_FIELD:
    return node->as.field.name.name;
  case PART_PARAM:
    return node->as.param.name.name;
  case PART_SET_FUNCTION:
    return node->as.set_function.name.name;
  case PART_BINDER:
    return node->as.binder.name.name;
  default:
    return NULL;
  }
}

static const char *const named_phrases[NODE_FILE + 1] = {
    [NODE_VAR] = "the variable",      [NODE_STATE] = "the state",
    [NODE_BATCH] = "the batch",       [NODE_REPORT] = "the report",
    [ITEM_CONST] = "the constant",    [ITEM_STRUCT] = "the struct",
    [ITEM_FUNCTION] = "the function", [ITEM_STAGE] = "the stage",
    [ITEM_METHOD] = "the method",     [ITEM_OPTIMIZER] = "the optimizer",
    [ITEM_SET] = "the set",           [PART_DIM] = "the dim",
    [PART_FIELD] = "the field",       [PART_PARAM] = "the parameter",
};

static const char *const plain_phrases[] = {
    [NODE_ERROR] = "something that could not be read",
    [EXPR_STRING] = "a string",
    [EXPR_IF] = "an `if`",
    [EXPR_FN] = "a function value",
    [EXPR_INDEX] = "an indexing",
    [EXPR_TUPLE] = "a tuple",
    [EXPR_LIST] = "a list",
    [EXPR_CAST] = "a conversion",
    [EXPR_FOR] = "a comprehension",
    [EXPR_LOOP] = "a loop",
    [EXPR_BLOCK] = "a block",
    [EXPR_SLICE] = "a slice",
    [EXPR_NEGATE] = "a negation",
    [EXPR_NOT] = "a negation",
    [TYPE_ELEMENT] = "an element type",
    [TYPE_TENSOR] = "a tensor type",
    [TYPE_TUPLE] = "a tuple type",
    [TYPE_FN] = "a function type",
    [TYPE_ARRAY] = "an array type",
    [PATTERN_TUPLE] = "a tuple pattern",
    [NODE_LET] = "a `let`",
    [NODE_SET] = "a `set`",
    [NODE_HYPERGRADIENT] = "a `hypergradient`",
    [NODE_ENSURE] = "an `ensure`",
    [NODE_OBJECTIVE] = "an objective",
    [NODE_SUBJECT] = "a constraint",
    [NODE_PROX] = "a `prox`",
    [NODE_UPDATE] = "an `update`",
    [NODE_SETTING] = "a setting",
    [NODE_EXPECT] = "an `expect`",
    [NODE_EXPECT_CODE] = "an `expect`",
    [ITEM_IMPORT] = "an import",
    [ITEM_DIMS] = "a `dim` declaration",
    [ITEM_DATA] = "a data block",
    [ITEM_LEVEL] = "a level",
    [ITEM_SOLVE] = "a solve block",
    [ITEM_TEST] = "a test",
    [ITEM_SHARD] = "a `shard`",
    [ITEM_RULE] = "a custom rule",
    [PART_BOUND] = "a bound",
    [PART_TRAIT] = "a trait",
    [PART_SET_FUNCTION] = "a map of a set",
    [PART_BINDER] = "a binder",
    [PART_ARGUMENT] = "an argument",
    [NODE_FILE] = "a file",
};

static const char *binary_text(BinaryOp op) {
  static const char *const texts[] = {
      "||", "&&", "<", ">", "<=", ">=", "==", "!=", "~=", "+", "-", "*", "/", "@", "^"};
  return texts[op];
}

const char *node_phrase(Arena *arena, const Node *node) {
  switch (node->kind) {
  case EXPR_NAME:
    return arena_printf(arena, "the name `%s`", node->as.name.name);
  case EXPR_INT:
    return arena_printf(arena, "the integer `%lld`", (long long)node->as.integer.value);
  case EXPR_REAL:
    return arena_printf(arena, "the number `%s`", node->as.real.text);
  case EXPR_BOOL:
    return node->as.boolean.value ? "`true`" : "`false`";
  case EXPR_BINARY:
    return arena_printf(arena, "the operation `%s`", binary_text(node->as.binary.op));
  case EXPR_MEMBER:
    return arena_printf(arena, "the member `.%s`", node->as.member.member.name);
  case EXPR_CALL:
    if (node->as.call.callee->kind == EXPR_NAME)
      return arena_printf(arena, "a call of `%s`", node->as.call.callee->as.name.name);
    return "a call";
  case TYPE_NAME:
    return arena_printf(arena, "the type `%s`", node->as.type_name.name.name);
  case PATTERN_NAME:
    return arena_printf(arena, "the name `%s`", node->as.pattern_name.name);
  default: {
    const char *plain = plain_phrases[node->kind], *named = named_phrases[node->kind];
    Name name = node_name(node);
    if (named) return name ? arena_printf(arena, "%s `%s`", named, name) : named;
    return plain ? plain : "this";
  }
  }
}
