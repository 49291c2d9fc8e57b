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
expect 'unroll(forward = true)' 210 6000 6000 # a tangent for each of 30 upper unknowns
expect 'truncated(last = 5)' 210 50 50

[ "$(wc -l <"$scratch/a.csv")" -eq $((1 + 6 * 2 * 6)) ] || fail "the table has $(wc -l <"$scratch/a.csv") lines"
grep -q '</svg>' "$scratch/a.svg" || fail "no plot"
# The best run's own last move is the least gap that is drawn.
grep -qE 'Distance from the best value found, down to [1-9]\.[0-9]e-(0[1-9]|1[0-5])' "$scratch/a.svg" || fail "no floor: $(grep Distance "$scratch/a.svg")"

# Values do not depend on what else is compared.
compare --seeds 1 --points 5 --out "$scratch/b.csv" --with 'soba()' >/dev/null
values() { awk -F, -v solve='"soba()"' '$1 == solve && $2 == 0 { print $3, $5, $6, $7, $8 }' "$1"; }
[ "$(values "$scratch/a.csv")" = "$(values "$scratch/b.csv")" ] || fail "soba gave other values alone"

# Competitors may have settings of their own; each tells how far its y is from a lower solution. JSON holds the same.
compare --seeds 3 --points 2 --out "$scratch/c.json" --reference 'implicit(); lower = barzilai_borwein(step = 0.1, iters = 300)' \
  --with 'soba(step = 0.1); upper.iters = 30' --with 'implicit(); lower = gd(step = 0.3, iters = 7); upper.iters = 4' \
  --with 'unroll(); lower = gd(step = 1e9, iters = 500)' >"$scratch/own"
grep -qE '^soba\(step = 0.1\); upper.iters = 30 +30 +[0-9.e-]+ +60 ' "$scratch/own" || fail "settings of a competitor: $(cat "$scratch/own")"
grep -qE '^ +4 +[0-9.e-]+ +32 ' "$scratch/own" || fail "a long name has a line of its own: $(cat "$scratch/own")"
grep -q '|f_y|' "$scratch/own" || fail "no word of how well y solves: $(cat "$scratch/own")"
grep -q '3 of 3 failed: .*diverged' "$scratch/own" || fail "a method that diverges: $(cat "$scratch/own")"
head -1 "$scratch/c.json" | grep -q '"sense":"minimize","tables":"whole","reference":"implicit' || fail "JSON: $(head -c 300 "$scratch/c.json")"
[ "$(grep -c '"seed":[0-2],"end":"end"' "$scratch/c.json")" -eq 6 ] || fail "JSON has other runs"
[ "$(grep -c '"end":"failed","message":' "$scratch/c.json")" -eq 3 ] || fail "JSON tells no failure"
! compare --with 'soba(); what' >/dev/null 2>"$scratch/what" || fail "a competitor without a setting behind its semicolon"
grep -q 'come settings' "$scratch/what" || fail "no word of the missing setting: $(cat "$scratch/what")"
# One that does not compile has a row that says why; the others go on, unless there are none.
compare --seeds 1 --points 2 --out "$scratch/r.json" --plot "$scratch/r.svg" --with 'nobody()' --with 'soba()' --with 'kkt(weak = true)' \
  >"$scratch/refused" 2>"$scratch/why" || fail "one that is refused ends the comparison: $(cat "$scratch/why")"
