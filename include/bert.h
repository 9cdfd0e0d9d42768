/* bert.h: load a tokenizer and a checkpoint, encode text, use the result.
 *
 * A manual in the order of use: 1 errors, 2 tokenizer, 3 model, 4 session (forward pass), 5 tasks
 * (text in, answer out), 6 files, 7 hub, 8 pictures, 9 explanations, 10 machine. Training is in bert_train.h.
 *
 * Conventions
 *   - Functions that can fail return 0 (BERT_OK) or a negative BERT_E... code, or NULL where they
 *     return an object. The optional last argument `bert_error *` then holds the code and a
 *     message that says what is wrong, where, and what to do. Pass a zero-initialised bert_error;
 *     an error that is already set is kept.
 *   - A NULL object is BERT_EINVAL to the functions that report errors and use it, so a chain of
 *     opens may check its bert_error once, at the end.
 *   - Each `_open`/`_new` has a NULL-safe `_close`/`_free`; nothing else needs freeing unless it
 *     says so.
 *   - All matrices are row-major float32. Text is UTF-8; invalid bytes count as U+FFFD.
 *   - A batch is never padded: its sequences lie end to end, and start[n + 1] says where each
 *     begins.
 *   - The library never exits, never prints, and has no globals but the table of kernels and the
 *     heads that were registered. Objects that are "shared" may be used by several threads at
 *     once; the others belong to one thread at a time.
 *
 * What may change: until version 1 a release may change any name, and CHANGELOG.md says which did.
 * Structs of options grow at their end: begin with the function that gives the defaults. Numbers,
 * files that are written, exit codes and the JSON of the tool change only with an entry in
 * CHANGELOG.md.
 */
#ifndef BERT_H
#define BERT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define BERT_API __attribute__((visibility("default")))
#else
#define BERT_API
#endif

#define BERT_VERSION "0.1.0"
/* The library's own BERT_VERSION, for a check at run time. */
BERT_API const char *bert_version(void);

/* ------------------------------------------------------------------ 1. Errors */

/* name, value, what bert_error_name() says */
#define BERT_ERROR_LIST(X)                                                                         \
    X(BERT_OK, 0, "ok")                                                                            \
    X(BERT_EINVAL, -1, "invalid argument")                                                         \
    X(BERT_ENOMEM, -2, "out of memory")                                                            \
    X(BERT_EIO, -3, "input/output error")                                                          \
    X(BERT_ENOTFOUND, -4, "not found")                                                             \
    X(BERT_EFORMAT, -5, "malformed file")                                                          \
    X(BERT_EUNSUPPORTED, -6, "not supported")                                                      \
    X(BERT_ETOOLONG, -7, "text longer than the model takes")                                       \
    X(BERT_ENUMERIC, -8, "not a finite number")                                                    \
    X(BERT_EINTERRUPTED, -9, "interrupted")                                                        \
    X(BERT_EDENIED, -10, "access denied")

#define BERT_ERROR_ENUM(name, value, text) name = value,
enum { BERT_ERROR_LIST(BERT_ERROR_ENUM) };
#undef BERT_ERROR_ENUM

typedef struct {
    int code;          /* BERT_OK or a negative BERT_E... */
    char message[500]; /* what, where, what to do; no final newline */
} bert_error;

/* "malformed file" for BERT_EFORMAT, and so on. */
BERT_API const char *bert_error_name(int code);
BERT_API void bert_error_clear(bert_error *e);

/* --------------------------------------------------------------- 2. Tokenizer */

/* WordPiece, byte-level BPE and Unigram, as PyPI tokenizers 0.23 does them: same ids and offsets.
 * Immutable and shared. */
typedef struct bert_tokenizer bert_tokenizer;

/* Overrides for what a checkpoint directory says; -1 leaves it to the checkpoint (and, for a bare
 * vocab.txt with no tokenizer_config.json, to transformers' defaults: lowercase, strip accents,
 * split CJK). */
typedef struct bert_pull_options bert_pull_options; /* 7. Hub */
typedef struct {
    int do_lower_case, strip_accents,
        tokenize_chinese_chars; /* -1, 0 or 1; strip_accents null = do_lower_case */
    bool encode_special_tokens; /* treat "[MASK]" and the like in user text as plain text */
    /* Not NULL: path may be a model's name as well, and what is not in the cache is fetched. */
    const bert_pull_options *pull;
} bert_tokenizer_options;
BERT_API bert_tokenizer_options bert_tokenizer_default(void);

/* path: a checkpoint directory, or a tokenizer.json (preferred), vocab.txt, vocab.json (with
 * merges.txt beside it) or SentencePiece .model file. options may be NULL.
 * tokenizer_config.json, special_tokens_map.json and added_tokens.json beside it are read if there;
 * what the first says of the normaliser wins, unless its tokenizer_class is that of any
 * tokenizer.json (PreTrainedTokenizerFast, TokenizersBackend). Of a tokenizer.json, the parts of
 * the encoder families are taken (docs/tokenizer.md lists them: WordPiece, WordLevel, byte-level BPE
 * and Unigram with their normalizers, pre-tokenizers, post-processors and decoders), others are
 * refused by name (BERT_EUNSUPPORTED), and so are files whose tokenizer_class
 * reads them otherwise than BERT's (BertJapaneseTokenizer, EsmTokenizer ..). Of "truncation" and
 * "padding" stored there only the side of truncation is applied: each bert_tokenize() says what it
 * wants. */
BERT_API bert_tokenizer *bert_tokenizer_open(const char *path,
                                             const bert_tokenizer_options *options, bert_error *e);
BERT_API void bert_tokenizer_close(bert_tokenizer *t);
/* tokenizer.json as text, to be given to free(). NULL: out of memory. */
BERT_API char *bert_tokenizer_json(const bert_tokenizer *t, bert_error *e);
/* Writes tokenizer.json, tokenizer_config.json and special_tokens_map.json, as save_pretrained does,
 * and of WordPiece and WordLevel a vocab.txt. */
BERT_API int bert_tokenizer_save(const bert_tokenizer *t, const char *directory, bert_error *e);

/* Ids are 0 .. size-1. */
BERT_API int32_t bert_tokenizer_size(const bert_tokenizer *t);
/* NULL if there is none. */
BERT_API const char *bert_token(const bert_tokenizer *t, int32_t id);
/* -1 if there is none. */
BERT_API int32_t bert_token_id(const bert_tokenizer *t, const char *token);
typedef struct {
    int32_t pad, unk, cls, sep, mask; /* -1 where the vocabulary has none */
} bert_special_ids;
BERT_API bert_special_ids bert_tokenizer_special(const bert_tokenizer *t);
/* model_max_length of tokenizer_config.json, or 0 where it is not given. */
BERT_API int32_t bert_tokenizer_max_length(const bert_tokenizer *t);
/* truncation_side "left", of tokenizer_config.json or a tokenizer.json's "truncation". */
BERT_API bool bert_tokenizer_truncates_left(const bert_tokenizer *t);

typedef enum {
    BERT_TRUNCATE_NONE, /* do_not_truncate: length is not looked at */
    BERT_TRUNCATE_LONGEST_FIRST,
    BERT_TRUNCATE_ONLY_FIRST,
    BERT_TRUNCATE_ONLY_SECOND
} bert_truncation;

typedef struct {
    bool add_special_tokens;    /* [CLS] A [SEP], [CLS] A [SEP] B [SEP]; default true */
    bert_truncation truncation; /* default BERT_TRUNCATE_NONE */
    int32_t max_length;         /* tokens, specials included; used when truncating */
    int32_t stride;             /* tokens that neighbouring windows share */
    bool overflowing;   /* keep what was cut off as further windows (return_overflowing_tokens) */
    bool truncate_left; /* keep the end; where nothing overflows, bert_tokenizer_truncates_left()
                           does so in any case */
    bool byte_offsets;  /* offsets in bytes instead of code points */
} bert_tokenize_options;
BERT_API bert_tokenize_options bert_tokenize_default(void);

/* One window of one text or pair. Arrays have n entries and belong to the bert_tokenization. */
typedef struct {
    int32_t n;
    const int32_t *ids;
    const int32_t *type_ids;     /* 0 for A, 1 for B; the last [SEP] of a pair is 1. All 0 where
                                  * model_input_names has no token_type_ids */
    const int32_t *word_ids;     /* -1 for the template's specials; restarts at 0 for B */
    const int32_t *sequence_ids; /* 0, 1, or -1 for the template's specials */
    const int32_t (
        *offsets)[2]; /* [start, end) in the original A or B; 0,0 for the template's specials */
    const uint8_t *special_tokens_mask;
} bert_token_window;

/* Working memory for tokenizing: the word cache and the windows of the latest text. One thread at a
 * time. */
typedef struct bert_tokenization bert_tokenization;
BERT_API bert_tokenization *bert_tokenization_new(const bert_tokenizer *t, bert_error *e);
BERT_API void bert_tokenization_free(bert_tokenization *tok);

/* Tokenizes text (and pair, unless NULL), each of at most 2 GiB. Returns the number of windows (>= 1)
 * or a negative error: BERT_EINVAL when stride leaves no room to advance, a one-sided truncation
 * cannot reach max_length or max_length does not hold the special tokens. A pair has a window for
 * each window of A with each of B. options may be NULL. */
BERT_API int bert_tokenize(bert_tokenization *tok, const char *text, size_t text_bytes,
                           const char *pair, size_t pair_bytes,
                           const bert_tokenize_options *options, bert_error *e);
/* Window i of the latest bert_tokenize(); valid until the next one. Window 0 is the truncated text
 * itself. */
BERT_API bert_token_window bert_tokenization_window(const bert_tokenization *tok, int i);
/* Tokens of the latest text and pair before truncation, specials included. */
BERT_API int32_t bert_tokenization_full_length(const bert_tokenization *tok);
/* First token of window w with start <= pos < end in the given sequence (0 or 1), or -1
 * (char_to_token). */
