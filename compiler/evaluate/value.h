// The value domain of the staged evaluator: what an expression of the language is while it is built.
//
// Functions, closures, methods, structs, numbers and dims exist only here; tensors are values of IR. A
// `Staged` is immutable and lives in the compilation's arena. POISON marks what was reported already: every
// operation on it is POISON and silent.
#ifndef BLO_EVALUATE_VALUE_H
#define BLO_EVALUATE_VALUE_H

#include "check/check.h"
#include "ir/builder.h"

typedef struct Staged Staged;
typedef struct Environment Environment;
typedef struct Layout Layout;
typedef struct TypeSpec TypeSpec;
typedef struct Evaluator Evaluator;

// ---------------------------------------------------------------- layouts

typedef enum LayoutKind {
  LAYOUT_STRUCT, // fields of a struct
  LAYOUT_TUPLE,
  LAYOUT_LEVEL,  // several variables of a level, by name (one variable alone is its own value, no tree)
  LAYOUT_ARRAY,  // [m] T: the element's layout, every leaf with one more leading axis
} LayoutKind;

/// The shape of a tree without its leaves. Interned: equal layouts have equal pointers.
struct Layout {
  LayoutKind kind;
  const Node *structure;        // STRUCT: the declaration
  int count;                    // children
  const Name *names;            // STRUCT, LEVEL; NULL for tuples
  const Layout *const *children; // NULL entry: a tensor
  const Dim *extent;            // ARRAY
  const Layout *element;        // ARRAY (NULL: array of tensors is a plain tensor, never a layout)
};

// ---------------------------------------------------------------- values

typedef enum StagedKind {
  STAGED_POISON,
  STAGED_INTEGER,  // static integer, a dim polynomial; has no dtype until it meets a tensor
  STAGED_REAL,     // static real literal, no dtype yet
  STAGED_BOOL,
  STAGED_STRING,
  STAGED_TENSOR,   // IR value
  STAGED_TREE,     // struct, tuple, several level variables, array of trees
  STAGED_FUNCTION, // lambda, `fn` item, or a C function of the evaluator
  STAGED_OBJECT,   // table, batch, optimiser, set, method, objective, module, stage: see Object
} StagedKind;

typedef struct NamedArgument {
  Name name;
  Staged *value;
  Span span;
} NamedArgument;

/// A call: positional arguments first, then named ones. `expected` may be NULL.
typedef struct Call {
  Evaluator *evaluator;
  Span span;                    // the whole call
  Staged *const *positional;
  const Span *spans;            // of the positional arguments
  int positional_count;
  const NamedArgument *named;
  int named_count;
  const TypeSpec *expected;
} Call;

/// A function in C: builtins and implicit names (`F`, `descend`, `project_x`, optimiser's `.step`).
typedef Staged *(*NativeFunction)(const Call *call, void *self);

/// What `[..]` stands for in a function: the shape of its first `real[..]` argument, else of the place
/// its result is put.
typedef struct AnyShape {
  const char *function;
  bool known;
  int rank;
  const Dim *const *dims;
} AnyShape;

typedef struct Function Function;
typedef Staged *(*FunctionMember)(Evaluator *evaluator, const Function *function, Name name,
                                  Span span);

struct Function {
  const Node *node;             // EXPR_FN or ITEM_FUNCTION; NULL for native functions
  const Environment *environment;
  NativeFunction native;
  void *self;
  const char *name;             // for messages
  const NamedArgument *bound;   // arguments already given by name (partial application)
  int bound_count;
  Dtype real;                   // lambdas: what `real`, `vec`, `[..]` mean where they were made
  Staged *vec;
  const AnyShape *shape;
  FunctionMember member;        // `f.batch`; NULL when there is none
};

typedef enum ObjectKind {
  OBJECT_TABLE, OBJECT_BATCH, OBJECT_OPTIMIZER, OBJECT_STAGE, OBJECT_CONSTRAINT,
  OBJECT_CHOICE, // `auto`
} ObjectKind;

/// Things of the program level; build/program.h says what is behind `data`.
typedef struct Object {
  ObjectKind kind;
  const Binding *binding;
  void *data;
  /// Members `o.name`; NULL when there is none (the caller reports). May be NULL.
  Staged *(*member)(Evaluator *evaluator, const struct Object *object, Name name, Span span);
  /// Calls `o(...)`; may be NULL.
  NativeFunction call;
  const char *phrase;           // "the table `train`"
} Object;

