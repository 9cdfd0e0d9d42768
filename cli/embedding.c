#include "embedding.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int set_poolings(const option *o, void *target, const char *value, bert_error *e) {
    (void)o;
    bert_pooling *list = target;
    memset(list, 0, BERT_MAX_POOLINGS * sizeof *list);
    int n = bert_poolings_parse(value, list, e);
    return n < 0 ? n : 0;
}

int set_layer(const option *o, void *target, const char *value, bert_error *e) {
    char *end;
    errno = 0;
    const long n = strtol(value, &end, 10);
    if (!*value || *end || errno || n < -10000 || n > 10000)
        return fail(e, BERT_EINVAL, "--%s is a whole number, not '%s'", o->name, value);
    *(chosen_layer *)target = (chosen_layer){.given = true, .number = (int32_t)n};
    return 0;
}

int embedding_task(const common *c, const embedding_options *o, const bert_model *m,
                   bert_text_options *task, bert_error *e) {
    *task = task_options(c);
    task->pooling = o->pooling[0];
    for (int i = 1; i < BERT_MAX_POOLINGS; i++) task->joined[i - 1] = o->pooling[i];
    if (o->normalize || o->no_normalize) task->normalize = o->normalize;
    task->prompt = o->prompt;
    task->prompt_name = o->prompt_name;
    task->dimensions = o->dimensions;
    const char *prompt = o->prompt || o->prompt_name ? NULL : bert_model_prompt(m, NULL);
    if (prompt && *prompt)
        note(c, "before each text stands the model's prompt \"%s\"; --prompt '' does without",
             prompt);
    if (!o->layer.given) return 0;
    const int32_t layers = bert_model_config(m)->num_hidden_layers, n = o->layer.number;
    if (n > layers || n < -layers - 1)
        return fail(e, BERT_EINVAL, "--layer %d: hidden states are 0 to %d, or -%d to -1", n,
                    layers, layers + 1);
    task->skip_layers = n < 0 ? -1 - n : layers - n;
    return 0;
}
