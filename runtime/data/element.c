// Conversion of elements, in blocks through one of two wide forms: int64 for integers and truth
// values, double for floats. A value that does not fit, or would be rounded, ends the conversion.
#include "data/element.h"
#include <math.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "data files are read on little-endian machines only"
#endif

enum { BLOCK = 512 };

blo_element blo_element_of(int32_t dtype) {
  switch (dtype) {
  case BLO_F16:
    return (blo_element){'f', 2, false};
  case BLO_F32:
    return (blo_element){'f', 4, false};
  case BLO_F64:
    return (blo_element){'f', 8, false};
  case BLO_I32:
    return (blo_element){'i', 4, false};
  case BLO_I64:
    return (blo_element){'i', 8, false};
  case BLO_U8:
    return (blo_element){'u', 1, false};
  case BLO_BOOL:
    return (blo_element){'b', 1, false};
  default:
    return (blo_element){0, 2, false};
  }
}

bool blo_element_is(blo_element element, int32_t dtype) {
  blo_element wanted = blo_element_of(dtype);
  return element.kind == wanted.kind && element.bytes == wanted.bytes && !element.swapped;
}

static uint64_t read_bits(const unsigned char *at, blo_element element) {
  uint64_t bits = 0;
  for (int i = 0; i < element.bytes; i++) {
    int shift = 8 * (element.swapped ? element.bytes - 1 - i : i);
    bits |= (uint64_t)at[i] << shift;
  }
  return bits;
}

// ---- half floats ----

static double half_value(uint16_t bits) {
  blo_array one = {.dtype = BLO_F16, .data = &bits};
  return blo_array_element(&one, 0);
}

// Nearest half float, ties to even; the significand is rounded as an integer.
static uint16_t half_nearest(double value) {
  uint16_t sign = signbit(value) ? 0x8000 : 0;
  double size = fabs(value);
  if (isnan(value)) return sign | 0x7E00;
  if (size >= 65520.0) return sign | 0x7C00;
  if (size == 0.0) return sign;
  int exponent;
  frexp(size, &exponent);
  int scale = exponent < -13 ? -24 : exponent - 11; // the weight of the last bit
  double units = nearbyint(ldexp(size, -scale));
  if (scale == -24) return (uint16_t)(sign | (uint16_t)units);
  return (uint16_t)(sign | (uint16_t)((scale + 25) * 1024 + ((int)units - 1024)));
}