grep -q '^soba() *10 ' "$scratch/refused" || fail "the others: $(cat "$scratch/refused")"
grep -q '^nobody() * - .*-$' "$scratch/refused" || fail "no row of what is refused: $(cat "$scratch/refused")"
grep -q '  refused: .*error\[E0201\]: there is no method `nobody`' "$scratch/refused" || fail "not why: $(cat "$scratch/refused")"
[ "$(grep -c '  refused: ' "$scratch/refused")" -eq 2 ] || fail "kkt(weak = true): $(cat "$scratch/refused")"
grep -q 'nobody()' "$scratch/why" || fail "the diagnostic itself: $(cat "$scratch/why")"
[ "$(grep -c '"end":"refused","message":' "$scratch/r.json")" -eq 2 ] || fail "JSON: $(cat "$scratch/r.json")"
! compare --with 'nobody()' --with 'nobody()' >"$scratch/none" 2>"$scratch/why" || fail "nothing was compared"
[ ! -s "$scratch/none" ] && [ "$(grep -c 'E0201' "$scratch/why")" -eq 1 ] || fail "told once: $(cat "$scratch/why")"
"$bloc" compare "$source/tests/run/parts.blo" --seeds 1 --quiet --reference "" >"$scratch/parts" || fail "batches of fixed size"
grep -q 'means over the batches' "$scratch/parts" || fail "no word of batches: $(cat "$scratch/parts")"
# A problem below others is solved on the mean over its own batches, whatever part is judged above: w = 5.5 + c, F = 25.25.
cat >"$scratch/below.blo" <<'END_OF_PROGRAM'
blo 1;
dim B = 4;
const n = 12;
data train[i < n] { x: f64 = real(i); }
data tasks[k < 2] { c: f64 = real(k); }
upper { var t: f64 = 0.0;  minimize mean(for k { (w[k] - 1.0)^2 }) + t^2; }
lower for k in tasks { var w: f64 = 0.0;  batch b = sample(train, B);  let x: f64[B] = b.x;  minimize mean((w - x - tasks.c[k])^2) + 0.0 * t * w; }
solve { method = implicit();  lower = gd(step = 0.5, iters = 3);  upper = gd(step = 0.05, iters = 1); }
END_OF_PROGRAM
"$bloc" compare "$scratch/below.blo" --seeds 1 --quiet >"$scratch/below" || fail "batches of fixed size below"
grep -q 'best F(x, y) 25\.25;' "$scratch/below" || fail "not the mean over the batches below: $(cat "$scratch/below")"
# Medians over seeds are those of the last points.
"$bloc" compare "$source/tests/run/parts.blo" --seeds 3 --quiet --with soba --points 1 --out "$scratch/m.csv" >"$scratch/m" || fail "no medians"
median=$(awk -F, '$3 == 100 { print $8 }' "$scratch/m.csv" | LC_ALL=C sort -g | sed -n 2p | xargs printf '%.10g')
grep -q "^soba .* $median " "$scratch/m" || fail "the median of $(cat "$scratch/m.csv") is $median, not: $(cat "$scratch/m")"

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
compare_page whole reverse searched low_rank f2sa_half meha_one evaluate response
compare_page batches saba bsa sustain vrbo

# What a table of past gradients is for: on equal calls SABA comes nearer than SOBA with the same steps. Where the solution lies on
# the bounds of its box (cleaning) the value is flat, and it is the lower problem that shows it.
last() { awk -F, -v solve="\"$2\"" -v column="$3" '$1 == solve { value = $column } END { print value }' "$scratch/$1.csv"; }
"$bloc" compare "$source/examples/methods/batches.blo" --reference "" --seeds 1 --points 1 --quiet --out "$scratch/saba.csv" \
  --with 'soba; upper = gd(step = 2.0); upper.iters = 6000' --with 'saba; upper.iters = 6000' >/dev/null || fail "no SABA"
awk -v a="$(last saba 'saba; upper.iters = 6000' 9)" -v o="$(last saba 'soba; upper = gd(step = 2.0); upper.iters = 6000' 9)" \
  'BEGIN { best = 0.638045337164; exit !(a - best < 0.1 * (o - best)) }' || fail "SABA's gap is not below SOBA's: $(cat "$scratch/saba.csv")"
"$bloc" compare "$source/examples/cleaning/batches.blo" --data "$(data digits)" --seeds 1 --points 1 --quiet \
  --out "$scratch/saga.csv" --set upper.iters=8000 --with '' --with saga >/dev/null || fail "no SABA"
awk -v a="$(last saga saga 11)" -v o="$(last saga '(unnamed)' 11)" 'BEGIN { exit !(a < 0.5 * o) }' ||
  fail "SABA's y is not nearer to a lower solution than SOBA's: $(cat "$scratch/saga.csv")"

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

# One that comes later keeps what was measured: the first competitor is done, the second has steps of its own behind it.
env --default-signal=INT "$bloc" compare "$(program logistic)" --data "$(data breast_cancer)" --seeds 1 --points 1000 \
  --with 'soba(step = 0.1); upper.iters = 20' --with 'implicit(); lower = gd(step = 0.3, iters = 3000); upper.iters = 1000000' \
  --out "$scratch/stopped.csv" >"$scratch/stopped" 2>"$scratch/said" &
for _ in $(seq 300); do
  grep -q '^soba' "$scratch/said" && break
  sleep 0.1
done
sleep 1
kill -INT $!
status=0
wait $! || status=$?
[ "$status" -eq 3 ] || fail "an interrupted comparison ended with $status: $(cat "$scratch/said")"
grep -q '; interrupted' "$scratch/stopped" || fail "the table does not tell of the interrupt: $(cat "$scratch/stopped")"
grep -q '1 of 1 did not come to the end' "$scratch/stopped" || fail "what was interrupted is not told: $(cat "$scratch/stopped")"
grep -q '^"soba(step = 0.1); upper.iters = 20",0,20,' "$scratch/stopped.csv" || fail "the first competitor was lost"
echo "comparisons count right"
