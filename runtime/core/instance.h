// An open program: where everything lies in its one block of memory.
//
// A stage has four groups of tensors, each in two copies: an entry reads the current copy and
// writes the other one, and a commit makes the other one current. So a step that fails leaves no
// trace.
#ifndef BLO_CORE_INSTANCE_H
#define BLO_CORE_INSTANCE_H

#include "core/context.h"

typedef enum Group { GROUP_STATE, GROUP_RESULT, GROUP_REPORT, GROUP_FINAL, GROUP_COUNT } Group;

typedef struct StageRun {
  const blo_stage *stage;
  size_t *leaves, *results, *reports, *finals; // byte offsets in the blocks of their group
  size_t bytes[GROUP_COUNT];
  char *blocks[GROUP_COUNT][2];
  int current[GROUP_COUNT];
  bool started, stepped, reported, finished;
  bool data_ready; // what the program makes from this stage's results is up to date
  int64_t iteration, seed;
  int64_t report_step; // the step that the reports belong to
} StageRun;

typedef struct EntryPlan {
  const blo_entry *entry;
  int64_t *offsets;
  bool runs; // false for entries of tests, which run outside of instances
} EntryPlan;

struct blo_instance {
  blo_context *context;
  const blo_program *program;
  int64_t *dims;
  void **data;     // per declared array: bound, computed, or NULL
  char **computed; // per declared array: memory for those the program makes itself
  bool data_ready;
  int64_t data_seed;
  StageRun *stages;
  EntryPlan *entries;
  const void **inputs;
  void **outputs;
  int64_t *notes, *note_totals;
  char *workspace;
  int64_t seed; // what the seed and reporting inputs of entries point to
  uint8_t reporting;
  volatile int stop;
};

blo_status blo_find_stage(blo_instance *instance, size_t stage, StageRun **run);
/// The entry of the program called `name`, or NULL.
const blo_entry *blo_find_entry(const blo_program *program, const char *name);
/// Bytes of a tensor with this declared shape, rounded up to the alignment; false when it has none.
bool blo_tensor_bytes(const blo_size *shape, int32_t rank, int32_t dtype, const int64_t *dims,
                      size_t dim_count, size_t *bytes);

#endif
