// Dims: exact division, proofs, evaluation and the program for the runtime.
//
// Enters: interned polynomials. Leaves: quotients, answers, values. Nothing here changes a dim.
#include "common/dims.h"
#include "ir/dim_internal.h"

#include <string.h>

// --- exact division --------------------------------------------------------------------

// The quotient of two monomials, or false when b's atoms are not all in a.
static bool monomial_divide(DimTable *table, const Term *a, const Term *b, Term *quotient) {
  if (a->degree < b->degree) return false;
  const Atom **atoms = ARENA_ARRAY(table->arena, const Atom *, (size_t)a->degree + 1);
  int kept = 0, k = 0;
  for (int i = 0; i < a->degree; i++) {
    if (k < b->degree && a->atoms[i] == b->atoms[k]) {
      k++;
    } else {
      atoms[kept++] = a->atoms[i];
    }
  }
  if (k < b->degree) return false;
  *quotient = (Term){a->coefficient, kept, kept ? atoms : NULL};
  return true;
}

// a / b's monomial when every term of a has its atoms; coefficients are left as they are.
static const Dim *divide_by_atoms(DimTable *table, const Dim *a, const Term *b) {
  TermList terms = {0};
  for (size_t i = 0; i < a->count; i++) {
    Term quotient;
    if (!monomial_divide(table, &a->terms[i], b, &quotient)) return NULL;
    VEC_PUSH(table->arena, &terms, quotient);
  }
  return dim_from_terms(table, &terms);
}

// Long division by leading terms; NULL when a remainder is left.
static const Dim *divide_polynomial(DimTable *table, const Dim *a, const Dim *b) {
  const Dim *quotient = dim_const(table, 0);
  for (int step = 0; step < 256; step++) {
    if (a->invalid || quotient->invalid) return NULL;
    if (!a->count) return quotient;
    Term t;
    int64_t lead = b->terms[0].coefficient;
    if (!monomial_divide(table, &a->terms[0], &b->terms[0], &t)) return NULL;
    if (lead == -1 ? t.coefficient == INT64_MIN : t.coefficient % lead != 0) return NULL;
    t.coefficient /= lead;
    TermList terms = {0};
    VEC_PUSH(table->arena, &terms, t);
    const Dim *part = dim_from_terms(table, &terms);
    quotient = dim_add(table, quotient, part);
    a = dim_sub(table, a, dim_mul(table, part, b));
  }
  return NULL;
}

static const Dim *divide_constant(DimTable *table, const Dim *a, int64_t k, Span span) {
  if (k == 0 || k == INT64_MIN) return NULL;
  if (k < 0) return divide_constant(table, dim_scale(table, a, -1), -k, span);
  const Dim *quotient = dim_exact(table, a, k);
  if (!quotient || quotient->invalid) return NULL;
  if (dim_content(a, true) % k) dim_add_condition(table, a, k, span);
  return quotient;
}

// The product of the divisors of all EXACT atoms of a monomial's terms, 1 when there are none.
static int64_t denominators(const Dim *d) {
  int64_t product = 1;
  for (size_t i = 0; i < d->count; i++)
    for (int k = 0; k < d->terms[i].degree; k++)
      if (d->terms[i].atoms[k]->kind == ATOM_EXACT &&
          __builtin_mul_overflow(product, d->terms[i].atoms[k]->divisor, &product))
        return 1;
  return product;
}

const Dim *dim_divide(DimTable *table, const Dim *a, const Dim *b, Span span) {
  int64_t k;
  if (a->invalid || b->invalid) return NULL;
  if (dim_is_const(b, &k)) return divide_constant(table, a, k, span);
  if (!a->count) return a;
  if (b->count == 1) {
    const Dim *quotient = divide_by_atoms(table, a, &b->terms[0]);
    if (quotient && !quotient->invalid)
      return divide_constant(table, quotient, b->terms[0].coefficient, span);
  } else {
    const Dim *quotient = divide_polynomial(table, a, b);
    if (quotient) return quotient;
  }
  // H / exact(H, k) = k: both sides times the denominators.
  if (b->exact && (k = denominators(b)) > 1)
    return dim_divide(table, dim_scale(table, a, k), dim_scale(table, b, k), span);
  return NULL;
}

// --- proofs ----------------------------------------------------------------------------

bool dim_difference(DimTable *table, const Dim *a, const Dim *b, int64_t *difference) {
  return dim_is_const(dim_sub(table, a, b), difference);
}

// What an atom is at least, as atom + shift >= shift: 1, 0, or -1 when nothing is known.
static int atom_lower_bound(DimTable *table, const Atom *atom) {
  if (atom->kind == ATOM_NAME) return 1;
  const Dim *one = dim_const(table, 1);
  const Dim *least = atom->kind == ATOM_FLOORDIV ? dim_const(table, atom->divisor) : one;
  if (dim_provably_nonnegative(table, dim_sub(table, atom->a, least))) return 1;
  if (atom->kind == ATOM_MAX && dim_provably_nonnegative(table, dim_sub(table, atom->b, one)))
    return 1;
  if (dim_provably_nonnegative(table, atom->a)) return 0;
  if (atom->kind == ATOM_MAX && dim_provably_nonnegative(table, atom->b)) return 0;
  return -1;
}

