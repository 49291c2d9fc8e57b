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
  uint64_t around, stage;
} Numbering;

static uint64_t hash_text(uint64_t seed, const char *text) {
  return text ? hash_bytes(seed, text, strlen(text)) : hash_mix(seed, 0);
}

static uintptr_t count(Numbering *n, uint64_t label) {
  const void *key = (const void *)(uintptr_t)(label | 1);
  uintptr_t count = (uintptr_t)map_get(n->counts, key);
  map_put(n->counts, key, (void *)(count + 1));
  return count;
}

// Things of one label in one place (files with functions of one name, too) are told apart by count.
static uint64_t numbered(Numbering *n, uint64_t label) {
  return hash_mix(label, count(n, label));
}

// What opens a place of its own. The words are part of what a seed means: they outlive the order of
// the node kinds.
static const char *const words[NODE_FILE + 1] = {
    [NODE_LET] = "let",
    [NODE_VAR] = "var",
    [NODE_STATE] = "state",
    [NODE_BATCH] = "batch",
    [NODE_REPORT] = "report",
    [NODE_OBJECTIVE] = "objective",
    [NODE_SUBJECT] = "subject",
    [NODE_PROX] = "prox",
    [NODE_UPDATE] = "update",
    [NODE_SETTING] = "setting",
    [PART_FIELD] = "field",
    [PART_PARAM] = "param",
    [PART_SET_FUNCTION] = "map",
    [ITEM_CONST] = "const",
    [ITEM_STRUCT] = "struct",
    [ITEM_DATA] = "data",
    [ITEM_FUNCTION] = "fn",
    [ITEM_LEVEL] = "lower",
    [ITEM_SOLVE] = "solve",
    [ITEM_STAGE] = "stage",
    [ITEM_TEST] = "test",
    [ITEM_METHOD] = "method",
    [ITEM_OPTIMIZER] = "optimizer",
    [ITEM_SET] = "set",
    [ITEM_RULE] = "jvp",
};

static const char *place_word(const Node *node) {
  if (node->kind == ITEM_LEVEL && node->as.level.upper) return "upper";
  if (node->kind == ITEM_RULE && node->as.rule.vjp) return "vjp";
  return words[node->kind];
}

static const char *place_name(const Node *node) {
  switch (node->kind) {
  case NODE_LET:
    return node->as.let.pattern->kind == PATTERN_NAME ? node->as.let.pattern->as.pattern_name.name
                                                      : NULL;
  case ITEM_TEST:
    return node->as.test.name;
  default:
    return node_name(node);
  }
}

static uint64_t label_of(uint64_t around, const char *word, const Node *node) {
  uint64_t label = hash_text(around, word);
  if (node->kind != NODE_SETTING) return hash_text(label, place_name(node));
  const IdentList *key = &node->as.setting.key;
  for (size_t i = 0; i < key->count; i++) label = hash_text(label, key->data[i].name);
  return label;
}

static Name called_name(const Node *callee) {
  if (callee->kind == EXPR_NAME) return callee->as.name.name;
  return callee->kind == EXPR_MEMBER ? callee->as.member.member.name : NULL;
}

static void number(void *self, Node *node) {
  Numbering *n = self;
  const char *word = place_word(node);
  uint64_t around = n->around, stage = n->stage;
  if (word) n->around = numbered(n, label_of(around, word, node));
  if (node->kind == ITEM_STAGE) n->stage = n->around;
  // Batches are drawn by their names: those of several levels of a stage may have the same.
  if (node->kind == NODE_BATCH)
    node->as.batch.number =
        (int)count(n, hash_text(hash_text(n->stage, "batches"), place_name(node)));
  if (node->kind == EXPR_CALL)
    node->as.call.place = numbered(n, hash_text(around, called_name(node->as.call.callee)));
  node_children(node, number, n);
  n->around = around;
  n->stage = stage;
}

static void number_file(Numbering *n, Node *file) {
  // A module of the library has a name; those of the user are one program, whatever their files.
  const char *path = file->as.file.library ? file->as.file.path : NULL;
  const char *slash = path ? strrchr(path, '/') : NULL;
  n->around = n->stage = hash_text(0, slash ? slash + 1 : path);
  node_children(file, number, n);
}

void places_number(Arena *arena, Node *file, const NodeList *files) {
  Numbering n = {map_create(arena), 0, 0};
  number_file(&n, file);
  for (size_t i = 0; files && i < files->count; i++)
    if (files->data[i] != file) number_file(&n, files->data[i]);
}
