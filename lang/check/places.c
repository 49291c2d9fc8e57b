// Places: which call of the program a call is, as a number that random draws are keyed by.
//
// Enters: parsed files. Leaves: the place of every call: the chain of named things around it (item,
// declaration), the name that is called, and which call of that name it is there, in the order of
// the text. The one idea: nothing of the layout enters, no offset, line, comment or file name, and
// nothing of what stands outside the innermost named thing.
#include "check/check.h"

#include <string.h>

typedef struct Numbering {
  Map *counts; // label -> how often it was met
  uint64_t around;
} Numbering;

static uint64_t hash_text(uint64_t seed, const char *text) {
  return text ? hash_bytes(seed, text, strlen(text)) : hash_mix(seed, 0);
}

// Things of one label in one place (files with functions of one name, too) are told apart by count.
static uint64_t numbered(Numbering *n, uint64_t label) {
  const void *key = (const void *)(uintptr_t)(label | 1);
  uintptr_t count = (uintptr_t)map_get(n->counts, key);
  map_put(n->counts, key, (void *)(count + 1));
  return hash_mix(label, count);
}

// The words are part of what a seed means: they outlive the order of the node kinds.
static const char *item_word(const Node *node, Name *name) {
  switch (node->kind) {
  case ITEM_CONST:
    return *name = node->as.constant.name.name, "const";
  case ITEM_STRUCT:
    return *name = node->as.structure.name.name, "struct";
  case ITEM_DATA:
    return *name = node->as.data.name.name, "data";
  case ITEM_FUNCTION:
    return *name = node->as.function.name.name, "fn";
  case ITEM_LEVEL:
    return *name = node->as.level.name.name, node->as.level.upper ? "upper" : "lower";
  case ITEM_SOLVE:
    return *name = node->as.solve.name.name, "solve";
  case ITEM_STAGE:
    return *name = node->as.stage.name.name, "stage";
  case ITEM_TEST:
    return *name = node->as.test.name, "test";
  case ITEM_METHOD:
    return *name = node->as.method.name.name, "method";
  case ITEM_OPTIMIZER:
    return *name = node->as.optimizer.name.name, "optimizer";
  case ITEM_SET:
    return *name = node->as.set.name.name, "set";
  case ITEM_RULE:
    return *name = node->as.rule.name.name, node->as.rule.vjp ? "vjp" : "jvp";
  default:
    return NULL;
  }
}

static const char *declaration_word(const Node *node, Name *name) {
  switch (node->kind) {
  case NODE_VAR:
    return *name = node->as.var.name.name, "var";
  case NODE_STATE:
    return *name = node->as.state.name.name, "state";
  case NODE_BATCH:
    return *name = node->as.batch.name.name, "batch";
  case NODE_LET:
    if (node->as.let.pattern->kind == PATTERN_NAME)
      *name = node->as.let.pattern->as.pattern_name.name;
    return "let";
  case NODE_REPORT:
    return *name = node->as.report.name.name, "report";
  case NODE_OBJECTIVE:
    return "objective";
  case NODE_SUBJECT:
    return *name = node->as.subject.name.name, "subject";
  case NODE_PROX:
    return *name = node->as.prox.name.name, "prox";
  case NODE_UPDATE:
    return *name = node->as.update.name.name, "update";
  case NODE_SETTING: // `upper.step`: the last word
    if (node->as.setting.key.count)
      *name = node->as.setting.key.data[node->as.setting.key.count - 1].name;
    return "setting";
  case PART_FIELD:
    return *name = node->as.field.name.name, "field";
  case PART_PARAM:
    return *name = node->as.param.name.name, "param";
  case PART_SET_FUNCTION:
    return *name = node->as.set_function.name.name, "map";
  default:
    return NULL;
  }
}

static Name called_name(const Node *callee) {
  if (callee->kind == EXPR_NAME) return callee->as.name.name;
  return callee->kind == EXPR_MEMBER ? callee->as.member.member.name : NULL;
}

static void number(void *self, Node *node) {
  Numbering *n = self;
  Name name = NULL;
  const char *word = item_word(node, &name);
  if (!word) word = declaration_word(node, &name);
  uint64_t around = n->around;
  if (word) n->around = numbered(n, hash_text(hash_text(around, word), name));
  if (node->kind == EXPR_CALL)
    node->as.call.place = numbered(n, hash_text(around, called_name(node->as.call.callee)));
  node_children(node, number, n);
  n->around = around;
}

static void number_file(Numbering *n, Node *file) {
  // A module of the library has a name; those of the user are one program, whatever their files.
  const char *path = file->as.file.library ? file->as.file.path : NULL;
  const char *slash = path ? strrchr(path, '/') : NULL;
  n->around = hash_text(0, slash ? slash + 1 : path);
  node_children(file, number, n);
}

void places_number(Arena *arena, Node *file, const NodeList *files) {
  Numbering n = {map_create(arena), 0};
  number_file(&n, file);
  for (size_t i = 0; files && i < files->count; i++)
    if (files->data[i] != file) number_file(&n, files->data[i]);
}
