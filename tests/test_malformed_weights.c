/* Weight files that are damaged or hostile, by hundreds: each is a typed error with a message, at
 * once, in little memory, and nothing of it is run. */
#include "files/gguf_bert.h"
#include "files/torch.h"
#include "torch_file.h"
#include <dirent.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

/* Which takes its time, and its memory. */
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define SANITIZED
#elif defined __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#endif

static char *directory, path[4600];
static int files, kinds, memory; /* memory: a file without a disk */

static int set_up(void **state) {
    (void)state;
    directory = test_directory();
    memory = memfd_create("weights", MFD_CLOEXEC);
    return memory < 0;
}

static int tear_down(void **state) {
    (void)state;
    test_remove(directory);
    return 0;
}

/* Of the processor: others may be busy. */
static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The error of opening these bytes, 0 where they open; every number of what opens can be read. */
static int open_as(const bert_tensor_format *format, const char *suffix, const void *data, size_t n,
                   bert_error *e) {
    if (!strcmp(suffix, ".json")) { /* names its files beside it */
        snprintf(path, sizeof path, "%s/file%s", directory, suffix);
        test_write_bytes(path, data, n);
    } else {
        snprintf(path, sizeof path, "/proc/self/fd/%d", memory);
        assert_int_equal(ftruncate(memory, 0), 0);
        assert_int_equal(pwrite(memory, data, n, 0), n);
    }
    const double start = now();
    *e = (bert_error){0};
    bert_tensors *t = bert_tensors_open(format, path, e);
    const double took = now() - start;
    (void)took; /* looked at where nothing slows it down */
    files++;
    for (int i = 0; t && i < bert_tensors_count(t); i++) {
        const bert_stored_tensor *s = bert_tensors_at(t, i);
        float *x = malloc((s->bytes + 1) * 16);
        bert_error ignored = {0};
        assert_non_null(x);
        bert_stored_to_float(s, x, &ignored);
        free(x);
    }
    assert_int_equal(t == NULL, e->code < 0);
    if (!t) assert_true(strlen(e->message) > 10);
    bert_tensors_close(t);
#ifndef SANITIZED
    if (took > 0.1) fail_msg("%g s: %s", took, e->message);
#endif
    return e->code;
}

static void refuse(const bert_tensor_format *format, const char *suffix, const void *data, size_t n,
                   const char *what) {
    bert_error e;
    if (!open_as(format, suffix, data, n, &e)) fail_msg("%s: it opens", what);
}

/* ---- Pickles */

static size_t zip_of(const char *pickle, size_t n, test_bytes *b) {
    static const char data[64];
    const test_member members[] = {{"m/data.pkl", pickle, n},
                                   {"m/data/0", data, 64},
                                   {"m/data/1", data, 32},
                                   {"m/version", "3\n", 2}};
    b->n = 0;
    test_put_zip(b, members, 4);
    return b->n;
}

static int open_pickle(const char *pickle, size_t n, bert_error *e) {
    static test_bytes b;
    zip_of(pickle, n, &b);
    const int code = open_as(&bert_torch_format, ".bin", b.data, b.n, e);
    free(b.data);
    b = (test_bytes){0};
    return code;
}

#define HEAD "\x80\2"
#define STORAGE_OF(class, key, numel)                                                              \
    "(U\7storagectorch\n" class "Storage\nU\1" key "U\3"                                           \
                                "cpuK" numel "tQ"
#define STORAGE STORAGE_OF("Float", "0", "\20")
#define REBUILD "ctorch._utils\n_rebuild_tensor_v2\n"
#define TENSOR_OF(storage, offset, size, stride) REBUILD "(" storage offset size stride "\x89}tR"
#define TENSOR TENSOR_OF(STORAGE, "K\0", "(K\2K\2t", "(K\2K\1t")
#define DICT(entries) HEAD "}(" entries "u."
#define ENTRY(tensor) "U\1w" tensor
#define PICKLE(text)                                                                               \
    { text, sizeof text - 1 }

typedef struct {
    const char *text;
    size_t n;
} pickle;

static const pickle good[] = {
    PICKLE(DICT(ENTRY(TENSOR))),
    PICKLE(DICT(ENTRY(TENSOR) "U\1xN")),
    PICKLE(DICT(ENTRY(TENSOR) "NK\1")),
    PICKLE(DICT("K\1K\2" ENTRY(TENSOR) "U\1x(K\1K\2t")),
    PICKLE(DICT(ENTRY(TENSOR_OF(STORAGE, "K\14", "(K\2K\2t", "(K\2K\1t")))),
    PICKLE(DICT(ENTRY(TENSOR_OF(STORAGE, "K\20", "K\0\x85", "K\1\x85")))),
    PICKLE(DICT(ENTRY(TENSOR_OF(STORAGE, "K\0", ")", ")")))),
    PICKLE(DICT("U\1"
                "a" TENSOR "U\1"
                "b" TENSOR_OF(STORAGE, "K\4", "(K\2K\2t", "(K\0K\1t"))),
    PICKLE(HEAD "ccollections\nOrderedDict\n)R(" ENTRY(TENSOR) "u}U\11_metadata}sb."),
    PICKLE(HEAD "ccollections\nOrderedDict\n](](" ENTRY(TENSOR) "ee\x85R."),
};

