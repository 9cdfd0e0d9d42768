#include "files/pickle.h"
#include "base/error.h"
#include "files/utf8.h"
#include <string.h>

typedef const bert_pickle_value value;
/* What no checkpoint comes near, and memory stands: about 60 MB. */
enum {
    MAX_VALUES = 1000000,
    MAX_ITEMS = 1000000,
    MAX_STACK = 1000000,
    MAX_MEMO = 1000000,
    MAX_DEPTH = 64,
    MAX_TEXT = 65536,
    MAX_NAME = 256,
    CHUNK = 65536
};

typedef struct {
    bert_pickle *in;
    size_t at, op; /* the next byte, and the one that is being obeyed */
    value **stack, **memo;
    size_t used, stack_room, memo_room;
    size_t values, items, marks;
    char *free; /* what is left of a chunk of memory */
    size_t free_bytes;
    bool stopped;
    bert_error *e;
} machine;

typedef int op_fn(machine *m, int how);

static const bert_pickle_value mark = {.kind = BERT_PICKLE_MARK}, none = {.kind = BERT_PICKLE_NONE},
                               truths[2] = {{.kind = BERT_PICKLE_BOOL, .integer = 0},
                                            {.kind = BERT_PICKLE_BOOL, .integer = 1}},
                               empty_tuple = {.kind = BERT_PICKLE_TUPLE};

static int damaged(machine *m, const char *what) {
    return bert_fail(m->e, BERT_EFORMAT, "%s: byte %zu of its pickle: %s", m->in->where, m->op,
                     what);
}

/* ---- Memory */

static void *take(machine *m, size_t bytes) {
    bytes = (bytes + 7) / 8 * 8;
    if (bytes > m->free_bytes) {
        const size_t room = bytes > CHUNK ? bytes : CHUNK;
        m->free = bert_arena_alloc(m->in->memory, room);
        m->free_bytes = m->free ? room : 0;
        if (!m->free) bert_fail_memory(m->e, room);
        if (!m->free) return NULL;
    }
    void *p = m->free;
    m->free += bytes;
    m->free_bytes -= bytes;
    return p;
}

static bert_pickle_value *make(machine *m, bert_pickle_kind kind) {
    if (m->values++ == MAX_VALUES) {
        damaged(m, "more than a million values");
        return NULL;
    }
    bert_pickle_value *v = take(m, sizeof *v);
    if (v) *v = (bert_pickle_value){.kind = (uint8_t)kind};
    return v;
}

/* An array that grows in the arena: what it was is left there. */
static int grow(machine *m, value ***array, size_t *room, size_t need) {
    size_t more = *room ? 2 * *room : 256;
    while (more < need) more *= 2;
    value **fresh = bert_arena_calloc(m->in->memory, more * sizeof *fresh);
    if (!fresh) return bert_fail_memory(m->e, more * sizeof *fresh);
    if (*room) memcpy(fresh, *array, *room * sizeof *fresh);
    *array = fresh;
    *room = more;
    return 0;
}

/* ---- Reading */

/* NULL: there are fewer. */
static const unsigned char *bytes(machine *m, size_t n) {
    const unsigned char *p = m->in->data + m->at;
    if (n > m->in->size - m->at) {
        damaged(m, "it ends in the middle");
        return NULL;
    }
    m->at += n;
    return p;
}

static int number(machine *m, int n, uint64_t *x) {
    const unsigned char *p = bytes(m, (size_t)n);
    *x = 0;
    for (int i = 0; i < n && p; i++) *x |= (uint64_t)p[i] << 8 * i;
    return p ? 0 : m->e->code;
}

/* ---- The stack */

static int push(machine *m, value *v) {
    if (!v) return m->e->code;
    if (m->used == MAX_STACK) return damaged(m, "its stack has more than a million values");
    int rc = m->used == m->stack_room ? grow(m, &m->stack, &m->stack_room, m->used + 1) : 0;
    if (!rc) m->stack[m->used++] = v;
    return rc;
}

