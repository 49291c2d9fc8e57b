// A blo_program as constant data of an object file: the structs of <blo/program.h>, field by field.
//
// Strings and size programs are private globals without names, shared when equal; every array of
// structs is one private global. The fields of `Record` follow the C struct's layout exactly
// (checked by size).
#include "emit/emit_internal.h"

#include <string.h>

enum { MAX_FIELDS = 32 };

typedef struct Record { // one struct being filled, field by field in the order of its declaration
  EmitModule *m;
  LLVMValueRef fields[MAX_FIELDS];
  unsigned count;
} Record;

static LLVMValueRef null_pointer(const EmitModule *m) {
  return LLVMConstNull(m->pointer);
}

static LLVMValueRef private_global(EmitModule *m, LLVMValueRef value, const char *name) {
  LLVMValueRef global = LLVMAddGlobal(m->module, LLVMTypeOf(value), name);
  LLVMSetInitializer(global, value);
  LLVMSetGlobalConstant(global, 1);
  LLVMSetLinkage(global, LLVMPrivateLinkage);
  LLVMSetUnnamedAddress(global, LLVMGlobalUnnamedAddr); // the linker may merge equal ones
  return global;
}

static LLVMValueRef text_pointer(EmitModule *m, const char *text) {
  if (!text) return null_pointer(m);
  return private_global(m, LLVMConstStringInContext2(m->context, text, strlen(text), 0), "text");
}

static void add_field(Record *r, LLVMValueRef value) {
  REQUIRE(r->count < MAX_FIELDS, "struct of more than %d fields", MAX_FIELDS);
  r->fields[r->count++] = value;
}
static void add_i32(Record *r, int64_t x) {
  add_field(r, const_i32(r->m, x));
}
static void add_i64(Record *r, int64_t x) {
  add_field(r, const_i64(r->m, x));
}
static void add_count(Record *r, size_t x) {
  add_i64(r, (int64_t)x);
}
static void add_text(Record *r, const char *text) {
  add_field(r, text_pointer(r->m, text));
}

static LLVMValueRef record_value(const Record *r) {
  return LLVMConstStructInContext(r->m->context, (LLVMValueRef *)(uintptr_t)r->fields, r->count, 0);
}

static void check_layout(const EmitModule *m, LLVMTypeRef type, size_t size) {
  LLVMTargetDataRef layout = LLVMGetModuleDataLayout(m->module);
  REQUIRE(LLVMABISizeOfType(layout, type) == size,
          "a struct of program.h has %zu bytes here, %llu there", size,
          (unsigned long long)LLVMABISizeOfType(layout, type));
}

/// Builds `count` structs with `fill` and gives the address of the array; NULL for none.
static LLVMValueRef record_array(EmitModule *m, const void *items, size_t count, size_t size,
                                 void (*fill)(Record *r, const void *item)) {
  if (count == 0 || !items) return null_pointer(m);
  LLVMValueRef *values = ARENA_ARRAY(m->arena, LLVMValueRef, count);
  for (size_t i = 0; i < count; i++) {
    Record r = {.m = m};
    fill(&r, (const char *)items + i * size);
    values[i] = record_value(&r);
  }
  check_layout(m, LLVMTypeOf(values[0]), size);
  LLVMTypeRef type = LLVMTypeOf(values[0]);
  return private_global(m, LLVMConstArray2(type, values, count), "data");
}

#define RECORDS(m, items, count, fill) record_array(m, items, count, sizeof *(items), fill)

/// The two fields of a blo_size.
static void fill_size(Record *r, const void *item) {
  const blo_size *size = item;
  EmitModule *m = r->m;
  LLVMValueRef words = null_pointer(m);
  if (size->count) {
    LLVMValueRef *values = ARENA_ARRAY(m->arena, LLVMValueRef, size->count);
    for (size_t i = 0; i < size->count; i++) values[i] = const_i64(m, size->words[i]);
    words = private_global(m, LLVMConstArray2(m->i64, values, size->count), "size");
  }
  add_field(r, words);
  add_count(r, size->count);
}

static void add_size(Record *r, const blo_size *size) {
  Record inner = {.m = r->m};
  fill_size(&inner, size);
  add_field(r, record_value(&inner));
}

static void add_shape(Record *r, const blo_size *shape, int rank) {
  add_field(r, RECORDS(r->m, shape, (size_t)rank, fill_size));
}

