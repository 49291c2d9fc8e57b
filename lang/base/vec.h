// Growable arrays in an arena.  `VEC(Node *) items = {0}; VEC_PUSH(arena, &items, node);`
//
// A vector never shrinks and its old storage stays in the arena; growth doubles, so the waste is
// bounded by the final size.
#ifndef BLO_LANG_BASE_VEC_H
#define BLO_LANG_BASE_VEC_H

#include "base/arena.h"

#define VEC(T)                                                                                     \
  struct {                                                                                         \
    T *data;                                                                                       \
    size_t count, capacity;                                                                        \
  }

/// Storage for one more element than `count`; used by VEC_PUSH.
void *vec_grow(Arena *arena, void *data, size_t count, size_t *capacity, size_t element_size);

#define VEC_PUSH(arena, v, item)                                                                   \
  do {                                                                                             \
    if ((v)->count == (v)->capacity)                                                               \
      (v)->data = vec_grow((arena), (v)->data, (v)->count, &(v)->capacity, sizeof *(v)->data);     \
    (v)->data[(v)->count++] = (item);                                                              \
  } while (0)

#define VEC_LAST(v) ((v)->data[(v)->count - 1])

#endif
