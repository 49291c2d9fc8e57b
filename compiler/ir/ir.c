// Modules, types, blocks and ops as data structures.
//
// Enters: parts. Leaves: interned types, linked lists of ops, answers about nesting and use. What
// an op means is not known here.
#include "ir/ir_internal.h"
#include "text/diagnostics.h"

#include <string.h>

// --- types -----------------------------------------------------------------------------

typedef struct TypeTable {
  const Type **slots;
  size_t count, capacity;
} TypeTable;

Module *module_create(Arena *arena, Interner *names) {
  Module *module = ARENA_NEW(arena, Module);
  module->arena = arena;
  module->names = names;
  module->dims = dim_table_create(arena, names);
  TypeTable *types = ARENA_NEW(arena, TypeTable);
  types->capacity = 128;
  types->slots = ARENA_ARRAY(arena, const Type *, types->capacity);
  module->types = types;
  return module;
}

static uint64_t type_hash(Dtype dtype, int rank, const Dim *const *shape) {
  uint64_t hash = hash_mix((uint64_t)dtype, (uint64_t)rank);
  for (int i = 0; i < rank; i++) hash = hash_mix(hash, (uint64_t)(uintptr_t)shape[i]);
  return hash;
}

static void type_table_grow(Module *module, TypeTable *types) {
  size_t capacity = types->capacity * 2;
  const Type **slots = ARENA_ARRAY(module->arena, const Type *, capacity);
  for (size_t i = 0; i < types->capacity; i++) {
    const Type *type = types->slots[i];
    if (!type) continue;
    size_t slot = type_hash(type->dtype, type->rank, type->shape) & (capacity - 1);
    while (slots[slot]) slot = (slot + 1) & (capacity - 1);
    slots[slot] = type;
  }
  types->slots = slots;
  types->capacity = capacity;
}

const Type *type_get(Module *module, Dtype dtype, int rank, const Dim *const *shape) {
  REQUIRE(rank >= 0 && rank <= MAX_RANK, "type of rank %d", rank);
  TypeTable *types = module->types;
  size_t slot = type_hash(dtype, rank, shape) & (types->capacity - 1);
  for (; types->slots[slot]; slot = (slot + 1) & (types->capacity - 1)) {
    const Type *type = types->slots[slot];
    if (type->dtype == dtype && type->rank == rank &&
        (!rank || !memcmp(type->shape, shape, (size_t)rank * sizeof *shape)))
      return type;
  }
  Type *type = ARENA_NEW(module->arena, Type);
  type->dtype = dtype;
  type->rank = rank;
  if (rank) type->shape = arena_copy(module->arena, shape, (size_t)rank * sizeof *shape);
  types->slots[slot] = type;
  if (++types->count * 2 > types->capacity) type_table_grow(module, types);
  return type;
}

const Type *type_scalar(Module *module, Dtype dtype) {
  return type_get(module, dtype, 0, NULL);
}

const Type *type_with_dtype(Module *module, const Type *type, Dtype dtype) {
  return type->dtype == dtype ? type : type_get(module, dtype, type->rank, type->shape);
}

const Type *type_with_leading(Module *module, const Type *type, const Dim *extent) {
  const Dim *shape[MAX_RANK + 1] = {extent};
  for (int i = 0; i < type->rank; i++) shape[i + 1] = type->shape[i];
  return type_get(module, type->dtype, type->rank + 1, shape);
}

const Dim *type_entries(Module *module, const Type *type) {
  const Dim *entries = dim_const(module->dims, 1);
  for (int i = 0; i < type->rank; i++) entries = dim_mul(module->dims, entries, type->shape[i]);
  return entries;
}

const char *type_text(Module *module, const Type *type) {
  TextBuffer out = text_buffer(module->arena);
  text_add(&out, dtype_text(type->dtype));
  for (int i = 0; i < type->rank; i++) {
    text_add(&out, i ? ", " : "[");
    dim_print(&out, type->shape[i]);
  }
  if (type->rank) text_add(&out, "]");
  return text_string(&out);
}

void module_remark(Module *module, Span span, const char *text) {
  for (size_t i = 0; i < module->remarks.count; i++) {
    const ModuleRemark *r = &module->remarks.data[i];
    if (r->span.source == span.source && r->span.start == span.start && r->text == text) return;
  }
  VEC_PUSH(module->arena, &module->remarks, ((ModuleRemark){span, text}));
}