static const pickle bad[] = {
    /* ends */
    PICKLE(""),
    PICKLE("\x80"),
    PICKLE(HEAD),
    PICKLE(HEAD "}"),
    PICKLE(HEAD "."),
    PICKLE(HEAD "}."),
    PICKLE(HEAD "}}."),
    PICKLE(HEAD "(."),
    PICKLE(HEAD "(}."),
    PICKLE(DICT(ENTRY(TENSOR)) "x"),
    PICKLE(DICT(ENTRY(TENSOR)) "."),
    PICKLE("}."),
    PICKLE("."),
    PICKLE(HEAD "}(" ENTRY(TENSOR) "u"),
    PICKLE(HEAD "N."),
    PICKLE(HEAD "K\1."),
    /* protocols */
    PICKLE("\x80\1}."),
    PICKLE("\x80\3}."),
    PICKLE("\x80\4}."),
    PICKLE("\x80\5}."),
    PICKLE("\x80\xff}."),
    PICKLE(HEAD "\x80\4}."),
    PICKLE("\x80\0}."),
    /* the stack */
    PICKLE(HEAD "s."),
    PICKLE(HEAD "}s."),
    PICKLE(HEAD "}Ns."),
    PICKLE(HEAD "u."),
    PICKLE(HEAD "}u."),
    PICKLE(HEAD "}(Nu."),
    PICKLE(HEAD "](Nu."),
    PICKLE(HEAD "N(NNu."),
    PICKLE(HEAD "a."),
    PICKLE(HEAD "]a."),
    PICKLE(HEAD "}Na."),
    PICKLE(HEAD "}(Ne."),
    PICKLE(HEAD "e."),
    PICKLE(HEAD "t."),
    PICKLE(HEAD "\x85."),
    PICKLE(HEAD "N\x86."),
    PICKLE(HEAD "NN\x87."),
    PICKLE(HEAD "(N\x86."),
    PICKLE(HEAD "R."),
    PICKLE(HEAD "NR."),
    PICKLE(HEAD "N)R."),
    PICKLE(HEAD "))R."),
    PICKLE(HEAD "}}R."),
    PICKLE(HEAD "Q."),
    PICKLE(HEAD "(Q."),
    PICKLE(HEAD "b."),
    PICKLE(HEAD "Nb."),
    PICKLE(HEAD "NNb."),
    PICKLE(HEAD "]Nb."),
    PICKLE(HEAD "(Nb."),
    /* the memo */
    PICKLE(HEAD "q"),
    PICKLE(HEAD "q\0."),
    PICKLE(HEAD "(q\0."),
    PICKLE(HEAD "h\0."),
    PICKLE(HEAD "j\0\0\0\0."),
    PICKLE(HEAD "Nr\xff\xff\xff\xff."),
    PICKLE(HEAD "Nr\x40\x42\x0f\0."),
    PICKLE(HEAD "Nq\0h\1."),
    PICKLE(HEAD "Nr\0\0\0"),
    PICKLE(HEAD "]q\0h\0a."),
    PICKLE(HEAD "}q\0U\1ah\0s."),
    PICKLE(HEAD "]q\0(h\0h\0e."),
    /* numbers and texts */
    PICKLE(HEAD "K"),
    PICKLE(HEAD "M\1"),
    PICKLE(HEAD "J\1\2\3"),
    PICKLE(HEAD "G\0\0\0"),
    PICKLE(HEAD "\x8a"),
    PICKLE(HEAD "\x8a\2\1"),
    PICKLE(HEAD "\x8a\11\1\2\3\4\5\6\7\10\11."),
    PICKLE(HEAD "\x8a\xff."),
    PICKLE(HEAD "U"),
    PICKLE(HEAD "U\5abc"),
    PICKLE(HEAD "X"),
    PICKLE(HEAD "X\5\0\0\0abc"),
    PICKLE(HEAD "X\xff\xff\xff\xff"),
    PICKLE(HEAD "X\1\0\1\0a"),
    PICKLE(HEAD "X\2\0\0\0\xff\xfe."),
    PICKLE(HEAD "X\3\0\0\0\xed\xa0\x80."),
    /* names */
    PICKLE(HEAD "c"),
    PICKLE(HEAD "ctorch"),
    PICKLE(HEAD "ctorch\n"),
    PICKLE(HEAD "ctorch\nSize"),
    PICKLE(HEAD "c\n\n."),
    PICKLE(HEAD "c \n \n."),
    PICKLE(HEAD "ctor\0ch\nSize\n."),
    PICKLE(HEAD "ctorch\n\x1b[2J\n."),
    PICKLE(HEAD "ctorch\nsize\n."),
    PICKLE(HEAD "ctorch.Size\nSize\n."),
    PICKLE(HEAD "ctorch\nQInt8Storage\n."),
    PICKLE(HEAD "ctorch\nComplexFloatStorage\n."),
    PICKLE(HEAD "ctorch._utils\n_rebuild_qtensor\n."),
    PICKLE(HEAD "ctorch._utils\n_rebuild_tensor_v3\n."),
    PICKLE(HEAD "ccollections\ndefaultdict\n."),
    PICKLE(HEAD "ccollections\nOrderedDict\nK\1\x85R."),
    PICKLE(HEAD "ccollections\nOrderedDict\n](K\1e\x85R."),
    PICKLE(HEAD "ccollections\nOrderedDict\n](](K\1eee\x85R."),
    PICKLE(HEAD "ccollections\nOrderedDict\nNN\x86R."),
    /* roots */
    PICKLE(HEAD "]."),
    PICKLE(HEAD TENSOR "."),
    PICKLE(DICT("K\1" TENSOR)),
    PICKLE(DICT("U\1wK\1")),
    PICKLE(DICT("U\12state_dict}")),
    PICKLE(DICT("U\5model}" ENTRY(TENSOR))),
    PICKLE(DICT(ENTRY(TENSOR) ENTRY(TENSOR))),
    PICKLE(DICT("U\0" TENSOR)),
    PICKLE(DICT("U\2a\0" TENSOR)),
    PICKLE(DICT("U\1\xff" TENSOR)),
    /* storages */
    PICKLE(DICT(ENTRY(TENSOR_OF(STORAGE_OF("Float", "0", "\17"), "K\0", "(K\2t", "(K\1t")))),
    PICKLE(DICT(ENTRY(TENSOR_OF(STORAGE_OF("Float", "0", "\21"), "K\0", "(K\2t", "(K\1t")))),
    PICKLE(DICT(ENTRY(TENSOR_OF(STORAGE_OF("Double", "0", "\20"), "K\0", "(K\2t", "(K\1t")))),
    PICKLE(DICT(ENTRY(TENSOR_OF(STORAGE_OF("Float", "7", "\20"), "K\0", "(K\2t", "(K\1t")))),
    PICKLE(DICT(ENTRY(TENSOR_OF(STORAGE_OF("Float", "/", "\20"), "K\0", "(K\2t", "(K\1t")))),
    PICKLE(DICT("U\1"
                "a" TENSOR "U\1"
                "b" TENSOR_OF(STORAGE_OF("Half", "0", "\40"), "K\0", "(K\2t", "(K\1t"))),
    PICKLE(DICT("U\1"
                "a" TENSOR "U\1"
                "b" TENSOR_OF(STORAGE_OF("Int", "0", "\20"), "K\0", "(K\2t", "(K\1t"))),
    PICKLE(DICT(ENTRY(TENSOR_OF("NQ", "K\0", "(K\2t", "(K\1t")))),
    PICKLE(DICT(ENTRY(TENSOR_OF(")Q", "K\0", "(K\2t", "(K\1t")))),
    PICKLE(DICT(ENTRY(TENSOR_OF("(U\7storageNU\1"
                                "0U\3"
                                "cpuK\20tQ",
                                "K\0", "(K\2t", "(K\1t")))),
    PICKLE(DICT(ENTRY(TENSOR_OF("(U\7storagectorch\nSize\nU\1"
                                "0U\3"
                                "cpuK\20tQ",
                                "K\0", "(K\2t", "(K\1t")))),
    PICKLE(DICT(ENTRY(TENSOR_OF("(U\6modulectorch\nFloatStorage\nU\1"
                                "0U\3"
                                "cpuK\20tQ",
                                "K\0", "(K\2t", "(K\1t")))),
    PICKLE(DICT(ENTRY(TENSOR_OF("(U\7storagectorch\nFloatStorage\nK\0U\3"
                                "cpuK\20tQ",
                                "K\0", "(K\2t", "(K\1t")))),
    PICKLE(DICT(ENTRY(TENSOR_OF("(U\7storagectorch\nFloatStorage\nU\1"
                                "0U\3"
                                "cpuJ\xff\xff\xff\xfftQ",
                                "K\0", "(K\2t", "(K\1t")))),
    PICKLE(DICT(ENTRY(TENSOR_OF("(U\7storagectorch\nFloatStorage\nU\1"
                                "0U\3"
                                "cpu\x8a\10\0\0\0\0\0\0\0\100tQ",
                                "K\0", "(K\2t", "(K\1t")))),
    PICKLE(DICT(ENTRY(TENSOR_OF("(U\7storagectorch\nFloatStorage\nU\1"
                                "0U\3"
                                "cpuK\20NNNtQ",
                                "K\0", "(K\2t", "(K\1t")))),
    PICKLE(DICT(ENTRY(TENSOR_OF("(U\7storagectorch\nFloatStorage\nU\1"
                                "0U\3"
                                "cpuK\20(U\1vK\20K\1ttQ",
                                "K\0", "(K\2t", "(K\1t")))),
    PICKLE(DICT(ENTRY(TENSOR_OF("(U\7storagectorch\nFloatStorage\nU\1"
                                "0U\3"
                                "cpuK\20(U\1vK\0K\1ttQ",
                                "K\0", "(K\2t", "(K\1t")))),
    PICKLE(DICT(ENTRY(TENSOR_OF("(U\7storagectorch\nFloatStorage\nU\1"
                                "0U\3"
                                "cpuK\20K\1tQ",
                                "K\0", "(K\2t", "(K\1t")))),
    /* tensors */
    PICKLE(DICT(ENTRY(TENSOR_OF(STORAGE, "K\15", "(K\2K\2t", "(K\2K\1t")))),
    PICKLE(DICT(ENTRY(TENSOR_OF(STORAGE, "J\xff\xff\xff\xff", "(K\2K\2t", "(K\2K\1t")))),
    PICKLE(DICT(
        ENTRY(TENSOR_OF(STORAGE, "\x8a\10\xff\xff\xff\xff\xff\xff\xff\x7f", "(K\2t", "(K\1t")))),
    PICKLE(DICT(ENTRY(TENSOR_OF(STORAGE, "K\21", "K\0\x85", "K\1\x85")))),
    PICKLE(DICT(ENTRY(TENSOR_OF(STORAGE, "N", "(K\2t", "(K\1t")))),
    PICKLE(DICT(ENTRY(TENSOR_OF(STORAGE, "K\0", "(K\21t", "(K\1t")))),
    PICKLE(DICT(ENTRY(TENSOR_OF(STORAGE, "K\0", "(K\2t", "(K\20t")))),
    PICKLE(DICT(ENTRY(TENSOR_OF(STORAGE, "K\0", "(J\xff\xff\xff\xfft", "(K\1t")))),
    PICKLE(DICT(ENTRY(TENSOR_OF(STORAGE, "K\0", "(K\2t", "(J\xff\xff\xff\xfft")))),
    PICKLE(DICT(ENTRY(TENSOR_OF(STORAGE, "K\0", "(K\2t", "(K\2K\1t")))),
    PICKLE(DICT(ENTRY(TENSOR_OF(STORAGE, "K\0", "(K\2K\2t", "(K\1t")))),
    PICKLE(DICT(ENTRY(TENSOR_OF(STORAGE, "K\0", "N", "(K\1t")))),
    PICKLE(DICT(ENTRY(TENSOR_OF(STORAGE, "K\0", "(Nt", "(K\1t")))),
    PICKLE(DICT(ENTRY(TENSOR_OF(STORAGE, "K\0", "](K\2e", "(K\1t")))),
    PICKLE(DICT(ENTRY(TENSOR_OF(STORAGE, "K\0", "(K\1K\1K\1K\1K\1K\1K\1K\1K\1t",
                                "(K\1K\1K\1K\1K\1K\1K\1K\1K\1t")))),
    PICKLE(DICT(ENTRY(TENSOR_OF(STORAGE, "K\0", "(\x8a\10\0\0\0\0\0\0\0\100K\4t", "(K\0K\1t")))),
    PICKLE(DICT(ENTRY(TENSOR_OF(STORAGE, "K\0", "(J\0\0\0\x40J\0\0\0\x40t", "(K\0K\0t")))),
    PICKLE(DICT(
        ENTRY(TENSOR_OF(STORAGE, "K\0", "(J\0\0\0\x40J\0\0\0\x40J\0\0\0\x40t", "(K\0K\0K\0t")))),
    PICKLE(DICT(ENTRY(TENSOR_OF(STORAGE, "K\0", "(J\0\0\0\x40K\2t", "(K\0K\1t")))),
    PICKLE(DICT(ENTRY(
        TENSOR_OF(STORAGE, "K\0", "(K\2K\2t", "(\x8a\10\xff\xff\xff\xff\xff\xff\xff\x7fK\1t")))),
    PICKLE(DICT(ENTRY(TENSOR_OF("K\1", "K\0", "(K\2t", "(K\1t")))),
    PICKLE(DICT(ENTRY(REBUILD ")R"))),
    PICKLE(DICT(ENTRY(REBUILD "(" STORAGE "K\0tR"))),
    PICKLE(DICT(ENTRY(REBUILD "NR"))),
    PICKLE(DICT(ENTRY("ctorch._utils\n_rebuild_parameter\n)R"))),
};

