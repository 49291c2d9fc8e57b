// Values of dim polynomials at run time: a postfix machine over words written by the compiler.
//
// Enters: a program, the values of its atoms. Leaves: the value, or false when the program is
// malformed, a value overflows or a promised division leaves a rest. C99, allocates nothing.
#ifndef BLO_COMMON_DIMS_H
#define BLO_COMMON_DIMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BLO_DIM_STACK = 64 };

typedef enum BloDimOperation {
  BLO_DIM_CONST,    // word k: push k
  BLO_DIM_ATOM,     // word i: push atoms[i]
  BLO_DIM_ADD,      // a b -> a + b
  BLO_DIM_MUL,      // a b -> a * b
  BLO_DIM_FLOORDIV, // word k > 0: a -> a / k rounded down
  BLO_DIM_MAX,      // a b -> the larger
  BLO_DIM_EXACT,    // word k > 0: a -> a / k; fails when k does not divide a
} BloDimOperation;

bool blo_dims_evaluate(const int64_t *program, size_t count, const int64_t *atoms,
                       size_t atom_count, int64_t *result);

#endif
