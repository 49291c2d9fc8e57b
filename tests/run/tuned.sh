#!/usr/bin/env bash
# The network that tunes its own dropout rates ends below the best of six random trials on as many batches, on validation rows and on
# rows held out.
. "$(dirname "$0")/common.sh"

"$bloc" run "$(program dropout_rates)" --data "$(data digits)" --seed 0 --quiet --out "$scratch/out.npz" >"$scratch/said" || fail "no run"
of() { sed -n "s/^$1 = \([0-9.e-]*\).*/\1/p" "$scratch/said"; }
for loss in valid_loss hold_loss; do
  awk -v tuned="$(of "tune.$loss")" -v found="$(of "search.$loss")" 'BEGIN { exit !(tuned > 0 && tuned < found) }' ||
    fail "$loss: $(grep "$loss" "$scratch/said")"
done
echo "tuned rates beat random ones"
