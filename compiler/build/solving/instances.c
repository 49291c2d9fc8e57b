// Calls of methods, optimisers and sets: `adam(step = 1e-3, iters = 100)`, `nonneg`,
// `nn.clip(...)`.
//
// Enters: the expression of a setting. Leaves: an `Instance`, whose arguments are evaluated each
// time they are wanted, because a step size may depend on `iteration`. Names are looked up by the
// kind that is asked for: `direct` may be a method and a solver at once.
#include "build/program.h"
#include "evaluate/staging.h"

#include <string.h>

static const char *kind_word(BindingKind kind) {
  switch (kind) {
  case BIND_METHOD:
    return "method";
  case BIND_OPTIMIZER:
    return "optimizer";
  case BIND_SET:
    return "set";
  default:
    return "function";
  }
}

static NodeKind item_kind(BindingKind kind) {
  return kind == BIND_METHOD ? ITEM_METHOD : kind == BIND_OPTIMIZER ? ITEM_OPTIMIZER : ITEM_SET;
}

static const Ident *item_name(const Node *item) {
  switch (item->kind) {
  case ITEM_METHOD:
    return &item->as.method.name;
  case ITEM_OPTIMIZER:
    return &item->as.optimizer.name;
  default:
    return &item->as.set.name;
  }
}

static const NodeList *item_params(const Node *item) {
  switch (item->kind) {
  case ITEM_METHOD:
    return &item->as.method.params;
  case ITEM_OPTIMIZER:
    return &item->as.optimizer.params;
  default:
    return &item->as.set.params;
  }
}

const char *instance_name(const Instance *instance) {
  return item_name(instance->node)->name;
}

// ---- finding the item

static void report_unknown(Context *c, Name name, Span span, BindingKind kind) {
  const Program *program = c->build->program;
  const Node *file = context_file(c, span);
  static const BindingKind others[] = {BIND_METHOD, BIND_OPTIMIZER, BIND_SET, BIND_FUNCTION};
  for (int i = 0; i < 4; i++) {
    if (others[i] == kind || !program_find(program, file, NULL, name, others[i])) continue;
    report(build_diagnostics(c->build), E0208, span, "`%s` is a %s; %s %s is wanted here", name,
           kind_word(others[i]), kind == BIND_OPTIMIZER ? "an" : "a", kind_word(kind));
    return;
  }
  Diagnostic *d = report(build_diagnostics(c->build), E0201, span, "there is no %s `%s`",
                         kind_word(kind), name);
  VEC(const char *) known = {0};
  for (size_t i = 0; i < program->files.count; i++) {
    const NodeList *items = &program->files.data[i]->as.file.items;
    for (size_t k = 0; k < items->count; k++)
      if (items->data[k]->kind == item_kind(kind))
        VEC_PUSH(c->build->arena, &known, item_name(items->data[k])->name);
  }
  const char *close = closest_name(name, known.data, known.count);
  if (close) diagnostic_help(d, "did you mean `%s`?", close);
}

// The item a setting's value calls (`cg(...)`, `nonneg`), looked up by kind. NULL after a report.
static const Node *called_item(Context *c, const Node *value, BindingKind kind,
                               const NodeList **arguments) {
  const Node *callee = value;
  *arguments = NULL;
  if (value->kind == EXPR_CALL) {
    callee = value->as.call.callee;
    *arguments = &value->as.call.arguments;
  }
  Name module = NULL, name = NULL;
  const Binding *binding = NULL;
  if (callee->kind == EXPR_NAME) {
    name = callee->as.name.name;
    binding = callee->as.name.binding;
  } else if (callee->kind == EXPR_MEMBER && callee->as.member.base->kind == EXPR_NAME) {
    module = callee->as.member.base->as.name.name;
    name = callee->as.member.member.name;
    binding = callee->as.member.binding;
  }
  if (callee->kind == NODE_ERROR) return NULL;
  if (!name) {
    report(build_diagnostics(c->build), E0303, value->span, "a %s is wanted here, like `name(...)`",
           kind_word(kind));
    return NULL;
  }
  if (!binding || binding->kind != kind)
    binding = program_find(c->build->program, context_file(c, callee->span), module, name, kind);
  if (binding && binding->node) return binding->node;
  report_unknown(c, name, callee->span, kind);
  return NULL;
}

// ---- arguments

static int find_param(const NodeList *params, Name name) {
  for (size_t i = 0; i < params->count; i++)
    if (params->data[i]->kind == PART_PARAM && params->data[i]->as.param.name.name == name)
      return (int)i;
  return -1;
}

