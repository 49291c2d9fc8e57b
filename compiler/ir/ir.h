// Tensor IR: pure, typed, single assignment, with regions for loops and conditionals.
//
// A Module holds functions; a function is one Block with parameters; a block is a list of ops and
// the values it yields. Types are interned (compare with ==), dims are polynomials (ir/dim.h). A
// nested block may use any value that dominates its owner op. Nothing has effects but `note`.
#ifndef BLO_IR_IR_H
#define BLO_IR_IR_H

#include "base/intern.h"
#include "base/vec.h"
#include "ir/dim.h"
#include "text/source.h"
#include <stdbool.h>
#include <stdint.h>

typedef enum Dtype {
  DT_F16,
  DT_BF16,
  DT_F32,
  DT_F64,
  DT_I32,
  DT_I64,
  DT_U8,
  DT_BOOL,
  DT_COUNT
} Dtype;
enum { MAX_RANK = 12, MAX_WINDOWS = 3 };

static inline bool dtype_is_float(Dtype d) {
  return d <= DT_F64;
}
static inline bool dtype_is_integer(Dtype d) {
  return d >= DT_I32 && d <= DT_U8;
}
const char *dtype_text(Dtype dtype); // "f64"
size_t dtype_bytes(Dtype dtype);     // of one element in memory; bool is one byte

typedef struct Type {
  Dtype dtype;
  int rank;
  const Dim *const *shape;
} Type;

typedef struct Value Value;
typedef struct Op Op;
typedef struct Block Block;
typedef struct Func Func;
typedef struct Module Module;
typedef VEC(Value *) ValueList;

typedef enum Opcode {
#define OP_NODIFF(CODE, ...)               OP_##CODE,
#define OP_PARTIALS(CODE, ...)             OP_##CODE,
#define OP_MULTILINEAR(CODE, ...)          OP_##CODE,
#define OP_LINEAR(mask, CODE, ...)         OP_##CODE,
#define OP_TANGENT(CODE, ...)              OP_##CODE,
#define OP_TANGENT_LINEAR(mask, CODE, ...) OP_##CODE,
#include "ir/ops.def"
  OP_COUNT
} Opcode;

typedef enum OpGroup {
  GROUP_SOURCE,
  GROUP_ELEMENTWISE,
  GROUP_INDEX,
  GROUP_REDUCTION,
  GROUP_CONTRACTION,
  GROUP_DATA,
  GROUP_CONTROL
} OpGroup;
typedef enum OpDomain {
  DOMAIN_ANY,
  DOMAIN_NUMBER,
  DOMAIN_FLOAT,
  DOMAIN_INTEGER,
  DOMAIN_BOOLEAN
} OpDomain;
typedef enum Smoothness { SMOOTHNESS_SMOOTH, SMOOTHNESS_PIECEWISE, SMOOTHNESS_STEPWISE } Smoothness;
typedef enum OpDerivative {
  DERIVATIVE_NONE,
  DERIVATIVE_PARTIALS,
  DERIVATIVE_MULTILINEAR,
  DERIVATIVE_LINEAR,
  DERIVATIVE_TANGENT,
  DERIVATIVE_TANGENT_LINEAR
} OpDerivative;

typedef struct OpInfo {
  const char *text;
  int operands; // -1: variable
  OpGroup group;
  OpDomain domain;
  Smoothness smoothness;
  int flops;
  OpDerivative derivative;
  int linear_mask; // operands in which the op is jointly linear; -1: all
} OpInfo;
extern const OpInfo op_table[OP_COUNT];

typedef enum Compare {
  COMPARE_LT,
  COMPARE_LE,
  COMPARE_GT,
  COMPARE_GE,
  COMPARE_EQ,
  COMPARE_NE
} Compare;
typedef enum RandomKind {
  RANDOM_FOLD,    // (key, word) -> i64: a new key
  RANDOM_UNIFORM, // (key, counter base) -> float in [0, 1); entry e uses counter base + e
  RANDOM_BITS,    // (key, counter base) -> i64
  RANDOM_INDEX,   // (key, start, n) -> i64: entries start + e of a permutation of 0 .. n-1 keyed by
                  // key
} RandomKind;

