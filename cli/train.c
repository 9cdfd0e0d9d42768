/* bert train: fine-tunes a model on a labelled file. */
#include "dataset.h"
#include "progress.h"
#include "report.h"
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    common common;
    label_options labels;
    const char *train_file, *validation_file;
    bert_training_args training;
    bool eval_is_set, from_scratch;
} arguments;

/* ---- Options: what the trainer's table of arguments says, and the files */

static int set_argument(const option *o, void *target, const char *value, bert_error *e) {
    arguments *a = target;
    if (!strcmp(o->name, "eval-strategy")) a->eval_is_set = true;
    return bert_training_set(&a->training, o->name, value, e);
}

static int set_arguments_file(const option *o, void *target, const char *value, bert_error *e) {
    (void)o;
    arguments *a = target;
    int rc = bert_training_load(&a->training, value, e);
    a->eval_is_set |= a->training.eval_strategy != BERT_STRATEGY_NO;
    return rc;
}

#define TASKS                                                                                      \
    "sequence-classification, token-classification, question-answering, multiple-choice, "         \
    "masked-lm or pretraining"

static bool known_task(const char *name) {
    static const char *const names[] = {"sequence-classification",
                                        "token-classification",
                                        "question-answering",
                                        "multiple-choice",
                                        "masked-lm",
                                        "pretraining"};
    bool known = !name;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        known |= name && !strcmp(names[i], name);
    return known;
}

static const option options[] = {
    {"output-dir", 'o', "DIR", "where checkpoints and the trained model go (needed)", set_argument,
     0, 0},
    {"train-file", 0, "FILE", "labelled texts to train on: .csv, .tsv or .jsonl (needed)",
     set_string, offsetof(arguments, train_file), 0},
    {"validation-file", 0, "FILE",
     "labelled texts to evaluate on, after every epoch unless "
     "--eval-strategy says otherwise",
     set_string, offsetof(arguments, validation_file), 0},
    {"task", 0, "NAME", TASKS " (the first)", set_string, offsetof(arguments, labels.task), 0},
    LABEL_OPTIONS(arguments),
    {"problem-type", 0, "NAME",
     "single_label_classification, multi_label_classification or "
     "regression (default: by the labels)",
     set_string, offsetof(arguments, labels.problem_type), 0},
    {"from-scratch", 0, NULL,
     "random weights: MODEL gives the configuration and the tokenizer only", set_true,
     offsetof(arguments, from_scratch), 0},
    {"args", 0, "FILE", "the options below from a JSON file", set_arguments_file, 0, 0},
    {0},
};

/* How --help shows the type of a value. */
static const char *shown_type(const char *type) {
    static const char *const shown[][2] = {{"number", "X"}, {"integer", "N"}, {"text", "TEXT"}};
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
        if (!strcmp(type, shown[i][0])) return shown[i][1];
    return type; /* "linear|cosine|.." */
}

static bool option_at(int i, option *out) {
    enum { ROWS = 96, NAME = 48 };
    static char names[ROWS][NAME]; /* with dashes; outlive the option that points to them */
    static char helps[ROWS][160];
    bert_training_arg row;
    for (int k = 0; k < ROWS && bert_training_arg_at(k, &row); k++) {
        if (!strcmp(row.name, "output_dir")) {
            i++;
            continue;
        }
        if (k != i) continue;
        snprintf(names[k], NAME, "%s", row.name);
        for (char *s = names[k]; *s; s++)
            if (*s == '_') *s = '-';
        snprintf(helps[k], sizeof helps[k], "%s%s%s%s", row.help, *row.fallback ? " (" : "",
                 row.fallback, *row.fallback ? ")" : "");
        *out = (option){
            .name = names[k], .value = shown_type(row.type), .help = helps[k], .set = set_argument};
        return true;
    }
    return false;
}

static void defaults(void *args) {
    arguments *a = args;
    a->training = bert_training_default();
}

/* ---- What is on the screen while it trains */

typedef struct {
    const common *common;
    progress bar;
    double loss;     /* smoothed */
    double loss_sum; /* since the latest evaluation */
    int64_t loss_steps;
    int64_t evaluated_step;
    bool header, final; /* final: evaluations are of the finished model */
    double train_loss, runtime;
} screen;

