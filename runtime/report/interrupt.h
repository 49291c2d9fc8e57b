// Ctrl-C: the first one asks the running program to stop after its step, the second one kills.
#ifndef BLO_REPORT_INTERRUPT_H
#define BLO_REPORT_INTERRUPT_H

#include "core/context.h"

#include <stdbool.h>

/// Watches SIGINT and SIGTERM for this instance until blo_interrupt_release.
void blo_interrupt_watch(blo_instance *instance);
/// Did a signal come since blo_interrupt_watch? It stays true when the instance's request is
/// cleared.
bool blo_interrupt_came(void);
void blo_interrupt_release(void);

#endif
