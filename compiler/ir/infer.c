// Type inference: result types from operands and attributes, or a message.
//
// Enters: the parts of an op, which may come from an untrusted text. Leaves: its result types. This
// file has the entry, sources, elementwise ops and index maps; infer_data.c has the others. A row
// of the op table without an infer_CODE does not compile.
#include "ir/infer.h"

#include <stdarg.h>

const char *infer_one(const Inference *in, const Type *type) {
  in->types[0] = type;
  *in->count = 1;
  return NULL;
}

const char *infer_fail(const Inference *in, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const char *message = arena_vprintf(in->module->arena, format, arguments);
  va_end(arguments);
  return arena_printf(in->module->arena, "%s: %s", op_table[in->code].text, message);
}

static const char *text_of(const Inference *in, const Type *type) {
  return type_text(in->module, type);
}

// --- sources ---------------------------------------------------------------------------

static const char *infer_CONST(const Inference *in) {
  const Type *type = in->attr->type;
  if (!type) return infer_fail(in, "no type");
  if (in->attr->constant.reals && in->attr->constant.integers)
    return infer_fail(in, "entries of two kinds");
  bool dense = in->attr->constant.reals || in->attr->constant.integers;
  if (dense && dtype_is_float(type->dtype) != (in->attr->constant.reals != NULL))
    return infer_fail(in, "entries do not fit %s", text_of(in, type));
  int64_t entries;
  if (dense && (!dim_is_const(type_entries(in->module, type), &entries) || entries < 0))
    return infer_fail(in, "entries given for the free shape %s", text_of(in, type));
  for (int i = 0; dense && i < type->rank; i++)
    if (!dim_is_const(type->shape[i], &entries) || entries < 0)
      return infer_fail(in, "entries given for the free shape %s", text_of(in, type));
  return infer_one(in, type);
}

static const char *infer_IOTA(const Inference *in) {
  const Type *type = in->attr->type;
  if (!type || type->dtype == DT_BOOL) return infer_fail(in, "needs a type of numbers");
  if (in->attr->iota.axis < 0 || in->attr->iota.axis >= type->rank)
    return infer_fail(in, "axis %d of %s", in->attr->iota.axis, text_of(in, type));
  return infer_one(in, type);
}

static const char *infer_DIM(const Inference *in) {
  if (!in->attr->dim.dim || dim_is_invalid(in->attr->dim.dim)) return infer_fail(in, "no dim");
  return infer_one(in, type_scalar(in->module, DT_I64));
}

static const char *infer_RANDOM(const Inference *in) {
  const Type *type = in->attr->type;
  RandomKind kind = in->attr->random.kind;
  if (!type) return infer_fail(in, "no type");
  if (in->operand_count != (kind == RANDOM_INDEX ? 3 : 2))
    return infer_fail(in, "%d operands", in->operand_count);
  for (int i = 0; i < in->operand_count; i++) {
    const Type *operand = in->operands[i]->type;
    bool prefix = operand->dtype == DT_I64 && operand->rank <= type->rank;
    for (int k = 0; prefix && k < operand->rank; k++) prefix = operand->shape[k] == type->shape[k];
    if (!prefix)
      return infer_fail(in, "operand %d is %s; needed is i64 with the leading axes of %s", i,
                        text_of(in, operand), text_of(in, type));
  }
  if (kind == RANDOM_UNIFORM ? !dtype_is_float(type->dtype) : type->dtype != DT_I64)
    return infer_fail(in, "cannot give %s", text_of(in, type));
  return infer_one(in, type);
}

// --- elementwise -----------------------------------------------------------------------

static const char *infer_unary(const Inference *in) {
  return infer_one(in, in->operands[0]->type);
}

static const char *infer_ISFINITE(const Inference *in) {
  return infer_one(in, type_with_dtype(in->module, in->operands[0]->type, DT_BOOL));
}

static const char *infer_CONVERT(const Inference *in) {
  const Type *from = in->operands[0]->type, *type = in->attr->type;
  if (!type || type_with_dtype(in->module, from, type->dtype) != type)
    return infer_fail(in, "%s cannot become %s", text_of(in, from),
                      type ? text_of(in, type) : "nothing");
  return infer_one(in, type);
}

