#!/usr/bin/env bash
# Rejected programs: in tests/golden/bad every offending line ends in `//! CODE ...`. `bloc check` has to
# report exactly these codes at exactly these lines: nothing missed, nothing invented.
#
# usage: marks.sh BLOC FOLDER
set -uo pipefail
bloc=$1
cd "$2"
failures=0 files=0
for file in *.blo; do
  files=$((files + 1))
  wanted=$(awk '{ if (match($0, /\/\/!.*/)) { n = split(substr($0, RSTART + 3), codes, " ");
             for (i = 1; i <= n; i++) print FNR, codes[i] } }' "$file" | sort)
  output=$("$bloc" check --errors=short "$file" 2>&1)
  status=$?
  found=$(sed -nE 's/^[^:]*:([0-9]+):[0-9]+: (error|warning)\[([EW][0-9]+)\].*/\1 \3/p' <<<"$output" | sort)
  if [ "$wanted" != "$found" ] || [ "$status" -gt 1 ]; then
    failures=$((failures + 1))
    echo "== $file (status $status): wanted, found:"
    diff <(echo "$wanted") <(echo "$found")
    echo "$output" | head -20
  fi
done
echo "$files files, $failures wrong"
[ "$failures" -eq 0 ]
