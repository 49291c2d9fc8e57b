// The reader of IR text: what its files share.
#ifndef BLO_IR_READ_H
#define BLO_IR_READ_H

#include "ir/ir_internal.h"
#include "ir/passes.h"

typedef struct Reader {
  Compilation *compilation;
  Module *module;
  Arena *scratch;
  uint32_t source;
  const char *text, *at, *end;
  Map *values;   // label -> Value of the current function
  NameList dims; // declared by the current function
  int depth;
  bool failed; // after the first mistake nothing more is reported
} Reader;

/// Reports the first mistake, at [start, at); returns false for `return read_fail(..)`.
bool read_fail(Reader *r, ErrorCode code, const char *start, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void read_skip(Reader *r); // blanks, line ends, comments, line marks
/// Takes this text (a word ends where a name would) or leaves everything as it is.
bool read_accept(Reader *r, const char *text);
bool read_expect(Reader *r, const char *text);
bool read_integer(Reader *r, int64_t *value);
bool read_small(Reader *r, int limit, int *value); // 0 .. limit
bool read_real(Reader *r, double *value);
bool read_string(Reader *r, const char **text);
Name read_name(Reader *r, const char *what); // NULL after a failure
bool read_dim(Reader *r, const Dim **dim);
bool read_type(Reader *r, const Type **type);
Value *read_operand(Reader *r, const Block *block);
Name read_label(Reader *r); // after and including '%'

/// The attributes behind the operands. `attr->type` is set by the caller.
bool read_attr(Reader *r, Opcode code, Attr *attr, Value *const *operands, int operand_count);

#endif
