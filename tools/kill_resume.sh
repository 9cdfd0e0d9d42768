#!/bin/bash
# tools/kill_resume.sh N [TOOL] [PROCESSES]: N times a training run is killed (kill -9) at a moment of
# chance and resumed until it ends; every end must be the same bits as a run that nobody disturbed. A
# small network from scratch, with dropout, accumulation, evaluation and the best checkpoint kept. Of
# several PROCESSES (under mpirun; 2, 3 or 6) any one is killed, and all have to end within ten seconds.
set -u
runs=${1:?tools/kill_resume.sh N [TOOL] [PROCESSES]}
here=$(realpath "$(dirname "$0")/..")
bert=$(realpath "${2:-$here/build/bert}")
processes=${3:-1}
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
launcher=()
[ "$processes" -eq 1 ] || launcher=(mpirun --oversubscribe --bind-to none -n "$processes")
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

cut -d'"' -f2 "$here/demo/train.csv" >text.txt
"$bert" train-tokenizer text.txt -o m --vocab-size 1000 --quiet >/dev/null || exit 1
cat >m/config.json <<'END'
{"model_type": "bert", "architectures": ["BertModel"], "vocab_size": 1000, "hidden_size": 64,
 "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128,
 "max_position_embeddings": 128}
END
run=("$bert" train m --threads $((processes > 1)) --from-scratch --train-file "$here/demo/train.csv"
    --validation-file "$here/demo/validation.csv" --max-steps 60 --gradient-accumulation-steps $((6 / processes))
    --per-device-train-batch-size 4
    --eval-strategy steps --eval-steps 5 --save-strategy steps --save-steps 5 --save-total-limit 2
    --load-best-model-at-end --metric-for-best-model accuracy --learning-rate 1e-3 --quiet)
start=$(date +%s%N)
"${launcher[@]}" "${run[@]}" -o whole >whole.out 2>&1 || exit 1
took=$((($(date +%s%N) - start) / 1000000)) # ms
want=$(sha256sum <whole/model.safetensors)

# The process that is killed: the run itself, or any of the group.
victim() {
    [ ${#launcher[@]} -gt 0 ] || { echo "$child"; return; }
    pgrep -P "$child" | shuf -n 1
}

kills=0 resumes=0 bad=0 longest=0
while [ $kills -lt "$runs" ]; do
    rm -rf out
    while :; do # a run is killed again and again until it ends
        resume=
        ls -d out/checkpoint-* >/dev/null 2>&1 && resume="--resume-from-checkpoint last"
        [ -z "$resume" ] || resumes=$((resumes + 1))
        # shellcheck disable=SC2086
        "${launcher[@]}" "${run[@]}" -o out $resume >out.log 2>&1 &
        child=$!
        sleep "$(awk -v r="$RANDOM" -v t=$took 'BEGIN {printf "%.3f", r / 32768 * t / 1000}')"
        if kill -9 "$(victim)" 2>/dev/null; then
            begin=$SECONDS
            wait $child 2>/dev/null
            [ $((SECONDS - begin)) -le $longest ] || longest=$((SECONDS - begin))
            kills=$((kills + 1))
            # before the first checkpoint there is nothing to go on from
            ls -d out/checkpoint-* >/dev/null 2>&1 || rm -rf out
            [ $kills -lt "$runs" ] && continue
            resume=
            ls -d out/checkpoint-* >/dev/null 2>&1 && resume="--resume-from-checkpoint last"
            # shellcheck disable=SC2086
            "${launcher[@]}" "${run[@]}" -o out $resume >out.log 2>&1 || { echo "FAILED: $(tail -n 1 out.log)"; exit 1; }
            break
        fi
        wait $child || { echo "FAILED after $kills kills: $(tail -n 1 out.log)"; exit 1; }
        break
    done
    if [ "$(sha256sum <out/model.safetensors)" != "$want" ]; then
        bad=$((bad + 1))
        echo "DIFFERS after $kills kills"
    fi
    if ls -d out/.checkpoint-* out/*.tmp* >/dev/null 2>&1; then
        bad=$((bad + 1))
        echo "LEFT BEHIND: $(ls -ad out/.checkpoint-* out/*.tmp* 2>/dev/null)"
    fi
done
echo "$kills kills, $resumes resumes, $bad ends that differ; the others of a group ended within $longest s"
[ $bad = 0 ] && [ $longest -le 10 ]
