// Damaged data files of all kinds, and no memory: they may be refused but must never crash, leak or
// allocate by a false claim.
#include "unit/data_fixture.h"

static uint64_t random_state = 12345;

static uint64_t next_random(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state;
}

// Loads and reads everything a file seems to hold; any status is fine.
static void read_whatever(const char *path) {
  blo_data_set *set = NULL;
  if (blo_data_load(context, &path, 1, &set) != BLO_OK) return;
  for (size_t i = 0; i < blo_data_count(set); i++) {
    blo_data_info info = blo_data_describe(set, i);
    const char *member = strchr(info.label, ':') ? strchr(info.label, ':') + 1 : "x";
    int64_t words[2 * BLO_MAX_RANK];
    blo_size shape[BLO_MAX_RANK];
    for (int axis = 0; axis < info.rank && axis < BLO_MAX_RANK; axis++) {
      words[2 * axis] = BLO_DIM_CONST;
      words[2 * axis + 1] = info.shape[axis];
      shape[axis] = (blo_size){&words[2 * axis], 2};
    }
    blo_data data = declare(member, BLO_F64, info.rank, shape, "f64[...]");
    blo_program program = program_of(&data, 1);
    int64_t dims[2] = {1, 1};
    blo_array array;
    blo_data_read(set, &program, 0, dims, &array);
  }
  blo_data_free(set);
}

static void mutate_file(const char *name, int rounds) {
  unsigned char original[8192], bytes[8192];
  size_t length = read_back(name, original, sizeof original);
  char path[160], copy_name[64];
  snprintf(copy_name, sizeof copy_name, "mutated_%s", name);
  snprintf(path, sizeof path, "%s", path_of(copy_name));
  for (int round = 0; round < rounds; round++) {
    memcpy(bytes, original, length);
    size_t kept = next_random() % 4 ? length : next_random() % (length + 1);
    for (uint64_t flips = next_random() % 6; flips && kept; flips--) {
      static const unsigned char telling[] = {0, 0xFF, 0x7F, 0x80, '\n', '"', ',', '9'};
      size_t at = next_random() % kept;
      bytes[at] = next_random() % 2 ? telling[next_random() % 8] : (unsigned char)next_random();
    }
    write_file(copy_name, bytes, kept);
    size_t live = counter.live;
    read_whatever(path);
    assert_int_equal(counter.live, live);
  }
}

static void test_mutated_files(void **state) {
  (void)state;
  double x[12] = {1, 2, 3};
  blo_array arrays[] = {{.name = "x", .dtype = BLO_F64, .rank = 2, .shape = {4, 3}, .data = x},
                        {.name = "y", .dtype = BLO_F64, .rank = 1, .shape = {12}, .data = x}};
  write_npz("a.npz", false, arrays, 2);
  write_npz("b.npz", true, arrays, 2);
  write_npy("c.npy", "<f8", true, "(4, 3)", x, sizeof x);
  write_text("d.csv", "a,x0,x1\n1,2,3\n\"4\",5e3,6\n");
  write_gzip("e.csv.gz", "y\n1\n2\n3\n", 8);
  unsigned char idx[8 + 4] = {0, 0, 8, 1, 0, 0, 0, 4, 1, 2, 3, 4};
  write_file("f.idx", idx, sizeof idx);
  write_gzip("g.idx.gz", idx, sizeof idx);
  const char *const names[] = {"a.npz", "b.npz", "c.npy", "d.csv", "e.csv.gz", "f.idx", "g.idx.gz"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) mutate_file(names[i], 400);
}

static void test_truncated_npz(void **state) {
  (void)state;
  double x[12] = {1, 2, 3};
  blo_array array = {.name = "x", .dtype = BLO_F64, .rank = 2, .shape = {4, 3}, .data = x};
  unsigned char bytes[4096];
  write_npz("a.npz", true, &array, 1);
  size_t length = read_back("a.npz", bytes, sizeof bytes);
  char path[160];
  snprintf(path, sizeof path, "%s", path_of("cut.npz"));
  const char *const sources[] = {path};
  for (size_t kept = 0; kept < length; kept++) {
    blo_data_set *set;
    write_file("cut.npz", bytes, kept);
    assert_int_equal(blo_data_load(context, sources, 1, &set), BLO_BAD_DATA);
    assert_string_equal(blo_last_error(context)->code, "E0604");
  }
}