static value *pop(machine *m) {
    if (m->used && m->stack[m->used - 1]->kind != BERT_PICKLE_MARK) return m->stack[--m->used];
    damaged(m, "it takes a value where there is none");
    return NULL;
}

/* What lies above the last mark, which goes too; NULL: there is none. */
static value **pop_marked(machine *m, size_t *n) {
    size_t at = m->marks ? m->used : 0;
    while (at && m->stack[at - 1]->kind != BERT_PICKLE_MARK) at--;
    if (!at) {
        damaged(m, "it has no mark");
        return NULL;
    }
    *n = m->used - at;
    m->used = at - 1;
    m->marks--;
    return m->stack + at;
}

/* A value holds another one. */
static int hold(machine *m, bert_pickle_value *outer, value *inner) {
    if (inner->depth + 1 > outer->depth) outer->depth = (uint8_t)(inner->depth + 1);
    return outer->depth <= MAX_DEPTH ? 0 : damaged(m, "it is nested more than 64 deep");
}

/* ---- What opcodes do. how: a row's own number. */

static int op_proto(machine *m, int how) {
    uint64_t protocol;
    (void)how;
    int rc = number(m, 1, &protocol);
    if (rc || protocol == 2) return rc;
    return bert_fail(m->e, BERT_EUNSUPPORTED,
                     "%s: is a pickle of protocol %d, which PyTorch does not load either: save it "
                     "again with torch.save, whose own protocol is 2",
                     m->in->where, (int)protocol);
}

static int op_stop(machine *m, int how) {
    (void)how;
    if (m->used != 1 || m->marks) return damaged(m, "it stops with other than one value");
    m->stopped = true;
    return 0;
}

static int op_mark(machine *m, int how) {
    (void)how;
    m->marks++;
    return push(m, &mark);
}

static int op_none(machine *m, int how) {
    (void)how;
    return push(m, &none);
}

static int op_truth(machine *m, int how) {
    return push(m, &truths[how]);
}

static int push_integer(machine *m, int64_t x) {
    bert_pickle_value *v = make(m, BERT_PICKLE_INT);
    if (v) v->integer = x;
    return push(m, v);
}

/* how: its bytes; 4 are signed. */
static int op_integer(machine *m, int how) {
    uint64_t x;
    int rc = number(m, how, &x);
    return rc ? rc : push_integer(m, how == 4 ? (int64_t)(int32_t)(uint32_t)x : (int64_t)x);
}

static int op_long(machine *m, int how) {
    uint64_t n, x;
    int rc = number(m, how, &n);
    if (rc) return rc;
    if (n > 8) return damaged(m, "it has an integer of more than 64 bits");
    rc = number(m, (int)n, &x);
    if (!rc && n && n < 8 && x >> (8 * n - 1)) x |= UINT64_MAX << 8 * n; /* negative */
    return rc ? rc : push_integer(m, (int64_t)x);
}

static int op_float(machine *m, int how) {
    (void)how;
    const unsigned char *p = bytes(m, 8);
    if (!p) return m->e->code;
    uint64_t bits = 0;
    for (int i = 0; i < 8; i++) bits = bits << 8 | p[i];
    bert_pickle_value *v = make(m, BERT_PICKLE_FLOAT);
    if (v) memcpy(&v->real, &bits, sizeof bits);
    return push(m, v);
}

/* how: bytes of its length; 4: of Unicode. */
static int op_text(machine *m, int how) {
    uint64_t n;
    int rc = number(m, how, &n);
    if (rc) return rc;
    if (n > MAX_TEXT) return damaged(m, "it has a text of more than 64 KiB");
    const unsigned char *p = bytes(m, (size_t)n);
    if (!p) return m->e->code;
    if (how == 4 && !bert_utf8_valid((const char *)p, (size_t)n))
        return damaged(m, "it has a text that is not UTF-8");
    bert_pickle_value *v = make(m, BERT_PICKLE_STRING);
    if (v) v->text = (const char *)p;
    if (v) v->n = (uint32_t)n;
    return push(m, v);
}

static int op_empty(machine *m, int how) {
    return push(m, how == BERT_PICKLE_TUPLE ? &empty_tuple : make(m, (bert_pickle_kind)how));
}

