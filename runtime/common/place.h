/* Placement of buffers with lifetimes in one block of memory.
 *
 * Enters: sizes in bytes and the closed intervals of positions in which each buffer is in use.
 * Leaves: offsets, multiples of 64, such that buffers in use at one position do not overlap. Used
 * by the compiler when all dims are bound and by the runtime when a program is opened: the same
 * input gives the same offsets. */
#ifndef BLO_COMMON_PLACE_H
#define BLO_COMMON_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BLO_PLACE_ALIGN = 64 };

/* Fills offsets[count] and *total. A buffer with first < 0 is never in use and gets offset 0. False
 * when a size is negative or the total does not fit in an int64_t; offsets are undefined then. */
bool blo_place(const int64_t *bytes, const int64_t *first, const int64_t *last, size_t count,
               int64_t *offsets, int64_t *total);

#endif
