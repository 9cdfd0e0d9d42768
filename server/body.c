/* What a body is: JSON, a form, or a picture as it is. */
#include "read.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* "application/json", whatever its parameters; and what no type is given for. */
static bool is_json(const char *type) {
    const size_t n = type ? strcspn(type, "; \t") : 0;
    if (!n) return true;
    return (n == 16 && !strncasecmp(type, "application/json", n)) ||
           (n > 5 && !strncasecmp(type + n - 5, "+json", 5));
}

static served *model_of_pictures(const exchange *x) {
    if (x->named) return x->named->pictures ? x->named : NULL;
    for (int32_t i = 0; i < x->models->n; i++)
        if (x->models->list[i].pictures) return &x->models->list[i];
    return NULL;
}

/* The first part of a form: its bytes are the picture. */
static int take_part(exchange *x, const char *type) {
    const char *boundary = strstr(type, "boundary=");
    char mark[100];
    if (!boundary) return fault(x, FAULT_MALFORMED, "the form has no boundary");
    boundary += strlen("boundary=");
    const bool quoted = *boundary == '"';
    boundary += quoted;
    snprintf(mark, sizeof mark, "--%.*s", (int)strcspn(boundary, quoted ? "\"" : "; "), boundary);
    char *part = memmem(x->bytes, x->n_bytes, mark, strlen(mark));
    char *end = x->bytes + x->n_bytes;
    char *from = part ? memmem(part, (size_t)(end - part), "\r\n\r\n", 4) : NULL;
    char *next = from ? memmem(from, (size_t)(end - from), mark, strlen(mark)) : NULL;
    if (!next) return fault(x, FAULT_MALFORMED, "the form has no part");
    from += 4;
    x->n_bytes = next - from >= 2 ? (size_t)(next - from) - 2 : 0;
    memmove(x->bytes, from, x->n_bytes);
    return 0;
}

static bool looks_like_json(const exchange *x) {
    size_t i = 0;
    while (i < x->n_bytes && strchr(" \t\r\n", x->bytes[i])) i++;
    return i == x->n_bytes || x->bytes[i] == '{' || x->bytes[i] == '[';
}

/* A picture as it is, where there is a model for it: the model is set. */
int read_type(exchange *x, const char *type) {
    const bool form = type && !strncasecmp(type, "multipart/form-data", 19);
    const bool json = is_json(type) && (type || looks_like_json(x));
    if (json) return 0;
    served *m = model_of_pictures(x);
    if (!m && !type) return 0; /* says that it is no JSON */
    if (!m)
        return fault(
            x, FAULT_MEDIA,
            "the Content-Type is %.100s; bodies are application/json (curl: -H 'Content-Type: "
            "application/json')",
            type);
    x->model = m;
    x->picture = true;
    return form ? take_part(x, type) : 0;
}
