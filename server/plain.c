/* What is answered without a model: probes, what there is, metrics, and the page. */
#include "page.h"
#include "routes.h"
#include "state.h"
#include <stdlib.h>
#include <string.h>

static void health(server *s, exchange *x) {
    if (atomic_load(&s->state) != READY)
        fault(x, FAULT_STOPPING, "the server is %s",
              atomic_load(&s->state) == STARTING ? "loading its models" : "stopping");
    x->answer_type = "text/plain";
}

static void page(server *s, exchange *x) {
    (void)s;
    text_add(&x->answer, page_html, page_html_size);
    x->answer_type = "text/html; charset=utf-8";
}

static void show_metrics(server *s, exchange *x) {
    metrics_write(&s->metrics, queue_texts(s->queue), &x->answer);
    x->answer_type = "text/plain; version=0.0.4";
}

/* ---- /info */

static void write_labels_of(const served *m, text *t) {
    text_put(t, "{\"id2label\":{");
    for (int32_t i = 0; i < m->labels; i++) {
        const char *label = bert_model_label(m->model, i);
        text_format(t, "%s\"%d\":", i ? "," : "", (int)i);
        text_quoted(t, label, strlen(label));
    }
    text_put(t, "},\"label2id\":{");
    for (int32_t i = 0; i < m->labels; i++) {
        const char *label = bert_model_label(m->model, i);
        if (i) text_put(t, ",");
        text_quoted(t, label, strlen(label));
        text_format(t, ":%d", (int)i);
    }
    text_put(t, "}}");
}

static void write_type(const served *m, text *t) {
    const bool labels = strstr(m->head, "classification") != NULL;
    if (labels && m->labels == 1)
        text_put(t, "{\"reranker\":");
    else if (labels)
        text_put(t, "{\"classifier\":");
    else {
        text_format(t, "{\"embedding\":{\"pooling\":\"%s\"}}",
                    bert_pooling_name(bert_model_pooling(m->model, NULL)));
        return;
    }
    write_labels_of(m, t);
    text_put(t, "}");
}

static void info(server *s, exchange *x) {
    const serve_options *o = s->options;
    text *t = &x->answer;
    const served *m = x->named ? x->named : &x->models->list[0];
    text_put(t, "{\"model_id\":");
    text_quoted(t, m->name, strlen(m->name));
    text_put(t, ",\"model_sha\":null,\"model_dtype\":");
    text_quoted(t, bert_model_dtype(m->model), strlen(bert_model_dtype(m->model)));
    text_put(t, ",\"served_model_name\":");
    text_quoted(t, m->name, strlen(m->name));
    text_put(t, ",\"model_type\":");
    write_type(m, t);
    text_format(t, ",\"head\":\"%s\",\"precision\":\"%s\",\"isa\":\"%s\"", m->head,
                bert_precision_name(o->precision), bert_isa());
    text_format(t,
                ",\"max_concurrent_requests\":%d,\"max_input_length\":%d,\"max_batch_tokens\":%d,"
                "\"max_batch_requests\":null,\"max_client_batch_size\":%d,\"auto_truncate\":%s,"
                "\"tokenization_workers\":%d,",
                (int)o->max_queue, (int)m->limit, (int)o->batch_tokens, (int)o->max_input_texts,
                o->auto_truncate ? "true" : "false", CLERKS);
    text_put(t, "\"models\":[");
    for (int32_t i = 0; i < x->models->n; i++) {
        const served *one = &x->models->list[i];
        text_put(t, i ? ",{\"name\":" : "{\"name\":");
        text_quoted(t, one->name, strlen(one->name));
        if (one->task) {
            text_put(t, ",\"task\":");
            text_quoted(t, one->task, strlen(one->task));
        }
        text_format(t, ",\"head\":\"%s\",\"pictures\":%s,\"sparse\":%s}", one->head,
                    one->pictures ? "true" : "false", one->sparse ? "true" : "false");
    }
    text_format(t, "],\"version\":\"%s\",\"sha\":null,\"docker_label\":null}", bert_version());
}

/* ---- /openapi.json, of the same tables */

