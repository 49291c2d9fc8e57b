// A program compiled to be judged: one way to solve it, with counters of oracle calls and entries
// that tell F at the lower solution.
#ifndef BLO_DRIVE_COMPETITOR_H
#define BLO_DRIVE_COMPETITOR_H

#include "drive/pipeline.h"
#include "drive/runtime_options.h"

typedef struct Competitor {
  const char *name; // of a solve block ("": the unnamed one), or a method such as `soba(step = 0.1)`
  Options options;  // with its solve block, or its method
  Pipeline pipeline;
} Competitor;

Competitor *competitor_create(Arena *arena, const Options *options, const char *name);
typedef struct CompetitorUse {
  bool synthetic; // for drawn data: every dim has a value then
  bool silent;    // nobody asked for it: no word of what does not fit
} CompetitorUse;

/// Compiles for the data. 0, or the exit status after a message.
int competitor_compile(Competitor *competitor, CompetitorUse use, RuntimeOptions *run);
/// As the runtime knows it.
blo_competitor competitor_program(const Competitor *competitor);

#endif
