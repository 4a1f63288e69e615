#!/usr/bin/env bash
# Feeds targets with libFuzzer, one after the other, and prints for each what it took: CPU seconds, executions, and whether anything was found.
#
#   fuzz/run.sh SECONDS [TARGET …]
#
# SECONDS are of CPU, for each target; all targets if none is named. Corpora that grow are kept in $CORPUS (grown, in this folder, unless said otherwise), so that a later
# run goes on where this one ended. Needs a compiler of the night and `cargo install cargo-fuzz`. With the lowest priority; Ctrl-C ends it.
# Exits 0 only if nothing was found.
set -euo pipefail
cd "$(dirname "$0")"
[[ ${1:-} =~ ^[0-9]+$ ]] || { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' run.sh >&2; exit 2; }
WANTED=$1
shift
TARGETS=("$@")
[ ${#TARGETS[@]} -gt 0 ] || mapfile -t TARGETS < <(cd fuzz_targets && ls | sed 's/\.rs$//')
CORPUS=${CORPUS:-grown}
BUILT=${BUILT:-target}
# With debug assertions and overflow checks; without sanitizers, which would take several times as long over code that is safe nearly everywhere.
cargo +nightly fuzz build -O -a -s none --target-dir "$BUILT"
renice -n 19 $$ > /dev/null
TIMEFORMAT='%U %S'
found=0
for target in "${TARGETS[@]}"; do
  mkdir -p "$CORPUS/$target" artifacts
  seeds=(corpus/"$target")
  [ "$target" = json ] && seeds+=(../tests/fixtures/json_test_suite)
  spent=0 executions=0
  # A target waits where the machine is busy, and libFuzzer counts the time by the clock.
  while [ "$spent" -lt "$WANTED" ]; do
    log=$(mktemp)
    took=$({ time "$BUILT"/*/release/"$target" "$CORPUS/$target" "${seeds[@]}" -max_total_time=$((WANTED - spent)) -timeout=300 \
      -artifact_prefix="artifacts/$target-" -print_final_stats=1 > "$log" 2>&1 || touch "$log.found"; } 2>&1)
    spent=$(awk -v spent="$spent" '{ printf "%d", spent + $1 + $2 + 0.5 }' <<< "$took")
    executions=$((executions + $(awk '/number_of_executed_units/ { print $2 }' "$log" | grep . || echo 0)))
    if [ -e "$log.found" ]; then
      found=1
      tail -n 25 "$log" >&2
      break
    fi
    rm -f "$log"
  done
  echo "$target: $spent CPU seconds, $executions executions, $([ -e "$log.found" ] && echo "FOUND something: $log, fuzz/artifacts" || echo "nothing found")"
done
exit $found
