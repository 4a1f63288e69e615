#!/usr/bin/env bash
# Slow heads, slow bodies, slow readers of what the system's buffers hold, and clients that read nothing of what they do not, with CONNECTIONS connections
# (4,000 unless said otherwise) from one address, and a sender of signed events from another beside them: first with the limits that hold unless others
# are written, then with limits per address that let all of them in.
#
#   loadtest/slow.sh [CONNECTIONS] [DIRECTORY] [heads|bodies|readers|unread …]
#
# Needs slowhttptest, ss and curl, an IPv6 loopback address, and target/release/hookgate and target/release/loadtest (or $HOOKGATE and $LOADTEST).
# Exits 0 only if the gateway itself closed every connection of the attackers and refused no event of the honest sender.
set -euo pipefail
cd "$(dirname "$0")/.."
source loadtest/started.sh
PORT=18580 ADMIN=18581
are_free $PORT $ADMIN
CONNECTIONS=${1:-4000}
BASE=$(mktemp -d "${2:-.}/.slow-XXXXXX")
ATTACKS=" ${*:3} "
BASE=$(cd "$BASE" && pwd)
HOOKGATE=${HOOKGATE:-target/release/hookgate} LOADTEST=${LOADTEST:-target/release/loadtest}
export HOOKGATE_ALLOW_ROOT=1
ulimit -n "$(ulimit -Hn)"

