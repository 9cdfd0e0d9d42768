#include "data/shared_set.h"
#include "base/error.h"
#include "base/grow.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Who reads */

/* A file of a process of this host. */
typedef struct {
    int64_t process;
    int code, fd; /* code: why there is none */
    uint64_t device, inode;
} offer;

/* It is locked until it holds the set: who waits for it then is not late for the group. */
static int make_offer(offer *own, bert_error *e) {
    struct stat about;
    own->process = getpid();
    own->fd = bert_nameless_file(e);
    own->code = e->code;
    if (own->fd < 0 || fstat(own->fd, &about)) return own->fd;
    own->device = about.st_dev;
    own->inode = about.st_ino;
    flock(own->fd, LOCK_EX);
    return own->fd;
}

/* -1: it cannot be opened, or is not that one, as in a container with processes of its own. */
static int open_offer(const offer *o) {
    char path[64];
    struct stat about;
    snprintf(path, sizeof path, "/proc/%lld/fd/%d", (long long)o->process, o->fd);
    const int fd = o->fd < 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || (!fstat(fd, &about) && about.st_dev == o->device && about.st_ino == o->inode))
        return fd;
    close(fd);
    return -1;
}

int bert_sharing_begin(bert_sharing *s, const bert_dataset_options *o, const bert_model *base,
                       bert_error *e) {
    const bert_group *g = o->group;
    *s = (bert_sharing){.reads = true, .fd = -1};
    if (!g || g->size < 2 || g->host_size < 1) return BERT_OK;
    const bert_task *task = bert_dataset_task_of(o, base, e);
    const bool shares = g->host_size > 1 && task && (task->lay || !task->free_state);
    s->g = g;
    s->lays = shares && g->rank == g->host_first;
    offer *all = calloc((size_t)g->size, sizeof *all);
    if (!all) return bert_fail_memory(e, (size_t)g->size * sizeof *all);
    if (s->lays) s->fd = make_offer(&all[g->rank], e);
    bert_group_gather_equal(g, all, sizeof *all, e);
    if (shares && !s->lays) {
        s->fd = open_offer(&all[g->host_first]);
        s->reads = s->fd < 0 && !all[g->host_first].code;
    }
    free(all);
    return e->code;
}

int bert_sharing_hear(const bert_sharing *s, int rc, bert_error *e) {
    const bert_group *g = s->g;
    if (!g) return rc;
    if (s->lays) flock(s->fd, LOCK_UN);
    while (!s->reads && flock(s->fd, LOCK_SH) && errno == EINTR) continue;
    bert_error *all = calloc((size_t)g->size, sizeof *all);
    if (!all) return bert_fail_memory(e, (size_t)g->size * sizeof *all);
    if (rc) all[g->rank] = *e;
    bert_error moved = {0};
    bert_group_gather_equal(g, all, sizeof *all, &moved);
    const bert_error *said = moved.code ? &moved : &all[s->reads ? g->rank : g->host_first];
    if (said->code) rc = bert_fail(e, said->code, "%s", said->message);
    free(all);
    return rc;
}

int bert_sharing_end(bert_sharing *s, int rc, bert_error *e) {
    if (s->fd >= 0) close(s->fd);
    s->fd = -1;
    return bert_group_agree(s->g, rc, e);
}

/* ---- The set */

/* All of a set but its map; taken up into one that is empty but for what its model says. */
static void lay_set(bert_laid *l, bert_dataset *d) {
    const bert_dataset own = *d;
    BERT_LAY(l, *d);
    if (l->taken) { /* what the other process has for itself */
        d->model = own.model;
        d->device = own.device;
        d->config = own.config;
        d->recipe = own.recipe;
        d->task = own.task;
        d->map = own.map;
        d->drawn = NULL;
        d->names = NULL;
        d->notes = (bert_notes){.n = d->notes.n};
    }
    const int64_t sequences = d->sequences;
    bert_lay_string(l, &d->where);
    bert_lay_list(l, &d->names, &d->num_labels);
    bert_lay_list(l, &d->notes.line, &d->notes.n);
    bert_lay_grown(l, &d->row, (size_t)(d->rows + 1) * sizeof *d->row);
    bert_lay_grown(l, &d->start, (size_t)(sequences + 1) * sizeof *d->start);
    bert_columns_lay(&d->columns, l);
    bert_kept_lay(&d->kept, l);
    if (d->task->lay)
        d->task->lay(l, d);
    else if (l->taken)
        d->state = NULL;
}

/* Of another build a set would be of other bytes. */
static void lay_all(bert_laid *l, bert_dataset *d) {
    struct {
        size_t bytes;
        char version[24];
    } build = {sizeof *d, BERT_VERSION}, own = build;
    BERT_LAY(l, build);
    if (memcmp(&build, &own, sizeof own))
        bert_fail(l->e, BERT_EUNSUPPORTED, "the processes of a host are of different builds");
    else
        lay_set(l, d);
}

bert_dataset *bert_sharing_lay(const bert_sharing *s, bert_dataset *d,
                               const bert_dataset_options *o, const bert_model *base,
                               bert_error *e) {
    bert_laid count = {.e = e};
    lay_all(&count, d);
    bert_laid l = {.at = bert_file_room(s->fd, count.used, e), .e = e};
    if (l.at) {
        lay_all(&l, d);
        munmap(l.at, l.used);
    }
    bert_dataset_free(d);
    return l.at ? bert_sharing_take(s, o, base, e) : NULL;
}

bert_dataset *bert_sharing_take(const bert_sharing *s, const bert_dataset_options *o,
                                const bert_model *base, bert_error *e) {
    const bert_task *task = bert_dataset_task_of(o, base, e);
    bert_dataset *d = task ? bert_dataset_empty(task, base, o, e) : NULL;
    struct stat about;
    if (!d) return NULL;
    void *at = fstat(s->fd, &about)
                   ? MAP_FAILED
                   : mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_SHARED, s->fd, 0);
    if (at == MAP_FAILED) {
        bert_fail(e, BERT_EIO, "the rows that another process has read cannot be mapped: %s",
                  strerror(errno));
    } else {
        d->map.at = at;
        d->map.bytes = (size_t)about.st_size;
        lay_all(&(bert_laid){.at = at, .taken = true, .base = base, .e = e}, d);
    }
    if (!e->code) return d;
    bert_dataset_free(d);
    return NULL;
}
