# Shared by the scripts here: `bloc` ($1), the source folder ($2), a scratch folder that goes away.
set -euo pipefail
bloc=$1
source=$2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
examples=("ridge diabetes" "logistic breast_cancer" "cleaning digits")

fail() {
  echo "FAILED: $*"
  exit 1
}
program() { echo "$source/examples/$1/$1.blo"; }
data() { echo "$source/examples/data/$1.npz"; }
