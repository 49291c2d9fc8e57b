// `bloc check -v`: what each comprehension of the file became, and why it is not less.
//
// Enters: a built and optimised program. Leaves: lines on stdout, in the order of the file. The ops
// of the optimised IR carry the place they were written at; each belongs to the innermost
// comprehension around it. What belongs to none is elementwise work and views, which are computed
// where they are read.
#include "drive/pipeline.h"
#include "ir/builder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum Kind {
  KIND_DOT,
  KIND_CONV,
  KIND_REDUCE,
  KIND_GATHER,
  KIND_SCATTER,
  KIND_SORT,
  KIND_SOLVE,
  KIND_LOOP,
  KIND_COUNT
} Kind;

static const char *const kind_texts[KIND_COUNT] = {"matrix product", "convolution", "reduction",
                                                   "gather",         "scatter",     "sort",
                                                   "linear system",  "loop"};

typedef struct Found { // one comprehension
  const Node *node;
  bool kinds[KIND_COUNT];
  bool runs; // also in steps that report nothing
} Found;

typedef struct Search {
  Arena *arena;
  Module *module;
  uint32_t source;
  VEC(Found) found;
  VEC(ModuleRemark) remarks; // of the ops that are left
} Search;

static void find_comprehensions(void *self, Node *node) {
  Search *s = self;
  if (node->kind == EXPR_FOR) VEC_PUSH(s->arena, &s->found, ((Found){.node = node}));
  node_children(node, find_comprehensions, s);
}

static bool inside(Span inner, Span outer) {
  return inner.source == outer.source && inner.start >= outer.start && inner.end <= outer.end;
}

static Found *innermost(Search *s, Span span) {
  Found *best = NULL;
  for (size_t i = 0; i < s->found.count; i++) {
    Found *f = &s->found.data[i];
    if (inside(span, f->node->span) && (!best || inside(f->node->span, best->node->span))) best = f;
  }
  return best;
}

static int kind_of(const Op *op) {
  switch (op->code) {
  case OP_DOT:
    return op->attr.dot.contract_count ? KIND_DOT : KIND_COUNT;
  case OP_CONV:
    return KIND_CONV;
  case OP_REDUCE_SUM:
  case OP_REDUCE_MAX:
  case OP_REDUCE_PROD:
  case OP_ARGMAX:
  case OP_CUMSUM:
    return KIND_REDUCE;
  case OP_GATHER:
  case OP_DYNAMIC_SLICE:
    return KIND_GATHER;
  case OP_SCATTER_ADD:
  case OP_DYNAMIC_UPDATE:
    return KIND_SCATTER;
  case OP_ARGSORT:
    return KIND_SORT;
  case OP_CHOLESKY:
  case OP_TRISOLVE:
  case OP_SOLVE:
    return KIND_SOLVE;
  case OP_LOOP:
    return KIND_LOOP;
  default:
    return KIND_COUNT;
  }
}

// A sum of products that the optimiser has left as it was: the recogniser says once more why.
static void remark_on_sum(Search *s, const Op *op) {
  const Op *product = op->code == OP_REDUCE_SUM ? op->operands[0]->op : NULL;
  if (!product || product->code != OP_MUL) return;
  const char *text = ir_product_obstacle(s->module, product->operands[0], product->operands[1],
                                         op->attr.reduce.axes);
  if (!text) text = "the products are read elsewhere, too";
  for (size_t i = 0; i < s->remarks.count; i++) {
    const ModuleRemark *r = &s->remarks.data[i];
    if (r->span.start == op->span.start && r->span.end == op->span.end && r->text == text) return;
  }
  VEC_PUSH(s->arena, &s->remarks, ((ModuleRemark){op->span, text}));
}

// A `loop` written inside a comprehension runs for all of its entries at once, trip after trip. The
// loops of its derivatives stand at the same place: one remark for all, a condition's first.
static void remark_on_loop(Search *s, const Op *op) {
  if (op->code != OP_LOOP) return;
  bool ends = op->region_count > 1;
  ModuleRemark remark = {op->span,
                         ends ? "a loop, for a condition on its state ends it"
                              : "a loop, for each trip reads the state that the one before left"};
  for (size_t i = 0; i < s->remarks.count; i++) {
    ModuleRemark *r = &s->remarks.data[i];
    if (r->span.start != op->span.start || r->span.end != op->span.end) continue;
    if (ends) *r = remark;
    return;
  }
  VEC_PUSH(s->arena, &s->remarks, remark);
}

static bool is_reporting(const Op *op) {
  const Value *condition = op->code == OP_IF ? op->operands[0] : NULL;
  return condition && !condition->op && condition->name && !strcmp(condition->name, "reporting");
}

// What only reports compute counts where nothing else does: a judgement evaluates the objectives
// once more, at constant start values, where they become something else.
static void collect(Search *s, const Block *block, bool reporting, bool wanted) {
  for (const Op *op = block->first; op; op = op->next) {
    bool reports = reporting || is_reporting(op);
    for (int i = 0; i < op->region_count; i++) collect(s, op->regions[i], reports, wanted);
    Found *f = reporting == wanted ? innermost(s, op->span) : NULL;
    if (!f || (wanted && f->runs)) continue;
    f->runs |= !wanted;
    int kind = kind_of(op);
    if (kind == KIND_COUNT) continue;
    f->kinds[kind] = true;
    remark_on_sum(s, op);
    remark_on_loop(s, op);
  }
}

static void print_place(const Source *source, Span span) {
  Position at = source_position(source, span.start);
  printf("%s:%u:%u: ", source->path, at.line, at.column);
}

static void print_found(const Source *source, const Found *f) {
  print_place(source, f->node->span);
  const NodeList *binders = &f->node->as.comprehension.binders;
  for (size_t i = 0; i < binders->count; i++)
    printf("%s%s", i ? ", " : "for ", binders->data[i]->as.binder.name.name);
  const char *separator = ": ";
  for (int k = 0; k < KIND_COUNT; k++) {
    if (!f->kinds[k]) continue;
    printf("%s%s", separator, kind_texts[k]);
    separator = ", ";
  }
  printf("%s\n", separator[0] == ':' ? ": computed where it is read" : "");
}

static int by_place(const void *a, const void *b) {
  const ModuleRemark *x = a, *y = b;
  return (x->span.start > y->span.start) - (x->span.start < y->span.start);
}

void print_comprehensions(Pipeline *p) {
  Module *module = p->built->module;
  Search s = {.arena = p->arena, .module = module, .source = p->file->span.source};
  const Source *source = source_get(p->compilation->sources, s.source);
  find_comprehensions(&s, p->file);
  for (int reporting = 0; reporting < 2; reporting++)
    for (size_t i = 0; i < module->funcs.count; i++)
      collect(&s, module->funcs.data[i]->body, false, reporting);
  for (size_t i = 0; i < module->remarks.count; i++) { // of indices, made while building
    const Found *f = innermost(&s, module->remarks.data[i].span);
    if (f && f->kinds[KIND_GATHER]) VEC_PUSH(s.arena, &s.remarks, module->remarks.data[i]);
  }
  if (s.remarks.count) qsort(s.remarks.data, s.remarks.count, sizeof *s.remarks.data, by_place);
  for (size_t i = 0; i < s.found.count; i++) {
    const Found *f = &s.found.data[i];
    print_found(source, f);
    for (size_t k = 0; k < s.remarks.count; k++) {
      const ModuleRemark *r = &s.remarks.data[k];
      if (innermost(&s, r->span) != f) continue;
      printf("  ");
      print_place(source, r->span);
      printf("%s\n", r->text);
    }
  }
}
