// grad, jvp, vjp and hvp of function values.
//
// The one rule against perturbation confusion: the function is evaluated completely in a block of
// its own, on parameters distinct from the point; the block is differentiated; the results are
// copied to the enclosing block with the point in the place of the parameters. Inner derivatives
// are plain ops before the outer derivative looks at them.
#include "evaluate/staging.h"

#include <string.h>

typedef struct Region {
  Block *block, *outer;
  Staged *point;     // statics made real
  ValueList at;      // leaves of the point
  Staged *result;    // of the function
  ValueList outputs; // its leaves
  const char *name;  // "grad"
  Span span;
} Region;

static Staged *make_real(Evaluator *e, Staged *leaf, void *self) {
  (void)self;
  if (staged_is_number(leaf)) return staged_tensor(e, static_value(e, leaf, e->real));
  return staged_tensor(e, leaf_value(e, leaf));
}

// "the field `index` of the point": which leaf is no real number. NULL when all are.
static const char *find_discrete(Evaluator *e, const Staged *s, const char *path) {
  if (s->kind == STAGED_TREE) {
    const Layout *layout = s->tree.layout;
    for (int i = 0; i < layout->count; i++) {
      const char *step = layout->names ? arena_printf(e->arena, "%s.%s", path, layout->names[i])
                         : layout->kind == LAYOUT_ARRAY
                             ? path
                             : arena_printf(e->arena, "%s, part %d", path, i + 1);
      const char *found = find_discrete(e, s->tree.children[i], step);
      if (found) return found;
    }
    return NULL;
  }
  if (dtype_is_float(s->tensor->type->dtype)) return NULL;
  return arena_printf(e->arena, "%s is %s", path, type_phrase(e, s->tensor->type));
}

static bool check_point(Evaluator *e, Staged *at, const char *name, Span span) {
  if (staged_is_poison(at)) return false;
  if (staged_is_data(at)) return true;
  mistake(e, E0311, span, "`%s` cannot differentiate by %s", name, staged_describe(e, at));
  return false;
}

// `order`: how often the function is differentiated by the point.
static bool region_open(Evaluator *e, Region *r, Staged *function, Staged *at, const char *name,
                        int order, Span span) {
  *r = (Region){.name = name, .span = span, .outer = e->builder.block};
  if (staged_is_poison(function) || !check_point(e, at, name, span)) return false;
  if (function->kind != STAGED_FUNCTION && function->kind != STAGED_OBJECT) {
    mistake(e, E0303, span, "`%s` needs a function, this is %s", name,
            staged_describe(e, function));
    return false;
  }
  r->point = map_leaves(e, at, make_real, NULL);
  const char *discrete = find_discrete(e, r->point, "the point");
  if (discrete) {
    Diagnostic *d = mistake(e, E0311, span, "`%s` by a value that is no real number", name);
    diagnostic_note(d, "%s", discrete);
    diagnostic_help(d, "derivatives are taken by f16, bf16, f32 or f64 values");
    return false;
  }
  staged_leaves(e, r->point, &r->at);
  r->block = block_create(e->module, r->outer);
  for (size_t i = 0; i < r->at.count; i++) block_add_param(r->block, r->at.data[i]->type, NULL);
  Value *const *params = r->block->params.data;
  Staged *inside = staged_rebuild(e, r->point, &params);
  e->builder.block = r->block;
  Derivation derivation = {r->block, &r->at, order, e->derivations};
  e->derivations = &derivation;
  r->result = apply(e, function, &inside, 1, span);
  e->derivations = derivation.outer;
  if (!staged_is_poison(r->result) && !staged_is_data(r->result)) {
    mistake(e, E0311, span, "`%s` of a function whose value is %s", name,
            staged_describe(e, r->result));
    r->result = staged_poison;
  }
  if (!staged_is_poison(r->result)) staged_leaves(e, r->result, &r->outputs);
  e->builder.block = r->outer;
  return !staged_is_poison(r->result);
}

