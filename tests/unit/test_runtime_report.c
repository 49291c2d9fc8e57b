// The driver on a program written by hand: what a run writes, its exit codes, exact resume, the
// plot, the log, the command line, Ctrl-C, and the collecting of test results.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/npz_write.h"
#include "report/plot.h"
#include "report/results.h"
#include <blo/driver.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime_program.h"

static char folder[64];
static SmallProgram small;
static Script script;
static const double target[3] = {1.0, 2.0, 4.0};

static const char *path_of(const char *name) {
  static char paths[8][256];
  static int next;
  char *path = paths[next++ & 7];
  snprintf(path, sizeof paths[0], "%s/%s", folder, name);
  return path;
}

static int setup(void **state) {
  (void)state;
  snprintf(folder, sizeof folder, "/tmp/blo_report_XXXXXX");
  if (!mkdtemp(folder)) return -1;
  script = (Script){0};
  blo_context *context = blo_context_create(NULL);
  blo_npz npz;
  blo_array y = {
      .name = "y", .dtype = BLO_F64, .rank = 1, .shape = {3}, .data = (void *)(uintptr_t)target};
  blo_status status = blo_npz_begin(context, path_of("data.npz"), false, &npz);
  if (!status) status = blo_npz_add(&npz, "y", &y);
  if (!status) status = blo_npz_end(&npz);
  blo_context_destroy(context);
  return status ? -1 : 0;
}

static int teardown(void **state) {
  (void)state;
  char command[128];
  snprintf(command, sizeof command, "rm -rf '%s'", folder);
  return system(command);
}

static size_t read_text(const char *name, char *text, size_t capacity) {
  FILE *file = fopen(path_of(name), "rb");
  if (!file) return 0;
  size_t length = fread(text, 1, capacity - 1, file);
  text[length] = '\0';
  fclose(file);
  return length;
}

static void assert_file_has(const char *name, const char *wanted) {
  static char text[1 << 18];
  read_text(name, text, sizeof text);
  if (strstr(text, wanted)) return;
  fail_msg("%s lacks `%s`:\n%.2000s", name, wanted, text);
}

static void assert_file_lacks(const char *name, const char *unwanted) {
  static char text[1 << 18];
  size_t length = read_text(name, text, sizeof text);
  assert_true(length > 0);
  size_t wide = strlen(unwanted);
  for (size_t i = 0; i + wide <= length; i++)
    if (memcmp(text + i, unwanted, wide) == 0) fail_msg("%s has `%s`", name, unwanted);
}

static bool file_exists(const char *name) {
  return access(path_of(name), F_OK) == 0;
}

static int redirect(int descriptor, const char *name) {
  fflush(NULL);
  int saved = dup(descriptor);
  int file = open(path_of(name), O_WRONLY | O_CREAT | O_APPEND, 0600);
  dup2(file, descriptor);
  close(file);
  return saved;
}

static void restore(int descriptor, int saved) {
  fflush(NULL);
  dup2(saved, descriptor);
  close(saved);
}

static int run_main(const blo_program *program, const char *const *extra) {
  char *arguments[32] = {(char *)(uintptr_t) "small", (char *)(uintptr_t) "--data",
                         (char *)(uintptr_t)path_of("data.npz"), (char *)(uintptr_t) "--out",
                         (char *)(uintptr_t)path_of("out.npz")};
  int count = 5;
  for (; *extra; extra++) arguments[count++] = (char *)(uintptr_t)*extra;
  // What the driver prints goes to files, not into the test's own output.
  int saved_out = redirect(STDOUT_FILENO, "stdout.txt");
  int saved_error = redirect(STDERR_FILENO, "stderr.txt");
  int code = blo_main(program, count, arguments);
  restore(STDOUT_FILENO, saved_out);
  restore(STDERR_FILENO, saved_error);
  return code;
}

#define RUN(program, ...) run_main(program, (const char *const[]){__VA_ARGS__, NULL})

static double result_value(const char *file, const char *member, size_t index) {
  blo_context *context = blo_context_create(NULL);
  blo_data_set *set;
  blo_array array;
  assert_int_equal(blo_data_load_file(context, path_of(file), &set), BLO_OK);
  blo_status status = blo_data_get(set, member, BLO_F64, &array);
  double value = status ? -1e300 : blo_array_element(&array, index);
  blo_data_free(set);
  blo_context_destroy(context);
  assert_int_equal(status, BLO_OK);
  return value;
}

