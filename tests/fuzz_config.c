/* libFuzzer target: any text as config.json; what is accepted has sizes that cannot overflow. */
#include "base/error.h"
#include "files/json.h"
#include "models/config_file.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bert_error e = {0};
    json_t *json = bert_json_parse((const char *)data, size, "config.json", &e);
    if (!json) {
        if (e.code >= 0 || !*e.message) abort();
        return 0;
    }
    bert_config c = {0};
    bert_labels labels = {0};
    const bert_arch *arch = NULL;
    void *own = NULL;
    int rc = bert_config_read(json, "config.json", &c, &labels, &arch, &own, &e);
    free(own);
    if (rc < 0 && !*e.message) abort();
    if (!rc &&
        (c.hidden_size < 1 || c.num_attention_heads < 1 || c.hidden_size % c.num_attention_heads))
        abort();
    bert_labels_free(&labels);
    json_decref(json);
    return 0;
}
