#!/bin/sh
# demo/run.sh TOOL MODEL: fine-tunes MODEL to tell how severe a report is, tests it, and uses it.
set -u
bert=$1
model=$2
out=${DEMO_OUTPUT:-build/demo-model}
here=$(dirname "$0")

echo "Fine-tuning $model to tell how severe a report is: low, medium, high or critical."
echo "($here/README.md says what these mean; the reports are our own.)"
echo
"$bert" train "$model" --columns -o "$out" --train-file "$here/train.csv" \
    --validation-file "$here/validation.csv" --num-train-epochs 5 --learning-rate 1e-4 \
    --warmup-ratio 0.1 --weight-decay 0.01 --per-device-train-batch-size 16 \
    --per-device-eval-batch-size 64 --save-strategy no --overwrite-output-dir || exit 1

printf '\nOn the test set, which took no part in training:\n\n'
"$bert" evaluate "$out" -i "$here/test.csv" --columns --quiet || exit 1

printf '\nReports it has never seen:\n\n'
"$bert" classify "$out" --columns \
    "The footer of the newsletter still says 2025." \
    "I have to log in twice every morning before the calendar opens." \
    "No branch can print contracts, customers are waiting at every desk." \
    "The gas alarm in the boiler room is ringing and the valve will not close." || exit 1

# One report of the user's own, where there is a user.
if [ -t 0 ]; then
    printf '\nYour turn: describe a problem (Enter to skip): '
    if read -r text && [ -n "$text" ]; then
        "$bert" classify "$out" --columns -- "$text" || exit 1
    fi
fi
printf '\nThe model is in %s: '"'"'%s classify %s "TEXT"'"'"' asks it again.\n' "$out" "$bert" "$out"
