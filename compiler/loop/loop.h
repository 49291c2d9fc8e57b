// Loop IR: two layers below tensors.
//
// *Schedule*: what an entry function does in order: launch kernels, call library routines, loops and
// conditionals whose conditions live in memory. *Kernels*: explicit loop nests over buffers with scalar
// expressions; a loop may be marked as a vector loop, which the emitter widens mechanically (masked
// tail included). Reduction order is fixed here, never by the optimiser: same bits for any machine load.
//
// Enters (lower.h): a verified function of tensor IR. Leaves: a `Schedule`, which compiler/plan places in
// memory and compiler/emit turns into machine code.
#ifndef BLO_LOOP_LOOP_H
#define BLO_LOOP_LOOP_H

#include "ir/ir.h"

// ---------------------------------------------------------------- buffers

typedef enum BufferKind {
  BUFFER_INPUT,     // parameter `number` of the entry; read only; element aligned
  BUFFER_OUTPUT,    // result `number` of the entry; 64-byte aligned
  BUFFER_WORKSPACE, // placed by plan; 64-byte aligned
  BUFFER_CONSTANT,  // dense data in the object file
} BufferKind;

typedef struct Buffer {
  int id;
  BufferKind kind;
  int number;             // INPUT, OUTPUT
  Dtype dtype;
  const Dim *entries;     // number of elements
  const double *reals;    // CONSTANT
  const int64_t *integers;
  // filled by plan: first and last schedule position that touches it; alias root; slot in the
  // workspace table
  int first, last, slot;
  struct Buffer *alias_of; // NULL, or the buffer whose memory this one shares (in-place updates)
} Buffer;

// ---------------------------------------------------------------- kernels

typedef struct Kernel Kernel;
typedef struct Expr Expr;
typedef struct Stmt Stmt;
typedef VEC(Stmt *) StmtList;

/// A loop variable; its value is an i64.
typedef struct Axis {
  int id;
  const char *name;
} Axis;

/// A mutable scalar. Declared at one place; inside a vector loop that encloses the declaration it is one
/// value per lane.
typedef struct Register {
  int id;
  Dtype dtype;
} Register;

typedef enum ExprKind {
  EXPRESSION_CONST,   // real or integer by dtype
  EXPRESSION_DIM,     // value of a polynomial, i64
  EXPRESSION_SCALAR,  // kernel's i64 parameter number `number` (counters of enclosing schedule loops)
  EXPRESSION_AXIS,
  EXPRESSION_LOAD,    // buffer[index]
  EXPRESSION_REGISTER,
  EXPRESSION_LOCAL,   // local array [index]
  EXPRESSION_OP,      // elementwise op of ops.def: opcode, compare
  EXPRESSION_RANDOM,  // random_kind(arguments as runtime/common/rng.h), dtype of the expression
} ExprKind;

struct Expr {
  ExprKind kind;
  int id;                     // unique in the kernel; equal pointer = computed once
  Dtype dtype;
  double real;
  int64_t integer;
  const Dim *dim;
  int number;                 // SCALAR
  Axis *axis;
  int buffer;                 // LOAD: kernel buffer parameter
  Register *reg;
  struct Local *local;
  Opcode opcode;
  Compare compare;
  RandomKind random_kind;
  int argument_count;
  Expr *arguments[3];         // OP; LOAD and LOCAL: [0] is the flat index (i64)
};

/// A small array of the kernel (registers or stack). entries is constant. With `lanes` NULL there is one
/// array for the whole kernel; with the axis of a loop there is one for each of its iterations (of a vector
/// loop: for each lane), used only inside that loop and undefined at the start of an iteration.
typedef struct Local {
  int id;
  Dtype dtype;
  int64_t entries;
  Axis *lanes;
} Local;

typedef enum StmtKind {
  STATEMENT_FOR,
  STATEMENT_DECLARE,     // reg = value
  STATEMENT_ASSIGN,      // reg = value (serial loops only, or per lane)
  STATEMENT_ACCUMULATE,  // reg = reg (op) value; across lanes of a vector loop combined after it
  STATEMENT_ARGMAX,      // (reg, reg_index) = larger of (reg, value), first index on ties
  STATEMENT_STORE,       // buffer[index] = value, or += with accumulate
  STATEMENT_LOCAL_STORE, // local[index] = value, or += (+= from a vector loop into an array of the kernel, at an
                         // index equal for all lanes: combined across lanes after the loop)
  STATEMENT_IF,          // condition: bool; inside a vector loop it may differ by lane
  STATEMENT_NOTE,        // if value (bool): notes[number] += 1
} StmtKind;

