// Reading the command line by tables. See options.h.
#include "drive/options.h"

#include "drive/cpu_names.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct VerbRow {
  const char *name, *arguments, *summary;
} VerbRow;

static const VerbRow verbs[] = {
    [VERB_RUN] = {"run", "program.blo [--data SOURCE]...", "compile in memory and solve"},
    [VERB_COMPARE] = {"compare", "program.blo [--data SOURCE]...",
                      "run several solve blocks or methods on one problem"},
    [VERB_CHECK] = {"check", "program.blo", "all static checks"},
    [VERB_TEST] = {"test", "program.blo|folder ...", "run the `test` blocks"},
    [VERB_BUILD] = {"build", "program.blo [-o NAME]",
                    "write an executable (--object: an object file)"},
    [VERB_EMIT] = {"emit", "program.blo --stage=STAGE",
                   "print a stage: tree, ir, opt, loop, c, llvm, llvm-opt, asm, manifest"},
    [VERB_EXPLAIN] = {"explain", "CODE", "what a diagnostic like E0301 means and how to mend it"},
};
enum { VERB_COUNT = sizeof verbs / sizeof *verbs };

#define ON(verb)  (1u << VERB_##verb)
#define RUNNING   (ON(RUN) | ON(COMPARE))
#define COMPILING (RUNNING | ON(CHECK) | ON(TEST) | ON(BUILD) | ON(EMIT))

typedef enum OptionId {
  OPTION_ERRORS,
  OPTION_STD,
  OPTION_SOLVE,
  OPTION_TARGET,
  OPTION_OUTPUT,
  OPTION_STAGE,
  OPTION_FILTER,
  OPTION_DIM,
  OPTION_SET,
  OPTION_INTERPRET,
  OPTION_UNFUSED,
  OPTION_OBJECT,
  OPTION_VERBOSE,
  OPTION_KERNELS,
  OPTION_WITH,
  OPTION_REFERENCE,
  OPTION_SEEDS,
  OPTION_POINTS,
  OPTION_SECONDS,
  OPTION_TOLERANCE,
  OPTION_GRADIENTS,
  OPTION_RUNTIME
} OptionId;

typedef struct OptionRow {
  const char *name;
  OptionId id;
  const char *value; // name of the value, NULL: a flag
  unsigned verbs;
  const char *summary;
} OptionRow;