static void draw(screen *s, const bert_trainer_state *t, bool evaluating) {
    enum { NARROW = 10, WIDE = 30 };
    char line[256], rest[160], bar[WIDE + 1], left[32];
    double part = t->max_steps ? (double)t->global_step / (double)t->max_steps : 1;
    if (!progress_due(&s->bar)) return;
    progress_time(t->seconds_left, left, sizeof left);
    int n = snprintf(rest, sizeof rest, "%3.0f%%  step %lld/%lld  loss %.4f  lr %.1e  %.0f tok/s  ",
                     100 * part, (long long)t->global_step, (long long)t->max_steps, s->loss,
                     t->learning_rate, t->tokens_per_second);
    if (evaluating)
        n += snprintf(rest + n, sizeof rest - (size_t)n, "evaluating %lld/%lld",
                      (long long)t->eval_batch, (long long)t->eval_batches);
    else
        n += snprintf(rest + n, sizeof rest - (size_t)n, "%s left", left);
    int room = progress_width(&s->bar) - n - 18; /* "epoch 10.0/10 ", and a blank at the end */
    if (room >= NARROW) progress_bar(part, room > WIDE ? WIDE : room, bar);
    snprintf(line, sizeof line, "epoch %.1f/%g %s%s%s", t->epoch, t->num_train_epochs,
             room < NARROW ? "" : bar, room < NARROW ? "" : " ", rest);
    progress_show(&s->bar, line);
}

/* Width of a metric's column in the table of evaluations. */
static int column_width(const bert_metrics *m, int i) {
    int n = (int)strlen(bert_metrics_name(m, i)) + (i ? 0 : 5); /* "eval " before the first */
    return n < 8 ? 10 : n + 2;
}

static void evaluation_row(screen *s, const bert_trainer_state *t) {
    const bert_metrics *m = t->metrics;
    s->evaluated_step = t->global_step;
    if (!m || s->final || s->common->quiet) return;
    int n = 0, used = 36, width = progress_width(&s->bar);
    while (n < bert_metrics_count(m) && used + column_width(m, n) < width)
        used += column_width(m, n++);
    progress_clear(&s->bar);
    if (!s->header) {
        fprintf(stderr, "\n%6s %7s %11s", "epoch", "step", "train loss");
        for (int i = 0; i < n; i++) {
            char name[80];
            snprintf(name, sizeof name, "%s%s", i ? "" : "eval ", bert_metrics_name(m, i));
            fprintf(stderr, "%*s", column_width(m, i), name);
        }
        fprintf(stderr, "%9s\n", "seconds");
        s->header = true;
    }
    fprintf(stderr, "%6.2f %7lld ", t->epoch, (long long)t->global_step);
    if (s->loss_steps)
        fprintf(stderr, "%11.4f", s->loss_sum / (double)s->loss_steps);
    else
        fprintf(stderr, "%11s", "-");
    for (int i = 0; i < n; i++)
        fprintf(stderr, bert_metrics_value(m, i) < 1e4 ? "%*.4f" : "%*.4g", column_width(m, i),
                bert_metrics_value(m, i));
    fprintf(stderr, "%9.1f\n", t->seconds);
    s->loss_sum = 0;
    s->loss_steps = 0;
}

static unsigned watch(void *context, bert_event event, const bert_trainer_state *t) {
    screen *s = context;
    switch (event) {
    case BERT_ON_STEP_END:
        s->loss = s->loss_steps || s->header ? 0.9 * s->loss + 0.1 * t->loss : t->loss;
        s->loss_sum += t->loss;
        s->loss_steps++;
        draw(s, t, false);
        break;
    case BERT_ON_PREDICTION_STEP:
        draw(s, t, true);
        break;
    case BERT_ON_EVALUATE:
        evaluation_row(s, t);
        break;
    case BERT_ON_LOG:
        for (int i = 0; i < t->log_count; i++) {
            if (!strcmp(t->log_name[i], "train_loss")) s->train_loss = t->log_value[i];
            if (!strcmp(t->log_name[i], "train_runtime")) s->runtime = t->log_value[i];
        }
        break;
    default:
        break;
    }
    return 0;
}

/* ---- Ctrl-C */

static bert_trainer *volatile running;

static void stop(int signal_number) {
    bert_trainer *t = running;
    if (t) bert_trainer_stop(t);
    signal(signal_number, SIG_DFL); /* a second one ends the program at once */
}

static int train(bert_trainer *t, screen *s, bert_error *e) {
    running = t;
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    int rc = bert_trainer_train(t, e);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    running = NULL;
    progress_clear(&s->bar);
    return rc;
}

