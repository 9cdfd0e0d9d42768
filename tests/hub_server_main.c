/* build/hub_server NAME=DIRECTORY..: a hub on this machine with those directories as repositories, for
 * other programs (HF_ENDPOINT is what it prints). Ends with its standard input. */
#include "hub_server.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LARGE = 1 << 20 };

static void add_small(hub_repo *r, const char *path, const char *file, size_t bytes) {
    FILE *f = fopen(file, "rb");
    char *data = malloc(bytes + 1);
    if (!f || !data || fread(data, 1, bytes, f) != bytes) abort();
    hub_repo_put(r, path, data, bytes, false);
    free(data);
    fclose(f);
}

static bool is_large(const char *path, off_t size) {
    const char *dot = strrchr(path, '.');
    return size > LARGE || (dot && (!strcmp(dot, ".safetensors") || !strcmp(dot, ".bin")));
}

static void add_directory(hub_repo *r, const char *root, const char *folder) {
    char at[4096], path[2048], file[8192];
    snprintf(at, sizeof at, "%s/%s", root, folder);
    DIR *d = opendir(at);
    for (struct dirent *f; d && (f = readdir(d));) {
        struct stat st;
        if (!strcmp(f->d_name, ".") || !strcmp(f->d_name, "..")) continue;
        snprintf(path, sizeof path, "%.1000s%s%.1000s", folder, *folder ? "/" : "", f->d_name);
        snprintf(file, sizeof file, "%s/%s", root, path);
        if (stat(file, &st)) continue;
        if (S_ISDIR(st.st_mode))
            add_directory(r, root, path);
        else if (is_large(path, st.st_size))
            hub_repo_disk(r, path, file);
        else
            add_small(r, path, file, (size_t)st.st_size);
    }
    if (d) closedir(d);
}

int main(int argc, char **argv) {
    hub_server *s = hub_server_start();
    char name[256], byte;
    for (int i = 1; i < argc; i++) {
        const char *equals = strchr(argv[i], '=');
        if (!equals) return 2;
        snprintf(name, sizeof name, "%.*s", (int)(equals - argv[i]), argv[i]);
        add_directory(hub_server_add(s, name, "0123456789abcdef0123456789abcdef01234567"),
                      equals + 1, "");
    }
    printf("%s\n", hub_server_url(s));
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0) continue;
    hub_server_stop(s);
    return 0;
}
