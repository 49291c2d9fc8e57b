// Files as bytes: mapped where they are, so large arrays are neither read nor copied before they
// are used.
#ifndef BLO_DATA_FILE_H
#define BLO_DATA_FILE_H

#include "core/context.h"

typedef struct blo_file {
  const unsigned char *bytes;
  size_t length;
  void *mapping; // NULL for an empty file
  uint64_t device, inode;
} blo_file;

/// Maps a regular file. On failure the error says path and reason.
blo_status blo_file_open(blo_context *context, const char *path, blo_file *file);
void blo_file_close(blo_file *file);
/// Are both the same file, whatever path leads to it?
bool blo_file_same(const blo_file *a, const blo_file *b);

#endif
