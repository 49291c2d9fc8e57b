#!/usr/bin/env bash
# W0410 is said where a method wants a convex lower problem and the compiler does not see that it is one, and only there.
. "$(dirname "$0")/common.sh"
cd "$scratch"

# warnings OBJECTIVE CONSTRAINTS: how often `bloc check` says W0410.
warnings() {
  cat >problem.blo <<END_OF_PROGRAM
blo 1;
dim n = 5;
data { A: f64[n, 3] = for i < n, j < 3 { normal() };  C: f64[3, 3] = for i < 3, j < 3 { normal() }; }
upper { var x: f64[3] = 0.1;  minimize sumsq(y - 2.0) + 0.001 * (sum(A) + sum(C)); }
lower { var y: f64[3] = 0.1;  minimize $1;  ${2:-subject to c: sum(y * x) <= 1.0;} }
solve { method = bic_gaffa();  iters = 3; }
END_OF_PROGRAM
  "$bloc" check problem.blo >said.txt 2>&1 || fail "$1 $2: $(cat said.txt)"
  grep -c 'warning\[W0410\]' said.txt || true
}
seen() { [ "$(warnings "$@")" -eq 0 ] || fail "convex, and not seen to be: $*"; }
unseen() { [ "$(warnings "$@")" -eq 1 ] || fail "not convex, or not to be seen, without a word: $*"; }

seen 'sumsq(A @ y - 1.0)'
seen 'sum(exp(x) * y^2) + sum(sigmoid(x) * y^4) + norm(x) * sumsq(y)'
seen 'mean(for i { softplus(-A[i, 0] * dot(A[i], y)) }) + sum(max(0.0, 1.0 - A @ y)) + sum(relu(y))'
seen '0.5 * dot(y, y) - dot(x, y) + mean(abs(y)) + max(y[0], y[1])'
seen 'sum(for i { sum(for j < 3 { abs(A[i, j] - y[j]) }) }) + mean(for i { sumsq(A[i] - y) })'
seen 'sumsq(y) / 2.0 - sum(log(y + 3.0)) - sum(sqrt(y + 2.0))'
seen 'sumsq(y) + (loop s = 0.0 for i < 3 { s + sin(x[i]) })'
seen 'n * sumsq(y) + max(n - 3, 0) * sumsq(y)'
seen 'sumsq(y)' 'subject to c: sumsq(y) <= 1.0;  subject to d: sum(y) >= x[0];  subject to e: y[0] == x[1];'

unseen 'sum(sin(y))'
unseen '0.0 - sumsq(y)'
unseen 'sum(x * y^2)'
unseen 'dot(y, C @ y)'
unseen 'y[0] * y[1] + sumsq(y)'
unseen 'sumsq(tanh(A @ y))'
unseen 'sum(y^3)'
unseen 'sum(exp(0.0 - y^2))'
unseen 'sum((y^2 - 1.0)^2)'
unseen 'sum(abs(y^2 - 1.0))'
unseen 'sum(log(1.0 + y^2))'
unseen 'sum(if y > 0.0 then 1.0 else y)'
unseen 'sumsq(y) + (loop s = 0.0 for i < 3 { s + x[i] * sin(y[i]) })'
unseen 'sumsq(y - x)' 'subject to c: sumsq(y) >= 1.0;'
unseen 'sumsq(y - x)' 'subject to c: sumsq(y) == 1.0;'

# Without data a size is only known to be 1 at least.
sized() {
  sed 's/^dim n = 5;/dim n;/; s/ = for i < n, j < 3 { normal() }//' problem.blo >sized.blo
  "$bloc" check sized.blo >said.txt 2>&1 || fail "sized: $(cat said.txt)"
  grep -c 'warning\[W0410\]' said.txt || true
}
warnings '(n - 1) * sumsq(y)' >/dev/null
[ "$(sized)" -eq 0 ] || fail "a size less 1 may be negative: $(cat said.txt)"
warnings '(n - 2) * sumsq(y)' >/dev/null
[ "$(sized)" -eq 1 ] || fail "a size less 2 is never negative: $(cat said.txt)"

# A problem below others is looked at, too.
below() {
  cat >below.blo <<END_OF_PROGRAM
blo 1;
method own() { accepts convex lower, levels;  step { set y = descend(fn u -> f(x, u), y);  hypergradient grad(fn s -> f(s, y), x); } }
upper { var t: f64 = 0.5;  minimize (w - 1.0)^2 + 0.1 * t^2; }
lower mid { var s: f64 = 0.0;  minimize (w - 2.0)^2 + exp(t) * s^2;  lower inner { var w: f64 = 0.0;  minimize $1; } }
solve { method = implicit();  lower = gd(iters = 3);  upper = gd(iters = 3);  mid.method = own();  mid.lower = gd(iters = 3); }
END_OF_PROGRAM
  "$bloc" check below.blo >said.txt 2>&1 || fail "$1: $(cat said.txt)"
  grep -c 'warning\[W0410\]' said.txt || true
}
[ "$(below '(w - s)^2 + w^2')" -eq 0 ] || fail "convex, and not seen to be below: $(cat said.txt)"
[ "$(below '(w - s)^2 - w^2')" -eq 1 ] || fail "not convex below, without a word: $(cat said.txt)"
