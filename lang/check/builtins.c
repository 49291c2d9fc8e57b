// The table of builtin functions, from builtins.def.
#include "check/check.h"

const BuiltinInfo builtin_table[BUILTIN_COUNT] = {
    [BUILTIN_NONE] = {"", 0, 0, ""},
#define BUILTIN(id, name, minimum, maximum, doc) [BUILTIN_##id] = {name, minimum, maximum, doc},
#include "check/builtins.def"
#undef BUILTIN
};
