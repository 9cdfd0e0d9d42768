/* Multiple choice as well-known files have it: each of them is the same set as plain columns are.
 */
#include "data/dataset.h"
#include "data_world.h"

static void same(world *w, const bert_dataset *want, const char *name, const char *text,
                 const char *note) {
    bert_dataset *d = open_or_fail(w, name, text);
    if (d->rows != want->rows || d->group != want->group ||
        d->start[d->sequences] != want->start[want->sequences] ||
        memcmp(bert_dataset_ints(d, "ids"), bert_dataset_ints(want, "ids"),
               (size_t)d->start[d->sequences] * sizeof(int32_t)) ||
        memcmp(bert_dataset_ints(d, "labels"), bert_dataset_ints(want, "labels"),
               (size_t)d->rows * sizeof(int32_t)))
        fail_msg("read as another set: %s", text);
    if (!notes_say(d, note)) fail_msg("it does not say \"%s\": %s", note, bert_dataset_note(d, 0));
    bert_dataset_free(d);
}

typedef struct {
    const char *name, *text, *note;
} file;

static void all_same(const char *plain, const file *files, size_t n) {
    world w;
    begin_task(&w, "multiple-choice");
    bert_dataset *want = open_or_fail(&w, "plain.csv", plain);
    for (size_t i = 0; i < n; i++) same(&w, want, files[i].name, files[i].text, files[i].note);
    bert_dataset_free(want);
    end_task(&w);
}

static void a_question_and_its_endings(void **state) {
    (void)state;
    static const file files[] = {
        {"hellaswag.jsonl",
         "{\"ind\":4,\"ctx\":\"w1\",\"endings\":[\"w2\",\"w3\",\"w4\"],\"label\":\"2\"}\n"
         "{\"ind\":5,\"ctx\":\"w5\",\"endings\":[\"w6\",\"w7\",\"w8\"],\"label\":0}\n"
         "{\"ind\":6,\"ctx\":\"w5\",\"endings\":[\"w6\",\"w7\",\"w8\"],\"label\":\"\"}\n",
         "prompt \"ctx\", endings \"endings\", the right one \"label\"; not read: \"ind\""},
        {"arc.jsonl",
         "{\"question\":\"w1\",\"choices\":{\"text\":[\"w2\",\"w3\",\"w4\"],\"label\":[\"A\",\"B\","
         "\"C\"]},\"answerKey\":\"C\"}\n"
         "{\"question\":\"w5\",\"choices\":{\"text\":[\"w6\",\"w7\",\"w8\"],\"label\":[\"1\",\"2\","
         "\"3\"]},\"answerKey\":\"1\"}\n"
         "{\"question\":\"w5\",\"choices\":{\"text\":[\"w6\",\"w7\"],\"label\":[\"1\",\"2\"]},"
         "\"answerKey\":\"1\"}\n",
         "1 row left out: another number of endings than the first row (line 3)"},
        {"commonsense.jsonl",
         "{\"answerKey\":\"C\",\"question\":{\"stem\":\"w1\",\"choices\":[{\"label\":\"A\","
         "\"text\":\"w2\"},{\"label\":\"B\",\"text\":\"w3\"},{\"label\":\"C\",\"text\":\"w4\"}]}}\n"
         "{\"answerKey\":\"A\",\"question\":{\"stem\":\"w5\",\"choices\":[{\"label\":\"A\","
         "\"text\":\"w6\"},{\"label\":\"B\",\"text\":\"w7\"},{\"label\":\"C\",\"text\":\"w8\"}]}}"
         "\n",
         "prompt \"question\""},
        {"mmlu.json",
         "[{\"question\":\"w1\",\"choices\":[\"w2\",\"w3\",\"w4\"],\"answer\":2},"
         "{\"question\":\"w5\",\"choices\":[\"w6\",\"w7\",\"w8\"],\"answer\":0}]",
         "JSON array: prompt \"question\", endings \"choices\", the right one \"answer\""},
        {"texts.jsonl",
         "{\"goal\":\"w1\",\"sol1\":\"w2\",\"sol2\":\"w3\",\"sol3\":\"w4\",\"correct\":\"w4\"}\n"
         "{\"goal\":\"w5\",\"sol1\":\"w6\",\"sol2\":\"w7\",\"sol3\":\"w8\",\"correct\":\"w6\"}\n",
         "endings \"sol1\" to \"sol3\""},
        {"letters.csv", "prompt,A,B,C,answer\nw1,w2,w3,w4,C\nw5,w6,w7,w8,A\n",
         "endings \"A\" to \"C\", the right one \"answer\""},
        {"underscores.tsv",
         "question\toption_1\toption_2\toption_3\tlabel\nw1\tw2\tw3\tw4\tC\n"
         "w5\tw6\tw7\tw8\tA\n",
         "endings \"option_1\" to \"option_3\""},
        {"none.tsv", "w1\tw2\tw3\tw4\t2\nw5\tw6\tw7\tw8\t0\n",
         "TSV without a header: prompt column 0, endings 1 to 3, the right one 4"},
    };
    all_same("prompt,ending0,ending1,ending2,label\nw1,w2,w3,w4,2\nw5,w6,w7,w8,0\n", files,
             sizeof files / sizeof *files);
}

