// In-place updates: a value takes over the memory of one that dies where it is made.
//
// Expects a schedule as lowered. Where the kernel that first writes a buffer is the last reader of
// another of the same size, and reads each element only at the place it then writes, the two become
// one buffer; copies onto themselves disappear. For carries of loops the swap goes as well. Keeps:
// all results.
#ifndef BLO_PLAN_IN_PLACE_H
#define BLO_PLAN_IN_PLACE_H

#include "loop/loop.h"

void plan_in_place(Schedule *schedule);

/// Can `written` take over `read` (both kernel buffer parameters)?
bool kernel_reads_where_it_writes(const Kernel *kernel, int read, int written);
/// The kernel with parameter `from` replaced by `to` and removed, and without copies of an element
/// onto itself; NULL when no statement is left.
Kernel *kernel_join_buffers(const Kernel *kernel, int from, int to);

#endif
