// The printer of IR text; docs/internals/ir.md has the grammar.
//
// Enters: a module, function or op. Leaves: text that ir_read turns into the same ops. Values print
// by name where the name is unique in its function, else by a number in the order of printing.
#include "ir/ir_internal.h"
#include "ir/passes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Printer {
  Arena *arena;
  TextBuffer *out;
  const Module *module;
  const Sources *sources; // not NULL: append the line of each op
  Map *labels;            // value -> its label
  Map *taken;             // interned label -> itself
  Interner *names;
  unsigned next;
} Printer;

// --- labels ----------------------------------------------------------------------------

static bool is_plain_name(const char *name) {
  char c = *name;
  if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_')) return false;
  for (; (c = *name); name++)
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
          c == '.' || c == '\''))
      return false;
  return true;
}

static void label(Printer *p, const Value *value) {
  Name text;
  if (value->name && is_plain_name(value->name)) {
    text = intern(p->names, value->name);
    for (unsigned k = 2; map_has(p->taken, text); k++)
      text = intern_printf(p->names, "%s.%u", value->name, k);
    map_put(p->taken, text, (void *)text);
  } else {
    text = intern_printf(p->names, "%u", p->next++);
  }
  map_put(p->labels, value, (void *)text);
}

static void label_block(Printer *p, const Block *block) {
  for (size_t i = 0; i < block->params.count; i++) label(p, block->params.data[i]);
  for (const Op *op = block->first; op; op = op->next) {
    for (int i = 0; i < op->result_count; i++) label(p, op->results[i]);
    for (int i = 0; i < op->region_count; i++) label_block(p, op->regions[i]);
  }
}

static void print_value(Printer *p, const Value *value) {
  const char *text = value ? map_get(p->labels, value) : NULL;
  text_addf(p->out, "%%%s", text ? text : "?");
}

// Labels that start with a digit come from numbers, so a used name never meets them.
static Printer printer_start(Arena *arena, TextBuffer *out, const Func *func) {
  Printer p = {.arena = arena, .out = out, .module = func->module};
  p.names = interner_create(arena);
  p.labels = map_create(arena);
  p.taken = map_create(arena);
  label_block(&p, func->body);
  return p;
}

// --- parts -----------------------------------------------------------------------------

static void print_type(Printer *p, const Type *type) {
  text_add(p->out, dtype_text(type->dtype));
  for (int i = 0; i < type->rank; i++) {
    text_add(p->out, i ? ", " : "[");
    dim_print(p->out, type->shape[i]);
  }
  if (type->rank) text_add(p->out, "]");
}

static void print_real(Printer *p, double x) {
  if (isnan(x)) {
    text_add(p->out, "nan");
  } else if (isinf(x)) {
    text_add(p->out, x < 0 ? "-inf" : "inf");
  } else {
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
      snprintf(text, sizeof text, "%.*g", digits, x);
      if (strtod(text, NULL) == x) break;
    }
    text_add(p->out, text);
  }
}

static void print_integer(Printer *p, Dtype dtype, int64_t x) {
  if (dtype == DT_BOOL) {
    text_add(p->out, x ? "true" : "false");
  } else {
    text_addf(p->out, "%lld", (long long)x);
  }
}

static void print_constant(Printer *p, const Attr *attr) {
  Dtype dtype = attr->type->dtype;
  bool dense = attr->constant.reals || attr->constant.integers;
  size_t count = dense ? type_constant_entries(attr->type) : 1;
  text_add(p->out, dense ? " [" : " ");
  for (size_t i = 0; i < count; i++) {
    if (i) text_add(p->out, ", ");
    if (dtype_is_float(dtype)) {
      print_real(p, dense ? attr->constant.reals[i] : attr->constant.real);
    } else {
      print_integer(p, dtype, dense ? attr->constant.integers[i] : attr->constant.integer);
    }
  }
  if (dense) text_add(p->out, "]");
}