static Staged *report_derivative(Evaluator *e, const Region *r, const DiffError *error) {
  const char *text = error->text ? error->text : "this has no derivative";
  bool bound = strstr(text, "trip") || strstr(text, "bound");
  Diagnostic *d = mistake(e, bound ? E0501 : E0311, r->span, "`%s`: %s", r->name, text);
  if (error->span.source) diagnostic_label(d, error->span, "here");
  return staged_poison;
}

// Values of the region (NULL: zero) to the enclosing block, in the layout of `like`.
static Staged *region_close(Evaluator *e, Region *r, Value *const *values, int count,
                            const Staged *like, const ValueList *like_leaves) {
  Value **wanted = ARENA_ARRAY(e->arena, Value *, (size_t)count + 1);
  Value **results = ARENA_ARRAY(e->arena, Value *, (size_t)count + 1);
  Builder inside = builder_at(r->block);
  inside.span = r->span;
  for (int i = 0; i < count; i++)
    wanted[i] = values[i] ? values[i] : ir_zero(&inside, like_leaves->data[i]->type);
  ir_inline(&e->builder, r->block, r->at.data, wanted, count, results);
  Value *const *leaves = results;
  return staged_rebuild(e, like, &leaves);
}

// --- reverse -------------------------------------------------------------------------------------

static bool region_gradient(Evaluator *e, Region *r, Value **gradient) {
  if (r->outputs.count != 1 || r->result->kind == STAGED_TREE || r->outputs.data[0]->type->rank) {
    Diagnostic *d = mistake(e, E0311, r->span,
                            "`%s` needs a function with one number as its value, "
                            "this one gives %s",
                            r->name, staged_describe(e, r->result));
    diagnostic_help(d, "sum or average it, or use `vjp` or `jvp`");
    return false;
  }
  Value *output = r->outputs.data[0];
  if (!dtype_is_float(output->type->dtype)) {
    mistake(e, E0311, r->span, "`%s` of a function whose value is %s", r->name,
            type_phrase(e, output->type));
    return false;
  }
  Builder inside = builder_at(r->block);
  inside.span = r->span;
  Value *one = ir_real(&inside, output->type, 1.0);
  DiffError error = {0};
  if (diff_vjp(r->block, r->block->params.data, (int)r->at.count, &output, &one, 1, gradient,
               &error))
    return true;
  report_derivative(e, r, &error);
  return false;
}

Staged *derive_grad(Evaluator *e, Staged *function, Staged *at, Span span) {
  Region r;
  if (!region_open(e, &r, function, at, "grad", 1, span)) return staged_poison;
  Value **gradient = ARENA_ARRAY(e->arena, Value *, r.at.count + 1);
  if (!region_gradient(e, &r, gradient)) return staged_poison;
  return region_close(e, &r, gradient, (int)r.at.count, r.point, &r.at);
}

// Brings a direction or cotangent to the layout and types of `like`; false after a report.
static bool fit_leaves(Evaluator *e, Staged *value, Staged *like, const char *what, Span span,
                       ValueList *leaves) {
  if (staged_is_poison(value)) return false;
  bool fits = staged_is_data(value) && staged_layout(value) == staged_layout(like);
  ValueList wanted = {0};
  staged_leaves(e, like, &wanted);
  if (fits && value->kind != STAGED_TREE && staged_is_number(value)) {
    value = staged_tensor(e, broadcast_to(e, static_value(e, value, wanted.data[0]->type->dtype),
                                          wanted.data[0]->type));
  }
  if (fits) staged_leaves(e, value, leaves);
  for (size_t i = 0; fits && i < wanted.count; i++) {
    Value *leaf = leaves->data[i];
    if (leaf->type == wanted.data[i]->type) continue;
    fits = false;
  }
  if (fits) return true;
  mistake(e, E0301, span, "%s is %s, wanted is %s", what, staged_describe(e, value),
          staged_describe(e, like));
  return false;
}

