/* Files of labelled words: which columns or lists are read, what is left out, what the tags are,
 * and what is refused because it is doubtful. */
#include "data/sentences.h"
#include "data_world.h"

static int begin(void **state) {
    world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    begin_task(w, "token-classification");
    *state = w;
    return 0;
}

static int end(void **state) {
    end_task(*state);
    free(*state);
    return 0;
}

/* The words with their labels, "w1/O w2/B-A | w3/O", and what is said of the file. */
static void reads(world *w, const char *name, const char *text, const char *want,
                  const char *says) {
    char got[2000] = "", notes[2000] = "";
    bert_dataset *d = open_text(w, name, text);
    if (!d) fail_msg("%s: %s", name, w->e.message);
    const bert_sentences *s = d->state;
    size_t n = 0;
    for (int64_t i = 0; i < s->sentences; i++)
        for (int64_t k = s->sentence[i]; k < s->sentence[i + 1]; k++)
            n += (size_t)snprintf(got + n, sizeof got - n, "%s%s/%s",
                                  !n                    ? ""
                                  : k == s->sentence[i] ? " | "
                                                        : " ",
                                  s->text + s->word[k], d->names[s->gold[k]]);
    n = 0;
    for (int i = 0; bert_dataset_note(d, i); i++)
        n += (size_t)snprintf(notes + n, sizeof notes - n, "%s; ", bert_dataset_note(d, i));
    assert_string_equal(got, want);
    if (!strstr(notes, says)) fail_msg("%s: \"%s\", not \"..%s..\"", name, notes, says);
    bert_dataset_free(d);
}

static void separators(void **state) {
    world *w = *state;
    const char *two = "w1/B-A w2/O | w3/O";
    reads(w, "a.conll", "w1 B-A\nw2 O\n\nw3 O\n", two, "2 columns between blanks, no header");
    reads(w, "a.txt", "w1   B-A  \n w2 O\n  \nw3 O\n", two, "between blanks");
    reads(w, "a.conll", "\xef\xbb\xbfw1\tB-A\r\nw2\tO\r\n\r\nw3\tO\r\n", two, "between tabs");
    reads(w, "a.tsv", "w1 w2\tB-A\nw3\xc2\xa0w4\tO\n", "w1 w2/B-A w3\xc2\xa0w4/O", "tabs");
    reads(w, "a.conll", "w1\xc2\xa0w2 B-A\nw3 O\n", "w1\xc2\xa0w2/B-A w3/O", "blanks");
    reads(w, "a.csv", "w1,B-A\nw2,O\n\n\"w3\"\"\",O\n\",\",O\n", "w1/B-A w2/O | w3\"/O ,/O",
          "commas");
    reads(w, "a.csv", "word;tag\nw1;B-A\n\"w2;\";O\n\nw3;O\n", "w1/B-A w2;/O | w3/O", "semicolons");
    refused(w, "a.conll", "w1\tO\nw2\tB-A\nw3 O\n",
            "a.conll:3: columns are between blanks here and between tabs");
    refused(w, "a.conll", "w1 O\nw2\tB-A\n",
            "a.conll:2: columns are between tabs here and between blanks");
    refused(w, "a.conll", "w1 O\nw2 B-A\nw3 w4 O\n", "a.conll:3: 3 columns");
    refused(w, "a.conll", "w1 x O\nw2 x B-A\nw3 x\n", "a.conll:3: \"w3 x\" has no label");
    refused(w, "a.tsv", "w1\tO\nw2\t\n", "a.tsv:2: \"w2\\t\" has no label");
    refused(w, "a.tsv", "w1\tO\n\tB-A\n", "a.tsv:2: has a label but no word");
    refused(w, "a.csv", "w1,O\n\"w2,O\n", "a.csv:2: a quoted field does not end");
    refused(w, "a.conll", "{\"tokens\": [\"w1\"]}\n", "a.conll:1: looks like JSON");
    refused(w, "a.conll", "w1\nw2\n", "a.conll:1: \"w1\" has no label");
}

/* Lines that other systems end otherwise are lines, and that is said. */
static void carriage_returns(void **state) {
    world *w = *state;
    reads(w, "a.conll", "w1 B-A\rw2 O\r\rw3 O\r", "w1/B-A w2/O | w3/O", "arriage");
}

