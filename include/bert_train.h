/* bert_train.h: tensors, tape, operations, layers, heads and the trainer.
 *
 * 1 parameters, 2 tape and operations, 3 model on the tape, 4 heads, 5 data, 6 metrics, 7 trainer.
 * Conventions as in bert.h, and what may change as there: sections 2 and 4 and the structs of
 * section 5 are the ones that grow with new families, tasks and devices.
 *
 * A step of a loop of one's own:
 *
 *     bert_tape_reset(t); // rewinds the arena; no malloc after warm-up
 *     bert_tensor *hidden = bert_forward(t, m, &batch.inputs);
 *     bert_tensor *logits = bert_head_forward(t, m, hidden, &batch);
 *     bert_tensor *loss = bert_cross_entropy(t, logits, batch.labels, NULL, 0, 0);
 *     if (bert_tape_backward(t, loss, 1, &e)) // adds to every parameter's gradient
 *         return e.code;
 *     bert_optimizer_step(opt, lr, max_norm, &norm, &e); // clips, updates, clears gradients
 */
#ifndef BERT_TRAIN_H
#define BERT_TRAIN_H
#include <bert.h>
#include <bert_group.h>
#include <signal.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------- 1. Parameters */

/* Named matrices with value and gradient. A parameter of a model is found in its checkpoint by
 * name, or initialised. */
typedef struct bert_params bert_params;
typedef struct bert_param bert_param;

typedef enum {
    BERT_INIT_ZERO,
    BERT_INIT_ONE,
    BERT_INIT_NORMAL /* N(0, initializer_range), transformers' Linear and Embedding */
} bert_init;

/* A set that belongs to no model (tests, small networks). initializer_range 0.02 is BERT's. */
BERT_API bert_params *bert_params_new(uint64_t seed, float initializer_range, bert_error *e);
BERT_API void bert_params_free(bert_params *ps);
/* Names, initialises (or finds in the checkpoint) and registers a [rows, cols] parameter; vectors
 * are [1, cols]. Afterwards save, load, freezing and weight decay know it. Weight decay skips
 * biases and LayerNorm by name. */
BERT_API bert_param *bert_param_new(bert_params *ps, const char *name, int32_t rows, int32_t cols,
                                    bert_init init, bert_error *e);
BERT_API int bert_params_count(const bert_params *ps);
BERT_API bert_param *bert_params_at(const bert_params *ps, int i);
/* NULL if there is none. */
BERT_API bert_param *bert_params_find(const bert_params *ps, const char *name);
BERT_API const char *bert_param_name(const bert_param *p);
BERT_API void bert_param_shape(const bert_param *p, int32_t *rows, int32_t *cols);
/* The value and the gradient where they lie; NULL on another device than the CPU. _mut and _grad:
 * NULL unless trainable. Call _mut again after each change. */
BERT_API const float *bert_param_value(const bert_param *p);
BERT_API float *bert_param_value_mut(bert_param *p);
BERT_API const float *bert_param_grad(const bert_param *p);
/* Copies [rows * cols], on every device. _write: BERT_EINVAL unless trainable. */
BERT_API void bert_param_read(const bert_param *p, float *to);
BERT_API void bert_param_read_grad(const bert_param *p, float *to);
BERT_API int bert_param_write(bert_param *p, const float *from);
BERT_API bool bert_param_trainable(const bert_param *p);
BERT_API void bert_param_freeze(bert_param *p, bool frozen);
/* The optimizer multiplies its learning rate by factor (1 to begin with) for this parameter. */
BERT_API void bert_param_scale_lr(bert_param *p, double factor);
/* Freezes every parameter whose name starts with prefix; returns how many. */
BERT_API int bert_params_freeze(bert_params *ps, const char *prefix);
BERT_API void bert_params_zero_grad(bert_params *ps);

/* What a parameter is, and of which part of a model: set when it is made. */
typedef enum {
    /* a matrix that multiplies */
    BERT_KIND_WEIGHT,
    BERT_KIND_BIAS,
    /* a LayerNorm's weight or bias */
    BERT_KIND_NORM,
    /* a table of rows that are looked up */
    BERT_KIND_EMBEDDING
} bert_kind;
typedef enum { BERT_PART_TRUNK, BERT_PART_POOLER, BERT_PART_HEAD, BERT_PART_ADAPTER } bert_part;
BERT_API bert_kind bert_param_kind(const bert_param *p);
BERT_API bert_part bert_param_part(const bert_param *p);
/* 0, 1, ..; -1: below layer 0; as many as there are layers: above them. */
BERT_API int bert_param_layer(const bert_param *p);

/* Which parameters are meant; context: whatever was given beside it. */
typedef bool bert_param_filter(const bert_param *p, void *context);
/* As bert_model_save(), but model.safetensors holds only the parameters that keep is true of. */
BERT_API int bert_model_save_filtered(const bert_model *m, const char *directory,
                                      bert_param_filter *keep, void *context, bert_error *e);
/* Sets the parameters that a safetensors file holds, and no others; those of a model that is not
 * trainable only where the checkpoint did not hold them. A name that is no parameter's, or another
 * shape, is BERT_EFORMAT, and nothing is set. Returns how many were. */
BERT_API int bert_params_load(bert_params *ps, const char *path, bert_error *e);

/* LoRA (Hu et al. 2021, arXiv:2106.09685): every linear layer of that weight, y = x W^T + b,
 * becomes y = x W^T + b + alpha / rank * (dropout(x) A^T) B^T, where A [rank, in] is
 * N(0, initializer_range) and B [out, rank] zero to begin with. They are parameters of their own
 * beside the weight "NAME.weight", "NAME.lora_A.weight" and "NAME.lora_B.weight", of
 * BERT_PART_ADAPTER; freeze the others to train them alone. Where W is looked up, as word
 * embeddings are, nothing changes. */
typedef struct {
    int32_t rank;
    float alpha, dropout;
} bert_adapter_options;
/* BERT_EINVAL: the weight has an adapter, or is no matrix that multiplies. */
BERT_API int bert_param_adapt(bert_param *weight, const bert_adapter_options *options,
                              bert_error *e);
/* Adds what the adapters of a trainable set do to their weights, and takes them away: they are not
 * computed, trained or saved any more. Returns how many there were. */
BERT_API int bert_params_merge_adapters(bert_params *ps, bert_error *e);

typedef struct {
    bert_param *weight; /* [out, in], as PyTorch stores it */
    bert_param *bias;   /* [1, out]; NULL: none */
} bert_linear;
/* "name.weight" N(0, initializer_range), "name.bias" 0. */
BERT_API int bert_linear_new(bert_params *ps, const char *name, int32_t in, int32_t out,
                             bert_linear *l, bert_error *e);
/* The same without a bias. */
BERT_API int bert_linear_new_unbiased(bert_params *ps, const char *name, int32_t in, int32_t out,
                                      bert_linear *l, bert_error *e);

typedef struct {
    bert_param *weight,
        *bias; /* [1, size] each; saved as name.weight, name.bias. bias NULL: none */
    float eps;
} bert_layer_norm;
BERT_API int bert_layer_norm_new(bert_params *ps, const char *name, int32_t size, float eps,
                                 bert_layer_norm *n, bert_error *e);
/* The same without a bias. */
BERT_API int bert_layer_norm_new_unbiased(bert_params *ps, const char *name, int32_t size,
                                          float eps, bert_layer_norm *n, bert_error *e);

/* --------------------------------------------------- 2. Tape and operations */

/* bert_tensor: a matrix [rows, cols] computed on a tape; lives until the tape is reset. */
typedef struct bert_tape bert_tape;
typedef struct {
    int threads; /* 0: as many as there are cores */
    bert_precision precision;
    bool record;   /* keep what backward needs; off: inference */
    bool training; /* dropout is active */
    uint64_t seed; /* of dropout; the mask depends on (seed, step, call) only, never on threads */
    const bert_device *device;   /* NULL: the CPU. It must be that of the parameters */
    bool gradient_checkpointing; /* keep each layer's input only, and compute the layer again in
                                    backward: a quarter slower, and much less memory */
} bert_tape_options;
/* Recording, not training, seed 42. */
BERT_API bert_tape_options bert_tape_default(void);
BERT_API bert_tape *bert_tape_new(const bert_tape_options *options, bert_error *e);
BERT_API void bert_tape_free(bert_tape *t);
/* Forgets every tensor and the error; keeps the memory. */
BERT_API void bert_tape_reset(bert_tape *t);
BERT_API void bert_tape_set_mode(bert_tape *t, bool record, bool training);
/* Selects the dropout masks of that step. */
BERT_API void bert_tape_set_step(bert_tape *t, uint64_t step);
/* The first error since the last reset sticks; operations given NULL or on a failed tape return
 * NULL. */
BERT_API int bert_tape_error(const bert_tape *t, bert_error *e);
/* Sets the tape's error, unless it has one, and returns NULL: what an operation or a head of one's
 * own ends with. */
