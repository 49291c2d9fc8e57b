/* Greedy placement in several orders; the best is kept.
 *
 * Each order takes the buffers one by one and puts each at the lowest offset that is free during
 * its lifetime. No memory is needed besides the offsets: an offset of -1 marks what is not yet
 * placed, and the best order is simply run again. */
#include "common/place.h"

typedef struct Placement {
  const int64_t *bytes, *first, *last;
  size_t count;
  int64_t *offsets;
} Placement;

typedef enum Order { ORDER_SIZE, ORDER_AREA, ORDER_FIRST, ORDER_LAST, ORDER_COUNT } Order;

static int64_t rounded(const Placement *p, size_t i) {
  return (p->bytes[i] + BLO_PLACE_ALIGN - 1) / BLO_PLACE_ALIGN * BLO_PLACE_ALIGN;
}

static double area(const Placement *p, size_t i) {
  return (double)p->bytes[i] * ((double)p->last[i] - (double)p->first[i] + 1);
}

/* Should i be placed before j? Ties go to the lower number. */
static bool before(const Placement *p, Order order, size_t i, size_t j) {
  switch (order) {
  case ORDER_AREA:
    if (area(p, i) != area(p, j)) return area(p, i) > area(p, j);
    break;
  case ORDER_FIRST:
    if (p->first[i] != p->first[j]) return p->first[i] < p->first[j];
    break;
  case ORDER_LAST:
    if (p->last[i] != p->last[j]) return p->last[i] > p->last[j];
    break;
  default:
    break;
  }
  return p->bytes[i] != p->bytes[j] ? p->bytes[i] > p->bytes[j] : i < j;
}

static bool meet(const Placement *p, size_t i, size_t j) {
  return p->first[i] <= p->last[j] && p->first[j] <= p->last[i];
}

/* Lowest offset at which buffer i overlaps nothing placed; -1 when it does not fit in an int64_t.
 */
static int64_t lowest_fit(const Placement *p, size_t i) {
  int64_t size = rounded(p, i), offset = 0;
  for (bool moved = true; moved;) {
    moved = false;
    for (size_t j = 0; j < p->count; j++) {
      if (p->offsets[j] < 0 || p->bytes[j] == 0 || p->first[j] < 0 || !meet(p, i, j)) continue;
      int64_t end = p->offsets[j] + rounded(p, j);
      if (end <= offset || offset + size <= p->offsets[j]) continue;
      offset = end;
      moved = true;
      if (offset > INT64_MAX - size) return -1;
    }
  }
  return offset;
}

static bool place_in_order(const Placement *p, Order order, int64_t *total) {
  *total = 0;
  for (size_t i = 0; i < p->count; i++)
    p->offsets[i] = p->first[i] < 0 || p->bytes[i] == 0 ? 0 : -1;
  for (;;) {
    size_t next = p->count;
    for (size_t i = 0; i < p->count; i++)
      if (p->offsets[i] < 0 && (next == p->count || before(p, order, i, next))) next = i;
    if (next == p->count) return true;
    int64_t offset = lowest_fit(p, next);
    if (offset < 0) return false;
    p->offsets[next] = offset;
    if (offset + rounded(p, next) > *total) *total = offset + rounded(p, next);
  }
}

bool blo_place(const int64_t *bytes, const int64_t *first, const int64_t *last, size_t count,
               int64_t *offsets, int64_t *total) {
  Placement p = {bytes, first, last, count, offsets};
  for (size_t i = 0; i < count; i++)
    if (bytes[i] < 0 || bytes[i] > INT64_MAX - BLO_PLACE_ALIGN) return false;
  Order best = ORDER_COUNT;
  int64_t least = 0;
  for (int order = 0; order < ORDER_COUNT; order++) {
    int64_t size;
    if (!place_in_order(&p, (Order)order, &size)) continue;
    if (best == ORDER_COUNT || size < least) {
      best = (Order)order;
      least = size;
    }
  }
  return best != ORDER_COUNT && place_in_order(&p, best, total);
}
