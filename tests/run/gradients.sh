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
echo "hypergradients are verified"
