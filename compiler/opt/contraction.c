// Contractions in index form: every axis of two factors and of the result has a label.
//
// A label in both factors and the result is a batch axis, in both factors only it is contracted, in
// one factor and the result it is free, in one factor only that factor is summed first, in the
// result only the result repeats. Views that reorder or repeat axes just change labels.
#include "ir/ir_internal.h"
#include "opt/algebra.h"

static bool names(const int8_t *axes, int count, int axis) {
  for (int i = 0; i < count; i++)
    if (axes[i] == axis) return true;
  return false;
}

Contraction contraction_of_dot(Value *x, Value *y, const Attr *attr) {
  Contraction c = {.factor = {x, y}};
  int batch = attr->dot.batch_count, contract = attr->dot.contract_count;
  for (int i = 0; i < x->type->rank; i++) {
    c.extent[c.labels] = x->type->shape[i];
    c.label[0][i] = (int8_t)c.labels++;
  }
  for (int i = 0; i < y->type->rank; i++) c.label[1][i] = -1;
  for (int i = 0; i < batch; i++) {
    c.label[1][attr->dot.right_batch[i]] = c.label[0][attr->dot.left_batch[i]];
    c.out[c.out_rank++] = c.label[0][attr->dot.left_batch[i]];
  }
  for (int i = 0; i < contract; i++)
    c.label[1][attr->dot.right_contract[i]] = c.label[0][attr->dot.left_contract[i]];
  for (int i = 0; i < x->type->rank; i++)
    if (!names(attr->dot.left_batch, batch, i) && !names(attr->dot.left_contract, contract, i))
      c.out[c.out_rank++] = c.label[0][i];
  for (int i = 0; i < y->type->rank; i++) {
    if (c.label[1][i] >= 0) continue;
    c.extent[c.labels] = y->type->shape[i];
    c.out[c.out_rank++] = c.label[1][i] = (int8_t)c.labels++;
  }
  return c;
}

bool view_reorders(const Op *view, int *axis_of) {
  const IndexMap *map = &view->attr.map;
  const Type *in = view->operands[0]->type, *out = view->attr.type;
  uint32_t used = 0;
  for (int i = 0; i < map->in_rank; i++) {
    int axis = map_axis(map, i);
    if (axis < 0 || used >> axis & 1 || in->shape[i] != out->shape[axis]) return false;
    used |= 1u << axis;
    axis_of[i] = axis;
  }
  return true;
}

bool contraction_strip_views(Contraction *c) {
  bool changed = false;
  for (int f = 0; f < 2; f++) {
    const Op *op = c->factor[f]->op;
    int axis_of[MAX_RANK];
    if (!op || op->code != OP_VIEW || !view_reorders(op, axis_of)) continue;
    int8_t label[MAX_RANK];
    Value *inner = op->operands[0];
    for (int i = 0; i < inner->type->rank; i++) label[i] = c->label[f][axis_of[i]];
    for (int i = 0; i < inner->type->rank; i++) c->label[f][i] = label[i];
    c->factor[f] = inner;
    changed = true;
  }
  return changed;
}

static int axis_with(const int8_t *labels, int rank, int label) {
  for (int i = 0; i < rank; i++)
    if (labels[i] == label) return i;
  return -1;
}

static int factor_axis(const Contraction *c, int f, int label) {
  return axis_with(c->label[f], c->factor[f]->type->rank, label);
}

static bool in_result(const Contraction *c, int label) {
  return axis_with(c->out, c->out_rank, label) >= 0;
}

// Sums a factor over labels that nothing else has.
static void sum_alone(Builder *b, Contraction *c, int f) {
  uint32_t axes = 0;
  int rank = c->factor[f]->type->rank, kept = 0;
  for (int i = 0; i < rank; i++) {
    int label = c->label[f][i];
    if (factor_axis(c, 1 - f, label) < 0 && !in_result(c, label)) {
      axes |= 1u << i;
    } else {
      c->label[f][kept++] = (int8_t)label;
    }
  }
  if (axes) c->factor[f] = ir_reduce(b, OP_REDUCE_SUM, c->factor[f], axes);
}