static void fill_value(Record *r, const void *item) {
  const blo_value *value = item;
  add_text(r, value->name);
  add_i32(r, value->dtype);
  add_i32(r, value->rank);
  add_i32(r, value->role);
  add_i32(r, value->index);
  add_shape(r, value->shape, value->rank);
}

static void fill_slot(Record *r, const void *item) {
  const blo_buffer *slot = item;
  add_size(r, &slot->bytes);
  add_i64(r, slot->first);
  add_i64(r, slot->last);
}

static void fill_entry(Record *r, const void *item) {
  const blo_entry *entry = item;
  LLVMValueRef run = LLVMGetNamedFunction(r->m->module, entry->name);
  REQUIRE(run, "entry '%s' was not emitted", entry->name);
  add_text(r, entry->name);
  add_field(r, run);
  add_field(r, null_pointer(r->m)); // self
  add_count(r, entry->input_count);
  add_count(r, entry->output_count);
  add_count(r, entry->slot_count);
  add_field(r, RECORDS(r->m, entry->inputs, entry->input_count, fill_value));
  add_field(r, RECORDS(r->m, entry->outputs, entry->output_count, fill_value));
  add_field(r, RECORDS(r->m, entry->slots, entry->slot_count, fill_slot));
}

static void fill_data(Record *r, const void *item) {
  const blo_data *data = item;
  add_text(r, data->name);
  add_text(r, data->place);
  add_i32(r, data->dtype);
  add_i32(r, data->rank);
  add_shape(r, data->shape, data->rank);
  add_text(r, data->shape_text);
  add_i64(r, data->classes);
  add_i32(r, data->computed);
}

static void fill_leaf(Record *r, const void *item) {
  const blo_leaf *leaf = item;
  add_text(r, leaf->name);
  add_i32(r, leaf->dtype);
  add_i32(r, leaf->rank);
  add_shape(r, leaf->shape, leaf->rank);
  add_i32(r, leaf->result);
}

static void fill_report(Record *r, const void *item) {
  const blo_report *report = item;
  add_text(r, report->name);
  add_i32(r, report->dtype);
  add_i32(r, report->rank);
  add_shape(r, report->shape, report->rank);
  add_field(r, LLVMConstReal(r->m->f64, report->sign));
}

static void fill_expect(Record *r, const void *item) {
  const blo_expect *expect = item;
  add_text(r, expect->text);
  add_text(r, expect->place);
  add_i32(r, expect->approximate);
}

static void fill_note(Record *r, const void *item) {
  const blo_note *note = item;
  add_text(r, note->code);
  add_text(r, note->text);
  add_text(r, note->place);
}

static void fill_condition(Record *r, const void *item) {
  const blo_condition *condition = item;
  add_size(r, &condition->dividend);
  add_i64(r, condition->divisor);
  add_text(r, condition->text);
  add_text(r, condition->place);
}

static void fill_text(Record *r, const void *item) {
  add_text(r, *(const char *const *)item);
}
static void fill_integer(Record *r, const void *item) {
  add_i64(r, *(const int64_t *)item);
}

// ---------------------------------------------------------------- pointers into the array of
// entries

typedef struct EntryPlaces {
  const blo_program *program;
  LLVMValueRef array;
  LLVMTypeRef type;
} EntryPlaces;

static LLVMValueRef entry_pointer(EmitModule *m, const EntryPlaces *places,
                                  const blo_entry *entry) {
  if (!entry) return null_pointer(m);
  ptrdiff_t number = entry - places->program->entries;
  REQUIRE(number >= 0 && (size_t)number < places->program->entry_count,
          "entry outside the program");
  LLVMValueRef index = const_i64(m, number);
  return LLVMConstInBoundsGEP2(places->type, places->array, &index, 1);
}