static void pickles_are_refused(void **state) {
    (void)state;
    bert_error e;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (open_pickle(good[i].text, good[i].n, &e)) fail_msg("good %zu: %s", i, e.message);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++, kinds++)
        if (!open_pickle(bad[i].text, bad[i].n, &e)) fail_msg("bad %zu opens", i);
}

/* Every opcode, as the first one and with a stack of everything below it. */
static void every_opcode_is_survived(void **state) {
    (void)state;
    static const char *const before[] = {"",
                                         "}(U\1wN",
                                         "](NN",
                                         "))",
                                         "N}",
                                         "ctorch\nSize\n)",
                                         "ccollections\nOrderedDict\n)R}",
                                         "}q\0h\0"};
    int opened = 0;
    for (size_t k = 0; k < sizeof before / sizeof *before; k++)
        for (int op = 0; op < 256; op++) {
            bert_error e;
            test_bytes b = {0};
            test_put(&b, HEAD, 2);
            test_put(&b, before[k], k == 7 ? 5 : strlen(before[k]));
            test_put(&b, &(char){(char)op}, 1);
            test_put(&b, "\0\0\0\0\0\0\0\0posix\nsystem\n)R.", 25);
            opened += !open_pickle(b.data, b.n, &e);
            free(b.data);
        }
    assert_int_equal(opened, 0);
}

