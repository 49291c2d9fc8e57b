// Contexts: the allocation hook, texts of failures, and the small tables about types.
//
// Every block starts with a hidden header that remembers what the hook returned and its size, so
// memory is aligned to 64 bytes whatever the hook does, and release needs no size.
#include "core/context.h"
#include "common/dims.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct BlockHeader {
  void *base;    // what the hook returned
  size_t total;  // bytes asked from the hook
  size_t usable; // bytes after the header
} BlockHeader;

static void *resize_with_malloc(void *self, void *pointer, size_t old_bytes, size_t new_bytes) {
  (void)self;
  (void)old_bytes;
  if (new_bytes == 0) {
    free(pointer);
    return NULL;
  }
  return realloc(pointer, new_bytes);
}

blo_context *blo_context_create(const blo_allocator *allocator) {
  blo_allocator chosen = {resize_with_malloc, NULL};
  if (allocator && allocator->resize) chosen = *allocator;
  blo_context *context = chosen.resize(chosen.self, NULL, 0, sizeof *context);
  if (!context) return NULL;
  memset(context, 0, sizeof *context);
  context->allocator = chosen;
  context->error.code = "";
  context->error.text = context->text;
  context->error.help = context->help;
  atomic_flag_clear(&context->busy);
  return context;
}

void blo_context_destroy(blo_context *context) {
  if (!context) return;
  blo_allocator allocator = context->allocator;
  allocator.resize(allocator.self, context, sizeof *context, 0);
}

const blo_error *blo_last_error(const blo_context *context) {
  return &context->error;
}

static BlockHeader *block_header(void *pointer) {
  return (BlockHeader *)(void *)((char *)pointer - sizeof(BlockHeader));
}

void *blo_allocate(blo_context *context, size_t bytes) {
  size_t total;
  if (!blo_add_bytes(bytes, sizeof(BlockHeader) + BLO_ALIGNMENT, &total)) {
    blo_fail(context, BLO_NO_MEMORY, "", "%zu bytes are more than a machine can have", bytes);
    return NULL;
  }
  char *base = context->allocator.resize(context->allocator.self, NULL, 0, total);
  if (!base) {
    blo_fail(context, BLO_NO_MEMORY, "", "no memory for %zu bytes", bytes);
    return NULL;
  }
  uintptr_t start = (uintptr_t)base + sizeof(BlockHeader);
  size_t shift = (size_t)((BLO_ALIGNMENT - start % BLO_ALIGNMENT) % BLO_ALIGNMENT);
  char *pointer = base + sizeof(BlockHeader) + shift;
  *block_header(pointer) = (BlockHeader){base, total, bytes};
  memset(pointer, 0, bytes);
  return pointer;
}

void *blo_allocate_array(blo_context *context, size_t count, size_t element_bytes) {
  size_t bytes;
  if (!blo_multiply_bytes(count, element_bytes, &bytes)) bytes = SIZE_MAX;
  return blo_allocate(context, bytes);
}

void *blo_grow(blo_context *context, void *pointer, size_t old_bytes, size_t new_bytes) {
  void *grown = blo_allocate(context, new_bytes);
  if (!grown) return NULL;
  if (pointer) memcpy(grown, pointer, old_bytes < new_bytes ? old_bytes : new_bytes);
  blo_release(context, pointer);
  return grown;
}

void blo_release(blo_context *context, void *pointer) {
  if (!pointer) return;
  BlockHeader header = *block_header(pointer);
  context->allocator.resize(context->allocator.self, header.base, header.total, 0);
}

char *blo_copy_text(blo_context *context, const char *text, size_t length) {
  char *copy = blo_allocate_array(context, length + 1, 1);
  if (copy && length) memcpy(copy, text, length);
  return copy;
}

blo_status blo_fail(blo_context *context, blo_status status, const char *code, const char *format,
                    ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(context->text, sizeof context->text, format, arguments);
  va_end(arguments);
  context->help[0] = '\0';
  context->error.status = status;
  context->error.code = code;
  return status;
}

void blo_fail_help(blo_context *context, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(context->help, sizeof context->help, format, arguments);
  va_end(arguments);
}

const char *blo_status_name(blo_status status) {
  switch (status) {
  case BLO_OK:
    return "ok";
  case BLO_BAD_ARGUMENT:
    return "bad argument";
  case BLO_BAD_SHAPE:
    return "bad shape";
  case BLO_BAD_DATA:
    return "bad data";
  case BLO_NO_MEMORY:
    return "no memory";
  case BLO_NOT_CONVERGED:
    return "not converged";
  case BLO_DIVERGED:
    return "diverged";
  case BLO_STOPPED:
    return "stopped";
  case BLO_DEVICE:
    return "device failure";
  }
  return "unknown status";
}

