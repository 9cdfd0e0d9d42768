/* Time that only goes forward. */
#ifndef BERT_BASE_CLOCK_H
#define BERT_BASE_CLOCK_H

/* Since some moment. */
double bert_seconds(void);
#endif
