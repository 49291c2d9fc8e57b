// Dims: interning, the normal form and arithmetic.
//
// Enters: atoms and integers. Leaves: interned polynomials whose equality is equality of addresses.
// The one idea: a product k * exact(P, k) is rewritten by its relation k * exact(P, k) = P, and
// sums of fractions of the same P are brought over one denominator, so that promised divisions
// cancel. Whatever would overflow becomes the one invalid dim, which has no value and absorbs
// everything.
#include "ir/dim_internal.h"

#include <string.h>

static int64_t gcd(int64_t a, int64_t b) {
  uint64_t x = a < 0 ? 0 - (uint64_t)a : (uint64_t)a, y = b < 0 ? 0 - (uint64_t)b : (uint64_t)b;
  while (y) {
    uint64_t r = x % y;
    x = y;
    y = r;
  }
  return x > INT64_MAX ? 1 : (int64_t)x;
}

int64_t dim_floor_quotient(int64_t a, int64_t k) {
  int64_t q = a / k;
  return a % k < 0 ? q - 1 : q;
}

static int dim_compare(const Dim *a, const Dim *b);

static int atom_compare(const Atom *a, const Atom *b) {
  if (a == b) return 0;
  if (a->kind != b->kind) return a->kind < b->kind ? -1 : 1;
  if (a->kind == ATOM_NAME) return strcmp(a->name, b->name);
  int order = dim_compare(a->a, b->a);
  if (!order && a->kind == ATOM_MAX) order = dim_compare(a->b, b->b);
  if (!order) order = a->divisor < b->divisor ? -1 : a->divisor > b->divisor;
  return order;
}

// Graded: higher degree first, then atom by atom. Compatible with multiplication, so it also serves
// as the leading-term order of polynomial division.
static int monomial_compare(const Term *a, const Term *b) {
  if (a->degree != b->degree) return a->degree > b->degree ? -1 : 1;
  for (int i = 0; i < a->degree; i++) {
    int order = atom_compare(a->atoms[i], b->atoms[i]);
    if (order) return order;
  }
  return 0;
}

static int dim_compare(const Dim *a, const Dim *b) {
  if (a == b) return 0;
  for (size_t i = 0; i < a->count && i < b->count; i++) {
    int order = monomial_compare(&a->terms[i], &b->terms[i]);
    if (order) return order;
    int64_t x = a->terms[i].coefficient, y = b->terms[i].coefficient;
    if (x != y) return x < y ? -1 : 1;
  }
  return a->count < b->count ? -1 : a->count > b->count;
}

// --- interning -------------------------------------------------------------------------

static bool terms_equal(const Term *a, const Term *b) {
  return a->coefficient == b->coefficient && a->degree == b->degree &&
         (a->degree == 0 || !memcmp(a->atoms, b->atoms, (size_t)a->degree * sizeof *a->atoms));
}

static uint64_t terms_hash(const Term *terms, size_t count) {
  uint64_t hash = count;
  for (size_t i = 0; i < count; i++) {
    hash = hash_mix(hash, (uint64_t)terms[i].coefficient);
    for (int k = 0; k < terms[i].degree; k++)
      hash = hash_mix(hash, (uint64_t)(uintptr_t)terms[i].atoms[k]);
  }
  return hash;
}

static void dim_table_grow(DimTable *table) {
  size_t capacity = table->dim_capacity * 2;
  const Dim **dims = ARENA_ARRAY(table->arena, const Dim *, capacity);
  for (size_t i = 0; i < table->dim_capacity; i++) {
    const Dim *d = table->dims[i];
    if (!d) continue;
    size_t slot = d->hash & (capacity - 1);
    while (dims[slot]) slot = (slot + 1) & (capacity - 1);
    dims[slot] = d;
  }
  table->dims = dims;
  table->dim_capacity = capacity;
}

