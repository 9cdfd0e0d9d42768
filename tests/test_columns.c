/* What is taken from files of people: columns, headers, separators, encodings. */
#include "base/file.h"
#include "test.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

typedef struct {
    const char *name, *content;
    size_t bytes; /* 0: up to the first NUL */
    bert_reader_options options;
    const char *want; /* rows as text/pair/labels, one a line; or the error's text after "!" */
    const char *note; /* in one of the notes, or NULL */
} file_case;

/* Rows below a header, enough of them to be unlike it. */
#define BELOW(a, b)                                                                                \
    "the pump leaks again" a "\nno water came out" a "\nall is quite well" b                       \
    "\nit runs as it should" b "\nhot and cold at once" a "\n"
#define DOUBT "looks like a header and has no usual name"

static const file_case pairs[] = {
    {"a.csv",
     "text,context,label\na,b,1\n",
     0,
     {.labels = true},
     "a//1\n",
     "not read: \"context\""},
    {"a.tsv",
     "sentence1\tsentence2\tscore\na\tb\t1\n",
     0,
     {.text_column = "sentence1"},
     "a//1\n",
     NULL},
    {"a.tsv",
     "sentence1\tsentence2\tscore\na\tb\t1\n",
     0,
     {0},
     "a/b/1\n",
     "\"sentence1\" and \"sentence2\""},
    {"a.tsv",
     "sentence1\tsentence2\tscore\na\tb\t1\n",
     0,
     {.pair_column = "none"},
     "a//1\n",
     "not read: \"sentence2\""},
    {"a.tsv", "sentence1\tsentence2\tscore\na\tb\t1\n", 0, {.pair_column = ""}, "a//1\n", NULL},
    {"a.tsv", "text\tother\na\tb\n", 0, {.pair_column = "other"}, "a/b/\n", NULL},
    {"a.tsv", "x\ty\na\tb\n", 0, {.text_column = "y", .pair_column = "x"}, "b/a/\n", NULL},
    {"a.csv", "x,none\na,b\n", 0, {.text_column = "x", .pair_column = "none"}, "a/b/\n", NULL},
    {"a.csv",
     "id,question,context,answer\n1,q,c,x\n",
     0,
     {0},
     "q//\n",
     "\"id\", \"context\", \"answer\""},
    {"a.jsonl",
     "{\"question\":\"q\",\"passage\":\"p\",\"answer\":true}\n",
     0,
     {.labels = true},
     "q/p/1\n",
     NULL},
    {"a.jsonl",
     "{\"premise\":\"p\",\"hypothesis\":\"h\",\"label\":2}\n",
     0,
     {.labels = true},
     "p/h/2\n",
     NULL},
    {"a.jsonl",
     "{\"context\":\"p\",\"hypothesis\":\"h\",\"label\":2}\n",
     0,
     {.labels = true},
     "p/h/2\n",
     NULL},
    {"a.csv",
     "pair_ID,sentence_A,sentence_B,label\n1,a,b,x\n",
     0,
     {.labels = true},
     "a/b/x\n",
     NULL},
    {"a.csv", "text,question,sentence\nt,q,s\n", 0, {0}, "t//\n", NULL},
};

