// Entry functions: a schedule as an LLVM function of `const blo_call *`.
//
// Expects: a schedule with its plan (slots filled). Buffer addresses are variables: a swap
// exchanges two of them, which the pipeline turns into pointer phis. Loop counts and conditions are
// read from memory. The two outermost loop levels poll `stop` before each trip.
#include "emit/emit_internal.h"

#include <string.h>

enum { POLLED_DEPTH = 2, SMALL_BYTES = 4096 };

typedef struct EntryEmitter {
  EmitModule *m;
  LLVMBuilderRef b;
  const Schedule *schedule;
  LLVMValueRef function, dims, notes, stop;
  LLVMValueRef *addresses; // by buffer id: variable that holds the address
  LLVMValueRef *counters;  // by counter: value inside its loop
  LLVMBasicBlockRef stopped;
  int depth;
  bool small;
} EntryEmitter;

enum { CALL_DIMS, CALL_INPUTS, CALL_OUTPUTS, CALL_WORKSPACE, CALL_OFFSETS, CALL_NOTES, CALL_STOP };

// ---------------------------------------------------------------- addresses

static LLVMValueRef call_field(EntryEmitter *e, unsigned field) {
  LLVMValueRef place =
      LLVMBuildStructGEP2(e->b, e->m->call_type, LLVMGetParam(e->function, 0), field, "");
  return LLVMBuildLoad2(e->b, e->m->pointer, place, "");
}

static LLVMValueRef load_entry(EntryEmitter *e, LLVMTypeRef type, LLVMValueRef array, int64_t i) {
  LLVMValueRef index = const_i64(e->m, i);
  return LLVMBuildLoad2(e->b, type, LLVMBuildInBoundsGEP2(e->b, type, array, &index, 1, ""), "");
}

/// The 16 bits of a number that bf16 holds exactly.
static uint64_t bfloat_word(double x) {
  float narrow = (float)x;
  uint32_t bits;
  memcpy(&bits, &narrow, sizeof bits);
  return bits >> 16;
}

static LLVMValueRef constant_entry(const EmitModule *m, const Buffer *buffer, size_t i) {
  LLVMTypeRef type = memory_type(m, buffer->dtype);
  if (buffer->dtype == DT_BF16) return LLVMConstInt(type, bfloat_word(buffer->reals[i]), 0);
  if (dtype_is_float(buffer->dtype)) return LLVMConstReal(type, buffer->reals[i]);
  return LLVMConstInt(type, (unsigned long long)buffer->integers[i], 1);
}

static LLVMValueRef constant_buffer(EmitModule *m, const Buffer *buffer) {
  int64_t count = 0;
  REQUIRE(dim_is_const(buffer->entries, &count) && count >= 0, "constant of unknown size");
  LLVMValueRef *entries = ARENA_ARRAY(m->arena, LLVMValueRef, (size_t)count + 1);
  for (int64_t i = 0; i < count; i++) entries[i] = constant_entry(m, buffer, (size_t)i);
  LLVMValueRef data = LLVMConstArray2(memory_type(m, buffer->dtype), entries, (uint64_t)count);
  LLVMValueRef global = LLVMAddGlobal(m->module, LLVMTypeOf(data), "constant");
  LLVMSetInitializer(global, data);
  LLVMSetGlobalConstant(global, 1);
  LLVMSetLinkage(global, LLVMPrivateLinkage);
  LLVMSetUnnamedAddress(global, LLVMGlobalUnnamedAddr);
  LLVMSetAlignment(global, 64);
  return global;
}

static LLVMValueRef first_address(EntryEmitter *e, const Buffer *buffer,
                                  const LLVMValueRef *arrays) {
  switch (buffer->kind) {
  case BUFFER_INPUT:
    return load_entry(e, e->m->pointer, arrays[CALL_INPUTS], buffer->number);
  case BUFFER_OUTPUT:
    return load_entry(e, e->m->pointer, arrays[CALL_OUTPUTS], buffer->number);
  case BUFFER_CONSTANT:
    return constant_buffer(e->m, buffer);
  case BUFFER_WORKSPACE:
    break;
  }
  if (buffer->slot < 0) return LLVMConstNull(e->m->pointer); // never used
  LLVMValueRef offset = load_entry(e, e->m->i64, arrays[CALL_OFFSETS], buffer->slot);
  return LLVMBuildInBoundsGEP2(e->b, e->m->i8, arrays[CALL_WORKSPACE], &offset, 1, "");
}

