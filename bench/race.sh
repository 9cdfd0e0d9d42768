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
# Which of the packages are not there yet.
missing() {
    "$python" -c 'import importlib.util as i, sys
names = {"llama-cpp-python": "llama_cpp"}
print(*[n for n in sys.argv[1:] if not i.find_spec(names.get(n, n))])' "$@"
}

if [ ! -x "$python" ]; then
    say "making $venv"
    python3 -m venv "$venv" || { say "python3 -m venv failed (Debian: python3-venv)"; exit 1; }
fi
# One by one: what cannot be installed here is left out of the race.
for package in $(missing numpy torch transformers tokenizers onnx onnxruntime openvino nncf ctranslate2 nanotoken gguf \
    llama-cpp-python); do
    say "installing $package"
    "$python" -m pip install -q --disable-pip-version-check "$package" >&2 || say "$package does not install here"
done
exec "$python" "$here/race" "$@"
