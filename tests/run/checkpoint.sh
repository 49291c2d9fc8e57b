#!/usr/bin/env bash
# The workspace of a derivative through K steps: linear in K when it is stored, like its root with `checkpoint`.
. "$(dirname "$0")/common.sh"
cat >"$scratch/path.blo" <<'END'
blo 1;
dim k = 1000;
upper { var t: f64 = 0.0;  minimize sumsq(w - 1.0); }
lower { var w: f64[k] = 0.0;  minimize sum(exp(t) * w^4 + sin(w)); }
solve        { method = unroll();  lower = adam(step = 0.01, iters = 100);  upper = gd(iters = 10); }
solve stored { method = unroll();  lower = adam(step = 0.01, iters = 100);  upper = gd(iters = 10); }
END
workspace() { # option... : f64 entries of all buffers of a step
  "$bloc" emit "$scratch/path.blo" --stage=loop "$@" 2>/dev/null |
    awk '/^schedule/ { step = $2 == "main.step" } step && match($0, /workspace f64\[[0-9]+\]/) {
           total += substr($0, RSTART + 14, RLENGTH - 15) } END { print total }'
}
again="method=unroll(checkpoint=true)"
stored=$(workspace --set lower.iters=400) stored_long=$(workspace --set lower.iters=6400)
short=$(workspace --set lower.iters=400 --set "$again") long=$(workspace --set lower.iters=6400 --set "$again")
echo "400 and 6400 steps: stored $stored, $stored_long entries; run again $short, $long"
[ $((stored_long / stored)) -ge 14 ] || fail "the stored path is not linear in its steps"
# 16 times the steps: 4 times the memory, and what does not depend on them.
[ $((long / short)) -lt 5 ] || fail "the workspace grows faster than the root of the steps"
[ $((stored_long / long)) -ge 20 ] || fail "running again saves too little"
# With free dims: segments of 16.
sed -i 's/dim k = 1000;/dim k;/' "$scratch/path.blo"
"$bloc" check "$scratch/path.blo" --set "$again" --set lower.iters=k >/dev/null || fail "steps that are a dim"
