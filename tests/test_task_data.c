/* What each task makes of its files, and that it learns from them. */
#include "data/question.h"
#include "data_world.h"

static bert_dataset *must(world *w, bert_dataset *d) {
    if (!d) fail_msg("%s", w->e.message);
    return d;
}

/* ids of the tiny vocabulary: w0 is 5 */
enum { CLS = 2, SEP = 3, W = 5 };

static void sentences_of_words(void **state) {
    (void)state;
    world w;
    begin_task(&w, "token-classification");
    bert_dataset *d =
        must(&w, open_text(&w, "a.conll", "-DOCSTART- O\n\nw1 X B-B\nw2w3 Y O\n\n\nw4  Z B-A\r\n"));
    assert_int_equal(bert_dataset_size(d), 2);
    assert_string_equal(bert_dataset_task(d), "token-classification");
    assert_int_equal(d->num_labels, 3);
    assert_string_equal(bert_dataset_label(d, 0), "B-A");
    assert_string_equal(bert_dataset_label(d, 2), "O");
    const int32_t *ids;
    assert_int_equal(bert_dataset_row(d, 0, &ids, NULL), 4);
    assert_int_equal(ids[0], CLS);
    assert_int_equal(ids[1], W + 1);
    assert_int_equal(ids[2], 1); /* "w2w3" is no word of the vocabulary */
    assert_int_equal(ids[3], SEP);
    const int32_t want[] = {-100, 1, 2, -100, -100, 0, -100};
    assert_memory_equal(bert_dataset_ints(d, "labels"), want, sizeof want);
    assert_int_equal(bert_dataset_label_rows(d, 1), 1);
    bert_dataset_free(d);
    d = must(&w, open_text(&w, "a.jsonl",
                           "{\"tokens\": [\"w1\", \"w2\"], \"ner_tags\": [\"O\", \"B\"]}\n\n"
                           "{\"words\": [\"w3\"], \"tags\": [\"O\"]}\n"));
    assert_int_equal(bert_dataset_size(d), 2);
    bert_dataset_free(d);
    /* Files that other systems wrote: a byte order mark, a suffix in capitals. */
    d = must(&w, open_text(
                     &w, "B.JSONL",
                     "\xef\xbb\xbf{\"tokens\": [\"w1\", \"w2\"], \"ner_tags\": [\"O\", \"B\"]}\n"));
    assert_int_equal(bert_dataset_size(d), 1);
    bert_dataset_free(d);
    d = must(&w, open_text(&w, "b.conll", "\xef\xbb\xbf-DOCSTART- O\n\nw1 O\nw2 B\n"));
    assert_int_equal(bert_dataset_size(d), 1);
    bert_dataset_free(d);
    refused_with(&w, "b.conll", "w1 O\nw2\n", BERT_EFORMAT, "b.conll:2: \"w2\" has no label");
    refused_with(&w, "b.jsonl", "{\"tokens\": [\"w1\"]}\n", BERT_EFORMAT, "b.jsonl:1");
    refused_with(&w, "c.jsonl", "{\"tokens\": [", BERT_EFORMAT,
                 "c.jsonl:1: an object that starts here");
    refused_with(&w, "c.conll", "w1 O\nw2 O\n", BERT_EINVAL, "one class");
    refused_with(&w, "d.conll", "", BERT_EINVAL, "no rows");
    w.options.task = "dancing";
    refused_with(&w, "a.conll", "w1 O\n", BERT_EINVAL, "token-classification");
    end_task(&w);
}

