#!/bin/sh
# Installs what the project needs and this machine lacks, from the system's packages:
#   tools/setup.sh build|model|race|checks ...     (what for; default: build)
# Prints nothing and changes nothing when everything is there.
set -u

have() { command -v "$1" >/dev/null 2>&1; }
module() { pkg-config --exists "$1" 2>/dev/null; }
runtime() { ls /usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a >/dev/null 2>&1; }

# what for | is it there? | Debian package
needs='build  have_gcc       gcc
build  have_cmake     cmake
build  have_make      make
build  have_pkgconf   pkg-config
build  have_libc      libc6-dev
build  have_jansson   libjansson-dev
build  have_cmocka    libcmocka-dev
build  have_png       libpng-dev
build  have_jpeg      libjpeg-dev
build  have_webp      libwebp-dev
build  have_curl      libcurl4-openssl-dev
build  have_event     libevent-dev
build  have_mpi       libopenmpi-dev
build  have_mpirun    openmpi-bin
model  have_pip       python3-pip
model  have_unzip     unzip
model  have_roots     ca-certificates
race   have_venv      python3-venv
race   have_gxx       g++
checks have_clang     clang
checks have_runtime   libclang-rt-dev
checks have_format    clang-format'

have_gcc() { have gcc || have cc; }
have_cmake() { have cmake; }
have_make() { have make; }
have_pkgconf() { have pkg-config; }
have_libc() { echo '#include <stdio.h>' | cc -E - >/dev/null 2>&1; }
have_jansson() { module jansson; }
have_cmocka() { module cmocka; }
have_png() { module libpng; }
have_jpeg() { module libjpeg; }
have_webp() { module libwebp; }
have_curl() { module libcurl; }
have_event() { module libevent_extra; }
have_mpi() { module ompi-c || module mpich; }
have_mpirun() { have mpirun; }
have_pip() { python3 -m pip --version >/dev/null 2>&1; }
have_unzip() { have unzip; }
have_roots() { [ -e /etc/ssl/certs/ca-certificates.crt ] || [ ! -e /etc/debian_version ]; }
have_venv() { python3 -c 'import ensurepip, venv' >/dev/null 2>&1; }
have_gxx() { have g++; }
have_clang() { have clang; }
have_runtime() { runtime; }
have_format() { have clang-format; }

[ $# -gt 0 ] || set -- build
missing=
while read -r what test package; do
    case " $* " in *" $what "*) $test || missing="$missing $package" ;; esac
done <<END
$needs
END
[ -n "$missing" ] || exit 0

if ! have apt-get; then
    echo "setup: missing:$missing (Debian's package names)" >&2
    echo "setup: there is no apt-get here; install their like with this system's packager" >&2
    exit 1
fi
sudo=
if [ "$(id -u)" -ne 0 ]; then
    if ! have sudo; then
        echo "setup: missing:$missing" >&2
        echo "setup: as root: apt-get install$missing" >&2
        exit 1
    fi
    sudo=sudo
fi
echo "setup: installing$missing" >&2
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
trap 'exit 1' HUP INT TERM
# A mirror of somebody else's that does not answer is no reason to stop: what counts is the install.
$sudo apt-get -q update >"$log" 2>&1
# shellcheck disable=SC2086
if ! $sudo env DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends $missing \
    >>"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "setup: apt-get could not install$missing" >&2
    exit 1
fi