static bool looks_like_axis(Name name) {
  if (name[0] != 'o' || !name[1]) return false;
  for (name++; *name; name++)
    if (*name < '0' || *name > '9') return false;
  return true;
}

// The offset of an index map; dims named like output axes are put in dim(..).
static void print_offset(Printer *p, const Dim *offset, bool follows) {
  NameList names = {0};
  bool confusing = false;
  dim_names(p->arena, offset, &names);
  for (size_t i = 0; i < names.count; i++) confusing |= looks_like_axis(names.data[i]);
  TextBuffer text = text_buffer(p->arena);
  dim_print(&text, offset);
  const char *string = text_string(&text);
  if (confusing) {
    text_addf(p->out, "%sdim(%s)", follows ? " + " : "", string);
  } else if (follows && *string == '-') {
    text_addf(p->out, " - %s", string + 1);
  } else {
    text_addf(p->out, "%s%s", follows ? " + " : "", string);
  }
}

static void print_map(Printer *p, const IndexMap *map) {
  int64_t zero;
  text_add(p->out, " [");
  for (int i = 0; i < map->in_rank; i++) {
    bool follows = false;
    if (i) text_add(p->out, ", ");
    for (int k = 0; k < map->out_rank; k++) {
      int64_t factor = map->matrix[i * map->out_rank + k];
      if (!factor) continue;
      uint64_t size = factor < 0 ? 0 - (uint64_t)factor : (uint64_t)factor;
      text_add(p->out, !follows ? (factor < 0 ? "-" : "") : factor < 0 ? " - " : " + ");
      if (size != 1) text_addf(p->out, "%llu*", (unsigned long long)size);
      text_addf(p->out, "o%d", k);
      follows = true;
    }
    if (!follows || !dim_is_const(map->offset[i], &zero) || zero)
      print_offset(p, map->offset[i], follows);
  }
  text_add(p->out, "]");
}

// What a view usually is called, as a comment.
static const char *map_kind(const Op *op) {
  const IndexMap *map = &op->attr.map;
  if (op->operand_count != 1 || !op->operands[0]) return "incomplete"; // the verifier prints such
  const Type *x = op->operands[0]->type, *y = op->results[0]->type;
  int permutation[MAX_RANK];
  if (map_is_permutation(map, permutation)) {
    for (int k = 0; k < map->in_rank; k++)
      if (y->shape[k] != x->shape[permutation[k]]) return "slice"; // a leading part
    return "transpose";
  }
  bool offsets = false, scaled = false, flipped = false, used[MAX_RANK] = {0};
  for (int i = 0; i < map->in_rank; i++) {
    int64_t zero;
    int entries = 0;
    offsets |= !dim_is_const(map->offset[i], &zero) || zero;
    for (int k = 0; k < map->out_rank; k++) {
      int64_t factor = map->matrix[i * map->out_rank + k];
      if (!factor) continue;
      if (used[k]) return "diagonal";
      used[k] = true;
      entries++;
      scaled |= factor != 1;
      flipped |= factor < 0;
    }
    if (entries > 1) return "window";
  }
  for (int k = 0; k < map->out_rank; k++)
    if (!used[k]) return offsets || scaled ? "slice, broadcast" : "broadcast";
  return flipped ? "flip" : "slice";
}

static void print_axes(Printer *p, const int8_t *axes, int count) {
  for (int i = 0; i < count; i++) text_addf(p->out, "%s%d", i ? ", " : "", axes[i]);
}

static void print_pairs(Printer *p, const char *word, const int8_t *left, const int8_t *right,
                        int count) {
  if (!count) return;
  text_addf(p->out, " %s(", word);
  print_axes(p, left, count);
  text_add(p->out, "; ");
  print_axes(p, right, count);
  text_add(p->out, ")");
}

static void print_factors(Printer *p, const char *word, const int64_t *factors, int count) {
  bool ones = true;
  for (int i = 0; i < count; i++) ones = ones && factors[i] == 1;
  if (ones) return;
  text_addf(p->out, " %s(", word);
  for (int i = 0; i < count; i++) text_addf(p->out, "%s%lld", i ? ", " : "", (long long)factors[i]);
  text_add(p->out, ")");
}

