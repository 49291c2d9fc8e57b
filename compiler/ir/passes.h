// Text, verification and interpretation of IR.
#ifndef BLO_IR_PASSES_H
#define BLO_IR_PASSES_H

#include "ir/ir.h"
#include "base/text_buffer.h"
#include "text/compilation.h"

/// Prints a module or a function; docs/internals/ir.md has the grammar.
void ir_print(TextBuffer *out, const Module *module);
/// As ir_print, with the source line of each op as `!14` at its end; ir_read passes over these marks.
void ir_print_lines(TextBuffer *out, const Module *module, const Sources *sources);
void ir_print_func(TextBuffer *out, const Func *func);
/// One op on one line, without its regions, for messages.
const char *op_describe(Arena *arena, const Func *func, const Op *op);
/// The distinct dim names of a function, in order of first use.
void func_dim_names(Arena *arena, const Func *func, NameList *names);
/// Reads what ir_print writes. Mistakes are diagnostics (E01xx, E03xx) at the text's source; NULL then.
Module *ir_read(Compilation *compilation, uint32_t source);

/// Checks dominance, types (re-inferred), regions, dims. NULL when sound, else a message with the op.
const char *ir_verify(Arena *arena, const Module *module);
/// Verifies after a pass and stops with BUG naming the pass.
void ir_verify_after(const Module *module, const char *pass);

/// An n-dimensional array of the interpreter: floats as double, integers and bool as int64.
typedef struct Tensor {
  Dtype dtype;
  int rank;
  int64_t shape[MAX_RANK];
  int64_t count;
  double *reals;      // floats
  int64_t *integers;  // otherwise
} Tensor;
Tensor *tensor_create(Arena *arena, Dtype dtype, int rank, const int64_t *shape);
Tensor *tensor_scalar(Arena *arena, Dtype dtype, double value);

typedef struct Interpretation {
  Arena *arena;
  bool (*dim_value)(void *self, Name name, int64_t *value);
  void *self;
  bool round;         // round to the dtype after every op
  int64_t op_limit;   // 0: none; evaluated ops before giving up
  int64_t entry_limit; // of one value; 0: 2^27
  const char *error;  // set when evaluation stops (limit, size): no partial results
  // numbers of the module's notes that fired (a gather out of range is E0704, a failed Cholesky or LU E0705)
  VEC(int) notes;
  VEC(int64_t) note_counts; // how often each did
} Interpretation;

/// Runs a function. `arguments` one per parameter; fills `results`, one per yield. False: see error.
bool ir_interpret(Interpretation *interpretation, const Func *func, Tensor *const *arguments,
                  Tensor **results);

/// Structural measures for tests: ops (nested included), loops, bytes of the largest value.
typedef struct IrMeasure { int ops, loops, dots, convolutions; } IrMeasure;
IrMeasure ir_measure(const Block *block);

#endif
