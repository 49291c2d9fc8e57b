// The directory of a zip file (.npz): where its members lie and how large they are.
//
// Our own reader instead of libzip: arrays stored in an .npz can be used in place, which needs the
// offset of a member's bytes in the file, and compiled programs then depend on zlib alone. Every
// number in the directory is checked against the file before it is used.
#ifndef BLO_DATA_ZIP_H
#define BLO_DATA_ZIP_H

#include "data/unpack.h"

typedef struct ZipMember {
  char *name;
  PackKind kind;
  uint32_t checksum;
  const unsigned char *packed; // in the file's bytes
  size_t packed_bytes, bytes;
} ZipMember;

typedef struct ZipDirectory {
  ZipMember *members;
  size_t count;
} ZipDirectory;

bool blo_zip_recognise(const unsigned char *bytes, size_t length);
/// `label` names the file in messages. Release with blo_zip_close.
blo_status blo_zip_open(blo_context *context, const char *label, const unsigned char *bytes,
                        size_t length, ZipDirectory *directory);
void blo_zip_close(blo_context *context, ZipDirectory *directory);

#endif
