// Which array is meant by a declared name.
//
// "train.x" is, in this order: what the user named so (`train=file.npz` or `train.x=file.npy`); a
// member called "train.x", "train/x" or "train_x"; member x of a file or folder called train; a
// file of its own called train.x or train_x. The first rule that finds something decides; if it
// finds two, the user has to choose.
#include "data/source.h"
#include <stdio.h>
#include <string.h>

enum { RULE_COUNT = 4, RULE_NONE = RULE_COUNT, SHOWN_COLUMNS = 3 };

// "train.x", "train/x" and "train_x" are the same name.
static bool same_name(const char *found, const char *declared) {
  for (; *found && *declared; found++, declared++) {
    if (*found == *declared) continue;
    if (*declared != '.' || (*found != '/' && *found != '_')) return false;
  }
  return *found == *declared;
}

static bool is_prefix(const char *name, const char *table, size_t table_length) {
  return strlen(name) == table_length && memcmp(name, table, table_length) == 0;
}

// The number of the first rule under which the array is what the name says.
static int match_rule(const SourceArray *array, const char *name) {
  const char *dot = strchr(name, '.');
  const char *field = dot ? dot + 1 : NULL;
  const SourceFile *file = array->file;
  if (file->given[0]) { // `given=FILE` says what the file is, so nothing else may claim it
    if (strcmp(file->given, name) == 0)
      return array->single || same_name(array->member, name) ? 0 : RULE_NONE;
    if (!dot || !is_prefix(file->given, name, (size_t)(dot - name))) return RULE_NONE;
    return strcmp(array->member, field) == 0 || same_name(array->member, name) ? 0 : RULE_NONE;
  }
  if (!array->single && same_name(array->member, name)) return 1;
  if (dot && is_prefix(file->group, name, (size_t)(dot - name)) &&
      strcmp(array->member, field) == 0)
    return 2;
  if (array->single && same_name(array->member, name)) return 3;
  return RULE_NONE;
}

bool blo_source_shape(const SourceArray *array, const blo_data *declared, int64_t *shape) {
  int rank = declared->rank;
  memcpy(shape, array->shape, sizeof array->shape);
  if (array->rank == rank) return true;
  if (array->rank < rank || rank < 1) return false;
  for (int i = rank; i < array->rank; i++) {
    if (rank == 1 && array->shape[i] != 1) return false; // a column is a vector, a matrix is none
    if (__builtin_mul_overflow(shape[rank - 1], array->shape[i], &shape[rank - 1])) return false;
  }
  return true;
}