static const file_case names[] = {
    {"a.csv",
     "tweet,sentiment\na,good\nb,bad\n",
     0,
     {.labels = true},
     "a//good\nb//bad\n",
     "text column \"tweet\", label \"sentiment\""},
    {"a.csv", "id,comment\n0,a\n1,b\n", 0, {0}, "a//\nb//\n", "not read: \"id\""},
    {"a.csv", "Title,Category\na,x\n", 0, {.labels = true}, "a//x\n", NULL},
    {"a.csv", "category,headline,date\nx,a,1\n", 0, {.labels = true}, "a//x\n", NULL},
    {"a.csv", "title,text,label\nt,a,x\n", 0, {.labels = true}, "a//x\n", "not read: \"title\""},
    {"a.csv",
     "text,score,class\na,1,x\n",
     0,
     {.labels = true},
     "!'score' and 'class' may both be the label: --label-column",
     NULL},
    {"a.csv",
     "text,score,class\na,1,x\n",
     0,
     {.labels = true, .label_column = "class"},
     "a//x\n",
     NULL},
    {"a.csv", "text,score,label\na,1,x\n", 0, {.labels = true}, "a//x\n", "not read: \"score\""},
    {"a.csv", "text,score,class\na,1,x\n", 0, {0}, "a//1\n", NULL},
    {"a.csv",
     "id,comment\n0,a\n",
     0,
     {.labels = true},
     "!no column is known as the label: --label-column NAME says which it is (A,B: several, of 0 "
     "and 1); the columns are id, "
     "comment",
     NULL},
    {"a.csv", "text,label\na,x\n", 0, {.text_column = "1", .label_column = "0"}, "x//a\n", NULL},
    {"a.csv",
     "text,text,label\na,b,x\n",
     0,
     {0},
     "!two columns are called 'text': --text-column takes their numbers as well, 0 and 1",
     NULL},
    {"a.csv", "text,text,label\na,b,x\n", 0, {.text_column = "1"}, "b//x\n", NULL},
    {"a.csv", "text,id,id\na,b,x\n", 0, {0}, "a//\n", NULL},
    {"a.csv", "text, label\na, x\n", 0, {.labels = true}, "a// x\n", "blanks around the names"},
    {"a.csv",
     "\"text\", \"label\"\n\"a, b\", \"x, y\"\n",
     0,
     {.labels = true},
     "a, b//x, y\n",
     NULL},
    {"a.csv", " text ,label\na,x\n", 0, {.labels = true}, "a//x\n", NULL},
    {"a.csv",
     "Sentence #,Word,POS,Tag\n1,w,NN,O\n,v,NN,O\n",
     0,
     {.labels = true, .text_column = "text"},
     "!column 'text' is not there",
     NULL},
    {"a.jsonl",
     "{\"tokens\":[\"a\"],\"ner_tags\":[0]}\n",
     0,
     {.labels = true},
     "!--task token-classification",
     NULL},
    {"a.txt", "x\ty\na\tb\n", 0, {.text_column = "y"}, "b//\n", NULL},
};