BERT_API int32_t bert_tokenization_char_to_token(const bert_tokenization *tok, int w, int32_t pos,
                                                 int sequence);

/* Only the ids of one text without specials or truncation: the fast path. Returns how many there
 * are, and writes at most capacity of them. */
BERT_API int64_t bert_tokenize_ids(bert_tokenization *tok, const char *text, size_t text_bytes,
                                   int32_t *ids, size_t capacity, bert_error *e);

typedef struct {
    const char *text;
    size_t bytes;
    const char *pair; /* NULL: no second segment */
    size_t pair_bytes;
    /* Instead of text, for bert_embed() and bert_classify(): ids as another tokenization gave them,
     * special ones included, which are read as they are; or NULL. */
    const int32_t *ids;
    int32_t ids_count;
} bert_text;
/* Of a NUL-terminated string. */
BERT_API bert_text bert_text_of(const char *text);

/* Tokenizations for a batch, one a thread; threads 0: all cores. One batch at a time. */
typedef struct bert_tokenization_pool bert_tokenization_pool;
BERT_API bert_tokenization_pool *bert_tokenization_pool_new(const bert_tokenizer *t, int threads,
                                                            bert_error *e);
BERT_API void bert_tokenization_pool_free(bert_tokenization_pool *pool);
/* Takes what became of texts[i]: tok holds its windows until this returns 0 or an error. Called by
 * several threads at once, in any order. */
typedef int bert_tokenized_fn(void *context, int32_t i, const bert_tokenization *tok,
                              bert_error *e);
/* bert_tokenize() of n texts, shared among the threads. The error is that of the first text that has
 * one, as if they had been encoded in order; texts behind it may not have been encoded. */
BERT_API int bert_tokenize_batch(bert_tokenization_pool *pool, const bert_text *texts, int32_t n,
                                 const bert_tokenize_options *options, bert_tokenized_fn *encoded,
                                 void *context, bert_error *e);

/* Text of ids as the tokenizer's decoder gives it (" ." -> "." unless its cleanup is off). Returns
 * the length in bytes without the final NUL; writes at most capacity bytes including it. An id
 * that is no token is BERT_EINVAL. */
BERT_API int64_t bert_decode(const bert_tokenizer *t, const int32_t *ids, size_t n,
                             bool skip_special_tokens, char *out, size_t capacity, bert_error *e);

/* ------------------------------------------------------------------- 3. Model */

#define BERT_MAX_NAME 64

/* config.json with transformers' names and defaults. */
typedef struct {
    char model_type[BERT_MAX_NAME];   /* "bert", ... */
    char architecture[BERT_MAX_NAME]; /* architectures[0], for example
                                         "BertForSequenceClassification"; may be "" */
    int32_t vocab_size, hidden_size, num_hidden_layers, num_attention_heads, intermediate_size;
    int32_t max_position_embeddings, type_vocab_size, pad_token_id;
    char hidden_act[BERT_MAX_NAME];
    float hidden_dropout_prob, attention_probs_dropout_prob,
        classifier_dropout; /* classifier_dropout < 0: null */
    float initializer_range, layer_norm_eps;
    bool tie_word_embeddings;         /* false: a decoder of masked words has weights of its own */
    int32_t num_labels;               /* 2 where the file says nothing, as in transformers */
    char problem_type[BERT_MAX_NAME]; /* "regression", "single_label_classification",
                                         "multi_label_classification" or "" (null) */
    /* Of models of pictures; 0 of others. special_tokens stand in front of a picture's patches: [CLS],
     * DeiT's second one, registers. */
    int32_t num_channels, image_height, image_width, patch_height, patch_width, special_tokens;
} bert_config;

typedef enum {
    BERT_PRECISION_HIGHEST, /* float32 accuracy */
    BERT_PRECISION_HIGH,    /* float32 in two bf16 parts on matrix units; float32 elsewhere */
    BERT_PRECISION_MEDIUM,  /* bf16 where the machine multiplies it faster; float32 elsewhere */
    BERT_PRECISION_INT8,    /* linears in bytes: a scale for each output channel and each token, the
                               ranges of both sides balanced at a model's first use; the rest is
                               medium. Not for training */
    BERT_PRECISION_COUNT
} bert_precision;
/* "highest", ... */
BERT_API const char *bert_precision_name(bert_precision p);
/* Refuses what is not built in. */
BERT_API int bert_precision_parse(const char *name, bert_precision *p, bert_error *e);

/* Where numbers lie and are computed: the CPU (NULL), or what a device's own header offers. Results
 * are in the host's memory whichever it is. */
typedef struct bert_device bert_device;

/* Activations; bert_train.h parses their names in config.json. */
typedef enum {
    BERT_ACT_NONE,
    BERT_ACT_GELU,
    BERT_ACT_GELU_NEW,
    BERT_ACT_RELU,
    BERT_ACT_TANH,
    BERT_ACT_SIGMOID,
    BERT_ACT_SILU,
    BERT_ACT_QUICK_GELU,
    BERT_ACT_GELU_10,
    BERT_ACT_MISH,
    BERT_ACT_HARDSWISH,
    BERT_ACT_RELU6,
    BERT_ACT_RELU2,
    BERT_ACT_LEAKY_RELU,
    BERT_ACT_COUNT
} bert_act;
/* Which half of the columns of a gated layer is activated. */
typedef enum { BERT_GATE_NONE, BERT_GATE_FIRST, BERT_GATE_SECOND } bert_gate;

/* Weights, configuration and tokenizer of one checkpoint. The weight file is mapped; shared once
 * opened. */
typedef struct bert_model bert_model;
typedef struct bert_recipe bert_recipe; /* bert_train.h */

typedef struct {
    const char *head;  /* NULL: what config.json's architecture says. "none": the bare encoder.
                           Else a row of the head table ("sequence-classification", ...) */
    bool from_scratch; /* random weights: the directory needs no weight file */
    bool
        shape_only; /* no weights at all: for its configuration and tokenizer, as a dataset needs them */
    bool trainable;                 /* copy weights into private memory with room for gradients */
    uint64_t seed;                  /* initialises parameters that the checkpoint does not hold */
    int32_t num_labels;             /* > 0: overrides the configuration's */
    const char *problem_type;       /* NULL: the configuration's */
    const char *const *label_names; /* num_labels names, or NULL */
    const bert_tokenizer_options *tokenizer; /* NULL: the checkpoint's */
    /* A JSON object of keys of config.json that count instead of the file's, as from_pretrained()
     * takes them: "{\"num_hidden_layers\": 8, \"hidden_dropout_prob\": 0.1}"; or NULL. Of more layers
     * than the checkpoint has the further ones are initialised, of fewer the rest is not used. */
    const char *config;
    const bert_device *device; /* where weights lie, sessions run and training happens; NULL: CPU */
    const bert_pull_options *pull; /* fetch what is not in the cache; NULL: an error */
    /* Its head, unless `head` says another or "none", and its keys of config.json, which `config`
     * overrules; NULL: none, or that of a model that was saved with one. */
    const bert_recipe *recipe;
    const char *task; /* of a checkpoint with several tasks: this one alone, as a model of one head,
                         which is also how it is saved. NULL: the encoder, and its tasks beside it
                         (bert_model_task()), unless head says something */
} bert_model_options;
/* Seed 42, the rest zero. */
BERT_API bert_model_options bert_model_default(void);

/* name_or_path: a directory, or a model's name (7. Hub). A missing pooler or head is
 * initialised and reported by bert_model_new_parameters(); any other missing or misshapen weight is
 * an error. */
BERT_API bert_model *bert_model_open(const char *name_or_path, const bert_model_options *options,
                                     bert_error *e);
BERT_API void bert_model_close(bert_model *m);
/* Several tasks over one encoder (bert_model_add_task() in bert_train.h makes them): their names, i
 * counts from 0, NULL past the end; and a task by its name, a model with a head, labels and problem
 * type of its own and everything else shared, which sessions and datasets take as any other. It
 * belongs to m and goes with it: bert_model_close() of it does nothing. NULL: an error that lists
 * the names. */
BERT_API const char *bert_model_task_at(const bert_model *m, int i);
BERT_API bert_model *bert_model_task(const bert_model *m, const char *name, bert_error *e);
/* The name of a task, or NULL. */
BERT_API const char *bert_model_task_name(const bert_model *m);
BERT_API const bert_config *bert_model_config(const bert_model *m);
/* NULL if the directory has none. */
BERT_API const bert_tokenizer *bert_model_tokenizer(const bert_model *m);
/* The directory it came from. */
BERT_API const char *bert_model_path(const bert_model *m);
BERT_API const bert_device *bert_model_device(const bert_model *m);
/* Why it cannot be used, or is not there; NULL: there is one. */
BERT_API const char *bert_model_tokenizer_error(const bert_model *m);
/* "none", "sequence-classification", ... */
BERT_API const char *bert_model_head(const bert_model *m);
/* Texts, or pictures, that a row of its head is made of, each a sequence of its own: the views of a
 * recipe or of a head of one's own, else 1. */
BERT_API int32_t bert_model_views(const bert_model *m);
/* The heads that the model's family has, by name; i counts from 0, NULL past the end. */
BERT_API const char *bert_model_head_at(const bert_model *m, int i);
/* id2label, "LABEL_0", ...; NULL past the end. */
BERT_API const char *bert_model_label(const bert_model *m, int32_t i);
BERT_API int64_t bert_model_parameter_count(const bert_model *m);
/* As stored in the file. */
BERT_API int64_t bert_model_parameter_bytes(const bert_model *m);
/* The file (or index of files) that its weights come from; NULL: made from scratch. */
BERT_API const char *bert_model_weights(const bert_model *m);
/* What most of their bytes are: "F32", "F16", "Q8_0" ..; of packed weights the precision that they
 * serve, "int8" or "medium". */
