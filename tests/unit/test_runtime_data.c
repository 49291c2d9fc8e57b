// Data files: every format read back, every way of naming, every refusal with its text.
#include "unit/data_fixture.h"

// ---- formats ----

static void test_npz_round_trip(void **state) {
  (void)state;
  float x[6] = {0.5f, -1.0f, 2.25f, 3.0f, 1e30f, -0.0f};
  int32_t y[3] = {7, -2, 9};
  uint8_t b[3] = {1, 0, 1};
  blo_array arrays[] = {
      {.name = "train.x", .dtype = BLO_F32, .rank = 2, .shape = {3, 2}, .data = x},
      {.name = "train.y", .dtype = BLO_I32, .rank = 1, .shape = {3}, .data = y},
      {.name = "train.clean", .dtype = BLO_BOOL, .rank = 1, .shape = {3}, .data = b}};
  blo_data data[] = {declare("train.x", BLO_F32, 2, size_nd, "f32[n, d]"),
                     declare("train.y", BLO_I32, 1, size_n, "i32[n]"),
                     declare("train.clean", BLO_BOOL, 1, size_n, "bool[n]")};
  blo_program program = program_of(data, 3);
  for (int deflate = 0; deflate < 2; deflate++) {
    write_npz("any.npz", deflate, arrays, 3);
    blo_data_set *set = load(path_of("any.npz"));
    int64_t dims[2] = {0};
    assert_int_equal(blo_data_bind_dims(context, set, &program, NULL, 0, dims), BLO_OK);
    assert_int_equal(dims[0], 3);
    assert_int_equal(dims[1], 2);
    for (size_t i = 0; i < 3; i++) {
      blo_array array;
      assert_int_equal(blo_data_read(set, &program, i, dims, &array), BLO_OK);
      assert_memory_equal(array.data, arrays[i].data,
                          blo_array_count(&array) * blo_dtype_bytes(array.dtype));
    }
    blo_data_free(set);
  }
}

// A stored array of the right type is used where the file is mapped: reading allocates nothing for
// it.
static void test_stored_arrays_are_mapped(void **state) {
  (void)state;
  static double x[40000];
  for (size_t i = 0; i < 40000; i++) x[i] = (double)i;
  blo_array array = {.name = "x", .dtype = BLO_F64, .rank = 1, .shape = {40000}, .data = x};
  blo_data data = declare("x", BLO_F64, 1, size_n, "f64[n]");
  write_npz("any.npz", false, &array, 1);
  static double values[40000];
  counter.most = counter.live;
  size_t before = counter.live;
  blo_dim given = {"d", 1};
  assert_int_equal(read_one(path_of("any.npz"), &data, &given, 1, values, 40000), BLO_OK);
  assert_memory_equal(values, x, sizeof x);
  assert_true(counter.most - before < 100000);
}

static void test_npy_types_and_order(void **state) {
  (void)state;
  blo_data data = declare("x", BLO_F64, 2, size_nd, "f64[n, d]");
  double values[6];
  int16_t columns[6] = {1, 4, 2, 5, 3, 6};
  write_npy("x.npy", "<i2", true, "(2, 3)", columns, sizeof columns);
  assert_int_equal(read_one(path_of("x.npy"), &data, NULL, 0, values, 6), BLO_OK);
  for (int i = 0; i < 6; i++) assert_true(values[i] == i + 1.0);
  unsigned char big[24] = {0x3F, 0x80, 0, 0, 0xC0, 0, 0, 0}; // 1.0 and -2.0, then zeros
  write_npy("x.npy", ">f4", false, "(3, 2)", big, sizeof big);
  assert_int_equal(read_one(path_of("x.npy"), &data, NULL, 0, values, 6), BLO_OK);
  assert_true(values[0] == 1.0);
  assert_true(values[1] == -2.0);
  uint16_t halves[6] = {0x3C00, 0xC000, 0x0001, 0x7BFF, 0x3555, 0x8000};
  write_npy("x.npy", "<f2", false, "(3, 2)", halves, sizeof halves);
  assert_int_equal(read_one(path_of("x.npy"), &data, NULL, 0, values, 6), BLO_OK);
  assert_true(values[2] == 0x1p-24);
  assert_true(values[3] == 65504.0);
  uint64_t large[6] = {1, 2, 3, 4, 5, UINT64_MAX};
  write_npy("x.npy", "<u8", false, "(3, 2)", large, sizeof large);
  assert_int_equal(read_one(path_of("x.npy"), &data, NULL, 0, values, 6), BLO_BAD_DATA);
  assert_string_equal(blo_last_error(context)->code, "E0603");
}