void instance_no_param(Context *c, const Instance *instance, const char *name, Span span) {
  const NodeList *params = item_params(instance->node);
  VEC(const char *) known = {0};
  TextBuffer list = text_buffer(c->build->arena);
  for (size_t i = 0; i < params->count; i++) {
    if (params->data[i]->kind != PART_PARAM) continue;
    const char *param = params->data[i]->as.param.name.name;
    VEC_PUSH(c->build->arena, &known, param);
    text_addf(&list, "%s`%s`", known.count > 1 ? ", " : "", param);
  }
  if (instance->node->kind == ITEM_OPTIMIZER) {
    VEC_PUSH(c->build->arena, &known, "iters");
    text_addf(&list, "%s`iters`", known.count > 1 ? ", " : "");
  }
  Diagnostic *d = report(build_diagnostics(c->build), E0304, span, "`%s` has no parameter `%s`",
                         instance_name(instance), name);
  diagnostic_label(d, item_name(instance->node)->span, "`%s` is defined here",
                   instance_name(instance));
  const char *close = closest_name(name, known.data, known.count);
  if (close)
    diagnostic_help(d, "did you mean `%s`?", close);
  else if (known.count)
    diagnostic_help(d, "it has %s", text_string(&list));
}

static bool take_iterations(Context *c, Instance *instance, const Node *value,
                            const Environment *environment) {
  Staged *given = evaluate(c->e, value, environment, NULL);
  if (staged_is_poison(given)) return false;
  instance->iterations_span = value->span;
  if (!static_dim(c->e, given, &instance->iterations, value->span, "the number of iterations"))
    return false;
  return dim_not_negative(c, instance->iterations, value->span, "the number of iterations");
}

// `keep = true`, of the lower optimiser alone: others keep their states, or have a fresh one.
static bool take_keep(Context *c, Instance *instance, const Node *value,
                      const Environment *environment) {
  Staged *given = evaluate(c->e, value, environment, NULL);
  if (staged_is_poison(given)) return false;
  bool lower = instance->prefix && strcmp(instance->prefix, "lower") == 0;
  if (!lower || given->kind != STAGED_BOOL) {
    Diagnostic *d = report(build_diagnostics(c->build), lower ? E0303 : E0304, value->span,
                           lower ? "`keep` is true or false" : "only `lower` has `keep`");
    diagnostic_help(d, "`lower = sgd(..., iters = 1, keep = true)` goes on with its momentum from "
                       "step to step");
    return false;
  }
  instance->keep = given->boolean;
  return true;
}

static bool take_argument(Context *c, Instance *instance, const Node *node, size_t position,
                          const Environment *environment) {
  const NodeList *params = item_params(instance->node);
  Name name = node->as.argument.name.name;
  Span span = name ? node->as.argument.name.span : node->span;
  const Node *value = node->as.argument.value;
  int index = name ? find_param(params, name) : (int)position;
  if (name && index < 0 && instance->node->kind == ITEM_OPTIMIZER && strcmp(name, "iters") == 0)
    return take_iterations(c, instance, value, environment);
  if (name && index < 0 && instance->node->kind == ITEM_OPTIMIZER && strcmp(name, "keep") == 0)
    return take_keep(c, instance, value, environment);
  if (name && index < 0) {
    instance_no_param(c, instance, name, span);
    return false;
  }
  if (index >= (int)params->count) {
    report(build_diagnostics(c->build), E0304, span, "`%s` takes %zu argument%s",
           instance_name(instance), params->count, params->count == 1 ? "" : "s");
    return false;
  }
  Argument *argument = &instance->arguments[index];
  if (argument->given) {
    report(build_diagnostics(c->build), E0304, span, "`%s` is given twice",
           params->data[index]->as.param.name.name);
    return false;
  }
  argument->given = true;
  argument->value = value;
  argument->environment = environment;
  return true;
}

bool instance_goes_below(const Instance *instance, const char *name) {
  const NodeList *params = item_params(instance->node);
  const char *dot = strchr(name, '.');
  Evaluator *e = instance->context->e;
  for (size_t i = 0; dot && i < params->count; i++) {
    if (params->data[i]->kind != PART_PARAM || !params->data[i]->as.param.type) continue;
    const char *param = params->data[i]->as.param.name.name;
    if (strlen(param) != (size_t)(dot - name) || strncmp(param, name, strlen(param)) != 0) continue;
    const TypeSpec *spec = evaluate_type(e, params->data[i]->as.param.type, NULL);
    return spec && spec->kind == SPEC_OPTIMIZER;
  }
  return false;
}

