#!/bin/bash
# bench/clusters.sh BERT TOKENIZER_DIR [PYTHON]: a training step of BERT-base at 16 x 128, float32, on two cores: by one process, by two
# processes of one core under mpirun, and by PyTorch under torchrun with gloo (PYTHON has torch and transformers). Seconds a
# step, memory of a process, seconds until the first step; as ratios in one run. Then memory of one to four processes
# beside the formula, and what a step sends beside MPI_Allreduce, in turns. docs/clusters.md has the figures.
set -u
bert=$(realpath "${1:?bench/clusters.sh BERT TOKENIZER_DIR [PYTHON]}")
tokenizer=$(realpath "${2:?a directory with tokenizer.json}")
python=${3:-}
here=$(realpath "$(dirname "$0")")
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
"$here/cluster_data.sh" "$tokenizer" base train.csv || exit 1

# ours NAME PROCESSES ROWS THREADS [STEPS]: two runs, of 2 steps and of STEPS (6), whose difference counts
ours() {
    local run= seconds=() memory= begin most=${5:-6}
    [ "$2" -eq 1 ] || run="mpirun --oversubscribe --bind-to none -n $2"
    for steps in 2 $most; do
        begin=$(date +%s.%N)
        $run /usr/bin/time -f '%M KB' "$bert" train base --from-scratch --train-file train.csv -o out --overwrite-output-dir true \
            --max-length 128 --on-overflow truncate --per-device-train-batch-size "$3" --max-steps "$steps" --save-strategy no \
            --logging-steps 1 --threads "$4" --json >said 2>&1 </dev/null || { tail -n 3 said; return 1; }
        seconds+=("$(grep -o '"train_runtime": *[0-9.]*' said | grep -o '[0-9.]*$')")
        memory=$(awk '/ KB$/ && $1 > m {m = $1} END {print m}' said)
        before=$(awk -v e="$(date +%s.%N)" -v b="$begin" -v r="${seconds[-1]}" 'BEGIN {print e - b - r}')
    done
    awk -v n="$1" -v a="${seconds[0]}" -v b="${seconds[1]}" -v m="$memory" -v s="$before" -v k=$((most - 2)) \
        'BEGIN {printf "%-44s %6.2f s a step  %5.0f MB a process  %5.1f s beside the steps\n", n, (b - a) / k, m / 1024, s}' |
        tee -a figures
}
# ratio A B WHAT: line A of the figures over line B
ratio() {
    awk -v a="$1" -v b="$2" -v what="$3" '{for (i = 1; i <= NF; i++) if ($i == "s" && $(i + 1) == "a") {step[NR] = $(i - 1); mb[NR] = $(i + 3); start[NR] = $(i + 7)}}
        END {printf "%-44s %6.2f              %5.2f               %5.2f\n", what, step[a] / step[b], mb[a] / mb[b], start[a] / start[b]}' figures
}
ours "one process of two threads, 16 rows" 1 16 2
ours "two processes of one thread, 8 rows each" 2 8 1
ratio 1 2 "one process over two"
[ -z "$python" ] || OMP_NUM_THREADS=1 "$python" -m torch.distributed.run --nproc-per-node 2 "$here/clusters_torch.py" 8 4 2>/dev/null | tee -a figures
[ -z "$python" ] || ratio 3 2 "PyTorch over two processes"

# 109.5 million parameters; the rest is what backward keeps of 8 x 128 tokens
for n in 1 2 3 4; do
    ours "$n of one thread, 8 rows each" $n 8 1 3 | awk -v n=$n '{for (i = 1; i <= NF; i++) if ($i == "MB") m = $(i - 1)
        f = 109.5 * (4 + (n > 1 ? 4 : 0) + 12 / n) / 1.048576
        printf "%d processes: %5.0f MB each; weights, own gradients, a slice of sums and moments: %5.0f, the rest %5.0f\n", n, m, f, m - f}'
done

exchange=$(dirname "$bert")/bench_exchange
[ -x "$exchange" ] || exit 0
for n in 2 3 4; do
    for turn in 1 2 3; do
        mpirun --oversubscribe --bind-to none -n $n "$exchange" 40
        mpirun --oversubscribe --bind-to none -n $n "$exchange" 40 15 allreduce
        mpirun --oversubscribe --bind-to none --mca mpi_yield_when_idle 1 -n $n "$exchange" 40 15 allreduce | sed 's/^allreduce /and yields/'
    done
done
