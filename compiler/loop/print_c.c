// The kernels of a schedule as one C file: a second back end that isolates mistakes of the LLVM
// one.
//
// Vector loops print as plain loops, so reductions run in another order. Expressions become one
// temporary per node and statement. The file needs the runtime's headers (common) and nothing
// else.
#include "loop/print_internal.h"

#include "base/map.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

static const char preamble[] = // once, where files of several schedules are joined
    "#ifndef BLO_KERNELS\n#define BLO_KERNELS\n#include <math.h>\n#include <stdbool.h>\n#include "
    "<stdint.h>\n#include <string.h>\n"
    "#include \"common/rng.h\"\n#include \"common/special.h\"\n\n"
    "typedef struct { uint16_t bits; } bf16;\n"
    "static inline float bf16_value(bf16 x) {\n"
    "  uint32_t u = (uint32_t)x.bits << 16;\n  float f;\n  memcpy(&f, &u, 4);\n  return f;\n}\n"
    "static inline bf16 bf16_round(float f) {\n"
    "  uint32_t u;\n  memcpy(&u, &f, 4);\n"
    "  u = isnan(f) ? u | 0x400000 : u + 0x7FFF + (u >> 16 & 1);\n"
    "  return (bf16){(uint16_t)(u >> 16)};\n}\n"
    "#define INTEGER_OPS(T, NAME) \\\n"
    "  static inline T div_##NAME(T x, T y) { \\\n"
    "    if (y == 0) return 0; \\\n"
    "    if (y == (T)-1 && (T)-1 < 0) return (T)(0 - (uint64_t)x); \\\n"
    "    T q = (T)(x / y), r = (T)(x % y); \\\n"
    "    return r != 0 && (r < 0) != (y < 0) ? (T)(q - 1) : q; } \\\n"
    "  static inline T mod_##NAME(T x, T y) { \\\n"
    "    if (y == 0 || (y == (T)-1 && (T)-1 < 0)) return 0; \\\n"
    "    T r = (T)(x % y); \\\n"
    "    return r != 0 && (r < 0) != (y < 0) ? (T)(r + y) : r; } \\\n"
    "  static inline T max_##NAME(T x, T y) { return x > y ? x : y; } \\\n"
    "  static inline T min_##NAME(T x, T y) { return x < y ? x : y; } \\\n"
    "  static inline T sign_##NAME(T x) { return (T)((x > 0) - (x < 0)); } \\\n"
    "  static inline T abs_##NAME(T x) { return x < 0 ? (T)(0 - (uint64_t)x) : x; } \\\n"
    "  static inline T from_real_##NAME(double x, double low, double high, T least, T most) { \\\n"
    "    return isnan(x) ? 0 : x >= high ? most : x <= low ? least : (T)x; }\n"
    "INTEGER_OPS(int64_t, i64)\nINTEGER_OPS(int32_t, i32)\nINTEGER_OPS(uint8_t, u8)\n"
    "static inline double max_real(double x, double y) { return isnan(x) || x > y ? x : y; }\n"
    "static inline double min_real(double x, double y) { return isnan(x) || x < y ? x : y; }\n"
    "static inline double sign_real(double x) { return x > 0 ? 1 : x < 0 ? -1 : x; }\n"
    "static inline double mod_real(double x, double y) {\n"
    "  double r = fmod(x, y);\n  return r != 0 && (r < 0) != (y < 0) ? r + y : r;\n}\n"
    "static inline double logistic(double x) {\n"
    "  double e = exp(-fabs(x));\n  return (x < 0 ? e : 1) / (1 + e);\n}\n"
    "static inline double softplus(double x) {\n"
    "  return (x > 0 ? x : 0 * x) + log1p(exp(-fabs(x)));\n}\n"
    "static inline int64_t floor_div(int64_t x, int64_t y) { return div_i64(x, y); }\n"
    "static inline int64_t larger(int64_t x, int64_t y) { return x > y ? x : y; }\n#endif\n\n";

