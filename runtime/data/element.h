// Elements of files to elements of programs: a conversion is allowed when every value survives it.
#ifndef BLO_DATA_ELEMENT_H
#define BLO_DATA_ELEMENT_H

#include "common/npy.h"
#include "core/context.h"

typedef enum ConvertResult { CONVERT_OK, CONVERT_LOSSY } ConvertResult;

/// The file element with exactly the memory of a program's type; kind 0 for bf16, which files do
/// not have.
blo_element blo_element_of(int32_t dtype);
/// True when the bytes of the file are the bytes of the program.
bool blo_element_is(blo_element element, int32_t dtype);
/// Converts `count` elements. On CONVERT_LOSSY *bad is the first element that would change.
ConvertResult blo_convert(const unsigned char *from, blo_element element, void *to, int32_t dtype,
                          size_t count, size_t *bad);
/// Stores one number read from text, rounded to the nearest float; CONVERT_LOSSY when an integer or
/// truth value cannot hold it.
ConvertResult blo_store_double(double value, void *to, int32_t dtype);
ConvertResult blo_store_integer(int64_t value, void *to, int32_t dtype);
/// Column-major to row-major.
void blo_reorder(const unsigned char *from, size_t element_bytes, const int64_t *shape, int rank,
                 unsigned char *to);
/// The value of an element of a file for a message.
double blo_element_value(const unsigned char *at, blo_element element);

#endif
