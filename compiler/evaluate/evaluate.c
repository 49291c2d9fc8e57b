// Expressions to values: the walk over the tree.
//
// Enters: a checked expression and an environment. Leaves: a value, ops appended at e->builder.
// Each kind of expression has a function here or in the file named after it; a mistake is reported
// once, gives POISON, and POISON is silent ever after.
#include "evaluate/staging.h"
#include "ir/bug.h"
#include "ir/scalar.h"

#include <string.h>

enum {
  BUDGET_FACTOR = 16,   // values made (garbage of inlined blocks included) per op of the budget
  VISIT_FACTOR = 25,    // expressions evaluated per op of the budget
  NESTING_LIMIT = 3000, // of expressions, through calls: the C stack holds it with room to spare
};

Evaluator *evaluator_create(Compilation *compilation, Module *module, const Program *program,
                            Dtype real) {
  Evaluator *e = ARENA_NEW(compilation->arena, Evaluator);
  e->compilation = compilation;
  e->arena = compilation->arena;
  e->module = module;
  e->program = program;
  e->real = real;
  e->builder.module = module;
  e->layouts = map_create(e->arena);
  e->signatures = map_create(e->arena);
  e->failed_items = map_create(e->arena);
  e->checked_items = map_create(e->arena);
  e->op_budget = 20000;
  e->first_id = module->next_id;
  return e;
}

// --- messages ------------------------------------------------------------------------------------

static bool same_place(Span a, Span b) {
  return a.source == b.source && a.start == b.start;
}

static bool in_program(const Evaluator *e, Span span) {
  return !e->program || !e->program->file || span.source == e->program->file->span.source;
}

// A mistake inside the library is shown where the user's program led there, the library's line
// second.
static Span user_place(const Evaluator *e, Span span) {
  if (!span.source || in_program(e, span)) return span;
  for (const CallChain *link = e->dynamic.calls; link; link = link->next)
    if (in_program(e, link->span)) return link->span;
  for (const CallChain *link = e->dynamic.calls; link; link = link->next)
    if (link->span.source && !source_get(e->compilation->sources, link->span.source)->library)
      return link->span; // the command line
  return span;
}

Diagnostic *mistake(Evaluator *e, ErrorCode code, Span span, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const char *text = arena_vprintf(e->arena, format, arguments);
  va_end(arguments);
  Span place = user_place(e, span);
  Diagnostic *d = report(e->compilation->diagnostics, code, place, "%s", tidy(e, text));
  bool moved = !same_place(place, span);
  if (moved) diagnostic_label(d, span, "it is found here");
  int shown = 0;
  Span last = place;
  for (const CallChain *link = e->dynamic.calls; link && shown < 3; link = link->next) {
    bool again = same_place(last, link->span) || same_place(place, link->span);
    if (!link->span.source || again || (link->instance && !moved)) continue;
    last = link->span;
    diagnostic_label(d, link->span, "called from here%s%s%s", link->name ? ": `" : "",
                     link->name ? link->name : "", link->name ? "`" : "");
    shown++;
  }
  if (e->explain) e->explain(e, d, code, moved);
  return d;
}

const char *source_excerpt(Evaluator *e, Span span) {
  if (!span.source || span.end <= span.start || span.end - span.start > 32) return NULL;
  const Source *source = source_get(e->compilation->sources, span.source);
  if (!source || span.end > source->length) return NULL;
  for (uint32_t i = span.start; i < span.end; i++)
    if (source->text[i] == '\n') return NULL;
  return arena_string(e->arena, source->text + span.start, span.end - span.start);
}

const char *indexed_excerpt(Evaluator *e, Span span) {
  const char *text = source_excerpt(e, span);
  bool one = !text || !strpbrk(text, " +-*/@^<>=!&|");
  return one ? text : arena_printf(e->arena, "(%s)", text);
}

void evaluate_budget(Evaluator *e) {
  e->first_id = e->module->next_id;
  e->visits = 0;
}

