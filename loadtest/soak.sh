#!/usr/bin/env bash
# Honest and hostile traffic at once, for MINUTES (30 unless said otherwise), with the gateway killed at random moments and its
# disk full now and then during the first two thirds; the last third shows whether memory and file descriptors stay flat.
#
#   loadtest/soak.sh [MINUTES] [DIRECTORY]
#
# Needs target/release/hookgate and target/release/loadtest (or $HOOKGATE and $LOADTEST). As root the journal lies on an ext4 of its own, of 512 MiB, which
# is what is filled; otherwise no disk is filled. Half of the honest and some of the hostile come through TLS (openssl makes the certificate). slowhttptest, and
# h2load for HTTP/2, are used if they are installed. Exits 0 only if nothing that was acknowledged was lost, nothing grew, and the gateway saw what was done to it.
set -euo pipefail
cd "$(dirname "$0")/.."
source loadtest/started.sh
PORT=18480 ADMIN=18481 SECURE=18482
are_free $PORT $ADMIN $SECURE 19481 19482 19483 19484
MINUTES=${1:-30}
BASE=$(mktemp -d "${2:-.}/.soak-XXXXXX")
BASE=$(cd "$BASE" && pwd)
HOOKGATE=${HOOKGATE:-target/release/hookgate} LOADTEST=${LOADTEST:-target/release/loadtest}
URL=http://127.0.0.1:$PORT/hooks/github SECURE_URL=https://127.0.0.1:$SECURE/hooks/sealed
END=$(($(date +%s) + MINUTES * 60))
CALM=$((END - MINUTES * 20))
export HOOKGATE_ALLOW_ROOT=1

surprises=$BASE/surprises
: > "$surprises"
surprise() { echo "$(date +%T) $*" | tee -a "$surprises" >&2; }

mkdir "$BASE/disk"
if [ "$(id -u)" = 0 ]; then
  truncate -s 512M "$BASE/image"
  mkfs.ext4 -q "$BASE/image"
  mount -o loop "$BASE/image" "$BASE/disk"
