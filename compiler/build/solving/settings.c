// Settings of solve blocks and tests: dotted keys to expressions.
//
// Enters: `key = expr;` of a solve block, then those of a test, then `--set key=expr`; later ones
// win. Leaves: values on demand. A key that nobody asked for is a mistake or a warning, never
// silent.
#include "build/program.h"

#include "parse/parse.h"

#include <string.h>

static const char *const plain_keys[] = {"method", "upper",     "lower",   "optimizer",
                                         "joint",  "iters",     "stop",    "seed",
                                         "report", "precision", "threads", "constraints"};
enum { PLAIN_KEYS = sizeof plain_keys / sizeof plain_keys[0] };

const char *setting_key(Build *b, const Node *node) {
  TextBuffer text = text_buffer(b->arena);
  for (size_t i = 0; i < node->as.setting.key.count; i++) {
    if (i) text_add(&text, ".");
    text_add(&text, node->as.setting.key.data[i].name);
  }
  return text_string(&text);
}

Setting *settings_find(Settings *settings, const char *key) {
  for (size_t i = 0; i < settings->list.count; i++) {
    Setting *setting = &settings->list.data[i];
    if (strcmp(setting->key, key) != 0) continue;
    setting->read = true;
    return setting;
  }
  return NULL;
}

static void put(Build *b, Settings *settings, Setting setting) {
  for (size_t i = 0; i < settings->list.count; i++)
    if (strcmp(settings->list.data[i].key, setting.key) == 0) {
      settings->list.data[i] = setting;
      return;
    }
  VEC_PUSH(b->arena, &settings->list, setting);
}

// `upper.step` and the like belong to the optimiser or method, which knows its parameters.
static bool known_key(const char *key) {
  const char *dot = strchr(key, '.');
  size_t length = dot ? (size_t)(dot - key) : strlen(key);
  for (int i = 0; i < PLAIN_KEYS; i++)
    if (strlen(plain_keys[i]) == length && strncmp(plain_keys[i], key, length) == 0)
      return !dot || i < 4;
  return false;
}

// Of the program's text check has said it; this is for the command line.
static void settings_unknown(Build *b, const char *key, Span span) {
  if (diagnostics_errors(build_diagnostics(b))) return;
  Diagnostic *d = report(build_diagnostics(b), E0205, span, "there is no setting `%s`", key);
  const char *close = closest_name(key, plain_keys, PLAIN_KEYS);
  if (close)
    diagnostic_help(d, "did you mean `%s`?", close);
  else
    diagnostic_help(d, "the settings are method, upper, lower, optimizer, iters, stop, seed, "
                       "report, precision and threads");
}

void settings_collect(Build *b, Settings *settings, const NodeList *items,
                      const Environment *environment) {
  for (size_t i = 0; i < items->count; i++) {
    const Node *node = items->data[i];
    if (node->kind != NODE_SETTING) continue;
    Setting setting = {.key = setting_key(b, node),
                       .span = node->span,
                       .value = node->as.setting.value,
                       .environment = environment};
    const char *dot = strchr(setting.key, '.');
    bool level = dot && is_level_name(b, setting.key, (size_t)(dot - setting.key));
    if (!known_key(setting.key) && !(level && known_key(dot + 1)))
      settings_unknown(b, setting.key, node->span);
    else
      put(b, settings, setting);
  }
}

void settings_replace(Build *b, Settings *settings, const Settings *extra) {
  for (size_t i = 0; i < extra->list.count; i++) put(b, settings, extra->list.data[i]);
}

// ---- overrides of the command line

static Builtin builtin_of(const char *name) {
  for (int i = BUILTIN_NONE + 1; i < BUILTIN_COUNT; i++)
    if (strcmp(builtin_table[i].name, name) == 0) return (Builtin)i;
  return BUILTIN_NONE;
}

// The text of an override was not seen by check: its names are found by kind among what the file
// sees. Methods and optimisers are looked up later, by the kind that is wanted.
static Binding *override_binding(Build *b, Name name) {
  static const BindingKind kinds[] = {BIND_FUNCTION, BIND_CONST, BIND_DIM};
  for (int i = 0; i < 3; i++) {
    Binding *known = program_find(b->program, b->program->file, NULL, name, kinds[i]);
    if (known) return known;
  }
  bool iteration = strcmp(name, "iteration") == 0;
  Builtin builtin = builtin_of(name);
  if (!iteration && !builtin) return NULL;
  Binding *binding = ARENA_NEW(b->arena, Binding);
  *binding = (Binding){.kind = iteration ? BIND_IMPLICIT : BIND_BUILTIN,
                       .name = name,
                       .builtin = iteration ? (int)IMPLICIT_ITERATION : (int)builtin};
  return binding;
}

