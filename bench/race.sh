#!/bin/sh
# The race against other engines: bench/race.sh [OPTIONS] (--help says which; docs/benchmarks.md how it
# measures). The rivals that the chosen parts want (bench/race/parts.py) are installed into a virtual environment
# outside the tree, once; servers into one of their own:
#   BERT_RACE_VENV      where (default: ~/.cache/bert/race-venv)
#   BERT_RACE_SERVERS   Pythons that have the servers, by colons: the first that has one runs it (default: one that is
#                       made beside it, ~/.cache/bert/race-venv-servers)
#   BERT_RACE_TORCH     the index that has PyTorch without CUDA ("": the usual one, gigabytes more)
#   BERT_RACE_CACHE     where models and what is exported of them are kept (default: ~/.cache/bert/race)
set -uf # f: extras of packages are no patterns
here=$(cd "$(dirname "$0")" && pwd)
venv=${BERT_RACE_VENV:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/bert/race-venv}
torch_index=${BERT_RACE_TORCH-https://download.pytorch.org/whl/cpu}

say() { echo "race: $*" >&2; }

# Is a package there? One that was interrupted lacks what pip writes last.
there() { # environment package
    "$1/bin/python" -c 'import importlib.metadata as m, sys
try:
    sys.exit(not m.distribution(sys.argv[1]).read_text("INSTALLER"))
except m.PackageNotFoundError:
    sys.exit(1)' "$2"
}

pip_install() { # environment, pip's arguments
    in=$1
    shift
    "$in/bin/python" -m pip install -q --disable-pip-version-check "$@"
}

# Why a package is not there is kept in absent/ of its environment, where the race finds it.
install() { # environment package requirements..
    in=$1 package=$2 why=$1/absent/$2
    shift 2
    say "installing $package"
    if [ "$package" = torch ] && [ -n "$torch_index" ]; then
        # One short try: where that index cannot be reached the usual one has a larger wheel.
        pip_install "$in" --index-url "$torch_index" --timeout 15 --retries 1 torch >"$why" 2>&1 && rm "$why" && return
        say "no $package in $torch_index; taking the usual one, with CUDA's libraries (5 GB)"
    fi
    if pip_install "$in" "$@" >"$why" 2>&1; then
        rm "$why"
    else
        say "$package does not install here: $(grep -i error "$why" | tail -n 1)"
    fi
}

# A virtual environment whose making was interrupted has no pip.
make_venv() {
    "$1/bin/python" -m pip --version >/dev/null 2>&1 && return
    say "making $1"
    python3 -m venv "$1" && mkdir -p "$1/absent" && return
    say "python3 -m venv failed (Debian: python3-venv)"
    exit 1
}

make_venv "$venv"
mkdir -p "$venv/absent" || exit 1
wanted=$(python3 "$here/race/parts.py" "$@") || exit 1
# One by one: what cannot be installed here is left out of the race.
while read -r environment package requirements; do
    in=$venv
    if [ "$environment" = servers ]; then
        [ -z "${BERT_RACE_SERVERS:-}" ] || continue
        in=$venv-servers
        make_venv "$in"
    fi
    # shellcheck disable=SC2086
    there "$in" "$package" || install "$in" "$package" $requirements </dev/null
done <<END
$wanted
END
there "$venv" numpy || { say "there is no race without numpy"; exit 1; }
export BERT_RACE_SERVERS="${BERT_RACE_SERVERS:-$venv-servers/bin/python}"
exec "$venv/bin/python" "$here/race" "$@"
