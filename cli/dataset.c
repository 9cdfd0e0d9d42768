#include "dataset.h"
#include <stdlib.h>
#include <string.h>

static int set_dataset_option(const option *o, void *target, const char *value, bert_error *e) {
    bert_error local = {0};
    int rc = bert_dataset_set(target, o->name, value ? value : "true", &local);
    return rc ? fail(e, rc, "--%s", local.message) : 0;
}

const char *shown_type(const char *type) {
    static const char *const shown[][2] = {{"number", "X"}, {"integer", "N"}, {"text", "TEXT"}};
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
        if (!strcmp(type, shown[i][0])) return shown[i][1];
    return type; /* "linear|cosine|.." */
}

bool dataset_option_at(int i, size_t offset, option *out) {
    enum { ROWS = 64, NAME = 48 };
    static char names[ROWS][NAME]; /* with dashes; outlive the option that points to them */
    static char helps[ROWS][200];
    bert_dataset_option row;
    if (i >= ROWS || !bert_dataset_option_at(i, &row)) return false;
    snprintf(names[i], NAME, "%s", row.name);
    for (char *s = names[i]; *s; s++)
        if (*s == '_') *s = '-';
    snprintf(helps[i], sizeof helps[i], "%s%s%s%s", row.help, *row.fallback ? " (" : "",
             row.fallback, *row.fallback ? ")" : "");
    *out = (option){.name = names[i],
                    .value = strcmp(row.type, "true|false") ? shown_type(row.type) : NULL,
                    .help = helps[i],
                    .set = set_dataset_option,
                    .offset = offset};
    return true;
}

const char *task_names(void) {
    static char list[600];
    const char *name;
    size_t used = 0;
    for (int i = 0; (name = bert_dataset_task_at(i)) && used < sizeof list; i++) {
        const bool last = !bert_dataset_task_at(i + 1);
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s",
                                 !i     ? ""
                                 : last ? " or "
                                        : ", ",
                                 name);
    }
    return list;
}

bool known_task(const char *name) {
    const char *one;
    for (int i = 0; name && (one = bert_dataset_task_at(i)); i++)
        if (!strcmp(one, name)) return true;
    return !name;
}

bert_dataset_options dataset_options(const common *c, const bert_dataset_options *own) {
    bert_dataset_options o = *own;
    o.text_column = c->text_column;
    o.pair_column = c->pair_column;
    o.label_column = c->label_column;
    o.max_length = c->max_length;
    o.overflow = c->overflow;
    return o;
}

void dataset_note(const common *c, const char *name, const bert_dataset *d) {
    enum { SHOWN = 12, NAME = 24, ROOM = 4 * NAME + 40 };
    bert_dataset_summary s;
    char labels[(SHOWN + 1) * ROOM] = "", shown[4 * NAME + 4];
    size_t used = 0;
    if (c->quiet || bert_dataset_summarize(d, &s, NULL)) return;
    int32_t n = bert_dataset_num_labels(d);
    if (!strcmp(bert_dataset_problem_type(d), "regression")) {
        snprintf(labels, sizeof labels, "target %.4g to %.4g, mean %.4g", s.target_min,
                 s.target_max, s.target_mean);
        n = 0;
    }
    for (int32_t i = 0; i < n && i < SHOWN; i++) {
        bert_text label = bert_text_of(bert_dataset_label(d, i));
        fit(&label, NAME, shown);
        used += (size_t)snprintf(labels + used, sizeof labels - used, "%s%s %lld", i ? ", " : "",
                                 shown, (long long)bert_dataset_label_rows(d, i));
    }
    if (n > SHOWN) snprintf(labels + used, sizeof labels - used, ", ..");
    note(c, "%-10s %lld rows, %d to %d tokens (median %d)", name, (long long)s.rows, s.length_min,
         s.length_max, s.length_median);
    if (*labels) note(c, "%-10s %s", "", labels);
    const char *line;
    for (int i = 0; (line = bert_dataset_note(d, i)); i++) note(c, "%-10s %s", "", line);
    if (s.guessed) note(c, "%-10s %s", name, NO_HEADER);
    if (s.invalid)
        note(c, "%-10s %lld rows have bytes that are not UTF-8; these are read as U+FFFD", name,
             (long long)s.invalid);
    if (s.truncated)
        note(c, "%-10s %lld rows were cut to %d tokens; %lld tokens were dropped", name,
             (long long)s.truncated, s.max_length, (long long)s.dropped);
}
