// From a matched array to memory of the declared type: in place, or unpacked, reordered and
// converted.
#include "data/element.h"
#include "data/source.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

// "train.npz:y[3, 17]" for the element with that row-major index.
static void print_element(char *text, size_t bytes, const SourceArray *array, size_t index) {
  int64_t place[BLO_NPY_MAX_RANK];
  char list[160];
  for (int i = array->rank - 1; i >= 0; i--) {
    place[i] = (int64_t)(index % (size_t)array->shape[i]);
    index /= (size_t)array->shape[i];
  }
  blo_shape_print(list, sizeof list, place, (size_t)array->rank);
  snprintf(text, bytes, "%s%s", array->label, array->rank ? list : "");
}

static blo_status damaged(blo_data_set *set, const SourceArray *array) {
  return blo_fail(set->context, BLO_BAD_DATA, "E0604",
                  "%s is damaged: its bytes do not unpack to what its header says", array->label);
}

// Unpacks header and data; the data goes to `to`.
static blo_status unpack_to(blo_data_set *set, const SourceArray *array, void *to) {
  Unpack unpack;
  unsigned char *header = blo_allocate(set->context, array->header_bytes);
  if (!header) return BLO_NO_MEMORY;
  blo_status status =
      blo_unpack_begin(&unpack, set->context, array->kind, array->packed, array->packed_bytes);
  if (!status) {
    bool good = blo_unpack_take(&unpack, header, array->header_bytes) == array->header_bytes;
    good = good && blo_unpack_take(&unpack, to, array->data_bytes) == array->data_bytes;
    blo_status ended = blo_unpack_end(&unpack);
    good = good && ended == BLO_OK && (!array->has_checksum || unpack.checksum == array->checksum);
    if (ended == BLO_NO_MEMORY)
      status = ended;
    else if (!good)
      status = damaged(set, array);
  }
  blo_release(set->context, header);
  return status;
}

static bool stored_checksum_agrees(const SourceArray *array) {
  if (!array->has_checksum) return true;
  uLong sum = crc32(0, NULL, 0);
  size_t left = array->header_bytes + array->data_bytes;
  for (const unsigned char *at = array->packed; left;) {
    uInt piece = left > (1u << 30) ? 1u << 30 : (uInt)left;
    sum = crc32(sum, at, piece);
    at += piece;
    left -= piece;
  }
  return sum == array->checksum;
}

// The array's bytes in row-major order, in the element type of the file.
static blo_status raw_bytes(blo_data_set *set, const SourceArray *array,
                            const unsigned char **bytes) {
  if (array->kind == PACK_STORED) {
    if (!stored_checksum_agrees(array)) return damaged(set, array);
    *bytes = array->packed + array->header_bytes;
  } else {
    unsigned char *unpacked = blo_source_keep(set, array->data_bytes);
    if (!unpacked) return BLO_NO_MEMORY;
    blo_status status = unpack_to(set, array, unpacked);
    if (status) return status;
    *bytes = unpacked;
  }
  if (!array->fortran || array->rank < 2) return BLO_OK;
  unsigned char *ordered = blo_source_keep(set, array->data_bytes);
  if (!ordered) return BLO_NO_MEMORY;
  blo_reorder(*bytes, array->element.bytes, array->shape, array->rank, ordered);
  *bytes = ordered;
  return BLO_OK;
}

static blo_status lossy(blo_data_set *set, const SourceArray *array, const blo_data *declared,
                        const unsigned char *bytes, size_t bad) {
  char place[320];
  const char *wanted = blo_dtype_name(declared->dtype), *held = blo_element_name(array->element);
  double value = blo_element_value(bytes + bad * array->element.bytes, array->element);
  print_element(place, sizeof place, array, bad);
  blo_fail(set->context, BLO_BAD_DATA, "E0603", "%s holds %s; %s says %s, and %s = %.17g is no %s",
           array->label, held, declared->place, declared->shape_text, place, value, wanted);
  bool both_float = array->element.kind == 'f' && declared->dtype <= BLO_F64;
  if (both_float) {
    blo_fail_help(set->context, "declare %s, or round the values before saving: array.astype('%s')",
                  held, declared->dtype == BLO_F16 ? "float16" : "float32");
  } else {
    blo_fail_help(set->context, "declare %s, or save values that %s can hold", held, wanted);
  }
  return BLO_BAD_DATA;
}