static void test_scalars_and_empty_arrays(void **state) {
  (void)state;
  blo_data scalar = declare("x", BLO_F64, 0, NULL, "f64");
  blo_data empty = declare("x", BLO_F32, 2, size_nd, "f32[n, d]");
  blo_dim given[] = {{"n", 0}, {"d", 3}};
  double value = 2.5;
  write_npy("x.npy", "<f8", false, "()", &value, 8);
  assert_int_equal(read_one(path_of("x.npy"), &scalar, given, 2, &value, 1), BLO_OK);
  assert_true(value == 2.5);
  write_npy("x.npy", "<f8", false, "(0, 3)", "", 0);
  assert_int_equal(read_one(path_of("x.npy"), &empty, NULL, 0, NULL, 0), BLO_OK);
}

static void test_conversions(void **state) {
  (void)state;
  blo_dim given = {"d", 1};
  double values[3];
  int64_t labels[3] = {0, 9, 3};
  write_npy("y.npy", "<i8", false, "(3,)", labels, sizeof labels);
  blo_data data = declare("y", BLO_I32, 1, size_n, "i32[n]");
  assert_int_equal(read_one(path_of("y.npy"), &data, &given, 1, values, 3), BLO_OK);
  assert_true(values[1] == 9.0);
  data.classes = 9;
  assert_int_equal(read_one(path_of("y.npy"), &data, &given, 1, values, 3), BLO_BAD_DATA);
  expect_error("E0606", "y.npy[1] = 9; ridge.blo:6:22 says classes(9), so 0 to 8");
  labels[2] = 1ll << 33;
  write_npy("y.npy", "<i8", false, "(3,)", labels, sizeof labels);
  data.classes = 0;
  assert_int_equal(read_one(path_of("y.npy"), &data, &given, 1, values, 3), BLO_BAD_DATA);
  expect_error("E0603", "y.npy holds i64; ridge.blo:6:22 says i32[n], and y.npy[2] = 8589934592 "
                        "is no i32");
  double reals[3] = {1.0, 0.5, 0.1};
  write_npy("y.npy", "<f8", false, "(3,)", reals, sizeof reals);
  data = declare("y", BLO_F32, 1, size_n, "f32[n]");
  assert_int_equal(read_one(path_of("y.npy"), &data, &given, 1, values, 3), BLO_BAD_DATA);
  expect_error("E0603", "y.npy holds f64; ridge.blo:6:22 says f32[n], and y.npy[2] = "
                        "0.10000000000000001 is no f32");
  assert_string_equal(blo_last_error(context)->help,
                      "declare f64, or round the values before saving: array.astype('float32')");
  reals[2] = 0.25;
  write_npy("y.npy", "<f8", false, "(3,)", reals, sizeof reals);
  assert_int_equal(read_one(path_of("y.npy"), &data, &given, 1, values, 3), BLO_OK);
  data = declare("y", BLO_BOOL, 1, size_n, "bool[n]");
  assert_int_equal(read_one(path_of("y.npy"), &data, &given, 1, values, 3), BLO_BAD_DATA);
}

// Every half float goes through double and back unchanged, and rounding is to the nearest.
static void test_half_floats(void **state) {
  (void)state;
  for (uint32_t bits = 0; bits < 65536; bits++) {
    uint16_t half = (uint16_t)bits, back = 0;
    blo_array one = {.dtype = BLO_F16, .data = &half};
    double value = blo_array_element(&one, 0);
    blo_store_double(value, &back, BLO_F16);
    if (value == value) assert_int_equal(back, half);
  }
  uint16_t half;
  blo_store_double(1.0 + 0x1p-11, &half, BLO_F16); // a tie goes to even
  assert_int_equal(half, 0x3C00);
  blo_store_double(1.0 + 0x1p-11 + 0x1p-20, &half, BLO_F16);
  assert_int_equal(half, 0x3C01);
  blo_store_double(65519.0, &half, BLO_F16);
  assert_int_equal(half, 0x7BFF);
  blo_store_double(65520.0, &half, BLO_F16);
  assert_int_equal(half, 0x7C00);
  blo_store_double(0x1p-25, &half, BLO_F16);
  assert_int_equal(half, 0);
}

