// Unpacking with zlib's inflate. zlib's own memory comes from the context's allocator too.
#include "data/unpack.h"
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PIECE = 1 << 22 };

static void *zlib_allocate(void *self, unsigned count, unsigned bytes) {
  return blo_allocate_array(self, count, bytes);
}

static void zlib_release(void *self, void *pointer) {
  blo_release(self, pointer);
}

// Deflate codes at best 258 bytes in two bits.
size_t blo_unpack_limit(PackKind kind, size_t packed) {
  size_t limit;
  if (kind == PACK_STORED) return packed;
  return blo_multiply_bytes(packed, 1032, &limit) ? limit : SIZE_MAX;
}

blo_status blo_unpack_begin(Unpack *unpack, blo_context *context, PackKind kind,
                            const unsigned char *bytes, size_t length) {
  memset(unpack, 0, sizeof *unpack);
  unpack->kind = kind;
  unpack->next = bytes;
  unpack->left = length;
  unpack->checksum = crc32(0, NULL, 0);
  if (kind == PACK_STORED) return BLO_OK;
  unpack->stream.zalloc = zlib_allocate;
  unpack->stream.zfree = zlib_release;
  unpack->stream.opaque = context;
  int window = kind == PACK_GZIP ? MAX_WBITS + 16 : -MAX_WBITS;
  if (inflateInit2(&unpack->stream, window) != Z_OK) {
    return blo_fail(context, BLO_NO_MEMORY, "", "no memory to unpack");
  }
  unpack->open = true;
  return BLO_OK;
}

// Gives back the pages of packed bytes that were read, which would otherwise stay beside the
// unpacked array. They are clean pages of a file: whoever reads them again gets them again.
static void forget_pages(const unsigned char *from, size_t length) {
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), start = (uintptr_t)from;
  uintptr_t first = (start + page - 1) / page * page, end = (start + length) / page * page;
  if (end > first) madvise((void *)first, end - first, MADV_DONTNEED);
}

static size_t take_stored(Unpack *unpack, unsigned char *to, size_t wanted) {
  size_t taken = wanted < unpack->left ? wanted : unpack->left;
  if (taken) memcpy(to, unpack->next, taken);
  unpack->next += taken;
  unpack->left -= taken;
  return taken;
}

static size_t take_inflated(Unpack *unpack, unsigned char *to, size_t wanted) {
  z_stream *stream = &unpack->stream;
  size_t taken = 0;
  while (taken < wanted && !unpack->ended && !unpack->damaged) {
    if (stream->avail_in == 0) {
      uInt piece = unpack->left > PIECE ? PIECE : (uInt)unpack->left;
      forget_pages(unpack->next - unpack->piece, unpack->piece);
      unpack->piece = piece;
      stream->next_in = (Bytef *)(uintptr_t)unpack->next;
      stream->avail_in = piece;
      unpack->next += piece;
      unpack->left -= piece;
    }
    uInt room = wanted - taken > INT_MAX ? INT_MAX : (uInt)(wanted - taken);
    stream->next_out = to + taken;
    stream->avail_out = room;
    int status = inflate(stream, Z_NO_FLUSH);
    taken += room - stream->avail_out;
    if (status == Z_STREAM_END) unpack->ended = true;
    if (status == Z_MEM_ERROR) unpack->no_memory = true;
    bool stuck = room == stream->avail_out && stream->avail_in == 0 && unpack->left == 0;
    if (status != Z_STREAM_END && (status != Z_OK || stuck)) unpack->damaged = true;
  }
  return taken;
}

size_t blo_unpack_take(Unpack *unpack, void *to, size_t wanted) {
  size_t taken = unpack->kind == PACK_STORED ? take_stored(unpack, to, wanted)
                                             : take_inflated(unpack, to, wanted);
  const unsigned char *at = to;
  for (size_t left = taken; left;) {
    uInt piece = left > INT_MAX ? INT_MAX : (uInt)left;
    unpack->checksum = crc32(unpack->checksum, at, piece);
    at += piece;
    left -= piece;
  }
  return taken;
}

blo_status blo_unpack_end(Unpack *unpack) {
  if (unpack->kind == PACK_STORED) return unpack->left == 0 ? BLO_OK : BLO_BAD_DATA;
  unsigned char more;
  bool exact = take_inflated(unpack, &more, 1) == 0 && unpack->ended;
  exact = exact && unpack->stream.avail_in == 0 && unpack->left == 0;
  forget_pages(unpack->next - unpack->piece, unpack->piece);
  if (unpack->open) inflateEnd(&unpack->stream);
  unpack->open = false;
  if (unpack->no_memory) return BLO_NO_MEMORY;
  return exact ? BLO_OK : BLO_BAD_DATA;
}
