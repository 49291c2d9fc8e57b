// Which items share a kernel.
//
// One sweep over the items between two control steps, in program order. Every value of a group is,
// for the group's row axis, invariant (comes from outside), aligned (row r of it is computed in row
// r) or summed over the rows. An item joins a group if all it reads from the group is aligned with
// one axis of its own; what is summed is complete only after the last row, so its readers go
// elsewhere. Among the items of a group those with the same iteration space, reading each other at
// the same place only, share their loops as well.
//
// Independent items join where they read the same rows of a buffer, or have the same iteration
// space as a group of a single loop nest. Scalars follow the group that made their operands.
#include "loop/fuse.h"

// --- what an item reads and where
// -----------------------------------------------------------------

static Work *work_create(Lowering *l, Item *item) {
  Work *w = ARENA_NEW(l->arena, Work);
  *w = (Work){.item = item, .space = item_space(item), .row = -1, .group = -1, .cluster = -1};
  Nest scratch = nest_create(l, "probe", item->span);
  for (int i = 0; i < w->space.rank; i++) {
    w->axes[i] = expr_axis(scratch.k, kernel_axis(scratch.k, "i"));
    w->space.index[i] = affine_variable(l->module, w->axes[i]);
  }
  item_probe(&scratch, item, &w->space);
  for (size_t i = 0; i < scratch.uses.count; i++)
    if (scratch.uses.data[i].load) VEC_PUSH(l->arena, &w->loads, scratch.uses.data[i]);
  w->placed = item_place(&scratch, item, &w->space, w->place);
  return w;
}

static bool adds_to_target(const Item *item) {
  return item->kind == ITEM_UNVIEW || item->kind == ITEM_SCATTER || item->kind == ITEM_UPDATE;
}

static bool reads(const Work *w, const Buffer *buffer) {
  if (adds_to_target(w->item) && w->item->target.buffer == buffer) return true;
  for (size_t i = 0; i < w->loads.count; i++)
    if (w->loads.data[i].buffer == buffer) return true;
  return false;
}

// Must `later` stay behind `earlier`?
static bool depends(const Work *later, const Work *earlier) {
  const Buffer *written = earlier->item->target.buffer, *target = later->item->target.buffer;
  return (written && (reads(later, written) || target == written)) ||
         (target && reads(earlier, target));
}

static bool is_scalar(const Work *w) {
  return w->space.rank == 0 && w->item->kind != ITEM_CLEAR_ROWS && !adds_to_target(w->item);
}

// The axis of the space that an index is, or -1.
static int plain_axis(const Work *w, const Affine *index) {
  int64_t offset, factor;
  if (index->count != 1 || !dim_is_const(index->offset, &offset) || offset) return -1;
  if (!dim_is_const(index->terms[0].factor, &factor) || factor != 1) return -1;
  for (int i = 0; i < w->space.rank; i++)
    if (w->axes[i] == index->terms[0].variable) return i;
  return -1;
}

static bool is_check(const Work *w) {
  return w->item->kind == ITEM_NOTE || w->item->kind == ITEM_RANGE;
}

// A dot without free axes is a reduction of products. Is the item a map, or such a reduction of
// which the kept axes come first?
static bool work_can_share_loops(Work *w) {
  const Item *item = w->item;
  if (item->kind == ITEM_MAP || is_check(w)) return true;
  if (item->kind == ITEM_DOT && item->type->rank > item->op->attr.dot.batch_count) return false;
  if (item->kind != ITEM_REDUCE && item->kind != ITEM_DOT) return false;
  int kept = work_kept(w);
  if (kept == w->space.rank) return false;
  for (int i = 0; i < w->space.rank; i++)
    if ((item_target_axis(item, i) >= 0) != (i < kept)) return false;
  return true;
}

int work_kept(const Work *w) {
  if (is_check(w)) return 0;
  return w->item->type->rank;
}

