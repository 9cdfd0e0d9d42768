/* bert_train.h: tensors, tape, operations, layers, heads and the trainer.
 *
 * 1 parameters, 2 tape and operations, 3 model on the tape, 4 heads, 5 data, 6 metrics, 7 trainer.
 * Conventions as in bert.h. A step of a loop of one's own:
 *
 *     bert_tape_reset(t);                                       // rewinds the arena; no malloc
 * after warm-up bert_tensor *logits = my_head(t, bert_forward(t, m, &batch.inputs), &batch.inputs);
 *     bert_tensor *loss = bert_cross_entropy(t, logits, batch.labels, NULL, 0);
 *     if (bert_tape_backward(t, loss, 1, &e)) ...               // adds to every parameter's
 * gradient bert_optimizer_step(opt, lr, max_norm, &norm, &e);        // clips, updates, clears
 * gradients
 */
#ifndef BERT_TRAIN_H
#define BERT_TRAIN_H
#include <bert.h>

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
BERT_API bert_param *bert_params_find(const bert_params *ps,
                                      const char *name); /* NULL if there is none */
BERT_API const char *bert_param_name(const bert_param *p);
BERT_API void bert_param_shape(const bert_param *p, int32_t *rows, int32_t *cols);
BERT_API const float *bert_param_value(const bert_param *p);
BERT_API float *
bert_param_value_mut(bert_param *p); /* NULL unless trainable; call it again after each change */
BERT_API const float *bert_param_grad(const bert_param *p); /* NULL unless trainable */
BERT_API bool bert_param_trainable(const bert_param *p);
BERT_API void bert_param_freeze(bert_param *p, bool frozen);
/* Freezes every parameter whose name starts with prefix; returns how many. */
BERT_API int bert_params_freeze(bert_params *ps, const char *prefix);
BERT_API void bert_params_zero_grad(bert_params *ps);

typedef struct {
    bert_param *weight; /* [out, in], as PyTorch stores it */
    bert_param *bias;   /* [1, out] */
} bert_linear;
/* "name.weight" N(0, initializer_range), "name.bias" 0. */
BERT_API int bert_linear_new(bert_params *ps, const char *name, int32_t in, int32_t out,
                             bert_linear *l, bert_error *e);

typedef struct {
    bert_param *weight, *bias; /* [1, size] each; saved as name.weight, name.bias */
    float eps;
} bert_layer_norm;
BERT_API int bert_layer_norm_new(bert_params *ps, const char *name, int32_t size, float eps,
                                 bert_layer_norm *n, bert_error *e);

/* --------------------------------------------------- 2. Tape and operations */

/* A matrix [rows, cols] computed on a tape; lives until the tape is reset. */
typedef struct bert_tensor bert_tensor;
typedef struct bert_tape bert_tape;
typedef struct {
    int threads; /* 0: as many as there are cores */
    bert_precision precision;
    bool record;   /* keep what backward needs; off: inference */
    bool training; /* dropout is active */
    uint64_t seed; /* of dropout; the mask depends on (seed, step, call) only, never on threads */
} bert_tape_options;
BERT_API bert_tape_options bert_tape_default(void); /* recording, not training, seed 42 */
BERT_API bert_tape *bert_tape_new(const bert_tape_options *options, bert_error *e);
BERT_API void bert_tape_free(bert_tape *t);
/* Forgets every tensor and the error; keeps the memory. */
BERT_API void bert_tape_reset(bert_tape *t);
BERT_API void bert_tape_set_mode(bert_tape *t, bool record, bool training);
BERT_API void bert_tape_set_step(bert_tape *t,
                                 uint64_t step); /* selects the dropout masks of that step */
/* The first error since the last reset sticks; operations given NULL or on a failed tape return
 * NULL. */
BERT_API int bert_tape_error(const bert_tape *t, bert_error *e);
/* Adds d(seed_grad * sum(loss))/dp to the gradient of every trainable parameter that loss depends
 * on. */
BERT_API int bert_tape_backward(bert_tape *t, bert_tensor *loss, float seed_grad, bert_error *e);
BERT_API size_t bert_tape_memory(const bert_tape *t); /* bytes held */