static void test_csv(void **state) {
  (void)state;
  blo_dim given = {"d", 1};
  double values[6];
  write_text("train.csv", "\xEF\xBB\xBFname,\"a \"\"b\"\"\",y,x0,x1\r\n"
                          "\"Smith, J\",1e-3,0,1.5,-2\r\n"
                          "\"two\nlines\",+2.5E2,1, 3 ,\"4\"\r\n\r\n"
                          "c,nan,2,5,6");
  blo_data data = declare("train.y", BLO_I32, 1, size_n, "i32[n]");
  assert_int_equal(read_one(path_of("train.csv"), &data, &given, 1, values, 3), BLO_OK);
  assert_true(values[2] == 2.0);
  data = declare("train.x", BLO_F32, 2, size_nd, "f32[n, d]");
  assert_int_equal(read_one(path_of("train.csv"), &data, NULL, 0, values, 6), BLO_OK);
  assert_true(values[1] == -2.0);
  assert_true(values[4] == 5.0);
  data = declare("a \"b\"", BLO_F64, 1, size_n, "f64[n]");
  assert_int_equal(read_one(path_of("train.csv"), &data, &given, 1, values, 3), BLO_BAD_DATA);
  expect_error("E0606", "train.csv:a \"b\" holds a NaN at [2] (ridge.blo:6:22)");
  data = declare("train.name", BLO_F64, 1, size_n, "f64[n]");
  assert_int_equal(read_one(path_of("train.csv"), &data, &given, 1, values, 3), BLO_BAD_DATA);
  expect_error("E0604", "train.csv:2: `Smith, J` in column `name` is not a number");
  write_text("t.csv", "y,flag\n1.5,true\n2,FALSE\n");
  data = declare("y", BLO_I32, 1, size_n, "i32[n]");
  assert_int_equal(read_one(path_of("t.csv"), &data, &given, 1, values, 2), BLO_BAD_DATA);
  expect_error("E0603", "t.csv:2: `1.5` in column `y` does not fit i32");
  data = declare("flag", BLO_BOOL, 1, size_n, "bool[n]");
  assert_int_equal(read_one(path_of("t.csv"), &data, &given, 1, values, 2), BLO_OK);
  assert_true(values[0] == 1.0);
  assert_true(values[1] == 0.0);
}

