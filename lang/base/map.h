// Hash map from a pointer (interned name, node, value) to a pointer, in an arena.
#ifndef BLO_LANG_BASE_MAP_H
#define BLO_LANG_BASE_MAP_H

#include "base/arena.h"
#include <stdbool.h>
#include <stdint.h>

typedef struct Map Map;

Map *map_create(Arena *arena);
/// The value stored for `key`, or NULL.
void *map_get(const Map *map, const void *key);
bool map_has(const Map *map, const void *key);
/// Stores `value` (may be NULL) for `key`, replacing what was there.
void map_put(Map *map, const void *key, void *value);
size_t map_count(const Map *map);

/// 64-bit hash of bytes (FNV-1a with a final mix); not for untrusted keys of a network service.
uint64_t hash_bytes(uint64_t seed, const void *data, size_t size);
uint64_t hash_mix(uint64_t seed, uint64_t word);

#endif
