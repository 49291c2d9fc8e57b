// bloc, the command.
#include "drive/pipeline.h"

int main(int argc, char **argv) {
  return drive_main(argc, argv);
}
