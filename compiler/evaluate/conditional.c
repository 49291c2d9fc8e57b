// `if`, `&&`, `||`, `select`: one branch where the condition is static, else safe in both.
//
// A run-time truth value gives an IR `if`, or a select where both branches are a few operations on
// scalars; a tensor of truth values selects entry by entry. In no case does the branch that is not
// taken give a value, a derivative or a read.
#include "evaluate/staging.h"

enum { CHEAP_OPS = 16 };

static bool is_truth(const Staged *s) {
  return s->kind == STAGED_BOOL || (s->kind == STAGED_TENSOR && s->tensor->type->dtype == DT_BOOL);
}

// Bundles of truth values come from comparing bundles.
static bool is_truth_tree(const Staged *s) {
  if (s->kind != STAGED_TREE) return is_truth(s);
  for (int i = 0; i < s->tree.layout->count; i++)
    if (!is_truth_tree(s->tree.children[i])) return false;
  return true;
}

static Staged *not_a_truth_value(Evaluator *e, const Staged *s, const char *what, Span span) {
  Diagnostic *d =
      mistake(e, E0303, span, "%s is a truth value, this is %s", what, staged_describe(e, s));
  if (s->kind == STAGED_TENSOR || staged_is_number(s))
    diagnostic_help(d, "compare it, as in `%s > 0`",
                    source_excerpt(e, span) ? source_excerpt(e, span) : "x");
  return staged_poison;
}

// --- branches ------------------------------------------------------------------------------------

/// Two branches being brought together leaf by leaf; each converts its leaves in its own block.
typedef struct Branches {
  Block *yes, *no;
  ValueList yes_leaves, no_leaves;
  Value *yes_count, *no_count; // of `counted` behind each; NULL: nobody asks
  Places places;
} Branches;

static bool branch_mismatch(Evaluator *e, const Branches *b, Staged *yes, Staged *no,
                            ErrorCode code) {
  Diagnostic *d = mistake(e, code, b->places.whole, "the two branches of `if` do not fit");
  diagnostic_label(d, b->places.left, "%s", staged_describe(e, yes));
  diagnostic_label(d, b->places.right, "%s", staged_describe(e, no));
  return false;
}

static Value *in_block(Evaluator *e, Block *block, const Staged *leaf, Dtype dtype) {
  Block *saved = e->builder.block;
  e->builder.block = block;
  Value *value = leaf_as(e, leaf, dtype);
  e->builder.block = saved;
  return value;
}

static Value *broadcast_in(Evaluator *e, Block *block, Value *value, const Type *type) {
  Block *saved = e->builder.block;
  e->builder.block = block;
  value = broadcast_to(e, value, type);
  e->builder.block = saved;
  return value;
}

static bool leaf_branches(Evaluator *e, Branches *b, Staged *yes, Staged *no) {
  Dtype dtype;
  bool truth = yes->kind == STAGED_BOOL && no->kind == STAGED_BOOL;
  if (truth) {
    dtype = DT_BOOL;
  } else if (!meet_dtype(e, yes, no, "if", b->places, &dtype)) {
    return false;
  }
  Value *x = in_block(e, b->yes, yes, dtype), *y = in_block(e, b->no, no, dtype);
  const Type *type = x->type->rank >= y->type->rank ? x->type : y->type;
  if (x->type != y->type && x->type->rank && y->type->rank)
    return branch_mismatch(e, b, yes, no, E0301);
  x = broadcast_in(e, b->yes, x, type);
  y = broadcast_in(e, b->no, y, type);
  VEC_PUSH(e->arena, &b->yes_leaves, x);
  VEC_PUSH(e->arena, &b->no_leaves, y);
  return true;
}

