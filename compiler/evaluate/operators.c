// Operators on values: arithmetic, comparison, negation, and their leafwise form on trees.
//
// Static numbers are computed exactly or in double; everything else becomes ops after the operands
// met (meet.c). Products (`@`, `^`, dot) are in products.c.
#include "evaluate/staging.h"
#include "ir/scalar.h"

#include <math.h>
#include <string.h>

const char *binary_text(BinaryOp op) {
  static const char *const texts[] = {
      "||", "&&", "<", ">", "<=", ">=", "==", "!=", "~=", "+", "-", "*", "/", "@", "^"};
  return texts[op];
}

static Opcode arithmetic_opcode(BinaryOp op) {
  switch (op) {
  case BIN_ADD:
    return OP_ADD;
  case BIN_SUB:
    return OP_SUB;
  case BIN_MUL:
    return OP_MUL;
  case BIN_DIV:
    return OP_DIV;
  default:
    BUG("not an arithmetic operator");
  }
}

// --- trees ---------------------------------------------------------------------------------------

static Staged *zip_mismatch(Evaluator *e, Staged *a, Staged *b, const char *op, Places places) {
  Diagnostic *d = mistake(e, E0303, places.left, "these values do not fit `%s`", op);
  diagnostic_label(d, places.left, "%s", staged_describe(e, a));
  diagnostic_label(d, places.right, "%s", staged_describe(e, b));
  diagnostic_note(d,
                  "bundles combine leaf by leaf with bundles of the same layout, and with scalars");
  return staged_poison;
}

static bool is_scalar(const Staged *s) {
  return staged_is_number(s) || s->kind == STAGED_BOOL || staged_is_scalar_tensor(s);
}

Staged *zip_leaves(Evaluator *e, Staged *a, Staged *b, const char *op, Places places,
                   ZipFunction function, void *self) {
  bool left = a->kind == STAGED_TREE, right = b->kind == STAGED_TREE;
  if (!left && !right) return function(e, a, b, places, self);
  const Layout *layout = left ? a->tree.layout : b->tree.layout;
  if (left && right ? a->tree.layout != b->tree.layout : !is_scalar(left ? b : a))
    return zip_mismatch(e, a, b, op, places);
  Staged **children = ARENA_ARRAY(e->arena, Staged *, (size_t)layout->count + 1);
  for (int i = 0; i < layout->count; i++) {
    children[i] = zip_leaves(e, left ? a->tree.children[i] : a, right ? b->tree.children[i] : b, op,
                             places, function, self);
    if (staged_is_poison(children[i])) return staged_poison;
  }
  return staged_tree(e, layout, children);
}

// --- static numbers ------------------------------------------------------------------------------

static const char *factor_phrase(Evaluator *e, const Dim *dim) {
  const char *text = dim_phrase(e, dim);
  return strpbrk(text, " */") ? arena_printf(e->arena, "(%s)", text) : text;
}

static Staged *divide_dims(Evaluator *e, const Dim *a, const Dim *b, Places places) {
  int64_t divisor;
  if (dim_is_const(b, &divisor) && divisor == 0) {
    mistake(e, E0303, places.whole, "division by zero");
    return staged_poison;
  }
  const Dim *quotient = dim_divide(e->module->dims, a, b, places.whole);
  if (quotient) return staged_integer(e, quotient);
  if (dim_is_const(a, NULL) && dim_is_const(b, NULL)) {
    Diagnostic *d =
        mistake(e, E0303, places.whole, "`/` between the integers %s and %s is not exact",
                dim_phrase(e, a), dim_phrase(e, b));
    diagnostic_help(d,
                    "integers divide by `div(a, b)` (rounded down) and `mod(a, b)`; for a real "
                    "quotient write `real(%s) / %s`",
                    dim_phrase(e, a), dim_phrase(e, b));
    return staged_poison;
  }
  // A definition is checked for every dim: the quotient is some size, the same wherever it is
  // written.
  if (e->checking) {
    Name key =
        intern_printf(e->compilation->names, "quotient %p %p", (const void *)a, (const void *)b);
    const Dim *known = map_get(e->signatures, key);
    if (!known) {
      known = dim_fresh(e->module->dims,
                        arena_printf(e->arena, "%s/%s", factor_phrase(e, a), factor_phrase(e, b)));
      map_put(e->signatures, key, (void *)known);
    }
    return staged_integer(e, known);
  }
  mistake(e, E0310, places.whole, "whether %s divides %s cannot be decided", dim_phrase(e, b),
          dim_phrase(e, a));
  return staged_poison;
}

