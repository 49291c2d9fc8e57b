// The reference interpreter: what its files share.
#ifndef BLO_IR_INTERP_H
#define BLO_IR_INTERP_H

#include "ir/ir_internal.h"
#include "ir/passes.h"

typedef struct Interpreter {
  Interpretation *run;
  Module *module;
  Arena *arena;    // of the region being evaluated: an iteration's values die with it
  Arena *lasting;  // of the whole run
  Tensor **values; // by value id
  Map *shapes;     // Type -> Shape
  int64_t evaluated;
} Interpreter;

/// A type's extents for the dims of this run.
typedef struct Shape {
  int64_t extents[MAX_RANK];
  int64_t count;
} Shape;

/// Evaluates one op: sets the values of its results; false after interp_fail.
typedef bool EvaluateFunction(Interpreter *ip, const Op *op);

bool interp_fail(Interpreter *ip, const char *format, ...) __attribute__((format(printf, 2, 3)));
/// Records that a note fired.
void interp_note(Interpreter *ip, int number);
bool interp_dim(Interpreter *ip, const Dim *dim, int64_t *value);
/// A zeroed tensor for result 0, made its value; NULL after a failure.
Tensor *interp_result(Interpreter *ip, const Op *op);
static inline Tensor *operand_value(const Interpreter *ip, const Op *op, int i) {
  return ip->values[op->operands[i]->id];
}
static inline void set_value(Interpreter *ip, const Value *value, Tensor *tensor) {
  ip->values[value->id] = tensor;
}

/// Row-major strides.
void shape_strides(int rank, const int64_t *shape, int64_t *strides);
/// The next multi-index in row-major order; false after the last.
bool index_next(int rank, const int64_t *shape, int64_t *index);
/// Copies entry `from` of x to entry `to` of y, of one dtype.
static inline void copy_entry(Tensor *y, int64_t to, const Tensor *x, int64_t from) {
  if (x->reals) {
    y->reals[to] = x->reals[from];
  } else {
    y->integers[to] = x->integers[from];
  }
}
/// y[to] += x[from], wrapped to the dtype.
void add_entry(Tensor *y, int64_t to, const Tensor *x, int64_t from);
/// `count` consecutive entries.
void copy_entries(Tensor *y, int64_t to, const Tensor *x, int64_t from, int64_t count);

EvaluateFunction evaluate_CONST, evaluate_IOTA, evaluate_DIM, evaluate_RANDOM, evaluate_unary,
    evaluate_binary, evaluate_ISFINITE, evaluate_CONVERT, evaluate_COMPARE, evaluate_SELECT,
    evaluate_VIEW, evaluate_UNVIEW, evaluate_RESHAPE, evaluate_CONCAT, evaluate_REDUCE_SUM,
    evaluate_REDUCE_MAX, evaluate_REDUCE_PROD, evaluate_ARGMAX, evaluate_CUMSUM, evaluate_ARGSORT,
    evaluate_DOT, evaluate_CONV, evaluate_CHOLESKY, evaluate_TRISOLVE, evaluate_SOLVE,
    evaluate_GATHER, evaluate_SCATTER_ADD, evaluate_DYNAMIC_SLICE, evaluate_DYNAMIC_UPDATE,
    evaluate_LOOP, evaluate_IF, evaluate_CUSTOM, evaluate_NOTE;

#endif