static const Dim *dim_intern(DimTable *table, const Term *terms, size_t count) {
  uint64_t hash = terms_hash(terms, count);
  size_t slot = hash & (table->dim_capacity - 1);
  for (; table->dims[slot]; slot = (slot + 1) & (table->dim_capacity - 1)) {
    const Dim *d = table->dims[slot];
    if (d->hash != hash || d->count != count) continue;
    size_t i = 0;
    while (i < count && terms_equal(&d->terms[i], &terms[i])) i++;
    if (i == count) return d;
  }
  Dim *d = ARENA_NEW(table->arena, Dim);
  d->hash = hash;
  d->count = count;
  d->terms = count ? arena_copy(table->arena, terms, count * sizeof *terms) : NULL;
  for (size_t i = 0; i < count; i++)
    for (int k = 0; k < terms[i].degree; k++) {
      const Atom *atom = terms[i].atoms[k];
      if (atom->depth > d->depth) d->depth = atom->depth;
      if (atom->kind == ATOM_EXACT) d->exact = true;
    }
  table->dims[slot] = d;
  if (++table->dim_count * 2 > table->dim_capacity) dim_table_grow(table);
  return d;
}

static void atom_table_grow(DimTable *table) {
  size_t old = table->atom_capacity;
  const Atom **atoms = ARENA_ARRAY(table->arena, const Atom *, old * 2);
  // Only composite atoms live here; they are few, so they are simply rehashed by their parts.
  for (size_t i = 0; i < old; i++) {
    const Atom *atom = table->atoms[i];
    if (!atom) continue;
    uint64_t hash = hash_mix(hash_mix((uint64_t)atom->kind, (uint64_t)(uintptr_t)atom->a),
                             hash_mix((uint64_t)atom->divisor, (uint64_t)(uintptr_t)atom->b));
    size_t slot = hash & (old * 2 - 1);
    while (atoms[slot]) slot = (slot + 1) & (old * 2 - 1);
    atoms[slot] = atom;
  }
  table->atoms = atoms;
  table->atom_capacity = old * 2;
}

static const Dim *atom_finish(DimTable *table, Atom *atom) {
  const Atom **atoms = arena_alloc(table->arena, sizeof *atoms);
  atoms[0] = atom;
  Term term = {1, 1, atoms};
  return atom->as_dim = dim_intern(table, &term, 1);
}

static const Atom *atom_intern(DimTable *table, AtomKind kind, const Dim *a, const Dim *b,
                               int64_t divisor) {
  uint64_t hash = hash_mix(hash_mix((uint64_t)kind, (uint64_t)(uintptr_t)a),
                           hash_mix((uint64_t)divisor, (uint64_t)(uintptr_t)b));
  size_t slot = hash & (table->atom_capacity - 1);
  for (; table->atoms[slot]; slot = (slot + 1) & (table->atom_capacity - 1)) {
    const Atom *atom = table->atoms[slot];
    if (atom->kind == kind && atom->a == a && atom->b == b && atom->divisor == divisor) return atom;
  }
  Atom *atom = ARENA_NEW(table->arena, Atom);
  *atom = (Atom){.kind = kind, .a = a, .b = b, .divisor = divisor};
  atom->depth = 1 + (b && b->depth > a->depth ? b->depth : a->depth);
  table->atoms[slot] = atom;
  if (++table->atom_count * 2 > table->atom_capacity) atom_table_grow(table);
  atom_finish(table, atom);
  return atom;
}

static const Dim *dim_from_atom(DimTable *table, const Atom *atom) {
  return atom->depth > DIM_MAX_DEPTH ? table->invalid : atom->as_dim;
}

DimTable *dim_table_create(Arena *arena, Interner *names) {
  DimTable *table = ARENA_NEW(arena, DimTable);
  table->arena = arena;
  table->names = names;
  table->dim_capacity = 256;
  table->dims = ARENA_ARRAY(arena, const Dim *, table->dim_capacity);
  table->atom_capacity = 64;
  table->atoms = ARENA_ARRAY(arena, const Atom *, table->atom_capacity);
  table->name_atoms = map_create(arena);
  Dim *invalid = ARENA_NEW(arena, Dim);
  invalid->invalid = true;
  table->invalid = invalid;
  table->zero = dim_const(table, 0);
  table->one = dim_const(table, 1);
  return table;
}