static const Buffer *root_of(const Buffer *buffer) {
  while (buffer->alias_of) buffer = buffer->alias_of;
  return buffer;
}

static void open_buffers(EntryEmitter *e) {
  LLVMValueRef arrays[CALL_STOP + 1];
  for (unsigned i = 0; i <= CALL_STOP; i++) arrays[i] = call_field(e, i);
  e->dims = arrays[CALL_DIMS];
  e->notes = arrays[CALL_NOTES];
  e->stop = arrays[CALL_STOP];
  const Schedule *schedule = e->schedule;
  e->addresses = ARENA_ARRAY(e->m->arena, LLVMValueRef, schedule->buffers.count);
  for (size_t i = 0; i < schedule->buffers.count; i++) {
    const Buffer *buffer = schedule->buffers.data[i];
    if (buffer->alias_of) continue;
    e->addresses[buffer->id] = LLVMBuildAlloca(e->b, e->m->pointer, "");
    LLVMBuildStore(e->b, first_address(e, buffer, arrays), e->addresses[buffer->id]);
  }
}

/// Address of the row that a use selects.
static LLVMValueRef use_address(EntryEmitter *e, const BufferUse *use) {
  LLVMValueRef base =
      LLVMBuildLoad2(e->b, e->m->pointer, e->addresses[root_of(use->buffer)->id], "");
  if (use->counter < 0) return base;
  LLVMValueRef stride = emit_dim(e->m, e->b, e->dims, use->stride);
  LLVMValueRef entry = LLVMBuildMul(e->b, e->counters[use->counter], stride, "");
  return LLVMBuildInBoundsGEP2(e->b, memory_type(e->m, use->buffer->dtype), base, &entry, 1, "");
}

// ---------------------------------------------------------------- launches

static void emit_launch(EntryEmitter *e, const Step *step) {
  const Kernel *kernel = step->kernel;
  size_t buffers = step->buffers.count, scalars = step->scalars.count, count = 0;
  REQUIRE(buffers == kernel->buffers.count && scalars == (size_t)kernel->scalar_count,
          "launch of kernel '%s' with %zu buffers and %zu scalars", kernel->name, buffers, scalars);
  LLVMValueRef *arguments = ARENA_ARRAY(e->m->arena, LLVMValueRef, buffers + scalars + 2);
  for (size_t i = 0; i < buffers; i++) arguments[count++] = use_address(e, &step->buffers.data[i]);
  for (size_t i = 0; i < scalars; i++) arguments[count++] = e->counters[step->scalars.data[i]];
  arguments[count++] = e->dims;
  arguments[count++] = e->notes;
  LLVMValueRef function = kernel_function(e->m, kernel, e->small);
  LLVMValueRef call = LLVMBuildCall2(e->b, LLVMGlobalGetValueType(function), function, arguments,
                                     (unsigned)count, "");
  if (!e->small) return;
  unsigned kind = LLVMGetEnumAttributeKindForName("alwaysinline", 12);
  LLVMAddCallSiteAttribute(call, LLVMAttributeFunctionIndex,
                           LLVMCreateEnumAttribute(e->m->context, kind, 0));
}

/// Buffers, sizes, note counters: the convention of <blo/routines.h>.
static void emit_routine(EntryEmitter *e, const Step *step) {
  size_t buffers = step->buffers.count, sizes = step->sizes.count, total = buffers + sizes + 1;
  LLVMTypeRef *types = ARENA_ARRAY(e->m->arena, LLVMTypeRef, total);
  LLVMValueRef *arguments = ARENA_ARRAY(e->m->arena, LLVMValueRef, total);
  for (size_t i = 0; i < total; i++)
    types[i] = i < buffers || i == total - 1 ? e->m->pointer : e->m->i64;
  for (size_t i = 0; i < buffers; i++) arguments[i] = use_address(e, &step->buffers.data[i]);
  for (size_t i = 0; i < sizes; i++)
    arguments[buffers + i] = emit_dim(e->m, e->b, e->dims, step->sizes.data[i]);
  arguments[total - 1] = e->notes;
  REQUIRE(target_routine(step->routine), "the runtime has no routine '%s'", step->routine);
  LLVMTypeRef type = LLVMFunctionType(e->m->nothing, types, (unsigned)total, 0);
  LLVMValueRef function = LLVMGetNamedFunction(e->m->module, step->routine);
  if (!function) {
    function = LLVMAddFunction(e->m->module, step->routine, type);
    add_attribute(e->m, function, LLVMAttributeFunctionIndex, "nounwind");
  }
  LLVMBuildCall2(e->b, type, function, arguments, (unsigned)total, "");
}

