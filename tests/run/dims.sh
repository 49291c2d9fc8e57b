#!/usr/bin/env bash
# Every example with all dims free (a built executable), with all dims bound (a built executable), and compiled in
# memory for its data: the same bits in every result.
. "$(dirname "$0")/common.sh"

for example in "${examples[@]}"; do
  read -r name table <<<"$example"
  "$bloc" run "$(program "$name")" --target x86-64-v3 --data "$(data "$table")" --out "$scratch/run.npz" \
    --checkpoint "$scratch/state" --quiet >"$scratch/run.txt"
  sizes=$("$bloc" run "$(program "$name")" --data "$(data "$table")" --quiet --out "$scratch/x.npz" --log "$scratch/log.jsonl" >/dev/null &&
    head -1 "$scratch/log.jsonl" | grep -o '"dims": *{[^}]*}' | grep -oE '"[a-z]+": *[0-9]+' | tr -d '": ' | sed -E 's/^([a-z]+)([0-9]+)$/-D \1=\2/')
  [ -n "$sizes" ] || fail "$name: the log does not tell the dims"
  "$bloc" build "$(program "$name")" -o "$scratch/free" >/dev/null
  # shellcheck disable=SC2086
  "$bloc" build "$(program "$name")" $sizes -o "$scratch/bound" >/dev/null
  for kind in free bound; do
    "$scratch/$kind" --data "$(data "$table")" --out "$scratch/$kind.npz" --quiet >"$scratch/$kind.txt"
    cmp "$scratch/run.npz" "$scratch/$kind.npz" || fail "$name: results with $kind dims differ"
  done
  echo "$name: free, bound and in memory agree in every bit"
done
