#!/usr/bin/env bash
# Problems and methods that do not go together are named: before the run where that can be known, else while it runs.
. "$(dirname "$0")/common.sh"
cd "$scratch"

# says STATUS TEXT ARGUMENTS...: `bloc run problem.blo ARGUMENTS` ends with this status and says this text.
says() {
  local status=0
  "$bloc" run problem.blo --quiet --out out.npz "${@:3}" >said.txt 2>&1 || status=$?
  [ "$status" -eq "$1" ] || fail "${*:3}: status $status, wanted is $1: $(cat said.txt)"
  grep -qF -e "$2" said.txt || fail "${*:3}: not said is \"$2\" but: $(cat said.txt)"
}
silent() {
  "$bloc" run problem.blo --quiet --out out.npz "$@" >said.txt 2>&1 || fail "$*: $(cat said.txt)"
  ! grep -q 'W070' said.txt || fail "$*: a warning: $(cat said.txt)"
}

# A hypergradient that is 0 by construction; a method that does not see the set; a lower step that is too long.
cat >problem.blo <<'END_OF_PROGRAM'
blo 1;
upper { var x: f64 = 2.0;  minimize 0.5 * (y - 1.0)^2; }
lower { var y: f64 = 0.0;  minimize 2.0 * y^2 - x * y; }
solve { method = implicit();  lower = gd(step = 0.2, iters = 50);  upper = gd(step = 0.1, iters = 20); }
END_OF_PROGRAM
silent
says 1 'error[E0411]' --set 'method=direct()'
says 4 'error[E0702]' --set lower.step=100.0 --set lower.iters=2000
sed 's/var y: f64/var y: f64 in box(0.0, 1.0)/' problem.blo >boxed.blo && mv boxed.blo problem.blo
says 1 'error[E0420]'

# Lower steps that lead away and stay finite: named at the method, by whichever method descends, with a cure that works.
cat >problem.blo <<'END_OF_PROGRAM'
blo 1;
upper { var x: f64 = 2.0;  minimize 0.5 * (y - 1.0)^2 + 0.01 * x^2; }
lower { var y: f64 = 0.0;  minimize 2.0 * y^2 - x * y; }
solve { method = implicit();  lower = gd(step = 0.51, iters = 10);  upper = gd(step = 0.01, iters = 20); }
END_OF_PROGRAM
diverge='warning[W0704]: the lower steps diverge'
says 0 "$diverge" --set upper.iters=5
grep -qF 'problem.blo:4:18' said.txt || fail "no place: $(cat said.txt)"
[ "$(grep -c 'W0704.*diverge' said.txt)" = 1 ] || fail "said more than once: $(cat said.txt)"
grep -qF '(in 5 reports, from step 1 to step 5)' said.txt || fail "no count: $(cat said.txt)"
for method in 'unroll(cold = true)' 'truncated(cold = true)' 'darts()' 'iaptt()' 'bda(cold = true)' 'nudge()' \
  'f2sa(c0 = 10.0)' 'v_pbgd()' 'bome(step = 0.001)' 'response()' 'zo()' 'pzobo()' 'amigo()' 'bsa()' 'stocbio()' \
  'fixed_point(linear = gmres(iters = 2))' 'proximal_implicit()'; do
  says 0 "$diverge" --set "method=$method" --set upper.iters=3 --set lower.step=0.6
  grep -qF -e '--> --set' said.txt || fail "no place: $(cat said.txt)"
  silent --set "method=$method" --set upper.iters=100 --set lower.step=0.2 --set lower.iters=30
done
for method in 'soba(step = 0.6, decay = 0.0)' 'srba(step = 0.6)' 'fsla(step = 0.6, decay = 0.0)' 'ttsa(step = 0.6, decay = 0.0)' \
  'sustain(step = 0.6, decay = 0.0)' 'mrbo(step = 0.6, decay = 0.0)' 'vrbo(step = 0.6)'; do
  says 0 "$diverge" --set "method=$method" --set upper.iters=6
