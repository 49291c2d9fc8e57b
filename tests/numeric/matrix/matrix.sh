#!/usr/bin/env bash
# Every method of the library has its cells: cold and warm, at short and long steps, at minimisation and at maximisation.
#
# A cell is a test "METHOD: cold, short" (or warm, or long) of this folder whose line, or else the solve blocks of its file,
# say `method = METHOD(..)`. The files minimise `sense * ..` with `const sense = 1.0;`: their twins, which maximise the
# same with -1, are made here and run; all formulas for x and y hold for both.
#
# usage: matrix.sh BLOC SOURCE_DIR
set -euo pipefail
bloc=$1
cd "$2/tests/numeric/matrix"
twins=$(mktemp -d)
trap 'rm -rf "$twins"' EXIT

cells=$(awk '
  function method_in(line) { return match(line, /method = [a-z_0-9]+\(/) ? substr(line, RSTART + 9, RLENGTH - 10) : "" }
  FNR == 1 { chosen = "" }
  /^solve/ { chosen = method_in($0) }
  match($0, /^test "[a-z_0-9]+: (cold|warm), (short|long)"/) {
    cell = substr($0, 7, RLENGTH - 7)
    own = method_in($0)
    if (own == "") own = chosen
    if (index(cell, own ":") == 1) print cell
  }' *.blo)
count=0 missing=0
for method in $(sed -nE 's/^export method ([a-z_0-9]+).*/\1/p' "$2"/stdlib/*.blo); do
  count=$((count + 1))
  for cell in "cold, short" "cold, long" "warm, short" "warm, long"; do
    grep -qxF "$method: $cell" <<<"$cells" || { missing=$((missing + 1)); echo "no test \"$method: $cell\""; }
  done
done
echo "$count methods, $missing cells missing"
[ "$count" -gt 30 ] && [ "$missing" -eq 0 ] || exit 1

for file in *.blo; do
  if grep -E '^[^/]*(minimize|maximize) ' "$file" | grep -vq 'minimize sense \* '; then
    echo "$file: an objective is not written as \`minimize sense * ..\`"
    exit 1
  fi
  sed 's/^const sense = 1.0;/const sense = -1.0;/; s/minimize sense \* /maximize sense * /' "$file" >"$twins/$file"
done
"$bloc" test "$twins"