static void long_sentences(void **state) {
    (void)state;
    world w;
    begin_task(&w, "token-classification");
    const char *text = "w0 A\nw1 B\nw2 A\nw3 B\nw4 A\n";
    w.options.max_length = 4;
    refused_with(&w, "a.conll", text, BERT_ETOOLONG, "a.conll:1: the text has 7 tokens");
    w.options.overflow = BERT_OVERFLOW_TRUNCATE;
    bert_dataset *d = must(&w, open_text(&w, "a.conll", text));
    assert_int_equal(bert_dataset_size(d), 1);
    assert_int_equal(d->start[1], 4);
    assert_int_equal(d->dropped, 3);
    bert_dataset_free(d);
    w.options.overflow = BERT_OVERFLOW_WINDOW;
    d = must(&w, open_text(&w, "a.conll", text));
    assert_int_equal(bert_dataset_size(d), 3);
    for (int i = 0; i < 5; i++) {
        int64_t at = d->start[i / 2] + 1 + i % 2;
        assert_int_equal(bert_dataset_ints(d, "ids")[at], W + i);
        assert_int_equal(bert_dataset_ints(d, "labels")[at], i % 2);
    }
    bert_dataset_free(d);
    end_task(&w);
}

/* Where the tokenizer truncates left, the end of a text is kept, whatever the task. */
static void ends_are_kept_where_the_checkpoint_says_so(void **state) {
    (void)state;
    static const struct {
        const char *task, *file, *text;
        int32_t max_length, first; /* the first token behind [CLS] */
    } rows[] = {
        {"token-classification", "a.conll", "w0 A\nw1 B\nw2 A\nw3 B\nw4 A\n", 4, W + 3},
        {"masked-lm", "a.txt", "w0 w1 w2 w3 w4 w5 w6 w7\n", 8, W + 2},
        {"sequence-classification", "a.csv", "text,label\nw0 w1 w2 w3 w4,a\nw5,b\n", 4, W + 3},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        world w;
        begin_task(&w, rows[i].task);
        tiny_write(w.dir, "tokenizer_config.json", "{\"truncation_side\": \"left\"}");
        bert_model_close(w.base);
        w.base = bert_model_open(w.dir, &(bert_model_options){.head = "none"}, &w.e);
        w.options.max_length = rows[i].max_length;
        w.options.overflow = BERT_OVERFLOW_TRUNCATE;
        set_option(&w.options, "line_by_line", "true");
        bert_dataset *d = must(&w, open_text(&w, rows[i].file, rows[i].text));
        assert_int_equal(d->start[1], rows[i].max_length);
        assert_int_equal(bert_dataset_ints(d, "ids")[0], CLS);
        assert_int_equal(bert_dataset_ints(d, "ids")[1], rows[i].first);
        assert_int_equal(d->truncated, 1);
        assert_int_equal(d->dropped, rows[i].first - W);
        if (!i) assert_int_equal(bert_dataset_ints(d, "labels")[1], 1); /* B, which w3 has */
        bert_dataset_free(d);
        end_task(&w);
    }
}

static const char squad[] =
    "{\"version\": \"1.1\", \"data\": [{\"title\": \"t\", \"paragraphs\": [{\"context\": "
    "\"w1 w2 \xC3\xA9 w3 w4 w5 w6 w7 w8 w9\", \"qas\": [{\"id\": \"a\", \"question\": \" w0?\", "
    "\"answers\": [{\"text\": \"w3 w4\", \"answer_start\": 8}, {\"text\": \"w4\", "
    "\"answer_start\": 11}]}, {\"id\": \"b\", \"question\": \"w10\", \"answers\": [{\"text\": "
    "\"w9\", \"answer_start\": 26}]}]}]}]}";

