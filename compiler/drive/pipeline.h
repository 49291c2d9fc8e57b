// The corridor: text, tree, IR, loops, machine code, each room once and in order.
//
// Enters: a path and options. Leaves: at each stage what the next one wants; verbs stop where they
// like.
#ifndef BLO_DRIVE_PIPELINE_H
#define BLO_DRIVE_PIPELINE_H

#include "build/build.h"
#include "drive/library.h"
#include "drive/options.h"
#include "emit/emit.h"

typedef struct Pipeline {
  Arena *arena; // of the driver; the compilation has its own
  const Options *options;
  const char *name; // of the program: the file's, as an identifier
  Library library;
  Compilation *compilation;
  Node *file;
  Program *program;
  Built *built;
  VEC(Schedule *) schedules; // one per entry
  EmitModule *module;
  EmitCode *code;
  int kernels;    // distinct kernels emitted
  double seconds; // spent in pipeline_* calls
} Pipeline;

/// Reads and checks `path`. False when there is nothing to go on with: an unreadable file (message
/// printed), or mistakes other than unknown names (in the diagnostics).
bool pipeline_front(Pipeline *pipeline, Arena *arena, const Options *options, const char *path);
/// Evaluates the program: `built`. `dims` replaces the options' dims when not NULL.
bool pipeline_build(Pipeline *pipeline, const BuildOptions *build);
BuildOptions pipeline_build_options(const Pipeline *pipeline);
struct RuntimeOptions;
/// Binds the dims by the data files, which are loaded if they are not yet, and builds the stages
/// for these sizes into code in memory. 0, or the exit status after a message.
int pipeline_compile_for_data(Pipeline *pipeline, BuildOptions *build, struct RuntimeOptions *run);
/// Optimises the IR of all entries.
void pipeline_optimize(Pipeline *pipeline);
/// Lowers, plans and emits all entries into `module`.
void pipeline_emit(Pipeline *pipeline, const char *cpu);
/// Compiles in memory and fills `run` and the slots of every entry; or points them at the
/// interpreter.
bool pipeline_jit(Pipeline *pipeline);
void pipeline_interpret(Pipeline *pipeline);
/// Fills the program's notes from the module's table; after everything that may add rows.
void pipeline_describe_notes(Pipeline *pipeline);
/// The program, ready to run, and nothing else: trees, IR and plans are given back. (The interpreter
/// runs the IR, so then they stay.)
const blo_program *pipeline_keep_program(Pipeline *pipeline);
/// Prints diagnostics to stderr and gives the exit status so far: 0, or 1 when there are errors.
int pipeline_report(Pipeline *pipeline);
void pipeline_destroy(Pipeline *pipeline);

/// The verbs; each returns the exit status.
int verb_run(Arena *arena, const Options *options);
int verb_compare(Arena *arena, const Options *options);
int verb_check(Arena *arena, const Options *options);
int verb_test(Arena *arena, const Options *options);
int verb_build(Arena *arena, const Options *options);
int verb_emit(Arena *arena, const Options *options);
int verb_explain(Arena *arena, const Options *options);
/// Part of `bloc check -v`, on an optimised program.
void print_comprehensions(Pipeline *pipeline);
/// Part of `bloc check`: verifies the hypergradient numerically. The exit status.
int check_gradients(Arena *arena, const Options *options);
/// bloc's main: parses the command line and runs the verb.
int drive_main(int argc, char **argv);

#endif