// Is it the name of a method, an optimiser or a module? These are looked up where they are used.
static bool is_item_name(const Build *b, Name name) {
  static const BindingKind kinds[] = {BIND_METHOD, BIND_OPTIMIZER, BIND_SET, BIND_MODULE};
  for (int i = 0; i < 4; i++)
    if (program_find(b->program, b->program->file, NULL, name, kinds[i])) return true;
  return false;
}

static void bind_names(void *self, Node *node) {
  Build *b = self;
  if (node->kind == EXPR_NAME && !node->as.name.binding) {
    Name name = node->as.name.name;
    node->as.name.binding = override_binding(b, name);
    if (!node->as.name.binding && !is_item_name(b, name)) {
      Diagnostic *d =
          report(build_diagnostics(b), E0201, node->span, "there is no `%s` here", name);
      diagnostic_help(d, "`--set` takes numbers, constants, dims, functions, methods and "
                         "optimizers");
    }
  }
  node_children(node, bind_names, self);
}

bool names_optimizer(const Build *b, const Node *value) {
  const Node *callee = value->kind == EXPR_CALL ? value->as.call.callee : value;
  bool qualified = callee->kind == EXPR_MEMBER && callee->as.member.base->kind == EXPR_NAME;
  if (!qualified && callee->kind != EXPR_NAME) return false;
  Name module = qualified ? callee->as.member.base->as.name.name : NULL;
  Name name = qualified ? callee->as.member.member.name : callee->as.name.name;
  return program_find(b->program, b->program->file, module, name, BIND_OPTIMIZER);
}

// `method = implicit(..)`: the instance says which methods there are.
static void bind_setting(Build *b, Node *setting) {
  static const char *const keys[] = {"method", "upper", "lower", "optimizer"};
  Node *value = setting->as.setting.value;
  const char *key = setting_key(b, setting);
  for (int i = 0; i < 4; i++) {
    if (value->kind != EXPR_CALL || (strcmp(key, keys[i]) != 0 && !names_optimizer(b, value)))
      continue;
    for (size_t k = 0; k < value->as.call.arguments.count; k++)
      bind_names(b, value->as.call.arguments.data[k]);
    return;
  }
  bind_names(b, value);
}

static void find_settings(void *self, Node *node) {
  NodeList *list = ((void **)self)[0];
  Build *b = ((void **)self)[1];
  if (node->kind == NODE_SETTING)
    VEC_PUSH(b->arena, list, node);
  else
    node_children(node, find_settings, self);
}

static bool is_stage_name(const Build *b, const char *text, size_t length) {
  const NodeList *items = &b->program->file->as.file.items;
  for (size_t i = 0; i < items->count; i++) {
    if (items->data[i]->kind != ITEM_STAGE) continue;
    const char *name = items->data[i]->as.stage.name.name;
    if (strlen(name) == length && strncmp(name, text, length) == 0) return true;
  }
  return false;
}

// The key without the name of this stage; NULL when it names another one.
static const char *key_of_stage(const Build *b, const char *key, const char *stage) {
  const char *dot = strchr(key, '.');
  size_t length = dot ? (size_t)(dot - key) : 0;
  if (!dot || !is_stage_name(b, key, length)) return key;
  return strlen(stage) == length && strncmp(stage, key, length) == 0 ? dot + 1 : NULL;
}

// Read once for all solve blocks: what is wrong with it is then said once.
static Node *override_file(Build *b, const SettingOverride *given, const char *key) {
  if (!b->overrides) b->overrides = map_create(b->arena);
  Node *file = map_get(b->overrides, given);
  if (file) return file;
  char *text = arena_printf(b->arena, "solve { %s = %s; }\n", key, given->value);
  file = parse_text(b->compilation, "--set", text, strlen(text));
  if (file) places_number(b->arena, file, NULL);
  map_put(b->overrides, given, file);
  return file;
}

void settings_override(Build *b, Settings *settings, const char *stage) {
  for (size_t i = 0; i < b->options->override_count; i++) {
    const SettingOverride *given = &b->options->overrides[i];
    const char *key = key_of_stage(b, given->key, stage);
    if (!key) continue;
    Node *file = override_file(b, given, key);
    NodeList list = {0};
    void *self[] = {&list, b};
    if (file) node_children(file, find_settings, self);
    for (size_t k = 0; k < list.count; k++) bind_setting(b, list.data[k]);
    settings_collect(b, settings, &list, NULL);
  }
}

