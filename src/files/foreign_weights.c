#include "files/foreign_weights.h"
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define WITH_TRANSFORMERS_4(flag)                                                                  \
    "transformers 4 converts it: AutoModelForPreTraining.from_pretrained(DIRECTORY, " flag         \
    "=True).save_pretrained(DIRECTORY)"
#define CALL_IT(name) "call it " name " if these are the model's weights, under transformers' names"
#define OF_ANOTHER_ENGINE "use the checkpoint that it was made from"

/* Best first. suffix: of the file's name, or all of it. */
static const struct {
    const char *suffix, *is, *advice;
} kinds[] = {
    {"adapter_model.safetensors", "an adapter (PEFT) of another model",
     "merge it into that with merge_and_unload() and save the result"},
    {"adapter_model.bin", "an adapter (PEFT) of another model",
     "merge it into that with merge_and_unload() and save the result"},
    {"tf_model.h5", "TensorFlow's format", WITH_TRANSFORMERS_4("from_tf")},
    {"tf_model.h5.index.json", "TensorFlow's format", WITH_TRANSFORMERS_4("from_tf")},
    {".ckpt.index", "a TensorFlow checkpoint, as Google's",
     "transformers 4 converts it: BertForPreTraining.from_pretrained('bert_model.ckpt.index', "
     "from_tf=True, config=BertConfig.from_json_file('bert_config.json'))"
     ".save_pretrained(DIRECTORY)"},
    {"flax_model.msgpack", "Flax's format", WITH_TRANSFORMERS_4("from_flax")},
    {".msgpack", "Flax's format", WITH_TRANSFORMERS_4("from_flax")},
    {".gguf", "llama.cpp's format, one of several", "give the path of the one that is meant"},
    {".onnx", "ONNX", OF_ANOTHER_ENGINE},
    {"openvino_model.xml", "OpenVINO's format", OF_ANOTHER_ENGINE},
    {"rust_model.ot", "rust-bert's format", OF_ANOTHER_ENGINE},
    {".pt", "PyTorch's format under another name", CALL_IT("pytorch_model.bin")},
    {".pth", "PyTorch's format under another name", CALL_IT("pytorch_model.bin")},
    {".ckpt", "PyTorch Lightning's or TensorFlow's format",
     "save it again as model.safetensors, under transformers' names"},
    {".safetensors", "safetensors under another name, or a shard whose index is missing",
     "fetch model.safetensors.index.json where it is one of several, else call it "
     "model.safetensors"},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static int kind_of(const char *name) {
    const size_t n = strlen(name);
    for (int i = 0; i < KINDS; i++) {
        const size_t m = strlen(kinds[i].suffix);
        const bool end = n >= m && !strcmp(name + n - m, kinds[i].suffix);
        if (end && (n == m || *kinds[i].suffix == '.')) return i;
    }
    return KINDS;
}

bool bert_foreign_weights(const char *directory, bool usual, char *out, size_t capacity) {
    DIR *d = opendir(directory);
    int best = KINDS;
    char name[64] = "";
    for (struct dirent *entry; d && (entry = readdir(d));) {
        const int kind = kind_of(entry->d_name);
        struct stat st;
        /* a link to what is gone, as in a cache that somebody cleaned, is no file */
        if (kind < KINDS && fstatat(dirfd(d), entry->d_name, &st, 0)) continue;
        if (usual && kind < KINDS && *kinds[kind].suffix == '.') continue;
        /* of two of a kind the first by name, whatever the order of the directory */
        const bool first = kind == best && strcmp(entry->d_name, name) < 0;
        if (kind >= best && !(first && kind < KINDS)) continue;
        best = kind;
        snprintf(name, sizeof name, "%.60s", entry->d_name);
    }
    if (d) closedir(d);
    if (best == KINDS) return false;
    if (!out) return true;
    snprintf(out, capacity, "but %s (%s), which is not read; %s", name, kinds[best].is,
             kinds[best].advice);
    return true;
}
