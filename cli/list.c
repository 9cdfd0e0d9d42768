/* bert list, bert remove: what is in the caches. */
#include "cli.h"
#include <string.h>
#include <time.h>

typedef struct {
    common common;
} arguments;

/* What a model under a head is for. */
static const struct {
    const char *head, *commands;
} uses[] = {
    {"none", "embed, encode, similarity, train"},
    {"sequence-classification", "classify, evaluate, train"},
    {"token-classification", "tag, evaluate, train"},
    {"question-answering", "answer, evaluate, train"},
    {"multiple-choice", "choose, evaluate, train"},
    {"masked-lm", "fill, embed, train"},
    {"next-sentence", "next-sentence, embed, train"},
    {"pretraining", "fill, next-sentence, embed, train"},
};

static void use_of(const bert_model *m, char *out, size_t capacity) {
    static const char last[] = ", train";
    const char *use = bert_model_head(m);
    for (size_t i = 0; i < sizeof uses / sizeof *uses; i++)
        if (!strcmp(uses[i].head, bert_model_head(m))) use = uses[i].commands;
    snprintf(out, capacity, "%s", use);
    const size_t n = strlen(out), k = sizeof last - 1;
    if (is_packed(m) && n > k && !strcmp(out + n - k, last)) out[n - k] = 0;
}

/* A part of the caches as it is shown. */
typedef struct {
    const bert_cached_model *model;
    bool usable;
    char use[512]; /* commands, or why there is none */
} entry;

static entry look(const bert_cached_model *c) {
    entry x = {.model = c};
    bert_error e = {0};
    if (c->lacks) {
        snprintf(x.use, sizeof x.use, "incomplete: %s is missing", c->lacks);
        return x;
    }
    bert_model *m = bert_model_open(c->path, NULL, &e);
    x.usable = m != NULL;
    if (m)
        use_of(m, x.use, sizeof x.use);
    else
        snprintf(x.use, sizeof x.use, "%s", e.message);
    bert_model_close(m);
    return x;
}

static json_t *entry_json(const entry *x) {
    const bert_cached_model *c = x->model;
    json_t *o =
        json_pack("{s:o, s:s, s:s, s:o, s:I, s:b}", "name", json_text(c->name, strlen(c->name)),
                  "commit", c->commit, "refs", c->refs, "path", json_text(c->path, strlen(c->path)),
                  "bytes", (json_int_t)c->bytes, "complete", (int)!c->lacks);
    if (o && c->lacks) json_object_set_new(o, "lacks", json_text(c->lacks, strlen(c->lacks)));
    if (o) json_object_set_new(o, x->usable ? "use" : "problem", json_text(x->use, strlen(x->use)));
    return o;
}

static void print_entry(const entry *x, int width) {
    char size[32], revision[80];
    const bert_cached_model *c = x->model;
    format_bytes(c->bytes, size, sizeof size);
    if (*c->commit)
        snprintf(revision, sizeof revision, "%.20s%s%.7s", c->refs, *c->refs ? " " : "", c->commit);
    else
        snprintf(revision, sizeof revision, "own store");
    print_column(c->name, width);
    printf("  ");
    print_column(revision, 16);
    printf("  %8s  ", size);
    print_column(x->use, 0);
    printf("\n");
}

static int widest(const bert_cached *c) {
    int width = 4;
    for (int i = 0; i < bert_cached_count(c); i++) {
        const int n = columns_of(bert_cached_at(c, i)->name);
        if (n > width) width = n;
    }
    return width;
}

static int list(void *args, int operands, char **operand, bert_error *e) {
    (void)operands, (void)operand;
    const common *c = args;
    bert_cached *cached = bert_cached_open(e);
    if (!cached) return BERT_EIO;
    const int width = widest(cached);
    int rc = 0;
    for (int i = 0; i < bert_cached_count(cached) && !rc; i++) {
        const entry x = look(bert_cached_at(cached, i));
        if (output_json(c))
            rc = output_line(entry_json(&x), e);
        else
            print_entry(&x, width);
    }
    if (!bert_cached_count(cached))
        note(c, "there is no model in the caches; 'bert pull NAME' fetches one");
    bert_cached_close(cached);
    return rc;
}

const command list_command = {
    .name = "list",
    .operands = "",
    .help = "the models in the caches, and what can be done with each",
    .more = "A line is "
            "{\"name\":\"..\",\"commit\":\"..\",\"refs\":\"main\",\"path\":\"..\",\"bytes\":n,\n"
            "\"complete\":true,\"use\":\"embed, ..\"}; \"problem\" says why there is no use.",
    .min_operands = 0,
    .max_operands = 0,
    .groups = TAKES_OUTPUT,
    .size = sizeof(arguments),
    .run = list,
};

typedef struct {
    common common;
    const char *revision;
} remove_arguments;

static const option remove_options[] = {
    {"revision", 0, "R", "only this branch, tag or commit of it (NAME@R is the same)", set_string,
     offsetof(remove_arguments, revision), 0},
    {0},
};

static int remove_model(const remove_arguments *a, const char *operand, bert_error *e) {
    const common *c = &a->common;
    int64_t freed = 0;
    char size[32], name[600];
    if (a->revision && strchr(operand, '@'))
        return fail_usage(e, "%s and --revision are two revisions", operand);
    snprintf(name, sizeof name, "%.300s%s%.250s", operand, a->revision ? "@" : "",
             a->revision ? a->revision : "");
    const int rc = bert_cached_remove(name, &freed, e);
    if (rc) return rc;
    format_bytes(freed, size, sizeof size);
    if (output_json(c))
        return output_line(json_pack("{s:s, s:I}", "name", name, "bytes", (json_int_t)freed), e);
    printf("%s  %s freed\n", name, size);
    return 0;
}

static int remove_models(void *args, int operands, char **operand, bert_error *e) {
    int rc = 0;
    for (int i = 0; i < operands && !rc; i++) rc = remove_model(args, operand[i], e);
    return rc;
}

const command remove_command = {
    .name = "remove",
    .operands = "NAME..",
    .help = "remove models from the caches",
    .more = "All revisions of each, or one (NAME@R); what others share with it stays. A line is\n"
            "{\"name\":\"..\",\"bytes\":n}, what the disk gained.",
    .min_operands = 1,
    .max_operands = -1,
    .groups = TAKES_OUTPUT,
    .options = remove_options,
    .size = sizeof(remove_arguments),
    .run = remove_models,
};
