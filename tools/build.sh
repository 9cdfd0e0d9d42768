#!/bin/sh
# tools/build.sh PRESET [JOBS]: configures and builds a preset of CMakePresets.json; what it prints
# is short, and the compiler's messages when it fails.
set -u
preset=$1
jobs=${2:-2}
if ! command -v cmake >/dev/null || ! command -v pkg-config >/dev/null; then
    echo "build: cmake or pkg-config is missing; 'make setup' installs what the build needs" >&2
    exit 1
fi
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
if ! cmake --preset "$preset" >"$log" 2>&1; then
    cat "$log" >&2
    echo "build: cannot configure; 'make setup' installs what the build needs" >&2
    exit 1
fi
if [ -t 1 ]; then
    echo "Building ($preset)"
fi
if ! cmake --build --preset "$preset" -j "$jobs" >"$log" 2>&1; then
    grep -E -A 12 'error|undefined|Error ' "$log" >&2 || cat "$log" >&2
    echo "build: failed ($preset)" >&2
    exit 1
fi
