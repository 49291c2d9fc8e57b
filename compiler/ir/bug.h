// Our own mistakes: a failed assumption inside the compiler.
//
// Prints the pass, the message and (when known) the place to stderr and exits with status 70. Never
// used for anything a user can cause.
#ifndef BLO_IR_BUG_H
#define BLO_IR_BUG_H

#include <stdbool.h>

_Noreturn void bug(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#define BUG(...) bug(__FILE__, __LINE__, __VA_ARGS__)
#define REQUIRE(condition, ...)                                                                    \
  do {                                                                                             \
    if (!(condition)) BUG(__VA_ARGS__);                                                            \
  } while (0)

#endif
