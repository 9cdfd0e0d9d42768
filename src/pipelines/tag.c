/* bert_tag and bert_tag_batch, as transformers' TokenClassificationPipeline does it: tokens, then
 * words, then groups of one entity, then what windows have in common. */
#include "base/error.h"
#include "base/grow.h"
#include "cpu/host.h"
#include "pipelines/texts.h"
#include "text/code_place.h"
#include "text/tags.h"
#include "text/tokenizer.h"
#include <stdlib.h>
#include <string.h>

static const char *const aggregation_names[] = {[BERT_AGGREGATE_NONE] = "none",
                                                [BERT_AGGREGATE_SIMPLE] = "simple",
                                                [BERT_AGGREGATE_FIRST] = "first",
                                                [BERT_AGGREGATE_AVERAGE] = "average",
                                                [BERT_AGGREGATE_MAX] = "max"};

int bert_aggregation_parse(const char *name, bert_aggregation *a, bert_error *e) {
    BERT_DOOR(e);
    for (int i = 0; i <= BERT_AGGREGATE_MAX; i++)
        if (!strcmp(name, aggregation_names[i])) {
            *a = (bert_aggregation)i;
            return 0;
        }
    return bert_fail(e, BERT_EINVAL,
                     "there is no aggregation \"%.40s\"; it is none, simple, first, average or max",
                     name);
}

/* A token or a word, before it is known whether it is an entity. */
typedef struct {
    const float *scores; /* [labels] of a token */
    const char *word;
    int32_t label, index, start, end;
    float score;
    bool subword;
} piece;

typedef struct {
    const bert_model *model;
    const bert_tokenizer *tokenizer;
    const bert_text *texts;
    const bert_text *text;  /* that is read, */
    bert_code_place window; /* and where its window begins, */
    bert_code_place token;  /* and the token that was looked at last */
    bert_aggregation how;
    const char *ignore;
    bool marks_ends; /* the labels' scheme has more than B- and I- */
    int32_t labels;
    bert_results entities;
    piece *pieces; /* of a window */
    const char **words;
    float *scores, *mean; /* [tokens, labels], [labels] */
} job;

static int32_t points_of(const char *s) {
    const uint8_t *p = (const uint8_t *)s, *end = p + strlen(s);
    int32_t n = 0;
    for (; p < end; n++) bert_utf8_next(&p, end);
    return n;
}

static int32_t best_of(const float *x, int32_t n) {
    int32_t best = 0;
    for (int32_t i = 1; i < n; i++)
        if (x[i] > x[best]) best = i;
    return best;
}

static const char *part_of_text(job *j, int32_t start, int32_t end, bert_error *e) {
    bert_code_place_to(&j->token, start);
    bert_code_place after = j->token;
    if (start < end) bert_code_place_to(&after, end);
    return bert_results_text(&j->entities, (const char *)j->token.at,
                             (size_t)(after.at - j->token.at), e);
}

/* ---- Tokens */

/* Whether neither the character at `start` nor the one before it is a space: what transformers goes
 * by where a token does not show whether it goes on with a word. */
static bool goes_on(job *j, int32_t start) {
    if (start <= 0) return false;
    bert_code_place_to(&j->token, start - 1);
    const uint8_t *p = j->token.at, *end = j->token.end;
    for (int i = 0; i < 2 && p < end; i++)
        if (bert_utf8_next(&p, end) == ' ') return false;
    return true;
}

/* WordPiece marks its tokens. */
static bool is_subword(job *j, const piece *p) {
    const bert_tokenizer *t = j->tokenizer;
    if (t->model == BERT_WORDPIECE && *t->prefix) return points_of(p->word) != p->end - p->start;
    return goes_on(j, p->start);
}

static int read_tokens(job *j, const bert_token_window *w, float *scores, bert_error *e) {
    const int32_t unknown = bert_tokenizer_special(j->tokenizer).unk;
    int n = 0;
    for (int32_t i = 0; i < w->n; i++) {
        if (w->special_tokens_mask[i]) continue;
        if (!n) {
            bert_code_place_to(&j->window, w->offsets[i][0] - 1); /* what is in front counts */
            j->token = j->window;
        }
        float *row = scores + (size_t)i * (size_t)j->labels;
        piece p = {.scores = row,
                   .index = i,
                   .start = w->offsets[i][0],
                   .end = w->offsets[i][1],
                   .label = best_of(row, j->labels),
                   .word = bert_token(j->tokenizer, w->ids[i])};
        p.score = row[p.label];
        if (w->ids[i] == unknown)
            p.word = part_of_text(j, p.start, p.end, e);
        else
            p.subword = is_subword(j, &p);
        if (!p.word) return BERT_ENOMEM;
        j->pieces[n++] = p;
    }
    return n;
}

/* ---- Words and groups: n pieces at p become the first of them */

