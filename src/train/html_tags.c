/* report.html: words of the validation data, tagged. */
#include "data/sentences.h"
#include "train/html_page.h"
#include <string.h>

enum { SHOWN_TYPES = 200, CONFUSIONS = 20, SENTENCES = 20, WORDS = 120 };

static void put_types(bert_page *p, const bert_metrics *m) {
    const char *name;
    bert_class_report r;
    bert_page_put(p, "<table><tr><th>type<th>precision<th>recall<th>F1<th>support</tr>");
    for (int i = 0; i < SHOWN_TYPES && bert_metrics_type(m, i, &name, &r); i++) {
        bert_page_put(p, "<tr><td>");
        bert_page_text(p, name);
        bert_page_put(p, "<td>%.3f<td>%.3f<td>%.3f<td>%lld</tr>", r.precision, r.recall, r.f1,
                      (long long)r.support);
    }
    bert_page_put(p, "</table>");
}

static void put_confusions(bert_page *p, const bert_metrics *m) {
    bert_confusion list[CONFUSIONS];
    const int n = bert_metrics_confusions(m, list, CONFUSIONS);
    if (!n) return;
    bert_page_put(p, "<table><tr><th>true<th class=\"text\">predicted<th>times</tr>");
    for (int i = 0; i < n; i++) {
        const bert_confusion *c = &list[i];
        const bool borders = c->truth && c->predicted && !strcmp(c->truth, c->predicted);
        bert_page_put(p, "<tr><td>");
        bert_page_text(p, c->truth ? c->truth : "(none)");
        bert_page_put(p, "<td class=\"text\">");
        bert_page_text(p, borders ? "(other borders)" : c->predicted ? c->predicted : "(none)");
        bert_page_put(p, "<td>%lld</tr>", (long long)c->times);
    }
    bert_page_put(p, "</table>");
}

static void put_side(bert_page *p, const bert_tagged_sentence *s, const bert_marked *mark,
                     int32_t marks) {
    bool open = false;
    for (int32_t w = 0, k = 0; w < s->words && w < WORDS; w++) {
        while (k < marks && mark[k].last < w) k++;
        if (w) bert_page_put(p, " ");
        if (k < marks && mark[k].first <= w && !open) {
            bert_page_put(p, "<mark%s>", mark[k].right ? "" : " class=\"wrong\"");
            open = true;
        }
        bert_page_text(p, s->word[w]);
        if (!open || (mark[k].last != w && w + 1 < WORDS)) continue;
        open = false;
        bert_page_put(p, " <small>");
        bert_page_text(p, mark[k].type);
        bert_page_put(p, "</small></mark>");
    }
    if (s->words > WORDS) bert_page_put(p, " &hellip;");
}

static void put_worst(bert_page *p, const bert_metrics *m) {
    int64_t worst[SENTENCES];
    const int n = bert_metrics_worst(m, worst, SENTENCES, p->e);
    if (n < 0) p->rc = n;
    if (n <= 0) return;
    bert_page_put(p, "<h2>Most wrong</h2><table><tr><th>line<th>mistakes<th class=\"text\">"
                     "true<th class=\"text\">predicted</tr>");
    for (int i = 0; i < n && !p->rc; i++) {
        bert_tagged_sentence s;
        if ((p->rc = bert_metrics_sentence(m, worst[i], &s, p->e))) return;
        bert_page_put(p, "<tr><td>%lld<td>%d<td class=\"text\">", (long long)s.line, s.mistakes);
        put_side(p, &s, s.marked_truth, s.truths);
        bert_page_put(p, "<td class=\"text\">");
        put_side(p, &s, s.marked_predicted, s.predictions);
        bert_page_put(p, "</tr>");
    }
    bert_page_put(p, "</table>");
}

static void put_task(bert_page *p, bert_trainer *t, const bert_trained *k) {
    const bert_dataset *d = k->validation;
    if (p->rc || !d || d->task->labels != BERT_LABELLED_TOKENS) return;
    if ((p->rc = bert_trainer_keep_metrics(t, p->e))) return;
    const bert_sentences *all = d->state;
    bert_page_put(p, "<h2>%s%s%s</h2><div class=\"row\">",
                  all->tags->scheme == BERT_TAGS_CLASSES ? "Classes" : "Entities",
                  t->named ? " of " : "", k->name);
    put_types(p, k->metrics);
    put_confusions(p, k->metrics);
    bert_page_put(p, "</div>");
    put_worst(p, k->metrics);
}

void bert_html_tags(bert_page *p, bert_trainer *t) {
    for (int32_t i = 0; i < t->task_count; i++) put_task(p, t, &t->tasks[i]);
}
