/* Counters lie with rank 0, whose thread answers: no window of memory, which MPIs do in many ways. */
#include "engine.h"
#include <stdlib.h>

enum { ASK = 1, ANSWER = 2 };

int counters_begin(engine *n, counter_service *s) {
    *s = (counter_service){.request = MPI_REQUEST_NULL};
    if (n->rank || n->size < 2) return 0;
    s->replies = malloc((size_t)n->size * sizeof *s->replies);
    s->numbers = malloc((size_t)n->size * sizeof *s->numbers);
    if (!s->replies || !s->numbers) return MPI_ERR_NO_MEM;
    for (int r = 0; r < n->size; r++) s->replies[r] = MPI_REQUEST_NULL;
    return MPI_Irecv(&s->asked, 1, MPI_INT, MPI_ANY_SOURCE, ASK, n->side, &s->request);
}

int counters_serve(engine *n, counter_service *s, bool *moved) {
    MPI_Status status;
    int got = 0;
    if (!s->replies) return 0;
    int rc = MPI_Test(&s->request, &got, &status);
    if (rc || !got || s->request != MPI_REQUEST_NULL) return rc;
    *moved = true;
    const int r = status.MPI_SOURCE; /* it has its latest answer, or would not ask */
    rc = MPI_Wait(&s->replies[r], MPI_STATUS_IGNORE);
    pthread_mutex_lock(&n->lock);
    s->numbers[r] = n->counters[s->asked]++;
    pthread_mutex_unlock(&n->lock);
    if (!rc) rc = MPI_Isend(&s->numbers[r], 1, MPI_INT64_T, r, ANSWER, n->side, &s->replies[r]);
    return rc ? rc : MPI_Irecv(&s->asked, 1, MPI_INT, MPI_ANY_SOURCE, ASK, n->side, &s->request);
}

void counters_end(counter_service *s) {
    if (s->request != MPI_REQUEST_NULL) {
        MPI_Cancel(&s->request);
        MPI_Wait(&s->request, MPI_STATUS_IGNORE);
    }
    free(s->replies);
    free(s->numbers);
}

static int begin(engine *n, operation *o) {
    ask *a = (ask *)o;
    int rc = MPI_Irecv(&a->number, 1, MPI_INT64_T, 0, ANSWER, n->side, &a->requests[0]);
    return rc ? rc : MPI_Isend(&a->counter, 1, MPI_INT, 0, ASK, n->side, &a->requests[1]);
}

static int test(engine *n, operation *o, bool *done, bool *moved) {
    (void)n;
    int all = 0;
    int rc = MPI_Testall(2, ((ask *)o)->requests, &all, MPI_STATUSES_IGNORE);
    *done = *moved = all;
    return rc;
}

const operation ask_operation = {.name = "counter", .single = true, .begin = begin, .test = test};