BERT_API void *bert_tape_set_error(bert_tape *t, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Memory that lives until the tape is reset; NULL sets the tape's error. */
BERT_API void *bert_tape_alloc(bert_tape *t, size_t bytes);
/* Adds d(seed_grad * sum(loss))/dp to the gradient of every trainable parameter that loss depends
 * on. */
BERT_API int bert_tape_backward(bert_tape *t, bert_tensor *loss, float seed_grad, bert_error *e);
/* Bytes held. */
BERT_API size_t bert_tape_memory(const bert_tape *t);

BERT_API int32_t bert_tensor_rows(const bert_tensor *x);
BERT_API int32_t bert_tensor_cols(const bert_tensor *x);
/* The values of x where the host can read them, until the tape is reset: copied from the device, in
 * place on the CPU. NULL for NULL, and where memory is out (then the tape has the error). */
BERT_API const float *bert_tensor_read(bert_tape *t, const bert_tensor *x);
/* The same of the gradient, after backward, of a constant that requires_grad; NULL if nothing
 * flowed into it, and of what an operation computed: that gradient's memory is used again. */
BERT_API const float *bert_tensor_read_grad(bert_tape *t, const bert_tensor *x);

/* A matrix from outside, copied. requires_grad: bert_tensor_read_grad() is wanted. */
BERT_API bert_tensor *bert_constant(bert_tape *t, const float *data, int32_t rows, int32_t cols,
                                    bool requires_grad);
BERT_API bert_tensor *bert_param_tensor(bert_tape *t, bert_param *p);

/* config.json's hidden_act names. */
BERT_API int bert_act_parse(const char *name, bert_act *act, bert_error *e);

/* y = act(x W^T + b); x [n, in] -> [n, out]. */
BERT_API bert_tensor *bert_linear_apply(bert_tape *t, bert_linear l, bert_tensor *x);
BERT_API bert_tensor *bert_linear_act(bert_tape *t, bert_linear l, bert_tensor *x, bert_act act);
/* The count (at most 3) linears of one input in one product: [n, out_0 + out_1 + ...]. */
BERT_API bert_tensor *bert_linear_cat(bert_tape *t, const bert_linear *ls, int count,
                                      bert_tensor *x);
/* x W^T + b + residual, which has the shape of the result: one pass over it less than bert_add(). */
BERT_API bert_tensor *bert_linear_onto(bert_tape *t, bert_linear l, bert_tensor *x,
                                       bert_tensor *residual);
/* down(act(up(x))): a transformer's inner layer. Unlike the same from linears, it keeps one matrix
 * of the inner size for backward, not two. */
BERT_API bert_tensor *bert_feed_forward(bert_tape *t, bert_linear up, bert_act act,
                                        bert_linear down, bert_tensor *x);
/* The same with a gate (GLU: Shazeer 2020, arXiv:2002.05202): down(act(a) b), elementwise, where a
 * is the half of the columns of up(x) that `gate` names, and b the other one. up: a linear of twice
 * the inner size, or (count 2) one for each half. */
BERT_API bert_tensor *bert_feed_forward_gated(bert_tape *t, const bert_linear *up, int count,
                                              bert_gate gate, bert_act act, bert_linear down,
                                              bert_tensor *x);
/* Either of them, and the residual: gate BERT_GATE_NONE (count 1) is bert_feed_forward(). */
BERT_API bert_tensor *bert_feed_forward_onto(bert_tape *t, const bert_linear *up, int count,
                                             bert_gate gate, bert_act act, bert_linear down,
                                             bert_tensor *x, bert_tensor *residual);
BERT_API bert_tensor *bert_activate(bert_tape *t, bert_tensor *x, bert_act act);
/* A b, or a b^T. */
BERT_API bert_tensor *bert_matmul(bert_tape *t, bert_tensor *a, bert_tensor *b, bool transpose_b);
/* Same shape, or b [1, cols] for each row. */
BERT_API bert_tensor *bert_add(bert_tape *t, bert_tensor *a, bert_tensor *b);
/* Same shape. */
BERT_API bert_tensor *bert_sub(bert_tape *t, bert_tensor *a, bert_tensor *b);
/* Elementwise; same shape, or b [1, cols]. */
BERT_API bert_tensor *bert_mul(bert_tape *t, bert_tensor *a, bert_tensor *b);
BERT_API bert_tensor *bert_scale(bert_tape *t, bert_tensor *x, float factor);
/* Identity unless training. */
BERT_API bert_tensor *bert_dropout(bert_tape *t, bert_tensor *x, float p);
/* LayerNorm(x + residual); residual may be NULL. */
BERT_API bert_tensor *bert_layer_norm_apply(bert_tape *t, const bert_layer_norm *n, bert_tensor *x,
                                            bert_tensor *residual);
/* Of each row. */
BERT_API bert_tensor *bert_softmax(bert_tape *t, bert_tensor *x);
/* -> [n, cols]. */
BERT_API bert_tensor *bert_embedding(bert_tape *t, bert_param *table, const int32_t *ids,
                                     int32_t n);
/* Rotary position embeddings (Su et al. 2021, arXiv:2104.09864): the first `size` columns of a
 * head's queries and keys, taken as two halves, are turned by cos and sin [positions, size / 2] of
 * the token's place in its sequence. The arrays must live as long as the tape's step. */
typedef struct {
    int32_t size, positions;
    const float *cos, *sin;
} bert_rotation;
/* Relative positions as DeBERTa has them (He et al. 2021, arXiv:2006.03654): of a distance key -
 * query, row index[distance + reach] of `rows` holds a relative key, a relative query, or both side
 * by side, of H columns each, heads as in queries and keys. To query times key are added query
 * times relative key, and key times relative query. index must live as long as the tape's step. */
typedef struct {
    bert_tensor *rows;
    bool keys, queries;   /* which of both the rows hold */
    const int32_t *index; /* [2 reach + 1] */
    int32_t reach;
} bert_relative;
/* What an attention computes: softmax(scale q k^T + bias), dropout, times v. Zeroed but for heads
 * it is that of the Transformer. */
typedef struct {
    int32_t heads;
    float scale;    /* 0: 1 / sqrt(columns of a head) */
    float dropout;  /* of probabilities, in training */
    int32_t window; /* a token sees those that are at most so far away; 0: its whole sequence */
    const bert_rotation *rotation; /* NULL: none */
    bert_tensor *bias;             /* [2 reach + 1, heads]: row key - query + reach is added to the
                                      scores; NULL: none. Relative positions by distance */
    const float *slopes; /* [heads]: slope times distance is taken from the scores (ALiBi: Press et
                            al. 2022, arXiv:2108.12409); NULL: not. As long as the tape's step */
    const bert_relative *relative; /* NULL: none; not with bias, rotation or window */
    bool interleaved;              /* qkv has head after head, of each its query, key and value */
    const int32_t *attended; /* [n] of a sequence only the first so many tokens are seen, by all of
                                its tokens; NULL: all. Not on a tape that records */
} bert_attention_spec;
/* Multi-head self-attention over packed sequences. qkv [T, 3H] = queries, keys, values side by
 * side, heads of H/heads -> [T, H]. No token sees another sequence. */
BERT_API bert_tensor *bert_attention(bert_tape *t, bert_tensor *qkv,
                                     const bert_attention_spec *spec, const int32_t *start,
                                     int32_t n);
/* Gather: [n, cols]. */
BERT_API bert_tensor *bert_rows(bert_tape *t, bert_tensor *x, const int32_t *index, int32_t n);
/* Side by side. */
BERT_API bert_tensor *bert_concat(bert_tape *t, bert_tensor *a, bert_tensor *b);
/* Columns. */
BERT_API bert_tensor *bert_slice(bert_tape *t, bert_tensor *x, int32_t col, int32_t cols);
/* One row for each group of consecutive rows start[i] .. start[i+1]-1. */
BERT_API bert_tensor *bert_mean_groups(bert_tape *t, bert_tensor *x, const int32_t *start,
                                       int32_t n);
BERT_API bert_tensor *bert_max_groups(bert_tape *t, bert_tensor *x, const int32_t *start,
                                      int32_t n);
BERT_API bert_tensor *bert_sum_groups(bert_tape *t, bert_tensor *x, const int32_t *start,
                                      int32_t n);
/* Each row to length 1. */
BERT_API bert_tensor *bert_normalize_rows(bert_tape *t, bert_tensor *x);
BERT_API bert_tensor *bert_reshape(bert_tape *t, bert_tensor *x, int32_t rows, int32_t cols);
/* -> [1, 1]. */
BERT_API bert_tensor *bert_sum(bert_tape *t, bert_tensor *x);

/* An operation of one's own, y of a and b (NULL: there is none), which is computed on the host. */
typedef struct {
    const float *a, *b;                     /* their values */
    int32_t a_rows, a_cols, b_rows, b_cols; /* b: 0 where there is none */
    int32_t rows, cols;                     /* of y */
    const void *context;                    /* as bert_operate() was given it */
} bert_operands;
typedef struct {
    const char *name; /* for messages */
    /* Writes y [rows, cols]. Both return 0, or an error. */
    int (*forward)(const bert_operands *x, float *y);
    /* Writes the gradients da and db that follow from dy, every element; NULL: not wanted. NULL for
     * an operation whose inputs get no gradient. */
    int (*backward)(const bert_operands *x, const float *y, const float *dy, float *da, float *db);
} bert_operation;
/* -> [rows, cols]. op and context must live as long as the tape's step. */
BERT_API bert_tensor *bert_operate(bert_tape *t, const bert_operation *op, bert_tensor *a,
                                   bert_tensor *b, int32_t rows, int32_t cols, const void *context);

/* Losses -> [1, 1]: the sum over items divided by the divisor; divisor 0 means the number of items
 * that count, which is PyTorch's reduction="mean", NaN where there is none. Accumulating steps pass
 * the item count of the whole accumulated batch. */
/* -log softmax(logits[i])[label[i]]; label -100 is ignored; weights [cols] or NULL (then the items'
 * weights count, as in torch.nn.CrossEntropyLoss). */
BERT_API bert_tensor *bert_cross_entropy(bert_tape *t, bert_tensor *logits, const int32_t *labels,
                                         const float *weights, double divisor,
                                         float label_smoothing);
/* The same where each row has probabilities of the classes, targets [rows * cols], in place of a label
 * (a mixture of rows, what a teacher says), as torch has it: items are rows, whatever the weights. */
BERT_API bert_tensor *bert_soft_cross_entropy(bert_tape *t, bert_tensor *logits,
                                              const float *targets, const float *weights,
                                              double divisor, float label_smoothing);
/* torch.nn.BCEWithLogitsLoss and torch.nn.MSELoss; targets [rows * cols]; items are elements. */
BERT_API bert_tensor *bert_bce_with_logits(bert_tape *t, bert_tensor *logits, const float *targets,
                                           double divisor);
BERT_API bert_tensor *bert_mse(bert_tape *t, bert_tensor *x, const float *targets, double divisor);

/* -------------------------------------------------------- 3. Model on the tape */

BERT_API bert_params *bert_model_params(const bert_model *m);
/* last_hidden_state [start[n], H] of a packed batch. */
BERT_API bert_tensor *bert_forward(bert_tape *t, const bert_model *m, const bert_inputs *inputs);
/* First rows: [n, H]. */
BERT_API bert_tensor *bert_cls(bert_tape *t, bert_tensor *hidden, const bert_inputs *inputs);
BERT_API bert_tensor *bert_pooler(bert_tape *t, const bert_model *m, bert_tensor *hidden,
                                  const bert_inputs *inputs);
/* The table of word embeddings [vocab_size, their width], which is also the decoder of masked words.
 * The width is H unless the family says otherwise (ELECTRA, ALBERT). */
BERT_API bert_param *bert_model_word_embeddings(const bert_model *m);

/* ------------------------------------------------------------------- 4. Heads */

/* What rows of data carry: numbers under a name. Which ones there are is the task's, and yours
 * (bert_dataset_add_column); datasets, loaders and batches take them all alike. */
typedef enum { BERT_COLUMN_INT32, BERT_COLUMN_FLOAT32 } bert_column_type;
typedef enum {
    BERT_PER_ROW,
    BERT_PER_SEQUENCE, /* of a row with several: its choices, the views of an example */
    BERT_PER_TOKEN,
    BERT_PER_LOGIT_TOKEN /* of a batch: of inputs.logit_tokens */
} bert_column_per;
struct bert_column {
    const char *name;
    bert_column_type type;
    bert_column_per per;
    int32_t width;    /* numbers of an item */
    int64_t count;    /* items: rows, sequences, tokens */
    const void *data; /* [count, width] of the type */
    /* NULL: an item for each row (sequence, token). Else there is any number of them, none included:
     * items start[i] .. start[i + 1] - 1 are of row i; [rows + 1]. Boxes in a picture, answers of a
     * question. */
    const int64_t *start;
};
/* NULL: there is none of that name. */
BERT_API const bert_column *bert_inputs_column(const bert_inputs *in, const char *name);

/* One packed batch with its targets, which are columns of its inputs. A batch made by hand needs
 * only what its head reads:
 *
 *     bert_column where[] = {
 *         {.name = "start_positions", .width = 1, .count = n, .data = starts}, // int32, of rows
 *         {.name = "end_positions", .width = 1, .count = n, .data = ends},
 *     };
 *     bert_batch b = {.inputs = {.n = n, .start = start, .ids = ids, .columns = where,
 *                                .column_count = 2}};
 */
typedef struct {
    bert_inputs inputs;
    /* What losses of problem types read: the columns of these names, or, of a batch made by hand,
     * they alone. Class indices, or NULL: of sequences, of tokens, of inputs.logit_tokens (-100:
     * ignored), or of rows; and [n, num_labels] for regression and multi-label, or NULL. Beside
     * labels a column "soft_labels", floats [labels, num_labels], may have probabilities of the
     * classes, which the loss is of then (bert_soft_cross_entropy()). */
    const int32_t *labels;
    int32_t label_count; /* how many labels there are; 0: n */
    const float *targets;
    const int64_t *rows;   /* [row_count] row numbers in the dataset */
    int32_t row_count;     /* n, or n / row_sequences */
    int32_t row_sequences; /* adjacent sequences that are a row (choices, views); 0: one, or
                                   row_start says */
    /* [row_count + 1] in sequences: which are a row's, whether all have as many or not, as
     * bert_max_groups() takes them (views of an example). NULL in a batch made by hand:
     * row_sequences each. */
    const int32_t *row_start;
    const float *class_weights; /* [num_labels] of single-label losses, or NULL */
    float label_smoothing;      /* of single-label losses */
    int32_t batches;            /* whose gradients are added up; 0: this one only */
} bert_batch;
/* The data of a column of the batch; NULL: it has none of that name and type. Of the tasks here:
 * "labels" or "targets"; question answering: "start_positions" and "end_positions", tokens of the
 * row's sequence (outside of it: ignored); pretraining: "next_sentence_label", 0 for the next one.
 */
BERT_API const int32_t *bert_batch_ints(const bert_batch *b, const char *name);
BERT_API const float *bert_batch_floats(const bert_batch *b, const char *name);

/* The items of a batch that its loss is a mean of where a head says nothing else: labels that count
 * (by their class weights), or all targets. num_labels: the width of the targets. */
BERT_API double bert_batch_items(const bert_batch *b, int32_t num_labels);

/* How the model's family builds a head that transformers has for it: names of layers, without
 * ".weight" and ".bias", NULL where there is no such layer; and what is between them. */
typedef struct {
    const char *dense;  /* from the hidden size to width, in front of the output */
    bert_act act;       /* after it */
    const char *norm;   /* LayerNorm after that */
    const char *output; /* the last one */
    const char
        *bias; /* masked words: of the scores of the vocabulary; its whole name. NULL: none */
    const char *decoder; /* and the matrix, where it is not that of the word embeddings; likewise */
    const char *next;    /* pretraining: the linear of the next sentence */
    int32_t width;       /* of what dense gives, as wide as word embeddings; 0: the hidden size */
    bool dense_unbiased, norm_unbiased; /* they have no bias */
    bool mean;           /* dense reads the mean of a sequence's tokens, not the first one */
    const char *second;  /* of pictures: an output for the second token; logits are their mean */
    bool patches;        /* of pictures: the mean of the patches stands beside the first token */
    float input_dropout; /* in front of dense */
    float dropout;       /* in front of output and next */
} bert_head_layout;

/* What a head is made from. */
typedef struct {
    bert_params *params; /* where its parameters go: bert_linear_new(site->params, ..) */
    const bert_config *config;
    /* Of a stock head in this family; NULL: of a head of one's own. */
    const bert_head_layout *layout;
    bool own_decoder;    /* the decoder of masked words is not the table of word embeddings */
    const void *context; /* bert_head.context */
} bert_head_site;

/* What the columns of a head's logits are. */
typedef enum {
    BERT_OUTPUT_LABELS,  /* of a row: config.json's labels, classes or values */
    BERT_OUTPUT_TAGS,    /* of a token: the same */
    BERT_OUTPUT_SPAN,    /* of a token: scores as start and end of the answer */
    BERT_OUTPUT_CHOICE,  /* of a sequence: its score among those of its row */
    BERT_OUTPUT_NEXT,    /* of a sequence: is the next one, is not */
    BERT_OUTPUT_WORDS,   /* of a token: the vocabulary (and, of pretraining, the two above) */
    BERT_OUTPUT_REPLACED /* of a token: that it was replaced by another */
} bert_output_kind;

/* A head: what it is made of, what it computes, what it is judged by. state_size bytes of zeroed
 * memory come as self. The stock heads are written with what is in this header. */
typedef struct {
    const char *name;
    size_t state_size;
    int (*init)(void *self, const bert_head_site *site, bert_error *e); /* NULL: nothing to make */
    void (*free)(void *self); /* what init allocated beside parameters; NULL: nothing */
    /* Its outputs, of hidden [T, H], or of its first rows alone where first_token is set. The batch
     * may hold no targets. */
    bert_tensor *(*forward)(void *self, bert_tape *t, const bert_model *m, bert_tensor *hidden,
                            const bert_batch *batch);
    /* -> [1, 1]: a sum over items, divided; divisor 0: by the items of this batch. NULL: of
     * BERT_OUTPUT_LABELS the loss of the model's problem type (bert_problem_loss()); others cannot
     * be trained. */
    bert_tensor *(*loss)(void *self, bert_tape *t, bert_tensor *logits, const bert_batch *b,
                         double divisor);
    double (*items)(void *self, const bert_batch *b); /* of its loss; NULL: bert_batch_items() */
    bert_output_kind outputs;                         /* what a row of its logits means */
    bool pooler;      /* calls bert_pooler(): the pooler is created where the checkpoint lacks it */
    bool first_token; /* reads hidden through bert_cls() and bert_pooler() only: where nobody else
                         wants them, the other rows of the last layer are not computed */
    const void *context; /* whatever init is to find in site->context */
    /* Sequences (texts, pictures) of a row that it joins, whose rows of logits are of rows then:
     * batch->row_start says which they are, of data as of what is used. 0: 1. */
    int32_t views;
} bert_head;
/* Of the model's head; BERT_OUTPUT_LABELS where it has none. A task of bert.h takes a head by this,
 * whoever wrote it: tag, say, one of BERT_OUTPUT_TAGS. */
BERT_API bert_output_kind bert_model_head_outputs(const bert_model *m);
/* Makes a head known by its name to every bert_model_open() of the process: under options.head, and
 * where a checkpoint was saved with it (config.json's "bert_head"). *head must stay. Thread-safe.
 * BERT_EINVAL: the name is that of another head. */
BERT_API int bert_head_register(const bert_head *head, bert_error *e);
/* Opens a checkpoint under a head of one's own, which need not be registered. */
BERT_API bert_model *bert_model_open_head(const char *name_or_path, const bert_head *head,
                                          const bert_model_options *options, bert_error *e);
/* One more task over the encoder m, which was opened without a head: under a head of one's own, or
 * (NULL) the one that options.head names, with the labels and problem type of options (those of
 * bert_dataset_model(), say; the rest is m's). What m's checkpoint says of a task of that name counts
 * where options, which may be NULL, say nothing, and its weights are taken. name: letters, digits,
 * "-" and "_". The head's parameters are called "tasks.NAME.classifier.weight" and so on; saving m
 * saves all tasks, and transformers still loads the encoder. The task belongs to m, as that of
 * bert_model_task() does. Not while others use m. */
BERT_API bert_model *bert_model_add_task(bert_model *m, const char *name, const bert_head *head,
                                         const bert_model_options *options, bert_error *e);
/* The model's own head on hidden: its logits. */
BERT_API bert_tensor *bert_head_forward(bert_tape *t, const bert_model *m, bert_tensor *hidden,
                                        const bert_batch *batch);
/* The loss of the model's head, by its problem_type where it is a classifier. */
BERT_API bert_tensor *bert_head_loss(bert_tape *t, const bert_model *m, bert_tensor *logits,
                                     const bert_batch *b, double divisor);
/* The items that this loss is a mean of; the divisor of several batches is the sum of theirs. */
BERT_API double bert_head_items(const bert_model *m, const bert_batch *b);
/* The loss of a problem type (config.json's names; NULL or "": regression of one output, else by
 * what the batch holds, labels or targets): bert_mse, bert_cross_entropy with the batch's class
 * weights and smoothing, or bert_bce_with_logits. */
BERT_API bert_tensor *bert_problem_loss(bert_tape *t, const char *problem_type, bert_tensor *logits,
                                        const bert_batch *b, double divisor);

/* ---- Recipes: such a head without a line of C, from JSON (docs/heads.md has all keys)
 *
 *     {"encoder": "google/vit-base-patch16-224-in21k",
 *      "inputs": [{"image": "cc"}, {"image": "mlo"}], "pooling": "cls", "combine": "max",
 *      "head": [{"dropout": 0.5}, {"linear": 1}],
 *      "problem_type": "multi_label_classification", "label": "cancer"}
 *
 *     bert_recipe *r = bert_recipe_open("two_view.json", &e);
 *     bert_model *base = bert_model_open(bert_recipe_encoder(r),
 *                                        &(bert_model_options){.head = "none", .recipe = r}, &e);
 *     bert_dataset *train = bert_dataset_open("train.csv", base,
 *                                             &(bert_dataset_options){.recipe = r}, &e);
 *     bert_model *m = bert_dataset_open_model(train, &e);
 *
 * A model that was trained so is saved with recipe.json beside config.json, and opened as any other.
 * Errors name file, line and key. Shared once opened; models and datasets keep what they need. */
BERT_API bert_recipe *bert_recipe_open(const char *path, bert_error *e);
/* The same of text; where: what to call it in messages, and the place its files are beside. */
BERT_API bert_recipe *bert_recipe_parse(const char *json, const char *where, bert_error *e);
BERT_API void bert_recipe_free(bert_recipe *r);
/* The text that it was read from. */
BERT_API const char *bert_recipe_json(const bert_recipe *r);
/* The name of its model, and the keys of config.json that count instead of that one's, as
 * bert_model_options.config takes them; NULL: it says none. */
BERT_API const char *bert_recipe_encoder(const bert_recipe *r);
BERT_API const char *bert_recipe_config(const bert_recipe *r);
/* Sequences of a row: 1, or its views, which the shared encoder reads one by one. */
BERT_API int32_t bert_recipe_views(const bert_recipe *r);
typedef struct {
    const char *text, *pair, *image; /* columns; NULL where there is none */
} bert_recipe_view;
/* False past the end; of a recipe that says no inputs, of the first already. */
BERT_API bool bert_recipe_view_at(const bert_recipe *r, int i, bert_recipe_view *out);
/* What it says of "label" (as bert_dataset_options.label_column), "problem_type", "train_file",
 * "validation_file" (where they are), "metric", "image_range" ("LOW,HIGH"); NULL: nothing. */
BERT_API const char *bert_recipe_value(const bert_recipe *r, const char *key);
/* All files of "train_file" or "validation_file", which may be lists, up to NULL; NULL: it says none. */
BERT_API const char *const *bert_recipe_files(const bert_recipe *r, const char *key);
/* How many poolings stand side by side in a view's vector, and which. */
BERT_API int bert_recipe_poolings(const bert_recipe *r, bert_pooling list[BERT_MAX_POOLINGS]);
/* vectors [n * views, dim] of views to those of rows, in front of the head: out [n,
 * bert_recipe_combined_size()]. */
BERT_API int32_t bert_recipe_combined_size(const bert_recipe *r, int32_t dim);
BERT_API int bert_recipe_combine(const bert_recipe *r, const float *vectors, int32_t n, int32_t dim,
                                 float *out, bert_error *e);
/* Tasks of a recipe, by their names in the order of the file; i counts from 0, NULL past the end. A task
 * is a recipe of its own, which has what stands above the tasks where it says nothing else; it is r's
 * and goes with it: its head is for bert_model_add_task(), with bert_dataset_model() of its data. Of r
 * bert_recipe_value() says "task_temperature", "task_weights" and "task_batches", as training arguments
 * take them. */
BERT_API const char *bert_recipe_task_at(const bert_recipe *r, int i);
BERT_API const bert_recipe *bert_recipe_of_task(const bert_recipe *r, const char *name,
                                                bert_error *e);
/* Of a task: what its loss counts for (bert_trainer_task); the loss of its head is without it. 1. */
BERT_API double bert_recipe_loss_weight(const bert_recipe *r);
/* Its head, for bert_model_open_head(); it stays as long as the recipe does. */
BERT_API const bert_head *bert_recipe_head(const bert_recipe *r);
/* What a model was opened or saved with; NULL: none. It is the model's. */
BERT_API const bert_recipe *bert_model_recipe(const bert_model *m);

/* Optimizer: AdamW as in torch.optim.AdamW. */
typedef struct {
    double beta1, beta2, eps, weight_decay; /* .9, .999, 1e-8, 0 */
} bert_adamw_options;
BERT_API bert_adamw_options bert_adamw_default(void);
typedef struct bert_optimizer bert_optimizer;
BERT_API bert_optimizer *bert_optimizer_new(bert_params *ps, const bert_adamw_options *options,
                                            int threads, bert_error *e);
BERT_API void bert_optimizer_free(bert_optimizer *o);
/* Clips to max_norm (0: no clipping), updates, clears gradients. norm: the global L2 norm before
 * clipping, or NULL. A non-finite norm is BERT_ENUMERIC and changes nothing. */
BERT_API int bert_optimizer_step(bert_optimizer *o, double lr, double max_norm, double *norm,
                                 bert_error *e);

/* -------------------------------------------------------------------- 5. Data */

/* Labelled texts, tokenised once into int32 arrays; immutable and shared. A dataset is opened
 * against a checkpoint (its tokenizer, its length limit, its labels) before the model that will be
 * trained on it, because the data says which labels that model gets:
 *
 *     bert_model *base = bert_model_open(name, &(bert_model_options){.head = "none"}, &e);
 *     bert_dataset *train = bert_dataset_open("train.tsv", base, NULL, &e);
 *     bert_model *m = bert_dataset_open_model(train, &e); // head, labels, problem type
 */
typedef struct bert_dataset bert_dataset;

/* What a task has options for, by name; the value as text. */
typedef struct {
    const char *name, *value;
} bert_task_option;
enum { BERT_TASK_OPTIONS = 16 };

typedef struct {
    const char *task; /* a name of bert_dataset_task_at(), NULL for the first,
                         "sequence-classification"; not looked at with like */
    /* As in bert_reader_options. Several label columns, "toxic,insult" (of one: "cancer,"), hold 0 or 1 each:
     * multi-label. */
    const char *text_column, *pair_column, *label_column;
    const char *problem_type; /* NULL: multi-label where label_column or label_separator say so or
                                 labels are lists, regression where labels are numbers that are not
                                 all integers, else single label */
    bool model_labels; /* the labels are the model's, and any other is an error: evaluation */
    const bert_dataset
        *like;          /* labels and problem type of this dataset (validation, test), or NULL */
    int32_t max_length; /* tokens, specials included; 0: the checkpoint's limit */
    bert_overflow overflow; /* for longer texts: BERT_OVERFLOW_ERROR (default) or _TRUNCATE */
    bool keep_texts;        /* what each row says is kept, as predictions need it */
    /* Further files, up to NULL, whose rows come behind those of the first (shards); the columns are those of
     * the first one. Of sequence- and image-classification. NULL: none. */
    const char *const *more_files;
    /* Only rows of one part of a split of this file: those that are held out, or the others. NULL: all. */
    const struct bert_data_split *split;
    bool held_out;
    bool allow_one_class; /* else a set in which every row has the same label is an error, as
                               training on it learns nothing; not looked at with like and
                               model_labels */
    /* The options that the task has beside these (the next comment says which), up to a NULL name;
     * a value that is NULL is not set. Strings must stay until the set is open:
     *
     *     bert_dataset_options o = {.task = "question-answering",
     *                               .task_options = {{"doc_stride", "64"}, {"n_best_size", "10"}}};
     */
    bert_task_option task_options[BERT_TASK_OPTIONS];
    /* Its inputs, label and problem type count where nothing is said above; NULL: that of the base,
     * if it has one. */
    const bert_recipe *recipe;
    /* Processes that open the set together, a collective: of each host one reads the file, the others map
     * what it has read; an error of one is everybody's. So of bert_data_split_new(). Of a group that does
     * not say which processes share a host each reads. NULL: this process alone. */
    const bert_group *group;
} bert_dataset_options;
BERT_API bert_dataset_options bert_dataset_default(void);
/* Rows of a file that are held out, for validation: whole groups, each label in its proportion as far
 * as groups allow it, drawn from the seed. Of sequence- and image-classification. The file is opened twice
 * with .split set: without held_out to train on, with held_out and .like to validate. */
typedef struct bert_data_split bert_data_split;
typedef struct {
    double part; /* of the rows, between 0 and 1 */
    uint64_t seed;
    const char
        *group_column; /* rows with the same value there are on the same side; NULL: rows are by
                                 themselves */
} bert_data_split_options;
BERT_API bert_data_split *bert_data_split_new(const char *path, const bert_model *base,
                                              const bert_dataset_options *options,
                                              const bert_data_split_options *split, bert_error *e);
BERT_API void bert_data_split_free(bert_data_split *s); /* once the datasets are open */
BERT_API const char *
bert_data_split_note(const bert_data_split *s); /* what is held out, in words */
/* The tasks that can be trained, by name; i counts from 0, NULL past the end. */
BERT_API const char *bert_dataset_task_at(int i);
/* Options of tasks, as flags, JSON and help of bert train have them, too:
 *
 *   labelled rows and words
 *     label_names: names of the classes, where the file has their numbers, 0 for the first: "a,b,c",
 *     or a file: a name a line, a list in JSON, id2label (config.json) or datasets' features
 *     (dataset_info.json). A label that is neither a name nor a number of one is an error. Not set:
 *     what the file has.
 *   sequence-classification
 *     text_views ("a,b"): columns of texts that are the views of a row, each a sequence of its own, for
 *     a head that joins them; "a+b,c+d": pairs.
 *     label_separator ("|"): a field holds any number of labels: multi-label.
 *     missing_label ("a,b", or "none"): labels that say there is none. Rows that have them are left
 *     out, which is said (bert_dataset_note); so are rows whose label is null or empty. Not set: nan
 *     and its like; -1 beside classes numbered from 0 to 2 or more; -100 beside numbers; - beside
 *     words; None, NA and NULL beside numbers. Where it may be a class too, it is an error.
 *     positive_label: of two classes, the one that precision, recall, f1 and roc_auc are of
 *     (scikit-learn's pos_label). Not set: that of `like`, or the second.
 *   token-classification
 *     label_all_tokens: not the first token of a word only.
 *   question-answering, as run_qa.py names them
 *     doc_stride: tokens that windows of a context share; n_best_size: candidates of a window's
 *     starts and ends; max_answer_length: most tokens of an answer; null_score_diff_threshold: how
 *     much better than the best answer none must be, where there may be none.
 *   masked-lm, pretraining
 *     mlm_probability: part of the tokens that is hidden; whole_word_mask: hide words, not pieces of
 *     them; line_by_line (masked-lm): a row a line, not all text in pieces of max_length.
 *
 * One that the task does not have is not used, which is said in a note. */
typedef struct {
    const char *name;     /* "doc_stride" */
    const char *type;     /* "number", "integer", "true|false", "text", or what it may be: "NAME" */
    const char *fallback; /* what is so otherwise; "" for nothing */
    const char *help;     /* a line */
    const char *task;     /* that has it, or the first of several */
} bert_dataset_option;
BERT_API bool bert_dataset_option_at(int i, bert_dataset_option *out); /* false past the end */
/* Sets one of task_options: name with _ or -; value as text, NULL: it is not set any more. Unknown
 * names and values out of range are errors that say what is right. */
BERT_API int bert_dataset_set(bert_dataset_options *o, const char *name, const char *value,
                              bert_error *e);

/* path, by the task:
 *
 *   sequence-classification
 *     .csv, .tsv, .jsonl or .json (section 6 of bert.h).
 *   token-classification
 *     A word and its label a line, a blank line after each sentence (CoNLL, CoNLL-U, .tsv, .csv),
 *     or .jsonl, .json of {"tokens": [..], "ner_tags": [..]}. A row is a sentence; one that is too
 *     long is an error, cut, or (BERT_OVERFLOW_WINDOW) continued in further rows.
 *   question-answering
 *     SQuAD's JSON, 1.1 or 2.0, or rows of question, context and answers (docs/training.md). A row
 *     is a window of a context, as in run_qa.py.
 *   multiple-choice
 *     .csv, .tsv or .jsonl with a prompt, its endings (columns ending0.. or choice0..; without a
 *     header those between prompt and label) and the number of the right one.
 *   masked-lm, pretraining
 *     .txt (or a text column), a sentence a line; pretraining needs a blank line between documents.
 *     Masks are drawn anew each epoch.
 *
 * A name with * ? or [ that no file has is a pattern, of shards: all files that fit it, by name.
 *
 * Errors name file and line. options may be NULL. */
BERT_API bert_dataset *bert_dataset_open(const char *path, const bert_model *base,
                                         const bert_dataset_options *options, bert_error *e);
/* The same from memory; labels[i] is what the label column would hold, labels NULL: none are
 * known. Of sequence-classification, the task whose rows are texts (BERT_EUNSUPPORTED of others).
 * Rows are called row 0, 1, ... in messages. */
BERT_API bert_dataset *bert_dataset_of(const bert_text *texts, const char *const *labels, int64_t n,
                                       const bert_model *base, const bert_dataset_options *options,
                                       bert_error *e);
BERT_API void bert_dataset_free(bert_dataset *d);
/* The checkpoint the dataset was opened against, trainable, with the head and labels of the data.
 */
BERT_API bert_model *bert_dataset_open_model(const bert_dataset *d, bert_error *e);
/* The same under a head of one's own (bert_model_open_head). */
BERT_API bert_model *bert_dataset_open_head(const bert_dataset *d, const bert_head *head,
                                            bert_error *e);
/* The options it does that with, for who wants to change them (`config` is that of its checkpoint);
 * strings belong to the dataset. */
BERT_API bert_model_options bert_dataset_model(const bert_dataset *d);

/* Rows. */
BERT_API int64_t bert_dataset_size(const bert_dataset *d);
/* "sequence-classification", .. */
BERT_API const char *bert_dataset_task(const bert_dataset *d);
BERT_API const char *bert_dataset_problem_type(const bert_dataset *d);
/* 1 for regression. */
BERT_API int32_t bert_dataset_num_labels(const bert_dataset *d);
/* NULL past the end. */
BERT_API const char *bert_dataset_label(const bert_dataset *d, int32_t i);
/* The class that metrics of one class are of; NULL where there are not two. */
BERT_API const char *bert_dataset_positive_label(const bert_dataset *d);
/* What a table before training shows. */
typedef struct {
    int64_t rows, tokens;
    int32_t length_min, length_median, length_p90, length_p99, length_max; /* tokens read */
    int32_t max_length;                                                    /* the limit */
    int64_t truncated;                          /* rows that lost tokens, */
    int64_t dropped;                            /* and how many tokens they lost together */
    double target_min, target_mean, target_max; /* regression */
    int64_t invalid;                            /* records with bytes that are not UTF-8 */
    bool guessed;                               /* as bert_reader_guessed() */
} bert_dataset_summary;
BERT_API int bert_dataset_summarize(const bert_dataset *d, bert_dataset_summary *out,
                                    bert_error *e);
/* Lines that say how the file was read: columns, labels, tag scheme, rows left out and why; i
 * counts from 0, NULL past the end. */
BERT_API const char *bert_dataset_note(const bert_dataset *d, int i);
/* Rows with label i. */
BERT_API int64_t bert_dataset_label_rows(const bert_dataset *d, int32_t i);
/* Rows of b whose tokens are also a row of a (a == b: rows that repeat an earlier one), or a
 * negative error. */
BERT_API int64_t bert_dataset_duplicates(const bert_dataset *a, const bert_dataset *b,
                                         bert_error *e);
/* One row: its number of tokens, its ids, its type ids (NULL: all 0; type_ids may be NULL). */
BERT_API int32_t bert_dataset_row(const bert_dataset *d, int64_t row, const int32_t **ids,
                                  const int32_t **type_ids);
/* Its class (-1: the set has none), its targets [num_labels] (NULL: the set has none). */
BERT_API int32_t bert_dataset_row_label(const bert_dataset *d, int64_t row);
BERT_API const float *bert_dataset_row_targets(const bert_dataset *d, int64_t row);
/* What the rows carry: "ids", "type_ids", "labels", .. and what was added; i counts from 0. False
 * past the end; strings and data belong to the dataset. */
BERT_API bool bert_dataset_column_at(const bert_dataset *d, int i, bert_column *out);
/* A column of one's own, which every batch of the set has from then on: bert_batch_floats(b, name)
 * in the loss of a head. Data is copied; of all rows, sequences or tokens, count says how many that
 * are. BERT_EINVAL: another count, or a name that the set has. Not while others use the set. */
BERT_API int bert_dataset_add_column(bert_dataset *d, const bert_column *column, bert_error *e);

/* Batches of a dataset in the order of an epoch, which is a function of (seed, epoch): any batch
 * can be asked for, so that a resumed run replays nothing. */
typedef struct bert_loader bert_loader;
typedef struct {
    int32_t batch_size;
    bool shuffle;         /* else in the order of the file, whatever the epoch */
    bool group_by_length; /* rows of like length together, longest batch first */
    bool drop_last;       /* leave out a last batch that is not full */
    uint64_t seed;
} bert_loader_options;
BERT_API bert_loader *bert_loader_new(const bert_dataset *d, const bert_loader_options *options,
                                      bert_error *e);
BERT_API void bert_loader_free(bert_loader *l);
/* In an epoch. */
BERT_API int64_t bert_loader_batches(const bert_loader *l);
/* Batch `index` of `epoch`; its arrays belong to the loader, valid until the next call. */
BERT_API int bert_loader_get(bert_loader *l, int64_t epoch, int64_t index, bert_batch *out,
                             bert_error *e);

/* ----------------------------------------------------------------- 6. Metrics */

/* Streamed metrics with scikit-learn's definitions and evaluate's names: accuracy, precision,
 * recall and f1 (of two classes; _micro, _macro and _weighted of any number), matthews_correlation,
 * roc_auc (of two classes or macro over labels; roc_auc_ovr of several classes), pearson,
 * spearmanr, mse, mae. Logits are not kept: counts are, and for the ranking metrics one number per
 * row and score. What is undefined (roc_auc of one class, correlation of a constant) is NaN. */
typedef struct bert_metrics bert_metrics;
/* names: separated by commas, or NULL for those usual for the problem type. A name that does not
 * fit the problem type and number of labels is an error that lists those that do. */
BERT_API bert_metrics *bert_metrics_new(const char *problem_type, int32_t num_labels,
                                        const char *names, bert_error *e);
/* The class that precision, recall, f1 and roc_auc of two classes are of: 1 unless said before the
 * first update. BERT_EINVAL where there is no such class. */
BERT_API int bert_metrics_set_positive(bert_metrics *m, int32_t label, bert_error *e);
/* Whether a metric of m by that name is of this one class. */
BERT_API bool bert_metrics_of_positive(const bert_metrics *m, const char *name);
BERT_API void bert_metrics_free(bert_metrics *m);
BERT_API void bert_metrics_reset(bert_metrics *m);
/* rows of logits [rows, num_labels] with labels [rows] (single label; negative ones are ignored) or
 * targets [rows, num_labels]. Non-finite logits are BERT_ENUMERIC. */
BERT_API int bert_metrics_update(bert_metrics *m, const float *logits, const int32_t *labels,
                                 const float *targets, int32_t rows, bert_error *e);
/* Adds loss, a mean over count items, to the "loss" of the results, which comes first if there is
 * any. */
BERT_API void bert_metrics_add_loss(bert_metrics *m, double loss, double count);
/* Computes every result; those below are then valid until the next update. */
BERT_API int bert_metrics_compute(bert_metrics *m, bert_error *e);
BERT_API int bert_metrics_count(const bert_metrics *m);
BERT_API const char *bert_metrics_name(const bert_metrics *m, int i);
BERT_API double bert_metrics_value(const bert_metrics *m, int i);
/* By name; false when there is no such result. */
BERT_API bool bert_metrics_find(const bert_metrics *m, const char *name, double *value);
/* A line each, "accuracy 0.8750", with the word before, if it is not NULL, in front. m NULL: nothing. */
BERT_API void bert_metrics_print(const bert_metrics *m, const char *before, FILE *to);
/* Else less is: a loss, an error. */
BERT_API bool bert_metric_greater_is_better(const char *name);
BERT_API int64_t bert_metrics_rows(const bert_metrics *m);
/* Rows of class `truth` predicted as `predicted` (single label; else 0). */
BERT_API int64_t bert_metrics_confusion(const bert_metrics *m, int32_t truth, int32_t predicted);
/* One line of scikit-learn's classification_report. */
typedef struct {
    double precision, recall, f1;
    int64_t support;
} bert_class_report;
BERT_API bert_class_report bert_metrics_class(const bert_metrics *m, int32_t label);

/* Token classification. Lines of seqeval's classification_report: the entity types that occur or
 * are predicted (classes of words, where tags have neither prefixes nor O), then "micro avg",
 * "macro avg" and "weighted avg". False past the end, and of other tasks. */
BERT_API bool bert_metrics_type(const bert_metrics *m, int i, const char **name,
                                bert_class_report *out);
/* What was taken for what. truth NULL: there is no entity; predicted NULL: none was found; both the
 * same: found, with other borders. */
typedef struct {
    const char *truth, *predicted; /* entity types */
    int64_t times;
} bert_confusion;
/* The n most frequent ones; returns how many there are in out. */
BERT_API int bert_metrics_confusions(const bert_metrics *m, bert_confusion *out, int n);

/* Words first .. last of a sentence as an entity; right: both sides have it. */
typedef struct {
    int32_t first, last;
    const char *type;
    bool right;
} bert_marked;
/* A sentence of the file and what the model made of it; valid until the next call. */
typedef struct {
    int64_t line;                 /* of the file */
    int32_t words, mistakes;      /* mistakes: entities (words of a class) that one side lacks */
    const char *const *word;      /* [words] as they are written */
    const char *const *truth;     /* [words] labels */
    const char *const *predicted; /* [words]; NULL: the word was cut off or has no tokens */
    int32_t truths, predictions;
    const bert_marked *marked_truth, *marked_predicted; /* [truths], [predictions] */
} bert_tagged_sentence;
/* 0 of other tasks. */
BERT_API int64_t bert_metrics_sentences(const bert_metrics *m);
BERT_API int bert_metrics_sentence(const bert_metrics *m, int64_t i, bert_tagged_sentence *out,
                                   bert_error *e);
/* Numbers of the n sentences with most mistakes; returns how many, those without mistakes left out,
 * or a negative error. */
BERT_API int bert_metrics_worst(const bert_metrics *m, int64_t *sentence, int n, bert_error *e);

typedef struct {
    int32_t batch_size; /* default 64; changes speed and memory, not results */
    int threads;        /* 0: as many as there are cores */
    bert_precision precision;
    const char *metrics; /* as bert_metrics_new() takes them */
    /* Called for each row of classes, values or choices in order, unless NULL. A result other than
     * 0 ends the evaluation with it.
     */
    int (*row)(void *context, int64_t row, const float *logits, int32_t num_labels);
    void *context;
    const volatile sig_atomic_t *stop; /* set by a signal handler: BERT_EINTERRUPTED; or NULL */
    /* A file to write what was predicted to, row by row in the order of the data, or NULL; the set
     * is one opened with keep_texts. It appears when it is complete. Sequence classification and
     * multiple choice: an object a line (.jsonl) or a table (.csv, .tsv) with line, text
     * (text_pair, endings), gold, prediction, score, scores. Question answering: such records of
     * questions (also id, null_odds, exact_match, f1), or SQuAD's {id: answer} (.json). */
    const char *predictions;
    /* Processes that evaluate together, each with the same data, options and weights: batches are
     * shared, every metric is the same bits in all, as one process has it, and rank 0 alone writes. NULL:
     * alone. */
    const bert_group *group;
} bert_evaluate_options;
BERT_API bert_evaluate_options bert_evaluate_default(void);
/* The metrics of a model with a head over a dataset opened with like or model_labels; NULL on
 * failure. Memory is bounded by the batch. */
BERT_API bert_metrics *bert_evaluate(const bert_model *m, const bert_dataset *d,
                                     const bert_evaluate_options *options, bert_error *e);

/* ----------------------------------------------------------------- 7. Trainer */

/* name in the enumeration, transformers' name */
#define BERT_SCHEDULE_LIST(X)                                                                      \
    X(BERT_SCHEDULE_LINEAR, "linear")                                                              \
    X(BERT_SCHEDULE_COSINE, "cosine")                                                              \
    X(BERT_SCHEDULE_COSINE_WITH_RESTARTS, "cosine_with_restarts")                                  \
    X(BERT_SCHEDULE_POLYNOMIAL, "polynomial")                                                      \
    X(BERT_SCHEDULE_CONSTANT, "constant")                                                          \
    X(BERT_SCHEDULE_CONSTANT_WITH_WARMUP, "constant_with_warmup")                                  \
    X(BERT_SCHEDULE_INVERSE_SQRT, "inverse_sqrt")                                                  \
    X(BERT_SCHEDULE_REDUCE_ON_PLATEAU, "reduce_lr_on_plateau")                                     \
    X(BERT_SCHEDULE_COSINE_WITH_MIN_LR, "cosine_with_min_lr")                                      \
    X(BERT_SCHEDULE_COSINE_WARMUP_WITH_MIN_LR, "cosine_warmup_with_min_lr")                        \
    X(BERT_SCHEDULE_WARMUP_STABLE_DECAY, "warmup_stable_decay")
#define BERT_SCHEDULE_ENUM(name, text) name,
typedef enum { BERT_SCHEDULE_LIST(BERT_SCHEDULE_ENUM) BERT_SCHEDULE_COUNT } bert_schedule_type;
#undef BERT_SCHEDULE_ENUM
typedef enum { BERT_RAMP_LINEAR, BERT_RAMP_COSINE, BERT_RAMP_1_SQRT } bert_ramp;
typedef struct {
    bert_schedule_type type;
    double learning_rate; /* the peak */
    int64_t warmup_steps, total_steps;
    /* By bert_schedule_set(), which gives what is not named transformers' default; 0 is 0. */
    double num_cycles;       /* cosine and its like: 1 of cosine_with_restarts, else 0.5 */
    double power, lr_end;    /* polynomial: 1, 1e-7 */
    double timescale;        /* inverse_sqrt: warmup_steps, or 10,000 */
    double min_lr;           /* reduce_lr_on_plateau */
    double min_lr_rate;      /* .._min_lr, warmup_stable_decay: of learning_rate */
    double warmup_lr_rate;   /* cosine_warmup_with_min_lr; NaN: 1 / warmup_steps */
    double num_decay_steps;  /* warmup_stable_decay: needed */
    double num_stable_steps; /* the same: what is left */
    bert_ramp warmup_type, decay_type; /* the same; transformers' default is cosine decay */
    int mode, threshold_mode;          /* reduce_lr_on_plateau: 0 min, 1 max; 0 rel, 1 abs */
    double factor, patience, threshold, cooldown, eps; /* the same */
} bert_schedule;
/* Members after total_steps, which any schedule but linear and constant ones needs: by
 * lr_scheduler_kwargs, a JSON object ("{\"num_cycles\": 2}"; NULL, "": none), or transformers'
 * defaults. What this schedule does not take, or lacks, is an error. */
BERT_API int bert_schedule_set(bert_schedule *s, const char *kwargs, bert_error *e);
/* The learning rate of step 0, 1, ... as transformers.get_scheduler gives it. That of
 * reduce_lr_on_plateau is the peak, which the trainer lowers by its evaluations. */
BERT_API double bert_schedule_lr(const bert_schedule *s, int64_t step);

typedef enum {
    BERT_STRATEGY_NO,
    BERT_STRATEGY_STEPS,
    BERT_STRATEGY_EPOCH,
    BERT_STRATEGY_BEST /* of save_strategy only: after an evaluation that is the best so far */
} bert_strategy;

/* bf16: every micro-batch's gradient is rounded to it, in one process as well, so that the result does
 * not depend on how many there are. */
typedef enum { BERT_WIRE_FLOAT32, BERT_WIRE_BF16 } bert_wire;
typedef enum { BERT_REPORT_NONE, BERT_REPORT_TENSORBOARD } bert_report_to;

/* The order of rows: shuffled, that of the file, or batches of rows of like length. */
typedef enum { BERT_SAMPLE_RANDOM, BERT_SAMPLE_SEQUENTIAL, BERT_SAMPLE_BY_LENGTH } bert_sampling;

/* Of several tasks: batches of one task each, or with rows of several, which go through the encoder
 * together. */
typedef enum { BERT_BATCHES_ALTERNATE, BERT_BATCHES_MIXED } bert_task_batches;

/* transformers' TrainingArguments: names, defaults and meaning. Rows marked * are ours. */
typedef struct {
    char output_dir[1024]; /* "": nothing is written */
    double num_train_epochs;
    int64_t max_steps; /* > 0 overrides num_train_epochs; -1 */
    int64_t per_device_train_batch_size, per_device_eval_batch_size, gradient_accumulation_steps;
    double learning_rate, weight_decay, adam_beta1, adam_beta2, adam_epsilon, max_grad_norm;
    bert_schedule_type lr_scheduler_type;
    char lr_scheduler_kwargs[1024]; /* as bert_schedule_set() takes them */
    double warmup_steps;            /* like the other ..._steps, below 1: a part of all steps */
    double warmup_ratio;            /* used when warmup_steps is 0 */
    double label_smoothing_factor;
    char class_weights[1024]; /* * "", "auto" (rows / (classes * rows of the class)) or "1,2.5,..."
                               */
    char freeze[1024];        /* * parameters whose names start with one of these, by commas */
    double layer_lr_decay;    /* * the top layer learns at this times the head's rate, each layer
                                 below at this times the one above, embeddings last; 1 */
    bert_strategy logging_strategy, eval_strategy, save_strategy;
    double logging_steps, eval_steps, save_steps; /* eval_steps 0: logging_steps */
    bool logging_first_step, eval_on_start;
    double eval_delay; /* steps or epochs, as eval_strategy counts, before the first evaluation */
    int64_t save_total_limit; /* 0: no limit */
    bool save_only_model;     /* checkpoints to use, not to resume from */
    bool load_best_model_at_end;
    char metric_for_best_model[BERT_MAX_NAME]; /* "": loss; "f1" of several labels is f1_micro, of
                                                  more than two classes f1_macro */
    int greater_is_better; /* -1: unless the metric is a loss or an error; 0; 1 */
    char early_stopping_metric[BERT_MAX_NAME]; /* * "": metric_for_best_model */
    int64_t early_stopping_patience;           /* * evaluations without improvement; 0: off */
    double early_stopping_threshold;           /* * an improvement must be larger than this */
    char metrics[1024];                        /* * as bert_metrics_new() takes them */
    int64_t seed, data_seed;                   /* data_seed -1: seed */
    bert_sampling train_sampling_strategy;
    bool dataloader_drop_last;
    double task_temperature;           /* * of several tasks (bert_trainer_new_tasks()); 1 */
    char task_weights[1024];           /* * */
    bert_task_batches task_batches;    /* * */
    bool gradient_checkpointing;       /* as in bert_tape_options */
    bert_report_to report_to;          /* beside output_dir/log.jsonl */
    char logging_dir[1024];            /* of event files; "": output_dir/runs */
    bool overwrite_output_dir;         /* else a directory that holds a trained model is refused */
    char resume_from_checkpoint[1024]; /* "": start anew; "last": of output_dir; else a directory */
    int64_t threads;                   /* * 0: as many as there are cores */
    bert_precision precision;          /* * */
    bert_wire wire_dtype;              /* * of gradients between the processes of a group */
} bert_training_args;
BERT_API bert_training_args bert_training_default(void);
/* The rows behind the struct: flags, JSON and defaults come from them. */
typedef struct {
    const char *name;     /* "learning_rate" */
    const char *type;     /* "number", "integer", "true|false", "text", or "linear|cosine|..." */
    const char *fallback; /* the default as text; "" for an empty text */
    const char *help;     /* a line */
} bert_training_arg;
/* False past the end. */
BERT_API bool bert_training_arg_at(int i, bert_training_arg *out);
/* name with _ or -; value as text. Unknown names and values out of range are errors that say what
 * is right. */
BERT_API int bert_training_set(bert_training_args *a, const char *name, const char *value,
                               bert_error *e);
/* "true", "yes", "t", "y", "1" and their opposites in any case, as HfArgumentParser takes them;
 * false: none of these. */
BERT_API bool bert_parse_truth(const char *text, bool *truth);

/* What an argument of transformers' TrainingArguments, or of the scripts around them, that has no
 * row here comes to. */
typedef enum {
    BERT_FOREIGN_NONE,   /* there is no such argument there either */
    BERT_FOREIGN_TAKEN,  /* it has another name here */
    BERT_FOREIGN_IDLE,   /* with this value it asks for what is so anyway, or changes no result */
    BERT_FOREIGN_REFUSED /* it asks for what is not here */
} bert_foreign_kind;
typedef struct {
    bert_foreign_kind kind;
    bool is_switch;      /* without a value it is true */
    const char *name;    /* TAKEN: a training argument, an option of bert train, or "MODEL", */
    const char *value;   /* with this value, or with the one given where it is NULL, */
    const char *also;    /* and unless NULL this one too: "name=value" */
    const char *instead; /* what there is instead, or why there is nothing; "" */
} bert_foreign;
/* name with _ or -; value NULL: none is given, "": that is none at all (null). */
BERT_API bert_foreign bert_training_foreign(const char *name, const char *value);
/* The same of words "NAME=VALUE" up to a NULL, the end of argv say; "NAME" alone is "NAME=true".
 * Ends at the first that is wrong. */
BERT_API int bert_training_set_all(bert_training_args *a, char *const *words, bert_error *e);
/* The value as text, as bert_training_set() takes it; returns its length. */
BERT_API int bert_training_get(const bert_training_args *a, const char *name, char *out,
                               size_t capacity);
/* A JSON object of such names; what it does not name is left alone. Arguments of transformers and
 * its scripts that are not here may be in it: BERT_FOREIGN_TAKEN where that is an argument,
 * otherwise left to the caller, and BERT_FOREIGN_IDLE. One error names all others. */
BERT_API int bert_training_load(bert_training_args *a, const char *path, bert_error *e);
BERT_API int bert_training_save(const bert_training_args *a, const char *path, bert_error *e);
/* Whether a run of the model in the directory `model` may begin in output_dir: what
 * bert_trainer_train() would refuse, before any data is read. Changes nothing. */
BERT_API int bert_training_check_output(const bert_training_args *a, const char *model,
                                        bert_error *e);

typedef struct bert_trainer bert_trainer;

/* Where a callback is called, as in transformers' TrainerCallback. */
typedef enum {
    BERT_ON_INIT_END, /* of a callback that has just been added */
    BERT_ON_TRAIN_BEGIN,
    BERT_ON_EPOCH_BEGIN,
    BERT_ON_STEP_BEGIN,
    BERT_ON_SUBSTEP_END,        /* after each batch of an accumulated step but the last */
    BERT_ON_PRE_OPTIMIZER_STEP, /* gradients are complete */
    BERT_ON_OPTIMIZER_STEP,     /* weights are updated, gradients cleared; the step is not counted
                                   yet */
    BERT_ON_STEP_END,
    BERT_ON_LOG, /* state->log_name and log_value hold what was logged: of training, or "eval_..."
                  */
    BERT_ON_PREDICTION_STEP, /* after each batch of an evaluation */
    BERT_ON_EVALUATE,        /* after that log, which is still there */
    BERT_ON_PREDICT,         /* the same of bert_trainer_predict(), "test_..." */
    BERT_ON_SAVE,
    BERT_ON_EPOCH_END,
    BERT_ON_TRAIN_END,
    BERT_EVENT_COUNT
} bert_event;
/* Why training has ended. */
typedef enum {
    BERT_END_NONE, /* it has not */
    BERT_END_COMPLETE,
    BERT_END_PATIENCE, /* early stopping */
    BERT_END_CALLBACK, /* BERT_DO_STOP */
    BERT_END_STOPPED,  /* bert_trainer_stop() */
    BERT_END_NOTHING   /* a resumed run had no step left to do, and has done none */
} bert_ending;
/* What a callback may ask for, or'ed together (TrainerControl). */
enum { BERT_DO_STOP = 1, BERT_DO_LOG = 2, BERT_DO_EVALUATE = 4, BERT_DO_SAVE = 8 };

/* Of one of several tasks. */
typedef struct {
    const char *name;
    const bert_metrics *metrics;  /* of the latest evaluation, or NULL; names without the task's */
    const char *best_metric_name; /* by which weights are the task's best */
    double best_metric;           /* NaN: none yet */
    int64_t best_global_step;     /* 0: none */
    const char *best_model_checkpoint; /* "": none */
} bert_trainer_task_state;

typedef struct {
    int64_t global_step, max_steps;   /* optimizer steps done, and of the whole run */
    double epoch, num_train_epochs;   /* epoch counts parts */
    double loss;                      /* of the latest step */
    double learning_rate, grad_norm;  /* of the latest step; the norm is before clipping */
    double seconds, seconds_left;     /* since this call of bert_trainer_train(), and to its end */
    double tokens_per_second;         /* over the last seconds */
    int64_t tokens;                   /* trained on since the start of the run */
    int64_t eval_batch, eval_batches; /* of a running evaluation */
    double best_metric;               /* NaN: none yet */
    int64_t best_global_step;         /* 0: none */
    const char *best_metric_name;     /* the metrics by which an evaluation is the best, */
    const char *stopping_metric_name; /* and by which patience counts, as bert_metrics names them */
    bool is_best;                     /* at BERT_ON_EVALUATE: it is the best so far */
    int64_t undefined; /* evaluations by whose metric_for_best_model, a NaN, none can be
                          the best; they do not count for patience */
    bert_ending ending;
    const char *why;                                /* training ended, in words; "" while it runs */
    const char *best_model_checkpoint, *checkpoint; /* "": none; the latest that was saved */
    const bert_metrics *metrics;                    /* of the latest evaluation, or NULL */
    int log_count;
    const char *const *log_name;
    const double *log_value;
    const bert_trainer_task_state *tasks; /* [task_count] of tasks with names */
    int task_count;
} bert_trainer_state;

/* Returns BERT_DO_... flags. */
typedef unsigned bert_callback(void *context, bert_event event, const bert_trainer_state *state);

/* The model must be trainable and stay open; datasets too. validation may be NULL where the
 * arguments do not evaluate. */
BERT_API bert_trainer *bert_trainer_new(bert_model *m, const bert_training_args *args,
                                        const bert_dataset *train, const bert_dataset *validation,
                                        bert_error *e);
/* The same as one of a group (bert_group.h), which must stay: processes that train one model together,
 * each with the same data, arguments and weights (bert_trainer_train() refuses others).
 * per_device_train_batch_size is that of a process, and a step takes gradient_accumulation_steps
 * batches of each: micro-batch a * size + rank of the step is the a-th of a rank. Weights, moments and
 * what is logged are the same bits for any size with as many micro-batches, one process included:
 * a step's gradient is their sum in that order, each computed by itself. Sums, moments and updates
 * are cut among the processes, evaluations are shared, and rank 0 alone writes. */
BERT_API bert_trainer *bert_trainer_new_in_group(bert_model *m, const bert_training_args *args,
                                                 const bert_dataset *train,
                                                 const bert_dataset *validation,
                                                 const bert_group *group, bert_error *e);

/* Several tasks over one encoder (bert_model_add_task()), trained together.
 *
 * Which task's rows come when is a function of the seed and the epoch. An epoch has as many batches as
 * all tasks have together; of them a task has a share in proportion to its own number n
 * (task_temperature 1), to n^(1/task_temperature), or to task_weights, one at least, shuffled (in
 * sequential order: spread evenly). A task that has more than its n begins another pass over its
 * rows, one that has fewer goes on in the next epoch where it was. With task_batches mixed the same
 * is so of rows, and a batch is so many of them; it goes through the encoder once, and each head
 * reads its own.
 *
 * The loss of a step is, over the tasks that are in it, the sum of loss_weight times the task's mean
 * loss: each task has a divisor of its own, its items in all batches of the step (and all
 * processes). A head that is in no batch of a step is left as it is. How often a task comes and how
 * much it counts are two things.
 *
 * Metrics are called "TASK_accuracy", "TASK_loss"; "loss" is of the validation data what a step's
 * is, and "mean" that of the metrics that say which weights are the tasks' best, where each of them
 * is better when greater. metric_for_best_model and its like name one of these. Checkpoints of the best
 * weights of each task are kept, whatever save_total_limit. */
typedef struct {
    bert_model *model;                      /* the task */
    const bert_dataset *train, *validation; /* validation may be NULL */
    double loss_weight;                     /* 0: 1 */
    const char *metrics;               /* as bert_metrics_new() takes them; NULL: the arguments' */
    const char *metric_for_best_model; /* of the task's best weights; NULL: the first of them */
    const char
        *class_weights; /* as those of the arguments, which NULL takes where it has classes */
} bert_trainer_task;
/* A task of two files (and more_files to train on), opened by bert_dataset_open() with options, the second one like
 * the first; validation NULL: there is none. name NULL: its model is encoder's checkpoint under head (bert_dataset_open_head()),
 * for bert_trainer_new(); else head is added to encoder, which was opened trainable and stays, under that
 * name (bert_model_add_task()). head NULL: the one that fits the data. After an error, all of it is NULL. */
BERT_API bert_trainer_task bert_trainer_task_open(bert_model *encoder, const char *name,
                                                  const bert_head *head, const char *train,
                                                  const char *validation,
                                                  const bert_dataset_options *options,
                                                  bert_error *e);
/* Frees what that opened, after its trainer and before encoder. */
BERT_API void bert_trainer_task_close(bert_trainer_task *task);
/* A trainer of n tasks; group NULL: one process. bert_trainer_evaluate() without a dataset is of all
 * of them; it and bert_trainer_predict() take no other sets than theirs. */
BERT_API bert_trainer *bert_trainer_new_tasks(const bert_training_args *args,
                                              const bert_trainer_task *tasks, int n,
                                              const bert_group *group, bert_error *e);
BERT_API void bert_trainer_free(bert_trainer *t);
BERT_API int bert_trainer_add_callback(bert_trainer *t, bert_callback *fn, void *context,
                                       bert_error *e);
/* Trains to the end, or until a callback or early stopping ends it: state->ending. An output_dir
 * that holds checkpoints or a trained model is BERT_EINVAL, unless they are resumed or
 * overwrite_output_dir is set; then its checkpoints are removed. One that holds the model that is
 * trained from is always refused. BERT_EINTERRUPTED after
 * bert_trainer_stop(): the step is finished and, unless save_strategy is no, a checkpoint is there
 * to resume from. BERT_ENUMERIC at the first loss or gradient that is not finite; nothing of it is
 * written. */
BERT_API int bert_trainer_train(bert_trainer *t, bert_error *e);
/* Asks a running bert_trainer_train() to end; may be called from a signal handler or another
 * thread. */
BERT_API void bert_trainer_stop(bert_trainer *t);
BERT_API const bert_trainer_state *bert_trainer_get_state(const bert_trainer *t);
/* Metrics over the given dataset, or NULL; belongs to the trainer until its next evaluation. They
 * are logged unless weights of this step have been evaluated before, as the best ones have. */
BERT_API const bert_metrics *bert_trainer_evaluate(bert_trainer *t, const bert_dataset *d,
                                                   bert_error *e);
/* The same of data that takes no part in training, which is not logged; row is called with the
 * logits of each row as in bert_evaluate_options, or NULL. */
BERT_API const bert_metrics *bert_trainer_predict(bert_trainer *t, const bert_dataset *d,
                                                  int (*row)(void *context, int64_t row,
                                                             const float *logits,
                                                             int32_t num_labels),
                                                  void *context, bert_error *e);
/* The model, its tokenizer, README.md, training_args.json, trainer_state.json and all_results.json
 * in output_dir. After BERT_END_NOTHING a model that is there already stays as it is. */
BERT_API int bert_trainer_save(bert_trainer *t, bert_error *e);

#ifdef __cplusplus
}
#endif
#endif