BERT_API const char *bert_model_dtype(const bert_model *m);
/* Names of parameters that were initialised because the checkpoint lacks them, and of tensors in
 * the checkpoint that nothing uses; i counts from 0, NULL past the end. */
BERT_API const char *bert_model_new_parameter(const bert_model *m, int i);
BERT_API const char *bert_model_unused_tensor(const bert_model *m, int i);
/* What is doubtful of the checkpoint, a line each: weights that look like the encoder's and are not
 * used, a tokenizer with more tokens than the model, a directory that hides a model of that name in
 * the cache. NULL past the end. */
BERT_API const char *bert_model_note(const bert_model *m, int i);
/* Tokens a sequence may have: max_position_embeddings (less what the architecture reserves). */
BERT_API int32_t bert_model_max_length(const bert_model *m);
/* Tokens of a text where nobody says more: sentence_bert_config.json's limit, else the tokenizer's,
 * and never more than the model's. */
BERT_API int32_t bert_model_text_limit(const bert_model *m);
/* Writes config.json, model.safetensors and tokenizer files; each appears whole or not at all.
 * sentence-transformers' files go with an encoder (no head, masked-lm, pretraining), a
 * cross-encoder's with a classifier; under other heads they are left out. */
BERT_API int bert_model_save(const bert_model *m, const char *directory, bert_error *e);

/* A checkpoint in another form. Each weight passes through memory on its own. */
typedef struct {
    const char *format;     /* "safetensors", or another one of bert_convert_form_at() */
    const char *dtype;      /* of floats: "f32", "f16", "bf16" ..; NULL: as they are stored */
    int64_t max_shard_size; /* bytes of a file of weights: 5,000,000,000 */
    bool drop_unused; /* without the tensors that the library does not use, another head's say */
    /* Unless NULL, only the tensors whose name it says yes to. */
    bool (*keep)(const char *name, void *context);
    /* Unless NULL, told after each tensor how much is written; not 0: stop, and leave nothing. */
    int (*progress)(void *context, int64_t bytes, int64_t total);
    void *context;
    const char *task; /* of a checkpoint with several tasks: this one alone; NULL: all of it */
} bert_convert_options;
BERT_API bert_convert_options bert_convert_default(void);
typedef struct {
    int64_t bytes;           /* of weights */
    int32_t tensors, unused; /* written; those among them that the library does not use */
    int32_t files;           /* that hold them */
    int32_t left_out;        /* that the format has no place for: of gguf poolers and most heads */
    bool normalize_left_out; /* of gguf: vectors were of length 1, and are not where it is used */
} bert_convert_result;
/* name_or_path: as bert_model_open() takes it. to: a directory that is not there yet, or is empty
 * (or, of a format that is a file, a file that is not there), which appears whole or not at all.
 * Tensors have today's names in transformers, floats are rounded to the nearest (BERT_ENUMERIC
 * where one is too large for the type, or not finite), config.json says the type; tokenizer,
 * sentence-transformers' files and model card are copied as they are. options and result may be
 * NULL. */
BERT_API int bert_convert(const char *name_or_path, const char *to,
                          const bert_convert_options *options, bert_convert_result *result,
                          bert_error *e);
typedef struct {
    const char *name, *help;
    const char *const *dtypes; /* what dtype may be; ended by NULL */
    bool file;                 /* one file, not a directory */
} bert_convert_form;
/* The files of weights that bert_model_open() reads, "model.safetensors" .. "*.gguf"; NULL past the
 * end. */
BERT_API const char *bert_weight_file_at(int i);
/* The formats that bert_convert() writes; false past the end. */
BERT_API bool bert_convert_form_at(int i, bert_convert_form *out);

/* ----------------------------------------------------------------- 4. Session */

/* A set of threads, for sessions that share it: shared. threads 0: as many as there are cores, 1 to
 * 1024. Who calls a session is one of them, so that 1 starts none. Calls take turns: one that comes
 * waits for the layer that is being computed (of batch_tokens tokens at most, or one sequence that
 * is longer), then for those that came before it. Each of them has the threads for 128 tokens
 * through all layers at least, or for one layer of more, and between two there may be a layer of a
 * call that goes on. */
typedef struct bert_threads bert_threads;
BERT_API bert_threads *bert_threads_new(int threads, bert_error *e);
/* Sessions that share it go on; the last one ends the threads. */
BERT_API void bert_threads_free(bert_threads *threads);
BERT_API int bert_threads_count(const bert_threads *threads);

/* Working memory and threads for running a model; one thread at a time uses it. */
typedef struct bert_session bert_session;
typedef struct {
    int threads;              /* 0: as many as there are cores */
    bert_precision precision; /* default BERT_PRECISION_HIGHEST */
    int32_t batch_tokens;     /* most tokens that all threads take through the layers together (one
                                 alone: half as many), or one sequence; 0: the library's choice. Changes
                                 speed and memory, never results */
    /* Not threads of its own but these (`threads` is not looked at); NULL: its own. Sessions of
     * several callers that share them take turns of a hundred tokens or so for each thread: no more
     * threads compute than there are, and a short text waits for a turn or two, not for long
     * batches. */
    bert_threads *shared;
} bert_session_options;
BERT_API bert_session_options bert_session_default(void);
BERT_API bert_session *bert_session_new(const bert_model *m, const bert_session_options *options,
                                        bert_error *e);
BERT_API void bert_session_free(bert_session *s);

/* n sequences end to end: sequence i is ids[start[i]] .. ids[start[i+1]-1]. */
typedef struct bert_column bert_column; /* bert_train.h */
typedef struct bert_tensor bert_tensor; /* likewise */
typedef struct {
    int32_t n;
    const int32_t *start;    /* [n + 1], start[0] = 0; every sequence has at least one token */
    const int32_t *ids;      /* [start[n]]; NULL where the model reads columns instead (pixels) */
    const int32_t *type_ids; /* [start[n]], or NULL for all 0 */
    /* Heads of the vocabulary (masked-lm, pretraining): tokens, 0 to start[n] - 1, whose logits are
     * wanted, a row each; NULL: all. A matrix of all tokens and words is mostly waste. */
    const int32_t *logit_tokens; /* [logit_tokens_count] */
    int32_t logit_tokens_count;
    const bert_column *columns; /* [column_count] what is read beside ids (pixels); in training all
                                   that the rows carry, by name */
    int32_t column_count;
    /* Of bert_forward() only (transformers' inputs_embeds): rows of its tape in the place of what ids
     * are looked up as [start[n], the width of the words' embeddings], where ids still say which
     * positions count; or of the patches' pixels [patches of all pictures, numbers of one]. A
     * bert_constant() that requires_grad tells what an output rests on. NULL: ids, or pixels. */
    bert_tensor *embeds;
    const int32_t *attended; /* [n]: attention sees only the first so many tokens of a sequence, as
                                masked tokens at its end are not seen; NULL: all. Not in training */
} bert_inputs;

enum {
    BERT_WANT_POOLER = 1,
    BERT_WANT_HIDDEN_STATES = 2,
    BERT_WANT_ATTENTIONS = 4,
    BERT_WANT_LOGITS = 8,
    BERT_SKIP_HIDDEN = 16 /* last_hidden_state is not wanted (it is NULL): pooler and logits may
                             then cost less, to the same bits */
};

/* Arrays belong to the session, valid until its next call. T = start[n], H = hidden_size, L =
 * layers. */
typedef struct {
    int32_t tokens, hidden_size, layers, heads;
    const float *last_hidden_state; /* [T, H]; NULL when skipped */
    const float *pooler_output;     /* [n, pooler_size]; NULL unless wanted and the checkpoint has a
                                       pooler (DINOv2: the first token) */
    const float *const
        *hidden_states; /* L + 1 matrices [T, H], embeddings first; NULL unless wanted */
    const float *const *
        attentions; /* L blocks: for each sequence in turn, [heads, len, len]; NULL unless wanted */
    const float *logits; /* [logit_rows, logit_cols]; NULL unless wanted and the model has a head */
    int32_t logit_rows, logit_cols;
    int32_t pooler_size; /* H, unless pooler_output_size says otherwise */
} bert_outputs;

/* The forward pass. want: BERT_WANT_... or'ed together. Errors: an id or length out of range
 * (BERT_EINVAL, BERT_ETOOLONG), non-finite results (BERT_ENUMERIC). Each sequence's results are the
 * same to the bit whatever else is in the batch and however many threads there are. */
BERT_API int bert_session_run(bert_session *s, const bert_inputs *inputs, unsigned want,
                              bert_outputs *out, bert_error *e);
/* From any thread, or a signal handler: the call that runs on s, task or bert_session_run(), ends
 * with BERT_EINTERRUPTED at its next layer or text, and so does every further one, until
 * bert_session_cancel(s, false). Then s is as usable as before. */
BERT_API void bert_session_cancel(bert_session *s, bool cancelled);
/* Bytes of working memory held by the session (packed weights, and shared threads' included). */
BERT_API size_t bert_session_memory(const bert_session *s);

typedef enum {
    BERT_POOLING_DEFAULT, /* sentence-transformers' 1_Pooling/config.json, else mean */
    BERT_POOLING_MEAN,
    BERT_POOLING_CLS,
    BERT_POOLING_MAX,
    BERT_POOLING_SUM,
    BERT_POOLING_POOLER,        /* pooler_output */
    BERT_POOLING_MEAN_SQRT_LEN, /* "mean_sqrt_len_tokens": the sum over the root of the number */
    BERT_POOLING_WEIGHTED_MEAN, /* "weightedmean": weights 1, 2, 3 .. */
    BERT_POOLING_LAST,          /* "lasttoken" */
    BERT_POOLING_COUNT
} bert_pooling;
enum { BERT_MAX_POOLINGS = 8 }; /* whose vectors stand side by side */
BERT_API const char *bert_pooling_name(bert_pooling p);
BERT_API int bert_pooling_parse(const char *name, bert_pooling *p, bert_error *e);
/* "cls,mean": how many there are, or a negative error. */
BERT_API int bert_poolings_parse(const char *names, bert_pooling list[BERT_MAX_POOLINGS],
                                 bert_error *e);