static const char *infer_binary(const Inference *in) {
  const Type *x = in->operands[0]->type, *y = in->operands[1]->type;
  if (x != y) return infer_fail(in, "operands are %s and %s", text_of(in, x), text_of(in, y));
  return infer_one(in, x);
}

static const char *infer_COMPARE(const Inference *in) {
  const char *message = infer_binary(in);
  if (message) return message;
  if ((unsigned)in->attr->compare.op > COMPARE_NE) return infer_fail(in, "unknown comparison");
  return infer_one(in, type_with_dtype(in->module, in->types[0], DT_BOOL));
}

static const char *infer_SELECT(const Inference *in) {
  const Type *x = in->operands[1]->type, *y = in->operands[2]->type;
  if (x != y) return infer_fail(in, "branches are %s and %s", text_of(in, x), text_of(in, y));
  if (in->operands[0]->type != type_with_dtype(in->module, x, DT_BOOL))
    return infer_fail(in, "the condition is %s for branches %s", text_of(in, in->operands[0]->type),
                      text_of(in, x));
  return infer_one(in, x);
}

// --- index maps ------------------------------------------------------------------------

static const char *check_map(const Inference *in, int in_rank, int out_rank) {
  const IndexMap *map = &in->attr->map;
  if (map->in_rank != in_rank || map->out_rank != out_rank)
    return infer_fail(in, "map from rank %d to %d, needed is from %d to %d", map->out_rank,
                      map->in_rank, out_rank, in_rank);
  if ((in_rank && !map->offset) || (in_rank && out_rank && !map->matrix))
    return infer_fail(in, "incomplete map");
  for (int i = 0; i < in_rank; i++)
    if (!map->offset[i] || dim_is_invalid(map->offset[i]))
      return infer_fail(in, "offset %d is missing or too large", i);
  return NULL;
}

static const char *infer_VIEW(const Inference *in) {
  const Type *x = in->operands[0]->type, *type = in->attr->type;
  if (!type || type->dtype != x->dtype)
    return infer_fail(in, "of %s cannot be %s", text_of(in, x), type ? text_of(in, type) : "?");
  const char *message = check_map(in, x->rank, type->rank);
  return message ? message : infer_one(in, type);
}

static const char *infer_UNVIEW(const Inference *in) {
  const Type *x = in->operands[0]->type, *type = in->attr->type;
  if (!type || type->dtype != x->dtype)
    return infer_fail(in, "of %s cannot be %s", text_of(in, x), type ? text_of(in, type) : "?");
  const char *message = check_map(in, type->rank, x->rank);
  return message ? message : infer_one(in, type);
}

static const char *infer_RESHAPE(const Inference *in) {
  const Type *x = in->operands[0]->type, *type = in->attr->type;
  if (!type || type->dtype != x->dtype ||
      type_entries(in->module, type) != type_entries(in->module, x))
    return infer_fail(in, "%s cannot become %s", text_of(in, x), type ? text_of(in, type) : "?");
  return infer_one(in, type);
}

static const char *infer_CONCAT(const Inference *in) {
  if (in->operand_count < 1) return infer_fail(in, "no operands");
  const Type *first = in->operands[0]->type;
  int axis = in->attr->concat.axis;
  if (axis < 0 || axis >= first->rank)
    return infer_fail(in, "axis %d of %s", axis, text_of(in, first));
  const Dim *shape[MAX_RANK];
  for (int k = 0; k < first->rank; k++) shape[k] = first->shape[k];
  for (int i = 1; i < in->operand_count; i++) {
    const Type *type = in->operands[i]->type;
    bool fits = type->rank == first->rank && type->dtype == first->dtype;
    for (int k = 0; fits && k < type->rank; k++)
      fits = k == axis || type->shape[k] == first->shape[k];
    if (!fits)
      return infer_fail(in, "%s does not fit %s along axis %d", text_of(in, type),
                        text_of(in, first), axis);
    shape[axis] = dim_add(in->module->dims, shape[axis], type->shape[axis]);
  }
  return infer_one(in, type_get(in->module, first->dtype, first->rank, shape));
}

// --- the table -------------------------------------------------------------------------