/* ---- From files to a trained model */

typedef struct {
    bert_model *base, *model;
    bert_dataset *train, *validation;
    bert_trainer *trainer;
} job;

static void job_free(job *j) {
    bert_trainer_free(j->trainer);
    bert_model_close(j->model);
    bert_dataset_free(j->validation);
    bert_dataset_free(j->train);
    bert_model_close(j->base);
}

/* A loss that counts rows learns little of a class that has few. */
static void imbalance_note(const arguments *a, const bert_dataset *d) {
    enum { TIMES = 5 };
    int64_t most = 0, least = INT64_MAX;
    int32_t rare = 0, usual = 0, n = bert_dataset_num_labels(d);
    if (strcmp(bert_dataset_problem_type(d), "single_label_classification")) return;
    for (int32_t i = 0; i < n; i++) {
        const int64_t rows = bert_dataset_label_rows(d, i);
        if (rows > most) most = rows, usual = i;
        if (rows < least) least = rows, rare = i;
    }
    if (n < 2 || least * TIMES > most) return;
    note(&a->common, "%-10s unbalanced: %lld %s beside %lld %s%s", "", (long long)least,
         bert_dataset_label(d, rare), (long long)most, bert_dataset_label(d, usual),
         *a->training.class_weights ? "" : "; --class-weights auto makes up for it");
}

static int open_data(arguments *a, job *j, bert_error *e) {
    const common *c = &a->common;
    bert_dataset_options o = dataset_options(c, &a->labels);
    j->train = bert_dataset_open(a->train_file, j->base, &o, e);
    if (!j->train) return BERT_EINVAL;
    dataset_note(c, "train", j->train);
    imbalance_note(a, j->train);
    if (!a->validation_file) return 0;
    o.like = j->train;
    j->validation = bert_dataset_open(a->validation_file, j->base, &o, e);
    if (!j->validation) return BERT_EINVAL;
    dataset_note(c, "validation", j->validation);
    int64_t same = bert_dataset_duplicates(j->train, j->validation, e);
    if (same < 0) return (int)same;
    if (same)
        note(c, "%lld rows of the validation file are also in the training file", (long long)same);
    if (!a->eval_is_set) a->training.eval_strategy = BERT_STRATEGY_EPOCH;
    return 0;
}

/* What the checkpoint lacks and starts at random, or holds and this task has no use for. */
static void tensors_note(const common *c, const char *what,
                         const char *(*name)(const bert_model *m, int i), const bert_model *m) {
    enum { SHOWN = 4 };
    char list[300] = "";
    size_t used = 0;
    int n = 0;
    for (const char *s; (s = name(m, n)); n++)
        if (n < SHOWN && used < sizeof list)
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%.60s", n ? ", " : "", s);
    if (n > SHOWN && used < sizeof list)
        snprintf(list + used, sizeof list - used, " and %d more", n - SHOWN);
    if (n) note(c, "%-10s %s", what, list);
}

static int open_job(arguments *a, const char *name, job *j, screen *s, bert_error *e) {
    bert_model_options base = bert_model_default();
    base.head = "none";
    base.from_scratch = a->from_scratch;
    j->base = bert_model_open(name, &base, e);
    int rc = j->base ? open_data(a, j, e) : BERT_EINVAL;
    if (rc) return rc;
    bert_model_options o = bert_dataset_model(j->train);
    o.seed = (uint64_t)a->training.seed;
    o.from_scratch = a->from_scratch;
    j->model = bert_model_open(bert_model_path(j->base), &o, e);
    if (!j->model) return BERT_EINVAL;
    note(&a->common, "%-10s %s, %.1f M parameters", "model", bert_model_path(j->base),
         1e-6 * (double)bert_model_parameter_count(j->model));
    tensors_note(&a->common, "new", bert_model_new_parameter, j->model);
    tensors_note(&a->common, "unused", bert_model_unused_tensor, j->model);
    j->trainer = bert_trainer_new(j->model, &a->training, j->train, j->validation, e);
    return j->trainer ? bert_trainer_add_callback(j->trainer, watch, s, e) : BERT_EINVAL;
}

