#!/bin/bash
# What runs as init in the virtual machine of run.sh. Variables named POWER_LOSS_… come with the
# kernel's command line; the console is a file of the host. Round "last" delivers what is there to the host and ends.
set -u
say() { printf '%s\n' "$*" >/dev/console; }

# One client: an event after the other on one connection, and the id of each success to the host at once.
client() {
  local id body status length line
  exec 3<>/dev/tcp/127.0.0.1/8080 || return
  for ((event = 0; ; event++)); do
    id="$POWER_LOSS_ROUND-$1-$event"
    printf -v body '%s %0*d' "$id" $((RANDOM % 3000 + 1)) 0
    printf 'POST /hooks/s HTTP/1.1\r\nhost: localhost\r\nx-id: %s\r\ncontent-length: %d\r\n\r\n%s' \
      "$id" "${#body}" "$body" >&3
    read -r -u 3 _ status _ || return
    length=0
    while read -r -u 3 line && [ "$line" != $'\r' ]; do
      case "${line,,}" in content-length:*) length=${line//[!0-9]/} ;; esac
    done
    [ "$length" = 0 ] || read -r -N "$length" -u 3 _
    [ "$status" = 202 ] && say "ack $id"
  done
}

lag() {
  exec 4<>/dev/tcp/127.0.0.1/9090 && printf 'GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n' >&4 &&
    sed -n 's/^hookgate_route_lag{.*} \([0-9]*\).*/\1/p' <&4
}

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
ip link set lo up 2>/dev/null || ifconfig lo 127.0.0.1 up
mkdir /run/data
mount -t ext4 /dev/ubda /run/data || say "failed: no file system"

to='{ http = "http://127.0.0.1:9/" }'
[ "$POWER_LOSS_ROUND" = last ] && to='"stdout"'
cat >/run/hookgate.toml <<END
[gateway]
listen = "127.0.0.1:8080"
admin = "127.0.0.1:9090"
[journal]
dir = "/run/data/hookgate"
segment_size = "1MiB"
[[source]]
name = "s"
auth = "none"
delivery_id = { header = "X-Id" }
[[route]]
name = "r"
from = { source = "s" }
to = $to
breaker = { probe_every = "1s" }
END
LD_PRELOAD=${POWER_LOSS_PRELOAD:-} "$POWER_LOSS_BINARY" run --allow-root --config /run/hookgate.toml >"$POWER_LOSS_DIR/delivered.$POWER_LOSS_ROUND" 2>/run/log &
gateway=$!
until grep -q 'listening on' /run/log; do
  kill -0 $gateway 2>/dev/null || { say "failed: $(cat /run/log)"; sleep 1000; }
done
if [ "$POWER_LOSS_ROUND" = last ]; then
  until [ "$(lag)" = 0 ]; do sleep 0.2; done
  sync
  say "end"
else
  for number in 1 2 3 4; do client $number & done
fi
sleep 1000
