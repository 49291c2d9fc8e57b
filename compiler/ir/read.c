// The reader of IR text: functions, blocks and ops.
//
// Enters: a text, possibly garbage. Leaves: a verified module, or NULL and a diagnostic at the
// first mistake. Ops are made exactly as written, without folding or sharing, so reading what was
// printed and printing it again gives the same text.
#include "ir/read.h"

#include <string.h>

enum { READ_MAX_DEPTH = 64 };

typedef VEC(Name) LabelList;
typedef VEC(const Type *) TypeList;

static bool bind_label(Reader *r, Name name, Value *value) {
  if (map_has(r->values, name)) return read_fail(r, E0202, r->at, "%%%s is made twice", name);
  map_put(r->values, name, value);
  if (name[0] < '0' || name[0] > '9') value->name = name;
  return true;
}

static bool read_block(Reader *r, Block *block);

// A region's ops and its closing brace; the opening one has been read.
static bool read_region(Reader *r, Block *block) {
  if (++r->depth > READ_MAX_DEPTH)
    return read_fail(r, E0106, r->at, "more than %d nested regions", READ_MAX_DEPTH);
  bool fine = read_block(r, block) && read_expect(r, "}");
  r->depth--;
  return fine;
}

// --- control ops -----------------------------------------------------------------------

typedef struct OpParts {
  ValueList operands;
  Attr attr;
  Block *regions[3];
  int region_count;
} OpParts;

static bool read_param(Reader *r, Block *block, const Type *type) {
  Name name = read_label(r);
  return name && bind_label(r, name, block_add_param(block, type, NULL));
}

// `%u = %w`: a parameter of the body and the operand it starts from. Stacked inputs give it one
// row.
static bool read_initialised(Reader *r, OpParts *parts, Block *outer, Block *body, bool stacked) {
  Name name = read_label(r);
  if (!name || !read_expect(r, "=")) return false;
  const char *start = r->at;
  Value *operand = read_operand(r, outer);
  if (!operand) return false;
  const Type *type = operand->type;
  if (stacked) {
    if (!type->rank || type->shape[0] != parts->attr.loop.bound)
      return read_fail(r, E0301, start, "the first axis of a stacked input is the loop's bound");
    type = type_get(r->module, type->dtype, type->rank - 1, type->shape + 1);
  }
  VEC_PUSH(r->scratch, &parts->operands, operand);
  return bind_label(r, name, block_add_param(body, type, NULL));
}

static bool read_loop_header(Reader *r, OpParts *parts, Block *outer, Block *body) {
  Value *count = read_operand(r, outer);
  if (!count) return false;
  VEC_PUSH(r->scratch, &parts->operands, count);
  if (read_accept(r, "bound") &&
      (!read_expect(r, "[") || !read_dim(r, &parts->attr.loop.bound) || !read_expect(r, "]")))
    return false;
  if (!read_expect(r, "(") || !read_param(r, body, type_scalar(r->module, DT_I64))) return false;
  for (; read_accept(r, ","); parts->attr.loop.carries++)
    if (!read_initialised(r, parts, outer, body, false)) return false;
  if (!read_expect(r, ")")) return false;
  if (read_accept(r, "stacked")) {
    if (!read_expect(r, "(")) return false;
    do {
      if (!read_initialised(r, parts, outer, body, true)) return false;
      parts->attr.loop.stacked_in++;
    } while (read_accept(r, ","));
    if (!read_expect(r, ")")) return false;
  }
  parts->attr.loop.reverse = read_accept(r, "reverse");
  parts->attr.loop.recompute = read_accept(r, "recompute");
  return read_expect(r, "{");
}

static bool read_loop(Reader *r, OpParts *parts, Block *outer) {
  Block *body = parts->regions[0] = block_create(r->module, outer);
  parts->region_count = 1;
  if (!read_loop_header(r, parts, outer, body) || !read_region(r, body)) return false;
  parts->attr.loop.stacked_out = (int)body->yields.count - parts->attr.loop.carries;
  if (!read_accept(r, "while")) return true;
  Block *condition = parts->regions[1] = block_create(r->module, outer);
  parts->region_count = 2;
  if (!read_expect(r, "(")) return false;
  for (int i = 0; i <= parts->attr.loop.carries; i++)
    if ((i && !read_expect(r, ",")) || !read_param(r, condition, body->params.data[i]->type))
      return false;
  return read_expect(r, ")") && read_expect(r, "{") && read_region(r, condition);
}