static bool within_budget(Evaluator *e, Span span) {
  if (e->failed) return false;
  uint32_t budget = (uint32_t)e->op_budget;
  if (e->nesting > NESTING_LIMIT) {
    e->failed = true;
    diagnostic_help(mistake(e, E0312, span, "calls and expressions are nested too deeply"),
                    "functions are inlined: shorten the chain of calls, or write a `loop`");
    return false;
  }
  if (e->module->next_id - e->first_id <= budget * BUDGET_FACTOR &&
      ++e->visits <= budget * VISIT_FACTOR)
    return true;
  e->failed = true;
  diagnostic_help(mistake(e, E0313, span, "this needs more than %d operations", e->op_budget),
                  "use `loop` or `for` where the text repeats the same computation");
  return false;
}

// --- names ---------------------------------------------------------------------------------------

static Staged *function_value(Evaluator *e, const Node *node) {
  if (map_has(e->failed_items, node)) return staged_poison;
  Function *function = ARENA_NEW(e->arena, Function);
  *function = (Function){.node = node, .name = node->as.function.name.name, .real = e->real};
  Staged *s = ARENA_NEW(e->arena, Staged);
  s->kind = STAGED_FUNCTION;
  s->function = function;
  return s;
}

// Outer names evaluate in their own right, not as part of what uses them.
static Staged *constant_value(Evaluator *e, const Node *node) {
  if (!node || node->kind != ITEM_CONST) return NULL;
  const TypeSpec *spec = NULL;
  if (node->as.constant.type && !(spec = evaluate_type(e, node->as.constant.type, NULL)))
    return staged_poison;
  Dynamic saved;
  CallChain link;
  if (!call_enter(e, &saved, &link, node->as.constant.name.name, node->span)) return staged_poison;
  Staged *value = evaluate(e, node->as.constant.value, NULL, spec);
  call_leave(e, &saved);
  if (!spec) return value;
  return coerce(e, value, spec, true, node->as.constant.value->span,
                arena_printf(e->arena, "the constant `%s`", node->as.constant.name.name));
}

static Staged *dim_value(Evaluator *e, const Binding *binding) {
  const Node *node = binding->node;
  if (!node || node->kind != PART_DIM || !node->as.dim.value)
    return staged_integer(e, dim_name(e->module->dims, binding->name));
  Dynamic saved;
  CallChain link;
  if (!call_enter(e, &saved, &link, binding->name, node->span)) return staged_poison;
  Staged *value = evaluate(e, node->as.dim.value, NULL, NULL);
  const Dim *dim;
  bool good = static_dim(e, value, &dim, node->as.dim.value->span, "a dim");
  call_leave(e, &saved);
  return good ? staged_integer(e, dim) : staged_poison;
}

static const char *binding_phrase(const Binding *binding) {
  switch (binding->kind) {
  case BIND_TABLE:
    return "table";
  case BIND_FIELD:
    return "data field";
  case BIND_VAR:
    return "level variable";
  case BIND_STATE:
    return "state";
  case BIND_BATCH:
    return "batch";
  case BIND_CONSTRAINT:
    return "constraint";
  case BIND_REPORT:
    return "report";
  case BIND_LEVEL:
    return "level";
  case BIND_METHOD:
    return "method";
  case BIND_OPTIMIZER:
    return "optimizer";
  case BIND_SET:
    return "set";
  case BIND_STAGE:
    return "stage";
  case BIND_MODULE:
    return "module";
  default:
    return "name";
  }
}

static Staged *bound_value(Evaluator *e, const Binding *binding, Span span,
                           const Environment *environment) {
  if (!binding) return staged_poison; // reported by check
  Staged *found = environment_find(environment, binding);
  if (found) return found;
  switch (binding->kind) {
  case BIND_BUILTIN:
    return builtin_value(e, (Builtin)binding->builtin);
  case BIND_FUNCTION:
    return function_value(e, binding->node);
  case BIND_STRUCT:
    return struct_maker(e, binding->node, NULL, 0);
  default:
    break;
  }
  if (e->resolve && (found = e->resolve(e, binding, span, e->resolve_self))) return found;
  if (binding->kind == BIND_DIM) return dim_value(e, binding);
  if (binding->kind == BIND_CONST && (found = constant_value(e, binding->node))) return found;
  Diagnostic *d = mistake(e, E0207, span, "the %s `%s` cannot be used here",
                          binding_phrase(binding), binding->name);
  if (binding->kind == BIND_VAR || binding->kind == BIND_TABLE || binding->kind == BIND_FIELD ||
      binding->kind == BIND_BATCH)
    diagnostic_help(d,
                    "a `fn` sees its parameters, constants, dims and functions: give `%s` to it "
                    "as a parameter",
                    binding->name);
  return staged_poison;
}