static void windows_of_contexts(void **state) {
    (void)state;
    world w;
    begin_task(&w, "question-answering");
    bert_dataset *d = must(&w, open_text(&w, "a.json", squad));
    const bert_questions *q = d->state;
    assert_int_equal(bert_dataset_size(d), 2);
    assert_int_equal(q->count, 2);
    assert_int_equal(q->questions[0].golds, 2);
    assert_false(q->version_2);
    assert_int_equal(bert_dataset_ints(d, "ids")[bert_dataset_ints(d, "start_positions")[0]],
                     W + 3);
    assert_int_equal(bert_dataset_ints(d, "ids")[bert_dataset_ints(d, "end_positions")[0]], W + 4);
    assert_int_equal(
        bert_dataset_ints(d, "ids")[d->start[1] + bert_dataset_ints(d, "start_positions")[1]],
        W + 9);
    bert_model *m = bert_dataset_open_model(d, &w.e);
    if (!m) fail_msg("%s", w.e.message);
    assert_int_equal(bert_model_config(w.base)->num_labels, 3);
    assert_int_equal(bert_model_config(m)->num_labels, 2); /* as transformers loads qa_outputs */
    bert_model_close(m);
    bert_dataset_free(d);
    w.options.max_length = 9; /* [CLS] w0 ? [SEP], then 4 tokens of the context, [SEP] */
    set_option(&w.options, "doc_stride", "2");
    d = must(&w, open_text(&w, "a.json", squad));
    q = d->state;
    int held = 0;
    for (int64_t i = 0; i < d->rows; i++) {
        assert_true(d->start[i + 1] - d->start[i] <= 9);
        assert_true(q->of_row[i] >= (i ? q->of_row[i - 1] : 0));
        if (!bert_dataset_ints(d, "start_positions")[i]) continue;
        held++;
        int32_t at = q->offsets[d->start[i] + bert_dataset_ints(d, "start_positions")[i]][0];
        assert_int_equal(at, q->of_row[i] ? 26 : 8);
    }
    assert_true(held >= 2);
    bert_dataset_free(d);
    refused_with(&w, "b.json", "{\"rows\": []}", BERT_EFORMAT, "\"data\"");
    refused_with(&w, "c.json", "{\"data\": [{\"paragraphs\": [{\"context\": \"w1\"}]}]}",
                 BERT_EFORMAT, "\"qas\"");
    refused_with(
        &w, "d.json",
        "{\"data\": [{\"paragraphs\": [{\"context\": \"w1\", \"qas\": [{\"question\": \"w2\", "
        "\"id\": \"x\", \"answers\": [{\"text\": \"w1\"}]}]}]}]}",
        BERT_EFORMAT, "question x");
    refused_with(&w, "e.json", "{\"data\": []}", BERT_EINVAL, "no rows");
    refused_with(&w, "g.json",
                 "{\"data\": [{\"paragraphs\": [{\"context\": \"w1\", \"qas\": [{\"id\": \"x\", "
                 "\"question\": \"w1 w2 w3 w4 w5 w6 w7 w8\", \"is_impossible\": true}]}]}]}",
                 BERT_EINVAL, "g.json: question x: ");
    end_task(&w);
}

/* exact_match of a window whose best span is the answer, with 4, and no answer at all has 5. */
static double measured(world *w) {
    static const char end[] = "}]}]}]}", impossible[] = ", \"is_impossible\": true";
    char text[1024];
    snprintf(text, sizeof text, "%.*s%s%s", (int)(strlen(squad) - strlen(end)), squad, impossible,
             end);
    bert_dataset *d = must(w, open_text(w, "m.json", text));
    float logits[2 * 64];
    const int32_t n = (int32_t)d->start[1], start[] = {0, n};
    for (int i = 0; i < 2 * n; i++) logits[i] = -5;
    logits[0] = logits[2 * bert_dataset_ints(d, "start_positions")[0]] =
        logits[2 * bert_dataset_ints(d, "end_positions")[0] + 1] = 2;
    logits[1] = 3;
    const int64_t row = 0;
    bert_batch b = {.inputs = {.n = 1, .start = start}, .rows = &row};
    void *state = calloc(1, bert_question_scorer.size);
    double values[8];
    int64_t rows = 0;
    if (bert_question_scorer.update(state, d, &b, logits, 2, &w->e) ||
        bert_question_scorer.compute(state, values, &rows, &w->e))
        fail_msg("%s", w->e.message);
    free(state);
    bert_dataset_free(d);
    assert_int_equal(rows, 1);
    return values[0];
}