static uint16_t bfloat_nearest(double value) {
  float narrow = (float)value;
  uint32_t bits;
  memcpy(&bits, &narrow, sizeof bits);
  if (isnan(value)) return (uint16_t)(bits >> 16 | 0x40);
  return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

static double bfloat_value(uint16_t bits) {
  uint32_t wide = (uint32_t)bits << 16;
  float value;
  memcpy(&value, &wide, sizeof value);
  return value;
}

// ---- files to wide forms ----

#define WIDEN(type, wide_type)                                                                     \
  for (size_t i = 0; i < count; i++) {                                                             \
    type value;                                                                                    \
    memcpy(&value, from + i * sizeof value, sizeof value);                                         \
    to[i] = (wide_type)value;                                                                      \
  }

// False when a value is above what int64 holds; *bad is its index.
static bool widen_integers(const unsigned char *from, blo_element element, int64_t *to,
                           size_t count, size_t *bad) {
  if (element.swapped) {
    blo_element straight = {element.kind, element.bytes, false};
    for (size_t i = 0; i < count; i++) {
      uint64_t bits = read_bits(from + i * element.bytes, element);
      if (!widen_integers((const unsigned char *)&bits, straight, &to[i], 1, bad)) {
        *bad = i;
        return false;
      }
    }
    return true;
  }
  bool is_signed = element.kind == 'i';
  switch (element.bytes) {
  case 1:
    if (is_signed) {
      WIDEN(int8_t, int64_t)
    } else {
      WIDEN(uint8_t, int64_t)
    }
    break;
  case 2:
    if (is_signed) {
      WIDEN(int16_t, int64_t)
    } else {
      WIDEN(uint16_t, int64_t)
    }
    break;
  case 4:
    if (is_signed) {
      WIDEN(int32_t, int64_t)
    } else {
      WIDEN(uint32_t, int64_t)
    }
    break;
  default:
    WIDEN(int64_t, int64_t)
    for (size_t i = 0; i < count && !is_signed; i++) {
      if (to[i] >= 0) continue;
      *bad = i;
      return false;
    }
  }
  return true;
}

static void widen_floats(const unsigned char *from, blo_element element, double *to, size_t count) {
  if (element.swapped) {
    blo_element straight = {element.kind, element.bytes, false};
    for (size_t i = 0; i < count; i++) {
      uint64_t bits = read_bits(from + i * element.bytes, element);
      widen_floats((const unsigned char *)&bits, straight, &to[i], 1);
    }
    return;
  }
  if (element.bytes == 8) {
    WIDEN(double, double)
  } else if (element.bytes == 4) {
    WIDEN(float, double)
  } else {
    for (size_t i = 0; i < count; i++) {
      uint16_t bits;
      memcpy(&bits, from + 2 * i, 2);
      to[i] = half_value(bits);
    }
  }
}

// ---- wide forms to programs ----

ConvertResult blo_store_integer(int64_t value, void *to, int32_t dtype) {
  switch (dtype) {
  case BLO_I64:
    *(int64_t *)to = value;
    return CONVERT_OK;
  case BLO_I32:
    *(int32_t *)to = (int32_t)value;
    return value == (int32_t)value ? CONVERT_OK : CONVERT_LOSSY;
  case BLO_U8:
    *(uint8_t *)to = (uint8_t)value;
    return value == (uint8_t)value ? CONVERT_OK : CONVERT_LOSSY;
  case BLO_BOOL:
    *(uint8_t *)to = value != 0;
    return value == 0 || value == 1 ? CONVERT_OK : CONVERT_LOSSY;
  default: {
    double rounded = (double)value;
    if (rounded >= 0x1p63 || (int64_t)rounded != value) return CONVERT_LOSSY;
    ConvertResult stored = blo_store_double(rounded, to, dtype);
    blo_array one = {.dtype = dtype, .data = to};
    return stored == CONVERT_OK && blo_array_element(&one, 0) == rounded ? CONVERT_OK
                                                                         : CONVERT_LOSSY;
  }
  }
}

ConvertResult blo_store_double(double value, void *to, int32_t dtype) {
  switch (dtype) {
  case BLO_F64:
    *(double *)to = value;
    return CONVERT_OK;
  case BLO_F32:
    *(float *)to = (float)value;
    return CONVERT_OK;
  case BLO_F16:
    *(uint16_t *)to = half_nearest(value);
    return CONVERT_OK;
  case BLO_BF16:
    *(uint16_t *)to = bfloat_nearest(value);
    return CONVERT_OK;
  default:
    if (!(value >= -0x1p63 && value < 0x1p63) || value != trunc(value)) return CONVERT_LOSSY;
    return blo_store_integer((int64_t)value, to, dtype);
  }
}

// A float that must not be rounded.
static ConvertResult store_exactly(double value, void *to, int32_t dtype) {
  ConvertResult stored = blo_store_double(value, to, dtype);
  if (stored != CONVERT_OK || isnan(value)) return stored;
  switch (dtype) {
  case BLO_F32:
    return (double)*(float *)to == value ? CONVERT_OK : CONVERT_LOSSY;
  case BLO_F16:
    return half_value(*(uint16_t *)to) == value ? CONVERT_OK : CONVERT_LOSSY;
  case BLO_BF16:
    return bfloat_value(*(uint16_t *)to) == value ? CONVERT_OK : CONVERT_LOSSY;
  default:
    return CONVERT_OK;
  }
}

// The pairs that large data sets come in, without a call per element.
static bool narrow_bytes_quickly(const unsigned char *from, blo_element element, void *to,
                                 int32_t dtype, size_t count) {
  if (element.kind != 'u' || element.bytes != 1) return false;
  if (dtype == BLO_F32) {
    for (size_t i = 0; i < count; i++) ((float *)to)[i] = from[i];
  } else if (dtype == BLO_F64) {
    for (size_t i = 0; i < count; i++) ((double *)to)[i] = from[i];
  } else if (dtype == BLO_I32) {
    for (size_t i = 0; i < count; i++) ((int32_t *)to)[i] = from[i];
  } else {
    return false;
  }
  return true;
}

static ConvertResult convert_block(const unsigned char *from, blo_element element, char *to,
                                   int32_t dtype, size_t count, size_t *bad) {
  union {
    int64_t integers[BLOCK];
    double floats[BLOCK];
  } wide;
  size_t step = blo_dtype_bytes(dtype);
  if (element.kind == 'f') {
    widen_floats(from, element, wide.floats, count);
    for (size_t i = 0; i < count; i++) {
      if (store_exactly(wide.floats[i], to + i * step, dtype) == CONVERT_OK) continue;
      *bad = i;
      return CONVERT_LOSSY;
    }
    return CONVERT_OK;
  }
  if (!widen_integers(from, element, wide.integers, count, bad)) return CONVERT_LOSSY;
  for (size_t i = 0; i < count; i++) {
    int64_t value = element.kind == 'b' ? wide.integers[i] != 0 : wide.integers[i];
    if (blo_store_integer(value, to + i * step, dtype) == CONVERT_OK) continue;
    *bad = i;
    return CONVERT_LOSSY;
  }
  return CONVERT_OK;
}

ConvertResult blo_convert(const unsigned char *from, blo_element element, void *to, int32_t dtype,
                          size_t count, size_t *bad) {
  if (blo_element_is(element, dtype) && dtype != BLO_BOOL) {
    if (count) memcpy(to, from, count * element.bytes);
    return CONVERT_OK;
  }
  if (narrow_bytes_quickly(from, element, to, dtype, count)) return CONVERT_OK;
  for (size_t at = 0; at < count; at += BLOCK) {
    size_t block = count - at < BLOCK ? count - at : BLOCK;
    if (convert_block(from + at * element.bytes, element, (char *)to + at * blo_dtype_bytes(dtype),
                      dtype, block, bad) != CONVERT_OK) {
      *bad += at;
      return CONVERT_LOSSY;
    }
  }
  return CONVERT_OK;
}

double blo_element_value(const unsigned char *at, blo_element element) {
  double value = 0.0;
  int64_t integer = 0;
  size_t bad;
  if (element.kind == 'f') {
    widen_floats(at, element, &value, 1);
    return value;
  }
  if (!widen_integers(at, element, &integer, 1, &bad)) return (double)read_bits(at, element);
  return (double)integer;
}

void blo_reorder(const unsigned char *from, size_t element_bytes, const int64_t *shape, int rank,
                 unsigned char *to) {
  size_t count;
  int64_t index[BLO_NPY_MAX_RANK] = {0};
  size_t stride[BLO_NPY_MAX_RANK + 1] = {1};
  if (!blo_shape_count(shape, (size_t)rank, &count)) return;
  for (int i = 0; i < rank; i++) stride[i + 1] = stride[i] * (size_t)shape[i];
  for (size_t element = 0; element < count; element++) {
    size_t source = 0;
    for (int i = 0; i < rank; i++) source += (size_t)index[i] * stride[i];
    memcpy(to + element * element_bytes, from + source * element_bytes, element_bytes);
    for (int i = rank - 1; i >= 0 && ++index[i] == shape[i]; i--) index[i] = 0;
  }
}