static const char *value_text(Dtype dtype) {
  static const char *const texts[] = {"_Float16", "float",   "float",   "double",
                                      "int32_t",  "int64_t", "uint8_t", "bool"};
  return texts[dtype];
}

static const char *memory_text(Dtype dtype) {
  return dtype == DT_BF16 ? "bf16" : value_text(dtype);
}

typedef struct CPrinter {
  TextBuffer *out;
  const Kernel *kernel;
  Map *printed; // expressions of the current statement
  int depth;
} CPrinter;

// ---------------------------------------------------------------- expressions

static void print_real(TextBuffer *out, double x) {
  if (isnan(x))
    text_add(out, "NAN");
  else if (isinf(x))
    text_add(out, x < 0 ? "-INFINITY" : "INFINITY");
  else
    text_addf(out, "%a", x);
}

/// A dim as a C expression over `dims`, whose order the names show.
static void print_dim(TextBuffer *out, const Dim *dim) {
  TextBuffer text = text_buffer(out->arena);
  dim_print(&text, dim);
  for (const char *c = text_string(&text); *c; c++) {
    if (strncmp(c, "floordiv(", 9) == 0)
      text_add(out, "floor_div("), c += 8;
    else if (strncmp(c, "max(", 4) == 0)
      text_add(out, "larger("), c += 3;
    else
      text_add_range(out, c, 1);
  }
}

static void print_arguments(CPrinter *p, const Expr *e) {
  text_add(p->out, "(");
  for (int i = 0; i < e->argument_count; i++)
    text_addf(p->out, "%st%d", i ? ", " : "", e->arguments[i]->id);
  text_add(p->out, ")");
}

static void print_convert(CPrinter *p, const Expr *e) {
  Dtype from = e->arguments[0]->dtype, to = e->dtype;
  int x = e->arguments[0]->id;
  if (to == DT_BOOL)
    text_addf(p->out, "t%d != 0", x);
  else if (!dtype_is_float(from) || dtype_is_float(to))
    text_addf(p->out, "(%s)t%d", value_text(to), x);
  else if (to == DT_I64)
    text_addf(p->out, "from_real_i64(t%d, -0x1p63, 0x1p63, INT64_MIN, INT64_MAX)", x);
  else if (to == DT_I32)
    text_addf(p->out, "from_real_i32(t%d, -0x1p31, 0x1p31, INT32_MIN, INT32_MAX)", x);
  else
    text_addf(p->out, "from_real_u8(t%d, 0, 256, 0, 255)", x);
}

static const char *infix_of(const Expr *e) {
  static const char *const compares[] = {"<", "<=", ">", ">=", "==", "!="};
  switch (e->opcode) {
  case OP_ADD:
    return "+";
  case OP_SUB:
    return "-";
  case OP_MUL:
    return "*";
  case OP_AND:
    return "&&";
  case OP_OR:
    return "||";
  case OP_DIV:
    return dtype_is_float(e->dtype) ? "/" : NULL;
  case OP_COMPARE:
    return compares[e->compare];
  default:
    return NULL;
  }
}

static void print_c_op(CPrinter *p, const Expr *e) {
  const char *infix = infix_of(e);
  bool real = dtype_is_float(e->arguments[0]->dtype);
  int x = e->arguments[0]->id;
  if (infix && real) {
    text_addf(p->out, "t%d %s t%d", x, infix, e->arguments[1]->id);
  } else if (infix) { // integers wrap
    bool wraps = e->opcode == OP_ADD || e->opcode == OP_SUB || e->opcode == OP_MUL;
    const char *cast = wraps ? "(uint64_t)" : "";
    text_addf(p->out, "%st%d %s %st%d", cast, x, infix, cast, e->arguments[1]->id);
  } else if (e->opcode == OP_CONVERT) {
    print_convert(p, e);
  } else if (e->opcode == OP_SELECT) {
    text_addf(p->out, "t%d ? t%d : t%d", x, e->arguments[1]->id, e->arguments[2]->id);
  } else if (e->opcode == OP_NEG || e->opcode == OP_NOT) {
    if (e->opcode == OP_NOT)
      text_addf(p->out, "!t%d", x);
    else
      text_addf(p->out, real ? "-t%d" : "0 - (uint64_t)t%d", x);
  } else if (e->opcode == OP_RSQRT) {
    text_addf(p->out, "1 / sqrt(t%d)", x);
  } else {
    bool plain = op_table[e->opcode].domain == DOMAIN_FLOAT;
    bool ours = e->opcode == OP_LGAMMA || e->opcode == OP_POLYGAMMA || e->opcode == OP_ERFINV;
    const char *name = e->opcode == OP_ABS && real ? "fabs" : op_table[e->opcode].text;
    if (ours) text_add(p->out, "blo_");
    text_add(p->out, name);
    if (!plain && !(e->opcode == OP_ABS && real))
      text_addf(p->out, "_%s", real ? "real" : dtype_text(e->arguments[0]->dtype));
    print_arguments(p, e);
  }
}

