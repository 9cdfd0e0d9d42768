#include "text/graphemes.h"

static bool is_control(bert_cluster_kind k) {
    return k == BERT_CLUSTER_CR || k == BERT_CLUSTER_LF || k == BERT_CLUSTER_CONTROL;
}

/* GB6 to GB8 */
static bool is_hangul_pair(bert_cluster_kind a, bert_cluster_kind b) {
    const bool v = b == BERT_CLUSTER_V, t = b == BERT_CLUSTER_T;
    if (a == BERT_CLUSTER_L)
        return b == BERT_CLUSTER_L || v || b == BERT_CLUSTER_LV || b == BERT_CLUSTER_LVT;
    if (a == BERT_CLUSTER_LV || a == BERT_CLUSTER_V) return v || t;
    return (a == BERT_CLUSTER_LVT || a == BERT_CLUSTER_T) && t;
}

static bool joins(const bert_grapheme *g, bert_cluster_kind k, uint8_t flags) {
    if (!g->any) return false;
    if (g->last == BERT_CLUSTER_CR && k == BERT_CLUSTER_LF) return true;
    if (is_control(g->last) || is_control(k)) return false;
    if (is_hangul_pair(g->last, k)) return true;
    if (k == BERT_CLUSTER_EXTEND || k == BERT_CLUSTER_ZWJ || k == BERT_CLUSTER_SPACING) return true;
    if (g->last == BERT_CLUSTER_PREPEND) return true;
    if (g->linked && flags & BERT_CONSONANT) return true;
    if (g->joined && k == BERT_CLUSTER_PICTOGRAPH) return true;
    return g->odd_regional && k == BERT_CLUSTER_REGIONAL;
}

bool bert_grapheme_goes_on(bert_grapheme *g, uint32_t c) {
    enum { NON_JOINER = 0x200c };
    const bert_letter *l = bert_letter_of(c);
    const bert_cluster_kind k = (bert_cluster_kind)l->cluster;
    const bool goes_on = joins(g, k, l->flags), mark = k == BERT_CLUSTER_EXTEND,
               binds = (mark && c != NON_JOINER) || k == BERT_CLUSTER_ZWJ;
    g->odd_regional = k == BERT_CLUSTER_REGIONAL && !g->odd_regional;
    g->joined = k == BERT_CLUSTER_ZWJ && g->pictograph;
    g->pictograph = k == BERT_CLUSTER_PICTOGRAPH || (mark && g->pictograph);
    g->linked = g->consonant && binds && (g->linked || l->flags & BERT_LINKER);
    g->consonant = l->flags & BERT_CONSONANT || (g->consonant && binds);
    if (l->flags & BERT_CONSONANT) g->linked = false;
    g->last = k;
    g->any = true;
    return goes_on;
}