static void lines_that_are_no_words(void **state) {
    world *w = *state;
    const char *two = "w1/B-A w2/O | w3/O";
    reads(w, "a.conll", "-DOCSTART-\n\nw1 B-A\nw2 O\n-DOCSTART- O\nw3 O\n", two, "IOB2");
    reads(w, "a.conllu", "# sent_id = 1\n# text = w1 w2\nw1\tB-A\nw2\tO\n\n# newdoc\n# x\nw3\tO\n",
          two, "4 lines left out: comments (the first in line 1)");
    reads(w, "a.conll", "# text = w1\nw1 B-A\nw2 O\n\n# newdoc\nw3 O\n", two,
          "2 lines left out: comments");
    /* Words that begin with #. */
    reads(w, "a.conll", "#w1 B-A\n# O\n\n#w2=w3 O\n", "#w1/B-A #/O | #w2=w3/O", "IOB2");
    reads(w, "a.tsv", "#\tB-A\nw2\tO\n", "#/B-A w2/O", "IOB2");
    reads(w, "a.conllu",
          "# text = w1w2 w3\n1-2\tw1w2\t_\t_\t_\t_\t_\t_\t_\t_\n1\tw1\t_\tNOUN\t_\t_\t_\t_\t_\t_\n"
          "2\tw2\t_\tVERB\t_\t_\t_\t_\t_\t_\n2.1\tw9\t_\tX\t_\t_\t_\t_\t_\t_\n"
          "3\tw3\t_\tNOUN\t_\t_\t_\t_\t_\t_\n",
          "w1/NOUN w2/VERB w3/NOUN",
          "1 line left out: several words in one, which follow (line 2)");
    reads(w, "a.conllu",
          "1\tw1\t_\tNOUN\t_\t_\t_\t_\t_\t_\n2\tw2\t_\tVERB\t_\t_\t_\t_\t_\t_\n"
          "2.1\tw9\t_\tX\t_\t_\t_\t_\t_\t_\n",
          "w1/NOUN w2/VERB", "1 line left out: empty nodes");
    reads(w, "a.conll", "w1 B-A\n\x01 O\n\nw3 O\n", "w1/B-A \x01/O | w3/O",
          "1 word of which nothing is left for the tokenizer takes no part (line 2)");
}

static void columns(void **state) {
    world *w = *state;
    const char *germeval = "#\tx\ty\n1\tw1\tB-A\tO\n2\tw2\tO\tB-B\n\n#\tx\ty\n1\tw3\tO\tO\n";
    reads(w, "a.tsv", germeval, "w1/B-A w2/O | w3/O", "as GermEval has them: the outer");
    w->options.allow_one_class = true;
    reads(w, "a.tsv", "1\tw1\tO\tB-A\n2\tw2\tO\tO\n\n", "w1/O w2/O", "the outer");
    w->options.allow_one_class = false;
    w->options.label_column = "3";
    reads(w, "a.tsv", germeval, "w1/O w2/B-B | w3/O", "words are column 1, labels column 3");
    refused(w, "a.conll", "w1 O\nw2 B-A\n", "label_column 3: there are 2 columns, 0 to 1");
    w->options.label_column = "-1";
    refused(w, "a.conll", "w1 O\nw2 B-A\n", "no column is called \"-1\"");
    w->options.label_column = NULL;
    reads(w, "a.conll", "w1 NN B-NP B-A\nw2 VB O O\n", "w1/B-A w2/O", "the last column has tags");
    reads(w, "a.conll", "w1 NN\nw2 VB\n", "w1/NN w2/VB", "neither B- and I- nor O");
    const char *wide = "w1 a b c d\nw2 e f g h\n";
    refused(w, "a.conll", wide, "text_column and label_column say which columns");
    w->options.text_column = "0", w->options.label_column = "2";
    reads(w, "a.conll", wide, "w1/b w2/f", "labels column 2");
    w->options.text_column = "2";
    refused(w, "a.conll", wide, "cannot be both");
    w->options.text_column = w->options.label_column = NULL;
    refused(w, "a.conll", "w1 B-A _\nw1 O _\nw2 O _\nw3 O _\n", "holds nothing");
    refused(w, "a.conll", "w1 NN O\nw1 VB O\nw2 NN O\nw3 NN O\n", "holds only O");
    refused(w, "a.conll", "w1 (A*\nw2 *)\n", "CoNLL-2012");
    w->options.label_column = "1,2";
    refused(w, "a.conll", "w1 O B-A\n", "a word has one label");
    w->options.label_column = NULL;
}