static void answers_are_chosen_by_the_options(void **state) {
    (void)state;
    world w;
    begin_task(&w, "question-answering");
    assert_true(measured(&w) == 0); /* none has more */
    set_option(&w.options, "null_score_diff_threshold", "0.5");
    assert_true(measured(&w) == 0);
    set_option(&w.options, "null_score_diff_threshold", "1");
    assert_true(measured(&w) == 100);
    set_option(&w.options, "n_best_size", "1"); /* [CLS] comes before the answer's ends */
    assert_true(measured(&w) == 0);
    set_option(&w.options, "n_best_size", "2");
    assert_true(measured(&w) == 100);
    set_option(&w.options, "max_answer_length", "1"); /* of two tokens */
    assert_true(measured(&w) == 0);
    refused_with(&w, "a.json", (set_option(&w.options, "n_best_size", "101"), squad), BERT_EINVAL,
                 "n_best_size");
    end_task(&w);
}

static void rows_of_endings(void **state) {
    (void)state;
    world w;
    begin_task(&w, "multiple-choice");
    bert_dataset *d = must(&w, open_text(&w, "a.csv",
                                         "sent1,sent2,ending0,ending1,label\nw1,w2,w3,w4 w5,1\n"
                                         "w6,,w7,w8,0\n"));
    w.options.text_column = NULL;
    assert_int_equal(bert_dataset_size(d), 2);
    assert_int_equal(d->group, 2);
    assert_int_equal(d->sequences, 4);
    const int32_t want[] = {CLS, W + 1, SEP, W + 2, W + 3, SEP};
    assert_memory_equal(bert_dataset_ints(d, "ids"), want, sizeof want);
    assert_int_equal(bert_dataset_row_label(d, 0), 1);
    bert_dataset_free(d);
    w.options.text_column = "1";
    d = must(&w, open_text(&w, "a.tsv", "q\tw1\tw2\tw3\tw4\t2\nq\tw1\tw2\tw3\tw4\t0\n"));
    assert_int_equal(d->group, 3);
    bert_dataset_free(d);
    w.options.label_column = "4"; /* and a column after it that holds the same */
    d = must(&w, open_text(&w, "d.tsv", "q\tw1\tw2\tw3\t1\t1\nq\tw1\tw2\tw3\t0\t7\n"));
    assert_int_equal(d->group, 2);
    bert_dataset_free(d);
    w.options.label_column = NULL;
    w.options.overflow = BERT_OVERFLOW_WINDOW;
    refused_with(&w, "a.tsv", "q\tw1\tw2\tw3\t1\n", BERT_EUNSUPPORTED, "windows");
    w.options.overflow = BERT_OVERFLOW_ERROR;
    refused_with(&w, "b.tsv", "q\tw1\tw2\tw3\t2\n", BERT_EINVAL, "0 to 1");
    refused_with(&w, "c.tsv", "q\tw1\tw2\t0\n", BERT_EFORMAT, "no endings");
    w.options.text_column = "sent1";
    refused_with(&w, "e.csv", "sent1,ending0,ending1,label\nw1,w2,w3,0\nw1,w2,,1\n", BERT_EFORMAT,
                 "e.csv:3: ending 1 is empty");
    end_task(&w);
}

/* ---- Masks */

enum { MASK = 4, EPOCHS = 40 };

typedef struct {
    double tokens, hidden, masked, same;
} mask_counts;

static mask_counts count_masks(world *w, const bert_dataset *d) {
    bert_loader_options o = {.batch_size = 8, .shuffle = true, .seed = 3};
    bert_loader *l = bert_loader_new(d, &o, &w->e);
    assert_non_null(l);
    mask_counts c = {0};
    for (int64_t epoch = 0; epoch < EPOCHS; epoch++)
        for (int64_t i = 0; i < bert_loader_batches(l); i++) {
            bert_batch b;
            assert_int_equal(bert_loader_get(l, epoch, i, &b, &w->e), 0);
            assert_int_equal(b.label_count, b.inputs.logit_tokens_count);
            for (int32_t k = 0; k < b.inputs.start[b.inputs.n]; k++)
                c.tokens += b.inputs.ids[k] >= W;
            for (int32_t k = 0, last = -1; k < b.label_count; k++) {
                const int32_t id = b.inputs.ids[b.inputs.logit_tokens[k]];
                assert_true(b.inputs.logit_tokens[k] > last);
                last = b.inputs.logit_tokens[k];
                if (b.labels[k] < 0) {
                    int32_t row = 0; /* only the first of one, for the next sentence */
                    while (b.inputs.start[row] < last) row++;
                    assert_int_equal(b.inputs.start[row], last);
                    continue;
                }
                assert_true(b.labels[k] >= W); /* a special is never hidden */
                c.tokens += id < W;
                c.hidden++;
                c.masked += id == MASK;
                c.same += id == b.labels[k];
            }
        }
    bert_loader_free(l);
    return c;
}

