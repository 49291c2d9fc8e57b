// The verifier: what every pass may rely on.
//
// Enters: a module. Leaves: NULL, or the first thing that is wrong with the op it is wrong with:
// links, dominance, ownership of regions, types (inferred again), index maps provably out of
// bounds. Changes nothing.
#include "ir/ir_internal.h"
#include "ir/passes.h"

#include <stdarg.h>

typedef struct Verifier {
  Arena *arena;
  Module *module;
  const Func *func;
  const Value **defined; // by id
  const Op *op;          // for messages
  int depth;
} Verifier;

static const char *wrong(Verifier *v, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static const char *wrong(Verifier *v, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const char *message = arena_vprintf(v->arena, format, arguments);
  va_end(arguments);
  const char *place = v->op ? op_describe(v->arena, v->func, v->op) : "";
  return arena_printf(v->arena, "@%s%s%s: %s", v->func->name, *place ? ": " : "", place, message);
}

static bool define(Verifier *v, const Value *value) {
  if (!value || value->id >= v->module->next_id || v->defined[value->id]) return false;
  v->defined[value->id] = value;
  return true;
}

static const char *check_use(Verifier *v, const Block *block, const Value *value) {
  if (!value) return wrong(v, "a use of nothing");
  if (value->id >= v->module->next_id || v->defined[value->id] != value)
    return wrong(v, "value %u is used before it is made or was removed", value->id);
  if (!block_encloses(value->block, block))
    return wrong(v, "value %u is used outside the region that makes it", value->id);
  return NULL;
}

static const char *check_type(Verifier *v, const Type *type) {
  if (!type) return wrong(v, "a value without a type");
  for (int i = 0; i < type->rank; i++)
    if (dim_is_invalid(type->shape[i])) return wrong(v, "an extent is too large");
  return NULL;
}

static const char *check_results(Verifier *v, const Op *op) {
  for (int i = 0; i < op->result_count; i++) {
    const Value *result = op->results[i];
    if (!result || result->op != op || result->block != op->block || result->index != i)
      return wrong(v, "result %d is not linked to its op", i);
    const char *message = check_type(v, result->type);
    if (message) return message;
    if (!define(v, result)) return wrong(v, "value %u is made twice", result->id);
  }
  return NULL;
}

// Lowest and highest index on one axis of what an index map addresses. Only a bound that is out by
// a known constant is an error; the rest is for conditions on dims.
static const char *check_bounds(Verifier *v, const Op *op) {
  if (op->code != OP_VIEW && op->code != OP_UNVIEW) return NULL;
  const IndexMap *map = &op->attr.map;
  const Type *from = op->code == OP_VIEW ? op->operands[0]->type : op->results[0]->type;
  const Type *to = op->code == OP_VIEW ? op->results[0]->type : op->operands[0]->type;
  DimTable *dims = v->module->dims;
  const Dim *one = dim_const(dims, 1);
  int64_t value;
  for (int k = 0; k < to->rank; k++)
    if (dim_is_const(to->shape[k], &value) && value <= 0) return NULL; // nothing is addressed
  for (int i = 0; i < map->in_rank; i++) {
    const Dim *low = map->offset[i], *high = map->offset[i];
    for (int k = 0; k < map->out_rank; k++) {
      int64_t factor = map->matrix[i * map->out_rank + k];
      if (!factor) continue;
      const Dim *reach = dim_scale(dims, dim_sub(dims, to->shape[k], one), factor);
      if (factor < 0) low = dim_add(dims, low, reach);
      if (factor > 0) high = dim_add(dims, high, reach);
    }
    const Dim *room = dim_sub(dims, dim_sub(dims, from->shape[i], one), high);
    if (dim_is_const(low, &value) && value < 0)
      return wrong(v, "axis %d is read from index %lld", i, (long long)value);
    if (dim_is_const(room, &value) && value < 0)
      return wrong(v, "axis %d is read %lld beyond its end", i, (long long)-value);
  }
  return NULL;
}

static const char *check_inference(Verifier *v, const Op *op) {
  int limit = op_result_limit(op->code, &op->attr, op->regions, op->region_count), count = 0;
  const Type **types = ARENA_ARRAY(v->arena, const Type *, (size_t)limit);
  const char *message = ir_infer(v->module, op->code, op->operands, op->operand_count, &op->attr,
                                 op->regions, op->region_count, types, &count);
  if (message) return wrong(v, "%s", message);
  if (count != op->result_count)
    return wrong(v, "%d results, needed are %d", op->result_count, count);
  for (int i = 0; i < count; i++)
    if (types[i] != op->results[i]->type)
      return wrong(v, "result %d is %s, inferred is %s", i,
                   type_text(v->module, op->results[i]->type), type_text(v->module, types[i]));
  return check_bounds(v, op);
}

static const char *check_block(Verifier *v, const Block *block);

static const char *check_op(Verifier *v, const Block *block, const Op *op) {
  const char *message;
  v->op = op;
  if ((unsigned)op->code >= OP_COUNT) return wrong(v, "unknown op %d", (int)op->code);
  if (op->block != block) return wrong(v, "the op is linked to another block");
  if (op->next ? op->next->previous != op : block->last != op)
    return wrong(v, "the list of ops is broken");
  if (op->next && op->next->order < op->order) return wrong(v, "the order of ops is broken");
  for (int i = 0; i < op->operand_count; i++)
    if ((message = check_use(v, block, op->operands[i]))) return message;
  for (int i = 0; i < op->region_count; i++) {
    const Block *region = op->regions[i];
    if (!region || region->owner != op || region->parent != block || region->func)
      return wrong(v, "region %d is not linked to its op", i);
    if ((message = check_block(v, region))) return message;
    v->op = op;
  }
  if ((message = check_results(v, op))) return message;
  return check_inference(v, op);
}

static const char *check_block(Verifier *v, const Block *block) {
  const char *message;
  if (++v->depth > 1000) return wrong(v, "regions are nested too deeply");
  if (block->module != v->module) return wrong(v, "a block of another module");
  for (size_t i = 0; i < block->params.count; i++) {
    const Value *param = block->params.data[i];
    if (!define(v, param)) return wrong(v, "parameter %d is made twice", (int)i);
    if (param->op || param->block != block || param->index != (int)i)
      return wrong(v, "parameter %d is not linked to its block", (int)i);
    if ((message = check_type(v, param->type))) return message;
  }
  if (block->first && block->first->previous) return wrong(v, "the list of ops is broken");
  for (const Op *op = block->first; op; op = op->next)
    if ((message = check_op(v, block, op))) return message;
  for (size_t i = 0; i < block->yields.count; i++)
    if ((message = check_use(v, block, block->yields.data[i]))) return message;
  v->depth--;
  return NULL;
}

static const char *check_func(Verifier *v, const Func *func) {
  v->func = func;
  v->op = NULL;
  v->depth = 0;
  if (!func->name) return "a function without a name";
  if (func->module != v->module || !func->body || func->body->func != func || func->body->parent ||
      func->body->owner)
    return wrong(v, "the body is not linked to its function");
  if (func->result_names.count && func->result_names.count != func->body->yields.count)
    return wrong(v, "%d results have %d names", (int)func->body->yields.count,
                 (int)func->result_names.count);
  return check_block(v, func->body);
}

const char *ir_verify(Arena *arena, const Module *module) {
  Verifier v = {.arena = arena};
  for (size_t i = 0; i < module->funcs.count; i++) {
    const Func *func = module->funcs.data[i];
    if (!v.defined) {
      v.module = func->module;
      if (v.module != module) return "a function of another module";
      v.defined = ARENA_ARRAY(arena, const Value *, (size_t)module->next_id + 1);
    }
    const char *message = check_func(&v, func);
    if (message) return message;
    if (module_find(module, func->name) != func)
      return arena_printf(arena, "@%s is defined twice", func->name);
  }
  return NULL;
}

void ir_verify_after(const Module *module, const char *pass) {
  Arena *arena = arena_create();
  const char *message = ir_verify(arena, module);
  REQUIRE(!message, "after %s: %s", pass, message);
  arena_destroy(arena);
}