static char lower(char c) {
  return (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

static bool same_but_case(const char *a, const char *b) {
  while (*a && lower(*a) == lower(*b)) {
    a++;
    b++;
  }
  return lower(*a) == lower(*b);
}

static blo_status not_found(blo_data_set *set, const blo_data *declared) {
  if (set->damaged_count) { // the array may be in there
    blo_fail(set->context, BLO_BAD_DATA, "E0604", "no data for `%s` (%s), and %s", declared->name,
             declared->place, (const char *)set->warnings[0]);
    return BLO_BAD_DATA;
  }
  char list[768];
  size_t at = 0;
  const char *field = strchr(declared->name, '.');
  blo_fail(set->context, BLO_BAD_DATA, "E0602", "no data for `%s`; %s says %s", declared->name,
           declared->place, declared->shape_text);
  for (size_t i = 0; i < set->array_count; i++) {
    const SourceArray *array = blo_source_at(set, i);
    if (same_but_case(array->member, declared->name) ||
        (field && same_but_case(array->member, field + 1))) {
      int named = field ? (int)(field - declared->name) : (int)strlen(declared->name);
      if (field && strcmp(array->member, field + 1) == 0)
        blo_fail_help(set->context, "is it %s? then say so: --data %.*s=FILE", array->label, named,
                      declared->name);
      else
        blo_fail_help(set->context, "is it %s? then rename it to %s", array->label, declared->name);
      return BLO_BAD_DATA;
    }
  }
  list[0] = '\0';
  for (size_t i = 0; i < set->array_count && at + 64 < sizeof list; i++) {
    int written =
        snprintf(list + at, sizeof list - at, "%s%s", at ? ", " : "", blo_source_at(set, i)->label);
    if (written > 0) at += (size_t)written;
  }
  if (set->array_count) {
    blo_fail_help(set->context, "the data holds %.700s", list);
  } else {
    blo_fail_help(set->context, "give files with --data DIR or --data %s=FILE", declared->name);
  }
  return BLO_BAD_DATA;
}

// The same array reached twice: the file was named twice, or also lies in a folder that was named.
static bool same_array(const SourceArray *a, const SourceArray *b) {
  return blo_file_same(&a->file->file, &b->file->file) && strcmp(a->member, b->member) == 0 &&
         a->is_text == b->is_text && a->column_count == b->column_count;
}

SourceArray *blo_source_match(blo_data_set *set, const blo_data *declared) {
  SourceArray *found = NULL, *other = NULL;
  int best = RULE_NONE;
  for (size_t i = 0; i < set->array_count; i++) {
    SourceArray *array = blo_source_at(set, i);
    int rule = match_rule(array, declared->name);
    // Of a table's columns, one called x comes before the matrix of columns x0, x1, ...
    if (rule == best && found && found->is_text && array->is_text && array->file == found->file)
      continue;
    if (rule == best && found && same_array(found, array)) continue;
    if (rule < best) {
      best = rule;
      found = array;
      other = NULL;
    } else if (rule == best && rule != RULE_NONE) {
      other = array;
    }
  }
  if (!found) {
    not_found(set, declared);
    return NULL;
  }
  if (other) {
    blo_fail(set->context, BLO_BAD_DATA, "E0602", "both %s and %s could be `%s` (%s)", found->label,
             other->label, declared->name, declared->place);
    blo_fail_help(set->context, "say which: --data %s=FILE", declared->name);
    return NULL;
  }
  return found;
}

// ---- columns of tables ----

blo_status blo_source_check_columns(blo_data_set *set, const SourceArray *array,
                                    const blo_data *declared) {
  if (!array->flaw) return BLO_OK;
  const SourceFile *file = array->file;
  blo_fail(set->context, BLO_BAD_DATA, "E0601",
           "%s:%zu: %s, so the columns `%s0`, `%s1`, ... make no matrix for `%s` (%s)", file->label,
           file->table.header_line, array->flaw, array->member, array->member, declared->name,
           declared->place);
  blo_fail_help(set->context,
                "number the columns of `%s` one after the other from 0 or 1 on, each once; "
                "their order in the file is free",
                array->member);
  return BLO_BAD_DATA;
}

// The length of a column's name without a number behind it: 1 of "x3", "x_3", "x[3]" and "x".
static size_t column_stem(const char *name) {
  size_t length = strlen(name);
  while (length > 1 && strchr("0123456789[]_.", name[length - 1])) length--;
  return length;
}

static bool same_stem(const char *a, const char *b) {
  size_t length = column_stem(a);
  if (length != column_stem(b)) return false;
  for (size_t i = 0; i < length; i++)
    if (lower(a[i]) != lower(b[i])) return false;
  return true;
}

// Which columns of the file some declaration reads.
static blo_status mark_read(blo_data_set *set, const SourceFile *file, const blo_program *program,
                            bool *is_read) {
  for (size_t i = 0; i < program->data_count; i++) {
    if (program->data[i].computed) continue;
    const SourceArray *array = blo_source_match(set, &program->data[i]);
    if (!array) return BLO_BAD_DATA;
    if (array->file != file || !array->is_text) continue;
    for (size_t c = 0; c < array->column_count; c++) is_read[array->columns[c]] = true;
  }
  return BLO_OK;
}

static blo_status note_left_columns(blo_data_set *set, const SourceArray *array,
                                    const blo_data *declared, const bool *is_read) {
  const CsvTable *table = &array->file->table;
  char list[160] = "";
  size_t at = 0, count = 0;
  for (size_t c = 0; c < table->column_count; c++) {
    if (is_read[c] || !same_stem(table->names[c], array->member) || count++ >= SHOWN_COLUMNS)
      continue;
    at +=
        (size_t)snprintf(list + at, sizeof list - at, "%s`%.40s`", at ? ", " : "", table->names[c]);
  }
  if (!count) return BLO_OK;
  return blo_source_warn(
      set, "%s:%zu: nothing reads the column%s %s%s, though called like those of `%s` (%s)",
      array->file->label, table->header_line, count > 1 ? "s" : "", list,
      count > SHOWN_COLUMNS ? ", ..." : "", declared->name, declared->place);
}

blo_status blo_source_note_columns(blo_data_set *set, const blo_program *program) {
  blo_status status = BLO_OK;
  for (size_t i = 0; i < program->data_count && !status; i++) {
    if (program->data[i].computed) continue;
    const SourceArray *array = blo_source_match(set, &program->data[i]);
    if (!array) return BLO_BAD_DATA;
    if (!array->is_text) continue;
    size_t columns = array->file->table.column_count;
    bool *is_read = blo_allocate_array(set->context, columns, sizeof *is_read);
    status = is_read ? mark_read(set, array->file, program, is_read) : BLO_NO_MEMORY;
    if (!status) status = note_left_columns(set, array, &program->data[i], is_read);
    blo_release(set->context, is_read);
  }
  return status;
}

// ---- names that the user gave ----

// Changes of one letter that lead from one name to the other, up to 9.
static size_t name_distance(const char *a, const char *b) {
  enum { LONGEST = 63, TOO_FAR = 9 };
  size_t row[LONGEST + 1], a_length = strlen(a), b_length = strlen(b);
  if (a_length > LONGEST || b_length > LONGEST) return TOO_FAR;
  for (size_t j = 0; j <= b_length; j++) row[j] = j;
  for (size_t i = 1; i <= a_length; i++) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b_length; j++) {
      size_t changed = diagonal + (lower(a[i - 1]) != lower(b[j - 1]));
      size_t added = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
      diagonal = row[j];
      row[j] = changed < added ? changed : added;
    }
  }
  return row[b_length] < TOO_FAR ? row[b_length] : TOO_FAR;
}

