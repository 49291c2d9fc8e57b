// Where two operands meet: the element type, then the shape.
//
// Static numbers take the type they meet; integer scalars convert to the real they meet; two
// element types otherwise never mix (E0302). Shapes are equal, or one is a scalar, or one is a
// suffix of the other (E0301). Both operands leave as IR values of one type.
#include "evaluate/staging.h"

#include "ir/scalar.h"

#include <string.h>

static bool is_weak(const Staged *s) {
  return staged_is_number(s);
}

static Dtype dtype_of(const Staged *s) {
  return s->kind == STAGED_TENSOR ? s->tensor->type->dtype : DT_BOOL;
}

static bool is_integer_scalar(const Staged *s) {
  return staged_is_scalar_tensor(s) && dtype_is_integer(s->tensor->type->dtype);
}

// Which operand to convert: truth values first, then integers, else the right one.
static bool convert_left(const Staged *a, const Staged *b) {
  if (is_weak(a) || is_weak(b)) return is_weak(b);
  if ((dtype_of(a) == DT_BOOL) != (dtype_of(b) == DT_BOOL)) return dtype_of(a) == DT_BOOL;
  return !dtype_is_float(dtype_of(a)) && dtype_is_float(dtype_of(b));
}

static bool report_mix(Evaluator *e, const Staged *a, const Staged *b, const char *op,
                       Places places) {
  Diagnostic *d = mistake(e, E0302, places.left, "these element types do not fit `%s`", op);
  diagnostic_label(d, places.left, "%s", staged_describe(e, a));
  diagnostic_label(d, places.right, "%s", staged_describe(e, b));
  bool left = convert_left(a, b);
  const Staged *keep = left ? b : a;
  const char *text = source_excerpt(e, left ? places.left : places.right);
  diagnostic_help(d, "convert one of them: `%s(%s)`",
                  is_weak(keep) ? "real" : dtype_text(dtype_of(keep)), text ? text : "..");
  return false;
}

// An integer that is written takes the integer type it meets, if it is one of its values.
static bool number_fits(Evaluator *e, const Staged *number, Dtype dtype, Span span) {
  int64_t value;
  if (number->kind != STAGED_INTEGER || !dtype_is_integer(dtype) ||
      !dim_is_const(number->integer, &value) || scalar_wrap(dtype, value) == value)
    return true;
  Diagnostic *d = mistake(e, E0302, span, "%lld is no %s", (long long)value, dtype_text(dtype));
  diagnostic_note(d, dtype == DT_U8 ? "u8 holds 0 to 255" : "i32 holds -2147483648 to 2147483647");
  diagnostic_help(d, "convert the other side: `int(..)`");
  return false;
}

bool meet_dtype(Evaluator *e, const Staged *a, const Staged *b, const char *op, Places places,
                Dtype *dtype) {
  if (is_weak(a) && is_weak(b)) {
    *dtype = a->kind == STAGED_REAL || b->kind == STAGED_REAL ? e->real : DT_I64;
    return true;
  }
  if (is_weak(a) || is_weak(b)) {
    const Staged *weak = is_weak(a) ? a : b, *strong = is_weak(a) ? b : a;
    *dtype = dtype_of(strong);
    if (*dtype == DT_BOOL) return report_mix(e, a, b, op, places);
    if (weak->kind == STAGED_REAL && !dtype_is_float(*dtype)) {
      if (!is_integer_scalar(strong)) return report_mix(e, a, b, op, places);
      *dtype = e->real;
    }
    return number_fits(e, weak, *dtype, is_weak(a) ? places.left : places.right);
  }
  Dtype left = dtype_of(a), right = dtype_of(b);
  *dtype = left;
  if (left == right) return true;
  if (dtype_is_float(left) && is_integer_scalar(b)) return true;
  *dtype = right;
  if (dtype_is_float(right) && is_integer_scalar(a)) return true;
  return report_mix(e, a, b, op, places);
}

Value *leaf_as(Evaluator *e, const Staged *leaf, Dtype dtype) {
  if (leaf->kind != STAGED_TENSOR) return static_value(e, leaf, dtype);
  if (leaf->tensor->type->dtype == dtype) return leaf->tensor;
  return ir_convert(&e->builder, leaf->tensor, dtype);
}

Value *broadcast_to(Evaluator *e, Value *value, const Type *type) {
  const Type *wanted = type_with_dtype(e->module, type, value->type->dtype);
  return value->type == wanted ? value : ir_broadcast_suffix(&e->builder, value, wanted);
}