// clang-format off
static const OptionRow option_rows[] = {
    {"--errors", OPTION_ERRORS, "human|short|json", COMPILING, "form of the messages"},
    {"--std", OPTION_STD, "DIR", COMPILING, "folder whose modules replace those of the library"},
    {"--solve", OPTION_SOLVE, "NAME", COMPILING, "the solve block to use (default: the unnamed one)"},
    {"--set", OPTION_SET, "KEY=EXPR", COMPILING, "replace a setting of the solve block"},
    {"-D", OPTION_DIM, "NAME=SIZE", COMPILING, "value of a dim"},
    {"--with", OPTION_WITH, "NAME|METHOD", ON(COMPARE) | ON(CHECK), "a solve block, or a method such as `soba(step = 0.1)`, and settings: `soba(); upper.iters = 10`; may be repeated"},
    {"--gradients", OPTION_GRADIENTS, NULL, ON(CHECK), "verify the hypergradient by differences and by a second method (--with); sizes by --data or -D"},
    {"--tolerance", OPTION_TOLERANCE, "T", ON(CHECK), "largest gap of --gradients (default: 1e-4, for f32 5e-2)"},
    {"--reference", OPTION_REFERENCE, "NAME|METHOD", ON(COMPARE), "who judges: F at the lower solution that this one finds"},
    {"--seeds", OPTION_SEEDS, "N", ON(COMPARE), "seeds to run, from --seed on (default: 5)"},
    {"--points", OPTION_POINTS, "N", ON(COMPARE), "how often a run is judged (default: 50)"},
    {"--seconds", OPTION_SECONDS, "S", ON(COMPARE), "a run ends after this time (default: no limit)"},
    {"--target", OPTION_TARGET, "CPU", ON(BUILD) | ON(EMIT) | RUNNING | ON(TEST), "native (run, test), x86-64-v3 (build), ..."},
    {"-o", OPTION_OUTPUT, "FILE", ON(BUILD), "name of what is written"},
    {"--object", OPTION_OBJECT, NULL, ON(BUILD), "write an object file, do not link"},
    {"--stage", OPTION_STAGE, "STAGE", ON(EMIT), "what to print"},
    {"--filter", OPTION_FILTER, "TEXT", ON(TEST), "only tests whose name contains TEXT"},
    {"--interpret", OPTION_INTERPRET, NULL, ON(RUN) | ON(TEST), "use the reference interpreter, slow and plain"},
    {"--unfused", OPTION_UNFUSED, NULL, ON(RUN) | ON(TEST) | ON(BUILD) | ON(EMIT), "one kernel an op, for comparing"},
    {"--kernels", OPTION_KERNELS, NULL, ON(RUN) | ON(TEST) | ON(BUILD), "print the kernel count and compile time"},
    {"-v", OPTION_VERBOSE, NULL, COMPILING, "say more"},
    {"--data", OPTION_RUNTIME, "SOURCE", RUNNING | ON(CHECK), "folder, file, or name=file; may be repeated"},
    {"--seed", OPTION_RUNTIME, "N", RUNNING | ON(TEST) | ON(CHECK), "seed of all random draws"},
    {"--threads", OPTION_RUNTIME, "N", ON(RUN), "threads to use; never changes a result"},
    {"--out", OPTION_RUNTIME, "FILE", RUNNING, "where the variables are written as npz (compare: all points as CSV, or FILE.json)"},
    {"--log", OPTION_RUNTIME, "FILE.jsonl", ON(RUN), "one JSON line a report"},
    {"--checkpoint", OPTION_RUNTIME, "FILE", ON(RUN), "write the state here at the end and when stopped"},
    {"--resume", OPTION_RUNTIME, "FILE", ON(RUN), "go on from a checkpoint"},
    {"--report-every", OPTION_RUNTIME, "N", ON(RUN), "steps between reports"},
    {"--plot", OPTION_RUNTIME, "FILE.svg", RUNNING, "plot of the run"},
    {"--quiet", OPTION_RUNTIME, NULL, RUNNING, "no progress"},
};
// clang-format on
enum { OPTION_ROWS = sizeof option_rows / sizeof *option_rows };

static void print_help(Verb verb) {
  if (verb == VERB_NONE) {
    printf("bloc compiles bilevel programs.\n\nusage: bloc VERB ...\n\n");
    for (int i = 1; i < VERB_COUNT; i++) printf("  %-8s %s\n", verbs[i].name, verbs[i].summary);
    printf("\n`bloc VERB --help` tells the options of a verb; `bloc --version` the version.\n"
           "exit status: 0 ok, 1 the program or its data is wrong, 2 usage, 3 not converged, 4 "
           "diverged, "
           "70 a bug of bloc\n");
    return;
  }
  printf("usage: bloc %s %s\n%s\n\n", verbs[verb].name, verbs[verb].arguments, verbs[verb].summary);
  for (int i = 0; i < OPTION_ROWS; i++) {
    const OptionRow *row = &option_rows[i];
    if (!(row->verbs & (1u << verb))) continue;
    char left[64];
    snprintf(left, sizeof left, "%s%s%s", row->name, row->value ? " " : "",
             row->value ? row->value : "");
    printf("  %-26s %s\n", left, row->summary);
  }
}

static int usage(const char *format, const char *a, const char *b) {
  fputs("bloc: ", stderr);
  fprintf(stderr, format, a, b);
  fputs("\n      `bloc --help` lists verbs, `bloc VERB --help` their options\n", stderr);
  return 2;
}

static bool parse_dim(const char *text, Arena *arena, DimValue *dim) {
  const char *equal = strchr(text, '=');
  if (!equal || equal == text) return false;
  char *end;
  long long value = strtoll(equal + 1, &end, 10);
  if (*end || end == equal + 1 || value < 0 || value > (1LL << 40)) return false;
  dim->name = arena_string(arena, text, (size_t)(equal - text));
  dim->value = value;
  return true;
}