// Collects the leaves of both branches; *like gets the layout of the result.
static bool merge_branches(Evaluator *e, Branches *b, Staged *yes, Staged *no, Staged **like) {
  bool left = yes->kind == STAGED_TREE, right = no->kind == STAGED_TREE;
  *like = left ? yes : no;
  if (!left && !right) return leaf_branches(e, b, yes, no);
  if (left && right && yes->tree.layout != no->tree.layout)
    return branch_mismatch(e, b, yes, no, E0303);
  if (left != right && !staged_is_number(left ? no : yes))
    return branch_mismatch(e, b, yes, no, E0303);
  for (int i = 0; i < (*like)->tree.layout->count; i++) {
    Staged *child;
    if (!merge_branches(e, b, left ? yes->tree.children[i] : yes, right ? no->tree.children[i] : no,
                        &child))
      return false;
  }
  return true;
}

// Few scalar operations without effects: cheaper to do both than to branch.
static bool is_cheap(const Block *block, const ValueList *leaves) {
  int count = 0;
  for (size_t i = 0; i < leaves->count; i++)
    if (leaves->data[i]->type->rank) return false;
  for (const Op *op = block->first; op; op = op->next) {
    OpGroup group = op_table[op->code].group;
    if (group != GROUP_ELEMENTWISE && group != GROUP_SOURCE) return false;
    if (op->code == OP_RANDOM || ++count > CHEAP_OPS) return false;
    for (int i = 0; i < op->operand_count; i++)
      if (op->operands[i]->type->rank) return false;
  }
  return true;
}

static Staged *join_branches(Evaluator *e, Value *condition, Branches *b, const Staged *like) {
  bool counts = b->yes_count && (b->yes_count != e->tally.count || b->no_count != e->tally.count);
  if (counts) {
    VEC_PUSH(e->arena, &b->yes_leaves, b->yes_count);
    VEC_PUSH(e->arena, &b->no_leaves, b->no_count);
  }
  int count = (int)b->yes_leaves.count;
  Value **results = ARENA_ARRAY(e->arena, Value *, (size_t)count + 1);
  if (is_cheap(b->yes, &b->yes_leaves) && is_cheap(b->no, &b->no_leaves)) {
    Value **others = ARENA_ARRAY(e->arena, Value *, (size_t)count + 1);
    ir_inline(&e->builder, b->yes, NULL, b->yes_leaves.data, count, results);
    ir_inline(&e->builder, b->no, NULL, b->no_leaves.data, count, others);
    for (int i = 0; i < count; i++)
      results[i] = ir_select(&e->builder, condition, results[i], others[i]);
  } else {
    for (int i = 0; i < count; i++) {
      VEC_PUSH(e->arena, &b->yes->yields, b->yes_leaves.data[i]);
      VEC_PUSH(e->arena, &b->no->yields, b->no_leaves.data[i]);
    }
    Op *op = ir_if(&e->builder, condition, b->yes, b->no);
    for (int i = 0; i < count; i++) results[i] = op->results[i];
  }
  if (counts) e->tally.count = results[count - 1];
  Value *const *leaves = results;
  return staged_rebuild(e, like, &leaves);
}

static Staged *evaluate_in(Evaluator *e, Block *block, const Node *node,
                           const Environment *environment, const TypeSpec *expected) {
  Block *saved = e->builder.block;
  e->builder.block = block;
  Staged *value = evaluate(e, node, environment, expected);
  e->builder.block = saved;
  return value;
}

// A branch, with the count behind it where one runs.
static Staged *evaluate_branch(Evaluator *e, Block *block, const Node *node,
                               const Environment *environment, const TypeSpec *expected,
                               Value **count) {
  if (!tally_runs(e)) return evaluate_in(e, block, node, environment, expected);
  Tally outer = tally_open(e, block, e->tally.count);
  Staged *value = evaluate_in(e, block, node, environment, expected);
  *count = tally_close(e, outer);
  return value;
}

