// `bloc build`: an executable, or with --object an object file, from a program.
//
// The object holds the entries and the program's description; the executable adds a two-line main
// and the runtime, linked by the system's C compiler (CC, else cc).
#include "drive/pipeline.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/// libblo.a: beside bloc's own folder (build tree: bin/../lib; installed: the same).
static const char *runtime_archive(Arena *arena) {
  char self[4096];
  ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
  if (length <= 0) return NULL;
  self[length] = 0;
  for (int up = 0; up < 2; up++) {
    char *slash = strrchr(self, '/');
    if (slash) *slash = 0;
  }
  const char *path = arena_printf(arena, "%s/lib/libblo.a", self);
  return access(path, R_OK) == 0 ? path : NULL;
}

/// Becomes the C compiler. CC may hold options behind the command (`CC="gcc -fsanitize=address"`).
static void run_compiler(const char *compiler, const char *output, const char *object,
                         const char *archive) {
  enum { MAX_WORDS = 32 };
  char *words = strdup(compiler);
  char *arguments[MAX_WORDS + 16];
  int count = 0;
  for (char *word = words ? strtok(words, " ") : NULL; word && count < MAX_WORDS;
       word = strtok(NULL, " "))
    arguments[count++] = word;
  if (!count) return;
  const char *rest[] = {"-o",   output, "-x",    "c",   "-",   "-x",
                        "none", object, archive, "-lz", "-lm", "-lpthread"};
  for (size_t i = 0; i < sizeof rest / sizeof *rest; i++)
    arguments[count++] = (char *)(uintptr_t)rest[i];
  arguments[count] = NULL;
  execvp(arguments[0], arguments);
}

/// Runs the C compiler on a generated main, the object and the runtime. True when it succeeded.
static bool link_executable(Arena *arena, const char *symbol, const char *object,
                            const char *output) {
  const char *archive = runtime_archive(arena);
  if (!archive) {
    fprintf(stderr, "bloc: libblo.a is not where bloc is installed (../lib beside its folder)\n");
    return false;
  }
  const char *compiler = getenv("CC") ? getenv("CC") : "cc";
  int pipe_ends[2];
  if (pipe(pipe_ends)) return false;
  pid_t child = fork();
  if (child < 0) return false;
  if (child == 0) {
    dup2(pipe_ends[0], STDIN_FILENO);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    run_compiler(compiler, output, object, archive);
    fprintf(stderr, "bloc: cannot run the C compiler `%s` to link: %s (set CC)\n", compiler,
            strerror(errno));
    _exit(127);
  }
  close(pipe_ends[0]);
  FILE *text = fdopen(pipe_ends[1], "w");
  fprintf(text,
          "extern const char blo_program_%s;\n"
          "int blo_main(const void *program, int argc, char **argv);\n"
          "int main(int argc, char **argv) { return blo_main(&blo_program_%s, argc, argv); }\n",
          symbol, symbol);
  fclose(text);
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int write_outputs(Pipeline *p, Arena *arena, const Options *options) {
  const char *name = p->name;
  const char *output = options->output   ? options->output
                       : options->object ? arena_printf(arena, "%s.o", name)
                                         : name;
  const char *object = options->object ? output : arena_printf(arena, "%s.o", output);
  char *message = NULL;
  if (!emit_object(p->module, p->built->program, object, &message)) {
    fprintf(stderr, "error[%s]: cannot write %s: %s\n", error_code_text(E0902), object,
            message ? message : "unknown reason");
    free(message);
    return 1;
  }
  bool linked = options->object || link_executable(arena, p->built->program->name, object, output);
  if (!options->object) unlink(object);
  if (!linked) return 1;
  if (options->kernels) printf("%d kernels, compiled in %.0f ms\n", p->kernels, 1e3 * p->seconds);
  printf("wrote %s\n", output);
  return 0;
}

int verb_build(Arena *arena, const Options *options) {
  Pipeline p;
  bool sound = pipeline_front(&p, arena, options, options->files.data[0]);
  if (sound) {
    BuildOptions build = pipeline_build_options(&p);
    build.stages = true;
    sound = pipeline_build(&p, &build);
  }
  int status = pipeline_report(&p);
  if (!status && sound) {
    pipeline_optimize(&p);
    pipeline_emit(&p, options->target ? options->target : "x86-64-v3");
    status = write_outputs(&p, arena, options);
  }
  pipeline_destroy(&p);
  return status;
}
