#include "dataset.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

int set_real(const option *o, void *target, const char *value, bert_error *e) {
    char *end;
    double x = strtod(value, &end);
    if (end == value || *end || !isfinite(x))
        return fail(e, BERT_EINVAL, "--%s is a number, not '%s'", o->name, value);
    *(double *)target = x;
    return 0;
}

int set_part(const option *o, void *target, const char *value, bert_error *e) {
    double x = 0;
    int rc = set_real(o, &x, value, e);
    if (rc) return rc;
    if (!(x > 0 && x < 1))
        return fail(e, BERT_EINVAL, "--%s is a number between 0 and 1, not '%s'", o->name, value);
    *(double *)target = x;
    return 0;
}

bert_dataset_options dataset_options(const common *c, const label_options *l) {
    bert_dataset_options o = bert_dataset_default();
    o.text_column = c->text_column;
    o.pair_column = c->pair_column;
    o.label_column = c->label_column;
    o.label_separator = l->separator;
    o.label_names = l->names;
    o.missing_label = l->missing;
    o.positive_label = l->positive;
    o.problem_type = l->problem_type;
    o.task = l->task;
    o.doc_stride = l->doc_stride;
    o.n_best_size = l->n_best_size;
    o.max_answer_length = l->max_answer_length;
    o.null_score_diff_threshold = l->null_score_diff_threshold;
    o.label_all_tokens = l->label_all_tokens;
    o.mlm_probability = l->mlm_probability;
    o.whole_word_mask = l->whole_word_mask;
    o.line_by_line = l->line_by_line;
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
