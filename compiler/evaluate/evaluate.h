// The staged evaluator: expressions of the language to values, IR appended on the way.
//
// Expects: a checked tree (every name bound). Keeps: evaluation is pure apart from appending ops at
// `builder` and reporting diagnostics. build/program.c drives it for levels, methods and entries.
#ifndef BLO_EVALUATE_EVALUATE_H
#define BLO_EVALUATE_EVALUATE_H

#include "evaluate/value.h"
#include "text/compilation.h"

/// The part of the context that is dynamic: it belongs to the call, not to where a closure was
/// made. A loop of the text around a draw: its counter is folded into the draw's key.
typedef struct DrawLoop {
  Value *counter;
  const struct DrawLoop *outer;
} DrawLoop;

typedef struct Dynamic {
  Value *key; // i64 scalar: random key of the present stage, step and draw; NULL: no draws here
  Value *step_key; // the same without the draw: key = fold(step_key, draw); set by dynamic_draw
  Value *draw;     // i64 scalar: number of the present draw
  bool full;       // inside full(f): batches are whole tables
  Value *part; // i64 scalar: batches are this one of the parts of their table in order; NULL: drawn
  uint64_t place;        // the path of calls from a clause or instance: names the draws made here
  const DrawLoop *loops; // loops entered since the clause began: those of a method do not count
  const struct Variable
      *outside;                  // variables of `for` that were open when it began: no more do they
  int depth;                     // nesting of calls; limit 200
  const struct CallChain *calls; // for "called from" places
} Dynamic;

typedef struct CallChain {
  Span span;
  const char *name;
  bool instance; // a method, optimizer or set that the program chose: told only for library places
  const struct CallChain *next;
} CallChain;

/// How many `counted` have run so far, as a value of `block`; elsewhere nothing counts.
typedef struct Tally {
  Value *count; // i64 scalar; NULL: nobody asks
  Block *block;
} Tally;

struct Evaluator {
  Compilation *compilation;
  Arena *arena;
  Module *module;
  const Program *program;
  Builder builder; // where ops go now
  Dynamic dynamic;
  Dtype real; // the program's real type
  /// Values of bindings that are not in an environment: dims, constants, data, level variables,
  /// implicit names, reports. Set by build/context.c; NULL result: unknown here (the evaluator
  /// reports E0207).
  Staged *(*resolve)(Evaluator *e, const Binding *binding, Span span, void *self);
  void *resolve_self;
  /// Layout of `lower`, `upper`, `constraints` inside methods, as a value of zeros; set by
  /// build/program.c.
  Staged *bundle_like[4]; // by BundleKind; NULL outside methods
  const AnyShape *shape; // what `[..]` means in the function around; NULL outside those that say it
  /// What the program level knows about a mistake: notes on the test, the real type. May be NULL.
  void (*explain)(Evaluator *e, Diagnostic *d, ErrorCode code, bool in_library);
  Map *layouts; // interning
  /// Builtins that belong to the program level (SAMPLE, SHUFFLE, SEQUENCE, CLASSES); set by
  /// build/program.c. NULL: they are reported as not allowed here.
  Staged *(*program_builtin)(const Call *call, Builtin builtin, void *self);
  void *program_builtin_self;
  Map *signatures;                      // function item -> what its declaration says
  Map *failed_items;                    // items whose definition was found wrong: uses are POISON
  Map *checked_items;                   // definitions checked or being checked
  struct Variable *variables;           // open variables of comprehensions, innermost first
  Tally tally;                          // of the innermost `counting`
  const struct Derivation *derivations; // whose functions are being evaluated, innermost first
  bool checking;                        // evaluating definitions: nothing is promised about dims
  bool full;         // batches are whole tables: an objective is judged, not minimised
  bool in_report;    // what a `warn` finds here is about where the run stands, not about a step
  const char *level; // whose method reports, where it is a level below others; NULL
  uint32_t first_id; // module->next_id when the stage began: the budget counts from here
  uint32_t visits;   // expressions evaluated, and how deep this one is nested
  int nesting;
  int op_budget; // ops a stage may have: 20,000
  bool failed;   // budget or depth exceeded: reported once
};

Evaluator *evaluator_create(Compilation *compilation, Module *module, const Program *program,
                            Dtype real);

/// Begins a new budget of operations: for an entry, a stage, a definition.
void evaluate_budget(Evaluator *e);