// --- members -------------------------------------------------------------------------------------

static bool is_builtin_name(Name name) {
  for (int i = BUILTIN_NONE + 1; i < BUILTIN_COUNT; i++)
    if (strcmp(builtin_table[i].name, name) == 0) return true;
  return false;
}

static Staged *no_member(Evaluator *e, Staged *base, Name name, Span span) {
  const char *names[32];
  size_t count = 0;
  const Layout *layout = staged_layout(base);
  while (layout && layout->kind == LAYOUT_ARRAY) layout = layout->element;
  for (int i = 0; layout && layout->names && i < layout->count && count < 32; i++)
    names[count++] = layout->names[i];
  Diagnostic *d = mistake(e, E0308, span, "%s has no field `%s`", staged_describe(e, base), name);
  const char *close = closest_name(name, names, count);
  if (close) {
    diagnostic_help(d, "did you mean `%s`?", close);
  } else if (count) {
    TextBuffer list = text_buffer(e->arena);
    for (size_t i = 0; i < count; i++) text_addf(&list, "%s`%s`", i ? ", " : "", names[i]);
    diagnostic_help(d, "its fields are %s", text_string(&list));
  } else if (strcmp(name, "T") == 0) {
    diagnostic_help(d, "write `transpose(x)`");
  } else if (strcmp(name, "shape") == 0) {
    diagnostic_help(d, "a size is a dim: declare `fn f[n](x: f64[n])` and use `n`");
  } else if (is_builtin_name(name)) {
    diagnostic_help(d, "functions stand in front: `%s(x)`", name);
  }
  return staged_poison;
}

static Staged *operate_member(Evaluator *e, Staged *base, Name name, Span span) {
  if (staged_is_poison(base)) return staged_poison;
  if (base->kind == STAGED_OBJECT && base->object->member) {
    Staged *found = base->object->member(e, base->object, name, span);
    return found ? found : no_member(e, base, name, span);
  }
  if (base->kind == STAGED_FUNCTION && base->function->member) {
    Staged *found = base->function->member(e, base->function, name, span);
    return found ? found : no_member(e, base, name, span);
  }
  if (base->kind != STAGED_TREE) return no_member(e, base, name, span);
  const Layout *layout = base->tree.layout;
  while (layout->kind == LAYOUT_ARRAY) layout = layout->element;
  for (int i = 0; layout->names && i < layout->count; i++)
    if (layout->names[i] == name) return tree_child(e, base, i);
  return no_member(e, base, name, span);
}

// --- patterns, lets, blocks ----------------------------------------------------------------------

static const Environment *bind_poison(Evaluator *e, const Node *pattern,
                                      const Environment *environment) {
  if (pattern->kind == PATTERN_TUPLE) {
    for (size_t i = 0; i < pattern->as.pattern_tuple.items.count; i++)
      environment = bind_poison(e, pattern->as.pattern_tuple.items.data[i], environment);
    return environment;
  }
  if (pattern->kind != PATTERN_NAME || !pattern->as.pattern_name.binding) return environment;
  return environment_add(e, environment, pattern->as.pattern_name.binding, staged_poison);
}

const Environment *evaluate_pattern(Evaluator *e, const Node *pattern, Staged *value,
                                    const Environment *environment) {
  if (staged_is_poison(value)) return bind_poison(e, pattern, environment);
  if (pattern->kind == PATTERN_NAME) {
    if (!pattern->as.pattern_name.binding) return environment;
    return environment_add(e, environment, pattern->as.pattern_name.binding, value);
  }
  if (pattern->kind != PATTERN_TUPLE) return environment;
  const NodeList *items = &pattern->as.pattern_tuple.items;
  if (value->kind != STAGED_TREE || tree_child_count(value) != (int)items->count) {
    mistake(e, E0303, pattern->span, "the pattern has %d names, but the value is %s",
            (int)items->count, staged_describe(e, value));
    return bind_poison(e, pattern, environment);
  }
  for (size_t i = 0; i < items->count; i++)
    environment = evaluate_pattern(e, items->data[i], tree_child(e, value, (int)i), environment);
  return environment;
}