int module_note(Module *module, int code, const char *text, Span span) {
  for (size_t i = 0; i < module->notes.count; i++) {
    const ModuleNote *note = &module->notes.data[i];
    if (note->code == code && note->span.source == span.source && note->span.start == span.start &&
        note->span.end == span.end && !strcmp(note->text, text))
      return (int)i;
  }
  ModuleNote note = {code, arena_string(module->arena, text, strlen(text)), span};
  VEC_PUSH(module->arena, &module->notes, note);
  return (int)module->notes.count - 1;
}

bool module_note_counts(const Module *module, int number) {
  return module->notes.data[number].code == ERROR_NONE;
}

int op_check_note(Module *module, const Op *op) {
  switch (op->code) {
  case OP_GATHER:
  case OP_SCATTER_ADD:
    return module_note(module, E0704, "an index is out of range; the nearest one is used",
                       op->span);
  case OP_DYNAMIC_SLICE:
  case OP_DYNAMIC_UPDATE:
    return module_note(module, E0704, "a slice is out of range; the nearest one is used", op->span);
  case OP_CHOLESKY:
    return module_note(module, E0705, "this matrix is not positive definite", op->span);
  case OP_SOLVE:
    return module_note(module, E0705, "this matrix is singular", op->span);
  default:
    return -1;
  }
}

static void register_checks(Module *module, const Block *block) {
  for (const Op *op = block->first; op; op = op->next) {
    op_check_note(module, op);
    for (int i = 0; i < op->region_count; i++) register_checks(module, op->regions[i]);
  }
}

void module_register_checks(Module *module) {
  for (size_t i = 0; i < module->funcs.count; i++)
    register_checks(module, module->funcs.data[i]->body);
}

// --- functions and blocks --------------------------------------------------------------

Func *func_create(Module *module, Name name) {
  Func *func = ARENA_NEW(module->arena, Func);
  func->module = module;
  func->name = name;
  func->body = block_create(module, NULL);
  func->body->func = func;
  VEC_PUSH(module->arena, &module->funcs, func);
  return func;
}

Func *module_find(const Module *module, Name name) {
  for (size_t i = 0; i < module->funcs.count; i++)
    if (module->funcs.data[i]->name == name) return module->funcs.data[i];
  return NULL;
}

Block *block_create(Module *module, Block *parent) {
  Block *block = ARENA_NEW(module->arena, Block);
  block->module = module;
  block->parent = parent;
  return block;
}

Value *block_add_param(Block *block, const Type *type, Name name) {
  Module *module = block->module;
  Value *value = ARENA_NEW(module->arena, Value);
  *value = (Value){.type = type,
                   .block = block,
                   .index = (int)block->params.count,
                   .id = module->next_id++,
                   .name = name};
  VEC_PUSH(module->arena, &block->params, value);
  return value;
}

bool block_encloses(const Block *outer, const Block *inner) {
  while (inner && inner != outer) inner = inner->parent;
  return inner != NULL;
}

size_t type_constant_entries(const Type *type) {
  size_t entries = 1;
  for (int i = 0; i < type->rank; i++) {
    int64_t extent = 0;
    dim_is_const(type->shape[i], &extent);
    entries *= (size_t)extent;
  }
  return entries;
}

// --- ops -------------------------------------------------------------------------------

static void copy_attr(Arena *arena, Opcode code, Attr *attr) {
  if (code == OP_VIEW || code == OP_UNVIEW) {
    IndexMap *map = &attr->map;
    size_t entries = (size_t)map->in_rank * (size_t)map->out_rank;
    if (entries) map->matrix = arena_copy(arena, map->matrix, entries * sizeof *map->matrix);
    if (map->in_rank)
      map->offset = arena_copy(arena, map->offset, (size_t)map->in_rank * sizeof *map->offset);
  } else if (code == OP_CONST && (attr->constant.reals || attr->constant.integers)) {
    size_t entries = type_constant_entries(attr->type);
    if (attr->constant.reals)
      attr->constant.reals = arena_copy(arena, attr->constant.reals, entries * sizeof(double));
    if (attr->constant.integers)
      attr->constant.integers =
          arena_copy(arena, attr->constant.integers, entries * sizeof(int64_t));
  }
}

