// Opening data files: which format is it (by content, not by ending), and which arrays does it
// hold.
//
// Enters: a path. Leaves: entries in the set with shape and type, nothing converted yet. Sizes that
// a file claims are compared with the bytes it has before anything is allocated.
#include "data/source.h"
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

// Grows a pointer list by one place; false when there is no memory.
static bool blo_list_reserve(blo_context *context, void ***items, size_t count, size_t *capacity) {
  if (count < *capacity) return true;
  size_t wanted = *capacity ? 2 * *capacity : 16;
  void *grown = blo_grow(context, *items, *capacity * sizeof(void *), wanted * sizeof(void *));
  if (!grown) return false;
  *items = grown;
  *capacity = wanted;
  return true;
}

void *blo_source_keep(blo_data_set *set, size_t bytes) {
  if (!blo_list_reserve(set->context, &set->copies, set->copy_count, &set->copy_capacity))
    return NULL;
  void *copy = blo_allocate(set->context, bytes);
  if (copy) set->copies[set->copy_count++] = copy;
  return copy;
}

blo_status blo_source_warn(blo_data_set *set, const char *format, ...) {
  char text[BLO_TEXT_BYTES];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  for (size_t i = 0; i < set->warning_count; i++)
    if (strcmp(set->warnings[i], text) == 0) return BLO_OK;
  if (!blo_list_reserve(set->context, &set->warnings, set->warning_count, &set->warning_capacity))
    return BLO_NO_MEMORY;
  char *copy = blo_copy_text(set->context, text, strlen(text));
  if (copy) set->warnings[set->warning_count++] = copy;
  return copy ? BLO_OK : BLO_NO_MEMORY;
}

static blo_status damaged(blo_data_set *set, const char *label, const char *reason) {
  return blo_fail(set->context, BLO_BAD_DATA, "E0604", "%s is damaged: %s", label, reason);
}

static char *join(blo_context *context, const char *a, const char *between, const char *b) {
  size_t bytes = strlen(a) + strlen(between) + strlen(b) + 1;
  char *text = blo_allocate(context, bytes);
  if (text) snprintf(text, bytes, "%s%s%s", a, between, b);
  return text;
}

// ---- files ----

static const char *base_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

static bool ends_with(const char *text, size_t length, const char *ending) {
  size_t tail = strlen(ending);
  return length >= tail && memcmp(text + length - tail, ending, tail) == 0;
}

// Length of a file name without the endings of known formats: "train.x" of "train.x.npy.gz".
static size_t stem_length(const char *name) {
  static const char *const endings[] = {".gz", ".npy", ".npz", ".csv", ".tsv", ".txt", ".idx"};
  size_t length = strlen(name);
  for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
    if (length > strlen(endings[i]) && ends_with(name, length, endings[i])) {
      length -= strlen(endings[i]);
    }
  }
  return length;
}

static SourceFile *add_file(blo_data_set *set, const char *path, const char *given,
                            const char *folder) {
  blo_context *context = set->context;
  if (!blo_list_reserve(context, &set->files, set->file_count, &set->file_capacity)) return NULL;
  SourceFile *file = blo_allocate(context, sizeof *file);
  if (!file) return NULL;
  set->files[set->file_count++] = file;
  const char *name = base_name(path);
  file->label = folder[0] ? join(context, folder, "/", name) : join(context, name, "", "");
  file->given = join(context, given, "", "");
  file->group =
      folder[0] ? join(context, folder, "", "") : blo_copy_text(context, name, stem_length(name));
  return file->label && file->given && file->group ? file : NULL;
}

static SourceArray *add_array(blo_data_set *set, SourceFile *file, const char *member,
                              size_t member_length) {
  blo_context *context = set->context;
  if (!blo_list_reserve(context, &set->arrays, set->array_count, &set->array_capacity)) return NULL;
  SourceArray *array = blo_allocate(context, sizeof *array);
  if (!array) return NULL;
  set->arrays[set->array_count++] = array;
  array->file = file;
  array->member = blo_copy_text(context, member, member_length);
  return array->member ? array : NULL;
}

static bool set_label(blo_data_set *set, SourceArray *array) {
  array->label = array->single ? join(set->context, array->file->label, "", "")
                               : join(set->context, array->file->label, ":", array->member);
  return array->label != NULL;
}

