/* README.md of a trained model: the card that the hub and people read. */
#include "base/directory.h"
#include "base/error.h"
#include "base/file.h"
#include "data/dataset.h"
#include "data/task.h"
#include "train/trainer.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A character, behind a backslash where it is one of `marks`. */
static int put_marked(bert_writer *w, char c, const char *marks, bert_error *e) {
    int rc = strchr(marks, c) ? bert_writer_put(w, "\\", 1, e) : BERT_OK;
    return rc ? rc : bert_writer_put(w, &c, 1, e);
}

/* As a double-quoted scalar of YAML: a directory may be called 2024, or "a: b". */
static int put_yaml(bert_writer *w, const char *text, bert_error *e) {
    int rc = bert_writer_put(w, "\"", 1, e);
    for (; *text && !rc; text++) {
        const unsigned char c = (unsigned char)*text;
        rc = c < ' ' || c == 127 ? bert_writer_printf(w, e, "\\x%02X", c)
                                 : put_marked(w, *text, "\"\\", e);
    }
    return rc ? rc : bert_writer_put(w, "\"", 1, e);
}

/* As it is, in a table of Markdown: one line, and nothing in it marks anything up. */
static int put_cell(bert_writer *w, const char *text, bert_error *e) {
    int rc = BERT_OK;
    for (; *text && !rc; text++)
        rc = put_marked(w, strchr("\n\r\t", *text) ? ' ' : *text, "\\|`*<&[~", e);
    return rc;
}

static int put_front_matter(const bert_trainer *t, bert_writer *w, const char *name,
                            const char *base, const json_t *evaluation, bert_error *e) {
    int rc = bert_writer_printf(w, e, "---\nlibrary_name: transformers\nbase_model: ");
    if (!rc) rc = put_yaml(w, base, e);
    if (!rc)
        rc = bert_writer_printf(w, e, "\ntags:\n- generated_from_trainer\npipeline_tag: %s\n",
                                t->tasks[0].train->task->pipeline);
    const char *key;
    const json_t *value;
    bool first = true;
    json_object_foreach((json_t *)(uintptr_t)evaluation, key, value) {
        if (rc || !bert_log_is_metric(key) || !strcmp(key, "eval_loss") || !json_is_number(value))
            continue;
        rc = bert_writer_printf(w, e, "%s- %s\n", first ? "metrics:\n" : "", key + 5);
        first = false;
    }
    if (!rc && !first) rc = bert_writer_printf(w, e, "model-index:\n- name: ");
    if (!rc && !first) rc = put_yaml(w, name, e);
    if (!rc && !first)
        rc = bert_writer_printf(w, e,
                                "\n  results:\n  - task:\n      type: %s\n"
                                "    dataset:\n      name: validation\n      type: validation\n"
                                "    metrics:\n",
                                t->tasks[0].train->task->pipeline);
    json_object_foreach((json_t *)(uintptr_t)evaluation, key, value) {
        if (rc || !bert_log_is_metric(key) || !strcmp(key, "eval_loss") || !json_is_number(value))
            continue;
        rc = bert_writer_printf(w, e, "    - name: %s\n      type: %s\n      value: %.6g\n",
                                key + 5, key + 5, json_number_value(value));
    }
    return rc ? rc : bert_writer_printf(w, e, "---\n\n# %s\n\n", name);
}

/* What a task is called in headings: ": sst2", or nothing. */
static int put_name(const bert_trainer *t, const bert_trained *k, bert_writer *w, bert_error *e) {
    return t->named ? bert_writer_printf(w, e, ": %s", k->name) : BERT_OK;
}

static int put_labels(const bert_trainer *t, const bert_trained *k, bert_writer *w, bert_error *e) {
    const bool rows = k->train->task->labels == BERT_LABELLED_ROWS;
    /* a value has no name but "LABEL_0" */
    if (!k->train->task->labels || k->train->problem == BERT_PROBLEM_REGRESSION) return BERT_OK;
    int rc = bert_writer_printf(w, e, "\n## Labels");
    if (!rc) rc = put_name(t, k, w, e);
    if (!rc)
        rc = bert_writer_printf(w, e, "\n\n| id | label | training %s |\n|---|---|---|\n",
                                rows ? "rows" : "tokens");
    for (int32_t i = 0; i < bert_dataset_num_labels(k->train) && !rc; i++) {
        rc = bert_writer_printf(w, e, "| %d | ", (int)i);
        if (!rc) rc = put_cell(w, bert_dataset_label(k->train, i), e);
        if (!rc)
            rc = bert_writer_printf(w, e, " | %lld |\n",
                                    (long long)bert_dataset_label_rows(k->train, i));
    }
    return rc;
}

