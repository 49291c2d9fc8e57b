// Text of schedules and kernels, for `bloc emit --stage=loop` and for tests.
//
//   schedule step (b0 input f64[n], b1 workspace f64[n*d] slot 0, ..)
//     launch mul_sum(b0, b1[c0 * d]; c0)
//     loop c0 < b4: ..
//   kernel mul_sum(b0: f64 in, b1: f64 out; s0)
//     for vector(8 x 4) i = 0 .. n
//       r0 += mul(b0[i], b0[i])
#include "loop/print_internal.h"

// ---------------------------------------------------------------- expressions

static void print_expr(TextBuffer *out, const Expr *e);

static const char *compare_text(Compare compare) {
  static const char *const texts[] = {"<", "<=", ">", ">=", "==", "!="};
  return texts[compare];
}

static void print_list(TextBuffer *out, const Expr *e) {
  text_add(out, "(");
  for (int i = 0; i < e->argument_count; i++) {
    if (i) text_add(out, ", ");
    print_expr(out, e->arguments[i]);
  }
  text_add(out, ")");
}

static void print_infix(TextBuffer *out, const Expr *e, const char *sign) {
  text_add(out, "(");
  print_expr(out, e->arguments[0]);
  text_addf(out, " %s ", sign);
  print_expr(out, e->arguments[1]);
  text_add(out, ")");
}

static void print_op(TextBuffer *out, const Expr *e) {
  switch (e->opcode) {
  case OP_ADD:
    print_infix(out, e, "+");
    break;
  case OP_SUB:
    print_infix(out, e, "-");
    break;
  case OP_MUL:
    print_infix(out, e, "*");
    break;
  case OP_DIV:
    print_infix(out, e, "/");
    break;
  case OP_AND:
    print_infix(out, e, "and");
    break;
  case OP_OR:
    print_infix(out, e, "or");
    break;
  case OP_COMPARE:
    print_infix(out, e, compare_text(e->compare));
    break;
  case OP_CONVERT:
    text_add(out, dtype_text(e->dtype));
    print_list(out, e);
    break;
  default:
    text_add(out, op_table[e->opcode].text);
    print_list(out, e);
  }
}

static void print_expr(TextBuffer *out, const Expr *e) {
  static const char *const randoms[] = {"fold", "uniform", "bits", "permuted"};
  switch (e->kind) {
  case EXPRESSION_CONST:
    if (dtype_is_float(e->dtype))
      text_addf(out, "%.17g", e->real);
    else if (e->dtype == DT_BOOL)
      text_add(out, e->integer ? "true" : "false");
    else
      text_addf(out, "%lld", (long long)e->integer);
    break;
  case EXPRESSION_DIM:
    dim_print(out, e->dim);
    break;
  case EXPRESSION_SCALAR:
    text_addf(out, "s%d", e->number);
    break;
  case EXPRESSION_AXIS:
    text_addf(out, "%s%d", e->axis->name, e->axis->id);
    break;
  case EXPRESSION_REGISTER:
    text_addf(out, "r%d", e->reg->id);
    break;
  case EXPRESSION_LOAD:
  case EXPRESSION_LOCAL:
    text_addf(out, e->kind == EXPRESSION_LOAD ? "b%d[" : "a%d[",
              e->kind == EXPRESSION_LOAD ? e->buffer : e->local->id);
    print_expr(out, e->arguments[0]);
    text_add(out, "]");
    break;
  case EXPRESSION_OP:
    print_op(out, e);
    break;
  case EXPRESSION_RANDOM:
    text_addf(out, "random.%s.%s", randoms[e->random_kind], dtype_text(e->dtype));
    print_list(out, e);
    break;
  }
}

// ---------------------------------------------------------------- statements

static void print_body(TextBuffer *out, const StmtList *body, int depth);

