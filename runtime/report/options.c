// The command line of built executables.
#include <blo/driver.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_SOURCES = 64, MOST_DIMS = 64 };

typedef struct CommandLine {
  const char *program;
  int count, at;
  char **arguments;
  blo_run_options options;
  const char *sources[MOST_SOURCES];
  blo_dim dims[MOST_DIMS];
  char dim_names[MOST_DIMS][64];
} CommandLine;

static const char help_text[] =
    "usage: %s [options]\n"
    "  --data DIR|FILE|name=FILE      data files (.npy, .npz, CSV, IDX), matched by declared "
    "names; may be repeated\n"
    "  -D dim=SIZE                    a size that no data file gives\n"
    "  --seed N                       seed of all random draws\n"
    "  --out FILE.npz                 where results go (default NAME.results.npz; - for nowhere)\n"
    "  --log FILE.jsonl               one JSON object for each report\n"
    "  --plot FILE.svg                objectives and reports against steps\n"
    "  --checkpoint FILE              saves the state every minute and at the end\n"
    "  --resume FILE                  goes on from a checkpoint, bit for bit\n"
    "  --report-every N               steps between reports\n"
    "  --threads N                    threads to use; results do not depend on it\n"
    "  --quiet                        no progress\n"
    "  --help                         this text\n"
    "exit codes: 0 done, 1 error, 2 usage, 3 not converged or stopped, 4 diverged\n";

__attribute__((format(printf, 2, 3))) static int usage_error(const CommandLine *line,
                                                             const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fprintf(stderr, "%s: ", line->program);
  vfprintf(stderr, format, arguments);
  fprintf(stderr, "; --help lists the options\n");
  va_end(arguments);
  return BLO_EXIT_USAGE;
}

// The value of option `name`, given as `--name value` or `--name=value`; NULL when this is not it.
static const char *option_value(CommandLine *line, const char *name, bool *missing) {
  const char *argument = line->arguments[line->at];
  size_t length = strlen(name);
  if (strncmp(argument, name, length) != 0) return NULL;
  if (argument[length] == '=') return argument + length + 1;
  if (argument[length] != '\0') return NULL;
  if (line->at + 1 < line->count) return line->arguments[++line->at];
  *missing = true;
  return NULL;
}

static bool read_integer(const char *text, int64_t lowest, int64_t *value) {
  char *end;
  errno = 0;
  long long read = strtoll(text, &end, 10);
  *value = read;
  return errno == 0 && end != text && *end == '\0' && read >= lowest;
}

static int take_dim(CommandLine *line, const char *text) {
  const char *equals = strchr(text, '=');
  size_t length = equals ? (size_t)(equals - text) : 0, at = line->options.dim_count;
  if (!length || length >= sizeof line->dim_names[0] || at == MOST_DIMS)
    return usage_error(line, "-D needs dim=SIZE, not `%s`", text);
  memcpy(line->dim_names[at], text, length);
  line->dim_names[at][length] = '\0';
  line->dims[at].name = line->dim_names[at];
  for (size_t i = 0; i < at; i++)
    if (strcmp(line->dim_names[i], line->dim_names[at]) == 0)
      return usage_error(line, "-D %s is given twice", line->dim_names[at]);
  if (!read_integer(equals + 1, 0, &line->dims[at].value))
    return usage_error(line, "-D %s: the size is no number", text);
  line->options.dim_count++;
  return 0;
}

static int take_source(CommandLine *line, const char *source) {
  if (line->options.source_count == MOST_SOURCES)
    return usage_error(line, "too many data files at `%s`; name their folder", source);
  line->sources[line->options.source_count++] = source;
  return 0;
}

static int take_numbers(CommandLine *line, bool *taken, bool *missing) {
  blo_run_options *options = &line->options;
  const char *value;
  int64_t threads;
  *taken = true;
  if ((value = option_value(line, "--seed", missing))) {
    options->has_seed = true;
    if (!read_integer(value, INT64_MIN, &options->seed))
      return usage_error(line, "--seed needs a number, not `%s`", value);
  } else if ((value = option_value(line, "--report-every", missing))) {
    if (!read_integer(value, 1, &options->report_every))
      return usage_error(line, "--report-every needs a number above 0, not `%s`", value);
  } else if ((value = option_value(line, "--threads", missing))) {
    if (!read_integer(value, 1, &threads))
      return usage_error(line, "--threads needs a number above 0, not `%s`", value);
  } else {
    *taken = false;
  }
  return 0;
}

static int take_option(CommandLine *line) {
  static const struct {
    const char *name;
    size_t place;
  } files[] = {{"--out", offsetof(blo_run_options, out)},
               {"--log", offsetof(blo_run_options, log)},
               {"--plot", offsetof(blo_run_options, plot)},
               {"--checkpoint", offsetof(blo_run_options, checkpoint)},
               {"--resume", offsetof(blo_run_options, resume)}};
  const char *argument = line->arguments[line->at], *value;
  bool missing = false, taken;
  if (strcmp(argument, "--quiet") == 0) {
    line->options.quiet = true;
    return 0;
  }
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    if ((value = option_value(line, files[i].name, &missing))) {
      memcpy((char *)&line->options + files[i].place, &value, sizeof value);
      return 0;
    }
  }
  if ((value = option_value(line, "--data", &missing))) return take_source(line, value);
  if ((value = option_value(line, "-D", &missing))) return take_dim(line, value);
  if (!missing && strncmp(argument, "-D", 2) == 0) return take_dim(line, argument + 2);
  int code = take_numbers(line, &taken, &missing);
  if (taken) return code;
  if (missing) return usage_error(line, "`%s` needs a value", argument);
  if (argument[0] != '-' && line->options.source_count)
    return usage_error(line, "nothing says what `%s` is; write --data before each data file",
                       argument);
  return usage_error(line, "unknown option `%s`", argument);
}

int blo_main(const blo_program *program, int argc, char **argv) {
  CommandLine line = {
      .program = argc > 0 ? argv[0] : program->name, .count = argc, .at = 1, .arguments = argv};
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--help") != 0 && strcmp(argv[i], "-h") != 0) continue;
    printf(help_text, line.program);
    return BLO_EXIT_OK;
  }
  for (; line.at < line.count; line.at++) {
    int code = take_option(&line);
    if (code) return code;
  }
  line.options.sources = line.sources;
  line.options.dims = line.dims;
  return blo_run(program, &line.options);
}