BERT_API int32_t bert_tensor_rows(const bert_tensor *x);
BERT_API int32_t bert_tensor_cols(const bert_tensor *x);
BERT_API const float *bert_tensor_data(const bert_tensor *x); /* NULL for NULL */
BERT_API const float *
bert_tensor_grad(const bert_tensor *x); /* after backward; NULL if nothing flowed into it */

/* A matrix from outside, copied. requires_grad: bert_tensor_grad() is wanted. */
BERT_API bert_tensor *bert_constant(bert_tape *t, const float *data, int32_t rows, int32_t cols,
                                    bool requires_grad);
BERT_API bert_tensor *bert_param_tensor(bert_tape *t, bert_param *p);

typedef enum {
    BERT_ACT_NONE,
    BERT_ACT_GELU,
    BERT_ACT_GELU_NEW,
    BERT_ACT_RELU,
    BERT_ACT_TANH,
    BERT_ACT_SIGMOID,
    BERT_ACT_SILU,
    BERT_ACT_COUNT
} bert_act;
BERT_API int bert_act_parse(const char *name, bert_act *act,
                            bert_error *e); /* config.json's hidden_act names */

/* y = act(x W^T + b); x [n, in] -> [n, out]. */
BERT_API bert_tensor *bert_linear_apply(bert_tape *t, bert_linear l, bert_tensor *x);
BERT_API bert_tensor *bert_linear_act(bert_tape *t, bert_linear l, bert_tensor *x, bert_act act);
/* The count (at most 3) linears of one input in one product: [n, out_0 + out_1 + ...]. */
BERT_API bert_tensor *bert_linear_cat(bert_tape *t, const bert_linear *ls, int count,
                                      bert_tensor *x);
BERT_API bert_tensor *bert_activate(bert_tape *t, bert_tensor *x, bert_act act);
BERT_API bert_tensor *bert_matmul(bert_tape *t, bert_tensor *a, bert_tensor *b,
                                  bool transpose_b); /* a b, or a b^T */
BERT_API bert_tensor *bert_add(bert_tape *t, bert_tensor *a,
                               bert_tensor *b); /* same shape, or b [1, cols] for each row */
BERT_API bert_tensor *bert_sub(bert_tape *t, bert_tensor *a, bert_tensor *b); /* same shape */
BERT_API bert_tensor *bert_mul(bert_tape *t, bert_tensor *a,
                               bert_tensor *b); /* elementwise; same shape, or b [1, cols] */
BERT_API bert_tensor *bert_scale(bert_tape *t, bert_tensor *x, float factor);
BERT_API bert_tensor *bert_dropout(bert_tape *t, bert_tensor *x,
                                   float p); /* identity unless training */
/* LayerNorm(x + residual); residual may be NULL. */
BERT_API bert_tensor *bert_layer_norm_apply(bert_tape *t, const bert_layer_norm *n, bert_tensor *x,
                                            bert_tensor *residual);
BERT_API bert_tensor *bert_softmax(bert_tape *t, bert_tensor *x); /* of each row */
BERT_API bert_tensor *bert_embedding(bert_tape *t, bert_param *table, const int32_t *ids,
                                     int32_t n); /* -> [n, cols] */
/* Multi-head self-attention over packed sequences. qkv [T, 3H] = queries, keys, values side by
 * side, heads of H/heads; softmax(q k^T / sqrt(H/heads)), dropout p, times v -> [T, H]. No token
 * sees another sequence. */
BERT_API bert_tensor *bert_attention(bert_tape *t, bert_tensor *qkv, int32_t heads,
                                     const int32_t *start, int32_t n, float p);
BERT_API bert_tensor *bert_rows(bert_tape *t, bert_tensor *x, const int32_t *index,
                                int32_t n); /* gather: [n, cols] */
BERT_API bert_tensor *bert_concat(bert_tape *t, bert_tensor *a, bert_tensor *b); /* side by side */
BERT_API bert_tensor *bert_slice(bert_tape *t, bert_tensor *x, int32_t col,
                                 int32_t cols); /* columns */
/* One row for each group of consecutive rows start[i] .. start[i+1]-1. */
BERT_API bert_tensor *bert_mean_groups(bert_tape *t, bert_tensor *x, const int32_t *start,
                                       int32_t n);