static void exploits_are_refused(void **state) {
    (void)state;
    static const char *const names[] = {"posix\nsystem",
                                        "os\nsystem",
                                        "nt\nsystem",
                                        "os\npopen",
                                        "os\nexecv",
                                        "posix\nexecve",
                                        "posix\nfork",
                                        "subprocess\nPopen",
                                        "subprocess\ncall",
                                        "subprocess\ncheck_output",
                                        "builtins\neval",
                                        "builtins\nexec",
                                        "builtins\n__import__",
                                        "builtins\ngetattr",
                                        "builtins\ncompile",
                                        "builtins\nopen",
                                        "builtins\nglobals",
                                        "__builtin__\neval",
                                        "__builtin__\nexecfile",
                                        "__builtin__\napply",
                                        "runpy\n_run_code",
                                        "runpy\nrun_path",
                                        "importlib\nimport_module",
                                        "pty\nspawn",
                                        "shutil\nrmtree",
                                        "pickle\nloads",
                                        "marshal\nloads",
                                        "ctypes\nCDLL",
                                        "socket\nsocket",
                                        "webbrowser\nopen",
                                        "operator\nattrgetter",
                                        "functools\npartial",
                                        "code\nInteractiveInterpreter",
                                        "timeit\ntimeit",
                                        "bdb\nBdb",
                                        "pip\nmain",
                                        "torch\nload",
                                        "torch.hub\nload",
                                        "torch.jit\nload",
                                        "torch.serialization\nload",
                                        "torch.storage\n_load_from_bytes",
                                        "torch._dynamo.guards\neval",
                                        "torch.utils.cpp_extension\nload",
                                        "numpy.testing._private.utils\nrunstring",
                                        "numpy\nload",
                                        "torch._utils\n_rebuild_wrapper_subclass",
                                        "torch._utils\n_rebuild_tensor_v2.__globals__",
                                        "collections\nOrderedDict.__reduce__",
                                        "torch\nSize.__init__",
                                        "transformers\nAutoModel.from_pretrained"};
    enum { NAMES = sizeof names / sizeof *names, SHAPES = 8 };
    char command[200], sentinel[4700];
    snprintf(sentinel, sizeof sentinel, "%s/run", directory);
    snprintf(command, sizeof command, "touch '%.150s'", sentinel);
    for (int i = 0; i < NAMES; i++, kinds++)
        for (int shape = 0; shape < SHAPES; shape++) {
            test_bytes b = {0};
            bert_error e;
            const char *newline = strchr(names[i], '\n');
            test_put(&b, HEAD, 2);
            if (shape == 5) test_put_text(&b, "}(U\1w"); /* inside a state_dict */
            if (shape == 2) {                            /* INST */
                test_put_text(&b, "(");
                test_pickle_text(&b, command);
                test_put_text(&b, "i");
                test_put_text(&b, names[i]);
                test_put_text(&b, "\n");
            } else if (shape == 3) { /* STACK_GLOBAL */
                char module[100];
                snprintf(module, sizeof module, "%.*s", (int)(newline - names[i]), names[i]);
                test_pickle_text(&b, module);
                test_pickle_text(&b, newline + 1);
                test_put_text(&b, "\x93");
            } else if (shape == 7) { /* an extension's code */
                test_put_text(&b, "\x82\1");
            } else {
                if (shape == 1) test_put_text(&b, "("); /* OBJ */
                test_put_text(&b, "c");
                test_put_text(&b, names[i]);
                test_put_text(&b, "\n");
            }
            test_pickle_text(&b, command);
            static const char *const calls[SHAPES] = {"\x85R.", "o.",      ".",         "\x85R.",
                                                      "b.",     "\x85Ru.", "\x85\x81.", "\x85R."};
            test_put_text(&b, calls[shape]);
            if (!open_pickle(b.data, b.n, &e)) fail_msg("%s, shape %d, opens", names[i], shape);
            if (shape == 0) assert_non_null(strstr(e.message, "nothing was run"));
            free(b.data);
        }
    assert_int_equal(access(sentinel, F_OK), -1);
}

