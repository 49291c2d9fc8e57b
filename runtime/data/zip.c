// Reading a zip directory: the end record at the end of the file, the central directory it points
// to, and for each member the local header in front of its bytes. Zip64 is read (numpy writes it
// for large arrays); encrypted and split archives and other compression methods are refused by
// name.
#include "data/zip.h"
#include <string.h>

enum {
  END_RECORD = 22,
  END_LOCATOR_64 = 20,
  END_RECORD_64 = 56,
  CENTRAL_HEADER = 46,
  LOCAL_HEADER = 30,
  LONGEST_COMMENT = 65535
};

typedef struct Archive {
  blo_context *context;
  const char *label;
  const unsigned char *bytes;
  size_t length;
} Archive;

static uint32_t read16(const unsigned char *at) {
  return (uint32_t)at[0] | (uint32_t)at[1] << 8;
}

static uint32_t read32(const unsigned char *at) {
  return read16(at) | read16(at + 2) << 16;
}

static uint64_t read64(const unsigned char *at) {
  return (uint64_t)read32(at) | (uint64_t)read32(at + 4) << 32;
}

static blo_status damaged(const Archive *archive, const char *what) {
  return blo_fail(archive->context, BLO_BAD_DATA, "E0604", "%s is damaged: %s", archive->label,
                  what);
}

bool blo_zip_recognise(const unsigned char *bytes, size_t length) {
  return length >= 4 && (memcmp(bytes, "PK\3\4", 4) == 0 || memcmp(bytes, "PK\5\6", 4) == 0);
}

// Is [offset, offset + bytes) inside the file?
static bool inside(const Archive *archive, uint64_t offset, uint64_t bytes) {
  return offset <= archive->length && bytes <= archive->length - offset;
}

// Finds the central directory: offset, bytes and number of entries.
static blo_status find_directory(const Archive *archive, uint64_t *offset, uint64_t *bytes,
                                 uint64_t *count) {
  if (archive->length < END_RECORD) return damaged(archive, "it is too short for a zip file");
  size_t last = archive->length - END_RECORD;
  size_t first = last > LONGEST_COMMENT ? last - LONGEST_COMMENT : 0;
  size_t at = last + 1;
  while (at > first && memcmp(archive->bytes + at - 1, "PK\5\6", 4) != 0) at--;
  if (at == first) return damaged(archive, "its directory is missing (cut short?)");
  at--;
  const unsigned char *record = archive->bytes + at;
  *count = read16(record + 10);
  *bytes = read32(record + 12);
  *offset = read32(record + 16);
  bool large = *count == 0xFFFF || *bytes == 0xFFFFFFFF || *offset == 0xFFFFFFFF;
  if (large && at >= END_LOCATOR_64 && memcmp(record - END_LOCATOR_64, "PK\6\7", 4) == 0) {
    uint64_t place = read64(record - END_LOCATOR_64 + 8);
    if (!inside(archive, place, END_RECORD_64) || memcmp(archive->bytes + place, "PK\6\6", 4) != 0)
      return damaged(archive, "its zip64 directory is missing");
    const unsigned char *wide = archive->bytes + place;
    *count = read64(wide + 32);
    *bytes = read64(wide + 40);
    *offset = read64(wide + 48);
  }
  if (!inside(archive, *offset, *bytes))
    return damaged(archive, "its directory lies outside of it");
  if (*count > *bytes / CENTRAL_HEADER) return damaged(archive, "its directory is cut short");
  return BLO_OK;
}

// Takes the 64-bit fields for those of the header that say 0xFFFFFFFF, in the order the format
// gives.
static bool read_wide_sizes(const unsigned char *extra, size_t length, uint64_t *bytes,
                            uint64_t *packed, uint64_t *offset) {
  while (length >= 4) {
    uint32_t id = read16(extra), size = read16(extra + 2);
    if (size > length - 4) return false;
    if (id == 1) {
      uint64_t *fields[] = {bytes, packed, offset};
      const unsigned char *at = extra + 4;
      for (int i = 0; i < 3; i++) {
        if (*fields[i] != 0xFFFFFFFF) continue;
        if (size < 8) return false;
        *fields[i] = read64(at);
        at += 8;
        size -= 8;
      }
      return true;
    }
    extra += 4 + size;
    length -= 4 + size;
  }
  return *bytes != 0xFFFFFFFF && *packed != 0xFFFFFFFF && *offset != 0xFFFFFFFF;
}

