#include "base/module.h"
#include "base/error.h"
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The folder of the file that this code is in: the shared library, or the program. False: unknown. */
static bool own_folder(char out[PATH_MAX]) {
    Dl_info info;
    char named[PATH_MAX];
    const bool in_library = dladdr((const void *)(uintptr_t)&bert_module, &info) &&
                            info.dli_fname && strstr(info.dli_fname, ".so");
    if (!realpath(in_library ? info.dli_fname : "/proc/self/exe", named)) return false;
    char *slash = strrchr(named, '/');
    if (!slash) return false;
    *slash = 0;
    memcpy(out, named, (size_t)(slash - named) + 1);
    return true;
}

/* The handle of a file that is there, or NULL; why a file that is there cannot be loaded is *e. */
static void *load(const char *folder, const char *below, const char *file, bert_error *e) {
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s%s/%s", folder, below, file) >= (int)sizeof path ||
        access(path, R_OK))
        return NULL;
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) bert_fail(e, BERT_EUNSUPPORTED, "%s cannot be loaded: %.300s", path, dlerror());
    return handle;
}

/* Beside the library or the program, in the folder of modules beside the library, or where that is
 * seen from the program. */
static const char *const below[] = {"", "/bert", "/" BERT_MODULES_FROM_BIN, NULL};

static void *find(const char *file, bert_error *e) {
    char folder[PATH_MAX];
    void *handle = NULL;
    const char *asked = getenv("BERT_MODULES");
    if (asked && *asked) {
        handle = load(asked, "", file, e);
        if (!handle)
            bert_fail(e, BERT_ENOTFOUND, "%s is not in %.300s (BERT_MODULES)", file, asked);
        return handle;
    }
    const bool known = own_folder(folder);
    for (int i = 0; known && below[i] && !handle && !e->code; i++)
        handle = load(folder, below[i], file, e);
    if (!handle && !e->code) handle = load(BERT_MODULES_DIRECTORY, "", file, e);
    if (!handle)
        bert_fail(e, BERT_ENOTFOUND,
                  "%s is not there: not beside %.150s, not in %s; it is built where the libraries "
                  "that it needs are installed, and BERT_MODULES says in which directory it is",
                  file, known ? folder : "the program", BERT_MODULES_DIRECTORY);
    return handle;
}

const void *bert_module(const char *name, bert_error *e) {
    char file[80], symbol[80];
    snprintf(file, sizeof file, "libbert-%s.so", name);
    snprintf(symbol, sizeof symbol, "bert_module_%s", name);
    void *handle = find(file, e);
    if (!handle) return NULL;
    const void *table = dlsym(handle, symbol);
    const char *version = table ? *(const char *const *)table : NULL;
    if (version && !strcmp(version, BERT_VERSION)) return table;
    bert_fail(e, BERT_EUNSUPPORTED, "%s belongs to version %.20s of bert, this is %s", file,
              version ? version : "?", BERT_VERSION);
    dlclose(handle);
    return NULL;
}