static bool can_follow_rows(const Work *w, int axis) {
  switch (w->item->kind) {
  case ITEM_MAP:
  case ITEM_REDUCE:
  case ITEM_DOT:
  case ITEM_NOTE:
  case ITEM_RANGE:
    return true;
  case ITEM_ARGMAX:
    return item_target_axis(w->item, axis) >= 0;
  case ITEM_CUMSUM:
    return axis != w->item->op->attr.scan.axis;
  case ITEM_UNVIEW:
  case ITEM_SCATTER:
    for (int i = 0; i < w->item->type->rank; i++)
      if (plain_axis(w, w->place[i]) == axis) return true;
    return false;
  default:
    return false;
  }
}

int work_target_axis(const Work *w) {
  for (int i = 0; w->placed && w->row >= 0 && i < w->item->type->rank; i++)
    if (plain_axis(w, w->place[i]) == w->row) return i;
  return -1;
}

bool work_sums_rows(const Work *w) {
  return w->row >= 0 && (w->item->kind == ITEM_REDUCE || w->item->kind == ITEM_DOT) &&
         item_target_axis(w->item, w->row) < 0;
}

// --- joining
// --------------------------------------------------------------------------------------

// The axis of w that follows the rows of producer p, from all that w reads or writes of p's target;
// -1: none.
static int aligned_axis(const Work *w, const Work *p) {
  int target_axis = work_target_axis(p), axis = -1;
  if (target_axis < 0 || p->item->part_type) return -1;
  if (reads(p, w->item->target.buffer)) return -1;
  if (w->item->target.buffer == p->item->target.buffer) {
    axis = adds_to_target(w->item) ? plain_axis(w, w->place[target_axis]) : -1;
    if (axis < 0) return -1;
  }
  for (size_t i = 0; i < w->loads.count; i++) {
    const LinearUse *load = &w->loads.data[i];
    if (load->buffer != p->item->target.buffer) continue;
    if (!load->index || target_axis >= load->rank) return -1;
    int found = plain_axis(w, load->index[target_axis]);
    if (found < 0 || (axis >= 0 && found != axis)) return -1;
    axis = found;
  }
  return axis;
}

// An axis of w along which it reads the same rows of a buffer as p does along its row; -1: none.
static int shared_axis(const Work *w, const Work *p) {
  int least = is_check(w) ? 1 : 2;
  for (size_t i = 0; i < p->loads.count; i++) {
    const LinearUse *theirs = &p->loads.data[i];
    if (!theirs->index || theirs->rank < least) continue;
    for (size_t k = 0; k < w->loads.count; k++) {
      const LinearUse *ours = &w->loads.data[k];
      if (ours->buffer != theirs->buffer || !ours->index || ours->rank != theirs->rank) continue;
      if (plain_axis(p, theirs->index[0]) != p->row) continue;
      int axis = plain_axis(w, ours->index[0]);
      if (axis >= 0 && can_follow_rows(w, axis)) return axis;
    }
  }
  return -1;
}

// Blocks of rows pay when the largest operands are walked row by row, not by blocks of columns.
static bool walks_rows(const Work *w, int axis) {
  int largest = 1;
  for (size_t i = 0; i < w->loads.count; i++)
    if (w->loads.data[i].rank > largest) largest = w->loads.data[i].rank;
  if (w->item->kind == ITEM_MAP && w->item->type->rank >= largest) return axis == 0;
  if (largest == 1) return true;
  bool walked = false;
  for (size_t i = 0; i < w->loads.count; i++) {
    const LinearUse *load = &w->loads.data[i];
    if (load->rank != largest || !load->index) continue;
    walked |= plain_axis(w, load->index[0]) == axis;
    for (int k = 1; k < load->rank; k++)
      if (affine_factor(load->index[k], w->axes[axis])) return false;
  }
  return walked;
}

// The axis of w that is aligned with all that w depends on in g; -1: none, or it reads a sum over
// the rows.
static int aligned_with_group(const Work *w, const Group *g) {
  int axis = -1;
  for (size_t i = 0; i < g->tail.count; i++)
    if (depends(w, g->tail.data[i])) return -1;
  for (size_t i = 0; i < g->works.count; i++) {
    const Work *p = g->works.data[i];
    if (!depends(w, p)) continue;
    int found = aligned_axis(w, p);
    if (found < 0 || (axis >= 0 && found != axis)) return -1;
    axis = found;
  }
  return axis;
}

