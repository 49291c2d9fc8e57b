// Shared by the files of the lowering (lower*.c, fuse*.c); nobody else includes this.
//
// A value of tensor IR is either *homed* (it lies in a buffer) or *virtual* (its elements are
// computed where they are read). Ops that fill buffers become `Item`s; runs of items between
// control steps are handed to fuse.c, which makes kernels of them. Index expressions are kept
// affine (`Affine`) until a load or store needs them, so that unit strides and mergeable axes are
// seen.
#ifndef BLO_LOOP_LOWER_INTERNAL_H
#define BLO_LOOP_LOWER_INTERNAL_H

#include "base/map.h"
#include "ir/bug.h"
#include "ir/builder.h"
#include "loop/kernel_builder.h"
#include "loop/lower.h"

// ---------------------------------------------------------------- index expressions

typedef struct AffineTerm {
  Expr *variable; // i64: an axis, a counter, or a computed index
  const Dim *factor;
} AffineTerm;

/// offset + sum of factor * variable. Immutable; variables are distinct and in order of first use.
typedef struct Affine {
  int count;
  const AffineTerm *terms;
  const Dim *offset;
} Affine;

const Affine *affine_const(Module *module, const Dim *offset);
const Affine *affine_variable(Module *module, Expr *variable);
const Affine *affine_add(Module *module, const Affine *a, const Affine *b);
const Affine *affine_scale(Module *module, const Affine *a, const Dim *factor);
/// The factor of a variable; NULL when it does not occur.
const Dim *affine_factor(const Affine *a, const Expr *variable);
bool affine_equal(const Affine *a, const Affine *b);

// ---------------------------------------------------------------- where values live

typedef struct RowTerm {
  int counter; // a loop of the schedule, whose counter selects a row
  const Dim *stride;
} RowTerm;

/// A row-major tensor in a buffer, at the element offset given by loop counters.
typedef struct Access {
  Buffer *buffer;
  int row_count;
  const RowTerm *rows;
} Access;

/// That a value lies in 0 .. places-1 is to be checked: where it is made, or where `op` uses it.
typedef struct IndexCheck {
  const Dim *places;
  Op *op;
  bool where_made;
} IndexCheck;

typedef struct ValueInfo {
  int uses;          // readers, counted through virtual readers
  bool many;         // some reader reads elements more than once
  bool captured;     // read inside a loop it is defined outside of
  bool needs_buffer; // some reader needs it in memory
  bool materialise;  // decided: gets a home
  int cost;          // operations to compute one element from homed values
  bool homed;
  Access home;
  int counter; // 1 + loop counter when the value is one, else 0
  VEC(IndexCheck) checks;
} ValueInfo;

// ---------------------------------------------------------------- items: work that fills buffers

typedef enum ItemKind {
  ITEM_MAP,    // target[o] = value[o]; value NULL: zeros
  ITEM_REDUCE, // op: REDUCE_*
  ITEM_ARGMAX,
  ITEM_CUMSUM,
  ITEM_DOT,
  ITEM_UNVIEW,     // target[A o + b] += value[o]
  ITEM_SCATTER,    // target[index] += update
  ITEM_UPDATE,     // target[start + o] = or += update
  ITEM_CLEAR_ROWS, // zeros in rows limit.. of a stacked value
  ITEM_COUNT,      // target = trips of a loop
  ITEM_NOTE,       // notes[number] += 1 where the value holds
  ITEM_RANGE,      // notes[number] += 1 where an index lies outside 0 .. extent-1
} ItemKind;

typedef struct Item {
  ItemKind kind;
  Op *op;           // the op computed; NULL for copies and zeros
  Value *value;     // MAP: source; UNVIEW, SCATTER, UPDATE, NOTE, RANGE: what is read
  bool compute;     // MAP: `value` is computed here even though it has a home (this one)
  const Type *type; // of the target
  Access target;
  int part_axis; // MAP: the target is a part that starts at part_offset on this axis, or -1
  const Dim *part_offset;
  const Type *part_type; // shape of the part
  Access limit;          // CLEAR_ROWS: i64 scalar, first row to clear
  const Dim *extent;     // COUNT: bound or NULL; RANGE: extent
  int number;            // NOTE, RANGE
  Span span;
} Item;

