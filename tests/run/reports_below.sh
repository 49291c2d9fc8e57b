#!/usr/bin/env bash
# Methods of problems below others report, too: the numbers by hand, under the level's name, and what they warn of.
. "$(dirname "$0")/common.sh"
cd "$scratch"

run() { "$bloc" run problem.blo --quiet --out out.npz --log log.jsonl "$@" >said.txt 2>&1 || fail "$*: $(cat said.txt)"; }
# value NAME [I]: entry I of a report in the first step.
value() { grep '"event":"step"' log.jsonl | head -1 | grep -oE "\"$1\":(\[[^]]*\]|[^,}]*)" | sed 's/.*://' | tr -d '[]' | cut -d, -f"${2:-1}"; }
near() { awk -v a="$1" -v b="$2" 'BEGIN { d = a - b;  exit !(d < 1e-12 && d > -1e-12) }' || fail "$3 is $1, not $2"; }
warns() { [ "$(grep -cF "warning[W0704]: in \`$1\`, $2" said.txt)" = 1 ] || fail "not said once is \"$2\": $(cat said.txt)"; }
silent() { run "$@";  ! grep -q 'W070' said.txt || fail "$*: $(cat said.txt)"; }

# One inner step from w = 0 leaves w = 0.4 s; the level above takes its slope as 1/2, so s = 2 / (0.4 + 2 e^t).
cat >problem.blo <<'END_OF_PROGRAM'
blo 1;
upper { var t: f64 = 0.5;  minimize (w - 1.0)^2 + 0.1 * t^2; }
lower mid {
  var s: f64 = 0.0;
  minimize (w - 2.0)^2 + exp(t) * s^2;
  lower inner { var w: f64 = 0.0;  minimize 0.5 * (w - s)^2 + 0.5 * w^2; }
}
solve {
  method = implicit();  lower = gd(step = 0.2, iters = 200);  upper = gd(step = 0.2, iters = 3);
  mid.method = implicit();  mid.lower = gd(step = 0.4, iters = 30);
}
END_OF_PROGRAM
silent
run --set mid.lower.iters=1
s=$(awk 'BEGIN { printf "%.17g", 2 / (0.4 + 2 * exp(0.5)) }')
near "$(value inner.lower_residual)" "$(awk -v s="$s" 'BEGIN { printf "%.17g", 0.2 * s }')" inner.lower_residual
near "$(value inner.bias_estimate)" "$(awk -v s="$s" 'BEGIN { printf "%.17g", (0.4 * s - 2) * 0.2 * s }')" inner.bias_estimate
near "$(value inner.curvature)" 2 inner.curvature
near "$(value inner.adjoint_residual)" 0 inner.adjoint_residual
near "$(value lower_residual)" 0 lower_residual
run --set mid.lower.step=1.1 --set mid.lower.iters=2
warns inner 'the lower steps diverge'
grep -qF 'problem.blo:10:16' said.txt || fail "no place: $(cat said.txt)"
run --set 'mid.method=implicit(linear = neumann(terms = 3, step = 1e-3))'
warns inner 'the adjoint system is not solved'
near "$(value inner.adjoint_residual)" "$(awk 'BEGIN { printf "%.17g", 0.998^3 }')" inner.adjoint_residual
# Paths report their residual alone.
run --set 'mid.method=unroll()' --set mid.lower.iters=1
[ "$(grep -o '"inner\.[a-z_]*"' log.jsonl | sort -u)" = '"inner.lower_residual"' ] || fail "unroll reports $(cat log.jsonl)"

# A family: the least and the greatest of its rows. K steps leave (1 - a H)^K of the way from the start.
cat >problem.blo <<'END_OF_PROGRAM'
blo 1;
data tasks[n < 5] { c: f64 = real(n) - 1.5;  q: f64 = 0.5 * real(n);  h: f64 = 1.0 + real(n); }
upper meta { var first: f64 = 0.3;  minimize mean(for j { (w[j] - tasks.q[j])^2 }); }
lower adapt for j in tasks { var w: f64 = first;  minimize 0.5 * tasks.h[j] * (w - tasks.c[j])^2 + (w - first)^2; }
solve { method = implicit(linear = cg(tol = 1e-14));  lower = gd(step = 0.1, iters = 7);  upper = gd(step = 0.1, iters = 3); }
END_OF_PROGRAM
silent --set lower.iters=60
run
awk 'BEGIN {
  for (n = 0; n < 5; n++) {
    h = n + 3;  best = ((n + 1) * (n - 1.5) + 0.6) / h;  left = (0.3 - best) * (1 - 0.1 * h)^7;
    r = h * left;  if (r < 0) r = -r;
    bias = -2 / 5 * (best + left - 0.5 * n) * left;
    if (!n || r < r0) r0 = r;  if (!n || r > r1) r1 = r;
    if (!n || bias < b0) b0 = bias;  if (!n || bias > b1) b1 = bias;
  }
  printf "%.17g %.17g %.17g %.17g\n", r0, r1, b0, b1 }' >wanted.txt
read -r r0 r1 b0 b1 <wanted.txt
near "$(value adapt.lower_residual 1)" "$r0" 'the least residual'
near "$(value adapt.lower_residual 2)" "$r1" 'the greatest residual'
near "$(value adapt.bias_estimate 1)" "$b0" 'the least bias'
near "$(value adapt.bias_estimate 2)" "$b1" 'the greatest bias'
near "$(value adapt.curvature 1)" 3 'the least curvature'
near "$(value adapt.curvature 2)" 7 'the greatest curvature'
run --set 'method=implicit(linear = neumann(terms = 3, step = 1e-3))' --set lower.iters=60
warns adapt 'the adjoint system is not solved'
near "$(value adapt.adjoint_residual 2)" "$(awk 'BEGIN { printf "%.17g", 0.997^3 }')" 'the greatest adjoint residual'
run --set lower.step=0.3 --set lower.iters=3        # one row of five turns about its solution
warns adapt 'the lower steps diverge'

# Side by side, one of them at a constraint that neither holds nor pushes.
cat >problem.blo <<'END_OF_PROGRAM'
blo 1;
upper { var x: f64 = 1.0;  minimize (a - 2.0)^2 + (b - x)^2; }
lower near { var a: f64 = 0.0;  minimize (a - x)^2;  subject to cap: a <= 1.0; }
lower far  { var b: f64 = 0.0;  minimize (b - 3.0 * x)^2; }
solve {
  near.method = kkt(linear = direct());  near.lower = gd(step = 0.05, iters = 200);
  far.method = implicit();  far.lower = gd(step = 0.25, iters = 60);
  upper = gd(step = 0.1, iters = 1);
}
END_OF_PROGRAM
run
warns near 'a lower constraint is weakly active'
near "$(value near.weakly_active)" 1 near.weakly_active
near "$(value far.curvature)" 2 far.curvature
silent --set far.lower.iters=80 --set upper.iters=40