Op *op_append(Block *block, Opcode code, Value *const *operands, int operand_count,
              const Attr *attr, Block *const *regions, int region_count, const Type *const *types,
              int result_count, Span span) {
  Module *module = block->module;
  Op *op = ARENA_NEW(module->arena, Op);
  op->code = code;
  op->block = block;
  op->operand_count = operand_count;
  op->result_count = result_count;
  op->region_count = region_count;
  op->span = span;
  op->order = module->next_order += 1 << 16;
  if (operand_count)
    op->operands = arena_copy(module->arena, operands, (size_t)operand_count * sizeof *operands);
  if (region_count)
    op->regions = arena_copy(module->arena, regions, (size_t)region_count * sizeof *regions);
  for (int i = 0; i < region_count; i++) {
    REQUIRE(!regions[i]->owner && !regions[i]->func && regions[i]->parent == block,
            "region %d of '%s' was not made for this block", i, op_table[code].text);
    regions[i]->owner = op;
  }
  if (attr) {
    op->attr = *attr;
    copy_attr(module->arena, code, &op->attr);
  }
  if (result_count) {
    op->results = ARENA_ARRAY(module->arena, Value *, (size_t)result_count);
    Value *values = ARENA_ARRAY(module->arena, Value, (size_t)result_count);
    for (int i = 0; i < result_count; i++) {
      values[i] =
          (Value){.type = types[i], .op = op, .block = block, .index = i, .id = module->next_id++};
      op->results[i] = &values[i];
    }
  }
  op->previous = block->last;
  if (block->last) {
    block->last->next = op;
  } else {
    block->first = op;
  }
  block->last = op;
  return op;
}

static void op_unlink(Op *op) {
  Block *block = op->block;
  if (op->previous) {
    op->previous->next = op->next;
  } else {
    block->first = op->next;
  }
  if (op->next) {
    op->next->previous = op->previous;
  } else {
    block->last = op->previous;
  }
  op->previous = op->next = NULL;
}

void op_remove(Op *op) {
  op_unlink(op);
  op->block = NULL; // the builder's tables skip it from now on
}

void op_move_before(Op *op, Op *position) {
  if (op == position) return;
  op_unlink(op);
  Block *block = position->block;
  bool moved = block != op->block;
  op->block = block;
  for (int i = 0; i < op->result_count; i++) op->results[i]->block = block;
  for (int i = 0; i < op->region_count; i++) op->regions[i]->parent = block;
  op->previous = position->previous;
  op->next = position;
  if (op->previous) {
    op->previous->next = op;
  } else {
    block->first = op;
  }
  position->previous = op;
  uint64_t before = op->previous ? op->previous->order : 0;
  op->order = before + (position->order - before) / 2;
  if (moved) op_enter(op);
}

bool op_has_note(const Op *op) {
  if (op->code == OP_NOTE) return true;
  for (int i = 0; i < op->region_count; i++)
    for (const Op *inner = op->regions[i]->first; inner; inner = inner->next)
      if (op_has_note(inner)) return true;
  return false;
}

// --- walks -----------------------------------------------------------------------------

static bool inside_regions(const Op *op, const Block *block) {
  for (; block; block = block->parent)
    if (block->owner == op) return true;
  return false;
}

typedef struct Captures {
  Arena *arena;
  const Op *op;
  Map *seen;
  ValueList *list;
} Captures;

static void capture(Captures *c, Value *value) {
  if (map_has(c->seen, value)) return;
  map_put(c->seen, value, value);
  if (!inside_regions(c->op, value->block)) VEC_PUSH(c->arena, c->list, value);
}

static void capture_block(Captures *c, const Block *block) {
  for (const Op *op = block->first; op; op = op->next) {
    for (int i = 0; i < op->operand_count; i++) capture(c, op->operands[i]);
    for (int i = 0; i < op->region_count; i++) capture_block(c, op->regions[i]);
  }
  for (size_t i = 0; i < block->yields.count; i++) capture(c, block->yields.data[i]);
}

void op_captures(Arena *arena, const Op *op, ValueList *captures) {
  if (!op->region_count) return;
  Captures c = {arena, op, map_create(arena), captures};
  for (size_t i = 0; i < captures->count; i++)
    map_put(c.seen, captures->data[i], captures->data[i]);
  for (int i = 0; i < op->region_count; i++) capture_block(&c, op->regions[i]);
}

void value_replace(Block *scope, Value *from, Value *to) {
  for (Op *op = scope->first; op; op = op->next) {
    for (int i = 0; i < op->operand_count; i++)
      if (op->operands[i] == from) op->operands[i] = to;
    for (int i = 0; i < op->region_count; i++) value_replace(op->regions[i], from, to);
  }
  for (size_t i = 0; i < scope->yields.count; i++)
    if (scope->yields.data[i] == from) scope->yields.data[i] = to;
}
