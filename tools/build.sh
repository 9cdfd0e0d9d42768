#!/bin/sh
# tools/build.sh PRESET [JOBS [TARGET..]]: configures and builds a preset of CMakePresets.json; prints
# little, and the compiler's messages when it fails.
set -u
preset=$1
jobs=${2:-2}
[ $# -gt 2 ] && shift 2 || set -- all
case $preset in
clang* | fuzz) setup="'tools/setup.sh build checks'" ;;
*) setup="'make setup'" ;;
esac
if ! command -v cmake >/dev/null || ! command -v pkg-config >/dev/null; then
    echo "build: cmake or pkg-config is missing; $setup installs what the build needs" >&2
    exit 1
fi
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
trap 'exit 1' HUP INT TERM
if ! cmake --preset "$preset" >"$log" 2>&1; then
    cat "$log" >&2
    echo "build: cannot configure; $setup installs what the build needs" >&2
    exit 1
fi
if [ -t 1 ]; then
    echo "Building ($preset)"
fi
if ! cmake --build --preset "$preset" -j "$jobs" --target "$@" >"$log" 2>&1; then
    grep -E -A 12 'error|undefined|Error ' "$log" >&2 || cat "$log" >&2
    echo "build: failed ($preset)" >&2
    exit 1
fi
