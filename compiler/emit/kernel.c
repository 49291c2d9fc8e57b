// Kernels: the LLVM function of a loop nest. Statements here; see kernel_internal.h for the other
// parts.
//
// A function has one noalias pointer per buffer, an i64 per scalar, the dim values and the note
// counters. Registers and local arrays are allocas of the entry block, which the pipeline's sroa
// turns into values.
#include "emit/kernel_internal.h"

#include <string.h>

LLVMBasicBlockRef new_block(KernelEmitter *k, const char *name) {
  return LLVMAppendBasicBlockInContext(k->m->context, k->function, name);
}

// ---------------------------------------------------------------- serial loops and conditionals

/// Gives a serial loop's locals their memory.
static void make_locals(KernelEmitter *k, const Axis *axis) {
  for (size_t i = 0; i < k->kernel->locals.count; i++) {
    const Local *local = k->kernel->locals.data[i];
    if (local->lanes != axis) continue;
    LLVMTypeRef type = LLVMArrayType2(memory_type(k->m, local->dtype), (uint64_t)local->entries);
    k->locals[i][0] = entry_alloca(k, type);
  }
}

static void emit_iteration(KernelEmitter *k, const Stmt *s, LLVMValueRef value) {
  size_t mark = value_scope_open(k);
  k->axes[s->axis->id] = value;
  emit_body(k, &s->body);
  k->axes[s->axis->id] = NULL;
  value_scope_close(k, mark);
}

static void emit_unrolled(KernelEmitter *k, const Stmt *s) {
  LLVMValueRef low = eval_uniform(k, s->low), high = eval_uniform(k, s->high);
  REQUIRE(LLVMIsAConstantInt(low) && LLVMIsAConstantInt(high),
          "unrolled loop of kernel '%s' without a constant extent", k->kernel->name);
  make_locals(k, s->axis);
  int64_t first = LLVMConstIntGetSExtValue(low), end = LLVMConstIntGetSExtValue(high);
  for (int64_t i = first; i < end; i += s->step) emit_iteration(k, s, const_i64(k->m, i));
}

/// The loop variable's first value; reversed loops start at the last one.
static LLVMValueRef first_value(KernelEmitter *k, const Stmt *s, LLVMValueRef low,
                                LLVMValueRef high) {
  if (!s->reverse) return low;
  LLVMValueRef span = LLVMBuildSub(k->b, LLVMBuildSub(k->b, high, low, ""), const_i64(k->m, 1), "");
  LLVMValueRef step = const_i64(k->m, s->step);
  LLVMValueRef trips = LLVMBuildMul(k->b, LLVMBuildSDiv(k->b, span, step, ""), step, "");
  return LLVMBuildAdd(k->b, low, trips, "");
}

/// Trips of a loop with constant bounds, else -1.
static int64_t constant_trips(LLVMValueRef low, LLVMValueRef high, int64_t step) {
  if (!LLVMIsAConstantInt(low) || !LLVMIsAConstantInt(high)) return -1;
  int64_t from = LLVMConstIntGetSExtValue(low), to = LLVMConstIntGetSExtValue(high);
  return to <= from ? 0 : (to - from - 1) / step + 1;
}

static void emit_serial(KernelEmitter *k, const Stmt *s) {
  LLVMValueRef low = eval_uniform(k, s->low), high = eval_uniform(k, s->high);
  int64_t trips = constant_trips(low, high, s->step);
  if (trips == 0) return;
  make_locals(k, s->axis);
  if (trips == 1) {
    emit_iteration(k, s, low);
    return;
  }
  LLVMValueRef first = first_value(k, s, low, high);
  LLVMBasicBlockRef loop = new_block(k, s->axis->name), after = new_block(k, "after");
  LLVMBuildCondBr(k->b, LLVMBuildICmp(k->b, LLVMIntSLT, low, high, ""), loop, after);
  LLVMBasicBlockRef before = LLVMGetInsertBlock(k->b);
  LLVMPositionBuilderAtEnd(k->b, loop);
  LLVMValueRef value = LLVMBuildPhi(k->b, k->m->i64, s->axis->name);
  emit_iteration(k, s, value);
  LLVMValueRef next =
      LLVMBuildNSWAdd(k->b, value, const_i64(k->m, s->reverse ? -s->step : s->step), "");
  LLVMValueRef more = s->reverse ? LLVMBuildICmp(k->b, LLVMIntSGE, next, low, "")
                                 : LLVMBuildICmp(k->b, LLVMIntSLT, next, high, "");
  LLVMBasicBlockRef last = LLVMGetInsertBlock(k->b);
  LLVMBuildCondBr(k->b, more, loop, after);
  LLVMAddIncoming(value, (LLVMValueRef[]){first, next}, (LLVMBasicBlockRef[]){before, last}, 2);
  LLVMPositionBuilderAtEnd(k->b, after);
}