/* What the checkpoint asks for (never BERT_POOLING_DEFAULT; the first of several), and whether it
 * normalises (modules.json). */
BERT_API bert_pooling bert_model_pooling(const bert_model *m, bool *normalize);
/* All of them; how many. */
BERT_API int bert_model_poolings(const bert_model *m, bert_pooling list[BERT_MAX_POOLINGS]);
/* hidden [start[n], dim] -> out [n, dim]. */
BERT_API int bert_pool(bert_pooling p, const float *hidden, int32_t dim, const int32_t *start,
                       int32_t n, float *out, bert_error *e);
/* Each row to length 1 (divisor at least 1e-12). */
BERT_API void bert_normalize(float *rows, int32_t n, int32_t dim);
/* In -1 .. 1; of a vector and itself 1, of a vector of zeros 0. */
BERT_API double bert_cosine(const float *a, const float *b, int32_t dim);

/* sentence-transformers' similarities; the last two are distances with a minus. */
typedef enum {
    BERT_SIMILARITY_COSINE,
    BERT_SIMILARITY_DOT,
    BERT_SIMILARITY_EUCLIDEAN,
    BERT_SIMILARITY_MANHATTAN,
    BERT_SIMILARITY_COUNT
} bert_similarity;
/* "cosine", "dot", ... */
BERT_API const char *bert_similarity_name(bert_similarity s);
BERT_API int bert_similarity_parse(const char *name, bert_similarity *s, bert_error *e);
BERT_API double bert_similarity_of(bert_similarity s, const float *a, const float *b, int32_t dim);
/* What the checkpoint asks for (similarity_fn_name), else cosine. */
BERT_API bert_similarity bert_model_similarity(const bert_model *m);

/* Fewer bits for each number, as sentence-transformers' quantize_embeddings makes them. */
typedef enum {
    BERT_QUANTIZE_INT8,    /* -128 .. 127: 256 steps of the range of each column */
    BERT_QUANTIZE_UINT8,   /* 0 .. 255 */
    BERT_QUANTIZE_BINARY,  /* a bit a number, whether it is above 0; eight in a byte, less 128 */
    BERT_QUANTIZE_UBINARY, /* the same, as it is */
    BERT_QUANTIZE_COUNT
} bert_quantize;
BERT_API int bert_quantize_parse(const char *name, bert_quantize *q, bert_error *e);
/* Int8 and uint8 do. */
BERT_API bool bert_quantize_needs_ranges(bert_quantize q);
/* Bytes of a row. */
BERT_API int32_t bert_quantized_size(bert_quantize q, int32_t dim);
/* rows [n, dim] -> out [n, bert_quantized_size()], of int8_t or uint8_t. ranges [2, dim]: the least
 * and the largest of each column; NULL where they are not needed. */
BERT_API int bert_quantize_rows(bert_quantize q, const float *rows, int64_t n, int32_t dim,
                                const float *ranges, void *out, bert_error *e);

/* ------------------------------------------------------------------- 5. Tasks */

typedef enum {
    BERT_OVERFLOW_ERROR,    /* BERT_ETOOLONG names the text and its length */
    BERT_OVERFLOW_TRUNCATE, /* keep the front, or the end where bert_tokenizer_truncates_left();
                               bert_text_info.dropped says how much went */
    BERT_OVERFLOW_WINDOW    /* every token is read: windows, averaged by their token counts */
} bert_overflow;
BERT_API int bert_overflow_parse(const char *name, bert_overflow *o, bert_error *e);

/* sentence-transformers' encode(), encode_query() and encode_document(). */
typedef enum { BERT_SIDE_NONE, BERT_SIDE_QUERY, BERT_SIDE_DOCUMENT, BERT_SIDE_COUNT } bert_side;
BERT_API int bert_side_parse(const char *name, bert_side *s, bert_error *e);

typedef struct {
    int32_t max_length; /* tokens, specials included; 0: sentence_bert_config.json's max_seq_length,
                           else the tokenizer's or the model's limit, whichever is smaller */
    bert_overflow overflow; /* default BERT_OVERFLOW_ERROR */
    int32_t stride;         /* shared by neighbouring windows */
    /* A text that cannot be done (too long, NULL, without a [MASK] ..) fails alone: its info, which
     * is needed then, has code and message, its numbers are zeros and its list is empty. Else the
     * first such text fails the call. What is no text's fault fails the call in any case. */
    bool keep_going;
    /* The rest is of bert_embed; prompts are of bert_rerank as well. */
    bert_pooling pooling;
    int normalize; /* -1: what the checkpoint asks for; 0; 1: at the end, whatever that is */
    bert_pooling joined[BERT_MAX_POOLINGS - 1]; /* further ones, whose vectors stand behind that of
                                                   `pooling`; BERT_POOLING_DEFAULT ends */
    const char *prompt;      /* put before each text; "": none; NULL: what prompt_name says */
    const char *prompt_name; /* one of the checkpoint's; NULL: its default one, if there is one */
    int32_t dimensions;      /* only the first of the vector (Matryoshka); 0: the checkpoint's
                                truncate_dim, else all */
    int32_t skip_layers;     /* the last ones, so that an earlier hidden state is pooled; of all
                                layers: the embeddings */
    bert_side side;     /* of a search; what the checkpoint does with it, its prompt among that */
    int32_t max_active; /* of a sparse vector: only so many, the largest; 0: the checkpoint's
                                max_active_dims, else all */
} bert_text_options;
BERT_API bert_text_options bert_text_default(void);
/* Prompts of config_sentence_transformers.json. Their names, i from 0, NULL past the end; the text
 * of one, NULL where there is none of that name; of the default one (name NULL) "" where there is
 * none. */
BERT_API const char *bert_model_prompt_name(const bert_model *m, int i);
BERT_API const char *bert_model_prompt(const bert_model *m, const char *name);

typedef struct {
    int32_t tokens;  /* tokens read, specials included */
    int32_t dropped; /* tokens of the text that were not read */
    int32_t windows;
    int code;            /* keep_going: BERT_OK, or why this text has no result, */
    const char *message; /* in words that begin "text i", or NULL; the session's, until its next
                            task */
} bert_text_info;

/* How many numbers bert_embed() writes for a text under these options (NULL: the default ones):
 * hidden_size, unless several poolings are joined, a Dense of modules.json makes another number of
 * it, or the vector is cut. */
BERT_API int32_t bert_model_embedding_size(const bert_model *m, const bert_text_options *options);
/* One vector for each of n texts: out [n, bert_model_embedding_size()]; info [n] or NULL. As
 * sentence-transformers' encode(): the prompt and the text; the tokens pooled; the modules of
 * modules.json behind the pooling (Dense, LayerNorm, Normalize); cut to `dimensions`. What
 * modules.json asks for and is not there is an error (BERT_ENOTFOUND, BERT_EUNSUPPORTED), unless
 * `pooling` is given: then Normalize is the only module that counts. */
BERT_API int bert_embed(bert_session *s, const bert_text *texts, int32_t n,
                        const bert_text_options *options, float *out, bert_text_info *info,
                        bert_error *e);

/* ---- Beside one vector a text: weights of words, and a vector for each token */

enum {
    BERT_VECTORS_DENSE = 1,
    BERT_VECTORS_SPARSE = 2,
    BERT_VECTORS_MULTI = 4
}; /* or'ed together */
/* "dense,sparse": the kinds, or a negative error. */
BERT_API int bert_vectors_parse(const char *names, bert_error *e);
/* "sparse", of one kind. */
BERT_API const char *bert_vectors_name(unsigned kind);
/* Whether m makes vectors of one kind: BERT_OK, or why not. Sparse ones are made by a head of masked
 * words (SPLADE) or by bge-m3's sparse_linear.pt; those of tokens by the checkpoints of
 * sentence-transformers' MultiVectorEncoder, PyLate and ColBERT, and by colbert_linear.pt. */
BERT_API int bert_model_makes(const bert_model *m, unsigned kind, bert_error *e);

/* Words of a text, or such that it does not hold: ids, rising, and weights above 0. */
typedef struct {
    int32_t n;
    const int32_t *ids;
    const float *weights;
} bert_sparse_vector;
/* A vector for each token that counts, in the order of the text: rows [n, multi_size]. */
typedef struct {
    int32_t n;
    const int32_t *ids; /* the tokens */
    const float *rows;
} bert_multi_vector;
/* Where the vectors of n texts are. */
typedef struct {
    float *dense; /* the caller's: [n, bert_model_embedding_size()] */
    const bert_sparse_vector
        *sparse; /* [n], the session's until its next task; NULL: not asked for */
    const bert_multi_vector *multi;  /* the same */
    int32_t sparse_size, multi_size; /* words of the vocabulary; numbers of a token's vector */
} bert_vectors;
/* bert_embed() for several kinds of vectors, in one pass through the model. Of sentence-transformers'
 * SparseEncoder sparse ones are encode()'s; those of tokens are what its MultiVectorEncoder makes of
 * queries or documents (BERT_SIDE_NONE: of documents): markers, lengths, expansion of queries and
 * words that are skipped as the checkpoint says. A text in windows has the largest weights of them, and
 * their tokens' vectors one after another. */
BERT_API int bert_embed_vectors(bert_session *s, const bert_text *texts, int32_t n,
                                const bert_text_options *options, unsigned kinds,
                                bert_vectors *vectors, bert_text_info *info, bert_error *e);