bool dim_provably_nonnegative(DimTable *table, const Dim *a) {
  if (a->invalid) return false;
  const Dim *shifted = dim_const(table, 0), *one = dim_const(table, 1);
  for (size_t i = 0; i < a->count; i++) {
    const Dim *product = dim_const(table, a->terms[i].coefficient);
    for (int k = 0; k < a->terms[i].degree; k++) {
      const Atom *atom = a->terms[i].atoms[k];
      int bound = atom_lower_bound(table, atom);
      if (bound < 0) return false;
      const Dim *factor = atom->as_dim;
      product = dim_mul(table, product, bound ? dim_add(table, factor, one) : factor);
    }
    shifted = dim_add(table, shifted, product);
  }
  if (shifted->invalid) return false;
  for (size_t i = 0; i < shifted->count; i++)
    if (shifted->terms[i].coefficient < 0) return false;
  return true;
}

// --- evaluation ------------------------------------------------------------------------

typedef bool (*DimValue)(void *self, Name name, int64_t *result);

static bool atom_evaluate(const Atom *atom, DimValue value, void *self, int64_t *result) {
  if (atom->kind == ATOM_NAME) return value(self, atom->name, result);
  int64_t a, b;
  if (!dim_evaluate(atom->a, value, self, &a)) return false;
  if (atom->kind == ATOM_MAX) {
    if (!dim_evaluate(atom->b, value, self, &b)) return false;
    *result = a > b ? a : b;
    return true;
  }
  *result = dim_floor_quotient(a, atom->divisor);
  return atom->kind == ATOM_FLOORDIV || a % atom->divisor == 0;
}

bool dim_evaluate(const Dim *d, DimValue value, void *self, int64_t *result) {
  if (d->invalid) return false;
  int64_t sum = 0;
  for (size_t i = 0; i < d->count; i++) {
    int64_t product = d->terms[i].coefficient, factor = 0;
    for (int k = 0; k < d->terms[i].degree; k++)
      if (!atom_evaluate(d->terms[i].atoms[k], value, self, &factor) ||
          __builtin_mul_overflow(product, factor, &product))
        return false;
    if (__builtin_add_overflow(sum, product, &sum)) return false;
  }
  *result = sum;
  return true;
}

void dim_names(Arena *arena, const Dim *d, NameList *names) {
  for (size_t i = 0; i < d->count; i++)
    for (int k = 0; k < d->terms[i].degree; k++) {
      const Atom *atom = d->terms[i].atoms[k];
      if (atom->kind != ATOM_NAME) {
        dim_names(arena, atom->a, names);
        if (atom->b) dim_names(arena, atom->b, names);
        continue;
      }
      size_t at = 0;
      while (at < names->count && names->data[at] != atom->name) at++;
      if (at == names->count) VEC_PUSH(arena, names, atom->name);
    }
}

// --- the program for the runtime -------------------------------------------------------

typedef struct DimCode {
  Arena *arena;
  const Name *atoms;
  size_t atom_count;
  VEC(int64_t) words;
} DimCode;

static void emit(DimCode *code, int64_t word) {
  VEC_PUSH(code->arena, &code->words, word);
}

static void emit_two(DimCode *code, int64_t operation, int64_t operand) {
  emit(code, operation);
  emit(code, operand);
}

static void compile_dim(DimCode *code, const Dim *d);

static void compile_atom(DimCode *code, const Atom *atom) {
  if (atom->kind == ATOM_NAME) {
    size_t i = 0;
    while (i < code->atom_count && code->atoms[i] != atom->name) i++;
    REQUIRE(i < code->atom_count, "dim_compile: no number for dim '%s'", atom->name);
    emit_two(code, BLO_DIM_ATOM, (int64_t)i);
    return;
  }
  compile_dim(code, atom->a);
  if (atom->kind == ATOM_MAX) {
    compile_dim(code, atom->b);
    emit(code, BLO_DIM_MAX);
  } else {
    emit_two(code, atom->kind == ATOM_EXACT ? BLO_DIM_EXACT : BLO_DIM_FLOORDIV, atom->divisor);
  }
}

static void compile_dim(DimCode *code, const Dim *d) {
  if (d->invalid) { // has no value: a program that overflows
    emit_two(code, BLO_DIM_CONST, INT64_MAX);
    emit_two(code, BLO_DIM_CONST, INT64_MAX);
    emit(code, BLO_DIM_ADD);
    return;
  }
  if (!d->count) emit_two(code, BLO_DIM_CONST, 0);
  for (size_t i = 0; i < d->count; i++) {
    const Term *t = &d->terms[i];
    bool bare = t->coefficient == 1 && t->degree;
    if (!bare) emit_two(code, BLO_DIM_CONST, t->coefficient);
    for (int k = 0; k < t->degree; k++) {
      compile_atom(code, t->atoms[k]);
      if (k || !bare) emit(code, BLO_DIM_MUL);
    }
    if (i) emit(code, BLO_DIM_ADD);
  }
}

size_t dim_compile(Arena *arena, const Dim *d, const Name *atoms, size_t atom_count,
                   const int64_t **words) {
  DimCode code = {.arena = arena, .atoms = atoms, .atom_count = atom_count};
  compile_dim(&code, d);
  *words = code.words.data;
  return code.words.count;
}
