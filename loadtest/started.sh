# What the scripts of this folder start: waited for, and ended. They source it.

is_open() { (exec 3<> "/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# are_free PORT…: ends the script where something listens at one of them already, which would be taken for what it starts.
are_free() {
  local port
  for port in "$@"; do
    if is_open "$port"; then
      echo "something listens at 127.0.0.1:$port already: end it first" >&2
      exit 2
    fi
  done
}

# until_open PORT PID: waits until the process listens at the port. Fails if it ends before, or takes longer than half a minute.
until_open() {
  for _ in $(seq 600); do
    if is_open "$1"; then return; fi
    kill -0 "$2" 2>/dev/null || return 1
    sleep 0.05
  done
  return 1
}

# end_started [PID …]: ends what this script has started, and these, with their children, and no others.
end_started() {
  local pid
  for pid in $(jobs -p) "$@"; do
    pkill -P "$pid" 2>/dev/null || true
    kill "$pid" 2>/dev/null || true
  done
  wait || true
}