/* The sum of what both weigh, multiplied. */
BERT_API double bert_sparse_dot(const bert_sparse_vector *a, const bert_sparse_vector *b);
/* For each vector of the query the largest product with one of the document's, summed up. */
BERT_API double bert_max_sim(const bert_multi_vector *query, const bert_multi_vector *document,
                             int32_t size);
/* How well n texts fit a query by their vectors of one kind: out [n]. The similarity of dense vectors is
 * the checkpoint's, of sparse ones bert_sparse_dot(), of tokens' bert_max_sim() (divided by the
 * query's vectors where the checkpoint says so: "meanmaxsim", bge-m3). */
BERT_API int bert_rerank_vectors(bert_session *s, const bert_text *query, const bert_text *texts,
                                 int32_t n, const bert_text_options *options, unsigned kind,
                                 float *out, bert_text_info *info, bert_error *e);

/* What becomes of a classifier's logits: function_to_apply of transformers' pipeline. */
typedef enum {
    BERT_SCORES_DEFAULT, /* by the problem type: softmax of a single label, sigmoid of several, the
                            value itself of a regression; of one label without a type sigmoid */
    BERT_SCORES_NONE,    /* the logits */
    BERT_SCORES_SIGMOID,
    BERT_SCORES_SOFTMAX,
    BERT_SCORES_COUNT
} bert_scores;
/* "default", "none", "sigmoid", "softmax" */
BERT_API int bert_scores_parse(const char *name, bert_scores *s, bert_error *e);
/* Head scores for each of n texts: out [n, num_labels]. Where bert_model_views() is more than 1, of
 * each of n rows of so many texts, one row after the other: texts and info [n * views]; a row of which
 * one text fails has failed, and texts are not read in windows. */
BERT_API int bert_classify(bert_session *s, const bert_text *texts, int32_t n,
                           const bert_text_options *options, bert_scores scores, float *out,
                           bert_text_info *info, bert_error *e);

/* A cross-encoder's scores of n texts for one query: out [n], and the logits that they come from
 * [n], or NULL: many scores near 1 are the same. Of one label BERT_SCORES_DEFAULT is what the
 * checkpoint says (activation_fn), else its logistic function; of two labels it is the probability
 * of the second one, and the logit what that one has more than the first. */
BERT_API int bert_rerank(bert_session *s, const bert_text *query, const bert_text *texts, int32_t n,
                         const bert_text_options *options, bert_scores scores, float *out,
                         float *logits, bert_text_info *info, bert_error *e);

/* The tasks below give the results of transformers' pipelines. What they point to belongs to the
 * session, until its next task. Offsets are code points of the text, as Python counts them.
 *
 * Each has a form for n texts, which go through the model together: that is faster than one by one,
 * and the results are the same bits. Where a text has a list of results, those of text i are
 * (*out)[(*start)[i]] to (*out)[(*start)[i + 1] - 1]; start is [n + 1], the session's as they are;
 * what is returned is how many there are of all texts. info: [n], or NULL. */

/* A token in the place of a [MASK]. */
typedef struct {
    int32_t mask;  /* which [MASK] of the text, from 0 */
    int32_t token; /* id; no token's, and nothing in text, where the model's vocabulary is padded */
    float score;   /* probability: among all tokens, whatever the targets are */
    const char *text; /* the text with it in place; with the specials where several are masked */
} bert_fill_result;
/* The top_k likeliest tokens of each [MASK] of a text, best first, mask by mask; of a masked-lm
 * head. targets: only these tokens, each one of the vocabulary; or NULL, 0. Returns how many
 * results there are, or a negative error (no mask in the text among them). info may be NULL. */
BERT_API int bert_fill(bert_session *s, const bert_text *text, const bert_text_options *options,
                       int32_t top_k, const char *const *targets, int32_t targets_count,
                       const bert_fill_result **out, bert_text_info *info, bert_error *e);
BERT_API int bert_fill_batch(bert_session *s, const bert_text *texts, int32_t n,
                             const bert_text_options *options, int32_t top_k,
                             const char *const *targets, int32_t targets_count,
                             const bert_fill_result **out, const int32_t **start,
                             bert_text_info *info, bert_error *e);

/* Multiple choice: out [n] = probabilities of n endings of one prompt, which add up to 1.
 * info: [n] of the pairs of prompt and ending, or NULL. */
BERT_API int bert_choose(bert_session *s, const bert_text *prompt, const bert_text *endings,
                         int32_t n, const bert_text_options *options, float *out,
                         bert_text_info *info, bert_error *e);
/* The endings of prompt i are endings[start[i]] to endings[start[i + 1] - 1], at least one; out and
 * info [start[n]]. A prompt of which one pair fails has failed: all its pairs have the code. */
BERT_API int bert_choose_batch(bert_session *s, const bert_text *prompts, int32_t n,
                               const bert_text *endings, const int32_t *start,
                               const bert_text_options *options, float *out, bert_text_info *info,
                               bert_error *e);

typedef struct {
    const char *hypothesis_template; /* "{}" stands for the label; NULL: "This example is {}." */
    bool multi_label;                /* each label on its own, not one of all */
} bert_zero_shot_options;
/* Zero-shot classification by a checkpoint trained on natural language inference, one of whose
 * labels begins with "entail": out [n] = the score of each label. options may be NULL.
 * info: [n] of the pairs of text and hypothesis, or NULL. */
BERT_API int bert_zero_shot(bert_session *s, const bert_text *text, const char *const *labels,
                            int32_t n, const bert_zero_shot_options *options,
                            const bert_text_options *task, float *out, bert_text_info *info,
                            bert_error *e);
/* out and info [n, labels_count]. A text of which one pair fails has failed: all its pairs have the
 * code. */
BERT_API int bert_zero_shot_batch(bert_session *s, const bert_text *texts, int32_t n,
                                  const char *const *labels, int32_t labels_count,
                                  const bert_zero_shot_options *options,
                                  const bert_text_options *task, float *out, bert_text_info *info,
                                  bert_error *e);

/* How tokens become entities: as they are; neighbours of one entity joined; or words first, by the
 * label of their first token, the mean of their tokens' scores, or their surest token. */
typedef enum {
    BERT_AGGREGATE_NONE,
    BERT_AGGREGATE_SIMPLE,
    BERT_AGGREGATE_FIRST,
    BERT_AGGREGATE_AVERAGE,
    BERT_AGGREGATE_MAX
} bert_aggregation;
BERT_API int bert_aggregation_parse(const char *name, bert_aggregation *a, bert_error *e);
typedef struct {
    const char *entity; /* the label; without its prefix where joined */
    float score;
    int32_t index; /* BERT_AGGREGATE_NONE: the token's place in its window; else -1 */
    int32_t start, end;
    const char *word;
} bert_entity;
/* The entities of a text, those labelled ignore left out (NULL: "O"); of a token-classification
 * head. Returns how many, or a negative error. info may be NULL. */
BERT_API int bert_tag(bert_session *s, const bert_text *text, const bert_text_options *options,
                      bert_aggregation aggregation, const char *ignore, const bert_entity **out,
                      bert_text_info *info, bert_error *e);
BERT_API int bert_tag_batch(bert_session *s, const bert_text *texts, int32_t n,
                            const bert_text_options *options, bert_aggregation aggregation,
                            const char *ignore, const bert_entity **out, const int32_t **start,
                            bert_text_info *info, bert_error *e);

typedef struct {
    int32_t max_length; /* of a window; 0: 384, or less where the model takes less */
    int32_t doc_stride; /* tokens that windows share; -1: 128, or half of max_length */
    int32_t top_k, max_answer_length; /* answers; their tokens: 1, 15 */
    bool handle_impossible_answer;    /* "" may be the answer */
    bool align_to_words;              /* whole words; true */
    bool keep_going;                  /* as in bert_text_options */
} bert_answer_options;
BERT_API bert_answer_options bert_answer_default(void);
typedef struct {
    const char *text; /* a part of the context; "" where there is no answer */
    int32_t start, end;
    double score;
    size_t bytes; /* of text, which may hold zero bytes if the context does */
} bert_answer;
/* The best answers to a question in a context of any length, best first; of a question-answering
 * head. options may be NULL. Returns how many, or a negative error. */
BERT_API int bert_answer_question(bert_session *s, const bert_text *question,
                                  const bert_text *context, const bert_answer_options *options,
                                  const bert_answer **out, bert_error *e);
/* texts: questions, each with its context as the pair. */
BERT_API int bert_answer_batch(bert_session *s, const bert_text *texts, int32_t n,
                               const bert_answer_options *options, const bert_answer **out,
                               const int32_t **start, bert_text_info *info, bert_error *e);

/* ------------------------------------------------------------------- 6. Files */

/* Records of a text file, read one at a time: files may be larger than memory.
 *
 * .txt has one text a line. .tsv is split at tabs, without quoting, as GLUE's files are. .csv has
 * RFC 4180 quotes. .jsonl and .json have objects, one a line, over several lines, or in one array;
 * numbers become text, lists of labels their elements joined by "|". A byte order mark, CRLF and
 * blank lines (except in .txt, where a blank line is an empty text) are passed over; UTF-16, line
 * ends of an old Mac, and .csv that is separated by semicolons or tabs, as its header shows, are
 * read as what they are.
 *
 * Columns are found by name, or by number from 0; where none is asked for, by the usual names
 * (text, sentence, review, question, tweet, comment ..; label; else one of score, target, class,
 * sentiment, category ..). A second text is read where a pair column is asked for, and, where no
 * column is, in known files of pairs (sentence1 and sentence2, premise and hypothesis, question1
 * and question2 ..). The first record is a header when it holds a usual name or one that was asked
 * for. In a file without a header text is the first column and the label the last; a first record
 * that looks like a header and has no usual name is an error. */