// x has axes with these labels; the result has axes `out`, repeating where x has none.
static Value *arrange(Builder *b, const Contraction *c, Value *x, const int8_t *labels) {
  const Dim *shape[MAX_RANK];
  int axes[MAX_RANK];
  for (int k = 0; k < c->out_rank; k++) shape[k] = c->extent[c->out[k]];
  for (int i = 0; i < x->type->rank; i++) axes[i] = axis_with(c->out, c->out_rank, labels[i]);
  return ir_broadcast(b, x, type_get(b->module, x->type->dtype, c->out_rank, shape), axes);
}

// The attributes of dot with the factors in their order, and the labels of its result.
typedef struct Layout {
  Attr attr;
  int8_t labels[2 * MAX_RANK];
  int rank;
} Layout;

static Layout layout_of(const Contraction *c) {
  Layout l = {0};
  for (int k = 0; k < c->out_rank; k++) { // batch axes in the order of the result
    int left = factor_axis(c, 0, c->out[k]), right = factor_axis(c, 1, c->out[k]);
    if (left < 0 || right < 0) continue;
    l.attr.dot.left_batch[l.attr.dot.batch_count] = (int8_t)left;
    l.attr.dot.right_batch[l.attr.dot.batch_count++] = (int8_t)right;
    l.labels[l.rank++] = c->out[k];
  }
  for (int f = 0; f < 2; f++)
    for (int i = 0; i < c->factor[f]->type->rank; i++) {
      int label = c->label[f][i], other = factor_axis(c, 1 - f, label);
      if (other < 0) l.labels[l.rank++] = (int8_t)label;
      if (f || other < 0 || in_result(c, label)) continue;
      l.attr.dot.left_contract[l.attr.dot.contract_count] = (int8_t)i;
      l.attr.dot.right_contract[l.attr.dot.contract_count++] = (int8_t)other;
    }
  return l;
}

static bool in_order(const Contraction *c, const Layout *l) {
  if (l->rank != c->out_rank) return false;
  for (int k = 0; k < l->rank; k++)
    if (l->labels[k] != c->out[k]) return false;
  return true;
}

static Contraction swapped(const Contraction *c) {
  Contraction s = *c;
  for (int f = 0; f < 2; f++) {
    s.factor[f] = c->factor[1 - f];
    for (int i = 0; i < MAX_RANK; i++) s.label[f][i] = c->label[1 - f][i];
  }
  return s;
}

bool contraction_is_direct(const Contraction *c) {
  Contraction s = swapped(c);
  Layout there = layout_of(c), back = layout_of(&s);
  return in_order(c, &there) || in_order(&s, &back);
}

Value *contraction_build(Builder *b, const Contraction *given) {
  Contraction c = *given;
  for (int label = 0; label < c.labels; label++)
    if (!in_result(&c, label) && factor_axis(&c, 0, label) < 0 && factor_axis(&c, 1, label) < 0)
      return NULL;
  for (int f = 0; f < 2; f++) sum_alone(b, &c, f);
  Layout layout = layout_of(&c);
  if (!in_order(&c, &layout)) {
    Contraction s = swapped(&c);
    Layout other = layout_of(&s);
    if (in_order(&s, &other)) c = s, layout = other;
  }
  const Type *x = c.factor[0]->type, *y = c.factor[1]->type;
  if (x->rank && y->rank)
    return arrange(b, &c, ir_dot(b, c.factor[0], c.factor[1], &layout.attr), layout.labels);
  int f = x->rank ? 0 : 1; // the other one is a scalar
  Value *scalar = ir_broadcast_suffix(b, c.factor[1 - f], c.factor[f]->type);
  return arrange(b, &c, ir_binary(b, OP_MUL, c.factor[f], scalar), layout.labels);
}
