// usage: fuzz_NAME [--runs N] [--seconds S] [--seed K] seed-file...
//
// Each run picks a seed file, applies a few random edits (flip, delete, duplicate, insert a word,
// splice another seed) and calls fuzz_one. A crash is repeated with --seed and --runs as printed at
// the start.
#include "driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_SEEDS = 512, MAX_SIZE = 1 << 16 };

static uint64_t state = 1;
static uint8_t *seeds[MAX_SEEDS];
static size_t sizes[MAX_SEEDS];
static size_t seed_count;

static uint64_t next_random(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

static size_t below(size_t bound) {
  return bound ? (size_t)(next_random() % bound) : 0;
}

static void load(const char *path) {
  FILE *file = fopen(path, "rb");
  if (!file || seed_count == MAX_SEEDS) return;
  uint8_t *data = malloc(MAX_SIZE);
  sizes[seed_count] = fread(data, 1, MAX_SIZE / 2, file);
  seeds[seed_count++] = data;
  fclose(file);
}

static size_t splice(uint8_t *data, size_t size, size_t at, const uint8_t *piece, size_t length) {
  if (size + length > MAX_SIZE) return size;
  memmove(data + at + length, data + at, size - at);
  memmove(data + at, piece, length);
  return size + length;
}

static size_t edit(uint8_t *data, size_t size) {
  size_t at = below(size + 1), length = 1 + below(8);
  switch (below(6)) {
  case 0:
    if (at < size) data[at] ^= (uint8_t)(1u << below(8));
    return size;
  case 1:
    if (at < size) data[at] = (uint8_t)next_random();
    return size;
  case 2: // delete
    if (length > size - at) length = size - at;
    memmove(data + at, data + at + length, size - at - length);
    return size - length;
  case 3: { // duplicate a piece
    size_t from = below(size + 1);
    uint8_t piece[64];
    length = below(sizeof piece);
    if (length > size - from) length = size - from;
    memcpy(piece, data + from, length);
    return splice(data, size, at, piece, length);
  }
  case 4: {
    size_t words = 0;
    while (fuzz_words[words]) words++;
    if (!words) return size;
    const char *word = fuzz_words[below(words)];
    return splice(data, size, at, (const uint8_t *)word, strlen(word));
  }
  default: { // a piece of another seed
    size_t other = below(seed_count), from = below(sizes[other] + 1);
    length = below(256);
    if (length > sizes[other] - from) length = sizes[other] - from;
    return splice(data, size, at, seeds[other] + from, length);
  }
  }
}

int main(int argc, char **argv) {
  long runs = 1000;
  double seconds = 0;
  for (int i = 1; i < argc; i++) {
    if (!strcmp(argv[i], "--runs") && i + 1 < argc)
      runs = strtol(argv[++i], NULL, 10);
    else if (!strcmp(argv[i], "--seconds") && i + 1 < argc)
      seconds = strtod(argv[++i], NULL);
    else if (!strcmp(argv[i], "--seed") && i + 1 < argc)
      state = strtoull(argv[++i], NULL, 10) | 1;
    else
      load(argv[i]);
  }
  if (!seed_count) {
    fprintf(stderr, "no seed files\n");
    return 2;
  }
  printf("seed %llu, %zu seed files\n", (unsigned long long)state, seed_count);
  fflush(stdout);
  uint8_t *data = malloc(MAX_SIZE);
  time_t start = time(NULL);
  long done = 0;
  for (; seconds > 0 ? difftime(time(NULL), start) < seconds : done < runs; done++) {
    size_t pick = below(seed_count), size = sizes[pick];
    memcpy(data, seeds[pick], size);
    for (size_t edits = below(6); edits > 0; edits--) size = edit(data, size);
    // An exact-size copy, so that a read past the end is seen.
    uint8_t *exact = malloc(size ? size : 1);
    memcpy(exact, data, size);
    fuzz_one(exact, size);
    free(exact);
  }
  printf("%ld runs\n", done);
  free(data);
  for (size_t i = 0; i < seed_count; i++) free(seeds[i]);
  return 0;
}