static void print_dot(Printer *p, const Attr *attr) {
  int windows = attr->dot.window_count;
  print_pairs(p, "batch", attr->dot.left_batch, attr->dot.right_batch, attr->dot.batch_count);
  print_pairs(p, "contract", attr->dot.left_contract, attr->dot.right_contract,
              attr->dot.contract_count);
  print_pairs(p, "window", attr->dot.left_window, attr->dot.right_window, windows);
  print_factors(p, "stride", attr->dot.stride, windows);
  print_factors(p, "dilation", attr->dot.dilation, windows);
  if (attr->dot.wide) text_add(p->out, " wide");
}

static void print_string(Printer *p, const char *text) {
  text_add(p->out, "\"");
  for (; *text; text++) {
    unsigned char c = (unsigned char)*text;
    if (c == '"' || c == '\\') {
      text_addf(p->out, "\\%c", c);
    } else if (c < ' ' || c == 127) {
      text_addf(p->out, "\\x%02x", c);
    } else {
      text_add_range(p->out, text, 1);
    }
  }
  text_add(p->out, "\"");
}

// A name of a function or a result; in quotes where it is no plain name.
static void print_name(Printer *p, Name name) {
  if (is_plain_name(name)) {
    text_add(p->out, name);
  } else {
    print_string(p, name);
  }
}

static void print_note(Printer *p, const Attr *attr) {
  int number = attr->note.number;
  if (number < 0 || (size_t)number >= p->module->notes.count) return;
  const ModuleNote *note = &p->module->notes.data[number];
  text_addf(p->out, " code %s ", error_code_text((ErrorCode)note->code));
  print_string(p, note->text);
  if (!attr->note.times) return;
  text_add(p->out, " times [");
  dim_print(p->out, attr->note.times);
  text_add(p->out, "]");
}

static const char *const compare_texts[] = {"lt", "le", "gt", "ge", "eq", "ne"};
static const char *const random_texts[] = {"fold", "uniform", "bits", "index"};

static void print_reduce_axes(Printer *p, uint32_t axes) {
  int8_t list[32];
  int count = 0;
  for (int8_t i = 0; i < 32; i++)
    if (axes >> i & 1) list[count++] = i;
  text_add(p->out, " axes(");
  print_axes(p, list, count);
  text_add(p->out, ")");
}

// What follows the operands.
static void print_attr(Printer *p, const Op *op) {
  const Attr *attr = &op->attr;
  switch (op->code) {
  case OP_CONST:
    print_constant(p, attr);
    break;
  case OP_IOTA:
    text_addf(p->out, " axis %d", attr->iota.axis);
    break;
  case OP_DIM:
    text_add(p->out, " [");
    dim_print(p->out, attr->dim.dim);
    text_add(p->out, "]");
    break;
  case OP_VIEW:
  case OP_UNVIEW:
    print_map(p, &attr->map);
    text_addf(p->out, " ; %s", map_kind(op));
    break;
  case OP_CONCAT:
    text_addf(p->out, " axis %d", attr->concat.axis);
    break;
  case OP_REDUCE_SUM:
  case OP_REDUCE_MAX:
  case OP_REDUCE_PROD:
    print_reduce_axes(p, attr->reduce.axes);
    break;
  case OP_ARGMAX:
  case OP_CUMSUM:
  case OP_ARGSORT:
    text_addf(p->out, " axis %d%s%s%s", attr->scan.axis, attr->scan.reverse ? " reverse" : "",
              attr->scan.exclusive ? " exclusive" : "", attr->scan.descending ? " descending" : "");
    break;
  case OP_DOT:
  case OP_CONV:
    print_dot(p, attr);
    break;
  case OP_TRISOLVE:
  case OP_SOLVE:
    text_add(p->out, attr->solve.transposed ? " transposed" : "");
    break;
  case OP_GATHER:
  case OP_SCATTER_ADD:
    text_add(p->out, " axes(");
    print_axes(p, attr->gather.axes, attr->gather.axis_count);
    text_add(p->out, ")");
    break;
  case OP_DYNAMIC_UPDATE:
    text_add(p->out, attr->update.accumulate ? " accumulate" : "");
    break;
  case OP_NOTE:
    print_note(p, attr);
    break;
  default:
    break;
  }
}

