// The op table as data, dtypes, and bug(): the small facts of the IR.
#include "ir/bug.h"
#include "ir/ir.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define ROW(CODE, TEXT, OPERANDS, GROUP, DOMAIN, SMOOTH, FLOPS, DERIVATIVE, MASK)                  \
  [OP_##CODE] = {TEXT,                                                                             \
                 OPERANDS,                                                                         \
                 GROUP_##GROUP,                                                                    \
                 DOMAIN_##DOMAIN,                                                                  \
                 SMOOTHNESS_##SMOOTH,                                                              \
                 FLOPS,                                                                            \
                 DERIVATIVE_##DERIVATIVE,                                                          \
                 MASK},

const OpInfo op_table[OP_COUNT] = {
#define OP_NODIFF(...)                      ROW(__VA_ARGS__, NONE, 0)
#define OP_PARTIALS(...)                    ROW(__VA_ARGS__, PARTIALS, 0)
#define OP_MULTILINEAR(...)                 ROW(__VA_ARGS__, MULTILINEAR, 0)
#define OP_LINEAR(LINEAR_MASK, ...)         ROW(__VA_ARGS__, LINEAR, LINEAR_MASK)
#define OP_TANGENT(...)                     ROW(__VA_ARGS__, TANGENT, 0)
#define OP_TANGENT_LINEAR(LINEAR_MASK, ...) ROW(__VA_ARGS__, TANGENT_LINEAR, LINEAR_MASK)
#include "ir/ops.def"
};

static const struct {
  const char *text;
  size_t bytes;
} dtypes[DT_COUNT] = {
    [DT_F16] = {"f16", 2}, [DT_BF16] = {"bf16", 2}, [DT_F32] = {"f32", 4}, [DT_F64] = {"f64", 8},
    [DT_I32] = {"i32", 4}, [DT_I64] = {"i64", 8},   [DT_U8] = {"u8", 1},   [DT_BOOL] = {"bool", 1},
};

const char *dtype_text(Dtype dtype) {
  return dtypes[dtype].text;
}
size_t dtype_bytes(Dtype dtype) {
  return dtypes[dtype].bytes;
}

void bug(const char *file, int line, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fprintf(stderr, "bloc: internal error at %s:%d: ", file, line);
  vfprintf(stderr, format, arguments);
  fputs("\nThis is a mistake in the compiler, not in your program; please report it.\n", stderr);
  va_end(arguments);
  exit(70);
}
