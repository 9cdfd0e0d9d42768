/* The names of columns in well-known files. */
#include "files/reader.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>

const char *const bert_usual_texts[] = {
    "text",         "sentence",    "sentence1",   "review",    "question1",
    "question",     "content",     "premise",     "prompt",    "sent1",
    "#1 String",    "sentence_A",  "text_a",      "text1",     "texts",
    "sentences",    "tweet",       "tweet_text",  "comment",   "comment_text",
    "message",      "body",        "query",       "utterance", "reviews",
    "review_text",  "reviewText",  "review_body", "full_text", "clean_text",
    "cleaned_text", "headline",    "document",    "doc",       "passage",
    "article",      "phrase",      "statement",   "post",      "sms",
    "email",        "feedback",    "transcript",  "essay",     "excerpt",
    "abstract",     "description", "title",       NULL};

const char *const bert_usual_labels[] = {"label", "labels", "gold_label", NULL};

const char *const bert_other_labels[] = {
    "score",    "target", "class",       "Quality", "is_duplicate",      "sentiment",
    "category", "intent", "emotion",     "topic",   "polarity",          "rating",
    "stars",    "stance", "class index", "is_spam", "airline_sentiment", NULL};

const bert_pair_format bert_pair_formats[] = {
    {"sentence1", "sentence2", NULL}, /* MRPC, RTE, WNLI, STS-B, MNLI, SNLI, PAWS, XNLI */
    {"premise", "hypothesis", NULL},  /* the hub's SNLI, MNLI, XNLI; CB */
    {"premise", "hypo", NULL},        /* XNLI's translations of MNLI */
    {"question1", "question2", NULL}, /* QQP */
    {"question", "sentence", NULL},   /* QNLI */
    {"#1 String", "#2 String", NULL}, /* MRPC */
    {"text", "text_pair", NULL},
    {"text", "pair", NULL},
    {"text_a", "text_b", NULL},
    {"text1", "text2", NULL},
    {"sentence_1", "sentence_2", NULL},
    {"text_1", "text_2", NULL},
    {"sentence_A", "sentence_B", NULL}, /* SICK */
    {"question", "passage", "answer"},  /* BoolQ */
    {"context", "hypothesis", NULL},    /* ANLI */
    {NULL, NULL, NULL},
};

static bool is_among(const char *name, const char *const *names) {
    while (*names && strcasecmp(name, *names)) names++;
    return *names != NULL;
}

bool bert_usual_name(const char *name) {
    for (const bert_pair_format *p = bert_pair_formats; p->text; p++)
        if (!strcasecmp(name, p->text) || !strcasecmp(name, p->pair)) return true;
    return is_among(name, bert_usual_texts) || is_among(name, bert_usual_labels) ||
           is_among(name, bert_other_labels);
}

/* ---- Files of another kind */

static bool has_any(const bert_reader *r, const char *const *names) {
    for (int i = 0; i < r->names; i++)
        if (is_among(r->name[i], names)) return true;
    return false;
}

const char *bert_names_endings(const bert_reader *r) {
    static const char *const stems[] = {"ending", "choice", "option", "answer", "sol"};
    for (size_t i = 0; i < sizeof stems / sizeof *stems; i++) {
        char first[16], second[16];
        snprintf(first, sizeof first, "%s1", stems[i]);
        snprintf(second, sizeof second, "%s2", stems[i]);
        if (bert_reader_column(r, first) >= 0 && bert_reader_column(r, second) >= 0)
            return stems[i];
    }
    static const char *const lists[] = {"endings", "options", "choices"};
    for (size_t i = 0; r->json && i < sizeof lists / sizeof *lists; i++) {
        const json_t *v = json_object_get(r->object, lists[i]);
        if (json_array_size(v) > 1 || json_array_size(json_object_get(v, "text")) > 1)
            return lists[i];
    }
    return NULL;
}

const char *bert_names_hint(const bert_reader *r) {
    static const char *const words[] = {"word", "words", "token", "tokens", NULL};
    static const char *const tags[] = {"tag", "tags",     "ner",     "ner_tag", "ner_tags",
                                       "pos", "pos_tags", "pos_tag", "labels",  "label",
                                       "iob", "bio",      NULL};
    static const char *const contexts[] = {"context", NULL};
    static const char *const answers[] = {"answers", NULL};
    if (has_any(r, words) && has_any(r, tags))
        return "; words and their tags are read with --task token-classification";
    if (has_any(r, contexts) && has_any(r, answers))
        return "; questions with their answers are read with --task question-answering";
    if (bert_names_endings(r))
        return "; endings to choose from are read with --task multiple-choice";
    return "";
}