// Settings like `upper.step = 0.1` replace arguments. Of an optimiser's, those that name no
// parameter are left: they may name a part of the variables.
static bool take_settings(Context *c, Instance *instance) {
  if (!instance->prefix || !c->stage) return true;
  Settings *settings = &c->stage->settings;
  size_t length = strlen(instance->prefix);
  bool optimizer = instance->node->kind == ITEM_OPTIMIZER, ok = true;
  for (size_t i = 0; i < settings->list.count; i++) {
    Setting *setting = &settings->list.data[i];
    if (strncmp(setting->key, instance->prefix, length) != 0 || setting->key[length] != '.')
      continue;
    const char *name = setting->key + length + 1;
    int index = find_param(item_params(instance->node), intern(c->build->compilation->names, name));
    bool iterations = optimizer && strcmp(name, "iters") == 0;
    bool keep = optimizer && strcmp(name, "keep") == 0;
    if (index < 0 && !iterations && !keep && optimizer) continue;
    setting->read = true;
    if (index >= 0) {
      instance->arguments[index].value = setting->value;
      instance->arguments[index].environment = setting->environment;
      instance->arguments[index].given = true;
    } else if (iterations) {
      ok &= take_iterations(c, instance, setting->value, setting->environment);
    } else if (keep) {
      ok &= take_keep(c, instance, setting->value, setting->environment);
    } else {
      instance_no_param(c, instance, name, setting->span);
      ok = false;
    }
  }
  return ok;
}

static bool all_given(Context *c, const Instance *instance) {
  bool ok = true;
  for (int i = 0; i < instance->count; i++) {
    const Argument *argument = &instance->arguments[i];
    if (argument->value || argument->param->kind != PART_PARAM) continue;
    Diagnostic *d =
        report(build_diagnostics(c->build), E0304, instance->span, "`%s` needs a value for `%s`",
               instance_name(instance), argument->param->as.param.name.name);
    diagnostic_label(d, argument->param->span, "declared here");
    ok = false;
  }
  return ok;
}

Instance *instance_of_item(Context *c, const Node *item, Span span) {
  const NodeList *params = item_params(item);
  Instance *instance = ARENA_NEW(c->build->arena, Instance);
  *instance = (Instance){.context = c,
                         .node = item,
                         .span = span,
                         .arguments = ARENA_ARRAY(c->build->arena, Argument, params->count + 1),
                         .count = (int)params->count};
  for (size_t i = 0; i < params->count; i++) {
    instance->arguments[i].param = params->data[i];
    if (params->data[i]->kind == PART_PARAM)
      instance->arguments[i].value = params->data[i]->as.param.initial;
  }
  return instance;
}

// What is chosen for two levels, or two variables, draws twice.
static uint64_t instance_place(const Context *c, const Node *value, const char *prefix) {
  uint64_t place = 0;
  if (prefix)
    place = place_hash("instance", prefix);
  else if (value->kind == EXPR_CALL)
    place = value->as.call.place;
  for (const Stage *s = c->stage; s && s->above; s = s->above) {
    Name level = s->lower.node->as.level.name.name;
    place = hash_mix(place, place_hash("level", level ? level : ""));
  }
  return place;
}

Instance *instance_make(Context *c, const Node *value, const Environment *environment,
                        BindingKind kind, const char *prefix, bool *ok) {
  *ok = false;
  const NodeList *arguments;
  const Node *item = called_item(c, value, kind, &arguments);
  if (!item || map_has(c->e->failed_items, item)) return NULL;
  Instance *instance = instance_of_item(c, item, value->span);
  instance->prefix = prefix;
  instance->place = instance_place(c, value, prefix);
  *ok = true;
  for (size_t i = 0; arguments && i < arguments->count; i++)
    *ok &= take_argument(c, instance, arguments->data[i], i, environment);
  *ok &= take_settings(c, instance);
  *ok = *ok && all_given(c, instance);
  return instance;
}

Instance *instance_create(Context *c, const Node *value, const Environment *environment,
                          BindingKind kind, const char *prefix) {
  bool ok;
  Instance *instance = instance_make(c, value, environment, kind, prefix, &ok);
  return ok ? instance : NULL;
}

// ---- where an instance is chosen

void instance_enter(const Instance *instance, Dynamic *saved) {
  Context *c = instance->context;
  // In the arena: reports of a method keep the chain of calls.
  CallChain *link = ARENA_NEW(c->build->arena, CallChain);
  *saved = c->e->dynamic;
  *link = (CallChain){.span = instance->span,
                      .name = instance_name(instance),
                      .instance = true,
                      .next = c->e->dynamic.calls};
  c->e->dynamic.calls = link;
  c->e->dynamic.place = instance->place;
}

void instance_leave(const Instance *instance, const Dynamic *saved) {
  instance->context->e->dynamic.calls = saved->calls;
  instance->context->e->dynamic.place = saved->place;
}