/* What grows without end where nobody counts. */
static void huge_pickles_stay_small(void **state) {
    (void)state;
    static const struct {
        const char *begin, *again, *end;
        size_t again_bytes, times;
    } rows[] = {
        {"", "N", "", 1, 3000000},
        {"", "}", "", 1, 3000000},
        {"(", "N", "t.", 1, 2000000},
        {"(", "K\1", "t.", 2, 2000000},
        {"]", "(NNNNe", "", 6, 500000},
        {"", "(", "", 1, 2000000},
        {"]q\0", "h\0a", "", 3, 900000},
        {"", "]q\0h\0a", "", 5, 500000},
        {"N", "\x85", ".", 1, 2000000},
        {"]q\0", "]q\1h\0ah\1", "", 9, 100000},
        {"}q\0", "NN\x86q\1h\1h\1\x86", "", 10, 200000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++, kinds++) {
        bert_error e;
        test_bytes b = {0};
        test_put(&b, HEAD, 2);
        test_put(&b, rows[i].begin, i == 6 || i >= 9 ? 3 : strlen(rows[i].begin));
        for (size_t k = 0; k < rows[i].times; k++) test_put(&b, rows[i].again, rows[i].again_bytes);
        test_put_text(&b, rows[i].end);
        if (!open_pickle(b.data, b.n, &e)) fail_msg("row %zu opens", i);
        free(b.data);
    }
}

/* ---- Zip archives */

/* One that opens; where its central directory and its end are. */
static void small_zip(test_bytes *b, size_t *central, size_t *end) {
    b->n = 0;
    zip_of(good[0].text, good[0].n, b);
    *end = b->n - 22;
    *central = *end;
    for (size_t i = 0; i < *end; i++)
        if (!memcmp(b->data + i, "PK\1\2", 4)) {
            *central = i;
            break;
        }
}

static void zip_fields_are_checked(void **state) {
    (void)state;
    enum { LOCAL, CENTRAL, END };
    static const struct {
        const char *what;
        int record, at, bytes;
    } fields[] = {
        {"local signature", LOCAL, 0, 4},
        {"local name length", LOCAL, 26, 2},
        {"central signature", CENTRAL, 0, 4},
        {"method", CENTRAL, 10, 2},
        {"packed size", CENTRAL, 20, 4},
        {"size", CENTRAL, 24, 4},
        {"name length", CENTRAL, 28, 2},
        {"extra length", CENTRAL, 30, 2},
        {"comment length", CENTRAL, 32, 2},
        {"local offset", CENTRAL, 42, 4},
        {"name", CENTRAL, 46, 1},
        {"disk", END, 4, 2},
        {"directory's disk", END, 6, 2},
        {"members", END, 10, 2},
        {"directory's size", END, 12, 4},
        {"directory's offset", END, 16, 4},
        {"archive comment", END, 20, 2},
    };
    static const uint64_t values[] = {1,      3,          8,          99,        0x7fff,
                                      0xffff, 0x7fffffff, 0xfffffffe, 0xffffffff};
    test_bytes b = {0};
    for (size_t f = 0; f < sizeof fields / sizeof *fields; f++, kinds++)
        for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
            size_t central, end;
            small_zip(&b, &central, &end);
            char *field = b.data + fields[f].at +
                          (fields[f].record == LOCAL     ? 0
                           : fields[f].record == CENTRAL ? central
                                                         : end);
            char was[8];
            memcpy(was, field, (size_t)fields[f].bytes);
            for (int i = 0; i < fields[f].bytes; i++) field[i] = (char)(values[v] >> 8 * i);
            if (!memcmp(was, field, (size_t)fields[f].bytes)) continue;
            refuse(&bert_torch_format, ".bin", b.data, b.n, fields[f].what);
        }
    free(b.data);
}

