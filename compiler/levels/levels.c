// Reachability on IR, turned into words. See levels.h.
//
// Every question is of one kind: how does a result depend on the leaves of a variable -- not at
// all, only through steps, or with a derivative. The IR has seen through closures, methods and
// batches already.
#include "levels/levels.h"

#include "diff/dependence.h"

#include <math.h>
#include <string.h>

typedef struct Checker {
  Compilation *compilation;
  const LevelProblem *problem;
  Arena *arena; // of this check
} Checker;

static Diagnostic *say(const Checker *c, ErrorCode code, Span span, const char *text) {
  return report(c->compilation->diagnostics, code, span, "%s", text);
}

static const char *phrase(const Checker *c, const char *format, const char *name) {
  // The formats are literals of this file with one %s.
  TextBuffer text = text_buffer(c->compilation->arena);
  const char *hole = strstr(format, "%s");
  text_add_range(&text, format, (size_t)(hole - format));
  text_add(&text, name);
  text_add(&text, hole + 2);
  return text_string(&text);
}

// How the results of `func` depend on one variable.
static Dependence depends(const Checker *c, Func *func, const ProblemVariable *variable) {
  if (!func) return DEPENDS_NOT;
  Map *map = dependence_map(c->arena, func->body, func->body->params.data + variable->first,
                            (size_t)variable->count);
  Dependence most = DEPENDS_NOT;
  for (size_t i = 0; i < func->body->yields.count; i++) {
    Dependence kind = dependence_get(map, func->body->yields.data[i]);
    if (kind > most) most = kind;
  }
  return most;
}

// ---- the lower objective and its own variables

static void check_lower_variables(const Checker *c) {
  const LevelProblem *p = c->problem;
  for (size_t i = 0; i < p->lower_count; i++) {
    const ProblemVariable *variable = &p->lower_variables[i];
    Dependence kind = depends(c, p->lower, variable);
    if (kind == DEPENDS_SMOOTHLY) continue;
    Diagnostic *d;
    if (kind == DEPENDS_NOT) {
      d = say(
          c, E0401, p->lower_objective,
          phrase(c, "the lower objective does not depend on its variable `%s`", variable->name));
      diagnostic_help(d, "minimize something that changes with `%s`, or take it out of `lower`",
                      variable->name);
    } else {
      d = say(c, E0421, p->lower_objective,
              phrase(c, "the lower objective depends on `%s` only through steps", variable->name));
      diagnostic_note(d, "`sign`, `floor`, comparisons and casts to integers have derivative 0 "
                         "wherever they have one");
      diagnostic_help(d, "use a smooth stand-in, like `sigmoid` for a comparison");
    }
    diagnostic_label(d, variable->span, "`%s` is declared here", variable->name);
  }
}

// ---- upper variables and the lower problem

static const char *start_help(const Checker *c) {
  const char *methods = c->problem->start_methods;
  return methods ? phrase(c, "methods that differentiate the start value: %s", methods)
                 : "choose a method that differentiates the start value";
}

static void help_steps(const Checker *c, Diagnostic *d) {
  if (c->problem->step_methods)
    diagnostic_help(d,
                    "use a smooth stand-in, like `sigmoid` for a comparison, or a method that "
                    "takes no derivative by it: %s",
                    c->problem->step_methods);
  else
    diagnostic_help(d, "use a smooth stand-in, like `sigmoid` for a comparison");
}