done
says 0 "$diverge" --set 'method=meha(inner_step = 0.6, step = 0.6)' --set upper.iters=6
silent --set lower.step=auto

# A lower problem that is far from solved: what F would still change by beside what it has changed by.
far='warning[W0704]: F is not that of the lower solution'
says 0 "$far" --set lower.step=0.001
says 0 "$far" --set lower.step=0.001 --set 'method=implicit(linear = direct())'
says 0 "$far" --set lower.step=0.001 --set 'method=fixed_point(linear = gmres(iters = 2))'
silent --set lower.step=0.1
says 0 "$far" --set 'method=f2sa(c0 = 0.2, p = 0.0)' --set lower.step=0.2

# An adjoint that is hardly begun, and one whose solver diverges.
adjoint='warning[W0704]: the adjoint system is not solved'
for linear in 'neumann(terms = 5, step = 0.001)' 'neumann(step = 0.6)' 'richardson(step = 0.6)' 'hia(step = 0.6)'; do
  says 0 "$adjoint" --set "method=implicit(linear = $linear)" --set lower.step=0.2 --set upper.step=1e-6
done
silent --set 'method=implicit(linear = neumann(step = 0.2))' --set lower.step=0.2 --set lower.iters=50

# No minimum: a stationary point of negative curvature. Solvers that give an answer there all the same name it.
cat >problem.blo <<'END_OF_PROGRAM'
blo 1;
upper { var x: f64 = 0.0;  minimize 0.5 * (y - 1.0)^2; }
lower { var y: f64 = 0.0;  minimize 0.25 * y^4 - 0.5 * y^2 - x * y; }
solve { method = implicit();  lower = gd(step = 0.1, iters = 5);  upper = gd(iters = 1); }
END_OF_PROGRAM
says 1 'error[E0703]'
says 1 'error[E0703]' --set 'method=shine()'
says 1 'error[E0703]' --set 'method=implicit(differences = 1e-4)'
curved='warning[W0704]: the lower objective has no positive curvature along the adjoint'
for linear in 'direct()' 'minres()' 'gmres(iters = 2)' 'neumann()' 'richardson()' 'nystrom(rank = 1)' 'hia(terms = 20)'; do
  says 0 "$curved" --set "method=implicit(linear = $linear)"
done
for method in 'proximal_implicit()' 'kkt()' 'amigo()' 'stocbio()' 'bsa(terms = 20)'; do
  says 0 "$curved" --set "method=$method"
done

# A singular Hessian, by each of two solvers.
cat >problem.blo <<'END_OF_PROGRAM'
blo 1;
upper { var a: f64 = 1.0;  minimize z^2; }
lower { var z: f64 = a;    minimize (a - z)^4; }
solve { method = implicit();  lower = gd(step = 0.1, iters = 10);  upper = gd(iters = 1); }
END_OF_PROGRAM
says 1 'error[E0703]'
says 4 'error[E0705]' --set 'method=implicit(linear = direct())'

# Penalties in single precision: c (f(x, u) - f(x, y)) of points that agree to rounding. In double precision they do not.
cat >problem.blo <<'END_OF_PROGRAM'
blo 1;
upper { var x: real = 2.0;  minimize 0.5 * (y - 1.0)^2 + 0.5 * x^2; }
lower { var y: real = 0.0;  minimize 2.0 * (y - 1e3)^2 - x * y; }
solve { method = f2sa(c0 = 1e6, p = 0.0);  lower = gd(step = 0.25, iters = 3);  upper = gd(step = 0.001, iters = 1000);  precision = f32; }
END_OF_PROGRAM
too_large='warning[W0703]: the penalty c is too large for this precision'
says 0 "$too_large"
says 0 "$too_large" --set 'method=v_pbgd(c0 = 1e8)'
says 0 "$too_large" --set 'method=meha(c0 = 1e7, p = 0.0, step = 0.1)'
silent --set precision=f64
silent --set 'method=f2sa(c0 = 10.0, p = 0.0)'