const Environment *evaluate_let(Evaluator *e, const Node *let, const Environment *environment) {
  const TypeSpec *spec = NULL;
  if (let->as.let.type) {
    spec = evaluate_type(e, let->as.let.type, environment);
    if (!spec) return bind_poison(e, let->as.let.pattern, environment);
  }
  Staged *value = evaluate(e, let->as.let.value, environment, spec);
  if (spec) {
    const Node *pattern = let->as.let.pattern;
    const char *what = pattern->kind == PATTERN_NAME && pattern->as.pattern_name.name
                           ? arena_printf(e->arena, "`%s`", pattern->as.pattern_name.name)
                           : "the value of this `let`";
    value = coerce(e, value, spec, true, let->as.let.value->span, what);
  }
  return evaluate_pattern(e, let->as.let.pattern, value, environment);
}

// The number behind a scalar that is a constant of its type, such as the parameter of a function
// that was given as a literal.
static bool constant_number(const Value *value, double *number) {
  const Op *op = value->op;
  if (value->type->rank || !op) return false;
  if (op->code == OP_CONVERT || op->code == OP_NEG) {
    if (!constant_number(op->operands[0], number)) return false;
    if (op->code == OP_NEG) *number = -*number;
    return true;
  }
  if (op->code != OP_CONST || op->attr.constant.reals || op->attr.constant.integers) return false;
  *number = dtype_is_float(value->type->dtype) ? op->attr.constant.real
                                               : (double)op->attr.constant.integer;
  return true;
}

// Does the condition hold or fail whatever the data are? Comparisons of constants are enough.
static bool known_truth(const Value *condition, bool *truth) {
  const Op *op = condition->op;
  double a, b;
  if (op && op->code == OP_CONST && constant_number(condition, &a)) {
    *truth = a != 0.0;
    return true;
  }
  if (!op || op->code != OP_COMPARE) return false;
  if (!constant_number(op->operands[0], &a) || !constant_number(op->operands[1], &b)) return false;
  *truth = scalar_compare_real(op->attr.compare.op, a, b);
  return true;
}

// The number that an argument is while the program is built.
static bool known_number(const Staged *value, double *number) {
  int64_t integer;
  switch (value->kind) {
  case STAGED_REAL:
    *number = value->real;
    return true;
  case STAGED_INTEGER:
    if (!dim_is_const(value->integer, &integer)) return false;
    *number = (double)integer;
    return true;
  case STAGED_TENSOR:
    return constant_number(value->tensor, number);
  default:
    return false;
  }
}

static bool bound_holds(const Node *bound, double number) {
  const Node *limit = bound->as.bound.number;
  double other = limit->kind == EXPR_INT ? (double)limit->as.integer.value : limit->as.real.value;
  switch (bound->as.bound.op) {
  case BIN_GT:
    return number > other;
  case BIN_GE:
    return number >= other;
  case BIN_LT:
    return number < other;
  default:
    return number <= other;
  }
}

bool evaluate_bounds(Evaluator *e, const Node *param, const Staged *value, Span span,
                     const char *owner) {
  double number;
  const NodeList *bounds = &param->as.param.bounds;
  if (!bounds->count || staged_is_poison(value) || !known_number(value, &number)) return true;
  for (size_t i = 0; i < bounds->count; i++) {
    const Node *bound = bounds->data[i];
    if (bound_holds(bound, number)) continue;
    const Source *source = source_get(e->compilation->sources, bound->span.source);
    Diagnostic *d = mistake(
        e, E0703, span, "`%s` of `%s` has to be %.*s, and is %g", param->as.param.name.name, owner,
        (int)(bound->span.end - bound->span.start), source->text + bound->span.start, number);
    diagnostic_label(d, bound->span, "declared here");
    return false;
  }
  return true;
}

