// Lower problems below others: a solved level, seen from above, is a function of what is above it.
//
// Enters: `lower` blocks inside `lower` blocks, side by side, or in families. Leaves: for each one
// a Stage of its own, whose upper variables are those of all levels above; and, at a point of the
// level above, the lower variables that its method's step leaves. That value carries its derivative
// as the method wrote it, so levels nest to any depth with no rule of their own.
#include "build/program.h"
#include "evaluate/staging.h"

// ---- the tree of problems

Stage *stage_root(const Stage *stage) {
  while (stage->above) stage = stage->above;
  return (Stage *)(uintptr_t)stage;
}

void nested_each(Stage *stage, void (*visit)(Stage *nested, void *self), void *self) {
  for (size_t i = 0; i < stage->nested.count; i++) {
    visit(stage->nested.data[i], self);
    nested_each(stage->nested.data[i], visit, self);
  }
}

static int subtree_count(const Stage *nested) {
  int count = 1;
  for (size_t i = 0; i < nested->nested.count; i++) count += subtree_count(nested->nested.data[i]);
  return count;
}

static const Level *last_level(const Stage *stage) {
  return stage->single ? &stage->upper : &stage->lower;
}

void nested_add(Context *c, Stage *above, const Node *item) {
  if (item->as.level.upper) return; // said by check
  Arena *arena = c->build->arena;
  Stage *nested = ARENA_NEW(arena, Stage);
  *nested = (Stage){.name = above->name,
                    .node = above->node,
                    .names = above->names,
                    .owners = above->owners,
                    .lower_batches = map_create(arena),
                    .above = above};
  nested->upper.word = "upper";
  nested->lower.word = "lower";
  VEC_PUSH(arena, &above->nested, nested);
  level_clauses(c, nested, &nested->lower, item);
  const NodeList *clauses = &item->as.level.clauses;
  for (size_t i = 0; i < clauses->count; i++) map_put(nested->owners, clauses->data[i], nested);
  if (!item->as.level.family_of) return;
  nested->family = item;
  if (item->as.level.family_binding)
    map_put(nested->names, item->as.level.family_binding, (void *)(uintptr_t)item);
}

Stage *nested_owner(const Stage *stage, const Binding *binding, size_t *place) {
  for (size_t i = 0; i < stage->nested.count; i++) {
    Stage *nested = stage->nested.data[i];
    for (size_t k = 0; k < nested->lower.variables.count; k++) {
      *place = k;
      if (nested->lower.variables.data[k].node->as.var.binding == binding) return nested;
    }
    Stage *below = nested_owner(nested, binding, place);
    if (below) return below;
  }
  return NULL;
}

// ---- types

static void take_upper(Context *c, Stage *nested) {
  const Stage *above = nested->above;
  const Level *last = last_level(above), *levels[] = {&above->upper, &above->lower};
  Level *upper = &nested->upper;
  upper->node = last->node;
  upper->objective = last->objective;
  upper->maximize = last->maximize;
  upper->variables.count = 0;
  for (int i = 0; i < 2; i++)
    for (size_t k = 0; k < levels[i]->variables.count; k++)
      VEC_PUSH(c->build->arena, &upper->variables, levels[i]->variables.data[k]);
}

static bool family_states(Context *c, const Stage *nested) {
  if (!nested->lower.states.count) return true;
  const Stage *at = nested;
  while (at && !at->family) at = at->above;
  if (!at) return true;
  Diagnostic *d = report(build_diagnostics(c->build), E0207, nested->lower.states.data[0]->span,
                         "a level in a family carries no `state`: it has one solution per row");
  diagnostic_help(d, "declare the state in the level above");
  return false;
}