static const file_case headers[] = {
    /* Names that nobody knows, above rows that are unlike them. */
    {"a.csv",
     "utterance_id,lbl\n" BELOW(",x", ",y"),
     0,
     {.labels = true},
     "!" DOUBT " (utterance_id, lbl): --text-column NAME and --label-column NAME",
     NULL},
    {"a.tsv", "Meldung\tArt\n" BELOW("\tx", "\ty"), 0, {0}, "!" DOUBT, NULL},
    {"a.csv", "thing\n" BELOW("", ""), 0, {0}, "!" DOUBT, NULL},
    {"a.csv", "thing,price\na,1\nb,2.5\n", 0, {0}, "!" DOUBT, NULL},
    {"a.csv",
     ",thing,kind\n0,the first of all,x\n1,the second of all,x\n",
     0,
     {0},
     "!" DOUBT,
     NULL},
    {"a.csv",
     "Word,POS,Tag\nAnna,NN,B\nmet,VB,O\nLukas,NN,B\nin,IN,O\nGraz,NN,B\n",
     0,
     {.labels = true},
     "!--task token-classification",
     NULL},
    {"a.csv", "thing,kind\na b c,x\n", 0, {.text_column = "thing"}, "a b c//\n", NULL},
    {"a.csv",
     "thing,kind\n" BELOW(",x", ",y"),
     0,
     {.text_column = "0"},
     "thing//kind\nthe pump leaks again//x\nno water came out//x\nall is quite well//y\nit runs as "
     "it should//y\nhot and cold at once//x\n",
     NULL},
    /* Rows. */
    {"a.tsv",
     "nice hotel\tpositive\nawful\tnegative\nnice\tpositive\n",
     0,
     {0},
     "nice hotel//positive\nawful//negative\nnice//positive\n",
     "without a header: text column 0"},
    {"a.tsv",
     "nice hotel\tpositive\nawful place\tnegative\n",
     0,
     {.labels = true},
     "nice hotel//positive\nawful place//negative\n",
     NULL},
    {"a.tsv",
     "very nice\tgood\n" BELOW("\tgood", "\tbad"),
     0,
     {.labels = true},
     "very nice//good\nthe pump leaks again//good\nno water came out//good\nall is quite "
     "well//bad\nit runs as it should//bad\nhot and cold at once//good\n",
     NULL},
    {"a.tsv",
     "I like it\tcomment\nwhat is it\tquestion\nwell done\tcomment\n",
     0,
     {0},
     "I like it//comment\nwhat is it//question\nwell done//comment\n",
     NULL},
    {"a.tsv",
     "happily\tgood\n" BELOW("\tgood", "\tbad"),
     0,
     {.labels = true},
     "happily//good\nthe pump leaks again//good\nno water came out//good\nall is quite "
     "well//bad\nit runs as it should//bad\nhot and cold at once//good\n",
     NULL},
    {"a.csv", "hello\nyes\nno\n", 0, {0}, "hello//\nyes//\nno//\n", NULL},
    {"a.csv",
     "What is it?,x\n" BELOW(",z", ",y"),
     0,
     {.text_column = "0"},
     "What is it?//x\nthe pump leaks again//z\nno water came out//z\nall is quite well//y\nit runs "
     "as it should//y\nhot and cold at once//z\n",
     NULL},
    {"a.csv",
     "3,Wall St.\n1,Oil\n",
     0,
     {0},
     "!the first column holds numbers: --text-column",
     NULL},
    {"a.csv",
     "3,Wall St.\n1,Oil\n",
     0,
     {.text_column = "1", .label_column = "0"},
     "Wall St.//3\nOil//1\n",
     NULL},
    {"a.csv",
     "# made by hand\n# in May\ntext,label\na,x\n",
     0,
     {0},
     "a//x\n",
     "2 lines at the beginning are each a comment"},
    {"a.tsv", "#love this\tx\n#hate that\ty\n", 0, {0}, "#love this//x\n#hate that//y\n", NULL},
    {"a.tsv",
     "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n1\t2\t3\ta\tb\n",
     0,
     {0},
     "a/b/1\n",
     NULL},
};

