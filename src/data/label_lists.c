/* What lists of labels mean: 0 and 1 at the place of each label, numbers of classes, or names. */
#include "base/error.h"
#include "data/label_options.h"
#include "data/label_text.h"
#include <string.h>

static bool zero_or_one(const char *s) {
    bool yes;
    const bert_text t = bert_text_of(s);
    return bert_label_yes_no(&t, &yes);
}

static bool natural(const char *s) {
    return bert_label_is_integer(s) && *s != '-';
}

/* Some lists, and some rows that are none, as text: one of them is a slip. */
static int check_mixture(const bert_dataset_builder *b, bert_error *e) {
    if (!b->lists.as_text || !b->plain_rows || bert_label_separator_of(b->options)) return 0;
    char list[BERT_PLACE_NAME], plain[BERT_PLACE_NAME];
    return bert_fail(e, BERT_EINVAL,
                     "%s: the label is the text of a list in %s and none in %s; with "
                     "label_separator \"|\" both are read as several labels",
                     b->set->where, bert_dataset_place_name(b, b->lists.text_line, list),
                     bert_dataset_place_name(b, b->plain_line, plain));
}

static int check_hot(const bert_dataset_builder *b, const bert_labels *known, bert_error *e) {
    const bert_label_lists *l = &b->lists;
    char first[BERT_PLACE_NAME];
    if (l->other_line)
        return bert_dataset_fail(
            b, l->other_line, e, BERT_EINVAL,
            "the label is a list of %lld, and that of %s one of %lld: "
            "lists of 0 and 1 have one length; if they are numbers of classes, "
            "label_names says of which",
            (long long)l->other_width, bert_dataset_place_name(b, l->first_line, first),
            (long long)l->width);
    return bert_dataset_fail(b, l->first_line, e, BERT_EINVAL,
                             "the label is a list of %lld times 0 or 1, but there are %d labels",
                             (long long)l->width, (int)known->n);
}

static int check_indices(bert_dataset_builder *b, const bert_labels *known, bert_error *e) {
    const bert_label_lists *l = &b->lists;
    if (l->repeat_line)
        return bert_dataset_fail(
            b, l->repeat_line, e, BERT_EINVAL,
            "the label is a list in which a number is there twice: lists are 0 "
            "or 1 for each label, numbers of classes, or names");
    return known->n ? 0
                    : bert_dataset_say(b, e,
                                       "labels are lists of numbers, read as numbers of classes; "
                                       "label_names gives them names");
}

static int say_hot(bert_dataset_builder *b, bert_error *e) {
    return bert_dataset_say(b, e, "labels are lists of 0 and 1%s: %lld labels",
                            b->lists.as_text ? ", as text" : "", (long long)b->lists.width);
}

int bert_labels_of_lists(bert_dataset_builder *b, bool *hot, bert_error *e) {
    const bert_label_lists *l = &b->lists;
    const bert_raw_labels *r = &b->raw;
    *hot = false;
    if (!l->rows) return 0;
    int rc = check_mixture(b, e);
    if (rc) return rc;
    const bert_labels known = bert_labels_known(b);
    if (!l->named && r->n && bert_labels_all(r, zero_or_one) && !b->plain_rows && l->width > 1) {
        const bool indices = known.n && !l->repeat_line && bert_labels_all(r, natural);
        *hot = !l->other_line && (!known.n || l->width == known.n);
        if (!*hot && !indices) return check_hot(b, &known, e);
        return *hot ? say_hot(b, e) : 0;
    }
    if (l->named || !r->n) return 0;
    if (bert_labels_all(r, natural)) return check_indices(b, &known, e);
    if (bert_labels_all(r, bert_label_is_number))
        return bert_dataset_fail(b, l->first_line, e, BERT_EUNSUPPORTED,
                                 "the label is a list of numbers that are neither 0 or 1 for each "
                                 "label, nor numbers of classes");
    const bool one =
        !b->odd_line && !bert_label_separator_of(b->options) && !b->options->problem_type;
    return bert_dataset_say(b, e, "labels are lists of names%s%s", l->as_text ? ", as text" : "",
                            one ? ", one in each: classes, unless problem_type is "
                                  "multi_label_classification"
                                : "");
}