bool nested_type(Context *c, Stage *stage) {
  Stage *root = stage_root(stage);
  if (stage == root) root->nested_count = 0;
  bool ok = true;
  for (size_t i = 0; i < stage->nested.count && ok; i++) {
    Stage *nested = stage->nested.data[i];
    if (nested->unsupported) return false;
    take_upper(c, nested);
    nested->index = root->nested_count++;
    ok = level_complete(c, nested, &nested->lower) && family_states(c, nested);
    ok = ok && prox_check(c, &nested->lower);
    ok = ok && level_type(c, &nested->upper) && level_type(c, &nested->lower);
    if (ok && nested->family) {
      Point *point = point_open(c, root, NULL, NULL);
      nested->rows = family_rows(c, nested);
      point_close(c, point);
      ok = nested->rows != NULL;
    }
    ok = ok && nested_type(c, nested);
  }
  return ok;
}

// ---- solutions

// The variables above a nested problem as one bundle.
static Staged *nested_upper(Context *c, const Stage *nested, Staged *x, Staged *y) {
  const Stage *above = nested->above;
  const Level *levels[] = {&above->upper, &above->lower};
  Staged *bundles[] = {x, y};
  Staged **parts = ARENA_ARRAY(c->build->arena, Staged *, nested->upper.variables.count + 1);
  size_t count = 0;
  for (int i = 0; i < 2; i++)
    for (size_t k = 0; k < levels[i]->variables.count; k++) {
      if (!bundles[i]) return staged_poison;
      parts[count++] = level_part(levels[i], bundles[i], k);
    }
  return level_bundle(c, &nested->upper, parts);
}

/// What is evaluated of a nested problem.
typedef struct Solve {
  Context *context;
  Stage *nested;
  Point *at;            // of the level above
  bool whole, starting; // with all problems below; the declared start values
  Span span;
} Solve;

static Staged *solve(const Solve *s);

static Staged *solve_start(Context *c, Stage *nested, Staged *x, Span span) {
  bool warm = c->warm && !nested->cold;
  return warm ? family_kept(c, nested, c->warm[nested->index])
              : start_bundle(c, nested, &nested->lower, x, span);
}

static Staged *solution(Context *c, Stage *nested, Staged *x, Span span) {
  if (c->given && c->given->nested == nested) return family_own_row(c, nested, c->given->value);
  if (nested->solving) {
    Diagnostic *d = mistake(c->e, E0207, span, "these lower problems need each other's solution");
    diagnostic_label(d, nested->lower.objective->span, "one of them is solved here");
    diagnostic_help(d, "write them as one level, or one below the other");
    return staged_poison;
  }
  bool formulas = level_is_updated(&nested->lower);
  if (!nested->method && !formulas) return staged_poison; // said where the solve block was read
  nested->solving = true;
  Staged *start = solve_start(c, nested, x, span);
  Staged *y = staged_is_poison(start) ? start
              : formulas              ? level_update(c, &nested->lower, x, start, start)
                                      : method_solution(c, x, start);
  nested->solving = false;
  return y;
}

// The problem's own variables, then those of the problems below, in order of their index.
static Staged *solve_here(const Solve *s) {
  Context *c = s->context;
  Stage *nested = s->nested;
  Staged *x = nested_upper(c, nested, s->at->x, s->at->y);
  if (staged_is_poison(x)) return x;
  Staged *y = s->starting ? start_bundle(c, nested, &nested->lower, x, s->span)
                          : solution(c, nested, x, s->span);
  if (staged_is_poison(y) || !s->whole || !nested->nested.count) return y;
  Staged **parts = ARENA_ARRAY(c->build->arena, Staged *, (size_t)subtree_count(nested) + 1);
  int count = 0;
  parts[count++] = y;
  Point *point = point_open(c, nested, x, y);
  for (size_t i = 0; i < nested->nested.count; i++) {
    Stage *child = nested->nested.data[i];
    Solve below = {c, child, point, true, s->starting, s->span};
    Staged *value = solve(&below);
    int values = subtree_count(child);
    for (int k = 0; k < values && !staged_is_poison(value); k++)
      parts[count++] = values == 1 ? value : tree_child(c->e, value, k);
  }
  point_close(c, point);
  return count == subtree_count(nested) ? staged_tuple(c->e, parts, count) : staged_poison;
}