static void print_for(TextBuffer *out, const Stmt *s, int depth) {
  text_add(out, s->reverse ? "for reversed " : "for ");
  if (s->mode == FOR_VECTOR) text_addf(out, "vector(%d x %d) ", s->width, s->unroll);
  if (s->mode == FOR_UNROLL) text_add(out, "unrolled ");
  text_addf(out, "%s%d = ", s->axis->name, s->axis->id);
  print_expr(out, s->low);
  text_add(out, " .. ");
  print_expr(out, s->high);
  if (s->step != 1) text_addf(out, " by %lld", (long long)s->step);
  text_add(out, "\n");
  print_body(out, &s->body, depth + 1);
}

static void print_if(TextBuffer *out, const Stmt *s, int depth) {
  text_add(out, "if ");
  print_expr(out, s->condition);
  text_add(out, "\n");
  print_body(out, &s->body, depth + 1);
  if (s->otherwise.count == 0) return;
  print_indent(out, depth);
  text_add(out, "else\n");
  print_body(out, &s->otherwise, depth + 1);
}

static void print_accumulate(TextBuffer *out, const Stmt *s) {
  text_addf(out, "r%d ", s->reg->id);
  if (s->op == OP_ADD)
    text_add(out, "+= ");
  else if (s->op == OP_MUL)
    text_add(out, "*= ");
  else
    text_addf(out, "%s= ", op_table[s->op].text);
  print_expr(out, s->value);
}

static void print_simple(TextBuffer *out, const Stmt *s) {
  switch (s->kind) {
  case STATEMENT_DECLARE:
    text_addf(out, "%s r%d = ", dtype_text(s->reg->dtype), s->reg->id);
    break;
  case STATEMENT_ASSIGN:
    text_addf(out, "r%d = ", s->reg->id);
    break;
  case STATEMENT_ARGMAX:
    text_addf(out, "r%d, r%d argmax= ", s->reg->id, s->reg_index->id);
    break;
  case STATEMENT_NOTE:
    text_addf(out, "note %d if ", s->number);
    break;
  case STATEMENT_STORE:
  case STATEMENT_LOCAL_STORE:
    text_addf(out, s->kind == STATEMENT_STORE ? "b%d[" : "a%d[",
              s->kind == STATEMENT_STORE ? s->buffer : s->local->id);
    print_expr(out, s->index);
    text_add(out, s->accumulate ? "] += " : "] = ");
    break;
  default:
    break;
  }
  print_expr(out, s->value);
  if (s->kind != STATEMENT_ARGMAX) return;
  text_add(out, ", ");
  print_expr(out, s->index);
}

static void print_body(TextBuffer *out, const StmtList *body, int depth) {
  for (size_t i = 0; i < body->count; i++) {
    const Stmt *s = body->data[i];
    print_indent(out, depth);
    if (s->kind == STATEMENT_FOR) {
      print_for(out, s, depth);
    } else if (s->kind == STATEMENT_IF) {
      print_if(out, s, depth);
    } else {
      if (s->kind == STATEMENT_ACCUMULATE)
        print_accumulate(out, s);
      else
        print_simple(out, s);
      text_add(out, "\n");
    }
  }
}

static void kernel_print(TextBuffer *out, const Kernel *kernel) {
  text_addf(out, "kernel %s(", kernel->name);
  for (size_t i = 0; i < kernel->buffers.count; i++) {
    const KernelBuffer *b = &kernel->buffers.data[i];
    text_addf(out, "%sb%zu: %s%s%s", i ? ", " : "", i, dtype_text(b->dtype), b->reads ? " in" : "",
              b->writes ? " out" : "");
  }
  for (int i = 0; i < kernel->scalar_count; i++) text_addf(out, "%ss%d", i ? ", " : "; ", i);
  text_add(out, ")\n");
  for (size_t i = 0; i < kernel->locals.count; i++) {
    const Local *local = kernel->locals.data[i];
    text_addf(out, "  %s a%d[%lld]", dtype_text(local->dtype), local->id,
              (long long)local->entries);
    if (local->lanes) text_addf(out, " for each %s%d", local->lanes->name, local->lanes->id);
    text_add(out, "\n");
  }
  print_body(out, &kernel->body, 1);
}

// ---------------------------------------------------------------- schedules

void print_indent(TextBuffer *out, int depth) {
  for (int i = 0; i < depth; i++) text_add(out, "  ");
}