// --- ops -------------------------------------------------------------------------------

static void print_list(Printer *p, Value *const *values, int count) {
  for (int i = 0; i < count; i++) {
    if (i) text_add(p->out, ", ");
    print_value(p, values[i]);
  }
}

static void print_body(Printer *p, const Block *block, int depth);

static void print_indent(Printer *p, int depth) {
  text_addf(p->out, "%*s", 2 * depth, "");
}

static void print_close(Printer *p, int depth) {
  print_indent(p, depth);
  text_add(p->out, "}");
}

static void print_loop_header(Printer *p, const Op *op) {
  const ValueList *params = &op->regions[0]->params;
  int carries = op->attr.loop.carries;
  text_add(p->out, " ");
  print_value(p, op->operands[0]);
  if (op->attr.loop.bound) {
    text_add(p->out, " bound [");
    dim_print(p->out, op->attr.loop.bound);
    text_add(p->out, "]");
  }
  for (int i = 0; i < (int)params->count && i < op->operand_count; i++) {
    if (i == 1 + carries) text_add(p->out, ")");
    text_add(p->out, i == 0 ? " (" : i == 1 + carries ? " stacked(" : ", ");
    print_value(p, params->data[i]);
    if (!i) continue;
    text_add(p->out, " = ");
    print_value(p, op->operands[i]);
  }
  text_addf(p->out, ")%s%s {", op->attr.loop.reverse ? " reverse" : "",
            op->attr.loop.recompute ? " recompute" : "");
}

static void print_params(Printer *p, const Block *block) {
  text_add(p->out, " (");
  for (size_t i = 0; i < block->params.count; i++) {
    if (i) text_add(p->out, ", ");
    print_value(p, block->params.data[i]);
    text_add(p->out, ": ");
    print_type(p, block->params.data[i]->type);
  }
  text_add(p->out, ") {");
}

static void print_line_mark(Printer *p, Span span) {
  if (p->sources && span.source) {
    const Source *source = source_get(p->sources, span.source);
    text_addf(p->out, "   !%u", source_position(source, span.start).line);
  }
}

// The regions of an op, from the header's brace on.
static void print_regions(Printer *p, const Op *op, int depth) {
  static const char *const custom_words[] = {"", " tangent", " transposed"};
  for (int i = 0; i < op->region_count; i++) {
    const Block *region = op->regions[i];
    if (i && op->code == OP_IF) text_add(p->out, " else {");
    if (i && op->code == OP_LOOP) {
      text_add(p->out, " while (");
      print_list(p, region->params.data, (int)region->params.count);
      text_add(p->out, ") {");
    }
    if (op->code == OP_CUSTOM) {
      text_add(p->out, custom_words[i]);
      print_params(p, region);
    }
    if (!i) print_line_mark(p, op->span);
    text_add(p->out, "\n");
    print_body(p, region, depth + 1);
    print_close(p, depth);
  }
}

static void print_op(Printer *p, const Op *op, int depth, bool header_only) {
  for (int i = 0; i < op->result_count; i++) {
    text_add(p->out, i ? ", " : "");
    print_value(p, op->results[i]);
    text_add(p->out, ": ");
    print_type(p, op->results[i]->type);
  }
  text_addf(p->out, "%s%s", op->result_count ? " = " : "", op_table[op->code].text);
  if (op->code == OP_COMPARE) text_addf(p->out, " %s", compare_texts[op->attr.compare.op]);
  if (op->code == OP_RANDOM) text_addf(p->out, " %s", random_texts[op->attr.random.kind]);
  if (op->code == OP_LOOP) {
    if (op->region_count) print_loop_header(p, op);
  } else {
    if (op->operand_count) text_add(p->out, " ");
    print_list(p, op->operands, op->operand_count);
    print_attr(p, op);
    if (op->code == OP_IF) text_add(p->out, " {");
  }
  if (header_only) return;
  if (op->region_count) {
    print_regions(p, op, depth);
  } else {
    print_line_mark(p, op->span);
  }
}

