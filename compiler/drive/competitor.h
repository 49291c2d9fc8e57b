// A program compiled to be judged: one way to solve it, with counters of oracle calls and entries
// that tell F at the lower solution.
#ifndef BLO_DRIVE_COMPETITOR_H
#define BLO_DRIVE_COMPETITOR_H

#include "drive/pipeline.h"
#include "drive/runtime_options.h"

typedef struct Competitor {
  const char *name; // as it was given; "": the unnamed solve block
  Options options;  // with its solve block, or its method
  Pipeline pipeline;
  bool in_parts;       // judged as the mean over parts of tables, which cannot be taken whole
  const char *refused; // the first thing wrong with it, in one line, where the file itself is sound
} Competitor;

/// From the text of a competitor: a solve block or a method, and settings of its own behind
/// semicolons: `soba(step = 0.1); upper.iters = 100`. NULL after a message.
Competitor *competitor_create(Arena *arena, const Options *options, const char *name);
/// The same, but for `--set`: that is about who competes.
Competitor *competitor_create_judge(Arena *arena, const Options *options, const char *name);
typedef struct CompetitorUse {
  bool synthetic; // for drawn data: every dim has a value then
  bool silent;    // no word of what does not fit: nobody asked for it, or the caller says it
} CompetitorUse;

/// Compiles for the data. 0, or the exit status after a message.
int competitor_compile(Competitor *competitor, CompetitorUse use, RuntimeOptions *run);
/// As the runtime knows it.
blo_competitor competitor_program(const Competitor *competitor);

#endif