static char *lines_of_words(int documents) {
    char *text = malloc(1 << 16);
    size_t n = 0;
    assert_non_null(text);
    for (int r = 0; r < 60; r++) {
        for (int i = 0; i < 6; i++)
            n += (size_t)snprintf(text + n, (1 << 16) - n, "%sw%d", i ? " " : "",
                                  (tiny_word(r, 0) + i) % TINY_WORDS);
        n += (size_t)snprintf(text + n, (1 << 16) - n, "\n%s", documents && r % 4 == 3 ? "\n" : "");
    }
    return text;
}

static void masks_are_drawn_as_bert_does(void **state) {
    (void)state;
    world w;
    begin_task(&w, "masked-lm");
    char *text = lines_of_words(0);
    set_option(&w.options, "line_by_line", "true");
    bert_dataset *d = must(&w, open_text(&w, "a.txt", text));
    assert_int_equal(bert_dataset_size(d), 60);
    mask_counts c = count_masks(&w, d);
    /* 14,400 tokens: three standard deviations are 0.009 of the first rate, 0.026 of the others */
    assert_float_equal(c.hidden / c.tokens, 0.15, 0.009);
    assert_float_equal(c.masked / c.hidden, 0.8 + 0.1 / TINY_VOCAB, 0.027);
    assert_float_equal(c.same / c.hidden, 0.1 + 0.1 / TINY_VOCAB, 0.021);
    /* Another epoch hides others; the same one the same. */
    bert_loader_options o = {.batch_size = 60, .seed = 3};
    bert_loader *l = bert_loader_new(d, &o, &w.e);
    bert_batch b;
    assert_int_equal(bert_loader_get(l, 0, 0, &b, &w.e), 0);
    size_t bytes = (size_t)b.label_count * sizeof *b.labels;
    int32_t *first = malloc(bytes);
    memcpy(first, b.labels, bytes);
    assert_int_equal(bert_loader_get(l, 1, 0, &b, &w.e), 0);
    assert_true(memcmp(first, b.labels, bytes) != 0);
    assert_int_equal(bert_loader_get(l, 0, 0, &b, &w.e), 0);
    assert_memory_equal(first, b.labels, bytes);
    free(first);
    bert_loader_free(l);
    bert_dataset_free(d);
    w.options.max_length = 8; /* the lines' own length */
    bert_dataset_free(must(&w, open_text(&w, "a.txt", text)));
    refused_with(&w, "c.txt", "w1\nw1 w2 w3 w4 w5 w6 w7\n", BERT_ETOOLONG,
                 "c.txt:2: the text has 9");
    w.options.overflow = BERT_OVERFLOW_WINDOW;
    refused_with(&w, "c.txt", "w1\nw1 w2 w3 w4 w5 w6 w7\n", BERT_EUNSUPPORTED, "windows");
    w.options.overflow = BERT_OVERFLOW_TRUNCATE;
    d = must(&w, open_text(&w, "c.txt", "w1\nw1 w2 w3 w4 w5 w6 w7\n"));
    assert_int_equal(d->dropped, 1);
    bert_dataset_free(d);
    w.options.overflow = BERT_OVERFLOW_ERROR;
    w.options.max_length = 0;
    set_option(&w.options, "line_by_line",
               "false"); /* pieces of 20 tokens, [CLS] and [SEP] of the lines in them */
    d = must(&w, open_text(&w, "a.txt", text));
    assert_int_equal(bert_dataset_size(d), 60 * 8 / TINY_LENGTH);
    for (int64_t i = 0; i < d->rows; i++)
        assert_int_equal(d->start[i + 1] - d->start[i], TINY_LENGTH);
    bert_dataset_free(d);
    set_option(&w.options, "mlm_probability", "0.4");
    set_option(&w.options, "whole_word_mask", "true");
    d = must(&w, open_text(&w, "a.txt", text));
    c = count_masks(&w, d);
    assert_float_equal(c.hidden / c.tokens, 8.0 / 15, 0.02); /* round(20 * 0.4) of 15 words or so */
    bert_dataset_free(d);
    refused_with(&w, "b.txt", "\n \n", BERT_EINVAL, "no text");
    free(text);
    end_task(&w);
}

