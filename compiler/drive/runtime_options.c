// `--data`, `--seed`, `--out` ... as blo_run_options. See runtime_options.h.
#include "drive/runtime_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool parse_count(const char *text, int64_t *value) {
  char *end;
  long long number = strtoll(text, &end, 10);
  if (end == text || *end || number < 0) return false;
  *value = number;
  return true;
}

static int take(Arena *arena, RuntimeOptions *run, const char *name, const char *value) {
  blo_run_options *o = &run->options;
  int64_t number = 0;
  if (!strcmp(name, "--data"))
    VEC_PUSH(arena, &run->sources, value);
  else if (!strcmp(name, "--out"))
    o->out = value;
  else if (!strcmp(name, "--log"))
    o->log = value;
  else if (!strcmp(name, "--plot"))
    o->plot = value;
  else if (!strcmp(name, "--checkpoint"))
    o->checkpoint = value;
  else if (!strcmp(name, "--resume"))
    o->resume = value;
  else if (!strcmp(name, "--quiet"))
    o->quiet = true;
  else if (!parse_count(value, &number)) {
    fprintf(stderr, "bloc: `%s` wants a whole number, not `%s`\n", name, value);
    return 2;
  } else if (!strcmp(name, "--seed")) {
    o->has_seed = true;
    o->seed = number;
  } else if (!strcmp(name, "--report-every")) {
    o->report_every = number;
  }
  return 0;
}

int runtime_options_parse(Arena *arena, const Options *options, RuntimeOptions *run) {
  *run = (RuntimeOptions){.arena = arena};
  for (size_t i = 0; i < options->runtime.count; i++) {
    const char *name = options->runtime.data[i];
    bool flag = !strcmp(name, "--quiet");
    int status = take(arena, run, name, flag ? NULL : options->runtime.data[++i]);
    if (status) return status;
  }
  for (size_t i = 0; i < options->dims.count; i++) {
    blo_dim dim = {options->dims.data[i].name, options->dims.data[i].value};
    VEC_PUSH(arena, &run->dims, dim);
  }
  run->options.errors = options->errors == ERRORS_JSON    ? BLO_ERRORS_JSON
                        : options->errors == ERRORS_SHORT ? BLO_ERRORS_SHORT
                                                          : BLO_ERRORS_HUMAN;
  run->options.sources = run->sources.data;
  run->options.source_count = run->sources.count;
  run->options.dims = run->dims.data;
  run->options.dim_count = run->dims.count;
  run->options.context = blo_context_create(NULL);
  if (!run->options.context) {
    fprintf(stderr, "bloc: out of memory\n");
    return 1;
  }
  return 0;
}

void runtime_options_destroy(RuntimeOptions *run) {
  blo_data_free(run->options.data);
  blo_context_destroy(run->options.context);
  run->options.data = NULL;
  run->options.context = NULL;
}
