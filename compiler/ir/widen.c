// Sums over f16 and bf16 are made in f32.
//
// Enters: an op that adds or multiplies many 16-bit floats. Leaves: the same op on operands
// converted to f32, and its result converted back: one rounding to 16 bits instead of one for each
// addition. Conversions are computed where an element is read, so the operands stay small in
// memory.
#include "ir/ir_internal.h"

#include "ir/builder.h"

static bool is_narrow(const Value *v) {
  return v->type->dtype == DT_F16 || v->type->dtype == DT_BF16;
}

// Does the transpose of this view add entries, or only place them?
static bool unview_adds(const IndexMap *map) {
  for (int j = 0; j < map->out_rank; j++) {
    int rows = 0;
    for (int i = 0; i < map->in_rank; i++) rows += map->matrix[i * map->out_rank + j] != 0;
    if (rows != 1) return true;
  }
  for (int i = 0; i < map->in_rank; i++) {
    int columns = 0;
    for (int j = 0; j < map->out_rank; j++) columns += map->matrix[i * map->out_rank + j] != 0;
    if (columns > 1) return true;
  }
  return false;
}

static bool accumulates(Opcode code, const Attr *attr) {
  switch (code) {
  case OP_REDUCE_SUM:
  case OP_REDUCE_PROD:
  case OP_CUMSUM:
  case OP_CONV:
  case OP_CHOLESKY:
  case OP_TRISOLVE:
  case OP_SOLVE:
  case OP_SCATTER_ADD:
    return true;
  case OP_DOT:
    return attr->dot.contract_count > 0;
  case OP_UNVIEW:
    return unview_adds(&attr->map);
  default:
    return false;
  }
}

Value *widen_accumulation(Builder *b, Opcode code, Value *const *operands, int operand_count,
                          const Attr *attr) {
  if (!operand_count || !is_narrow(operands[0]) || !accumulates(code, attr)) return NULL;
  Dtype dtype = operands[0]->type->dtype;
  Attr wide = *attr;
  if (code == OP_UNVIEW) wide.type = type_with_dtype(b->module, attr->type, DT_F32);
  Value **values = ARENA_ARRAY(b->module->arena, Value *, (size_t)operand_count);
  for (int i = 0; i < operand_count; i++) {
    Value *v = values[i] = operands[i];
    const Op *product = v->op;
    if (!is_narrow(v)) continue;
    // a sum of products: they are not rounded either
    values[i] = code == OP_REDUCE_SUM && product && product->code == OP_MUL
                    ? ir_binary(b, OP_MUL, ir_convert(b, product->operands[0], DT_F32),
                                ir_convert(b, product->operands[1], DT_F32))
                    : ir_convert(b, v, DT_F32);
  }
  return ir_convert(b, ir_value(b, code, values, operand_count, &wide), dtype);
}
