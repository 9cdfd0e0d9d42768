#!/bin/bash
# run_fuzz.sh [SECONDS [PRESET]]: runs every fuzz target of the preset (fuzz) that long (default 15), from seeds made here. A line for
# each; fails on any finding, whose input is kept in findings/ of its build folder.
set -u
cd "$(dirname "$0")/.." || exit 1
seconds=${1:-15} build=build-${2:-fuzz}
[ -d "$build" ] || { echo "run_fuzz: build the fuzz preset first (make fuzz)"; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$build/findings"

# seed TARGET TEXT: a file for that target; printf escapes
seed() { mkdir -p "$work/$1" && printf "$2" >"$work/$1/$(ls "$work/$1" | wc -l)"; }
seed fuzz_safetensors '\x40\0\0\0\0\0\0\0{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}          12345678'
seed fuzz_index '{"metadata":{"total_size":16},"weight_map":{"a":"a.safetensors","b":"b.safetensors"}}'
seed fuzz_reader '\0one\ntwo\n'
seed fuzz_reader '\1\xef\xbb\xbftext,label\na,1\n'
seed fuzz_reader '\1text,label\n"a, ""b""",1\n'
seed fuzz_reader '\2sentence1\tsentence2\tlabel\na\tb\t0\n'
seed fuzz_reader '\3{"text":"a","label":["x",1]}\n'
seed fuzz_config '{"model_type":"bert","hidden_size":12,"num_attention_heads":3,"id2label":{"0":"a","1":"b"}}'
seed fuzz_recipe '{"encoder":{"model":"m","num_hidden_layers":2},"inputs":[{"image":"a"},{"image":"b"}],"pooling":["cls","mean"],"combine":"max","head":[{"dropout":0.5},{"linear":[8,1]}],"problem_type":"multi_label_classification","function_to_apply":"sigmoid","label":["c"],"image_range":[0,4095]}'
seed fuzz_recipe '{"inputs":[{"text":"a","text_pair":"b"},{"text":"c"}],"combine":["u","v","|u-v|","u*v","u-v"],"head":[{"linear":16},"layer_norm",{"activation":"gelu"},{"LayerNorm":{"eps":1e-5}},{"linear":{"out":"\u0061","bias":false}}],"loss_weight":0.5,"train_file":"t","metric":"f1"}'
seed fuzz_recipe '{"head":[{"linear":2}],"tasks":{"a":{"train_file":["t","p-*"],"validation_file":["v"]},"b":{"inputs":{"text":"x"},"label":"y"}},"sampling":{"temperature":2},"batches":"mixed"}'
seed fuzz_tokenizer '\0The [MASK] caf\xc3\xa9, na\xc3\xafve \xe4\xb8\xad\xe6\x96\x87.'
seed fuzz_tokenizer_json '\0{"model":{"type":"WordPiece","vocab":{"[UNK]":0,"a":1},"unk_token":"[UNK]"}}'
seed fuzz_tokenizer_json '\0{"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]},"pre_tokenizer":{"type":"ByteLevel"}}'
seed fuzz_tokenizer_json '\0{"model":{"type":"Unigram","unk_id":0,"vocab":[["<unk>",0],["a",-1.5]]},"normalizer":{"type":"Precompiled","precompiled_charsmap":"ALwCAACEAAAAAACAAQAA"}}'
seed fuzz_tokenizer_json '\3\n\016\n\005<unk>\025\0\0\0\0\030\002\n\010\n\001a\025\0\0\0\300'
seed fuzz_tokenizer_json '\5#version: 0.2\na b\n'
seed fuzz_tokenizer_json '\1[UNK]\n[CLS]\n[SEP]\na\n##b\n'
seed fuzz_images '\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x8\2\0\0\0\x90\x77\x53\xde\0\0\0\x0cIDAT\x78\x9c\x63\xf8\xcf\xc0\0\0\3\1\1\0\x18\xdd\x8d\xb0\0\0\0\0IEND\xae\x42\x60\x82'
# Small pictures of other kinds, as hexadecimal digits in the goldens.
mkdir -p "$work/fuzz_images"
awk -F'"' '/\.(jpg|webp)"/ {print $2, $4}' tests/golden/images.json | while read -r name digits; do
    printf "$(echo "$digits" | sed 's/../\\x&/g')" >"$work/fuzz_images/$name"
done
seed fuzz_torch '\1\200\2}(U\1wctorch._utils\n_rebuild_tensor_v2\n((U\7storagectorch\nFloatStorage\nU\0010U\3cpuK\20tQK\0(K\2K\2t(K\2K\1t\211}tRu.'
seed fuzz_torch '\1\200\2ccollections\nOrderedDict\nq\0)Rq\1(X\1\0\0\0wK\1M\2\0J\3\0\0\0\212\1\4G\0\0\0\0\0\0\0\0N\210\211]a(NNe\205h\1\206u}b.'
mkdir -p "$work/fuzz_torch" "$work/fuzz_gguf"
{ printf '\0'; cat tests/golden/torch/legacy.bin; } >"$work/fuzz_torch/legacy"
{ printf '\0'; cat tests/golden/torch/zip_1_6.bin; } >"$work/fuzz_torch/zip"
cp tests/golden/gguf/{types,gpt2,t5}.gguf "$work/fuzz_gguf"
head -c 2600 tests/golden/gguf/labels.gguf >"$work/fuzz_gguf/labels"

seed fuzz_hub '\0Location: /a\nLink: <http://h/x?cursor=1>; rel="next"\nRateLimit: "r";r=0;t=5\nContent-Range: bytes 5-9/10\nETag: W/"a"'
seed fuzz_hub '\1{"id":"a/b","sha":"0123456789abcdef0123456789abcdef01234567","siblings":[{"rfilename":"config.json"}]}'
seed fuzz_hub '\2[{"type":"file","path":"a/b.json","size":5,"oid":"0123456789abcdef0123456789abcdef01234567","lfs":{"oid":"x","size":7}}]'
seed fuzz_hub '\3{"format_version":1,"files":{"a.json":{"size":5,"blob_id":"x","lfs_sha256":"y","lfs_size":5,"xet_hash":"z"}}}'
seed fuzz_hub '\4[{"path":"1_Pooling","type":"x"},{"path":"../x"}]'

# A route's number, the type of the body, which model is in the path; then the body.
seed fuzz_server '\0\1\0{"inputs":["a b","c"],"normalize":false,"dimensions":2,"truncate":true,"truncation_direction":"Left","prompt_name":"query"}'
seed fuzz_server '\1\1\0{"inputs":[[2,5,3],[2,3]]}'
seed fuzz_server '\2\1\3{"inputs":["a [MASK]","b"]}'
seed fuzz_server '\3\1\1{"inputs":[["a","b"],["c"]],"raw_scores":true,"parameters":{"top_k":1,"function_to_apply":"sigmoid"}}'
seed fuzz_server '\4\1\1{"query":"a","texts":["b","c"],"return_text":true}'
seed fuzz_server '\5\1\0{"inputs":{"source_sentence":"a","sentences":["b"]}}'
seed fuzz_server '\6\1\0{"inputs":"a b","add_special_tokens":false}'
seed fuzz_server '\7\1\0{"ids":[[1,2],[5]],"skip_special_tokens":false}'
seed fuzz_server '\11\1\3{"inputs":"a [MASK] b","parameters":{"top_k":2,"targets":["b"]}}'
seed fuzz_server '\12\1\2{"inputs":"a b","parameters":{"aggregation_strategy":"first","ignore_labels":[]}}'
seed fuzz_server '\13\1\4{"inputs":{"question":"a","context":"b c"},"parameters":{"top_k":3,"doc_stride":2,"max_seq_len":9}}'
seed fuzz_server '\14\1\1{"inputs":"a","parameters":{"candidate_labels":["b","c"],"multi_label":true,"hypothesis_template":"a {}"}}'
seed fuzz_server '\15\1\5{"inputs":{"prompt":"a","choices":["b","c"]}}'
seed fuzz_server '\16\1\6{"inputs":{"text":"a","text_pair":"b"}}'
seed fuzz_server '\17\1\0{"input":"a","encoding_format":"base64","model":"x"}'
seed fuzz_server '\21\1\1{"query":"a","documents":[{"text":"b"},"c"],"top_n":1,"return_documents":true}'
seed fuzz_server '\0\3\7--ab\r\n\r\nGIF\r\n--ab--'

# one TARGET: its line, and what it found
one() {
    local name
    name=$(basename "$1")
    mkdir -p "$work/$name"
    if "$1" -max_total_time="$seconds" -max_len=6000 -rss_limit_mb=1000 -timeout=10 -print_final_stats=1 \
        -artifact_prefix="$build/findings/$name-" "$work/$name" >"$work/$name.log" 2>&1; then
        echo "$name: $(awk '/number_of_executed_units/ {print $2}' "$work/$name.log") executions, no finding"
    else
        echo "$name: FINDING, the input is in $build/findings"
        tail -n 40 "$work/$name.log"
        touch "$work/failed"
    fi
}
ran=0
for target in "$build"/fuzz_*; do # as many at a time as there are cores
    [ -x "$target" ] && [ -f "$target" ] || continue
    [ $ran -lt "$(nproc)" ] || wait -n
    ran=$((ran + 1))
    one "$target" &
done
wait
[ $ran -gt 0 ] || { echo "run_fuzz: no target is built (make fuzz)"; exit 2; }
[ ! -e "$work/failed" ]
