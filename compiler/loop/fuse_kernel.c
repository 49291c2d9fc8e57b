// The kernel of a group of items.
//
// A group with one cluster is one loop nest over all rows. Otherwise the rows are taken in blocks:
// for each block the clusters run one after the other, so that what one wrote is still in the
// nearest cache for the next. A value nobody outside the group reads exists for one block only (its
// buffer has that many rows), and inside a cluster it is a register. Runs when all homes are known.
#include "loop/fuse.h"

enum { ROWS_OF_MATRICES = 16, ROWS_OF_PRODUCTS = 32, ROWS_OF_VECTORS = 512, NAME_PARTS = 6 };

typedef struct Readers { // of a buffer
  Group *group;          // the only group that touches it
  bool shared;           // touched elsewhere too
} Readers;

typedef struct Fusion {
  Lowering *l;
  Readers *readers; // by buffer id
} Fusion;

// --- which buffers stay inside a group
// ------------------------------------------------------------

static void touch(Fusion *f, const Buffer *buffer, Group *group) {
  if (!buffer) return;
  Readers *r = &f->readers[buffer->id];
  r->shared |= !group || (r->group && r->group != group);
  r->group = group;
}

static void touch_steps(Fusion *f, const StepList *steps) {
  for (size_t i = 0; i < steps->count; i++) {
    const Step *step = steps->data[i];
    for (size_t k = 0; k < step->buffers.count; k++) touch(f, step->buffers.data[k].buffer, NULL);
    touch(f, step->count.buffer, NULL);
    touch(f, step->flag.buffer, NULL);
    touch(f, step->trips.buffer, NULL);
    touch_steps(f, &step->condition);
    touch_steps(f, &step->body);
    touch_steps(f, &step->otherwise);
  }
}

static void touch_work(Fusion *f, const Work *w, Group *g) {
  touch(f, w->item->target.buffer, g);
  for (size_t i = 0; i < w->loads.count; i++) touch(f, w->loads.data[i].buffer, g);
}

static void find_readers(Fusion *f) {
  Lowering *l = f->l;
  f->readers = ARENA_ARRAY(l->arena, Readers, l->schedule->buffers.count + 1);
  touch_steps(f, &l->schedule->steps);
  for (size_t i = 0; i < l->groups.count; i++) {
    Group *g = l->groups.data[i];
    for (size_t k = 0; k < g->works.count; k++) touch_work(f, g->works.data[k], g);
    for (size_t k = 0; k < g->tail.count; k++) touch_work(f, g->tail.data[k], g);
  }
}

static bool stays_inside(const Fusion *f, const Work *w, const Group *g) {
  const Buffer *buffer = w->item->target.buffer;
  if (!buffer || buffer->kind != BUFFER_WORKSPACE || w->item->target.row_count) return false;
  if (w->item->part_type || f->readers[buffer->id].shared) return false;
  for (size_t i = 0; i < g->tail.count; i++)
    for (size_t k = 0; k < g->tail.data[i]->loads.count; k++)
      if (g->tail.data[i]->loads.data[k].buffer == buffer) return false;
  return true;
}

static bool cluster_reads(const Group *g, int cluster, const Buffer *buffer, bool inside) {
  for (size_t i = 0; i < g->works.count; i++) {
    const Work *w = g->works.data[i];
    if ((w->cluster == cluster) != inside) continue;
    for (size_t k = 0; k < w->loads.count; k++)
      if (w->loads.data[k].buffer == buffer) return true;
  }
  return false;
}

// --- one cluster
// ----------------------------------------------------------------------------------

typedef struct Cluster {
  const Fusion *fusion;
  const Group *group;
  VEC(Work *) works;
  VEC(Register *) sums; // by work; NULL for maps
  Space space;
  const RowRange *range;
} Cluster;

static bool is_map(const Work *w) {
  return w->item->kind == ITEM_MAP;
}

static bool is_note(const Work *w) {
  return w->item->kind == ITEM_NOTE || w->item->kind == ITEM_RANGE;
}

static void probe_cluster(Nest *nest, void *self, Space *space) {
  const Cluster *c = self;
  for (size_t i = 0; i < c->works.count; i++) item_probe(nest, c->works.data[i]->item, space);
}

// Axes merge only where no register is declared or stored between them.
static void set_classes(Cluster *c) {
  c->space = item_space(c->works.data[0]->item);
  for (int i = 0; i < c->space.rank; i++) c->space.classes[i] = 0;
  for (size_t k = 0; k < c->works.count; k++)
    for (int i = 0; i < c->space.rank && !is_map(c->works.data[k]); i++)
      c->space.classes[i] += i >= work_kept(c->works.data[k]);
}

