// The description of a program: rows of blo_program from what was built.
//
// Enters: declarations, entries, stages, tests. Leaves: constant data whose pointers all lead into
// the compilation's arena; `run` of every entry is NULL.
#include "build/program.h"

#include <ctype.h>
#include <string.h>

// ---- dims and data

static bool has_word(const char *text, const char *word) {
  size_t length = strlen(word);
  for (const char *at = strstr(text, word); at; at = strstr(at + 1, word)) {
    bool begins = at == text || !(isalnum((unsigned char)at[-1]) || at[-1] == '_');
    if (begins && !isalnum((unsigned char)at[length]) && at[length] != '_') return true;
  }
  return false;
}

// A dim given on the command line is a number in the program: the text says where it is from. Dims
// that data files bound are said by those who read the files.
static const char *with_given_dims(Build *b, const char *text) {
  const char *result = text;
  for (size_t i = 0; i < b->options->dim_count; i++) {
    const DimValue *dim = &b->options->dims[i];
    if (!dim->from_data && has_word(text, dim->name))
      result = arena_printf(b->arena, "%s, and %s = %lld was given by -D", result, dim->name,
                            (long long)dim->value);
  }
  return result;
}

// Text of a data declaration as written: `f64[n, d]`, with the rows of its table in front.
static const char *shape_text(Build *b, const Field *field) {
  const Node *type = field->node->as.field.type;
  const Source *source = source_get(b->compilation->sources, type->span.source);
  const char *text = source->text + type->span.start;
  int length = (int)(type->span.end - type->span.start);
  if (!field->in_table) return arena_printf(b->arena, "%.*s", length, text);
  Span rows = field->data->as.data.extent->span;
  const char *extent = source->text + rows.start;
  int extent_length = (int)(rows.end - rows.start);
  const char *bracket = memchr(text, '[', (size_t)length);
  if (!bracket) return arena_printf(b->arena, "%.*s[%.*s]", length, text, extent_length, extent);
  int head = (int)(bracket - text);
  return arena_printf(b->arena, "%.*s[%.*s, %.*s", head, text, extent_length, extent,
                      length - head - 1, bracket + 1);
}

static void describe_dims(Context *c, blo_program *program, const Name **atoms,
                          size_t *atom_count) {
  Build *b = c->build;
  Name *names = ARENA_ARRAY(b->arena, Name, b->dims.count + 1);
  int64_t *values = ARENA_ARRAY(b->arena, int64_t, b->dims.count + 1);
  size_t count = 0;
  for (size_t i = 0; i < b->dims.count; i++) {
    const Node *part = b->dims.data[i];
    const Dim *dim = context_dim(c, part, part->span);
    if (!dim) continue;
    int64_t value = -1;
    bool constant = dim_is_const(dim, &value);
    if (!constant && part->as.dim.value) continue; // follows from others
    if (constant && value < 0)
      report(build_diagnostics(b), E0309, part->span, "the dim `%s` is negative",
             part->as.dim.name.name);
    names[count] = part->as.dim.name.name;
    values[count++] = constant ? value : -1;
  }
  program->dims = names;
  program->dim_values = values;
  program->dim_count = count;
  *atoms = names;
  *atom_count = count;
}

// One row per leaf; of a struct, the leaf's own type is the text.
static blo_data describe_leaf(Context *c, const FieldValue *value, size_t leaf, const Name *atoms,
                              size_t atom_count) {
  Build *b = c->build;
  const Field *field = value->field;
  const Type *type = value->types.data[leaf];
  bool whole = value->spec->kind == SPEC_TENSOR;
  const char *text = whole ? shape_text(b, field) : type_text(c->module, type);
  return (blo_data){.name = value->names.data[leaf],
                    .place = place_text(b, field->node->span),
                    .dtype = (int32_t)type->dtype,
                    .rank = type->rank,
                    .shape = describe_shape(b, type, atoms, atom_count),
                    .shape_text = with_given_dims(b, text),
                    .computed = field->computed || b->options->synthetic};
}

static void describe_data(Context *c, blo_program *program, const Name *atoms, size_t atom_count) {
  Build *b = c->build;
  size_t count = 0;
  for (size_t i = 0; i < b->fields.count; i++) {
    const FieldValue *value = field_declared(c, &b->fields.data[i]);
    count += value ? value->types.count : 1;
  }
  blo_data *rows = ARENA_ARRAY(b->arena, blo_data, count + 1);
  for (size_t i = 0; i < b->fields.count; i++) {
    const FieldValue *value = field_declared(c, &b->fields.data[i]);
    for (size_t k = 0; value && k < value->types.count; k++) {
      blo_data *row = &rows[value->row + (int)k];
      *row = describe_leaf(c, value, k, atoms, atom_count);
      int64_t classes;
      if (value->classes && dim_is_const(value->classes, &classes)) row->classes = classes;
    }
  }
  program->data = rows;
  program->data_count = count;
}

void declare_describe(Context *c, blo_program *program, const Name **atoms, size_t *atom_count) {
  describe_dims(c, program, atoms, atom_count);
  describe_data(c, program, *atoms, *atom_count);
}

