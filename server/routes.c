#include "routes.h"
#include <string.h>

static const route *const tables[] = {tei_routes, task_routes, openai_routes, rerank_routes,
                                      plain_routes};

const route *route_at(int i) {
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        for (const route *r = tables[t]; r->path; r++)
            if (!i--) return r;
    return NULL;
}

/* "{model}" in a row's path stands for the rest. */
static bool is_path(const route *r, const char *path) {
    const char *rest = strchr(r->path, '{');
    return rest ? !strncmp(r->path, path, (size_t)(rest - r->path)) && path[rest - r->path]
                : !strcmp(r->path, path);
}

const route *route_find(const char *method, const char *path, text *allowed) {
    const bool head = !strcmp(method, "HEAD");
    const route *r;
    for (int i = 0; (r = route_at(i)); i++) {
        if (!is_path(r, path)) continue;
        if (!strcmp(r->method, head ? "GET" : method)) return r;
        if (!allowed) continue;
        text_format(allowed, "%s%s", allowed->n ? ", " : "", r->method);
        if (!strcmp(r->method, "GET")) text_put(allowed, ", HEAD");
    }
    return NULL;
}
