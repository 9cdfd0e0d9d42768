/* bert train: fine-tunes a model on a labelled file. */
#include "commands.h"
#include "dataset.h"
#include "group.h"
#include "pulling.h"
#include "pushing.h"
#include "recipe.h"
#include "report.h"
#include "train_notes.h"
#include "train_screen.h"
#include "train_tasks.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* Files that are read as one. */
typedef struct {
    const char **name; /* [n], then NULL */
    int n;
    bool
        of_args; /* said in --args: what is said after that counts instead, and the other way round */
} file_names;

static const char *first_of(const file_names *f) {
    return f->n ? f->name[0] : NULL;
}

static const char *const *more_of(const file_names *f) {
    return f->n ? f->name + 1 : NULL;
}

static int add_file(file_names *f, const char *name, bert_error *e) {
    const char **larger = realloc(f->name, ((size_t)f->n + 2) * sizeof *larger);
    if (!larger) return fail_memory(e);
    f->name = larger;
    f->name[f->n++] = name;
    f->name[f->n] = NULL;
    return 0;
}

/* A recipe's, where there are none. */
static int add_files(file_names *f, const char *const *names, bert_error *e) {
    int rc = 0;
    for (int i = 0; names && names[i] && !rc; i++) rc = add_file(f, names[i], e);
    return rc;
}

typedef struct {
    common common;
    bert_dataset_options data;
    file_names train, validation;
    const char *recipe_file;
    bool in_args;                  /* options of --args are being set */
    bert_data_split_options split; /* part 0: none */
    bert_training_args training;
    given_arguments given;
    bool eval_is_set, from_scratch;
    char taken[400]; /* what of --args has another name here */
    bool push_to_hub, hub_private, profile_comm;
    const char *hub_model_id;
} arguments;

/* ---- Options: what the trainer's table of arguments says, and the files */

static int set_argument(const option *o, void *target, const char *value, bert_error *e) {
    arguments *a = target;
    if (!strcmp(o->name, "eval-strategy")) a->eval_is_set = true;
    given_add(&a->given, o->name);
    return bert_training_set(&a->training, o->name, value, e);
}

