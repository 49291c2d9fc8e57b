// Oracle calls of a run: gradients, Hessian-vector and mixed products that its steps asked for.
//
// The compiler leaves a counting note for each kind of F and of f; here the kinds are summed.
#ifndef BLO_REPORT_CALLS_H
#define BLO_REPORT_CALLS_H

#include <blo/runtime.h>
#include <stdio.h>

typedef enum CallKind { CALL_GRADIENT, CALL_HVP, CALL_MIXED, CALL_KINDS } CallKind;

extern const char *const blo_call_keys[CALL_KINDS]; // names in logs and tables

typedef struct OracleCalls {
  int64_t count[CALL_KINDS];
} OracleCalls;

/// Adds those of the entry that ran last.
void blo_calls_add(const blo_instance *instance, OracleCalls *calls);
/// "per step: 401 gradients, 35.8 Hessian-vector products"; nothing where nothing was counted.
void blo_calls_print(FILE *file, const OracleCalls *calls, int64_t steps);

#endif
