// Dims: integer polynomials over atoms, in normal form and interned, so equal dims have equal
// pointers.
//
// atom = name | floordiv(P, k) | max(P, Q) | exact(P, k).  `exact(H, k)` is H / k where the program
// promises that k divides H; k * exact(H, k) normalises to H, and the promise is recorded as a
// condition that is checked when data is bound. Every Module owns one DimTable.
#ifndef BLO_IR_DIM_H
#define BLO_IR_DIM_H

#include "base/arena.h"
#include "base/intern.h"
#include "base/text_buffer.h"
#include "base/vec.h"
#include "text/source.h"
#include <stdbool.h>
#include <stdint.h>

typedef struct Dim Dim; // an interned polynomial; compare with ==
typedef struct DimTable DimTable;

typedef struct DimCondition { // `divisor` divides `dividend`, or dividend >= 0 when divisor is 0
  const Dim *dividend;
  int64_t divisor;
  Span span;
} DimCondition;

DimTable *dim_table_create(Arena *arena, Interner *names);
const Dim *dim_const(DimTable *table, int64_t value);
/// The dim named `name`; the same name gives the same dim.
const Dim *dim_name(DimTable *table, Name name);
/// A new dim different from all others, printed as `name` (made unique by a number): rigid dims.
const Dim *dim_fresh(DimTable *table, const char *name);
const Dim *dim_add(DimTable *table, const Dim *a, const Dim *b);
const Dim *dim_sub(DimTable *table, const Dim *a, const Dim *b);
const Dim *dim_mul(DimTable *table, const Dim *a, const Dim *b);
const Dim *dim_scale(DimTable *table, const Dim *a, int64_t factor);
const Dim *dim_floordiv(DimTable *table, const Dim *a, int64_t divisor); // divisor > 0
const Dim *dim_max(DimTable *table, const Dim *a, const Dim *b);
/// a / b where exact: NULL when it cannot be exact (constants that do not divide, b no factor of
/// a). Adds a condition when it depends on the data.
const Dim *dim_divide(DimTable *table, const Dim *a, const Dim *b, Span span);
/// Promises a >= 0 (checked at bind time unless all coefficients are non-negative).
void dim_require_nonnegative(DimTable *table, const Dim *a, Span span);

/// Is it a constant? `value` may be NULL.
bool dim_is_const(const Dim *d, int64_t *value);
/// True for the one dim that stands for results too large to represent (or for a broken promise
/// after substitution). It has no value, is equal only to itself and absorbs everything.
bool dim_is_invalid(const Dim *d);
/// a - b is a constant (stored in difference).
bool dim_difference(DimTable *table, const Dim *a, const Dim *b, int64_t *difference);
/// True when provably a >= 0 for all non-negative atoms >= 1 (all coefficients non-negative after a
/// shift of atoms by 1).
bool dim_provably_nonnegative(DimTable *table, const Dim *a);

/// Value for bound atoms; false when an atom has no value or the result overflows int64.
bool dim_evaluate(const Dim *d, bool (*value)(void *self, Name name, int64_t *result), void *self,
                  int64_t *result);
/// Appends each distinct name that occurs in d.
typedef VEC(Name) NameList;
void dim_names(Arena *arena, const Dim *d, NameList *names);
void dim_print(TextBuffer *out, const Dim *d); // "2*n*d + 1", "floordiv(n, 4)"
const char *dim_text(DimTable *table, const Dim *d);
/// Parses what dim_print prints; NULL on a syntax error. Advances *text.
const Dim *dim_parse(DimTable *table, const char **text);

size_t dim_condition_count(const DimTable *table);
const DimCondition *dim_conditions(const DimTable *table);

/// Postfix program over atom numbers for runtime/common/dims.h. `atoms` maps names to their index.
/// Returns the number of words written to an arena array at *words.
size_t dim_compile(Arena *arena, const Dim *d, const Name *atoms, size_t atom_count,
                   const int64_t **words);

#endif
