#!/usr/bin/env bash
# Relative links of every page lead to files that are there, and their #anchors to headings of a page.
#
# usage: links.sh SOURCE_DIR
set -euo pipefail
cd "$1"
# Code is left out: blocks between fences, and what stands between backticks.
links() { awk '/^ *```/ { code = !code; next } !code { gsub(/`[^`]*`/, ""); print }' "$1" | grep -oE '\]\([^) ]+\)' | sed -E 's/^..(.*).$/\1/' || true; }
headings() { sed -nE 's/^#+ +//p' "$1" | tr 'A-Z ' 'a-z-' | sed 's/[^a-z0-9_-]//g'; }

pages=0 seen=0 dead=0
while read -r page; do
  pages=$((pages + 1))
  while read -r link; do
    case $link in http* | mailto:*) continue ;; esac
    seen=$((seen + 1))
    path=${link%%#*} anchor=""
    [[ $link == *#* ]] && anchor=${link#*#}
    target=$page
    [ -z "$path" ] || target=$(dirname "$page")/$path
    if [ ! -e "$target" ]; then
      dead=$((dead + 1))
      echo "$page: nothing at $link"
    elif [ -n "$anchor" ] && [ "${target%.md}" != "$target" ] && ! headings "$target" | grep -qxF -- "$anchor"; then
      dead=$((dead + 1))
      echo "$page: no heading for $link"
    fi
  done < <(links "$page")
done < <(find README.md docs examples tests -name '*.md')
echo "$pages pages, $seen links, $dead dead"
[ "$pages" -gt 30 ] && [ "$seen" -gt 50 ] && [ "$dead" -eq 0 ]