static void test_run_writes_results(void **state) {
  (void)state;
  const blo_program *program = small_program(&small, &script, false);
  assert_int_equal(RUN(program, "--log", path_of("log.jsonl"), "--plot", path_of("plot.svg")), 0);
  double expected = 0.0;
  for (int i = 0; i < 40; i++) expected += 0.1 * (1.0 - expected);
  assert_true(result_value("out.npz", "w", 0) == expected);
  assert_true(result_value("out.npz", "report.largest", 0) > 0.0);
  assert_file_has("stdout.txt", "largest = 0.0591");
  assert_file_has("stdout.txt", "w = [0.985");
  assert_file_has("stdout.txt", "error = 0.0752606   (step 1: 4.58258)\n");
  assert_file_has("stderr.txt", "step 40/40  upper");
  assert_file_has("stderr.txt", "results written to ");
  assert_file_has("log.jsonl",
                  "{\"event\":\"start\",\"program\":\"small.blo\",\"dims\":{\"n\":3}}\n");
  assert_file_has("log.jsonl", "\"step\":10,");
  assert_file_has("log.jsonl", "\"status\":\"ok\"");
  assert_file_has("plot.svg", "</svg>");
  assert_false(file_exists("out.npz.part"));
}

// Python reads the log and the picture, where there is a Python.
static void test_python_reads_our_files(void **state) {
  (void)state;
  const blo_program *program = small_program(&small, &script, false);
  if (system("/usr/bin/python3 -c 'import json, xml.dom.minidom' 2>/dev/null") != 0) skip();
  assert_int_equal(RUN(program, "--log", path_of("log.jsonl"), "--plot", path_of("plot.svg")), 0);
  char command[1024];
  snprintf(command, sizeof command,
           "/usr/bin/python3 -c 'import json, xml.dom.minidom, zipfile\n"
           "lines = [json.loads(line) for line in open(\"%s\")]\n"
           "assert len(lines) == 7 and lines[2][\"reports\"][\"error\"] > 0, lines\n"
           "picture = xml.dom.minidom.parse(\"%s\")\n"
           "assert len(picture.getElementsByTagName(\"path\")) > 10\n"
           "archive = zipfile.ZipFile(\"%s\")\n"
           "assert archive.testzip() is None and \"w.npy\" in archive.namelist()'",
           path_of("log.jsonl"), path_of("plot.svg"), path_of("out.npz"));
  assert_int_equal(system(command), 0);
}

static void test_divergence_keeps_the_last_good_step(void **state) {
  (void)state;
  script.diverge_at = 6;
  const blo_program *program = small_program(&small, &script, false);
  assert_int_equal(RUN(program, "--quiet", "--report-every", "3"), 4);
  double expected = 0.0;
  for (int i = 0; i < 5; i++) expected += 0.1 * (1.0 - expected);
  assert_true(result_value("out.npz", "w", 0) == expected);
  assert_file_has("stderr.txt",
                  "error[E0702]: small.blo:4:3: diverged in step 6 of stage main: the "
                  "upper objective is infinite\n   = help: ");
}

static void test_other_ends(void **state) {
  (void)state;
  const blo_program *program = small_program(&small, &script, true);
  assert_int_equal(RUN(program, "--quiet"), 3); // its stop condition never holds
  assert_file_has("stderr.txt", "not converged: ");
  script.finish_at = 12;
  assert_int_equal(RUN(program, "--quiet"), 0);
  script = (Script){.note_at = 4};
  assert_int_equal(RUN(program, "--quiet"), 1);
  assert_file_has("stderr.txt", "error[E0703]: small.blo:10:3: the curvature is negative\n");
  script = (Script){.warn_at = 4, .finish_at = 12};
  assert_int_equal(RUN(program, "--quiet"), 0);
  assert_file_has("stderr.txt",
                  "warning[W0703]: the multiplier is at its bound\n  --> small.blo:9:3\n");
  assert_int_equal(RUN(program, "-Dn=4"), 1);
  assert_file_has("stderr.txt",
                  "error[E0601]: data.npz:y has shape [3]; small.blo:2:8 says f64[n], "
                  "and n = 4 was given by -D\n");
  assert_int_equal(RUN(program, "--data", "/nonexistent.npz"), 1);
}