static const file_case bytes[] = {
    {"a.csv", "text;label\na, b;x\n", 0, {.labels = true}, "a, b//x\n", "semicolons"},
    {"a.csv", "\"text\";\"label\"\n\"a;b\";x\n", 0, {.labels = true}, "a;b//x\n", NULL},
    {"a.csv", "text\tlabel\na, b\tx\n", 0, {.labels = true}, "a, b//x\n", "tabs"},
    {"a.csv", "text|label\na, b|x\n", 0, {.labels = true}, "a, b//x\n", "bars"},
    {"a.tsv", "text,label\n\"a, b\",x\n", 0, {.labels = true}, "a, b//x\n", "commas"},
    {"a.csv", "sep=;\nthing;kind\na, b;x\n", 0, {.text_column = "thing"}, "a, b//\n", "semicolons"},
    {"a.csv", "thing;kind\na;x\n", 0, {.text_column = "thing"}, "a//\n", NULL},
    {"a.csv",
     "a b;x\nc d;y\n",
     0,
     {.labels = true},
     "!none of the usual separators, but a ';'",
     NULL},
    {"a.csv", "a; b\nc; d\n", 0, {0}, "a; b//\nc; d//\n", NULL},
    {"a.csv", "text,label\ra,x\rb,y\r", 0, {0}, "a//x\nb//y\n", "carriage returns"},
    {"a.txt", "one\rtwo", 0, {0}, "one//\ntwo//\n", "carriage returns"},
    {"a.txt", "one\rtwo\nthree\n", 0, {0}, "one\rtwo//\nthree//\n", NULL},
    {"a.txt", "one\r\r\ntwo\r\r\n", 0, {0}, "one//\ntwo//\n", NULL},
    {"a.txt", "\xff\xfeh\0i\0\n\0\xe9\0\n\0", 12, {0}, "hi//\n\xc3\xa9//\n", "UTF-16"},
    {"a.txt",
     "\xfe\xff\0h\0i\0\r\0\n\xd8\x3d\xde\x42",
     14,
     {0},
     "hi//\n\xf0\x9f\x99\x82//\n",
     "UTF-16"},
    {"a.txt", "h\0i\0\n\0j\0", 8, {0}, "hi//\nj//\n", "UTF-16"},
    {"a.txt",
     "\xff\xfe\x3d\xd8x\0\x42\xde\x3d\xd8",
     10,
     {0},
     "\xef\xbf\xbdx\xef\xbf\xbd\xef\xbf\xbd//\n",
     NULL},
    {"a.txt", "\xff\xfe\0\0h\0\0\0", 8, {0}, "!is UTF-32", NULL},
    {"a.txt", "h\0\0\0i\0\0\0", 8, {0}, "!is UTF-32", NULL},
    {"a.csv", "PAR1\x15", 0, {0}, "!a.csv: is a Parquet file", NULL},
    {"a.jsonl", "\x1f\x8b\x08", 0, {0}, "!a.jsonl: is compressed (gzip)", NULL},
    {"a.txt", "PK\3\4x", 0, {0}, "!a.txt: is a zip archive, as Excel's .xlsx", NULL},
    {"a.parquet", "x", 0, {0}, "!a.parquet: is a Parquet file", NULL},
    {"a.xlsx", "x", 0, {0}, "!save the sheet as CSV", NULL},
    {"a.tsv", "<!DOCTYPE html>\n<html>\n", 0, {0}, "!a.tsv: is a web page", NULL},
    {"a.txt", "<html>\n", 0, {0}, "<html>//\n", NULL},
    {"a.csv",
     "text,label\n\"a\n",
     0,
     {0},
     "!a.csv:2: a quoted field that starts here does not end",
     NULL},
    {"a.jsonl", "", 0, {0}, "!a.jsonl: is empty", NULL},
    {"a.json", "[]", 0, {0}, "!a.json: is empty", NULL},
};

static const file_case quoted[] = {
    {"a.tsv",
     "\"text\"\t\"label\"\n\"a \"\"b\"\"\"\t\"x\"\n",
     0,
     {.labels = true},
     "a \"b\"//x\n",
     "its fields are in quotes"},
    {"a.tsv", "text\tlabel\n\"a\tx\n", 0, {.labels = true}, "\"a//x\n", NULL},
    {"a.csv", "\"text\",\"label\"\na,x\n", 0, {.labels = true}, "a//x\n", NULL},
    /* The SMS spam collection's header. */
    {"a.csv",
     "v1,v2,,,\nham,\"Go on, then\",,,\nspam,Free now,,,\nham,Ok,,,\nham,No,,,\n",
     0,
     {.labels = true},
     "!" DOUBT,
     NULL},
    {"a.csv",
     "v1,v2,,,\nham,\"Go on, then\",,,\n",
     0,
     {.labels = true, .text_column = "v2", .label_column = "v1"},
     "Go on, then//ham\n",
     NULL},
    {"a.csv",
     "a b;x\nc d;y\ne f;y\ng h;x\ni j;x\n",
     0,
     {0},
     "!its lines have no commas, and semicolons instead",
     NULL},
    {"a.csv",
     "a b;x\nc d;y\ne f;y\ng h;x\ni j;x;y\n",
     0,
     {0},
     "a b;x//\nc d;y//\ne f;y//\ng h;x//\ni j;x;y//\n",
     NULL},
    {"a.csv",
     "# by me\nthing,kind\na,x\n",
     0,
     {.labels = true},
     "!its first line begins with #",
     NULL},
    {"a.csv",
     "# by me\nthing,kind\na,x\n",
     0,
     {.labels = true, .text_column = "thing", .label_column = "kind"},
     "a//x\n",
     NULL},
};

