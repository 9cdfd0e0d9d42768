/* A fixed set of threads that run one loop at a time; bert.h makes them. */
#ifndef BERT_BASE_THREADS_H
#define BERT_BASE_THREADS_H
#include <bert.h>

/* Items begin .. end-1 on thread number `thread` (0 .. threads-1; 0 is the caller). */
typedef void bert_threads_fn(void *context, int begin, int end, int thread);

/* p, to be freed once more. */
bert_threads *bert_threads_share(bert_threads *p);
/* Whoever shares threads uses them in its turn only, which others wait for: long enough for
 * operations to keep their scratch, short enough for the others. goes_on: base/turns.h */
void bert_threads_begin(bert_threads *p, bool goes_on);
void bert_threads_end(bert_threads *p);
void bert_threads_give_way(bert_threads *p);
bool bert_threads_awaited(bert_threads *p);
bool bert_threads_awaited_anew(bert_threads *p); /* by who has had no turn yet */
/* Splits 0 .. n-1 in chunks of `grain` items that idle threads take in turn, and returns when all
 * are done. Which thread gets which chunk varies: a result must depend on the item only. Not
 * reentrant. p NULL: runs in the caller. */
void bert_threads_run(bert_threads *p, int n, int grain, bert_threads_fn *fn, void *context);
/* Scratch of the thread, at least `bytes`, 64-byte aligned, content undefined. Reserve outside of a
 * run; 0 or BERT_ENOMEM. */
int bert_threads_reserve(bert_threads *p, size_t bytes);
void *bert_threads_scratch(const bert_threads *p, int thread);
/* A buffer that all threads share, at least `bytes`, 64-byte aligned; kept by t until a larger one
 * is asked for under the same name. With t NULL it is allocated, so give it back with _release in
 * every case. NULL: out of memory. */
enum { BERT_WORKSPACE_LEFT, BERT_WORKSPACE_RIGHT, BERT_WORKSPACES };
void *bert_threads_workspace(bert_threads *t, int name, size_t bytes);
void bert_threads_release(bert_threads *t, void *workspace);
size_t bert_threads_memory(const bert_threads *p);
#endif
