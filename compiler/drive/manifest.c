// Prints a blo_program as JSON (`bloc emit --stage=manifest`). See manifest.h.
#include "drive/manifest.h"

#include "ir/ir.h"

static void add_string(TextBuffer *out, const char *text) {
  text_add(out, "\"");
  for (const unsigned char *c = (const unsigned char *)(text ? text : ""); *c; c++) {
    if (*c == '"' || *c == '\\')
      text_addf(out, "\\%c", *c);
    else if (*c < 0x20)
      text_addf(out, "\\u%04x", *c);
    else
      text_add_range(out, (const char *)c, 1);
  }
  text_add(out, "\"");
}

static void add_member(TextBuffer *out, const char *name, const char *text) {
  text_addf(out, "\"%s\": ", name);
  add_string(out, text);
}

static void add_type(TextBuffer *out, int32_t dtype, int32_t rank) {
  text_addf(out, ", \"dtype\": \"%s\", \"rank\": %d", dtype_text((Dtype)dtype), rank);
}

static void add_dims(TextBuffer *out, const blo_program *program) {
  text_add(out, "  \"dims\": [");
  for (size_t i = 0; i < program->dim_count; i++) {
    text_add(out, i ? ", {" : "{");
    add_member(out, "name", program->dims[i]);
    if (program->dim_values && program->dim_values[i] >= 0)
      text_addf(out, ", \"value\": %lld", (long long)program->dim_values[i]);
    text_add(out, "}");
  }
  text_add(out, "],\n");
}

static void add_data(TextBuffer *out, const blo_program *program) {
  text_add(out, "  \"data\": [");
  for (size_t i = 0; i < program->data_count; i++) {
    const blo_data *data = &program->data[i];
    text_add(out, i ? ",\n    {" : "\n    {");
    add_member(out, "name", data->name);
    text_add(out, ", ");
    add_member(out, "type", data->shape_text);
    if (data->classes) text_addf(out, ", \"classes\": %lld", (long long)data->classes);
    if (data->computed) text_add(out, ", \"computed\": true");
    text_add(out, "}");
  }
  text_add(out, "],\n");
}

static void add_reports(TextBuffer *out, const char *name, const blo_report *reports,
                        size_t count) {
  text_addf(out, ",\n     \"%s\": [", name);
  for (size_t i = 0; i < count; i++) {
    text_add(out, i ? ", {" : "{");
    add_member(out, "name", reports[i].name);
    add_type(out, reports[i].dtype, reports[i].rank);
    text_add(out, "}");
  }
  text_add(out, "]");
}

static void add_stage(TextBuffer *out, const blo_stage *stage) {
  text_add(out, "\n    {");
  add_member(out, "name", stage->name);
  text_add(out, ", ");
  add_member(out, "solve", stage->solve);
  text_addf(out, ", \"iterations\": %lld,\n     \"state\": [", (long long)stage->iterations);
  for (size_t i = 0; i < stage->state_count; i++) {
    const blo_leaf *leaf = &stage->state[i];
    text_add(out, i ? ", {" : "{");
    add_member(out, "name", leaf->name);
    add_type(out, leaf->dtype, leaf->rank);
    if (leaf->result) text_add(out, ", \"result\": true");
    text_add(out, "}");
  }
  text_add(out, "]");
  add_reports(out, "reports", stage->reports, stage->report_count);
  add_reports(out, "finals", stage->finals, stage->final_count);
  text_add(out, "}");
}

void manifest_print(TextBuffer *out, const blo_program *program) {
  text_add(out, "{\n  ");
  add_member(out, "name", program->name);
  text_addf(out, ", \"abi\": %d,\n", program->abi);
  add_dims(out, program);
  add_data(out, program);
  text_add(out, "  \"stages\": [");
  for (size_t i = 0; i < program->stage_count; i++) {
    if (i) text_add(out, ",");
    add_stage(out, &program->stages[i]);
  }
  text_add(out, "],\n  \"entries\": [");
  for (size_t i = 0; i < program->entry_count; i++) {
    const blo_entry *entry = &program->entries[i];
    text_add(out, i ? ",\n    {" : "\n    {");
    add_member(out, "name", entry->name);
    text_addf(out, ", \"inputs\": %zu, \"outputs\": %zu, \"slots\": %zu}", entry->input_count,
              entry->output_count, entry->slot_count);
  }
  text_add(out, "]\n}\n");
}