static const file_case hints[] = {
    {"a.csv",
     "thing;kind\na;x\nb, c;y\n",
     0,
     {0},
     "!a.csv:3: 2 fields where the line before it has 1; its first line has none of the usual "
     "separators, but a ';'",
     NULL},
    {"a.csv",
     "# by me\nthing,kind\na,x\n",
     0,
     {0},
     "!a.csv:2: 2 fields where the line before it has 1; its first line begins with #",
     NULL},
    {"a.csv", "text,label\na,b,x\n", 0, {0}, "!a.csv:2: 3 fields where the header has 2", NULL},
};

static const file_case json[] = {
    {"a.json",
     "[{\"text\":\"a\",\"label\":1},\n{\"text\":\"b\",\"label\":2}]\n",
     0,
     {0},
     "a//1\nb//2\n",
     "array"},
    {"a.jsonl",
     "{\n \"text\": \"a\",\n \"label\": 1\n}\n{\n \"text\": \"b\",\n \"label\": 2\n}\n",
     0,
     {0},
     "a//1\nb//2\n",
     "not an object a line"},
    {"a.jsonl",
     "{\"text\":\"a\",\"spans\":[{\"x\":1}],\"meta\":{\"y\":[1]}}\n",
     0,
     {0},
     "a//\n",
     "JSON lines"},
    {"a.jsonl", "{\"text\":\"a\",\"label\":[[4,8,\"P\"]]}\n", 0, {0}, "a//(null)\n", NULL},
    {"a.jsonl",
     "{\"text\":\"a\",\"label\":[[4,8,\"P\"]]}\n",
     0,
     {.labels = true},
     "!a.jsonl:1: the label, column \"label\", is a list of lists",
     NULL},
    {"a.jsonl",
     "{\"text\":\"a\",\"label\":{\"x\":1}}\n",
     0,
     {.labels = true},
     "!a.jsonl:1: the label, column \"label\", is an object",
     NULL},
    {"a.jsonl",
     "{\"text\":\"a\"}\n{\"text\":[\"b\",\"c\"]}\n",
     0,
     {0},
     "!a.jsonl:2: the column \"text\" holds a list",
     NULL},
    {"a.jsonl",
     "{\"text\":{\"de\":\"b\"}}\n",
     0,
     {0},
     "!a.jsonl:1: the column \"text\" holds an object",
     NULL},
    {"a.jsonl",
     "{\"text\":\"a\",\"score\":NaN}\n{\"text\":\"b\",\"score\":1}\n",
     0,
     {.labels = true},
     "a//(null)\nb//1\n",
     NULL},
    {"a.jsonl", "{\"text\":NaN}\n", 0, {0}, "!a.jsonl:1: null in the column \"text\"", NULL},
    {"a.json",
     "{\"text\":{\"0\":\"a\",\"1\":\"b\"},\"label\":{\"0\":1,\"1\":2}}",
     0,
     {0},
     "!orient=\"records\", lines=True",
     NULL},
    {"a.json",
     "{\"text\":[\"a\",\"b\"],\"label\":[1,2]}",
     0,
     {0},
     "!orient=\"records\", lines=True",
     NULL},
    {"a.json",
     "{\"columns\":[\"text\"],\"index\":[0],\"data\":[[\"a\"]]}",
     0,
     {0},
     "!orient=\"records\", lines=True",
     NULL},
    {"a.json",
     "{\"version\":1,\"data\":[{\"text\":\"a\"}]}",
     0,
     {0},
     "!the rows are inside of an object",
     NULL},
    {"a.json",
     "{\"version\":1,\"data\":[{\"title\":\"t\",\"paragraphs\":[{\"context\":\"c\",\"qas\":[]}]}]}",
     0,
     {0},
     "!--task question-answering reads it",
     NULL},
};