static void headers(void **state) {
    world *w = *state;
    const char *want = "w1/B-A w2/O | w3/O";
    reads(w, "a.tsv", "Token\tTag\nw1\tB-A\nw2\tO\n\nw3\tO\n", want,
          "the first line names them: words are \"Token\", labels \"Tag\"");
    reads(w, "a.conll", "word pos ner\nw1 x B-A\nw2 y O\n\nw3 z O\n", want, "labels \"ner\"");
    reads(w, "a.csv",
          "Sentence #,Word,POS,Tag\nSentence: 1,w1,NN,B-A\n,w2,VB,O\nSentence: 2,w3,NN,O\n", want,
          "sentences by column 0");
    reads(w, "a.csv", "sentence_id,words,labels\n0,w1,B-A\n0,w2,O\n1,w3,O\n", want, "\"labels\"");
    w->options.text_column = "Wort", w->options.label_column = "Art";
    reads(w, "a.tsv", "Nr\tWort\tArt\n1\tw1\tB-A\n2\tw2\tO\n\n1\tw3\tO\n", want, "\"Wort\"");
    refused(w, "a.tsv", "Nr\tW\tArt\n1\tw1\tB-A\n", "no column is called \"Wort\"");
    w->options.text_column = w->options.label_column = NULL;
    refused(w, "a.tsv", "Wort\tArt\nw1\tB-A\nw2\tO\n\nw3\tO\n",
            "a.tsv:1: \"Art\" looks like the name of a column");
    w->options.text_column = "0", w->options.label_column = "1";
    reads(w, "a.tsv", "w0\tArt\nw1\tB-A\nw2\tO\n\nw3\tO\n", "w0/Art w1/B-A w2/O | w3/O", "Art");
    w->options.text_column = w->options.label_column = NULL;
}

static void lists(void **state) {
    world *w = *state;
    const char *one = "{\"tokens\": [\"w1\", \"w2\"], \"ner_tags\": [\"B-A\", \"O\"]}",
               *two = "{\"tokens\": [\"w3\"], \"ner_tags\": [\"O\"]}", *want = "w1/B-A w2/O | w3/O";
    char text[1000];
    snprintf(text, sizeof text, "%s\n%s\n", one, two);
    reads(w, "a.jsonl", text, want, "words are \"tokens\", tags \"ner_tags\"");
    reads(w, "a.json", text, want, "IOB2: 1 entity type");
    snprintf(text, sizeof text, "[%s,\n%s]", one, two);
    reads(w, "a.json", text, want, "IOB2");
    const char *both = "{\"tokens\": [\"w1\"], \"pos_tags\": [\"N\"], \"ner_tags\": [\"B-A\"]}\n"
                       "{\"tokens\": [\"w2\"], \"pos_tags\": [\"V\"], \"ner_tags\": [\"O\"]}\n";
    reads(w, "a.jsonl", both, "w1/B-A | w2/O", "not read: pos_tags (label_column chooses)");
    w->options.label_column = "pos_tags";
    reads(w, "a.jsonl", both, "w1/N | w2/V", "tags \"pos_tags\"");
    w->options.label_column = "upos";
    refused(w, "a.jsonl", both, "a.jsonl:1: has no \"upos\"");
    w->options.label_column = NULL;
    refused(w, "a.jsonl", "{\"text\": \"w1 w2\", \"label\": [[0, 2, \"A\"]]}\n",
            "no list of words");
    refused(w, "a.jsonl", "{\"tokens\": [\"w1\", \"w2\"], \"tags\": [\"O\"]}\n",
            "\"tokens\" has 2 elements, \"tags\" 1");
    refused(w, "a.jsonl", "{\"tokens\": [\"w1\"], \"tags\": [-100]}\n", "which is no label");
    refused(w, "a.jsonl", "{\"tokens\": [\"w1\"], \"tags\": [null]}\n", "element 0 of \"tags\"");
    w->options.text_column = "tokens", w->options.label_column = "tags";
    refused(w, "a.jsonl", "{\"tokens\": \"['w1']\", \"tags\": \"['O']\"}\n",
            "\"tokens\" is a list written as text");
    w->options.text_column = w->options.label_column = NULL;
}