cleanup() {
  trap - EXIT
  end_started
  rm -rf "$BASE"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

printf 'the-secret-of-honest-senders-0123456789' > "$BASE/secret"
chmod 600 "$BASE/secret"

# The attackers come from 127.0.0.1, the honest sender from ::1. Only sources without a proof read the attackers' bodies at all. What "large" answers fills a
# socket's buffers after some requests.
ANSWER=$(printf 'a%.0s' $(seq 4096))
configure() {
  cat > "$BASE/hookgate.toml" <<TOML
[gateway]
listen = ["127.0.0.1:$PORT", "[::1]:$PORT"]
admin = "127.0.0.1:$ADMIN"
$1
[journal]
dir = "$BASE/data"
[[source]]
name = "github"
preset = "github"
secret = { file = "$BASE/secret" }
[[source]]
name = "open"
auth = "none"
[[source]]
name = "large"
auth = "none"
ack = "memory"
reply = { content_type = "text/plain", body = "$ANSWER" }
[[route]]
name = "all"
from = { source = "*" }
to = "discard"
TOML
}

start() {
  $HOOKGATE run --config "$BASE/hookgate.toml" >> "$BASE/log" 2>&1 &
  GATEWAY=$!
  until_open $PORT $GATEWAY || { tail -n 3 "$BASE/log" >&2; exit 1; }
}
stop() {
  kill -TERM "$GATEWAY"
  wait "$GATEWAY"
}

metrics() { curl -sf "http://127.0.0.1:$ADMIN/metrics"; }
# The sum of a metric's samples in a file.
of() { awk -v name="$2" 'index($0, name) == 1 { sum += $NF } END { print sum + 0 }' "$1"; }
more() { echo $(($(of "$BASE/after" "$1") - $(of "$BASE/before" "$1"))); }
resident() { awk '/VmRSS/ { print $2 }' "/proc/$GATEWAY/status"; }
# What the attackers still have open, seen from the gateway.
standing() { ss -Htn state established "( sport = :$PORT )" dst 127.0.0.1 | wc -l; }
field() { sed -E "s/.*\"$1\":(\{[^}]*\}|[^,}]*).*/\1/" "$BASE/honest"; }
wrong=0
complain() { echo "    WRONG: $*"; wrong=1; }

# attack NAME SECONDS COMMAND…: without a command nobody attacks.
attack() {
  local name=$1 seconds=$2 began peak=0 most=0 now last=0 before
  shift 2
  metrics > "$BASE/before"
  before=$(resident)
  $LOADTEST run "http://[::1]:$PORT/hooks/github" --preset github --secret-file "$BASE/secret" --corpus small --rate 400 --connections 32 \
    --warmup 1s --duration "${seconds}s" --json > "$BASE/honest" 2> "$BASE/honest.errors" &
  local honest=$!
  sleep 2
  began=$(date +%s)
  if [ $# -gt 0 ]; then
    # It ends before its time if the gateway has closed all.
    "$@" > "$BASE/attack" 2>&1 &
    local attacker=$!
    while kill -0 "$attacker" 2>/dev/null && [ $(($(date +%s) - began)) -lt $((seconds + 60)) ]; do
      now=$(standing)
      [ "$now" -gt "$most" ] && most=$now
      now=$(resident)
      [ "$now" -gt "$peak" ] && peak=$now
      last=$(($(date +%s) - began))
      sleep 0.5
    done
    wait "$attacker" || true
  fi
  wait "$honest" || true
  metrics > "$BASE/after"
  now=$(resident)
  echo "$name"
  echo "    honest: sent $(field sent), accepted $(field accepted), refused $(field refused), failed $(field failed), latency $(field latency_accepted_us)"
  [ "$(field accepted)" = "$(field sent)" ] || complain "honest events were not accepted: $(cat "$BASE/honest.errors")"
  if [ $# -gt 0 ]; then
    echo "    attack: $most connections stood at once, all gone after $last s: $(tr -d '\r' < "$BASE/attack" | sed 's/\x1b\[[0-9;]*[mHJ]//g' | grep -aE 'Exit status|opened:' || tail -n 1 "$BASE/attack")"
    echo "    gateway: accepted $(more hookgate_connections_total) connections; refused $(more hookgate_connections_refused_total);" \
      "closed for their head $(more hookgate_head_timeouts_total), idle $(more hookgate_idle_timeouts_total), not taking answers $(more hookgate_write_timeouts_total);" \
      "their events: $(more 'hookgate_events_accepted_total{source="large"')"
    sed -nE 's/^hookgate_requests_refused_total.*source="([^"]*)",reason="([^"]*)"\} (.*)/    refused until now: \1 \2 \3/p' "$BASE/after"
    echo "    resident: before $before KiB, at most $peak, after $now; budget of bodies in use: $(of "$BASE/after" "hookgate_memory_budget_used_bytes")"
    # A slow reader has not read yet that it was closed: what the gateway counts is what counts.
    local ended=$(($(more hookgate_head_timeouts_total) + $(more hookgate_idle_timeouts_total) + $(more hookgate_write_timeouts_total) +
      $(more 'hookgate_requests_refused_total{source="open",reason="body_timeout"}')))
    [ $((ended + $(more hookgate_connections_refused_total))) -ge "$CONNECTIONS" ] || complain "limits have ended $ended connections only"
    [ "$(standing)" = 0 ] || complain "$(standing) connections still stand"
    [ "$(of "$BASE/after" hookgate_connections_open)" = 0 ] || complain "$(of "$BASE/after" hookgate_connections_open) are open by the gateway's count"
    grep -aq 'hookgate_requests_refused_total{source="github"' "$BASE/after" && complain "a request of the honest source was refused"
  else
    echo "    resident: before $before KiB, after $now"
  fi
  return 0
}

is_wanted() { [[ "$ATTACKS" == "  " || "$ATTACKS" == *" $1 "* ]]; }

for limits in "" "max_connections_per_address = $((CONNECTIONS * 2))
max_requests_per_address = $((CONNECTIONS * 2))"; do
  configure "$limits"
  start
  if [ -z "$limits" ]; then echo "== the limits that hold unless others are written"; else echo "== limits per address of $((CONNECTIONS * 2))"; fi
  attack "nobody" 20
  many=(-c "$CONNECTIONS" -r 1000 -u "http://127.0.0.1:$PORT/hooks/open")
  if is_wanted heads; then attack "slow heads (head_timeout: 10 s)" 25 slowhttptest -H -i 5 -l 85 "${many[@]}"; fi
  if is_wanted bodies; then attack "slow bodies (body_timeout: 30 s)" 45 slowhttptest -B -i 5 -l 105 "${many[@]}"; fi
  if is_wanted readers; then
    attack "slow readers of ten answers (idle_timeout: 75 s)" 95 slowhttptest -X -k 10 -w 1 -y 512 -n 1 -z 5 -l 155 "${many[@]}"
  fi
  if is_wanted unread; then
    attack "readers of nothing that the buffers do not hold (closed after 10 s)" 35 \
      "$LOADTEST" slow-read "http://127.0.0.1:$PORT/hooks/large" --connections "$CONNECTIONS" --rate 1000 --for 95s
  fi
  attack "nobody" 20
  stop
done
exit $wrong
