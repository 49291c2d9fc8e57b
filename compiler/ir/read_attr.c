// Reading IR text: the attributes behind an op's operands. See read.h.
#include "ir/read.h"
#include "ir/scalar.h"

#include <string.h>

static bool read_axes(Reader *r, int8_t *axes, int *count) {
  *count = 0;
  read_skip(r);
  if (*r->at == ')' || *r->at == ';') return true;
  do {
    int axis;
    if (*count == MAX_RANK) return read_fail(r, E0305, r->at, "more than %d axes", MAX_RANK);
    if (!read_small(r, MAX_RANK - 1, &axis)) return false;
    axes[(*count)++] = (int8_t)axis;
  } while (read_accept(r, ","));
  return true;
}

static bool read_axis_mask(Reader *r, uint32_t *mask) {
  int8_t axes[MAX_RANK];
  int count;
  if (!read_expect(r, "axes") || !read_expect(r, "(") || !read_axes(r, axes, &count)) return false;
  *mask = 0;
  for (int i = 0; i < count; i++) *mask |= 1u << axes[i];
  return read_expect(r, ")");
}

static bool read_pairs(Reader *r, int8_t *left, int8_t *right, int *count) {
  int other;
  read_skip(r);
  const char *start = r->at;
  if (!read_expect(r, "(") || !read_axes(r, left, count) || !read_expect(r, ";") ||
      !read_axes(r, right, &other) || !read_expect(r, ")"))
    return false;
  return *count == other || read_fail(r, E0305, start, "axes come in pairs");
}

static bool read_dot(Reader *r, Attr *attr) {
  if (read_accept(r, "batch") &&
      !read_pairs(r, attr->dot.left_batch, attr->dot.right_batch, &attr->dot.batch_count))
    return false;
  return !read_accept(r, "contract") ||
         read_pairs(r, attr->dot.left_contract, attr->dot.right_contract,
                    &attr->dot.contract_count);
}

// `stride(2, 1)`; one each when not given.
static bool read_factors(Reader *r, const char *word, int64_t *factors, int count) {
  for (int i = 0; i < count; i++) factors[i] = 1;
  if (!read_accept(r, word)) return true;
  if (!read_expect(r, "(")) return false;
  for (int i = 0; i < count; i++) {
    if (i && !read_expect(r, ",")) return false;
    read_skip(r);
    const char *start = r->at;
    if (!read_integer(r, &factors[i])) return false;
    if (factors[i] < 1 || factors[i] > INT32_MAX)
      return read_fail(r, E0108, start, "a factor lies between 1 and %d", INT32_MAX);
  }
  return read_expect(r, ")");
}

static bool read_conv(Reader *r, Attr *attr) {
  int8_t left[MAX_RANK], right[MAX_RANK];
  int count = 0;
  if (!read_dot(r, attr) || !read_expect(r, "window")) return false;
  read_skip(r);
  const char *start = r->at;
  if (!read_pairs(r, left, right, &count)) return false;
  if (count > MAX_WINDOWS) return read_fail(r, E0305, start, "more than %d windows", MAX_WINDOWS);
  attr->dot.window_count = count;
  for (int i = 0; i < count; i++) {
    attr->dot.left_window[i] = left[i];
    attr->dot.right_window[i] = right[i];
  }
  if (!read_factors(r, "stride", attr->dot.stride, count) ||
      !read_factors(r, "dilation", attr->dot.dilation, count))
    return false;
  attr->dot.wide = read_accept(r, "wide");
  return true;
}

static bool read_entry(Reader *r, Dtype dtype, double *real, int64_t *integer) {
  if (dtype_is_float(dtype)) {
    if (!read_real(r, real)) return false;
    *real = scalar_round(dtype, *real);
    return true;
  }
  if (dtype == DT_BOOL) {
    *integer = read_accept(r, "true");
    return *integer || read_expect(r, "false");
  }
  if (!read_integer(r, integer)) return false;
  *integer = scalar_wrap(dtype, *integer);
  return true;
}

static bool read_constant(Reader *r, Attr *attr) {
  const Type *type = attr->type;
  read_skip(r);
  const char *start = r->at;
  if (!read_accept(r, "["))
    return read_entry(r, type->dtype, &attr->constant.real, &attr->constant.integer);
  VEC(double) reals = {0};
  VEC(int64_t) integers = {0};
  while (!read_accept(r, "]")) {
    double real = 0;
    int64_t integer = 0;
    if (reals.count && !read_expect(r, ",")) return false;
    if (!read_entry(r, type->dtype, &real, &integer)) return false;
    VEC_PUSH(r->scratch, &reals, real);
    VEC_PUSH(r->scratch, &integers, integer);
  }
  int64_t count;
  if (!dim_is_const(type_entries(r->module, type), &count) || count < 0 ||
      (size_t)count != reals.count)
    return read_fail(r, E0301, start, "%zu entries do not fit %s", reals.count,
                     type_text(r->module, type));
  if (!count) { // an empty array still is a dense constant
    VEC_PUSH(r->scratch, &reals, 0);
    VEC_PUSH(r->scratch, &integers, 0);
  }
  if (dtype_is_float(type->dtype)) {
    attr->constant.reals = reals.data;
  } else {
    attr->constant.integers = integers.data;
  }
  return true;
}

