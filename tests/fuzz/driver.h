// A small mutating fuzzer: seeds from files, random edits, a time or run limit, reproducible by
// number.
//
// A harness is one file fuzz_NAME.c with `fuzz_one` and `fuzz_name`; it must survive any bytes.
// Runs by itself under ASan+UBSan; with clang's -fsanitize=fuzzer the same `fuzz_one` serves
// libFuzzer.
#ifndef BLO_TESTS_FUZZ_DRIVER_H
#define BLO_TESTS_FUZZ_DRIVER_H

#include <stddef.h>
#include <stdint.h>

/// Tries one input.
void fuzz_one(const uint8_t *data, size_t size);
/// Words worth inserting, NULL-ended.
extern const char *const fuzz_words[];

#endif
