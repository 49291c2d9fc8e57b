// Folding of elementwise ops.
//
// Enters: an op about to be made. Leaves: a value equal to it bit for bit (up to the sign of a
// zero), or NULL. Functions like exp are folded only where every implementation must agree (exp 0 =
// 1), so that a program gives the same bits whether its dims are known or not. Sums are never
// re-associated.
#include "ir/ir_internal.h"
#include "ir/scalar.h"

#include <math.h>

typedef struct Splat {
  bool known;
  double real;
  int64_t integer;
} Splat;

static Splat splat_of(const Value *v) {
  if (!value_is_splat(v)) return (Splat){0};
  return (Splat){true, v->op->attr.constant.real, v->op->attr.constant.integer};
}

// Is v the splat of this number, whatever its dtype?
static bool is_number(const Value *v, double number) {
  double value;
  return ir_is_splat(v, &value) && value == number;
}

// --- one operand -----------------------------------------------------------------------

// f(at) = value exactly, in every implementation.
static const struct {
  Opcode code;
  double at, value;
} exact_values[] = {{OP_EXP, 0, 1},    {OP_EXPM1, 0, 0},     {OP_LOG, 1, 0},    {OP_LOG1P, 0, 0},
                    {OP_RSQRT, 1, 1},  {OP_SIN, 0, 0},       {OP_COS, 0, 1},    {OP_TANH, 0, 0},
                    {OP_ERF, 0, 0},    {OP_ERFC, 0, 1},      {OP_ERFINV, 0, 0}, {OP_LGAMMA, 1, 0},
                    {OP_LGAMMA, 2, 0}, {OP_LOGISTIC, 0, 0.5}};

static bool is_exact_operation(Opcode code) {
  return code == OP_NEG || code == OP_ABS || code == OP_SIGN || code == OP_FLOOR ||
         code == OP_SQRT || code == OP_STOP || code == OP_NOT;
}

static Value *fold_unary(Builder *b, Opcode code, Value *x) {
  const Type *type = x->type;
  const Op *op = x->op;
  if (op && op->code == code && (code == OP_NEG || code == OP_NOT)) return op->operands[0];
  if (op && op->code == code &&
      (code == OP_ABS || code == OP_FLOOR || code == OP_STOP || code == OP_SIGN))
    return x;
  if (code == OP_FLOOR && op && op->code == OP_CONVERT &&
      dtype_is_integer(op->operands[0]->type->dtype))
    return x;
  Splat c = splat_of(x);
  if (!c.known) return NULL;
  if (code == OP_ISFINITE)
    return ir_integer(b, type_with_dtype(b->module, type, DT_BOOL), isfinite(c.real));
  if (is_exact_operation(code))
    return dtype_is_float(type->dtype)
               ? ir_real(b, type, scalar_unary_real(code, c.real))
               : ir_integer(b, type, scalar_unary_integer(code, type->dtype, c.integer));
  for (size_t i = 0; i < sizeof exact_values / sizeof *exact_values; i++)
    if (exact_values[i].code == code && exact_values[i].at == c.real && !signbit(c.real))
      return ir_real(b, type, exact_values[i].value);
  return NULL;
}

static Value *fold_convert(Builder *b, Value *x, const Type *type) {
  if (x->type == type) return x;
  Splat c = splat_of(x);
  if (!c.known) return NULL;
  bool from_float = dtype_is_float(x->type->dtype);
  if (dtype_is_float(type->dtype)) return ir_real(b, type, from_float ? c.real : (double)c.integer);
  return ir_integer(b, type,
                    from_float ? scalar_truncate(type->dtype, c.real)
                               : scalar_wrap(type->dtype, c.integer));
}

// --- two operands ----------------------------------------------------------------------

static Value *fold_constants(Builder *b, Opcode code, Value *x, Value *y) {
  Splat c = splat_of(x), d = splat_of(y);
  const Type *type = x->type;
  if (!c.known || !d.known || code == OP_POW) return NULL;
  if (!dtype_is_float(type->dtype))
    return ir_integer(b, type, scalar_binary_integer(code, type->dtype, c.integer, d.integer));
  return ir_real(b, type, scalar_binary_real(code, c.real, d.real));
}

// The polynomial an i64 scalar stands for, or NULL.
static const Dim *dim_of(Builder *b, const Value *v) {
  if (v->type->rank || v->type->dtype != DT_I64 || !v->op) return NULL;
  if (v->op->code == OP_DIM) return v->op->attr.dim.dim;
  Splat c = splat_of(v);
  return c.known ? dim_const(b->module->dims, c.integer) : NULL;
}

static const Dim *combine_dims(DimTable *dims, Opcode code, const Dim *x, const Dim *y) {
  int64_t k;
  switch (code) {
  case OP_ADD:
    return dim_add(dims, x, y);
  case OP_SUB:
    return dim_sub(dims, x, y);
  case OP_MUL:
    return dim_mul(dims, x, y);
  case OP_MAX:
    return dim_max(dims, x, y);
  case OP_MIN: {
    // The smaller of two is the other one of max, where max is decided.
    const Dim *larger = dim_max(dims, x, y);
    return larger == x ? y : larger == y ? x : NULL;
  }
  case OP_DIV:
    return dim_is_const(y, &k) && k > 0 ? dim_floordiv(dims, x, k) : NULL;
  case OP_MOD:
    if (!dim_is_const(y, &k) || k <= 0) return NULL;
    return dim_sub(dims, x, dim_scale(dims, dim_floordiv(dims, x, k), k));
  default:
    return NULL;
  }
}

