/* report.html: what people look at after training, in one file without a network. */
#ifndef BERT_TRAIN_HTML_H
#define BERT_TRAIN_HTML_H
#include "train/trainer.h"

/* Curves of the log; of a classifier of single labels also classes, confusions, calibration and the
 * most wrong rows of the validation data. */
int bert_html_save(bert_trainer *t, const char *directory, bert_error *e);
#endif
