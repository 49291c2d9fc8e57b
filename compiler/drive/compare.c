// `bloc compare`: one problem, several solve blocks or methods, one table.
//
// Enters: a program and what to compare. Leaves: every competitor compiled by a pipeline of its
// own, for the same data, with counters of oracle calls; the runtime measures.
#include "drive/competitor.h"

#include "drive/runtime_options.h"

#include <stdio.h>
#include <string.h>

typedef struct Competitors {
  VEC(Competitor *) list;
  Competitor *reference;
} Competitors;

// The stage that a judge looks at: the last one of two levels, else the last one.
static const Node *judged_stage(const NodeList *items) {
  const Node *chosen = NULL;
  bool two_levels = false;
  for (size_t i = 0; i < items->count; i++) {
    if (items->data[i]->kind != ITEM_STAGE) continue;
    bool levels = false;
    const NodeList *parts = &items->data[i]->as.stage.items;
    for (size_t k = 0; k < parts->count; k++) levels |= parts->data[k]->kind == ITEM_LEVEL;
    if (chosen && two_levels && !levels) continue;
    chosen = items->data[i];
    two_levels = levels;
  }
  return chosen;
}

// Those of a stage with its name in front, but for the unnamed one.
static void add_blocks(Arena *arena, const NodeList *items, const char *stage, NameList *names) {
  for (size_t i = 0; i < items->count; i++) {
    if (items->data[i]->kind != ITEM_SOLVE) continue;
    const char *name = items->data[i]->as.solve.name.name;
    if (stage && name)
      VEC_PUSH(arena, names, arena_printf(arena, "%s.%s", stage, name));
    else
      VEC_PUSH(arena, names, name ? arena_string(arena, name, strlen(name)) : "");
  }
}

// The solve blocks of the file, "" for the unnamed ones. False after a message.
static bool solve_blocks(Arena *arena, const Options *options, NameList *names) {
  Pipeline p;
  bool sound = pipeline_front(&p, arena, options, options->files.data[0]);
  if (sound) add_blocks(arena, &p.file->as.file.items, NULL, names);
  const Node *stage = sound && !names->count ? judged_stage(&p.file->as.file.items) : NULL;
  if (stage) add_blocks(arena, &stage->as.stage.items, stage->as.stage.name.name, names);
  bool good = pipeline_report(&p) == 0 && sound;
  pipeline_destroy(&p);
  return good;
}

static int choose(Arena *arena, const Options *options, Competitors *chosen) {
  NameList names = {0};
  for (size_t i = 0; i < options->with.count; i++) VEC_PUSH(arena, &names, options->with.data[i]);
  if (!names.count && !solve_blocks(arena, options, &names)) return 1;
  for (size_t i = 0; i < names.count; i++) {
    Competitor *competitor = competitor_create(arena, options, names.data[i]);
    if (!competitor) return 2;
    VEC_PUSH(arena, &chosen->list, competitor);
  }
  if (options->reference) {
    chosen->reference = competitor_create_judge(arena, options, options->reference);
    if (!chosen->reference) return 2;
  }
  if (chosen->list.count) return 0;
  fprintf(stderr, "bloc: %s has no solve block; name methods by --with\n", options->files.data[0]);
  return 2;
}

static int measure(Arena *arena, const Options *options, const Competitors *chosen,
                   const RuntimeOptions *run) {
  blo_competitor *list = ARENA_ARRAY(arena, blo_competitor, chosen->list.count);
  bool parts = false;
  for (size_t i = 0; i < chosen->list.count; i++) {
    list[i] = competitor_program(chosen->list.data[i]);
    parts |= chosen->list.data[i]->in_parts;
  }
  const blo_run_options *o = &run->options;
  blo_compare_options compare = {
      .context = o->context,
      .data = o->data,
      .dims = o->dims,
      .dim_count = o->dim_count,
      .seed = o->has_seed ? o->seed : 0,
      .seeds = options->seeds,
      .points = options->points,
      .seconds = options->seconds,
      .reference = chosen->reference ? chosen->reference->pipeline.built->program : NULL,
      .reference_name =
          options->reference && options->reference[0] ? options->reference : "(unnamed)",
      .parts = parts,
      .title = chosen->list.data[0]->pipeline.name,
      .out = o->out,
      .plot = o->plot,
      .quiet = o->quiet,
      .errors = o->errors};
  return blo_compare(list, chosen->list.count, &compare);
}

// One that does not compile has a row that says so; it stops the others only where nothing is left
// to compare, or where the file itself is wrong. What is wrong with several is told once.
static int compile_all(const Competitors *chosen, RuntimeOptions *run) {
  const char *told = "";
  size_t refused = 0;
  for (size_t i = 0; i < chosen->list.count; i++) {
    Competitor *competitor = chosen->list.data[i];
    int status = competitor_compile(competitor, (CompetitorUse){.silent = true}, run);
    if (!status) continue;
    if (!competitor->refused || strcmp(competitor->refused, told) != 0)
      pipeline_report(&competitor->pipeline);
    if (!competitor->refused || ++refused == chosen->list.count) return status;
    told = competitor->refused;
  }
  return 0;
}

int verb_compare(Arena *arena, const Options *options) {
  RuntimeOptions run;
  Competitors chosen = {0};
  int status = runtime_options_parse(arena, options, &run);
  if (status) return status;
  status = choose(arena, options, &chosen);
  if (!status) status = compile_all(&chosen, &run);
  if (!status && chosen.reference)
    status = competitor_compile(chosen.reference, (CompetitorUse){0}, &run);
  if (!status) status = measure(arena, options, &chosen, &run);
  runtime_options_destroy(&run);
  for (size_t i = 0; i < chosen.list.count; i++) pipeline_destroy(&chosen.list.data[i]->pipeline);
  if (chosen.reference) pipeline_destroy(&chosen.reference->pipeline);
  return status;
}