BERT_API bert_tensor *bert_max_groups(bert_tape *t, bert_tensor *x, const int32_t *start,
                                      int32_t n);
BERT_API bert_tensor *bert_sum_groups(bert_tape *t, bert_tensor *x, const int32_t *start,
                                      int32_t n);
BERT_API bert_tensor *bert_normalize_rows(bert_tape *t, bert_tensor *x); /* each row to length 1 */
BERT_API bert_tensor *bert_reshape(bert_tape *t, bert_tensor *x, int32_t rows, int32_t cols);
BERT_API bert_tensor *bert_sum(bert_tape *t, bert_tensor *x); /* -> [1, 1] */

/* Losses -> [1, 1]: the sum over items divided by the divisor; divisor 0 means the number of items
 * that count, which is PyTorch's reduction="mean". Accumulating steps pass the item count of the
 * whole accumulated batch. */
/* -log softmax(logits[i])[label[i]]; label -100 is ignored; weights [cols] or NULL (then the items'
 * weights count, as in torch.nn.CrossEntropyLoss). */
BERT_API bert_tensor *bert_cross_entropy(bert_tape *t, bert_tensor *logits, const int32_t *labels,
                                         const float *weights, double divisor,
                                         float label_smoothing);
/* torch.nn.BCEWithLogitsLoss and torch.nn.MSELoss; targets [rows * cols]; items are elements. */
BERT_API bert_tensor *bert_bce_with_logits(bert_tape *t, bert_tensor *logits, const float *targets,
                                           double divisor);
BERT_API bert_tensor *bert_mse(bert_tape *t, bert_tensor *x, const float *targets, double divisor);

/* -------------------------------------------------------- 3. Model on the tape */

BERT_API bert_params *bert_model_params(const bert_model *m);
/* last_hidden_state [start[n], H] of a packed batch. */
BERT_API bert_tensor *bert_forward(bert_tape *t, const bert_model *m, const bert_inputs *inputs);
BERT_API bert_tensor *bert_cls(bert_tape *t, bert_tensor *hidden,
                               const bert_inputs *inputs); /* first rows: [n, H] */
BERT_API bert_tensor *bert_pooler(bert_tape *t, const bert_model *m, bert_tensor *hidden,
                                  const bert_inputs *inputs);
/* The model's own head on hidden: its logits. */
BERT_API bert_tensor *bert_head_forward(bert_tape *t, const bert_model *m, bert_tensor *hidden,
                                        const bert_inputs *inputs);

/* ------------------------------------------------------------------- 4. Heads */

/* One packed batch with its targets. */
typedef struct {
    bert_inputs inputs;
    const int32_t *labels; /* [n] class indices, or NULL */
    const float *targets;  /* [n, num_labels] for regression and multi-label, or NULL */
    const int64_t *rows;   /* [n] row numbers in the dataset */
    int32_t task;          /* which head, for models with several */
} bert_batch;

/* A head of one's own: 15 lines of C. state_size bytes of zeroed memory come as self. */
typedef struct {
    const char *name;
    size_t state_size;
    int (*init)(void *self, bert_params *ps, const bert_config *c, bert_error *e);
    bert_tensor *(*forward)(void *self, bert_tape *t, const bert_model *m, bert_tensor *hidden,
                            const bert_inputs *inputs);
    bert_tensor *(*loss)(void *self, bert_tape *t, bert_tensor *logits, const bert_batch *b,
                         double divisor);
} bert_head;
/* Opens a checkpoint under a head of one's own. */
BERT_API bert_model *bert_model_open_head(const char *name_or_path, const bert_head *head,
                                          const bert_model_options *options, bert_error *e);
/* The loss of the model's head, by its problem_type where it is a classifier. */
BERT_API bert_tensor *bert_head_loss(bert_tape *t, const bert_model *m, bert_tensor *logits,
                                     const bert_batch *b, double divisor);

/* Optimizer: AdamW as in torch.optim.AdamW. */
typedef struct {
    float beta1, beta2, eps, weight_decay; /* .9, .999, 1e-8, 0 */
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

#ifdef __cplusplus
}
#endif
#endif
