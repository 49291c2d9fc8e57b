#!/usr/bin/env bash
# A staged program is stopped in each of its stages and resumed: the data made between the stages comes again, and the end is the
# same to the last bit.
. "$(dirname "$0")/common.sh"

run=(env --default-signal=INT "$bloc" run "$source/tests/run/stages.blo" --quiet --report-every 20)
"${run[@]}" --out "$scratch/whole.npz" >/dev/null
for stage in fit tune last; do
  rm -f "$scratch/log"
  "${run[@]}" --out "$scratch/part.npz" --checkpoint "$scratch/state" --log "$scratch/log" >"$scratch/part.txt" 2>&1 &
  for _ in $(seq 600); do
    [ -f "$scratch/log" ] && grep -q "\"step\", \"stage\": \"$stage\"\|\"stage\":\"$stage\"" "$scratch/log" && break
    sleep 0.01
  done
  kill -INT $! 2>/dev/null || true
  wait $! || true
  grep -q 'stopped' "$scratch/part.txt" || fail "not stopped in $stage: $(cat "$scratch/part.txt" "$scratch/log")"
  "${run[@]}" --resume "$scratch/state" --out "$scratch/resumed.npz" >/dev/null
  cmp "$scratch/whole.npz" "$scratch/resumed.npz" || fail "the run resumed in $stage differs"
done
echo "stopped in each stage, resumed to the same bits"