// ---- parameters to values

static bool is_number(const Staged *s) {
  return s->kind == STAGED_INTEGER || s->kind == STAGED_REAL;
}

static Staged *wrong_argument(Context *c, const Argument *argument, const char *wanted,
                              const Staged *value) {
  Diagnostic *d = report(build_diagnostics(c->build), E0303, argument->value->span,
                         "`%s` wants %s, but this is %s", argument->param->as.param.name.name,
                         wanted, staged_describe(c->e, value));
  diagnostic_label(d, argument->param->span, "declared here");
  return staged_poison;
}

// Settings below an inner optimiser that it did not take.
static bool settings_end(Context *c, const Instance *inner) {
  if (!inner->prefix || !c->stage) return true;
  Settings *settings = &c->stage->settings;
  size_t length = strlen(inner->prefix);
  for (size_t i = 0; i < settings->list.count; i++) {
    Setting *setting = &settings->list.data[i];
    if (setting->read || strncmp(setting->key, inner->prefix, length) != 0 ||
        setting->key[length] != '.' || instance_goes_below(inner, setting->key + length + 1))
      continue;
    setting->read = true;
    instance_no_param(c, inner, setting->key + length + 1, setting->span);
    return false;
  }
  return true;
}

// An optimiser given to an optimiser or method.
static Staged *optimizer_argument(Context *c, const Instance *outer, const Argument *argument) {
  const Node *value = argument->value;
  const Binding *binding = value->kind == EXPR_NAME ? value->as.name.binding : NULL;
  if (binding && (binding->kind == BIND_LOCAL || binding->kind == BIND_IMPLICIT)) {
    Staged *given = evaluate(c->e, value, argument->environment, NULL);
    bool fits = given->kind == STAGED_OBJECT && given->object->kind == OBJECT_OPTIMIZER;
    return fits || staged_is_poison(given) ? given
                                           : wrong_argument(c, argument, "an optimizer", given);
  }
  const char *prefix = outer->prefix ? arena_printf(c->build->arena, "%s.%s", outer->prefix,
                                                    argument->param->as.param.name.name)
                                     : NULL;
  Instance *inner = instance_create(c, value, argument->environment, BIND_OPTIMIZER, prefix);
  return inner && settings_end(c, inner) ? optimizer_object(inner) : staged_poison;
}

// Static numbers and truth values stay static, so that `if order == 1` chooses when the program is
// built.
static Staged *argument_value(Context *c, const Instance *instance, const Argument *argument) {
  const Node *type = argument->param->as.param.type;
  const TypeSpec *spec = type ? evaluate_type(c->e, type, NULL) : NULL;
  if (type && !spec) return staged_poison;
  if (spec && spec->kind == SPEC_OPTIMIZER) return optimizer_argument(c, instance, argument);
  Staged *value = evaluate(c->e, argument->value, argument->environment, spec);
  if (!spec || staged_is_poison(value)) return value;
  bool moves = instance->node->kind == ITEM_OPTIMIZER && spec->kind == SPEC_REAL;
  if (moves && staged_is_choice(value)) return value;
  bool truth = spec->kind == SPEC_TENSOR && spec->dtype == DT_BOOL && spec->rank == 0;
  if (truth && value->kind == STAGED_BOOL) return value;
  if (spec->kind == SPEC_REAL && is_number(value)) return value;
  if (spec->kind == SPEC_INT && value->kind == STAGED_INTEGER) return value;
  if (spec->kind == SPEC_INT && value->kind == STAGED_REAL)
    return wrong_argument(c, argument, "a whole number", value);
  if (spec->kind == SPEC_SOLVER || spec->kind == SPEC_FUNCTION)
    return value->kind == STAGED_FUNCTION
               ? value
               : wrong_argument(c, argument, spec->kind == SPEC_SOLVER ? "a solver" : "a function",
                                value);
  const char *what =
      arena_printf(c->build->arena, "the argument `%s`", argument->param->as.param.name.name);
  return coerce(c->e, value, spec, true, argument->value->span, what);
}

const Environment *instance_environment(Instance *instance) {
  Context *c = instance->context;
  const Environment *environment = NULL;
  for (int i = 0; i < instance->count; i++) {
    Argument *argument = &instance->arguments[i];
    if (argument->param->kind != PART_PARAM) continue;
    Staged *value = argument->ready ? argument->ready : argument_value(c, instance, argument);
    if (!argument->checked && !argument->ready)
      evaluate_bounds(c->e, argument->param, value, argument->value->span, instance_name(instance));
    argument->checked = true; // environments are made for every step that is built
    environment = environment_add(c->e, environment, argument->param->as.param.binding, value);
  }
  return environment;
}
