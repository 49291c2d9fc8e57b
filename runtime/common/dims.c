// The postfix machine of dims.h. Every word, stack access and operation is checked, as programs and
// atoms may come from a damaged file.
#include "common/dims.h"

static bool add(int64_t a, int64_t b, int64_t *result) {
  if (b > 0 ? a > INT64_MAX - b : a < INT64_MIN - b) return false;
  *result = a + b;
  return true;
}

static bool multiply(int64_t a, int64_t b, int64_t *result) {
  if (a == 0 || b == 0) {
    *result = 0;
    return true;
  }
  if (a > 0) {
    if (b > 0 ? a > INT64_MAX / b : b < INT64_MIN / a) return false;
  } else {
    if (b > 0 ? a < INT64_MIN / b : b < INT64_MAX / a) return false;
  }
  *result = a * b;
  return true;
}

static bool divide(int64_t a, int64_t k, bool exact, int64_t *result) {
  if (k <= 0) return false;
  int64_t quotient = a / k, rest = a % k;
  if (exact && rest != 0) return false;
  *result = rest < 0 ? quotient - 1 : quotient;
  return true;
}

bool blo_dims_evaluate(const int64_t *program, size_t count, const int64_t *atoms,
                       size_t atom_count, int64_t *result) {
  int64_t stack[BLO_DIM_STACK];
  size_t depth = 0, at = 0;
  while (at < count) {
    int64_t operation = program[at++];
    bool has_word = operation == BLO_DIM_CONST || operation == BLO_DIM_ATOM ||
                    operation == BLO_DIM_FLOORDIV || operation == BLO_DIM_EXACT;
    int64_t word = 0;
    if (has_word) {
      if (at == count) return false;
      word = program[at++];
    }
    if (operation == BLO_DIM_CONST || operation == BLO_DIM_ATOM) {
      if (depth == BLO_DIM_STACK) return false;
      if (operation == BLO_DIM_ATOM && (word < 0 || (uint64_t)word >= atom_count)) return false;
      stack[depth++] = operation == BLO_DIM_ATOM ? atoms[word] : word;
    } else if (has_word) {
      if (depth < 1) return false;
      int64_t *top = &stack[depth - 1];
      if (!divide(*top, word, operation == BLO_DIM_EXACT, top)) return false;
    } else {
      if (depth < 2) return false;
      int64_t b = stack[--depth], *a = &stack[depth - 1];
      if (operation == BLO_DIM_ADD) {
        if (!add(*a, b, a)) return false;
      } else if (operation == BLO_DIM_MUL) {
        if (!multiply(*a, b, a)) return false;
      } else if (operation == BLO_DIM_MAX) {
        if (b > *a) *a = b;
      } else {
        return false;
      }
    }
  }
  if (depth != 1) return false;
  *result = stack[0];
  return true;
}