static void emit_branch(KernelEmitter *k, LLVMValueRef condition, const StmtList *body,
                        LLVMBasicBlockRef after) {
  LLVMBasicBlockRef inside = new_block(k, "then"), outside = new_block(k, "join");
  LLVMBuildCondBr(k->b, condition, inside, outside);
  LLVMPositionBuilderAtEnd(k->b, inside);
  size_t mark = value_scope_open(k);
  emit_body(k, body);
  value_scope_close(k, mark);
  LLVMBuildBr(k->b, after ? after : outside);
  LLVMPositionBuilderAtEnd(k->b, outside);
}

/// Runs `body` for the lanes where condition holds (or does not), if there is one.
static void emit_predicated(KernelEmitter *k, const Lanes *condition, bool holds,
                            const StmtList *body) {
  if (body->count == 0) return;
  VectorLoop *loop = k->vector;
  LLVMValueRef outer[MAX_COPIES], any = NULL;
  bool outer_conditional = loop->conditional;
  memcpy(outer, loop->mask, sizeof outer);
  for (int c = 0; c < loop->copies; c++) {
    LLVMValueRef mask = holds ? condition->v[c] : LLVMBuildNot(k->b, condition->v[c], "");
    if (outer[c]) mask = LLVMBuildAnd(k->b, mask, outer[c], "");
    loop->mask[c] = mask;
    any = any ? LLVMBuildOr(k->b, any, mask, "") : mask;
  }
  loop->conditional = true;
  LLVMTypeRef bits = LLVMIntTypeInContext(k->m->context, (unsigned)loop->width);
  LLVMValueRef some = LLVMBuildICmp(k->b, LLVMIntNE, LLVMBuildBitCast(k->b, any, bits, ""),
                                    LLVMConstNull(bits), "");
  emit_branch(k, some, body, NULL);
  memcpy(loop->mask, outer, sizeof outer);
  loop->conditional = outer_conditional;
}

static void emit_if(KernelEmitter *k, const Stmt *s) {
  const Lanes *found = eval(k, s->condition);
  Lanes condition = *found;
  statement_end(k);
  if (condition.varying) {
    emit_predicated(k, &condition, true, &s->body);
    emit_predicated(k, &condition, false, &s->otherwise);
    return;
  }
  LLVMBasicBlockRef after = s->otherwise.count ? new_block(k, "after") : NULL;
  emit_branch(k, condition.v[0], &s->body, after);
  if (!after) return;
  size_t mark = value_scope_open(k);
  emit_body(k, &s->otherwise);
  value_scope_close(k, mark);
  LLVMBuildBr(k->b, after);
  LLVMPositionBuilderAtEnd(k->b, after);
}

// ---------------------------------------------------------------- registers

static void emit_declare(KernelEmitter *k, const Stmt *s) {
  RegisterPlace *place = &k->registers[s->reg->id];
  const Lanes *value = eval(k, s->value);
  place->declared = true;
  place->bound = NULL;
  if (!k->assigned[s->reg->id]) {
    place->bound = arena_copy(k->arena, value, sizeof *value);
    place->varying = value->varying;
    return;
  }
  place->varying = k->vector != NULL;
  LLVMTypeRef type = value_type(k->m, s->reg->dtype);
  if (place->varying) type = vector_type(k, type);
  for (int c = 0; c < (place->varying ? k->vector->copies : 1); c++) {
    place->slot[c] = entry_alloca(k, type);
    LLVMBuildStore(k->b, place->varying ? lanes_of(k, value, c) : value->v[0], place->slot[c]);
  }
}

/// Stores copy `copy` of a register, leaving lanes alone that a condition excludes.
static void set_register(KernelEmitter *k, const RegisterPlace *place, int copy,
                         LLVMValueRef value) {
  if (place->varying && k->vector->conditional) {
    LLVMValueRef old = LLVMBuildLoad2(k->b, LLVMTypeOf(value), place->slot[copy], "");
    value = LLVMBuildSelect(k->b, k->vector->mask[copy], value, old, "");
  }
  LLVMBuildStore(k->b, value, place->slot[copy]);
}

