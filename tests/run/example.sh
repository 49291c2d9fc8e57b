#!/usr/bin/env bash
# One example: the line `bloc run .. # a few steps` that its README has for each of its programs runs literally, its
# reports are finite, and the same seed gives the same bits.
#
# usage: example.sh BLOC SOURCE_DIR FOLDER
. "$(dirname "$0")/common.sh"
folder=examples/$3
cd "$source"

few_steps() { # the command that the README has for a program
  sed -nE "s|^ *(bloc run $1 .*[^ ]) *# a few steps\$|\1|p" "$folder/README.md"
}

for program in "$folder"/*.blo; do
  grep -qE '^ *solve' "$program" || continue # a module
  [ ! -e "tests/run/$(basename "$program" .blo).sh" ] || continue # a test of its own, for its data is not in this tree
  line=$(few_steps "$program")
  [ -n "$line" ] || fail "$folder/README.md has no line 'bloc run $program .. # a few steps'"
  [ "$(wc -l <<<"$line")" -eq 1 ] || fail "$folder/README.md has more than one such line for $program"
  read -ra command <<<"$line"
  for turn in a b; do
    "$bloc" "${command[@]:1}" --out "$scratch/$turn.npz" --log "$scratch/$turn.jsonl" --quiet >/dev/null ||
      fail "$line: did not run"
  done
  ! grep -q null "$scratch/a.jsonl" || fail "$program has a report that is not finite"
  cmp "$scratch/a.npz" "$scratch/b.npz" || fail "$program gave two results for one seed"
  echo "$program"
done