static bool is_suffix(const Type *small, const Type *large) {
  int skip = large->rank - small->rank;
  if (skip < 0) return false;
  for (int i = 0; i < small->rank; i++)
    if (small->shape[i] != large->shape[skip + i]) return false;
  return true;
}

// `y * X` with y indexed like X's leading axes is what people write first: show the comprehension.
static void suggest_comprehension(Evaluator *e, Diagnostic *d, const Type *a, const Type *b,
                                  const char *op, Places places) {
  bool swapped = a->rank > b->rank;
  const Type *small = swapped ? b : a, *large = swapped ? a : b;
  bool prefix = small->rank > 0 && small->rank < large->rank;
  for (int i = 0; prefix && i < small->rank; i++) prefix = small->shape[i] == large->shape[i];
  const char *left = indexed_excerpt(e, places.left), *right = indexed_excerpt(e, places.right);
  static const char *const names[] = {"i", "i, j", "i, j, k"};
  const char *wide = swapped ? left : right;
  if (prefix && large->rank == small->rank + 1 && wide && wide[0] == '(' && strstr(wide, " * "))
    diagnostic_help(d, "`*` multiplies entry by entry; the product of a matrix and a vector is "
                       "written `X @ w`");
  else if (prefix && small->rank <= 3 && left && right) {
    const char *index = names[small->rank - 1];
    diagnostic_help(d, "write `for %s { %s[%s] %s %s[%s] }`", index, left, index, op, right, index);
  } else {
    diagnostic_help(d, "shapes must be equal, or one a suffix of the other; other combinations are "
                       "written with `for i { .. }`");
  }
}

const Type *meet_shape(Evaluator *e, Value *a, Value *b, const char *op, Places places) {
  if (is_suffix(a->type, b->type)) return b->type;
  if (is_suffix(b->type, a->type)) return a->type;
  Diagnostic *d = mistake(e, E0301, places.left, "these shapes do not fit `%s`", op);
  diagnostic_label(d, places.left, "%s", type_phrase(e, a->type));
  diagnostic_label(d, places.right, "%s", type_phrase(e, b->type));
  suggest_comprehension(e, d, a->type, b->type, op, places);
  return NULL;
}

bool meet(Evaluator *e, Staged *a, Staged *b, const char *op, Places places, Value **left,
          Value **right) {
  Dtype dtype;
  if (!meet_dtype(e, a, b, op, places, &dtype)) return false;
  Value *x = leaf_as(e, a, dtype), *y = leaf_as(e, b, dtype);
  const Type *type = meet_shape(e, x, y, op, places);
  if (!type) return false;
  *left = broadcast_to(e, x, type);
  *right = broadcast_to(e, y, type);
  return true;
}

// --- scalars and static values -------------------------------------------------------------------

Value *scalar_value(Evaluator *e, Staged *s, Dtype dtype, Span span, const char *what) {
  if (staged_is_poison(s)) return NULL;
  bool fits = false;
  if (s->kind == STAGED_BOOL) fits = dtype == DT_BOOL;
  if (s->kind == STAGED_INTEGER) fits = dtype != DT_BOOL;
  if (s->kind == STAGED_REAL) fits = dtype_is_float(dtype);
  if (staged_is_scalar_tensor(s)) {
    Dtype from = s->tensor->type->dtype;
    fits = from == dtype || (dtype_is_integer(from) && dtype != DT_BOOL);
  }
  if (fits) return leaf_as(e, s, dtype);
  mistake(e, E0303, span, "%s is one %s, this is %s", what, dtype_text(dtype),
          staged_describe(e, s));
  return NULL;
}

bool static_dim(Evaluator *e, Staged *s, const Dim **dim, Span span, const char *what) {
  if (staged_is_poison(s)) return false;
  if (s->kind == STAGED_INTEGER) {
    *dim = s->integer;
    if (!dim_is_invalid(*dim)) return true;
    mistake(e, E0310, span, "%s is too large", what);
    return false;
  }
  if (s->kind == STAGED_TENSOR) {
    Diagnostic *d = mistake(e, E0309, span, "%s must be known before the program runs", what);
    diagnostic_label(d, span, "%s, computed while running", staged_describe(e, s));
    diagnostic_help(d, "use dims and integer constants here");
  } else {
    mistake(e, E0309, span, "%s must be an integer, this is %s", what, staged_describe(e, s));
  }
  return false;
}

bool static_real(Evaluator *e, Staged *s, double *value, Span span, const char *what) {
  if (staged_is_poison(s)) return false;
  if (staged_known_real(s, value)) return true;
  mistake(e, E0309, span, "%s must be a number known before the program runs, this is %s", what,
          staged_describe(e, s));
  return false;
}
