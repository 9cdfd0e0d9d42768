/* Python pickles of protocol 2, by an allow-list: what they say is built as values, and nothing is
 * imported, called or run. */
#ifndef BERT_FILES_PICKLE_H
#define BERT_FILES_PICKLE_H
#include "base/arena.h"
#include <bert.h>

typedef enum {
    BERT_PICKLE_MARK, /* inside a reader only */
    BERT_PICKLE_NONE,
    BERT_PICKLE_BOOL,
    BERT_PICKLE_INT,
    BERT_PICKLE_FLOAT,
    BERT_PICKLE_STRING,
    BERT_PICKLE_TUPLE,
    BERT_PICKLE_LIST,
    BERT_PICKLE_DICT,
    BERT_PICKLE_GLOBAL,
    BERT_PICKLE_CALL,      /* what calling a global would give */
    BERT_PICKLE_PERSISTENT /* what lies outside of the pickle */
} bert_pickle_kind;

/* A name that may be imported. */
typedef struct {
    const char *module, *name; /* NULL: the end of the list */
    int what;                  /* the caller's; BERT_PICKLE_MAKES_DICT: calling it makes a dict */
    int detail;                /* the caller's */
} bert_pickle_global;
enum { BERT_PICKLE_MAKES_DICT = -1 };

typedef struct bert_pickle_value bert_pickle_value;
/* An element of a list, or of a dict. */
typedef struct bert_pickle_item {
    const bert_pickle_value *key, *value; /* key NULL: of a list */
    struct bert_pickle_item *next;
} bert_pickle_item;

struct bert_pickle_value {
    uint8_t kind;
    uint8_t depth;
    uint32_t n; /* bytes of a string, elements of a tuple */
    union {
        int64_t integer; /* and the truth of a BOOL */
        double real;
        const char *text;                     /* no NUL behind it */
        const bert_pickle_value *const *item; /* of a tuple */
        bert_pickle_item *first;              /* of a list or a dict */
        const bert_pickle_global *global;     /* of a CALL, too */
        const bert_pickle_value *id;          /* of a PERSISTENT */
    };
    union {
        bert_pickle_item *last;
        const bert_pickle_value *args;         /* of a CALL: a tuple */
        const bert_pickle_value *next_outside; /* of a PERSISTENT: the one before it, or NULL */
    };
};

typedef struct {
    const unsigned char *data;
    size_t size;
    const char *where;                 /* for messages */
    const bert_pickle_global *globals; /* that may be named; any other is an error */
    bert_arena *memory;                /* of the values, whose strings lie in data */
    const bert_pickle_value *outside;  /* out: the last PERSISTENT */
} bert_pickle;

/* The value of the pickle that data begin with; *used: its bytes. BERT_EUNSUPPORTED: another
 * protocol, or a global that is not in the list; BERT_EFORMAT: damaged. */
const bert_pickle_value *bert_pickle_read(bert_pickle *p, size_t *used, bert_error *e);

bool bert_pickle_is(const bert_pickle_value *v, const char *text);
/* The value of a dict's key; NULL: it has none, or is no dict. */
const bert_pickle_value *bert_pickle_get(const bert_pickle_value *dict, const char *key);
#endif
