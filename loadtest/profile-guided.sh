#!/usr/bin/env bash
# Builds a gateway whose code the compiler has laid out by what a load ran in it: what an event goes through lies together, what it does not lies elsewhere.
#
#   loadtest/profile-guided.sh [OUTPUT]
#
# OUTPUT is the executable, target/profiled/hookgate unless said otherwise. It builds the gateway twice, which takes two cores ten minutes and more, and sends it
# signed events of three sizes for half a minute between. Needs llvm-profdata of the compiler's own version (`rustup component add llvm-tools`, or
# $LLVM_PROFDATA) and target/release/loadtest (or $LOADTEST).
set -euo pipefail
cd "$(dirname "$0")/.."
source loadtest/started.sh
OUTPUT=${1:-target/profiled/hookgate}
LOADTEST=${LOADTEST:-target/release/loadtest}
PORT=18680 PROCESSOR=18682
export HOOKGATE_ALLOW_ROOT=1

HOST=$(rustc -vV | sed -n 's/^host: //p')
LLVM_PROFDATA=${LLVM_PROFDATA:-$(rustc --print sysroot)/lib/rustlib/$HOST/bin/llvm-profdata}
if [ ! -x "$LLVM_PROFDATA" ]; then
  echo "there is no llvm-profdata at $LLVM_PROFDATA: rustup component add llvm-tools" >&2
  exit 2
fi
if [ ! -x "$LOADTEST" ]; then
  echo "there is no $LOADTEST: cargo build --release -p loadtest" >&2
  exit 2
fi

mkdir -p target/profiled "$(dirname "$OUTPUT")"
BASE=$(mktemp -d "$PWD/target/profiled/.training-XXXXXX")
cleanup() {
  trap - EXIT
  end_started
  rm -rf "$BASE"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# For one target by name: what runs while others are compiled is not instrumented then.
build() {
  RUSTFLAGS="${RUSTFLAGS:-} $1" cargo build --release -p hookgate --bin hookgate --target "$HOST" --target-dir "target/profiled/$2"
}

echo "1/3: a gateway that counts what it runs" >&2
build -Cprofile-generate counting

printf 'the-secret-of-honest-senders-0123456789' > "$BASE/secret"
chmod 600 "$BASE/secret"
cat > "$BASE/hookgate.toml" <<TOML
[gateway]
listen = "127.0.0.1:$PORT"
[journal]
dir = "$BASE/data"
[[source]]
name = "memory"
preset = "github"
secret = { file = "$BASE/secret" }
ack = "memory"
[[source]]
name = "durable"
preset = "github"
secret = { file = "$BASE/secret" }
[[route]]
name = "discarded"
from = { source = "memory" }
to = "discard"
[[route]]
name = "delivered"
from = { source = "durable" }
to = { http = "http://127.0.0.1:$PROCESSOR/" }
TOML

echo "2/3: events for it to count" >&2
$LOADTEST processor --listen "127.0.0.1:$PROCESSOR" > "$BASE/log" 2>&1 &
until_open $PROCESSOR $! || { cat "$BASE/log" >&2; exit 1; }
LLVM_PROFILE_FILE="$BASE/counts/%m.profraw" "target/profiled/counting/$HOST/release/hookgate" run --config "$BASE/hookgate.toml" >> "$BASE/log" 2>&1 &
GATEWAY=$!
until_open $PORT $GATEWAY || { cat "$BASE/log" >&2; exit 1; }
for source in memory durable; do
  for size in small medium large; do
    echo "     $source, $size" >&2
    $LOADTEST run "http://127.0.0.1:$PORT/hooks/$source" --preset github --secret-file "$BASE/secret" --corpus "$size" --rate max --connections 64 \
      --warmup 1s --duration 4s > "$BASE/load" || { cat "$BASE/load" "$BASE/log" >&2; exit 1; }
  done
done
# It writes its counts when it ends.
kill -TERM "$GATEWAY"
wait "$GATEWAY"

echo "3/3: the gateway, laid out by these counts" >&2
"$LLVM_PROFDATA" merge -o "$BASE/counts/merged.profdata" "$BASE/counts"
build "-Cprofile-use=$BASE/counts/merged.profdata" laid-out
cp "target/profiled/laid-out/$HOST/release/hookgate" "$OUTPUT"
echo "$OUTPUT"