static RegisterPlace *register_place(KernelEmitter *k, const Register *reg) {
  RegisterPlace *place = &k->registers[reg->id];
  REQUIRE(place->declared && !place->bound, "register r%d of kernel '%s' is not declared", reg->id,
          k->kernel->name);
  return place;
}

static void emit_assign(KernelEmitter *k, const Stmt *s) {
  const RegisterPlace *place = register_place(k, s->reg);
  const Lanes *value = eval(k, s->value);
  REQUIRE(place->varying || !k->vector, "lanes of kernel '%s' assign one register",
          k->kernel->name);
  if (!place->varying)
    LLVMBuildStore(k->b, value->v[0], place->slot[0]);
  else
    for (int c = 0; c < k->vector->copies; c++) set_register(k, place, c, lanes_of(k, value, c));
}

/// Into the partial results of the open vector loop.
static void accumulate_partial(KernelEmitter *k, const Accumulator *a, const Stmt *s) {
  for (int c = 0; c < k->vector->copies; c++) {
    int target = k->vector->rest ? 0 : c;
    LLVMValueRef mask = k->vector->mask[c];
    LLVMValueRef old = LLVMBuildLoad2(k->b, a->type, a->slot[target], ""), value = old;
    if (a->place) {
      LLVMTypeRef places = vector_type(k, k->m->i64);
      LLVMValueRef old_place = LLVMBuildLoad2(k->b, places, a->place_slot[target], "");
      LLVMValueRef place = old_place;
      argmax_combine(&k->maker, a->dtype, &value, &place, lanes_of(k, eval(k, s->value), c),
                     lanes_of(k, eval(k, s->index), c));
      if (mask) place = LLVMBuildSelect(k->b, mask, place, old_place, "");
      LLVMBuildStore(k->b, place, a->place_slot[target]);
    } else {
      value = combine_copy(k, old, a->op, a->dtype, s->value, c);
    }
    if (mask) value = LLVMBuildSelect(k->b, mask, value, old, "");
    LLVMBuildStore(k->b, value, a->slot[target]);
  }
}

static void emit_accumulate(KernelEmitter *k, const Stmt *s) {
  const Accumulator *a = k->vector ? find_accumulator(k, s->reg, NULL) : NULL;
  if (a) {
    accumulate_partial(k, a, s);
    return;
  }
  const RegisterPlace *place = register_place(k, s->reg);
  LLVMTypeRef type = value_type(k->m, s->reg->dtype), places = k->m->i64;
  if (place->varying) {
    type = vector_type(k, type);
    places = vector_type(k, places);
  }
  for (int c = 0; c < (place->varying ? k->vector->copies : 1); c++) {
    LLVMValueRef value = LLVMBuildLoad2(k->b, type, place->slot[c], "");
    if (s->kind == STATEMENT_ARGMAX) {
      const RegisterPlace *index_place = register_place(k, s->reg_index);
      LLVMValueRef at = LLVMBuildLoad2(k->b, places, index_place->slot[c], "");
      const Lanes *x = eval(k, s->value), *i = eval(k, s->index);
      argmax_combine(&k->maker, s->reg->dtype, &value, &at,
                     place->varying ? lanes_of(k, x, c) : x->v[0],
                     place->varying ? lanes_of(k, i, c) : i->v[0]);
      set_register(k, index_place, c, at);
    } else {
      value = combine_copy(k, value, s->op, s->reg->dtype, s->value, c);
    }
    set_register(k, place, c, value);
  }
}

// ---------------------------------------------------------------- notes

static LLVMValueRef note_slot(KernelEmitter *k, int number) {
  for (size_t i = 0; i < k->counters.count; i++)
    if (k->counters.data[i].number == number) return k->counters.data[i].slot;
  NoteCounter counter = {.number = number, .slot = entry_alloca(k, k->m->i64)};
  LLVMBuildStore(k->head, const_i64(k->m, 0), counter.slot);
  VEC_PUSH(k->arena, &k->counters, counter);
  return counter.slot;
}

