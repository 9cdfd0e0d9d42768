#include "cpu/matmul.h"
#include "base/arena.h"
#include "base/finite.h"
#include <stdatomic.h>

/* The left operand is packed in chunks of rows that stay in the outer caches; a task is a block of
 * rows times a group of columns. A slab of the block's depth stays in the second-level cache while
 * the right operand comes from outside, each panel once. None of it changes the order of a sum. */
enum {
    CHUNK_BYTES = 4 << 20, /* packed left operand of a chunk, for all threads, */
    CHUNK_BLOCKS = 5,      /* or more, to hold so many blocks of rows */
    GROUP_COLS = 256,      /* columns of a task */
    TASKS_PER_THREAD = 4,  /* at least, so that an uneven end is short */
    PACK_ELEMENTS = 8192,  /* of the left operand, that one thread packs before another has come */
    VIEW_DEPTH = 2048,     /* a product of two views is summed in passes of this depth */
};

typedef struct {
    bert_threads *threads;
    const bert_gemm_kernel *g;
    int K, N;
    bert_left_layout left;
    const unsigned char *b;
    bert_balance balance;
    const bert_right *once;    /* the right operand, when it is not packed */
    float *once_copy;          /* [threads][K * nr]: where a part of it is copied to */
    unsigned char *once_panel; /* [threads][b_panel]: where a panel of it is packed */
    atomic_bool infinite;      /* a sum of such a product */
    size_t b_panel;
    unsigned char *packed_a; /* the left operand's blocks of the chunk */
    float *tiles;            /* [threads][tiles_of_thread] */
    size_t tiles_of_thread;
    unsigned char *opened; /* [threads][opened_of_thread]: where a pass of a panel is opened */
    size_t opened_of_thread;
    int first, rows; /* the chunk's rows, */
    int step;        /* and those of a block */
    int block_panels, group_panels, groups;
    float *c;
    ptrdiff_t ldc;
    const bert_epilogue *e;
    bert_epilogue_fn *epilogue;
} product;

/* Block i of the chunk from depth k on. */
static bert_left left_block(const product *p, int i, int k) {
    return bert_left_block(&p->left, p->packed_a + i * p->left.block, p->first + i * p->step, k);
}

static void pack_blocks(void *context, int begin, int end, int thread) {
    const product *p = context;
    (void)thread;
    for (int i = begin; i < end; i++) {
        int row = i * p->step, rows = p->rows - row < p->step ? p->rows - row : p->step;
        bert_left_pack(&p->left, p->packed_a + i * p->left.block, p->first + row, rows,
                       p->balance ? p->balance + p->K : NULL);
    }
}

/* Of the chunk: unless they are read in place. */
static void pack_left(bert_threads *threads, product *p, int blocks) {
    if (p->left.block)
        bert_threads_run(threads, blocks, 1 + PACK_ELEMENTS / (p->step * p->K), pack_blocks, p);
}

/* What comes after the sum, for the block of C at (row, col) of the chunk. */
static void finish_block(product *p, float *tile, const bert_left *a, const unsigned char *panel,
                         int row, int col) {
    const bert_gemm_kernel *g = p->g;
    int rows = p->rows - row < p->step ? p->rows - row : p->step;
    int cols = p->N - col < g->nr ? p->N - col : g->nr;
    const unsigned char *extra = panel + bert_panel_extra(g, p->K);
    if (p->once) {
        const bool finite = g->sums == BERT_SUMS_QUANTIZED
                                ? bert_finite((const float *)(const void *)extra, (size_t)g->nr)
                                : bert_finite(tile, (size_t)(rows * g->nr));
        if (!finite) atomic_store_explicit(&p->infinite, true, memory_order_relaxed);
    }
    const bert_epilogue *e = p->e;
    const ptrdiff_t m = p->first + row;
    bert_block_epilogue be = {
        .bias = e->bias ? e->bias + col : NULL,
        .pre = e->pre ? e->pre + m * p->N + col : NULL,
        .pre_stride = p->N,
        .residual = e->residual ? e->residual + m * e->residual_stride + col : NULL,
        .residual_stride = e->residual_stride,
        .accumulate = e->accumulate,
        .left = a,
        .right = extra,
    };
    if (!e->words) {
        p->epilogue(p->c + m * p->ldc + col, p->ldc, tile, g->nr, rows, cols, &be);
        return;
    }
    const bert_left_layout *l = &e->words->layout;
    const bert_left to = bert_left_block(l, e->words->data + m / l->step * l->block, 0, col);
    if (g->in_place) { /* floats */
        p->epilogue(bert_left_row(&to, 0), to.row / (ptrdiff_t)sizeof(float), tile, g->nr, rows,
                    cols, &be);
        return;
    }
    p->epilogue(tile, g->nr, tile, g->nr, rows, cols, &be);
    g->pack_rows(&to, tile, g->nr, rows, cols, NULL);
}