static Staged *scalar_conditional(Evaluator *e, const Node *node, Value *condition,
                                  const Environment *environment, const TypeSpec *expected) {
  const Node *yes_node = node->as.conditional.yes, *no_node = node->as.conditional.no;
  Branches b = {.yes = block_create(e->module, e->builder.block),
                .no = block_create(e->module, e->builder.block),
                .places = {node->span, yes_node->span, no_node->span}};
  Staged *yes = evaluate_branch(e, b.yes, yes_node, environment, expected, &b.yes_count);
  Staged *no = evaluate_branch(e, b.no, no_node, environment, expected, &b.no_count);
  if (staged_is_poison(yes) || staged_is_poison(no)) return staged_poison;
  if (yes == no || (yes->kind == STAGED_TENSOR && no->kind == STAGED_TENSOR &&
                    yes->tensor == no->tensor && !b.yes->first && !b.no->first))
    return yes;
  if (!staged_is_data(yes) || !staged_is_data(no)) {
    Staged *wrong = staged_is_data(yes) ? no : yes;
    Diagnostic *d =
        mistake(e, E0303, staged_is_data(yes) ? no_node->span : yes_node->span,
                "%s cannot be chosen while the program runs", staged_describe(e, wrong));
    diagnostic_label(d, node->as.conditional.condition->span,
                     "this condition is computed while running");
    return staged_poison;
  }
  Staged *like;
  if (!merge_branches(e, &b, yes, no, &like)) return staged_poison;
  return join_branches(e, condition, &b, like);
}

// --- entry by entry ------------------------------------------------------------------------------

typedef struct SelectSelf {
  Value *condition;
} SelectSelf;

static Staged *select_leaf(Evaluator *e, Staged *yes, Staged *no, Places places, void *self) {
  Value *condition = ((SelectSelf *)self)->condition;
  Dtype dtype = DT_BOOL;
  if (!staged_is_data(yes) || !staged_is_data(no)) {
    const Staged *wrong = staged_is_data(yes) ? no : yes;
    mistake(e, E0303, staged_is_data(yes) ? places.right : places.left,
            "%s cannot be chosen while the program runs", staged_describe(e, wrong));
    return staged_poison;
  }
  bool truth = yes->kind == STAGED_BOOL && no->kind == STAGED_BOOL;
  if (!truth && !meet_dtype(e, yes, no, "if", places, &dtype)) return staged_poison;
  Value *x = leaf_as(e, yes, dtype), *y = leaf_as(e, no, dtype);
  const Type *type = meet_shape(e, x, y, "if", places);
  if (!type) return staged_poison;
  Value *probe = x->type == type ? x : y;
  type = meet_shape(e, condition, probe, "if", places);
  if (!type) return staged_poison;
  return staged_tensor(e, ir_select(&e->builder, broadcast_to(e, condition, type),
                                    broadcast_to(e, x, type), broadcast_to(e, y, type)));
}

// yes where condition, else no; all broadcast.
static Staged *select_leaves(Evaluator *e, Value *condition, Staged *yes, Staged *no,
                             Places places) {
  SelectSelf self = {condition};
  return zip_leaves(e, yes, no, "if", places, select_leaf, &self);
}

// A condition per leaf; a number or scalar stands for every leaf.
static Staged *select_tree(Evaluator *e, Staged *condition, Staged *yes, Staged *no,
                           Places places) {
  if (condition->kind != STAGED_TREE)
    return select_leaves(e, leaf_as(e, condition, DT_BOOL), yes, no, places);
  const Layout *layout = condition->tree.layout;
  Staged *branches[] = {yes, no};
  for (int i = 0; i < 2; i++) {
    Staged *branch = branches[i];
    bool scalar = staged_is_number(branch) || staged_is_scalar_tensor(branch);
    if (scalar || (branch->kind == STAGED_TREE && branch->tree.layout == layout)) continue;
    Diagnostic *d = mistake(e, E0303, i ? places.right : places.left,
                            "this branch of `if` does not fit its condition");
    diagnostic_label(d, i ? places.right : places.left, "%s", staged_describe(e, branch));
    diagnostic_note(d, "the condition compares %s", staged_describe(e, condition));
    return staged_poison;
  }
  Staged **children = ARENA_ARRAY(e->arena, Staged *, (size_t)layout->count + 1);
  for (int i = 0; i < layout->count; i++) {
    children[i] = select_tree(e, condition->tree.children[i],
                              yes->kind == STAGED_TREE ? yes->tree.children[i] : yes,
                              no->kind == STAGED_TREE ? no->tree.children[i] : no, places);
    if (staged_is_poison(children[i])) return staged_poison;
  }
  return staged_tree(e, layout, children);
}

