#!/bin/bash
# bench/cluster_hosts.sh BERT TOKENIZER_DIR [RATE.. | cut]: two hosts inside this machine, network namespaces joined by a line of RATE
# (as tc takes it: 1gbit; "none": unlimited), each with one process of one thread: seconds of a training step of BERT-base at 8 x
# 128 a process, float32, beside what docs/clusters.md computes of them; then the line is cut in the middle of a run, and how
# long each end takes to notice, and what it says, is shown (cut: that alone). Root (ip, tc, unshare) and Open MPI; SILENCE: seconds (30).
set -u
bert=$(realpath "${1:?bench/cluster_hosts.sh BERT TOKENIZER_DIR [RATE..]}")
tokenizer=$(realpath "${2:?a directory with tokenizer.json}")
shift 2
[ $# -gt 0 ] || set -- none 10gbit 1gbit
here=$(realpath "$(dirname "$0")")
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 BERT_GROUP_SILENCE=${SILENCE:-30}
work=$(mktemp -d) || exit 1
down() { ip netns del bert1; ip netns del bert2; } 2>/dev/null
trap 'down; rm -rf "$work"' EXIT
cd "$work" || exit 1
"$here/cluster_data.sh" "$tokenizer" base train.csv || exit 1

down
ip netns add bert1 && ip netns add bert2 && ip link add cable1 netns bert1 type veth peer name cable2 netns bert2 || exit 1
for i in 1 2; do
    ip -n bert$i addr add 10.77.0.$i/24 dev cable$i && ip -n bert$i link set lo up && ip -n bert$i link set cable$i up || exit 1
done
# Instead of ssh: a command in that namespace, on a host of that name.
cat >agent <<'END'
#!/bin/bash
host=${1##*.}
shift
exec ip netns exec "bert$host" unshare --uts sh -c "hostname bert$host; $*"
END
chmod +x agent

limit() {
    for i in 1 2; do
        ip netns exec bert$i tc qdisc del dev cable$i root 2>/dev/null
        [ "$1" = none ] || ip netns exec bert$i tc qdisc add dev cable$i root tbf rate "$1" burst 1m latency 20ms || return 1
    done
}
# across STEPS: a run over both hosts
across() {
    "$work/agent" 10.77.0.1 "exec mpirun --mca plm_rsh_agent $work/agent --host 10.77.0.1,10.77.0.2 --bind-to none --mca btl tcp,self \
        --mca btl_tcp_if_include 10.77.0.0/24 --mca oob_tcp_if_include 10.77.0.0/24 -x BERT_GROUP_SILENCE -n 2 \
        $bert train base --from-scratch --train-file train.csv -o out --overwrite-output-dir true --max-length 128 --on-overflow truncate \
        --per-device-train-batch-size 8 --max-steps $1 --save-strategy no --logging-steps 1 --threads 1 --profile-comm --json" >said 2>&1 </dev/null
}
[ "$1" != cut ] || set --
for rate in "$@"; do
    limit "$rate" || exit 1
    seconds=()
    for steps in 2 6; do
        across $steps || { tail -n 5 said; exit 1; }
        seconds+=("$(grep -o '"train_runtime": *[0-9.]*' said | grep -o '[0-9.]*$')")
    done
    awk -v r="$rate" -v a="${seconds[0]}" -v b="${seconds[1]}" 'BEGIN {printf "line of %-8s %6.2f s a step\n", r, (b - a) / 4}'
    grep -i 'comput' said | sed 's/^/    /'
done

limit none
across 1000 &
run=$!
while ! grep -qE 'step ([2-9]|[0-9]{2,})/1000' said 2>/dev/null; do
    kill -0 $run 2>/dev/null || { tail -n 5 said; exit 1; }
    sleep 0.2
done
begun=$SECONDS
ip -n bert2 link set cable2 down
echo "the line is cut"
left=2 # ends that are still there
while [ $left -gt 0 ] && [ $((SECONDS - begun)) -lt 300 ]; do
    sleep 0.5
    now=0
    for i in 1 2; do ip netns pids bert$i | xargs -r ps -o comm= -p | grep -q '^bert$' && now=$((now + 1)); done
    [ $now -eq $left ] || echo "    $((SECONDS - begun)) s: $now of 2 processes are left"
    left=$now
done
while kill -0 $run 2>/dev/null && [ $((SECONDS - begun)) -lt 60 ]; do sleep 0.5; done
# It waits for its daemon there until the kernel gives the connection up.
! pkill -INT -f "^mpirun .*$work/agent" || echo "    $((SECONDS - begun)) s: mpirun still waits: Ctrl-C"
wait $run
echo "    $((SECONDS - begun)) s: mpirun has ended with $?; it said:"
grep -A 2 '^bert:' said | sed 's/^/    /'
