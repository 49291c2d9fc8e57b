// Affine index expressions over loop axes with dim polynomials as factors, see lower_internal.h.
#include "loop/lower_internal.h"

static const Dim *number(Module *module, int64_t value) {
  return dim_const(module->dims, value);
}

const Affine *affine_const(Module *module, const Dim *offset) {
  Affine *a = ARENA_NEW(module->arena, Affine);
  a->offset = offset;
  return a;
}

const Affine *affine_variable(Module *module, Expr *variable) {
  AffineTerm *term = ARENA_NEW(module->arena, AffineTerm);
  *term = (AffineTerm){variable, number(module, 1)};
  Affine *a = ARENA_NEW(module->arena, Affine);
  *a = (Affine){1, term, number(module, 0)};
  return a;
}

const Affine *affine_add(Module *module, const Affine *a, const Affine *b) {
  const Dim *zero = number(module, 0);
  if (!b->count && b->offset == zero) return a;
  if (!a->count && a->offset == zero) return b;
  AffineTerm *terms = ARENA_ARRAY(module->arena, AffineTerm, (size_t)(a->count + b->count) + 1);
  int count = 0;
  for (int i = 0; i < a->count; i++) terms[count++] = a->terms[i];
  for (int i = 0; i < b->count; i++) {
    int k = 0;
    while (k < a->count && terms[k].variable != b->terms[i].variable) k++;
    if (k < a->count)
      terms[k].factor = dim_add(module->dims, terms[k].factor, b->terms[i].factor);
    else
      terms[count++] = b->terms[i];
  }
  int kept = 0;
  for (int i = 0; i < count; i++)
    if (terms[i].factor != zero) terms[kept++] = terms[i];
  Affine *sum = ARENA_NEW(module->arena, Affine);
  *sum = (Affine){kept, terms, dim_add(module->dims, a->offset, b->offset)};
  return sum;
}

const Affine *affine_scale(Module *module, const Affine *a, const Dim *factor) {
  if (factor == number(module, 1)) return a;
  if (factor == number(module, 0)) return affine_const(module, factor);
  AffineTerm *terms = ARENA_ARRAY(module->arena, AffineTerm, (size_t)a->count + 1);
  for (int i = 0; i < a->count; i++)
    terms[i] =
        (AffineTerm){a->terms[i].variable, dim_mul(module->dims, a->terms[i].factor, factor)};
  Affine *product = ARENA_NEW(module->arena, Affine);
  *product = (Affine){a->count, terms, dim_mul(module->dims, a->offset, factor)};
  return product;
}

const Dim *affine_factor(const Affine *a, const Expr *variable) {
  for (int i = 0; i < a->count; i++)
    if (a->terms[i].variable == variable) return a->terms[i].factor;
  return NULL;
}

bool affine_equal(const Affine *a, const Affine *b) {
  if (a->offset != b->offset || a->count != b->count) return false;
  for (int i = 0; i < a->count; i++)
    if (affine_factor(b, a->terms[i].variable) != a->terms[i].factor) return false;
  return true;
}