/* One panel of columns through the slab k .. k + depth of a block of rows, in passes of kc, of
 * which the right side fits the first-level cache. A pass is summed on its own, so the grouping of
 * a sum depends on K alone. */
static void multiply_panel(product *p, const unsigned char *panel, const unsigned char *next,
                           int thread, float *tiles, int j, int i0, int i1, int k, int depth) {
    const bert_gemm_kernel *g = p->g;
    unsigned char *opened =
        g->open ? p->opened + (size_t)thread * p->opened_of_thread : NULL; /* else there is none */
    const int size = g->mr * g->nr;
    const ptrdiff_t apart = bert_left_apart(&p->left);
    const int begin = k;
    for (const int end = k + depth; k < end; k += g->kc) {
        depth = end - k < g->kc ? end - k : g->kc;
        const size_t unit = (size_t)(k / g->k_unit);
        const unsigned char *b = panel + unit * g->b_unit;
        /* The next pass, of this panel or from `next` on, is fetched by all the blocks of this one;
         * one alone reads in order. */
        const unsigned char *after = i1 - i0 == 1      ? NULL
                                     : k + depth < end ? b + (size_t)(depth / g->k_unit) * g->b_unit
                                                       : next;
        const int pace = (int)g->b_unit / (i1 - i0);
        const size_t share = (size_t)pace * (size_t)(depth / g->k_unit);
        float *tile = tiles;
        /* Not made anew for each block: what is copied whole waits for the sums to be stored. */
        bert_left a = left_block(p, i0, k);
        const unsigned char *again = left_block(p, i0, k + depth < end ? k + depth : begin).data;
        for (int i = i0; i < i1; i++, tile += size) {
            const int row = i * p->step, rows = p->rows - row < p->step ? p->rows - row : p->step;
            const char *ahead = after ? (const char *)after + (size_t)(i - i0) * share : NULL;
            a.next = i + 1 < i1 ? a.data + apart : again;
            if (g->open && i == i0)
                g->open(tile, g->nr, &a, b, opened, depth, rows, k > 0, ahead, pace, i0 + 1 < i1);
            else
                g->block(tile, g->nr, &a, g->open ? opened : b, depth, rows, k > 0, ahead, pace);
            if (k + depth == p->K) finish_block(p, tile, &a, panel, row, j * g->nr);
            a.data = a.next;
            a.extra += p->left.block;
        }
    }
}

/* Panel j of the right side from depth k on. */
static const unsigned char *right_at(const product *p, int j, int k) {
    return p->b + (size_t)j * p->b_panel + (size_t)(k / p->g->k_unit) * p->g->b_unit;
}

/* A task's sums stay in the thread's tiles while its depth is taken slab by slab; where one slab is
 * all, the panels of columns take turns in the same tiles. */
static void multiply_task(product *p, int task, int thread) {
    float *tiles = p->tiles + (size_t)thread * p->tiles_of_thread;
    const bert_gemm_kernel *g = p->g;
    const int row_panels = bert_divide_up(p->rows, p->step),
              col_panels = bert_divide_up(p->N, g->nr);
    const int blocks = bert_divide_up(row_panels, p->block_panels);
    const int i0 = task % blocks * p->block_panels, j0 = task / blocks * p->group_panels;
    const int i1 = i0 + p->block_panels < row_panels ? i0 + p->block_panels : row_panels;
    const int j1 = j0 + p->group_panels < col_panels ? j0 + p->group_panels : col_panels;
    const size_t step = p->K > g->slab ? (size_t)((i1 - i0) * g->mr * g->nr) : 0;
    /* The task that this thread will take after this one, if threads go on taking turns. */
    const int later = (task + bert_threads_count(p->threads)) / blocks * p->group_panels;
    for (int k = 0; k < p->K; k += g->slab) {
        const int depth = p->K - k < g->slab ? p->K - k : g->slab;
        for (int j = j0; j < j1; j++) {
            const unsigned char *panel = p->b + (size_t)j * p->b_panel;
            const unsigned char *next = j + 1 < j1           ? right_at(p, j + 1, k)
                                        : k + depth < p->K   ? right_at(p, j0, k + depth)
                                        : later < col_panels ? right_at(p, later, 0)
                                                             : NULL;
            multiply_panel(p, panel, next, thread, tiles + (size_t)(j - j0) * step, j, i0, i1, k,
                           depth);
        }
    }
}

