// Diagnostics: the one way in which anything in the compiler tells the user about a mistake.
//
// Enters: an error code, a place, words, further places, help. Leaves: a sorted list without
// repetitions, printed for people (excerpt with carets), short (one line each) or as JSON lines.
//
//   Diagnostic *d = report(diags, E0301, span, "these shapes do not fit `@`");
//   diagnostic_label(d, span, "f64[n, d]");            // second and further places, with carets
//   diagnostic_note(d, "the inner dims are d and n");
//   diagnostic_help(d, "write `Xtr @ w`");
#ifndef BLO_LANG_TEXT_DIAGNOSTICS_H
#define BLO_LANG_TEXT_DIAGNOSTICS_H

#include "text/source.h"
#include <stdio.h>

/// Codes from errors.def: E0101 ... W0430.
typedef enum ErrorCode {
  ERROR_NONE = 0,
#define ERROR(code, title)   code,
#define WARNING(code, title) code,
#include "text/errors.def"
#undef ERROR
#undef WARNING
  ERROR_CODE_COUNT
} ErrorCode;

typedef enum Severity { SEVERITY_ERROR, SEVERITY_WARNING, SEVERITY_NOTE } Severity;
typedef enum ErrorFormat { ERRORS_HUMAN, ERRORS_SHORT, ERRORS_JSON } ErrorFormat;

typedef struct Diagnostics Diagnostics;
typedef struct Diagnostic Diagnostic;

Diagnostics *diagnostics_create(Arena *arena, Sources *sources);

/// Adds a diagnostic; its severity is that of the code.  Never NULL.  A second diagnostic with the
/// same code at the same span is dropped when the list is shown.
Diagnostic *report(Diagnostics *diagnostics, ErrorCode code, Span span, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void diagnostic_label(Diagnostic *d, Span span, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void diagnostic_note(Diagnostic *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
void diagnostic_help(Diagnostic *d, const char *format, ...) __attribute__((format(printf, 2, 3)));

/// Errors (not warnings) reported so far.
size_t diagnostics_errors(const Diagnostics *diagnostics);
/// How many diagnostics with this code were reported at or inside `where` (span of source 0:
/// anywhere).
size_t diagnostics_count_code(const Diagnostics *diagnostics, ErrorCode code, Span where);
/// For `expect error E0402;`: forgets diagnostics reported since `mark`.
size_t diagnostics_mark(const Diagnostics *diagnostics);
void diagnostics_rewind(Diagnostics *diagnostics, size_t mark);

/// Prints all, sorted by place, at most `limit` errors (0: 20), then a line with the counts.
void diagnostics_print(const Diagnostics *diagnostics, FILE *stream, ErrorFormat format, bool color,
                       size_t limit);

const char *error_code_text(ErrorCode code);  // "E0301"
const char *error_code_title(ErrorCode code); // "shapes do not fit"
ErrorCode error_code_find(const char *text);  // ERROR_NONE when unknown
/// The known name closest to `name` if close enough to be a slip (edit distance), else NULL.
const char *closest_name(const char *name, const char *const *candidates, size_t count);

#endif
