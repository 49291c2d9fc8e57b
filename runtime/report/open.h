// Opening a program with data that was loaded from files.
#ifndef BLO_REPORT_OPEN_H
#define BLO_REPORT_OPEN_H

#include <blo/data.h>

/// Finds the dims, opens the program and binds its data. `data` may be NULL.
blo_status blo_open_with_data(blo_context *context, const blo_program *program, blo_data_set *data,
                              const blo_dim *dims, size_t dim_count, blo_instance **instance);

#endif
