/* bert pull: a model into the cache, or into a directory. */
#include "pulling.h"
#include <signal.h>
#include <string.h>

typedef struct {
    common common;
    const char *revision, *token_file, *local_dir;
} arguments;

static const option options[] = {
    {"revision", 0, "R", "a branch, tag or commit (default: main; NAME@R is the same)", set_string,
     offsetof(arguments, revision), 0},
    {"token-file", 0, "F",
     "the file that holds the token (default: HF_TOKEN, or what 'hf auth login' left)", set_string,
     offsetof(arguments, token_file), 0},
    {"local-dir", 0, "DIR", "into this directory, not into the cache", set_string,
     offsetof(arguments, local_dir), 0},
    {0},
};

/* ---- Ctrl-C */

static volatile sig_atomic_t interrupted;
static int (*shown)(void *context, const bert_pull_progress *p);

static void interrupt(int signal_number) {
    interrupted = 1;
    signal(signal_number, SIG_DFL); /* a second one does not wait */
}

static int show(void *context, const bert_pull_progress *p) {
    return interrupted ? 1 : shown(context, p);
}

/* Whether it is a name, not the address of a page. */
static bool is_name(const char *operand) {
    const char *slash = strchr(operand, '/');
    return !strchr(operand, ':') && !(slash && strchr(slash + 1, '/') && !strchr(operand, '@'));
}

static int run(void *args, int operands, char **operand, bert_error *e) {
    (void)operands;
    const arguments *a = args;
    bert_pull_options *o = pulling(&a->common);
    bert_pulled got;
    char size[32];
    o->revision = a->revision;
    o->token_file = a->token_file;
    o->local_dir = a->local_dir;
    shown = o->progress;
    o->progress = show;
    signal(SIGINT, interrupt);
    signal(SIGTERM, interrupt);
    int rc = bert_pull(operand[0], o, &got, e);
    pulling_done();
    if (rc == BERT_EINTERRUPTED) {
        bert_error_clear(e);
        fail(e, rc, "interrupted; what has arrived is kept, and 'bert pull %s' goes on from it",
             operand[0]);
    }
    if (rc) return rc;
    if (*got.note) note(&a->common, "%s", got.note);
    const size_t bare = strcspn(operand[0], "@");
    if (is_name(operand[0]) && (strlen(got.name) != bare || strncmp(got.name, operand[0], bare)))
        note(&a->common, "%.*s is %s at the hub now", (int)bare, operand[0], got.name);
    format_bytes(got.fetched, size, sizeof size);
    note(&a->common, "%s, commit %.7s, %d files: %s fetched", got.name, got.commit, got.files,
         size);
    if (!output_json(&a->common)) {
        printf("%s\n", got.path);
        return 0;
    }
    return output_line(json_pack("{s:o, s:s, s:s, s:I, s:I}", "path",
                                 json_text(got.path, strlen(got.path)), "name", got.name,
                                 "revision", got.commit, "bytes", (json_int_t)got.bytes, "fetched",
                                 (json_int_t)got.fetched),
                       e);
}

const command pull_command = {
    .name = "pull",
    .operands = "NAME",
    .help = "fetch a model of the hub into the cache",
    .more =
        "What a model needs and is not there yet: configuration, tokenizer, one form of weights;\n"
        "every content is compared with the digest that the hub lists. An interrupted one goes\n"
        "on where it was. A line is {\"path\":\"..\",\"revision\":\"COMMIT\",\"bytes\":n}.",
    .min_operands = 1,
    .max_operands = 1,
    .groups = TAKES_MODEL | TAKES_OUTPUT,
    .options = options,
    .size = sizeof(arguments),
    .run = run,
};
