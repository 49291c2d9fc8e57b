// A program described as JSON: what goes in, what comes out, how large it is.
#ifndef BLO_DRIVE_MANIFEST_H
#define BLO_DRIVE_MANIFEST_H

#include "base/text_buffer.h"
#include <blo/program.h>

void manifest_print(TextBuffer *out, const blo_program *program);

#endif
