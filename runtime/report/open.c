// Opening a program with data from files. See open.h.
#include "report/open.h"
#include "core/instance.h"

blo_status blo_open_with_data(blo_context *context, const blo_program *program, blo_data_set *data,
                              const blo_dim *dims, size_t dim_count, blo_instance **instance) {
  size_t count = program->dim_count;
  blo_dim *bound = blo_allocate_array(context, count, sizeof *bound);
  int64_t *values = blo_allocate_array(context, count, sizeof *values);
  blo_status status = bound && values ? BLO_OK : BLO_NO_MEMORY;
  if (!status) status = blo_check_program(context, program);
  if (!status) status = blo_data_bind_dims(context, data, program, dims, dim_count, values);
  for (size_t i = 0; i < count && !status; i++) bound[i] = (blo_dim){program->dims[i], values[i]};
  if (!status) status = blo_open(context, program, bound, count, instance);
  if (!status) status = blo_data_bind(data, *instance, program);
  blo_release(context, bound);
  blo_release(context, values);
  return status;
}
