#include "train/html.h"
#include "base/directory.h"
#include "base/error.h"
#include "data/dataset.h"
#include "data/task.h"
#include "train/html_page.h"
#include <stdlib.h>
#include <string.h>

static void put_data(bert_page *p, const bert_trained *k, const char *name, const bert_dataset *d) {
    bert_dataset_summary s;
    if (!d || p->rc || (p->rc = bert_dataset_summarize(d, &s, p->e))) return;
    bert_page_put(p, "<tr><td>%s%s%s<td>%lld<td>%lld<td>%d / %d / %d<td>%d<td>%lld</tr>", k->name,
                  *k->name ? " " : "", name, (long long)s.rows, (long long)s.tokens, s.length_min,
                  s.length_median, s.length_max, s.max_length, (long long)s.truncated);
}

static void put_arguments(bert_page *p, const bert_trainer *t) {
    bert_training_arg arg;
    bert_page_put(p, "<h2>Arguments</h2><table><tr><th>argument<th>value<th>default</tr>");
    for (int i = 0; bert_training_arg_at(i, &arg); i++) {
        char value[2048];
        bert_training_get(&t->args, arg.name, value, sizeof value);
        bert_page_put(p, "<tr%s><td>%s<td>", strcmp(value, arg.fallback) ? " class=\"set\"" : "",
                      arg.name);
        bert_page_text(p, value);
        bert_page_put(p, "<td>%s</tr>", arg.fallback);
    }
    bert_page_put(p, "</table>");
}

static const char style[] =
    "<style>:root{color-scheme:light dark;--fg:#1b1b1b;--dim:#767676;--bg:#fff;--line:#dcdcdc;"
    "--a:#1f6feb;--b:#d9480f;--c:#2b8a3e;--d:#862e9c}@media(prefers-color-scheme:dark){:root{"
    "--fg:#e6e6e6;--dim:#9a9a9a;--bg:#161616;--line:#3a3a3a;--a:#6ea8fe;--b:#ff922b;--c:#69db7c;"
    "--d:#da77f2}}body{font:15px/1.5 system-ui,sans-serif;color:var(--fg);background:var(--bg);"
    "max-width:72rem;margin:2rem auto;padding:0 1rem}h1{margin-bottom:0}h2{margin-top:2rem;"
    "border-bottom:1px solid var(--line)}.row{display:flex;flex-wrap:wrap;gap:2rem;align-items:"
    "flex-start}figure{margin:0;flex:0 1 22rem}figcaption{color:var(--dim)}figcaption "
    "span{white-space:nowrap}"
    "table{border-collapse:collapse}td,th{padding:.2rem .6rem;text-align:right;border-bottom:1px "
    "solid var(--line);font-variant-numeric:tabular-nums}td:first-child,th:first-child,.text{"
    "text-align:left}.text{max-width:40rem}.matrix td{background:color-mix(in srgb,var(--b) "
    "var(--part),transparent)}.matrix td.right{background:color-mix(in srgb,var(--c) var(--part),"
    "transparent)}.set td{font-weight:600}mark{background:"
    "color-mix(in srgb,var(--c) 25%,transparent);color:inherit}mark.wrong{background:color-mix(in "
    "srgb,var(--b) 35%,transparent)}mark small{color:var(--dim)}svg{width:100%;height:auto}svg "
    "text{font-size:11px;fill:"
    "var(--dim)}.grid{stroke:var(--line)}polyline{fill:none;stroke-width:1.8}.c0{color:var(--a)}"
    ".c1{color:var(--b)}.c2{color:var(--c)}.c3{color:var(--d)}polyline.c0{stroke:var(--a)}"
    "polyline.c1{stroke:var(--b)}polyline.c2{stroke:var(--c)}polyline.c3{stroke:var(--d)}"
    "circle.c0{fill:var(--a)}circle.c1{fill:var(--b)}circle.c2{fill:var(--c)}circle.c3{fill:"
    "var(--d)}path.c0{fill:var(--a)}path.c1{fill:var(--b)}path.c2{fill:var(--c)}path.c3{fill:"
    "var(--d)}.worst img{width:7rem;image-rendering:auto;margin-right:.3rem}" BERT_PAGE_SHADES
    "circle{fill-opacity:.75}.best{stroke:var(--dim);stroke-dasharray:4 3}</style>";

static void put_results(bert_page *p, const json_t *evaluation) {
    const char *key;
    const json_t *value;
    if (!evaluation) return;
    bert_page_put(p, "<table><tr>");
    json_object_foreach((json_t *)(uintptr_t)evaluation, key, value) {
        if (bert_log_is_metric(key)) bert_page_put(p, "<th>%s", key + 5);
    }
    bert_page_put(p, "</tr><tr>");
    json_object_foreach((json_t *)(uintptr_t)evaluation, key, value) {
        if (!bert_log_is_metric(key)) continue;
        if (json_is_number(value))
            bert_page_put(p, "<td>%.4f", json_number_value(value));
        else
            bert_page_put(p, "<td>undefined");
    }
    bert_page_put(p, "</tr></table>");
}

static void put_head(bert_page *p, const bert_trainer *t) {
    char *base = bert_directory_name(bert_model_path(t->model));
    bert_page_put(
        p, "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" "
           "content=\"width=device-width\"><title>Training report</title>");
    p->rc = p->rc ? p->rc : bert_writer_put(p->w, style, sizeof style - 1, p->e);
    bert_page_put(p, "<h1>");
    bert_page_text(p, base ? base : bert_model_path(t->model));
    free(base);
    bert_page_put(p, "</h1><p>%s, %lld steps, %.2f epochs, %lld tokens, bert %s%s",
                  t->tasks[0].train->task->name, (long long)t->run.global_step, t->state.epoch,
                  (long long)t->run.tokens, bert_version(), *t->why ? "; " : "");
    bert_page_text(p, t->why);
    bert_page_put(p, ".</p>");
    put_results(p, bert_log_evaluation(t));
}

int bert_html_save(bert_trainer *t, const char *directory, bert_error *e) {
    char *path = bert_path_join(directory, "report.html");
    bert_page p = {.w = path ? bert_writer_open(path, e) : NULL, .e = e};
    if (!p.w) p.rc = path ? e->code : bert_fail_memory(e, strlen(directory));
    free(path);
    if (p.rc) return p.rc;
    put_head(&p, t);
    bert_html_curves(&p, t);
    bert_html_rows(&p, t);
    bert_html_tags(&p, t);
    bert_page_put(
        &p, "<h2>Data</h2><table><tr><th><th>rows<th>tokens<th>shortest / median / longest<th>limit"
            "<th>cut</tr>");
    for (int32_t i = 0; i < t->task_count; i++) {
        put_data(&p, &t->tasks[i], "training", t->tasks[i].train);
        put_data(&p, &t->tasks[i], "validation", t->tasks[i].validation);
    }
    bert_page_put(&p, "</table>");
    put_arguments(&p, t);
    bert_page_put(&p, "</html>\n");
    if (!p.rc) return bert_writer_commit(p.w, e);
    bert_writer_abort(p.w);
    return p.rc;
}
