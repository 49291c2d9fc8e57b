#!/usr/bin/env bash
# Every export of the library has a doc comment, a line in docs/library.md and a use in a test.
#
# usage: complete.sh SOURCE_DIR
set -euo pipefail
cd "$1"
failures=0 count=0
complain() { failures=$((failures + 1)); echo "$1"; }
for file in stdlib/*.blo; do
  while read -r documented name; do
    count=$((count + 1))
    [ "$documented" = yes ] || complain "$file: $name has no doc comment"
    grep -qE "^\| \`((method|optimizer|set|struct) )?$name[^A-Za-z0-9_]" docs/library.md ||
      complain "$file: $name is not in docs/library.md"
    grep -rqwE "$name" tests/library tests/numeric examples --include='*.blo' ||
      complain "$file: nothing tests $name"
  done < <(awk '{ if (match($0, /^(export (fn|method|optimizer|set)|struct) [A-Za-z0-9_]+/)) {
                    n = split(substr($0, RSTART, RLENGTH), word, " ")
                    print (before ~ /^\/\/\// ? "yes" : "no"), word[n] } before = $0 }' "$file")
done
echo "$count exports, $failures mistakes"
[ "$count" -gt 50 ] && [ "$failures" -eq 0 ]
