#!/usr/bin/env bash
# The twin of a file of this folder that maximises: `const sense = 1.0;` becomes -1, `minimize sense * ..` becomes maximize.
#
# x and y go the same way in both, so the formulas of the file hold; where a sign shows, `sense` is in them.
# usage: maximised.sh BLOC FILE
set -euo pipefail
folder=$(dirname "$2")
twins=$(mktemp -d)
trap 'rm -rf "$twins"' EXIT
twin=$twins/$(basename "$2")
cp "$folder/quadratic.blo" "$twins"
sed 's/^const sense = 1.0;/const sense = -1.0;/; s/minimize sense \* /maximize sense * /' "$2" >"$twin"
if cmp -s "$2" "$twin" || grep -qE '^[^/]*minimize ' "$twin"; then
  echo "$2: no twin; write \`const sense = 1.0;\` and \`minimize sense * ..\`"
  exit 1
fi
"$1" test "$twin"