/* "minilm trained for regression.", or for several tasks, each with its labels. */
static int put_purpose(const bert_trainer *t, bert_writer *w, const char *base, bert_error *e) {
    int rc = bert_writer_printf(w, e, "%s trained for ", base);
    for (int32_t i = 0; i < t->task_count && !rc; i++) {
        const bert_dataset *d = t->tasks[i].train;
        const bool rows = d->task->labels == BERT_LABELLED_ROWS;
        rc = bert_writer_printf(w, e, "%s%s%s%s", i ? ", " : "", t->tasks[i].name,
                                t->named ? ": " : "",
                                rows ? bert_dataset_problem_type(d) : d->task->name);
    }
    if (!rc) rc = bert_writer_printf(w, e, ".\n");
    for (int32_t i = 0; i < t->task_count && !rc; i++) rc = put_labels(t, &t->tasks[i], w, e);
    return rc;
}

/* How a training file was read. */
static int put_data(const bert_trainer *t, const bert_trained *k, bert_writer *w, bert_error *e) {
    const char *line;
    int rc = BERT_OK;
    if (!bert_dataset_note(k->train, 0)) return rc;
    rc = bert_writer_printf(w, e, "\n## Training data");
    if (!rc) rc = put_name(t, k, w, e);
    for (int i = 0; !rc && (line = bert_dataset_note(k->train, i)); i++) {
        rc = bert_writer_printf(w, e, "%s- ", i ? "" : "\n\n");
        if (!rc) rc = put_cell(w, line, e);
        if (!rc) rc = bert_writer_printf(w, e, "\n");
    }
    return rc;
}

static int put_results(const bert_trainer *t, bert_writer *w, const json_t *evaluation,
                       bert_error *e) {
    if (!evaluation) return BERT_OK;
    const char *key;
    const json_t *value;
    bool of_one = false;
    int rc = bert_writer_printf(w, e,
                                "\n## Results on the validation data\n\n| metric | value "
                                "|\n|---|---|\n");
    json_object_foreach((json_t *)(uintptr_t)evaluation, key, value) {
        if (rc || !bert_log_is_metric(key)) continue;
        rc = json_is_number(value)
                 ? bert_writer_printf(w, e, "| %s | %.4f |\n", key + 5, json_number_value(value))
                 : bert_writer_printf(w, e, "| %s | undefined |\n", key + 5);
        of_one |= bert_metrics_of_positive(t->metrics, key + 5);
    }
    const char *class = bert_dataset_positive_label(t->tasks[0].train);
    if (rc || !of_one || !class) return rc;
    rc = bert_writer_printf(w, e, "\nprecision, recall, f1 and roc_auc are of the class ");
    if (!rc) rc = put_cell(w, class, e);
    return rc ? rc : bert_writer_printf(w, e, ".\n");
}

/* Arguments that are not at their default, and those one always wants to know. */
static int put_arguments(const bert_trainer *t, bert_writer *w, bert_error *e) {
    static const char *const always[] = {"learning_rate", "per_device_train_batch_size", "seed",
                                         "num_train_epochs", "lr_scheduler_type"};
    int rc = bert_writer_printf(w, e, "\n## Training\n\n| argument | value |\n|---|---|\n");
    bert_training_arg arg;
    for (int i = 0; !rc && bert_training_arg_at(i, &arg); i++) {
        char value[2048];
        bert_training_get(&t->args, arg.name, value, sizeof value);
        bool shown = strcmp(value, arg.fallback) != 0;
        for (size_t k = 0; k < sizeof always / sizeof *always; k++)
            shown = shown || !strcmp(arg.name, always[k]);
        if (!strcmp(arg.name, "output_dir") || !strcmp(arg.name, "resume_from_checkpoint"))
            continue;
        if (!shown) continue;
        rc = bert_writer_printf(w, e, "| %s | ", arg.name);
        if (!rc) rc = put_cell(w, value, e);
        if (!rc) rc = bert_writer_printf(w, e, " |\n");
    }
    if (rc) return rc;
    return bert_writer_printf(w, e,
                              "\nAdamW on %lld rows, %lld steps, %lld tokens; bert %s, float32 "
                              "weights.\n",
                              (long long)bert_trainer_epoch_rows(t), (long long)t->run.global_step,
                              (long long)t->run.tokens, bert_version());
}