typedef struct bert_reader bert_reader;
typedef enum {
    BERT_FORMAT_AUTO, /* by the file's name; .txt for standard input; a .txt with labels is .tsv */
    BERT_FORMAT_TXT,
    BERT_FORMAT_CSV,
    BERT_FORMAT_TSV,
    BERT_FORMAT_JSONL
} bert_row_format;
typedef struct {
    bert_row_format format;
    const char *text_column, *pair_column; /* a name or number; NULL: the usual ones. pair_column ""
                                              or "none": no second text, in any file */
    const char *label_column;              /* the same; "a,b,c": several columns */
    bool labels;                           /* a label is needed: none is an error */
    /* For notes: what the text column holds (NULL: "text"), and "a,b": further columns that the caller
     * reads by bert_row's fields. */
    const char *holds, *also;
} bert_reader_options;
typedef struct {
    bert_text text;           /* pair NULL where there is no pair column */
    int labels;               /* how many label columns, 0 if none */
    const char *const *label; /* their fields, NUL-terminated; NULL where .jsonl has null or no such
                                 member. An empty field is "" */
    bool label_is_list;       /* JSON: one is an array */
    int fields;               /* all fields of the record, */
    const char *const *field; /* NUL-terminated, in the order of bert_reader_column() */
    int64_t line;             /* where the record starts, from 1 */
} bert_row;
/* path "-": standard input. options may be NULL. */
BERT_API bert_reader *bert_reader_open(const char *path, const bert_reader_options *options,
                                       bert_error *e);
BERT_API void bert_reader_close(bert_reader *r);
/* 1 and *row, valid until the next call; 0 at the end; or a negative error ("train.csv:17: 3 fields
 * where the header has 4"). A file with no row at all is an error, at the first call. */
BERT_API int bert_reader_next(bert_reader *r, bert_row *row, bert_error *e);
/* The number of a column by its name, or -1. */
BERT_API int bert_reader_column(const bert_reader *r, const char *name);
/* The first line names no known column and none was asked for: it is the first row. */
BERT_API bool bert_reader_guessed(const bert_reader *r);
/* Lines that say how the file is read: its columns where there are several, what separates them,
 * how its text is encoded; i counts from 0, NULL past the end. They belong to the reader. */
BERT_API const char *bert_reader_note(const bert_reader *r, int i);
/* Records so far with bytes that are not UTF-8. */
BERT_API int64_t bert_reader_invalid(const bert_reader *r);

/* A stretch of whole records of a file; bert_row_parts_new() of bert_group.h finds them. */
typedef struct {
    int64_t begin, end; /* bytes of the file, from a record's line to behind its last one's */
    int64_t line;       /* of the first record, from 1 */
    int64_t row, rows;  /* records in front of it, and in it */
} bert_row_part;
/* The rows to come are those of a part of this reader's file, with their lines, in any order of parts;
 * 0 of bert_reader_next() is the part's end. */
BERT_API int bert_reader_take(bert_reader *r, const bert_row_part *part, bert_error *e);

/* A WordPiece vocabulary made from text, as PyPI tokenizers' BertWordPieceTokenizer.train() does it
 * (Sennrich et al. 2016, with "##" for what goes on): characters, then the most frequent pair of
 * neighbours again and again. */
typedef struct {
    int32_t vocab_size;               /* 30000, the five specials included */
    int32_t min_frequency;            /* 2: of a pair */
    int32_t limit_alphabet;           /* 1000: the most frequent characters; others become [UNK] */
    bert_tokenizer_options tokenizer; /* how text is normalised, now and by the tokenizer */
    bert_reader_options reader;       /* of the files: text_column */
    int threads; /* that count; 0: as many as there are cores. The result is the
                                         same for any number */
} bert_wordpiece_options;
BERT_API bert_wordpiece_options bert_wordpiece_default(void);
/* Reads n files and writes the tokenizer's files into directory, in the place of those of a tokenizer
 * that is there. options may be NULL. */
BERT_API int bert_train_wordpiece(const char *const *paths, int n,
                                  const bert_wordpiece_options *options, const char *directory,
                                  bert_error *e);
/* The same for byte-level BPE, RoBERTa's: the merges are those that `tokenizers` learns of the same
 * texts (BpeTrainer, with all bytes as its alphabet). Of the options it looks at vocab_size,
 * min_frequency, reader and threads. Writes vocab.json and merges.txt, too. */
BERT_API int bert_train_bpe(const char *const *paths, int n, const bert_wordpiece_options *options,
                            const char *directory, bert_error *e);

/* A Unigram vocabulary (Kudo 2018), learned as SentencePiece learns it: pieces that are there more
 * than once, of a suffix array; expectation and maximization; those that are missed least are left
 * out, again and again. The names are SentencePiece's; "<s>", "<pad>", "</s>" and "<unk>" are the
 * first ids, "<mask>" is the last one, as XLM-RoBERTa has them. */
typedef struct {
    int32_t vocab_size;         /* 30000, the five specials included */
    double character_coverage;  /* 0.9995: of the text, by the characters that become pieces; the
                                   rest, the rarest ones, is <unk> */
    int32_t max_piece_length;   /* 16 characters */
    double shrinking_factor;    /* 0.75: how much of the pieces each round leaves */
    int32_t num_sub_iterations; /* 2: of expectation and maximization in a round */
    int32_t seed_size;          /* 1000000: pieces to begin with */
    const char *normalization;  /* NULL: "nfkc"; "nfkc_lowercase", "identity" */
    bert_reader_options reader;
    int threads; /* 0: as many as there are cores. The result is the same to the bit for any number */
} bert_unigram_options;
BERT_API bert_unigram_options bert_unigram_default(void);
/* Reads n files and writes the tokenizer's files into directory. options may be NULL. */
BERT_API int bert_train_unigram(const char *const *paths, int n,
                                const bert_unigram_options *options, const char *directory,
                                bert_error *e);

/* Writes a float32 matrix as NumPy's .npy, and reads one of floats (of 2, 4 or 8 bytes) as float32
 * ([rows, cols]; a vector has one column; *data is malloc'ed). */
BERT_API int bert_save_npy(const char *path, const float *data, int64_t rows, int64_t cols,
                           bert_error *e);
BERT_API int bert_load_npy(const char *path, float **data, int64_t *rows, int64_t *cols,
                           bert_error *e);

/* A named matrix of a safetensors file; exactly one of f32 and i32 is set. cols 0: a vector. */
typedef struct {
    const char *name;
    const float *f32;
    const int32_t *i32;
    int64_t rows, cols;
} bert_named_matrix;
BERT_API int bert_save_matrices(const char *path, const bert_named_matrix *matrices, int n,
                                bert_error *e);

/* --------------------------------------------------------------------- 7. Hub */

/* Models by name, "org/name" or "name", with "@revision" behind it where another one than main is
 * meant: in the hub's cache ($HF_HUB_CACHE, $HF_HOME/hub, ~/.cache/huggingface/hub), which
 * huggingface_hub reads and writes as well, and in our own store ($BERT_HOME/models,
 * ~/.cache/bert/models). Nothing is fetched, and no network library loaded, unless bert_pull() is
 * called or the options of bert_model_open() or bert_tokenizer_open() ask for it. */

/* The directory that a model name stands for: a directory as it is, else what the caches hold under
 * that name. Writes at most capacity bytes. Not found: the message says where it looked. */
BERT_API int bert_resolve(const char *name, char *directory, size_t capacity, bert_error *e);
/* Whether `name` is a directory here, as bert_resolve() takes it, and that of a model in the cache
 * as well, which is written to directory. */
BERT_API bool bert_resolve_hidden(const char *name, char *directory, size_t capacity);

/* What models are fetched with ("the hub's protocol over libcurl"); NULL: this installation has no
 * module for it (bert_hub.h), and e says where it was looked for. */
BERT_API const char *bert_pull_module(bert_error *e);
/* bert_resolve(), but what is not in the caches, or not whole, is fetched as bert_pull() does
 * (`cached` is true in any case). options NULL: nothing is. */
BERT_API int bert_find(const char *name, const bert_pull_options *options, char *directory,
                       size_t capacity, bert_error *e);

/* What bert_pull() tells while it works, about ten times a second. */
typedef struct {
    const char *file;       /* that is being fetched; "" before the first one */
    int64_t bytes, total;   /* of all files that this call fetches */
    int64_t resumed;        /* of bytes: what an earlier call had fetched */
    int files, files_total; /* that are whole; that were to be fetched */
    const char *waiting;    /* what is waited for ("the server is busy ..."), or NULL */
} bert_pull_progress;

struct bert_pull_options {
    const char *revision; /* a branch, tag or commit; NULL: that behind the name's "@", else main */
    const char *endpoint; /* NULL: HF_ENDPOINT, else https://huggingface.co */
    const char
        *token; /* NULL: token_file, else HF_TOKEN, else what 'hf auth login' left; "": none */
    const char *token_file; /* NULL: none is named */
    const char *local_dir;  /* fetch into this directory, not into the cache */
    bool offline;           /* what is cached, or an error; no socket is made */
    bool cached; /* what is cached and whole is taken without asking what the revision is now */
    bool without_weights; /* configuration and tokenizer are enough */
    /* A return other than 0 ends the call with BERT_EINTERRUPTED; what has arrived is kept. */
    int (*progress)(void *context, const bert_pull_progress *p);
    void *context;
};
/* Offline where HF_HUB_OFFLINE (or TRANSFORMERS_OFFLINE) says so. */
BERT_API bert_pull_options bert_pull_default(void);