# A multiplier that its bound holds back, and one that it does not.
cat >problem.blo <<'END_OF_PROGRAM'
blo 1;
upper { var x: f64 = 0.0;  minimize 0.5 * (x - y)^2 + 0.5 * (y - 1.0)^2; }
lower { var y: f64 = 0.0;  minimize 0.5 * y^2 - 3.0 * y + x * y;  subject to cap: x + y <= 0.0; }
solve { method = bic_gaffa(c0 = 30.0, eta = 0.3, alpha = 0.1, beta = 0.1);  iters = 2000; }
END_OF_PROGRAM
at_bound='warning[W0703]: a multiplier is at its bound'
silent
says 0 "$at_bound" --set method.bound=0.01
# Curvature 1 + 1 / gamma1: stable below 2 / 1.1.
says 0 'warning[W0704]: eta is too long for the curvature' --set method.eta=1.9 --set iters=20
says 0 "$at_bound" --set 'method=lv_hba(bound = 0.01, eta = 0.3, alpha = 0.1, beta = 0.1)' --set 'joint=semismooth()'

# A constraint whose value and multiplier are both 0.
cat >problem.blo <<'END_OF_PROGRAM'
blo 1;
upper { var x: f64 = 4.0;  minimize 0.5 * (y - 1.0)^2; }
lower { var y: f64 = 0.0;  minimize 0.5 * (y - 4.0)^2;  subject to cap: y <= x; }
solve { method = kkt();  lower = gd(step = 0.05, iters = 200);  upper = gd(iters = 1); }
END_OF_PROGRAM
says 0 'warning[W0703]: a lower constraint is weakly active'

# Constraint rows as they stand, too long for the step of lower point and multiplier; scaled to length 1 they are not.
cat >problem.blo <<'END_OF_PROGRAM'
blo 1;
upper { var x: f64[100] = -20.0;  minimize 0.5 * sumsq(x - y2) + 0.5 * sumsq(y1 - 1.0); }
lower {
  var y1: f64[100] = 10.0;
  var y2: f64[100] = 10.0;
  minimize 0.5 * sumsq(y1) - dot(x, y1) + sum(y2);
  subject to total: sum(x) + sum(y1) + sum(y2) == 0.0;
}
solve {
  method = lv_hba(gamma1 = 10.0, gamma2 = 10.0, eta = 0.01, alpha = 0.008, beta = 0.02, c0 = 0.025, bound = 1000.0);
  joint = semismooth();
  iters = 100;
}
END_OF_PROGRAM
silent
says 0 'warning[W0703]: eta is too long for these constraints' --set method.scaled=false

# Lower constraints that contradict each other, and rounds that have not converged, in every method that runs such rounds.
cat >problem.blo <<'END_OF_PROGRAM'
blo 1;
upper { var x: f64 = 0.5;  minimize sumsq(y - 1.0) + x^2; }
lower {
  var y: f64[2] = 0.1;
  minimize sumsq(y - 2.0) + 0.1 * x * y[0];
  subject to below: y[0] + y[1] <= x;
  subject to above: 1e3 * (y[0] + y[1]) >= 1e3 * (2.0 * x);
}
solve { method = kkt();  lower = gd(step = 0.02, iters = 300);  upper = gd(iters = 1); }
END_OF_PROGRAM
contradict='warning[W0703]: the lower constraints contradict each other at this x'
unsolved='warning[W0703]: the lower problem has not been solved under its constraints'
says 0 "$contradict"
says 0 "$contradict" --set 'method=blocc(rounds = 40)'
says 4 "$contradict" --set 'method=kkt(linear = direct())'
says 1 'choose such a start value, or, where there is none, constraints that leave room' --set 'method=barrier()'
sed 's/2.0 \* x);/(x - 1.0));/' problem.blo >fine.blo && mv fine.blo problem.blo
silent
silent --set 'method=blocc(rounds = 40)'
says 0 "$unsolved" --set 'method=blocc(rounds = 1)'
says 0 "$unsolved" --set 'method=kkt(rounds = 1, polish = 0)' --set lower.iters=3
echo "wrong set-ups are named"
