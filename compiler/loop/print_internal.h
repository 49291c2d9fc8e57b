// Shared by the printers of loop IR.
#ifndef BLO_LOOP_PRINT_INTERNAL_H
#define BLO_LOOP_PRINT_INTERNAL_H

#include "base/text_buffer.h"
#include "loop/loop.h"

void print_expr(TextBuffer *out, const Expr *e);
void print_indent(TextBuffer *out, int depth);
void kernel_print(TextBuffer *out, const Kernel *kernel);

#endif
