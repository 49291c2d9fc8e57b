// Names of CPUs that `--target` takes. LLVM's C interface has no list of them, and LLVM stops the
// process when code for an unknown one is asked for.
#ifndef BLO_DRIVE_CPU_NAMES_H
#define BLO_DRIVE_CPU_NAMES_H

#include <stdbool.h>

/// "native", or a 64-bit x86 CPU that LLVM 19 knows.
bool cpu_known(const char *name);
/// The known name that the user may have meant, or NULL.
const char *cpu_nearest(const char *name);

#endif