static bool read_operands(Reader *r, OpParts *parts, const Block *block) {
  read_skip(r);
  if (*r->at != '%') return true;
  do {
    Value *operand = read_operand(r, block);
    if (!operand) return false;
    VEC_PUSH(r->scratch, &parts->operands, operand);
  } while (read_accept(r, ","));
  return true;
}

static bool read_if(Reader *r, OpParts *parts, Block *outer) {
  if (!read_operands(r, parts, outer) || !read_expect(r, "{")) return false;
  parts->region_count = 2;
  for (int i = 0; i < 2; i++) parts->regions[i] = block_create(r->module, outer);
  return read_region(r, parts->regions[0]) && read_expect(r, "else") && read_expect(r, "{") &&
         read_region(r, parts->regions[1]);
}

static bool read_custom(Reader *r, OpParts *parts, Block *outer) {
  if (!read_operands(r, parts, outer)) return false;
  for (int i = 0; i < 3; i++) {
    if (i && !read_accept(r, i == 1 ? "tangent" : "transposed")) break;
    Block *region = parts->regions[i] = block_create(r->module, outer);
    parts->region_count = i + 1;
    if (!read_expect(r, "(")) return false;
    while (!read_accept(r, ")")) {
      const Type *type;
      if (region->params.count && !read_expect(r, ",")) return false;
      Name name = read_label(r);
      if (!name || !read_expect(r, ":") || !read_type(r, &type) ||
          !bind_label(r, name, block_add_param(region, type, NULL)))
        return false;
    }
    if (!read_expect(r, "{") || !read_region(r, region)) return false;
  }
  parts->attr.custom.results = (int)parts->regions[0]->yields.count;
  return true;
}

// --- ops -------------------------------------------------------------------------------

// `gt` and `uniform`: words between the op and its operands.
static bool read_variant(Reader *r, Opcode code, Attr *attr) {
  static const char *const compares[] = {"lt", "le", "gt", "ge", "eq", "ne"};
  static const char *const randoms[] = {"fold", "uniform", "bits", "index"};
  if (code == OP_COMPARE) {
    for (int i = 0; i < 6; i++)
      if (read_accept(r, compares[i])) {
        attr->compare.op = (Compare)i;
        return true;
      }
    return read_fail(r, E0101, r->at, "expected lt, le, gt, ge, eq or ne");
  }
  if (code == OP_RANDOM) {
    for (int i = 0; i < 4; i++)
      if (read_accept(r, randoms[i])) {
        attr->random.kind = (RandomKind)i;
        return true;
      }
    return read_fail(r, E0101, r->at, "expected fold, uniform, bits or index");
  }
  return true;
}

static bool carries_type(Opcode code) {
  return code == OP_CONST || code == OP_IOTA || code == OP_RANDOM || code == OP_VIEW ||
         code == OP_UNVIEW || code == OP_RESHAPE || code == OP_CONVERT || code == OP_DYNAMIC_SLICE;
}

static bool read_parts(Reader *r, Opcode code, OpParts *parts, Block *block,
                       const TypeList *types) {
  if (code == OP_LOOP) return read_loop(r, parts, block);
  if (code == OP_IF) return read_if(r, parts, block);
  if (code == OP_CUSTOM) return read_custom(r, parts, block);
  if (carries_type(code)) {
    if (types->count != 1) return read_fail(r, E0303, r->at, "this op has one result");
    parts->attr.type = types->data[0];
  }
  return read_variant(r, code, &parts->attr) && read_operands(r, parts, block) &&
         read_attr(r, code, &parts->attr, parts->operands.data, (int)parts->operands.count);
}

static bool make_op(Reader *r, Block *block, Opcode code, OpParts *parts, const char *start,
                    const LabelList *labels, const TypeList *declared) {
  int limit = op_result_limit(code, &parts->attr, parts->regions, parts->region_count), count = 0;
  const Type **types = ARENA_ARRAY(r->scratch, const Type *, (size_t)limit);
  const char *message = ir_infer(r->module, code, parts->operands.data, (int)parts->operands.count,
                                 &parts->attr, parts->regions, parts->region_count, types, &count);
  if (message) return read_fail(r, E0303, start, "%s", message);
  if ((size_t)count != labels->count)
    return read_fail(r, E0303, start, "%s has %d results", op_table[code].text, count);
  for (int i = 0; i < count; i++)
    if (types[i] != declared->data[i])
      return read_fail(r, E0301, start, "result %d is %s, not %s", i,
                       type_text(r->module, types[i]), type_text(r->module, declared->data[i]));
  Op *op = op_append(block, code, parts->operands.data, (int)parts->operands.count, &parts->attr,
                     parts->regions, parts->region_count, types, count, (Span){0});
  op_enter(op);
  for (int i = 0; i < count; i++)
    if (!bind_label(r, labels->data[i], op->results[i])) return false;
  return true;
}