// --- normal form -----------------------------------------------------------------------

static void terms_sort(Term *terms, size_t count, Term *scratch) {
  if (count < 2) return;
  if (count < 12) {
    for (size_t i = 1; i < count; i++) {
      Term t = terms[i];
      size_t k = i;
      for (; k > 0 && monomial_compare(&t, &terms[k - 1]) < 0; k--) terms[k] = terms[k - 1];
      terms[k] = t;
    }
    return;
  }
  size_t half = count / 2;
  terms_sort(terms, half, scratch);
  terms_sort(terms + half, count - half, scratch);
  memcpy(scratch, terms, count * sizeof *terms);
  size_t a = 0, b = half;
  for (size_t i = 0; i < count; i++) {
    bool left = a < half && (b == count || monomial_compare(&scratch[a], &scratch[b]) <= 0);
    terms[i] = left ? scratch[a++] : scratch[b++];
  }
}

// Sorts and adds equal monomials; false on overflow.
static bool terms_combine(DimTable *table, TermList *terms) {
  Term *scratch = terms->count < 12 ? NULL : ARENA_ARRAY(table->arena, Term, terms->count);
  terms_sort(terms->data, terms->count, scratch);
  size_t kept = 0;
  for (size_t i = 0; i < terms->count;) {
    Term t = terms->data[i];
    size_t k = i + 1;
    for (; k < terms->count && !monomial_compare(&t, &terms->data[k]); k++)
      if (__builtin_add_overflow(t.coefficient, terms->data[k].coefficient, &t.coefficient))
        return false;
    if (t.coefficient) terms->data[kept++] = t;
    i = k;
  }
  terms->count = kept;
  return kept <= DIM_MAX_TERMS;
}

// The last EXACT atom of a term, or -1. Atoms sort by kind, EXACT right after names.
static int term_exact(const Term *t) {
  for (int i = t->degree - 1; i >= 0; i--)
    if (t->atoms[i]->kind == ATOM_EXACT) return i;
  return -1;
}

static bool same_rest(const Term *a, int skip_a, const Term *b, int skip_b) {
  if (a->degree != b->degree) return false;
  for (int i = 0, k = 0; i < a->degree; i++, k++) {
    if (i == skip_a) i++;
    if (k == skip_b) k++;
    if (i >= a->degree || k >= b->degree) break;
    if (a->atoms[i] != b->atoms[k]) return false;
  }
  return true;
}

// Adds factor * p * (atoms of t without number `skip`) to terms; false on overflow.
static bool terms_add_product(DimTable *table, TermList *terms, const Dim *p, int64_t factor,
                              const Term *t, int skip) {
  for (size_t i = 0; i < p->count; i++) {
    const Term *s = &p->terms[i];
    int degree = t->degree - (skip >= 0) + s->degree;
    Term product = {0, degree, NULL};
    if (degree > DIM_MAX_DEGREE || terms->count > 4 * DIM_MAX_TERMS) return false;
    if (__builtin_mul_overflow(s->coefficient, factor, &product.coefficient)) return false;
    if (degree) {
      const Atom **atoms = ARENA_ARRAY(table->arena, const Atom *, (size_t)degree);
      int a = 0, b = 0;
      for (int k = 0; k < degree; k++) {
        if (a == skip) a++;
        bool left =
            a < t->degree && (b == s->degree || atom_compare(t->atoms[a], s->atoms[b]) <= 0);
        atoms[k] = left ? t->atoms[a++] : s->atoms[b++];
      }
      product.atoms = atoms;
    }
    VEC_PUSH(table->arena, terms, product);
  }
  return true;
}

