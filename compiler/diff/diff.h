// Derivatives and batching, IR to IR.
//
// Enters: a block whose parameters and ops are complete, with chosen output values. Leaves: further
// ops appended to the same block (primal ops are kept and referred to; loops gain stacked outputs
// in place). Zero is NULL on both sides. Closed under nesting: the result is ordinary IR.
#ifndef BLO_DIFF_DIFF_H
#define BLO_DIFF_DIFF_H

#include "ir/builder.h"

typedef struct DiffError { // why a derivative does not exist: the user's mistake, reported by the
                           // caller
  Span span;
  const char *text; // NULL: none
} DiffError;

/// Tangents of `outputs` for tangents of some values of the block. seeds[i] is the tangent of
/// inputs[i] (a parameter or any value defined before the block's ops), NULL for zero. Appends to
/// `block`; results[i] NULL where zero. Loops stay fused (forward mode, no tape).
bool diff_jvp(Block *block, Value *const *inputs, Value *const *seeds, int input_count,
              Value *const *outputs, int output_count, Value **results, DiffError *error);

/// Cotangents of `inputs` for cotangents of `outputs` (NULL: zero): linearise, then transpose.
bool diff_vjp(Block *block, Value *const *inputs, int input_count, Value *const *outputs,
              Value *const *cotangents, int output_count, Value **results, DiffError *error);

/// Linearise only: tangent ops are appended against seeds as diff_jvp does, but loops are split
/// into the primal loop with stacked residuals and a separate linear loop, so that everything that
/// does not depend on the seeds can be hoisted (used for hvp inside a solver).
bool diff_linearise(Block *block, Value *const *inputs, Value *const *seeds, int input_count,
                    Value *const *outputs, int output_count, Value **results, DiffError *error);

/// Evaluates `block`'s outputs for all rows of its batched parameters at once: parameter params[i]
/// stands for one row of batched[i] (leading axis `extent`), or for itself where batched[i] is NULL
/// (then it is replaced by unbatched[i]). Values from outside `block` are shared by all rows.
/// Appends to the builder; results have the leading axis `extent`.
void diff_batch(Builder *b, Block *block, const Dim *extent, Value *const *batched,
                Value *const *unbatched, Value *const *outputs, int output_count, Value **results);

#endif
