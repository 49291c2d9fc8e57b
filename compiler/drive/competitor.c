// Compiling solve blocks and methods for comparisons and checks. See competitor.h.
#include "drive/competitor.h"

#include <string.h>

Competitor *competitor_create(Arena *arena, const Options *options, const char *name) {
  Competitor *competitor = ARENA_NEW(arena, Competitor);
  competitor->name = name;
  competitor->options = *options;
  bool method = strchr(name, '(') != NULL; // no solve block is called so
  if (!method) {
    competitor->options.solve = name[0] ? name : NULL;
    return competitor;
  }
  // a list of its own: the growth of one must not write into another
  competitor->options.overrides.data = NULL;
  competitor->options.overrides.count = competitor->options.overrides.capacity = 0;
  for (size_t i = 0; i < options->overrides.count; i++)
    VEC_PUSH(arena, &competitor->options.overrides, options->overrides.data[i]);
  SettingOverride chosen = {"method", name};
  VEC_PUSH(arena, &competitor->options.overrides, chosen);
  return competitor;
}

int competitor_compile(Competitor *competitor, CompetitorUse use, RuntimeOptions *run) {
  Pipeline *p = &competitor->pipeline;
  const Options *options = &competitor->options;
  int status = 1;
  if (pipeline_front(p, run->arena, options, options->files.data[0])) {
    BuildOptions build = pipeline_build_options(p);
    build.count_oracles = build.values = true;
    build.synthetic = use.synthetic;
    status = pipeline_compile_for_data(p, &build, run);
  }
  if (status && use.silent) return status;
  int reported = pipeline_report(p);
  return status ? status : reported;
}

blo_competitor competitor_program(const Competitor *competitor) {
  const char *name = competitor->name[0] ? competitor->name : "(unnamed)";
  return (blo_competitor){name, competitor->pipeline.built->program};
}
