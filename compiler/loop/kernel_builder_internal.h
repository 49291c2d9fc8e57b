// What kernel_builder.c (expressions) and kernel_statements.c share.
#ifndef BLO_LOOP_KERNEL_BUILDER_INTERNAL_H
#define BLO_LOOP_KERNEL_BUILDER_INTERNAL_H

#include "base/map.h"
#include "loop/kernel_builder.h"

typedef struct OpenBody { // a loop or conditional whose statements are being appended
  StmtList *list;
  Stmt *stmt; // NULL: the kernel itself
} OpenBody;

struct KernelBuilder {
  Arena *arena;
  Module *module;
  Kernel *kernel;
  VEC(OpenBody) open;
  Expr **table; // hash-consed expressions, open addressing
  size_t capacity;
};

#endif