static void emit_swap(EntryEmitter *e, const Step *step) {
  LLVMValueRef a = e->addresses[root_of(step->buffers.data[0].buffer)->id];
  LLVMValueRef b = e->addresses[root_of(step->buffers.data[1].buffer)->id];
  LLVMValueRef at_a = LLVMBuildLoad2(e->b, e->m->pointer, a, "");
  LLVMValueRef at_b = LLVMBuildLoad2(e->b, e->m->pointer, b, "");
  LLVMBuildStore(e->b, at_b, a);
  LLVMBuildStore(e->b, at_a, b);
}

// ---------------------------------------------------------------- control

static void emit_steps(EntryEmitter *e, const StepList *steps);

static LLVMBasicBlockRef new_block(EntryEmitter *e, const char *name) {
  return LLVMAppendBasicBlockInContext(e->m->context, e->function, name);
}

static LLVMValueRef read_flag(EntryEmitter *e, const BufferUse *flag) {
  LLVMValueRef byte = LLVMBuildLoad2(e->b, e->m->i8, use_address(e, flag), "");
  return LLVMBuildICmp(e->b, LLVMIntNE, byte, LLVMConstNull(e->m->i8), "");
}

/// Leaves the function when the caller asks to stop.
static void poll(EntryEmitter *e) {
  LLVMBasicBlockRef ask = new_block(e, "poll"), go_on = new_block(e, "trip");
  LLVMValueRef none = LLVMBuildIsNull(e->b, e->stop, "");
  LLVMBuildCondBr(e->b, none, go_on, ask);
  LLVMPositionBuilderAtEnd(e->b, ask);
  LLVMValueRef word = LLVMBuildLoad2(e->b, e->m->i32, e->stop, "");
  LLVMSetVolatile(word, 1);
  LLVMValueRef quiet = LLVMBuildICmp(e->b, LLVMIntEQ, word, const_i32(e->m, 0), "");
  LLVMBuildCondBr(e->b, quiet, go_on, e->stopped);
  LLVMPositionBuilderAtEnd(e->b, go_on);
}

static void emit_loop(EntryEmitter *e, const Step *step) {
  EmitModule *m = e->m;
  LLVMValueRef zero = const_i64(m, 0), one = const_i64(m, 1);
  LLVMValueRef count = LLVMBuildLoad2(e->b, m->i64, use_address(e, &step->count), "");
  LLVMBasicBlockRef head = new_block(e, "loop"), body = new_block(e, "body"),
                    after = new_block(e, "after");
  LLVMBasicBlockRef before = LLVMGetInsertBlock(e->b);
  LLVMBuildBr(e->b, head);
  LLVMPositionBuilderAtEnd(e->b, head);
  LLVMValueRef trip = LLVMBuildPhi(e->b, m->i64, "trip");
  LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, trip, count, ""), body, after);
  LLVMPositionBuilderAtEnd(e->b, body);
  LLVMValueRef last = LLVMBuildSub(e->b, count, one, "");
  e->counters[step->counter] = step->reverse ? LLVMBuildSub(e->b, last, trip, "") : trip;
  e->depth++;
  if (e->depth <= POLLED_DEPTH) poll(e);
  if (step->has_condition) {
    emit_steps(e, &step->condition);
    LLVMBasicBlockRef inside = new_block(e, "holds");
    LLVMBuildCondBr(e->b, read_flag(e, &step->flag), inside, after);
    LLVMPositionBuilderAtEnd(e->b, inside);
  }
  emit_steps(e, &step->body);
  e->depth--;
  LLVMAddIncoming(trip, (LLVMValueRef[]){zero, LLVMBuildNSWAdd(e->b, trip, one, "")},
                  (LLVMBasicBlockRef[]){before, LLVMGetInsertBlock(e->b)}, 2);
  LLVMBuildBr(e->b, head);
  LLVMPositionBuilderAtEnd(e->b, after);
  e->counters[step->counter] = NULL;
  if (step->has_trips) LLVMBuildStore(e->b, trip, use_address(e, &step->trips));
}