/* A JSON scalar as it would be typed; NULL: it is none. */
static const char *typed_value(const json_t *v, char *text, size_t capacity) {
    if (json_is_string(v)) return json_string_value(v);
    if (json_is_boolean(v)) return json_is_true(v) ? "true" : "false";
    if (json_is_integer(v))
        snprintf(text, capacity, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
    else if (json_is_real(v))
        snprintf(text, capacity, "%.17g", json_real_value(v));
    else
        return NULL;
    return text;
}

/* Said once all is read, --quiet too. */
static void note_taken(arguments *a, const char *name, const char *ours) {
    const size_t n = strlen(a->taken);
    snprintf(a->taken + n, sizeof a->taken - n, "%s%s is taken as %s", n ? ", " : "", name, ours);
}

static int set_other_option(arguments *a, const char *name, const json_t *v, bert_error *e);

/* A list: of files, of which there may be several. */
static int set_each(arguments *a, const char *name, const json_t *list, bert_error *e) {
    const bert_foreign f = bert_training_foreign(name, "FILE");
    const bool files = f.kind == BERT_FOREIGN_TAKEN &&
                       (!strcmp(f.name, "train_file") || !strcmp(f.name, "validation_file"));
    const json_t *one;
    size_t i;
    int rc = 0;
    json_array_foreach(list, i, one) {
        if (files && !rc) rc = set_other_option(a, name, one, e);
    }
    return rc;
}

/* What the file says that is an option of ours but no training argument: files, columns, lengths.
 */
static int set_other_option(arguments *a, const char *name, const json_t *v, bert_error *e) {
    static json_t *kept; /* strings that options point to */
    char text[64];
    const char *value = typed_value(v, text, sizeof text);
    if (!kept) kept = json_array();
    if (value && json_array_append_new(kept, json_string(value))) return fail_memory(e);
    if (value) value = json_string_value(json_array_get(kept, json_array_size(kept) - 1));
    if (json_is_array(v)) return set_each(a, name, v, e);
    const bert_foreign f = bert_training_foreign(name, value ? value : "");
    if (!value || f.kind != BERT_FOREIGN_TAKEN) return 0;
    if (strcmp(f.name, name)) note_taken(a, name, f.name);
    if (bert_training_get(&a->training, f.name, (char[8]){0}, 8) >= 0) return 0;
    if (f.also && a->common.overflow == BERT_OVERFLOW_ERROR)
        a->common.overflow = BERT_OVERFLOW_TRUNCATE;
    return options_set(&train_command, a, f.name, f.value ? f.value : value, e);
}

static int set_arguments_file(const option *o, void *target, const char *value, bert_error *e) {
    (void)o;
    arguments *a = target;
    int rc = bert_training_load(&a->training, value, e);
    a->eval_is_set |= a->training.eval_strategy != BERT_STRATEGY_NO;
    if (rc) return rc;
    json_t *file = json_load_file(value, 0, NULL), *v;
    const char *name;
    if (!file) return fail(e, BERT_EFORMAT, "%s: is not plain JSON", value);
    a->in_args = true;
    json_object_foreach(file, name, v) {
        if (!rc) rc = set_other_option(a, name, v, e);
    }
    a->in_args = false;
    json_decref(file);
    return rc;
}

static int set_part(const option *o, void *target, const char *value, bert_error *e) {
    bert_data_split_options *split = target;
    char *end;
    split->part = strtod(value, &end);
    if (end != value && !*end && split->part > 0 && split->part < 1) return 0;
    return fail(e, BERT_EINVAL, "--%s is a part of the rows between 0 and 1, not '%s'", o->name,
                value);
}

static int set_file(const option *o, void *target, const char *value, bert_error *e) {
    arguments *a = target;
    file_names *f = !strcmp(o->name, "train-file") ? &a->train : &a->validation;
    if (f->of_args != a->in_args) f->n = 0;
    f->of_args = a->in_args;
    return add_file(f, value, e);
}

static const option options[] = {
    {"output-dir", 'o', "DIR", "where checkpoints and the trained model go (needed)", set_argument,
     0, 0},
    {"train-file", 0, "FILE",
     "labelled texts to train on: .csv, .tsv or .jsonl (needed); again and again, or a pattern in "
     "quotes (\"part-*.csv\"): several that are read as one",
     set_file, 0, 0},
    {"validation-file", 0, "FILE",
     "labelled texts to evaluate on, after every epoch unless "
     "--eval-strategy says otherwise; several as of --train-file",
     set_file, 0, 0},
    {"recipe", 0, "FILE",
     "the head, the columns that it reads and what it learns, in JSON (docs/heads.md); MODEL "
     "replaces its encoder, and options overrule it",
     set_string, offsetof(arguments, recipe_file), 0},
    {"validation-split", 0, "PART",
     "instead of a validation file: this part of the rows (0.1), drawn from the seed, each label "
     "in "
     "its proportion",
     set_part, offsetof(arguments, split), 0},
    {"group-column", 0, "NAME",
     "with --validation-split: rows with the same value there (a patient) are on the same side",
     set_string, offsetof(arguments, split.group_column), 0},
    {"problem-type", 0, "NAME",
     "single_label_classification, multi_label_classification or "
     "regression (default: by the labels)",
     set_string, offsetof(arguments, data.problem_type), 0},
    {"from-scratch", 0, NULL,
     "random weights: MODEL gives the configuration and the tokenizer only", set_true,
     offsetof(arguments, from_scratch), 0},
    {"push-to-hub", 0, NULL, "upload the trained model to the hub (the token: HF_TOKEN)", set_true,
     offsetof(arguments, push_to_hub), 0},
    {"hub-model-id", 0, "NAME", "the repository (default: what DIR is called)", set_string,
     offsetof(arguments, hub_model_id), 0},
    {"hub-private-repo", 0, NULL, "its owner only sees it, where it is made (default; or false)",
     set_true, offsetof(arguments, hub_private), 0},
    {"profile-comm", 0, NULL,
     "under mpirun: how long each process computed, waited, and had something on the wire",
     set_true, offsetof(arguments, profile_comm), 0},
    {"args", 0, "FILE", "the options below from a JSON file", set_arguments_file, 0, 0},
    {0},
};

static bool task_option(option *out) {
    static char help[640];
    snprintf(help, sizeof help, "%s (the first)", task_names());
    *out = (option){"task", 0, "NAME", help, set_string, offsetof(arguments, data.task), 0};
    return true;
}

static bool training_option_at(int i, option *out) {
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

/* The task, the options of tasks, training arguments. */
static bool option_at(int i, option *out) {
    int of_data = 0;
    bert_dataset_option o;
    if (i == 0) return task_option(out);
    if (dataset_option_at(i - 1, offsetof(arguments, data), out)) return true;
    while (bert_dataset_option_at(of_data, &o)) of_data++;
    return training_option_at(i - 1 - of_data, out);
}

static void defaults(void *args) {
    arguments *a = args;
    a->training = bert_training_default();
    a->hub_private = true;
}

/* ---- Ctrl-C, and signals that ask for the same */

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
    signal(SIGUSR1, stop); /* which mpirun passes on at once, and sets no deadline after */
    int rc = bert_trainer_train(t, e);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGUSR1, SIG_DFL);
    running = NULL;
    progress_clear(&s->bar);
    return rc;
}

