// Memory: lifetimes, aliasing and offsets of a schedule's workspace buffers.
//
// Expects: a Schedule. Leaves: first/last/slot/alias_of filled; the slot table below. Offsets are computed by
// runtime/common/place.c from the table once dims are known: at compile time when all are bound, else when the
// program is opened; the generated code always reads them from the call's offset table.
#ifndef BLO_PLAN_PLAN_H
#define BLO_PLAN_PLAN_H

#include "loop/loop.h"
#include <blo/program.h>

typedef struct Plan {
  blo_buffer *slots;   // size programs (bytes) and lifetimes, for place.c
  size_t slot_count;
} Plan;

/// `atoms`: the dim names in the order of blo_call.dims.
Plan *plan_schedule(Schedule *schedule, const Name *atoms, size_t atom_count);

#endif
