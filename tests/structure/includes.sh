#!/usr/bin/env bash
# Who may include whom.  Reads every #include "folder/file.h" of lang/, compiler/ and runtime/ and compares
# with the order below: a folder may include itself and the folders before it in its area.
#
# usage: includes.sh SOURCE_DIR
set -euo pipefail
source_folder=$1
source "$(dirname "${BASH_SOURCE[0]}")/order.sh"
cd "$source_folder"
failures=0

complain() {
  echo "$1:$2: includes $3: $4"
  failures=$((failures + 1))
}

check_include() { # file line include
  local file=$1 line=$2 include=$3
  local area=${file%%/*} folder=${file#*/}
  folder=${folder%%/*}
  local target=${include%%/*}
  case "$target" in
  llvm-c)
    [ "$area/$folder" = compiler/emit ] ||
      complain "$file" "$line" "$include" "only compiler/emit sees llvm-c"
    return ;;
  blo | sys | common) return ;; # runtime's public and shared headers, and the system's
  esac
  local here there
  case "$area" in
  lang)
    here=$(position "$folder" "${lang[@]}") there=$(position "$target" "${lang[@]}")
    if [ "$there" -lt 0 ] || [ "$there" -gt "$here" ]; then
      complain "$file" "$line" "$include" "lang/$folder may include: ${lang[*]:0:here+1}"
    fi ;;
  compiler)
    if [ "$(position "$target" "${lang[@]}")" -ge 0 ]; then
      if [ "$target" = parse ] && [ "$folder" != evaluate ] && [ "$folder" != build ] &&
        [ "$folder" != drive ]; then
        complain "$file" "$line" "$include" "only evaluate, build and drive see trees"
      fi
      return
    fi
    here=$(position "$folder" "${compiler[@]}") there=$(position "$target" "${compiler[@]}")
    if [ "$there" -lt 0 ] || [ "$there" -gt "$here" ]; then
      complain "$file" "$line" "$include" "compiler/$folder may include: ${compiler[*]:0:here+1}"
    fi ;;
  runtime)
    here=$(position "$folder" "${runtime[@]}") there=$(position "$target" "${runtime[@]}")
    if [ "$there" -lt 0 ] || [ "$there" -gt "$here" ]; then
      complain "$file" "$line" "$include" "runtime/$folder may include: ${runtime[*]:0:here+1}"
    fi ;;
  esac
}

while IFS=: read -r file line text; do
  include=$(sed -nE 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*["<]([^">]+)[">].*/\1/p' <<<"$text")
  if [[ "$include" == */* ]]; then check_include "$file" "$line" "$include"; fi
done < <(grep -rnE '^[[:space:]]*#[[:space:]]*include' --include='*.[chly]' --include='*.def' lang compiler runtime)

if [ "$failures" -gt 0 ]; then
  echo "$failures includes against the order"
  exit 1
fi
echo "includes follow the order"
