#!/usr/bin/env bash
# Who may call whom.  Reads the symbols of every object of lang/, compiler/ and runtime/: what a folder leaves
# undefined must not be defined in a folder after it, and the runtime calls nothing of the others.  (A header
# of an early folder could declare a function of a late one; the includes would not show it.)
#
# usage: links.sh BUILD_DIR
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/order.sh"
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$1/CMakeFiles"

rank=0
ranks=()
for folder in "${runtime[@]/#/runtime_}" "${lang[@]/#/lang_}" "${compiler[@]/#/compiler_}"; do
  rank=$((rank + 1))
  if [ -d "$folder.dir" ]; then ranks+=("$rank $folder"); fi
done

# An object whose source has moved may still lie there from an earlier build.
objects() { # folder of objects
  local object source
  find "$1" -name '*.o' | while read -r object; do
    source=${object#*.dir/}
    if [ -e "$root/${source%.o}" ]; then echo "$object"; fi
  done
}
for entry in "${ranks[@]}"; do
  objects "${entry#* }.dir" | xargs -r nm -A | sed "s/^/$entry /"
done | awk '
  { file = $3; sub(/:.*/, "", file); sub(/.*\//, "", file) }
  $(NF - 1) ~ /^[TDBR]$/ { defined[$NF] = $1; folder[$NF] = $2 }
  $(NF - 1) == "U" { uses++; rank[uses] = $1; from[uses] = $2 "/" file; symbol[uses] = $NF }
  END {
    for (i = 1; i <= uses; i++)
      if (symbol[i] in defined && defined[symbol[i]] > rank[i]) {
        print from[i] ": calls " symbol[i] " of " folder[symbol[i]]
        failures++
      }
    if (failures) { print failures " calls against the order"; exit 1 }
    if (!uses) { print "no objects were read"; exit 1 }
    print "calls follow the order (" uses " read)"
  }'
