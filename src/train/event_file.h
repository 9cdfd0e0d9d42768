/* TensorBoard event files: TFRecord framing around tensorflow.Event messages that hold scalar
 * summaries. */
#ifndef BERT_TRAIN_EVENT_FILE_H
#define BERT_TRAIN_EVENT_FILE_H
#include <bert.h>

typedef struct bert_event_file bert_event_file;
/* Creates directory (with parents) and in it "events.out.tfevents.<seconds>.<host>.<pid>". */
bert_event_file *bert_event_file_open(const char *directory, bert_error *e);
/* One point of the curve `tag`; on disk when the call returns, so a killed run keeps its curves. */
int bert_event_file_scalar(bert_event_file *f, const char *tag, double value, int64_t step,
                           bert_error *e);
int bert_event_file_close(bert_event_file *f, bert_error *e); /* NULL-safe */
#endif
