/* libFuzzer target: any file as safetensors. It opens and every tensor's bytes can be read, or it
 * is refused with a message. */
#include "files/safetensors.h"
#include "fuzz_file.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bert_error e = {0};
    bert_tensors *s =
        bert_tensors_open(&bert_safetensors_format, fuzz_file(data, size, ".safetensors"), &e);
    if (!s) {
        if (e.code >= 0 || !*e.message) abort();
        return 0;
    }
    for (int i = 0; i < bert_tensors_count(s); i++) {
        const bert_stored_tensor *t = bert_tensors_at(s, i);
        if (bert_tensors_find(s, t->name) != t) abort();
        float *x = malloc(t->bytes * 4 + 1);
        if (!x) abort();
        bert_stored_to_float(t, x, NULL);
        free(x);
    }
    bert_tensors_close(s);
    return 0;
}