// Columns of one matrix stand anywhere in the header; what makes no matrix, and what is left over,
// is said.
static void test_csv_columns(void **state) {
  (void)state;
  double values[6];
  blo_data data = declare("x", BLO_F64, 2, size_nd, "f64[n, d]");
  const char *const orders[] = {"x1,x0,y\n2,1,3\n5,4,6\n", "x0,y,x1\n1,3,2\n4,6,5\n",
                                "y,x[2],x_1\n3,2,1\n6,5,4\n"};
  for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
    write_text("t.csv", orders[i]);
    assert_int_equal(read_one(path_of("t.csv"), &data, NULL, 0, values, 4), BLO_OK);
    const double expected[] = {1.0, 2.0, 4.0, 5.0};
    assert_memory_equal(values, expected, sizeof expected);
  }
  struct {
    const char *header, *error;
  } flaws[] = {
      {"x0,x1,x3,y\n1,2,3,4\n",
       "t.csv:1: no column `x2` lies between `x1` and `x3`, so the columns "
       "`x0`, `x1`, ... make no matrix for `x` (ridge.blo:6:22)"},
      {"\nx1,y,x1\n1,2,3\n", "t.csv:2: column `x1` is there twice, so the columns `x0`, `x1`, ... "
                             "make no matrix for `x` (ridge.blo:6:22)"},
      {"x_1,x0,x1\n1,2,3\n", "t.csv:1: columns `x_1` and `x1` have the same number, so the columns "
                             "`x0`, `x1`, ... make no matrix for `x` (ridge.blo:6:22)"},
  };
  for (size_t i = 0; i < sizeof flaws / sizeof *flaws; i++) {
    write_text("t.csv", flaws[i].header);
    assert_int_equal(read_one(path_of("t.csv"), &data, NULL, 0, values, 4), BLO_BAD_DATA);
    expect_error("E0601", flaws[i].error);
  }
  write_text("t.csv", "x0,x1,X2,xy\n1,2,3,4\n");
  blo_data_set *set;
  int64_t dims[8];
  const char *const sources[] = {path_of("t.csv")};
  blo_program program = {.name = "ridge.blo", .data = &data, .data_count = 1};
  static const char *const names[] = {"n", "d"};
  program.dims = names;
  program.dim_count = 2;
  assert_int_equal(blo_data_load(context, sources, 1, &set), BLO_OK);
  for (int again = 0; again < 2; again++) // said once, however often dims are bound
    assert_int_equal(blo_data_bind_dims(context, set, &program, NULL, 0, dims), BLO_OK);
  assert_int_equal(blo_data_warning_count(set), 1);
  assert_string_equal(blo_data_warning(set, 0),
                      "t.csv:1: nothing reads the column `X2`, though called like those of `x` "
                      "(ridge.blo:6:22)");
  blo_data_free(set);
}

static void test_csv_refusals(void **state) {
  (void)state;
  blo_data_set *set;
  const char *const source[] = {path_of("bad.csv")};
  char source_text[128];
  snprintf(source_text, sizeof source_text, "%s", source[0]);
  const char *const sources[] = {source_text};
  struct {
    const char *text, *error;
  } cases[] = {
      {"x,y\n1,2\n3\n", "bad.csv:3: the row has 1 cells, but the header names 2 columns"},
      {"1,2\n3,4\n", "bad.csv:1: the first row should name the columns"},
      {"x;y\n1;2\n", "bad.csv:1: the columns are not separated by commas: `x;y`"},
      {"", "bad.csv is empty"},
      {"x,y\n1,\"2\n3,4\n", "bad.csv:2: a quoted cell does not end where it should"},
      {"x,y\n1,\"2\"3\n", "bad.csv:2: a quoted cell does not end where it should"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    write_text("bad.csv", cases[i].text);
    assert_int_equal(blo_data_load(context, sources, 1, &set), BLO_BAD_DATA);
    expect_error("E0604", cases[i].error);
  }
  blo_data data = declare("x", BLO_F64, 1, size_n, "f64[n]");
  blo_dim given = {"d", 1};
  double values[2];
  write_text("bad.csv", "x,y\n1,2\n,4\n");
  assert_int_equal(read_one(source_text, &data, &given, 1, values, 2), BLO_BAD_DATA);
  expect_error("E0604", "bad.csv:3: an empty cell in column `x` is not a number");
  write_text("bad.csv", "x,y\n1,2\n0x10,4\n");
  assert_int_equal(read_one(source_text, &data, &given, 1, values, 2), BLO_BAD_DATA);
  expect_error("E0604", "bad.csv:3: `0x10` in column `x` is not a number");
}

static void test_idx(void **state) {
  (void)state;
  // Two images of 2 x 3 bytes: rows of pixels for f32[n, d].
  unsigned char images[16 + 12] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3};
  for (int i = 0; i < 12; i++) images[16 + i] = (unsigned char)(i * 20);
  blo_data data = declare("train.x", BLO_F32, 2, size_nd, "f32[n, d]");
  double values[12];
  char source[160];
  write_file("images-idx3-ubyte", images, sizeof images);
  snprintf(source, sizeof source, "train.x=%s", path_of("images-idx3-ubyte"));
  assert_int_equal(read_one(source, &data, NULL, 0, values, 12), BLO_OK);
  assert_true(values[11] == 220.0);
  write_gzip("images-idx3-ubyte.gz", images, sizeof images);
  snprintf(source, sizeof source, "train.x=%s", path_of("images-idx3-ubyte.gz"));
  assert_int_equal(read_one(source, &data, NULL, 0, values, 12), BLO_OK);
  assert_true(values[7] == 140.0);
  unsigned char shorts[8 + 4] = {0, 0, 0x0B, 1, 0, 0, 0, 2, 0xFF, 0xFE, 1, 0}; // -2 and 256
  data = declare("y", BLO_I32, 1, size_n, "i32[n]");
  write_file("y.idx", shorts, sizeof shorts);
  blo_dim given = {"d", 1};
  assert_int_equal(read_one(path_of("y.idx"), &data, &given, 1, values, 2), BLO_OK);
  assert_true(values[0] == -2.0);
  assert_true(values[1] == 256.0);
}

