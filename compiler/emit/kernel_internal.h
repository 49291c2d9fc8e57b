// State of the emission of one kernel, shared by kernel.c (statements), kernel_values.c
// (expressions), kernel_access.c (memory) and kernel_vector.c (vector loops).
//
// A vector loop runs `copies` vectors of `width` lanes at a time. An expression is *uniform* (one
// scalar) when no lane can differ, else it is one vector for each copy.
#ifndef BLO_EMIT_KERNEL_INTERNAL_H
#define BLO_EMIT_KERNEL_INTERNAL_H

#include "emit/emit_internal.h"

enum { MAX_COPIES = 16 };

typedef struct Lanes { // a value
  bool varying;        // one vector per copy; else v[0] is a scalar
  LLVMValueRef v[MAX_COPIES];
} Lanes;

typedef struct RegisterPlace {
  const Lanes *bound; // a register that is never assigned is its value
  bool declared, varying;
  LLVMValueRef slot[MAX_COPIES]; // else allocas
} RegisterPlace;

/// Partial results of a vector loop, joined after it.
typedef struct Accumulator {
  const Register *reg, *place; // ACCUMULATE; place: ARGMAX
  const Local *local;          // or += into an array of the kernel
  Opcode op;
  Dtype dtype;
  LLVMTypeRef type; // vector, or array of vectors
  LLVMValueRef slot[MAX_COPIES], place_slot[MAX_COPIES];
} Accumulator;

typedef struct VectorLoop {
  const Stmt *stmt;
  int width;
  int copies;                    // of the part being emitted
  int64_t prefix[MAX_COPIES];    // how many lanes that is, where known and no condition narrows it
  bool conditional;              // mask holds more than the end of the loop
  bool rest;                     // the part behind the full steps: everything goes to accumulator 0
  LLVMValueRef start;            // axis value of lane 0 of copy 0
  LLVMValueRef mask[MAX_COPIES]; // lanes that run; NULL: all
  VEC(Accumulator) accumulators;
} VectorLoop;

typedef struct NoteCounter {
  int number;
  LLVMValueRef slot;
} NoteCounter;

typedef struct CacheEntry {
  int id;
  bool base; // in the cache of scalar bases
} CacheEntry;

typedef struct KernelEmitter {
  EmitModule *m;
  Maker maker; // {m, b}
  LLVMBuilderRef b;
  LLVMBuilderRef head; // appends to the entry block: allocas and dims
  Arena *arena;
  const Kernel *kernel;
  bool small; // inlined into a program of small arrays
  LLVMValueRef function, dims, notes;
  LLVMValueRef *axes;       // by id: value of the axis; NULL when not open
  RegisterPlace *registers; // by id
  bool *assigned;           // by register id: changed after its declaration
  LLVMValueRef (*locals)[MAX_COPIES];
  Map *dim_values;
  Lanes **cache;            // by expression id
  LLVMValueRef *base_cache; // by expression id: lane 0 of copy 0
  int64_t *strides;         // by expression id: step per lane; see lane_stride
  signed char *stable;      // by expression id: 0 unknown, 1 yes, -1 no
  VEC(CacheEntry) log, passing;
  VEC(NoteCounter) counters;
  VectorLoop *vector; // the open vector loop, or NULL
} KernelEmitter;

enum { STRIDE_UNKNOWN = INT64_MIN, STRIDE_NONE = INT64_MIN + 1 }; // NONE: not affine in the lane

// kernel_values.c
const Lanes *eval(KernelEmitter *k, const Expr *e);
LLVMValueRef eval_uniform(KernelEmitter *k, const Expr *e);
/// The value of an affine index in lane 0 of copy 0.
LLVMValueRef eval_base(KernelEmitter *k, const Expr *e);
/// Change of an i64 expression from lane to lane; 0: uniform; STRIDE_NONE: no constant.
int64_t lane_stride(KernelEmitter *k, const Expr *e);
LLVMValueRef lanes_of(KernelEmitter *k, const Lanes *value, int copy); // as a vector
LLVMTypeRef vector_type(const KernelEmitter *k, LLVMTypeRef scalar);
LLVMValueRef lane_numbers(const KernelEmitter *k, LLVMTypeRef element, int64_t stride,
                          int64_t first);
LLVMValueRef entry_alloca(KernelEmitter *k, LLVMTypeRef type);
size_t value_scope_open(KernelEmitter *k);
void value_scope_close(KernelEmitter *k, size_t mark);
/// Forgets cached values that read memory.
void statement_end(KernelEmitter *k);

// kernel_access.c
Lanes load_place(KernelEmitter *k, LLVMValueRef base, Dtype dtype, const Expr *index);
void store_place(KernelEmitter *k, LLVMValueRef base, Dtype dtype, const Expr *index,
                 const Expr *value, bool accumulate);
Lanes load_local(KernelEmitter *k, const Local *local, const Expr *index);
void store_local(KernelEmitter *k, const Stmt *s);
/// old (op) copy `copy` of value, fused when value is a product of floats that is added.
LLVMValueRef combine_copy(KernelEmitter *k, LLVMValueRef old, Opcode op, Dtype dtype,
                          const Expr *value, int copy);

// kernel_vector.c
void emit_vector_loop(KernelEmitter *k, const Stmt *s);
Accumulator *find_accumulator(KernelEmitter *k, const Register *reg, const Local *local);
/// (value, place) pairs: the second wins when it is larger, or equal with a lower place.
void argmax_combine(const Maker *b, Dtype dtype, LLVMValueRef *best, LLVMValueRef *place,
                    LLVMValueRef value, LLVMValueRef index);

// kernel.c
void emit_body(KernelEmitter *k, const StmtList *body);
LLVMBasicBlockRef new_block(KernelEmitter *k, const char *name);

#endif
