/* The name that somebody who mistyped may have meant. */
#ifndef BERT_CLI_NEAREST_H
#define BERT_CLI_NEAREST_H

typedef struct {
    const char *typed, *best; /* best: NULL while nothing is near */
    int distance;
} nearest;
nearest nearest_to(const char *typed);
void nearest_offer(nearest *n, const char *name);
#endif
