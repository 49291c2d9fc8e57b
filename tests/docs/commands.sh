#!/usr/bin/env bash
# The `bloc` commands that README.md and the two guides show, one after the other as a reader would type them: in a folder
# with `examples`, and with `price.blo` as docs/problem_to_program.md builds it. Comparisons make two steps.
#
# usage: commands.sh BLOC SOURCE_DIR
set -euo pipefail
bloc=$1 source=$2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
ln -s "$source/examples" examples
awk '/^```blo$/ { inside = 1; next } /^```/ { inside = 0 } /^## 6/ { exit } inside' "$source/docs/problem_to_program.md" >price.blo

bloc() {
  local short=()
  [ "$1" != compare ] || short=(--seeds 1 --points 2 --set upper.iters=2 --quiet)
  timeout 60 "$bloc" "$@" "${short[@]}"
}
count=0
while read -r line; do
  case $line in bloc* | ./ridge*) ;; *) continue ;; esac
  count=$((count + 1))
  eval "$line" >said.txt 2>&1 </dev/null || { echo "FAILED: $line"; cat said.txt; exit 1; }
done < <(awk '/^```sh$/ { inside = 1; next } /^```/ { inside = 0 } inside' "$source"/README.md "$source"/docs/{guide,problem_to_program}.md)
"$bloc" run price.blo --quiet --out - | grep -q 'p = \[2, 3\]' || { echo "FAILED: price.blo does not end where the page says"; exit 1; }
echo "$count commands"
[ "$count" -ge 14 ]