/* What the saved model reaches, which need not be the last row of the table. */
static int finish(const arguments *a, job *j, screen *s, bert_error *e) {
    const bert_trainer_state *t = bert_trainer_get_state(j->trainer);
    int64_t step = t->best_global_step && a->training.load_best_model_at_end ? t->best_global_step
                                                                             : t->global_step;
    const bert_metrics *m = s->evaluated_step == step ? t->metrics : NULL;
    if (!m && j->validation && !(m = bert_trainer_evaluate(j->trainer, j->validation, e)))
        return BERT_EINVAL;
    progress_clear(&s->bar);
    int rc = bert_trainer_save(j->trainer, e);
    if (rc) return rc;
    if (!output_json(&a->common)) {
        printf("\nsaved in %s after %lld steps, %.1f s", a->training.output_dir,
               (long long)t->global_step, s->runtime);
        if (a->training.load_best_model_at_end && t->best_global_step)
            printf("; the best step was %lld", (long long)t->best_global_step);
        printf("\n");
        for (int i = 0; m && i < bert_metrics_count(m); i++)
            printf("%s%s %.4f", i ? ", " : "validation: ", bert_metrics_name(m, i),
                   bert_metrics_value(m, i));
        if (m) printf("\n");
        return 0;
    }
    json_t *o =
        json_pack("{s:s, s:I, s:o, s:o, s:o}", "output_dir", a->training.output_dir, "global_step",
                  (json_int_t)t->global_step, "epoch", json_number(t->epoch), "train_loss",
                  json_number(s->train_loss), "train_runtime", json_number(s->runtime));
    if (o && m) report_json(o, "eval_", m);
    return output_line(o, e);
}

/* Of a run that was stopped. */
static void say_where(const arguments *a, const bert_trainer_state *t, bert_error *e) {
    const bool saved = t->checkpoint && *t->checkpoint;
    const char *what = "the last complete state is ",
               *then = ", and --resume-from-checkpoint last goes on from it";
    if (saved && a->training.save_only_model) {
        what = "the model is in ";
        then = ", which cannot be resumed, as --save-only-model is true";
    } else if (!saved) {
        what = "nothing was saved";
        then = a->training.save_strategy == BERT_STRATEGY_NO ? ", as --save-strategy is no" : "";
    }
    bert_error_clear(e);
    fail(e, BERT_EINTERRUPTED, "stopped after step %lld of %lld; %s%s%s", (long long)t->global_step,
         (long long)t->max_steps, what, saved ? t->checkpoint : "", then);
}

static int run(void *args, int operands, char **operand, bert_error *e) {
    (void)operands;
    arguments *a = args;
    const common *c = &a->common;
    if (!a->train_file || !*a->training.output_dir) {
        fail(e, BERT_EINVAL, "%s is needed", a->train_file ? "-o DIR" : "--train-file FILE");
        return EXIT_USAGE;
    }
    if (!known_task(a->labels.task))
        return fail(e, EXIT_USAGE, "--task is %s, not '%s'", TASKS, a->labels.task);
    if (!a->validation_file && a->training.eval_strategy != BERT_STRATEGY_NO) {
        fail(e, BERT_EINVAL, "--eval-strategy needs a --validation-file");
        return EXIT_USAGE;
    }
    job j = {0};
    screen s = {.common = c, .bar = progress_new(!c->quiet)};
    int rc = open_job(a, operand[0], &j, &s, e);
    if (!rc) rc = train(j.trainer, &s, e);
    if (rc == BERT_EINTERRUPTED) say_where(a, bert_trainer_get_state(j.trainer), e);
    s.final = true;
    if (!rc) rc = finish(a, &j, &s, e);
    progress_clear(&s.bar);
    job_free(&j);
    return rc;
}

const command train_command = {
    .name = "train",
    .operands = "MODEL --train-file FILE -o DIR",
    .help = "fine-tune on a labelled file, or pretrain on raw text",
    .more =
        "Labels are classes, numbers (regression) or several at once (multi-label). Ctrl-C ends\n"
        "after the step that is running and leaves a checkpoint. The line at the end is\n"
        "{\"output_dir\":\"..\",\"global_step\":n,\"train_loss\":x,\"eval_accuracy\":x,..}.",
    .min_operands = 1,
    .max_operands = 1,
    .groups = TAKES_COLUMNS | TAKES_LABEL | TAKES_LIMIT | TAKES_OUTPUT,
    .options = options,
    .option_at = option_at,
    .instead = bert_training_instead,
    .size = sizeof(arguments),
    .defaults = defaults,
    .run = run,
};