static Staged *static_integers(Evaluator *e, BinaryOp op, const Dim *a, const Dim *b,
                               Places places) {
  DimTable *dims = e->module->dims;
  const Dim *result = NULL;
  switch (op) {
  case BIN_ADD:
    result = dim_add(dims, a, b);
    break;
  case BIN_SUB:
    result = dim_sub(dims, a, b);
    break;
  case BIN_MUL:
    result = dim_mul(dims, a, b);
    break;
  case BIN_DIV:
    return divide_dims(e, a, b, places);
  default:
    BUG("not an arithmetic operator");
  }
  if (!dim_is_invalid(result)) return staged_integer(e, result);
  mistake(e, E0310, places.whole, "the result is too large");
  return staged_poison;
}

// NULL when an operand is a dim without a value.
static Staged *static_reals(Evaluator *e, BinaryOp op, const Staged *a, const Staged *b) {
  double x, y;
  if (!staged_known_real(a, &x) || !staged_known_real(b, &y)) return NULL;
  switch (op) {
  case BIN_ADD:
    return staged_real(e, x + y);
  case BIN_SUB:
    return staged_real(e, x - y);
  case BIN_MUL:
    return staged_real(e, x * y);
  case BIN_DIV:
    return y == 0.0 ? NULL : staged_real(e, x / y); // run time says what it is
  case BIN_POW:
    return staged_real(e, pow(x, y));
  default:
    return NULL;
  }
}

// --- arithmetic ----------------------------------------------------------------------------------

static bool is_operand(const Staged *s) {
  return staged_is_number(s) || s->kind == STAGED_TENSOR;
}

static Staged *wrong_operand(Evaluator *e, const Staged *s, const char *op, Span span) {
  Diagnostic *d = mistake(e, E0303, span, "`%s` cannot take %s", op, staged_describe(e, s));
  if (s->kind == STAGED_BOOL) diagnostic_help(d, "`real(..)` makes a number of a truth value");
  if (staged_is_choice(s))
    diagnostic_help(d,
                    "`auto` is for what asks `step == auto` (docs/library.md says which optimizers "
                    "do); write a number here, as in `step = 0.01`");
  return staged_poison;
}

static Staged *integer_division(Evaluator *e, Staged *a, Staged *b, Places places) {
  const char *left = source_excerpt(e, places.left), *right = source_excerpt(e, places.right);
  if (!left || !right) left = "a", right = "b";
  Diagnostic *d = mistake(e, E0303, places.left, "`/` between two integers");
  diagnostic_label(d, places.left, "%s", staged_describe(e, a));
  diagnostic_label(d, places.right, "%s", staged_describe(e, b));
  diagnostic_help(d,
                  "write `div(%s, %s)` for the quotient rounded down, `mod(%s, %s)` for the "
                  "remainder, `real(%s) / real(%s)` for a real quotient",
                  left, right, left, right, left, right);
  return staged_poison;
}

typedef struct BinarySelf {
  BinaryOp op;
} BinarySelf;

static Staged *arithmetic_leaf(Evaluator *e, Staged *a, Staged *b, Places places, void *self) {
  BinaryOp op = ((BinarySelf *)self)->op;
  const char *text = binary_text(op);
  if (!is_operand(a)) return wrong_operand(e, a, text, places.left);
  if (!is_operand(b)) return wrong_operand(e, b, text, places.right);
  if (a->kind == STAGED_INTEGER && b->kind == STAGED_INTEGER)
    return static_integers(e, op, a->integer, b->integer, places);
  if (staged_is_number(a) && staged_is_number(b)) {
    Staged *result = static_reals(e, op, a, b);
    if (result) return result;
  }
  Value *x, *y;
  if (!meet(e, a, b, text, places, &x, &y)) return staged_poison;
  if (op == BIN_DIV && !dtype_is_float(x->type->dtype)) return integer_division(e, a, b, places);
  if (x->type->dtype == DT_BOOL) {
    Diagnostic *d = mistake(e, E0303, places.whole, "`%s` between truth values (%s)", text,
                            type_phrase(e, x->type));
    diagnostic_help(d, "`&&` and `||` combine truth values; `real(..)` makes numbers of them");
    return staged_poison;
  }
  return staged_tensor(e, ir_binary(&e->builder, arithmetic_opcode(op), x, y));
}

// --- comparison ----------------------------------------------------------------------------------

static Compare compare_kind(BinaryOp op) {
  switch (op) {
  case BIN_LT:
    return COMPARE_LT;
  case BIN_GT:
    return COMPARE_GT;
  case BIN_LE:
    return COMPARE_LE;
  case BIN_GE:
    return COMPARE_GE;
  case BIN_EQ:
    return COMPARE_EQ;
  default:
    return COMPARE_NE;
  }
}