#define infer_NEG         infer_unary
#define infer_ABS         infer_unary
#define infer_SIGN        infer_unary
#define infer_FLOOR       infer_unary
#define infer_EXP         infer_unary
#define infer_EXPM1       infer_unary
#define infer_LOG         infer_unary
#define infer_LOG1P       infer_unary
#define infer_SQRT        infer_unary
#define infer_RSQRT       infer_unary
#define infer_SIN         infer_unary
#define infer_COS         infer_unary
#define infer_TANH        infer_unary
#define infer_LOGISTIC    infer_unary
#define infer_SOFTPLUS    infer_unary
#define infer_ERF         infer_unary
#define infer_ERFC        infer_unary
#define infer_ERFINV      infer_unary
#define infer_LGAMMA      infer_unary
#define infer_ATAN2       infer_binary
#define infer_POLYGAMMA   infer_binary
#define infer_NOT         infer_unary
#define infer_STOP        infer_unary
#define infer_ADD         infer_binary
#define infer_SUB         infer_binary
#define infer_MUL         infer_binary
#define infer_DIV         infer_binary
#define infer_POW         infer_binary
#define infer_MAX         infer_binary
#define infer_MIN         infer_binary
#define infer_MOD         infer_binary
#define infer_AND         infer_binary
#define infer_OR          infer_binary
#define infer_REDUCE_MAX  infer_REDUCE_SUM
#define infer_REDUCE_PROD infer_REDUCE_SUM
#define infer_SOLVE       infer_TRISOLVE

static InferFunction *const infer_table[OP_COUNT] = {
#define OP_NODIFF(CODE, ...)               [OP_##CODE] = infer_##CODE,
#define OP_PARTIALS(CODE, ...)             [OP_##CODE] = infer_##CODE,
#define OP_MULTILINEAR(CODE, ...)          [OP_##CODE] = infer_##CODE,
#define OP_LINEAR(mask, CODE, ...)         [OP_##CODE] = infer_##CODE,
#define OP_TANGENT(CODE, ...)              [OP_##CODE] = infer_##CODE,
#define OP_TANGENT_LINEAR(mask, CODE, ...) [OP_##CODE] = infer_##CODE,
#include "ir/ops.def"
};

static bool in_domain(OpDomain domain, Dtype dtype) {
  switch (domain) {
  case DOMAIN_ANY:
    return true;
  case DOMAIN_NUMBER:
    return dtype != DT_BOOL;
  case DOMAIN_FLOAT:
    return dtype_is_float(dtype);
  case DOMAIN_INTEGER:
    return dtype_is_integer(dtype);
  case DOMAIN_BOOLEAN:
    return dtype == DT_BOOL;
  }
  return false;
}

static bool region_count_fits(Opcode code, int count) {
  switch (code) {
  case OP_LOOP:
    return count == 1 || count == 2;
  case OP_IF:
    return count == 2;
  case OP_CUSTOM:
    return count >= 1 && count <= 3;
  default:
    return count == 0;
  }
}

int op_result_limit(Opcode code, const Attr *attr, Block *const *regions, int region_count) {
  (void)attr;
  if (code != OP_LOOP && code != OP_IF && code != OP_CUSTOM) return 1;
  return region_count ? (int)regions[0]->yields.count + 1 : 1;
}

const char *ir_infer(Module *module, Opcode code, Value *const *operands, int operand_count,
                     const Attr *attr, Block *const *regions, int region_count, const Type **types,
                     int *count) {
  static const Attr no_attr = {0};
  Inference in = {module,  code,         operands, operand_count, attr ? attr : &no_attr,
                  regions, region_count, types,    count};
  if ((unsigned)code >= OP_COUNT) return "unknown op";
  const OpInfo *info = &op_table[code];
  if (info->operands >= 0 && operand_count != info->operands)
    return infer_fail(&in, "%d operands, needed are %d", operand_count, info->operands);
  if (!region_count_fits(code, region_count)) return infer_fail(&in, "%d regions", region_count);
  if (operand_count && !in_domain(info->domain, operands[0]->type->dtype))
    return infer_fail(&in, "not defined for %s", text_of(&in, operands[0]->type));
  return infer_table[code](&in);
}