static int push_tuple(machine *m, value **from, size_t n) {
    if (!n) return push(m, &empty_tuple);
    bert_pickle_value *v = make(m, BERT_PICKLE_TUPLE);
    if (n > MAX_ITEMS - m->items) return damaged(m, "more than a million elements");
    m->items += n;
    value **item = v ? take(m, n * sizeof *item) : NULL;
    if (!item) return m->e->code;
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++) rc = hold(m, v, item[i] = from[i]);
    v->item = (value *const *)item;
    v->n = (uint32_t)n;
    return rc ? rc : push(m, v);
}

/* how: of so many; 0: of those above the mark. */
static int op_tuple(machine *m, int how) {
    size_t n = (size_t)how;
    value **from = NULL, *some[3];
    if (!how)
        from = pop_marked(m, &n);
    else {
        for (int i = how; i--;)
            if (!(some[i] = pop(m))) return m->e->code;
        from = some;
    }
    return from ? push_tuple(m, from, n) : m->e->code;
}

/* ---- Lists and dicts, which are changed as they lie on the stack */

static int add_item(machine *m, bert_pickle_value *to, value *key, value *v) {
    if (m->items++ == MAX_ITEMS) return damaged(m, "more than a million elements");
    bert_pickle_item *item = take(m, sizeof *item);
    if (!item) return m->e->code;
    *item = (bert_pickle_item){.key = key, .value = v};
    if (to->last)
        to->last->next = item;
    else
        to->first = item;
    to->last = item;
    return key && hold(m, to, key) ? m->e->code : hold(m, to, v);
}

/* The value on top, of that kind. */
static bert_pickle_value *top(machine *m, bert_pickle_kind kind) {
    if (m->used && m->stack[m->used - 1]->kind == kind)
        return (bert_pickle_value *)(uintptr_t)m->stack[m->used - 1];
    damaged(m, kind == BERT_PICKLE_DICT ? "it changes what is no dict"
                                        : "it appends to what is no list");
    return NULL;
}

/* how: BERT_PICKLE_DICT or BERT_PICKLE_LIST. */
static int add_all(machine *m, value *const *from, size_t n, int how) {
    const size_t step = how == BERT_PICKLE_DICT ? 2 : 1;
    bert_pickle_value *to = top(m, (bert_pickle_kind)how);
    if (!to) return m->e->code;
    if (n % step) return damaged(m, "a key has no value");
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i += step)
        rc = add_item(m, to, step == 2 ? from[i] : NULL, from[i + step - 1]);
    return rc;
}

static int op_add(machine *m, int how) {
    const size_t n = how == BERT_PICKLE_DICT ? 2 : 1;
    value *some[2];
    for (size_t i = n; i--;)
        if (!(some[i] = pop(m))) return m->e->code;
    return add_all(m, some, n, how);
}

static int op_add_marked(machine *m, int how) {
    size_t n;
    value **from = pop_marked(m, &n);
    return from ? add_all(m, from, n, how) : m->e->code;
}

/* ---- The memo */

/* how: bytes of the number. */
static int op_put(machine *m, int how) {
    uint64_t i;
    int rc = number(m, how, &i);
    if (rc) return rc;
    if (i >= MAX_MEMO) return damaged(m, "it remembers more than a million values");
    if (!m->used || m->stack[m->used - 1]->kind == BERT_PICKLE_MARK)
        return damaged(m, "it remembers what is not there");
    if (i >= m->memo_room) rc = grow(m, &m->memo, &m->memo_room, (size_t)i + 1);
    if (!rc) m->memo[i] = m->stack[m->used - 1];
    return rc;
}

static int op_get(machine *m, int how) {
    uint64_t i;
    int rc = number(m, how, &i);
    if (!rc && (i >= m->memo_room || !m->memo[i]))
        return damaged(m, "it takes what was never remembered");
    return rc ? rc : push(m, m->memo[i]);
}

/* ---- Names, calls, and what lies outside */