static void zip_members_are_checked(void **state) {
    (void)state;
    static const char data[64], *const pickled = "}.";
    const test_member twice[] = {
        {"m/data.pkl", good[0].text, good[0].n}, {"m/data/0", data, 64}, {"m/data/0", data, 64}};
    const test_member none[] = {{"m/data.pk", good[0].text, good[0].n}, {"m/data/0", data, 64}};
    const test_member elsewhere[] = {{"m/n/data.pkl", good[0].text, good[0].n},
                                     {"m/n/data/0", data, 64}};
    const test_member lacks[] = {{"m/data.pkl", good[0].text, good[0].n}};
    const test_member short_one[] = {{"m/data.pkl", good[0].text, good[0].n},
                                     {"m/data/0", data, 63}};
    const test_member big[] = {
        {"m/data.pkl", good[0].text, good[0].n}, {"m/data/0", data, 64}, {"m/byteorder", "big", 3}};
    const test_member script[] = {{"m/data.pkl", good[0].text, good[0].n},
                                  {"m/data/0", data, 64},
                                  {"m/constants.pkl", pickled, 2}};
    const struct {
        const char *what;
        const test_member *members;
        int n;
    } rows[] = {
        {"twice", twice, 3},       {"no pickle", none, 2},        {"a folder below", elsewhere, 2},
        {"no storage", lacks, 1},  {"a short one", short_one, 2}, {"big-endian", big, 3},
        {"TorchScript", script, 3}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++, kinds++) {
        test_bytes b = {0};
        test_put_zip(&b, rows[i].members, rows[i].n);
        refuse(&bert_torch_format, ".bin", b.data, b.n, rows[i].what);
        free(b.data);
    }
    /* members that overlap: the second entry names the place of the first */
    test_bytes b = {0};
    size_t central, end;
    small_zip(&b, &central, &end);
    const size_t second = central + TEST_CENTRAL + strlen("m/data.pkl");
    memcpy(b.data + second + 42, b.data + central + 42, 4);
    refuse(&bert_torch_format, ".bin", b.data, b.n, "overlap");
    /* bytes inserted before and behind */
    small_zip(&b, &central, &end);
    test_put(&b, "junk", 4);
    refuse(&bert_torch_format, ".bin", b.data, b.n, "junk behind");
    memmove(b.data + 4, b.data, b.n - 4);
    memcpy(b.data, "PK\3\4", 4);
    refuse(&bert_torch_format, ".bin", b.data, b.n - 4, "junk in front");
    kinds += 3;
    free(b.data);
}

/* Zip64: sizes and places behind the ones that are too small for them. */
static void zip64_is_read_and_checked(void **state) {
    (void)state;
    for (int wrong = 0; wrong < 8; wrong++) {
        static const char data[64];
        test_bytes b = {0};
        bert_error e;
        const char *names[] = {"m/data.pkl", "m/data/0"};
        const char *const contents[] = {good[0].text, data};
        const size_t sizes[] = {good[0].n, 64};
        size_t at[2];
        for (int i = 0; i < 2; i++) {
            at[i] = b.n;
            test_put(&b, "PK\3\4\0\0\10\10\0\0\0\0\0\0", 14);
            test_put_number(&b, 0, 12);
            test_put_number(&b, strlen(names[i]), 2);
            test_put_number(&b, 0, 2);
            test_put_text(&b, names[i]);
            test_put(&b, contents[i], sizes[i]);
        }
        const size_t start = b.n;
        for (int i = 0; i < 2; i++) {
            test_put(&b, "PK\1\2\0\0\0\0\10\10\0\0\0\0\0\0", 16);
            test_put_number(&b, 0, 4);
            test_put_number(&b, 0xffffffff, 4);
            test_put_number(&b, 0xffffffff, 4);
            test_put_number(&b, strlen(names[i]), 2);
            test_put_number(&b, wrong == 1 ? 20 : 28, 2);
            test_put_number(&b, 0, 10);
            test_put_number(&b, 0xffffffff, 4);
            test_put_text(&b, names[i]);
            test_put_number(&b, wrong == 2 ? 7 : 1, 2);
            test_put_number(&b, wrong == 1 ? 16 : wrong == 3 ? 60 : 24, 2);
            test_put_number(&b, sizes[i], 8);
            test_put_number(&b, wrong == 4 ? sizes[i] + 1 : sizes[i], 8);
            if (wrong != 1) test_put_number(&b, wrong == 5 ? UINT64_MAX - 4 : at[i], 8);
        }
        const size_t end = b.n;
        test_put(&b, "PK\6\6", 4);
        test_put_number(&b, 44, 8);
        test_put_number(&b, 45, 2);
        test_put_number(&b, 45, 2);
        test_put_number(&b, 0, 8);
        test_put_number(&b, 2, 8);
        test_put_number(&b, wrong == 6 ? UINT64_MAX : 2, 8);
        test_put_number(&b, end - start, 8);
        test_put_number(&b, wrong == 7 ? UINT64_MAX - 9 : start, 8);
        test_put(&b, "PK\6\7", 4);
        test_put_number(&b, 0, 4);
        test_put_number(&b, end, 8);
        test_put_number(&b, 1, 4);
        test_put(&b, "PK\5\6\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0", 22);
        const int code = open_as(&bert_torch_format, ".bin", b.data, b.n, &e);
        if (!code != !wrong) fail_msg("%d: %d %s", wrong, code, e.message);
        free(b.data);
        kinds++;
    }
}

/* ---- Damage to whole files */

/* Every length, and every bit of what is not the tensors' numbers. Returns how many were refused. */
static int damage(const bert_tensor_format *format, const char *suffix, char *data, size_t n,
                  size_t header) {
    int refused = 0;
    bert_error e;
    assert_int_equal(open_as(format, suffix, data, n, &e), 0);
    for (size_t i = 0; i < n; i++, refused++) refuse(format, suffix, data, i, "a part of it");
    for (size_t bit = 0; bit < 8 * header; bit++) {
        data[bit / 8] = (char)(data[bit / 8] ^ 1 << bit % 8);
        refused += open_as(format, suffix, data, n, &e) != 0;
        data[bit / 8] = (char)(data[bit / 8] ^ 1 << bit % 8);
    }
    return refused;
}

