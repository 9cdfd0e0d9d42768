/* Pickles that are damaged or hostile: each is a typed error with a message, at once, in little memory, and nothing
 * of it is run. */
#include "malformed.h"

static int open_pickle(const char *text, size_t n, bert_error *e) {
    static test_bytes b;
    zip_of(text, n, &b);
    const int code = open_as(&bert_torch_format, ".bin", b.data, b.n, e);
    free(b.data);
    b = (test_bytes){0};
    return code;
}

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

static void nothing_is_left(void **state) {
    (void)state;
    check_nothing_is_left(2000, 150);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pickles_are_refused),  cmocka_unit_test(every_opcode_is_survived),
        cmocka_unit_test(exploits_are_refused), cmocka_unit_test(huge_pickles_stay_small),
        cmocka_unit_test(nothing_is_left),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