// A variable that changes neither objective, or a lower problem that no upper variable changes.
static void check_upper_variables(const Checker *c) {
  const LevelProblem *p = c->problem;
  bool reached = false;
  for (size_t i = 0; i < p->outer_count; i++)
    reached |= depends(c, p->lower, &p->outer_variables[i]) != DEPENDS_NOT ||
               depends(c, p->start, &p->outer_variables[i]) != DEPENDS_NOT;
  for (size_t i = 0; i < p->upper_count; i++) {
    const ProblemVariable *variable = &p->upper_variables[i];
    reached |= depends(c, p->lower, variable) != DEPENDS_NOT;
    reached |= depends(c, p->start, variable) != DEPENDS_NOT;
  }
  for (size_t i = 0; i < p->upper_count; i++) {
    const ProblemVariable *variable = &p->upper_variables[i];
    if (variable->updated) continue;
    Dependence lower = depends(c, p->lower, variable), upper = depends(c, p->upper, variable);
    Dependence start = depends(c, p->start, variable);
    bool steps_only = lower == DEPENDS_STEPWISE && start != DEPENDS_SMOOTHLY;
    if (steps_only && !p->takes_steps) {
      Diagnostic *d =
          say(c, E0421, variable->span,
              phrase(c, "the upper variable `%s` reaches the lower problem only through steps",
                     variable->name));
      diagnostic_label(d, p->lower_objective, "its derivative by `%s` is 0 everywhere",
                       variable->name);
      help_steps(c, d);
      continue;
    }
    bool unreached = lower == DEPENDS_NOT && start == DEPENDS_NOT;
    if (!unreached || (reached && upper != DEPENDS_NOT)) continue;
    Diagnostic *d =
        say(c, E0402, variable->span,
            phrase(c, "the upper variable `%s` never reaches the lower problem", variable->name));
    diagnostic_label(d, p->lower_objective, "`%s` does not occur here", variable->name);
    if (upper != DEPENDS_NOT)
      diagnostic_help(d, "this is a problem of one level: minimize it in a `stage` of its own");
    else
      diagnostic_help(d, "use `%s` in the lower objective, or remove it", variable->name);
  }
}

// ---- what the method sees

// A leaf of the hypergradient that is the constant zero.
static bool is_zero(const Value *value) {
  const Op *op = value->op;
  if (!op || op->code != OP_CONST || op->attr.constant.reals || op->attr.constant.integers)
    return false;
  return op->attr.constant.real == 0.0;
}

static bool gives_zero(const Func *hypergradient, const ProblemVariable *variable) {
  for (int i = 0; i < variable->count; i++)
    if (!is_zero(hypergradient->body->yields.data[variable->first + i])) return false;
  return true;
}

// implicit and unroll leave nothing out: then the lower solution itself stands still.
static bool differentiates_solution(const char *method) {
  return strcmp(method, "implicit") == 0 || strcmp(method, "unroll") == 0;
}

static void check_method(const Checker *c) {
  const LevelProblem *p = c->problem;
  if (!p->hypergradient) return;
  for (size_t i = 0; i < p->upper_count; i++) {
    const ProblemVariable *variable = &p->upper_variables[i];
    if (variable->updated || !gives_zero(p->hypergradient, variable)) continue;
    Dependence lower = depends(c, p->lower, variable), start = depends(c, p->start, variable);
    if (lower == DEPENDS_NOT && start == DEPENDS_NOT) continue; // said already
    TextBuffer text = text_buffer(c->compilation->arena);
    bool start_only = lower == DEPENDS_NOT;
    if (start_only)
      text_addf(&text, "`%s` ignores the start value, and `%s` is used nowhere else", p->method,
                variable->name);
    else
      text_addf(&text, "the hypergradient of `%s` is zero by construction for `%s`", p->method,
                variable->name);
    Diagnostic *d = say(c, E0411, p->method_span, text_string(&text));
    diagnostic_label(d, variable->span, "`%s` is declared here", variable->name);
    if (start_only)
      diagnostic_help(d, "%s", start_help(c));
    else if (differentiates_solution(p->method))
      diagnostic_help(d,
                      "the lower solution does not move with `%s`: let it act on a term with "
                      "lower variables, or use it in the upper objective",
                      variable->name);
    else
      diagnostic_help(d, "choose a method that differentiates the lower solution, such as implicit "
                         "or unroll");
  }
}