// ---- values

bool dim_not_negative(Context *c, const Dim *dim, Span span, const char *what) {
  int64_t number;
  if (dim_is_const(dim, &number) && number < 0) {
    report(build_diagnostics(c->build), E0303, span, "%s is negative: %lld", what,
           (long long)number);
    return false;
  }
  return true;
}

const Dim *setting_dim(Context *c, Settings *settings, const char *key, const Dim *fallback) {
  Setting *setting = settings_find(settings, key);
  if (!setting) return fallback;
  Staged *given = evaluate(c->e, setting->value, setting->environment, NULL);
  if (staged_is_poison(given)) return fallback;
  const Dim *dim = fallback;
  const char *what = arena_printf(c->build->arena, "the setting `%s`", key);
  return static_dim(c->e, given, &dim, setting->value->span, what) ? dim : fallback;
}

int64_t setting_integer(Context *c, Settings *settings, const char *key, int64_t fallback) {
  Setting *setting = settings_find(settings, key);
  const Dim *dim = setting_dim(c, settings, key, NULL);
  int64_t value = fallback;
  if (!setting || !dim) return fallback;
  if (!dim_is_const(dim, &value))
    report(build_diagnostics(c->build), E0309, setting->value->span,
           "the setting `%s` is a whole number, known when the program is built", key);
  return value;
}

// A `--set` without a stage goes to all stages; another kind of stage does not know the key.
static void suggest_stage(const Context *c, Diagnostic *d, const Setting *setting) {
  const Source *source = source_get(c->build->compilation->sources, setting->span.source);
  if (!source || strcmp(source->path, "--set") != 0) return;
  bool single = strncmp(setting->key, "optimizer", strlen("optimizer")) == 0;
  for (size_t i = 0; i < c->stages.count && c->stages.count > 1; i++) {
    const Stage *stage = c->stages.data[i];
    if (stage->single != single || stage == c->stage) continue;
    diagnostic_help(d, "write `--set %s.%s=...` for the stage `%s` alone", stage->name,
                    setting->key, stage->name);
    return;
  }
}

// `bottom.method`, where `bottom` is what is solved and its settings stand under another name.
static const Stage *find_nested(const Stage *stage, const char *key) {
  for (size_t i = 0; i < stage->nested.count; i++) {
    const Stage *nested = stage->nested.data[i];
    const char *name = nested->lower.node ? nested->lower.node->as.level.name.name : NULL;
    size_t length = name ? strlen(name) : 0;
    if (length && strncmp(key, name, length) == 0 && key[length] == '.') return nested;
    const Stage *below = find_nested(nested, key);
    if (below) return below;
  }
  return NULL;
}

static void suggest_level(const Context *c, Diagnostic *d, const Setting *setting) {
  for (size_t i = 0; i < c->stages.count; i++) {
    const Stage *nested = find_nested(c->stages.data[i], setting->key);
    const char *rest = strchr(setting->key, '.');
    if (!nested || !rest || !nested->method) continue;
    const char *name = nested->lower.node->as.level.name.name;
    if (nested->key && strcmp(nested->key, name) == 0) continue;
    diagnostic_help(d,
                    "did you mean `%s%s`? The settings that say how `%s` is solved stand under "
                    "the level above it%s%s",
                    nested->key ? nested->key : "", nested->key ? rest : rest + 1, name,
                    nested->key ? "" : ", which has the plain keys",
                    nested->nested.count ? "" : "; nothing lies below this one");
    return;
  }
}

// A `--set` without a stage is laid over all: it is said once, and only when no stage reads it.
static bool settled_elsewhere(const Context *c, const Settings *settings, const Setting *setting) {
  bool before = true;
  for (size_t i = 0; i < c->stages.count; i++) {
    const Settings *other = &c->stages.data[i]->settings;
    if (other == settings) before = false;
    for (size_t k = 0; other != settings && k < other->list.count; k++)
      if (other->list.data[k].value == setting->value && (before || other->list.data[k].read))
        return true;
  }
  return false;
}

void settings_warn_unread(Context *c, const Settings *settings) {
  for (size_t i = 0; i < settings->list.count; i++) {
    const Setting *setting = &settings->list.data[i];
    if (setting->read || settled_elsewhere(c, settings, setting)) continue;
    Diagnostic *d = report(build_diagnostics(c->build), W0501, setting->span,
                           "nothing reads the setting `%s` here", setting->key);
    suggest_stage(c, d, setting);
    suggest_level(c, d, setting);
  }
}
