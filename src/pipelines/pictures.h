/* Pictures through a model, some at a time: the one loop of all tasks of pictures. */
#ifndef BERT_PIPELINES_PICTURES_H
#define BERT_PIPELINES_PICTURES_H
#include "models/pictures.h"
#include "models/session.h"

typedef struct {
    bert_session *s;
    const bert_picture *pictures;
    int32_t n;
    int32_t views; /* pictures of a row, which stay together; 0: 1 */
    bert_picture_options options;
    bert_picture_info *info; /* [n] or NULL */
    /* What becomes of pictures of one size, from the first-th on, whose tensors in holds. */
    int (*run)(void *context, int32_t first, const bert_inputs *in, bert_error *e);
    void *context;
} bert_pictures_job;
/* Reads and runs all pictures. What the task before has given is gone. e is not NULL. */
int bert_pictures_run(bert_pictures_job *j, bert_error *e);
/* How files become pixels: what the options or the checkpoint say. */
int bert_pictures_processor(bert_session *s, const bert_picture_options *options,
                            bert_image_processor *out, bert_error *e);
#endif
