// The program's real type: what `real` means outside functions, and what literals become that meet
// no tensor.
//
// Enters: the file, the chosen solve block, overrides. Leaves: a float type. Data declared `real`
// is read in this type, so it has to be known before anything else; a test may say `precision` for
// itself.
#include "build/program.h"

#include <string.h>

static Dtype named_type(const char *text) {
  static const Dtype types[] = {DT_F64, DT_F32};
  for (int i = 0; i < 2; i++)
    if (strcmp(text, dtype_text(types[i])) == 0) return types[i];
  return DT_COUNT;
}

static Dtype of_settings(const NodeList *settings) {
  for (size_t i = 0; i < settings->count; i++) {
    const Node *node = settings->data[i];
    if (node->kind != NODE_SETTING || node->as.setting.key.count != 1) continue;
    const Node *value = node->as.setting.value;
    if (strcmp(node->as.setting.key.data[0].name, "precision") == 0 && value->kind == TYPE_ELEMENT)
      return (Dtype)value->as.element_type.element;
  }
  return DT_COUNT;
}

static Dtype of_solve(const Build *b) {
  const BuildOptions *options = b->options;
  for (size_t i = 0; i < options->override_count; i++)
    if (strcmp(options->overrides[i].key, "precision") == 0)
      return named_type(options->overrides[i].value);
  const NodeList *items = &b->program->file->as.file.items;
  for (size_t i = 0; i < items->count; i++) {
    if (items->data[i]->kind != ITEM_SOLVE) continue;
    const char *name = items->data[i]->as.solve.name.name, *wanted = options->solve;
    bool chosen = wanted && *wanted ? name && strcmp(name, wanted) == 0 : !name;
    if (chosen) return of_settings(&items->data[i]->as.solve.settings);
  }
  return DT_COUNT;
}

static Dtype widest_leaf(Context *c, const Level *level, Dtype widest) {
  for (size_t k = 0; k < level->variables.count; k++) {
    ValueList leaves = {0};
    staged_leaves(c->e, level->variables.data[k].like, &leaves);
    for (size_t n = 0; n < leaves.count; n++) {
      Dtype dtype = leaves.data[n]->type->dtype;
      if (widest == DT_COUNT || dtype > widest) widest = dtype;
    }
  }
  return widest;
}

typedef struct Widest {
  Context *context;
  Dtype widest;
} Widest;

static void widen(Stage *nested, void *self) {
  Widest *search = self;
  search->widest = widest_leaf(search->context, &nested->lower, search->widest);
}

// The levels are typed once, for this alone; what is wrong with them is told later. With the
// narrowest type for `real`, parts of library structs that are declared `real` have no say.
static Dtype of_variables(Build *b) {
  size_t mark = diagnostics_mark(build_diagnostics(b));
  b->real = DT_F16;
  Context *c = context_create(b, module_create(b->arena, b->compilation->names));
  Dtype widest = DT_COUNT;
  if (stages_collect(c))
    for (size_t i = 0; i < c->stages.count && i < 1; i++) {
      widest = widest_leaf(c, &c->stages.data[i]->upper, widest);
      widest = widest_leaf(c, &c->stages.data[i]->lower, widest);
      Widest search = {c, widest};
      nested_each(c->stages.data[i], widen, &search);
      widest = search.widest;
    }
  diagnostics_rewind(build_diagnostics(b), mark);
  b->failed_items = NULL;
  return widest == DT_F16 ? DT_COUNT : widest;
}

typedef struct Written {
  bool f64, f32;
} Written;

// A test speaks for itself only.
static void find_written(void *self, Node *node) {
  Written *written = self;
  if (node->kind == ITEM_TEST) return;
  if (node->kind == TYPE_ELEMENT) {
    written->f64 |= node->as.element_type.element == EL_F64;
    written->f32 |= node->as.element_type.element == EL_F32 ||
                    node->as.element_type.element == EL_F16 ||
                    node->as.element_type.element == EL_BF16;
  }
  node_children(node, find_written, self);
}

Dtype program_real(Build *b) {
  Dtype real = of_solve(b);
  if (real == DT_COUNT) real = of_variables(b);
  if (real == DT_COUNT) {
    Written written = {0};
    node_children(b->program->file, find_written, &written);
    real = written.f32 && !written.f64 ? DT_F32 : DT_F64;
  }
  return dtype_is_float(real) && real >= DT_F32 ? real : DT_F32;
}
