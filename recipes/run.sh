#!/bin/sh
# recipes/run.sh NAME DATA [SEED..]: trains and evaluates one of the recipes below on the files in DATA, once for each
# seed (42), and shows what came out. BERT, MODEL and OUTPUT in the environment overrule build/bert, all-MiniLM-L6-v2
# and build/recipes; OPTIONS are options of training that overrule the recipe's. docs/results.md says where the data comes from and what to expect.
set -eu
bert=${BERT:-build/bert}
model=${MODEL:-all-MiniLM-L6-v2}
fine="--per-device-train-batch-size 16 --learning-rate 5e-5 --num-train-epochs 3"
scratch="--from-scratch --per-device-train-batch-size 32 --warmup-ratio 0.1"

# NAME ; files in DATA: training, validation, test (-: none) ; what they are ; how it is trained
table() {
    cat <<END
sst2 ; train.tsv dev.tsv - ; ; $fine --num-train-epochs 1 --per-device-train-batch-size 32
cola ; train.tsv dev.tsv - ; --text-column 3 --label-column 1 ; $fine
rte ; train.tsv dev.tsv - ; --on-overflow truncate ; $fine
stsb ; train.tsv dev.tsv - ; ; $fine
squad ; train-half.json dev-half.json - ; --task question-answering ; $fine --num-train-epochs 2 --learning-rate 1e-4
codah ; train.tsv dev.tsv test.tsv ; --task multiple-choice --text-column 1 --label-column 6 ; $fine --num-train-epochs 4
wnut17 ; wnut17train.conll emerging.dev.conll emerging.test.annotated ; --task token-classification --on-overflow truncate ; $fine --num-train-epochs 4 --learning-rate 1e-4
names ; wnut17train.conll emerging.dev.conll emerging.test.annotated ; --label-separator + --on-overflow truncate ; $fine --num-train-epochs 4 --learning-rate 1e-4
chinese ; train.tsv dev.tsv - ; --on-overflow truncate --max-length 128 ; $scratch --learning-rate 5e-4 --num-train-epochs 4
masked-lm ; train.txt validation.txt - ; --task masked-lm --max-length 64 ; $scratch --learning-rate 1e-3 --num-train-epochs 12
pretraining ; train.txt validation.txt - ; --task pretraining --max-length 64 ; $scratch --learning-rate 5e-4 --num-train-epochs 6
END
}

usage() {
    echo "usage: $0 NAME DATA [SEED..], with NAME one of: $(table | cut -d' ' -f1 | tr '\n' ' ')" >&2
    exit 2
}
[ $# -ge 2 ] || usage
name=$1 data=$2
shift 2
row=$(table | grep "^$name ;") || usage
[ $# -gt 0 ] || set -- 42
out=${OUTPUT:-build/recipes}/$name
mkdir -p "$out"
files=$(echo "$row" | cut -d';' -f2)
kind=$(echo "$row" | cut -d';' -f3 | sed 's/^ *//')
training=$(echo "$row" | cut -d';' -f4)

# What kinds of names a post holds, of a file that says it word by word: several labels, or none.
kinds_of_names() {
    awk -F'\t' 'function end() { if (n) { gsub(/"/, "\"\"", text); print "\"" text "\"\t" labels }; text = labels = ""; n = 0 }
        BEGIN { print "text\tlabel" }
        $1 == "" { end(); next }
        { text = text (n++ ? " " : "") $1
          if ($2 ~ /^B-/ && index("+" labels "+", "+" substr($2, 3) "+") == 0)
              labels = labels (labels == "" ? "" : "+") substr($2, 3) }
        END { end() }' "$1"
}

# A model from nothing: a vocabulary of the training text, and a configuration.
from_nothing() {
    "$bert" train-tokenizer "$@" -o "$out/new" --vocab-size 8000 --limit-alphabet 4000 --json >/dev/null
    size=$(wc -l <"$out/new/vocab.txt")
    cat >"$out/new/config.json" <<END
{"model_type": "bert", "architectures": ["BertModel"], "vocab_size": $size, "hidden_size": 256, "num_hidden_layers": 4,
 "num_attention_heads": 4, "intermediate_size": 1024, "max_position_embeddings": 128, "hidden_act": "gelu"}
END
    model=$out/new
}

case $name in
names)
    for file in $files; do kinds_of_names "$data/$file" >"$out/$file.tsv"; done
    files=$(for file in $files; do echo "$file.tsv"; done)
    data=$out
    ;;
chinese)
    tail -n +2 "$data/train.tsv" | cut -f1 >"$out/text.txt"
    from_nothing "$out/text.txt"
    ;;
masked-lm | pretraining) from_nothing "$data/train.txt" ;;
esac

# shellcheck disable=SC2086 # options are words
run() {
    seed=$1
    set -- $files
    "$bert" train "$model" $kind --train-file "$data/$1" --validation-file "$data/$2" $training ${OPTIONS-} --seed "$seed" \
        --save-strategy no --overwrite-output-dir -o "$out/$seed" --columns
    [ "$3" = - ] || "$bert" evaluate "$out/$seed" -i "$data/$3" ${kind#--task * } --columns --quiet
}
for seed; do run "$seed"; done

[ $# -eq 1 ] || for seed; do cat "$out/$seed/all_results.json"; echo; done | tr '{},' '\n' | awk -F'[": ]+' '
    /"eval_/ && !/runtime/ { n[$2]++; sum[$2] += $3; square[$2] += $3 * $3 }
    END { for (k in n) { m = sum[k] / n[k]; v = square[k] / n[k] - m * m
          printf "%-32s %8.4f +- %.4f  (%d seeds)\n", k, m, sqrt(v > 0 ? v : 0), n[k] } }' | sort
