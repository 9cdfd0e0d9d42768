#!/bin/bash
# tools/same_bits.sh OLD NEW [MODEL]: two builds of bert give the same bits? Compares encode, embed,
# tokenize and classify at every precision and in batches of several shapes, and 50 training steps
# of three heads, with dropout, accumulation and an interruption. Data: demo/. Says each result;
# exit 1 when any differs.
set -u
old=$(realpath "${1:?tools/same_bits.sh OLD NEW [MODEL]}")
new=$(realpath "${2:?tools/same_bits.sh OLD NEW [MODEL]}")
model=${3:-all-MiniLM-L6-v2}
here=$(realpath "$(dirname "$0")/..")
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
mkdir old new
failed=0

# Words of the demo's sentences, tagged by whether they are long: any labels will do.
awk -F'"' 'NR > 1 {n = split($2, w, /[^A-Za-z]+/); for (i = 1; i <= n; i++)
    if (w[i] != "") print w[i], (length(w[i]) > 6 ? "B-LONG" : "O"); print ""}' \
    "$here/demo/train.csv" | head -n 1000 >tags.conll
awk -F'"' 'NR > 1 && $2 != "" {print $2}' "$here/demo/train.csv" | head -n 60 >lines.txt
cp "$here/demo/train.csv" "$here/demo/validation.csv" .

# compare NAME FILE..: the same file of both builds
compare() {
    local name=$1 file
    shift
    for file; do
        if ! cmp -s "old/$file" "new/$file"; then
            echo "DIFFERS  $name ($file)"
            failed=1
            return
        fi
    done
    echo "same     $name"
}

# both NAME ARGUMENTS..: standard output of both; @ stands for the build's folder
both() {
    local name=$1 side tool
    shift
    for side in old new; do
        tool=${!side}
        "$tool" "${@//@/$side}" >"$side/$name.out" 2>"$side/$name.err" || {
            echo "FAILED   $name ($side): $(tail -n 1 "$side/$name.err")"
            failed=1
            return 1
        }
    done
}

for precision in highest high medium int8; do
    both "encode-$precision" encode "$model" -i lines.txt -o "@/encode.safetensors" --quiet \
        --precision "$precision" && compare "encode $precision" encode.safetensors
    both "embed-$precision" embed "$model" -i lines.txt -o "@/embed.npy" --quiet \
        --precision "$precision" && compare "embed $precision" embed.npy
    both "batch-$precision" embed "$model" -i lines.txt --quiet --precision "$precision" \
        --threads 1 --batch-tokens 64 && compare "embed $precision, a thread, 64 tokens" "batch-$precision.out"
done
both tokenize tokenize "$model" -i lines.txt && compare tokenize tokenize.out

train() { # NAME ARGUMENTS..
    local name=$1
    shift
    both "train-$name" train "$model" -o "@/$name" --max-steps 50 --save-strategy no --logging-steps 1 \
        --per-device-train-batch-size 4 --quiet --seed 7 "$@" && compare "50 training steps, $name" "$name/model.safetensors"
}
train classes --train-file train.csv --validation-file validation.csv --gradient-accumulation-steps 2
for precision in highest int8; do
    both "classify-$precision" classify "@/classes" -i lines.txt --precision "$precision" &&
        compare "classify $precision" "classify-$precision.out"
done
both evaluate evaluate "@/classes" -i validation.csv --quiet && compare evaluate evaluate.out
train tags --task token-classification --train-file tags.conll --label-smoothing-factor 0.1
train words --task masked-lm --train-file lines.txt --precision medium --gradient-checkpointing
exit $failed
