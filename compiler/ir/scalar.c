// Scalar arithmetic of the IR, see scalar.h.
#include "ir/scalar.h"

#include "common/special.h"
#include "ir/bug.h"

#include <math.h>
#include <string.h>

// Nearest value with `bits` of precision and the least exponent of normal numbers `least`; ties to
// even.
static double round_to(double x, int bits, int least, double largest) {
  if (x == 0 || !isfinite(x)) return x;
  int exponent;
  frexp(x, &exponent); // |x| in [2^(exponent-1), 2^exponent)
  if (exponent - 1 < least) exponent = least + 1;
  double unit = ldexp(1, exponent - bits);
  double rounded = nearbyint(x / unit) * unit;
  if (fabs(rounded) > largest) return copysign(INFINITY, x);
  return rounded == 0 ? copysign(0.0, x) : rounded;
}

double scalar_round(Dtype dtype, double x) {
  switch (dtype) {
  case DT_F32:
    return (double)(float)x;
  case DT_F16:
    return round_to(x, 11, -14, 65504);
  case DT_BF16:
    return round_to(x, 8, -126, 0x1.FEp127);
  default:
    return x;
  }
}

int64_t scalar_wrap(Dtype dtype, int64_t x) {
  switch (dtype) {
  case DT_I32:
    return (int32_t)(uint32_t)(uint64_t)x;
  case DT_U8:
    return (uint8_t)(uint64_t)x;
  case DT_BOOL:
    return x != 0;
  default:
    return x;
  }
}

int64_t scalar_truncate(Dtype dtype, double x) {
  if (dtype == DT_BOOL) return x != 0;
  if (isnan(x)) return 0;
  double low = dtype == DT_U8 ? 0 : dtype == DT_I32 ? -0x1p31 : -0x1p63;
  double high = dtype == DT_U8 ? 256 : dtype == DT_I32 ? 0x1p31 : 0x1p63;
  if (x >= high) return dtype == DT_U8 ? 255 : dtype == DT_I32 ? INT32_MAX : INT64_MAX;
  if (x <= low) return dtype == DT_U8 ? 0 : dtype == DT_I32 ? INT32_MIN : INT64_MIN;
  return (int64_t)x;
}

double scalar_unary_real(Opcode code, double x) {
  switch (code) {
  case OP_NEG:
    return -x;
  case OP_ABS:
    return fabs(x);
  case OP_SIGN:
    return x > 0 ? 1 : x < 0 ? -1 : x;
  case OP_FLOOR:
    return floor(x);
  case OP_EXP:
    return exp(x);
  case OP_EXPM1:
    return expm1(x);
  case OP_LOG:
    return log(x);
  case OP_LOG1P:
    return log1p(x);
  case OP_SQRT:
    return sqrt(x);
  case OP_RSQRT:
    return 1 / sqrt(x);
  case OP_SIN:
    return sin(x);
  case OP_COS:
    return cos(x);
  case OP_TANH:
    return tanh(x);
  case OP_LOGISTIC:
    return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
  case OP_SOFTPLUS:
    return (x > 0 ? x : 0 * x) + log1p(exp(-fabs(x)));
  case OP_ERF:
    return erf(x);
  case OP_ERFC:
    return erfc(x);
  case OP_ERFINV:
    return blo_erfinv(x);
  case OP_LGAMMA:
    return blo_lgamma(x);
  case OP_STOP:
    return x;
  default:
    BUG("'%s' is not a unary op on floats", op_table[code].text);
  }
}

static double floored_remainder(double x, double y) {
  double r = fmod(x, y);
  return r != 0 && (r < 0) != (y < 0) ? r + y : r;
}

double scalar_binary_real(Opcode code, double x, double y) {
  switch (code) {
  case OP_ADD:
    return x + y;
  case OP_SUB:
    return x - y;
  case OP_MUL:
    return x * y;
  case OP_DIV:
    return x / y;
  case OP_POW:
    return pow(x, y);
  case OP_ATAN2:
    return atan2(x, y);
  case OP_POLYGAMMA:
    return blo_polygamma(x, y);
  case OP_MAX:
    return isnan(x) || x > y ? x : y; // a NaN on either side wins
  case OP_MIN:
    return isnan(x) || x < y ? x : y;
  case OP_MOD:
    return floored_remainder(x, y);
  default:
    BUG("'%s' is not a binary op on floats", op_table[code].text);
  }
}

int64_t scalar_unary_integer(Opcode code, Dtype dtype, int64_t x) {
  switch (code) {
  case OP_NEG:
    return scalar_wrap(dtype, (int64_t)(0 - (uint64_t)x));
  case OP_ABS:
    return x < 0 ? scalar_wrap(dtype, (int64_t)(0 - (uint64_t)x)) : x;
  case OP_SIGN:
    return (x > 0) - (x < 0);
  case OP_NOT:
    return !x;
  case OP_STOP:
    return x;
  default:
    BUG("'%s' is not a unary op on integers", op_table[code].text);
  }
}

static int64_t floored_quotient(int64_t x, int64_t y) {
  if (y == 0) return 0;
  if (y == -1) return (int64_t)(0 - (uint64_t)x);
  int64_t q = x / y, r = x % y;
  return r != 0 && (r < 0) != (y < 0) ? q - 1 : q;
}

static int64_t integer_remainder(int64_t x, int64_t y) {
  if (y == 0 || y == -1) return 0;
  int64_t r = x % y;
  return r != 0 && (r < 0) != (y < 0) ? r + y : r;
}

int64_t scalar_binary_integer(Opcode code, Dtype dtype, int64_t x, int64_t y) {
  uint64_t a = (uint64_t)x, b = (uint64_t)y;
  switch (code) {
  case OP_ADD:
    return scalar_wrap(dtype, (int64_t)(a + b));
  case OP_SUB:
    return scalar_wrap(dtype, (int64_t)(a - b));
  case OP_MUL:
    return scalar_wrap(dtype, (int64_t)(a * b));
  case OP_DIV:
    return scalar_wrap(dtype, floored_quotient(x, y));
  case OP_MAX:
    return x > y ? x : y;
  case OP_MIN:
    return x < y ? x : y;
  case OP_MOD:
    return scalar_wrap(dtype, integer_remainder(x, y));
  case OP_AND:
    return x && y;
  case OP_OR:
    return x || y;
  default:
    BUG("'%s' is not a binary op on integers", op_table[code].text);
  }
}

bool scalar_compare_real(Compare op, double x, double y) {
  switch (op) {
  case COMPARE_LT:
    return x < y;
  case COMPARE_LE:
    return x <= y;
  case COMPARE_GT:
    return x > y;
  case COMPARE_GE:
    return x >= y;
  case COMPARE_EQ:
    return x == y;
  case COMPARE_NE:
    return x != y;
  }
  BUG("comparison %d", (int)op);
}

bool scalar_compare_integer(Compare op, int64_t x, int64_t y) {
  return scalar_compare_real(op, (x > y) - (x < y), 0.0);
}

double scalar_lowest_real(void) {
  return -INFINITY;
}

int64_t scalar_lowest_integer(Dtype dtype) {
  return dtype == DT_I64 ? INT64_MIN : dtype == DT_I32 ? INT32_MIN : 0;
}