// Brings the fractions of term `index` and of all terms with the same dividend and rest over one
// denominator and takes out the whole part. Sets *changed when that gave other terms; false:
// overflow.
static bool terms_reduce_exact(DimTable *table, TermList *terms, size_t index, bool *changed) {
  Term t = terms->data[index];
  int skip = term_exact(&t);
  if (skip < 0) return true;
  const Dim *p = t.atoms[skip]->a;
  int64_t numerator = t.coefficient, denominator = t.atoms[skip]->divisor;
  bool merged = false;
  for (size_t i = index + 1; i < terms->count; i++) {
    Term *other = &terms->data[i];
    int other_skip = term_exact(other);
    if (other_skip < 0 || other->atoms[other_skip]->a != p ||
        !same_rest(&t, skip, other, other_skip))
      continue;
    int64_t k = other->atoms[other_skip]->divisor, common = gcd(denominator, k), left, right;
    if (__builtin_mul_overflow(numerator, k / common, &left) ||
        __builtin_mul_overflow(other->coefficient, denominator / common, &right) ||
        __builtin_add_overflow(left, right, &numerator) ||
        __builtin_mul_overflow(denominator, k / common, &denominator))
      return false;
    other->coefficient = 0;
    merged = true;
  }
  int64_t common = gcd(numerator, denominator);
  if (!merged && common == 1 && numerator > 0 && numerator < denominator) return true;
  *changed = true;
  numerator /= common;
  denominator /= common;
  int64_t whole = dim_floor_quotient(numerator, denominator);
  int64_t rest = numerator - whole * denominator;
  terms->data[index].coefficient = 0;
  if (whole && !terms_add_product(table, terms, p, whole, &t, skip)) return false;
  if (!rest) return true;
  const Dim *fraction = dim_exact(table, p, denominator);
  return fraction && !fraction->invalid &&
         terms_add_product(table, terms, fraction, rest, &t, skip);
}

const Dim *dim_from_terms(DimTable *table, TermList *terms) {
  for (int round = 0; round < 64; round++) {
    if (!terms_combine(table, terms)) return table->invalid;
    bool changed = false;
    size_t count = terms->count;
    for (size_t i = 0; i < count && !changed; i++)
      if (!terms_reduce_exact(table, terms, i, &changed)) return table->invalid;
    if (!changed) return dim_intern(table, terms->data, terms->count);
  }
  return table->invalid;
}

// --- constructors ----------------------------------------------------------------------

const Dim *dim_const(DimTable *table, int64_t value) {
  Term term = {value, 0, NULL};
  return dim_intern(table, &term, value != 0);
}

const Dim *dim_name(DimTable *table, Name name) {
  Atom *atom = map_get(table->name_atoms, name);
  if (!atom) {
    atom = ARENA_NEW(table->arena, Atom);
    atom->kind = ATOM_NAME;
    atom->name = name;
    map_put(table->name_atoms, name, atom);
    atom_finish(table, atom);
  }
  return atom->as_dim;
}

const Dim *dim_fresh(DimTable *table, const char *name) {
  for (;;) {
    Name unique = intern_printf(table->names, "%s'%u", name, ++table->fresh);
    if (!map_has(table->name_atoms, unique)) return dim_name(table, unique);
  }
}

bool dim_is_const(const Dim *d, int64_t *value) {
  if (d->invalid || d->count > 1 || (d->count == 1 && d->terms[0].degree)) return false;
  if (value) *value = d->count ? d->terms[0].coefficient : 0;
  return true;
}

bool dim_is_invalid(const Dim *d) {
  return d->invalid;
}

static int64_t dim_constant_term(const Dim *d) {
  if (!d->count || d->terms[d->count - 1].degree) return 0;
  return d->terms[d->count - 1].coefficient;
}

int64_t dim_content(const Dim *d, bool with_constant) {
  int64_t content = 0;
  for (size_t i = 0; i < d->count; i++)
    if (with_constant || d->terms[i].degree) content = gcd(content, d->terms[i].coefficient);
  return content;
}

