// The inside of the diagnostics list, shared by what collects them and what prints them.
#ifndef BLO_LANG_TEXT_DIAGNOSTIC_LIST_H
#define BLO_LANG_TEXT_DIAGNOSTIC_LIST_H

#include "base/vec.h"
#include "text/diagnostics.h"

typedef struct DiagnosticLabel {
  Span span;
  const char *text;
} DiagnosticLabel;

struct Diagnostic {
  Arena *arena;
  ErrorCode code;
  Severity severity;
  Span span;
  const char *message;
  size_t order; // of reporting
  VEC(DiagnosticLabel) labels;
  VEC(const char *) notes;
  VEC(const char *) helps;
};

struct Diagnostics {
  Arena *arena;
  Sources *sources;
  VEC(Diagnostic *) list;
};

/// The diagnostics sorted by place, repetitions dropped; `*count` is how many are left.
Diagnostic **diagnostics_sorted(const Diagnostics *diagnostics, size_t *count);

#endif
