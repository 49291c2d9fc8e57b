#!/usr/bin/env bash
# Mistakes on the command line and in data are told before the run, with a cure, and never by a crash.
. "$(dirname "$0")/common.sh"
ridge=$(program ridge)
diabetes=$(data diabetes)
cd "$scratch"

# expect CODE TEXT command...: the exit code, and a text in what it prints.
expect() {
  local code=$1 text=$2 status=0
  shift 2
  "$@" >said.txt 2>&1 || status=$?
  [ "$status" -eq "$code" ] || fail "$* exits with $status, not $code: $(cat said.txt)"
  grep -qF -e "$text" said.txt || fail "$* does not say '$text': $(cat said.txt)"
}
run=("$bloc" run "$ridge" --quiet --set upper.iters=5)

expect 2 'did you mean `skylake`?' "${run[@]}" --target skylak
expect 2 'no CPU is called `foo`' "$bloc" build "$ridge" --target foo
expect 2 'did you mean `bloc run`?' "$bloc" "$ridge"
expect 2 'there is no such folder' "$bloc" check "$ridge" --std /nonexistent
expect 2 '-D n is given twice' "${run[@]}" --data "$diabetes" -D n=1 -D n=2
expect 2 'write --data before each data file' "${run[@]}" --data "$diabetes" "$diabetes"
expect 1 'declares no table or array `trian`' "${run[@]}" --data "$diabetes" --data "trian=$diabetes"
expect 1 'the file holds nothing for `Xtr`' "${run[@]}" --data "$diabetes" --data "Xtr=$(data digits)"
expect 1 '"code":"E0602"' "${run[@]}" --data /nonexistent --errors=json

# Programs that are called like modules of the library hide nothing.
cp "$ridge" direct.blo
cp "$ridge" implicit.blo
"$bloc" check direct.blo >said.txt 2>&1 || fail "direct.blo: $(cat said.txt)"

# What is written is looked at before the run.
cp "$diabetes" mine.npz
for option in --out --plot --checkpoint; do
  expect 1 'No such file or directory' "${run[@]}" --data mine.npz $option /nonexistent/x
  expect 1 'would overwrite a data file' "${run[@]}" --data mine.npz $option mine.npz
done
cmp -s mine.npz "$diabetes" || fail "the data was overwritten"
expect 0 'penalty' "${run[@]}" --data mine.npz --data mine.npz --out results.npz
expect 1 'results are written as .npz, not .csv' "${run[@]}" --data mine.npz --out results.csv
expect 1 'error[E0902]: nothing.npz: No such file' "${run[@]}" --data mine.npz --resume nothing.npz
expect 1 'error[E0903]: results.npz is no checkpoint' "${run[@]}" --data mine.npz --resume results.npz
expect 1 '`step` of `adam` has to be >= 0, and is -0.1' "${run[@]}" --data mine.npz --set upper.step=-0.1

# Sizes that a file gave are not said to come from the command line, and one level has a gradient.
sed 's/f64/f32/g' "$ridge" >single.blo
expect 1 'error[E0603]' "$bloc" run single.blo --quiet --data mine.npz
! grep -q 'given by -D' said.txt || fail "nobody gave -D: $(cat said.txt)"
expect 1 'was given by -D' "$bloc" run single.blo --quiet --data mine.npz -D n=294
printf 'blo 1;\nstage fit { var w: f64 = 0.0;  minimize (w - 2.0)^2;  solve { optimizer = gd(step = 0.1, iters = 3); } }\n' >one.blo
expect 0 '|gradient|' "$bloc" run one.blo --out -
! grep -q 'upper\|hypergradient' said.txt || fail "one level has no upper: $(cat said.txt)"

# Variables that are no numbers are never the last good ones.
expect 4 '`t` is infinite' "${run[@]}" --data mine.npz --set 'upper=gd(step=1e308*1e3,iters=10)' --out diverged.npz
expect 4 't = 0' "${run[@]}" --data mine.npz --set 'upper=gd(step=1e308*1e3,iters=10)' --out diverged.npz

expect 0 'penalty' "${run[@]}" --data mine.npz --checkpoint state --out -
expect 0 'nothing is left to do' "${run[@]}" --data mine.npz --resume state --set upper.iters=3 --out -
expect 1 'began with seed' "${run[@]}" --data mine.npz --resume state --seed 4 --out -

# Tests.
: >empty.blo
expect 1 'nothing to run' "$bloc" test empty.blo
expect 1 'has nothing to run' "$bloc" run empty.blo
echo 'blo 1; test "sums" { let a = 0.1 + 0.2; expect a == 0.3; }' >sums.blo
expect 1 'left  0.30000000000000004' "$bloc" test sums.blo
echo 'blo 1; test "quiet" { expect error E0703; expect 1.0 == 1.0; }' >quiet.blo
expect 1 'FAIL quiet.blo: quiet' "$bloc" test quiet.blo
echo 'blo 1; test "good" { expect 1.0 == 1.0; } test "bad" { expect nobody == 1.0; }' >bad.blo
expect 1 'FAIL bad.blo: bad (does not compile)' "$bloc" test bad.blo

# The solve block of a stage, by its name alone or with the stage in front.
cat >stages.blo <<'END'
blo 1;
stage first { var a: f64 = 0.0;  minimize (a - 1.0)^2;  solve { optimizer = gd(iters = 5); } }
stage second {
  upper { var x: f64 = 0.0;  minimize (y - first.a)^2; }
  lower { var y: f64 = 0.0;  minimize (y - x)^2; }
  solve { method = implicit();  lower = gd(iters = 9);  upper = gd(iters = 9); }
  solve other { method = unroll();  lower = gd(iters = 9);  upper = gd(iters = 9); }
}
END
for name in other second.other; do
  expect 0 'second.x' "$bloc" run stages.blo --quiet --out - --solve $name
  expect 0 'no errors' "$bloc" check stages.blo --solve $name
done
for name in first.other third.other others; do
  expect 1 'the named ones are second.other' "$bloc" run stages.blo --quiet --out - --solve $name
done
expect 0 'second.other' "$bloc" compare stages.blo --quiet --seeds 1
echo "mistakes are told"