void describe_conditions(Context *c, blo_program *program, const Name *atoms, size_t atom_count) {
  Build *b = c->build;
  DimTable *dims = c->module->dims;
  size_t count = dim_condition_count(dims);
  const DimCondition *conditions = dim_conditions(dims);
  blo_condition *rows = ARENA_ARRAY(b->arena, blo_condition, count + 1);
  size_t kept = 0;
  for (size_t i = 0; i < count; i++) {
    const DimCondition *condition = &conditions[i];
    int64_t constant;
    if (dim_is_const(condition->dividend, &constant) &&
        (condition->divisor ? constant % condition->divisor == 0 : constant >= 0))
      continue;
    const char *text = dim_text(dims, condition->dividend);
    blo_condition *row = &rows[kept++];
    row->dividend.count =
        dim_compile(b->arena, condition->dividend, atoms, atom_count, &row->dividend.words);
    row->divisor = condition->divisor;
    row->text = condition->divisor
                    ? arena_printf(b->arena, "%lld divides %s", (long long)condition->divisor, text)
                    : arena_printf(b->arena, "%s is not negative", text);
    row->place = place_text(b, condition->span);
  }
  program->conditions = rows;
  program->condition_count = kept;
}

static void describe_notes(Context *c, blo_program *program) {
  Build *b = c->build;
  size_t count = c->module->notes.count;
  blo_note *rows = ARENA_ARRAY(b->arena, blo_note, count + 1);
  for (size_t i = 0; i < count; i++) {
    const ModuleNote *note = &c->module->notes.data[i];
    rows[i] = (blo_note){.code = error_code_text((ErrorCode)note->code),
                         .text = note->text,
                         .place = place_text(b, note->span)};
  }
  program->notes = rows;
  program->note_count = count;
}

// ---- entries

static void describe_values(Context *c, blo_value *values, size_t count, const ValueList *ir,
                            const Name *atoms, size_t atom_count) {
  for (size_t i = 0; i < count; i++)
    values[i].shape = describe_shape(c->build, ir->data[i]->type, atoms, atom_count);
}

static blo_entry *describe_entries(Context *c, Built *built, const Name *atoms, size_t atom_count) {
  Build *b = c->build;
  size_t count = b->entries.list.count;
  blo_entry *rows = ARENA_ARRAY(b->arena, blo_entry, count + 1);
  built->funcs = ARENA_ARRAY(b->arena, Func *, count + 1);
  for (size_t i = 0; i < count; i++) {
    Entry *entry = b->entries.list.data[i];
    describe_values(c, entry->inputs.data, entry->inputs.count, &entry->func->body->params, atoms,
                    atom_count);
    describe_values(c, entry->outputs.data, entry->outputs.count, &entry->func->body->yields, atoms,
                    atom_count);
    rows[i] = (blo_entry){.name = entry->name,
                          .inputs = entry->inputs.data,
                          .input_count = entry->inputs.count,
                          .outputs = entry->outputs.data,
                          .output_count = entry->outputs.count};
    built->funcs[i] = entry->func;
  }
  return rows;
}

static void link_entries(Build *b, const blo_entry *entries) {
  for (size_t i = 0; i < b->stages.count; i++) {
    blo_stage *stage = &b->stages.data[i];
    const int *numbers = &b->stage_entries.data[4 * i];
    stage->init = &entries[numbers[0]];
    stage->step = &entries[numbers[1]];
    stage->finish = numbers[2] >= 0 ? &entries[numbers[2]] : NULL;
    stage->after = numbers[3] >= 0 ? &entries[numbers[3]] : NULL;
  }
  for (size_t i = 0; i < b->tests.count; i++) {
    int number = b->test_entries.data[i];
    b->tests.data[i].entry = number >= 0 ? &entries[number] : NULL;
  }
}

Built *describe_program(Context *c) {
  evaluate_budget(c->e); // the entries have used theirs
  Build *b = c->build;
  Built *built = ARENA_NEW(b->arena, Built);
  blo_program *program = ARENA_NEW(b->arena, blo_program);
  const Name *atoms;
  size_t atom_count;
  declare_describe(c, program, &atoms, &atom_count);
  blo_entry *entries = describe_entries(c, built, atoms, atom_count);
  link_entries(b, entries);
  const Source *source = source_get(b->compilation->sources, b->program->file->span.source);
  program->abi = BLO_ABI;
  program->size = sizeof(blo_program);
  program->name = source ? source->path : "";
  program->target = "";
  program->data_entry = b->data_entry >= 0 ? &entries[b->data_entry] : NULL;
  program->stages = b->stages.data;
  program->stage_count = b->stages.count;
  program->tests = b->tests.data;
  program->test_count = b->tests.count;
  program->entries = entries;
  program->entry_count = b->entries.list.count;
  describe_notes(c, program);
  describe_conditions(c, program, atoms, atom_count);
  built->module = c->module;
  built->program = program;
  built->atoms = (Name *)(uintptr_t)atoms;
  built->atom_count = atom_count;
  return built;
}
