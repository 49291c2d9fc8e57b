// The builder: the only way to make ops. Infers result types by the op table and hash-conses.
//
// Enters: operands and attributes. Leaves: the op's results. An op equal to one already in the
// current block or an enclosing one is not made again (notes excepted). Trivial cases fold on the
// way: x+0, x*1, 0*x is NOT folded for floats, views of views compose, views of splat constants are
// splat constants, constants fold. Wrong operand types are our own mistake (BUG): users' mistakes
// are found before ops are made.
#ifndef BLO_IR_BUILDER_H
#define BLO_IR_BUILDER_H

#include "ir/bug.h"
#include "ir/ir.h"

typedef struct Builder {
  Module *module;
  Block *block; // where ops are appended
  Span span;    // place given to new ops
} Builder;

Builder builder_at(Block *block);

/// Type inference: result types of an op, or NULL and a message for the reader and verifier.
/// Regions must be complete. `types` has room for the results, whose number is returned in *count.
const char *ir_infer(Module *module, Opcode code, Value *const *operands, int operand_count,
                     const Attr *attr, Block *const *regions, int region_count, const Type **types,
                     int *count);

/// The general way: returns the (possibly shared) op.
Op *ir_op(Builder *b, Opcode code, Value *const *operands, int operand_count, const Attr *attr,
          Block *const *regions, int region_count);

/// As ir_op, for ops with one result: folds trivial cases, so the result may be any value of this
/// type.
Value *ir_value(Builder *b, Opcode code, Value *const *operands, int operand_count,
                const Attr *attr);

Value *ir_real(Builder *b, const Type *type, double value);     // splat; type float
Value *ir_integer(Builder *b, const Type *type, int64_t value); // splat; integer or bool
Value *ir_zero(Builder *b, const Type *type);
Value *ir_number(Builder *b, const Type *type, double value); // splat of any dtype
Value *ir_dense_real(Builder *b, const Type *type, const double *entries);
Value *ir_dense_integer(Builder *b, const Type *type, const int64_t *entries);
/// Splat constant? Gives its value.
bool ir_is_splat(const Value *v, double *value);
Value *ir_iota(Builder *b, const Type *type, int axis);
Value *ir_dim(Builder *b, const Dim *dim); // i64 scalar
Value *ir_unary(Builder *b, Opcode code, Value *x);
Value *ir_binary(Builder *b, Opcode code, Value *x, Value *y);
Value *ir_compare(Builder *b, Compare op, Value *x, Value *y);
Value *ir_select(Builder *b, Value *condition, Value *yes, Value *no);
Value *ir_convert(Builder *b, Value *x, Dtype dtype);
Value *ir_stop(Builder *b, Value *x);
Value *ir_random(Builder *b, RandomKind kind, const Type *type, Value *const *operands, int count);
/// The same with the attribute `rows`: how many batches make draws of their own for each row.
Value *ir_random_rows(Builder *b, RandomKind kind, const Type *type, Value *const *operands,
                      int count, int rows);

Value *ir_view(Builder *b, Value *x, const Type *type, IndexMap map);
Value *ir_unview(Builder *b, Value *x, const Type *type, IndexMap map);
Value *ir_transpose(Builder *b, Value *x,
                    const int *permutation); // result axis k is x's permutation[k]
/// x's axes become the result axes `axes[k]` (ascending or not); other result axes repeat x.
Value *ir_broadcast(Builder *b, Value *x, const Type *type, const int *axes);
/// Repeats a scalar (or a suffix shape) over leading axes.
Value *ir_broadcast_suffix(Builder *b, Value *x, const Type *type);
Value *ir_slice(Builder *b, Value *x, int axis, const Dim *start, const Dim *length,
                int64_t stride);
Value *ir_flip(Builder *b, Value *x, int axis);
Value *ir_reshape(Builder *b, Value *x, const Type *type);
Value *ir_concat(Builder *b, Value *const *parts, int count, int axis);
Value *ir_reduce(Builder *b, Opcode code, Value *x, uint32_t axes);
Value *ir_sum_all(Builder *b, Value *x);
Value *ir_argmax(Builder *b, Value *x, int axis);
Value *ir_cumsum(Builder *b, Value *x, int axis, bool reverse, bool exclusive);
Value *ir_argsort(Builder *b, Value *x, int axis, bool descending);
Value *ir_dot(Builder *b, Value *x, Value *y, const Attr *attr);
/// A dot with windows: along each pair of window axes result[o] = sum of left[stride o + dilation
/// k] * right[k]. All windows lie inside the left operand; padding and strides of the transposed
/// form are an unview of it, a flipped filter a view. `wide`: the right operand's windows are the
/// long ones.
Value *ir_conv(Builder *b, Value *x, Value *y, const Attr *attr);
/// The sum over `axes` of x * y (of one type) as a dot or conv with further views, where the index
/// maps of the factors say so; NULL where a product and a reduction are better, or nothing else is
/// known. With `windows_only` only convolutions are found.
Value *ir_sum_of_product(Builder *b, Value *x, Value *y, uint32_t axes, bool windows_only);
/// Why the sum over `axes` of x * y is no dot and no conv, for the reader; NULL where it is one.
const char *ir_product_obstacle(Module *module, Value *x, Value *y, uint32_t axes);
Value *ir_matmul(Builder *b, Value *x, Value *y); // last axis of x with first of y
Value *ir_cholesky(Builder *b, Value *a);
Value *ir_trisolve(Builder *b, Value *l, Value *rhs, bool transposed);
Value *ir_solve(Builder *b, Value *a, Value *rhs, bool transposed);
Value *ir_gather(Builder *b, Value *table, int axis_count, const int8_t *axes,
                 Value *const *indices);
Value *ir_scatter_add(Builder *b, Value *base, Value *updates, int axis_count, const int8_t *axes,
                      Value *const *indices);
Value *ir_dynamic_slice(Builder *b, Value *x, const Type *type, Value *const *starts);
Value *ir_dynamic_update(Builder *b, Value *x, Value *u, Value *const *starts, bool accumulate);
/// Fires while running when `condition` is (anywhere) true; registered by module_note at the
/// builder's span.
void ir_note(Builder *b, Value *condition, int code, const char *text);
Op *ir_loop(Builder *b, Value *count, const Dim *bound, Value *const *carries, int carry_count,
            Value *const *stacked, int stacked_count, Block *body, Block *condition, bool reverse);
/// Adds `row`, a value the loop's body can see, to its stacked outputs in place (the trips result
/// moves up) and returns the new result [bound, row..]; a row that is stacked already is not
/// stacked again.
Value *ir_loop_stack(Op *loop, Value *row);
Op *ir_if(Builder *b, Value *condition, Block *yes, Block *no);
/// Regions 1 and 2 may be NULL.
Op *ir_custom(Builder *b, Value *const *operands, int count, Block *value, Block *tangent,
              Block *transposed);

/// Copies the ops of `source` (nested blocks included) into the builder's block with its parameters
/// replaced by `arguments`; `results[i]` is the copy of `wanted[i]`. Only what `wanted` needs is
/// copied (and notes). Values from outside `source` stay as they are.
void ir_inline(Builder *b, Block *source, Value *const *arguments, Value *const *wanted, int count,
               Value **results);

#endif
