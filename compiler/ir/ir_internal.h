// What the files of compiler/ir share: making ops without folding, attributes, scalar arithmetic.
#ifndef BLO_IR_IR_INTERNAL_H
#define BLO_IR_IR_INTERNAL_H

#include "base/map.h"
#include "ir/builder.h"
#include "ir/ir.h"

/// Entries of a type with constant extents (inference checks that of dense constants).
size_t type_constant_entries(const Type *type);
/// Most results an op with these parts can have: the room ir_infer needs.
int op_result_limit(Opcode code, const Attr *attr, Block *const *regions, int region_count);
/// Appends an op as given: no inference, no folding, no sharing. Copies operands and attributes.
Op *op_append(Block *block, Opcode code, Value *const *operands, int operand_count,
              const Attr *attr, Block *const *regions, int region_count, const Type *const *types,
              int result_count, Span span);
/// Enters an op into its block's table (computing its hash), so that the builder can find it.
void op_enter(Op *op);

bool attr_equal(Opcode code, const Attr *a, const Attr *b);

/// Copies `op` into the builder's block with `operands` in place of its own; regions are cloned
/// with `values` (old value -> new value) in place of what they capture. Fills `results`.
void op_copy(Builder *b, const Op *op, Map *values, Value **results);

/// As ir_inline, with `values` (parameters and captured values -> new value), to which it adds the
/// copies.
void block_inline(Builder *b, Block *source, Map *values, Value *const *wanted, int count,
                  Value **results);

/// Folding of one-result ops; NULL when there is nothing to fold.
Value *fold_elementwise(Builder *b, Opcode code, Value *const *operands, const Attr *attr);
Value *fold_index(Builder *b, Opcode code, Value *const *operands, int count, const Attr *attr);
/// Sums and products of many f16 or bf16 in f32; NULL for other ops.
Value *widen_accumulation(Builder *b, Opcode code, Value *const *operands, int operand_count,
                          const Attr *attr);
bool value_is_splat(const Value *v);

/// The map o -> outer(inner(o)); false when a coefficient overflows.
bool map_compose(Module *module, const IndexMap *outer, const IndexMap *inner, IndexMap *result);
/// The result axis that operand axis i follows as it is; -1 when it does anything else.
int map_axis(const IndexMap *map, int i);
/// Result axis k is operand axis permutation[k]; false when the map is no permutation.
bool map_is_permutation(const IndexMap *map, int *permutation);

static inline bool opcode_commutes(Opcode code) {
  return code == OP_ADD || code == OP_MUL || code == OP_MAX || code == OP_MIN || code == OP_AND ||
         code == OP_OR;
}

#endif