Staged *evaluate_conditional(Evaluator *e, const Node *node, const Environment *environment,
                             const TypeSpec *expected) {
  const Node *condition_node = node->as.conditional.condition;
  Staged *condition = evaluate(e, condition_node, environment, NULL);
  if (staged_is_poison(condition)) {
    Block *scratch = block_create(e->module, e->builder.block);
    evaluate_in(e, scratch, node->as.conditional.yes, environment, expected); // for its mistakes
    evaluate_in(e, scratch, node->as.conditional.no, environment, expected);
    return staged_poison;
  }
  if (!is_truth_tree(condition))
    return not_a_truth_value(e, condition, "the condition of `if`", condition_node->span);
  if (condition->kind == STAGED_BOOL)
    return evaluate(e, condition->boolean ? node->as.conditional.yes : node->as.conditional.no,
                    environment, expected);
  if (staged_is_scalar_tensor(condition))
    return scalar_conditional(e, node, condition->tensor, environment, expected);
  Staged *yes, *no;
  if (condition->kind == STAGED_TENSOR) {
    yes = evaluate_guarded(e, node->as.conditional.yes, environment, condition->tensor, true);
    no = evaluate_guarded(e, node->as.conditional.no, environment, condition->tensor, false);
  } else {
    yes = evaluate(e, node->as.conditional.yes, environment, NULL);
    no = evaluate(e, node->as.conditional.no, environment, NULL);
  }
  if (staged_is_poison(yes) || staged_is_poison(no)) return staged_poison;
  Places places = {node->span, node->as.conditional.yes->span, node->as.conditional.no->span};
  return select_tree(e, condition, yes, no, places);
}

// --- && and || -----------------------------------------------------------------------------------

Staged *evaluate_logic(Evaluator *e, const Node *node, const Environment *environment) {
  bool is_and = node->as.binary.op == BIN_AND;
  const Node *left = node->as.binary.left, *right = node->as.binary.right;
  const char *what = is_and ? "an operand of `&&`" : "an operand of `||`";
  Staged *a = evaluate(e, left, environment, NULL);
  if (staged_is_poison(a)) return a;
  if (!is_truth(a)) return not_a_truth_value(e, a, what, left->span);
  if (a->kind == STAGED_BOOL && a->boolean != is_and) return a;
  bool lazy = staged_is_scalar_tensor(a);
  Block *rest = lazy ? block_create(e->module, e->builder.block) : e->builder.block;
  Staged *b = evaluate_in(e, rest, right, environment, NULL);
  if (staged_is_poison(b)) return b;
  if (!is_truth(b)) return not_a_truth_value(e, b, what, right->span);
  if (a->kind == STAGED_BOOL) return b;
  if (b->kind == STAGED_BOOL) {
    if (b->boolean == is_and) return a;
    if (a->tensor->type->rank == 0) return b;
    return staged_tensor(e, ir_integer(&e->builder, a->tensor->type, b->boolean));
  }
  Value *x = a->tensor, *y = b->tensor;
  if (lazy && y->type->rank == 0) {
    Branches branches = {.yes = rest, .no = block_create(e->module, e->builder.block)};
    Value *known = ir_integer(&e->builder, y->type, !is_and);
    VEC_PUSH(e->arena, &branches.yes_leaves, is_and ? y : known);
    VEC_PUSH(e->arena, &branches.no_leaves, is_and ? known : y);
    if (!is_and) {
      branches.yes = branches.no;
      branches.no = rest;
    }
    if (!is_cheap(rest, &branches.yes_leaves)) return join_branches(e, x, &branches, b);
  }
  if (lazy) ir_inline(&e->builder, rest, NULL, &y, 1, &y);
  Places places = {node->span, left->span, right->span};
  const Type *type = meet_shape(e, x, y, binary_text(node->as.binary.op), places);
  if (!type) return staged_poison;
  return staged_tensor(e, ir_binary(&e->builder, is_and ? OP_AND : OP_OR, broadcast_to(e, x, type),
                                    broadcast_to(e, y, type)));
}