// Decided at build time when both are static and their difference is a constant; NULL otherwise.
static Staged *compare_static(Evaluator *e, Compare op, const Staged *a, const Staged *b) {
  int64_t difference;
  if (a->kind == STAGED_INTEGER && b->kind == STAGED_INTEGER) {
    if (!dim_difference(e->module->dims, a->integer, b->integer, &difference)) return NULL;
    return staged_bool(e, scalar_compare_real(op, (double)difference, 0.0));
  }
  if (a->kind == STAGED_BOOL && b->kind == STAGED_BOOL)
    return staged_bool(e, scalar_compare_real(op, a->boolean, b->boolean));
  double x, y;
  if (!staged_known_real(a, &x) || !staged_known_real(b, &y)) return NULL;
  return staged_bool(e, scalar_compare_real(op, x, y));
}

static Staged *compare_leaf(Evaluator *e, Staged *a, Staged *b, Places places, void *self) {
  BinaryOp op = ((BinarySelf *)self)->op;
  const char *text = binary_text(op);
  bool equality = op == BIN_EQ || op == BIN_NE;
  if (!is_operand(a) && a->kind != STAGED_BOOL) return wrong_operand(e, a, text, places.left);
  if (!is_operand(b) && b->kind != STAGED_BOOL) return wrong_operand(e, b, text, places.right);
  bool left_truth = a->kind == STAGED_BOOL, right_truth = b->kind == STAGED_BOOL;
  if (a->kind != STAGED_TENSOR && b->kind != STAGED_TENSOR && left_truth == right_truth) {
    Staged *known = compare_static(e, compare_kind(op), a, b);
    if (known) return known;
  }
  Value *x, *y;
  if (!meet(e, a, b, text, places, &x, &y)) return staged_poison;
  if (x->type->dtype == DT_BOOL && !equality) {
    mistake(e, E0303, places.whole, "truth values have no order: `%s` cannot compare them", text);
    return staged_poison;
  }
  return staged_tensor(e, ir_compare(&e->builder, compare_kind(op), x, y));
}

static Staged *operate_compare(Evaluator *e, BinaryOp op, Staged *a, Staged *b, Places places) {
  // Known while building, whatever the other operand is: so a choice costs nothing when it runs.
  if ((op == BIN_EQ || op == BIN_NE) && (staged_is_choice(a) || staged_is_choice(b)))
    return staged_bool(e, (staged_is_choice(a) && staged_is_choice(b)) == (op == BIN_EQ));
  BinarySelf self = {op};
  return zip_leaves(e, a, b, binary_text(op), places, compare_leaf, &self);
}

// --- entry points --------------------------------------------------------------------------------

Staged *operate_at(Evaluator *e, BinaryOp op, Staged *a, Staged *b, Places places) {
  if (staged_is_poison(a) || staged_is_poison(b)) return staged_poison;
  BinarySelf self = {op};
  switch (op) {
  case BIN_ADD:
  case BIN_SUB:
  case BIN_MUL:
  case BIN_DIV:
    return zip_leaves(e, a, b, binary_text(op), places, arithmetic_leaf, &self);
  case BIN_MATMUL:
    return operate_matmul(e, a, b, places);
  case BIN_POW:
    return operate_power(e, a, b, places);
  case BIN_APPROX:
    mistake(e, E0207, places.whole, "`~=` belongs to `expect a ~= b within tolerance`");
    return staged_poison;
  case BIN_AND:
  case BIN_OR: {
    Value *x, *y;
    if (a->kind == STAGED_BOOL && b->kind == STAGED_BOOL)
      return staged_bool(e, op == BIN_AND ? a->boolean && b->boolean : a->boolean || b->boolean);
    if (!meet(e, a, b, binary_text(op), places, &x, &y)) return staged_poison;
    return staged_tensor(e, ir_binary(&e->builder, op == BIN_AND ? OP_AND : OP_OR, x, y));
  }
  default:
    return operate_compare(e, op, a, b, places);
  }
}

Staged *operate_binary(Evaluator *e, BinaryOp op, Staged *a, Staged *b, Span span) {
  Span saved = e->builder.span;
  e->builder.span = span;
  Staged *result = operate_at(e, op, a, b, (Places){span, span, span});
  e->builder.span = saved;
  return result;
}

static Staged *negate_leaf(Evaluator *e, Staged *leaf, void *self) {
  switch (leaf->kind) {
  case STAGED_INTEGER:
    return staged_integer(e, dim_scale(e->module->dims, leaf->integer, -1));
  case STAGED_REAL:
    return staged_real(e, -leaf->real);
  case STAGED_TENSOR:
    if (leaf->tensor->type->dtype != DT_BOOL)
      return staged_tensor(e, ir_unary(&e->builder, OP_NEG, leaf->tensor));
    break;
  default:
    break;
  }
  return wrong_operand(e, leaf, "-", *(Span *)self);
}

Staged *operate_negate(Evaluator *e, Staged *a, Span span) {
  if (staged_is_poison(a)) return a;
  return map_leaves(e, a, negate_leaf, &span);
}