static void check(const file_case *c, const char *path) {
    char got[1000] = "", notes[2000] = "";
    bert_error e = {0};
    const size_t size = c->bytes ? c->bytes : strlen(c->content);
    assert_int_equal(bert_write_file(path, c->content, size, &e), 0);
    bert_reader *r = bert_reader_open(path, &c->options, &e);
    bert_row row;
    int rc = r ? 1 : e.code;
    while (r && (rc = bert_reader_next(r, &row, &e)) > 0) {
        size_t n = strlen(got);
        n += (size_t)snprintf(got + n, sizeof got - n, "%.*s/%.*s/", (int)row.text.bytes,
                              row.text.text, (int)row.text.pair_bytes,
                              row.text.pair ? row.text.pair : "");
        for (int k = 0; k < row.labels; k++)
            n += (size_t)snprintf(got + n, sizeof got - n, "%s%s", k ? "|" : "",
                                  row.label[k] ? row.label[k] : "(null)");
        snprintf(got + n, sizeof got - n, "\n");
    }
    const char *line;
    for (int i = 0; r && (line = bert_reader_note(r, i)); i++) {
        const size_t n = strlen(notes);
        snprintf(notes + n, sizeof notes - n, "%s\n", line);
    }
    bert_reader_close(r);
    if (*c->want == '!' ? !rc || !strstr(e.message, c->want + 1) : rc || strcmp(got, c->want))
        fail_msg("\"%s\" gives %s%s", c->content, got, e.message);
    if (c->note && !strstr(notes, c->note)) fail_msg("\"%s\" is not said: %s", c->note, notes);
}

static void check_all(const file_case *cases, size_t n) {
    char *dir = test_directory();
    for (size_t i = 0; i < n; i++) {
        char *path = bert_path_join(dir, cases[i].name);
        check(&cases[i], path);
        free(path);
    }
    test_remove(dir);
}

#define CHECKED(cases)                                                                             \
    static void cases##_are_read(void **state) {                                                   \
        (void)state;                                                                               \
        check_all(cases, sizeof cases / sizeof *cases);                                            \
    }
CHECKED(pairs)
CHECKED(names)
CHECKED(headers)
CHECKED(bytes)
CHECKED(quoted)
CHECKED(hints)
CHECKED(json)

/* Blocks of 64 KiB are converted one by one: characters and halves of them lie on their edges. */
static void long_utf16_is_whole(void **state) {
    (void)state;
    enum { LINES = 5000 };
    char *dir = test_directory(), *path = bert_path_join(dir, "a.txt");
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fputs("\xff\xfe", f);
    for (int i = 0; i < LINES; i++) {
        for (int k = 0; k < i % 31; k++) fwrite("x\0", 1, 2, f);
        fwrite("\x3d\xd8\x42\xde\n\0", 1, 6, f);
    }
    assert_int_equal(fclose(f), 0);
    bert_reader *r = bert_reader_open(path, NULL, NULL);
    bert_row row;
    for (int i = 0; i < LINES; i++) {
        assert_int_equal(bert_reader_next(r, &row, NULL), 1);
        assert_int_equal(row.text.bytes, i % 31 + 4);
        assert_memory_equal(row.text.text + i % 31, "\xf0\x9f\x99\x82", 4);
    }
    assert_int_equal(bert_reader_next(r, &row, NULL), 0);
    bert_reader_close(r);
    free(path);
    test_remove(dir);
}

