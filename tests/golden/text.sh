#!/usr/bin/env bash
# The exact words: `bloc check FILE` for each program in tests/golden/text is compared with FILE's .txt.
# In the folder `verbose` it is `bloc check -v FILE`. `text.sh BLOC FOLDER --accept` writes the files anew; read the diff before you commit it.
#
# usage: text.sh BLOC FOLDER [--accept]
set -uo pipefail
bloc=$1
cd "$2"
failures=0
flags=()
[ "$(basename "$PWD")" = verbose ] && flags=(-v)
for file in *.blo; do
  output=$("$bloc" check "${flags[@]}" "$file" 2>&1)
  if [ "${3:-}" = --accept ]; then
    printf '%s\n' "$output" >"${file%.blo}.txt"
  elif ! diff <(printf '%s\n' "$output") "${file%.blo}.txt" >/tmp/golden.$$; then
    failures=$((failures + 1))
    echo "== $file"
    cat /tmp/golden.$$
  fi
  rm -f /tmp/golden.$$
done
echo "$failures wrong"
[ "$failures" -eq 0 ]
