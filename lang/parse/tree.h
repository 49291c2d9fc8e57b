// The syntax tree: what the parser leaves, what check resolves, what build evaluates.
//
// Every node has a kind and a span. Expressions and types are `Node`s; so are items, clauses and
// statements. Lists are `NodeList`s in source order. The parser fills everything except the fields
// marked "by check". A construct that was skipped in error recovery leaves a NODE_ERROR, so that later
// passes stay silent about what is missing.
#ifndef BLO_LANG_PARSE_TREE_H
#define BLO_LANG_PARSE_TREE_H

#include "base/intern.h"
#include "base/map.h"
#include "base/text_buffer.h"
#include "base/vec.h"
#include "text/source.h"
#include <stdbool.h>
#include <stdint.h>

typedef struct Node Node;
typedef struct Binding Binding; // what a name means: check/check.h
typedef VEC(Node *) NodeList;

/// A name as written, with its place.
typedef struct Ident {
  Name name; // NULL where the grammar makes it optional and it is absent
  Span span;
} Ident;
typedef VEC(Ident) IdentList;

typedef enum ElementType { EL_F16, EL_BF16, EL_F32, EL_F64, EL_I32, EL_I64, EL_U8, EL_BOOL } ElementType;

typedef enum BinaryOp {
  BIN_OR, BIN_AND, BIN_LT, BIN_GT, BIN_LE, BIN_GE, BIN_EQ, BIN_NE, BIN_APPROX,
  BIN_ADD, BIN_SUB, BIN_MUL, BIN_DIV, BIN_MATMUL, BIN_POW
} BinaryOp;

typedef enum NodeKind {
  NODE_ERROR,
  // expressions
  EXPR_NAME, EXPR_INT, EXPR_REAL, EXPR_STRING, EXPR_BOOL,
  EXPR_BINARY, EXPR_NEGATE, EXPR_NOT, EXPR_IF, EXPR_FN, EXPR_MEMBER, EXPR_INDEX, EXPR_CALL,
  EXPR_TUPLE, EXPR_LIST, EXPR_CAST, EXPR_FOR, EXPR_LOOP, EXPR_BLOCK,
  EXPR_SLICE,   // only inside EXPR_INDEX
  // types
  TYPE_ELEMENT, // f64
  TYPE_NAME,    // real, vec, Linear, nn.Linear
  TYPE_TENSOR,  // base[dims]; `real[..]` has any_shape
  TYPE_TUPLE, TYPE_FN,
  TYPE_ARRAY,   // [m] T
  // patterns
  PATTERN_NAME, PATTERN_TUPLE,
  // statements and clauses
  NODE_LET,           // let pattern [: type] = value
  NODE_SET,           // set pattern = value
  NODE_HYPERGRADIENT, // hypergradient value
  NODE_REPORT,        // report name = value
  NODE_ENSURE,        // ensure cond, "text"  /  warn cond, "text"
  NODE_VAR,           // var name: type [in set] [= init]
  NODE_STATE,         // state name [: type] = init [then next]
  NODE_BATCH,         // batch name = expr
  NODE_OBJECTIVE,     // minimize / maximize
  NODE_SUBJECT,       // subject to [name:] expr
  NODE_PROX, NODE_UPDATE,
  NODE_SETTING,       // a.b.c = expr
  NODE_EXPECT, NODE_EXPECT_CODE,
  // items
  ITEM_IMPORT, ITEM_DIMS, ITEM_CONST, ITEM_STRUCT, ITEM_DATA, ITEM_FUNCTION, ITEM_LEVEL, ITEM_SOLVE,
  ITEM_STAGE, ITEM_TEST, ITEM_METHOD, ITEM_OPTIMIZER, ITEM_SET, ITEM_SHARD, ITEM_RULE,
  // parts of items
  PART_DIM, PART_FIELD, PART_PARAM, PART_BOUND, PART_TRAIT, PART_SET_FUNCTION, PART_BINDER,
  PART_ARGUMENT, NODE_FILE
} NodeKind;

struct Node {
  NodeKind kind;
  Span span;
  Name doc; // text of the `///` comment in front of a declaration, or NULL
  uint32_t height; // of the tree below; the parser bounds it, so passes may recurse
  union {
    struct { IdentList names; } error; // NODE_ERROR: names in the skipped text, never reported unknown
    struct { Name name; Binding *binding; /* by check */ } name;      // EXPR_NAME
    struct { int64_t value; } integer;
    struct { double value; const char *text; } real;
    struct { const char *text; size_t length; } string;
    struct { bool value; } boolean;
    struct { BinaryOp op; Node *left, *right; Span op_span; } binary;
    struct { Node *operand; } unary;                                  // NEGATE, NOT
    struct { Node *condition, *yes, *no; } conditional;               // EXPR_IF
    struct { Node *pattern, *body; } fn;                              // EXPR_FN
    struct { Node *base; Ident member; Binding *binding; /* by check: `nn.linear` */ } member;
    struct { Node *base; NodeList indices; } index;
    struct { Node *callee; NodeList arguments; /* PART_ARGUMENT */ uint64_t place; /* by check */ } call;
    struct { NodeList items; } list;                                  // TUPLE, LIST
    struct { ElementType element; Node *operand; } cast;
    struct { NodeList binders; /* PART_BINDER */ Node *body; } comprehension; // EXPR_FOR
    struct {                                                          // EXPR_LOOP
      Node *pattern, *initial;
      Ident counter; Binding *counter_binding; /* by check */
      Node *bound, *condition /* or NULL */, *body /* EXPR_BLOCK */;
    } loop;
    struct { NodeList lets; Node *value; Node *yield; /* or NULL */ } block; // EXPR_BLOCK
    struct { Node *low, *high; /* either may be NULL */ } slice;

