#!/usr/bin/env bash
# Code size does not depend on dims or iterations: the same number of ops and of kernels for ten and for a million.
. "$(dirname "$0")/common.sh"

measure() { # program option...
  local file=$1
  shift
  local ops kernels
  ops=$("$bloc" emit "$file" --stage=opt "$@" | wc -l)
  kernels=$("$bloc" emit "$file" --stage=loop "$@" | grep -c '^kernel')
  echo "$ops lines of IR, $kernels kernels"
}
same() { # label a b
  echo "$1: $2"
  [ "$2" = "$3" ] || fail "$1: $2 became $3"
}
for name in ridge logistic; do
  file=$(program $name)
  same "$name, d" "$(measure "$file" -D n=64 -D m=64 -D d=10)" "$(measure "$file" -D n=64 -D m=64 -D d=1000000)"
  same "$name, n" "$(measure "$file" -D n=10 -D m=64 -D d=30)" "$(measure "$file" -D n=1000000 -D m=64 -D d=30)"
  same "$name, lower iterations" "$(measure "$file" --set lower.iters=10)" "$(measure "$file" --set lower.iters=1000000)"
done
same "unrolled ridge" "$(measure "$(program ridge)" --solve unrolled --set lower.iters=10)" \
  "$(measure "$(program ridge)" --solve unrolled --set lower.iters=1000000)"
same "cleaning, n" "$(measure "$(program cleaning)" -D n=21 -D m=11 -D q=12)" "$(measure "$(program cleaning)" -D n=1000000 -D m=11 -D q=12)"