static void print_random(CPrinter *p, const Expr *e) {
  static const char *const names[] = {"fold", "uniform", "bits", "index"};
  bool narrow = e->random_kind == RANDOM_UNIFORM && e->dtype != DT_F64;
  int digits = e->dtype == DT_F16 ? 11 : e->dtype == DT_BF16 ? 8 : 24;
  if (narrow) text_addf(p->out, "floor(0x1p%d * ", digits);
  text_addf(p->out, "blo_rng_%s%s", names[e->random_kind], narrow ? "_f32" : "");
  print_arguments(p, e);
  if (narrow) text_addf(p->out, ") * 0x1p-%d", digits);
}

/// The right hand side of a temporary.
static void print_c_value(CPrinter *p, const Expr *e) {
  bool brain = e->dtype == DT_BF16 && (e->kind == EXPRESSION_LOAD || e->kind == EXPRESSION_LOCAL);
  switch (e->kind) {
  case EXPRESSION_CONST:
    if (dtype_is_float(e->dtype))
      print_real(p->out, e->real);
    else if (e->integer == INT64_MIN)
      text_add(p->out, "INT64_MIN");
    else
      text_addf(p->out, "%lldLL", (long long)e->integer);
    break;
  case EXPRESSION_DIM:
    print_dim(p->out, e->dim);
    break;
  case EXPRESSION_SCALAR:
    text_addf(p->out, "s%d", e->number);
    break;
  case EXPRESSION_AXIS:
    text_addf(p->out, "%s%d", e->axis->name, e->axis->id);
    break;
  case EXPRESSION_REGISTER:
    text_addf(p->out, "r%d", e->reg->id);
    break;
  case EXPRESSION_LOAD:
  case EXPRESSION_LOCAL:
    text_addf(p->out, "%s%c%d[t%d]%s", brain ? "bf16_value(" : "",
              e->kind == EXPRESSION_LOAD ? 'b' : 'a',
              e->kind == EXPRESSION_LOAD ? e->buffer : e->local->id, e->arguments[0]->id,
              brain ? ")" : "");
    break;
  case EXPRESSION_OP:
    if (e->dtype == DT_BF16) text_add(p->out, "bf16_value(bf16_round(");
    print_c_op(p, e);
    if (e->dtype == DT_BF16) text_add(p->out, "))");
    break;
  case EXPRESSION_RANDOM:
    print_random(p, e);
    break;
  }
}

/// Temporaries for e and what it is made of.
static void print_temporaries(CPrinter *p, const Expr *e) {
  if (map_has(p->printed, e)) return;
  map_put(p->printed, e, NULL);
  for (int i = 0; i < e->argument_count; i++) print_temporaries(p, e->arguments[i]);
  print_indent(p->out, p->depth);
  text_addf(p->out, "%s t%d = ", value_text(e->dtype), e->id);
  print_c_value(p, e);
  text_add(p->out, ";\n");
}

// ---------------------------------------------------------------- statements

static void print_c_body(CPrinter *p, const StmtList *body);