/* Packing goes down many rows at once, too many for the memory to foresee; in order they stream. */
static void fetch(const float *row, int n) {
    for (int i = 0; i < n; i += BERT_ALIGN / (int)sizeof *row) __builtin_prefetch(row + i, 0, 2);
}

/* All rows times a panel that is packed here. */
static void multiply_once(product *p, int j, int thread) {
    const bert_gemm_kernel *g = p->g;
    const bert_right *r = p->once;
    bert_view v = {r->view.data + j * g->nr * r->view.col, r->view.row, r->view.col};
    const int cols = p->N - j * g->nr < g->nr ? p->N - j * g->nr : g->nr;
    unsigned char *panel = p->once_panel + (size_t)thread * p->b_panel;
    const size_t size = (size_t)cols * (size_t)p->K;
    float *copy = p->once_copy + (size_t)thread * (size_t)(g->nr * p->K);
    if (r->read && v.row == 1 && v.col == p->K &&
        r->read(r->context, v.data, copy, size * sizeof *copy))
        v.data = copy;
    else if (v.row == 1)
        for (int i = 0; i < cols; i++) fetch(v.data + i * v.col, p->K);
    g->pack_b(panel, v.data, v.row, v.col, cols, p->K, p->balance);
    multiply_panel(p, panel, NULL, thread, p->tiles + (size_t)thread * p->tiles_of_thread, j, 0,
                   bert_divide_up(p->rows, p->step), 0, p->K);
}

static void multiply_tasks(void *context, int begin, int end, int thread) {
    product *p = context;
    if (p->g->begin) p->g->begin();
    for (int task = begin; task < end; task++)
        (p->once ? multiply_once : multiply_task)(p, task, thread);
    if (p->g->end) p->g->end();
}

static const bert_epilogue plain = {0};

/* A product whose left side lies as `left` says, or NULL: as a's rows are best made. */
static product product_of(bert_threads *threads, const bert_gemm_kernel *g, int M, int N, int K,
                          bert_view a, const bert_left_layout *left, float *c, ptrdiff_t ldc,
                          const bert_epilogue *e) {
    product p = {.threads = threads,
                 .g = g,
                 .K = K,
                 .N = N,
                 .b_panel = bert_panel_bytes(g, K),
                 .step = bert_block_rows(g, M),
                 .c = c,
                 .ldc = ldc,
                 .e = e ? e : &plain};
    p.left = left ? *left : bert_left_lay(g, a, p.step, K);
    p.epilogue = bert_cpu()->act[p.e->act].epilogue[g->sums];
    return p;
}

static int multiply(bert_threads *threads, const bert_gemm_kernel *g, int M, int N, int K,
                    bert_view a, const bert_words *words, const void *b, bert_balance balance,
                    float *c, ptrdiff_t ldc, const bert_epilogue *e) {
    product p = product_of(threads, g, M, N, K, a, words ? &words->layout : NULL, c, ldc, e);
    p.b = b;
    p.balance = balance;
    const int count = bert_threads_count(threads);
    const int row_panels = bert_divide_up(M, p.step), col_panels = bert_divide_up(N, g->nr);
    int chunk_panels = CHUNK_BYTES / p.step / K / (int)g->unit * g->k_unit;
    p.block_panels = g->rows / g->mr;
    chunk_panels -= chunk_panels % p.block_panels;
    if (chunk_panels < CHUNK_BLOCKS * p.block_panels) chunk_panels = CHUNK_BLOCKS * p.block_panels;
    if (chunk_panels > row_panels) chunk_panels = row_panels;
    const int blocks = bert_divide_up(chunk_panels, p.block_panels);
    p.block_panels = bert_divide_up(chunk_panels, blocks); /* no short block at the end */
    const int most = bert_divide_up(col_panels * blocks, TASKS_PER_THREAD * count);
    p.group_panels = GROUP_COLS / g->nr;
    if (p.group_panels > most) p.group_panels = most;
    if (p.group_panels < 1) p.group_panels = 1;
    p.groups = bert_divide_up(col_panels, p.group_panels);
    const int kept = K > g->slab ? p.group_panels : 1;
    p.tiles_of_thread = (size_t)(p.block_panels * kept * g->mr * g->nr);

    const size_t left = words ? 0 : (size_t)(chunk_panels * p.left.block);
    const size_t sums = (size_t)count * p.tiles_of_thread * sizeof(float);
    p.opened_of_thread = g->opened_unit * (size_t)(bert_units(g, K < g->kc ? K : g->kc) + 1);
    const size_t opened = (size_t)count * p.opened_of_thread;
    unsigned char *workspace =
        bert_threads_workspace(threads, BERT_WORKSPACE_LEFT, left + sums + opened);
    if (!workspace) return BERT_ENOMEM;
    p.packed_a = workspace;
    p.tiles = (float *)(void *)(workspace + left);
    p.opened = workspace + left + sums;
    for (int first = 0; first < row_panels; first += chunk_panels) {
        int panels = row_panels - first < chunk_panels ? row_panels - first : chunk_panels;
        p.first = first * p.step;
        p.rows = M - p.first < panels * p.step ? M - p.first : panels * p.step;
        if (words)
            p.packed_a = words->data + first * p.left.block;
        else
            pack_left(threads, &p, panels);
        bert_threads_run(threads, bert_divide_up(panels, p.block_panels) * p.groups, 1,
                         multiply_tasks, &p);
    }
    bert_threads_release(threads, workspace);
    return 0;
}

