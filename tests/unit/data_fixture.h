// For tests of data files: an allocator that counts, files in a folder of their own, a program that
// declares data.
#ifndef BLO_TESTS_UNIT_DATA_FIXTURE_H
#define BLO_TESTS_UNIT_DATA_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/dims.h"
#include "data/element.h"
#include "data/json_write.h"
#include "data/npz_write.h"
#include <blo/data.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

// ---- an allocator that counts, and refuses what no test needs ----

typedef struct Counter {
  size_t live, most;
  size_t limit;
} Counter;

static inline void *counting_resize(void *self, void *pointer, size_t old_bytes, size_t new_bytes) {
  Counter *counter = self;
  if (new_bytes > counter->limit) return NULL;
  counter->live += new_bytes;
  counter->live -= pointer ? old_bytes : 0;
  if (counter->live > counter->most) counter->most = counter->live;
  if (new_bytes == 0) {
    free(pointer);
    return NULL;
  }
  return realloc(pointer, new_bytes);
}

static Counter counter;
static blo_context *context;
static char folder[64];

static inline int setup(void **state) {
  (void)state;
  counter = (Counter){.limit = 64 << 20};
  context = blo_context_create(&(blo_allocator){counting_resize, &counter});
  snprintf(folder, sizeof folder, "/tmp/blo_data_XXXXXX");
  return context && mkdtemp(folder) ? 0 : -1;
}

static inline int teardown(void **state) {
  (void)state;
  char command[128];
  blo_context_destroy(context);
  assert_int_equal(counter.live, 0);
  snprintf(command, sizeof command, "rm -rf '%s'", folder);
  return system(command);
}

static inline const char *path_of(const char *name) {
  static char paths[4][256];
  static int next;
  char *path = paths[next++ & 3];
  snprintf(path, sizeof paths[0], "%s/%s", folder, name);
  return path;
}

static inline void write_file(const char *name, const void *bytes, size_t length) {
  FILE *file = fopen(path_of(name), "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(bytes, 1, length, file), length);
  fclose(file);
}

static inline size_t read_back(const char *name, unsigned char *bytes, size_t capacity) {
  FILE *file = fopen(path_of(name), "rb");
  assert_non_null(file);
  size_t length = fread(bytes, 1, capacity, file);
  fclose(file);
  return length;
}

static inline void write_text(const char *name, const char *text) {
  write_file(name, text, strlen(text));
}

static inline void write_npz(const char *name, bool deflate, const blo_array *arrays,
                             size_t count) {
  blo_npz npz;
  assert_int_equal(blo_npz_begin(context, path_of(name), deflate, &npz), BLO_OK);
  for (size_t i = 0; i < count; i++) {
    assert_int_equal(blo_npz_add(&npz, arrays[i].name, &arrays[i]), BLO_OK);
  }
  assert_int_equal(blo_npz_end(&npz), BLO_OK);
}

static inline void write_npy(const char *name, const char *type, bool fortran, const char *shape,
                             const void *data, size_t length) {
  unsigned char bytes[4096] = "\x93NUMPY\x01\x00";
  int header =
      snprintf((char *)bytes + 10, 200, "{'descr': '%s', 'fortran_order': %s, 'shape': %s, }", type,
               fortran ? "True" : "False", shape);
  size_t total = (10 + (size_t)header + 1 + 63) / 64 * 64;
  memset(bytes + 10 + header, ' ', total - 10 - (size_t)header);
  bytes[total - 1] = '\n';
  bytes[8] = (unsigned char)(total - 10);
  memcpy(bytes + total, data, length);
  write_file(name, bytes, total + length);
}

static inline void write_gzip(const char *name, const void *bytes, size_t length) {
  gzFile file = gzopen(path_of(name), "wb");
  assert_non_null(file);
  assert_int_equal(gzwrite(file, bytes, (unsigned)length), length);
  gzclose(file);
}

// ---- a program that declares data ----

static const int64_t word_n[] = {BLO_DIM_ATOM, 0}, word_d[] = {BLO_DIM_ATOM, 1};
static const int64_t word_n1[] = {BLO_DIM_ATOM, 0, BLO_DIM_CONST, 1, BLO_DIM_ADD};
static const blo_size size_n[] = {{word_n, 2}}, size_nd[] = {{word_n, 2}, {word_d, 2}},
                      size_n1[] = {{word_n1, 5}};
static const char *const dim_names[] = {"n", "d"};

static inline blo_data declare(const char *name, int32_t dtype, int32_t rank, const blo_size *shape,
                               const char *text) {
  return (blo_data){.name = name,
                    .place = "ridge.blo:6:22",
                    .dtype = dtype,
                    .rank = rank,
                    .shape = shape,
                    .shape_text = text};
}

static inline blo_program program_of(const blo_data *data, size_t count) {
  static const int64_t open[] = {-1, -1};
  return (blo_program){.abi = BLO_ABI,
                       .size = sizeof(blo_program),
                       .name = "ridge.blo",
                       .dims = dim_names,
                       .dim_values = open,
                       .dim_count = 2,
                       .data = data,
                       .data_count = count};
}

static inline blo_data_set *load(const char *source) {
  blo_data_set *set = NULL;
  blo_status status = blo_data_load(context, (const char *const[]){source}, 1, &set);
  if (status) print_message("%s\n", blo_last_error(context)->text);
  assert_int_equal(status, BLO_OK);
  return set;
}

// Reads the only declared array of a program, with its dims inferred from it.
static inline blo_status read_one(const char *source, const blo_data *data, const blo_dim *given,
                                  size_t given_count, double *values, size_t value_count) {
  blo_data_set *set = NULL;
  blo_program program = program_of(data, 1);
  int64_t dims[2];
  blo_status status = blo_data_load(context, (const char *const[]){source}, 1, &set);
  if (!status) status = blo_data_bind_dims(context, set, &program, given, given_count, dims);
  blo_array array;
  if (!status) status = blo_data_read(set, &program, 0, dims, &array);
  for (size_t i = 0; !status && i < value_count; i++) values[i] = blo_array_element(&array, i);
  if (!status) assert_int_equal(blo_array_count(&array), value_count);
  blo_data_free(set);
  return status;
}

// The last error, whose messages carry the names of files only.
static inline void expect_error(const char *code, const char *text) {
  const blo_error *error = blo_last_error(context);
  assert_string_equal(error->code, code);
  assert_string_equal(error->text, text);
}

#endif