static void test_usage(void **state) {
  (void)state;
  const blo_program *program = small_program(&small, &script, false);
  assert_int_equal(RUN(program, "--nothing"), 2);
  assert_int_equal(RUN(program, "--seed", "x"), 2);
  assert_int_equal(RUN(program, "--seed"), 2);
  assert_int_equal(RUN(program, "-D", "n"), 2);
  assert_int_equal(RUN(program, "--threads", "0"), 2);
  assert_int_equal(RUN(program, "stray"), 2);
  assert_file_has("stderr.txt", "nothing says what `stray` is; write --data before each data file");
  assert_file_has("stderr.txt", "small: unknown option `--nothing`; --help lists the options\n");
  assert_int_equal(RUN(program, "--help"), 0);
  assert_file_has("stdout.txt", "usage: small [options]");
  assert_int_equal(RUN(program, "--quiet", "--threads=2", "--seed=5", "-Dn=3"), 0);
  assert_int_equal(RUN(program, "-Dn=3", "-D", "n=3"), 2);
  assert_file_has("stderr.txt", "-D n is given twice");
}

// Reports of an earlier step say so, and are not saved beside the variables of a later one.
static void test_reports_of_earlier_steps(void **state) {
  (void)state;
  script.diverge_at = 9;
  const blo_program *program = small_program(&small, &script, false);
  assert_int_equal(RUN(program, "--report-every", "3", "--log", path_of("log.jsonl")), 4);
  assert_file_has("stdout.txt", "(step 6, run stopped in step 8)\n");
  assert_file_has("log.jsonl", "\"objectives_step\":6,");
  assert_file_lacks("out.npz", "report.error");
}

// A step in which `stop` holds reports, whatever the cadence.
static void test_last_step_reports(void **state) {
  (void)state;
  script.finish_at = 12;
  script.warn_at = 12;
  const blo_program *program = small_program(&small, &script, true);
  assert_int_equal(RUN(program, "--quiet", "--report-every", "10"), 0);
  assert_true(result_value("out.npz", "report.error", 0) > 0.0);
  assert_file_has("stderr.txt", "warning[W0703]: the multiplier is at its bound\n");
}

static int32_t unbounded_step(const blo_call *call) {
  int32_t status = small_step(call);
  double *w = call->outputs[1];
  const double *t = call->inputs[1];
  if (t[0] < 0.45) w[1] = -NAN;
  return status;
}

// Objectives are known in steps that report; variables are looked at in every step.
static void test_variables_stay_finite(void **state) {
  (void)state;
  const blo_program *program = small_program(&small, &script, false);
  small.entries[1].run = unbounded_step;
  assert_int_equal(RUN(program, "--quiet", "--report-every", "40"), 4);
  assert_file_has("stderr.txt", "of stage main: `w` is not a number\n");
  assert_true(result_value("out.npz", "w", 1) > 0.0);
}

// What would be written is looked at before the run.
static void test_files_to_write(void **state) {
  (void)state;
  const blo_program *program = small_program(&small, &script, false);
  const char *const options[] = {"--out", "--plot", "--checkpoint"};
  for (size_t i = 0; i < 3; i++) {
    assert_int_equal(RUN(program, options[i], "/nonexistent/x"), 1);
    assert_int_equal(RUN(program, options[i], folder), 1);
    assert_int_equal(RUN(program, options[i], path_of("data.npz")), 1);
  }
  assert_int_equal(RUN(program, "--log", path_of("data.npz")), 1);
  assert_file_has("stderr.txt", "--plot /nonexistent/x: No such file or directory\n");
  assert_file_has("stderr.txt", ": it is a folder\n");
  assert_file_has("stderr.txt", "data.npz would overwrite a data file\n");
  assert_int_equal(RUN(program, "--out", "/dev/null"), 1);
  assert_false(file_exists("out.npz"));
}

