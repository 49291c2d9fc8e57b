// Inside runtime/data: an array that some file holds, and the set of them.
#ifndef BLO_DATA_SOURCE_H
#define BLO_DATA_SOURCE_H

#include "common/npy.h"
#include "data/csv.h"
#include "data/file.h"
#include "data/unpack.h"
#include "data/zip.h"
#include <blo/data.h>

typedef struct SourceFile {
  char *label; // file name as messages show it: "train.npz"
  char *given; // "train" of train=file.npz, or ""
  bool named;  // on the command line, not found in a folder
  bool used;   // an array was read from it
  char *group; // file name without its ending, "" where the file says nothing; or the folder of a
               // file
  blo_file file;
  unsigned char *unpacked; // text of a gzipped table
  ZipDirectory zip;
  CsvTable table;
} SourceFile;

typedef struct SourceArray {
  SourceFile *file;
  char *member; // name inside the file; the file's stem where it holds a single array
  char *label;  // "train.npz:ytr"
  bool single;  // the file is this one array
  bool is_text; // columns of file->table
  const size_t *columns;
  size_t column_count;
  const char *flaw; // why the columns make no matrix, or NULL
  blo_element element;
  bool fortran;
  int rank;
  int64_t shape[BLO_NPY_MAX_RANK];
  size_t elements;
  PackKind kind; // where the bytes are, header included
  const unsigned char *packed;
  size_t packed_bytes, header_bytes, data_bytes;
  bool has_checksum;
  uint32_t checksum;
} SourceArray;

struct blo_data_set {
  blo_context *context;
  void **files; // SourceFile
  size_t file_count, file_capacity;
  void **arrays; // SourceArray
  size_t array_count, array_capacity;
  void **copies; // converted arrays handed out
  size_t copy_count, copy_capacity;
  void **warnings; // first those about files of folders that were left out: damaged_count
  size_t warning_count, warning_capacity, damaged_count;
};

static inline SourceArray *blo_source_at(const blo_data_set *set, size_t index) {
  return set->arrays[index];
}

/// Adds what one file holds. `given` and `folder` may be "".
blo_status blo_source_add_file(blo_data_set *set, const char *path, const char *given,
                               const char *folder);
/// Adds the data files of a folder, in the order of their names.
blo_status blo_source_add_folder(blo_data_set *set, const char *path, const char *given);

/// The array for the declared name; NULL with the error set when there is none or more than one.
SourceArray *blo_source_match(blo_data_set *set, const blo_data *declared);
/// Refuses names of `name=FILE` that the program does not declare.
blo_status blo_source_check_names(blo_data_set *set, const blo_program *program);
/// Refuses numbered columns that make no matrix: a number that is missing, or there twice.
blo_status blo_source_check_columns(blo_data_set *set, const SourceArray *array,
                                    const blo_data *declared);
/// Notes columns that no declaration uses though they look as if they belonged to one.
blo_status blo_source_note_columns(blo_data_set *set, const blo_program *program);
/// The shape that the array has for a declaration: its own, or with the last axes taken together
/// when it has more axes than declared (images as rows of pixels). False when the ranks do not fit.
bool blo_source_shape(const SourceArray *array, const blo_data *declared, int64_t *shape);
/// The array's elements as `dtype`, in place where possible. `declared` serves the messages.
blo_status blo_source_read(blo_data_set *set, SourceArray *array, const blo_data *declared,
                           const void **data);

/// Refuses NaN and infinity in data that was read: nothing that is computed from them is a number.
blo_status blo_source_check_finite(blo_data_set *set, const SourceArray *array,
                                   const blo_data *declared, const void *data);

/// Keeps a warning for the driver; one that is there already is not repeated.
blo_status blo_source_warn(blo_data_set *set, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/// A copy kept by the set until it is freed; NULL when there is no memory.
void *blo_source_keep(blo_data_set *set, size_t bytes);

#endif