// The array that the whole file is, called like the file.
static SourceArray *add_single(blo_data_set *set, SourceFile *file, PackKind kind) {
  const char *name = base_name(file->label);
  SourceArray *array = add_array(set, file, name, stem_length(name));
  if (!array) return NULL;
  array->single = true;
  array->kind = kind;
  array->packed = file->file.bytes;
  array->packed_bytes = file->file.length;
  return set_label(set, array) ? array : NULL;
}

// ---- .npy, alone or in an archive ----

// Describes the array whose bytes unpack to a .npy file of `total` bytes (SIZE_MAX: unknown).
static blo_status describe_npy(blo_data_set *set, SourceArray *array, size_t total) {
  blo_npy npy;
  const char *reason = "";
  unsigned char *header = NULL;
  const unsigned char *start = array->packed;
  size_t length = array->packed_bytes;
  if (array->kind != PACK_STORED) {
    Unpack unpack;
    header = blo_allocate(set->context, BLO_NPY_MAX_HEADER);
    if (!header) return BLO_NO_MEMORY;
    blo_status status =
        blo_unpack_begin(&unpack, set->context, array->kind, array->packed, array->packed_bytes);
    if (!status) {
      length = blo_unpack_take(&unpack, header, BLO_NPY_MAX_HEADER);
      status = blo_unpack_end(&unpack);
    }
    if (status == BLO_NO_MEMORY) {
      blo_release(set->context, header);
      return status;
    }
    start = header;
  }
  bool good = blo_npy_read(start, length, &npy, &reason);
  blo_release(set->context, header);
  if (!good) return damaged(set, array->label, reason);
  size_t limit = blo_unpack_limit(array->kind, array->packed_bytes);
  bool exact = total == SIZE_MAX || total == npy.data_offset + npy.data_bytes;
  if (!exact || npy.data_bytes > limit || npy.data_offset > limit - npy.data_bytes)
    return damaged(set, array->label, "it does not hold as many bytes as its shape says");
  array->element = npy.element;
  array->fortran = npy.fortran;
  array->rank = npy.rank;
  memcpy(array->shape, npy.shape, sizeof array->shape);
  array->elements = npy.count;
  array->header_bytes = npy.data_offset;
  array->data_bytes = npy.data_bytes;
  return BLO_OK;
}

static blo_status add_npy(blo_data_set *set, SourceFile *file, PackKind kind) {
  SourceArray *array = add_single(set, file, kind);
  if (!array) return BLO_NO_MEMORY;
  return describe_npy(set, array, kind == PACK_STORED ? file->file.length : SIZE_MAX);
}

static blo_status add_zip(blo_data_set *set, SourceFile *file) {
  blo_status status =
      blo_zip_open(set->context, file->label, file->file.bytes, file->file.length, &file->zip);
  for (size_t i = 0; i < file->zip.count && !status; i++) {
    ZipMember *member = &file->zip.members[i];
    size_t length = strlen(member->name);
    if (!ends_with(member->name, length, ".npy")) continue; // notes and folders beside the arrays
    SourceArray *array = add_array(set, file, member->name, length - 4);
    if (!array || !set_label(set, array)) return BLO_NO_MEMORY;
    array->kind = member->kind;
    array->packed = member->packed;
    array->packed_bytes = member->packed_bytes;
    array->has_checksum = true;
    array->checksum = member->checksum;
    status = describe_npy(set, array, member->bytes);
  }
  return status;
}

// ---- IDX ----

static bool idx_element(unsigned char code, blo_element *element) {
  switch (code) {
  case 0x08:
    *element = (blo_element){'u', 1, false};
    return true;
  case 0x09:
    *element = (blo_element){'i', 1, false};
    return true;
  case 0x0B:
    *element = (blo_element){'i', 2, true};
    return true;
  case 0x0C:
    *element = (blo_element){'i', 4, true};
    return true;
  case 0x0D:
    *element = (blo_element){'f', 4, true};
    return true;
  case 0x0E:
    *element = (blo_element){'f', 8, true};
    return true;
  default:
    return false;
  }
}

static bool is_idx(const unsigned char *bytes, size_t length) {
  blo_element element;
  return length >= 4 && bytes[0] == 0 && bytes[1] == 0 && idx_element(bytes[2], &element);
}

