// The options of `bloc run` that belong to the running program, as the runtime's driver wants them.
#ifndef BLO_DRIVE_RUNTIME_OPTIONS_H
#define BLO_DRIVE_RUNTIME_OPTIONS_H

#include "drive/options.h"
#include <blo/driver.h>

typedef struct RuntimeOptions {
  blo_run_options options; // context is there, data is loaded later
  Arena *arena;            // of the driver
  VEC(const char *) sources;
  VEC(blo_dim) dims;
} RuntimeOptions;

/// 0, or 2 after a message.
int runtime_options_parse(Arena *arena, const Options *options, RuntimeOptions *run);
void runtime_options_destroy(RuntimeOptions *run);

#endif