static Value *fold_dims(Builder *b, Opcode code, Value *x, Value *y) {
  const Dim *p = dim_of(b, x), *q = p ? dim_of(b, y) : NULL;
  const Dim *result = q ? combine_dims(b->module->dims, code, p, q) : NULL;
  return result && !dim_is_invalid(result) ? ir_dim(b, result) : NULL;
}

static Value *fold_sum(Builder *b, Opcode code, Value *x, Value *y) {
  bool is_float = dtype_is_float(x->type->dtype);
  if (is_number(y, 0)) return x;
  if (code == OP_ADD && is_number(x, 0)) return y;
  if (code == OP_SUB && is_number(x, 0)) return ir_unary(b, OP_NEG, y);
  if (code == OP_SUB && x == y && !is_float) return ir_zero(b, x->type);
  // a + (-b) and a - b are the same bits, likewise a - (-b) and a + b.
  if (y->op && y->op->code == OP_NEG)
    return ir_binary(b, code == OP_ADD ? OP_SUB : OP_ADD, x, y->op->operands[0]);
  if (code == OP_ADD && x->op && x->op->code == OP_NEG)
    return ir_binary(b, OP_SUB, y, x->op->operands[0]);
  return NULL;
}

static Value *fold_product(Builder *b, Value *x, Value *y) {
  if (is_number(y, 1)) return x;
  if (is_number(x, 1)) return y;
  if (is_number(y, -1)) return ir_unary(b, OP_NEG, x);
  if (is_number(x, -1)) return ir_unary(b, OP_NEG, y);
  if (!dtype_is_float(x->type->dtype)) {
    if (is_number(x, 0)) return x;
    if (is_number(y, 0)) return y;
  }
  if (x->op && y->op && x->op->code == OP_NEG && y->op->code == OP_NEG)
    return ir_binary(b, OP_MUL, x->op->operands[0], y->op->operands[0]);
  return NULL;
}

static Value *fold_logic(Opcode code, Value *x, Value *y) {
  if (x == y) return x;
  bool and = code == OP_AND;
  if (is_number(x, and)) return y;
  if (is_number(y, and)) return x;
  if (is_number(x, !and)) return x;
  if (is_number(y, !and)) return y;
  return NULL;
}

static Value *fold_binary(Builder *b, Opcode code, Value *x, Value *y) {
  Value *folded = fold_constants(b, code, x, y);
  if (!folded) folded = fold_dims(b, code, x, y);
  if (folded) return folded;
  switch (code) {
  case OP_ADD:
  case OP_SUB:
    return fold_sum(b, code, x, y);
  case OP_MUL:
    return fold_product(b, x, y);
  case OP_DIV:
    return is_number(y, 1) ? x : is_number(y, -1) ? ir_unary(b, OP_NEG, x) : NULL;
  case OP_POW:
    return is_number(y, 1) ? x : is_number(y, 0) ? ir_real(b, x->type, 1) : NULL;
  case OP_MAX:
  case OP_MIN:
    return x == y ? x : NULL;
  case OP_AND:
  case OP_OR:
    return fold_logic(code, x, y);
  default:
    return NULL;
  }
}

// --- comparison and choice -------------------------------------------------------------

static Value *fold_compare(Builder *b, Compare op, Value *x, Value *y) {
  const Type *type = type_with_dtype(b->module, x->type, DT_BOOL);
  Splat c = splat_of(x), d = splat_of(y);
  bool is_float = dtype_is_float(x->type->dtype);
  if (c.known && d.known)
    return ir_integer(b, type,
                      is_float ? scalar_compare_real(op, c.real, d.real)
                               : scalar_compare_integer(op, c.integer, d.integer));
  if (is_float) return NULL;
  if (x == y) return ir_integer(b, type, scalar_compare_integer(op, 0, 0));
  const Dim *p = dim_of(b, x), *q = p ? dim_of(b, y) : NULL;
  int64_t difference;
  if (q && dim_difference(b->module->dims, p, q, &difference))
    return ir_integer(b, type, scalar_compare_integer(op, difference, 0));
  return NULL;
}

static Value *fold_select(Builder *b, Value *condition, Value *yes, Value *no) {
  Splat c = splat_of(condition);
  if (c.known) return c.integer ? yes : no;
  if (yes == no) return yes;
  if (condition->op && condition->op->code == OP_NOT)
    return ir_select(b, condition->op->operands[0], no, yes);
  if (yes->type->dtype == DT_BOOL && is_number(yes, 1) && is_number(no, 0)) return condition;
  return NULL;
}

// The operands must have passed inference's checks for the folds to be right; a wrong one is found
// there, as nothing that folds here hides it.
static bool operands_fit(Opcode code, Value *const *operands) {
  switch (op_table[code].operands) {
  case 2:
    return operands[0]->type == operands[1]->type;
  case 3:
    return operands[1]->type == operands[2]->type && operands[0]->type->dtype == DT_BOOL &&
           operands[0]->type->rank == operands[1]->type->rank;
  default:
    return true;
  }
}

Value *fold_elementwise(Builder *b, Opcode code, Value *const *operands, const Attr *attr) {
  if (!operands_fit(code, operands)) return NULL;
  switch (code) {
  case OP_COMPARE:
    return fold_compare(b, attr->compare.op, operands[0], operands[1]);
  case OP_SELECT:
    return fold_select(b, operands[0], operands[1], operands[2]);
  case OP_CONVERT:
    return fold_convert(b, operands[0], attr->type);
  default:
    break;
  }
  return op_table[code].operands == 1 ? fold_unary(b, code, operands[0])
                                      : fold_binary(b, code, operands[0], operands[1]);
}