static void emit_conditional(EntryEmitter *e, const Step *step) {
  LLVMBasicBlockRef yes = new_block(e, "then"), no = new_block(e, "else"),
                    after = new_block(e, "after");
  LLVMBuildCondBr(e->b, read_flag(e, &step->flag), yes, no);
  LLVMPositionBuilderAtEnd(e->b, yes);
  emit_steps(e, &step->body);
  LLVMBuildBr(e->b, after);
  LLVMPositionBuilderAtEnd(e->b, no);
  emit_steps(e, &step->otherwise);
  LLVMBuildBr(e->b, after);
  LLVMPositionBuilderAtEnd(e->b, after);
}

static void emit_count(EntryEmitter *e, const Step *step) {
  LLVMTypeRef i64 = e->m->i64;
  LLVMValueRef number = const_i64(e->m, step->note);
  LLVMValueRef times =
      step->sizes.count ? emit_dim(e->m, e->b, e->dims, step->sizes.data[0]) : const_i64(e->m, 1);
  LLVMValueRef place = LLVMBuildInBoundsGEP2(e->b, i64, e->notes, &number, 1, "");
  LLVMBuildStore(e->b, LLVMBuildAdd(e->b, LLVMBuildLoad2(e->b, i64, place, ""), times, ""), place);
}

static void emit_steps(EntryEmitter *e, const StepList *steps) {
  for (size_t i = 0; i < steps->count; i++) {
    const Step *step = steps->data[i];
    switch (step->kind) {
    case STEP_LAUNCH:
      emit_launch(e, step);
      break;
    case STEP_ROUTINE:
      emit_routine(e, step);
      break;
    case STEP_LOOP:
      emit_loop(e, step);
      break;
    case STEP_IF:
      emit_conditional(e, step);
      break;
    case STEP_SWAP:
      emit_swap(e, step);
      break;
    case STEP_COUNT:
      emit_count(e, step);
      break;
    }
  }
}

// ---------------------------------------------------------------- the function

/// All buffers constant and small: calls and loads of addresses would cost more than the work.
static bool is_small(const Schedule *schedule) {
  for (size_t i = 0; i < schedule->buffers.count; i++) {
    const Buffer *buffer = schedule->buffers.data[i];
    int64_t entries;
    if (!dim_is_const(buffer->entries, &entries) ||
        entries * (int64_t)dtype_bytes(buffer->dtype) > SMALL_BYTES)
      return false;
  }
  return true;
}

void emit_schedule(EmitModule *m, const Schedule *schedule, const Plan *plan) {
  (void)plan; // slots are noted in the buffers
  LLVMTypeRef type = LLVMFunctionType(m->i32, &m->pointer, 1, 0);
  EntryEmitter e = {.m = m, .schedule = schedule, .b = LLVMCreateBuilderInContext(m->context)};
  e.function = LLVMAddFunction(m->module, schedule->name, type);
  e.small = is_small(schedule);
  e.counters = ARENA_ARRAY(m->arena, LLVMValueRef, (size_t)schedule->counter_count + 1);
  add_attribute(m, e.function, LLVMAttributeFunctionIndex, "nounwind");
  add_text_attribute(m, e.function, "prefer-vector-width", "512");
  LLVMPositionBuilderAtEnd(e.b, new_block(&e, "entry"));
  e.stopped = new_block(&e, "stopped");
  open_buffers(&e);
  emit_steps(&e, &schedule->steps);
  LLVMBuildRet(e.b, const_i32(m, BLO_OK));
  LLVMPositionBuilderAtEnd(e.b, e.stopped);
  LLVMBuildRet(e.b, const_i32(m, BLO_STOPPED));
  LLVMDisposeBuilder(e.b);
  VEC_PUSH(m->arena, &m->entries, e.function);
}