typedef enum ForMode {
  FOR_SERIAL,
  FOR_VECTOR,   // lanes: `width` per step; `unroll` steps at a time with separate accumulators
  FOR_UNROLL,   // constant extent, body repeated
} ForMode;

struct Stmt {
  StmtKind kind;
  Axis *axis;                 // FOR: axis = low, low+step, .. while < high
  Expr *low, *high;
  int64_t step;               // 1 for vector loops
  ForMode mode;
  int width, unroll;
  bool reverse;               // serial loops: from the last to the first
  StmtList body;              // FOR, IF
  StmtList otherwise;         // IF
  Register *reg, *reg_index;
  Expr *value, *condition, *index;
  Opcode op;                  // ACCUMULATE: OP_ADD OP_MUL OP_MAX OP_MIN OP_AND OP_OR
  int buffer;                 // STORE: kernel buffer parameter
  Local *local;
  bool accumulate;
  int number;                 // NOTE: row of the module's note table (module_note in ir/ir.h)
};

typedef struct KernelBuffer { // a buffer parameter of a kernel
  Dtype dtype;
  bool reads, writes;
} KernelBuffer;

struct Kernel {
  Module *module;
  int id;
  const char *name;                    // of the ops it computes, for humans: "dot_mul_sum"
  VEC(KernelBuffer) buffers;           // each a noalias pointer
  int scalar_count;                    // i64 parameters
  VEC(Local *) locals;
  StmtList body;
  int axis_count, register_count, expr_count;
  Span span;
  uint64_t hash;                       // structural; equal kernels are emitted once
};

// ---------------------------------------------------------------- schedule

typedef enum StepKind {
  STEP_LAUNCH,   // kernel with buffers and scalars
  STEP_ROUTINE,  // a runtime routine (sort, Cholesky, LU ...): runtime/include/blo/routines.h
  STEP_LOOP,     // see below
  STEP_IF,
  STEP_SWAP,     // exchange the memory of two workspace buffers of equal size (carries)
  STEP_COUNT,    // adds one to a counting note
} StepKind;

typedef struct Step Step;
typedef VEC(Step *) StepList;

/// Where in a buffer a launch points: buffer base + sum(scalar[k] * stride[k]) elements. Used for rows of
/// stacked values.
typedef struct BufferUse {
  Buffer *buffer;
  int counter;          // -1, or the loop counter that selects a row
  const Dim *stride;    // elements per row
} BufferUse;

struct Step {
  StepKind kind;
  int position;              // preorder number in the schedule, for lifetimes
  Kernel *kernel;
  VEC(BufferUse) buffers;    // LAUNCH, ROUTINE, SWAP (two)
  VEC(int) scalars;          // LAUNCH: schedule counters passed as kernel scalars
  const char *routine;       // ROUTINE: symbol
  VEC(const Dim *) sizes;    // ROUTINE: i64 arguments; COUNT: how often, once where there is none
  int note;                  // COUNT: row of the module's notes
  // LOOP: for counter in 0..count-1 (reverse: down), count an i64 scalar in `count`, stopping before a trip
  // when `condition` (run each trip) leaves false in `flag`; trips made are stored to `trips` if there.
  int counter;
  BufferUse count, flag, trips;
  bool reverse, has_condition, has_trips;
  StepList condition, body;  // IF: body = then
  StepList otherwise;
};

typedef struct Schedule {
  Module *module;
  const Func *func;
  Name name;
  VEC(Buffer *) buffers;
  StepList steps;
  int counter_count;
  VEC(Kernel *) kernels;     // distinct
} Schedule;

/// Text of a schedule with its kernels (`bloc emit --stage=loop`).
void schedule_print(TextBuffer *out, const Schedule *schedule);
/// The kernels as one C file: a second back end that isolates mistakes of the LLVM one in tests.
void schedule_print_c(TextBuffer *out, const Schedule *schedule);
/// Checks axes, registers, dtypes and indices; NULL when sound.
const char *schedule_verify(Arena *arena, const Schedule *schedule);
int schedule_kernel_count(const Schedule *schedule);

#endif
