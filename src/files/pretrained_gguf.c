/* A checkpoint in one GGUF file, or in a directory with nothing but that: its header says what
 * config.json and the tokenizer's files say elsewhere. */
#include "base/error.h"
#include "files/gguf_bert.h"
#include "files/pretrained_kinds.h"
#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct {
    char *path; /* of the file */
    bert_mapping map;
    bert_gguf header;
} gguf_place;

/* ---- Parts */

static bool always(const bert_gguf *g) {
    (void)g;
    return true;
}

static bool has_other_tokenizer(const bert_gguf *g) {
    return bert_gguf_find(g, "tokenizer.ggml.model") && !bert_gguf_has_vocabulary(g);
}

static const struct {
    const char *name;
    bool (*is_there)(const bert_gguf *g);
    char *(*make)(const bert_gguf *g, bert_error *e);
} parts[] = {
    {"config.json", always, bert_gguf_config},
    {"vocab.txt", bert_gguf_has_vocabulary, bert_gguf_vocabulary},
    {"tokenizer.json", has_other_tokenizer, bert_gguf_tokenizer},
    {"tokenizer_config.json", bert_gguf_has_vocabulary, bert_gguf_tokenizer_config},
    {"tokenizer_config.json", has_other_tokenizer, bert_gguf_tokenizer_json_config},
    {"modules.json", bert_gguf_has_pooling, bert_gguf_modules},
    {"1_Pooling/config.json", bert_gguf_has_pooling, bert_gguf_pooling},
};
enum { PARTS = sizeof parts / sizeof *parts };

static int find_part(const gguf_place *p, const char *name) {
    for (int i = 0; i < PARTS; i++)
        if (!strcmp(parts[i].name, name) && parts[i].is_there(&p->header)) return i;
    return PARTS;
}

static bool has(const void *place, const char *part) {
    return find_part(place, part) < PARTS;
}

static int read_part(const void *place, const char *part, size_t limit, char **text, size_t *bytes,
                     bert_error *e) {
    const gguf_place *p = place;
    const int i = find_part(p, part);
    *text = NULL;
    if (i == PARTS) return bert_fail(e, BERT_ENOTFOUND, "%s: has no %s", p->path, part);
    if (!(*text = parts[i].make(&p->header, e))) return e->code;
    *bytes = strlen(*text);
    if (!limit || *bytes <= limit) return 0;
    free(*text);
    *text = NULL;
    return bert_fail(e, BERT_EFORMAT, "%s: its %s is larger than the %zu bytes allowed", p->path,
                     part, limit);
}

static int list(const void *place, const char *folder,
                int (*each)(void *context, const char *part, bert_error *e), void *context,
                bert_error *e) {
    const size_t n = strlen(folder);
    int rc = 0;
    for (int i = 0; i < PARTS && !rc; i++) {
        const char *slash = strchr(parts[i].name, '/');
        const size_t k = slash ? (size_t)(slash - parts[i].name) : 0;
        if (k == n && !strncmp(parts[i].name, folder, n) && has(place, parts[i].name))
            rc = each(context, parts[i].name, e);
    }
    return rc;
}

static bert_tensors *tensors(const void *place, const char *folder, bert_error *e) {
    const gguf_place *p = place;
    return *folder ? NULL : bert_tensors_open(&bert_gguf_format, p->path, e);
}

/* ---- Where it is */

/* The only GGUF file of a directory; NULL: there is none, or several. */
static char *only_file(const char *directory) {
    DIR *d = opendir(directory);
    char *found = NULL;
    int n = 0;
    for (struct dirent *entry; d && (entry = readdir(d));) {
        if (!bert_file_has_suffix(entry->d_name, ".gguf") || n++) continue;
        found = bert_path_join(directory, entry->d_name);
    }
    if (d) closedir(d);
    if (n == 1) return found;
    free(found);
    return NULL;
}

/* The file that is meant by a path, malloc'ed; NULL: none. */
static char *file_at(const char *path) {
    struct stat st;
    if (stat(path, &st)) return NULL;
    if (S_ISREG(st.st_mode)) return bert_file_has_suffix(path, ".gguf") ? strdup(path) : NULL;
    return S_ISDIR(st.st_mode) && !bert_pretrained_has_weights(path, true) ? only_file(path) : NULL;
}

static bool recognises(const char *path) {
    char *file = file_at(path);
    const bool is = file && bert_file_exists(file);
    free(file);
    return is;
}

static void close_place(void *place) {
    gguf_place *p = place;
    bert_gguf_free(&p->header);
    bert_unmap_file(&p->map);
    free(p->path);
    free(p);
}

static void *open_place(const char *path, bert_error *e) {
    gguf_place *p = calloc(1, sizeof *p);
    if (!p || !(p->path = file_at(path))) {
        free(p);
        bert_fail_memory(e, sizeof *p + strlen(path));
        return NULL;
    }
    int rc = bert_map_file(p->path, &p->map, e);
    if (!rc) rc = bert_gguf_parse(&p->header, &p->map, p->path, e);
    if (!rc) rc = bert_gguf_check_bert(&p->header, e);
    if (!rc) return p;
    close_place(p);
    return NULL;
}

static const char *weight_file(int i) {
    return i ? NULL : "*.gguf";
}

const bert_pretrained_kind bert_pretrained_in_gguf = {
    .weight_file = weight_file,
    .name = "GGUF file",
    .recognises = recognises,
    .open = open_place,
    .close = close_place,
    .has = has,
    .read = read_part,
    .tensors = tensors,
    .list = list,
};
