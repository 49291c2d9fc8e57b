// The set of all arrays, and what a program learns from it: the values of its dims, then the
// arrays.
//
// Dims: an axis declared as a bare name binds that name; every other axis is checked, and where it
// holds a single name that is still open (`n + 1`), it is solved for it. Each value remembers who
// bound it, so a contradiction can name both sides.
#include "common/dims.h"
#include "data/source.h"
#include <blo/data.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

// ---- loading ----

// `name=path`, with a name like "train" or "train.x".
static size_t given_name_length(const char *source) {
  size_t length =
      strspn(source, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.");
  return source[length] == '=' ? length : 0;
}

static blo_status load_source(blo_data_set *set, const char *source) {
  size_t length = given_name_length(source);
  const char *path = length ? source + length + 1 : source;
  char *given = blo_copy_text(set->context, source, length);
  if (!given) return BLO_NO_MEMORY;
  struct stat status;
  bool folder = stat(path, &status) == 0 && S_ISDIR(status.st_mode);
  size_t before = set->array_count, files_before = set->file_count;
  size_t warnings_before = set->warning_count;
  blo_status result =
      folder ? blo_source_add_folder(set, path, given) : blo_source_add_file(set, path, given, "");
  blo_release(set->context, given);
  for (size_t i = files_before; i < set->file_count; i++)
    ((SourceFile *)set->files[i])->named = !folder;
  if (!result && set->array_count == before && set->warning_count > warnings_before) {
    result = blo_fail(set->context, BLO_BAD_DATA, "E0604", "%s",
                      (const char *)set->warnings[warnings_before]);
  } else if (!result && set->array_count == before) {
    result = blo_fail(set->context, BLO_BAD_DATA, "E0602", "%s holds no data", path);
    blo_fail_help(set->context, "data is read from .npy, .npz, .csv and IDX files");
  }
  return result;
}

blo_status blo_data_load(blo_context *context, const char *const *sources, size_t count,
                         blo_data_set **set) {
  *set = blo_allocate(context, sizeof **set);
  if (!*set) return BLO_NO_MEMORY;
  (*set)->context = context;
  blo_status status = BLO_OK;
  for (size_t i = 0; i < count && !status; i++) status = load_source(*set, sources[i]);
  if (status) {
    blo_data_free(*set);
    *set = NULL;
  }
  return status;
}

blo_status blo_data_load_file(blo_context *context, const char *path, blo_data_set **set) {
  *set = blo_allocate(context, sizeof **set);
  if (!*set) return BLO_NO_MEMORY;
  (*set)->context = context;
  blo_status status = blo_source_add_file(*set, path, "", "");
  if (status) {
    blo_data_free(*set);
    *set = NULL;
  }
  return status;
}

void blo_data_free(blo_data_set *set) {
  if (!set) return;
  blo_context *context = set->context;
  for (size_t i = 0; i < set->array_count; i++) {
    SourceArray *array = blo_source_at(set, i);
    blo_release(context, array->member);
    blo_release(context, array->label);
    blo_release(context, array);
  }
  for (size_t i = 0; i < set->file_count; i++) {
    SourceFile *file = set->files[i];
    blo_csv_close(context, &file->table);
    blo_zip_close(context, &file->zip);
    blo_file_close(&file->file);
    blo_release(context, file->unpacked);
    blo_release(context, file->label);
    blo_release(context, file->given);
    blo_release(context, file->group);
    blo_release(context, file);
  }
  for (size_t i = 0; i < set->copy_count; i++) blo_release(context, set->copies[i]);
  for (size_t i = 0; i < set->warning_count; i++) blo_release(context, set->warnings[i]);
  blo_release(context, set->warnings);
  blo_release(context, set->arrays);
  blo_release(context, set->files);
  blo_release(context, set->copies);
  blo_release(context, set);
}

size_t blo_data_count(const blo_data_set *set) {
  return set->array_count;
}

blo_data_info blo_data_describe(const blo_data_set *set, size_t index) {
  const SourceArray *array = blo_source_at(set, index);
  return (blo_data_info){array->label, array->is_text ? "text" : blo_element_name(array->element),
                         array->rank, array->shape};
}

size_t blo_data_warning_count(const blo_data_set *set) {
  return set->warning_count;
}

const char *blo_data_warning(const blo_data_set *set, size_t index) {
  return set->warnings[index];
}

int32_t blo_data_uses_file(const blo_data_set *set, const char *path) {
  struct stat status;
  if (stat(path, &status) != 0) return 0;
  for (size_t i = 0; i < set->file_count; i++) {
    const SourceFile *file = set->files[i];
    bool same = file->file.device == status.st_dev && file->file.inode == status.st_ino;
    if (same && (file->named || file->used)) return 1;
  }
  return 0;
}

// ---- dims ----

typedef struct DimTable {
  blo_context *context;
  const blo_program *program;
  int64_t *values;      // -1: not yet known
  const char **origins; // who bound it: "-D", a label, or "" for the program itself
} DimTable;

// The dim that a size program is nothing but, or -1.
static int64_t bare_dim(const blo_size *size, size_t dim_count) {
  if (size->count != 2 || size->words[0] != BLO_DIM_ATOM) return -1;
  return size->words[1] >= 0 && (size_t)size->words[1] < dim_count ? size->words[1] : -1;
}

// How many different dims in a size have no value yet, and the last of those.
static int count_open_dims(const DimTable *table, const blo_size *size, int64_t *open) {
  int count = 0;
  size_t at = 0, dim;
  while (blo_size_next_dim(size, table->program->dim_count, &at, &dim)) {
    if (table->values[dim] >= 0 || (count && *open == (int64_t)dim)) continue;
    *open = (int64_t)dim;
    count++;
  }
  return count;
}

static bool evaluate(const DimTable *table, const blo_size *size, int64_t *value) {
  return blo_dims_evaluate(size->words, size->count, table->values, table->program->dim_count,
                           value);
}

// Who says what about the dims in an axis: ", and n = 100 was bound by train.npz:Xtr".
static void print_origins(const DimTable *table, const blo_size *size, char *text, size_t bytes) {
  size_t length = 0, at = 0, dim;
  text[0] = '\0';
  while (blo_size_next_dim(size, table->program->dim_count, &at, &dim)) {
    const char *origin = table->origins[dim] ? table->origins[dim] : "";
    const char *verb = !origin[0]                  ? " is fixed in the program"
                       : strcmp(origin, "-D") == 0 ? " was given by "
                                                   : " was bound by ";
    int written = snprintf(text + length, bytes - length, ", and %s = %" PRId64 "%s%s",
                           table->program->dims[dim], table->values[dim], verb, origin);
    if (written < 0 || (size_t)written >= bytes - length) return;
    length += (size_t)written;
  }
}

static blo_status wrong_shape(const DimTable *table, const SourceArray *array,
                              const blo_data *declared, int axis) {
  char shape[160], origins[512] = "";
  blo_shape_print(shape, sizeof shape, array->shape, (size_t)array->rank);
  if (axis >= 0) print_origins(table, &declared->shape[axis], origins, sizeof origins);
  return blo_fail(table->context, BLO_BAD_SHAPE, "E0601", "%s has shape %s; %s says %s%s",
                  array->label, shape, declared->place, declared->shape_text, origins);
}

// One axis: check it, or bind the one dim in it that is open. Sets *open when it can do neither.
static blo_status match_axis(DimTable *table, const SourceArray *array, const blo_data *declared,
                             int axis, bool solve, bool *open) {
  const blo_size *size = &declared->shape[axis];
  int64_t shape[BLO_NPY_MAX_RANK], unknown = -1, value;
  blo_source_shape(array, declared, shape);
  int64_t actual = shape[axis];
  int open_count = count_open_dims(table, size, &unknown);
  if (open_count == 0) {
    bool agrees = evaluate(table, size, &value) && value == actual;
    return agrees ? BLO_OK : wrong_shape(table, array, declared, axis);
  }
  if (open_count == 1 && bare_dim(size, table->program->dim_count) >= 0) {
    table->values[unknown] = actual;
    table->origins[unknown] = array->label;
    return BLO_OK;
  }
  *open = true;
  if (open_count > 1 || !solve) return BLO_OK;
  // Affine in the open dim: its value from two probes, confirmed by evaluating.
  int64_t at_zero = 0, at_one = 0, slope = 0, rest = 0;
  table->values[unknown] = 0;
  bool known = evaluate(table, size, &at_zero);
  table->values[unknown] = 1;
  known = known && evaluate(table, size, &at_one);
  known = known && !__builtin_sub_overflow(at_one, at_zero, &slope) && slope > 0;
  known = known && !__builtin_sub_overflow(actual, at_zero, &rest) && rest >= 0;
  table->values[unknown] = known ? rest / slope : -1;
  if (known && evaluate(table, size, &value) && value == actual) {
    table->origins[unknown] = array->label;
    *open = false;
    return BLO_OK;
  }
  table->values[unknown] = -1;
  return BLO_OK;
}

static blo_status match_shapes(DimTable *table, blo_data_set *set, bool solve, bool *open) {
  for (size_t i = 0; i < table->program->data_count; i++) {
    const blo_data *declared = &table->program->data[i];
    if (declared->computed) continue;
    const SourceArray *array = blo_source_match(set, declared);
    if (!array) return BLO_BAD_DATA;
    blo_status fits = blo_source_check_columns(set, array, declared);
    if (fits) return fits;
    int64_t shape[BLO_NPY_MAX_RANK];
    if (!blo_source_shape(array, declared, shape)) {
      blo_status status = wrong_shape(table, array, declared, -1);
      if (array->is_text && declared->rank == 2)
        blo_fail_help(table->context, "columns named %s0, %s1, ... make a matrix", array->member,
                      array->member);
      return status;
    }
    for (int axis = 0; axis < declared->rank; axis++) {
      blo_status status = match_axis(table, array, declared, axis, solve, open);
      if (status) return status;
    }
  }
  return BLO_OK;
}

static blo_status take_given(DimTable *table, const blo_dim *given, size_t given_count) {
  const blo_program *program = table->program;
  for (size_t g = 0; g < given_count; g++) {
    size_t at = 0;
    while (at < program->dim_count && strcmp(program->dims[at], given[g].name) != 0) at++;
    if (at == program->dim_count) {
      return blo_fail(table->context, BLO_BAD_ARGUMENT, "E0605", "the program has no dim `%s`",
                      given[g].name);
    }
    if (given[g].value < 0 || (table->values[at] >= 0 && table->values[at] != given[g].value)) {
      blo_fail(table->context, BLO_BAD_ARGUMENT, "E0605", "dim `%s` cannot be %" PRId64,
               given[g].name, given[g].value);
      if (table->values[at] >= 0)
        blo_fail_help(table->context, "the program was compiled for %s = %" PRId64, given[g].name,
                      table->values[at]);
      return BLO_BAD_ARGUMENT;
    }
    table->values[at] = given[g].value;
    table->origins[at] = "-D";
  }
  return BLO_OK;
}

static bool needs_files(const blo_program *program) {
  for (size_t i = 0; i < program->data_count; i++) {
    if (!program->data[i].computed) return true;
  }
  return false;
}

static blo_status infer_dims(DimTable *table, blo_data_set *set, const blo_dim *given,
                             size_t given_count) {
  const blo_program *program = table->program;
  for (size_t i = 0; i < program->dim_count; i++) {
    table->values[i] = program->dim_values ? program->dim_values[i] : -1;
  }
  blo_status status = take_given(table, given, given_count);
  if (status) return status;
  bool open = needs_files(program);
  // Bare names first, in a pass over all arrays; then equations, until nothing new is learnt.
  for (size_t pass = 0; open && pass < program->dim_count + 2; pass++) {
    open = false;
    status = match_shapes(table, set, pass > 0, &open);
    if (status) return status;
  }
  return BLO_OK;
}

blo_status blo_data_infer_dims(blo_context *context, blo_data_set *set, const blo_program *program,
                               const blo_dim *given, size_t given_count, int64_t *values) {
  blo_data_set nothing = {.context = context};
  DimTable table = {context, program, values, NULL};
  table.origins = blo_allocate_array(context, program->dim_count, sizeof *table.origins);
  if (!table.origins) return BLO_NO_MEMORY;
  blo_status status = infer_dims(&table, set ? set : &nothing, given, given_count);
  blo_release(context, table.origins);
  return status;
}

blo_status blo_data_bind_dims(blo_context *context, blo_data_set *set, const blo_program *program,
                              const blo_dim *given, size_t given_count, int64_t *values) {
  blo_status status = set ? blo_source_check_names(set, program) : BLO_OK;
  if (!status) status = blo_data_infer_dims(context, set, program, given, given_count, values);
  if (status) return status;
  for (size_t i = 0; i < program->dim_count; i++) {
    if (values[i] >= 0) continue;
    blo_fail(context, BLO_BAD_ARGUMENT, "E0605", "dim `%s` has no value", program->dims[i]);
    blo_fail_help(context, "no array has it as the size of an axis; give it with -D %s=...",
                  program->dims[i]);
    return BLO_BAD_ARGUMENT;
  }
  if (set) status = blo_source_note_columns(set, program);
  return status ? status : blo_check_conditions(context, program, values);
}

// ---- arrays ----

blo_status blo_data_read(blo_data_set *set, const blo_program *program, size_t data_index,
                         const int64_t *dims, blo_array *array) {
  const blo_data *declared = &program->data[data_index];
  SourceArray *source = blo_source_match(set, declared);
  if (!source) return BLO_BAD_DATA;
  *array = (blo_array){.name = declared->name, .dtype = declared->dtype, .rank = declared->rank};
  int64_t found[BLO_NPY_MAX_RANK];
  bool fits =
      blo_source_shape(source, declared, found) &&
      blo_shape_evaluate(declared->shape, declared->rank, dims, program->dim_count, array->shape);
  for (int i = 0; fits && i < declared->rank; i++) fits = array->shape[i] == found[i];
  if (!fits) {
    char shape[160];
    blo_shape_print(shape, sizeof shape, source->shape, (size_t)source->rank);
    return blo_fail(set->context, BLO_BAD_SHAPE, "E0601", "%s has shape %s; %s says %s",
                    source->label, shape, declared->place, declared->shape_text);
  }
  const void *data = NULL;
  blo_status status = blo_source_read(set, source, declared, &data);
  if (!status) status = blo_source_check_finite(set, source, declared, data);
  source->file->used = true;
  array->data = (void *)(uintptr_t)data;
  return status;
}

blo_status blo_data_bind(blo_data_set *set, blo_instance *instance, const blo_program *program) {
  for (size_t i = 0; i < program->data_count; i++) {
    blo_array array;
    if (program->data[i].computed) continue;
    if (!set) return BLO_BAD_ARGUMENT;
    blo_status status = blo_data_read(set, program, i, blo_dim_values(instance), &array);
    if (!status) status = blo_bind(instance, &array);
    if (status) return status;
  }
  return BLO_OK;
}

int32_t blo_data_has(const blo_data_set *set, const char *member) {
  for (size_t i = 0; i < set->array_count; i++)
    if (strcmp(blo_source_at(set, i)->member, member) == 0) return 1;
  return 0;
}

blo_status blo_data_get(blo_data_set *set, const char *member, int32_t dtype, blo_array *array) {
  for (size_t i = 0; i < set->array_count; i++) {
    SourceArray *source = blo_source_at(set, i);
    if (strcmp(source->member, member) != 0) continue;
    blo_data declared = {.name = member,
                         .place = source->file->label,
                         .dtype = dtype,
                         .rank = source->rank,
                         .shape_text = blo_dtype_name(dtype)};
    const void *data = NULL;
    blo_status status = blo_source_read(set, source, &declared, &data);
    *array = (blo_array){.name = source->member, .dtype = dtype, .rank = source->rank};
    memcpy(array->shape, source->shape, sizeof array->shape);
    array->data = (void *)(uintptr_t)data;
    return status;
  }
  return blo_fail(set->context, BLO_BAD_DATA, "E0602", "no array `%s`", member);
}
