/* Tags for people: types, confusions, and the sentences with most mistakes. */
#include "report.h"
#include <string.h>

enum { NAME = 16, CELL = 9, CONFUSIONS = 10, SENTENCES = 5, WORDS = 60 };

static void print_type(const char *name) {
    char shown[4 * NAME + 4];
    bert_text text = bert_text_of(name);
    fit(&text, NAME, shown);
    print_column(shown, NAME);
}

static void print_types(const bert_metrics *m) {
    const char *name;
    bert_class_report r;
    for (int i = 0; bert_metrics_type(m, i, &name, &r); i++) {
        if (!i)
            printf("\n%-*s %9s %9s %9s %9s\n", NAME, "type", "precision", "recall", "f1",
                   "support");
        print_type(name);
        printf(" %*.3f %*.3f %*.3f %*lld\n", CELL, r.precision, CELL, r.recall, CELL, r.f1, CELL,
               (long long)r.support);
    }
}

static void print_confusions(const bert_metrics *m) {
    bert_confusion list[CONFUSIONS];
    const int n = bert_metrics_confusions(m, list, CONFUSIONS);
    if (n) printf("\n%-*s %-*s %9s\n", NAME, "true", NAME, "predicted", "times");
    for (int i = 0; i < n; i++) {
        const bert_confusion *c = &list[i];
        const bool borders = c->truth && c->predicted && !strcmp(c->truth, c->predicted);
        print_type(c->truth ? c->truth : "(none)");
        printf(" ");
        print_type(borders ? "(other borders)" : c->predicted ? c->predicted : "(none)");
        printf(" %9lld\n", (long long)c->times);
    }
}

/* The sentence with brackets around what one side takes for entities, from the first mistake's
 * neighbourhood on. */
static void print_side(const char *who, const bert_tagged_sentence *s, const bert_marked *mark,
                       int32_t marks, int32_t from) {
    printf("  %-9s%s", who, from ? " .." : "");
    for (int32_t w = from, k = 0; w < s->words && w < from + WORDS; w++) {
        while (k < marks && mark[k].last < w) k++;
        const bool inside = k < marks && mark[k].first <= w;
        const bool begins = inside && (mark[k].first == w || w == from);
        const bool ends = inside && mark[k].last == w;
        const bert_text word = bert_text_of(s->word[w]);
        char shown[4 * WORDS + 4];
        fit(&word, WORDS, shown);
        printf(" %s%s", begins ? "[" : "", shown);
        if (ends) printf(" %s%s]", mark[k].type, mark[k].right ? "" : "!");
    }
    printf("%s\n", s->words > from + WORDS ? " .." : "");
}

/* A word or two before the first mistake of a sentence that is too long to show whole. */
static int32_t first_shown(const bert_tagged_sentence *s) {
    int32_t first = s->words;
    for (int32_t i = 0; i < s->truths; i++)
        if (!s->marked_truth[i].right && s->marked_truth[i].first < first)
            first = s->marked_truth[i].first;
    for (int32_t i = 0; i < s->predictions; i++)
        if (!s->marked_predicted[i].right && s->marked_predicted[i].first < first)
            first = s->marked_predicted[i].first;
    return s->words > WORDS && first > 5 ? first - 5 : 0;
}

static int print_worst(const bert_metrics *m, bert_error *e) {
    int64_t worst[SENTENCES];
    const int n = bert_metrics_worst(m, worst, SENTENCES, e);
    if (n > 0) printf("\nsentences with most mistakes (!: one side only)\n");
    int rc = n < 0 ? n : 0;
    for (int i = 0; i < n && !rc; i++) {
        bert_tagged_sentence s;
        if ((rc = bert_metrics_sentence(m, worst[i], &s, e))) break;
        const int32_t from = first_shown(&s);
        printf("\nline %lld, %d mistake%s\n", (long long)s.line, s.mistakes,
               s.mistakes == 1 ? "" : "s");
        print_side("true", &s, s.marked_truth, s.truths, from);
        print_side("predicted", &s, s.marked_predicted, s.predictions, from);
    }
    return rc;
}

int report_tags(const bert_metrics *m, bert_error *e) {
    if (!bert_metrics_sentences(m)) return 0;
    print_types(m);
    print_confusions(m);
    return print_worst(m, e);
}
