// The progress line; see progress.h. Ten times a second on a terminal, every two seconds elsewhere.
#include "report/progress.h"
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

double blo_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void blo_progress_begin(Progress *progress, const char *stage, int64_t iterations,
                        int64_t first_step, bool quiet) {
  *progress = (Progress){.file = stderr,
                         .quiet = quiet,
                         .terminal = isatty(STDERR_FILENO) == 1,
                         .columns = 80,
                         .stage = stage,
                         .iterations = iterations,
                         .first_step = first_step,
                         .start = blo_seconds()};
  struct winsize size;
  if (progress->terminal && ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20)
    progress->columns = size.ws_col;
  progress->last = progress->terminal ? 0.0 : progress->start;
}

void blo_duration_print(char *text, size_t bytes, double seconds) {
  int64_t whole = seconds > 9e15 ? (int64_t)9e15 : (int64_t)(seconds + 0.5);
  if (seconds < 10.0) {
    snprintf(text, bytes, "%.1f s", seconds);
  } else if (whole < 120) {
    snprintf(text, bytes, "%" PRId64 " s", whole);
  } else if (whole < 7200) {
    snprintf(text, bytes, "%" PRId64 " min %" PRId64 " s", whole / 60, whole % 60);
  } else {
    snprintf(text, bytes, "%" PRId64 " h %" PRId64 " min", whole / 3600, whole / 60 % 60);
  }
}

typedef struct Line {
  char text[400];
  size_t length;
} Line;

__attribute__((format(printf, 2, 3))) static void line_add(Line *line, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int written =
      vsnprintf(line->text + line->length, sizeof line->text - line->length, format, arguments);
  va_end(arguments);
  if (written > 0) line->length += (size_t)written;
  if (line->length >= sizeof line->text) line->length = sizeof line->text - 1;
}

// brief: without the lower objective, for narrow terminals.
static void compose(const Progress *progress, const blo_step_result *result,
                    int64_t objectives_step, double now, bool brief, Line *line) {
  if (progress->stage[0]) line_add(line, "%s ", progress->stage);
  line_add(line, "step %" PRId64 "/%" PRId64, result->iteration, progress->iterations);
  if (result->has_upper)
    line_add(line, "  %s %.5g", progress->one_level ? "objective" : "upper",
             result->upper_objective);
  if (result->has_lower && !brief) line_add(line, "  lower %.5g", result->lower_objective);
  if ((result->has_upper || result->has_lower) && objectives_step != result->iteration)
    line_add(line, " (step %" PRId64 ")", objectives_step);
  if (result->has_norm)
    line_add(line, "  |%s| %.3g", progress->one_level ? "gradient" : "hypergradient",
             result->hypergradient_norm);
  double elapsed = now - progress->start;
  int64_t made = result->iteration - progress->first_step;
  if (elapsed <= 0.0 || made <= 0) return;
  double rate = (double)made / elapsed;
  line_add(line, rate >= 10.0 ? "  %.0f steps/s" : "  %.2g steps/s", rate);
  if (result->iteration >= progress->iterations) return;
  char left[48];
  blo_duration_print(left, sizeof left, (double)(progress->iterations - result->iteration) / rate);
  line_add(line, "  %s left", left);
}

void blo_progress_step(Progress *progress, const blo_step_result *result, int64_t objectives_step,
                       bool always) {
  if (progress->quiet) return;
  double now = blo_seconds();
  if (!always && now - progress->last < (progress->terminal ? 0.1 : 2.0)) return;
  progress->last = now;
  Line line = {.length = 0};
  compose(progress, result, objectives_step, now, false, &line);
  if (!progress->terminal) {
    fprintf(progress->file, "%s\n", line.text);
    return;
  }
  int room = progress->columns - 1;
  if (line.length > (size_t)room) {
    line = (Line){.length = 0};
    compose(progress, result, objectives_step, now, true, &line);
  }
  fprintf(progress->file, "\r\033[K%.*s", room, line.text);
  fflush(progress->file);
  progress->shown = true;
}

void blo_progress_clear(Progress *progress) {
  if (!progress->shown) return;
  fputs("\r\033[K", progress->file);
  fflush(progress->file);
  progress->shown = false;
}
