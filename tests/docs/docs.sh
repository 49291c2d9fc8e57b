#!/usr/bin/env bash
# The programs in the documentation: ```blo blocks of README.md and docs/. A block that starts with `blo 1;` starts a
# program, further ```blo blocks of the page belong to it, and it has to pass `bloc check`, and `bloc test` where it has
# tests that need no data from outside. A ```blo-fragment block only has to parse.
#
# usage: docs.sh BLOC SOURCE_DIR
set -euo pipefail
bloc=$1
cd "$2"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

for page in README.md docs/*.md; do
  awk -v stem="$scratch/$(basename "$page" .md)" '
    /^```blo$/ { kind = "program"; fresh = 1; next }
    /^```blo-fragment$/ { kind = "fragment"; number++; next }
    /^```/ { kind = ""; next }
    kind == "program" { if (fresh && /^blo 1;/) programs++; fresh = 0
      if (programs) print > (stem "." programs ".program.blo"); else { print FILENAME ": " FNR ": a block outside any program"; exit 1 } }
    kind == "fragment" { print > (stem "." number ".fragment.blo") }' "$page"
done
failures=0 count=0
shopt -s nullglob
for file in "$scratch"/*.program.blo; do
  count=$((count + 1))
  verb=check
  if grep -q '^test ' "$file"; then verb=test; fi
  "$bloc" $verb "$file" || { failures=$((failures + 1)); echo "in $(basename "$file")"; }
done
for file in "$scratch"/*.fragment.blo; do
  count=$((count + 1))
  messages=$("$bloc" emit --stage=tree --errors=short "$file" 2>&1 >/dev/null || true)
  if grep 'error\[E01' <<<"$messages"; then
    failures=$((failures + 1))
    echo "in $(basename "$file")"
  fi
done
echo "$count texts, $failures wrong"
[ "$failures" -eq 0 ]
