#!/usr/bin/env bash
# Cleaning at size, where Debian's dataset-fashion-mnist is installed: it learns which labels are wrong, and all memory of
# the run, the compiler's too, is less than twice the 25,000 x 784 numbers of training and validation.
. "$(dirname "$0")/common.sh"

pictures=/usr/share/datasets/fashion-mnist
if [ ! -e $pictures/train-images-idx3-ubyte.gz ]; then
  echo "skipped: Debian's package dataset-fashion-mnist is not installed"
  exit 77
fi

cat >"$scratch/peak.py" <<'PYTHON'
import resource, subprocess, sys
status = subprocess.call(sys.argv[2:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024, file=open(sys.argv[1], "w"))
sys.exit(status)
PYTHON
measure=()
command -v python3 >/dev/null && measure=(python3 "$scratch/peak.py" "$scratch/peak")

"${measure[@]}" "$bloc" run "$(dirname "$(program cleaning)")/fashion.blo" \
  --data pictures.x=$pictures/train-images-idx3-ubyte.gz --data pictures.y=$pictures/train-labels-idx1-ubyte.gz \
  --data hold.x=$pictures/t10k-images-idx3-ubyte.gz --data hold.y=$pictures/t10k-labels-idx1-ubyte.gz \
  --set upper.iters=1000 --out - --log "$scratch/log" --quiet >/dev/null
auroc=$(tail -1 "$scratch/log" | sed 's/.*"auroc":\([0-9.]*\).*/\1/')
awk "BEGIN { exit !($auroc > 0.9) }" || fail "the scores tell wrong labels with an AUROC of $auroc only"

limit=$((2 * 25000 * 784 * 4))
if [ -e "$scratch/peak" ]; then
  if ! nm -D "$bloc" 2>/dev/null | grep __asan >/dev/null; then   # -q would end the pipe early
    [ "$(cat "$scratch/peak")" -lt $limit ] || fail "$(cat "$scratch/peak") bytes, more than $limit"
  fi
  echo "AUROC $auroc, $(cat "$scratch/peak") bytes"
fi