static Staged *solve_row(Evaluator *e, Value *counter, Staged *carries, void *self) {
  (void)e;
  (void)counter;
  (void)carries;
  return solve_here(self);
}

// Every solve in a step sees the draws of the step's beginning: its solution is one function.
static Standing enter(Context *c, Stage *nested, Point *at) {
  Standing saved = standing_save(c);
  c->stage = nested;
  c->above = at;
  c->iteration = NULL;
  c->solved = NULL;
  c->kept = NULL;
  c->e->dynamic.loops = NULL;
  c->e->dynamic.part = NULL; // a problem below has parts of its own
  dynamic_draw(c->e, scalar_int(c, 0));
  return saved;
}

static Staged *solve(const Solve *s) {
  Context *c = s->context;
  const Dim *rows = NULL;
  if (s->nested->family) {
    Point *point = c->point;
    c->point = s->at;
    rows = family_rows(c, s->nested);
    c->point = point;
    if (!rows) return staged_poison;
  }
  Standing saved = enter(c, s->nested, s->at);
  Staged *value = rows ? family_map(c, s->nested, rows, solve_row, (void *)(uintptr_t)s, s->span)
                       : solve_here(s);
  standing_restore(c, &saved);
  return value;
}

// ---- at a point of the level above

// The problem's variables; `nested` is directly below the point's stage.
static Staged *nested_bundle(Context *c, Point *point, Stage *nested, Span span) {
  if (point->solved) return family_kept(c, nested->above, point->solved[nested->index]);
  Staged *known = map_get(point->values, nested);
  if (known) return known;
  Solve s = {c, nested, point, false, point->starting, span};
  Staged *value = solve(&s);
  map_put(point->values, nested, value);
  return value;
}

static Point *open_below(Context *c, Point *point, Stage *nested, Staged *y) {
  Point *open = c->point, *above = c->above;
  Staged *const *solved = c->solved;
  Staged *x = nested_upper(c, nested, point->x, point->y);
  c->above = point;
  c->solved = point->solved;
  Point *below = point_open(c, nested, x, y);
  below->states = point->states;
  c->point = open;
  c->above = above;
  c->solved = solved;
  return below;
}

// The point at which a problem that is no family stands; made once per point above.
static Point *point_below(Context *c, Point *point, Stage *nested, Span span) {
  void *key = &nested->lower; // the problem itself is the key of its variables
  Point *known = map_get(point->values, key);
  if (known) return known;
  Point *below = open_below(c, point, nested, nested_bundle(c, point, nested, span));
  map_put(point->values, key, below);
  return below;
}

// The problem below the point's stage on the way to `nested`; NULL when it is not below.
static Stage *next_below(const Point *point, Stage *nested) {
  Stage *at = nested;
  while (at && at->above != point->stage) at = at->above;
  return at;
}

Staged *nested_part(Context *c, const Stage *nested, Staged *value, size_t place) {
  if (staged_is_poison(value) || nested->lower.variables.count == 1) return value;
  return tree_child(c->e, value, (int)place);
}

Staged *nested_variable(Context *c, Point *point, const Binding *binding, Span span) {
  size_t place;
  Stage *nested = nested_owner(stage_root(point->stage), binding, &place);
  Stage *next = nested ? next_below(point, nested) : NULL;
  if (!next) // beside it, or above
    return point->above ? point_value(c, point->above, binding, span) : NULL;
  if (next == nested) return nested_part(c, nested, nested_bundle(c, point, nested, span), place);
  if (point->solved)
    return nested_part(c, nested, family_kept(c, point->stage, point->solved[nested->index]),
                       place);
  if (!next->family) return point_value(c, point_below(c, point, next, span), binding, span);
  Solve s = {c, next, point, true, point->starting, span};
  Staged *values = solve(&s);
  if (staged_is_poison(values)) return values;
  return nested_part(c, nested, tree_child(c->e, values, nested->index - next->index), place);
}