static void print_body(Printer *p, const Block *block, int depth) {
  for (const Op *op = block->first; op; op = op->next) {
    print_indent(p, depth);
    print_op(p, op, depth, false);
    text_add(p->out, "\n");
  }
  print_indent(p, depth);
  text_add(p->out, "yield");
  for (size_t i = 0; i < block->yields.count; i++) {
    text_add(p->out, i ? ", " : " ");
    print_value(p, block->yields.data[i]);
    if (!block->func || i >= block->func->result_names.count) continue;
    if (!block->func->result_names.data[i]) continue;
    text_add(p->out, " : ");
    print_name(p, block->func->result_names.data[i]);
  }
  text_add(p->out, "\n");
}

// --- functions -------------------------------------------------------------------------

static void type_names(Arena *arena, const Type *type, NameList *names) {
  for (int i = 0; i < type->rank; i++) dim_names(arena, type->shape[i], names);
}

static void block_names(Arena *arena, const Block *block, NameList *names) {
  for (size_t i = 0; i < block->params.count; i++)
    type_names(arena, block->params.data[i]->type, names);
  for (const Op *op = block->first; op; op = op->next) {
    for (int i = 0; i < op->result_count; i++) type_names(arena, op->results[i]->type, names);
    if (op->code == OP_DIM) dim_names(arena, op->attr.dim.dim, names);
    if (op->code == OP_LOOP && op->attr.loop.bound) dim_names(arena, op->attr.loop.bound, names);
    if (op->code == OP_VIEW || op->code == OP_UNVIEW)
      for (int i = 0; i < op->attr.map.in_rank; i++)
        dim_names(arena, op->attr.map.offset[i], names);
    for (int i = 0; i < op->region_count; i++) block_names(arena, op->regions[i], names);
  }
}

void func_dim_names(Arena *arena, const Func *func, NameList *names) {
  block_names(arena, func->body, names);
}

static void print_func(TextBuffer *out, const Func *func, const Sources *sources) {
  Arena *scratch = arena_create();
  Printer p = printer_start(scratch, out, func);
  p.sources = sources;
  text_add(out, "func @");
  print_name(&p, func->name);
  text_add(out, "(");
  for (size_t i = 0; i < func->body->params.count; i++) {
    if (i) text_add(out, ", ");
    print_value(&p, func->body->params.data[i]);
    text_add(out, ": ");
    print_type(&p, func->body->params.data[i]->type);
  }
  text_add(out, ")");
  NameList names = {0};
  func_dim_names(scratch, func, &names);
  for (size_t i = 0; i < names.count; i++)
    text_addf(out, "%s%s", i ? ", " : " dims(", names.data[i]);
  text_add(out, names.count ? ") {\n" : " {\n");
  print_body(&p, func->body, 1);
  text_add(out, "}\n");
  arena_destroy(scratch);
}

void ir_print_func(TextBuffer *out, const Func *func) {
  print_func(out, func, NULL);
}

void ir_print(TextBuffer *out, const Module *module) {
  ir_print_lines(out, module, NULL);
}

void ir_print_lines(TextBuffer *out, const Module *module, const Sources *sources) {
  for (size_t i = 0; i < module->funcs.count; i++) {
    if (i) text_add(out, "\n");
    print_func(out, module->funcs.data[i], sources);
  }
}

const char *op_describe(Arena *arena, const Func *func, const Op *op) {
  TextBuffer out = text_buffer(arena);
  Printer p = printer_start(arena, &out, func);
  print_op(&p, op, 0, true);
  return text_string(&out);
}
