// Scalar arithmetic of the IR: one definition for constant folding and for the interpreter.
//
// Floats are doubles, rounded to their dtype on request; integers and bool are int64, wrapped to
// their dtype. Division of integers rounds down and gives 0 for a zero divisor, as does the
// remainder.
#ifndef BLO_IR_SCALAR_H
#define BLO_IR_SCALAR_H

#include "ir/ir.h"

double scalar_round(Dtype dtype, double x);     // to the nearest value of the float dtype
int64_t scalar_wrap(Dtype dtype, int64_t x);    // modulo 2^bits; bool: 0 or 1
int64_t scalar_truncate(Dtype dtype, double x); // towards zero, saturating; NaN: 0; bool: x != 0
double scalar_unary_real(Opcode code, double x);
double scalar_binary_real(Opcode code, double x, double y);
int64_t scalar_unary_integer(Opcode code, Dtype dtype, int64_t x);
int64_t scalar_binary_integer(Opcode code, Dtype dtype, int64_t x, int64_t y);
bool scalar_compare_real(Compare op, double x, double y);
bool scalar_compare_integer(Compare op, int64_t x, int64_t y);
double scalar_lowest_real(void); // identity of max
int64_t scalar_lowest_integer(Dtype dtype);

#endif