static blo_status add_idx(blo_data_set *set, SourceFile *file, PackKind kind,
                          const unsigned char *start, size_t length) {
  SourceArray *array = add_single(set, file, kind);
  if (!array) return BLO_NO_MEMORY;
  array->rank = start[3];
  array->header_bytes = 4 + 4 * (size_t)array->rank;
  idx_element(start[2], &array->element);
  if (array->rank > BLO_NPY_MAX_RANK || array->header_bytes > length)
    return damaged(set, array->label, "its header is cut short");
  for (int i = 0; i < array->rank; i++) {
    const unsigned char *at = start + 4 + 4 * i;
    array->shape[i] = (int64_t)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3];
  }
  size_t limit = blo_unpack_limit(kind, array->packed_bytes), total = 0;
  bool fits = blo_shape_count(array->shape, (size_t)array->rank, &array->elements) &&
              blo_multiply_bytes(array->elements, array->element.bytes, &array->data_bytes) &&
              blo_add_bytes(array->data_bytes, array->header_bytes, &total);
  if (!fits || total > limit || (kind == PACK_STORED && total != limit))
    return damaged(set, array->label, "it does not hold as many bytes as its shape says");
  return BLO_OK;
}

// ---- tables ----

// "x[3]", "x_3" and "x3" are column 3 of x: the length of the stem, or 0.
static size_t numbered_column(const char *name, int64_t *number) {
  size_t end = strlen(name);
  bool bracket = end && name[end - 1] == ']';
  size_t stop = bracket ? end - 1 : end, start = stop;
  while (start > 0 && name[start - 1] >= '0' && name[start - 1] <= '9') start--;
  if (start == stop || stop - start > 9 || start == 0) return 0;
  *number = strtoll(name + start, NULL, 10);
  if (bracket) return name[start - 1] == '[' ? start - 1 : 0;
  return name[start - 1] == '_' || name[start - 1] == '.' ? start - 1 : start;
}

static blo_status add_column(blo_data_set *set, SourceFile *file, size_t column) {
  const char *name = file->table.names[column];
  SourceArray *array = add_array(set, file, name, strlen(name));
  size_t *columns = blo_source_keep(set, sizeof *columns);
  if (!array || !columns || !set_label(set, array)) return BLO_NO_MEMORY;
  *columns = column;
  array->is_text = true;
  array->columns = columns;
  array->column_count = 1;
  array->rank = 1;
  array->shape[0] = (int64_t)file->table.row_count;
  array->elements = file->table.row_count;
  return BLO_OK;
}

typedef struct NumberedColumn {
  const char *name;
  size_t stem; // characters of the name before the number
  int64_t number;
  size_t column;
} NumberedColumn;

// By stem, then by number, then as in the file.
static int compare_numbered(const void *left, const void *right) {
  const NumberedColumn *a = left, *b = right;
  int order = strncmp(a->name, b->name, a->stem < b->stem ? a->stem : b->stem);
  if (order) return order;
  if (a->stem != b->stem) return a->stem < b->stem ? -1 : 1;
  if (a->number != b->number) return a->number < b->number ? -1 : 1;
  return (a->column > b->column) - (a->column < b->column);
}

// What is wrong with columns as the columns of one matrix: a number that is there twice, or one
// that is not there.
static char *numbering_flaw(blo_data_set *set, const NumberedColumn *columns, size_t count) {
  char text[400] = "";
  for (size_t i = 1; i < count && !text[0]; i++) {
    const NumberedColumn *a = &columns[i - 1], *b = &columns[i];
    if (a->number == b->number && strcmp(a->name, b->name) == 0)
      snprintf(text, sizeof text, "column `%.100s` is there twice", a->name);
    else if (a->number == b->number)
      snprintf(text, sizeof text, "columns `%.100s` and `%.100s` have the same number", a->name,
               b->name);
    else if (b->number != a->number + 1)
      snprintf(text, sizeof text, "no column `%.*s%" PRId64 "` lies between `%.100s` and `%.100s`",
               a->stem > 100 ? 100 : (int)a->stem, a->name, a->number + 1, a->name, b->name);
  }
  char *flaw = text[0] ? blo_source_keep(set, strlen(text) + 1) : NULL;
  return flaw ? strcpy(flaw, text) : NULL;
}

