// Builtin functions: the rows that the files of builtins share.
#ifndef BLO_EVALUATE_BUILTINS_H
#define BLO_EVALUATE_BUILTINS_H

#include "evaluate/staging.h"

typedef struct BuiltinRow BuiltinRow;
/// Arguments are checked for their number, names and poison.
typedef Staged *(*BuiltinHandler)(const Call *call, const BuiltinRow *row);

struct BuiltinRow {
  BuiltinHandler handler;
  Opcode code;            // elementwise functions and reductions
  const char *options[4]; // named arguments; NULL: none
  Builtin builtin;
};

static inline const char *row_name(const BuiltinRow *row) {
  return builtin_table[row->builtin].name;
}

static inline Staged *argument(const Call *call, int i) {
  return call->positional[i];
}
static inline Span argument_span(const Call *call, int i) {
  return call->spans ? call->spans[i] : call->span;
}
Places call_places(const Call *call); // whole call, first and second argument

/// A tensor (static numbers become one); NULL after a report.
Value *tensor_argument(const Call *call, const BuiltinRow *row, int i);
/// `axis = k`: false after a report; *axis is -1 when it is not given.
bool axis_option(const Call *call, const BuiltinRow *row, int rank, int *axis);
/// `descending = true` and the like: false after a report.
bool flag_option(const Call *call, const char *name, bool *flag);
Staged *wrong_argument(const Call *call, const BuiltinRow *row, int i, const char *wanted);

// builtins_reduce.c
Staged *builtin_reduce(const Call *call, const BuiltinRow *row); // sum prod min max of one argument
Staged *builtin_mean(const Call *call, const BuiltinRow *row);
Staged *builtin_sumsq(const Call *call, const BuiltinRow *row);
Staged *builtin_dot(const Call *call, const BuiltinRow *row);
Staged *builtin_norm(const Call *call, const BuiltinRow *row);
Staged *builtin_logsumexp(const Call *call, const BuiltinRow *row);
Staged *builtin_argmax(const Call *call, const BuiltinRow *row); // argmax, argmin
Staged *builtin_truths(const Call *call, const BuiltinRow *row); // any, all, count

// builtins_data.c
Staged *builtin_sort(const Call *call, const BuiltinRow *row);
Staged *builtin_argsort(const Call *call, const BuiltinRow *row);
Staged *builtin_running(const Call *call, const BuiltinRow *row); // cumsum, cumprod
Staged *builtin_transpose(const Call *call, const BuiltinRow *row);
Staged *builtin_concat(const Call *call, const BuiltinRow *row);
Staged *builtin_flat(const Call *call, const BuiltinRow *row);
Staged *builtin_unflat(const Call *call, const BuiltinRow *row);
Staged *builtin_size(const Call *call, const BuiltinRow *row);
Staged *builtin_rank(const Call *call, const BuiltinRow *row);
Staged *builtin_map(const Call *call, const BuiltinRow *row);
Staged *builtin_put(const Call *call, const BuiltinRow *row);
Staged *builtin_add_at(const Call *call, const BuiltinRow *row);
Staged *builtin_cholesky(const Call *call, const BuiltinRow *row);
Staged *builtin_solve(const Call *call, const BuiltinRow *row); // tri_solve, solve
Staged *builtin_eye(const Call *call, const BuiltinRow *row);

// builtins_window.c
Staged *builtin_conv(const Call *call, const BuiltinRow *row);
Staged *builtin_window(const Call *call, const BuiltinRow *row);
Staged *builtin_pad(const Call *call, const BuiltinRow *row);
Staged *builtin_topk(const Call *call, const BuiltinRow *row);

// counting.c
Staged *builtin_counted(const Call *call, const BuiltinRow *row);
Staged *builtin_counting(const Call *call, const BuiltinRow *row);

// root.c
Staged *builtin_root(const Call *call, const BuiltinRow *row);

#endif
