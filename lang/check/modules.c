// Loading modules, the prelude, and the order of checking.
//
// Enters: the user's tree and a loader. Leaves: a Program whose files are all resolved, imports
// before importers. The modules of `prelude_names` are seen by user files without
// import; a library file sees unqualified only what it imports of them, so that nothing is cyclic.
#include "check/checker.h"

#include "parse/parse.h"

#include <string.h>

static const char *const prelude_names[] = {"trajectory",  "implicit", "stochastic", "penalty",
                                            "constrained", "zeroth",   "response",   "direct",
                                            "optim",       "linear",   "sets",       "elementwise"};
enum { PRELUDE_COUNT = sizeof prelude_names / sizeof *prelude_names };

bool is_prelude_name(Name name) {
  for (int i = 0; i < PRELUDE_COUNT; i++)
    if (strcmp(name, prelude_names[i]) == 0) return true;
  return false;
}

// The stem of a path: "a/b.blo" is b.
static Name stem_of(Checker *c, const char *path) {
  const char *slash = strrchr(path, '/');
  const char *start = slash ? slash + 1 : path;
  const char *dot = strrchr(start, '.');
  return intern_range(c->compilation->names, start, dot ? (size_t)(dot - start) : strlen(start));
}

static void collect_poison(void *self, Node *node) {
  Module *module = self;
  if (node->kind == NODE_ERROR)
    for (size_t i = 0; i < node->as.error.names.count; i++)
      map_put(module->poisoned, node->as.error.names.data[i].name, node);
  node_children(node, collect_poison, self);
}

static Module *module_create(Checker *c, Node *file, Name name) {
  Module *module = ARENA_NEW(c->arena, Module);
  module->file = file;
  module->name = name;
  module->scope = name_table(c->arena);
  module->data = name_table(c->arena);
  module->poisoned = map_create(c->arena);
  file->as.file.scope = module->scope.map;
  collect_poison(module, file);
  return module;
}

static void add_exports(Checker *c, NameTable *prelude, const Module *from) {
  for (size_t i = 0; i < from->scope.names.count; i++) {
    Name name = from->scope.names.data[i];
    const BindingGroup *group = name_get(&from->scope, name);
    BindingGroup *target = name_get(prelude, name);
    if (!target) {
      target = ARENA_NEW(c->arena, BindingGroup);
      name_put(c->arena, prelude, name, target);
    }
    if (group->function && group->function->exported) target->function = group->function;
    if (group->method && group->method->exported) target->method = group->method;
    if (group->optimizer && group->optimizer->exported) target->optimizer = group->optimizer;
    if (group->set && group->set->exported) target->set = group->set;
  }
}

// The user's modules are kept apart: a program `direct.blo` is not the library's `direct`.
static Name module_key(Checker *c, Name name, bool library) {
  if (library) return name;
  return intern(c->compilation->names, arena_printf(c->arena, "./%s", name));
}

static bool is_library_file(const Checker *c, const Node *file) {
  const Source *source = source_get(c->compilation->sources, file->span.source);
  return source && source->library;
}

// The prelude of a library file: what it imports of the prelude modules.
static NameTable *narrow_prelude(Checker *c, const Module *module) {
  NameTable *prelude = ARENA_NEW(c->arena, NameTable);
  *prelude = name_table(c->arena);
  NodeList items = module->file->as.file.items;
  for (size_t i = 0; i < items.count; i++) {
    const Node *item = items.data[i];
    if (item->kind != ITEM_IMPORT || !is_prelude_name(item->as.import.module.name)) continue;
    const Module *imported = name_get(&c->modules, item->as.import.module.name);
    if (imported && !imported->busy) add_exports(c, prelude, imported);
  }
  return prelude;
}

static Module *module_load(Checker *c, Ident name, const Module *from);

static void load_imports(Checker *c, Module *module) {
  NodeList items = module->file->as.file.items;
  for (size_t i = 0; i < items.count; i++) {
    Node *item = items.data[i];
    if (item->kind != ITEM_IMPORT) continue;
    const Module *imported = module_load(c, item->as.import.module, module);
    item->as.import.file = imported ? imported->file : NULL;
  }
}

static void finish_module(Checker *c, Module *module) {
  module->busy = true;
  load_imports(c, module);
  module->prelude = c->prelude_ready ? &c->prelude : narrow_prelude(c, module);
  module->file->as.file.prelude = module->prelude->map;
  declare_items(c, module);
  module->busy = false;
  check_items(c, module);
  VEC_PUSH(c->arena, &c->program->files, module->file);
}

