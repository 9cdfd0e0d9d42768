#include "files/pretrained.h"
#include "base/error.h"
#include "base/file.h"
#include "files/json.h"
#include "files/layout.h"
#include "files/pretrained_kinds.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct bert_pretrained {
    const bert_pretrained_kind *kind;
    void *place;
    char *path, *folder;
};

/* ---- Kinds */

static const bert_pretrained_kind *const stock[] = {
    &bert_pretrained_in_gguf,
    &bert_pretrained_in_directory,
};
enum { STOCK = sizeof stock / sizeof *stock, MOST = 32 };

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static const bert_pretrained_kind *registered[MOST];
static int count;

int bert_pretrained_register(const bert_pretrained_kind *kind, bert_error *e) {
    pthread_mutex_lock(&guard);
    int i = 0, rc = BERT_OK;
    while (i < count && registered[i] != kind) i++;
    if (i == MOST)
        rc = bert_fail(e, BERT_ENOMEM, "%d kinds of checkpoints are registered, and no more can be",
                       MOST);
    else if (i == count)
        registered[count++] = kind;
    pthread_mutex_unlock(&guard);
    return rc;
}

/* NULL: none takes it. */
static const bert_pretrained_kind *kind_of(const char *path) {
    for (int i = 0; i < STOCK; i++)
        if (stock[i]->recognises(path)) return stock[i];
    const bert_pretrained_kind *kind = NULL;
    pthread_mutex_lock(&guard);
    for (int i = 0; i < count && !kind; i++)
        if (registered[i]->recognises(path)) kind = registered[i];
    pthread_mutex_unlock(&guard);
    return kind;
}

bool bert_pretrained_recognises(const char *path) {
    return kind_of(path) != NULL;
}

const char *bert_weight_file_at(int i) {
    for (int k = STOCK - 1; k >= 0 && i >= 0; k--) /* the directory's first */
        for (int n = 0; stock[k]->weight_file; n++) {
            const char *name = stock[k]->weight_file(n);
            if (!name) break;
            if (!i--) return name;
        }
    return NULL;
}

/* ---- Opening */

/* The folder of the module that holds config.json, weights and tokenizer, malloc'ed: "", the
 * checkpoint itself, or what its modules.json calls the path of its Transformer, if there is a
 * config.json. NULL: out of memory. */
static char *folder_of(const bert_pretrained *p) {
    bert_error local = {0}; /* of a malformed file, which whoever reads the modules tells */
    json_t *modules = bert_pretrained_json(p, "modules.json", &local);
    if (local.code == BERT_ENOMEM) return NULL;
    const char *path = bert_layout_transformer(modules);
    char *config = bert_path_join(path, "config.json");
    const bool own = *path && bert_layout_inside(path) && config && bert_pretrained_has(p, config);
    char *folder = config ? strdup(own ? path : "") : NULL;
    free(config);
    json_decref(modules);
    return folder;
}

static bert_pretrained *open_as(const bert_pretrained_kind *kind, const char *path, bert_error *e) {
    bert_pretrained *p = calloc(1, sizeof *p);
    if (!p || !(p->path = strdup(path))) {
        free(p);
        bert_fail_memory(e, sizeof *p + strlen(path));
        return NULL;
    }
    p->kind = kind;
    p->place = kind->open(path, e);
    if (p->place && !(p->folder = folder_of(p))) bert_fail_memory(e, strlen(path));
    if (p->folder) return p;
    bert_pretrained_close(p);
    return NULL;
}

bert_pretrained *bert_pretrained_open(const char *path, bert_error *e) {
    const bert_pretrained_kind *kind = kind_of(path);
    if (kind) return open_as(kind, path, e);
    bert_fail(e, BERT_ENOTFOUND, "%s: neither a directory nor another kind of checkpoint", path);
    return NULL;
}

bert_pretrained *bert_pretrained_directory(const char *path, bert_error *e) {
    return open_as(&bert_pretrained_in_directory, path, e);
}

void bert_pretrained_close(bert_pretrained *p) {
    if (!p) return;
    if (p->place) p->kind->close(p->place);
    free(p->folder);
    free(p->path);
    free(p);
}

/* ---- What is in it */

const char *bert_pretrained_path(const bert_pretrained *p) {
    return p->path;
}

const char *bert_pretrained_folder(const bert_pretrained *p) {
    return p->folder;
}

char *bert_pretrained_where(const bert_pretrained *p, const char *part) {
    return *part ? bert_path_join(p->path, part) : strdup(p->path);
}

bool bert_pretrained_has(const bert_pretrained *p, const char *part) {
    return p->kind->has(p->place, part);
}

int bert_pretrained_read(const bert_pretrained *p, const char *part, size_t limit, char **text,
                         size_t *bytes, bert_error *e) {
    return p->kind->read(p->place, part, limit, text, bytes, e);
}

json_t *bert_pretrained_json(const bert_pretrained *p, const char *part, bert_error *e) {
    if (!bert_pretrained_has(p, part)) return NULL;
    char *text = NULL, *where = bert_pretrained_where(p, part);
    size_t bytes;
    json_t *json = NULL;
    if (!where)
        bert_fail_memory(e, strlen(part));
    else if (!bert_pretrained_read(p, part, BERT_JSON_MAX, &text, &bytes, e))
        json = bert_json_parse(text, bytes, where, e);
    free(text);
    free(where);
    return json;
}

bert_tensors *bert_pretrained_tensors(const bert_pretrained *p, const char *folder, bert_error *e) {
    return p->kind->tensors(p->place, folder, e);
}

int bert_pretrained_lacks(const bert_pretrained *p, const char *folder, bool config,
                          bert_error *e) {
    if (p->kind->lacks) return p->kind->lacks(p->place, folder, config, e);
    return bert_fail(e, BERT_ENOTFOUND, "%s, a %s, holds no %s", p->path, p->kind->name,
                     config ? "configuration" : "weights");
}

/* ---- Copying */

int bert_pretrained_copy(const bert_pretrained *p, const char *part, const char *file,
                         bert_error *e) {
    if (!bert_pretrained_has(p, part)) return 0;
    char *data, *parent = strdup(file), *slash = parent ? strrchr(parent, '/') : NULL;
    size_t size;
    if (!parent) return bert_fail_memory(e, strlen(file));
    if (slash) *slash = 0;
    int rc = bert_make_directory(parent, e);
    free(parent);
    if (!rc) rc = bert_pretrained_read(p, part, 0, &data, &size, e);
    if (rc) return rc;
    rc = bert_write_file(file, data, size, e);
    free(data);
    return rc;
}

typedef struct {
    const bert_pretrained *from;
    const char *directory;
} folder_copy;

static int copy_part(void *context, const char *part, bert_error *e) {
    const folder_copy *c = context;
    const char *slash = strrchr(part, '/');
    char *to = bert_path_join(c->directory, slash ? slash + 1 : part);
    int rc = to ? bert_pretrained_copy(c->from, part, to, e) : bert_fail_memory(e, strlen(part));
    free(to);
    return rc;
}

int bert_pretrained_copy_folder(const bert_pretrained *p, const char *folder, const char *directory,
                                bert_error *e) {
    folder_copy copy = {p, directory};
    return p->kind->list ? p->kind->list(p->place, folder, copy_part, &copy, e) : 0;
}
