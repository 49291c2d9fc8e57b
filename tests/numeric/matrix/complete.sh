#!/usr/bin/env bash
# Every method of the library has its cells in this folder: cold and warm, at short and at long steps.
#
# A cell is a test "METHOD: cold, short" (or warm, or long) whose line, or else the solve blocks of its file, say
# `method = METHOD(..)`. Each objective is written `minimize sense * ..`, so that maximised.sh finds it.
#
# usage: complete.sh SOURCE_DIR
set -euo pipefail
cd "$1/tests/numeric/matrix"
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
methods=0 mistakes=0
complain() { mistakes=$((mistakes + 1)); echo "$1"; }
for method in $(sed -nE 's/^export method ([a-z_0-9]+).*/\1/p' ../../../stdlib/*.blo); do
  methods=$((methods + 1))
  for cell in "cold, short" "cold, long" "warm, short" "warm, long"; do
    grep -qxF "$method: $cell" <<<"$cells" || complain "no test \"$method: $cell\""
  done
done
for file in *.blo; do
  if grep -E '^[^/]*(minimize|maximize) ' "$file" | grep -vq 'minimize sense \* '; then
    complain "$file: an objective is not written as \`minimize sense * ..\`"
  fi
done
echo "$methods methods, $mistakes mistakes"
[ "$methods" -gt 30 ] && [ "$mistakes" -eq 0 ]
