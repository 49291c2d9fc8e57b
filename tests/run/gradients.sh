#!/usr/bin/env bash
# `bloc check --gradients`: agrees where the method is exact, on files and on drawn data; does not where it is biased;
# says what is missing.
. "$(dirname "$0")/common.sh"

check() { "$bloc" check --gradients "$@"; }
check "$(program ridge)" -D n=20 -D m=30 -D d=4 --with 'one_step()' >"$scratch/ridge"
grep -q 'agrees with differences' "$scratch/ridge" || fail "implicit on ridge: $(cat "$scratch/ridge")"
grep -q 'one_step()' "$scratch/ridge" || fail "the second method is missing"
check "$(program ridge)" -D n=20 -D m=30 -D d=4 >"$scratch/named"
grep -q 'unroll(cold = true)' "$scratch/named" || fail "the second method is not named in full: $(cat "$scratch/named")"
check "$(program logistic)" --data "$(data breast_cancer)" --set lower.iters=2000 >"$scratch/logistic"
grep -q 'direction 16' "$scratch/logistic" || fail "30 penalties are checked along directions"

if check "$(program ridge)" -D n=20 -D m=30 -D d=4 --set 'method=one_step()' >"$scratch/biased"; then
  fail "a biased method was accepted: $(cat "$scratch/biased")"
fi
grep -q 'does NOT agree' "$scratch/biased" || fail "no word about the bias: $(cat "$scratch/biased")"
check "$(program ridge)" 2>"$scratch/sizes" >/dev/null && fail "sizes are missing"
grep -q -- '-D n=' "$scratch/sizes" || fail "no cure for missing sizes: $(cat "$scratch/sizes")"
check "$(program maml)" >"$scratch/maml" 2>&1 || fail "a family: $(cat "$scratch/maml")"
grep -q 'agrees with differences' "$scratch/maml" || fail "a family: $(cat "$scratch/maml")"
# Batches are whole tables here; where the rows of a batch are written out or filtered, objectives are means over the batches
# that the tables give in order: d/dt mean((m t v - t)^2) + 0.1 t^2 at t = 0.3, m the mean of the good rows.
check "$source/tests/run/parts.blo" >"$scratch/parts" 2>&1 || fail "batches of fixed size: $(cat "$scratch/parts")"
grep -qE '^t +0\.1160625 +0\.1160625 +0\.11606250* ' "$scratch/parts" || fail "not the mean over batches: $(cat "$scratch/parts")"
! check "$source/tests/run/parts.blo" --solve moves 2>"$scratch/moves" >/dev/null || fail "a method that moves x has no hypergradient"
grep -q -- '--reference' "$scratch/moves" || fail "no cure for a method that moves x: $(cat "$scratch/moves")"

# An adjoint that is a state is judged once it has settled at the start point: f = a (y - x)^2 / 2 + y^2 / 2.
cat >"$scratch/single.blo" <<'END_OF_PROGRAM'
blo 1;
const a: f64[2] = [1.0, 3.0];
upper { var x: f64[2] = 0.5;  minimize sumsq(y - 1.0) + 0.1 * sumsq(x); }
lower { var y: f64[2] = 0.0;  minimize 0.5 * dot(a, (y - x)^2) + 0.5 * sumsq(y); }
solve { method = soba(step = 0.2, decay = 0.0);  lower = gd(step = 0.2, iters = 200);  upper = gd(step = 0.001, iters = 3); }
END_OF_PROGRAM
for method in 'soba(step = 0.2)' 'fsla(step = 0.2)' 'srba(step = 0.2)' 'amigo()' 'implicit()'; do
  check "$scratch/single.blo" --set "method=$method" >"$scratch/said" 2>&1 || fail "$method: $(cat "$scratch/said")"
  grep -q 'agrees with differences' "$scratch/said" || fail "$method: $(cat "$scratch/said")"
done
! check "$scratch/single.blo" --set method.step=0.00001 >"$scratch/said" || fail "an adjoint that barely moves"
grep -q 'have not settled' "$scratch/said" || fail "no cause: $(cat "$scratch/said")"
! check "$scratch/single.blo" --set 'method=stocbio(terms = 1)' >"$scratch/said" || fail "a series of two terms"
grep -q "the gap is the method's own" "$scratch/said" || fail "no cause: $(cat "$scratch/said")"
! check "$scratch/single.blo" --set 'method=implicit()' --set lower.iters=2 >"$scratch/said" || fail "two lower steps"
grep -q 'more `lower.iters`' "$scratch/said" || fail "no cause: $(cat "$scratch/said")"

# What is told of the lower solve is 0 at a solution: with sets and prox terms, too, and under constraints.
residual_of() { sed -n 's/^lower_residual at the lower solution is //p' "$scratch/said"; }
tiny() { [[ "$(residual_of)" =~ ^(0\.0e\+00|[0-9.]+e-(0[89]|1[0-9]|2[0-9]))$ ]] || fail "$1: $(cat "$scratch/said")"; }
cat >"$scratch/sets.blo" <<'END_OF_PROGRAM'
blo 1;
upper { var x: f64 = 2.0;  minimize (u - 0.3)^2 + (w - 2.0)^2; }
lower {
  var u: f64 in box(-0.5, 0.5) = 0.1;
  var w: f64 = 0.1;
  minimize 0.5 * (u - x)^2 + 0.5 * (w - 2.0 * x)^2;
  prox w: l1(0.4);
}
solve { method = proximal_implicit();  lower = proximal(step = 0.3, iters = 200);  upper = gd(step = 0.1, iters = 3); }
END_OF_PROGRAM
check "$scratch/sets.blo" >"$scratch/said" 2>&1 || fail "a box and a prox term: $(cat "$scratch/said")"
tiny 'a box and a prox term'
cat >"$scratch/weak.blo" <<'END_OF_PROGRAM'
blo 1;
upper { var x: f64 = 3.0;  minimize (y - 2.0)^2 + 0.1 * x^2; }
lower { var y: f64 = 0.0;  minimize 0.5 * (y - 3.0)^2;  subject to cap: y <= x; }
solve { method = kkt();  lower = gd(step = 0.05, iters = 500);  upper = gd(step = 0.1, iters = 100); }
END_OF_PROGRAM
! check "$scratch/weak.blo" >"$scratch/said" || fail "one of two one-sided derivatives"
grep -q 'weak.blo:4:18: warning\[W0703\]: a lower constraint is weakly active' "$scratch/said" || fail "weakly active: $(cat "$scratch/said")"
sed -i 's/x: f64 = 3.0/x: f64 = 2.5/' "$scratch/weak.blo"
check "$scratch/weak.blo" >"$scratch/said" || fail "an active constraint: $(cat "$scratch/said")"
tiny 'an active constraint'
! grep -q 'W0703' "$scratch/said" || fail "warned: $(cat "$scratch/said")"
sed -i 's/x: f64 = 2.5/x: f64 = 4.0/; s/0.1 \* x^2/0.0 * x/' "$scratch/weak.blo"
check "$scratch/weak.blo" >"$scratch/said" 2>&1 || fail "all are 0: $(cat "$scratch/said")"
grep -q 'nothing was verified' "$scratch/said" || fail "all are 0: $(cat "$scratch/said")"
echo "hypergradients are verified"
