// Small constructors for kernels: what lowering (and the tests of emission) build loop nests with.
//
// Expressions are hash-consed within a kernel: equal expressions are one node, computed once per
// statement. An expression has no place of its own: LOAD, REGISTER and LOCAL read what is there
// when the statement that uses them runs. Integer index arithmetic on constants and dims folds:
// dims + dims is one polynomial, x + 0, x * 1, (x + 2) + 3 and the like disappear. Statements are
// appended to the innermost open loop.
//
//   KernelBuilder *k = kernel_builder_create(module, "mul_sum", span);
//   int x = kernel_buffer(k, DT_F64, true, false), y = kernel_buffer(k, DT_F64, false, true);
//   Register *sum = kernel_declare(k, expr_real(k, DT_F64, 0));
//   Axis *i = kernel_for_vector(k, "i", expr_dim(k, n), 8, 4);
//     Expr *xi = expr_load(k, x, expr_axis(k, i));
//     kernel_accumulate(k, sum, OP_ADD, expr_binary(k, OP_MUL, xi, xi));
//   kernel_end(k);
//   kernel_store(k, y, expr_index(k, 0), expr_register(k, sum));
//   Kernel *kernel = kernel_finish(k);
#ifndef BLO_LOOP_KERNEL_BUILDER_H
#define BLO_LOOP_KERNEL_BUILDER_H

#include "loop/loop.h"

typedef struct KernelBuilder KernelBuilder;

/// Memory comes from the module's arena.
KernelBuilder *kernel_builder_create(Module *module, const char *name, Span span);
/// All loops must be closed. Computes the structural hash: kernels that differ only in name, span
/// and the order in which unused expressions were made have equal hashes.
Kernel *kernel_finish(KernelBuilder *k);

// ---------------------------------------------------------------- parameters and storage

/// A buffer parameter; returns its number. Buffers of one launch must not overlap where one is
/// written (an in-place pair is one parameter that reads and writes).
int kernel_buffer(KernelBuilder *k, Dtype dtype, bool reads, bool writes);
/// Marks a buffer as read or written too.
void kernel_buffer_use(KernelBuilder *k, int buffer, bool reads, bool writes);
/// An i64 parameter; returns its number.
int kernel_scalar(KernelBuilder *k);
Axis *kernel_axis(KernelBuilder *k, const char *name);
/// A register, to be declared later by kernel_declare_register.
Register *kernel_register(KernelBuilder *k, Dtype dtype);
/// `lanes`: see Local.
Local *kernel_local(KernelBuilder *k, Dtype dtype, int64_t entries, Axis *lanes);

// ---------------------------------------------------------------- expressions

Expr *expr_real(KernelBuilder *k, Dtype dtype, double value);
Expr *expr_integer(KernelBuilder *k, Dtype dtype, int64_t value); // integers and bool
Expr *expr_number(KernelBuilder *k, Dtype dtype, double value);   // any dtype
Expr *expr_index(KernelBuilder *k, int64_t value);                // i64
Expr *expr_dim(KernelBuilder *k, const Dim *dim);                 // i64
Expr *expr_scalar(KernelBuilder *k, int number);                  // i64
Expr *expr_axis(KernelBuilder *k, Axis *axis);                    // i64
Expr *expr_load(KernelBuilder *k, int buffer, Expr *index);
Expr *expr_register(KernelBuilder *k, Register *reg);
Expr *expr_local(KernelBuilder *k, Local *local, Expr *index);
/// An elementwise op: result dtype by the op table's rules (compare: bool; select: of the
/// branches). Use expr_convert for CONVERT and expr_compare for COMPARE. STOP gives its operand.
Expr *expr_unary(KernelBuilder *k, Opcode code, Expr *x);
Expr *expr_binary(KernelBuilder *k, Opcode code, Expr *x, Expr *y);
Expr *expr_compare(KernelBuilder *k, Compare compare, Expr *x, Expr *y);
Expr *expr_select(KernelBuilder *k, Expr *condition, Expr *yes, Expr *no);
Expr *expr_convert(KernelBuilder *k, Expr *x, Dtype dtype);
/// (arguments by kind) FOLD (key, word) i64; UNIFORM (key, counter) float; BITS (key, counter) i64;
/// INDEX (key, position, n) i64.
Expr *expr_random(KernelBuilder *k, RandomKind kind, Dtype dtype, Expr *const *arguments,
                  int count);

// i64 index arithmetic
static inline Expr *expr_add(KernelBuilder *k, Expr *x, Expr *y) {
  return expr_binary(k, OP_ADD, x, y);
}
static inline Expr *expr_sub(KernelBuilder *k, Expr *x, Expr *y) {
  return expr_binary(k, OP_SUB, x, y);
}
static inline Expr *expr_mul(KernelBuilder *k, Expr *x, Expr *y) {
  return expr_binary(k, OP_MUL, x, y);
}
/// min(max(index, 0), extent - 1)
Expr *expr_clamp(KernelBuilder *k, Expr *index, Expr *extent);

bool expr_uses_axis(const Expr *e, const Axis *axis);

// ---------------------------------------------------------------- statements

/// Opens a loop 0 .. high-1 and returns its axis; kernel_end closes it.
Axis *kernel_for(KernelBuilder *k, const char *name, Expr *high);
Axis *kernel_for_vector(KernelBuilder *k, const char *name, Expr *high, int width, int unroll);
Axis *kernel_for_unroll(KernelBuilder *k, const char *name, int64_t count);
/// The general form; the returned statement may be adjusted (reverse) before it is closed.
Stmt *kernel_for_general(KernelBuilder *k, Axis *axis, Expr *low, Expr *high, int64_t step,
                         ForMode mode, int width, int unroll);
void kernel_if(KernelBuilder *k, Expr *condition);
void kernel_else(KernelBuilder *k);
/// Closes the innermost open loop or conditional.
void kernel_end(KernelBuilder *k);

Register *kernel_declare(KernelBuilder *k, Expr *value);
void kernel_assign(KernelBuilder *k, Register *reg, Expr *value);
/// op: OP_ADD OP_MUL OP_MAX OP_MIN OP_AND OP_OR. Inside a vector loop that does not contain the
/// declaration each lane has a partial result of its own, joined after the loop by a fixed tree;
/// such a register may not be read or assigned inside that loop.
void kernel_accumulate(KernelBuilder *k, Register *reg, Opcode op, Expr *value);
/// (best, place) = (value, index) where value > best (or is the first NaN); of equal values the
/// least index wins, provided that iterations visit indices in ascending order.
void kernel_argmax(KernelBuilder *k, Register *best, Register *place, Expr *value, Expr *index);
void kernel_store(KernelBuilder *k, int buffer, Expr *index, Expr *value);
/// buffer[index] += value. Inside vector loops lanes may not meet in one place (use a serial loop).
void kernel_store_add(KernelBuilder *k, int buffer, Expr *index, Expr *value);
void kernel_local_store(KernelBuilder *k, Local *local, Expr *index, Expr *value);
void kernel_local_add(KernelBuilder *k, Local *local, Expr *index, Expr *value);
void kernel_note(KernelBuilder *k, int number, Expr *condition);

/// Hash of a kernel's structure (kernel_finish stores it).
uint64_t kernel_hash(Arena *arena, const Kernel *kernel);

#endif
