// What batch.c and batch_control.c share.
#ifndef BLO_DIFF_BATCH_INTERNAL_H
#define BLO_DIFF_BATCH_INTERNAL_H

#include "diff/diff_internal.h"

/// A block being evaluated for all rows at once.
typedef struct Batch {
  Module *module;
  Arena *arena;
  Builder b;
  const Dim *extent;
  Map *values; // source value -> its image at the target; absent: itself
  Map *rows;   // source values whose image has the leading axis
  Value *mask; // bool [extent]: rows that really run, or NULL for all
} Batch;

typedef void BatchRule(Batch *t, Op *op);

bool is_row(const Batch *t, const Value *v);
Value *image(const Batch *t, Value *v);
/// The image with the leading axis, repeated where it has none.
Value *lead(Batch *t, Value *v);
Value *lead_value(Batch *t, Value *image, bool row);
const Type *lead_type(const Batch *t, const Type *type);
void bind(Batch *t, Value *v, Value *image, bool row);
/// A bool [extent] repeated over the other axes of `type`.
Value *mask_like(Batch *t, Value *mask, const Type *type);
/// Axis `from` of x moved to place `to`.
Value *move_axis(Builder *b, Value *x, int from, int to);
/// Images of a block's ops, appended at t->b; `needed` NULL: of all.
void batch_ops(Batch *t, Block *block, const Map *needed);
BatchRule batch_LOOP, batch_IF, batch_CUSTOM;

#endif
