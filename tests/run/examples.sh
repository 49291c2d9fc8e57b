#!/usr/bin/env bash
# Every example runs for a few steps: its reports are finite, and the same seed gives the same bits.
. "$(dirname "$0")/common.sh"

# folder/program, data (or -), settings
run() {
  local program=$1 data=$2 settings=()
  shift 2
  for setting; do settings+=(--set "$setting"); done
  [ "$data" = - ] || settings+=(--data "$source/examples/data/$data")
  for turn in a b; do
    "$bloc" run "$source/examples/$program.blo" "${settings[@]}" --out "$scratch/$turn.npz" --log "$scratch/$turn.jsonl" \
      --quiet >/dev/null || fail "$program did not run"
  done
  ! grep -q null "$scratch/a.jsonl" || fail "$program has a report that is not finite"
  cmp "$scratch/a.npz" "$scratch/b.npz" || fail "$program gave two results for one seed"
  echo "$program"
}

run ridge/ridge diabetes.npz upper.iters=5
run logistic/logistic breast_cancer.npz upper.iters=5
run cleaning/cleaning digits.npz upper.iters=5
run cleaning/batches digits.npz upper.iters=5
run methods/whole - upper.iters=5
run methods/batches - upper.iters=5
run saliency/saliency - upper.iters=5
run dropout_rates/dropout_rates digits.npz tune.upper.iters=5 search.optimizer.iters=5
run video/video - fit.optimizer.iters=2
run weight_decay/weight_decay digits.npz tune.upper.iters=2 with_decay.optimizer.iters=5 without.optimizer.iters=5
run class_weights/class_weights digits.npz upper.iters=2
run maml/maml - upper.iters=5
run three_levels/scales - upper.iters=2
run adaptive_reasoning/adaptive_reasoning - base.optimizer.iters=20 long.optimizer.iters=2 short.optimizer.iters=2 prefer.optimizer.iters=2
run backdoor/backdoor digits.npz upper.iters=2 method.catch_up=0 victims.optimizer.iters=2 probes.optimizer.iters=2
run architecture/architecture digits.npz search.upper.iters=2 found.optimizer.iters=2 random.optimizer.iters=2
run routing/routing digits.npz upper.iters=1 lower.iters=2