static void test_gzipped_text_and_npy(void **state) {
  (void)state;
  blo_data data = declare("y", BLO_F64, 1, size_n, "f64[n]");
  blo_dim given = {"d", 1};
  double values[3];
  write_gzip("t.csv.gz", "y\n1\n2\n3\n", 8);
  assert_int_equal(read_one(path_of("t.csv.gz"), &data, &given, 1, values, 3), BLO_OK);
  assert_true(values[2] == 3.0);
}

// ---- names ----

static void test_names(void **state) {
  (void)state;
  double two[2] = {1.0, 2.0};
  blo_data data = declare("train.x", BLO_F64, 1, size_n, "f64[n]");
  blo_dim given = {"d", 1};
  double values[2];
  const char *const members[] = {"train.x", "train/x", "train_x"};
  char source[160];
  for (size_t i = 0; i < 3; i++) {
    blo_array array = {.name = members[i], .dtype = BLO_F64, .rank = 1, .shape = {2}, .data = two};
    write_npz("all.npz", false, &array, 1);
    assert_int_equal(read_one(path_of("all.npz"), &data, &given, 1, values, 2), BLO_OK);
  }
  blo_array array = {.name = "x", .dtype = BLO_F64, .rank = 1, .shape = {2}, .data = two};
  write_npz("train.npz", false, &array, 1);
  assert_int_equal(read_one(path_of("train.npz"), &data, &given, 1, values, 2), BLO_OK);
  write_npz("other.npz", false, &array, 1);
  assert_int_equal(read_one(path_of("other.npz"), &data, &given, 1, values, 2), BLO_BAD_DATA);
  assert_string_equal(blo_last_error(context)->code, "E0602");
  snprintf(source, sizeof source, "train=%s", path_of("other.npz"));
  assert_int_equal(read_one(source, &data, &given, 1, values, 2), BLO_OK);
  assert_int_equal(mkdir(path_of("sub"), 0700), 0);
  assert_int_equal(mkdir(path_of("sub/train"), 0700), 0);
  write_npy("sub/train/x.npy", "<f8", false, "(2,)", two, sizeof two);
  assert_int_equal(read_one(path_of("sub"), &data, &given, 1, values, 2), BLO_OK);
  write_npy("sub/train_x.npy", "<f8", false, "(2,)", two, sizeof two);
  assert_int_equal(read_one(path_of("sub"), &data, &given, 1, values, 2),
                   BLO_OK); // rule 3 before 4
  write_npy("sub/train.x.npy", "<f8", false, "(2,)", two, sizeof two);
  assert_int_equal(unlink(path_of("sub/train/x.npy")), 0);
  assert_int_equal(read_one(path_of("sub"), &data, &given, 1, values, 2), BLO_BAD_DATA);
  expect_error("E0602", "both train.x.npy and train_x.npy could be `train.x` (ridge.blo:6:22)");
}

static void test_columns(void **state) {
  (void)state;
  double four[4] = {1.0, 2.0, 3.0, 4.0}, values[4];
  blo_array array = {.name = "Xtr", .dtype = BLO_F64, .rank = 2, .shape = {4, 1}, .data = four};
  const blo_dim given = {"d", 1};
  blo_data data = declare("Xtr", BLO_F64, 1, size_n, "f64[n]");
  write_npz("column.npz", false, &array, 1);
  assert_int_equal(read_one(path_of("column.npz"), &data, &given, 1, values, 4), BLO_OK);
  assert_memory_equal(values, four, sizeof four);
  array.shape[0] = array.shape[1] = 2;
  write_npz("matrix.npz", false, &array, 1);
  assert_int_equal(read_one(path_of("matrix.npz"), &data, &given, 1, values, 4), BLO_BAD_SHAPE);
  expect_error("E0601", "matrix.npz:Xtr has shape [2, 2]; ridge.blo:6:22 says f64[n]");
}

