#!/usr/bin/env bash
# Every method of the library has a section in docs/methods.md, and every section of a method has a method; every verb
# of the command stands in README.md.
#
# usage: methods.sh BLOC SOURCE_DIR
set -euo pipefail
bloc=$1
cd "$2"
failures=0 count=0
complain() { failures=$((failures + 1)); echo "$1"; }
while read -r name; do
  count=$((count + 1))
  grep -qE "^####? $name\$" docs/methods.md || complain "docs/methods.md has no section $name"
done < <(sed -n 's/^export method \([a-z0-9_]*\).*/\1/p' stdlib/*.blo)
while read -r name; do
  grep -qE "^export method $name\(" stdlib/*.blo || complain "docs/methods.md: there is no method $name"
done < <(sed -nE 's/^####? ([a-z0-9_]+)$/\1/p' docs/methods.md)
while read -r verb; do
  grep -qE "bloc $verb( |\`)" README.md || complain "README.md does not name the verb $verb"
done < <("$bloc" --help | sed -nE 's/^  ([a-z]+)  .*/\1/p')
echo "$count methods, $failures mistakes"
[ "$count" -gt 30 ] && [ "$failures" -eq 0 ]