Staged *derive_vjp(Evaluator *e, Staged *function, Staged *at, Staged *cotangent, Span span) {
  Region r;
  ValueList cotangents = {0};
  if (!region_open(e, &r, function, at, "vjp", 1, span)) return staged_poison;
  Value *const *outputs = r.outputs.data;
  Staged *like = staged_rebuild(e, r.result, &outputs);
  if (!fit_leaves(e, cotangent, like, "the cotangent of `vjp`", span, &cotangents))
    return staged_poison;
  Value **results = ARENA_ARRAY(e->arena, Value *, r.at.count + 1);
  DiffError error = {0};
  if (!diff_vjp(r.block, r.block->params.data, (int)r.at.count, r.outputs.data, cotangents.data,
                (int)r.outputs.count, results, &error))
    return report_derivative(e, &r, &error);
  return region_close(e, &r, results, (int)r.at.count, r.point, &r.at);
}

// --- forward -------------------------------------------------------------------------------------

// A direction from deeper inside than the point changes more often than it: what does not depend on
// it should stay apart so that it can leave the loop.
static bool changes_faster(const ValueList *directions, const Region *r) {
  for (size_t i = 0; i < directions->count; i++) {
    const Block *inner = directions->data[i]->block;
    bool deeper = true;
    for (size_t k = 0; k < r->at.count; k++) {
      const Block *outer = r->at.data[k]->block;
      deeper = deeper && outer != inner && block_encloses(outer, inner);
    }
    if (deeper) return true;
  }
  return false;
}

static bool push_forward(Region *r, const ValueList *directions, Value *const *outputs, int count,
                         Value **results, DiffError *error) {
  int inputs = (int)r->at.count;
  Value *const *params = r->block->params.data;
  return changes_faster(directions, r)
             ? diff_linearise(r->block, params, directions->data, inputs, outputs, count, results,
                              error)
             : diff_jvp(r->block, params, directions->data, inputs, outputs, count, results, error);
}

Staged *derive_jvp(Evaluator *e, Staged *function, Staged *at, Staged *direction, Span span) {
  Region r;
  ValueList directions = {0};
  if (!region_open(e, &r, function, at, "jvp", 1, span)) return staged_poison;
  if (!fit_leaves(e, direction, r.point, "the direction of `jvp`", span, &directions))
    return staged_poison;
  int count = (int)r.outputs.count;
  Value **results = ARENA_ARRAY(e->arena, Value *, (size_t)count + 1);
  DiffError error = {0};
  if (!push_forward(&r, &directions, r.outputs.data, count, results, &error))
    return report_derivative(e, &r, &error);
  return region_close(e, &r, results, count, r.result, &r.outputs);
}

Staged *derive_hvp(Evaluator *e, Staged *function, Staged *at, Staged *direction, Span span) {
  Region r;
  ValueList directions = {0};
  if (!region_open(e, &r, function, at, "hvp", 2, span)) return staged_poison;
  if (!fit_leaves(e, direction, r.point, "the direction of `hvp`", span, &directions))
    return staged_poison;
  size_t count = r.at.count;
  Value **gradient = ARENA_ARRAY(e->arena, Value *, count + 1);
  Value **results = ARENA_ARRAY(e->arena, Value *, count + 1);
  if (!region_gradient(e, &r, gradient)) return staged_poison;
  // entries of the gradient that are zero stay zero
  Value **outputs = ARENA_ARRAY(e->arena, Value *, count + 1);
  Value **tangents = ARENA_ARRAY(e->arena, Value *, count + 1);
  int known = 0;
  for (size_t i = 0; i < count; i++)
    if (gradient[i]) outputs[known++] = gradient[i];
  DiffError error = {0};
  if (!push_forward(&r, &directions, outputs, known, tangents, &error))
    return report_derivative(e, &r, &error);
  known = 0;
  for (size_t i = 0; i < count; i++) results[i] = gradient[i] ? tangents[known++] : NULL;
  return region_close(e, &r, results, (int)count, r.point, &r.at);
}