// A wrong checksum, and sizes that cannot be true: refused without allocating what they claim.
static void test_false_claims(void **state) {
  (void)state;
  double x[12] = {1, 2, 3}, values[12];
  blo_data data = declare("x", BLO_F64, 2, size_nd, "f64[n, d]");
  blo_array array = {.name = "x", .dtype = BLO_F64, .rank = 2, .shape = {4, 3}, .data = x};
  unsigned char bytes[4096];
  write_npz("a.npz", false, &array, 1);
  size_t length = read_back("a.npz", bytes, sizeof bytes);
  bytes[64 + 128 + 5] ^= 1;
  write_file("a.npz", bytes, length);
  assert_int_equal(read_one(path_of("a.npz"), &data, NULL, 0, values, 12), BLO_BAD_DATA);
  assert_string_equal(blo_last_error(context)->code, "E0604");
  counter.most = counter.live;
  size_t before = counter.live;
  write_npy("x.npy", "<f8", false, "(4000000000, 4000000000)", x, sizeof x);
  assert_int_equal(read_one(path_of("x.npy"), &data, NULL, 0, values, 12), BLO_BAD_DATA);
  assert_string_equal(blo_last_error(context)->code, "E0604");
  write_npy("x.npy", "<f8", false, "(40000000, 3)", x, sizeof x);
  assert_int_equal(read_one(path_of("x.npy"), &data, NULL, 0, values, 12), BLO_BAD_DATA);
  unsigned char idx[12] = {0, 0, 0x0E, 2, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
  write_file("x.idx", idx, sizeof idx);
  assert_int_equal(read_one(path_of("x.idx"), &data, NULL, 0, values, 12), BLO_BAD_DATA);
  write_gzip("x.idx.gz", idx, sizeof idx);
  assert_int_equal(read_one(path_of("x.idx.gz"), &data, NULL, 0, values, 12), BLO_BAD_DATA);
  assert_true(counter.most - before < 200000);
}

// The counting allocator refuses at every point in turn: an error each time, and no leak.
static size_t refuse_after;

static void *refusing_resize(void *self, void *pointer, size_t old_bytes, size_t new_bytes) {
  if (new_bytes && refuse_after-- == 0) {
    refuse_after = SIZE_MAX;
    return NULL;
  }
  return counting_resize(self, pointer, old_bytes, new_bytes);
}

static void test_no_memory(void **state) {
  (void)state;
  double x[12] = {1, 2, 3};
  blo_array arrays[] = {{.name = "x", .dtype = BLO_F64, .rank = 2, .shape = {4, 3}, .data = x},
                        {.name = "y", .dtype = BLO_F64, .rank = 1, .shape = {12}, .data = x}};
  write_npz("a.npz", true, arrays, 2);
  write_text("d.csv", "a,x0,x1\n1,2,3\n\"4\",5e3,6\n");
  blo_context *plain = context;
  refuse_after = SIZE_MAX;
  context = blo_context_create(&(blo_allocator){refusing_resize, &counter});
  size_t live = counter.live;
  blo_status status = BLO_NO_MEMORY;
  blo_data data = declare("x", BLO_F64, 2, size_nd, "f64[n, d]");
  const char *const names[] = {"a.npz", "d.csv"};
  for (size_t file = 0; file < 2; file++) {
    size_t tries = 0;
    for (status = BLO_NO_MEMORY; status == BLO_NO_MEMORY; tries++) {
      double values[12];
      refuse_after = tries;
      status = read_one(path_of(names[file]), &data, NULL, 0, values, file ? 4 : 12);
      assert_int_equal(counter.live, live);
    }
    assert_true(tries > 5);
    assert_int_equal(status, BLO_OK);
  }
  refuse_after = SIZE_MAX;
  blo_context_destroy(context);
  context = plain;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_mutated_files, setup, teardown),
      cmocka_unit_test_setup_teardown(test_truncated_npz, setup, teardown),
      cmocka_unit_test_setup_teardown(test_false_claims, setup, teardown),
      cmocka_unit_test_setup_teardown(test_no_memory, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
