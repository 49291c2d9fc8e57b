#!/usr/bin/env bash
# Loop-invariant motion: inside the conjugate gradient loop of the logistic example every product has a factor that
# changes from trip to trip; X w and the like were moved out.
. "$(dirname "$0")/common.sh"

"$bloc" emit --stage=opt "$(program logistic)" | awk '
  /^func @main.step/ { inside = 1 }
  inside && /= loop / { depth++; count = 0; delete defined; delete products; total = 0
    line = $0; sub(/.*\(/, "", line)
    while (match(line, /%[A-Za-z0-9_.]+/)) { defined[substr(line, RSTART, RLENGTH)] = 1; line = substr(line, RSTART + RLENGTH)
      sub(/^ = %[A-Za-z0-9_.]+/, "", line) } next }
  depth && /} while/ { for (i = 1; i <= total; i++) { split(products[i], pair, " ")
      if (!(pair[1] in defined) && !(pair[2] in defined)) { print "invariant product in the loop: " products[i]; bad = 1 } }
    checked += total; depth = 0 }
  depth && /^ *}$/ { depth = 0 }
  depth && match($0, /%[A-Za-z0-9_.]+/) { defined[substr($0, RSTART, RLENGTH)] = 1 }
  depth && / = dot / { line = $0; sub(/.* = dot /, "", line); gsub(/,/, "", line); products[++total] = line }
  /^}/ { inside = 0 }
  END { print checked + 0, "products in loops with a condition"; exit bad || checked < 2 }'

# A A' of an affine set is factored once in a step: before the loop of 50 projections, and the reverse loop shares it.
cat >"$scratch/affine.blo" <<'END_OF_PROGRAM'
blo 1;
dim n, k;
data { A: f64[k, n];  c: f64[n]; }
upper { var x: f64[n] = 0.1;  minimize dot(c, y); }
lower { var y: f64[n] in affine(A);  minimize sum((x - y)^4); }
solve { method = unroll();  lower = projected(step = 0.3, iters = 50);  upper = gd(iters = 20); }
END_OF_PROGRAM
"$bloc" emit --stage=opt "$scratch/affine.blo" | awk '
  /^func/ { inside = /@main.step/ }
  inside && / = cholesky / { made++; if (/^   /) { print "factored inside of a loop: " $0; bad = 1 } }
  END { print made + 0, "factors in a step"; exit bad || made != 1 }'
