#!/usr/bin/env bash
# What each method reports is what docs/methods.md says: the table of section 3 against the log of a run of every method.
. "$(dirname "$0")/common.sh"
cd "$scratch"
cat >problem.blo <<'END_OF_PROGRAM'
blo 1;
data table[n < 8] { a: f64 = real(n) / 8.0; }
upper { var x: f64 = 0.5;  minimize 0.5 * (y - 1.0)^2 + 0.01 * x^2; }
lower {
  var y: f64 = 0.0;
  batch b = sequence(table, 4);
  minimize mean(0.5 * (y - x * b.a)^2 + 0.5 * y^2);
}
solve { method = implicit();  lower = gd(step = 0.1, iters = 10);  upper = gd(step = 0.1, iters = 2);  joint = semismooth(); }
END_OF_PROGRAM

# method, then the names of the table's row, in order of the alphabet
sed -n '/^## 3\./,/^## 4\./p' "$source/docs/methods.md" | sed -nE 's/^\| (`[a-z0-9_`, ]+`) \| (`[a-z0-9_`, ]+`) \|.*/\1|\2/p' |
  while IFS='|' read -r methods names; do
    for method in $(tr -d '`,' <<<"$methods"); do
      echo "$method" $(tr -d '`,' <<<"$names" | tr ' ' '\n' | sort)
    done
  done | sort >wanted.txt
sed -n 's/^export method \([a-z0-9_]*\).*/\1/p' "$source"/stdlib/*.blo | sort >methods.txt
while read -r method; do
  steps=upper.iters=2
  grep -qE "set \(?x[ ,]|set x =" <(sed -n "/^export method $method(/,/^}/p" "$source"/stdlib/*.blo) && steps=iters=2
  "$bloc" run problem.blo --quiet --set "method=$method()" --set "$steps" --out out.npz --log log.jsonl >said.txt 2>&1 ||
    fail "$method: $(cat said.txt)"
  echo "$method" $(grep '"event":"step"' log.jsonl | head -1 | sed 's/.*"reports":{\([^}]*\)}.*/\1/' | grep -oE '"[a-z_]+":' | tr -d '":' | sort)
done <methods.txt >found.txt
diff wanted.txt found.txt || fail "docs/methods.md (<) and runs (>) report different things"
while read -r name; do
  grep -qE "^\| .*\`$name\`" <(sed -n '/^## 3\./,/^## 4\./p' "$source/docs/methods.md" | grep -E '^\| `[a-z_`, ]+` \| [^`]') ||
    fail "docs/methods.md does not say what $name is"
done < <(cut -d' ' -f2- found.txt | tr ' ' '\n' | sort -u)
echo "$(wc -l <methods.txt) methods report what the page says"