static bool names_data(const char *given, const blo_data *declared) {
  const char *dot = strchr(declared->name, '.');
  return strcmp(given, declared->name) == 0 ||
         (dot && is_prefix(given, declared->name, (size_t)(dot - declared->name)));
}

static blo_status unknown_name(blo_data_set *set, const SourceFile *file,
                               const blo_program *program) {
  char nearest[128] = "", list[512] = "", table[128];
  size_t distance = 3, at = 0;
  blo_fail(set->context, BLO_BAD_DATA, "E0602",
           "--data %s=%s: the program declares no table or array `%s`", file->given, file->label,
           file->given);
  for (size_t i = 0; i < program->data_count; i++) {
    const char *name = program->data[i].name, *dot = strchr(name, '.');
    if (program->data[i].computed) continue;
    int length = (int)(dot ? dot - name : (ptrdiff_t)strlen(name));
    snprintf(table, sizeof table, "%.*s", strchr(file->given, '.') ? (int)strlen(name) : length,
             name);
    if (name_distance(file->given, table) < distance) {
      distance = name_distance(file->given, table);
      snprintf(nearest, sizeof nearest, "%s", table);
    }
    if (at + 140 >= sizeof list || (at && strstr(list, table))) continue;
    int written = snprintf(list + at, sizeof list - at, "%s%s", at ? ", " : "", table);
    if (written > 0) at += (size_t)written;
  }
  if (nearest[0]) {
    blo_fail_help(set->context, "did you mean `%s`?", nearest);
  } else if (at) {
    blo_fail_help(set->context, "it reads %s", list);
  }
  return BLO_BAD_DATA;
}

static bool is_used(const SourceArray *array, const blo_program *program) {
  for (size_t i = 0; i < program->data_count; i++)
    if (!program->data[i].computed && match_rule(array, program->data[i].name) < RULE_NONE)
      return true;
  return false;
}

// Files (of a folder, perhaps) that were named for something, and hold nothing of the kind.
static blo_status check_used(blo_data_set *set, const SourceFile *file,
                             const blo_program *program) {
  char list[512] = "";
  size_t at = 0;
  for (size_t i = 0; i < set->array_count; i++) {
    const SourceArray *array = blo_source_at(set, i);
    if (strcmp(array->file->given, file->given) != 0) continue;
    if (is_used(array, program)) return BLO_OK;
    if (at + 140 >= sizeof list) continue;
    int written = snprintf(list + at, sizeof list - at, "%s%.120s", at ? ", " : "", array->member);
    if (written > 0) at += (size_t)written;
  }
  blo_fail(set->context, BLO_BAD_DATA, "E0602", "--data %s=%s: the file holds nothing for `%s`",
           file->given, file->label, file->given);
  if (at) blo_fail_help(set->context, "it holds %s", list);
  return BLO_BAD_DATA;
}

blo_status blo_source_check_names(blo_data_set *set, const blo_program *program) {
  for (size_t f = 0; f < set->file_count; f++) {
    const SourceFile *file = set->files[f];
    bool known = !file->given[0];
    for (size_t i = 0; i < program->data_count && !known; i++)
      known = !program->data[i].computed && names_data(file->given, &program->data[i]);
    if (!known) return unknown_name(set, file, program);
    if (!file->given[0] || set->damaged_count) continue; // a damaged file may hold it
    blo_status status = check_used(set, file, program);
    if (status) return status;
  }
  return BLO_OK;
}
