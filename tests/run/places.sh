#!/usr/bin/env bash
# A draw keeps its numbers when the text around changes: layout, comments, the file's name, other functions, tests,
# declarations and draws, a function moved to another file. What is exchanged with another draw changes alone.
. "$(dirname "$0")/common.sh"

here="$source/tests/run/places.blo"
cd "$scratch"
run() { # FILE: reports to FILE.txt, bits of the variables to FILE.npz; by the interpreter, which starts at once
  "$bloc" run "$1" --interpret --seed 3 --out "$1.npz" 2>"$1.err" >"$1.txt" || { cat "$1.err"; fail "$1 did not run"; }
}
same() { # FILE: as the program that nobody changed
  run "$1"
  cmp "$1.npz" base.blo.npz || fail "$1: the variables changed"
  diff "$1.txt" base.blo.txt || fail "$1: the reports changed"
}
changed() { # names of the reports of FILE that are not the base's
  diff "$1.txt" base.blo.txt | sed -n 's/^> \([a-z_]*\) = .*/\1/p' | tr '\n' ' '
}

cp "$here" base.blo
run base.blo

sed 's|//.*||' "$here" | tr '\n' ' ' >one_line.blo
same one_line.blo

sed 's|//.*||; s/\([;{}]\)/\1\n\n      \/\/ a word, normal()\n/g' "$here" >spread.blo
same spread.blo

# what draws for itself and what does not, in front, between and behind
awk '{ print }
  /^import/       { print "fn zeroth() -> f64 = normal() + one();\ntest \"early\" { seed = 1; expect normal() < 9.0; }" }
  /^fn two/       { print "fn other() -> f64 = one() - two() + uniform();\nconst half = 0.5;" }
  /^struct/       { print "struct Before { a: f64 = normal(); }" }
  /^data table/   { print "data { more: f64[p] = for i { normal() }; }" }
  /^  state v/    { print "  state idle = 0.0;" }
  /^  upper|^  lower/ { print "    let before = normal() + one();" }
  /let noise/     { print "    let after = normal() * before;" }
' "$here" >others.blo
echo 'test "late" { seed = 3; expect one() + two() < 99.0; }' >>others.blo
same others.blo
"$bloc" test others.blo >/dev/null 2>&1 || fail "others.blo: its tests"

# a function in a file of its own
sed '/^fn one/d; /^fn two/d; s/\<one()/parts.one()/g; s/\<two()/parts.two()/g; s/^import random;/&\nimport parts;/' "$here" >moved.blo
echo 'blo 1;' >parts.blo
sed -n 's/^fn \(one\|two\)/export fn \1/p' "$here" >>parts.blo
same moved.blo

# draws that change places within one item
sed 's/one() + 10.0 \* one()/10.0 * one() + one()/' "$here" >swapped.blo
run swapped.blo
[ "$(changed swapped.blo)" = "pair " ] || fail "swapped: changed are $(changed swapped.blo)"

# two draws of one function in one expression, one function value called twice
for name in minus function; do
  value=$(sed -n "s/^$name = \([^ ]*\).*/\1/p" base.blo.txt)
  [ -n "$value" ] && [ "$value" != 0 ] || fail "$name: two places drew the same"
done

"$bloc" run base.blo --seed 3 --out compiled.npz --quiet >compiled.txt
diff compiled.txt base.blo.txt || fail "machine code drew other numbers"
echo "draws keep their places"