static void declare_sums(Nest *nest, Cluster *c, int kept) {
  for (size_t i = 0; i < c->works.count; i++)
    if (!is_map(c->works.data[i]) && work_kept(c->works.data[i]) == kept)
      c->sums.data[i] = kernel_declare(nest->k, item_identity(nest, c->works.data[i]->item));
}

static void store_sums(Nest *nest, const Cluster *c, int kept) {
  for (size_t i = 0; i < c->works.count; i++) {
    const Work *w = c->works.data[i];
    if (is_map(w) || work_kept(w) != kept) continue;
    Expr *sum = expr_register(nest->k, c->sums.data[i]);
    bool add = c->range && c->range->axis >= kept;
    if (is_note(w))
      kernel_note(nest->k, w->item->number, sum);
    else
      item_store(nest, w->item, &c->space, sum, add);
  }
}

// A map: into a register where others of the cluster read it, to memory unless nobody else does.
static void cluster_map(Nest *nest, const Cluster *c, const Work *w) {
  Expr *value = item_element(nest, w->item, &c->space);
  Buffer *target = w->item->target.buffer;
  bool read_here = cluster_reads(c->group, w->cluster, target, true);
  bool inside = stays_inside(c->fusion, w, c->group);
  if (read_here) {
    Forward forward = {target, kernel_declare(nest->k, value)};
    value = expr_register(nest->k, forward.reg);
    if (!inside || cluster_reads(c->group, w->cluster, target, false))
      item_store(nest, w->item, &c->space, value, false);
    VEC_PUSH(nest->arena, &nest->forwards, forward);
  } else {
    item_store(nest, w->item, &c->space, value, false);
  }
}

static void cluster_body(Nest *nest, const Cluster *c) {
  for (size_t i = 0; i < c->works.count; i++) {
    const Work *w = c->works.data[i];
    if (is_map(w))
      cluster_map(nest, c, w);
    else
      kernel_accumulate(nest->k, c->sums.data[i], item_reduction(w->item),
                        item_element(nest, w->item, &c->space));
  }
}

static void emit_shared_loops(Nest *nest, Cluster *c) {
  int last, opened = 0;
  bool sums = false;
  for (size_t i = 0; i < c->works.count; i++) {
    Register *none = NULL;
    VEC_PUSH(nest->arena, &c->sums, none);
    sums |= !is_map(c->works.data[i]);
  }
  set_classes(c);
  space_prepare(nest, &c->space, c->works.data[0]->item->span, c->range, probe_cluster, c);
  nest_restart(nest);
  last = space_last(&c->space);
  for (int i = 0; i < c->space.rank; i++) {
    declare_sums(nest, c, i);
    if (c->space.gone[i]) continue;
    space_open(nest, &c->space, i, i == last ? FOR_VECTOR : FOR_SERIAL,
               i == last && !opened && sums ? 4 : 1);
    opened++;
  }
  cluster_body(nest, c);
  for (int i = c->space.rank - 1; i >= 0; i--) {
    if (!c->space.gone[i]) kernel_end(nest->k);
    store_sums(nest, c, i);
  }
  nest_restart(nest);
}

static void emit_cluster(Nest *nest, Cluster *c) {
  nest_restart(nest);
  if (c->works.count > 1)
    emit_shared_loops(nest, c);
  else
    lower_item(nest, c->works.data[0]->item, c->range);
  nest_restart(nest);
}

// --- groups
// ---------------------------------------------------------------------------------------

static const char *item_name(const Item *item) {
  switch (item->kind) {
  case ITEM_MAP:
    return item->compute && item->value->op ? op_table[item->value->op->code].text
           : item->value                    ? "copy"
                                            : "clear";
  case ITEM_CLEAR_ROWS:
    return "clear_rows";
  case ITEM_COUNT:
    return "count";
  case ITEM_NOTE:
    return "note";
  case ITEM_RANGE:
    return "range";
  default:
    return op_table[item->op->code].text;
  }
}

static const char *group_name(Lowering *l, const Group *g) {
  const char *name = NULL;
  size_t total = g->works.count + g->tail.count;
  for (size_t i = 0; i < total && i < NAME_PARTS; i++) {
    const Work *w = i < g->works.count ? g->works.data[i] : g->tail.data[i - g->works.count];
    const char *part = item_name(w->item);
    name = name ? arena_printf(l->arena, "%s_%s", name, part) : part;
  }
  return name;
}

