// Names, scopes and structure: the part of checking that needs no types.
//
// Enters: a parsed file. Leaves: the same tree with every name resolved to a `Binding`, modules loaded,
// structure verified (one step per method, known settings keys, patterns without repeats, where `set`,
// `report`, `hypergradient` may stand, ...). Types, dims and levels are checked by compiler/evaluate,
// compiler/build and compiler/levels, which evaluate the tree: one definition of what a construct means
// (docs/internals/checking.md says why).
#ifndef BLO_LANG_CHECK_CHECK_H
#define BLO_LANG_CHECK_CHECK_H

#include "parse/tree.h"
#include "text/compilation.h"

typedef enum BindingKind {
  BIND_BUILTIN,   // builtins.def
  BIND_FUNCTION, BIND_STRUCT, BIND_DIM, BIND_CONST,
  BIND_TABLE,     // data train[n] { ... }: train
  BIND_FIELD,     // a field of an unnamed data block
  BIND_LOCAL,     // let, set, parameter, pattern, binder, loop counter, dims of a function
  BIND_VAR, BIND_STATE, BIND_BATCH, BIND_CONSTRAINT, BIND_REPORT, BIND_LEVEL,
  BIND_METHOD, BIND_OPTIMIZER, BIND_SET, BIND_STAGE, BIND_MODULE,
  BIND_IMPLICIT,  // x y F f g t descend project_x ... inside a method; iteration; test helpers
} BindingKind;

struct Binding {
  BindingKind kind;
  Name name;
  Node *node;     // the declaring node; NULL for builtins and implicit names
  Node *owner;    // the enclosing item: level, method, function, stage ...; the file for top-level items
  int builtin;    // BIND_BUILTIN: row of builtins.def; BIND_IMPLICIT: ImplicitName
  bool exported;
  bool used;
};

typedef enum Builtin {
  BUILTIN_NONE,
#define BUILTIN(id, name, minimum, maximum, doc) BUILTIN_##id,
#include "check/builtins.def"
#undef BUILTIN
  BUILTIN_COUNT
} Builtin;

typedef struct BuiltinInfo {
  const char *name;
  int minimum, maximum; // positional arguments; maximum -1: any number
  const char *doc;
} BuiltinInfo;
extern const BuiltinInfo builtin_table[BUILTIN_COUNT];

/// Names with a fixed meaning in a context.
typedef enum ImplicitName {
  IMPLICIT_NONE,
  IMPLICIT_X, IMPLICIT_Y, IMPLICIT_UPPER_OBJECTIVE /* F */, IMPLICIT_LOWER_OBJECTIVE /* f */,
  IMPLICIT_CONSTRAINTS /* g */, IMPLICIT_T, IMPLICIT_PROJECT_X, IMPLICIT_PROJECT_Y, IMPLICIT_PROJECT,
  IMPLICIT_DESCEND, IMPLICIT_START, IMPLICIT_LOWER_OPT, IMPLICIT_UPPER_OPT, IMPLICIT_CONE, IMPLICIT_PROX_Y,
  IMPLICIT_PROX, IMPLICIT_OBJECTIVE, IMPLICIT_PROJECT_MOVED, /* in optimizers */
  IMPLICIT_ITERATION,                                           // in settings and objectives
  IMPLICIT_HYPERGRADIENT, IMPLICIT_CENTRAL_DIFFERENCE,          // in tests
  IMPLICIT_UPPER_VALUE, IMPLICIT_LOWER_VALUE, IMPLICIT_RUN, IMPLICIT_SYNTHETIC, IMPLICIT_FILE,
} ImplicitName;

/// A program with its modules. `prelude` modules (methods, optim, linear, sets) need no import.
typedef struct Program {
  Node *file;      // the user's file
  NodeList files;  // all files in dependency order, the user's last
  Map *prelude;    // Name -> BindingGroup of names visible without import
} Program;

/// The same name may be a method, a solver, an optimiser and a set at once (`direct`, `projected`):
/// names are looked up by the kind that is asked for.
typedef struct BindingGroup {
  Binding *function, *method, *optimizer, *set, *other;
} BindingGroup;

/// Checks one file and everything it imports. Returns NULL only if the file has no tree at all;
/// errors are in the diagnostics.
Program *check_program(Compilation *compilation, Node *file);

/// Gives every call of `file` and of the others in `files` (may be NULL) its place, in which no text
/// around the call has a part: what it draws at random is keyed by it. check_program does this for
/// its files.
void places_number(Arena *arena, Node *file, const NodeList *files);

/// The lower level is solved by formulas: it has an `update` for each of its variables.
bool level_has_formulas(const Node *level);

/// W0201 and W0320 in the user's file; for programs in which everything else has found no error.
void check_warnings(Compilation *compilation, const Program *program);

/// Looks `name` up among what `file` sees, by kind (BIND_METHOD, BIND_OPTIMIZER, BIND_SET,
/// BIND_FUNCTION; the other kinds of top-level declarations work too); NULL when there is none.
/// `module` NULL: unqualified.  Does not find builtins.
Binding *program_find(const Program *program, const Node *file, Name module, Name name,
                      BindingKind kind);

#endif
