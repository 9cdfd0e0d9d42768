#!/bin/bash
# bench/cluster_data.sh TOKENIZER_DIR MODEL FILE: makes a directory with the configuration of BERT-base and that tokenizer, and
# rows to train on: words of the vocabulary by chance, as a rival's ids are, so that a batch touches as many rows
# of the table as it can.
set -eu
mkdir "$2"
cp "$1"/tokenizer*.json "$2"
cat >"$2/config.json" <<END
{"model_type": "bert", "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072,
 "vocab_size": 30522, "max_position_embeddings": 512, "type_vocab_size": 2}
END
grep -o '"[a-z]\{3,\}": *[0-9]*' "$2/tokenizer.json" | cut -d'"' -f2 | sort -u |
    awk '{w[NR] = $0} END {srand(1); print "text,label"
        for (i = 0; i < 256; i++) {s = ""; for (k = 0; k < 140; k++) s = s w[1 + int(rand() * NR)] " "; print s "," (i % 2 ? "a" : "b")}}' >"$3"
