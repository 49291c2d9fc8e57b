// Rewriting of single ops by algebra, used while a function is rebuilt.
#ifndef BLO_OPT_ALGEBRA_H
#define BLO_OPT_ALGEBRA_H

#include "ir/builder.h"

/// A value equal to the op on these operands, or NULL when no rule applies. `single` tells whether
/// operand k is used by nothing else.
Value *algebra_rewrite(Builder *b, const Op *op, Value *const *operands, const bool *single);

/// A product of two tensors summed over some indices: each axis has a label, results have `out`.
typedef struct Contraction {
  Value *factor[2];
  int8_t label[2][MAX_RANK]; // by axis
  int out_rank;
  int8_t out[MAX_RANK];            // label of each result axis
  const Dim *extent[3 * MAX_RANK]; // by label
  int labels;
} Contraction;

/// Does the view reorder and repeat axes only? Gives the result axis of each operand axis.
bool view_reorders(const Op *view, int *axis_of);
Contraction contraction_of_dot(Value *x, Value *y, const Attr *attr);
/// Replaces factors that are views of another order, or that repeat, by what they view.
bool contraction_strip_views(Contraction *c);
/// Can one dot give the result's axes in their order?
bool contraction_is_direct(const Contraction *c);
/// The contraction as dot between reduce_sum and view; NULL when an index would be summed that no
/// factor has.
Value *contraction_build(Builder *b, const Contraction *c);

#endif