// A value that lives for one block of rows: its buffer shrinks to that.
static void add_window(Nest *nest, const Work *w, Expr *low, int64_t rows) {
  Module *module = nest->module;
  const Type *type = w->item->type;
  Buffer *buffer = w->item->target.buffer;
  const Dim *stride = dim_const(module->dims, 1);
  for (int i = 1; i < type->rank; i++) stride = dim_mul(module->dims, stride, type->shape[i]);
  const Affine *shift = affine_scale(module, affine_variable(module, low), stride);
  RowWindow window = {buffer, shift};
  VEC_PUSH(nest->arena, &nest->windows, window);
  buffer->entries = dim_scale(module->dims, stride, rows);
}

// Products with two free axes gain from longer blocks, products with one from blocks that stay in
// the nearest cache.
static int64_t rows_per_block(const Group *g) {
  for (size_t i = 0; i < g->works.count; i++)
    if (g->works.data[i]->item->kind == ITEM_DOT && g->works.data[i]->space.rank > 2)
      return ROWS_OF_PRODUCTS;
  for (size_t i = 0; i < g->works.count; i++)
    if (g->works.data[i]->space.rank > 1) return ROWS_OF_MATRICES;
  return ROWS_OF_VECTORS;
}

static void emit_clusters(const Fusion *f, Nest *nest, const Group *g, const RowRange *range) {
  for (int c = 0; c < g->cluster_count; c++) {
    Cluster cluster = {.fusion = f, .group = g};
    RowRange own;
    for (size_t i = 0; i < g->works.count; i++)
      if (g->works.data[i]->cluster == c) VEC_PUSH(nest->arena, &cluster.works, g->works.data[i]);
    if (range) {
      own = *range;
      own.axis = cluster.works.data[0]->row;
      cluster.range = &own;
    }
    emit_cluster(nest, &cluster);
  }
}

static void emit_blocks(const Fusion *f, Nest *nest, const Group *g) {
  KernelBuilder *k = nest->k;
  int64_t rows = rows_per_block(g);
  Axis *block = kernel_axis(k, "block");
  Expr *low = expr_axis(k, block), *end = expr_dim(k, g->rows);
  for (size_t i = 0; i < g->works.count; i++) {
    const Work *w = g->works.data[i];
    if (work_sums_rows(w)) {
      nest_restart(nest);
      item_clear(nest, w->item);
    }
    if (work_target_axis(w) == 0 && w->item->kind != ITEM_UNVIEW && w->item->kind != ITEM_SCATTER &&
        stays_inside(f, w, g))
      add_window(nest, w, low, rows);
  }
  kernel_for_general(k, block, expr_index(k, 0), end, rows, FOR_SERIAL, 1, 1);
  RowRange range = {-1, low, expr_binary(k, OP_MIN, expr_add(k, low, expr_index(k, rows)), end)};
  emit_clusters(f, nest, g, &range);
  kernel_end(k);
}

static void emit_group(const Fusion *f, Group *g) {
  Lowering *l = f->l;
  const Work *first = g->works.count ? g->works.data[0] : g->tail.data[0];
  Nest nest = nest_create(l, group_name(l, g), first->item->span);
  if (g->cluster_count > 1)
    emit_blocks(f, &nest, g);
  else
    emit_clusters(f, &nest, g, NULL);
  for (size_t i = 0; i < g->tail.count; i++) {
    nest_restart(&nest);
    lower_item(&nest, g->tail.data[i]->item, NULL);
  }
  Step *step = g->step;
  step->kernel = kernel_finish(nest.k);
  for (size_t i = 0; i < nest.buffers.count; i++) {
    BufferUse use = {nest.buffers.data[i], -1, NULL};
    VEC_PUSH(l->arena, &step->buffers, use);
  }
  for (size_t i = 0; i < nest.scalars.count; i++)
    VEC_PUSH(l->arena, &step->scalars, nest.scalars.data[i]);
  Kernel *kernel = step->kernel;
  for (size_t i = 0; i < l->schedule->kernels.count; i++) {
    if (l->schedule->kernels.data[i]->hash != kernel->hash) continue;
    step->kernel = l->schedule->kernels.data[i];
    return;
  }
  VEC_PUSH(l->arena, &l->schedule->kernels, kernel);
}

void fuse_emit(Lowering *l) {
  Fusion f = {.l = l};
  find_readers(&f);
  for (size_t i = 0; i < l->groups.count; i++) emit_group(&f, l->groups.data[i]);
}