static void numbers(void **state) {
    world *w = *state;
    const char *text = "{\"tokens\": [\"w1\", \"w2\"], \"ner_tags\": [2, 0]}\n"
                       "{\"tokens\": [\"w3\"], \"ner_tags\": [1]}\n",
               *want = "w1/I-B w2/O | w3/B-B";
    refused(w, "a.jsonl", text, "the tags are numbers, 0 to 2: label_names");
    refused(w, "a.conll", "w1 0\nw2 1\n", "label_names");
    refused(w, "a.conll", "w1 0\nw2 B-A\n", "a.conll:1: the tag \"0\" is a number");
    set_option(&w->options, "label_names", "O,B-B,I-B,B-A");
    reads(w, "a.jsonl", text, want, "IOB2: 2 entity types");
    bert_dataset *train = open_text(w, "t.jsonl", text);
    assert_non_null(train);
    set_option(&w->options, "label_names", NULL);
    w->options.like = train;
    reads(w, "a.jsonl", text, want, "they mean the training file's names: 0 O, 1 B-B");
    bert_dataset_free(train);
    w->options.like = NULL;
    train = open_text(w, "t.conll", "w1 I-B\nw2 O\nw3 B-B\n");
    w->options.like = train;
    refused(w, "a.jsonl", text, "those of the training file names");
    w->options.like = NULL;
    bert_dataset_free(train);
    static const char card[] =
        "---\nlicense: mit\ndataset_info:\n  features:\n  - name: tokens\n"
        "    sequence: string\n  - name: ner_tags\n    sequence:\n      class_label:\n"
        "        names:\n          '0': O\n          '1': B-B\n          '2': \"I-B\"\n"
        "  - name: pos_tags\n    sequence:\n      class_label:\n        names:\n"
        "          '0': X\n---\n# Data\n";
    tiny_write(w->dir, "README.md", card);
    reads(w, "a.jsonl", text, want, "README.md: 0 O, 1 B-B, 2 I-B");
    refused(w, "a.jsonl", "{\"tokens\": [\"w1\", \"w2\"], \"ner_tags\": [3, 0]}\n",
            "label \"3\" is not one of");
    tiny_write(w->dir, "dataset_info.json",
               "{\"features\": {\"tokens\": {\"feature\": {\"_type\": \"Value\"}}, \"ner_tags\": "
               "{\"feature\": {\"names\": [\"O\", \"B-B\", \"I-B\"], \"_type\": \"ClassLabel\"}, "
               "\"_type\": \"List\"}}}");
    reads(w, "a.jsonl", text, want, "dataset_info.json: 0 O, 1 B-B, 2 I-B");
}

