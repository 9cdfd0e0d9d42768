/* One task is one head of one sequence, whose keys and values are packed once. */
#include "cpu/attention.h"
#include "cpu/attention_head.h"

typedef void head_fn(const bert_attention_job *w, const bert_attention_head *h,
                     unsigned char *memory);

typedef struct {
    bert_attention_job work;
    head_fn *fn;
    int times;             /* sequences that a task takes after one another, of a head */
    unsigned char *memory; /* when there are no threads */
} loop;

static void run_heads(void *context, int begin, int end, int thread) {
    const loop *l = context;
    const bert_attention_plan *p = l->work.plan;
    unsigned char *memory =
        l->work.threads ? bert_threads_scratch(l->work.threads, thread) : l->memory;
    const bert_gemm_kernel *g = l->work.g;
    if (g->begin) g->begin();
    for (int i = begin; i < end; i++)
        for (int j = 0; j < l->times; j++) {
            const bert_attention_head h = bert_head_of(&l->work, i / p->heads + j, i % p->heads);
            l->fn(&l->work, &h, memory);
        }
    if (g->end) g->end();
}

/* The most that a sequence takes: not always the longest one, whose blocks of queries may be smaller. */
static size_t scratch_bytes(const bert_attention_job *w, bool backward) {
    size_t most = 0;
    for (int i = 0; i < w->plan->n; i++) {
        const bert_attention_head h = bert_head_of(w, i, 0);
        const size_t bytes =
            backward ? bert_attention_backward_bytes(&h) : bert_attention_forward_bytes(&h);
        if (bytes > most) most = bytes;
    }
    return most;
}

static int run(bert_threads *threads, loop *l, bool backward) {
    l->work.threads = threads;
    const bert_attention_plan *p = l->work.plan;
    size_t bytes = scratch_bytes(&l->work, backward);
    if (threads && bert_threads_reserve(threads, bytes)) return BERT_ENOMEM;
    if (!threads && !(l->memory = bert_threads_workspace(NULL, BERT_WORKSPACE_LEFT, bytes)))
        return BERT_ENOMEM;
    /* Sequences add to one table of relative positions, in their order. */
    l->times = backward && p->relative && l->work.dx ? p->n : 1;
    bert_threads_run(threads, p->n / l->times * p->heads, 1, run_heads, l);
    if (!threads) bert_threads_release(NULL, l->memory);
    return 0;
}

static loop loop_for(const bert_attention_plan *plan, head_fn *fn, const float *qkv) {
    const bert_kernels *k = bert_cpu();
    /* Both sides of these products are made anew each time: quantizing them would cost what it
     * saves. */
    const bert_precision p =
        plan->precision == BERT_PRECISION_INT8 ? BERT_PRECISION_MEDIUM : plan->precision;
    return (loop){.fn = fn, .work = {.plan = plan, .k = k, .g = k->gemm[p], .qkv = qkv}};
}

int bert_attention_forward(bert_threads *threads, const bert_attention_plan *plan, const float *qkv,
                           float *out, float *lse, float *probabilities) {
    loop l = loop_for(plan, bert_attention_forward_head, qkv);
    if (!l.work.g) return BERT_EINVAL;
    l.work.out = out;
    l.work.lse = lse;
    l.work.probabilities = probabilities;
    return run(threads, &l, false);
}

int bert_attention_backward(bert_threads *threads, const bert_attention_plan *plan,
                            const float *qkv, const float *out, const float *dout, const float *lse,
                            float *dqkv, float *dx) {
    loop l = loop_for(plan, bert_attention_backward_head, qkv);
    if (!l.work.g) return BERT_EINVAL;
    l.work.output = out;
    l.work.dout = dout;
    l.work.lse_in = lse;
    l.work.dqkv = dqkv;
    l.work.dx = dx;
    return run(threads, &l, true);
}
