#!/bin/bash
# Cuts the power of a machine again and again while hookgate takes events, and counts what was acknowledged and is gone.
#
#   tests/power-loss/run.sh [CUTS] [BINARY]        20 cuts, target/release/hookgate
#
# The machine is user-mode Linux (Debian: user-mode-linux, e2fsprogs) with an ext4 of its own in a file. Killing it takes its
# page cache with it: what was not synced is gone. The ids that clients were told are safe stand on this side.
#
# That it finds what it should shows with syncs that do nothing (Debian: libeatmydata1); it must fail:
#
#   POWER_LOSS_PRELOAD=/usr/lib/x86_64-linux-gnu/libeatmydata.so tests/power-loss/run.sh 3
set -euo pipefail
cuts=${1:-20}
here=$(cd "$(dirname "$0")" && pwd)
binary=$(realpath "${2:-$here/../../target/release/hookgate}")

if ! command -v linux.uml >/dev/null && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
  { apt-get update -qq && apt-get install -y -qq user-mode-linux e2fsprogs; } >/dev/null
fi
command -v linux.uml >/dev/null || { echo "user-mode-linux is not installed"; exit 2; }

dir=$(mktemp -d)
machine=
cut_power() {
  [ -n "$machine" ] || return 0
  while kill -9 -- "-$machine" 2>/dev/null; do sleep 0.05; done
  machine=
}
trap 'cut_power; rm -rf "$dir"' EXIT
truncate -s 2G "$dir/disk"
mkfs.ext4 -qF "$dir/disk"

# boot ROUND: starts the machine in a process group of its own.
boot() {
  cp "$here/inside.sh" "$dir/init"
  : >"$dir/console.$1"
  HOME=$dir TMPDIR=/dev/shm setsid linux.uml mem=256M quiet root=/dev/root rootfstype=hostfs rootflags=/ rw \
    ubda="$dir/disk" init="$dir/init" con=null con0=fd:0,fd:1 \
    POWER_LOSS_DIR="$dir" POWER_LOSS_BINARY="$binary" POWER_LOSS_ROUND="$1" \
    POWER_LOSS_PRELOAD="${POWER_LOSS_PRELOAD:-}" </dev/null >>"$dir/console.$1" 2>&1 &
  machine=$!
  disown
}

# until_it_says ROUND PATTERN COUNT: waits for so many such lines.
until_it_says() {
  until [ "$(grep -ac "$2" "$dir/console.$1")" -ge "$3" ]; do
    if grep -a '^failed' "$dir/console.$1" || ! kill -0 "$machine" 2>/dev/null; then
      tail -n 20 "$dir/console.$1"
      echo "round $1: the machine did not come up with its journal"
      exit 1
    fi
    sleep 0.05
  done
}

for ((round = 1; round <= cuts; round++)); do
  boot "$round"
  until_it_says "$round" '^ack' $((RANDOM % 400 + 50))
  cut_power
done
boot last
until_it_says last '^end' 1
cut_power

cat "$dir"/console.* | tr -d '\r' | sed -n 's/^ack //p' | sort -u >"$dir/acknowledged"
# A body is its id and zeros: one that is not, is not what was sent.
grep -ao '"body_text":"[^ "]* 0*"' "$dir/delivered.last" | sed 's/^"body_text":"\([^ ]*\) .*/\1/' | sort -u >"$dir/recovered"
events=$(wc -l <"$dir/delivered.last")
acknowledged=$(wc -l <"$dir/acknowledged")
lost=$(comm -23 "$dir/acknowledged" "$dir/recovered" | tee "$dir/lost" | wc -l)
echo "$cuts power cuts: $acknowledged acknowledged, $events events in the journal, $lost lost"
[ "$events" = "$(wc -l <"$dir/recovered")" ] || echo "some events are there twice, or not as they were sent"
[ "$acknowledged" -gt 0 ] && [ "$lost" = 0 ]
