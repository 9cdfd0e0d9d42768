/* Names of labels in the card of a data set, README.md as datasets writes it:
 *
 *     ---
 *     dataset_info:
 *       features:
 *       - name: ner_tags
 *         sequence:
 *           class_label:
 *             names:
 *               '0': O
 *               '1': B-PER
 */
#include "base/error.h"
#include "base/file.h"
#include "data/label_names.h"
#include <stdlib.h>
#include <string.h>

enum { LARGEST = 16 << 20, MOST = 4096 };

typedef struct {
    const char *column;
    char *name[MOST]; /* in the text */
    int32_t n, next;  /* next: of a further list, which must be the same */
    bool feature, names, clash;
} card;

static char *unquoted(char *s) {
    size_t n = strlen(s);
    while (n && strchr(" \t\r", s[n - 1])) s[--n] = 0;
    if (n > 1 && (*s == '\'' || *s == '"') && s[n - 1] == *s) {
        s[n - 1] = 0;
        s++;
    }
    return s;
}

/* "'1': B-PER" in its place of the list. */
static bool take_name(card *c, char *line) {
    const size_t quote = *line == '\'' || *line == '"';
    char *end;
    const long number = strtol(line + quote, &end, 10);
    if (end == line + quote || (quote && *end != *line) || end[quote] != ':' ||
        end[quote + 1] != ' ' || number != c->next || number >= MOST)
        return false;
    char *name = unquoted(end + quote + 2);
    c->clash |= c->next < c->n && strcmp(c->name[c->next], name) != 0;
    c->name[c->next++] = name;
    if (c->next > c->n) c->n = c->next;
    return true;
}

static void read_line(card *c, char *line) {
    static const char item[] = "- name: ", list[] = "names:";
    line += strspn(line, " ");
    if (c->names && take_name(c, line)) return;
    c->names = false;
    if (!strncmp(line, item, sizeof item - 1))
        c->feature = !strcmp(unquoted(line + sizeof item - 1), c->column);
    else if (c->feature && !strncmp(line, list, sizeof list - 1)) {
        c->names = true;
        c->next = 0;
    }
}

int bert_card_names(const char *path, const char *column, bert_labels *out, bert_error *e) {
    char *text = NULL;
    size_t n;
    card *c = calloc(1, sizeof *c);
    int rc = c ? bert_read_file(path, LARGEST, &text, &n, e) : bert_fail_memory(e, sizeof *c);
    char *rest = text;
    if (!rc) c->column = column;
    char *line = rc ? NULL : strsep(&rest, "\n");
    if (line && !strncmp(line, "---", 3))
        while ((line = strsep(&rest, "\n")) && strncmp(line, "---", 3)) read_line(c, line);
    if (!rc && c->n && !c->clash) {
        rc = bert_labels_set(out, c->n, (const char **)(void *)c->name, e);
        rc = rc ? rc : 1;
    }
    free(text);
    free(c);
    return rc;
}
