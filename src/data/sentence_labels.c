/* What the labels of a token classification set are: names for numbers, and the scheme of tags. */
#include "base/error.h"
#include "base/file.h"
#include "base/grow.h"
#include "data/label_names.h"
#include "data/sentence_reader.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Numbers */

static bool is_number(const char *s) {
    const size_t n = strspn(s, "0123456789");
    return n && !s[n];
}

static bool among(char *const *names, int32_t n, const char *text) {
    for (int32_t i = 0; i < n; i++)
        if (!strcmp(names[i], text)) return true;
    return false;
}

static bool made_up(const char *name) {
    return is_number(name) || !strncmp(name, "LABEL_", 6);
}

/* How many raw labels are numbers that nothing is called, and one of them; the greatest. */
static int32_t find_numbers(const bert_dataset_builder *b, int32_t *one, long *greatest) {
    const bert_raw_labels *r = &b->raw;
    const bert_dataset *like = b->options->like;
    const bert_labels *model = &b->base->labels;
    int32_t numbers = 0;
    *greatest = 0;
    for (int32_t i = 0; i < r->n; i++) {
        if (!is_number(r->text[i]) || (like && among(like->names, like->num_labels, r->text[i])) ||
            (!like && b->options->model_labels && among(model->name, model->n, r->text[i])))
            continue;
        if (!numbers++) *one = i;
        const long v = strtol(r->text[i], NULL, 10);
        if (v > *greatest) *greatest = v;
    }
    return numbers;
}

/* "0 O, 1 B-PER, .." */
static void list_names(char *const *names, int32_t n, char *out, size_t capacity) {
    size_t used = 0;
    *out = 0;
    for (int32_t i = 0; i < n && used + 40 < capacity; i++)
        used += (size_t)snprintf(out + used, capacity - used, "%s%d %.24s", i ? ", " : "", (int)i,
                                 names[i]);
}

static int say_names(bert_dataset_builder *b, const char *whose, char *const *names, int32_t n,
                     bert_error *e) {
    char list[200];
    list_names(names, n, list, sizeof list);
    return bert_dataset_say(b, e, "tags are numbers; they mean %s: %s", whose, list);
}

/* Names that datasets writes beside its data. 1: they are in that file. */
static int names_in(bert_dataset_builder *b, const char *path, bool card, bert_error *e) {
    const bert_sentences *all = b->set->state;
    if (!bert_file_exists(path) || (card && !all->tags_name)) return 0;
    if (card) return bert_card_names(path, all->tags_name, &b->given, e);
    int rc = bert_label_names_read(path, all->tags_name, &b->given, e);
    return rc ? rc : 1;
}

static int names_beside(bert_dataset_builder *b, bert_error *e) {
    static const char *const files[] = {"dataset_info.json", "README.md"};
    const char *slash = strrchr(b->set->where, '/');
    char *folder =
        slash ? strndup(b->set->where, (size_t)(slash - b->set->where) + 1) : strdup(".");
    int rc = folder ? 0 : bert_fail_memory(e, strlen(b->set->where));
    for (int i = 0; i < 2 && !rc; i++) {
        char *path = bert_path_join(folder, files[i]);
        rc = path ? names_in(b, path, i == 1, e) : bert_fail_memory(e, strlen(folder));
        if (rc > 0 && say_names(b, path, b->given.name, b->given.n, e)) rc = BERT_ENOMEM;
        free(path);
    }
    free(folder);
    return rc;
}

/* Whether the model has names for the numbers 0 to greatest. */
static bool model_names(const bert_model *m, long greatest) {
    if (greatest >= m->labels.n) return false;
    for (int32_t i = 0; i < m->labels.n; i++)
        if (!made_up(m->labels.name[i])) return true;
    return false;
}

static int stop(const bert_dataset_builder *b, int32_t numbers, int32_t one, long greatest,
                bert_error *e) {
    static const char how[] = "label_names says what they are called, \"O,B-PER,I-PER\" or a file "
                              "of names";
    const bert_raw_labels *r = &b->raw;
    if (numbers < r->n)
        return bert_dataset_fail(b, r->line[one], e, BERT_EINVAL,
                                 "the tag \"%.20s\" is a number, and others are names: %s",
                                 r->text[one], how);
    return bert_fail(e, BERT_EINVAL, "%s: the tags are numbers, 0 to %ld%s: %s", b->set->where,
                     greatest, b->options->like ? ", and those of the training file names" : "",
                     how);
}

/* A number is a tag by the order of names that is known, or not at all. */
static int name_numbers(bert_dataset_builder *b, bert_error *e) {
    bert_sentences *all = b->set->state;
    const bert_dataset *like = b->options->like;
    const bert_sentences *first = like ? like->state : NULL;
    int32_t one = 0;
    long greatest;
    const int32_t numbers = find_numbers(b, &one, &greatest);
    all->ordered = b->given.n || (first && first->ordered);
    if (!numbers || b->given.n) return BERT_OK;
    if (all->ordered)
        return say_names(b, "the training file's names", like->names, like->num_labels, e);
    if (numbers < b->raw.n) return stop(b, numbers, one, greatest, e);
    int rc = names_beside(b, e);
    if (!rc && !like && model_names(b->base, greatest)) {
        const bert_labels *m = &b->base->labels;
        rc = bert_labels_set(&b->given, m->n, (const char **)(void *)m->name, e);
        if (!rc) rc = say_names(b, "the model's labels", m->name, m->n, e);
        rc = rc ? rc : 1;
    }
    all->ordered = rc == 1;
    return rc ? (rc < 0 ? rc : BERT_OK) : stop(b, numbers, one, greatest, e);
}

