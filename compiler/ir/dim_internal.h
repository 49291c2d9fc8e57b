// What the files of the dim polynomials share: the representation and its orders.
//
// A Dim is a sorted list of terms, a term a coefficient times a sorted list of atoms (repeated for
// powers). Atoms and Dims are interned, so both compare by address; the orders are structural, so
// the normal form does not depend on what was created first.
#ifndef BLO_IR_DIM_INTERNAL_H
#define BLO_IR_DIM_INTERNAL_H

#include "base/map.h"
#include "ir/bug.h"
#include "ir/dim.h"

enum { DIM_MAX_TERMS = 2048, DIM_MAX_DEGREE = 32, DIM_MAX_DEPTH = 12 };

typedef enum AtomKind { ATOM_NAME, ATOM_EXACT, ATOM_FLOORDIV, ATOM_MAX } AtomKind;

typedef struct Atom {
  AtomKind kind;
  int depth;         // nesting: 0 for a name
  Name name;         // NAME
  const Dim *a, *b;  // EXACT and FLOORDIV: a; MAX: both, in order
  int64_t divisor;   // EXACT, FLOORDIV: at least 2
  const Dim *as_dim; // the polynomial that is just this atom
} Atom;

typedef struct Term {
  int64_t coefficient;
  int degree;
  const Atom *const *atoms; // sorted
} Term;

struct Dim {
  uint64_t hash;
  size_t count;
  const Term *terms; // higher degrees first, the constant last
  int depth;         // of the deepest atom
  bool exact;        // some atom of a term is EXACT
  bool invalid;
};

typedef VEC(Term) TermList;

struct DimTable {
  Arena *arena;
  Interner *names;
  const Dim **dims; // open addressing
  size_t dim_count, dim_capacity;
  const Atom **atoms;
  size_t atom_count, atom_capacity;
  Map *name_atoms;
  const Dim *zero, *one, *invalid;
  VEC(DimCondition) conditions;
  uint32_t fresh;
};

/// Sorts, combines and reduces the terms, then interns. Takes over `terms`.
const Dim *dim_from_terms(DimTable *table, TermList *terms);
/// P / k with the promise that k divides P; NULL when it cannot. Records no condition.
const Dim *dim_exact(DimTable *table, const Dim *p, int64_t k);
/// Records the condition unless it is there already.
void dim_add_condition(DimTable *table, const Dim *dividend, int64_t divisor, Span span);
/// gcd of the coefficients, the constant's included if asked; 0 for nothing.
int64_t dim_content(const Dim *d, bool with_constant);
/// Floor division and its remainder in [0, k).
int64_t dim_floor_quotient(int64_t a, int64_t k);

#endif