static void print_use(TextBuffer *out, const BufferUse *use) {
  text_addf(out, "b%d", use->buffer->id);
  if (use->counter < 0) return;
  text_addf(out, "[c%d * (", use->counter);
  dim_print(out, use->stride);
  text_add(out, ")]");
}

static void print_uses(TextBuffer *out, const Step *step) {
  text_add(out, "(");
  for (size_t i = 0; i < step->buffers.count; i++) {
    if (i) text_add(out, ", ");
    print_use(out, &step->buffers.data[i]);
  }
  for (size_t i = 0; i < step->scalars.count; i++)
    text_addf(out, "%sc%d", i ? ", " : "; ", step->scalars.data[i]);
  for (size_t i = 0; i < step->sizes.count; i++) {
    text_add(out, i ? ", " : "; ");
    dim_print(out, step->sizes.data[i]);
  }
  text_add(out, ")\n");
}

static void print_steps(TextBuffer *out, const StepList *steps, int depth);

static void print_loop(TextBuffer *out, const Step *step, int depth) {
  text_addf(out, "loop %sc%d < ", step->reverse ? "reversed " : "", step->counter);
  print_use(out, &step->count);
  if (step->has_trips) {
    text_add(out, ", trips to ");
    print_use(out, &step->trips);
  }
  text_add(out, "\n");
  if (step->has_condition) {
    print_steps(out, &step->condition, depth + 1);
    print_indent(out, depth + 1);
    text_add(out, "while ");
    print_use(out, &step->flag);
    text_add(out, "\n");
  }
  print_steps(out, &step->body, depth + 1);
}

static void print_steps(TextBuffer *out, const StepList *steps, int depth) {
  for (size_t i = 0; i < steps->count; i++) {
    const Step *step = steps->data[i];
    print_indent(out, depth);
    switch (step->kind) {
    case STEP_LAUNCH:
      text_addf(out, "launch %s", step->kernel->name);
      break;
    case STEP_ROUTINE:
      text_addf(out, "call %s", step->routine);
      break;
    case STEP_SWAP:
      text_add(out, "swap");
      break;
    case STEP_COUNT:
      text_addf(out, "count %d", step->note);
      break;
    case STEP_LOOP:
      print_loop(out, step, depth);
      continue;
    case STEP_IF:
      text_add(out, "if ");
      print_use(out, &step->flag);
      text_add(out, "\n");
      print_steps(out, &step->body, depth + 1);
      if (step->otherwise.count) {
        print_indent(out, depth);
        text_add(out, "else\n");
        print_steps(out, &step->otherwise, depth + 1);
      }
      continue;
    }
    print_uses(out, step);
  }
}

static void print_buffer(TextBuffer *out, const Buffer *b) {
  static const char *const kinds[] = {"input", "output", "workspace", "constant"};
  text_addf(out, "  b%d: %s", b->id, kinds[b->kind]);
  if (b->kind == BUFFER_INPUT || b->kind == BUFFER_OUTPUT) text_addf(out, " %d", b->number);
  text_addf(out, " %s[", dtype_text(b->dtype));
  dim_print(out, b->entries);
  text_add(out, "]");
  if (b->alias_of)
    text_addf(out, " in b%d", b->alias_of->id);
  else if (b->kind == BUFFER_WORKSPACE && b->slot >= 0)
    text_addf(out, " slot %d, %d .. %d", b->slot, b->first, b->last);
  text_add(out, "\n");
}

void schedule_print(TextBuffer *out, const Schedule *schedule) {
  text_addf(out, "schedule %s\n", schedule->name);
  for (size_t i = 0; i < schedule->buffers.count; i++) print_buffer(out, schedule->buffers.data[i]);
  print_steps(out, &schedule->steps, 1);
  for (size_t i = 0; i < schedule->kernels.count; i++) {
    text_add(out, "\n");
    kernel_print(out, schedule->kernels.data[i]);
  }
}

int schedule_kernel_count(const Schedule *schedule) {
  return (int)schedule->kernels.count;
}
