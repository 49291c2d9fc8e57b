// Entries run by the reference interpreter instead of machine code (`--interpret`, tests).
#ifndef BLO_DRIVE_INTERPRETED_H
#define BLO_DRIVE_INTERPRETED_H

#include "build/build.h"

/// What blo_entry.self is for entry number `entry` when run is `interpreted_run`.
void *interpreted_create(Arena *arena, const Built *built, size_t entry);
/// A blo_function: converts the call's arrays, interprets, converts back.
int32_t interpreted_run(const blo_call *call);

#endif