// Finds a member's packed bytes behind its local header.
static blo_status locate(const Archive *archive, ZipMember *member, uint64_t bytes, uint64_t packed,
                         uint64_t offset) {
  if (!inside(archive, offset, LOCAL_HEADER) || memcmp(archive->bytes + offset, "PK\3\4", 4) != 0)
    return damaged(archive, "a member lies outside of it");
  const unsigned char *local = archive->bytes + offset;
  uint64_t start = offset + LOCAL_HEADER + read16(local + 26) + read16(local + 28);
  if (!inside(archive, start, packed)) return damaged(archive, "a member is cut short");
  if (bytes > blo_unpack_limit(member->kind, (size_t)packed) ||
      (member->kind == PACK_STORED && bytes != packed))
    return damaged(archive, "a member claims a size that its bytes cannot have");
  member->packed = archive->bytes + start;
  member->packed_bytes = (size_t)packed;
  member->bytes = (size_t)bytes;
  return BLO_OK;
}

// Reads one entry of the central directory; *used is its length.
static blo_status read_entry(const Archive *archive, const unsigned char *at, size_t left,
                             ZipMember *member, size_t *used) {
  if (left < CENTRAL_HEADER || memcmp(at, "PK\1\2", 4) != 0)
    return damaged(archive, "its directory is cut short");
  size_t name = read16(at + 28), extra = read16(at + 30), comment = read16(at + 32);
  *used = CENTRAL_HEADER + name + extra + comment;
  if (*used > left) return damaged(archive, "its directory is cut short");
  uint32_t flags = read16(at + 8), method = read16(at + 10);
  if (flags & 1) return damaged(archive, "it is encrypted, which is not read");
  if (method != 0 && method != 8)
    return damaged(archive, "it is compressed by another method than deflate, which is not read");
  uint64_t packed = read32(at + 20), bytes = read32(at + 24), offset = read32(at + 42);
  if (!read_wide_sizes(at + CENTRAL_HEADER + name, extra, &bytes, &packed, &offset))
    return damaged(archive, "the sizes of a member are missing");
  member->kind = method == 8 ? PACK_DEFLATE : PACK_STORED;
  member->checksum = read32(at + 16);
  member->name = blo_copy_text(archive->context, (const char *)at + CENTRAL_HEADER, name);
  if (!member->name) return BLO_NO_MEMORY;
  return locate(archive, member, bytes, packed, offset);
}

blo_status blo_zip_open(blo_context *context, const char *label, const unsigned char *bytes,
                        size_t length, ZipDirectory *directory) {
  Archive archive = {context, label, bytes, length};
  uint64_t offset = 0, left = 0, count = 0;
  *directory = (ZipDirectory){0};
  blo_status status = find_directory(&archive, &offset, &left, &count);
  if (status) return status;
  directory->members = blo_allocate_array(context, (size_t)count, sizeof *directory->members);
  if (!directory->members) return BLO_NO_MEMORY;
  const unsigned char *at = bytes + offset;
  for (uint64_t i = 0; i < count && !status; i++) {
    size_t used = 0;
    status = read_entry(&archive, at, (size_t)left, &directory->members[i], &used);
    directory->count = (size_t)i + 1;
    at += used;
    left -= used;
  }
  if (status) blo_zip_close(context, directory);
  return status;
}

void blo_zip_close(blo_context *context, ZipDirectory *directory) {
  for (size_t i = 0; i < directory->count; i++) blo_release(context, directory->members[i].name);
  blo_release(context, directory->members);
  *directory = (ZipDirectory){0};
}
