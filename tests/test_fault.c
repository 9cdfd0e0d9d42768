/* Every allocation and every writing call failing once, over loading, tokenizing, encoding, reading
 * and saving: a clean error, nothing lost, nothing left behind. */
#include "fault.h"
#include "models.h"
#include "models/model.h"
#include <bert_train.h>
#include <dirent.h>

static char *directory, *model_directory;

static char *in_directory(const char *name) {
    static char path[4400];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static int set_up(void **state) {
    (void)state;
    directory = test_directory();
    model_directory = strdup(in_directory("model"));
    assert_int_equal(bert_make_directory(model_directory, NULL), 0);
    test_model(model_directory, "BertForSequenceClassification", 3, test_labels(3));
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    free(model_directory);
    test_remove(directory);
    return 0;
}

/* Each does its job from nothing to nothing, with one thread; 0 or the error's code. */
typedef int job_fn(bert_error *e);

static int read_rows(bert_error *e) {
    bert_reader_options o = {.labels = true};
    bert_reader *r = bert_reader_open(in_directory("rows.csv"), &o, e);
    if (!r) return e->code;
    bert_row row;
    int rc, n = 0;
    while ((rc = bert_reader_next(r, &row, e)) > 0) n++;
    bert_reader_close(r);
    if (!rc) assert_int_equal(n, 3);
    return rc;
}

static int tokenize(bert_error *e) {
    bert_tokenizer *t = bert_tokenizer_open(model_directory, NULL, e);
    if (!t) return e->code;
    bert_tokenization *enc = bert_tokenization_new(t, e);
    bert_tokenize_options o = bert_tokenize_default();
    o.truncation = BERT_TRUNCATE_LONGEST_FIRST;
    o.max_length = 8;
    o.stride = 2;
    o.overflowing = true;
    static const char text[] =
        "The cat sat on the mat, and the dogs were playing under a tre\xcc\x81"
        "e!";
    int rc = enc ? bert_tokenize(enc, text, sizeof text - 1, "it ran", 6, &o, e) : e->code;
    bert_tokenization_free(enc);
    bert_tokenizer_close(t);
    return rc < 0 ? rc : 0;
}

static int classify(bert_error *e) {
    bert_model *m = bert_model_open(model_directory, NULL, e);
    if (!m) return e->code;
    bert_session_options o = bert_session_default();
    o.threads = 1;
    bert_session *s = bert_session_new(m, &o, e);
    bert_text texts[2] = {bert_text_of("the cat sat"),
                          bert_text_of("a big dog ran under the house")};
    float scores[6], vectors[2 * TEST_HIDDEN];
    int rc = s ? bert_classify(s, texts, 2, NULL, BERT_SCORES_DEFAULT, scores, NULL, e) : e->code;
    if (!rc) rc = bert_embed(s, texts, 2, NULL, vectors, NULL, e);
    if (!rc) assert_true(scores[0] + scores[1] + scores[2] > 0.999f);
    bert_session_free(s);
    bert_model_close(m);
    return rc;
}

static int save(bert_error *e) {
    bert_model *m = bert_model_open(model_directory, NULL, e);
    if (!m) return e->code;
    int rc = bert_model_save(m, in_directory("saved"), e);
    bert_model_close(m);
    return rc;
}

static int save_matrix(bert_error *e) {
    static const float x[6] = {1, 2, 3, 4, 5, 6};
    return bert_save_npy(in_directory("x.npy"), x, 2, 3, e);
}

static int load_matrix(bert_error *e) {
    float *x;
    int64_t rows, cols;
    int rc = bert_load_npy(in_directory("ranges.npy"), &x, &rows, &cols, e);
    free(x);
    return rc;
}

/* An encoder with every kind of module, in a folder of its own. */
static void write_sentences(void) {
    static const struct {
        const char *name, *text;
    } files[] = {
        {"st/modules.json",
         "[{\"type\": \"sentence_transformers.models.Transformer\", \"path\": \"0_T\"}, "
         "{\"type\": \"sentence_transformers.models.Pooling\", \"path\": \"1_P\"}, "
         "{\"type\": \"sentence_transformers.models.Dense\", \"path\": \"2_D\"}, "
         "{\"type\": \"sentence_transformers.models.Normalize\", \"path\": \"3_N\"}]"},
        {"st/1_P/config.json",
         "{\"pooling_mode\": [\"mean\", \"cls\"], \"include_prompt\": false}"},
        {"st/2_D/config.json", "{\"in_features\": 48, \"out_features\": 5}"},
        {"st/config_sentence_transformers.json",
         "{\"prompts\": {\"q\": \"the \"}, \"default_prompt_name\": \"q\"}"},
    };
    static const char *const folders[] = {"st/0_T", "st/1_P", "st/2_D"};
    for (int i = 0; i < 3; i++)
        assert_int_equal(bert_make_directory(in_directory(folders[i]), NULL), 0);
    for (int i = 0; i < 4; i++) test_write(directory, files[i].name, files[i].text);
    test_weights w = {.n = 0};
    test_add_linear(&w, "linear", 5, 48);
    test_write_weights(in_directory("st/2_D"), &w);
    test_weights_free(&w);
    test_model(in_directory("st/0_T"), "BertModel", 0, "");
    static const float x[2] = {1, 2};
    assert_int_equal(bert_save_npy(in_directory("ranges.npy"), x, 2, 1, NULL), 0);
}

static int embed(bert_error *e) {
    bert_model *m = bert_model_open(in_directory("st"), NULL, e);
    if (!m) return e->code;
    bert_session_options o = bert_session_default();
    o.threads = 1;
    bert_session *s = bert_session_new(m, &o, e);
    bert_text texts[2] = {bert_text_of("the cat sat"), bert_text_of("a big dog")};
    float vectors[2 * 5];
    int rc = s ? bert_embed(s, texts, 2, NULL, vectors, NULL, e) : e->code;
    if (!rc) rc = bert_model_save(m, in_directory("saved"), e);
    bert_session_free(s);
    bert_model_close(m);
    return rc;
}

static int rerank(bert_error *e) {
    const bert_model_options mo = {.num_labels = 1, .seed = 1};
    bert_model *m = bert_model_open(model_directory, &mo, e);
    if (!m) return e->code;
    bert_session_options o = bert_session_default();
    o.threads = 1;
    bert_session *s = bert_session_new(m, &o, e);
    bert_text texts[2] = {bert_text_of("the cat sat"), bert_text_of("a big dog")};
    float scores[2];
    int rc =
        s ? bert_rerank(s, &texts[0], texts, 2, NULL, BERT_SCORES_DEFAULT, scores, NULL, NULL, e)
          : e->code;
    bert_session_free(s);
    bert_model_close(m);
    return rc;
}

/* Lists of results, of texts one of which fails. */
static int fill_masks(bert_error *e) {
    bert_model *m = bert_model_open(in_directory("lm"), NULL, e);
    if (!m) return e->code;
    bert_session_options so = bert_session_default();
    so.threads = 1;
    bert_session *s = bert_session_new(m, &so, e);
    bert_text texts[3] = {bert_text_of("the [MASK] sat"), bert_text_of("a dog"),
                          bert_text_of("[MASK] or [MASK]")};
    bert_text_info info[3];
    bert_text_options o = bert_text_default();
    o.keep_going = true;
    const bert_fill_result *r;
    const int32_t *start;
    int n = s ? bert_fill_batch(s, texts, 3, &o, 4, NULL, 0, &r, &start, info, e) : e->code;
    if (n >= 0) assert_int_equal(n, 12);
    if (n >= 0) assert_int_equal(info[1].code, BERT_EINVAL);
    bert_session_free(s);
    bert_model_close(m);
    return n < 0 ? n : 0;
}

static const struct {
    const char *task, *file, *text;
} sets[] = {
    {"sequence-classification", "set.csv",
     "sentence1,sentence2,label\nthe cat,sat,x\na dog,ran,y\nthe house,,x\n"},
    {"token-classification", "set.conll", "the\tO\ncat\tB-x\n\nsat\tO\ndogs\tB-y\nran\tI-y\n"},
    {"question-answering", "set.json",
     "{\"data\":[{\"paragraphs\":[{\"context\":\"the cat sat on the mat\",\"qas\":["
     "{\"id\":\"1\",\"question\":\"cat\",\"answers\":[{\"text\":\"sat\",\"answer_start\":8}]}]}]}]"
     "}"},
    {"multiple-choice", "choice.csv",
     "text,ending0,ending1,label\nthe cat,sat,ran,1\na dog,ran,sat,0\n"},
    {"masked-lm", "set.txt", "the cat sat on the mat\nthe dog ran under the house\n"},
    {"pretraining", "pairs.txt", "the cat sat\nthe dog ran\n\nunder the house\non the mat\n"},
};
enum { SETS = sizeof sets / sizeof *sets };

/* A batch of each task's data. */
static int read_set(const bert_model *base, int i, bert_error *e) {
    bert_dataset_options o = bert_dataset_default();
    o.task = sets[i].task;
    o.overflow = BERT_OVERFLOW_TRUNCATE;
    bert_dataset *d = bert_dataset_open(in_directory(sets[i].file), base, &o, e);
    if (!d) return e->code;
    const bert_loader_options order = {.batch_size = 2, .shuffle = true, .group_by_length = true};
    bert_loader *l = bert_loader_new(d, &order, e);
    bert_batch b;
    int rc = l ? bert_loader_get(l, 0, 0, &b, e) : e->code;
    bert_loader_free(l);
    bert_dataset_free(d);
    return rc;
}

static int read_sets(bert_error *e) {
    const bert_model_options o = {.head = "none"};
    bert_model *base = bert_model_open(model_directory, &o, e);
    int rc = base ? 0 : e->code;
    for (int i = 0; i < SETS && !rc; i++) rc = read_set(base, i, e);
    bert_model_close(base);
    return rc;
}

/* Into a place that is free again afterwards; what failed leaves nothing there. */
static int convert_to(const char *format, const char *name, bert_error *e) {
    bert_convert_options o = bert_convert_default();
    o.format = format;
    const int rc = bert_convert(model_directory, in_directory(name), &o, NULL, e),
              kind = fault_kind;
    fault_kind = FAULT_NONE;
    if (rc == BERT_ENOMEM) assert_int_not_equal(access(in_directory(name), F_OK), 0);
    char command[4500];
    snprintf(command, sizeof command, "rm -rf '%s'", in_directory(name));
    assert_int_equal(system(command), 0);
    fault_kind = kind;
    return rc;
}

static int convert_stored(bert_error *e) {
    return convert_to("safetensors", "other", e);
}

static int convert_packed(bert_error *e) {
    return convert_to("packed", "other", e);
}

static int convert_gguf(bert_error *e) {
    return convert_to("gguf", "other.gguf", e);
}

static const struct {
    const char *name;
    job_fn *job;
    bool writes;
} jobs[] = {
    {"rows", read_rows, false},
    {"tokenize", tokenize, false},
    {"classify", classify, false},
    {"sets", read_sets, false},
    {"save", save, true},
    {"matrix", save_matrix, true},
    {"a matrix", load_matrix, false},
    {"embed", embed, true},
    {"rerank", rerank, false},
    {"fill", fill_masks, false},
    {"convert", convert_stored, true},
    {"pack", convert_packed, true},
    {"gguf", convert_gguf, true},
};
enum { JOBS = sizeof jobs / sizeof *jobs };

static void write_rows(void) {
    static const char text[] = "text,label\n\"a, b\",x\nc,y\n\"d\ne\",x\n";
    assert_int_equal(bert_write_file(in_directory("rows.csv"), text, sizeof text - 1, NULL), 0);
    for (int i = 0; i < SETS; i++)
        assert_int_equal(
            bert_write_file(in_directory(sets[i].file), sets[i].text, strlen(sets[i].text), NULL),
            0);
}

static void every_allocation_fails_once(void **state) {
    (void)state;
    write_rows();
    write_sentences();
    assert_int_equal(bert_make_directory(in_directory("lm"), NULL), 0);
    test_model(in_directory("lm"), "BertForMaskedLM", 0, "");
    for (int j = 0; j < JOBS; j++) {
        bert_error e = {0};
        assert_int_equal(
            jobs[j].job(&e),
            0); /* warms what is made once: the kernel table, the C library's own buffers */
        fault_kind = FAULT_MEMORY;
        long before = fault_calls;
        assert_int_equal(jobs[j].job(&e), 0);
        long n = fault_calls - before;
        assert_true(n > 0);
        /* The first thousand one by one, then in growing steps. */
        for (long k = 1; k <= n; k += 1 + (k > 1000 ? k / 100 : 0)) {
            e = (bert_error){0};
            fault_at = fault_calls + k;
            int rc = jobs[j].job(&e);
            fault_at = 0;
            /* What was only wished for (a cache) may do without. */
            if (rc && rc != BERT_ENOMEM)
                fail_msg("%s: allocation %ld of %ld: %d, %s", jobs[j].name, k, n, rc, e.message);
            if (rc && !e.message[0])
                fail_msg("%s: allocation %ld of %ld: no message", jobs[j].name, k, n);
        }
        fault_kind = FAULT_NONE;
        e = (bert_error){0};
        assert_int_equal(jobs[j].job(&e), 0);
    }
}

static int litter(const char *path) {
    DIR *d = opendir(path);
    if (!d) return 0;
    int n = 0;
    for (struct dirent *f; (f = readdir(d));)
        n += strstr(f->d_name, ".tmp") || strstr(f->d_name, ".new-");
    closedir(d);
    return n;
}

static void every_writing_call_fails_once(void **state) {
    (void)state;
    static const int errors[] = {EIO, ENOSPC, EINTR};
    for (int j = 0; j < JOBS; j++)
        for (int x = 0; x < 3 && jobs[j].writes; x++) {
            bert_error e = {0};
            fault_kind = FAULT_WRITING;
            fault_errno = errors[x];
            long before = fault_calls;
            assert_int_equal(jobs[j].job(&e), 0);
            long n = fault_calls - before;
            assert_true(n > 0);
            for (long k = 1; k <= n; k++) {
                e = (bert_error){0};
                fault_at = fault_calls + k;
                int rc = jobs[j].job(&e);
                fault_at = 0;
                if (errors[x] == EINTR) {
                    if (rc)
                        fail_msg("%s: an interruption of call %ld: %s", jobs[j].name, k, e.message);
                } else if (rc != BERT_EIO || !e.message[0])
                    fail_msg("%s: writing call %ld of %ld: %d, %s", jobs[j].name, k, n, rc,
                             e.message);
                assert_int_equal(litter(directory), 0);
                assert_int_equal(litter(in_directory("saved")), 0);
            }
            fault_kind = FAULT_NONE;
            /* What stands is whole. */
            bert_model *m = bert_model_open(in_directory("saved"), NULL, &(bert_error){0});
            assert_non_null(m);
            bert_model_close(m);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_fails_once),
        cmocka_unit_test(every_writing_call_fails_once),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
