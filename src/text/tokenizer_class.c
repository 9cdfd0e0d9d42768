#include "text/tokenizer_class.h"
#include "base/error.h"
#include <string.h>

enum { BERT, MPNET, ESM, ROBERTA, DEBERTA, XLM_ROBERTA, CAMEMBERT, ALBERT, DEBERTA_V2, FAMILIES };
#define BERT_NAMES                                                                                 \
    { "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]" }
#define ROBERTA_NAMES                                                                              \
    { "<pad>", "<unk>", "<s>", "</s>", "<mask>" }
static const bert_tokenizer_family families[FAMILIES] = {
    [BERT] = {.class_name = "BertTokenizer",
              .model_type = "bert",
              .from = BERT_FROM_LINES,
              .file = "vocab.txt",
              .names = BERT_NAMES,
              .post = BERT_POST_TEMPLATE},
    [MPNET] = {.class_name = "MPNetTokenizer",
               .model_type = "mpnet",
               .from = BERT_FROM_LINES,
               .file = "vocab.txt",
               .names = {"<pad>", "[UNK]", "<s>", "</s>", "<mask>"},
               .post = BERT_POST_ROBERTA,
               .trims = true,
               .mask_takes_space = true},
    [ESM] = {.class_name = "EsmTokenizer",
             .model_type = "esm",
             .from = BERT_FROM_LINES,
             .file = "vocab.txt",
             .names = {"<pad>", "<unk>", "<cls>", "<eos>", "<mask>"},
             .post = BERT_POST_TEMPLATE,
             .letters = true},
    [ROBERTA] = {.class_name = "RobertaTokenizer",
                 .model_type = "roberta",
                 .from = BERT_FROM_MERGES,
                 .file = "vocab.json",
                 .names = ROBERTA_NAMES,
                 .post = BERT_POST_ROBERTA,
                 .trims = true},
    /* transformers 5 writes pairs as RoBERTa's; this is what the checkpoints were trained on. */
    [DEBERTA] = {.class_name = "DebertaTokenizer",
                 .model_type = "deberta",
                 .from = BERT_FROM_MERGES,
                 .file = "vocab.json",
                 .names = BERT_NAMES,
                 .post = BERT_POST_TEMPLATE},
    [XLM_ROBERTA] = {.class_name = "XLMRobertaTokenizer",
                     .model_type = "xlm-roberta",
                     .from = BERT_FROM_PIECES,
                     .file = "sentencepiece.bpe.model",
                     .names = ROBERTA_NAMES,
                     .pieces = {.first = {{"<s>", 0}, {"<pad>", 0}, {"</s>", 0}, {"<unk>", 0}},
                                .drops = 3,
                                .last = "<mask>",
                                .unk = 3,
                                .options = {.prepends = true}},
                     .post = BERT_POST_PIECES},
    [CAMEMBERT] = {.class_name = "CamembertTokenizer",
                   .model_type = "camembert",
                   .from = BERT_FROM_PIECES,
                   .file = "sentencepiece.bpe.model",
                   .names = ROBERTA_NAMES,
                   .pieces = {.first = {{"<s>NOTUSED", 0},
                                        {"<pad>", 0},
                                        {"</s>NOTUSED", 0},
                                        {"<unk>", 0},
                                        {"<unk>NOTUSED", -100}},
                              .drops = 1,
                              .last = "<mask>",
                              .unk = 3,
                              .options = {.prepends = true}},
                   .post = BERT_POST_PIECES,
                   .mask_takes_space = true},
    [ALBERT] = {.class_name = "AlbertTokenizer",
                .model_type = "albert",
                .from = BERT_FROM_PIECES,
                .file = "spiece.model",
                .names = {"<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"},
                .pieces = {.unk = -1,
                           .options = {.quotes = true,
                                       .strip_accents = true,
                                       .lowercase = true,
                                       .prepends = true}},
                .post = BERT_POST_TEMPLATE},
    /* transformers 5 forgets the charsmap; this is what the checkpoints were trained on. */
    [DEBERTA_V2] = {.class_name = "DebertaV2Tokenizer",
                    .model_type = "deberta-v2",
                    .from = BERT_FROM_PIECES,
                    .file = "spm.model",
                    .names = BERT_NAMES,
                    .pieces = {.unk = -1, .options = {.strip = true, .prepends = true}},
                    .post = BERT_POST_TEMPLATE},
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
};