/// How many lanes of copy `copy` say so.
static LLVMValueRef count_lanes(KernelEmitter *k, LLVMValueRef flags, int copy) {
  if (k->vector->mask[copy]) flags = LLVMBuildAnd(k->b, flags, k->vector->mask[copy], "");
  unsigned lanes = (unsigned)k->vector->width;
  LLVMTypeRef bits = LLVMIntTypeInContext(k->m->context, lanes);
  LLVMValueRef word =
      LLVMBuildIntCast2(k->b, LLVMBuildBitCast(k->b, flags, bits, ""), k->m->i64, 0, "");
  return call_unary(k->m, k->b, "llvm.ctpop", word);
}

static void emit_note(KernelEmitter *k, const Stmt *s) {
  LLVMValueRef slot = note_slot(k, s->number);
  const Lanes *flags = eval(k, s->value);
  LLVMValueRef count = LLVMBuildLoad2(k->b, k->m->i64, slot, "");
  if (!k->vector)
    count = LLVMBuildAdd(k->b, count, LLVMBuildZExt(k->b, flags->v[0], k->m->i64, ""), "");
  else
    for (int c = 0; c < k->vector->copies; c++)
      count = LLVMBuildAdd(k->b, count, count_lanes(k, lanes_of(k, flags, c), c), "");
  LLVMBuildStore(k->b, count, slot);
}

static void report_notes(KernelEmitter *k) {
  for (size_t i = 0; i < k->counters.count; i++) {
    const NoteCounter *counter = &k->counters.data[i];
    LLVMValueRef count = LLVMBuildLoad2(k->b, k->m->i64, counter->slot, "");
    LLVMBasicBlockRef add = new_block(k, "note"), after = new_block(k, "after");
    LLVMValueRef none = LLVMBuildICmp(k->b, LLVMIntEQ, count, const_i64(k->m, 0), "");
    LLVMBuildCondBr(k->b, none, after, add);
    LLVMPositionBuilderAtEnd(k->b, add);
    LLVMValueRef number = const_i64(k->m, counter->number);
    LLVMValueRef place = LLVMBuildInBoundsGEP2(k->b, k->m->i64, k->notes, &number, 1, "");
    LLVMValueRef sum = LLVMBuildAdd(k->b, LLVMBuildLoad2(k->b, k->m->i64, place, ""), count, "");
    LLVMBuildStore(k->b, sum, place);
    LLVMBuildBr(k->b, after);
    LLVMPositionBuilderAtEnd(k->b, after);
  }
}

// ---------------------------------------------------------------- statements

static void emit_statement(KernelEmitter *k, const Stmt *s) {
  switch (s->kind) {
  case STATEMENT_FOR:
    if (s->mode == FOR_VECTOR)
      emit_vector_loop(k, s);
    else if (s->mode == FOR_UNROLL)
      emit_unrolled(k, s);
    else
      emit_serial(k, s);
    break;
  case STATEMENT_DECLARE:
    emit_declare(k, s);
    break;
  case STATEMENT_ASSIGN:
    emit_assign(k, s);
    break;
  case STATEMENT_ACCUMULATE:
  case STATEMENT_ARGMAX:
    emit_accumulate(k, s);
    break;
  case STATEMENT_STORE:
    store_place(k, LLVMGetParam(k->function, (unsigned)s->buffer),
                k->kernel->buffers.data[s->buffer].dtype, s->index, s->value, s->accumulate);
    break;
  case STATEMENT_LOCAL_STORE:
    store_local(k, s);
    break;
  case STATEMENT_IF:
    emit_if(k, s);
    break;
  case STATEMENT_NOTE:
    emit_note(k, s);
    break;
  }
  statement_end(k);
}

void emit_body(KernelEmitter *k, const StmtList *body) {
  for (size_t i = 0; i < body->count; i++) emit_statement(k, body->data[i]);
}

static void find_assigned(bool *assigned, const StmtList *body) {
  for (size_t i = 0; i < body->count; i++) {
    const Stmt *s = body->data[i];
    bool changes = s->kind == STATEMENT_ASSIGN || s->kind == STATEMENT_ACCUMULATE ||
                   s->kind == STATEMENT_ARGMAX;
    if (changes) assigned[s->reg->id] = true;
    if (s->reg_index) assigned[s->reg_index->id] = true;
    find_assigned(assigned, &s->body);
    find_assigned(assigned, &s->otherwise);
  }
}

// ---------------------------------------------------------------- the function

