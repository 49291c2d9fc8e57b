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

// Those of a stage with its name in front; what its unnamed one is called with the others.
static void add_blocks(Arena *arena, const NodeList *items, const char *stage, NameList *names) {
  for (size_t i = 0; i < items->count; i++) {
    if (items->data[i]->kind != ITEM_SOLVE) continue;
    const char *name = items->data[i]->as.solve.name.name;
    if (stage && name)
      VEC_PUSH(arena, names, arena_printf(arena, "%s.%s", stage, name));
    else if (!stage)
      VEC_PUSH(arena, names, name ? arena_string(arena, name, strlen(name)) : "");
  }
}

// The solve blocks of the file, "" for the unnamed ones. False after a message.
static bool solve_blocks(Arena *arena, const Options *options, NameList *names) {
  Pipeline p;
  bool sound = pipeline_front(&p, arena, options, options->files.data[0]);
  if (sound) add_blocks(arena, &p.file->as.file.items, NULL, names);
  bool levels = names->count > 0, stages = false;
  for (size_t i = 0; sound && i < p.file->as.file.items.count; i++) {
    const Node *item = p.file->as.file.items.data[i];
    if (item->kind != ITEM_STAGE) continue;
    if (!levels && !stages) VEC_PUSH(arena, names, "");
    stages = true;
    add_blocks(arena, &item->as.stage.items, item->as.stage.name.name, names);
  }
  bool good = pipeline_report(&p) == 0 && sound;
  pipeline_destroy(&p);
  return good;
}

static int choose(Arena *arena, const Options *options, Competitors *chosen) {
  NameList blocks = {0};
  if (options->with.count) {
    for (size_t i = 0; i < options->with.count; i++)
      VEC_PUSH(arena, &chosen->list, competitor_create(arena, options, options->with.data[i]));
  } else {
    if (!solve_blocks(arena, options, &blocks)) return 1;
    for (size_t i = 0; i < blocks.count; i++)
      VEC_PUSH(arena, &chosen->list, competitor_create(arena, options, blocks.data[i]));
  }
  if (options->reference) {
    chosen->reference = competitor_create(arena, options, options->reference);
    // --set is about who competes; the judge stays as the file says.
    chosen->reference->options.overrides.count = 0;
  }
  if (chosen->list.count) return 0;
  fprintf(stderr, "bloc: %s has no solve block; name methods by --with\n", options->files.data[0]);
  return 2;
}

static int measure(Arena *arena, const Options *options, const Competitors *chosen,
                   const RuntimeOptions *run) {
  blo_competitor *list = ARENA_ARRAY(arena, blo_competitor, chosen->list.count);
  for (size_t i = 0; i < chosen->list.count; i++) {
    list[i] = competitor_program(chosen->list.data[i]);
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
      .title = list[0].program->name,
      .out = o->out,
      .plot = o->plot,
      .quiet = o->quiet,
      .errors = o->errors};
  return blo_compare(list, chosen->list.count, &compare);
}

int verb_compare(Arena *arena, const Options *options) {
  RuntimeOptions run;
  Competitors chosen = {0};
  int status = runtime_options_parse(arena, options, &run);
  if (status) return status;
  status = choose(arena, options, &chosen);
  for (size_t i = 0; i < chosen.list.count && !status; i++)
    status = competitor_compile(chosen.list.data[i], (CompetitorUse){0}, &run);
  if (!status && chosen.reference)
    status = competitor_compile(chosen.reference, (CompetitorUse){0}, &run);
  if (!status) status = measure(arena, options, &chosen, &run);
  runtime_options_destroy(&run);
  for (size_t i = 0; i < chosen.list.count; i++) pipeline_destroy(&chosen.list.data[i]->pipeline);
  if (chosen.reference) pipeline_destroy(&chosen.reference->pipeline);
  return status;
}