/* One line for each evaluation, with the mean training loss since the one before. */
static int put_history(const bert_trainer *t, bert_writer *w, bert_error *e) {
    bool any = false;
    json_int_t shown = -1; /* evaluations again at a step add no row */
    size_t i;
    const json_t *record, *value;
    const char *key;
    int rc = BERT_OK;
    json_array_foreach(t->log_history, i, record) {
        const json_int_t step = json_integer_value(json_object_get(record, "step"));
        if (!json_object_get(record, "eval_loss") || rc || step == shown) continue;
        shown = step;
        if (!any) {
            rc = bert_writer_printf(w, e, "\n| epoch | step | training loss |");
            size_t columns = 3;
            json_object_foreach((json_t *)(uintptr_t)record, key, value) {
                if (rc || !bert_log_is_metric(key)) continue;
                rc = bert_writer_printf(w, e, " %s |", key + 5);
                columns++;
            }
            if (!rc) rc = bert_writer_printf(w, e, "\n|");
            while (!rc && columns--) rc = bert_writer_printf(w, e, "---|");
            if (!rc) rc = bert_writer_printf(w, e, "\n");
            any = true;
        }
        if (!rc)
            rc = bert_writer_printf(w, e, "| %.2f | %lld | ",
                                    json_number_value(json_object_get(record, "epoch")),
                                    (long long)step);
        const json_t *loss = json_object_get(record, "training_loss");
        if (!rc)
            rc = json_is_number(loss) ? bert_writer_printf(w, e, "%.4f |", json_number_value(loss))
                                      : bert_writer_printf(w, e, "- |");
        json_object_foreach((json_t *)(uintptr_t)record, key, value) {
            if (rc || !bert_log_is_metric(key)) continue;
            rc = bert_writer_printf(w, e, " %.4f |",
                                    json_is_number(value) ? json_number_value(value) : (double)NAN);
        }
        if (!rc) rc = bert_writer_printf(w, e, "\n");
    }
    return rc;
}

/* A README.md that no trainer wrote, such as that of the project one trains in. */
static bool is_of_somebody(const char *path) {
    char *text;
    size_t size;
    if (!bert_file_exists(path) || bert_read_file(path, 0, &text, &size, NULL)) return false;
    const bool ours = strstr(text, "generated_from_trainer") != NULL;
    free(text);
    return !ours;
}

/* What the head is, where transformers has none like it. */
static int put_recipe(const bert_trainer *t, bert_writer *w, bert_error *e) {
    const char *json = bert_recipe_json(bert_model_recipe(t->tasks[0].model));
    if (!json || strcmp(bert_model_head(t->tasks[0].model), "recipe")) return BERT_OK;
    return bert_writer_printf(w, e,
                              "\n## Head\n\nrecipe.json; transformers' AutoModel loads the "
                              "encoder under it.\n\n```json\n%s%s```\n",
                              json, json[strlen(json) - 1] == '\n' ? "" : "\n");
}

static int put_card(const bert_trainer *t, bert_writer *w, const char *directory, bert_error *e) {
    const json_t *evaluation = bert_log_evaluation(t);
    char *name = bert_directory_name(directory),
         *base = bert_directory_name(bert_model_path(t->model));
    int rc = name && base ? BERT_OK : bert_fail_memory(e, strlen(directory));
    if (!rc) rc = put_front_matter(t, w, name, base, evaluation, e);
    if (!rc) rc = put_purpose(t, w, base, e);
    if (!rc) rc = put_recipe(t, w, e);
    free(name);
    free(base);
    for (int32_t i = 0; i < t->task_count && !rc; i++) rc = put_data(t, &t->tasks[i], w, e);
    if (!rc) rc = put_results(t, w, evaluation, e);
    if (!rc) rc = put_arguments(t, w, e);
    return rc ? rc : put_history(t, w, e);
}

int bert_model_card_save(const bert_trainer *t, const char *directory, bert_error *e) {
    char *path = bert_path_join(directory, "README.md");
    if (path && is_of_somebody(path)) {
        free(path);
        return BERT_OK;
    }
    bert_writer *w = path ? bert_writer_open(path, e) : NULL;
    int rc = w      ? put_card(t, w, directory, e)
             : path ? e->code
                    : bert_fail_memory(e, strlen(directory));
    if (w && rc)
        bert_writer_abort(w);
    else if (w)
        rc = bert_writer_commit(w, e);
    free(path);
    return rc;
}
