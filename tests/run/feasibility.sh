#!/usr/bin/env bash
# Every run with constraints says how far they are from holding, wherever they stand: `infeasibility` is the largest violation of all.
. "$(dirname "$0")/common.sh"
cd "$scratch"

# infeasibility LOW HIGH ARGUMENTS...: the last one reported lies between.
infeasibility() {
  "$bloc" run problem.blo --out out.npz "${@:3}" >said.txt 2>&1 || fail "$(cat said.txt)"
  local value
  value=$(sed -n 's/^infeasibility = \([^ ]*\).*/\1/p' said.txt)
  [ -n "$value" ] || fail "no infeasibility: $(cat said.txt)"
  awk -v v="$value" -v low="$1" -v high="$2" 'BEGIN { exit !(v >= low && v <= high) }' || fail "infeasibility $value, wanted is $1 .. $2"
}

# Upper constraints by a penalty: x = (3 + 4 w) / (1 + 4 w), so 2 x - 2 = 4 / (1 + 4 w) is what is left.
cat >problem.blo <<'END_OF_PROGRAM'
blo 1;
upper { var x: f64 = 0.5;  minimize 0.5 * (y - 3.0)^2;  subject to cap: x + y <= 2.0; }
lower { var y: f64 = 0.0;  minimize 0.5 * (y - x)^2; }
solve { method = implicit(linear = direct());  lower = gd(step = 1.0, iters = 1);  upper = gd(step = 0.02, iters = 2000);  constraints = quadratic_penalty(weight = 10.0); }
solve wall { method = implicit(linear = direct());  lower = gd(step = 1.0, iters = 1);  upper = gd(step = 0.001, iters = 100);  constraints = log_barrier(weight = 0.1); }
END_OF_PROGRAM
infeasibility 0.09756 0.09757
infeasibility 0 0 --solve wall

# Above formulas; below others, where y keeps to its own cap and only the upper constraint is off: s = 1, so 1 is too much.
cat >problem.blo <<'END_OF_PROGRAM'
blo 1;
upper { var t: f64 = 0.0;  minimize (w - 1.0)^2;  subject to side: w <= 0.0; }
lower { var w: f64 = 0.0;  minimize (w - t)^2;  update w = t; }
solve { upper = gd(step = 0.1, iters = 200);  constraints = quadratic_penalty(weight = 2.0); }
END_OF_PROGRAM
infeasibility 0.4999 0.5001

cat >problem.blo <<'END_OF_PROGRAM'
blo 1;
upper { var t: f64 = 0.0;  minimize (y - 1.0)^2 + t^2; }
lower mid {
  var s: f64 = 0.0;
  minimize (s - 1.0)^2 + 0.1 * (y - t)^2;
  lower low { var y: f64 = 0.0;  minimize (y - s)^2;  subject to cap: y <= 2.0 + t;  subject to off: y >= 1.5; }
}
solve { method = implicit();  lower = gd(step = 0.2, iters = 50);  upper = gd(iters = 3);  mid.method = kkt(rounds = 2, polish = 0);  mid.lower = gd(step = 0.01, iters = 5); }
END_OF_PROGRAM
infeasibility 0.01 1.5      # two rounds of five steps do not reach y = 1.5, and it is said
