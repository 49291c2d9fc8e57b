// What the parts of the checker share: name tables, scopes, and where in a program it stands.
//
// Enters: trees. Keeps: one `Checker` for all files of a program. The parts: modules.c loads files,
// names.c declares and looks up, expressions.c resolves, items.c and levels.c walk declarations,
// settings.c knows solve blocks and tests.
#ifndef BLO_LANG_CHECK_CHECKER_H
#define BLO_LANG_CHECK_CHECKER_H

#include "check/check.h"

/// A map of names that can be listed.
typedef struct NameTable {
  Map *map;
  VEC(Name) names;
} NameTable;

/// Local names, innermost first.
typedef struct Scope {
  struct Scope *outer;
  NameTable names; // Name -> Binding
} Scope;

/// Statements of the blocks around a place, to find what is declared further down.
typedef struct Block {
  const struct Block *outer;
  NodeList statements;
} Block;

/// The variables of one bilevel or single-level problem: a stage, or the levels of the file.
typedef struct Problem {
  struct Problem *outer; // for a stage: the file's own levels
  Node *stage;           // ITEM_STAGE, or NULL
  Node *upper, *lower;   // ITEM_LEVEL, or NULL; in a stage of one level both are NULL
  int lower_count;       // several lower problems side by side have methods of their own
  NameTable variables;   // Name -> Binding: var and state of both levels
  NameTable reports;     // Name -> Binding
  NameTable constraints; // Name -> Binding of named constraints, of both levels
  NameTable levels;      // Name -> Binding of named levels
  NameTable solves;      // Name -> Node; the unnamed block under ""
  bool broken;           // a part was skipped by recovery: nothing is said to be missing
} Problem;

/// A file while it is being checked.
typedef struct Module {
  Node *file;
  Name name;          // as imported; the stem of the path for the user's file
  NameTable scope;    // Name -> BindingGroup: declared and imported
  NameTable *prelude; // Name -> BindingGroup: seen without import
  NameTable data;     // Name -> Binding of tables and fields
  Map *poisoned;      // names in skipped text
  Problem problem;    // the levels at file level
  Map *stages;        // ITEM_STAGE -> Problem; NULL before the first one
  bool busy;          // its imports are being loaded
} Module;

/// Which names may stand where the checker is.
typedef struct View {
  Scope *locals;
  const Block *blocks;
  Problem *problem; // level variables may be used
  Module *module;
  Node *owner;         // enclosing item, for bindings
  NameTable *implicit; // inside a method or set
  bool data, stages, iteration, reports, test, in_function;
  bool in_method, in_optimizer; // for type names
  bool in_type;                 // in the dims of a type
  const char *where;            // "a function", for messages
  const struct View *above;     // of the level that this level stands in
  Scope *family;                // rows and batches of the families around
} View;

typedef struct Checker {
  Compilation *compilation;
  Arena *arena;
  Diagnostics *diagnostics;
  Program *program;
  NameTable modules; // Name -> Module
  NameTable prelude; // Name -> BindingGroup, for user files
  bool prelude_ready;
} Checker;

// ---- names.c

NameTable name_table(Arena *arena);
void *name_get(const NameTable *table, Name name);
void name_put(Arena *arena, NameTable *table, Name name, void *value);
Binding *binding_make(Checker *c, BindingKind kind, Name name, Node *node, Node *owner);
/// The place of the name in the declaration of a binding; source 0 for builtin names.
Span binding_span(const Binding *binding);
/// "the function `f`".
const char *binding_phrase(Checker *c, const Binding *binding);
/// The slot of a group for declarations of this kind.
Binding **group_slot(BindingGroup *group, BindingKind kind);
void report_redeclared(Checker *c, Span span, const char *name, const Binding *earlier);
/// Declares at file level.  Reports E0202 and keeps the first.
void declare_top(Checker *c, NameTable *table, Binding *binding);
/// Declares in a table of bindings; `_` is no name.
void declare_in(Checker *c, NameTable *table, Binding *binding);
Scope scope_open(Checker *c, Scope *outer);

/// What a value name means in the view, or NULL after a report.  NULL without a report for names in
/// text that was skipped.
Binding *lookup_value(Checker *c, const View *view, Name name, Span span);
/// The group of a name at file level or in the prelude, or NULL.
BindingGroup *lookup_group(const View *view, Name name);
Binding *find_kind(const View *view, Name name, BindingKind kind);
/// The member of a module by kind; `want` BIND_FUNCTION means any value. NULL after a report.
Binding *module_member(Checker *c, Binding *module, Ident member, BindingKind want);
/// The module a name stands for, or NULL.
/// A named constraint of a problem or of the file around its stage.
Binding *find_constraint(const Problem *problem, Name name);
Binding *find_module(const View *view, Name name);
bool is_poisoned(const View *view, Name name);
/// "did you mean", over all names of the tables that hold `kind`.
void suggest_kind(Checker *c, Diagnostic *d, const View *view, Name name, BindingKind kind);
const char *kind_word(BindingKind kind); // "a method"
const char *kind_noun(BindingKind kind); // "method"

// ---- expressions.c

void resolve_expression(Checker *c, View *view, Node *node);
void resolve_type(Checker *c, View *view, Node *type);
/// Declares the names of a pattern in the innermost scope; `seen` collects repeats.
void declare_pattern(Checker *c, View *view, Node *pattern);
void resolve_let(Checker *c, View *view, Node *let);
void resolve_ensure(Checker *c, View *view, Node *ensure);
/// A value that calls an item of a kind: `implicit(linear = cg())`, `box(0, 1)`, `nonneg`.
void resolve_item_call(Checker *c, View *view, Node *value, BindingKind kind);
/// `in ...` of variables and data fields.
void resolve_set_call(Checker *c, View *view, Node *value);
/// Declares and resolves parameters in the innermost scope.
void resolve_params(Checker *c, View *view, NodeList params);
bool is_error(const Node *node);
bool has_error(NodeList list);

// ---- items.c, levels.c, settings.c

void declare_items(Checker *c, Module *module);
void check_items(Checker *c, Module *module);

/// Names of a data item: at file level (`stage` NULL) or of a stage.
void declare_data(Checker *c, Module *module, Problem *stage, Node *item);
void check_data(Checker *c, Module *module, Problem *stage, Node *item);
void declare_problem(Checker *c, Module *module, Problem *problem, NodeList items);
void check_problem(Checker *c, Module *module, Problem *problem, NodeList items);
void check_solve(Checker *c, Module *module, Problem *problem, Node *solve);
void check_test(Checker *c, Module *module, Node *test);
/// E0211.
void report_later(Checker *c, Span span, const char *what);

/// View of a problem's expressions.
View problem_view(Module *module, Problem *problem, Node *owner);

// ---- modules.c

bool is_prelude_name(Name name);

#endif
