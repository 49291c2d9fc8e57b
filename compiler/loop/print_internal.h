// Shared by the printers of loop IR.
#ifndef BLO_LOOP_PRINT_INTERNAL_H
#define BLO_LOOP_PRINT_INTERNAL_H

#include "base/text_buffer.h"
#include "loop/loop.h"

void print_indent(TextBuffer *out, int depth);

#endif
