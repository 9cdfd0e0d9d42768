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

/* Who may see it is asked where somebody can answer. */
static int ask_visibility(arguments *a, const char *name, bert_error *e) {
    char answer[16] = "";
    if (a->is_private && a->is_public) return fail_usage(e, "--private and --public are two");
    if (a->is_private || a->is_public) return 0;
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
        return fail_usage(e, "--private or --public says who may see %s", name);
    fprintf(stderr, "May everybody see %s? [y/N] ", name);
    a->is_public = fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y');
    a->is_private = !a->is_public;
    return 0;
}

static int run(void *args, int operands, char **operand, bert_error *e) {
    (void)operands;
    arguments *a = args;
    int rc = ask_visibility(a, operand[1], e);
    if (rc) return rc;
    bert_push_options o = bert_push_default();
    bert_pushed done;
    o.is_private = !a->is_public;
    o.revision = a->revision;
    o.token_file = a->token_file;
    o.message = a->message;
    rc = push_directory(&a->common, operand[0], operand[1], &o, &done, e);
    if (rc) return rc;
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
        "One commit of all that differs; the repository is made where it is not there, and\n"
        "--private or --public says who may see it then. Checkpoints and hidden files are left\n"
        "out; what the hub has is not sent again. A line is {\"url\":\"..\",\"commit\":\"..\"}.",
    .min_operands = 2,
    .max_operands = 2,
    .groups = TAKES_OUTPUT,
    .options = options,
    .size = sizeof(arguments),
    .run = run,
};
