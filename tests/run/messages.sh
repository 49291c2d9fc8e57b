#!/usr/bin/env bash
# What the command says when a run goes wrong, and that it names the place of the mistake.
. "$(dirname "$0")/common.sh"

# wants STATUS TEXT ARGUMENTS...: `bloc ARGUMENTS` ends with this status and says this text.
wants() {
  local status=0 output
  output=$("$bloc" "${@:3}" 2>&1) || status=$?
  [ "$status" -eq "$1" ] || fail "bloc ${*:3}: status $status, wanted is $1: $output"
  grep -qF "$2" <<<"$output" || fail "bloc ${*:3}: not said is \"$2\" but: $output"
}
ridge=$(program ridge)
table=$(data diabetes)
quiet=(--data "$table" --quiet --out "$scratch/out.npz")
place="ridge.blo:$(grep -n 'minimize mean((Xva' "$ridge" | cut -d: -f1):3"

# Overrides of the command line.
wants 1 'E0201]: there is no `abc` here' run "$ridge" "${quiet[@]}" --set upper.iters=abc
wants 1 'E0201]: there is no optimizer `adamm`' run "$ridge" "${quiet[@]}" --set 'upper=adamm(iters = 3)'
wants 1 'did you mean `step`' run "$ridge" "${quiet[@]}" --set upper.stepp=0.1
wants 0 '' run "$ridge" "${quiet[@]}" --set 'upper=gd(step = 0.01, iters = 3)'
for text in 'upper.iters=abc' 'upper.iters=2.5' 'upper.stepp=1'; do
  output=$("$bloc" check "$ridge" --set "$text" 2>&1) && fail "--set $text: no error"
  grep -q '^1 error$' <<<"$output" || fail "--set $text: a mistake and its consequences: $output"
done

# Sizes of the command line against those of the data.
wants 1 'f64[n, d], and n = 5 was given by -D' run "$ridge" "${quiet[@]}" -D n=5
wants 1 'the program has no dim `k`' run "$ridge" "${quiet[@]}" -D k=5
wants 1 'E0901]: there is no dim `k`' check "$ridge" -D k=5

# Divergence is at the objective.
wants 4 "E0702]: $ridge:${place#*:}: diverged in step" run "$ridge" "${quiet[@]}" --set lower.step=50.0

# Files.
wants 1 'E0902]: cannot read nofile.blo' run nofile.blo
wants 1 '/nonexistent/out.npz: No such file or directory' run "$ridge" --data "$table" --quiet --out /nonexistent/out.npz

# Conditions of the running program, and what tests may expect.
cat >"$scratch/conditions.blo" <<'END'
blo 1;
upper { var t: f64 = 0.0;  minimize (w - 1.0)^2;  warn t > 1.0, "t is small"; }
lower { var w: f64 = 0.0;  minimize (w - t)^2;  ensure w < 5.0, "w is large"; }
solve { method = implicit();  lower = gd(step = 0.1, iters = 3);  upper = gd(iters = 3); }
fn f(x: f64) -> f64 { ensure x > 0.0, "positive";  x }
test "of the function" { let r = f(uniform() - 2.0);  expect error E0703; }
test "of the start" { t = [1.0, 2.0];  expect error E0301; }
test "of the settings" { lower = gd();  expect error E0304; }
method careful(rate: real = 0.1) {
  accepts smooth lower;
  step { ensure rate > 0.0, "a positive rate";  set y = descend(fn u -> f(x, u), y);  hypergradient grad(fn s -> F(s, y), x); }
}
test "of a method" { method = careful(rate = 0.0);  expect error E0703; }
END
wants 0 '4 passed, 0 failed' test "$scratch/conditions.blo"
wants 0 'warning[W0703]: t is small' run "$scratch/conditions.blo" --quiet --out "$scratch/out.npz"
"$bloc" run "$scratch/conditions.blo" --quiet --set upper.iters=1 --out "$scratch/out.npz" 2>"$scratch/once"
[ "$(grep -c 't is small' "$scratch/once")" = 1 ] || fail "a warning of the last step is not told once: $(cat "$scratch/once")"
sed 's/w < 5.0/w > 5.0/' "$scratch/conditions.blo" >"$scratch/broken.blo"
wants 1 'broken.blo:3:49: w is large' run "$scratch/broken.blo" --quiet --out "$scratch/out.npz"
sed 's/- 2.0/+ 2.0/' "$scratch/conditions.blo" >"$scratch/sound.blo"
wants 1 'FAIL' test "$scratch/sound.blo"
wants 1 'E0703 was expected and did not occur' test "$scratch/sound.blo"
output=$("$bloc" test "$scratch/sound.blo" 2>&1) && fail "a test that fails, fails"
grep -q '^ok .*of the function' <<<"$output" && fail "a test that fails is called ok"