static void test_missing_names(void **state) {
  (void)state;
  double two[2] = {1.0, 2.0};
  blo_array array = {.name = "xtr", .dtype = BLO_F64, .rank = 1, .shape = {2}, .data = two};
  blo_data data = declare("Xtr", BLO_F64, 1, size_n, "f64[n]");
  double values[2];
  write_npz("train.npz", false, &array, 1);
  assert_int_equal(read_one(path_of("train.npz"), &data, NULL, 0, values, 2), BLO_BAD_DATA);
  expect_error("E0602", "no data for `Xtr`; ridge.blo:6:22 says f64[n]");
  assert_string_equal(blo_last_error(context)->help, "is it train.npz:xtr? then rename it to Xtr");
  blo_data_set *set;
  assert_int_equal(blo_data_load(context, (const char *const[]){"/nonexistent/x.npz"}, 1, &set),
                   BLO_BAD_DATA);
  assert_string_equal(blo_last_error(context)->code, "E0602");
}

// ---- dims ----

static void test_dims_agree(void **state) {
  (void)state;
  double x[12] = {0}, y[5] = {0};
  blo_array arrays[] = {{.name = "Xtr", .dtype = BLO_F64, .rank = 2, .shape = {4, 3}, .data = x},
                        {.name = "ytr", .dtype = BLO_F64, .rank = 1, .shape = {5}, .data = y}};
  blo_data data[] = {declare("Xtr", BLO_F64, 2, size_nd, "f64[n, d]"),
                     declare("ytr", BLO_F64, 1, size_n, "f64[n]")};
  blo_program program = program_of(data, 2);
  int64_t dims[2];
  write_npz("train.npz", false, arrays, 2);
  blo_data_set *set = load(path_of("train.npz"));
  assert_int_equal(blo_data_bind_dims(context, set, &program, NULL, 0, dims), BLO_BAD_SHAPE);
  expect_error("E0601", "train.npz:ytr has shape [5]; ridge.blo:6:22 says f64[n], and n = 4 was "
                        "bound by train.npz:Xtr");
  data[1] = declare("ytr", BLO_F64, 1, size_n1, "f64[n + 1]");
  assert_int_equal(blo_data_bind_dims(context, set, &program, NULL, 0, dims), BLO_OK);
  blo_data swapped[] = {data[1]}; // n + 1 alone is solved for n
  blo_program alone = program_of(swapped, 1);
  blo_dim given[] = {{"d", 3}};
  assert_int_equal(blo_data_bind_dims(context, set, &alone, given, 1, dims), BLO_OK);
  assert_int_equal(dims[0], 4);
  assert_int_equal(blo_data_bind_dims(context, set, &alone, NULL, 0, dims), BLO_BAD_ARGUMENT);
  expect_error("E0605", "dim `d` has no value");
  blo_dim wrong[] = {{"n", 7}};
  assert_int_equal(blo_data_bind_dims(context, set, &program, wrong, 1, dims), BLO_BAD_SHAPE);
  expect_error("E0601", "train.npz:Xtr has shape [4, 3]; ridge.blo:6:22 says f64[n, d], and n = 7 "
                        "was given by -D");
  blo_dim unknown[] = {{"q", 7}};
  assert_int_equal(blo_data_bind_dims(context, set, &program, unknown, 1, dims), BLO_BAD_ARGUMENT);
  expect_error("E0605", "the program has no dim `q`");
  blo_condition condition = {{word_n, 2}, 3, "3 divides n", "ridge.blo:9:3"};
  program.conditions = &condition;
  program.condition_count = 1;
  assert_int_equal(blo_data_bind_dims(context, set, &program, NULL, 0, dims), BLO_BAD_SHAPE);
  expect_error("E0601", "ridge.blo:9:3 needs that 3 divides n, and n = 4");
  blo_data_free(set);
}