static void pairs_are_half_random(void **state) {
    (void)state;
    world w;
    begin_task(&w, "pretraining");
    char *text = lines_of_words(1);
    bert_dataset *d = must(&w, open_text(&w, "a.txt", text));
    int64_t random = 0;
    for (int64_t i = 0; i < d->rows; i++) {
        random += bert_dataset_ints(d, "next_sentence_label")[i];
        const int32_t n = (int32_t)(d->start[i + 1] - d->start[i]);
        const int32_t *ids = bert_dataset_ints(d, "ids") + d->start[i],
                      *types = bert_dataset_ints(d, "type_ids") + d->start[i];
        assert_true(n <= TINY_LENGTH && ids[0] == CLS && ids[n - 1] == SEP && types[n - 1] == 1);
    }
    assert_true(random > d->rows / 4 && random < 3 * d->rows / 4);
    bert_dataset_free(d);
    refused_with(&w, "b.txt", "w1 w2\n", BERT_EINVAL, "no two sentences");
    /* One document, with a sentence as long as a row in it. */
    d = must(&w, open_text(&w, "c.txt",
                           "w0 w1 w0 w1 w0 w1 w0 w1 w0 w1 w0 w1 w0 w1 w0 w1 w0 w1\nw2\n"
                           "w3\nw4\n"));
    assert_int_equal(bert_dataset_size(d), 2);
    const int32_t end_of_last = (int32_t)d->start[2];
    assert_int_equal(bert_dataset_ints(d, "ids")[end_of_last - 2], W + 4);
    bert_dataset_free(d);
    free(text);
    end_task(&w);
}

static float *copy_of(bert_tape *t, const bert_tensor *x) {
    const size_t bytes = (size_t)bert_tensor_rows(x) * (size_t)bert_tensor_cols(x) * sizeof(float);
    float *copy = malloc(bytes);
    memcpy(copy, bert_tensor_read(t, x), bytes);
    return copy;
}

/* Logits and loss of the masked tokens alone are those of all tokens, where the rest is ignored;
 * and the losses of two half batches that are added up are the loss of the whole. */
