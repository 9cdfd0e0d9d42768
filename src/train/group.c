#include "train/group.h"
#include "base/error.h"

int bert_group_check(const bert_group *g, bert_error *e) {
    const bool whole = g->size < 2 || (g->broadcast && g->gather && g->barrier && g->next &&
                                       g->reduce && g->share && g->wait && g->times && g->abort);
    if (g->size < 1 || g->rank < 0 || g->rank >= g->size || !whole)
        return bert_fail(e, BERT_EINVAL,
                         "rank %d of %d processes: ranks are 0 to size - 1, and "
                         "more than one need every function of the table",
                         g->rank, g->size);
    return BERT_OK;
}