static void a_context_and_a_question(void **state) {
    (void)state;
    static const file files[] = {
        {"race.jsonl",
         "{\"article\":\"w1\",\"question\":\"w2\",\"options\":[\"w3\",\"w4\"],\"answer\":\"B\"}\n"
         "{\"article\":\"w5\",\"question\":\"w6\",\"options\":[\"w7\",\"w8\"],\"answer\":\"A\"}\n",
         "prompt \"article\", in front of each ending \"question\", endings \"options\""},
        {"gap.jsonl",
         "{\"article\":\"w1\",\"question\":\"w2 _\",\"options\":[\"w3\",\"w4\"],\"answer\":\"B\"}\n"
         "{\"article\":\"w5\",\"question\":\"w6 __\",\"options\":[\"w7\",\"w8\"],\"answer\":\"A\"}"
         "\n",
         "prompt \"article\""},
        {"copa.jsonl",
         "{\"premise\":\"w1\",\"choice1\":\"w3\",\"choice2\":\"w4\",\"question\":\"w2\",\"label\":1"
         "}\n{\"premise\":\"w5\",\"choice1\":\"w7\",\"choice2\":\"w8\",\"question\":\"w6\","
         "\"label\":0}\n",
         "prompt \"premise\", in front of each ending \"question\""},
        {"siqa.jsonl",
         "{\"context\":\"w1\",\"question\":\"w2\",\"answerA\":\"w3\",\"answerB\":\"w4\","
         "\"label\":\"2\"}\n{\"context\":\"w5\",\"question\":\"w6\",\"answerA\":\"w7\","
         "\"answerB\":\"w8\",\"label\":\"1\"}\n",
         "endings are counted from 1: labels are 1 to 2, none is 0"},
        {"swag.jsonl",
         "{\"ctx_a\":\"w1\",\"ctx_b\":\"w2\",\"ctx\":\"w1 w2\",\"endings\":[\"w3\",\"w4\"],"
         "\"label\":1}\n{\"ctx_a\":\"w5\",\"ctx_b\":\"w6\",\"ctx\":\"w5 w6\",\"endings\":[\"w7\","
         "\"w8\"],\"label\":0}\n",
         "prompt \"ctx_a\", in front of each ending \"ctx_b\""},
    };
    all_same("sent1,sent2,ending0,ending1,label\nw1,w2,w3,w4,1\nw5,w6,w7,w8,0\n", files,
             sizeof files / sizeof *files);
}

static void what_is_no_choice(void **state) {
    (void)state;
    world w;
    begin_task(&w, "multiple-choice");
    refused(&w, "a.jsonl", "{\"question\":\"w1\",\"answer\":0}\n", "no endings to choose from");
    refused(&w, "a.jsonl", "{\"question\":\"w1\",\"choices\":[\"w2\",\"w3\"]}\n",
            "no column is known as the label: --label-column NAME");
    refused(&w, "a.jsonl", "{\"question\":\"w1\",\"choices\":[\"w2\"],\"answer\":0}\n",
            "a.jsonl:1: 1 ending: two are needed");
    refused(&w, "a.jsonl", "{\"question\":\"w1\",\"choices\":[[],[]],\"answer\":0}\n",
            "a.jsonl:1: \"choices\" is a list of something else than texts");
    refused(&w, "a.jsonl", "{\"question\":\"w1\",\"choices\":\"['w2' 'w3']\",\"answer\":0}\n",
            "\"choices\" is a text where a list of endings is needed");
    refused(&w, "a.csv", "question,choices,answer\nw1,\"['w2' 'w3']\",0\n",
            "\"choices\" would be a list of endings, which only JSON has");
    refused(&w, "a.jsonl",
            "{\"question\":\"w1\",\"choices\":[\"w2\",\"w3\"],\"answer\":0}\n"
            "{\"question\":\"w1\",\"choices\":[\"w2\",\"w3\"],\"answer\":2}\n",
            "a.jsonl:2: label \"2\" is not the number of an ending, 0 to 1");
    w.options.text_column = "nothing";
    refused(&w, "a.jsonl", "{\"question\":\"w1\",\"choices\":[\"w2\",\"w3\"],\"answer\":0}\n",
            "column 'nothing' is not there; the columns are question, choices, answer");
    end_task(&w);
}

/* A set to validate with is counted as the one to train on is. */
static void counted_from_one_twice(void **state) {
    (void)state;
    world w;
    begin_task(&w, "multiple-choice");
    bert_dataset *train =
        open_or_fail(&w, "t.csv", "question,A,B,C,label\nw1,w2,w3,w4,1\nw1,w2,w3,w4,3\n");
    assert_int_equal(bert_dataset_ints(train, "labels")[1], 2);
    w.options.like = train;
    bert_dataset *d = open_or_fail(&w, "v.csv", "question,A,B,C,label\nw1,w2,w3,w4,2\n");
    assert_int_equal(bert_dataset_ints(d, "labels")[0], 1);
    bert_dataset_free(d);
    bert_dataset_free(train);
    end_task(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_and_its_endings),
        cmocka_unit_test(a_context_and_a_question),
        cmocka_unit_test(what_is_no_choice),
        cmocka_unit_test(counted_from_one_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
