/* Steps of masked-lm or pretraining from scratch, written down for tools/parity_language.py, which
 * takes the same steps in PyTorch: bench_language_steps DIR TEXT TASK STEPS OUTPUT_DIR
 * DIR: config.json and a vocabulary. No dropout; AdamW, rate 1e-3, gradients clipped to norm 1. */
#include <bert_train.h>
#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 32 };

static void put(FILE *f, const int32_t *x, int32_t n) {
    fwrite(&n, sizeof n, 1, f);
    if (n) fwrite(x, sizeof *x, (size_t)n, f);
}

int main(int argc, char **argv) {
    if (argc != 6) return 0; /* not by make bench */
    bert_error e = {0};
    bert_model_options o = {.head = "none", .from_scratch = true};
    bert_model *base = bert_model_open(argv[1], &o, &e);
    bert_dataset_options data = {.task = argv[3], .max_length = 64};
    bert_dataset *set = bert_dataset_open(argv[2], base, &data, &e);
    if (set) o = bert_dataset_model(set);
    o.from_scratch = true;
    o.seed = 1;
    bert_model *m = set ? bert_model_open(argv[1], &o, &e) : NULL;
    bert_loader_options order = {.batch_size = BATCH, .shuffle = true, .seed = 1};
    bert_loader *loader = set ? bert_loader_new(set, &order, &e) : NULL;
    bert_tape *tape = bert_tape_new(NULL, &e);
    bert_optimizer *adamw = m ? bert_optimizer_new(bert_model_params(m), NULL, 0, &e) : NULL;
    char path[4096];
    snprintf(path, sizeof path, "%s/batches.bin", argv[5]);
    FILE *f =
        loader && adamw && tape && !bert_model_save(m, argv[5], &e) ? fopen(path, "wb") : NULL;
    for (int64_t step = 0; f && step < atoll(argv[4]) && !e.code; step++) {
        bert_batch b;
        const int64_t epoch = step / bert_loader_batches(loader);
        if (bert_loader_get(loader, epoch, step % bert_loader_batches(loader), &b, &e)) break;
        const bert_inputs *in = &b.inputs;
        put(f, in->start, in->n + 1);
        put(f, in->ids, in->start[in->n]);
        put(f, in->type_ids, in->type_ids ? in->start[in->n] : 0);
        put(f, in->logit_tokens, in->logit_tokens_count);
        put(f, b.labels, b.label_count);
        const int32_t *next = bert_batch_ints(&b, "next_sentence_label");
        put(f, next, next ? in->n : 0);
        bert_tape_reset(tape);
        bert_tape_set_mode(tape, true, false);
        bert_tensor *hidden = bert_forward(tape, m, in);
        bert_tensor *loss = bert_head_loss(tape, m, bert_head_forward(tape, m, hidden, &b), &b, 0);
        if (bert_tape_backward(tape, loss, 1, &e) || bert_optimizer_step(adamw, 1e-3, 1, NULL, &e))
            break;
        printf("%.9g\n", (double)*bert_tensor_read(tape, loss));
    }
    if (e.code) fprintf(stderr, "%s: %s\n", argv[0], e.message);
    if (f) fclose(f);
    bert_optimizer_free(adamw);
    bert_tape_free(tape);
    bert_loader_free(loader);
    bert_model_close(m);
    bert_dataset_free(set);
    bert_model_close(base);
    return e.code != 0;
}