/* A line of a name; NULL: damaged. */
static const char *line(machine *m, size_t *n) {
    const unsigned char *p = m->in->data + m->at;
    const size_t left = m->in->size - m->at, most = left < MAX_NAME ? left : MAX_NAME;
    const unsigned char *end = memchr(p, '\n', most);
    *n = end ? (size_t)(end - p) : 0;
    bool plain = *n > 0;
    for (size_t i = 0; i < *n; i++) plain &= p[i] > ' ' && p[i] < 127;
    if (!plain) damaged(m, "it names what is no name");
    if (!plain) return NULL;
    m->at += *n + 1;
    return (const char *)p;
}

static bool is(const char *text, size_t n, const char *name) {
    return strlen(name) == n && !memcmp(text, name, n);
}

/* What is no weight that is read, but somebody's all the same, and how it becomes one. */
static const struct {
    const char *module, *name, *holds, *advice;
} others[] = {
    {"torch._utils", "_rebuild_tensor_v3", "a tensor of float8 or an unsigned type",
     "save it as float32, float16 or bfloat16"},
    {"torch._utils", "_rebuild_qtensor", "a quantized tensor", "save what its dequantize() gives"},
    {"torch._utils", "_rebuild_sparse_tensor", "a sparse tensor", "save what its to_dense() gives"},
    {"numpy._core.multiarray", "_reconstruct", "an array of numpy",
     "save torch.from_numpy() of it"},
    {"numpy.core.multiarray", "_reconstruct", "an array of numpy", "save torch.from_numpy() of it"},
};

static int refuse_global(machine *m, const char *module, size_t n, const char *name, size_t k) {
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (is(module, n, others[i].module) && is(name, k, others[i].name))
            return bert_fail(m->e, BERT_EUNSUPPORTED,
                             "%s: holds %s (its pickle wants Python's %s.%s): nothing was run, and "
                             "nothing is read of it; %s",
                             m->in->where, others[i].holds, others[i].module, others[i].name,
                             others[i].advice);
    return bert_fail(m->e, BERT_EUNSUPPORTED,
                     "%s: its pickle wants Python's %.*s.%.*s, which weights do not need: nothing "
                     "was run, and nothing is read of it; save the state_dict alone",
                     m->in->where, (int)n, module, (int)k, name);
}

static int op_global(machine *m, int how) {
    (void)how;
    size_t n, k;
    const char *module = line(m, &n), *name = module ? line(m, &k) : NULL;
    if (!name) return m->e->code;
    const bert_pickle_global *g = m->in->globals;
    while (g->module && !(is(module, n, g->module) && is(name, k, g->name))) g++;
    if (!g->module) return refuse_global(m, module, n, name, k);
    bert_pickle_value *v = make(m, BERT_PICKLE_GLOBAL);
    if (v) v->global = g;
    return push(m, v);
}

/* Python 2 writes an OrderedDict with a list of its pairs. */
static int fill_dict(machine *m, bert_pickle_value *dict, value *args) {
    if (args->n > 1 || (args->n && args->item[0]->kind != BERT_PICKLE_LIST))
        return damaged(m, "it makes a dict of what is no list");
    int rc = 0;
    for (bert_pickle_item *i = args->n ? args->item[0]->first : NULL; i && !rc; i = i->next) {
        const bert_pickle_item *key = i->value->kind == BERT_PICKLE_LIST ? i->value->first : NULL;
        if (key && key->next && !key->next->next)
            rc = add_item(m, dict, key->value, key->next->value);
        else if (i->value->kind == BERT_PICKLE_TUPLE && i->value->n == 2)
            rc = add_item(m, dict, i->value->item[0], i->value->item[1]);
        else
            rc = damaged(m, "it makes a dict of what are no pairs");
    }
    return rc;
}

static int op_reduce(machine *m, int how) {
    (void)how;
    value *args = pop(m), *function = args ? pop(m) : NULL;
    if (!function) return m->e->code;
    if (args->kind != BERT_PICKLE_TUPLE || function->kind != BERT_PICKLE_GLOBAL)
        return damaged(m, "it calls what is no function");
    const bool dict = function->global->what == BERT_PICKLE_MAKES_DICT;
    bert_pickle_value *v = make(m, dict ? BERT_PICKLE_DICT : BERT_PICKLE_CALL);
    if (!v) return m->e->code;
    int rc = dict ? fill_dict(m, v, args) : hold(m, v, args);
    if (!dict) v->global = function->global;
    if (!dict) v->args = args;
    return rc ? rc : push(m, v);
}