typedef VEC(Item *) ItemList;

// ---------------------------------------------------------------- the lowering of one function

typedef struct Lowering {
  Module *module;
  Arena *arena;
  Schedule *schedule;
  LowerOptions options;
  Map *info;                  // Value * -> ValueInfo *
  ItemList items;             // pending, in program order
  StepList *steps;            // where finished steps go
  VEC(struct Group *) groups; // launches whose kernels are made at the end (fuse.h)
} Lowering;

ValueInfo *value_info(Lowering *l, const Value *v);
/// Decides for every value of the function whether it is homed or virtual.
void lower_analyse(Lowering *l, const Func *func);
/// Reading `to`-shaped indices from a `from`-shaped row-major tensor needs no division.
bool reshape_is_affine(const Module *module, const Type *from, const Type *to);
/// Finds the checks of all indices of a block and its nested blocks (lower_checks.c).
void checks_collect(Lowering *l, const Block *block);
/// Adds the items for checks of a value where it is made, or of an op where it stands.
void checks_of_value(Lowering *l, Value *value);
void checks_of_op(Lowering *l, const Op *op);
/// A new pending item.
Item *lower_add_item(Lowering *l, ItemKind kind, Value *value, const Type *type, Access target,
                     Span span);
/// Groups the pending items and appends a launch for each group; kernels follow when all is known.
void lower_flush(Lowering *l);
/// Builds the kernels of all groups and fills their launch steps.
void fuse_emit(Lowering *l);

// ---------------------------------------------------------------- one kernel under construction

/// One affine use of the loop axes: a load, a store, or another value linear in them.
typedef struct LinearUse {
  const Affine *flat;
  bool load;
  Buffer *buffer;             // loads
  const Affine *const *index; // loads by the index of the home's own axes; else NULL
  int rank;
} LinearUse;

/// A buffer of which a kernel holds only some rows at a time: its flat indices are less by `shift`.
typedef struct RowWindow {
  Buffer *buffer;
  const Affine *shift;
} RowWindow;

/// A value that the statements of one loop body hold in a register instead of loading it.
typedef struct Forward {
  Buffer *buffer;
  Register *reg;
} Forward;

typedef struct Nest {
  Lowering *lowering;
  Module *module;
  Arena *arena;
  KernelBuilder *k;
  VEC(Buffer *) buffers; // by kernel buffer parameter
  VEC(int) scalars;      // schedule counters by kernel scalar
  Map *memo;             // Value * -> elements made so far
  VEC(LinearUse) uses;   // recorded by nest_load and nest_record
  VEC(RowWindow) windows;
  VEC(Forward) forwards;
  int lanes; // least logical width over the dtypes met
} Nest;

Nest nest_create(Lowering *l, const char *name, Span span);
void nest_record(Nest *nest, const Affine *flat, Dtype dtype);
/// Takes account of a dtype in the number of lanes.
void nest_narrow(Nest *nest, Dtype dtype);
Expr *nest_index(Nest *nest, const Affine *affine);
/// Flat element number of row-major `index` in an access of the given shape.
const Affine *nest_flat(Nest *nest, const Access *access, const Type *type,
                        const Affine *const *index);
Expr *nest_load(Nest *nest, const Access *access, const Affine *flat);
/// As nest_load, by the index of the home's own axes.
Expr *nest_load_at(Nest *nest, const Access *access, const Type *type, const Affine *const *index);
/// Begins a new loop body: elements made so far are forgotten.
void nest_restart(Nest *nest);
/// Closes `count` loops.
void nest_close(Nest *nest, int count);
void nest_store(Nest *nest, const Access *access, const Affine *flat, Expr *value, bool accumulate);
/// The element of a value at an index; computed even if homed when `compute`.
Expr *nest_element(Nest *nest, Value *v, const Affine *const *index, bool compute);
/// An index value clamped to 0 .. extent - size.
const Affine *nest_clamp(Nest *nest, Expr *index, const Dim *extent, const Dim *size);

/// Rows [low, high) of one axis of an item's iteration space. Where that axis is summed over, the
/// result is added to the target, which item_clear has cleared.
typedef struct RowRange {
  int axis; // -1: no restriction
  Expr *low, *high;
} RowRange;