static void test_json_lines(void **state) {
  (void)state;
  FILE *file = fopen(path_of("log.jsonl"), "w");
  blo_json json = {file, false};
  int64_t counts[2] = {INT64_MAX, -1};
  blo_array array = {.dtype = BLO_I64, .rank = 2, .shape = {2, 1}, .data = counts};
  blo_json_begin(&json, NULL);
  blo_json_text(&json, "event", "a \"quote\"\n");
  blo_json_number(&json, "third", 1.0 / 3.0);
  blo_json_number(&json, "nothing", (double)__builtin_nanf(""));
  blo_json_begin(&json, "inner");
  blo_json_integer(&json, "step", 7);
  blo_json_end(&json);
  blo_json_array(&json, "counts", &array);
  blo_json_end_line(&json);
  fclose(file);
  unsigned char text[512] = {0};
  read_back("log.jsonl", text, sizeof text - 1);
  assert_string_equal((const char *)text,
                      "{\"event\":\"a \\\"quote\\\"\\u000a\",\"third\":0.33333333333333331,"
                      "\"nothing\":null,\"inner\":{\"step\":7},"
                      "\"counts\":[[9223372036854775807],[-1]]}\n");
}

static void test_values_that_are_not_finite(void **state) {
  (void)state;
  double x[6] = {0.5, -1.0, 2.0, 3.0, -INFINITY, 1.0}, values[6];
  float narrow[2] = {1.0f, NAN};
  blo_array wide = {.name = "x", .dtype = BLO_F64, .rank = 2, .shape = {3, 2}, .data = x};
  blo_data data = declare("x", BLO_F64, 2, size_nd, "f64[n, d]");
  blo_dim given = {"d", 1};
  write_npz("t.npz", false, &wide, 1);
  assert_int_equal(read_one(path_of("t.npz"), &data, NULL, 0, values, 6), BLO_BAD_DATA);
  expect_error("E0606", "t.npz:x holds an infinity at [2, 0] (ridge.blo:6:22)");
  x[4] = 1.7e308;
  write_npz("t.npz", true, &wide, 1);
  assert_int_equal(read_one(path_of("t.npz"), &data, NULL, 0, values, 6), BLO_OK);
  write_npy("y.npy", "<f4", false, "(2,)", narrow, sizeof narrow);
  data = declare("y", BLO_F32, 1, size_n, "f32[n]");
  assert_int_equal(read_one(path_of("y.npy"), &data, &given, 1, values, 2), BLO_BAD_DATA);
  expect_error("E0606", "y.npy holds a NaN at [1] (ridge.blo:6:22)");
  for (int32_t dtype = BLO_F16; dtype <= BLO_BF16; dtype++) {
    uint16_t halves[3];
    for (int i = 0; i < 3; i++) blo_store_double(i < 2 ? 6e4 : INFINITY, &halves[i], dtype);
    assert_int_equal(blo_first_not_finite(halves, dtype, 3), 2);
    assert_int_equal(blo_first_not_finite(halves, dtype, 2), 2);
  }
}

static blo_status bind(const char *const *sources, size_t count, const blo_data *data,
                       size_t data_count) {
  blo_data_set *set = NULL;
  blo_program program = program_of(data, data_count);
  const blo_dim given = {"d", 1};
  int64_t dims[2];
  blo_status status = blo_data_load(context, sources, count, &set);
  if (!status) status = blo_data_bind_dims(context, set, &program, &given, 1, dims);
  blo_data_free(set);
  return status;
}