/* ---- Tags */

/* Entities that the other one of two schemes has. */
static int say_unmarked(bert_dataset_builder *b, const bert_tag_evidence *seen, bert_error *e) {
    const bert_sentences *all = b->set->state;
    const bert_tag_scheme scheme = all->tags->scheme;
    const bool first = scheme == BERT_TAGS_IOB1 || scheme == BERT_TAGS_IOE1,
               ends = scheme == BERT_TAGS_IOE1 || scheme == BERT_TAGS_IOE2;
    const int64_t wrong = first ? seen->marked : seen->unmarked;
    if (!wrong || (!first && !ends && scheme != BERT_TAGS_IOB2)) return BERT_OK;
    char where[60] = "";
    if (!first)
        snprintf(where, sizeof where, " (the first in the sentence of line %lld)",
                 (long long)all->line[seen->first]);
    return bert_dataset_say(b, e, "%lld of %lld entities %s with %s, which %s does not have%s",
                            (long long)wrong, (long long)seen->entities, ends ? "end" : "begin",
                            !first ? "I-"
                            : ends ? "E- and touch none of their type"
                                   : "B- and touch none of their type",
                            bert_tag_scheme_name(scheme), where);
}

static int say_tags(bert_dataset_builder *b, const bert_tag_evidence *seen, bert_error *e) {
    const bert_sentences *all = b->set->state;
    const bert_tags *t = all->tags;
    const int types = (int)t->entity_types;
    const char *s = types == 1 ? "" : "s";
    if (t->scheme == BERT_TAGS_CLASSES)
        return bert_dataset_say(b, e,
                                "tags have neither B- and I- nor O: they are scored by word, not "
                                "as entities");
    if (t->scheme == BERT_TAGS_IO)
        return bert_dataset_say(b, e,
                                "tags are not IOB, they have no B- or I-: an entity is a run of "
                                "one tag; %d type%s",
                                types, s);
    int rc =
        bert_dataset_say(b, e, "tags are %s%s: %d entity type%s", bert_tag_scheme_name(t->scheme),
                         t->suffix ? ", behind the type" : "", types, s);
    if (!rc && t->odd)
        rc = bert_dataset_say(b, e, "%d tag%s no prefix (%.40s): no entity of %s", (int)t->odd,
                              t->odd == 1 ? " has" : "s have", t->first_odd,
                              bert_tag_scheme_name(t->scheme));
    return rc ? rc : say_unmarked(b, seen, e);
}

static int find_tags(bert_dataset_builder *b, bert_error *e) {
    bert_dataset *d = b->set;
    bert_sentences *all = d->state;
    const bert_sentences *first = b->options->like ? b->options->like->state : NULL;
    bert_tag_evidence seen = {0};
    all->tags = bert_tags_new(d->names, d->num_labels, e);
    if (!all->tags) return BERT_ENOMEM;
    if (bert_tags_have_prefixes(all->tags->scheme))
        for (int64_t i = 0; i < all->sentences; i++)
            bert_tags_see(all->tags, all->gold + all->sentence[i],
                          (int32_t)(all->sentence[i + 1] - all->sentence[i]), &seen);
    if (first)
        bert_tags_set(all->tags, first->tags->scheme);
    else
        bert_tags_settle(all->tags, &seen);
    return say_tags(b, &seen, e);
}

static int one_class(const bert_dataset_builder *b, bert_error *e) {
    const bert_sentences *all = b->set->state;
    char hint[100] = "";
    if (all->columns > 2)
        snprintf(hint, sizeof hint, "; label_column says which of the %d columns holds the labels",
                 all->columns);
    return bert_fail(e, BERT_EINVAL,
                     "%s: every word has the label \"%.60s\": there is nothing to learn from one "
                     "class%s",
                     b->set->where, b->raw.text[0], hint);
}

int bert_sentences_resolve(bert_dataset_builder *b, bert_error *e) {
    bert_dataset *d = b->set;
    bert_sentences *all = d->state;
    const bert_dataset_options *o = b->options;
    int rc = name_numbers(b, e);
    if (rc) return rc;
    int32_t *number = bert_dataset_name_labels(b, e);
    if (!number) return e->code;
    if (!o->like && !o->model_labels && !o->allow_one_class && b->raw.n == 1) {
        free(number);
        return one_class(b, e);
    }
    rc = bert_grow(&all->gold, (size_t)all->words, sizeof *all->gold, e);
    for (int64_t i = 0; !rc && i < all->words; i++)
        all->gold[i] = number[b->raw.of_rows[b->raw.start[i]]];
    int32_t *labels = bert_dataset_ints(d, "labels");
    for (int64_t i = 0; !rc && i < d->start[d->sequences]; i++)
        if (labels[i] >= 0) labels[i] = all->gold[labels[i]];
    free(number);
    return rc ? rc : find_tags(b, e);
}
