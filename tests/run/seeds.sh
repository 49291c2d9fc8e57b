#!/usr/bin/env bash
# The same seed gives the same bits, run after run; another seed gives other start values.
. "$(dirname "$0")/common.sh"

run() { "$bloc" run "$(program cleaning)" --data "$(data digits)" --set upper.iters=10 --seed "$1" --out "$2" --quiet >/dev/null; }
run 3 "$scratch/a.npz"
run 3 "$scratch/b.npz"
run 4 "$scratch/c.npz"
cmp "$scratch/a.npz" "$scratch/b.npz" || fail "seed 3 gave two results"
! cmp -s "$scratch/a.npz" "$scratch/c.npz" || fail "seeds 3 and 4 gave one result"
echo "same seed, same bits"