/* A header of one usual name is decided by the rows below, which are then read again. */
static void rows_that_were_looked_at_are_read_once(void **state) {
    (void)state;
    enum { LINES = 9000 };
    static const char *const ends[] = {"\n", "\r\n"};
    char *dir = test_directory(), *path = bert_path_join(dir, "a.csv");
    for (int k = 0; k < 2; k++) {
        FILE *f = fopen(path, "wb");
        assert_non_null(f);
        fprintf(f, "%stext,n%s", k ? "\xef\xbb\xbf" : "", ends[k]);
        for (int i = 0; i < LINES; i++) fprintf(f, "\"row\n%d\",%d%s", i, i, ends[k]);
        assert_int_equal(fclose(f), 0);
        bert_reader *r = bert_reader_open(path, NULL, NULL);
        bert_row row;
        for (int i = 0; i < LINES; i++) {
            char want[40];
            snprintf(want, sizeof want, "row\n%d", i);
            assert_int_equal(bert_reader_next(r, &row, NULL), 1);
            assert_string_equal(row.text.text, want);
            assert_int_equal(row.line, 2 * i + 2);
        }
        assert_int_equal(bert_reader_next(r, &row, NULL), 0);
        bert_reader_close(r);
    }
    free(path);
    test_remove(dir);
}

/* No row waits for more than its own line. */
static void a_pipe_is_read_as_it_comes(void **state) {
    (void)state;
    int ends[2], done[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(pipe(done), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        dup2(ends[0], STDIN_FILENO);
        close(ends[1]);
        bert_reader *r = bert_reader_open("-", NULL, NULL);
        bert_row row;
        while (bert_reader_next(r, &row, NULL) > 0)
            if (write(done[1], row.text.text, row.text.bytes) < 0) _exit(1);
        bert_reader_close(r);
        _exit(0);
    }
    close(ends[0]);
    close(done[1]);
    for (int i = 0; i < 3; i++) {
        char got[2];
        assert_int_equal(write(ends[1], "a\n", 2), 2);
        assert_int_equal(read(done[0], got, 2), 1);
    }
    close(ends[1]);
    int status;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    close(done[0]);
}

static void messages_are_printable(void **state) {
    (void)state;
    static const file_case cases[] = {
        {"a.csv",
         "te\x1b[31mxt,la\rbel\na,x\n",
         0,
         {.text_column = "text"},
         "!te\\x1b[31mxt, la\\rbel",
         NULL},
        {"a.csv",
         "text,la\x1b[31m\na,x\n",
         0,
         {.labels = true, .label_column = "1"},
         "a//x\n",
         "la\\x1b[31m"},
        {"a.jsonl", "\x1b[31m\n", 0, {0}, "!begins with \"\\x1b[31m\"", NULL},
        {"a.csv", "te\xc2\x9bxt,la\xff\na,x\n", 0, {.text_column = "text"}, "!te??xt, la?", NULL},
    };
    check_all(cases, sizeof cases / sizeof *cases);
}

static void directories_are_named(void **state) {
    (void)state;
    char *dir = test_directory(), *path = bert_path_join(dir, "a.csv");
    assert_int_equal(mkdir(path, 0700), 0);
    bert_error e = {0};
    assert_null(bert_reader_open(path, NULL, &e));
    assert_non_null(strstr(e.message, "is a directory"));
    bert_error_clear(&e);
    assert_null(bert_reader_open(dir, NULL, &e)); /* of no format either */
    assert_non_null(strstr(e.message, "is a directory"));
    free(path);
    test_remove(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_are_read),
        cmocka_unit_test(names_are_read),
        cmocka_unit_test(headers_are_read),
        cmocka_unit_test(bytes_are_read),
        cmocka_unit_test(quoted_are_read),
        cmocka_unit_test(hints_are_read),
        cmocka_unit_test(json_are_read),
        cmocka_unit_test(long_utf16_is_whole),
        cmocka_unit_test(rows_that_were_looked_at_are_read_once),
        cmocka_unit_test(a_pipe_is_read_as_it_comes),
        cmocka_unit_test(messages_are_printable),
        cmocka_unit_test(directories_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
