#include "hub/shared.h"
#include "base/file.h"
#include "hub/environment.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LONGEST = BERT_PATH + 300, LARGEST_LIST = 16 << 20 };

static bool is_hash(const char *s) {
    return strlen(s) == 64 && strspn(s, "0123456789abcdef") == 64;
}

bool bert_shared_blob(const char *blob, char hash[65]) {
    static const char start[] = "../../blobs/";
    char link[LONGEST];
    const ssize_t n = readlink(blob, link, sizeof link - 1);
    if (n < 0) return false;
    link[n] = 0;
    const char *name = link + sizeof start - 1;
    if (strncmp(link, start, sizeof start - 1) || strlen(name) != 67 || name[2] != '/' ||
        strncmp(name, name + 3, 2) || !is_hash(name + 3))
        return false;
    memcpy(hash, name + 3, 65);
    return true;
}

static bool is_regular(const char *path) {
    struct stat st;
    return !lstat(path, &st) && S_ISREG(st.st_mode);
}

/* The store is huggingface_hub's, in the layout that we know. */
static bool is_ours_to_sweep(const char *cache) {
    char path[LONGEST], *text = NULL;
    size_t bytes;
    snprintf(path, sizeof path, "%s/blobs/.huggingface-shared-blobs", cache);
    const bool known =
        is_regular(path) && !bert_read_file(path, 16, &text, &bytes, NULL) && !strcmp(text, "1\n");
    free(text);
    return known;
}

/* A line of the list that is a path "models--x/blobs/y" of the cache, whose link leads to the blob. */
static bool still_links(const char *cache, const char *line, const char *hash) {
    char path[2 * LONGEST], found[65];
    const char *slash = strchr(line, '/');
    if (!slash || strncmp(slash, "/blobs/", 7) || strchr(slash + 7, '/') || strstr(line, "..") ||
        !strstr(line, "--"))
        return false;
    snprintf(path, sizeof path, "%s/%s", cache, line);
    return bert_shared_blob(path, found) && !strcmp(found, hash);
}

/* The lines of the list that still hold, malloc'ed; NULL: that cannot be told. */
static char *links_to(const char *cache, const char *list, const char *hash) {
    char *text = NULL;
    size_t bytes;
    if (!is_regular(list) || bert_read_file(list, LARGEST_LIST, &text, &bytes, NULL)) return NULL;
    char *to = text, *rest = text;
    for (char *line; (line = strsep(&rest, "\n"));) {
        const size_t n = strlen(line);
        if (!n || !still_links(cache, line, hash)) continue;
        memmove(to, line, n);
        to += n;
        *to++ = '\n'; /* where the line's own end was, at the latest */
    }
    *to = 0;
    return text;
}

static int64_t sweep(const char *cache, const char *hash, const char *blob) {
    char list[2 * LONGEST];
    struct stat st;
    int64_t freed = 0;
    snprintf(list, sizeof list, "%s.refs", blob);
    char *left = links_to(cache, list, hash);
    if (left && *left) {
        bert_write_file(list, left, strlen(left), NULL);
    } else if (left && !lstat(blob, &st) && S_ISREG(st.st_mode) && !unlink(blob)) {
        freed = (int64_t)st.st_size;
        unlink(list);
    }
    free(left);
    return freed;
}

int64_t bert_shared_sweep(const char *cache, const char *hash) {
    char blob[LONGEST + 100], lock[LONGEST + 200];
    int64_t freed = 0;
    if (!is_hash(hash) || !is_ours_to_sweep(cache)) return 0;
    snprintf(blob, sizeof blob, "%s/blobs/%.2s/%s", cache, hash, hash);
    snprintf(lock, sizeof lock, "%s.lock", blob);
    const int fd = open(lock, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd < 0) return 0;
    if (!flock(fd, LOCK_EX)) freed = sweep(cache, hash, blob);
    close(fd);
    return freed;
}
