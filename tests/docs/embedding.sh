#!/usr/bin/env bash
# docs/embedding.md as a reader would follow it: its program, its C program and its commands give the numbers that the page
# states. Then two objects in one executable, beside a C file with names of its own that the entries have, too.
#
# usage: embedding.sh BLOC SOURCE_DIR
set -euo pipefail
bloc=$1 source=$2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
block() { awk -v kind="$1" '$0 == "```" kind { inside = 1; next } /^```/ { inside = 0 } inside' "$source/docs/embedding.md"; }
bloc() { timeout 60 "$bloc" "$@"; }
cc() { command ${CC:-cc} "$@"; }
library=$(dirname "$(dirname "$bloc")")/lib/libblo.a

block blo >shrink.blo
block c >use.c
BLO=$source
block sh | sed "s|\$BLO/build/release/lib/libblo.a|$library|" >commands.sh
. ./commands.sh >said.txt
for line in 'w\[0\] = 0.500000' 'w\[1\] = 1.000000' 'w\[2\] = 1.500000' 'shrinkage = 1.000000'; do
  grep -q "^$line$" said.txt || { echo "FAILED: no $line"; cat said.txt; exit 1; }
done

sed 's/sumsq(w - b)/sumsq(w - 2.0 * b)/' shrink.blo >grow.blo
bloc build grow.blo --object -o grow.o >/dev/null
for object in shrink grow; do
  names=$(nm --defined-only --extern-only $object.o | awk '{ print $3 }')
  [ "$names" = "blo_program_$object" ] || { echo "FAILED: $object.o exports $names"; exit 1; }
done
cat >both.c <<'END'
#include <blo/runtime.h>
extern const blo_program blo_program_shrink, blo_program_grow;
double data[3] = {1.0, 2.0, 3.0};
int main_step(void) { return 1; }
int main_init(void) __asm__("main.init");
int main_init(void) { return 2; }
int main(void) {
  return !(main_step() == 1 && main_init() == 2 && data[2] == 3.0 &&
           blo_program_shrink.stage_count == 1 && blo_program_grow.stage_count == 1);
}
END
cc both.c shrink.o grow.o -I "$source/runtime/include" "$library" -lz -lm -lpthread -o both
./both || { echo "FAILED: two objects in one program"; exit 1; }
echo "the page's program runs, and two objects link"