const Dim *dim_add(DimTable *table, const Dim *a, const Dim *b) {
  if (a->invalid || b->invalid) return table->invalid;
  if (!a->count) return b;
  if (!b->count) return a;
  TermList terms = {0};
  for (size_t i = 0; i < a->count; i++) VEC_PUSH(table->arena, &terms, a->terms[i]);
  for (size_t i = 0; i < b->count; i++) VEC_PUSH(table->arena, &terms, b->terms[i]);
  return dim_from_terms(table, &terms);
}

const Dim *dim_scale(DimTable *table, const Dim *a, int64_t factor) {
  if (a->invalid || factor == 1) return a;
  TermList terms = {0};
  for (size_t i = 0; i < a->count; i++) {
    Term t = a->terms[i];
    if (__builtin_mul_overflow(t.coefficient, factor, &t.coefficient)) return table->invalid;
    VEC_PUSH(table->arena, &terms, t);
  }
  return dim_from_terms(table, &terms);
}

const Dim *dim_sub(DimTable *table, const Dim *a, const Dim *b) {
  if (a == b && !a->invalid) return table->zero;
  return dim_add(table, a, dim_scale(table, b, -1));
}

const Dim *dim_mul(DimTable *table, const Dim *a, const Dim *b) {
  if (a->invalid || b->invalid) return table->invalid;
  int64_t factor;
  if (dim_is_const(a, &factor)) return dim_scale(table, b, factor);
  if (dim_is_const(b, &factor)) return dim_scale(table, a, factor);
  if (a->count > DIM_MAX_TERMS / b->count) return table->invalid;
  TermList terms = {0};
  for (size_t i = 0; i < a->count; i++)
    if (!terms_add_product(table, &terms, b, a->terms[i].coefficient, &a->terms[i], -1))
      return table->invalid;
  return dim_from_terms(table, &terms);
}

// Splits p into k * whole + rest with the coefficients of rest in [0, k).
static const Dim *split_multiples(DimTable *table, const Dim *p, int64_t k, const Dim **whole) {
  TermList quotients = {0}, rests = {0};
  for (size_t i = 0; i < p->count; i++) {
    Term t = p->terms[i];
    int64_t q = dim_floor_quotient(t.coefficient, k);
    int64_t r = t.coefficient - q * k;
    t.coefficient = q;
    if (q) VEC_PUSH(table->arena, &quotients, t);
    t.coefficient = r;
    if (r) VEC_PUSH(table->arena, &rests, t);
  }
  *whole = dim_from_terms(table, &quotients);
  return dim_from_terms(table, &rests);
}

// Divides every coefficient by a number that divides them.
static const Dim *divide_coefficients(DimTable *table, const Dim *p, int64_t k) {
  TermList terms = {0};
  for (size_t i = 0; i < p->count; i++) {
    Term t = p->terms[i];
    t.coefficient = dim_floor_quotient(t.coefficient, k);
    if (t.coefficient) VEC_PUSH(table->arena, &terms, t);
  }
  return dim_from_terms(table, &terms);
}

const Dim *dim_exact(DimTable *table, const Dim *p, int64_t k) {
  const Dim *whole_sum = table->zero;
  int64_t multiplier = 1;
  while (k > 1) {
    const Dim *whole;
    p = split_multiples(table, p, k, &whole);
    whole_sum = dim_add(table, whole_sum, dim_scale(table, whole, multiplier));
    if (p->invalid || whole_sum->invalid) return table->invalid;
    if (!p->count) return whole_sum;
    int64_t free_content = gcd(dim_content(p, false), k);
    if (dim_constant_term(p) % (free_content ? free_content : k)) return NULL;
    if (dim_is_const(p, NULL)) return NULL;
    int64_t content = dim_content(p, true), common = gcd(content, k);
    if (common > 1) {
      p = divide_coefficients(table, p, common);
      k /= common;
      continue;
    }
    // k divides content * P exactly when it divides P, as they have no common factor.
    p = divide_coefficients(table, p, content);
    if (__builtin_mul_overflow(multiplier, content, &multiplier)) return table->invalid;
    if (p->count == 1 && p->terms[0].degree == 1 && p->terms[0].coefficient == 1 &&
        p->terms[0].atoms[0]->kind == ATOM_EXACT) {
      const Atom *inner = p->terms[0].atoms[0];
      if (__builtin_mul_overflow(k, inner->divisor, &k)) return table->invalid;
      p = inner->a;
      continue;
    }
    const Dim *atom = dim_from_atom(table, atom_intern(table, ATOM_EXACT, p, NULL, k));
    return dim_add(table, whole_sum, dim_scale(table, atom, multiplier));
  }
  return dim_add(table, whole_sum, dim_scale(table, p, multiplier));
}