/* ---- From files to a trained model */

typedef struct {
    bert_recipe *recipe;
    bert_model *base, *model;
    bert_data_split *split;
    bert_dataset *train, *validation;
    task_list tasks; /* or several of them, over the base */
    bert_trainer *trainer;
} job;

static void job_free(job *j) {
    bert_trainer_free(j->trainer);
    bert_model_close(j->model);
    bert_dataset_free(j->validation);
    bert_dataset_free(j->train);
    bert_data_split_free(j->split);
    tasks_free(&j->tasks);
    bert_model_close(j->base);
    bert_recipe_free(j->recipe);
}

/* What the recipe says, where no option does. */
static int open_recipe(arguments *a, job *j, bert_error *e) {
    if (!a->recipe_file) return 0;
    bert_recipe *r = j->recipe = open_recipe_with(a->recipe_file, &a->common, &a->data, e);
    if (!r) return BERT_EINVAL;
    const char *metric = bert_recipe_value(r, "metric");
    if (bert_recipe_task_at(r, 0)) {
        if (a->train.n || a->validation.n || a->split.part > 0)
            return fail_usage(e,
                              "the tasks of %s say their files: no --train-file, --validation-file "
                              "or --validation-split",
                              a->recipe_file);
        const char *validation = tasks_validation(r);
        int rc = add_file(&a->train, a->recipe_file, e);
        if (!rc && validation) rc = add_file(&a->validation, validation, e);
        return rc ? rc : tasks_arguments(r, &a->training, e);
    }
    a->data.recipe = r;
    int rc = a->train.n ? 0 : add_files(&a->train, bert_recipe_files(r, "train_file"), e);
    if (!rc && !a->validation.n && !(a->split.part > 0))
        rc = add_files(&a->validation, bert_recipe_files(r, "validation_file"), e);
    if (rc) return rc;
    if (!metric || *a->training.metric_for_best_model) return 0;
    return bert_training_set(&a->training, "metric_for_best_model", metric, e);
}