static void test_error_formats(void **state) {
  (void)state;
  const blo_program *program = small_program(&small, &script, false);
  const char *const sources[] = {path_of("nothing.npz")};
  blo_run_options options = {.sources = sources, .source_count = 1, .errors = BLO_ERRORS_JSON};
  int saved = redirect(STDERR_FILENO, "stderr.txt");
  int code = blo_run(program, &options);
  options.errors = BLO_ERRORS_SHORT;
  code += blo_run(program, &options);
  restore(STDERR_FILENO, saved);
  assert_int_equal(code, 2);
  assert_file_has("stderr.txt", "{\"severity\":\"error\",\"code\":\"E0602\",\"message\":\"/tmp/");
  assert_file_has("stderr.txt", "\"path\":null,\"labels\":[],\"notes\":[],\"help\":[]}\n");
  assert_file_has("stderr.txt", "\nerror[E0602]: /tmp/");
}

// Stopped by a checkpoint on the way and resumed: the same bits as the run that went through.
static void test_resume_is_exact(void **state) {
  (void)state;
  const blo_program *program = small_program(&small, &script, false);
  assert_int_equal(RUN(program, "--quiet", "--checkpoint", path_of("whole.npz")), 0);
  small.stage.iterations = 17;
  assert_int_equal(RUN(program, "--quiet", "--checkpoint", path_of("part.npz")), 0);
  small.stage.iterations = 40;
  assert_int_equal(RUN(program, "--quiet", "--resume", path_of("part.npz"), "--checkpoint",
                       path_of("resumed.npz")),
                   0);
  static char whole[1 << 16], resumed[1 << 16];
  size_t length = read_text("whole.npz", whole, sizeof whole);
  assert_true(length > 500);
  assert_int_equal(read_text("resumed.npz", resumed, sizeof resumed), length);
  assert_memory_equal(whole, resumed, length);
}

// A seed that cannot count is refused, and a run that is complete says so.
static void test_resume_of_other_settings(void **state) {
  (void)state;
  const blo_program *program = small_program(&small, &script, false);
  assert_int_equal(RUN(program, "--quiet", "--seed", "5", "--checkpoint", path_of("c.npz")), 0);
  assert_int_equal(RUN(program, "--quiet", "--seed", "5", "--resume", path_of("c.npz")), 0);
  assert_int_equal(RUN(program, "--quiet", "--seed", "6", "--resume", path_of("c.npz")), 1);
  assert_file_has("stderr.txt", "c.npz began with seed 5\n");
  small.stage.iterations = 17;
  assert_int_equal(RUN(program, "--quiet", "--resume", path_of("c.npz")), 0);
  assert_file_has("stderr.txt", "nothing is left to do: the checkpoint is of step 40, and the run "
                                "has 17 steps");
  assert_file_has("stdout.txt", "largest = 0.0591");
}

static void test_foreign_checkpoints_are_refused(void **state) {
  (void)state;
  const blo_program *program = small_program(&small, &script, false);
  assert_int_equal(RUN(program, "--quiet", "--checkpoint", path_of("c.npz")), 0);
  small.program.name = "other.blo";
  assert_int_equal(RUN(program, "--quiet", "--resume", path_of("c.npz")), 1);
  assert_file_has("stderr.txt", "is a checkpoint of another program: it says `program small.blo`, "
                                "this one `program other.blo`\n");
  small.program.name = "small.blo";
  small.stage.solve = "exact";
  assert_int_equal(RUN(program, "--quiet", "--resume", path_of("c.npz")), 1);
  assert_file_has("stderr.txt", "this one `stage main, solve exact`\n");
  assert_int_equal(RUN(program, "--quiet", "--resume", path_of("data.npz")), 1);
  assert_file_has("stderr.txt", "is no checkpoint\n");
}

static int32_t slow_step(const blo_call *call) {
  usleep(2000);
  return small_step(call);
}

// SIGINT in a child: it stops after a step, says so, saves, and ends with 3.
static void test_interrupt(void **state) {
  (void)state;
  const blo_program *program = small_program(&small, &script, false);
  small.entries[1].run = slow_step;
  small.stage.iterations = 1000000;
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) _exit(RUN(program, "--log", path_of("log.jsonl"), "--report-every", "1"));
  char log[256] = "";
  for (int i = 0; i < 2000 && !strstr(log, "\"step\""); i++) { // until it is under way
    usleep(2000);
    read_text("log.jsonl", log, sizeof log);
  }
  kill(child, SIGINT);
  int status = 0;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 3);
  assert_file_has("stderr.txt", "what was found so far is saved\n");
  assert_true(result_value("out.npz", "w", 0) > 0.0);
}

