// What the files of compiler/diff share: marks, the two walks (linearise, transpose) and their
// rules.
#ifndef BLO_DIFF_INTERNAL_H
#define BLO_DIFF_INTERNAL_H

#include "base/map.h"
#include "diff/diff.h"

// --- marks: which values depend on some, which are needed by some -------------------------------

/// A set of values. `data`: every use is an edge; else only uses with a derivative, between floats.
/// `whole`: an op with regions that uses anything of the set has all its results in it.
typedef struct Marks {
  Arena *arena;
  Map *set;
  bool data, whole;
} Marks;

Marks marks_create(Arena *arena, bool data);
bool marks_has(const Marks *marks, const Value *v);
/// False when it was there already.
bool marks_add(Marks *marks, Value *v);
/// Adds what depends on the set: the results of the block's ops from `first` on, nested blocks
/// included.
void marks_forward(Marks *marks, Block *block, Op *first);
/// Adds what the set depends on, among operands of the block's ops (nested blocks included).
void marks_backward(Marks *marks, Block *block);
/// Values from outside `block` used in it or in its nested blocks, without duplicates.
void block_captures(Arena *arena, const Block *block, ValueList *captures);

// --- linearise ----------------------------------------------------------------------------------

typedef struct Linearise {
  Module *module;
  Arena *arena;   // scratch, gone after the call
  Builder b;      // where tangent ops go
  Map *tangents;  // primal value -> tangent (NULL: zero)
  Marks active;   // depends on the inputs
  Marks useful;   // its tangent is needed
  bool split;     // loops are split into primal loop with stacked residuals and linear loop
  bool transient; // the result is going to be transposed and then removed
  DiffError *error;
} Linearise;

typedef void TangentRule(Linearise *l, Op *op, Value *const *tangents, Value **results);

bool tangent_wanted(const Linearise *l, const Value *v);
Value *tangent_of(const Linearise *l, const Value *v);
Value *tangent_or_zero(Linearise *l, const Value *v);
/// Appends the tangents of a block's ops at l->b.
void linearise_ops(Linearise *l, Block *primal);
void diff_fail(DiffError *error, Span span, const char *text);

/// Elementwise ops by their partials (partials.c).
TangentRule tangent_by_partials;
TangentRule tangent_DIV, tangent_REDUCE_MAX, tangent_REDUCE_PROD, tangent_CHOLESKY,
    tangent_TRISOLVE, tangent_SOLVE, tangent_LOOP, tangent_IF, tangent_CUSTOM;

/// t * p where a zero t gives zero, whatever p is: select(t == 0, 0, t * p).
Value *guarded_product(Builder *b, Value *t, Value *p);
/// Recognises what guarded_product made. `sign` is 1 or -1, *p is NULL for the product with 1.
typedef struct GuardedProduct {
  Value *t, *p;
  bool negative;
} GuardedProduct;
bool is_guarded_product(const Op *op, GuardedProduct *product);

// --- residuals ----------------------------------------------------------------------------------

/// Moves `draft`, whose ops use values of the block `primal`, to `target`, where these values are
/// not visible: each is recomputed there or kept by the owner of `primal` (`keep` makes that
/// happen).
typedef struct Residuals {
  Linearise *l;
  Block *primal, *draft;
  Builder target;
  Map *values;                                 // value of primal or draft -> value in target
  bool (*is_free)(void *self, const Value *v); // costs nothing to keep
  Value *(*keep)(void *self, Value *v);
  void *self;
  Map *kept, *invariant, *varying; // filled by residuals_resolve
} Residuals;
/// `yields` receives what stands for the draft's yields.
void residuals_resolve(Residuals *r, ValueList *yields);

/// Bytes of a value with a nominal extent for every dim that is not known.
double nominal_bytes(const Type *type);
/// Moves ops that do not depend on a loop's trips out of all loops below `block`.
bool hoist_invariants(Block *block);

// --- transpose ----------------------------------------------------------------------------------

/// One block of a linear program being walked backwards.
typedef struct Transpose {
  Module *module;
  Arena *arena;
  Builder b;       // where cotangent ops go
  Block *source;   // the linear block
  Marks *linear;   // values of the linear program
  Map *copies;     // value of a nested source block -> its copy at the target
  Map *cotangents; // linear value -> cotangent
  struct Transpose *outer;
  DiffError *error;
} Transpose;

typedef void TransposeRule(Transpose *t, Op *op, Value *const *cotangents);

bool is_linear(const Transpose *t, const Value *v);
Value *cotangent_of(const Transpose *t, const Value *v);
Value *cotangent_or_zero(Transpose *t, const Value *v);
void cotangent_set(Transpose *t, Value *v, Value *cotangent);
/// Adds to what v has so far; nothing when v is not linear.
void cotangent_add(Transpose *t, Value *v, Value *cotangent);
/// A value that is no tangent, as seen from the target block.
Value *coefficient(Transpose *t, Value *v);
/// Walks source's ops from `last` back to (not including) `stop`.
void transpose_ops(Transpose *t, Op *last, const Op *stop);
TransposeRule transpose_LOOP, transpose_IF, transpose_CUSTOM;

// --- small makers -------------------------------------------------------------------------------

#endif