static void logits_of_some_tokens(void **state) {
    (void)state;
    static const char *const tasks[] = {"masked-lm", "pretraining"};
    for (int i = 0; i < 2; i++) {
        world w;
        begin_task(&w, tasks[i]);
        char *text = lines_of_words(1);
        bert_dataset *d = must(&w, open_text(&w, "a.txt", text));
        bert_model *m = bert_dataset_open_model(d, &w.e);
        bert_loader_options lo = {.batch_size = 6, .seed = 3};
        bert_loader *l = bert_loader_new(d, &lo, &w.e);
        bert_tape *t = bert_tape_new(NULL, &w.e);
        bert_batch b;
        assert_true(m && l && t);
        assert_int_equal(bert_loader_get(l, 0, 0, &b, &w.e), 0);
        const int32_t n = b.inputs.logit_tokens_count, tokens = b.inputs.start[b.inputs.n];
        assert_true(n > 6 && n < tokens);
        bert_tensor *some = bert_head_forward(t, m, bert_forward(t, m, &b.inputs), &b);
        bert_tensor *loss = bert_head_loss(t, m, some, &b, 0);
        assert_non_null(loss);
        const int32_t cols = bert_tensor_cols(some);
        float *logits = copy_of(t, some), part = *bert_tensor_read(t, loss);
        assert_int_equal(bert_tensor_rows(some), n);

        int32_t *labels = malloc((size_t)tokens * sizeof *labels), items = 0;
        for (int32_t k = 0; k < tokens; k++) labels[k] = -100;
        for (int32_t k = 0; k < n; k++) {
            labels[b.inputs.logit_tokens[k]] = b.labels[k];
            items += b.labels[k] >= 0;
        }
        bert_batch all = b;
        all.inputs.logit_tokens = NULL;
        all.labels = labels;
        all.label_count = tokens;
        bert_tape_reset(t);
        bert_tensor *every = bert_head_forward(t, m, bert_forward(t, m, &all.inputs), &all);
        assert_int_equal(bert_tensor_rows(every), tokens);
        for (int32_t k = 0; k < n; k++)
            for (int32_t c = 0; c < cols; c++)
                assert_float_equal(logits[k * cols + c],
                                   bert_tensor_read(t, every)[b.inputs.logit_tokens[k] * cols + c],
                                   1e-6);
        const bert_tensor *whole = bert_head_loss(t, m, every, &all, 0);
        assert_non_null(whole);
        assert_float_equal(*bert_tensor_read(t, whole), part, 1e-6);

        double sum = 0;
        lo.batch_size = 3;
        bert_loader *halves = bert_loader_new(d, &lo, &w.e);
        for (int64_t k = 0; k < 2; k++) {
            assert_int_equal(bert_loader_get(halves, 0, k, &b, &w.e), 0);
            b.batches = 2;
            bert_tape_reset(t);
            some = bert_head_forward(t, m, bert_forward(t, m, &b.inputs), &b);
            loss = bert_head_loss(t, m, some, &b, items);
            assert_non_null(loss);
            sum += (double)*bert_tensor_read(t, loss);
        }
        assert_float_equal(sum, part, 1e-5);

        const int32_t beyond = tokens;
        b.inputs.logit_tokens = &beyond;
        b.inputs.logit_tokens_count = 1;
        assert_null(bert_forward(t, m, &b.inputs));
        free(logits);
        free(labels);
        free(text);
        bert_tape_free(t);
        bert_loader_free(halves);
        bert_loader_free(l);
        bert_model_close(m);
        bert_dataset_free(d);
        end_task(&w);
    }
}

/* ---- Each one learns a rule */

static double trained(world *w, bert_dataset *d, int epochs, const char *metric, double *loss) {
    bert_model *m = bert_dataset_open_model(d, &w->e);
    if (!m) fail_msg("%s", w->e.message);
    bert_training_args a = bert_training_default();
    a.num_train_epochs = epochs;
    a.learning_rate = 3e-3;
    a.save_strategy = BERT_STRATEGY_NO;
    bert_trainer *t = bert_trainer_new(m, &a, d, NULL, &w->e);
    if (!t) fail_msg("%s", w->e.message);
    const bert_metrics *before = bert_trainer_evaluate(t, d, &w->e);
    double first = 0, value = 0;
    if (!before) fail_msg("%s", w->e.message);
    assert_true(bert_metrics_find(before, "loss", &first));
    if (bert_trainer_train(t, &w->e)) fail_msg("%s", w->e.message);
    const bert_metrics *after = bert_trainer_evaluate(t, d, &w->e);
    assert_non_null(after);
    assert_true(bert_metrics_find(after, "loss", loss));
    assert_true(*loss < first);
    assert_true(bert_metrics_find(after, metric, &value));
    /* The same without the trainer. */
    bert_metrics *again = bert_evaluate(m, d, NULL, &w->e);
    double same = 0;
    if (!again) fail_msg("%s", w->e.message);
    assert_true(bert_metrics_find(again, metric, &same));
    assert_float_equal(same, value, 0);
    bert_metrics_free(again);
    bert_trainer_free(t);
    bert_model_close(m);
    return value;
}

