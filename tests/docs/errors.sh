#!/usr/bin/env bash
# docs/errors.md against the compiler: every code of lang/text/errors.def has a section with its title, and no other
# section exists; every ```blo-error CODE example is reported with exactly this code by `bloc check`; every ```blo-test CODE
# example holds tests that expect this code of the running program, and passes `bloc test`; every ```sh CODE example is run
# and says this code; every section has one of these; `bloc explain` finds every section and makes a proposal for a slip.
#
# usage: errors.sh BLOC SOURCE_DIR
set -uo pipefail
bloc=$1
cd "$2"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
page=docs/errors.md failures=0

wrong() {
  failures=$((failures + 1))
  echo "$1"
}

diff <(sed -nE 's/^(ERROR|WARNING)\((\w+), "(.*)"\)$/\2 \3/p' lang/text/errors.def | sort) \
  <(sed -nE 's/^### //p' "$page" | sort) || wrong "errors.def and $page have different codes or titles"

awk -v folder="$scratch" '
  /^```blo-error / { code = $2; number++; file = folder "/" code "." number; next }
  /^```/ { code = ""; next }
  code { print > file }' "$page"
examples=0
for file in "$scratch"/*; do
  examples=$((examples + 1))
  code=$(basename "$file" | cut -d. -f1)
  # An example may import itself under this name.
  mkdir "$scratch/run" && mv "$file" "$scratch/run/example.blo"
  output=$(cd "$scratch/run" && timeout 60 "$bloc" check --errors=short example.blo 2>&1)
  found=$(grep -oE '(error|warning)\[[EW][0-9]+\]' <<<"$output" | grep -oE '[EW][0-9]+' | sort -u | tr '\n' ' ')
  [ "$found" = "$code " ] || wrong "the example of $code gives: $output"
  rm -r "$scratch/run"
done

awk -v folder="$scratch" '
  /^```blo-test / { code = $2; number++; file = folder "/" code "." number; next }
  /^```/ { code = ""; next }
  code { print > file }' "$page"
for file in "$scratch"/*; do
  examples=$((examples + 1))
  code=$(basename "$file" | cut -d. -f1)
  mkdir "$scratch/run" && mv "$file" "$scratch/run/example.blo"
  grep -q "expect error $code;" "$scratch/run/example.blo" || wrong "the example of $code does not expect it"
  output=$(cd "$scratch/run" && timeout 60 "$bloc" test example.blo 2>&1) || wrong "the example of $code: $output"
  rm -r "$scratch/run"
done

# Commands, run where `examples` is: what they say has to hold the code.
awk -v folder="$scratch" '
  /^```sh [EW][0-9]+$/ { code = $2; number++; file = folder "/" code "." number; next }
  /^```/ { code = ""; next }
  code { print > file }' "$page"
for file in "$scratch"/*; do
  examples=$((examples + 1))
  code=$(basename "$file" | cut -d. -f1)
  mkdir "$scratch/run" && ln -s "$PWD/examples" "$scratch/run/examples" && mv "$file" "$scratch/run.sh"
  output=$(cd "$scratch/run" && bloc() { timeout 60 "$bloc" "$@"; } && . "$scratch/run.sh" 2>&1)
  grep -qE "\\[$code\\]" <<<"$output" || wrong "the example of $code gives: $output"
  rm -r "$scratch/run" "$scratch/run.sh"
done

for code in $(sed -nE 's/^### (\w+).*/\1/p' "$page"); do
  grep -qE "^\`\`\`(blo-error|blo-test|sh) $code$" "$page" || wrong "$code has no checked example"
done

for code in $(sed -nE 's/^### (\w+).*/\1/p' "$page"); do
  "$bloc" explain "$code" | head -1 | grep -q "^$code " || wrong "bloc explain $code"
done
"$bloc" explain E0411 | grep -q 'cold = true' || wrong "bloc explain prints no example"
output=$("$bloc" explain E0300 2>&1)
[ $? -eq 2 ] || wrong "bloc explain of an unknown code: wrong status"
grep -q 'did you mean `E030' <<<"$output" || wrong "bloc explain of an unknown code: $output"

echo "$examples examples, $failures wrong"
[ "$failures" -eq 0 ]