static void damaged_archives_are_refused(void **state) {
    (void)state;
    test_bytes b = {0};
    size_t central, end;
    small_zip(&b, &central, &end);
    assert_true(damage(&bert_torch_format, ".bin", b.data, b.n, b.n) > 2000);
    free(b.data);
}

static void damaged_pickles_on_end_are_refused(void **state) {
    (void)state;
    static const char magic[] =
        "\x80\2\x8a\12\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\2M\xe9\3."
        "\x80\2}(U\20protocol_versionM\xe9\3U\15little_endian\x88u.";
    test_bytes b = {0};
    test_put(&b, magic, sizeof magic - 1);
    test_put(&b, good[0].text, good[0].n);
    test_put(&b,
             HEAD "]U\1"
                  "0a.",
             8);
    const size_t header = b.n + 8;
    test_put_number(&b, 16, 8);
    for (int i = 0; i < 16; i++) test_put_number(&b, 0, 4);
    assert_true(damage(&bert_torch_format, ".bin", b.data, b.n, header) > 1000);
    /* and its own kinds of damage */
    static const struct {
        const char *what, *from, *to;
        size_t n;
    } rows[] = {
        {"version", "M\xe9\3.", "M\xea\3.", 4},
        {"big-endian", "little_endian\x88", "little_endian\x89", 14},
        {"no such storage",
         "]U\1"
         "0a.",
         "]U\1"
         "1a.",
         6},
        {"no storage",
         "]U\1"
         "0a.",
         "]K\0aN0", 6},
        {"no list",
         "]U\1"
         "0a.",
         "}U\1"
         "0a.",
         6},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++, kinds++) {
        char *at = memmem(b.data, b.n, rows[i].from, rows[i].n);
        assert_non_null(at);
        memcpy(at, rows[i].to, rows[i].n);
        refuse(&bert_torch_format, ".bin", b.data, b.n, rows[i].what);
        memcpy(at, rows[i].from, rows[i].n);
    }
    free(b.data);
}

/* ---- GGUF */

static void put_key(test_bytes *b, const char *key, uint64_t type) {
    test_put_number(b, strlen(key), 8);
    test_put_text(b, key);
    test_put_number(b, type, 4);
}

/* One tensor of 8 floats; *header: where its data begin. */
static void small_gguf(test_bytes *b, size_t *header) {
    b->n = 0;
    test_put_text(b, "GGUF");
    test_put_number(b, 3, 4);
    test_put_number(b, 1, 8);
    test_put_number(b, 3, 8);
    put_key(b, "general.architecture", 8);
    test_put_number(b, 4, 8);
    test_put_text(b, "bert");
    put_key(b, "general.alignment", 4);
    test_put_number(b, 32, 4);
    put_key(b, "words", 9);
    test_put_number(b, 8, 4);
    test_put_number(b, 2, 8);
    for (int i = 0; i < 2; i++) {
        test_put_number(b, 1, 8);
        test_put_text(b, "a");
    }
    test_put_number(b, 4, 8);
    test_put_text(b, "some");
    test_put_number(b, 2, 4);
    test_put_number(b, 4, 8);
    test_put_number(b, 2, 8);
    test_put_number(b, 0, 4);
    test_put_number(b, 0, 8);
    while (b->n % 32) test_put(b, "", 1);
    *header = b->n;
    for (int i = 0; i < 8; i++) test_put_number(b, 0x3f800000, 4);
}

static void gguf_fields_are_checked(void **state) {
    (void)state;
    test_bytes b = {0};
    size_t header;
    small_gguf(&b, &header);
    const char *alignment = memmem(b.data, b.n, "alignment", 9),
               *some = memmem(b.data, b.n, "some", 4), *words = memmem(b.data, b.n, "words", 5);
    assert_true(alignment && some && words);
    const struct {
        const char *what;
        size_t at;
        int bytes;
        uint64_t fine[2]; /* values that do no harm */
    } fields[] = {
        {"magic", 0, 4, {0, 0}},
        {"version", 4, 4, {2, 3}},
        {"tensors", 8, 8, {1, 0}},
        {"keys", 16, 8, {3, 3}},
        {"length of a key", 24, 8, {20, 20}},
        {"type of a value", 52, 4, {8, 8}},
        {"length of a value", 56, 8, {4, 4}},
        {"alignment", (size_t)(alignment - b.data) + 13, 4, {32, 16}},
        {"type of an array", (size_t)(words - b.data) + 9, 4, {8, 8}},
        {"length of an array", (size_t)(words - b.data) + 13, 8, {2, 2}},
        {"length of a name", (size_t)(some - b.data) - 8, 8, {4, 4}},
        {"dimensions", (size_t)(some - b.data) + 4, 4, {2, 2}},
        {"columns", (size_t)(some - b.data) + 8, 8, {4, 2}},
        {"rows", (size_t)(some - b.data) + 16, 8, {2, 1}},
        {"type of a tensor", (size_t)(some - b.data) + 24, 4, {0, 1}},
        {"place of a tensor", (size_t)(some - b.data) + 28, 8, {0, 0}},
    };
    static const uint64_t values[] = {5,          31,         33,         99,        0x7fff,
                                      0x7fffffff, 0x80000000, 0xffffffff, INT64_MAX, UINT64_MAX};
    for (size_t f = 0; f < sizeof fields / sizeof *fields; f++, kinds++)
        for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
            small_gguf(&b, &header);
            if (values[v] == fields[f].fine[0] || values[v] == fields[f].fine[1]) continue;
            for (int i = 0; i < fields[f].bytes; i++)
                b.data[fields[f].at + (size_t)i] = (char)(values[v] >> 8 * i);
            refuse(&bert_gguf_format, ".gguf", b.data, b.n, fields[f].what);
        }
    small_gguf(&b, &header);
    assert_true(damage(&bert_gguf_format, ".gguf", b.data, b.n, header) > 1000);
    free(b.data);
}