static Module *report_cycle(Checker *c, Ident name, const Module *from) {
  Diagnostic *d = report(c->diagnostics, E0209, name.span, "`%s` imports itself%s", name.name,
                         from->name == name.name ? "" : ", by way of other modules");
  TextBuffer chain = text_buffer(c->arena);
  bool inside = false;
  for (size_t i = 0; i < c->modules.names.count; i++) {
    const Module *module = name_get(&c->modules, c->modules.names.data[i]);
    inside |= module && module->name == name.name;
    if (inside && module && module->busy) text_addf(&chain, "%s -> ", module->name);
  }
  diagnostic_note(d, "%s%s", text_string(&chain), name.name);
  return NULL;
}

// Reads a module that is not known yet; NULL when the loader has none, `busy` when it is being
// read.
static Module *module_read(Checker *c, Name name, bool library) {
  const char *path = name;
  size_t length = 0;
  SourceLoader *loader = &c->compilation->loader;
  const char *text =
      loader->load ? loader->load(loader->self, name, &path, &length, &library) : NULL;
  if (!text) return NULL;
  Name key = module_key(c, name, library);
  Module *known = name_get(&c->modules, key);
  if (known) return known;
  uint32_t source = sources_add(c->compilation->sources, path, text, length, library);
  Module *module = module_create(c, parse_source(c->compilation, source), name);
  name_put(c->arena, &c->modules, key, module);
  finish_module(c, module);
  return module;
}

// Loads a module and what it imports; NULL after a report.
static Module *module_load(Checker *c, Ident name, const Module *from) {
  bool library = is_library_file(c, from->file);
  Module *module = library ? NULL : name_get(&c->modules, module_key(c, name.name, false));
  if (!module) module = module_read(c, name.name, library);
  if (module && module->busy) return report_cycle(c, name, from);
  if (module) return module;
  Diagnostic *d = report(c->diagnostics, E0203, name.span, "there is no module `%s`", name.name);
  const char *dot = strrchr(name.name, '.');
  if (dot && strcmp(dot, ".blo") == 0)
    diagnostic_help(d, "the path starts at the folder of the program");
  else
    diagnostic_help(d, "a module is a file `%s.blo` beside the program, or part of the library",
                    name.name);
  return NULL;
}

static void load_prelude(Checker *c) {
  for (int i = 0; i < PRELUDE_COUNT; i++) {
    Name name = intern(c->compilation->names, prelude_names[i]);
    Module *module = name_get(&c->modules, name);
    if (!module) module = module_read(c, name, true);
    if (module) add_exports(c, &c->prelude, module);
  }
  c->prelude_ready = true;
}

Program *check_program(Compilation *compilation, Node *file) {
  if (!file || file->kind != NODE_FILE) return NULL;
  Checker checker = {.compilation = compilation,
                     .arena = compilation->arena,
                     .diagnostics = compilation->diagnostics};
  Checker *c = &checker;
  c->modules = name_table(c->arena);
  c->prelude = name_table(c->arena);
  c->program = ARENA_NEW(c->arena, Program);
  c->program->file = file;
  c->program->prelude = c->prelude.map;
  Module *module = module_create(c, file, stem_of(c, file->as.file.path));
  load_prelude(c);
  name_put(c->arena, &c->modules, module_key(c, module->name, false), module);
  finish_module(c, module);
  places_number(c->arena, file, &c->program->files);
  return c->program;
}

// The binding of a kind in a group; NULL when the group holds another kind under that name.
static Binding *group_find(const Map *names, Name name, BindingKind kind) {
  BindingGroup *group = names ? map_get(names, name) : NULL;
  if (!group) return NULL;
  Binding *binding = *group_slot(group, kind);
  bool shared =
      kind != BIND_FUNCTION && kind != BIND_METHOD && kind != BIND_OPTIMIZER && kind != BIND_SET;
  return binding && shared && binding->kind != kind ? NULL : binding;
}

Binding *program_find(const Program *program, const Node *file, Name module, Name name,
                      BindingKind kind) {
  if (!file) file = program->file;
  if (!module) {
    Binding *binding = group_find(file->as.file.scope, name, kind);
    return binding ? binding : group_find(file->as.file.prelude, name, kind);
  }
  Binding *imported = group_find(file->as.file.scope, module, BIND_MODULE);
  if (!imported || !imported->node->as.import.file) return NULL;
  return group_find(imported->node->as.import.file->as.file.scope, name, kind);
}
