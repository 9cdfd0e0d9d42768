#include "data/label_options.h"

enum { SEPARATOR, MISSING, POSITIVE };

const bert_option_row bert_label_names_option[] = {
    {"label_names", BERT_OPTION_TEXT, "a,b,c|FILE", "",
     "what the labels 0, 1, .. are called: by commas, a file of a name a line, or JSON: a list, "
     "id2label, datasets' features"},
    {0},
};

const bert_option_row bert_label_options[] = {
    [SEPARATOR] = {"label_separator", BERT_OPTION_TEXT, NULL, "",
                   "a field holds several labels, separated by this"},
    [MISSING] = {"missing_label", BERT_OPTION_TEXT, "TEXT[,TEXT]|none", "",
                 "rows with this label have none and are left out (default: nan, -1 beside classes "
                 "0 to 2 or more, -)"},
    [POSITIVE] = {"positive_label", BERT_OPTION_TEXT, "NAME", "",
                  "of two classes: the one that precision, recall and f1 are of (the second)"},
    {0},
};

const char *bert_label_names_of(const bert_dataset_options *o) {
    return bert_option_text(o, bert_label_names_option);
}

const char *bert_label_separator_of(const bert_dataset_options *o) {
    return bert_option_text(o, &bert_label_options[SEPARATOR]);
}

const char *bert_missing_label_of(const bert_dataset_options *o) {
    return bert_option_text(o, &bert_label_options[MISSING]);
}

const char *bert_positive_label_of(const bert_dataset_options *o) {
    return bert_option_text(o, &bert_label_options[POSITIVE]);
}
