// Files as bytes. Expects a path of a regular file; keeps it mapped read-only until closed.
#include "data/file.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static blo_status fail_with_reason(blo_context *context, const char *path, int number) {
  char reason[128];
  if (strerror_r(number, reason, sizeof reason) != 0) strcpy(reason, "cannot be opened");
  return blo_fail(context, BLO_BAD_DATA, "E0602", "%s: %s", path, reason);
}

blo_status blo_file_open(blo_context *context, const char *path, blo_file *file) {
  *file = (blo_file){.bytes = (const unsigned char *)""};
  int descriptor = open(path, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return fail_with_reason(context, path, errno);
  struct stat status;
  blo_status result = BLO_OK;
  if (fstat(descriptor, &status) != 0) {
    result = fail_with_reason(context, path, errno);
  } else if (!S_ISREG(status.st_mode)) {
    result = blo_fail(context, BLO_BAD_DATA, "E0602", "%s is not a file", path);
  } else if (status.st_size > 0) {
    void *mapping = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (mapping == MAP_FAILED) {
      result = fail_with_reason(context, path, errno);
    } else {
      *file = (blo_file){.bytes = mapping, .length = (size_t)status.st_size, .mapping = mapping};
    }
  }
  if (!result) {
    file->device = status.st_dev;
    file->inode = status.st_ino;
  }
  close(descriptor);
  return result;
}

bool blo_file_same(const blo_file *a, const blo_file *b) {
  return a->device == b->device && a->inode == b->inode;
}

void blo_file_close(blo_file *file) {
  if (file->mapping) munmap(file->mapping, file->length);
  *file = (blo_file){.bytes = (const unsigned char *)""};
}
