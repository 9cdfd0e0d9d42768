/* bert convert: a checkpoint in another form. */
#include "cli.h"
#include "progress.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    common common;
    const char *output;
    bert_convert_options convert;
} arguments;

/* "5GB", as transformers reads it: decimal, and binary with an i. */
static int set_size(const option *o, void *target, const char *value, bert_error *e) {
    static const char units[] = "kmgt";
    char *end;
    errno = 0;
    const double number = strtod(value, &end);
    double unit = 1;
    for (size_t i = 0; *end && i < sizeof units - 1; i++) {
        if ((*end | 32) != units[i]) continue;
        const bool binary = end[1] == 'i';
        for (size_t k = 0; k <= i; k++) unit *= binary ? 1024 : 1000;
        end += 1 + binary;
        break;
    }
    if (*end == 'B' || *end == 'b') end++;
    if (end == value || *end || errno || !(number * unit >= 1) || number * unit > 1e18)
        return fail_usage(e, "--%s: '%s' is not a size such as 5GB or 500MB", o->name, value);
    *(int64_t *)target = (int64_t)(number * unit);
    return 0;
}

static const char *list_of(bool dtypes) {
    static char lists[2][300];
    char *list = lists[dtypes];
    size_t n = 0;
    bert_convert_form f;
    for (int i = 0; bert_convert_form_at(i, &f) && n < sizeof lists[0]; i++) {
        n += (size_t)snprintf(list + n, sizeof lists[0] - n, "%s%s%s", i ? "; " : "", f.name,
                              dtypes ? ":" : "");
        for (int k = 0; dtypes && f.dtypes[k] && n < sizeof lists[0]; k++)
            n += (size_t)snprintf(list + n, sizeof lists[0] - n, " %s", f.dtypes[k]);
    }
    return list;
}

static bool option_at(int i, option *out) {
    static char help[2][700];
    if (i == 0) {
        snprintf(help[0], sizeof help[0], "%s (safetensors)", list_of(false));
        *out = (option){
            "format", 0, "NAME", help[0], set_string, offsetof(arguments, convert.format), 0};
    } else if (i == 1) {
        snprintf(help[1], sizeof help[1], "of the weights: %s (as they are stored)", list_of(true));
        *out = (option){"dtype", 0, "NAME", help[1], set_string, offsetof(arguments, convert.dtype),
                        0};
    }
    return i < 2;
}

static const option options[] = {
    {"output", 'o', "OUT",
     "the directory (of gguf: the file) to write; it is not there yet (needed)", set_string,
     offsetof(arguments, output), 0},
    {"max-shard-size", 0, "SIZE", "of a file of weights, larger ones are cut (5GB)", set_size,
     offsetof(arguments, convert.max_shard_size), 0},
    {"drop-unused", 0, NULL, "without weights that no command here uses, another head's say",
     set_true, offsetof(arguments, convert.drop_unused), 0},
    {0},
};

static void defaults(void *args) {
    ((arguments *)args)->convert = bert_convert_default();
}

/* ---- While it runs */

static volatile sig_atomic_t stopped;

static void stop(int signal_number) {
    stopped = 1;
    signal(signal_number, SIG_DFL); /* a second one ends the program at once */
}

static int watch(void *context, int64_t bytes, int64_t total) {
    progress *p = context;
    char bar[32], line[128];
    if (progress_due(p) && total > 0) {
        progress_bar((double)bytes / (double)total, 20, bar);
        snprintf(line, sizeof line, "%s %.0f of %.0f MB", bar, 1e-6 * (double)bytes,
                 1e-6 * (double)total);
        progress_show(p, line);
    }
    return stopped;
}

static int print(const arguments *a, const bert_convert_result *r, bert_error *e) {
    const common *c = &a->common;
    const bool packed = !strcmp(a->convert.format, "packed");
    const char *dtype = a->convert.dtype ? a->convert.dtype : packed ? "int8" : NULL;
    if (r->unused && !a->convert.keep)
        note(c, "%d tensors that no command here uses are kept; --drop-unused leaves them out",
             r->unused);
    if (r->left_out)
        note(c,
             "%d tensors are left out: a GGUF file has no place for poolers and heads but the "
             "classifier",
             r->left_out);
    if (r->normalize_left_out)
        note(
            c,
            "Normalize (modules.json) is left out: a GGUF file has no place for it, and vectors of "
            "length 1 are asked for where it is used (bert embed %s --normalize)",
            a->output);
    if (output_json(c))
        return output_line(json_pack("{s:o, s:s, s:s?, s:i, s:i, s:I}", "path",
                                     json_text(a->output, strlen(a->output)), "format",
                                     a->convert.format, "dtype", dtype, "files", (int)r->files,
                                     "tensors", (int)r->tensors, "bytes", (json_int_t)r->bytes),
                           e);
    printf("%s: %d tensors, %.1f MB%s%s\n", a->output, r->tensors, 1e-6 * (double)r->bytes,
           dtype ? ", " : "", dtype ? dtype : "");
    return 0;
}

static int run(void *args, int operands, char **operand, bert_error *e) {
    (void)operands;
    arguments *a = args;
    if (!a->output) return fail_usage(e, "-o OUT says where the result goes");
    char from[4096];
    int rc = find_model(operand[0], &a->common, true, from, sizeof from, e);
    if (rc) return rc;
    progress p = progress_new(!a->common.quiet);
    bert_convert_result result = {0};
    a->convert.progress = watch;
    a->convert.context = &p;
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    a->convert.task = a->common.task;
    rc = bert_convert(from, a->output, &a->convert, &result, e);
    progress_clear(&p);
    return rc ? rc : print(a, &result, e);
}

const command convert_command = {
    .name = "convert",
    .operands = "MODEL -o OUT",
    .help = "save a model in another format or type of numbers",
    .more =
        "The directory has what save_pretrained writes: config.json with the type, weights under\n"
        "today's names, tokenizer, sentence-transformers' files, model card.\n"
        "A line is "
        "{\"path\":\"..\",\"format\":\"..\",\"dtype\":\"..\",\"files\":n,\"tensors\":n,\"bytes\":n}"
        ".",
    .min_operands = 1,
    .max_operands = 1,
    .groups = TAKES_MODEL | TAKES_TASK | TAKES_OUTPUT,
    .options = options,
    .option_at = option_at,
    .size = sizeof(arguments),
    .defaults = defaults,
    .run = run,
};
