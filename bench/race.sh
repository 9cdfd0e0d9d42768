#!/bin/sh
# The race against other engines: bench/race.sh [OPTIONS] (--help says which; docs/benchmarks.md how it
# measures). The rivals are installed into a virtual environment outside the tree, once:
#   BERT_RACE_VENV    where (default: ~/.cache/bert/race-venv)
#   BERT_RACE_TORCH   the index that has PyTorch without CUDA ("": the usual one, gigabytes more)
#   BERT_RACE_CACHE   where models and what is exported of them are kept (default: ~/.cache/bert/race)
set -u
here=$(cd "$(dirname "$0")" && pwd)
venv=${BERT_RACE_VENV:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/bert/race-venv}
python=$venv/bin/python
torch_index=${BERT_RACE_TORCH-https://download.pytorch.org/whl/cpu}

say() { echo "race: $*" >&2; }

# Which of the packages are not there yet; one that was interrupted lacks what pip writes last.
missing() {
    "$python" -c 'import importlib.metadata as m, sys
def there(name):
    try:
        return m.distribution(name).read_text("INSTALLER")
    except m.PackageNotFoundError:
        return None
print(*[n for n in sys.argv[1:] if not there(n)])' "$@"
}

pip_install() { "$python" -m pip install -q --disable-pip-version-check "$@"; }

# Why a package is not there is kept in $venv/absent, where the race finds it.
install() {
    say "installing $1"
    why=$venv/absent/$1
    if [ "$1" = torch ] && [ -n "$torch_index" ]; then
        # One short try: where that index cannot be reached the usual one has a larger wheel.
        pip_install --index-url "$torch_index" --timeout 15 --retries 1 torch >"$why" 2>&1 && rm "$why" && return
        say "no $1 in $torch_index; taking the usual one, with CUDA's libraries (5 GB)"
    fi
    if pip_install "$1" >"$why" 2>&1; then
        rm "$why"
    else
        say "$1 does not install here: $(grep -i error "$why" | tail -n 1)"
    fi
}

# A virtual environment whose making was interrupted has no pip.
if ! "$python" -m pip --version >/dev/null 2>&1; then
    say "making $venv"
    python3 -m venv "$venv" || { say "python3 -m venv failed (Debian: python3-venv)"; exit 1; }
fi
mkdir -p "$venv/absent" || exit 1
packages="numpy torch transformers tokenizers onnx onnxruntime openvino nncf ctranslate2 nanotoken sentencepiece protobuf gigatoken rs_bpe bpe-openai gguf pillow llama-cpp-python"
# To say which options there are takes no rivals: they are gigabytes.
case " $* " in *" -h "* | *" --help "*) packages=numpy ;; esac
# One by one: what cannot be installed here is left out of the race.
# shellcheck disable=SC2086
for package in $(missing $packages); do
    install "$package"
done
[ -z "$(missing numpy)" ] || { say "there is no race without numpy"; exit 1; }
exec "$python" "$here/race" "$@"