    struct { ElementType element; } element_type;
    struct { Ident module; /* name NULL: none */ Ident name; Binding *binding; /* by check */ } type_name;
    struct { Node *base; NodeList dims; bool any_shape; } tensor_type;
    struct { NodeList items; } tuple_type;
    struct { Node *from, *to; } fn_type;
    struct { Node *extent, *element; } array_type;

    struct { Name name; Binding *binding; /* by check; NULL for `_` */ } pattern_name;
    struct { NodeList items; } pattern_tuple;

    struct { Node *pattern, *type, *value; } let;                     // LET (type NULL: none)
    struct { Node *pattern, *value; } assign;                         // SET
    struct { Node *value; } hypergradient;
    struct { Ident name; Node *value; Binding *binding; /* by check */ } report;
    struct { Node *condition; const char *text; bool warning; } ensure;
    struct { Ident name; Node *type, *set, *initial; Binding *binding; } var;     // set, initial: NULL if absent
    struct { Ident name; Node *type, *initial, *then; Binding *binding; } state;  // type, then: NULL if absent
    struct { Ident name; Node *value; Binding *binding; int number; /* by check */ } batch;
    struct { bool maximize; Node *value; } objective;
    struct { Ident name; Node *value; Binding *binding; } subject;    // name.name NULL: unnamed
    struct { Ident name; Node *value; Binding *target; } prox;
    struct { Ident name; Node *value; Binding *target; } update;
    struct { IdentList key; Node *value; /* TYPE_ELEMENT in `precision = f32` */ } setting;
    struct { Node *value, *within; bool absolute; } expect;           // within NULL: none
    struct { bool warning; Ident code; } expect_code;

    struct { Ident module; bool is_path; Ident alias; Node *file; /* by check */ } import;
    struct { NodeList dims; } dims;                                   // PART_DIM
    struct { Ident name; Node *value; Binding *binding; } dim;        // PART_DIM
    struct { Ident name; Node *type, *value; Binding *binding; } constant;
    struct {
      Ident name; IdentList dims; NodeList fields; Binding *binding;
      Binding **dim_bindings; /* by check, one per dim */
    } structure;
    struct {                                                          // DATA: table when name is there
      Ident name; Node *extent; Ident row; /* data t[r < n]: the row variable, or NULL */
      NodeList lets, fields; Binding *binding, *row_binding;
    } data;
    struct { Ident name; Node *type, *set, *initial; Binding *binding; } field; // PART_FIELD
    struct {
      bool exported; Ident name; IdentList dims; NodeList params; Node *result; Node *body; // EXPR_BLOCK or expr
      Binding *binding; Binding **dim_bindings; /* by check, one per dim */
    } function;
    struct { Ident name; Node *type, *initial; NodeList bounds; Binding *binding; } param; // PART_PARAM
    struct { BinaryOp op; Node *number; } bound;                      // PART_BOUND: `> 0`
    struct {
      bool upper; Ident name; Ident family; Node *family_of; NodeList clauses; Binding *binding;
      Binding *family_binding; /* by check */
    } level;
    struct { Ident name; NodeList settings; } solve;                  // settings: SETTING, REPORT, ENSURE
    struct {
      Ident name; Ident family; Node *family_of; // stage block for l < L; family.name NULL: none
      NodeList items; Binding *binding;          // clauses, solves and data
      Binding *family_binding;                   // by check
    } stage;
    struct { const char *name; NodeList items; } test;                // SETTING, LET, EXPECT, EXPECT_CODE
    struct {
      bool exported; Ident name; NodeList params, traits, states, steps; Binding *binding;
      bool has_step; Span step_span;
      Map *implicit; /* by check: Name -> Binding of x, y, F, f, g, t, project_x, ... */
    } method;
    struct {
      bool exported; Ident name; NodeList params, states; IdentList update_names; NodeList moves;
      Node *value; Binding *binding; Binding *update_bindings[3]; bool has_update; Span update_span;
    } optimizer;
    struct { bool exported; Ident name; NodeList params, functions; Binding *binding; } set;
    struct { Ident name; IdentList names; Node *body; Binding **bindings; } set_function;
    struct { IdentList names; } shard;
    struct { bool vjp; Ident name; IdentList names; Node *body; Binding *binding; Binding **bindings; } rule;

    struct { Ident first, second; } trait;                            // second.name NULL: one word
    struct { Ident name; Node *extent; /* or NULL */ Binding *binding; } binder;
    struct { Ident name; /* NULL: positional */ Node *value; } argument;
    struct {
      NodeList items; const char *path; bool library;
      Map *scope;   // by check: Name -> BindingGroup of what the file declares and imports
      Map *prelude; // by check: Name -> BindingGroup of what it sees without import
    } file;
  } as;
};

/// Prints a tree as indented text (`bloc emit --stage=tree`).
void tree_print(TextBuffer *out, const Node *node);
/// Visits the direct children of a node in source order.
void node_children(const Node *node, void (*visit)(void *self, Node *child), void *self);
/// The name that an item or another declaration is given; NULL where it has none.
Name node_name(const Node *node);
/// A short phrase for messages: "a call", "the name `w`", "a comprehension".
const char *node_phrase(Arena *arena, const Node *node);

#endif