fi
cleanup() {
  trap - EXIT
  end_started ${GATEWAY:-}
  umount "$BASE/disk" 2>/dev/null || true
  rm -rf "$BASE"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

printf 'the-secret-of-honest-senders-0123456789' > "$BASE/secret"
printf 'the-secret-of-those-who-come-through-tls' > "$BASE/sealed"
printf 'what-a-forger-takes-for-the-secret-9876' > "$BASE/forged"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=soak -addext basicConstraints=critical,CA:FALSE \
  -addext subjectAltName=IP:127.0.0.1 -keyout "$BASE/key.pem" -out "$BASE/cert.pem" 2> "$BASE/openssl" || { cat "$BASE/openssl" >&2; exit 2; }
chmod 600 "$BASE/secret" "$BASE/sealed" "$BASE/forged" "$BASE/key.pem"
cat > "$BASE/hookgate.toml" <<TOML
[gateway]
listen = [
  "127.0.0.1:$PORT",
  { address = "127.0.0.1:$SECURE", tls = { cert = "$BASE/cert.pem", key = "$BASE/key.pem" } },
]
admin = "127.0.0.1:$ADMIN"
io_threads = 1
max_connections_per_address = 6000
head_timeout = "5s"
body_timeout = "5s"
[journal]
dir = "$BASE/disk/data"
# Small ones: what is written ahead of events is soon used up when the disk is full.
segment_size = "1MiB"
max_size = "2GiB"
retain = { age = "0s", size = "64MiB" }
[[source]]
name = "github"
preset = "github"
secret = { file = "$BASE/secret" }
[[source]]
name = "sealed"
preset = "github"
secret = { file = "$BASE/sealed" }
TOML
add_route() { printf '[[route]]\nname = "%s"\nfrom = { source = "%s" }\nto = { http = "http://127.0.0.1:%s/" }\n' "$@" >> "$BASE/hookgate.toml"; }
add_route one github 19481
add_route two github 19482
add_route three sealed 19483
add_route four sealed 19484
$HOOKGATE check --config "$BASE/hookgate.toml" > /dev/null

start() {
  $HOOKGATE run --config "$BASE/hookgate.toml" >> "$BASE/log" 2>&1 &
  GATEWAY=$!
  { until_open $PORT $GATEWAY && until_open $SECURE $GATEWAY; } || { surprise "it does not start: $(tail -n 3 "$BASE/log")"; exit 1; }
}
start

# The honest, whose every acknowledged event must arrive at both processors. Becomes the process, which is what a signal is to reach.
honest() {
  exec $LOADTEST verify --rate 200 --connections 16 --corpus medium --duration "$((MINUTES * 60))s" --settle 90s --json "$@"
}
honest --url "$URL" --secret-file "$BASE/secret" --processor 127.0.0.1:19481 --processor 127.0.0.1:19482 > "$BASE/verified" &
HONEST=$!
honest --url "$SECURE_URL" --ca "$BASE/cert.pem" --secret-file "$BASE/sealed" --processor 127.0.0.1:19483 --processor 127.0.0.1:19484 > "$BASE/verified-tls" &
HONEST_TLS=$!

hostile() {
  local names=(-H -B -X) targets=("$URL" "$SECURE_URL") at=0 port
  while [ "$(date +%s)" -lt "$END" ]; do
    # Wrong signatures.
    timeout 20 $LOADTEST run "$URL" --preset github --secret-file "$BASE/forged" --corpus small --rate 200 --connections 16 \
      --warmup 0s --duration 5s > /dev/null 2>&1 || true
    # The same through TLS on new connections, most of which resume a session; and over HTTP/2, as many at once as a connection will take.
    timeout 20 $LOADTEST run "$SECURE_URL" --ca "$BASE/cert.pem" --fresh --preset github --secret-file "$BASE/forged" --corpus small --rate 100 \
      --connections 16 --warmup 0s --duration 5s > /dev/null 2>&1 || true
    if command -v h2load > /dev/null; then
      timeout 20 h2load -n 5000 -c 20 -m 1000 -d "$BASE/cert.pem" -H "x-hub-signature-256: sha256=$(printf '%064d' $RANDOM)" \
        -H "x-github-event: push" "$SECURE_URL" >> "$BASE/h2load" 2>&1 || true
    fi
    # What is no HTTP, and what is no TLS; and handshakes that never go on, until the gateway closes them.
    for _ in $(seq 20); do
      for port in $PORT $SECURE; do
        (timeout 2 head -c $((RANDOM % 9000)) /dev/urandom > /dev/tcp/127.0.0.1/$port) 2>/dev/null || true
      done
      (exec 3<> /dev/tcp/127.0.0.1/$SECURE && printf '\x16\x03\x01\x02\x00\x01' >&3 && cat <&3 > /dev/null) 2>/dev/null &
    done
    # Slow heads, slow bodies, slow readers, in turn.
    if command -v slowhttptest > /dev/null; then
      timeout 40 slowhttptest "${names[$((at % 3))]}" -c 1000 -r 500 -i 2 -l 15 -u "${targets[$((at % 2))]}" > /dev/null 2>&1 || true
      at=$((at + 1))
    fi
    sleep 1
  done
}
hostile &

kills=0 fills=0
{
  echo "seconds,resident_kib,descriptors"
  began=$(date +%s)
  next=$((began + 20 + RANDOM % 40))
  while now=$(date +%s); [ "$now" -lt "$END" ]; do
    if ! kill -0 "$GATEWAY" 2>/dev/null; then
      surprise "it ended by itself: $(tail -n 3 "$BASE/log")"
      start
    fi
    if [ "$now" -ge "$next" ] && [ "$now" -lt "$CALM" ]; then
      if [ $((RANDOM % 4)) = 0 ] && mountpoint -q "$BASE/disk"; then
        dd if=/dev/zero of="$BASE/disk/filling" bs=1M 2>/dev/null || true
        sleep 8
        rm -f "$BASE/disk/filling"
        fills=$((fills + 1))
      else
        kill -KILL "$GATEWAY"
        wait "$GATEWAY" 2>/dev/null || true
        start
        kills=$((kills + 1))
      fi
      next=$((now + 20 + RANDOM % 40))
    fi
    echo "$((now - began)),$(awk '/VmRSS/ { print $2 }' "/proc/$GATEWAY/status"),$(ls "/proc/$GATEWAY/fd" | wc -l)"
    sleep 5
  done
  echo "$kills $fills" > "$BASE/counts"
} > "$BASE/samples"

# judge NAME FILE CODE: what verify found.
judge() {
  local of=$1 file=$2 code=$3 sent acknowledged
  read -r sent acknowledged < <(sed -n 's/.*"sent":\([0-9]*\),"acknowledged":\([0-9]*\),.*/\1 \2/p' "$file") || true
  if [ -z "${acknowledged:-}" ]; then
    surprise "verify $of came to no result: exit code $code"
  elif [ "$code" != 0 ]; then
    surprise "of what was acknowledged $of something was lost, or nothing was: exit code $code"
  elif [ $((acknowledged * 10)) -lt $((sent * 7)) ]; then
    surprise "only $acknowledged of $sent were acknowledged $of"
  fi
}
code=0
wait "$HONEST" || code=$?
judge "in the clear" "$BASE/verified" $code
code=0
wait "$HONEST_TLS" || code=$?
judge "through TLS" "$BASE/verified-tls" $code

# Since the last kill the gateway has seen each of the hostile, and full disks were full to it.
curl -sS "http://127.0.0.1:$ADMIN/metrics" > "$BASE/metrics" || surprise "it gives no metrics"
seen() {
  local name=$1
  shift
  awk -v name="$name" 'index($0, name) == 1 { sum += $NF } END { exit sum == 0 }' "$BASE/metrics" || surprise "nothing was counted as $name: $*"
}
seen hookgate_tls_handshakes_failed_total "what is no handshake did not come to it"
for source in github sealed; do
  grep "^hookgate_requests_refused_total" "$BASE/metrics" | grep "source=\"$source\"" | grep -q 'reason="wrong_signature"' || surprise "no wrong signature came to $source"
done
if command -v slowhttptest > /dev/null; then seen hookgate_head_timeouts_total "no slow head came to it"; fi
if command -v h2load > /dev/null && ! grep -q '[1-9][0-9]* 4xx' "$BASE/h2load"; then surprise "nothing was refused over HTTP/2: $(tail -n 3 "$BASE/h2load")"; fi
read -r kills fills < "$BASE/counts"
if [ "$fills" -gt 0 ] && ! grep -q 'the journal takes no events' "$BASE/log"; then surprise "it never noticed that the disk was full"; fi
cat "$BASE/verified" "$BASE/verified-tls"
echo "$kills kills, $fills full disks in $MINUTES minutes"

# Of the last third: the first and the last half of it, medians.
median() { sort -n | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }
calm=$(tail -n +2 "$BASE/samples" | awk -F, -v from=$((MINUTES * 40)) '$1 >= from')
half=$(($(wc -l <<< "$calm") / 2))
for column in 2 3; do
  first=$(head -n "$half" <<< "$calm" | cut -d, -f$column | median)
  last=$(tail -n "$half" <<< "$calm" | cut -d, -f$column | median)
  [ $column = 2 ] && what="resident KiB" || what="descriptors"
  echo "$what in the last third: $first, then $last"
  # Attackers come and go: descriptors are compared where there are fewest.
  if [ $column = 2 ] && [ "$last" -gt $((first * 5 / 4 + 4096)) ]; then surprise "memory grew: $first to $last KiB"; fi
done
fewest() { cut -d, -f3 | sort -n | head -n 1; }
first=$(head -n "$half" <<< "$calm" | fewest) last=$(tail -n "$half" <<< "$calm" | fewest)
if [ "$last" -gt $((first + 64)) ]; then surprise "descriptors grew: $first to $last at the least"; fi
grep -E 'ERROR|panicked' "$BASE/log" | grep -v 'the journal takes no events' >> "$surprises" || true

# A stop ends it in order.
kill -TERM "$GATEWAY"
wait "$GATEWAY" || surprise "it did not stop in order: exit code $?"
GATEWAY=
if [ -s "$surprises" ]; then
  echo "surprises:"
  cat "$surprises"
  exit 1
fi
echo "no surprises"