enum { MAX_AXES = 2 * MAX_RANK, ROW_BLOCK = 4 };

/// The iteration space of an item. Axes whose every use allows it are merged with the next; axes of
/// extent one are dropped. `index` says what stands for each original axis: an axis, or 0.
typedef struct Space {
  int rank;
  const Dim *extents[MAX_AXES];
  int classes[MAX_AXES]; // only axes of one class merge
  bool gone[MAX_AXES];   // merged into a later one, or dropped
  Axis *axes[MAX_AXES];
  const Affine *index[MAX_AXES];
  Expr *low[MAX_AXES], *high[MAX_AXES];
} Space;

/// Writes element expressions over space->index; used twice: to probe, then for good.
typedef void (*SpaceProbe)(Nest *nest, void *self, Space *space);
/// Runs `probe` on a scratch kernel and fixes which axes remain; creates their axes in `nest`. The
/// uses found, over the final axes, are left in nest->uses.
void space_prepare(Nest *nest, Space *space, Span span, const RowRange *range, SpaceProbe probe,
                   void *self);
/// As space_prepare for one item.
void space_prepare_item(Nest *nest, Space *space, const Item *item, const RowRange *range);
/// Opens the loop over one axis.
void space_open(Nest *nest, const Space *space, int axis, ForMode mode, int unroll);
/// How loads go along an axis: 1 unit stride, 0 independent, -1 otherwise.
int space_stride(const Nest *nest, const Space *space, int axis);
/// Loops over an axis in blocks of ROW_BLOCK and then one by one; `body` finds the first row of the
/// block in space->index[axis].
void space_blocks(Nest *nest, Space *space, int axis,
                  void (*body)(void *self, const Affine *row, int rows), void *self);
/// The last axis that remains, or -1.
int space_last(const Space *space);

// ---------------------------------------------------------------- items as loops

/// Rank, extents and classes of an item's iteration space: target axes of a map, operand axes of a
/// reduction, result axes and then contracted axes of a dot, source axes of the others.
Space item_space(const Item *item);
/// The element expressions and places of an item at space->index, for their recorded uses.
void item_probe(Nest *nest, const Item *item, Space *space);
/// The index of the target that belongs to space->index; false where an item has no target of that
/// kind.
bool item_place(Nest *nest, const Item *item, const Space *space, const Affine **place);
/// The axis of the target that an axis of a map, reduction or dot becomes; -1 when it is summed
/// over.
int item_target_axis(const Item *item, int axis);
Opcode item_reduction(const Item *item);
/// What the target of a sum holds before anything is added.
Expr *item_identity(Nest *nest, const Item *item);
/// Writes that to the whole target.
void item_clear(Nest *nest, const Item *item);
/// The value of a map, or one term of a reduction, a dot or a note.
Expr *item_element(Nest *nest, const Item *item, const Space *space);
/// Stores the element of the target that belongs to space->index; `add` combines it with what is
/// there.
void item_store(Nest *nest, const Item *item, const Space *space, Expr *value, bool add);

/// Appends the loops of an item to the kernel.
void lower_item(Nest *nest, const Item *item, const RowRange *range);
void lower_dot(Nest *nest, const Item *item, const RowRange *range);
void lower_accumulate(Nest *nest, const Item *item, const RowRange *range);
void lower_small(Nest *nest, const Item *item,
                 const RowRange *range); // CLEAR_ROWS, COUNT, NOTE, RANGE

// Parts of item_probe, item_place and item_element.
void accumulate_place(Nest *nest, const Item *item, const Space *space, const Affine **place);
/// An index value at an index, clamped to 0 .. extent-1 unless it cannot be elsewhere.
const Affine *nest_place(Nest *nest, Value *value, const Affine *const *index, const Dim *extent);
/// Is the value an iota within 0 .. extent-1?
bool iota_within(const Value *value, const Dim *extent);
void probe_accumulate(Nest *nest, const Item *item, Space *space);
Expr *dot_operand(Nest *nest, const Op *op, const Space *space, bool left);
Expr *note_condition(Nest *nest, const Item *item, const Space *space);

#endif