const Dim *dim_floordiv(DimTable *table, const Dim *a, int64_t divisor) {
  REQUIRE(divisor > 0, "floordiv by %lld", (long long)divisor);
  if (a->invalid || divisor == 1) return a;
  const Dim *whole;
  const Dim *p = split_multiples(table, a, divisor, &whole);
  if (p->invalid || whole->invalid) return table->invalid;
  if (dim_is_const(p, NULL)) return whole; // the constant is in [0, divisor)
  int64_t common = gcd(dim_content(p, false), divisor);
  if (common > 1) { // floor((g P + c) / (g k)) = floor((P + floor(c / g)) / k)
    p = divide_coefficients(table, p, common);
    return dim_add(table, whole, dim_floordiv(table, p, divisor / common));
  }
  const Atom *atom = atom_intern(table, ATOM_FLOORDIV, p, NULL, divisor);
  return dim_add(table, whole, dim_from_atom(table, atom));
}

static bool atoms_nonnegative(const Dim *d);

static bool atom_nonnegative(const Atom *atom) {
  if (atom->kind == ATOM_NAME) return true;
  if (atom->kind == ATOM_MAX) return atoms_nonnegative(atom->a) || atoms_nonnegative(atom->b);
  return atoms_nonnegative(atom->a);
}

// No negative coefficient and no atom that could be negative, names being >= 0.
static bool atoms_nonnegative(const Dim *d) {
  if (d->invalid) return false;
  for (size_t i = 0; i < d->count; i++) {
    if (d->terms[i].coefficient < 0) return false;
    for (int k = 0; k < d->terms[i].degree; k++)
      if (!atom_nonnegative(d->terms[i].atoms[k])) return false;
  }
  return true;
}

const Dim *dim_max(DimTable *table, const Dim *a, const Dim *b) {
  if (a->invalid || b->invalid) return table->invalid;
  const Dim *difference = dim_sub(table, a, b);
  if (difference->invalid) return table->invalid;
  if (atoms_nonnegative(difference)) return a;
  if (atoms_nonnegative(dim_scale(table, difference, -1))) return b;
  if (dim_compare(a, b) > 0) {
    const Dim *swap = a;
    a = b;
    b = swap;
  }
  return dim_from_atom(table, atom_intern(table, ATOM_MAX, a, b, 0));
}

// --- conditions ------------------------------------------------------------------------

void dim_add_condition(DimTable *table, const Dim *dividend, int64_t divisor, Span span) {
  for (size_t i = 0; i < table->conditions.count; i++)
    if (table->conditions.data[i].dividend == dividend &&
        table->conditions.data[i].divisor == divisor)
      return;
  DimCondition condition = {dividend, divisor, span};
  VEC_PUSH(table->arena, &table->conditions, condition);
}

void dim_require_nonnegative(DimTable *table, const Dim *a, Span span) {
  if (!atoms_nonnegative(a)) dim_add_condition(table, a, 0, span);
}

size_t dim_condition_count(const DimTable *table) {
  return table->conditions.count;
}
const DimCondition *dim_conditions(const DimTable *table) {
  return table->conditions.data;
}
