#include "text/tokenizer_class.h"
#include "base/error.h"
#include <string.h>

enum { BERT, MPNET, FAMILIES };
static const bert_tokenizer_family families[FAMILIES] = {
    [BERT] = {.class_name = "BertTokenizer",
              .model_type = "bert",
              .names = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"},
              .post = BERT_POST_TEMPLATE},
    [MPNET] = {.class_name = "MPNetTokenizer",
               .model_type = "mpnet",
               .names = {"<pad>", "[UNK]", "<s>", "</s>", "<mask>"},
               .post = BERT_POST_ROBERTA,
               .trims = true,
               .mask_takes_space = true},
};

/* transformers' classes that make of a vocab.txt what BertTokenizer does, without "Fast". */
static const char *const as_bert[] = {
    "BertTokenizerLegacy",
    "ConvBertTokenizer",
    "DistilBertTokenizer",
    "DPRContextEncoderTokenizer",
    "DPRQuestionEncoderTokenizer",
    "DPRReaderTokenizer",
    "ElectraTokenizer",
    "LayoutLMTokenizer",
    "LxmertTokenizer",
    "MobileBertTokenizer",
    "RealmTokenizer",
    "RetriBertTokenizer",
    "SqueezeBertTokenizer",
    /* of any tokenizer.json */
    "PreTrainedTokenizer",
    "PreTrainedTokenizerFast",
    "TokenizersBackend",
};

/* Classes that do in code what no tokenizer.json holds. */
static const struct {
    const char *name, *does;
} in_code[] = {
    {"BertJapaneseTokenizer", "splits text into words with MeCab, Sudachi or Juman++"},
    {"RoFormerTokenizer", "splits text into words with jieba"},
    {"TapasTokenizer", "reads a question and a table"},
    {"RoCBertTokenizer", "reads shapes and pronunciations of characters"},
    {"CpmAntTokenizer", "splits text into words with jieba"},
    {"BertweetTokenizer", "normalizes tweets and has merges of its own"},
    {"PhobertTokenizer", "has merges of its own"},
    {"EsmTokenizer", "reads a protein, a letter a token"},
    {"CanineTokenizer", "has no vocabulary"},
    {"FlaubertTokenizer", "has merges of its own"},
    {"XLMTokenizer", "has merges of its own"},
};

/* Whether `name`, which may end in "Fast", is this class. */
static bool is_class(const char *name, const char *class_name) {
    const size_t n = strlen(class_name);
    return !strncmp(name, class_name, n) && (!name[n] || !strcmp(name + n, "Fast"));
}

static const char *class_of(const json_t *file) {
    const char *name = json_string_value(json_object_get(file, "tokenizer_class"));
    return name && *name ? name : NULL;
}

/* BertJapaneseTokenizer's own parameters, as old checkpoints have them without its name. */
static int refuse_japanese(const json_t *config, const char *path, bert_error *e) {
    const char *word = json_string_value(json_object_get(config, "word_tokenizer_type")),
               *subword = json_string_value(json_object_get(config, "subword_tokenizer_type"));
    return bert_fail(e, BERT_EUNSUPPORTED,
                     "%s belongs to BertJapaneseTokenizer (word_tokenizer_type \"%.20s\", "
                     "subword_tokenizer_type \"%.20s\"), which is not supported: read as BERT's it "
                     "would give other tokens; make the ids with transformers",
                     path, word ? word : "basic", subword ? subword : "wordpiece");
}

static const bert_tokenizer_family *family_named(const char *name) {
    for (int i = 0; i < FAMILIES; i++)
        if (is_class(name, families[i].class_name)) return &families[i];
    for (size_t i = 0; i < sizeof as_bert / sizeof *as_bert; i++)
        if (is_class(name, as_bert[i])) return &families[BERT];
    return NULL;
}

/* Where nothing names the class: that of the model; BERT's if it is of none of them. */
static const bert_tokenizer_family *family_of_model(const json_t *model) {
    const char *type = json_string_value(json_object_get(model, "model_type"));
    for (int i = 0; type && i < FAMILIES; i++)
        if (!strcmp(type, families[i].model_type)) return &families[i];
    return &families[BERT];
}

const bert_tokenizer_family *bert_tokenizer_family_of(const json_t *config, const json_t *model,
                                                      bool whole, const char *path, bert_error *e) {
    const char *name = class_of(config);
    if (!name) name = class_of(model);
    const bool japanese =
        name ? is_class(name, "BertJapaneseTokenizer")
             : !whole && json_is_string(json_object_get(config, "word_tokenizer_type"));
    if (japanese) {
        refuse_japanese(config, path, e);
        return NULL;
    }
    if (!name) return family_of_model(model);
    for (size_t i = 0; i < sizeof in_code / sizeof *in_code; i++)
        if (is_class(name, in_code[i].name)) {
            bert_fail(e, BERT_EUNSUPPORTED,
                      "%s belongs to %.60s, which %s: that is not supported, and read as "
                      "BERT's it would give other tokens; make the ids with transformers",
                      path, name, in_code[i].does);
            return NULL;
        }
    const bert_tokenizer_family *family = family_named(name);
    if (!family && !whole)
        bert_fail(e, BERT_EUNSUPPORTED,
                  "%s: tokenizer_class \"%.60s\" is not one that reads a vocab.txt as BERT's "
                  "WordPiece; save it as a tokenizer.json, or name the class BertTokenizer in "
                  "tokenizer_config.json if it is that",
                  path, name);
    return family || !whole ? family : &families[BERT];
}
