// A description that outlives its compilation. See program_copy.h.
#include "drive/program_copy.h"

#include <string.h>

typedef struct Copy {
  Arena *arena;
  const blo_program *from;
  blo_entry *entries;
} Copy;

static const char *copy_text(Copy *c, const char *text) {
  return text ? arena_string(c->arena, text, strlen(text)) : NULL;
}

static void *copy_bytes(Copy *c, const void *from, size_t bytes) {
  if (!from) return NULL;
  char *to = ARENA_ARRAY(c->arena, char, bytes + 1);
  memcpy(to, from, bytes);
  return to;
}
#define COPY_ARRAY(c, from, count) copy_bytes(c, from, (count) * sizeof *(from))

static void copy_size(Copy *c, blo_size *size) {
  size->words = COPY_ARRAY(c, size->words, size->count);
}

static const blo_size *copy_shape(Copy *c, const blo_size *from, int32_t rank) {
  blo_size *shape = COPY_ARRAY(c, from, (size_t)rank);
  for (int32_t i = 0; i < rank; i++) copy_size(c, &shape[i]);
  return shape;
}

static const char *const *copy_names(Copy *c, const char *const *from, size_t count) {
  const char **names = ARENA_ARRAY(c->arena, const char *, count + 1);
  for (size_t i = 0; i < count; i++) names[i] = copy_text(c, from[i]);
  return names;
}

static const blo_value *copy_values(Copy *c, const blo_value *from, size_t count) {
  blo_value *values = COPY_ARRAY(c, from, count);
  for (size_t i = 0; i < count; i++) {
    values[i].name = copy_text(c, values[i].name);
    values[i].shape = copy_shape(c, values[i].shape, values[i].rank);
  }
  return values;
}

static void copy_entry(Copy *c, blo_entry *entry) {
  entry->name = copy_text(c, entry->name);
  entry->inputs = copy_values(c, entry->inputs, entry->input_count);
  entry->outputs = copy_values(c, entry->outputs, entry->output_count);
  blo_buffer *slots = COPY_ARRAY(c, entry->slots, entry->slot_count);
  for (size_t i = 0; i < entry->slot_count; i++) copy_size(c, &slots[i].bytes);
  entry->slots = slots;
}

// The copy of an entry that is referred to.
static const blo_entry *same_entry(const Copy *c, const blo_entry *from) {
  return from ? &c->entries[from - c->from->entries] : NULL;
}

static const blo_report *copy_reports(Copy *c, const blo_report *from, size_t count) {
  blo_report *reports = COPY_ARRAY(c, from, count);
  for (size_t i = 0; i < count; i++) {
    reports[i].name = copy_text(c, reports[i].name);
    reports[i].shape = copy_shape(c, reports[i].shape, reports[i].rank);
  }
  return reports;
}

static void copy_stage(Copy *c, blo_stage *stage) {
  stage->name = copy_text(c, stage->name);
  stage->solve = copy_text(c, stage->solve);
  blo_leaf *leaves = COPY_ARRAY(c, stage->state, stage->state_count);
  for (size_t i = 0; i < stage->state_count; i++) {
    leaves[i].name = copy_text(c, leaves[i].name);
    leaves[i].shape = copy_shape(c, leaves[i].shape, leaves[i].rank);
  }
  stage->state = leaves;
  stage->reports = copy_reports(c, stage->reports, stage->report_count);
  stage->finals = copy_reports(c, stage->finals, stage->final_count);
  stage->init = same_entry(c, stage->init);
  stage->step = same_entry(c, stage->step);
  stage->finish = same_entry(c, stage->finish);
  stage->after = same_entry(c, stage->after);
}

static const blo_data *copy_data(Copy *c, const blo_data *from, size_t count) {
  blo_data *data = COPY_ARRAY(c, from, count);
  for (size_t i = 0; i < count; i++) {
    data[i].name = copy_text(c, data[i].name);
    data[i].place = copy_text(c, data[i].place);
    data[i].shape_text = copy_text(c, data[i].shape_text);
    data[i].shape = copy_shape(c, data[i].shape, data[i].rank);
  }
  return data;
}

static void copy_messages(Copy *c, blo_program *to) {
  blo_note *notes = COPY_ARRAY(c, to->notes, to->note_count);
  for (size_t i = 0; i < to->note_count; i++)
    notes[i] = (blo_note){copy_text(c, notes[i].code), copy_text(c, notes[i].text),
                          copy_text(c, notes[i].place)};
  to->notes = notes;
  blo_condition *conditions = COPY_ARRAY(c, to->conditions, to->condition_count);
  for (size_t i = 0; i < to->condition_count; i++) {
    copy_size(c, &conditions[i].dividend);
    conditions[i].text = copy_text(c, conditions[i].text);
    conditions[i].place = copy_text(c, conditions[i].place);
  }
  to->conditions = conditions;
}

const blo_program *program_copy(Arena *arena, const blo_program *from) {
  Copy c = {.arena = arena, .from = from};
  blo_program *to = copy_bytes(&c, from, sizeof *from);
  c.entries = COPY_ARRAY(&c, from->entries, from->entry_count);
  for (size_t i = 0; i < from->entry_count; i++) copy_entry(&c, &c.entries[i]);
  to->entries = c.entries;
  to->name = copy_text(&c, from->name);
  to->target = copy_text(&c, from->target);
  to->dims = copy_names(&c, from->dims, from->dim_count);
  to->dim_values = COPY_ARRAY(&c, from->dim_values, from->dim_count);
  to->data = copy_data(&c, from->data, from->data_count);
  to->data_entry = same_entry(&c, from->data_entry);
  blo_stage *stages = COPY_ARRAY(&c, from->stages, from->stage_count);
  for (size_t i = 0; i < from->stage_count; i++) copy_stage(&c, &stages[i]);
  to->stages = stages;
  to->tests = NULL;
  to->test_count = 0;
  copy_messages(&c, to);
  return to;
}