/* Whether a route's list of members, by spaces, has this one. */
static bool is_required(const char *names, const char *name) {
    const size_t n = strlen(name);
    for (const char *at = names; at && (at = strstr(at, name)); at += n)
        if ((at == names || at[-1] == ' ') && (!at[n] || at[n] == ' ')) return true;
    return false;
}

/* What a body holds. A member that may be absent may be null (read.c has no difference), which
 * OpenAPI 3.0 wants said twice where there is a list of values. */
static void write_body(const route *r, text *t) {
    text request = {0};
    text_format(&request, "{%s}", r->request);
    json_t *properties = request.failed ? NULL : json_loadb(request.s, request.n, 0, NULL), *schema;
    json_t *required = json_array();
    const char *name;
    json_object_foreach(properties, name, schema) {
        if (is_required(r->required, name)) {
            json_array_append_new(required, json_string(name));
        } else if (json_object_size(schema)) {
            json_object_set_new(schema, "nullable", json_true());
            json_array_append_new(json_object_get(schema, "enum"), json_null());
        }
    }
    json_t *body = json_pack("{ss so}", "type", "object", "properties", properties);
    if (json_array_size(required)) json_object_set(body, "required", required);
    text_json(t, body);
    json_decref(body);
    json_decref(required);
    text_free(&request);
}

static void write_operation(const route *r, text *t) {
    text_format(t, "\"%s\":{\"summary\":", !strcmp(r->method, "GET") ? "get" : "post");
    text_quoted(t, r->summary, strlen(r->summary));
    if (strchr(r->path, '{'))
        text_put(t, ",\"parameters\":[{\"name\":\"model\",\"in\":\"path\",\"required\":true,"
                    "\"schema\":{\"type\":\"string\"}}]");
    if (r->request) {
        text_put(t, ",\"requestBody\":{\"required\":true,\"content\":{\"application/json\":{"
                    "\"schema\":");
        write_body(r, t);
        text_put(t, "}}}");
    }
    text_put(t, ",\"responses\":{\"200\":{\"description\":\"the answer\"},\"default\":{"
                "\"description\":\"an error, which says what is wrong\"}}");
    if (!r->open) text_put(t, ",\"security\":[{\"key\":[]},{}]");
    text_put(t, "}");
}

static bool first_of_path(int i) {
    for (int k = 0; k < i; k++)
        if (!strcmp(route_at(k)->path, route_at(i)->path)) return false;
    return true;
}

static void openapi(server *s, exchange *x) {
    (void)s;
    text *t = &x->answer;
    const route *r, *same;
    text_format(t,
                "{\"openapi\":\"3.0.3\",\"info\":{\"title\":\"bert serve\",\"version\":\"%s\"},"
                "\"components\":{\"securitySchemes\":{\"key\":{\"type\":\"http\",\"scheme\":"
                "\"bearer\"}}},\"paths\":{",
                bert_version());
    for (int i = 0; (r = route_at(i)); i++) {
        if (!first_of_path(i)) continue;
        text_format(t, "%s\"%s\":{", i ? "," : "", r->path);
        write_operation(r, t);
        for (int k = i + 1; (same = route_at(k)); k++)
            if (!strcmp(same->path, r->path)) {
                text_put(t, ",");
                write_operation(same, t);
            }
        text_put(t, "}");
    }
    text_put(t, "}}");
}

const route plain_routes[] = {
    {"GET", "/", "a page to try the models", NULL, NULL, DIALECT_TEI, true, page, NULL, NULL},
    {"GET", "/health", "200 when the models are ready", NULL, NULL, DIALECT_TEI, true, health, NULL,
     NULL},
    {"GET", "/ping", "the same", NULL, NULL, DIALECT_TEI, true, health, NULL, NULL},
    {"GET", "/info", "the model and the limits", NULL, NULL, DIALECT_TEI, false, info, NULL, NULL},
    {"GET", "/metrics", "counters and times for Prometheus", NULL, NULL, DIALECT_TEI, true,
     show_metrics, NULL, NULL},
    {"GET", "/openapi.json", "this description", NULL, NULL, DIALECT_TEI, false, openapi, NULL,
     NULL},
    {0},
};