Point *nested_point_of(Context *c, Point *point, const Node *clause) {
  if (clause->kind != NODE_LET && clause->kind != NODE_BATCH) return NULL;
  Stage *owner = map_get(point->stage->owners, clause);
  if (!owner) return point->stage->above ? point->above : NULL;
  if (owner == point->stage) return NULL;
  Stage *next = next_below(point, owner);
  if (!next) return point->above;
  return next->family ? NULL : point_below(c, point, next, clause->span);
}

Staged **nested_values(Context *c, Point *point, bool starting, Span span) {
  Stage *root = point->stage;
  Staged **list = ARENA_ARRAY(c->build->arena, Staged *, (size_t)root->nested_count + 1);
  for (size_t i = 0; i < root->nested.count; i++) {
    Stage *nested = root->nested.data[i];
    Solve s = {c, nested, point, true, starting, span};
    Staged *value = solve(&s);
    int count = subtree_count(nested);
    for (int k = 0; k < count; k++)
      list[nested->index + k] =
          count == 1 || staged_is_poison(value) ? value : tree_child(c->e, value, k);
  }
  return list;
}

// ---- what a nested level says for itself

typedef struct Visit {
  Context *context;
  Point *point;
  Stage *nested;
  NestedFunction function;
  void *self;
  Span span;
  bool begins;   // where the solve starts, not where it ends
  Staged *slope; // of a family, see family_slope; or NULL
} Visit;

static Staged *visit(const Visit *v) {
  Context *c = v->context;
  Staged *x = nested_upper(c, v->nested, v->point->x, v->point->y);
  Staged *y = v->begins          ? solve_start(c, v->nested, x, v->span)
              : v->point->solved ? family_kept(c, v->nested, v->point->solved[v->nested->index])
                                 : solution(c, v->nested, x, v->span);
  if (staged_is_poison(y)) return y;
  Point *below = open_below(c, v->point, v->nested, y), *open = c->point;
  c->point = below;
  Staged *value = v->function(c, below, v->self);
  c->point = open;
  return value;
}

static Staged *visit_row(Evaluator *e, Value *counter, Staged *carries, void *self) {
  (void)e;
  (void)counter;
  (void)carries;
  const Visit *v = self;
  Context *c = v->context;
  Staged *slope = c->row_slope;
  if (v->slope) c->row_slope = family_own_row(c, v->nested, v->slope);
  Staged *value = visit(v);
  c->row_slope = slope;
  return value;
}

static Staged *objective_given(const Call *call, void *self) {
  const Visit *v = self;
  Context *c = v->context;
  Stage *above = v->nested->above;
  GivenSolution given = {v->nested, call->positional[0]};
  const GivenSolution *before = c->given;
  c->given = &given;
  Staged *value = above->single
                      ? merit_value(c, above, v->point->x, v->point->y, v->span)
                      : objective_value(c, above, &above->lower, v->point->x, v->point->y, v->span);
  c->given = before;
  return value;
}

// The derivative of the objective above by all rows of a family at its solution. In reports it
// stands for that objective: a row has none of its own.
static Staged *family_slope(Context *c, const Visit *v) {
  Staged *const *solved = c->solved;
  Staged *at = family_kept(c, v->nested->above, v->point->solved[v->nested->index]);
  c->solved = NULL;
  Staged *function =
      staged_native(c->e, "the objective above", objective_given, (void *)(uintptr_t)v);
  Staged *slope = derive_grad(c->e, function, at, v->span);
  c->solved = solved;
  return slope;
}

