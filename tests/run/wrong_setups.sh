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
  ! grep -q 'W0703' said.txt || fail "$*: a warning: $(cat said.txt)"
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
solve { method = bic_gaffa(eta = 0.3, alpha = 0.1, beta = 0.1);  iters = 300; }
END_OF_PROGRAM
at_bound='warning[W0703]: a multiplier is at its bound'
silent
says 0 "$at_bound" --set method.bound=0.01
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
echo "wrong set-ups are named"
