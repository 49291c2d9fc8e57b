// Writing a zip of .npy members. Local headers carry sizes in 64 bits (as numpy's own do) and
// padding that puts the array's first element on a multiple of 64 bytes.
#include "data/npz_write.h"
#include "common/npy.h"
#include "data/element.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { LOCAL_HEADER = 30, WIDE_FIELD = 20, PIECE = 1 << 16, DATE_1980 = 0x21 };

struct NpzMember {
  char *name; // with ".npy"
  uint32_t checksum;
  uint64_t packed, bytes, offset;
  bool deflated;
};

static void put16(unsigned char *to, uint64_t value) {
  to[0] = (unsigned char)value;
  to[1] = (unsigned char)(value >> 8);
}

static void put32(unsigned char *to, uint64_t value) {
  put16(to, value);
  put16(to + 2, value >> 16);
}

static void put64(unsigned char *to, uint64_t value) {
  put32(to, value);
  put32(to + 4, value >> 32);
}

static blo_status fail_to_write(blo_npz *npz) {
  char reason[128];
  if (strerror_r(errno, reason, sizeof reason) != 0) strcpy(reason, "cannot be written");
  return blo_fail(npz->context, BLO_BAD_ARGUMENT, "E0902", "%s: %s", npz->path, reason);
}

static blo_status emit(blo_npz *npz, const void *bytes, size_t length) {
  if (length && fwrite(bytes, 1, length, npz->file) != length) return fail_to_write(npz);
  npz->offset += length;
  return BLO_OK;
}

blo_status blo_npz_begin(blo_context *context, const char *path, bool deflate, blo_npz *npz) {
  *npz = (blo_npz){.context = context, .deflate = deflate};
  size_t length = strlen(path);
  npz->path = blo_copy_text(context, path, length);
  npz->temporary = blo_allocate(context, length + 8);
  if (!npz->path || !npz->temporary) return BLO_NO_MEMORY;
  snprintf(npz->temporary, length + 8, "%s.part", path);
  npz->file = fopen(npz->temporary, "wb");
  return npz->file ? BLO_OK : fail_to_write(npz);
}

// ---- members ----

// The local header up to the member's first byte; sizes are filled in when they are known.
static size_t local_header(unsigned char *to, const NpzMember *member, size_t padding) {
  size_t name = strlen(member->name);
  memset(to, 0, LOCAL_HEADER);
  memcpy(to, "PK\3\4", 4);
  put16(to + 4, 45);
  put16(to + 6, 0x800); // names are UTF-8
  put16(to + 8, member->deflated ? 8 : 0);
  put16(to + 12, DATE_1980);
  put32(to + 14, member->checksum);
  put32(to + 18, 0xFFFFFFFF);
  put32(to + 22, 0xFFFFFFFF);
  put16(to + 26, name);
  put16(to + 28, WIDE_FIELD + 4 + padding);
  memcpy(to + LOCAL_HEADER, member->name, name);
  unsigned char *extra = to + LOCAL_HEADER + name;
  put16(extra, 1);
  put16(extra + 2, 16);
  put64(extra + 4, member->bytes);
  put64(extra + 12, member->packed);
  put16(extra + WIDE_FIELD, 0xD935); // padding, for alignment
  put16(extra + WIDE_FIELD + 2, padding);
  memset(extra + WIDE_FIELD + 4, 0, padding);
  return LOCAL_HEADER + name + WIDE_FIELD + 4 + padding;
}

static uint32_t checksum_of(uint32_t sum, const void *bytes, size_t length) {
  const unsigned char *at = bytes;
  uLong running = sum;
  while (length) {
    uInt piece = length > (1u << 30) ? 1u << 30 : (uInt)length;
    running = crc32(running, at, piece);
    at += piece;
    length -= piece;
  }
  return (uint32_t)running;
}

static void *zlib_allocate(void *self, unsigned count, unsigned bytes) {
  return blo_allocate_array(self, count, bytes);
}

static void zlib_release(void *self, void *pointer) {
  blo_release(self, pointer);
}

