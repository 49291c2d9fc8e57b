#!/usr/bin/env bash
# Kernels of each example, printed, and held below a ceiling: fusion that is lost shows here.
. "$(dirname "$0")/common.sh"

for row in "ridge diabetes 29" "logistic breast_cancer 30" "cleaning digits 48"; do
  read -r name table ceiling <<<"$row"
  line=$("$bloc" run "$(program "$name")" --data "$(data "$table")" --set upper.iters=1 --kernels --quiet \
    --out "$scratch/x.npz" 2>&1 | grep 'kernels, compiled')
  kernels=${line%% *}
  echo "$name: $line (ceiling $ceiling)"
  [ "$kernels" -le "$ceiling" ] || fail "$name has $kernels kernels"
done
