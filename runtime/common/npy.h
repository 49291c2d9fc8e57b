// The header of .npy files: read and written here for data files, results and checkpoints.
//
// Enters: bytes that may be anything. Leaves: type, order and shape, or a reason why not. Element
// types are wider than those of programs, because files hold more (i8, u16, big-endian ...).
// Allocates nothing.
#ifndef BLO_COMMON_NPY_H
#define BLO_COMMON_NPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BLO_NPY_MAX_RANK = 16, BLO_NPY_MAX_HEADER = 65536 + 12 };

typedef struct blo_element {
  char kind;     // 'f' float, 'i' signed, 'u' unsigned, 'b' bool
  uint8_t bytes; // 1, 2, 4, 8
  bool swapped;  // big-endian
} blo_element;

typedef struct blo_npy {
  blo_element element;
  bool fortran; // column-major
  int rank;
  int64_t shape[BLO_NPY_MAX_RANK];
  size_t count;       // elements
  size_t data_offset; // bytes of the header
  size_t data_bytes;
} blo_npy;

/// Reads the header at the start of `bytes`. False and *reason (a constant text) when it is none.
bool blo_npy_read(const unsigned char *bytes, size_t length, blo_npy *npy, const char **reason);
/// Writes a header (version 1.0, padded to 64 bytes) for little-endian row-major data. Returns its
/// length, or 0 when it does not fit.
size_t blo_npy_write(char *buffer, size_t capacity, blo_element element, const int64_t *shape,
                     int rank);
/// "f64", "u16", "bool" and the like.
const char *blo_element_name(blo_element element);

#endif