/* An OrderedDict's attributes, as state_dict's _metadata: of no use here. */
static int op_build(machine *m, int how) {
    (void)how;
    if (!pop(m)) return m->e->code;
    return top(m, BERT_PICKLE_DICT) ? 0 : m->e->code;
}

static int op_persistent(machine *m, int how) {
    (void)how;
    value *id = pop(m);
    bert_pickle_value *v = id ? make(m, BERT_PICKLE_PERSISTENT) : NULL;
    if (!v || hold(m, v, id)) return m->e->code;
    v->id = id;
    v->next_outside = m->in->outside;
    m->in->outside = v;
    return push(m, v);
}

/* ---- Obeying */

static const struct {
    op_fn *run;
    int how;
} ops[256] = {
    [0x80] = {op_proto, 0},
    ['.'] = {op_stop, 0},
    ['('] = {op_mark, 0},
    ['N'] = {op_none, 0},
    [0x88] = {op_truth, 1},
    [0x89] = {op_truth, 0},
    ['K'] = {op_integer, 1},
    ['M'] = {op_integer, 2},
    ['J'] = {op_integer, 4},
    [0x8a] = {op_long, 1},
    ['G'] = {op_float, 0},
    ['X'] = {op_text, 4},
    ['U'] = {op_text, 1},
    [')'] = {op_empty, BERT_PICKLE_TUPLE},
    [']'] = {op_empty, BERT_PICKLE_LIST},
    ['}'] = {op_empty, BERT_PICKLE_DICT},
    ['t'] = {op_tuple, 0},
    [0x85] = {op_tuple, 1},
    [0x86] = {op_tuple, 2},
    [0x87] = {op_tuple, 3},
    ['a'] = {op_add, BERT_PICKLE_LIST},
    ['e'] = {op_add_marked, BERT_PICKLE_LIST},
    ['s'] = {op_add, BERT_PICKLE_DICT},
    ['u'] = {op_add_marked, BERT_PICKLE_DICT},
    ['q'] = {op_put, 1},
    ['r'] = {op_put, 4},
    ['h'] = {op_get, 1},
    ['j'] = {op_get, 4},
    ['c'] = {op_global, 0},
    ['R'] = {op_reduce, 0},
    ['b'] = {op_build, 0},
    ['Q'] = {op_persistent, 0},
};

const bert_pickle_value *bert_pickle_read(bert_pickle *p, size_t *used, bert_error *e) {
    machine m = {.in = p, .e = e};
    int rc = 0;
    p->outside = NULL;
    if (!p->size || p->data[0] != 0x80) rc = damaged(&m, "it does not begin with a protocol of 2");
    while (!rc && !m.stopped) {
        m.op = m.at;
        const unsigned char *op = bytes(&m, 1);
        if (!op) return NULL;
        if (!ops[*op].run)
            rc = bert_fail(e, BERT_EFORMAT,
                           "%s: byte %zu of its pickle: the opcode 0x%02x is none that weights "
                           "need: nothing was run, and nothing is read of it",
                           p->where, m.op, *op);
        if (!rc) rc = ops[*op].run(&m, ops[*op].how);
    }
    *used = m.at;
    return rc ? NULL : m.stack[0];
}

bool bert_pickle_is(const bert_pickle_value *v, const char *text) {
    return v->kind == BERT_PICKLE_STRING && is(v->text, v->n, text);
}

const bert_pickle_value *bert_pickle_get(const bert_pickle_value *dict, const char *key) {
    const bert_pickle_value *found = NULL;
    if (dict->kind != BERT_PICKLE_DICT) return NULL;
    for (const bert_pickle_item *i = dict->first; i; i = i->next)
        if (bert_pickle_is(i->key, key)) found = i->value;
    return found;
}
