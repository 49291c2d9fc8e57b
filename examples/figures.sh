#!/usr/bin/env bash
# The figures of an example's README, measured again: runs the commands that it lists, once for each seed, and prints a
# table of their reports (first step -> last step). ./dev figures class_weights 0 1 2
set -euo pipefail
bloc=$1
example=$2
shift 2
seeds=("${@:-0}")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# `bloc run ..` lines, those that go on behind a backslash joined, comments and `--plot` left out
commands() { sed -e ':more' -e '/\\$/ { N; s/\\\n//; b more }' "examples/$example/README.md" | grep -oE '^ *bloc run [^#]*'; }

while read -r _ verb arguments; do
  echo "bloc $verb $arguments"
  for seed in "${seeds[@]}"; do
    # shellcheck disable=SC2086
    "$bloc" "$verb" $arguments --seed "$seed" --quiet --out "$scratch/out.npz" >"$scratch/$seed" </dev/null
  done
  awk 'FNR == 1 { column++;  split(FILENAME, part, "/");  seed[column] = part[length(part)] }
       / = / {
         name = $1
         if (!(name in rows)) { rows[name] = 1;  order[++count] = name }
         value = $0;  sub(/^[^=]*= /, "", value)
         first = "";  if (match(value, / *\(step 1: .*\)$/)) { first = substr(value, RSTART, RLENGTH);  value = substr(value, 1, RSTART - 1) }
         gsub(/^ *\(step 1: |\)$/, "", first)
         cell[name, column] = first == "" ? value : first " -> " value
       }
       END {
         printf "|";  for (k = 1; k <= column; k++) printf " | seed %s", seed[k];  print " |"
         printf "|---|";  for (k = 1; k <= column; k++) printf "---|";  print ""
         for (i = 1; i <= count; i++) { printf "| `%s`", order[i];  for (k = 1; k <= column; k++) printf " | %s", cell[order[i], k];  print " |" }
       }' "${seeds[@]/#/$scratch/}"
  echo
done < <(commands)