static LLVMValueRef stage_record(EmitModule *m, const EntryPlaces *places, const blo_stage *stage) {
  Record r = {.m = m};
  add_text(&r, stage->name);
  add_text(&r, stage->solve);
  add_field(&r, RECORDS(m, stage->state, stage->state_count, fill_leaf));
  add_count(&r, stage->state_count);
  add_field(&r, RECORDS(m, stage->reports, stage->report_count, fill_report));
  add_count(&r, stage->report_count);
  add_field(&r, entry_pointer(m, places, stage->init));
  add_field(&r, entry_pointer(m, places, stage->step));
  add_field(&r, entry_pointer(m, places, stage->finish));
  add_field(&r, entry_pointer(m, places, stage->after));
  add_field(&r, RECORDS(m, stage->finals, stage->final_count, fill_report));
  add_count(&r, stage->final_count);
  add_i64(&r, stage->iterations);
  add_i64(&r, stage->report_every);
  add_i64(&r, stage->seed);
  add_i32(&r, stage->maximize_upper);
  add_i32(&r, stage->maximize_lower);
  return record_value(&r);
}

static LLVMValueRef test_record(EmitModule *m, const EntryPlaces *places, const blo_test *test) {
  Record r = {.m = m};
  add_text(&r, test->name);
  add_text(&r, test->place);
  add_field(&r, entry_pointer(m, places, test->entry));
  add_field(&r, RECORDS(m, test->expects, test->expect_count, fill_expect));
  add_count(&r, test->expect_count);
  add_field(&r, RECORDS(m, test->codes, test->code_count, fill_text));
  add_count(&r, test->code_count);
  add_text(&r, test->data_file);
  return record_value(&r);
}

static LLVMValueRef value_array(EmitModule *m, LLVMValueRef *values, size_t count, size_t size) {
  if (count == 0) return null_pointer(m);
  check_layout(m, LLVMTypeOf(values[0]), size);
  return private_global(m, LLVMConstArray2(LLVMTypeOf(values[0]), values, count), "data");
}

static LLVMValueRef stages_array(EmitModule *m, const EntryPlaces *places) {
  const blo_program *p = places->program;
  LLVMValueRef *values = ARENA_ARRAY(m->arena, LLVMValueRef, p->stage_count + 1);
  for (size_t i = 0; i < p->stage_count; i++) values[i] = stage_record(m, places, &p->stages[i]);
  return value_array(m, values, p->stage_count, sizeof *p->stages);
}

static LLVMValueRef tests_array(EmitModule *m, const EntryPlaces *places) {
  const blo_program *p = places->program;
  LLVMValueRef *values = ARENA_ARRAY(m->arena, LLVMValueRef, p->test_count + 1);
  for (size_t i = 0; i < p->test_count; i++) values[i] = test_record(m, places, &p->tests[i]);
  return value_array(m, values, p->test_count, sizeof *p->tests);
}

static LLVMTypeRef array_element(LLVMValueRef global) {
  return LLVMGetElementType(LLVMGlobalGetValueType(global));
}

void emit_program_data(EmitModule *m, const blo_program *p) {
  EntryPlaces places = {.program = p, .array = RECORDS(m, p->entries, p->entry_count, fill_entry)};
  if (p->entry_count) places.type = array_element(places.array);
  Record r = {.m = m};
  add_i32(&r, p->abi);
  add_i32(&r, (int64_t)sizeof *p);
  add_text(&r, p->name);
  add_text(&r, m->cpu);
  add_field(&r, RECORDS(m, p->dims, p->dim_count, fill_text));
  add_field(&r, RECORDS(m, p->dim_values, p->dim_count, fill_integer));
  add_count(&r, p->dim_count);
  add_field(&r, RECORDS(m, p->data, p->data_count, fill_data));
  add_count(&r, p->data_count);
  add_field(&r, entry_pointer(m, &places, p->data_entry));
  add_field(&r, stages_array(m, &places));
  add_count(&r, p->stage_count);
  add_field(&r, tests_array(m, &places));
  add_count(&r, p->test_count);
  add_field(&r, places.array);
  add_count(&r, p->entry_count);
  add_field(&r, RECORDS(m, p->notes, p->note_count, fill_note));
  add_count(&r, p->note_count);
  add_field(&r, RECORDS(m, p->conditions, p->condition_count, fill_condition));
  add_count(&r, p->condition_count);
  LLVMValueRef value = record_value(&r);
  check_layout(m, LLVMTypeOf(value), sizeof *p);
  const char *symbol = arena_printf(m->arena, "blo_program_%s", emit_symbol(m->arena, p->name));
  LLVMValueRef global = LLVMAddGlobal(m->module, LLVMTypeOf(value), symbol);
  LLVMSetInitializer(global, value);
  LLVMSetGlobalConstant(global, 1);
}