static blo_status check_classes(blo_data_set *set, const SourceArray *array,
                                const blo_data *declared, const void *data) {
  blo_array view = {.dtype = declared->dtype, .data = (void *)(uintptr_t)data};
  bool integer = declared->dtype == BLO_I32 || declared->dtype == BLO_I64 ||
                 declared->dtype == BLO_U8 || declared->dtype == BLO_BOOL;
  for (size_t i = 0; declared->classes > 0 && integer && i < array->elements; i++) {
    double value = blo_array_element(&view, i);
    if (value >= 0.0 && value < (double)declared->classes) continue;
    char place[320];
    print_element(place, sizeof place, array, i);
    blo_fail(set->context, BLO_BAD_DATA, "E0606",
             "%s = %.0f; %s says classes(%" PRId64 "), so 0 to %" PRId64, place, value,
             declared->place, declared->classes, declared->classes - 1);
    if (value == (double)declared->classes)
      blo_fail_help(set->context, "classes are counted from 0");
    return BLO_BAD_DATA;
  }
  return BLO_OK;
}

blo_status blo_source_check_finite(blo_data_set *set, const SourceArray *array,
                                   const blo_data *declared, const void *data) {
  size_t bad = blo_first_not_finite(data, declared->dtype, array->elements);
  if (bad == array->elements) return BLO_OK;
  blo_array view = {.dtype = declared->dtype, .data = (void *)(uintptr_t)data};
  double value = blo_array_element(&view, bad);
  char place[320];
  print_element(place, sizeof place, array, bad);
  const char *index = place + strlen(array->label);
  blo_fail(set->context, BLO_BAD_DATA, "E0606", "%s holds %s%s%s (%s)", array->label,
           value != value ? "a NaN" : "an infinity", index[0] ? " at " : "", index,
           declared->place);
  blo_fail_help(set->context, "leave such rows out, or fill them in, before saving");
  return BLO_BAD_DATA;
}

static blo_status read_text(blo_data_set *set, const SourceArray *array, const blo_data *declared,
                            const void **data) {
  size_t bytes;
  if (!blo_multiply_bytes(array->elements, blo_dtype_bytes(declared->dtype), &bytes))
    bytes = SIZE_MAX;
  void *numbers = blo_source_keep(set, bytes);
  if (!numbers) return BLO_NO_MEMORY;
  *data = numbers;
  return blo_csv_read(set->context, &array->file->table, array->columns, array->column_count,
                      declared->dtype, numbers);
}

// Truth values must be 0 or 1 for programs, so bool arrays are always looked through.
static bool usable_in_place(const SourceArray *array, int32_t dtype, const unsigned char *bytes) {
  if (!blo_element_is(array->element, dtype) || dtype == BLO_BOOL) return false;
  return (uintptr_t)bytes % array->element.bytes == 0;
}

static blo_status read_binary(blo_data_set *set, const SourceArray *array, const blo_data *declared,
                              const void **data) {
  const unsigned char *bytes = NULL;
  size_t wanted, bad;
  blo_status status = raw_bytes(set, array, &bytes);
  if (status) return status;
  if (usable_in_place(array, declared->dtype, bytes)) {
    *data = bytes;
    return BLO_OK;
  }
  if (!blo_multiply_bytes(array->elements, blo_dtype_bytes(declared->dtype), &wanted))
    wanted = SIZE_MAX;
  void *converted = blo_source_keep(set, wanted);
  if (!converted) return BLO_NO_MEMORY;
  if (blo_convert(bytes, array->element, converted, declared->dtype, array->elements, &bad) !=
      CONVERT_OK)
    return lossy(set, array, declared, bytes, bad);
  *data = converted;
  return BLO_OK;
}

blo_status blo_source_read(blo_data_set *set, SourceArray *array, const blo_data *declared,
                           const void **data) {
  blo_status status = array->is_text ? read_text(set, array, declared, data)
                                     : read_binary(set, array, declared, data);
  return status ? status : check_classes(set, array, declared, *data);
}