static int32_t interrupted_finish(const blo_call *call) {
  raise(SIGINT);
  return small_finish(call);
}

// SIGINT while the last reports of a stage are made, when no step runs that could notice it: they
// are made, and the next stage does not begin.
static void test_interrupt_between_stages(void **state) {
  (void)state;
  const blo_program *program = small_program(&small, &script, false);
  small.entries[2].run = interrupted_finish;
  blo_stage stages[] = {small.stage, small.stage};
  stages[0].name = "first";
  stages[1].name = "second";
  small.program.stages = stages;
  small.program.stage_count = 2;
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) _exit(RUN(program, "--checkpoint", path_of("state.npz")));
  int status = 0;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 3);
  assert_file_has("stderr.txt", "stopped before the first step of stage second\n");
  assert_file_has("stdout.txt", "largest = ");
  assert_true(file_exists("state.npz"));
}

static void test_collecting_expectations(void **state) {
  (void)state;
  const blo_program *program = small_program(&small, &script, false);
  blo_context *context = blo_context_create(NULL);
  blo_test_result result;
  blo_test_options options = {.seed = 7};
  assert_int_equal(blo_run_test(context, program, &small.test, &options, &result), BLO_OK);
  assert_int_equal(result.failed, 0);
  assert_true(result.expects[1].has_error && result.expects[1].error == 0.5);
  assert_true(blo_array_element(&result.expects[1].right, 0) == 1.5);
  assert_null(result.expects[0].left.data);
  blo_test_result_release(&result);
  options.seed = 8;
  assert_int_equal(blo_run_test(context, program, &small.test, &options, &result), BLO_OK);
  assert_int_equal(result.failed, 1);
  assert_true(result.expects[0].ok);
  assert_false(result.expects[1].ok);
  blo_test_result_release(&result);
  blo_value needs_dim[5];
  memcpy(needs_dim, test_outputs, sizeof needs_dim);
  needs_dim[2].rank = 1;
  needs_dim[2].shape = shape_n;
  small.entries[4].outputs = needs_dim;
  assert_int_equal(blo_run_test(context, program, &small.test, &options, &result), BLO_BAD_SHAPE);
  assert_string_equal(blo_last_error(context)->text,
                      "small.blo:19:1: test \"two expectations\" needs a dim that it does not set");
  blo_test_result_release(&result);
  blo_context_destroy(context);
}

// A curve of any length keeps its ends and a bounded number of even points.
static void test_history(void **state) {
  (void)state;
  History history;
  blo_context *context = blo_context_create(NULL);
  assert_int_equal(blo_history_begin(context, 1, &history), BLO_OK);
  for (int64_t step = 1; step <= 100000; step++) {
    double value = (double)step;
    blo_history_add(&history, step, &value, step == 100000);
  }
  assert_true(history.count > BLO_HISTORY_POINTS / 3 && history.count <= BLO_HISTORY_POINTS);
  for (size_t i = 1; i < history.count; i++) {
    const double *before = blo_history_row(&history, i - 1), *row = blo_history_row(&history, i);
    assert_true(row[0] == row[1] && row[0] > before[0]);
    if (i + 1 < history.count) assert_true(row[0] - before[0] == (double)history.stride);
  }
  assert_true(blo_history_row(&history, history.count - 1)[0] == 100000.0);
  blo_history_end(&history);
  blo_context_destroy(context);
}

