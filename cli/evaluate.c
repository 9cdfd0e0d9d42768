/* bert evaluate: the task's metrics over a labelled file. */
#include "dataset.h"
#include "division.h"
#include "file.h"
#include "report.h"
#include <signal.h>

typedef struct {
    common common;
    bert_dataset_options data;
    const char *metrics, *predictions;
} arguments;

static const option options[] = {
    {"metrics", 0, "NAMES", "by commas: accuracy, f1_macro, .. (default: the task's)", set_string,
     offsetof(arguments, metrics), 0},
    {"predictions", 0, "FILE",
     "write line, text, gold, prediction and score of each row (.jsonl, .csv, .tsv; of "
     "questions also .json, of labelled words .conll)",
     set_string, offsetof(arguments, predictions), 0},
    {0},
};

static bool option_at(int i, option *out) {
    return dataset_option_at(i, offsetof(arguments, data), out);
}

static volatile sig_atomic_t interrupted;

static void interrupt(int signal_number) {
    (void)signal_number;
    interrupted = 1;
}

/* --batch-tokens in rows: of the longest text, or the choices of a mean prompt. */
static int32_t batch_rows(const common *c, const bert_dataset *d, int32_t otherwise) {
    bert_dataset_summary s;
    if (!c->batch_tokens || bert_dataset_summarize(d, &s, NULL)) return otherwise;
    const int64_t mean = s.tokens / s.rows, row = mean > s.length_max ? mean : s.length_max;
    return c->batch_tokens > row ? (int32_t)(c->batch_tokens / row) : 1;
}

static int print(const common *c, const bert_metrics *m, const bert_dataset *d, bert_error *e) {
    if (!output_json(c)) {
        report_columns(m, d);
        return report_tags(m, e);
    }
    int32_t majority;
    double part = report_majority(d, &majority);
    json_t *o = json_object();
    int rc = !o || report_json(o, "", m, d) ||
             json_object_set_new(o, "rows", json_integer(bert_metrics_rows(m)));
    if (!rc && majority >= 0) rc = json_object_set_new(o, "majority_accuracy", json_number(part));
    if (!rc) return output_line(o, e);
    json_decref(o);
    return fail_memory(e);
}

static int run(void *args, int operands, char **operand, bert_error *e) {
    (void)operands;
    const arguments *a = args;
    const common *c = &a->common;
    if (!c->input) return fail_usage(e, "-i FILE says what to evaluate on (.csv, .tsv or .jsonl)");
    if (check_divided(c, c->input, e)) return USAGE;
    bert_evaluate_options eo = bert_evaluate_default();
    eo.threads = c->threads;
    eo.precision = c->precision;
    eo.metrics = a->metrics;
    eo.predictions = a->predictions;
    eo.stop = &interrupted;
    eo.group = c->group;
    int rc = 0;
    signal(SIGINT, interrupt);
    signal(SIGTERM, interrupt);
    if (a->predictions && (rc = may_write(a->predictions, c->input, e))) return rc;
    bert_dataset_options o = dataset_options(c, &a->data);
    o.keep_texts = a->predictions != NULL;
    o.model_labels = true;
    o.group = c->group;
    bert_model *model = open_trained(operand[0], c, e);
    if (model && !bert_model_recipe(model)) o.task = bert_model_head(model);
    rc = division_agree(c->work, model ? 0 : BERT_EINVAL, e);
    bert_dataset *d = rc ? NULL : bert_dataset_open(c->input, model, &o, e);
    bert_metrics *m = NULL;
    if (!rc) rc = division_agree(c->work, d ? 0 : BERT_EINVAL, e);
    if (!rc) {
        dataset_note(c, "evaluated", d);
        eo.batch_size = batch_rows(c, d, eo.batch_size);
        m = bert_evaluate(model, d, &eo, e);
    }
    if (!rc && !m) rc = BERT_EINVAL;
    if (!rc && !c->group->rank) rc = print(c, m, d, e);
    bert_metrics_free(m);
    bert_dataset_free(d);
    bert_model_close(model);
    return rc;
}

const command evaluate_command = {
    .name = "evaluate",
    .operands = "MODEL -i FILE",
    .help = "the task's metrics over a labelled file",
    .more = "On a terminal with the confusion matrix and what always answering the most frequent\n"
            "class would reach; of tags with types, confusions and the worst sentences.\n"
            "A line is {\"loss\":x,\"accuracy\":x,..,\"majority_accuracy\":x}.",
    .min_operands = 1,
    .max_operands = 1,
    .groups = TAKES_MODEL | TAKES_INPUT | TAKES_LABEL | TAKES_LIMIT | TAKES_TASK | TAKES_SESSION |
              TAKES_OUTPUT | TAKES_LINES | TAKES_GROUP,
    .options = options,
    .option_at = option_at,
    .size = sizeof(arguments),
    .run = run,
};