// Beside F's own x the lower answer contributes nothing: right for no method that derives it.
static void check_answer(const Checker *c) {
  const LevelProblem *p = c->problem;
  if (!p->slopes || !p->answer) return;
  for (size_t i = 0; i < p->upper_count; i++) {
    const ProblemVariable *variable = &p->upper_variables[i];
    if (variable->updated || !gives_zero(p->answer, variable)) continue;
    Dependence slopes = depends(c, p->slopes, variable), start = depends(c, p->start, variable);
    if (slopes == DEPENDS_STEPWISE) {
      Diagnostic *d =
          say(c, E0421, p->lower_objective,
              phrase(c, "the slope of the lower objective depends on `%s` only through steps",
                     variable->name));
      diagnostic_label(d, p->method_span, "`%s` would follow the upper objective's own `%s` alone",
                       p->method, variable->name);
      help_steps(c, d);
    } else if (slopes == DEPENDS_NOT && start != DEPENDS_NOT) {
      Diagnostic *d =
          say(c, E0411, p->method_span, phrase(c, "`%s` ignores the start value", p->method));
      diagnostic_label(d, variable->span, "`%s` reaches the lower problem by its start alone",
                       variable->name);
      diagnostic_help(d, "%s", start_help(c));
    }
  }
}

static void check_upper_objective(const Checker *c) {
  const LevelProblem *p = c->problem;
  for (size_t i = 0; i < p->lower_count; i++)
    if (depends(c, p->upper, &p->lower_variables[i]) != DEPENDS_NOT) return;
  Diagnostic *d =
      say(c, W0403, p->upper_objective, "the upper objective does not depend on a lower variable");
  diagnostic_label(d, p->lower_span, "the lower problem has no effect");
}

// ---- memory of derivatives through loops

enum { LARGE_TAPE_MIB = 256 };

// Bytes of a value when its dims are known.
static double bytes_of(Module *module, const Type *type) {
  int64_t entries;
  if (!dim_is_const(type_entries(module, type), &entries)) return 0.0;
  return (double)entries * (double)dtype_bytes(type->dtype);
}

// Stacked outputs of the loops of a block: what a later loop backwards reads. Gives the largest
// loop, too.
static double tape_bytes(Block *block, const Op **largest, double *most) {
  double total = 0.0;
  for (const Op *op = block->first; op; op = op->next) {
    double kept = 0.0;
    for (int r = 0; r < op->region_count; r++) kept += tape_bytes(op->regions[r], largest, most);
    if (op->code == OP_LOOP) {
      int first = op->attr.loop.carries, count = op->attr.loop.stacked_out;
      double own = 0.0;
      for (int i = 0; i < count; i++) own += bytes_of(block->module, op->results[first + i]->type);
      if (own > *most) {
        *most = own;
        *largest = op;
      }
      kept += own;
    }
    total += kept;
  }
  return total;
}

static void check_memory(const Checker *c) {
  const LevelProblem *p = c->problem;
  if (!p->hypergradient) return;
  const Op *loop = NULL;
  double most = 0.0, total = tape_bytes(p->hypergradient->body, &loop, &most);
  if (total < (double)LARGE_TAPE_MIB * 1048576.0) return;
  Diagnostic *d = report(c->compilation->diagnostics, W0430, p->method_span,
                         "the derivative of the lower steps keeps %.1f GB", total / 1e9);
  int64_t trips = 0;
  if (loop->attr.loop.bound && dim_is_const(loop->attr.loop.bound, &trips) && trips > 0)
    diagnostic_note(d, "%lld iterations keep %.1f MB each", (long long)trips,
                    most / 1e6 / (double)trips);
  if (p->checkpoints && trips > 3)
    diagnostic_help(d, "`%s(checkpoint = true)` keeps about %.0f MB and runs the steps twice",
                    p->method, 2.0 * sqrt((double)trips) * most / 1e6 / (double)trips);
  else
    diagnostic_help(d, "take fewer lower iterations, or a method that does not unroll them");
}

void levels_check(Compilation *compilation, const LevelProblem *problem) {
  size_t errors = diagnostics_errors(compilation->diagnostics);
  Checker c = {compilation, problem, arena_create()};
  check_lower_variables(&c);
  check_upper_variables(&c);
  check_upper_objective(&c);
  if (diagnostics_errors(compilation->diagnostics) == errors) check_method(&c);
  if (diagnostics_errors(compilation->diagnostics) == errors) check_answer(&c);
  check_memory(&c);
  arena_destroy(c.arena);
}