static void line(CPrinter *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void line(CPrinter *p, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  print_indent(p->out, p->depth);
  text_add(p->out, arena_vprintf(p->out->arena, format, arguments));
  text_add(p->out, "\n");
  va_end(arguments);
}

static void print_c_for(CPrinter *p, const Stmt *s) {
  long long step = (long long)s->step;
  int low = s->low->id, high = s->high->id;
  const char *name = arena_printf(p->out->arena, "%s%d", s->axis->name, s->axis->id);
  if (s->reverse)
    line(p, "for (int64_t %s = t%d + (t%d - t%d - 1) / %lld * %lld; %s >= t%d; %s -= %lld) {", name,
         low, high, low, step, step, name, low, name, step);
  else
    line(p, "for (int64_t %s = t%d; %s < t%d; %s += %lld) {", name, low, name, high, name, step);
  p->depth++;
  print_c_body(p, &s->body);
  p->depth--;
  line(p, "}");
}

static void print_c_accumulate(CPrinter *p, const Stmt *s) {
  int r = s->reg->id, t = s->value->id;
  bool real = dtype_is_float(s->reg->dtype);
  const char *type = real ? "real" : dtype_text(s->reg->dtype);
  switch (s->op) {
  case OP_MAX:
  case OP_MIN:
    line(p, "r%d = %s_%s(r%d, t%d);", r, op_table[s->op].text, type, r, t);
    break;
  case OP_AND:
    line(p, "r%d = r%d && t%d;", r, r, t);
    break;
  case OP_OR:
    line(p, "r%d = r%d || t%d;", r, r, t);
    break;
  default: {
    const char *cast = real ? "" : "(uint64_t)", *sign = s->op == OP_MUL ? "*" : "+";
    if (s->reg->dtype == DT_BF16)
      line(p, "r%d = bf16_value(bf16_round(r%d %s t%d));", r, r, sign, t);
    else
      line(p, "r%d = %sr%d %s %st%d;", r, cast, r, sign, cast, t);
  }
  }
}

static void print_c_store(CPrinter *p, const Stmt *s) {
  bool buffer = s->kind == STATEMENT_STORE;
  Dtype dtype = s->value->dtype;
  const char *place = arena_printf(p->out->arena, "%c%d[t%d]", buffer ? 'b' : 'a',
                                   buffer ? s->buffer : s->local->id, s->index->id);
  const char *sum = arena_printf(p->out->arena, "t%d", s->value->id);
  if (s->accumulate)
    sum = dtype == DT_BF16 ? arena_printf(p->out->arena, "bf16_value(%s) + %s", place, sum)
          : dtype_is_float(dtype)
              ? arena_printf(p->out->arena, "%s + %s", place, sum)
              : arena_printf(p->out->arena, "(uint64_t)%s + (uint64_t)%s", place, sum);
  line(p, dtype == DT_BF16 ? "%s = bf16_round(%s);" : "%s = %s;", place, sum);
}

static void print_c_if(CPrinter *p, const Stmt *s) {
  line(p, "if (t%d) {", s->condition->id);
  p->depth++;
  print_c_body(p, &s->body);
  p->depth--;
  if (s->otherwise.count) {
    line(p, "} else {");
    p->depth++;
    print_c_body(p, &s->otherwise);
    p->depth--;
  }
  line(p, "}");
}

static void print_c_statement(CPrinter *p, const Stmt *s) {
  switch (s->kind) {
  case STATEMENT_FOR:
    print_c_for(p, s);
    break;
  case STATEMENT_IF:
    print_c_if(p, s);
    break;
  case STATEMENT_DECLARE:
  case STATEMENT_ASSIGN:
    line(p, "r%d = t%d;", s->reg->id, s->value->id);
    break;
  case STATEMENT_ACCUMULATE:
    print_c_accumulate(p, s);
    break;
  case STATEMENT_ARGMAX: {
    int r = s->reg->id, i = s->reg_index->id, t = s->value->id, at = s->index->id;
    line(p, "if (t%d > r%d || (t%d == r%d && t%d < r%d)) r%d = t%d, r%d = t%d;", t, r, t, r, at, i,
         r, t, i, at);
    break;
  }
  case STATEMENT_STORE:
  case STATEMENT_LOCAL_STORE:
    print_c_store(p, s);
    break;
  case STATEMENT_NOTE:
    line(p, "if (t%d) notes[%d]++;", s->value->id, s->number);
    break;
  }
}

static void print_c_body(CPrinter *p, const StmtList *body) {
  for (size_t i = 0; i < body->count; i++) {
    const Stmt *s = body->data[i];
    const Expr *const parts[] = {s->low, s->high, s->condition, s->index, s->value};
    Map *outer = p->printed;
    p->printed = map_create(p->out->arena);
    line(p, "{");
    p->depth++;
    for (size_t k = 0; k < sizeof parts / sizeof *parts; k++)
      if (parts[k]) print_temporaries(p, parts[k]);
    print_c_statement(p, s);
    p->depth--;
    line(p, "}");
    p->printed = outer;
  }
}

// ---------------------------------------------------------------- kernels

static void collect_names(Arena *arena, const StmtList *body, NameList *names);

static void collect_expr_names(Arena *arena, const Expr *e, NameList *names) {
  if (e->kind == EXPRESSION_DIM) dim_names(arena, e->dim, names);
  for (int i = 0; i < e->argument_count; i++) collect_expr_names(arena, e->arguments[i], names);
}

static void collect_names(Arena *arena, const StmtList *body, NameList *names) {
  for (size_t i = 0; i < body->count; i++) {
    const Stmt *s = body->data[i];
    const Expr *const parts[] = {s->low, s->high, s->condition, s->index, s->value};
    for (size_t k = 0; k < sizeof parts / sizeof *parts; k++)
      if (parts[k]) collect_expr_names(arena, parts[k], names);
    collect_names(arena, &s->body, names);
    collect_names(arena, &s->otherwise, names);
  }
}

static void declare_registers(CPrinter *p, const StmtList *body) {
  for (size_t i = 0; i < body->count; i++) {
    const Stmt *s = body->data[i];
    if (s->kind == STATEMENT_DECLARE) line(p, "%s r%d;", value_text(s->reg->dtype), s->reg->id);
    declare_registers(p, &s->body);
    declare_registers(p, &s->otherwise);
  }
}

static void print_c_kernel(TextBuffer *out, const char *prefix, const Kernel *kernel,
                           size_t number) {
  CPrinter p = {.out = out, .kernel = kernel, .depth = 1};
  NameList names = {0};
  collect_names(out->arena, &kernel->body, &names);
  text_addf(out, "void %s_kernel_%zu(", prefix, number);
  for (size_t i = 0; i < kernel->buffers.count; i++) {
    const KernelBuffer *b = &kernel->buffers.data[i];
    text_addf(out, "%s%s *restrict b%zu, ", b->writes ? "" : "const ", memory_text(b->dtype), i);
  }
  for (int i = 0; i < kernel->scalar_count; i++) text_addf(out, "int64_t s%d, ", i);
  for (size_t i = 0; i < names.count; i++) text_addf(out, "int64_t %s, ", names.data[i]);
  text_addf(out, "int64_t *notes) { // %s\n", kernel->name);
  for (size_t i = 0; i < kernel->locals.count; i++)
    line(&p, "%s a%zu[%lld];", memory_text(kernel->locals.data[i]->dtype), i,
         (long long)kernel->locals.data[i]->entries);
  declare_registers(&p, &kernel->body);
  line(&p, "(void)notes;");
  print_c_body(&p, &kernel->body);
  text_add(out, "}\n\n");
}

void schedule_print_c(TextBuffer *out, const Schedule *schedule) {
  text_addf(out, "// kernels of %s\n%s", schedule->name, preamble);
  char *prefix = arena_string(out->arena, schedule->name, strlen(schedule->name));
  for (char *c = prefix; *c; c++)
    if (!isalnum((unsigned char)*c)) *c = '_';
  for (size_t i = 0; i < schedule->kernels.count; i++)
    print_c_kernel(out, prefix, schedule->kernels.data[i], i);
}
