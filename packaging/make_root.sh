#!/bin/sh
# packaging/make_root.sh BERT ROOT: the file system that `bert serve` needs, and no more: the tool (stripped), the
# module that reads pictures where it is beside it, the libraries that ldd names, and places for a model and
# for nothing else. packaging/Dockerfile makes an image of it, packaging/check_root.sh runs it.
set -eu
[ $# = 2 ] || { echo "usage: packaging/make_root.sh BERT ROOT" >&2; exit 2; }
tool=$1 root=$2
mkdir -p "$root/bin" "$root/lib/bert" "$root/etc" "$root/model" "$root/tmp"
cp "$tool" "$root/bin/bert"
module=$(dirname "$tool")/libbert-image.so
[ ! -f "$module" ] || cp "$module" "$root/lib/bert/"
strip "$root/bin/bert"
for file in "$tool" "$root"/lib/bert/*.so; do
    [ -f "$file" ] || continue
    # "libm.so.6 => /lib/.. (0x..)", or the loader's own path
    ldd "$file" | awk '$2 == "=>" && $3 ~ /^\// {print $3} $1 ~ /^\// {print $1}'
done | sort -u | while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
done
echo 'bert:x:65532:65532:bert:/:/bin/false' >"$root/etc/passwd"
echo "$root: $(du -sb "$root" | awk '{printf "%.1f MB", $1 / 1e6}')"