static void test_plots_of_odd_values(void **state) {
  (void)state;
  History history;
  blo_context *context = blo_context_create(NULL);
  const char *const names[] = {"a <b> & \"c\"", "flat", ""};
  static const double cases[][3] = {
      {NAN, NAN, NAN}, {INFINITY, 1.0, 0.0}, {1e-300, 1e300, 0.0}, {-1.0, -1.0, 0.0}, {0, 0, 0}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_int_equal(blo_history_begin(context, 3, &history), BLO_OK);
    PlotCurve curves[3];
    assert_int_equal(blo_plot_history(&history, names, curves), 2);
    PlotPanel panels[] = {{"none yet", "step", true, curves, 2}, {"values", "s", false, curves, 2}};
    assert_int_equal(blo_plot_write(context, path_of("plot.svg"), "t", panels, 2), BLO_OK);
    blo_history_add(&history, 5, cases[i], true);
    assert_int_equal(blo_plot_history(&history, names, curves), 2);
    assert_int_equal(blo_plot_write(context, path_of("plot.svg"), "t", panels, 2), BLO_OK);
    assert_file_has("plot.svg", "a &lt;b&gt; &amp; &quot;c&quot;</text>");
    static char text[1 << 16];
    read_text("plot.svg", text, sizeof text);
    assert_null(strstr(text, "nan"));
    assert_null(strstr(text, "inf"));
    blo_history_end(&history);
  }
  PlotPanel panel = {"x", "step", true, NULL, 0};
  assert_int_equal(blo_plot_write(context, "/nonexistent/x.svg", "t", &panel, 0), BLO_BAD_ARGUMENT);
  blo_context_destroy(context);
}

// Thirty curves that end decades apart: each has a look and a line in the legend of its own, and
// the shortest is not squeezed against the axis.
static void test_plots_of_many_curves(void **state) {
  (void)state;
  enum { CURVES = 30 };
  static char text[1 << 18], names[CURVES][20];
  double points[CURVES][6];
  PlotCurve curves[CURVES];
  for (int c = 0; c < CURVES; c++) {
    double end = pow(10.0, c % 4);
    memcpy(points[c], (double[]){0.0, 1.0, end / 2, 0.5, end, 0.1 + c}, sizeof points[c]);
    snprintf(names[c], sizeof names[c], "curve_%d", c);
    curves[c] = (PlotCurve){names[c], points[c], points[c] + 1, 3, 2};
  }
  blo_context *context = blo_context_create(NULL);
  PlotPanel panel = {"many", "seconds", false, curves, CURVES};
  assert_int_equal(blo_plot_write(context, path_of("plot.svg"), "t", &panel, 1), BLO_OK);
  read_text("plot.svg", text, sizeof text);
  for (int c = 0; c < CURVES; c++) {
    char wanted[32];
    snprintf(wanted, sizeof wanted, ">curve_%d</text>", c);
    assert_non_null(strstr(text, wanted));
  }
  const char *const dashes[] = {"\"7 3\"", "\"2 3\"", "\"9 3 2 3\""};
  for (int i = 0; i < 3; i++) assert_non_null(strstr(text, dashes[i]));
  const char *const ticks[] = {">1</text>", ">10</text>", ">100</text>", ">1000</text>"};
  for (int i = 0; i < 4; i++) assert_non_null(strstr(text, ticks[i]));
  blo_context_destroy(context);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_run_writes_results, setup, teardown),
      cmocka_unit_test_setup_teardown(test_python_reads_our_files, setup, teardown),
      cmocka_unit_test_setup_teardown(test_reports_of_earlier_steps, setup, teardown),
      cmocka_unit_test_setup_teardown(test_last_step_reports, setup, teardown),
      cmocka_unit_test_setup_teardown(test_variables_stay_finite, setup, teardown),
      cmocka_unit_test_setup_teardown(test_files_to_write, setup, teardown),
      cmocka_unit_test_setup_teardown(test_error_formats, setup, teardown),
      cmocka_unit_test_setup_teardown(test_resume_of_other_settings, setup, teardown),
      cmocka_unit_test_setup_teardown(test_divergence_keeps_the_last_good_step, setup, teardown),
      cmocka_unit_test_setup_teardown(test_other_ends, setup, teardown),
      cmocka_unit_test_setup_teardown(test_usage, setup, teardown),
      cmocka_unit_test_setup_teardown(test_resume_is_exact, setup, teardown),
      cmocka_unit_test_setup_teardown(test_foreign_checkpoints_are_refused, setup, teardown),
      cmocka_unit_test_setup_teardown(test_interrupt, setup, teardown),
      cmocka_unit_test_setup_teardown(test_interrupt_between_stages, setup, teardown),
      cmocka_unit_test_setup_teardown(test_plots_of_many_curves, setup, teardown),
      cmocka_unit_test_setup_teardown(test_collecting_expectations, setup, teardown),
      cmocka_unit_test_setup_teardown(test_history, setup, teardown),
      cmocka_unit_test_setup_teardown(test_plots_of_odd_values, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