/// Evaluates an expression. `expected` (may be NULL) guides extents and result-only dims; the
/// result is not forced to it.
Staged *evaluate(Evaluator *e, const Node *node, const Environment *environment,
                 const TypeSpec *expected);
/// Binds a pattern; reports when the value is no fitting tuple.
const Environment *evaluate_pattern(Evaluator *e, const Node *pattern, Staged *value,
                                    const Environment *environment);
/// Evaluates the lets of a block or clause list one by one.
const Environment *evaluate_let(Evaluator *e, const Node *let, const Environment *environment);

/// Evaluates a type; dims by `environment` and resolve. NULL after an error.
const TypeSpec *evaluate_type(Evaluator *e, const Node *type, const Environment *environment);
/// `real[..]` with the shape it has in the function around, as far as known: guides an evaluation.
const TypeSpec *known_shape(Evaluator *e, const TypeSpec *spec);

/// Converts `value` to the declared type: static numbers become tensors, scalars broadcast where
/// `broadcast` is set (initialisers, typed let, set), dims are compared. POISON after a report
/// that names `what` ("the start value of `w`") at `span`.
Staged *coerce(Evaluator *e, Staged *value, const TypeSpec *spec, bool broadcast, Span span,
               const char *what);
/// A value of zeros of a type (struct fields too, ignoring initialisers).
Staged *zeros_of_spec(Evaluator *e, const TypeSpec *spec);
/// A value of a struct type from its field initialisers (missing initialiser: zeros).
Staged *initial_of_spec(Evaluator *e, const TypeSpec *spec, const Environment *environment);
/// Zeros like a value; with a number splatted.
Staged *splat_like(Evaluator *e, const Staged *like, double number);

/// Applies a function value.
Staged *apply(Evaluator *e, Staged *function, Staged *const *arguments, int count, Span span);
Staged *apply_call(Evaluator *e, Staged *function, const Call *call);

// ---- operations on values, used by methods' implicit names and tests; all report at `span`

Staged *operate_binary(Evaluator *e, BinaryOp op, Staged *a, Staged *b, Span span);
Staged *operate_negate(Evaluator *e, Staged *a, Span span);
Staged *operate_dot(Evaluator *e, Staged *a, Staged *b, Span span);
/// row(s) of a tensor, array or batch.
Staged *operate_index(Evaluator *e, Staged *base, Staged *const *indices, int count, Span span);
/// A scalar IR value of dtype from a static or tensor scalar; NULL after a report.
Value *scalar_value(Evaluator *e, Staged *s, Dtype dtype, Span span, const char *what);
/// Static integer (number or dim) needed: false after a report (E0309).
bool static_dim(Evaluator *e, Staged *s, const Dim **dim, Span span, const char *what);
bool static_real(Evaluator *e, Staged *s, double *value, Span span, const char *what);

/// Derivatives of a function value at a value; `span` for messages.
Staged *derive_grad(Evaluator *e, Staged *function, Staged *at, Span span);
Staged *derive_jvp(Evaluator *e, Staged *function, Staged *at, Staged *direction, Span span);
Staged *derive_vjp(Evaluator *e, Staged *function, Staged *at, Staged *cotangent, Span span);
Staged *derive_hvp(Evaluator *e, Staged *function, Staged *at, Staged *direction, Span span);

/// Random draws from here on are those of `step_key` (draw 0); of draw number `draw` of the same
/// step (BUILTIN_DRAW does this around a call; BUILTIN_FULL sets dynamic.full).
void dynamic_step(Evaluator *e, Value *step_key);
void dynamic_draw(Evaluator *e, Value *draw);

/// An IR loop with staged carries: body(i, carries) gives the next carries; layouts must agree.
typedef Staged *(*LoopBody)(Evaluator *e, Value *counter, Staged *carries, void *self);
Staged *build_loop(Evaluator *e, Staged *initial, Value *count, const Dim *bound,
                   LoopBody condition, LoopBody body, void *self, Span span);
/// An IR loop whose body results are stacked along a new leading axis of extent `count`.
Staged *build_map(Evaluator *e, const Dim *count, LoopBody body, void *self, Span span);

/// Checks every function and struct of a file at its definition, with rigid dims and sample
/// layouts. (Methods, optimisers and sets are checked on a sample problem: samples.c.)
void check_definitions(Evaluator *e, const Node *file);

#endif