int bert_matmul_packed(bert_threads *threads, int M, bert_view a, const bert_packed *b, float *c,
                       ptrdiff_t ldc, const bert_epilogue *epilogue) {
    return multiply(threads, b->kernel, M, b->N, b->K, a, NULL, b->data, b->balance, c, ldc,
                    epilogue);
}

int bert_matmul_words(bert_threads *threads, int M, const bert_words *a, const bert_packed *b,
                      float *c, ptrdiff_t ldc, const bert_epilogue *epilogue) {
    return multiply(threads, b->kernel, M, b->N, b->K, (bert_view){0}, a, b->data, NULL, c, ldc,
                    epilogue);
}

int bert_matmul_view(bert_threads *threads, bert_precision precision, int M, int N, int K,
                     bert_view a, bert_view b, float *c, ptrdiff_t ldc,
                     const bert_epilogue *epilogue) {
    const bert_epilogue *whole = epilogue ? epilogue : &plain;
    bert_packed p = {.kernel = bert_cpu()->gemm[precision], .N = N, .segments = 1, .cols = {N}};
    if (!p.kernel) return BERT_EINVAL;
    for (int k = 0; k < K; k += VIEW_DEPTH) {
        p.K = K - k < VIEW_DEPTH ? K - k : VIEW_DEPTH;
        p.panel = bert_panel_bytes(p.kernel, p.K);
        p.data = bert_threads_workspace(threads, BERT_WORKSPACE_RIGHT,
                                        bert_right_bytes(p.kernel, N, p.K));
        if (!p.data) return BERT_ENOMEM;
        bert_repack(threads, &p, &b);
        /* Every pass adds to the one before; what comes after the sum comes with the last. */
        bert_epilogue e = k + p.K == K ? *whole : (bert_epilogue){0};
        e.accumulate = k > 0 || whole->accumulate;
        int rc = multiply(threads, p.kernel, M, N, p.K, a, NULL, p.data, NULL, c, ldc, &e);
        bert_threads_release(threads, p.data);
        if (rc) return rc;
        a.data += (ptrdiff_t)p.K * a.col;
        b.data += (ptrdiff_t)p.K * b.row;
    }
    return 0;
}

int bert_matmul_once(bert_threads *threads, bert_precision precision, int M, int N, int K,
                     bert_view a, const bert_right *b, float *c, ptrdiff_t ldc,
                     const bert_epilogue *epilogue, bool *finite) {
    const bert_gemm_kernel *g = bert_gemm_of(precision, K);
    if (!g) return BERT_EINVAL;
    product p = product_of(threads, g, M, N, K, a, NULL, c, ldc, epilogue);
    p.once = b;
    p.balance = b->balance;
    p.rows = M;
    const int row_panels = bert_divide_up(M, p.step), count = bert_threads_count(threads);
    p.tiles_of_thread = (size_t)(row_panels * g->mr * g->nr);
    const size_t left = (size_t)(row_panels * p.left.block), right = (size_t)count * p.b_panel;
    const size_t sums = (size_t)count * p.tiles_of_thread * sizeof(float);
    const size_t copies = b->read ? (size_t)count * (size_t)(g->nr * K) * sizeof(float) : 0;
    p.packed_a = bert_threads_workspace(threads, BERT_WORKSPACE_LEFT, left + right + sums + copies);
    if (!p.packed_a) return BERT_ENOMEM;
    p.once_panel = p.packed_a + left;
    p.tiles = (float *)(void *)(p.once_panel + right);
    p.once_copy = p.tiles + (size_t)count * p.tiles_of_thread;
    pack_left(threads, &p, row_panels);
    bert_threads_run(threads, bert_divide_up(N, g->nr), 1, multiply_tasks, &p);
    bert_threads_release(threads, p.packed_a);
    if (finite) *finite = !p.infinite;
    return 0;
}