typedef struct {
    char path[4096]; /* the directory that holds the model */
    char name[200];  /* as the hub calls it now, which may be another name than was asked for */
    char commit[64];
    int64_t bytes;   /* of all its files */
    int64_t fetched; /* over the network, by this call */
    int files;
    char note[400]; /* that the hub could not be reached and the cache was used, or that digests
                          were not given; "" */
} bert_pulled;
/* Fetches what a model needs of a repository and is not in the cache yet: configuration, tokenizer
 * and one form of weights. What arrives is compared with the digests that the hub lists and appears
 * whole or not at all; what an interrupted call has fetched is gone on from; two processes do not
 * fetch the same file twice. Where the hub cannot be reached the cache is used. options and out may
 * be NULL. Errors: BERT_ENOTFOUND, BERT_EDENIED (gated, private, taken down), BERT_EIO (no network,
 * no room on the disk), BERT_EFORMAT (what arrives is wrong), BERT_EUNSUPPORTED (no module that
 * fetches: bert_hub.h). */
BERT_API int bert_pull(const char *name, const bert_pull_options *options, bert_pulled *out,
                       bert_error *e);

/* What bert_push() tells while it works. */
typedef struct {
    const char *file;     /* that is being sent; "" before the first one */
    int64_t bytes, total; /* of large files; of all */
    const char *waiting;
} bert_push_progress;

typedef struct {
    const char *revision;                      /* an existing branch; NULL: main */
    const char *endpoint, *token, *token_file; /* as bert_pull_options' */
    const char *message;                       /* of the commit; NULL: "Upload with bert" */
    bool is_private;                           /* of a repository that is made; default true */
    int (*progress)(void *context, const bert_push_progress *p);
    void *context;
    /* Asked who may see a repository that is not there, before it is made; an error ends the call. NULL:
     * is_private says so. */
    int (*visibility)(void *context, const char *name, bool *is_private, bert_error *e);
} bert_push_options;
BERT_API bert_push_options bert_push_default(void);

typedef struct {
    char url[512], commit[64];
    int64_t bytes;       /* of its files */
    int files, uploaded; /* uploaded: large files that the hub did not have */
} bert_pushed;
/* Uploads a model's directory into a repository, which is made where it is not there: one commit of all
 * that differs. Hidden files, checkpoint-* and what is not whole are left out. What the hub has of an
 * interrupted call is not sent again. options and out may be NULL. */
BERT_API int bert_push(const char *directory, const char *name, const bert_push_options *options,
                       bert_pushed *out, bert_error *e);
/* The same without files: the repository is made where it is not there. What would stop an upload (no
 * token, one that may not write, no network) is told before the work whose result is to be uploaded. */
BERT_API int bert_push_prepare(const char *name, const bert_push_options *options, bert_error *e);

/* A model in the caches: a snapshot of a repository, or a directory of our own store. */
typedef struct {
    const char *name, *path;
    const char *commit;   /* "" in our own store */
    const char *refs;     /* revisions that lead to it, by commas ("main, v1"); may be "" */
    const char *lacks;    /* a file that a model needs and is not there; NULL: it is whole */
    int64_t bytes, files; /* of its files, each counted once */
    int64_t modified;     /* seconds since 1970 */
} bert_cached_model;
/* What the caches hold, by name. Shared. */
typedef struct bert_cached bert_cached;
BERT_API bert_cached *bert_cached_open(bert_error *e);
BERT_API void bert_cached_close(bert_cached *c);
BERT_API int bert_cached_count(const bert_cached *c);
/* NULL past the end. */
BERT_API const bert_cached_model *bert_cached_at(const bert_cached *c, int i);
/* Removes all revisions of a model from the hub's cache ("org/name@REVISION": that one, a branch, tag or
 * commit, and what leads to it), or a directory of our own store. What other models share with it stays;
 * one that is being fetched is an error. freed: bytes, or NULL. */
BERT_API int bert_cached_remove(const char *name, int64_t *freed, bert_error *e);

/* ---------------------------------------------------------------- 8. Pictures */

/* Pictures as Pillow reads them, and as transformers' image processors (those of Pillow) make them
 * ready for a model: the same bits. PNG, JPEG and WebP are read by the system's libraries, which a
 * module brings, libbert-image.so: it is loaded when the first picture is decoded. */
typedef struct bert_image bert_image;
typedef struct {
    int32_t width, height;
    int32_t channels; /* 1: grey; 3: red, green, blue */
    int32_t bits;     /* of a sample: 8, or 16 (grey only) */
    /* Of 16 bits: the values that become 0 and 1; own_range: those of the picture itself, its least
     * and its largest, for nobody said more. */
    double low, high;
    bool own_range;
} bert_image_info;
typedef struct {
    int64_t max_pixels; /* more are refused before memory is taken; 0: 178956970, Pillow's limit */
    /* Of 16-bit grey: the values that become 0 and 1, what lies outside is held there. Both 0: the
     * range of the picture itself. Such pictures keep their bits up to the model. */
    double range_low, range_high;
} bert_image_options;
BERT_API bert_image_options bert_image_default(void);
/* A file, or what is in one. Turned upright as EXIF (or XMP) says; alpha is dropped, not blended;
 * palettes and CMYK become RGB. A file that is cut off or damaged, or no picture, is BERT_EFORMAT,
 * too many pixels are BERT_ETOOLONG, a module that is not there is BERT_ENOTFOUND. options may be
 * NULL. */
BERT_API bert_image *bert_image_open(const char *path, const bert_image_options *options,
                                     bert_error *e);
BERT_API bert_image *bert_image_decode(const void *bytes, size_t n,
                                       const bert_image_options *options, bert_error *e);
/* Of samples in memory [height, width, channels], uint8_t or uint16_t, which are copied; of 16 bits
 * low and high count as range_low and range_high do. */
BERT_API bert_image *bert_image_of(const void *samples, const bert_image_info *info, bert_error *e);
BERT_API void bert_image_free(bert_image *image);
BERT_API bert_image_info bert_image_about(const bert_image *image);
/* [height, width, channels]: uint8_t, or uint16_t of 16 bits; the picture's. */
BERT_API const void *bert_image_samples(const bert_image *image);
/* A file of a picture, whose format is that of the path's ending (".png", the only one that is
 * written): samples as they are, 16 bits included. It appears whole or not at all. */
BERT_API int bert_image_save(const bert_image *image, const char *path, bert_error *e);
/* The same into memory: *bytes is malloc'ed, for the caller to free(). ending: ".png" */
BERT_API int bert_image_encode(const bert_image *image, const char *ending, void **bytes, size_t *n,
                               bert_error *e);
/* Format i of those that this build reads: "PNG"; library (or NULL) is filled with the name and
 * version of what reads it. False past the end, and where the module is not there. */
BERT_API bool bert_image_format_at(int i, const char **name, char *library, size_t capacity);

/* Pillow's filters under its numbers. */
typedef enum {
    BERT_RESAMPLE_NEAREST,
    BERT_RESAMPLE_LANCZOS,
    BERT_RESAMPLE_BILINEAR,
    BERT_RESAMPLE_BICUBIC,
    BERT_RESAMPLE_BOX,
    BERT_RESAMPLE_HAMMING,
    BERT_RESAMPLE_COUNT
} bert_resample;
/* A new picture, of 8 bits as the old one, as Image.resize() of Pillow 13 makes it. */
BERT_API bert_image *bert_image_resize(const bert_image *image, int32_t width, int32_t height,
                                       bert_resample filter, bert_error *e);

/* preprocessor_config.json: what is done to a picture, in this order. */
typedef struct {
    bool do_resize, do_center_crop, do_rescale, do_normalize;
    int32_t height, width; /* of the resized picture, */
    int32_t shortest_edge; /* unless this is given: of its shorter side, and the other one fits */
    bert_resample resample;
    int32_t crop_height, crop_width; /* from the middle; what is smaller gets zeros around it */
    double rescale_factor;           /* 1 / 255 */
    float image_mean[3], image_std[3];
    int32_t channels; /* 3, or 1: colours become grey before anything else */
} bert_image_processor;
/* What a model_type has where its checkpoint says nothing. */
BERT_API bert_image_processor bert_image_processor_default(const char *model_type);
/* A checkpoint's: processor_config.json or preprocessor_config.json, old or new, else the default
 * one of its model_type. BERT_EUNSUPPORTED names a processor that is not known. */
BERT_API int bert_image_processor_open(const char *name_or_path, bert_image_processor *p,
                                       bert_error *e);
/* The size of what becomes of a picture. */
BERT_API int bert_image_processed_size(const bert_image_processor *p, int32_t width, int32_t height,
                                       int32_t *out_width, int32_t *out_height, bert_error *e);
/* pixel_values: out [channels, height, width], as large as bert_image_processed_size() says. */
BERT_API int bert_image_process(const bert_image *image, const bert_image_processor *p, float *out,
                                bert_error *e);

/* Rows of pictures, one at a time. path: a folder whose folders are the classes of the pictures in them
 * (ImageFolder), or one with a metadata.csv or .jsonl; a table (.csv, .tsv, .jsonl) with columns of
 * paths; or a .txt, a path a line. Paths in a file are relative to it. */
typedef struct bert_picture_reader bert_picture_reader;
typedef struct {
    const char
        *image_column; /* a name or number; "cc,mlo": the views of a row; NULL: image, file_name,
                                 image_path, path, filename or file */
    const char *label_column; /* as in bert_reader_options, */
    bool labels;              /* and this, */
    const char *also;         /* and this */
} bert_picture_reader_options;
typedef struct {
    int views;               /* pictures of the row */
    const char *const *path; /* [views] */
    int labels;              /* as in bert_row; of class folders one, their name */
    const char *const *label;
    bool label_is_list;
    int fields; /* of a table: all of them, in the order of bert_picture_reader_column() */
    const char *const *field;
    int64_t line; /* of a table; else 0 */
} bert_picture_row;
/* options may be NULL. */
BERT_API bert_picture_reader *bert_picture_reader_open(const char *path,
                                                       const bert_picture_reader_options *options,
                                                       bert_error *e);
