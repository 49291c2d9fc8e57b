// The header of .npy files. The text in it is a Python dict with three known keys; what is accepted
// is that dict with its keys in any order and any spacing, nothing more of Python.
#include "common/npy.h"
#include <stdio.h>
#include <string.h>

typedef struct Cursor {
  const char *at, *end;
} Cursor;

static void skip_space(Cursor *c) {
  while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\t')) c->at++;
}

static bool accept(Cursor *c, char symbol) {
  skip_space(c);
  if (c->at == c->end || *c->at != symbol) return false;
  c->at++;
  return true;
}

static bool read_string(Cursor *c, const char **start, size_t *length) {
  skip_space(c);
  if (c->at == c->end || (*c->at != '\'' && *c->at != '"')) return false;
  char quote = *c->at++;
  *start = c->at;
  while (c->at < c->end && *c->at != quote) c->at++;
  if (c->at == c->end) return false;
  *length = (size_t)(c->at++ - *start);
  return true;
}

static bool read_word(Cursor *c, const char *word) {
  size_t length = strlen(word);
  skip_space(c);
  if ((size_t)(c->end - c->at) < length || memcmp(c->at, word, length) != 0) return false;
  c->at += length;
  return true;
}

static bool read_size(Cursor *c, int64_t *value) {
  skip_space(c);
  const char *start = c->at;
  *value = 0;
  while (c->at < c->end && *c->at >= '0' && *c->at <= '9') {
    if (__builtin_mul_overflow(*value, 10, value)) return false;
    if (__builtin_add_overflow(*value, *c->at - '0', value)) return false;
    c->at++;
  }
  bool digits = c->at > start;
  if (c->at < c->end && *c->at == 'L') c->at++; // files written by Python 2
  return digits;
}

static bool read_shape(Cursor *c, blo_npy *npy) {
  if (!accept(c, '(')) return false;
  npy->rank = 0;
  while (!accept(c, ')')) {
    if (npy->rank == BLO_NPY_MAX_RANK || !read_size(c, &npy->shape[npy->rank])) return false;
    npy->rank++;
    if (!accept(c, ',')) return accept(c, ')');
  }
  return true;
}

static bool read_element(const char *text, size_t length, blo_element *element) {
  if (length != 3 || !memchr("<>|=", text[0], 4) || !memchr("1248", text[2], 4)) return false;
  *element = (blo_element){text[1], (uint8_t)(text[2] - '0'), text[0] == '>' && text[2] != '1'};
  switch (element->kind) {
  case 'f':
    return element->bytes != 1;
  case 'i':
  case 'u':
    return true;
  case 'b':
    return element->bytes == 1;
  default:
    return false;
  }
}

static bool read_dict(Cursor *c, blo_npy *npy, const char **reason) {
  bool has_type = false, has_order = false, has_shape = false;
  *reason = "its header is not a dict of descr, fortran_order and shape";
  if (!accept(c, '{')) return false;
  while (!accept(c, '}')) {
    const char *key, *text;
    size_t key_length, length;
    if (!read_string(c, &key, &key_length) || !accept(c, ':')) return false;
    if (key_length == 5 && memcmp(key, "descr", 5) == 0 && !has_type) {
      has_type = true;
      if (!read_string(c, &text, &length) || !read_element(text, length, &npy->element)) {
        *reason = "its elements are of a type that programs cannot use "
                  "(f2 f4 f8, i1 i2 i4 i8, u1 u2 u4 u8 and b1 are read)";
        return false;
      }
    } else if (key_length == 13 && memcmp(key, "fortran_order", 13) == 0 && !has_order) {
      has_order = true;
      npy->fortran = read_word(c, "True");
      if (!npy->fortran && !read_word(c, "False")) return false;
    } else if (key_length == 5 && memcmp(key, "shape", 5) == 0 && !has_shape) {
      has_shape = true;
      if (!read_shape(c, npy)) {
        *reason = "its shape is not a list of at most 16 sizes";
        return false;
      }
    } else {
      return false;
    }
    if (!accept(c, ',')) {
      if (!accept(c, '}')) return false;
      break;
    }
  }
  return has_type && has_order && has_shape;
}