static void schemes(void **state) {
    world *w = *state;
    static const char *const cases[][2] = {
        {"w1 B-A\nw2 I-A\n\nw3 B-B\nw4 O\n", "tags are IOB2: 2 entity types"},
        {"w1 I-A\nw2 I-A\nw3 B-A\nw4 O\n", "tags are IOB1: 1 entity type;"},
        {"w1 I-A\nw2 O\n", "tags are IOB1"},
        {"w1 I-A\nw2 E-A\nw3 E-B\nw4 O\n", "tags are IOE2"},
        {"w1 I-A\nw2 E-A\nw3 I-A\nw4 O\n\nw1 I-A\nw2 O\n", "tags are IOE1"},
        {"w1 B-A\nw2 E-A\nw3 S-B\nw4 O\n", "tags are IOBES: 2 entity types"},
        {"w1 B-A\nw2 L-A\nw3 U-B\nw4 O\n", "tags are BILOU"},
        {"w1 B-A\nw2 M-A\nw3 E-A\nw4 W-A\n", "tags are BMEWO"},
        {"w2 O\nw1 A-C\nw3 B-B\nw4 I-B\n", "1 tag has no prefix (A-C): no entity of IOB2"},
        {"w1 A-B\nw2 O\nw3 AB-B\nw4 AB-I\n", "tags are IOB2, behind the type: 2 entity types"},
        {"w1 ORG\nw2 O\n",
         "not IOB, they have no B- or I-: an entity is a run of one tag; 1 type;"},
        {"w1 B-A\nw2 O\n\nw3 B-A\n\nw1 I-A\n", "1 of 3 entities begin with I-, which IOB2 does not "
                                               "have (the first in the sentence of line 6)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bert_dataset *d = open_text(w, "a.conll", cases[i][0]);
        if (!d) fail_msg("%s", w->e.message);
        char notes[1000] = "";
        size_t n = 0;
        for (int k = 0; bert_dataset_note(d, k); k++)
            n += (size_t)snprintf(notes + n, sizeof notes - n, "%s; ", bert_dataset_note(d, k));
        if (!strstr(notes, cases[i][1])) fail_msg("%s: \"%s\"", cases[i][1], notes);
        bert_dataset_free(d);
    }
}

/* Every word gets the label that `predicted` has in its place, with blanks between. */
static bert_metrics *predict(world *w, const bert_dataset *d, const char *predicted) {
    bert_loader *l = bert_loader_new(d, &(bert_loader_options){.batch_size = 2}, &w->e);
    bert_metrics *m = bert_metrics_for(d, NULL, &w->e);
    assert_non_null(l);
    assert_non_null(m);
    for (int64_t i = 0; i < bert_loader_batches(l); i++) {
        bert_batch b;
        float logits[64 * 8] = {0};
        assert_int_equal(bert_loader_get(l, 0, i, &b, &w->e), 0);
        for (int32_t k = 0; k < b.inputs.start[b.inputs.n]; k++) {
            if (b.labels[k] < 0) continue;
            for (int32_t c = 0; c < d->num_labels; c++) {
                const size_t n = strlen(d->names[c]);
                if (!strncmp(predicted, d->names[c], n) && (predicted[n] == ' ' || !predicted[n]))
                    logits[k * d->num_labels + c] = 1;
            }
            predicted += strcspn(predicted, " ");
            predicted += *predicted == ' ';
        }
        assert_int_equal(bert_metrics_score(m, d, &b, logits, d->num_labels, &w->e), 0);
    }
    assert_int_equal(bert_metrics_compute(m, &w->e), 0);
    bert_loader_free(l);
    return m;
}

static void confused(const bert_metrics *m, const char *truth, const char *predicted,
                     int64_t times) {
    bert_confusion list[10];
    const int n = bert_metrics_confusions(m, list, 10);
    for (int i = 0; i < n; i++)
        if (!strcmp(list[i].truth ? list[i].truth : "", truth) &&
            !strcmp(list[i].predicted ? list[i].predicted : "", predicted)) {
            assert_int_equal(list[i].times, times);
            return;
        }
    fail_msg("no confusion of %s and %s", truth, predicted);
}

static void entities_are_reported(void **state) {
    world *w = *state;
    bert_dataset *d = open_text(w, "a.tsv",
                                "w1\tB-A\nw2 w2\tI-A\n\x01\tO\nw3\tB-B\n\nw4\tO\nw5\tB-A\n\n"
                                "w6\tB-B\nw7\tI-B\nw8\tI-B\n");
    assert_non_null(d);
    bert_metrics *m = predict(w, d, "B-A O B-A O B-A B-B I-B O");
    double f1;
    assert_true(bert_metrics_find(m, "f1", &f1));
    assert_float_equal(f1, 2.0 / 8, 1e-12);
    confused(m, "A", "A", 1); /* other borders */
    confused(m, "B", "A", 1);
    confused(m, "B", "B", 1);
    assert_int_equal(bert_metrics_sentences(m), 3);
    int64_t worst[3];
    assert_int_equal(bert_metrics_worst(m, worst, 3, &w->e), 2); /* one has no mistake */
    assert_int_equal(worst[0], 0);
    assert_int_equal(worst[1], 2);
    bert_tagged_sentence s;
    assert_int_equal(bert_metrics_sentence(m, 0, &s, &w->e), 0);
    assert_int_equal(s.line, 1);
    assert_int_equal(s.words, 4);
    assert_int_equal(s.mistakes, 4);
    assert_string_equal(s.word[1], "w2 w2");
    assert_string_equal(s.truth[3], "B-B");
    assert_null(s.predicted[2]); /* nothing is left of it */
    assert_string_equal(s.predicted[3], "B-A");
    assert_int_equal(s.truths, 2);
    assert_int_equal(s.predictions, 2);
    assert_int_equal(s.marked_truth[0].last, 1);
    assert_int_equal(s.marked_truth[1].first, 3);
    assert_string_equal(s.marked_predicted[1].type, "A");
    assert_int_equal(bert_metrics_sentence(m, 1, &s, &w->e), 0);
    assert_int_equal(s.line, 6);
    assert_true(s.marked_truth[0].right && s.marked_predicted[0].right);
    assert_int_not_equal(bert_metrics_sentence(m, 3, &s, &w->e), 0);
    bert_metrics_free(m);
    bert_dataset_free(d);
}

static void classes_are_reported(void **state) {
    world *w = *state;
    bert_dataset *d = open_text(w, "a.conll", "w1 N\nw2 V\n\nw3 N\nw4 V\n");
    assert_non_null(d);
    bert_metrics *m = predict(w, d, "N V V V");
    double value;
    assert_true(bert_metrics_find(m, "accuracy", &value));
    assert_float_equal(value, 0.75, 0);
    assert_false(bert_metrics_find(m, "f1", &value));
    confused(m, "N", "V", 1);
    bert_tagged_sentence s;
    assert_int_equal(bert_metrics_sentence(m, 1, &s, &w->e), 0);
    assert_int_equal(s.mistakes, 1);
    assert_string_equal(s.marked_truth[0].type, "N");
    assert_string_equal(s.marked_predicted[0].type, "V");
    bert_metrics_free(m);
    bert_dataset_free(d);
}

/* Files of whole sentences, and files whose columns hold something else than usual. */
static void odd_columns(void **state) {
    world *w = *state;
    reads(w, "a.bio", "B-A\tw1\nO\tw2\n\nO\tw3\n", "w1/B-A w2/O | w3/O",
          "words are column 1, labels column 0 (the first column has tags)");
    refused(w, "a.csv",
            "tokens,ner_tags\n\"['w1', 'w2']\",\"['B-A', 'O']\"\n\"['w3']\",\"['O']\"\n",
            "a.csv:3: \"['O']\" is the label of a whole sentence, \"['w3']\": lists are read from "
            "JSON");
    refused(w, "a.csv", "text,labels\nw1 w2,B-A O\nw3 w4 w5,O O B-A\n",
            "\"O O B-A\" is the label of a whole sentence, \"w3 w4 w5\"");
    reads(w, "a.csv", "text,labels\nw1 w2,B-A\nw3,O\n", "w1 w2/B-A w3/O", "words are \"text\"");
    char text[1000] = "";
    for (int i = 0; i < 20; i++) strcat(text, i ? "de:w2\tO\n\n" : "de:w1\tB-A\n");
    tiny_write(w->dir, "wikiann.txt", text);
    bert_dataset *d = open_text(w, "wikiann.txt", text);
    assert_non_null(d);
    const bert_sentences *s = d->state;
    assert_string_equal(s->text, "w1");
    assert_string_equal(s->text + s->word[19], "w2");
    assert_string_equal(bert_dataset_note(d, 1),
                        "words have \"de:\" in front, as WikiANN's: it is left out");
    bert_dataset_free(d);
    reads(w, "few.txt", "de:w1\tB-A\nde:w2\tO\n", "de:w1/B-A de:w2/O", "2 columns");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(separators, begin, end),
        cmocka_unit_test_setup_teardown(carriage_returns, begin, end),
        cmocka_unit_test_setup_teardown(lines_that_are_no_words, begin, end),
        cmocka_unit_test_setup_teardown(columns, begin, end),
        cmocka_unit_test_setup_teardown(headers, begin, end),
        cmocka_unit_test_setup_teardown(lists, begin, end),
        cmocka_unit_test_setup_teardown(numbers, begin, end),
        cmocka_unit_test_setup_teardown(schemes, begin, end),
        cmocka_unit_test_setup_teardown(odd_columns, begin, end),
        cmocka_unit_test_setup_teardown(entities_are_reported, begin, end),
        cmocka_unit_test_setup_teardown(classes_are_reported, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