/* Those of any file. */
static const char *const generic[] = {"PreTrainedTokenizer", "TokenizersBackend"};

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

static bool is_generic(const char *name) {
    for (size_t i = 0; i < sizeof generic / sizeof *generic; i++)
        if (is_class(name, generic[i])) return true;
    return false;
}

static const bert_tokenizer_family *family_named(const char *name) {
    for (int i = 0; i < FAMILIES; i++)
        if (is_class(name, families[i].class_name)) return &families[i];
    for (size_t i = 0; i < sizeof as_bert / sizeof *as_bert; i++)
        if (is_class(name, as_bert[i])) return &families[BERT];
    return is_generic(name) ? &families[BERT] : NULL;
}

/* Where nothing names the class: that of the model, that of the file's name, or the first of such
 * files. */
static const bert_tokenizer_family *family_of_files(const json_t *model, bert_from from,
                                                    const char *path) {
    const char *type = json_string_value(json_object_get(model, "model_type")),
               *slash = strrchr(path, '/'), *file = slash ? slash + 1 : path;
    const bert_tokenizer_family *first = NULL, *by_name = NULL;
    for (int i = FAMILIES; i--;) {
        const bert_tokenizer_family *f = &families[i];
        if (f->from != from) continue;
        if (type && !strcmp(type, f->model_type)) return f;
        if (!strcmp(file, f->file)) by_name = f;
        first = f;
    }
    return by_name ? by_name : first ? first : &families[BERT];
}

static int refuse_in_code(const char *name, const char *path, bert_error *e) {
    for (size_t i = 0; i < sizeof in_code / sizeof *in_code; i++)
        if (is_class(name, in_code[i].name))
            return bert_fail(e, BERT_EUNSUPPORTED,
                             "%s belongs to %.60s, which %s: that is not supported, and read as "
                             "BERT's it would give other tokens; make the ids with transformers",
                             path, name, in_code[i].does);
    return BERT_OK;
}

static void refuse_class(const char *name, bert_from from, const char *path, bert_error *e) {
    const bert_tokenizer_family *family = family_named(name);
    if (family)
        bert_fail(e, BERT_EUNSUPPORTED,
                  "%s: tokenizer_class \"%.60s\" reads a %s: put that one, or a tokenizer.json, "
                  "beside it",
                  path, name, family->file);
    else if (from == BERT_FROM_LINES)
        bert_fail(e, BERT_EUNSUPPORTED,
                  "%s: tokenizer_class \"%.60s\" is not one that reads a vocab.txt as BERT's "
                  "WordPiece; save it as a tokenizer.json, or name the class BertTokenizer in "
                  "tokenizer_config.json if it is that",
                  path, name);
    else
        bert_fail(e, BERT_EUNSUPPORTED,
                  "%s: tokenizer_class \"%.60s\" is none of those that are known here "
                  "(RobertaTokenizer, DebertaTokenizer, XLMRobertaTokenizer, CamembertTokenizer, "
                  "AlbertTokenizer, DebertaV2Tokenizer); save it as a tokenizer.json",
                  path, name);
}

const bert_tokenizer_family *bert_tokenizer_family_of(const json_t *config, const json_t *model,
                                                      bert_from from, const char *path,
                                                      bert_error *e) {
    const char *name = class_of(config);
    if (!name) name = class_of(model);
    const bool japanese = name ? is_class(name, "BertJapaneseTokenizer")
                               : from == BERT_FROM_LINES &&
                                     json_is_string(json_object_get(config, "word_tokenizer_type"));
    if (japanese) refuse_japanese(config, path, e);
    if (name && !japanese) refuse_in_code(name, path, e);
    if (e->code) return NULL;
    if (!name) return family_of_files(model, from, path);
    const bert_tokenizer_family *family = family_named(name);
    if (from == BERT_FROM_JSON) return family ? family : &families[BERT];
    if (family && is_generic(name)) return family_of_files(model, from, path);
    if (family && family->from == from) return family;
    refuse_class(name, from, path, e);
    return NULL;
}