// --- index maps ------------------------------------------------------------------------

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Takes `[k*]oJ` of an index map; false without a failure when something else stands there.
static bool accept_axis_term(Reader *r, bool minus, int64_t *row, int out_rank) {
  const char *start = r->at;
  int64_t factor = 1;
  if (is_digit(*r->at)) {
    const char *at = r->at;
    while (is_digit(*at)) at++;
    while (*at == ' ') at++;
    if (*at != '*') return false;
    at++;
    while (*at == ' ') at++;
    if (*at != 'o' || !is_digit(at[1])) return false;
    if (!read_integer(r, &factor)) return false;
    r->at = at;
  }
  if (*r->at != 'o' || !is_digit(r->at[1])) return false;
  r->at++;
  int axis;
  if (!read_small(r, MAX_RANK - 1, &axis)) return false;
  if (axis >= out_rank) return read_fail(r, E0305, start, "the result has no axis %d", axis);
  int64_t *entry = &row[axis];
  if (__builtin_add_overflow(*entry, minus ? -factor : factor, entry))
    return read_fail(r, E0108, start, "the factor is too large");
  return true;
}

// One component: axis terms first, then at most one dim.
static bool read_component(Reader *r, int64_t *row, int out_rank, const Dim **offset) {
  *offset = dim_const(r->module->dims, 0);
  read_skip(r);
  const char *sign = r->at; // the sign before a dim belongs to the dim's first term
  bool minus = read_accept(r, "-");
  for (;;) {
    read_skip(r);
    if (!accept_axis_term(r, minus, row, out_rank)) break;
    read_skip(r);
    sign = r->at;
    minus = read_accept(r, "-");
    if (!minus && !read_accept(r, "+")) return true;
  }
  if (r->failed) return false;
  if (minus) r->at = sign;
  if (read_accept(r, "dim")) {
    if (*r->at == '(') return read_expect(r, "(") && read_dim(r, offset) && read_expect(r, ")");
    r->at -= strlen("dim"); // a dim of this name
  }
  return read_dim(r, offset);
}

static bool read_map(Reader *r, Attr *attr, int in_rank, int out_rank) {
  int64_t *matrix = ARENA_ARRAY(r->scratch, int64_t, (size_t)in_rank * (size_t)out_rank + 1);
  const Dim **offset = ARENA_ARRAY(r->scratch, const Dim *, (size_t)in_rank + 1);
  if (!read_expect(r, "[")) return false;
  for (int i = 0; i < in_rank; i++) {
    if (i && !read_expect(r, ",")) return false;
    if (!read_component(r, matrix + i * out_rank, out_rank, &offset[i])) return false;
  }
  attr->map = (IndexMap){in_rank, out_rank, matrix, offset};
  return read_expect(r, "]");
}

// --- the table -------------------------------------------------------------------------

static bool read_note(Reader *r, Attr *attr) {
  const char *text;
  if (!read_expect(r, "code")) return false;
  read_skip(r);
  const char *start = r->at;
  Name name = read_name(r, "an error code");
  if (!name) return false;
  ErrorCode code = error_code_find(name);
  bool counts = strcmp(name, error_code_text(ERROR_NONE)) == 0;
  if (code == ERROR_NONE && !counts)
    return read_fail(r, E0201, start, "unknown error code %s", name);
  if (!read_string(r, &text)) return false;
  attr->note.number = module_note(r->module, (int)code, text, (Span){0});
  if (!read_accept(r, "times")) return true;
  return read_expect(r, "[") && read_dim(r, &attr->note.times) && read_expect(r, "]");
}

static bool read_scan(Reader *r, Attr *attr) {
  int axis;
  if (!read_expect(r, "axis") || !read_small(r, MAX_RANK - 1, &axis)) return false;
  attr->scan.axis = axis;
  attr->scan.reverse = read_accept(r, "reverse");
  attr->scan.exclusive = read_accept(r, "exclusive");
  attr->scan.descending = read_accept(r, "descending");
  return true;
}

static bool read_gather_axes(Reader *r, Attr *attr) {
  return read_expect(r, "axes") && read_expect(r, "(") &&
         read_axes(r, attr->gather.axes, &attr->gather.axis_count) && read_expect(r, ")");
}

bool read_attr(Reader *r, Opcode code, Attr *attr, Value *const *operands, int operand_count) {
  if (r->failed) return false;
  const Type *x = operand_count ? operands[0]->type : NULL;
  switch (code) {
  case OP_CONST:
    return read_constant(r, attr);
  case OP_IOTA:
    return read_expect(r, "axis") && read_small(r, MAX_RANK - 1, &attr->iota.axis);
  case OP_DIM:
    return read_expect(r, "[") && read_dim(r, &attr->dim.dim) && read_expect(r, "]");
  case OP_VIEW:
    return !x || read_map(r, attr, x->rank, attr->type->rank);
  case OP_UNVIEW:
    return !x || read_map(r, attr, attr->type->rank, x->rank);
  case OP_CONCAT:
    return read_expect(r, "axis") && read_small(r, MAX_RANK - 1, &attr->concat.axis);
  case OP_REDUCE_SUM:
  case OP_REDUCE_MAX:
  case OP_REDUCE_PROD:
    return read_axis_mask(r, &attr->reduce.axes);
  case OP_ARGMAX:
  case OP_CUMSUM:
  case OP_ARGSORT:
    return read_scan(r, attr);
  case OP_DOT:
    return read_dot(r, attr);
  case OP_CONV:
    return read_conv(r, attr);
  case OP_TRISOLVE:
  case OP_SOLVE:
    attr->solve.transposed = read_accept(r, "transposed");
    return true;
  case OP_GATHER:
  case OP_SCATTER_ADD:
    return read_gather_axes(r, attr);
  case OP_DYNAMIC_UPDATE:
    attr->update.accumulate = read_accept(r, "accumulate");
    return true;
  case OP_NOTE:
    return read_note(r, attr);
  default:
    return true;
  }
}
