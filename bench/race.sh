#!/bin/sh
# The race against other engines: bench/race.sh [OPTIONS] (--help says which; docs/benchmarks.md how it
# measures). The rivals are installed into a virtual environment outside the tree, once:
#   BERT_RACE_VENV    where (default: ~/.cache/bert/race-venv)
#   BERT_RACE_CACHE   where models and what is exported of them are kept (default: ~/.cache/bert/race)
set -u
here=$(cd "$(dirname "$0")" && pwd)
venv=${BERT_RACE_VENV:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/bert/race-venv}
python=$venv/bin/python

say() { echo "race: $*" >&2; }
installed() { "$python" -m pip show -q "$1" >/dev/null 2>&1; }

if [ ! -x "$python" ]; then
    say "making $venv"
    python3 -m venv "$venv" || { say "python3 -m venv failed (Debian: python3-venv)"; exit 1; }
fi
# One by one: what cannot be installed here is left out of the race.
for package in numpy torch transformers tokenizers onnx onnxruntime openvino nncf ctranslate2 nanotoken gguf llama-cpp-python; do
    installed "$package" && continue
    say "installing $package"
    "$python" -m pip install -q --disable-pip-version-check "$package" >&2 || say "$package does not install here"
done
exec "$python" "$here/race" "$@"
