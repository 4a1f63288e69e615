#!/usr/bin/env bash
# Builds a gateway whose code the compiler has laid out by what a load ran in it: what an event goes through lies together, what it does not lies elsewhere.
#
#   loadtest/profile-guided.sh [OUTPUT]
#
# OUTPUT is the executable, target/profiled/hookgate unless said otherwise. It builds the gateway twice, which takes two cores ten minutes and more, and sends it
# signed events of three sizes for half a minute between. Needs llvm-profdata of the compiler's own version (`rustup component add llvm-tools`, or
# $LLVM_PROFDATA) and target/release/loadtest (or $LOADTEST). Flags for the compiler come from RUSTFLAGS; those of a cargo configuration do not count here.
set -euo pipefail
OUTPUT=$(realpath -m "${1:-$(dirname "$0")/../target/profiled/hookgate}")
LOADTEST=$(realpath -m "${LOADTEST:-$(dirname "$0")/../target/release/loadtest}")
cd "$(dirname "$0")/.."
source loadtest/started.sh
PORT=18680 PROCESSOR=18682
are_free $PORT $PROCESSOR
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

if [[ $PWD = *" "* ]]; then
  echo "the compiler's flags cannot name a path with spaces: $PWD" >&2
  exit 2
fi
# It would count instead of RUSTFLAGS.
unset CARGO_ENCODED_RUSTFLAGS

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
  RUSTFLAGS="${RUSTFLAGS:-} $1" cargo build --release --locked -p hookgate --bin hookgate --target "$HOST" --target-dir "target/profiled/$2"
}

echo "1/3: a gateway that counts what it runs" >&2
build -Cprofile-generate counting

printf 'the-secret-of-honest-senders-0123456789' > "$BASE/secret"
chmod 600 "$BASE/secret"
cat > "$BASE/hookgate.toml" <<TOML
[gateway]
listen = "127.0.0.1:$PORT"
io_threads = 1
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

failed() {
  cat "$BASE/load" "$BASE/log" >&2
  exit 1
}

echo "2/3: events for it to count" >&2
: > "$BASE/load"
"$LOADTEST" processor --listen "127.0.0.1:$PROCESSOR" > "$BASE/log" 2>&1 &
until_open $PROCESSOR $! || failed
LLVM_PROFILE_FILE="$BASE/counts/%m.profraw" "target/profiled/counting/$HOST/release/hookgate" run --config "$BASE/hookgate.toml" >> "$BASE/log" 2>&1 &
GATEWAY=$!
until_open $PORT $GATEWAY || failed
for source in memory durable; do
  for size in small medium large; do
    echo "     $source, $size" >&2
    # Exit code 4 says that the sender had no more to give, which is nothing to learn from here.
    "$LOADTEST" run "http://127.0.0.1:$PORT/hooks/$source" --preset github --secret-file "$BASE/secret" --corpus "$size" --rate max --connections 64 \
      --warmup 1s --duration 4s --json > "$BASE/load" 2>> "$BASE/log" || [ $? = 4 ] || failed
    grep -q '"accepted":[1-9]' "$BASE/load" && grep -q '"refused":0[,}]' "$BASE/load" && grep -q '"failed":0[,}]' "$BASE/load" || failed
  done
done
# It writes its counts when it ends.
kill -TERM "$GATEWAY"
wait "$GATEWAY" || failed

echo "3/3: the gateway, laid out by these counts" >&2
"$LLVM_PROFDATA" merge -o "$BASE/counts/merged.profdata" "$BASE/counts"
# Cargo does not see that counts have changed, so they have another name each time, and what was built with earlier ones is of no use.
rm -rf target/profiled/laid-out
build "-Cprofile-use=$BASE/counts/merged.profdata" laid-out
install -m 755 "target/profiled/laid-out/$HOST/release/hookgate" "$OUTPUT"
echo "$OUTPUT"
