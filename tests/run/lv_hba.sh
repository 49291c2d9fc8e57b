#!/usr/bin/env bash
# The LV-HBA authors' strongly convex toy on their own matrices, which carry no licence and are not part of this project:
# skipped unless BLO_LV_HBA names the folder that holds A.npy, B.npy, h.npy, D.npy and E.npy. The optimum,
# derived in one variable, is -0.7192857272.
#
# usage: lv_hba.sh BLOC SOURCE_DIR
set -euo pipefail
bloc=$1 source=$2 folder=${BLO_LV_HBA:-}
if [ ! -f "$folder/A.npy" ]; then
  echo "skipped: set BLO_LV_HBA to the folder of the authors' matrices"
  exit 77
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
output=$("$bloc" run "$source/tests/run/lv_hba.blo" --out "$scratch/out.npz" --data A="$folder/A.npy" --data B="$folder/B.npy" \
  --data H="$folder/h.npy" --data c="$folder/D.npy" --data d="$folder/E.npy" 2>&1)
last=$(grep -oE 'upper -0\.[0-9]+' <<<"$output" | tail -1)
echo "$last"
[ "$last" = "upper -0.71929" ]