// Columns x0, x1, x2 ... (or from 1 on), in whatever order, are also the matrix x.
static blo_status add_numbered(blo_data_set *set, SourceFile *file, const NumberedColumn *numbered,
                               size_t count) {
  SourceArray *array = add_array(set, file, numbered->name, numbered->stem);
  size_t *columns = blo_source_keep(set, count * sizeof *columns);
  if (!array || !columns || !set_label(set, array)) return BLO_NO_MEMORY;
  for (size_t i = 0; i < count; i++) columns[i] = numbered[i].column;
  array->flaw = numbering_flaw(set, numbered, count);
  array->is_text = true;
  array->columns = columns;
  array->column_count = count;
  array->rank = 2;
  array->shape[0] = (int64_t)file->table.row_count;
  array->shape[1] = (int64_t)count;
  array->elements = file->table.row_count * count;
  return BLO_OK;
}

static blo_status add_matrices(blo_data_set *set, SourceFile *file) {
  const CsvTable *table = &file->table;
  NumberedColumn *all = blo_allocate_array(set->context, table->column_count, sizeof *all);
  if (!all) return BLO_NO_MEMORY;
  size_t count = 0;
  for (size_t i = 0; i < table->column_count; i++) {
    NumberedColumn column = {.name = table->names[i], .column = i};
    column.stem = numbered_column(column.name, &column.number);
    if (column.stem) all[count++] = column;
  }
  if (count) qsort(all, count, sizeof *all, compare_numbered);
  blo_status status = BLO_OK;
  for (size_t first = 0, end; first < count && !status; first = end) {
    const NumberedColumn *head = &all[first];
    for (end = first + 1; end < count && all[end].stem == head->stem; end++)
      if (memcmp(all[end].name, head->name, head->stem) != 0) break;
    if (head->number <= 1) status = add_numbered(set, file, head, end - first);
  }
  blo_release(set->context, all);
  return status;
}

static blo_status add_table(blo_data_set *set, SourceFile *file, const char *text, size_t length) {
  blo_status status = blo_csv_open(set->context, file->label, text, length, &file->table);
  for (size_t i = 0; i < file->table.column_count && !status; i++)
    status = add_column(set, file, i);
  return status ? status : add_matrices(set, file);
}

// ---- which format ----

// A table in gzip: its size is known only at the end, so it is unpacked in growing pieces, up to
// 200 times the packed size, which text does not reach.
static blo_status unpack_text(blo_data_set *set, SourceFile *file, size_t *length) {
  size_t capacity = 1 << 16, limit;
  if (!blo_multiply_bytes(file->file.length, 200, &limit)) limit = SIZE_MAX;
  if (limit < capacity) limit = capacity;
  Unpack unpack;
  blo_status status =
      blo_unpack_begin(&unpack, set->context, PACK_GZIP, file->file.bytes, file->file.length);
  if (status) return status;
  file->unpacked = blo_allocate(set->context, capacity);
  *length = 0;
  bool more = file->unpacked != NULL;
  if (!more) status = BLO_NO_MEMORY;
  while (more) {
    size_t taken = blo_unpack_take(&unpack, file->unpacked + *length, capacity - *length);
    *length += taken;
    more = *length == capacity && capacity < limit;
    if (!more) break;
    size_t wanted = capacity > limit / 2 ? limit : 2 * capacity;
    unsigned char *grown = blo_grow(set->context, file->unpacked, *length, wanted);
    if (!grown) {
      status = BLO_NO_MEMORY;
      break;
    }
    file->unpacked = grown;
    capacity = wanted;
  }
  blo_status ended = blo_unpack_end(&unpack);
  if (status || !ended) return status;
  return ended == BLO_NO_MEMORY ? ended : damaged(set, file->label, "it does not unpack");
}

static blo_status add_gzip(blo_data_set *set, SourceFile *file) {
  unsigned char start[4 + 4 * BLO_NPY_MAX_RANK];
  Unpack unpack;
  blo_status status =
      blo_unpack_begin(&unpack, set->context, PACK_GZIP, file->file.bytes, file->file.length);
  if (status) return status;
  size_t length = blo_unpack_take(&unpack, start, sizeof start);
  if (blo_unpack_end(&unpack) == BLO_NO_MEMORY) return BLO_NO_MEMORY;
  if (length >= 6 && memcmp(start, "\x93NUMPY", 6) == 0) return add_npy(set, file, PACK_GZIP);
  if (is_idx(start, length)) return add_idx(set, file, PACK_GZIP, start, length);
  status = unpack_text(set, file, &length);
  if (status) return status;
  return add_table(set, file, (const char *)file->unpacked, length);
}

