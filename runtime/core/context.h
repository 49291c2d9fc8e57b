// What the folders of the runtime share: allocation through the context's hook, and failures with
// text.
//
// A context owns nothing but its allocator and the text of the last error; both are fixed-size, so
// a failure can always be described, also when there is no memory.
#ifndef BLO_CORE_CONTEXT_H
#define BLO_CORE_CONTEXT_H

#include <blo/runtime.h>
#include <stdatomic.h>
#include <stdbool.h>

enum { BLO_TEXT_BYTES = 1024, BLO_HELP_BYTES = 1024, BLO_ALIGNMENT = 64 };

struct blo_context {
  blo_allocator allocator;
  blo_error error;
  char text[BLO_TEXT_BYTES], help[BLO_HELP_BYTES];
  atomic_flag busy; // an entry is running
};

/// Zeroed memory aligned to 64 bytes; on failure NULL, with the error set.
void *blo_allocate(blo_context *context, size_t bytes);
/// Space for `count` elements, checked for overflow.
void *blo_allocate_array(blo_context *context, size_t count, size_t element_bytes);
/// Grows to new_bytes, keeping the content; the old pointer stays valid on failure.
void *blo_grow(blo_context *context, void *pointer, size_t old_bytes, size_t new_bytes);
void blo_release(blo_context *context, void *pointer);
char *blo_copy_text(blo_context *context, const char *text, size_t length);

/// Records a failure and returns its status. `code` "" where no E-number applies.
__attribute__((format(printf, 4, 5))) blo_status
blo_fail(blo_context *context, blo_status status, const char *code, const char *format, ...);
/// Adds the cure to the failure just recorded.
__attribute__((format(printf, 2, 3))) void blo_fail_help(blo_context *context, const char *format,
                                                         ...);

bool blo_add_bytes(size_t a, size_t b, size_t *sum);
bool blo_multiply_bytes(size_t a, size_t b, size_t *product);
/// Elements of a shape; false when a size is negative or the count overflows.
bool blo_shape_count(const int64_t *shape, size_t rank, size_t *count);
/// "[100, 5]"; always terminated, cut short where it does not fit.
void blo_shape_print(char *text, size_t bytes, const int64_t *shape, size_t rank);

/// Evaluates a declared shape; false when it cannot be (a promised division fails, a size is
/// negative).
bool blo_shape_evaluate(const blo_size *sizes, int32_t rank, const int64_t *dims, size_t dim_count,
                        int64_t *shape);

/// Index of the first NaN or infinity among floating-point elements; `count` when there is none.
size_t blo_first_not_finite(const void *data, int32_t dtype, size_t count);
/// Walks the dims that occur in a size: *at starts at 0; false at the end.
bool blo_size_next_dim(const blo_size *size, size_t dim_count, size_t *at, size_t *dim);
/// Checks that `program` is one that this runtime can run.
blo_status blo_check_program(blo_context *context, const blo_program *program);
/// Checks the conditions the program puts on its dims.
blo_status blo_check_conditions(blo_context *context, const blo_program *program,
                                const int64_t *dims);
/// Places an entry's workspace slots. `offsets` has slot_count elements, `scratch` 3 * slot_count.
blo_status blo_place_entry(blo_context *context, const blo_entry *entry, const int64_t *dims,
                           size_t dim_count, int64_t *scratch, int64_t *offsets, size_t *total);

#endif
