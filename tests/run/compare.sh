#!/usr/bin/env bash
# `bloc compare` counts what is computed: oracle calls of methods whose numbers are known, rows of a
# batch, warm solves; a reference judges points; files are written; the same seed gives the same values.
. "$(dirname "$0")/common.sh"

compare() { "$bloc" compare "$(program logistic)" --data "$(data breast_cancer)" --set upper.iters=10 --set lower.iters=20 --quiet "$@"; }
compare --seeds 2 --points 5 --out "$scratch/a.csv" --plot "$scratch/a.svg" --reference "" \
  --with 'implicit(linear = direct())' --with 'implicit(linear = neumann(terms = 4, step = 0.1))' \
  --with 'unroll(cold = true)' --with 'soba()' \
  --with 'unroll(forward = true)' --with 'truncated(last = 5)' >"$scratch/table"

# solve, gradients, hvps and mixed products of 10 steps; the data has 30 features
expect() {
  grep -qE "^$(printf '%s' "$1" | sed 's/[()]/\\&/g') +10 +[0-9.e-]+ +$2 +$3 +$4 " "$scratch/table" || {
    cat "$scratch/table"
    fail "$1: expected $2 gradients, $3 Hessian-vector products, $4 mixed products"
  }
}
expect 'implicit(linear = direct())' 210 300 10 # 20 lower steps and F; one product a column
expect 'implicit(linear = neumann(terms = 4, step = 0.1))' 210 30 10
expect 'unroll(cold = true)' 210 200 200
expect 'soba()' 20 10 10
expect 'unroll(forward = true)' 6300 6000 6000 # a tangent for each of 30 upper unknowns
expect 'truncated(last = 5)' 210 50 50

[ "$(wc -l <"$scratch/a.csv")" -eq $((1 + 6 * 2 * 6)) ] || fail "the table has $(wc -l <"$scratch/a.csv") lines"
grep -q '</svg>' "$scratch/a.svg" || fail "no plot"

# Values do not depend on what else is compared.
compare --seeds 1 --points 5 --out "$scratch/b.csv" --with 'soba()' >/dev/null
values() { awk -F, -v solve='"soba()"' '$1 == solve && $2 == 0 { print $3, $5, $6, $7, $8 }' "$1"; }
[ "$(values "$scratch/a.csv")" = "$(values "$scratch/b.csv")" ] || fail "soba gave other values alone"

! "$bloc" compare "$(program logistic)" --seeds 0 2>/dev/null || fail "0 seeds were accepted"
! compare --with nobody >/dev/null 2>&1 || fail "an unknown solve block was accepted"
# The comparison of docs/comparison.md: a solve block of each kind gets a row that ends without a failure, and a curve
# (all of them run, to their accuracy, in the files' own tests).
compare_page() { # file, solve blocks
  local file=$1 solve chosen=()
  shift
  for solve in "$@"; do chosen+=(--with "$solve"); done
  "$bloc" compare "$source/examples/methods/$file.blo" --reference "" --seeds 1 --points 2 --set upper.iters=2 --quiet \
    "${chosen[@]}" --plot "$scratch/$file.svg" >"$scratch/$file" || fail "$file was not compared"
  ! grep -q failed "$scratch/$file" || fail "$file: $(grep failed "$scratch/$file")"
  for solve in "$@"; do
    grep -q "^$solve " "$scratch/$file" || fail "$file: $solve has no row"
    grep -q ">$solve</text>" "$scratch/$file.svg" || fail "$file: $solve has no curve"
  done
}
compare_page whole reverse searched low_rank f2sa_rising meha evaluate response
compare_page batches saba bsa sustain vrbo

# An interrupt in the steps before the clock runs ends the comparison; the step here would take hours.
env --default-signal=INT "$bloc" compare "$(program logistic)" --data "$(data breast_cancer)" --seeds 1 --quiet \
  --set upper.iters=1 --set lower.iters=1000000000 --with 'implicit(linear = direct())' >/dev/null 2>&1 &
for _ in $(seq 600); do # until the signal is caught: the second bit
  caught=$(sed -n 's/^SigCgt:.*\(.\)$/\1/p' "/proc/$!/status")
  [ $((0x${caught:-0} & 2)) -ne 0 ] && break
  sleep 0.1
done
sleep 1
kill -INT $!
for _ in $(seq 150); do
  kill -0 $! 2>/dev/null || break
  sleep 0.1
done
! kill -9 $! 2>/dev/null || fail "an interrupt before the first measured step was forgotten"
echo "comparisons count right"
