// What a run leaves behind in files: results, and checkpoints that continue it bit for bit.
#ifndef BLO_REPORT_RESULTS_H
#define BLO_REPORT_RESULTS_H

#include "core/instance.h"

/// Saves every started stage's variables and the reports, as `w`, or `stage.w` where there are
/// several.
blo_status blo_results_save(blo_instance *instance, const char *path);
/// Saves the whole state: all leaves of all started stages, steps made, seeds, and what program it
/// is of.
blo_status blo_checkpoint_save(blo_instance *instance, const char *path);
/// Continues from a checkpoint of the same program with the same dims; anything else is refused.
blo_status blo_checkpoint_load(blo_instance *instance, const char *path);

#endif
