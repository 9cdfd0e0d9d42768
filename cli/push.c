/* bert push: a model's directory to the hub. */
#include "pushing.h"
#include <string.h>
#include <unistd.h>

typedef struct {
    common common;
    bool is_private, is_public;
    const char *revision, *token_file, *message;
} arguments;

static const option options[] = {
    {"private", 0, NULL, "a repository that is made is seen by its owner only", set_true,
     offsetof(arguments, is_private), 0},
    {"public", 0, NULL, "it is seen by everybody", set_true, offsetof(arguments, is_public), 0},
    {"revision", 0, "R", "an existing branch (default: main)", set_string,
     offsetof(arguments, revision), 0},
    {"token-file", 0, "F",
     "the file that holds the token (default: HF_TOKEN, or what 'hf auth login' left)", set_string,
     offsetof(arguments, token_file), 0},
    {"message", 'm', "TEXT", "of the commit", set_string, offsetof(arguments, message), 0},
    {0},
};

/* Nobody said who may see a repository that is to be made. */
static bool unsaid;

/* Who may see it is asked where somebody can answer. */
static int ask_visibility(void *context, const char *name, bool *is_private, bert_error *e) {
    char answer[16] = "";
    (void)context;
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
        unsaid = true;
        return fail(e, BERT_EINVAL,
                    "%s is not there yet: --private or --public says who may see it", name);
    }
    fprintf(stderr, "%s is made. May everybody see it? [y/N] ", name);
    *is_private = !fgets(answer, sizeof answer, stdin) || (answer[0] != 'y' && answer[0] != 'Y');
    return 0;
}

static int run(void *args, int operands, char **operand, bert_error *e) {
    (void)operands;
    arguments *a = args;
    if (a->is_private && a->is_public) return fail_usage(e, "--private and --public are two");
    bert_push_options o = bert_push_default();
    bert_pushed done;
    o.is_private = !a->is_public;
    o.revision = a->revision;
    o.token_file = a->token_file;
    o.message = a->message;
    if (!a->is_private && !a->is_public) o.visibility = ask_visibility;
    const int rc = push_directory(&a->common, operand[0], operand[1], &o, &done, e);
    if (rc) return unsaid ? USAGE : rc;
    note(&a->common, "%d files, %d of them large ones that the hub did not have", done.files,
         done.uploaded);
    if (!output_json(&a->common)) {
        printf("%s\n", done.url);
        return 0;
    }
    return output_line(json_pack("{s:s, s:s}", "url", done.url, "commit", done.commit), e);
}

const command push_command = {
    .name = "push",
    .operands = "DIR NAME",
    .help = "upload a model's directory to the hub",
    .more =
        "One commit of all that differs; the repository is made where it is not there: then\n"
        "--private or --public says who may see it. Checkpoints and hidden files are left\n"
        "out; what the hub has is not sent again. A line is {\"url\":\"..\",\"commit\":\"..\"}.",
    .min_operands = 2,
    .max_operands = 2,
    .groups = TAKES_OUTPUT,
    .options = options,
    .size = sizeof(arguments),
    .run = run,
};