// A name on the command line that the program does not know is a slip, also beside good data.
static void test_given_names(void **state) {
  (void)state;
  double y[2] = {1.0, 2.0};
  char named[300], good[300];
  blo_array array = {.name = "y", .dtype = BLO_F64, .rank = 1, .shape = {2}, .data = y};
  blo_data data[] = {declare("train.y", BLO_F64, 1, size_n, "f64[n]"),
                     declare("valid.y", BLO_F64, 1, size_n, "f64[n]")};
  write_npz("a.npz", false, &array, 1);
  write_npz("valid.npz", false, &array, 1);
  snprintf(good, sizeof good, "train=%s", path_of("a.npz"));
  snprintf(named, sizeof named, "valid=%s", path_of("a.npz"));
  assert_int_equal(bind((const char *const[]){good, named}, 2, data, 2), BLO_OK);
  snprintf(named, sizeof named, "trian=%s", path_of("a.npz"));
  assert_int_equal(bind((const char *const[]){path_of("valid.npz"), good, named}, 3, data, 2),
                   BLO_BAD_DATA);
  expect_error("E0602", "--data trian=a.npz: the program declares no table or array `trian`");
  assert_string_equal(blo_last_error(context)->help, "did you mean `train`?");
  snprintf(named, sizeof named, "other=%s", path_of("a.npz"));
  assert_int_equal(bind((const char *const[]){good, named}, 2, data, 2), BLO_BAD_DATA);
  assert_string_equal(blo_last_error(context)->help, "it reads train, valid");
}

// A file is not ambiguous with itself; of a folder, damaged files are left out until they may be
// needed.
static void test_folders_with_odd_files(void **state) {
  (void)state;
  double y[2] = {1.0, 2.0};
  blo_array array = {.name = "y", .dtype = BLO_F64, .rank = 1, .shape = {2}, .data = y};
  blo_data data[] = {declare("y", BLO_F64, 1, size_n, "f64[n]"),
                     declare("z", BLO_F64, 1, size_n, "f64[n]")};
  write_npz("a.npz", false, &array, 1);
  const char *const twice[] = {path_of("a.npz"), path_of("a.npz"), folder};
  assert_int_equal(bind(twice, 3, data, 1), BLO_OK);
  write_file("b.npz", "PK\x03\x04 and no more", 16);
  assert_int_equal(bind(twice, 3, data, 1), BLO_OK);
  blo_data_set *set = load(folder);
  assert_int_equal(blo_data_warning_count(set), 1);
  assert_non_null(strstr(blo_data_warning(set, 0), "b.npz is damaged"));
  assert_false(blo_data_uses_file(set, path_of("a.npz"))); // nothing was read yet
  blo_data_free(set);
  assert_int_equal(bind(twice, 3, data, 2), BLO_BAD_DATA);
  assert_string_equal(blo_last_error(context)->code, "E0604");
  assert_non_null(strstr(blo_last_error(context)->text,
                         "no data for `z` (ridge.blo:6:22), and b.npz is damaged"));
  assert_int_equal(bind((const char *const[]){path_of("b.npz")}, 1, data, 1), BLO_BAD_DATA);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_npz_round_trip, setup, teardown),
      cmocka_unit_test_setup_teardown(test_stored_arrays_are_mapped, setup, teardown),
      cmocka_unit_test_setup_teardown(test_npy_types_and_order, setup, teardown),
      cmocka_unit_test_setup_teardown(test_scalars_and_empty_arrays, setup, teardown),
      cmocka_unit_test_setup_teardown(test_conversions, setup, teardown),
      cmocka_unit_test_setup_teardown(test_half_floats, setup, teardown),
      cmocka_unit_test_setup_teardown(test_csv, setup, teardown),
      cmocka_unit_test_setup_teardown(test_csv_columns, setup, teardown),
      cmocka_unit_test_setup_teardown(test_csv_refusals, setup, teardown),
      cmocka_unit_test_setup_teardown(test_idx, setup, teardown),
      cmocka_unit_test_setup_teardown(test_gzipped_text_and_npy, setup, teardown),
      cmocka_unit_test_setup_teardown(test_names, setup, teardown),
      cmocka_unit_test_setup_teardown(test_columns, setup, teardown),
      cmocka_unit_test_setup_teardown(test_missing_names, setup, teardown),
      cmocka_unit_test_setup_teardown(test_dims_agree, setup, teardown),
      cmocka_unit_test_setup_teardown(test_values_that_are_not_finite, setup, teardown),
      cmocka_unit_test_setup_teardown(test_given_names, setup, teardown),
      cmocka_unit_test_setup_teardown(test_folders_with_odd_files, setup, teardown),
      cmocka_unit_test_setup_teardown(test_json_lines, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
