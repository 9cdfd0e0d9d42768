#include "report.h"
#include <string.h>

static bool has_classes(const bert_dataset *d) {
    return bert_dataset_label(d, 0) && bert_dataset_row_label(d, 0) >= 0 &&
           !strcmp(bert_dataset_problem_type(d), "single_label_classification");
}

const char *report_of(const bert_metrics *m, const bert_dataset *d, int i) {
    enum { NAME_ROOM = 24 };
    static char of[4 * NAME_ROOM + 16];
    const char *class = bert_dataset_positive_label(d);
    if (!class || !bert_metrics_of_positive(m, bert_metrics_name(m, i))) return "";
    char shown[4 * NAME_ROOM + 4];
    const bert_text name = bert_text_of(class);
    fit(&name, NAME_ROOM, shown);
    snprintf(of, sizeof of, " (of '%s')", shown);
    return of;
}

int report_json(json_t *object, const char *prefix, const bert_metrics *m, const bert_dataset *d) {
    bool of_one = false;
    for (int i = 0; i < bert_metrics_count(m); i++) {
        char key[128];
        snprintf(key, sizeof key, "%s%s", prefix, bert_metrics_name(m, i));
        if (json_object_set_new(object, key, json_number(bert_metrics_value(m, i)))) return -1;
        of_one |= bert_metrics_of_positive(m, bert_metrics_name(m, i));
    }
    const char *class = bert_dataset_positive_label(d);
    return of_one && class ? json_object_set_new(object, "positive_label", json_string(class)) : 0;
}

double report_majority(const bert_dataset *d, int32_t *label) {
    *label = -1;
    if (!has_classes(d) || !bert_dataset_size(d)) return 0;
    int64_t most = -1, all = 0;
    for (int32_t i = 0; i < bert_dataset_num_labels(d); i++) {
        int64_t n = bert_dataset_label_rows(d, i);
        all += n;
        if (n <= most) continue;
        most = n;
        *label = i;
    }
    return all ? (double)most / (double)all : 0;
}

enum { NAME = 16, CELL = 9, CLASSES = 12 }; /* wider matrices do not fit a terminal */

static void print_name(const bert_dataset *d, int32_t label) {
    char shown[4 * NAME + 4];
    bert_text name = bert_text_of(bert_dataset_label(d, label));
    fit(&name, NAME, shown);
    print_column(shown, NAME);
}

/* At the right of a column of numbers. */
static void print_heading(const bert_dataset *d, int32_t label) {
    char shown[4 * CELL + 4];
    bert_text name = bert_text_of(bert_dataset_label(d, label));
    fit(&name, CELL, shown);
    printf(" %*s%s", CELL - columns_of(shown), "", shown);
}

static void print_classes(const bert_metrics *m, const bert_dataset *d) {
    int32_t n = bert_dataset_num_labels(d);
    printf("\n%-*s %9s %9s %9s %9s\n", NAME, "class", "precision", "recall", "f1", "rows");
    for (int32_t i = 0; i < n; i++) {
        bert_class_report c = bert_metrics_class(m, i);
        print_name(d, i);
        printf(" %*.3f %*.3f %*.3f %*lld\n", CELL, c.precision, CELL, c.recall, CELL, c.f1, CELL,
               (long long)c.support);
    }
    if (n > CLASSES) return;
    printf("\n%-*s", NAME, "true \\ predicted");
    for (int32_t i = 0; i < n; i++) print_heading(d, i);
    printf("\n");
    for (int32_t i = 0; i < n; i++) {
        print_name(d, i);
        for (int32_t k = 0; k < n; k++)
            printf(" %*lld", CELL, (long long)bert_metrics_confusion(m, i, k));
        printf("\n");
    }
}

void report_columns(const bert_metrics *m, const bert_dataset *d) {
    int32_t majority;
    double part = report_majority(d, &majority);
    for (int i = 0; i < bert_metrics_count(m); i++) {
        printf("%-20s %8.4f%s", bert_metrics_name(m, i), bert_metrics_value(m, i),
               report_of(m, d, i));
        if (!strcmp(bert_metrics_name(m, i), "accuracy") && majority >= 0)
            printf("   (always answering '%s': %.4f)", bert_dataset_label(d, majority), part);
        printf("\n");
    }
    printf("%-20s %8lld\n", "rows", (long long)bert_metrics_rows(m));
    if (has_classes(d)) print_classes(m, d);
}