static void every_task_learns(void **state) {
    (void)state;
    world w;
    char text[16384];
    double loss;
    begin_task(&w, "token-classification");
    size_t n = 0;
    for (int r = 0; r < 40; r++)
        for (int i = 0; i <= 5; i++) {
            int word = tiny_word(r, i);
            n += i == 5 ? (size_t)snprintf(text + n, sizeof text - n, "\n")
                        : (size_t)snprintf(text + n, sizeof text - n, "w%d %s\n", word,
                                           word % 2 ? "B-ODD" : "O");
        }
    bert_dataset *d = must(&w, open_text(&w, "a.conll", text));
    assert_true(trained(&w, d, 10, "f1", &loss) > 0.9);
    bert_dataset_free(d);
    end_task(&w);

    begin_task(&w, "multiple-choice");
    n = (size_t)snprintf(text, sizeof text, "prompt,ending0,ending1,label\n");
    for (int r = 0; r < 60; r++) {
        int right = tiny_word(r, 0) % 2, a = tiny_word(r, 1) % 17, b = tiny_word(r, 2) % 17 + 17;
        n += (size_t)snprintf(text + n, sizeof text - n, "w%d,w%d,w%d,%d\n", r % 35, right ? a : b,
                              right ? b : a, right);
    }
    d = must(&w, open_text(&w, "a.csv", text));
    assert_true(trained(&w, d, 15, "accuracy", &loss) > 0.85);
    bert_dataset_free(d);
    end_task(&w);

    begin_task(&w, "masked-lm");
    char *lines = lines_of_words(0);
    set_option(&w.options, "line_by_line", "true");
    d = must(&w, open_text(&w, "a.txt", lines));
    /* A word follows from its neighbours; by chance 0.03 are right. */
    assert_true(trained(&w, d, 60, "masked_accuracy", &loss) > 0.25);
    bert_dataset_free(d);
    free(lines);
    end_task(&w);

    begin_task(&w, "pretraining");
    lines = lines_of_words(1);
    d = must(&w, open_text(&w, "a.txt", lines));
    trained(&w, d, 5, "next_sentence_accuracy", &loss);
    bert_dataset_free(d);
    free(lines);
    end_task(&w);

    begin_task(&w, "question-answering");
    n = (size_t)snprintf(text, sizeof text, "{\"data\": [{\"paragraphs\": [");
    for (int r = 0; r < 40; r++) {
        int at = r % 4, k;
        n += (size_t)snprintf(text + n, sizeof text - n, "%s{\"context\": \"", r ? "," : "");
        for (k = 0; k < 4; k++)
            n += (size_t)snprintf(text + n, sizeof text - n, "%sw%d", k ? " " : "",
                                  k == at ? 9 : 1 + (r + k) % 8);
        n += (size_t)snprintf(text + n, sizeof text - n,
                              "\", \"qas\": [{\"id\": \"%d\", \"question\": \"w0\", \"answers\": "
                              "[{\"text\": \"w9\", \"answer_start\": %d}]}]}",
                              r, 3 * at);
    }
    snprintf(text + n, sizeof text - n, "]}]}");
    d = must(&w, open_text(&w, "a.json", text));
    assert_true(trained(&w, d, 15, "exact_match", &loss) > 90);
    bert_dataset_free(d);
    end_task(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sentences_of_words),
        cmocka_unit_test(long_sentences),
        cmocka_unit_test(ends_are_kept_where_the_checkpoint_says_so),
        cmocka_unit_test(windows_of_contexts),
        cmocka_unit_test(answers_are_chosen_by_the_options),
        cmocka_unit_test(rows_of_endings),
        cmocka_unit_test(masks_are_drawn_as_bert_does),
        cmocka_unit_test(pairs_are_half_random),
        cmocka_unit_test(logits_of_some_tokens),
        cmocka_unit_test(every_task_learns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
