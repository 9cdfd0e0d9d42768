#!/bin/sh
# tests/test_install.sh BUILD_DIR CC: installs into a fresh prefix, builds examples/embed.c against it
# through pkg-config and through find_package(bert), shared and static, and runs what came out.
set -eu
build=$1
cc=$2
source=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --prefix "$work/prefix" >"$work/log"

# pcfiledir depends on the system's library folder (lib, lib64, lib/x86_64-linux-gnu).
pc=$(dirname "$(find "$work/prefix" -name bert.pc)")
export PKG_CONFIG_PATH="$pc${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}"
libdir=$(dirname "$pc")
export LD_LIBRARY_PATH="$libdir"

# A program that reached main() and the library says what is wrong with its operands.
check() {
    if "$1" /nonexistent "a text" >/dev/null 2>"$work/message"; then
        echo "$1: a model that is not there did not fail"; exit 1
    fi
    grep -q nonexistent "$work/message" || { cat "$work/message"; exit 1; }
}

# shellcheck disable=SC2046
"$cc" -std=c11 -Wall -Werror "$source/examples/embed.c" -o "$work/shared" $(pkg-config --cflags --libs bert)
check "$work/shared"
# shellcheck disable=SC2046
"$cc" -std=c11 "$source/examples/embed.c" -o "$work/static" $(pkg-config --cflags bert) "$libdir/libbert.a" \
    $(pkg-config --static --libs-only-l --libs-only-other bert | sed 's/-lbert//')
LD_LIBRARY_PATH= check "$work/static"

mkdir "$work/project"
cat >"$work/project/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.18)
project(user C)
find_package(bert 0.1 REQUIRED)
foreach(kind bert bert_static)
  add_executable(with_\${kind} $source/examples/embed.c)
  target_link_libraries(with_\${kind} bert::\${kind})
endforeach()
END
cmake -S "$work/project" -B "$work/project/build" -DCMAKE_PREFIX_PATH="$work/prefix" -DCMAKE_C_COMPILER="$cc" \
    >>"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
cmake --build "$work/project/build" >>"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
check "$work/project/build/with_bert"
check "$work/project/build/with_bert_static"

# What is exported is what the headers declare, nothing else.
nm -D --defined-only "$libdir/libbert.so" | sed 's/.* //' | grep -v '^bert_' && {
    echo "names outside bert_ are exported"; exit 1; }
"$work/prefix/bin/bert" --version
# Modules are found where they are installed, by the tool and from beside the library.
if [ -e "$build/libbert-image.so" ]; then
    "$work/prefix/bin/bert" info --formats --json | grep -q '"images":{"' || { echo "no pictures"; exit 1; }
fi
