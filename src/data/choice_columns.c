/* Which columns of a file of multiple choice are the prompt, its endings and the right one. */
#include "data/choice.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* What is asked about comes before the question about it. */
const char *const bert_choice_prompts[] = {
    "prompt",   "sent1",         "ctx_a",    "article",     "passage", "paragraph",
    "dialogue", "story",         "context",  "premise",     "text",    "ctx",
    "question", "question_stem", "stem",     "startphrase", "goal",    "query",
    "problem",  "sentence",      "document", "statement",   "content", NULL};

const char *const bert_choice_labels[] = {
    "label",   "labels",     "gold_label",   "answerKey", "answer_key",
    "answer",  "answer_idx", "answer_index", "answer_id", "correct_answer",
    "correct", "target",     "gold",         "cop",       NULL};

/* What every ending begins with, after a prompt of that name (NULL: of another one). */
static const struct {
    const char *prompt, *before;
} pairs[] = {{"sent1", "sent2"}, {"ctx_a", "ctx_b"}};
static const char *const contexts[] = {"article", "passage", "paragraph", "dialogue", "story",
                                       "context", "premise", "text",      "document", NULL};
static const char *const questions[] = {"question", "query", "question_stem", NULL};

static const char *const lists[] = {"endings", "options", "choices", "candidates", "answers", NULL};
/* ending0, ending_1, endingA; of the last one A, B alone. */
static const char *const stems[] = {"ending", "choice",     "option", "answer", "sol",
                                    "hyp",    "hypothesis", "op",     ""};

static int find(char *const *names, int n, const char *name) {
    for (int i = 0; i < n; i++)
        if (!strcmp(names[i], name)) return i;
    for (int i = 0; i < n; i++)
        if (!strcasecmp(names[i], name)) return i;
    return -1;
}

static int find_any(char *const *names, int n, const char *const *wanted) {
    int c = -1;
    for (; *wanted && c < 0; wanted++) c = find(names, n, *wanted);
    return c;
}

static bool is_among(const char *name, const char *const *names) {
    while (*names && strcasecmp(name, *names)) names++;
    return *names != NULL;
}

/* Columns of one stem, counted from 0, from 1 or from A; fewer than two are none. */
static int find_series(char *const *names, int n, const char *stem, const char *between, char first,
                       bert_choice_columns *c) {
    for (c->n = 0; c->n < BERT_CHOICES_MAX; c->n++) {
        char name[40];
        if (first == 'A')
            snprintf(name, sizeof name, "%s%s%c", stem, between, 'A' + c->n);
        else
            snprintf(name, sizeof name, "%s%s%d", stem, between, first - '0' + c->n);
        const int column = find(names, n, name);
        if (column < 0 || (first == 'A' && c->n == 26)) break;
        c->ending[c->n] = column;
    }
    if (c->n < 2) c->n = 0;
    return c->n;
}

void bert_choice_find(char *const *names, int n, bool asked, bert_choice_columns *c) {
    c->n = 0;
    c->before = c->list = -1;
    if (!n) return; /* no header */
    for (size_t s = 0; s < sizeof stems / sizeof *stems && !c->n; s++)
        for (const char *first = *stems[s] ? "01A" : "A"; *first && !c->n; first++)
            if (!find_series(names, n, stems[s], "", *first, c) && *stems[s])
                find_series(names, n, stems[s], "_", *first, c);
    if (!c->n) c->list = find_any(names, n, lists);
    const char *prompt = names[c->prompt];
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (!strcasecmp(prompt, pairs[i].prompt)) c->before = find(names, n, pairs[i].before);
    if (c->before < 0 && !asked && is_among(prompt, contexts))
        c->before = find_any(names, n, questions);
    if (c->before == c->label) c->before = -1;
}

/* ---- What was found */

typedef struct {
    char text[500];
    size_t used;
} line;

static void put(line *l, const char *before, const char *name) {
    if (l->used < sizeof l->text)
        l->used += (size_t)snprintf(l->text + l->used, sizeof l->text - l->used, "%s\"%.40s\"",
                                    before, name);
}

static bool is_taken(const bert_choice_columns *c, int i) {
    bool taken = i == c->prompt || i == c->before || i == c->label || i == c->list;
    for (int k = 0; k < c->n; k++) taken |= i == c->ending[k];
    return taken;
}

int bert_choice_say(bert_dataset_builder *b, const char *layout, char *const *names, int n,
                    const bert_choice_columns *c, bert_error *e) {
    enum { SHOWN = 5 };
    line l = {.used = 0};
    int others = 0;
    put(&l, ": prompt ", names[c->prompt]);
    if (c->before >= 0) put(&l, ", in front of each ending ", names[c->before]);
    if (c->list >= 0) put(&l, ", endings ", names[c->list]);
    if (c->n) put(&l, ", endings ", names[c->ending[0]]);
    if (c->n) put(&l, " to ", names[c->ending[c->n - 1]]);
    put(&l, ", the right one ", names[c->label]);
    for (int i = 0; i < n; i++)
        if (!is_taken(c, i) && others++ < SHOWN)
            put(&l, others > 1 ? ", " : "; not read: ", names[i]);
    return bert_dataset_say(b, e, "%s%s%s", layout, l.text, others > SHOWN ? " .." : "");
}