void evaluate_ensure(Evaluator *e, const Node *node, const Environment *environment) {
  Staged *condition = evaluate(e, node->as.ensure.condition, environment, NULL);
  const char *word = node->as.ensure.warning ? "warn" : "ensure";
  Span span = node->as.ensure.condition->span;
  if (staged_is_poison(condition)) return;
  if (condition->kind == STAGED_BOOL) {
    if (condition->boolean) return;
    if (!node->as.ensure.warning) {
      mistake(e, E0703, span, "%s", node->as.ensure.text);
      return;
    }
  } else if (condition->kind != STAGED_TENSOR || condition->tensor->type->dtype != DT_BOOL) {
    mistake(e, E0303, span, "`%s` needs a truth value, this is %s", word,
            staged_describe(e, condition));
    return;
  } else {
    bool truth;
    bool known = known_truth(condition->tensor, &truth);
    if (known && truth) return;
    if (known && !node->as.ensure.warning) {
      mistake(e, E0703, span, "%s", node->as.ensure.text);
      return;
    }
  }
  Builder *b = &e->builder;
  b->span = user_place(e, node->span);
  Value *broken = ir_unary(b, OP_NOT, leaf_value(e, condition));
  ErrorCode code = !node->as.ensure.warning ? E0703 : e->in_report ? W0704 : W0703;
  const char *text = node->as.ensure.text;
  if (e->level) text = arena_printf(e->arena, "in `%s`, %s", e->level, text);
  ir_note(b, broken, code, text);
}

// `refused`: an `ensure` is known to fail.
static const Environment *walk_statements(Evaluator *e, const NodeList *statements,
                                          const Environment *environment, bool *refused) {
  *refused = false;
  for (size_t i = 0; i < statements->count; i++) {
    const Node *node = statements->data[i];
    size_t errors = diagnostics_errors(e->compilation->diagnostics);
    if (node->kind == NODE_LET && *refused)
      environment = bind_poison(e, node->as.let.pattern, environment);
    else if (node->kind == NODE_LET)
      environment = evaluate_let(e, node, environment);
    if (node->kind != NODE_ENSURE) continue;
    // What an `ensure` refused has no value worth talking about.
    evaluate_ensure(e, node, environment);
    *refused = *refused || diagnostics_errors(e->compilation->diagnostics) > errors;
  }
  return environment;
}

const Environment *evaluate_statements(Evaluator *e, const NodeList *statements,
                                       const Environment *environment) {
  bool refused;
  return walk_statements(e, statements, environment, &refused);
}

static Staged *evaluate_block(Evaluator *e, const Node *node, const Environment *environment,
                              const TypeSpec *expected) {
  bool refused;
  environment = walk_statements(e, &node->as.block.lets, environment, &refused);
  return refused ? staged_poison : evaluate(e, node->as.block.value, environment, expected);
}

// --- expressions ---------------------------------------------------------------------------------

static bool is_literal(const Node *node) {
  return node->kind == EXPR_INT || node->kind == EXPR_REAL;
}

// A number and a tensor give the tensor's type: `0.1 * he()` guides he() as he() alone would be.
static Staged *evaluate_binary(Evaluator *e, const Node *node, const Environment *environment,
                               const TypeSpec *expected) {
  BinaryOp op = node->as.binary.op;
  if (op == BIN_AND || op == BIN_OR) return evaluate_logic(e, node, environment);
  bool arithmetic = op == BIN_ADD || op == BIN_SUB || op == BIN_MUL || op == BIN_DIV;
  const TypeSpec *left = arithmetic && is_literal(node->as.binary.right) ? expected : NULL;
  Staged *a = evaluate(e, node->as.binary.left, environment, left);
  const TypeSpec *right = arithmetic && staged_is_number(a) ? expected : NULL;
  Staged *b = evaluate(e, node->as.binary.right, environment, right);
  e->builder.span = node->span;
  Places places = {node->span, node->as.binary.left->span, node->as.binary.right->span};
  return operate_at(e, op, a, b, places);
}

static Staged *evaluate_not(Evaluator *e, const Node *node, const Environment *environment) {
  Staged *a = evaluate(e, node->as.unary.operand, environment, NULL);
  if (staged_is_poison(a)) return a;
  if (a->kind == STAGED_BOOL) return staged_bool(e, !a->boolean);
  if (a->kind == STAGED_TENSOR && a->tensor->type->dtype == DT_BOOL)
    return staged_tensor(e, ir_unary(&e->builder, OP_NOT, a->tensor));
  mistake(e, E0303, node->as.unary.operand->span, "`!` needs a truth value, this is %s",
          staged_describe(e, a));
  return staged_poison;
}