# A test whose run is not finite says in which step of which stage what was not; an expectation that fails does not hide an
# error that is expected.
cat >"$scratch/run.blo" <<'END'
blo 1;
upper { var x: f64 = 0.3;  var z: f64[2] = 1.0;  minimize (y - 1.0)^2 + 0.1 * x^2 + sumsq(z); }
lower { var y: f64 = 0.5;  minimize 0.5 * (y - x)^2 + 0.1 * sum(z) * y; }
solve { method = unroll();  lower = gd(step = 0.5, iters = 20);  upper = gd(step = 0.1, iters = 60); }
test "of every step" { lower.step = 1e150;  lower.iters = 2;  expect run(); }
test "of the last step" { upper.step = 1e308;  upper.iters = 1;  x = 1e3;  let ran = run();  expect x ~= 1.0 within 0.1; }
test "of none" { expect run(); }
test "an index" { expect error E0704;  let a = [1.0, 2.0];  expect a[int(x * 10.0)] == 1.0; }
END
wants 1 'run.blo:5:70: run() diverged in step 1 of stage main: the hypergradient of `z` is not finite' test "$scratch/run.blo"
wants 1 'of stage main: `x` is not finite' test "$scratch/run.blo"
wants 1 'error[E0704]: an index is out of range' test "$scratch/run.blo"
wants 1 '1 passed, 3 failed' test "$scratch/run.blo"

# A solve block that is not there: at the words of the command line, with those that are.
cat >"$scratch/solves.blo" <<'END'
blo 1;
upper { var x: f64 = 0.3;  minimize (y - 1.0)^2 + 0.1 * x^2; }
lower { var y: f64 = 0.5;  minimize (y - x)^2; }
solve { method = implicit();  lower = gd(step = 0.3, iters = 30);  upper = gd(step = 0.1, iters = 6); }
solve fast { method = soba();  lower = gd(step = 0.3, iters = 30);  upper = gd(step = 0.1, iters = 6); }
END
wants 1 ' --> --solve:1:1' run "$scratch/solves.blo" --solve foo
wants 1 'the named ones are fast; the unnamed one runs without `--solve`' run "$scratch/solves.blo" --solve foo

# Optimizers that a run never uses, and what of them counts; settings under the wrong level.
out=(--quiet --out "$scratch/out.npz")
wants 0 '`soba` makes its own lower steps: a run never uses `lower`' run "$scratch/solves.blo" --solve fast "${out[@]}"
wants 0 'write `iters = 6;` in the solve block instead of `upper`' run "$scratch/solves.blo" "${out[@]}" --set 'method=meha()'
wants 0 '`meha` moves x itself and never uses the `upper` optimizer' run "$scratch/solves.blo" "${out[@]}" --set 'method=meha()' --set iters=6
"$bloc" run "$scratch/solves.blo" "${out[@]}" 2>&1 | grep -q W0501 && fail "implicit uses both"
cat >"$scratch/three.blo" <<'END'
blo 1;
upper { var x: f64 = 0.0;  minimize 0.5 * (x - 3.0)^2 + 0.5 * z^2 + 0.5 * y^2; }
lower mid {
  var y: f64 = 0.0;
  minimize 0.5 * (y - 1.0)^2 + 0.5 * (z - x)^2;
  lower bottom { var z: f64 = 0.0;  minimize 0.5 * (z - x)^2 + 0.5 * (z - y)^2; }
}
solve {
  method = implicit();  lower = gd(step = 0.5, iters = 100);  upper = gd(step = 0.3, iters = 200);
  mid.method = implicit();  mid.lower = gd(step = 0.3, iters = 100);
}
END
wants 0 'did you mean `mid.method`?' check "$scratch/three.blo" --set 'bottom.method=unroll()'
wants 0 'did you mean `mid.lower.iters`?' check "$scratch/three.blo" --set 'bottom.lower.iters=3'

# A lower level that is maximised by mistake.
sed 's/minimize (y - x)^2/maximize (y - x)^2/; s/iters = 30/iters = 3000/' "$scratch/solves.blo" >"$scratch/sign.blo"
wants 4 'is the sign of its objective right' run "$scratch/sign.blo" "${out[@]}"

# How far what is printed has come to rest.
output=$("$bloc" run "$scratch/solves.blo" --out "$scratch/out.npz" 2>/dev/null)
grep -qE '^x = [0-9.]+   \(moved by 0\.[0-9]+ in the last step\)$' <<<"$output" || fail "a variable that moves: $output"
output=$("$bloc" run "$scratch/solves.blo" --out "$scratch/out.npz" --set upper.iters=1000 2>/dev/null)
grep -qE '^x = 0\.909091$' <<<"$output" || fail "a variable at rest: $output"

# Explaining.
output=$("$bloc" explain E0402)
grep -q '^Wrong:$' <<<"$output" && grep -q '^Instead:$' <<<"$output" || fail "two programs without a word: $output"
wants 0 'E0301 shapes do not fit' explain e0301
wants 2 'did you mean `E0301`' explain E301
wants 2 'one code' explain E0301 E0302
echo "messages are as they should be"