static blo_status deflate_piece(blo_npz *npz, z_stream *stream, const void *bytes, size_t length,
                                bool last) {
  unsigned char out[PIECE];
  const unsigned char *at = bytes;
  do {
    uInt piece = length > (1u << 30) ? 1u << 30 : (uInt)length;
    stream->next_in = (Bytef *)(uintptr_t)at;
    stream->avail_in = piece;
    at += piece;
    length -= piece;
    do {
      stream->next_out = out;
      stream->avail_out = PIECE;
      deflate(stream, last && !length ? Z_FINISH : Z_NO_FLUSH);
      blo_status status = emit(npz, out, PIECE - stream->avail_out);
      if (status) return status;
    } while (stream->avail_out == 0);
  } while (length);
  return BLO_OK;
}

static blo_status emit_deflated(blo_npz *npz, const void *header, size_t header_bytes,
                                const void *data, size_t data_bytes) {
  z_stream stream = {.zalloc = zlib_allocate, .zfree = zlib_release, .opaque = npz->context};
  if (deflateInit2(&stream, 6, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    return blo_fail(npz->context, BLO_NO_MEMORY, "", "no memory to compress");
  blo_status status = deflate_piece(npz, &stream, header, header_bytes, false);
  if (!status) status = deflate_piece(npz, &stream, data, data_bytes, true);
  deflateEnd(&stream);
  return status;
}

static NpzMember *add_member(blo_npz *npz, const char *name) {
  if (npz->count == npz->capacity) {
    size_t capacity = npz->capacity ? 2 * npz->capacity : 16;
    NpzMember *grown =
        blo_grow(npz->context, npz->members, npz->count * sizeof *grown, capacity * sizeof *grown);
    if (!grown) return NULL;
    npz->members = grown;
    npz->capacity = capacity;
  }
  NpzMember *member = &npz->members[npz->count];
  *member = (NpzMember){.offset = npz->offset, .deflated = npz->deflate};
  size_t length = strlen(name);
  if (length > 60000) {
    blo_fail(npz->context, BLO_BAD_ARGUMENT, "", "a name is too long for a file");
    return NULL;
  }
  member->name = blo_allocate(npz->context, length + 5);
  if (!member->name) return NULL;
  snprintf(member->name, length + 5, "%s.npy", name);
  npz->count++;
  return member;
}

static blo_status emit_member(blo_npz *npz, NpzMember *member, const char *header,
                              size_t header_bytes, const void *data, size_t data_bytes) {
  size_t fixed = LOCAL_HEADER + strlen(member->name) + WIDE_FIELD + 4;
  size_t padding = (size_t)((64 - (npz->offset + fixed) % 64) % 64);
  unsigned char *local = blo_allocate(npz->context, fixed + padding);
  if (!local) return BLO_NO_MEMORY;
  member->bytes = header_bytes + data_bytes;
  member->packed = member->bytes;
  member->checksum = checksum_of(checksum_of(0, header, header_bytes), data, data_bytes);
  blo_status status = emit(npz, local, local_header(local, member, padding));
  uint64_t start = npz->offset;
  if (!status && member->deflated) {
    status = emit_deflated(npz, header, header_bytes, data, data_bytes);
    member->packed = npz->offset - start;
    local_header(local, member, padding);
    bool good = fseeko(npz->file, (off_t)member->offset, SEEK_SET) == 0 &&
                fwrite(local, 1, fixed + padding, npz->file) == fixed + padding &&
                fseeko(npz->file, 0, SEEK_END) == 0;
    if (!status && !good) status = fail_to_write(npz);
  } else if (!status) {
    status = emit(npz, header, header_bytes);
    if (!status) status = emit(npz, data, data_bytes);
  }
  blo_release(npz->context, local);
  return status;
}

static blo_status add_widened(blo_npz *npz, const char *name, const blo_array *array) {
  size_t count = blo_array_count(array);
  blo_array wide = *array;
  wide.dtype = BLO_F32;
  wide.data = blo_allocate_array(npz->context, count, sizeof(float));
  if (!wide.data) return BLO_NO_MEMORY;
  for (size_t i = 0; i < count; i++) ((float *)wide.data)[i] = (float)blo_array_element(array, i);
  blo_status status = blo_npz_add(npz, name, &wide);
  blo_release(npz->context, wide.data);
  return status;
}

blo_status blo_npz_add(blo_npz *npz, const char *name, const blo_array *array) {
  if (array->dtype == BLO_BF16) return add_widened(npz, name, array);
  char header[1024];
  size_t header_bytes =
      blo_npy_write(header, sizeof header, blo_element_of(array->dtype), array->shape, array->rank);
  if (!header_bytes)
    return blo_fail(npz->context, BLO_BAD_ARGUMENT, "", "`%s` has too many axes for a file", name);
  NpzMember *member = add_member(npz, name);
  if (!member) return BLO_NO_MEMORY;
  return emit_member(npz, member, header, header_bytes, array->data,
                     blo_array_count(array) * blo_dtype_bytes(array->dtype));
}

// ---- the directory ----

static blo_status emit_entry(blo_npz *npz, const NpzMember *member) {
  unsigned char entry[46 + 28] = "PK\1\2";
  bool wide =
      member->bytes >= 0xFFFFFFFF || member->packed >= 0xFFFFFFFF || member->offset >= 0xFFFFFFFF;
  put16(entry + 4, 45);
  put16(entry + 6, 45);
  put16(entry + 8, 0x800);
  put16(entry + 10, member->deflated ? 8 : 0);
  put16(entry + 14, DATE_1980);
  put32(entry + 16, member->checksum);
  put32(entry + 20, wide ? 0xFFFFFFFF : member->packed);
  put32(entry + 24, wide ? 0xFFFFFFFF : member->bytes);
  put16(entry + 28, strlen(member->name));
  put16(entry + 30, wide ? 28 : 0);
  put32(entry + 42, wide ? 0xFFFFFFFF : member->offset);
  put16(entry + 46, 1);
  put16(entry + 48, 24);
  put64(entry + 50, member->bytes);
  put64(entry + 58, member->packed);
  put64(entry + 66, member->offset);
  blo_status status = emit(npz, entry, 46);
  if (!status) status = emit(npz, member->name, strlen(member->name));
  return status || !wide ? status : emit(npz, entry + 46, 28);
}

static blo_status emit_end(blo_npz *npz, uint64_t start) {
  unsigned char end[56 + 20 + 22] = "PK\6\6";
  uint64_t bytes = npz->offset - start;
  bool wide = npz->count >= 0xFFFF || start >= 0xFFFFFFFF || bytes >= 0xFFFFFFFF;
  put64(end + 4, 44);
  put16(end + 12, 45);
  put16(end + 14, 45);
  put64(end + 24, npz->count);
  put64(end + 32, npz->count);
  put64(end + 40, bytes);
  put64(end + 48, start);
  memcpy(end + 56, "PK\6\7", 4);
  put64(end + 64, npz->offset);
  put32(end + 72, 1);
  memcpy(end + 76, "PK\5\6", 4);
  put16(end + 84, wide ? 0xFFFF : npz->count);
  put16(end + 86, wide ? 0xFFFF : npz->count);
  put32(end + 88, wide ? 0xFFFFFFFF : bytes);
  put32(end + 92, wide ? 0xFFFFFFFF : start);
  return wide ? emit(npz, end, sizeof end) : emit(npz, end + 76, 22);
}

static void release_all(blo_npz *npz) {
  for (size_t i = 0; i < npz->count; i++) blo_release(npz->context, npz->members[i].name);
  blo_release(npz->context, npz->members);
  blo_release(npz->context, npz->path);
  blo_release(npz->context, npz->temporary);
  *npz = (blo_npz){0};
}

blo_status blo_npz_end(blo_npz *npz) {
  uint64_t start = npz->offset;
  blo_status status = BLO_OK;
  for (size_t i = 0; i < npz->count && !status; i++) status = emit_entry(npz, &npz->members[i]);
  if (!status) status = emit_end(npz, start);
  if (status) return status;
  bool closed = fflush(npz->file) == 0 && fsync(fileno(npz->file)) == 0;
  closed = fclose(npz->file) == 0 && closed;
  npz->file = NULL;
  if (!closed || rename(npz->temporary, npz->path) != 0) return fail_to_write(npz);
  release_all(npz);
  return BLO_OK;
}

void blo_npz_abandon(blo_npz *npz) {
  if (npz->file) fclose(npz->file);
  if (npz->temporary) unlink(npz->temporary);
  release_all(npz);
}