struct Staged {
  StagedKind kind;
  union {
    const Dim *integer;
    double real;
    bool boolean;
    const char *string;
    Value *tensor;
    struct { const Layout *layout; Staged *const *children; } tree;
    const Function *function;
    const Object *object;
  };
};

extern Staged *const staged_poison;
Staged *staged_integer(Evaluator *e, const Dim *dim);
Staged *staged_int(Evaluator *e, int64_t value);
Staged *staged_real(Evaluator *e, double value);
Staged *staged_bool(Evaluator *e, bool value);
Staged *staged_tensor(Evaluator *e, Value *value);
Staged *staged_tree(Evaluator *e, const Layout *layout, Staged *const *children);
Staged *staged_tuple(Evaluator *e, Staged *const *children, int count);
Staged *staged_native(Evaluator *e, const char *name, NativeFunction native, void *self);
Staged *staged_object(Evaluator *e, const Object *object);
/// `auto`: stands where a number may, and only `== auto` may be asked of it.
static inline bool staged_is_choice(const Staged *s) {
  return s->kind == STAGED_OBJECT && s->object->kind == OBJECT_CHOICE;
}

static inline bool staged_is_poison(const Staged *s) { return s->kind == STAGED_POISON; }

const Layout *layout_tuple(Evaluator *e, int count, const Layout *const *children);
const Layout *layout_level(Evaluator *e, int count, const Name *names, const Layout *const *children);
const Layout *layout_struct(Evaluator *e, const Node *structure, int count, const Name *names,
                            const Layout *const *children);
const Layout *layout_array(Evaluator *e, const Dim *extent, const Layout *element);
/// Layout of a value: NULL for a tensor or number.
const Layout *staged_layout(const Staged *s);

/// Leaves left to right. Static numbers become scalars of the program's real type (or i64, bool).
void staged_leaves(Evaluator *e, const Staged *s, ValueList *leaves);
/// The inverse: a value with the layout of `like` from `leaves`, which is advanced.
Staged *staged_rebuild(Evaluator *e, const Staged *like, Value *const **leaves);
/// "f64[n, d]", "struct Linear[p, k]", "an integer", "a function": for messages.
const char *staged_describe(Evaluator *e, const Staged *s);

// ---------------------------------------------------------------- semantic types

typedef enum SpecKind {
  SPEC_TENSOR,      // dtype (or real), shape, or any shape
  SPEC_STRUCT,      // layout with leaf types by instantiating the declaration
  SPEC_TUPLE, SPEC_ARRAY, SPEC_FUNCTION,
  SPEC_BUNDLE,      // vec, lower, upper, constraints: a layout known per call or per program
  SPEC_INT,         // `int`: static or i64 scalar
  SPEC_REAL,        // `real`: a scalar of the program's real type, static numbers welcome
  SPEC_SOLVER, SPEC_OPTIMIZER, SPEC_ANY,
} SpecKind;

typedef enum BundleKind { BUNDLE_VEC, BUNDLE_LOWER, BUNDLE_UPPER, BUNDLE_CONSTRAINTS } BundleKind;

/// What a declared type says, its dims evaluated.
struct TypeSpec {
  SpecKind kind;
  bool real_dtype;              // TENSOR: `real`, decided per call
  bool any_shape;               // TENSOR: real[..]
  Dtype dtype;
  int rank;
  const Dim *const *shape;      // TENSOR
  const Node *structure;        // STRUCT
  const Dim *const *arguments;  // STRUCT: dim arguments
  int argument_count;
  int count;                    // TUPLE, FUNCTION (parameters; result is the last entry)
  const TypeSpec *const *items;
  const Dim *extent;            // ARRAY
  BundleKind bundle;
  Span span;                    // where it is written
};

// ---------------------------------------------------------------- environments

/// Persistent: extending gives a new environment and leaves the old one as it is.
struct Environment {
  const Binding *binding;
  Staged *value;
  const Environment *next;
};

const Environment *environment_add(Evaluator *e, const Environment *environment,
                                   const Binding *binding, Staged *value);
/// NULL when the binding has no value here.
Staged *environment_find(const Environment *environment, const Binding *binding);

#endif