BERT_API void bert_picture_reader_close(bert_picture_reader *r);
/* 1 and *row, valid until the next call; 0 at the end; or a negative error. Files are not opened. */
BERT_API int bert_picture_reader_next(bert_picture_reader *r, bert_picture_row *row, bert_error *e);
/* A folder whose folders are splits (train, validation, test, also called training, valid, val, dev, testing)
 * with classes or a metadata.csv in them: the one for "train", "validation" or "test". False: it is no
 * such folder, or has no such split. */
BERT_API bool bert_picture_split(const char *path, const char *split, char *out, size_t capacity);
/* The number of a table's column by its name, or -1. */
BERT_API int bert_picture_reader_column(const bert_picture_reader *r, const char *name);
/* The file of the table, for messages; NULL: a folder without one. */
BERT_API const char *bert_picture_reader_table(const bert_picture_reader *r);
/* Lines that say how a table is read; NULL past the end. */
BERT_API const char *bert_picture_reader_note(const bert_picture_reader *r, int i);

/* ---- Pictures in the place of texts, for models of pictures (ViT, DeiT, DINOv2) */

typedef struct {
    const char *path;        /* a file, or */
    const bert_image *image; /* one that is read already (then the path is only a name) */
} bert_picture;
typedef struct {
    bert_image_options image;              /* how files are read */
    const bert_image_processor *processor; /* NULL: the checkpoint's */
    /* Pictures that the processor makes of another size than config.json's are taken, with positions
     * interpolated (interpolate_pos_encoding); else they are an error. DINOv2 takes them always. */
    bool interpolate;
    bool keep_going;      /* as in bert_text_options */
    bert_pooling pooling; /* of bert_embed_pictures: DEFAULT or CLS: the first token; MEAN: of the
                             patches; POOLER. What else there is, is of texts */
    int normalize;        /* 1: to length 1; 0 */
} bert_picture_options;
BERT_API bert_picture_options bert_picture_default(void);
typedef struct {
    bert_image_info image; /* what was read */
    int code;              /* keep_going: BERT_OK, or why there is no result, */
    const char *message;   /* in words that begin with the path, or "picture i"; the session's */
} bert_picture_info;
/* bert_classify() of n pictures, or of n rows of bert_model_views() pictures each: out [n,
 * num_labels]; options and info [n * views] may be NULL. Files are read by all threads of the
 * session. */
BERT_API int bert_classify_pictures(bert_session *s, const bert_picture *pictures, int32_t n,
                                    const bert_picture_options *options, bert_scores scores,
                                    float *out, bert_picture_info *info, bert_error *e);
/* A vector for each: out [n, bert_model_picture_embedding_size()]. */
BERT_API int32_t bert_model_picture_embedding_size(const bert_model *m,
                                                   const bert_picture_options *options);
BERT_API int bert_embed_pictures(bert_session *s, const bert_picture *pictures, int32_t n,
                                 const bert_picture_options *options, float *out,
                                 bert_picture_info *info, bert_error *e);

/* ------------------------------------------------------------ 9. Explanations */

/* What an output of a model rests on: a number for each token. Positive ones speak for the output,
 * negative ones against it; attention has no sign. */
typedef enum {
    /* Sundararajan et al. 2017, arXiv:1703.01365, on the words' embeddings e, with a base b of the
     * same shape: the sum over their columns of (e - b) times the mean of the output's gradient on
     * the straight line from b to e. All scores add up to the output at e less that at b, but for
     * what the number of steps leaves (delta). */
    BERT_EXPLAIN_INTEGRATED_GRADIENTS,
    /* The sum over columns of e times the gradient at e: Shrikumar et al. 2016, arXiv:1605.01713. */
    BERT_EXPLAIN_GRADIENT_X_INPUT,
    /* The probabilities of a layer's attention, the mean of its heads: what the token that the
     * output is read from looks at. They add up to 1. */
    BERT_EXPLAIN_ATTENTION,
    /* Abnar and Zuidema 2020, arXiv:2005.00928: the row of that token in the product of (A + I) / 2
     * of all layers, A being the mean of a layer's heads. They add up to 1. */
    BERT_EXPLAIN_ROLLOUT,
    BERT_EXPLAIN_COUNT
} bert_explain_method;
/* "integrated-gradients", "gradient-x-input", "attention", "rollout" */
BERT_API const char *bert_explain_method_name(bert_explain_method m);
BERT_API int bert_explain_method_parse(const char *name, bert_explain_method *m, bert_error *e);

/* Which output: a logit. Of a classifier that of a label; of tags, and of words that are replaced or
 * hidden, that of a token; of question answering (the text is the question, its pair the context)
 * those of the best span. Attention and rollout are of the token that the output is read from (the
 * first one, where it is of the whole text, or all of them, where the head takes their mean), and
 * need no head. */
typedef struct {
    bert_explain_method method;
    const char
        *label;       /* NULL: the likeliest. A label of the model, or its number; "start", "end" or
                          "span" of question answering; "is_next", "not_next"; a token of the
                          vocabulary, of a masked one */
    const char *word; /* of heads of tokens: the first token of this word of the text; NULL: the
                          surest one that is not labelled O; the first mask */
    int32_t token;    /* or that token itself, from 0, specials included; -1: not given */
    const char
        *baseline;    /* b, of integrated gradients: "pad", the default, or "mask": the embedding
                             of that token in the place of every one but specials; "zero": zeros */
    const char *rule; /* of the integral, as captum names it: "gausslegendre", the default, or
                         "riemann_trapezoid", "riemann_left", "riemann_middle", "riemann_right" */
    int32_t steps;    /* of it: 50 */
    int32_t layer;    /* of attention, from 0; -1: the last */
    int32_t head;     /* of attention, from 0; -1: the mean of all */
    bool words;       /* tokens of a word are one, with the sum of their scores */
} bert_explain_options;
BERT_API bert_explain_options bert_explain_default(void);

typedef struct {
    const char *token;  /* of the vocabulary; of words the part of the text */
    int32_t sequence;   /* 0: of the text, 1: of the pair, -1: a special token of the template */
    int32_t start, end; /* code points of it */
    float score;
} bert_explained_token;
/* What it points to is the session's, until its next task; text points to what was given. */
typedef struct {
    bert_explain_method method;
    const char *label; /* of the output; NULL: it is not of one (attention without a head) */
    int32_t token;     /* that the output is of, specials included; -1: of the whole text */
    const char *word;  /* its part of the text; NULL where token is -1 */
    float output;      /* the logit; of a span the sum of two; NaN: the model has no head */
    float base_output; /* of integrated gradients: that at the base; else NaN */
    double delta;      /* sum of scores - (output - base_output), before rounding; else NaN */
    bert_text text;
    int32_t tokens;
    const bert_explained_token *of_token; /* [tokens] */
    /* Of pictures: a number for each patch, */
    int32_t views, down, across;
    const float *map;                  /* [views, down, across] */
    const bert_picture *pictures;      /* [views], as they were given */
    bert_image_options image;          /* how they were read, */
    bert_image_processor processor;    /* and made pixels, */
    int32_t patch_height, patch_width; /* so many of which are a patch */
} bert_explanation;
/* Of n texts: *out [n]. Gradients are those of float32 products (the session's precision, which is not
 * int8); steps go through the model together, without padding; the same bits for any number of
 * threads. BERT_OVERFLOW_WINDOW is refused. Errors beside the usual ones: no head, or none whose
 * outputs are known; an unknown label, token, word or base (BERT_EINVAL); an empty text; packed
 * weights (BERT_EUNSUPPORTED). options, explain and info may be NULL. */
BERT_API int bert_explain(bert_session *s, const bert_text *texts, int32_t n,
                          const bert_text_options *options, const bert_explain_options *explain,
                          const bert_explanation **out, bert_text_info *info, bert_error *e);

/* The same of pictures: n rows of `views` pictures each (1, or as many as the head joins), one row after
 * the other; *out [n]. What is explained is a label of a picture, by the pixels that the model reads,
 * added up over each patch; those of the base are 0 (the mean colour, where pixels are normalized), or
 * "black", "white". Attention and rollout are of the first token (DeiT: of both), in each view. The
 * pictures of a row have one size when they are read. info: [n * views], or NULL. */
BERT_API int bert_explain_pictures(bert_session *s, const bert_picture *pictures, int32_t n,
                                   int32_t views, const bert_picture_options *options,
                                   const bert_explain_options *explain,
                                   const bert_explanation **out, bert_picture_info *info,
                                   bert_error *e);
/* A view of an explanation over its picture, in the picture's size (or one that it was resized to):
 * grey, and coloured where patches speak for the output (green) or against it (red). For the caller to
 * free. */
BERT_API bert_image *bert_explanation_overlay(const bert_explanation *x, int32_t view,
                                              const bert_image *picture, bert_error *e);

/* A file of explanations that needs no other, by its name: ".html"; ".svg" of texts; ".png" of one
 * row of pictures, side by side. Words and patches are coloured: green speaks for the output, red
 * against it. Pictures are read again. It appears when it is closed. */
typedef struct bert_explain_file bert_explain_file;
BERT_API bert_explain_file *bert_explain_file_open(const char *path, bert_error *e);
BERT_API int bert_explain_file_add(bert_explain_file *f, const bert_explanation *x, bert_error *e);
/* Frees f in any case. */
BERT_API int bert_explain_file_close(bert_explain_file *f, bert_error *e);
BERT_API void bert_explain_file_abort(bert_explain_file *f);

/* ---------------------------------------------------------------- 10. Machine */

/* What the machine and the build offer: kernel level in use ("avx512"), and the list of levels ("c
 * avx2 avx512"). The environment variable BERT_ISA caps the level. */
BERT_API const char *bert_isa(void);
BERT_API const char *bert_isa_list(void);

#ifdef __cplusplus
}
#endif
#endif