static bool depends_on_group(const Work *w, const Group *g) {
  for (size_t i = 0; i < g->works.count; i++)
    if (depends(w, g->works.data[i])) return true;
  for (size_t i = 0; i < g->tail.count; i++)
    if (depends(w, g->tail.data[i])) return true;
  return false;
}

// The axis of w that follows the rows of g; -1: it cannot join.
static int row_in_group(const Work *w, const Group *g) {
  int axis = -1;
  if (depends_on_group(w, g))
    axis = aligned_with_group(w, g);
  else
    for (size_t i = 0; i < g->works.count && axis < 0; i++) axis = shared_axis(w, g->works.data[i]);
  return axis >= 0 && can_follow_rows(w, axis) && walks_rows(w, axis) ? axis : -1;
}

static bool same_space(const Work *a, const Work *b) {
  if (a->space.rank != b->space.rank) return false;
  for (int i = 0; i < a->space.rank; i++)
    if (a->space.extents[i] != b->space.extents[i]) return false;
  return true;
}

// Can w run in the loops of p, reading what p writes at the place where p writes it only?
static bool shares_loops(Work *w, Work *p) {
  if (!work_can_share_loops(w) || !work_can_share_loops(p) || !same_space(w, p)) return false;
  if (!depends(w, p)) return true;
  if (p->item->kind != ITEM_MAP || p->item->part_type) return false;
  if (w->item->target.buffer == p->item->target.buffer) return false;
  for (size_t i = 0; i < w->loads.count; i++) {
    const LinearUse *load = &w->loads.data[i];
    if (load->buffer != p->item->target.buffer) continue;
    if (!load->index) return false;
    for (int k = 0; k < load->rank; k++)
      if (plain_axis(w, load->index[k]) != k) return false;
  }
  return !p->item->target.buffer || !reads(p, w->item->target.buffer);
}

// The first cluster w can join: behind everything it depends on, and with all members sharing
// loops.
static int find_cluster(Work *w, const Group *g) {
  int first = 0;
  for (size_t i = 0; i < g->works.count; i++) {
    Work *p = g->works.data[i];
    if (depends(w, p) && p->cluster >= first) first = p->cluster + !shares_loops(w, p);
  }
  for (int c = first; c < g->cluster_count; c++) {
    bool fits = true;
    for (size_t i = 0; i < g->works.count && fits; i++) {
      Work *p = g->works.data[i];
      if (p->cluster == c) fits = shares_loops(w, p) && p->row == w->row;
    }
    if (fits) return c;
  }
  return g->cluster_count;
}

static void add_work(Lowering *l, Group *g, Work *w, int row) {
  w->row = row;
  w->cluster = find_cluster(w, g);
  if (w->cluster == g->cluster_count) g->cluster_count++;
  VEC_PUSH(l->arena, &g->works, w);
}

// The axis of a new group's rows: the leading axis of the larger operand of a dot, else the first.
static int natural_row(const Work *w) {
  const Item *item = w->item;
  int axis = w->space.rank ? 0 : -1;
  if (item->kind == ITEM_DOT && w->space.rank) {
    const Value *left = item->op->operands[0], *right = item->op->operands[1];
    bool prefer_left = left->type->rank >= right->type->rank;
    for (size_t i = 0; i < w->loads.count; i++) {
      const LinearUse *load = &w->loads.data[i];
      if (!load->index || load->rank != (prefer_left ? left : right)->type->rank || !load->rank)
        continue;
      int found = plain_axis(w, load->index[0]);
      if (found >= 0) {
        axis = found;
        break;
      }
    }
  }
  return axis >= 0 && can_follow_rows(w, axis) ? axis : -1;
}

static Group *new_group(Lowering *l, GroupList *groups) {
  Group *g = ARENA_NEW(l->arena, Group);
  VEC_PUSH(l->arena, groups, g);
  return g;
}

