// Counting oracle calls: gradients, Hessian-vector products and mixed products of F and f.
//
// Enters: a call of an objective at (x, y), and the derivatives that are being taken around it.
// Leaves: a note that only counts, in the block where the call stands, so that what is counted is
// what runs: calls in a loop once an iteration, those in a branch when it is taken. The kind of a
// call follows from which derivatives its arguments depend on.
#include "build/program.h"
#include "evaluate/staging.h"

#include <string.h>

enum { MAX_DERIVATIONS = 8 };

// ---- which derivatives a value depends on

typedef struct Search {
  const Derivation *derivations[MAX_DERIVATIONS]; // innermost first
  int count;
  unsigned found; // one bit each
  Map *seen;
} Search;

static void search_value(Search *s, const Value *value);

static void search_block(Search *s, const Block *block) {
  for (const Op *op = block->first; op; op = op->next) {
    for (int i = 0; i < op->operand_count; i++) search_value(s, op->operands[i]);
    for (int i = 0; i < op->region_count; i++) search_block(s, op->regions[i]);
  }
}

// A derivative's parameter moves with it and with what its point depends on. The parameter of a
// loop that is still being built carries whatever its body reads: it depends on every derivative
// around the loop.
static void search_parameter(Search *s, const Value *value) {
  for (int i = 0; i < s->count; i++) {
    if (s->derivations[i]->block != value->block) continue;
    s->found |= 1u << i;
    search_value(s, s->derivations[i]->at->data[value->index]);
    return;
  }
  for (int i = 0; i < s->count; i++)
    if (block_encloses(s->derivations[i]->block, value->block)) s->found |= 1u << i;
}

static void search_value(Search *s, const Value *value) {
  if (map_has(s->seen, value)) return;
  map_put(s->seen, value, s);
  const Op *op = value->op;
  if (!op) {
    search_parameter(s, value);
    return;
  }
  if (op->code == OP_STOP) return;
  for (int i = 0; i < op->operand_count; i++) search_value(s, op->operands[i]);
  for (int i = 0; i < op->region_count; i++) search_block(s, op->regions[i]);
}

static unsigned dependence(Context *c, Search *s, Staged *bundle) {
  ValueList leaves = {0};
  if (!bundle) return 0;
  staged_leaves(c->e, bundle, &leaves);
  s->found = 0;
  s->seen = map_create(c->build->arena);
  for (size_t i = 0; i < leaves.count; i++) search_value(s, leaves.data[i]);
  return s->found;
}

// ---- one count for one point

// Where a derivative's parameter stands for a point, that point.
static const Value *base_value(const Search *s, const Value *value) {
  for (int i = 0; i < s->count && !value->op; i++)
    if (s->derivations[i]->block == value->block) value = s->derivations[i]->at->data[value->index];
  return value;
}

// F_x and F_y of one point are one gradient. True when this one was counted before.
static bool counted(Context *c, const Search *s, const char *text, Staged *x, Staged *y) {
  OraclePoint point = {.text = text,
                       .block = s->count ? s->derivations[s->count - 1]->block->parent
                                         : c->e->builder.block};
  ValueList leaves = {0};
  if (x) staged_leaves(c->e, x, &leaves);
  if (y) staged_leaves(c->e, y, &leaves);
  for (size_t i = 0; i < leaves.count; i++)
    VEC_PUSH(c->build->arena, &point.leaves, base_value(s, leaves.data[i]));
  for (size_t i = 0; i < c->build->oracles.count; i++) {
    const OraclePoint *known = &c->build->oracles.data[i];
    bool same = known->block == point.block && !strcmp(known->text, text) &&
                known->leaves.count == point.leaves.count;
    for (size_t k = 0; same && k < point.leaves.count; k++)
      same = known->leaves.data[k] == point.leaves.data[k];
    if (same) return true;
  }
  VEC_PUSH(c->build->arena, &c->build->oracles, point);
  return false;
}

// `of`: what decides the counted value. Rows of a batch that agree in it share one.
static void count(Context *c, const char *text, const ValueList *of) {
  Builder *b = &c->e->builder;
  ValueList operands = {0};
  VEC_PUSH(c->build->arena, &operands, ir_integer(b, scalar_type(c, DT_BOOL), 1));
  for (size_t i = 0; of && i < of->count; i++) VEC_PUSH(c->build->arena, &operands, of->data[i]);
  Attr attr = {.note = {.number = module_note(c->module, ERROR_NONE, text, (Span){0})}};
  ir_op(b, OP_NOTE, operands.data, (int)operands.count, &attr, NULL, 0);
}

// A gradient is one of the point, the draw, the rows of the families around and the part of the
// table; a product is one of its direction, too, which no call sees.
static ValueList deciding(Context *c, Staged *x, Staged *y) {
  ValueList values = {0};
  Value *others[] = {c->e->dynamic.key, c->e->dynamic.part};
  if (x) staged_leaves(c->e, x, &values);
  if (y) staged_leaves(c->e, y, &values);
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    if (others[i]) VEC_PUSH(c->e->arena, &values, others[i]);
  for (const FamilyRow *row = c->rows; row; row = row->outer)
    VEC_PUSH(c->e->arena, &values, row->number);
  return values;
}

void oracle_count(Context *c, bool upper, Staged *x, Staged *y) {
  if (!c->build->options->count_oracles || c->stage->sample || c->e->in_report) return;
  Search search = {0};
  for (const Derivation *d = c->e->derivations; d && search.count < MAX_DERIVATIONS; d = d->outer)
    search.derivations[search.count++] = d;
  unsigned by_x = dependence(c, &search, x), by_y = dependence(c, &search, y);
  int order = 0, order_y = 0;
  bool mixed = false;
  for (int i = 0; i < search.count; i++) {
    unsigned bit = 1u << i;
    if ((by_x | by_y) & bit) order += search.derivations[i]->order;
    if (by_y & bit) order_y += search.derivations[i]->order;
    mixed |= (by_x & bit) && (by_y & ~bit);
  }
  // A derivative that moves both arguments follows a trajectory, whose own steps are gradients.
  bool trajectory = mixed && (by_x & by_y);
  ValueList of = deciding(c, x, y);
  if (order == 0 && !counted(c, &search, "", x, y))
    count(c, upper ? ORACLE_VALUE " of F" : ORACLE_VALUE " of f", &of);
  if (order == 1 || trajectory) {
    const char *text = upper ? ORACLE_GRADIENT " of F" : ORACLE_GRADIENT " of f";
    if (!counted(c, &search, text, x, y)) count(c, text, &of);
  }
  if (order < 2) return;
  if (mixed) count(c, upper ? ORACLE_MIXED " of F" : ORACLE_MIXED " of f", NULL);
  if (order_y >= 2 || !mixed) count(c, upper ? ORACLE_HVP " of F" : ORACLE_HVP " of f", NULL);
}