/* A loss that counts rows learns little of a class that has few. */
static void imbalance_note(const arguments *a, const bert_dataset *d) {
    enum { TIMES = 5 };
    int64_t most = 0, least = INT64_MAX;
    int32_t rare = 0, usual = 0, n = bert_dataset_num_labels(d);
    if (a->common.quiet || strcmp(bert_dataset_problem_type(d), "single_label_classification"))
        return;
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

static bool validates(const arguments *a) {
    return a->validation.n || a->split.part > 0;
}

/* Rows of the training file are held out. */
static int split_data(arguments *a, job *j, bert_dataset_options *o, bert_error *e) {
    if (!(a->split.part > 0)) return 0;
    a->split.seed = (uint64_t)a->training.seed;
    j->split = bert_data_split_new(first_of(&a->train), j->base, o, &a->split, e);
    o->split = j->split;
    if (!j->split) return BERT_EINVAL;
    note(&a->common, "%-10s %s", "split", bert_data_split_note(j->split));
    return 0;
}

static int open_data(arguments *a, job *j, bert_error *e) {
    const common *c = &a->common;
    bert_dataset_options o = dataset_options(c, &a->data);
    o.more_files = more_of(&a->train);
    o.group = c->group;
    int rc = split_data(a, j, &o, e);
    if (rc) return rc;
    j->train = bert_dataset_open(first_of(&a->train), j->base, &o, e);
    if (!j->train) return BERT_EINVAL;
    dataset_note(c, "train", j->train);
    imbalance_note(a, j->train);
    if (!validates(a)) return 0;
    o.like = j->train;
    o.held_out = true;
    const file_names *of = o.split ? &a->train : &a->validation;
    o.more_files = more_of(of);
    j->validation = bert_dataset_open(first_of(of), j->base, &o, e);
    if (!j->validation) return BERT_EINVAL;
    dataset_note(c, "validation", j->validation);
    if (c->quiet) return 0;
    int64_t same = bert_dataset_duplicates(j->train, j->validation, e);
    if (same < 0) return (int)same;
    if (same)
        note(c, "%lld rows of the validation %s are also %s", (long long)same,
             o.split ? "part" : "file", o.split ? "trained on" : "in the training file");
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

/* The tasks of a recipe over one encoder, which is trained. */
static int open_tasks(arguments *a, job *j, bert_error *e) {
    int rc = tasks_open(&j->tasks, j->base, j->recipe, &a->common, &a->data, e);
    if (!rc) rc = bert_training_check_output(&a->training, bert_model_path(j->base), e);
    if (rc) return rc;
    note(&a->common, "%-10s %s, %d tasks, %.1f M parameters", "model", bert_model_path(j->base),
         j->tasks.count, 1e-6 * (double)bert_model_parameter_count(j->base));
    j->trainer =
        bert_trainer_new_tasks(&a->training, j->tasks.task, j->tasks.count, a->common.group, e);
    return j->trainer ? 0 : BERT_EINVAL;
}

static int open_one(arguments *a, job *j, bert_error *e) {
    int rc = open_data(a, j, e);
    /* what is wrong with a file is said whatever lies in the output directory */
    if (!rc) rc = bert_training_check_output(&a->training, bert_model_path(j->base), e);
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
    j->trainer = bert_trainer_new_in_group(j->model, &a->training, j->train, j->validation,
                                           a->common.group, e);
    return j->trainer ? 0 : BERT_EINVAL;
}

static int open_job(arguments *a, const char *name, job *j, screen *s, bert_error *e) {
    const bool several = bert_recipe_task_at(j->recipe, 0) != NULL;
    bert_model_options base = bert_model_default();
    base.head = "none";
    base.from_scratch = a->from_scratch;
    if (several) {
        base.config = bert_recipe_config(j->recipe);
        base.trainable = true;
        base.seed = (uint64_t)a->training.seed;
    } else {
        base.recipe = j->recipe;
        base.shape_only = a->from_scratch; /* the model that is trained has the random ones */
    }
    base.pull = pulling(&a->common);
    j->base = bert_model_open(name, &base, e);
    pulling_done();
    if (j->base) model_notes(&a->common, j->base);
    int rc = bert_group_agree(a->common.group, j->base ? 0 : BERT_EINVAL, e);
    if (!rc) rc = several ? open_tasks(a, j, e) : open_one(a, j, e);
    if (rc) return rc;
    metric_notes(&a->common, &a->training, bert_trainer_get_state(j->trainer));
    return bert_trainer_add_callback(j->trainer, screen_watch, s, e);
}

static const char *ending_name(bert_ending ending) {
    static const char *const names[] = {[BERT_END_COMPLETE] = "complete",
                                        [BERT_END_PATIENCE] = "early_stopping",
                                        [BERT_END_CALLBACK] = "callback",
                                        [BERT_END_STOPPED] = "stopped",
                                        [BERT_END_NOTHING] = "nothing_left"};
    return ending == BERT_END_NONE ? "" : names[ending];
}

static int print_json(const arguments *a, const bert_trainer_state *t, const screen *s,
                      const bert_metrics *m, const bert_dataset *d, bert_error *e) {
    json_t *o = json_pack("{s:s, s:I, s:o, s:s}", "output_dir", a->training.output_dir,
                          "global_step", (json_int_t)t->global_step, "epoch", json_number(t->epoch),
                          "ended", ending_name(t->ending));
    int failed = !o;
    if (!failed && t->best_global_step)
        failed = json_object_set_new(o, "best_global_step",
                                     json_integer((json_int_t)t->best_global_step));
    if (!failed && t->ending != BERT_END_NOTHING)
        failed = json_object_set_new(o, "train_loss", json_number(s->train_loss)) ||
                 json_object_set_new(o, "train_runtime", json_number(s->runtime));
    if (!failed && m) failed = report_json(o, "eval_", m, d);
    if (!failed) return output_line(o, e);
    json_decref(o);
    return fail_memory(e);
}

static int print_lines(const arguments *a, const bert_trainer_state *t, const screen *s,
                       const bert_metrics *m, const bert_dataset *d) {
    const char *dir = a->training.output_dir;
    if (t->ending == BERT_END_NOTHING)
        printf("\nthe model is in %s, after %lld steps", dir, (long long)t->global_step);
    else
        printf("\nsaved in %s after %lld steps, %.1f s", dir, (long long)t->global_step,
               s->runtime);
    if (a->training.load_best_model_at_end && t->best_global_step)
        printf("; the best step was %lld", (long long)t->best_global_step);
    printf("\n");
    for (int i = 0; m && i < bert_metrics_count(m); i++)
        printf("%s%s %.4f%s", i ? ", " : "validation: ", bert_metrics_name(m, i),
               bert_metrics_value(m, i), report_of(m, d, i));
    if (m) printf("\n");
    return 0;
}

/* What the saved model reaches, which need not be the last row of the table. */
static int finish(const arguments *a, job *j, screen *s, bert_error *e) {
    const bert_trainer_state *t = bert_trainer_get_state(j->trainer);
    int64_t step = t->best_global_step && a->training.load_best_model_at_end ? t->best_global_step
                                                                             : t->global_step;
    const bert_metrics *m = s->evaluated_step == step ? t->metrics : NULL;
    const bert_dataset *d = j->tasks.count ? j->tasks.train[0] : j->train;
    if (!m && validates(a) && !(m = bert_trainer_evaluate(j->trainer, j->validation, e)))
        return BERT_EINVAL;
    progress_clear(&s->bar);
    ending_notes(&a->common, &a->training, t,
                 s->marked_step && s->marked_step == t->best_global_step);
    tasks_notes(&a->common, t);
    int rc = bert_trainer_save(j->trainer, e);
    if (rc || a->common.group->rank) return rc;
    return output_json(&a->common) ? print_json(a, t, s, m, d, e) : print_lines(a, t, s, m, d);
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

/* What the repository is called: hub_model_id, or the last part of the output directory. */
static const char *hub_name(const arguments *a, char *out, size_t capacity) {
    if (a->hub_model_id) return a->hub_model_id;
    const char *d = a->training.output_dir, *end = d + strlen(d);
    while (end > d && end[-1] == '/') end--;
    const char *begin = end;
    while (begin > d && begin[-1] != '/') begin--;
    char *whole = begin[0] == '.' ? realpath(d, NULL) : NULL; /* "." and ".." are there */
    if (whole)
        snprintf(out, capacity, "%s", strrchr(whole, '/') + 1);
    else
        snprintf(out, capacity, "%.*s", (int)(end - begin), begin);
    free(whole);
    return out;
}

static bert_push_options hub_options(const arguments *a) {
    bert_push_options o = bert_push_default();
    o.is_private = a->hub_private;
    o.message = "End of training";
    return o;
}

/* As transformers: the repository is made before anything is trained, or it is told why it cannot be. */
static int prepare_push(const arguments *a, bert_error *e) {
    char own[256];
    const bert_push_options o = hub_options(a);
    bert_error why = {0};
    const int rc = bert_push_prepare(hub_name(a, own, sizeof own), &o, &why);
    return rc ? fail(e, rc, "nothing was trained, as --push-to-hub would fail: %.400s", why.message)
              : 0;
}

/* What is trained goes to the hub. */
static int push_result(const arguments *a, bert_error *e) {
    char own[256];
    const char *name = hub_name(a, own, sizeof own);
    const bert_push_options o = hub_options(a);
    bert_pushed done;
    bert_error why = {0};
    const int rc = push_directory(&a->common, a->training.output_dir, name, &o, &done, &why);
    if (rc)
        fail(e, rc,
             "the model is in %.100s, but was not uploaded: %.250s; 'bert push %.60s %.60s' tries "
             "again",
             a->training.output_dir, why.message, a->training.output_dir, name);
    else
        note(&a->common, "uploaded to %s", done.url);
    return rc;
}

/* Folders of pictures may hold their validation data themselves. */
static int find_validation(arguments *a, bert_error *e) {
    char folder[4096];
    for (int i = 0; i < a->train.n; i++)
        if (!bert_picture_split(a->train.name[i], "validation", folder, sizeof folder)) return 0;
    return validates(a) ? 0 : add_files(&a->validation, a->train.name, e);
}

/* With validation data and no word on when: how often is a word, else every epoch. */
static void choose_evaluation(arguments *a) {
    if (a->eval_is_set || !validates(a)) return;
    a->training.eval_strategy =
        a->training.eval_steps > 0 ? BERT_STRATEGY_STEPS : BERT_STRATEGY_EPOCH;
}

static int check_usage(arguments *a, const char *name, bert_error *e) {
    if (!name && a->recipe_file)
        return fail_usage(e, "%s names no encoder: give a MODEL", a->recipe_file);
    if (!name) return fail_usage(e, "a MODEL is needed, or a --recipe that names one");
    if (!a->train.n || !*a->training.output_dir)
        return fail_usage(e, "%s is needed", a->train.n ? "-o DIR" : "--train-file FILE");
    if (!known_task(a->data.task))
        return fail_usage(e, "--task is %s, not '%s'", task_names(), a->data.task);
    if (a->recipe_file && a->data.task)
        return fail_usage(e, "--recipe says what is learnt, and so does --task: give one of them");
    if (a->validation.n && a->split.part > 0)
        return fail_usage(e, "--validation-file and --validation-split both say what is held out");
    if (a->split.group_column && !(a->split.part > 0))
        return fail_usage(e, "--group-column is of --validation-split");
    if (find_validation(a, e)) return e->code;
    if (!validates(a) && a->training.eval_strategy != BERT_STRATEGY_NO)
        return fail_usage(e, "--eval-strategy needs a --validation-file or --validation-split");
    return 0;
}

static int train_job(arguments *a, const char *name, job *j, bert_error *e) {
    const common *c = &a->common;
    const bert_group *g = c->group;
    if (*a->taken) note(c, "--args: %s", a->taken);
    choose_evaluation(a);
    a->training.threads = group_threads(c, (int)a->training.threads);
    idle_notes(c, &a->training, &a->given, j->recipe && bert_recipe_task_at(j->recipe, 0));
    screen s = screen_new(c, &a->training);
    int rc = bert_group_agree(g, a->push_to_hub && !g->rank ? prepare_push(a, e) : 0, e);
    if (!rc) rc = open_job(a, name, j, &s, e);
    rc = bert_group_agree(g, rc, e);
    if (!rc) rc = train(j->trainer, &s, e);
    if (rc == BERT_EINTERRUPTED) say_where(a, bert_trainer_get_state(j->trainer), e);
    s.final = true;
    if (!rc) rc = finish(a, j, &s, e);
    if (!rc && a->profile_comm) rc = group_profile(c, e);
    if (!rc && a->push_to_hub && !g->rank) rc = push_result(a, e);
    progress_clear(&s.bar);
    return bert_group_agree(g, rc, e);
}

static int run(void *args, int operands, char **operand, bert_error *e) {
    arguments *a = args;
    job j = {0};
    int rc = bert_group_agree(a->common.group, open_recipe(a, &j, e), e);
    const char *name = operands ? operand[0] : bert_recipe_encoder(j.recipe);
    if (!rc) rc = check_usage(a, name, e);
    if (!rc) rc = train_job(a, name, &j, e);
    job_free(&j);
    return rc;
}

static void release(void *args) {
    arguments *a = args;
    free(a->train.name);
    free(a->validation.name);
}

const command train_command = {
    .name = "train",
    .operands = "[MODEL] --train-file FILE -o DIR",
    .help = "fine-tune on a labelled file, or pretrain on raw text",
    .more =
        "Labels are classes, numbers (regression) or several at once (multi-label). Ctrl-C (or\n"
        "SIGUSR1) ends after the step that is running and leaves a checkpoint. The line at the end "
        "is\n"
        "{\"output_dir\":\"..\",\"global_step\":n,\"train_loss\":x,\"eval_accuracy\":x,..}.",
    .min_operands = 0,
    .max_operands = 1,
    .groups = TAKES_MODEL | TAKES_COLUMNS | TAKES_LABEL | TAKES_LIMIT | TAKES_OUTPUT | TAKES_GROUP,
    .options = options,
    .option_at = option_at,
    .foreign = bert_training_foreign,
    .size = sizeof(arguments),
    .defaults = defaults,
    .run = run,
    .release = release,
};
