// Bytes out of stored, deflated or gzipped bytes, in pieces of a size that the taker chooses.
//
// The taker always knows how much it wants before it asks, so a small file that claims to hold
// terabytes costs nothing. The checksum of all that was taken is kept along the way.
#ifndef BLO_DATA_UNPACK_H
#define BLO_DATA_UNPACK_H

#include "core/context.h"
#include <zlib.h>

typedef enum PackKind { PACK_STORED, PACK_DEFLATE, PACK_GZIP } PackKind;

typedef struct Unpack {
  PackKind kind;
  const unsigned char *next; // packed bytes not yet given to the inflater
  size_t left, piece;        // piece: what the inflater was given last
  z_stream stream;
  bool open, ended, damaged, no_memory;
  uLong checksum; // CRC-32 of everything taken
} Unpack;

/// The most bytes that `packed` bytes can unpack to; a claim above it is false.
size_t blo_unpack_limit(PackKind kind, size_t packed);
/// `bytes` lie in a mapped file: pages that were read are given back along the way.
blo_status blo_unpack_begin(Unpack *unpack, blo_context *context, PackKind kind,
                            const unsigned char *bytes, size_t length);
/// Takes up to `wanted` bytes; fewer at the end or where the stream is damaged.
size_t blo_unpack_take(Unpack *unpack, void *to, size_t wanted);
/// Ends. BLO_OK when the packed bytes held exactly what was taken, else BLO_BAD_DATA (no error is
/// set) or BLO_NO_MEMORY.
blo_status blo_unpack_end(Unpack *unpack);

#endif
