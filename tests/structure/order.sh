# The order of the folders of each area, for the checks beside it.
lang=(base text parse check format doc)
compiler=(ir diff evaluate build levels opt loop plan emit drive)
runtime=(common core data report)

position() { # name list...
  local name=$1 index=0
  shift
  for entry in "$@"; do
    [ "$entry" = "$name" ] && { echo "$index"; return; }
    index=$((index + 1))
  done
  echo -1
}