/* A whole model whose keys are damaged: config.json and the tokenizer are made of them. */
static void damaged_models_are_survived(void **state) {
    (void)state;
    char *data, *copy;
    size_t n;
    bert_error e = {0};
    test_ok(e, bert_read_file(BERT_SOURCE_DIR "/tests/golden/gguf/labels.gguf", 0, &data, &n, &e));
    const size_t header = n - 43136; /* what is not numbers */
    int refused = 0;
    snprintf(path, sizeof path, "%s/model.gguf", directory);
    assert_non_null(copy = malloc(n));
    for (size_t at = 0; at < header; at += 7) {
        memcpy(copy, data, n);
        copy[at] = (char)(copy[at] ^ (at % 2 ? 0xff : 1 << at % 8));
        test_write_bytes(path, copy, n);
        bert_error why = {0};
        const double start = now();
        bert_model *m = bert_model_open(path, NULL, &why);
        assert_int_equal(m == NULL, why.code < 0);
        if (now() - start > 1) fail_msg("byte %zu: %g s", at, now() - start);
        refused += !m;
        bert_model_close(m);
        files++;
    }
    assert_true(refused > 120);
    free(copy);
    free(data);
}

/* ---- Indices */

static void indices_are_checked(void **state) {
    (void)state;
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "1",
        "null",
        "{}",
        "{\"weight_map\": null}",
        "{\"weight_map\": {}}",
        "{\"weight_map\": []}",
        "{\"weight_map\": \"x.bin\"}",
        "{\"weight_map\": {\"w\": 1}}",
        "{\"weight_map\": {\"w\": null}}",
        "{\"weight_map\": {\"w\": \"\"}}",
        "{\"weight_map\": {\"w\": \".\"}}",
        "{\"weight_map\": {\"w\": \"..\"}}",
        "{\"weight_map\": {\"w\": \".bin\"}}",
        "{\"weight_map\": {\"w\": \"/etc/passwd\"}}",
        "{\"weight_map\": {\"w\": \"../x.bin\"}}",
        "{\"weight_map\": {\"w\": \"a/x.bin\"}}",
        "{\"weight_map\": {\"w\": \"./x.bin\"}}",
        "{\"weight_map\": {\"w\": \"x.bin/\"}}",
        "{\"weight_map\": {\"w\": \"missing.bin\"}}",
        "{\"weight_map\": {\"w\": \"x.safetensors\"}}",
        "{\"weight_map\": {\"w\": \"x.index.json\"}}",
        "{\"weight_map\": {\"w\": \"x.bin\\u0000\"}}",
        "{\"weight_map\": {\"w\": \"x.bin\", \"v\": \"y.bin\"}}",
        "{\"weight_map\": {\"w\": \"x.bin\", \"other\": \"x.bin\"}}",
        "{\"weight_map\": {\"w\": [\"x.bin\"]}}",
        "{\"weight_map\": {\"w\": {\"x.bin\": 1}}}",
        "{\"weight_map\": {\"w\": \"x.bin\"}",
        "\xff\xfe{}",
        "<html>",
    };
    bert_error e;
    test_bytes b = {0};
    zip_of(good[0].text, good[0].n, &b);
    snprintf(path, sizeof path, "%s/x.bin", directory);
    test_write_bytes(path, b.data, b.n);
    free(b.data);
    static const char fine[] = "{\"weight_map\": {\"w\": \"x.bin\"}}";
    assert_int_equal(open_as(&bert_torch_format, ".json", fine, strlen(fine), &e), 0);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++, kinds++)
        refuse(&bert_torch_format, ".json", texts[i], strlen(texts[i]), texts[i]);
    /* tens of thousands of files that are not there end at the first one */
    b = (test_bytes){0};
    test_put_text(&b, "{\"weight_map\": {");
    for (int i = 0; i < 20000; i++) {
        char entry[64];
        snprintf(entry, sizeof entry, "%s\"t%d\": \"%d.bin\"", i ? ", " : "", i, i);
        test_put_text(&b, entry);
    }
    test_put_text(&b, "}}");
    refuse(&bert_torch_format, ".json", b.data, b.n, "20,000 files");
    free(b.data);
}

/* ---- What all of it came to */

static void nothing_is_left(void **state) {
    (void)state;
    struct rusage use;
    assert_int_equal(getrusage(RUSAGE_SELF, &use), 0);
    print_message("%d files of %d kinds, %ld MiB at most\n", files, kinds, use.ru_maxrss / 1024);
    assert_true(files >= 300 && kinds >= 40);
#ifndef SANITIZED
    assert_true(use.ru_maxrss < 250 * 1024); /* the largest file has 3 MB */
#endif
    int open = 0;
    DIR *d = opendir("/proc/self/fd");
    while (d && readdir(d)) open++;
    if (d) closedir(d);
    assert_true(open < 30);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pickles_are_refused),
        cmocka_unit_test(every_opcode_is_survived),
        cmocka_unit_test(exploits_are_refused),
        cmocka_unit_test(huge_pickles_stay_small),
        cmocka_unit_test(zip_fields_are_checked),
        cmocka_unit_test(zip_members_are_checked),
        cmocka_unit_test(zip64_is_read_and_checked),
        cmocka_unit_test(damaged_archives_are_refused),
        cmocka_unit_test(damaged_pickles_on_end_are_refused),
        cmocka_unit_test(gguf_fields_are_checked),
        cmocka_unit_test(damaged_models_are_survived),
        cmocka_unit_test(indices_are_checked),
        cmocka_unit_test(nothing_is_left),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
