// Errors and warnings of a run on standard error: for people, one line each, or as JSON lines of
// the form that the compiler's diagnostics have.
#ifndef BLO_REPORT_MESSAGE_H
#define BLO_REPORT_MESSAGE_H

#include <blo/driver.h>

/// `errors` is a blo_error_format; code, place and help may be "".
void blo_print_message(int32_t errors, const char *severity, const char *code, const char *text,
                       const char *place, const char *help);

#endif
