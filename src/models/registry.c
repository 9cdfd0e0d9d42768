#include "models/registry.h"
#include "base/error.h"
#include "heads/heads.h"
#include "recipe/recipe.h"
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { MOST = 256 };

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static const bert_head *registered[MOST];
static int count;

static const bert_head *stock(const char *name) {
    for (const bert_head *const *h = bert_stock_heads; *h; h++)
        if (!strcmp((*h)->name, name)) return *h;
    return NULL;
}

const char *bert_head_name_of(bert_output_kind outputs) {
    for (const bert_head *const *h = bert_stock_heads; *h; h++)
        if ((*h)->outputs == outputs) return (*h)->name;
    return "";
}

bool bert_head_is_stock(const char *name) {
    return stock(name) != NULL;
}

/* Under the guard. */
static const bert_head *own(const char *name) {
    for (int i = 0; i < count; i++)
        if (!strcmp(registered[i]->name, name)) return registered[i];
    return NULL;
}

int bert_head_register(const bert_head *head, bert_error *e) {
    BERT_DOOR(e);
    if (!head || !head->name || !*head->name || !head->forward)
        return bert_fail(e, BERT_EINVAL, "a head needs a name and a forward function");
    if (strlen(head->name) >= BERT_MAX_NAME || !strcmp(head->name, "none") || stock(head->name) ||
        !strcmp(head->name, BERT_RECIPE_HEAD))
        return bert_fail(e, BERT_EINVAL,
                         "a head cannot be called \"%.80s\": names are below %d bytes, and neither "
                         "\"none\", \"recipe\" nor a stock head's",
                         head->name, BERT_MAX_NAME);
    pthread_mutex_lock(&guard);
    const bert_head *there = own(head->name);
    int rc = BERT_OK;
    if (there && there != head)
        rc = bert_fail(e, BERT_EINVAL, "another head is registered as \"%s\"", head->name);
    else if (!there && count == MOST)
        rc = bert_fail(e, BERT_ENOMEM, "%d heads are registered, which is all there is room for",
                       MOST);
    else if (!there)
        registered[count++] = head;
    pthread_mutex_unlock(&guard);
    return rc;
}

const bert_head *bert_head_find(const char *name, bert_error *e) {
    const bert_head *found = stock(name);
    char list[480] = "";
    size_t n = 0;
    pthread_mutex_lock(&guard);
    if (!found) found = own(name);
    for (const bert_head *const *h = bert_stock_heads; *h && n < sizeof list; h++)
        n += (size_t)snprintf(list + n, sizeof list - n, ", %s", (*h)->name);
    for (int i = 0; i < count && n < sizeof list; i++)
        n += (size_t)snprintf(list + n, sizeof list - n, ", %s", registered[i]->name);
    pthread_mutex_unlock(&guard);
    if (!found)
        bert_fail(e, BERT_EUNSUPPORTED, "there is no head \"%.80s\"; the heads are none%s", name,
                  list);
    return found;
}
