// Dims as text: the printer and the reader of "2*d*n + H/7 - 1".
//
// Enters: a polynomial, or text. Leaves: text that reads back as the same dim. `P/k` is exact
// division and binds to the factor before it.
#include "ir/dim_internal.h"

#include <string.h>

static void print_atom(TextBuffer *out, const Atom *atom) {
  if (atom->kind == ATOM_NAME) {
    text_add(out, atom->name);
  } else if (atom->kind == ATOM_EXACT) {
    const Dim *p = atom->a;
    bool bare = p->count == 1 && p->terms[0].degree == 1 && p->terms[0].coefficient == 1;
    if (!bare) text_add(out, "(");
    dim_print(out, p);
    text_addf(out, "%s/%lld", bare ? "" : ")", (long long)atom->divisor);
  } else {
    text_add(out, atom->kind == ATOM_MAX ? "max(" : "floordiv(");
    dim_print(out, atom->a);
    text_add(out, ", ");
    if (atom->kind == ATOM_MAX) {
      dim_print(out, atom->b);
    } else {
      text_addf(out, "%lld", (long long)atom->divisor);
    }
    text_add(out, ")");
  }
}

void dim_print(TextBuffer *out, const Dim *d) {
  if (d->invalid) {
    text_add(out, "invalid");
    return;
  }
  if (!d->count) text_add(out, "0");
  for (size_t i = 0; i < d->count; i++) {
    const Term *t = &d->terms[i];
    uint64_t size = t->coefficient < 0 ? 0 - (uint64_t)t->coefficient : (uint64_t)t->coefficient;
    if (i) {
      text_add(out, t->coefficient < 0 ? " - " : " + ");
    } else if (t->coefficient < 0) {
      text_add(out, "-");
    }
    if (size != 1 || !t->degree) text_addf(out, "%llu", (unsigned long long)size);
    for (int k = 0; k < t->degree; k++) {
      if (k || size != 1) text_add(out, "*");
      print_atom(out, t->atoms[k]);
    }
  }
}

const char *dim_text(DimTable *table, const Dim *d) {
  TextBuffer out = text_buffer(table->arena);
  dim_print(&out, d);
  return text_string(&out);
}

// --- reader ----------------------------------------------------------------------------

typedef struct DimReader {
  DimTable *table;
  const char *at;
  int depth;
} DimReader;

static const Dim *read_sum(DimReader *r);

static bool is_name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static void skip_blanks(DimReader *r) {
  while (*r->at == ' ' || *r->at == '\t') r->at++;
}

static bool accept(DimReader *r, char c) {
  skip_blanks(r);
  if (*r->at != c) return false;
  r->at++;
  return true;
}

static bool read_integer(DimReader *r, int64_t *value) {
  skip_blanks(r);
  if (!is_digit(*r->at)) return false;
  *value = 0;
  for (; is_digit(*r->at); r->at++)
    if (__builtin_mul_overflow(*value, 10, value) ||
        __builtin_add_overflow(*value, *r->at - '0', value))
      return false;
  return true;
}

static const Dim *exact_or_null(DimReader *r, const Dim *p, int64_t k) {
  return k > 0 ? dim_divide(r->table, p, dim_const(r->table, k), (Span){0}) : NULL;
}

// After the name `floordiv`, `max` or `exact` and its parenthesis.
static const Dim *read_call(DimReader *r, const char *name, size_t length) {
  const Dim *a = read_sum(r), *b;
  int64_t k;
  if (!a || !accept(r, ',')) return NULL;
  if (length == 3) {
    b = read_sum(r);
    return b && accept(r, ')') ? dim_max(r->table, a, b) : NULL;
  }
  if (!read_integer(r, &k) || k <= 0 || !accept(r, ')')) return NULL;
  return name[0] == 'e' ? exact_or_null(r, a, k) : dim_floordiv(r->table, a, k);
}

static const Dim *read_factor(DimReader *r) {
  const Dim *factor = NULL;
  int64_t k;
  skip_blanks(r);
  if (is_digit(*r->at)) {
    factor = read_integer(r, &k) ? dim_const(r->table, k) : NULL;
  } else if (accept(r, '(')) {
    factor = read_sum(r);
    if (!accept(r, ')')) return NULL;
  } else if (is_name_start(*r->at)) {
    const char *start = r->at;
    while (is_name_start(*r->at) || is_digit(*r->at) || *r->at == '\'' || *r->at == '.') r->at++;
    size_t length = (size_t)(r->at - start);
    bool call = (length == 3 && !memcmp(start, "max", 3)) ||
                (length == 5 && !memcmp(start, "exact", 5)) ||
                (length == 8 && !memcmp(start, "floordiv", 8));
    factor = call && accept(r, '(')
                 ? read_call(r, start, length)
                 : dim_name(r->table, intern_range(r->table->names, start, length));
  }
  while (factor && accept(r, '/'))
    factor = read_integer(r, &k) ? exact_or_null(r, factor, k) : NULL;
  return factor;
}

static const Dim *read_product(DimReader *r) {
  const Dim *product = read_factor(r);
  while (product && accept(r, '*')) {
    const Dim *factor = read_factor(r);
    product = factor ? dim_mul(r->table, product, factor) : NULL;
  }
  return product;
}

static const Dim *read_sum(DimReader *r) {
  if (++r->depth > 4 * DIM_MAX_DEPTH) return NULL;
  bool negative = accept(r, '-');
  const Dim *sum = read_product(r);
  if (sum && negative) sum = dim_scale(r->table, sum, -1);
  while (sum) {
    bool minus = false;
    if (!accept(r, '+') && !(minus = accept(r, '-'))) break;
    const Dim *term = read_product(r);
    if (!term) return NULL;
    sum = minus ? dim_sub(r->table, sum, term) : dim_add(r->table, sum, term);
  }
  r->depth--;
  return sum;
}

const Dim *dim_parse(DimTable *table, const char **text) {
  DimReader reader = {table, *text, 0};
  const Dim *d = read_sum(&reader);
  if (!d || d->invalid) return NULL;
  *text = reader.at;
  return d;
}