/// Affine index map: input index = A * output index + b.
typedef struct IndexMap {
  int in_rank, out_rank;
  const int64_t *matrix;    // in_rank x out_rank, row-major
  const Dim *const *offset; // in_rank
} IndexMap;

typedef struct Attr {
  union {
    struct { // CONST: splat, or dense row-major entries
      double real;
      int64_t integer; // floats use real, integers and bool use integer
      const double *reals;
      const int64_t *integers; // dense: one of them, else both NULL
    } constant;
    struct {
      int axis;
    } iota;
    struct {
      const Dim *dim;
    } dim;
    // rows: 0 where every batch draws rows of its own; else 1 + the number of batches that still
    // do.
    struct {
      RandomKind kind;
      int rows;
    } random;
    struct {
      Compare op;
    } compare;
    IndexMap map; // VIEW, UNVIEW
    struct {
      int axis;
    } concat;
    struct {
      uint32_t axes;
    } reduce; // REDUCE_*: bit per axis
    struct {
      int axis;
      bool reverse, exclusive, descending;
    } scan;  // ARGMAX, CUMSUM, ARGSORT
    struct { // DOT, CONV: result axes are batch, left free, right free, windows
      int batch_count, contract_count;
      int8_t left_batch[MAX_RANK], right_batch[MAX_RANK];
      int8_t left_contract[MAX_RANK], right_contract[MAX_RANK];
      // CONV only: result[o] = sum over k of left[stride o + dilation k] * right[k] along pairs of
      // axes.
      int window_count;
      bool wide; // the right operand's windows are the long ones (gradient by a filter)
      int8_t left_window[MAX_WINDOWS], right_window[MAX_WINDOWS];
      int64_t stride[MAX_WINDOWS], dilation[MAX_WINDOWS];
    } dot;
    struct {
      bool transposed;
    } solve; // TRISOLVE, SOLVE: with the transposed matrix
    struct {
      int axis_count;
      int8_t axes[MAX_RANK];
    } gather; // GATHER, SCATTER_ADD: ascending axes
    struct {
      bool accumulate;
    } update; // DYNAMIC_UPDATE
    struct {  // LOOP, see below
      const Dim *bound;
      int carries, stacked_in, stacked_out;
      bool reverse;
      bool recompute; // a hint to derivatives, no part of what the loop is: see below
    } loop;
    struct {
      int results;
    } custom;
    struct {
      int number;       // row of the module's note table
      const Dim *times; // what a note that counts adds; NULL: 1
    } note;
  };
  const Type *type; // result type where operands do not tell: CONST IOTA RANDOM VIEW UNVIEW
                    // RESHAPE CONVERT DYNAMIC_SLICE; NULL elsewhere
} Attr;

// LOOP   operands: count (i64 scalar), carries.., stacked inputs [bound, ..]..
//        region 0 body: params i (i64), carries.., rows..; yields next carries.., output rows..
//        region 1 (optional) while: params i, carries..; yields one bool; tested before each trip
//        results: final carries.., stacked outputs [bound, ..].., trips (i64)
//        Trips = min(count, bound) or fewer by the while condition (at run time count <= bound
//        holds). Rows of stacked outputs at trips and beyond are zero. `bound` NULL: no stacked
//        values allowed. reverse: i runs from trips-1 down to 0 (no while region). recompute: a
//        derivative of an enclosing loop runs this one again instead of keeping what it stacks for
//        its own derivative. Equal loops that differ in it are one.
// IF     operands: condition (bool scalar); regions then, else without params; results as yielded.
// CUSTOM operands: any; region 0 value: params operands, yields results. Optional region 1 tangent:
//        params operands.., results.., operand tangents..; yields result tangents. Optional region
//        2 transposed: params operands.., results.., result cotangents..; yields operand cotangents
//        (float operands only, in order). Tangents too stand for float operands and results only.
//        Regions 1, 2 absent (or without params and yields, where only region 2 is given):
//        differentiated through region 0.