static bool count_elements(blo_npy *npy) {
  npy->count = 1;
  bool empty = false;
  for (int i = 0; i < npy->rank; i++) empty |= npy->shape[i] == 0;
  for (int i = 0; i < npy->rank && !empty; i++) {
    if (__builtin_mul_overflow(npy->count, (size_t)npy->shape[i], &npy->count)) return false;
  }
  if (empty) npy->count = 0;
  return !__builtin_mul_overflow(npy->count, (size_t)npy->element.bytes, &npy->data_bytes) &&
         npy->data_bytes <= (size_t)INT64_MAX / 2;
}

bool blo_npy_read(const unsigned char *bytes, size_t length, blo_npy *npy, const char **reason) {
  memset(npy, 0, sizeof *npy);
  if (length < 10 || memcmp(bytes, "\x93NUMPY", 6) != 0) {
    *reason = "it does not start as a .npy file does";
    return false;
  }
  size_t prefix = bytes[6] == 1 ? 10 : 12;
  if (bytes[6] < 1 || bytes[6] > 3 || length < prefix) {
    *reason = "it is of a .npy version that is not known";
    return false;
  }
  size_t header = (size_t)bytes[8] | (size_t)bytes[9] << 8;
  if (prefix == 12) header |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
  if (header > BLO_NPY_MAX_HEADER - prefix || header > length - prefix) {
    *reason = "its header is cut short";
    return false;
  }
  Cursor cursor = {(const char *)bytes + prefix, (const char *)bytes + prefix + header};
  if (!read_dict(&cursor, npy, reason)) return false;
  npy->data_offset = prefix + header;
  if (!count_elements(npy)) {
    *reason = "its shape is larger than a machine can hold";
    return false;
  }
  return true;
}

size_t blo_npy_write(char *buffer, size_t capacity, blo_element element, const int64_t *shape,
                     int rank) {
  char dict[512];
  int at = snprintf(dict, sizeof dict, "{'descr': '%c%c%d', 'fortran_order': False, 'shape': (",
                    element.bytes == 1 ? '|' : '<', element.kind, element.bytes);
  for (int i = 0; i < rank && at > 0 && (size_t)at < sizeof dict; i++) {
    at +=
        snprintf(dict + at, sizeof dict - (size_t)at, i ? " %lld," : "%lld,", (long long)shape[i]);
  }
  if (at > 0 && (size_t)at < sizeof dict) {
    if (rank > 1) at--; // (3, 4): only a single size keeps its comma
    at += snprintf(dict + at, sizeof dict - (size_t)at, "), }");
  }
  if (at <= 0 || (size_t)at >= sizeof dict) return 0;
  size_t total = (10 + (size_t)at + 1 + 63) / 64 * 64;
  if (total > capacity) return 0;
  memset(buffer, ' ', total);
  memcpy(buffer, "\x93NUMPY\x01\x00", 8);
  buffer[8] = (char)((total - 10) & 255);
  buffer[9] = (char)((total - 10) >> 8);
  memcpy(buffer + 10, dict, (size_t)at);
  buffer[total - 1] = '\n';
  return total;
}

const char *blo_element_name(blo_element element) {
  static const char *const floats[] = {[2] = "f16", [4] = "f32", [8] = "f64"};
  static const char *const signeds[] = {[1] = "i8", [2] = "i16", [4] = "i32", [8] = "i64"};
  static const char *const unsigneds[] = {[1] = "u8", [2] = "u16", [4] = "u32", [8] = "u64"};
  switch (element.kind) {
  case 'f':
    return floats[element.bytes];
  case 'i':
    return signeds[element.bytes];
  case 'u':
    return unsigneds[element.bytes];
  default:
    return "bool";
  }
}