static bool is_folder(const char *path) {
  struct stat status;
  return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static int unknown_cpu(Arena *arena, const char *name) {
  const char *near = cpu_nearest(name);
  return usage(
      "--target: no CPU is called `%s`; %s", name,
      near ? arena_printf(arena, "did you mean `%s`?", near)
           : "it is native, x86-64-v2, x86-64-v3, x86-64-v4 or a name such as skylake or znver3");
}

static bool parse_number(const char *text, double least, double *number) {
  char *end;
  *number = strtod(text, &end);
  return end != text && !*end && *number >= least && *number < 1e15;
}

static int apply_judge_option(Arena *arena, Options *options, const OptionRow *row,
                              const char *value) {
  double number = 0.0;
  bool counts = row->id == OPTION_SEEDS || row->id == OPTION_POINTS;
  bool numeric = counts || row->id == OPTION_SECONDS || row->id == OPTION_TOLERANCE;
  bool good = !numeric || parse_number(value, counts ? 1.0 : 1e-300, &number);
  if (!good || (counts && number != (double)(int64_t)number))
    return usage(counts ? "`%s` wants a whole number of 1 or more, not `%s`"
                        : "`%s` wants a positive number, not `%s`",
                 row->name, value);
  if (row->id == OPTION_WITH) VEC_PUSH(arena, &options->with, value);
  if (row->id == OPTION_REFERENCE) options->reference = value;
  if (row->id == OPTION_SEEDS) options->seeds = (int64_t)number;
  if (row->id == OPTION_POINTS) options->points = (int64_t)number;
  if (row->id == OPTION_SECONDS) options->seconds = number;
  if (row->id == OPTION_TOLERANCE) options->tolerance = number;
  return 0;
}

static int apply_errors(Options *options, const char *value) {
  static const char *const forms[] = {
      [ERRORS_HUMAN] = "human", [ERRORS_SHORT] = "short", [ERRORS_JSON] = "json"};
  for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
    if (strcmp(value, forms[i]) != 0) continue;
    options->errors = (ErrorFormat)i;
    return 0;
  }
  return usage("--errors is human, short or json, not `%s`%s", value, "");
}

static int apply_dim(Arena *arena, Options *options, const char *value) {
  DimValue dim;
  if (!parse_dim(value, arena, &dim)) return usage("-D wants name=size, not `%s`%s", value, "");
  for (size_t i = 0; i < options->dims.count; i++)
    if (!strcmp(options->dims.data[i].name, dim.name))
      return usage("-D %s is given twice%s", dim.name, "");
  VEC_PUSH(arena, &options->dims, dim);
  return 0;
}

static int apply_set(Arena *arena, Options *options, const char *value) {
  const char *equal = strchr(value, '=');
  if (!equal || equal == value) return usage("--set wants key=expression, not `%s`%s", value, "");
  SettingOverride override = {arena_string(arena, value, (size_t)(equal - value)), equal + 1};
  VEC_PUSH(arena, &options->overrides, override);
  return 0;
}

// Options whose place is a member: text as it was given, or a flag; else both are NULL.
typedef struct OptionPlace {
  const char **text;
  bool *flag;
} OptionPlace;

static OptionPlace option_place(Options *options, OptionId id) {
  switch (id) {
  case OPTION_SOLVE:
    return (OptionPlace){.text = &options->solve};
  case OPTION_OUTPUT:
    return (OptionPlace){.text = &options->output};
  case OPTION_STAGE:
    return (OptionPlace){.text = &options->stage};
  case OPTION_FILTER:
    return (OptionPlace){.text = &options->filter};
  case OPTION_INTERPRET:
    return (OptionPlace){.flag = &options->interpret};
  case OPTION_UNFUSED:
    return (OptionPlace){.flag = &options->unfused};
  case OPTION_OBJECT:
    return (OptionPlace){.flag = &options->object};
  case OPTION_KERNELS:
    return (OptionPlace){.flag = &options->kernels};
  case OPTION_GRADIENTS:
    return (OptionPlace){.flag = &options->gradients};
  case OPTION_VERBOSE:
    return (OptionPlace){.flag = &options->verbose};
  default:
    return (OptionPlace){0};
  }
}