static int last_dependency(const Work *w, const GroupList *groups) {
  for (int i = (int)groups->count - 1; i >= 0; i--)
    if (depends_on_group(w, groups->data[i])) return i;
  return -1;
}

// Can group b run with the rows of the earlier group a? What b reads must be there by then, and
// what it reads of a must be aligned.
static bool can_absorb(const GroupList *groups, int a, int b) {
  const Group *target = groups->data[a], *moved = groups->data[b];
  // A reader of a part of the rows is aligned with both, though one has more.
  if (target->rows != moved->rows) return false;
  for (size_t i = 0; i < moved->works.count; i++) {
    const Work *w = moved->works.data[i];
    if (!can_follow_rows(w, w->row)) return false;
    for (int k = a + 1; k < b; k++)
      if (depends_on_group(w, groups->data[k])) return false;
    if (depends_on_group(w, target) && aligned_with_group(w, target) != w->row) return false;
  }
  return !moved->tail.count && !moved->alone && !target->alone;
}

// A reader of two groups of as many rows, aligned with both along one axis, shows that their rows
// are the same: they become one. (Of longer rows it may read or write only the first, as a slice
// does.) Only groups without a tail move.
static void join_groups(Lowering *l, GroupList *groups, const Work *w) {
  int b = last_dependency(w, groups);
  for (int a = b - 1; a >= 0; a--) {
    Group *target = groups->data[a], *moved = groups->data[b];
    if (!depends_on_group(w, target)) continue;
    int axis = aligned_with_group(w, target);
    if (axis < 0 || axis != aligned_with_group(w, moved) || !can_absorb(groups, a, b)) return;
    for (size_t i = 0; i < moved->works.count; i++)
      add_work(l, target, moved->works.data[i], moved->works.data[i]->row);
    for (size_t i = (size_t)b + 1; i < groups->count; i++) groups->data[i - 1] = groups->data[i];
    groups->count--;
    b = a;
  }
}

// Independent items of equal space share the loops of a group that is one loop nest.
static int row_by_space(Work *w, const Group *g) {
  if (g->cluster_count != 1 || !work_can_share_loops(w)) return -1;
  for (size_t i = 0; i < g->works.count; i++)
    if (!shares_loops(w, g->works.data[i])) return -1;
  for (size_t i = 0; i < g->tail.count; i++)
    if (depends(w, g->tail.data[i])) return -1;
  return g->works.data[0]->row;
}

static void place_work(Lowering *l, GroupList *groups, Work *w, bool fuse) {
  if (fuse && !is_scalar(w)) join_groups(l, groups, w);
  int first = last_dependency(w, groups);
  for (int i = first < 0 ? 0 : first; fuse && i < (int)groups->count; i++) {
    Group *g = groups->data[i];
    if (g->alone) continue;
    if (is_scalar(w)) {
      if (i != first && g->works.count) continue;
      VEC_PUSH(l->arena, &g->tail, w);
      return;
    }
    int row = row_in_group(w, g);
    if (row < 0) row = row_by_space(w, g);
    if (row < 0 || w->space.extents[row] != g->rows) continue;
    add_work(l, g, w, row);
    return;
  }
  Group *g = new_group(l, groups);
  if (is_scalar(w)) {
    VEC_PUSH(l->arena, &g->tail, w);
    return;
  }
  int row = natural_row(w);
  g->alone = row < 0 && !work_can_share_loops(w);
  if (row >= 0) g->rows = w->space.extents[row];
  add_work(l, g, w, row);
}

void lower_flush(Lowering *l) {
  GroupList groups = {0};
  for (size_t i = 0; i < l->items.count; i++)
    place_work(l, &groups, work_create(l, l->items.data[i]), l->options.fuse);
  l->items.count = 0;
  for (size_t i = 0; i < groups.count; i++) {
    Step *step = ARENA_NEW(l->arena, Step);
    step->kind = STEP_LAUNCH;
    step->counter = -1;
    groups.data[i]->step = step;
    VEC_PUSH(l->arena, l->steps, step);
    VEC_PUSH(l->arena, &l->groups, groups.data[i]);
  }
}