static const char *join(job *j, const piece *p, int n, bert_error *e) {
    for (int i = 0; i < n; i++) j->words[i] = p[i].word;
    int64_t bytes = bert_join_tokens(j->tokenizer, j->words, (size_t)n, NULL, 0, e);
    char *text = bytes < 0 ? NULL : bert_arena_alloc(j->entities.arena, (size_t)bytes + 1);
    if (!text) {
        if (bytes >= 0) bert_fail_memory(e, (size_t)bytes + 1);
        return NULL;
    }
    bert_join_tokens(j->tokenizer, j->words, (size_t)n, text, (size_t)bytes + 1, e);
    return text;
}

static void label_by_first(job *j, piece *word, const piece *p, int n) {
    (void)j, (void)n;
    word->label = p[0].label;
    word->score = p[0].score;
}

static void label_by_max(job *j, piece *word, const piece *p, int n) {
    (void)j;
    const piece *surest = p;
    for (int i = 1; i < n; i++)
        if (p[i].score > surest->score) surest = &p[i];
    word->label = surest->label;
    word->score = surest->score;
}

static void label_by_average(job *j, piece *word, const piece *p, int n) {
    for (int32_t k = 0; k < j->labels; k++) {
        float sum = 0;
        for (int i = 0; i < n; i++) sum += p[i].scores[k];
        j->mean[k] = sum / (float)n;
    }
    word->label = best_of(j->mean, j->labels);
    word->score = j->mean[word->label];
}

typedef void label_word(job *j, piece *word, const piece *p, int n);
static label_word *const label_words[] = {[BERT_AGGREGATE_FIRST] = label_by_first,
                                          [BERT_AGGREGATE_AVERAGE] = label_by_average,
                                          [BERT_AGGREGATE_MAX] = label_by_max};

static int words_of(job *j, int n, bert_error *e) {
    int words = 0;
    for (int i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && j->pieces[end].subword;) end++;
        piece word = j->pieces[i];
        word.word = join(j, &j->pieces[i], end - i, e);
        if (!word.word) return BERT_ENOMEM;
        label_words[j->how](j, &word, &j->pieces[i], end - i);
        word.end = j->pieces[end - 1].end;
        j->pieces[words++] = word;
    }
    return words;
}

/* As transformers reads labels, which knows B- and I-; of schemes that also mark the end (IOBES,
 * BILOU, BMEWO), S-, U- and W- begin an entity of their own, E- and L- end one, M- is inside. */
static const char *tag_of(const job *j, const char *label, char *place) {
    static const char others[] = "ESLUMW", as_iobes[] = "ESESIS";
    const char *other = j->marks_ends && *label ? strchr(others, *label) : NULL;
    const bool known = *label == 'B' || *label == 'I' || other;
    if (!known || label[1] != '-') {
        *place = 'I';
        return label;
    }
    *place = other ? as_iobes[other - others] : *label;
    return label + 2;
}

static bool continues(const job *j, const piece *p, const piece *before) {
    char place, last_place;
    const char *tag = tag_of(j, bert_model_label(j->model, p->label), &place);
    const char *last = tag_of(j, bert_model_label(j->model, before->label), &last_place);
    return place != 'B' && place != 'S' && last_place != 'E' && last_place != 'S' &&
           !strcmp(tag, last);
}

/* Whether the labels are of a scheme that marks ends. */
static int find_scheme(job *j, bert_error *e) {
    bert_tags *t = bert_tags_new(j->model->labels.name, j->model->labels.n, e);
    if (!t) return BERT_ENOMEM;
    j->marks_ends = !t->suffix && (t->scheme == BERT_TAGS_IOBES || t->scheme == BERT_TAGS_BILOU ||
                                   t->scheme == BERT_TAGS_BMEWO);
    bert_tags_free(t);
    return BERT_OK;
}

static int add_entity(job *j, const char *entity, const piece *p, int32_t index, bert_error *e) {
    if (!strcmp(entity, j->ignore)) return 0;
    bert_entity *out = bert_results_add(&j->entities, e);
    if (!out) return BERT_ENOMEM;
    *out = (bert_entity){.entity = entity,
                         .score = p->score,
                         .index = index,
                         .start = p->start,
                         .end = p->end,
                         .word = p->word};
    return 0;
}

static int add_groups(job *j, int n, bert_error *e) {
    int rc = 0;
    for (int i = 0, end; i < n && !rc; i = end) {
        float sum = j->pieces[i].score;
        for (end = i + 1; end < n && continues(j, &j->pieces[end], &j->pieces[end - 1]); end++)
            sum += j->pieces[end].score;
        piece group = j->pieces[i];
        group.word = join(j, &j->pieces[i], end - i, e);
        if (!group.word) return BERT_ENOMEM;
        group.end = j->pieces[end - 1].end;
        group.score = sum / (float)(end - i);
        const char *label = bert_model_label(j->model, group.label);
        const char *dash = strchr(label, '-');
        rc = add_entity(j, dash ? dash + 1 : label, &group, -1, e);
    }
    return rc;
}