static Staged *evaluate_tuple(Evaluator *e, const Node *node, const Environment *environment,
                              const TypeSpec *expected) {
  const NodeList *items = &node->as.list.items;
  bool guided = expected && expected->kind == SPEC_TUPLE && expected->count == (int)items->count;
  Staged **children = ARENA_ARRAY(e->arena, Staged *, items->count + 1);
  bool good = true;
  for (size_t i = 0; i < items->count; i++) {
    children[i] = evaluate(e, items->data[i], environment, guided ? expected->items[i] : NULL);
    good = good && !staged_is_poison(children[i]);
  }
  return good ? staged_tuple(e, children, (int)items->count) : staged_poison;
}

static Staged *evaluate_lambda(Evaluator *e, const Node *node, const Environment *environment) {
  Function *function = ARENA_NEW(e->arena, Function);
  *function = (Function){.node = node,
                         .environment = environment,
                         .real = e->real,
                         .vec = e->bundle_like[BUNDLE_VEC],
                         .shape = e->shape};
  Staged *s = ARENA_NEW(e->arena, Staged);
  s->kind = STAGED_FUNCTION;
  s->function = function;
  return s;
}

static Dtype element_dtype(ElementType element) {
  return (Dtype)element;
}
_Static_assert((int)EL_F16 == (int)DT_F16 && (int)EL_F64 == (int)DT_F64 &&
                   (int)EL_U8 == (int)DT_U8 && (int)EL_BOOL == (int)DT_BOOL,
               "element types of the tree and of the IR have one numbering");

static bool names_module(const Node *node) {
  const Binding *binding = node->kind == EXPR_NAME ? node->as.name.binding : NULL;
  return binding && binding->kind == BIND_MODULE;
}

static Staged *evaluate_plain(Evaluator *e, const Node *node, const Environment *environment,
                              const TypeSpec *expected) {
  switch (node->kind) {
  case EXPR_NAME:
    return bound_value(e, node->as.name.binding, node->span, environment);
  case EXPR_INT:
    return staged_int(e, node->as.integer.value);
  case EXPR_REAL:
    return staged_real(e, node->as.real.value);
  case EXPR_BOOL:
    return staged_bool(e, node->as.boolean.value);
  case EXPR_STRING: {
    Staged *s = ARENA_NEW(e->arena, Staged);
    s->kind = STAGED_STRING;
    s->string = node->as.string.text;
    return s;
  }
  case EXPR_BINARY:
    return evaluate_binary(e, node, environment, expected);
  case EXPR_NEGATE: {
    Staged *a = evaluate(e, node->as.unary.operand, environment, expected);
    return operate_negate(e, a, node->as.unary.operand->span);
  }
  case EXPR_NOT:
    return evaluate_not(e, node, environment);
  case EXPR_IF:
    return evaluate_conditional(e, node, environment, expected);
  case EXPR_FN:
    return evaluate_lambda(e, node, environment);
  case EXPR_MEMBER:
    if (node->as.member.binding)
      return bound_value(e, node->as.member.binding, node->span, environment);
    if (names_module(node->as.member.base))
      return staged_poison; // no such member: reported by check
    return operate_member(e, evaluate(e, node->as.member.base, environment, NULL),
                          node->as.member.member.name, node->as.member.member.span);
  case EXPR_INDEX:
    return evaluate_index(e, node, environment);
  case EXPR_CALL:
    return evaluate_call(e, node, environment, expected);
  case EXPR_TUPLE:
    return evaluate_tuple(e, node, environment, expected);
  case EXPR_LIST:
    return evaluate_list(e, node, environment, expected);
  case EXPR_CAST:
    return cast_to(e, evaluate(e, node->as.cast.operand, environment, NULL),
                   element_dtype(node->as.cast.element), node->as.cast.operand->span);
  case EXPR_FOR:
    return evaluate_comprehension(e, node, environment, expected);
  case EXPR_LOOP:
    return evaluate_loop(e, node, environment);
  case EXPR_BLOCK:
    return evaluate_block(e, node, environment, expected);
  default:
    return staged_poison; // NODE_ERROR: reported by the parser
  }
}

Staged *evaluate(Evaluator *e, const Node *node, const Environment *environment,
                 const TypeSpec *expected) {
  if (!node || !within_budget(e, node->span)) return staged_poison;
  Span saved = e->builder.span;
  e->builder.span = node->span;
  e->nesting++;
  Staged *value = evaluate_plain(e, node, environment, expected);
  e->nesting--;
  e->builder.span = saved;
  return value;
}
