/* Data files as named arrays, matched to what a program declares.
 *
 * Enters: folders and files in any of the formats (docs/data.md). Leaves: values for dims, also
 * before anything is compiled, and arrays of exactly the declared types, bound to an instance. An
 * array is used in place where the file holds the very bytes the program wants, else converted into
 * a copy; it stays owned by the set. C99 and C++. */
#ifndef BLO_DATA_H
#define BLO_DATA_H

#include <blo/runtime.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct blo_data_set blo_data_set;

/* Sources are "DIR", "FILE" or "name=FILE". The set keeps `context`, which must outlive it. */
blo_status blo_data_load(blo_context *context, const char *const *sources, size_t count,
                         blo_data_set **set);
/* Loads one file, whatever characters its path has. */
blo_status blo_data_load_file(blo_context *context, const char *path, blo_data_set **set);
void blo_data_free(blo_data_set *set);

/* What a file holds, for listings. */
typedef struct blo_data_info {
  const char *label;   /* "train.npz:ytr" */
  const char *element; /* "f64"; "text" for tables */
  int rank;
  const int64_t *shape;
} blo_data_info;
size_t blo_data_count(const blo_data_set *set);
blo_data_info blo_data_describe(const blo_data_set *set, size_t index);
/* Files of folders that could not be read and were left out ("old.npz is damaged: ..."), and, once
 * dims are bound, columns of tables that nothing reads though they are called like those of an
 * array. */
size_t blo_data_warning_count(const blo_data_set *set);
const char *blo_data_warning(const blo_data_set *set, size_t index);
/* Is `path` a file that was named as a source, or one that an array was read from? Writing to it
 * would destroy the data. */
int32_t blo_data_uses_file(const blo_data_set *set, const char *path);

/* Infers the dims of a program from the arrays that match its declarations. Uses only dims,
 * dim_values, data and conditions of `program`, so it works before the rest is compiled. `given`
 * (-D) overrides nothing that the program was compiled for. `values` has program->dim_count
 * elements. `set` may be NULL. */
blo_status blo_data_bind_dims(blo_context *context, blo_data_set *set, const blo_program *program,
                              const blo_dim *given, size_t given_count, int64_t *values);
/* The same, but leaves dims that nothing binds at -1 and checks no conditions. */
blo_status blo_data_infer_dims(blo_context *context, blo_data_set *set, const blo_program *program,
                               const blo_dim *given, size_t given_count, int64_t *values);
/* Reads every array the program declares and binds it. The set must outlive the instance. `set` may
 * be NULL for programs that make all their data. */
blo_status blo_data_bind(blo_data_set *set, blo_instance *instance, const blo_program *program);
/* Reads the array that the file calls `member` as `dtype`, in the shape it has. `array` borrows
 * from the set. */
blo_status blo_data_get(blo_data_set *set, const char *member, int32_t dtype, blo_array *array);
/* Does a file call an array `member`? */
int32_t blo_data_has(const blo_data_set *set, const char *member);
/* Reads one array as declared, with all checks. `array` borrows from the set. */
blo_status blo_data_read(blo_data_set *set, const blo_program *program, size_t data_index,
                         const int64_t *dims, blo_array *array);

#ifdef __cplusplus
}
#endif
#endif