static Staged *visit_below(Context *c, Point *point, void *self) {
  Visit v = *(Visit *)self;
  v.context = c;
  v.point = point;
  v.slope =
      v.begins && v.nested->family && method_judges_upper(c, v.nested) ? family_slope(c, &v) : NULL;
  if (v.slope && staged_is_poison(v.slope)) return v.slope;
  Standing saved = enter(c, v.nested, point);
  Staged *value =
      v.nested->family ? family_map(c, v.nested, v.nested->rows, visit_row, &v, v.span) : visit(&v);
  standing_restore(c, &saved);
  return value;
}

static Staged *visit_down(const Visit *v) {
  Stage *above = v->nested->above;
  void *self = (void *)(uintptr_t)v;
  if (above == v->point->stage) return visit_below(v->context, v->point, self);
  Visit over = {v->context, v->point, above, visit_below, self, v->span, false, NULL};
  return visit_down(&over);
}

Staged *nested_evaluate(Context *c, Point *point, Stage *nested, NestedFunction function,
                        void *self, Span span) {
  Visit v = {c, point, nested, function, self, span, false, NULL};
  return visit_down(&v);
}

Staged *nested_begin(Context *c, Point *point, Stage *nested, NestedFunction function, void *self,
                     Span span) {
  Visit v = {c, point, nested, function, self, span, true, NULL};
  return visit_down(&v);
}

static Staged *evaluate_report(Context *c, Point *point, void *self) {
  (void)point;
  const Node *clause = self;
  return evaluate(c->e, clause->as.report.value, NULL, NULL);
}

Staged *nested_report(Context *c, Point *point, const Node *clause) {
  Stage *owner = map_get(point->stage->owners, clause);
  void *node = (void *)(uintptr_t)clause;
  if (!owner || owner == point->stage) return evaluate_report(c, point, node);
  return nested_evaluate(c, point, owner, evaluate_report, node, clause->span);
}

static Staged *evaluate_ensures(Context *c, Point *point, void *self) {
  (void)self;
  ensures_evaluate(c, &point->stage->lower);
  return staged_tensor(c->e, scalar_int(c, 0));
}

typedef struct Ensures {
  Context *context;
  Point *point;
} Ensures;

static void ensure_nested(Stage *nested, void *self) {
  const Ensures *ensures = self;
  if (nested->lower.ensures.count)
    nested_evaluate(ensures->context, ensures->point, nested, evaluate_ensures, NULL,
                    nested->lower.node->span);
}

void nested_ensures(Context *c, Point *point) {
  Ensures ensures = {c, point};
  nested_each(point->stage, ensure_nested, &ensures);
}

// ---- for the level checks

static Staged *some_parts(Context *c, const Level *level, const Level *all, Staged *x,
                          size_t first) {
  size_t count = level->variables.count;
  if (!count) return NULL;
  Staged **parts = ARENA_ARRAY(c->build->arena, Staged *, count + 1);
  for (size_t i = 0; i < count; i++) parts[i] = level_part(all, x, first + i);
  return level_bundle(c, level, parts);
}

void nested_stand(Context *c, Stage *nested, Staged *x) {
  Stage *above = nested->above;
  Staged *outer = some_parts(c, &above->upper, &nested->upper, x, 0);
  Staged *inner = some_parts(c, &above->lower, &nested->upper, x, above->upper.variables.count);
  Point *over = NULL, *open = c->point;
  c->above = NULL;
  if (above->above) {
    nested_stand(c, above, outer);
    over = c->above;
  }
  Point *point = point_open(c, above, outer, inner);
  c->point = open;
  c->above = point;
  if (over && !above->family) { // seen from further above, the solution is this
    map_put(over->values, above, inner);
    map_put(over->values, &above->lower, point);
  }
  if (!nested->family) return;
  FamilyRow *row = ARENA_NEW(c->build->arena, FamilyRow);
  *row = (FamilyRow){nested, entry_input(c, "row", scalar_type(c, DT_I64), BLO_ROLE_ARGUMENT, 0),
                     c->rows};
  c->rows = row;
}