static bool read_results(Reader *r, LabelList *labels, TypeList *types) {
  read_skip(r);
  if (*r->at != '%') return true;
  do {
    const Type *type;
    Name name = read_label(r);
    if (!name || !read_expect(r, ":") || !read_type(r, &type)) return false;
    VEC_PUSH(r->scratch, labels, name);
    VEC_PUSH(r->scratch, types, type);
  } while (read_accept(r, ","));
  return read_expect(r, "=");
}

static bool read_op(Reader *r, Block *block) {
  LabelList labels = {0};
  TypeList types = {0};
  OpParts parts = {0};
  read_skip(r);
  const char *start = r->at;
  if (!read_results(r, &labels, &types)) return false;
  int code = 0;
  while (code < OP_COUNT && !read_accept(r, op_table[code].text)) code++;
  if (code == OP_COUNT) return read_fail(r, E0101, r->at, "expected an op");
  return read_parts(r, (Opcode)code, &parts, block, &types) &&
         make_op(r, block, (Opcode)code, &parts, start, &labels, &types);
}

static bool read_yields(Reader *r, Block *block) {
  read_skip(r);
  if (*r->at != '%') return true;
  bool named = false;
  do {
    Value *value = read_operand(r, block);
    if (!value) return false;
    VEC_PUSH(r->module->arena, &block->yields, value);
    Name name = NULL;
    if (block->func && read_accept(r, ":") && !(name = read_name(r, "the name of a result")))
      return false;
    if (block->func) VEC_PUSH(r->module->arena, &block->func->result_names, name);
    named |= name != NULL;
  } while (read_accept(r, ","));
  if (block->func && !named) block->func->result_names.count = 0;
  return true;
}

static bool read_block(Reader *r, Block *block) {
  while (!r->failed) {
    if (read_accept(r, "yield")) return read_yields(r, block);
    if (!read_op(r, block)) return false;
  }
  return false;
}

// --- functions -------------------------------------------------------------------------

// `dims(..)` stands behind the parameters that use it, so it is looked up first.
static bool read_dims_ahead(Reader *r) {
  const char *start = r->at;
  r->dims.count = 0;
  bool found = false;
  while (*r->at && *r->at != '{' && !found)
    if (*r->at++ == ')') found = read_accept(r, "dims");
  if (found && *r->at == '(') {
    r->at++;
    do {
      Name name = read_name(r, "the name of a dim");
      if (!name) return false;
      VEC_PUSH(r->scratch, &r->dims, name);
    } while (read_accept(r, ","));
    if (!read_expect(r, ")")) return false;
  }
  r->at = start;
  return true;
}

static bool read_func(Reader *r) {
  const char *start = r->at;
  if (!read_expect(r, "func") || !read_expect(r, "@")) return false;
  Name name = read_name(r, "the name of a function");
  if (!name) return false;
  if (module_find(r->module, name)) return read_fail(r, E0202, start, "@%s is defined twice", name);
  if (!read_expect(r, "(") || !read_dims_ahead(r)) return false;
  Func *func = func_create(r->module, name);
  r->values = map_create(r->scratch);
  while (!read_accept(r, ")")) {
    const Type *type;
    if (func->body->params.count && !read_expect(r, ",")) return false;
    Name param = read_label(r);
    if (!param || !read_expect(r, ":") || !read_type(r, &type) ||
        !bind_label(r, param, block_add_param(func->body, type, NULL)))
      return false;
  }
  if (read_accept(r, "dims")) { // read before
    if (!read_expect(r, "(")) return false;
    while (!read_accept(r, ")"))
      if (!read_accept(r, ",") && !read_name(r, "the name of a dim")) return false;
  }
  return read_expect(r, "{") && read_region(r, func->body);
}

static bool read_module(Reader *r) {
  for (read_skip(r); *r->at; read_skip(r))
    if (!read_func(r)) return false;
  if (r->at != r->end) return read_fail(r, E0105, r->at, "a zero byte in the text");
  const char *message = ir_verify(r->scratch, r->module);
  return !message || read_fail(r, E0303, r->text, "%s", message);
}

Module *ir_read(Compilation *compilation, uint32_t source) {
  const Source *text = source_get(compilation->sources, source);
  Reader r = {.compilation = compilation,
              .module = module_create(compilation->arena, compilation->names),
              .scratch = arena_create(),
              .source = source,
              .text = text->text,
              .at = text->text,
              .end = text->text + text->length};
  bool fine = read_module(&r);
  arena_destroy(r.scratch);
  return fine ? r.module : NULL;
}
