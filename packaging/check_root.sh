#!/bin/bash
# packaging/check_root.sh BERT MODEL: the tree of packaging/Dockerfile, made here, run as the image would be: in a root
# of its own, on a file system that cannot be written, by a user without rights. It has to be smaller than 20 MB, to
# answer as BERT does, and to end well. Needs root, for chroot and mounts.
set -u
[ $# = 2 ] || { echo "usage: packaging/check_root.sh BERT MODEL" >&2; exit 2; }
[ "$(id -u)" = 0 ] || { echo "check_root: only root may (chroot, mount); skipped"; exit 77; }
here=$(cd "$(dirname "$0")" && pwd)
tool=$(realpath "$1") model=$(realpath "$2")
root=$(mktemp -d) || exit 1
trap 'rm -rf "$root"' EXIT
fail() { echo "check_root: $*"; exit 1; }
"$here/make_root.sh" "$tool" "$root/image" || fail "the tree is not made"
bytes=$(du -sb "$root/image" | cut -f 1)
[ "$bytes" -lt 20000000 ] || fail "it has $bytes bytes"

# In a mount namespace, which ends with its processes: bind mounts that cannot be written.
cat >"$root/inside.sh" <<'INSIDE'
mount --bind "$1/image" "$1/image" && mount --bind "$2" "$1/image/model" &&
    mount -o remount,bind,ro "$1/image" && mount -o remount,bind,ro "$1/image/model" || exit 3
touch "$1/image/tmp/x" 2>/dev/null && exit 4
exec chroot --userspec=65532:65532 "$1/image" /bin/bert serve --host 127.0.0.1 --port 0 /model
INSIDE
BERT_MODULES=/lib/bert HF_HUB_OFFLINE=1 unshare --mount --propagation private \
    bash "$root/inside.sh" "$root" "$model" >"$root/said" 2>"$root/log" &
server=$!
for _ in $(seq 300); do
    grep -q listening "$root/said" && break
    kill -0 $server 2>/dev/null || { cat "$root/log"; fail "it does not start"; }
    sleep 0.1
done
url=$(awk '/listening/ {print $3}' "$root/said")
[ -n "$url" ] || fail "it says nothing: $(cat "$root/log")"
mine=$(curl -s "$url/embed" -H 'Content-Type: application/json' -d '{"inputs": "Hello there"}' | tr -d '[] ')
own=$("$tool" embed "$model" --normalize --json "Hello there" | sed 's/.*"embedding": *\[\([^]]*\)\].*/\1/' | tr -d ' ')
health=$(curl -s -o /dev/null -w '%{http_code}' "$url/health")
user=$(ps -o uid= -p $server | tr -d ' ')
kill -TERM $server
wait $server || fail "it ended with $?: $(cat "$root/log")"
[ "$health" = 200 ] || fail "/health is $health"
[ "$user" = 65532 ] || fail "it ran as user $user"
# the same floats, however many digits each writes
awk -v a="$mine" -v b="$own" 'BEGIN {
    n = split(a, x, ","); m = split(b, y, ",")
    if (n < 2 || n != m) { print "check_root: " n " and " m " numbers"; exit 1 }
    for (i = 1; i <= n; i++) if ((d = x[i] - y[i]) > 1e-7 || d < -1e-7) { print "check_root: " x[i] " and " y[i]; exit 1 }
}' || exit 1
echo "check_root: $bytes bytes, user $user, read-only; answers as $1 does"