blo_status blo_source_add_file(blo_data_set *set, const char *path, const char *given,
                               const char *folder) {
  SourceFile *file = add_file(set, path, given, folder);
  if (!file) return BLO_NO_MEMORY;
  blo_status status = blo_file_open(set->context, path, &file->file);
  if (status) return status;
  const unsigned char *bytes = file->file.bytes;
  size_t length = file->file.length;
  if (length >= 6 && memcmp(bytes, "\x93NUMPY", 6) == 0) return add_npy(set, file, PACK_STORED);
  if (blo_zip_recognise(bytes, length)) return add_zip(set, file);
  if (length >= 2 && bytes[0] == 0x1F && bytes[1] == 0x8B) return add_gzip(set, file);
  if (is_idx(bytes, length)) return add_idx(set, file, PACK_STORED, bytes, length);
  size_t name_length = strlen(file->label);
  bool claims_array = ends_with(file->label, name_length, ".npy") ||
                      ends_with(file->label, name_length, ".npz") ||
                      ends_with(file->label, name_length, ".gz");
  if (claims_array || memchr(bytes, 0, length < 4096 ? length : 4096))
    return damaged(set, file->label, "it is none of .npy, .npz, CSV and IDX");
  return add_table(set, file, (const char *)bytes, length);
}

// ---- folders ----

static bool is_data_name(const char *name) {
  static const char *const endings[] = {".npy",   ".npz",    ".csv",    ".tsv",    ".idx",
                                        "-ubyte", ".npy.gz", ".csv.gz", ".idx.gz", "-ubyte.gz"};
  for (size_t i = 0; i < sizeof endings / sizeof *endings && name[0] != '.'; i++) {
    if (ends_with(name, strlen(name), endings[i])) return true;
  }
  return false;
}

static int compare_names(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static blo_status list_folder(blo_data_set *set, const char *path, void ***names, size_t *count) {
  blo_context *context = set->context;
  size_t capacity = 0;
  *names = NULL;
  *count = 0;
  DIR *folder = opendir(path);
  if (!folder)
    return blo_fail(context, BLO_BAD_DATA, "E0602", "%s: the folder cannot be read", path);
  blo_status status = BLO_OK;
  for (struct dirent *entry; !status && (entry = readdir(folder));) {
    if (entry->d_name[0] == '.') continue;
    char *name = NULL;
    if (blo_list_reserve(context, names, *count, &capacity))
      name = blo_copy_text(context, entry->d_name, strlen(entry->d_name));
    if (name) {
      (*names)[(*count)++] = name;
    } else {
      status = BLO_NO_MEMORY;
    }
  }
  closedir(folder);
  if (*count) qsort(*names, *count, sizeof **names, compare_names);
  return status;
}

static bool is_folder(const char *path) {
  struct stat status;
  return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

// A damaged file of a folder may be one that nobody wants, so it is left out, with a warning.
static blo_status add_file_of_folder(blo_data_set *set, const char *path, const char *given,
                                     const char *table) {
  size_t before = set->array_count;
  blo_status status = blo_source_add_file(set, path, given, table);
  if (status != BLO_BAD_DATA) return status;
  while (set->array_count > before) {
    SourceArray *array = blo_source_at(set, --set->array_count);
    blo_release(set->context, array->member);
    blo_release(set->context, array->label);
    blo_release(set->context, array);
  }
  status = blo_source_warn(set, "%s", blo_last_error(set->context)->text);
  if (!status) set->damaged_count = set->warning_count;
  return status;
}

// Folders inside the folder give their name as the table of the files in them, one level deep.
static blo_status add_folder(blo_data_set *set, const char *path, const char *given,
                             const char *table) {
  void **names;
  size_t count;
  blo_status status = list_folder(set, path, &names, &count);
  for (size_t i = 0; i < count && !status; i++) {
    char *inner = join(set->context, path, "/", names[i]);
    if (!inner) {
      status = BLO_NO_MEMORY;
    } else if (is_folder(inner)) {
      if (!table[0]) status = add_folder(set, inner, given, names[i]);
    } else if (is_data_name(names[i])) {
      status = add_file_of_folder(set, inner, given, table);
    }
    blo_release(set->context, inner);
  }
  for (size_t i = 0; i < count; i++) blo_release(set->context, names[i]);
  blo_release(set->context, names);
  return status;
}

blo_status blo_source_add_folder(blo_data_set *set, const char *path, const char *given) {
  return add_folder(set, path, given, "");
}