struct Value {
  const Type *type;
  Op *op;       // the op that gives it, or NULL for a block parameter
  Block *block; // the block it belongs to
  int index;    // result number or parameter number
  uint32_t id;  // unique in the module; order of creation
  Name name;    // for printing; NULL: by number
};

struct Op {
  Opcode code;
  Block *block;
  Op *previous, *next;
  int operand_count, result_count, region_count;
  Value **operands;
  Value **results;
  Block **regions;
  Attr attr;
  Span span;
  uint64_t hash;  // structural, used by the builder
  uint64_t order; // ascending along the block
};

struct Block {
  Module *module;
  Block *parent; // lexically enclosing block, or NULL
  Op *owner;     // the op whose region this is, or NULL
  Func *func;    // set on a function's body
  ValueList params;
  Op *first, *last;
  ValueList yields;
  void *table; // builder's hash-consing table
};

struct Func {
  Module *module;
  Name name;
  Block *body;
  VEC(Name) result_names; // one per yield; may be NULL names
};

/// Something library or program code can say while it runs. An op `note` names its row; checks that
/// code generation and the interpreter add (gather's index range, Cholesky's pivots) get rows by
/// module_note too, so that blo_call.notes[number] is the counter of row `number` everywhere.
typedef struct ModuleNote {
  int code;         // ErrorCode: E07xx stops the run, W07xx only warns, ERROR_NONE only counts
  const char *text; // in the user's words
  Span span;
} ModuleNote;

/// Why something was not made simpler, for who asks (`bloc check -v`).
typedef struct ModuleRemark {
  Span span;
  const char *text;
} ModuleRemark;

struct Module {
  VEC(ModuleRemark) remarks;
  VEC(ModuleNote) notes;
  Arena *arena;
  Interner *names;
  DimTable *dims;
  VEC(Func *) funcs;
  void *types; // interning table
  uint32_t next_id;
  uint64_t next_order;
};

Module *module_create(Arena *arena, Interner *names);
/// Interned type. Shape entries must be of this module's DimTable.
const Type *type_get(Module *module, Dtype dtype, int rank, const Dim *const *shape);
const Type *type_scalar(Module *module, Dtype dtype);
const Type *type_with_dtype(Module *module, const Type *type, Dtype dtype);
/// `type` with a new leading axis.
const Type *type_with_leading(Module *module, const Type *type, const Dim *extent);
const Dim *type_entries(Module *module, const Type *type);
const char *type_text(Module *module, const Type *type); // "f64[n, d]"

/// Keeps a remark; the same one only once.
void module_remark(Module *module, Span span, const char *text);
/// The number of the row (code, text, span), added when it is new.
int module_note(Module *module, int code, const char *text, Span span);
/// Row `number` says nothing: it counts how often the program came by (for a condition that is a
/// tensor, how many entries hold).
bool module_note_counts(const Module *module, int number);
/// The row for what `op` itself may find while running: an index out of range (gather, scatter_add,
/// dynamic ops), a pivot that is not positive (cholesky) or zero (solve). -1 for other ops.
int op_check_note(Module *module, const Op *op);
/// Makes the rows of all ops of all functions, so that the table of notes is complete before
/// anything runs.
void module_register_checks(Module *module);
Func *func_create(Module *module, Name name);
Func *module_find(const Module *module, Name name);
Value *block_add_param(Block *block, const Type *type, Name name);
/// An empty block inside `parent` (NULL: a free-standing one), not yet owned by an op.
Block *block_create(Module *module, Block *parent);
/// The blocks enclosing a value's block include `block` or it is `block` itself.
bool block_encloses(const Block *outer, const Block *inner);
/// Values of enclosing blocks that the regions of `op` use, without duplicates.
void op_captures(Arena *arena, const Op *op, ValueList *captures);
/// Removes an op nobody uses.
void op_remove(Op *op);
/// Moves an op to just before `position`, which may be in an enclosing block.
void op_move_before(Op *op, Op *position);
/// True when the op or one in its regions is a note, so that it may not be dropped.
bool op_has_note(const Op *op);
/// Replaces every use of `from` inside `scope` and its nested blocks (yields included).
void value_replace(Block *scope, Value *from, Value *to);

#endif
