// Summing counters of oracle calls. See calls.h.
#include "report/calls.h"
#include "core/instance.h"
#include <string.h>

static const char *const kinds[CALL_KINDS] = {"gradients", "Hessian-vector products",
                                              "mixed products"};
const char *const blo_call_keys[CALL_KINDS] = {"gradients", "hvps", "mixed"};

void blo_calls_add(const blo_instance *instance, OracleCalls *calls) {
  for (size_t i = 0; i < instance->program->note_count; i++) {
    const blo_note *note = &instance->program->notes[i];
    if (strcmp(note->code, "count") != 0) continue;
    for (int k = 0; k < CALL_KINDS; k++)
      if (strncmp(note->text, kinds[k], strlen(kinds[k])) == 0)
        calls->count[k] += blo_note_last(instance, i);
  }
}

void blo_calls_print(FILE *file, const OracleCalls *calls, int64_t steps) {
  const char *before = "per step: ";
  for (int k = 0; k < CALL_KINDS && steps > 0; k++) {
    if (!calls->count[k]) continue;
    fprintf(file, "%s%.4g %s", before, (double)calls->count[k] / (double)steps, kinds[k]);
    before = ", ";
  }
  if (before[0] == ',') fputc('\n', file);
}
