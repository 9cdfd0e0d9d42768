#!/bin/bash
# tools/check_group.sh BERT [MPIRUN [PRECISION..]]: whether training is the same bits for 1, 2, 3 and 4 processes: 100 steps with dropout,
# at every precision and for every head of text, in one go and across an interruption after which another number goes on; weights, moments and
# logged numbers are compared. MPIRUN: "mpirun" (Open MPI, the default) or "mpiexec.mpich". CASES in the environment: the heads, of those
# below. A line a case; minutes.
set -u
bert=$(realpath "${1:?tools/check_group.sh BERT [MPIRUN [PRECISION..]]}")
here=$(realpath "$(dirname "$0")/..")
launcher=${2:-mpirun}
precisions=${*:3}
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
[ "$launcher" != mpirun ] || launcher="mpirun --oversubscribe --bind-to none"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
cut -d'"' -f2 "$here/demo/train.csv" >text.txt
"$bert" train-tokenizer text.txt -o model --vocab-size 600 --quiet >/dev/null || exit 1
cat >model/config.json <<END
{"model_type": "bert", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128,
 "vocab_size": 600, "max_position_embeddings": 64, "type_vocab_size": 2}
END
words="people other time water first would these write number place work year the report was not"
awk -v words="$words" 'function text(n,   s, k) {s = ""; for (k = 0; k < n; k++) s = s (k ? " " : "") w[1 + int(rand() * 16)]; return s}
    BEGIN {srand(1); split(words, w, " ")
    print "text,label" >"class.csv"; print "text,label" >"score.csv"; print "text,label" >"many.csv"
    print "sent1,sent2,ending0,ending1,ending2,label" >"choice.csv"
    for (i = 0; i < 200; i++) {
        print text(3 + i % 9) "," substr("abc", 1 + i % 3, 1) >"class.csv"
        print text(3 + i % 7) "," rand() >"score.csv"
        print text(3 + i % 8) "," (i % 4 ? "x;y" : "z") >"many.csv"
        print text(4) "," text(2) "," text(2) "," text(3) "," text(2) "," i % 3 >"choice.csv"
        t = ""; l = ""; n = 3 + i % 6
        for (k = 0; k < n; k++) {t = t (k ? "," : "") "\"" w[1 + int(rand() * 16)] "\""; l = l (k ? "," : "") (k % 3 ? "\"O\"" : "\"B-X\"")}
        print "{\"tokens\":[" t "],\"tags\":[" l "]}" >"tokens.jsonl"
        a = w[1 + i % 16]; c = text(5)
        print "{\"question\":\"" text(3) "\",\"context\":\"" c " " a "\",\"answers\":{\"text\":[\"" a "\"],\"answer_start\":[" length(c) + 1 "]}}" >"answers.jsonl"
        print text(8) (i % 5 ? "" : "\n") >"lines.txt"
    }}'

# one PROCESSES STEPS DIR ARGUMENTS..: 12 micro-batches a step, whoever has them
one() {
    local n=$1 steps=$2 dir=$3 run=
    shift 3
    [ "$n" -eq 1 ] || run="$launcher -n $n"
    $run "$bert" train model --from-scratch -o "$dir" --max-steps "$steps" --save-steps 50 --save-strategy steps --logging-steps 1 \
        --gradient-accumulation-steps $((12 / n)) --per-device-train-batch-size 1 --learning-rate 1e-3 --lr-scheduler-type constant \
        --threads 1 --json "$@" >said 2>&1 </dev/null || { tail -n 5 said; return 1; }
}
# same A B: what both have written
same() {
    local f
    for f in model.safetensors checkpoint-100/optimizer.safetensors checkpoint-100/model.safetensors; do cmp -s "$1/$f" "$2/$f" || return 1; done
    for f in "$1" "$2"; do sed -E 's/"[a-z_]*(runtime|per_second)": ?[-+0-9.e]+,? ?//g' "$f/log.jsonl" | tail -n 50; done |
        awk '{line[NR] = $0} END {for (i = 1; i <= 50; i++) if (line[i] != line[i + 50]) exit 1; exit NR != 100}'
}
failed=0
verdict() { # NAME CODE
    [ "$2" -eq 0 ] && echo "same    $1" || { echo "DIFFERS $1"; failed=1; }
}
cases="class sequence-classification class.csv
score sequence-classification score.csv --problem-type regression
many sequence-classification many.csv --label-separator ;
tokens token-classification tokens.jsonl
answers question-answering answers.jsonl
choice multiple-choice choice.csv
lm masked-lm lines.txt
pretraining pretraining lines.txt"
while read -r name task file more; do
    case " ${CASES:-$name} " in *" $name "*) ;; *) continue ;; esac
    for precision in ${precisions:-highest high medium}; do
        # shellcheck disable=SC2086
        arguments="--task $task --train-file $file --precision $precision $more"
        rm -rf one of-*
        # shellcheck disable=SC2086
        one 1 100 one $arguments || { verdict "$name $precision, one process" 1; continue; }
        for n in 2 3 4; do
            # shellcheck disable=SC2086
            one $n 100 of-$n $arguments && same one of-$n
            verdict "$name $precision, $n processes" $?
        done
        # shellcheck disable=SC2086
        one 2 50 of-parts $arguments && rm -f of-parts/model.safetensors && one 3 100 of-parts $arguments --resume-from-checkpoint last && same one of-parts
        verdict "$name $precision, 2 processes, then 3" $?
    done
done <<<"$cases"
exit $failed
