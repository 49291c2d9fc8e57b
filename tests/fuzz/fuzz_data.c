// Any bytes as a data file: refused or read, in every type, but never a crash, a leak or memory by
// a false claim.
#define _GNU_SOURCE
#include "driver.h"

#include <blo/data.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

const char *const fuzz_words[] = {
    "\x93NUMPY",    "PK\3\4", "PK\1\2", "PK\5\6",    "PK\6\6", "PK\6\7",
    "'descr':",     "'<f8'",  "'|b1'",  "(1, 2, 3)", "True",   "\"\"",
    "\r\n",         "1e308",  "nan",    "x[0],x[1]", ",,",     "\xFF\xFF\xFF\xFF",
    "\x1F\x8B\x08", NULL};

// A file of the fuzzer is at most 64 KiB, so nothing in it may ask for more than deflate can make
// of that.
enum { MOST_BYTES = 256 << 20 };

static size_t live;

static void *limited_resize(void *self, void *pointer, size_t old_bytes, size_t new_bytes) {
  (void)self;
  if (live + new_bytes > MOST_BYTES) abort();
  live += new_bytes;
  live -= pointer ? old_bytes : 0;
  if (new_bytes) return realloc(pointer, new_bytes);
  free(pointer);
  return NULL;
}

void fuzz_one(const uint8_t *data, size_t size) {
  char path[64];
  blo_data_set *set;
  int file = memfd_create("fuzz", MFD_CLOEXEC);
  if (file < 0 || write(file, data, size) != (ssize_t)size) abort();
  snprintf(path, sizeof path, "/proc/self/fd/%d", file);
  blo_context *context = blo_context_create(&(blo_allocator){limited_resize, NULL});
  if (blo_data_load_file(context, path, &set) == BLO_OK) {
    for (size_t i = 0; i < blo_data_count(set); i++) {
      const char *label = blo_data_describe(set, i).label, *colon = strchr(label, ':');
      blo_array array;
      for (int32_t dtype = BLO_F16; dtype <= BLO_BOOL; dtype++) {
        blo_data_get(set, colon ? colon + 1 : label, dtype, &array);
      }
    }
    blo_data_free(set);
  }
  blo_context_destroy(context);
  close(file);
  if (live) abort();
}
