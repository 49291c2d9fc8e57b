// Inside of the staged evaluator: what its files share, and what the program level (compiler/build)
// makes values with.
#ifndef BLO_EVALUATE_STAGING_H
#define BLO_EVALUATE_STAGING_H

#include "diff/diff.h"
#include "evaluate/evaluate.h"

/// A derivative whose function is being evaluated: parameter i of `block` stands for leaf i of
/// `at`.
typedef struct Derivation {
  const Block *block;
  const ValueList *at;
  int order; // how often the function is differentiated: hvp 2, others 1
  const struct Derivation *outer;
} Derivation;

/// Where an operation and its operands are written.
typedef struct Places {
  Span whole, left, right;
} Places;

// ---- messages

/// Reports a mistake; the places from which the present function was called are added.
Diagnostic *mistake(Evaluator *e, ErrorCode code, Span span, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/// The source text at `span` when it is short and on one line, else NULL.
const char *source_excerpt(Evaluator *e, Span span);
/// The same with parentheses where an index or a call behind it would bind to a part only.
const char *indexed_excerpt(Evaluator *e, Span span);
/// Text with the numbers taken off that make rigid dims unique.
const char *tidy(Evaluator *e, const char *text);
const char *type_phrase(Evaluator *e, const Type *type); // tidied
const char *dim_phrase(Evaluator *e, const Dim *dim);
const char *spec_text(Evaluator *e, const TypeSpec *spec);

// ---- values

bool staged_is_number(const Staged *s); // static integer or real
/// The value of a static real or of an integer without names; false for others.
bool staged_known_real(const Staged *s, double *value);
bool staged_is_scalar_tensor(const Staged *s);
/// Made of tensors, numbers and truth values only, so that it may be carried, differentiated,
/// mapped.
bool staged_is_data(const Staged *s);
/// A number or truth value (static) as a scalar of `dtype`; dims become run-time values.
Value *static_value(Evaluator *e, const Staged *s, Dtype dtype);
/// Tensors as they are; static numbers as scalars of the program's real type, i64 or bool.
Value *leaf_value(Evaluator *e, const Staged *s);
/// Applies `function` to each leaf (tensor or static scalar) of `s`.
typedef Staged *(*LeafFunction)(Evaluator *e, Staged *leaf, void *self);
Staged *map_leaves(Evaluator *e, Staged *s, LeafFunction function, void *self);
/// The same layout once more, with fewer or more leading axes: arrays know their extent.
Staged *array_of(Evaluator *e, const Dim *extent, Staged *stacked);
/// A field or tuple position of a tree; reaches through arrays of trees. NULL when there is none.
Staged *tree_child(Evaluator *e, Staged *tree, int position);
int tree_child_count(const Staged *tree);
Value *broadcast_to(Evaluator *e, Value *value, const Type *type);
const Type *scalar_of(Evaluator *e, Dtype dtype);

// ---- element types and shapes

/// The element type in which two leaves meet; false after a report. `op` names the operation.
bool meet_dtype(Evaluator *e, const Staged *a, const Staged *b, const char *op, Places places,
                Dtype *dtype);
/// A leaf (tensor, number, truth value) as a value of `dtype`: numbers and integer scalars convert.
Value *leaf_as(Evaluator *e, const Staged *leaf, Dtype dtype);
/// The shape both broadcast to; NULL after a report.
const Type *meet_shape(Evaluator *e, Value *a, Value *b, const char *op, Places places);
/// Both operands as values of one type; false after a report.
bool meet(Evaluator *e, Staged *a, Staged *b, const char *op, Places places, Value **left,
          Value **right);

// ---- operations

Staged *operate_at(Evaluator *e, BinaryOp op, Staged *a, Staged *b, Places places);
Staged *operate_matmul(Evaluator *e, Staged *a, Staged *b, Places places);
/// A branch of an `if` that chooses entry by entry; see guard.c.
Staged *evaluate_guarded(Evaluator *e, const Node *node, const Environment *environment,
                         Value *condition, bool taken);
/// What sums and products of many entries take: i32 and u8 become i64.
Value *exact_integers(Builder *b, Value *x);
Staged *operate_dot_at(Evaluator *e, Staged *a, Staged *b, Places places);
Staged *operate_power(Evaluator *e, Staged *a, Staged *b, Places places);
const char *binary_text(BinaryOp op);
/// Applies an operation leaf by leaf to trees of equal layout, or a tree and a scalar.
typedef Staged *(*ZipFunction)(Evaluator *e, Staged *a, Staged *b, Places places, void *self);
Staged *zip_leaves(Evaluator *e, Staged *a, Staged *b, const char *op, Places places,
                   ZipFunction function, void *self);

Staged *evaluate_conditional(Evaluator *e, const Node *node, const Environment *environment,
                             const TypeSpec *expected);
Staged *evaluate_logic(Evaluator *e, const Node *node, const Environment *environment);
Staged *evaluate_index(Evaluator *e, const Node *node, const Environment *environment);
Staged *evaluate_call(Evaluator *e, const Node *node, const Environment *environment,
                      const TypeSpec *expected);
Staged *evaluate_comprehension(Evaluator *e, const Node *node, const Environment *environment,
                               const TypeSpec *expected);
Staged *evaluate_loop(Evaluator *e, const Node *node, const Environment *environment);
Staged *evaluate_list(Evaluator *e, const Node *node, const Environment *environment,
                      const TypeSpec *expected);
/// The lets and ensures of a block, in order.
const Environment *evaluate_statements(Evaluator *e, const NodeList *statements,
                                       const Environment *environment);
void evaluate_ensure(Evaluator *e, const Node *node, const Environment *environment);
/// Holds the argument `value` at `span` against the bounds of its parameter, where it is a number
/// that is known while the program is built. False after a message.
bool evaluate_bounds(Evaluator *e, const Node *param, const Staged *value, Span span,
                     const char *owner);
Staged *cast_to(Evaluator *e, Staged *value, Dtype dtype, Span span);

// ---- indices and comprehensions

/// One position of an index: a value, or a slice with optional ends.
typedef struct IndexPart {
  bool slice;
  Staged *value, *low, *high; // slice: ends, NULL where left out
  Span span;
} IndexPart;
Staged *operate_index_parts(Evaluator *e, Staged *base, const IndexPart *parts, int count,
                            Span span, Span base_span);

/// A variable of a comprehension whose body is being evaluated.
typedef struct Variable {
  Value *param;
  Name name;
  const Dim *extent;   // NULL: not known yet
  bool given;          // `i < n`
  Span span, fixed_at; // of the binder; where the extent came from
  struct Variable *next;
} Variable;
/// The open variable that `index` is, bare; NULL.
Variable *variable_find(Evaluator *e, const Value *index);
/// `variable` indexes an axis of extent `axis`: fixes or checks its extent.
bool variable_indexes(Evaluator *e, Variable *variable, const Dim *axis, Span span);
/// Gathers made since `before` (NULL: the block's start) whose places are affine in iotas and
/// provably in bounds become views; so do those of `results` that were such gathers.
void affine_gathers(Evaluator *e, Block *block, Op *before, Value **results, int count);
/// a - b as a dim polynomial, for i64 scalars; NULL when it depends on run-time values.
const Dim *scalar_difference(Evaluator *e, Value *a, Value *b);

// ---- functions

typedef struct Signature {
  const Node *node;
  int dim_count, param_count;
  const Dim **formals;
  Name *formal_names;      // of the atoms behind formals
  const TypeSpec **params; // NULL entries: the type was wrong
  const TypeSpec *result;
  const Environment *environment; // the function's dims, as formals
  bool broken;
} Signature;

/// What a function's dim stands for at one call; NULL while nobody has said.
typedef struct DimBinding {
  Name name;
  const Dim *value;
} DimBinding;

/// What is known about a function's dims, `real` and `vec` at one call.
typedef struct Matching {
  Evaluator *e;
  DimBinding *bindings;
  int count;
  bool real_known;
  Dtype real;
  Staged *vec;
  AnyShape shape;
} Matching;

const Signature *signature_of(Evaluator *e, const Node *function);
/// Binds formals that stand alone, `real` and `vec`, from a value or from an expected type.
void match_value(Matching *m, const TypeSpec *spec, Staged *value, int leading);
void match_spec(Matching *m, const TypeSpec *formal, const TypeSpec *actual);
/// The function's dims as found, for evaluating its types and body; never empty, NULL when one is
/// missing.
const Environment *matching_environment(const Matching *m, const Signature *s);
/// Evaluates a `fn` or struct with rigid dims, once; while definitions are being checked.
void check_definition(Evaluator *e, const Node *node);

/// The environment in which a struct's field types and initialisers are evaluated.
const Environment *struct_environment(Evaluator *e, const Node *structure,
                                      const Dim *const *arguments, int count);
/// Type of field number `field` of a struct's type; NULL after an error.
const TypeSpec *struct_field_spec(Evaluator *e, const TypeSpec *spec, int field);
/// A struct's value from its fields, none of them poison.
Staged *struct_value(Evaluator *e, const Node *structure, Staged *const *fields);
int struct_field_count(const Node *structure);
const Node *struct_field(const Node *structure, int field);
/// The constructor of a struct as a function value; dims NULL: to be found from the fields.
Staged *struct_maker(Evaluator *e, const Node *structure, const Dim *const *arguments, int count);
/// If `s` is a struct's constructor without dims: its declaration.
const Node *struct_of_maker(const Staged *s);

Staged *builtin_value(Evaluator *e, Builtin builtin);
/// A named argument of a call, or NULL.
const NamedArgument *call_named(const Call *call, const char *name);
/// Reports arguments with names other than the NULL-terminated ones; false then.
bool call_check_names(const Call *call, const char *function, const char *const *names);

/// Runs `body` with the dynamic context saved and one call deeper; false when too deep.
bool call_enter(Evaluator *e, Dynamic *saved, CallChain *link, const char *name, Span span);
void call_leave(Evaluator *e, const Dynamic *saved);

// --- counting.c

/// Counts from `count` on in `block`; gives the tally that stood before, for tally_close, which
/// gives the count at the end. tally_runs: somebody asks how often what is evaluated now runs.
Tally tally_open(Evaluator *e, Block *block, Value *count);
Value *tally_close(Evaluator *e, Tally outer);
bool tally_runs(const Evaluator *e);

#endif