size_t blo_dtype_bytes(int32_t dtype) {
  static const uint8_t bytes[] = {[BLO_F16] = 2, [BLO_BF16] = 2, [BLO_F32] = 4, [BLO_F64] = 8,
                                  [BLO_I32] = 4, [BLO_I64] = 8,  [BLO_U8] = 1,  [BLO_BOOL] = 1};
  return dtype >= 0 && dtype <= BLO_BOOL ? bytes[dtype] : 0;
}

const char *blo_dtype_name(int32_t dtype) {
  static const char *const names[] = {"f16", "bf16", "f32", "f64", "i32", "i64", "u8", "bool"};
  return dtype >= 0 && dtype <= BLO_BOOL ? names[dtype] : "unknown type";
}

bool blo_add_bytes(size_t a, size_t b, size_t *sum) {
  return !__builtin_add_overflow(a, b, sum);
}

bool blo_multiply_bytes(size_t a, size_t b, size_t *product) {
  return !__builtin_mul_overflow(a, b, product);
}

bool blo_shape_count(const int64_t *shape, size_t rank, size_t *count) {
  size_t product = 1;
  for (size_t i = 0; i < rank; i++) {
    if (shape[i] < 0) return false;
    if (shape[i] == 0) {
      *count = 0;
      return true;
    }
  }
  for (size_t i = 0; i < rank; i++) {
    if (!blo_multiply_bytes(product, (size_t)shape[i], &product)) return false;
  }
  *count = product;
  return product <= (size_t)INT64_MAX / 8;
}

size_t blo_array_count(const blo_array *array) {
  size_t count;
  return blo_shape_count(array->shape, (size_t)array->rank, &count) ? count : 0;
}

static double double_of_half(uint16_t bits) {
  int exponent = bits >> 10 & 31;
  double fraction = bits & 1023;
  double sign = bits >> 15 ? -1.0 : 1.0;
  if (exponent == 31) return fraction != 0.0 ? (double)__builtin_nanf("") : sign * __builtin_inf();
  if (exponent == 0) return sign * fraction * 0x1p-24;
  return sign * (1024.0 + fraction) * __builtin_ldexp(1.0, exponent - 25);
}

double blo_array_element(const blo_array *array, size_t index) {
  const char *at = (const char *)array->data + index * blo_dtype_bytes(array->dtype);
  union {
    uint16_t half;
    uint32_t word;
    float f32;
    double f64;
    int32_t i32;
    int64_t i64;
    uint8_t u8;
  } value = {0};
  memcpy(&value, at, blo_dtype_bytes(array->dtype));
  switch (array->dtype) {
  case BLO_F16:
    return double_of_half(value.half);
  case BLO_BF16:
    value.word = (uint32_t)value.half << 16;
    return value.f32;
  case BLO_F32:
    return value.f32;
  case BLO_F64:
    return value.f64;
  case BLO_I32:
    return value.i32;
  case BLO_I64:
    return (double)value.i64;
  default:
    return value.u8;
  }
}

// A number is not finite when all bits of its exponent are set.
size_t blo_first_not_finite(const void *data, int32_t dtype, size_t count) {
  const uint64_t *f64 = data;
  const uint32_t *f32 = data;
  const uint16_t *half = data;
  size_t i = 0;
  switch (dtype) {
  case BLO_F64:
    while (i < count && (f64[i] >> 52 & 0x7FF) != 0x7FF) i++;
    return i;
  case BLO_F32:
    while (i < count && (f32[i] >> 23 & 0xFF) != 0xFF) i++;
    return i;
  case BLO_F16:
    while (i < count && (half[i] >> 10 & 0x1F) != 0x1F) i++;
    return i;
  case BLO_BF16:
    while (i < count && (half[i] >> 7 & 0xFF) != 0xFF) i++;
    return i;
  default:
    return count;
  }
}

void blo_shape_print(char *text, size_t bytes, const int64_t *shape, size_t rank) {
  size_t at = 0;
  int written = snprintf(text, bytes, "[");
  for (size_t i = 0; i < rank && written >= 0; i++) {
    at += (size_t)written;
    if (at >= bytes) return;
    written = snprintf(text + at, bytes - at, i ? ", %lld" : "%lld", (long long)shape[i]);
  }
  if (written >= 0) at += (size_t)written;
  if (at < bytes) snprintf(text + at, bytes - at, "]");
}

bool blo_shape_evaluate(const blo_size *sizes, int32_t rank, const int64_t *dims, size_t dim_count,
                        int64_t *shape) {
  if (rank < 0 || rank > BLO_MAX_RANK) return false;
  for (int32_t i = 0; i < rank; i++) {
    if (!blo_dims_evaluate(sizes[i].words, sizes[i].count, dims, dim_count, &shape[i]))
      return false;
    if (shape[i] < 0) return false;
  }
  return true;
}
