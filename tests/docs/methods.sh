#!/usr/bin/env bash
# Every method of the library has a section in docs/methods.md, and every section of a method has a method; every verb
# of the command stands in README.md. The table of what each accepts says what its `accepts` line says, and what the page
# and docs/problem_to_program.md recommend for a kind of problem takes a problem of that kind.
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

# "kkt set moved <= == below", from the library and from the page.
from_library() {
  awk '/^export method/ { name = $3; sub(/\(.*/, "", name) }
    name && /^ +accepts / {
      line = "," substr($0, index($0, "accepts") + 7); gsub(/, +| *;/, ",", line); sub(/, */, ", ", line); gsub(/, /, ",", line)
      said = name
      if (index(line, ",projected lower,")) said = said " set"
      if (index(line, ",coupled sets,")) said = said " moved"
      if (index(line, ",nonsmooth lower,")) said = said " prox"
      if (index(line, ",coupled constraints,")) said = said " <="
      if (index(line, ",equality constraints,")) said = said " =="
      if (index(line, ",stochastic lower,")) said = said " draws"
      if (index(line, ",nonconvex lower,")) said = said " many"
      if (index(line, ",levels,")) said = said " below"
      if (index(line, ",discrete upper,")) said = said " steps"
      print said; name = "" }' stdlib/*.blo | sort
}
from_page() {
  awk -F'|' '/^### What each accepts/ { on = 1 } /^## 2/ { on = 0 }
    on && /^\| \| set/ { for (i = 3; i < NF; i++) { word[i] = $i; gsub(/[ `]/, "", word[i]) } }
    on && /^\| `/ { said = $2; gsub(/[ `]/, "", said); for (i = 3; i < NF; i++) if ($i ~ /x/) said = said " " word[i]; print said }' docs/methods.md | sort
}
[ "$(from_page | wc -l)" -gt 30 ] || complain "docs/methods.md: no table of what each accepts"
diff <(from_library) <(from_page) || complain "docs/methods.md: the table is not what the library's accepts lines say"

# takes KIND UPPER LOWER METHODS...: the problem, with each of the methods.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
takes() {
  printf 'blo 1;\n%s\n%s\nsolve { method = zo(); lower = %s(step = 0.1, iters = 3); upper = gd(step = 0.1, iters = 3); %s }\n' "$2" "$3" \
    "$([[ $3 == *'prox y'* ]] && echo proximal || echo gd)" "$([[ $3 == *'subject to'* ]] && echo 'joint = dykstra();')" \
    >"$scratch/problem.blo"
  for method in "${@:4}"; do
    tried=$((tried + 1))
    "$bloc" check "$scratch/problem.blo" --set "method=$method" >"$scratch/said" 2>&1 ||
      complain "recommended for $1: $method: $(grep -m1 error "$scratch/said")"
  done
}
# The methods that a row of the first table names, as calls.
named() {
  local row
  row=$(grep -m1 -F -- "| $1" docs/methods.md) || { complain "docs/methods.md: no row $1"; return; }
  sed 's/^|[^|]*|//' <<<"$row" | grep -oE '`[a-z_0-9]+(\([^`]*\))?`' | tr -d '`' | grep -E '^[a-z0-9_]+' |
    while read -r name; do
      grep -qE "^export method ${name%%(*}\(" stdlib/*.blo || continue
      [ "$name" != direct ] || continue # with layers of stn, or where F has x
      [[ $name == *"("* ]] && echo "$name" || echo "$name()"
    done
}
tried=0
smooth='upper { var x: f64 = 0.5;  minimize (y - 1.0)^2 + 0.1 * x^2; }'
row() { # START KIND UPPER LOWER
  local -a methods
  mapfile -t methods < <(named "$1")
  [ "${#methods[@]}" -gt 0 ] || complain "docs/methods.md: the row $1 names no method"
  takes "$1" "$2" "$3" "${methods[@]}"
}
row 'smooth, strongly convex, whole tables' "$smooth" 'lower { var y: f64 = 0.0;  minimize (y - x)^2; }'
row 'few steps on purpose' "$smooth" 'lower { var y: f64 = x;  minimize (y - x)^2; }'
row 'in a set (`in box(..)`)' "$smooth" 'lower { var y: f64 in box(-0.5, 0.5) = 0.0;  minimize (y - x)^2; }'
row 'with a prox term' "$smooth" 'lower { var y: f64 = 0.0;  minimize (y - x)^2;  prox y: l1(0.1); }'
row 'in a set that x moves' 'upper { var x: f64 = 0.5;  minimize sumsq(y - 1.0) + 0.1 * x^2; }' \
  'lower { var y: f64[2] in ball(exp(x)) = 0.0;  minimize sumsq(y - x); }'
row 'under constraints' "$smooth" 'lower { var y: f64 = 0.0;  minimize (y - x)^2;  subject to y <= x; }'
row 'several solutions' "$smooth" 'lower { var y: f64 = 0.0;  minimize (y^2 - x)^2; }'
row 'second derivatives too dear' "$smooth" 'lower { var y: f64 = 0.0;  minimize (y - x)^2; }'
row 'x acts through steps' 'upper { var x: f64 = 0.5;  minimize (y - 1.0)^2; }' 'lower { var y: f64 = 0.0;  minimize (y - floor(4.0 * x))^2; }'
[ "$tried" -gt 20 ] || complain "only $tried recommendations were tried"
# The four questions of the other page, in its words.
while read -r call; do
  grep -qF "\`$call\`" docs/problem_to_program.md || complain "docs/problem_to_program.md no longer names $call"
done < <(printf '%s\n' 'kkt()' 'lv_hba()' 'bic_gaffa()' 'proximal_implicit()' 'unroll(cold = true)' 'f2sa()' 'soba()' 'implicit()')
takes 'constraints, in the guide' "$smooth" 'lower { var y: f64 = 0.0;  minimize (y - x)^2;  subject to y <= x;  subject to y >= -3.0; }' \
  'kkt()' 'lv_hba()' 'bic_gaffa()'
takes 'sets and prox terms, in the guide' "$smooth" 'lower { var y: f64 in box(-0.5, 0.5) = 0.0;  minimize (y - x)^2; }' 'proximal_implicit()'
takes 'prox terms, in the guide' "$smooth" 'lower { var y: f64 = 0.0;  minimize (y - x)^2;  prox y: l1(0.1); }' 'proximal_implicit()'
takes 'the guide' "$smooth" 'lower { var y: f64 = 0.0;  minimize (y - x)^2; }' 'unroll(cold = true)' 'f2sa()' 'soba()' 'implicit()'
echo "$count methods, $tried recommendations, $failures mistakes"
[ "$count" -gt 30 ] && [ "$failures" -eq 0 ]