static int make_room(job *j, size_t tokens, bert_error *e) {
    const size_t labels = (size_t)j->labels;
    if (bert_grow(&j->pieces, tokens, sizeof *j->pieces, e) ||
        bert_grow(&j->words, tokens, sizeof *j->words, e) ||
        bert_grow(&j->scores, tokens * labels, sizeof *j->scores, e) ||
        bert_grow(&j->mean, labels, sizeof *j->mean, e))
        return e->code;
    return 0;
}

static int read_window(void *context, const bert_token_window *w, const float *logits,
                       bert_error *e) {
    job *j = context;
    int rc = make_room(j, (size_t)w->n, e);
    if (rc) return rc;
    memcpy(j->scores, logits, (size_t)w->n * (size_t)j->labels * sizeof *logits);
    bert_host_softmax(j->scores, w->n, j->labels);
    int n = read_tokens(j, w, j->scores, e);
    if (n >= 0 && j->how > BERT_AGGREGATE_SIMPLE) n = words_of(j, n, e);
    if (n < 0) return n;
    if (j->how != BERT_AGGREGATE_NONE) return add_groups(j, n, e);
    for (int i = 0; i < n && !rc; i++)
        rc = add_entity(j, bert_model_label(j->model, j->pieces[i].label), &j->pieces[i],
                        j->pieces[i].index, e);
    return rc;
}

/* ---- The text */

/* Of entities that overlap, the longer or the surer is kept. Returns how many are left. */
static int drop_overlaps(bert_entity *list, int n) {
    /* Windows come in order, so that little is out of place: insertion, which is stable. */
    for (int i = 1; i < n; i++) {
        bert_entity x = list[i];
        int k = i;
        for (; k > 0 && list[k - 1].start > x.start; k--) list[k] = list[k - 1];
        list[k] = x;
    }
    int kept = 0;
    for (int i = 1; i < n; i++) {
        bert_entity *last = &list[kept];
        if (list[i].start >= last->start && list[i].start < last->end) {
            int32_t length = list[i].end - list[i].start, before = last->end - last->start;
            if (length > before || (length == before && list[i].score > last->score))
                *last = list[i];
        } else {
            list[++kept] = list[i];
        }
    }
    return n ? kept + 1 : 0;
}

static void begin_text(void *context, int32_t text) {
    job *j = context;
    j->text = &j->texts[text];
    j->window = bert_code_place_of(j->text->text, j->text->bytes);
}

static int end_text(void *context, int32_t windows, bert_error *e) {
    (void)e;
    job *j = context;
    bert_results *r = &j->entities;
    const int first = r->start[r->begun - 1];
    if (windows > 1) r->count = first + drop_overlaps(bert_results_at(r, first), r->count - first);
    return 0;
}

static int tag(job *j, bert_texts *t, bert_error *e) {
    const bert_window_reader reader = {.outputs = BERT_OUTPUT_TAGS,
                                       .context = j,
                                       .results = &j->entities,
                                       .begin = begin_text,
                                       .read = read_window,
                                       .end = end_text};
    int rc = j->how == BERT_AGGREGATE_NONE ? BERT_OK : find_scheme(j, e);
    if (!rc) rc = bert_results_new(&j->entities, t->s, sizeof(bert_entity), t->n, e);
    if (!rc) rc = bert_texts_read(t, &reader, e);
    bert_grown_free(j->pieces);
    bert_grown_free((void *)(uintptr_t)j->words);
    bert_grown_free(j->scores);
    bert_grown_free(j->mean);
    return rc;
}

int bert_tag_batch(bert_session *s, const bert_text *texts, int32_t n,
                   const bert_text_options *options, bert_aggregation aggregation,
                   const char *ignore, const bert_entity **out, const int32_t **start,
                   bert_text_info *info, bert_error *e) {
    BERT_DOOR(e);
    *out = NULL;
    if (bert_need(s, "session", e)) return BERT_EINVAL;
    bert_texts t = {.s = s,
                    .texts = texts,
                    .n = n,
                    .options = options ? *options : bert_text_default(),
                    .info = info};
    job j = {.model = s->model,
             .tokenizer = bert_model_tokenizer(s->model),
             .texts = texts,
             .how = aggregation,
             .ignore = ignore ? ignore : "O",
             .labels = s->model->config.num_labels};
    int rc = tag(&j, &t, e);
    if (rc) return rc;
    *out = (const bert_entity *)(const void *)j.entities.items;
    if (start) *start = j.entities.start;
    return j.entities.count;
}

int bert_tag(bert_session *s, const bert_text *text, const bert_text_options *options,
             bert_aggregation aggregation, const char *ignore, const bert_entity **out,
             bert_text_info *info, bert_error *e) {
    BERT_DOOR(e);
    return bert_tag_batch(s, text, 1, options, aggregation, ignore, out, NULL, info, e);
}