static int apply_option(Arena *arena, Options *options, const OptionRow *row, const char *value) {
  OptionPlace place = option_place(options, row->id);
  if (place.text) *place.text = value;
  if (place.flag) *place.flag = true;
  if (place.text || place.flag) return 0;
  switch (row->id) {
  case OPTION_ERRORS:
    return apply_errors(options, value);
  case OPTION_STD:
    if (!is_folder(value)) return usage("--std %s: there is no such folder%s", value, "");
    options->library = value;
    return 0;
  case OPTION_TARGET:
    if (!cpu_known(value)) return unknown_cpu(arena, value);
    options->target = value;
    return 0;
  case OPTION_DIM:
    return apply_dim(arena, options, value);
  case OPTION_SET:
    return apply_set(arena, options, value);
  case OPTION_RUNTIME:
    VEC_PUSH(arena, &options->runtime, row->name);
    if (row->value) VEC_PUSH(arena, &options->runtime, value);
    return 0;
  default:
    return apply_judge_option(arena, options, row, value);
  }
}

static const OptionRow *find_option(const char *argument, size_t length, Verb verb) {
  for (int i = 0; i < OPTION_ROWS; i++)
    if ((option_rows[i].verbs & (1u << verb)) && strlen(option_rows[i].name) == length &&
        memcmp(option_rows[i].name, argument, length) == 0)
      return &option_rows[i];
  return NULL;
}

static int option_at(Arena *arena, int argc, char **argv, int *position, Options *options) {
  const char *argument = argv[*position];
  if (argument[1] == 'D' && argument[2]) // -Dn=100
    return apply_option(arena, options, find_option("-D", 2, options->verb), argument + 2);
  const char *equal = argument[1] == '-' ? strchr(argument, '=') : NULL;
  size_t length = equal ? (size_t)(equal - argument) : strlen(argument);
  const OptionRow *row = find_option(argument, length, options->verb);
  if (!row) return usage("`bloc %s` has no option `%s`", verbs[options->verb].name, argument);
  if (!row->value) {
    if (equal) return usage("`%s` takes no value%s", row->name, "");
    return apply_option(arena, options, row, NULL);
  }
  const char *value = equal ? equal + 1 : NULL;
  if (!value && *position + 1 < argc) value = argv[++*position];
  if (!value) return usage("`%s` wants a value: %s", row->name, row->value);
  return apply_option(arena, options, row, value);
}

int options_parse(Arena *arena, int argc, char **argv, Options *options, bool *done) {
  *options =
      (Options){.seeds = 5, .points = 50, .color = isatty(STDERR_FILENO) && !getenv("NO_COLOR")};
  *done = true;
  if (argc < 2) return usage("a verb is missing%s%s", "", "");
  if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
    return print_help(VERB_NONE), 0;
  if (!strcmp(argv[1], "--version")) return printf("bloc %s\n", BLO_VERSION), 0;
  for (int i = 1; i < VERB_COUNT; i++)
    if (!strcmp(argv[1], verbs[i].name)) options->verb = (Verb)i;
  const char *ending = strrchr(argv[1], '.');
  bool program = ending && !strcmp(ending, ".blo");
  if (options->verb == VERB_NONE)
    return usage("there is no verb `%s`%s", argv[1], program ? "; did you mean `bloc run`?" : "");
  for (int i = 2; i < argc; i++) {
    if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) return print_help(options->verb), 0;
    if (argv[i][0] == '-' && argv[i][1]) {
      int status = option_at(arena, argc, argv, &i, options);
      if (status) return status;
    } else {
      VEC_PUSH(arena, &options->files, argv[i]);
    }
  }
  *done = false;
  if (!options->files.count)
    return usage("`bloc %s` wants %s", argv[1], verbs[options->verb].arguments);
  if (options->files.count > 1 && options->verb == VERB_EXPLAIN)
    return usage("`bloc explain` takes one code, `%s` is a second%s", options->files.data[1], "");
  if (options->files.count > 1 && (RUNNING & (1u << options->verb)))
    return usage(
        "`bloc %s` takes one program, `%s` is a second (write --data before each data file)",
        argv[1], options->files.data[1]);
  if (options->files.count > 1 && options->verb != VERB_TEST)
    return usage("`bloc %s` takes one program, `%s` is a second", argv[1], options->files.data[1]);
  return 0;
}
