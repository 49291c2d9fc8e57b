// Type inference, shared by its two files: one function per row of the op table.
#ifndef BLO_IR_INFER_H
#define BLO_IR_INFER_H

#include "ir/ir_internal.h"

typedef struct Inference {
  Module *module;
  Opcode code;
  Value *const *operands;
  int operand_count;
  const Attr *attr;
  Block *const *regions;
  int region_count;
  const Type **types; // results
  int *count;
} Inference;

/// NULL, or what is wrong.
typedef const char *InferFunction(const Inference *in);

/// Sets the one result type; for `return infer_one(in, type)`.
const char *infer_one(const Inference *in, const Type *type);
const char *infer_fail(const Inference *in, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

InferFunction infer_REDUCE_SUM, infer_ARGMAX, infer_CUMSUM, infer_ARGSORT, infer_DOT, infer_CONV,
    infer_CHOLESKY, infer_TRISOLVE, infer_GATHER, infer_SCATTER_ADD, infer_DYNAMIC_SLICE,
    infer_DYNAMIC_UPDATE, infer_LOOP, infer_IF, infer_CUSTOM, infer_NOTE;

#endif
