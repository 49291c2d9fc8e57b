// Writing .npz files: results and checkpoints that numpy reads as they are.
//
// The file grows under a temporary name and takes its own name only when it is whole, so a crash or
// a full disk never leaves a half-written result. Stored arrays are aligned in the file, so reading
// maps them.
#ifndef BLO_DATA_NPZ_WRITE_H
#define BLO_DATA_NPZ_WRITE_H

#include "core/context.h"
#include <stdio.h>

typedef struct NpzMember NpzMember;

typedef struct blo_npz {
  blo_context *context;
  char *path, *temporary;
  FILE *file;
  NpzMember *members;
  size_t count, capacity;
  uint64_t offset; // bytes written
  bool deflate;
} blo_npz;

/// Opens `path` for writing; `deflate` compresses the members.
blo_status blo_npz_begin(blo_context *context, const char *path, bool deflate, blo_npz *npz);
/// Adds one array under `name` (bf16 is widened to f32, which numpy knows).
blo_status blo_npz_add(blo_npz *npz, const char *name, const blo_array *array);
/// Writes the directory and gives the file its name. After a failure of any of the three, call
/// blo_npz_abandon.
blo_status blo_npz_end(blo_npz *npz);
void blo_npz_abandon(blo_npz *npz);

#endif