static LLVMValueRef declare_kernel(EmitModule *m, const Kernel *kernel) {
  size_t buffers = kernel->buffers.count, scalars = (size_t)kernel->scalar_count;
  size_t count = buffers + scalars + 2;
  LLVMTypeRef *types = ARENA_ARRAY(m->arena, LLVMTypeRef, count);
  for (size_t i = 0; i < count; i++) types[i] = m->pointer;
  for (size_t i = 0; i < scalars; i++) types[buffers + i] = m->i64;
  const char *name = arena_printf(m->arena, "kernel.%zu.%s", m->kernels.count,
                                  emit_symbol(m->arena, kernel->name));
  LLVMTypeRef type = LLVMFunctionType(m->nothing, types, (unsigned)count, 0);
  LLVMValueRef function = LLVMAddFunction(m->module, name, type);
  LLVMSetLinkage(function, LLVMInternalLinkage);
  for (size_t i = 0; i < count; i++) {
    if (i >= buffers && i < buffers + scalars) continue;
    LLVMAttributeIndex place = (LLVMAttributeIndex)i + 1;
    add_attribute(m, function, place, "noalias");
    add_attribute(m, function, place, "nocapture");
    bool writes = i < buffers ? kernel->buffers.data[i].writes : i == count - 1;
    if (!writes) add_attribute(m, function, place, "readonly");
  }
  add_attribute(m, function, LLVMAttributeFunctionIndex, "nounwind");
  add_text_attribute(m, function, "prefer-vector-width", "512");
  return function;
}

static void emit_function(KernelEmitter *k) {
  EmitModule *m = k->m;
  k->function = declare_kernel(m, k->kernel);
  unsigned count = LLVMCountParams(k->function);
  k->dims = LLVMGetParam(k->function, count - 2);
  k->notes = LLVMGetParam(k->function, count - 1);
  LLVMBasicBlockRef entry = new_block(k, "entry"), start = new_block(k, "start");
  k->b = LLVMCreateBuilderInContext(m->context);
  k->head = LLVMCreateBuilderInContext(m->context);
  k->maker = (Maker){.m = m, .b = k->b};
  LLVMPositionBuilderAtEnd(k->b, entry);
  LLVMPositionBuilderBefore(k->head, LLVMBuildBr(k->b, start));
  LLVMPositionBuilderAtEnd(k->b, start);
  make_locals(k, NULL);
  emit_body(k, &k->kernel->body);
  report_notes(k);
  LLVMBuildRetVoid(k->b);
  LLVMDisposeBuilder(k->b);
  LLVMDisposeBuilder(k->head);
}

static LLVMValueRef emit_kernel(EmitModule *m, const Kernel *kernel, bool small) {
  size_t expressions = (size_t)kernel->expr_count;
  KernelEmitter k = {.m = m, .kernel = kernel, .small = small, .arena = arena_create()};
  k.axes = ARENA_ARRAY(k.arena, LLVMValueRef, (size_t)kernel->axis_count);
  k.registers = ARENA_ARRAY(k.arena, RegisterPlace, (size_t)kernel->register_count);
  k.assigned = ARENA_ARRAY(k.arena, bool, (size_t)kernel->register_count);
  k.locals = arena_alloc_array(k.arena, kernel->locals.count, sizeof *k.locals);
  k.dim_values = map_create(k.arena);
  k.cache = ARENA_ARRAY(k.arena, Lanes *, expressions);
  k.base_cache = ARENA_ARRAY(k.arena, LLVMValueRef, expressions);
  k.strides = ARENA_ARRAY(k.arena, int64_t, expressions);
  k.stable = ARENA_ARRAY(k.arena, signed char, expressions);
  find_assigned(k.assigned, &kernel->body);
  emit_function(&k);
  arena_destroy(k.arena);
  return k.function;
}

LLVMValueRef kernel_function(EmitModule *m, const Kernel *kernel, bool small) {
  for (size_t i = 0; i < m->kernels.count; i++)
    if (m->kernels.data[i].hash == kernel->hash && m->kernels.data[i].small == small &&
        m->kernels.data[i].buffer_count == kernel->buffers.count)
      return m->kernels.data[i].function;
  KernelCode code = {.hash = kernel->hash, .buffer_count = kernel->buffers.count, .small = small};
  code.function = emit_kernel(m, kernel, small);
  VEC_PUSH(m->arena, &m->kernels, code);
  return code.function;
}
