#!/usr/bin/env bash
# Ctrl-C stops after the present step, results and checkpoint are saved, and a resumed run ends in the same bits
# as one that was never stopped.
. "$(dirname "$0")/common.sh"

# A shell starts its background jobs with SIGINT ignored; a program in a terminal has it.
run=(env --default-signal=INT "$bloc" run "$(program cleaning)" --data "$(data digits)"
  --set upper.iters=40 --set lower.iters=1000 --quiet --report-every 1)
"${run[@]}" --out "$scratch/whole.npz" >/dev/null
"${run[@]}" --out "$scratch/part.npz" --checkpoint "$scratch/state" --log "$scratch/log" >"$scratch/part.txt" 2>&1 &
# Interrupt once some steps were reported.
for _ in $(seq 600); do
  [ -f "$scratch/log" ] && [ "$(wc -l <"$scratch/log")" -gt 4 ] && break
  sleep 0.1
done
kill -INT $!
wait $! || true
grep -q 'stopped' "$scratch/part.txt" || fail "the run does not say that it was stopped: $(cat "$scratch/part.txt")"
[ -s "$scratch/part.npz" ] || fail "no results after the interruption: $(cat "$scratch/part.txt")"
[ -s "$scratch/state" ] || fail "no checkpoint after the interruption"
"${run[@]}" --resume "$scratch/state" --out "$scratch/resumed.npz" >/dev/null
cmp "$scratch/whole.npz" "$scratch/resumed.npz" || fail "the resumed run differs"
echo "stopped, saved, resumed to the same bits"
